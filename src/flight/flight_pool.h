/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that run what they are given, in its order: one more is started while none is idle, up to a limit, and one that is idle for
 * some seconds ends. What is given beyond the limit waits: a call that goes on may not be lost. Any thread.
 */
#ifndef FLIGHT_POOL_H
#define FLIGHT_POOL_H

#include "rhei/rhei_types.h"

struct flight_pool;

rhei_status flight_pool_new(uint32_t most_threads, struct flight_pool **pool, struct rhei_error *error);
/* Room for a job, so that giving it can't fail: embedded in what it is about, and used by one giving at a time. */
struct flight_job {
    void (*run)(void *argument);
    void *argument;
    struct flight_job *next;
};
/* False where there is no thread at all, and none can be started. */
bool flight_pool_give(struct flight_pool *pool, struct flight_job *job);
/* Whether so many jobs wait that a new call had better come later. */
bool flight_pool_is_full(struct flight_pool *pool);
/* Runs what was given, ends the threads and waits for them. */
void flight_pool_free(struct flight_pool **pool);

#endif
