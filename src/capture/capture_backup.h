/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the file at one position of its log (docs/design/backup.md). Owner thread. */
#ifndef CAPTURE_CAPTURE_BACKUP_H
#define CAPTURE_CAPTURE_BACKUP_H

#include "capture/capture.h"

struct capture_backup;

struct capture_backup_state {
    bool captured;     /* the file has a log and an identity */
    int64_t position;  /* of the log in the state that is copied */
    int64_t bytes;     /* of the file in that state */
    char original[64]; /* identity of the file; "": none */
    char copy[64];     /* the one that the copy gets; "": none */
};

/* Pins what is committed now, until the end. `stop` may be NULL. */
rhei_status capture_backup_begin(struct oltp *oltp, const struct oltp_stop *stop, struct capture_backup **backup,
                                 struct capture_backup_state *state, struct rhei_error *error);
/* The stamp that a position has in the copy. RHEI_NOT_FOUND: its change isn't in the log of the pinned state, so no mirror can go on from there. */
rhei_status capture_backup_stamp(struct capture_backup *backup, int64_t position, struct change_stamp *stamp,
                                 struct rhei_error *error);
/*
 * Writes the copy, a new file, with an identity of its own and without what was about engines and a buffer of the original. It isn't durable.
 * RHEI_FULL, RHEI_IO, RHEI_CANCELLED, RHEI_TIMEOUT.
 */
rhei_status capture_backup_copy(struct capture_backup *backup, const char *path, const struct oltp_stop *stop,
                                struct rhei_error *error);
/* Accepts NULL. */
void capture_backup_end(struct capture_backup **backup);

#endif
