/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a snapshot: everything here only follows pointers of a pinned version. Any thread. */
#include "mirror_image.h"
#include "mirror_internal.h"

#include <math.h>
#include <string.h>

#include "base/base_map.h"

const struct mirror_table_view *mirror_view(const struct mirror_snapshot *snapshot, uint32_t table)
{
    const struct mirror_version *version = snapshot->version;
    const struct mirror_table_view *view = mirror_trie_get(&version->catalog, table);
    if (view == NULL || atomic_load_explicit(&view->gone_at, memory_order_relaxed) <= version->epoch)
        return NULL;
    return view;
}

const struct mirror_table_view *mirror_view_named(const struct mirror_snapshot *snapshot, const char *name,
                                                  uint32_t *table)
{
    const struct mirror_table_view *found = NULL;
    uint32_t number = 0;
    while (mirror_trie_next(&snapshot->version->catalog, &number) != NULL) {
        const struct mirror_table_view *view = mirror_view(snapshot, number);
        if (found != NULL && number >> TABLE_SOURCE_SHIFT != *table >> TABLE_SOURCE_SHIFT)
            break;
        if (view != NULL && base_fold_compare(view->table->definition.name, name) == 0) {
            found = view;
            *table = number;
        }
        if (number++ == UINT32_MAX)
            break;
    }
    return found;
}

const struct mirror_table_view *mirror_view_next(const struct mirror_snapshot *snapshot, uint32_t *table)
{
    while (mirror_trie_next(&snapshot->version->catalog, table) != NULL) {
        const struct mirror_table_view *view = mirror_view(snapshot, *table);
        if (view != NULL || *table == UINT32_MAX)
            return view;
        ++*table;
    }
    return NULL;
}

uint32_t mirror_view_column_count(const struct mirror_table_view *view)
{
    return mirror_table_columns(view->table);
}

const struct source_table *mirror_view_definition(const struct mirror_table_view *view)
{
    return &view->table->definition;
}

uint64_t mirror_view_row_count(const struct mirror_table_view *view)
{
    return view->live;
}

uint32_t mirror_view_column_flags(const struct mirror_table_view *view, uint32_t column)
{
    return atomic_load_explicit(&view->facts->column[column].flags, memory_order_relaxed);
}

bool mirror_view_range(const struct mirror_table_view *view, uint32_t column, double *low, double *high)
{
    struct mirror_column_facts *facts = &view->facts->column[column];
    uint32_t flags = atomic_load_explicit(&facts->flags, memory_order_relaxed);
    if ((flags & (MIRROR_HAS_TEXT | MIRROR_HAS_BLOB)) != 0)
        return false;
    *low = atomic_load_explicit(&facts->low, memory_order_relaxed);
    *high = atomic_load_explicit(&facts->high, memory_order_relaxed);
    return *low <= *high;
}

uint32_t mirror_view_segment_count(const struct mirror_table_view *view)
{
    return view->segment_count;
}

static const struct mirror_segment *segment_of(const struct mirror_table_view *view, uint32_t number)
{
    return number < view->segment_count ? mirror_trie_get(&view->segments, number) : NULL;
}

void mirror_hold_end(struct mirror_hold *hold)
{
    if (hold->segment != NULL)
        mirror_segment_let_go(hold->segment);
    hold->segment = NULL;
}

void mirror_hold(const struct mirror_table_view *view, uint32_t number, struct mirror_hold *hold)
{
    const struct mirror_segment *segment = segment_of(view, number);
    if (hold->segment == segment)
        return;
    mirror_hold_end(hold);
    if (segment == NULL)
        return;
    if (!segment->remote) {
        if (!atomic_load_explicit(&segment->used, memory_order_relaxed))
            atomic_store_explicit((atomic_bool *)(uintptr_t)&segment->used, true, memory_order_relaxed);
        return;
    }
    mirror_segment_hold(segment);
    hold->segment = segment;
}

uint32_t mirror_view_segment_rows(const struct mirror_table_view *view, uint32_t segment)
{
    const struct mirror_segment *found = segment_of(view, segment);
    return found == NULL ? 0 : mirror_view_rows_of(view, segment, found);
}

