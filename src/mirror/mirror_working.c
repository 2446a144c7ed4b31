/* SPDX-License-Identifier: Apache-2.0 */
/* The working state of a table, for its writer: what was applied and isn't published yet is there, too. */
#include "mirror_internal.h"

#include "base/base_error.h"

bool mirror_working_range(struct mirror *mirror, uint32_t id, uint32_t column, double *low, double *high)
{
    const struct mirror_table *table = mirror_table_find(mirror, id);
    if (table == NULL || column >= mirror_table_columns(table))
        return false;
    *low = atomic_load_explicit(&table->facts->column[column].low, memory_order_relaxed);
    *high = atomic_load_explicit(&table->facts->column[column].high, memory_order_relaxed);
    return *low <= *high;
}

/* All its columns are looked at. */
static bool is_readable(const struct mirror_table *table, const struct mirror_segment *segment)
{
    struct rhei_value value;
    for (uint32_t c = 0; c < mirror_table_columns(table) && segment != table->tail.segment; c++)
        mirror_segment_value(segment, c, 0, &value);
    return !atomic_load_explicit(&segment->damaged, memory_order_relaxed);
}

static rhei_status each_of_segment(struct mirror_table *table, uint32_t number, struct rhei_value *row,
                                   rhei_status (*take)(void *context, const struct rhei_value *row), void *context)
{
    const struct mirror_segment *segment = mirror_table_segment(table, number);
    const struct mirror_deletions *deletions = mirror_trie_get(&table->deletions, number);
    uint32_t rows = segment == table->tail.segment ? table->tail.rows : segment->rows;
    rhei_status status = RHEI_OK;
    mirror_segment_hold(segment);
    rows = is_readable(table, segment) ? rows : 0;
    for (uint32_t place = 0; place < rows && status == RHEI_OK; place++) {
        if (mirror_is_dead(deletions, place))
            continue;
        for (uint32_t c = 0; c < mirror_table_columns(table); c++)
            mirror_segment_value(segment, c, place, &row[c]);
        status = take(context, row);
    }
    mirror_segment_let_go(segment);
    return status;
}

rhei_status mirror_working_each(struct mirror *mirror, uint32_t id,
                                rhei_status (*take)(void *context, const struct rhei_value *row), void *context,
                                struct rhei_error *error)
{
    struct mirror_table *table = mirror_table_find(mirror, id);
    void *memory = NULL;
    if (table == NULL)
        return error_set(error, RHEI_NOT_FOUND, "the column store has no table %u", id);
    size_t size = mirror_table_columns(table) * sizeof(struct rhei_value);
    rhei_status status = mirror_memory_alloc(&mirror->memory, size, &memory);
    if (status != RHEI_OK)
        return mirror_memory_error(&mirror->memory, status, error);
    uint32_t number = 0;
    for (; status == RHEI_OK && mirror_trie_next(&table->segments, &number) != NULL; number++)
        status = each_of_segment(table, number, memory, take, context);
    mirror_memory_free(&mirror->memory, memory, size);
    return status;
}
