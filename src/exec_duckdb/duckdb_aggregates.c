/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rhei_sum, rhei_avg and rhei_total: exact sums of doubles, the same that the row store uses, so that both give the same
 * bits whatever the threads, the plan and the order.
 *
 * In two cases DuckDB gives one state for many rows, which a C function can't see: it would read past it. duckdb_guard.c
 * keeps translated texts from both; native texts may not name these functions.
 */
#include <math.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_exact_sum.h"
#include "exec_duckdb/duckdb_internal.h"

static const char no_memory[] = "out of memory";

static idx_t state_size(duckdb_function_info info)
{
    (void)info;
    return sizeof(struct base_exact_sum);
}

static void state_init(duckdb_function_info info, duckdb_aggregate_state state)
{
    (void)info;
    memset(state, 0, sizeof(struct base_exact_sum));
}

static void state_destroy(duckdb_aggregate_state *states, idx_t count)
{
    for (idx_t i = 0; i < count; i++)
        base_exact_sum_reset((struct base_exact_sum *)states[i]);
}

/* Without GROUP BY all rows are of one state. */
static idx_t same_state(duckdb_aggregate_state *states, idx_t from, idx_t count)
{
    idx_t to = from + 1;
    while (to < count && states[to] == states[from])
        to++;
    return to;
}

/* NaN is what SQLite would have stored or computed as NULL. */
static bool add_value(struct base_exact_sum *sum, double value)
{
    return isnan(value) || base_exact_sum_add(sum, value);
}

static bool add_values(struct base_exact_sum *sum, const double *values, idx_t count)
{
    idx_t row = 0;
    while (row < count) {
        row += base_exact_sum_add_run(sum, values + row, (size_t)(count - row));
        if (row < count && !add_value(sum, values[row++]))
            return false;
    }
    return true;
}

/* Few groups: their rows are gathered, since a run of values is added several times as fast as one by one. */
enum { GATHERED_GROUPS = 8, GATHERED_ROWS = 256 };

struct gathered {
    struct base_exact_sum *sums[GATHERED_GROUPS];
    uint32_t counts[GATHERED_GROUPS], groups;
    double values[GATHERED_GROUPS][GATHERED_ROWS];
};

static bool gather(struct gathered *gathered, struct base_exact_sum *sum, double value)
{
    uint32_t group = GATHERED_GROUPS;
    for (uint32_t i = 0; i < GATHERED_GROUPS; i++) /* without a branch that could be mispredicted */
        group = gathered->sums[i] == sum ? i : group;
    if (group == GATHERED_GROUPS) {
        group = gathered->groups;
        if (group == GATHERED_GROUPS)
            return add_value(sum, value);
        gathered->sums[group] = sum;
        gathered->counts[group] = 0;
        gathered->groups++;
    }
    gathered->values[group][gathered->counts[group]++] = value;
    if (gathered->counts[group] < GATHERED_ROWS)
        return true;
    gathered->counts[group] = 0;
    return add_values(sum, gathered->values[group], GATHERED_ROWS);
}

static bool add_gathered(struct gathered *gathered)
{
    bool added = true;
    for (uint32_t group = 0; group < gathered->groups && added; group++)
        added = add_values(gathered->sums[group], gathered->values[group], gathered->counts[group]);
    return added;
}

/* Are there few states among the first rows? */
static bool few_groups(duckdb_aggregate_state *states, idx_t count)
{
    duckdb_aggregate_state seen[GATHERED_GROUPS];
    uint32_t groups = 0;
    for (idx_t row = 0; row < count && row < 64; row++) {
        uint32_t group = 0;
        while (group < groups && seen[group] != states[row])
            group++;
        if (group == groups && groups == GATHERED_GROUPS)
            return false;
        if (group == groups)
            seen[groups++] = states[row];
    }
    return count > 64;
}

static bool update_few(const double *values, const uint64_t *valid, duckdb_aggregate_state *states, idx_t count)
{
    struct gathered gathered;
    gathered.groups = 0;
    memset(gathered.sums, 0, sizeof gathered.sums);
    bool added = true;
    for (idx_t row = 0; row < count && added; row++)
        if (valid == NULL || (valid[row / 64] >> (row % 64) & 1) != 0)
            added = gather(&gathered, (struct base_exact_sum *)states[row], values[row]);
    return added && add_gathered(&gathered);
}

