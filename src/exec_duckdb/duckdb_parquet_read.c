/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_duckdb/duckdb_parquet.h"

#include <string.h>

#include "arrow/arrow_stream.h"
#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_parquet_file.h"

struct reader {
    struct parquet_file file;
    duckdb_prepared_statement statement;
    duckdb_result result;
    duckdb_arrow_options options;
    struct ArrowSchema told; /* release NULL: nothing was */
};

/* ---- What to ask for. ------------------------------------------------------------------------------------------------ */

/* A struct as duckdb_parquet_write makes it of a column of several classes. */
static bool is_mixed(const struct duck_api *api, duckdb_logical_type type)
{
    static const struct {
        const char *name;
        duckdb_type type;
    } members[] = {{"integer", DUCKDB_TYPE_BIGINT},
                   {"real", DUCKDB_TYPE_DOUBLE},
                   {"text", DUCKDB_TYPE_VARCHAR},
                   {"blob", DUCKDB_TYPE_BLOB}};
    bool mixed = api->get_type_id(type) == DUCKDB_TYPE_STRUCT && api->struct_type_child_count(type) == 4;
    for (idx_t at = 0; mixed && at < 4; at++) {
        char *name = api->struct_type_child_name(type, at);
        duckdb_logical_type member = api->struct_type_child_type(type, at);
        mixed = strcmp(name, members[at].name) == 0 && api->get_type_id(member) == members[at].type;
        api->destroy_logical_type(&member);
        api->free(name);
    }
    return mixed;
}

/* The four members as a union, which is what such a column was. */
static void add_union(struct base_buffer *sql, const char *name)
{
    static const char *const members[] = {"real", "text", "blob", "integer"};
    base_buffer_text(sql, "CASE");
    for (int at = 0; at < 4; at++) {
        if (at < 3) {
            base_buffer_text(sql, " WHEN ");
            base_buffer_identifier(sql, name);
            base_buffer_format(sql, ".\"%s\" IS NOT NULL THEN", members[at]);
        } else {
            base_buffer_text(sql, " ELSE");
        }
        base_buffer_format(sql, " CAST(union_value(\"%s\" := ", members[at]);
        base_buffer_identifier(sql, name);
        base_buffer_format(sql,
                           ".\"%s\") AS UNION(\"integer\" BIGINT, \"real\" DOUBLE, \"text\" VARCHAR, \"blob\" BLOB))",
                           members[at]);
    }
    base_buffer_text(sql, " END AS ");
    base_buffer_identifier(sql, name);
}

static rhei_status prepare(struct reader *reader, const char *columns, bool none, struct rhei_error *error)
{
    const struct duck_api *api = reader->file.api;
    struct base_buffer sql = {0};
    base_buffer_format(&sql, "SELECT %s FROM read_parquet('%s')%s", columns, reader->file.path, none ? " LIMIT 0" : "");
    api->destroy_result(&reader->result);
    api->destroy_prepare(&reader->statement);
    rhei_status status = sql.failed ? error_no_memory(error) : RHEI_OK;
    if (status == RHEI_OK && none && api->query(reader->file.connection, sql.data, &reader->result) == DuckDBError)
        status = parquet_error(&reader->file, &reader->result, error);
    if (status == RHEI_OK && !none &&
        api->prepare(reader->file.connection, sql.data, &reader->statement) == DuckDBError)
        status = parquet_error_in_words(&reader->file, api->prepare_error(reader->statement), RHEI_IO, error);
    else if (status == RHEI_OK && !none &&
             api->execute_prepared_streaming(reader->statement, &reader->result) == DuckDBError)
        status = parquet_error(&reader->file, &reader->result, error);
    if (status != RHEI_OK && !none)
        parquet_name_column(&reader->file, error);
    base_buffer_reset(&sql);
    return status;
}

