/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB instances: one in memory for all statements, set to SQLite's meanings where DuckDB has a setting for them, without
 * files, extensions or settings for whoever writes SQL. A statement with a memory limit of its own runs on another
 * instance with that limit, because DuckDB counts memory per instance only.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

static const struct {
    const char *name;
    const char *value;
} fixed_settings[] = {
    /* one answer */
    {"integer_division", "true"},
    {"ieee_floating_point_ops", "false"},
    {"default_null_order", "nulls_first_on_asc_last_on_desc"},
    {"order_by_non_integer_literal", "true"},
    {"scalar_subquery_error_on_multiple_rows", "true"},
    {"preserve_insertion_order", "true"},
    /* nothing outside */
    {"autoinstall_known_extensions", "false"},
    {"autoload_known_extensions", "false"},
    {"allow_community_extensions", "false"},
};

static rhei_status set(const struct duck_api *api, duckdb_config config, const char *name, const char *value,
                       struct rhei_error *error)
{
    if (api->set_config(config, name, value) == DuckDBSuccess)
        return RHEI_OK;
    return error_set(error, RHEI_CONFIG, "DuckDB does not accept %s = %s", name, value);
}

static rhei_status set_bytes(const struct duck_api *api, duckdb_config config, const char *name, size_t bytes,
                             struct rhei_error *error)
{
    char value[32];
    snprintf(value, sizeof value, "%zuB", bytes);
    return set(api, config, name, value, error);
}

static rhei_status configure(struct duck_executor *executor, duckdb_config config, size_t memory_limit,
                             struct rhei_error *error)
{
    const struct duck_api *api = executor->api;
    const struct duckdb_executor_config *given = &executor->config;
    char threads[16];
    snprintf(threads, sizeof threads, "%d", executor->threads);
    rhei_status status = set(api, config, "threads", threads, error);
    if (status == RHEI_OK && memory_limit > 0)
        status = set_bytes(api, config, "memory_limit", memory_limit, error);
    if (status == RHEI_OK)
        status = set(api, config, "temp_directory", given->temp_directory != NULL ? given->temp_directory : "", error);
    size_t temp_limit = given->temp_limit > 0 ? given->temp_limit : 4 * given->memory_limit;
    if (status == RHEI_OK && given->temp_directory != NULL && temp_limit > 0)
        status = set_bytes(api, config, "max_temp_directory_size", temp_limit, error);
    for (size_t i = 0; i < sizeof fixed_settings / sizeof *fixed_settings && status == RHEI_OK; i++)
        status = set(api, config, fixed_settings[i].name, fixed_settings[i].value, error);
    return status;
}

static void make_temp_folder(const struct duck_executor *executor)
{
    const char *folder = executor->config.temp_directory;
    if (folder != NULL && mkdir(folder, 0700) != 0 && errno != EEXIST)
        base_log_write(executor->config.log, BASE_LOG_WARN, "exec_duckdb",
                       "the folder %s for statements over the memory limit can't be made: %s", folder, strerror(errno));
}

static rhei_status open_handle(struct duck_database *database, struct rhei_error *error)
{
    const struct duck_api *api = database->executor->api;
    duckdb_config config = NULL;
    if (api->create_config(&config) == DuckDBError)
        return error_no_memory(error);
    make_temp_folder(database->executor);
    rhei_status status = configure(database->executor, config, database->memory_limit, error);
    char *message = NULL;
    if (status == RHEI_OK && api->open_ext(NULL, &database->handle, config, &message) == DuckDBError) {
        database->handle = NULL;
        status = error_set(error, RHEI_OLAP_UNAVAILABLE, "DuckDB can't open its database in memory: %s",
                           message != NULL ? message : "no reason given");
    }
    api->free(message);
    api->destroy_config(&config);
    if (status == RHEI_OK && api->connect(database->handle, &database->admin) == DuckDBError)
        status = error_set(error, RHEI_OLAP_UNAVAILABLE, "DuckDB gives no connection to its database in memory");
    return status;
}

static rhei_status run(struct duck_database *database, const char *sql, struct rhei_error *error)
{
    const struct duck_api *api = database->executor->api;
    duckdb_result result = {0};
    rhei_status status = RHEI_OK;
    if (api->query(database->admin, sql, &result) == DuckDBError)
        status = error_set(error, RHEI_CONFIG, "DuckDB refuses \"%s\": %s", sql, api->result_error(&result));
    api->destroy_result(&result);
    return status;
}

