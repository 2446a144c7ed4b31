/* SPDX-License-Identifier: Apache-2.0 */
/* Bare DuckDB, the peer of analytics: the same library, its own tables in memory with the same contents. */
#ifndef PEER_DUCKDB_H
#define PEER_DUCKDB_H

#include <stdbool.h>
#include <stdint.h>

#include "rhei/rhei_types.h"

/* False, with a word on standard error, when the library can't be loaded: then there is no such peer. */
bool duck_open(int threads);
void duck_close(void);
void duck_exec(const char *sql);
/* A statement to run again and again. */
void *duck_prepare(const char *sql);
/* Runs it and reads every chunk; returns the rows. `to_arrow`: each chunk becomes Arrow arrays first. */
uint64_t duck_run(void *prepared, bool to_arrow);
/* Hands over the rows of a query whose columns are BIGINT, DOUBLE or VARCHAR without NULLs, some thousands at a time. */
void duck_each(const char *sql, void (*take)(void *, const struct rhei_value *, size_t columns, size_t rows),
               void *context);
void duck_finish(void *prepared);

#endif
