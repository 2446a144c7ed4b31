/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_sql.h
 * The HTTP door. POST /sql: a statement as JSON, its rows as JSON or as an Arrow stream. GET /status, and the web page.
 */
#ifndef RH_SERVE_SQL_H
#define RH_SERVE_SQL_H

#include "http_server.h"
#include "rh_serve_flight.h"
#include "rh_serve_status.h"

/** What the door has; filled before it is asked. */
struct rh_sql_door {
    rhei_db *db;
    const struct rh_service *service; /**< of GET /status */
    rhei_flight_guard *guard;
    rh_guard_enter *enter;
    int64_t timeout_ms;    /**< of one statement, its last row sent */
    uint64_t max_rows;     /**< of one result; 0: no limit */
    bool page;             /**< the web page is answered, too */
    rhei_log_function log; /**< of a line for each statement */
    void *log_context;
};

/** Of http_options, whose context is a struct rh_sql_door. */
void rh_http_sql(void *door, const struct http_request *request, struct http_exchange *exchange);

#endif
