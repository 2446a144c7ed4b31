/* SPDX-License-Identifier: Apache-2.0 */
/*
 *  1. The buffer's position is the source's: the next cycle begins where the last durable commit ended, so each change is in the
 *     buffer once, whatever failed in between (A2).
 *  2. A cycle that fails is rolled back; none of it is ever seen (A4).
 *  3. Rows of a table come after its definition. A first cycle reads the list, whatever the source says: what it told a pump before
 *     this one may never have become durable.
 */
#include "feed_pump.h"

#include <inttypes.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"

static void pump_fault(const struct feed_pump *pump, const char *point)
{
    if (pump->config->fault != NULL)
        pump->config->fault(pump->config->fault_context, point);
}

/* Events that come from one call of the source go on in one call. */
static rhei_status add_all(struct feed_pump *pump, const struct change_event *events, size_t count, bool *any,
                           struct rhei_error *error)
{
    *any = true;
    rhei_status status = pump->config->buffer->ops->append(pump->config->buffer, events, count, error);
    if (status == RHEI_OK)
        pump_fault(pump, "feed.pump.appended");
    return status;
}

static rhei_status add(struct feed_pump *pump, const struct change_event *event, bool *any, struct rhei_error *error)
{
    return add_all(pump, event, 1, any, error);
}

static const struct source_table *find_by_id(const struct feed_pump *pump, uint32_t id)
{
    for (size_t i = 0; i < pump->count; i++)
        if (pump->list[i].id == id)
            return &pump->list[i];
    return NULL;
}

static bool same_reason(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* A table's columns are those of its number; why it can't be mirrored may change. */
static bool is_known(const struct source_table *const *old, size_t count, const struct source_table *table)
{
    for (size_t i = 0; i < count; i++)
        if (old[i]->id == table->id)
            return same_reason(old[i]->unmirrored_reason, table->unmirrored_reason) &&
                   strcmp(old[i]->name, table->name) == 0;
    return false;
}

/* What came and what went since the buffer's last commit. Tables without a number have no changes that could be told. */
static rhei_status add_definitions(struct feed_pump *pump, uint64_t last, bool *any, struct rhei_error *error)
{
    struct change_source *source = pump->config->upstream;
    struct change_buffer *buffer = pump->config->buffer;
    const struct source_table *const *old = NULL;
    size_t old_count = 0;
    pump->known = false;
    rhei_status status = source->ops->tables(source, &pump->list, &pump->count, error);
    if (status == RHEI_OK && pump->reader == NULL)
        status = buffer->ops->reader_open(buffer, &pump->reader, error);
    if (status == RHEI_OK && last > 0)
        status = buffer->ops->tables(pump->reader, last, &old, &old_count, error);
    for (size_t i = 0; i < old_count && status == RHEI_OK; i++) {
        struct change_event gone = {.kind = CHANGE_EVENT_GONE, .table = old[i]->id};
        if (find_by_id(pump, old[i]->id) == NULL)
            status = add(pump, &gone, any, error);
    }
    for (size_t i = 0; i < pump->count && status == RHEI_OK; i++) {
        struct change_event table = {
            .kind = CHANGE_EVENT_TABLE, .table = pump->list[i].id, .definition = &pump->list[i]};
        if (pump->list[i].id != 0 && !is_known(old, old_count, &pump->list[i]))
            status = add(pump, &table, any, error);
    }
    return status;
}

static bool event_of(const struct feed_pump *pump, const struct change_batch *batch, struct change_event *event)
{
    if (batch->lost != NULL)
        *event = (struct change_event){
            .kind = CHANGE_EVENT_LOST, .table = batch->table, .position = batch->lost_at, .reason = batch->lost};
    else if (batch->row_count > 0)
        *event = (struct change_event){.kind = batch->as_were ? CHANGE_EVENT_BEFORE : CHANGE_EVENT_ROWS,
                                       .table = batch->table,
                                       .rows = batch,
                                       .definition = find_by_id(pump, batch->table)};
    return batch->lost != NULL || batch->row_count > 0;
}

static rhei_status add_batches(struct feed_pump *pump, const struct change_batch *batches, size_t count, bool *any,
                               struct rhei_error *error)
{
    size_t made = 0;
    if (!base_grow((void **)&pump->events, &pump->event_room, count, sizeof *pump->events))
        return error_no_memory(error);
    for (size_t i = 0; i < count; i++)
        made += event_of(pump, &batches[i], &pump->events[made]);
    return made > 0 ? add_all(pump, pump->events, made, any, error) : RHEI_OK;
}

static uint64_t rows_of(const struct change_batch *batches, size_t count)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < count; i++)
        rows += batches[i].row_count;
    return rows;
}

