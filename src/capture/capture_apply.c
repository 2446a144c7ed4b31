/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps triggers, log and registry in step with the schema (I5 to I8 of the README). All writing happens within one write
 * transaction of the writer, so other writers find either the old triggers or the new ones, never none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_definition.h"
#include "capture/capture_expression.h"

struct capture {
    struct oltp *oltp;
    struct oltp_connection *connection;
    struct oltp_schema *schema;
    struct capture_registry registry;
    enum capture_cause cause;
    struct rhei_error *error;
    bool may_write;
    bool incomplete; /* something must be written and may_write is false */
    bool moved;      /* others changed the schema: rowids without a name of their own may have moved (VACUUM) */
    bool doubtful; /* others changed it, and what is different doesn't explain all that they did (capture_explain.c) */
    const struct oltp_schema *settled; /* the schema that was settled last, if it is known */
    bool appended;                     /* only what our own DDL did is new */
    bool defers;                       /* new tables wait for their triggers (I12) */
    bool redefines;                    /* the schema isn't what was read any more */
};

static rhei_status apply_exec_buffer(struct capture *capture, struct base_buffer *sql)
{
    capture->redefines = true;
    rhei_status status =
        sql->failed ? error_no_memory(capture->error) : oltp_exec(capture->connection, sql->data, capture->error);
    base_buffer_reset(sql);
    return status;
}

/* ---- Texts of the schema, many at once. ------------------------------------------------------------------------- */

/*
 * CREATE TRIGGER, DROP TRIGGER and ALTER TABLE each walk the whole schema, or read it anew. So where there are many, the rows of
 * sqlite_schema are written as those statements would write them, and the schema is read once.
 */
static rhei_status apply_raw_begin(struct capture *capture)
{
    capture->redefines = true;
    return sqlite3_db_config(capture->connection->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL) == SQLITE_OK
               ? RHEI_OK
               : error_set(capture->error, RHEI_INTERNAL, "SQLite doesn't let its schema be written");
}

/* Has the connection, and all others, read what was written. */
static rhei_status apply_raw_end(struct capture *capture)
{
    int64_t cookie = 0;
    rhei_status status = oltp_query_int(capture->connection, "PRAGMA main.schema_version", 0, &cookie, capture->error);
    rhei_status closed = oltp_exec(capture->connection, "PRAGMA writable_schema=RESET", NULL);
    if (status == RHEI_OK && closed == RHEI_OK) {
        status = oltp_execf(capture->connection, capture->error, "PRAGMA main.schema_version=%" PRId64,
                            (cookie + 1) & INT32_MAX);
    }
    if (status == RHEI_OK) /* a text that SQLite can't read shows itself here */
        status = oltp_exec(capture->connection, "SELECT 1 FROM main.sqlite_master LIMIT 1", capture->error);
    return status == RHEI_OK ? closed : status;
}

static rhei_status apply_raw_run(struct capture *capture, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(capture->connection, rc, "change capture", capture->error);
}

/* ---- The log. ---------------------------------------------------------------------------------------------------- */

static void apply_log_columns(struct base_buffer *sql, uint32_t width)
{
    base_buffer_text(sql, OLTP_LOG "(seq INTEGER PRIMARY KEY, time, op, tab");
    for (uint32_t i = 1; i <= width; i++)
        base_buffer_format(sql, ",c%u", i);
    base_buffer_char(sql, ')');
}

/* A new log goes on where a lost one ended, and its first row leaves a gap, which says that changes are lost. */
static rhei_status apply_make_log(struct capture *capture, uint32_t width)
{
    int64_t last = 0;
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "CREATE TABLE main.");
    apply_log_columns(&sql, width);
    rhei_status status = apply_exec_buffer(capture, &sql);
    if (status == RHEI_OK)
        status = capture_registry_last_seen(capture->oltp, &last, capture->error);
    if (status == RHEI_OK && last > 0) {
        status = oltp_execf(
            capture->connection, capture->error,
            "INSERT INTO main." OLTP_LOG "(seq, time, op, tab) VALUES(%" PRId64 ", " CAPTURE_NOW ", 'L', 0)", last + 2);
    }
    return status;
}

