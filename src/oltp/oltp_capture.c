/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps triggers, log and registry in step with the schema (I5 to I8 of the README). All writing happens within one write
 * transaction of the writer, so other writers find either the old triggers or the new ones, never none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "oltp/oltp_internal.h"

struct capture {
    struct oltp *oltp;
    struct oltp_connection *connection;
    struct oltp_schema *schema;
    enum oltp_cause cause;
    struct rhei_error *error;
    bool may_write;
    bool incomplete; /* something must be written and may_write is false */
    bool moved;      /* others changed the schema: rowids without a name of their own may have moved (VACUUM) */
    bool remade;     /* the schema was changed here */
};

static rhei_status capture_exec_buffer(struct capture *capture, struct base_buffer *sql)
{
    rhei_status status =
        sql->failed ? error_no_memory(capture->error) : oltp_exec(capture->connection, sql->data, capture->error);
    base_buffer_reset(sql);
    return status;
}

/* ---- Rhei's own tables. ------------------------------------------------------------------------------------------ */

static rhei_status capture_check_version(struct oltp_connection *connection, bool *present, struct rhei_error *error)
{
    int64_t found = 0, version = 0;
    rhei_status status =
        oltp_query_int(connection, "SELECT count(*) FROM main.sqlite_master WHERE type='table' AND name='_rhei_meta'",
                       0, &found, error);
    *present = found > 0;
    if (status == RHEI_OK && found > 0) {
        status =
            oltp_query_int(connection, "SELECT value FROM main._rhei_meta WHERE key='version'", 0, &version, error);
    }
    if (status == RHEI_OK && version > OLTP_FORMAT_VERSION) {
        return error_set(error, RHEI_TOO_NEW,
                         "the database was prepared by a newer Rhei (format %" PRId64
                         ", this one knows %d): use that version",
                         version, OLTP_FORMAT_VERSION);
    }
    return status;
}

static const char capture_tables[] =
    "CREATE TABLE IF NOT EXISTS main._rhei_meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT OR IGNORE INTO main._rhei_meta VALUES('version', 1), ('database_id', hex(randomblob(16))), "
    "('schema_cookie', -1);"
    "CREATE TABLE IF NOT EXISTS main._rhei_tables(id INTEGER PRIMARY KEY, name TEXT, signature TEXT, columns INTEGER, "
    "live INTEGER, wanted INTEGER);"
    "CREATE TABLE IF NOT EXISTS main._rhei_engines(id INTEGER PRIMARY KEY, position INTEGER, seen_ms INTEGER);";

static rhei_status capture_widen_log(struct capture *capture)
{
    uint32_t width = OLTP_LOG_MIN_COLUMNS;
    for (uint32_t i = 0; i < capture->schema->catalog.table_count; i++) {
        const struct source_table *source = &capture->schema->tables[i].table.source;
        if (source->unmirrored_reason == NULL && source->column_count > width) {
            width = source->column_count;
        }
    }
    uint32_t have = capture->schema->has_log ? capture->schema->log_columns : 0;
    if (capture->schema->has_log && have >= width) {
        return RHEI_OK;
    }
    if (!capture->may_write) {
        capture->incomplete = true;
        return RHEI_OK;
    }
    struct base_buffer sql = {0};
    if (!capture->schema->has_log) {
        base_buffer_text(&sql, "CREATE TABLE main." OLTP_LOG "(seq INTEGER PRIMARY KEY, time, op, tab");
        for (uint32_t i = 1; i <= width; i++) {
            base_buffer_format(&sql, ",c%u", i);
        }
        base_buffer_text(&sql, ");");
    }
    for (uint32_t i = have + 1; i <= width && capture->schema->has_log; i++) {
        base_buffer_format(&sql, "ALTER TABLE main." OLTP_LOG " ADD COLUMN c%u;", i);
    }
    capture->remade = true;
    rhei_status status = capture_exec_buffer(capture, &sql);
    if (status == RHEI_OK) {
        capture->schema->has_log = true;
        capture->schema->log_columns = width;
        status = oltp_events_view(capture->connection, width, capture->error);
    }
    return status;
}

/* ---- One table. -------------------------------------------------------------------------------------------------- */

