/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows travel in chunks: one INSERT of many rows costs a fraction of as many INSERTs. A chunk stands in a savepoint. When
 * the database refuses it, the savepoint is undone and its rows go in one by one, to find the line that was at fault.
 *
 * Text of a field is only there until the next record, so a chunk copies it; until the chunk is complete a value holds
 * the place in the copy instead of a pointer, because the copy may move while it grows.
 */
#include "rh_import.h"
#include "rh_interrupt.h"
#include "rh_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_VALUES = 2048, CHUNK_ROWS = 128, CHUNK_BYTES = 4 << 20 };

struct row {
    uint64_t line;
    size_t raw, raw_length; /* in `bytes`, when there is a reject file */
};

struct rh_chunk {
    struct rhei_value *values;
    struct row *rows;
    size_t row_count, row_limit;
    struct rh_buffer bytes;
    struct rh_buffer many, one; /* the INSERTs of row_limit rows and of one */
    uint64_t uncommitted;
};

/* A row whose primary key is there already takes the file's values; other conflicts stay errors. */
static void add_update(const struct rh_import *import, struct rh_buffer *sql)
{
    size_t set = 0;
    rh_buffer_add_text(sql, " ON CONFLICT");
    for (size_t at = 0; at < import->key_count; at++) {
        rh_buffer_add_text(sql, at == 0 ? " (" : ", ");
        rh_add_identifier(sql, import->key[at]);
    }
    rh_buffer_add_text(sql, ") DO ");
    for (size_t at = 0; at < import->column_count; at++) {
        const struct rh_import_column *column = &import->columns[at];
        if (column->is_key)
            continue;
        rh_buffer_add_text(sql, set++ == 0 ? "UPDATE SET " : ", ");
        rh_add_identifier(sql, column->name);
        rh_buffer_add_text(sql, " = excluded.");
        rh_add_identifier(sql, column->name);
    }
    rh_buffer_add_text(sql, set == 0 ? "NOTHING" : "");
}

static void make_insert(const struct rh_import *import, struct rh_buffer *sql, size_t rows)
{
    rh_buffer_add_text(sql, import->args->conflict == RH_CONFLICT_REPLACE ? "INSERT OR REPLACE INTO " : "INSERT INTO ");
    rh_add_identifier(sql, import->args->table);
    for (size_t at = 0; at < import->column_count; at++) {
        rh_buffer_add_text(sql, at == 0 ? " (" : ", ");
        rh_add_identifier(sql, import->columns[at].name);
    }
    rh_buffer_add_text(sql, ") VALUES ");
    for (size_t row = 0; row < rows; row++) {
        rh_buffer_add_text(sql, row == 0 ? "(" : ", (");
        for (size_t at = 0; at < import->column_count; at++)
            rh_buffer_add_text(sql, at == 0 ? "?" : ", ?");
        rh_buffer_add_char(sql, ')');
    }
    if (import->args->conflict == RH_CONFLICT_SKIP)
        rh_buffer_add_text(sql, " ON CONFLICT DO NOTHING");
    else if (import->args->conflict == RH_CONFLICT_UPDATE)
        add_update(import, sql);
}

static struct rh_chunk *chunk_of(struct rh_import *import)
{
    if (import->chunk != NULL)
        return import->chunk;
    struct rh_chunk *chunk = rh_allocate(sizeof *chunk);
    size_t limit = CHUNK_VALUES / import->column_count;
    chunk->row_limit = limit < 1 ? 1 : limit > CHUNK_ROWS ? CHUNK_ROWS : limit;
    chunk->values = rh_allocate(chunk->row_limit * import->column_count * sizeof *chunk->values);
    chunk->rows = rh_allocate(chunk->row_limit * sizeof *chunk->rows);
    make_insert(import, &chunk->many, chunk->row_limit);
    make_insert(import, &chunk->one, 1);
    import->chunk = chunk;
    return chunk;
}

void rh_import_free_chunk(struct rh_import *import)
{
    struct rh_chunk *chunk = import->chunk;
    if (chunk == NULL)
        return;
    free(chunk->values);
    free(chunk->rows);
    rh_buffer_free(&chunk->bytes);
    rh_buffer_free(&chunk->many);
    rh_buffer_free(&chunk->one);
    free(chunk);
    import->chunk = NULL;
}

