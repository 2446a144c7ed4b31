/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COPY of a table function whose rows are those of an Arrow stream. Invariants
 *  1. bind has run when the column kinds are known, and before the first row is asked for; both are of one statement, the only one.
 *  2. What the stream fails with is kept as it is: DuckDB is told a text alone.
 */
#include "exec_duckdb/duckdb_parquet.h"

#include <stdio.h>
#include <string.h>

#include "arrow/arrow_cursor.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_parquet_file.h"

enum { VECTOR_ROWS = 2048, CLASSES = 4 };

enum kind { KIND_INTEGER, KIND_REAL, KIND_TEXT, KIND_BLOB, KIND_MIXED };

static const duckdb_type class_types[CLASSES] = {DUCKDB_TYPE_BIGINT, DUCKDB_TYPE_DOUBLE, DUCKDB_TYPE_VARCHAR,
                                                 DUCKDB_TYPE_BLOB};
static const char *const class_names[CLASSES] = {"integer", "real", "text", "blob"};

struct writer {
    const struct duck_api *api;
    struct arrow_cursor *cursor;
    enum kind *kinds; /* by column */
    uint32_t columns;
    rhei_status status; /* what ended the rows */
    struct rhei_error error;
};

/* A vector of the chunk that is being filled. */
struct target {
    const struct duck_api *api;
    duckdb_vector vector;
    void *data;
    uint64_t *valid; /* NULL: none is NULL yet */
};

/* ---- Values. ------------------------------------------------------------------------------------------------------- */

static struct target target_of(const struct duck_api *api, duckdb_vector vector)
{
    return (struct target){.api = api, .vector = vector, .data = api->vector_get_data(vector)};
}

static void put_null(struct target *target, idx_t row)
{
    if (target->valid == NULL) {
        target->api->vector_ensure_validity_writable(target->vector);
        target->valid = target->api->vector_get_validity(target->vector);
    }
    target->valid[row / 64] &= ~(UINT64_C(1) << (row % 64));
}

static void put(struct target *target, idx_t row, const struct rhei_value *value)
{
    switch ((enum rhei_class)value->type) {
    case RHEI_INTEGER:
        ((int64_t *)target->data)[row] = value->as.integer;
        break;
    case RHEI_REAL:
        ((double *)target->data)[row] = value->as.real;
        break;
    case RHEI_TEXT:
    case RHEI_BLOB:
        target->api->vector_assign_string_element_len(target->vector, row, value->as.bytes, value->length);
        break;
    default:
        put_null(target, row);
    }
}

static enum kind kind_of(const struct rhei_value *value)
{
    return value->type == RHEI_INTEGER ? KIND_INTEGER
           : value->type == RHEI_REAL  ? KIND_REAL
           : value->type == RHEI_TEXT  ? KIND_TEXT
                                       : KIND_BLOB;
}

static rhei_status put_cell(struct writer *writer, struct target *target, struct target *members, uint32_t column,
                            idx_t row, int64_t ahead)
{
    struct rhei_value value;
    rhei_status status = arrow_cursor_value_at(writer->cursor, column, ahead, &value, &writer->error);
    if (status != RHEI_OK)
        return status;
    enum kind kind = writer->kinds[column], own = kind_of(&value);
    if (kind != KIND_MIXED && value.type != RHEI_NULL && own != kind)
        return error_set(&writer->error, RHEI_INTERNAL, "column %u has a value of another class than its Arrow type",
                         (unsigned)column + 1);
    if (kind != KIND_MIXED || value.type == RHEI_NULL)
        put(target, row, &value);
    for (enum kind member = KIND_INTEGER; kind == KIND_MIXED && member < KIND_MIXED; member++)
        if (member == own && value.type != RHEI_NULL)
            put(&members[member], row, &value);
        else
            put_null(&members[member], row);
    return RHEI_OK;
}

static rhei_status put_column(struct writer *writer, duckdb_data_chunk output, uint32_t column, idx_t first,
                              int64_t count)
{
    struct target target = target_of(writer->api, writer->api->data_chunk_get_vector(output, column));
    struct target members[CLASSES];
    for (idx_t member = 0; writer->kinds[column] == KIND_MIXED && member < CLASSES; member++)
        members[member] = target_of(writer->api, writer->api->struct_vector_get_child(target.vector, member));
    rhei_status status = RHEI_OK;
    for (int64_t ahead = 0; ahead < count && status == RHEI_OK; ahead++)
        status = put_cell(writer, &target, members, column, first + (idx_t)ahead, ahead);
    return status;
}

/* Rows of the stream's batches until the chunk is full or the stream ends. */
static rhei_status fill(struct writer *writer, duckdb_data_chunk output, idx_t *rows)
{
    rhei_status status = RHEI_OK;
    *rows = 0;
    while (*rows < VECTOR_ROWS && (status = arrow_cursor_next(writer->cursor, &writer->error)) == RHEI_ROW) {
        int64_t count = arrow_cursor_rows_left(writer->cursor);
        if (count > VECTOR_ROWS - (int64_t)*rows)
            count = VECTOR_ROWS - (int64_t)*rows;
        status = RHEI_OK;
        for (uint32_t column = 0; column < writer->columns && status == RHEI_OK; column++)
            status = put_column(writer, output, column, *rows, count);
        if (status != RHEI_OK)
            return status;
        arrow_cursor_skip(writer->cursor, count);
        *rows += (idx_t)count;
    }
    return status == RHEI_DONE || status == RHEI_ROW ? RHEI_OK : status;
}

/* ---- The table function. --------------------------------------------------------------------------------------------- */

