/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Having rows looked at again: the log gets the keys, as triggers put them there, so every mirror that follows it takes the rows as they
 * are in its next cycle, and what a look finds is right whenever it is made (docs/design/explained-commits.md, 3). In one transaction of
 * the writer, which is short: callers with many keys come again.
 *
 * And taking a number that no change has: a row that all readers pass over, as they do a trigger's own notes.
 */
#include "capture/capture_source.h"

enum { ADVANCE_WAIT_NS = 200 * 1000 * 1000 };

struct again {
    const struct source_table *table;
    const struct rhei_value *const *keys;
    size_t count;
    uint32_t number; /* of a table, where nothing is to be looked at */
};

/* With the writer held, in a transaction. RHEI_STALE: the table has another number by now. */
static rhei_status again_check(struct oltp *oltp, const struct source_table *table, struct rhei_error *error)
{
    int64_t cookie = 0;
    struct oltp_schema *schema = NULL;
    rhei_status status = oltp_query_int(oltp->writer, "PRAGMA main.schema_version", 0, &cookie, error);
    if (status != RHEI_OK)
        return status;
    schema = capture_schema_hold(oltp);
    const struct capture_table_schema *found =
        schema == NULL || schema->cookie != cookie ? NULL : capture_schema_find(schema, table->name);
    bool same = found != NULL && found->table.source.id == table->id;
    capture_schema_release(schema);
    return same ? RHEI_OK : error_set(error, RHEI_STALE, "table \"%s\" changed: try again", table->name);
}

static rhei_status again_prepare(struct oltp *oltp, const struct source_table *table, sqlite3_stmt **stmt,
                                 struct rhei_error *error)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "INSERT INTO main." OLTP_LOG "(time, op, tab");
    for (uint32_t i = 1; i <= table->key_count; i++)
        base_buffer_format(&sql, ", c%u", i);
    base_buffer_format(&sql, ") VALUES(" CAPTURE_NOW ", '%c', %u", CAPTURE_LOG_LOOK, table->id);
    for (uint32_t i = 1; i <= table->key_count; i++)
        base_buffer_format(&sql, ", ?%u", i);
    base_buffer_char(&sql, ')');
    int rc = sql.failed ? SQLITE_NOMEM : sqlite3_prepare_v2(oltp->writer->db, sql.data, -1, stmt, NULL);
    base_buffer_reset(&sql);
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, "looking again", error);
}

static rhei_status again_write(struct oltp *oltp, const struct source_table *table,
                               const struct rhei_value *const *keys, size_t count, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    rhei_status status = again_prepare(oltp, table, &stmt, error);
    for (size_t k = 0; status == RHEI_OK && k < count; k++) {
        int rc = SQLITE_OK;
        for (uint32_t i = 0; rc == SQLITE_OK && i < table->key_count; i++)
            rc = oltp_bind_value(stmt, (int)i + 1, &keys[k][i], false);
        rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
        sqlite3_reset(stmt);
        if (rc != SQLITE_DONE)
            status = oltp_sqlite_error(oltp->writer, rc, "looking again", error);
    }
    sqlite3_finalize(stmt);
    return status;
}

static rhei_status again_look(struct oltp *oltp, const struct again *again, struct rhei_error *error)
{
    rhei_status status = again_check(oltp, again->table, error);
    return status == RHEI_OK ? again_write(oltp, again->table, again->keys, again->count, error) : status;
}

rhei_status capture_advance(struct oltp_connection *connection, uint32_t number, struct rhei_error *error)
{
    return oltp_execf(connection, error,
                      "INSERT INTO main." OLTP_LOG "(time, op, tab) VALUES(" CAPTURE_NOW ", '%c', %u)",
                      CAPTURE_LOG_FORETOLD, number);
}

static rhei_status again_advance(struct oltp *oltp, const struct again *again, struct rhei_error *error)
{
    return capture_advance(oltp->writer, again->number, error);
}

/* With the writer held. */
static rhei_status again_commit(struct oltp *oltp, const struct again *again,
                                rhei_status (*write)(struct oltp *, const struct again *, struct rhei_error *),
                                struct rhei_error *error)
{
    rhei_status status = oltp_step_own(oltp, oltp->begin, error);
    if (status != RHEI_OK)
        return status;
    int64_t last = sqlite3_last_insert_rowid(oltp->writer->db);
    status = write(oltp, again, error);
    sqlite3_set_last_insert_rowid(oltp->writer->db, last);
    if (status == RHEI_OK)
        status = oltp_step_own(oltp, oltp->commit, error);
    if (status == RHEI_OK)
        oltp_kept_up(oltp);
    else
        oltp_roll_back(oltp);
    return status;
}

rhei_status capture_look_again(struct oltp *oltp, const struct source_table *table,
                               const struct rhei_value *const *keys, size_t count, const struct oltp_stop *stop,
                               struct rhei_error *error)
{
    const struct again again = {.table = table, .keys = keys, .count = count};
    BASE_INVARIANT(oltp_captures(oltp));
    rhei_status status = oltp_writer_acquire_while(oltp, 0, stop, error);
    if (status != RHEI_OK)
        return status;
    status = again_commit(oltp, &again, again_look, error);
    oltp_writer_release(oltp);
    return status;
}

rhei_status capture_source_advance(struct change_source *base, uint32_t table, struct rhei_error *error)
{
    struct oltp *oltp = ((struct capture_source *)base)->oltp;
    const struct again again = {.number = table};
    if (!oltp_captures(oltp))
        return error_set(error, RHEI_READ_ONLY, "a handle that only looks writes nothing");
    rhei_status status = oltp_writer_acquire(oltp, base_now_ns() + ADVANCE_WAIT_NS, error);
    if (status != RHEI_OK)
        return status;
    status = again_commit(oltp, &again, again_advance, error);
    oltp_writer_release(oltp);
    return status;
}
