/* SPDX-License-Identifier: Apache-2.0 */
#include "feed_code.h"
#include "feed_internal.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"

uint64_t feed_checksum(const char *event, size_t body)
{
    return base_hash(event + FEED_HEAD_BYTES, body, base_hash(event, FEED_SUM_AT, FEED_VERSION));
}

/* Little-endian, whatever the machine is. */
static char *write_number(char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (char)(value >> (8 * i) & 0xff);
    return at + bytes;
}

static void put(struct base_buffer *out, uint64_t value, size_t bytes)
{
    char little[8];
    write_number(little, value, bytes);
    base_buffer_append(out, little, bytes);
}

static void put_numbers(struct base_buffer *out, const int64_t *values, size_t count)
{
    char *at = base_buffer_extend(out, 8 * count);
    for (size_t i = 0; at != NULL && i < count; i++)
        at = write_number(at, (uint64_t)values[i], 8);
}

static void put_bytes(struct base_buffer *out, const void *bytes, size_t length)
{
    put(out, length, 4);
    if (length > 0)
        base_buffer_append(out, bytes, length);
}

/* NULL isn't "". */
static void put_text(struct base_buffer *out, const char *text)
{
    put(out, text != NULL, 1);
    if (text != NULL)
        put_bytes(out, text, strlen(text));
}

/* How many bytes a value takes, and the value. */
static size_t value_size(const struct rhei_value *value)
{
    switch (value->type) {
    case RHEI_NULL:
        return 1;
    case RHEI_INTEGER:
    case RHEI_REAL:
        return 9;
    default:
        return 5 + (size_t)value->length;
    }
}

static char *write_value(char *at, const struct rhei_value *value)
{
    uint64_t bits = 0;
    at = write_number(at, value->type, 1);
    switch (value->type) {
    case RHEI_NULL:
        return at;
    case RHEI_INTEGER:
    case RHEI_REAL:
        memcpy(&bits, &value->as, sizeof bits);
        return write_number(at, bits, 8);
    default:
        at = write_number(at, value->length, 4);
        if (value->length > 0)
            memcpy(at, value->as.bytes, value->length);
        return at + value->length;
    }
}

/* A column's values, into room that is made once for all of them. What isn't set holds anything, and goes as NULL; `all`: everything is. */
static void put_column(struct base_buffer *out, const struct change_event *event, uint32_t column, bool all)
{
    const struct rhei_value *values = event->rows->columns[column];
    size_t count = event->rows->row_count, size = 0;
    for (size_t i = 0; i < count; i++)
        size += all || feed_is_set(event, i, column) ? value_size(&values[i]) : 1;
    char *at = base_buffer_extend(out, size);
    for (size_t i = 0; at != NULL && i < count; i++)
        at = all || feed_is_set(event, i, column) ? write_value(at, &values[i]) : write_number(at, RHEI_NULL, 1);
}

static void put_rows(struct base_buffer *out, const struct change_event *event)
{
    const struct change_batch *batch = event->rows;
    size_t words = change_batch_words(batch->column_count);
    put(out, batch->column_count, 4);
    put(out, batch->row_count, 8);
    uint64_t parts = (batch->op != NULL ? FEED_OPS : 0u) | (batch->seq != NULL ? FEED_SEQS : 0u);
    parts |= (batch->time_us != NULL ? FEED_TIMES : 0u) | (batch->inserted != NULL ? FEED_INSERTED : 0u);
    if (batch->unchanged != NULL)
        parts |= batch->unchanged_shared ? FEED_MASK : FEED_MASKS;
    put(out, parts, 1);
    if (batch->op != NULL)
        base_buffer_append(out, batch->op, batch->row_count);
    if (batch->seq != NULL)
        put_numbers(out, batch->seq, batch->row_count);
    if (batch->time_us != NULL)
        put_numbers(out, batch->time_us, batch->row_count);
    if (batch->inserted != NULL)
        base_buffer_append(out, batch->inserted, batch->row_count);
    size_t masks = batch->unchanged == NULL ? 0 : batch->unchanged_shared ? words : words * batch->row_count;
    for (size_t i = 0; i < masks; i++)
        put(out, batch->unchanged[i], 8);
    bool all = feed_sets_all(batch);
    for (uint32_t c = 0; c < batch->column_count; c++)
        put_column(out, event, c, all);
}

