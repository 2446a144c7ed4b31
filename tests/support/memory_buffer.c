/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_thread.h"
#include "feed/feed_code.h"

struct kept_commit {
    char *bytes;
    size_t size;
    uint64_t number;
    int64_t position;
};

struct memory_buffer {
    struct change_buffer base;
    base_mutex lock;
    struct kept_commit *commits;
    size_t count;
    struct change_buffer_state state;
    struct base_buffer staged;
    bool staged_lost, staged_definition;
    struct kept_commit definitions; /* TABLE events as of the horizon */
    uint64_t appends, fail_at;
    rhei_status fail_status;
    uint64_t reads, fail_read_at;
    rhei_status fail_read_status;
};

struct memory_reader {
    struct change_reader base;
    struct {
        struct base_arena arena;
        char *bytes;
        struct change_event *events;
    } reading;
    struct {
        struct base_arena arena;
        char *bytes;
        const struct source_table **tables;
    } listing;
};

static void *must(void *pointer)
{
    if (pointer == NULL)
        abort();
    return pointer;
}

static void must_be(bool condition)
{
    if (!condition)
        abort();
}

static struct memory_buffer *self(struct change_buffer *buffer)
{
    return (struct memory_buffer *)buffer;
}

static void unstage(struct memory_buffer *buffer)
{
    base_buffer_reset(&buffer->staged);
    buffer->staged_lost = buffer->staged_definition = false;
}

/* Under the lock. */
static void commit(struct memory_buffer *buffer, const struct change_event *event)
{
    struct change_buffer_state *state = &buffer->state;
    must_be(event->position >= state->position);
    if (state->last == state->pruned)
        state->horizon = event->position;
    buffer->commits = must(realloc(buffer->commits, (buffer->count + 1) * sizeof *buffer->commits));
    struct kept_commit *kept = &buffer->commits[buffer->count++];
    *kept = (struct kept_commit){.size = buffer->staged.len, .number = state->last + 1, .position = event->position};
    kept->bytes = must(malloc(kept->size + 1));
    memcpy(kept->bytes, buffer->staged.data, kept->size);
    state->last++;
    state->position = event->position;
    state->time_us = event->time_us;
    state->mark = event->mark;
    state->lost_all = buffer->staged_lost ? state->last : state->lost_all;
    state->definition = buffer->staged_definition ? state->last : state->definition;
    unstage(buffer);
}

static rhei_status op_append(struct change_buffer *base, const struct change_event *events, size_t count,
                             struct rhei_error *error)
{
    struct memory_buffer *buffer = self(base);
    rhei_status status = RHEI_OK;
    base_mutex_lock(&buffer->lock);
    if (++buffer->appends == buffer->fail_at)
        status = error_set(error, buffer->fail_status, "injected failure");
    for (size_t i = 0; i < count && status == RHEI_OK; i++) {
        status = feed_encode(&buffer->staged, &events[i], error);
        if (status != RHEI_OK)
            break;
        buffer->staged_lost |= events[i].kind == CHANGE_EVENT_LOST && events[i].table == 0;
        buffer->staged_definition |= events[i].kind == CHANGE_EVENT_TABLE || events[i].kind == CHANGE_EVENT_GONE;
        if (events[i].kind == CHANGE_EVENT_COMMIT) {
            must_be(i == count - 1);
            commit(buffer, &events[i]);
        }
    }
    if (status != RHEI_OK)
        unstage(buffer);
    base_mutex_unlock(&buffer->lock);
    return status;
}

static void op_rollback(struct change_buffer *base)
{
    base_mutex_lock(&self(base)->lock);
    unstage(self(base));
    base_mutex_unlock(&self(base)->lock);
}

static void op_state(struct change_buffer *base, struct change_buffer_state *state)
{
    base_mutex_lock(&self(base)->lock);
    *state = self(base)->state;
    base_mutex_unlock(&self(base)->lock);
}

static uint64_t op_find(struct change_buffer *base, int64_t position)
{
    struct memory_buffer *buffer = self(base);
    base_mutex_lock(&buffer->lock);
    uint64_t number = buffer->state.pruned;
    for (size_t i = 0; i < buffer->count && buffer->commits[i].position <= position; i++)
        number = buffer->commits[i].number;
    base_mutex_unlock(&buffer->lock);
    return number;
}

static size_t rows_of(const struct change_event *event)
{
    return event->kind == CHANGE_EVENT_ROWS ? event->rows->row_count : 1;
}

/* Decodes what was encoded by op_append: it must come back. */
static size_t decode_all(const char *bytes, size_t size, struct base_arena *arena, struct change_event **events,
                         size_t count, size_t *rows)
{
    size_t at = 0, used = 0;
    while (at < size) {
        *events = must(realloc(*events, (count + 1) * sizeof **events));
        must_be(feed_decode(bytes + at, size - at, arena, &(*events)[count], &used, NULL) == RHEI_OK);
        *rows += rows_of(&(*events)[count++]);
        at += used;
    }
    return count;
}

