/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows as they were before a chunk of changes, which is looked through once before it is applied.
 *
 *  1. What a key held before row i of a chunk is in the last row before i with the same key if there is one, else where the index
 *     says. So nothing that is not written yet is ever read from a segment.
 *  2. Long strings of an old row stay in their heap, which apply keeps until the chunk is written (`borrows`); short ones lie in
 *     the slot, which is freed when a tail grows, and are copied.
 *  3. A sink is told before the change is in the working state. If that fails later, the table is unsound, and its history with it.
 *  4. What a sink can't take loses the table its sink, and nothing else.
 *  5. A version that can't be read from its file any more is none that a sink is told of: the row begins anew.
 *  6. A sink that takes many versions at once gets those of a chunk before it is applied, column by column. It may write them into
 *     another table: segments that this one holds for the chunk stay held.
 *  6. What lies in files is in memory while it is held, whatever the limit: so a chunk ends where it holds enough of that.
 */
#include "mirror_before.h"

#include <string.h>

#include "base/base_error.h"

enum { SHORT_BYTES = 12, LEAST_ROWS = 64, MOST_CELLS = 64 << 10, AHEAD_ROWS = 16, MOST_HELD = 8 };

/* ---- Memory of one call. -------------------------------------------------------------------------------------------- */

struct layout {
    char *base;
    size_t used;
};

static void *take(struct layout *layout, size_t size)
{
    layout->used = (layout->used + 15) / 16 * 16;
    void *place = layout->base == NULL ? NULL : layout->base + layout->used;
    layout->used += size;
    return place;
}

/* Run twice: with base NULL it only measures. */
static void lay_out(struct mirror_before *before, struct layout *layout, bool patches)
{
    size_t columns = mirror_table_columns(before->table), rows = before->capacity;
    before->columns = take(layout, columns * sizeof *before->columns);
    before->row = take(layout, columns * sizeof *before->row);
    before->values = patches ? take(layout, columns * rows * sizeof *before->values) : NULL;
    before->shorts = patches ? take(layout, columns * rows * SHORT_BYTES) : NULL;
    before->op = patches ? take(layout, rows) : NULL;
    before->heads = take(layout, MIRROR_BEFORE_HEADS * sizeof *before->heads);
    before->earlier = take(layout, rows * sizeof *before->earlier);
    before->hashes = take(layout, rows * sizeof *before->hashes);
    before->overtaken = take(layout, rows * sizeof *before->overtaken);
    if (before->table->sink.ended_some == NULL)
        return;
    before->old = take(layout, columns * rows * sizeof *before->old);
    before->old_columns = take(layout, columns * sizeof *before->old_columns);
    before->segments = take(layout, rows * sizeof *before->segments);
    before->places = take(layout, rows * sizeof *before->places);
    before->change = take(layout, rows * sizeof *before->change);
    before->replaced = take(layout, rows * sizeof *before->replaced);
    before->how = take(layout, rows);
}

rhei_status mirror_before_open(struct mirror_table *table, const struct change_batch *batch,
                               struct mirror_before *before)
{
    size_t most = MOST_CELLS / mirror_table_columns(table);
    bool patches = batch->op != NULL && batch->unchanged != NULL;
    *before = (struct mirror_before){.table = table, .from = batch};
    most = most < LEAST_ROWS ? LEAST_ROWS : most > MIRROR_CHUNK_ROWS ? MIRROR_CHUNK_ROWS : most;
    before->capacity = batch->row_count < most ? batch->row_count : most;
    struct layout layout = {0};
    lay_out(before, &layout, patches);
    before->memory_size = layout.used;
    rhei_status status = mirror_memory_alloc(&table->mirror->memory, layout.used, &before->memory);
    if (status != RHEI_OK)
        return status;
    layout = (struct layout){.base = before->memory};
    lay_out(before, &layout, patches);
    return RHEI_OK;
}

void mirror_before_close(struct mirror_before *before)
{
    mirror_memory_free(&before->table->mirror->memory, before->memory, before->memory_size);
    before->memory = NULL;
}

/* ---- Sinks. ---------------------------------------------------------------------------------------------------------- */

rhei_status mirror_set_sink(struct mirror *mirror, uint32_t id, const struct mirror_sink *sink,
                            struct rhei_error *error)
{
    struct mirror_table *table = mirror_table_find(mirror, id);
    if (table == NULL)
        return error_set(error, RHEI_NOT_FOUND, "the column store has no table %u", id);
    table->sink = sink == NULL ? (struct mirror_sink){0} : *sink;
    mirror_begun_free(table);
    return RHEI_OK;
}

