/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes need of the rows as they were: patches are filled up to whole rows, and versions that end are handed to the
 * table's sink. Only batches with patches, and tables with a sink, come this way; all others know nothing of it.
 */
#ifndef MIRROR_MIRROR_BEFORE_H
#define MIRROR_MIRROR_BEFORE_H

#include "mirror_internal.h"

enum { MIRROR_BEFORE_HEADS = 2 * MIRROR_CHUNK_ROWS };

/* One call of apply. The writer's. */
struct mirror_before {
    struct mirror_table *table;
    const struct change_batch *from;
    struct change_batch rows; /* what is to be applied: upserts and deletes alone. Lives until the next chunk */
    size_t capacity;          /* rows of a chunk at the most */
    void *memory;
    size_t memory_size;
    const struct rhei_value **columns; /* [column_count], of `rows` */
    struct rhei_value *row;            /* [column_count], of a stored row */
    struct rhei_value *values; /* [column_count][capacity]; NULL: there are no patches, `rows` borrows the batch's */
    char *shorts;              /* [column_count][capacity][12]: inline strings, which move with their segment */
    uint8_t *op;
    uint32_t *heads, *earlier; /* rows + 1 of the chunk by hash of their key; the one before with the same hash */
    uint64_t *hashes;
    bool *overtaken; /* a later row of the chunk has the same key */
    bool
        ascending; /* the keys of the chunk are integers, each greater than the one before: none is twice, and none is entered */
    /* Versions that are handed over together, where the sink takes them so. */
    size_t some;
    int64_t first;          /* row of the batch that is the chunk's row 0 */
    struct rhei_value *old; /* [column_count][capacity]; NULL: it doesn't */
    const struct rhei_value **old_columns;
    const struct mirror_segment **segments; /* [capacity] where they lie; NULL: in the chunk */
    uint32_t *places, *change;
    int64_t *replaced;
    uint8_t *how;
};

rhei_status mirror_before_open(struct mirror_table *table, const struct change_batch *batch,
                               struct mirror_before *before);
void mirror_before_close(struct mirror_before *before);
/*
 * The rows [first, *end) of the batch, none of them a CLEAR, at most `capacity`, or fewer, which *end says then: into before->rows, from row 0 on. Strings borrow
 * from segments of the table, none of which may be freed until they are applied. RHEI_NOT_FOUND: a patch has no row.
 */
rhei_status mirror_before_chunk(struct mirror_before *before, size_t first, size_t *end);
/* The chunk has been applied. */
void mirror_before_applied(struct mirror_before *before);
/* Every row is about to go. */
void mirror_before_clear(struct mirror_before *before, int64_t seq, size_t change);

#endif
