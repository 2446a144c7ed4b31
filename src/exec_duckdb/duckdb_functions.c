/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scalar functions: values out of band, and SQLite's own code where DuckDB's differs.
 *
 * DuckDB gives a function flat vectors, and makes the result NULL where an argument is.
 */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_udf.h"

enum { MAX_PATTERN = 50000 /* SQLite's own limit for LIKE and GLOB */ };

static const char too_complex[] = "LIKE or GLOB pattern too complex";

/* ---- prm_*: values that aren't in the text ------------------------------------------------------------------------ */

static void prm_init(duckdb_init_info info)
{
    const struct duck_api *api = duck_api();
    struct duck_database *database = api->scalar_function_init_get_extra_info(info);
    duckdb_client_context context = NULL;
    api->scalar_function_init_get_client_context(info, &context);
    struct duck_connection *connection = duck_connection_find(database, api->client_context_get_connection_id(context));
    api->destroy_client_context(&context);
    if (connection == NULL)
        api->scalar_function_init_set_error(info, "prm_*() works in Rhei's own statements only");
    else
        api->scalar_function_init_set_state(info, &connection->slot, NULL);
}

static duckdb_string_t string_of(const struct rhei_value *value)
{
    duckdb_string_t string;
    memset(&string, 0, sizeof string);
    string.value.inlined.length = value->length;
    if (value->length <= sizeof string.value.inlined.inlined) {
        if (value->length > 0)
            memcpy(string.value.inlined.inlined, value->as.bytes, value->length);
    } else {
        memcpy(string.value.pointer.prefix, value->as.bytes, sizeof string.value.pointer.prefix);
        string.value.pointer.ptr = (char *)(uintptr_t)value->as.bytes; /* the slot's copy: lives to the stream's end */
    }
    return string;
}

static void put_value(void *data, idx_t row, const struct rhei_value *value)
{
    switch ((enum rhei_class)value->type) {
    case RHEI_INTEGER:
        ((int64_t *)data)[row] = value->as.integer;
        break;
    case RHEI_REAL:
        ((double *)data)[row] = value->as.real;
        break;
    case RHEI_TEXT:
    case RHEI_BLOB:
        ((duckdb_string_t *)data)[row] = string_of(value);
        break;
    case RHEI_NULL:
        break;
    }
}

static bool all_equal(const int64_t *indexes, idx_t count)
{
    return memcmp(indexes, indexes + 1, (count - 1) * sizeof *indexes) == 0;
}

/* One value for every row, doubled until all have it: as a rule the text names its number. */
static void put_all(void *data, idx_t count, const struct rhei_value *value)
{
    size_t width = value->type < RHEI_TEXT ? sizeof(int64_t) : sizeof(duckdb_string_t), size = count * width;
    put_value(data, 0, value);
    for (size_t done = width; done < size; done *= 2)
        memcpy((char *)data + done, data, done < size - done ? done : size - done);
}

static void prm_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output, enum rhei_class class)
{
    const struct duck_api *api = duck_api();
    struct duck_slot *slot = api->scalar_function_get_state(info);
    atomic_load_explicit(&slot->stopped, memory_order_acquire);
    idx_t count = api->data_chunk_get_size(input);
    const int64_t *indexes = api->vector_get_data(api->data_chunk_get_vector(input, 0));
    void *data = api->vector_get_data(output);
    uint64_t *valid = NULL;
    idx_t done = 0;
    if (count > 0 && indexes[0] >= 0 && indexes[0] < slot->value_count && slot->values[indexes[0]].type == class &&
        all_equal(indexes, count)) {
        put_all(data, count, &slot->values[indexes[0]]);
        done = count;
    }
    for (idx_t row = done; row < count; row++) {
        int64_t index = indexes[row];
        if (index >= 0 && index < slot->value_count && slot->values[index].type == class) {
            put_value(data, row, &slot->values[index]);
            continue;
        }
        if (valid == NULL) {
            api->vector_ensure_validity_writable(output);
            valid = api->vector_get_validity(output);
        }
        valid[row / 64] &= ~(UINT64_C(1) << (row % 64));
    }
    atomic_fetch_add_explicit(&slot->calls, 1, memory_order_release);
}

static void prm_int(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    prm_run(info, input, output, RHEI_INTEGER);
}

static void prm_real(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    prm_run(info, input, output, RHEI_REAL);
}

static void prm_text(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    prm_run(info, input, output, RHEI_TEXT);
}

static void prm_blob(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    prm_run(info, input, output, RHEI_BLOB);
}

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
    for (int i = 0; i < DUCK_PARAMETERS; i++) {
        if (matching->valid[i] != NULL && (matching->valid[i][row / 64] >> (row % 64) & 1) == 0)
            return true;
    }
    return false;
}

static void match(duckdb_function_info info, const struct matching *matching, bool glob, duckdb_vector output)
{
    const struct duck_executor *executor = matching->api->scalar_function_get_extra_info(info);
    const struct executor_helpers *helpers = &executor->config.helpers;
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
            simple = !glob && matching->arguments[2] == NULL &&
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
        else if (glob)
            results[row] = helpers->glob(pattern, text);
        else
            results[row] = helpers->like(
                pattern, text, matching->arguments[2] != NULL ? first_character(&matching->arguments[2][row]) : 0);
    }
    base_free(pattern_copy.heap);
    base_free(text_copy.heap);
    if (failure != NULL)
        matching->api->scalar_function_set_error(info, failure);
}

