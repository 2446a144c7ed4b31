/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog as ADBC nests it: one catalog without a name, in it the schemas (main, and one for each other source), their tables,
 * columns and constraints. It is what is committed.
 */
#include <stdlib.h>
#include <string.h>

#include "adbc_build.h"

enum { JDBC_NO_NULLS = 0, JDBC_NULLABLE = 1 };

static const struct adbc_field catalog_fields[] = {{"catalog_name", NANOARROW_TYPE_STRING, false},
                                                   {"catalog_db_schemas", NANOARROW_TYPE_LIST, false}};
static const struct adbc_field schema_fields[] = {{"db_schema_name", NANOARROW_TYPE_STRING, false},
                                                  {"db_schema_tables", NANOARROW_TYPE_LIST, false}};
static const struct adbc_field table_fields[] = {{"table_name", NANOARROW_TYPE_STRING, true},
                                                 {"table_type", NANOARROW_TYPE_STRING, true},
                                                 {"table_columns", NANOARROW_TYPE_LIST, false},
                                                 {"table_constraints", NANOARROW_TYPE_LIST, false}};
enum column_field {
    COLUMN_NAME,
    ORDINAL,
    REMARKS,
    DATA_TYPE,
    TYPE_NAME,
    SIZE,
    DIGITS,
    RADIX,
    NULLABLE,
    DEFAULT,
    SQL_TYPE,
    DATETIME_SUB,
    OCTETS,
    IS_NULLABLE,
    SCOPE_CATALOG,
    SCOPE_SCHEMA,
    SCOPE_TABLE,
    AUTOINCREMENT,
    GENERATED,
    COLUMN_FIELDS
};
static const struct adbc_field column_fields[COLUMN_FIELDS] = {
    [COLUMN_NAME] = {"column_name", NANOARROW_TYPE_STRING, true},
    [ORDINAL] = {"ordinal_position", NANOARROW_TYPE_INT32, false},
    [REMARKS] = {"remarks", NANOARROW_TYPE_STRING, false},
    [DATA_TYPE] = {"xdbc_data_type", NANOARROW_TYPE_INT16, false},
    [TYPE_NAME] = {"xdbc_type_name", NANOARROW_TYPE_STRING, false},
    [SIZE] = {"xdbc_column_size", NANOARROW_TYPE_INT32, false},
    [DIGITS] = {"xdbc_decimal_digits", NANOARROW_TYPE_INT16, false},
    [RADIX] = {"xdbc_num_prec_radix", NANOARROW_TYPE_INT16, false},
    [NULLABLE] = {"xdbc_nullable", NANOARROW_TYPE_INT16, false},
    [DEFAULT] = {"xdbc_column_def", NANOARROW_TYPE_STRING, false},
    [SQL_TYPE] = {"xdbc_sql_data_type", NANOARROW_TYPE_INT16, false},
    [DATETIME_SUB] = {"xdbc_datetime_sub", NANOARROW_TYPE_INT16, false},
    [OCTETS] = {"xdbc_char_octet_length", NANOARROW_TYPE_INT32, false},
    [IS_NULLABLE] = {"xdbc_is_nullable", NANOARROW_TYPE_STRING, false},
    [SCOPE_CATALOG] = {"xdbc_scope_catalog", NANOARROW_TYPE_STRING, false},
    [SCOPE_SCHEMA] = {"xdbc_scope_schema", NANOARROW_TYPE_STRING, false},
    [SCOPE_TABLE] = {"xdbc_scope_table", NANOARROW_TYPE_STRING, false},
    [AUTOINCREMENT] = {"xdbc_is_autoincrement", NANOARROW_TYPE_BOOL, false},
    [GENERATED] = {"xdbc_is_generatedcolumn", NANOARROW_TYPE_BOOL, false},
};
static const struct adbc_field constraint_fields[] = {{"constraint_name", NANOARROW_TYPE_STRING, false},
                                                      {"constraint_type", NANOARROW_TYPE_STRING, true},
                                                      {"constraint_column_names", NANOARROW_TYPE_LIST, true},
                                                      {"constraint_column_usage", NANOARROW_TYPE_LIST, false}};
