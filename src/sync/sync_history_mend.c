/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histories of which files turn out damaged while they are in use. The file is set aside, and what it had is nowhere else.
 *
 *   1. What is left would be a part of the rows, and taken for all of them: with the state that hasn't the damaged versions any more the book says
 *      that nothing is told of before now, for every generation of the table (as after such a finding at an opening, sync_history_lost).
 *   2. A row whose valid version was lost begins anew, now, as it is in the table. That is looked up here, so that its table goes on being followed.
 *   3. Where that can't be (the table isn't followed now, or can't be read itself), it is loaded, and until then nothing is told at all.
 *   4. The book is known as a whole, whatever became of the mirror's table of it, which is written anew.
 *
 * By the owner, before a publish.
 */
#include "sync_history_parts.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "sync_book.h"

static struct sync_table *followed_by(const struct sync *sync, uint32_t number)
{
    for (size_t i = 0; i < sync->table_count; i++) {
        struct sync_table *table = sync->tables[i];
        if (table->attached && table->history != NULL && table->history->attached && table->history->number == number)
            return table;
    }
    return NULL;
}

/* ---- Rows that begin anew. ------------------------------------------------------------------------------------------ */

struct beginning {
    struct sync *sync;
    const struct sync_table *table;
    struct rhei_error *error;
};

static rhei_status begin_rows(void *context, const struct rhei_value *const *columns, size_t count)
{
    const struct beginning *beginning = context;
    struct sync_history *history = beginning->table->history;
    struct change_batch wide, batch = {.table = beginning->table->definition->id,
                                       .column_count = beginning->table->definition->column_count,
                                       .row_count = count,
                                       .columns = columns};
    if (!history_cells_room(&history->cells, &history->room, count))
        return error_no_memory(beginning->error);
    for (size_t r = 0; r < count; r++) {
        history->cells[SINCE * history->room + r] = history_integer(history->clock_us);
        history->cells[OPERATION * history->room + r] = history_operation(HISTORY_INSERTED);
        history->cells[SEQUENCE * history->room + r] = history_integer(history->clock_seq);
    }
    history_widen(history, &batch, history->cells, history->room, history->columns, &wide);
    return mirror_apply(beginning->sync->config.mirror, &wide, NULL, beginning->error);
}

/* With the turn. */
static rhei_status begin_anew(struct sync *sync, const struct sync_table *table, struct rhei_error *error)
{
    struct beginning beginning = {sync, table, error};
    return mirror_working_missing(sync->config.mirror, table->definition->id, table->history->open.id, begin_rows,
                                  &beginning, error);
}

/* ---- One history. --------------------------------------------------------------------------------------------------- */

/* Takes out what can't be read; *valid: versions that are valid were among it. With the turn. */
static rhei_status lose(struct sync *sync, uint32_t number, uint64_t *rows, bool *valid, struct rhei_error *error)
{
    struct mirror *mirror = sync->config.mirror;
    uint64_t open = 0, ended = 0;
    sync->dirty = true;
    *valid = mirror_table_is_damaged(mirror, sync_book_open_id(sync, number));
    rhei_status status = mirror_lose_damaged(mirror, sync_book_open_id(sync, number), &open, error);
    if (status == RHEI_OK)
        status = mirror_lose_damaged(mirror, sync_book_ended_id(sync, number), &ended, error);
    *rows = open + ended;
    return status;
}

/* The time from which on all is told, that of the loss. */
static void note_now(const struct sync *sync, const struct sync_generation *generation, struct sync_history *history,
                     int64_t *us, int64_t *seq)
{
    double low = 0, high = 0;
    *us = base_wall_ms() * 1000;
    *seq = sync->pinned;
    if (history == NULL) {
        if (mirror_working_range(sync->config.mirror, sync_book_ended_id(sync, generation->number),
                                 generation->name_count + UNTIL, &low, &high) &&
            (int64_t)high > *us)
            *us = (int64_t)high;
        return;
    }
    *us = history->clock_us = history->clock_us > *us ? history->clock_us : *us;
    *seq = history->clock_seq = history->clock_seq > *seq ? history->clock_seq : *seq;
}

