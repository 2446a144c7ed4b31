/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history of a table: two tables of the mirror beside it, which change and are published with it.
 *
 *   1. NAME_history_open has the version of each row that is valid now, by the table's key; NAME_history_ended has every version
 *      that ended, whole, in the order of their ends (what mirror_sink hands over), and is only ever appended to. Both have the table's
 *      columns and those of HISTORY_COLUMNS; where the key is a hidden rowid both have that, too. Together they are the history (A9).
 *   2. A change that leaves a row as it was makes no version: the one that is valid goes on. One that tells single columns makes a whole
 *      row, of what the version before it had.
 *   3. What ended a row (DELETE) is a version too, of operation D: the row as it was, valid for no time at all.
 *   4. Times are those of the changes, but never fall within a table; the sequence orders versions of equal times.
 *   6. From when a table isn't followed any more until it was loaded again nothing is known of it: a gap, which the book has, and in which nobody is
 *      told of the table as of then. There is none where nothing was logged meanwhile and the load found every row as it was. Where the log has
 *      nothing and rows differ, they were changed past the triggers: a gap in time, though no position lies in it.
 *   5. A load's rows begin when it was begun, but for those that are as they were in the version that was valid before: that goes on
 *      (sync_history_past.c). So a table that is loaded again loses nothing of its history. One that can't go on goes, with a
 *      reason in the log; its table stays.
 *   7. What a load changes comes behind every position that the history tells of: behind the one that it saw, too, where that was told of before. So as of
 *      such a position nobody is ever told other rows. Where changes may have been made that nobody told, the source gives a position of its own for that
 *      before the load begins (part_from_before of sync_build.c), or else the load's versions begin behind its own.
 *   8. A history has one clock: the source's where its changes come with times of their own, of loads too. A gap between times of two clocks would be too short by as
 *      much as one is behind the other.
 */
#include "sync_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "base/base_value.h"
#include "sync_book.h"
#include "sync_history_past.h"

static struct rhei_value integer(int64_t value)
{
    return history_integer(value);
}

/* ---- Versions that end. -------------------------------------------------------------------------------------------- */

static bool widen(void **items, size_t room, size_t size)
{
    void *grown = base_realloc(*items, room * size);
    if (grown == NULL)
        return false;
    *items = grown;
    return true;
}

static rhei_status rows_room(struct sync_history *history, size_t count)
{
    if (count <= history->row_room)
        return RHEI_OK;
    void *version = history->version, *same = history->same;
    bool ok = widen(&version, count, sizeof *history->version);
    history->version = version;
    ok = ok && widen(&same, count, sizeof *history->same);
    history->same = same;
    for (uint32_t c = 0; c < history->ended.column_count && ok; c++) {
        void *row = history->rows[c];
        ok = widen(&row, count, sizeof *history->rows[c]);
        history->rows[c] = row;
    }
    history->row_room = ok ? count : history->row_room;
    return ok ? RHEI_OK : RHEI_NO_MEMORY;
}

static struct rhei_value operation_of(const struct rhei_value *stored)
{
    return memcmp(stored->as.bytes, "I", 1) == 0 ? history_operation(HISTORY_INSERTED)
                                                 : history_operation(HISTORY_UPDATED);
}

/*
 * Which versions the changes leave as they are (2.): a column at a time, over those that no column told apart so far, first the one
 * that told most before. How many there are.
 */
static size_t find_same(struct sync_history *history, const struct mirror_ended_some *versions)
{
    uint32_t *left = history->version;
    size_t count = 0;
    for (size_t k = 0; k < versions->count; k++) {
        history->same[k] = false;
        left[count] = (uint32_t)k;
        count += versions->how[k] == CHANGE_UPSERT;
    }
    uint32_t first = history->telling < history->visible ? history->telling : 0;
    for (uint32_t n = 0; n < history->visible && count > 0; n++) {
        uint32_t c = n == 0 ? first : n - (n <= first); /* `first`, then the others in order */
        const struct rhei_value *old = versions->columns[c], *new = history->batch->columns[c];
        size_t still = 0;
        for (size_t l = 0; l < count; l++) {
            left[still] = left[l];
            still += change_batch_unchanged(history->batch, versions->change[left[l]], c) ||
                     base_same_value(&old[left[l]], &new[versions->change[left[l]]]);
        }
        if (still == 0)
            history->telling = c;
        count = still;
    }
    for (size_t l = 0; l < count; l++)
        history->same[left[l]] = true;
    return count;
}

