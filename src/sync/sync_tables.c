/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of tables and what state each is in.
 *
 *   WAITING   -> BUILDING  builder takes it (sync_build.c)
 *   BUILDING  -> READY     sync_tables_published, after the publish that shows it
 *   BUILDING  -> WAITING   load failed for a passing reason, or changes were lost
 *   READY     -> WAITING   sync_rebuild, or changes were lost (its own or all)
 *   any       -> FAILED    sync_table_fail
 *   FAILED    -> WAITING   sync_rebuild; by itself when memory was wanting and there is room now, or the reason may have passed (sync_build.c)
 *   gone from the source: dropped from the mirror and from the list, whatever its state
 */
#include "sync_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"
#include "sync_book.h"

#define STARVED_NS INT64_C(30000000000) /* a table that failed for want of memory is tried again then, in any case, */
#define PASSING_NS INT64_C(5000000000) /* and one whose source was away, or refused it, then: twice as long each time */

/* ---- A table's definition, copied into one block. ---------------------------------------------------------------- */

struct block {
    char *at;
};

static void *block_take(struct block *block, size_t bytes)
{
    void *result = block->at;
    block->at += (bytes + 7) & ~(size_t)7;
    return result;
}

static const char *block_text(struct block *block, const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    return memcpy(block_take(block, bytes), text, bytes);
}

static size_t text_size(const char *text)
{
    return text ? (strlen(text) + 8) & ~(size_t)7 : 0;
}

static size_t definition_size(const struct source_table *table)
{
    size_t size = ((sizeof *table + 7) & ~(size_t)7) + table->column_count * sizeof *table->columns +
                  table->key_count * sizeof *table->key_columns + 16;
    size += text_size(table->name) + text_size(table->unmirrored_reason);
    for (uint32_t c = 0; c < table->column_count; c++) {
        const struct source_column *column = &table->columns[c];
        size += text_size(column->name) + text_size(column->declared_type) + text_size(column->collation);
    }
    return size;
}

rhei_status sync_definition_copy(const struct source_table *table, struct source_table **copy, struct rhei_error *error)
{
    struct block block = {base_alloc_zero(1, definition_size(table))};
    if (!block.at)
        return error_no_memory(error);
    struct source_table *result = block_take(&block, sizeof *result);
    *result = *table;
    struct source_column *columns = block_take(&block, table->column_count * sizeof *columns);
    uint32_t *keys = block_take(&block, table->key_count * sizeof *keys);
    for (uint32_t k = 0; k < table->key_count; k++)
        keys[k] = table->key_columns[k];
    for (uint32_t c = 0; c < table->column_count; c++) {
        columns[c] = table->columns[c];
        columns[c].name = block_text(&block, table->columns[c].name);
        columns[c].declared_type = block_text(&block, table->columns[c].declared_type);
        columns[c].collation = block_text(&block, table->columns[c].collation);
    }
    result->columns = columns;
    result->key_columns = keys;
    result->name = block_text(&block, table->name ? table->name : "");
    result->unmirrored_reason = block_text(&block, table->unmirrored_reason);
    *copy = result;
    return RHEI_OK;
}

/* ---- The list. --------------------------------------------------------------------------------------------------- */

static void table_free(struct sync_table *table)
{
    if (!table)
        return;
    base_free(table->definition);
    sync_history_free(&table->history);
    sync_sweep_free(&table->sweep);
    base_free(table);
}

void sync_tables_free(struct sync *sync)
{
    for (size_t i = 0; i < sync->table_count; i++)
        table_free(sync->tables[i]);
    base_free(sync->tables);
    sync->tables = NULL;
    sync->table_count = 0;
}

static void set_message(struct sync_table *table, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    len = base_utf8_cut(text ? text : "", len, sizeof table->message - 1);
    memcpy(table->message, text ? text : "", len);
    table->message[len] = 0;
}

static void table_settle(struct sync_table *table)
{
    const char *reason = table->definition->unmirrored_reason;
    if (!reason && table->definition->id == 0)
        reason = "its changes are not captured";
    table->state = reason ? SYNC_TABLE_UNMIRRORED : SYNC_TABLE_WAITING;
    set_message(table, reason);
}

