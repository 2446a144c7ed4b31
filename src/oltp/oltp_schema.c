/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of main as one connection sees it: tables with their columns, keys and unique indexes, our triggers, views.
 * Everything lives in the schema's arena; immutable once it is published, shared by counted references.
 */
#include <stdio.h>
#include <string.h>

#include "oltp/oltp_internal.h"

struct load {
    struct oltp_connection *connection;
    struct oltp_schema *schema;
    struct rhei_error *error;
    rhei_status status; /* first failure */
};

static void load_fail(struct load *load, rhei_status status)
{
    if (load->status == RHEI_OK) {
        load->status = status;
    }
}

static void *load_alloc(struct load *load, size_t count, size_t size)
{
    void *place = oltp_arena_zero(&load->schema->arena, count, size);
    if (place == NULL) {
        load_fail(load, error_no_memory(load->error));
    }
    return place;
}

static const char *load_text(struct load *load, const unsigned char *text)
{
    char *copy = oltp_arena_text(&load->schema->arena, (const char *)text);
    if (copy == NULL) {
        load_fail(load, error_no_memory(load->error));
        return "";
    }
    return copy;
}

/* Prepares `sql` with one text parameter (NULL: none). NULL after a failure. */
static sqlite3_stmt *load_prepare(struct load *load, const char *sql, const char *parameter)
{
    sqlite3_stmt *stmt = NULL;
    if (load->status != RHEI_OK) {
        return NULL;
    }
    int rc = sqlite3_prepare_v2(load->connection->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK && parameter != NULL) {
        rc = sqlite3_bind_text(stmt, 1, parameter, -1, SQLITE_TRANSIENT);
    }
    if (rc != SQLITE_OK) {
        load_fail(load, oltp_sqlite_error(load->connection, rc, NULL, load->error));
        sqlite3_finalize(stmt);
        return NULL;
    }
    return stmt;
}

static bool load_step(struct load *load, sqlite3_stmt *stmt)
{
    if (stmt == NULL || load->status != RHEI_OK) {
        return false;
    }
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) {
        load_fail(load, oltp_sqlite_error(load->connection, rc, NULL, load->error));
    }
    return rc == SQLITE_ROW;
}

static bool text_has(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (; *text != '\0'; text++) {
        if (base_fold_equal(text, strnlen(text, len), word, len)) {
            return true;
        }
    }
    return false;
}

/* https://www.sqlite.org/datatype3.html, section 3.1, and https://www.sqlite.org/stricttables.html for ANY */
static uint8_t schema_affinity(const char *type, bool strict)
{
    if (strict && base_fold_compare(type, "ANY") == 0) {
        return AFFINITY_BLOB;
    }
    if (text_has(type, "INT")) {
        return AFFINITY_INTEGER;
    }
    if (text_has(type, "CHAR") || text_has(type, "CLOB") || text_has(type, "TEXT")) {
        return AFFINITY_TEXT;
    }
    if (type[0] == '\0' || text_has(type, "BLOB")) {
        return AFFINITY_BLOB;
    }
    if (text_has(type, "REAL") || text_has(type, "FLOA") || text_has(type, "DOUB")) {
        return AFFINITY_REAL;
    }
    return AFFINITY_NUMERIC;
}

/* ---- Columns. ---------------------------------------------------------------------------------------------------- */

static void load_columns(struct load *load, struct oltp_table_schema *table)
{
    struct source_table *source = &table->table.source;
    sqlite3_stmt *stmt =
        load_prepare(load, "SELECT count(*) FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1", source->name);
    uint32_t count = load_step(load, stmt) ? (uint32_t)sqlite3_column_int(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    /* one more for the hidden rowid */
    struct source_column *columns = load_alloc(load, count + 1, sizeof *columns);
    const char **defaults = load_alloc(load, count + 1, sizeof *defaults);
    uint32_t *primary = load_alloc(load, count + 1, sizeof *primary);
    stmt = load_prepare(
        load,
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1",
        source->name);
    uint32_t i = 0;
    while (load_step(load, stmt) && i < count) {
        struct source_column *column = &columns[i];
        column->name = load_text(load, sqlite3_column_text(stmt, 0));
        column->declared_type = load_text(load, sqlite3_column_text(stmt, 1));
        column->affinity = schema_affinity(column->declared_type, table->table.strict);
        column->not_null = sqlite3_column_int(stmt, 2) != 0;
        defaults[i] =
            sqlite3_column_type(stmt, 3) == SQLITE_NULL ? NULL : load_text(load, sqlite3_column_text(stmt, 3));
        primary[i] = (uint32_t)sqlite3_column_int(stmt, 4);
        column->generated = sqlite3_column_int(stmt, 5) != 0;
        const char *collation = NULL;
        sqlite3_table_column_metadata(load->connection->db, "main", source->name, column->name, NULL, &collation, NULL,
                                      NULL, NULL);
        column->collation = load_text(load, (const unsigned char *)(collation == NULL ? "BINARY" : collation));
        i++;
    }
    sqlite3_finalize(stmt);
    source->columns = columns;
    source->column_count = i;
    table->defaults = defaults;
    table->primary_position = primary;
}

static int32_t schema_column(const struct source_table *source, const char *name)
{
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (base_fold_compare(source->columns[i].name, name) == 0) {
            return (int32_t)i;
        }
    }
    return -1;
}

