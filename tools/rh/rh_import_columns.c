/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns a file fills: those of its header in the table that is there, or those that --create makes of them. */
#include "rh_import.h"
#include "rh_interrupt.h"
#include "rh_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool is_null(const struct rh_import *import, const struct rh_csv_field *field)
{
    const char *null_text = import->args->null_text;
    return !field->quoted && field->length == strlen(null_text) && memcmp(field->text, null_text, field->length) == 0;
}

bool rh_import_refuse(struct rh_import *import, const char *why)
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
        .is_blob = rh_is_blob_type(type),
    };
}

bool rh_import_no_record(struct rh_import *import, enum rh_csv_result result)
{
    if (rh_interrupted()) /* whoever filled the pipe was perhaps ended too */
        return rh_import_cancelled(import);
    if (result == RH_CSV_END)
        return rh_import_refuse(import, import->args->skip > 0
                                            ? "there is nothing behind the lines that --skip passes over"
                                            : "the file is empty");
    bool csv = rh_import_is_csv(import);
    if (result == RH_CSV_BAD)
        rh_tell(import->tool, "%s, line %" PRIu64 ", column %" PRIu64 ": %s; nothing was imported", import->name,
                csv ? import->csv.bad_line : import->json.bad_line,
                csv ? import->csv.bad_column : import->json.bad_column, csv ? import->csv.why : import->json.why);
    return false; /* what can't be read was told */
}

struct rh_import_column *rh_import_column_of(const struct rh_import *import, const char *name, size_t length)
{
    for (size_t at = 0; at < import->column_count; at++)
        if (rh_same_name(import->columns[at].name, strlen(import->columns[at].name), name, length))
            return &import->columns[at];
    return NULL;
}

/* What --rename makes of a field's name; NULL: nothing. Its number goes before its name. */
static const char *renamed(const struct rh_import *import, const char *name, size_t number, bool *used)
{
    const struct rh_import_args *args = import->args;
    const char *found = NULL;
    char place[32];
    snprintf(place, sizeof place, "#%zu", number);
    for (size_t at = 0; at < args->rename_count; at++) {
        size_t length = (size_t)(strchr(args->renames[at], '=') - args->renames[at]);
        bool by_place = length == strlen(place) && memcmp(args->renames[at], place, length) == 0;
        if (!by_place && (found != NULL || !rh_same_name(args->renames[at], length, name, strlen(name))))
            continue;
        found = args->renames[at] + length + 1;
        used[at] = true;
        if (by_place)
            break;
    }
    return found;
}

bool rh_import_check_renames(struct rh_import *import, const bool *used)
{
    for (size_t at = 0; at < import->args->rename_count; at++) {
        if (used[at])
            continue;
        rh_tell(import->tool, "%s has no column for --rename %s", import->name, import->args->renames[at]);
        return false;
    }
    return true;
}

/* Where the names of columns stand: CSV has a line for them. */
static void add_place(const struct rh_import *import, struct rh_buffer *text)
{
    rh_buffer_add_text(text, import->name);
    if (rh_import_is_csv(import))
        rh_buffer_format(text, ", line %" PRIu64, import->csv.record.line);
}

static bool take_name(struct rh_import *import, const char *name, size_t length, size_t number)
{
    const struct rh_import_column *same = rh_import_column_of(import, name, length);
    struct rh_buffer place = {0};
    add_place(import, &place);
    bool text = memchr(name, '\0', length) == NULL && rh_utf8_valid(name, length) == length;
    if (!text)
        rh_tell(import->tool, "%s, field %zu: the column name isn't UTF-8 text", place.bytes, number);
    else if (same != NULL)
        rh_tell(import->tool,
                "%s: the column name '%.*s' comes twice, in fields %zu and %zu: give one another name "
                "with --rename '#%zu=NAME'",
                place.bytes, (int)length, name, (size_t)(same - import->columns) + 1, number, number);
    else
        add_column(import, name, length, "");
    rh_buffer_free(&place);
    return text && same == NULL;
}

