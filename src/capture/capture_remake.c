/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes triggers, and the log's own form, into the schema, as capture_apply.c judged: each table in a savepoint, so that what can't be done for one leaves it
 * without capture and everything else goes on (C7).
 *
 * CREATE TRIGGER, DROP TRIGGER and ALTER TABLE each walk the whole schema, or read it anew. So where there are many, the rows of
 * sqlite_schema are written as those statements would write them, and the schema is read once.
 */
#include "capture/capture_remake.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_definition.h"

enum { REMAKE_MANY = 8 };

static rhei_status remake_exec_buffer(struct capture *capture, struct base_buffer *sql)
{
    capture->redefines = true;
    rhei_status status =
        sql->failed ? error_no_memory(capture->error) : oltp_exec(capture->connection, sql->data, capture->error);
    base_buffer_reset(sql);
    return status;
}

/* ---- Texts of the schema, many at once. -------------------------------------------------------------------------- */

static rhei_status remake_raw_begin(struct capture *capture)
{
    capture->redefines = true;
    return sqlite3_db_config(capture->connection->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL) == SQLITE_OK
               ? RHEI_OK
               : error_set(capture->error, RHEI_INTERNAL, "SQLite doesn't let its schema be written");
}

/* Has the connection, and all others, read what was written. */
static rhei_status remake_raw_end(struct capture *capture)
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

static rhei_status remake_raw_run(struct capture *capture, sqlite3_stmt *stmt)
{
    int rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(capture->connection, rc, "change capture", capture->error);
}

/* ---- The log. ---------------------------------------------------------------------------------------------------- */

static void remake_log_columns(struct base_buffer *sql, uint32_t width)
{
    base_buffer_text(sql, OLTP_LOG "(seq INTEGER PRIMARY KEY, time, op, tab");
    for (uint32_t i = 1; i <= width; i++)
        base_buffer_format(sql, ",c%u", i);
    base_buffer_char(sql, ')');
}

/* A new log goes on behind a lost one, and its first row leaves a gap, which says that changes are lost. */
static rhei_status remake_make_log(struct capture *capture, uint32_t width)
{
    int64_t beyond = 0;
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "CREATE TABLE main.");
    remake_log_columns(&sql, width);
    rhei_status status = remake_exec_buffer(capture, &sql);
    if (status == RHEI_OK)
        status = capture_registry_beyond(capture->oltp, capture->schema, capture->lost, &beyond, capture->error);
    if (status == RHEI_OK && beyond > 0) {
        status = oltp_execf(
            capture->connection, capture->error,
            "INSERT INTO main." OLTP_LOG "(seq, time, op, tab) VALUES(%" PRId64 ", " CAPTURE_NOW ", 'L', 0)", beyond);
    }
    return status;
}

/* More columns, as ALTER TABLE ... ADD COLUMN for each would write them. */
static rhei_status remake_widen(struct capture *capture, uint32_t width)
{
    BASE_INVARIANT(width > capture->schema->log_columns && width <= CAPTURE_LOG_MAX_COLUMNS);
    struct base_buffer sql = {0};
    if (width - capture->schema->log_columns == 1) {
        base_buffer_format(&sql, "ALTER TABLE main." OLTP_LOG " ADD COLUMN c%u;", width);
        return remake_exec_buffer(capture, &sql);
    }
    rhei_status status = remake_raw_begin(capture);
    base_buffer_text(&sql, "UPDATE main.sqlite_master SET sql = 'CREATE TABLE ");
    remake_log_columns(&sql, width);
    base_buffer_text(&sql, "' WHERE type = 'table' AND name = '" OLTP_LOG "'");
    if (status == RHEI_OK)
        status = remake_exec_buffer(capture, &sql);
    base_buffer_reset(&sql);
    rhei_status ended = remake_raw_end(capture);
    return status == RHEI_OK ? ended : status;
}

rhei_status capture_remake_log(struct capture *capture, uint32_t width)
{
    return capture->schema->has_log ? remake_widen(capture, width) : remake_make_log(capture, width);
}

/* ---- One table. -------------------------------------------------------------------------------------------------- */

static bool remake_keeps(const struct capture_table_schema *table, const char *name)
{
    for (uint32_t k = 0; k < table->trigger_count && k < 32; k++)
        if ((table->kept & 1u << k) != 0 && strcmp(table->triggers[k].name, name) == 0)
            return true;
    return false;
}

/*
 * New triggers come behind the rows that are there now, which need not be those that the schema was read with: the log's view was perhaps
 * made anew since, or the table's own were the last.
 */
