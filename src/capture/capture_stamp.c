/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells a position of this file's log from the same number in another file, or in another history of this one: the file's identity, and
 * the change at the position with its time and values (S6 of capture_source.c). Whoever keeps a state elsewhere keeps its stamp.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_folder.h"
#include "capture/capture_internal.h"
#include "capture/capture_source.h"

rhei_status capture_stamp_file(struct oltp_connection *connection, struct change_stamp *stamp, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(connection->db, "SELECT value FROM main._rhei_meta WHERE key = 'database_id'", -1,
                                &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        size_t len = text == NULL ? 0 : strlen(text);
        memcpy(stamp->file, text == NULL ? "" : text, len < sizeof stamp->file ? len : sizeof stamp->file - 1);
    }
    rhei_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

rhei_status capture_stamp_row(struct oltp_connection *connection, int64_t position, struct change_stamp *stamp,
                              struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(connection->db,
                                "SELECT seq,time,op,tab,c1,c2,c3,c4,c5,c6,c7,c8 FROM main." OLTP_LOG " WHERE seq = ?1",
                                -1, &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_int64(stmt, 1, position) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(stmt) : rc;
    if (rc == SQLITE_ROW)
        stamp->row = capture_source_hash_row(stmt);
    rhei_status status = rc == SQLITE_ROW ? RHEI_OK
                         : rc == SQLITE_DONE
                             ? error_set(error, RHEI_NOT_FOUND, "change %" PRId64 " isn't in the log", position)
                             : oltp_sqlite_error(connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

_Static_assert(CAPTURE_LOG_MIN_COLUMNS == 8, "the columns above are those that every log has");

rhei_status capture_source_stamp(struct change_source *base, int64_t position, struct change_stamp *stamp,
                                 struct rhei_error *error)
{
    struct oltp *oltp = ((struct capture_source *)base)->oltp;
    *stamp = (struct change_stamp){.file = ""};
    rhei_status status = oltp_identity_check(oltp, true, error);
    if (status != RHEI_OK)
        return status;
    base_mutex_lock(&oltp->describe_lock);
    status = capture_stamp_file(oltp->describer, stamp, error);
    if (status == RHEI_OK && stamp->file[0] == '\0')
        status = error_set(error, RHEI_NOT_FOUND, "the file has no identity of its own yet");
    if (status == RHEI_OK && position != 0)
        status = capture_stamp_row(oltp->describer, position, stamp, error);
    base_mutex_unlock(&oltp->describe_lock);
    return status;
}

/* Where nobody knows what the identity was: the change at the position is the one of the stamp. */
static bool is_row_of(struct oltp_connection *connection, int64_t position, const struct change_stamp *kept)
{
    struct change_stamp now = {.file = ""};
    int64_t known = 0;
    rhei_status status = capture_stamp_row(connection, position, &now, NULL);
    if (status != RHEI_NOT_FOUND)
        return status == RHEI_OK && (now.row == kept->row || now.row == kept->also);
    char sql[240]; /* the log went, too: a folder, or an engine, is known to have been at just that position */
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM (SELECT position FROM main._rhei_engines UNION ALL SELECT position FROM "
                   "main._rhei_consumers WHERE " CAPTURE_IS_FOLDER ") WHERE position = %" PRId64,
                   position);
    return oltp_query_int(connection, sql, 0, &known, NULL) == RHEI_OK && known > 0;
}

bool capture_source_was(struct change_source *base, int64_t position, const struct change_stamp *kept)
{
    struct oltp *oltp = ((struct capture_source *)base)->oltp;
    sqlite3_stmt *stmt = NULL;
    size_t known = 0; /* bytes of the longest text that was found */
    base_mutex_lock(&oltp->describe_lock);
    struct oltp_connection *connection = oltp->describer;
    int rc = sqlite3_prepare_v2(
        connection->db, "SELECT key FROM main._rhei_meta WHERE key IN ('" CAPTURE_WAS "', '" CAPTURE_WAS "' || ?1)", -1,
        &stmt, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(stmt, 1, kept->file, -1, SQLITE_STATIC) : rc;
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        size_t bytes = (size_t)sqlite3_column_bytes(stmt, 0);
        known = bytes > known ? bytes : known;
    }
    sqlite3_finalize(stmt);
    bool was = known > strlen(CAPTURE_WAS) || (known > 0 && is_row_of(connection, position, kept));
    base_mutex_unlock(&oltp->describe_lock);
    return was;
}