/* ---- Indexes. ---------------------------------------------------------------------------------------------------- */

static void load_index_columns(struct load *load, struct oltp_index *index)
{
    int32_t *columns = load_alloc(load, 64, sizeof *columns);
    const char **collations = load_alloc(load, 64, sizeof *collations);
    sqlite3_stmt *stmt = load_prepare(
        load, "SELECT cid, coll FROM pragma_index_xinfo(?1, 'main') WHERE \"key\" ORDER BY seqno", index->name);
    uint32_t i = 0;
    while (load_step(load, stmt)) {
        if (i < 64) {
            columns[i] = sqlite3_column_int(stmt, 0);
            collations[i] = load_text(load, sqlite3_column_text(stmt, 1));
        }
        i++;
    }
    sqlite3_finalize(stmt);
    index->columns = columns;
    index->collations = collations;
    index->column_count = i;
}

/* True if two values that SQLite finds equal in this key may differ in their bytes. */
static bool schema_key_is_loose(const struct oltp_index *index, const struct source_table *source)
{
    for (uint32_t i = 0; i < index->column_count; i++) {
        uint8_t affinity = index->columns[i] < 0 ? AFFINITY_BLOB : source->columns[index->columns[i]].affinity;
        if (base_fold_compare(index->collations[i], "BINARY") != 0 || affinity == AFFINITY_BLOB) {
            return true;
        }
    }
    return false;
}

static void load_indexes(struct load *load, struct oltp_table_schema *table)
{
    struct source_table *source = &table->table.source;
    sqlite3_stmt *stmt = load_prepare(
        load, "SELECT count(*), ifnull(sum(\"unique\"), 0) FROM pragma_index_list(?1, 'main')", source->name);
    uint32_t unique = 0;
    if (load_step(load, stmt)) {
        table->any_index = sqlite3_column_int(stmt, 0) > 0;
        unique = (uint32_t)sqlite3_column_int(stmt, 1);
    }
    sqlite3_finalize(stmt);
    struct oltp_index *indexes = load_alloc(load, unique + 1, sizeof *indexes);
    stmt = load_prepare(
        load,
        "SELECT i.name, i.origin, i.partial, s.sql FROM pragma_index_list(?1, 'main') AS i LEFT JOIN "
        "main.sqlite_master AS s ON s.type = 'index' AND s.name = i.name WHERE i.\"unique\" ORDER BY i.name",
        source->name);
    uint32_t count = 0;
    while (load_step(load, stmt) && count < unique) {
        struct oltp_index *index = &indexes[count];
        index->name = load_text(load, sqlite3_column_text(stmt, 0));
        index->is_primary = sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 1), "pk") == 0;
        index->partial = sqlite3_column_int(stmt, 2) != 0;
        index->sql = sqlite3_column_type(stmt, 3) == SQLITE_NULL ? NULL : load_text(load, sqlite3_column_text(stmt, 3));
        load_index_columns(load, index);
        count++;
    }
    sqlite3_finalize(stmt);
    table->indexes = indexes;
    table->index_count = count;
}

/* ---- Keys. ------------------------------------------------------------------------------------------------------- */

static void schema_find_rowid_name(struct oltp_table_schema *table)
{
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    for (size_t i = 0; i < 3 && table->rowid_name == NULL; i++) {
        if (schema_column(&table->table.source, names[i]) < 0) {
            table->rowid_name = names[i];
        }
    }
}