static rhei_status table_new(const struct source_table *definition, struct sync_table **table, struct rhei_error *error)
{
    struct sync_table *result = base_alloc_zero(1, sizeof *result);
    if (!result)
        return error_no_memory(error);
    rhei_status status = sync_definition_copy(definition, &result->definition, error);
    if (status != RHEI_OK) {
        base_free(result);
        return status;
    }
    table_settle(result);
    *table = result;
    return RHEI_OK;
}

/* Takes a table out of the working state. Owner, under `lock`. */
static void table_detach(struct sync *sync, struct sync_table *table)
{
    if (table->job)
        sync_job_cancel(sync, table->job);
    sync_sweep_free(&table->sweep);
    if (!table->attached)
        return;
    sync_tell_changed(sync, table);
    sync_turn_take(sync);
    mirror_drop(sync->config.mirror, table->definition->id);
    sync_history_release(sync, table->history, sync_table_applied(sync, table));
    sync->dirty = true;
    sync_turn_give(sync);
    BASE_INVARIANT(sync->attached_count > 0 && sync->behind_count >= table->behind);
    sync->attached_count--;
    sync->behind_count -= table->behind;
    table->attached = table->behind = table->restored = false;
    sync->set_changed = true;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static int compare_tables(const void *a, const void *b)
{
    const struct source_table *left = (*(struct sync_table *const *)a)->definition;
    const struct source_table *right = (*(struct sync_table *const *)b)->definition;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    return strcmp(left->name, right->name);
}

static bool same_definition(const struct source_table *a, const struct source_table *b)
{
    bool same = strcmp(a->name, b->name ? b->name : "") == 0 && a->column_count == b->column_count &&
                a->key_count == b->key_count && a->key_is_integer == b->key_is_integer;
    for (uint32_t c = 0; same && c < a->column_count; c++)
        same = same_text(a->columns[c].name, b->columns[c].name) &&
               same_text(a->columns[c].declared_type, b->columns[c].declared_type) &&
               same_text(a->columns[c].collation, b->columns[c].collation) &&
               a->columns[c].affinity == b->columns[c].affinity;
    for (uint32_t k = 0; same && k < a->key_count; k++)
        same = a->key_columns[k] == b->key_columns[k];
    return same;
}

/*
 * The entry of the old list that a new definition continues, if nothing that matters here is different:
 * a number alone doesn't say so. An older copy of the file has an older registry, which gives numbers again that this one had.
 */
static struct sync_table *find_unchanged(const struct sync *sync, const struct source_table *definition)
{
    struct source_table wanted = *definition;
    struct sync_table key = {.definition = &wanted}, *pointer = &key;
    if (!wanted.name)
        wanted.name = "";
    struct sync_table **found = sync->table_count == 0 ? NULL
                                                       : bsearch(&pointer, sync->tables, sync->table_count,
                                                                 sizeof(struct sync_table *), compare_tables);
    if (!found || (*found)->kept)
        return NULL;
    const struct source_table *old = (*found)->definition;
    bool same = same_definition(old, definition) && same_text(old->unmirrored_reason, definition->unmirrored_reason);
    return same ? *found : NULL;
}

static void keep_none(struct sync *sync)
{
    for (size_t i = 0; i < sync->table_count; i++)
        sync->tables[i]->kept = false;
}

/* ---- Tables that the mirror had before the first cycle. ------------------------------------------------------------ */

/* A table of this source from *id on that the mirror has. With the turn. */
static bool next_own(struct sync *sync, uint32_t *id)
{
    return mirror_next_table(sync->config.mirror, id) && *id >> TABLE_SOURCE_SHIFT == sync->config.source_number;
}

/* Under `lock`: the restored table goes on, as one that a load has just attached. */
static void table_resume(struct sync *sync, struct sync_table *table)
{
    const struct source_table *restored = mirror_definition(sync->config.mirror, table->definition->id);
    if (!restored || table->state != SYNC_TABLE_WAITING || !same_definition(restored, table->definition))
        return;
    if (sync_keeps_history(sync, table->definition) && !sync_history_resume(sync, table->definition, &table->history))
        return; /* loaded, so that its history goes on from what is there */
    table->state = SYNC_TABLE_BUILDING;
    table->attached = table->behind = table->restored = true;
    table->applied = sync->config.restored_position;
    sync->attached_count++;
    sync->behind_count++;
}

/* Under `lock`, when the list is known: what it hasn't taken over goes. */
static void settle_restored(struct sync *sync)
{
    sync_turn_take(sync);
    for (size_t i = 0; i < sync->table_count; i++)
        table_resume(sync, sync->tables[i]);
    for (uint32_t id = 0; next_own(sync, &id); id++) {
        const struct sync_table *table = sync_table_find(sync, id);
        if (!table || !table->attached)
            mirror_drop(sync->config.mirror, id);
    }
    sync->dirty = true;
    sync_turn_give(sync);
    sync->restored = false;
    sync->promote = sync->set_changed = true;
}

void sync_restored_drop(struct sync *sync)
{
    sync_turn_take(sync);
    for (uint32_t id = 0; sync->restored && next_own(sync, &id); id++)
        mirror_drop(sync->config.mirror, id);
    sync->dirty = true;
    sync_turn_give(sync);
    sync->restored = false;
    sync->set_changed = true;
}

/* What is taken over from the old list is `kept` then. */
static rhei_status make_list(struct sync *sync, const struct source_table *list, size_t count,
                             struct sync_table **tables, struct rhei_error *error)
{
    keep_none(sync);
    for (size_t i = 0; i < count; i++) {
        tables[i] = find_unchanged(sync, &list[i]);
        rhei_status status = tables[i] ? RHEI_OK : table_new(&list[i], &tables[i], error);
        if (status == RHEI_OK) {
            tables[i]->kept = true;
            continue;
        }
        keep_none(sync);
        for (size_t k = 0; k < i; k++)
            if (tables[k]->kept) /* a new one: those of the old list were reset */
                table_free(tables[k]);
        return status;
    }
    return RHEI_OK;
}

/* Under `lock`: tables that came with this list came together with those that went. */
static void note_round(struct sync *sync)
{
    sync->rounds++;
    for (size_t i = 0; i < sync->table_count; i++)
        if (sync->tables[i]->round == 0)
            sync->tables[i]->round = sync->rounds;
}

/*
 * Under `lock`. What went at the very position of the state that was taken over may have gone a moment before the handle was closed, or died: the
 * table that came with it wasn't loaded any more, and is on this list. Whether it is the same one its rows say.
 */
static void await_heirs(struct sync *sync)
{
    for (size_t g = 0; g < sync->book.count; g++) {
        struct sync_generation *generation = sync->book.generations[g];
        if (generation->gone_us != 0 && generation->gone_seq == sync->config.histories_position &&
            generation->round != SYNC_NO_HEIR)
            generation->round = sync->rounds;
    }
}

/* Under `lock`. A book that can't be read, or written, is no trouble of the tables: it is there again with the next list. */
static void settle_histories(struct sync *sync)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = RHEI_OK;
    sync_turn_take(sync);
    if (sync->book_unread) {
        status = sync_book_restore(sync, &why);
        sync->book_unread = status != RHEI_OK;
        if (status == RHEI_OK)
            status = sync_history_lost(sync, &why);
        if (status == RHEI_OK)
            await_heirs(sync);
    }
    if (status == RHEI_OK)
        status = sync_history_follow(sync, &why);
    if (status == RHEI_OK)
        status = sync_history_settle(sync, &why);
    sync_turn_give(sync);
    if (status != RHEI_OK)
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "the histories of tables that went: %s", why.message);
}