/* More columns, as ALTER TABLE ... ADD COLUMN for each would write them. */
static rhei_status apply_widen(struct capture *capture, uint32_t width)
{
    BASE_INVARIANT(width > capture->schema->log_columns && width <= CAPTURE_LOG_MAX_COLUMNS);
    struct base_buffer sql = {0};
    if (width - capture->schema->log_columns == 1) {
        base_buffer_format(&sql, "ALTER TABLE main." OLTP_LOG " ADD COLUMN c%u;", width);
        return apply_exec_buffer(capture, &sql);
    }
    rhei_status status = apply_raw_begin(capture);
    base_buffer_text(&sql, "UPDATE main.sqlite_master SET sql = 'CREATE TABLE ");
    apply_log_columns(&sql, width);
    base_buffer_text(&sql, "' WHERE type = 'table' AND name = '" OLTP_LOG "'");
    if (status == RHEI_OK)
        status = apply_exec_buffer(capture, &sql);
    base_buffer_reset(&sql);
    rhei_status ended = apply_raw_end(capture);
    return status == RHEI_OK ? ended : status;
}

/* Whose triggers log rows as they were. Before anything asks what a table's rows of the log look like. */
static void apply_mark_kept(struct capture *capture)
{
    const struct oltp_config *config = &capture->oltp->config;
    for (uint32_t i = 0; i < capture_schema_work_count(capture->schema); i++) {
        struct capture_table_schema *table = capture_schema_work(capture->schema, i);
        bool wanted = config->keeps_versions != NULL &&
                      config->keeps_versions(config->versions_context, table->table.source.name);
        table->keeps = capture_keeps(table, wanted);
    }
}

static rhei_status apply_widen_log(struct capture *capture)
{
    uint32_t width = CAPTURE_LOG_MIN_COLUMNS;
    for (uint32_t i = 0; i < capture_schema_work_count(capture->schema); i++) {
        const struct capture_table_schema *table = capture_schema_work(capture->schema, i);
        const struct source_table *source = &table->table.source;
        if ((source->column_count > width || 3 * capture_key_width(table) > width || table->keeps) &&
            source->unmirrored_reason == NULL) {
            uint32_t wanted = capture_log_width(table);
            width = wanted > width ? wanted : width;
        }
    }
    uint32_t have = capture->schema->has_log ? capture->schema->log_columns : 0;
    if (capture->schema->has_log && have >= width)
        return RHEI_OK;
    if (!capture->may_write) {
        capture->incomplete = true;
        return RHEI_OK;
    }
    rhei_status status = capture->schema->has_log ? apply_widen(capture, width) : apply_make_log(capture, width);
    if (status == RHEI_OK) {
        capture->schema->has_log = true;
        capture->schema->log_columns = width;
        capture->schema->pieces |= CAPTURE_PIECE_LOG;
        capture->schema->pieces &= ~(unsigned)CAPTURE_PIECE_EVENTS;
    }
    return status;
}

/* ---- One table. -------------------------------------------------------------------------------------------------- */

static bool apply_keeps(const struct capture_table_schema *table, const char *name)
{
    for (uint32_t k = 0; k < table->trigger_count && k < 32; k++)
        if ((table->kept & 1u << k) != 0 && strcmp(table->triggers[k].name, name) == 0)
            return true;
    return false;
}

/* All but those that are kept. */
static rhei_status apply_drop_triggers(struct capture *capture, struct capture_table_schema *table)
{
    BASE_INVARIANT(sqlite3_get_autocommit(capture->connection->db) == 0); /* I6: old or new, never none */
    struct base_buffer sql = {0};
    table->remade = 1;
    table->remade_after = capture->schema == NULL ? 0 : capture->schema->last_rowid;
    for (uint32_t i = 0; i < table->trigger_count; i++) {
        if (i < 32 && (table->kept & 1u << i) != 0)
            continue;
        base_buffer_text(&sql, "DROP TRIGGER IF EXISTS main.");
        base_buffer_identifier(&sql, table->triggers[i].name);
        base_buffer_char(&sql, ';');
    }
    if (sql.len == 0 && !sql.failed)
        return RHEI_OK;
    rhei_status status = apply_exec_buffer(capture, &sql);
    /* they may have been the last rows, so that new ones stand where they were */
    if (status == RHEI_OK)
        status = oltp_query_int(capture->connection, "SELECT max(rowid) FROM main.sqlite_master", 0,
                                &table->remade_after, capture->error);
    return status;
}

static rhei_status apply_make_triggers(struct capture *capture, const struct capture_table_schema *table,
                                       const struct capture_trigger_set *set)
{
    static const char head[] = "CREATE TRIGGER ";
    BASE_INVARIANT(set->count >= 4 && set->count <= CAPTURE_TRIGGERS_MAX);
    struct base_buffer sql = {0};
    for (uint32_t i = 0; i < set->count; i++) {
        if (apply_keeps(table, set->name[i]))
            continue;
        base_buffer_text(&sql, head);
        base_buffer_text(&sql, "main.");
        base_buffer_text(&sql, set->sql[i] + sizeof head - 1);
        base_buffer_char(&sql, ';');
    }
    return sql.len == 0 && !sql.failed ? RHEI_OK : apply_exec_buffer(capture, &sql);
}