static bool capture_triggers_equal(const struct oltp_table_schema *table, const struct oltp_trigger_set *set)
{
    uint32_t equal = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        for (uint32_t k = 0; k < table->trigger_count; k++) {
            if (strcmp(set->name[i], table->triggers[k].name) == 0 &&
                strcmp(set->sql[i], table->triggers[k].sql) == 0) {
                equal++;
                break;
            }
        }
    }
    return equal == set->count && table->trigger_count == set->count;
}

static rhei_status capture_drop_triggers(struct capture *capture, const struct oltp_table_schema *table)
{
    struct base_buffer sql = {0};
    for (uint32_t i = 0; i < table->trigger_count; i++) {
        base_buffer_text(&sql, "DROP TRIGGER IF EXISTS main.");
        base_buffer_identifier(&sql, table->triggers[i].name);
        base_buffer_char(&sql, ';');
    }
    if (sql.len == 0 && !sql.failed) {
        return RHEI_OK;
    }
    capture->remade = true;
    return capture_exec_buffer(capture, &sql);
}

static rhei_status capture_make_triggers(struct capture *capture, const struct oltp_trigger_set *set)
{
    static const char head[] = "CREATE TRIGGER ";
    struct base_buffer sql = {0};
    for (uint32_t i = 0; i < set->count; i++) {
        base_buffer_text(&sql, head);
        base_buffer_text(&sql, "main.");
        base_buffer_text(&sql, set->sql[i] + sizeof head - 1);
        base_buffer_char(&sql, ';');
    }
    capture->remade = true;
    return capture_exec_buffer(capture, &sql);
}

struct registered {
    int64_t id; /* 0: not there */
    bool same;  /* the signature is the table's */
    int wanted; /* 1 by request, 0 not by request, -1 nothing was asked */
};

static rhei_status capture_find(struct capture *capture, const struct oltp_table_schema *table,
                                struct registered *found)
{
    *found = (struct registered){.wanted = -1};
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        capture->connection->db,
        "SELECT id, signature = ?2, live, wanted FROM main._rhei_tables WHERE name = ?1 ORDER BY id DESC", -1, &stmt,
        NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, table->table.source.name, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, table->signature, -1, SQLITE_STATIC);
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            found->wanted = sqlite3_column_type(stmt, 3) == SQLITE_NULL ? -1 : sqlite3_column_int(stmt, 3);
            if (sqlite3_column_int(stmt, 2) != 0) {
                found->id = sqlite3_column_int64(stmt, 0);
                found->same = sqlite3_column_int(stmt, 1) != 0;
            }
        }
    }
    rhei_status status = rc == SQLITE_ROW || rc == SQLITE_DONE
                             ? RHEI_OK
                             : oltp_sqlite_error(capture->connection, rc, NULL, capture->error);
    sqlite3_finalize(stmt);
    return status;
}

static rhei_status capture_register(struct capture *capture, const struct oltp_table_schema *table, int wanted,
                                    bool live, int64_t *id)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        capture->connection->db,
        "INSERT INTO main._rhei_tables(name, signature, columns, live, wanted) VALUES(?1, ?2, ?3, ?4, ?5)", -1, &stmt,
        NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, table->table.source.name, -1, SQLITE_STATIC);
        sqlite3_bind_text(stmt, 2, table->signature, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 3, table->table.source.column_count);
        sqlite3_bind_int(stmt, 4, live);
        if (wanted >= 0) {
            sqlite3_bind_int(stmt, 5, wanted);
        }
        rc = sqlite3_step(stmt);
    }
    *id = sqlite3_last_insert_rowid(capture->connection->db);
    rhei_status status = rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(capture->connection, rc, NULL, capture->error);
    sqlite3_finalize(stmt);
    return status;
}

static bool capture_is_wanted(const struct capture *capture, const struct registered *found)
{
    return found->wanted >= 0 ? found->wanted > 0 : capture->oltp->config.auto_register;
}

