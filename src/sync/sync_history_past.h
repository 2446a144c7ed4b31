/* SPDX-License-Identifier: Apache-2.0 */
/* The versions that were valid before a load, which its rows go on from. */
#ifndef SYNC_SYNC_HISTORY_PAST_H
#define SYNC_SYNC_HISTORY_PAST_H

#include "sync_history_parts.h"

#define HISTORY_NO_COLUMN UINT32_MAX

struct history_entry {
    uint32_t hash, next; /* next: number + 1 of the one before with the same head */
    uint32_t segment, offset;
};

struct history_past {
    uint32_t number;   /* of the generation */
    bool another;      /* of a table that went: this may be it, under another name */
    bool same_columns; /* the generation can go on as it is */
    bool comparable;   /* by key */
    struct mirror_snapshot snapshot;
    bool held;
    const struct mirror_table_view *open; /* NULL: it isn't there */
    const struct source_table *definition;
    char **names; /* [visible] of its columns, as they are named now */
    uint32_t visible;
    uint32_t *column;                      /* [columns of the load] the same in the past */
    const struct rhei_value *const *added; /* of the load: what rows of before a column show in it; NULL: unknown */
    uint32_t *old_key, *new_key;
    uint32_t key_count;

    struct history_entry *entries;
    size_t count, capacity;
    uint32_t *heads, mask;
    _Atomic uint64_t *kept, *met; /* a bit an entry: the version goes on; its key was loaded */
    atomic_uint_fast64_t same;
};

/* A version that is valid in the past. */
struct history_version {
    int64_t since, seq;
    bool inserted; /* else updated */
};

/* past->number is set. The table that is loaded shows `visible` columns. Nothing held. The builder's thread. */
rhei_status history_past_open(struct sync *sync, const struct source_table *table, uint32_t visible,
                              struct history_past *past, struct rhei_error *error);
/* Accepts NULL. */
void history_past_free(struct history_past **past);
/* A row of the load, by any loader. True: it is the version that was valid, which goes on. Else *key: its key was there. */
bool history_past_meets(struct history_past *past, uint32_t visible, const struct change_batch *batch, size_t row,
                        struct history_version *version, bool *key);
/* Of a table that went: were these its rows? */
bool history_past_fits(const struct history_past *past, uint64_t loaded);
/* Did the load, of so many rows, find all of them as they were? Also where nothing is known of what they were. */
bool history_past_is_as_loaded(const struct history_past *past, uint64_t loaded);
/* The owner, with the turn: versions that don't go on end with the load. *next_row: of the table of those that ended. */
rhei_status history_past_close(struct sync *sync, struct history_past *past, int64_t until_us, int64_t until_seq,
                               int64_t *next_row, struct rhei_error *error);

#endif
