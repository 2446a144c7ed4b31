/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Planning that its caller can leave. DuckDB looks at an interrupt only between the passes over a plan, and one pass over a
 * long text may take seconds: so a long text of a statement that has a stop is planned on a thread of its own. Invariants
 *  1. Until it is done, the planning reads copies alone: of the texts, and a hold of its own on the snapshot.
 *  2. Under `lock` it becomes done or left, never both. Done: the caller has everything back. Left: the thread has it, the
 *     connection too, and gives it back to the pool when DuckDB returns.
 *  3. The caller's stop is asked under `lock` and not after the planning was left.
 *  4. Every thread is joined: by its caller, by the next statement that needs one, or by close, which waits for it.
 * Locks: duck_executor.mutex, then `lock`.
 */
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

enum {
    ASIDE_BYTES = 500,              /* a shorter text is planned in less time than its caller would wait */
    WAIT_NS = 5 * 1000 * 1000,      /* how often the stop is asked */
    PATIENCE_NS = 20 * 1000 * 1000, /* from the stop on, for DuckDB to end by itself */
};

struct duck_aside {
    struct duck_aside *next; /* among those that were left */
    struct duck_connection *connection;
    struct executor_query query;
    char *sql, *key;
    struct mirror_snapshot snapshot;
    bool only_check;
    base_thread thread;
    base_mutex lock;
    base_cond ended;
    bool done, left;
    atomic_bool over; /* left, and the thread touches nothing any more */
    struct duck_plan *plan;
    rhei_status status;
    struct rhei_error error;
};

static rhei_status aside_check(void *context)
{
    struct duck_aside *aside = context;
    base_mutex_lock(&aside->lock);
    const struct executor_stop *stop = &aside->query.stop;
    rhei_status status = aside->left ? RHEI_CANCELLED : stop->check(stop->context);
    base_mutex_unlock(&aside->lock);
    return status;
}

static void aside_free(struct duck_aside *aside)
{
    mirror_snapshot_release(&aside->snapshot);
    base_cond_destroy(&aside->ended);
    base_mutex_destroy(&aside->lock);
    base_free(aside->sql);
    base_free(aside->key);
    base_free(aside);
}

static void give_back(struct duck_aside *aside)
{
    duck_plan_done(aside->connection, &aside->plan);
    duck_unwatch(aside->connection);
    duck_pool_give(&aside->connection);
    mirror_snapshot_release(&aside->snapshot);
    atomic_store_explicit(&aside->over, true, memory_order_release);
}

static void aside_run(void *context)
{
    struct duck_aside *aside = context;
    struct duck_plan *plan = NULL;
    rhei_status status = aside->only_check ? duck_plan_check(aside->connection, &aside->query, &aside->error)
                                           : duck_plan_get(aside->connection, &aside->query, &plan, &aside->error);
    base_mutex_lock(&aside->lock);
    aside->plan = plan;
    aside->status = status;
    aside->done = !aside->left;
    bool left = aside->left;
    base_cond_signal(&aside->ended);
    base_mutex_unlock(&aside->lock);
    if (left)
        give_back(aside);
}

static struct duck_aside *aside_new(struct duck_connection *connection, const struct executor_query *query,
                                    bool only_check)
{
    struct duck_aside *aside = base_alloc_zero(1, sizeof *aside);
    if (aside == NULL)
        return NULL;
    base_mutex_init(&aside->lock);
    base_cond_init(&aside->ended);
    aside->error = (struct rhei_error)RHEI_ERROR_INIT;
    aside->connection = connection;
    aside->only_check = only_check;
    aside->sql = base_strdup(query->sql);
    aside->key = query->plan_key != NULL ? base_strdup(query->plan_key) : NULL;
    aside->query = *query;
    aside->query.sql = aside->sql;
    aside->query.plan_key = aside->key;
    aside->query.snapshot = &aside->snapshot;
    aside->query.values = NULL; /* the slot has its own */
    aside->query.ranges = NULL;
    aside->query.columns = NULL;
    if (aside->sql == NULL || (query->plan_key != NULL && aside->key == NULL) ||
        mirror_snapshot_clone(query->snapshot, &aside->snapshot) != RHEI_OK) {
        aside_free(aside);
        return NULL;
    }
    return aside;
}