bool rh_import_add_column(struct rh_import *import, const char *name, size_t length, size_t number, bool *used)
{
    struct rh_buffer own = {0};
    rh_buffer_add(&own, name, length);
    const char *other = renamed(import, own.bytes, number, used);
    bool good =
        other != NULL ? take_name(import, other, strlen(other), number) : take_name(import, name, length, number);
    rh_buffer_free(&own);
    return good;
}

/* Names of the columns from the header, or column1, column2 ... */
static bool read_names(struct rh_import *import)
{
    enum rh_csv_result result = rh_csv_next(&import->csv);
    if (result != RH_CSV_RECORD)
        return rh_import_no_record(import, result);
    const struct rh_csv_record *record = &import->csv.record;
    bool *used = rh_allocate((import->args->rename_count + 1) * sizeof *used);
    bool good = true;
    for (size_t at = 0; at < record->count && good; at++) {
        struct rh_buffer name = {0};
        const struct rh_csv_field *field = &record->fields[at];
        if (!import->dialect.header || field->length == 0)
            rh_buffer_format(&name, "column%zu", at + 1);
        else
            rh_buffer_add(&name, field->text, field->length);
        good = rh_import_add_column(import, name.bytes, name.length, at + 1, used);
        rh_buffer_free(&name);
    }
    good = good && rh_import_check_renames(import, used);
    free(used);
    return good;
}

static void set_type(struct rh_import_column *column, const char *type)
{
    free(column->type);
    column->type = rh_copy_text(type, strlen(type));
    column->affinity = rh_affinity_of(type);
    column->is_blob = rh_is_blob_type(type);
}

