/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the executor:
 *
 *   df_executor   1 -- 1  rhei_df_engine  the library's: threads, memory, functions
 *   df_executor   1 -- n  df_statement    what a text reads, while it is planned and runs
 *   df_statement  1 -- 1  df_pin          the snapshot, held as long as any batch points into it
 *   df_statement  1 -- n  df_scan         of one table, for several threads
 */
#ifndef EXEC_DATAFUSION_DATAFUSION_INTERNAL_H
#define EXEC_DATAFUSION_DATAFUSION_INTERNAL_H

#include <stdatomic.h>

#include "arrow/arrow_stream.h"
#include "base/base_thread.h"
#include "exec_datafusion/datafusion_executor.h"
#include "mirror/mirror.h"
#include "mirror/mirror_executor.h"
#include <rhei_datafusion.h>

struct df_executor {
    struct executor base;
    struct datafusion_executor_config config; /* strings are its own */
    const struct rhei_df_library *library;
    struct rhei_df_host host;
    struct rhei_df_helper *helpers;
    base_mutex opening;
    _Atomic(struct rhei_df_engine *) engine; /* NULL before the first statement */
    _Atomic uint64_t statements;
};

/* ---- datafusion_library.c ---------------------------------------------------------------------------------------- */

rhei_status df_library_load(const struct rhei_df_library **library, struct rhei_error *error);
/* The library's failure in Rhei's codes. */
rhei_status df_error(int32_t status, const struct rhei_df_error *failure, struct rhei_error *error);

/* ---- datafusion_host.c ------------------------------------------------------------------------------------------- */

/* What the library is told of us; `executor` must stay where it is. RHEI_NO_MEMORY. */
rhei_status df_host_fill(struct df_executor *executor, struct rhei_error *error);

/* ---- datafusion_statement.c -------------------------------------------------------------------------------------- */

/* A hold on the snapshot that batches share. Any thread. */
struct df_pin {
    _Atomic uint32_t references;
    struct mirror_snapshot snapshot;
};
void df_pin_share(struct df_pin *pin);
void df_pin_drop(struct df_pin *pin);

/* How a column leaves. */
struct df_column {
    uint32_t source; /* in the mirror's table */
    int32_t kind;    /* enum rhei_df_kind; 0: it has no one class, and can't be read */
    bool is_number;  /* REAL of integers and REALs */
};

/* A table as one scan of the text sees it. */
struct df_table {
    struct df_table *next;
    uint32_t table, scan;
    const struct mirror_table_view *view;
    struct df_column *columns;
    struct rhei_df_column *shown;
    uint32_t count;
};

struct df_statement {
    const struct executor_query *query; /* copied by the opener of the statement */
    struct df_pin *pin;
    struct rhei_df_value *values;
    base_mutex mutex;
    struct df_table *tables; /* under the mutex; they stay */
    _Atomic int stopped;     /* rhei_status that ended it, or RHEI_OK */
    _Atomic int failed;      /* of a callback of ours: its status */
    _Atomic(const struct mirror_table_view *) damaged;
};

rhei_status df_statement_open(const struct executor_query *query, struct df_statement **out, struct rhei_error *error);
void df_statement_close(struct df_statement **statement);
/* The callbacks `table`, `named` and `check`. */
int32_t df_statement_table(void *context, uint32_t table, uint32_t scan, struct rhei_df_table *out,
                           struct rhei_df_error *error);
int32_t df_statement_named(void *context, const char *name, uint32_t *table, struct rhei_df_error *error);
int32_t df_statement_check(void *context);
/* NULL: no memory, or there is no such table. */
const struct df_table *df_statement_find(struct df_statement *statement, uint32_t table, uint32_t scan);
/* Of a callback that fails: remembers the code, and gives the library the message. */
int32_t df_fail(struct df_statement *statement, rhei_status status, struct rhei_df_error *error, const char *format,
                ...) __attribute__((format(printf, 4, 5)));

/* ---- datafusion_scan.c, datafusion_batch.c ------------------------------------------------------------------------ */

enum { DF_MOST_VECTORS = 4 }; /* of a batch: as many rows as DataFusion's have */

struct df_scan {
    struct df_statement *statement;
    const struct df_table *table;
    struct mirror_scan *scan;
    base_mutex mutex;
    struct mirror_scan_batch
        waiting[DF_MOST_VECTORS]; /* under the mutex: taken from the mirror, and given to nobody yet */
    uint32_t waiting_from, waiting_to;
    uint32_t count;
    struct df_column columns[];
};

int32_t df_scan_open(void *context, uint32_t table, uint32_t scan, const uint32_t *columns, uint32_t count,
                     void **scan_out, struct rhei_df_error *error);
int32_t df_scan_next(void *scan, struct ArrowArray *out, struct rhei_df_error *error);
void df_scan_close(void *scan);

/* Whether the vectors follow each other and are whole, and no column of them has a NULL or must be made into something else: then they are
 * given as one batch. Under a hold on them. */
bool df_batches_are_one(const struct df_scan *scan, const struct mirror_scan_batch *batches, uint32_t count);

enum df_batch_result { DF_BATCH_OK, DF_BATCH_NO_MEMORY, DF_BATCH_OTHER_CLASS };
/* A struct array of the scan's columns; released on failure. Takes the hold, also then. */
enum df_batch_result df_batch(struct df_scan *scan, const struct mirror_scan_batch *batch, struct mirror_hold hold,
                              struct ArrowArray *out);

/* ---- datafusion_stream.c ----------------------------------------------------------------------------------------- */

/* Runs the statement to its first batch and makes the stream of it. Takes the statement, also on error. */
rhei_status df_stream_open(struct df_executor *executor, struct df_statement *statement,
                           const struct rhei_df_query *query, struct ArrowArrayStream *out, struct rhei_error *error);
/* What a statement that failed says. */
rhei_status df_statement_error(struct df_statement *statement, int32_t status, const struct rhei_df_error *failure,
                               struct rhei_error *error);

#endif
