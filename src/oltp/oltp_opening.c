/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How connections open the file. A read-only handle leaves everything as it was:
 *
 * K1. Where file and folder may be written, connections can write and are told not to (query_only). One that can't write would
 *     leave the WAL's two files behind at its close; this one takes away those that it made.
 * K2. A write-ahead log with content that was there before is not copied into the file at close.
 * K3. Where the folder can't be written, SQLite can't make the WAL's index. If there is no log, nobody has the file open for
 *     writing, and it is read as immutable; each read checks that it still is the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "oltp/oltp_internal.h"

static bool opening_log(const struct oltp *oltp, struct stat *info)
{
    struct base_buffer name = {0};
    base_buffer_format(&name, "%s-wal", oltp->path);
    bool there = !name.failed && stat(name.data, info) == 0;
    base_buffer_reset(&name);
    return there;
}

static bool opening_may_write(const struct oltp *oltp)
{
    const char *slash = strrchr(oltp->path, '/');
    struct base_buffer folder = {0};
    base_buffer_format(&folder, "%.*s", slash == NULL ? 1 : (int)(slash - oltp->path) + 1,
                       slash == NULL ? "." : oltp->path);
    bool may = !folder.failed && access(folder.data, W_OK) == 0 && access(oltp->path, W_OK) == 0;
    base_buffer_reset(&folder);
    return may;
}

void oltp_opening_explain(const struct oltp *oltp, rhei_status status, struct rhei_error *error)
{
    bool by_medium = status == RHEI_CANT_OPEN || status == RHEI_READ_ONLY || status == RHEI_IO;
    if (by_medium && oltp->memory == NULL && oltp->path != NULL && access(oltp->path, R_OK) == 0 &&
        !opening_may_write(oltp)) {
        error_context(error,
                      "the file or its folder can be read but not written: make both writable, or open it for reading "
                      "alone (read_only); ");
    }
}

/* Whether SQLite can read the file through a connection that may not write. */
static int opening_try(const struct oltp *oltp, const char *name, int flags)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(name, &db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db, (int)oltp->config.busy_timeout_ms);
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        rc = sqlite3_exec(db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    }
    sqlite3_close(db);
    return rc;
}

/* A path as a URI: what means something there is written as %XX. */
static char *opening_uri(const char *path)
{
    struct base_buffer uri = {0};
    base_buffer_text(&uri, "file:");
    for (const char *at = path; *at != '\0'; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') ||
                     strchr("/._-", *at) != NULL;
        base_buffer_format(&uri, plain ? "%c" : "%%%02X", (unsigned char)*at);
    }
    base_buffer_text(&uri, "?immutable=1");
    return base_buffer_take(&uri);
}

static rhei_status opening_immutable(struct oltp *oltp, struct rhei_error *error)
{
    struct stat log;
    if (opening_log(oltp, &log) && log.st_size > 0) {
        return error_set(error, RHEI_CANT_OPEN,
                         "database \"%s\": its folder can't be written, and a write-ahead log with changes lies beside "
                         "it: let somebody who may write there open and close it, or copy both files elsewhere",
                         oltp->config.path);
    }
    oltp->opening.name = opening_uri(oltp->path);
    oltp->opening.flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
    if (oltp->opening.name == NULL)
        return error_no_memory(error);
    return stat(oltp->path, &oltp->opening.was) == 0
               ? RHEI_OK
               : error_set(error, RHEI_CANT_OPEN, "database \"%s\": %s", oltp->config.path, strerror(errno));
}

rhei_status oltp_opening_settle(struct oltp *oltp, struct rhei_error *error)
{
    struct stat log;
    oltp->opening.flags = SQLITE_OPEN_READWRITE;
    if (!oltp->config.read_only || oltp->memory != NULL)
        return RHEI_OK;
    oltp->opening.keeps_log = opening_log(oltp, &log) && log.st_size > 0;
    if (opening_may_write(oltp))
        return RHEI_OK;
    oltp->opening.flags = SQLITE_OPEN_READONLY;
    int rc = opening_try(oltp, oltp->path, SQLITE_OPEN_READONLY) & 0xff;
    return rc == SQLITE_CANTOPEN || rc == SQLITE_READONLY ? opening_immutable(oltp, error) : RHEI_OK;
}

rhei_status oltp_opening_check(const struct oltp *oltp, struct rhei_error *error)
{
    struct stat now, log;
    const struct stat *was = &oltp->opening.was;
    if (oltp->opening.name == NULL)
        return RHEI_OK;
    bool same = stat(oltp->path, &now) == 0 && now.st_ino == was->st_ino && now.st_dev == was->st_dev &&
                now.st_size == was->st_size && now.st_mtim.tv_sec == was->st_mtim.tv_sec &&
                now.st_mtim.tv_nsec == was->st_mtim.tv_nsec && !(opening_log(oltp, &log) && log.st_size > 0);
    return same ? RHEI_OK
                : error_set(
                      error, RHEI_STALE,
                      "database \"%s\" was changed by somebody since it was opened, and its folder can't be written: "
                      "close it and open it again",
                      oltp->config.path);
}

void oltp_opening_reset(struct oltp *oltp)
{
    base_free(oltp->opening.name);
    oltp->opening.name = NULL;
}