/* Inside a cycle: makes the list that of the pinned state. Nothing has changed when it fails. */
rhei_status sync_tables_reconcile(struct sync *sync, struct rhei_error *error)
{
    const struct source_table *list = NULL;
    size_t count = 0;
    rhei_status status = sync->config.source->ops->tables(sync->config.source, &list, &count, error);
    if (status != RHEI_OK)
        return status;
    struct sync_table **tables = base_alloc_zero(count + 1, sizeof(struct sync_table *));
    if (!tables)
        return error_no_memory(error);
    status = make_list(sync, list, count, tables, error);
    if (status != RHEI_OK) {
        base_free(tables);
        return status;
    }

    base_mutex_lock(&sync->lock);
    bool untold = false, unseen = sync->rounds == 0;
    for (size_t i = 0; i < sync->table_count; i++) {
        if (sync->tables[i]->kept)
            continue;
        untold = untold || sync->tables[i]->untold; /* whichever of the new ones it is */
        unseen = unseen || sync->tables[i]->unseen;
        sync_tell_changed(sync, sync->tables[i]);
        sync_history_pass_on(sync, sync->tables[i]);
        table_detach(sync, sync->tables[i]);
        table_free(sync->tables[i]);
        sync->tables[i] = NULL;
        sync->set_changed = true;
    }
    base_free(sync->tables);
    qsort(tables, count, sizeof(struct sync_table *), compare_tables);
    sync->tables = tables;
    sync->table_count = count;
    sync->tables_known = true;
    note_round(sync);
    for (size_t i = 0; i < count; i++) {
        bool came = tables[i]->round == sync->rounds;
        tables[i]->untold = tables[i]->untold || (untold && came);
        tables[i]->unseen = tables[i]->unseen || (unseen && came);
    }
    settle_histories(sync);
    if (sync->restored)
        settle_restored(sync);
    base_cond_signal(&sync->builder_cond);
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
    return RHEI_OK;
}