/* What --type says, whatever the values look like. False: told, there is no such column. */
static bool take_types(struct rh_import *import)
{
    static const char *const types[] = {"INTEGER", "REAL", "TEXT"};
    for (size_t at = 0; at < import->args->type_count; at++) {
        const char *text = import->args->types[at], *type = strrchr(text, '=') + 1;
        struct rh_import_column *column = rh_import_column_of(import, text, (size_t)(type - 1 - text));
        if (column == NULL) {
            rh_tell(import->tool, "%s has no column for --type %s", import->name, text);
            return false;
        }
        for (size_t known = 0; known < 3; known++)
            if (rh_same_name(type, strlen(type), types[known], strlen(types[known])))
                set_type(column, types[known]);
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
    bool good = rh_import_rewind(import, import->dialect.header);
    rh_progress_start(&progress, stderr, import->tool->err, "reading  ", import->input.size, rh_now_us());
    while (good && !rh_interrupted() && (result = rh_csv_next(&import->csv)) != RH_CSV_END) {
        const struct rh_csv_record *record = &import->csv.record;
        good = result == RH_CSV_RECORD || (result == RH_CSV_BAD && import->args->reject != NULL);
        for (size_t at = 0; result == RH_CSV_RECORD && at < record->count && record->count == import->column_count;
             at++)
            if (!is_null(import, &record->fields[at])) {
                char copy[64];
                struct rh_csv_field point = rh_field_with_point(&record->fields[at], import->args->decimal, copy);
                rh_infer(&seen[at], &point);
            }
        if (++rows % 4096 == 0)
            rh_progress_update(&progress, rh_input_done(&import->input), rows, rh_now_us());
    }
    rh_progress_end(&progress);
    if (rh_interrupted()) {
        free(seen);
        return rh_import_cancelled(import);
    }
    if (!good)
        rh_import_no_record(import, result);
    for (size_t at = 0; good && at < import->column_count; at++) {
        set_type(&import->columns[at], rh_inferred_type(&seen[at]));
        import->columns[at].has_commas = seen[at].comma && !seen[at].no_comma;
    }
    good = good && take_types(import);
    free(seen);
    return good;
}

static bool take_new_key(struct rh_import *import)
{
    for (const char *at = import->args->key; at != NULL;) {
        size_t length = strcspn(at, ",");
        const struct rh_import_column *column = rh_import_column_of(import, at, length);
        if (column == NULL) {
            rh_tell(import->tool, "%s has no column '%.*s' for --key", import->name, (int)length, at);
            return false;
        }
        import->key = rh_reallocate(import->key, (import->key_count + 1) * sizeof *import->key);
        import->key[import->key_count++] = rh_copy_text(column->name, strlen(column->name));
        at = at[length] == ',' ? at + length + 1 : NULL;
    }
    if (import->key_count > 0 || import->args->conflict != RH_CONFLICT_UPDATE)
        return true;
    rh_tell(import->tool, "--on-conflict update finds rows by their primary key: name it with --key");
    return false;
}

static bool has_key(struct rh_import *import, const struct rh_import *table)
{
    for (size_t at = 0; at < table->column_count; at++)
        if (table->columns[at].is_key)
            return true;
    rh_tell(import->tool, "--on-conflict update finds rows by their primary key, and the table %s has none",
            import->args->table);
    return false;
}

/* The table's own columns, without generated ones; none: there is no such table. */
static bool read_table(struct rh_import *import, struct rh_import *table)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_value name = {
        .as.bytes = import->args->table, .length = (uint32_t)strlen(import->args->table), .type = RHEI_TEXT};
    struct rhei_params params = {&name, 1};
    struct rhei_call_options limits = rh_tool_limits(import->tool);
    struct rhei_query_options options = {
        .struct_size = sizeof options, .timeout_ms = limits.timeout_ms, .cancel = limits.cancel};
    rhei_rows *rows = NULL;
    rhei_status status =
        rhei_query(import->tool->db, "SELECT name, type, pk FROM pragma_table_xinfo(?, 'main') WHERE hidden = 0",
                   &params, &options, &rows, &error);
    if (status == RHEI_OK) {
        while ((status = rhei_rows_next(rows, &error)) == RHEI_ROW) {
            const char *column = rhei_rows_text(rows, 0), *type = rhei_rows_text(rows, 1);
            add_column(table, column != NULL ? column : "", column != NULL ? strlen(column) : 0,
                       type != NULL ? type : "");
            table->columns[table->column_count - 1].is_key = rhei_rows_int64(rows, 2) > 0;
        }
    }
    rhei_rows_close(&rows);
    return status == RHEI_DONE || rh_import_database_error(import, &error);
}

static bool match_names(struct rh_import *import, const struct rh_import *table)
{
    for (size_t at = 0; at < import->column_count; at++) {
        struct rh_import_column *column = &import->columns[at];
        const struct rh_import_column *found = rh_import_column_of(table, column->name, strlen(column->name));
        if (found == NULL) {
            struct rh_buffer place = {0};
            add_place(import, &place);
            rh_tell(import->tool, "%s, field %zu: the table %s has no column '%s' (another name: --rename%s)",
                    place.bytes, at + 1, import->args->table, column->name,
                    rh_import_is_csv(import) ? "; without a header: --no-header" : "");
            rh_buffer_free(&place);
            return false;
        }
        free(column->type);
        column->type = rh_copy_text(found->type, strlen(found->type));
        column->affinity = found->affinity;
        column->is_key = found->is_key;
        column->is_blob = found->is_blob;
    }
    return true;
}

static void free_columns(struct rh_import *import)
{
    for (size_t at = 0; at < import->column_count; at++) {
        free(import->columns[at].name);
        free(import->columns[at].source);
        free(import->columns[at].type);
    }
    free(import->columns);
    import->columns = NULL;
    import->column_count = 0;
}

