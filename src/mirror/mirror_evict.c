/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Eviction, in two halves as compaction. prepare (any thread) makes another segment of the same rows at the same places, whose columns are
 * read from a file when they are wanted. swap (the writer) puts it in the place of the resident one, which goes when no snapshot shows it.
 *
 *  1. Places, row ids, lineage, deletions, facts and what is in the key index stay as they are: a reader can't tell the two apart.
 *  2. The file was made of a published state of the same lineage. A row that was dead in it is dead in every later one, so that its values
 *     aren't in the file hurts nobody; rows that die later are told by the view's deletions, as ever.
 *  3. While somebody puts segments in files, the limit may be passed by a quarter: changes may come faster than their segments go.
 *  4. prepare reads nothing but what a snapshot's reader may. What the writer keeps in a segment is taken over by swap.
 */
#include "mirror_internal.h"

#include <string.h>

#include "base/base_error.h"
#include "mirror_image.h"

struct mirror_eviction {
    struct mirror *mirror;
    uint32_t table, number;
    uint64_t table_serial, segment_serial;
    struct mirror_segment *segment;
};

size_t mirror_resident_bytes(const struct mirror *mirror)
{
    size_t used = atomic_load_explicit(&mirror->memory.used, memory_order_relaxed);
    size_t other = atomic_load_explicit(&mirror->memory.pool_free, memory_order_relaxed) +
                   atomic_load_explicit(&mirror->garbage_bytes, memory_order_relaxed) +
                   atomic_load_explicit(&mirror->cache_bytes, memory_order_relaxed);
    return used > other ? used - other : 0;
}

static size_t data_bytes(const struct mirror_segment *segment)
{
    size_t bytes = segment->heap == NULL ? 0 : segment->heap->bytes - segment->heap->borrowed;
    for (uint32_t c = 0; c < segment->column_count; c++)
        bytes += mirror_run_counted(&segment->column[c].data_run);
    return bytes;
}

size_t mirror_view_segment_resident(const struct mirror_table_view *view, uint32_t number)
{
    const struct mirror_segment *segment =
        number < view->segment_count ? mirror_trie_get(&view->segments, number) : NULL;
    bool leaves = segment != NULL && !segment->remote && number != view->tail_number;
    return leaves ? data_bytes(segment) : 0;
}

bool mirror_view_segment_used(const struct mirror_table_view *view, uint32_t number)
{
    struct mirror_segment *segment = number < view->segment_count ? mirror_trie_get(&view->segments, number) : NULL;
    return segment != NULL && atomic_exchange_explicit(&segment->used, false, memory_order_relaxed);
}

/* ---- The other segment. -------------------------------------------------------------------------------------------- */

static bool is_image_of(const struct mirror_segment *segment, const struct segment_image *image)
{
    if (image->rows != segment->rows || image->column_count != segment->column_count)
        return false;
    for (uint32_t c = 0; c < image->column_count; c++)
        if (image->columns[c].layout != atomic_load_explicit(&segment->column[c].layout, memory_order_acquire))
            return false;
    return true;
}

static rhei_status copy_map(struct mirror *mirror, const struct mirror_segment *from, struct mirror_segment *to)
{
    void *map;
    if (from->map == NULL)
        return RHEI_OK;
    rhei_status status = mirror_memory_alloc(&mirror->memory, sizeof *from->map, &map);
    if (status != RHEI_OK)
        return status;
    to->map = memcpy(map, from->map, sizeof *from->map);
    return RHEI_OK;
}

rhei_status mirror_evicted_new(struct mirror *mirror, const struct mirror_segment *from,
                               const struct segment_image *image, const struct mirror_keeper *keeper,
                               struct mirror_segment **out)
{
    struct mirror_owner *owner;
    *out = NULL;
    rhei_status status = mirror_owner_new(&mirror->memory, keeper->release, keeper->context, &owner);
    if (status != RHEI_OK) {
        if (keeper->release != NULL)
            keeper->release(keeper->context);
        return status;
    }
    owner->damaged = keeper->damaged;
    owner->read = keeper->read;
    owner->name = keeper->name;
    if (!is_image_of(from, image))
        status = RHEI_INVALID;
    if (status == RHEI_OK)
        status = mirror_adopt_check(image, from->column_count, MIRROR_ADOPT_REMOTE, NULL);
    if (status == RHEI_OK)
        status = mirror_adopt_segment(mirror, image, NULL, owner, MIRROR_ADOPT_REMOTE, out);
    if (status == RHEI_OK)
        status = copy_map(mirror, from, *out);
    mirror_owner_drop(&mirror->memory, owner);
    if (status != RHEI_OK) {
        mirror_segment_free(mirror, *out);
        *out = NULL;
        return status;
    }
    (*out)->number = from->number;
    (*out)->lineage = from->lineage;
    (*out)->logical_rows = from->logical_rows;
    return RHEI_OK;
}

