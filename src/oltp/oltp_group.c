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
 * G5. What is run for others takes milliseconds. A statement, or a wait for a foreign lock, that takes longer is broken off
 *     and undone; it and all behind it are put back, and what was before it is committed. The first that was broken off is `solo`
 *     from then on: its owner runs it. Only the caller's own job has all the time that it may take.
 * G6. What may end a job is asked while it runs, never during COMMIT and ROLLBACK: those are finished once begun.
 */
#include <inttypes.h>
#include <string.h>

#include "oltp/oltp_internal.h"

enum { GROUP_NS = 10000000 }; /* that a holder gives to others' jobs */

/* What is asked while a job runs: its own stop, and whether the time for others is over (G5). */
struct group_watch {
    const struct oltp_job *running;
    int64_t end_ns; /* 0: it has all the time */
    bool over;
};

static rhei_status group_watch_check(void *context)
{
    struct group_watch *watch = context;
    BASE_INVARIANT(watch->running != NULL);
    const struct oltp_stop *stop = watch->running->stop;
    rhei_status status = stop == NULL ? RHEI_OK : stop->check(stop->context);
    if (status == RHEI_OK && watch->end_ns != 0 && base_now_ns() >= watch->end_ns) {
        watch->over = true;
        status = RHEI_CANCELLED;
    }
    return status;
}

struct group {
    struct oltp *oltp;
    struct oltp_job *own; /* the caller's, or NULL */
    int64_t end_ns;       /* for the jobs of others; 0: there are none */
    struct group_watch watch;
    struct oltp_stop stop; /* group_watch_check with `watch` */
};

/* From here on `job` may be ended. */
static void group_watch(struct group *group, const struct oltp_job *job, int64_t end_ns)
{
    group->watch = (struct group_watch){.running = job, .end_ns = end_ns};
    group->stop.elsewhere = job->stop == NULL ? NULL : job->stop->elsewhere;
    group->stop.read = job->stop == NULL ? NULL : job->stop->read;
    group->stop.holds = job->stop == NULL ? NULL : job->stop->holds;
    group->stop.holds_context = job->stop == NULL ? NULL : job->stop->holds_context;
    bool any = job->stop != NULL || end_ns != 0;
    group->stop.progress = job->stop == NULL ? NULL : job->stop->progress;
    base_progress_wait(group->stop.progress, NULL);
    oltp_connection_watch(group->oltp->writer, any ? &group->stop : NULL);
}

static void group_unwatch(struct group *group)
{
    oltp_connection_watch(group->oltp->writer, NULL);
}

static bool group_in_transaction(const struct oltp *oltp)
{
    return sqlite3_get_autocommit(oltp->writer->db) == 0;
}

/*
 * SQLite asks the progress handler once more when a statement is done, and then says that it was interrupted although it did
 * all that it should. Only BEGIN may be stopped, for it waits for other processes' locks; if it got its transaction all the
 * same, that is given back: nobody would end it.
 */
rhei_status oltp_step_own(struct oltp *oltp, sqlite3_stmt *stmt, struct rhei_error *error)
{
    const struct oltp_stop *stop = oltp->writer->stop;
    bool begins = stmt == oltp->begin;
    BASE_INVARIANT(stmt != NULL && sqlite3_stmt_busy(stmt) == 0);
    oltp->writer->stop = begins ? stop : NULL;
    int rc = sqlite3_step(stmt);
    rhei_status status = RHEI_OK;
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        status = oltp_sqlite_error(oltp->writer, rc, NULL, error);
    sqlite3_reset(stmt);
    oltp->writer->stop = stop;
    BASE_INVARIANT(stmt != oltp->commit || status != RHEI_OK || !group_in_transaction(oltp)); /* G1 */
    if (begins && status != RHEI_OK && group_in_transaction(oltp))
        oltp_step_own(oltp, oltp->rollback, NULL);
    return status;
}

void oltp_roll_back(struct oltp *oltp)
{
    if (group_in_transaction(oltp))
        oltp_step_own(oltp, oltp->rollback, NULL);
    oltp_rolled_back(oltp);
}

/* ---- One statement. ---------------------------------------------------------------------------------------------- */