static rhei_status capture_stop(struct capture *capture, struct oltp_table_schema *table,
                                const struct registered *found)
{
    if (table->trigger_count == 0 && found->id == 0) {
        return RHEI_OK;
    }
    if (!capture->may_write) {
        capture->incomplete = true;
        return RHEI_OK;
    }
    rhei_status status = capture_drop_triggers(capture, table);
    if (status == RHEI_OK && found->id != 0) {
        status = oltp_execf(capture->connection, capture->error,
                            "UPDATE main._rhei_tables SET live = 0 WHERE id = %" PRId64, found->id);
    }
    return status;
}

/* Rowids that VACUUM may have moved: nothing names them. */
static bool capture_rowids_may_move(const struct oltp_table_schema *table)
{
    const struct source_table *source = &table->table.source;
    return !source->without_rowid && !source->columns[source->key_columns[0]].is_rowid_alias;
}

static rhei_status capture_renew(struct capture *capture, struct oltp_table_schema *table,
                                 const struct registered *found, bool keep_number)
{
    int64_t id = found->id;
    rhei_status status = capture_drop_triggers(capture, table);
    if (status == RHEI_OK && !keep_number) {
        if (id != 0) {
            status = oltp_execf(capture->connection, capture->error,
                                "UPDATE main._rhei_tables SET live = 0 WHERE id = %" PRId64, id);
        }
        if (status == RHEI_OK) {
            status = capture_register(capture, table, found->wanted, true, &id);
        }
    }
    struct oltp_trigger_set set = {0};
    if (status == RHEI_OK) {
        status = oltp_triggers_make(table, (uint32_t)id, &set, capture->error);
    }
    if (status == RHEI_OK) {
        status = capture_make_triggers(capture, &set);
    }
    oltp_trigger_set_reset(&set);
    table->table.source.id = (uint32_t)id;
    return status;
}

static rhei_status capture_table(struct capture *capture, struct oltp_table_schema *table)
{
    struct source_table *source = &table->table.source;
    struct registered found;
    rhei_status status = capture_find(capture, table, &found);
    source->id = 0;
    if (status != RHEI_OK) {
        return status;
    }
    struct oltp_trigger_set set = {0};
    if (source->unmirrored_reason == NULL) {
        struct rhei_error why = RHEI_ERROR_INIT;
        if (oltp_triggers_make(table, (uint32_t)found.id, &set, &why) == RHEI_UNSUPPORTED) {
            source->unmirrored_reason = "one of its unique indexes has a text that can't be read";
        }
    }
    if (source->unmirrored_reason == NULL && !capture_is_wanted(capture, &found)) {
        source->unmirrored_reason = "it is not registered";
    }
    if (source->unmirrored_reason != NULL) {
        oltp_trigger_set_reset(&set);
        return capture_stop(capture, table, &found);
    }
    bool equal = found.id != 0 && found.same && capture_triggers_equal(table, &set);
    oltp_trigger_set_reset(&set);
    bool moved = capture->moved && capture_rowids_may_move(table);
    if (equal && !moved) {
        source->id = (uint32_t)found.id;
        table->table.captured = true;
        return RHEI_OK;
    }
    if (!capture->may_write) {
        capture->incomplete = true;
        return RHEI_OK;
    }
    bool keep = capture->cause == OLTP_BY_US && found.id != 0 && found.same && !moved;
    status = capture_renew(capture, table, &found, keep);
    table->table.captured = status == RHEI_OK;
    return status;
}

/* ---- All of it. -------------------------------------------------------------------------------------------------- */

