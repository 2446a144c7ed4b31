/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the file, and why some of them can't be followed.
 *
 * The key is the PRIMARY KEY, or the columns of a unique index that the settings name. A hidden rowid is none: VACUUM may give
 * rows other numbers.
 */
#include "sqlite_internal.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"

struct reading {
    const struct sqlite_file *file;
    sqlite3 *db;
    struct sqlite_tables *tables;
    struct poll_table *table; /* that is being described */
    bool *rowids;             /* of it */
    struct source_column *columns;
    const struct poll_wanted *settings; /* of it; NULL: there are none */
    bool without_rowid, strict;
    struct rhei_error *error;
};

static rhei_status fail(const struct reading *reading, int code)
{
    return sqlite_error_of(reading->file, reading->db, code, reading->error);
}

static rhei_status prepare(const struct reading *reading, const char *sql, const char *text, sqlite3_stmt **stmt)
{
    int code = sqlite3_prepare_v2(reading->db, sql, -1, stmt, NULL);
    if (code == SQLITE_OK && text != NULL)
        code = sqlite3_bind_text(*stmt, 1, text, -1, SQLITE_STATIC);
    return code == SQLITE_OK ? RHEI_OK : fail(reading, code);
}

static const char *column_text(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return text == NULL ? "" : text;
}

/* "TEXT" anywhere in the type, and so on, in SQLite's own order (datatype3.html, 3.1). */
static uint8_t affinity_of(const char *type, bool strict)
{
    static const struct {
        const char *word;
        uint8_t affinity;
    } words[] = {{"INT", AFFINITY_INTEGER}, {"CHAR", AFFINITY_TEXT}, {"CLOB", AFFINITY_TEXT}, {"TEXT", AFFINITY_TEXT},
                 {"BLOB", AFFINITY_BLOB},   {"REAL", AFFINITY_REAL}, {"FLOA", AFFINITY_REAL}, {"DOUB", AFFINITY_REAL}};
    if (type[0] == '\0' || (strict && base_fold_compare(type, "ANY") == 0))
        return AFFINITY_BLOB;
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
        size_t len = strlen(words[w].word);
        for (const char *at = type; strlen(at) >= len; at++)
            if (base_fold_equal(at, len, words[w].word, len))
                return words[w].affinity;
    }
    return AFFINITY_NUMERIC;
}

/* `why` lives as long as the table does; the first reason counts. */
static rhei_status refuse(struct reading *reading, const char *why)
{
    if (reading->table->definition.unmirrored_reason == NULL)
        reading->table->definition.unmirrored_reason = why;
    return RHEI_OK;
}

/* The setting names a column that there isn't. */
static rhei_status refuse_column(struct reading *reading, const char *setting, const char *name)
{
    struct base_buffer text = {0};
    base_buffer_format(&text, "%s: it has no column \"%.60s\"", setting, name);
    const char *copy = text.failed ? NULL : base_arena_text(&reading->tables->arena, text.data);
    base_buffer_reset(&text);
    return copy == NULL ? error_no_memory(reading->error) : refuse(reading, copy);
}

static int64_t find_column(const struct reading *reading, const char *name)
{
    for (uint32_t c = 0; c < reading->table->definition.column_count; c++)
        if (base_fold_compare(reading->columns[c].name, name) == 0)
            return c;
    return -1;
}

/* ---- Columns. ---------------------------------------------------------------------------------------------------- */

static bool is_among(const char *name, const char *const *names, size_t count)
{
    bool found = false;
    for (size_t i = 0; i < count && !found; i++)
        found = base_fold_compare(names[i], name) == 0;
    return found;
}

/* Columns that looks need are there whatever the settings choose. */
static bool is_wanted(const struct reading *reading, const char *name, bool in_key)
{
    const struct poll_wanted *settings = reading->settings;
    const char *gone = reading->file->config.wishes.soft_delete;
    if (settings == NULL || settings->column_count == 0 || in_key ||
        is_among(name, settings->columns, settings->column_count))
        return true;
    if (is_among(name, settings->key, settings->key_count) || (gone != NULL && base_fold_compare(gone, name) == 0))
        return true;
    const char *const stamps[] = {settings->updated_at == NULL ? "updated_at" : settings->updated_at,
                                  settings->created_at == NULL ? "" : settings->created_at};
    return !reading->file->config.snapshot && is_among(name, stamps, 2);
}