/* The application wants it, whether anybody registers it or not. */
static bool apply_is_wanted(const struct capture *capture, const char *table, const struct capture_registered *found)
{
    /* what is captured stays captured until it is released by name (R3) */
    return found->wanted >= 0 ? found->wanted > 0 : found->id != 0 || capture_is_named(capture->oltp, table);
}

static rhei_status apply_stop(struct capture *capture, struct capture_table_schema *table,
                              const struct capture_registered *found)
{
    if (table->trigger_count == 0 && found->id == 0)
        return RHEI_OK;
    if (!capture->may_write) {
        capture->incomplete = true;
        return RHEI_OK;
    }
    rhei_status status = apply_drop_triggers(capture, table);
    if (status == RHEI_OK && found->id != 0)
        status = capture_registry_retire(capture->oltp, found->id, capture->error);
    return status;
}

/* Rowids that VACUUM may have moved: nothing names them. */
static bool apply_rowids_may_move(const struct capture_table_schema *table)
{
    const struct source_table *source = &table->table.source;
    return !source->without_rowid && !source->columns[source->key_columns[0]].is_rowid_alias;
}

/* Others did something to the schema that may have changed rows without our triggers, here too. */
static bool apply_is_doubtful(const struct capture *capture, const struct capture_table_schema *table)
{
    return capture->moved && table->table.source.unmirrored_reason == NULL &&
           (capture->doubtful || apply_rowids_may_move(table) || capture_schema_altered(capture->settled, table));
}

static rhei_status apply_exclude(struct capture *capture, struct capture_table_schema *table, const char *what,
                                 const struct rhei_error *why)
{
    char reason[320];
    snprintf(reason, sizeof reason, "%s%.250s", what, why->message);
    /* schemas derived from this one have the table as it is */
    table->table.source.unmirrored_reason = base_arena_text(&capture->schema->shelf->reasons, reason);
    return table->table.source.unmirrored_reason == NULL ? error_no_memory(capture->error) : RHEI_OK;
}

/* Only what is wrong with one table; the file's and the moment's troubles are everybody's. */
static bool apply_is_tables_own(rhei_status status)
{
    return status == RHEI_SQL || status == RHEI_TOO_BIG || status == RHEI_UNSUPPORTED;
}

/* A table whose rows this program can't read (functions and collations that it doesn't have) can't be mirrored by it (C7). */
static rhei_status apply_prove_reading(struct capture *capture, const struct capture_table_schema *table,
                                       struct rhei_error *why)
{
    const struct source_table *source = &table->table.source;
    bool doubtful = false;
    for (uint32_t i = 0; i < source->column_count; i++)
        doubtful |= source->columns[i].generated;
    for (uint32_t i = 0; i < source->key_count; i++)
        doubtful |= !capture_collation_is_known(source->columns[source->key_columns[i]].collation);
    return doubtful ? capture_prove_reading(capture->connection, table, why) : RHEI_OK;
}

/* The number under which the table is captured from now on. */
static rhei_status apply_number(struct capture *capture, const struct capture_table_schema *table,
                                const struct capture_registered *found, bool keep_number, int64_t *id)
{
    *id = found->id;
    if (keep_number) {
        BASE_INVARIANT(found->id > 0 && found->same && capture->cause == CAPTURE_BY_US); /* I6 */
        return RHEI_OK;
    }
    rhei_status status = *id == 0 ? RHEI_OK : capture_registry_retire(capture->oltp, *id, capture->error);
    if (status == RHEI_OK)
        status = capture_registry_add(&capture->registry, table, found->wanted, true, id, capture->error);
    return status;
}

static rhei_status apply_renew(struct capture *capture, struct capture_table_schema *table,
                               const struct capture_registered *found, bool keep_number)
{
    int64_t id = 0;
    struct capture_trigger_set set = {0};
    rhei_status status = apply_number(capture, table, found, keep_number, &id);
    if (status == RHEI_OK)
        status = capture_triggers_make(table, (uint32_t)id, &set, capture->error);
    table->kept = status == RHEI_OK && keep_number ? capture_triggers_kept(table, &set) : 0;
    if (status == RHEI_OK)
        status = apply_drop_triggers(capture, table);
    uint32_t before = status == RHEI_OK ? capture_prove_before(capture->connection, table) : 0;
    if (status == RHEI_OK)
        status = apply_make_triggers(capture, table, &set);
    capture_trigger_set_reset(&set);
    if (status == RHEI_OK)
        status = capture_prove_writing(capture->connection, table, before, capture->error);
    table->table.source.id = (uint32_t)id;
    table->table.captured = status == RHEI_OK;
    return status;
}

