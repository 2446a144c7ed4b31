/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_sql_request.h
 * The body of POST /sql. SQLite reads the JSON, so a number means what it means there.
 */
#ifndef RH_SQL_REQUEST_H
#define RH_SQL_REQUEST_H

#include "rh_args.h"

struct rh_sql_request {
    struct rh_args args; /* route, freshness, as_of, timeout_ms */
    char *sql, *as_of;
    struct rhei_value *values; /* of the parameters, with a rhei_name() before each where they have names */
    size_t value_count;
    char **owned; /* bytes of values */
    size_t owned_count;
};

/** {"sql": .., "params": [..] or {..}, "route": .., "freshness": .., "as_of": .., "timeout_ms": ..}. False: *why says what is wrong. */
bool rh_sql_request_read(rhei_db *db, const char *body, size_t length, struct rh_sql_request *request,
                         struct rh_buffer *why);
void rh_sql_request_free(struct rh_sql_request *request);

#endif
