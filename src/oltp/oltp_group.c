/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the holder of the writer does for the jobs in its hands.
 *
 * G1. A job's owner is told OK only after the COMMIT that holds its change returned.
 * G2. A failing statement takes back its own changes and no other's. SQLite does that itself for one statement; a
 *     savepoint does it for many rows and where deferred foreign keys could leave one job's debt to the others.
 * G3. When an error rolls the whole transaction back (full disk, I/O, no memory, ROLLBACK by a trigger), the jobs before it
 *     are run again without it.
 * G4. A COMMIT that fails is rolled back, and every job of the group gets its error.
 */
#include <inttypes.h>
#include <string.h>

#include "oltp/oltp_internal.h"

static bool group_in_transaction(const struct oltp *oltp)
{
    return sqlite3_get_autocommit(oltp->writer->db) == 0;
}

static rhei_status group_reset_step(struct oltp *oltp, sqlite3_stmt *stmt, struct rhei_error *error)
{
    int rc = sqlite3_step(stmt);
    rhei_status status = RHEI_OK;
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        status = oltp_sqlite_error(oltp->writer, rc, NULL, error);
    }
    sqlite3_reset(stmt);
    return status;
}

static void group_rollback(struct oltp *oltp)
{
    if (group_in_transaction(oltp)) {
        group_reset_step(oltp, oltp->rollback, NULL);
    }
    oltp_rolled_back(oltp);
}

/* ---- One statement. ---------------------------------------------------------------------------------------------- */

rhei_status oltp_step_all(struct oltp *oltp, struct oltp_statement *statement, struct oltp_result *result,
                          struct oltp_cursor **cursor, struct rhei_error *error)
{
    sqlite3 *db = oltp->writer->db;
    int64_t seq = oltp->pending_seq;
    int64_t before = sqlite3_total_changes64(db);
    rhei_status status = RHEI_OK;
    if (cursor != NULL && sqlite3_column_count(statement->stmt) > 0) {
        status = oltp_cursor_collect(oltp->writer, statement, cursor, error);
    } else {
        int rc;
        do {
            rc = sqlite3_step(statement->stmt);
        } while (rc == SQLITE_ROW);
        if (rc != SQLITE_DONE) {
            status = oltp_sqlite_error(oltp->writer, rc, NULL, error);
        }
    }
    if (result != NULL && status == RHEI_OK) {
        /* a statement that isn't DML leaves sqlite3_changes at the last one's */
        result->changes += sqlite3_total_changes64(db) == before ? 0 : sqlite3_changes64(db);
        result->last_insert_rowid = sqlite3_last_insert_rowid(db);
        if (oltp->pending_seq != seq) {
            result->position = oltp->pending_seq;
        }
    }
    return status;
}

static rhei_status group_check_debt(struct oltp *oltp, struct rhei_error *error)
{
    int open = 0, high = 0;
    if (!oltp->foreign_keys) {
        return RHEI_OK;
    }
    sqlite3_db_status(oltp->writer->db, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &high, 0);
    return open == 0 ? RHEI_OK : oltp_code_error(SQLITE_CONSTRAINT_FOREIGNKEY, "FOREIGN KEY constraint failed", error);
}

static rhei_status group_run_rows(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement)
{
    rhei_status status = RHEI_OK;
    struct oltp_statement *wide = oltp_wide_take(oltp, statement, job);
    for (size_t i = 0, count = 1; i < job->rows && status == RHEI_OK; i += count) {
        count = wide == NULL ? 1 : oltp_wide_count(statement, job, i);
        struct oltp_statement *next = count > 1 ? wide : statement;
        status = oltp_bind(oltp->writer, next, job->params == NULL ? NULL : job->params + i * job->param_count,
                           (uint32_t)count * job->param_count, false, &job->error);
        if (status == RHEI_OK) {
            status = oltp_step_all(oltp, next, &job->result, job->cursor, &job->error);
        }
        sqlite3_reset(next->stmt);
    }
    if (wide != NULL) {
        sqlite3_clear_bindings(wide->stmt);
    }
    return status;
}

