/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite's functions of text whose meaning is a few lines: written out here, so that they cost nanoseconds. Texts are
 * well-formed UTF-8 without NUL bytes.
 */
#include <string.h>

#include "base/base_memory.h"
#include "exec_duckdb/duckdb_udf.h"

/* ---- lower, upper ------------------------------------------------------------------------------------------------ */

/* Every byte above 127 stays as it is. */
static void change_case(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output, char first)
{
    const struct duck_api *api = duck_api();
    idx_t count = api->data_chunk_get_size(input);
    duckdb_vector vector = api->data_chunk_get_vector(input, 0);
    const duckdb_string_t *texts = api->vector_get_data(vector);
    const uint64_t *valid = api->vector_get_validity(vector);
    struct duck_terminated copy = {.heap = NULL};
    for (idx_t row = 0; row < count; row++) {
        if (!duck_is_valid(valid, row))
            continue;
        char *text = duck_terminate(&copy, &texts[row]);
        if (text == NULL) {
            api->scalar_function_set_error(info, duck_no_memory);
            break;
        }
        uint32_t length = texts[row].value.inlined.length;
        for (uint32_t i = 0; i < length; i++)
            if (text[i] >= first && text[i] < first + 26)
                text[i] ^= 'a' ^ 'A';
        api->vector_assign_string_element_len(output, row, text, length);
    }
    base_free(copy.heap);
}

static void run_lower(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    change_case(info, input, output, 'A');
}

static void run_upper(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    change_case(info, input, output, 'a');
}

/* ---- substr ------------------------------------------------------------------------------------------------------ */

static const char *skip_characters(const char *text, const char *end, int64_t count)
{
    while (text < end && count > 0) {
        text++;
        while (text < end && ((unsigned char)*text & 0xc0) == 0x80)
            text++;
        count--;
    }
    return text;
}

