/* SPDX-License-Identifier: Apache-2.0 */
/*
 * F1. A row is never ahead of its folder: it is moved after a checkpoint is durable, so whoever honours it keeps at least what that lacks. It moves in a
 *     transaction of upkeep, together with what is pruned by it. It is there before the first checkpoint is: that alone is waited for, for without it
 *     whoever has not the folder takes what it lacks, and where one is left from before it stays at its position until there is a newer checkpoint.
 * F2. It is forgotten with capture (rh detach), by a limit of the log that took what it held, where the folder was moved to another path and opened there, by who
 *     drops it by the row's name, which the folder must have gone for (it may be on a disk that comes back, so nobody takes that for an end by himself), and, if it has no history, a week after its newest checkpoint. Nothing else is known of a folder that nobody opens: what stays for it is at most the
 *     log's limit, and is told.
 */
#include "capture/capture_folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_invariant.h"
#include "capture/capture_internal.h"
#include "capture/capture_source.h"

#define FOLDER_KEEP_MS    (INT64_C(7) * 24 * 3600 * 1000)
#define FOLDER_FOREVER_MS (INT64_C(1) << 50)
#define FOLDER_WAIT_NS    INT64_C(100000000)

struct capture_folder {
    char *name;
    int64_t keep_ms;
    atomic_int_fast64_t wanted, written; /* -1: nothing yet; `written` by the holder of the writer */
    bool held;                           /* a row is there for sure; by who opens, and makes checkpoints */
};

const char *capture_folder_name(const struct oltp *oltp)
{
    const struct capture_folder *folder = capture_of(oltp)->folder;
    return folder == NULL ? "" : folder->name;
}

void capture_folder_close(struct oltp *oltp)
{
    struct capture_folder *folder = capture_of(oltp)->folder;
    capture_of(oltp)->folder = NULL;
    if (folder != NULL)
        base_free(folder->name);
    base_free(folder);
}

/* ---- Written. ---------------------------------------------------------------------------------------------------- */

/* A row that is there keeps its position, or is moved. */
#define PUT_ROW                                                                                  \
    "INSERT INTO main._rhei_consumers(name, position, seen_ms, keep_ms) VALUES(?1, ?2, ?3, ?4) " \
    "ON CONFLICT(name) DO UPDATE SET seen_ms = excluded.seen_ms, keep_ms = excluded.keep_ms"
static const char put_kept[] = PUT_ROW, put_moved[] = PUT_ROW ", position = excluded.position";

static rhei_status folder_put(struct oltp *oltp, const struct capture_folder *folder, const char *sql, int64_t position,
                              struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = oltp->writer->db;
    int64_t last = sqlite3_last_insert_rowid(db);
    BASE_INVARIANT(sqlite3_get_autocommit(db) == 0); /* F1 */
    int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, folder->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 2, position);
        sqlite3_bind_int64(stmt, 3, base_wall_ms());
        sqlite3_bind_int64(stmt, 4, folder->keep_ms);
        rc = sqlite3_step(stmt);
    }
    rhei_status status = rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(oltp->writer, rc, NULL, error);
    sqlite3_finalize(stmt);
    sqlite3_set_last_insert_rowid(db, last);
    return status;
}

rhei_status capture_folder_write(struct oltp *oltp, struct rhei_error *error)
{
    struct capture_folder *folder = capture_of(oltp)->folder;
    int64_t wanted = folder == NULL ? -1 : atomic_load(&folder->wanted);
    if (wanted < 0 || atomic_load(&folder->written) == wanted)
        return RHEI_OK;
    rhei_status status = folder_put(oltp, folder, put_moved, wanted, error);
    if (status == RHEI_OK)
        atomic_store(&folder->written, wanted);
    return status;
}

void capture_folder_unwritten(struct oltp *oltp)
{
    if (capture_of(oltp)->folder != NULL)
        atomic_store(&capture_of(oltp)->folder->written, -1);
}

/* A transaction of upkeep, which is no reason for a cycle. */
static void folder_write_now(struct oltp *oltp)
{
    struct capture_folder *folder = capture_of(oltp)->folder;
    if (atomic_load(&folder->written) == atomic_load(&folder->wanted) ||
        oltp_writer_acquire(oltp, base_now_ns() + FOLDER_WAIT_NS, NULL) != RHEI_OK)
        return;
    rhei_status status = oltp_step_own(oltp, oltp->begin, NULL);
    if (status == RHEI_OK) {
        uint64_t before = oltp_commit_token(oltp);
        status = capture_folder_write(oltp, NULL);
        status = capture_upkeep_end(oltp, before, false, status, NULL);
        folder->held |= status == RHEI_OK;
    }
    oltp_writer_release(oltp);
}