static rhei_status start(struct reader *reader, struct rhei_error *error)
{
    const struct duck_api *api = reader->file.api;
    struct base_buffer columns = {0};
    rhei_status status = parquet_check_types(&reader->file, error);
    if (status == RHEI_OK)
        status = parquet_told_types(&reader->file, &reader->told, error);
    if (status == RHEI_OK)
        status = prepare(reader, "*", true, error);
    idx_t count = status == RHEI_OK ? api->column_count(&reader->result) : 0;
    for (idx_t at = 0; at < count; at++) {
        duckdb_logical_type type = api->column_logical_type(&reader->result, at);
        const char *name = api->column_name(&reader->result, at);
        base_buffer_text(&columns, at > 0 ? ", " : "");
        if (is_mixed(api, type))
            add_union(&columns, name);
        else
            base_buffer_identifier(&columns, name);
        api->destroy_logical_type(&type);
    }
    if (columns.failed)
        status = error_no_memory(error);
    if (status == RHEI_OK)
        status = prepare(reader, columns.data, false, error);
    base_buffer_reset(&columns);
    return status;
}

/* ---- The stream. ----------------------------------------------------------------------------------------------------- */

static rhei_status converted(const struct duck_api *api, duckdb_error_data data, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    if (data != NULL && api->error_data_has_error(data))
        status = error_set(error, RHEI_UNSUPPORTED, "Parquet: %s", api->error_data_message(data));
    if (data != NULL)
        api->destroy_error_data(&data);
    return status;
}

static rhei_status stream_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct reader *reader = context;
    const struct duck_api *api = reader->file.api;
    idx_t count = api->column_count(&reader->result);
    duckdb_logical_type *types = base_alloc_zero((size_t)count + 1, sizeof *types);
    const char **names = base_alloc_zero((size_t)count + 1, sizeof *names);
    rhei_status status = types != NULL && names != NULL ? RHEI_OK : error_no_memory(error);
    for (idx_t at = 0; at < count && status == RHEI_OK; at++) {
        types[at] = api->column_logical_type(&reader->result, at);
        names[at] = api->column_name(&reader->result, at);
    }
    if (status == RHEI_OK)
        status = converted(api, api->to_arrow_schema(reader->options, types, names, count, out), error);
    if (status == RHEI_OK && reader->told.release != NULL)
        parquet_restore_types(&reader->told, out);
    for (idx_t at = 0; at < count && types != NULL; at++)
        if (types[at] != NULL)
            api->destroy_logical_type(&types[at]);
    base_free(types);
    base_free(names);
    return status;
}

static rhei_status stream_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct reader *reader = context;
    const struct duck_api *api = reader->file.api;
    duckdb_data_chunk chunk = api->fetch_chunk(reader->result);
    if (chunk == NULL && api->result_error(&reader->result) == NULL)
        return RHEI_DONE;
    if (chunk == NULL) {
        rhei_status failed = parquet_error(&reader->file, &reader->result, error);
        parquet_name_column(&reader->file, error);
        return failed;
    }
    rhei_status status = converted(api, api->data_chunk_to_arrow(reader->options, chunk, out), error);
    api->destroy_data_chunk(&chunk);
    return status;
}

static void stream_free(void *context)
{
    struct reader *reader = context;
    const struct duck_api *api = reader->file.api;
    if (api != NULL) {
        api->destroy_result(&reader->result);
        api->destroy_prepare(&reader->statement);
        if (reader->options != NULL)
            api->destroy_arrow_options(&reader->options);
    }
    parquet_close(&reader->file);
    if (reader->told.release != NULL)
        reader->told.release(&reader->told);
    base_free(reader);
}

rhei_status duckdb_parquet_read(int fd, struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct reader *reader = base_alloc_zero(1, sizeof *reader);
    if (reader == NULL)
        return error_no_memory(error);
    rhei_status status = parquet_open(&reader->file, fd, error);
    if (status == RHEI_OK)
        status = start(reader, error);
    if (status == RHEI_OK)
        reader->file.api->connection_get_arrow_options(reader->file.connection, &reader->options);
    if (status == RHEI_OK && reader->options == NULL)
        status = error_no_memory(error);
    if (status != RHEI_OK) {
        stream_free(reader);
        return status;
    }
    struct arrow_batch_source source = {
        .schema = stream_schema, .next = stream_next, .release = stream_free, .context = reader};
    return arrow_batch_stream(&source, stream, error);
}
