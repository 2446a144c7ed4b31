/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of a table: two tables of the mirror beside it, which change and are published with it.
 *
 *   1. NAME_history_open has the version of each row that is valid now, by the table's key; NAME_history_ended has every version
 *      that ended, whole, in the order of their ends (what mirror_sink hands over), and is only ever appended to. Both have the table's
 *      columns and those of HISTORY_COLUMNS. Together they are the history (A9).
 *   2. A change that leaves a row as it was makes no version: the one that is valid goes on.
 *   3. What ended a row (DELETE) is a version too, of operation D: the row as it was, valid for no time at all.
 *   4. Times are those of the changes, but never fall within a table; the sequence orders versions of equal times.
 *   5. A load's rows begin when it was begun. A history that can't go on goes, with a reason in the log; its table stays.
 */
#include "sync_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_arena.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum { SINCE, UNTIL, OPERATION, SEQUENCE, ENDED_AT, HISTORY_COLUMNS }; /* behind the table's own */
enum { OPEN_BIT = 1 << (TABLE_SOURCE_SHIFT - 1), OWN_BITS = OPEN_BIT - 1 };

struct loading {              /* one loader's */
    struct rhei_value *cells; /* [HISTORY_COLUMNS][room] */
    size_t room;
    const struct rhei_value **columns;
};

struct sync_history {
    char *name; /* the table's */
    struct base_arena names;
    struct source_table open, ended;
    uint32_t visible;  /* columns of the table that the history has: all but a hidden rowid, which is the last */
    bool hidden_rowid; /* the open table has it, as its key */
    int64_t clock_us;  /* newest time given */
    int64_t next_row;
    bool attached;

    struct mirror_build *building;
    struct loading *loading;
    uint32_t loaders;
    int64_t load_position;

    struct rhei_value *cells; /* [HISTORY_COLUMNS][room], of the batch at hand */
    size_t room;
    const struct rhei_value **columns; /* [columns of the open table] */
    const struct change_batch *batch;

    struct base_arena texts;
    struct rhei_value **rows; /* [columns of the ended table][row_room]: versions that ended in the batch */
    size_t row_count, row_room;
};

static const struct rhei_value operations[] = {{.type = RHEI_TEXT, .length = 1, .as.bytes = "I"},
                                               {.type = RHEI_TEXT, .length = 1, .as.bytes = "U"},
                                               {.type = RHEI_TEXT, .length = 1, .as.bytes = "D"}};
enum { INSERTED, UPDATED, DELETED };

static struct rhei_value integer(int64_t value)
{
    return (struct rhei_value){.type = RHEI_INTEGER, .as.integer = value};
}

/* ---- What its tables look like. ------------------------------------------------------------------------------------ */

static const char *suffixed(struct base_arena *arena, const char *name, const char *suffix)
{
    size_t len = strlen(name), more = strlen(suffix) + 1;
    char *text = base_arena_alloc(arena, len + more);
    if (text == NULL)
        return NULL;
    memcpy(text, name, len);
    memcpy(text + len, suffix, more);
    return text;
}

static bool copy_column(struct base_arena *arena, const struct source_column *from, struct source_column *to)
{
    *to = *from;
    to->name = base_arena_text(arena, from->name);
    to->declared_type = base_arena_text(arena, from->declared_type);
    to->collation = base_arena_text(arena, from->collation == NULL ? "BINARY" : from->collation);
    to->generated = to->not_null = to->is_rowid_alias = false;
    return to->name != NULL && to->declared_type != NULL && to->collation != NULL;
}

static void own_columns(struct source_column *at)
{
    static const struct source_column own[HISTORY_COLUMNS] = {
        [SINCE] = {.name = "_rhei_valid_from", .declared_type = "INTEGER", .affinity = AFFINITY_INTEGER},
        [UNTIL] = {.name = "_rhei_valid_to", .declared_type = "INTEGER", .affinity = AFFINITY_INTEGER},
        [OPERATION] = {.name = "_rhei_operation", .declared_type = "TEXT", .affinity = AFFINITY_TEXT},
        [SEQUENCE] = {.name = "_rhei_seq", .declared_type = "INTEGER", .affinity = AFFINITY_INTEGER},
        [ENDED_AT] = {.name = "_rhei_ended_seq", .declared_type = "INTEGER", .affinity = AFFINITY_INTEGER},
    };
    for (int c = 0; c < HISTORY_COLUMNS; c++) {
        at[c] = own[c];
        at[c].collation = "BINARY";
    }
}