/* A job within the group's open transaction. */
static rhei_status group_run_member(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement)
{
    bool guarded = job->many || oltp->foreign_keys;
    int64_t seq = oltp->pending_seq;
    uint64_t logged = oltp->pending_rows;
    rhei_status status = guarded ? group_reset_step(oltp, oltp->savepoint, &job->error) : RHEI_OK;
    if (status != RHEI_OK) {
        return status;
    }
    status = group_run_rows(oltp, job, statement);
    if (status == RHEI_OK) {
        status = group_check_debt(oltp, &job->error);
    }
    if (guarded && group_in_transaction(oltp)) {
        if (status != RHEI_OK) {
            group_reset_step(oltp, oltp->rollback_to, NULL);
        }
        group_reset_step(oltp, oltp->release, NULL);
    }
    if (status != RHEI_OK && guarded) {
        oltp->pending_seq = seq;
        oltp->pending_rows = logged;
        oltp_cursor_close(job->cursor);
    }
    return status;
}

/* ---- DDL. -------------------------------------------------------------------------------------------------------- */

rhei_status oltp_step_ddl(struct oltp *oltp, struct oltp_statement *statement, struct oltp_result *result,
                          struct oltp_cursor **cursor, struct oltp_schema **schema, struct rhei_error *error)
{
    *schema = NULL;
    rhei_status status = RHEI_OK;
    if (statement->alters && oltp->config.capture) {
        char *table = oltp_altered_table(statement->sql, statement->len);
        if (table != NULL) {
            status = oltp_capture_suspend(oltp, table, error);
        }
        base_free(table);
    }
    if (status == RHEI_OK) {
        status = oltp_step_all(oltp, statement, result, cursor, error);
    }
    sqlite3_reset(statement->stmt);
    oltp_fault(oltp, "oltp.ddl.done");
    if (status == RHEI_OK) {
        status = oltp_capture_apply(oltp, OLTP_BY_US, schema, error);
    }
    return status;
}

/* What others did to the schema since we looked must not be taken for our own doing (I7). */
static rhei_status group_catch_up(struct oltp *oltp, struct rhei_error *error)
{
    int64_t cookie = 0;
    rhei_status status = oltp_query_int(oltp->writer, "PRAGMA main.schema_version", 0, &cookie, error);
    if (status != RHEI_OK) {
        return status;
    }
    base_mutex_lock(&oltp->schema_lock);
    bool known = oltp->schema != NULL && oltp->schema->cookie == cookie;
    base_mutex_unlock(&oltp->schema_lock);
    return known ? RHEI_OK : oltp_schema_refresh_locked(oltp, OLTP_BY_OTHERS, error);
}

static rhei_status group_run_ddl(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement)
{
    struct oltp_schema *schema = NULL;
    rhei_status status = group_catch_up(oltp, &job->error);
    if (status == RHEI_OK) {
        status = group_reset_step(oltp, oltp->begin, &job->error);
    }
    if (status != RHEI_OK) {
        return status;
    }
    status = oltp_bind(oltp->writer, statement, job->params, job->param_count, false, &job->error);
    if (status == RHEI_OK) {
        status = oltp_step_ddl(oltp, statement, &job->result, job->cursor, &schema, &job->error);
    }
    oltp_fault(oltp, "oltp.ddl.commit");
    if (status == RHEI_OK) {
        status = group_reset_step(oltp, oltp->commit, &job->error);
    }
    if (status != RHEI_OK) {
        group_rollback(oltp);
        oltp_schema_release(schema);
        return status;
    }
    oltp_schema_publish(oltp, schema);
    oltp_committed(oltp, 1);
    return RHEI_OK;
}

/* ---- Alone. ------------------------------------------------------------------------------------------------------ */

/* PRAGMA, VACUUM, ATTACH and the like: as they are, outside any transaction. */
static rhei_status group_run_other(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement)
{
    rhei_status status = group_catch_up(oltp, &job->error);
    if (status == RHEI_OK) {
        status = group_run_rows(oltp, job, statement);
    }
    int64_t on = 0;
    if (oltp_query_int(oltp->writer, "PRAGMA foreign_keys", 0, &on, NULL) == RHEI_OK) {
        oltp->foreign_keys = on != 0;
    }
    if (status == RHEI_OK) {
        oltp_committed(oltp, 1);
        status = oltp_schema_refresh_locked(oltp, statement->vacuums ? OLTP_BY_OTHERS : OLTP_BY_US, &job->error);
    }
    return status;
}

static rhei_status group_run_autocommit(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement)
{
    oltp_fault(oltp, "oltp.write.begin");
    rhei_status status = group_run_rows(oltp, job, statement);
    if (status == RHEI_OK) {
        oltp_committed(oltp, 1);
    } else {
        /* SQLite may have kept part of it (OR FAIL) */
        bool kept = job->result.position != 0;
        oltp_rolled_back(oltp);
        if (kept) {
            oltp_committed(oltp, 0);
        }
    }
    return status;
}