rhei_status capture_folder_hold(struct oltp *oltp, int64_t position, struct rhei_error *error)
{
    struct capture_folder *folder = capture_of(oltp)->folder;
    if (folder == NULL || folder->held || position < 0)
        return RHEI_OK;
    BASE_INVARIANT(folder->keep_ms != 0); /* as below */
    rhei_status status = oltp_writer_acquire(oltp, 0, error);
    if (status != RHEI_OK)
        return status;
    status = oltp_step_own(oltp, oltp->begin, error);
    if (status == RHEI_OK) {
        uint64_t before = oltp_commit_token(oltp);
        status = folder_put(oltp, folder, put_kept, position, error);
        status = capture_upkeep_end(oltp, before, false, status, error);
        folder->held = status == RHEI_OK;
    }
    oltp_writer_release(oltp);
    return status;
}

void capture_folder_durable(struct oltp *oltp, int64_t position)
{
    struct capture_folder *folder = capture_of(oltp)->folder;
    if (folder == NULL || position < 0)
        return;
    BASE_INVARIANT(folder->keep_ms != 0); /* a row that is kept for no time would hold nothing */
    atomic_store(&folder->wanted, position);
    folder_write_now(oltp);
}

/* ---- Opened. ----------------------------------------------------------------------------------------------------- */

/* One that isn't at its path. What is in a bucket nobody can tell from here, so that only who drops it says so. */
static bool folder_is_gone(const char *path, bool if_untold)
{
    struct stat info;
    if (strstr(path, "://") != NULL && path[0] != '/')
        return if_untold;
    return lstat(path, &info) != 0 && errno == ENOENT;
}

/* Names of other folders with histories that are where this one is, each with a NUL behind. */
static rhei_status folder_list(struct oltp *oltp, const char *sql, const char *name, int64_t position,
                               struct base_buffer *names, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    base_mutex_lock(&oltp->describe_lock);
    int rc = sqlite3_prepare_v2(oltp->describer->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(stmt, 2, position);
    }
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *found = (const char *)sqlite3_column_text(stmt, 0);
        if (found != NULL)
            base_buffer_append(names, found, strlen(found) + 1);
        rc = SQLITE_OK;
    }
    rhei_status status = names->failed       ? error_no_memory(error)
                         : rc == SQLITE_DONE ? RHEI_OK
                                             : oltp_sqlite_error(oltp->describer, rc, NULL, error);
    sqlite3_finalize(stmt);
    base_mutex_unlock(&oltp->describe_lock);
    return status;
}

/* With the writer held, or not at all. */
static void folder_drop(struct oltp *oltp, const char *name)
{
    sqlite3_stmt *stmt = NULL;
    BASE_INVARIANT(strncmp(name, CAPTURE_FOLDER, sizeof CAPTURE_FOLDER - 1) == 0); /* F2: no consumer's row goes so */
    if (sqlite3_prepare_v2(oltp->writer->db, "DELETE FROM main._rhei_consumers WHERE name = ?1", -1, &stmt, NULL) ==
        SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
        (void)sqlite3_step(stmt);
        atomic_fetch_add_explicit(&capture_of(oltp)->upkeep_commits, 1, memory_order_relaxed);
    }
    sqlite3_finalize(stmt);
}

static rhei_status folder_drop_all(struct oltp *oltp, const struct base_buffer *names, bool moved,
                                   struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (size_t at = 0; at < names->len && status == RHEI_OK; at += strlen(names->data + at) + 1) {
        const char *name = names->data + at, *path = name + sizeof CAPTURE_FOLDER - 1;
        if (moved && !folder_is_gone(path, false))
            continue;
        status = oltp_writer_acquire(oltp, moved ? base_now_ns() + FOLDER_WAIT_NS : 0, error);
        if (status != RHEI_OK)
            return status;
        folder_drop(oltp, name);
        oltp_writer_release(oltp);
        base_log_write(
            oltp->config.log, moved ? BASE_LOG_INFO : BASE_LOG_WARN, "capture",
            moved ? "the folder \"%s\" was moved: the log isn't kept for it any more"
                  : "the log passed a limit, and isn't kept for the folder \"%s\" any more: its next opening builds "
                    "its tables anew, and of a history in it the versions between are lost",
            path);
    }
    return status;
}

