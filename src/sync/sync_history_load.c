/* SPDX-License-Identifier: Apache-2.0 */
/* What the tables of a history look like, which generation of it a load goes on with, and the load itself. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "sync_book.h"
#include "sync_history_past.h"

struct loading {              /* one loader's */
    struct rhei_value *cells; /* [HISTORY_COLUMNS][room] */
    size_t room;
    const struct rhei_value **columns;
};

static struct rhei_value integer(int64_t value)
{
    return history_integer(value);
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

const char *sync_history_clash(const struct source_table *table)
{
    struct source_column own[HISTORY_COLUMNS];
    own_columns(own);
    for (uint32_t c = 0; c < table->column_count; c++) {
        const char *name = table->columns[c].name;
        for (int h = 0; h < HISTORY_COLUMNS; h++)
            if (base_fold_compare(name, own[h].name) == 0)
                return name;
        if (base_fold_compare(name, HISTORY_ROWID) == 0)
            return name;
    }
    return NULL;
}

bool history_define(const struct sync *sync, struct sync_history *history, const struct source_table *table,
                    const struct source_table *open, const struct source_table *ended_before, const char *root)
{
    struct base_arena *arena = &history->names;
    uint32_t count = table->column_count;
    history->hidden_rowid = count > 0 && table->columns[count - 1].is_rowid;
    history->visible = count - history->hidden_rowid;
    struct source_column *columns = base_arena_zero(arena, history->visible + HISTORY_COLUMNS + 1, sizeof *columns);
    struct source_column *ended = base_arena_zero(arena, history->visible + HISTORY_COLUMNS + 2, sizeof *ended);
    uint32_t *keys = base_arena_zero(arena, table->key_count + 1, sizeof *keys);
    uint32_t *row = base_arena_zero(arena, 1, sizeof *row);
    bool ok = columns != NULL && ended != NULL && keys != NULL && row != NULL;
    for (uint32_t c = 0; ok && c < history->visible; c++)
        ok = copy_column(arena, open != NULL ? &open->columns[c] : &table->columns[c], &columns[c]);
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
    uint32_t row_column = last + history->hidden_rowid;
    ended[row_column] = columns[last];
    if (history->hidden_rowid) {
        ended[last].name = HISTORY_ROWID;
        ended[last].is_rowid = false;
    }
    for (uint32_t k = 0; k < table->key_count; k++)
        keys[k] = table->key_columns[k] == history->visible ? last : table->key_columns[k];
    *row = row_column;
    history->open = (struct source_table){.id = sync_book_open_id(sync, history->number),
                                          .name = open != NULL ? base_arena_text(arena, open->name)
                                                               : suffixed(arena, root, HISTORY_OPEN),
                                          .column_count = last + history->hidden_rowid,
                                          .columns = columns,
                                          .key_count = table->key_count,
                                          .key_columns = keys,
                                          .key_is_integer = table->key_is_integer,
                                          .without_rowid = !history->hidden_rowid,
                                          .estimated_rows = -1};
    history->ended = (struct source_table){.id = sync_book_ended_id(sync, history->number),
                                           .name = ended_before != NULL ? base_arena_text(arena, ended_before->name)
                                                                        : suffixed(arena, root, HISTORY_ENDED),
                                           .column_count = row_column + 1,
                                           .columns = ended,
                                           .key_count = 1,
                                           .key_columns = row,
                                           .key_is_integer = true,
                                           .estimated_rows = -1};
    if (history->open.name == NULL || history->ended.name == NULL)
        return false;
    history->columns = base_alloc_zero(history->open.column_count, sizeof *history->columns);
    history->rows = base_alloc_zero(history->ended.column_count, sizeof *history->rows);
    history->ending = base_alloc_zero(history->ended.column_count, sizeof *history->ending);
    return history->columns != NULL && history->rows != NULL && history->ending != NULL;
}

/* ---- Which generation. --------------------------------------------------------------------------------------------- */

bool history_same_names(const struct sync_generation *generation, const struct source_table *table)
{
    uint32_t count = table->column_count;
    count -= count > 0 && table->columns[count - 1].is_rowid;
    bool same = generation->name_count == count;
    for (uint32_t c = 0; c < count && same; c++)
        same = base_fold_compare(generation->names[c], table->columns[c].name) == 0;
    return same;
}

/* Under `lock`: of a table that went as this one came, and had its columns: this may be it, under another name. */
static const struct sync_generation *find_renamed(const struct sync *sync, const struct source_table *table)
{
    const struct sync_table *listed = sync_table_find(sync, table->id);
    for (size_t g = 0; listed != NULL && g < sync->book.count; g++) {
        const struct sync_generation *generation = sync->book.generations[g];
        bool other = generation->origin != 0 && table->origin != 0; /* else it had gone on with it */
        if (generation->current && generation->gone_us != 0 && generation->round == listed->round && !other &&
            history_same_names(generation, table))
            return generation;
    }
    return NULL;
}

/* False: no memory. */
static bool find_past(struct sync *sync, const struct source_table *table, struct sync_history *history)
{
    bool ok = true;
    base_mutex_lock(&sync->lock);
    const struct sync_generation *current = sync_book_current(sync, table->name);
    const struct sync_generation *found = current != NULL ? current : find_renamed(sync, table);
    if (found != NULL) {
        history->past = base_alloc_zero(1, sizeof *history->past);
        ok = history->past != NULL;
    }
    if (history->past != NULL) {
        history->past->number = found->number;
        history->past->another = current == NULL;
    }
    base_mutex_unlock(&sync->lock);
    return ok;
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
    if (made->name == NULL || !find_past(sync, table, made)) {
        sync_history_free(&made);
        return error_no_memory(error);
    }
    *history = made;
    return RHEI_OK;
}

void history_loading_free(struct sync_history *history)
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
    history_loading_free(history);
    history_past_free(&history->past);
    for (uint32_t c = 0; history->rows != NULL && c < history->ended.column_count; c++)
        base_free(history->rows[c]);
    base_free(history->rows);
    base_free(history->ending);
    base_free(history->version);
    base_free(history->same);
    base_free(history->columns);
    base_free(history->cells);
    base_free(history->unchanged);
    base_free(history->name);
    base_arena_reset(&history->names);
    base_free(history);
}

