/* SPDX-License-Identifier: Apache-2.0 */
/* What the library is told of us: scans, SQLite's functions, the exact sum. */
#include <stdio.h>
#include <string.h>

#include "base/base_bin_sum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_datafusion/datafusion_internal.h"
#include "port/executor_evaluate.h"

/* ---- The exact sum ----------------------------------------------------------------------------------------------- */

/* A sum, and how many more values than it knows of are in it: what a merged state stands for. */
struct df_sum {
    struct base_bin_sum sum;
    int64_t more;
};

static int32_t sum_add_run(void *state, const double *values, size_t count)
{
    return base_bin_sum_add_run(&((struct df_sum *)state)->sum, values, count);
}

_Static_assert(offsetof(struct df_sum, sum) == 0, "a state's address is its sum's");

static int32_t sum_add_each(void *const *states, const double *values, size_t count)
{
    return base_bin_sum_add_each((struct base_bin_sum *const *)states, values, count);
}

static uint32_t sum_parts(const void *state, double *parts)
{
    uint32_t count = 0;
    return base_bin_sum_parts(&((const struct df_sum *)state)->sum, parts, &count) ? count : UINT32_MAX;
}

static int64_t sum_count(const void *state)
{
    const struct df_sum *sum = state;
    return base_bin_sum_count(&sum->sum) + sum->more;
}

static void sum_recount(void *state, int64_t more)
{
    ((struct df_sum *)state)->more += more;
}

static int32_t sum_result(const void *state, double *result)
{
    return base_bin_sum_result(&((const struct df_sum *)state)->sum, result);
}

static void sum_reset(void *state)
{
    base_bin_sum_reset(&((struct df_sum *)state)->sum);
    ((struct df_sum *)state)->more = 0;
}

/* ---- SQLite's functions ------------------------------------------------------------------------------------------ */

/* One thread's. */
struct df_evaluator {
    const struct executor_helpers *helpers;
    void *own;
    const struct executor_helper *written_for; /* whose expression it is, of `count` arguments */
    uint32_t count;
    char expression[EXECUTOR_EXPRESSION_SIZE];
};

static void *evaluator_open(void *context)
{
    struct df_evaluator *evaluator = base_alloc_zero(1, sizeof *evaluator);
    if (evaluator == NULL)
        return NULL;
    evaluator->helpers = context;
    evaluator->own = evaluator->helpers->evaluator.open();
    if (evaluator->own == NULL) {
        base_free(evaluator);
        return NULL;
    }
    return evaluator;
}

static void evaluator_close(void *context)
{
    struct df_evaluator *evaluator = context;
    evaluator->helpers->evaluator.close(evaluator->own);
    base_free(evaluator);
}

static int32_t refuse(struct rhei_df_error *error, const char *message)
{
    error->status = RHEI_DF_COMPUTE;
    snprintf(error->message, sizeof error->message, "%s", message);
    return error->status;
}

static void write_expression(struct df_evaluator *evaluator, const struct executor_helper *helper, uint32_t count)
{
    if (evaluator->written_for == helper && evaluator->count == count)
        return;
    evaluator->written_for = helper;
    evaluator->count = count;
    executor_expression(helper, count, evaluator->expression);
}

static bool class_fits(uint8_t form, uint8_t class)
{
    switch (form) {
    case EXECUTOR_EVALUATED_TEXT:
        return class == RHEI_TEXT;
    case EXECUTOR_EVALUATED_REAL:
        return class == RHEI_REAL;
    default:
        return class == RHEI_INTEGER;
    }
}

static int32_t evaluate(void *context, uint32_t number, const struct rhei_df_value *arguments, uint32_t count,
                        struct rhei_df_value *out, struct rhei_df_error *error)
{
    struct df_evaluator *evaluator = context;
    const struct executor_helper *helper = &evaluator->helpers->list[number];
    struct rhei_value values[EXECUTOR_MOST_ARGUMENTS], result = {.type = RHEI_NULL};
    if (count > helper->most || count > EXECUTOR_MOST_ARGUMENTS)
        return refuse(error, "too many arguments");
    for (uint32_t i = 0; i < count; i++) {
        values[i] =
            (struct rhei_value){.type = RHEI_TEXT, .as.bytes = arguments[i].bytes, .length = arguments[i].length};
        if (helper->as.evaluated.dated && executor_depends_on_now(&values[i]))
            return refuse(error, "the time and place of the query belong to SQLite");
    }
    write_expression(evaluator, helper, count);
    if (!evaluator->helpers->evaluator.evaluate(evaluator->own, evaluator->expression, values, count, &result) ||
        (result.type != RHEI_NULL && !class_fits(helper->form, result.type)))
        return refuse(error, "SQLite can't compute this function here");
    *out = (struct rhei_df_value){.type = result.type};
    if (result.type == RHEI_INTEGER)
        out->integer = result.as.integer;
    else if (result.type == RHEI_REAL)
        out->real = result.as.real;
    else if (result.type == RHEI_TEXT) {
        out->bytes = result.as.bytes;
        out->length = result.length;
    }
    return RHEI_DF_OK;
}

/* ISO C converts no function pointer to another kind in an initialiser of several kinds; the form says which it is. */
static void (*function_of(const struct executor_helper *helper))(void)
{
    switch (helper->form) {
    case EXECUTOR_TEXTS_TRUTH:
        return (void (*)(void))helper->as.texts_truth;
    case EXECUTOR_REAL_TEXT:
        return (void (*)(void))helper->as.real_text;
    case EXECUTOR_REAL_REAL:
        return (void (*)(void))helper->as.real_real;
    default:
        return NULL;
    }
}

rhei_status df_host_fill(struct df_executor *executor, struct rhei_error *error)
{
    const struct executor_helpers *helpers = &executor->config.helpers;
    bool evaluates = helpers->evaluator.open != NULL;
    uint32_t count = 0;
    executor->helpers = base_alloc_zero((size_t)helpers->count + 1, sizeof *executor->helpers);
    if (executor->helpers == NULL)
        return error_no_memory(error);
    /* The number of a helper in both lists is the same. */
    for (uint32_t i = 0; i < helpers->count; i++) {
        const struct executor_helper *helper = &helpers->list[i];
        executor->helpers[count++] = (struct rhei_df_helper){.name = helper->name,
                                                             .fewest = helper->fewest,
                                                             .most = helper->most,
                                                             .form = helper->form,
                                                             .function = function_of(helper)};
    }
    executor->host = (struct rhei_df_host){
        .size = sizeof executor->host,
        .table = df_statement_table,
        .named = df_statement_named,
        .scan_open = df_scan_open,
        .scan_next = df_scan_next,
        .scan_close = df_scan_close,
        .check = df_statement_check,
        .sum = {.size = sizeof(struct df_sum),
                .most_parts = BASE_BIN_SUM_PARTS,
                .add_run = sum_add_run,
                .add_each = sum_add_each,
                .parts = sum_parts,
                .count = sum_count,
                .result = sum_result,
                .recount = sum_recount,
                .reset = sum_reset},
        .helpers = executor->helpers,
        .helper_count = count,
        .context = &executor->config.helpers,
        .evaluator_open = evaluates ? evaluator_open : NULL,
        .evaluate = evaluates ? evaluate : NULL,
        .evaluator_close = evaluates ? evaluator_close : NULL,
    };
    return RHEI_OK;
}
