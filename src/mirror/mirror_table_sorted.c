/* SPDX-License-Identifier: Apache-2.0 */
/*
 *  4. An order is looked for before it is made: rows that were appended by it lie in it. Where the segments that are scanned ascend and none meets
 *     another, they are walked, from either end; else one pass over the keys proves it. Of all rows it is found once for the pin.
 *  5. Who wants only the first few rows gets the best of one pass, in which vectors whose zones say that they have no better ones are left out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror_ascend.h"
#include "mirror_table_cursor.h"

/* Rows that are chosen by a heap; more are sorted with all others. And how often, before all rows are put in order for the pin. */
enum { MOST_FIRST_ROWS = 4096, MOST_FIRST_TIMES = 2 };

/* ---- Segments. ---------------------------------------------------------------------------------------------------- */

static int compare_stretches(const void *left, const void *right)
{
    const struct table_stretch *a = left, *b = right;
    return (a->first > b->first) - (a->first < b->first);
}

/*
 * Puts the segments of the scan into the order of their values, which loaders beside each other don't number them in. False: one of them
 * doesn't ascend, or two meet. One that somebody may take from memory again isn't read for that alone.
 */
static bool stretches_make(struct table_cursor *cursor, uint32_t column)
{
    const struct mirror_table_view *view = cursor->view;
    uint32_t count;
    const uint32_t *segments = mirror_scan_segments(cursor->scan, &count);
    void *stretches = cursor->stretches;
    bool room = base_grow(&stretches, &cursor->stretch_capacity, (size_t)count + 1, sizeof *cursor->stretches);
    bool in_order = room;
    cursor->stretches = stretches;
    cursor->stretch_count = count;
    for (uint32_t i = 0; room && i < count; i++) {
        const int64_t *values;
        uint32_t rows = mirror_view_segment_rows(view, segments[i]);
        if (mirror_view_segment_is_remote(view, segments[i]) ||
            mirror_ascending_rows(view, segments[i], column, &values) != rows)
            return false;
        cursor->stretches[i] = (struct table_stretch){segments[i], values[0], values[rows - 1]};
        in_order = in_order && (i == 0 || cursor->stretches[i - 1].first < values[0]);
    }
    if (room && !in_order)
        qsort(cursor->stretches, count, sizeof *cursor->stretches, compare_stretches);
    for (uint32_t i = 1; room && i < count; i++)
        if (cursor->stretches[i - 1].last >= cursor->stretches[i].first)
            return false;
    return room;
}

/* ---- Keys. -------------------------------------------------------------------------------------------------------- */

static void values_of(struct table_cursor *cursor, const uint32_t *columns, uint32_t count, struct rhei_value *values)
{
    for (uint32_t i = 0; i < count; i++)
        mirror_cursor_cell(cursor, columns[i], &values[i]);
}

/* Do the rows that were found lie by these columns? Looks at them up to the first that doesn't. */
static bool lie_in_order(struct table_cursor *cursor, const struct table_order *order)
{
    struct rhei_value values[2][TABLE_MOST_ORDER];
    uint32_t count = order->column_count;
    bool in_order = true;
    for (size_t row = 0; in_order && mirror_cursor_next(cursor); row++) {
        values_of(cursor, order->columns, count, values[row % 2]);
        in_order = row == 0 || mirror_table_order_compare(values[(row + 1) % 2], values[row % 2], count) <= 0;
    }
    return in_order;
}

/* `skip` counts rows that meet the constraints, so no others may be among those that are sorted. */
static rhei_status sort_rows(struct table_cursor *cursor, const struct table_wish *wish,
                             struct mirror_table_order *sorted, struct rhei_error *error)
{
    struct rhei_value values[TABLE_MOST_ORDER];
    const struct table_order *order = wish->order;
    bool room = true, look = wish->skip > 0 && !cursor->exact;
    sorted->key_count = order->column_count;
    while (room && mirror_cursor_next(cursor)) {
        if (look && !mirror_cursor_meets(cursor, wish))
            continue;
        values_of(cursor, order->columns, order->column_count, values);
        room = mirror_table_order_add(sorted, mirror_cursor_place(cursor), values);
    }
    return room && mirror_table_order_sort(sorted) ? RHEI_OK : error_no_memory(error);
}

