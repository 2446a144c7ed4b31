/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_duckdb/duckdb_parquet_file.h"

#include <stdio.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"

/* Of the library, an instance and its thread. */
enum { ROOM_BYTES = 216 << 20 };

static rhei_status run(struct parquet_file *file, const char *sql, struct rhei_error *error)
{
    duckdb_result result = {0};
    rhei_status status = RHEI_OK;
    if (file->api->query(file->connection, sql, &result) == DuckDBError)
        status =
            error_set(error, RHEI_OLAP_UNAVAILABLE, "DuckDB refuses \"%s\": %s", sql, file->api->result_error(&result));
    file->api->destroy_result(&result);
    return status;
}

/* One thread, which is the caller's: streams belong to it, and rows keep their order whatever the plan is. */
static rhei_status open_handle(struct parquet_file *file, struct rhei_error *error)
{
    static const struct {
        const char *name, *value;
    } settings[] = {
        {"threads", "1"},
        {"preserve_insertion_order", "false"}, /* else groups of rows could not be cut by their bytes */
        {"temp_directory", ""},
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"allow_community_extensions", "false"},
    };
    const struct duck_api *api = file->api;
    duckdb_config config = NULL;
    char *message = NULL;
    if (api->create_config(&config) == DuckDBError)
        return error_no_memory(error);
    for (size_t at = 0; at < sizeof settings / sizeof *settings; at++)
        (void)api->set_config(config, settings[at].name, settings[at].value);
    rhei_status status = RHEI_OK;
    if (api->open_ext(NULL, &file->handle, config, &message) == DuckDBError) {
        file->handle = NULL;
        status = error_set(error, RHEI_OLAP_UNAVAILABLE, "DuckDB can't open its database in memory: %s",
                           message != NULL ? message : "no reason given");
    } else if (api->connect(file->handle, &file->connection) == DuckDBError) {
        status = error_set(error, RHEI_OLAP_UNAVAILABLE, "DuckDB gives no connection to its database in memory");
    }
    api->free(message);
    api->destroy_config(&config);
    return status;
}

rhei_status parquet_open(struct parquet_file *file, int fd, struct rhei_error *error)
{
    char sql[sizeof file->path + 64];
    *file = (struct parquet_file){0};
    snprintf(file->path, sizeof file->path, "/proc/self/fd/%d", fd);
    if (!base_memory_has_room(ROOM_BYTES)) /* DuckDB's allocator crashes where it finds none when it starts */
        return error_set(error, RHEI_NO_MEMORY,
                         "DuckDB needs %d MiB of address space to start: raise the process's limit (ulimit -v)",
                         ROOM_BYTES >> 20);
    rhei_status status = duck_api_load(NULL, &file->api, error);
    if (status == RHEI_OK)
        status = open_handle(file, error);
    snprintf(sql, sizeof sql, "SET allowed_paths=['%s']", file->path);
    if (status == RHEI_OK)
        status = run(file, sql, error);
    return status == RHEI_OK ? run(file, "SET enable_external_access=false", error) : status;
}

void parquet_close(struct parquet_file *file)
{
    if (file->connection != NULL)
        file->api->disconnect(&file->connection);
    if (file->handle != NULL)
        file->api->close(&file->handle);
}

static rhei_status code_of(duckdb_error_type type)
{
    switch (type) {
    case DUCKDB_ERROR_OUT_OF_MEMORY:
        return RHEI_MEMORY_LIMIT;
    case DUCKDB_ERROR_NOT_IMPLEMENTED:
    case DUCKDB_ERROR_MISSING_EXTENSION:
        return RHEI_UNSUPPORTED;
    default:
        return RHEI_IO; /* the file is the only thing that these statements can fail of */
    }
}

rhei_status parquet_error_in_words(const struct parquet_file *file, const char *message, rhei_status code,
                                   struct rhei_error *error)
{
    const char *kind = message != NULL ? strstr(message, " Error: ") : NULL;
    struct base_buffer words = {0};
    message = kind != NULL ? kind + sizeof " Error: " - 1 : message != NULL ? message : "no reason given";
    for (const char *path; (path = strstr(message, file->path)) != NULL; message = path + strlen(file->path)) {
        static const char before[] = "file ";
        bool quoted = path > message && path[-1] == path[strlen(file->path)];
        size_t length = (size_t)(path - message) - quoted, named = sizeof before - 1;
        if (length >= named && memcmp(message + length - named, before, named) == 0)
            length -= named;
        base_buffer_append(&words, message, length);
        base_buffer_text(&words, "the file");
        path += quoted;
    }
    base_buffer_text(&words, message);
    rhei_status status = words.failed
                             ? error_no_memory(error)
                             : error_set(error, code, "Parquet: %.*s", (int)strcspn(words.data, "\n"), words.data);
    base_buffer_reset(&words);
    return status;
}

rhei_status parquet_error(const struct parquet_file *file, duckdb_result *result, struct rhei_error *error)
{
    return parquet_error_in_words(file, file->api->result_error(result), code_of(file->api->result_error_type(result)),
                                  error);
}