static const struct adbc_field usage_fields[] = {{"fk_catalog", NANOARROW_TYPE_STRING, false},
                                                 {"fk_db_schema", NANOARROW_TYPE_STRING, false},
                                                 {"fk_table", NANOARROW_TYPE_STRING, true},
                                                 {"fk_column_name", NANOARROW_TYPE_STRING, true}};

static void object_type(struct adbc_build *build)
{
    adbc_build_fields(build, &build->schema, catalog_fields, 2);
    if (build->failed)
        return;
    struct ArrowSchema *schema = adbc_build_list(build, build->schema.children[1], schema_fields, 2);
    if (build->failed)
        return;
    struct ArrowSchema *table = adbc_build_list(build, schema->children[1], table_fields, 4);
    if (build->failed)
        return;
    (void)adbc_build_list(build, table->children[2], column_fields, COLUMN_FIELDS);
    struct ArrowSchema *constraint = adbc_build_list(build, table->children[3], constraint_fields, 4);
    if (build->failed)
        return;
    build->failed = ArrowSchemaSetType(constraint->children[2]->children[0], NANOARROW_TYPE_STRING) != NANOARROW_OK;
    (void)adbc_build_list(build, constraint->children[3], usage_fields, 4);
}

/* What is asked for. */
struct objects {
    struct adbc_build build;
    const struct rhei_catalog *catalog;
    int depth;
    const char *schema, *table, **types, *column;
};

/* The number of JDBC's and ODBC's type that a column's usual values have. */
static int16_t xdbc_type(const struct rhei_catalog_column *column)
{
    enum { XDBC_BIGINT = -5, XDBC_DOUBLE = 8, XDBC_VARCHAR = 12, XDBC_VARBINARY = -3 };
    return column->usual_class == RHEI_REAL   ? XDBC_DOUBLE
           : column->usual_class == RHEI_TEXT ? XDBC_VARCHAR
           : column->usual_class == RHEI_BLOB ? XDBC_VARBINARY
                                              : XDBC_BIGINT;
}

static void add_column(struct adbc_build *build, struct ArrowArray *to, const struct rhei_catalog_column *column,
                       int64_t ordinal)
{
    for (size_t i = 0; !build->failed && i < COLUMN_FIELDS; i++) {
        struct ArrowArray *field = to->children[i];
        if (i == COLUMN_NAME)
            adbc_build_text(build, field, column->name);
        else if (i == ORDINAL)
            adbc_build_int(build, field, ordinal);
        else if (i == TYPE_NAME)
            adbc_build_text(build, field, column->declared_type);
        else if (i == DATA_TYPE || i == SQL_TYPE)
            adbc_build_int(build, field, xdbc_type(column));
        else if (i == NULLABLE)
            adbc_build_int(build, field, column->not_null ? JDBC_NO_NULLS : JDBC_NULLABLE);
        else if (i == IS_NULLABLE)
            adbc_build_text(build, field, column->not_null ? "NO" : "YES");
        else if (i == DEFAULT)
            adbc_build_text(build, field, column->default_sql);
        else if (i == GENERATED)
            adbc_build_int(build, field, column->generated);
        else
            adbc_build_null(build, field);
    }
    adbc_build_end(build, to);
}

static void add_columns(struct objects *objects, struct ArrowArray *list, const struct rhei_catalog_table *table)
{
    struct adbc_build *build = &objects->build;
    for (uint32_t c = 0; !build->failed && c < table->column_count; c++)
        if (adbc_matches(objects->column, table->columns[c]->name))
            add_column(build, list->children[0], table->columns[c], (int64_t)c + 1);
    adbc_build_end(build, list);
}

/* ---- Constraints. ------------------------------------------------------------------------------------------------ */

static const char *column_name(const struct rhei_catalog_table *table, int32_t number)
{
    return number >= 0 && (uint32_t)number < table->column_count ? table->columns[number]->name : "";
}