bool mirror_has_sink(struct mirror *mirror, uint32_t id)
{
    const struct mirror_table *table = mirror_table_find(mirror, id);
    return table != NULL && mirror_table_has_sink(table);
}

void mirror_sink_fail(struct mirror_table *table, rhei_status status)
{
    struct mirror_sink sink = table->sink;
    if (!mirror_table_has_sink(table))
        return;
    table->sink = (struct mirror_sink){0};
    mirror_begun_free(table);
    if (sink.failed != NULL)
        sink.failed(sink.context, table->definition.id, status);
}

static void give(struct mirror_table *table, const struct mirror_ended_some *versions)
{
    struct mirror *mirror = table->mirror;
    struct mirror_segment *held = mirror->held_segments;
    uint32_t count = mirror->held_count;
    if (table->sink.ended_some == NULL || versions->count == 0)
        return;
    mirror->held_segments = NULL; /* what the sink's own writing lets go of (6.) */
    rhei_status status = table->sink.ended_some(table->sink.context, versions);
    BASE_INVARIANT(mirror->held_segments == NULL);
    mirror->held_segments = held;
    mirror->held_count = count;
    if (status != RHEI_OK)
        mirror_sink_fail(table, status);
}

static void hand_over(struct mirror_before *before, uint8_t how, int64_t began, int64_t ended, size_t change)
{
    struct mirror_table *table = before->table;
    uint32_t columns = mirror_table_columns(table);
    if (table->sink.ended == NULL)
        return;
    struct mirror_ended version = {.table = table->definition.id,
                                   .how = how,
                                   .column_count = columns,
                                   .row = before->row,
                                   .change = change,
                                   .began = began,
                                   .ended = ended};
    rhei_status status = table->sink.ended(table->sink.context, &version);
    if (status != RHEI_OK)
        mirror_sink_fail(table, status);
}

/* ---- Many versions at once. ------------------------------------------------------------------------------------------- */

/* Rows that lie in one segment are read together, column by column. */
static void read_some(struct mirror_before *before)
{
    uint32_t columns = mirror_table_columns(before->table);
    for (uint32_t c = 0; c < columns; c++)
        before->old_columns[c] = before->old + (size_t)c * before->capacity;
    for (size_t k = 0, end; k < before->some; k = end) {
        const struct mirror_segment *segment = before->segments[k];
        for (end = k + 1; end < before->some && before->segments[end] == segment && segment != NULL;)
            end++;
        for (uint32_t c = 0; c < columns; c++) {
            struct rhei_value *values = before->old + (size_t)c * before->capacity + k;
            if (segment != NULL)
                mirror_segment_values(segment, c, &before->places[k], end - k, values);
            else
                *values = before->columns[c][before->replaced[k]];
        }
    }
}

static bool is_unreadable(const struct mirror_segment *segment)
{
    return segment != NULL && atomic_load_explicit(&segment->damaged, memory_order_relaxed);
}

/* All columns of the segments were read: leaves out versions of those that couldn't be (5.). */
static void leave_out_unreadable(struct mirror_before *before)
{
    size_t kept = 0;
    for (size_t k = 0; k < before->some; k++) {
        if (is_unreadable(before->segments[k]))
            continue;
        for (uint32_t c = 0; c < mirror_table_columns(before->table) && kept < k; c++) {
            struct rhei_value *values = before->old + (size_t)c * before->capacity;
            values[kept] = values[k];
        }
        before->segments[kept] = before->segments[k];
        before->replaced[kept] = before->replaced[k];
        before->how[kept] = before->how[k];
        before->change[kept++] = before->change[k];
    }
    before->some = kept;
}

static void hand_over_some(struct mirror_before *before)
{
    struct mirror_table *table = before->table;
    read_some(before);
    if (atomic_load_explicit(&table->mirror->damages, memory_order_acquire) > 0)
        leave_out_unreadable(before);
    struct mirror_ended_some versions = {.table = table->definition.id,
                                         .column_count = mirror_table_columns(table),
                                         .count = before->some,
                                         .columns = before->old_columns,
                                         .how = before->how,
                                         .change = before->change,
                                         .replaced = before->replaced};
    for (size_t k = 0; k < before->some; k++) /* rows of the batch, not of the chunk */
        before->replaced[k] += before->replaced[k] < 0 ? 0 : before->first;
    give(table, &versions);
    before->some = 0;
}

