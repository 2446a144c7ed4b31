/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debezium's envelope. A column of SQLite holds values of any class, and a field of a Connect schema one type, so a line's schema is of the line's
 * values: INTEGER int64, REAL double, TEXT string, a BLOB bytes. NULL has the type that the column's declared type prefers, so that the
 * schema of a table whose values are of their declared types stays the same from line to line.
 */
#include "rh_debezium.h"

#include "rh_text.h"
#include "rh_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct rh_debezium_table {
    uint32_t number, column_count;
    int32_t *classes; /* [column_count] of a NULL there */
};

/* ---- Types. ------------------------------------------------------------------------------------------------------ */

static bool has_word(const char *type, const char *word)
{
    for (size_t length = strlen(word); *type != '\0'; type++)
        if (strlen(type) >= length && rh_same_name(type, length, word, length))
            return true;
    return false;
}

/* By SQLite's rules of affinity (https://www.sqlite.org/datatype3.html#determination_of_column_affinity). */
static int32_t preferred_class(const char *type)
{
    if (has_word(type, "INT"))
        return RHEI_INTEGER;
    if (has_word(type, "CHAR") || has_word(type, "CLOB") || has_word(type, "TEXT"))
        return RHEI_TEXT;
    if (has_word(type, "BLOB"))
        return RHEI_BLOB;
    return type[0] == '\0' || rh_same_name(type, strlen(type), "ANY", 3) ? RHEI_TEXT : RHEI_REAL;
}

static struct rh_debezium_table *find_table(const struct rh_debezium *debezium, uint32_t number)
{
    for (size_t t = 0; t < debezium->table_count; t++)
        if (debezium->tables[t].number == number)
            return &debezium->tables[t];
    return NULL;
}

static struct rh_debezium_table *new_table(struct rh_debezium *debezium, const struct rhei_change *change)
{
    size_t size = (debezium->table_count + 1) * sizeof *debezium->tables;
    debezium->tables = rh_reallocate(debezium->tables, size);
    struct rh_debezium_table *table = &debezium->tables[debezium->table_count++];
    *table = (struct rh_debezium_table){.number = change->table_number,
                                        .column_count = change->column_count,
                                        .classes = rh_allocate((change->column_count + 1) * sizeof(int32_t))};
    for (uint32_t c = 0; c < change->column_count; c++)
        table->classes[c] = RHEI_TEXT;
    return table;
}

void rh_debezium_learn(struct rh_debezium *debezium, rhei_db *db, const struct rhei_change *change)
{
    if (change->kind != RHEI_CHANGE_TABLE || !debezium->schemas || find_table(debezium, change->table_number) != NULL)
        return;
    struct rh_debezium_table *table = new_table(debezium, change);
    rhei_rows *rows = NULL;
    if (rhei_query(db, "SELECT name, type FROM pragma_table_xinfo(?)", RHEI_PARAMS(rhei_text(change->table)), NULL,
                   &rows, NULL) != RHEI_OK)
        return;
    while (rhei_rows_next(rows, NULL) == RHEI_ROW) {
        const char *name = rhei_rows_text(rows, 0), *type = rhei_rows_text(rows, 1);
        for (uint32_t c = 0; c < change->column_count; c++)
            if (strcmp(change->columns[c], name) == 0)
                table->classes[c] = preferred_class(type == NULL ? "" : type);
    }
    rhei_rows_close(&rows);
}

void rh_debezium_reset(struct rh_debezium *debezium)
{
    for (size_t t = 0; t < debezium->table_count; t++)
        free(debezium->tables[t].classes);
    free(debezium->tables);
    *debezium = (struct rh_debezium){0};
}

/* ---- Rows without a schema. -------------------------------------------------------------------------------------- */

bool rh_change_key_has(const struct rhei_change *change, uint32_t column)
{
    for (uint32_t k = 0; k < change->key_count; k++)
        if (change->key_columns[k] == column)
            return true;
    return false;
}

static void add_name(struct rh_buffer *out, const char *name)
{
    rh_add_json_text(out, name, strlen(name));
}