static void add_primary_key(struct adbc_build *build, struct ArrowArray *to, const struct rhei_catalog_table *table)
{
    int32_t keys = 0;
    for (uint32_t c = 0; c < table->column_count; c++)
        keys += table->columns[c]->key_position > 0;
    if (keys == 0 || build->failed)
        return;
    adbc_build_text(build, to->children[0], NULL);
    adbc_build_text(build, to->children[1], "PRIMARY KEY");
    for (int32_t place = 1; place <= keys; place++)
        for (uint32_t c = 0; c < table->column_count; c++)
            if (table->columns[c]->key_position == place)
                adbc_build_text(build, to->children[2]->children[0], table->columns[c]->name);
    adbc_build_end(build, to->children[2]);
    adbc_build_null(build, to->children[3]);
    adbc_build_end(build, to);
}

/* Of the UNIQUE constraints; a unique index that was made by CREATE INDEX is none. */
static void add_unique(struct adbc_build *build, struct ArrowArray *to, const struct rhei_catalog_table *table,
                       const struct rhei_catalog_index *index)
{
    if (build->failed || !index->unique || index->primary_key || index->sql != NULL)
        return;
    adbc_build_text(build, to->children[0], index->name);
    adbc_build_text(build, to->children[1], "UNIQUE");
    for (uint32_t c = 0; c < index->column_count; c++)
        adbc_build_text(build, to->children[2]->children[0], column_name(table, index->columns[c]));
    adbc_build_end(build, to->children[2]);
    adbc_build_null(build, to->children[3]);
    adbc_build_end(build, to);
}

/* Column `place` of the parent's primary key, where the key names none. */
static const char *parent_key(const struct rhei_catalog *catalog, const char *parent, uint32_t place)
{
    for (uint32_t t = 0; t < catalog->table_count; t++)
        for (uint32_t c = 0; strcasecmp(catalog->tables[t]->name, parent) == 0 && c < catalog->tables[t]->column_count;
             c++)
            if (catalog->tables[t]->columns[c]->key_position == (int32_t)place + 1)
                return catalog->tables[t]->columns[c]->name;
    return "";
}

static void add_foreign_key(struct objects *objects, struct ArrowArray *to, const struct rhei_catalog_table *table,
                            const struct rhei_catalog_foreign_key *key)
{
    struct adbc_build *build = &objects->build;
    if (build->failed)
        return;
    struct ArrowArray *usage = to->children[3]->children[0];
    adbc_build_text(build, to->children[0], NULL);
    adbc_build_text(build, to->children[1], "FOREIGN KEY");
    for (uint32_t c = 0; c < key->column_count; c++)
        adbc_build_text(build, to->children[2]->children[0], column_name(table, key->columns[c]));
    adbc_build_end(build, to->children[2]);
    for (uint32_t c = 0; c < key->column_count; c++) {
        const char *parent = key->parent_columns[c];
        adbc_build_text(build, usage->children[0], "");
        adbc_build_text(build, usage->children[1], table->schema);
        adbc_build_text(build, usage->children[2], key->parent);
        adbc_build_text(build, usage->children[3],
                        parent != NULL ? parent : parent_key(objects->catalog, key->parent, c));
        adbc_build_end(build, usage);
    }
    adbc_build_end(build, to->children[3]);
    adbc_build_end(build, to);
}

static void add_constraints(struct objects *objects, struct ArrowArray *list, const struct rhei_catalog_table *table)
{
    add_primary_key(&objects->build, list->children[0], table);
    for (uint32_t i = 0; i < table->index_count; i++)
        add_unique(&objects->build, list->children[0], table, table->indexes[i]);
    for (uint32_t i = 0; i < table->foreign_key_count; i++)
        add_foreign_key(objects, list->children[0], table, table->foreign_keys[i]);
    adbc_build_end(&objects->build, list);
}

/* ---- Tables, schemas, the catalog. ------------------------------------------------------------------------------- */

static bool is_wanted(const struct objects *objects, const struct rhei_catalog_table *table)
{
    bool type = objects->types == NULL;
    for (size_t i = 0; !type && objects->types[i] != NULL; i++)
        type = strcmp(objects->types[i], adbc_table_type(table)) == 0;
    return type && adbc_matches(objects->table, table->name);
}

