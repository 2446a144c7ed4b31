/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Up to when it is known what a table was, and where that isn't known (6. of sync_history.c).
 *
 *   1. Whoever follows a table knows it up to the last look that found nothing more, which is later than its last change.
 *   2. Who comes after him only knows what the state says that he goes on from: the newest time in it. So before a change of the schema, behind which
 *      nobody may tell from the log what was, the book says up to when all was known, with the state that shows it.
 */
#include <string.h>

#include "sync_book.h"
#include "sync_history_past.h"

void history_gap_open(struct sync_generation *generation, int64_t us, int64_t seq)
{
    struct sync_gap *gaps = generation->gaps;
    if (generation->gap_count == SYNC_GAPS_MOST) { /* the two oldest become one */
        gaps[0].to_us = gaps[1].to_us;
        gaps[0].to_seq = gaps[1].to_seq;
        memmove(&gaps[1], &gaps[2], (SYNC_GAPS_MOST - 2) * sizeof *gaps);
        generation->gap_count--;
    }
    gaps[generation->gap_count++] =
        (struct sync_gap){.from_us = us, .to_us = INT64_MAX, .from_seq = seq, .to_seq = INT64_MAX};
}

bool history_gap_is_open(const struct sync_generation *generation)
{
    return generation->gap_count > 0 && generation->gaps[generation->gap_count - 1].to_seq == INT64_MAX;
}

int64_t history_known_position(const struct sync *sync, const struct sync_history *history,
                               const struct sync_generation *generation)
{
    if (history_gap_is_open(generation))
        return generation->gaps[generation->gap_count - 1].from_seq;
    return sync->config.histories_position >= 0 ? sync->config.histories_position : history->known_seq;
}

void history_gap_close(struct sync *sync, const struct sync_history *history, struct sync_generation *generation)
{
    int64_t known = history->known_us > generation->began_us ? history->known_us : generation->began_us;
    if (!history_gap_is_open(generation))
        history_gap_open(generation, known, history_known_position(sync, history, generation));
    struct sync_gap *gap = &generation->gaps[generation->gap_count - 1];
    gap->to_us = history->clock_us;
    gap->to_seq = history->clock_seq;
    generation->gap_count -= !history->logged && history_past_is_as_loaded(history->past, history->loaded);
}

int64_t history_known_until(const struct sync *sync, const struct sync_history *history)
{
    int64_t looked_us = atomic_load_explicit(&sync->looked_us, memory_order_relaxed);
    int64_t known = sync->config.source->ops->tells_later ? sync->told_us : looked_us;
    return known > history->clock_us ? known : history->clock_us;
}

void sync_history_known(struct sync_history *history, int64_t until_us)
{
    if (history != NULL && history->attached && until_us > history->clock_us)
        history->clock_us = until_us;
}
