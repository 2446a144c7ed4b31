/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers: each has memory of its own for what it was given. A call sees one state of the database, that of its iterator.
 */
#include "buffer_rocksdb/rocksdb_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/base_arena.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "feed/feed_code.h"

enum { KEPT_BYTES = 1 << 20 }; /* of an arena, from one call to the next */

struct rocks_reader {
    struct change_reader base;
    struct base_arena arena; /* of the events of `read`, and their bytes */
    struct change_event *events;
    size_t event_room;
    struct base_arena listing;
    const struct source_table **tables;
    size_t table_room;
};

static struct rocks_reader *reader_of(struct change_reader *reader)
{
    return (struct rocks_reader *)reader;
}

rhei_status rocks_reader_open(struct change_buffer *buffer, struct change_reader **reader, struct rhei_error *error)
{
    struct rocks_reader *made = base_alloc_zero(1, sizeof *made);
    *reader = NULL;
    if (made == NULL)
        return error_no_memory(error);
    made->base.buffer = buffer;
    *reader = &made->base;
    return RHEI_OK;
}

void rocks_reader_close(struct change_reader **base)
{
    struct rocks_reader *reader = *base == NULL ? NULL : reader_of(*base);
    if (reader == NULL)
        return;
    *base = NULL;
    base_arena_reset(&reader->arena);
    base_arena_reset(&reader->listing);
    base_free(reader->events);
    base_free(reader->tables);
    base_free(reader);
}

static void begin_arena(struct base_arena *arena)
{
    if (arena->total > KEPT_BYTES)
        base_arena_reset(arena);
    else
        base_arena_clear(arena);
}

/* ---- Commits. ---------------------------------------------------------------------------------------------------- */

/* What one call of read goes through. */
struct pass {
    struct rocks_reader *reader;
    struct rocks_buffer *buffer;
    rocksdb_iterator_t *parts, *commits;
    size_t rows, most, count;
};

static rhei_status add_event(struct pass *pass, const struct change_event *event, struct rhei_error *error)
{
    struct rocks_reader *reader = pass->reader;
    if (!base_grow((void **)&reader->events, &reader->event_room, pass->count + 1, sizeof *reader->events))
        return error_no_memory(error);
    reader->events[pass->count++] = *event;
    pass->rows += event->rows != NULL ? event->rows->row_count : 1;
    return RHEI_OK;
}

/* The events of a value of the database, which goes with the iterator. */
static rhei_status add_events(struct pass *pass, const char *value, size_t len, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    char *bytes = base_arena_alloc(&pass->reader->arena, len + 1);
    if (bytes == NULL)
        return error_no_memory(error);
    memcpy(bytes, value, len);
    for (size_t at = 0, used = 0; at < len && status == RHEI_OK; at += used) {
        struct change_event event;
        status = feed_decode(bytes + at, len - at, &pass->reader->arena, &event, &used, error);
        if (status == RHEI_OK)
            status = add_event(pass, &event, error);
    }
    return status;
}

static rhei_status add_part(struct pass *pass, uint64_t number, uint32_t part, struct rhei_error *error)
{
    const struct rocks_api *api = pass->buffer->api;
    struct rocks_key key = rocks_key_part(number, part);
    size_t key_len = 0, len = 0;
    char *text = NULL;
    if (part > 0 && api->iter_valid(pass->parts) != 0)
        api->iter_next(pass->parts); /* most often it is the next */
    const char *found = api->iter_valid(pass->parts) != 0 ? api->iter_key(pass->parts, &key_len) : NULL;
    if (found == NULL || key_len != key.len || memcmp(found, key.bytes, key_len) != 0) {
        api->iter_seek(pass->parts, key.bytes, key.len);
        found = api->iter_valid(pass->parts) != 0 ? api->iter_key(pass->parts, &key_len) : NULL;
    }
    api->iter_get_error(pass->parts, &text);
    rhei_status status = rocks_status(api, text, "reading the change buffer", error);
    if (status != RHEI_OK)
        return status;
    if (found == NULL || key_len != key.len || memcmp(found, key.bytes, key_len) != 0)
        return error_set(error, RHEI_NOT_A_DATABASE,
                         "the change buffer is damaged: part %" PRIu32 " of commit %" PRIu64 " isn't there", part,
                         number);
    const char *value = api->iter_value(pass->parts, &len);
    return add_events(pass, value, len, error);
}

