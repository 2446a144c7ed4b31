/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of tables. Those that are allowed to be approximate are the column store's own count of rows, where it has the table, and cost
 * nothing; exact ones are asked for: rows, and of each column the values that are NULL and that differ.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adbc_build.h"

enum { VALUE_INT64 = 0 };

static void statistics_type(struct adbc_build *build)
{
    static const struct adbc_field catalogs[] = {{"catalog_name", NANOARROW_TYPE_STRING, false},
                                                 {"catalog_db_schemas", NANOARROW_TYPE_LIST, true}};
    static const struct adbc_field schemas[] = {{"db_schema_name", NANOARROW_TYPE_STRING, false},
                                                {"db_schema_statistics", NANOARROW_TYPE_LIST, true}};
    static const struct adbc_field statistics[] = {{"table_name", NANOARROW_TYPE_STRING, true},
                                                   {"column_name", NANOARROW_TYPE_STRING, false},
                                                   {"statistic_key", NANOARROW_TYPE_INT16, true},
                                                   {"statistic_value", NANOARROW_TYPE_DENSE_UNION, true},
                                                   {"statistic_is_approximate", NANOARROW_TYPE_BOOL, true}};
    static const struct adbc_field values[] = {{"int64", NANOARROW_TYPE_INT64, false},
                                               {"uint64", NANOARROW_TYPE_UINT64, false},
                                               {"float64", NANOARROW_TYPE_DOUBLE, false},
                                               {"binary", NANOARROW_TYPE_BINARY, false}};
    adbc_build_fields(build, &build->schema, catalogs, 2);
    if (build->failed)
        return;
    struct ArrowSchema *schema = adbc_build_list(build, build->schema.children[1], schemas, 2);
    if (build->failed)
        return;
    struct ArrowSchema *statistic = adbc_build_list(build, schema->children[1], statistics, 5);
    if (!build->failed)
        adbc_build_union(build, statistic->children[3], values, 4);
}

struct statistics {
    struct adbc_build build;
    rhei_db *db;
    rhei_cancel *cancel;
    bool approximate;
    const char *schema, *table;
    const struct rhei_catalog *catalog;
    struct rhei_table_status **states; /* NULL: no column store */
    size_t state_count;
    struct rhei_error failure;
};

static void add(struct statistics *statistics, struct ArrowArray *to, const char *table, const char *column,
                int16_t key, int64_t value, bool approximate)
{
    struct adbc_build *build = &statistics->build;
    if (build->failed)
        return;
    adbc_build_text(build, to->children[0], table);
    adbc_build_text(build, to->children[1], column);
    adbc_build_int(build, to->children[2], key);
    adbc_build_int(build, to->children[3]->children[VALUE_INT64], value);
    adbc_build_member(build, to->children[3], VALUE_INT64);
    adbc_build_int(build, to->children[4], approximate);
    adbc_build_end(build, to);
}

/* The rows that the column store has of a table; below 0: it hasn't got it. */
static int64_t rows_known(const struct statistics *statistics, const struct rhei_catalog_table *table)
{
    for (size_t i = 0; i < statistics->state_count; i++)
        if (strcmp(statistics->states[i]->name, table->name) == 0 && strcmp(table->schema, "main") == 0 &&
            statistics->states[i]->state == RHEI_TABLE_READY)
            return (int64_t)statistics->states[i]->rows;
    return -1;
}

static void put_name(FILE *out, const char *name)
{
    (void)fputc('"', out);
    for (; *name != '\0'; name++)
        (void)fprintf(out, *name == '"' ? "\"\"" : "%c", *name);
    (void)fputc('"', out);
}

/* SELECT count(*), count("a"), count(DISTINCT "a") ... FROM "schema"."table"; or NULL. */
static char *count_all(const struct rhei_catalog_table *table, bool columns)
{
    char *sql = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&sql, &size);
    if (out == NULL)
        return NULL;
    (void)fputs("SELECT count(*)", out);
    for (uint32_t c = 0; columns && c < table->column_count; c++) {
        (void)fputs(", count(", out);
        put_name(out, table->columns[c]->name);
        (void)fputs("), count(DISTINCT ", out);
        put_name(out, table->columns[c]->name);
        (void)fputc(')', out);
    }
    (void)fputs(" FROM ", out);
    put_name(out, table->schema);
    (void)fputc('.', out);
    put_name(out, table->name);
    if (fclose(out) != 0) {
        free(sql);
        return NULL;
    }
    return sql;
}