static bool add_column(struct reading *reading, sqlite3_stmt *stmt, uint32_t *primary)
{
    struct base_arena *arena = &reading->tables->arena;
    struct source_table *definition = &reading->table->definition;
    struct source_column *column = &reading->columns[definition->column_count];
    const char *collation = NULL, *name = column_text(stmt, 1);
    int pk = sqlite3_column_int(stmt, 5), hidden = sqlite3_column_int(stmt, 6);
    if (base_fold_compare(name, "_rowid_") == 0) /* which hides the one that isn't a column */
        *reading->rowids = false;
    if (hidden == 1 || !is_wanted(reading, name, pk > 0))
        return true;
    if (sqlite3_table_column_metadata(reading->db, "main", definition->name, name, NULL, &collation, NULL, NULL,
                                      NULL) != SQLITE_OK)
        collation = "BINARY";
    *column = (struct source_column){.name = base_arena_text(arena, name),
                                     .declared_type = base_arena_text(arena, column_text(stmt, 2)),
                                     .collation = base_arena_text(arena, collation),
                                     .not_null = sqlite3_column_int(stmt, 3) != 0,
                                     .generated = hidden > 1};
    if (column->name == NULL || column->declared_type == NULL || column->collation == NULL)
        return false;
    column->affinity = affinity_of(column->declared_type, reading->strict);
    if (pk > 0 && pk <= POLL_KEYS_MOST)
        primary[pk - 1] = definition->column_count + 1;
    definition->column_count++;
    return true;
}

static rhei_status read_columns(struct reading *reading, uint32_t *primary)
{
    struct source_table *definition = &reading->table->definition;
    sqlite3_stmt *stmt = NULL;
    int columns = 0, code = SQLITE_ROW;
    rhei_status status = prepare(reading, "SELECT count(*) FROM pragma_table_xinfo(?1)", definition->name, &stmt);
    if (status == RHEI_OK && sqlite3_step(stmt) == SQLITE_ROW)
        columns = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    stmt = NULL;
    reading->columns = base_arena_zero(&reading->tables->arena, (size_t)columns + 1, sizeof *reading->columns);
    definition->columns = reading->columns;
    if (status == RHEI_OK && reading->columns == NULL)
        status = error_no_memory(reading->error);
    if (status == RHEI_OK)
        status = prepare(reading, "SELECT * FROM pragma_table_xinfo(?1)", definition->name, &stmt);
    while (status == RHEI_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW)
        if (!add_column(reading, stmt, primary))
            status = error_no_memory(reading->error);
    sqlite3_finalize(stmt);
    return status == RHEI_OK && code != SQLITE_DONE ? fail(reading, code) : status;
}

/* ---- Keys. ------------------------------------------------------------------------------------------------------- */

/* The columns of a unique index are the chosen ones, in any order. */
static rhei_status is_index_of(struct reading *reading, const char *index, const uint32_t *keys, uint32_t count,
                               bool *is_it)
{
    sqlite3_stmt *stmt = NULL;
    uint32_t found = 0, columns = 0;
    rhei_status status = prepare(reading, "SELECT name FROM pragma_index_info(?1)", index, &stmt);
    while (status == RHEI_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        columns++;
        for (uint32_t k = 0; k < count; k++)
            found += base_fold_compare(reading->columns[keys[k]].name, column_text(stmt, 0)) == 0;
    }
    sqlite3_finalize(stmt);
    *is_it = *is_it || (found == count && columns == count);
    return status;
}

static rhei_status is_unique(struct reading *reading, const uint32_t *keys, uint32_t count, const uint32_t *primary,
                             bool *unique)
{
    sqlite3_stmt *stmt = NULL;
    uint32_t found = 0, columns = 0;
    for (; columns < POLL_KEYS_MOST && primary[columns] != 0; columns++)
        for (uint32_t k = 0; k < count; k++)
            found += primary[columns] == keys[k] + 1;
    *unique = found == count && columns == count;
    rhei_status status = prepare(reading, "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial",
                                 reading->table->definition.name, &stmt);
    while (status == RHEI_OK && !*unique && sqlite3_step(stmt) == SQLITE_ROW)
        status = is_index_of(reading, column_text(stmt, 0), keys, count, unique);
    sqlite3_finalize(stmt);
    return status;
}

