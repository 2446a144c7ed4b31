/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes everything of Rhei's out of a file: triggers, log, view, registry. Any thread; no handle is needed.
 *
 * All of it goes in one write transaction, so a crash leaves the file captured or plain. Engines that live on the file refuse it: their
 * rows in _rhei_engines tell. A row may also be left by an engine that was killed; then SQLite itself tells: it leaves the
 * write-ahead log only if no other connection to the file exists.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "capture/capture_internal.h"
#include "oltp/oltp_alive.h"

/* What Rhei makes; other things may have such a name too, and are their makers'. */
#define DETACH_OURS                                                                                             \
    "((type IN ('table', 'view') AND name IN ('" OLTP_LOG "', '_rhei_cdc_events', '_rhei_meta', "               \
    "'_rhei_tables', '_rhei_engines', '_rhei_consumers')) OR (type = 'trigger' AND name GLOB '" CAPTURE_TRIGGER \
    "[0-9]*'))"

enum { DETACH_WAIT_MS = 5000, DETACH_SLICE_NS = 5000000, DETACH_STEPS = 1000 };

struct detach {
    sqlite3 *db;
    const char *path;
    const struct oltp_stop *stop; /* NULL: nothing ends it */
    rhei_status stopped;          /* what it said */
    int64_t until_ns;             /* how long others' locks are waited for */
    struct rhei_error *error;
};

/* Asked by SQLite every 1,000 steps and while it waits. */
static int detach_asked(void *context)
{
    struct detach *detach = context;
    if (detach->stop != NULL && detach->stopped == RHEI_OK) {
        base_progress_wait(detach->stop->progress, NULL);
        base_progress_add(detach->stop->progress, BASE_PROGRESS_STEPS, DETACH_STEPS);
        detach->stopped = detach->stop->check(detach->stop->context);
    }
    return detach->stopped != RHEI_OK;
}

static int detach_waits(void *context, int tries)
{
    struct detach *detach = context;
    int64_t now = base_now_ns();
    atomic_uint nobody = 0;
    if (tries == 0)
        detach->until_ns = now + INT64_C(1000000) * DETACH_WAIT_MS;
    if (detach_asked(context) != 0 || now >= detach->until_ns)
        return 0;
    base_progress_wait(detach->stop == NULL ? NULL : detach->stop->progress, "waiting for another process's lock");
    base_word_wait(&nobody, 0, now + DETACH_SLICE_NS);
    return 1;
}

/* While others must not be waited for, and what was begun has to be finished. */
static void detach_insist(struct detach *detach, bool on)
{
    sqlite3_progress_handler(detach->db, on ? 0 : DETACH_STEPS, on ? NULL : detach_asked, detach);
}

static rhei_status detach_failed(struct detach *detach, int rc)
{
    if (detach->stopped != RHEI_OK) {
        oltp_stop_error(detach->stopped, false, detach->error);
        error_context(detach->error, "database \"%s\": ", detach->path);
        return detach->stopped;
    }
    rhei_status status = oltp_code_error(rc, sqlite3_errmsg(detach->db), detach->error);
    error_context(detach->error, "database \"%s\": ", detach->path);
    return status;
}

static rhei_status detach_exec(struct detach *detach, const char *sql)
{
    int rc = sqlite3_exec(detach->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? RHEI_OK : detach_failed(detach, rc);
}

static rhei_status detach_int(struct detach *detach, const char *sql, int64_t *value)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(detach->db, sql, -1, &stmt, NULL);
    *value = 0;
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        *value = sqlite3_column_int64(stmt, 0);
        rc = SQLITE_DONE;
    }
    rhei_status status = rc == SQLITE_DONE || rc == SQLITE_OK ? RHEI_OK : detach_failed(detach, rc);
    sqlite3_finalize(stmt);
    return status;
}

static rhei_status detach_has(struct detach *detach, const char *table, bool *has)
{
    char sql[160];
    int64_t count = 0;
    snprintf(sql, sizeof sql, "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name = '%s'", table);
    rhei_status status = detach_int(detach, sql, &count);
    *has = count > 0;
    return status;
}

