/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SQLite connection with its cached statements. Used by one thread at a time; whoever holds it sees to that.
 *
 * C1. Every cached statement that is not in use is reset and has no bindings, so it holds no lock and no snapshot.
 * C2. A statement in use is never handed out twice: the second asker gets one of its own, finalised at its release.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "oltp/oltp_alive.h"
#include "oltp/oltp_internal.h"

enum {
    CACHED_TEXT_MAX = 64 * 1024,
    PROGRESS_STEPS = 1000, /* of SQLite's machine between two looks at what may end a statement */
};

static void connection_sleep(int64_t ns)
{
    atomic_uint nobody = 0;
    base_word_wait(&nobody, 0, base_now_ns() + ns);
}

/* SQLite's own handler waits up to 100 ms between looks; a commit here takes microseconds, so look much oftener. */
static int connection_busy(void *context, int tries)
{
    struct oltp_connection *connection = context;
    int64_t now = base_now_ns();
    if (connection->stop == NULL && connection->role == OLTP_WRITER && atomic_load(&connection->oltp->upkeep_ends))
        return 0;
    if (connection->busy_deadline_ns == 0)
        connection->busy_deadline_ns = now + (int64_t)connection->oltp->config.busy_timeout_ms * 1000000;
    if (now >= connection->busy_deadline_ns)
        return 0;
    if (connection->stop != NULL) {
        connection->stopped = connection->stop->check(connection->stop->context);
        if (connection->stopped != RHEI_OK)
            return 0;
        base_progress_wait(connection->stop->progress, "waiting for another process's lock");
    }
    int64_t pause = tries < 10 ? 50000 : tries < 50 ? 500000 : 5000000;
    int64_t left = connection->busy_deadline_ns - now;
    connection_sleep(pause < left ? pause : left);
    return 1;
}

static int connection_progress(void *context)
{
    struct oltp_connection *connection = context;
    if (connection->stop == NULL)
        return 0;
    base_progress_wait(connection->stop->progress, NULL);
    base_progress_add(connection->stop->progress, BASE_PROGRESS_STEPS, PROGRESS_STEPS);
    connection->stopped = connection->stop->check(connection->stop->context);
    return connection->stopped != RHEI_OK;
}

void oltp_connection_watch(struct oltp_connection *connection, const struct oltp_stop *stop)
{
    if (stop == NULL && connection->stop == NULL)
        return;
    connection->stop = stop;
    connection->stopped = RHEI_OK;
    if (connection->role != OLTP_WRITER) { /* which always has it */
        sqlite3_progress_handler(connection->db, stop == NULL ? 0 : PROGRESS_STEPS,
                                 stop == NULL ? NULL : connection_progress, connection);
    }
}

void oltp_connection_hooks(struct oltp_connection *connection)
{
    sqlite3_busy_handler(connection->db, connection_busy, connection);
    if (connection->role == OLTP_WRITER)
        sqlite3_progress_handler(connection->db, PROGRESS_STEPS, connection_progress, connection);
}

static const char *connection_pragmas(enum oltp_role role)
{
    switch (role) {
    case OLTP_WRITER:
        /* not temp_store=MEMORY: it makes SQLite keep statement journals in pieces of 1 KiB, an allocation each */
        return "PRAGMA cache_size=-16384;";
    case OLTP_SOURCE: /* SQLite walks the whole cache when others committed: keep it tiny */
        return "PRAGMA cache_size=-256; PRAGMA query_only=ON; PRAGMA temp_store=MEMORY;";
    case OLTP_CHECKPOINTER:
        return ""; /* PRAGMA cache_size reads the whole schema, and copying the log needs none and no cache */
    case OLTP_READER:
    case OLTP_DESCRIBER:
    default:
        return "PRAGMA cache_size=-8192; PRAGMA query_only=ON; PRAGMA temp_store=MEMORY;";
    }
}

/*
 * SQLite asks its busy handler only before it has any lock. Here it reads first and then wants the file alone, so beside a
 * writer in another journal mode it gives up at once: we try again as long as the time-out lasts.
 */
