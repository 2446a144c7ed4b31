/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of a change log that is full: what would add to it is taken back and waits (L5 to L7 of docs/design/log-limits.md). Whoever
 * measures the log opens and closes it; a commit that passes the limit of rows closes it, too.
 */
#include <inttypes.h>

#include "oltp/oltp_internal.h"

enum { LIMIT_LOOK_NS = 20000000 }; /* between two times that one who waits has the log measured */

void oltp_log_close(struct oltp *oltp)
{
    unsigned seen = atomic_load(&oltp->log_full);
    while (!atomic_compare_exchange_weak(&oltp->log_full, &seen, (seen + 2) | 1)) {
    }
}

void oltp_log_open(struct oltp *oltp, unsigned seen)
{
    if ((seen & 1) == 0)
        return;
    if (atomic_compare_exchange_strong(&oltp->log_full, &seen, seen + 1))
        base_word_wake(&oltp->log_full); /* one of those who wait; the others look soon */
    else
        oltp_limit_due(oltp); /* a commit passed the limit meanwhile */
}

rhei_status oltp_log_check(const struct oltp *oltp, bool full, uint64_t logged, bool *refused, struct rhei_error *error)
{
    if (!full || oltp->pending_rows == logged)
        return RHEI_OK;
    *refused = true;
    return error_set(error, RHEI_FULL,
                     "the change log is at its limit and log_limit_policy is block: nothing was changed; whoever reads "
                     "the log has to catch up (rh status says who; rh sync does it for the column store, rh changes "
                     "for a consumer), or the limit to be raised");
}

bool oltp_log_wait(struct oltp *oltp, int64_t deadline_ns, const struct oltp_stop *stop, int64_t *until_ns,
                   struct rhei_error *error)
{
    int64_t now = base_now_ns();
    if (*until_ns == 0)
        *until_ns = now + (int64_t)oltp->config.busy_timeout_ms * 1000000;
    int64_t end = deadline_ns != 0 && deadline_ns < *until_ns ? deadline_ns : *until_ns;
    base_progress_wait(stop == NULL ? NULL : stop->progress, "waiting for room in the change log");
    while (oltp_log_is_full(oltp)) {
        rhei_status stopped = stop == NULL ? RHEI_OK : stop->check(stop->context);
        if (stopped != RHEI_OK) {
            error_clear(error);
            oltp_stop_error(stopped, true, error);
        }
        if (stopped != RHEI_OK || now >= end)
            return false;
        oltp_limit_due(oltp); /* others may have read on */
        unsigned closed = atomic_load(&oltp->log_full);
        if ((closed & 1) != 0)
            base_word_wait(&oltp->log_full, closed, now + LIMIT_LOOK_NS < end ? now + LIMIT_LOOK_NS : end);
        now = base_now_ns();
    }
    base_progress_wait(stop == NULL ? NULL : stop->progress, NULL);
    error_clear(error);
    return true;
}
