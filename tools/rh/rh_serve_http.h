/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_serve_http.h
 * What a service answers over HTTP: on metrics_listen for who collects and probes, on the socket for who watches.
 */
#ifndef RH_SERVE_HTTP_H
#define RH_SERVE_HTTP_H

#include "http_server.h"
#include "rh_serve_status.h"

/** Of http_options, whose context is a struct rh_service. */
void rh_http_metrics(void *service, const struct http_request *request, struct http_exchange *exchange);
/** GET /status of whichever door: rh_service_add_status(). */
void rh_http_status(const struct rh_service *service, bool with_log, const struct http_request *request,
                    struct http_exchange *exchange);
void rh_http_watch(void *service, const struct http_request *request, struct http_exchange *exchange);

#endif
