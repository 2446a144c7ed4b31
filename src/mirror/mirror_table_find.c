/* SPDX-License-Identifier: Apache-2.0 */
/*
 *  2. Constraints become ranges of numbers, exact where the columns hold numbers alone, else only a choice of vectors; the values of an
 *     IN choose among the scan's rows, or are looked up one by one where the column has a hash. A single number is searched for in each
 *     segment where the column ascends, and looked for in the vectors of others whose zones have it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror_ascend.h"
#include "mirror_range.h"
#include "mirror_table_cursor.h"

enum { MOST_CONSTRAINTS = 16 };

static uint32_t classes_of(const struct table_cursor *cursor, uint32_t column)
{
    return mirror_view_column_flags(cursor->view, column) & 0x1f;
}

/* Does the column hold only what the constraint is about? */
static bool is_of_use(const struct table_cursor *cursor, const struct table_constraint *constraint)
{
    if (constraint->column >= mirror_view_column_count(cursor->view))
        return false;
    uint32_t others = classes_of(cursor, constraint->column) & ~(uint32_t)MIRROR_HAS_NULL;
    return (others & ~(uint32_t)constraint->classes) == 0;
}

static bool is_number(const struct rhei_value *value)
{
    return value->type == RHEI_INTEGER || value->type == RHEI_REAL;
}

static bool holds_numbers(const struct table_cursor *cursor, uint32_t column)
{
    return (classes_of(cursor, column) & (MIRROR_HAS_TEXT | MIRROR_HAS_BLOB)) == 0;
}

static void range_make(const struct table_constraint *constraint, struct mirror_range *range)
{
    *range = (struct mirror_range){.column = constraint->column};
    if (constraint->op == TABLE_EQ || constraint->op == TABLE_GT || constraint->op == TABLE_GE)
        range->low = constraint->value;
    if (constraint->op == TABLE_EQ || constraint->op == TABLE_LT || constraint->op == TABLE_LE)
        range->high = constraint->value;
    range->above_low = constraint->op == TABLE_GT;
    range->below_high = constraint->op == TABLE_LT;
}

/* ---- IN. ---------------------------------------------------------------------------------------------------------- */

static int compare_values(const void *left, const void *right)
{
    return mirror_table_order_compare(left, right, 1);
}

/* With bytes of its own: the rows are looked for when those of the constraint are gone. */
static rhei_status set_fill(struct value_set *set, const struct table_constraint *constraint, struct rhei_error *error)
{
    set->values = base_alloc(((size_t)constraint->value_count + 1) * sizeof *set->values);
    if (set->values == NULL)
        return error_no_memory(error);
    set->column = constraint->column;
    set->wanted = true;
    for (uint32_t i = 0; i < constraint->value_count; i++) {
        struct rhei_value value = constraint->values[i];
        if (!is_number(&value) && value.length > 0) {
            char *bytes = base_arena_alloc(&set->bytes, value.length);
            if (bytes == NULL)
                return error_no_memory(error);
            memcpy(bytes, value.as.bytes, value.length);
            value.as.bytes = bytes;
        }
        set->values[set->count++] = value;
    }
    qsort(set->values, set->count, sizeof *set->values, compare_values);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set->count; i++)
        if (kept == 0 || compare_values(&set->values[kept - 1], &set->values[i]) != 0)
            set->values[kept++] = set->values[i];
    set->count = kept;
    return RHEI_OK;
}

static void set_reset(struct value_set *set)
{
    base_free(set->values);
    base_arena_reset(&set->bytes);
    *set = (struct value_set){0};
}