static rhei_status group_step(struct oltp *oltp, struct oltp_statement *statement, struct oltp_cursor **cursor,
                              struct rhei_error *error)
{
    if (cursor != NULL && sqlite3_column_count(statement->stmt) > 0)
        return oltp_cursor_collect(oltp->writer, statement, cursor, error);
    int rc;
    do {
        rc = sqlite3_step(statement->stmt);
    } while (rc == SQLITE_ROW);
    return rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, NULL, error);
}

rhei_status oltp_step_all(struct oltp *oltp, struct oltp_statement *statement, struct oltp_result *result,
                          struct oltp_cursor **cursor, struct rhei_error *error)
{
    sqlite3 *db = oltp->writer->db;
    int64_t seq = oltp->pending_seq;
    int64_t before = sqlite3_total_changes64(db);
    rhei_status status = oltp_face_pin(oltp->writer, statement, NULL, error);
    if (status == RHEI_OK)
        status = group_step(oltp, statement, cursor, error);
    if (oltp_face_missed(oltp->writer, statement) && status != RHEI_OK) {
        error_clear(error);
        sqlite3_reset(statement->stmt);
        status = oltp_face_pin_now(oltp->writer, statement, NULL, error);
        status = status == RHEI_OK ? group_step(oltp, statement, cursor, error) : status;
    }
    if (status == RHEI_OK)
        oltp_face_tell(oltp->writer, statement);
    if (result != NULL && status == RHEI_OK) {
        /* a statement that isn't DML leaves sqlite3_changes at the last one's */
        result->changes += sqlite3_total_changes64(db) == before ? 0 : sqlite3_changes64(db);
        result->last_insert_rowid = sqlite3_last_insert_rowid(db);
        if (oltp->pending_seq != seq)
            result->position = oltp->pending_seq;
    }
    return status;
}

static rhei_status group_check_debt(struct oltp *oltp, struct rhei_error *error)
{
    int open = 0, high = 0;
    if (!oltp->foreign_keys)
        return RHEI_OK;
    sqlite3_db_status(oltp->writer->db, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &high, 0);
    return open == 0 ? RHEI_OK : oltp_code_error(SQLITE_CONSTRAINT_FOREIGNKEY, "FOREIGN KEY constraint failed", error);
}

static rhei_status group_run_some(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement, size_t row,
                                  size_t count)
{
    BASE_INVARIANT(count >= 1 && row + count <= job->rows);
    const struct rhei_value *params = job->params == NULL ? NULL : job->params + row * job->param_count;
    rhei_status status =
        oltp_bind(oltp->writer, statement, params, (uint32_t)count * job->param_count, false, &job->error);
    if (status == RHEI_OK) {
        oltp->writer->most_kept = job->stop == NULL ? 0 : job->stop->most_kept;
        oltp->writer->most_rows = job->stop == NULL ? 0 : job->stop->most_rows;
        status = oltp_step_all(oltp, statement, &job->result, job->cursor, &job->error);
        oltp->writer->most_kept = 0;
        oltp->writer->most_rows = 0;
    }
    sqlite3_reset(statement->stmt);
    return status;
}

/* Several rows by one statement failed: one by one, if it left nothing behind, so that we know which. */
static rhei_status group_find_row(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement,
                                  size_t *row, size_t count)
{
    size_t end = *row + count;
    rhei_status status = RHEI_OK;
    job->error = (struct rhei_error)RHEI_ERROR_INIT;
    for (size_t i = *row; i < end && status == RHEI_OK; i++) {
        *row = i;
        status = group_run_some(oltp, job, statement, i, 1);
    }
    return status;
}

rhei_status oltp_step_rows(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement)
{
    rhei_status status = RHEI_OK;
    struct oltp_statement *wide = oltp_wide_take(oltp, statement, job);
    bool kept = oltp_face_keep(oltp->writer);
    struct base_progress *progress = job->stop == NULL ? NULL : job->stop->progress;
    for (size_t row = 0, count = 1; row < job->rows && status == RHEI_OK; row += count) {
        count = wide == NULL ? 1 : oltp_wide_count(statement, job, row);
        status = group_run_some(oltp, job, count > 1 ? wide : statement, row, count);
        base_progress_add(progress, BASE_PROGRESS_ROWS, (int64_t)count);
        job->wrong_row = row;
        job->wrong_rows = count;
        if (status != RHEI_OK && count > 1 && oltp->writer->stopped == RHEI_OK && group_in_transaction(oltp) &&
            sqlite3_changes64(oltp->writer->db) == 0) {
            job->wrong_rows = 1;
            status = group_find_row(oltp, job, statement, &job->wrong_row, count);
        }
    }
    if (kept)
        oltp_face_let_go(oltp->writer);
    if (wide != NULL)
        sqlite3_clear_bindings(wide->stmt);
    return status;
}