static void note_version(struct mirror_before *before, const struct mirror_segment *segment, uint32_t place,
                         int64_t replaced, uint8_t how, size_t change)
{
    size_t k = before->some++;
    BASE_INVARIANT(k < before->capacity && (segment == NULL) == (replaced >= 0));
    before->segments[k] = segment;
    before->places[k] = place;
    before->replaced[k] = replaced;
    before->how[k] = how;
    before->change[k] = (uint32_t)change;
}

static void read_stored(const struct mirror_table *table, const struct mirror_segment *segment, uint32_t place,
                        struct rhei_value *row)
{
    for (uint32_t c = 0; c < mirror_table_columns(table); c++)
        mirror_segment_value(segment, c, place, &row[c]);
}

/* False: the sink was taken off. */
static bool clear_row(struct mirror_before *before, const struct mirror_segment *segment, uint32_t number,
                      uint32_t place, int64_t seq, size_t change)
{
    struct mirror_table *table = before->table;
    if (before->old != NULL) {
        note_version(before, segment, place, -1, CHANGE_CLEAR, change);
        if (before->some == before->capacity)
            hand_over_some(before);
        return mirror_table_has_sink(table);
    }
    /* a segment with a map was compacted: none of its rows began in this cycle */
    int64_t began = segment->map == NULL ? mirror_begun_find(table, number << 16 | place) : MIRROR_NO_SEQUENCE;
    read_stored(table, segment, place, before->row);
    hand_over(before, CHANGE_CLEAR, began, seq, change);
    return mirror_table_has_sink(table);
}

void mirror_before_clear(struct mirror_before *before, int64_t seq, size_t change)
{
    struct mirror_table *table = before->table;
    uint32_t number = 0;
    const struct mirror_segment *segment;
    bool wanted = mirror_table_has_sink(table);
    for (; wanted && (segment = mirror_trie_next(&table->segments, &number)) != NULL; number++) {
        const struct mirror_deletions *deletions = mirror_trie_get(&table->deletions, number);
        uint32_t rows = segment == table->tail.segment ? table->tail.rows : segment->rows;
        mirror_segment_hold(segment);
        for (uint32_t place = 0; place < rows && wanted; place++)
            if (!mirror_is_dead(deletions, place))
                wanted = clear_row(before, segment, number, place, seq, change);
        if (before->some > 0)
            hand_over_some(before);
        mirror_segment_let_go(segment);
    }
}

/* ---- One chunk. ------------------------------------------------------------------------------------------------------ */

static bool same_key(const struct mirror_before *before, size_t a, size_t b)
{
    const struct source_table *definition = &before->table->definition;
    for (uint32_t k = 0; k < definition->key_count; k++) {
        const struct rhei_value *values = before->columns[definition->key_columns[k]];
        if (!mirror_value_equal(&values[a], &values[b]))
            return false;
    }
    return true;
}

/* Enters a row; the last one before it with the same key, or -1. */
static int64_t enter(struct mirror_before *before, size_t row)
{
    before->overtaken[row] = false;
    if (before->ascending)
        return -1;
    uint64_t hash = mirror_key_hash(before->table, before->columns, row);
    uint32_t *head = &before->heads[hash % MIRROR_BEFORE_HEADS], at = *head;
    before->hashes[row] = hash;
    before->earlier[row] = at;
    *head = (uint32_t)row + 1;
    while (at != 0 && !(before->hashes[at - 1] == hash && same_key(before, at - 1, row)))
        at = before->earlier[at - 1];
    if (at == 0)
        return -1;
    before->overtaken[at - 1] = true;
    return (int64_t)at - 1;
}

static const uint32_t *find_cell(const struct mirror_before *before, size_t row)
{
    static const struct mirror_pending none = {0};
    struct mirror_probe probe = {.columns = before->columns,
                                 .row = row,
                                 .hash = before->ascending ? 0 : before->hashes[row], /* integers have none */
                                 .pending = &none};
    return mirror_index_find(before->table, &probe);
}