bool mirror_view_segment_is_remote(const struct mirror_table_view *view, uint32_t segment)
{
    const struct mirror_segment *found = segment_of(view, segment);
    return found != NULL && found->remote;
}

uint64_t mirror_view_segment_lineage(const struct mirror_table_view *view, uint32_t segment)
{
    const struct mirror_segment *found = segment_of(view, segment);
    return found == NULL ? 0 : found->lineage + 1;
}

bool mirror_view_segment_is_open(const struct mirror_table_view *view, uint32_t segment)
{
    return segment == view->tail_number;
}

/* Slots of a vector that the view shows. */
static uint32_t vector_rows(const struct mirror_table_view *view, uint32_t number, uint32_t vector,
                            const struct mirror_segment *segment)
{
    uint32_t rows = mirror_view_rows_of(view, number, segment);
    uint32_t first = vector * MIRROR_VECTOR_ROWS;
    if (rows <= first)
        return 0;
    return rows - first < MIRROR_VECTOR_ROWS ? rows - first : MIRROR_VECTOR_ROWS;
}

void mirror_view_vector(const struct mirror_table_view *view, uint32_t segment, uint32_t vector,
                        struct mirror_vector *out)
{
    *out = (struct mirror_vector){0};
    const struct mirror_segment *found = segment_of(view, segment);
    if (found == NULL || vector >= MIRROR_SEGMENT_VECTORS)
        return;
    out->rows = vector_rows(view, segment, vector, found);
    out->live = out->rows;
    const struct mirror_deletions *deletions = mirror_trie_get(&view->deletions, segment);
    const struct mirror_bitmap *bitmap = deletions == NULL ? NULL : deletions->vector[vector];
    if (bitmap == NULL || out->rows == 0)
        return;
    BASE_INVARIANT(bitmap->dead <= out->rows);
    out->live -= bitmap->dead;
    out->dead = bitmap->word;
}

/* Bits from `rows` on are the writer's: cleared. */
static bool copy_valid(const struct mirror_column *column, uint32_t vector, uint32_t rows, uint64_t *valid)
{
    _Atomic uint64_t *words = atomic_load_explicit(&column->valid, memory_order_acquire);
    if (words == NULL)
        return false;
    words += vector * (MIRROR_VECTOR_ROWS / 64);
    bool nulls = false;
    for (uint32_t w = 0; w < MIRROR_VECTOR_ROWS / 64; w++) {
        uint32_t first = w * 64;
        if (first >= rows) {
            valid[w] = 0;
            continue;
        }
        uint64_t mask = rows - first >= 64 ? UINT64_MAX : (1ull << (rows - first)) - 1;
        valid[w] = atomic_load_explicit(&words[w], memory_order_relaxed) & mask;
        nulls |= valid[w] != mask;
    }
    return nulls;
}

void mirror_view_column(const struct mirror_table_view *view, uint32_t segment, uint32_t vector, uint32_t column,
                        struct mirror_column_data *out)
{
    const struct mirror_segment *found = segment_of(view, segment);
    mirror_segment_column(found, found == NULL ? 0 : vector_rows(view, segment, vector, found), vector, column, out);
}

uint32_t mirror_view_chunks(const struct mirror_table_view *view, uint32_t segment, const void **chunks,
                            int64_t *lengths)
{
    const struct mirror_segment *found = segment == view->tail_number ? NULL : segment_of(view, segment);
    return found == NULL || found->remote ? 0 : mirror_heap_chunks(found, chunks, lengths);
}

void mirror_segment_column(const struct mirror_segment *found, uint32_t rows, uint32_t vector, uint32_t column,
                           struct mirror_column_data *out)
{
    out->layout = MIRROR_LAYOUT_EMPTY;
    out->data = NULL;
    out->classes = NULL;
    out->has_nulls = false;
    if (rows == 0)
        return;
    BASE_INVARIANT(column < found->column_count);
    const struct mirror_column *source = &found->column[column];
    uint8_t layout = atomic_load_explicit(&source->layout, memory_order_acquire);
    if (layout == MIRROR_LAYOUT_EMPTY) {
        out->has_nulls = true;
        memset(out->valid, 0, sizeof out->valid);
        return;
    }
    size_t first = (size_t)vector * MIRROR_VECTOR_ROWS;
    bool wide = layout != MIRROR_LAYOUT_INTEGER && layout != MIRROR_LAYOUT_REAL;
    mirror_column_touch(source);
    out->layout = layout;
    out->data = (const char *)source->data + first * (wide ? 16 : 8);
    out->classes = source->classes == NULL ? NULL : source->classes + first;
    out->has_nulls = copy_valid(source, vector, rows, out->valid);
}

