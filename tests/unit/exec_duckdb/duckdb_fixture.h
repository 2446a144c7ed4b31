/* SPDX-License-Identifier: Apache-2.0 */
/* A real mirror with a real DuckDB over it. */
#ifndef TESTS_DUCKDB_FIXTURE_H
#define TESTS_DUCKDB_FIXTURE_H

#include "exec_duckdb/duckdb_executor.h"
#include "tests/support/executor_fixture.h"

/*
 * DuckDB hands aggregates' states from thread to thread by means that the thread sanitizer doesn't see; it would report,
 * and suppress, each of them.
 */
#ifdef __SANITIZE_THREAD__
#define FIXTURE_AGGREGATE_THREADS 1
#else
#define FIXTURE_AGGREGATE_THREADS 4
#endif

void fixture_open_executor(struct fixture *fixture, const struct duckdb_executor_config *config);

#endif
