/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that only SQLite itself can compute: dates, and numbers read from text. Each thread that computes has an
 * evaluator of its own (executor_evaluator), which is a connection to SQLite with a prepared expression.
 */
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_udf.h"
#include "port/executor_evaluate.h"

/* One thread's. */
struct evaluating {
    const struct duck_helper *known;
    void *evaluator;
    char expression[EXECUTOR_EXPRESSION_SIZE]; /* written at the first row, when the number of arguments is known */
};

static void evaluating_free(void *context)
{
    struct evaluating *evaluating = context;
    evaluating->known->executor->config.helpers.evaluator.close(evaluating->evaluator);
    base_free(evaluating);
}

void duck_evaluate_init(duckdb_init_info info)
{
    const struct duck_api *api = duck_api();
    const struct duck_helper *known = api->scalar_function_init_get_extra_info(info);
    struct evaluating *evaluating = base_alloc_zero(1, sizeof *evaluating);
    if (evaluating != NULL) {
        evaluating->known = known;
        evaluating->evaluator = known->executor->config.helpers.evaluator.open();
    }
    if (evaluating == NULL || evaluating->evaluator == NULL) {
        base_free(evaluating);
        api->scalar_function_init_set_error(info, duck_no_memory);
        return;
    }
    api->scalar_function_init_set_state(info, evaluating, evaluating_free);
}

struct arguments {
    idx_t count;
    const duckdb_string_t *texts[EXECUTOR_MOST_ARGUMENTS];
    const uint64_t *valid[EXECUTOR_MOST_ARGUMENTS];
};

static bool read_arguments(const struct duck_api *api, const struct executor_helper *helper, duckdb_data_chunk input,
                           struct arguments *arguments)
{
    arguments->count = api->data_chunk_get_column_count(input);
    if (arguments->count > helper->most)
        return false;
    for (idx_t i = 0; i < arguments->count; i++) {
        duckdb_vector vector = api->data_chunk_get_vector(input, i);
        arguments->texts[i] = api->vector_get_data(vector);
        arguments->valid[i] = api->vector_get_validity(vector);
    }
    return true;
}

/* False: an argument is NULL, so the result is. */
static bool row_of(const struct arguments *arguments, idx_t row, struct rhei_value *values)
{
    for (idx_t i = 0; i < arguments->count; i++) {
        if (!duck_is_valid(arguments->valid[i], row))
            return false;
        const duckdb_string_t *text = &arguments->texts[i][row];
        values[i] = (struct rhei_value){
            .type = RHEI_TEXT, .as.bytes = duck_string_bytes(text), .length = text->value.inlined.length};
    }
    return true;
}

static void set_null(const struct duck_api *api, duckdb_vector output, idx_t row)
{
    api->vector_ensure_validity_writable(output);
    api->vector_get_validity(output)[row / 64] &= ~(UINT64_C(1) << (row % 64));
}

/* False: the value isn't of the class that the function gives. */
static bool put(const struct duck_api *api, duckdb_vector output, void *data, idx_t row, duckdb_type type,
                const struct rhei_value *value)
{
    if (value->type == RHEI_NULL) {
        set_null(api, output, row);
        return true;
    }
    switch (type) {
    case DUCKDB_TYPE_BOOLEAN:
        ((bool *)data)[row] = value->as.integer != 0;
        return value->type == RHEI_INTEGER;
    case DUCKDB_TYPE_BIGINT:
        ((int64_t *)data)[row] = value->as.integer;
        return value->type == RHEI_INTEGER;
    case DUCKDB_TYPE_DOUBLE:
        ((double *)data)[row] = value->as.real;
        return value->type == RHEI_REAL;
    default:
        if (value->type == RHEI_TEXT)
            api->vector_assign_string_element_len(output, row, value->as.bytes, value->length);
        return value->type == RHEI_TEXT;
    }
}

static void evaluate(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output, duckdb_type type)
{
    const struct duck_api *api = duck_api();
    struct evaluating *evaluating = api->scalar_function_get_state(info);
    const struct executor_helper *helper = evaluating->known->helper;
    const struct executor_evaluator *evaluator = &evaluating->known->executor->config.helpers.evaluator;
    struct arguments arguments;
    struct rhei_value values[EXECUTOR_MOST_ARGUMENTS];
    const char *failure = read_arguments(api, helper, input, &arguments) ? NULL : "too many arguments";
    idx_t count = api->data_chunk_get_size(input);
    void *data = api->vector_get_data(output);
    if (evaluating->expression[0] == '\0')
        executor_expression(helper, failure == NULL ? (uint32_t)arguments.count : 0, evaluating->expression);
    for (idx_t row = 0; row < count && failure == NULL; row++) {
        struct rhei_value result = {.type = RHEI_NULL};
        if (!row_of(&arguments, row, values)) {
            set_null(api, output, row);
            continue;
        }
        for (idx_t i = 0; i < arguments.count && helper->as.evaluated.dated; i++)
            if (executor_depends_on_now(&values[i]))
                failure = "the time and place of the query belong to SQLite";
        if (failure == NULL && (!evaluator->evaluate(evaluating->evaluator, evaluating->expression, values,
                                                     (uint32_t)arguments.count, &result) ||
                                !put(api, output, data, row, type, &result)))
            failure = "SQLite can't compute this function here";
    }
    if (failure != NULL)
        api->scalar_function_set_error(info, failure);
}

void duck_evaluate_text(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    evaluate(info, input, output, VARCHAR);
}

void duck_evaluate_real(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    evaluate(info, input, output, DOUBLE);
}

void duck_evaluate_integer(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    evaluate(info, input, output, BIGINT);
}

void duck_evaluate_truth(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    evaluate(info, input, output, BOOLEAN);
}
