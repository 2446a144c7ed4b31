/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interactive transactions. A session holds the writer from its BEGIN (or outermost SAVEPOINT) until the transaction
 * has ended, however it ended; outside a transaction it is any other caller.
 */
#include <string.h>

#include "oltp/oltp_internal.h"

struct oltp_session {
    struct oltp *oltp;
    bool holding;     /* the writer, and with it an open transaction */
    bool cursor_open; /* a streamed cursor on the writer's connection */
    bool full;        /* the change log was when the transaction began; if it wasn't, nothing of it is refused */
    struct oltp_schema *schema; /* what this transaction's DDL made; published at COMMIT */
};

rhei_status oltp_session_open(struct oltp *oltp, struct oltp_session **session, struct rhei_error *error)
{
    *session = base_alloc_zero(1, sizeof **session);
    if (*session == NULL)
        return error_no_memory(error);
    (*session)->oltp = oltp;
    return RHEI_OK;
}

bool oltp_session_in_transaction(const struct oltp_session *session)
{
    return session->holding;
}

const struct table_pin *oltp_session_pin(const struct oltp_session *session)
{
    const struct oltp_connection *writer = session->oltp->writer;
    return session->holding && writer->pin_stays ? writer->pin : NULL;
}

static void session_let_go(struct oltp_session *session)
{
    struct oltp *oltp = session->oltp;
    oltp_face_let_go(oltp->writer);
    session->holding = false;
    base_mutex_lock(&oltp->queue_lock);
    BASE_INVARIANT(oltp->in_session && oltp->writer_busy); /* I3 */
    oltp->in_session = false;
    base_mutex_unlock(&oltp->queue_lock);
    oltp->hooks->release(session->schema);
    session->schema = NULL;
    oltp_writer_release(oltp);
}

void oltp_session_close(struct oltp_session **slot)
{
    struct oltp_session *session = *slot;
    if (session == NULL)
        return;
    *slot = NULL;
    if (session->holding) {
        oltp_roll_back(session->oltp);
        session_let_go(session);
    }
    base_free(session);
}

/* After every statement: did the transaction end, by COMMIT, by ROLLBACK or by an error that took it back? *result: of the COMMIT. */
static void session_settle(struct oltp_session *session, bool committed, struct oltp_result *result)
{
    BASE_INVARIANT(session->holding);
    struct oltp *oltp = session->oltp;
    if (sqlite3_get_autocommit(oltp->writer->db) == 0)
        return;
    if (committed) {
        if (session->schema != NULL) {
            oltp->hooks->publish_if_current(oltp, session->schema); /* a ROLLBACK TO may have taken some of it back */
            session->schema = NULL;
        }
        result->position = oltp->pending_seq; /* of all that the transaction logged */
        oltp_committed(oltp, 1);
    } else {
        oltp_rolled_back(oltp);
    }
    session_let_go(session);
}

/* A transaction that says that it will write waits for room in a full log: later, with the writer, it can't. Without room it begins all the same. */
static rhei_status session_wait(struct oltp *oltp, const char *sql, size_t len, const struct oltp_stop *stop,
                                struct rhei_error *error)
{
    struct rhei_error stopped = RHEI_ERROR_INIT;
    int64_t until = 0;
    if (!oltp_log_is_full(oltp) || !oltp_begins_writing(sql, len))
        return RHEI_OK;
    (void)oltp_log_wait(oltp, 0, stop, &until, &stopped);
    if (stopped.code != RHEI_OK && error != NULL && error->code == RHEI_OK)
        *error = stopped;
    return stopped.code;
}

static rhei_status session_begin(struct oltp_session *session, const char *sql, size_t len,
                                 const struct oltp_stop *stop, struct rhei_error *error)
{
    struct oltp *oltp = session->oltp;
    rhei_status status = session_wait(oltp, sql, len, stop, error);
    if (status == RHEI_OK)
        status = oltp_writer_acquire_until(oltp, stop, error);
    if (status != RHEI_OK)
        return status;
    session->full = oltp_log_is_full(oltp);
    base_mutex_lock(&oltp->queue_lock);
    BASE_INVARIANT(!oltp->in_session && !session->holding); /* I3: one session has the writer */
    oltp->in_session = true;
    oltp->session_since_ns = base_now_ns();
    base_mutex_unlock(&oltp->queue_lock);
    session->holding = true;
    (void)oltp_face_keep(oltp->writer);
    /* before a transaction, so that what others did to the schema is not taken for this session's doing */
    oltp_connection_watch(oltp->writer, stop);
    status = oltp_catch_up(oltp, error);
    oltp_connection_watch(oltp->writer, NULL);
    if (status != RHEI_OK)
        session_let_go(session);
    return status;
}

