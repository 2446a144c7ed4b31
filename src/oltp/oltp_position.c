/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which position of the change log a state of the file is: the log's newest number in it.
 *
 * X1. A state is named by its token (oltp_token.c), and its position never changes. So a pair of both, once found, is true for good. The last
 *     one that was found is kept; where two are found at once, either.
 * X2. A pair is told only by who knows that it is of one state: who reads the log in a state whose token was the same before and after, or who
 *     committed, held the lock until then, and finds that nobody else committed since.
 * X3. A statement's state is pinned within its first step. So if the token is the same before and behind that, the statement reads the state of that name.
 */
#include "oltp/oltp_internal.h"

void oltp_position_tell(struct oltp *oltp, uint64_t token, int64_t position)
{
    struct oltp_known *known = &oltp->known;
    uint_fast64_t turn = atomic_load_explicit(&known->turn, memory_order_relaxed);
    if (turn % 2 != 0 || !atomic_compare_exchange_strong_explicit(&known->turn, &turn, turn + 1, memory_order_acquire,
                                                                  memory_order_relaxed))
        return; /* somebody else tells one */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&known->token, token, memory_order_relaxed);
    atomic_store_explicit(&known->position, position, memory_order_relaxed);
    atomic_store_explicit(&known->turn, turn + 2, memory_order_release);
}

bool oltp_position_known(const struct oltp *oltp, uint64_t token, int64_t *position)
{
    const struct oltp_known *known = &oltp->known;
    uint_fast64_t turn = atomic_load_explicit(&known->turn, memory_order_acquire);
    bool same = atomic_load_explicit(&known->token, memory_order_relaxed) == token;
    int64_t found = atomic_load_explicit(&known->position, memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    if (!same || turn == 0 || turn % 2 != 0 || atomic_load_explicit(&known->turn, memory_order_relaxed) != turn)
        return false;
    *position = found;
    return true;
}

/* X2: with the writer, right behind its COMMIT. `logged`: the newest number that it wrote; 0: none. */
void oltp_position_committed(struct oltp *oltp, int64_t logged)
{
    uint64_t before = oltp->token_before, now = oltp_commit_token(oltp);
    bool alone = oltp->commit_begun && (uint32_t)(now >> 32) == (uint32_t)(before >> 32) + 1;
    if (oltp->wal_index != NULL && alone && (logged > 0 || oltp_position_known(oltp, before, &logged)))
        oltp_position_tell(oltp, now, logged);
}