static int connection_try_wal(struct oltp_connection *connection, bool *wal)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(connection->db, "PRAGMA journal_mode=WAL", -1, &stmt, NULL);
    while (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        *wal = rc == SQLITE_ROW && sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
        /* as often as it may: such a writer leaves the file free for microseconds only */
        bool again = (rc & 0xFF) == SQLITE_BUSY && connection_busy(connection, 0);
        if (!again)
            break;
        rc = SQLITE_OK;
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    connection->busy_deadline_ns = 0;
    return rc;
}

static rhei_status connection_set_wal(struct oltp_connection *connection, struct rhei_error *error)
{
    bool wal = false;
    int rc = connection_try_wal(connection, &wal);
    if (rc != SQLITE_OK)
        return oltp_sqlite_error(connection, rc, NULL, error);
    if (!wal) {
        return error_set(error, RHEI_BUSY,
                         "the database can't be switched to its write-ahead log: another program has it open, or the "
                         "file system can't map shared memory (network folders can't)");
    }
    return RHEI_OK;
}

rhei_status oltp_connection_prepare_capture(struct oltp_connection *connection, struct rhei_error *error)
{
    rhei_status status =
        connection->oltp->config.capture ? connection->oltp->hooks->check_names(connection, error) : RHEI_OK;
    if (status != RHEI_OK && connection->oltp->config.capture_if_present) {
        error_context(error,
                      "database \"%s\": ", connection->oltp->config.path); /* elsewhere the set-up's end says it */
    }
    return status == RHEI_OK ? connection_set_wal(connection, error) : status;
}

static rhei_status connection_set_synchronous(struct oltp_connection *connection, struct rhei_error *error)
{
    static const char *const levels[] = {"NORMAL", "FULL", "EXTRA", "OFF"};
    return oltp_execf(connection, error, "PRAGMA synchronous=%s", levels[connection->oltp->config.synchronous]);
}

/* Has the connection read the whole schema. */
static void connection_read_encoding(struct oltp_connection *connection)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(connection->db, "PRAGMA encoding", -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        connection->utf16 = sqlite3_strnicmp(name, "UTF-16", 6) == 0;
        enum oltp_encoding encoding = !connection->utf16                       ? OLTP_UTF8
                                      : sqlite3_stricmp(name, "UTF-16be") == 0 ? OLTP_UTF16BE
                                                                               : OLTP_UTF16LE;
        atomic_store_explicit(&connection->oltp->encoding, (int)encoding, memory_order_relaxed);
    }
    sqlite3_finalize(stmt);
}

static rhei_status connection_setup(struct oltp_connection *connection, struct rhei_error *error)
{
    sqlite3 *db = connection->db;
    struct oltp *oltp = connection->oltp;
    sqlite3_extended_result_codes(db, 1);
    oltp_connection_hooks(connection);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_wal_autocheckpoint(db, 0);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, oltp->opening.keeps_log, NULL);
    if (connection->role != OLTP_SOURCE) /* it shows, and takes, any page of the file */
        sqlite3_create_module(db, "sqlite_dbpage", NULL, NULL);
    rhei_status status = oltp_exec(connection, connection_pragmas(connection->role), error);
    if (status == RHEI_OK && connection->role == OLTP_WRITER) {
        bool as_it_is = (oltp->config.capture_if_present || oltp->config.begins != NULL) && oltp->memory == NULL;
        status = as_it_is ? RHEI_OK : oltp_connection_prepare_capture(connection, error);
    }
    if (status == RHEI_OK && connection->role == OLTP_WRITER)
        status = connection_set_synchronous(connection, error);
    if (status == RHEI_OK && (oltp_sum_register(db) != SQLITE_OK || oltp_pragma_register(db) != SQLITE_OK ||
                              oltp_alive_register(db) != SQLITE_OK || oltp_bounded_register(connection) != SQLITE_OK))
        status = error_no_memory(error);
    if (oltp->config.no_files && connection->role != OLTP_DESCRIBER) /* whose own one asks us, too */
        sqlite3_set_authorizer(db, oltp_authorize, connection);
    if (status == RHEI_OK)
        status = oltp_extend(connection, error);
    if (status == RHEI_OK &&
        connection->role != OLTP_CHECKPOINTER) /* which reads no row, so it needs no schema either */
        connection_read_encoding(connection);
    if (status == RHEI_OK) { /* the first look into the file: says if it is a database at all */
        int64_t cookie;
        status = oltp_query_int(connection, "PRAGMA schema_version", 0, &cookie, error);
    }
    if (status != RHEI_OK)
        error_context(error, "database \"%s\": ", oltp->config.path);
    return status;
}

