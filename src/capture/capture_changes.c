/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change log as a stream for one consumer.
 *
 *   H1. Rows of the log never change and never come between others, so a unit (the changes up to `end`, the newest row of a state) may be read in
 *       several short read transactions: a slow consumer holds no state and lets the write-ahead log be cut.
 *   H2. A state of the file is the end of a transaction. A unit ends with one, so no transaction is told in part.
 *   H3. A row that is looked up (the log has only its key) is that of the look's own state: the unit's end then moves to the newest row
 *       of that state. So whatever the look shows too early is told within the same unit.
 *   H4. The numbers of a unit follow each other without a gap, or changes are lost, and the consumer is told so.
 *   H5. What the log has forgotten and a buffer beside it has is told from there, however far a unit is: its events have the log's positions, and the
 *       unit then ends with the buffer's commit.
 *   H6. A row is known by the PRIMARY KEY that the schema declares, else by its rowid. The log names only declared keys that a row had at that
 *       time (T10): where the row is gone, or has another one now, that key is told as gone, and whoever has it later is logged later. What
 *       has no declared key in the log is told only as the row that is found.
 */
#include <string.h>

#include "base/base_value.h"
#include "capture/capture_batch.h"
#include "capture/capture_before.h"
#include "capture/capture_buffered.h"
#include "capture/capture_changes.h"
#include "capture/capture_internal.h"
#include "capture/capture_known.h"
#include "capture/capture_look.h"

enum { CHANGES_TRIES = 20, CHANGES_BYTES_MOST = 1 << 20 };

struct changes_table {
    const struct capture_table_schema *table;
    sqlite3_stmt *look;
};

struct capture_changes {
    struct oltp *oltp;
    struct oltp_connection *connection;
    char *consumer;
    sqlite3_stmt *begin, *commit, *last, *cookie, *log, *named;
    struct oltp_schema *schema;
    struct changes_table *tables;
    uint32_t table_count;
    struct changes_table *last_found;
    struct capture_known known;
    uint64_t token; /* of the commits, before the last state was pinned */
    bool looked;

    int64_t position;  /* everything up to here was told */
    bool in_unit;      /* its end isn't told yet */
    int64_t end, next; /* of the unit: its last number, and the next to read */
    int64_t time_us;   /* of the newest row read */
    int64_t newest;    /* of the log in the pinned state */

    struct base_arena arena; /* what the events point to */
    struct capture_change *events;
    size_t event_count, event_room, taken;

    struct capture_buffered *buffered; /* NULL: there is no buffer */
    struct capture_changes_config config;
    struct capture_buffered_events buffered_events;

    int64_t *told; /* positions of commits that were told and not acknowledged yet, ascending */
    size_t told_count, told_room;
};

static rhei_status changes_prepare(struct capture_changes *changes, const char *sql, sqlite3_stmt **stmt,
                                   struct rhei_error *error)
{
    int rc = sqlite3_prepare_v3(changes->connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(changes->connection, rc, "change log", error);
}

static rhei_status changes_step(struct capture_changes *changes, sqlite3_stmt *stmt, struct rhei_error *error)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return RHEI_ROW;
    return rc == SQLITE_DONE ? RHEI_DONE : oltp_sqlite_error(changes->connection, rc, "change log", error);
}