static void close_row(struct sync_history *history, size_t at, uint32_t version, struct rhei_value since,
                      struct rhei_value until, struct rhei_value operation, struct rhei_value seq,
                      struct rhei_value ended)
{
    struct rhei_value **own = history->rows + history->visible;
    BASE_INVARIANT(since.as.integer <= until.as.integer && seq.as.integer <= ended.as.integer); /* 4. */
    history->version[at] = version;
    own[SINCE][at] = since;
    own[UNTIL][at] = until;
    own[OPERATION][at] = operation;
    own[SEQUENCE][at] = seq;
    own[ENDED_AT][at] = ended;
    history->rows[history->ended.column_count - 1][at] = integer(history->next_row++);
}

/* A version's own columns: as they are stored, or as they are made in this very batch. */
static struct rhei_value own_value(const struct sync_history *history, const struct mirror_ended_some *versions,
                                   size_t k, int own)
{
    return versions->replaced[k] < 0 ? versions->columns[history->visible + (uint32_t)own][k]
                                     : history->cells[(size_t)own * history->room + (size_t)versions->replaced[k]];
}

/* The history's own columns of all of them, in the order in which they ended. Rows that there are now. */
static size_t close_versions(struct sync_history *history, const struct mirror_ended_some *versions)
{
    size_t rows = 0, room = history->room;
    for (size_t k = 0; k < versions->count; k++) {
        struct rhei_value *cells = history->cells + versions->change[k];
        BASE_INVARIANT(versions->change[k] < history->batch->row_count);
        struct rhei_value since = own_value(history, versions, k, SINCE),
                          stored = own_value(history, versions, k, OPERATION);
        struct rhei_value operation = operation_of(&stored), seq = own_value(history, versions, k, SEQUENCE);
        if (history->same[k]) { /* 2. */
            cells[SINCE * room] = since;
            cells[OPERATION * room] = operation;
            cells[SEQUENCE * room] = seq;
            continue;
        }
        struct rhei_value until = cells[SINCE * room], ended = cells[SEQUENCE * room];
        cells[OPERATION * room] = history_operation(HISTORY_UPDATED);
        close_row(history, rows++, (uint32_t)k, since, until, operation, seq, ended);
        if (versions->how[k] != CHANGE_UPSERT) /* 3. */
            close_row(history, rows++, (uint32_t)k, until, until, history_operation(HISTORY_DELETED), ended, ended);
    }
    return rows;
}

/* Their other columns: the versions' own where each of them ended once, else row by row. */
static void take_values(struct sync_history *history, const struct mirror_ended_some *versions, size_t rows)
{
    size_t in_order = 0;
    while (in_order < rows && history->version[in_order] == in_order)
        in_order++;
    for (uint32_t c = 0; c < history->ended.column_count; c++) {
        history->ending[c] = history->rows[c];
        if (c >= history->visible && (!history->hidden_rowid || c != history->visible + HISTORY_COLUMNS))
            continue;
        if (in_order == rows)
            history->ending[c] = versions->columns[c];
        for (size_t r = 0; r < rows && in_order < rows; r++)
            history->rows[c][r] = versions->columns[c][history->version[r]];
    }
}

/* Updates of rows that there were before the call, one behind the other in the batch. */
static bool are_plain_updates(const struct mirror_ended_some *versions)
{
    uint32_t apart = 0;
    for (size_t k = 0; k < versions->count; k++)
        apart |= (uint32_t)(versions->how[k] ^ CHANGE_UPSERT) | (uint32_t)(versions->replaced[k] >= 0) |
                 (versions->change[k] ^ (versions->change[0] + (uint32_t)k));
    return apart == 0;
}

