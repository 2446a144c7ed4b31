/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a statement: streamed from a pooled reader or a session's connection, or kept (RETURNING, whose rows exist
 * before the commit but may be seen only after it).
 *
 * The first step is taken when the cursor is made: it pins the snapshot, and it is what makes SQLite notice that the
 * schema changed under a cached statement, so names and number of the columns are right from then on.
 */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/base_utf8.h"
#include "oltp/oltp_internal.h"

enum { CURSOR_LONG_NS = 1000 * 1000 }; /* so long a statement isn't run twice again and again */

struct oltp_cursor {
    struct oltp *oltp;
    struct oltp_connection *connection; /* NULL: the rows are kept */
    struct oltp_statement *statement;
    struct oltp_stop stop;
    bool pooled;
    bool row_waits; /* the row that the first step found */
    bool done;
    bool *owner_open;
    int64_t position; /* a floor until it is exact */
    bool position_exact;
    uint64_t token; /* of the commits, from before the first step */
    bool schema_known;
    struct oltp_schema *schema; /* of the rows; NULL: unknown, or of no use */
    rhei_status failed;
    /* kept rows: a reader's cursor has none */
    struct base_arena arena;
    uint32_t column_count;
    const char **names, **types;
    struct rhei_value *values;
    size_t row_count, row_capacity, row_at;
    size_t kept_bytes;
    struct rhei_error error; /* where `failed`; last, because it is long and a cursor used again leaves it as it is */
};

static rhei_status cursor_step(struct oltp_cursor *cursor, struct rhei_error *error)
{
    BASE_INVARIANT(!cursor->done && cursor->connection != NULL);
    int rc = sqlite3_step(cursor->statement->stmt);
    if (rc == SQLITE_ROW)
        return RHEI_ROW;
    cursor->done = true;
    if (rc == SQLITE_DONE)
        return RHEI_DONE;
    return oltp_sqlite_error(cursor->connection, rc, NULL, error);
}

/* ---- Streaming. -------------------------------------------------------------------------------------------------- */

/* The statement reads tables that live elsewhere, which wasn't known when it was prepared. */
static rhei_status cursor_start_anew(struct oltp_cursor *cursor, const struct oltp_stop *stop, struct rhei_error *error)
{
    error_clear(error);
    sqlite3_reset(cursor->statement->stmt);
    cursor->done = false;
    rhei_status status = oltp_face_pin_now(cursor->connection, cursor->statement, stop, error);
    return status == RHEI_OK ? cursor_step(cursor, error) : status;
}

static inline rhei_status cursor_step_first(struct oltp_cursor *cursor, const struct oltp_stop *stop,
                                            struct rhei_error *error)
{
    rhei_status status = cursor_step(cursor, error);
    return oltp_face_missed(cursor->connection, cursor->statement) ? cursor_start_anew(cursor, stop, error) : status;
}

/*
 * The log's newest number in the state that the connection reads; false: that couldn't be found out. *log: the statement that asked, which pins the
 * state until it is released; NULL: there is no log.
 */
static bool cursor_ask_position(struct oltp_cursor *cursor, struct oltp_statement **log)
{
    static const char sql[] = "SELECT max(seq) FROM main." OLTP_LOG;
    *log = NULL;
    if (oltp_prepare(cursor->connection, sql, sizeof sql - 1, log, NULL) != RHEI_OK)
        return sqlite3_errcode(cursor->connection->db) == SQLITE_ERROR;
    if (sqlite3_step((*log)->stmt) == SQLITE_ROW) {
        cursor->position = sqlite3_column_int64((*log)->stmt, 0);
        return true;
    }
    oltp_statement_release(cursor->connection, log);
    return false;
}

static bool cursor_find_position(struct oltp_cursor *cursor)
{
    struct oltp_statement *log = NULL;
    bool found = cursor_ask_position(cursor, &log);
    if (log != NULL)
        oltp_statement_release(cursor->connection, &log);
    return found;
}

/* Somebody committed while a statement without rows ran, and which state that read can't be told any more: the log is asked first, and pins it. */
static rhei_status cursor_start_placed(struct oltp_cursor *cursor, const struct oltp_stop *stop,
                                       struct rhei_error *error)
{
    struct oltp_statement *log = NULL;
    cursor->position_exact = cursor_ask_position(cursor, &log);
    cursor->done = false;
    rhei_status status = cursor_step_first(cursor, stop, error);
    if (log != NULL)
        oltp_statement_release(cursor->connection, &log);
    return status;
}

