/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cycle, run by the owner.
 *
 *   1. The published state shows every change up to `position`, of every table that is in it, and none beyond (A1).
 *   2. In the working state each table is at a number of its own (sync_table_applied): a change of a lower or equal number
 *      is left out (A2). Tables that nothing happened to share one, so a cycle costs what it touches.
 *   3. A cycle that fails or is cancelled publishes nothing. What it applied stays in the working state; the next cycle
 *      begins at the lowest `applied` and leaves out, table by table, what is there already (A4).
 *   4. A table whose changes can't be applied goes; the others go on (A5).
 *   5. `token` is stored after the publish that shows what it stands for, so a reader that finds the token current finds
 *      the mirror current (Q1).
 *
 * The rows of one change number are never spread over two calls of next, so leaving out by number is exact.
 */
#include "sync_book.h"
#include "sync_history.h"

#include <inttypes.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum { ROOM_WAITS = 200 }; /* of a cycle, 10 ms each */

/* The index of the first change that the table has not seen. Numbers grow within a batch. */
static size_t first_unseen(const int64_t *seq, size_t count, int64_t applied)
{
    if (!seq || count == 0 || seq[0] > applied)
        return 0;
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (seq[middle] <= applied)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The batch without its first `skip` rows. */
static rhei_status batch_tail(struct sync *sync, const struct change_batch *batch, size_t skip,
                              struct change_batch *tail, struct rhei_error *error)
{
    if (!base_grow((void **)&sync->shifted, &sync->shifted_capacity, batch->column_count, sizeof *sync->shifted))
        return error_no_memory(error);
    BASE_INVARIANT(skip > 0 && skip < batch->row_count);
    *tail = *batch;
    for (uint32_t c = 0; c < batch->column_count; c++)
        sync->shifted[c] = batch->columns[c] + skip;
    tail->columns = sync->shifted;
    tail->row_count -= skip;
    tail->op = batch->op ? batch->op + skip : NULL;
    tail->seq = batch->seq ? batch->seq + skip : NULL;
    tail->time_us = batch->time_us ? batch->time_us + skip : NULL;
    tail->first_us = 0;
    tail->inserted = batch->inserted ? batch->inserted + skip : NULL;
    if (batch->unchanged && !batch->unchanged_shared)
        tail->unchanged = batch->unchanged + skip * change_batch_words(batch->column_count);
    return RHEI_OK;
}

/* With the turn. What comes of it is settled behind the turn. */
static void apply_history(struct sync *sync, struct sync_history *history, const struct change_batch *batch,
                          struct rhei_error *why)
{
    if (sync_history_apply(sync, history, batch, why) != RHEI_OK)
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "the history of table %" PRIu32 " ended: %s",
                       batch->table, why->message);
}

/* The history of a table that can't go on goes. */
static void drop_failed(struct sync *sync, struct sync_history *history)
{
    base_mutex_lock(&sync->lock);
    sync_turn_take(sync);
    sync_history_drop(sync, history);
    sync_turn_give(sync);
    base_mutex_unlock(&sync->lock);
}

/*
 * What was replaced is kept while somebody shows it, a checkpoint that is written above all. Near the limit that is waited for, though not for long: a
 * reader that stays is a reason to fail. Where segments go to files alone: elsewhere it is no more than what is there.
 */
static void make_room(struct sync *sync)
{
    enum { WAIT_NS = 10000000 };
    const struct mirror *mirror = sync->config.mirror;
    size_t least = mirror_memory_limit(mirror) / 8;
    for (; mirror_spills(mirror) && mirror_room(mirror) < least && mirror_garbage_bytes(mirror) > least / 2 &&
           sync->room_waits > 0;
         sync->room_waits--) {
        atomic_uint never = 0;
        sync_turn_take(sync);
        mirror_collect(sync->config.mirror);
        sync_turn_give(sync);
        if (mirror_room(mirror) < least)
            base_word_wait(&never, 0, base_now_ns() + WAIT_NS);
    }
}

static rhei_status apply_rows(struct sync *sync, const struct sync_table *table, const struct change_batch *batch,
                              struct mirror_apply_counts *counts, struct rhei_error *error)
{
    if (batch->column_count != table->definition->column_count)
        return error_set(error, RHEI_INTERNAL, "a change has %" PRIu32 " columns, the table %" PRIu32,
                         batch->column_count, table->definition->column_count);
    make_room(sync);
    sync_turn_take(sync);
    sync->dirty = true;
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = mirror_apply(sync->config.mirror, batch, counts, error);
    if (status == RHEI_OK && table->history)
        apply_history(sync, table->history, batch, &why);
    sync_turn_give(sync);
    if (!table->history || !sync_history_failed(table->history))
        return status;
    drop_failed(sync, table->history);
    bool starved = why.code == RHEI_MEMORY_LIMIT && mirror_spills(sync->config.mirror);
    if (status != RHEI_OK || !starved) /* the table stays, without one */
        return status;
    *error = why; /* rows needn't fit: built again when there is room for the rest, it keeps one from then on */
    return why.code;
}

