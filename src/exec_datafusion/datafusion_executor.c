/* SPDX-License-Identifier: Apache-2.0 */
/* The executor's face: port/executor.h over the parts of this room. */
#include "exec_datafusion/datafusion_executor.h"

#include <stdio.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_datafusion/datafusion_internal.h"

static struct df_executor *of(struct executor *executor)
{
    return (struct df_executor *)executor; /* `base` is the first member */
}

/* The engine that all statements share. */
static rhei_status engine_open(struct df_executor *executor, struct rhei_error *error)
{
    if (atomic_load_explicit(&executor->engine, memory_order_acquire) != NULL)
        return RHEI_OK;
    const struct datafusion_executor_config *config = &executor->config;
    struct rhei_df_config wanted = {
        .size = sizeof wanted,
        .host = &executor->host,
        .threads = (uint32_t)(config->threads > 0 ? config->threads : base_cpu_count()),
        .memory_limit = config->memory_limit,
        .temp_directory = config->temp_directory,
        .temp_limit = config->temp_limit > 0 ? config->temp_limit : 4 * config->memory_limit,
    };
    struct rhei_df_error failure = {0};
    struct rhei_df_engine *engine = NULL;
    rhei_status status = RHEI_OK;
    base_mutex_lock(&executor->opening);
    if (atomic_load_explicit(&executor->engine, memory_order_relaxed) == NULL) {
        int32_t code = executor->library->open(&wanted, &engine, &failure);
        if (code == RHEI_DF_OK)
            atomic_store_explicit(&executor->engine, engine, memory_order_release);
        else
            status = df_error(code, &failure, error);
    }
    base_mutex_unlock(&executor->opening);
    return status;
}

static rhei_status begin(struct executor *base, const struct executor_query *query, struct df_statement **statement,
                         struct rhei_df_query *asked, struct rhei_error *error)
{
    if (query->sql == NULL || query->snapshot == NULL)
        return error_set(error, RHEI_INVALID, "a query needs a text and a snapshot");
    rhei_status status = engine_open(of(base), error);
    if (status == RHEI_OK)
        status = df_statement_open(query, statement, error);
    if (status != RHEI_OK)
        return status;
    *asked = (struct rhei_df_query){.size = sizeof *asked,
                                    .sql = query->sql,
                                    .values = (*statement)->values,
                                    .value_count = query->value_count,
                                    .memory_limit = query->memory_limit,
                                    .strings_view = query->strings_view,
                                    .native = query->native,
                                    .statement = *statement};
    return RHEI_OK;
}

static rhei_status executor_run(struct executor *executor, const struct executor_query *query,
                                struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct df_statement *statement = NULL;
    struct rhei_df_query asked;
    rhei_status status = begin(executor, query, &statement, &asked, error);
    if (status != RHEI_OK)
        return status;
    atomic_fetch_add_explicit(&of(executor)->statements, 1, memory_order_relaxed);
    return df_stream_open(of(executor), statement, &asked, stream, error);
}

static rhei_status executor_check(struct executor *executor, const struct executor_query *query,
                                  struct rhei_error *error)
{
    struct df_statement *statement = NULL;
    struct rhei_df_query asked;
    struct rhei_df_error failure = {0};
    rhei_status status = begin(executor, query, &statement, &asked, error);
    if (status != RHEI_OK)
        return status;
    int32_t code = of(executor)->library->check(atomic_load(&of(executor)->engine), &asked, &failure);
    if (code != RHEI_DF_OK)
        status = df_statement_error(statement, code, &failure, error);
    df_statement_close(&statement);
    return status;
}

static void executor_warm(struct executor *executor)
{
    engine_open(of(executor), NULL);
}

static void executor_status(struct executor *base, struct executor_status *status)
{
    struct df_executor *executor = of(base);
    struct rhei_df_engine *engine = atomic_load_explicit(&executor->engine, memory_order_acquire);
    *status = (struct executor_status){.loaded = engine != NULL, .instances = engine != NULL};
    status->statements = atomic_load_explicit(&executor->statements, memory_order_relaxed);
    snprintf(status->version, sizeof status->version, "%s", executor->library->version);
    if (engine == NULL)
        return;
    struct rhei_df_status_of inside = {0};
    executor->library->status(engine, &inside);
    status->memory_bytes = inside.memory_bytes;
}

static void executor_close(struct executor **base)
{
    struct df_executor *executor = *base != NULL ? of(*base) : NULL;
    if (executor == NULL)
        return;
    struct rhei_df_engine *engine = atomic_load_explicit(&executor->engine, memory_order_acquire);
    if (engine != NULL)
        executor->library->close(engine);
    base_mutex_destroy(&executor->opening);
    base_free((char *)(uintptr_t)executor->config.temp_directory);
    base_free(executor->helpers);
    base_free(executor);
    *base = NULL;
}

static const struct executor_ops datafusion_ops = {
    .name = "datafusion",
    .dialect = "datafusion",
    .run = executor_run,
    .check = executor_check,
    .warm = executor_warm,
    .status = executor_status,
    .close = executor_close,
};

rhei_status datafusion_executor_open(const struct datafusion_executor_config *config, struct executor **out,
                                     struct rhei_error *error)
{
    const struct rhei_df_library *library = NULL;
    *out = NULL;
    rhei_status status = df_library_load(&library, error);
    if (status != RHEI_OK)
        return status;
    struct df_executor *executor = base_alloc_zero(1, sizeof *executor);
    if (executor == NULL)
        return error_no_memory(error);
    executor->base.ops = &datafusion_ops;
    executor->library = library;
    executor->config = *config;
    base_mutex_init(&executor->opening);
    if (config->temp_directory != NULL) {
        executor->config.temp_directory = base_strdup(config->temp_directory);
        status = executor->config.temp_directory != NULL ? RHEI_OK : error_no_memory(error);
    }
    if (status == RHEI_OK)
        status = df_host_fill(executor, error);
    *out = &executor->base;
    if (status != RHEI_OK)
        executor_close(out);
    return status;
}
