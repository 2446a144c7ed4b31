/* SPDX-License-Identifier: Apache-2.0 */
/* libduckdb.so as a table of functions, found at run time. Read-only once loaded: any thread. */
#ifndef EXEC_DUCKDB_DUCKDB_API_H
#define EXEC_DUCKDB_DUCKDB_API_H

#include <duckdb.h>

#include "rhei/rhei_types.h"

struct duck_api {
    void *library;
#define DUCK(name) __typeof__(duckdb_##name) *name;
#include "exec_duckdb/duckdb_api.def"
#undef DUCK
};

/*
 * `path` NULL: looks where duckdb_executor.h says. RHEI_OLAP_UNAVAILABLE: not found, not loadable, not of version 1.5.x
 * from 1.5.5 on, or another file than an earlier executor of this process loaded.
 *
 * The table is the process's, written once, as the loaded library is the process's: DuckDB calls back with nothing but a
 * handle, which only the library can read. Nothing ever unmaps the library again: its threads' destructors live in it.
 */
rhei_status duck_api_load(const char *path, const struct duck_api **api, struct rhei_error *error);
/* For callbacks: the table of the library that calls. */
const struct duck_api *duck_api(void);

#endif
