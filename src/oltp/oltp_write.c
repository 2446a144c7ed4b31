/* SPDX-License-Identifier: Apache-2.0 */
/* One statement as the caller sees it: a job for whoever holds the writer. */
#include <string.h>

#include "oltp/oltp_internal.h"

enum { SOLO_ROWS = 256 }; /* a batch of more is run by its owner */

/* Again, where the log was full and has room now. */
static rhei_status write_run(struct oltp *oltp, struct oltp_job *job)
{
    int64_t until = 0;
    rhei_status status = oltp_writer_run(oltp, job, oltp_group_run);
    while (job->refused) {
        job->refused = false;
        job->result = (struct oltp_result){0};
        if (!oltp_log_wait(oltp, job->deadline_ns, job->stop, &until, &job->error)) {
            atomic_fetch_add_explicit(&oltp->counters.refused, job->error.code == RHEI_FULL, memory_order_relaxed);
            return job->error.code;
        }
        status = oltp_writer_run(oltp, job, oltp_group_run);
    }
    return status;
}

static rhei_status write_job(struct oltp *oltp, struct oltp_job *job, struct oltp_result *result,
                             struct rhei_error *error)
{
    if (oltp->writer == NULL)
        return oltp_refuse_write(oltp, error);
    rhei_status stopped = job->stop == NULL ? RHEI_OK : job->stop->check(job->stop->context);
    if (stopped != RHEI_OK)
        return oltp_stop_error(stopped, true, error);
    job->joins = job->lifted != NULL || oltp_word_writes_rows(job->sql, job->len);
    if (!job->joins && oltp_word_kind(job->sql, job->len) == OLTP_TRANSACTION) {
        /* at once: the writer may be held by one for long */
        return error_set(
            error, RHEI_TRANSACTION,
            "BEGIN, COMMIT, ROLLBACK and savepoints need a session: other callers' writes are not part of it");
    }
    job->solo = job->many ? job->rows > SOLO_ROWS : !job->joins;
    rhei_status status = oltp_identity_check(oltp, false, error);
    if (status != RHEI_OK)
        return status;
    status = write_run(oltp, job);
    if (result != NULL)
        *result = job->result;
    if (status != RHEI_OK) {
        atomic_fetch_add_explicit(&oltp->counters.errors, 1, memory_order_relaxed);
        if (error != NULL && error->code == RHEI_OK)
            *error = job->error;
    }
    return status;
}

rhei_status oltp_write(struct oltp *oltp, const char *sql, size_t len, const struct rhei_value *params, uint32_t count,
                       const struct oltp_stop *stop, struct oltp_result *result, struct oltp_cursor **rows,
                       struct rhei_error *error)
{
    struct oltp_job job = {.sql = sql,
                           .len = len,
                           .params = params,
                           .param_count = count,
                           .rows = 1,
                           .stop = stop,
                           .cursor = rows,
                           .error = RHEI_ERROR_INIT};
    struct sql_literals lifted;
    char bytes[2048];
    if (rows != NULL)
        *rows = NULL;
    if (count == 0 && oltp_lift(sql, len, &lifted, bytes, sizeof bytes)) /* outside of anybody's turn */
        job.lifted = &lifted;
    return write_job(oltp, &job, result, error);
}

rhei_status oltp_write_many(struct oltp *oltp, const char *sql, size_t len, const struct rhei_value *params,
                            uint32_t count, size_t rows, const struct oltp_stop *stop, struct oltp_result *result,
                            struct rhei_error *error)
{
    struct oltp_job job = {.sql = sql,
                           .len = len,
                           .params = params,
                           .param_count = count,
                           .rows = rows,
                           .many = true,
                           .stop = stop,
                           .error = RHEI_ERROR_INIT};
    return write_job(oltp, &job, result, error);
}

void *oltp_native_lock(struct oltp *oltp)
{
    atomic_store(&oltp->writer_shared, true); /* whoever has the connection may do anything with it */
    return oltp_native_lock_while(oltp, NULL);
}

void *oltp_native_lock_while(struct oltp *oltp, const struct oltp_stop *stop)
{
    return oltp->writer != NULL && oltp_writer_acquire_until(oltp, stop, NULL) == RHEI_OK ? oltp->writer->db : NULL;
}

void oltp_native_unlock(struct oltp *oltp)
{
    if (!sqlite3_get_autocommit(oltp->writer->db))
        oltp_exec(oltp->writer, "ROLLBACK", NULL);
    oltp_writer_hooks(oltp);
    oltp_recount(oltp); /* whoever had it may have rolled rows of the log back */
    oltp_kept_up(oltp);
    oltp_writer_release(oltp);
}
