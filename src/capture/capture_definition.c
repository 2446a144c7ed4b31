/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table or view as the schema describes it: columns, keys, unique indexes, triggers.
 *
 * D1. A definition follows from the texts of its objects alone (and from how SQLite lists the table), so while they stay the
 *     same it is shared, never read again: a schema change costs what it changed.
 */
#include "capture/capture_definition.h"

#include <stdio.h>
#include <string.h>

void capture_definer_init(struct capture_definer *definer, struct oltp_connection *connection, struct rhei_error *error)
{
    *definer = (struct capture_definer){.connection = connection, .error = error, .status = RHEI_OK};
}

void capture_definer_reset(struct capture_definer *definer)
{
    sqlite3_stmt **statements[] = {&definer->columns, &definer->indexes, &definer->index_columns, &definer->parents};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        sqlite3_finalize(*statements[i]);
        *statements[i] = NULL;
    }
}

static void define_fail(struct capture_definer *definer, rhei_status status)
{
    if (definer->status == RHEI_OK)
        definer->status = status;
}

static void *define_alloc(struct capture_definer *definer, size_t count, size_t size)
{
    void *place = base_arena_zero(definer->arena, count, size);
    if (place == NULL)
        define_fail(definer, error_no_memory(definer->error));
    return place;
}

static const char *define_text(struct capture_definer *definer, const unsigned char *text)
{
    char *copy = base_arena_text(definer->arena, (const char *)text);
    if (copy == NULL) {
        define_fail(definer, error_no_memory(definer->error));
        return "";
    }
    return copy;
}

/* The kept statement, reset and bound to `name`; NULL after a failure. */
static sqlite3_stmt *define_ask(struct capture_definer *definer, sqlite3_stmt **kept, const char *sql, const char *name)
{
    if (definer->status != RHEI_OK)
        return NULL;
    int rc = SQLITE_OK;
    if (*kept == NULL)
        rc = sqlite3_prepare_v2(definer->connection->db, sql, -1, kept, NULL);
    sqlite3_reset(*kept);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(*kept, 1, name, -1, SQLITE_STATIC);
    if (rc != SQLITE_OK) {
        define_fail(definer, oltp_sqlite_error(definer->connection, rc, NULL, definer->error));
        return NULL;
    }
    return *kept;
}

static bool define_step(struct capture_definer *definer, sqlite3_stmt *stmt)
{
    if (stmt == NULL || definer->status != RHEI_OK)
        return false;
    int rc = sqlite3_step(stmt);
    if (rc != SQLITE_ROW) {
        if (rc != SQLITE_DONE)
            define_fail(definer, oltp_sqlite_error(definer->connection, rc, NULL, definer->error));
        sqlite3_reset(stmt);
    }
    return rc == SQLITE_ROW;
}

/* One more item of `size` bytes in a growing array; NULL after a failure. */
static void *define_grow(struct capture_definer *definer, void **items, uint32_t count, size_t size)
{
    if ((count & (count - 1)) == 0) { /* full at each power of two */
        void *grown = base_realloc(*items, (count == 0 ? 1 : (size_t)count * 2) * size);
        if (grown == NULL) {
            define_fail(definer, error_no_memory(definer->error));
            return NULL;
        }
        *items = grown;
    }
    void *item = (char *)*items + (size_t)count * size;
    memset(item, 0, size);
    return item;
}

/* The array moves into the definition, with `spare` more items of zeroes. */
static void *define_keep(struct capture_definer *definer, void *items, uint32_t count, size_t size, uint32_t spare)
{
    void *kept = define_alloc(definer, (size_t)count + spare, size);
    if (kept != NULL && count > 0)
        memcpy(kept, items, count * size);
    base_free(items);
    return kept;
}

static bool text_has(const char *text, const char *word)
{
    size_t len = strlen(word);
    for (; *text != '\0'; text++)
        if (base_fold_equal(text, strnlen(text, len), word, len))
            return true;
    return false;
}

