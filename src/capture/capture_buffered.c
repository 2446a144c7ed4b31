/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   F1. A commit of the buffer is the end of a transaction, so a unit that ends with one has no transaction in part (H2).
 *   F2. Rows of several tables come as batches of each; told they are in the order of their positions, as the log has them.
 *   F4. A row as it was goes with the change of its number; where there is none, it is told as a deletion of its own (CHANGE_EVENT_BEFORE).
 *   F3. Where the reader is follows from `after` alone, but for a commit that is read in parts: then the next part follows.
 *   F5. Definitions come before the rows of their table, perhaps in a part of the commit that was read before: then they are asked for as of the
 *     commit's end, and of those that went with it as of the one before.
 *   F6. What is damaged can't be read by the next call either: the reader is told that all up to the buffer's end is lost, and goes on behind that.
 */
#include "capture/capture_buffered.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_memory.h"
#include "capture/capture_before.h"

struct row_place {
    int64_t seq;
    const struct change_batch *batch;
    size_t row, order;
    bool was; /* it is the row as it was before the change of its number */
};

struct capture_buffered {
    struct change_buffer *buffer;
    struct change_reader *reader; /* of rows */
    struct change_reader *definer,
        *ender;                  /* of the definitions at their beginning, and at the end of a commit in parts */
    struct change_cursor cursor; /* behind the parts that were read; part 0: `after` tells */
    struct base_arena arena;
    struct row_place *rows;
    size_t row_count, row_room;
    const struct source_table *const *tables, *const *end_tables; /* F5 */
    size_t table_count, end_count;
    const struct change_event *events; /* of this call */
    size_t event_count;
};

rhei_status capture_buffered_open(struct change_buffer *buffer, struct capture_buffered **result,
                                  struct rhei_error *error)
{
    struct capture_buffered *buffered = base_alloc_zero(1, sizeof *buffered);
    *result = buffered;
    if (buffered == NULL)
        return error_no_memory(error);
    buffered->buffer = buffer;
    rhei_status status = buffer->ops->reader_open(buffer, &buffered->reader, error);
    if (status == RHEI_OK)
        status = buffer->ops->reader_open(buffer, &buffered->definer, error);
    if (status == RHEI_OK)
        status = buffer->ops->reader_open(buffer, &buffered->ender, error);
    if (status != RHEI_OK)
        capture_buffered_close(result);
    return status;
}

void capture_buffered_close(struct capture_buffered **slot)
{
    struct capture_buffered *buffered = *slot;
    if (buffered == NULL)
        return;
    *slot = NULL;
    if (buffered->reader != NULL)
        buffered->buffer->ops->reader_close(&buffered->reader);
    if (buffered->definer != NULL)
        buffered->buffer->ops->reader_close(&buffered->definer);
    if (buffered->ender != NULL)
        buffered->buffer->ops->reader_close(&buffered->ender);
    base_free(buffered->rows);
    base_arena_reset(&buffered->arena);
    base_free(buffered);
}

bool capture_buffered_oldest(struct change_buffer *buffer, int64_t *position)
{
    struct change_buffer_state state;
    if (buffer == NULL)
        return false;
    buffer->ops->state(buffer, &state);
    if (state.last == state.pruned)
        return false;
    *position = state.horizon;
    return true;
}

bool capture_buffered_covers(struct capture_buffered *buffered, int64_t after)
{
    struct change_buffer_state state;
    buffered->buffer->ops->state(buffered->buffer, &state);
    return state.last != state.pruned && after >= state.horizon && after < state.position;
}

/* ---- Events. ----------------------------------------------------------------------------------------------------- */

static struct capture_change *add(struct capture_buffered_events *events, enum capture_change_kind kind)
{
    if (!base_grow((void **)&events->list, &events->room, events->count + 1, sizeof *events->list))
        return NULL;
    struct capture_change *event = &events->list[events->count++];
    *event = (struct capture_change){.kind = kind};
    return event;
}

static rhei_status add_table(struct capture_buffered_events *events, const struct source_table *table, int64_t position,
                             struct rhei_error *error)
{
    struct capture_change *event = add(events, CAPTURE_CHANGE_TABLE);
    if (event == NULL)
        return error_no_memory(error);
    event->position = position;
    event->number = table->id;
    event->name = table->name;
    event->table = table;
    return RHEI_OK;
}

static const struct source_table *find_table(const struct source_table *const *tables, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++)
        if (tables[i]->id == number)
            return tables[i];
    return NULL;
}

/* The definition of that number as of event `until` of this call (F5). */
static const struct source_table *definition(const struct capture_buffered *buffered, uint32_t number, size_t until)
{
    for (size_t i = until; i-- > 0;)
        if (buffered->events[i].kind == CHANGE_EVENT_TABLE && buffered->events[i].definition->id == number)
            return buffered->events[i].definition;
    const struct source_table *table = find_table(buffered->end_tables, buffered->end_count, number);
    return table != NULL ? table : find_table(buffered->tables, buffered->table_count, number);
}

