/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether anybody committed, by the WAL index: any process's commit changes a word of it, which costs nothing to look at.
 *
 * N1. That word less the writer's own commits is how many others made. `begun` is counted before SQLite counts a commit and `made` after it, so
 *     one of them never has too few of them and the other never too many, at whatever moment a thread looks. A commit that failed
 *     stays begun until the next one: others then seem to have made one more, never one less.
 */
#include "oltp/oltp_internal.h"

uint64_t oltp_commit_token(const struct oltp *oltp)
{
    uint64_t own = atomic_load_explicit(&oltp->own_commits, memory_order_acquire);
    if (oltp->wal_index == NULL)
        return own;
    /* WalIndexHdr: iChange at byte 8 grows with each commit; mxFrame at byte 16 tells recoveries apart */
    uint32_t change = __atomic_load_n(&oltp->wal_index[2], __ATOMIC_ACQUIRE);
    uint32_t frames = __atomic_load_n(&oltp->wal_index[4], __ATOMIC_ACQUIRE);
    return (uint64_t)change << 32 | frames;
}

/* ---- Commits of others (N1). ------------------------------------------------------------------------------------- */

int oltp_commit_begins(void *context)
{
    struct oltp *oltp = context;
    oltp->commit_begun = true;
    oltp->commit_begun_ns = base_now_ns();
    oltp->token_before = oltp_commit_token(oltp); /* the lock is held: nobody else's comes in between */
    atomic_store(&oltp->writer_begun, atomic_load_explicit(&oltp->writer_made, memory_order_relaxed) + 1);
    return oltp_identity_commit(oltp);
}

void oltp_commit_made(struct oltp *oltp)
{
    atomic_store(&oltp->writer_made, atomic_load_explicit(&oltp->writer_begun, memory_order_relaxed));
}

uint32_t oltp_foreign_least(const struct oltp *oltp)
{
    uint32_t all = oltp->wal_index == NULL ? 0 : __atomic_load_n(&oltp->wal_index[2], __ATOMIC_SEQ_CST);
    return all - atomic_load(&oltp->writer_begun);
}

uint32_t oltp_foreign_most(const struct oltp *oltp)
{
    uint32_t own = atomic_load(&oltp->writer_made);
    return (oltp->wal_index == NULL ? 0 : __atomic_load_n(&oltp->wal_index[2], __ATOMIC_SEQ_CST)) - own;
}

bool oltp_writes_in_order(const struct oltp *oltp)
{
    return oltp->wal_index != NULL && !atomic_load(&oltp->writer_shared);
}

bool oltp_is_blind(const struct oltp *oltp)
{
    return oltp->wal_index == NULL && oltp->memory == NULL && !oltp->config.capture;
}
