/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all files of this room stand on, and which stands on none of them: whose turn it is, what ends a wait, and the wishes that
 * one part leaves for the thread of another (builds, verifications, tidying). So cycles know nothing of who waits for them, and nobody
 * who leaves a wish knows who grants it.
 */
#include "sync_internal.h"

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"

enum { SLICE_NS = 2000000 }; /* how late a waiter may notice its stop */

bool sync_keeps_history(const struct sync *sync, const struct source_table *table)
{
    return sync->config.keeps_history && sync->config.keeps_history(sync->config.history_context, table->name) &&
           sync_history_clash(table) == NULL;
}

struct sync_table *sync_table_find(const struct sync *sync, uint32_t id)
{
    size_t low = 0, high = sync->table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t found = sync->tables[middle]->definition->id;
        if (found == id)
            return id ? sync->tables[middle] : NULL; /* number 0: tables that the source doesn't follow */
        if (found < id)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool sync_lists_history(const struct sync *sync, const char *name)
{
    for (size_t i = 0; i < sync->table_count; i++)
        if (base_fold_compare(sync->tables[i]->definition->name, name) == 0)
            return sync_keeps_history(sync, sync->tables[i]->definition);
    return false;
}

void sync_fault(const struct sync *sync, const char *point)
{
    if (sync->config.fault)
        sync->config.fault(sync->config.fault_context, point);
}

rhei_status sync_limit_check(const struct sync *sync, const struct sync_limit *limit, struct rhei_error *error)
{
    if (atomic_load_explicit(&sync->closing, memory_order_relaxed))
        return error_set(error, RHEI_CLOSED, "the database is being closed");
    if (!limit)
        return RHEI_OK;
    if (limit->cancelled && atomic_load_explicit(limit->cancelled, memory_order_relaxed))
        return error_set(error, RHEI_CANCELLED, "the synchronisation was stopped");
    if (limit->stop && limit->stop->check) {
        rhei_status status = limit->stop->check(limit->stop->context);
        if (status != RHEI_OK)
            return error_set(error, status, "stopped while waiting for the column store to catch up");
    }
    if (limit->deadline_ns && base_now_ns() >= limit->deadline_ns)
        return error_set(error, RHEI_STALE,
                         "the column store did not catch up in the time allowed; allow more, or ask for "
                         "less freshness");
    return RHEI_OK;
}

void sync_turned(struct sync *sync)
{
    if (sync->waiters)
        base_cond_broadcast(&sync->turned);
}

void sync_wait_turn(struct sync *sync, int64_t deadline_ns)
{
    int64_t slice = base_now_ns() + SLICE_NS;
    sync->waiters++;
    base_cond_wait_until(&sync->turned, &sync->lock, deadline_ns && deadline_ns < slice ? deadline_ns : slice);
    BASE_INVARIANT(sync->waiters > 0);
    sync->waiters--;
}

void sync_own(struct sync *sync)
{
    base_mutex_lock(&sync->lock);
    while (atomic_load_explicit(&sync->running, memory_order_relaxed))
        sync_wait_turn(sync, 0);
    BASE_INVARIANT(!atomic_load_explicit(&sync->running, memory_order_relaxed));
    atomic_store_explicit(&sync->running, true, memory_order_relaxed);
    base_mutex_unlock(&sync->lock);
}

void sync_disown(struct sync *sync)
{
    base_mutex_lock(&sync->lock);
    BASE_INVARIANT(atomic_load_explicit(&sync->running, memory_order_relaxed));
    atomic_store_explicit(&sync->running, false, memory_order_release);
    sync_turned(sync);
    base_mutex_unlock(&sync->lock);
}

bool sync_is_running(const struct sync *sync)
{
    return atomic_load(&sync->loop_running);
}

/* By the owner or by close. What was loaded but not attached goes when the owner looks at it. */
void sync_job_cancel(struct sync *sync, struct sync_job *job)
{
    atomic_store(&job->cancelled, true);
    if (job->attached)
        job->finished = true;
    if (job->loaded && !job->attached)
        atomic_store(&sync->request, true);
    base_cond_signal(&sync->builder_cond);
}

rhei_status sync_builder_start(struct sync *sync, struct rhei_error *error)
{
    base_mutex_lock(&sync->lock);
    rhei_status status = RHEI_OK;
    if (!sync->builder_started && atomic_load(&sync->closing)) /* nobody would join it */
        status = error_set(error, RHEI_CLOSED, "the database is being closed");
    else if (!sync->builder_started)
        status = base_thread_start(&sync->builder, "rhei-build", sync->builder_main, sync, error);
    if (status == RHEI_OK)
        sync->builder_started = true;
    base_cond_signal(&sync->builder_cond);
    base_mutex_unlock(&sync->lock);
    return status;
}

void sync_verify_want(struct sync *sync)
{
    atomic_store_explicit(&sync->doubted, true, memory_order_relaxed);
    if (sync->config.no_verify)
        return;
    base_mutex_lock(&sync->lock);
    sync->verify_wanted = true;
    base_mutex_unlock(&sync->lock);
    (void)sync_builder_start(sync, NULL); /* the next cycle that is doubtful tries again */
}

void sync_upkeep_tidy(struct sync *sync)
{
    if (!sync->tidy_at_ns)
        sync->tidy_at_ns = base_now_ns() + SYNC_TIDY_DELAY_NS;
    if (sync->upkeep_resting) {
        sync->upkeep_resting = false;
        base_cond_signal(&sync->upkeep_cond);
    }
}