/* https://www.sqlite.org/datatype3.html, section 3.1, and https://www.sqlite.org/stricttables.html for ANY */
static uint8_t define_affinity(const char *type, bool strict)
{
    if (strict && base_fold_compare(type, "ANY") == 0)
        return AFFINITY_BLOB;
    if (text_has(type, "INT"))
        return AFFINITY_INTEGER;
    if (text_has(type, "CHAR") || text_has(type, "CLOB") || text_has(type, "TEXT"))
        return AFFINITY_TEXT;
    if (type[0] == '\0' || text_has(type, "BLOB"))
        return AFFINITY_BLOB;
    if (text_has(type, "REAL") || text_has(type, "FLOA") || text_has(type, "DOUB"))
        return AFFINITY_REAL;
    return AFFINITY_NUMERIC;
}

/* ---- Columns. ---------------------------------------------------------------------------------------------------- */

struct define_column {
    struct source_column column;
    const char *fallback;
    uint32_t primary;
};

static void define_column_read(struct capture_definer *definer, const struct capture_table_schema *table,
                               sqlite3_stmt *stmt, struct define_column *at)
{
    struct source_column *column = &at->column;
    column->name = define_text(definer, sqlite3_column_text(stmt, 0));
    column->declared_type = define_text(definer, sqlite3_column_text(stmt, 1));
    column->affinity = define_affinity(column->declared_type, table->table.strict);
    column->not_null = sqlite3_column_int(stmt, 2) != 0;
    at->fallback =
        sqlite3_column_type(stmt, 3) == SQLITE_NULL ? NULL : define_text(definer, sqlite3_column_text(stmt, 3));
    at->primary = (uint32_t)sqlite3_column_int(stmt, 4);
    column->generated = sqlite3_column_int(stmt, 5) != 0;
    const char *collation = NULL;
    sqlite3_table_column_metadata(definer->connection->db, "main", table->table.source.name, column->name, NULL,
                                  &collation, NULL, NULL, NULL);
    column->collation = define_text(definer, (const unsigned char *)(collation == NULL ? "BINARY" : collation));
}

static void define_columns(struct capture_definer *definer, struct capture_table_schema *table)
{
    struct source_table *source = &table->table.source;
    sqlite3_stmt *stmt = define_ask(
        definer, &definer->columns,
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1",
        source->name);
    void *items = NULL;
    uint32_t count = 0;
    while (define_step(definer, stmt)) {
        struct define_column *at = define_grow(definer, &items, count, sizeof *at);
        if (at != NULL) {
            define_column_read(definer, table, stmt, at);
            count++;
        }
    }
    const struct define_column *read = items;
    /* one more for the hidden rowid */
    struct source_column *columns = define_alloc(definer, (size_t)count + 1, sizeof *columns);
    const char **defaults = define_alloc(definer, (size_t)count + 1, sizeof *defaults);
    uint32_t *primary = define_alloc(definer, (size_t)count + 1, sizeof *primary);
    for (uint32_t i = 0; i < count && definer->status == RHEI_OK; i++) {
        columns[i] = read[i].column;
        defaults[i] = read[i].fallback;
        primary[i] = read[i].primary;
    }
    base_free(items);
    source->columns = columns;
    source->column_count = count;
    table->defaults = defaults;
    table->primary_position = primary;
}

static int32_t define_find_column(const struct source_table *source, const char *name)
{
    for (uint32_t i = 0; i < source->column_count; i++)
        if (base_fold_compare(source->columns[i].name, name) == 0)
            return (int32_t)i;
    return -1;
}

/* ---- Indexes. ---------------------------------------------------------------------------------------------------- */

static void define_index_columns(struct capture_definer *definer, struct capture_index *index)
{
    int32_t *columns = define_alloc(definer, 64, sizeof *columns);
    const char **collations = define_alloc(definer, 64, sizeof *collations);
    sqlite3_stmt *stmt =
        define_ask(definer, &definer->index_columns,
                   "SELECT cid, coll FROM pragma_index_xinfo(?1, 'main') WHERE \"key\" ORDER BY seqno", index->name);
    uint32_t i = 0;
    while (define_step(definer, stmt)) {
        if (i < 64) {
            columns[i] = sqlite3_column_int(stmt, 0);
            collations[i] = define_text(definer, sqlite3_column_text(stmt, 1));
        }
        i++;
    }
    index->columns = columns;
    index->collations = collations;
    index->column_count = i;
}