static rhei_status remake_after(struct capture *capture, struct capture_table_schema *table)
{
    table->remade = 1;
    return oltp_query_int(capture->connection, "SELECT max(rowid) FROM main.sqlite_master", 0, &table->remade_after,
                          capture->error);
}

/* All but those that are kept. */
rhei_status capture_remake_drop(struct capture *capture, struct capture_table_schema *table)
{
    BASE_INVARIANT(sqlite3_get_autocommit(capture->connection->db) == 0); /* I6: old or new, never none */
    struct base_buffer sql = {0};
    for (uint32_t i = 0; i < table->trigger_count; i++) {
        if (i < 32 && (table->kept & 1u << i) != 0)
            continue;
        base_buffer_text(&sql, "DROP TRIGGER IF EXISTS main.");
        base_buffer_identifier(&sql, table->triggers[i].name);
        base_buffer_char(&sql, ';');
    }
    rhei_status status = sql.len == 0 && !sql.failed ? RHEI_OK : remake_exec_buffer(capture, &sql);
    return status == RHEI_OK ? remake_after(capture, table) : status;
}

static rhei_status remake_make_triggers(struct capture *capture, const struct capture_table_schema *table,
                                        const struct capture_trigger_set *set)
{
    static const char head[] = "CREATE TRIGGER ";
    BASE_INVARIANT(set->count >= 4 && set->count <= CAPTURE_TRIGGERS_MAX);
    struct base_buffer sql = {0};
    for (uint32_t i = 0; i < set->count; i++) {
        if (remake_keeps(table, set->name[i]))
            continue;
        base_buffer_text(&sql, head);
        base_buffer_text(&sql, "main.");
        base_buffer_text(&sql, set->sql[i] + sizeof head - 1);
        base_buffer_char(&sql, ';');
    }
    return sql.len == 0 && !sql.failed ? RHEI_OK : remake_exec_buffer(capture, &sql);
}

rhei_status capture_remake_stop(struct capture *capture, struct capture_table_schema *table,
                                const struct capture_registered *found)
{
    if (table->trigger_count == 0 && found->id == 0)
        return RHEI_OK;
    if (!capture->may_write) {
        capture->incomplete = true;
        return RHEI_OK;
    }
    rhei_status status = capture_remake_drop(capture, table);
    if (status == RHEI_OK && found->id != 0)
        status = capture_registry_retire(capture->oltp, found->id, capture->error);
    return status;
}

rhei_status capture_remake_exclude(struct capture *capture, struct capture_table_schema *table, const char *what,
                                   const struct rhei_error *why)
{
    char reason[320];
    snprintf(reason, sizeof reason, "%s%.250s", what, why->message);
    /* schemas derived from this one have the table as it is */
    table->table.source.unmirrored_reason = base_arena_text(&capture->schema->shelf->reasons, reason);
    return table->table.source.unmirrored_reason == NULL ? error_no_memory(capture->error) : RHEI_OK;
}

/* Only what is wrong with one table; the file's and the moment's troubles are everybody's. */
bool capture_remake_is_tables_own(rhei_status status)
{
    return status == RHEI_SQL || status == RHEI_TOO_BIG || status == RHEI_UNSUPPORTED;
}