/* Under `lock`, with the turn (1, 3). */
static rhei_status say_lost(struct sync *sync, const char *table, bool whole, int64_t us, int64_t seq,
                            struct rhei_error *error)
{
    (void)snprintf(
        sync->lost_message, sizeof sync->lost_message,
        "versions of the history of table \"%.80s\" were lost with a damaged file: of before, nothing is told", table);
    if (whole)
        return sync_history_raise(sync, table, us, seq, error);
    return sync_history_never(sync, table, error);
}

static rhei_status mend(struct sync *sync, const struct sync_generation *generation, struct rhei_error *error)
{
    struct sync_table *table = followed_by(sync, generation->number);
    struct rhei_error why = RHEI_ERROR_INIT;
    uint64_t rows = 0;
    int64_t us = 0, seq = 0;
    bool valid = false;
    sync_turn_take(sync);
    note_now(sync, generation, table == NULL ? NULL : table->history, &us, &seq);
    rhei_status status = lose(sync, generation->number, &rows, &valid, error);
    bool begins = status == RHEI_OK && valid && table != NULL;
    bool begun = begins && begin_anew(sync, table, &why) == RHEI_OK;
    bool gone = generation->gone_us != 0; /* nothing of it is valid any more */
    sync_turn_give(sync);
    base_mutex_lock(&sync->lock);
    sync_turn_take(sync);
    if (status == RHEI_OK)
        status = say_lost(sync, generation->table, begun || gone || !valid, us, seq, error);
    sync_turn_give(sync);
    base_mutex_unlock(&sync->lock);
    if (status == RHEI_OK)
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync",
                       "%" PRIu64
                       " versions of the history of table \"%s\" are lost with a damaged file of the folder: "
                       "nothing is told of before now",
                       rows, generation->table);
    if (begins && !begun)
        sync_table_lost(sync, table, why.message, INT64_MAX);
    return status;
}

/* ---- All of them. --------------------------------------------------------------------------------------------------- */

static bool is_damaged(struct sync *sync, uint32_t table)
{
    sync_turn_take(sync);
    bool damaged = mirror_table_is_damaged(sync->config.mirror, table);
    sync_turn_give(sync);
    return damaged;
}

static rhei_status mend_book(struct sync *sync, struct rhei_error *error)
{
    base_mutex_lock(&sync->lock);
    sync_turn_take(sync);
    rhei_status status = sync_book_rewrite(sync, error);
    sync_turn_give(sync);
    base_mutex_unlock(&sync->lock);
    base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "the list of histories was damaged, and is written anew");
    return status;
}

void sync_history_mend(struct sync *sync)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = RHEI_OK;
    if (sync->book_unread)
        return;
    if (is_damaged(sync, sync_book_ended_id(sync, 0)))
        status = mend_book(sync, &why);
    for (size_t g = 0; g < sync->book.count && status == RHEI_OK; g++) {
        const struct sync_generation *generation = sync->book.generations[g];
        if (is_damaged(sync, sync_book_open_id(sync, generation->number)) ||
            is_damaged(sync, sync_book_ended_id(sync, generation->number)))
            status = mend(sync, generation, &why);
    }
    if (status == RHEI_OK)
        return;
    sync->damages--; /* again with the next cycle; until then whoever reads it is told */
    base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "a damaged history can't be mended now: %s", why.message);
}

bool sync_lost_versions(struct sync *sync, char *message, size_t size)
{
    base_mutex_lock(&sync->lock);
    bool lost = sync->lost_message[0] != '\0';
    (void)snprintf(message, size, "%s", sync->lost_message);
    base_mutex_unlock(&sync->lock);
    return lost;
}