/* In a savepoint: what can't be done for this table leaves it without capture, and everything else goes on (C7). */
static rhei_status apply_try(struct capture *capture, struct capture_table_schema *table,
                             const struct capture_registered *found, bool keep_number)
{
    struct rhei_error *error = capture->error, why = RHEI_ERROR_INIT;
    rhei_status status = oltp_exec(capture->connection, "SAVEPOINT _rhei_capture", error);
    if (status != RHEI_OK)
        return status;
    capture->error = &why;
    status = apply_renew(capture, table, found, keep_number);
    capture->error = error;
    if (status == RHEI_OK)
        return oltp_exec(capture->connection, "RELEASE _rhei_capture", error);
    table->table.source.id = 0;
    table->kept = 0;
    if (!apply_is_tables_own(status)) {
        if (error != NULL)
            *error = why;
        return status; /* the whole transaction is rolled back */
    }
    status = oltp_exec(capture->connection, "ROLLBACK TO _rhei_capture; RELEASE _rhei_capture", error);
    if (status == RHEI_OK)
        status = apply_exclude(capture, table, "its changes can't be captured: ", &why);
    return status == RHEI_OK ? apply_stop(capture, table, found) : status;
}

/* Why nothing can be captured here, or that it isn't wanted; NULL: it is to be captured. */
static rhei_status apply_refusal(struct capture *capture, struct capture_table_schema *table,
                                 const struct capture_registered *found, struct capture_trigger_set *set)
{
    struct source_table *source = &table->table.source;
    rhei_status status = RHEI_OK;
    if (source->unmirrored_reason == NULL && !apply_is_wanted(capture, source->name, found))
        source->unmirrored_reason = "it is not registered";
    if (source->unmirrored_reason == NULL) {
        struct rhei_error why = RHEI_ERROR_INIT;
        status = capture_triggers_make(table, (uint32_t)found->id, set, &why);
        if (status == RHEI_OK)
            status = apply_prove_reading(capture, table, &why);
        if (apply_is_tables_own(status))
            status = apply_exclude(capture, table, "", &why);
        else if (status != RHEI_OK && capture->error != NULL)
            *capture->error = why;
    }
    return status;
}

/* Nothing of the table changed since the schema before, where it was captured. */
static bool apply_is_unchanged(const struct capture_table_schema *table)
{
    return table->before != NULL && table->before->table.captured && table->before->exposed == table->exposed &&
           table->before->cut == table->cut && table->before->keeps == table->keeps;
}

/* I12: SQLite answers for it until its triggers are made. */
static void apply_wait(struct capture *capture, struct capture_table_schema *table)
{
    table->waits = true;
    table->table.source.id = 0;
    table->table.source.unmirrored_reason = "it is new, and its capture is about to be made";
    capture->schema->waiting++;
}

static rhei_status apply_root(struct oltp_connection *connection, const char *table, int64_t *root,
                              struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        connection->db, "SELECT rootpage FROM main.sqlite_master WHERE type = 'table' AND name = ?1", -1, &stmt, NULL);
    *root = 0;
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
        rc = sqlite3_step(stmt);
    }
    if (rc == SQLITE_ROW)
        *root = sqlite3_column_int64(stmt, 0);
    rhei_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

/* R5 of capture_registry.c: which table gets a new number. Before any gets one. */
static rhei_status apply_origin(struct capture *capture, struct capture_table_schema *table,
                                const struct capture_registered *found)
{
    const struct capture_state *state = capture_of(capture->oltp);
    bool by_us = capture->cause == CAPTURE_BY_US;
    int64_t origin = 0, root = 0;
    rhei_status status = capture_registry_origin(capture->connection, table, &origin, capture->error);
    if (status == RHEI_OK && origin == 0 && by_us && state->altered_root != 0) {
        status = apply_root(capture->connection, table->table.source.name, &root, capture->error);
        origin = root == state->altered_root ? state->altered_origin : 0;
    }
    if (origin == 0 && by_us) /* what we drop is taken out of the registry at once */
        origin = found->origin;
    for (; origin == 0 || origin == 1; origin &= INT64_MAX) /* a table that came */
        sqlite3_randomness(sizeof origin, &origin);
    table->table.source.origin = origin;
    return status;
}

