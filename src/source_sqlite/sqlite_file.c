/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to a file that is somebody else's.
 *
 *   1. Nothing is ever written, and no file made: neither the database, nor a log or its index beside it. A read-only connection to a database in WAL
 *      mode makes both where they aren't; so where there is no log, which is where nobody has the file open, it is read as it lies there
 *      ("immutable"), and what was read counts only if afterwards there is still no log and the file is the same one.
 *   2. Closing any descriptor of a file lets go of all POSIX locks that the process has on it. SQLite knows how to live with that among connections
 *      that take locks; those that don't are closed only when none of these is open.
 */
#include "sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_error.h"
#include "base/base_memory.h"

enum { BUSY_MS = 250, HEADER_BYTES = 100, WAL_FORMAT = 2 };

static int64_t made_at(const char *path)
{
    struct statx facts;
    if (statx(AT_FDCWD, path, 0, STATX_BTIME, &facts) != 0 || (facts.stx_mask & STATX_BTIME) == 0)
        return 0;
    return facts.stx_btime.tv_sec * INT64_C(1000000000) + facts.stx_btime.tv_nsec;
}

rhei_status sqlite_file_print(const struct sqlite_file *file, struct sqlite_print *print, struct rhei_error *error)
{
    struct stat info;
    if (stat(file->path, &info) != 0)
        return error_set(error, RHEI_CANT_OPEN, "the source file \"%.200s\" can't be opened: %s", file->path,
                         strerror(errno));
    if (!S_ISREG(info.st_mode))
        return error_set(error, RHEI_CANT_OPEN, "the source \"%.200s\" is no file", file->path);
    *print = (struct sqlite_print){.device = info.st_dev,
                                   .inode = info.st_ino,
                                   .size = (uint64_t)info.st_size,
                                   .modified_ns = info.st_mtim.tv_sec * INT64_C(1000000000) + info.st_mtim.tv_nsec,
                                   .changed_ns = info.st_ctim.tv_sec * INT64_C(1000000000) + info.st_ctim.tv_nsec,
                                   .made_ns = made_at(file->path)};
    return RHEI_OK;
}

bool sqlite_file_has_wal(const struct sqlite_file *file)
{
    struct stat info;
    return stat(file->wal_path, &info) == 0 && info.st_size > 0;
}

bool sqlite_read_header(sqlite3 *db, unsigned char header[HEADER_BYTES])
{
    sqlite3_file *handle = NULL;
    return sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &handle) == SQLITE_OK && handle != NULL &&
           handle->pMethods != NULL && handle->pMethods->xRead(handle, header, HEADER_BYTES, 0) == SQLITE_OK;
}

rhei_status sqlite_error_of(const struct sqlite_file *file, sqlite3 *db, int code, struct rhei_error *error)
{
    rhei_status status = RHEI_SQL;
    int extended = db == NULL ? code : sqlite3_extended_errcode(db);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return error_no_memory(error);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        status = RHEI_BUSY;
        break;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        status = RHEI_NOT_A_DATABASE;
        break;
    case SQLITE_IOERR:
        status = RHEI_IO;
        break;
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        status = RHEI_CANT_OPEN;
        break;
    case SQLITE_TOOBIG:
        status = RHEI_TOO_BIG;
        break;
    default:
        break;
    }
    if (extended == SQLITE_READONLY_ROLLBACK || extended == SQLITE_READONLY_RECOVERY)
        return error_set(
            error, status,
            "the source file \"%.200s\" was left by a program that died in a transaction: it is read again "
            "once a program that may write has opened it",
            file->path);
    return error_set(error, status, "the source file \"%.200s\": %s", file->path,
                     db == NULL ? sqlite3_errstr(code) : sqlite3_errmsg(db));
}

/* "file:PATH?mode=ro", with everything in the path that means something else in a URI written as its number. */
static char *uri_of(const struct sqlite_file *file, bool still)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
    struct base_buffer uri = {0};
    base_buffer_text(&uri, "file:");
    for (const char *at = file->path; *at != '\0'; at++)
        if (strchr(plain, *at) != NULL)
            base_buffer_char(&uri, *at);
        else
            base_buffer_format(&uri, "%%%02x", (unsigned char)*at);
    base_buffer_text(&uri, still ? "?mode=ro&immutable=1" : "?mode=ro");
    return base_buffer_take(&uri);
}