/* All of them end, each once: their columns are those that there are, and what they become is in the batch. */
static size_t end_updated(struct sync_history *history, const struct mirror_ended_some *versions)
{
    uint32_t row = history->ended.column_count - 1;
    struct rhei_value *cells = history->cells + versions->change[0];
    size_t room = history->room;
    BASE_INVARIANT(versions->change[0] + versions->count <= history->batch->row_count);
    for (uint32_t c = 0; c < row; c++)
        history->ending[c] = versions->columns[c];
    history->ending[history->visible + UNTIL] = cells + SINCE * room;
    history->ending[history->visible + ENDED_AT] = cells + SEQUENCE * room;
    history->ending[row] = history->rows[row];
    struct rhei_value updated = history_operation(HISTORY_UPDATED);
    for (size_t k = 0; k < versions->count; k++) {
        BASE_INVARIANT(versions->columns[history->visible + SINCE][k].as.integer <= cells[SINCE * room + k].as.integer);
        cells[OPERATION * room + k] = updated;
        history->rows[row][k] = integer(history->next_row + (int64_t)k);
    }
    history->next_row += (int64_t)versions->count;
    return versions->count;
}

static rhei_status versions_ended(void *context, const struct mirror_ended_some *versions)
{
    struct sync_history *history = context;
    BASE_INVARIANT(versions->column_count == history->open.column_count);
    history->status = rows_room(history, 2 * versions->count);
    if (history->status != RHEI_OK)
        return error_no_memory(history->error);
    size_t rows = 0, same = find_same(history, versions);
    if (same == 0 && are_plain_updates(versions)) {
        rows = end_updated(history, versions);
    } else {
        rows = close_versions(history, versions);
        take_values(history, versions, rows);
    }
    struct change_batch batch = {.table = history->ended.id,
                                 .column_count = history->ended.column_count,
                                 .row_count = rows,
                                 .columns = history->ending};
    if (rows > 0)
        history->status = mirror_apply(history->sync->config.mirror, &batch, NULL, history->error);
    return history->status;
}

/* ---- With its table. ----------------------------------------------------------------------------------------------- */

static rhei_status attach_ended(struct sync *sync, struct sync_history *history, struct rhei_error *error)
{
    struct mirror_build *build = NULL;
    if (mirror_definition(sync->config.mirror, history->ended.id) != NULL)
        return RHEI_OK;
    rhei_status status = mirror_build_begin(sync->config.mirror, &history->ended, 1, &build, error);
    return status == RHEI_OK ? mirror_build_attach(&build, error) : status;
}

/* Behind all rows of a table of versions that ended. */
static int64_t next_row_of(struct sync *sync, uint32_t ended)
{
    const struct source_table *table = mirror_definition(sync->config.mirror, ended);
    double low = 0, high = 0;
    bool any = table != NULL && mirror_working_range(sync->config.mirror, ended, table->column_count - 1, &low, &high);
    return any ? (int64_t)high + 1 : 0;
}

/* Versions that don't go on end in the generation that they are of. */
static rhei_status close_past(struct sync *sync, struct sync_history *history, struct rhei_error *error)
{
    struct history_past *past = history->past;
    history->next_row = next_row_of(sync, history->ended.id);
    if (past == NULL || past->open == NULL)
        return RHEI_OK;
    if (past->number == history->number)
        return history_past_close(sync, past, history->clock_us, history->clock_seq, &history->next_row, error);
    uint32_t ended = sync_book_ended_id(sync, past->number);
    int64_t next_row = next_row_of(sync, ended);
    rhei_status status = mirror_definition(sync->config.mirror, ended) == NULL
                             ? RHEI_OK /* damaged, and gone */
                             : history_past_close(sync, past, history->clock_us, history->clock_seq, &next_row, error);
    mirror_drop(sync->config.mirror, sync_book_open_id(sync, past->number));
    return status;
}

/* The generation before is one of the same table: under its name of today, and with today's names of its columns. */
static bool name_past(struct sync *sync, struct sync_history *history, const struct source_table *table)
{
    const struct history_past *past = history->past;
    const struct sync_generation *before = past == NULL ? NULL : sync_book_find(sync, past->number);
    if (before == NULL)
        return true;
    const char **was = base_alloc_zero((size_t)history->visible + 1, sizeof *was);
    for (uint32_t c = 0; was != NULL && c < history->visible; c++)
        if (past->open == NULL) /* which was which isn't known but by their names */
            was[c] = table->columns[c].name;
        else if (past->column[c] != HISTORY_NO_COLUMN)
            was[c] = past->names[past->column[c]];
    bool ok = was != NULL && sync_book_name_line(sync, before->line, table->name) &&
              sync_book_name_columns(sync, before->line, history->number == before->number ? 0 : history->number,
                                     table->columns, was, history->visible);
    base_free(was);
    return ok;
}