static rhei_status count(struct statistics *statistics, struct ArrowArray *to, const struct rhei_catalog_table *table)
{
    struct rhei_query_options how = {.struct_size = sizeof how, .cancel = statistics->cancel};
    rhei_rows *rows = NULL;
    bool columns = !statistics->approximate;
    char *sql = count_all(table, columns);
    if (sql == NULL)
        return statistics->build.failed = true, RHEI_OK;
    rhei_status status = rhei_query(statistics->db, sql, NULL, &how, &rows, &statistics->failure);
    if (status == RHEI_OK)
        status = rhei_rows_next(rows, &statistics->failure);
    if (status == RHEI_ROW) {
        int64_t total = rhei_rows_int64(rows, 0);
        add(statistics, to, table->name, NULL, ADBC_STATISTIC_ROW_COUNT_KEY, total, false);
        for (uint32_t c = 0; columns && c < table->column_count; c++) {
            const char *name = table->columns[c]->name;
            add(statistics, to, table->name, name, ADBC_STATISTIC_NULL_COUNT_KEY,
                total - rhei_rows_int64(rows, 2 * c + 1), false);
            add(statistics, to, table->name, name, ADBC_STATISTIC_DISTINCT_COUNT_KEY, rhei_rows_int64(rows, 2 * c + 2),
                false);
        }
        status = RHEI_OK;
    }
    rhei_rows_close(&rows);
    free(sql);
    return status;
}

static rhei_status add_table(struct statistics *statistics, struct ArrowArray *to,
                             const struct rhei_catalog_table *table)
{
    int64_t known = statistics->approximate ? rows_known(statistics, table) : -1;
    if (known < 0)
        return count(statistics, to, table);
    add(statistics, to, table->name, NULL, ADBC_STATISTIC_ROW_COUNT_KEY, known, true);
    return RHEI_OK;
}

static bool is_wanted(const struct statistics *statistics, const struct rhei_catalog_table *table)
{
    return (table->kind == RHEI_KIND_TABLE || table->kind == RHEI_KIND_SOURCE) &&
           adbc_matches(statistics->schema, table->schema) && adbc_matches(statistics->table, table->name);
}

static rhei_status add_schemas(struct statistics *statistics)
{
    struct adbc_build *build = &statistics->build;
    struct ArrowArray *schemas = build->array.children[1], *schema = schemas->children[0], *list = schema->children[1];
    const struct rhei_catalog *catalog = statistics->catalog;
    rhei_status status = RHEI_OK;
    uint32_t t = 0;
    while (status == RHEI_OK && t < catalog->table_count) {
        const char *name = catalog->tables[t]->schema;
        bool any = false;
        for (; status == RHEI_OK && t < catalog->table_count && strcmp(catalog->tables[t]->schema, name) == 0; t++)
            if (is_wanted(statistics, catalog->tables[t])) {
                any = true;
                status = add_table(statistics, list->children[0], catalog->tables[t]);
            }
        if (!any || build->failed)
            continue;
        adbc_build_text(build, schema->children[0], name);
        adbc_build_end(build, list);
        adbc_build_end(build, schema);
    }
    adbc_build_text(build, build->array.children[0], "");
    adbc_build_end(build, schemas);
    adbc_build_end(build, &build->array);
    return status;
}

AdbcStatusCode adbc_get_statistics(struct AdbcConnection *from, const char *catalog, const char *schema,
                                   const char *table, char approximate, struct ArrowArrayStream *out,
                                   struct AdbcError *error)
{
    struct adbc_connection *connection = NULL;
    struct rhei_catalog *read = NULL;
    AdbcStatusCode code = adbc_connection_of(from, &connection, error);
    struct adbc_run *run = code == ADBC_STATUS_OK ? adbc_run_new(connection, NULL, error) : NULL;
    if (run == NULL)
        return code == ADBC_STATUS_OK ? ADBC_STATUS_INTERNAL : code;
    struct statistics statistics = {.db = connection->handle->db,
                                    .cancel = run->cancel,
                                    .approximate = approximate != 0,
                                    .schema = schema,
                                    .table = table,
                                    .failure = RHEI_ERROR_INIT};
    struct rhei_call_options how = {.struct_size = sizeof how, .cancel = run->cancel};
    statistics_type(&statistics.build);
    adbc_build_start(&statistics.build);
    rhei_status status = rhei_catalog_read(statistics.db, NULL, &how, &read, &statistics.failure);
    statistics.catalog = read;
    if (status == RHEI_OK && statistics.approximate)
        (void)rhei_table_list(statistics.db, &statistics.states, &statistics.state_count, NULL);
    if (status == RHEI_OK && !statistics.build.failed && adbc_matches(catalog, ""))
        status = add_schemas(&statistics);
    if (status != RHEI_OK)
        code = adbc_fail_with(error, &statistics.failure);
    rhei_free(statistics.states);
    rhei_catalog_free(&read);
    adbc_run_free(run);
    return adbc_build_give(&statistics.build, code, out, error);
}