/* One integer of a prepared statement. */
static rhei_status changes_integer(struct capture_changes *changes, sqlite3_stmt *stmt, int64_t *value,
                                   struct rhei_error *error)
{
    rhei_status status = changes_step(changes, stmt, error);
    *value = status == RHEI_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_reset(stmt);
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

/* ---- Events. ----------------------------------------------------------------------------------------------------- */

static struct capture_change *changes_add(struct capture_changes *changes, enum capture_change_kind kind)
{
    if (!base_grow((void **)&changes->events, &changes->event_room, changes->event_count + 1, sizeof *changes->events))
        return NULL;
    struct capture_change *event = &changes->events[changes->event_count++];
    *event = (struct capture_change){.kind = kind, .position = changes->next};
    return event;
}

/* `name` NULL: any table may have lost changes. */
static rhei_status changes_lose(struct capture_changes *changes, uint32_t number, const char *name, const char *reason,
                                struct rhei_error *error)
{
    for (size_t i = 0; i < changes->event_count; i++) { /* once is enough */
        const struct capture_change *before = &changes->events[i];
        if (before->kind == CAPTURE_CHANGE_LOST && before->number == number)
            return RHEI_OK;
    }
    struct capture_change *event = changes_add(changes, CAPTURE_CHANGE_LOST);
    char *text = base_arena_text(&changes->arena, reason);
    char *copy = name == NULL ? NULL : base_arena_text(&changes->arena, name);
    if (event == NULL || text == NULL || (name != NULL && copy == NULL))
        return error_no_memory(error);
    event->number = number;
    event->name = copy;
    event->reason = text;
    return RHEI_OK;
}

/* Nothing more of this unit can be told. */
static rhei_status changes_lose_all(struct capture_changes *changes, const char *reason, struct rhei_error *error)
{
    changes->end = changes->newest;
    changes->next = changes->end + 1;
    return changes_lose(changes, 0, NULL, reason, error);
}

/* ---- The schema. ------------------------------------------------------------------------------------------------- */

static void changes_drop_schema(struct capture_changes *changes)
{
    for (uint32_t i = 0; i < changes->table_count; i++)
        sqlite3_finalize(changes->tables[i].look);
    base_free(changes->tables);
    changes->tables = NULL;
    changes->table_count = 0;
    changes->last_found = NULL;
    sqlite3_finalize(changes->log);
    changes->log = NULL;
    capture_schema_release(changes->schema);
    changes->schema = NULL;
}

static struct changes_table *changes_find(struct capture_changes *changes, int64_t number)
{
    struct changes_table *last = changes->last_found; /* most rows are of the table of the row before */
    for (uint32_t i = 0; (last == NULL || last->table->number != number) && i < changes->table_count; i++)
        last = &changes->tables[i];
    if (last != NULL && last->table->number == number)
        return changes->last_found = last;
    return NULL;
}

static rhei_status changes_prepare_log(struct capture_changes *changes, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "SELECT seq,time,op,tab");
    for (uint32_t i = 1; i <= changes->schema->log_columns; i++)
        base_buffer_format(&sql, ",c%u", i);
    base_buffer_text(&sql, " FROM main." OLTP_LOG " WHERE seq >= ?1 ORDER BY seq");
    rhei_status status = sql.failed ? error_no_memory(error) : changes_prepare(changes, sql.data, &changes->log, error);
    base_buffer_reset(&sql);
    return status;
}

/* Takes the reference. */
static rhei_status changes_use(struct capture_changes *changes, struct oltp_schema *schema, struct rhei_error *error)
{
    changes_drop_schema(changes);
    changes->schema = schema;
    uint32_t count = schema->catalog.table_count;
    changes->tables = base_alloc_zero((size_t)count + 1, sizeof *changes->tables);
    if (changes->tables == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < count; i++)
        if (schema->tables[i].number != 0)
            changes->tables[changes->table_count++].table = &schema->tables[i];
    return changes_prepare_log(changes, error);
}

static rhei_status changes_know(struct capture_changes *changes, uint32_t number, const struct source_table *table,
                                struct rhei_error *error)
{
    struct capture_known_version *known = NULL;
    rhei_status status = capture_known_add(&changes->known, number, table->name, strlen(table->name), &known, error);
    if (status != RHEI_OK || known->told)
        return status;
    struct capture_change *event = changes_add(changes, CAPTURE_CHANGE_TABLE);
    if (event == NULL)
        return error_no_memory(error);
    event->number = number;
    event->name = table->name;
    event->table = table;
    const struct changes_table *entry = changes_find(changes, number); /* NULL: of an older version */
    event->reason = entry == NULL ? NULL : capture_before_missing(changes->oltp, entry->table);
    known->told = true;
    return RHEI_OK;
}

/* Tells which versions of tables came and went since the consumer was told last. */
static rhei_status changes_tell_schema(struct capture_changes *changes, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < changes->known.count; i++) {
        struct capture_known_version *known = &changes->known.list[i];
        if (known->gone || changes_find(changes, known->number) != NULL)
            continue;
        struct capture_change *event = changes_add(changes, CAPTURE_CHANGE_GONE);
        char *name = base_arena_text(&changes->arena, known->name);
        if (event == NULL || name == NULL)
            return error_no_memory(error);
        event->number = known->number;
        event->name = name;
        capture_known_gone(&changes->known, known->number);
    }
    for (uint32_t i = 0; i < changes->table_count && status == RHEI_OK; i++)
        status =
            changes_know(changes, changes->tables[i].table->number, &changes->tables[i].table->table.source, error);
    return status;
}

