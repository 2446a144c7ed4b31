/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rhei's own tables: which versions of which tables are captured, and what stands beside that.
 *
 * R1. A number is given once, whatever is removed: _rhei_meta keeps the highest that was ever removed.
 * R2. What somebody else's program dropped is made again by whoever looks first. Then the file gets a new identity, so that every
 *     engine on it builds its mirror anew: nobody knows what happened meanwhile.
 *     So is what had its place taken by something else, and what others put on our tables (an index, a trigger: both can make
 *     everybody's writes fail) is taken off, if the file is one that Rhei prepared: at least two of the four tables are ours.
 * R3. A table is released only by name (wanted = 0). An engine without auto_register adds nothing, and takes nothing away.
 * R4. What the identity was before that is kept in _rhei_meta, under CAPTURE_WAS and its text: the past of a mirror that bears it is this file's
 *     (capture_source_was). Where it went with _rhei_meta itself, CAPTURE_WAS alone says so.
 * R5. Which table it is its origin says: a number drawn with its first version, so that no older copy of the file gives it again. It goes from
 *     version to version by the triggers (or, where our own ALTER took them off, by the b-tree), and not by the name, which another table may
 *     have by now. It is what `live` is; 1 is a version from before there were origins, whose number (below 0) stands for it, and 0 one that is none any more.
 * R6. A log that is made again goes on beyond every number that the lost one can have given: rows that nobody read went with it, and with DROP TABLE no
 *     trigger fires. So its numbers are those of a clock from there on, microseconds since 1970, of which no log gives as many as pass; and where a
 *     clock went back, or a log was lost before, still far more than any log holds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture_internal.h"

rhei_status capture_registry_check(struct oltp_connection *connection, struct rhei_error *error)
{
    int64_t version = 0;
    rhei_status status =
        oltp_query_int(connection, "SELECT value FROM main._rhei_meta WHERE key='version'", 0, &version, error);
    if (status == RHEI_OK && version > CAPTURE_FORMAT_VERSION) {
        return error_set(error, RHEI_TOO_NEW,
                         "the database was prepared by a newer Rhei (format %" PRId64
                         ", this one knows %d): use that version",
                         version, CAPTURE_FORMAT_VERSION);
    }
    return status;
}

/* One of our names, and what our table of that name has. */
struct registry_shape {
    const char *name, *columns;
};

static const struct registry_shape registry_shapes[] = {
    {OLTP_LOG, "seq, time, op, tab, c1"},
    {"_rhei_meta", "key, value"},
    {"_rhei_tables", "id, name, signature, columns, live, wanted"},
    {"_rhei_engines", "id, position, seen_ms"},
    {"_rhei_consumers", "name, position, seen_ms, keep_ms"},
};

enum { REGISTRY_SHAPES = sizeof registry_shapes / sizeof registry_shapes[0] };
enum registry_found { REGISTRY_NOTHING, REGISTRY_OURS, REGISTRY_TABLE, REGISTRY_OTHER };

/* SQLite's code. */
static int registry_look(sqlite3 *db, const struct registry_shape *shape, enum registry_found *found)
{
    struct base_buffer sql = {0};
    sqlite3_stmt *stmt = NULL;
    base_buffer_format(&sql, "SELECT min(type = 'table') FROM main.sqlite_schema WHERE name = '%s' COLLATE NOCASE",
                       shape->name);
    int rc = sql.failed ? SQLITE_NOMEM : sqlite3_prepare_v2(db, sql.data, -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    bool any = rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL;
    *found = !any ? REGISTRY_NOTHING : sqlite3_column_int64(stmt, 0) == 0 ? REGISTRY_OTHER : REGISTRY_TABLE;
    sqlite3_finalize(stmt);
    base_buffer_reset(&sql);
    if (rc == SQLITE_ROW && *found == REGISTRY_TABLE) {
        stmt = NULL;
        base_buffer_format(&sql, "SELECT %s FROM main.%s", shape->columns, shape->name);
        if (sql.failed || sqlite3_prepare_v2(db, sql.data, -1, &stmt, NULL) == SQLITE_OK)
            *found = REGISTRY_OURS;
        sqlite3_finalize(stmt);
        base_buffer_reset(&sql);
    }
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static rhei_status registry_find(struct oltp_connection *connection, const struct registry_shape *shape,
                                 enum registry_found *found, struct rhei_error *error)
{
    int rc = registry_look(connection->db, shape, found);
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
}

int capture_registry_stranger(sqlite3 *db, const char **name, const char **kind)
{
    enum registry_found found[REGISTRY_SHAPES] = {REGISTRY_NOTHING};
    size_t ours = 0;
    int rc = SQLITE_OK;
    *name = *kind = NULL;
    for (size_t i = 0; i < REGISTRY_SHAPES && rc == SQLITE_OK; i++) {
        rc = registry_look(db, &registry_shapes[i], &found[i]);
        ours += found[i] == REGISTRY_OURS;
    }
    for (size_t i = 0; i < REGISTRY_SHAPES && rc == SQLITE_OK && ours < 2 && *name == NULL; i++) {
        if (found[i] > REGISTRY_OURS) {
            *name = registry_shapes[i].name;
            *kind = found[i] == REGISTRY_OTHER ? "view, index or trigger" : "table";
        }
    }
    return rc;
}

rhei_status capture_registry_check_names(struct oltp_connection *connection, struct rhei_error *error)
{
    const char *name = NULL, *kind = NULL;
    int rc = capture_registry_stranger(connection->db, &name, &kind);
    if (rc != SQLITE_OK)
        return oltp_sqlite_error(connection, rc, NULL, error);
    return name == NULL ? RHEI_OK
                        : error_set(error, RHEI_EXISTS,
                                    "the file has a %s named %s that isn't Rhei's: names that begin with %s are its "
                                    "own; drop or rename it, or open without capture (read_only, capture_if_present)",
                                    kind, name, OLTP_PREFIX);
}

rhei_status capture_registry_is_captured(struct oltp_connection *connection, bool *captured, struct rhei_error *error)
{
    int64_t triggers = 0;
    size_t ours = 0;
    enum registry_found found[REGISTRY_SHAPES] = {REGISTRY_NOTHING};
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < REGISTRY_SHAPES && status == RHEI_OK; i++) {
        status = registry_find(connection, &registry_shapes[i], &found[i], error);
        ours += found[i] == REGISTRY_OURS;
    }
    if (status == RHEI_OK && found[0] == REGISTRY_NOTHING && ours < 2) /* R2 */
        status = oltp_query_int(connection,
                                "SELECT count(*) FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB "
                                "'" CAPTURE_TRIGGER "[0-9]*' AND instr(sql, '" OLTP_LOG "') > 0",
                                0, &triggers, error);
    *captured = found[0] == REGISTRY_OURS || ours >= 2 || triggers > 0;
    return status;
}

/* ---- Taking back what others took. ------------------------------------------------------------------------------- */

/* "DROP ...;" of everything that has one of our names and another type, or is on one of our tables and not ours. */
static rhei_status registry_list_foreign(struct oltp_connection *connection, struct base_buffer *drops,
                                         struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        connection->db,
        "WITH own(name, type) AS (VALUES('" OLTP_LOG "', 'table'), ('_rhei_meta', 'table'), ('_rhei_tables', 'table'), "
        "('_rhei_engines', 'table'), ('_rhei_consumers', 'table'), ('_rhei_tables_name', 'index'), "
        "('_rhei_cdc_events', 'view'), ('" CAPTURE_GUARD_DELETE "', 'trigger'), ('" CAPTURE_GUARD_UPDATE
        "', 'trigger')) "
        "SELECT s.type, s.name FROM main.sqlite_schema AS s LEFT JOIN own ON own.name = s.name COLLATE NOCASE "
        "WHERE (own.type IS NOT NULL AND own.type IS NOT s.type) OR (own.type IS NULL AND s.sql IS NOT NULL AND "
        "s.type IN ('index', 'trigger') AND lower(s.tbl_name) IN (SELECT name FROM own))",
        -1, &stmt, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        base_buffer_format(drops, "DROP %s IF EXISTS main.", (const char *)sqlite3_column_text(stmt, 0));
        base_buffer_identifier(drops, (const char *)sqlite3_column_text(stmt, 1));
        base_buffer_char(drops, ';');
        rc = SQLITE_OK;
    }
    rhei_status status = rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

static const unsigned registry_bits[REGISTRY_SHAPES] = {CAPTURE_PIECE_LOG, CAPTURE_PIECE_META, CAPTURE_PIECE_TABLES,
                                                        CAPTURE_PIECE_ENGINES, CAPTURE_PIECE_CONSUMERS};

/* A _rhei_meta without it is as good as none. */
static rhei_status registry_know_identity(struct oltp_connection *connection, struct oltp_schema *schema,
                                          struct rhei_error *error)
{
    int64_t has = 1;
    rhei_status status = RHEI_OK;
    if ((schema->pieces & CAPTURE_PIECE_META) != 0)
        status = oltp_query_int(connection, "SELECT count(*) FROM main._rhei_meta WHERE key = 'database_id'", 0, &has,
                                error);
    if (has == 0)
        schema->pieces &= ~(unsigned)CAPTURE_PIECE_META;
    return status;
}

rhei_status capture_registry_know(struct oltp_connection *connection, struct oltp_schema *schema,
                                  struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < REGISTRY_SHAPES && status == RHEI_OK; i++) {
        enum registry_found found = REGISTRY_NOTHING;
        if ((schema->pieces & registry_bits[i]) != 0)
            status = registry_find(connection, &registry_shapes[i], &found, error);
        if (found != REGISTRY_OURS)
            schema->pieces &= ~registry_bits[i];
    }
    schema->has_log = schema->has_log && (schema->pieces & CAPTURE_PIECE_LOG) != 0;
    return status == RHEI_OK ? registry_know_identity(connection, schema, error) : status;
}

static rhei_status registry_take_back(struct oltp *oltp, struct oltp_schema *schema, bool *taken,
                                      struct rhei_error *error)
{
    struct base_buffer drops = {0};
    rhei_status status = registry_list_foreign(oltp->writer, &drops, error);
    bool wrong = false;
    if (status == RHEI_OK && drops.len > 0)
        status = drops.failed ? error_no_memory(error) : oltp_exec(oltp->writer, drops.data, error);
    *taken = drops.len > 0;
    base_buffer_reset(&drops);
    for (size_t i = 0; i < REGISTRY_SHAPES && status == RHEI_OK; i++) {
        enum registry_found found = REGISTRY_NOTHING;
        status = registry_find(oltp->writer, &registry_shapes[i], &found, error);
        if (status == RHEI_OK && found == REGISTRY_TABLE) { /* one that has other columns */
            status = oltp_execf(oltp->writer, error, "DROP TABLE main.%s", registry_shapes[i].name);
            wrong = true;
        }
        if (found != REGISTRY_OURS)
            schema->pieces &= ~registry_bits[i];
    }
    *taken |= wrong;
    if (*taken) {
        schema->pieces &= ~(unsigned)CAPTURE_PIECE_EVENTS; /* it may be what was dropped, or be of a table that was */
        schema->has_log = (schema->pieces & CAPTURE_PIECE_LOG) != 0;
        schema->log_columns = schema->has_log ? schema->log_columns : 0;
        schema->pieces &= schema->has_log ? CAPTURE_PIECES : ~(unsigned)CAPTURE_PIECE_GUARD;
        base_log_write(oltp->config.log, BASE_LOG_WARN, "capture",
                       "another program put something of its own in the place of Rhei's tables, or on them: it was "
                       "taken out");
    }
    return status;
}

/* ---- Making. ----------------------------------------------------------------------------------------------------- */

static const char registry_tables[] =
    "CREATE TABLE IF NOT EXISTS main._rhei_meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT OR IGNORE INTO main._rhei_meta VALUES('version', 1), ('database_id', hex(randomblob(16))), "
    "('schema_cookie', -1);"
    "CREATE TABLE IF NOT EXISTS main._rhei_tables(id INTEGER PRIMARY KEY, name TEXT, signature TEXT, columns INTEGER, "
    "live INTEGER, wanted INTEGER);"
    "CREATE INDEX IF NOT EXISTS main._rhei_tables_name ON _rhei_tables(name);"
    "CREATE TABLE IF NOT EXISTS main._rhei_engines(id INTEGER PRIMARY KEY, position INTEGER, seen_ms INTEGER);"
    "CREATE TABLE IF NOT EXISTS main._rhei_consumers(name TEXT PRIMARY KEY, position INTEGER, seen_ms INTEGER, "
    "keep_ms INTEGER) WITHOUT ROWID;";

/* R4. */
static const char new_identity[] =
    "INSERT OR IGNORE INTO main._rhei_meta SELECT '" CAPTURE_WAS "' || value, 1 FROM main._rhei_meta WHERE key = "
    "'database_id';"
    "UPDATE main._rhei_meta SET value = hex(randomblob(16)) WHERE key = 'database_id';";
static const char first_identity[] = "INSERT OR IGNORE INTO main._rhei_meta VALUES('" CAPTURE_WAS "', 1);";

static int64_t registry_highest_of_triggers(const struct oltp_schema *schema)
{
    int64_t highest = 0;
    for (uint32_t i = 0; i < schema->catalog.table_count; i++) {
        const struct capture_table_schema *table = &schema->tables[i];
        for (uint32_t k = 0; k < table->trigger_count; k++) {
            int64_t id = strtoll(table->triggers[k].name + strlen(CAPTURE_TRIGGER), NULL, 10);
            highest = id > highest ? id : highest;
        }
    }
    return highest;
}

/* The last log row that anybody is known to have seen. */
static rhei_status registry_last_seen(struct oltp *oltp, int64_t *last, struct rhei_error *error)
{
    *last = 0;
    rhei_status status =
        oltp_query_int(oltp->writer,
                       "SELECT max(position) FROM (SELECT position FROM main._rhei_engines UNION ALL SELECT "
                       "position FROM main._rhei_consumers)",
                       0, last, error);
    int64_t own = atomic_load_explicit(&oltp->position, memory_order_relaxed);
    *last = *last <= CAPTURE_LOG_SEQ_MAX && *last > own ? *last : own;
    return status;
}

/* R6. */
rhei_status capture_registry_beyond(struct oltp *oltp, const struct oltp_schema *schema, bool lost, int64_t *beyond,
                                    struct rhei_error *error)
{
    const int64_t most_unread = INT64_C(1) << 30;
    int64_t last = 0, clock = base_wall_ms() * 1000;
    rhei_status status = registry_last_seen(oltp, &last, error);
    *beyond = last + most_unread > clock ? last + most_unread : clock;
    if (!lost && last == 0 && registry_highest_of_triggers(schema) == 0)
        *beyond = 0;
    return status;
}

/* R1, where others took rows out of the registry: numbers that triggers have are given. */
static rhei_status registry_respect_triggers(struct oltp *oltp, const struct oltp_schema *schema,
                                             struct rhei_error *error)
{
    int64_t highest = registry_highest_of_triggers(schema);
    if (highest == 0 || highest >= UINT32_MAX - 1)
        return RHEI_OK;
    return oltp_execf(oltp->writer, error,
                      "INSERT INTO main._rhei_meta SELECT 'last_table', %" PRId64 " WHERE %" PRId64
                      " > ifnull((SELECT max(id) FROM main._rhei_tables WHERE id < 1 << 31), 0) ON CONFLICT(key) DO "
                      "UPDATE SET value = max(value, excluded.value)",
                      highest, highest);
}

/* The highest number that triggers, log and this handle know, where the registry that gave them is lost. */
static rhei_status registry_last_number(struct oltp *oltp, const struct oltp_schema *schema, int64_t *last,
                                        struct rhei_error *error)
{
    *last = 0;
    rhei_status status = RHEI_OK;
    if ((schema->pieces & CAPTURE_PIECE_LOG) != 0) {
        status = oltp_query_int(oltp->writer, "SELECT max(tab) FROM main." OLTP_LOG " WHERE typeof(tab) = 'integer'", 0,
                                last, error);
    }
    int64_t highest = registry_highest_of_triggers(schema);
    *last = highest > *last ? highest : *last;
    struct oltp_schema *known = capture_schema_hold(oltp);
    for (uint32_t i = 0; known != NULL && i < known->catalog.table_count; i++) {
        int64_t id = known->tables[i].number;
        *last = id > *last ? id : *last;
    }
    capture_schema_release(known);
    return status;
}

rhei_status capture_registry_make(struct oltp *oltp, struct oltp_schema *schema, bool by_others, bool *lost,
                                  struct rhei_error *error)
{
    unsigned needed = CAPTURE_PIECE_META | CAPTURE_PIECE_TABLES | CAPTURE_PIECE_INDEX | CAPTURE_PIECE_ENGINES |
                      CAPTURE_PIECE_CONSUMERS;
    unsigned identity = CAPTURE_PIECE_META | CAPTURE_PIECE_TABLES | CAPTURE_PIECE_LOG;
    int64_t last = 0;
    rhei_status status = RHEI_OK;
    bool taken = false, bare = false;
    if (schema->pieces != 0 && by_others)
        status = registry_take_back(oltp, schema, &taken, error);
    if (status == RHEI_OK && by_others)
        status = capture_guard_was_taken(oltp->writer, schema, &bare, error);
    if (status == RHEI_OK && by_others)
        status = registry_know_identity(oltp->writer, schema, error);
    *lost = taken || bare || (schema->pieces != 0 && (schema->pieces & identity) != identity);
    if (status == RHEI_OK && (schema->pieces & CAPTURE_PIECE_META) != 0)
        status = capture_registry_check(oltp->writer, error);
    if (status == RHEI_OK && by_others && (schema->pieces & needed) == needed && !*lost)
        status = registry_respect_triggers(oltp, schema, error);
    if (status != RHEI_OK || ((schema->pieces & needed) == needed && !*lost))
        return status;
    bool numbers_lost = (schema->pieces & CAPTURE_PIECE_TABLES) == 0;
    bool was_known = (schema->pieces & CAPTURE_PIECE_META) != 0;
    if (numbers_lost)
        status = registry_last_number(oltp, schema, &last, error);
    if (status == RHEI_OK)
        status = oltp_exec(oltp->writer, registry_tables, error);
    if (status == RHEI_OK && numbers_lost && last > 0 && last < UINT32_MAX - 1) {
        status = oltp_execf(oltp->writer, error,
                            "INSERT INTO main._rhei_meta VALUES('last_table', %" PRId64
                            ") ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)",
                            last);
    }
    if (status == RHEI_OK && *lost) {
        base_log_write(
            oltp->config.log, BASE_LOG_WARN, "capture",
            "tables of change capture were dropped by another program: they are made again, and all mirrors of this "
            "database are built anew");
        status = oltp_exec(oltp->writer, was_known ? new_identity : first_identity, error);
    }
    if ((schema->pieces & CAPTURE_PIECE_ENGINES) == 0 && atomic_load(&capture_of(oltp)->engine_active))
        oltp_seen_due(oltp);
    schema->pieces |= needed;
    return status;
}

/* ---- Reading. ---------------------------------------------------------------------------------------------------- */

/* R5. */
static int64_t registry_origin_of(int64_t id, int64_t live)
{
    return live == 1 ? -id : live;
}

static rhei_status registry_read_row(struct capture_registry *registry, sqlite3_stmt *stmt, struct rhei_error *error)
{
    struct capture_registry_row *row = base_arena_zero(&registry->arena, 1, sizeof *row);
    const char *name = (const char *)sqlite3_column_text(stmt, 1);
    if (row == NULL)
        return error_no_memory(error);
    row->id = sqlite3_column_int64(stmt, 0);
    row->name = base_arena_text(&registry->arena, name);
    row->signature = base_arena_text(&registry->arena, (const char *)sqlite3_column_text(stmt, 2));
    row->live = sqlite3_column_int64(stmt, 3) != 0;
    row->origin = registry_origin_of(row->id, sqlite3_column_int64(stmt, 3));
    row->wanted = sqlite3_column_type(stmt, 4) == SQLITE_NULL ? -1 : sqlite3_column_int(stmt, 4) != 0;
    if (row->name == NULL || row->signature == NULL ||
        !base_map_put(registry->newest, row->name, strlen(row->name), row, NULL))
        return error_no_memory(error);
    if (row->live) {
        row->next = registry->live;
        registry->live = row;
    }
    return RHEI_OK;
}

rhei_status capture_registry_read(struct capture_registry *registry, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    rhei_status status = RHEI_OK;
    BASE_INVARIANT(registry->newest == NULL && registry->live == NULL);
    registry->newest = base_map_new(false);
    if (registry->newest == NULL)
        return error_no_memory(error);
    int rc = sqlite3_prepare_v2(registry->connection->db,
                                "SELECT id, name, signature, live, wanted FROM main._rhei_tables ORDER BY id", -1,
                                &stmt, NULL);
    while (rc == SQLITE_OK && status == RHEI_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        status = registry_read_row(registry, stmt, error);
        rc = SQLITE_OK;
    }
    if (status == RHEI_OK && rc != SQLITE_DONE)
        status = oltp_sqlite_error(registry->connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

void capture_registry_reset(struct capture_registry *registry)
{
    base_map_free(&registry->newest);
    base_arena_reset(&registry->arena);
    sqlite3_finalize(registry->find);
    sqlite3_finalize(registry->add);
    registry->find = NULL;
    registry->add = NULL;
    registry->live = NULL;
}

static rhei_status registry_ask(struct capture_registry *registry, const struct capture_table_schema *table,
                                struct capture_registered *found, struct rhei_error *error)
{
    int rc = SQLITE_OK;
    if (registry->find == NULL) {
        rc = sqlite3_prepare_v2(
            registry->connection->db,
            "SELECT id, signature = ?2, live, wanted FROM main._rhei_tables WHERE name = ?1 ORDER BY id DESC LIMIT 1",
            -1, &registry->find, NULL);
    }
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(registry->find, 1, table->table.source.name, -1, SQLITE_STATIC);
        sqlite3_bind_text(registry->find, 2, table->signature, -1, SQLITE_STATIC);
        rc = sqlite3_step(registry->find);
        if (rc == SQLITE_ROW) {
            found->wanted =
                sqlite3_column_type(registry->find, 3) == SQLITE_NULL ? -1 : sqlite3_column_int(registry->find, 3) != 0;
            int64_t live = sqlite3_column_int64(registry->find, 2);
            if (live != 0) {
                found->id = sqlite3_column_int64(registry->find, 0);
                found->origin = registry_origin_of(found->id, live);
                found->same = sqlite3_column_int(registry->find, 1) != 0;
            }
        }
    }
    rhei_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(registry->connection, rc, NULL, error);
    sqlite3_reset(registry->find);
    return status;
}

rhei_status capture_registry_find(struct capture_registry *registry, const struct capture_table_schema *table,
                                  struct capture_registered *found, struct rhei_error *error)
{
    const char *name = table->table.source.name;
    *found = (struct capture_registered){.wanted = -1};
    if (registry->newest == NULL)
        return registry_ask(registry, table, found, error);
    const struct capture_registry_row *row = base_map_find(registry->newest, name, strlen(name));
    if (row != NULL) {
        found->wanted = row->wanted;
        if (row->live) {
            found->id = row->id;
            found->origin = row->origin;
            found->same = strcmp(row->signature, table->signature) == 0;
        }
    }
    return RHEI_OK;
}

/* ---- Writing. ---------------------------------------------------------------------------------------------------- */

rhei_status capture_registry_add(struct capture_registry *registry, const struct capture_table_schema *table,
                                 int wanted, bool live, int64_t *id, struct rhei_error *error)
{
    int rc = SQLITE_OK;
    BASE_INVARIANT(!live || (table->table.source.origin != 0 && table->table.source.origin != 1)); /* R5 */
    if (registry->add == NULL) {
        rc = sqlite3_prepare_v2(
            registry->connection->db,
            "INSERT INTO main._rhei_tables(id, name, signature, columns, live, wanted) SELECT 1 + "
            "max(ifnull((SELECT max(id) FROM main._rhei_tables WHERE id < 1 << 31), 0), ifnull((SELECT CAST(value AS "
            "INTEGER) FROM main._rhei_meta WHERE key = 'last_table'), 0), ?6), ?1, ?2, ?3, ?4, ?5",
            -1, &registry->add, NULL);
    }
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(registry->add, 1, table->table.source.name, -1, SQLITE_STATIC);
        sqlite3_bind_text(registry->add, 2, table->signature, -1, SQLITE_STATIC);
        sqlite3_bind_int64(registry->add, 3, table->table.source.column_count);
        sqlite3_bind_int64(registry->add, 4, live ? table->table.source.origin : 0);
        if (wanted >= 0)
            sqlite3_bind_int(registry->add, 5, wanted);
        else
            sqlite3_bind_null(registry->add, 5);
        /* an older copy of the file that was put back must not give a number again that this handle knows for another table */
        sqlite3_bind_int64(
            registry->add, 6,
            atomic_load_explicit(&capture_of(registry->connection->oltp)->highest_table, memory_order_relaxed));
        rc = sqlite3_step(registry->add);
    }
    *id = sqlite3_last_insert_rowid(registry->connection->db);
    rhei_status status = rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(registry->connection, rc, NULL, error);
    sqlite3_reset(registry->add);
    BASE_INVARIANT(status != RHEI_OK || *id > 0); /* R1 */
    return status;
}

rhei_status capture_registry_origin(struct oltp_connection *connection, const struct capture_table_schema *table,
                                    int64_t *origin, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    *origin = 0;
    if (table->trigger_count == 0)
        return RHEI_OK;
    int rc =
        sqlite3_prepare_v2(connection->db, "SELECT id, live FROM main._rhei_tables WHERE id = ?1", -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_int64(stmt, 1, strtoll(table->triggers[0].name + strlen(CAPTURE_TRIGGER), NULL, 10));
        rc = sqlite3_step(stmt);
    }
    if (rc == SQLITE_ROW) /* of a version that is none any more it isn't known: 0 */
        *origin = registry_origin_of(sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1));
    rhei_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

rhei_status capture_registry_retire(struct oltp *oltp, int64_t id, struct rhei_error *error)
{
    BASE_INVARIANT(sqlite3_get_autocommit(oltp->writer->db) == 0); /* with the triggers, in one transaction */
    atomic_store_explicit(&capture_of(oltp)->registry_grown, true, memory_order_relaxed);
    return oltp_execf(oltp->writer, error, "UPDATE main._rhei_tables SET live = 0 WHERE id = %" PRId64, id);
}

rhei_status capture_registry_retire_named(struct oltp *oltp, const char *name, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    BASE_INVARIANT(sqlite3_get_autocommit(oltp->writer->db) == 0); /* as above */
    int rc = sqlite3_prepare_v2(oltp->writer->db, "UPDATE main._rhei_tables SET live = 0 WHERE name = ?1 AND live", -1,
                                &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
        rc = sqlite3_step(stmt);
    }
    rhei_status status = rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, NULL, error);
    sqlite3_finalize(stmt);
    atomic_store_explicit(&capture_of(oltp)->registry_grown, true, memory_order_relaxed);
    return status;
}

rhei_status capture_registry_trim(struct oltp *oltp, struct rhei_error *error)
{
    /* what was released by name stays in the newest row of that name */
    if (!atomic_exchange_explicit(&capture_of(oltp)->registry_grown, false, memory_order_relaxed))
        return RHEI_OK;
    rhei_status status =
        oltp_exec(oltp->writer,
                  "INSERT INTO main._rhei_meta SELECT 'last_table', ifnull(max(id), 0) FROM main._rhei_tables "
                  "WHERE id < 1 << 31 ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)",
                  error);
    if (status == RHEI_OK) {
        /* what was asked for by name stays, in the newest row of that name */
        status = oltp_exec(oltp->writer,
                           "DELETE FROM main._rhei_tables AS t WHERE NOT live AND id NOT IN (SELECT tab FROM "
                           "main." OLTP_LOG ") AND (wanted IS NULL OR id < (SELECT max(id) FROM main._rhei_tables AS r "
                           "WHERE r.name = t.name))",
                           error);
    }
    return status;
}
