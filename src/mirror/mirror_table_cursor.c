/* SPDX-License-Identifier: Apache-2.0 */
/* Cursors of a pin: made, put before the rows that are wanted, closed. */
#include "mirror_table_cursor.h"

#include "base/base_error.h"
#include "base/base_memory.h"

/* Leaves out the first rows that meet the constraints. */
static void skip_rows(struct table_cursor *cursor, const struct table_wish *wish)
{
    if (cursor->sorted != NULL && (cursor->exact || cursor->sorted != &cursor->listed)) { /* no others are among them */
        size_t left = cursor->sorted->count - cursor->at;
        cursor->at += wish->skip < left ? (size_t)wish->skip : left;
        return;
    }
    if (cursor->exact && !cursor->set.wanted) {
        mirror_cursor_skip(cursor, wish->skip);
        return;
    }
    uint64_t skip = wish->skip;
    while (skip > 0 && mirror_cursor_next(cursor))
        skip -= cursor->exact || mirror_cursor_meets(cursor, wish);
}

rhei_status mirror_cursor_seek(struct table_cursor *cursor, const struct table_wish *wish, struct rhei_error *error)
{
    cursor->sorted = NULL;
    mirror_table_order_reset(&cursor->own);
    bool ordered = wish->order != NULL && wish->order->column_count > 0;
    rhei_status status = ordered ? mirror_cursor_sort(cursor, wish, error) : mirror_cursor_find(cursor, wish, error);
    if (status == RHEI_OK && wish->skip > 0)
        skip_rows(cursor, wish);
    return status;
}

rhei_status mirror_cursor_open(struct table_pin *pin, uint32_t table, struct table_cursor **result,
                               struct rhei_error *error)
{
    *result = NULL;
    const struct mirror_table_view *view = mirror_view(&pin->snapshot, table);
    if (view == NULL)
        return error_set(error, RHEI_NOT_FOUND, "the table isn't in the column store any more: ask again");
    struct table_cursor *cursor =
        base_alloc_zero(1, sizeof *cursor + mirror_view_column_count(view) * sizeof cursor->cache[0]);
    if (cursor == NULL)
        return error_no_memory(error);
    cursor->pin = pin;
    cursor->view = view;
    *result = cursor;
    return RHEI_OK;
}

void mirror_cursor_close(struct table_cursor **slot)
{
    struct table_cursor *cursor = slot == NULL ? NULL : *slot;
    if (cursor == NULL)
        return;
    mirror_scan_close(&cursor->scan);
    mirror_hold_end(&cursor->hold);
    mirror_table_order_reset(&cursor->own);
    mirror_table_order_reset(&cursor->listed);
    base_free(cursor->stretches);
    base_free(cursor->set.values);
    base_arena_reset(&cursor->set.bytes);
    base_free(cursor);
    *slot = NULL;
}

void mirror_cursor_unpin(struct table_pin *pin)
{
    mirror_lookups_free(&pin->lookups);
    while (pin->holds != NULL) {
        struct kept_hold *going = pin->holds;
        pin->holds = going->next;
        mirror_hold_end(&going->hold);
        base_free(going);
    }
    while (pin->orders != NULL) {
        struct kept_order *going = pin->orders;
        pin->orders = going->next;
        mirror_table_order_reset(&going->rows);
        base_free(going);
    }
}
