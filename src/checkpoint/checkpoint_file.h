/* SPDX-License-Identifier: Apache-2.0 */
/* The list of files, for the two that work on it: checkpoint_files.c and checkpoint_columns.c. */
#ifndef CHECKPOINT_CHECKPOINT_FILE_H
#define CHECKPOINT_CHECKPOINT_FILE_H

#include <stdatomic.h>

#include "base/base_thread.h"
#include "checkpoint_columns.h"
#include "checkpoint_internal.h"

struct checkpoint_file {
    struct checkpoint_file *next, *previous;
    struct checkpoint_files *files;
    uint64_t uid, lineage, bytes, sum; /* lineage, sum 0: not known here */
    uint32_t table;
    bool history;                      /* its versions are nowhere else */
    struct checkpoint_column *columns; /* [column_count], 0: nobody knows where they lie */
    uint32_t column_count;
    void *packing; /* the codec's; NULL: its buffers lie in it as they are */
    atomic_bool told, away;
    char name[CHECKPOINT_NAME_BYTES];
    char shown[CHECKPOINT_NAME_BYTES + 2]; /* as a folder has it */
};

struct checkpoint_files {
    struct blob_store *store;
    const struct segment_codec *codec;
    struct checkpoint_ahead *ahead; /* of an opening; else NULL */
    bool look;
    const struct base_log *log;
    void (*fault)(void *context, const char *point);
    void *fault_context;
    atomic_uint holds;
    atomic_bool history_away; /* 4. */
    atomic_int_fast64_t
        away_until;  /* until then nobody asks again: each would wait for as long as a request may take */
    base_mutex lock; /* a leaf: of the list, and of whom to tell */
    void (*tell)(void *context);
    void *tell_context;
    struct checkpoint_file *first;
    base_cond came;     /* of checkpoint_columns.c: a column that was coming did, or didn't; */
    size_t ahead_bytes; /* and of those that are there, or coming */
};

#endif