static bool update_each(const double *values, const uint64_t *valid, duckdb_aggregate_state *states, idx_t count)
{
    bool added = true;
    for (idx_t row = 0; row < count && added; row++)
        if (valid == NULL || (valid[row / 64] >> (row % 64) & 1) != 0)
            added = add_value((struct base_exact_sum *)states[row], values[row]);
    return added;
}

static void state_update(duckdb_function_info info, duckdb_data_chunk input, duckdb_aggregate_state *states)
{
    const struct duck_api *api = duck_api();
    idx_t count = api->data_chunk_get_size(input);
    duckdb_vector vector = api->data_chunk_get_vector(input, 0);
    const double *values = api->vector_get_data(vector);
    const uint64_t *valid = api->vector_get_validity(vector);
    bool added = true;
    if (valid == NULL && count > 0 && same_state(states, 0, count) == count)
        added = add_values((struct base_exact_sum *)states[0], values, count);
    else if (few_groups(states, count))
        added = update_few(values, valid, states, count);
    else
        added = update_each(values, valid, states, count);
    if (!added)
        api->aggregate_function_set_error(info, no_memory);
}

static void state_combine(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_aggregate_state *target,
                          idx_t count)
{
    for (idx_t i = 0; i < count; i++) {
        if (!base_exact_sum_merge((struct base_exact_sum *)target[i], (struct base_exact_sum *)source[i])) {
            duck_api()->aggregate_function_set_error(info, no_memory);
            return;
        }
    }
}

enum outcome { OUTCOME_SUM, OUTCOME_AVERAGE, OUTCOME_TOTAL };

static double outcome_of(const struct base_exact_sum *sum, enum outcome outcome)
{
    double result = base_exact_sum_result(sum);
    return outcome == OUTCOME_AVERAGE ? result / (double)sum->count : result;
}

static void finalize(duckdb_aggregate_state *source, duckdb_vector output, idx_t count, idx_t offset,
                     enum outcome outcome)
{
    const struct duck_api *api = duck_api();
    double *results = api->vector_get_data(output);
    uint64_t *valid = NULL;
    for (idx_t i = 0; i < count; i++) {
        const struct base_exact_sum *sum = (const struct base_exact_sum *)source[i];
        double result = outcome_of(sum, outcome);
        if (!isnan(result) && (sum->count > 0 || outcome == OUTCOME_TOTAL)) {
            results[offset + i] = result;
            continue;
        }
        if (valid == NULL) {
            api->vector_ensure_validity_writable(output);
            valid = api->vector_get_validity(output);
        }
        valid[(offset + i) / 64] &= ~(UINT64_C(1) << ((offset + i) % 64));
    }
}

static void finalize_sum(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_vector output, idx_t count,
                         idx_t offset)
{
    (void)info;
    finalize(source, output, count, offset, OUTCOME_SUM);
}

static void finalize_average(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_vector output,
                             idx_t count, idx_t offset)
{
    (void)info;
    finalize(source, output, count, offset, OUTCOME_AVERAGE);
}

static void finalize_total(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_vector output, idx_t count,
                           idx_t offset)
{
    (void)info;
    finalize(source, output, count, offset, OUTCOME_TOTAL);
}

static rhei_status register_one(struct duck_database *database, const char *name, duckdb_aggregate_finalize_t finalizer,
                                struct rhei_error *error)
{
    const struct duck_api *api = database->executor->api;
    duckdb_aggregate_function function = api->create_aggregate_function();
    duckdb_logical_type number = api->create_logical_type(DUCKDB_TYPE_DOUBLE);
    api->aggregate_function_set_name(function, name);
    api->aggregate_function_add_parameter(function, number);
    api->aggregate_function_set_return_type(function, number);
    api->aggregate_function_set_functions(function, state_size, state_init, state_update, state_combine, finalizer);
    api->aggregate_function_set_destructor(function, state_destroy);
    duckdb_state state = api->register_aggregate_function(database->admin, function);
    api->destroy_logical_type(&number);
    api->destroy_aggregate_function(&function);
    return state == DuckDBSuccess
               ? RHEI_OK
               : error_set(error, RHEI_INTERNAL, "DuckDB did not accept the aggregate function %s", name);
}

rhei_status duck_aggregates_register(struct duck_database *database, struct rhei_error *error)
{
    rhei_status status = register_one(database, "rhei_sum", finalize_sum, error);
    if (status == RHEI_OK)
        status = register_one(database, "rhei_avg", finalize_average, error);
    if (status == RHEI_OK)
        status = register_one(database, "rhei_total", finalize_total, error);
    return status;
}