static rhei_status add_changes(struct feed_pump *pump, bool *any, struct rhei_error *error)
{
    struct change_source *source = pump->config->upstream;
    for (;;) {
        const struct change_batch *batches = NULL;
        size_t count = 0;
        rhei_status status = source->ops->next(source, pump->config->batch_rows, &batches, &count, error);
        if (status != RHEI_OK || count == 0)
            return status;
        pump->rows += rows_of(batches, count);
        status = add_batches(pump, batches, count, any, error);
        if (status != RHEI_OK)
            return status;
    }
}

/* What tells a state from any other of its position; 0 where the source can't say. */
static uint64_t mark_of(const struct feed_pump *pump, int64_t position)
{
    struct change_stamp stamp;
    struct change_source *source = pump->config->upstream;
    if (source->ops->stamp == NULL || source->ops->stamp(source, position, &stamp, NULL) != RHEI_OK)
        return 0;
    return feed_mark(&stamp);
}

uint64_t feed_mark(const struct change_stamp *stamp)
{
    return base_hash(stamp->file, strnlen(stamp->file, sizeof stamp->file), stamp->row) | 1;
}

static rhei_status add_commit(struct feed_pump *pump, const struct change_cycle *cycle, bool *any,
                              struct rhei_error *error)
{
    struct change_event commit = {.kind = CHANGE_EVENT_COMMIT,
                                  .position = cycle->position,
                                  .time_us = base_wall_ms() * 1000,
                                  .mark = mark_of(pump, cycle->position)};
    pump_fault(pump, "feed.pump.ended");
    return add(pump, &commit, any, error);
}

/* Between begin and end. */
static rhei_status pump_cycle(struct feed_pump *pump, const struct change_cycle *cycle,
                              const struct change_buffer_state *before, struct rhei_error *error)
{
    bool any = false, fresh = before->last == before->pruned;
    rhei_status status = RHEI_OK;
    pump_fault(pump, "feed.pump.begun");
    if (!fresh && cycle->position < before->position)
        return error_set(error, RHEI_STALE,
                         "the source is at %" PRId64 ", before the buffer's position %" PRId64
                         ": it was restored from an older copy",
                         cycle->position, before->position);
    if (cycle->lost && !fresh) {
        struct change_event lost = {
            .kind = CHANGE_EVENT_LOST, .position = INT64_MAX, .reason = "changes are gone from the source's log"};
        status = add(pump, &lost, &any, error);
    }
    if (status == RHEI_OK && (cycle->schema_changed || cycle->lost || !pump->known))
        status = add_definitions(pump, fresh ? 0 : before->last, &any, error);
    if (status == RHEI_OK && !cycle->lost && !fresh && (cycle->position != before->position || cycle->suspect))
        status = add_changes(pump, &any, error);
    if (status == RHEI_OK && (any || fresh || cycle->position != before->position))
        status = add_commit(pump, cycle, &any, error);
    if (status == RHEI_OK)
        pump_fault(pump, "feed.pump.committed");
    return status;
}

rhei_status feed_pump_step(struct feed_pump *pump, struct rhei_error *error)
{
    struct change_source *source = pump->config->upstream;
    struct change_buffer *buffer = pump->config->buffer;
    struct change_buffer_state before;
    struct change_cycle cycle = {0};
    uint64_t token = pump->token;
    buffer->ops->state(buffer, &before);
    rhei_status status = source->ops->begin(source, before.position, &cycle, &token, error);
    if (status != RHEI_OK)
        return status;
    status = pump_cycle(pump, &cycle, &before, error);
    source->ops->end(source);
    if (status != RHEI_OK) {
        pump->known = false;
        buffer->ops->rollback(buffer);
        return status;
    }
    pump->known = true;
    pump->token = token;
    pump->doubtful = pump->doubtful || cycle.doubtful;
    uint64_t pruned = 0;
    if (pump->config->prune_upstream && cycle.position != before.position)
        (void)source->ops->prune(source, cycle.position, &pruned, NULL); /* what it keeps is kept twice, no more */
    return RHEI_OK;
}

void feed_pump_reset(struct feed_pump *pump)
{
    if (pump->reader != NULL)
        pump->config->buffer->ops->reader_close(&pump->reader);
    base_free(pump->events);
    pump->events = NULL;
}