static rhei_status store_table(struct sync *sync, const char *table, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t g = 0; g < sync->book.count && status == RHEI_OK; g++)
        if (base_fold_compare(sync->book.generations[g]->table, table) == 0)
            status = sync_book_store(sync, sync->book.generations[g], error);
    return status;
}

/* Rows whose versions were lost began anew with the load: of all generations of the table, nothing is told of before. */
static void begin_lost_anew(struct sync *sync, const struct sync_history *history, const char *table)
{
    for (size_t g = 0; g < sync->book.count; g++) {
        struct sync_generation *generation = sync->book.generations[g];
        if (generation->kept_us == HISTORY_KEPT_NEVER && base_fold_compare(generation->table, table) == 0)
            sync_book_raise_kept(generation, history->clock_us, history->clock_seq);
    }
}

/* Under `lock`. */
static rhei_status enter_in_book(struct sync *sync, struct sync_history *history, const struct source_table *table,
                                 struct rhei_error *error)
{
    struct sync_generation *generation = sync_book_find(sync, history->number);
    struct sync_generation *before = history->past == NULL || history->past->number == history->number
                                         ? NULL
                                         : sync_book_find(sync, history->past->number);
    rhei_status status = RHEI_OK;
    if (generation == NULL) {
        const char **names = base_alloc_zero((size_t)history->visible + 1, sizeof *names);
        for (uint32_t c = 0; names != NULL && c < history->visible; c++)
            names[c] = table->columns[c].name;
        status = names == NULL
                     ? error_no_memory(error)
                     : sync_book_add(sync, history->number, table->name, names, history->visible, &generation, error);
        base_free(names);
        if (status == RHEI_OK)
            generation->began_us = history->clock_us;
        if (status == RHEI_OK && before != NULL) {
            generation->line = before->line;
            generation->from_us = before->from_us;
            generation->from_seq = before->from_seq;
        }
        if (status == RHEI_OK && before != NULL && before->kept_us != 0) /* which may go before this one does */
            sync_book_raise_kept(generation, before->kept_us, before->kept_seq);
    }
    if (status == RHEI_OK && !name_past(sync, history, table))
        status = error_no_memory(error);
    if (status != RHEI_OK)
        return status;
    struct sync_generation *goes_on = history->past == NULL ? NULL : sync_book_find(sync, history->past->number);
    if (goes_on != NULL)
        history_gap_close(sync, history, goes_on);
    generation->current = true;
    generation->origin = table->origin;
    if (before != NULL) {
        before->current = false;
        before->gone_us = before->gone_seq = 0;
    }
    begin_lost_anew(sync, history, table->name);
    status = store_table(sync, table->name, error);
    return status == RHEI_OK ? sync_book_settle_names(sync, error) : status;
}

static rhei_status set_sink(struct sync *sync, struct sync_history *history, struct rhei_error *error)
{
    struct mirror_sink sink = {.ended_some = versions_ended, .no_began = true, .context = history};
    history->sync = sync;
    return mirror_set_sink(sync->config.mirror, history->open.id, &sink, error);
}

rhei_status sync_history_attach(struct sync *sync, struct sync_history *history, const struct source_table *table,
                                struct rhei_error *error)
{
    rhei_status status = mirror_build_attach(&history->building, error);
    history_loading_free(history);
    history->attached = status == RHEI_OK;
    if (status == RHEI_OK)
        status = attach_ended(sync, history, error);
    if (status == RHEI_OK)
        status = close_past(sync, history, error);
    if (status == RHEI_OK)
        status = enter_in_book(sync, history, table, error);
    if (status == RHEI_OK)
        status = set_sink(sync, history, error);
    history_past_free(&history->past);
    if (status != RHEI_OK)
        sync_history_drop(sync, history);
    return status;
}

