/* SPDX-License-Identifier: Apache-2.0 */
/* What a batch says that is so already, in the working state: for sources that look rather than being told. */
#include "mirror_internal.h"

#include "base/base_error.h"
#include "base/base_value.h"

static bool is_same_row(const struct mirror_table *table, uint32_t row_id, const struct change_batch *batch, size_t row)
{
    const struct mirror_segment *segment = mirror_table_segment(table, row_id >> 16);
    uint32_t place = mirror_segment_place(segment, row_id & 0xffff);
    bool same = true;
    mirror_segment_hold(segment);
    for (uint32_t c = 0; c < batch->column_count && same; c++) {
        struct rhei_value stored;
        mirror_segment_value(segment, c, place, &stored);
        same = base_same_value(&stored, &batch->columns[c][row]);
    }
    mirror_segment_let_go(segment);
    return same;
}

rhei_status mirror_same(struct mirror *mirror, const struct change_batch *batch, bool *same, struct rhei_error *error)
{
    static const struct mirror_pending none = {0};
    struct mirror_table *table = mirror_table_find(mirror, batch->table);
    if (table == NULL || batch->column_count != mirror_table_columns(table))
        return error_set(error, RHEI_NOT_FOUND, "the column store has no table %u of %u columns", batch->table,
                         batch->column_count);
    rhei_status status = mirror_index_complete(table);
    if (status != RHEI_OK) {
        atomic_store_explicit(&table->unsound, true, memory_order_relaxed);
        return mirror_memory_error(&mirror->memory, status, error);
    }
    for (size_t i = 0; i < batch->row_count; i++) {
        BASE_INVARIANT(batch->op == NULL || batch->op[i] == CHANGE_UPSERT || batch->op[i] == CHANGE_DELETE);
        struct mirror_probe probe = {.columns = batch->columns, .row = i, .pending = &none};
        probe.hash = mirror_key_hash(table, batch->columns, i);
        const uint32_t *cell = mirror_index_find(table, &probe);
        bool gone = batch->op != NULL && batch->op[i] == CHANGE_DELETE;
        same[i] = gone ? cell == NULL : cell != NULL && is_same_row(table, *cell - 1, batch, i);
    }
    return RHEI_OK;
}
