/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof that a table's capture works: statements of each kind are prepared on it (never run), with its triggers.
 *
 * P1. What fails with the triggers and not without them is our fault: the table isn't captured (promise C7).
 * P2. What fails before they are made, too, is the schema's own affair (a user's trigger that calls a function of another program,
 *     an index by a collation that we don't have): we can't write that table, others can. Its triggers hold nothing but
 *     what every SQLite has (T5), so they are left to others' writes.
 */
#include "capture/capture_batch.h"

static rhei_status prove(struct oltp_connection *connection, const struct base_buffer *sql, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sql->failed ? SQLITE_NOMEM : sqlite3_prepare_v2(connection->db, sql->data, -1, &stmt, NULL);
    rhei_status status = rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

rhei_status capture_prove_reading(struct oltp_connection *connection, const struct capture_table_schema *table,
                                  struct rhei_error *error)
{
    struct base_buffer sql = {0};
    capture_batch_select_key(table, &sql);
    rhei_status status = prove(connection, &sql, error);
    base_buffer_reset(&sql);
    if (status == RHEI_SQL)
        error_context(error, "its rows can't be read here: ");
    return status;
}

/* "UPDATE OR REPLACE t SET a = a, b = b": every trigger of an update is part of it. */
static void prove_update(const struct capture_table_schema *table, struct base_buffer *sql)
{
    const struct source_table *source = &table->table.source;
    bool any = false;
    base_buffer_text(sql, "UPDATE OR REPLACE main.");
    base_buffer_identifier(sql, source->name);
    for (uint32_t i = 0; i < source->column_count; i++) {
        if (!source->columns[i].generated && !source->columns[i].is_rowid) {
            base_buffer_text(sql, any ? "," : " SET ");
            base_buffer_identifier(sql, source->columns[i].name);
            base_buffer_char(sql, '=');
            base_buffer_identifier(sql, source->columns[i].name);
            any = true;
        }
    }
}

enum { PROVE_INSERT, PROVE_REPLACE, PROVE_UPDATE, PROVE_DELETE, PROVE_COUNT };

static void prove_text(const struct capture_table_schema *table, int kind, struct base_buffer *sql)
{
    static const char *const heads[] = {"INSERT INTO main.", "REPLACE INTO main.", "", "DELETE FROM main."};
    if (kind == PROVE_UPDATE) {
        prove_update(table, sql);
        return;
    }
    base_buffer_text(sql, heads[kind]);
    base_buffer_identifier(sql, table->table.source.name);
    base_buffer_text(sql, kind == PROVE_DELETE ? "" : " DEFAULT VALUES");
}

uint32_t capture_prove_before(struct oltp_connection *connection, const struct capture_table_schema *table)
{
    uint32_t kinds = 0;
    for (int kind = 0; kind < PROVE_COUNT; kind++) {
        struct base_buffer sql = {0};
        prove_text(table, kind, &sql);
        kinds |= prove(connection, &sql, NULL) == RHEI_OK ? 1u << kind : 0;
        base_buffer_reset(&sql);
    }
    return kinds;
}

rhei_status capture_prove_writing(struct oltp_connection *connection, const struct capture_table_schema *table,
                                  uint32_t before, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (int kind = 0; kind < PROVE_COUNT && status == RHEI_OK; kind++) {
        struct base_buffer sql = {0};
        prove_text(table, kind, &sql);
        status = (before & 1u << kind) != 0 ? prove(connection, &sql, error) : RHEI_OK;
        base_buffer_reset(&sql);
    }
    return status;
}
