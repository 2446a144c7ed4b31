/* SPDX-License-Identifier: Apache-2.0 */
/* Loading the library, and whether there is room for it and for an instance. */
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

/* An instance's address space before its first statement, and that of each of its threads: stack and allocator. */
enum { INSTANCE_BYTES = 64 << 20, THREAD_BYTES = 24 << 20 };

/* What the library and what it needs take up. */
enum { LIBRARY_BYTES = 128 << 20 };

rhei_status duck_need_room(const struct duck_executor *executor, size_t more, struct rhei_error *error)
{
    size_t bytes = INSTANCE_BYTES + (size_t)executor->threads * THREAD_BYTES + more;
    if (base_memory_has_room(bytes))
        return RHEI_OK;
    return error_set(error, RHEI_NO_MEMORY,
                     "DuckDB needs %zu MiB of address space to start: raise the process's limit (ulimit -v)",
                     bytes >> 20);
}

rhei_status duck_load(struct duck_executor *executor, struct rhei_error *error)
{
    const struct duck_api *api = NULL;
    rhei_status status = duck_need_room(executor, LIBRARY_BYTES, error);
    if (status != RHEI_OK)
        return status;
    status = duck_api_load(executor->config.library_path, &api, error);
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&executor->mutex);
    executor->api = api;
    base_mutex_unlock(&executor->mutex);
    base_log_write(executor->config.log, BASE_LOG_DEBUG, "exec_duckdb", "DuckDB %s loaded", api->library_version());
    return RHEI_OK;
}
