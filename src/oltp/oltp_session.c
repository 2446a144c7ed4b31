/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interactive transactions. A session holds the writer from its BEGIN (or outermost SAVEPOINT) until the transaction
 * has ended, however it ended; outside a transaction it is any other caller.
 */
#include <string.h>

#include "oltp/oltp_internal.h"

struct oltp_session {
    struct oltp *oltp;
    bool holding;               /* the writer, and with it an open transaction */
    bool cursor_open;           /* a streamed cursor on the writer's connection */
    struct oltp_schema *schema; /* what this transaction's DDL made; published at COMMIT */
};

rhei_status oltp_session_open(struct oltp *oltp, struct oltp_session **session, struct rhei_error *error)
{
    *session = base_alloc_zero(1, sizeof **session);
    if (*session == NULL) {
        return error_no_memory(error);
    }
    (*session)->oltp = oltp;
    return RHEI_OK;
}

bool oltp_session_in_transaction(const struct oltp_session *session)
{
    return session->holding;
}

static void session_let_go(struct oltp_session *session)
{
    struct oltp *oltp = session->oltp;
    session->holding = false;
    base_mutex_lock(&oltp->queue_lock);
    oltp->in_session = false;
    base_mutex_unlock(&oltp->queue_lock);
    oltp_schema_release(session->schema);
    session->schema = NULL;
    oltp_writer_release(oltp);
}

void oltp_session_close(struct oltp_session **slot)
{
    struct oltp_session *session = *slot;
    if (session == NULL) {
        return;
    }
    *slot = NULL;
    if (session->holding) {
        oltp_exec(session->oltp->writer, "ROLLBACK", NULL);
        oltp_rolled_back(session->oltp);
        session_let_go(session);
    }
    base_free(session);
}

/* The schema that the transaction's DDL made, unless a ROLLBACK TO took some of it back. */
static void session_publish(struct oltp_session *session)
{
    int64_t cookie = 0;
    if (session->schema == NULL) {
        return;
    }
    if (oltp_query_int(session->oltp->writer, "PRAGMA main.schema_version", -1, &cookie, NULL) == RHEI_OK &&
        cookie == session->schema->cookie) {
        oltp_schema_publish(session->oltp, session->schema);
    } else {
        /* what can't be read now is read by whoever asks next */
        oltp_schema_release(session->schema);
        oltp_schema_refresh_locked(session->oltp, OLTP_BY_US, NULL);
    }
    session->schema = NULL;
}

/* After every statement: did the transaction end, by COMMIT, by ROLLBACK or by an error that took it back? */
static void session_settle(struct oltp_session *session, bool committed)
{
    struct oltp *oltp = session->oltp;
    if (sqlite3_get_autocommit(oltp->writer->db) == 0) {
        return;
    }
    if (committed) {
        session_publish(session);
        oltp_committed(oltp, 1);
    } else {
        oltp_rolled_back(oltp);
    }
    session_let_go(session);
}

