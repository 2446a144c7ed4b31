/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges over vectors. Integers and REALs are compared as the exact numbers they are, as SQLite compares them.
 *
 * Zones only widen, so what they say holds: a zone within the range means that every number is, one apart from it that
 * none is; NULL is never within.
 */
#include "mirror_range.h"
#include "mirror_ascend.h"

#include <math.h>
#include <string.h>

/* ---- Bounds. ---------------------------------------------------------------------------------------------------------- */

/* The smallest integer above (or at) a REAL; false: there is none. */
static bool integer_from(double value, bool above, int64_t *out)
{
    double least = above ? floor(value) + 1 : ceil(value);
    if (above && least <= value) /* beyond 2^53 the next integer isn't the next double */
        least = value;
    if (!(least < 0x1p63))
        return false;
    *out = least < -0x1p63 ? INT64_MIN : (int64_t)least;
    if (above && least == value && least >= -0x1p63)
        *out += 1;
    return true;
}

static bool integer_to(double value, bool below, int64_t *out)
{
    int64_t least = INT64_MAX;
    if (value == -0x1p63 && !below) {
        *out = INT64_MIN; /* whose negative is no integer */
        return true;
    }
    if (!integer_from(-value, below, &least))
        return false;
    *out = least == INT64_MIN ? INT64_MAX : -least;
    return true;
}

/* The smallest REAL above (or at) an integer. */
static double real_from(int64_t value, bool above)
{
    double real = mirror_integer_ceiling(value);
    bool same = mirror_compare_integer_real(value, real) == 0;
    return above && same ? nextafter(real, (double)INFINITY) : real;
}

static double real_to(int64_t value, bool below)
{
    double real = mirror_integer_floor(value);
    bool same = mirror_compare_integer_real(value, real) == 0;
    return below && same ? nextafter(real, -(double)INFINITY) : real;
}

static void make_nothing(struct mirror_bounds *bounds, bool of_integers)
{
    if (of_integers) {
        bounds->low = INT64_MAX;
        bounds->high = INT64_MIN;
    } else {
        bounds->real_low = (double)INFINITY;
        bounds->real_high = -(double)INFINITY;
    }
}

static void low_end(const struct mirror_range *range, struct mirror_bounds *bounds)
{
    const struct rhei_value *low = &range->low;
    if (low->type == RHEI_INTEGER) {
        bounds->real_low = real_from(low->as.integer, range->above_low);
        bounds->low = low->as.integer;
        if (range->above_low && bounds->low == INT64_MAX)
            make_nothing(bounds, true);
        else
            bounds->low += range->above_low;
    } else if (low->type == RHEI_REAL) {
        bounds->real_low = low->as.real;
        if (range->above_low && low->as.real == (double)INFINITY)
            make_nothing(bounds, false);
        else if (range->above_low)
            bounds->real_low = nextafter(low->as.real, (double)INFINITY);
        if (!integer_from(low->as.real, range->above_low, &bounds->low))
            make_nothing(bounds, true);
    }
}

static void high_end(const struct mirror_range *range, struct mirror_bounds *bounds)
{
    const struct rhei_value *high = &range->high;
    struct mirror_bounds end = {
        .high = INT64_MAX, .real_high = (double)INFINITY, .low = INT64_MIN, .real_low = -(double)INFINITY};
    if (high->type == RHEI_INTEGER) {
        end.real_high = real_to(high->as.integer, range->below_high);
        end.high = high->as.integer;
        if (range->below_high && end.high == INT64_MIN)
            make_nothing(bounds, true);
        else
            end.high -= range->below_high;
    } else if (high->type == RHEI_REAL) {
        end.real_high = high->as.real;
        if (range->below_high && high->as.real == -(double)INFINITY)
            make_nothing(bounds, false);
        else if (range->below_high)
            end.real_high = nextafter(high->as.real, -(double)INFINITY);
        if (!integer_to(high->as.real, range->below_high, &end.high))
            make_nothing(bounds, true);
    }
    bounds->high = end.high < bounds->high ? end.high : bounds->high;
    bounds->real_high = end.real_high < bounds->real_high ? end.real_high : bounds->real_high;
}

