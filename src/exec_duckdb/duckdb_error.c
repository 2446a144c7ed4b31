/* SPDX-License-Identifier: Apache-2.0 */
/* DuckDB's errors in Rhei's codes. */
#include <string.h>

#include "base/base_error.h"
#include "exec_duckdb/duckdb_internal.h"

static rhei_status code_of(duckdb_error_type type)
{
    switch (type) {
    case DUCKDB_ERROR_NOT_IMPLEMENTED:
    case DUCKDB_ERROR_MISSING_EXTENSION:
    case DUCKDB_ERROR_PERMISSION:
        return RHEI_UNSUPPORTED;
    case DUCKDB_ERROR_INTERRUPT:
        return RHEI_CANCELLED;
    case DUCKDB_ERROR_OUT_OF_MEMORY:
        return RHEI_MEMORY_LIMIT;
    case DUCKDB_ERROR_IO:
        return RHEI_IO;
    case DUCKDB_ERROR_FATAL:
    case DUCKDB_ERROR_INTERNAL:
    case DUCKDB_ERROR_NULL_POINTER:
        return RHEI_INTERNAL;
    default:
        return RHEI_SQL;
    }
}

/* A prepared statement tells its error's kind by the first words only. */
static duckdb_error_type type_of_message(const char *message)
{
    static const struct {
        const char *start;
        duckdb_error_type type;
    } known[] = {
        {"Not implemented Error", DUCKDB_ERROR_NOT_IMPLEMENTED},
        {"Missing Extension Error", DUCKDB_ERROR_MISSING_EXTENSION},
        {"Permission Error", DUCKDB_ERROR_PERMISSION},
        {"INTERRUPT Error", DUCKDB_ERROR_INTERRUPT},
        {"Out of Memory Error", DUCKDB_ERROR_OUT_OF_MEMORY},
        {"IO Error", DUCKDB_ERROR_IO},
        {"FATAL Error", DUCKDB_ERROR_FATAL},
        {"INTERNAL Error", DUCKDB_ERROR_INTERNAL},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(message, known[i].start, strlen(known[i].start)) == 0)
            return known[i].type;
    return DUCKDB_ERROR_BINDER;
}

rhei_status duck_stopped_error(rhei_status status, struct rhei_error *error)
{
    if (status == RHEI_TIMEOUT)
        return error_set(error, status, "the query's time limit ended it");
    if (status == RHEI_CANCELLED)
        return error_set(error, status, "the query was cancelled");
    return error_set(error, status, "the query was stopped");
}

/*
 * DuckDB ends some errors with what one could set or install. Nobody can here: its settings are ours and locked, and its file
 * access is off. What we can offer is said by `advice_for`.
 */
static size_t length_of_fact(const char *message)
{
    static const char *const advice[] = {"\nPossible solutions",
                                         "\nDatabase is launched",
                                         "\nThis limit was set by",
                                         "\nPlease try installing",
                                         "\nYou can ",
                                         "\nTo enable ",
                                         "\nAn error occurred while trying to automatically"};
    size_t len = strlen(message);
    for (size_t i = 0; i < sizeof advice / sizeof *advice; i++) {
        const char *at = strstr(message, advice[i]);
        if (at != NULL && (size_t)(at - message) < len)
            len = (size_t)(at - message);
    }
    while (len > 0 && (message[len - 1] == '\n' || message[len - 1] == ' '))
        len--;
    return len;
}

static const char *advice_for(rhei_status status)
{
    return status == RHEI_MEMORY_LIMIT
               ? "; raise olap_memory_limit (or the query's own memory_limit), give the database fewer "
                 "threads, or route the statement to oltp"
               : "";
}

/* Our own callbacks can give DuckDB a text only; it puts its kind in front, and sometimes the place behind. */
static bool is_our_want_of_memory(const char *message)
{
    return message != NULL && strstr(message, "Error: out of memory") != NULL;
}

static rhei_status error_of(struct duck_connection *connection, duckdb_error_type type, const char *message,
                            struct rhei_error *error)
{
    int stopped = atomic_load_explicit(&connection->slot.stopped, memory_order_acquire);
    if (stopped != RHEI_OK)
        return duck_stopped_error((rhei_status)stopped, error);
    const struct mirror_table_view *damaged = atomic_load_explicit(&connection->slot.damaged, memory_order_acquire);
    if (damaged != NULL && mirror_view_check(damaged, error) != RHEI_OK)
        return RHEI_IO;
    if (is_our_want_of_memory(message))
        return error_no_memory(error);
    if (type == DUCKDB_ERROR_FATAL || type == DUCKDB_ERROR_INTERNAL)
        connection->database->broken = true;
    if (message == NULL)
        message = "it failed without a message";
    rhei_status status = code_of(type);
    size_t len = length_of_fact(message);
    return error_set(error, status, "DuckDB: %.*s%s", len < 900 ? (int)len : 900, message, advice_for(status));
}

rhei_status duck_result_error(struct duck_connection *connection, duckdb_result *result, struct rhei_error *error)
{
    const struct duck_api *api = connection->database->executor->api;
    return error_of(connection, api->result_error_type(result), api->result_error(result), error);
}

rhei_status duck_prepare_error(struct duck_connection *connection, const char *message, struct rhei_error *error)
{
    return error_of(connection, message != NULL ? type_of_message(message) : DUCKDB_ERROR_INTERNAL, message, error);
}
