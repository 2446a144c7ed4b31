/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A key that is counted up lies in its segments as it was counted; whoever searches such a segment first looks whether it does.
 *
 *  1. What was found stays true: a slot that some view shows is never written again, so it is kept with the column, for all views. Two
 *     who look at the same time may keep the smaller of two true counts, which costs the next one another look.
 *  2. A place where it doesn't ascend is looked at once. Rows that come behind it are never looked at.
 */
#include "mirror_ascend.h"

enum { ENDS = 1u << 31 }; /* the row behind those that are counted isn't greater */

uint32_t mirror_ascending_rows(const struct mirror_table_view *view, uint32_t number, uint32_t column,
                               const int64_t **values)
{
    struct mirror_segment *segment = mirror_trie_get(&view->segments, number);
    uint32_t rows = segment == NULL ? 0 : mirror_view_rows_of(view, number, segment);
    if (rows == 0)
        return 0;
    struct mirror_column *source = &segment->column[column];
    uint32_t known = atomic_load_explicit(&source->ascending, memory_order_relaxed), count = known & ~ENDS;
    if (known == ENDS) /* nobody reads a column from a file for that */
        return 0;
    mirror_column_touch(source);
    if (atomic_load_explicit(&source->layout, memory_order_acquire) != MIRROR_LAYOUT_INTEGER ||
        atomic_load_explicit(&source->valid, memory_order_acquire) != NULL)
        return 0;
    const int64_t *data = *values = source->data;
    if (count >= rows || (known & ENDS) != 0)
        return count < rows ? count : rows;
    while (count < rows && (count == 0 || data[count - 1] < data[count]))
        count++;
    /* one row alone ascends, and tells nothing */
    bool ends = count < rows;
    atomic_store_explicit(&source->ascending, ends && count == 1 ? ENDS : count | (ends ? ENDS : 0),
                          memory_order_relaxed);
    return count;
}

uint32_t mirror_ascending_from(const int64_t *values, uint32_t rows, int64_t least)
{
    uint32_t low = 0, high = rows;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (values[middle] < least)
            low = middle + 1;
        else
            high = middle;
    }
    BASE_INVARIANT((low == rows || values[low] >= least) && (low == 0 || values[low - 1] < least));
    return low;
}
