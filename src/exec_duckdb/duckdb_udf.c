/* SPDX-License-Identifier: Apache-2.0 */
/* Scalar functions made and registered, and what they share. */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_duckdb/duckdb_udf.h"

const char duck_no_memory[] = "out of memory";

char *duck_terminate(struct duck_terminated *copy, const duckdb_string_t *string)
{
    size_t length = string->value.inlined.length;
    char *place = copy->inlined;
    if (length >= sizeof copy->inlined) {
        if (length >= copy->capacity) {
            char *grown = base_realloc(copy->heap, 2 * length);
            if (grown == NULL)
                return NULL;
            copy->heap = grown;
            copy->capacity = 2 * length;
        }
        place = copy->heap;
    }
    memcpy(place, duck_string_bytes(string), length);
    place[length] = '\0';
    return place;
}

void duck_null_rows(duckdb_data_chunk input, duckdb_vector output)
{
    const struct duck_api *api = duck_api();
    idx_t columns = api->data_chunk_get_column_count(input);
    idx_t words = (api->data_chunk_get_size(input) + 63) / 64;
    uint64_t *result = NULL;
    for (idx_t c = 0; c < columns; c++) {
        const uint64_t *valid = api->vector_get_validity(api->data_chunk_get_vector(input, c));
        if (valid == NULL)
            continue;
        if (result == NULL) {
            api->vector_ensure_validity_writable(output);
            result = api->vector_get_validity(output);
        }
        for (idx_t w = 0; w < words; w++)
            result[w] &= valid[w];
    }
}

static duckdb_scalar_function make(struct duck_database *database, const struct duck_signature *signature)
{
    const struct duck_api *api = database->executor->api;
    duckdb_scalar_function function = api->create_scalar_function();
    api->scalar_function_set_name(function, signature->name);
    for (int i = 0; i < DUCK_PARAMETERS && signature->parameters[i] != DUCKDB_TYPE_INVALID; i++) {
        duckdb_logical_type type = api->create_logical_type(signature->parameters[i]);
        api->scalar_function_add_parameter(function, type);
        api->destroy_logical_type(&type);
    }
    duckdb_logical_type type = api->create_logical_type(signature->result);
    api->scalar_function_set_return_type(function, type);
    api->destroy_logical_type(&type);
    api->scalar_function_set_function(function, signature->run);
    if (signature->more != DUCKDB_TYPE_INVALID) {
        type = api->create_logical_type(signature->more);
        api->scalar_function_set_varargs(function, type);
        api->destroy_logical_type(&type);
    }
    if (signature->init != NULL)
        api->scalar_function_set_init(function, signature->init);
    if (signature->reads_slot) {
        api->scalar_function_set_extra_info(function, database, NULL);
        api->scalar_function_set_volatile(function); /* else DuckDB computes it once, when it plans */
    } else {
        api->scalar_function_set_extra_info(
            function, signature->info != NULL ? (void *)(uintptr_t)signature->info : database->executor, NULL);
    }
    return function;
}

rhei_status duck_register_functions(struct duck_database *database, const struct duck_signature *signatures,
                                    size_t count, struct rhei_error *error)
{
    const struct duck_api *api = database->executor->api;
    duckdb_scalar_function_set set = api->create_scalar_function_set(signatures[0].name);
    bool accepted = set != NULL;
    for (size_t i = 0; i < count && accepted; i++) {
        duckdb_scalar_function function = make(database, &signatures[i]);
        accepted = api->add_scalar_function_to_set(set, function) == DuckDBSuccess;
        api->destroy_scalar_function(&function);
    }
    accepted = accepted && api->register_scalar_function_set(database->admin, set) == DuckDBSuccess;
    api->destroy_scalar_function_set(&set);
    return accepted ? RHEI_OK
                    : error_set(error, RHEI_INTERNAL, "DuckDB did not accept the function %s", signatures[0].name);
}