void oltp_recount(struct oltp *oltp)
{
    int64_t last = 0, position = atomic_load_explicit(&oltp->position, memory_order_relaxed);
    if (oltp->pending_seq == 0 ||
        (oltp_query_int(oltp->writer, "SELECT max(seq) FROM main." OLTP_LOG, 0, &last, NULL) == RHEI_OK &&
         last == oltp->pending_seq))
        return;
    if (last <= position)
        oltp_rolled_back(oltp);
    else
        oltp->pending_seq = last;
}

void oltp_name_row(struct oltp_job *job)
{
    if (job->many && job->wrong_rows == 1)
        error_context(&job->error, "row %zu: ", job->wrong_row + 1);
    else if (job->many && job->wrong_rows > 1)
        error_context(&job->error, "rows %zu to %zu: ", job->wrong_row + 1, job->wrong_row + job->wrong_rows);
}

/* A job within the group's open transaction. */
static rhei_status group_run_member(struct group *group, struct oltp_job *job, struct oltp_statement *statement,
                                    int64_t end_ns)
{
    struct oltp *oltp = group->oltp;
    bool full = oltp_log_is_full(oltp), guarded = job->many || oltp->foreign_keys || full;
    BASE_INVARIANT(group_in_transaction(oltp));
    int64_t seq = oltp->pending_seq;
    uint64_t logged = oltp->pending_rows;
    rhei_status status = guarded ? oltp_step_own(oltp, oltp->savepoint, &job->error) : RHEI_OK;
    if (status != RHEI_OK)
        return status;
    group_watch(group, job, end_ns);
    status = oltp_step_rows(oltp, job, statement);
    group_unwatch(group);
    if (status != RHEI_OK)
        oltp_name_row(job);
    else
        status = group_check_debt(oltp, &job->error);
    if (status == RHEI_OK)
        status = oltp_log_check(oltp, full, logged, &job->refused, &job->error);
    if (guarded && group_in_transaction(oltp)) {
        if (status != RHEI_OK)
            oltp_step_own(oltp, oltp->rollback_to, NULL);
        oltp_step_own(oltp, oltp->release, NULL);
    }
    if (status != RHEI_OK && guarded) {
        oltp->pending_seq = seq;
        oltp->pending_rows = logged;
        oltp_cursor_close(job->cursor);
    } else if (status != RHEI_OK && group_in_transaction(oltp)) {
        oltp_recount(oltp);
    }
    return status;
}

/* ---- DDL. -------------------------------------------------------------------------------------------------------- */

rhei_status oltp_step_ddl(struct oltp *oltp, struct oltp_statement *statement, struct oltp_result *result,
                          struct oltp_cursor **cursor, struct oltp_schema **schema, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    if (oltp_defines_ours(statement)) {
        return error_set(error, RHEI_UNSUPPORTED,
                         "names that begin with " OLTP_PREFIX " are Rhei's own, and nobody else's indexes and triggers "
                         "are on them: take another name");
    }
    status = oltp_face_check_ddl(oltp->writer, statement, error);
    if (status != RHEI_OK)
        return status;
    struct oltp_schema *base = NULL;
    struct oltp_ddl ddl = {.creates = statement->creates};
    bool alters = statement->alters && oltp->config.capture;
    char *altered = alters ? oltp_altered_table(statement->sql, statement->len) : NULL;
    char *dropped = oltp_dropped_name(statement, &ddl.dropped_kind);
    ddl.altered = altered;
    ddl.dropped = dropped;
    status = oltp->hooks->before_ddl(oltp, *schema, &ddl, &base, error);
    if (status == RHEI_OK)
        status = oltp_step_all(oltp, statement, result, cursor, error);
    sqlite3_reset(statement->stmt);
    oltp->writer->face_token = UINT64_MAX;
    oltp_fault(oltp, "oltp.ddl.done");
    if (status == RHEI_OK)
        status = oltp->hooks->after_ddl(oltp, &ddl, base, schema, error);
    oltp->hooks->release(base);
    base_free(altered);
    base_free(dropped);
    return status;
}