/* ---- Changes of state by the owner. ------------------------------------------------------------------------------ */

bool sync_is_passing(rhei_status status)
{
    return status == RHEI_BUSY || status == RHEI_IO || status == RHEI_NOT_FOUND || status == RHEI_STALE ||
           status == RHEI_CANCELLED || status == RHEI_TIMEOUT;
}

/* Status says what it waits for. */
static void tell_starved(const struct sync *sync, struct sync_table *table, const char *why)
{
    enum { MIB = 1 << 20, SECOND_NS = 1000000000, SUFFIX_BYTES = 112 };
    char text[sizeof table->message], wait[SUFFIX_BYTES];
    int64_t left_ns = table->starved_until_ns - base_now_ns();
    (void)snprintf(wait, sizeof wait, "; tried again when %zu MiB are free (%zu now), in %" PRId64 " s at the latest",
                   table->room_wanted / MIB + 1, mirror_room(sync->config.mirror) / MIB,
                   (left_ns > 0 ? left_ns : 0) / SECOND_NS);
    size_t cut = base_utf8_cut(why, strlen(why), sizeof text - 1 - strlen(wait));
    (void)snprintf(text, sizeof text, "%.*s%s", (int)cut, why, wait);
    set_message(table, text);
}

/*
 * Tried again when there is more room than was not enough. Where segments go to files, a load needs little of its own, and whoever has the room gives
 * it: then it is tried soon, though less and less often.
 */
void sync_table_give_up(struct sync *sync, struct sync_table *table, const struct rhei_error *error, size_t room)
{
    enum { STARVED_TIMES_MOST = 5, PASSING_TIMES_MOST = 3, ROOM_LEAST = 1 << 20 };
    bool memory = error->code == RHEI_MEMORY_LIMIT || error->code == RHEI_NO_MEMORY;
    bool passing = sync_is_passing(error->code) || error->code == RHEI_CANT_OPEN;
    table->state = SYNC_TABLE_FAILED;
    set_message(table, error->message);
    sync->counters.failures++;
    table->starved = memory || passing;
    if (!table->starved)
        return;
    bool spills = memory && mirror_spills(sync->config.mirror);
    size_t part = mirror_memory_limit(sync->config.mirror) / 4;
    uint32_t most = memory ? STARVED_TIMES_MOST : PASSING_TIMES_MOST;
    uint32_t times = table->starved_times < most ? table->starved_times : most;
    int64_t now = base_now_ns();
    table->starved_times++;
    table->room_wanted = memory && room < SIZE_MAX / 2 ? room + room / 4 + ROOM_LEAST : SIZE_MAX;
    if (spills && table->room_wanted > part)
        table->room_wanted = part;
    table->retry_at_ns = now + ((int64_t)SYNC_STARVED_LOOK_NS << (spills ? 2 * times : 0));
    table->starved_until_ns = now + ((memory ? STARVED_NS : PASSING_NS) << times);
    if (table->room_wanted < SIZE_MAX)
        tell_starved(sync, table, error->message);
    sync_upkeep_tidy(sync);
}