/* Nobody can say which changes these are, so any table may have lost some; the consumer goes on behind them. */
static rhei_status add_undefined(struct capture_buffered_events *events, int64_t position, struct rhei_error *error)
{
    for (size_t i = 0; i < events->count; i++) /* once is enough */
        if (events->list[i].kind == CAPTURE_CHANGE_LOST && events->list[i].number == 0)
            return RHEI_OK;
    struct capture_change *event = add(events, CAPTURE_CHANGE_LOST);
    if (event == NULL)
        return error_no_memory(error);
    event->position = position;
    event->reason = "the change buffer has rows of a table that it doesn't define";
    return RHEI_OK;
}

static int compare_rows(const void *a, const void *b)
{
    const struct row_place *left = a, *right = b;
    if (left->seq != right->seq)
        return left->seq < right->seq ? -1 : 1;
    if (left->batch->table != right->batch->table) /* of one number, where the bridge looked at the end of its cycle */
        return left->batch->table < right->batch->table ? -1 : 1;
    if (left->was != right->was)
        return left->was ? -1 : 1;
    return left->order < right->order ? -1 : left->order > right->order;
}

/* H6 of capture_changes.c: a key that a row would have had, whose declared part isn't said. */
static bool is_no_row(const struct source_table *table, const struct change_batch *batch, size_t row)
{
    bool declared = false, set = false;
    for (uint32_t c = 0; c < table->column_count && c < batch->column_count; c++) {
        declared |= table->columns[c].in_primary_key;
        set |= table->columns[c].in_primary_key && batch->columns[c][row].type != RHEI_NULL;
    }
    return declared && !set;
}

/* The place's row; NULL without memory. */
static struct rhei_value *row_values(struct capture_buffered *buffered, const struct row_place *place)
{
    const struct change_batch *batch = place->batch;
    struct rhei_value *values = base_arena_zero(&buffered->arena, batch->column_count, sizeof *values);
    for (uint32_t c = 0; values != NULL && c < batch->column_count; c++)
        values[c] = batch->columns[c][place->row];
    return values;
}

/* `was`: the row as it was, or NULL. */
static rhei_status add_row(struct capture_buffered *buffered, const struct row_place *place,
                           const struct row_place *was, size_t until, struct capture_buffered_events *events,
                           struct rhei_error *error)
{
    const struct change_batch *batch = place->batch;
    const struct source_table *table = definition(buffered, batch->table, until);
    uint8_t op = place->was          ? (uint8_t)CHANGE_DELETE
                 : batch->op == NULL ? (uint8_t)CHANGE_UPSERT
                                     : batch->op[place->row];
    if (table == NULL)
        return add_undefined(events, place->seq, error);
    if (op == CHANGE_DELETE && is_no_row(table, batch, place->row))
        return RHEI_OK;
    struct rhei_value *values = row_values(buffered, place);
    const struct rhei_value *before = was == NULL ? NULL : row_values(buffered, was);
    struct capture_change *event = values == NULL ? NULL : add(events, CAPTURE_CHANGE_UPDATE);
    if (event == NULL || (was != NULL && before == NULL))
        return error_no_memory(error);
    for (uint32_t c = 0; c < batch->column_count && place->was; c++) /* as of any that is gone */
        if (!capture_is_of_key(table, c))
            values[c] = (struct rhei_value){.type = RHEI_NULL};
    event->before = before;
    bool inserted = batch->inserted != NULL && batch->inserted[place->row] != 0;
    event->kind = op == CHANGE_DELETE ? CAPTURE_CHANGE_DELETE
                  : inserted          ? CAPTURE_CHANGE_INSERT
                                      : CAPTURE_CHANGE_UPDATE;
    event->position = place->seq;
    event->time_us = batch->time_us == NULL ? 0 : batch->time_us[place->row];
    event->number = batch->table;
    event->name = table->name;
    event->table = table;
    event->values = values;
    return RHEI_OK;
}

static rhei_status gather(struct capture_buffered *buffered, const struct change_batch *batch, bool was, int64_t after,
                          struct rhei_error *error)
{
    for (size_t i = 0; i < batch->row_count; i++) {
        if (batch->seq == NULL || batch->seq[i] <= after)
            continue;
        if (!base_grow((void **)&buffered->rows, &buffered->row_room, buffered->row_count + 1, sizeof *buffered->rows))
            return error_no_memory(error);
        buffered->rows[buffered->row_count] = (struct row_place){
            .seq = batch->seq[i], .batch = batch, .row = i, .order = buffered->row_count, .was = was};
        buffered->row_count++;
    }
    return RHEI_OK;
}

/* F2. Those before event `until`. */
static rhei_status tell_rows(struct capture_buffered *buffered, size_t until, struct capture_buffered_events *events,
                             struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    if (buffered->row_count > 1)
        qsort(buffered->rows, buffered->row_count, sizeof *buffered->rows, compare_rows);
    for (size_t i = 0; i < buffered->row_count && status == RHEI_OK; i++) {
        const struct row_place *place = &buffered->rows[i], *was = place->was ? place : NULL; /* F4 */
        bool has_change = was != NULL && i + 1 < buffered->row_count && place[1].seq == place->seq &&
                          place[1].batch->table == place->batch->table;
        BASE_INVARIANT(i == 0 || buffered->rows[i - 1].seq <= place->seq); /* F2 */
        place += has_change;
        i += has_change;
        status = add_row(buffered, place, was, until, events, error);
    }
    buffered->row_count = 0;
    return status;
}