static void schema_rowid_key(struct load *load, struct oltp_table_schema *table, struct source_column *columns)
{
    struct source_table *source = &table->table.source;
    uint32_t primary = 0, alias = 0;
    bool indexed = false;
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (table->primary_position[i] > 0) {
            primary++;
            alias = i;
        }
    }
    for (uint32_t i = 0; i < table->index_count; i++) {
        indexed |= table->indexes[i].is_primary;
    }
    uint32_t *key = load_alloc(load, 1, sizeof *key);
    if (load->status != RHEI_OK) {
        return;
    }
    /* INTEGER PRIMARY KEY is the rowid unless SQLite made an index for it (its "INTEGER PRIMARY KEY DESC" case) */
    if (primary == 1 && !indexed && base_fold_compare(columns[alias].declared_type, "INTEGER") == 0) {
        columns[alias].is_rowid_alias = true;
        key[0] = alias;
    } else {
        key[0] = source->column_count;
        columns[source->column_count] =
            (struct source_column){.name = table->rowid_name == NULL ? "" : table->rowid_name,
                                   .declared_type = "INTEGER",
                                   .collation = "BINARY",
                                   .affinity = AFFINITY_INTEGER,
                                   .not_null = true,
                                   .is_rowid = true};
        source->column_count++;
        if (table->rowid_name == NULL) {
            source->unmirrored_reason = "its columns hide the rowid by their names (rowid, _rowid_ and oid)";
        }
    }
    source->key_columns = key;
    source->key_count = 1;
    source->key_is_integer = true;
}

static void schema_primary_key(struct load *load, struct oltp_table_schema *table)
{
    struct source_table *source = &table->table.source;
    uint32_t count = 0;
    for (uint32_t i = 0; i < source->column_count; i++) {
        count += table->primary_position[i] > 0;
    }
    uint32_t *key = load_alloc(load, count + 1, sizeof *key);
    if (load->status != RHEI_OK) {
        return;
    }
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (table->primary_position[i] > 0 && table->primary_position[i] <= count) {
            key[table->primary_position[i] - 1] = i;
        }
    }
    source->key_columns = key;
    source->key_count = count;
    if (count == 0) {
        source->unmirrored_reason = "it has no usable key";
    }
    /* the primary key's own index stays in the list only if equal keys may differ in their bytes */
    struct oltp_index *indexes = (struct oltp_index *)table->indexes;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->index_count; i++) {
        if (!indexes[i].is_primary || schema_key_is_loose(&indexes[i], source)) {
            indexes[kept++] = indexes[i];
        }
    }
    table->index_count = kept;
}

/* Unique keys for the router, before the mirror's own key is taken out of the list. */
static void schema_unique_keys(struct load *load, struct oltp_table_schema *table)
{
    const int32_t **keys = load_alloc(load, table->index_count + 1, sizeof *keys);
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->index_count && load->status == RHEI_OK; i++) {
        const struct oltp_index *index = &table->indexes[i];
        bool plain =
            !index->partial && index->column_count <= 64 && !(index->is_primary && table->table.source.without_rowid);
        for (uint32_t k = 0; k < index->column_count && plain; k++) {
            plain = index->columns[k] >= 0;
        }
        int32_t *key = plain ? load_alloc(load, index->column_count + 1, sizeof *key) : NULL;
        if (key != NULL) {
            memcpy(key, index->columns, index->column_count * sizeof *key);
            key[index->column_count] = -1;
            keys[count++] = key;
        }
    }
    table->table.unique_keys = keys;
    table->table.unique_key_count = count;
}

/* ---- Triggers. --------------------------------------------------------------------------------------------------- */

static void load_triggers(struct load *load, struct oltp_table_schema *table)
{
    const char *name = table->table.source.name;
    struct oltp_trigger_text *triggers = load_alloc(load, OLTP_TRIGGERS_MAX + 1, sizeof *triggers);
    sqlite3_stmt *stmt = load_prepare(
        load, "SELECT name, sql FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE", name);
    uint32_t count = 0;
    while (load_step(load, stmt)) {
        const char *trigger = (const char *)sqlite3_column_text(stmt, 0);
        if (trigger != NULL && strncmp(trigger, OLTP_TRIGGER, strlen(OLTP_TRIGGER)) == 0) {
            if (count <= OLTP_TRIGGERS_MAX) {
                triggers[count].name = load_text(load, sqlite3_column_text(stmt, 0));
                triggers[count].sql = load_text(load, sqlite3_column_text(stmt, 1));
                count++;
            }
        } else {
            table->exposed = true;
        }
    }
    sqlite3_finalize(stmt);
    table->triggers = triggers;
    table->trigger_count = count;
}

