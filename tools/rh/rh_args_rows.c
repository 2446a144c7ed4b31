/* SPDX-License-Identifier: Apache-2.0 */
/* What the command lines of import and export say. */
#include "rh_args_rows.h"

#include "rh_csv.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool rh_args_read_delimiter(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    char c = strcmp(text, "\\t") == 0 || strcmp(text, "tab") == 0 ? '\t' : text[0];
    bool single = c == '\t' || (c != '\0' && text[1] == '\0');
    if (!single || c == '"' || c == '\n' || c == '\r' || (unsigned char)c >= 0x80) {
        rh_buffer_format(why, "--delimiter %s: one ASCII character that is no quote and no line end, or tab", text);
        return false;
    }
    args->import.delimiter = c;
    args->import.delimiter_said = true;
    return true;
}

bool rh_args_read_decimal(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    args->import.decimal = text[0];
    if ((text[0] == ',' || text[0] == '.') && text[1] == '\0')
        return true;
    rh_buffer_format(why, "--decimal %s: it is , or .", text);
    return false;
}

bool rh_args_read_quote(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    bool none = strcmp(text, "none") == 0;
    args->import.quote = none ? RH_CSV_NO_QUOTE : text[0];
    args->import.quote_said = true;
    if (none || (strchr("\"'`|~^$", text[0]) != NULL && text[0] != '\0' && text[1] == '\0'))
        return true;
    rh_buffer_format(why, "--quote %s: it is \", ', another sign of ` | ~ ^ $, or none", text);
    return false;
}

bool rh_args_read_conflict(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    static const char *const names[] = {"abort", "skip", "replace", "update"};
    for (int at = 0; at < 4; at++) {
        if (strcmp(text, names[at]) == 0) {
            args->import.conflict = (enum rh_conflict)(RH_CONFLICT_ABORT + at);
            return true;
        }
    }
    rh_buffer_format(why, "--on-conflict %s: it is abort, skip, replace or update", text);
    return false;
}

bool rh_args_read_rename(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    struct rh_import_args *import = &args->import;
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || equals[1] == '\0') {
        rh_buffer_format(why, "--rename %s: it is OLD=NEW, or #3=NEW for the third field", text);
        return false;
    }
    import->renames = rh_reallocate(import->renames, (import->rename_count + 1) * sizeof *import->renames);
    import->renames[import->rename_count++] = text;
    return true;
}

bool rh_args_read_type(struct rh_args *args, const char *text, struct rh_buffer *why)
{
    static const char *const types[] = {"INTEGER", "REAL", "TEXT"};
    struct rh_import_args *import = &args->import;
    const char *equals = strrchr(text, '=');
    bool known = false;
    for (size_t at = 0; equals != NULL && equals > text && at < 3; at++)
        known = known || strcasecmp(equals + 1, types[at]) == 0;
    if (!known) {
        rh_buffer_format(why, "--type %s: it is COLUMN=INTEGER, COLUMN=REAL or COLUMN=TEXT", text);
        return false;
    }
    import->types = rh_reallocate(import->types, (import->type_count + 1) * sizeof *import->types);
    import->types[import->type_count++] = text;
    return true;
}

/* orders of data/orders.csv.gz; an empty text where nothing is left. */
static char *stem_of(const char *file)
{
    const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
    size_t length = strlen(name);
    if (length > 3 && strcasecmp(name + length - 3, ".gz") == 0)
        length -= 3;
    const char *dot = memrchr(name, '.', length);
    return rh_copy_text(name, dot != NULL ? (size_t)(dot - name) : length);
}

bool rh_args_take_import(struct rh_args *args, char **words, int count, struct rh_buffer *why)
{
    struct rh_import_args *import = &args->import;
    if (count < 1 || (count < 2 && strcmp(words[0], "-") == 0)) {
        rh_buffer_add_text(why, "rh import needs a file (- is standard input, which needs a table) and, unless it is "
                                "called as the file, a table: rh import FILE TABLE");
        return false;
    }
    import->file = words[0];
    import->table = count > 1 ? words[1] : (import->stem = stem_of(words[0]));
    if (words[0][0] == '\0' || import->table[0] == '\0') {
        rh_buffer_format(why, "the %s of rh import has an empty name", words[0][0] == '\0' ? "file" : "table");
        return false;
    }
    return true;
}

bool rh_args_take_export(struct rh_args *args, char **words, int count, struct rh_buffer *why)
{
    struct rh_export_args *export = &args->export;
    if (count < 1 || (count < 2 && !export->all)) {
        rh_buffer_add_text(why, "rh export needs a file (- is standard output) and a table or a question: rh export "
                                "FILE TABLE; or a folder and tables, or --all");
        return false;
    }
    if (export->all && count > 1) {
        rh_buffer_format(why, "--all is every table, and '%s' is named besides", words[1]);
        return false;
    }
    for (int at = 0; at < count; at++)
        if (words[at][0] == '\0') {
            rh_buffer_format(why, "a %s of rh export has an empty name", at == 0 ? "file" : "table");
            return false;
        }
    export->target = words[0];
    export->tables = words + 1;
    export->table_count = (size_t)count - 1;
    bool several = export->all || count > 2;
    if (several && strcmp(words[0], "-") == 0) {
        rh_buffer_add_text(why, "several tables go into a folder, not to standard output");
        return false;
    }
    if (several && args->params.count > 0) {
        rh_buffer_add_text(why, "--param goes with one question");
        return false;
    }
    return several || rh_params_check(&args->params, words[1], strlen(words[1]), why);
}

/* What can be read as rows, and what an option is of. */
bool rh_args_check_import(const struct rh_args *args, struct rh_buffer *why)
{
    enum rh_format format = args->format;
    const struct rh_import_args *import = &args->import;
    bool text = format == RH_FORMAT_CSV || format == RH_FORMAT_TSV;
    bool known = text || format == RH_FORMAT_JSON || format == RH_FORMAT_NDJSON || format == RH_FORMAT_ARROW ||
                 format == RH_FORMAT_PARQUET;
    if (import->type_count > 0 && !import->create) {
        rh_buffer_add_text(why, "--type says how a table is created: it goes with --create or --replace");
        return false;
    }
    if (args->command != RH_COMMAND_IMPORT || format == RH_FORMAT_DEFAULT)
        return true;
    if (!known)
        rh_buffer_format(why, "--format %s: rh import reads csv, tsv, json, ndjson, arrow and parquet",
                         rh_format_name(format));
    else if (!text && (import->delimiter_said || import->quote_said || import->header_said || import->skip > 0 ||
                       import->type_count > 0 || import->decimal != '.'))
        rh_buffer_format(
            why, "--format %s has no delimiter, quote, decimal sign, header, types or lines to skip: these are of CSV",
            rh_format_name(format));
    else
        return true;
    return false;
}