static rhei_status choose_key(struct reading *reading, uint32_t *keys, const uint32_t *primary)
{
    const struct poll_wanted *settings = reading->settings;
    struct source_table *definition = &reading->table->definition;
    bool unique = true;
    definition->key_columns = keys;
    if (settings == NULL || settings->key_count == 0) {
        while (definition->key_count < POLL_KEYS_MOST && primary[definition->key_count] != 0) {
            keys[definition->key_count] = primary[definition->key_count] - 1;
            definition->key_count++;
        }
        if (definition->key_count == 0)
            return refuse(reading, "it has no PRIMARY KEY: name the columns of a unique index as its primary_key");
        return RHEI_OK;
    }
    for (size_t k = 0; k < settings->key_count && k < POLL_KEYS_MOST; k++) {
        int64_t column = find_column(reading, settings->key[k]);
        if (column < 0)
            return refuse_column(reading, "primary_key", settings->key[k]);
        keys[definition->key_count++] = (uint32_t)column;
    }
    rhei_status status = is_unique(reading, keys, definition->key_count, primary, &unique);
    if (status == RHEI_OK && !unique)
        status = refuse(reading, "primary_key: neither the PRIMARY KEY nor a unique index is of these columns, so rows "
                                 "may share them");
    return status;
}

/* An INTEGER PRIMARY KEY is the rowid under a name. */
static void settle_rowid(struct reading *reading, const uint32_t *primary)
{
    struct source_table *definition = &reading->table->definition;
    definition->without_rowid = true;
    if (definition->key_count != 1 || primary[1] != 0 || primary[0] != definition->key_columns[0] + 1)
        return;
    struct source_column *column = &reading->columns[definition->key_columns[0]];
    if (reading->without_rowid || base_fold_compare(column->declared_type, "INTEGER") != 0)
        return;
    column->is_rowid_alias = true;
    definition->key_is_integer = true;
    definition->without_rowid = false;
}

/* ---- What looks go by. ------------------------------------------------------------------------------------------- */

static void add_stamp(struct poll_table *table, int64_t column)
{
    bool there = false;
    for (uint32_t s = 0; s < table->stamp_count; s++)
        there = there || table->stamps[s] == (uint32_t)column;
    if (!there && table->stamp_count < POLL_STAMPS_MOST)
        table->stamps[table->stamp_count++] = (uint32_t)column;
}

static rhei_status choose_stamps(struct reading *reading)
{
    const struct poll_wanted *settings = reading->settings;
    const char *updated = settings == NULL || settings->updated_at == NULL ? "updated_at" : settings->updated_at;
    int64_t column = find_column(reading, updated);
    if (column < 0 && settings != NULL && settings->updated_at != NULL)
        return refuse_column(reading, "updated_at_column", updated);
    if (column < 0)
        return refuse(reading, "it has no column updated_at: name its updated_at_column, or take mode \"snapshot\"");
    add_stamp(reading->table, column);
    if (settings != NULL && settings->created_at != NULL) {
        column = find_column(reading, settings->created_at);
        if (column < 0)
            return refuse_column(reading, "created_at_column", settings->created_at);
        add_stamp(reading->table, column);
    }
    return RHEI_OK;
}

/* A deletion may come with a time of its own, which finds it as a stamp does. */
static void choose_gone(struct reading *reading)
{
    const char *name = reading->file->config.wishes.soft_delete;
    int64_t column = name == NULL ? -1 : find_column(reading, name);
    reading->table->gone = (int32_t)column;
    if (column >= 0 && !reading->file->config.snapshot)
        add_stamp(reading->table, column);
    if (column < 0)
        reading->table->unseen =
            poll_unseen(&reading->file->config.wishes, reading->file->config.snapshot, &reading->tables->arena);
}