rhei_status oltp_connection_open(struct oltp *oltp, enum oltp_role role, struct oltp_connection **result,
                                 struct rhei_error *error)
{
    *result = NULL;
    struct oltp_connection *connection = base_alloc_zero(1, sizeof *connection);
    if (connection == NULL)
        return error_no_memory(error);
    connection->oltp = oltp;
    connection->role = role;
    connection->statement_limit = role == OLTP_SOURCE || role == OLTP_DESCRIBER ? 0 : 128;
    connection->by_text = base_map_new(false);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | oltp->opening.flags;
    bool makes_file = !oltp->config.read_only && !oltp->config.must_exist && role == OLTP_WRITER;
    if (makes_file || oltp->memory != NULL) /* one in memory is always new, and whoever comes first makes it */
        flags |= SQLITE_OPEN_CREATE;
    const char *vfs = oltp->memory != NULL  ? oltp_memory_vfs(oltp->memory)
                      : role == OLTP_WRITER ? oltp_frames_vfs()
                                            : NULL;
    int rc = connection->by_text == NULL ? SQLITE_NOMEM
                                         : sqlite3_open_v2(oltp->opening.name != NULL ? oltp->opening.name : oltp->path,
                                                           &connection->db, flags, vfs);
    rhei_status status;
    if (rc != SQLITE_OK) {
        status = connection->db == NULL ? error_no_memory(error) : oltp_sqlite_error(connection, rc, NULL, error);
        error_context(error, "database \"%s\": ", oltp->config.path);
    } else {
        status = connection_setup(connection, error);
        if (status == RHEI_OK)
            status = oltp_identity_connected(connection, error);
    }
    if (status != RHEI_OK) {
        oltp_connection_close(&connection);
        return status;
    }
    *result = connection;
    return RHEI_OK;
}

static void statement_free(struct oltp_statement *statement)
{
    oltp_wide_free(statement);
    sqlite3_finalize(statement->stmt);
    base_free(statement->sql);
    base_free(statement);
}

void oltp_connection_close(struct oltp_connection **slot)
{
    struct oltp_connection *connection = *slot;
    if (connection == NULL)
        return;
    *slot = NULL;
    struct oltp_statement *statement = connection->newest;
    while (statement != NULL) {
        struct oltp_statement *older = statement->older;
        statement_free(statement);
        statement = older;
    }
    oltp_face_unpin(connection, NULL);
    sqlite3_finalize(connection->face_look);
    base_map_free(&connection->by_text);
    sqlite3_close(connection->db);
    base_free(connection->spare_cursor);
    base_free(connection);
}

/* ---- The statement cache. ---------------------------------------------------------------------------------------- */

static void cache_unlink(struct oltp_connection *connection, struct oltp_statement *statement)
{
    *(statement->newer == NULL ? &connection->newest : &statement->newer->older) = statement->older;
    *(statement->older == NULL ? &connection->oldest : &statement->older->newer) = statement->newer;
    statement->newer = NULL;
    statement->older = NULL;
}

static void cache_link(struct oltp_connection *connection, struct oltp_statement *statement)
{
    BASE_INVARIANT(statement->newer == NULL && statement->older == NULL);
    statement->older = connection->newest;
    *(connection->newest == NULL ? &connection->oldest : &connection->newest->newer) = statement;
    connection->newest = statement;
}

static void cache_add(struct oltp_connection *connection, struct oltp_statement *statement)
{
    if (statement->len > CACHED_TEXT_MAX || statement->alone || statement->stmt == NULL ||
        connection->statement_limit == 0)
        return;
    void *previous = NULL;
    if (base_map_find(connection->by_text, statement->sql, statement->len) != NULL ||
        !base_map_put(connection->by_text, statement->sql, statement->len, statement, &previous))
        return;
    statement->cached = true;
    cache_link(connection, statement);
    connection->statement_count++;
    struct oltp_statement *victim = connection->oldest;
    while (connection->statement_count > connection->statement_limit && victim != NULL) {
        struct oltp_statement *newer = victim->newer;
        if (!victim->in_use) {
            BASE_INVARIANT(victim->cached && victim != statement);
            base_map_remove(connection->by_text, victim->sql, victim->len);
            cache_unlink(connection, victim);
            connection->statement_count--;
            statement_free(victim);
        }
        victim = newer;
    }
}