static void run_like(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    struct matching matching = matching_of(input, 2);
    match(info, &matching, false, output);
}

static void run_like_escape(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    struct matching matching = matching_of(input, 3);
    match(info, &matching, false, output);
}

static void run_glob(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    struct matching matching = matching_of(input, 2);
    match(info, &matching, true, output);
}

/* ---- Numbers ----------------------------------------------------------------------------------------------------- */

static void run_round(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct duck_api *api = duck_api();
    const struct duck_executor *executor = api->scalar_function_get_extra_info(info);
    idx_t count = api->data_chunk_get_size(input);
    const double *values = api->vector_get_data(api->data_chunk_get_vector(input, 0));
    double *results = api->vector_get_data(output);
    for (idx_t row = 0; row < count; row++)
        results[row] = executor->config.helpers.round(values[row], 0);
}

static void run_round_digits(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct duck_api *api = duck_api();
    const struct duck_executor *executor = api->scalar_function_get_extra_info(info);
    idx_t count = api->data_chunk_get_size(input);
    const double *values = api->vector_get_data(api->data_chunk_get_vector(input, 0));
    const int64_t *digits = api->vector_get_data(api->data_chunk_get_vector(input, 1));
    double *results = api->vector_get_data(output);
    for (idx_t row = 0; row < count; row++)
        results[row] = executor->config.helpers.round(values[row], digits[row]);
}

static void run_real_text(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    const struct duck_api *api = duck_api();
    const struct duck_executor *executor = api->scalar_function_get_extra_info(info);
    idx_t count = api->data_chunk_get_size(input);
    const double *values = api->vector_get_data(api->data_chunk_get_vector(input, 0));
    char text[40];
    for (idx_t row = 0; row < count; row++) {
        uint32_t length = executor->config.helpers.real_text(values[row], text);
        api->vector_assign_string_element_len(output, row, text, length);
    }
}

DUCK_OR_NULL(run_glob)
DUCK_OR_NULL(run_like)
DUCK_OR_NULL(run_like_escape)
DUCK_OR_NULL(run_real_text)
DUCK_OR_NULL(run_round)
DUCK_OR_NULL(run_round_digits)

/* ---- Registering ------------------------------------------------------------------------------------------------- */

rhei_status duck_functions_register(struct duck_database *database, struct rhei_error *error)
{
    static const struct duck_signature always[] = {
        {"prm_int", prm_int, BIGINT, .parameters = {BIGINT}, .init = prm_init, .reads_slot = true},
        {"prm_real", prm_real, DOUBLE, .parameters = {BIGINT}, .init = prm_init, .reads_slot = true},
        {"prm_text", prm_text, VARCHAR, .parameters = {BIGINT}, .init = prm_init, .reads_slot = true},
        {"prm_blob", prm_blob, DUCKDB_TYPE_BLOB, .parameters = {BIGINT}, .init = prm_init, .reads_slot = true},
    };
    static const struct duck_signature likes[] = {
        {"rhei_like", run_like_or_null, BOOLEAN, .parameters = {VARCHAR, VARCHAR}},
        {"rhei_like", run_like_escape_or_null, BOOLEAN, .parameters = {VARCHAR, VARCHAR, VARCHAR}},
    };
    static const struct duck_signature globs[] = {
        {"rhei_glob", run_glob_or_null, BOOLEAN, .parameters = {VARCHAR, VARCHAR}}};
    static const struct duck_signature rounds[] = {
        {"rhei_round", run_round_or_null, DOUBLE, .parameters = {DOUBLE}},
        {"rhei_round", run_round_digits_or_null, DOUBLE, .parameters = {DOUBLE, BIGINT}},
    };
    static const struct duck_signature texts[] = {
        {"rhei_real_text", run_real_text_or_null, VARCHAR, .parameters = {DOUBLE}}};

    const struct executor_helpers *helpers = &database->executor->config.helpers;
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < sizeof always / sizeof *always && status == RHEI_OK; i++)
        status = duck_register_functions(database, &always[i], 1, error);
    if (status == RHEI_OK && helpers->like != NULL)
        status = duck_register_functions(database, likes, 2, error);
    if (status == RHEI_OK && helpers->glob != NULL)
        status = duck_register_functions(database, globs, 1, error);
    if (status == RHEI_OK && helpers->round != NULL)
        status = duck_register_functions(database, rounds, 2, error);
    if (status == RHEI_OK && helpers->real_text != NULL)
        status = duck_register_functions(database, texts, 1, error);
    if (status == RHEI_OK)
        status = duck_numbers_register(database, error);
    if (status == RHEI_OK)
        status = duck_texts_register(database, error);
    if (status == RHEI_OK && helpers->evaluator_open != NULL)
        status = duck_evaluations_register(database, error);
    return status;
}
