/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in the database, in the forms that Flight SQL prescribes. There are no catalogs: the one that is told has the empty name, which tools take
 * for "without". Schemas are main and the sources.
 */
#include <stdio.h>
#include <string.h>

#include "arrow/arrow_metadata.h"
#include "arrow/arrow_usual.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "flight_internal.h"

static const char no_catalog[] = "";

/* ---- Filters ------------------------------------------------------------------------------------------------------ */

/* LIKE of SQL with \ as its escape, without ASCII case. */
static bool like(const char *pattern, const char *text)
{
    for (; *pattern != '\0'; pattern++, text++) {
        if (*pattern == '%') {
            while (*pattern == '%')
                pattern++;
            for (; *text != '\0'; text++)
                if (like(pattern, text))
                    return true;
            return *pattern == '\0';
        }
        if (*text == '\0')
            return false;
        if (*pattern == '_') {
            while ((text[1] & 0xc0) == 0x80) /* a character of several bytes is one */
                text++;
            continue;
        }
        if (*pattern == '\\' && pattern[1] != '\0')
            pattern++;
        if (!base_fold_equal(pattern, 1, text, 1))
            return false;
    }
    return *text == '\0';
}

/* A filter that is left out lets all pass. */
static bool passes(struct flight_work *work, struct flight_bytes pattern, const char *text)
{
    const char *words = pattern.there ? flight_text(work, pattern) : NULL;
    return words == NULL || like(words, text);
}

static bool is_catalog(struct flight_bytes catalog)
{
    return !catalog.there || catalog.len == 0;
}

static const char *type_of(const struct rhei_catalog_table *table)
{
    static const char *const names[] = {"TABLE", "VIEW", "VIRTUAL TABLE", "SHADOW TABLE", "FOREIGN TABLE"};
    return table->kind >= RHEI_KIND_TABLE && table->kind <= RHEI_KIND_SOURCE ? names[table->kind] : "TABLE";
}

static rhei_status read_catalog(struct flight_work *work, struct rhei_catalog **catalog)
{
    struct rhei_call_options limits = flight_limits(work);
    return rhei_catalog_read(work->server->db, NULL, &limits, catalog, &work->error);
}

/* ---- Catalogs, schemas, types of tables --------------------------------------------------------------------------- */

static const struct flight_type catalog_types[] = {{"catalog_name", "u", false, NULL}, {NULL, NULL, false, NULL}};

static rhei_status fill_catalogs(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    (void)work;
    (void)command;
    flight_put_text(flight_rows_column(rows, 0), no_catalog);
    flight_rows_end_row(rows);
    return RHEI_OK;
}

static const struct flight_type schema_types[] = {
    {"catalog_name", "u", true, NULL}, {"db_schema_name", "u", false, NULL}, {NULL, NULL, false, NULL}};

static void put_schema(struct flight_work *work, const struct flight_schemas *asked, const char *name,
                       struct flight_rows *rows)
{
    if (!is_catalog(asked->catalog) || !passes(work, asked->pattern, name))
        return;
    flight_put_text(flight_rows_column(rows, 0), no_catalog);
    flight_put_text(flight_rows_column(rows, 1), name);
    flight_rows_end_row(rows);
}

/* main, and those of sources, whose tables stand together behind its own. */
static rhei_status fill_schemas(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    struct flight_schemas asked = {0};
    struct rhei_catalog *catalog = NULL;
    rhei_status status = flight_decode(&flight_schemas_shape, command, &asked, &work->arena, &work->error);
    if (status == RHEI_OK)
        status = read_catalog(work, &catalog);
    if (status != RHEI_OK)
        return status;
    const char *last = "main";
    put_schema(work, &asked, last, rows);
    for (uint32_t t = 0; t < catalog->table_count; t++) {
        const char *schema = catalog->tables[t]->schema;
        if (strcmp(schema, last) != 0 && strcmp(schema, "main") != 0)
            put_schema(work, &asked, last = schema, rows);
    }
    rhei_catalog_free(&catalog);
    return RHEI_OK;
}

static const struct flight_type table_type_types[] = {{"table_type", "u", false, NULL}, {NULL, NULL, false, NULL}};