/* ---- A state. ---------------------------------------------------------------------------------------------------- */

static void changes_let_go(struct capture_changes *changes)
{
    if (changes->log != NULL)
        sqlite3_reset(changes->log);
    if (!sqlite3_get_autocommit(changes->connection->db)) {
        changes_step(changes, changes->commit, NULL);
        sqlite3_reset(changes->commit);
    }
}

/* *known: the state's schema is one that we know. */
static rhei_status changes_pin_once(struct capture_changes *changes, bool *known, struct rhei_error *error)
{
    int64_t cookie = 0;
    rhei_status status = changes_step(changes, changes->begin, error);
    sqlite3_reset(changes->begin);
    status = status == RHEI_DONE ? RHEI_OK : status;
    if (status == RHEI_OK)
        status = changes_integer(changes, changes->last, &changes->newest, error);
    if (status == RHEI_OK)
        status = changes_integer(changes, changes->cookie, &cookie, error);
    *known = status == RHEI_OK && changes->schema != NULL && changes->schema->cookie == cookie;
    if (status != RHEI_OK || *known)
        return status;
    struct oltp_schema *schema = capture_schema_hold(changes->oltp);
    if (schema == NULL || schema->cookie != cookie) {
        capture_schema_release(schema);
        return RHEI_OK;
    }
    status = changes_use(changes, schema, error);
    *known = status == RHEI_OK;
    return status;
}

static rhei_status changes_pin(struct capture_changes *changes, struct rhei_error *error)
{
    rhei_status status = oltp_check_file(changes->oltp, error);
    bool known = false, mended = false;
    if (status == RHEI_OK)
        capture_schema_finish(changes->oltp, 1); /* tables that wait for their triggers */
    for (int tries = 0; status == RHEI_OK && !known; tries++) {
        struct rhei_error why = RHEI_ERROR_INIT;
        changes->token = oltp_commit_token(changes->oltp);
        status = changes_pin_once(changes, &known, &why);
        if (status == RHEI_SQL && !mended) { /* others dropped the log: a look at the schema makes it again */
            mended = true;
            status = RHEI_OK;
        } else if (status != RHEI_OK && error != NULL) {
            *error = why;
        }
        if (status == RHEI_OK && !known) {
            changes_let_go(changes);
            status = tries < CHANGES_TRIES ? capture_schema_settle(changes->oltp, error)
                                           : error_set(error, RHEI_BUSY, "the schema keeps changing");
        }
    }
    if (status != RHEI_OK)
        changes_let_go(changes);
    changes->looked = changes->looked || status == RHEI_OK;
    return status;
}

/* ---- Rows of the log. -------------------------------------------------------------------------------------------- */

/* Column `from` of the statement as column `column` of the table keeps it. */
static bool changes_put(struct capture_changes *changes, const struct source_table *table, uint32_t column,
                        sqlite3_stmt *stmt, int from, struct rhei_value *value)
{
    oltp_value(sqlite3_column_value(stmt, from), changes->connection->utf16, value);
    capture_as_kept(&table->columns[column], value);
    if (value->type >= RHEI_TEXT && value->length > 0) {
        void *copy = base_arena_alloc(&changes->arena, value->length);
        if (copy == NULL || value->as.bytes == NULL)
            return false;
        memcpy(copy, value->as.bytes, value->length);
        value->as.bytes = copy;
    }
    return true;
}

/* H3. The row of the key at value column `at`, whole, or *found = false and `values` stays. */
static rhei_status changes_look(struct capture_changes *changes, struct changes_table *entry, uint32_t at,
                                struct rhei_value *values, bool *found, struct rhei_error *error)
{
    const struct source_table *table = &entry->table->table.source;
    struct capture_cell *key = base_arena_zero(&changes->arena, table->key_count, sizeof *key);
    *found = false;
    if (key == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < table->key_count; i++)
        key[i] = (struct capture_cell){.stmt = changes->log, .column = CAPTURE_LOG_HEAD + (int)(at + i)};
    changes->end = changes->newest;
    rhei_status status = capture_look(changes->connection, entry->table, &entry->look, key, found, error);
    for (uint32_t i = 0; i < table->column_count && *found && status == RHEI_OK; i++)
        if (!changes_put(changes, table, i, entry->look, (int)i, &values[i]))
            status = error_no_memory(error);
    sqlite3_reset(entry->look);
    return status;
}