static rhei_status tell_other(struct capture_buffered *buffered, size_t at, int64_t after,
                              struct capture_buffered_events *events, struct rhei_error *error)
{
    const struct change_event *from = &buffered->events[at];
    if (from->kind == CHANGE_EVENT_TABLE)
        return add_table(events, from->definition, after, error);
    const struct source_table *table = from->table == 0 ? NULL : definition(buffered, from->table, at);
    struct capture_change *event = add(events, from->kind == CHANGE_EVENT_COMMIT ? CAPTURE_CHANGE_COMMIT
                                               : from->kind == CHANGE_EVENT_GONE ? CAPTURE_CHANGE_GONE
                                                                                 : CAPTURE_CHANGE_LOST);
    if (event == NULL)
        return error_no_memory(error);
    bool placed = from->kind != CHANGE_EVENT_GONE && from->position != INT64_MAX;
    event->position = placed ? from->position : after;
    event->time_us = from->kind == CHANGE_EVENT_COMMIT ? from->time_us : 0;
    event->number = from->table;
    event->name = table == NULL ? NULL : table->name;
    event->reason = from->kind != CHANGE_EVENT_LOST ? NULL
                    : from->reason == NULL          ? "every row of it went at once"
                                                    : from->reason;
    return RHEI_OK;
}

static rhei_status tell(struct capture_buffered *buffered, int64_t after, struct capture_buffered_events *events,
                        struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < buffered->event_count && status == RHEI_OK; i++) {
        const struct change_event *event = &buffered->events[i];
        if (event->kind == CHANGE_EVENT_ROWS || event->kind == CHANGE_EVENT_BEFORE) {
            status = gather(buffered, event->rows, event->kind == CHANGE_EVENT_BEFORE, after, error);
            continue;
        }
        status = tell_rows(buffered, i, events, error);
        if (status == RHEI_OK)
            status = tell_other(buffered, i, after, events, error);
    }
    return status == RHEI_OK ? tell_rows(buffered, buffered->event_count, events, error) : status;
}

/* F6 */
static rhei_status give_up(struct capture_buffered *buffered, const struct rhei_error *why,
                           struct capture_buffered_events *events, struct rhei_error *error)
{
    struct change_buffer_state state;
    buffered->buffer->ops->state(buffered->buffer, &state);
    events->count = 0;
    events->damaged = true;
    struct capture_change *lost = add(events, CAPTURE_CHANGE_LOST), *commit = NULL;
    char *reason = base_arena_text(&buffered->arena, why->message);
    if (lost != NULL && reason != NULL) {
        lost->position = state.position;
        lost->reason = reason;
        commit = add(events, CAPTURE_CHANGE_COMMIT);
    }
    if (commit == NULL)
        return error_no_memory(error);
    commit->position = state.position;
    commit->time_us = state.time_us;
    return RHEI_OK;
}

static rhei_status next_events(struct capture_buffered *buffered, int64_t after, size_t most_rows,
                               struct capture_buffered_events *events, struct rhei_error *error)
{
    const struct change_buffer_ops *ops = buffered->buffer->ops;
    if (buffered->cursor.part == 0) /* F3 */
        buffered->cursor = (struct change_cursor){.number = ops->find(buffered->buffer, after)};
    uint64_t number = buffered->cursor.number;
    events->count = buffered->row_count = buffered->event_count = buffered->end_count = 0;
    base_arena_clear(&buffered->arena);
    rhei_status status = ops->tables(buffered->definer, number, &buffered->tables, &buffered->table_count, error);
    if (status == RHEI_OK && buffered->cursor.part > 0)
        status = ops->tables(buffered->ender, number + 1, &buffered->end_tables, &buffered->end_count, error);
    for (size_t i = 0; i < buffered->table_count && status == RHEI_OK; i++)
        status = add_table(events, buffered->tables[i], after, error);
    if (status == RHEI_OK)
        status = ops->read(buffered->reader, &buffered->cursor, UINT64_MAX, most_rows, &buffered->events,
                           &buffered->event_count, error);
    return status == RHEI_OK ? tell(buffered, after, events, error) : status;
}

rhei_status capture_buffered_next(struct capture_buffered *buffered, int64_t after, size_t most_rows,
                                  struct capture_buffered_events *events, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    events->damaged = false;
    rhei_status status = next_events(buffered, after, most_rows, events, &why);
    if (status == RHEI_OK)
        return status;
    buffered->cursor.part = 0;
    if (status == RHEI_NOT_A_DATABASE)
        return give_up(buffered, &why, events, error);
    if (error != NULL)
        *error = why;
    return status;
}
