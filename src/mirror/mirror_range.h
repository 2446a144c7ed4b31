/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows of a vector live and have their numbers within ranges. Any thread, over a pinned view. */
#ifndef MIRROR_MIRROR_RANGE_H
#define MIRROR_MIRROR_RANGE_H

#include "mirror_internal.h"

/* A range with inclusive ends, for integers and for REALs; low > high: no such number is within. */
struct mirror_bounds {
    uint32_t column;
    int64_t low, high;
    double real_low, real_high;
};
void mirror_bounds_make(const struct mirror_range *range, struct mirror_bounds *bounds);

/* Bit = row; `count` of them are set. Bits beyond the view's rows are clear. */
struct mirror_rows {
    uint32_t count;
    bool all_live; /* they are all live rows of the vector: no range took one away */
    uint64_t bits[MIRROR_VECTOR_ROWS / 64];
};
/* The live rows of one vector that are within all bounds. `looked`: cells were compared, not zones alone. */
void mirror_rows_within(const struct mirror_table_view *view, uint32_t segment, uint32_t vector,
                        const struct mirror_bounds *bounds, uint32_t count, struct mirror_rows *rows, bool *looked);

/* What the zones alone say of the live rows of a vector: that none, or that each, is within all bounds, or neither. */
enum mirror_pass { MIRROR_PASS_NONE, MIRROR_PASS_SOME, MIRROR_PASS_ALL };
enum mirror_pass mirror_vector_pass(const struct mirror_table_view *view, uint32_t segment, uint32_t vector,
                                    const struct mirror_bounds *bounds, uint32_t count);

/* Set bits of the words of a vector. */
static inline uint32_t mirror_count_bits(const uint64_t bits[MIRROR_VECTOR_ROWS / 64])
{
    uint64_t count = 0;
    for (uint32_t w = 0; w < MIRROR_VECTOR_ROWS / 64;
         w++) { /* inline: without an instruction for it, a call per word */
        uint64_t word = bits[w];
        word -= word >> 1 & 0x5555555555555555u;
        word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
        word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
        count += word * 0x0101010101010101u >> 56;
    }
    return (uint32_t)count;
}

/* What the zones alone say of the live rows of a sealed segment, as of a vector's. */
enum mirror_pass mirror_segment_pass(const struct mirror_table_view *view, uint32_t segment,
                                     const struct mirror_bounds *bounds, uint32_t count);

#endif
