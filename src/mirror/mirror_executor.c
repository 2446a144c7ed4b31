/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/mirror_executor.h"

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