static int compare_places(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* The rows that have one of the values, and perhaps others with the same hash: in the order of their places. */
static rhei_status list_rows(struct table_cursor *cursor, const struct mirror_lookup *lookup,
                             const struct table_constraint *constraint, struct rhei_error *error)
{
    struct mirror_table_order *listed = &cursor->listed;
    for (uint32_t i = 0; i < constraint->value_count; i++) {
        uint32_t hash = mirror_lookup_hash(&constraint->values[i]), entry = mirror_lookup_first(lookup, hash), place;
        while (mirror_lookup_next(lookup, &entry, hash, &place))
            if (!mirror_table_order_add(listed, place, NULL))
                return error_no_memory(error);
    }
    if (listed->count > 1)
        qsort(listed->places, listed->count, sizeof *listed->places, compare_places);
    size_t kept = 0;
    for (size_t i = 0; i < listed->count; i++)
        if (kept == 0 || listed->places[kept - 1] != listed->places[i])
            listed->places[kept++] = listed->places[i];
    listed->count = kept;
    cursor->sorted = listed;
    cursor->at = 0;
    cursor->backwards = false;
    return RHEI_OK;
}

/* ---- Finding. ----------------------------------------------------------------------------------------------------- */

/* Single values by a hash, if there is one by now. */
static bool find_by_hash(struct table_cursor *cursor, const struct table_constraint *constraint, rhei_status *status,
                         struct rhei_error *error)
{
    if (constraint->op != TABLE_EQ && constraint->op != TABLE_IN)
        return false;
    struct mirror_lookup *lookup = mirror_lookup_take(cursor->pin->lookups, cursor->view, constraint->column);
    if (lookup == NULL)
        return false;
    cursor->exact = false;
    if (constraint->op == TABLE_IN) {
        *status = list_rows(cursor, lookup, constraint, error);
    } else {
        cursor->by = lookup;
        cursor->hash = mirror_lookup_hash(&constraint->value);
        cursor->entry = mirror_lookup_first(lookup, cursor->hash);
    }
    return true;
}

static rhei_status list_place(struct table_cursor *cursor, uint32_t segment, uint32_t slot, struct rhei_error *error)
{
    bool room = mirror_table_order_add(&cursor->listed, segment << 16 | slot, NULL);
    return room ? RHEI_OK : error_no_memory(error);
}

static rhei_status search_ascending(struct table_cursor *cursor, uint32_t segment, const int64_t *values, uint32_t rows,
                                    const struct mirror_bounds *bounds, struct rhei_error *error)
{
    struct mirror_vector slots;
    if (values[0] > bounds->high || values[rows - 1] < bounds->low)
        return RHEI_OK;
    uint32_t place = mirror_ascending_from(values, rows, bounds->low), slot = place % MIRROR_VECTOR_ROWS;
    if (values[place] > bounds->high)
        return RHEI_OK;
    mirror_view_vector(cursor->view, segment, place / MIRROR_VECTOR_ROWS, &slots);
    bool dead = slots.dead != NULL && (slots.dead[slot / 64] >> (slot % 64) & 1) != 0;
    return dead ? RHEI_OK : list_place(cursor, segment, place, error);
}

static rhei_status search_vectors(struct table_cursor *cursor, uint32_t segment, uint32_t rows,
                                  const struct mirror_bounds *bounds, uint64_t *looked, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (uint32_t first = 0; first < rows; first += MIRROR_VECTOR_ROWS) {
        uint32_t vector = first / MIRROR_VECTOR_ROWS;
        struct mirror_rows within;
        bool compared;
        if (mirror_vector_pass(cursor->view, segment, vector, bounds, 1) == MIRROR_PASS_NONE)
            continue;
        mirror_rows_within(cursor->view, segment, vector, bounds, 1, &within, &compared);
        *looked += MIRROR_VECTOR_ROWS;
        for (uint32_t w = 0; within.count > 0 && w < MIRROR_VECTOR_ROWS / 64; w++)
            for (uint64_t left = within.bits[w]; left != 0 && status == RHEI_OK; left &= left - 1)
                status = list_place(cursor, segment, first + w * 64 + (uint32_t)__builtin_ctzll(left), error);
    }
    return status;
}

/* The rows that have this number, of a column that holds no others than numbers; in the order of their places. */
static rhei_status find_number(struct table_cursor *cursor, const struct table_constraint *constraint,
                               struct rhei_error *error)
{
    enum { SEGMENTS_OF_A_SLOT = 4, SLOTS_OF_A_SEARCH = 8 }; /* what they cost beside a look at a slot */
    const struct mirror_table_view *view = cursor->view;
    struct mirror_range range;
    struct mirror_bounds bounds;
    struct mirror_hold hold = {NULL};
    uint32_t count = mirror_view_segment_count(view);
    uint64_t looked = count / SEGMENTS_OF_A_SLOT + SLOTS_OF_A_SEARCH;
    rhei_status status = RHEI_OK;
    range_make(constraint, &range);
    mirror_bounds_make(&range, &bounds);
    for (uint32_t segment = 0; segment < count && status == RHEI_OK; segment++) {
        uint32_t rows = mirror_view_segment_rows(view, segment);
        const int64_t *values;
        if (rows == 0 ||
            (mirror_view_segment_is_remote(view, segment) &&
             !mirror_view_may_match(view, segment, UINT32_MAX, constraint->column, &range.low, &range.high)))
            continue;
        mirror_hold(view, segment, &hold);
        if (mirror_ascending_rows(view, segment, constraint->column, &values) == rows)
            status = search_ascending(cursor, segment, values, rows, &bounds, error);
        else
            status = search_vectors(cursor, segment, rows, &bounds, &looked, error);
    }
    mirror_hold_end(&hold);
    mirror_lookup_note(&cursor->pin->lookups, view, constraint->column, looked);
    cursor->sorted = &cursor->listed;
    cursor->at = 0;
    cursor->backwards = false;
    return status;
}

/* From the smallest value to the largest, if all are numbers. */
static bool range_of_set(const struct value_set *set, struct mirror_range *range)
{
    *range = (struct mirror_range){.column = set->column};
    if (set->count == 0 || !is_number(&set->values[0]) || !is_number(&set->values[set->count - 1]))
        return false;
    range->low = set->values[0];
    range->high = set->values[set->count - 1];
    return true;
}

static void find_reset(struct table_cursor *cursor)
{
    mirror_scan_close(&cursor->scan);
    set_reset(&cursor->set);
    cursor->listed.count = 0; /* its memory stays: a join comes again and again */
    cursor->sorted = NULL;
    cursor->walks = false;
    cursor->in_batch = false;
    cursor->by = NULL;
    cursor->exact = true;
}

rhei_status mirror_cursor_find(struct table_cursor *cursor, const struct table_wish *wish, struct rhei_error *error)
{
    struct mirror_range ranges[MOST_CONSTRAINTS];
    struct mirror_scan_options options = {.ranges = ranges};
    rhei_status status = RHEI_OK;
    find_reset(cursor);
    bool ranged = true; /* each range is of a column of numbers */
    for (uint32_t i = 0; status == RHEI_OK && i < wish->constraint_count; i++) {
        const struct table_constraint *constraint = &wish->constraints[i];
        if (!is_of_use(cursor, constraint)) {
            cursor->exact = false;
            continue;
        }
        if (find_by_hash(cursor, constraint, &status, error))
            return status;
        if (constraint->op == TABLE_EQ && is_number(&constraint->value) && holds_numbers(cursor, constraint->column)) {
            cursor->exact = wish->constraint_count == 1;
            return find_number(cursor, constraint, error);
        }
        bool in = constraint->op == TABLE_IN, room = options.range_count < MOST_CONSTRAINTS, range = false;
        if (in && !cursor->set.wanted) {
            status = set_fill(&cursor->set, constraint, error);
            range = status == RHEI_OK && room && range_of_set(&cursor->set, &ranges[options.range_count]);
        } else if (!in && room && is_number(&constraint->value)) {
            range_make(constraint, &ranges[options.range_count]);
            range = true;
        }
        options.range_count += range;
        ranged = ranged && (!range || holds_numbers(cursor, constraint->column));
        cursor->exact = cursor->exact && range && ranged;
    }
    options.exact = ranged;
    if (status != RHEI_OK || (cursor->set.wanted && cursor->set.count == 0)) /* none of no values: there is no scan */
        return status;
    status = mirror_scan_open(cursor->view, &options, &cursor->scan, error);
    for (uint32_t i = 0; status == RHEI_OK && i < wish->constraint_count; i++)
        if (wish->constraints[i].op == TABLE_EQ || wish->constraints[i].op == TABLE_IN)
            mirror_lookup_note(&cursor->pin->lookups, cursor->view, wish->constraints[i].column,
                               mirror_scan_slots(cursor->scan));
    return status;
}

static bool meets(const struct rhei_value *value, const struct table_constraint *constraint)
{
    if (value->type == RHEI_NULL)
        return false;
    if (constraint->op == TABLE_IN) {
        bool found = false;
        for (uint32_t i = 0; i < constraint->value_count && !found; i++)
            found = mirror_table_order_compare(value, &constraint->values[i], 1) == 0;
        return found;
    }
    int order = mirror_table_order_compare(value, &constraint->value, 1);
    switch (constraint->op) {
    case TABLE_EQ:
        return order == 0;
    case TABLE_LT:
        return order < 0;
    case TABLE_LE:
        return order <= 0;
    case TABLE_GT:
        return order > 0;
    default:
        return order >= 0;
    }
}

bool mirror_cursor_meets(struct table_cursor *cursor, const struct table_wish *wish)
{
    struct rhei_value value;
    bool all = true;
    for (uint32_t i = 0; all && i < wish->constraint_count; i++) {
        mirror_cursor_cell(cursor, wish->constraints[i].column, &value);
        all = meets(&value, &wish->constraints[i]);
    }
    return all;
}