static rhei_status note_seen(struct sync *sync, struct sync_table *table, struct rhei_error *error)
{
    if (table->seen)
        return RHEI_OK;
    if (!base_grow((void **)&sync->seen, &sync->seen_capacity, sync->seen_count + 1, sizeof *sync->seen))
        return error_no_memory(error);
    BASE_INVARIANT(sync->seen_count < sync->seen_capacity);
    sync->seen[sync->seen_count++] = table->definition->id;
    table->seen = true;
    return RHEI_OK;
}

static void forget_seen(struct sync *sync)
{
    for (size_t i = 0; i < sync->seen_count; i++) {
        struct sync_table *table = sync_table_find(sync, sync->seen[i]);
        if (table)
            table->seen = false;
    }
    sync->seen_count = 0;
}

static uint64_t rows_of(struct sync *sync, uint32_t table)
{
    sync_turn_take(sync);
    uint64_t rows = mirror_rows(sync->config.mirror, table);
    sync_turn_give(sync);
    return rows;
}

/* All changes are applied: a table that has another number of rows than the source's went through something that no change told. */
static void compare_counts(struct sync *sync)
{
    struct change_source *source = sync->config.source;
    for (size_t i = 0; i < sync->seen_count && source->ops->has_rows; i++) {
        struct sync_table *table = sync_table_find(sync, sync->seen[i]);
        if (table && table->attached && !source->ops->has_rows(source, sync->seen[i], rows_of(sync, sync->seen[i])))
            sync_table_lost(sync, table, "its rows are not as many as its changes tell", INT64_MAX);
    }
    forget_seen(sync);
}

/* A bad table only fails itself: false. */
static bool apply_new(struct sync *sync, struct sync_table *table, const struct change_batch *batch)
{
    struct mirror_apply_counts counts = {0};
    struct rhei_error table_error = RHEI_ERROR_INIT;
    sync_tell_changed(sync, table);
    rhei_status applied = apply_rows(sync, table, batch, &counts, &table_error);
    if (applied == RHEI_STALE) /* changes are missing: a load has what they would have told */
        sync_table_lost(sync, table, "a change of some columns came for a row that isn't there", INT64_MAX);
    else if (applied != RHEI_OK)
        sync_table_fail(sync, table, &table_error);
    if (applied != RHEI_OK)
        return false;
    int64_t *oldest_us = &sync->unpublished.oldest_us,
            first_us = batch->time_us != NULL ? batch->time_us[0] : batch->first_us;
    if (first_us > 0 && (*oldest_us == 0 || first_us < *oldest_us))
        *oldest_us = first_us;
    sync->unpublished.events += batch->row_count;
    sync->unpublished.inserted += counts.inserted;
    sync->unpublished.updated += counts.updated;
    sync->unpublished.deleted += counts.deleted;
    return true;
}

/*
 * What a source that looks came by: rows that are as they were are none of a cycle's changes, so that no number says what a table has, and a cycle
 * that failed is looked over again as a whole.
 */
static rhei_status apply_looked(struct sync *sync, struct sync_table *table, const struct change_batch *batch,
                                struct rhei_error *error)
{
    struct change_batch left;
    rhei_status status = sync_sift(sync, table, batch, &left, error);
    bool goes_on = status == RHEI_OK && (left.row_count == 0 || apply_new(sync, table, &left));
    while (goes_on && batch->sweep == CHANGE_SWEEP_ENDS) {
        status = sync_sift_gone(sync, table, batch, &left, error);
        if (status != RHEI_OK || left.row_count == 0)
            break;
        goes_on = apply_new(sync, table, &left);
    }
    return status;
}

/* Applies what its table has not seen. An error is one of the whole cycle; a bad table only fails itself. */
static rhei_status apply_batch(struct sync *sync, const struct change_batch *batch, struct rhei_error *error)
{
    struct sync_table *table = sync_table_find(sync, batch->table);
    if (table && batch->lost && batch->lost_us != 0)
        sync_history_known(table->history, batch->lost_us - 1);
    if (table && batch->lost)
        sync_table_lost(sync, table, batch->lost, batch->lost_at);
    if (!table || (batch->row_count == 0 && batch->sweep == CHANGE_SWEEP_NONE))
        return RHEI_OK;
    if (!table->attached) {
        sync_tell_changed(sync, table);
        return RHEI_OK;
    }
    rhei_status noted = note_seen(sync, table, error);
    if (noted != RHEI_OK)
        return noted;
    if (batch->repeats)
        return apply_looked(sync, table, batch, error);
    size_t skip = first_unseen(batch->seq, batch->row_count, sync_table_applied(sync, table));
    if (skip == batch->row_count)
        return RHEI_OK;
    struct change_batch tail;
    if (skip) {
        rhei_status status = batch_tail(sync, batch, skip, &tail, error);
        if (status != RHEI_OK)
            return status;
        batch = &tail;
    }

    BASE_INVARIANT(!batch->seq || batch->seq[0] > sync_table_applied(sync, table)); /* 2. */
    BASE_INVARIANT(!batch->seq || batch->seq[0] <= batch->seq[batch->row_count - 1]);
    if (apply_new(sync, table, batch) && batch->seq)
        table->applied = batch->seq[batch->row_count - 1];
    return RHEI_OK;
}

