/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cycle leaves to be done later, off everybody's way: forgetting applied changes in the source, compaction,
 * freeing what snapshots no longer hold.
 *
 *   1. Nothing beyond the published position is pruned, nor what a build has still to catch up with (A7).
 *   2. Memory that nobody needs goes back within SYNC_TIDY_DELAY_NS of when that is known, without a change that would publish.
 *   3. Compaction copies beside cycles and only swaps as the owner; it publishes nothing that a failed cycle left behind.
 */
#include "sync_internal.h"

#include <inttypes.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "sync_history_trim.h"

enum {
    PRUNE_DELAY_NS = 20000000, /* a row is forgotten this long after it was applied, */
    PRUNE_ROWS = 8192,         /* or when there are so many */
    COMPACT_DELAY_NS = 50000000,
    COMPACT_ROWS = 16384,
    RETRY_NS = 1000000000,
    TIDY_BYTES = 64 << 10,     /* of garbage: worth a look of its own, a little later, */
    TIDY_AGAIN_NS = 250000000, /* and again while snapshots hold it */
    RETURN_BYTES = 1 << 20,    /* freed: worth asking the allocator for its share */
};

/* ---- Pruning. ---------------------------------------------------------------------------------------------------- */

/* Under `lock`: `limit`, or what builds and a comparison need if that is less. */
static int64_t held(const struct sync *sync, int64_t limit)
{
    for (const struct sync_job *job = sync->jobs; job; job = job->next)
        if (!job->finished && job->hold < limit)
            limit = job->hold;
    return limit < sync->verify_hold ? limit : sync->verify_hold;
}

/* Under `lock`. */
static int64_t prune_limit(const struct sync *sync)
{
    int64_t limit = held(sync, atomic_load_explicit(&sync->position, memory_order_relaxed));
    return limit < sync->durable ? limit : sync->durable;
}

int64_t sync_needed(struct sync *sync)
{
    bool follows = sync->config.restored || atomic_load_explicit(&sync->primed, memory_order_acquire);
    int64_t position = follows ? atomic_load_explicit(&sync->position, memory_order_relaxed) : INT64_MAX;
    base_mutex_lock(&sync->lock);
    int64_t needed = held(sync, position);
    bool kept = sync->config.restored || sync->durable > 0; /* there is a checkpoint */
    needed = kept && sync->durable < needed ? sync->durable : needed;
    base_mutex_unlock(&sync->lock);
    return needed;
}

void sync_durable(struct sync *sync, int64_t position)
{
    base_mutex_lock(&sync->lock);
    sync->durable = position;
    if (sync->config.prune && prune_limit(sync) > sync->forgotten_to && !sync->unpruned_since_ns) {
        sync->unpruned_since_ns = base_now_ns();
        sync->upkeep_resting = false;
        base_cond_signal(&sync->upkeep_cond);
    }
    base_mutex_unlock(&sync->lock);
}

void sync_prune_anew(struct sync *sync, int64_t position)
{
    base_mutex_lock(&sync->lock);
    sync->forgotten_to = sync->forgotten_to < position ? sync->forgotten_to : position;
    base_mutex_unlock(&sync->lock);
}

static rhei_status prune_all(struct sync *sync, int64_t to, uint64_t *pruned, struct rhei_error *error)
{
    const struct change_source_ops *ops = sync->config.source->ops;
    uint64_t rows = 0;
    rhei_status status = ops->prune(sync->config.source, to, &rows, error);
    int64_t forgotten = ops->forgotten == NULL ? to : ops->forgotten(sync->config.source);
    base_mutex_lock(&sync->lock);
    if (status == RHEI_OK) {
        sync->pruned_to = to;
        sync->forgotten_to = forgotten < to ? forgotten : to; /* what others held is tried again after the next cycle */
        sync->counters.pruned += rows;
        *pruned += rows;
    } else { /* nobody need commit for it to be tried again */
        sync->prune_not_before_ns = base_now_ns() + RETRY_NS;
        if (!sync->unpruned_since_ns)
            sync->unpruned_since_ns = base_now_ns();
    }
    base_mutex_unlock(&sync->lock);
    return status;
}