static const char *define_index_sql(const struct capture_definition *definition, const char *name)
{
    for (uint32_t i = 0; i < definition->object_count; i++) {
        const struct capture_object *object = &definition->objects[i];
        if (object->type == CAPTURE_OBJECT_INDEX && base_fold_compare(object->name, name) == 0)
            return object->sql;
    }
    return NULL;
}

static void define_indexes(struct capture_definer *definer, const struct capture_definition *definition,
                           struct capture_table_schema *table)
{
    sqlite3_stmt *stmt = define_ask(definer, &definer->indexes,
                                    "SELECT name, origin, partial, \"unique\" FROM pragma_index_list(?1, 'main') "
                                    "ORDER BY name",
                                    table->table.source.name);
    void *items = NULL;
    uint32_t count = 0;
    while (define_step(definer, stmt)) {
        table->any_index = true;
        if (sqlite3_column_int(stmt, 3) == 0)
            continue;
        struct capture_index *index = define_grow(definer, &items, count, sizeof *index);
        if (index != NULL) {
            index->name = define_text(definer, sqlite3_column_text(stmt, 0));
            index->is_primary = sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 1), "pk") == 0;
            index->partial = sqlite3_column_int(stmt, 2) != 0;
            index->sql = define_index_sql(definition, index->name);
            count++;
        }
    }
    struct capture_index *indexes = define_keep(definer, items, count, sizeof *indexes, 1);
    for (uint32_t i = 0; i < count && definer->status == RHEI_OK; i++)
        define_index_columns(definer, &indexes[i]);
    table->indexes = indexes;
    table->index_count = indexes == NULL ? 0 : count;
}

/* True if two values that SQLite finds equal in this key may differ in their bytes. */
static bool define_key_is_loose(const struct capture_index *index, const struct source_table *source)
{
    for (uint32_t i = 0; i < index->column_count; i++) {
        uint8_t affinity = index->columns[i] < 0 ? AFFINITY_BLOB : source->columns[index->columns[i]].affinity;
        if (base_fold_compare(index->collations[i], "BINARY") != 0 || affinity == AFFINITY_BLOB)
            return true;
    }
    return false;
}

/* ---- Keys. ------------------------------------------------------------------------------------------------------- */

static void define_find_rowid_name(struct capture_table_schema *table)
{
    static const char *const names[] = {"rowid", "_rowid_", "oid"};
    for (size_t i = 0; i < 3 && table->rowid_name == NULL; i++)
        if (define_find_column(&table->table.source, names[i]) < 0)
            table->rowid_name = names[i];
}

static void define_rowid_key(struct capture_definer *definer, struct capture_table_schema *table,
                             struct source_column *columns)
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
    for (uint32_t i = 0; i < table->index_count; i++)
        indexed |= table->indexes[i].is_primary;
    uint32_t *key = define_alloc(definer, 1, sizeof *key);
    if (definer->status != RHEI_OK)
        return;
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
        table->declared_count = primary;
        for (uint32_t i = 0; i < key[0]; i++)
            columns[i].in_primary_key = table->primary_position[i] > 0;
        if (table->rowid_name == NULL)
            source->unmirrored_reason = "its columns hide the rowid by their names (rowid, _rowid_ and oid)";
    }
    source->key_columns = key;
    source->key_count = 1;
    source->key_is_integer = true;
}

