/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns a file fills: those of its header in the table that is there, or those that --create makes of them. */
#include "rh_import.h"
#include "rh_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_null(const struct rh_import *import, const struct rh_csv_field *field)
{
    const char *null_text = import->args->null_text;
    return !field->quoted && field->length == strlen(null_text) && memcmp(field->text, null_text, field->length) == 0;
}

static bool refuse(struct rh_import *import, const char *why)
{
    rh_tell(import->tool, "%s: %s", import->name, why);
    return false;
}

static void add_column(struct rh_import *import, const char *name, size_t length, const char *type)
{
    import->columns = rh_reallocate(import->columns, (import->column_count + 1) * sizeof *import->columns);
    import->columns[import->column_count++] = (struct rh_import_column){
        .name = rh_copy_text(name, length),
        .type = rh_copy_text(type, strlen(type)),
        .affinity = rh_affinity_of(type),
    };
}

static bool csv_failure(struct rh_import *import, enum rh_csv_result result)
{
    if (result == RH_CSV_END)
        return refuse(import, "the file is empty");
    if (result == RH_CSV_BAD)
        rh_tell(import->tool, "%s, line %" PRIu64 ", column %" PRIu64 ": %s; nothing was imported", import->name,
                import->csv.bad_line, import->csv.bad_column, import->csv.why);
    else
        refuse(import, "the file could not be read");
    return false;
}

/* Names of the columns from the header, or column1, column2 ... */
static bool read_names(struct rh_import *import)
{
    enum rh_csv_result result = rh_csv_next(&import->csv);
    if (result != RH_CSV_RECORD)
        return csv_failure(import, result);
    const struct rh_csv_record *record = &import->csv.record;
    for (size_t at = 0; at < record->count; at++) {
        struct rh_buffer name = {0};
        const struct rh_csv_field *field = &record->fields[at];
        if (import->args->no_header || field->length == 0)
            rh_buffer_format(&name, "column%zu", at + 1);
        else
            rh_buffer_add(&name, field->text, field->length);
        bool good =
            memchr(name.bytes, '\0', name.length) == NULL && rh_utf8_valid(name.bytes, name.length) == name.length;
        for (size_t other = 0; good && other < import->column_count; other++)
            good = !rh_same_name(import->columns[other].name, strlen(import->columns[other].name), name.bytes,
                                 name.length);
        if (good)
            add_column(import, name.bytes, name.length, "");
        else
            rh_tell(import->tool, "%s, line 1, field %zu: the column name '%s' comes twice or isn't UTF-8 text",
                    import->name, at + 1, name.bytes);
        rh_buffer_free(&name);
        if (!good)
            return false;
    }
    return true;
}

/* Reads the whole file once. Bad lines end it here, unless they go to the reject file in the second reading. */
static bool infer_types(struct rh_import *import)
{
    struct rh_inference *seen = rh_allocate(import->column_count * sizeof *seen);
    enum rh_csv_result result = RH_CSV_END;
    struct rh_progress progress;
    uint64_t rows = 0;
    bool good = rh_import_rewind(import, !import->args->no_header);
    rh_progress_start(&progress, stderr, import->tool->err, "reading  ", import->size, rh_now_us());
    while (good && (result = rh_csv_next(&import->csv)) != RH_CSV_END) {
        const struct rh_csv_record *record = &import->csv.record;
        good = result == RH_CSV_RECORD || (result == RH_CSV_BAD && import->args->reject != NULL);
        for (size_t at = 0; result == RH_CSV_RECORD && at < record->count && record->count == import->column_count;
             at++)
            if (!is_null(import, &record->fields[at]))
                rh_infer(&seen[at], &record->fields[at]);
        if (++rows % 4096 == 0)
            rh_progress_update(&progress, import->csv.consumed, rows, rh_now_us());
    }
    rh_progress_end(&progress);
    if (!good)
        csv_failure(import, result);
    for (size_t at = 0; good && at < import->column_count; at++) {
        struct rh_import_column *column = &import->columns[at];
        const char *type = rh_inferred_type(&seen[at]);
        free(column->type);
        column->type = rh_copy_text(type, strlen(type));
        column->affinity = rh_affinity_of(type);
    }
    free(seen);
    return good;
}

static const struct rh_import_column *find_column(const struct rh_import *import, const char *name, size_t length)
{
    for (size_t at = 0; at < import->column_count; at++)
        if (rh_same_name(import->columns[at].name, strlen(import->columns[at].name), name, length))
            return &import->columns[at];
    return NULL;
}