enum capture_need { CAPTURE_NOTHING, CAPTURE_KEEP_NUMBER, CAPTURE_NEW_NUMBER };

/* What the table needs; all that needs no new trigger is done here. */
static rhei_status apply_table(struct capture *capture, struct capture_table_schema *table,
                               struct capture_registered *found, enum capture_need *need)
{
    struct source_table *source = &table->table.source;
    rhei_status status = RHEI_OK;
    bool unchanged = apply_is_unchanged(table);
    bool moved = apply_is_doubtful(capture, table);
    *need = CAPTURE_NOTHING;
    if (capture->defers && table->before != NULL && table->before->waits) {
        apply_wait(capture, table);
        return RHEI_OK;
    }
    if (capture->appended && unchanged) {
        *found = (struct capture_registered){.id = table->before->number,
                                             .origin = table->before->table.source.origin,
                                             .same = true,
                                             .wanted = table->before->by_name ? 1 : -1};
    } else {
        status = capture_registry_find(&capture->registry, table, found, capture->error);
    }
    source->id = 0;
    source->origin = found->origin;
    table->by_name = found->wanted > 0;
    if (status != RHEI_OK)
        return status;
    unchanged = unchanged && found->same && found->id == table->before->number && found->wanted != 0;
    if (unchanged && !moved) {
        source->id = (uint32_t)found->id;
        table->table.captured = true;
        return RHEI_OK;
    }
    struct capture_trigger_set set = {0};
    status = apply_refusal(capture, table, found, &set);
    bool equal = status == RHEI_OK && source->unmirrored_reason == NULL && found->id != 0 && found->same &&
                 capture_triggers_equal(table, &set);
    capture_trigger_set_reset(&set);
    if (status != RHEI_OK)
        return status;
    if (source->unmirrored_reason != NULL)
        return apply_stop(capture, table, found);
    if (equal && !moved) {
        source->id = (uint32_t)found->id;
        table->table.captured = true;
    } else if (!capture->may_write) {
        capture->incomplete = true;
    } else if (capture->defers && found->id == 0 && table->trigger_count == 0) {
        apply_wait(capture, table);
    } else {
        bool keep = capture->cause == CAPTURE_BY_US && found->id != 0 && found->same && !moved;
        *need = keep ? CAPTURE_KEEP_NUMBER : CAPTURE_NEW_NUMBER;
        if (!keep)
            status = apply_origin(capture, table, found);
    }
    return status;
}

/* ---- Many tables. ------------------------------------------------------------------------------------------------ */

enum { CAPTURE_MANY = 8 };

struct capture_work {
    struct capture_table_schema *table;
    struct capture_registered found;
    bool keep_number;
};

static rhei_status apply_raw_drop(struct capture *capture, sqlite3_stmt *drop, struct capture_table_schema *table)
{
    rhei_status status = RHEI_OK;
    table->remade = 1;
    table->remade_after = capture->schema->last_rowid;
    for (uint32_t i = 0; i < table->trigger_count && status == RHEI_OK; i++) {
        if (table->triggers[i].rowid <= table->remade_after)
            table->remade_after = table->triggers[i].rowid - 1;
        sqlite3_bind_int64(drop, 1, table->triggers[i].rowid);
        sqlite3_bind_text(drop, 2, table->triggers[i].name, -1, SQLITE_STATIC);
        status = apply_raw_run(capture, drop);
    }
    return status;
}

static rhei_status apply_raw_add(struct capture *capture, sqlite3_stmt *add, const struct capture_table_schema *table,
                                 const struct capture_trigger_set *set)
{
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < set->count && status == RHEI_OK; i++) {
        sqlite3_bind_text(add, 1, set->name[i], -1, SQLITE_STATIC);
        sqlite3_bind_text(add, 2, table->table.source.name, -1, SQLITE_STATIC);
        sqlite3_bind_text(add, 3, set->sql[i], -1, SQLITE_STATIC);
        status = apply_raw_run(capture, add);
    }
    return status;
}

