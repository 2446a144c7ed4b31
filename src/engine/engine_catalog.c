/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog for doors: what SQLite says of its schema, table by table, so that a view of something that is gone spoils only itself.
 *
 * Each statement reads a state of its own, so each also reads the schema's version: where they differ all is read again. Everything
 * lies in one arena, which the catalog's owner frees. SQLite tells which tables of other sources there are; what they are like, our own
 * catalog knows (as SQLite has them they are virtual tables without keys).
 */
#include <string.h>

#include "arrow/arrow_usual.h"
#include "base/base_arena.h"
#include "base/base_map.h"
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"

enum { READ_ATTEMPTS = 20 };

struct catalog {
    struct rhei_catalog shown; /* first: what the caller has */
    struct base_arena arena;
};

struct reading {
    rhei_db *db;
    struct engine_limits *limits;
    struct catalog *catalog;
    const struct capture_catalog *known;
    bool changed; /* the schema did, meanwhile */
    struct rhei_error *error;
};

/* Pointers that become one list. */
struct list {
    void **items;
    size_t count, capacity;
};

static rhei_status list_add(struct list *list, void *item, struct rhei_error *error)
{
    if (item == NULL || !base_grow((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items))
        return error_no_memory(error);
    list->items[list->count++] = item;
    return RHEI_OK;
}

/* Moves the list into the arena; empties it. */
static const void *list_settle(struct list *list, struct base_arena *arena)
{
    void **kept = base_arena_zero(arena, list->count, sizeof *kept);
    if (kept != NULL && list->count > 0)
        memcpy(kept, list->items, list->count * sizeof *kept);
    base_free(list->items);
    *list = (struct list){0};
    return kept;
}

/* ---- Rows. ------------------------------------------------------------------------------------------------------- */

struct row {
    struct reading *reading;
    struct oltp_cursor *cursor;
};

/* A row's text, kept; NULL for NULL. Sets *failed without memory. */
static const char *row_text(const struct row *row, uint32_t column, bool *failed)
{
    struct rhei_value value;
    oltp_cursor_value(row->cursor, column, &value);
    if (value.type != RHEI_TEXT)
        return NULL;
    char *copy = base_arena_alloc(&row->reading->catalog->arena, (size_t)value.length + 1);
    if (copy == NULL) {
        *failed = true;
        return NULL;
    }
    memcpy(copy, value.as.bytes, value.length);
    copy[value.length] = '\0';
    return copy;
}

static int64_t row_integer(const struct row *row, uint32_t column)
{
    struct rhei_value value;
    oltp_cursor_value(row->cursor, column, &value);
    return value.type == RHEI_INTEGER ? value.as.integer : 0;
}

/* Runs a statement whose first column is the schema's version, and hands its rows on until one fails or the schema has changed. */
static rhei_status each_row(struct reading *reading, const char *sql, const char *parameter,
                            rhei_status (*take)(const struct row *row, void *context), void *context,
                            struct rhei_error *error)
{
    struct rhei_value value = rhei_text(parameter);
    struct oltp_stop stop;
    struct row row = {.reading = reading};
    rhei_status status = oltp_read(reading->db->oltp, sql, strlen(sql), &value, 1, engine_stop(reading->limits, &stop),
                                   true, &row.cursor, error);
    while (status == RHEI_OK && (status = oltp_cursor_next(row.cursor, error)) == RHEI_ROW) {
        struct rhei_catalog *shown = &reading->catalog->shown;
        if (shown->schema_version == -1)
            shown->schema_version = row_integer(&row, 0);
        reading->changed = reading->changed || shown->schema_version != row_integer(&row, 0);
        status = reading->changed ? RHEI_DONE : take(&row, context);
    }
    oltp_cursor_close(&row.cursor);
    return status == RHEI_DONE ? RHEI_OK : status;
}

/* ---- Columns, indexes and foreign keys of one table. --------------------------------------------------------------- */

struct table_reading {
    struct rhei_catalog_table *table;
    const struct capture_table *known;
    struct list list;    /* of what is read */
    struct list members; /* columns of the index or foreign key under way */
};

static const char *known_collation(const struct capture_table *known, const char *column)
{
    for (uint32_t c = 0; known != NULL && c < known->source.column_count; c++)
        if (!known->source.columns[c].is_rowid && base_fold_compare(known->source.columns[c].name, column) == 0)
            return known->source.columns[c].collation;
    return NULL;
}

static rhei_status take_column(const struct row *row, void *context)
{
    struct table_reading *reading = context;
    struct base_arena *arena = &row->reading->catalog->arena;
    bool failed = false;
    struct rhei_catalog_column *column = base_arena_zero(arena, 1, sizeof *column);
    if (column == NULL)
        return error_no_memory(row->reading->error);
    column->name = row_text(row, 1, &failed);
    const char *type = row_text(row, 2, &failed);
    column->declared_type = type == NULL ? "" : type;
    column->not_null = row_integer(row, 3) != 0;
    column->default_sql = row_text(row, 4, &failed);
    column->key_position = (int32_t)row_integer(row, 5);
    column->hidden = row_integer(row, 6) == 1;
    column->generated = row_integer(row, 6) > 1;
    column->usual_class = arrow_usual_class(column->declared_type);
    const char *collation = column->name == NULL ? NULL : known_collation(reading->known, column->name);
    column->collation = collation == NULL ? NULL : base_arena_text(arena, collation);
    failed = failed || column->name == NULL;
    return failed ? error_no_memory(row->reading->error) : list_add(&reading->list, column, row->reading->error);
}

static rhei_status take_index(const struct row *row, void *context)
{
    struct table_reading *reading = context;
    struct base_arena *arena = &row->reading->catalog->arena;
    struct rhei_catalog_index *index = reading->list.count == 0 ? NULL : reading->list.items[reading->list.count - 1];
    bool failed = false;
    const char *name = row_text(row, 1, &failed);
    if (index == NULL || name == NULL || strcmp(index->name, name) != 0) {
        index = base_arena_zero(arena, 1, sizeof *index);
        uint32_t count = (uint32_t)row_integer(row, 8);
        int32_t *columns = base_arena_zero(arena, count, sizeof *columns);
        bool *descending = base_arena_zero(arena, count, sizeof *descending);
        if (failed || name == NULL || index == NULL || columns == NULL || descending == NULL)
            return error_no_memory(row->reading->error);
        index->name = name;
        index->unique = row_integer(row, 2) != 0;
        index->primary_key = row_integer(row, 3) != 0;
        index->partial = row_integer(row, 4) != 0;
        index->sql = row_text(row, 5, &failed);
        index->columns = columns;
        index->descending = descending;
        rhei_status status =
            failed ? error_no_memory(row->reading->error) : list_add(&reading->list, index, row->reading->error);
        if (status != RHEI_OK)
            return status;
    }
    /* the arrays are this file's own and as long as the statement counted them */
    ((int32_t *)(uintptr_t)index->columns)[index->column_count] = (int32_t)row_integer(row, 6);
    ((bool *)(uintptr_t)index->descending)[index->column_count] = row_integer(row, 7) != 0;
    index->column_count++;
    return RHEI_OK;
}

static int32_t column_number(const struct rhei_catalog_table *table, const char *name)
{
    for (uint32_t c = 0; name != NULL && c < table->column_count; c++)
        if (base_fold_compare(table->columns[c]->name, name) == 0)
            return (int32_t)c;
    return -1;
}

static rhei_status take_foreign_key(const struct row *row, void *context)
{
    struct table_reading *reading = context;
    struct base_arena *arena = &row->reading->catalog->arena;
    bool failed = false;
    if (row_integer(row, 2) == 0) { /* its first column */
        struct rhei_catalog_foreign_key *key = base_arena_zero(arena, 1, sizeof *key);
        uint32_t count = (uint32_t)row_integer(row, 8);
        int32_t *columns = base_arena_zero(arena, count, sizeof *columns);
        const char **parents = base_arena_zero(arena, count, sizeof *parents);
        if (key == NULL || columns == NULL || parents == NULL)
            return error_no_memory(row->reading->error);
        *key = (struct rhei_catalog_foreign_key){.parent = row_text(row, 3, &failed),
                                                 .columns = columns,
                                                 .parent_columns = parents,
                                                 .on_update = row_text(row, 6, &failed),
                                                 .on_delete = row_text(row, 7, &failed)};
        rhei_status status =
            failed ? error_no_memory(row->reading->error) : list_add(&reading->list, key, row->reading->error);
        if (status != RHEI_OK)
            return status;
    }
    struct rhei_catalog_foreign_key *key = reading->list.items[reading->list.count - 1];
    ((int32_t *)(uintptr_t)key->columns)[key->column_count] = column_number(reading->table, row_text(row, 4, &failed));
    ((const char **)(uintptr_t)key->parent_columns)[key->column_count] = row_text(row, 5, &failed);
    key->column_count++;
    return failed ? error_no_memory(row->reading->error) : RHEI_OK;
}

static const char columns_sql[] =
    "SELECT (SELECT schema_version FROM pragma_schema_version), name, type, \"notnull\", dflt_value, pk, hidden "
    "FROM pragma_table_xinfo(?1, 'main') ORDER BY cid";
static const char indexes_sql[] =
    "SELECT (SELECT schema_version FROM pragma_schema_version), l.name, l.\"unique\", l.origin = 'pk', l.partial, "
    "(SELECT sql FROM main.sqlite_schema WHERE type = 'index' AND name = l.name), x.cid, x.desc, "
    "count(*) OVER (PARTITION BY l.name) "
    "FROM pragma_index_list(?1, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS x WHERE x.\"key\" "
    "ORDER BY l.name, x.seqno";
static const char foreign_keys_sql[] =
    "SELECT (SELECT schema_version FROM pragma_schema_version), id, seq, \"table\", \"from\", \"to\", on_update, "
    "on_delete, count(*) OVER (PARTITION BY id) FROM pragma_foreign_key_list(?1, 'main') ORDER BY id DESC, seq";

static rhei_status read_table(struct reading *reading, struct rhei_catalog_table *table)
{
    struct base_arena *arena = &reading->catalog->arena;
    struct table_reading parts = {.table = table, .known = engine_file_table(reading->known, table->name)};
    struct rhei_error told = RHEI_ERROR_INIT;
    rhei_status status = each_row(reading, columns_sql, table->name, take_column, &parts, &told);
    if (status == RHEI_SQL && !reading->changed) { /* its own trouble, and nobody else's */
        table->broken = base_arena_text(arena, told.message);
        base_free(parts.list.items);
        return table->broken == NULL ? error_no_memory(reading->error) : RHEI_OK;
    }
    if (status != RHEI_OK && reading->error != NULL)
        *reading->error = told;
    table->column_count = (uint32_t)parts.list.count;
    table->columns = list_settle(&parts.list, arena);
    if (status == RHEI_OK && table->columns != NULL && table->kind == RHEI_KIND_TABLE) {
        status = each_row(reading, indexes_sql, table->name, take_index, &parts, reading->error);
        table->index_count = (uint32_t)parts.list.count;
        table->indexes = list_settle(&parts.list, arena);
    }
    if (status == RHEI_OK && table->indexes != NULL) {
        status = each_row(reading, foreign_keys_sql, table->name, take_foreign_key, &parts, reading->error);
        table->foreign_key_count = (uint32_t)parts.list.count;
        table->foreign_keys = list_settle(&parts.list, arena);
    }
    if (status == RHEI_OK &&
        (table->columns == NULL || (table->kind == RHEI_KIND_TABLE && table->foreign_keys == NULL)))
        status = error_no_memory(reading->error);
    return status;
}

/* ---- All of them. ------------------------------------------------------------------------------------------------ */

static const char tables_sql[] =
    "SELECT v.schema_version, l.name, s.sql, l.type, l.wr, l.strict "
    "FROM pragma_schema_version AS v LEFT JOIN (pragma_table_list AS l JOIN main.sqlite_schema AS s "
    "ON s.name = l.name AND s.type IN ('table', 'view') AND l.schema = 'main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE "
    "'\\' "
    "AND l.name NOT LIKE '\\_rhei\\_%' ESCAPE '\\') ON ?1 IS NULL OR l.name LIKE ?1 ORDER BY l.name";

static int32_t kind_of(const char *type)
{
    return strcmp(type, "view") == 0      ? RHEI_KIND_VIEW
           : strcmp(type, "virtual") == 0 ? RHEI_KIND_VIRTUAL
           : strcmp(type, "shadow") == 0  ? RHEI_KIND_SHADOW
                                          : RHEI_KIND_TABLE;
}

static rhei_status take_table(const struct row *row, void *context)
{
    struct list *list = context;
    bool failed = false;
    const char *name = row_text(row, 1, &failed);
    if (name == NULL && !failed) /* there is none: the row only tells the version */
        return RHEI_OK;
    struct rhei_catalog_table *table = base_arena_zero(&row->reading->catalog->arena, 1, sizeof *table);
    if (table == NULL || failed)
        return error_no_memory(row->reading->error);
    table->name = name;
    const char *sql = row_text(row, 2, &failed);
    const char *type = row_text(row, 3, &failed);
    table->sql = sql == NULL ? "" : sql;
    table->kind = kind_of(type == NULL ? "" : type);
    table->schema = "main";
    table->without_rowid = row_integer(row, 4) != 0;
    table->strict = row_integer(row, 5) != 0;
    return failed ? error_no_memory(row->reading->error) : list_add(list, table, row->reading->error);
}

/* ---- Tables of other sources. -------------------------------------------------------------------------------------- */

static const char shown_sql[] =
    "SELECT v.schema_version, l.schema, l.name FROM pragma_schema_version AS v JOIN pragma_table_list AS l "
    "WHERE l.schema NOT IN ('main', 'temp') AND l.type = 'virtual' AND (?1 IS NULL OR l.name LIKE ?1) ORDER BY 2, 3";

static const struct capture_table *known_shown(const struct capture_catalog *known, const char *schema,
                                               const char *name)
{
    for (uint32_t t = 0; t < known->table_count; t++)
        if (known->tables[t].schema != NULL && base_fold_compare(known->tables[t].schema, schema) == 0 &&
            base_fold_compare(known->tables[t].source.name, name) == 0)
            return &known->tables[t];
    return NULL;
}

static bool is_shadowed(const struct capture_catalog *known, const char *name)
{
    bool shadowed = engine_file_table(known, name) != NULL;
    for (uint32_t v = 0; v < known->view_count && !shadowed; v++)
        shadowed = base_fold_compare(known->views[v].name, name) == 0;
    return shadowed;
}

static rhei_status add_shown_columns(struct reading *reading, struct rhei_catalog_table *table,
                                     const struct source_table *source)
{
    struct base_arena *arena = &reading->catalog->arena;
    struct rhei_catalog_column *columns = base_arena_zero(arena, source->column_count, sizeof *columns);
    const struct rhei_catalog_column **list = base_arena_zero(arena, source->column_count, sizeof *list);
    bool ok = columns != NULL && list != NULL;
    for (uint32_t c = 0; ok && c < source->column_count; c++) {
        const struct source_column *from = &source->columns[c];
        if (from->is_rowid) /* the last one, where there is any: it is no column */
            break;
        columns[c].name = base_arena_text(arena, from->name);
        columns[c].declared_type = base_arena_text(arena, from->declared_type);
        columns[c].collation = base_arena_text(arena, from->collation == NULL ? "BINARY" : from->collation);
        columns[c].usual_class = arrow_usual_class(from->declared_type);
        columns[c].not_null = from->not_null;
        for (uint32_t k = 0; k < source->key_count; k++)
            if (source->key_columns[k] == c)
                columns[c].key_position = (int32_t)k + 1;
        ok = columns[c].name != NULL && columns[c].declared_type != NULL && columns[c].collation != NULL;
        list[table->column_count++] = &columns[c];
    }
    table->columns = list;
    return ok ? RHEI_OK : error_no_memory(reading->error);
}

static rhei_status take_shown(const struct row *row, void *context)
{
    struct list *list = context;
    struct reading *reading = row->reading;
    bool failed = false;
    const char *schema = row_text(row, 1, &failed), *name = row_text(row, 2, &failed);
    struct rhei_catalog_table *table = base_arena_zero(&reading->catalog->arena, 1, sizeof *table);
    if (failed || table == NULL || schema == NULL || name == NULL)
        return error_no_memory(reading->error);
    const struct capture_table *known = known_shown(reading->known, schema, name);
    if (known == NULL) { /* it came since */
        reading->changed = true;
        return RHEI_DONE;
    }
    *table = (struct rhei_catalog_table){.name = name,
                                         .sql = "",
                                         .kind = RHEI_KIND_SOURCE,
                                         .without_rowid = known->source.without_rowid,
                                         .schema = schema,
                                         .mirrored = true,
                                         .shadowed = is_shadowed(reading->known, name)};
    rhei_status status = add_shown_columns(reading, table, &known->source);
    return status == RHEI_OK ? list_add(list, table, reading->error) : status;
}

/* ---- Together. ---------------------------------------------------------------------------------------------------- */

static void tell_mirrored(const struct reading *reading, struct rhei_catalog_table *table)
{
    const struct capture_table *known = engine_file_table(reading->known, table->name);
    if (known == NULL || table->kind != RHEI_KIND_TABLE)
        return;
    const char *why = known->source.unmirrored_reason;
    table->mirrored = known->captured;
    if (!known->captured)
        table->unmirrored_reason = base_arena_text(&reading->catalog->arena, why == NULL ? "it isn't registered" : why);
}

static rhei_status read_all(struct reading *reading, const char *like)
{
    struct list tables = {0};
    struct rhei_catalog *shown = &reading->catalog->shown;
    shown->schema_version = -1;
    reading->changed = false;
    rhei_status status = capture_catalog_take(reading->db->oltp, &reading->known, reading->error);
    if (status == RHEI_OK)
        status = each_row(reading, tables_sql, like, take_table, &tables, reading->error);
    for (size_t t = 0; status == RHEI_OK && t < tables.count && !reading->changed; t++) {
        status = read_table(reading, tables.items[t]);
        if (status == RHEI_OK)
            tell_mirrored(reading, tables.items[t]);
    }
    if (status == RHEI_OK && reading->db->shown != NULL)
        status = each_row(reading, shown_sql, like, take_shown, &tables, reading->error);
    capture_catalog_release(&reading->known);
    shown->table_count = (uint32_t)tables.count;
    shown->tables = list_settle(&tables, &reading->catalog->arena);
    return status == RHEI_OK && shown->tables == NULL ? error_no_memory(reading->error) : status;
}

void rhei_catalog_free(struct rhei_catalog **catalog)
{
    if (catalog == NULL || *catalog == NULL)
        return;
    struct catalog *whole = (struct catalog *)*catalog;
    base_arena_reset(&whole->arena);
    base_free(whole);
    *catalog = NULL;
}

static rhei_status read_settled(struct rhei_db *db, const char *like, struct engine_limits *limits,
                                struct rhei_catalog **catalog, struct rhei_error *error)
{
    for (int attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
        struct catalog *made = base_alloc_zero(1, sizeof *made);
        if (made == NULL)
            return error_no_memory(error);
        made->arena.first_block = 8192;
        struct reading reading = {.db = db, .limits = limits, .catalog = made, .error = error};
        rhei_status status = read_all(&reading, like);
        *catalog = &made->shown;
        if (status == RHEI_OK && !reading.changed)
            return RHEI_OK;
        rhei_catalog_free(catalog);
        if (status != RHEI_OK)
            return status;
    }
    return error_set(error, RHEI_BUSY, "the schema changed each time it was read: try again");
}

rhei_status rhei_catalog_read(rhei_db *db, const char *like, const struct rhei_call_options *options,
                              struct rhei_catalog **catalog, struct rhei_error *error)
{
    error_clear(error);
    struct engine_limits limits;
    if (db == NULL || catalog == NULL)
        return error_set(error, RHEI_INVALID, "rhei_catalog_read needs a handle and a place for the catalog");
    *catalog = NULL;
    rhei_status status = engine_limits_of_call(db->ticker, &limits, options, error);
    if (status != RHEI_OK)
        return status;
    base_progress_step(engine_limits_counts(&limits), "reading the catalog", NULL, BASE_PROGRESS_STEPS, -1);
    status = oltp_check_file(db->oltp, error);
    if (status == RHEI_OK)
        status = read_settled(db, like, &limits, catalog, error);
    engine_limits_reset(&limits);
    return status;
}
