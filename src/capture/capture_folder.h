/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders that column stores are kept in (docs/design/checkpoints.md, 2), as rows of _rhei_consumers: how far the newest checkpoint of each is, so
 * that whoever prunes the log keeps what it lacks, with that folder or without.
 */
#ifndef CAPTURE_CAPTURE_FOLDER_H
#define CAPTURE_CAPTURE_FOLDER_H

#include "oltp/oltp.h"

#define CAPTURE_FOLDER "_rhei_folder:" /* before the folder's path: the names of such rows */
/* In SQL over _rhei_consumers: the row is a folder's, and its path. */
#define CAPTURE_IS_FOLDER   "substr(name, 1, 13) = '" CAPTURE_FOLDER "'"
#define CAPTURE_FOLDER_PATH "substr(name, 14)"
_Static_assert(sizeof CAPTURE_FOLDER - 1 == 13, "it is said");

struct capture_folder_config {
    const char *path; /* of the folder, absolute; copied */
    bool histories;   /* it has what the file can't give again: the log waits for it without a time */
    bool buffered;    /* its changes come from a buffer beside the log, which waits instead */
};

/* This handle writes that folder from now on, whose newest checkpoint is at `position`; -1: it has none yet. Before the source is used by others. */
rhei_status capture_folder_open(struct oltp *oltp, const struct capture_folder_config *config, int64_t position,
                                struct rhei_error *error);
/*
 * Before there is a checkpoint that begins at `position` or later: the log is kept from there on, or from where a row of before keeps it. Waits for the
 * writer as a statement does. Not beside itself and the next.
 */
rhei_status capture_folder_hold(struct oltp *oltp, int64_t position, struct rhei_error *error);
/* There is a checkpoint at `position`. What can't be written now is with the next prune; until then more stays. Any thread without the writer. */
void capture_folder_durable(struct oltp *oltp, int64_t position);

/*
 * The folder that has the file's history, by what the file knows: "" there is none, or that is `path` (absolute) itself and *is_known. Any thread.
 */
rhei_status capture_folder_of_history(struct oltp *oltp, const char *path, char *folder, size_t size, bool *is_known,
                                      struct rhei_error *error);

/* Whether that name of Rhei's own is of a folder's row that may be dropped: RHEI_INVALID it isn't; RHEI_EXISTS the folder is there. */
rhei_status capture_folder_may_go(const char *name, struct rhei_error *error);

/* ---- For prunes and limits. -------------------------------------------------------------------------------------- */

/* The name of this handle's row; "": it has no folder. */
const char *capture_folder_name(const struct oltp *oltp);
/* With the writer held: writes how far this handle's folder is, if that isn't known to be there. */
rhei_status capture_folder_write(struct oltp *oltp, struct rhei_error *error);
/* The writer's transaction was taken back: nothing is known to be there. */
void capture_folder_unwritten(struct oltp *oltp);
/*
 * A limit has taken, or takes, the log up to `to` from other folders: their rows go, and that is told. `closed`: only if no other engine is on the file.
 * Takes the writer.
 */
rhei_status capture_folder_pass(struct oltp *oltp, int64_t to, bool closed, struct rhei_error *error);
void capture_folder_close(struct oltp *oltp);

#endif