/* Puts the rows that were found into `sorted`, or says that they lie so already, which backwards is no help. */
static rhei_status order_rows(struct table_cursor *cursor, const struct table_wish *wish,
                              struct mirror_table_order *sorted, bool *as_they_lie, struct rhei_error *error)
{
    bool upwards = !wish->order->descending;
    *as_they_lie = upwards && lie_in_order(cursor, wish->order);
    rhei_status status = upwards && !*as_they_lie ? mirror_cursor_find(cursor, wish, error) : RHEI_OK;
    return status == RHEI_OK && !*as_they_lie ? sort_rows(cursor, wish, sorted, error) : status;
}

/* ---- All rows. ---------------------------------------------------------------------------------------------------- */

static struct kept_order *find_order(struct table_cursor *cursor, const struct table_order *order)
{
    struct kept_order *kept = cursor->pin->orders;
    while (kept != NULL && (kept->view != cursor->view || kept->rows.key_count != order->column_count ||
                            memcmp(kept->columns, order->columns, order->column_count * sizeof *kept->columns) != 0 ||
                            (kept->as_they_lie && order->descending)))
        kept = kept->next;
    return kept;
}

/* That of all rows, once for the pin: find_order has none. */
static rhei_status keep_order(struct table_cursor *cursor, const struct table_order *order, struct kept_order **kept,
                              struct rhei_error *error)
{
    const struct table_wish all = {.order = order, .most = TABLE_ALL_ROWS};
    struct kept_order *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->view = cursor->view;
    memcpy(made->columns, order->columns, order->column_count * sizeof *made->columns);
    rhei_status status = mirror_cursor_find(cursor, &all, error);
    if (status == RHEI_OK)
        status = order_rows(cursor, &all, &made->rows, &made->as_they_lie, error);
    if (status != RHEI_OK) {
        mirror_table_order_reset(&made->rows);
        base_free(made);
        return status;
    }
    made->rows.key_count = order->column_count;
    made->next = cursor->pin->orders;
    cursor->pin->orders = *kept = made;
    return RHEI_OK;
}

/* ---- The first few. ----------------------------------------------------------------------------------------------- */

/* May the scan be walked for them? A first row that doesn't meet the constraints would take the place of one that does. */
static bool wants_first(struct table_cursor *cursor, const struct table_wish *wish)
{
    if (wish->most == 0 || wish->most > MOST_FIRST_ROWS || wish->skip > MOST_FIRST_ROWS - wish->most)
        return false;
    return wish->constraint_count > 0 ||
           (find_order(cursor, wish->order) == NULL && cursor->pin->firsts++ < MOST_FIRST_TIMES);
}

/* May the zones of the first column say that a vector has no better row? Not where there are values that no zone has. */
static bool has_zones(const struct table_cursor *cursor, uint32_t column)
{
    const uint32_t others = MIRROR_HAS_NULL | MIRROR_HAS_TEXT | MIRROR_HAS_BLOB;
    return (mirror_view_column_flags(cursor->view, column) & others) == 0;
}

static bool is_given(const struct mirror_scan_batch *batch, uint32_t slot)
{
    return batch->skip == NULL || (batch->skip[slot / 64] >> (slot % 64) & 1) == 0;
}

/* Than the worst of those that are kept. */
static bool is_better(const struct mirror_table_order *own, const struct table_order *order,
                      const struct rhei_value *values)
{
    int by = mirror_table_order_compare(values, &own->keys[0], order->column_count);
    return order->descending ? by > 0 : by < 0;
}