/* The record of a commit; *there: it has one. */
static rhei_status look_up(struct pass *pass, uint64_t number, struct rocks_record *record, bool *there,
                           struct rhei_error *error)
{
    const struct rocks_api *api = pass->buffer->api;
    struct rocks_key key = rocks_key_one(ROCKS_KEY_COMMIT, number);
    size_t key_len = 0, len = 0;
    char *text = NULL;
    api->iter_seek(pass->commits, key.bytes, key.len);
    api->iter_get_error(pass->commits, &text);
    rhei_status status = rocks_status(api, text, "reading the change buffer", error);
    *there = false;
    if (status != RHEI_OK || api->iter_valid(pass->commits) == 0)
        return status;
    const char *found = api->iter_key(pass->commits, &key_len);
    if (key_len != key.len || memcmp(found, key.bytes, key_len) != 0)
        return RHEI_OK;
    const char *value = api->iter_value(pass->commits, &len);
    *there = true;
    return rocks_get_record(value, len, record) && record->number == number
               ? RHEI_OK
               : error_set(error, RHEI_NOT_A_DATABASE, "the change buffer is damaged: commit %" PRIu64 " has no record",
                           number);
}

/* A commit that should be there: it was pruned meanwhile, or the database lost it. */
static rhei_status missing(const struct pass *pass, uint64_t number, struct rhei_error *error)
{
    struct change_buffer_state state;
    pass->buffer->base.ops->state(&pass->buffer->base, &state);
    if (number <= state.pruned)
        return error_set(error, RHEI_STALE, "commit %" PRIu64 " of the change buffer is pruned", number);
    return error_set(error, RHEI_NOT_A_DATABASE, "the change buffer is damaged: commit %" PRIu64 " isn't there",
                     number);
}

/* Takes the next commit, or parts of it; *more: there is room for another. */
static rhei_status take_commit(struct pass *pass, struct change_cursor *cursor, bool *more, struct rhei_error *error)
{
    struct rocks_record record;
    bool there = false;
    uint64_t number = cursor->number + 1;
    *more = false;
    rhei_status status = look_up(pass, number, &record, &there, error);
    if (status != RHEI_OK)
        return status;
    if (!there && pass->count > 0)
        return RHEI_OK;
    if (!there)
        return missing(pass, number, error);
    if (pass->count > 0 && pass->rows + record.rows > pass->most)
        return RHEI_OK;
    while (status == RHEI_OK && cursor->part < record.parts && (pass->count == 0 || pass->rows < pass->most))
        status = add_part(pass, number, cursor->part++, error);
    if (status != RHEI_OK || cursor->part < record.parts)
        return status;
    struct change_event commit = {
        .kind = CHANGE_EVENT_COMMIT, .position = record.position, .time_us = record.time_us, .mark = record.mark};
    *cursor = (struct change_cursor){.number = number};
    *more = pass->rows < pass->most;
    return add_event(pass, &commit, error);
}

rhei_status rocks_read(struct change_reader *base, struct change_cursor *cursor, uint64_t until, size_t max_rows,
                       const struct change_event **events, size_t *count, struct rhei_error *error)
{
    struct pass pass = {.reader = reader_of(base), .buffer = rocks_of(base->buffer), .most = max_rows};
    const struct rocks_api *api = pass.buffer->api;
    struct change_buffer_state state;
    struct change_cursor at = *cursor;
    bool more = true;
    *count = 0;
    base->buffer->ops->state(base->buffer, &state);
    until = until < state.last ? until : state.last;
    if (cursor->number < state.pruned)
        return error_set(error, RHEI_STALE, "commits of the change buffer after %" PRIu64 " are pruned",
                         cursor->number);
    if (cursor->number >= until)
        return RHEI_OK;
    rhei_status status = rocks_enter(pass.buffer, error);
    if (status != RHEI_OK)
        return status;
    begin_arena(&pass.reader->arena);
    pass.parts = api->create_iterator(pass.buffer->db, pass.buffer->options.reading);
    pass.commits = api->create_iterator(pass.buffer->db, pass.buffer->options.reading);
    while (status == RHEI_OK && more && at.number < until)
        status = take_commit(&pass, &at, &more, error);
    api->iter_destroy(pass.parts);
    api->iter_destroy(pass.commits);
    rocks_leave(pass.buffer);
    if (status != RHEI_OK)
        return status;
    *cursor = at;
    *events = pass.reader->events;
    *count = pass.count;
    return RHEI_OK;
}

