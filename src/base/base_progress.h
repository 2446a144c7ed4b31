/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a long work is: rooms that do it write, whoever tells it reads. Every function takes NULL: nobody wants to know. Any thread.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_thread.h"

/* What is counted; a room adds what it does of it, whatever step it serves, and only what the step counts is kept. */
enum base_progress_unit {
    BASE_PROGRESS_NOTHING,
    BASE_PROGRESS_ROWS,
    BASE_PROGRESS_STEPS, /* of SQLite's machine */
    BASE_PROGRESS_CHANGES,
    BASE_PROGRESS_BYTES,
};

struct base_progress {
    base_mutex lock; /* of `doing` and `subject` */
    const char *doing;
    char subject[128];
    _Atomic(const char *) waiting; /* what the work waits for now; NULL: it goes on */
    atomic_int unit;
    atomic_int_least64_t done, total; /* total -1: unknown */
};

/* What was read of one at a moment. */
struct base_progress_state {
    const char *doing;
    char subject[128];
    enum base_progress_unit unit;
    int64_t done, total;
};

void base_progress_init(struct base_progress *progress);
void base_progress_destroy(struct base_progress *progress);
/* A new step begins. `doing` is static text; `subject` (NULL: none), a table's name perhaps, is copied. */
void base_progress_step(struct base_progress *progress, const char *doing, const char *subject,
                        enum base_progress_unit unit, int64_t total);
void base_progress_read(struct base_progress *progress, struct base_progress_state *state);

static inline void base_progress_add(struct base_progress *progress, enum base_progress_unit unit, int64_t count)
{
    if (progress != NULL && atomic_load_explicit(&progress->unit, memory_order_relaxed) == (int)unit)
        atomic_fetch_add_explicit(&progress->done, count, memory_order_relaxed);
}

/* There turns out to be more to do; the total was known (0 at first). */
static inline void base_progress_expect(struct base_progress *progress, enum base_progress_unit unit, int64_t count)
{
    if (progress != NULL && atomic_load_explicit(&progress->unit, memory_order_relaxed) == (int)unit)
        atomic_fetch_add_explicit(&progress->total, count, memory_order_relaxed);
}

static inline void base_progress_set(struct base_progress *progress, enum base_progress_unit unit, int64_t done,
                                     int64_t total)
{
    if (progress != NULL && atomic_load_explicit(&progress->unit, memory_order_relaxed) == (int)unit) {
        atomic_store_explicit(&progress->done, done, memory_order_relaxed);
        atomic_store_explicit(&progress->total, total, memory_order_relaxed);
    }
}

/* `what`, static, is waited for; NULL: no longer. */
static inline void base_progress_wait(struct base_progress *progress, const char *what)
{
    if (progress != NULL)
        atomic_store_explicit(&progress->waiting, what, memory_order_relaxed);
}

#endif