/* The mirror can't follow this table: it goes, the others stay. */
void sync_table_fail(struct sync *sync, struct sync_table *table, const struct rhei_error *error)
{
    base_mutex_lock(&sync->lock);
    size_t before = mirror_garbage_bytes(sync->config.mirror);
    sync_turn_take(sync);
    sync_history_tear(sync, table->history);
    sync_turn_give(sync);
    table_detach(sync, table);
    size_t garbage = mirror_garbage_bytes(sync->config.mirror); /* its rows, until they are freed */
    size_t room = mirror_room(sync->config.mirror), own = garbage > before ? garbage - before : 0;
    sync_table_give_up(sync, table, error, room < SIZE_MAX - own ? room + own : SIZE_MAX);
    base_cond_signal(&sync->builder_cond);
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
    base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "table \"%s\" is no longer mirrored: %s",
                   table->definition->name, error->message);
}

static void table_restart(struct sync *sync, struct sync_table *table)
{
    table_detach(sync, table);
    table->attempts = 0;
    table->starved_times = 0;
    table->retry_at_ns = 0;
    table->untold = true;
    table_settle(table);
}

void sync_table_lost(struct sync *sync, struct sync_table *table, const char *why, int64_t at)
{
    base_mutex_lock(&sync->lock);
    const struct sync_job *job = table->job;
    bool built = table->state == SYNC_TABLE_READY || table->state == SYNC_TABLE_BUILDING;
    int64_t read_at = table->attached ? sync_table_applied(sync, table) : job ? job->hold : 0;
    bool again = built && at > read_at;
    if (again) {
        table_restart(sync, table);
        set_message(table, why);
        base_cond_signal(&sync->builder_cond);
        sync_turned(sync);
    }
    base_mutex_unlock(&sync->lock);
    if (again)
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "table \"%s\" is built again: %s",
                       table->definition->name, why);
}

/* Changes were lost: every table that was built, or is being built, has to be built again. */
void sync_tables_drop_all(struct sync *sync)
{
    base_mutex_lock(&sync->lock);
    for (size_t i = 0; i < sync->table_count; i++)
        if (sync->tables[i]->state != SYNC_TABLE_FAILED)
            table_restart(sync, sync->tables[i]);
    base_cond_signal(&sync->builder_cond);
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
}

/* With the turn. */
static void attach_history(struct sync *sync, struct sync_table *table, struct sync_job *job)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    sync_history_free(&table->history);
    if (!job->history)
        return;
    table->history = job->history;
    job->history = NULL;
    if (sync_history_attach(sync, table->history, table->definition, &why) != RHEI_OK)
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "table \"%s\" keeps no history: %s",
                       table->definition->name, why.message);
}

static void attach_job(struct sync *sync, struct sync_job *job)
{
    struct sync_table *table = sync_table_find(sync, job->table);
    if (!table || table->state != SYNC_TABLE_BUILDING || atomic_load(&job->cancelled)) {
        mirror_build_abandon(&job->build);
        job->finished = true;
        if (table && table->state == SYNC_TABLE_BUILDING)
            table->state = SYNC_TABLE_WAITING;
        return;
    }
    struct rhei_error error = RHEI_ERROR_INIT;
    sync_turn_take(sync);
    rhei_status status = mirror_build_attach(&job->build, &error);
    sync->dirty = sync->dirty || status == RHEI_OK;
    if (status == RHEI_OK)
        attach_history(sync, table, job);
    sync_turn_give(sync);
    if (status != RHEI_OK) {
        sync_table_give_up(sync, table, &error, job->room);
        job->finished = true;
        return;
    }
    BASE_INVARIANT(!table->attached && !job->build && table->job == job);
    BASE_INVARIANT(job->loaded && !job->finished);
    job->attached = true;
    table->attached = table->behind = true;
    sync->attached_count++;
    sync->behind_count++;
    table->applied = job->hold;
    sync->promote = true;
    sync->set_changed = true;
}

void sync_tables_mend(struct sync *sync)
{
    uint64_t damages = mirror_damages(sync->config.mirror);
    if (damages == sync->damages)
        return;
    sync->damages = damages;
    for (size_t i = 0; i < sync->table_count; i++) {
        struct sync_table *table = sync->tables[i];
        sync_turn_take(sync);
        bool damaged = table->attached && mirror_table_is_damaged(sync->config.mirror, table->definition->id);
        sync_turn_give(sync);
        if (damaged)
            sync_table_lost(sync, table, "a file of its mirror is damaged", INT64_MAX);
    }
    sync_history_mend(sync);
}