void mirror_view_value(const struct mirror_table_view *view, uint32_t segment, uint32_t offset, uint32_t column,
                       struct rhei_value *out)
{
    mirror_segment_value(segment_of(view, segment), column, offset, out);
}

/* ---- Zone maps. ---------------------------------------------------------------------------------------------------- */

/* Is every number of a zone in integer order below / above a bound? */
static bool integers_below(int64_t high, const struct rhei_value *bound)
{
    if (bound->type == RHEI_INTEGER)
        return high < bound->as.integer;
    return mirror_compare_integer_real(high, bound->as.real) < 0;
}

static bool integers_above(int64_t low, const struct rhei_value *bound)
{
    if (bound->type == RHEI_INTEGER)
        return low > bound->as.integer;
    return mirror_compare_integer_real(low, bound->as.real) > 0;
}

static bool reals_below(double high, const struct rhei_value *bound)
{
    if (bound->type == RHEI_INTEGER)
        return mirror_compare_integer_real(bound->as.integer, high) > 0;
    return high < bound->as.real;
}

static bool reals_above(double low, const struct rhei_value *bound)
{
    if (bound->type == RHEI_INTEGER)
        return mirror_compare_integer_real(bound->as.integer, low) < 0;
    return low > bound->as.real;
}

static bool is_bound(const struct rhei_value *value)
{
    return value != NULL && (value->type == RHEI_INTEGER || (value->type == RHEI_REAL && !isnan(value->as.real)));
}

static bool zone_may_match(const struct mirror_zone *zone, bool integers, const struct rhei_value *low,
                           const struct rhei_value *high)
{
    int64_t zone_low = atomic_load_explicit(&zone->low, memory_order_relaxed);
    int64_t zone_high = atomic_load_explicit(&zone->high, memory_order_relaxed);
    if (zone_low > zone_high)
        return false; /* no number at all, so only NULLs */
    if (integers)
        return !(is_bound(low) && integers_below(zone_high, low)) &&
               !(is_bound(high) && integers_above(zone_low, high));
    return !(is_bound(low) && reals_below(mirror_key_real(zone_high), low)) &&
           !(is_bound(high) && reals_above(mirror_key_real(zone_low), high));
}

bool mirror_view_may_match(const struct mirror_table_view *view, uint32_t segment, uint32_t vector, uint32_t column,
                           const struct rhei_value *low, const struct rhei_value *high)
{
    const struct mirror_segment *found = segment_of(view, segment);
    uint32_t rows = found == NULL ? 0 : mirror_view_rows_of(view, segment, found);
    if (rows == 0)
        return false;
    const struct mirror_column *source = &found->column[column];
    uint8_t layout = atomic_load_explicit(&source->layout, memory_order_acquire);
    uint32_t flags = atomic_load_explicit(&source->flags, memory_order_relaxed);
    if (layout == MIRROR_LAYOUT_EMPTY)
        return false;
    if ((flags & (MIRROR_HAS_TEXT | MIRROR_HAS_BLOB)) != 0)
        return true;
    if (!is_bound(low) && !is_bound(high))
        return true; /* a NaN counts as a number here, and no zone holds it */
    uint32_t vectors = (rows + MIRROR_VECTOR_ROWS - 1) / MIRROR_VECTOR_ROWS;
    uint32_t first = vector == UINT32_MAX ? 0 : vector;
    uint32_t end = vector == UINT32_MAX || vector >= vectors ? vectors : vector + 1;
    for (uint32_t v = first; v < end; v++)
        if (zone_may_match(&source->zones[v], layout == MIRROR_LAYOUT_INTEGER, low, high))
            return true;
    return false;
}
