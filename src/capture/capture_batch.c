/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture_batch.h"

#include <string.h>

rhei_status capture_batch_new(const struct capture_table_schema *table, bool logged, struct capture_batch **result,
                              struct rhei_error *error)
{
    struct capture_batch *batch = base_alloc_zero(1, sizeof *batch);
    *result = batch;
    if (batch == NULL)
        return error_no_memory(error);
    batch->table = table;
    BASE_INVARIANT(table->table.source.column_count > 0 && table->table.source.key_count > 0);
    batch->columns = table->table.source.column_count;
    batch->logged = logged;
    batch->plain = true;
    batch->values = base_alloc_zero(batch->columns, sizeof *batch->values);
    if (batch->values == NULL) {
        capture_batch_free(result);
        return error_no_memory(error);
    }
    return RHEI_OK;
}

void capture_batch_free(struct capture_batch **slot)
{
    struct capture_batch *batch = *slot;
    if (batch == NULL)
        return;
    *slot = NULL;
    sqlite3_finalize(batch->look);
    capture_batch_free(&batch->were);
    for (uint32_t i = 0; batch->values != NULL && i < batch->columns; i++)
        base_free(batch->values[i]);
    base_free(batch->values);
    base_free(batch->op);
    base_free(batch->seq);
    base_free(batch->time_us);
    base_free(batch->inserted);
    base_free(batch);
}

static bool batch_grow(void **items, size_t capacity, size_t item_size)
{
    void *grown = base_realloc(*items, capacity * item_size);
    if (grown != NULL)
        *items = grown;
    return grown != NULL;
}

#define BATCH_GROW(field)                                         \
    do {                                                          \
        void *items = (field);                                    \
        ok = ok && batch_grow(&items, capacity, sizeof *(field)); \
        (field) = items;                                          \
    } while (0)

bool capture_batch_reserve(struct capture_batch *batch, size_t rows)
{
    if (rows <= batch->capacity)
        return true;
    size_t capacity = batch->capacity == 0 ? 64 : batch->capacity;
    while (capacity < rows)
        capacity *= 2;
    bool ok = true;
    for (uint32_t i = 0; i < batch->columns; i++)
        BATCH_GROW(batch->values[i]);
    if (batch->logged) {
        BATCH_GROW(batch->op);
        BATCH_GROW(batch->seq);
    }
    if (batch->timed) {
        BATCH_GROW(batch->time_us);
        BATCH_GROW(batch->inserted);
    }
    if (ok) {
        BASE_INVARIANT(capacity >= rows && capacity > batch->capacity);
        batch->capacity = capacity;
    }
    return ok;
}

/* The cell's value as the mirror keeps it, with bytes of its own. */
static inline bool batch_take(struct capture_batch *batch, uint32_t column, sqlite3_value *cell, bool utf16,
                              struct base_arena *arena)
{
    struct rhei_value *value = &batch->values[column][batch->count];
    bool ok = capture_take_value(cell, utf16, arena, value);
    capture_batch_as_kept(batch, column, value);
    return ok;
}

bool capture_batch_put(struct capture_batch *batch, uint32_t column, sqlite3_stmt *stmt, int from, bool utf16,
                       struct base_arena *arena)
{
    BASE_INVARIANT(column < batch->columns && batch->count < batch->capacity);
    struct rhei_value *value = &batch->values[column][batch->count];
    const void *odd;
    uint32_t odd_length;
    if (utf16 && oltp_odd_text(stmt, from, &odd, &odd_length)) {
        char *copy = base_arena_alloc(arena, (size_t)odd_length + 1);
        if (copy != NULL) {
            copy[0] = OLTP_ODD_TEXT;
            memcpy(copy + 1, odd, odd_length);
            *value = (struct rhei_value){.type = RHEI_TEXT, .as.bytes = copy, .length = odd_length + 1};
        }
        return copy != NULL;
    }
    sqlite3_value *cell = sqlite3_column_value(stmt, from), *own = NULL;
    /* Asked for UTF-8, SQLite keeps that in the cell; but the key in a log row may still be looked for, by the bytes of the file. */
    if (utf16 && batch->logged && sqlite3_column_type(stmt, from) == SQLITE_TEXT) {
        cell = own = sqlite3_value_dup(cell);
        if (own == NULL)
            return false;
    }
    bool ok = batch_take(batch, column, cell, utf16, arena);
    sqlite3_value_free(own);
    return ok;
}

bool capture_batch_put_row(struct capture_batch *batch, sqlite3_value **cells, struct base_arena *arena)
{
    bool ok = capture_batch_reserve(batch, batch->count + 1);
    for (uint32_t i = 0; ok && i < batch->columns; i++)
        ok = batch_take(batch, i, cells[i], false, arena);
    batch->count += ok;
    return ok;
}

const struct change_batch *capture_batch_view(struct capture_batch *batch)
{
    BASE_INVARIANT(batch->count <= batch->capacity);
    batch->view = (struct change_batch){.table = batch->table->table.source.id,
                                        .column_count = batch->columns,
                                        .row_count = batch->count,
                                        .op = batch->plain ? NULL : batch->op,
                                        .columns = (const struct rhei_value *const *)batch->values,
                                        .seq = batch->seq,
                                        .time_us = batch->time_us,
                                        .first_us = batch->first_us,
                                        .inserted = batch->inserted,
                                        .lost = batch->lost,
                                        .lost_at = batch->lost_at};
    if (batch->lost != NULL)
        batch->view.row_count = 0;
    return &batch->view;
}

static void batch_select(const struct capture_table_schema *table, struct base_buffer *sql)
{
    capture_batch_select_by(table, NULL, sql);
}

void capture_batch_select_by(const struct capture_table_schema *table, const char *function, struct base_buffer *sql)
{
    const struct source_table *source = &table->table.source;
    base_buffer_format(sql, "SELECT %s%s", function == NULL ? "" : function, function == NULL ? "" : "(");
    for (uint32_t i = 0; i < source->column_count; i++) {
        base_buffer_text(sql, i == 0 ? "" : ",");
        if (source->columns[i].is_rowid)
            base_buffer_text(sql, table->rowid_name);
        else
            base_buffer_identifier(sql, source->columns[i].name);
    }
    base_buffer_format(sql, "%s FROM main.", function == NULL ? "" : ")");
    base_buffer_identifier(sql, source->name);
}

void capture_batch_select_key(const struct capture_table_schema *table, struct base_buffer *sql)
{
    const struct source_table *source = &table->table.source;
    batch_select(table, sql);
    for (uint32_t i = 0; i < source->key_count; i++) {
        const struct source_column *column = &source->columns[source->key_columns[i]];
        base_buffer_text(sql, i == 0 ? " WHERE " : " AND ");
        if (column->is_rowid)
            base_buffer_text(sql, table->rowid_name);
        else
            base_buffer_identifier(sql, column->name);
        base_buffer_format(sql, " = ?%u", i + 1);
    }
}
