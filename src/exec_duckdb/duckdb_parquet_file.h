/* SPDX-License-Identifier: Apache-2.0 */
/* What reading and writing Parquet share: an instance of DuckDB for one file. */
#ifndef EXEC_DUCKDB_DUCKDB_PARQUET_FILE_H
#define EXEC_DUCKDB_DUCKDB_PARQUET_FILE_H

#include "exec_duckdb/duckdb_api.h"

enum { PARQUET_PATH_BYTES = 40 };

struct parquet_file {
    const struct duck_api *api;
    duckdb_database handle;
    duckdb_connection connection;
    char path[PARQUET_PATH_BYTES]; /* of the caller's descriptor: what it is named, and where it lies, doesn't matter */
};

/* RHEI_UNSUPPORTED, by name: a column whose values DuckDB would give as others. */
rhei_status parquet_check_types(struct parquet_file *file, struct rhei_error *error);
/*
 * Durations are integers to Parquet, and only the Arrow schema that Arrow's writers put beside the data knows better. *out: that schema; not
 * there (release is NULL) if the file has none that can be read.
 */
rhei_status parquet_told_types(struct parquet_file *file, struct ArrowSchema *out, struct rhei_error *error);
/* Makes columns of integers in DuckDB's schema the durations that they were told to be: both are of 64 bits. */
void parquet_restore_types(const struct ArrowSchema *told, struct ArrowSchema *schema);
/* After an error in reading: puts the name of the first column that can't be read before it, if it is of one. Ends what was being read. */
void parquet_name_column(const struct parquet_file *file, struct rhei_error *error);

/* Closed with parquet_close, also after an error. */
rhei_status parquet_open(struct parquet_file *file, int fd, struct rhei_error *error);
void parquet_close(struct parquet_file *file);
/* DuckDB's words about a statement that failed, which tell of "the file" instead of its path. */
rhei_status parquet_error_in_words(const struct parquet_file *file, const char *message, rhei_status code,
                                   struct rhei_error *error);
rhei_status parquet_error(const struct parquet_file *file, duckdb_result *result, struct rhei_error *error);

#endif
