/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes that come from a medium or a wire: nothing is believed. Every count is held against the bytes that are left before memory is
 * taken for it, so a few bytes never cost more than a small multiple of them.
 */
#include "feed_code.h"
#include "feed_internal.h"

#include <string.h>

#include "base/base_error.h"

struct input {
    const char *at, *end;
    struct base_arena *arena;
    const char *wrong; /* the first rule that was broken */
    bool no_memory;
};

static bool has(struct input *in, uint64_t bytes)
{
    if (in->wrong == NULL && !in->no_memory && bytes <= (uint64_t)(in->end - in->at))
        return true;
    if (in->wrong == NULL)
        in->wrong = "it ends before it should";
    return false;
}

static bool is_good(const struct input *in)
{
    return in->wrong == NULL && !in->no_memory;
}

static uint64_t little(const char *bytes, size_t count)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)(uint8_t)bytes[i] << (8 * i);
    return value;
}

static uint64_t get(struct input *in, size_t bytes)
{
    if (!has(in, bytes))
        return 0;
    uint64_t value = little(in->at, bytes);
    in->at += bytes;
    return value;
}

/* Memory for `count` things that take at least `least` bytes each of what is left. */
static void *get_room(struct input *in, uint64_t count, size_t size, size_t least)
{
    if (!is_good(in) || (count > 0 && count > (uint64_t)(in->end - in->at) / least)) {
        if (in->wrong == NULL)
            in->wrong = "it says to have more than it has";
        return NULL;
    }
    void *memory = base_arena_zero(in->arena, (size_t)count + 1, size);
    in->no_memory |= memory == NULL;
    return memory;
}

static const void *get_bytes(struct input *in, uint64_t length)
{
    if (!has(in, length))
        return NULL;
    const void *bytes = in->at;
    in->at += length;
    return bytes;
}

static const char *get_text(struct input *in)
{
    uint64_t there = get(in, 1);
    if (there > 1 && in->wrong == NULL)
        in->wrong = "a text is neither there nor absent";
    if (there != 1)
        return NULL;
    uint64_t length = get(in, 4);
    const char *bytes = get_bytes(in, length);
    if (bytes == NULL)
        return NULL;
    if (memchr(bytes, 0, length) != NULL)
        in->wrong = "a name has a NUL in it";
    char *copy = base_arena_alloc(in->arena, length + 1);
    in->no_memory |= copy == NULL;
    if (copy == NULL)
        return NULL;
    memcpy(copy, bytes, length);
    copy[length] = 0;
    return copy;
}

static void get_value(struct input *in, struct rhei_value *value)
{
    uint64_t bits;
    value->type = (uint8_t)get(in, 1);
    switch (value->type) {
    case RHEI_NULL:
        return;
    case RHEI_INTEGER:
    case RHEI_REAL:
        bits = get(in, 8);
        memcpy(&value->as, &bits, sizeof bits);
        return;
    case RHEI_TEXT:
    case RHEI_BLOB:
        value->length = (uint32_t)get(in, 4);
        if (value->length > INT32_MAX && in->wrong == NULL)
            in->wrong = "a text is longer than a text can be";
        value->as.bytes = get_bytes(in, value->length);
        return;
    default:
        if (in->wrong == NULL)
            in->wrong = "a value has no known class";
    }
}

static const int64_t *get_numbers(struct input *in, size_t rows)
{
    int64_t *numbers = get_room(in, rows, sizeof *numbers, 8);
    for (size_t i = 0; numbers != NULL && i < rows && is_good(in); i++)
        numbers[i] = (int64_t)get(in, 8);
    return numbers;
}

/* Operations, numbers, times and masks. */
static void get_row_heads(struct input *in, struct change_batch *batch, uint64_t parts)
{
    size_t rows = batch->row_count, words = change_batch_words(batch->column_count);
    if ((parts & FEED_OPS) != 0)
        batch->op = get_bytes(in, rows);
    batch->seq = (parts & FEED_SEQS) != 0 ? get_numbers(in, rows) : NULL;
    batch->time_us = (parts & FEED_TIMES) != 0 ? get_numbers(in, rows) : NULL;
    if ((parts & FEED_INSERTED) != 0)
        batch->inserted = get_bytes(in, rows);
    if ((parts & (FEED_MASKS | FEED_MASK)) != 0) {
        batch->unchanged_shared = (parts & FEED_MASK) != 0;
        uint64_t count = batch->unchanged_shared ? words : (uint64_t)words * rows;
        uint64_t *masks = get_room(in, count, sizeof *masks, 8);
        for (uint64_t i = 0; masks != NULL && i < count && is_good(in); i++)
            masks[i] = get(in, 8);
        batch->unchanged = masks;
    }
    for (size_t i = 0; batch->op != NULL && i < rows && is_good(in); i++)
        if (batch->op[i] < CHANGE_UPSERT || batch->op[i] > CHANGE_CLEAR ||
            (batch->op[i] == CHANGE_PATCH && batch->unchanged == NULL))
            in->wrong = "a row's operation is of no known kind";
}

static const struct change_batch *get_rows(struct input *in, uint32_t table)
{
    struct change_batch *batch = get_room(in, 0, sizeof *batch, 1);
    if (batch == NULL)
        return NULL;
    batch->table = table;
    batch->column_count = (uint32_t)get(in, 4);
    uint64_t rows = get(in, 8), left = (uint64_t)(in->end - in->at);
    uint64_t parts = get(in, 1);
    /* a value takes a byte at the least */
    if (is_good(in) && (batch->column_count == 0 || rows == 0 || parts > 63 || (parts & 12) == 12 ||
                        rows > left / batch->column_count))
        in->wrong = "it says to have more than it has";
    if (!is_good(in))
        return NULL;
    batch->row_count = (size_t)rows;
    get_row_heads(in, batch, parts);
    const struct rhei_value **columns = get_room(in, batch->column_count, sizeof *columns, 1);
    for (uint32_t c = 0; columns != NULL && c < batch->column_count && is_good(in); c++) {
        struct rhei_value *values = get_room(in, rows, sizeof *values, 1);
        for (size_t i = 0; values != NULL && i < rows && is_good(in); i++)
            get_value(in, &values[i]);
        columns[c] = values;
    }
    batch->columns = columns;
    return batch;
}

