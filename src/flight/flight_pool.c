/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_pool.h"

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"

#define IDLE_NS INT64_C(5000000000)

/* A thread; when it ends it says so, and whoever comes next waits for the last of it. */
struct worker {
    struct flight_pool *pool;
    base_thread thread;
    struct worker *next;
};

struct flight_pool {
    base_mutex lock;
    base_cond given, ended;
    struct worker *gone; /* ended, but not waited for */
    struct flight_job *first, *last;
    uint32_t waiting, threads, idle, most;
    bool closing;
};

static struct flight_job *take(struct flight_pool *pool)
{
    struct flight_job *job = pool->first;
    if (job == NULL)
        return NULL;
    pool->first = job->next;
    pool->last = pool->first == NULL ? NULL : pool->last;
    pool->waiting--;
    return job;
}

static struct flight_job *wait_for_job(struct flight_pool *pool)
{
    int64_t deadline_ns = base_now_ns() + IDLE_NS;
    bool in_time = true;
    struct flight_job *job;
    while ((job = take(pool)) == NULL && !pool->closing && in_time) {
        pool->idle++;
        in_time = base_cond_wait_until(&pool->given, &pool->lock, deadline_ns);
        pool->idle--;
    }
    return job;
}

static void work(void *argument)
{
    struct worker *worker = argument;
    struct flight_pool *pool = worker->pool;
    struct flight_job *job;
    base_mutex_lock(&pool->lock);
    while ((job = wait_for_job(pool)) != NULL) {
        base_mutex_unlock(&pool->lock);
        job->run(job->argument);
        base_mutex_lock(&pool->lock);
    }
    pool->threads--;
    worker->next = pool->gone;
    pool->gone = worker;
    base_cond_broadcast(&pool->ended);
    base_mutex_unlock(&pool->lock);
}

/* Under the lock, which those that are gone don't take any more. */
static void bury(struct flight_pool *pool)
{
    while (pool->gone != NULL) {
        struct worker *worker = pool->gone;
        pool->gone = worker->next;
        base_thread_join(&worker->thread);
        base_free(worker);
    }
}

rhei_status flight_pool_new(uint32_t most_threads, struct flight_pool **pool, struct rhei_error *error)
{
    struct flight_pool *made = base_alloc_zero(1, sizeof *made);
    *pool = made;
    if (made == NULL)
        return error_no_memory(error);
    base_mutex_init(&made->lock);
    base_cond_init(&made->given);
    base_cond_init(&made->ended);
    made->most = most_threads;
    return RHEI_OK;
}

static bool start_thread(struct flight_pool *pool)
{
    bury(pool);
    struct worker *worker = base_alloc_zero(1, sizeof *worker);
    if (worker == NULL)
        return false;
    worker->pool = pool;
    if (base_thread_start(&worker->thread, "rhei-flight", work, worker, NULL) != RHEI_OK) {
        base_free(worker);
        return false;
    }
    pool->threads++;
    return true;
}

bool flight_pool_give(struct flight_pool *pool, struct flight_job *job)
{
    base_mutex_lock(&pool->lock);
    if (pool->idle <= pool->waiting && pool->threads < pool->most)
        (void)start_thread(pool); /* else a thread that is there takes it when it is done */
    bool taken = pool->threads > 0;
    if (taken) {
        job->next = NULL;
        if (pool->last == NULL)
            pool->first = job;
        else
            pool->last->next = job;
        pool->last = job;
        pool->waiting++;
        base_cond_signal(&pool->given);
    }
    base_mutex_unlock(&pool->lock);
    return taken;
}

bool flight_pool_is_full(struct flight_pool *pool)
{
    base_mutex_lock(&pool->lock);
    bool full = pool->threads == pool->most && pool->waiting > pool->most;
    base_mutex_unlock(&pool->lock);
    return full;
}

void flight_pool_free(struct flight_pool **pool)
{
    struct flight_pool *old = *pool;
    if (old == NULL)
        return;
    base_mutex_lock(&old->lock);
    old->closing = true;
    base_cond_broadcast(&old->given);
    while (old->threads > 0)
        base_cond_wait(&old->ended, &old->lock);
    base_mutex_unlock(&old->lock);
    bury(old);
    base_cond_destroy(&old->given);
    base_cond_destroy(&old->ended);
    base_mutex_destroy(&old->lock);
    base_free(old);
    *pool = NULL;
}
