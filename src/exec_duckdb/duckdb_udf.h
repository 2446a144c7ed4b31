/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of scalar functions share. DuckDB gives a function flat vectors. It makes the result NULL by itself only
 * where an argument is a constant NULL: for columns that is ours to do. A NULL's bytes are undefined. */
#ifndef EXEC_DUCKDB_DUCKDB_UDF_H
#define EXEC_DUCKDB_DUCKDB_UDF_H

#include "exec_duckdb/duckdb_internal.h"

enum { DUCK_PARAMETERS = 3, DUCK_INLINE_TEXT = 512 };

#define BIGINT  DUCKDB_TYPE_BIGINT
#define DOUBLE  DUCKDB_TYPE_DOUBLE
#define VARCHAR DUCKDB_TYPE_VARCHAR
#define BOOLEAN DUCKDB_TYPE_BOOLEAN

struct duck_signature {
    const char *name;
    duckdb_scalar_function_t run;
    duckdb_type result;
    duckdb_type parameters[DUCK_PARAMETERS]; /* up to the first DUCKDB_TYPE_INVALID */
    duckdb_type more;                        /* and any number of these */
    duckdb_scalar_function_init_t init;
    const void *info; /* extra info; NULL: the executor */
    bool reads_slot;  /* extra info is the database; volatile */
};

/* Signatures of one name are registered together. */
rhei_status duck_register_functions(struct duck_database *database, const struct duck_signature *signatures,
                                    size_t count, struct rhei_error *error);
rhei_status duck_numbers_register(struct duck_database *database, struct rhei_error *error);
rhei_status duck_texts_register(struct duck_database *database, struct rhei_error *error);
rhei_status duck_helpers_register(struct duck_database *database, struct rhei_error *error);

/* A function of executor_helpers, as what runs it is told. */
struct duck_helper {
    struct duck_executor *executor;
    const struct executor_helper *helper;
    bool is_like; /* SQLite's LIKE: simple patterns are compared here (duckdb_like.c) */
};
/* NULL: it isn't in the list, or is of another form. */
const struct executor_helper *duck_helper_find(const struct duck_executor *executor, const char *name, uint8_t form);
/* The adapters of evaluated expressions. */
void duck_evaluate_init(duckdb_init_info info);
void duck_evaluate_text(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output);
void duck_evaluate_real(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output);
void duck_evaluate_integer(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output);
void duck_evaluate_truth(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output);

/* Makes the result NULL in each row that has a NULL argument. */
void duck_null_rows(duckdb_data_chunk input, duckdb_vector output);
/* Defines run_or_null: what `run` computes, NULL for rows with a NULL argument. */
#define DUCK_OR_NULL(run)                                                                               \
    static void run##_or_null(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output) \
    {                                                                                                   \
        run(info, input, output);                                                                       \
        duck_null_rows(input, output);                                                                  \
    }

static inline bool duck_is_valid(const uint64_t *valid, idx_t row)
{
    return valid == NULL || (valid[row / 64] >> (row % 64) & 1) != 0;
}

static inline const char *duck_string_bytes(const duckdb_string_t *string)
{
    return string->value.inlined.length <= sizeof string->value.inlined.inlined ? string->value.inlined.inlined
                                                                                : string->value.pointer.ptr;
}

/* A NUL-terminated copy of a string; grows. Starts with heap = NULL, capacity = 0; ends with base_free(heap). */
struct duck_terminated {
    char inlined[DUCK_INLINE_TEXT];
    char *heap;
    size_t capacity;
};
/* NULL: no memory. Valid until the next call. */
char *duck_terminate(struct duck_terminated *copy, const duckdb_string_t *string);

extern const char duck_no_memory[];

#endif