/* Under `lock`. Tables with a history wait until they have what the cycle tells: behind that, a load says what came of it alone. */
static void restart_wanted(struct sync *sync, bool histories)
{
    for (size_t i = 0; i < sync->table_count; i++) {
        struct sync_table *table = sync->tables[i];
        if (!table->rebuild_wanted || (!histories && table->attached && table->history))
            continue;
        table->rebuild_wanted = false;
        table_restart(sync, table);
        if (table->rebuild_why)
            set_message(table, table->rebuild_why);
        table->rebuild_why = NULL;
    }
}

void sync_tables_serve_late(struct sync *sync)
{
    base_mutex_lock(&sync->lock);
    restart_wanted(sync, true);
    base_cond_signal(&sync->builder_cond);
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
}

/* Before a cycle begins: rebuilds that were asked for, and the tables whose loads are done. */
void sync_tables_serve_requests(struct sync *sync)
{
    bool attached = false;
    base_mutex_lock(&sync->lock);
    atomic_store_explicit(&sync->request, false, memory_order_relaxed);
    restart_wanted(sync, false);
    for (struct sync_job *job = sync->jobs; job; job = job->next) {
        if (!job->loaded || job->attached || job->finished)
            continue;
        attach_job(sync, job);
        attached = attached || job->attached;
    }
    base_cond_signal(&sync->builder_cond);
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
    if (attached)
        sync_fault(sync, "sync.build.attached");
}

static void settle_published(struct sync *sync, struct sync_table *table)
{
    table->behind = false;
    if (table->state != SYNC_TABLE_BUILDING)
        return;
    BASE_INVARIANT(table->attached && !table->behind);
    table->state = SYNC_TABLE_READY;
    sync_tell_changed(sync, table);
    table->was_ready = true;
    atomic_fetch_add_explicit(&sync->built, 1, memory_order_release);
    table->attempts = table->starved_times = 0;
    table->starved = table->untold = table->unseen = false;
    set_message(table, NULL);
    if (table->job) {
        sync->counters.builds++; /* else it was taken over */
        table->job->finished = true;
        atomic_fetch_add_explicit(&sync->loaded, 1, memory_order_release);
    }
}

/* After a publish: everything attached is at its position, and what was being built is ready. */
void sync_tables_published(struct sync *sync, int64_t position)
{
    sync->common = position;
    if (!sync->set_changed && !sync->promote)
        return;
    base_mutex_lock(&sync->lock);
    for (size_t i = 0; i < sync->table_count && sync->promote; i++)
        if (sync->tables[i]->attached)
            settle_published(sync, sync->tables[i]);
    BASE_INVARIANT(sync->behind_count <= sync->attached_count);
    sync->behind_count = 0;
    sync->counters.tables_ready = (uint32_t)sync->attached_count;
    sync->promote = false;
    sync->set_changed = false;
    base_cond_signal(&sync->builder_cond);
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
}

/*
 * A table that was published is at the common position, or beyond it by what a failed cycle applied; one that was only attached
 * is where its load was, or beyond.
 */
int64_t sync_table_applied(const struct sync *sync, const struct sync_table *table)
{
    return table->behind || table->applied > sync->common ? table->applied : sync->common;
}

/* Where the next cycle has to continue. */
int64_t sync_tables_lowest(const struct sync *sync)
{
    if (sync->attached_count == 0)
        return atomic_load_explicit(&sync->position, memory_order_relaxed);
    int64_t lowest = sync->attached_count > sync->behind_count ? sync->common : INT64_MAX;
    for (size_t i = 0; i < sync->table_count && sync->behind_count > 0; i++)
        if (sync->tables[i]->behind && sync->tables[i]->applied < lowest)
            lowest = sync->tables[i]->applied;
    BASE_INVARIANT(lowest < INT64_MAX);
    return lowest;
}

bool sync_tables_attached(const struct sync *sync)
{
    return sync->attached_count > 0;
}
