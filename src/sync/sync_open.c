/* SPDX-License-Identifier: Apache-2.0 */
#include "sync_internal.h"

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

static rhei_status check_config(const struct sync_config *config, struct rhei_error *error)
{
    if (!config->mirror || !config->source)
        return error_set(error, RHEI_INVALID, "synchronising needs a mirror and a change source");
    if (config->batch_rows == 0)
        return error_set(error, RHEI_CONFIG, "sync_batch_size is 0: it must be at least 1");
    return RHEI_OK;
}

rhei_status sync_open(const struct sync_config *config, struct sync **sync, struct rhei_error *error)
{
    *sync = NULL;
    rhei_status status = check_config(config, error);
    if (status != RHEI_OK)
        return status;
    struct sync *result = base_alloc_zero(1, sizeof *result);
    if (!result)
        return error_no_memory(error);
    result->config = *config;
    int threads = base_cpu_count();
    result->build_threads = config->build_threads ? config->build_threads : threads > 0 ? (uint32_t)threads : 1;
    if (result->build_threads > SYNC_LOADERS_MAX)
        result->build_threads = SYNC_LOADERS_MAX;
    result->builds_enabled = !config->build_on_demand;
    result->verify_hold = INT64_MAX;
    result->durable = config->keeps_log ? (config->restored ? config->restored_position : 0) : INT64_MAX;
    if (config->restored) {
        result->restored = true;
        result->common = config->restored_position;
        atomic_store_explicit(&result->position, config->restored_position, memory_order_relaxed);
    }
    result->book_unread = config->histories;
    result->book.next_number = 1;
    result->builder_main = sync_builder_main;
    result->telling = 1;
    result->scrub_at_ns = sync_scrub_next(result);
    base_mutex_init(&result->lock);
    base_mutex_init(&result->start_lock);
    base_mutex_init(&result->wake_lock);
    base_mutex_init(&result->prune_lock);
    base_cond_init(&result->turned);
    base_cond_init(&result->builder_cond);
    base_cond_init(&result->wake_cond);
    base_cond_init(&result->upkeep_cond);
    status = sync_share_join(result, error);
    if (status == RHEI_OK && config->keeps_history && result->config.source->ops->keep_versions)
        result->config.source->ops->keep_versions(result->config.source);
    if (status == RHEI_OK && result->builds_enabled)
        status = sync_builder_start(result, error);
    if (status != RHEI_OK)
        sync_close(&result);
    *sync = result;
    return status;
}

/* After this nobody waits for a cycle, runs one, or will. */
static void quiesce(struct sync *sync)
{
    sync_stop(sync);
    base_mutex_lock(&sync->lock);
    atomic_store(&sync->closing, true);
    for (struct sync_job *job = sync->jobs; job; job = job->next)
        sync_job_cancel(sync, job);
    base_cond_broadcast(&sync->turned);
    base_cond_signal(&sync->builder_cond);
    bool builder = sync->builder_started;
    base_mutex_unlock(&sync->lock);
    if (builder)
        base_thread_join(&sync->builder);

    base_mutex_lock(&sync->lock);
    while (sync->inside || atomic_load(&sync->running)) {
        sync->waiters++;
        base_cond_wait(&sync->turned, &sync->lock);
        sync->waiters--;
    }
    base_mutex_unlock(&sync->lock);
}

void sync_close(struct sync **sync)
{
    struct sync *s = *sync;
    if (!s)
        return;
    quiesce(s);
    sync_share_leave(s);
    sync_tables_free(s);
    sync_book_free(&s->book);
    base_free(s->shifted);
    base_free(s->seen);
    base_free(s->followed);
    sync_sift_free(&s->sift);
    base_cond_destroy(&s->turned);
    base_cond_destroy(&s->builder_cond);
    base_cond_destroy(&s->wake_cond);
    base_cond_destroy(&s->upkeep_cond);
    base_mutex_destroy(&s->prune_lock);
    base_mutex_destroy(&s->wake_lock);
    base_mutex_destroy(&s->start_lock);
    base_mutex_destroy(&s->lock);
    base_free(s);
    *sync = NULL;
}