rhei_status oltp_catch_up(struct oltp *oltp, struct rhei_error *error)
{
    return oltp->hooks->refresh(oltp, true, error);
}

static rhei_status group_run_ddl(struct group *group, struct oltp_job *job, struct oltp_statement *statement)
{
    struct oltp *oltp = group->oltp;
    struct oltp_schema *schema = NULL;
    rhei_status status = oltp_catch_up(oltp, &job->error);
    BASE_INVARIANT(statement->is_ddl && !group_in_transaction(oltp)); /* I7: what others did is settled before */
    if (status == RHEI_OK)
        status = oltp_step_own(oltp, oltp->begin, &job->error);
    if (status != RHEI_OK)
        return status;
    status = oltp_bind(oltp->writer, statement, job->params, job->param_count, false, &job->error);
    if (status == RHEI_OK)
        status = oltp_step_ddl(oltp, statement, &job->result, job->cursor, &schema, &job->error);
    group_unwatch(group);
    oltp_fault(oltp, "oltp.ddl.commit");
    if (status == RHEI_OK)
        status = oltp_step_own(oltp, oltp->commit, &job->error);
    if (status != RHEI_OK) {
        oltp_roll_back(oltp);
        oltp->hooks->release(schema);
        return status;
    }
    if (schema != NULL)
        oltp->hooks->publish(oltp, schema);
    oltp_committed(oltp, 1);
    return RHEI_OK;
}

/* ---- Alone. ------------------------------------------------------------------------------------------------------ */

/* PRAGMA, VACUUM, ATTACH and the like: as they are, outside any transaction. */
static rhei_status group_run_other(struct group *group, struct oltp_job *job, struct oltp_statement *statement)
{
    struct oltp *oltp = group->oltp;
    rhei_status status = oltp_catch_up(oltp, &job->error);
    if (status == RHEI_OK)
        status = oltp_step_rows(oltp, job, statement);
    group_unwatch(group);
    if (status == RHEI_OK)
        status = oltp_pragma_done(oltp, statement->sql, statement->len, &job->error);
    int64_t on = 0;
    if (oltp_query_int(oltp->writer, "PRAGMA foreign_keys", 0, &on, NULL) == RHEI_OK)
        oltp->foreign_keys = on != 0;
    if (status == RHEI_OK) {
        oltp_committed(oltp, 1);
        status = oltp->hooks->refresh(oltp, statement->vacuums, &job->error);
    }
    return status;
}

static rhei_status group_run_autocommit(struct group *group, struct oltp_job *job, struct oltp_statement *statement)
{
    struct oltp *oltp = group->oltp;
    BASE_INVARIANT(!job->many && !group_in_transaction(oltp)); /* I2: alone, it is a transaction of its own */
    oltp_fault(oltp, "oltp.write.begin");
    rhei_status status = oltp_step_rows(oltp, job, statement);
    group_unwatch(group);
    if (status == RHEI_OK) {
        oltp_committed(oltp, 1);
        return status;
    }
    /* SQLite may have kept part of it (OR FAIL) */
    oltp_recount(oltp);
    if (oltp->pending_seq != 0)
        oltp_committed(oltp, 0);
    return status;
}

static rhei_status group_run_transaction(struct group *group, struct oltp_job *job, struct oltp_statement *statement)
{
    struct oltp *oltp = group->oltp;
    bool full = oltp_log_is_full(oltp);
    oltp_fault(oltp, "oltp.write.begin");
    rhei_status status = oltp_step_own(oltp, oltp->begin, &job->error);
    if (status != RHEI_OK)
        return status;
    BASE_INVARIANT(oltp->pending_rows == 0); /* W4 */
    status = oltp_step_rows(oltp, job, statement);
    group_unwatch(group);
    oltp_fault(oltp, "oltp.write.commit");
    if (status != RHEI_OK)
        oltp_name_row(job);
    else
        status = oltp_log_check(oltp, full, 0, &job->refused, &job->error);
    if (status == RHEI_OK)
        status = oltp_step_own(oltp, oltp->commit, &job->error);
    if (status != RHEI_OK)
        oltp_roll_back(oltp);
    else
        oltp_committed(oltp, 1);
    return status;
}