static rhei_status apply_many(struct capture *capture, struct capture_work *work, uint32_t count)
{
    sqlite3_stmt *drop = NULL, *add = NULL;
    sqlite3 *db = capture->connection->db;
    rhei_status status = apply_raw_begin(capture);
    if (status == RHEI_OK &&
        (sqlite3_prepare_v2(db, "DELETE FROM main.sqlite_master WHERE rowid = ?1 AND type = 'trigger' AND name = ?2",
                            -1, &drop, NULL) != SQLITE_OK ||
         sqlite3_prepare_v2(db, "INSERT INTO main.sqlite_master VALUES('trigger', ?1, ?2, 0, ?3)", -1, &add, NULL) !=
             SQLITE_OK))
        status = oltp_sqlite_error(capture->connection, SQLITE_ERROR, "change capture", capture->error);
    for (uint32_t i = 0; i < count && status == RHEI_OK; i++) {
        struct capture_table_schema *table = work[i].table;
        struct capture_trigger_set set = {0};
        int64_t id = 0;
        status = apply_number(capture, table, &work[i].found, work[i].keep_number, &id);
        if (status == RHEI_OK)
            status = capture_triggers_make(table, (uint32_t)id, &set, capture->error);
        if (status == RHEI_OK)
            status = apply_raw_drop(capture, drop, table);
        if (status == RHEI_OK)
            status = apply_raw_add(capture, add, table, &set);
        capture_trigger_set_reset(&set);
        table->table.source.id = (uint32_t)id;
        table->table.captured = status == RHEI_OK;
    }
    sqlite3_finalize(drop);
    sqlite3_finalize(add);
    rhei_status ended = apply_raw_end(capture);
    return status == RHEI_OK ? ended : status;
}

/* All at once, if that does no table any harm; *done is false if it does, and nothing was changed then. */
static rhei_status apply_try_many(struct capture *capture, struct capture_work *work, uint32_t count, bool *done)
{
    struct rhei_error *error = capture->error, why = RHEI_ERROR_INIT;
    rhei_status status = oltp_exec(capture->connection, "SAVEPOINT _rhei_capture", error);
    *done = true;
    if (status != RHEI_OK)
        return status;
    capture->error = &why;
    status = apply_many(capture, work, count);
    for (uint32_t i = 0; i < count && status == RHEI_OK; i++)
        status = capture_prove_writing(capture->connection, work[i].table, UINT32_MAX, &why);
    capture->error = error;
    if (status == RHEI_OK)
        return oltp_exec(capture->connection, "RELEASE _rhei_capture", error);
    if (!apply_is_tables_own(status)) {
        if (error != NULL)
            *error = why;
        return status;
    }
    *done = false;
    for (uint32_t i = 0; i < count; i++) {
        work[i].table->table.source.id = 0;
        work[i].table->table.captured = false;
    }
    return oltp_exec(capture->connection,
                     "ROLLBACK TO _rhei_capture; RELEASE _rhei_capture; PRAGMA writable_schema=RESET", error);
}

static rhei_status apply_do(struct capture *capture, struct capture_work *work, uint32_t count)
{
    rhei_status status = RHEI_OK;
    bool done = false;
    if (count >= CAPTURE_MANY)
        status = apply_try_many(capture, work, count, &done);
    for (uint32_t i = 0; i < count && status == RHEI_OK && !done; i++)
        status = apply_try(capture, work[i].table, &work[i].found, work[i].keep_number);
    return status;
}

static rhei_status apply_tables(struct capture *capture)
{
    uint32_t count = capture_schema_work_count(capture->schema), needing = 0;
    atomic_fetch_add_explicit(&capture_of(capture->oltp)->tables_settled, count, memory_order_relaxed);
    struct capture_work *work = base_alloc_zero((size_t)count + 1, sizeof *work);
    rhei_status status = work == NULL ? error_no_memory(capture->error) : RHEI_OK;
    for (uint32_t i = 0; status == RHEI_OK && i < count; i++) {
        struct capture_work *at = &work[needing];
        enum capture_need need = CAPTURE_NOTHING;
        at->table = capture_schema_work(capture->schema, i);
        status = apply_table(capture, at->table, &at->found, &need);
        at->keep_number = need == CAPTURE_KEEP_NUMBER;
        needing += need != CAPTURE_NOTHING;
    }
    if (status == RHEI_OK)
        status = apply_do(capture, work, needing);
    base_free(work);
    return status;
}

/* ---- All of it. -------------------------------------------------------------------------------------------------- */

static rhei_status apply_forget_gone(struct capture *capture)
{
    rhei_status status = RHEI_OK;
    if (capture->schema->gone != NULL)
        status = capture_registry_retire_named(capture->oltp, capture->schema->gone, capture->error);
    for (const struct capture_registry_row *row = capture->registry.live; row != NULL && status == RHEI_OK;
         row = row->next) {
        const struct capture_table_schema *table = capture_schema_find(capture->schema, row->name);
        if (table == NULL || table->table.source.id != (uint32_t)row->id) {
            if (capture->may_write)
                status = capture_registry_retire(capture->oltp, row->id, capture->error);
            else
                capture->incomplete = true;
        }
    }
    return status;
}

