/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_progress.h"

#include <string.h>

#include "base/base_utf8.h"

void base_progress_init(struct base_progress *progress)
{
    base_mutex_init(&progress->lock);
    progress->doing = "at work";
    progress->subject[0] = '\0';
    atomic_init(&progress->waiting, NULL);
    atomic_init(&progress->unit, BASE_PROGRESS_NOTHING);
    atomic_init(&progress->done, 0);
    atomic_init(&progress->total, -1);
}

void base_progress_destroy(struct base_progress *progress)
{
    base_mutex_destroy(&progress->lock);
}

void base_progress_step(struct base_progress *progress, const char *doing, const char *subject,
                        enum base_progress_unit unit, int64_t total)
{
    if (progress == NULL)
        return;
    base_mutex_lock(&progress->lock);
    progress->doing = doing;
    size_t length = subject == NULL ? 0 : base_utf8_cut(subject, strlen(subject), sizeof progress->subject - 1);
    memcpy(progress->subject, subject == NULL ? "" : subject, length);
    progress->subject[length] = '\0';
    atomic_store_explicit(&progress->unit, (int)unit, memory_order_relaxed);
    atomic_store_explicit(&progress->done, 0, memory_order_relaxed);
    atomic_store_explicit(&progress->total, total, memory_order_relaxed);
    atomic_store_explicit(&progress->waiting, NULL, memory_order_relaxed);
    base_mutex_unlock(&progress->lock);
}

/* What is counted may be over by the time that it is read, or a little ahead of what was expected: the share never exceeds the whole. */
void base_progress_read(struct base_progress *progress, struct base_progress_state *state)
{
    base_mutex_lock(&progress->lock);
    const char *waiting = atomic_load_explicit(&progress->waiting, memory_order_relaxed);
    state->doing = waiting != NULL ? waiting : progress->doing;
    memcpy(state->subject, progress->subject, sizeof state->subject);
    state->unit = (enum base_progress_unit)atomic_load_explicit(&progress->unit, memory_order_relaxed);
    state->done = atomic_load_explicit(&progress->done, memory_order_relaxed);
    state->total = atomic_load_explicit(&progress->total, memory_order_relaxed);
    base_mutex_unlock(&progress->lock);
    if (state->total >= 0 && state->done > state->total)
        state->done = state->total;
}
