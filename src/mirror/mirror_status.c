/* SPDX-License-Identifier: Apache-2.0 */
/* Facts for status, from a snapshot and relaxed counters. Any thread. */
#include "mirror_internal.h"

enum { LOOKED_AT = 256 }; /* rows of a segment whose strings are added up */

size_t mirror_memory_bytes(const struct mirror *mirror)
{
    return atomic_load_explicit(&mirror->memory.used, memory_order_relaxed);
}

size_t mirror_memory_limit(const struct mirror *mirror)
{
    return mirror->memory.limit;
}

uint64_t mirror_written_bytes(const struct mirror *mirror)
{
    return atomic_load_explicit(&mirror->written_bytes, memory_order_relaxed);
}

size_t mirror_garbage_bytes(const struct mirror *mirror)
{
    return atomic_load_explicit(&mirror->garbage_bytes, memory_order_relaxed);
}

size_t mirror_room(const struct mirror *mirror)
{
    size_t limit = mirror->memory.limit, used = mirror_memory_bytes(mirror);
    size_t spare = atomic_load_explicit(&mirror->memory.pool_free, memory_order_relaxed) +
                   atomic_load_explicit(&mirror->cache_bytes, memory_order_relaxed);
    used = used > spare ? used - spare : 0; /* which goes before anybody is refused */
    return limit == 0 ? SIZE_MAX : used < limit ? limit - used : 0;
}

bool mirror_spills(const struct mirror *mirror)
{
    return atomic_load_explicit(&mirror->memory.elastic, memory_order_relaxed) > 0;
}

size_t mirror_trim(struct mirror *mirror)
{
    return mirror_memory_trim(&mirror->memory, mirror_memory_bytes(mirror) / 16 / MIRROR_BLOCK_BYTES);
}

static uint64_t count_held(const struct mirror *mirror)
{
    uint64_t held = 0;
    for (struct mirror_slot_block *block = mirror->slots; block != NULL;
         block = atomic_load_explicit(&block->next, memory_order_acquire))
        for (uint32_t i = 0; i < MIRROR_SLOTS_PER_BLOCK; i++)
            held += atomic_load_explicit(&block->slot[i].version, memory_order_relaxed) != NULL;
    return held;
}

static void add_table(const struct mirror_table_view *view, struct mirror_status *status)
{
    status->tables++;
    status->rows += view->live;
    status->dead_rows += view->dead;
    uint32_t number = 0;
    const struct mirror_segment *segment;
    for (; (segment = mirror_trie_next(&view->segments, &number)) != NULL; number++) {
        if (number >= view->segment_count)
            break;
        status->segments++;
        status->remote_segments += segment->remote;
    }
}

/* Runs and heaps are the writer's to look at: what readers may is how rows are laid out, and the rows. */
static size_t segment_bytes(const struct mirror_segment *segment, uint32_t rows)
{
    size_t looked_at = 0, long_bytes = 0;
    uint32_t step = rows / LOOKED_AT + 1;
    for (uint32_t place = 0; place < rows; place += step, looked_at++)
        long_bytes += mirror_segment_long_bytes(segment, place);
    if (looked_at == 0 || segment->remote)
        return 0;
    return rows * mirror_segment_slot_bytes(segment) + (size_t)((double)long_bytes / (double)looked_at * rows);
}

size_t mirror_view_bytes(const struct mirror_table_view *view)
{
    size_t bytes = 0;
    uint32_t number = 0;
    const struct mirror_segment *segment;
    for (; (segment = mirror_trie_next(&view->segments, &number)) != NULL && number < view->segment_count; number++)
        bytes += segment_bytes(segment, number == view->tail_number ? view->tail_rows : segment->rows);
    return bytes;
}

static void add_tables(const struct mirror_snapshot *snapshot, struct mirror_status *status)
{
    uint32_t id = 0;
    for (const struct mirror_table_view *view; (view = mirror_trie_next(&snapshot->version->catalog, &id)) != NULL;
         id++) {
        if (mirror_view(snapshot, id) != NULL)
            add_table(view, status);
        if (id == UINT32_MAX)
            return;
    }
}

uint64_t mirror_publishes(const struct mirror *mirror)
{
    return atomic_load_explicit(&mirror->publishes, memory_order_relaxed);
}

void mirror_status(struct mirror *mirror, struct mirror_status *status)
{
    *status = (struct mirror_status){
        .memory_bytes = atomic_load_explicit(&mirror->memory.used, memory_order_relaxed),
        .index_bytes = atomic_load_explicit(&mirror->memory.index_used, memory_order_relaxed),
        .pool_bytes = atomic_load_explicit(&mirror->memory.pool_free, memory_order_relaxed),
        .garbage_bytes = atomic_load_explicit(&mirror->garbage_bytes, memory_order_relaxed),
        .memory_limit = mirror->memory.limit,
        .cache_bytes = atomic_load_explicit(&mirror->cache_bytes, memory_order_relaxed),
        .evictions = atomic_load_explicit(&mirror->evictions, memory_order_relaxed),
        .cache_reads = atomic_load_explicit(&mirror->cache_reads, memory_order_relaxed),
        .cache_evictions = atomic_load_explicit(&mirror->cache_evictions, memory_order_relaxed),
        .publishes = atomic_load_explicit(&mirror->publishes, memory_order_relaxed),
        .compactions = atomic_load_explicit(&mirror->compactions, memory_order_relaxed),
        .snapshots_held = count_held(mirror),
    };
    struct mirror_snapshot snapshot;
    if (mirror_snapshot_take(mirror, &snapshot) != RHEI_OK)
        return;
    add_tables(&snapshot, status);
    mirror_snapshot_release(&snapshot);
}