/* T11. The row as it was, which begins at value column `at` of the log's row; NULL: it isn't there. */
static rhei_status changes_take_before(struct capture_changes *changes, const struct source_table *table, uint32_t at,
                                       const struct rhei_value **before, struct rhei_error *error)
{
    *before = NULL;
    if (!capture_before_fits(table, at, changes->schema->log_columns) ||
        sqlite3_column_type(changes->log, CAPTURE_LOG_HEAD + (int)(at + table->key_columns[0])) == SQLITE_NULL)
        return RHEI_OK;
    struct rhei_value *values = base_arena_zero(&changes->arena, table->column_count, sizeof *values);
    if (values == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!changes_put(changes, table, i, changes->log, CAPTURE_LOG_HEAD + (int)(at + i), &values[i]))
            return error_no_memory(error);
    *before = values;
    return RHEI_OK;
}

static struct capture_change *changes_add_row(struct capture_changes *changes, enum capture_change_kind kind,
                                              const struct capture_table_schema *table, struct rhei_value **values)
{
    *values = base_arena_zero(&changes->arena, table->table.source.column_count, sizeof **values);
    struct capture_change *event = *values == NULL ? NULL : changes_add(changes, kind);
    if (event != NULL) {
        event->number = table->number;
        event->name = table->table.source.name;
        event->table = &table->table.source;
        event->time_us = changes->time_us;
        event->values = *values;
    }
    return event;
}

/* The key at value column `at` of the log's row, with the declared one behind it. */
static bool changes_put_key(struct capture_changes *changes, const struct source_table *table, uint32_t at,
                            struct rhei_value *values)
{
    bool good = true;
    int from = CAPTURE_LOG_HEAD + (int)at;
    for (uint32_t i = 0; i < table->key_count && good; i++)
        good = changes_put(changes, table, table->key_columns[i], changes->log, from++, &values[table->key_columns[i]]);
    for (uint32_t c = 0; c < table->column_count && good; c++)
        if (table->columns[c].in_primary_key)
            good = changes_put(changes, table, c, changes->log, from++, &values[c]);
    return good;
}

/* T10: the row had the declared key; or the table's key needs no other. */
static bool changes_had_key(const struct capture_table_schema *table, const struct rhei_value *key)
{
    for (uint32_t c = 0; c < table->table.source.column_count; c++)
        if (table->table.source.columns[c].in_primary_key && key[c].type != RHEI_NULL)
            return true;
    return table->declared_count == 0;
}

/* H6. The row that was found has another declared key than the log's. */
static bool changes_other_key(const struct source_table *table, const struct rhei_value *key,
                              const struct rhei_value *found)
{
    for (uint32_t c = 0; c < table->column_count; c++)
        if (table->columns[c].in_primary_key && !base_same_value(&key[c], &found[c]))
            return true;
    return false;
}

/* What a look showed of the key that the newest event is of. */
static rhei_status changes_take_looked(struct capture_changes *changes, struct changes_table *entry, bool found,
                                       struct rhei_value *row, struct rhei_error *error)
{
    const struct source_table *table = &entry->table->table.source;
    struct capture_change *event = &changes->events[changes->event_count - 1];
    bool had = changes_had_key(entry->table, event->values);
    if (!found) {
        changes->event_count -= !had;
        return RHEI_OK;
    }
    if (had && changes_other_key(table, event->values, row)) {
        struct rhei_value *values = NULL; /* the key is nobody's, and the row is told, too */
        event = changes_add_row(changes, CAPTURE_CHANGE_UPDATE, entry->table, &values);
        if (event == NULL)
            return error_no_memory(error);
    }
    event->kind = CAPTURE_CHANGE_UPDATE;
    event->values = row;
    return RHEI_OK;
}

