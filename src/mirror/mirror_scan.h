/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mirror_scan: the one way to read a table of a snapshot. Executors, the Arrow export, readers of rows and checkpoints all go through it,
 * so pruning by zones, dead rows and the division of work among threads are here, once (morsel-driven scans: Leis et al., SIGMOD 2014).
 *
 *  1. A live row of the view that lies within all ranges is in exactly one batch, whichever threads call next.
 *  2. An exact scan gives no other rows; a scan that isn't exact may, for whoever filters himself, but never a dead one.
 *  3. One thread alone gets batches in the order of row places; what several get is each in that order.
 *  4. next allocates nothing and never fails; a column that nobody asks for costs nothing.
 *
 * A scan borrows the view and the ranges' values; what it gives lives as long as the snapshot, and what is in the columns as long as
 * a hold on the batch. Everything here: any thread.
 */
#ifndef MIRROR_MIRROR_SCAN_H
#define MIRROR_MIRROR_SCAN_H

#include "mirror/mirror.h"

enum { MIRROR_SCAN_WORDS = MIRROR_VECTOR_ROWS / 64 };

struct mirror_scan;

struct mirror_scan_options {
    const struct mirror_range *ranges; /* copied; any number. Of a column that isn't there: RHEI_INVALID */
    uint32_t range_count;
    bool exact;
};
/* RHEI_NO_MEMORY, RHEI_INVALID. options NULL: every live row. */
rhei_status mirror_scan_open(const struct mirror_table_view *view, const struct mirror_scan_options *options,
                             struct mirror_scan **scan, struct rhei_error *error);
/* Accepts NULL. Nobody may be in next. */
void mirror_scan_close(struct mirror_scan **scan);

/* Whether there is a live row within the range at all: what an exact scan's first batch would tell, without looking further than that. */
bool mirror_scan_any(const struct mirror_table_view *view, const struct mirror_range *range);

/* Slots of the segments that may hold such rows: what is read at most, and so what threads are worth. */
uint64_t mirror_scan_slots(const struct mirror_scan *scan);
/* Those segments, by their numbers, in order: for who walks by himself. */
const uint32_t *mirror_scan_segments(const struct mirror_scan *scan, uint32_t *count);
/* How many rows will probably come, by zones alone; exact without ranges. */
uint64_t mirror_scan_estimate(const struct mirror_scan *scan);

/* Rows of one vector of a segment. */
struct mirror_scan_batch {
    uint32_t segment, vector;
    uint32_t rows;                   /* slots, 1..2048 */
    uint32_t count;                  /* of them given, 1..rows */
    const uint64_t *skip;            /* [MIRROR_SCAN_WORDS] bit = slot that isn't given; NULL: all are */
    uint64_t own[MIRROR_SCAN_WORDS]; /* what skip points to, where a range took rows away */
};
/* The next batch; false: there is no more. */
bool mirror_scan_next(struct mirror_scan *scan, struct mirror_scan_batch *batch);
/*
 * The next batches, of vectors that follow each other in as far as none between them is left out: `most` at most, a divisor of
 * MIRROR_SEGMENT_VECTORS, so that all are of one segment. 0: there is no more.
 */
uint32_t mirror_scan_next_some(struct mirror_scan *scan, struct mirror_scan_batch *batches, uint32_t most);
/* The batch of one vector, count 0 if nothing of it is given: for who walks by himself. */
void mirror_scan_vector(const struct mirror_scan *scan, uint32_t segment, uint32_t vector,
                        struct mirror_scan_batch *batch);
/* Before anything of the batch is looked at; *hold lets go of the batch before (mirror_hold). */
void mirror_scan_hold(const struct mirror_scan *scan, const struct mirror_scan_batch *batch, struct mirror_hold *hold);
/* A column of the batch, at the vector's first slot; slots that aren't given hold anything. */
void mirror_scan_column(const struct mirror_scan *scan, const struct mirror_scan_batch *batch, uint32_t column,
                        struct mirror_column_data *data);
/* One cell; text and BLOB borrowed. `slot` is counted in the vector. */
void mirror_scan_value(const struct mirror_scan *scan, const struct mirror_scan_batch *batch, uint32_t slot,
                       uint32_t column, struct rhei_value *value);

/* The given slots as runs, in order. */
struct mirror_slot_run {
    uint16_t from, count;
};
enum { MIRROR_MOST_RUNS = MIRROR_VECTOR_ROWS / 2 + 1 };
uint32_t mirror_scan_runs(const struct mirror_scan_batch *batch, struct mirror_slot_run runs[MIRROR_MOST_RUNS]);
/* The first given slot at or after `slot`; batch->rows: there is none. */
uint32_t mirror_scan_slot(const struct mirror_scan_batch *batch, uint32_t slot);
/* The last given slot before `slot`, which is batch->rows at most; UINT32_MAX: there is none. */
uint32_t mirror_scan_slot_before(const struct mirror_scan_batch *batch, uint32_t slot);

#endif