static bool has_bytes(const struct rhei_value *value)
{
    return value->type == RHEI_TEXT || value->type == RHEI_BLOB;
}

static void hold(struct rh_chunk *chunk, struct rhei_value *value)
{
    if (!has_bytes(value))
        return;
    size_t place = chunk->bytes.length;
    rh_buffer_add(&chunk->bytes, value->as.bytes, value->length);
    value->as.integer = (int64_t)place;
}

static bool execute(struct rh_import *import, const char *sql, struct rhei_error *error)
{
    struct rhei_call_options limits = rh_tool_limits(import->tool);
    limits.progress = NULL; /* the import's own line tells of all chunks */
    return rhei_session_execute_with(import->session, sql, NULL, &limits, NULL, error) == RHEI_OK;
}

static rhei_status insert(struct rh_import *import, const char *sql, size_t first, size_t count,
                          struct rhei_error *error)
{
    struct rh_chunk *chunk = import->chunk;
    struct rhei_params params = {chunk->values + first * import->column_count, count * import->column_count};
    struct rhei_result result = {.struct_size = sizeof result};
    struct rhei_call_options limits = rh_tool_limits(import->tool);
    limits.progress = NULL; /* the import's own line tells of all chunks */
    rhei_status status = rhei_session_execute_with(import->session, sql, &params, &limits, &result, error);
    if (status == RHEI_OK) {
        import->rows += count;
        import->changes += (uint64_t)result.changes;
    }
    return status;
}

/* Errors that a row is to blame for; the others end the import. */
static bool is_row_error(rhei_status status)
{
    return status == RHEI_CONSTRAINT || status == RHEI_TYPE || status == RHEI_TOO_BIG || status == RHEI_SQL;
}

/* One row. True: it is in, or among the rejects. */
static bool insert_row(struct rh_import *import, size_t index)
{
    struct rh_chunk *chunk = import->chunk;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = insert(import, chunk->one.bytes, index, 1, &error);
    if (status == RHEI_OK)
        return true;
    if (!is_row_error(status))
        return rh_import_database_error(import, &error);
    const struct row *row = &chunk->rows[index];
    struct rh_complaint complaint = {
        .line = row->line, .why = error.message, .raw = chunk->bytes.bytes + row->raw, .raw_length = row->raw_length};
    if (!rhei_session_in_transaction(import->session)) {
        /* ON CONFLICT ROLLBACK, or RAISE(ROLLBACK): going on would be another transaction */
        rh_tell(import->tool,
                "%s, line %" PRIu64 ": %s; this rolled back the whole transaction, so nothing of it was imported",
                import->name, row->line, error.message);
        return false;
    }
    return rh_import_complain(import, &complaint);
}

static bool insert_one_by_one(struct rh_import *import, const struct rhei_error *why)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_chunk *chunk = import->chunk;
    if (!rhei_session_in_transaction(import->session)) {
        rh_tell(import->tool,
                "%s, between lines %" PRIu64 " and %" PRIu64 ": %s; this rolled back the whole transaction, so "
                "nothing of it was imported",
                import->name, chunk->rows[0].line, chunk->rows[chunk->row_count - 1].line, why->message);
        return false;
    }
    if (!execute(import, "ROLLBACK TO rh_chunk", &error))
        return rh_import_database_error(import, &error);
    for (size_t at = 0; at < chunk->row_count; at++)
        if (!insert_row(import, at))
            return false;
    return true;
}

static bool commit_batch(struct rh_import *import)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_chunk *chunk = import->chunk;
    chunk->uncommitted += chunk->row_count;
    if (import->args->batch == 0 || chunk->uncommitted < (uint64_t)import->args->batch)
        return true;
    chunk->uncommitted = 0;
    if (!execute(import, "COMMIT", &error) || !execute(import, "BEGIN IMMEDIATE", &error))
        return rh_import_database_error(import, &error);
    return true;
}

static bool insert_chunk(struct rh_import *import)
{
    struct rh_chunk *chunk = import->chunk;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (chunk->row_count < chunk->row_limit) {
        for (size_t at = 0; at < chunk->row_count; at++)
            if (!insert_row(import, at))
                return false;
        return true;
    }
    if (!execute(import, "SAVEPOINT rh_chunk", &error))
        return rh_import_database_error(import, &error);
    rhei_status status = insert(import, chunk->many.bytes, 0, chunk->row_count, &error);
    if (status != RHEI_OK && !is_row_error(status))
        return rh_import_database_error(import, &error);
    if (status != RHEI_OK && !insert_one_by_one(import, &error))
        return false;
    struct rhei_error release = RHEI_ERROR_INIT;
    return execute(import, "RELEASE rh_chunk", &release) || rh_import_database_error(import, &release);
}

