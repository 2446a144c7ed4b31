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
};

struct change_batch {
    uint32_t table; /* the source's table number (struct source_table.id) */
    /*
     * Not NULL: what happened to the table can't be told row by row, and this says why, for people: it has to be built again,
     * unless it was read at `lost_at` or later (INT64_MAX: whenever it was read). There are no rows then.
     */
    const char *lost;
    int64_t lost_at;
    uint32_t column_count;
    size_t row_count;
    const uint8_t *op;                       /* [row_count], enum change_op; NULL: all are CHANGE_UPSERT */
    const struct rhei_value *const *columns; /* [column_count][row_count] */
    const int64_t *seq;                      /* [row_count] position of each change; NULL for an initial load */
};

#endif