static int64_t count_characters(const char *text, size_t length)
{
    int64_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

/*
 * https://sqlite.org/lang_corefunc.html#substr: the first character is number 1, negative starts count from the right, a
 * negative length takes the characters before the start. Afterwards *start counts from 0 and *length isn't negative.
 */
static void settle_bounds(const char *text, size_t bytes, int64_t *start, int64_t *length)
{
    if (*length == INT64_MIN)
        *length = -INT64_MAX; /* so that it can be negated; no text is as long */
    if (*start < 0) {
        *start += count_characters(text, bytes);
        if (*start < 0) {
            *length = *length < 0 ? 0 : *length + *start;
            *start = 0;
        }
    } else if (*start > 0) {
        (*start)--;
    } else if (*length > 0) {
        (*length)--; /* number 0 is a place before the first character */
    }
    if (*length < 0) {
        *length = *start < -*length ? *start : -*length;
        *start -= *length;
    }
}

static void substr(duckdb_data_chunk input, duckdb_vector output, bool has_length)
{
    const struct duck_api *api = duck_api();
    idx_t count = api->data_chunk_get_size(input);
    const duckdb_string_t *texts = api->vector_get_data(api->data_chunk_get_vector(input, 0));
    const int64_t *starts = api->vector_get_data(api->data_chunk_get_vector(input, 1));
    const int64_t *lengths = has_length ? api->vector_get_data(api->data_chunk_get_vector(input, 2)) : NULL;
    const uint64_t *valid[3] = {NULL, NULL, NULL};
    for (idx_t i = 0; i < (has_length ? 3 : 2); i++)
        valid[i] = api->vector_get_validity(api->data_chunk_get_vector(input, i));
    for (idx_t row = 0; row < count; row++) {
        if (!duck_is_valid(valid[0], row) || !duck_is_valid(valid[1], row) || !duck_is_valid(valid[2], row))
            continue;
        const char *text = duck_string_bytes(&texts[row]);
        size_t bytes = texts[row].value.inlined.length;
        int64_t start = starts[row];
        int64_t length = has_length ? lengths[row] : INT64_MAX;
        settle_bounds(text, bytes, &start, &length);
        const char *from = skip_characters(text, text + bytes, start);
        const char *to = skip_characters(from, text + bytes, length);
        api->vector_assign_string_element_len(output, row, from, (idx_t)(to - from));
    }
}

static void run_substr(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    (void)info;
    substr(input, output, false);
}

static void run_substr_length(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    (void)info;
    substr(input, output, true);
}

/* ---- UTF-16 ------------------------------------------------------------------------------------------------------ */

static size_t put_unit(unsigned char *out, uint32_t unit, bool big)
{
    out[big ? 0 : 1] = (unsigned char)(unit >> 8);
    out[big ? 1 : 0] = (unsigned char)unit;
    return 2;
}

/* Of a well-formed text; out has room for twice its bytes. */
static size_t to_utf16(const char *text, size_t length, bool big, unsigned char *out)
{
    const unsigned char *in = (const unsigned char *)text, *end = in + length;
    size_t used = 0;
    while (in < end) {
        uint32_t first = *in++;
        int more = first < 0x80 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
        uint32_t code = more == 0 ? first : first & (0x3FU >> more);
        for (; more > 0 && in < end; more--)
            code = code << 6 | (*in++ & 0x3FU);
        if (code < 0x10000) {
            used += put_unit(out + used, code, big);
        } else {
            used += put_unit(out + used, 0xD800 + ((code - 0x10000) >> 10), big);
            used += put_unit(out + used, 0xDC00 + (code & 0x3FF), big);
        }
    }
    return used;
}

static void utf16(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output, bool big)
{
    const struct duck_api *api = duck_api();
    idx_t count = api->data_chunk_get_size(input);
    duckdb_vector vector = api->data_chunk_get_vector(input, 0);
    const duckdb_string_t *texts = api->vector_get_data(vector);
    const uint64_t *valid = api->vector_get_validity(vector);
    unsigned char *bytes = NULL;
    size_t capacity = 0;
    for (idx_t row = 0; row < count; row++) {
        if (!duck_is_valid(valid, row))
            continue;
        size_t length = texts[row].value.inlined.length;
        if (2 * length > capacity || bytes == NULL) {
            unsigned char *grown = base_realloc(bytes, 4 * length + 64);
            if (grown == NULL) {
                api->scalar_function_set_error(info, duck_no_memory);
                break;
            }
            bytes = grown;
            capacity = 4 * length + 64;
        }
        size_t used = to_utf16(duck_string_bytes(&texts[row]), length, big, bytes);
        api->vector_assign_string_element_len(output, row, (const char *)bytes, used);
    }
    base_free(bytes);
}

static void run_utf16le(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    utf16(info, input, output, false);
}

static void run_utf16be(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    utf16(info, input, output, true);
}

/* ---- CAST(text AS INTEGER) ---------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The longest prefix that is an integer, 0 if there is none; beyond 64 bits the nearest integer. */
static int64_t integer_of(const char *text, size_t length)
{
    const char *end = text + length;
    while (text < end && is_blank(*text))
        text++;
    bool negative = text < end && *text == '-';
    if (text < end && (*text == '-' || *text == '+'))
        text++;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t value = 0;
    for (; text < end && *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        value = value > (limit - digit) / 10 ? limit : value * 10 + digit;
        if (value == limit)
            break; /* exactly there or beyond it: more digits only lead further */
    }
    return negative ? (int64_t)(0 - value) : (int64_t)value;
}

static void run_text_integer(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    (void)info;
    const struct duck_api *api = duck_api();
    idx_t count = api->data_chunk_get_size(input);
    duckdb_vector vector = api->data_chunk_get_vector(input, 0);
    const duckdb_string_t *texts = api->vector_get_data(vector);
    const uint64_t *valid = api->vector_get_validity(vector);
    int64_t *results = api->vector_get_data(output);
    for (idx_t row = 0; row < count; row++)
        if (duck_is_valid(valid, row))
            results[row] = integer_of(duck_string_bytes(&texts[row]), texts[row].value.inlined.length);
}

DUCK_OR_NULL(run_lower)
DUCK_OR_NULL(run_substr)
DUCK_OR_NULL(run_substr_length)
DUCK_OR_NULL(run_text_integer)
DUCK_OR_NULL(run_upper)
DUCK_OR_NULL(run_utf16be)
DUCK_OR_NULL(run_utf16le)

rhei_status duck_texts_register(struct duck_database *database, struct rhei_error *error)
{
    static const struct duck_signature single[] = {
        {"rhei_lower", run_lower_or_null, VARCHAR, .parameters = {VARCHAR}},
        {"rhei_upper", run_upper_or_null, VARCHAR, .parameters = {VARCHAR}},
        {"rhei_text_integer", run_text_integer_or_null, BIGINT, .parameters = {VARCHAR}},
        {"rhei_utf16le", run_utf16le_or_null, DUCKDB_TYPE_BLOB, .parameters = {VARCHAR}},
        {"rhei_utf16be", run_utf16be_or_null, DUCKDB_TYPE_BLOB, .parameters = {VARCHAR}},
    };
    static const struct duck_signature substrs[] = {
        {"rhei_substr", run_substr_or_null, VARCHAR, .parameters = {VARCHAR, BIGINT}},
        {"rhei_substr", run_substr_length_or_null, VARCHAR, .parameters = {VARCHAR, BIGINT, BIGINT}},
    };
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < sizeof single / sizeof *single && status == RHEI_OK; i++)
        status = duck_register_functions(database, &single[i], 1, error);
    if (status == RHEI_OK)
        status = duck_register_functions(database, substrs, 2, error);
    return status;
}
