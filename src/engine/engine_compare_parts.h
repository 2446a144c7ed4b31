/* SPDX-License-Identifier: Apache-2.0 */
/* What comparing and mending share: a piece of a table, read from both sides at one position. */
#ifndef ENGINE_COMPARE_PARTS_H
#define ENGINE_COMPARE_PARTS_H

#include "engine/engine_compare.h"
#include "sync/sync_compare.h"

enum engine_piece_kind {
    ENGINE_PIECE_ALL,    /* every row */
    ENGINE_PIECE_RANGE,  /* keys from `low` to `high`, both in */
    ENGINE_PIECE_VALUES, /* rows whose first key column is above `above` and up to `upto`, where they are set */
};
struct engine_end {
    struct rhei_value value;
    char *bytes; /* of it; kept for the next one */
    size_t capacity;
};
struct engine_piece {
    enum engine_piece_kind kind;
    uint64_t count; /* rows, about, after which it ends; the rows tell where that is */
    int64_t low, high;
    struct engine_end above, upto;
    bool has_above, has_upto;
    bool ends; /* where it ends is known: it is read once more */
    struct sync_zones *zones;
};

/* Close and release both. */
rhei_status engine_piece_pin(rhei_db *db, const struct source_table *table, const struct engine_piece *piece,
                             struct engine_limits *limits, struct mirror_snapshot *snapshot,
                             struct oltp_cursor **cursor, struct rhei_error *error);
/* The table's rows, which may say where the piece ends; before the mirror's, where it ends at all. */
rhei_status engine_piece_read(struct engine_piece *piece, const struct source_table *table, struct oltp_cursor *cursor,
                              struct engine_pace *pace,
                              rhei_status (*take)(void *context, const struct rhei_value *cells, uint32_t count),
                              void *context, struct rhei_error *error);
rhei_status engine_piece_scan(const struct engine_piece *piece, const struct source_table *table,
                              const struct mirror_table_view *view, struct engine_limits *limits,
                              rhei_status (*take)(void *context, const struct rhei_value *cells, uint32_t count),
                              void *context, struct rhei_error *error);
rhei_status engine_compare_no_mirror(const struct source_table *table, struct rhei_error *error);

/* engine_mend.c: has the rows of the piece that differ taken anew. RHEI_STALE: they are too many, or can't be taken one by one. */
rhei_status engine_mend_piece(rhei_db *db, const struct source_table *table, struct engine_piece *piece,
                              struct engine_pace *pace, struct engine_mended *mended, struct rhei_error *error);

#endif