static void get_columns(struct input *in, struct source_table *table)
{
    struct source_column *columns = get_room(in, table->column_count, sizeof *columns, 5);
    for (uint32_t c = 0; columns != NULL && c < table->column_count && is_good(in); c++) {
        columns[c].name = get_text(in);
        columns[c].declared_type = get_text(in);
        columns[c].collation = get_text(in);
        columns[c].affinity = (uint8_t)get(in, 1);
        uint64_t flags = get(in, 1);
        columns[c].not_null = (flags & FEED_NOT_NULL) != 0;
        columns[c].is_rowid_alias = (flags & FEED_ROWID_ALIAS) != 0;
        columns[c].is_rowid = (flags & FEED_ROWID) != 0;
        columns[c].generated = (flags & FEED_GENERATED) != 0;
        columns[c].in_primary_key = (flags & FEED_PRIMARY) != 0;
        if (is_good(in) && (flags > 31 || columns[c].affinity > AFFINITY_REAL || columns[c].name == NULL))
            in->wrong = "a column is none";
    }
    table->columns = columns;
}

static const struct source_table *get_definition(struct input *in, uint32_t id)
{
    struct source_table *table = get_room(in, 0, sizeof *table, 1);
    if (table == NULL)
        return NULL;
    table->id = id;
    table->name = get_text(in);
    table->unmirrored_reason = get_text(in);
    table->estimated_rows = (int64_t)get(in, 8);
    uint64_t flags = get(in, 1);
    table->key_is_integer = (flags & FEED_KEY_IS_INTEGER) != 0;
    table->without_rowid = (flags & FEED_WITHOUT_ROWID) != 0;
    table->column_count = (uint32_t)get(in, 4);
    get_columns(in, table);
    table->key_count = (uint32_t)get(in, 4);
    uint32_t *keys = get_room(in, table->key_count, sizeof *keys, 4);
    for (uint32_t k = 0; keys != NULL && k < table->key_count && is_good(in); k++) {
        keys[k] = (uint32_t)get(in, 4);
        if (keys[k] >= table->column_count && is_good(in))
            in->wrong = "a key column is none of its columns";
    }
    table->key_columns = keys;
    if (is_good(in) && (flags > 3 || table->name == NULL || table->column_count == 0))
        in->wrong = "a definition is none";
    return table;
}

static void get_body(struct input *in, struct change_event *event)
{
    if (event->kind != CHANGE_EVENT_COMMIT)
        event->table = (uint32_t)get(in, 4);
    if (event->kind == CHANGE_EVENT_CLEAR || event->kind == CHANGE_EVENT_LOST || event->kind == CHANGE_EVENT_COMMIT)
        event->position = (int64_t)get(in, 8);
    if (event->kind == CHANGE_EVENT_COMMIT) {
        event->time_us = (int64_t)get(in, 8);
        event->mark = get(in, 8);
    } else if (event->kind == CHANGE_EVENT_LOST) {
        event->reason = get_text(in);
    } else if (feed_has_rows(event->kind)) {
        event->rows = get_rows(in, event->table);
        if (is_good(in) && event->kind == CHANGE_EVENT_BEFORE && (event->rows->op != NULL || event->rows->seq == NULL))
            in->wrong = "its rows as they were aren't told by numbers alone";
    } else if (event->kind == CHANGE_EVENT_TABLE) {
        event->definition = get_definition(in, event->table);
    }
    if (is_good(in) && in->at != in->end)
        in->wrong = "it is longer than it should be";
}

static const char *check_head(const char *bytes, size_t size, uint64_t *body)
{
    if (size < FEED_HEAD_BYTES)
        return "it ends before it should";
    if (memcmp(bytes, FEED_MAGIC, 4) != 0)
        return "it doesn't begin as one";
    if (bytes[4] != feed_version_of((uint8_t)bytes[5]))
        return "it is of another version";
    *body = little(bytes + FEED_LENGTH_AT, 8);
    if (*body > size - FEED_HEAD_BYTES)
        return "it ends before it should";
    if (little(bytes + FEED_SUM_AT, 8) != feed_checksum(bytes, (size_t)*body))
        return "its checksum is another";
    if (bytes[5] < CHANGE_EVENT_TABLE || bytes[5] > CHANGE_EVENT_BEFORE || bytes[6] != 0 || bytes[7] != 0)
        return "it is of no known kind";
    return NULL;
}

rhei_status feed_decode(const void *bytes, size_t size, struct base_arena *arena, struct change_event *event,
                        size_t *used, struct rhei_error *error)
{
    const char *head = bytes;
    uint64_t body = 0;
    *event = (struct change_event){0};
    *used = 0;
    struct input in = {.arena = arena, .wrong = check_head(head, size, &body)};
    if (in.wrong == NULL) {
        in.at = head + FEED_HEAD_BYTES;
        in.end = in.at + body;
        event->kind = (uint8_t)head[5];
        get_body(&in, event);
    }
    if (in.no_memory)
        return error_no_memory(error);
    if (in.wrong != NULL)
        return error_set(error, RHEI_NOT_A_DATABASE, "a change event is damaged: %s", in.wrong);
    *used = FEED_HEAD_BYTES + (size_t)body;
    return RHEI_OK;
}
