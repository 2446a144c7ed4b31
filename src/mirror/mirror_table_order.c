/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_table_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_memory.h"
#include "mirror_index.h"

static int class_rank(uint8_t type)
{
    return type == RHEI_REAL ? RHEI_INTEGER : type;
}

static int compare_bytes(const struct rhei_value *a, const struct rhei_value *b)
{
    uint32_t len = a->length < b->length ? a->length : b->length;
    int order = len == 0 ? 0 : memcmp(a->as.bytes, b->as.bytes, len);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_one(const struct rhei_value *a, const struct rhei_value *b)
{
    if (class_rank(a->type) != class_rank(b->type))
        return class_rank(a->type) < class_rank(b->type) ? -1 : 1;
    if (a->type >= RHEI_TEXT)
        return compare_bytes(a, b);
    if (a->type == RHEI_NULL)
        return 0;
    if (a->type == RHEI_INTEGER && b->type == RHEI_INTEGER)
        return (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
    if (a->type == RHEI_INTEGER)
        return mirror_compare_integer_real(a->as.integer, b->as.real);
    if (b->type == RHEI_INTEGER)
        return -mirror_compare_integer_real(b->as.integer, a->as.real);
    return (a->as.real > b->as.real) - (a->as.real < b->as.real);
}

int mirror_table_order_compare(const struct rhei_value *a, const struct rhei_value *b, uint32_t count)
{
    int order = 0;
    for (uint32_t i = 0; i < count && order == 0; i++)
        order = compare_one(&a[i], &b[i]);
    return order;
}

bool mirror_table_order_add(struct mirror_table_order *order, uint32_t place, const struct rhei_value *keys)
{
    void *places = order->places, *values = order->keys;
    bool room = base_grow(&places, &order->place_capacity, order->count + 1, sizeof *order->places);
    order->places = places;
    room = room && base_grow(&values, &order->key_capacity, (order->count + 1) * order->key_count, sizeof *order->keys);
    order->keys = values;
    if (!room)
        return false;
    order->places[order->count] = place;
    if (order->key_count > 0)
        memcpy(&order->keys[order->count * order->key_count], keys, order->key_count * sizeof *keys);
    order->count++;
    return true;
}

/* ---- The best of many. -------------------------------------------------------------------------------------------- */

static void put_row(struct mirror_table_order *order, size_t at, uint32_t place, const struct rhei_value *keys)
{
    order->places[at] = place;
    memmove(&order->keys[at * order->key_count], keys, order->key_count * sizeof *keys);
}

static bool is_worse(const struct mirror_table_order *order, bool descending, const struct rhei_value *a,
                     const struct rhei_value *b)
{
    int by = mirror_table_order_compare(a, b, order->key_count);
    return descending ? by < 0 : by > 0;
}

static const struct rhei_value *keys_at(const struct mirror_table_order *order, size_t at)
{
    return &order->keys[at * order->key_count];
}

/* In a heap whose worst row is the first: that one goes, and the new one finds its place below. */
static void sift_down(struct mirror_table_order *order, bool descending, uint32_t place, const struct rhei_value *keys)
{
    size_t at = 0;
    for (size_t child = 1; child < order->count; child = 2 * at + 1) {
        if (child + 1 < order->count && is_worse(order, descending, keys_at(order, child + 1), keys_at(order, child)))
            child++;
        if (!is_worse(order, descending, keys_at(order, child), keys))
            break;
        put_row(order, at, order->places[child], keys_at(order, child));
        at = child;
    }
    put_row(order, at, place, keys);
}

/* The new one, which was added as the last, finds its place above. */
static void sift_up(struct mirror_table_order *order, bool descending, uint32_t place, const struct rhei_value *keys)
{
    size_t at = order->count - 1;
    while (at > 0 && is_worse(order, descending, keys, keys_at(order, (at - 1) / 2))) {
        put_row(order, at, order->places[(at - 1) / 2], keys_at(order, (at - 1) / 2));
        at = (at - 1) / 2;
    }
    put_row(order, at, place, keys);
}

bool mirror_table_order_best(struct mirror_table_order *order, size_t most, bool descending, uint32_t place,
                             const struct rhei_value *keys)
{
    if (order->count < most) {
        if (!mirror_table_order_add(order, place, keys))
            return false;
        sift_up(order, descending, place, keys);
    } else if (most > 0 && is_worse(order, descending, keys_at(order, 0), keys)) {
        sift_down(order, descending, place, keys);
    }
    return true;
}

/* ---- All of them. ------------------------------------------------------------------------------------------------- */

static int compare_rows(const void *left, const void *right, void *context)
{
    const struct mirror_table_order *order = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int by = mirror_table_order_compare(&order->keys[(size_t)a * order->key_count],
                                        &order->keys[(size_t)b * order->key_count], order->key_count);
    return by != 0 ? by : (a > b) - (a < b);
}

bool mirror_table_order_sort(struct mirror_table_order *order)
{
    uint32_t *rows = base_alloc((order->count + 1) * sizeof *rows);
    if (rows == NULL)
        return false;
    for (size_t i = 0; i < order->count; i++)
        rows[i] = (uint32_t)i;
    qsort_r(rows, order->count, sizeof *rows, compare_rows, order);
    for (size_t i = 0; i < order->count; i++)
        rows[i] = order->places[rows[i]];
    base_free(order->places);
    base_free(order->keys);
    order->places = rows;
    order->keys = NULL;
    order->key_capacity = 0;
    order->place_capacity = order->count + 1;
    return true;
}

void mirror_table_order_reset(struct mirror_table_order *order)
{
    base_free(order->places);
    base_free(order->keys);
    *order = (struct mirror_table_order){0};
}