static bool add_key(struct rh_import *import, struct rh_buffer *sql)
{
    rh_buffer_add_text(sql, ", PRIMARY KEY (");
    for (const char *at = import->args->key; at != NULL;) {
        size_t length = strcspn(at, ",");
        const struct rh_import_column *column = find_column(import, at, length);
        if (column == NULL) {
            rh_tell(import->tool, "%s has no column '%.*s' for --key", import->name, (int)length, at);
            return false;
        }
        rh_add_identifier(sql, column->name);
        at = at[length] == ',' ? at + length + 1 : NULL;
        rh_buffer_add_text(sql, at != NULL ? ", " : ")");
    }
    return true;
}

static bool create_table(struct rh_import *import)
{
    struct rh_buffer sql = {0};
    struct rhei_error error = RHEI_ERROR_INIT;
    rh_buffer_add_text(&sql, "CREATE TABLE ");
    rh_add_identifier(&sql, import->args->table);
    for (size_t at = 0; at < import->column_count; at++) {
        rh_buffer_add_text(&sql, at == 0 ? " (" : ", ");
        rh_add_identifier(&sql, import->columns[at].name);
        rh_buffer_format(&sql, " %s", import->columns[at].type);
    }
    bool good = import->args->key == NULL || add_key(import, &sql);
    rh_buffer_add_char(&sql, ')');
    if (good && rhei_session_execute(import->session, sql.bytes, NULL, NULL, &error) != RHEI_OK)
        good = rh_import_database_error(import, &error);
    rh_buffer_free(&sql);
    return good;
}

/* The table's own columns, without generated ones; none: there is no such table. */
static bool read_table(struct rh_import *import, struct rh_import *table)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value name = {
        .as.bytes = import->args->table, .length = (uint32_t)strlen(import->args->table), .type = RHEI_TEXT};
    struct rhei_params params = {&name, 1};
    rhei_rows *rows = NULL;
    rhei_status status = rhei_oltp_query(
        import->tool->db, "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0", &params, &rows, &error);
    if (status == RHEI_OK) {
        while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW) {
            const char *column = rhei_rows_text(rows, 0), *type = rhei_rows_text(rows, 1);
            add_column(table, column != NULL ? column : "", column != NULL ? strlen(column) : 0,
                       type != NULL ? type : "");
        }
    }
    rhei_rows_close(&rows);
    return status == RHEI_DONE || rh_import_database_error(import, &error);
}

static bool match_names(struct rh_import *import, const struct rh_import *table)
{
    for (size_t at = 0; at < import->column_count; at++) {
        struct rh_import_column *column = &import->columns[at];
        const struct rh_import_column *found = find_column(table, column->name, strlen(column->name));
        if (found == NULL) {
            rh_tell(import->tool,
                    "%s, line 1, field %zu: the table %s has no column '%s' (without a header: --no-header)",
                    import->name, at + 1, import->args->table, column->name);
            return false;
        }
        free(column->type);
        column->type = rh_copy_text(found->type, strlen(found->type));
        column->affinity = found->affinity;
    }
    return true;
}

static void free_columns(struct rh_import *import)
{
    for (size_t at = 0; at < import->column_count; at++) {
        free(import->columns[at].name);
        free(import->columns[at].type);
    }
    free(import->columns);
    import->columns = NULL;
    import->column_count = 0;
}

static bool use_table(struct rh_import *import)
{
    struct rh_import table = {.tool = import->tool, .args = import->args, .name = import->name};
    bool good = read_table(import, &table);
    if (good && table.column_count == 0) {
        rh_tell(import->tool, "there is no table %s; --create makes it from the file", import->args->table);
        good = false;
    } else if (good && import->args->no_header && import->column_count != table.column_count) {
        rh_tell(import->tool, "%s, line 1: %zu fields, but the table %s has %zu columns", import->name,
                import->column_count, import->args->table, table.column_count);
        good = false;
    } else if (good && import->args->no_header) {
        struct rh_import_column *columns = table.columns;
        size_t count = table.column_count;
        free_columns(import);
        import->columns = columns;
        import->column_count = count;
        table = (struct rh_import){0};
    } else if (good) {
        good = match_names(import, &table);
    }
    free_columns(&table);
    return good;
}

bool rh_import_find_columns(struct rh_import *import)
{
    if (!read_names(import))
        return false;
    if (!import->args->create)
        return use_table(import);
    return infer_types(import) && create_table(import);
}
