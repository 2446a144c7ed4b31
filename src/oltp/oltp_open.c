/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing the handle, and its status. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "oltp/oltp_internal.h"

static int open_wal_committed(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    struct oltp *oltp = context;
    if (strcmp(name, "main") != 0)
        return SQLITE_OK;
    oltp_commit_made(oltp);
    unsigned before = atomic_load_explicit(&oltp->wal_pages, memory_order_relaxed);
    bool anew = (unsigned)pages < before;
    if (oltp->config.log_limit_bytes != 0)
        atomic_fetch_add_explicit(&oltp->log_written, (unsigned)pages - (anew ? 0 : before), memory_order_relaxed);
    if (anew)
        atomic_store_explicit(&oltp->checkpoint_at, oltp_checkpoint_next(oltp, 0), memory_order_relaxed);
    atomic_store_explicit(&oltp->wal_pages, (unsigned)pages, memory_order_relaxed);
    if ((unsigned)pages >= atomic_load_explicit(&oltp->checkpoint_at, memory_order_relaxed))
        oltp_checkpoint_due(oltp);
    return SQLITE_OK;
}

/* The log's rows as they are written: gives each commit its position without a query. */
static void open_row_changed(void *context, int op, const char *database, const char *table, sqlite3_int64 rowid)
{
    struct oltp *oltp = context;
    if (op == SQLITE_INSERT && table[0] == '_' && strcmp(table, OLTP_LOG) == 0 && strcmp(database, "main") == 0) {
        oltp->pending_seq = rowid;
        oltp->pending_rows++;
    }
}

void oltp_writer_hooks(struct oltp *oltp)
{
    sqlite3 *db = oltp->writer->db;
    oltp_connection_hooks(oltp->writer);
    sqlite3_wal_hook(db, open_wal_committed, oltp);
    sqlite3_update_hook(db, open_row_changed, oltp);
    sqlite3_commit_hook(db, oltp_commit_begins, oltp);
}

static rhei_status open_prepare(struct oltp *oltp, const char *sql, sqlite3_stmt **stmt, struct rhei_error *error)
{
    int rc = sqlite3_prepare_v3(oltp->writer->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, NULL, error);
}

static rhei_status open_writer(struct oltp *oltp, struct rhei_error *error)
{
    const struct {
        const char *sql;
        sqlite3_stmt **stmt;
    } statements[] = {
        {"BEGIN IMMEDIATE", &oltp->begin},     {"COMMIT", &oltp->commit},
        {"ROLLBACK", &oltp->rollback},         {"SAVEPOINT _rhei_job", &oltp->savepoint},
        {"RELEASE _rhei_job", &oltp->release}, {"ROLLBACK TO _rhei_job", &oltp->rollback_to},
    };
    rhei_status status = oltp_connection_open(oltp, OLTP_WRITER, &oltp->writer, error);
    for (size_t i = 0; status == RHEI_OK && i < sizeof statements / sizeof statements[0]; i++)
        status = open_prepare(oltp, statements[i].sql, statements[i].stmt, error);
    if (status == RHEI_OK) {
        oltp_writer_hooks(oltp);
        int64_t on = 0;
        status = oltp_query_int(oltp->writer, "PRAGMA foreign_keys", 0, &on, error);
        oltp->foreign_keys = on != 0;
    }
    if (status == RHEI_OK)
        status = oltp_query_int(oltp->writer, "PRAGMA main.page_size", 4096, &oltp->page_size, error);
    return status;
}

static bool open_is_wal(struct oltp_connection *connection)
{
    sqlite3_stmt *stmt = NULL;
    bool wal = sqlite3_prepare_v2(connection->db, "PRAGMA main.journal_mode", -1, &stmt, NULL) == SQLITE_OK &&
               sqlite3_step(stmt) == SQLITE_ROW &&
               sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
    sqlite3_finalize(stmt);
    return wal;
}

/* The WAL index as SQLite has mapped it. Never by a file descriptor of our own: closing it would drop SQLite's locks. */
static void open_map_wal_index(struct oltp *oltp)
{
    sqlite3_file *file = NULL;
    void volatile *region = NULL;
    sqlite3 *db = oltp->describer->db;
    /* only in WAL mode has SQLite made the region; asked for in another, it would make a file that nobody takes away */
    if (!open_is_wal(oltp->describer))
        return;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || file == NULL ||
        file->pMethods == NULL || file->pMethods->iVersion < 2 || file->pMethods->xShmMap == NULL)
        return;
    if (file->pMethods->xShmMap(file, 0, 32768, 0, &region) == SQLITE_OK && region != NULL)
        oltp->wal_index = region;
}

/* With the connections there: what is in the file, capture, the background thread. */
static rhei_status open_contents(struct oltp *oltp, struct rhei_error *error)
{
    open_map_wal_index(oltp);
    oltp_fault(oltp, "oltp.open.capture");
    rhei_status status = oltp->hooks->begin(oltp, error);
    if (status == RHEI_OK && !oltp->config.read_only)
        status = oltp_maintenance_start(oltp, error);
    if (status != RHEI_OK)
        error_context(error, "database \"%s\": ", oltp->config.path);
    return status;
}

