/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several statements of one text, in one transaction.
 *
 * An error tells the statement's number, counted from 1, and its offset in the whole text.
 */
#include <string.h>

#include "oltp/oltp_internal.h"
#include "sql/sql_split.h"

static rhei_status script_statement(struct oltp *oltp, const char *sql, size_t len, struct oltp_result *result,
                                    struct oltp_schema **schema, struct rhei_error *error)
{
    struct oltp_statement *statement = NULL;
    rhei_status status = oltp_prepare(oltp->writer, sql, len, &statement, error);
    if (status != RHEI_OK)
        return status;
    if (statement->kind == OLTP_TRANSACTION) {
        status = error_set(error, RHEI_TRANSACTION,
                           "a script is one transaction already: it can't hold BEGIN, COMMIT, ROLLBACK or savepoints");
    } else if (statement->vacuums) {
        status = error_set(error, RHEI_TRANSACTION, "VACUUM can't run within a script: run it alone");
    } else if (statement->kind != OLTP_EMPTY) {
        status = oltp_bind(oltp->writer, statement, NULL, 0, false, error);
    }
    if (status == RHEI_OK && statement->is_ddl)
        status = oltp_step_ddl(oltp, statement, result, NULL, schema, error);
    else if (status == RHEI_OK && statement->kind != OLTP_EMPTY)
        status = oltp_step_all(oltp, statement, result, NULL, error);
    oltp_statement_release(oltp->writer, &statement);
    return status;
}