static duckdb_logical_type type_of(const struct duck_api *api, enum kind kind)
{
    if (kind != KIND_MIXED)
        return api->create_logical_type(class_types[kind]);
    const char *names[CLASSES];
    duckdb_logical_type members[CLASSES];
    for (int at = 0; at < CLASSES; at++) {
        names[at] = class_names[at];
        members[at] = api->create_logical_type(class_types[at]);
    }
    duckdb_logical_type type = api->create_struct_type(members, names, CLASSES);
    for (int at = 0; at < CLASSES; at++)
        api->destroy_logical_type(&members[at]);
    return type;
}

static void bind(duckdb_bind_info info)
{
    const struct duck_api *api = duck_api();
    struct writer *writer = api->bind_get_extra_info(info);
    for (uint32_t column = 0; column < writer->columns; column++) {
        duckdb_logical_type type = type_of(api, writer->kinds[column]);
        api->bind_add_result_column(info, arrow_cursor_column_name(writer->cursor, column), type);
        api->destroy_logical_type(&type);
    }
    api->bind_set_bind_data(info, writer, NULL);
}

static void init(duckdb_init_info info)
{
    const struct duck_api *api = duck_api();
    api->init_set_max_threads(info, 1);
    api->init_set_init_data(info, api->init_get_bind_data(info), NULL);
}

static void produce(duckdb_function_info info, duckdb_data_chunk output)
{
    const struct duck_api *api = duck_api();
    struct writer *writer = api->function_get_init_data(info);
    idx_t rows = 0;
    writer->status = fill(writer, output, &rows);
    api->data_chunk_set_size(output, writer->status == RHEI_OK ? rows : 0);
    if (writer->status != RHEI_OK)
        api->function_set_error(info, "the rows ended with an error");
}

static rhei_status register_rows(struct parquet_file *file, struct writer *writer, struct rhei_error *error)
{
    const struct duck_api *api = file->api;
    duckdb_table_function function = api->create_table_function();
    api->table_function_set_name(function, "rhei_rows");
    api->table_function_set_extra_info(function, writer, NULL);
    api->table_function_set_bind(function, bind);
    api->table_function_set_init(function, init);
    api->table_function_set_function(function, produce);
    duckdb_state state = api->register_table_function(file->connection, function);
    api->destroy_table_function(&function);
    return state == DuckDBSuccess ? RHEI_OK : error_set(error, RHEI_INTERNAL, "DuckDB takes no table function");
}

/* ---- The file. ------------------------------------------------------------------------------------------------------- */

/* What the cells of such a column are (arrow_cursor.h). */
static enum kind kind_of_format(const struct ArrowSchema *schema)
{
    const char *format = schema->dictionary == NULL ? schema->format : schema->dictionary->format;
    if (strchr("bcCsSiIl", format[0]) != NULL)
        return KIND_INTEGER;
    if (strchr("efg", format[0]) != NULL)
        return KIND_REAL;
    if (strchr("zZw", format[0]) != NULL || strncmp(format, "vz", 2) == 0)
        return KIND_BLOB;
    return format[0] == 'L' || format[0] == 'n' || strncmp(format, "+u", 2) == 0 ? KIND_MIXED : KIND_TEXT;
}

static rhei_status open_rows(struct writer *writer, struct ArrowArrayStream *stream, struct rhei_error *error)
{
    rhei_status status = arrow_cursor_open(stream, &writer->cursor, error);
    if (status != RHEI_OK)
        return status;
    writer->columns = arrow_cursor_column_count(writer->cursor);
    if (writer->columns == 0)
        return error_set(error, RHEI_INVALID, "a Parquet file needs a column, and these rows have none");
    writer->kinds = base_alloc_zero(writer->columns, sizeof *writer->kinds);
    if (writer->kinds == NULL)
        return error_no_memory(error);
    for (uint32_t column = 0; column < writer->columns; column++)
        writer->kinds[column] = kind_of_format(arrow_cursor_schema(writer->cursor)->children[column]);
    return RHEI_OK;
}

/* DuckDB's dictionaries take -0.0 for 0.0, and an exact file is worth more than a fast one. */
static const char *dictionaries(const struct writer *writer)
{
    for (uint32_t column = 0; column < writer->columns; column++)
        if (writer->kinds[column] == KIND_REAL || writer->kinds[column] == KIND_MIXED)
            return ", DICTIONARY_SIZE_LIMIT 0";
    return "";
}

static rhei_status copy(struct parquet_file *file, struct writer *writer, struct rhei_error *error)
{
    char sql[sizeof file->path + 200];
    duckdb_result result = {0};
    snprintf(sql, sizeof sql,
             "COPY (SELECT * FROM rhei_rows()) TO '%s' (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false, "
             "ROW_GROUP_SIZE_BYTES '64MB'%s)",
             file->path, dictionaries(writer));
    rhei_status status = RHEI_OK;
    if (file->api->query(file->connection, sql, &result) == DuckDBError)
        status = writer->status == RHEI_OK ? parquet_error(file, &result, error) : writer->status;
    if (status != RHEI_OK && writer->status != RHEI_OK && error != NULL)
        *error = writer->error;
    file->api->destroy_result(&result);
    return status;
}

rhei_status duckdb_parquet_write(struct ArrowArrayStream *stream, int fd, struct rhei_error *error)
{
    struct writer writer = {.error = RHEI_ERROR_INIT};
    struct parquet_file file = {0};
    rhei_status status = open_rows(&writer, stream, error);
    if (status == RHEI_OK)
        status = parquet_open(&file, fd, error);
    writer.api = file.api;
    if (status == RHEI_OK)
        status = register_rows(&file, &writer, error);
    if (status == RHEI_OK)
        status = copy(&file, &writer, error);
    parquet_close(&file);
    arrow_cursor_close(&writer.cursor);
    base_free(writer.kinds);
    return status;
}