void mirror_bounds_make(const struct mirror_range *range, struct mirror_bounds *bounds)
{
    *bounds = (struct mirror_bounds){.column = range->column,
                                     .low = INT64_MIN,
                                     .high = INT64_MAX,
                                     .real_low = -(double)INFINITY,
                                     .real_high = (double)INFINITY};
    low_end(range, bounds);
    high_end(range, bounds);
}

/* ---- Vectors. --------------------------------------------------------------------------------------------------------- */

static enum mirror_pass numbers_pass(int64_t low, int64_t high, uint8_t layout, bool nulls,
                                     const struct mirror_bounds *bounds)
{
    if (low > high)
        return MIRROR_PASS_NONE; /* no number at all */
    if (layout == MIRROR_LAYOUT_INTEGER) {
        if (high < bounds->low || low > bounds->high || bounds->low > bounds->high)
            return MIRROR_PASS_NONE;
        return low >= bounds->low && high <= bounds->high && !nulls ? MIRROR_PASS_ALL : MIRROR_PASS_SOME;
    }
    double real_low = mirror_key_real(low), real_high = mirror_key_real(high);
    if (real_high < bounds->real_low || real_low > bounds->real_high || bounds->real_low > bounds->real_high)
        return MIRROR_PASS_NONE;
    return real_low >= bounds->real_low && real_high <= bounds->real_high && !nulls ? MIRROR_PASS_ALL
                                                                                    : MIRROR_PASS_SOME;
}

static enum mirror_pass zone_pass(const struct mirror_zone *zone, uint8_t layout, bool nulls,
                                  const struct mirror_bounds *bounds)
{
    return numbers_pass(atomic_load_explicit(&zone->low, memory_order_relaxed),
                        atomic_load_explicit(&zone->high, memory_order_relaxed), layout, nulls, bounds);
}

static void keep_integers(const int64_t *values, uint32_t rows, const struct mirror_bounds *bounds, uint64_t *bits)
{
    uint64_t low = (uint64_t)bounds->low, span = (uint64_t)bounds->high - low;
    for (uint32_t first = 0; first < rows; first += 64) {
        uint32_t count = rows - first < 64 ? rows - first : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < count; i++)
            word |= (uint64_t)((uint64_t)values[first + i] - low <= span) << i;
        bits[first / 64] &= word;
    }
}

/* The same of values that ascend: a run of them is within. */
static void keep_ascending(const int64_t *values, uint32_t rows, const struct mirror_bounds *bounds, uint64_t *bits)
{
    uint32_t from = mirror_ascending_from(values, rows, bounds->low);
    uint32_t end = bounds->high == INT64_MAX ? rows : mirror_ascending_from(values, rows, bounds->high + 1);
    for (uint32_t w = 0; w < MIRROR_VECTOR_ROWS / 64; w++) {
        uint32_t first = w * 64;
        if (first + 64 <= from || first >= end) {
            bits[w] = 0;
            continue;
        }
        if (from > first)
            bits[w] &= UINT64_MAX << (from - first);
        if (end < first + 64)
            bits[w] &= (UINT64_C(1) << (end - first)) - 1;
    }
}

static void keep_reals(const double *values, uint32_t rows, const struct mirror_bounds *bounds, uint64_t *bits)
{
    double low = bounds->real_low, high = bounds->real_high;
    for (uint32_t first = 0; first < rows; first += 64) {
        uint32_t count = rows - first < 64 ? rows - first : 64;
        uint64_t word = 0;
        for (uint32_t i = 0; i < count; i++)
            word |= (uint64_t)((values[first + i] >= low) & (values[first + i] <= high)) << i;
        bits[first / 64] &= word;
    }
}

static bool cell_within(const union mirror_cell *cell, uint8_t class, const struct mirror_bounds *bounds)
{
    if (class == RHEI_INTEGER)
        return cell->integer >= bounds->low && cell->integer <= bounds->high;
    return class == RHEI_REAL && cell->real >= bounds->real_low && cell->real <= bounds->real_high;
}