/* The key's row before this change, into before->row; false: there is none. *began: when it did, if that is known. */
static bool old_row(struct mirror_before *before, size_t row, int64_t *began)
{
    struct mirror_table *table = before->table;
    int64_t earlier = enter(before, row);
    if (earlier >= 0) {
        if (before->rows.op != NULL && before->rows.op[earlier] == CHANGE_DELETE)
            return false;
        for (uint32_t c = 0; c < mirror_table_columns(table); c++)
            before->row[c] = before->columns[c][earlier];
        *began = before->rows.seq == NULL ? MIRROR_NO_SEQUENCE : before->rows.seq[earlier];
        return true;
    }
    const uint32_t *cell = find_cell(before, row);
    if (cell == NULL)
        return false;
    uint32_t row_id = *cell - 1;
    struct mirror_segment *segment = mirror_table_segment(table, row_id >> 16);
    mirror_writer_hold(table->mirror, segment); /* until the chunk has been applied */
    read_stored(table, segment, mirror_segment_place(segment, row_id & 0xffff), before->row);
    *began = mirror_begun_find(table, row_id);
    return true;
}

/* What a patch leaves as it is comes from the old row. */
static void fill_up(struct mirror_before *before, size_t batch_row, size_t row)
{
    for (uint32_t c = 0; c < mirror_table_columns(before->table); c++) {
        if (!change_batch_unchanged(before->from, batch_row, c))
            continue;
        BASE_INVARIANT(row < before->capacity);
        size_t at = (size_t)c * before->capacity + row;
        struct rhei_value value = before->row[c];
        if (value.type >= RHEI_TEXT && value.length > 0 && value.length <= SHORT_BYTES) {
            char *bytes = before->shorts + at * SHORT_BYTES;
            memcpy(bytes, value.as.bytes, value.length);
            value.as.bytes = bytes;
        }
        before->values[at] = value;
    }
    before->op[row] = CHANGE_UPSERT;
}

/* Keys that come in order, as those of a statement that changes many rows do. */
static bool keys_ascend(const struct mirror_before *before, size_t count)
{
    const struct source_table *definition = &before->table->definition;
    if (!before->table->index.by_integer)
        return false;
    const struct rhei_value *keys = before->columns[definition->key_columns[0]];
    bool ascend = keys[0].type == RHEI_INTEGER;
    for (size_t i = 1; i < count && ascend; i++)
        ascend = keys[i].type == RHEI_INTEGER && keys[i - 1].as.integer < keys[i].as.integer;
    return ascend;
}

/* Does a patch of the chunk leave the column as it was? */
static bool leaves_out(const struct change_batch *from, size_t first, size_t count, uint32_t column)
{
    bool any = false;
    for (size_t i = first; i < first + count && !any; i++)
        any = from->op[i] == CHANGE_PATCH && change_batch_unchanged(from, i, column);
    return any;
}

/* Columns that are the batch's own stay so: a sink may still change them. */
static void begin_chunk(struct mirror_before *before, size_t first, size_t count)
{
    const struct change_batch *from = before->from;
    before->first = (int64_t)first;
    before->some = 0;
    for (uint32_t c = 0; c < from->column_count; c++) {
        before->columns[c] = from->columns[c] + first;
        if (before->values == NULL || !leaves_out(from, first, count, c))
            continue;
        struct rhei_value *values = before->values + (size_t)c * before->capacity;
        memcpy(values, from->columns[c] + first, count * sizeof *values);
        before->columns[c] = values;
    }
    if (before->op != NULL)
        memcpy(before->op, from->op + first, count);
    before->ascending = keys_ascend(before, count);
    if (!before->ascending)
        memset(before->heads, 0, MIRROR_BEFORE_HEADS * sizeof *before->heads);
    before->rows = *from;
    before->rows.columns = before->columns;
    before->rows.row_count = count;
    before->rows.op = before->op != NULL ? before->op : from->op == NULL ? NULL : from->op + first;
    before->rows.seq = from->seq == NULL ? NULL : from->seq + first;
    before->rows.unchanged = NULL;
}

/* Index cells that rows far enough ahead will want. */
static void look_ahead(const struct mirror_before *before, size_t row, size_t rows)
{
    struct mirror_probe probe = {.columns = before->columns, .row = row + AHEAD_ROWS};
    if (before->table->index.by_integer && probe.row < rows)
        mirror_index_prefetch(before->table, &probe);
}

