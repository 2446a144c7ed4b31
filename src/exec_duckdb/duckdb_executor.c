/* SPDX-License-Identifier: Apache-2.0 */
/* The executor's face: port/executor.h over the parts of this room. */
#include "exec_duckdb/duckdb_executor.h"

#include <stdio.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

static struct duck_executor *of(struct executor *executor)
{
    return (struct duck_executor *)executor; /* `base` is the first member */
}

static rhei_status take(struct executor *executor, const struct executor_query *query,
                        struct duck_connection **connection, struct rhei_error *error)
{
    if (query->sql == NULL || query->snapshot == NULL)
        return error_set(error, RHEI_INVALID, "a query needs a text and a snapshot");
    rhei_status stopped = query->stop.check != NULL ? query->stop.check(query->stop.context) : RHEI_OK;
    if (stopped != RHEI_OK)
        return duck_stopped_error(stopped, error);
    return duck_pool_take(of(executor), query, connection, error);
}

static rhei_status executor_run(struct executor *executor, const struct executor_query *query,
                                struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct duck_connection *connection = NULL;
    rhei_status status = take(executor, query, &connection, error);
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&of(executor)->mutex);
    of(executor)->statements++;
    base_mutex_unlock(&of(executor)->mutex);
    return duck_stream_open(connection, query, stream, error);
}

static rhei_status executor_check(struct executor *executor, const struct executor_query *query,
                                  struct rhei_error *error)
{
    struct duck_connection *connection = NULL;
    rhei_status status = take(executor, query, &connection, error);
    if (status != RHEI_OK)
        return status;
    status = duck_watch(connection, error);
    if (status == RHEI_OK)
        status = duck_plan_while(&connection, query, true, NULL, error);
    if (connection != NULL) {
        duck_unwatch(connection);
        duck_pool_give(&connection);
    }
    return status;
}

static void executor_status(struct executor *base, struct executor_status *status)
{
    struct duck_executor *executor = of(base);
    *status = (struct executor_status){0};
    base_mutex_lock(&executor->mutex);
    status->loaded = executor->database != NULL;
    status->instances = executor->database != NULL;
    for (const struct duck_database *each = executor->others; each != NULL; each = each->next)
        status->instances++;
    status->statements = executor->statements;
    status->plan_hits = executor->plan_hits;
    status->plans_cached = atomic_load(&executor->plans);
    struct duck_database *database = executor->database;
    if (executor->api != NULL)
        snprintf(status->version, sizeof status->version, "%s", executor->api->library_version());
    base_mutex_unlock(&executor->mutex);
    if (database != NULL)
        status->memory_bytes = duck_database_memory(database);
}

static void executor_close(struct executor **base)
{
    if (*base == NULL)
        return;
    struct duck_executor *executor = of(*base);
    duck_aside_close(executor);
    duck_watch_close(executor);
    duck_database_close(&executor->database);
    while (executor->others != NULL) {
        struct duck_database *database = executor->others;
        executor->others = database->next;
        duck_database_close(&database);
    }
    base_cond_destroy(&executor->watch);
    base_mutex_destroy(&executor->mutex);
    base_mutex_destroy(&executor->opening);
    base_free((char *)(uintptr_t)executor->config.library_path);
    base_free((char *)(uintptr_t)executor->config.temp_directory);
    base_free(executor);
    *base = NULL;
}

/* The library and the instance that all statements share: 30 of the 40 ms that a first statement takes. */
static void executor_warm(struct executor *base)
{
    struct executor_query none = {.sql = ""};
    struct duck_connection *connection = NULL;
    if (duck_pool_take((struct duck_executor *)base, &none, &connection, NULL) == RHEI_OK)
        duck_pool_give(&connection);
}

static const struct executor_ops duckdb_ops = {
    .name = "duckdb",
    .dialect = "duckdb",
    .run = executor_run,
    .check = executor_check,
    .warm = executor_warm,
    .status = executor_status,
    .close = executor_close,
};

static bool copy_text(const char **text)
{
    if (*text == NULL)
        return true;
    *text = base_strdup(*text);
    return *text != NULL;
}

rhei_status duckdb_executor_open(const struct duckdb_executor_config *config, struct executor **out,
                                 struct rhei_error *error)
{
    *out = NULL;
    struct duck_executor *executor = base_alloc_zero(1, sizeof *executor);
    if (executor == NULL)
        return error_no_memory(error);
    executor->base.ops = &duckdb_ops;
    executor->config = *config;
    executor->threads = config->threads > 0 ? config->threads : base_cpu_count();
    if (!copy_text(&executor->config.library_path)) {
        base_free(executor);
        return error_no_memory(error);
    }
    if (!copy_text(&executor->config.temp_directory)) {
        base_free((char *)(uintptr_t)executor->config.library_path);
        base_free(executor);
        return error_no_memory(error);
    }
    base_mutex_init(&executor->opening);
    base_mutex_init(&executor->mutex);
    base_cond_init(&executor->watch);
    *out = &executor->base;
    return RHEI_OK;
}
