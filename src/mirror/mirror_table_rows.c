/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a cursor, one after the other, from wherever they come. */
#include "mirror_ascend.h"
#include "mirror_range.h"
#include "mirror_table_cursor.h"

#include "base/base_memory.h"

void mirror_cursor_hold(struct table_cursor *cursor)
{
    struct mirror_hold hold = {NULL};
    struct kept_hold *kept = cursor->pin->holds;
    cursor->held = cursor->batch.segment + 1;
    mirror_hold(cursor->view, cursor->batch.segment, &hold);
    if (hold.segment == NULL) /* it is resident, and the snapshot keeps it */
        return;
    while (kept != NULL && kept->hold.segment != hold.segment)
        kept = kept->next;
    if (kept != NULL) {
        mirror_hold_end(&hold);
        return;
    }
    kept = base_alloc(sizeof *kept);
    if (kept == NULL) {
        mirror_hold_end(&cursor->hold);
        cursor->hold = hold;
        return;
    }
    *kept = (struct kept_hold){cursor->pin->holds, hold};
    cursor->pin->holds = kept;
}

void mirror_cursor_value(struct table_cursor *cursor, uint32_t column, struct rhei_value *value)
{
    mirror_cursor_cell(cursor, column, value);
}

/* segment << 16 | offset */
static void go_to(struct table_cursor *cursor, uint32_t place)
{
    uint32_t segment = place >> 16, offset = place & 0xffff, vector = offset / MIRROR_VECTOR_ROWS;
    if (cursor->batch_number == 0 || cursor->batch.segment != segment || cursor->batch.vector != vector) {
        cursor->batch.segment = segment;
        cursor->batch.vector = vector;
        cursor->batch_number++;
    }
    cursor->slot = offset % MIRROR_VECTOR_ROWS;
}

static bool next_by_lookup(struct table_cursor *cursor)
{
    uint32_t place = 0;
    bool found = mirror_lookup_next(cursor->by, &cursor->entry, cursor->hash, &place);
    if (found)
        go_to(cursor, place);
    return found;
}

static bool next_in_order(struct table_cursor *cursor)
{
    if (cursor->at >= cursor->sorted->count)
        return false;
    size_t at = cursor->backwards ? cursor->sorted->count - 1 - cursor->at : cursor->at;
    cursor->at++;
    go_to(cursor, cursor->sorted->places[at]);
    return true;
}

/* ---- Rows of a scan that have one of some values. ----------------------------------------------------------------- */

