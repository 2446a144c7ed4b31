/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_trace.h
 * Spans of statements, as OpenTelemetry's collector reads them from a file: a line is a request of OTLP in JSON.
 */
#ifndef RH_SERVE_TRACE_H
#define RH_SERVE_TRACE_H

#include "rh_serve_log.h"
#include "rhei/rhei.h"

struct rh_trace;

struct rh_trace *rh_trace_new(struct rh_log *log);
/**
 * Appends to this file from now on, made readable for its owner alone (NULL: to none). The same again opens it again, so that it may be moved away.
 * False: *why says what is wrong, and it goes on as it was.
 */
bool rh_trace_open(struct rh_trace *trace, const char *path, struct rh_buffer *why);
/** Any thread. */
void rh_trace_statement(struct rh_trace *trace, const struct rhei_statement_event *event);
void rh_trace_free(struct rh_trace **trace);

#endif