/* Behind the first step: which position it is that the rows are of. */
static rhei_status cursor_place(struct oltp_cursor *cursor, const struct oltp_stop *stop, rhei_status first,
                                struct rhei_error *error)
{
    struct oltp *oltp = cursor->oltp;
    if (!cursor->pooled || oltp->wal_index == NULL)
        return first; /* a transaction's state stays; and a file without a write-ahead log has no change log */
    bool same = oltp_commit_token(oltp) == cursor->token; /* X3 */
    if (same && oltp_position_known(oltp, cursor->token, &cursor->position)) {
        cursor->position_exact = true;
        return first;
    }
    bool pinned = !cursor->done, found = cursor_find_position(cursor);
    same = oltp_commit_token(oltp) == cursor->token;
    cursor->position_exact = found && (pinned || same);
    if (found && same)
        oltp_position_tell(oltp, cursor->token, cursor->position); /* X2; without a log, too */
    if (!found || cursor->position_exact)
        return first;
    int64_t took_ns = base_tick_ns() - atomic_load_explicit(&cursor->connection->taken_ns, memory_order_relaxed);
    cursor->statement->places_first = took_ns > CURSOR_LONG_NS;
    sqlite3_reset(cursor->statement->stmt);
    return cursor_start_placed(cursor, stop, error);
}

