/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/mirror_executor.h"

#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"

static enum mirror_form form_without_values(const struct source_column *column, bool native)
{
    if (!native || column->affinity == AFFINITY_INTEGER)
        return MIRROR_FORM_INTEGER;
    return column->affinity == AFFINITY_REAL ? MIRROR_FORM_REAL : MIRROR_FORM_TEXT;
}

enum mirror_form mirror_form_of(const struct source_column *column, uint32_t flags, bool native)
{
    switch (flags & MIRROR_CLASSES) {
    case 0:
        return form_without_values(column, native);
    case MIRROR_HAS_INTEGER:
        return MIRROR_FORM_INTEGER;
    case MIRROR_HAS_REAL:
        return MIRROR_FORM_REAL;
    case MIRROR_HAS_INTEGER | MIRROR_HAS_REAL:
        return (flags & MIRROR_BIG_INTEGER) != 0 ? MIRROR_FORM_UNREADABLE : MIRROR_FORM_NUMBER;
    case MIRROR_HAS_TEXT:
        return (flags & (MIRROR_INVALID_UTF8 | MIRROR_HAS_NUL)) != 0 ? MIRROR_FORM_UNREADABLE : MIRROR_FORM_TEXT;
    case MIRROR_HAS_BLOB:
        return MIRROR_FORM_BLOB;
    default:
        return MIRROR_FORM_UNREADABLE;
    }
}

char *mirror_flag_name(const struct source_table *table, uint32_t column, bool *taken)
{
    struct base_buffer text = {0};
    base_buffer_text(&text, table->columns[column].name);
    base_buffer_text(&text, "__int");
    char *name = base_buffer_take(&text);
    *taken = false;
    for (uint32_t i = 0; name != NULL && i < table->column_count; i++)
        *taken = *taken || base_fold_compare(table->columns[i].name, name) == 0;
    if (!*taken)
        return name;
    base_free(name);
    return NULL;
}

bool mirror_is_number_range(const struct executor_range *range)
{
    return range->low.type != RHEI_TEXT && range->high.type != RHEI_TEXT;
}

rhei_status mirror_scan_open_for(const struct mirror_table_view *view, uint32_t scan_number,
                                 const struct executor_range *ranges, uint32_t range_count, struct mirror_scan **scan,
                                 struct rhei_error *error)
{
    struct mirror_scan_options options = {0};
    struct mirror_range *own = base_alloc(((size_t)range_count + 1) * sizeof *own);
    if (own == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < range_count; i++) {
        const struct executor_range *range = &ranges[i];
        if (range->scan == scan_number && range->column < mirror_view_column_count(view) &&
            mirror_is_number_range(range))
            own[options.range_count++] =
                (struct mirror_range){.column = range->column, .low = range->low, .high = range->high};
    }
    options.ranges = own;
    rhei_status status = mirror_scan_open(view, &options, scan, error);
    base_free(own);
    return status;
}

/* ---- How many rows to expect. ------------------------------------------------------------------------------------ */

enum { SAMPLED_VECTORS = 16, SAMPLED_ROWS = 256 };

static int compare_text(const struct mirror_string *string, const struct rhei_value *bound)
{
    uint32_t length;
    const char *bytes = mirror_string_bytes(string, &length);
    int order = memcmp(bytes, bound->as.bytes, length < bound->length ? length : bound->length);
    return order != 0 ? order : (length > bound->length) - (length < bound->length);
}

static double bound_number(const struct rhei_value *bound)
{
    return bound->type == RHEI_INTEGER ? (double)bound->as.integer : bound->as.real;
}

bool mirror_row_in_range(const struct mirror_column_data *data, uint32_t row, const struct executor_range *range)
{
    bool text = !mirror_is_number_range(range);
    if (data->has_nulls && (data->valid[row / 64] >> (row % 64) & 1) == 0)
        return false;
    if (data->layout == MIRROR_LAYOUT_TEXT && text) {
        const struct mirror_string *string = &((const struct mirror_string *)data->data)[row];
        return (range->low.type == RHEI_NULL || compare_text(string, &range->low) >= 0) &&
               (range->high.type == RHEI_NULL || compare_text(string, &range->high) <= 0);
    }
    if (text || (data->layout != MIRROR_LAYOUT_INTEGER && data->layout != MIRROR_LAYOUT_REAL))
        return true;
    double number = data->layout == MIRROR_LAYOUT_INTEGER ? (double)((const int64_t *)data->data)[row]
                                                          : ((const double *)data->data)[row];
    return (range->low.type == RHEI_NULL || number >= bound_number(&range->low)) &&
           (range->high.type == RHEI_NULL || number <= bound_number(&range->high));
}

/* The rows of a vector's beginning that are in all ranges of the scan. */
static uint32_t sample(const struct mirror_table_view *view, uint32_t segment, uint32_t vector, uint32_t scan_number,
                       const struct executor_range *ranges, uint32_t range_count, uint32_t *looked)
{
    bool out[SAMPLED_ROWS] = {false};
    struct mirror_vector slots;
    struct mirror_hold hold = {NULL};
    mirror_view_vector(view, segment, vector, &slots);
    uint32_t rows = slots.rows < SAMPLED_ROWS ? slots.rows : SAMPLED_ROWS, matching = 0;
    mirror_hold(view, segment, &hold);
    for (uint32_t i = 0; i < range_count; i++) {
        struct mirror_column_data data;
        if (ranges[i].scan != scan_number || ranges[i].column >= mirror_view_column_count(view))
            continue;
        mirror_view_column(view, segment, vector, ranges[i].column, &data);
        for (uint32_t row = 0; row < rows; row++)
            out[row] = out[row] || !mirror_row_in_range(&data, row, &ranges[i]);
    }
    mirror_hold_end(&hold);
    for (uint32_t row = 0; row < rows; row++)
        matching += !out[row];
    *looked += rows;
    return matching;
}

uint64_t mirror_rows_expected(const struct mirror_table_view *view, uint32_t scan_number,
                              const struct executor_range *ranges, uint32_t range_count)
{
    uint32_t segments = mirror_view_segment_count(view), matching = 0, looked = 0;
    uint64_t slots = 0, live = mirror_view_row_count(view);
    for (uint32_t segment = 0; segment < segments; segment++)
        slots += mirror_view_segment_rows(view, segment);
    uint64_t step = slots / SAMPLED_VECTORS + 1, before = 0, next = step / 2;
    for (uint32_t segment = 0; segment < segments; segment++) {
        uint32_t rows = mirror_view_segment_rows(view, segment);
        for (; next < before + rows; next += step)
            matching += sample(view, segment, (uint32_t)(next - before) / MIRROR_VECTOR_ROWS, scan_number, ranges,
                               range_count, &looked);
        before += rows;
    }
    return looked == 0 ? live : (uint64_t)((double)live * matching / looked);
}