static void define_primary_key(struct capture_definer *definer, struct capture_table_schema *table)
{
    struct source_table *source = &table->table.source;
    uint32_t count = 0;
    for (uint32_t i = 0; i < source->column_count; i++)
        count += table->primary_position[i] > 0;
    uint32_t *key = define_alloc(definer, count + 1, sizeof *key);
    if (definer->status != RHEI_OK)
        return;
    for (uint32_t i = 0; i < source->column_count; i++)
        if (table->primary_position[i] > 0 && table->primary_position[i] <= count)
            key[table->primary_position[i] - 1] = i;
    source->key_columns = key;
    source->key_count = count;
    if (count == 0)
        source->unmirrored_reason = "it has no usable key";
    /* the primary key's own index stays in the list only if equal keys may differ in their bytes */
    struct capture_index *indexes = (struct capture_index *)table->indexes;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->index_count; i++)
        if (!indexes[i].is_primary || define_key_is_loose(&indexes[i], source))
            indexes[kept++] = indexes[i];
    table->index_count = kept;
}

/* Unique keys for the router, before the mirror's own key is taken out of the list. */
static void define_unique_keys(struct capture_definer *definer, struct capture_table_schema *table)
{
    const int32_t **keys = define_alloc(definer, table->index_count + 1, sizeof *keys);
    uint32_t count = 0;
    for (uint32_t i = 0; i < table->index_count && definer->status == RHEI_OK; i++) {
        const struct capture_index *index = &table->indexes[i];
        bool plain =
            !index->partial && index->column_count <= 64 && !(index->is_primary && table->table.source.without_rowid);
        for (uint32_t k = 0; k < index->column_count && plain; k++)
            plain = index->columns[k] >= 0;
        int32_t *key = plain ? define_alloc(definer, index->column_count + 1, sizeof *key) : NULL;
        if (key != NULL) {
            memcpy(key, index->columns, index->column_count * sizeof *key);
            key[index->column_count] = -1;
            keys[count++] = key;
        }
    }
    table->table.unique_keys = keys;
    table->table.unique_key_count = count;
}

/* ---- Triggers and foreign keys. ---------------------------------------------------------------------------------- */

/* Triggers of others; ours are not among the objects. */
static bool define_has_trigger(const struct capture_definition *definition)
{
    for (uint32_t i = 0; i < definition->object_count; i++)
        if (definition->objects[i].type == CAPTURE_OBJECT_TRIGGER)
            return true;
    return false;
}

/* A foreign key that acts on other rows lets their triggers run between a change there and its AFTER trigger. */
static void define_parents(struct capture_definer *definer, struct capture_definition *definition)
{
    if (definition->main->sql == NULL || !text_has(definition->main->sql, "REFERENCES"))
        return;
    sqlite3_stmt *stmt = define_ask(definer, &definer->parents,
                                    "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list(?1, 'main') WHERE "
                                    "on_update IN ('CASCADE', 'SET NULL', 'SET DEFAULT') OR "
                                    "on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT')",
                                    definition->name);
    void *items = NULL;
    uint32_t count = 0;
    while (define_step(definer, stmt)) {
        const char **parent = define_grow(definer, &items, count, sizeof *parent);
        if (parent != NULL) {
            *parent = define_text(definer, sqlite3_column_text(stmt, 0));
            count++;
        }
    }
    definition->acts_on = define_keep(definer, items, count, sizeof(char *), 1);
    definition->acts_on_count = definition->acts_on == NULL ? 0 : count;
}

/* ---- The table. -------------------------------------------------------------------------------------------------- */

static void define_signature(struct capture_definer *definer, struct capture_table_schema *table)
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
    table->signature = define_text(definer, (const unsigned char *)(text.data == NULL ? "" : text.data));
    if (text.failed)
        define_fail(definer, error_no_memory(definer->error));
    base_buffer_reset(&text);
}