static rhei_status capture_forget_gone(struct capture *capture)
{
    sqlite3_stmt *stmt = NULL;
    rhei_status status = RHEI_OK;
    int rc = sqlite3_prepare_v2(capture->connection->db, "SELECT id, name FROM main._rhei_tables WHERE live", -1, &stmt,
                                NULL);
    while (rc == SQLITE_OK && status == RHEI_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(stmt, 0);
        const struct oltp_table_schema *table =
            oltp_schema_find(capture->schema, (const char *)sqlite3_column_text(stmt, 1));
        if (table == NULL || table->table.source.id != (uint32_t)id) {
            if (capture->may_write) {
                status = oltp_execf(capture->connection, capture->error,
                                    "UPDATE main._rhei_tables SET live = 0 WHERE id = %" PRId64, id);
            } else {
                capture->incomplete = true;
            }
        }
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_OK ? status : oltp_sqlite_error(capture->connection, rc, NULL, capture->error);
}

static rhei_status capture_all(struct capture *capture)
{
    int64_t stored = -1;
    rhei_status status =
        oltp_query_int(capture->connection, "SELECT value FROM main._rhei_meta WHERE key='schema_cookie'", -1, &stored,
                       capture->error);
    capture->moved |= capture->cause == OLTP_BY_OTHERS && stored != capture->schema->cookie;
    if (capture->moved && !capture->may_write) {
        capture->incomplete = true;
    }
    if (status == RHEI_OK) {
        status = capture_widen_log(capture);
    }
    for (uint32_t i = 0; status == RHEI_OK && i < capture->schema->catalog.table_count; i++) {
        status = capture_table(capture, &capture->schema->tables[i]);
    }
    if (status == RHEI_OK) {
        status = capture_forget_gone(capture);
    }
    return status;
}

/* The catalog's tables, now that their numbers are known. */
static rhei_status capture_seal(struct oltp_schema *schema, struct rhei_error *error)
{
    struct oltp_table *tables = oltp_arena_zero(&schema->arena, schema->catalog.table_count + 1, sizeof *tables);
    if (tables == NULL) {
        return error_no_memory(error);
    }
    for (uint32_t i = 0; i < schema->catalog.table_count; i++) {
        tables[i] = schema->tables[i].table;
    }
    schema->catalog.tables = tables;
    return RHEI_OK;
}

rhei_status oltp_capture_match(struct oltp *oltp, struct oltp_connection *connection, struct oltp_schema *schema,
                               bool *complete, struct rhei_error *error)
{
    struct capture capture = {
        .oltp = oltp, .connection = connection, .schema = schema, .cause = OLTP_BY_OTHERS, .error = error};
    bool present = false;
    rhei_status status = capture_check_version(connection, &present, error);
    *complete = false;
    if (status == RHEI_OK && present && oltp_captures(oltp)) {
        status = capture_all(&capture);
        *complete = !capture.incomplete;
    }
    if (status == RHEI_OK && !oltp_captures(oltp)) {
        oltp_still_number(oltp, schema);
    }
    for (uint32_t i = 0; i < schema->catalog.table_count; i++) {
        struct source_table *source = &schema->tables[i].table.source;
        if (source->id == 0 && source->unmirrored_reason == NULL) {
            source->unmirrored_reason = "its changes are not captured";
        }
    }
    return status == RHEI_OK ? capture_seal(schema, error) : status;
}

static rhei_status capture_apply(struct oltp *oltp, enum oltp_cause cause, struct oltp_schema **result,
                                 struct rhei_error *error)
{
    struct oltp_connection *writer = oltp->writer;
    struct oltp_schema *schema = NULL;
    bool present = false;
    *result = NULL;
    rhei_status status = capture_check_version(writer, &present, error);
    if (status == RHEI_OK && oltp->config.capture && !present) {
        status = oltp_exec(writer, capture_tables, error);
    }
    if (status == RHEI_OK) {
        status = oltp_schema_load(writer, &schema, error);
    }
    if (status == RHEI_OK && oltp->config.capture) {
        struct capture capture = {
            .oltp = oltp, .connection = writer, .schema = schema, .cause = cause, .error = error, .may_write = true};
        oltp_fault(oltp, "oltp.capture.triggers");
        status = capture_all(&capture);
        if (status == RHEI_OK) {
            status = oltp_query_int(writer, "PRAGMA main.schema_version", 0, &schema->cookie, error);
        }
        if (status == RHEI_OK) {
            status = oltp_execf(writer, error,
                                "UPDATE main._rhei_meta SET value = %" PRId64
                                " WHERE key = 'schema_cookie' AND value IS NOT %" PRId64,
                                schema->cookie, schema->cookie);
        }
    }
    if (status == RHEI_OK && !oltp_captures(oltp)) {
        oltp_still_number(oltp, schema);
    }
    if (status == RHEI_OK) {
        status = capture_seal(schema, error);
    }
    if (status != RHEI_OK) {
        oltp_schema_release(schema);
        return status;
    }
    *result = schema;
    return RHEI_OK;
}

rhei_status oltp_capture_apply(struct oltp *oltp, enum oltp_cause cause, struct oltp_schema **result,
                               struct rhei_error *error)
{
    /* our rows are none of the user's last_insert_rowid() */
    int64_t last = sqlite3_last_insert_rowid(oltp->writer->db);
    rhei_status status = capture_apply(oltp, cause, result, error);
    sqlite3_set_last_insert_rowid(oltp->writer->db, last);
    return status;
}

rhei_status oltp_capture_suspend(struct oltp *oltp, const char *table, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    rhei_status status = oltp_schema_load(oltp->writer, &schema, error);
    if (status != RHEI_OK) {
        return status;
    }
    struct capture capture = {.oltp = oltp, .connection = oltp->writer, .schema = schema, .error = error};
    const struct oltp_table_schema *found = oltp_schema_find(schema, table);
    if (found != NULL) {
        status = capture_drop_triggers(&capture, found);
    }
    oltp_schema_release(schema);
    return status;
}

/* ---- Registering by request. ------------------------------------------------------------------------------------- */

static rhei_status capture_want(struct oltp *oltp, const char *table, bool wanted, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    rhei_status status = oltp_schema_load(oltp->writer, &schema, error);
    if (status != RHEI_OK) {
        return status;
    }
    const struct oltp_table_schema *found = oltp_schema_find(schema, table);
    struct capture capture = {
        .oltp = oltp, .connection = oltp->writer, .schema = schema, .error = error, .may_write = true};
    if (found == NULL) {
        status = error_set(error, RHEI_NOT_FOUND, "no such table: %s", table);
    } else if (wanted && found->table.source.unmirrored_reason != NULL) {
        status = error_set(error, RHEI_UNSUPPORTED, "table \"%s\" can't be mirrored: %s", table,
                           found->table.source.unmirrored_reason);
    } else {
        struct registered at;
        int64_t id = 0;
        status = capture_find(&capture, found, &at);
        if (status == RHEI_OK && at.id != 0) {
            status = oltp_execf(oltp->writer, error, "UPDATE main._rhei_tables SET wanted = %d WHERE id = %" PRId64,
                                wanted, at.id);
        } else if (status == RHEI_OK) {
            status = capture_register(&capture, found, wanted, false, &id);
        }
    }
    oltp_schema_release(schema);
    return status;
}

static rhei_status capture_request(struct oltp *oltp, const char *table, bool wanted, struct rhei_error *error)
{
    if (oltp->config.read_only) {
        return error_set(error, RHEI_READ_ONLY, "the database was opened for reading only");
    }
    if (!oltp_captures(oltp)) {
        return error_set(error, RHEI_UNSUPPORTED, "this handle was opened without change capture");
    }
    rhei_status status = oltp_writer_acquire(oltp, 0, error);
    if (status != RHEI_OK) {
        return status;
    }
    status = oltp_exec(oltp->writer, "BEGIN IMMEDIATE", error);
    struct oltp_schema *schema = NULL;
    if (status == RHEI_OK) {
        int64_t last = sqlite3_last_insert_rowid(oltp->writer->db);
        status = capture_want(oltp, table, wanted, error);
        sqlite3_set_last_insert_rowid(oltp->writer->db, last);
        if (status == RHEI_OK) {
            status = oltp_capture_apply(oltp, OLTP_BY_US, &schema, error);
        }
        if (status == RHEI_OK) {
            status = oltp_exec(oltp->writer, "COMMIT", error);
        }
        if (status != RHEI_OK) {
            oltp_exec(oltp->writer, "ROLLBACK", NULL);
            oltp_rolled_back(oltp);
            oltp_schema_release(schema);
        } else {
            oltp_schema_publish(oltp, schema);
            oltp_committed(oltp, 0);
        }
    }
    oltp_writer_release(oltp);
    return status;
}

rhei_status oltp_capture_table(struct oltp *oltp, const char *table, struct rhei_error *error)
{
    return capture_request(oltp, table, true, error);
}

rhei_status oltp_release_table(struct oltp *oltp, const char *table, struct rhei_error *error)
{
    return capture_request(oltp, table, false, error);
}
