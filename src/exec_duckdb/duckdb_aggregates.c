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

#include "base/base_bin_sum.h"
#include "base/base_error.h"
#include "exec_duckdb/duckdb_internal.h"

static const char no_memory[] = "out of memory";

static idx_t state_size(duckdb_function_info info)
{
    (void)info;
    return sizeof(struct base_bin_sum);
}

static void state_init(duckdb_function_info info, duckdb_aggregate_state state)
{
    (void)info;
    memset(state, 0, sizeof(struct base_bin_sum));
}

static void state_destroy(duckdb_aggregate_state *states, idx_t count)
{
    for (idx_t i = 0; i < count; i++)
        base_bin_sum_reset((struct base_bin_sum *)states[i]);
}

/* Without GROUP BY all rows are of one state. */
static idx_t same_state(duckdb_aggregate_state *states, idx_t from, idx_t count)
{
    idx_t to = from + 1;
    while (to < count && states[to] == states[from])
        to++;
    return to;
}

/* The rows that aren't NULL, some at a time. NaN is what SQLite would have stored or computed as NULL: bins leave it out. */
static bool update_valid(const double *values, const uint64_t *valid, duckdb_aggregate_state *states, idx_t count)
{
    enum { SOME = 512 };
    struct base_bin_sum *sums[SOME];
    double kept[SOME];
    for (idx_t row = 0; row < count;) {
        size_t some = 0;
        for (; row < count && some < SOME; row++) {
            sums[some] = (struct base_bin_sum *)states[row];
            kept[some] = values[row];
            some += valid[row / 64] >> (row % 64) & 1;
        }
        if (!base_bin_sum_add_each(sums, kept, some))
            return false;
    }
    return true;
}

static void state_update(duckdb_function_info info, duckdb_data_chunk input, duckdb_aggregate_state *states)
{
    const struct duck_api *api = duck_api();
    idx_t count = api->data_chunk_get_size(input);
    duckdb_vector vector = api->data_chunk_get_vector(input, 0);
    const double *values = api->vector_get_data(vector);
    const uint64_t *valid = api->vector_get_validity(vector);
    bool added = true;
    if (valid != NULL)
        added = update_valid(values, valid, states, count);
    else if (count > 0 && same_state(states, 0, count) == count)
        added = base_bin_sum_add_run((struct base_bin_sum *)states[0], values, count);
    else
        added = base_bin_sum_add_each((struct base_bin_sum *const *)states, values, count);
    if (!added)
        api->aggregate_function_set_error(info, no_memory);
}

static void state_combine(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_aggregate_state *target,
                          idx_t count)
{
    for (idx_t i = 0; i < count; i++) {
        if (!base_bin_sum_merge((struct base_bin_sum *)target[i], (const struct base_bin_sum *)source[i])) {
            duck_api()->aggregate_function_set_error(info, no_memory);
            return;
        }
    }
}

enum outcome { OUTCOME_SUM, OUTCOME_AVERAGE, OUTCOME_TOTAL };

/* False: no memory. */
static bool outcome_of(const struct base_bin_sum *sum, enum outcome outcome, double *result)
{
    if (!base_bin_sum_result(sum, result))
        return false;
    if (outcome == OUTCOME_AVERAGE)
        *result /= (double)base_bin_sum_count(sum);
    return true;
}

static void finalize(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_vector output, idx_t count,
                     idx_t offset, enum outcome outcome)
{
    const struct duck_api *api = duck_api();
    double *results = api->vector_get_data(output);
    uint64_t *valid = NULL;
    for (idx_t i = 0; i < count; i++) {
        const struct base_bin_sum *sum = (const struct base_bin_sum *)source[i];
        double result;
        if (!outcome_of(sum, outcome, &result)) {
            api->aggregate_function_set_error(info, no_memory);
            return;
        }
        if (!isnan(result) && (base_bin_sum_count(sum) > 0 || outcome == OUTCOME_TOTAL)) {
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
    finalize(info, source, output, count, offset, OUTCOME_SUM);
}

static void finalize_average(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_vector output,
                             idx_t count, idx_t offset)
{
    finalize(info, source, output, count, offset, OUTCOME_AVERAGE);
}

static void finalize_total(duckdb_function_info info, duckdb_aggregate_state *source, duckdb_vector output, idx_t count,
                           idx_t offset)
{
    finalize(info, source, output, count, offset, OUTCOME_TOTAL);
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