static bool session_is_full(const struct oltp_session *session)
{
    return session->full && oltp_log_is_full(session->oltp);
}

static rhei_status session_check_log(struct oltp *oltp, bool full, uint64_t logged, bool *refused,
                                     struct rhei_error *error)
{
    rhei_status status = oltp_log_check(oltp, full, logged, refused, error);
    atomic_fetch_add_explicit(&oltp->counters.refused, *refused, memory_order_relaxed);
    return status;
}

/* A statement while the log is full: it is taken back if it adds to it. Nobody waits: this transaction is in the way of who would make room. */
static rhei_status session_step_full(struct oltp_session *session, struct oltp_statement *statement,
                                     const struct oltp_stop *stop, struct oltp_result *result,
                                     struct oltp_cursor **cursor, struct rhei_error *error)
{
    struct oltp *oltp = session->oltp;
    uint64_t logged = oltp->pending_rows;
    bool refused = false;
    rhei_status status = oltp_step_own(oltp, oltp->savepoint, error);
    if (status != RHEI_OK)
        return status;
    oltp_connection_watch(oltp->writer, stop);
    status = oltp_step_all(oltp, statement, result, cursor, error);
    oltp_connection_watch(oltp->writer, NULL);
    if (status == RHEI_OK)
        status = session_check_log(oltp, true, logged, &refused, error);
    if (sqlite3_get_autocommit(oltp->writer->db) == 0) {
        sqlite3_reset(statement->stmt);
        if (refused)
            oltp_step_own(oltp, oltp->rollback_to, NULL);
        oltp_step_own(oltp, oltp->release, NULL);
    }
    if (refused) {
        *result = (struct oltp_result){0};
        oltp_cursor_close(cursor);
    }
    return status;
}

static rhei_status session_step(struct oltp_session *session, struct oltp_statement **statement,
                                const struct rhei_value *params, uint32_t count, const struct oltp_stop *stop,
                                struct oltp_result *result, struct oltp_cursor **cursor, struct rhei_error *error)
{
    struct oltp *oltp = session->oltp;
    struct oltp_connection *writer = oltp->writer;
    rhei_status status = oltp_bind(writer, *statement, params, count, cursor != NULL && (*statement)->read_only, error);
    if (status != RHEI_OK)
        return status;
    if ((*statement)->is_ddl) {
        status = oltp_exec(writer, "SAVEPOINT _rhei_ddl", error);
        if (status == RHEI_OK) {
            oltp_connection_watch(writer, stop);
            status = oltp_step_ddl(oltp, *statement, result, cursor, &session->schema, error);
            oltp_connection_watch(writer, NULL);
        }
        if (sqlite3_get_autocommit(writer->db) == 0) {
            if (status != RHEI_OK)
                oltp_exec(writer, "ROLLBACK TO _rhei_ddl", NULL);
            oltp_exec(writer, "RELEASE _rhei_ddl", NULL);
        }
        return status;
    }
    if (cursor != NULL && (*statement)->read_only && sqlite3_column_count((*statement)->stmt) > 0) {
        status = oltp_cursor_stream(oltp, writer, *statement, stop, &session->cursor_open, cursor, error);
        if (status == RHEI_OK)
            *statement = NULL; /* the cursor's now */
        return status;
    }
    if ((*statement)->kind != OLTP_TRANSACTION && session_is_full(session))
        return session_step_full(session, *statement, stop, result, cursor, error);
    bool waits =
        (*statement)->kind != OLTP_TRANSACTION || oltp_begins_transaction((*statement)->sql, (*statement)->len);
    oltp_connection_watch(writer, waits ? stop : NULL);
    status = oltp_step_all(oltp, *statement, result, cursor, error);
    oltp_connection_watch(writer, NULL);
    return status;
}

/* The rule of oltp_session_run: who ends a write ends its transaction. */
static void session_take_back(struct oltp_session *session, struct rhei_error *error)
{
    if (sqlite3_get_autocommit(session->oltp->writer->db) == 0)
        oltp_exec(session->oltp->writer, "ROLLBACK", NULL);
    error_context(error, OLTP_SESSION_ROLLED_BACK);
}

