/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's codes in Rhei's words. */
#include <errno.h>
#include <string.h>

#include "oltp/oltp_internal.h"

struct code {
    int sqlite;
    rhei_status status;
    const char *sqlstate; /* NULL: the status's own */
    const char *advice;
};

static const struct code codes[] = {
    {SQLITE_CONSTRAINT_NOTNULL, RHEI_CONSTRAINT, "23502", NULL},
    {SQLITE_CONSTRAINT_FOREIGNKEY, RHEI_CONSTRAINT, "23503", NULL},
    {SQLITE_CONSTRAINT_UNIQUE, RHEI_CONSTRAINT, "23505", NULL},
    {SQLITE_CONSTRAINT_PRIMARYKEY, RHEI_CONSTRAINT, "23505", NULL},
    {SQLITE_CONSTRAINT_ROWID, RHEI_CONSTRAINT, "23505", NULL},
    {SQLITE_CONSTRAINT_CHECK, RHEI_CONSTRAINT, "23514", NULL},
    {SQLITE_CANTOPEN_ISDIR, RHEI_CANT_OPEN, NULL, "it is a folder: name a file in it"},
    {SQLITE_READONLY_DIRECTORY, RHEI_READ_ONLY, NULL,
     "the folder can't be written, and a database needs files beside it: check its permissions"},
    {SQLITE_READONLY, RHEI_READ_ONLY, NULL, "the file or its folder can't be written: check the permissions"},
    {SQLITE_CONSTRAINT, RHEI_CONSTRAINT, NULL, NULL},
    {SQLITE_BUSY_SNAPSHOT, RHEI_BUSY, "40001",
     "others committed since this transaction first read, so it can't write any more: waiting doesn't help, only "
     "ROLLBACK "
     "does; a transaction that is going to write begins with BEGIN IMMEDIATE"},
    {SQLITE_BUSY, RHEI_BUSY, NULL,
     "another process held the database for longer than busy_timeout_ms: try again, or raise it"},
    {SQLITE_LOCKED, RHEI_BUSY, NULL, NULL},
    {SQLITE_NOMEM, RHEI_NO_MEMORY, NULL, NULL},
    {SQLITE_INTERRUPT, RHEI_CANCELLED, NULL, NULL},
    {SQLITE_IOERR, RHEI_IO, NULL, "the system refused to read or write the file: check disk and permissions"},
    {SQLITE_CORRUPT, RHEI_NOT_A_DATABASE, NULL, "the file is damaged: restore a backup, or see sqlite3's .recover"},
    {SQLITE_NOTADB, RHEI_NOT_A_DATABASE, NULL, "it is some other kind of file, or encrypted; nothing was changed"},
    {SQLITE_FULL, RHEI_FULL, NULL,
     "the disk is full, or a size limit of file or database is reached: free some space, or raise the limit"},
    {SQLITE_CANTOPEN, RHEI_CANT_OPEN, NULL, "check that the folder exists and that the file may be read and written"},
    {SQLITE_PERM, RHEI_CANT_OPEN, NULL, "check the permissions"},
    {SQLITE_PROTOCOL, RHEI_BUSY, NULL, NULL},
    {SQLITE_TOOBIG, RHEI_TOO_BIG, NULL, NULL},
    {SQLITE_MISMATCH, RHEI_CONSTRAINT, "22018", NULL},
    {SQLITE_MISUSE, RHEI_INTERNAL, NULL, NULL},
    {SQLITE_AUTH, RHEI_READ_ONLY, NULL, NULL},
    {SQLITE_RANGE, RHEI_INVALID, NULL, NULL},
    {SQLITE_SCHEMA, RHEI_BUSY, NULL, "the schema changed while the statement ran: try again"},
};

static const struct code *error_find(int rc)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i].sqlite == rc)
            return &codes[i];
    return rc > 255 ? error_find(rc & 255) : NULL;
}

static rhei_status error_fill(int rc, const char *what, const char *message, int offset, struct rhei_error *error)
{
    const struct code *code = error_find(rc);
    rhei_status status = code == NULL ? RHEI_SQL : code->status;
    const char *advice = code == NULL ? NULL : code->advice;
    if (error != NULL && error->code != RHEI_OK)
        return status;
    error_set(error, status, "%s%s%s%s%s", what == NULL ? "" : what, what == NULL ? "" : ": ", message,
              advice == NULL ? "" : "; ", advice == NULL ? "" : advice);
    if (error != NULL) {
        error->engine_code = rc;
        error->sql_offset = offset;
        if (code != NULL && code->sqlstate != NULL)
            memcpy(error->sqlstate, code->sqlstate, 6);
    }
    return status;
}

rhei_status oltp_code_error(int rc, const char *message, struct rhei_error *error)
{
    return error_fill(rc, NULL, message == NULL ? sqlite3_errstr(rc) : message, -1, error);
}

rhei_status oltp_stop_error(rhei_status status, bool waited, struct rhei_error *error)
{
    return error_set(error, status, "%s%s",
                     status == RHEI_TIMEOUT ? "the statement's time limit ended it" : "the statement was cancelled",
                     waited ? " while it waited for another writer" : "");
}

/* V4 of oltp_wal.c: it may be the write-ahead log that fills the disk. */
static void error_note_full(struct oltp_connection *connection)
{
    struct oltp *oltp = connection->oltp;
    if (oltp == NULL || connection != oltp->writer)
        return;
    atomic_store_explicit(&oltp->disk_full, true, memory_order_relaxed);
    oltp_checkpoint_due(oltp);
}

rhei_status oltp_sqlite_error(struct oltp_connection *connection, int rc, const char *what, struct rhei_error *error)
{
    bool waited = (rc & 255) == SQLITE_BUSY;
    if (((rc & 255) == SQLITE_INTERRUPT || waited) && connection->stopped != RHEI_OK)
        return oltp_stop_error(connection->stopped, waited, error);
    if (connection->oltp != NULL && oltp_identity_lost(connection->oltp)) /* whatever SQLite makes of it */
        return oltp_identity_check(connection->oltp, false, error);
    /* the size that the system allows for a file (ulimit, a quota) is as good as a full disk */
    int system = (rc & 255) == SQLITE_IOERR ? sqlite3_system_errno(connection->db) : 0;
    if ((rc & 255) == SQLITE_FULL || system == EFBIG || system == EDQUOT)
        error_note_full(connection);
    if (system == EFBIG || system == EDQUOT) {
        return error_fill(SQLITE_FULL, what,
                          system == EFBIG ? "the file may not grow any more" : "the disk quota is used up", -1, error);
    }
    bool file = connection->file_denied;
    if ((file || connection->face != NULL) && (error == NULL || error->code == RHEI_OK) &&
        oltp_face_error(connection, rc, error))
        return file ? RHEI_UNSUPPORTED : RHEI_READ_ONLY;
    int extended = sqlite3_extended_errcode(connection->db);
    bool same = (extended & 255) == (rc & 255);
    const char *message = same ? sqlite3_errmsg(connection->db) : sqlite3_errstr(rc);
    if (connection->oltp != NULL && (rc & 255) == SQLITE_BUSY)
        atomic_fetch_add_explicit(&connection->oltp->counters.busy, 1, memory_order_relaxed);
    return error_fill(same ? extended : rc, what, message, same ? sqlite3_error_offset(connection->db) : -1, error);
}

rhei_status oltp_refuse_write(const struct oltp *oltp, struct rhei_error *error)
{
    const char *why = oltp->config.no_writes;
    return error_set(error, RHEI_READ_ONLY, "%s", why != NULL ? why : "the database was opened for reading only");
}