static rhei_status detach_journal(struct detach *detach, const char *mode, bool *is)
{
    sqlite3_stmt *stmt = NULL;
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA main.journal_mode%s%s", mode == NULL ? "" : "=", mode == NULL ? "" : mode);
    int rc = sqlite3_prepare_v2(detach->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    const char *got = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    *is = got != NULL && sqlite3_stricmp(got, mode == NULL ? "wal" : mode) == 0;
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || (rc & 255) == SQLITE_BUSY || (rc & 255) == SQLITE_LOCKED ? RHEI_OK
                                                                                        : detach_failed(detach, rc);
}

/* In the write transaction. *alive: rows of engines that were seen lately. */
static rhei_status detach_engines(struct detach *detach, int64_t *alive)
{
    bool has = false;
    char sql[200];
    int64_t now = base_wall_ms();
    *alive = 0;
    rhei_status status = detach_has(detach, "_rhei_engines", &has);
    if (status != RHEI_OK || !has)
        return status;
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM main._rhei_engines WHERE seen_ms BETWEEN %" PRId64 " AND %" PRId64
             " AND NOT _rhei_gone(id)",
             now - CAPTURE_ENGINE_LIFE_MS, now + CAPTURE_ENGINE_LIFE_MS);
    return detach_int(detach, sql, alive);
}

static rhei_status detach_version(struct detach *detach)
{
    bool has = false;
    int64_t version = 0;
    rhei_status status = detach_has(detach, "_rhei_meta", &has);
    if (status == RHEI_OK && has)
        status = detach_int(detach, "SELECT value FROM main._rhei_meta WHERE key = 'version'", &version);
    return status == RHEI_OK && version > CAPTURE_FORMAT_VERSION
               ? error_set(detach->error, RHEI_TOO_NEW,
                           "database \"%s\" was prepared by a newer Rhei (format %" PRId64
                           ", this one knows %d): use that version",
                           detach->path, version, CAPTURE_FORMAT_VERSION)
               : status;
}

/* What another maker's triggers may write into isn't taken from them. */
static rhei_status detach_names(struct detach *detach)
{
    const char *name = NULL, *kind = NULL;
    int rc = capture_registry_stranger(detach->db, &name, &kind);
    if (rc != SQLITE_OK)
        return detach_failed(detach, rc);
    return name == NULL
               ? RHEI_OK
               : error_set(
                     detach->error, RHEI_EXISTS,
                     "database \"%s\": it has a %s named %s that isn't Rhei's, and nothing was taken out: drop or "
                     "rename it first, and the triggers that use it (those of Rhei 2.0 are named _rhei_cdc_...)",
                     detach->path, kind, name);
}

/* DROP for each of our tables and views; our triggers are of the users' tables and go first, as rows of the schema. */
static rhei_status detach_drop(struct detach *detach)
{
    int64_t cookie = 0, left = 0;
    struct base_buffer sql = {0};
    sqlite3_stmt *stmt = NULL;
    sqlite3_db_config(detach->db, SQLITE_DBCONFIG_WRITABLE_SCHEMA, 1, NULL);
    rhei_status status = detach_exec(
        detach, "DELETE FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB '" CAPTURE_TRIGGER "[0-9]*'");
    if (status == RHEI_OK)
        status = detach_int(detach, "PRAGMA main.schema_version", &cookie);
    sqlite3_exec(detach->db, "PRAGMA writable_schema=RESET", NULL, NULL, NULL);
    base_buffer_format(&sql, "PRAGMA main.schema_version=%" PRId64 ";", (cookie + 1) & INT32_MAX);
    int rc = sqlite3_prepare_v2(
        detach->db, "SELECT type, name FROM main.sqlite_schema WHERE " DETACH_OURS " ORDER BY type = 'table'", -1,
        &stmt, NULL);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        base_buffer_format(&sql, "DROP %s IF EXISTS main.", sqlite3_column_text(stmt, 0));
        base_buffer_identifier(&sql, (const char *)sqlite3_column_text(stmt, 1));
        base_buffer_char(&sql, ';');
    }
    sqlite3_finalize(stmt);
    if (status == RHEI_OK) {
        status = rc != SQLITE_OK ? detach_failed(detach, rc)
                 : sql.failed    ? error_no_memory(detach->error)
                                 : detach_exec(detach, sql.data);
    }
    base_buffer_reset(&sql);
    if (status == RHEI_OK)
        status = detach_int(detach, "SELECT count(*) FROM main.sqlite_schema WHERE " DETACH_OURS, &left);
    return status == RHEI_OK && left > 0
               ? error_set(detach->error, RHEI_INTERNAL, "database \"%s\": something of Rhei's is left", detach->path)
               : status;
}

