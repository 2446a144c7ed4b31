/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of segments that the mirror reads: each is there as long as a segment of some snapshot lies in it, whatever the newest
 * checkpoint names. Any thread.
 */
#ifndef CHECKPOINT_CHECKPOINT_FILES_H
#define CHECKPOINT_CHECKPOINT_FILES_H

#include "checkpoint.h"
#include "mirror/mirror_image.h"

struct checkpoint_ahead;
struct checkpoint_files;
struct checkpoint_file;

enum { CHECKPOINT_TAIL_BYTES = 16 << 10 }; /* that are read of a file at first: most directories are smaller */

/* One hold, the caller's. Each file has another, so it may outlive the checkpoint, but never the store. */
rhei_status checkpoint_files_new(const struct checkpoint_config *config, struct checkpoint_files **files,
                                 struct rhei_error *error);
/* The caller's hold ends. Accepts NULL. */
void checkpoint_files_drop(struct checkpoint_files **files);

/* Whom to tell that one couldn't be read: by the reader, with locks of the mirror held, and whatever the reader holds. */
void checkpoint_files_tell(struct checkpoint_files *files, void (*damaged)(void *context), void *context);
/*
 * Opens the file of a segment of the table: *image, to be released by the caller, and *keeper for whoever takes it in, who has to call its release once, also
 * if nothing comes of it. `sum` is what the checkpoint says is in it (0: it doesn't), image->sum what is. RHEI_IO, RHEI_NOT_FOUND: damaged,
 * another one, or not there. RHEI_TOO_NEW, RHEI_NO_MEMORY.
 */
rhei_status checkpoint_files_open(struct checkpoint_files *files, uint32_t table, uint64_t uid, uint32_t rows,
                                  uint64_t sum, struct segment_image *image, struct mirror_keeper *keeper,
                                  uint64_t *bytes, struct rhei_error *error);
/*
 * Writes the image to a new file and opens that, as the one before; what `lineage` is stands with it. Also RHEI_FULL, RHEI_READ_ONLY and
 * what else a put may say. What is written and comes to nothing is removed after the next manifest.
 */
rhei_status checkpoint_files_write(struct checkpoint_files *files, uint32_t table, uint64_t uid, uint64_t lineage,
                                   const struct segment_image *image, struct segment_image *opened,
                                   struct mirror_keeper *keeper, uint64_t *bytes, struct rhei_error *error);
/* Of files that are opened from now on, by this thread alone, the ends may be there already. NULL: no more. */
void checkpoint_files_expect(struct checkpoint_files *files, struct checkpoint_ahead *ahead);
/* Of no lineage the file is known any more: what was written is gone. */
void checkpoint_files_forget(struct checkpoint_files *files);
/* A file of a history couldn't be asked for, and what is in memory lacks it: nothing in the store may be replaced by that. */
bool checkpoint_files_history_is_away(struct checkpoint_files *files);
/* Somebody may read it. */
bool checkpoint_files_has(struct checkpoint_files *files, uint64_t uid);
/* The file that was written for this lineage, while somebody may read it. */
bool checkpoint_files_find(struct checkpoint_files *files, uint64_t lineage, uint64_t *uid, uint64_t *bytes,
                           uint64_t *sum);

#endif