/* It may be a name that can only be read, and then --create wouldn't help: the engine says so. */
static void tell_no_table(struct rh_import *import)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_buffer sql = {0};
    rhei_statement *statement = NULL;
    rh_buffer_add_text(&sql, "DELETE FROM ");
    rh_add_identifier(&sql, import->args->table);
    if (rhei_prepare(import->tool->db, sql.bytes, &statement, &error) == RHEI_READ_ONLY)
        rh_tell_error(import->tool, &error);
    else
        rh_tell(import->tool, "there is no table \"%s\"; --create makes it from the file", import->args->table);
    rhei_statement_close(&statement);
    rh_buffer_free(&sql);
}

static bool use_table(struct rh_import *import)
{
    struct rh_import table = {.tool = import->tool, .args = import->args, .name = import->name};
    bool good = read_table(import, &table), headless = rh_import_is_csv(import) && !import->dialect.header;
    if (good && table.column_count == 0) {
        tell_no_table(import);
        import->undoubted = true;
        good = false;
    } else if (good && import->args->conflict == RH_CONFLICT_UPDATE && !has_key(import, &table)) {
        good = false;
    } else if (good && headless && import->column_count != table.column_count) {
        rh_tell(import->tool, "%s, line 1: %zu fields, but the table %s has %zu columns", import->name,
                import->column_count, import->args->table, table.column_count);
        good = false;
    } else if (good && headless) {
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

/* A first line with numbers in it is taken for data, unless they are what columns of the table are called. False: told. */
static bool find_header(struct rh_import *import)
{
    if (!rh_import_is_csv(import) || import->args->header_said || import->dialect.header || import->args->create)
        return true;
    struct rh_import table = {.tool = import->tool, .args = import->args};
    bool good = read_table(import, &table);
    bool names = good && rh_csv_next(&import->csv) == RH_CSV_RECORD;
    for (size_t at = 0; names && at < import->csv.record.count; at++)
        names = rh_import_column_of(&table, import->csv.record.fields[at].text, import->csv.record.fields[at].length) !=
                NULL;
    free_columns(&table);
    import->dialect.header = names;
    return good && rh_import_rewind(import, false);
}

bool rh_import_find_columns(struct rh_import *import)
{
    if (!find_header(import))
        return false;
    bool found = rh_import_is_csv(import)    ? read_names(import)
                 : rh_import_is_json(import) ? rh_import_json_columns(import)
                                             : rh_import_arrow_columns(import);
    if (!found)
        return false;
    if (!import->args->create)
        return use_table(import);
    return take_new_key(import) && (!rh_import_is_csv(import) || infer_types(import));
}

static void add_commas(const struct rh_import *import, struct rh_buffer *text)
{
    size_t count = 0;
    for (size_t at = 0; at < import->column_count; at++) {
        const struct rh_import_column *column = &import->columns[at];
        if (!column->has_commas || strcmp(column->type, "TEXT") != 0)
            continue;
        rh_buffer_add_text(text, count++ == 0 ? "\n  the numbers of " : ", ");
        rh_add_visible(text, column->name, strlen(column->name));
    }
    if (count > 0)
        rh_buffer_add_text(text, " have a decimal comma, and are kept as text: --decimal , makes them REAL");
}

void rh_import_add_types(struct rh_import *import, struct rh_buffer *text)
{
    enum { MOST = 12 };
    struct rh_import table = {.tool = import->tool, .args = import->args};
    if (!import->args->create || !read_table(import, &table))
        return;
    rh_buffer_add_text(text, "\n  columns ");
    for (size_t at = 0; at < table.column_count && at < MOST; at++) {
        rh_buffer_add_text(text, at > 0 ? ", " : "");
        rh_add_visible(text, table.columns[at].name, strlen(table.columns[at].name));
        rh_buffer_format(text, "%s%s", table.columns[at].type[0] != '\0' ? " " : "", table.columns[at].type);
    }
    if (table.column_count > MOST)
        rh_buffer_format(text, " and %zu more", table.column_count - MOST);
    free_columns(&table);
    add_commas(import, text);
}
