/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GROUP BY one column, a vector at a time: the rows within the ranges, their groups, then one asked column after another.
 *
 * Invariants:
 * 1. counts == NULL: none of the column's values is NULL, so there are as many as rows.
 * 2. All arrays have room for `capacity` groups and are empty for a group until its first row.
 * 3. What a column is asked for is decided by the class it has held; a layout that says otherwise ends the attempt.
 */
#include "mirror_group.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror_range.h"

__extension__ typedef __int128 wide_int;

struct ends {
    union {
        int64_t integer;
        double real;
    } low, high;
};

struct group_column {
    uint32_t column;
    uint8_t class; /* RHEI_INTEGER or RHEI_REAL; RHEI_NULL: it has held no value, or only a count is asked for */
    bool sums, extremes, has_nulls;
    uint64_t *counts;
    wide_int *integers;
    struct base_bin_sum *reals;
    struct ends *ends;
};

struct mirror_groups {
    struct group_keys keys;
    uint64_t *rows;
    uint32_t capacity, column_count;
    struct group_column columns[];
};

/* ---- Making room. ----------------------------------------------------------------------------------------------------- */

static bool widen(void **items, uint32_t old, uint32_t wanted, size_t size)
{
    char *grown = base_realloc(*items, wanted * size);
    if (grown == NULL)
        return false;
    memset(grown + old * size, 0, (wanted - old) * size);
    *items = grown;
    return true;
}

static bool widen_column(struct group_column *column, uint32_t old, uint32_t wanted)
{
    void *counts = column->counts, *integers = column->integers, *reals = column->reals, *ends = column->ends;
    bool done = true;
    if (column->has_nulls) {
        done = widen(&counts, old, wanted, sizeof *column->counts);
        column->counts = counts;
    }
    if (done && column->sums && column->class == RHEI_INTEGER) {
        done = widen(&integers, old, wanted, sizeof *column->integers);
        column->integers = integers;
    }
    if (done && column->sums && column->class == RHEI_REAL) {
        done = widen(&reals, old, wanted, sizeof *column->reals);
        column->reals = reals;
    }
    if (done && column->extremes) {
        done = widen(&ends, old, wanted, sizeof *column->ends);
        column->ends = ends;
    }
    return done;
}

static void empty_ends(struct group_column *column, uint32_t from, uint32_t to)
{
    for (uint32_t g = from; column->extremes && g < to; g++) {
        if (column->class == RHEI_REAL) {
            column->ends[g].low.real = (double)__builtin_inf();
            column->ends[g].high.real = -(double)__builtin_inf();
        } else {
            column->ends[g].low.integer = INT64_MAX;
            column->ends[g].high.integer = INT64_MIN;
        }
    }
}

static bool make_room(struct mirror_groups *groups)
{
    uint32_t wanted = groups->capacity == 0 ? 64 : groups->capacity;
    if (groups->keys.count <= groups->capacity)
        return true;
    while (wanted < groups->keys.count)
        wanted *= 2;
    void *rows = groups->rows;
    bool done = widen(&rows, groups->capacity, wanted, sizeof *groups->rows);
    groups->rows = rows;
    for (uint32_t c = 0; c < groups->column_count && done; c++) {
        done = widen_column(&groups->columns[c], groups->capacity, wanted);
        if (done)
            empty_ends(&groups->columns[c], groups->capacity, wanted);
    }
    if (done)
        groups->capacity = wanted;
    return done;
}

/* ---- One vector. ------------------------------------------------------------------------------------------------------- */

struct chosen { /* rows of a vector, and the group of each */
    uint32_t count;
    bool all; /* they are the rows 0 .. count - 1 */
    uint16_t row[MIRROR_VECTOR_ROWS];
    uint32_t group[MIRROR_VECTOR_ROWS];
};

static void list_rows(const struct mirror_rows *within, uint32_t slots, struct chosen *chosen)
{
    uint32_t count = 0;
    chosen->all = within->count == slots;
    for (uint32_t w = 0; w < MIRROR_VECTOR_ROWS / 64; w++)
        for (uint64_t word = within->bits[w]; word != 0; word &= word - 1)
            chosen->row[count++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(word));
    chosen->count = count;
}

/* Numbers that aren't NULL, one after another, with their groups. */
struct numbers {
    uint32_t count;
    const uint32_t *group;
    const uint64_t *bits; /* of integers or REALs */
};

static void gather(const struct mirror_column_data *data, const struct chosen *chosen, uint64_t *bits, uint32_t *group,
                   struct numbers *numbers)
{
    const uint64_t *values = data->data;
    uint32_t count = 0;
    for (uint32_t i = 0; i < chosen->count; i++) {
        uint32_t row = chosen->row[i];
        bits[count] = values[row];
        group[count] = chosen->group[i];
        count += !data->has_nulls || (data->valid[row / 64] >> (row % 64) & 1) != 0;
    }
    *numbers = (struct numbers){.count = count, .group = group, .bits = bits};
}