static rhei_status has_index(struct reading *reading, const struct source_column *column, bool *has)
{
    static const char sql[] = "SELECT 1 FROM pragma_index_list(?1) l JOIN pragma_index_info(l.name) i ON i.seqno = 0"
                              " WHERE NOT l.partial AND i.name = ?2 COLLATE NOCASE";
    sqlite3_stmt *stmt = NULL;
    *has = column->is_rowid_alias;
    rhei_status status = prepare(reading, sql, reading->table->definition.name, &stmt);
    if (status == RHEI_OK && sqlite3_bind_text(stmt, 2, column->name, -1, SQLITE_STATIC) == SQLITE_OK)
        *has = *has || sqlite3_step(stmt) == SQLITE_ROW;
    sqlite3_finalize(stmt);
    return status;
}

/* Without memory nothing is advised. */
static rhei_status advise(struct reading *reading)
{
    struct poll_table *table = reading->table;
    rhei_status status = RHEI_OK;
    for (uint32_t s = 0; s < table->stamp_count && table->advice == NULL && status == RHEI_OK; s++) {
        struct base_buffer text = {0};
        const char *name = reading->columns[table->stamps[s]].name;
        bool has = false;
        status = has_index(reading, &reading->columns[table->stamps[s]], &has);
        if (has || status != RHEI_OK)
            continue;
        base_buffer_format(&text,
                           "no index begins with its column \"%s\", so every look that finds a commit reads the "
                           "whole table: an index on ",
                           name);
        base_buffer_identifier(&text, table->definition.name);
        base_buffer_text(&text, " (");
        base_buffer_identifier(&text, name);
        base_buffer_text(&text, ") at the source makes it quick");
        table->advice = text.failed ? NULL : base_arena_text(&reading->tables->arena, text.data);
        base_buffer_reset(&text);
    }
    return status;
}

static rhei_status estimate(struct reading *reading)
{
    struct source_table *definition = &reading->table->definition;
    struct base_buffer sql = {0};
    sqlite3_stmt *stmt = NULL;
    definition->estimated_rows = -1;
    if (!definition->key_is_integer)
        return RHEI_OK;
    base_buffer_text(&sql, "SELECT (SELECT max(rowid) FROM main.");
    base_buffer_identifier(&sql, definition->name);
    base_buffer_text(&sql, ") - (SELECT min(rowid) FROM main.");
    base_buffer_identifier(&sql, definition->name);
    base_buffer_text(&sql, ")");
    rhei_status status = sql.failed ? error_no_memory(reading->error) : prepare(reading, sql.data, NULL, &stmt);
    if (status == RHEI_OK && sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_INTEGER)
        definition->estimated_rows = sqlite3_column_int64(stmt, 0) + 1;
    sqlite3_finalize(stmt);
    base_buffer_reset(&sql);
    return status;
}

/* ---- One table, and all. ----------------------------------------------------------------------------------------- */

static const char *kind_problem(const char *kind)
{
    if (strcmp(kind, "view") == 0)
        return "it is a view, which has no rows of its own: name the tables that it reads";
    if (strcmp(kind, "virtual") == 0)
        return "it is a virtual table, whose rows only its own program can read";
    return NULL;
}

static rhei_status check_columns(struct reading *reading)
{
    const struct poll_wanted *settings = reading->settings;
    rhei_status status = RHEI_OK;
    for (size_t c = 0; settings != NULL && c < settings->column_count && status == RHEI_OK; c++)
        if (find_column(reading, settings->columns[c]) < 0)
            status = refuse_column(reading, "columns", settings->columns[c]);
    return status;
}

/* Makes it the one that is being described. */
static rhei_status add_table(struct reading *reading, const char *name)
{
    struct sqlite_tables *tables = reading->tables;
    if (!base_grow((void **)&tables->list, &tables->capacity, tables->count + 1, sizeof *tables->list) ||
        !base_grow((void **)&tables->rowids, &tables->rowid_capacity, tables->count + 1, sizeof *tables->rowids))
        return error_no_memory(reading->error);
    reading->rowids = &tables->rowids[tables->count];
    *reading->rowids = !reading->without_rowid;
    reading->table = &tables->list[tables->count++];
    *reading->table = (struct poll_table){
        .definition = {.name = base_arena_text(&tables->arena, name), .estimated_rows = -1}, .gone = -1};
    return reading->table->definition.name == NULL ? error_no_memory(reading->error) : RHEI_OK;
}

