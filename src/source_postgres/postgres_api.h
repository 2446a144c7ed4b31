/* SPDX-License-Identifier: Apache-2.0 */
/* libpq as a table of functions, found at run time by whoever first opens a source. Read-only once loaded: any thread. */
#ifndef SOURCE_POSTGRES_POSTGRES_API_H
#define SOURCE_POSTGRES_POSTGRES_API_H

#include <libpq-fe.h>

#include "rhei/rhei_types.h"

struct postgres_api {
#define PQ_CALL(name) __typeof__(PQ##name) *name;
#include "source_postgres/postgres_api.def"
#undef PQ_CALL
};

/*
 * RHEI_UNSUPPORTED: the library isn't there, can't be loaded, or lacks a function. Looks at RHEI_LIBPQ, then for libpq.so.5. The
 * library stays loaded for good.
 */
rhei_status postgres_api_load(const struct postgres_api **api, struct rhei_error *error);

#endif
