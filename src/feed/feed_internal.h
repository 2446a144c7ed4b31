/* SPDX-License-Identifier: Apache-2.0 */
/* What both directions of the code share. */
#ifndef FEED_FEED_INTERNAL_H
#define FEED_FEED_INTERNAL_H

#include "feed_code.h"
#include "port/change_event.h"

#define FEED_MAGIC "RHEV"

enum { FEED_LENGTH_AT = 8, FEED_SUM_AT = 16 };
enum {
    FEED_OPS = 1,
    FEED_SEQS = 2,
    FEED_MASKS = 4,
    FEED_MASK = 8,
    FEED_TIMES = 16,
    FEED_INSERTED = 32
};                                                        /* parts of a batch */
enum { FEED_KEY_IS_INTEGER = 1, FEED_WITHOUT_ROWID = 2 }; /* of a table */
enum {
    FEED_NOT_NULL = 1,
    FEED_ROWID_ALIAS = 2,
    FEED_ROWID = 4,
    FEED_GENERATED = 8,
    FEED_PRIMARY = 16
}; /* of a column */

static inline uint8_t feed_version_of(uint8_t kind)
{
    return kind == CHANGE_EVENT_BEFORE ? FEED_VERSION_BEFORE : FEED_VERSION;
}
static inline bool feed_has_rows(uint8_t kind)
{
    return kind == CHANGE_EVENT_ROWS || kind == CHANGE_EVENT_BEFORE;
}

/* Of head and body. The bytes are those of one whole event. */
uint64_t feed_checksum(const char *event, size_t body);

/* Is each cell of each row set? */
static inline bool feed_sets_all(const struct change_batch *batch)
{
    for (size_t i = 0; batch->op != NULL && i < batch->row_count; i++)
        if (batch->op[i] != CHANGE_UPSERT)
            return false;
    return true;
}

/* Is the cell of a row set? A CLEAR sets none, a DELETE keys alone (the declared one too), a PATCH not what is unchanged. */
static inline bool feed_is_set(const struct change_event *event, size_t row, uint32_t column)
{
    const struct change_batch *batch = event->rows;
    uint8_t op = batch->op == NULL ? (uint8_t)CHANGE_UPSERT : batch->op[row];
    if (op == CHANGE_CLEAR)
        return false;
    if (op == CHANGE_PATCH)
        return !change_batch_unchanged(batch, row, column);
    if (op != CHANGE_DELETE || event->definition == NULL)
        return true;
    bool is_key = column < event->definition->column_count && event->definition->columns[column].in_primary_key;
    for (uint32_t k = 0; k < event->definition->key_count; k++)
        is_key |= event->definition->key_columns[k] == column;
    return is_key;
}

#endif