static rhei_status open_one(struct sqlite_file *file, bool still, struct sqlite_connection **result,
                            struct rhei_error *error)
{
    struct sqlite_connection *connection = base_alloc_zero(1, sizeof *connection);
    char *uri = uri_of(file, still);
    *result = connection;
    if (connection == NULL || uri == NULL) {
        base_free(connection);
        base_free(uri);
        *result = NULL;
        return error_no_memory(error);
    }
    connection->still = still;
    int code =
        sqlite3_open_v2(uri, &connection->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    base_free(uri);
    if (!still) {
        base_mutex_lock(&file->lock);
        file->live++;
        base_mutex_unlock(&file->lock);
    }
    rhei_status status = code == SQLITE_OK ? RHEI_OK : sqlite_error_of(file, connection->db, code, error);
    if (status != RHEI_OK) {
        sqlite_disconnect(file, result);
        return status;
    }
    sqlite3_extended_result_codes(connection->db, 1);
    (void)sqlite3_busy_timeout(connection->db, BUSY_MS);
    (void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(connection->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return RHEI_OK;
}

static rhei_status refuse_format(const struct sqlite_file *file, const unsigned char *header, struct rhei_error *error)
{
    static const char magic[16] = "SQLite format 3";
    if (memcmp(header, magic, sizeof magic) == 0)
        return RHEI_OK;
    return error_set(error, RHEI_NOT_A_DATABASE, "the source file \"%.200s\" is no SQLite database", file->path);
}

rhei_status sqlite_connect(struct sqlite_file *file, struct sqlite_connection **connection, struct rhei_error *error)
{
    unsigned char header[HEADER_BYTES] = {0};
    struct sqlite_print print;
    *connection = NULL;
    rhei_status status = sqlite_file_print(file, &print, error);
    if (status == RHEI_OK && print.size > 0 && print.size < HEADER_BYTES)
        return refuse_format(file, header, error); /* as which it reads: zeros */
    if (status == RHEI_OK && print.size == 0)
        return error_set(error, RHEI_BUSY, "the source file \"%.200s\" is empty: nobody has made a table in it yet",
                         file->path);
    bool has_wal = sqlite_file_has_wal(file);
    if (status == RHEI_OK)
        status = open_one(file, false, connection, error); /* which makes nothing before it is asked for something */
    if (status == RHEI_OK && !has_wal && !sqlite_read_header((*connection)->db, header))
        status = error_set(error, RHEI_IO, "the source file \"%.200s\" can't be read", file->path);
    if (status == RHEI_OK && !has_wal)
        status = refuse_format(file, header, error);
    bool still = status == RHEI_OK && !has_wal && header[18] == WAL_FORMAT; /* 1. */
    if (still || status != RHEI_OK)
        sqlite_disconnect(file, connection);
    if (still)
        status = open_one(file, true, connection, error);
    if (status != RHEI_OK)
        return status;
    (*connection)->wal = still;
    (*connection)->print = print;
    return RHEI_OK;
}

static void close_one(struct sqlite_connection *connection)
{
    (void)sqlite3_close_v2(connection->db);
    base_free(connection);
}

void sqlite_disconnect(struct sqlite_file *file, struct sqlite_connection **slot)
{
    struct sqlite_connection *connection = *slot;
    *slot = NULL;
    if (connection == NULL)
        return;
    base_mutex_lock(&file->lock);
    if (connection->still) { /* 2. */
        connection->next = file->retired;
        file->retired = connection;
    } else {
        close_one(connection);
        file->live--;
    }
    while (file->live == 0 && file->retired != NULL) {
        struct sqlite_connection *first = file->retired;
        file->retired = first->next;
        close_one(first);
    }
    base_mutex_unlock(&file->lock);
}

/* ---- The source. ------------------------------------------------------------------------------------------------- */

static void close_file(void *context)
{
    struct sqlite_file *file = context;
    base_mutex_destroy(&file->lock);
    base_arena_reset(&file->arena);
    base_free(file->path);
    base_free(file->wal_path);
    base_free(file);
}

static const char *const *copy_names(struct base_arena *arena, const char *const *names, size_t count, bool *good)
{
    const char **copies = base_arena_zero(arena, count + 1, sizeof *copies);
    for (size_t i = 0; copies != NULL && i < count; i++) {
        copies[i] = base_arena_text(arena, names[i]);
        *good = *good && copies[i] != NULL;
    }
    *good = *good && copies != NULL;
    return copies;
}

static const char *copy_text(struct base_arena *arena, const char *text, bool *good)
{
    const char *copy = text == NULL ? NULL : base_arena_text(arena, text);
    *good = *good && (text == NULL || copy != NULL);
    return copy;
}

static bool copy_config(struct sqlite_file *file, const struct sqlite_source_config *config)
{
    struct base_arena *arena = &file->arena;
    struct poll_wanted *tables = base_arena_zero(arena, config->wishes.table_count + 1, sizeof *tables);
    bool good = tables != NULL;
    file->config = *config;
    file->config.wishes.tables = tables;
    file->config.path = NULL;
    file->config.wishes.soft_delete = copy_text(arena, config->wishes.soft_delete, &good);
    for (size_t t = 0; good && t < config->wishes.table_count; t++) {
        tables[t] = config->wishes.tables[t];
        tables[t].name = copy_text(arena, config->wishes.tables[t].name, &good);
        tables[t].created_at = copy_text(arena, config->wishes.tables[t].created_at, &good);
        tables[t].updated_at = copy_text(arena, config->wishes.tables[t].updated_at, &good);
        tables[t].key = copy_names(arena, config->wishes.tables[t].key, config->wishes.tables[t].key_count, &good);
        tables[t].columns =
            copy_names(arena, config->wishes.tables[t].columns, config->wishes.tables[t].column_count, &good);
    }
    return good;
}

rhei_status sqlite_source_open(const struct sqlite_source_config *config, struct change_source **source,
                               struct rhei_error *error)
{
    struct sqlite_file *file = base_alloc_zero(1, sizeof *file);
    struct base_buffer wal = {0};
    *source = NULL;
    if (file == NULL)
        return error_no_memory(error);
    base_mutex_init(&file->lock);
    base_buffer_format(&wal, "%s-wal", config->path);
    file->path = base_strdup(config->path);
    file->wal_path = base_buffer_take(&wal);
    if (file->path == NULL || file->wal_path == NULL || !copy_config(file, config)) {
        close_file(file);
        return error_no_memory(error);
    }
    struct poll_config poll = {.open = sqlite_reader_open,
                               .close = close_file,
                               .context = file,
                               .log = config->log,
                               .page_rows = config->wishes.page_rows,
                               .snapshot = config->snapshot,
                               .deletes = config->snapshot || config->wishes.full_diff,
                               .seldom = config->wishes.seldom,
                               .every = config->wishes.full_diff ? config->wishes.every : 0};
    return poll_source_open(&poll, source, error);
}