static rhei_status apply_pieces(struct capture *capture)
{
    bool lost = false;
    rhei_status status = RHEI_OK;
    if (capture->may_write) {
        status = capture_registry_make(capture->oltp, capture->schema, capture->cause == CAPTURE_BY_OTHERS, &lost,
                                       capture->error);
    } else if (capture->schema->pieces != CAPTURE_PIECES) {
        capture->incomplete = true;
    }
    return status;
}

static rhei_status apply_all(struct capture *capture)
{
    int64_t stored = -1;
    rhei_status status = apply_pieces(capture);
    if (status == RHEI_OK && capture->cause == CAPTURE_BY_OTHERS &&
        (capture->schema->pieces & CAPTURE_PIECE_META) != 0) {
        status = oltp_query_int(capture->connection, "SELECT value FROM main._rhei_meta WHERE key='schema_cookie'", -1,
                                &stored, capture->error);
    }
    capture->moved |= capture->cause == CAPTURE_BY_OTHERS && stored != capture->schema->cookie;
    if (capture->moved && !capture->may_write)
        capture->incomplete = true;
    struct oltp_schema *settled = capture_schema_hold(capture->oltp);
    capture->settled = settled;
    capture->doubtful = capture->moved && (settled == NULL || settled->cookie != stored ||
                                           !capture_schema_explains(settled, capture->schema));
    apply_mark_kept(capture);
    if (status == RHEI_OK)
        status = apply_widen_log(capture);
    if (status == RHEI_OK && capture->may_write &&
        (capture->schema->pieces & CAPTURE_PIECE_GUARD) != CAPTURE_PIECE_GUARD) {
        capture->redefines = true;
        status = capture_guard_make(capture->connection, capture->schema, capture->error);
    }
    if (status == RHEI_OK && capture->may_write && (capture->schema->pieces & CAPTURE_PIECE_EVENTS) == 0) {
        capture->redefines = true;
        status = capture_events_view(capture->connection, capture->schema->log_columns, capture->error);
        capture->schema->pieces |= CAPTURE_PIECE_EVENTS;
    }
    if (status == RHEI_OK && !capture->appended && (capture->schema->pieces & CAPTURE_PIECE_TABLES) != 0)
        status = capture_registry_read(&capture->registry, capture->error);
    if (status == RHEI_OK && (capture->schema->pieces & CAPTURE_PIECE_TABLES) != 0)
        status = apply_tables(capture);
    if (status == RHEI_OK)
        status = apply_forget_gone(capture);
    capture_registry_reset(&capture->registry);
    capture->settled = NULL;
    capture_schema_release(settled);
    return status;
}

/* What others capture, at the opening of a handle that would follow it. Where it isn't as it must be, nothing is followed. */
static rhei_status apply_settle_follow(struct oltp *oltp, struct oltp_schema *schema, rhei_status status,
                                       struct rhei_error *error)
{
    bool first = capture_of(oltp)->schema == NULL;
    if (!first || status == RHEI_NO_MEMORY)
        return status;
    bool whole = schema->pieces == CAPTURE_PIECES && schema->has_log;
    oltp->config.follow = status == RHEI_OK && whole && capture_is_numbered(schema);
    error_clear(error);
    return RHEI_OK;
}

rhei_status capture_match(struct oltp *oltp, struct oltp_connection *connection, struct oltp_schema *schema,
                          bool *complete, struct rhei_error *error)
{
    struct capture capture = {.oltp = oltp,
                              .connection = connection,
                              .registry = {.connection = connection},
                              .schema = schema,
                              .cause = CAPTURE_BY_OTHERS,
                              .error = error};
    bool reads = oltp_captures(oltp) || oltp_follows(oltp);
    rhei_status status = reads ? capture_registry_know(connection, schema, error) : RHEI_OK;
    bool present = (schema->pieces & CAPTURE_PIECE_META) != 0;
    *complete = false;
    if (status == RHEI_OK && present && reads)
        status = capture_registry_check(connection, error);
    if (status == RHEI_OK && present && reads) {
        status = apply_all(&capture);
        *complete = !capture.incomplete;
    }
    if (oltp_follows(oltp))
        status = apply_settle_follow(oltp, schema, status, error);
    if (status == RHEI_OK && !oltp_captures(oltp) && !oltp_follows(oltp))
        capture_number_still(oltp, schema);
    return status == RHEI_OK ? capture_seal(oltp, schema, error) : status;
}

