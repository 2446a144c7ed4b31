/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB gives some of Parquet's types as others that hold less, and says nothing: decimals of more than 38 digits as doubles, the nanoseconds of INT96 and
 * of times of day as microseconds. Files with such a column are refused by its name, for what they hold would not be what is read. What only Arrow has a
 * name for comes back by the schema of Arrow's that its writers put into the file's metadata, https://arrow.apache.org/docs/cpp/parquet.html#serialization-details
 */
#include "exec_duckdb/duckdb_udf.h"

#include <string.h>

#include "arrow/arrow_ipc.h"
#include "base/base_buffer.h"
#include "base/base_error.h"
#include "exec_duckdb/duckdb_parquet_file.h"

/* A row for each node of the schema, depth first: its name, how many children it has, and the type that is lost, or ''. */
static const char ask[] = "SELECT name, CAST(coalesce(num_children, 0) AS BIGINT), CASE "
                          "WHEN precision > 38 AND (converted_type = 'DECIMAL' OR logical_type LIKE 'Decimal%%') THEN "
                          "'DECIMAL(' || precision || ', ' || coalesce(scale, 0) || ')' "
                          "WHEN type = 'INT96' THEN 'INT96' "
                          "WHEN logical_type LIKE 'TimeType%%NANOS=Nano%%' THEN 'TIME with nanoseconds' ELSE '' END "
                          "FROM parquet_schema('%s')";

static rhei_status refuse(const char *name, size_t name_length, const char *what, size_t length,
                          struct rhei_error *error)
{
    return error_set(error, RHEI_UNSUPPORTED,
                     "Parquet: the column \"%.*s\" is %.*s, which can't be read without changing its values: write it "
                     "as text or as another type, or "
                     "the file as Arrow",
                     name_length < 200 ? (int)name_length : 200, name, (int)length, what);
}

struct walk {
    struct base_buffer top; /* the name of the column that the node is of */
    int64_t pending;        /* nodes of it that are still to come */
    bool rooted;
};

static rhei_status check_chunk(const struct duck_api *api, duckdb_data_chunk chunk, struct walk *walk,
                               struct rhei_error *error)
{
    const duckdb_string_t *names = api->vector_get_data(api->data_chunk_get_vector(chunk, 0));
    const int64_t *children = api->vector_get_data(api->data_chunk_get_vector(chunk, 1));
    const duckdb_string_t *lost = api->vector_get_data(api->data_chunk_get_vector(chunk, 2));
    for (idx_t row = 0, count = api->data_chunk_get_size(chunk); row < count; row++) {
        if (!walk->rooted) {
            walk->rooted = true;
            continue;
        }
        if (walk->pending == 0) {
            base_buffer_reset(&walk->top);
            base_buffer_append(&walk->top, duck_string_bytes(&names[row]), names[row].value.inlined.length);
            walk->pending = 1;
        }
        walk->pending += children[row] - 1;
        if (walk->top.failed)
            return error_no_memory(error);
        if (lost[row].value.inlined.length > 0)
            return refuse(walk->top.data != NULL ? walk->top.data : "", walk->top.len, duck_string_bytes(&lost[row]),
                          lost[row].value.inlined.length, error);
    }
    return RHEI_OK;
}

rhei_status parquet_check_types(struct parquet_file *file, struct rhei_error *error)
{
    const struct duck_api *api = file->api;
    struct base_buffer sql = {0};
    struct walk walk = {0};
    duckdb_result result = {0};
    base_buffer_format(&sql, ask, file->path);
    rhei_status status = sql.failed ? error_no_memory(error) : RHEI_OK;
    if (status == RHEI_OK && api->query(file->connection, sql.data, &result) == DuckDBError)
        status = parquet_error(file, &result, error);
    for (duckdb_data_chunk chunk; status == RHEI_OK && (chunk = api->fetch_chunk(result)) != NULL;) {
        status = check_chunk(api, chunk, &walk, error);
        api->destroy_data_chunk(&chunk);
    }
    api->destroy_result(&result);
    base_buffer_reset(&walk.top);
    base_buffer_reset(&sql);
    return status;
}

/* ---- Durations. ------------------------------------------------------------------------------------------------------ */

struct bytes {
    const char *at;
    size_t left;
};