/* Within the transaction, or with the statement that begins it. */
static rhei_status session_run_held(struct oltp_session *session, const char *sql, size_t len,
                                    const struct rhei_value *params, uint32_t count, const struct oltp_stop *stop,
                                    struct oltp_result *result, struct oltp_cursor **cursor, struct rhei_error *error)
{
    struct oltp_statement *statement = NULL;
    struct oltp_connection *writer = session->oltp->writer;
    struct sql_literals lifted;
    char bytes[2048];
    rhei_status status = RHEI_OK;
    writer->busy_deadline_ns = 0;
    if (count == 0 && oltp_lift(sql, len, &lifted, bytes, sizeof bytes) &&
        oltp_prepare_lifted(session->oltp, &lifted, &statement)) {
        params = lifted.values;
        count = lifted.count;
    } else {
        status = oltp_prepare(writer, sql, len, &statement, error);
    }
    if (status == RHEI_OK && statement->kind != OLTP_EMPTY) {
        bool ends = statement->kind == OLTP_TRANSACTION, reads = statement->read_only;
        bool rolls = ends && oltp_word_is(sql, len, "ROLLBACK");
        rhei_status stopped = stop == NULL || rolls ? RHEI_OK : stop->check(stop->context);
        status = stopped != RHEI_OK ? oltp_stop_error(stopped, false, error)
                                    : session_step(session, &statement, params, count, stop, result, cursor, error);
        oltp_statement_release(writer, &statement);
        if ((status == RHEI_CANCELLED || status == RHEI_TIMEOUT) && !ends && !reads)
            session_take_back(session, error);
        if (ends && status != RHEI_OK && sqlite3_get_autocommit(writer->db) == 0)
            error_context(error, "the transaction is still open: ");
        if (sqlite3_get_autocommit(writer->db) == 0 && (status != RHEI_OK || rolls))
            oltp_recount(session->oltp);
        /* only COMMIT, END or the RELEASE of the outermost savepoint end it without an error and keep it */
        bool rolled = len >= 8 && status == RHEI_OK && oltp_is_rollback(sql, len);
        session_settle(session, status == RHEI_OK && ends && !rolled, result);
        return status;
    }
    oltp_statement_release(writer, &statement);
    session_settle(session, false, NULL);
    return status;
}

/* ---- Batches and scripts within the transaction: all or nothing by a savepoint. -------------------------------- */

static void session_guard_end(struct oltp_session *session, bool guarded, rhei_status status, struct rhei_error *error)
{
    struct oltp *oltp = session->oltp;
    oltp_connection_watch(oltp->writer, NULL);
    if (status == RHEI_CANCELLED || status == RHEI_TIMEOUT) {
        session_take_back(session, error);
    } else if (sqlite3_get_autocommit(oltp->writer->db) == 0) {
        if (status != RHEI_OK && guarded)
            oltp_step_own(oltp, oltp->rollback_to, NULL);
        if (guarded)
            oltp_step_own(oltp, oltp->release, NULL);
        if (status != RHEI_OK)
            oltp_recount(oltp);
    }
    session_settle(session, false, NULL);
}

static rhei_status session_guard(struct oltp_session *session, bool guarded, const struct oltp_stop *stop,
                                 struct rhei_error *error)
{
    BASE_INVARIANT(session->holding && sqlite3_get_autocommit(session->oltp->writer->db) == 0);
    rhei_status stopped = stop == NULL ? RHEI_OK : stop->check(stop->context);
    rhei_status status = stopped != RHEI_OK ? oltp_stop_error(stopped, false, error)
                         : guarded          ? oltp_step_own(session->oltp, session->oltp->savepoint, error)
                                            : RHEI_OK;
    session->oltp->writer->busy_deadline_ns = 0;
    oltp_connection_watch(session->oltp->writer, stop);
    return status;
}

static rhei_status session_ready(const struct oltp_session *session, struct rhei_error *error)
{
    return session->cursor_open
               ? error_set(error, RHEI_INVALID,
                           "the rows of this session's last statement are still open: close them first")
               : RHEI_OK;
}