static int64_t define_estimate(struct capture_definer *definer, const struct capture_table_schema *table)
{
    const struct source_table *source = &table->table.source;
    if (source->without_rowid || table->rowid_name == NULL)
        return -1;
    struct base_buffer sql = {0};
    base_buffer_format(&sql, "SELECT (SELECT max(%s) FROM main.", table->rowid_name);
    base_buffer_identifier(&sql, source->name);
    base_buffer_format(&sql, ") - (SELECT min(%s) FROM main.", table->rowid_name);
    base_buffer_identifier(&sql, source->name);
    base_buffer_text(&sql, ") + 1");
    int64_t rows = -1;
    if (!sql.failed)
        oltp_query_int(definer->connection, sql.data, 0, &rows, NULL);
    base_buffer_reset(&sql);
    return rows < 0 ? -1 : rows;
}

static bool define_has_index(const struct capture_definition *definition)
{
    for (uint32_t i = 0; i < definition->object_count; i++)
        if (definition->objects[i].type == CAPTURE_OBJECT_INDEX)
            return true;
    return false;
}

/* Columns and indexes. A table that SQLite can't read here (its module is another program's) is set aside, alone (C7). */
static void define_shape(struct capture_definer *definer, struct capture_definition *definition)
{
    struct capture_table_schema *table = &definition->table;
    struct rhei_error *error = definer->error, own = RHEI_ERROR_INIT;
    definer->error = &own;
    define_columns(definer, table);
    if (table->table.source.without_rowid || define_has_index(definition))
        define_indexes(definer, definition, table);
    definer->error = error;
    if (definer->status == RHEI_SQL) {
        char reason[320];
        snprintf(reason, sizeof reason, "its columns can't be read here: %.250s", own.message);
        definer->status = RHEI_OK;
        table->table.source.unmirrored_reason = define_text(definer, (const unsigned char *)reason);
        table->table.source.column_count = 0;
        table->index_count = 0;
    } else if (definer->status != RHEI_OK && error != NULL) {
        *error = own;
    }
}

static void define_table(struct capture_definer *definer, struct capture_definition *definition,
                         const struct capture_table_kind *kind)
{
    struct capture_table_schema *table = &definition->table;
    struct source_table *source = &table->table.source;
    source->name = definition->name;
    source->without_rowid = kind->without_rowid;
    table->table.strict = kind->strict;
    table->sql = definition->main->sql;
    source->unmirrored_reason = kind->is_virtual  ? "it is a virtual table"
                                : kind->is_shadow ? "it belongs to a virtual table"
                                                  : NULL;
    define_shape(definer, definition);
    if (definer->status != RHEI_OK)
        return;
    define_find_rowid_name(table);
    define_unique_keys(definer, table);
    if (definer->status == RHEI_OK && source->unmirrored_reason == NULL) {
        if (source->without_rowid)
            define_primary_key(definer, table);
        else
            define_rowid_key(definer, table, (struct source_column *)source->columns);
    }
    if (source->unmirrored_reason == NULL && source->column_count > CAPTURE_LOG_MAX_COLUMNS)
        source->unmirrored_reason = "it has more columns than the change log can hold (1,900)";
    table->exposed = define_has_trigger(definition);
    define_parents(definer, definition);
    define_signature(definer, table);
    source->estimated_rows = source->unmirrored_reason == NULL ? define_estimate(definer, table) : -1;
}

static void define_objects(struct capture_definer *definer, struct capture_definition *definition,
                           const struct capture_object *objects, uint32_t count)
{
    struct capture_object *copy = define_alloc(definer, count, sizeof *copy);
    for (uint32_t i = 0; i < count && definer->status == RHEI_OK; i++) {
        copy[i] = objects[i];
        copy[i].name = define_text(definer, (const unsigned char *)objects[i].name);
        copy[i].sql = objects[i].sql == NULL ? NULL : define_text(definer, (const unsigned char *)objects[i].sql);
        if (copy[i].type == CAPTURE_OBJECT_TABLE || copy[i].type == CAPTURE_OBJECT_VIEW)
            definition->main = &copy[i];
        definition->fails |=
            copy[i].type == CAPTURE_OBJECT_TRIGGER && copy[i].sql != NULL && text_has(copy[i].sql, "FAIL");
    }
    definition->objects = copy;
    definition->object_count = count;
}