bool rh_import_flush(struct rh_import *import)
{
    struct rh_chunk *chunk = import->chunk;
    if (chunk == NULL || chunk->row_count == 0)
        return true;
    if (rh_interrupted())
        return rh_import_cancelled(import);
    for (size_t at = 0; at < chunk->row_count * import->column_count; at++)
        if (has_bytes(&chunk->values[at]))
            chunk->values[at].as.bytes = chunk->bytes.bytes + chunk->values[at].as.integer;
    bool good = insert_chunk(import) && commit_batch(import);
    chunk->row_count = 0;
    rh_buffer_clear(&chunk->bytes);
    rh_progress_update(&import->progress, import->csv.consumed, import->rows, rh_now_us());
    return good;
}

static bool complain_field(struct rh_import *import, const struct rh_csv_field *field, const char *why)
{
    const struct rh_csv_record *record = &import->csv.record;
    struct rh_complaint complaint = {.why = why, .raw = record->raw, .raw_length = record->raw_length};
    rh_csv_place(&import->csv, field->offset, &complaint.line, &complaint.column);
    return rh_import_complain(import, &complaint);
}

/* A record with another number of fields than there are columns. */
static bool complain_count(struct rh_import *import)
{
    const struct rh_csv_record *record = &import->csv.record;
    struct rh_buffer why = {0};
    size_t first = record->count < import->column_count ? record->count - 1 : import->column_count;
    rh_buffer_format(&why, "%zu field%s, but %zu are needed", record->count, record->count == 1 ? "" : "s",
                     import->column_count);
    if (record->count < import->column_count)
        rh_buffer_format(&why, " ('%s' is missing)", import->columns[record->count].name);
    bool go_on = complain_field(import, &record->fields[first], why.bytes);
    rh_buffer_free(&why);
    return go_on;
}

/* x'..' as rh query writes BLOBs, for a column that is declared for them. Goes into the chunk at once. */
static bool take_blob(struct rh_chunk *chunk, const struct rh_import_column *column, const struct rh_csv_field *field,
                      struct rhei_value *value)
{
    struct rh_buffer bytes = {0};
    bool blob = column->is_blob && !field->quoted && rh_parse_blob(field->text, field->length, &bytes);
    if (blob) {
        *value = (struct rhei_value){.as.bytes = bytes.bytes, .length = (uint32_t)bytes.length, .type = RHEI_BLOB};
        hold(chunk, value);
    }
    rh_buffer_free(&bytes);
    return blob;
}

bool rh_import_add_row(struct rh_import *import)
{
    const struct rh_csv_record *record = &import->csv.record;
    struct rh_chunk *chunk = chunk_of(import);
    if (record->count != import->column_count)
        return complain_count(import);
    struct rhei_value *values = chunk->values + chunk->row_count * import->column_count;
    size_t before = chunk->bytes.length;
    rh_buffer_reserve(&chunk->bytes, 0);
    for (size_t at = 0; at < record->count; at++) {
        struct rh_buffer why = {0};
        const struct rh_csv_field *field = &record->fields[at];
        if (take_blob(chunk, &import->columns[at], field, &values[at]))
            continue;
        if (rh_field_value(field, import->columns[at].affinity, import->args->null_text, import->args->any_type,
                           &values[at], &why)) {
            hold(chunk, &values[at]);
            continue;
        }
        rh_buffer_format(&why, " (column %s %s)", import->columns[at].name, import->columns[at].type);
        bool go_on = complain_field(import, field, why.bytes);
        rh_buffer_free(&why);
        chunk->bytes.length = before;
        return go_on;
    }
    struct row *row = &chunk->rows[chunk->row_count++];
    *row = (struct row){.line = record->line, .raw = chunk->bytes.length};
    if (import->rejects != NULL) {
        row->raw_length = record->raw_length;
        rh_buffer_add(&chunk->bytes, record->raw, record->raw_length);
    }
    if (chunk->row_count == chunk->row_limit || chunk->bytes.length > CHUNK_BYTES)
        return rh_import_flush(import);
    return true;
}
