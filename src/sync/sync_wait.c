/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who runs a cycle, who waits for it, and who needs none.
 *
 * A cycle is run by whichever thread needs one, on that thread. Whoever finds one running needs the next (it may have
 * pinned its state before the caller's commit), unless the source's token says, once it is done, that nothing was left out.
 * A cycle that its own caller gave up counts for nobody: those who waited for it run their own.
 * Of a remote source the loop's thread runs it, where there is one: its answers may be long in coming, and a caller's own time isn't.
 */
#include "sync_internal.h"

#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_utf8.h"

#define PATIENCE_NS INT64_C(5000000000)

enum {
    SPINS = 2000, /* looks at a running cycle before sleeping: a small cycle is shorter than waking up */
};

/* The price of `latest` when there is nothing to do: no clock, no lock. */
bool sync_nothing_pending(const struct sync *sync)
{
    if (!atomic_load_explicit(&sync->primed, memory_order_acquire))
        return false;
    uint64_t token = atomic_load_explicit(&sync->token, memory_order_acquire);
    return !sync->config.source->ops->may_have_changes(sync->config.source, token);
}

bool sync_is_asking(const struct sync *sync)
{
    return !atomic_load_explicit(&sync->running, memory_order_relaxed) ||
           atomic_load_explicit(&sync->asking, memory_order_relaxed);
}

bool sync_is_away(const struct sync *sync)
{
    return sync_is_running(sync) && atomic_load_explicit(&sync->away, memory_order_acquire);
}

bool sync_is_refused(const struct sync *sync)
{
    return atomic_load_explicit(&sync->refused, memory_order_acquire);
}

/* The same look, kept for those who will ask how old the mirror is, or up to when a history was known. */
bool sync_look(struct sync *sync)
{
    int64_t now = base_now_ns(), wall_us = base_wall_ms() * 1000; /* before the look, so that it is never too late */
    if (!sync_nothing_pending(sync))
        return false;
    if (now > atomic_load_explicit(&sync->fresh_at_ns, memory_order_relaxed))
        atomic_store_explicit(&sync->fresh_at_ns, now, memory_order_relaxed);
    if (!atomic_load_explicit(&sync->doubted, memory_order_relaxed))
        atomic_store_explicit(&sync->looked_us, wall_us, memory_order_relaxed);
    return true;
}

static void count_time(struct sync_histogram *histogram, int64_t duration_ns)
{
    uint64_t ns = duration_ns > 1 ? (uint64_t)duration_ns : 2;
    unsigned bucket = 64u - (unsigned)__builtin_clzll(ns - 1);
    histogram->bucket[bucket < 48 ? bucket : 47]++;
    histogram->count++;
    histogram->sum_ns += ns;
}

/* Under `lock`. */
static void count_cycle(struct sync *sync, const struct sync_report *report)
{
    struct sync_status *counters = &sync->counters;
    counters->cycles++;
    counters->events += report->events;
    counters->inserted += report->inserted;
    counters->updated += report->updated;
    counters->deleted += report->deleted;
    counters->last_cycle_ns = report->duration_ns;
    counters->last_cycle_events = (int64_t)report->events;
    count_time(&counters->cycle_time, report->duration_ns);
    if (report->oldest_us > 0)
        count_time(&counters->delay, (base_wall_ms() * 1000 - report->oldest_us) * 1000);
    sync->last_report = *report;
    sync_upkeep_note(sync, report, atomic_load_explicit(&sync->fresh_at_ns, memory_order_relaxed));
}

/* Nothing failed: the next cycle may well succeed. A busy source isn't waited for, so it is met often. */
static bool gave_up(rhei_status status)
{
    return status == RHEI_BUSY || status == RHEI_CANCELLED || status == RHEI_TIMEOUT || status == RHEI_STALE ||
           status == RHEI_CLOSED;
}

/* Under `lock`. */
static void note_away(struct sync *sync, rhei_status status, const struct rhei_error *why)
{
    struct sync_status *counters = &sync->counters;
    atomic_store_explicit(&sync->away, status != RHEI_OK, memory_order_release);
    atomic_store_explicit(&sync->refused, sync->config.remote && (status == RHEI_CANT_OPEN || status == RHEI_CONFIG),
                          memory_order_release);
    if (status == RHEI_OK) {
        sync->away_since_ns = 0;
        counters->away_why[0] = '\0';
        return;
    }
    if (sync->away_since_ns == 0)
        sync->away_since_ns = base_now_ns();
    size_t len = base_utf8_cut(why->message, strlen(why->message), sizeof counters->away_why - 1);
    memcpy(counters->away_why, why->message, len);
    counters->away_why[len] = '\0';
}

/* Runs the next cycle on this thread. Called and returns under `lock`. */
static rhei_status run_cycle(struct sync *sync, const struct sync_limit *limit, struct sync_report *report,
                             struct rhei_error *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    BASE_INVARIANT(!atomic_load_explicit(&sync->running, memory_order_relaxed));
    BASE_INVARIANT(sync->good <= sync->begun && sync->failed <= sync->begun);
    uint64_t number = ++sync->begun;
    sync->awaited =
        limit == NULL || !limit->background || sync->inside > 1; /* who comes later waits for the next one */
    atomic_store_explicit(&sync->running, true, memory_order_relaxed);
    atomic_store_explicit(&sync->settled, false, memory_order_relaxed);
    base_mutex_unlock(&sync->lock);
    rhei_status status = sync_cycle_run(sync, limit, report, &failure);
    base_mutex_lock(&sync->lock);
    atomic_store_explicit(&sync->running, false, memory_order_release);
    atomic_store_explicit(&sync->settled, status == RHEI_OK, memory_order_release);
    if (status == RHEI_OK || sync_limit_check(sync, limit, NULL) == RHEI_OK)
        note_away(sync, status, &failure);
    if (status == RHEI_OK) {
        sync->good = number;
        count_cycle(sync, report);
    } else if (!gave_up(status)) {
        sync->failed = number;
        sync->failure = failure;
        sync->counters.failures++;
        error_context(&sync->failure, "synchronising the column store: ");
        failure = sync->failure;
        memcpy(sync->counters.last_error, failure.message,
               base_utf8_cut(failure.message, strlen(failure.message), sizeof sync->counters.last_error - 1) + 1);
    } else if (sync->config.remote && limit != NULL && limit->background && status != RHEI_CANCELLED &&
               status != RHEI_CLOSED) { /* those who left it to the loop don't run their own */
        sync->failed = number;
        sync->failure = failure;
    }
    if (status != RHEI_OK)
        error_set(error, status, "%s", failure.message);
    sync_turned(sync);
    return status;
}

/* Looks a while whether the running cycle ends, before the price of sleeping is paid. Once for each caller that found one running. */
static void spin(struct sync *sync)
{
    base_mutex_unlock(&sync->lock);
    sync_fault(sync, "sync.join.waits");
    for (int i = 0; i < SPINS && atomic_load_explicit(&sync->running, memory_order_acquire); i++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    base_mutex_lock(&sync->lock);
}

/* How far the cycle is that another thread runs. */
static void tell_cycle(const struct sync *sync, const struct sync_limit *limit)
{
    if (limit && limit->stop && limit->stop->progress)
        base_progress_set(limit->stop->progress, BASE_PROGRESS_CHANGES,
                          atomic_load_explicit(&sync->cycle_done, memory_order_relaxed),
                          atomic_load_explicit(&sync->cycle_total, memory_order_relaxed));
}

/* Is the next cycle left to the loop? */
static bool leaves_it(const struct sync *sync, const struct sync_limit *limit)
{
    return sync->config.remote && limit != NULL && !limit->background && sync_is_running(sync);
}

rhei_status sync_join(struct sync *sync, bool pending_only, const struct sync_limit *limit, struct sync_report *report,
                      struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    bool spun = false;
    base_mutex_lock(&sync->lock);
    sync->inside++;
    uint64_t target = sync->begun + 1, asked = 0;
    for (;;) {
        status = sync_limit_check(sync, limit, error);
        if (status != RHEI_OK)
            break;
        tell_cycle(sync, limit);
        if (sync->good >= target) {
            *report = sync->last_report;
            break;
        }
        if (sync->failed >= target) {
            status = error_set(error, sync->failure.code, "%s", sync->failure.message);
            break;
        }
        if (pending_only && sync_nothing_pending(sync))
            break;
        bool free = !atomic_load_explicit(&sync->running, memory_order_relaxed);
        if (free && !leaves_it(sync, limit)) {
            status = run_cycle(sync, limit, report, error);
            break;
        }
        if (free && asked < sync->begun + 1) { /* once for each */
            asked = sync->begun + 1;
            sync_ask(sync);
        }
        if (spun)
            sync_wait_turn(sync, limit ? limit->deadline_ns : 0);
        else
            spin(sync);
        spun = true;
    }
    sync->inside--;
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
    return status;
}

/* For who asks for a cycle itself: a source that is busy for a while is asked again. */
rhei_status sync_join_patiently(struct sync *sync, const struct sync_limit *limit, struct sync_report *report,
                                struct rhei_error *error)
{
    int64_t end = base_now_ns() + PATIENCE_NS;
    for (;;) {
        struct rhei_error why = RHEI_ERROR_INIT;
        rhei_status status = sync_join(sync, false, limit, report, &why);
        if (status != RHEI_BUSY || base_now_ns() >= end) {
            if (status != RHEI_OK && error && error->code == RHEI_OK)
                *error = why;
            return status;
        }
        base_mutex_lock(&sync->lock);
        sync->inside++;
        sync_wait_turn(sync, limit ? limit->deadline_ns : 0);
        sync->inside--;
        sync_turned(sync);
        base_mutex_unlock(&sync->lock);
    }
}

/* A cycle would find nothing to do: nothing was committed, the last one did all there was, and nobody has asked for anything. */
static bool is_idle(struct sync *sync)
{
    return atomic_load_explicit(&sync->settled, memory_order_acquire) && !atomic_load(&sync->request) &&
           sync_look(sync);
}

rhei_status sync_cycle(struct sync *sync, struct sync_report *report, struct rhei_error *error)
{
    return sync_cycle_while(sync, NULL, report, error);
}

rhei_status sync_cycle_while(struct sync *sync, const struct sync_stop *stop, struct sync_report *report,
                             struct rhei_error *error)
{
    struct sync_report own;
    struct sync_report *result = report ? report : &own;
    struct sync_limit limit = {.stop = stop};
    rhei_status status = RHEI_OK;
    *result = (struct sync_report){.position = atomic_load_explicit(&sync->position, memory_order_relaxed)};
    if (!is_idle(sync))
        status = sync_join_patiently(sync, stop ? &limit : NULL, result, error);
    if (status != RHEI_OK || !sync->config.prune || sync_is_running(sync))
        return status;
    /* nobody else would do it; what failed here is tried again by the next cycle */
    (void)sync_prune(sync, &result->pruned, NULL);
    return RHEI_OK;
}

rhei_status sync_wait_latest(struct sync *sync, int64_t deadline_ns, const struct sync_stop *stop,
                             struct rhei_error *error)
{
    if (sync_nothing_pending(sync))
        return RHEI_OK;
    struct sync_limit limit = {.deadline_ns = deadline_ns, .stop = stop};
    struct sync_report report;
    return sync_join(sync, true, &limit, &report, error);
}

rhei_status sync_wait_names(struct sync *sync, int64_t deadline_ns, const struct sync_stop *stop,
                            struct rhei_error *error)
{
    atomic_store(&sync->names_wanted, true);
    return sync_wait_latest(sync, deadline_ns, stop, error);
}

rhei_status sync_wait_bounded(struct sync *sync, int64_t max_age_ms, int64_t deadline_ns, const struct sync_stop *stop,
                              struct rhei_error *error)
{
    if (atomic_load_explicit(&sync->primed, memory_order_acquire)) {
        int64_t age = base_now_ns() - atomic_load_explicit(&sync->fresh_at_ns, memory_order_relaxed);
        if (max_age_ms > 0 && age / 1000000 < max_age_ms)
            return RHEI_OK;
        if (sync_look(sync))
            return RHEI_OK;
    }
    return sync_wait_latest(sync, deadline_ns, stop, error);
}

int64_t sync_fresh_at_ns(const struct sync *sync)
{
    if (!atomic_load_explicit(&sync->primed, memory_order_acquire))
        return 0;
    int64_t now = base_now_ns();
    return sync_nothing_pending(sync) ? now : atomic_load_explicit(&sync->fresh_at_ns, memory_order_relaxed);
}