/* The bytes of the first statement, by SQLite's own parser: a semicolon in a trigger's body ends nothing. */
static rhei_status script_cut(struct oltp *oltp, const char *sql, size_t len, size_t *cut, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail = NULL;
    int rc = oltp_prepare_text(oltp->writer, sql, len, 0, &stmt, &tail);
    *cut = tail == NULL ? len : (size_t)(tail - sql);
    rhei_status status = rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

/* Where and which: `at` is the statement's first byte in the whole text. */
static void script_name_statement(uint64_t number, size_t at, struct rhei_error *error)
{
    if (error == NULL)
        return;
    error->sql_offset = (int32_t)at + (error->sql_offset > 0 ? error->sql_offset : 0);
    error_context(error, "statement %llu, at byte %zu: ", (unsigned long long)number, at);
}

/* ---- Statements that differ in their literals only run as rows of one. ------------------------------------------- */

enum { RUN_ROWS = 512, RUN_VALUES = 8192, RUN_BYTES = 1 << 20 };

struct script {
    struct oltp *oltp;
    const char *sql;
    size_t len;
    struct oltp_result *result;
    struct oltp_schema **schema;
    uint64_t number; /* of the statement that was read last */

    /* the run: rows for `statement`, whose text is `text` */
    struct oltp_statement *statement; /* NULL: there is no run */
    char text[SQL_LIFTED_MAX];
    size_t text_len;
    uint32_t width;
    size_t rows;
    uint64_t first; /* number of its first statement */
    size_t offsets[RUN_ROWS];
    struct rhei_value *values; /* [RUN_VALUES] */
    struct sql_literals next;  /* the statement at hand */
    size_t bytes_used;         /* of next.bytes, by the rows */
    size_t bytes_size;
    char *bytes;
};

/* The rows that have gathered. */
static rhei_status run_step(struct script *script, struct rhei_error *error)
{
    struct oltp_job job = {.params = script->values,
                           .param_count = script->width,
                           .rows = script->rows,
                           .many = true,
                           .error = RHEI_ERROR_INIT};
    if (script->rows == 0)
        return RHEI_OK;
    rhei_status status = oltp_step_rows(script->oltp, &job, script->statement);
    script->result->changes += job.result.changes;
    script->result->last_insert_rowid = job.result.last_insert_rowid;
    if (job.result.position != 0)
        script->result->position = job.result.position;
    if (status != RHEI_OK) {
        if (error != NULL && error->code == RHEI_OK)
            *error = job.error;
        script_name_statement(script->first + job.wrong_row, script->offsets[job.wrong_row], error);
    }
    script->rows = 0;
    script->bytes_used = 0;
    return status;
}

static rhei_status run_end(struct script *script, struct rhei_error *error)
{
    rhei_status status = run_step(script, error);
    if (script->statement != NULL)
        oltp_statement_release(script->oltp->writer, &script->statement);
    return status;
}

static bool run_fits(const struct script *script)
{
    const struct sql_literals *next = &script->next;
    return script->statement != NULL && next->len == script->text_len &&
           memcmp(next->text, script->text, next->len) == 0;
}

static bool run_has_room(struct script *script)
{
    if (script->bytes == NULL) {
        script->bytes_size = script->len < RUN_BYTES ? script->len : RUN_BYTES;
        script->bytes = base_alloc(script->bytes_size);
    }
    if (script->values == NULL)
        script->values = base_alloc(RUN_VALUES * sizeof *script->values);
    return script->bytes != NULL && script->values != NULL;
}

/* Adds the statement at `at`, which is in `next`, to the run, or begins one with it. *taken false: it must run as it is. */
static rhei_status run_take(struct script *script, size_t at, bool *taken, struct rhei_error *error)
{
    struct sql_literals *next = &script->next;
    rhei_status status = RHEI_OK;
    if (!run_fits(script)) {
        status = run_end(script, error);
        if (status != RHEI_OK || !oltp_prepare_lifted(script->oltp, next, &script->statement)) {
            *taken = status != RHEI_OK;
            return status;
        }
        memcpy(script->text, next->text, next->len);
        script->text_len = next->len;
        script->width = next->count;
    } else if (script->rows == RUN_ROWS || (script->rows + 1) * script->width > RUN_VALUES) {
        status = run_step(script, error);
    }
    /* the bytes of `next` lie behind those of rows that are done by now: they stay */
    script->bytes_used = (size_t)(next->bytes - script->bytes) + next->bytes_used;
    if (script->rows == 0)
        script->first = script->number;
    BASE_INVARIANT(script->rows < RUN_ROWS && (script->rows + 1) * script->width <= RUN_VALUES);
    BASE_INVARIANT(next->count == script->width && script->bytes_used <= script->bytes_size);
    memcpy(script->values + script->rows * script->width, next->values, next->count * sizeof *next->values);
    script->offsets[script->rows++] = at;
    *taken = true;
    return status;
}

/* Where the statement at `at` ends. */
static rhei_status script_find_end(struct script *script, size_t at, size_t *cut, struct rhei_error *error)
{
    const char *sql = script->sql + at;
    size_t len = script->len - at, last = 0;
    if (oltp_word_is(sql, len, "CREATE") || oltp_word_is(sql, len, "EXPLAIN"))
        return script_cut(script->oltp, sql, len, cut, error); /* by SQLite's own word on what a trigger's end is */
    *cut = sql_statement_end(sql, len, 0, &last);
    return RHEI_OK;
}

static rhei_status script_next(struct script *script, size_t at, size_t *cut, struct rhei_error *error)
{
    bool taken = false;
    rhei_status status = RHEI_OK;
    if (run_has_room(script)) {
        script->next.bytes = script->bytes + script->bytes_used;
        script->next.bytes_size = script->bytes_size - script->bytes_used;
        if (sql_literals_lift(script->sql + at, script->len - at, &script->next)) {
            *cut = script->next.consumed;
            status = run_take(script, at, &taken, error);
        }
    }
    if (taken || status != RHEI_OK)
        return status;
    status = run_end(script, error);
    if (status != RHEI_OK)
        return status;
    status = script_find_end(script, at, cut, error);
    if (status == RHEI_OK)
        status = script_statement(script->oltp, script->sql + at, *cut, script->result, script->schema, error);
    if (status != RHEI_OK)
        script_name_statement(script->number, at, error);
    return status;
}

/* Behind blanks, comments and empty statements. */
static size_t script_skip(const struct script *script, size_t at)
{
    size_t start = at, end;
    do {
        oltp_next_token(script->sql, script->len, &at, &start, &end);
    } while (start < script->len && script->sql[start] == ';');
    return start;
}

static rhei_status script_statements(struct script *script, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    const struct oltp_stop *stop = script->oltp->writer->stop; /* short statements never get as far as to ask it */
    for (size_t at = script_skip(script, 0), cut = 0; status == RHEI_OK && at < script->len && script->sql[at] != '\0';
         at = script_skip(script, at + cut)) {
        rhei_status stopped = stop == NULL ? RHEI_OK : stop->check(stop->context);
        base_progress_set(stop == NULL ? NULL : stop->progress, BASE_PROGRESS_BYTES, (int64_t)at, (int64_t)script->len);
        script->number++;
        status = stopped != RHEI_OK ? oltp_stop_error(stopped, false, error) : script_next(script, at, &cut, error);
    }
    return status == RHEI_OK ? run_end(script, error) : status;
}

rhei_status oltp_script_run(struct oltp *oltp, const char *sql, size_t len, struct oltp_result *result,
                            struct oltp_schema **schema, struct rhei_error *error)
{
    BASE_INVARIANT(sqlite3_get_autocommit(oltp->writer->db) == 0);
    struct script *script = base_alloc(sizeof *script);
    if (script == NULL)
        return error_no_memory(error);
    /* the big arrays need no zeros */
    script->oltp = oltp;
    script->sql = sql;
    script->len = len;
    script->result = result;
    script->schema = schema;
    script->number = 0;
    script->statement = NULL;
    script->rows = 0;
    script->bytes_used = 0;
    script->bytes = NULL;
    script->values = NULL;
    rhei_status status = script_statements(script, error);
    oltp_statement_release(oltp->writer, &script->statement);
    base_free(script->bytes);
    base_free(script->values);
    base_free(script);
    return status;
}

static rhei_status script_transaction(struct oltp *oltp, const char *sql, size_t len, struct oltp_result *result,
                                      bool *refused, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    bool full = oltp_log_is_full(oltp);
    rhei_status status = oltp_catch_up(oltp, error);
    oltp_face_use(oltp->writer); /* within the transaction it couldn't change */
    oltp_fault(oltp, "oltp.write.begin");
    if (status == RHEI_OK)
        status = oltp_step_own(oltp, oltp->begin, error);
    if (status != RHEI_OK)
        return status;
    bool kept = oltp_face_keep(oltp->writer);
    status = oltp_script_run(oltp, sql, len, result, &schema, error);
    oltp_connection_watch(oltp->writer, NULL);
    if (kept)
        oltp_face_let_go(oltp->writer);
    oltp_fault(oltp, "oltp.write.commit");
    if (status == RHEI_OK)
        status = oltp_log_check(oltp, full, 0, refused, error);
    if (status == RHEI_OK)
        status = oltp_step_own(oltp, oltp->commit, error);
    if (status != RHEI_OK) {
        oltp_roll_back(oltp);
        oltp->hooks->release(schema);
        *result = (struct oltp_result){0};
        atomic_fetch_add_explicit(&oltp->counters.errors, 1, memory_order_relaxed);
        return status;
    }
    if (schema != NULL)
        oltp->hooks->publish(oltp, schema);
    oltp_committed(oltp, 1);
    return RHEI_OK;
}

/* After a refusal. */
static bool script_waits(struct oltp *oltp, const struct oltp_stop *stop, int64_t *until, rhei_status *status,
                         struct rhei_error *error)
{
    struct rhei_error own = RHEI_ERROR_INIT;
    struct rhei_error *at = error == NULL ? &own : error;
    at->code = *status;
    bool room = oltp_log_wait(oltp, 0, stop, until, at);
    *status = at->code;
    atomic_fetch_add_explicit(&oltp->counters.refused, *status == RHEI_FULL, memory_order_relaxed);
    return room;
}

rhei_status oltp_write_script(struct oltp *oltp, const char *sql, size_t len, const struct oltp_stop *stop,
                              struct oltp_result *result, struct rhei_error *error)
{
    struct oltp_result unused = {0};
    result = result == NULL ? &unused : result;
    *result = (struct oltp_result){0};
    if (len > 1000000000)
        return error_set(error, RHEI_TOO_BIG, "the script is longer than 1,000,000,000 bytes");
    char *copy = base_strndup(sql, len);
    if (copy == NULL)
        return error_no_memory(error);
    rhei_status stopped = stop == NULL ? RHEI_OK : stop->check(stop->context);
    rhei_status status = stopped != RHEI_OK ? oltp_stop_error(stopped, true, error) : RHEI_OK;
    bool again = status == RHEI_OK;
    int64_t until = 0;
    while (again) {
        bool refused = false;
        status = oltp_writer_acquire_until(oltp, stop, error);
        if (status == RHEI_OK) {
            oltp_connection_watch(oltp->writer, stop);
            status = script_transaction(oltp, copy, len, result, &refused, error);
            oltp_connection_watch(oltp->writer, NULL);
            oltp_writer_release(oltp);
        }
        again = refused && script_waits(oltp, stop, &until, &status, error);
    }
    base_free(copy);
    return status;
}
