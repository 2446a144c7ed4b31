/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several statements of one text, in one transaction.
 *
 * An error tells the statement's number, counted from 1, and its offset in the whole text.
 */
#include <string.h>

#include "oltp/oltp_internal.h"

static rhei_status script_statement(struct oltp *oltp, const char *sql, size_t len, struct oltp_result *result,
                                    struct oltp_schema **schema, struct rhei_error *error)
{
    struct oltp_statement *statement = NULL;
    rhei_status status = oltp_prepare(oltp->writer, sql, len, &statement, error);
    if (status != RHEI_OK) {
        return status;
    }
    if (statement->kind == OLTP_TRANSACTION) {
        status = error_set(error, RHEI_TRANSACTION,
                           "a script is one transaction already: it can't hold BEGIN, COMMIT, ROLLBACK or savepoints");
    } else if (statement->vacuums) {
        status = error_set(error, RHEI_TRANSACTION, "VACUUM can't run within a script: run it alone");
    } else if (statement->kind != OLTP_EMPTY) {
        status = oltp_bind(oltp->writer, statement, NULL, 0, false, error);
    }
    if (status == RHEI_OK && statement->is_ddl) {
        status = oltp_step_ddl(oltp, statement, result, NULL, schema, error);
    } else if (status == RHEI_OK && statement->kind != OLTP_EMPTY) {
        status = oltp_step_all(oltp, statement, result, NULL, error);
    }
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
    if (error == NULL) {
        return;
    }
    error->sql_offset = (int32_t)at + (error->sql_offset > 0 ? error->sql_offset : 0);
    error_context(error, "statement %llu, at byte %zu: ", (unsigned long long)number, at);
}

rhei_status oltp_script_run(struct oltp *oltp, const char *sql, size_t len, struct oltp_result *result,
                            struct oltp_schema **schema, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    const struct oltp_stop *stop = oltp->writer->stop; /* short statements never get as far as to ask it */
    uint64_t number = 0;
    for (size_t at = 0; status == RHEI_OK && !oltp_is_blank(sql, len, at);) {
        size_t cut = 0, next = at, start = at, end;
        do {
            oltp_next_token(sql, len, &next, &start, &end);
        } while (sql[start] == ';');
        at = start;
        number++;
        rhei_status stopped = stop == NULL ? RHEI_OK : stop->check(stop->context);
        status = stopped != RHEI_OK ? oltp_stop_error(stopped, false, error)
                                    : script_cut(oltp, sql + at, len - at, &cut, error);
        if (status == RHEI_OK) {
            status = script_statement(oltp, sql + at, cut, result, schema, error);
        }
        if (status != RHEI_OK) {
            script_name_statement(number, at, error);
        }
        at += cut;
    }
    return status;
}

static rhei_status script_transaction(struct oltp *oltp, const char *sql, size_t len, struct oltp_result *result,
                                      struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    rhei_status status = oltp_catch_up(oltp, error);
    oltp_fault(oltp, "oltp.write.begin");
    if (status == RHEI_OK) {
        status = oltp_step_own(oltp, oltp->begin, error);
    }
    if (status != RHEI_OK) {
        return status;
    }
    status = oltp_script_run(oltp, sql, len, result, &schema, error);
    oltp_connection_watch(oltp->writer, NULL);
    oltp_fault(oltp, "oltp.write.commit");
    if (status == RHEI_OK) {
        status = oltp_step_own(oltp, oltp->commit, error);
    }
    if (status != RHEI_OK) {
        oltp_roll_back(oltp);
        oltp_schema_release(schema);
        *result = (struct oltp_result){0};
        atomic_fetch_add_explicit(&oltp->counters.errors, 1, memory_order_relaxed);
        return status;
    }
    if (schema != NULL) {
        oltp_schema_publish(oltp, schema);
    }
    oltp_committed(oltp, 1);
    return RHEI_OK;
}

rhei_status oltp_write_script(struct oltp *oltp, const char *sql, size_t len, const struct oltp_stop *stop,
                              struct oltp_result *result, struct rhei_error *error)
{
    struct oltp_result unused = {0};
    result = result == NULL ? &unused : result;
    *result = (struct oltp_result){0};
    if (len > 1000000000) {
        return error_set(error, RHEI_TOO_BIG, "the script is longer than 1,000,000,000 bytes");
    }
    char *copy = base_strndup(sql, len);
    if (copy == NULL) {
        return error_no_memory(error);
    }
    rhei_status stopped = stop == NULL ? RHEI_OK : stop->check(stop->context);
    rhei_status status =
        stopped != RHEI_OK ? oltp_stop_error(stopped, true, error) : oltp_writer_acquire_until(oltp, stop, error);
    if (status == RHEI_OK) {
        oltp_connection_watch(oltp->writer, stop);
        status = script_transaction(oltp, copy, len, result, error);
        oltp_connection_watch(oltp->writer, NULL);
        oltp_writer_release(oltp);
    }
    base_free(copy);
    return status;
}