static bool define(struct sync_history *history, const struct source_table *table)
{
    struct base_arena *arena = &history->names;
    uint32_t count = table->column_count;
    history->hidden_rowid = count > 0 && table->columns[count - 1].is_rowid;
    history->visible = count - history->hidden_rowid;
    struct source_column *columns = base_arena_zero(arena, history->visible + HISTORY_COLUMNS + 1, sizeof *columns);
    struct source_column *ended = base_arena_zero(arena, history->visible + HISTORY_COLUMNS + 1, sizeof *ended);
    uint32_t *keys = base_arena_zero(arena, table->key_count + 1, sizeof *keys);
    uint32_t *row = base_arena_zero(arena, 1, sizeof *row);
    bool ok = columns != NULL && ended != NULL && keys != NULL && row != NULL;
    for (uint32_t c = 0; ok && c < history->visible; c++)
        ok = copy_column(arena, &table->columns[c], &columns[c]);
    if (!ok)
        return false;
    own_columns(columns + history->visible);
    uint32_t last = history->visible + HISTORY_COLUMNS;
    columns[last] = (struct source_column){.name = "rowid",
                                           .declared_type = "INTEGER",
                                           .collation = "BINARY",
                                           .affinity = AFFINITY_INTEGER,
                                           .is_rowid = true};
    memcpy(ended, columns, (last + 1) * sizeof *columns);
    for (uint32_t k = 0; k < table->key_count; k++)
        keys[k] = table->key_columns[k] == history->visible ? last : table->key_columns[k];
    *row = last;
    uint32_t base = (TABLE_HISTORY | table->id >> TABLE_SOURCE_SHIFT) << TABLE_SOURCE_SHIFT | (table->id & OWN_BITS);
    history->open = (struct source_table){.id = base | OPEN_BIT,
                                          .name = suffixed(arena, table->name, "_history_open"),
                                          .column_count = last + history->hidden_rowid,
                                          .columns = columns,
                                          .key_count = table->key_count,
                                          .key_columns = keys,
                                          .key_is_integer = table->key_is_integer,
                                          .without_rowid = !history->hidden_rowid,
                                          .estimated_rows = -1};
    history->ended = (struct source_table){.id = base,
                                           .name = suffixed(arena, table->name, "_history_ended"),
                                           .column_count = last + 1,
                                           .columns = ended,
                                           .key_count = 1,
                                           .key_columns = row,
                                           .key_is_integer = true,
                                           .estimated_rows = -1};
    return history->open.name != NULL && history->ended.name != NULL;
}

rhei_status sync_history_new(struct sync *sync, const struct source_table *table, struct sync_history **history,
                             struct rhei_error *error)
{
    *history = NULL;
    if (!sync_keeps_history(sync, table))
        return RHEI_OK;
    struct sync_history *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->name = base_strdup(table->name);
    bool ok = made->name != NULL && define(made, table);
    if (ok) {
        made->columns = base_alloc_zero(made->open.column_count, sizeof *made->columns);
        made->rows = base_alloc_zero(made->ended.column_count, sizeof *made->rows);
        ok = made->columns != NULL && made->rows != NULL;
    }
    if (!ok)
        sync_history_free(&made);
    *history = made;
    return ok ? RHEI_OK : error_no_memory(error);
}

static void loading_free(struct sync_history *history)
{
    for (uint32_t l = 0; history->loading != NULL && l < history->loaders; l++) {
        base_free(history->loading[l].cells);
        base_free(history->loading[l].columns);
    }
    base_free(history->loading);
    history->loading = NULL;
    mirror_build_abandon(&history->building);
}

void sync_history_free(struct sync_history **slot)
{
    struct sync_history *history = *slot;
    *slot = NULL;
    if (history == NULL)
        return;
    loading_free(history);
    for (uint32_t c = 0; history->rows != NULL && c < history->ended.column_count; c++)
        base_free(history->rows[c]);
    base_free(history->rows);
    base_free(history->columns);
    base_free(history->cells);
    base_free(history->name);
    base_arena_reset(&history->texts);
    base_arena_reset(&history->names);
    base_free(history);
}

/* ---- Rows as the open table has them. ------------------------------------------------------------------------------ */

/* The batch's columns, with `cells` behind them. */
static void widen(const struct sync_history *history, const struct change_batch *batch, const struct rhei_value *cells,
                  size_t room, const struct rhei_value **columns, struct change_batch *wide)
{
    *wide = *batch;
    wide->table = history->open.id;
    wide->column_count = history->open.column_count;
    wide->columns = columns;
    for (uint32_t c = 0; c < history->visible; c++)
        columns[c] = batch->columns[c];
    for (uint32_t c = 0; c < HISTORY_COLUMNS; c++)
        columns[history->visible + c] = cells + c * room;
    if (history->hidden_rowid)
        columns[history->visible + HISTORY_COLUMNS] = batch->columns[history->visible];
}