/* The tables that the mirror has are those of the generation as the table is now. */
static bool parts_are(const struct sync_history *history, const struct source_table *open,
                      const struct source_table *ended, const struct source_table *table)
{
    bool same = open->column_count == history->open.column_count &&
                ended->column_count == history->ended.column_count /* else of before `_rhei_rowid` */ &&
                open->key_count == history->open.key_count && open->key_is_integer == history->open.key_is_integer;
    for (uint32_t k = 0; k < history->open.key_count && same; k++)
        same = open->key_columns[k] == history->open.key_columns[k];
    for (uint32_t c = 0; c < history->visible && same; c++)
        same = open->columns[c].affinity == table->columns[c].affinity &&
               strcmp(open->columns[c].declared_type, table->columns[c].declared_type) == 0;
    return same;
}

/* The largest number in a column of each. */
static int64_t newest(struct sync *sync, uint32_t open, uint32_t open_column, uint32_t ended, uint32_t ended_column)
{
    double low = 0, high = 0;
    int64_t result = 0;
    if (mirror_working_range(sync->config.mirror, open, open_column, &low, &high))
        result = (int64_t)high;
    if (mirror_working_range(sync->config.mirror, ended, ended_column, &low, &high) && (int64_t)high > result)
        result = (int64_t)high;
    return result;
}

rhei_status sync_history_raise(struct sync *sync, const char *table, int64_t us, int64_t seq, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t g = 0; g < sync->book.count && status == RHEI_OK; g++) {
        struct sync_generation *generation = sync->book.generations[g];
        if (base_fold_compare(generation->table, table) != 0 || generation->kept_us == HISTORY_KEPT_NEVER ||
            (generation->kept_us >= us && generation->kept_seq >= seq))
            continue;
        sync_book_raise_kept(generation, us, seq);
        status = sync_book_store(sync, generation, error);
    }
    return status;
}

rhei_status sync_history_never(struct sync *sync, const char *table, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t g = 0; g < sync->book.count && status == RHEI_OK; g++) {
        struct sync_generation *generation = sync->book.generations[g];
        if (base_fold_compare(generation->table, table) != 0)
            continue;
        generation->kept_us = generation->kept_seq = HISTORY_KEPT_NEVER;
        status = sync_book_store(sync, generation, error);
    }
    return status;
}

/*
 * What is left of a history that isn't whole would be a part of the rows, and taken for all of them: nothing is told of before now. Where valid
 * versions were lost their rows begin with the load that follows, and until it came, whoever dies before it, nothing is told at all.
 */
rhei_status sync_history_lost(struct sync *sync, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t g = 0; g < sync->book.count && sync->config.lost_versions != NULL && status == RHEI_OK; g++) {
        const struct sync_generation *found = sync->book.generations[g];
        uint32_t open = sync_book_open_id(sync, found->number), ended = sync_book_ended_id(sync, found->number);
        bool valid = sync->config.lost_versions(sync->config.lost_context, open);
        if (!valid && !sync->config.lost_versions(sync->config.lost_context, ended))
            continue;
        int64_t now = base_wall_ms() * 1000;
        int64_t last = newest(sync, open, found->name_count + SINCE, ended, found->name_count + UNTIL);
        bool over = found->gone_us != 0 && found->gone_seq != sync->config.histories_position; /* it has no heir */
        status = valid && !over ? sync_history_never(sync, found->table, error)
                                : sync_history_raise(sync, found->table, last > now ? last : now,
                                                     sync->config.restored_position, error);
    }
    return status;
}

