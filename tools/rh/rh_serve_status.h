/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_status.h
 * How a service is: for probes, and as JSON for whoever watches it.
 */
#ifndef RH_SERVE_STATUS_H
#define RH_SERVE_STATUS_H

#include "rh_serve_log.h"
#include "rh_serve_trace.h"
#include "rh_tool.h"

#include <stdatomic.h>

/** What is known of a running service; filled before it is asked. */
struct rh_service {
    rhei_db *db;
    rhei_cancel *cancel;
    struct rh_log log;
    struct rh_trace *trace;
    int64_t started_us;
    atomic_int_least64_t ready_lag_ms, slow_query_ms; /* of the settings; they may change */
    atomic_bool stopping;
    const char *flight, *metrics, *http; /* addresses; NULL: none */
};

/** Whether it should be asked; else why not, one sentence. */
bool rh_service_ready(const struct rh_service *service, struct rh_buffer *why);
/** All of it as one JSON object (docs/guide/service.md); without the log, which has others' statements, its list is empty. RHEI_OK, or why it can't be told. */
rhei_status rh_service_add_status(const struct rh_service *service, bool with_log, struct rh_buffer *json,
                                  struct rhei_error *error);
/** A rhei_statement_function whose context is a struct rh_service: tells of slow ones, and traces all. */
void rh_service_statement(void *service, const struct rhei_statement_event *event);

#endif