static bool cells_room(struct rhei_value **cells, size_t *room, size_t rows)
{
    if (rows <= *room)
        return true;
    base_free(*cells);
    *cells = base_alloc_zero(rows * HISTORY_COLUMNS, sizeof **cells); /* all NULL */
    *room = *cells == NULL ? 0 : rows;
    return *cells != NULL;
}

/* ---- A load. ------------------------------------------------------------------------------------------------------- */

rhei_status sync_history_load_begin(struct sync *sync, struct sync_history *history, uint32_t loaders, int64_t position,
                                    struct rhei_error *error)
{
    history->loaders = loaders;
    history->load_position = position;
    history->loading = base_alloc_zero(loaders, sizeof *history->loading);
    if (history->loading == NULL)
        return error_no_memory(error);
    history->clock_us = base_wall_ms() * 1000;
    return mirror_build_begin(sync->config.mirror, &history->open, loaders, &history->building, error);
}

rhei_status sync_history_load(struct sync_history *history, uint32_t loader, const struct change_batch *batch,
                              struct rhei_error *error)
{
    struct loading *loading = &history->loading[loader];
    struct change_batch wide;
    if (loading->columns == NULL)
        loading->columns = base_alloc_zero(history->open.column_count, sizeof *loading->columns);
    size_t had = loading->room;
    if (loading->columns == NULL || !cells_room(&loading->cells, &loading->room, batch->row_count))
        return error_no_memory(error);
    for (size_t r = 0; r < loading->room && loading->room != had; r++) {
        loading->cells[SINCE * loading->room + r] = integer(history->clock_us);
        loading->cells[OPERATION * loading->room + r] = operations[INSERTED];
        loading->cells[SEQUENCE * loading->room + r] = integer(history->load_position);
    }
    widen(history, batch, loading->cells, loading->room, loading->columns, &wide);
    return mirror_build_append(history->building, loader, &wide, error);
}

/* ---- Versions that end. -------------------------------------------------------------------------------------------- */

static rhei_status rows_room(struct sync_history *history, size_t count)
{
    if (count <= history->row_room)
        return RHEI_OK;
    size_t room = history->row_room < 64 ? 64 : 2 * history->row_room;
    for (uint32_t c = 0; c < history->ended.column_count; c++) {
        struct rhei_value *grown = base_realloc(history->rows[c], room * sizeof *grown);
        if (grown == NULL)
            return RHEI_NO_MEMORY;
        history->rows[c] = grown;
    }
    history->row_room = room;
    return RHEI_OK;
}

static const struct rhei_value *operation_of(const struct rhei_value *stored)
{
    return memcmp(stored->as.bytes, "I", 1) == 0 ? &operations[INSERTED] : &operations[UPDATED];
}

/* The version's own columns. */
static rhei_status keep_row(struct sync_history *history, const struct rhei_value *row)
{
    rhei_status status = rows_room(history, history->row_count + 1);
    for (uint32_t c = 0; c < history->visible && status == RHEI_OK; c++) {
        struct rhei_value value = row[c];
        if (value.type >= RHEI_TEXT && value.length > 0) {
            void *copy = base_arena_alloc(&history->texts, value.length);
            if (copy == NULL)
                return RHEI_NO_MEMORY;
            value.as.bytes = memcpy(copy, value.as.bytes, value.length);
        }
        history->rows[c][history->row_count] = value;
    }
    return status;
}

static void close_row(struct sync_history *history, struct rhei_value since, struct rhei_value until,
                      struct rhei_value operation, struct rhei_value seq, struct rhei_value ended)
{
    struct rhei_value **own = history->rows + history->visible;
    size_t at = history->row_count++;
    own[SINCE][at] = since;
    own[UNTIL][at] = until;
    own[OPERATION][at] = operation;
    own[SEQUENCE][at] = seq;
    own[ENDED_AT][at] = ended;
    own[HISTORY_COLUMNS][at] = integer(history->next_row++);
}

static bool same_value(const struct rhei_value *a, const struct rhei_value *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == RHEI_INTEGER || a->type == RHEI_REAL)
        return memcmp(&a->as, &b->as, sizeof a->as) == 0;
    return a->type == RHEI_NULL ||
           (a->length == b->length && (a->length == 0 || memcmp(a->as.bytes, b->as.bytes, a->length) == 0));
}