bool sync_history_resume(struct sync *sync, const struct source_table *table, struct sync_history **result)
{
    struct mirror *mirror = sync->config.mirror;
    struct sync_generation *generation = sync_book_current(sync, table->name);
    struct sync_history *history = generation == NULL ? NULL : base_alloc_zero(1, sizeof *history);
    *result = NULL;
    if (history == NULL)
        return false;
    history->number = generation->number;
    history->name = base_strdup(table->name);
    const struct source_table *open = mirror_definition(mirror, sync_book_open_id(sync, history->number));
    const struct source_table *ended = mirror_definition(mirror, sync_book_ended_id(sync, history->number));
    bool ok = open != NULL && ended != NULL && history->name != NULL && generation->kept_us != HISTORY_KEPT_NEVER &&
              history_same_names(generation, table) && open->column_count >= generation->name_count + HISTORY_COLUMNS &&
              mirror_rows(mirror, open->id) == mirror_rows(mirror, table->id) &&
              history_define(sync, history, table, open, ended, "") && parts_are(history, open, ended, table);
    if (ok) {
        history->clock_us = newest(sync, open->id, history->visible + SINCE, ended->id, history->visible + UNTIL);
        history->clock_seq =
            newest(sync, open->id, history->visible + SEQUENCE, ended->id, history->visible + ENDED_AT);
    }
    history->next_row = ok ? next_row_of(sync, ended->id) : 0;
    if (ok && generation->origin != table->origin) { /* of a folder from before origins were known */
        generation->origin = table->origin;
        ok = sync_book_store(sync, generation, NULL) == RHEI_OK;
    }
    history->attached = ok && set_sink(sync, history, NULL) == RHEI_OK;
    if (!history->attached)
        sync_history_free(&history);
    *result = history;
    return history != NULL;
}

bool sync_history_failed(const struct sync_history *history)
{
    return history->failed;
}

void sync_history_tear(struct sync *sync, struct sync_history *history)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    int64_t shown = atomic_load_explicit(&sync->position, memory_order_relaxed);
    rhei_status status = RHEI_OK;
    if (history == NULL || !history->attached || !history->changed || history->pinned == shown)
        return;
    struct sync_generation *generation = sync_book_find(sync, history->number);
    if (sync->config.source_number != 0) {
        status = sync_history_never(sync, history->name, &why);
    } else if (generation != NULL && !history_gap_is_open(generation)) { /* 6. */
        history_gap_open(generation, history->unshown_us - 1, shown);
        status = sync_book_store(sync, generation, &why); /* else the load stores it */
    }
    if (status != RHEI_OK)
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "the history of table \"%s\": %s", history->name,
                       why.message);
}

void sync_history_release(struct sync *sync, struct sync_history *history, int64_t applied)
{
    if (history == NULL || !history->attached)
        return;
    struct sync_generation *generation = sync_book_find(sync, history->number);
    if (generation != NULL && !history_gap_is_open(generation)) {
        history_gap_open(generation, history_known_until(sync, history), applied);
        (void)sync_book_store(sync, generation, NULL); /* else the load stores it */
    }
    (void)mirror_set_sink(sync->config.mirror, history->open.id, NULL, NULL);
    sync->histories_shown = true;
    atomic_fetch_add(&sync->histories_changed, 2); /* its table may go with the publish of another source */
    history->attached = false;
}

void sync_history_drop(struct sync *sync, struct sync_history *history)
{
    struct sync_generation *generation = sync_book_find(sync, history->number);
    if (generation != NULL)
        sync_book_remove(sync, generation);
    mirror_drop(sync->config.mirror, history->open.id);
    mirror_drop(sync->config.mirror, history->ended.id);
    history->attached = history->failed = false;
}

/* Under `lock`, with the turn. */
static rhei_status note_known(struct sync *sync)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < sync->table_count && status == RHEI_OK; i++) {
        const struct sync_history *history = sync->tables[i]->history;
        struct sync_generation *generation =
            history != NULL && history->attached ? sync_book_find(sync, history->number) : NULL;
        int64_t known = generation != NULL ? history_known_until(sync, history) : 0;
        if (generation == NULL || history_gap_is_open(generation) || known <= generation->known_us)
            continue;
        generation->known_us = known;
        status = sync_book_store(sync, generation, NULL);
    }
    return status;
}

/* As the owner, so that no cycle runs, and only where all that there is is shown. */
void sync_note_known(struct sync *sync)
{
    sync_own(sync);
    base_mutex_lock(&sync->lock);
    sync_turn_take(sync);
    bool clean = !sync->dirty;
    if (clean)
        sync->dirty = note_known(sync) != RHEI_OK;
    sync_turn_give(sync);
    base_mutex_unlock(&sync->lock);
    if (clean)
        sync_share_publish_again(sync);
    sync_disown(sync);
}

/* ---- Tables that go. ----------------------------------------------------------------------------------------------- */