/* What SQLite would call "unable to open database file", in words that help. */
static rhei_status open_check_path(const struct oltp *oltp, struct rhei_error *error)
{
    const struct oltp_config *config = &oltp->config;
    struct stat info;
    if (stat(config->path, &info) == 0) {
        return !S_ISDIR(info.st_mode) ? RHEI_OK
                                      : error_set(error, RHEI_CANT_OPEN,
                                                  "database \"%s\": it is a folder: name a file in it", config->path);
    }
    if (errno == ENOENT && (config->must_exist || config->read_only)) {
        return error_set(
            error, RHEI_CANT_OPEN,
            "database \"%s\": there is no such file: check the name; only a handle that may write, and whose "
            "file needn't exist, creates one",
            config->path);
    }
    return RHEI_OK;
}

static rhei_status open_may_begin(const struct oltp *oltp, struct rhei_error *error)
{
    const struct oltp_config *config = &oltp->config;
    return config->begins == NULL || config->capture_if_present ? RHEI_OK
                                                                : config->begins(config->begins_context, error);
}

/* Asked for only where it is present, capture is used where the file has it; else it is made there, if it may be. */
static rhei_status open_settle_capture(struct oltp *oltp, struct rhei_error *error)
{
    bool captured = false;
    rhei_status status = oltp->hooks->is_captured(oltp->writer, &captured, error);
    if (status == RHEI_OK && !captured)
        status = open_may_begin(oltp, error);
    oltp->config.capture = status == RHEI_OK && (captured || !oltp->config.capture_if_present);
    return oltp->config.capture ? oltp_connection_prepare_capture(oltp->writer, error) : status;
}

/* A file that isn't there isn't made either where capture may not begin in it. */
static rhei_status open_check_new(const struct oltp *oltp, struct rhei_error *error)
{
    struct stat info;
    bool is_new = oltp->memory == NULL && oltp->config.capture && stat(oltp->config.path, &info) != 0;
    return is_new ? open_may_begin(oltp, error) : RHEI_OK;
}

static rhei_status open_all(struct oltp *oltp, struct rhei_error *error)
{
    rhei_status status = oltp->hooks->open(oltp, error);
    if (status != RHEI_OK)
        return status;
    if (oltp->memory == NULL && strcmp(oltp->config.path, ":memory:") == 0)
        status = oltp_memory_open(&oltp->memory, error);
    else if (oltp->memory == NULL)
        status = open_check_path(oltp, error);
    if (status == RHEI_OK)
        status = oltp_identity_resolve(oltp->memory == NULL ? oltp->config.path : "/rhei", &oltp->path, error);
    oltp->config.capture = oltp->config.capture && !oltp->config.read_only;
    oltp->config.follow = oltp->config.follow && oltp->config.read_only;
    if (status == RHEI_OK)
        status = open_check_new(oltp, error);
    if (status == RHEI_OK)
        status = oltp_opening_settle(oltp, error);
    if (status == RHEI_OK && !oltp->config.read_only) {
        status = open_writer(oltp, error);
        oltp_opening_explain(oltp, status, error);
    }
    bool unsettled = oltp->config.capture_if_present || (oltp->config.begins != NULL && oltp->memory == NULL);
    if (status == RHEI_OK && oltp->config.capture && unsettled)
        status = open_settle_capture(oltp, error);
    if (status == RHEI_OK)
        status = oltp_connection_open(oltp, OLTP_DESCRIBER, &oltp->describer, error);
    return status == RHEI_OK ? open_contents(oltp, error) : status;
}

/* SQLite's log is beside the name that the file was opened by: who opens it by another one doesn't know of what is in there. */
static void tell_of_second_name(const struct oltp *oltp)
{
    struct stat about;
    const char *path = sqlite3_db_filename(oltp->writer->db, "main");
    if (path != NULL && path[0] != '\0' && stat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink > 1)
        base_log_write(
            oltp->config.log, BASE_LOG_WARN, "oltp",
            "%s is a file of %llu names (hard links): what is written by one of them can be lost by another, "
            "as SQLite keeps its log beside the name that it was opened by",
            oltp->config.path, (unsigned long long)about.st_nlink);
}