static rhei_status cursor_start(struct oltp_cursor *cursor, const struct oltp_stop *stop, struct rhei_error *error)
{
    if (stop != NULL && stop->check != NULL) {
        cursor->stop = *stop;
        oltp_connection_watch(cursor->connection, &cursor->stop);
    }
    cursor->position = atomic_load_explicit(&cursor->oltp->position, memory_order_acquire);
    rhei_status status = oltp_face_pin(cursor->connection, cursor->statement, stop, error);
    if (status == RHEI_OK && cursor->statement->places_first) {
        status = cursor_start_placed(cursor, stop, error);
    } else if (status == RHEI_OK) {
        cursor->token = oltp_commit_token(cursor->oltp);
        status = cursor_step_first(cursor, stop, error);
        if (status == RHEI_ROW || status == RHEI_DONE)
            status = cursor_place(cursor, stop, status, error);
    }
    cursor->stop.elsewhere = NULL; /* the caller's, as the next, for as long as this call */
    cursor->stop.holds = NULL;
    cursor->row_waits = status == RHEI_ROW;
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

static rhei_status read_check(const struct oltp_statement *statement, struct rhei_error *error)
{
    switch (statement->kind) {
    case OLTP_TRANSACTION:
        return error_set(error, RHEI_TRANSACTION, "BEGIN, COMMIT, ROLLBACK and savepoints need a session");
    case OLTP_EMPTY:
        return error_set(error, RHEI_SQL, "there is no statement in the text");
    default:
        return statement->read_only ? RHEI_OK
                                    : error_set(error, RHEI_READ_ONLY, "the statement would write: run it as a write");
    }
}

/* A reader has one cursor at a time and keeps its memory for the next. */
static struct oltp_cursor *cursor_of_reader(struct oltp_connection *reader)
{
    struct oltp_cursor *cursor = reader->spare_cursor;
    reader->spare_cursor = NULL;
    if (cursor == NULL)
        return base_alloc_zero(1, sizeof *cursor);
    memset(cursor, 0, offsetof(struct oltp_cursor, arena));
    return cursor;
}

rhei_status oltp_read(struct oltp *oltp, const char *sql, size_t len, const struct rhei_value *params, uint32_t count,
                      const struct oltp_stop *stop, bool now, struct oltp_cursor **result, struct rhei_error *error)
{
    (void)now; /* always */
    *result = NULL;
    struct oltp_connection *reader = NULL;
    rhei_status status = oltp_reader_take(oltp, &reader, error);
    if (status != RHEI_OK)
        return status;
    struct oltp_cursor *cursor = cursor_of_reader(reader);
    if (cursor == NULL) {
        oltp_reader_give(oltp, &reader);
        return error_no_memory(error);
    }
    cursor->oltp = oltp;
    cursor->connection = reader;
    cursor->pooled = true;
    status = oltp_prepare(reader, sql, len, &cursor->statement, error);
    if (status == RHEI_OK)
        status = read_check(cursor->statement, error);
    if (status == RHEI_OK)
        status = oltp_bind(reader, cursor->statement, params, count, true, error);
    if (status == RHEI_OK)
        status = cursor_start(cursor, stop, error);
    uint64_t reads = atomic_load_explicit(&reader->reads, memory_order_relaxed) + 1; /* nobody else adds to it */
    atomic_store_explicit(&reader->reads, reads, memory_order_relaxed);
    if (status != RHEI_OK) {
        atomic_fetch_add_explicit(&oltp->counters.errors, 1, memory_order_relaxed);
        oltp_cursor_close(&cursor);
        return status;
    }
    *result = cursor;
    return RHEI_OK;
}

rhei_status oltp_cursor_stream(struct oltp *oltp, struct oltp_connection *connection, struct oltp_statement *statement,
                               const struct oltp_stop *stop, bool *owner_open, struct oltp_cursor **result,
                               struct rhei_error *error)
{
    *result = NULL;
    struct oltp_cursor *cursor = base_alloc_zero(1, sizeof *cursor);
    if (cursor == NULL)
        return error_no_memory(error);
    cursor->oltp = oltp;
    cursor->connection = connection;
    cursor->statement = statement;
    rhei_status status = cursor_start(cursor, stop, error);
    if (status != RHEI_OK) {
        cursor->statement = NULL; /* stays the caller's */
        oltp_cursor_close(&cursor);
        return status;
    }
    BASE_INVARIANT(!*owner_open); /* one at a time on the writer's connection */
    cursor->owner_open = owner_open;
    *owner_open = true;
    *result = cursor;
    return RHEI_OK;
}

rhei_status oltp_cursor_next(struct oltp_cursor *cursor, struct rhei_error *error)
{
    if (cursor->connection == NULL) {
        BASE_INVARIANT(cursor->row_at <= cursor->row_count);
        if (cursor->row_at < cursor->row_count) {
            cursor->row_at++;
            return RHEI_ROW;
        }
        return RHEI_DONE;
    }
    if (cursor->row_waits) {
        cursor->row_waits = false;
        return RHEI_ROW;
    }
    if (cursor->failed != RHEI_OK) {
        if (error != NULL && error->code == RHEI_OK)
            *error = cursor->error;
        return cursor->failed;
    }
    if (cursor->done)
        return RHEI_DONE;
    rhei_status status = cursor_step(cursor, error);
    if (status != RHEI_ROW && status != RHEI_DONE) {
        cursor->failed = status;
        if (error != NULL) {
            cursor->error = *error;
        } else {
            cursor->error.code = RHEI_OK; /* of the cursor that had this memory before */
            error_set(&cursor->error, status, "the statement failed before");
        }
    }
    return status;
}

/* ---- Keeping. ---------------------------------------------------------------------------------------------------- */

static bool collect_head(struct oltp_cursor *cursor, sqlite3_stmt *stmt)
{
    cursor->column_count = (uint32_t)sqlite3_column_count(stmt);
    cursor->names = base_arena_zero(&cursor->arena, cursor->column_count, sizeof *cursor->names);
    cursor->types = base_arena_zero(&cursor->arena, cursor->column_count, sizeof *cursor->types);
    for (uint32_t i = 0; cursor->names != NULL && cursor->types != NULL && i < cursor->column_count; i++) {
        cursor->names[i] = base_arena_text(&cursor->arena, sqlite3_column_name(stmt, (int)i));
        cursor->types[i] = base_arena_text(&cursor->arena, sqlite3_column_decltype(stmt, (int)i));
        if (cursor->names[i] == NULL || cursor->types[i] == NULL)
            return false;
    }
    return cursor->names != NULL && cursor->types != NULL;
}

static bool collect_row(struct oltp_cursor *cursor, sqlite3_stmt *stmt, bool utf16)
{
    void *values = cursor->values;
    size_t columns = cursor->column_count;
    if (cursor->row_count == cursor->row_capacity &&
        !base_grow(&values, &cursor->row_capacity, cursor->row_count + 1, columns * sizeof *cursor->values))
        return false;
    cursor->values = values;
    BASE_INVARIANT(cursor->row_count < cursor->row_capacity || columns == 0);
    struct rhei_value *row = &cursor->values[cursor->row_count * columns];
    for (size_t i = 0; i < columns; i++) {
        oltp_column(stmt, (int)i, utf16, &row[i]);
        if (row[i].type >= RHEI_TEXT && row[i].length > 0) {
            void *copy = base_arena_alloc(&cursor->arena, row[i].length);
            if (copy == NULL)
                return false;
            memcpy(copy, row[i].as.bytes, row[i].length);
            row[i].as.bytes = copy;
            cursor->kept_bytes += row[i].length;
        }
    }
    cursor->kept_bytes += columns * sizeof *row;
    cursor->row_count++;
    return true;
}

static bool is_too_much(const struct oltp_connection *connection, const struct oltp_cursor *cursor)
{
    return (connection->most_kept > 0 && cursor->kept_bytes > connection->most_kept) ||
           (connection->most_rows > 0 && cursor->row_count > connection->most_rows);
}

static rhei_status too_much(const struct oltp_connection *connection, const struct oltp_cursor *cursor,
                            struct rhei_error *error)
{
    if (connection->most_rows > 0 && cursor->row_count > connection->most_rows)
        return error_set(error, RHEI_TOO_BIG,
                         "RETURNING gives more rows than the %" PRIu64
                         " that an answer may have; nothing of the statement was kept",
                         connection->most_rows);
    return error_set(error, RHEI_MEMORY_LIMIT,
                     "the rows that RETURNING gives are held until the commit, and are larger than the statement's "
                     "memory limit of %zu bytes; nothing of the statement was kept",
                     connection->most_kept);
}

rhei_status oltp_cursor_collect(struct oltp_connection *connection, struct oltp_statement *statement,
                                struct oltp_cursor **result, struct rhei_error *error)
{
    struct oltp_cursor *cursor = *result;
    bool is_new = cursor == NULL, ok = true, fits = true;
    if (is_new) {
        cursor = base_alloc_zero(1, sizeof *cursor);
        if (cursor == NULL)
            return error_no_memory(error);
        cursor->oltp = connection->oltp;
        *result = cursor;
    }
    int rc = sqlite3_step(statement->stmt);
    if (is_new)
        ok = collect_head(cursor, statement->stmt);
    while (fits && rc == SQLITE_ROW) {
        ok = ok && collect_row(cursor, statement->stmt, connection->utf16);
        fits = !is_too_much(connection, cursor);
        if (!ok || !fits)
            sqlite3_interrupt(connection->db); /* its changes are made by now: SQLite takes them back */
        rc = sqlite3_step(statement->stmt);
    }
    if (ok && fits && rc == SQLITE_DONE)
        return RHEI_OK;
    rhei_status status;
    if (!ok)
        status = error_no_memory(error);
    else if (fits)
        status = oltp_sqlite_error(connection, rc, NULL, error);
    else
        status = too_much(connection, cursor, error);
    oltp_cursor_close(result);
    return status;
}

/* ---- Looking. ---------------------------------------------------------------------------------------------------- */

uint32_t oltp_cursor_column_count(const struct oltp_cursor *cursor)
{
    return cursor->connection == NULL ? cursor->column_count : (uint32_t)sqlite3_column_count(cursor->statement->stmt);
}

const char *oltp_cursor_column_name(const struct oltp_cursor *cursor, uint32_t column)
{
    BASE_INVARIANT(column < oltp_cursor_column_count(cursor)); /* I4: settled by the first step */
    const char *name =
        cursor->connection == NULL ? cursor->names[column] : sqlite3_column_name(cursor->statement->stmt, (int)column);
    return name == NULL ? "" : name;
}

const char *oltp_cursor_column_type(const struct oltp_cursor *cursor, uint32_t column)
{
    const char *type = cursor->connection == NULL ? cursor->types[column]
                                                  : sqlite3_column_decltype(cursor->statement->stmt, (int)column);
    return type == NULL ? "" : type;
}

/* SQLite names the origin of a compound's column by one of its parts, also of a compound within a view. */
static bool cursor_origins_are_sure(const struct oltp_cursor *cursor, const struct oltp_schema *schema)
{
    struct oltp_statement *statement = cursor->statement;
    const struct oltp_hooks *hooks = cursor->oltp->hooks;
    uint64_t version = hooks->schema_version(schema) + 1;
    if (statement->view_version != version) { /* once for a cached statement */
        statement->names_view = hooks->names_view(schema, statement->sql, statement->len);
        statement->view_version = version;
    }
    return !statement->names_view && !statement->compound;
}

/* By a statement that is kept: each result asks for it once. */
static bool read_cookie(struct oltp_connection *connection, int64_t *cookie)
{
    static const char cookie_sql[] = "PRAGMA main.schema_version";
    struct oltp_statement *statement = NULL;
    if (oltp_prepare(connection, cookie_sql, sizeof cookie_sql - 1, &statement, NULL) != RHEI_OK)
        return false;
    bool good = sqlite3_step(statement->stmt) == SQLITE_ROW;
    *cookie = good ? sqlite3_column_int64(statement->stmt, 0) : 0;
    oltp_statement_release(connection, &statement);
    return good;
}

/*
 * The schema that the cursor's rows are of, if it is the one we know; NULL: nothing is sure then. Asked before the second step:
 * the statement still holds its snapshot, or there are no rows at all.
 */
static struct oltp_schema *cursor_schema(struct oltp_cursor *cursor)
{
    if (cursor->schema_known)
        return cursor->schema;
    cursor->schema_known = true;
    int64_t cookie = 0;
    if (!read_cookie(cursor->connection, &cookie))
        return NULL;
    cursor->schema = cursor->oltp->hooks->hold(cursor->oltp, cookie);
    if (cursor->schema != NULL && !cursor_origins_are_sure(cursor, cursor->schema)) {
        cursor->oltp->hooks->release(cursor->schema);
        cursor->schema = NULL;
    }
    return cursor->schema;
}

uint8_t oltp_cursor_column_class(struct oltp_cursor *cursor, uint32_t column)
{
    if (cursor->connection == NULL)
        return RHEI_NULL;
    sqlite3_stmt *stmt = cursor->statement->stmt;
    const char *database = sqlite3_column_database_name(stmt, (int)column);
    const char *table = sqlite3_column_table_name(stmt, (int)column);
    const char *origin = sqlite3_column_origin_name(stmt, (int)column);
    if (database == NULL || table == NULL || origin == NULL || strcmp(database, "main") != 0)
        return RHEI_NULL;
    struct oltp_schema *schema = cursor_schema(cursor);
    return schema != NULL ? cursor->oltp->hooks->column_class(schema, table, origin) : RHEI_NULL;
}

bool oltp_cursor_odd_text(struct oltp_cursor *cursor, uint32_t column, const void **bytes, uint32_t *length)
{
    return cursor->connection != NULL && cursor->connection->utf16 &&
           oltp_odd_text(cursor->statement->stmt, (int)column, bytes, length);
}

void oltp_cursor_value(struct oltp_cursor *cursor, uint32_t column, struct rhei_value *value)
{
    if (cursor->connection == NULL) {
        BASE_INVARIANT(cursor->row_at > 0 && cursor->row_at <= cursor->row_count && column < cursor->column_count);
        *value = cursor->values[(cursor->row_at - 1) * cursor->column_count + column];
    } else {
        oltp_column(cursor->statement->stmt, (int)column, cursor->connection->utf16, value);
    }
}

bool oltp_cursor_is_kept(const struct oltp_cursor *cursor)
{
    return cursor->connection == NULL;
}

/* ---- Looking ahead. ---------------------------------------------------------------------------------------------- */

static void look_at(const struct rhei_value *value, uint8_t *seen)
{
    if (value->type == RHEI_TEXT && !base_utf8_valid(value->as.bytes, value->length))
        *seen |= 1u << RHEI_BLOB;
    else if (value->type != RHEI_NULL)
        *seen |= (uint8_t)(1u << value->type);
}

static void look_at_row(const struct oltp_cursor *cursor, uint32_t columns, uint8_t *seen)
{
    sqlite3_stmt *stmt = cursor->statement->stmt;
    for (uint32_t c = 0; c < columns; c++) {
        struct rhei_value value = {.type = (uint8_t)RHEI_NULL};
        switch (sqlite3_column_type(stmt, (int)c)) {
        case SQLITE_INTEGER:
            value.type = RHEI_INTEGER;
            break;
        case SQLITE_FLOAT:
            value.type = RHEI_REAL;
            break;
        case SQLITE_TEXT:
            oltp_column(stmt, (int)c, cursor->connection->utf16, &value);
            break;
        case SQLITE_BLOB:
            value.type = RHEI_BLOB;
            break;
        default:
            break;
        }
        look_at(&value, &seen[c]);
    }
}

static void survey_kept(const struct oltp_cursor *cursor, uint8_t *seen)
{
    for (size_t row = cursor->row_at == 0 ? 0 : cursor->row_at - 1; row < cursor->row_count; row++)
        for (uint32_t c = 0; c < cursor->column_count; c++)
            look_at(&cursor->values[row * cursor->column_count + c], &seen[c]);
}

/* The rows to the end, then the statement anew; the anchor, active all the while, holds the snapshot. */
static rhei_status survey_streamed(struct oltp_cursor *cursor, size_t keep, uint8_t *seen, struct rhei_error *error)
{
    uint32_t columns = (uint32_t)sqlite3_column_count(cursor->statement->stmt);
    rhei_status status = RHEI_ROW;
    while (status == RHEI_ROW) {
        look_at_row(cursor, columns, seen);
        status = cursor_step(cursor, error);
    }
    if (status != RHEI_DONE)
        return status;
    sqlite3_reset(cursor->statement->stmt);
    cursor->done = false;
    for (size_t row = 0; row <= keep; row++) {
        status = cursor_step(cursor, error);
        if (status != RHEI_ROW)
            break;
    }
    cursor->row_waits = status == RHEI_ROW;
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

rhei_status oltp_cursor_survey(struct oltp_cursor *cursor, size_t keep, uint8_t *seen, struct rhei_error *error)
{
    static const char anchor_sql[] = "SELECT count(*) FROM main.sqlite_schema";
    if (cursor->connection == NULL) {
        survey_kept(cursor, seen);
        BASE_INVARIANT(keep <= cursor->row_count);
        cursor->row_at = keep;
        return RHEI_OK;
    }
    if (cursor->done)
        return error_set(error, RHEI_INTERNAL, "there are no rows left to look at");
    (void)cursor_schema(cursor); /* of the statement that still has its first snapshot */
    struct oltp_statement *anchor = NULL;
    rhei_status status = oltp_prepare(cursor->connection, anchor_sql, sizeof anchor_sql - 1, &anchor, error);
    if (status == RHEI_OK && sqlite3_step(anchor->stmt) != SQLITE_ROW)
        status = oltp_sqlite_error(cursor->connection, sqlite3_errcode(cursor->connection->db), NULL, error);
    if (status == RHEI_OK)
        status = survey_streamed(cursor, keep, seen, error);
    if (anchor != NULL)
        oltp_statement_release(cursor->connection, &anchor);
    return status;
}

/* A reader's was found when it began (cursor_place). Within a transaction the state is the same until that ends. */
int64_t oltp_cursor_position(struct oltp_cursor *cursor)
{
    if (cursor->connection != NULL && !cursor->position_exact)
        (void)cursor_find_position(cursor);
    cursor->position_exact = true;
    return cursor->position;
}

uint32_t oltp_cursor_sources(const struct oltp_cursor *cursor)
{
    bool pinned = cursor->connection != NULL && cursor->connection->pin != NULL;
    return pinned ? cursor->statement->reads_face : 0;
}

int64_t oltp_cursor_position_of(const struct oltp_cursor *cursor, uint32_t source)
{
    return oltp_face_position_of(cursor->connection, source);
}

void oltp_cursor_close(struct oltp_cursor **slot)
{
    struct oltp_cursor *cursor = slot == NULL ? NULL : *slot;
    if (cursor == NULL)
        return;
    *slot = NULL;
    if (cursor->schema != NULL) {
        cursor->oltp->hooks->release(cursor->schema);
        cursor->schema = NULL;
    }
    if (cursor->connection != NULL) {
        if (cursor->statement != NULL)
            oltp_statement_release(cursor->connection, &cursor->statement);
        oltp_connection_watch(cursor->connection, NULL);
        if (cursor->pooled) {
            struct oltp_connection *reader = cursor->connection;
            BASE_INVARIANT(reader->spare_cursor == NULL && cursor->owner_open == NULL);
            reader->spare_cursor = cursor; /* the next thread's from the moment the reader is given back */
            oltp_reader_give(cursor->oltp, &reader);
            return;
        }
    }
    if (cursor->owner_open != NULL)
        *cursor->owner_open = false;
    base_arena_reset(&cursor->arena);
    base_free(cursor->values);
    base_free(cursor);
}