static bool first_of_vector(struct table_cursor *cursor, const struct table_wish *wish, size_t most)
{
    struct rhei_value values[TABLE_MOST_ORDER];
    const struct mirror_scan_batch *batch = &cursor->batch;
    const struct table_order *order = wish->order;
    const int64_t *all;
    bool room = true;
    /* none that comes behind a row that is no better is better itself */
    bool ascends = most > 0 && !mirror_view_segment_is_remote(cursor->view, batch->segment) &&
                   mirror_ascending_rows(cursor->view, batch->segment, order->columns[0], &all) >=
                       batch->vector * (uint32_t)MIRROR_VECTOR_ROWS + batch->rows;
    for (uint32_t i = 0; room && i < batch->rows; i++) {
        cursor->slot = order->descending ? batch->rows - 1 - i : i;
        if (!is_given(batch, cursor->slot))
            continue;
        values_of(cursor, order->columns, order->column_count, values);
        if (ascends && cursor->own.count == most && !is_better(&cursor->own, order, values))
            break;
        room = mirror_table_order_best(&cursor->own, most, order->descending, mirror_cursor_place(cursor), values);
    }
    return room;
}

/* The best rows of the scan, walked in the direction in which the best ones probably come first. */
static rhei_status first_rows(struct table_cursor *cursor, const struct table_wish *wish, struct rhei_error *error)
{
    const struct table_order *order = wish->order;
    struct mirror_table_order *own = &cursor->own;
    size_t most = (size_t)(wish->skip + wish->most);
    uint32_t segments = mirror_view_segment_count(cursor->view), column = order->columns[0];
    bool room = true, zones = has_zones(cursor, column);
    own->key_count = order->column_count;
    for (uint64_t i = 0, end = (uint64_t)segments * MIRROR_SEGMENT_VECTORS; room && i < end; i++) {
        uint64_t at = order->descending ? end - 1 - i : i;
        uint32_t segment = (uint32_t)(at / MIRROR_SEGMENT_VECTORS), vector = (uint32_t)(at % MIRROR_SEGMENT_VECTORS);
        if (vector * (uint32_t)MIRROR_VECTOR_ROWS >= mirror_view_segment_rows(cursor->view, segment))
            continue;
        const struct rhei_value *worst = zones && own->count == most ? &own->keys[0] : NULL;
        if (worst != NULL && !mirror_view_may_match(cursor->view, segment, vector, column,
                                                    order->descending ? worst : NULL, order->descending ? NULL : worst))
            continue;
        mirror_scan_vector(cursor->scan, segment, vector, &cursor->batch);
        cursor->batch_number++;
        if (cursor->batch.count > 0)
            room = first_of_vector(cursor, wish, most);
    }
    return room && mirror_table_order_sort(own) ? RHEI_OK : error_no_memory(error);
}

/* ---- Sorting. ----------------------------------------------------------------------------------------------------- */

rhei_status mirror_cursor_sort(struct table_cursor *cursor, const struct table_wish *wish, struct rhei_error *error)
{
    const struct mirror_table_order *sorted = &cursor->own;
    bool as_they_lie = false, all = wish->constraint_count == 0;
    BASE_INVARIANT(wish->order->column_count <= TABLE_MOST_ORDER);
    struct kept_order *kept = all ? find_order(cursor, wish->order) : NULL;
    bool known = kept != NULL;
    rhei_status status = mirror_cursor_find(cursor, wish, error);
    if (status == RHEI_OK && !known && wish->order->column_count == 1 && cursor->scan != NULL && !cursor->set.wanted &&
        stretches_make(cursor, wish->order->columns[0])) {
        mirror_cursor_walk(cursor, wish->order->descending);
        return RHEI_OK;
    }
    bool first = status == RHEI_OK && !known && wants_first(cursor, wish) && cursor->exact && cursor->scan != NULL &&
                 !cursor->set.wanted;
    if (first)
        status = first_rows(cursor, wish, error);
    else if (status == RHEI_OK && !known)
        status = all ? keep_order(cursor, wish->order, &kept, error)
                     : order_rows(cursor, wish, &cursor->own, &as_they_lie, error);
    if (kept != NULL) {
        as_they_lie = kept->as_they_lie;
        sorted = &kept->rows;
    }
    if (status != RHEI_OK || as_they_lie) /* to find that out took the rows that were found */
        return status == RHEI_OK && !known ? mirror_cursor_find(cursor, wish, error) : status;
    cursor->sorted = sorted;
    cursor->at = 0;
    cursor->backwards = wish->order->descending;
    return RHEI_OK;
}
