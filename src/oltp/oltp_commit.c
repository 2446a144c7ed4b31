/* SPDX-License-Identifier: Apache-2.0 */
/* What follows the end of the writer's transaction: the position, the counters, and what is due in the background. */
#include "oltp/oltp_internal.h"

/* ---- What the maintenance is asked for. -------------------------------------------------------------------------- */

static void commit_ask(struct oltp *oltp, bool *due)
{
    base_mutex_lock(&oltp->maintenance_lock);
    if (!*due) {
        *due = true;
        base_cond_signal(&oltp->maintenance_wake);
    }
    base_mutex_unlock(&oltp->maintenance_lock);
}

void oltp_checkpoint_due(struct oltp *oltp)
{
    commit_ask(oltp, &oltp->checkpoint_due);
}

void oltp_limit_due(struct oltp *oltp)
{
    commit_ask(oltp, &oltp->limit_due);
}

void oltp_seen_due(struct oltp *oltp)
{
    commit_ask(oltp, &oltp->seen_due);
}

void oltp_upkeep_later(struct oltp *oltp, int64_t at_ns)
{
    base_mutex_lock(&oltp->maintenance_lock);
    if (oltp->later_ns == 0 || at_ns < oltp->later_ns) {
        oltp->later_ns = at_ns;
        base_cond_signal(&oltp->maintenance_wake);
    }
    base_mutex_unlock(&oltp->maintenance_lock);
}

/* ---- The end of a transaction. ----------------------------------------------------------------------------------- */

void oltp_fault(struct oltp *oltp, const char *point)
{
    if (oltp->config.fault != NULL)
        oltp->config.fault(oltp->config.fault_context, point);
}

/* The log may have come to a limit. That of rows is known here: the door closes with the commit that passed it. */
static void commit_limit(struct oltp *oltp, int64_t last)
{
    int64_t behind = last - atomic_load_explicit(&oltp->log_first, memory_order_relaxed);
    if (oltp->config.log_limit_policy == OLTP_LOG_BLOCK && behind >= 0 &&
        (uint64_t)behind >= oltp->config.log_limit_rows)
        oltp_log_close(oltp);
    oltp_limit_due(oltp);
}

static void commit_time(struct oltp *oltp)
{
    int64_t took = base_now_ns() - oltp->commit_begun_ns;
    uint64_t ns = took > 1 ? (uint64_t)took : 2;
    unsigned bucket = 64u - (unsigned)__builtin_clzll(ns - 1);
    atomic_fetch_add_explicit(&oltp->counters.commit_time[bucket < 48 ? bucket : 47], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&oltp->counters.commit_ns, ns, memory_order_relaxed);
}

static void settle(struct oltp *oltp)
{
    BASE_INVARIANT(sqlite3_get_autocommit(oltp->writer->db) != 0); /* I2 */
    BASE_INVARIANT(oltp->pending_seq >= 0 && (oltp->pending_rows == 0 || oltp->pending_seq > 0));
    oltp_position_committed(oltp, oltp->pending_seq);
    if (oltp->pending_seq > 0) {
        atomic_store_explicit(&oltp->position, oltp->pending_seq, memory_order_release);
        atomic_fetch_add_explicit(&oltp->counters.logged, oltp->pending_rows, memory_order_relaxed);
        if (oltp->pending_seq >= atomic_load_explicit(&oltp->log_look_at, memory_order_relaxed))
            commit_limit(oltp, oltp->pending_seq);
        else if (oltp->config.log_limit_bytes != 0 &&
                 atomic_load_explicit(&oltp->log_written, memory_order_relaxed) >=
                     atomic_load_explicit(&oltp->log_look_written, memory_order_relaxed))
            oltp_limit_due(oltp);
    }
    oltp->pending_seq = 0;
    oltp->pending_rows = 0;
    if (oltp->commit_begun)
        commit_time(oltp);
    oltp->commit_begun = false;
    atomic_fetch_add_explicit(&oltp->own_commits, 1, memory_order_release);
}

static void tell_committed(struct oltp *oltp)
{
    oltp_fault(oltp, "oltp.write.committed");
    if (oltp->config.committed != NULL)
        oltp->config.committed(oltp->config.committed_context);
}

void oltp_committed(struct oltp *oltp, uint64_t statements)
{
    settle(oltp);
    atomic_fetch_add_explicit(&oltp->counters.commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&oltp->counters.statements, statements, memory_order_relaxed);
    if (statements > 1)
        atomic_fetch_add_explicit(&oltp->counters.grouped, statements, memory_order_relaxed);
    tell_committed(oltp);
}

void oltp_kept_up(struct oltp *oltp)
{
    settle(oltp);
    tell_committed(oltp);
}

void oltp_rolled_back(struct oltp *oltp)
{
    oltp->commit_begun = false;
    oltp->pending_seq = 0;
    oltp->pending_rows = 0;
}