/* A table that came with `gone`, stays, and may be the one whose history this is. */
static bool has_other_heir(const struct sync *sync, const struct sync_generation *generation,
                           const struct sync_table *gone)
{
    bool other = false;
    for (size_t i = 0; i < sync->table_count && !other; i++) {
        const struct sync_table *table = sync->tables[i];
        other = table != NULL && table != gone && table->kept && table->round == generation->round &&
                history_same_names(generation, table->definition);
    }
    return other;
}

void sync_history_pass_on(struct sync *sync, const struct sync_table *gone)
{
    for (size_t g = 0; g < sync->book.count; g++) {
        struct sync_generation *generation = sync->book.generations[g];
        if (generation->current && generation->gone_us != 0 && generation->round == gone->round &&
            history_same_names(generation, gone->definition) && !has_other_heir(sync, generation, gone))
            generation->round = sync->rounds + 1; /* of the list that is read now */
    }
}

/* NULL: it isn't listed, or keeps no history. */
static const char *name_of_origin(const struct sync *sync, int64_t origin)
{
    for (size_t i = 0; i < sync->table_count; i++) {
        const struct source_table *table = sync->tables[i]->definition;
        if (table->origin == origin)
            return sync_keeps_history(sync, table) ? table->name : NULL;
    }
    return NULL;
}

rhei_status sync_history_follow(struct sync *sync, struct rhei_error *error)
{
    struct sync_book *book = &sync->book;
    const char **names = base_alloc_zero(book->count + 1, sizeof *names); /* all first: they may be exchanged */
    rhei_status status = names == NULL ? error_no_memory(error) : RHEI_OK;
    for (size_t g = 0; g < book->count && status == RHEI_OK; g++) {
        const struct sync_generation *generation = book->generations[g];
        const char *name = generation->current && generation->gone_us == 0 && generation->origin != 0
                               ? name_of_origin(sync, generation->origin)
                               : NULL;
        for (size_t i = 0; name != NULL && base_fold_compare(name, generation->table) != 0 && i < book->count; i++)
            if (book->generations[i]->line == generation->line)
                names[i] = name;
    }
    for (size_t g = 0; g < book->count && status == RHEI_OK; g++)
        if (names[g] != NULL && !sync_book_name_line(sync, book->generations[g]->line, names[g]))
            status = error_no_memory(error);
        else if (names[g] != NULL)
            status = sync_book_store(sync, book->generations[g], error);
    base_free(names);
    return status;
}

/* Another table took its name, and came with a history of its own: it went. One without goes on with this one. */
static bool lost_name(const struct sync *sync, const struct sync_generation *generation)
{
    bool lost = false;
    for (size_t g = 0; g < sync->book.count && generation->origin != 0 && !lost; g++) {
        const struct sync_generation *other = sync->book.generations[g];
        const char *name = other->current && other->gone_us == 0 && other->line != generation->line &&
                                   other->origin != 0 && base_fold_compare(other->table, generation->table) == 0
                               ? name_of_origin(sync, other->origin)
                               : NULL;
        lost = name != NULL && base_fold_compare(name, generation->table) == 0;
    }
    return lost && name_of_origin(sync, generation->origin) == NULL;
}

rhei_status sync_history_settle(struct sync *sync, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t g = 0; g < sync->book.count && status == RHEI_OK; g++) {
        struct sync_generation *generation = sync->book.generations[g];
        if (!generation->current || generation->gone_us != 0 ||
            (sync_lists_history(sync, generation->table) && !lost_name(sync, generation)))
            continue;
        int64_t now = base_wall_ms() * 1000;
        double low = 0, high = 0;
        if (mirror_working_range(sync->config.mirror, sync_book_ended_id(sync, generation->number),
                                 generation->name_count + UNTIL, &low, &high) &&
            (int64_t)high > now)
            now = (int64_t)high;
        now = sync->told_us > now ? sync->told_us : now; /* 8. */
        generation->gone_us = now;
        generation->gone_seq = sync->pinned;
        generation->round = sync->rounds;
        status = sync_book_store(sync, generation, error);
    }
    return status == RHEI_OK ? sync_book_settle_names(sync, error) : status;
}

