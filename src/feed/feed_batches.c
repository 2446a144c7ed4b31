/* SPDX-License-Identifier: Apache-2.0 */
#include "feed_batches.h"

#include "base/base_error.h"
#include "base/base_memory.h"

void feed_batches_reset(struct feed_batches *batches)
{
    base_free(batches->list);
    base_free(batches->nulls);
    base_free(batches->seqs);
    *batches = (struct feed_batches){0};
}

static uint32_t widest(const struct source_table *tables, size_t count)
{
    uint32_t columns = 1;
    for (size_t i = 0; i < count; i++)
        columns = tables[i].column_count > columns ? tables[i].column_count : columns;
    return columns;
}

rhei_status feed_batches_begin(struct feed_batches *batches, size_t events, const struct source_table *tables,
                               size_t table_count, struct rhei_error *error)
{
    static const struct rhei_value null = {.type = RHEI_NULL};
    size_t had = batches->null_capacity, columns = widest(tables, table_count);
    batches->count = 0;
    batches->tables = tables;
    batches->table_count = table_count;
    if (!base_grow((void **)&batches->list, &batches->capacity, events + 1, sizeof *batches->list) ||
        !base_grow((void **)&batches->seqs, &batches->seq_capacity, events + 1, sizeof *batches->seqs) ||
        !base_grow((void **)&batches->nulls, &batches->null_capacity, columns + 1, sizeof *batches->nulls))
        return error_no_memory(error);
    for (size_t i = had; i < batches->null_capacity; i++)
        batches->nulls[i] = &null;
    return RHEI_OK;
}

static const struct source_table *find_table(const struct feed_batches *batches, uint32_t id)
{
    for (size_t i = 0; i < batches->table_count; i++)
        if (batches->tables[i].id == id)
            return &batches->tables[i];
    return NULL;
}

void feed_batches_add(struct feed_batches *batches, const struct change_event *event, bool rows, bool lost)
{
    static const uint8_t clear = CHANGE_CLEAR;
    const struct source_table *table = find_table(batches, event->table);
    if (table == NULL)
        return;
    size_t number = batches->count;
    if (event->kind == CHANGE_EVENT_ROWS && rows) {
        batches->list[batches->count++] = *event->rows;
    } else if (event->kind == CHANGE_EVENT_CLEAR && rows) {
        batches->seqs[number] = event->position;
        batches->list[batches->count++] = (struct change_batch){.table = event->table,
                                                                .column_count = table->column_count,
                                                                .row_count = 1,
                                                                .op = &clear,
                                                                .columns = batches->nulls,
                                                                .seq = &batches->seqs[number]};
    } else if (event->kind == CHANGE_EVENT_LOST && lost) {
        batches->list[batches->count++] =
            (struct change_batch){.table = event->table,
                                  .lost = event->reason != NULL ? event->reason : "it was lost",
                                  .lost_at = event->position};
    }
}