static rhei_status read_bytes(void *context, void *out, size_t len, size_t *got, struct rhei_error *error)
{
    struct bytes *bytes = context;
    (void)error;
    *got = len < bytes->left ? len : bytes->left;
    memcpy(out, bytes->at, *got);
    bytes->at += *got;
    bytes->left -= *got;
    return RHEI_OK;
}

/* A message of Arrow IPC, which is the beginning of a stream. */
static void read_schema(const char *message, size_t length, struct ArrowSchema *out)
{
    struct bytes bytes = {message, length};
    struct ArrowArrayStream stream;
    if (arrow_ipc_read(&(struct arrow_ipc_input){.read = read_bytes, .context = &bytes}, &stream, NULL) != RHEI_OK)
        return;
    if (stream.get_schema(&stream, out) != 0)
        out->release = NULL;
    stream.release(&stream);
}

rhei_status parquet_told_types(struct parquet_file *file, struct ArrowSchema *out, struct rhei_error *error)
{
    const struct duck_api *api = file->api;
    struct base_buffer sql = {0};
    duckdb_result result = {0};
    out->release = NULL;
    base_buffer_format(&sql,
                       "SELECT from_base64(decode(value)) FROM parquet_kv_metadata('%s') "
                       "WHERE key = CAST('ARROW:schema' AS BLOB)",
                       file->path);
    duckdb_data_chunk chunk = NULL;
    if (!sql.failed && api->query(file->connection, sql.data, &result) == DuckDBSuccess)
        chunk = api->fetch_chunk(result);
    if (chunk != NULL && api->data_chunk_get_size(chunk) > 0) {
        const duckdb_string_t *message = api->vector_get_data(api->data_chunk_get_vector(chunk, 0));
        read_schema(duck_string_bytes(message), message->value.inlined.length, out);
    }
    api->destroy_data_chunk(&chunk);
    api->destroy_result(&result);
    bool failed = sql.failed;
    base_buffer_reset(&sql);
    return failed ? error_no_memory(error) : RHEI_OK;
}

static const char *duration(const struct ArrowSchema *told)
{
    static const char *const formats[] = {"tDs", "tDm", "tDu", "tDn"};
    const struct ArrowSchema *values = told->dictionary != NULL ? told->dictionary : told;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(values->format, formats[i]) == 0)
            return formats[i];
    return NULL;
}

void parquet_restore_types(const struct ArrowSchema *told, struct ArrowSchema *schema)
{
    const char *format = duration(told);
    if (format != NULL && strcmp(schema->format, "l") == 0)
        schema->format = format;
    for (int64_t i = 0; told->n_children == schema->n_children && i < schema->n_children; i++)
        parquet_restore_types(told->children[i], schema->children[i]);
}

/* ---- Errors. --------------------------------------------------------------------------------------------------------- */

/* All of it: max() of a hash needs every value. */
static bool reads_column(const struct parquet_file *file, const char *name)
{
    const struct duck_api *api = file->api;
    struct base_buffer sql = {0};
    duckdb_result result = {0};
    base_buffer_text(&sql, "SELECT max(hash(");
    base_buffer_identifier(&sql, name);
    base_buffer_format(&sql, ")) FROM read_parquet('%s')", file->path);
    bool good = sql.failed || api->query(file->connection, sql.data, &result) == DuckDBSuccess;
    api->destroy_result(&result);
    base_buffer_reset(&sql);
    return good;
}

void parquet_name_column(const struct parquet_file *file, struct rhei_error *error)
{
    const struct duck_api *api = file->api;
    struct base_buffer sql = {0};
    duckdb_result columns = {0};
    base_buffer_format(&sql, "SELECT * FROM read_parquet('%s') LIMIT 0", file->path);
    if (error != NULL && error->code == RHEI_IO && !sql.failed &&
        api->query(file->connection, sql.data, &columns) == DuckDBSuccess)
        for (idx_t at = 0, count = api->column_count(&columns); at < count; at++)
            if (!reads_column(file, api->column_name(&columns, at))) {
                error_context(error, "column \"%.200s\": ", api->column_name(&columns, at));
                break;
            }
    api->destroy_result(&columns);
    base_buffer_reset(&sql);
}
