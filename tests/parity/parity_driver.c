/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rhei behind a line protocol, so that a runner in another language can compare its answers with recorded ones. One JSON
 * object a line on standard input, one on standard output:
 *
 *   {"op":"open"}                  a fresh empty database            -> {"ok":true}
 *   {"op":"exec","sql":"..."}      a set-up statement                -> {"ok":true} or {"error":"..."}
 *   {"op":"sync"}                  the column store is brought up    -> {"ok":true}
 *   {"op":"query","sql":"..."}     -> {"cols":[..],"rows":[[..]],"engine":"olap"|"oltp","rule":".."} or {"error":".."}
 *
 * Values: null, integer, string, {"r":"repr of a double"}, {"b":"hex"}. The column store is preferred whatever the cost;
 * --route oltp|olap|auto and --file PATH (instead of a database in memory) change what is asked; with --mirror-only the op sync also
 * moves every table (but those that a view names) into a source whose rows are in the column store alone.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rhei/rhei.h"
#include "support/shown_tables.h"

static int32_t route = RHEI_ROUTE_AUTO;
static const char *file = ":memory:";
static bool mirror_only;
static FILE *sink; /* standard output, or memory while rows may still fail */

/* ---- JSON in: an object of strings is all there is. --------------------------------------------------------------- */

static unsigned hex4(const char *at)
{
    char digits[5] = {0};
    memcpy(digits, at, 4);
    return (unsigned)strtoul(digits, NULL, 16);
}

static char *put_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xC0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xE0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xF0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

/* Decodes the string that starts behind the quote at `at`, in place; NULL-terminated. */
static char *decode_string(char *at)
{
    char *out = at, *start = at;
    while (*at != '\0' && *at != '"') {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        at++;
        static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
        const char *known = *at != '\0' ? strchr(from, *at) : NULL;
        if (*at == 'u') {
            unsigned code = hex4(at + 1);
            at += 5;
            if (code >= 0xD800 && code < 0xDC00 && at[0] == '\\' && at[1] == 'u') {
                code = 0x10000 + ((code - 0xD800) << 10) + (hex4(at + 2) - 0xDC00);
                at += 6;
            }
            out = put_utf8(out, code);
        } else {
            *out++ = known != NULL ? to[known - from] : *at;
            at++;
        }
    }
    *out = '\0';
    return start;
}

/* The value of a key; the line is not changed before it is decoded, so look the last key up last. */
static char *find_member(char *line, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    char *at = strstr(line, quoted);
    if (at == NULL)
        return NULL;
    at += strlen(quoted);
    while (*at == ' ' || *at == ':')
        at++;
    return *at == '"' ? at + 1 : NULL;
}

/* ---- JSON out. ---------------------------------------------------------------------------------------------------- */

static void put_string(const char *text, size_t len)
{
    fputc('"', sink);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(sink, "\\%c", c);
        else if (c < 0x20)
            fprintf(sink, "\\u%04x", c);
        else
            fputc(c, sink);
    }
    fputc('"', sink);
}

/* The shortest text that reads back as the same double. */
static void put_real(double value)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fprintf(sink, "{\"r\":\"%s\"}", text);
}

static void put_value(const struct rhei_value *value)
{
    switch (value->type) {
    case RHEI_INTEGER:
        fprintf(sink, "%" PRId64, value->as.integer);
        break;
    case RHEI_REAL:
        put_real(value->as.real);
        break;
    case RHEI_TEXT:
        put_string(value->as.bytes, value->length);
        break;
    case RHEI_BLOB:
        fputs("{\"b\":\"", sink);
        for (uint32_t i = 0; i < value->length; i++)
            fprintf(sink, "%02x", ((const unsigned char *)value->as.bytes)[i]);
        fputs("\"}", sink);
        break;
    default:
        fputs("null", sink);
    }
}

static void put_error(const struct rhei_error *error)
{
    fputs("{\"error\":", sink);
    put_string(error->message, strlen(error->message));
    fputs("}\n", sink);
}

static void answer(rhei_status status, const struct rhei_error *error)
{
    if (status == RHEI_OK)
        fputs("{\"ok\":true}\n", sink);
    else
        put_error(error);
}

/* ---- The operations. ---------------------------------------------------------------------------------------------- */