static void put_definition(struct base_buffer *out, const struct source_table *table)
{
    put_text(out, table->name);
    put_text(out, table->unmirrored_reason);
    put(out, (uint64_t)table->estimated_rows, 8);
    put(out, (table->key_is_integer ? FEED_KEY_IS_INTEGER : 0u) | (table->without_rowid ? FEED_WITHOUT_ROWID : 0u), 1);
    put(out, table->column_count, 4);
    for (uint32_t c = 0; c < table->column_count; c++) {
        const struct source_column *column = &table->columns[c];
        put_text(out, column->name);
        put_text(out, column->declared_type);
        put_text(out, column->collation);
        put(out, column->affinity, 1);
        put(out,
            (column->not_null ? FEED_NOT_NULL : 0u) | (column->is_rowid_alias ? FEED_ROWID_ALIAS : 0u) |
                (column->is_rowid ? FEED_ROWID : 0u) | (column->generated ? FEED_GENERATED : 0u) |
                (column->in_primary_key ? FEED_PRIMARY : 0u),
            1);
    }
    put(out, table->key_count, 4);
    for (uint32_t k = 0; k < table->key_count; k++)
        put(out, table->key_columns[k], 4);
}

static void put_body(struct base_buffer *out, const struct change_event *event)
{
    if (event->kind != CHANGE_EVENT_COMMIT)
        put(out, event->kind == CHANGE_EVENT_TABLE ? event->definition->id : event->table, 4);
    if (event->kind == CHANGE_EVENT_CLEAR || event->kind == CHANGE_EVENT_LOST || event->kind == CHANGE_EVENT_COMMIT)
        put(out, (uint64_t)event->position, 8);
    if (event->kind == CHANGE_EVENT_COMMIT) {
        put(out, (uint64_t)event->time_us, 8);
        put(out, event->mark, 8);
    } else if (event->kind == CHANGE_EVENT_LOST) {
        put_text(out, event->reason);
    } else if (feed_has_rows(event->kind)) {
        put_rows(out, event);
    } else if (event->kind == CHANGE_EVENT_TABLE) {
        put_definition(out, event->definition);
    }
}

static const char *unfit(const struct change_event *event)
{
    if (event->kind < CHANGE_EVENT_TABLE || event->kind > CHANGE_EVENT_BEFORE)
        return "it is of no known kind";
    if (event->kind == CHANGE_EVENT_TABLE)
        return event->definition == NULL || event->definition->column_count == 0 || event->definition->name == NULL
                   ? "it defines no columns"
                   : NULL;
    if (!feed_has_rows(event->kind))
        return NULL;
    const struct change_batch *rows = event->rows;
    if (rows == NULL || rows->lost != NULL || rows->column_count == 0 || rows->row_count == 0 ||
        rows->table != event->table)
        return "it has no rows of its table";
    if (event->kind == CHANGE_EVENT_BEFORE && (rows->op != NULL || rows->seq == NULL))
        return "its rows as they were aren't told by numbers alone";
    bool all = feed_sets_all(rows);
    for (size_t i = 0; i < rows->row_count; i++) {
        uint8_t op = rows->op == NULL ? CHANGE_UPSERT : rows->op[i];
        if (op < CHANGE_UPSERT || op > CHANGE_CLEAR || (op == CHANGE_PATCH && rows->unchanged == NULL))
            return "a row's operation is of no known kind";
        for (uint32_t c = 0; c < rows->column_count; c++)
            if ((all || feed_is_set(event, i, c)) && rows->columns[c][i].type > RHEI_BLOB)
                return "a value has no known class";
    }
    return NULL;
}

rhei_status feed_encode(struct base_buffer *out, const struct change_event *event, struct rhei_error *error)
{
    const char *why = unfit(event);
    if (why != NULL)
        return error_set(error, RHEI_INVALID, "a change event can't be written: %s", why);
    size_t start = out->len;
    char *head = base_buffer_extend(out, FEED_HEAD_BYTES);
    if (head != NULL) {
        memset(head, 0, FEED_HEAD_BYTES);
        memcpy(head, FEED_MAGIC, 4);
        head[4] = (char)feed_version_of(event->kind);
        head[5] = (char)event->kind;
    }
    put_body(out, event);
    if (out->failed)
        return error_no_memory(error);
    head = out->data + start; /* it may have moved */
    size_t body = out->len - start - FEED_HEAD_BYTES;
    write_number(head + FEED_LENGTH_AT, body, 8);
    write_number(head + FEED_SUM_AT, feed_checksum(head, body), 8);
    return RHEI_OK;
}