static rhei_status session_run_many(struct oltp_session *session, struct oltp_job *job, bool guarded,
                                    struct rhei_error *error)
{
    struct oltp *oltp = session->oltp;
    struct oltp_statement *statement = NULL;
    rhei_status status = session_ready(session, error);
    if (status == RHEI_OK)
        status = oltp_prepare(oltp->writer, job->sql, job->len, &statement, error);
    if (status != RHEI_OK)
        return status;
    if (statement->kind == OLTP_TRANSACTION || statement->alone) {
        oltp_statement_release(oltp->writer, &statement);
        return error_set(error, RHEI_TRANSACTION, "a batch within a transaction runs INSERT, UPDATE, DELETE or SELECT");
    }
    bool full = session_is_full(session);
    uint64_t logged = oltp->pending_rows;
    guarded = guarded || full;
    status = session_guard(session, guarded, job->stop, &job->error);
    if (status == RHEI_OK && statement->kind != OLTP_EMPTY)
        status = oltp_step_rows(oltp, job, statement);
    oltp_statement_release(oltp->writer, &statement);
    if (status != RHEI_OK)
        oltp_name_row(job);
    else
        status = session_check_log(oltp, full, logged, &job->refused, &job->error);
    if (job->refused)
        job->wrong_rows = 0; /* none of them is to blame, and none is left */
    session_guard_end(session, guarded, status, &job->error);
    if (status != RHEI_OK && error != NULL && error->code == RHEI_OK)
        *error = job->error;
    return status;
}

rhei_status oltp_session_run_many(struct oltp_session *session, const char *sql, size_t len,
                                  const struct rhei_value *params, uint32_t count, size_t rows,
                                  const struct oltp_stop *stop, struct oltp_result *result, struct rhei_error *error)
{
    if (!session->holding)
        return oltp_write_many(session->oltp, sql, len, params, count, rows, stop, result, error);
    struct oltp_job job = {
        .sql = sql, .len = len, .params = params, .param_count = count, .rows = rows, .many = true, .stop = stop};
    rhei_status status = session_run_many(session, &job, true, error);
    if (status == RHEI_OK && result != NULL)
        *result = job.result;
    return status;
}

/*
 * Within a savepoint SQLite keeps what the pages of each statement's journal held until the savepoint ends, in a temporary file:
 * for rows by the thousand that is more writing than the rows are.
 */
rhei_status oltp_session_add_many(struct oltp_session *session, const char *sql, size_t len,
                                  const struct rhei_value *params, uint32_t count, size_t rows,
                                  const struct oltp_stop *stop, struct oltp_result *result, size_t *added,
                                  struct rhei_error *error)
{
    *added = SIZE_MAX;
    if (!session->holding)
        return error_set(error, RHEI_TRANSACTION, "rows are added within a transaction");
    struct oltp_job job = {
        .sql = sql, .len = len, .params = params, .param_count = count, .rows = rows, .many = true, .stop = stop};
    rhei_status status = session_run_many(session, &job, false, error);
    if (status == RHEI_OK)
        *added = rows;
    else if (job.wrong_rows == 1)
        *added = job.wrong_row;
    *result = job.result;
    return status;
}

rhei_status oltp_session_run_script(struct oltp_session *session, const char *sql, size_t len,
                                    const struct oltp_stop *stop, struct oltp_result *result, struct rhei_error *error)
{
    struct oltp *oltp = session->oltp;
    if (!session->holding)
        return oltp_write_script(oltp, sql, len, stop, result, error);
    struct oltp_schema *schema = NULL;
    struct oltp_result done = {0};
    rhei_status status = session_ready(session, error);
    if (status != RHEI_OK)
        return status;
    bool full = session_is_full(session), refused = false;
    uint64_t logged = oltp->pending_rows;
    status = session_guard(session, true, stop, error);
    if (status == RHEI_OK)
        status = oltp_script_run(oltp, sql, len, &done, &schema, error);
    if (status == RHEI_OK)
        status = session_check_log(oltp, full, logged, &refused, error);
    if (status == RHEI_OK && schema != NULL) {
        oltp->hooks->release(session->schema);
        session->schema = schema;
    } else {
        oltp->hooks->release(schema);
    }
    session_guard_end(session, true, status, error);
    if (status == RHEI_OK && result != NULL)
        *result = done;
    return status;
}

/* The names in one block, behind their pointers. */
static const char *session_column(sqlite3_stmt *stmt, uint32_t number, bool type)
{
    const char *text = type ? sqlite3_column_decltype(stmt, (int)number) : sqlite3_column_name(stmt, (int)number);
    return text == NULL ? "" : text;
}