static void do_open(rhei_db **db)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .prefer_olap = true, .threads = 2};
    rhei_close(db);
    if (strcmp(file, ":memory:") != 0)
        remove(file);
    answer(rhei_open(file, &config, db, &error), &error);
}

static void do_sync(rhei_db *db)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = rhei_initial_sync(db, 60000, &error);
    if (status == RHEI_OK)
        status = rhei_sync_now(db, NULL, &error);
    uint32_t moved = 0;
    if (status == RHEI_OK && mirror_only)
        status = shown_move_tables(db, &moved, &error);
    if (status != RHEI_OK)
        fprintf(stderr, "sync: %s\n", error.message);
    answer(status, &error);
}

/* Rows are printed as they come into memory first: an error after the first row must not leave half an answer. */
static rhei_status print_rows(rhei_rows *rows, FILE *out, struct rhei_error *error)
{
    sink = out;
    fputs("{\"cols\":[", sink);
    for (uint32_t c = 0; c < rhei_rows_column_count(rows); c++) {
        const char *name = rhei_rows_column_name(rows, c);
        fputs(c > 0 ? "," : "", sink);
        put_string(name, strlen(name));
    }
    fputs("],\"rows\":[", sink);
    rhei_status status;
    for (int64_t n = 0; (status = rhei_rows_next(rows, error)) == RHEI_ROW; n++) {
        fputs(n > 0 ? ",[" : "[", sink);
        for (uint32_t c = 0; c < rhei_rows_column_count(rows); c++) {
            struct rhei_value value = rhei_rows_value(rows, c);
            fputs(c > 0 ? "," : "", sink);
            put_value(&value);
        }
        fputc(']', sink);
    }
    fprintf(sink, "],\"engine\":\"%s\",\"rule\":\"%s\"}\n", rhei_rows_route(rows), rhei_rows_rule(rows));
    sink = stdout;
    return status == RHEI_DONE ? RHEI_OK : status;
}

static void do_query(rhei_db *db, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
    rhei_rows *rows = NULL;
    rhei_status status = rhei_query(db, sql, NULL, &options, &rows, &error);
    char *text = NULL;
    size_t size = 0;
    if (status == RHEI_OK) {
        FILE *memory = open_memstream(&text, &size);
        if (memory == NULL)
            exit(1);
        status = print_rows(rows, memory, &error);
        fclose(memory);
    }
    rhei_rows_close(&rows);
    if (status == RHEI_OK)
        fwrite(text, 1, size, sink);
    else
        put_error(&error);
    free(text);
}

static void do_line(rhei_db **db, char *line)
{
    char *op = find_member(line, "op"), *sql = find_member(line, "sql");
    struct rhei_error error = RHEI_ERROR_INIT;
    if (sql != NULL)
        sql = decode_string(sql);
    if (op == NULL)
        fputs("{\"error\":\"no op\"}\n", sink);
    else if (strncmp(op, "open\"", 5) == 0)
        do_open(db);
    else if (*db == NULL)
        fputs("{\"error\":\"nothing is open\"}\n", sink);
    else if (strncmp(op, "sync\"", 5) == 0)
        do_sync(*db);
    else if (sql == NULL)
        fputs("{\"error\":\"no sql\"}\n", sink);
    else if (strncmp(op, "exec\"", 5) == 0)
        answer(rhei_execute_script(*db, sql, NULL, &error), &error);
    else
        do_query(*db, sql);
    fflush(sink);
}

int main(int count, char **values)
{
    sink = stdout;
    for (int i = 1; i < count; i += 2) {
        if (strcmp(values[i], "--mirror-only") == 0) {
            mirror_only = true;
            i--;
            continue;
        }
        if (i + 1 == count)
            break;
        if (strcmp(values[i], "--route") == 0)
            route = strcmp(values[i + 1], "oltp") == 0   ? RHEI_ROUTE_OLTP
                    : strcmp(values[i + 1], "olap") == 0 ? RHEI_ROUTE_OLAP
                                                         : RHEI_ROUTE_AUTO;
        else if (strcmp(values[i], "--file") == 0)
            file = values[i + 1];
    }
    rhei_db *db = NULL;
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0)
        do_line(&db, line);
    free(line);
    rhei_close(&db);
    return 0;
}