/* *redefined: it may be another schema now than the one that was read or derived. */
static rhei_status apply_write(struct oltp *oltp, enum capture_cause cause, struct oltp_schema *schema,
                               enum capture_scope scope, bool *redefined, struct rhei_error *error)
{
    struct oltp_connection *writer = oltp->writer;
    struct capture capture = {.oltp = oltp,
                              .connection = writer,
                              .registry = {.connection = writer},
                              .schema = schema,
                              .cause = cause,
                              .error = error,
                              .appended = scope != CAPTURE_ALL,
                              .defers = scope == CAPTURE_ONE && schema->catalog.table_count >= CAPTURE_MANY_TABLES,
                              .may_write = true};
    oltp_fault(oltp, "capture.triggers");
    rhei_status status = apply_all(&capture);
    *redefined =
        capture.redefines || !schema->derived; /* where nothing was derived, Rhei's own tables may be new, too */
    if (status == RHEI_OK && *redefined)
        status = oltp_query_int(writer, "PRAGMA main.schema_version", 0, &schema->cookie, error);
    if (status == RHEI_OK) {
        status = oltp_execf(writer, error,
                            "UPDATE main._rhei_meta SET value = %" PRId64
                            " WHERE key = 'schema_cookie' AND value IS NOT %" PRId64,
                            schema->cookie, schema->cookie);
    }
    return status;
}

/* The schema as it is now that capture is settled: our triggers were made since it was read. */
static rhei_status apply_apply(struct oltp *oltp, enum capture_cause cause, struct oltp_schema *base,
                               enum capture_scope scope, const struct oltp_ddl *ddl, struct oltp_schema **result,
                               struct rhei_error *error)
{
    struct oltp_connection *writer = oltp->writer;
    struct oltp_schema *schema = NULL;
    *result = NULL;
    rhei_status status = RHEI_OK;
    if (scope != CAPTURE_ALL)
        status = capture_schema_derive(writer, base, scope == CAPTURE_ONE ? ddl : NULL, &schema, error);
    if (status == RHEI_OK && schema == NULL) {
        scope = CAPTURE_ALL;
        status = capture_schema_load(writer, base, &schema, error);
    }
    bool redefined = true;
    if (status == RHEI_OK && oltp->config.capture)
        status = apply_write(oltp, cause, schema, scope, &redefined, error);
    if (status == RHEI_OK && !oltp_captures(oltp))
        capture_number_still(oltp, schema);
    if (status == RHEI_OK && redefined)
        status = capture_schema_reread(writer, schema, error);
    if (status == RHEI_OK)
        status = capture_seal(oltp, schema, error);
    if (status != RHEI_OK) {
        capture_schema_release(schema);
        return status;
    }
    *result = schema;
    return RHEI_OK;
}

rhei_status capture_apply(struct oltp *oltp, enum capture_cause cause, struct oltp_schema *base,
                          enum capture_scope scope, const struct oltp_ddl *ddl, struct oltp_schema **result,
                          struct rhei_error *error)
{
    /* our rows are none of the user's last_insert_rowid() */
    int64_t last = sqlite3_last_insert_rowid(oltp->writer->db);
    rhei_status status = apply_apply(oltp, cause, base, scope, ddl, result, error);
    sqlite3_set_last_insert_rowid(oltp->writer->db, last);
    return status;
}

rhei_status capture_suspend(struct oltp *oltp, struct oltp_schema *base, const char *table, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    rhei_status status = base != NULL ? RHEI_OK : capture_schema_load(oltp->writer, NULL, &schema, error);
    if (status != RHEI_OK)
        return status;
    struct capture capture = {.oltp = oltp, .connection = oltp->writer, .error = error};
    const struct capture_table_schema *found = capture_schema_find(base != NULL ? base : schema, table);
    if (found != NULL) {
        struct capture_state *state = capture_of(oltp);
        struct capture_table_schema copy = *found; /* the base is others' too */
        copy.kept = 0;
        if (state->altered_root == 0) /* it comes first, those that something TEMP hides behind it */
            status = capture_registry_origin(oltp->writer, found, &state->altered_origin, error);
        if (status == RHEI_OK && state->altered_root == 0 && state->altered_origin != 0)
            status = apply_root(oltp->writer, found->table.source.name, &state->altered_root, error);
        if (status == RHEI_OK)
            status = apply_drop_triggers(&capture, &copy);
    }
    capture_schema_release(schema);
    return status;
}