static void add_table(struct objects *objects, struct ArrowArray *to, const struct rhei_catalog_table *table)
{
    struct adbc_build *build = &objects->build;
    if (build->failed)
        return;
    adbc_build_text(build, to->children[0], table->name);
    adbc_build_text(build, to->children[1], adbc_table_type(table));
    if (objects->depth == ADBC_OBJECT_DEPTH_ALL) {
        add_columns(objects, to->children[2], table);
        add_constraints(objects, to->children[3], table);
    } else {
        adbc_build_null(build, to->children[2]);
        adbc_build_null(build, to->children[3]);
    }
    adbc_build_end(build, to);
}

static void add_schema(struct objects *objects, struct ArrowArray *to, const char *name)
{
    struct adbc_build *build = &objects->build;
    if (build->failed || !adbc_matches(objects->schema, name))
        return;
    adbc_build_text(build, to->children[0], name);
    if (objects->depth == ADBC_OBJECT_DEPTH_DB_SCHEMAS) {
        adbc_build_null(build, to->children[1]);
    } else {
        for (uint32_t t = 0; t < objects->catalog->table_count; t++) {
            const struct rhei_catalog_table *table = objects->catalog->tables[t];
            if (strcmp(table->schema, name) == 0 && is_wanted(objects, table))
                add_table(objects, to->children[1]->children[0], table);
        }
        adbc_build_end(build, to->children[1]);
    }
    adbc_build_end(build, to);
}

static void add_catalog(struct objects *objects)
{
    struct adbc_build *build = &objects->build;
    struct ArrowArray *schemas = build->failed ? NULL : build->array.children[1];
    if (build->failed)
        return;
    adbc_build_text(build, build->array.children[0], "");
    if (objects->depth == ADBC_OBJECT_DEPTH_CATALOGS) {
        adbc_build_null(build, schemas);
    } else {
        const char *last = "main";
        add_schema(objects, schemas->children[0], last);
        for (uint32_t t = 0; t < objects->catalog->table_count; t++) /* those of a schema stand together */
            if (strcmp(objects->catalog->tables[t]->schema, last) != 0) {
                last = objects->catalog->tables[t]->schema;
                add_schema(objects, schemas->children[0], last);
            }
        adbc_build_end(build, schemas);
    }
    adbc_build_end(build, &build->array);
}

AdbcStatusCode adbc_get_objects(struct AdbcConnection *from, int depth, const char *catalog, const char *schema,
                                const char *table, const char **types, const char *column, struct ArrowArrayStream *out,
                                struct AdbcError *error)
{
    struct adbc_connection *connection = NULL;
    struct rhei_error failure = RHEI_ERROR_INIT;
    struct rhei_catalog *read = NULL;
    AdbcStatusCode code = adbc_connection_of(from, &connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    if (depth < ADBC_OBJECT_DEPTH_ALL || depth > ADBC_OBJECT_DEPTH_TABLES)
        return adbc_fail(error, ADBC_STATUS_INVALID_ARGUMENT, "%d is no depth of ADBC", depth);
    struct adbc_run *run = adbc_run_new(connection, NULL, error);
    if (run == NULL)
        return ADBC_STATUS_INTERNAL;
    struct rhei_call_options how = {.struct_size = sizeof how, .cancel = run->cancel};
    if (depth != ADBC_OBJECT_DEPTH_CATALOGS &&
        rhei_catalog_read(connection->handle->db, NULL, &how, &read, &failure) != RHEI_OK)
        code = adbc_fail_with(error, &failure);
    struct objects objects = {
        .catalog = read, .depth = depth, .schema = schema, .table = table, .types = types, .column = column};
    object_type(&objects.build);
    adbc_build_start(&objects.build);
    if (code == ADBC_STATUS_OK && adbc_matches(catalog, ""))
        add_catalog(&objects);
    rhei_catalog_free(&read);
    adbc_run_free(run);
    return adbc_build_give(&objects.build, code, out, error);
}