rhei_status oltp_open(const struct oltp_config *config, struct oltp **result, struct rhei_error *error)
{
    *result = NULL;
    if (config->path == NULL || config->path[0] == '\0')
        return error_set(error, RHEI_INVALID, "the database has no path: give a file name, or \":memory:\"");
    struct oltp *oltp = base_alloc_zero(1, sizeof *oltp);
    if (oltp == NULL)
        return error_no_memory(error);
    oltp->config = *config;
    if (oltp->config.log_limit_rows == 0)
        oltp->config.log_limit_rows = OLTP_LOG_LIMIT_DEFAULT;
    if (oltp->config.wal_limit_bytes == 0)
        oltp->config.wal_limit_bytes = OLTP_WAL_LIMIT_DEFAULT;
    oltp->hooks = config->hooks == NULL ? &oltp_no_hooks : config->hooks;
    base_mutex_init(&oltp->queue_lock);
    base_mutex_init(&oltp->pool_lock);
    base_mutex_init(&oltp->describe_lock);
    base_mutex_init(&oltp->maintenance_lock);
    base_cond_init(&oltp->maintenance_wake);
    oltp->config.path = base_strdup(config->path);
    rhei_status status = oltp->config.path == NULL ? error_no_memory(error) : open_all(oltp, error);
    if (status != RHEI_OK) {
        oltp_close(&oltp);
        return status;
    }
    if (oltp->writer != NULL)
        tell_of_second_name(oltp);
    base_log_write(oltp->config.log, BASE_LOG_INFO, "oltp", "opened %s with SQLite %s", oltp->config.path,
                   sqlite3_libversion());
    *result = oltp;
    return RHEI_OK;
}

void oltp_close(struct oltp **slot)
{
    struct oltp *oltp = *slot;
    if (oltp == NULL)
        return;
    *slot = NULL;
    oltp_maintenance_stop(oltp);
    oltp->hooks->end(oltp);
    oltp_settings_free(oltp);
    oltp_readers_close(oltp);
    sqlite3_stmt *statements[] = {oltp->begin,     oltp->commit,  oltp->rollback,
                                  oltp->savepoint, oltp->release, oltp->rollback_to};
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++)
        sqlite3_finalize(statements[i]);
    oltp->wal_index = NULL;
    oltp_look_close(oltp);
    oltp_connection_close(&oltp->describer);
    oltp_connection_close(&oltp->writer);
    oltp_face_close(oltp);
    oltp_memory_close(&oltp->memory);
    oltp_opening_reset(oltp);
    base_cond_destroy(&oltp->maintenance_wake);
    base_mutex_destroy(&oltp->maintenance_lock);
    base_mutex_destroy(&oltp->describe_lock);
    base_mutex_destroy(&oltp->pool_lock);
    base_mutex_destroy(&oltp->queue_lock);
    base_free(oltp->path);
    base_free((void *)(uintptr_t)oltp->config.path);
    base_free(oltp);
}

bool oltp_captures(const struct oltp *oltp)
{
    return oltp->config.capture;
}

bool oltp_follows(const struct oltp *oltp)
{
    return oltp->config.follow;
}

static uint64_t status_file_bytes(const struct oltp *oltp, const char *suffix)
{
    char path[4200];
    struct stat info;
    if (oltp->memory != NULL || snprintf(path, sizeof path, "%s%s", oltp->path, suffix) >= (int)sizeof path ||
        stat(path, &info) != 0)
        return 0;
    return (uint64_t)info.st_size;
}

rhei_status oltp_get_status(struct oltp *oltp, struct oltp_status *status, struct rhei_error *error)
{
    *status = (struct oltp_status){0};
    snprintf(status->path, sizeof status->path, "%s", oltp->config.path);
    snprintf(status->sqlite_version, sizeof status->sqlite_version, "%s", sqlite3_libversion());
    status->commits = atomic_load(&oltp->counters.commits);
    for (size_t b = 0; b < sizeof status->commit_time / sizeof status->commit_time[0]; b++)
        status->commit_time[b] = atomic_load_explicit(&oltp->counters.commit_time[b], memory_order_relaxed);
    status->commit_ns = atomic_load(&oltp->counters.commit_ns);
    status->grouped_statements = atomic_load(&oltp->counters.grouped);
    status->statements = atomic_load(&oltp->counters.statements);
    status->errors = atomic_load(&oltp->counters.errors);
    status->busy = atomic_load(&oltp->counters.busy);
    status->changes_logged = atomic_load(&oltp->counters.logged);
    status->log_limit_rows = oltp->config.log_limit_rows;
    status->log_refused = atomic_load(&oltp->counters.refused);
    status->log_full = oltp_log_is_full(oltp);
    oltp_readers_status(oltp, status);
    base_mutex_lock(&oltp->queue_lock);
    status->writer_in_session = oltp->in_session;
    base_mutex_unlock(&oltp->queue_lock);
    rhei_status result = oltp->hooks->status(oltp, status, error);
    status->file_bytes = status_file_bytes(oltp, "");
    status->wal_bytes = status_file_bytes(oltp, "-wal");
    status->wal_limit_bytes = oltp->config.wal_limit_bytes;
    int64_t since = atomic_load_explicit(&oltp->wal_held_since_ns, memory_order_relaxed);
    status->wal_held_ms = since == 0 ? 0 : (base_now_ns() - since) / 1000000 + 1;
    return result;
}
