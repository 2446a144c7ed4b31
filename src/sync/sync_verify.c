/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing tables with their mirrors in the background: after a cycle that was doubtful, and as a scrub by time. A scrub is made of steps where
 * the owner of this sync has them (sync_config.scrub); else it is the same as after doubt.
 *
 *   1. Both are read at one position, each from a state of its own: a load of the source, a snapshot of the mirror. No lock is
 *      held and no cycle waits; a load is read in pieces, between which a close is noticed.
 *   2. A difference is a fact about both, whatever was committed since: the table is built again, and until then the source
 *      answers for it.
 *   3. What a source notices by itself from a load's state on, it notices from here on too; so it keeps what follows the position
 *      until a cycle has begun after the comparison.
 *   4. A verification takes a tenth of the builder's time at most, however often cycles are doubtful.
 *   5. Nothing is compared here, and what was found isn't acted on, while somebody compares by himself: a repair takes rows where
 *      this would build tables. What was wanted is done afterwards.
 *
 * Runs on the builder's thread while there is nothing to build.
 */
#include "sync/sync_compare.h"
#include "sync_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum {
    TRIES = 100,              /* to find source and mirror at one position */
    REST_LEAST_NS = 50000000, /* between two verifications, */
    REST_TIMES = 9,           /* or so many times as long as the last one took */
    AGAIN_NS = 1000000000,    /* after one that couldn't be finished */
};

static rhei_status verify_stopped(void *context)
{
    struct sync *sync = context;
    if (atomic_load_explicit(&sync->closing, memory_order_relaxed))
        return RHEI_CLOSED;
    return atomic_load_explicit(&sync->verify_paused, memory_order_relaxed) > 0 ? RHEI_CANCELLED : RHEI_OK;
}

static void verify_hold(struct sync *sync, int64_t position)
{
    base_mutex_lock(&sync->lock);
    sync->verify_hold = position;
    base_mutex_unlock(&sync->lock);
}

/* A load and a snapshot of one position, in which the table is. RHEI_BUSY: not now. RHEI_NOT_FOUND: it has no mirror now. */
static rhei_status verify_pin(struct sync *sync, uint32_t table, struct source_load **load,
                              struct mirror_snapshot *snapshot, struct rhei_error *error)
{
    const struct change_source_ops *ops = sync->config.source->ops;
    for (int i = 0; i < TRIES; i++) {
        struct source_load_info info = {0};
        struct sync_report report;
        verify_hold(sync, atomic_load(&sync->position));
        rhei_status status = ops->load_begin(sync->config.source, table, 1, load, &info, error);
        if (status != RHEI_OK)
            return status;
        status = sync_join(sync, true, NULL, &report, error);
        if (status == RHEI_OK)
            status = mirror_snapshot_take(sync->config.mirror, snapshot);
        if (status != RHEI_OK) {
            ops->load_end(load);
            return status;
        }
        if (!mirror_view(snapshot, table))
            status = RHEI_NOT_FOUND;
        else if (mirror_snapshot_position_of(snapshot, sync->config.source_number) == info.position)
            return RHEI_OK;
        mirror_snapshot_release(snapshot);
        ops->load_end(load);
        status = status == RHEI_OK ? verify_stopped(sync) : status;
        if (status != RHEI_OK)
            return status;
    }
    return RHEI_BUSY;
}

static rhei_status verify_source(struct sync *sync, struct source_load *load, struct sync_checksum *checksum,
                                 struct rhei_error *error)
{
    struct rhei_value *cells = NULL;
    const struct change_batch *batch = NULL;
    rhei_status status = RHEI_OK;
    while ((status = verify_stopped(sync)) == RHEI_OK) {
        status = sync->config.source->ops->load_next(load, 0, sync->config.batch_rows, &batch, error);
        if (status != RHEI_OK || !batch)
            break;
        if (!cells)
            cells = base_alloc_zero((size_t)batch->column_count + 1, sizeof *cells);
        if (!cells)
            return error_no_memory(error);
        for (size_t r = 0; r < batch->row_count; r++) {
            for (uint32_t c = 0; c < batch->column_count; c++)
                cells[c] = batch->columns[c][r];
            sync_checksum_row(checksum, cells, batch->column_count);
        }
        sync_fault(sync, "sync.verify.batch");
    }
    base_free(cells);
    return status;
}

/* RHEI_OK: compared, *same says how it came out. */
static rhei_status verify_table(struct sync *sync, uint32_t table, bool *same, struct rhei_error *error)
{
    struct source_load *load = NULL;
    struct mirror_snapshot snapshot;
    struct sync_checksum in_source = {0}, in_mirror = {0};
    const struct sync_stop stop = {verify_stopped, sync, NULL};
    rhei_status status = verify_pin(sync, table, &load, &snapshot, error);
    if (status != RHEI_OK)
        return status;
    sync_fault(sync, "sync.verify.begun");
    status = verify_source(sync, load, &in_source, error);
    if (status == RHEI_OK)
        status = sync_checksum_view(mirror_view(&snapshot, table), NULL, &stop, &in_mirror, error);
    *same = sync_checksum_equal(&in_source, &in_mirror);
    mirror_snapshot_release(&snapshot);
    sync->config.source->ops->load_end(&load);
    return status;
}

