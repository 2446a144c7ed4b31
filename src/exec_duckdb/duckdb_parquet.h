/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parquet files, read and written by DuckDB: each in an instance of its own, on the caller's thread, that may open the one file it was made for
 * and runs no text of a user's. So nothing here loosens what executors are shut out of.
 *
 *   INTEGER, REAL, TEXT, BLOB  <->  int64, double, string, binary
 *   a column of several        <->  a struct of four, "integer", "real", "text" and "blob", of which one isn't null
 *
 * What foreign files hold beside that, comes as what DuckDB makes of it in Arrow.
 */
#ifndef EXEC_DUCKDB_DUCKDB_PARQUET_H
#define EXEC_DUCKDB_DUCKDB_PARQUET_H

#include "rhei/rhei_types.h"

/*
 * The rows of the file, in their order, a vector at a time. `fd` is of a regular file, borrowed until the stream is released. RHEI_IO: it isn't
 * Parquet, is damaged or can't be read. RHEI_OLAP_UNAVAILABLE: DuckDB can't be loaded.
 */
rhei_status duckdb_parquet_read(int fd, struct ArrowArrayStream *stream, struct rhei_error *error);

/* Writes the whole of the stream, in place of what the file held. Takes the stream, also when it fails. */
rhei_status duckdb_parquet_write(struct ArrowArrayStream *stream, int fd, struct rhei_error *error);

#endif