/* How many of the values are smaller, or not larger either. */
static uint32_t values_before(const struct value_set *set, const struct rhei_value *value, bool or_equal)
{
    uint32_t low = 0, high = set->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = mirror_table_order_compare(&set->values[middle], value, 1);
        if (order < 0 || (or_equal && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool set_has(const struct value_set *set, const struct rhei_value *value)
{
    uint32_t at = value->type == RHEI_NULL ? set->count : values_before(set, value, false);
    return at < set->count && mirror_table_order_compare(&set->values[at], value, 1) == 0;
}

/* Which of the values, up to *end, the zone of the vector leaves; all where there is none. */
static void values_of_zone(const struct table_cursor *cursor, uint32_t *from, uint32_t *end)
{
    const struct value_set *set = &cursor->set;
    const struct mirror_segment *segment = mirror_trie_get(&cursor->view->segments, cursor->batch.segment);
    const struct mirror_column *column = &segment->column[set->column];
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_acquire);
    const struct mirror_zone *zone = &column->zones[cursor->batch.vector];
    *from = 0;
    *end = set->count;
    if (layout != MIRROR_LAYOUT_INTEGER && layout != MIRROR_LAYOUT_REAL)
        return;
    int64_t low = atomic_load_explicit(&zone->low, memory_order_relaxed);
    int64_t high = atomic_load_explicit(&zone->high, memory_order_relaxed);
    struct rhei_value least = {.type = RHEI_INTEGER, .as.integer = low};
    struct rhei_value most = {.type = RHEI_INTEGER, .as.integer = high};
    if (layout == MIRROR_LAYOUT_REAL) {
        least = (struct rhei_value){.type = RHEI_REAL, .as.real = mirror_key_real(low)};
        most = (struct rhei_value){.type = RHEI_REAL, .as.real = mirror_key_real(high)};
    }
    *from = values_before(set, &least, false);
    *end = low > high ? *from : values_before(set, &most, true);
}

/* Of values that ascend in the vector: the rows that have one of those from..end. They are numbers. */
static void keep_listed(const struct table_cursor *cursor, const int64_t *values, uint32_t from, uint32_t end,
                        uint64_t bits[MIRROR_SCAN_WORDS])
{
    const struct value_set *set = &cursor->set;
    for (uint32_t w = 0; w < MIRROR_SCAN_WORDS; w++)
        bits[w] = 0;
    for (uint32_t i = from; i < end; i++) {
        struct mirror_range range = {.column = set->column, .low = set->values[i], .high = set->values[i]};
        struct mirror_bounds bounds;
        mirror_bounds_make(&range, &bounds);
        uint32_t slot = mirror_ascending_from(values, cursor->batch.rows, bounds.low);
        if (slot < cursor->batch.rows && values[slot] <= bounds.high)
            bits[slot / 64] |= UINT64_C(1) << (slot % 64);
    }
}

/* The rows of the batch's vector that may have one of the values from..end, all of them numbers. */
static void rows_listed(const struct table_cursor *cursor, uint32_t from, uint32_t end,
                        uint64_t bits[MIRROR_SCAN_WORDS])
{
    enum { MOST_SEARCHED = MIRROR_VECTOR_ROWS / 16 }; /* more are dearer than a look at each row */
    const struct mirror_scan_batch *batch = &cursor->batch;
    const struct value_set *set = &cursor->set;
    uint32_t first = batch->vector * (uint32_t)MIRROR_VECTOR_ROWS;
    const int64_t *values = NULL;
    struct mirror_hold hold = {NULL};
    mirror_hold(cursor->view, batch->segment, &hold);
    bool search = end - from <= MOST_SEARCHED &&
                  mirror_ascending_rows(cursor->view, batch->segment, set->column, &values) >= first + batch->rows;
    if (search)
        keep_listed(cursor, values + first, from, end, bits);
    mirror_hold_end(&hold);
    if (search)
        return;
    const struct mirror_range range = {.column = set->column, .low = set->values[from], .high = set->values[end - 1]};
    struct mirror_bounds bounds;
    struct mirror_rows within;
    bool looked;
    mirror_bounds_make(&range, &bounds);
    mirror_rows_within(cursor->view, batch->segment, batch->vector, &bounds, 1, &within, &looked);
    for (uint32_t w = 0; w < MIRROR_SCAN_WORDS; w++)
        bits[w] = within.bits[w];
}

/* Takes from the batch at hand what is outside of the values that its zone leaves; false: nothing is left. */
static bool narrow(struct table_cursor *cursor)
{
    struct mirror_scan_batch *batch = &cursor->batch;
    const struct value_set *set = &cursor->set;
    uint32_t from, end;
    values_of_zone(cursor, &from, &end);
    if (from == end)
        return false;
    if (!cursor->exact || set->values[from].type > RHEI_REAL || set->values[end - 1].type > RHEI_REAL)
        return true;
    uint64_t bits[MIRROR_SCAN_WORDS];
    rows_listed(cursor, from, end, bits);
    for (uint32_t w = 0; w < MIRROR_SCAN_WORDS; w++)
        batch->own[w] = ~bits[w] | (batch->skip == NULL ? 0 : batch->skip[w]);
    batch->skip = batch->own;
    return mirror_scan_slot(batch, 0) < batch->rows;
}

static bool next_batch_of_set(struct table_cursor *cursor)
{
    do {
        cursor->in_batch = cursor->scan != NULL && mirror_scan_next(cursor->scan, &cursor->batch);
        cursor->batch_number++;
    } while (cursor->in_batch && !narrow(cursor));
    if (cursor->in_batch)
        cursor->slot = mirror_scan_slot(&cursor->batch, 0);
    return cursor->in_batch;
}

static bool next_of_set(struct table_cursor *cursor)
{
    struct rhei_value value;
    for (;;) {
        if (cursor->in_batch)
            cursor->slot = mirror_scan_slot(&cursor->batch, cursor->slot + 1);
        if ((!cursor->in_batch || cursor->slot >= cursor->batch.rows) && !next_batch_of_set(cursor))
            return false;
        mirror_cursor_cell(cursor, cursor->set.column, &value);
        if (set_has(&cursor->set, &value))
            return true;
    }
}

/* ---- Any rows. ---------------------------------------------------------------------------------------------------- */

void mirror_cursor_walk(struct table_cursor *cursor, bool backwards)
{
    BASE_INVARIANT(cursor->scan != NULL && !cursor->in_batch);
    cursor->walks = true;
    cursor->walked = 0;
    cursor->backwards = backwards;
}

static bool walk_on(struct table_cursor *cursor)
{
    uint32_t all = cursor->stretch_count * (uint32_t)MIRROR_SEGMENT_VECTORS;
    while (cursor->walked < all) {
        uint32_t at = cursor->backwards ? all - 1 - cursor->walked : cursor->walked;
        uint32_t segment = cursor->stretches[at / MIRROR_SEGMENT_VECTORS].segment, vector = at % MIRROR_SEGMENT_VECTORS;
        cursor->walked++;
        mirror_scan_vector(cursor->scan, segment, vector, &cursor->batch);
        if (cursor->batch.count > 0)
            return true;
    }
    return false;
}

static bool next_batch(struct table_cursor *cursor)
{
    cursor->in_batch =
        cursor->scan != NULL && (cursor->walks ? walk_on(cursor) : mirror_scan_next(cursor->scan, &cursor->batch));
    cursor->batch_number++; /* also at the end: what the last call looked at in vain is in `batch` */
    return cursor->in_batch;
}

/* The next row of the batch, or its first one. */
static bool next_slot(struct table_cursor *cursor, bool first)
{
    const struct mirror_scan_batch *batch = &cursor->batch;
    if (cursor->walks && cursor->backwards) {
        cursor->slot = mirror_scan_slot_before(batch, first ? batch->rows : cursor->slot);
        return cursor->slot != UINT32_MAX;
    }
    cursor->slot = mirror_scan_slot(batch, first ? 0 : cursor->slot + 1);
    return cursor->slot < batch->rows;
}

bool mirror_cursor_next(struct table_cursor *cursor)
{
    if (cursor->sorted != NULL)
        return next_in_order(cursor);
    if (cursor->by != NULL)
        return next_by_lookup(cursor);
    if (cursor->set.wanted)
        return next_of_set(cursor);
    if (cursor->in_batch && next_slot(cursor, false))
        return true;
    return next_batch(cursor) && next_slot(cursor, true);
}

void mirror_cursor_skip(struct table_cursor *cursor, uint64_t rows)
{
    BASE_INVARIANT(cursor->exact && !cursor->in_batch);
    while (rows > 0 && next_batch(cursor)) {
        if (cursor->batch.count <= rows) {
            rows -= cursor->batch.count;
            cursor->in_batch = false;
            continue;
        }
        for (bool first = true; rows > 0; rows--, first = false) /* to the last row that is left out */
            (void)next_slot(cursor, first);
    }
}