static rhei_status group_run_kind(struct group *group, struct oltp_job *job, struct oltp_statement *statement)
{
    switch (statement->kind) {
    case OLTP_TRANSACTION:
        return error_set(
            &job->error, RHEI_TRANSACTION,
            "BEGIN, COMMIT, ROLLBACK and savepoints need a session: other callers' writes are not part of it");
    case OLTP_EMPTY:
        return RHEI_OK;
    default:
        return statement->is_ddl  ? group_run_ddl(group, job, statement)
               : statement->alone ? group_run_other(group, job, statement)
               : job->many || oltp_log_is_full(group->oltp)
                   ? group_run_transaction(group, job, statement) /* which can be taken back */
                   : group_run_autocommit(group, job, statement);
    }
}

/* It was broken off and undone: as if it had never been tried. */
static void group_put_back(struct oltp_job *job)
{
    oltp_cursor_close(job->cursor);
    job->put_back = true;
    job->status = RHEI_OK;
    job->result = (struct oltp_result){0};
    job->error = (struct rhei_error)RHEI_ERROR_INIT;
}

static void group_run_alone(struct group *group, struct oltp_job *job)
{
    struct oltp *oltp = group->oltp;
    struct oltp_statement *statement = NULL;
    int64_t end_ns = job == group->own ? 0 : group->end_ns;
    group_watch(group, job, end_ns);
    job->status = oltp_prepare_job(oltp, job, &statement);
    if (job->status == RHEI_OK)
        job->status = group_run_kind(group, job, statement);
    group_unwatch(group);
    oltp_statement_release(oltp->writer, &statement);
    if (job->status != RHEI_OK && group->watch.over) {
        group_put_back(job);
        job->solo = true;
        BASE_INVARIANT(job != group->own); /* G5: the caller's own has all its time */
    } else if (job->status != RHEI_OK) {
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

enum group_passed { GROUP_ALL, GROUP_SOME, GROUP_AGAIN };

/*
 * One pass over the jobs that have not failed. GROUP_AGAIN: an error rolled everything back (G3); GROUP_SOME: the time was over at
 * *reached (G5), after which nothing was done.
 */
static enum group_passed group_pass(struct group *group, struct oltp_job **jobs, uint32_t count, int64_t end_ns,
                                    uint32_t *reached)
{
    struct oltp *oltp = group->oltp;
    for (uint32_t i = 0; i < count; i++) {
        *reached = i;
        if (jobs[i]->status != RHEI_OK)
            continue;
        if (end_ns != 0 && i > 0 && base_now_ns() >= end_ns)
            return GROUP_SOME;
        struct oltp_statement *statement = NULL;
        group->watch.over = false;
        jobs[i]->status = oltp_prepare_job(oltp, jobs[i], &statement);
        if (jobs[i]->status == RHEI_OK) {
            jobs[i]->status = group_run_member(group, jobs[i], statement, end_ns);
            oltp_statement_release(oltp->writer, &statement);
        }
        if (jobs[i]->status != RHEI_OK && group->watch.over) {
            group_put_back(jobs[i]);
            jobs[i]->solo = jobs[i] != group->own;
            return group_in_transaction(oltp) ? GROUP_SOME : GROUP_AGAIN;
        }
        oltp_fault(oltp, "oltp.write.statement");
        if (!group_in_transaction(oltp))
            return GROUP_AGAIN;
    }
    return GROUP_ALL;
}

/* Jobs from `from` on are not run now. */
static void group_put_rest_back(struct oltp_job **jobs, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < count; i++)
        if (jobs[i]->status == RHEI_OK)
            group_put_back(jobs[i]);
}

static rhei_status group_commit(struct oltp *oltp, struct oltp_job **jobs, uint32_t count, struct rhei_error *error)
{
    BASE_INVARIANT(count > 0 && group_in_transaction(oltp)); /* G1 */
    oltp_fault(oltp, "oltp.write.commit");
    rhei_status status = oltp_step_own(oltp, oltp->commit, error);
    if (status != RHEI_OK) {
        oltp_roll_back(oltp);
        group_clear_results(jobs, count);
        return status;
    }
    uint64_t done = 0;
    for (uint32_t i = 0; i < count; i++)
        done += jobs[i]->status == RHEI_OK;
    oltp_committed(oltp, done);
    return RHEI_OK;
}

/* Waits for a foreign lock as long as a group may; longer waits are each caller's own. */
static rhei_status group_begin(struct group *group, struct rhei_error *error)
{
    static const struct oltp_job everybody = {0};
    oltp_fault(group->oltp, "oltp.write.begin");
    group_watch(group, &everybody, group->end_ns);
    rhei_status status = oltp_step_own(group->oltp, group->oltp->begin, error);
    group_unwatch(group);
    return status;
}

static void group_run_together(struct group *group, struct oltp_job **jobs, uint32_t count)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct oltp *oltp = group->oltp;
    int64_t end_ns = group->end_ns;
    BASE_INVARIANT(count > 1 && !group_in_transaction(oltp));
    for (;;) {
        rhei_status status = group_begin(group, &error);
        if (status != RHEI_OK && group->watch.over) {
            group_put_rest_back(jobs, 0, count);
            return;
        }
        if (status != RHEI_OK) {
            group_fail_open(jobs, count, status, &error);
            return;
        }
        uint32_t reached = 0;
        enum group_passed passed = group_pass(group, jobs, count, end_ns, &reached);
        if (passed == GROUP_SOME || group->watch.over) {
            group_put_rest_back(jobs, reached, count);
            count = reached;
            end_ns = 0; /* what is left was done within the time once */
        }
        if (count == 0) {
            oltp_roll_back(oltp);
            return;
        }
        if (passed != GROUP_AGAIN) {
            status = group_commit(oltp, jobs, count, &error);
            if (status != RHEI_OK)
                group_fail_open(jobs, count, status, &error);
            return;
        }
        oltp_roll_back(oltp);
        group_clear_results(jobs, count);
        /* one job fewer each time */
    }
}