/* A key of the log's row, from value column `at` on; `look`: what became of its row. */
static rhei_status changes_take_key(struct capture_changes *changes, struct changes_table *entry, uint32_t at,
                                    bool look, struct rhei_error *error)
{
    const struct source_table *table = &entry->table->table.source;
    struct rhei_value *values = NULL, *row = NULL;
    struct capture_change *event = changes_add_row(changes, CAPTURE_CHANGE_DELETE, entry->table, &values);
    bool found = false;
    if (event == NULL || !changes_put_key(changes, table, at, values))
        return error_no_memory(error);
    if (!look)
        return changes_take_before(changes, table, at + capture_key_width(entry->table), &event->before, error);
    row = base_arena_zero(&changes->arena, table->column_count, sizeof *row);
    if (row == NULL)
        return error_no_memory(error);
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = changes_look(changes, entry, at, row, &found, &why);
    if (capture_look_is_tables_own(status)) {
        changes->event_count--;
        return changes_lose(changes, entry->table->number, table->name, why.message, error);
    }
    if (status != RHEI_OK && error != NULL)
        *error = why;
    return status == RHEI_OK ? changes_take_looked(changes, entry, found, row, error) : status;
}

static rhei_status changes_take_whole(struct capture_changes *changes, struct changes_table *entry, bool insert,
                                      struct rhei_error *error)
{
    const struct source_table *table = &entry->table->table.source;
    struct rhei_value *values = NULL;
    const struct rhei_value *before = NULL;
    struct capture_change *event =
        changes_add_row(changes, insert ? CAPTURE_CHANGE_INSERT : CAPTURE_CHANGE_UPDATE, entry->table, &values);
    if (event == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!changes_put(changes, table, i, changes->log, CAPTURE_LOG_HEAD + (int)i, &values[i]))
            return error_no_memory(error);
    rhei_status status = insert ? RHEI_OK : changes_take_before(changes, table, table->column_count, &before, error);
    bool same = before != NULL;
    for (uint32_t i = 0; i < table->column_count && same; i++)
        same = capture_before_has_key(table, i, &before[i], &values[i]);
    event->before = same ? before : NULL;
    return status;
}

/* Of a version that isn't current: what its columns were isn't known any more. */
static rhei_status changes_take_older(struct capture_changes *changes, int64_t number, struct rhei_error *error)
{
    sqlite3_bind_int64(changes->named, 1, number);
    rhei_status status = changes_step(changes, changes->named, error);
    const char *name = status == RHEI_ROW ? (const char *)sqlite3_column_text(changes->named, 0) : NULL;
    if (status == RHEI_ROW && name != NULL) {
        status = changes_lose(changes, (uint32_t)number, name,
                              "it was altered, dropped or captured anew before these changes were read", error);
    } else if (status == RHEI_ROW || status == RHEI_DONE) {
        status = changes_lose_all(
            changes, number == 0 ? CAPTURE_GUARD_SAYS : "the change log names a table that was never registered",
            error);
    }
    sqlite3_reset(changes->named);
    return status;
}

static rhei_status changes_take_row(struct capture_changes *changes, struct rhei_error *error)
{
    sqlite3_stmt *log = changes->log;
    const unsigned char *letter = sqlite3_column_text(log, 2);
    enum capture_log_op op = letter == NULL ? (enum capture_log_op)0 : (enum capture_log_op)letter[0];
    int64_t number = sqlite3_column_int64(log, 3);
    uint32_t width = changes->schema->log_columns;
    changes->time_us = (int64_t)((sqlite3_column_double(log, 1) - 2440587.5) * 86400000.0 + 0.5) * 1000;
    struct changes_table *entry = changes_find(changes, number);
    if (op == CAPTURE_LOG_FORETOLD || op == CAPTURE_LOG_DOUBT || op == CAPTURE_LOG_DOUBT_UPDATE)
        return RHEI_OK; /* if the row went, that is told by itself */
    if (entry == NULL)
        return changes_take_older(changes, number, error);
    const struct source_table *table = &entry->table->table.source;
    bool whole = op == CAPTURE_LOG_INSERT || op == CAPTURE_LOG_UPDATE;
    bool gone = op == CAPTURE_LOG_DELETE || op == CAPTURE_LOG_REPLACED;
    bool key = gone || op == CAPTURE_LOG_LOOK, three = op == CAPTURE_LOG_DISPLACE;
    uint32_t width_of_key = capture_key_width(entry->table);
    uint32_t needed = whole ? table->column_count : three ? 3 * width_of_key : width_of_key;
    if ((!whole && !key && !three) || needed > width) {
        return changes_lose(changes, entry->table->number, table->name,
                            op == CAPTURE_LOG_REBUILD
                                ? "it was changed in a way that its triggers can't tell row by row"
                                : "the change log has a row for it that no trigger writes",
                            error);
    }
    if (whole)
        return changes_take_whole(changes, entry, op == CAPTURE_LOG_INSERT, error);
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < (three ? 3U : 1U) && status == RHEI_OK; i++)
        status = changes_take_key(changes, entry, i * width_of_key, !gone, error);
    return status;
}

