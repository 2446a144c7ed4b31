/* SPDX-License-Identifier: Apache-2.0 */
/* Rows put into the order of some of their values: where each row is, and what it is sorted by. Owner thread. */
#ifndef MIRROR_MIRROR_TABLE_ORDER_H
#define MIRROR_MIRROR_TABLE_ORDER_H

#include "rhei/rhei_types.h"

struct mirror_table_order {
    uint32_t key_count; /* values of a row */
    uint32_t *places;   /* of the rows; sorted, once mirror_table_order_sort was called */
    struct rhei_value *keys;
    size_t count, place_capacity, key_capacity;
};

/* As SQLite orders values: NULL, numbers, texts, BLOBs; numbers exactly, texts byte by byte. */
int mirror_table_order_compare(const struct rhei_value *a, const struct rhei_value *b, uint32_t count);
/* The keys' bytes are borrowed until the reset; without values of a row they may be NULL. False: no memory. */
bool mirror_table_order_add(struct mirror_table_order *order, uint32_t place, const struct rhei_value *keys);
/* Instead: keeps the first `most` rows of the order, or the last ones, as a heap whose worst row is its first. */
bool mirror_table_order_best(struct mirror_table_order *order, size_t most, bool descending, uint32_t place,
                             const struct rhei_value *keys);
/* Keys are let go; rows that are equal stay in the order of their places. */
bool mirror_table_order_sort(struct mirror_table_order *order);
void mirror_table_order_reset(struct mirror_table_order *order);

#endif
