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
    X(duckdb_data_chunk_to_arrow)      \
    X(duckdb_column_count)             \
    X(duckdb_column_type)              \
    X(duckdb_data_chunk_get_vector)    \
    X(duckdb_vector_get_data)

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

enum { EACH_CHUNKS = 16, CHUNK_ROWS = 2048 };

static struct rhei_value cell(duckdb_type type, void *data, idx_t row)
{
    struct rhei_value value = {.type = RHEI_TEXT};
    if (type == DUCKDB_TYPE_BIGINT) {
        value.type = RHEI_INTEGER;
        value.as.integer = ((int64_t *)data)[row];
    } else if (type == DUCKDB_TYPE_DOUBLE) {
        value.type = RHEI_REAL;
        value.as.real = ((double *)data)[row];
    } else {
        duckdb_string_t *string = &((duckdb_string_t *)data)[row];
        bool inlined = string->value.inlined.length <= 12;
        value.as.bytes = inlined ? string->value.inlined.inlined : string->value.pointer.ptr;
        value.length = string->value.inlined.length;
    }
    return value;
}

static size_t take_chunk(duckdb_result *result, duckdb_data_chunk chunk, struct rhei_value *values)
{
    idx_t columns = duck.duckdb_column_count(result), rows = duck.duckdb_data_chunk_get_size(chunk);
    for (idx_t column = 0; column < columns; column++) {
        duckdb_type type = duck.duckdb_column_type(result, column);
        void *data = duck.duckdb_vector_get_data(duck.duckdb_data_chunk_get_vector(chunk, column));
        for (idx_t row = 0; row < rows; row++)
            values[row * columns + column] = cell(type, data, row);
    }
    return rows;
}

void duck_each(const char *sql, void (*take)(void *, const struct rhei_value *, size_t columns, size_t rows),
               void *context)
{
    duckdb_result result;
    if (duck.duckdb_query(connection, sql, &result) == DuckDBError)
        bench_die(sql, duck.duckdb_result_error(&result));
    size_t columns = duck.duckdb_column_count(&result), rows = 0, held = 0;
    struct rhei_value *values = malloc((size_t)EACH_CHUNKS * CHUNK_ROWS * columns * sizeof *values);
    duckdb_data_chunk chunks[EACH_CHUNKS];
    if (values == NULL)
        bench_die(sql, "no memory");
    for (;;) {
        chunks[held] = duck.duckdb_fetch_chunk(result);
        bool ended = chunks[held] == NULL;
        if (!ended)
            rows += take_chunk(&result, chunks[held++], values + rows * columns);
        if (held == EACH_CHUNKS || (ended && rows > 0)) {
            take(context, values, columns, rows);
            for (size_t i = 0; i < held; i++)
                duck.duckdb_destroy_data_chunk(&chunks[i]);
            rows = held = 0;
        }
        if (ended)
            break;
    }
    free(values);
    duck.duckdb_destroy_result(&result);
}

void duck_finish(void *prepared)
{
    duckdb_prepared_statement statement = prepared;
    duck.duckdb_destroy_prepare(&statement);
}