rhei_status capture_folder_open(struct oltp *oltp, const struct capture_folder_config *config, int64_t position,
                                struct rhei_error *error)
{
    struct base_buffer name = {0}, moved = {0};
    if (oltp->writer == NULL || !oltp_captures(oltp))
        return RHEI_OK;
    struct capture_folder *folder = base_alloc_zero(1, sizeof *folder);
    base_buffer_format(&name, CAPTURE_FOLDER "%s", config->path);
    if (folder != NULL)
        folder->name = base_buffer_take(&name);
    base_buffer_reset(&name);
    if (folder == NULL || folder->name == NULL) {
        base_free(folder);
        return error_no_memory(error);
    }
    int64_t keep_ms = config->histories ? FOLDER_FOREVER_MS : FOLDER_KEEP_MS, there = -1;
    folder->keep_ms = config->buffered ? -keep_ms : keep_ms;
    atomic_store(&folder->wanted, position);
    atomic_store(&folder->written, -1);
    capture_of(oltp)->folder = folder;
    if (position < 0)
        return RHEI_OK;
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "SELECT name FROM main._rhei_consumers WHERE name = ?1 AND position = ?2 AND keep_ms = %" PRId64,
                   folder->keep_ms);
    if (folder_list(oltp, sql, folder->name, position, &name, NULL) == RHEI_OK && name.len > 0)
        there = position;
    atomic_store(&folder->written, there);
    folder->held = there >= 0;
    folder_write_now(oltp);
    if (config->histories && folder_list(oltp,
                                         "SELECT name FROM main._rhei_consumers WHERE " CAPTURE_IS_FOLDER
                                         " AND name <> ?1 AND position = ?2",
                                         folder->name, position, &moved, NULL) == RHEI_OK)
        (void)folder_drop_all(oltp, &moved, true, NULL);
    base_buffer_reset(&name);
    base_buffer_reset(&moved);
    return RHEI_OK;
}

rhei_status capture_folder_of_history(struct oltp *oltp, const char *path, char *folder, size_t size, bool *is_known,
                                      struct rhei_error *error)
{
    struct base_buffer own = {0}, names = {0};
    char sql[240];
    folder[0] = '\0';
    *is_known = false;
    base_buffer_format(&own, CAPTURE_FOLDER "%s", path);
    (void)snprintf(sql, sizeof sql,
                   "SELECT name FROM main._rhei_consumers WHERE " CAPTURE_IS_FOLDER " AND abs(keep_ms) >= %" PRId64
                   " AND ?2 = 0 ORDER BY name = ?1 DESC, seen_ms DESC LIMIT 1",
                   FOLDER_FOREVER_MS);
    if (own.failed) {
        base_buffer_reset(&own);
        return error_no_memory(error);
    }
    rhei_status status = folder_list(oltp, sql, own.data, 0, &names, error);
    if (status == RHEI_OK && names.len > 0) {
        *is_known = strcmp(names.data, own.data) == 0;
        (void)snprintf(folder, size, "%s", names.data + sizeof CAPTURE_FOLDER - 1);
    }
    base_buffer_reset(&own);
    base_buffer_reset(&names);
    return status;
}

rhei_status capture_folder_may_go(const char *name, struct rhei_error *error)
{
    if (strncmp(name, CAPTURE_FOLDER, sizeof CAPTURE_FOLDER - 1) != 0)
        return error_set(error, RHEI_INVALID, "names that begin with _rhei_ are Rhei's own, also of consumers");
    const char *path = name + sizeof CAPTURE_FOLDER - 1;
    if (folder_is_gone(path, true))
        return RHEI_OK;
    return error_set(
        error, RHEI_EXISTS,
        "the folder \"%.200s\" is there, and goes on with what the log keeps for it: open the database with it "
        "(olap_path), or remove it first",
        path);
}

/* ---- Passed by a limit. ------------------------------------------------------------------------------------------ */

rhei_status capture_folder_pass(struct oltp *oltp, int64_t to, bool closed, struct rhei_error *error)
{
    struct base_buffer names = {0};
    char sql[400];
    int64_t now = base_wall_ms();
    (void)snprintf(sql, sizeof sql,
                   "SELECT name FROM main._rhei_consumers WHERE " CAPTURE_IS_FOLDER
                   " AND keep_ms > 0 AND name <> ?1 AND position < ?2 AND NOT (%d AND EXISTS (SELECT 1 FROM "
                   "main._rhei_engines WHERE id <> %" PRId64 " AND seen_ms BETWEEN %" PRId64 " AND %" PRId64
                   " AND NOT _rhei_gone(id)))",
                   closed, capture_of(oltp)->engine_id, now - CAPTURE_ENGINE_LIFE_MS, now + CAPTURE_ENGINE_LIFE_MS);
    rhei_status status = folder_list(oltp, sql, capture_folder_name(oltp), to, &names, error);
    if (status == RHEI_OK)
        status = folder_drop_all(oltp, &names, false, error);
    base_buffer_reset(&names);
    return status;
}
