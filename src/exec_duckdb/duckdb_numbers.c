/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What SQLite does to numbers, as functions that name each operand once. DuckDB's own words for most of these name an operand
 * two or three times, so that an expression of n levels would grow to 3^n; short operands are still said in its own words,
 * which it can look through.
 */
#include <math.h>
#include <stdio.h>

#include "exec_duckdb/duckdb_udf.h"

static const double SMALL = 9007199254740992.0; /* 2^53 */

struct numbers {
    const struct duck_api *api;
    idx_t count;
    const double *a, *b;
    const int64_t *integers; /* the first argument, if it is a BIGINT */
    const bool *flags;       /* the last argument, if it is a BOOLEAN */
    const uint64_t *valid[DUCK_PARAMETERS];
    void *results;
    uint64_t *result_valid; /* NULL until something isn't */
    duckdb_vector output;
};

static struct numbers numbers_of(duckdb_data_chunk input, duckdb_vector output)
{
    const struct duck_api *api = duck_api();
    struct numbers n = {.api = api, .count = api->data_chunk_get_size(input), .output = output};
    idx_t columns = api->data_chunk_get_column_count(input);
    for (idx_t c = 0; c < columns && c < DUCK_PARAMETERS; c++)
        n.valid[c] = api->vector_get_validity(api->data_chunk_get_vector(input, c));
    n.a = api->vector_get_data(api->data_chunk_get_vector(input, 0));
    n.integers = (const int64_t *)(const void *)n.a;
    if (columns > 1)
        n.b = api->vector_get_data(api->data_chunk_get_vector(input, 1));
    if (columns > 1)
        n.flags = api->vector_get_data(api->data_chunk_get_vector(input, columns - 1));
    n.results = api->vector_get_data(output);
    return n;
}

/* A NULL's bytes are undefined. */
static bool given(const struct numbers *n, idx_t row)
{
    return duck_is_valid(n->valid[0], row) && duck_is_valid(n->valid[1], row) && duck_is_valid(n->valid[2], row);
}

static void make_null(struct numbers *n, idx_t row)
{
    if (n->result_valid == NULL) {
        n->api->vector_ensure_validity_writable(n->output);
        n->result_valid = n->api->vector_get_validity(n->output);
    }
    n->result_valid[row / 64] &= ~(UINT64_C(1) << (row % 64));
}

static void fail(duckdb_function_info info, const char *message)
{
    duck_api()->scalar_function_set_error(info, message);
}

/* An error for what a DOUBLE might not hold exactly. */
static void run_small(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    struct numbers n = numbers_of(input, output);
    double *results = n.results;
    for (idx_t row = 0; row < n.count; row++) {
        results[row] = n.a[row];
        if (!(fabs(n.a[row]) < SMALL) && given(&n, row)) {
            fail(info, "number beyond 2^53");
            return;
        }
    }
}

static void run_exact(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    struct numbers n = numbers_of(input, output);
    double *results = n.results;
    for (idx_t row = 0; row < n.count; row++) {
        results[row] = (double)n.integers[row];
        bool small = n.integers[row] >= -INT64_C(9007199254740992) && n.integers[row] <= INT64_C(9007199254740992);
        if (!small && given(&n, row)) {
            fail(info, "integer beyond 2^53");
            return;
        }
    }
}

/* NaN is NULL in SQLite. */
static void run_not_nan(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    (void)info;
    struct numbers n = numbers_of(input, output);
    double *results = n.results;
    for (idx_t row = 0; row < n.count; row++) {
        results[row] = n.a[row];
        if (isnan(n.a[row]))
            make_null(&n, row);
    }
}

/* Of two numbers within 2^53: the integers' quotient where the flag says that both are integers. */
static void run_divide(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    (void)info;
    struct numbers n = numbers_of(input, output);
    double *results = n.results;
    for (idx_t row = 0; row < n.count; row++) {
        results[row] = 0.0;
        if (!given(&n, row))
            continue;
        if (n.b[row] == 0.0) {
            make_null(&n, row);
            continue;
        }
        double quotient = n.a[row] / n.b[row];
        results[row] = n.flags[row] ? trunc(quotient) : quotient;
    }
}

