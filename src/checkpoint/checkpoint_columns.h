/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of files in a bucket, whose server is far: a column is asked for as one range, and with it that column of the files that follow, the more of them
 * the longer somebody reads one file behind another, as operating systems read files ahead. Any thread.
 */
#ifndef CHECKPOINT_CHECKPOINT_COLUMNS_H
#define CHECKPOINT_CHECKPOINT_COLUMNS_H

#include "checkpoint_files.h"
#include "port/blob_store.h"

/* Of a file. */
struct checkpoint_column {
    uint64_t offset;
    size_t len;    /* 0: it lies too far apart, or isn't known */
    char *bytes;   /* [len] that were read ahead, and nobody wanted yet */
    bool coming;   /* they are being read */
    uint8_t ahead; /* how many files to read when it is wanted; 0: nobody read the file before: this one alone */
};

/* What there is of a column in memory, and ends with it. */
struct checkpoint_part {
    uint64_t offset;
    size_t len;
    char *bytes; /* NULL: nothing; free with base_free */
};

/* Where the columns of a file that was just opened lie. Without memory nobody knows. */
void checkpoint_columns_note(struct checkpoint_file *file, const struct segment_image *image);
/* The column, as far as that is known and the store answers side by side. What the store says of this file; nothing is known of it if it is away. */
rhei_status checkpoint_columns_take(struct checkpoint_file *file, uint32_t column, struct checkpoint_part *part,
                                    struct rhei_error *error);
/* Under the lock of the files: the file goes. */
void checkpoint_columns_drop(struct checkpoint_file *file);

#endif