int oltp_prepare_text(struct oltp_connection *connection, const char *sql, size_t len, unsigned flags,
                      sqlite3_stmt **stmt, const char **tail)
{
    connection->preparing = true;
    int rc = sqlite3_prepare_v3(connection->db, sql, (int)len + 1, flags, stmt, tail);
    if ((rc & 0xFF) == SQLITE_ERROR &&
        sqlite3_exec(connection->db, "SELECT 1 FROM main.sqlite_master LIMIT 1", NULL, NULL, NULL) == SQLITE_OK)
        rc = sqlite3_prepare_v3(connection->db, sql, (int)len + 1, flags, stmt, tail);
    connection->preparing = false;
    return rc;
}

static rhei_status prepare_new(struct oltp_connection *connection, const char *sql, size_t len,
                               struct oltp_statement **result, struct rhei_error *error)
{
    if (len > 1000000000)
        return error_set(error, RHEI_TOO_BIG, "the statement is longer than 1,000,000,000 bytes");
    struct oltp_statement *statement = base_alloc_zero(1, sizeof *statement);
    char *copy = base_strndup(sql, len);
    if (statement == NULL || copy == NULL) {
        base_free(statement);
        base_free(copy);
        return error_no_memory(error);
    }
    statement->sql = copy;
    statement->len = len;
    const char *tail = NULL;
    unsigned flags = connection->statement_limit > 0 && len <= CACHED_TEXT_MAX ? SQLITE_PREPARE_PERSISTENT : 0;
    const char *instead = oltp_face_instead(connection, copy, len);
    connection->face_met = 0;
    int rc = instead == NULL ? oltp_prepare_text(connection, copy, len, flags, &statement->stmt, &tail)
                             : oltp_prepare_text(connection, instead, strlen(instead), flags, &statement->stmt, NULL);
    tail = instead == NULL ? tail : copy + len;
    statement->reads_face = connection->face_met;
    rhei_status status = RHEI_OK;
    if (rc != SQLITE_OK) {
        status = oltp_sqlite_error(connection, rc, NULL, error);
    } else if (!oltp_is_blank(copy, len, (size_t)(tail - copy))) {
        size_t start = (size_t)(tail - copy), end, at = start;
        do {
            oltp_next_token(copy, len, &at, &start, &end);
        } while (copy[start] == ';');
        status = error_set(
            error, RHEI_SQL,
            "one statement at a time: another one starts at byte %zu; run a script with rhei_execute_script", start);
        if (error != NULL && error->code == RHEI_SQL)
            error->sql_offset = (int32_t)start;
    }
    if (status != RHEI_OK) {
        statement_free(statement);
        return status;
    }
    oltp_classify(statement);
    if (connection->role == OLTP_WRITER && !statement->read_only && oltp_text_intervenes(copy, len))
        atomic_store(&connection->oltp->writer_shared, true);
    *result = statement;
    return RHEI_OK;
}

rhei_status oltp_prepare(struct oltp_connection *connection, const char *sql, size_t len,
                         struct oltp_statement **result, struct rhei_error *error)
{
    if (connection->role == OLTP_READER || connection->role == OLTP_WRITER)
        oltp_face_use(connection);
    struct oltp_statement *statement =
        connection->newest; /* which is asked again more often than not: no hash for it */
    if (statement == NULL || statement->len != len || memcmp(statement->sql, sql, len) != 0)
        statement = base_map_find(connection->by_text, sql, len);
    if (statement != NULL && !statement->in_use) {
        BASE_INVARIANT(statement->cached && sqlite3_stmt_busy(statement->stmt) == 0); /* C1 */
        if (connection->newest != statement) {
            cache_unlink(connection, statement);
            cache_link(connection, statement);
        }
    } else {
        bool of_schema = oltp_pragma_of_schema(sql, len);
        rhei_status status = oltp_pragma_check(connection, sql, len, error);
        if (status == RHEI_OK && of_schema) /* reads the schema again where it has changed */
            status = oltp_exec(connection, "SELECT 1 FROM main.sqlite_schema LIMIT 1", error);
        if (status == RHEI_OK)
            status = prepare_new(connection, sql, len, &statement, error);
        if (status != RHEI_OK)
            return status;
        BASE_INVARIANT(!statement->cached); /* until cache_add: its owner's alone (C2) */
        statement->in_use = true;
        if (!of_schema)
            cache_add(connection, statement);
    }
    statement->in_use = true;
    *result = statement;
    return RHEI_OK;
}