/* Names, and behind them the declared types, in one block. */
static bool session_names(sqlite3_stmt *stmt, struct oltp_shape *shape)
{
    uint32_t count = shape->column_count;
    size_t bytes = 1;
    for (uint32_t i = 0; i < 2 * count; i++)
        bytes += sizeof(char *) + strlen(session_column(stmt, i % count, i >= count)) + 1;
    shape->column_names = base_alloc(bytes);
    if (shape->column_names == NULL)
        return false;
    shape->column_types = shape->column_names + count;
    char *at = (char *)(shape->column_names + 2 * (size_t)count);
    for (uint32_t i = 0; i < 2 * count; i++) {
        const char *text = session_column(stmt, i % count, i >= count);
        size_t len = strlen(text);
        memcpy(at, text, len + 1);
        shape->column_names[i] = at;
        at += len + 1;
    }
    return true;
}

rhei_status oltp_session_shape(struct oltp_session *session, const char *sql, size_t len, struct oltp_shape *shape,
                               struct rhei_error *error)
{
    *shape = (struct oltp_shape){0};
    struct oltp_statement *statement = NULL;
    rhei_status status = oltp_prepare(session->oltp->writer, sql, len, &statement, error);
    if (status != RHEI_OK)
        return status;
    shape->kind = statement->kind;
    shape->read_only = statement->stmt == NULL || statement->read_only;
    shape->parameter_count = statement->stmt == NULL ? 0 : (uint32_t)sqlite3_bind_parameter_count(statement->stmt);
    shape->column_count = statement->stmt == NULL ? 0 : (uint32_t)sqlite3_column_count(statement->stmt);
    if (shape->column_count > 0 && !session_names(statement->stmt, shape))
        status = error_no_memory(error);
    oltp_statement_release(session->oltp->writer, &statement);
    return status;
}

/* What a text is, without running it. */
static rhei_status session_kind(struct oltp_session *session, const char *sql, size_t len, enum oltp_kind *kind,
                                struct rhei_error *error)
{
    *kind = oltp_word_kind(sql, len);
    if (*kind != OLTP_SELECT)
        return RHEI_OK;
    struct oltp_connection *reader = NULL;
    rhei_status status = oltp_reader_take(session->oltp, &reader, error);
    if (status != RHEI_OK)
        return status;
    struct oltp_statement *statement = NULL;
    status = oltp_prepare(reader, sql, len, &statement, error);
    if (status == RHEI_OK)
        *kind = statement->kind;
    oltp_statement_release(reader, &statement);
    oltp_reader_give(session->oltp, &reader);
    return status;
}

rhei_status oltp_session_run(struct oltp_session *session, const char *sql, size_t len, const struct rhei_value *params,
                             uint32_t count, const struct oltp_stop *stop, struct oltp_result *result,
                             struct oltp_cursor **cursor, struct rhei_error *error)
{
    struct oltp *oltp = session->oltp;
    struct oltp_result unused = {0};
    result = result == NULL ? &unused : result;
    *result = (struct oltp_result){0};
    if (cursor != NULL)
        *cursor = NULL;
    rhei_status ready = session_ready(session, error);
    if (ready != RHEI_OK)
        return ready;
    rhei_status here = oltp_identity_check(oltp, false, error);
    if (here != RHEI_OK)
        return here;
    bool already = session->holding;
    if (!already) {
        enum oltp_kind kind = OLTP_WRITE;
        bool plain = cursor == NULL && oltp_word_writes_rows(sql, len) && !oltp_word_is(sql, len, "WITH");
        rhei_status status = plain ? RHEI_OK : session_kind(session, sql, len, &kind, error);
        if (status != RHEI_OK)
            return status;
        if (kind == OLTP_SELECT) {
            struct oltp_cursor *rows = NULL;
            status = oltp_read(oltp, sql, len, params, count, stop, true, &rows, error);
            if (cursor != NULL)
                *cursor = rows;
            else
                oltp_cursor_close(&rows);
            return status;
        }
        if (kind != OLTP_TRANSACTION)
            return oltp_write(oltp, sql, len, params, count, stop, result, cursor, error);
        if (!oltp_begins_transaction(sql, len))
            return error_set(error, RHEI_TRANSACTION, "there is no open transaction: BEGIN first");
        status = session_begin(session, sql, len, stop, error);
        if (status != RHEI_OK)
            return status;
    }
    if (already && oltp_word_is(sql, len, "BEGIN")) {
        return error_set(error, RHEI_TRANSACTION,
                         "there is an open transaction already: COMMIT or ROLLBACK first, or use SAVEPOINT within it");
    }
    return session_run_held(session, sql, len, params, count, stop, result, cursor, error);
}