static rhei_status describe(struct reading *reading, const char *name, const char *kind)
{
    uint32_t primary[POLL_KEYS_MOST + 1] = {0}; /* column + 1, in the order of the key */
    uint32_t *keys = base_arena_zero(&reading->tables->arena, POLL_KEYS_MOST, sizeof *keys);
    if (keys == NULL)
        return error_no_memory(reading->error);
    rhei_status status = add_table(reading, name);
    if (status != RHEI_OK)
        return status;
    struct source_table *definition = &reading->table->definition;
    definition->key_columns = keys;
    if (kind_problem(kind) != NULL)
        return refuse(reading, kind_problem(kind));
    status = read_columns(reading, primary);
    if (status == RHEI_OK)
        status = check_columns(reading);
    if (status == RHEI_OK)
        status = choose_key(reading, keys, primary);
    settle_rowid(reading, primary);
    if (status == RHEI_OK && !reading->file->config.snapshot)
        status = choose_stamps(reading);
    choose_gone(reading);
    if (status == RHEI_OK && definition->unmirrored_reason == NULL)
        status = advise(reading);
    return status == RHEI_OK && definition->unmirrored_reason == NULL ? estimate(reading) : status;
}

static const struct poll_wanted *settings_of(const struct sqlite_file *file, const char *name)
{
    for (size_t t = 0; t < file->config.wishes.table_count; t++)
        if (base_fold_compare(file->config.wishes.tables[t].name, name) == 0)
            return &file->config.wishes.tables[t];
    return NULL;
}

static bool is_listed(const struct sqlite_tables *tables, const char *name)
{
    bool listed = false;
    for (size_t t = 0; t < tables->count && !listed; t++)
        listed = base_fold_compare(tables->list[t].definition.name, name) == 0;
    return listed;
}

/* What the settings name and the file hasn't got. */
static rhei_status tell_absent(struct reading *reading)
{
    rhei_status status = RHEI_OK;
    for (size_t t = 0; t < reading->file->config.wishes.table_count && status == RHEI_OK; t++) {
        const char *name = reading->file->config.wishes.tables[t].name;
        if (is_listed(reading->tables, name))
            continue;
        status = add_table(reading, name);
        if (status == RHEI_OK)
            status = refuse(reading, "the source has no such table: it is followed once it is made");
    }
    return status;
}

rhei_status sqlite_tables_read(const struct sqlite_file *file, sqlite3 *db, struct sqlite_tables *tables,
                               struct rhei_error *error)
{
    static const char sql[] =
        "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow'"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_rhei\\_%' ESCAPE '\\' ORDER BY name";
    struct reading reading = {.file = file, .db = db, .tables = tables, .error = error};
    sqlite3_stmt *stmt = NULL;
    int code = SQLITE_ROW;
    base_arena_reset(&tables->arena);
    tables->count = 0;
    rhei_status status = prepare(&reading, sql, NULL, &stmt);
    while (status == RHEI_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = column_text(stmt, 0), *kind = column_text(stmt, 1);
        reading.settings = settings_of(file, name);
        if (reading.settings == NULL && (file->config.wishes.table_count > 0 || strcmp(kind, "table") != 0))
            continue;
        reading.without_rowid = sqlite3_column_int(stmt, 2) != 0;
        reading.strict = sqlite3_column_int(stmt, 3) != 0;
        status = describe(&reading, name, kind);
    }
    sqlite3_finalize(stmt);
    if (status == RHEI_OK && code != SQLITE_DONE)
        status = fail(&reading, code);
    return status == RHEI_OK ? tell_absent(&reading) : status;
}

void sqlite_tables_reset(struct sqlite_tables *tables)
{
    base_arena_reset(&tables->arena);
    base_free(tables->list);
    base_free(tables->rowids);
    *tables = (struct sqlite_tables){0};
}
