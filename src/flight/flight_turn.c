/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_turn.h"

#include "base/base_clock.h"

#define UNGUARDED INT64_C(-1)

void flight_turn_init(struct flight_turn *turn)
{
    base_mutex_init(&turn->lock);
    base_cond_init(&turn->changed);
    atomic_init(&turn->since_ns, UNGUARDED);
    atomic_init(&turn->asleep, false);
    turn->vacant = true;
    turn->closed = false;
}

void flight_turn_destroy(struct flight_turn *turn)
{
    base_cond_destroy(&turn->changed);
    base_mutex_destroy(&turn->lock);
}

static bool replace(struct flight_turn *turn, int64_t from, int64_t to)
{
    return atomic_compare_exchange_strong(&turn->since_ns, &from, to);
}

/* T3. The leader looks at `asleep` after it has told its time, and we at the time after we have told `asleep`: one of us sees the other. */
static void sleep_while_nobody_works(struct flight_turn *turn)
{
    atomic_store(&turn->asleep, true);
    if (atomic_load(&turn->since_ns) == 0)
        base_cond_wait(&turn->changed, &turn->lock);
    atomic_store(&turn->asleep, false);
}

/* Under the lock. True: the turn was taken from one whose work is long. */
static bool guard(struct flight_turn *turn)
{
    int64_t since_ns = atomic_load(&turn->since_ns);
    if (since_ns == UNGUARDED)
        (void)replace(turn, UNGUARDED, 0); /* now it is */
    else if (since_ns == 0)
        sleep_while_nobody_works(turn);
    else if (base_now_ns() - since_ns < FLIGHT_TURN_NS)
        (void)base_cond_wait_until(&turn->changed, &turn->lock, since_ns + FLIGHT_TURN_NS);
    else
        return replace(turn, since_ns, UNGUARDED);
    return false;
}

bool flight_turn_wait(struct flight_turn *turn)
{
    bool leads = false;
    base_mutex_lock(&turn->lock);
    while (!turn->closed && !leads) {
        leads = turn->vacant || guard(turn);
        turn->vacant = turn->vacant && !leads;
    }
    base_mutex_unlock(&turn->lock);
    return leads;
}

static void tell(struct flight_turn *turn)
{
    base_mutex_lock(&turn->lock);
    base_cond_signal(&turn->changed);
    base_mutex_unlock(&turn->lock);
}

bool flight_turn_begin(struct flight_turn *turn)
{
    if (!replace(turn, 0, base_now_ns()))
        return false;
    if (atomic_load(&turn->asleep))
        tell(turn);
    return true;
}

bool flight_turn_end(struct flight_turn *turn)
{
    int64_t since_ns = atomic_load(&turn->since_ns);
    return since_ns != UNGUARDED && replace(turn, since_ns, 0);
}

void flight_turn_give(struct flight_turn *turn)
{
    base_mutex_lock(&turn->lock);
    int64_t since_ns = atomic_load(&turn->since_ns);
    if (since_ns != UNGUARDED && replace(turn, since_ns, UNGUARDED))
        turn->vacant = true;
    base_cond_signal(&turn->changed);
    base_mutex_unlock(&turn->lock);
}

void flight_turn_close(struct flight_turn *turn)
{
    base_mutex_lock(&turn->lock);
    turn->closed = true;
    base_cond_broadcast(&turn->changed);
    base_mutex_unlock(&turn->lock);
}