/* An integer 0 has no sign. */
static void run_unsigned_zero(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    (void)info;
    struct numbers n = numbers_of(input, output);
    double *results = n.results;
    for (idx_t row = 0; row < n.count; row++)
        results[row] = given(&n, row) && n.flags[row] ? n.a[row] + 0.0 : n.a[row];
}

/* -0.0 isn't less than 0: it stays. */
static void run_abs(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    (void)info;
    struct numbers n = numbers_of(input, output);
    double *results = n.results;
    for (idx_t row = 0; row < n.count; row++)
        results[row] = n.a[row] < 0 ? -n.a[row] : n.a[row];
}

static void run_no_negative_zero(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    struct numbers n = numbers_of(input, output);
    double *results = n.results;
    for (idx_t row = 0; row < n.count; row++) {
        results[row] = n.a[row];
        if (n.a[row] == 0.0 && signbit(n.a[row]) && given(&n, row)) {
            fail(info, "negative zero");
            return;
        }
    }
}

static void run_is_whole(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    (void)info;
    struct numbers n = numbers_of(input, output);
    bool *results = n.results;
    for (idx_t row = 0; row < n.count; row++)
        results[row] = given(&n, row) && trunc(n.a[row]) == n.a[row] && fabs(n.a[row]) <= SMALL;
}

/* As a text: an integer's, or a REAL's. */
static void run_number_text(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    struct numbers n = numbers_of(input, output);
    const struct executor_helper *helper = n.api->scalar_function_get_extra_info(info);
    char text[EXECUTOR_TEXT_BYTES];
    for (idx_t row = 0; row < n.count; row++) {
        if (!given(&n, row))
            continue;
        uint32_t length = n.flags[row] ? (uint32_t)snprintf(text, sizeof text, "%lld", (long long)n.a[row])
                                       : helper->as.real_text(n.a[row], text);
        n.api->vector_assign_string_element_len(output, row, text, length);
    }
}

DUCK_OR_NULL(run_small)
DUCK_OR_NULL(run_exact)
DUCK_OR_NULL(run_not_nan)
DUCK_OR_NULL(run_divide)
DUCK_OR_NULL(run_unsigned_zero)
DUCK_OR_NULL(run_abs)
DUCK_OR_NULL(run_no_negative_zero)
DUCK_OR_NULL(run_is_whole)
DUCK_OR_NULL(run_number_text)

rhei_status duck_numbers_register(struct duck_database *database, struct rhei_error *error)
{
    static const struct duck_signature numbers[] = {
        {"rhei_small", run_small_or_null, DOUBLE, .parameters = {DOUBLE}},
        {"rhei_exact", run_exact_or_null, DOUBLE, .parameters = {BIGINT}},
        {"rhei_not_nan", run_not_nan_or_null, DOUBLE, .parameters = {DOUBLE}},
        {"rhei_divide", run_divide_or_null, DOUBLE, .parameters = {DOUBLE, DOUBLE, BOOLEAN}},
        {"rhei_unsigned_zero", run_unsigned_zero_or_null, DOUBLE, .parameters = {DOUBLE, BOOLEAN}},
        {"rhei_abs", run_abs_or_null, DOUBLE, .parameters = {DOUBLE}},
        {"rhei_no_negative_zero", run_no_negative_zero_or_null, DOUBLE, .parameters = {DOUBLE}},
        {"rhei_is_whole", run_is_whole_or_null, BOOLEAN, .parameters = {DOUBLE}},
    };
    const struct executor_helper *real_text =
        duck_helper_find(database->executor, "rhei_real_text", EXECUTOR_REAL_TEXT);
    const struct duck_signature text = {"rhei_number_text", run_number_text_or_null, VARCHAR,
                                        .parameters = {DOUBLE, BOOLEAN}, .info = real_text};
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == RHEI_OK; i++)
        status = duck_register_functions(database, &numbers[i], 1, error);
    if (status == RHEI_OK && real_text != NULL)
        status = duck_register_functions(database, &text, 1, error);
    return status;
}