static void keep_cells(const struct mirror_column_data *data, uint32_t rows, const struct mirror_bounds *bounds,
                       uint64_t *bits)
{
    const union mirror_cell *cells = data->data;
    for (uint32_t i = 0; i < rows; i++)
        if (!cell_within(&cells[i], data->classes[i], bounds))
            bits[i / 64] &= ~(1ull << (i % 64));
}

/* Whether zones tell by themselves, so that a column in a file isn't read. */
static bool zones_alone(const struct mirror_column *column, uint32_t vector, const struct mirror_bounds *bounds,
                        struct mirror_rows *out)
{
    uint8_t layout = atomic_load_explicit(&column->layout, memory_order_acquire);
    bool nulls = atomic_load_explicit(&column->valid, memory_order_acquire) != NULL;
    if (layout != MIRROR_LAYOUT_INTEGER && layout != MIRROR_LAYOUT_REAL)
        return false;
    enum mirror_pass pass = zone_pass(&column->zones[vector], layout, nulls, bounds);
    if (pass == MIRROR_PASS_NONE) {
        out->all_live = false;
        memset(out->bits, 0, sizeof out->bits);
    }
    return pass != MIRROR_PASS_SOME;
}

static void apply_bounds(const struct mirror_table_view *view, uint32_t segment, uint32_t vector, uint32_t rows,
                         const struct mirror_bounds *bounds, struct mirror_rows *out, bool *looked)
{
    struct mirror_column_data data;
    const struct mirror_segment *found = mirror_trie_get(&view->segments, segment);
    if (found->remote && zones_alone(&found->column[bounds->column], vector, bounds, out))
        return;
    mirror_view_column(view, segment, vector, bounds->column, &data);
    bool numbers = data.layout == MIRROR_LAYOUT_INTEGER || data.layout == MIRROR_LAYOUT_REAL;
    enum mirror_pass pass = data.layout == MIRROR_LAYOUT_MIXED ? MIRROR_PASS_SOME : MIRROR_PASS_NONE;
    if (numbers)
        pass = zone_pass(&found->column[bounds->column].zones[vector], data.layout, data.has_nulls, bounds);
    if (pass == MIRROR_PASS_ALL)
        return;
    out->all_live = false;
    if (pass == MIRROR_PASS_NONE) {
        memset(out->bits, 0, sizeof out->bits);
        return;
    }
    *looked = true;
    const int64_t *values;
    if (data.layout == MIRROR_LAYOUT_INTEGER &&
        mirror_ascending_rows(view, segment, bounds->column, &values) >= vector * (uint32_t)MIRROR_VECTOR_ROWS + rows)
        keep_ascending(data.data, rows, bounds, out->bits);
    else if (data.layout == MIRROR_LAYOUT_INTEGER)
        keep_integers(data.data, rows, bounds, out->bits);
    else if (data.layout == MIRROR_LAYOUT_REAL)
        keep_reals(data.data, rows, bounds, out->bits);
    else
        keep_cells(&data, rows, bounds, out->bits);
    for (uint32_t w = 0; data.has_nulls && w < MIRROR_VECTOR_ROWS / 64; w++)
        out->bits[w] &= data.valid[w];
}

void mirror_rows_within(const struct mirror_table_view *view, uint32_t segment, uint32_t vector,
                        const struct mirror_bounds *bounds, uint32_t count, struct mirror_rows *rows, bool *looked)
{
    struct mirror_vector slots;
    mirror_view_vector(view, segment, vector, &slots);
    *looked = false;
    *rows = (struct mirror_rows){.all_live = true};
    for (uint32_t w = 0; w * 64 < slots.rows; w++) {
        uint32_t left = slots.rows - w * 64;
        rows->bits[w] = left >= 64 ? UINT64_MAX : (1ull << left) - 1;
        if (slots.dead != NULL)
            rows->bits[w] &= ~slots.dead[w];
    }
    rows->count = slots.live;
    struct mirror_hold hold = {NULL};
    mirror_hold(view, segment, &hold);
    for (uint32_t b = 0; b < count && rows->count > 0; b++) {
        apply_bounds(view, segment, vector, slots.rows, &bounds[b], rows, looked);
        rows->count = mirror_count_bits(rows->bits);
    }
    mirror_hold_end(&hold);
}