static rhei_status fill_table_types(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    (void)work;
    (void)command;
    for (int32_t kind = RHEI_KIND_TABLE; kind <= RHEI_KIND_SOURCE; kind++) {
        flight_put_text(flight_rows_column(rows, 0), type_of(&(struct rhei_catalog_table){.kind = kind}));
        flight_rows_end_row(rows);
    }
    return RHEI_OK;
}

/* ---- Tables ------------------------------------------------------------------------------------------------------- */

static const struct flight_type table_types[] = {{"catalog_name", "u", true, NULL},
                                                 {"db_schema_name", "u", true, NULL},
                                                 {"table_name", "u", false, NULL},
                                                 {"table_type", "u", false, NULL},
                                                 {NULL, NULL, false, NULL}};
static const struct flight_type table_with_schema_types[] = {
    {"catalog_name", "u", true, NULL}, {"db_schema_name", "u", true, NULL}, {"table_name", "u", false, NULL},
    {"table_type", "u", false, NULL},  {"table_schema", "z", false, NULL},  {NULL, NULL, false, NULL}};

static void no_release(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

/* The schema of `SELECT *`, whose release is the caller's; false: there is none, as of a view that is broken. */
static bool select_schema(struct flight_work *work, const struct rhei_catalog_table *table, struct ArrowSchema *schema)
{
    struct base_buffer sql = {0};
    rhei_statement *statement = NULL;
    struct rhei_query_options options = flight_query_options(work);
    base_buffer_text(&sql, "SELECT * FROM ");
    base_buffer_identifier(&sql, table->schema);
    base_buffer_char(&sql, '.');
    base_buffer_identifier(&sql, table->name);
    bool good = !sql.failed && rhei_prepare(work->server->db, sql.data, &statement, NULL) == RHEI_OK &&
                rhei_statement_schema(statement, &options, schema, NULL, NULL) == RHEI_OK;
    rhei_statement_close(&statement);
    base_buffer_reset(&sql);
    return good;
}

static const struct rhei_catalog_column *key_column(const struct rhei_catalog_table *table, int32_t position)
{
    for (uint32_t c = 0; c < table->column_count; c++)
        if (table->columns[c]->key_position == position)
            return table->columns[c];
    return NULL;
}

/* (10, 2) of DECIMAL(10, 2), as texts; "" where it isn't there. */
static void read_digits(const char *type, char precision[16], char scale[16])
{
    const char *open = strchr(type, '(');
    precision[0] = scale[0] = '\0';
    if (open != NULL && strcmp(arrow_declared_format(type), "g") == 0)
        (void)sscanf(open, " ( %9[0-9] , %9[0-9] )", precision, scale);
}

/* INSERT gives it a value by itself. */
static bool is_rowid(const struct rhei_catalog_table *table, const struct rhei_catalog_column *column)
{
    return table->kind == RHEI_KIND_TABLE && !table->without_rowid && column->key_position == 1 &&
           base_fold_compare(column->declared_type, "INTEGER") == 0 && key_column(table, 2) == NULL;
}

static rhei_status describe_column(struct flight_work *work, const struct rhei_catalog_table *table,
                                   const struct rhei_catalog_column *column, const struct ArrowSchema *selected,
                                   struct ArrowSchema *out)
{
    char precision[16], scale[16];
    struct arrow_pair pairs[6] = {{"ARROW:FLIGHT:SQL:TYPE_NAME", column->declared_type},
                                  {"ARROW:FLIGHT:SQL:IS_READ_ONLY", column->generated ? "1" : "0"},
                                  {"ARROW:FLIGHT:SQL:IS_SEARCHABLE", "1"},
                                  {"ARROW:FLIGHT:SQL:IS_AUTO_INCREMENT", is_rowid(table, column) ? "1" : "0"}};
    size_t count = 4;
    read_digits(column->declared_type, precision, scale);
    if (precision[0] != '\0')
        pairs[count++] = (struct arrow_pair){"ARROW:FLIGHT:SQL:PRECISION", precision};
    if (precision[0] != '\0')
        pairs[count++] = (struct arrow_pair){"ARROW:FLIGHT:SQL:SCALE", scale[0] == '\0' ? "0" : scale};
    char *metadata = NULL;
    size_t len = 0;
    *out = (struct ArrowSchema){
        .format = arrow_declared_format(column->declared_type), .name = column->name, .release = no_release};
    if (selected != NULL && column->declared_type[0] == '\0') {
        out->format = selected->format;
        out->n_children = selected->n_children;
        out->children = selected->children;
    }
    out->flags = column->not_null ? 0 : ARROW_FLAG_NULLABLE;
    rhei_status status = arrow_metadata_encode(NULL, pairs, count, &metadata, &len, &work->error);
    char *copy = status == RHEI_OK ? base_arena_alloc(&work->step, len) : NULL;
    if (copy != NULL)
        memcpy(copy, metadata, len);
    out->metadata = copy;
    base_free(metadata);
    return status == RHEI_OK && copy == NULL ? error_no_memory(&work->error) : status;
}

static rhei_status table_schema(struct flight_work *work, const struct rhei_catalog_table *table,
                                struct base_buffer *out)
{
    struct ArrowSchema selected = {0}, all = {.format = "+s", .name = "", .release = no_release};
    base_arena_clear(&work->step);
    struct ArrowSchema *columns = base_arena_zero(&work->step, (size_t)table->column_count + 1, sizeof *columns);
    all.children = base_arena_zero(&work->step, (size_t)table->column_count + 1, sizeof *all.children);
    if (columns == NULL || all.children == NULL)
        return error_no_memory(&work->error);
    bool known = table->broken == NULL && select_schema(work, table, &selected);
    int64_t shown = 0;
    rhei_status status = RHEI_OK;
    for (uint32_t c = 0; status == RHEI_OK && c < table->column_count; c++) {
        const struct rhei_catalog_column *column = table->columns[c];
        bool selects = known && !column->hidden && shown < selected.n_children;
        status = describe_column(work, table, column, selects ? selected.children[shown] : NULL, &columns[c]);
        shown += selects;
        if (!column->hidden)
            all.children[all.n_children++] = &columns[c];
    }
    if (status == RHEI_OK)
        status = flight_schema_bytes(&all, out, &work->error);
    if (selected.release != NULL)
        selected.release(&selected);
    return status;
}

static bool is_asked_for(struct flight_work *work, const struct flight_tables *asked,
                         const struct rhei_catalog_table *table)
{
    bool type = asked->types.count == 0;
    const char *name = type_of(table);
    for (size_t i = 0; !type && i < asked->types.count; i++)
        type = base_fold_equal(asked->types.items[i].bytes, asked->types.items[i].len, name, strlen(name));
    return type && is_catalog(asked->catalog) && passes(work, asked->schema_pattern, table->schema) &&
           passes(work, asked->table_pattern, table->name);
}

static rhei_status fill_tables(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    struct flight_tables asked = {0};
    struct rhei_catalog *catalog = NULL;
    struct base_buffer schema = {0};
    rhei_status status = flight_decode(&flight_tables_shape, command, &asked, &work->arena, &work->error);
    if (status == RHEI_OK)
        status = read_catalog(work, &catalog);
    for (uint32_t t = 0; status == RHEI_OK && t < catalog->table_count; t++) {
        const struct rhei_catalog_table *table = catalog->tables[t];
        if (!is_asked_for(work, &asked, table))
            continue;
        flight_put_text(flight_rows_column(rows, 0), no_catalog);
        flight_put_text(flight_rows_column(rows, 1), table->schema);
        flight_put_text(flight_rows_column(rows, 2), table->name);
        flight_put_text(flight_rows_column(rows, 3), type_of(table));
        if (asked.include_schema != 0) {
            base_buffer_clear(&schema);
            status = table_schema(work, table, &schema);
            flight_put_bytes(flight_rows_column(rows, 4), schema.data, schema.len);
        }
        flight_rows_end_row(rows);
    }
    base_buffer_reset(&schema);
    rhei_catalog_free(&catalog);
    return status;
}

/* ---- Keys --------------------------------------------------------------------------------------------------------- */

static const struct flight_type primary_key_types[] = {
    {"catalog_name", "u", true, NULL}, {"db_schema_name", "u", true, NULL}, {"table_name", "u", false, NULL},
    {"column_name", "u", false, NULL}, {"key_name", "u", true, NULL},       {"key_sequence", "i", false, NULL},
    {NULL, NULL, false, NULL}};

static bool is_table(struct flight_work *work, const struct flight_key_table *asked,
                     const struct rhei_catalog_table *table)
{
    const char *schema = asked->schema.there ? flight_text(work, asked->schema) : NULL;
    const char *name = flight_text(work, asked->table);
    return is_catalog(asked->catalog) && (schema == NULL || base_fold_compare(schema, table->schema) == 0) &&
           name != NULL && base_fold_compare(name, table->name) == 0;
}

static rhei_status fill_primary_keys(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    struct flight_key_table asked = {0};
    struct rhei_catalog *catalog = NULL;
    rhei_status status = flight_decode(&flight_key_table_shape, command, &asked, &work->arena, &work->error);
    if (status == RHEI_OK)
        status = read_catalog(work, &catalog);
    for (uint32_t t = 0; status == RHEI_OK && t < catalog->table_count; t++) {
        const struct rhei_catalog_table *table = catalog->tables[t];
        const struct rhei_catalog_column *column;
        for (int32_t at = 1; is_table(work, &asked, table) && (column = key_column(table, at)) != NULL; at++) {
            flight_put_text(flight_rows_column(rows, 0), no_catalog);
            flight_put_text(flight_rows_column(rows, 1), table->schema);
            flight_put_text(flight_rows_column(rows, 2), table->name);
            flight_put_text(flight_rows_column(rows, 3), column->name);
            flight_put_null(flight_rows_column(rows, 4)); /* SQLite keeps no name of it */
            flight_put_number(flight_rows_column(rows, 5), at);
            flight_rows_end_row(rows);
        }
    }
    rhei_catalog_free(&catalog);
    return status;
}

static const struct flight_type key_types[] = {
    {"pk_catalog_name", "u", true, NULL}, {"pk_db_schema_name", "u", true, NULL},
    {"pk_table_name", "u", false, NULL},  {"pk_column_name", "u", false, NULL},
    {"fk_catalog_name", "u", true, NULL}, {"fk_db_schema_name", "u", true, NULL},
    {"fk_table_name", "u", false, NULL},  {"fk_column_name", "u", false, NULL},
    {"key_sequence", "i", false, NULL},   {"fk_key_name", "u", true, NULL},
    {"pk_key_name", "u", true, NULL},     {"update_rule", "C", false, NULL},
    {"delete_rule", "C", false, NULL},    {NULL, NULL, false, NULL}};

/* UpdateDeleteRules of FlightSql.proto. */
static int64_t rule_of(const char *words)
{
    static const char *const rules[] = {"CASCADE", "RESTRICT", "SET NULL", "NO ACTION", "SET DEFAULT"};
    for (int64_t i = 0; i < 5; i++)
        if (base_fold_compare(rules[i], words) == 0)
            return i;
    return 3;
}

static const struct rhei_catalog_table *table_named(const struct rhei_catalog *catalog, const char *schema,
                                                    const char *name)
{
    for (uint32_t t = 0; t < catalog->table_count; t++)
        if (strcmp(catalog->tables[t]->schema, schema) == 0 && base_fold_compare(catalog->tables[t]->name, name) == 0)
            return catalog->tables[t];
    return NULL;
}

static void put_key(const struct rhei_catalog_table *child, const struct rhei_catalog_table *parent,
                    const struct rhei_catalog_foreign_key *key, struct flight_rows *rows)
{
    for (uint32_t c = 0; c < key->column_count; c++) {
        const struct rhei_catalog_column *keyed = parent == NULL ? NULL : key_column(parent, (int32_t)c + 1);
        const char *named = key->parent_columns[c] != NULL ? key->parent_columns[c]
                            : keyed != NULL                ? keyed->name
                                                           : "rowid";
        int32_t own = key->columns[c];
        bool known = own >= 0 && (uint32_t)own < child->column_count;
        flight_put_text(flight_rows_column(rows, 0), no_catalog);
        flight_put_text(flight_rows_column(rows, 1), child->schema);
        flight_put_text(flight_rows_column(rows, 2), parent == NULL ? key->parent : parent->name);
        flight_put_text(flight_rows_column(rows, 3), named);
        flight_put_text(flight_rows_column(rows, 4), no_catalog);
        flight_put_text(flight_rows_column(rows, 5), child->schema);
        flight_put_text(flight_rows_column(rows, 6), child->name);
        flight_put_text(flight_rows_column(rows, 7), known ? child->columns[own]->name : "rowid");
        flight_put_number(flight_rows_column(rows, 8), (int64_t)c + 1);
        flight_put_null(flight_rows_column(rows, 9));
        flight_put_null(flight_rows_column(rows, 10));
        flight_put_number(flight_rows_column(rows, 11), rule_of(key->on_update));
        flight_put_number(flight_rows_column(rows, 12), rule_of(key->on_delete));
        flight_rows_end_row(rows);
    }
}

/* Foreign keys of which this is the parent and that the child; NULL: any. */
static rhei_status fill_keys(struct flight_work *work, const struct flight_key_table *parent,
                             const struct flight_key_table *child, struct flight_rows *rows)
{
    struct rhei_catalog *catalog = NULL;
    rhei_status status = read_catalog(work, &catalog);
    for (uint32_t t = 0; status == RHEI_OK && t < catalog->table_count; t++) {
        const struct rhei_catalog_table *table = catalog->tables[t];
        if (child != NULL && !is_table(work, child, table))
            continue;
        for (uint32_t k = 0; k < table->foreign_key_count; k++) {
            const struct rhei_catalog_foreign_key *key = table->foreign_keys[k];
            const struct rhei_catalog_table *of = table_named(catalog, table->schema, key->parent);
            const struct rhei_catalog_table gone = {.schema = table->schema, .name = key->parent};
            if (parent == NULL || is_table(work, parent, of == NULL ? &gone : of))
                put_key(table, of, key, rows);
        }
    }
    rhei_catalog_free(&catalog);
    return status;
}

static rhei_status fill_exported(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    struct flight_key_table asked = {0};
    rhei_status status = flight_decode(&flight_key_table_shape, command, &asked, &work->arena, &work->error);
    return status == RHEI_OK ? fill_keys(work, &asked, NULL, rows) : status;
}

static rhei_status fill_imported(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    struct flight_key_table asked = {0};
    rhei_status status = flight_decode(&flight_key_table_shape, command, &asked, &work->arena, &work->error);
    return status == RHEI_OK ? fill_keys(work, NULL, &asked, rows) : status;
}

static rhei_status fill_cross_reference(struct flight_work *work, struct flight_bytes command, struct flight_rows *rows)
{
    struct flight_cross_reference asked = {0};
    rhei_status status = flight_decode(&flight_cross_reference_shape, command, &asked, &work->arena, &work->error);
    return status == RHEI_OK ? fill_keys(work, &asked.parent, &asked.child, rows) : status;
}

/* ---- All of them -------------------------------------------------------------------------------------------------- */

static const struct flight_metadata commands[] = {
    {"CommandGetCatalogs", catalog_types, fill_catalogs},
    {"CommandGetDbSchemas", schema_types, fill_schemas},
    {"CommandGetTables", table_types, fill_tables},
    {"CommandGetTableTypes", table_type_types, fill_table_types},
    {"CommandGetPrimaryKeys", primary_key_types, fill_primary_keys},
    {"CommandGetExportedKeys", key_types, fill_exported},
    {"CommandGetImportedKeys", key_types, fill_imported},
    {"CommandGetCrossReference", key_types, fill_cross_reference},
    {"CommandGetSqlInfo", flight_sql_info_types, flight_fill_sql_info},
    {"CommandGetXdbcTypeInfo", flight_type_info_types, flight_fill_type_info},
};

const struct flight_metadata *flight_metadata_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

const struct flight_type *flight_metadata_types(struct flight_work *work, const struct flight_metadata *metadata,
                                                struct flight_bytes command)
{
    struct flight_tables asked = {0};
    if (metadata->types != table_types)
        return metadata->types;
    /* what is wrong with the command is told by who fills the rows */
    bool good = flight_decode(&flight_tables_shape, command, &asked, &work->arena, NULL) == RHEI_OK;
    return good && asked.include_schema != 0 ? table_with_schema_types : table_types;
}