/* A foreign key that acts on other rows lets their triggers run between a change here and our AFTER trigger. */
static void load_parents(struct load *load)
{
    sqlite3_stmt *stmt = load_prepare(load,
                                      "SELECT DISTINCT f.\"table\" FROM main.sqlite_master AS s, "
                                      "pragma_foreign_key_list(s.name, 'main') AS f WHERE s.type = 'table' AND "
                                      "(f.on_update IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR "
                                      "f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT'))",
                                      NULL);
    while (load_step(load, stmt)) {
        struct oltp_table_schema *parent = oltp_schema_find(load->schema, (const char *)sqlite3_column_text(stmt, 0));
        if (parent != NULL) {
            parent->exposed = true;
        }
    }
    sqlite3_finalize(stmt);
}

/* ---- Tables. ----------------------------------------------------------------------------------------------------- */

static void schema_signature(struct load *load, struct oltp_table_schema *table)
{
    const struct source_table *source = &table->table.source;
    struct base_buffer text = {0};
    base_buffer_format(&text, "%s%s;", source->without_rowid ? "W" : "R", table->table.strict ? "S" : "");
    base_buffer_identifier(&text, source->name);
    for (uint32_t i = 0; i < source->column_count; i++) {
        const struct source_column *column = &source->columns[i];
        base_buffer_char(&text, ';');
        base_buffer_identifier(&text, column->name);
        base_buffer_identifier(&text, column->declared_type);
        base_buffer_identifier(&text, column->collation);
        base_buffer_format(&text, "%d%d%d%d%u", column->not_null, column->is_rowid_alias, column->is_rowid,
                           column->generated, column->is_rowid ? 0 : table->primary_position[i]);
    }
    table->signature = load_text(load, (const unsigned char *)(text.data == NULL ? "" : text.data));
    if (text.failed) {
        load_fail(load, error_no_memory(load->error));
    }
    base_buffer_reset(&text);
}

static int64_t load_estimate(struct load *load, const struct oltp_table_schema *table)
{
    const struct source_table *source = &table->table.source;
    if (source->without_rowid || table->rowid_name == NULL) {
        return -1;
    }
    struct base_buffer sql = {0};
    base_buffer_format(&sql, "SELECT (SELECT max(%s) FROM main.", table->rowid_name);
    base_buffer_identifier(&sql, source->name);
    base_buffer_format(&sql, ") - (SELECT min(%s) FROM main.", table->rowid_name);
    base_buffer_identifier(&sql, source->name);
    base_buffer_text(&sql, ") + 1");
    int64_t rows = -1;
    if (!sql.failed) {
        oltp_query_int(load->connection, sql.data, 0, &rows, NULL);
    }
    base_buffer_reset(&sql);
    return rows < 0 ? -1 : rows;
}

static void load_table(struct load *load, struct oltp_table_schema *table)
{
    struct source_table *source = &table->table.source;
    load_columns(load, table);
    load_indexes(load, table);
    schema_find_rowid_name(table);
    schema_unique_keys(load, table);
    if (load->status != RHEI_OK) {
        return;
    }
    if (source->unmirrored_reason == NULL) {
        if (source->without_rowid) {
            schema_primary_key(load, table);
        } else {
            schema_rowid_key(load, table, (struct source_column *)source->columns);
        }
    }
    if (source->unmirrored_reason == NULL && source->column_count > OLTP_LOG_MAX_COLUMNS) {
        source->unmirrored_reason = "it has more columns than the change log can hold (1,900)";
    }
    load_triggers(load, table);
    schema_signature(load, table);
    source->estimated_rows = source->unmirrored_reason == NULL ? load_estimate(load, table) : -1;
}

