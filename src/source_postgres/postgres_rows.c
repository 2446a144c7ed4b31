/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_rows.h"

#include "base/base_error.h"
#include "base/base_memory.h"

rhei_status postgres_rows_new(uint32_t table, uint32_t columns, bool logged, struct postgres_rows **result,
                              struct rhei_error *error)
{
    struct postgres_rows *rows = base_alloc_zero(1, sizeof *rows);
    *result = rows;
    if (rows == NULL)
        return error_no_memory(error);
    *rows = (struct postgres_rows){.table = table, .columns = columns, .logged = logged};
    rows->values = base_alloc_zero(columns + 1, sizeof *rows->values);
    if (rows->values != NULL)
        return RHEI_OK;
    postgres_rows_free(result);
    return error_no_memory(error);
}

void postgres_rows_free(struct postgres_rows **slot)
{
    struct postgres_rows *rows = *slot;
    if (rows == NULL)
        return;
    *slot = NULL;
    for (uint32_t i = 0; rows->values != NULL && i < rows->columns; i++)
        base_free(rows->values[i]);
    base_free(rows->values);
    base_free(rows->op);
    base_free(rows->seq);
    base_free(rows->time_us);
    base_free(rows->inserted);
    base_free(rows->unchanged);
    base_free(rows);
}

static void *grown(void *items, size_t bytes, bool *ok)
{
    void *made = *ok ? base_realloc(items, bytes) : NULL;
    *ok = made != NULL;
    return made != NULL ? made : items;
}

bool postgres_rows_reserve(struct postgres_rows *rows)
{
    if (rows->count < rows->capacity)
        return true;
    size_t capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
    bool ok = true;
    for (uint32_t i = 0; i < rows->columns; i++)
        rows->values[i] = grown(rows->values[i], capacity * sizeof **rows->values, &ok);
    if (rows->logged) {
        rows->op = grown(rows->op, capacity, &ok);
        rows->seq = grown(rows->seq, capacity * sizeof *rows->seq, &ok);
        rows->time_us = grown(rows->time_us, capacity * sizeof *rows->time_us, &ok);
        rows->inserted = grown(rows->inserted, capacity, &ok);
        rows->unchanged =
            grown(rows->unchanged, capacity * change_batch_words(rows->columns) * sizeof *rows->unchanged, &ok);
    }
    rows->capacity = ok ? capacity : rows->capacity;
    return ok;
}

const struct change_batch *postgres_rows_view(struct postgres_rows *rows)
{
    rows->view = (struct change_batch){.table = rows->table,
                                       .column_count = rows->columns,
                                       .row_count = rows->count,
                                       .op = rows->op,
                                       .columns = (const struct rhei_value *const *)rows->values,
                                       .seq = rows->seq,
                                       .time_us = rows->time_us,
                                       .inserted = rows->inserted,
                                       .unchanged = rows->patches ? rows->unchanged : NULL,
                                       .lost = rows->lost,
                                       .lost_at = rows->lost_at,
                                       .lost_us = rows->lost_us};
    return &rows->view;
}