void mirror_evicted_inherit(struct mirror_segment *to, const struct mirror_segment *from)
{
    BASE_INVARIANT(to->number == from->number && to->rows == from->rows && to->lineage == from->lineage);
    to->live_rows = from->live_rows;
    to->unindexed = from->unindexed;
    to->mixed_columns = from->mixed_columns;
    for (uint32_t c = 0; c < to->column_count; c++) {
        struct mirror_column *column = &to->column[c];
        const struct mirror_column *old = &from->column[c];
        atomic_store_explicit(&column->flags, atomic_load_explicit(&old->flags, memory_order_relaxed),
                              memory_order_relaxed);
        memcpy(column->counts, old->counts, sizeof column->counts);
        memcpy(column->live, old->live, sizeof column->live);
        column->held = old->held;
    }
}

/* ---- Preparing. ---------------------------------------------------------------------------------------------------- */

static void abandon(struct mirror_eviction **handle)
{
    struct mirror_eviction *eviction = *handle;
    if (eviction == NULL)
        return;
    mirror_segment_free(eviction->mirror, eviction->segment);
    mirror_memory_free(&eviction->mirror->memory, eviction, sizeof *eviction);
    *handle = NULL;
}

rhei_status mirror_evict_prepare(const struct mirror_table_view *view, uint32_t number,
                                 const struct segment_image *image, const struct mirror_keeper *keeper,
                                 struct mirror_eviction **out, struct rhei_error *error)
{
    struct mirror *mirror = view->table->mirror;
    void *memory = NULL;
    *out = NULL;
    /* it is the way out of the limit */
    atomic_fetch_add_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
    rhei_status status = mirror_view_segment_resident(view, number) == 0 ? RHEI_INVALID : RHEI_OK;
    if (status == RHEI_OK)
        status = mirror_memory_alloc_zero(&mirror->memory, sizeof **out, &memory);
    struct mirror_eviction *eviction = memory;
    if (status != RHEI_OK) {
        if (keeper->release != NULL)
            keeper->release(keeper->context);
    } else {
        const struct mirror_segment *segment = mirror_trie_get(&view->segments, number);
        *eviction = (struct mirror_eviction){.mirror = mirror,
                                             .table = view->table->definition.id,
                                             .number = number,
                                             .table_serial = view->table->serial,
                                             .segment_serial = segment->serial};
        status = mirror_evicted_new(mirror, segment, image, keeper, &eviction->segment);
    }
    atomic_fetch_sub_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
    if (status != RHEI_OK)
        abandon(&eviction);
    *out = eviction;
    if (status == RHEI_INVALID || status == RHEI_IO)
        return error_set(error, status, "the file is not of this segment, or it can't be read");
    return mirror_memory_error(&mirror->memory, status, error);
}

/* ---- Swapping. ----------------------------------------------------------------------------------------------------- */

static rhei_status swap(struct mirror_table *table, struct mirror_segment *old, struct mirror_segment *fresh)
{
    struct mirror *mirror = table->mirror;
    rhei_status status = mirror_table_touch(table);
    if (status == RHEI_OK)
        status = mirror_trie_put(mirror, &table->retired, &table->segments, fresh->number, fresh);
    if (status != RHEI_OK)
        return status;
    mirror_evicted_inherit(fresh, old);
    fresh->garbage.born = mirror_building(mirror);
    mirror_retire(mirror, &table->retired, old);
    atomic_fetch_add_explicit(&mirror->evictions, 1, memory_order_relaxed);
    return RHEI_OK;
}

rhei_status mirror_evict_swap(struct mirror *mirror, struct mirror_eviction **handle, struct rhei_error *error)
{
    struct mirror_eviction *eviction = *handle;
    rhei_status status = RHEI_OK;
    if (eviction == NULL)
        return RHEI_OK;
    struct mirror_table *table = mirror_table_find(mirror, eviction->table);
    bool same = table != NULL && table->serial == eviction->table_serial && !mirror_table_is_unsound(table);
    struct mirror_segment *segment = same ? mirror_table_segment(table, eviction->number) : NULL;
    same = segment != NULL && segment->serial == eviction->segment_serial && segment->live_rows > 0;
    if (same) {
        BASE_INVARIANT(segment != table->tail.segment);
        atomic_fetch_add_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
        status = swap(table, segment, eviction->segment);
        atomic_fetch_sub_explicit(&mirror->memory.unlimited, 1, memory_order_relaxed);
        if (status == RHEI_OK)
            eviction->segment = NULL;
    }
    abandon(handle);
    return mirror_memory_error(&mirror->memory, status, error);
}
