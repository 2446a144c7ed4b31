/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_serve_http.h"

#include "rh_advice.h"
#include "rh_serve_metrics.h"
#include "rh_writer.h"

#include <inttypes.h>
#include <string.h>

static const char plain[] = "text/plain; charset=utf-8", json[] = "application/json";

static void answer(struct http_exchange *exchange, int status, const char *type, struct rh_buffer *body)
{
    http_answer(exchange, status, type, NULL, body->bytes, body->length);
    rh_buffer_free(body);
}

static struct rhei_error refusal(rhei_status code, const char *sqlstate)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    error.code = code;
    (void)snprintf(error.sqlstate, sizeof error.sqlstate, "%s", sqlstate);
    return error;
}

static void answer_error(struct http_exchange *exchange, int status, const char *headers,
                         const struct rhei_error *error)
{
    struct rh_buffer body = {0}, words = {0};
    rh_add_in_words_of_door(&words, error->message);
    rh_buffer_format(&body,
                     "{\"error\":{\"code\":\"%s\",\"sqlstate\":\"%s\",\"message\":", rhei_status_name(error->code),
                     error->sqlstate);
    rh_add_json_text(&body, words.bytes, words.length);
    rh_buffer_add_text(&body, "}}\n");
    rh_buffer_free(&words);
    http_answer(exchange, status, json, headers, body.bytes, body.length);
    rh_buffer_free(&body);
}

/* The path is there, asked for by one of these methods; else that is answered. */
static bool is_asked(const struct http_request *request, struct http_exchange *exchange, const char *method)
{
    bool reads = strcmp(method, "GET") == 0;
    if (http_same(request->method, method) || (reads && http_same(request->method, "HEAD")))
        return true;
    struct rh_buffer headers = {0};
    struct rhei_error error = refusal(RHEI_INVALID, "22023");
    rh_buffer_format(&headers, "Allow: %s\r\n", reads ? "GET, HEAD" : method);
    (void)snprintf(error.message, sizeof error.message, "%.*s is asked for by %s", (int)request->path.length,
                   request->path.bytes, method);
    answer_error(exchange, 405, headers.bytes, &error);
    rh_buffer_free(&headers);
    return false;
}

static void answer_metrics(const struct rh_service *service, const struct http_request *request,
                           struct http_exchange *exchange)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_metric **metrics = NULL;
    struct rh_buffer body = {0};
    struct http_text accept = {"", 0};
    size_t count = 0;
    if (rhei_metric_list(service->db, &metrics, &count, &error) != RHEI_OK) {
        answer_error(exchange, 503, NULL, &error);
        return;
    }
    (void)http_header(request, "accept", &accept);
    bool open = rh_metrics_wants_open(accept.bytes, accept.length);
    rh_metrics_text(metrics, count, open, &body);
    rhei_free(metrics);
    answer(exchange, 200, rh_metrics_type(open), &body);
}

static void answer_ready(const struct rh_service *service, struct http_exchange *exchange)
{
    struct rh_buffer why = {0};
    bool ready = rh_service_ready(service, &why);
    if (ready)
        rh_buffer_add_text(&why, "ready");
    rh_buffer_add_char(&why, '\n');
    answer(exchange, ready ? 200 : 503, plain, &why);
}

static void answer_lost(struct http_exchange *exchange)
{
    struct rhei_error error = refusal(RHEI_NOT_FOUND, "02000");
    (void)snprintf(error.message, sizeof error.message, "there are /metrics, /healthz and /readyz");
    answer_error(exchange, 404, NULL, &error);
}

void rh_http_metrics(void *context, const struct http_request *request, struct http_exchange *exchange)
{
    const struct rh_service *service = context;
    bool metrics = http_same(request->path, "/metrics"), ready = http_same(request->path, "/readyz");
    if (!metrics && !ready && !http_same(request->path, "/healthz"))
        answer_lost(exchange);
    else if (!is_asked(request, exchange, "GET"))
        return;
    else if (metrics)
        answer_metrics(service, request, exchange);
    else if (ready)
        answer_ready(service, exchange);
    else
        http_answer(exchange, 200, plain, NULL, "ok\n", 3);
}

/* ---- The socket --------------------------------------------------------------------------------------------------- */

void rh_http_status(const struct rh_service *service, bool with_log, const struct http_request *request,
                    struct http_exchange *exchange)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_buffer body = {0};
    if (!is_asked(request, exchange, "GET"))
        return;
    if (rh_service_add_status(service, with_log, &body, &error) == RHEI_OK) {
        answer(exchange, 200, json, &body);
        return;
    }
    rh_buffer_free(&body);
    answer_error(exchange, 503, NULL, &error);
}

static void answer_sync(const struct rh_service *service, struct http_exchange *exchange)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_sync_report report = {.struct_size = sizeof report};
    const struct rhei_call_options options = {.struct_size = sizeof options, .cancel = service->cancel};
    struct rh_buffer body = {0};
    if (rhei_sync_now_with(service->db, &options, &report, &error) != RHEI_OK) {
        answer_error(exchange, 503, NULL, &error);
        return;
    }
    rh_buffer_format(&body,
                     "{\"position\":%" PRId64 ",\"events\":%" PRIu64 ",\"rows_inserted\":%" PRIu64
                     ",\"rows_updated\":%" PRIu64 ",\"rows_deleted\":%" PRIu64 ",\"rows_pruned\":%" PRIu64
                     ",\"duration_us\":%" PRId64 "}\n",
                     report.position, report.events, report.rows_inserted, report.rows_updated, report.rows_deleted,
                     report.rows_pruned, report.duration_us);
    answer(exchange, 200, json, &body);
}

void rh_http_watch(void *context, const struct http_request *request, struct http_exchange *exchange)
{
    const struct rh_service *service = context;
    if (http_same(request->path, "/status")) {
        rh_http_status(service, true, request, exchange);
    } else if (http_same(request->path, "/sync")) {
        if (is_asked(request, exchange, "POST"))
            answer_sync(service, exchange);
    } else {
        rh_http_metrics(context, request, exchange);
    }
}
