/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of the change feed, for the files that give what it reads: event by event, or rows as Arrow batches. Owner thread. */
#ifndef ENGINE_ENGINE_CHANGES_H
#define ENGINE_ENGINE_CHANGES_H

#include "capture/capture_changes.h"
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"

struct changes_gathered; /* engine_changes_arrow.c: a table's rows that weren't given yet */

struct rhei_changes {
    rhei_db *db;
    struct capture_changes *changes;
    const struct rhei_cancel *cancel;
    int written;        /* tells of writes to the write-ahead log; -1: nothing does */
    const char **names; /* of the columns of the table that was shown last */
    size_t names_room;
    uint32_t *keys; /* of the same */
    size_t keys_room;
    struct changes_gathered *gathered, *given; /* in the order of their first rows; the one the caller was given last */
    struct rhei_error failure;                 /* rows were lost to the caller: every later call says so */
};

/*
 * What a consumer sees of a table: by the key that the schema declares, where there is one, and then without the hidden rowid. `keys` has room for
 * all columns. Returns how many are shown, the first ones.
 */
uint32_t engine_changes_shape(const struct source_table *table, uint32_t *keys, uint32_t *key_count);
/* An event in the public struct. */
rhei_status engine_changes_show(struct rhei_changes *changes, const struct capture_change *found,
                                struct rhei_change *change, struct rhei_error *error);
/* Drops what was gathered. */
void engine_changes_forget(struct rhei_changes *changes);

#endif