static rhei_status changes_read(struct capture_changes *changes, struct rhei_error *error)
{
    rhei_status status = RHEI_ROW;
    sqlite3_bind_int64(changes->log, 1, changes->next);
    for (size_t rows = 0;
         changes->next <= changes->end && rows < changes->config.most_rows && changes->arena.total < CHANGES_BYTES_MOST;
         rows++) {
        status = changes_step(changes, changes->log, error);
        if (status == RHEI_DONE || (status == RHEI_ROW && sqlite3_column_int64(changes->log, 0) != changes->next)) {
            if (changes->buffered != NULL && capture_buffered_covers(changes->buffered, changes->next - 1))
                return RHEI_OK; /* it was moved there meanwhile */
            struct rhei_error why = RHEI_ERROR_INIT;
            rhei_status can = capture_consumer_can_read(changes->connection, &changes->config, changes->next - 1, &why);
            if (can != RHEI_OK) /* not BUSY: this reader won't have the buffer, however long it waits */
                return error_set(error, can == RHEI_BUSY ? RHEI_STALE : can, "%s", why.message);
            return changes_lose_all(changes,
                                    changes->buffered == NULL
                                        ? "the change log doesn't have the changes behind the consumer's position"
                                        : "neither the change log nor the change buffer has the changes behind the "
                                          "consumer's position",
                                    error);
        }
        if (status != RHEI_ROW)
            return status;
        status = changes_take_row(changes, error);
        if (status != RHEI_OK)
            return status;
        changes->next++;
    }
    return RHEI_OK;
}

/* The pinned state's part of the unit. */
static rhei_status changes_fill_pinned(struct capture_changes *changes, struct rhei_error *error)
{
    if (!changes->in_unit) {
        changes->end = changes->newest;
        changes->next = changes->position + 1;
    }
    rhei_status status = changes_tell_schema(changes, error);
    if (status == RHEI_OK && !changes->in_unit && changes->newest < changes->position)
        status = changes_lose_all(changes, "the change log ends before the consumer's position", error);
    changes->in_unit |= changes->event_count > 0 || changes->next <= changes->end;
    if (status == RHEI_OK)
        status = changes_read(changes, error);
    if (status != RHEI_OK || !changes->in_unit || changes->next <= changes->end)
        return status;
    struct capture_change *event = changes_add(changes, CAPTURE_CHANGE_COMMIT);
    if (event == NULL)
        return error_no_memory(error);
    event->position = changes->end;
    event->time_us = changes->time_us;
    return RHEI_OK;
}

/* Where the next change is told from. */
static int64_t changes_told(const struct capture_changes *changes)
{
    return changes->in_unit ? changes->next - 1 : changes->position;
}