/* Has the table built again, if it is still there; false: not now (5). */
static bool verify_differs(struct sync *sync, uint32_t id)
{
    struct sync_report report;
    base_mutex_lock(&sync->lock);
    bool paused = atomic_load(&sync->verify_paused) > 0;
    struct sync_table *table = sync_table_find(sync, id);
    if (!paused && table && table->state == SYNC_TABLE_READY) {
        table->rebuild_wanted = true;
        table->rebuild_why = "a comparison found that its mirror differed";
        sync->counters.differences++;
        atomic_store(&sync->request, true);
        base_log_write(
            sync->config.log, BASE_LOG_WARN, "sync",
            "table \"%s\" and its mirror differ, for a reason that no commit told: it has to be built again, "
            "soon in the background, or by rhei_repair",
            table->definition->name);
    }
    base_mutex_unlock(&sync->lock);
    if (!paused)
        (void)sync_join(sync, false, NULL, &report, NULL);
    return !paused;
}

/* The ready tables' numbers; NULL without memory. */
static uint32_t *verify_list(struct sync *sync, size_t *count)
{
    *count = 0;
    uint32_t *ids = base_alloc_zero(sync->table_count + 1, sizeof *ids);
    for (size_t i = 0; ids && i < sync->table_count; i++)
        if (sync->tables[i]->state == SYNC_TABLE_READY)
            ids[(*count)++] = sync->tables[i]->definition->id;
    return ids;
}

/* Each ready table as one state. */
static void verify_all(struct sync *sync)
{
    size_t count = 0, i = 0;
    bool all = true;
    base_mutex_lock(&sync->lock);
    BASE_INVARIANT(sync->verify_hold == INT64_MAX); /* 3. */
    sync->verify_wanted = false;
    uint32_t *ids = verify_list(sync, &count);
    base_mutex_unlock(&sync->lock);
    int64_t began_ns = base_now_ns();
    for (; ids && i < count && verify_stopped(sync) == RHEI_OK; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        bool same = true;
        rhei_status status = verify_table(sync, ids[i], &same, &error);
        if (status == RHEI_OK && !same && !verify_differs(sync, ids[i]))
            status = RHEI_CANCELLED;
        /* a table that changed its number, or went, has no mirror that could differ */
        all = all && (status == RHEI_OK || status == RHEI_NOT_FOUND || status == RHEI_STALE);
    }
    all = all && i == count;
    struct sync_report report;
    if (!atomic_load_explicit(&sync->closing, memory_order_relaxed))
        (void)sync_join(sync, false, NULL, &report, NULL); /* 3. */
    base_mutex_lock(&sync->lock);
    int64_t now = base_now_ns(), rest = (now - began_ns) * REST_TIMES;
    sync->verify_hold = INT64_MAX;
    sync->verify_not_before_ns = now + (!all ? AGAIN_NS : rest > REST_LEAST_NS ? rest : REST_LEAST_NS);
    sync->verify_wanted = sync->verify_wanted || !ids || !all;
    sync->counters.verifications += all;
    if (!sync->verify_wanted)
        atomic_store_explicit(&sync->doubted, false, memory_order_relaxed);
    if (all)
        base_log_write(sync->config.log, BASE_LOG_INFO, "sync",
                       "%zu tables were compared with their mirrors in %" PRId64 " ms", count,
                       (now - began_ns) / 1000000);
    if (sync->config.scrub == NULL)
        sync->scrub_at_ns = sync_scrub_next(sync);
    base_mutex_unlock(&sync->lock);
    base_free(ids);
}

/* ---- By time. ------------------------------------------------------------------------------------------------------ */

int64_t sync_scrub_next(const struct sync *sync)
{
    int64_t interval_ns = (int64_t)sync->config.scrub_interval_ms * 1000000;
    return interval_ns == 0 || sync->config.no_verify ? INT64_MAX : base_now_ns() + interval_ns;
}

static void scrub_step(struct sync *sync)
{
    const struct sync_stop stop = {verify_stopped, sync, NULL};
    struct sync_scrubbed done = {.next_ns = 0};
    sync_fault(sync, "sync.scrub.step");
    sync->config.scrub(sync->config.scrub_context, &stop, &done);
    bool left = done.differs && !verify_differs(sync, done.table);
    base_mutex_lock(&sync->lock);
    sync->counters.differences += done.mended;
    sync->counters.verifications += done.round;
    sync->verify_wanted = sync->verify_wanted || left; /* 5. */
    sync->scrub_at_ns = done.round ? sync_scrub_next(sync) : done.next_ns;
    base_mutex_unlock(&sync->lock);
}

void sync_verify_run(struct sync *sync)
{
    base_mutex_lock(&sync->lock);
    bool doubtful = sync->verify_wanted && sync->verify_not_before_ns <= base_now_ns();
    base_mutex_unlock(&sync->lock);
    if (doubtful || sync->config.scrub == NULL)
        verify_all(sync);
    else
        scrub_step(sync);
}

void sync_verify_pause(struct sync *sync)
{
    base_mutex_lock(&sync->lock);
    atomic_fetch_add(&sync->verify_paused, 1);
    base_mutex_unlock(&sync->lock);
}

void sync_verify_resume(struct sync *sync)
{
    base_mutex_lock(&sync->lock);
    BASE_INVARIANT(atomic_load(&sync->verify_paused) > 0);
    atomic_fetch_sub(&sync->verify_paused, 1);
    base_cond_signal(&sync->builder_cond);
    base_mutex_unlock(&sync->lock);
}

int64_t sync_verify_due(const struct sync *sync)
{
    if (sync->table_count == 0 || atomic_load(&sync->verify_paused) > 0)
        return INT64_MAX;
    if (sync->verify_wanted && sync->verify_not_before_ns < sync->scrub_at_ns)
        return sync->verify_not_before_ns;
    return sync->scrub_at_ns;
}