/* Forgets what was applied. Any thread. */
rhei_status sync_prune(struct sync *sync, uint64_t *pruned, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    base_mutex_lock(&sync->prune_lock);
    base_mutex_lock(&sync->lock);
    int64_t limit = prune_limit(sync);
    int64_t done = sync->forgotten_to;
    sync->unpruned_since_ns = 0;
    base_mutex_unlock(&sync->lock);
    if (done < limit && !atomic_load_explicit(&sync->closing, memory_order_relaxed)) {
        status = prune_all(sync, limit, pruned, error);
        sync_fault(sync, "sync.cycle.pruned");
    }
    base_mutex_unlock(&sync->prune_lock);
    if (status != RHEI_OK)
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "applied changes up to %" PRId64 " were not forgotten",
                       limit);
    return status;
}

/* ---- Compaction. ------------------------------------------------------------------------------------------------- */

static rhei_status compact(struct sync *sync, struct rhei_error *error)
{
    while (!atomic_load_explicit(&sync->stopping, memory_order_relaxed)) {
        struct mirror_compaction *compaction = NULL;
        rhei_status status = mirror_compact_prepare(sync->config.mirror, &compaction, error);
        if (status != RHEI_OK || !compaction)
            return status;
        sync_fault(sync, "sync.compact.prepared");
        sync_own(sync);
        sync_turn_take(sync);
        status = mirror_compact_swap(sync->config.mirror, &compaction, error);
        sync_turn_give(sync);
        if (status == RHEI_OK)
            sync_share_publish_again(sync);
        sync_fault(sync, "sync.compact.swapped");
        sync_disown(sync);
        if (status != RHEI_OK)
            return status;
    }
    return RHEI_OK;
}

void sync_exchange(struct sync *sync, void (*run)(void *context), void *context)
{
    sync_own(sync);
    BASE_INVARIANT(atomic_load_explicit(&sync->running, memory_order_relaxed) && sync->share != NULL); /* the owner */
    sync_turn_take(sync);
    run(context);
    sync_turn_give(sync);
    sync_share_publish_again(sync);
    sync_disown(sync);
    base_mutex_lock(&sync->lock);
    sync_upkeep_tidy(sync); /* what was resident may go */
    base_mutex_unlock(&sync->lock);
}

static void compact_all(struct sync *sync)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    base_mutex_lock(&sync->share->compact);
    rhei_status status = compact(sync, &error);
    base_mutex_unlock(&sync->share->compact);
    if (status != RHEI_OK) {
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "compaction: %s", error.message);
        base_mutex_lock(&sync->lock);
        sync->compact_not_before_ns = base_now_ns() + RETRY_NS;
        base_mutex_unlock(&sync->lock);
        return;
    }
}

/* ---- Giving memory back. ----------------------------------------------------------------------------------------- */

void sync_collect(struct sync *sync)
{
    sync_own(sync);
    sync_turn_take(sync);
    mirror_collect(sync->config.mirror);
    sync_turn_give(sync);
    sync_disown(sync);
}

/* Frees what closed snapshots held, and hands what is free back to the system. Again later, if snapshots still hold much. */
static void tidy(struct sync *sync)
{
    struct mirror *mirror = sync->config.mirror;
    size_t before = mirror_memory_bytes(mirror);
    sync_collect(sync);
    (void)mirror_trim(mirror);
    sync_fault(sync, "sync.tidied");
    base_mutex_lock(&sync->lock);
    sync->tidy_at_ns = mirror_garbage_bytes(mirror) >= TIDY_BYTES ? base_now_ns() + TIDY_AGAIN_NS : 0;
    sync->freed_bytes += before > mirror_memory_bytes(mirror) ? before - mirror_memory_bytes(mirror) : 0;
    bool much = sync->freed_bytes >= RETURN_BYTES;
    if (much)
        sync->freed_bytes = 0;
    base_mutex_unlock(&sync->lock);
    if (much)
        base_memory_trim();
}

/* ---- When. ------------------------------------------------------------------------------------------------------- */