static rhei_status group_run_transaction(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement)
{
    oltp_fault(oltp, "oltp.write.begin");
    rhei_status status = group_reset_step(oltp, oltp->begin, &job->error);
    if (status != RHEI_OK) {
        return status;
    }
    status = group_run_rows(oltp, job, statement);
    oltp_fault(oltp, "oltp.write.commit");
    if (status == RHEI_OK) {
        status = group_reset_step(oltp, oltp->commit, &job->error);
    }
    if (status != RHEI_OK) {
        group_rollback(oltp);
    } else {
        oltp_committed(oltp, 1);
    }
    return status;
}

static void group_run_alone(struct oltp *oltp, struct oltp_job *job)
{
    struct oltp_statement *statement = NULL;
    job->status = oltp_prepare(oltp->writer, job->sql, job->len, &statement, &job->error);
    if (job->status != RHEI_OK) {
        return;
    }
    if (statement->kind == OLTP_TRANSACTION) {
        job->status = error_set(
            &job->error, RHEI_TRANSACTION,
            "BEGIN, COMMIT, ROLLBACK and savepoints need a session: other callers' writes are not part of it");
    } else if (statement->kind == OLTP_EMPTY) {
        job->status = RHEI_OK;
    } else if (statement->is_ddl) {
        job->status = group_run_ddl(oltp, job, statement);
    } else if (statement->alone) {
        job->status = group_run_other(oltp, job, statement);
    } else if (job->many) {
        job->status = group_run_transaction(oltp, job, statement);
    } else {
        job->status = group_run_autocommit(oltp, job, statement);
    }
    oltp_statement_release(oltp->writer, &statement);
    if (job->status != RHEI_OK) {
        oltp_cursor_close(job->cursor);
    }
}

/* ---- Together. --------------------------------------------------------------------------------------------------- */

static void group_fail_open(struct oltp_job **jobs, uint32_t count, rhei_status status, const struct rhei_error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        if (jobs[i] != NULL && jobs[i]->status == RHEI_OK) {
            jobs[i]->status = status;
            jobs[i]->error = *error;
            oltp_cursor_close(jobs[i]->cursor);
        }
    }
}

static void group_clear_results(struct oltp_job **jobs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (jobs[i]->status == RHEI_OK) {
            jobs[i]->result = (struct oltp_result){0};
            oltp_cursor_close(jobs[i]->cursor);
        }
    }
}

/* One pass over the jobs that have not failed. False if an error rolled everything back (G3). */
static bool group_pass(struct oltp *oltp, struct oltp_job **jobs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (jobs[i]->status != RHEI_OK) {
            continue;
        }
        struct oltp_statement *statement = NULL;
        jobs[i]->status = oltp_prepare(oltp->writer, jobs[i]->sql, jobs[i]->len, &statement, &jobs[i]->error);
        if (jobs[i]->status == RHEI_OK) {
            jobs[i]->status = group_run_member(oltp, jobs[i], statement);
            oltp_statement_release(oltp->writer, &statement);
        }
        oltp_fault(oltp, "oltp.write.statement");
        if (!group_in_transaction(oltp)) {
            return false;
        }
    }
    return true;
}

static void group_run_together(struct oltp *oltp, struct oltp_job **jobs, uint32_t count)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    for (;;) {
        oltp_fault(oltp, "oltp.write.begin");
        rhei_status status = group_reset_step(oltp, oltp->begin, &error);
        if (status != RHEI_OK) {
            group_fail_open(jobs, count, status, &error);
            return;
        }
        if (!group_pass(oltp, jobs, count)) {
            group_rollback(oltp);
            group_clear_results(jobs, count);
            continue; /* one job fewer each time */
        }
        oltp_fault(oltp, "oltp.write.commit");
        status = group_reset_step(oltp, oltp->commit, &error);
        if (status != RHEI_OK) {
            group_rollback(oltp);
            group_clear_results(jobs, count);
            group_fail_open(jobs, count, status, &error);
            return;
        }
        uint64_t done = 0;
        for (uint32_t i = 0; i < count; i++) {
            done += jobs[i]->status == RHEI_OK;
        }
        oltp_committed(oltp, done);
        return;
    }
}

