/* SPDX-License-Identifier: Apache-2.0 */
#include "peer_duckdb.h"

#include <dlfcn.h>
#include <duckdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench_report.h"
#include "rhei/rhei_types.h" /* the Arrow structs that DuckDB only names */

/* The functions in use, by name; loaded like Rhei itself does. */
#define DUCK_FUNCTIONS(X)              \
    X(duckdb_open)                     \
    X(duckdb_close)                    \
    X(duckdb_connect)                  \
    X(duckdb_disconnect)               \
    X(duckdb_query)                    \
    X(duckdb_result_error)             \
    X(duckdb_destroy_result)           \
    X(duckdb_prepare)                  \
    X(duckdb_prepare_error)            \
    X(duckdb_destroy_prepare)          \
    X(duckdb_execute_prepared)         \
    X(duckdb_fetch_chunk)              \
    X(duckdb_data_chunk_get_size)      \
    X(duckdb_destroy_data_chunk)       \
    X(duckdb_result_get_arrow_options) \
    X(duckdb_destroy_arrow_options)    \
    X(duckdb_data_chunk_to_arrow)

#define MEMBER(name) __typeof__(&name) name;
static struct {
    DUCK_FUNCTIONS(MEMBER)
} duck;

static duckdb_database database;
static duckdb_connection connection;

#define RESOLVE(name)                                                   \
    *(void **)&duck.name = dlsym(library, #name);                       \
    if (duck.name == NULL) {                                            \
        fprintf(stderr, "rhei_bench: libduckdb.so has no %s\n", #name); \
        return false;                                                   \
    }

static bool duck_load(void)
{
    const char *path = getenv("RHEI_DUCKDB");
    void *library = dlopen(path != NULL ? path : RHEI_DUCKDB_PATH, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        fprintf(stderr, "rhei_bench: no DuckDB to compare with: %s\n", dlerror());
        return false;
    }
    DUCK_FUNCTIONS(RESOLVE)
    return true;
}

bool duck_open(int threads)
{
    if (duck.duckdb_open == NULL && !duck_load())
        return false;
    if (duck.duckdb_open(NULL, &database) == DuckDBError || duck.duckdb_connect(database, &connection) == DuckDBError)
        bench_die("DuckDB", "could not be opened");
    char text[64];
    snprintf(text, sizeof text, "SET threads = %d", threads);
    duck_exec(text);
    return true;
}

void duck_close(void)
{
    duck.duckdb_disconnect(&connection);
    duck.duckdb_close(&database);
}

void duck_exec(const char *sql)
{
    duckdb_result result;
    if (duck.duckdb_query(connection, sql, &result) == DuckDBError)
        bench_die(sql, duck.duckdb_result_error(&result));
    duck.duckdb_destroy_result(&result);
}

void *duck_prepare(const char *sql)
{
    duckdb_prepared_statement statement = NULL;
    if (duck.duckdb_prepare(connection, sql, &statement) == DuckDBError)
        bench_die(sql, duck.duckdb_prepare_error(statement));
    return statement;
}

uint64_t duck_run(void *prepared, bool to_arrow)
{
    duckdb_result result;
    if (duck.duckdb_execute_prepared(prepared, &result) == DuckDBError)
        bench_die("DuckDB", duck.duckdb_result_error(&result));
    duckdb_arrow_options options = to_arrow ? duck.duckdb_result_get_arrow_options(&result) : NULL;
    uint64_t rows = 0;
    duckdb_data_chunk chunk;
    while ((chunk = duck.duckdb_fetch_chunk(result)) != NULL) {
        rows += duck.duckdb_data_chunk_get_size(chunk);
        if (to_arrow) {
            struct ArrowArray array;
            duck.duckdb_data_chunk_to_arrow(options, chunk, &array);
            if (array.release != NULL)
                array.release(&array);
        }
        duck.duckdb_destroy_data_chunk(&chunk);
    }
    if (to_arrow)
        duck.duckdb_destroy_arrow_options(&options);
    duck.duckdb_destroy_result(&result);
    return rows;
}

void duck_finish(void *prepared)
{
    duckdb_prepared_statement statement = prepared;
    duck.duckdb_destroy_prepare(&statement);
}