/* Under `lock`, after each cycle. Wakes the upkeep only if it rests without a time, or has too much to do. */
void sync_upkeep_note(struct sync *sync, const struct sync_report *report, int64_t now_ns)
{
    bool urgent = false;
    int64_t prunable = report->position < sync->durable ? report->position : sync->durable;
    if (sync->config.prune && prunable > sync->forgotten_to) {
        if (!sync->unpruned_since_ns)
            sync->unpruned_since_ns = now_ns;
        urgent = prunable - sync->pruned_to >= PRUNE_ROWS;
    }
    uint64_t died = report->updated + report->deleted;
    if (died) {
        if (!sync->touched_rows)
            sync->touched_since_ns = now_ns;
        sync->touched_rows += died;
        urgent = urgent || sync->touched_rows >= COMPACT_ROWS;
    }
    if (mirror_garbage_bytes(sync->config.mirror) >= TIDY_BYTES && !sync->tidy_at_ns)
        sync->tidy_at_ns = now_ns + SYNC_TIDY_DELAY_NS;
    if (urgent || (sync->upkeep_resting && (sync->unpruned_since_ns || sync->touched_rows || sync->tidy_at_ns))) {
        sync->upkeep_resting = false;
        base_cond_signal(&sync->upkeep_cond);
    }
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Under `lock`: INT64_MAX if there is nothing to prune. */
static int64_t prune_due(const struct sync *sync)
{
    int64_t limit = prune_limit(sync);
    if (!sync->config.prune || limit <= sync->forgotten_to || !sync->unpruned_since_ns)
        return INT64_MAX;
    int64_t due = limit - sync->pruned_to >= PRUNE_ROWS ? 0 : sync->unpruned_since_ns + PRUNE_DELAY_NS;
    return later(due, sync->prune_not_before_ns);
}

static int64_t compact_due(const struct sync *sync)
{
    if (!sync->touched_rows)
        return INT64_MAX;
    int64_t due = sync->touched_rows >= COMPACT_ROWS ? 0 : sync->touched_since_ns + COMPACT_DELAY_NS;
    return later(due, sync->compact_not_before_ns);
}

/* The upkeep alone knows when it is due. */
static void trim_histories(struct sync *sync)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (sync_history_trim(sync, &error) != RHEI_OK)
        base_log_write(sync->config.log, BASE_LOG_WARN, "sync", "forgetting old versions: %s", error.message);
    sync->trim_at_ns = base_now_ns() + sync_history_trim_pause_ns(sync);
}

/* By age first, then by number, each of which may find something to do. */
void sync_forget(struct sync *sync)
{
    enum { ROUNDS = 3 };
    base_mutex_lock(&sync->lock);
    const struct sync_status *counters = &sync->counters;
    bool ended = counters->events + counters->builds > 0; /* a cycle's insert may have ended others of the same row */
    bool due = counters->cycles > 0 && (ended || sync->config.history_max_age_us > 0);
    uint64_t forgotten = sync->counters.forgotten, before = forgotten + 1;
    base_mutex_unlock(&sync->lock);
    if (!due || atomic_load(&sync->loop_running) || !sync_history_trims(sync))
        return;
    for (int round = 0; round < ROUNDS && before != forgotten; round++) {
        before = forgotten;
        trim_histories(sync);
        base_mutex_lock(&sync->lock);
        forgotten = sync->counters.forgotten;
        base_mutex_unlock(&sync->lock);
    }
    if (forgotten > 0)
        compact_all(sync);
}

void sync_upkeep_main(void *argument)
{
    struct sync *sync = argument;
    sync->trim_at_ns = sync_history_trims(sync) ? base_now_ns() + sync_history_trim_pause_ns(sync) : INT64_MAX;
    base_mutex_lock(&sync->lock);
    while (!atomic_load(&sync->stopping)) {
        int64_t now = base_now_ns();
        int64_t prune_ns = prune_due(sync), compact_ns = compact_due(sync);
        int64_t tidy_ns = sync->tidy_at_ns ? sync->tidy_at_ns : INT64_MAX;
        int64_t due = prune_ns < compact_ns ? prune_ns : compact_ns;
        due = tidy_ns < due ? tidy_ns : due;
        bool rests = due == INT64_MAX; /* until somebody has something to do that can't wait for what has its time */
        due = sync->trim_at_ns < due ? sync->trim_at_ns : due;
        if (due > now) {
            sync->upkeep_resting = rests;
            base_cond_wait_until(&sync->upkeep_cond, &sync->lock, due);
            continue;
        }
        if (compact_ns <= now)
            sync->touched_rows = 0;
        base_mutex_unlock(&sync->lock);
        if (prune_ns <= now) {
            uint64_t pruned = 0;
            (void)sync_prune(sync, &pruned, NULL);
        }
        if (compact_ns <= now)
            compact_all(sync);
        if (sync->trim_at_ns <= now)
            trim_histories(sync);
        if (tidy_ns <= now || compact_ns <= now)
            tidy(sync);
        base_mutex_lock(&sync->lock);
    }
    base_mutex_unlock(&sync->lock);
}
