/* SPDX-License-Identifier: Apache-2.0 */
/* The list of executor_helpers as DuckDB's functions: an adapter for each form (those of evaluated expressions: duckdb_evaluate.c). */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_udf.h"

enum { MAX_PATTERN = 50000 /* SQLite's own limit for LIKE and GLOB */ };

static const char too_complex[] = "LIKE or GLOB pattern too complex";

/* ---- LIKE and GLOB ----------------------------------------------------------------------------------------------- */

static bool same_string(const duckdb_string_t *a, const duckdb_string_t *b)
{
    return a->value.inlined.length == b->value.inlined.length &&
           memcmp(duck_string_bytes(a), duck_string_bytes(b), a->value.inlined.length) == 0;
}

/* The first character of a valid UTF-8 text, 0 if it is empty. */
static uint32_t first_character(const duckdb_string_t *string)
{
    const unsigned char *bytes = (const unsigned char *)duck_string_bytes(string);
    if (string->value.inlined.length == 0)
        return 0;
    if (bytes[0] < 0x80)
        return bytes[0];
    if (bytes[0] < 0xe0)
        return (bytes[0] & 0x1fU) << 6 | (bytes[1] & 0x3fU);
    if (bytes[0] < 0xf0)
        return (bytes[0] & 0x0fU) << 12 | (bytes[1] & 0x3fU) << 6 | (bytes[2] & 0x3fU);
    return (bytes[0] & 0x07U) << 18 | (bytes[1] & 0x3fU) << 12 | (bytes[2] & 0x3fU) << 6 | (bytes[3] & 0x3fU);
}

struct matching {
    const struct duck_api *api;
    idx_t count;
    const duckdb_string_t *arguments[DUCK_PARAMETERS]; /* pattern, text, escape or NULL */
    uint64_t *valid[DUCK_PARAMETERS];
};

static struct matching matching_of(duckdb_data_chunk input, idx_t parameters)
{
    const struct duck_api *api = duck_api();
    struct matching matching = {.api = api, .count = api->data_chunk_get_size(input)};
    for (idx_t i = 0; i < parameters; i++) {
        duckdb_vector vector = api->data_chunk_get_vector(input, i);
        matching.arguments[i] = api->vector_get_data(vector);
        matching.valid[i] = api->vector_get_validity(vector);
    }
    return matching;
}

static bool has_null(const struct matching *matching, idx_t row)
{
    for (int i = 0; i < DUCK_PARAMETERS; i++)
        if (matching->valid[i] != NULL && (matching->valid[i][row / 64] >> (row % 64) & 1) == 0)
            return true;
    return false;
}

static void match(duckdb_function_info info, const struct matching *matching, duckdb_vector output)
{
    const struct duck_helper *helper = matching->api->scalar_function_get_extra_info(info);
    bool *results = matching->api->vector_get_data(output);
    struct duck_terminated pattern_copy = {.heap = NULL};
    struct duck_terminated text_copy = {.heap = NULL};
    const char *pattern = NULL;
    const char *failure = NULL;
    const duckdb_string_t *known = NULL;
    struct duck_like like;
    bool simple = false;
    for (idx_t row = 0; row < matching->count && failure == NULL; row++) {
        if (has_null(matching, row))
            continue; /* a NULL's bytes are undefined */
        const duckdb_string_t *wanted = &matching->arguments[0][row];
        if (wanted->value.inlined.length > MAX_PATTERN) {
            failure = too_complex;
            break;
        }
        if (known == NULL || !same_string(known, wanted)) {
            pattern = duck_terminate(&pattern_copy, wanted);
            simple = helper->is_like && matching->arguments[2] == NULL &&
                     duck_like_read(&like, duck_string_bytes(wanted), wanted->value.inlined.length);
        }
        known = wanted;
        if (simple) {
            const duckdb_string_t *string = &matching->arguments[1][row];
            results[row] = duck_like_matches(&like, duck_string_bytes(string), string->value.inlined.length);
            continue;
        }
        const char *text = duck_terminate(&text_copy, &matching->arguments[1][row]);
        if (pattern == NULL || text == NULL)
            failure = duck_no_memory;
        else
            results[row] = helper->helper->as.texts_truth(
                pattern, text, matching->arguments[2] != NULL ? first_character(&matching->arguments[2][row]) : 0);
    }
    base_free(pattern_copy.heap);
    base_free(text_copy.heap);
    if (failure != NULL)
        matching->api->scalar_function_set_error(info, failure);
}

static void texts_truth(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    struct matching matching = matching_of(input, duck_api()->data_chunk_get_column_count(input));
    match(info, &matching, output);
}

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

static void real_real(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct duck_api *api = duck_api();
    const struct duck_helper *helper = api->scalar_function_get_extra_info(info);
    double (*const function)(double, int64_t) = helper->helper->as.real_real;
    bool has_integer = api->data_chunk_get_column_count(input) > 1;
    idx_t count = api->data_chunk_get_size(input);
    const double *values = api->vector_get_data(api->data_chunk_get_vector(input, 0));
    const int64_t *integers = has_integer ? api->vector_get_data(api->data_chunk_get_vector(input, 1)) : NULL;
    double *results = api->vector_get_data(output);
    for (idx_t row = 0; row < count; row++)
        results[row] = function(values[row], has_integer ? integers[row] : 0);
}

