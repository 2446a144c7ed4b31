/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments that were adopted lazily enter the index when a change first needs it: so opening doesn't wait for it, and a table that only is
 * read never has one. The writer's.
 */
#include "mirror_internal.h"

#include "base/base_memory.h"

static rhei_status enter_row(struct mirror_table *table, struct mirror_probe *probe, uint32_t row_id)
{
    uint32_t *cell;
    if (table->index.by_integer) {
        if (probe->columns[table->definition.key_columns[0]][0].type != RHEI_INTEGER)
            return RHEI_TYPE;
    } else {
        probe->hash = mirror_key_hash(table, probe->columns, 0);
    }
    rhei_status status = mirror_index_enter(table, probe, &cell);
    if (status == RHEI_OK)
        *cell = row_id + 1;
    return status;
}

static rhei_status enter_segment(struct mirror_table *table, const struct mirror_segment *segment,
                                 struct rhei_value *values, const struct rhei_value **columns)
{
    const struct source_table *definition = &table->definition;
    const struct mirror_deletions *deletions = mirror_trie_get(&table->deletions, segment->number);
    const struct mirror_pending pending = {.count = 0};
    struct mirror_probe probe = {.columns = columns, .pending = &pending};
    rhei_status status = RHEI_OK;
    BASE_INVARIANT(segment->map == NULL);
    for (uint32_t k = 0; k < definition->key_count && segment->rows > 0; k++)
        mirror_segment_value(segment, definition->key_columns[k], 0, &values[k]);
    if (atomic_load_explicit(&segment->damaged, memory_order_relaxed)) /* nobody knows what keys it had */
        return RHEI_OK;
    for (uint32_t place = 0; place < segment->rows && status == RHEI_OK; place++) {
        if (mirror_is_dead(deletions, place))
            continue;
        for (uint32_t k = 0; k < definition->key_count; k++)
            mirror_segment_value(segment, definition->key_columns[k], place, &values[k]);
        status = enter_row(table, &probe, segment->number << 16 | place);
    }
    return status;
}

rhei_status mirror_index_complete(struct mirror_table *table)
{
    if (__builtin_expect(table->unindexed == 0, 1))
        return RHEI_OK;
    const struct source_table *definition = &table->definition;
    struct rhei_value *values = base_alloc_zero(definition->key_count, sizeof *values);
    const struct rhei_value **columns = base_alloc_zero(definition->column_count, sizeof *columns);
    rhei_status status = values == NULL || columns == NULL ? RHEI_NO_MEMORY : RHEI_OK;
    for (uint32_t k = 0; k < definition->key_count && status == RHEI_OK; k++)
        columns[definition->key_columns[k]] = &values[k];
    uint32_t number = 0;
    struct mirror_segment *segment;
    for (; status == RHEI_OK && (segment = mirror_trie_next(&table->segments, &number)) != NULL; number++) {
        if (!segment->unindexed)
            continue;
        mirror_segment_hold(segment);
        status = enter_segment(table, segment, values, columns);
        mirror_segment_let_go(segment);
        segment->unindexed = false;
        table->unindexed--;
    }
    base_free((void *)columns);
    base_free(values);
    return status;
}