void oltp_statement_release(struct oltp_connection *connection, struct oltp_statement **slot)
{
    struct oltp_statement *statement = *slot;
    if (statement == NULL)
        return;
    *slot = NULL;
    statement->in_use = false;
    sqlite3_reset(statement->stmt);
    oltp_face_unpin(connection, statement);
    if (statement->cached) {
        if (!statement->bound_plain)
            sqlite3_clear_bindings(statement->stmt);
        statement->bound_plain = false;
    } else {
        statement_free(statement);
    }
}

int oltp_bind_value(sqlite3_stmt *stmt, int at, const struct rhei_value *value, bool copy)
{
    sqlite3_destructor_type keep = copy ? SQLITE_TRANSIENT : SQLITE_STATIC;
    switch (value->type) {
    case RHEI_INTEGER:
        return sqlite3_bind_int64(stmt, at, value->as.integer);
    case RHEI_REAL:
        return sqlite3_bind_double(stmt, at, value->as.real);
    case RHEI_TEXT:
        return sqlite3_bind_text64(stmt, at, value->length == 0 ? "" : value->as.bytes, value->length, keep,
                                   SQLITE_UTF8);
    case RHEI_BLOB:
        return value->length == 0 ? sqlite3_bind_zeroblob(stmt, at, 0)
                                  : sqlite3_bind_blob64(stmt, at, value->as.bytes, value->length, keep);
    default:
        return sqlite3_bind_null(stmt, at);
    }
}

rhei_status oltp_bind(struct oltp_connection *connection, struct oltp_statement *statement,
                      const struct rhei_value *params, uint32_t count, bool copy, struct rhei_error *error)
{
    sqlite3_stmt *stmt = statement->stmt;
    int wanted = stmt == NULL ? 0 : sqlite3_bind_parameter_count(stmt);
    if ((uint32_t)wanted != count)
        return error_value_count(error, (uint32_t)wanted, count);
    bool plain = true;
    for (int i = 0; i < wanted; i++) {
        const struct rhei_value *value = &params[i];
        if (value->type > RHEI_BLOB)
            return error_set(error, RHEI_INVALID, "parameter %d has the unknown class %u", i + 1, value->type);
        plain &= value->type < RHEI_TEXT;
        int rc = oltp_bind_value(stmt, i + 1, value, copy);
        if (rc != SQLITE_OK)
            return oltp_sqlite_error(connection, rc, NULL, error);
    }
    statement->bound_plain = plain;
    return RHEI_OK;
}

void oltp_column(sqlite3_stmt *stmt, int column, bool utf16, struct rhei_value *value)
{
    oltp_value(sqlite3_column_value(stmt, column), utf16, value);
}

/* ---- Small helpers. ---------------------------------------------------------------------------------------------- */

rhei_status oltp_exec(struct oltp_connection *connection, const char *sql, struct rhei_error *error)
{
    int rc = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
}

rhei_status oltp_execf(struct oltp_connection *connection, struct rhei_error *error, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof text)
        return error_set(error, RHEI_INTERNAL, "a statement of Rhei's own is too long");
    return oltp_exec(connection, text, error);
}

rhei_status oltp_query_int(struct oltp_connection *connection, const char *sql, int64_t fallback, int64_t *value,
                           struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(connection->db, sql, -1, &stmt, NULL);
    *value = fallback;
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
            *value = sqlite3_column_int64(stmt, 0);
    }
    rhei_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}
