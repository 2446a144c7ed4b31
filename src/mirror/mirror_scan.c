/* SPDX-License-Identifier: Apache-2.0 */
/* Segments are picked by their zones when a scan is opened; vectors by theirs when they are taken. */
#include "mirror_scan.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror_range.h"

struct mirror_scan {
    const struct mirror_table_view *view;
    struct mirror_range *ranges;
    struct mirror_bounds *bounds; /* of an exact scan */
    uint32_t range_count;
    bool exact;
    uint32_t segment_count;
    uint64_t slots, all_slots;
    _Atomic uint64_t next; /* the vector to take next, counted over `segments` */
    uint32_t *segments;    /* those that may hold matching rows */
};

static bool may_match(const struct mirror_scan *scan, uint32_t segment, uint32_t vector)
{
    for (uint32_t r = 0; r < scan->range_count; r++) {
        const struct mirror_range *range = &scan->ranges[r];
        if (!mirror_view_may_match(scan->view, segment, vector, range->column, &range->low, &range->high))
            return false;
    }
    return true;
}

static rhei_status copy_ranges(struct mirror_scan *scan, const struct mirror_scan_options *options,
                               struct rhei_error *error)
{
    uint32_t count = options == NULL ? 0 : options->range_count;
    scan->exact = options != NULL && options->exact && count > 0;
    if (count == 0)
        return RHEI_OK;
    for (uint32_t r = 0; r < count; r++)
        if (options->ranges[r].column >= mirror_view_column_count(scan->view))
            return error_set(error, RHEI_INVALID, "the table has no column %u to scan a range of",
                             options->ranges[r].column);
    scan->ranges = base_alloc(count * sizeof *scan->ranges);
    scan->bounds = base_alloc(count * sizeof *scan->bounds);
    if (scan->ranges == NULL || scan->bounds == NULL)
        return error_no_memory(error);
    memcpy(scan->ranges, options->ranges, count * sizeof *scan->ranges);
    for (uint32_t r = 0; r < count; r++)
        mirror_bounds_make(&scan->ranges[r], &scan->bounds[r]);
    scan->range_count = count;
    return RHEI_OK;
}

static rhei_status pick_segments(struct mirror_scan *scan, struct rhei_error *error)
{
    uint32_t count = mirror_view_segment_count(scan->view);
    scan->segments = base_alloc((count + 1) * sizeof *scan->segments);
    if (scan->segments == NULL)
        return error_no_memory(error);
    for (uint32_t segment = 0; segment < count; segment++) {
        uint32_t rows = mirror_view_segment_rows(scan->view, segment);
        scan->all_slots += rows;
        if (rows == 0 || !may_match(scan, segment, UINT32_MAX))
            continue;
        scan->segments[scan->segment_count++] = segment;
        scan->slots += rows;
    }
    return RHEI_OK;
}

rhei_status mirror_scan_open(const struct mirror_table_view *view, const struct mirror_scan_options *options,
                             struct mirror_scan **result, struct rhei_error *error)
{
    *result = NULL;
    struct mirror_scan *scan = base_alloc_zero(1, sizeof *scan);
    if (scan == NULL)
        return error_no_memory(error);
    scan->view = view;
    rhei_status status = copy_ranges(scan, options, error);
    if (status == RHEI_OK)
        status = pick_segments(scan, error);
    if (status != RHEI_OK)
        mirror_scan_close(&scan);
    *result = scan;
    return status;
}

/* One segment of mirror_scan_any. */
static bool any_within(const struct mirror_table_view *view, uint32_t segment, uint32_t slots,
                       const struct mirror_bounds *bounds)
{
    struct mirror_rows within = {0};
    bool looked;
    for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < slots && within.count == 0; v++)
        if (mirror_vector_pass(view, segment, v, bounds, 1) != MIRROR_PASS_NONE)
            mirror_rows_within(view, segment, v, bounds, 1, &within, &looked);
    return within.count > 0;
}

bool mirror_scan_any(const struct mirror_table_view *view, const struct mirror_range *range)
{
    struct mirror_bounds bounds;
    bool any = false;
    mirror_bounds_make(range, &bounds);
    for (uint32_t s = 0; s < mirror_view_segment_count(view) && !any; s++) {
        uint32_t slots = mirror_view_segment_rows(view, s);
        if (slots == 0 || (s != view->tail_number && mirror_segment_pass(view, s, &bounds, 1) == MIRROR_PASS_NONE))
            continue;
        any = any_within(view, s, slots, &bounds);
    }
    return any;
}

void mirror_scan_close(struct mirror_scan **scan)
{
    if (scan == NULL || *scan == NULL)
        return;
    base_free((*scan)->ranges);
    base_free((*scan)->bounds);
    base_free((*scan)->segments);
    base_free(*scan);
    *scan = NULL;
}

uint64_t mirror_scan_slots(const struct mirror_scan *scan)
{
    return scan->slots;
}

const uint32_t *mirror_scan_segments(const struct mirror_scan *scan, uint32_t *count)
{
    *count = scan->segment_count;
    return scan->segments;
}

uint64_t mirror_scan_estimate(const struct mirror_scan *scan)
{
    uint64_t live = mirror_view_row_count(scan->view);
    if (scan->slots == scan->all_slots)
        return live;
    return (uint64_t)((double)live * (double)scan->slots / (double)scan->all_slots) + 1;
}