static bool add_reals(struct base_bin_sum *sums, const struct numbers *numbers)
{
    struct base_bin_sum *each[MIRROR_VECTOR_ROWS];
    for (uint32_t i = 0; i < numbers->count; i++)
        each[i] = &sums[numbers->group[i]];
    return base_bin_sum_add_each(each, (const double *)(const void *)numbers->bits, numbers->count);
}

static void add_ends(const struct group_column *column, const struct numbers *numbers)
{
    for (uint32_t i = 0; i < numbers->count; i++) {
        struct ends *ends = &column->ends[numbers->group[i]];
        if (column->class == RHEI_INTEGER) {
            int64_t value = (int64_t)numbers->bits[i];
            ends->low.integer = value < ends->low.integer ? value : ends->low.integer;
            ends->high.integer = value > ends->high.integer ? value : ends->high.integer;
        } else {
            double value;
            memcpy(&value, &numbers->bits[i], sizeof value);
            ends->low.real = value < ends->low.real ? value : ends->low.real;
            ends->high.real = value > ends->high.real ? value : ends->high.real;
        }
    }
}

/* Only how many aren't NULL: of any class and layout. */
static void count_values(const struct group_column *column, const struct mirror_column_data *data,
                         const struct chosen *chosen)
{
    for (uint32_t i = 0; i < chosen->count; i++) {
        uint32_t row = chosen->row[i];
        column->counts[chosen->group[i]] += !data->has_nulls || (data->valid[row / 64] >> (row % 64) & 1) != 0;
    }
}

static rhei_status add_column(struct group_column *column, const struct mirror_column_data *data,
                              const struct chosen *chosen)
{
    uint64_t bits[MIRROR_VECTOR_ROWS];
    uint32_t group[MIRROR_VECTOR_ROWS];
    struct numbers numbers = {.count = chosen->count, .group = chosen->group, .bits = data->data};
    if (data->layout == MIRROR_LAYOUT_EMPTY)
        return RHEI_OK; /* nothing but NULL */
    if (column->counts != NULL)
        count_values(column, data, chosen);
    if (!column->sums && !column->extremes)
        return RHEI_OK;
    if (data->layout != (uint8_t)column->class)
        return RHEI_UNSUPPORTED;
    if (!chosen->all || data->has_nulls)
        gather(data, chosen, bits, group, &numbers);
    for (uint32_t i = 0; column->integers != NULL && i < numbers.count; i++)
        column->integers[numbers.group[i]] += (int64_t)numbers.bits[i];
    if (column->reals != NULL && !add_reals(column->reals, &numbers))
        return RHEI_NO_MEMORY;
    if (column->ends != NULL)
        add_ends(column, &numbers);
    return RHEI_OK;
}

static rhei_status add_vector(struct mirror_groups *groups, const struct mirror_table_view *view, uint32_t segment,
                              uint32_t vector, uint32_t key, struct chosen *chosen)
{
    struct mirror_column_data data;
    mirror_view_column(view, segment, vector, key, &data);
    rhei_status status = group_keys_find(&groups->keys, &data, chosen->row, chosen->count, chosen->group);
    if (status != RHEI_OK)
        return status;
    if (!make_room(groups))
        return RHEI_NO_MEMORY;
    for (uint32_t i = 0; i < chosen->count; i++)
        groups->rows[chosen->group[i]]++;
    for (uint32_t c = 0; c < groups->column_count && status == RHEI_OK; c++) {
        struct group_column *column = &groups->columns[c];
        if (!column->has_nulls && !column->sums && !column->extremes)
            continue;
        mirror_view_column(view, segment, vector, column->column, &data);
        status = add_column(column, &data, chosen);
    }
    return status;
}

/* ---- The whole table. -------------------------------------------------------------------------------------------------- */

static rhei_status walk(struct mirror_groups *groups, const struct mirror_table_view *view,
                        const struct mirror_grouping *grouping)
{
    struct mirror_bounds bounds[MIRROR_MOST_RANGES];
    struct chosen chosen;
    for (uint32_t r = 0; r < grouping->range_count; r++)
        mirror_bounds_make(&grouping->ranges[r], &bounds[r]);
    rhei_status status = RHEI_OK;
    struct mirror_hold hold = {NULL};
    for (uint32_t s = 0; s < mirror_view_segment_count(view) && status == RHEI_OK; s++) {
        uint32_t slots = mirror_view_segment_rows(view, s);
        mirror_hold(view, s, &hold);
        for (uint32_t v = 0; v * MIRROR_VECTOR_ROWS < slots && status == RHEI_OK; v++) {
            uint32_t left = slots - v * MIRROR_VECTOR_ROWS;
            struct mirror_rows within;
            bool looked;
            mirror_rows_within(view, s, v, bounds, grouping->range_count, &within, &looked);
            list_rows(&within, left < MIRROR_VECTOR_ROWS ? left : MIRROR_VECTOR_ROWS, &chosen);
            if (chosen.count > 0)
                status = add_vector(groups, view, s, v, grouping->key, &chosen);
        }
        if (status == RHEI_OK && grouping->stop.check != NULL)
            status = grouping->stop.check(grouping->stop.context);
    }
    mirror_hold_end(&hold);
    return status;
}