/* Shuts DuckDB out of the file system, but for the folder where statements over the memory limit spill. */
static rhei_status shut_out(struct duck_database *database, struct rhei_error *error)
{
    const char *folder = database->executor->config.temp_directory;
    rhei_status status = RHEI_OK;
    if (folder != NULL) {
        struct base_buffer sql = {0};
        base_buffer_text(&sql, "SET allowed_directories=[");
        base_buffer_literal(&sql, folder, strlen(folder));
        base_buffer_text(&sql, "]");
        status = sql.failed ? error_no_memory(error) : run(database, sql.data, error);
        base_buffer_reset(&sql);
    }
    return status == RHEI_OK ? run(database, "SET enable_external_access=false", error) : status;
}

/*
 * What strings and BLOBs become is told by options that are read off a connection: both kinds are kept from here. Views
 * need format version 1.4, which turns BLOBs into views too.
 */
static rhei_status take_arrow_options(struct duck_database *database, struct rhei_error *error)
{
    const struct duck_api *api = database->executor->api;
    static const char *const settings[] = {
        "SET produce_arrow_string_view=false; SET arrow_output_version='1.0'",
        "SET produce_arrow_string_view=true; SET arrow_output_version='1.4'",
    };
    for (int i = 0; i < 2; i++) {
        rhei_status status = run(database, settings[i], error);
        if (status != RHEI_OK)
            return status;
        api->connection_get_arrow_options(database->admin, &database->arrow_options[i]);
        if (database->arrow_options[i] == NULL)
            return error_no_memory(error);
    }
    return RHEI_OK;
}

rhei_status duck_database_open(struct duck_executor *executor, size_t memory_limit, bool limited,
                               struct duck_database **out, struct rhei_error *error)
{
    struct duck_database *database = base_alloc_zero(1, sizeof *database);
    if (database == NULL)
        return error_no_memory(error);
    database->executor = executor;
    database->memory_limit = memory_limit;
    database->limited = limited;
    rhei_status status = duck_need_room(executor, 0, error);
    if (status == RHEI_OK)
        status = open_handle(database, error);
    if (status == RHEI_OK)
        status = shut_out(database, error);
    if (status == RHEI_OK)
        status = take_arrow_options(database, error);
    if (status == RHEI_OK)
        status = duck_scan_register(database, error);
    if (status == RHEI_OK)
        status = duck_functions_register(database, error);
    if (status == RHEI_OK)
        status = duck_aggregates_register(database, error);
    if (status == RHEI_OK)
        duck_native_register(database);
    /* The limit of a limited one changes from statement to statement; that no statement can set it, its kind sees to. */
    if (status == RHEI_OK && !limited)
        status = run(database, "SET lock_configuration=true", error);
    if (status != RHEI_OK)
        duck_database_close(&database);
    *out = database;
    return status;
}

rhei_status duck_database_limit(struct duck_database *database, size_t memory_limit, struct rhei_error *error)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SET memory_limit='%zuB'", memory_limit);
    rhei_status status = run(database, sql, error);
    if (status == RHEI_OK)
        database->memory_limit = memory_limit;
    return status;
}

void duck_database_close(struct duck_database **database)
{
    if (*database == NULL)
        return;
    const struct duck_api *api = (*database)->executor->api;
    struct duck_connection *next;
    for (struct duck_connection *each = (*database)->connections; each != NULL; each = next) {
        next = each->next;
        duck_connection_free(&each);
    }
    for (int i = 0; i < 2; i++)
        if ((*database)->arrow_options[i] != NULL)
            api->destroy_arrow_options(&(*database)->arrow_options[i]);
    if ((*database)->admin != NULL)
        api->disconnect(&(*database)->admin);
    if ((*database)->handle != NULL)
        api->close(&(*database)->handle);
    base_free((*database)->helpers);
    base_free(*database);
    *database = NULL;
}

uint64_t duck_database_memory(struct duck_database *database)
{
    const struct duck_api *api = database->executor->api;
    duckdb_result result = {0};
    uint64_t bytes = 0;
    if (api->query(database->admin, "SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()", &result) ==
        DuckDBSuccess) {
        duckdb_data_chunk chunk = api->fetch_chunk(result);
        if (chunk != NULL && api->data_chunk_get_size(chunk) == 1)
            bytes = (uint64_t) * (int64_t *)api->vector_get_data(api->data_chunk_get_vector(chunk, 0));
        if (chunk != NULL)
            api->destroy_data_chunk(&chunk);
    }
    api->destroy_result(&result);
    return bytes;
}
