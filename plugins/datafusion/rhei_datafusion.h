/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boundary between Rhei and the library that computes by DataFusion: plain C on both sides, one exported symbol. src/exec_datafusion
 * is the host; nothing else includes this. The library owns no table: whatever it reads, it asks the host for, by the
 * callbacks of struct rhei_df_host, from any of its threads, several at a time.
 *
 * Rules
 *  1. No panic and no exception crosses it. A panic in the library is RHEI_DF_PANIC with its message, and ends that statement alone.
 *  2. Everything given with a query is borrowed until its result is closed, or until the call failed; both return when none of the
 *     library's threads looks at it any more.
 *  3. close joins every thread. No result is open by then. The library is never unloaded.
 *  4. Structs begin with their size: whoever has the newer one looks at no more than the other has.
 */
#ifndef RHEI_DATAFUSION_H
#define RHEI_DATAFUSION_H

#include <stddef.h>
#include <stdint.h>

struct ArrowArray;
struct ArrowSchema;

enum { RHEI_DF_ABI = 2, RHEI_DF_MESSAGE = 1024 };

enum rhei_df_status {
    RHEI_DF_OK = 0,
    RHEI_DF_SQL = 1,         /* the text can't be planned: a name, a type, a construct */
    RHEI_DF_UNSUPPORTED = 2, /* it can, but not computed */
    RHEI_DF_COMPUTE = 3,     /* a value can't be computed: an overflow, an error() of the text's */
    RHEI_DF_MEMORY = 4,      /* beyond the statement's or the engine's memory, and nowhere to spill */
    RHEI_DF_DISK = 5,        /* the folder for spilled data is full, or not to be written */
    RHEI_DF_STOPPED = 6,     /* the host's check said so */
    RHEI_DF_HOST = 7,        /* a callback failed; the host knows why */
    RHEI_DF_PANIC = 8,
    RHEI_DF_INTERNAL = 9,
};

struct rhei_df_error {
    int32_t status;
    char message[RHEI_DF_MESSAGE]; /* ends in NUL */
};

/* What a column of a scan is in Arrow. */
enum rhei_df_kind {
    RHEI_DF_INTEGER = 1, /* Int64 */
    RHEI_DF_REAL = 2,    /* Float64 */
    RHEI_DF_TEXT = 3,    /* Utf8View */
    RHEI_DF_BLOB = 4,    /* BinaryView */
    RHEI_DF_TRUTH = 5,   /* Boolean */
};

struct rhei_df_column {
    const char *name;
    int32_t kind;
    int32_t nullable;
};

/* The host's; its pointers live as long as the statement. */
struct rhei_df_table {
    const struct rhei_df_column *columns;
    uint32_t column_count;
    uint64_t rows; /* how many there are at most */
    uint64_t told; /* how many to plan with */
    int32_t exact; /* just as many come */
};

struct rhei_df_value {
    int32_t type; /* enum rhei_class of rhei_types.h */
    uint32_t length;
    int64_t integer;
    double real;
    const char *bytes;
};

/* The forms of executor_form (port/executor.h), and in what union member the function is. */
struct rhei_df_helper {
    const char *name;
    uint32_t fewest, most, form;
    void (*function)(void);
};

/* The exact sum of base/base_bin_sum.h: a state of `size` bytes, aligned to 8, moved by memcpy, zeroed when empty. */
struct rhei_df_sum {
    size_t size;
    uint32_t most_parts;                                                 /* doubles that `parts` writes at most */
    int32_t (*add_run)(void *state, const double *values, size_t count); /* 0: no memory */
    int32_t (*add_each)(void *const *states, const double *values, size_t count);
    /* Doubles of which it is the exact sum, infinities among them. UINT32_MAX: no memory. */
    uint32_t (*parts)(const void *state, double *parts);
    int64_t (*count)(const void *state);
    int32_t (*result)(const void *state, double *result);
    void (*recount)(void *state, int64_t more); /* the values that the parts stand for, less the parts */
    void (*reset)(void *state);
};

struct rhei_df_host {
    size_t size;
    /* mirror_scan(table, scan) of a text. The columns of a scan are numbered as here. */
    int32_t (*table)(void *statement, uint32_t table, uint32_t scan, struct rhei_df_table *out,
                     struct rhei_df_error *error);
    /* By name, of a native text; the scan's number is UINT32_MAX. */
    int32_t (*named)(void *statement, const char *name, uint32_t *table, struct rhei_df_error *error);
    int32_t (*scan_open)(void *statement, uint32_t table, uint32_t scan, const uint32_t *columns, uint32_t count,
                         void **scan_out, struct rhei_df_error *error);
    /* A struct array of the columns asked for; out->release == NULL: there is no more. What it points to lives until it is released. */
    int32_t (*scan_next)(void *scan, struct ArrowArray *out, struct rhei_df_error *error);
    void (*scan_close)(void *scan);
    /* 0: go on. */
    int32_t (*check)(void *statement);
    struct rhei_df_sum sum;
    const struct rhei_df_helper *helpers;
    uint32_t helper_count;
    /* SQLite's expressions over values: as executor_evaluator of port/executor.h; `helper` is its number in `helpers`. */
    void *context; /* for evaluator_open */
    void *(*evaluator_open)(void *context);
    int32_t (*evaluate)(void *evaluator, uint32_t helper, const struct rhei_df_value *arguments, uint32_t count,
                        struct rhei_df_value *result, struct rhei_df_error *error);
    void (*evaluator_close)(void *evaluator);
};

struct rhei_df_config {
    size_t size;
    const struct rhei_df_host *host; /* lives as long as the engine */
    uint32_t threads;
    uint64_t memory_limit;      /* bytes for all statements; 0: none */
    const char *temp_directory; /* NULL: nothing is spilled */
    uint64_t temp_limit;
};

struct rhei_df_query {
    size_t size;
    const char *sql;
    const struct rhei_df_value *values;
    uint32_t value_count;
    uint64_t memory_limit; /* of this statement; 0: the engine's alone */
    int32_t strings_view;
    int32_t native;
    void *statement; /* handed back with every callback */
};

struct rhei_df_status_of {
    uint64_t statements, memory_bytes;
};

struct rhei_df_engine;
struct rhei_df_result;

struct rhei_df_library {
    size_t size;
    uint32_t abi;
    const char *version; /* "DataFusion 55.2.0" */
    int32_t (*open)(const struct rhei_df_config *config, struct rhei_df_engine **engine, struct rhei_df_error *error);
    /* Plans, and runs to the first batch. */
    int32_t (*run)(struct rhei_df_engine *engine, const struct rhei_df_query *query, struct rhei_df_result **result,
                   struct rhei_df_error *error);
    /* Plans, and runs nothing. */
    int32_t (*check)(struct rhei_df_engine *engine, const struct rhei_df_query *query, struct rhei_df_error *error);
    /* Of a result: one thread at a time. */
    int32_t (*schema)(struct rhei_df_result *result, struct ArrowSchema *out, struct rhei_df_error *error);
    /* out->release == NULL: there is no more. */
    int32_t (*next)(struct rhei_df_result *result, struct ArrowArray *out, struct rhei_df_error *error);
    void (*result_close)(struct rhei_df_result *result);
    void (*status)(struct rhei_df_engine *engine, struct rhei_df_status_of *status);
    void (*close)(struct rhei_df_engine *engine);
};

/* NULL: it has no such ABI. */
const struct rhei_df_library *rhei_datafusion_library(uint32_t abi);

#endif