void rh_add_change_row(struct rh_buffer *out, const struct rhei_change *change, const struct rhei_value *values,
                       bool key_only)
{
    const char *before = "{";
    for (uint32_t c = 0; c < change->column_count; c++) {
        if (key_only && !rh_change_key_has(change, c))
            continue;
        rh_buffer_add_text(out, before);
        add_name(out, change->columns[c]);
        rh_buffer_add_char(out, ':');
        rh_add_json_value(out, &values[c]);
        before = ",";
    }
    rh_buffer_add_text(out, before[0] == '{' ? "{}" : "}");
}

/* ---- Rows with one. ---------------------------------------------------------------------------------------------- */

/* One row of an envelope, or a key: which columns of which values are there. */
struct row {
    const struct rhei_value *values; /* NULL: no row */
    bool key_only;                   /* nothing is known of the other columns: they are NULL */
    bool key_alone;                  /* the other columns aren't even named */
};

static void add_column(const struct rh_debezium_table *table, struct rh_buffer *out, const struct rhei_change *change,
                       const struct row *row, uint32_t column)
{
    static const char *const names[] = {
        [RHEI_INTEGER] = "int64", [RHEI_REAL] = "double", [RHEI_TEXT] = "string", [RHEI_BLOB] = "bytes"};
    bool known = row->values != NULL && !(row->key_only && !rh_change_key_has(change, column));
    int32_t class = known ? row->values[column].type : RHEI_NULL;
    bool null = class == RHEI_NULL;
    if (null)
        class = table != NULL && column < table->column_count ? table->classes[column] : RHEI_TEXT;
    rh_buffer_format(out, "{\"type\":\"%s\",\"optional\":%s,\"field\":", names[class],
                     null || !row->key_alone ? "true" : "false");
    add_name(out, change->columns[column]);
    rh_buffer_add_char(out, '}');
}

static void add_struct_name(struct rh_buffer *out, const struct rhei_change *change, const char *what)
{
    struct rh_buffer name = {0};
    rh_buffer_format(&name, "rhei.%s.%s", change->table, what);
    rh_buffer_add_text(out, ",\"name\":");
    rh_add_json_text(out, name.bytes, name.length);
    rh_buffer_free(&name);
}

static void add_row_schema(const struct rh_debezium_table *table, struct rh_buffer *out,
                           const struct rhei_change *change, const struct row *row, const char *field)
{
    const char *before = "";
    rh_buffer_add_text(out, "{\"type\":\"struct\",\"fields\":[");
    for (uint32_t c = 0; c < change->column_count; c++) {
        if (row->key_alone && !rh_change_key_has(change, c))
            continue;
        rh_buffer_add_text(out, before);
        add_column(table, out, change, row, c);
        before = ",";
    }
    rh_buffer_format(out, "],\"optional\":%s", row->key_alone ? "false" : "true");
    add_struct_name(out, change, row->key_alone ? "Key" : "Value");
    if (field != NULL)
        rh_buffer_format(out, ",\"field\":\"%s\"", field);
    rh_buffer_add_char(out, '}');
}

static void add_row_payload(struct rh_buffer *out, const struct rhei_change *change, const struct row *row)
{
    const char *before = "{";
    for (uint32_t c = 0; row->values != NULL && c < change->column_count; c++) {
        bool key = rh_change_key_has(change, c);
        if (row->key_alone && !key)
            continue;
        rh_buffer_add_text(out, before);
        add_name(out, change->columns[c]);
        rh_buffer_add_char(out, ':');
        if (row->key_only && !key) {
            rh_buffer_add_text(out, "null");
        } else if (row->values[c].type == RHEI_BLOB) { /* of bytes the converter expects nothing but base64 */
            rh_buffer_add_char(out, '"');
            rh_add_base64(out, row->values[c].as.bytes, row->values[c].length);
            rh_buffer_add_char(out, '"');
        } else {
            rh_add_json_value(out, &row->values[c]);
        }
        before = ",";
    }
    rh_buffer_add_text(out, row->values == NULL ? "null" : before[0] == '{' ? "{}" : "}");
}

/* ---- The envelope. ----------------------------------------------------------------------------------------------- */