static struct memory_reader *reader_of(struct change_reader *reader)
{
    return (struct memory_reader *)reader;
}

static rhei_status op_reader_open(struct change_buffer *base, struct change_reader **reader, struct rhei_error *error)
{
    (void)error;
    struct memory_reader *made = must(calloc(1, sizeof *made));
    made->base.buffer = base;
    *reader = &made->base;
    return RHEI_OK;
}

static void listing_reset(struct memory_reader *reader)
{
    base_arena_reset(&reader->listing.arena);
    free(reader->listing.bytes);
    free(reader->listing.tables);
}

static void op_reader_close(struct change_reader **base)
{
    struct memory_reader *reader = reader_of(*base);
    base_arena_reset(&reader->reading.arena);
    free(reader->reading.bytes);
    free(reader->reading.events);
    listing_reset(reader);
    free(reader);
    *base = NULL;
}

static rhei_status op_read(struct change_reader *base, struct change_cursor *cursor, uint64_t until, size_t max_rows,
                           const struct change_event **events, size_t *count, struct rhei_error *error)
{
    struct memory_reader *reader = reader_of(base);
    struct memory_buffer *buffer = self(base->buffer);
    rhei_status status = RHEI_OK;
    uint64_t after = cursor->number;
    size_t rows = 0, size = 0;
    *count = 0;
    base_mutex_lock(&buffer->lock);
    if (++buffer->reads == buffer->fail_read_at)
        status = error_set(error, buffer->fail_read_status, "injected failure");
    else if (after < buffer->state.pruned)
        status = error_set(error, RHEI_STALE, "commits after %llu are pruned", (unsigned long long)after);
    for (size_t i = 0; i < buffer->count; i++)
        size += buffer->commits[i].size;
    base_arena_clear(&reader->reading.arena);
    free(reader->reading.bytes); /* a copy of its own: pruning may run beside the reader */
    reader->reading.bytes = must(malloc(size + 1));
    size = 0;
    for (size_t i = 0; i < buffer->count && status == RHEI_OK; i++) {
        const struct kept_commit *kept = &buffer->commits[i];
        if (kept->number <= after || kept->number > until || (*count > 0 && rows >= max_rows))
            continue;
        memcpy(reader->reading.bytes + size, kept->bytes, kept->size);
        *count = decode_all(reader->reading.bytes + size, kept->size, &reader->reading.arena, &reader->reading.events,
                            *count, &rows);
        size += kept->size;
        cursor->number = kept->number;
    }
    *events = reader->reading.events;
    base_mutex_unlock(&buffer->lock);
    return status;
}

/* Replays definitions over a list; returns how many there are. */
static size_t replay(const struct source_table ***tables, size_t count, const struct change_event *event)
{
    uint32_t id = event->kind == CHANGE_EVENT_TABLE ? event->definition->id : event->table;
    if (event->kind != CHANGE_EVENT_TABLE && event->kind != CHANGE_EVENT_GONE)
        return count;
    size_t left = 0;
    for (size_t i = 0; i < count; i++)
        if ((*tables)[i]->id != id)
            (*tables)[left++] = (*tables)[i];
    if (event->kind == CHANGE_EVENT_GONE)
        return left;
    *tables = must(realloc(*tables, (left + 1) * sizeof **tables));
    (*tables)[left++] = event->definition;
    return left;
}

/* Under the lock: definitions as of a commit, from bytes that live with the arena. */
static size_t definitions_at(const struct memory_buffer *buffer, struct memory_reader *reader, uint64_t number)
{
    size_t count = 0, size = buffer->definitions.size;
    for (size_t i = 0; i < buffer->count; i++)
        size += buffer->commits[i].size;
    base_arena_clear(&reader->listing.arena);
    free(reader->listing.bytes);
    char *at = reader->listing.bytes = must(malloc(size + 1));
    for (size_t i = 0; i <= buffer->count; i++) {
        const struct kept_commit *from = i == 0 ? &buffer->definitions : &buffer->commits[i - 1];
        struct change_event *events = NULL;
        size_t rows = 0;
        if (i > 0 && from->number > number)
            break;
        if (from->size > 0)
            memcpy(at, from->bytes, from->size);
        size_t event_count = decode_all(at, from->size, &reader->listing.arena, &events, 0, &rows);
        for (size_t e = 0; e < event_count; e++)
            count = replay(&reader->listing.tables, count, &events[e]);
        free(events);
        at += from->size;
    }
    return count;
}

static rhei_status op_tables(struct change_reader *base, uint64_t number, const struct source_table *const **tables,
                             size_t *count, struct rhei_error *error)
{
    struct memory_reader *reader = reader_of(base);
    struct memory_buffer *buffer = self(base->buffer);
    (void)error;
    base_mutex_lock(&buffer->lock);
    *count = definitions_at(buffer, reader, number);
    *tables = reader->listing.tables;
    base_mutex_unlock(&buffer->lock);
    return RHEI_OK;
}

