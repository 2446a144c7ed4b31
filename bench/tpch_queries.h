/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TPC-H as SQLite's dialect says it: dates as text, money as REAL, dates computed beforehand, the year as substr(). The same
 * texts run on DuckDB over tables of the same types. Parameters are those of the specification's validation runs.
 */
#ifndef TPCH_QUERIES_H
#define TPCH_QUERIES_H

enum { TPCH_TABLES = 8, TPCH_QUERIES = 22 };

struct tpch_table {
    const char *name;
    const char *columns; /* as CREATE TABLE has them, keys included */
    const char *select;  /* from the generator's table: BIGINT, DOUBLE and VARCHAR only */
    const char *insert;  /* with a ? for each column */
};

extern const struct tpch_table tpch_tables[TPCH_TABLES];
extern const char *const tpch_queries[TPCH_QUERIES];

#endif