static rhei_status version_ended(void *context, const struct mirror_ended *version)
{
    struct sync_history *history = context;
    const struct rhei_value *own = version->row + history->visible;
    struct rhei_value *cells = history->cells + version->change;
    bool same = version->how == CHANGE_UPSERT;
    for (uint32_t c = 0; c < history->visible && same; c++)
        same = same_value(&version->row[c], &history->batch->columns[c][version->change]);
    if (same) { /* 2. */
        cells[SINCE * history->room] = own[SINCE];
        cells[OPERATION * history->room] = *operation_of(&own[OPERATION]);
        cells[SEQUENCE * history->room] = own[SEQUENCE];
        return RHEI_OK;
    }
    struct rhei_value until = cells[SINCE * history->room], ended = cells[SEQUENCE * history->room];
    cells[OPERATION * history->room] = operations[UPDATED];
    rhei_status status = keep_row(history, version->row);
    if (status != RHEI_OK)
        return status;
    close_row(history, own[SINCE], until, *operation_of(&own[OPERATION]), own[SEQUENCE], ended);
    if (version->how == CHANGE_UPSERT)
        return RHEI_OK;
    status = keep_row(history, version->row); /* 3. */
    if (status == RHEI_OK)
        close_row(history, until, until, operations[DELETED], ended, ended);
    return status;
}

/* ---- With its table. ----------------------------------------------------------------------------------------------- */

static rhei_status attach_ended(struct sync *sync, struct sync_history *history, struct rhei_error *error)
{
    struct mirror_build *build = NULL;
    rhei_status status = mirror_build_begin(sync->config.mirror, &history->ended, 1, &build, error);
    return status == RHEI_OK ? mirror_build_attach(&build, error) : status;
}

rhei_status sync_history_attach(struct sync *sync, struct sync_history *history, struct rhei_error *error)
{
    struct mirror_sink sink = {.ended = version_ended, .context = history};
    rhei_status status = mirror_build_attach(&history->building, error);
    loading_free(history);
    history->attached = status == RHEI_OK;
    if (status == RHEI_OK)
        status = attach_ended(sync, history, error);
    if (status == RHEI_OK)
        status = mirror_set_sink(sync->config.mirror, history->open.id, &sink, error);
    if (status != RHEI_OK)
        sync_history_drop(sync, history);
    return status;
}

void sync_history_drop(struct sync *sync, struct sync_history *history)
{
    if (history == NULL || !history->attached)
        return;
    mirror_drop(sync->config.mirror, history->open.id);
    mirror_drop(sync->config.mirror, history->ended.id);
    history->attached = false;
}

/* When each change was made, by a clock that doesn't fall (4.), and by what number. */
static void date_changes(struct sync_history *history, const struct change_batch *batch)
{
    int64_t now = batch->time_us == NULL ? base_wall_ms() * 1000 : 0;
    struct rhei_value *since = history->cells + SINCE * history->room;
    struct rhei_value *operation = history->cells + OPERATION * history->room;
    struct rhei_value *seq = history->cells + SEQUENCE * history->room;
    for (size_t r = 0; r < batch->row_count; r++) {
        int64_t time = batch->time_us == NULL ? now : batch->time_us[r];
        history->clock_us = time > history->clock_us ? time : history->clock_us;
        since[r] = integer(history->clock_us);
        operation[r] = operations[INSERTED]; /* until the sink says that there was a row */
        seq[r] = integer(batch->seq == NULL ? 0 : batch->seq[r]);
    }
}

static rhei_status append_ended(struct sync *sync, struct sync_history *history, struct rhei_error *error)
{
    struct change_batch batch = {.table = history->ended.id,
                                 .column_count = history->ended.column_count,
                                 .row_count = history->row_count,
                                 .columns = (const struct rhei_value *const *)history->rows};
    return history->row_count == 0 ? RHEI_OK : mirror_apply(sync->config.mirror, &batch, NULL, error);
}

rhei_status sync_history_apply(struct sync *sync, struct sync_history *history, const struct change_batch *batch,
                               struct rhei_error *error)
{
    struct change_batch wide;
    rhei_status status = RHEI_OK;
    if (!history->attached)
        return RHEI_OK;
    if (batch->unchanged != NULL)
        status = error_set(error, RHEI_UNSUPPORTED, "a source that tells single columns keeps no history");
    else if (!cells_room(&history->cells, &history->room, batch->row_count))
        status = error_no_memory(error);
    if (status == RHEI_OK) {
        date_changes(history, batch);
        history->batch = batch;
        history->row_count = 0;
        widen(history, batch, history->cells, history->room, history->columns, &wide);
        status = mirror_apply(sync->config.mirror, &wide, NULL, error);
        if (status == RHEI_OK && !mirror_has_sink(sync->config.mirror, history->open.id))
            status = error_no_memory(error);
        if (status == RHEI_OK)
            status = append_ended(sync, history, error);
        base_arena_clear(&history->texts);
    }
    if (status != RHEI_OK)
        sync_history_drop(sync, history);
    return status;
}