static rhei_status session_begin(struct oltp_session *session, struct rhei_error *error)
{
    struct oltp *oltp = session->oltp;
    rhei_status status = oltp_writer_acquire(oltp, 0, error);
    if (status != RHEI_OK) {
        return status;
    }
    base_mutex_lock(&oltp->queue_lock);
    oltp->in_session = true;
    base_mutex_unlock(&oltp->queue_lock);
    session->holding = true;
    /* before a transaction, so that what others did to the schema is not taken for this session's doing */
    status = oltp_schema_refresh_locked(oltp, OLTP_BY_OTHERS, error);
    if (status != RHEI_OK) {
        session_let_go(session);
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
    if (status != RHEI_OK) {
        return status;
    }
    if ((*statement)->is_ddl) {
        struct oltp_schema *schema = NULL;
        status = oltp_exec(writer, "SAVEPOINT _rhei_ddl", error);
        if (status == RHEI_OK) {
            status = oltp_step_ddl(oltp, *statement, result, cursor, &schema, error);
        }
        if (sqlite3_get_autocommit(writer->db) == 0) {
            if (status != RHEI_OK) {
                oltp_exec(writer, "ROLLBACK TO _rhei_ddl", NULL);
            }
            oltp_exec(writer, "RELEASE _rhei_ddl", NULL);
        }
        if (status == RHEI_OK) {
            oltp_schema_release(session->schema);
            session->schema = schema;
        } else {
            oltp_schema_release(schema);
        }
        return status;
    }
    if (cursor != NULL && (*statement)->read_only && sqlite3_column_count((*statement)->stmt) > 0) {
        status = oltp_cursor_stream(oltp, writer, *statement, stop, &session->cursor_open, cursor, error);
        if (status == RHEI_OK) {
            *statement = NULL; /* the cursor's now */
        }
        return status;
    }
    oltp_connection_watch(writer, stop);
    status = oltp_step_all(oltp, *statement, result, cursor, error);
    oltp_connection_watch(writer, NULL);
    return status;
}

/* Within the transaction, or with the statement that begins it. */
static rhei_status session_run_held(struct oltp_session *session, const char *sql, size_t len,
                                    const struct rhei_value *params, uint32_t count, const struct oltp_stop *stop,
                                    struct oltp_result *result, struct oltp_cursor **cursor, struct rhei_error *error)
{
    struct oltp_statement *statement = NULL;
    struct oltp_connection *writer = session->oltp->writer;
    writer->busy_deadline_ns = 0;
    rhei_status status = oltp_prepare(writer, sql, len, &statement, error);
    if (status == RHEI_OK && statement->kind != OLTP_EMPTY) {
        bool ends = statement->kind == OLTP_TRANSACTION;
        status = session_step(session, &statement, params, count, stop, result, cursor, error);
        oltp_statement_release(writer, &statement);
        if (ends && status != RHEI_OK && sqlite3_get_autocommit(writer->db) == 0) {
            error_context(error, "the transaction is still open: ");
        }
        /* only COMMIT, END or the RELEASE of the outermost savepoint end it without an error and keep it */
        bool rolled = len >= 8 && status == RHEI_OK && oltp_is_rollback(sql, len);
        session_settle(session, status == RHEI_OK && ends && !rolled);
        return status;
    }
    oltp_statement_release(writer, &statement);
    session_settle(session, false);
    return status;
}

/* What a text is, without running it. */
static rhei_status session_kind(struct oltp_session *session, const char *sql, size_t len, enum oltp_kind *kind,
                                struct rhei_error *error)
{
    *kind = oltp_word_kind(sql, len);
    if (*kind != OLTP_SELECT) {
        return RHEI_OK;
    }
    struct oltp_connection *reader = NULL;
    rhei_status status = oltp_reader_take(session->oltp, &reader, error);
    if (status != RHEI_OK) {
        return status;
    }
    struct oltp_statement *statement = NULL;
    status = oltp_prepare(reader, sql, len, &statement, error);
    if (status == RHEI_OK) {
        *kind = statement->kind;
    }
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
    if (cursor != NULL) {
        *cursor = NULL;
    }
    if (session->cursor_open) {
        return error_set(error, RHEI_INVALID,
                         "the rows of this session's last statement are still open: close them first");
    }
    if (!session->holding) {
        enum oltp_kind kind = OLTP_EMPTY;
        rhei_status status = session_kind(session, sql, len, &kind, error);
        if (status != RHEI_OK) {
            return status;
        }
        if (kind == OLTP_SELECT) {
            struct oltp_cursor *rows = NULL;
            status = oltp_read(oltp, sql, len, params, count, stop, true, &rows, error);
            if (cursor != NULL) {
                *cursor = rows;
            } else {
                oltp_cursor_close(&rows);
            }
            return status;
        }
        if (kind != OLTP_TRANSACTION) {
            return oltp_write(oltp, sql, len, params, count, 0, result, cursor, error);
        }
        if (!oltp_begins_transaction(sql, len)) {
            return error_set(error, RHEI_TRANSACTION, "there is no open transaction: BEGIN first");
        }
        status = session_begin(session, error);
        if (status != RHEI_OK) {
            return status;
        }
    }
    return session_run_held(session, sql, len, params, count, stop, result, cursor, error);
}