static void real_text(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct duck_api *api = duck_api();
    const struct duck_helper *helper = api->scalar_function_get_extra_info(info);
    uint32_t (*const function)(double, char *) = helper->helper->as.real_text;
    idx_t count = api->data_chunk_get_size(input);
    const double *values = api->vector_get_data(api->data_chunk_get_vector(input, 0));
    char text[EXECUTOR_TEXT_BYTES];
    for (idx_t row = 0; row < count; row++) {
        uint32_t length = function(values[row], text);
        api->vector_assign_string_element_len(output, row, text, length);
    }
}

DUCK_OR_NULL(real_real)
DUCK_OR_NULL(real_text)
DUCK_OR_NULL(texts_truth)

/* ---- The list ---------------------------------------------------------------------------------------------------- */

static const struct adapter {
    duckdb_scalar_function_t run;
    duckdb_type result;
    duckdb_type parameters[DUCK_PARAMETERS];
    bool evaluated; /* any number of texts */
} adapters[EXECUTOR_FORMS] = {
    [EXECUTOR_TEXTS_TRUTH] = {texts_truth_or_null, BOOLEAN, {VARCHAR, VARCHAR, VARCHAR}, false},
    [EXECUTOR_REAL_TEXT] = {real_text_or_null, VARCHAR, {DOUBLE}, false},
    [EXECUTOR_REAL_REAL] = {real_real_or_null, DOUBLE, {DOUBLE, BIGINT}, false},
    [EXECUTOR_EVALUATED_TEXT] = {duck_evaluate_text, VARCHAR, {DUCKDB_TYPE_INVALID}, true},
    [EXECUTOR_EVALUATED_REAL] = {duck_evaluate_real, DOUBLE, {DUCKDB_TYPE_INVALID}, true},
    [EXECUTOR_EVALUATED_INTEGER] = {duck_evaluate_integer, BIGINT, {DUCKDB_TYPE_INVALID}, true},
    [EXECUTOR_EVALUATED_TRUTH] = {duck_evaluate_truth, BOOLEAN, {DUCKDB_TYPE_INVALID}, true},
};

static rhei_status register_evaluated(struct duck_database *database, const struct duck_helper *known,
                                      const struct adapter *adapter, struct rhei_error *error)
{
    const struct executor_helper *helper = known->helper;
    struct duck_signature signature = {.name = helper->name,
                                       .run = adapter->run,
                                       .result = adapter->result,
                                       .init = duck_evaluate_init,
                                       .info = known};
    for (uint32_t i = 0; i < helper->fewest && i < DUCK_PARAMETERS; i++)
        signature.parameters[i] = VARCHAR;
    if (helper->most > helper->fewest || helper->fewest > DUCK_PARAMETERS)
        signature.more = VARCHAR;
    return duck_register_functions(database, &signature, 1, error);
}

/* One signature for each number of arguments. */
static rhei_status register_direct(struct duck_database *database, const struct duck_helper *known,
                                   const struct adapter *adapter, struct rhei_error *error)
{
    struct duck_signature signatures[DUCK_PARAMETERS] = {{0}};
    uint32_t count = 0;
    for (uint32_t given = known->helper->fewest; given <= known->helper->most && given <= DUCK_PARAMETERS; given++) {
        struct duck_signature *signature = &signatures[count++];
        *signature = (struct duck_signature){
            .name = known->helper->name, .run = adapter->run, .result = adapter->result, .info = known};
        memcpy(signature->parameters, adapter->parameters, given * sizeof adapter->parameters[0]);
    }
    return duck_register_functions(database, signatures, count, error);
}

const struct executor_helper *duck_helper_find(const struct duck_executor *executor, const char *name, uint8_t form)
{
    const struct executor_helpers *helpers = &executor->config.helpers;
    for (uint32_t i = 0; i < helpers->count; i++)
        if (helpers->list[i].form == form && strcmp(helpers->list[i].name, name) == 0)
            return &helpers->list[i];
    return NULL;
}

rhei_status duck_helpers_register(struct duck_database *database, struct rhei_error *error)
{
    const struct executor_helpers *helpers = &database->executor->config.helpers;
    database->helpers = base_alloc_zero((size_t)helpers->count + 1, sizeof *database->helpers);
    if (database->helpers == NULL)
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < helpers->count && status == RHEI_OK; i++) {
        struct duck_helper *known = &database->helpers[i];
        *known = (struct duck_helper){.executor = database->executor, .helper = &helpers->list[i]};
        known->is_like = strcmp(known->helper->name, "rhei_like") == 0;
        if (known->helper->form >= EXECUTOR_FORMS)
            continue; /* one that we have no adapter for: the texts that call it can't be prepared */
        const struct adapter *adapter = &adapters[known->helper->form];
        if (!adapter->evaluated)
            status = register_direct(database, known, adapter, error);
        else if (helpers->evaluator.open != NULL)
            status = register_evaluated(database, known, adapter, error);
    }
    return status;
}