/* H5. Events of the buffer, as far as the consumer doesn't know them. */
static rhei_status changes_fill_buffered(struct capture_changes *changes, struct rhei_error *error)
{
    struct capture_buffered_events *from = &changes->buffered_events;
    rhei_status status =
        capture_buffered_next(changes->buffered, changes_told(changes), changes->config.most_rows, from, error);
    if (status == RHEI_OK && from->damaged && changes->config.damaged != NULL)
        changes->config.damaged(changes->config.damaged_context);
    for (size_t i = 0; i < from->count && status == RHEI_OK; i++) {
        if (from->list[i].kind == CAPTURE_CHANGE_TABLE) {
            status = changes_know(changes, from->list[i].number, from->list[i].table, error);
            continue;
        }
        if (from->list[i].kind == CAPTURE_CHANGE_GONE)
            capture_known_gone(&changes->known, from->list[i].number);
        struct capture_change *event = changes_add(changes, from->list[i].kind);
        if (event == NULL)
            return error_no_memory(error);
        *event = from->list[i];
    }
    changes->next = changes_told(changes) + 1;
    for (size_t i = 0; i < changes->event_count && status == RHEI_OK; i++) {
        changes->in_unit = changes->events[i].kind != CAPTURE_CHANGE_COMMIT;
        changes->end = changes->events[i].position;
        changes->next = changes->end >= changes->next ? changes->end + 1 : changes->next;
    }
    changes->end = changes->next - 1;
    changes->looked = changes->looked || status == RHEI_OK;
    return status;
}

/* The next events; none: there is nothing new. What fails is told again by the next call. */
static rhei_status changes_fill(struct capture_changes *changes, struct rhei_error *error)
{
    int64_t next = changes->next, end = changes->end;
    bool in_unit = changes->in_unit;
    changes->event_count = changes->taken = 0;
    capture_known_settle(&changes->known, false);
    base_arena_clear(&changes->arena);
    bool buffered = changes->buffered != NULL && capture_buffered_covers(changes->buffered, changes_told(changes));
    rhei_status status = buffered ? changes_fill_buffered(changes, error) : changes_pin(changes, error);
    if (status == RHEI_OK && !buffered) {
        oltp_fault(changes->oltp, "changes.pinned");
        status = changes_fill_pinned(changes, error);
        changes_let_go(changes);
        if (status == RHEI_OK && changes->event_count == 0 && changes->buffered != NULL &&
            capture_buffered_covers(changes->buffered, changes_told(changes)))
            status = changes_fill_buffered(changes, error);
    }
    if (status != RHEI_OK) {
        changes->event_count = 0;
        changes->next = next;
        changes->end = end;
        changes->in_unit = in_unit;
        capture_known_settle(&changes->known, true);
    }
    oltp_fault(changes->oltp, "changes.filled");
    return status;
}

rhei_status capture_changes_peek(struct capture_changes *changes, const struct capture_change **change,
                                 struct rhei_error *error)
{
    *change = NULL;
    while (changes->taken == changes->event_count) {
        rhei_status status = changes_fill(changes, error);
        if (status != RHEI_OK)
            return status;
        if (changes->event_count == 0 && !changes->in_unit) /* else those rows of the log were looks alone */
            return RHEI_DONE;
    }
    *change = &changes->events[changes->taken];
    return RHEI_ROW;
}

rhei_status capture_changes_next(struct capture_changes *changes, const struct capture_change **change,
                                 struct rhei_error *error)
{
    const struct capture_change *event = NULL;
    rhei_status status = capture_changes_peek(changes, &event, error);
    *change = NULL;
    if (status != RHEI_ROW)
        return status;
    if (event->kind == CAPTURE_CHANGE_COMMIT) {
        if (!base_grow((void **)&changes->told, &changes->told_room, changes->told_count + 1, sizeof *changes->told))
            return error_no_memory(error);
        if (changes->told_count == 0 || changes->told[changes->told_count - 1] != event->position)
            changes->told[changes->told_count++] = event->position;
        changes->position = event->position;
        changes->in_unit = false;
    }
    changes->taken++;
    *change = event;
    return RHEI_ROW;
}

/* ---- Life. ------------------------------------------------------------------------------------------------------- */

rhei_status capture_changes_acknowledge(struct capture_changes *changes, int64_t position, struct rhei_error *error)
{
    size_t at = 0;
    while (at < changes->told_count && changes->told[at] != position)
        at++;
    if (at == changes->told_count) {
        return error_set(error, RHEI_INVALID, "%lld is no position of a commit that was told and not acknowledged yet",
                         (long long)position);
    }
    struct base_buffer known = {0};
    /* what was read beyond the position may tell of more than it */
    bool keeps = changes->known.changed && at + 1 == changes->told_count && !changes->in_unit &&
                 changes->taken == changes->event_count;
    rhei_status status = RHEI_OK;
    if (changes->consumer != NULL) {
        capture_known_write(&changes->known, &known);
        status = known.failed
                     ? error_no_memory(error)
                     : capture_consumer_move(changes->oltp, changes->consumer, position, keeps ? &known : NULL, error);
        base_buffer_reset(&known);
    }
    if (status == RHEI_OK) {
        changes->known.changed &= !keeps;
        changes->told_count -= at + 1;
        memmove(changes->told, changes->told + at + 1, changes->told_count * sizeof *changes->told);
    }
    return status;
}