void mirror_scan_vector(const struct mirror_scan *scan, uint32_t segment, uint32_t vector,
                        struct mirror_scan_batch *batch)
{
    struct mirror_vector slots;
    mirror_view_vector(scan->view, segment, vector, &slots);
    batch->segment = segment;
    batch->vector = vector;
    batch->rows = slots.rows;
    batch->count = slots.live;
    batch->skip = slots.live == slots.rows ? NULL : slots.dead;
    if (slots.live == 0 || scan->range_count == 0)
        return;
    if (!may_match(scan, segment, vector)) {
        batch->count = 0;
        return;
    }
    if (!scan->exact)
        return;
    struct mirror_rows within;
    bool looked;
    mirror_rows_within(scan->view, segment, vector, scan->bounds, scan->range_count, &within, &looked);
    batch->count = within.count;
    if (within.all_live || within.count == 0)
        return;
    for (uint32_t w = 0; w < MIRROR_SCAN_WORDS; w++)
        batch->own[w] = ~within.bits[w];
    batch->skip = within.count == slots.rows ? NULL : batch->own;
}

uint32_t mirror_scan_next_some(struct mirror_scan *scan, struct mirror_scan_batch *batches, uint32_t most)
{
    uint64_t end = (uint64_t)scan->segment_count * MIRROR_SEGMENT_VECTORS;
    for (;;) {
        uint64_t number = atomic_fetch_add_explicit(&scan->next, most, memory_order_relaxed);
        uint32_t count = 0;
        if (number >= end)
            return 0;
        for (uint64_t i = number; i < number + most && i < end; i++) {
            uint32_t segment = scan->segments[i / MIRROR_SEGMENT_VECTORS];
            uint32_t vector = (uint32_t)(i % MIRROR_SEGMENT_VECTORS);
            if (vector * (uint32_t)MIRROR_VECTOR_ROWS >= mirror_view_segment_rows(scan->view, segment))
                continue;
            mirror_scan_vector(scan, segment, vector, &batches[count]);
            count += batches[count].count > 0;
        }
        if (count > 0)
            return count;
    }
}

bool mirror_scan_next(struct mirror_scan *scan, struct mirror_scan_batch *batch)
{
    return mirror_scan_next_some(scan, batch, 1) == 1;
}

void mirror_scan_hold(const struct mirror_scan *scan, const struct mirror_scan_batch *batch, struct mirror_hold *hold)
{
    mirror_hold(scan->view, batch->segment, hold);
}

void mirror_scan_column(const struct mirror_scan *scan, const struct mirror_scan_batch *batch, uint32_t column,
                        struct mirror_column_data *data)
{
    mirror_view_column(scan->view, batch->segment, batch->vector, column, data);
}

void mirror_scan_value(const struct mirror_scan *scan, const struct mirror_scan_batch *batch, uint32_t slot,
                       uint32_t column, struct rhei_value *value)
{
    mirror_view_value(scan->view, batch->segment, batch->vector * (uint32_t)MIRROR_VECTOR_ROWS + slot, column, value);
}

/* ---- Slots. ------------------------------------------------------------------------------------------------------- */

static uint32_t next_bit(const uint64_t *bits, uint32_t at, uint32_t end, bool set)
{
    while (at < end) {
        uint64_t word = (set ? bits[at / 64] : ~bits[at / 64]) >> (at % 64);
        if (word != 0) {
            uint32_t found = at + (uint32_t)__builtin_ctzll(word);
            return found < end ? found : end;
        }
        at = (at / 64 + 1) * 64;
    }
    return end;
}

uint32_t mirror_scan_slot(const struct mirror_scan_batch *batch, uint32_t slot)
{
    if (batch->skip == NULL)
        return slot < batch->rows ? slot : batch->rows;
    return next_bit(batch->skip, slot, batch->rows, false);
}

uint32_t mirror_scan_slot_before(const struct mirror_scan_batch *batch, uint32_t slot)
{
    while (slot > 0) {
        uint32_t word = (slot - 1) / 64, behind = slot - word * 64; /* 1..64 slots of the word are before it */
        uint64_t given = batch->skip == NULL ? UINT64_MAX : ~batch->skip[word];
        given &= UINT64_MAX >> (64 - behind);
        if (given != 0)
            return word * 64 + 63 - (uint32_t)__builtin_clzll(given);
        slot = word * 64;
    }
    return UINT32_MAX;
}

uint32_t mirror_scan_runs(const struct mirror_scan_batch *batch, struct mirror_slot_run runs[MIRROR_MOST_RUNS])
{
    uint32_t end = batch->rows, count = 0;
    if (batch->skip == NULL) {
        runs[0] = (struct mirror_slot_run){0, (uint16_t)end};
        return 1;
    }
    uint32_t at = next_bit(batch->skip, 0, end, false);
    while (at < end) {
        uint32_t stop = next_bit(batch->skip, at, end, true);
        runs[count++] = (struct mirror_slot_run){(uint16_t)at, (uint16_t)(stop - at)};
        at = next_bit(batch->skip, stop, end, false);
    }
    return count;
}