/* What follows before and after, in the order of add_rest(). */
static const char rest_schema[] =
    ",{\"type\":\"struct\",\"fields\":["
    "{\"type\":\"string\",\"optional\":false,\"field\":\"version\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"connector\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"name\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"ts_ms\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"snapshot\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"db\"},"
    "{\"type\":\"string\",\"optional\":true,\"field\":\"sequence\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"table\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"position\"}"
    "],\"optional\":false,\"name\":\"io.debezium.connector.rhei.Source\",\"field\":\"source\"},"
    "{\"type\":\"string\",\"optional\":false,\"field\":\"op\"},"
    "{\"type\":\"int64\",\"optional\":true,\"field\":\"ts_ms\"},"
    "{\"type\":\"struct\",\"fields\":["
    "{\"type\":\"string\",\"optional\":false,\"field\":\"id\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"total_order\"},"
    "{\"type\":\"int64\",\"optional\":false,\"field\":\"data_collection_order\"}"
    "],\"optional\":true,\"name\":\"event.block\",\"version\":1,\"field\":\"transaction\"}"
    "],\"optional\":false,\"version\":2";

static void add_rest(const struct rh_debezium *debezium, struct rh_buffer *out, const struct rhei_change *change)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    int64_t now = (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
    rh_buffer_format(out,
                     ",\"source\":{\"version\":\"%s\",\"connector\":\"rhei\",\"name\":\"rhei\",\"ts_ms\":%" PRId64
                     ",\"snapshot\":\"false\",\"db\":",
                     rhei_version(), change->time_us / 1000);
    add_name(out, debezium->database);
    rh_buffer_format(out, ",\"sequence\":\"[\\\"%" PRId64 "\\\"]\",\"table\":", change->position);
    add_name(out, change->table);
    rh_buffer_format(out, ",\"position\":%" PRId64 "},\"op\":\"%s\",\"ts_ms\":%" PRId64 ",\"transaction\":null}",
                     change->position,
                     change->kind == RHEI_CHANGE_DELETE   ? "d"
                     : change->kind == RHEI_CHANGE_INSERT ? "c"
                                                          : "u",
                     now);
}

static void add_with_schemas(const struct rh_debezium *debezium, struct rh_buffer *out,
                             const struct rhei_change *change, const struct row *before, const struct row *after)
{
    const struct rh_debezium_table *table = find_table(debezium, change->table_number);
    const struct row key = {change->values, true, true};
    rh_buffer_add_text(out, "{\"schema\":");
    add_row_schema(table, out, change, &key, NULL);
    rh_buffer_add_text(out, ",\"payload\":");
    add_row_payload(out, change, &key);
    rh_buffer_add_text(out, "}\t{\"schema\":{\"type\":\"struct\",\"fields\":[");
    add_row_schema(table, out, change, before, "before");
    rh_buffer_add_char(out, ',');
    add_row_schema(table, out, change, after, "after");
    rh_buffer_add_text(out, rest_schema);
    add_struct_name(out, change, "Envelope");
    rh_buffer_add_text(out, "},\"payload\":{\"before\":");
    add_row_payload(out, change, before);
    rh_buffer_add_text(out, ",\"after\":");
    add_row_payload(out, change, after);
    add_rest(debezium, out, change);
    rh_buffer_add_text(out, "}\n");
}

static void add_plain_row(struct rh_buffer *out, const struct rhei_change *change, const struct row *row)
{
    if (row->values == NULL)
        rh_buffer_add_text(out, "null");
    else
        rh_add_change_row(out, change, row->values, row->key_only);
}

void rh_debezium_add(struct rh_debezium *debezium, struct rh_buffer *out, const struct rhei_change *change)
{
    if (change->values == NULL)
        return;
    bool gone = change->kind == RHEI_CHANGE_DELETE;
    struct row before = {change->before, false, false}, after = {gone ? NULL : change->values, false, false};
    if (before.values == NULL && gone)
        before = (struct row){change->values, true, false};
    if (debezium->schemas) {
        add_with_schemas(debezium, out, change, &before, &after);
        return;
    }
    rh_buffer_add_text(out, "{\"before\":");
    add_plain_row(out, change, &before);
    rh_buffer_add_text(out, ",\"after\":");
    add_plain_row(out, change, &after);
    add_rest(debezium, out, change);
    rh_buffer_add_char(out, '\n');
}
