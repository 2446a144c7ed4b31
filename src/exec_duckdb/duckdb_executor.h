/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor of port/executor.h over DuckDB. DuckDB computes and owns nothing: every table is a scan of the mirror's
 * snapshot that the query brings. The library is loaded and its database opened when the first statement needs it, or
 * by `warm` before.
 *
 * What a text may use, beside DuckDB's own SQL:
 *
 *   mirror_scan(table, scan)   the mirror's table of that number; `scan` is the number that ranges name. Columns have the
 *                              mirror's names, the hidden rowid included, and the types of translate_scan_form: from the
 *                              classes that the column really holds. Where integers and REALs are mixed the column
 *                              is DOUBLE, and the column "<name>__int" (BOOLEAN) tells which of them are integers. A column
 *                              without any such form fails the statement (RHEI_SQL) if it is read.
 *   prm_int(i) prm_real(i)     the i-th of executor_query.values (from 0), as BIGINT, DOUBLE, VARCHAR, BLOB; NULL when it
 *   prm_text(i) prm_blob(i)    is of another class. Volatile: a plan with them is kept, whatever the values are.
 *   rhei_sum rhei_avg          of DOUBLE: the exact sum, rounded once (base/base_exact_sum.h); NaN counts as NULL.
 *   rhei_total                 Never with an ORDER BY inside the call: DuckDB crashes on it.
 *   rhei_lower(text) rhei_upper(text) rhei_substr(text, start [, length]) rhei_text_integer(text)
 *                              as SQLite's lower, upper, substr and CAST(text AS INTEGER)
 *   rhei_like(pattern, text), rhei_like(pattern, text, escape), rhei_glob(pattern, text)            -> BOOLEAN
 *   rhei_round(x), rhei_round(x, digits)  -> DOUBLE;  rhei_real_text(x)  -> VARCHAR
 *   rhei_date rhei_time rhei_datetime rhei_strftime rhei_julianday rhei_unixepoch (of VARCHARs; an error for "now" and
 *   what else depends on the time and place), rhei_text_real(text), rhei_text_is_integer(text)
 *                              SQLite's own code (struct executor_helpers); texts hold no NUL.
 *
 * A native text (executor_query.native) names tables by their SQLite names instead, without case; hidden rowids and
 * "__int" columns are not there, and one read-only statement is all that is accepted.
 *
 * The text of a statement is right for what its columns held when it was written; executor_query.columns says what that
 * was, and the types come from there, since the mirror's own flags may have grown by rows that the snapshot doesn't have.
 */
#ifndef EXEC_DUCKDB_DUCKDB_EXECUTOR_H
#define EXEC_DUCKDB_DUCKDB_EXECUTOR_H

#include "base/base_log.h"
#include "port/executor.h"

struct duckdb_executor_config {
    const char *library_path;   /* libduckdb.so; NULL: RHEI_DUCKDB, rhei/libduckdb.so beside librhei, the build's own */
    int threads;                /* 0: one per processor */
    size_t memory_limit;        /* bytes for DuckDB's own memory, what the mirror leaves; 0: 80 % of the machine */
    const char *temp_directory; /* where statements over the limit spill; NULL: they fail instead */
    size_t temp_limit;          /* bytes there; 0: four times memory_limit */
    struct executor_helpers helpers;
    const struct base_log *log; /* borrowed; may be NULL */
    uint32_t limited_idle_ms;   /* how long an instance for statements with a limit of their own is kept; 0: 2 s */
};

/* Loads nothing yet. Close when no stream is open any more. */
rhei_status duckdb_executor_open(const struct duckdb_executor_config *config, struct executor **executor,
                                 struct rhei_error *error);

#endif
