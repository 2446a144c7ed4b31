/* SPDX-License-Identifier: Apache-2.0 */
/* Scalar functions: values out of band; and all of them registered. */
#include <string.h>

#include "base/base_error.h"
#include "exec_duckdb/duckdb_udf.h"

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

rhei_status duck_functions_register(struct duck_database *database, struct rhei_error *error)
{
    static const struct duck_signature values[] = {
        {"prm_int", prm_int, BIGINT, .parameters = {BIGINT}, .init = prm_init, .reads_slot = true},
        {"prm_real", prm_real, DOUBLE, .parameters = {BIGINT}, .init = prm_init, .reads_slot = true},
        {"prm_text", prm_text, VARCHAR, .parameters = {BIGINT}, .init = prm_init, .reads_slot = true},
        {"prm_blob", prm_blob, DUCKDB_TYPE_BLOB, .parameters = {BIGINT}, .init = prm_init, .reads_slot = true},
    };
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < sizeof values / sizeof *values && status == RHEI_OK; i++)
        status = duck_register_functions(database, &values[i], 1, error);
    if (status == RHEI_OK)
        status = duck_numbers_register(database, error);
    if (status == RHEI_OK)
        status = duck_texts_register(database, error);
    if (status == RHEI_OK)
        status = duck_helpers_register(database, error);
    return status;
}