/* The row that the change at i ends is noted, and what a patch leaves as it is is in before->row then. False: there is none. */
static bool look_up(struct mirror_before *before, size_t first, size_t i, uint8_t how)
{
    struct mirror_table *table = before->table;
    const uint8_t *ops = before->rows.op;
    bool patch = how == CHANGE_PATCH;
    uint8_t ends_by = patch ? CHANGE_UPSERT : how; /* what it comes to */
    int64_t earlier = enter(before, i);
    if (earlier >= 0) {
        if (ops != NULL && ops[earlier] == CHANGE_DELETE)
            return false;
        note_version(before, NULL, 0, earlier, ends_by, first + i);
        for (uint32_t c = 0; c < mirror_table_columns(table) && patch; c++)
            before->row[c] = before->columns[c][earlier];
        return true;
    }
    const uint32_t *cell = find_cell(before, i);
    if (cell == NULL)
        return false;
    struct mirror_segment *segment = mirror_table_segment(table, (*cell - 1) >> 16);
    uint32_t place = mirror_segment_place(segment, (*cell - 1) & 0xffff);
    mirror_writer_hold(table->mirror, segment); /* until the chunk has been applied */
    note_version(before, segment, place, -1, ends_by, first + i);
    for (uint32_t c = 0; c < mirror_table_columns(table) && patch; c++)
        if (change_batch_unchanged(before->from, first + i, c))
            mirror_segment_value(segment, c, place, &before->row[c]);
    return true;
}

/* 6. */
static bool holds_enough(const struct mirror_before *before)
{
    return before->table->mirror->held_count >= MOST_HELD;
}

/*
 * Rows are looked up first, and read and handed over together then; patches are whole rows by that time. *rows: of the chunk, and how many of them it is of
 * then.
 */
static rhei_status chunk_together(struct mirror_before *before, size_t first, size_t *rows)
{
    const uint8_t *ops = before->rows.op;
    size_t i = 0;
    for (; i < *rows && !holds_enough(before); i++) {
        uint8_t how = ops == NULL ? CHANGE_UPSERT : ops[i];
        look_ahead(before, i, *rows);
        bool there = look_up(before, first, i, how);
        if (how != CHANGE_PATCH)
            continue;
        if (!there || before->values == NULL)
            return RHEI_NOT_FOUND;
        fill_up(before, first + i, i);
    }
    *rows = i;
    hand_over_some(before);
    return RHEI_OK;
}

static rhei_status chunk_one_by_one(struct mirror_before *before, size_t first, size_t *rows)
{
    const struct change_batch *from = before->from;
    size_t i = 0;
    for (; i < *rows && !holds_enough(before); i++) {
        uint8_t how = from->op == NULL ? CHANGE_UPSERT : from->op[first + i];
        int64_t began = MIRROR_NO_SEQUENCE;
        bool there = old_row(before, i, &began);
        if (how == CHANGE_PATCH && (!there || before->values == NULL))
            return RHEI_NOT_FOUND;
        if (there)
            hand_over(before, how, began, from->seq == NULL ? MIRROR_NO_SEQUENCE : from->seq[first + i], first + i);
        if (how == CHANGE_PATCH)
            fill_up(before, first + i, i);
    }
    *rows = i;
    return RHEI_OK;
}

rhei_status mirror_before_chunk(struct mirror_before *before, size_t first, size_t *end)
{
    size_t rows = *end - first;
    BASE_INVARIANT(first < *end && rows <= before->capacity && *end <= before->from->row_count);
    begin_chunk(before, first, rows);
    bool together = before->old != NULL && mirror_table_has_sink(before->table);
    rhei_status status = together ? chunk_together(before, first, &rows) : chunk_one_by_one(before, first, &rows);
    BASE_INVARIANT(status != RHEI_OK || rows > 0);
    before->rows.row_count = rows;
    *end = first + rows;
    return status;
}

void mirror_before_applied(struct mirror_before *before)
{
    struct mirror_table *table = before->table;
    const struct change_batch *rows = &before->rows;
    if (table->sink.no_began)
        return;
    for (size_t i = 0; i < rows->row_count && mirror_table_has_sink(table); i++) {
        if (before->overtaken[i] || (rows->op != NULL && rows->op[i] == CHANGE_DELETE))
            continue;
        const uint32_t *cell = find_cell(before, i);
        BASE_INVARIANT(cell != NULL);
        mirror_begun_set(table, *cell - 1, rows->seq == NULL ? MIRROR_NO_SEQUENCE : rows->seq[i]);
    }
}
