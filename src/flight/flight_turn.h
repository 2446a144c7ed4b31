/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two threads take turns at one queue: one leads, which takes what the queue tells and may do short work itself; the other guards, and leads
 * when that work turns out to be long. So a short call is answered by the thread that heard of it, and a long one keeps nobody waiting.
 *
 * Invariants:
 * T1. One thread leads, or the turn is vacant and whoever comes first has it.
 * T2. The leader works itself only while the other guards; it has lost its turn when the guard took it, or it gave it away.
 * T3. The guard has no time to look at while nobody works: an idle server wakes no thread.
 */
#ifndef FLIGHT_TURN_H
#define FLIGHT_TURN_H

#include "base/base_thread.h"

enum { FLIGHT_TURN_NS = 2000000 }; /* of work, after which the guard leads */

struct flight_turn {
    base_mutex lock;
    base_cond changed;
    /* Since when the leader works itself; 0: it doesn't; below 0: nobody guards, the other thread is at work that was its own. */
    atomic_int_least64_t since_ns;
    atomic_bool asleep;  /* the guard */
    bool vacant, closed; /* under the lock */
};

void flight_turn_init(struct flight_turn *turn);
void flight_turn_destroy(struct flight_turn *turn);
/* Guards until it leads (true), or the turn is closed. Any of the two threads, when it doesn't lead. */
bool flight_turn_wait(struct flight_turn *turn);
/* The leader wants to work itself; false: nobody guards, so the work is another thread's. */
bool flight_turn_begin(struct flight_turn *turn);
/* The work is done; false: it has lost its turn, and goes to flight_turn_wait(). */
bool flight_turn_end(struct flight_turn *turn);
/* Within such work: it is going to wait, so the guard leads at once. */
void flight_turn_give(struct flight_turn *turn);
/* The queue is at its end; the guard hears of it. */
void flight_turn_close(struct flight_turn *turn);

#endif
