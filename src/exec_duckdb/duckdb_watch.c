/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping statements. A scan asks the stop itself at every vector; the watchdog asks it for the parts of a plan that
 * scan nothing (sorts, joins, cross products) and interrupts the connection. It sleeps while nothing runs, and ticks
 * while something does. It also ends instances that nobody used for a while. An interrupt sent before DuckDB begins a statement is lost, so it is sent again at every tick.
 */
#include "base/base_clock.h"
#include "exec_duckdb/duckdb_internal.h"

/* Under the mutex: the limited instance that has been idle longest, its link; NULL: there is none. */
static struct duck_database **longest_idle(struct duck_executor *executor)
{
    struct duck_database **found = NULL;
    for (struct duck_database **link = &executor->others; *link != NULL; link = &(*link)->next) {
        const struct duck_database *each = *link;
        if (each->limited && !each->busy && (found == NULL || each->idle_since_ns < (*found)->idle_since_ns))
            found = link;
    }
    return found;
}

/*
 * Under the mutex, which is let go of meanwhile: ends instances that waited in vain, threads and memory with them. Returns the time
 * at which the next one has. A busy one is never touched, and only under the mutex does one become busy.
 */
static int64_t end_idle(struct duck_executor *executor)
{
    uint32_t ms = executor->config.limited_idle_ms > 0 ? executor->config.limited_idle_ms : DUCK_LIMITED_IDLE_MS;
    struct duck_database **link;
    while ((link = longest_idle(executor)) != NULL) {
        struct duck_database *database = *link;
        int64_t due = database->idle_since_ns + (int64_t)ms * 1000000;
        if (base_now_ns() < due)
            return due;
        *link = database->next;
        base_mutex_unlock(&executor->mutex);
        duck_database_close(&database);
        base_mutex_lock(&executor->mutex);
    }
    return INT64_MAX;
}

static void sleep_until(struct duck_executor *executor, int64_t due)
{
    executor->watchdog_asleep = true;
    if (due == INT64_MAX)
        base_cond_wait(&executor->watch, &executor->mutex);
    else
        base_cond_wait_until(&executor->watch, &executor->mutex, due);
    executor->watchdog_asleep = false;
}

static void watchdog_run(void *context)
{
    struct duck_executor *executor = context;
    base_mutex_lock(&executor->mutex);
    while (!executor->closing) {
        int64_t due = end_idle(executor);
        if (executor->closing)
            break;
        if (executor->watched == NULL) {
            sleep_until(executor, due);
            continue;
        }
        base_cond_wait_until(&executor->watch, &executor->mutex, base_now_ns() + DUCK_TICK_NS);
        for (struct duck_connection *each = executor->watched; each != NULL; each = each->watch_next)
            if (duck_slot_check(&each->slot) != RHEI_OK)
                executor->api->interrupt(each->handle);
    }
    base_mutex_unlock(&executor->mutex);
}

/* Under the mutex. */
static rhei_status start(struct duck_executor *executor, struct rhei_error *error)
{
    if (executor->watchdog_started)
        return RHEI_OK;
    rhei_status status = base_thread_start(&executor->watchdog, "rhei-watchdog", watchdog_run, executor, error);
    executor->watchdog_started = status == RHEI_OK;
    return status;
}

void duck_watch_idle(struct duck_executor *executor)
{
    if (start(executor, NULL) == RHEI_OK && executor->watchdog_asleep)
        base_cond_signal(&executor->watch);
}

rhei_status duck_watch(struct duck_connection *connection, struct rhei_error *error)
{
    struct duck_executor *executor = connection->database->executor;
    if (connection->slot.stop.check == NULL)
        return RHEI_OK;
    base_mutex_lock(&executor->mutex);
    rhei_status status = start(executor, error);
    if (status == RHEI_OK) {
        connection->watched = true;
        connection->watch_previous = NULL;
        connection->watch_next = executor->watched;
        if (executor->watched != NULL)
            executor->watched->watch_previous = connection;
        executor->watched = connection;
        if (executor->watchdog_asleep)
            base_cond_signal(&executor->watch);
    }
    base_mutex_unlock(&executor->mutex);
    return status;
}

void duck_unwatch(struct duck_connection *connection)
{
    struct duck_executor *executor = connection->database->executor;
    if (!connection->watched)
        return;
    base_mutex_lock(&executor->mutex);
    connection->watched = false;
    if (connection->watch_previous != NULL)
        connection->watch_previous->watch_next = connection->watch_next;
    else
        executor->watched = connection->watch_next;
    if (connection->watch_next != NULL)
        connection->watch_next->watch_previous = connection->watch_previous;
    base_mutex_unlock(&executor->mutex);
}

void duck_watch_close(struct duck_executor *executor)
{
    base_mutex_lock(&executor->mutex);
    executor->closing = true;
    bool started = executor->watchdog_started;
    base_cond_signal(&executor->watch);
    base_mutex_unlock(&executor->mutex);
    if (started)
        base_thread_join(&executor->watchdog);
}