bool capture_changes_news(const struct capture_changes *changes)
{
    return !changes->looked || changes->in_unit || changes->taken < changes->event_count ||
           oltp_is_blind(changes->oltp) || oltp_commit_token(changes->oltp) != changes->token;
}

int64_t capture_changes_position(const struct capture_changes *changes)
{
    return changes->position;
}

void capture_changes_close(struct capture_changes **slot)
{
    struct capture_changes *changes = *slot;
    if (changes == NULL)
        return;
    *slot = NULL;
    changes_drop_schema(changes);
    sqlite3_finalize(changes->begin);
    sqlite3_finalize(changes->commit);
    sqlite3_finalize(changes->last);
    sqlite3_finalize(changes->cookie);
    sqlite3_finalize(changes->named);
    oltp_connection_close(&changes->connection);
    capture_known_reset(&changes->known);
    base_free(changes->events);
    base_free(changes->told);
    capture_buffered_close(&changes->buffered);
    base_free(changes->buffered_events.list);
    base_free(changes->consumer);
    base_arena_reset(&changes->arena);
    base_free(changes);
}

static rhei_status changes_statements(struct capture_changes *changes, struct rhei_error *error)
{
    const struct {
        const char *sql;
        sqlite3_stmt **stmt;
    } list[] = {
        {"BEGIN", &changes->begin},
        {"COMMIT", &changes->commit},
        {"SELECT max(seq) FROM main." OLTP_LOG " WHERE seq <= 1 << 62", &changes->last},
        {"PRAGMA main.schema_version", &changes->cookie},
        {"SELECT name FROM main._rhei_tables WHERE id = ?1", &changes->named},
    };
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < sizeof list / sizeof list[0] && status == RHEI_OK; i++)
        status = changes_prepare(changes, list[i].sql, list[i].stmt, error);
    return status;
}

static rhei_status changes_start(struct capture_changes *changes, const struct capture_changes_config *config,
                                 struct rhei_error *error)
{
    if (config->consumer != NULL) {
        struct base_buffer known = {0};
        changes->consumer = base_strdup(config->consumer);
        rhei_status status = changes->consumer == NULL
                                 ? error_no_memory(error)
                                 : capture_consumer_open(changes->oltp, config, &changes->position, &known, error);
        if (status == RHEI_OK)
            status = capture_known_read(&changes->known, known.data, error);
        base_buffer_reset(&known);
        return status;
    }
    changes->position = config->after;
    return config->after >= 0 ? capture_consumer_can_read(changes->connection, config, config->after, error)
                              : capture_consumer_begin(changes->connection, config, &changes->position, error);
}

rhei_status capture_changes_open(struct oltp *oltp, const struct capture_changes_config *config,
                                 struct capture_changes **result, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    *result = NULL;
    if (!oltp_captures(oltp)) {
        return error_set(error, RHEI_READ_ONLY,
                         "this handle captures no changes, so there are none to follow: open the file for writing, "
                         "with change capture");
    }
    rhei_status status = capture_schema_take(oltp, &schema, error); /* the registry is there from now on */
    if (status != RHEI_OK)
        return status;
    capture_schema_release(schema);
    struct capture_changes *changes = base_alloc_zero(1, sizeof *changes);
    if (changes == NULL)
        return error_no_memory(error);
    changes->oltp = oltp;
    changes->config = *config;
    status = oltp_connection_open(oltp, OLTP_SOURCE, &changes->connection, error);
    if (status == RHEI_OK)
        status = changes_statements(changes, error);
    if (status == RHEI_OK)
        status = changes_start(changes, config, error);
    if (status == RHEI_OK && config->buffer != NULL)
        status = capture_buffered_open(config->buffer, &changes->buffered, error);
    if (status != RHEI_OK) {
        capture_changes_close(&changes);
        return status;
    }
    *result = changes;
    return RHEI_OK;
}