static void load_tables(struct load *load)
{
    struct oltp_schema *schema = load->schema;
    int64_t count = 0;
    load_fail(load, oltp_query_int(load->connection, "SELECT count(*) FROM main.sqlite_master WHERE type = 'table'", 0,
                                   &count, load->error));
    schema->tables = load_alloc(load, (size_t)count + 1, sizeof *schema->tables);
    sqlite3_stmt *stmt = load_prepare(load,
                                      "SELECT s.name, t.type, t.wr, t.strict FROM main.sqlite_master AS s JOIN "
                                      "pragma_table_list(s.name) AS t ON t.schema = 'main' WHERE s.type = 'table' AND "
                                      "s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY s.name",
                                      NULL);
    uint32_t i = 0;
    while (load_step(load, stmt) && i < count) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        const char *type = (const char *)sqlite3_column_text(stmt, 1);
        if (name == NULL || strncmp(name, OLTP_PREFIX, strlen(OLTP_PREFIX)) == 0) {
            schema->has_log |= name != NULL && strcmp(name, OLTP_LOG) == 0;
            continue;
        }
        struct oltp_table_schema *table = &schema->tables[i++];
        table->table.source.name = load_text(load, (const unsigned char *)name);
        table->table.source.without_rowid = sqlite3_column_int(stmt, 2) != 0;
        table->table.strict = sqlite3_column_int(stmt, 3) != 0;
        if (strcmp(type, "virtual") == 0) {
            table->table.source.unmirrored_reason = "it is a virtual table";
        } else if (strcmp(type, "shadow") == 0) {
            table->table.source.unmirrored_reason = "it belongs to a virtual table";
        }
    }
    sqlite3_finalize(stmt);
    schema->catalog.table_count = i;
    for (uint32_t k = 0; k < i && load->status == RHEI_OK; k++) {
        load_table(load, &schema->tables[k]);
    }
}

static void load_views(struct load *load)
{
    int64_t count = 0;
    load_fail(load, oltp_query_int(load->connection, "SELECT count(*) FROM main.sqlite_master WHERE type = 'view'", 0,
                                   &count, load->error));
    struct oltp_view *views = load_alloc(load, (size_t)count + 1, sizeof *views);
    sqlite3_stmt *stmt =
        load_prepare(load, "SELECT name, sql FROM main.sqlite_master WHERE type = 'view' ORDER BY name", NULL);
    uint32_t i = 0;
    while (load_step(load, stmt) && i < count) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        if (name == NULL || strncmp(name, OLTP_PREFIX, strlen(OLTP_PREFIX)) != 0) {
            views[i].name = load_text(load, sqlite3_column_text(stmt, 0));
            views[i].sql = load_text(load, sqlite3_column_text(stmt, 1));
            i++;
        }
    }
    sqlite3_finalize(stmt);
    load->schema->catalog.views = views;
    load->schema->catalog.view_count = i;
}

/* ---- The whole. -------------------------------------------------------------------------------------------------- */

rhei_status oltp_schema_load(struct oltp_connection *connection, struct oltp_schema **result, struct rhei_error *error)
{
    *result = NULL;
    struct oltp_schema *schema = base_alloc_zero(1, sizeof *schema);
    if (schema == NULL) {
        return error_no_memory(error);
    }
    atomic_init(&schema->references, 1);
    bool own = sqlite3_get_autocommit(connection->db) != 0;
    struct load load = {.connection = connection, .schema = schema, .error = error, .status = RHEI_OK};
    if (own) {
        load_fail(&load, oltp_exec(connection, "BEGIN", error));
    }
    load_tables(&load);
    load_parents(&load);
    load_views(&load);
    load_fail(&load, oltp_query_int(connection, "PRAGMA main.schema_version", 0, &schema->cookie, error));
    if (schema->has_log) {
        int64_t columns = 0;
        load_fail(&load,
                  oltp_query_int(connection, "SELECT count(*) - 4 FROM pragma_table_info('" OLTP_LOG "', 'main')", 0,
                                 &columns, error));
        schema->log_columns = columns < 0 ? 0 : (uint32_t)columns;
    }
    if (own) {
        oltp_exec(connection, "COMMIT", NULL);
    }
    if (load.status != RHEI_OK) {
        oltp_schema_release(schema);
        return load.status;
    }
    *result = schema;
    return RHEI_OK;
}

void oltp_schema_release(struct oltp_schema *schema)
{
    if (schema != NULL && atomic_fetch_sub_explicit(&schema->references, 1, memory_order_acq_rel) == 1) {
        oltp_arena_reset(&schema->arena);
        base_free(schema);
    }
}

struct oltp_table_schema *oltp_schema_find(struct oltp_schema *schema, const char *name)
{
    for (uint32_t i = 0; name != NULL && i < schema->catalog.table_count; i++) {
        if (base_fold_compare(schema->tables[i].table.source.name, name) == 0) {
            return &schema->tables[i];
        }
    }
    return NULL;
}
