/* SPDX-License-Identifier: Apache-2.0 */
#include "oltp/oltp_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { STEP_BYTES = 4 << 20 }; /* between two looks whether to go on: a few milliseconds */

static rhei_status pin(struct oltp_backup *backup, struct rhei_error *error)
{
    struct oltp_connection *reader = backup->reader;
    int64_t pages = 0;
    rhei_status status = oltp_exec(reader, "BEGIN", error);
    if (status == RHEI_OK)
        status = oltp_query_int(reader, "PRAGMA main.schema_version", 0, &backup->cookie, error); /* the first look */
    if (status == RHEI_OK)
        status = oltp_query_int(reader, "PRAGMA main.page_count", 0, &pages, error);
    if (status == RHEI_OK)
        status = oltp_query_int(reader, "PRAGMA main.page_size", 4096, &backup->page, error);
    backup->bytes = pages * backup->page;
    return status;
}

rhei_status oltp_backup_begin(struct oltp *oltp, const struct oltp_stop *stop, struct oltp_backup *backup,
                              struct rhei_error *error)
{
    *backup = (struct oltp_backup){.oltp = oltp};
    rhei_status status = oltp_reader_take(oltp, &backup->reader, error);
    if (status != RHEI_OK)
        return status;
    atomic_store_explicit(&backup->reader->backs_up, true, memory_order_relaxed);
    oltp_connection_watch(backup->reader, stop);
    status = pin(backup, error);
    oltp_connection_watch(backup->reader, NULL);
    if (status != RHEI_OK)
        oltp_backup_end(backup);
    return status;
}

/* ---- The copy. --------------------------------------------------------------------------------------------------- */

static rhei_status copy_error(struct oltp_backup *backup, int rc, struct rhei_error *error)
{
    int system = (rc & 255) == SQLITE_IOERR ? sqlite3_system_errno(backup->copy) : 0;
    if (system == EFBIG || system == EDQUOT || system == ENOSPC)
        rc = SQLITE_FULL;
    rhei_status status = oltp_code_error(rc, sqlite3_errstr(rc), error);
    error_context(error, "the copy of the database: ");
    return status;
}

rhei_status oltp_backup_exec(struct oltp_backup *backup, const char *sql, struct rhei_error *error)
{
    int rc = sqlite3_exec(backup->copy, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? RHEI_OK : copy_error(backup, rc, error);
}

/* Nobody may read the copy who mayn't read the file. Before SQLite comes, which finds it empty; what fails of it is told by SQLite. */
static void make_private(const struct oltp_backup *backup, const char *path)
{
    struct stat info;
    if (backup->oltp->memory != NULL || stat(backup->oltp->path, &info) != 0)
        return;
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file >= 0) {
        (void)fchmod(file, info.st_mode & 0777);
        (void)close(file);
    }
}

/*
 * Nothing is kept for a rollback, for a copy that isn't finished is thrown away; alone, so that its log needs no index beside it; and what the
 * schema names isn't run.
 */
static rhei_status open_copy(struct oltp_backup *backup, const char *path, struct rhei_error *error)
{
    make_private(backup, path);
    int rc =
        sqlite3_open_v2(path, &backup->copy,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (backup->copy == NULL)
        return error_no_memory(error);
    if (rc != SQLITE_OK)
        return copy_error(backup, rc, error);
    sqlite3_db_config(backup->copy, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
    return oltp_backup_exec(backup,
                            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; "
                            "PRAGMA cache_size=-4096",
                            error);
}

static rhei_status copy_pages(struct oltp_backup *backup, const struct oltp_stop *stop, struct rhei_error *error)
{
    sqlite3_backup *pages = sqlite3_backup_init(backup->copy, "main", backup->reader->db, "main");
    if (pages == NULL)
        return copy_error(backup, sqlite3_errcode(backup->copy), error);
    struct base_progress *progress = stop == NULL ? NULL : stop->progress;
    rhei_status status = RHEI_OK;
    int rc = SQLITE_OK;
    base_progress_step(progress, "copying the database", NULL, BASE_PROGRESS_BYTES, backup->bytes);
    while (status == RHEI_OK && rc == SQLITE_OK) {
        rc = sqlite3_backup_step(pages, (int)(STEP_BYTES / backup->page));
        int64_t left = sqlite3_backup_remaining(pages) * backup->page;
        base_progress_set(progress, BASE_PROGRESS_BYTES, backup->bytes - left, backup->bytes);
        if (stop != NULL && stop->check != NULL)
            status = stop->check(stop->context);
    }
    int end = sqlite3_backup_finish(pages);
    if (status != RHEI_OK)
        return error_ended(error, status);
    return rc == SQLITE_DONE && end == SQLITE_OK ? RHEI_OK : copy_error(backup, rc == SQLITE_DONE ? end : rc, error);
}

rhei_status oltp_backup_copy(struct oltp_backup *backup, const char *path, const struct oltp_stop *stop,
                             struct rhei_error *error)
{
    rhei_status status = open_copy(backup, path, error);
    if (status == RHEI_OK)
        status = copy_pages(backup, stop, error);
    if (status != RHEI_OK)
        return status;
    char sql[80]; /* SQLite gives the copy a cookie of its own */
    (void)snprintf(sql, sizeof sql, "PRAGMA main.schema_version = %lld", (long long)backup->cookie);
    return oltp_backup_exec(backup, sql, error);
}

rhei_status oltp_backup_close(struct oltp_backup *backup, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    /* of a file with a write-ahead log: what was changed in the copy goes into it, and an error of that is told */
    int rc = sqlite3_wal_checkpoint_v2(backup->copy, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        status = copy_error(backup, rc, error);
    rc = sqlite3_close(backup->copy);
    backup->copy = NULL;
    return status == RHEI_OK && rc != SQLITE_OK ? oltp_code_error(rc, NULL, error) : status;
}

void oltp_backup_end(struct oltp_backup *backup)
{
    sqlite3_close(backup->copy);
    if (backup->reader != NULL) {
        oltp_connection_watch(backup->reader, NULL);
        if (!sqlite3_get_autocommit(backup->reader->db))
            (void)oltp_exec(backup->reader, "ROLLBACK", NULL);
        atomic_store_explicit(&backup->reader->backs_up, false, memory_order_relaxed);
        oltp_reader_give(backup->oltp, &backup->reader);
    }
    *backup = (struct oltp_backup){.oltp = NULL};
}