/* The number under which the table is captured from now on. */
static rhei_status remake_number(struct capture *capture, const struct capture_table_schema *table,
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

static rhei_status remake_renew(struct capture *capture, struct capture_table_schema *table,
                                const struct capture_registered *found, bool keep_number)
{
    int64_t id = 0;
    struct capture_trigger_set set = {0};
    rhei_status status = remake_number(capture, table, found, keep_number, &id);
    if (status == RHEI_OK)
        status = capture_triggers_make(table, (uint32_t)id, &set, capture->error);
    table->kept = status == RHEI_OK && keep_number ? capture_triggers_kept(table, &set) : 0;
    if (status == RHEI_OK)
        status = capture_remake_drop(capture, table);
    uint32_t before = status == RHEI_OK ? capture_prove_before(capture->connection, table) : 0;
    if (status == RHEI_OK)
        status = remake_make_triggers(capture, table, &set);
    capture_trigger_set_reset(&set);
    if (status == RHEI_OK)
        status = capture_prove_writing(capture->connection, table, before, capture->error);
    table->table.source.id = (uint32_t)id;
    table->table.captured = status == RHEI_OK;
    return status;
}

/* In a savepoint: what can't be done for this table leaves it without capture, and everything else goes on (C7). */
static rhei_status remake_try(struct capture *capture, struct capture_table_schema *table,
                              const struct capture_registered *found, bool keep_number)
{
    struct rhei_error *error = capture->error, why = RHEI_ERROR_INIT;
    rhei_status status = oltp_exec(capture->connection, "SAVEPOINT _rhei_capture", error);
    if (status != RHEI_OK)
        return status;
    capture->error = &why;
    status = remake_renew(capture, table, found, keep_number);
    capture->error = error;
    if (status == RHEI_OK)
        return oltp_exec(capture->connection, "RELEASE _rhei_capture", error);
    table->table.source.id = 0;
    table->kept = 0;
    if (!capture_remake_is_tables_own(status)) {
        if (error != NULL)
            *error = why;
        return status; /* the whole transaction is rolled back */
    }
    status = oltp_exec(capture->connection, "ROLLBACK TO _rhei_capture; RELEASE _rhei_capture", error);
    if (status == RHEI_OK)
        status = capture_remake_exclude(capture, table, "its changes can't be captured: ", &why);
    return status == RHEI_OK ? capture_remake_stop(capture, table, found) : status;
}

/* ---- Many tables. ------------------------------------------------------------------------------------------------ */

static rhei_status remake_raw_drop(struct capture *capture, sqlite3_stmt *drop, struct capture_table_schema *table)
{
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < table->trigger_count && status == RHEI_OK; i++) {
        sqlite3_bind_int64(drop, 1, table->triggers[i].rowid);
        sqlite3_bind_text(drop, 2, table->triggers[i].name, -1, SQLITE_STATIC);
        status = remake_raw_run(capture, drop);
    }
    return status == RHEI_OK ? remake_after(capture, table) : status;
}

static rhei_status remake_raw_add(struct capture *capture, sqlite3_stmt *add, const struct capture_table_schema *table,
                                  const struct capture_trigger_set *set)
{
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < set->count && status == RHEI_OK; i++) {
        sqlite3_bind_text(add, 1, set->name[i], -1, SQLITE_STATIC);
        sqlite3_bind_text(add, 2, table->table.source.name, -1, SQLITE_STATIC);
        sqlite3_bind_text(add, 3, set->sql[i], -1, SQLITE_STATIC);
        status = remake_raw_run(capture, add);
    }
    return status;
}

static rhei_status remake_many(struct capture *capture, struct capture_work *work, uint32_t count)
{
    sqlite3_stmt *drop = NULL, *add = NULL;
    sqlite3 *db = capture->connection->db;
    rhei_status status = remake_raw_begin(capture);
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
        status = remake_number(capture, table, &work[i].found, work[i].keep_number, &id);
        if (status == RHEI_OK)
            status = capture_triggers_make(table, (uint32_t)id, &set, capture->error);
        if (status == RHEI_OK)
            status = remake_raw_drop(capture, drop, table);
        if (status == RHEI_OK)
            status = remake_raw_add(capture, add, table, &set);
        capture_trigger_set_reset(&set);
        table->table.source.id = (uint32_t)id;
        table->table.captured = status == RHEI_OK;
    }
    sqlite3_finalize(drop);
    sqlite3_finalize(add);
    rhei_status ended = remake_raw_end(capture);
    return status == RHEI_OK ? ended : status;
}

/* All at once, if that does no table any harm; *done is false if it does, and nothing was changed then. */
static rhei_status remake_try_many(struct capture *capture, struct capture_work *work, uint32_t count, bool *done)
{
    struct rhei_error *error = capture->error, why = RHEI_ERROR_INIT;
    rhei_status status = oltp_exec(capture->connection, "SAVEPOINT _rhei_capture", error);
    *done = true;
    if (status != RHEI_OK)
        return status;
    capture->error = &why;
    status = remake_many(capture, work, count);
    for (uint32_t i = 0; i < count && status == RHEI_OK; i++)
        status = capture_prove_writing(capture->connection, work[i].table, UINT32_MAX, &why);
    capture->error = error;
    if (status == RHEI_OK)
        return oltp_exec(capture->connection, "RELEASE _rhei_capture", error);
    if (!capture_remake_is_tables_own(status)) {
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

rhei_status capture_remake_tables(struct capture *capture, struct capture_work *work, uint32_t count)
{
    rhei_status status = RHEI_OK;
    bool done = false;
    if (count >= REMAKE_MANY)
        status = remake_try_many(capture, work, count, &done);
    for (uint32_t i = 0; i < count && status == RHEI_OK && !done; i++)
        status = remake_try(capture, work[i].table, &work[i].found, work[i].keep_number);
    return status;
}
