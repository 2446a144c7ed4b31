/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of remote segments in memory: a ring, and a hand that goes round it (second chance, the clock of Corbato's pager, 1968).
 *
 *  1. What a column's data point to stays while somebody holds its segment, and goes only under `cache_lock`. Who wants it to go says so
 *     first (`untouched` up) and looks for holds then; who reads holds first and looks at `untouched` then. All four are sequentially
 *     consistent, so at least one of them sees the other. With a hold in sight the flag goes down again: nothing has happened.
 *  2. A segment that was held since the hand came by last gets a second chance. So one scan of a big table leaves what others use.
 *  3. `cache_lock` is a leaf, and is held for moments: reading is done under the column's own mutex, freeing under none.
 */
#include "mirror_cache.h"

#include <string.h>

static bool make_room(void *context)
{
    return mirror_cache_evict(context);
}

void mirror_cache_init(struct mirror *mirror)
{
    base_mutex_init(&mirror->cache_lock);
    base_mutex_init(&mirror->spill_lock);
    base_cond_init(&mirror->spill_ends);
    mirror->memory.make_room = make_room;
    mirror->memory.room_context = mirror;
}

void mirror_cache_reset(struct mirror *mirror)
{
    BASE_INVARIANT(mirror->cache_hand == NULL);
    base_mutex_destroy(&mirror->cache_lock);
    base_mutex_destroy(&mirror->spill_lock);
    base_cond_destroy(&mirror->spill_ends);
}

bool mirror_cache_has(struct mirror_foreign *foreign)
{
    base_mutex_lock(&foreign->mirror->cache_lock);
    bool there = !atomic_load_explicit(&foreign->column->untouched, memory_order_relaxed);
    base_mutex_unlock(&foreign->mirror->cache_lock);
    return there;
}

/* Under `cache_lock`, behind the hand: it comes by there last. */
static void link_in(struct mirror *mirror, struct mirror_foreign *foreign)
{
    struct mirror_foreign *hand = mirror->cache_hand;
    BASE_INVARIANT(foreign->next == NULL);
    if (hand == NULL) {
        foreign->next = foreign->previous = mirror->cache_hand = foreign;
        return;
    }
    foreign->next = hand;
    foreign->previous = hand->previous;
    hand->previous->next = foreign;
    hand->previous = foreign;
}

/* Under `cache_lock`. */
static void take_out(struct mirror *mirror, struct mirror_foreign *foreign)
{
    if (foreign->next == NULL)
        return;
    if (mirror->cache_hand == foreign)
        mirror->cache_hand = foreign->next == foreign ? NULL : foreign->next;
    foreign->next->previous = foreign->previous;
    foreign->previous->next = foreign->next;
    foreign->next = foreign->previous = NULL;
    atomic_fetch_sub_explicit(&mirror->cache_bytes, atomic_load_explicit(&foreign->filled_bytes, memory_order_relaxed),
                              memory_order_relaxed);
    mirror->cache_columns--;
}

void mirror_cache_enter(struct mirror_foreign *foreign)
{
    struct mirror *mirror = foreign->mirror;
    base_mutex_lock(&mirror->cache_lock);
    link_in(mirror, foreign);
    mirror->cache_columns++;
    atomic_fetch_add_explicit(&mirror->cache_bytes, atomic_load_explicit(&foreign->filled_bytes, memory_order_relaxed),
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&mirror->cache_reads, 1, memory_order_relaxed);
    foreign->seen = (uint32_t)(atomic_load_explicit(&foreign->segment->holds, memory_order_relaxed) >> 32);
    atomic_store(&foreign->column->untouched, false);
    base_mutex_unlock(&mirror->cache_lock);
}

void mirror_cache_leave(struct mirror_foreign *foreign)
{
    base_mutex_lock(&foreign->mirror->cache_lock);
    take_out(foreign->mirror, foreign);
    base_mutex_unlock(&foreign->mirror->cache_lock);
}

/* What a column held, to be freed by whoever took it out. */
struct taken {
    struct mirror_run run;
    char *heap;
    size_t heap_size;
};

/* Under `cache_lock`: takes the column out of its readers' sight, unless somebody looks. */
static bool try_take(struct mirror *mirror, struct mirror_foreign *foreign, struct taken *taken)
{
    struct mirror_segment *segment = foreign->segment;
    uint64_t holds = atomic_load_explicit(&segment->holds, memory_order_relaxed);
    bool used = foreign->seen != (uint32_t)(holds >> 32);
    foreign->seen = (uint32_t)(holds >> 32);
    if (used || (uint32_t)holds != 0)
        return false;
    atomic_store(&foreign->column->untouched, true);
    if ((uint32_t)atomic_load(&segment->holds) != 0) {
        atomic_store(&foreign->column->untouched, false);
        return false;
    }
    take_out(mirror, foreign);
    *taken = (struct taken){foreign->filled, foreign->heap, foreign->heap_size};
    memset(&foreign->filled, 0, sizeof foreign->filled);
    foreign->heap = NULL;
    foreign->column->data = NULL;
    atomic_store_explicit(&foreign->filled_bytes, 0, memory_order_relaxed);
    atomic_fetch_add_explicit(&mirror->cache_evictions, 1, memory_order_relaxed);
    return true;
}

bool mirror_cache_evict(struct mirror *mirror)
{
    struct taken taken = {.heap = NULL};
    bool found = false;
    base_mutex_lock(&mirror->cache_lock);
    for (size_t looks = 2 * mirror->cache_columns; looks > 0 && !found && mirror->cache_hand != NULL; looks--) {
        struct mirror_foreign *foreign = mirror->cache_hand;
        mirror->cache_hand = foreign->next;
        found = try_take(mirror, foreign, &taken);
    }
    base_mutex_unlock(&mirror->cache_lock);
    if (!found)
        return false;
    mirror_run_free(&mirror->memory, &taken.run);
    mirror_memory_free(&mirror->memory, taken.heap, taken.heap_size);
    return true;
}

void mirror_cache_make_room(struct mirror *mirror, size_t run, size_t heap)
{
    struct mirror_memory *memory = &mirror->memory;
    while (memory->limit > 0) {
        size_t used = atomic_load_explicit(&memory->used, memory_order_relaxed);
        size_t idle = atomic_load_explicit(&memory->pool_free, memory_order_relaxed);
        bool pooled = run >= MIRROR_UNIT_BYTES && idle >= run;
        size_t wanted = used + heap + (pooled ? 0 : run);
        if (wanted <= memory->limit)
            return;
        /* what the pool has to spare goes before what would have to be read again; what it needs for the run may stay */
        bool spare = idle > (pooled ? run : 0) + MIRROR_BLOCK_BYTES;
        if ((!spare || mirror_memory_trim_to(memory, 0, wanted - memory->limit) == 0) && !mirror_cache_evict(mirror)) {
            (void)mirror_memory_trim(memory, 0);
            return;
        }
    }
}

void mirror_writer_hold(struct mirror *mirror, struct mirror_segment *segment)
{
    if (!segment->remote && !atomic_load_explicit(&segment->used, memory_order_relaxed))
        atomic_store_explicit(&segment->used, true, memory_order_relaxed);
    if (!segment->remote || segment->writer_holds)
        return;
    mirror_segment_hold(segment);
    segment->writer_holds = true;
    segment->next_held = mirror->held_segments;
    mirror->held_segments = segment;
    mirror->held_count++;
}

void mirror_writer_let_go(struct mirror *mirror)
{
    while (mirror->held_segments != NULL) {
        struct mirror_segment *segment = mirror->held_segments;
        mirror->held_segments = segment->next_held;
        segment->writer_holds = false;
        mirror_segment_let_go(segment);
    }
    mirror->held_count = 0;
}
