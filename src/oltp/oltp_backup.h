/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One state of the file as another file. For rooms above that see sqlite3.h; owner thread.
 *
 *   U1. The state is pinned by a read transaction from begin to the end of the copy, so the copy never begins again, however much is written meanwhile;
 *       writers go on beside it. In a file without write-ahead log they wait for its end before they commit.
 *   U2. Pages are copied as they are: rowids, free pages and the schema's cookie are the original's.
 */
#ifndef OLTP_BACKUP_H
#define OLTP_BACKUP_H

#include "oltp/oltp_internal.h"

struct oltp_backup {
    struct oltp *oltp;
    struct oltp_connection *reader; /* which has the state pinned */
    int64_t cookie;                 /* of its schema */
    int64_t page;                   /* bytes of one */
    int64_t bytes;                  /* that it has */
    sqlite3 *copy;                  /* from oltp_backup_copy to oltp_backup_close */
};

/* Pins what is committed now. `stop` may be NULL. */
rhei_status oltp_backup_begin(struct oltp *oltp, const struct oltp_stop *stop, struct oltp_backup *backup,
                              struct rhei_error *error);
/* The pages into a new file, which stays open as `copy`. Not durable. RHEI_FULL, RHEI_IO, and what `stop` says. */
rhei_status oltp_backup_copy(struct oltp_backup *backup, const char *path, const struct oltp_stop *stop,
                             struct rhei_error *error);
/* Statements that give no rows, on the copy. */
rhei_status oltp_backup_exec(struct oltp_backup *backup, const char *sql, struct rhei_error *error);
/* The copy is whole, a single file. */
rhei_status oltp_backup_close(struct oltp_backup *backup, struct rhei_error *error);
/* Lets go of everything; after any of the above, also after an error. */
void oltp_backup_end(struct oltp_backup *backup);

#endif
