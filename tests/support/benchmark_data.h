/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in the shape of TPC-H's and ClickBench's tables, from a seed: the same on every machine. */
#ifndef TESTS_BENCHMARK_DATA_H
#define TESTS_BENCHMARK_DATA_H

#include "tests/support/engine_fixture.h"

enum { CLICK_QUERIES = 43 };

/* The public queries, as SQLite's dialect says them. */
extern const char *const click_queries[CLICK_QUERIES];

/* The eight tables at about 1/100 of scale factor 1, so that every query selects some rows. */
void benchmark_fill_tpch(rhei_db *db, uint64_t seed);
/* Table `hits` with the columns that the queries read. */
void benchmark_fill_hits(rhei_db *db, uint32_t rows, uint64_t seed);

#endif