struct capture_definition *capture_definition_new(struct capture_definer *definer, const struct capture_object *objects,
                                                  uint32_t count, const struct capture_table_kind *kind)
{
    struct capture_definition *definition = base_alloc_zero(1, sizeof *definition);
    if (definition == NULL) {
        define_fail(definer, error_no_memory(definer->error));
        return NULL;
    }
    atomic_init(&definition->references, 1);
    definition->arena.first_block = 1024;
    BASE_INVARIANT(definer->arena == NULL && count > 0);
    definer->arena = &definition->arena;
    define_objects(definer, definition, objects, count);
    if (definer->status == RHEI_OK && definition->main != NULL) {
        definition->name = definition->main->name;
        definition->hash = capture_name_hash(definition->name, strlen(definition->name));
        definition->table.definition = definition;
        if (definition->main->type == CAPTURE_OBJECT_TABLE)
            define_table(definer, definition, kind);
    }
    definer->arena = NULL;
    if (definer->status != RHEI_OK || definition->main == NULL) {
        capture_definition_release(definition);
        return NULL;
    }
    return definition;
}

void capture_definition_release(struct capture_definition *definition)
{
    if (definition != NULL && atomic_fetch_sub_explicit(&definition->references, 1, memory_order_acq_rel) == 1) {
        base_arena_reset(&definition->arena);
        base_free(definition);
    }
}

struct capture_own *capture_own_new(const struct capture_object *triggers, uint32_t count)
{
    struct capture_own *own = base_alloc_zero(1, sizeof *own);
    if (own == NULL)
        return NULL;
    atomic_init(&own->references, 1);
    own->arena.first_block = 1024;
    struct capture_object *copy = base_arena_zero(&own->arena, count, sizeof *copy);
    bool ok = copy != NULL;
    for (uint32_t i = 0; ok && i < count; i++) {
        copy[i] = triggers[i];
        copy[i].name = base_arena_text(&own->arena, triggers[i].name);
        copy[i].sql = base_arena_text(&own->arena, triggers[i].sql);
        ok = copy[i].name != NULL && copy[i].sql != NULL;
    }
    own->triggers = copy;
    own->trigger_count = count;
    if (!ok) {
        capture_own_release(own);
        return NULL;
    }
    return own;
}

void capture_own_release(struct capture_own *own)
{
    if (own != NULL && atomic_fetch_sub_explicit(&own->references, 1, memory_order_acq_rel) == 1) {
        base_arena_reset(&own->arena);
        base_free(own);
    }
}

/* ---- What keeps them. -------------------------------------------------------------------------------------------- */

struct capture_shelf *capture_shelf_new(struct capture_shelf *below, uint32_t definitions, uint32_t owns)
{
    struct capture_shelf *shelf =
        base_alloc_zero(1, sizeof *shelf + (size_t)definitions * sizeof(void *) + (size_t)owns * sizeof(void *));
    if (shelf == NULL) {
        capture_shelf_release(below);
        return NULL;
    }
    atomic_init(&shelf->references, 1);
    shelf->below = below;
    shelf->depth = below == NULL ? 0 : below->depth + 1;
    shelf->definitions = (struct capture_definition **)(shelf + 1);
    shelf->owns = (struct capture_own **)(shelf->definitions + definitions);
    return shelf;
}

void capture_shelf_release(struct capture_shelf *shelf)
{
    while (shelf != NULL && atomic_fetch_sub_explicit(&shelf->references, 1, memory_order_acq_rel) == 1) {
        struct capture_shelf *below = shelf->below;
        for (uint32_t i = 0; i < shelf->definition_count; i++)
            capture_definition_release(shelf->definitions[i]);
        for (uint32_t i = 0; i < shelf->own_count; i++)
            capture_own_release(shelf->owns[i]);
        base_arena_reset(&shelf->reasons);
        base_free(shelf);
        shelf = below;
    }
}

uint64_t capture_name_hash(const char *name, size_t len)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a over the folded bytes */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        c = c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
        hash = (hash ^ c) * 1099511628211u;
    }
    return hash ^ hash >> 29;
}