/* Joins threads of plannings that were left: those that are over, or all of them, which waits. */
static void reap(struct duck_executor *executor, bool all)
{
    struct duck_aside *ended = NULL;
    base_mutex_lock(&executor->mutex);
    for (struct duck_aside **link = &executor->left; *link != NULL;) {
        struct duck_aside *each = *link;
        if (!all && !atomic_load_explicit(&each->over, memory_order_acquire)) {
            link = &each->next;
            continue;
        }
        *link = each->next;
        each->next = ended;
        ended = each;
    }
    base_mutex_unlock(&executor->mutex);
    while (ended != NULL) {
        struct duck_aside *each = ended;
        ended = each->next;
        base_thread_join(&each->thread);
        aside_free(each);
    }
}

void duck_aside_close(struct duck_executor *executor)
{
    reap(executor, true);
}

/* Until it is done, or PATIENCE_NS after its stop. RHEI_OK: it is done. */
static rhei_status wait_for(struct duck_aside *aside)
{
    const struct executor_stop *stop = &aside->query.stop;
    int64_t give_up = INT64_MAX;
    rhei_status status = RHEI_OK;
    base_mutex_lock(&aside->lock);
    while (!aside->done && base_now_ns() < give_up) {
        base_cond_wait_until(&aside->ended, &aside->lock, base_now_ns() + WAIT_NS);
        if (status == RHEI_OK && (status = stop->check(stop->context)) != RHEI_OK)
            give_up = base_now_ns() + PATIENCE_NS;
    }
    aside->left = !aside->done;
    bool left = aside->left;
    base_mutex_unlock(&aside->lock);
    return left ? status : RHEI_OK;
}

static bool is_quick(const struct duck_connection *connection, const struct executor_query *query)
{
    return query->stop.check == NULL || strnlen(query->sql, ASIDE_BYTES) < ASIDE_BYTES ||
           (query->plan_key != NULL && duck_plan_known(connection, duck_plan_hash(query)));
}

static rhei_status plan_here(struct duck_connection *connection, const struct executor_query *query, bool only_check,
                             struct duck_plan **plan, struct rhei_error *error)
{
    return only_check ? duck_plan_check(connection, query, error) : duck_plan_get(connection, query, plan, error);
}

rhei_status duck_plan_while(struct duck_connection **connection, const struct executor_query *query, bool only_check,
                            struct duck_plan **plan, struct rhei_error *error)
{
    struct duck_connection *own = *connection;
    struct duck_executor *executor = own->database->executor;
    struct duck_aside *aside = is_quick(own, query) ? NULL : aside_new(own, query, only_check);
    if (aside == NULL)
        return plan_here(own, query, only_check, plan, error);
    reap(executor, false);
    base_mutex_lock(&executor->mutex); /* under which the watchdog reads it */
    own->slot.snapshot = &aside->snapshot;
    own->slot.stop = (struct executor_stop){aside_check, aside, NULL};
    base_mutex_unlock(&executor->mutex);
    bool started = base_thread_start(&aside->thread, "rhei-plan", aside_run, aside, NULL) == RHEI_OK;
    rhei_status stopped = started ? wait_for(aside) : RHEI_OK;
    if (stopped != RHEI_OK) {
        *connection = NULL;
        base_mutex_lock(&executor->mutex);
        aside->next = executor->left;
        executor->left = aside;
        base_mutex_unlock(&executor->mutex);
        return duck_stopped_error(stopped, error);
    }
    if (started)
        base_thread_join(&aside->thread);
    base_mutex_lock(&executor->mutex);
    own->slot.snapshot = query->snapshot;
    own->slot.stop = query->stop;
    base_mutex_unlock(&executor->mutex);
    rhei_status status = aside->status;
    if (!started)
        status = plan_here(own, query, only_check, plan, error);
    else if (status == RHEI_OK && !only_check)
        *plan = aside->plan;
    else if (status != RHEI_OK && error != NULL && error->code == RHEI_OK)
        *error = aside->error;
    aside_free(aside);
    return status;
}