enum mirror_pass mirror_vector_pass(const struct mirror_table_view *view, uint32_t segment, uint32_t vector,
                                    const struct mirror_bounds *bounds, uint32_t count)
{
    const struct mirror_segment *found = mirror_trie_get(&view->segments, segment);
    enum mirror_pass all = MIRROR_PASS_ALL;
    for (uint32_t b = 0; b < count; b++) {
        const struct mirror_column *column = &found->column[bounds[b].column];
        uint8_t layout = atomic_load_explicit(&column->layout, memory_order_acquire);
        bool nulls = atomic_load_explicit(&column->valid, memory_order_acquire) != NULL;
        bool numbers = layout == MIRROR_LAYOUT_INTEGER || layout == MIRROR_LAYOUT_REAL;
        enum mirror_pass pass = layout == MIRROR_LAYOUT_MIXED ? MIRROR_PASS_SOME : MIRROR_PASS_NONE;
        if (numbers)
            pass = zone_pass(&column->zones[vector], layout, nulls, &bounds[b]);
        all = pass < all ? pass : all;
    }
    return all;
}

enum { WHOLE_UNKNOWN, WHOLE_NUMBERS, WHOLE_GAPS };

/*
 * The zone of all vectors of a sealed segment together, which is looked up once: whoever comes first writes it down, and all who do write the
 * same. False: one of them has no number.
 */
static bool whole_zone(struct mirror_column *column, uint32_t vectors, int64_t *low, int64_t *high)
{
    uint8_t known = atomic_load_explicit(&column->whole, memory_order_acquire);
    if (known != WHOLE_UNKNOWN) {
        *low = atomic_load_explicit(&column->whole_zone.low, memory_order_relaxed);
        *high = atomic_load_explicit(&column->whole_zone.high, memory_order_relaxed);
        return known == WHOLE_NUMBERS;
    }
    bool numbers = true;
    *low = INT64_MAX;
    *high = INT64_MIN;
    for (uint32_t v = 0; v < vectors; v++) {
        int64_t from = atomic_load_explicit(&column->zones[v].low, memory_order_relaxed);
        int64_t to = atomic_load_explicit(&column->zones[v].high, memory_order_relaxed);
        numbers = numbers && from <= to;
        *low = from < *low ? from : *low;
        *high = to > *high ? to : *high;
    }
    atomic_store_explicit(&column->whole_zone.low, *low, memory_order_relaxed);
    atomic_store_explicit(&column->whole_zone.high, *high, memory_order_relaxed);
    atomic_store_explicit(&column->whole, numbers ? WHOLE_NUMBERS : WHOLE_GAPS, memory_order_release);
    return numbers;
}

enum mirror_pass mirror_segment_pass(const struct mirror_table_view *view, uint32_t segment,
                                     const struct mirror_bounds *bounds, uint32_t count)
{
    struct mirror_segment *found = mirror_trie_get(&view->segments, segment);
    uint32_t rows = mirror_view_rows_of(view, segment, found);
    uint32_t vectors = (rows + MIRROR_VECTOR_ROWS - 1) / MIRROR_VECTOR_ROWS;
    enum mirror_pass all = MIRROR_PASS_ALL;
    BASE_INVARIANT(segment != view->tail_number);
    for (uint32_t b = 0; b < count && all != MIRROR_PASS_NONE; b++) {
        struct mirror_column *column = &found->column[bounds[b].column];
        uint8_t layout = atomic_load_explicit(&column->layout, memory_order_acquire);
        bool nulls = atomic_load_explicit(&column->valid, memory_order_acquire) != NULL;
        enum mirror_pass pass = layout == MIRROR_LAYOUT_MIXED ? MIRROR_PASS_SOME : MIRROR_PASS_NONE;
        int64_t low, high;
        if (layout == MIRROR_LAYOUT_INTEGER || layout == MIRROR_LAYOUT_REAL) {
            bool numbers = whole_zone(column, vectors, &low, &high);
            pass = numbers_pass(low, high, layout, nulls || !numbers, &bounds[b]);
        }
        all = pass < all ? pass : all;
    }
    return all;
}