/* False: the column has held a class that can't be added up. */
static bool column_init(struct group_column *column, const struct mirror_table_view *view,
                        const struct mirror_group_column *asked)
{
    uint32_t flags = mirror_view_column_flags(view, asked->column), held = flags & MIRROR_CLASSES;
    *column = (struct group_column){.column = asked->column,
                                    .sums = asked->sums,
                                    .extremes = asked->extremes,
                                    .has_nulls = (flags & MIRROR_HAS_NULL) != 0 || held == 0};
    if (held == 0)
        column->sums = column->extremes = false; /* newer rows may have brought values, but none that the view shows */
    if (!column->sums && !column->extremes)
        return true;
    column->class = held == MIRROR_HAS_INTEGER ? RHEI_INTEGER : held == MIRROR_HAS_REAL ? RHEI_REAL : RHEI_NULL;
    return column->class != RHEI_NULL;
}

rhei_status mirror_group(const struct mirror_table_view *view, const struct mirror_grouping *grouping,
                         struct mirror_groups **out, struct rhei_error *error)
{
    *out = NULL;
    if (grouping->range_count > MIRROR_MOST_RANGES)
        return error_set(error, RHEI_INVALID, "more than %d ranges", (int)MIRROR_MOST_RANGES);
    struct mirror_groups *groups =
        base_alloc_zero(1, sizeof *groups + grouping->column_count * sizeof *groups->columns);
    if (groups == NULL)
        return error_no_memory(error);
    groups->column_count = grouping->column_count;
    rhei_status status = group_keys_init(&groups->keys, view, grouping->key, grouping->most_groups);
    for (uint32_t c = 0; c < grouping->column_count && status == RHEI_OK; c++)
        if (!column_init(&groups->columns[c], view, &grouping->columns[c]))
            status = RHEI_UNSUPPORTED;
    if (status == RHEI_OK)
        status = walk(groups, view, grouping);
    if (status == RHEI_OK) {
        *out = groups;
        return RHEI_OK;
    }
    mirror_groups_free(&groups);
    if (status == RHEI_NO_MEMORY)
        return error_no_memory(error);
    return status == RHEI_UNSUPPORTED
               ? status
               : error_set(error, status, "the statement was ended while the column store was read");
}

/* ---- What came out. ---------------------------------------------------------------------------------------------------- */

uint32_t mirror_groups_count(const struct mirror_groups *groups)
{
    return groups->keys.count;
}

void mirror_groups_key(const struct mirror_groups *groups, uint32_t group, struct rhei_value *key)
{
    const union mirror_cell *cell = &groups->keys.values[group];
    *key = (struct rhei_value){.type = RHEI_NULL};
    if (group == groups->keys.null_group)
        return;
    key->type = groups->keys.class;
    if (key->type == RHEI_INTEGER)
        key->as.integer = cell->integer;
    else
        key->as.bytes = mirror_string_bytes(&cell->string, &key->length);
}

uint64_t mirror_groups_rows(const struct mirror_groups *groups, uint32_t group)
{
    return groups->rows[group];
}

void mirror_groups_total(const struct mirror_groups *groups, uint32_t group, uint32_t at, struct mirror_total *total)
{
    const struct group_column *column = &groups->columns[at];
    *total = (struct mirror_total){.column = column->column, .numbers = column->class != RHEI_NULL};
    total->count = column->counts == NULL ? groups->rows[group] : column->counts[group];
    if (column->integers != NULL) {
        total->sum_low = (uint64_t)column->integers[group];
        total->sum_high = (int64_t)(column->integers[group] >> 64);
    }
    if (column->reals != NULL)
        total->reals = column->reals[group];
    total->low.type = total->high.type = total->count == 0 ? RHEI_NULL : column->class;
    if (column->ends == NULL || total->count == 0)
        return;
    memcpy(&total->low.as, &column->ends[group].low, sizeof column->ends->low);
    memcpy(&total->high.as, &column->ends[group].high, sizeof column->ends->high);
}

void mirror_groups_free(struct mirror_groups **out)
{
    struct mirror_groups *groups = *out;
    *out = NULL;
    if (groups == NULL)
        return;
    for (uint32_t c = 0; c < groups->column_count; c++) {
        struct group_column *column = &groups->columns[c];
        for (uint32_t g = 0; column->reals != NULL && g < groups->capacity; g++)
            base_bin_sum_reset(&column->reals[g]);
        base_free(column->counts);
        base_free(column->integers);
        base_free(column->reals);
        base_free(column->ends);
    }
    group_keys_reset(&groups->keys);
    base_free(groups->rows);
    base_free(groups);
}
