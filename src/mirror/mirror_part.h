/* SPDX-License-Identifier: Apache-2.0 */
/* What a vector comes to, kept beside it: how it lies in memory. mirror_aggregate.c says how it is read and written. */
#ifndef MIRROR_MIRROR_PART_H
#define MIRROR_MIRROR_PART_H

#include "mirror_segment.h"

enum mirror_part_word {
    WORD_DELETIONS, /* born + 1, or 0 */
    WORD_SLOTS,
    WORD_COUNT,
    WORD_CLASS,
    WORD_LOW,
    WORD_HIGH,
    WORD_SUM, /* four: 128 bits of integers, or bins and their scale and count */
    WORDS = WORD_SUM + 4,
};

struct mirror_part {
    _Atomic uint64_t sequence;
    _Atomic uint64_t word[WORDS];
};

static inline size_t mirror_vectors_of(const struct mirror_segment *segment)
{
    return (segment->bitmap_rows + MIRROR_VECTOR_ROWS - 1) / MIRROR_VECTOR_ROWS;
}

/* The last is the segment's own. */
static inline size_t mirror_parts_size(const struct mirror_segment *segment)
{
    return (mirror_vectors_of(segment) + 1) * sizeof(struct mirror_part);
}

#endif