static void group_run_gathered(struct group *group, struct oltp_job **jobs, uint32_t count)
{
    if (count == 1)
        group_run_alone(group, jobs[0]);
    else if (count > 1)
        group_run_together(group, jobs, count);
}

void oltp_group_run(struct oltp *oltp, struct oltp_job *first, struct oltp_job *own)
{
    struct oltp_job *together[OLTP_GROUP_MAX + 1];
    BASE_INVARIANT(first != NULL && (own == NULL || own == first));
    uint32_t waiting = 0;
    struct group group = {.oltp = oltp, .own = own, .stop = {.check = group_watch_check, .context = &group.watch}};
    bool alone = first->next == NULL;
    int64_t now = !alone || own == NULL || oltp->writer->busy_deadline_ns != 0 ? base_now_ns() : 0;
    oltp->writer->busy_deadline_ns = alone ? 0 : now + (int64_t)oltp->config.busy_timeout_ms * 1000000;
    group.end_ns = alone && own != NULL ? 0 : now + GROUP_NS;
    bool over = false;
    for (struct oltp_job *job = first; job != NULL; job = job->next) {
        job->status = RHEI_OK;
        bool join = !alone && job->joins;
        if (join) {
            BASE_INVARIANT(waiting <= OLTP_GROUP_MAX);
            together[waiting++] = job;
        }
        if (waiting > 0 && (!join || job->next == NULL)) {
            group_run_gathered(&group, together, waiting);
            over = together[waiting - 1]->put_back;
            waiting = 0;
        }
        if (over) { /* first come, first served: all behind it wait as well */
            for (job = join ? job->next : job; job != NULL; job = job->next) {
                job->status = RHEI_OK;
                job->put_back = true;
            }
            break;
        }
        if (!join) {
            group_run_alone(&group, job);
            over = job->put_back;
        }
    }
    if (own != NULL && own->put_back) {
        own->put_back = false;
        group_run_alone(&group, own);
    }
    BASE_INVARIANT(!group_in_transaction(oltp)); /* W4 */
}