bool sync_history_goes_on(const struct sync_history *history)
{
    return history->past != NULL;
}

bool sync_history_tells_of_before(struct sync *sync, const struct sync_history *history, bool any)
{
    base_mutex_lock(&sync->lock);
    const struct sync_generation *past = history->past == NULL ? NULL : sync_book_find(sync, history->past->number);
    bool tells = past != NULL && past->kept_us != HISTORY_KEPT_NEVER &&
                 (any || atomic_load(&sync->position) <= history_known_position(sync, history, past));
    base_mutex_unlock(&sync->lock);
    return tells;
}

/* ---- Rows as the open table has them. ------------------------------------------------------------------------------ */

void history_widen(const struct sync_history *history, const struct change_batch *batch, const struct rhei_value *cells,
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

bool history_cells_room(struct rhei_value **cells, size_t *room, size_t rows)
{
    if (rows <= *room)
        return true;
    base_free(*cells);
    *cells = base_alloc_zero(rows * HISTORY_COLUMNS, sizeof **cells); /* all NULL */
    *room = *cells == NULL ? 0 : rows;
    return *cells != NULL;
}

/* ---- A load. ------------------------------------------------------------------------------------------------------- */

/* With the turn: a name that no table of a history has. */
static bool root_is_free(struct sync *sync, const char *root, size_t len)
{
    uint32_t base = (uint32_t)(TABLE_HISTORY | sync->config.source_number) << TABLE_SOURCE_SHIFT, id = base;
    for (; mirror_next_table(sync->config.mirror, &id) && id >> TABLE_SOURCE_SHIFT == base >> TABLE_SOURCE_SHIFT;
         id++) {
        const char *name = mirror_definition(sync->config.mirror, id)->name;
        if (base_fold_equal(name, strlen(name) < len ? strlen(name) : len, root, len) &&
            strncmp(name + len, "_history_", 9) == 0)
            return false;
    }
    return true;
}

/* The definitions that the load is made by. */
static rhei_status settle_generation(struct sync *sync, struct sync_history *history, const struct source_table *table,
                                     struct rhei_error *error)
{
    struct history_past *past = history->past;
    bool same = past != NULL && past->open != NULL && past->same_columns && !past->another;
    const struct source_table *ended = NULL;
    char root[512];
    base_mutex_lock(&sync->lock);
    history->number = same ? past->number : sync->book.next_number++;
    base_mutex_unlock(&sync->lock);
    if (history->number >= 1 << 22)
        return error_set(error, RHEI_TOO_BIG, "table \"%s\": there is no number for another history", table->name);
    BASE_INVARIANT(history->number > 0);
    (void)snprintf(root, sizeof root, "%s", table->name);
    sync_turn_take(sync);
    if (same)
        ended = mirror_definition(sync->config.mirror, sync_book_ended_id(sync, history->number));
    else if (strlen(table->name) >= sizeof root - 16 || !root_is_free(sync, root, strlen(root)))
        (void)snprintf(root, sizeof root, "%.480s_%" PRIu32, table->name, history->number);
    bool ok = history_define(sync, history, table, same ? past->definition : NULL, ended, root);
    sync_turn_give(sync);
    return ok ? RHEI_OK : error_no_memory(error);
}

/* 7. of sync_history.c. Numbers of looks, which others' sources tell, are of one state each. */
static void begin_behind(struct sync *sync, struct sync_history *history, int64_t last_change)
{
    if (sync->config.source_number != 0)
        return;
    base_mutex_lock(&sync->lock);
    const struct sync_generation *generation = sync_book_find(sync, history->past->number);
    int64_t known = generation == NULL ? 0 : history_known_position(sync, history, generation);
    bool told = generation != NULL && generation->kept_us != HISTORY_KEPT_NEVER; /* of anything before */
    base_mutex_unlock(&sync->lock);
    history->logged = last_change > known;
    if (told && history->clock_seq <= known)
        history->clock_seq = known + 1;
}

/* Times and numbers of a history never fall, whatever the clock does and whichever copy of the file this is. */
static void note_newest(struct sync *sync, struct sync_history *history, int64_t last_change)
{
    const struct history_past *past = history->past;
    if (past == NULL || past->open == NULL)
        return;
    const struct mirror_table_view *views[] = {past->open,
                                               mirror_view(&past->snapshot, sync_book_ended_id(sync, past->number))};
    for (int v = 0; v < 2; v++) {
        double low = 0, high = 0;
        if (views[v] == NULL)
            continue;
        if (mirror_view_range(views[v], past->visible + (v == 0 ? SINCE : UNTIL), &low, &high) &&
            (int64_t)high > history->known_us)
            history->known_us = (int64_t)high;
        if (mirror_view_range(views[v], past->visible + (v == 0 ? SEQUENCE : ENDED_AT), &low, &high) &&
            (int64_t)high > history->known_seq)
            history->known_seq = (int64_t)high;
    }
    base_mutex_lock(&sync->lock);
    const struct sync_generation *generation = sync_book_find(sync, past->number);
    if (generation != NULL && generation->known_us > history->known_us)
        history->known_us = generation->known_us;
    base_mutex_unlock(&sync->lock);
    history->clock_us = history->known_us > history->clock_us ? history->known_us : history->clock_us;
    begin_behind(sync, history, last_change);
    history->clock_seq = history->known_seq > history->clock_seq ? history->known_seq : history->clock_seq;
}

rhei_status sync_history_load_begin(struct sync *sync, struct sync_history *history, const struct source_table *table,
                                    uint32_t loaders, const struct source_load_info *info, bool unseen,
                                    struct rhei_error *error)
{
    uint32_t count = table->column_count, visible = count - (count > 0 && table->columns[count - 1].is_rowid);
    rhei_status status = RHEI_OK;
    if (history->past != NULL) {
        history->past->added = info->added;
        status = history_past_open(sync, table, visible, history->past, error);
    }
    if (status == RHEI_OK)
        status = settle_generation(sync, history, table, error);
    if (status != RHEI_OK)
        return status;
    history->loaders = loaders;
    history->loading = base_alloc_zero(loaders, sizeof *history->loading);
    if (history->loading == NULL)
        return error_no_memory(error);
    BASE_INVARIANT(info->told <= info->position);
    history->clock_us = info->time_us != 0 ? info->time_us : base_wall_ms() * 1000; /* 8. */
    history->clock_seq = info->position + (unseen && sync_history_tells_of_before(sync, history, true));
    note_newest(sync, history, info->told < 0 ? info->position : info->told);
    return mirror_build_begin(sync->config.mirror, &history->open, loaders, &history->building, error);
}

/* The history's own columns of a loaded row. */
static void begin_version(struct sync_history *history, const struct change_batch *batch, size_t row,
                          struct rhei_value *cells, size_t room)
{
    struct history_version version = {.since = history->clock_us, .seq = history->clock_seq, .inserted = true};
    bool key = false;
    if (history->past != NULL && !history_past_meets(history->past, history->visible, batch, row, &version, &key))
        version.inserted = !key;
    cells[SINCE * room + row] = integer(version.since);
    cells[OPERATION * room + row] = history_operation(version.inserted ? HISTORY_INSERTED : HISTORY_UPDATED);
    cells[SEQUENCE * room + row] = integer(version.seq);
}

rhei_status sync_history_load(struct sync_history *history, uint32_t loader, const struct change_batch *batch,
                              struct rhei_error *error)
{
    struct loading *loading = &history->loading[loader];
    struct change_batch wide;
    if (loading->columns == NULL)
        loading->columns = base_alloc_zero(history->open.column_count, sizeof *loading->columns);
    size_t had = loading->room, rows = batch->row_count;
    if (loading->columns == NULL || !history_cells_room(&loading->cells, &loading->room, rows))
        return error_no_memory(error);
    if (history->past == NULL) /* all are alike */
        rows = loading->room != had ? loading->room : 0;
    for (size_t r = 0; r < rows; r++)
        begin_version(history, batch, r, loading->cells, loading->room);
    history_widen(history, batch, loading->cells, loading->room, loading->columns, &wide);
    return mirror_build_append(history->building, loader, &wide, error);
}

rhei_status sync_history_loaded(struct sync *sync, struct sync_history *history, uint64_t rows,
                                struct rhei_error *error)
{
    struct history_past *past = history->past;
    history->loaded = rows;
    if (past == NULL || !past->another || history_past_fits(past, rows))
        return RHEI_OK;
    if (atomic_load(&past->same) == 0) { /* another table of the same form */
        history_past_free(&history->past);
        return RHEI_OK;
    }
    base_mutex_lock(&sync->lock);
    struct sync_generation *generation = sync_book_find(sync, past->number);
    if (generation != NULL)
        generation->round = 0;
    base_mutex_unlock(&sync->lock);
    return error_set(error, RHEI_STALE, "the table isn't the one that went, though some of its rows are: loaded again");
}
