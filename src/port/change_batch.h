/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change batch: what one table went through, column by column, in the order of the log. The only form in which
 * changes cross rooms. Owner thread; everything it points to is borrowed from whoever made it, until that one's next call.
 */
#ifndef PORT_CHANGE_BATCH_H
#define PORT_CHANGE_BATCH_H

#include "rhei/rhei_types.h"

enum change_op {
    CHANGE_UPSERT = 1, /* the row as it is now; a row of the same key goes */
    CHANGE_DELETE = 2, /* only the key columns are set; a key that isn't there is no error */
    /*
     * Columns whose bit is set in `unchanged` are as they were, and not set here (the key columns are always set, and none of
     * them is unchanged). A row with that key must be there: if it isn't, the table is lost.
     */
    CHANGE_PATCH = 3,
    CHANGE_CLEAR = 4, /* every row of the table goes, in order with the other changes; no column is set */
};

struct change_batch {
    uint32_t table; /* the source's table number (struct source_table.id) */
    /*
     * Not NULL: what happened to the table can't be told row by row, and this says why, for people: it has to be built again,
     * unless it was read at `lost_at` or later (INT64_MAX: whenever it was read). There are no rows then.
     */
    const char *lost;
    int64_t lost_at;
    int64_t lost_us; /* all that happened to the table before this time (as time_us) was told; 0: that isn't known */
    uint32_t column_count;
    size_t row_count;
    const uint8_t *op;                       /* [row_count], enum change_op; NULL: all are CHANGE_UPSERT */
    const struct rhei_value *const *columns; /* [column_count][row_count] */
    const int64_t *seq;                      /* [row_count] position of each change; NULL for an initial load */
    const int64_t
        *time_us;     /* [row_count] when each was made, as the source's clock said, microseconds since 1970; or NULL */
    int64_t first_us; /* the same of the first row alone, where time_us doesn't tell; 0: unknown */
    const uint8_t *
        inserted; /* [row_count] 1: the source says that the row came into being by this change; NULL: it doesn't say */
    /* Bitmaps over columns, of CHANGE_PATCH rows: words = (column_count + 63) / 64. NULL: there is no such row. */
    const uint64_t *unchanged; /* [row_count][words], or [words] for all rows when it is shared */
    bool unchanged_shared;
    bool
        as_were; /* nothing to apply: these are rows as they were before the changes of their numbers (CHANGE_EVENT_BEFORE) */
    /*
     * The source looks rather than being told (a poll), so rows may come that the table has as they are: those are no changes, and are left
     * out before anything else sees them. Within the batch a key is there once. All of a cycle have its position as their number.
     */
    bool repeats;
    uint8_t sweep; /* enum change_sweep; of a batch that repeats */
};

/*
 * A *sweep* goes through all rows of a table, in batches that may lie in several cycles, with others between. Rows that the table has and no
 * batch since its beginning named are gone from the source.
 */
enum change_sweep {
    CHANGE_SWEEP_NONE = 0,
    CHANGE_SWEEP_BEGINS = 1, /* before this batch's rows; what an earlier one found is forgotten */
    CHANGE_SWEEP_GOES_ON = 2,
    CHANGE_SWEEP_ENDS = 3, /* behind this batch's rows; where there are none, seq[0] and time_us[0] tell of the sweep */
};

/* Words of a bitmap over columns. */
static inline size_t change_batch_words(uint32_t column_count)
{
    return ((size_t)column_count + 63) / 64;
}

/* Is the column of a CHANGE_PATCH row as it was? */
static inline bool change_batch_unchanged(const struct change_batch *batch, size_t row, uint32_t column)
{
    const uint64_t *words = batch->unchanged;
    if (words == NULL)
        return false;
    if (!batch->unchanged_shared)
        words += row * change_batch_words(batch->column_count);
    return (words[column >> 6] >> (column & 63) & 1) != 0;
}

#endif
