/* SPDX-License-Identifier: Apache-2.0 */
/* Integers that ascend from row to row, so that one is searched for instead of looked for. Any thread, over a pinned view. */
#ifndef MIRROR_MIRROR_ASCEND_H
#define MIRROR_MIRROR_ASCEND_H

#include "mirror_internal.h"

/*
 * How many rows of the segment, from its first one on, have in this column an integer each that is greater than the one before, dead
 * rows too; *values: all of the column's, valid unless it is 0. Looked at once and remembered. A remote segment must be held.
 */
uint32_t mirror_ascending_rows(const struct mirror_table_view *view, uint32_t segment, uint32_t column,
                               const int64_t **values);
/* The first of so many ascending values that isn't smaller; `rows`: there is none. */
uint32_t mirror_ascending_from(const int64_t *values, uint32_t rows, int64_t least);

#endif