/* ---- Changes. ------------------------------------------------------------------------------------------------------ */

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
        operation[r] = history_operation(HISTORY_INSERTED); /* until the sink says that there was a row */
        int64_t number = batch->seq == NULL ? 0 : batch->seq[r];
        history->clock_seq = number > history->clock_seq ? number : history->clock_seq;
        seq[r] = integer(history->clock_seq);
    }
}

/* The changes are applied; when the first was made that no published state has. */
static void note_unshown(const struct sync *sync, struct sync_history *history)
{
    bool shown = !history->changed || history->pinned == atomic_load_explicit(&sync->position, memory_order_relaxed);
    if (shown)
        history->unshown_us = history->cells[SINCE * history->room].as.integer;
    history->changed = true;
    history->pinned = sync->pinned;
}

/* Which columns patches leave as they are, where more columns make longer bitmaps. The history's own are always set. */
static bool widen_unchanged(struct sync_history *history, const struct change_batch *batch, struct change_batch *wide)
{
    size_t from = change_batch_words(batch->column_count), to = change_batch_words(wide->column_count);
    size_t rows = batch->unchanged_shared ? 1 : batch->row_count;
    if (batch->unchanged == NULL || from == to)
        return true;
    if (!base_grow((void **)&history->unchanged, &history->unchanged_room, rows * to, sizeof *history->unchanged))
        return false;
    memset(history->unchanged, 0, rows * to * sizeof *history->unchanged);
    for (size_t r = 0; r < rows; r++)
        memcpy(history->unchanged + r * to, batch->unchanged + r * from, from * sizeof *history->unchanged);
    wide->unchanged = history->unchanged;
    return true;
}

/* Rows of the batch, few enough for what is kept of them meanwhile to stay in the processor's caches. */
static rhei_status apply_some(struct sync *sync, struct sync_history *history, const struct change_batch *batch,
                              struct rhei_error *error)
{
    struct change_batch wide;
    BASE_INVARIANT(batch->row_count <= history->room);
    date_changes(history, batch);
    int64_t told_us = batch->time_us != NULL && batch->row_count > 0 ? batch->time_us[batch->row_count - 1] : 0;
    sync->telling_us = told_us > sync->telling_us ? told_us : sync->telling_us;
    note_unshown(sync, history);
    history->batch = batch;
    history->error = error;
    history->status = RHEI_OK;
    history_widen(history, batch, history->cells, history->room, history->columns, &wide);
    if (!widen_unchanged(history, batch, &wide))
        return error_no_memory(error);
    rhei_status status = mirror_apply(sync->config.mirror, &wide, NULL, error);
    if (status == RHEI_OK && !mirror_has_sink(sync->config.mirror, history->open.id))
        status = history->status != RHEI_OK ? history->status : error_no_memory(error);
    return status;
}

rhei_status sync_history_apply(struct sync *sync, struct sync_history *history, const struct change_batch *batch,
                               struct rhei_error *error)
{
    enum { ROWS_AT_ONCE = 2048 };
    rhei_status status = RHEI_OK;
    if (!history->attached)
        return RHEI_OK;
    if (!history_cells_room(&history->cells, &history->room,
                            batch->row_count < ROWS_AT_ONCE ? batch->row_count : ROWS_AT_ONCE))
        status = error_no_memory(error);
    const struct rhei_value **columns = base_alloc_zero((size_t)batch->column_count + 1, sizeof *columns);
    if (status == RHEI_OK && columns == NULL)
        status = error_no_memory(error);
    for (size_t first = 0; first < batch->row_count && status == RHEI_OK; first += ROWS_AT_ONCE) {
        struct change_batch some = *batch;
        size_t left = batch->row_count - first;
        some.row_count = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        for (uint32_t c = 0; c < batch->column_count; c++)
            columns[c] = batch->columns[c] + first;
        some.columns = columns;
        some.op = batch->op == NULL ? NULL : batch->op + first;
        some.seq = batch->seq == NULL ? NULL : batch->seq + first;
        some.time_us = batch->time_us == NULL ? NULL : batch->time_us + first;
        if (batch->unchanged != NULL && !batch->unchanged_shared)
            some.unchanged = batch->unchanged + first * change_batch_words(batch->column_count);
        status = apply_some(sync, history, &some, error);
    }
    base_free(columns);
    history->failed = status != RHEI_OK;
    BASE_INVARIANT(history->attached);
    return status;
}