/* True if the job's statement may share a transaction; a job whose text is wrong fails here. */
static bool group_may_join(struct oltp *oltp, struct oltp_job *job)
{
    struct oltp_statement *statement = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (oltp_prepare(oltp->writer, job->sql, job->len, &statement, &error) != RHEI_OK) {
        return false;
    }
    bool join = statement->kind == OLTP_WRITE && !statement->alone;
    oltp_statement_release(oltp->writer, &statement);
    return join;
}

void oltp_group_run(struct oltp *oltp, struct oltp_job *first, uint32_t count)
{
    struct oltp_job *together[OLTP_GROUP_MAX + 1];
    uint32_t waiting = 0;
    int64_t now = count > 1 || oltp->writer->busy_deadline_ns != 0 ? base_now_ns() : 0;
    oltp->writer->busy_deadline_ns = count > 1 ? now + (int64_t)oltp->config.busy_timeout_ms * 1000000 : 0;
    for (struct oltp_job *job = first; job != NULL; job = job->next) {
        job->status = RHEI_OK;
        bool join = count > 1 && group_may_join(oltp, job);
        if (join) {
            together[waiting++] = job;
        }
        bool last = job->next == NULL;
        if (waiting > 0 && (!join || last)) {
            if (waiting == 1) {
                group_run_alone(oltp, together[0]);
            } else {
                group_run_together(oltp, together, waiting);
            }
            waiting = 0;
        }
        if (!join) {
            group_run_alone(oltp, job);
        }
    }
}

/* ---- Scripts. ---------------------------------------------------------------------------------------------------- */

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
                           "a batch is one transaction already: it can't hold BEGIN, COMMIT, ROLLBACK or savepoints");
    } else if (statement->vacuums) {
        status = error_set(error, RHEI_TRANSACTION, "VACUUM can't run within a batch: run it alone");
    } else if (statement->kind != OLTP_EMPTY) {
        status = oltp_bind(oltp->writer, statement, NULL, 0, false, error);
    }
    if (status == RHEI_OK && statement->is_ddl) {
        oltp_schema_release(*schema);
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

static rhei_status script_run(struct oltp *oltp, const char *sql, size_t len, struct oltp_result *result,
                              struct oltp_schema **schema, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t at = 0; status == RHEI_OK && !oltp_is_blank(sql, len, at);) {
        size_t cut = 0;
        status = script_cut(oltp, sql + at, len - at, &cut, error);
        if (status == RHEI_OK) {
            status = script_statement(oltp, sql + at, cut, result, schema, error);
        }
        if (status != RHEI_OK && error != NULL && error->sql_offset >= 0) {
            error->sql_offset += (int32_t)at;
        }
        at += cut;
    }
    return status;
}

rhei_status oltp_write_script(struct oltp *oltp, const char *sql, size_t len, int64_t deadline_ns,
                              struct oltp_result *result, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    struct oltp_result unused = {0};
    result = result == NULL ? &unused : result;
    *result = (struct oltp_result){0};
    char *copy = len > 1000000000 ? NULL : base_strndup(sql, len);
    if (copy == NULL) {
        return len > 1000000000 ? error_set(error, RHEI_TOO_BIG, "the batch is longer than 1,000,000,000 bytes")
                                : error_no_memory(error);
    }
    rhei_status status = oltp_writer_acquire(oltp, deadline_ns, error);
    if (status != RHEI_OK) {
        base_free(copy);
        return status;
    }
    status = group_catch_up(oltp, error);
    oltp_fault(oltp, "oltp.write.begin");
    if (status == RHEI_OK) {
        status = group_reset_step(oltp, oltp->begin, error);
    }
    if (status == RHEI_OK) {
        status = script_run(oltp, copy, len, result, &schema, error);
        oltp_fault(oltp, "oltp.write.commit");
        if (status == RHEI_OK) {
            status = group_reset_step(oltp, oltp->commit, error);
        }
        if (status != RHEI_OK) {
            group_rollback(oltp);
            *result = (struct oltp_result){0};
            atomic_fetch_add_explicit(&oltp->counters.errors, 1, memory_order_relaxed);
        }
    }
    if (status == RHEI_OK) {
        if (schema != NULL) {
            oltp_schema_publish(oltp, schema);
            schema = NULL;
        }
        oltp_committed(oltp, 1);
    }
    oltp_schema_release(schema);
    oltp_writer_release(oltp);
    base_free(copy);
    return status;
}
