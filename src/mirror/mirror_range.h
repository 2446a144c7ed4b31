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

/* Do the zones alone say that every live row of the segment is within? */
bool mirror_segment_within(const struct mirror_table_view *view, uint32_t segment, const struct mirror_bounds *bounds,
                           uint32_t count);

#endif