/* For whoever waits for this cycle, and for whoever runs it. */
static void tell_applied(struct sync *sync, const struct sync_limit *limit, const struct change_batch *batches,
                         size_t count)
{
    int64_t done = atomic_load_explicit(&sync->cycle_done, memory_order_relaxed);
    for (size_t i = 0; i < count; i++)
        done += (int64_t)batches[i].row_count;
    atomic_store_explicit(&sync->cycle_done, done, memory_order_relaxed);
    if (limit && limit->stop)
        base_progress_set(limit->stop->progress, BASE_PROGRESS_CHANGES, done,
                          atomic_load_explicit(&sync->cycle_total, memory_order_relaxed));
}

static rhei_status read_changes(struct sync *sync, const struct sync_limit *limit, struct rhei_error *error)
{
    struct change_source *source = sync->config.source;
    sync->reading = true;
    forget_seen(sync);
    for (;;) {
        const struct change_batch *batches = NULL;
        size_t count = 0;
        rhei_status status = source->ops->next(source, sync->config.batch_rows, &batches, &count, error);
        if (status != RHEI_OK)
            return status;
        sync_fault(sync, "sync.cycle.read");
        if (count == 0) {
            compare_counts(sync);
            return RHEI_OK;
        }
        for (size_t i = 0; i < count; i++) {
            status = apply_batch(sync, &batches[i], error);
            if (status != RHEI_OK)
                return status;
        }
        tell_applied(sync, limit, batches, count);
        sync_fault(sync, "sync.cycle.batch");
        status = sync_limit_check(sync, limit, error);
        if (status != RHEI_OK)
            return status;
    }
}

static void tell_lost(const struct sync *sync, const char *what, int64_t after)
{
    if (sync->config.loses)
        base_log_write(sync->config.log, BASE_LOG_INFO, "sync", "the database changed: every table is built again");
    else
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync",
                       "changes after %s%" PRId64 " are gone from the log: every table is built again", what, after);
}

/* Between begin and end: brings the working state to the pinned state. */
static rhei_status follow(struct sync *sync, const struct change_cycle *cycle, int64_t after,
                          const struct sync_limit *limit, struct rhei_error *error)
{
    sync_fault(sync, "sync.cycle.begun");
    sync->pinned = cycle->position;
    if (cycle->lost && sync->restored) {
        tell_lost(sync, "the checkpoint at ", after);
        sync_restored_drop(sync);
    }
    if (cycle->lost && sync_tables_attached(sync)) {
        tell_lost(sync, "", after);
        sync_tables_drop_all(sync);
    }
    if (cycle->schema_changed || cycle->lost)
        sync->tables_known = false; /* stays so until the list was read, whichever cycle succeeds in it */
    if (!sync->tables_known) {
        rhei_status status = sync_tables_reconcile(sync, error);
        if (status != RHEI_OK)
            return status;
    }
    bool reader = sync_tables_attached(sync) || atomic_load_explicit(&sync->observed, memory_order_relaxed);
    if ((cycle->position == after && !cycle->suspect) || !reader)
        return RHEI_OK;
    return read_changes(sync, limit, error);
}

static rhei_status publish(struct sync *sync, int64_t position, struct rhei_error *error)
{
    sync_fault(sync, "sync.cycle.applied");
    bool primed = atomic_load_explicit(&sync->primed, memory_order_relaxed);
    if (primed && !sync->dirty && !sync->set_changed &&
        position == atomic_load_explicit(&sync->position, memory_order_relaxed))
        return RHEI_OK;
    sync_turn_take(sync);
    int64_t before = atomic_load_explicit(&sync->position, memory_order_relaxed);
    rhei_status status = sync_book_publish(sync, position, error);
    if (status == RHEI_OK) {
        sync->dirty = false;
        atomic_store_explicit(&sync->position, position, memory_order_release);
    }
    sync_turn_give(sync);
    if (status != RHEI_OK)
        return status;
    if (position < before) /* it is another database, or an older one: nothing of this one was forgotten yet */
        sync_prune_anew(sync, position);
    sync_fault(sync, "sync.cycle.published");
    sync_tables_published(sync, position);
    BASE_INVARIANT(sync->behind_count == 0 && !sync->promote); /* 1. */
    sync_tell_published(sync, position);
    return RHEI_OK;
}

