/* SPDX-License-Identifier: Apache-2.0 */
/* Whether anybody committed, by the WAL index: any process's commit changes a word of it, which costs nothing to look at. */
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

bool oltp_is_blind(const struct oltp *oltp)
{
    return oltp->wal_index == NULL && oltp->memory == NULL && !oltp->config.capture;
}