static rhei_status detach_busy(struct detach *detach, int64_t alive)
{
    return error_set(
        detach->error, RHEI_BUSY,
        "database \"%s\": %" PRId64 " engine%s may run on it: close %s first (one that was killed elsewhere, in "
        "another container, is forgotten as soon as no other program has the file open, or after five minutes)",
        detach->path, alive, alive == 1 ? "" : "s", alive == 1 ? "it" : "them");
}

static rhei_status detach_run(struct detach *detach)
{
    int64_t alive = 0;
    bool was_wal = false, alone = false;
    rhei_status status = detach_journal(detach, NULL, &was_wal);
    if (status == RHEI_OK)
        status = detach_exec(detach, "BEGIN IMMEDIATE");
    if (status == RHEI_OK)
        status = detach_version(detach);
    if (status == RHEI_OK)
        status = detach_names(detach);
    if (status == RHEI_OK)
        status = detach_engines(detach, &alive);
    if (status == RHEI_OK && alive > 0) {
        status = detach_exec(detach, "ROLLBACK");
        if (status == RHEI_OK && was_wal) {
            sqlite3_busy_handler(detach->db, NULL, NULL);
            status = detach_journal(detach, "delete", &alone);
            sqlite3_busy_handler(detach->db, detach_waits, detach);
        }
        if (status == RHEI_OK && !alone)
            return detach_busy(detach, alive);
        if (status == RHEI_OK)
            status = detach_exec(detach, "BEGIN EXCLUSIVE"); /* whoever comes now waits */
    }
    if (status == RHEI_OK)
        status = detach_drop(detach);
    detach_insist(detach, true); /* a COMMIT that has begun is finished, and what was taken apart is put back */
    if (status == RHEI_OK)
        status = detach_exec(detach, "COMMIT");
    if (sqlite3_get_autocommit(detach->db) == 0)
        sqlite3_exec(detach->db, "ROLLBACK", NULL, NULL, NULL);
    if (alone)
        detach_journal(detach, "wal", &was_wal); /* as it was found */
    return status;
}

rhei_status capture_detach(const char *path, const struct oltp_stop *stop, struct rhei_error *error)
{
    struct stat info;
    struct detach detach = {.path = path, .stop = stop, .error = error};
    if (path == NULL || path[0] == '\0' || strcmp(path, ":memory:") == 0)
        return error_set(error, RHEI_INVALID, "there is nothing to detach: name a database file");
    bool found = stat(path, &info) == 0;
    if (found && S_ISDIR(info.st_mode))
        return error_set(error, RHEI_CANT_OPEN, "database \"%s\": it is a folder: name a file in it", path);
    if (!found || !S_ISREG(info.st_mode))
        return error_set(error, RHEI_CANT_OPEN, "database \"%s\": there is no such file: check the name", path);
    int rc =
        sqlite3_open_v2(path, &detach.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    rhei_status status = RHEI_OK;
    if (rc != SQLITE_OK) {
        status = detach.db == NULL ? error_no_memory(error) : detach_failed(&detach, rc);
    } else if (sqlite3_db_readonly(detach.db, "main") == 1) {
        status = error_set(error, RHEI_READ_ONLY, "database \"%s\": the file can't be written", path);
    } else if (oltp_alive_register(detach.db) != SQLITE_OK) {
        status = error_no_memory(error);
    } else {
        sqlite3_busy_handler(detach.db, detach_waits, &detach);
        detach_insist(&detach, false);
        status = detach_run(&detach);
    }
    sqlite3_close(detach.db);
    return status;
}