/* ---- Definitions. ------------------------------------------------------------------------------------------------ */

static rhei_status replay(struct rocks_reader *reader, size_t *count, const struct change_event *event,
                          struct rhei_error *error)
{
    uint32_t id = event->kind == CHANGE_EVENT_TABLE ? event->definition->id : event->table;
    size_t left = 0;
    for (size_t i = 0; i < *count; i++)
        if (reader->tables[i]->id != id)
            reader->tables[left++] = reader->tables[i];
    *count = left;
    if (event->kind != CHANGE_EVENT_TABLE)
        return RHEI_OK;
    if (!base_grow((void **)&reader->tables, &reader->table_room, left + 1, sizeof *reader->tables))
        return error_no_memory(error);
    reader->tables[(*count)++] = event->definition;
    return RHEI_OK;
}

static rhei_status replay_all(struct rocks_reader *reader, size_t *count, const char *value, size_t len,
                              struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    char *bytes = base_arena_alloc(&reader->listing, len + 1);
    if (bytes == NULL)
        return error_no_memory(error);
    memcpy(bytes, value, len);
    for (size_t at = 0, used = 0; at < len && status == RHEI_OK; at += used) {
        struct change_event event;
        status = feed_decode(bytes + at, len - at, &reader->listing, &event, &used, error);
        if (status == RHEI_OK)
            status = replay(reader, count, &event, error);
    }
    return status;
}

static rhei_status list_tables(struct rocks_reader *reader, struct rocks_buffer *buffer, uint64_t number, size_t *count,
                               struct rhei_error *error)
{
    const struct rocks_api *api = buffer->api;
    struct base_buffer before = {0};
    struct rocks_record pruned;
    struct rocks_key from = rocks_key_one(ROCKS_KEY_DEFINITIONS, 0);
    char *text = NULL;
    rocksdb_iterator_t *iterator = api->create_iterator(buffer->db, buffer->options.reading);
    rhei_status status = rocks_find_pruned(buffer, iterator, &pruned, &before, error);
    if (status == RHEI_OK && before.failed)
        status = error_no_memory(error);
    if (status == RHEI_OK && before.len > 0)
        status = replay_all(reader, count, before.data, before.len, error);
    base_buffer_reset(&before);
    for (api->iter_seek(iterator, from.bytes, from.len); status == RHEI_OK && api->iter_valid(iterator) != 0;
         api->iter_next(iterator)) {
        size_t key_len = 0, len = 0;
        const char *key = api->iter_key(iterator, &key_len);
        if (key[0] != ROCKS_KEY_DEFINITIONS || rocks_key_number(key, key_len, 1) > number)
            break;
        const char *value = api->iter_value(iterator, &len);
        status = replay_all(reader, count, value, len, error);
    }
    api->iter_get_error(iterator, &text);
    api->iter_destroy(iterator);
    rhei_status read = rocks_status(api, text, "reading the change buffer", error);
    return status == RHEI_OK ? read : status;
}

rhei_status rocks_tables(struct change_reader *base, uint64_t number, const struct source_table *const **tables,
                         size_t *count, struct rhei_error *error)
{
    struct rocks_reader *reader = reader_of(base);
    struct rocks_buffer *buffer = rocks_of(base->buffer);
    *count = 0;
    rhei_status status = rocks_enter(buffer, error);
    if (status != RHEI_OK)
        return status;
    begin_arena(&reader->listing);
    status = list_tables(reader, buffer, number, count, error);
    rocks_leave(buffer);
    *tables = reader->tables;
    return status;
}