/* To a source that wants to know. */
static rhei_status tell_followed(struct sync *sync, struct rhei_error *error)
{
    const struct change_source_ops *ops = sync->config.source->ops;
    size_t count = 0;
    if (!ops->following)
        return RHEI_OK;
    if (!base_grow((void **)&sync->followed, &sync->followed_capacity, sync->table_count + 1, sizeof *sync->followed))
        return error_no_memory(error);
    for (size_t i = 0; i < sync->table_count; i++)
        if (sync->tables[i]->attached)
            sync->followed[count++] = sync->tables[i]->definition->id;
    ops->following(sync->config.source, sync->followed, count);
    return RHEI_OK;
}

rhei_status sync_cycle_run(struct sync *sync, const struct sync_limit *limit, struct sync_report *report,
                           struct rhei_error *error)
{
    struct change_source *source = sync->config.source;
    *report = (struct sync_report){0};
    BASE_INVARIANT(atomic_load_explicit(&sync->running, memory_order_relaxed)); /* the owner */
    int64_t began_ns = base_now_ns(), began_us = base_wall_ms() * 1000;
    bool requested = atomic_load_explicit(&sync->request, memory_order_acquire);
    if (requested)
        sync_tables_serve_requests(sync);

    int64_t after = sync_tables_lowest(sync);
    struct change_cycle cycle = {0};
    uint64_t token = atomic_load_explicit(&sync->token, memory_order_relaxed);
    rhei_status status = tell_followed(sync, error);
    bool names = atomic_exchange(&sync->names_wanted, false);
    if ((sync->awaited || names) && source->ops->awaited != NULL)
        source->ops->awaited(source, names);
    atomic_store_explicit(&sync->asking, true, memory_order_relaxed);
    if (status == RHEI_OK)
        status = source->ops->begin(source, after, &cycle, &token, error);
    atomic_store_explicit(&sync->asking, false, memory_order_relaxed);
    if (status != RHEI_OK && requested)
        atomic_store_explicit(&sync->request, true, memory_order_relaxed);
    if (status != RHEI_OK)
        return status;
    if (cycle.doubtful && !cycle.lost && sync_tables_attached(sync))
        sync_verify_want(sync);
    if (sync->restored && !cycle.lost) /* nobody saw what happened to its tables since */
        sync_verify_want(sync);
    sync->telling_us = cycle.known_us > sync->telling_us ? cycle.known_us : sync->telling_us;
    sync->reading = false;
    sync->room_waits = ROOM_WAITS;
    atomic_store_explicit(&sync->cycle_done, 0, memory_order_relaxed);
    atomic_store_explicit(&sync->cycle_total, cycle.position > after && after > 0 ? cycle.position - after : -1,
                          memory_order_relaxed);
    status = follow(sync, &cycle, after, limit, error);
    if (requested && status == RHEI_OK)
        sync_tables_serve_late(sync);
    else if (requested)
        atomic_store_explicit(&sync->request, true, memory_order_relaxed);
    sync_tables_mend(sync); /* what was applied to a table with a damaged segment isn't shown */
    if (status != RHEI_OK && cycle.suspect && !sync->reading) /* nobody asked which tables are suspect */
        sync_verify_want(sync);
    if (status == RHEI_OK && !atomic_load_explicit(&sync->primed, memory_order_relaxed))
        sync_tell_all(sync);
    if (status == RHEI_OK)
        status = publish(sync, cycle.position, error);
    source->ops->end(source);
    if (status == RHEI_OK && cycle.behind)
        status = error_set(error, RHEI_BUSY, "the source has more changes than arrived by now");
    if (status != RHEI_OK)
        return status;

    if (!atomic_load_explicit(&sync->doubted, memory_order_relaxed))
        atomic_store_explicit(&sync->looked_us, began_us, memory_order_relaxed);
    sync->told_us = sync->telling_us;
    atomic_store_explicit(&sync->token, token, memory_order_release);
    if (began_ns > atomic_load_explicit(&sync->fresh_at_ns, memory_order_relaxed))
        atomic_store_explicit(&sync->fresh_at_ns, began_ns, memory_order_relaxed);
    atomic_store_explicit(&sync->primed, true, memory_order_release);
    *report = sync->unpublished; /* of failed cycles before it, too: each change counts once, when it is shown */
    sync->unpublished = (struct sync_report){0};
    report->position = cycle.position;
    report->duration_ns = base_now_ns() - began_ns;
    return RHEI_OK;
}
