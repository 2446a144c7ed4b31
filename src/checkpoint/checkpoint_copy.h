/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror's tables for another file of the same content, in another store: of a snapshot, or of the newest checkpoint that somebody else keeps.
 * Nothing of the snapshot's handle or of that store changes. Any thread.
 */
#ifndef CHECKPOINT_CHECKPOINT_COPY_H
#define CHECKPOINT_CHECKPOINT_COPY_H

#include "base/base_progress.h"
#include "checkpoint.h"
#include "checkpoint_format.h"

struct checkpoint_export {
    const struct mirror_snapshot *snapshot; /* borrowed; NULL: of checkpoint_newest */
    struct blob_store *to;                  /* which has nothing yet */
    const struct segment_codec *codec;      /* of a snapshot */
    struct change_stamp stamp;              /* of its position in the other file */
    rhei_status (*check)(void *context);    /* asked between a few files; may be NULL */
    void *check_context;
    struct base_progress *progress; /* bytes; may be NULL */
    void (*fault)(void *context, const char *point);
    void *fault_context;
};

/* Own tables and histories that a checkpoint of the snapshot would have. */
void checkpoint_count_kept(const struct mirror_snapshot *snapshot, uint32_t *tables, uint32_t *histories);
/* Writes all of the snapshot as one checkpoint. What `check` says, RHEI_FULL, RHEI_IO, RHEI_NO_MEMORY. */
rhei_status checkpoint_export(const struct checkpoint_export *export, struct rhei_error *error);

/* The newest checkpoint of a store that another handle may be writing to. */
struct checkpoint_newest;
/* RHEI_NOT_FOUND: there is none. RHEI_IO, RHEI_TOO_NEW, RHEI_NO_MEMORY. */
rhei_status checkpoint_newest_read(struct blob_store *from, struct checkpoint_newest **newest, int64_t *position,
                                   struct change_stamp *stamp, struct rhei_error *error);
/* Its files, with the export's stamp. RHEI_NOT_FOUND: one is gone, for the other handle has another checkpoint by now. */
rhei_status checkpoint_newest_copy(const struct checkpoint_newest *newest, const struct checkpoint_export *export,
                                   struct rhei_error *error);
/*
 * Reads the files of the table of that name, of all where it is NULL, and compares them with their sums; `condemn` has no effect. *damaged: how many aren't as they
 * were written. RHEI_NOT_FOUND: one is gone, as above, or for good. What `goes_on` says, RHEI_NO_MEMORY.
 */
rhei_status checkpoint_newest_check(const struct checkpoint_newest *newest, const struct segment_codec *codec,
                                    const char *table, const struct checkpoint_checking *checking, uint32_t *damaged,
                                    struct rhei_error *error);
/* Own tables of that name, of all where it is NULL, and their rows that didn't die, as the list says: nothing is read. */
void checkpoint_newest_count(const struct checkpoint_newest *newest, const char *table, uint32_t *tables,
                             uint64_t *rows);
void checkpoint_newest_free(struct checkpoint_newest **newest); /* accepts NULL */

#endif