/* Under the lock: what tables() would say of this commit, as TABLE events. */
static void keep_definitions(struct memory_buffer *buffer, uint64_t number)
{
    struct memory_reader other = {0};
    struct base_buffer bytes = {0};
    size_t count = definitions_at(buffer, &other, number);
    for (size_t i = 0; i < count; i++) {
        struct change_event event = {.kind = CHANGE_EVENT_TABLE, .definition = other.listing.tables[i]};
        must_be(feed_encode(&bytes, &event, NULL) == RHEI_OK);
    }
    listing_reset(&other);
    free(buffer->definitions.bytes);
    buffer->definitions.size = bytes.len;
    buffer->definitions.bytes = must(malloc(bytes.len + 1));
    if (bytes.len > 0)
        memcpy(buffer->definitions.bytes, bytes.data, bytes.len);
    base_buffer_reset(&bytes);
}

static rhei_status op_prune(struct change_buffer *base, int64_t position, uint64_t *pruned, struct rhei_error *error)
{
    struct memory_buffer *buffer = self(base);
    (void)error;
    *pruned = 0;
    base_mutex_lock(&buffer->lock);
    size_t gone = 0;
    while (gone + 1 < buffer->count && buffer->commits[gone].position <= position)
        gone++;
    if (gone > 0) {
        keep_definitions(buffer, buffer->commits[gone - 1].number);
        buffer->state.pruned = buffer->commits[gone - 1].number;
        buffer->state.horizon = buffer->commits[gone - 1].position;
        for (size_t i = 0; i < gone; i++)
            free(buffer->commits[i].bytes);
        memmove(buffer->commits, buffer->commits + gone, (buffer->count - gone) * sizeof *buffer->commits);
        buffer->count -= gone;
        *pruned = gone;
    }
    base_mutex_unlock(&buffer->lock);
    return RHEI_OK;
}

static rhei_status op_clear(struct change_buffer *base, struct rhei_error *error)
{
    struct memory_buffer *buffer = self(base);
    (void)error;
    base_mutex_lock(&buffer->lock);
    unstage(buffer);
    for (size_t i = 0; i < buffer->count; i++)
        free(buffer->commits[i].bytes);
    buffer->count = 0;
    buffer->definitions.size = 0;
    uint64_t last = buffer->state.last;
    buffer->state = (struct change_buffer_state){.last = last, .pruned = last, .horizon = INT64_MAX};
    base_mutex_unlock(&buffer->lock);
    return RHEI_OK;
}

static uint64_t op_bytes(struct change_buffer *base)
{
    struct memory_buffer *buffer = self(base);
    uint64_t bytes = 0;
    base_mutex_lock(&buffer->lock);
    for (size_t i = 0; i < buffer->count; i++)
        bytes += buffer->commits[i].size;
    base_mutex_unlock(&buffer->lock);
    return bytes;
}

static void op_close(struct change_buffer **base)
{
    struct memory_buffer *buffer = self(*base);
    if (buffer == NULL)
        return;
    for (size_t i = 0; i < buffer->count; i++)
        free(buffer->commits[i].bytes);
    free(buffer->commits);
    free(buffer->definitions.bytes);
    unstage(buffer);
    base_mutex_destroy(&buffer->lock);
    free(buffer);
    *base = NULL;
}

struct change_buffer *memory_buffer_new(void)
{
    static const struct change_buffer_ops OPS = {
        .name = "memory",
        .append = op_append,
        .rollback = op_rollback,
        .state = op_state,
        .find = op_find,
        .reader_open = op_reader_open,
        .reader_close = op_reader_close,
        .read = op_read,
        .tables = op_tables,
        .prune = op_prune,
        .clear = op_clear,
        .bytes = op_bytes,
        .close = op_close,
    };
    struct memory_buffer *buffer = must(calloc(1, sizeof *buffer));
    buffer->base.ops = &OPS;
    buffer->state.horizon = INT64_MAX;
    base_mutex_init(&buffer->lock);
    return &buffer->base;
}

void memory_buffer_crash(struct change_buffer *buffer)
{
    op_rollback(buffer);
}

void memory_buffer_fail(struct change_buffer *buffer, uint64_t n, rhei_status status)
{
    base_mutex_lock(&self(buffer)->lock);
    self(buffer)->fail_at = n > 0 ? self(buffer)->appends + n : 0;
    self(buffer)->fail_status = status;
    base_mutex_unlock(&self(buffer)->lock);
}

void memory_buffer_fail_read(struct change_buffer *buffer, uint64_t n, rhei_status status)
{
    base_mutex_lock(&self(buffer)->lock);
    self(buffer)->fail_read_at = n > 0 ? self(buffer)->reads + n : 0;
    self(buffer)->fail_read_status = status;
    base_mutex_unlock(&self(buffer)->lock);
}

uint64_t memory_buffer_commits(struct change_buffer *buffer)
{
    base_mutex_lock(&self(buffer)->lock);
    uint64_t count = self(buffer)->count;
    base_mutex_unlock(&self(buffer)->lock);
    return count;
}
