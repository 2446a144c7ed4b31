/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections. Invariants
 *  1. A connection serves one statement at a time, from take to give: the next one would kill its open stream.
 *  2. A connection that isn't busy holds no snapshot and no state of a scan.
 *  3. DuckDB never gives a connection's number again, so a number finds its own connection or none.
 */
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

/* ---- Connections ------------------------------------------------------------------------------------------------- */

static rhei_status connection_new(struct duck_database *database, struct duck_connection **out,
                                  struct rhei_error *error)
{
    struct duck_executor *executor = database->executor;
    const struct duck_api *api = executor->api;
    struct duck_connection *connection = base_alloc_zero(1, sizeof *connection);
    if (connection == NULL)
        return error_no_memory(error);
    connection->database = database;
    connection->busy = true;
    if (api->connect(database->handle, &connection->handle) == DuckDBError) {
        base_free(connection);
        return error_set(error, RHEI_OLAP_UNAVAILABLE, "DuckDB gives no further connection to its database in memory");
    }
    duckdb_client_context context = NULL;
    api->connection_get_client_context(connection->handle, &context);
    connection->id = api->client_context_get_connection_id(context);
    api->destroy_client_context(&context);
    base_mutex_lock(&executor->mutex);
    connection->next = database->connections;
    database->connections = connection;
    base_mutex_unlock(&executor->mutex);
    *out = connection;
    return RHEI_OK;
}

/* Under the mutex: takes an idle connection, best one that has the plan. */
static struct duck_connection *pick(struct duck_database *database, uint64_t hash)
{
    struct duck_connection *any = NULL;
    for (struct duck_connection *each = database->connections; each != NULL; each = each->next) {
        if (each->busy)
            continue;
        any = each;
        if (hash != 0 && duck_plan_known(each, hash))
            break;
    }
    if (any != NULL) {
        any->busy = true;
        database->idle_count--;
    }
    return any;
}

static rhei_status take_from(struct duck_database *database, uint64_t hash, struct duck_connection **connection,
                             struct rhei_error *error)
{
    struct duck_executor *executor = database->executor;
    base_mutex_lock(&executor->mutex);
    *connection = pick(database, hash);
    base_mutex_unlock(&executor->mutex);
    if (*connection != NULL)
        return RHEI_OK;
    return connection_new(database, connection, error);
}

/* Under `opening`: the database that all statements share. */
static rhei_status shared_database(struct duck_executor *executor, struct duck_database **database,
                                   struct rhei_error *error)
{
    base_mutex_lock(&executor->mutex);
    *database = executor->database;
    if (*database != NULL && (*database)->broken) {
        (*database)->next = executor->others;
        executor->others = *database;
        executor->database = *database = NULL;
    }
    base_mutex_unlock(&executor->mutex);
    if (*database != NULL)
        return RHEI_OK;
    struct duck_database *opened = NULL;
    rhei_status status = duck_database_open(executor, executor->config.memory_limit, false, &opened, error);
    if (status == RHEI_OK) {
        base_mutex_lock(&executor->mutex);
        executor->database = *database = opened;
        base_mutex_unlock(&executor->mutex);
    }
    return status;
}

/* An instance of one statement waits for the next one, but not for ever (duck_watch_idle). */
static void database_done(struct duck_database *database)
{
    struct duck_executor *executor = database->executor;
    base_mutex_lock(&executor->mutex);
    if (database->limited) {
        database->busy = false;
        database->idle_since_ns = base_now_ns();
        duck_watch_idle(executor);
    }
    base_mutex_unlock(&executor->mutex);
}

/* Under `opening`: one for this statement alone. */
static rhei_status limited_database(struct duck_executor *executor, size_t limit, struct duck_database **database,
                                    struct rhei_error *error)
{
    base_mutex_lock(&executor->mutex);
    struct duck_database *found = executor->others;
    while (found != NULL && (found->busy || found->broken || !found->limited))
        found = found->next;
    if (found != NULL)
        found->busy = true;
    base_mutex_unlock(&executor->mutex);
    if (found == NULL) {
        rhei_status status = duck_database_open(executor, limit, true, &found, error);
        if (status != RHEI_OK)
            return status;
        found->busy = true;
        base_mutex_lock(&executor->mutex);
        found->next = executor->others;
        executor->others = found;
        base_mutex_unlock(&executor->mutex);
    }
    *database = found;
    rhei_status status = duck_database_limit(found, limit, error);
    if (status != RHEI_OK)
        database_done(found);
    return status;
}

static rhei_status choose_database(struct duck_executor *executor, size_t limit, struct duck_database **database,
                                   struct rhei_error *error)
{
    size_t shared_limit = executor->config.memory_limit;
    bool limited = limit > 0 && (shared_limit == 0 || limit < shared_limit);
    if (!limited) {
        base_mutex_lock(&executor->mutex);
        *database = executor->database;
        bool usable = *database != NULL && !(*database)->broken;
        base_mutex_unlock(&executor->mutex);
        if (usable)
            return RHEI_OK;
    }
    base_mutex_lock(&executor->opening);
    rhei_status status = executor->api != NULL ? RHEI_OK : duck_load(executor, error);
    if (status == RHEI_OK)
        status =
            limited ? limited_database(executor, limit, database, error) : shared_database(executor, database, error);
    base_mutex_unlock(&executor->opening);
    return status;
}

rhei_status duck_pool_take(struct duck_executor *executor, const struct executor_query *query,
                           struct duck_connection **connection, struct rhei_error *error)
{
    struct duck_database *database = NULL;
    rhei_status status = choose_database(executor, query->memory_limit, &database, error);
    if (status != RHEI_OK)
        return status;
    status = take_from(database, query->plan_key != NULL ? duck_plan_hash(query) : 0, connection, error);
    if (status != RHEI_OK) {
        database_done(database);
        return status;
    }
    status = duck_slot_fill(&(*connection)->slot, query, error);
    if (status != RHEI_OK)
        duck_pool_give(connection);
    return status;
}

/* Under the mutex. */
static void unlink_connection(struct duck_connection *connection)
{
    struct duck_connection **link = &connection->database->connections;
    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
}

void duck_pool_give(struct duck_connection **connection)
{
    struct duck_connection *given = *connection;
    struct duck_database *database = given->database;
    struct duck_executor *executor = database->executor;
    duck_slot_reset(&given->slot);
    base_mutex_lock(&executor->mutex);
    bool keep = !given->spoiled && !database->broken && database->idle_count < DUCK_IDLE_CONNECTIONS;
    if (keep) {
        given->busy = false;
        database->idle_count++;
    } else {
        unlink_connection(given);
    }
    base_mutex_unlock(&executor->mutex);
    if (!keep)
        duck_connection_free(&given);
    database_done(database);
    *connection = NULL;
}
