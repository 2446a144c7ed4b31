/* SPDX-License-Identifier: Apache-2.0 */
/* What comparing and mending share: a piece of a table, read from both sides at one position. */
#ifndef ENGINE_COMPARE_PARTS_H
#define ENGINE_COMPARE_PARTS_H

#include "engine/engine_compare.h"
#include "sync/sync_compare.h"

enum {
    ENGINE_PIECE_LEAST = 1024,  /* rows */
    ENGINE_PIECE_MOST = 262144, /* about 0.2 s of work */
};
/* Rows of a piece at that pace: a quarter of a second's. */
uint64_t engine_piece_rows(uint64_t rate);

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

/* A table being compared, piece by piece; between two pieces nothing is held, and it may be gone on with at any time. */
struct engine_comparison {
    struct engine_piece piece; /* the next one */
    struct sync_zones zones;
};
/* In pieces of so many rows about (0: as one state), where the key's order is known. */
void engine_comparison_begin(struct engine_comparison *comparison, const rhei_db *db, const struct source_table *table,
                             uint64_t piece_rows);
void engine_comparison_reset(struct engine_comparison *comparison);
/* Compares the next piece, as engine_compare_table does, and goes behind it if it is equal; *more: there is another one. */
rhei_status engine_comparison_next(struct engine_comparison *comparison, rhei_db *db, const struct source_table *table,
                                   struct engine_pace *pace, struct engine_mended *mended, uint64_t *rows, bool *more,
                                   struct rhei_error *error);

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
