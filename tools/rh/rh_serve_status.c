/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_serve_status.h"

#include "rh_writer.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { SLOW_TEXT_MOST = 2000 }; /* bytes of a statement in the log */

/* The one that is the furthest behind, or whose source is away, is why not. */
static bool sidecars_ready(const struct rh_service *service, int64_t bound_ms, struct rh_buffer *why)
{
    struct rhei_sidecar_status **sidecars = NULL;
    size_t count = 0;
    bool ready = true;
    if (rhei_sidecar_list(service->db, &sidecars, &count, NULL) != RHEI_OK)
        return true; /* there is no column store that they could be in */
    for (size_t at = 0; at < count && ready; at++) {
        const struct rhei_sidecar_status *sidecar = sidecars[at];
        ready = sidecar->lag_us >= 0 && sidecar->lag_us <= bound_ms * 1000;
        if (ready)
            continue;
        rh_buffer_format(why, "the sidecar %s ", sidecar->name);
        if (sidecar->lag_us < 0)
            rh_buffer_add_text(why, "isn't loaded yet");
        else
            rh_buffer_format(why, "was in step %" PRId64 " ms ago; ready_lag_ms is %" PRId64, sidecar->lag_us / 1000,
                             bound_ms);
        if (sidecar->message[0] != '\0')
            rh_buffer_format(why, ": %s", sidecar->message);
    }
    rhei_free(sidecars);
    return ready;
}

bool rh_service_ready(const struct rh_service *service, struct rh_buffer *why)
{
    struct rhei_sync_status sync = {.struct_size = sizeof sync};
    struct rhei_error error = RHEI_ERROR_INIT;
    int64_t bound_ms = atomic_load(&service->ready_lag_ms);
    rh_buffer_add_text(why, "");
    if (atomic_load(&service->stopping)) {
        rh_buffer_add_text(why, "the service is ending");
        return false;
    }
    if (rhei_sync_status(service->db, &sync, &error) != RHEI_OK) {
        rh_buffer_format(why, "the database can't be asked: %s", error.message);
        return false;
    }
    if (bound_ms == 0)
        return true;
    bool in_step = !sync.running || sync.lag_events == 0 || (sync.age_us >= 0 && sync.age_us <= bound_ms * 1000);
    if (in_step) /* sidecars have syncs of their own */
        return sidecars_ready(service, bound_ms, why);
    rh_buffer_format(why, "the column store is %" PRId64 " changes behind", sync.lag_events);
    if (sync.age_us >= 0)
        rh_buffer_format(why, ", and was in step %" PRId64 " ms ago; ready_lag_ms is %" PRId64, sync.age_us / 1000,
                         bound_ms);
    return false;
}

static void add_number(struct rh_buffer *json, const char *name, int64_t value)
{
    rh_buffer_format(json, "\"%s\":%" PRId64 ",", name, value);
}

/* The last of an object has no comma behind it. */
static void add_text(struct rh_buffer *json, const char *name, const char *text, const char *behind)
{
    rh_buffer_format(json, "\"%s\":", name);
    if (text == NULL)
        rh_buffer_add_text(json, "null");
    else
        rh_add_json_text(json, text, strlen(text));
    rh_buffer_add_text(json, behind);
}

static void add_service(struct rh_buffer *json, const struct rh_service *service)
{
    struct rh_buffer why = {0};
    bool ready = rh_service_ready(service, &why);
    rh_buffer_add_text(json, "{\"service\":{");
    add_number(json, "pid", (int64_t)getpid());
    add_text(json, "version", RHEI_VERSION, ",");
    add_number(json, "started_us", service->started_us);
    add_number(json, "now_us", rh_log_now_us());
    rh_buffer_format(json, "\"ready\":%s,", ready ? "true" : "false");
    add_text(json, "why", why.bytes, ",");
    add_text(json, "flight", service->flight, ",");
    add_text(json, "metrics", service->metrics, ",");
    add_text(json, "http", service->http, "},");
    rh_buffer_free(&why);
}

static rhei_status add_sync(struct rh_buffer *json, const struct rh_service *service, struct rhei_error *error)
{
    struct rhei_sync_status sync = {.struct_size = sizeof sync};
    rhei_status status = rhei_sync_status(service->db, &sync, error);
    if (status != RHEI_OK)
        return status;
    rh_buffer_format(json, "\"sync\":{\"running\":%s,", sync.running ? "true" : "false");
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {{"position", sync.position},
                   {"log_position", sync.log_position},
                   {"lag_events", sync.lag_events},
                   {"age_us", sync.age_us},
                   {"tables", (int64_t)sync.tables},
                   {"tables_ready", (int64_t)sync.tables_ready},
                   {"cycles", (int64_t)sync.cycles},
                   {"events", (int64_t)sync.events},
                   {"rows_inserted", (int64_t)sync.rows_inserted},
                   {"rows_updated", (int64_t)sync.rows_updated},
                   {"rows_deleted", (int64_t)sync.rows_deleted},
                   {"rows_pruned", (int64_t)sync.rows_pruned},
                   {"log_rows", (int64_t)sync.log_rows},
                   {"log_bytes", (int64_t)sync.log_bytes},
                   {"last_cycle_us", sync.last_cycle_us}};
    for (size_t at = 0; at < sizeof numbers / sizeof numbers[0]; at++)
        add_number(json, numbers[at].name, numbers[at].value);
    add_text(json, "last_error", sync.last_error, "},");
    return RHEI_OK;
}

static rhei_status add_tables(struct rh_buffer *json, const struct rh_service *service, struct rhei_error *error)
{
    static const char *const states[] = {"waiting", "building", "ready", "failed", "unmirrored"};
    struct rhei_table_status **tables = NULL;
    size_t count = 0;
    rhei_status status = rhei_table_list(service->db, &tables, &count, error);
    if (status != RHEI_OK && status != RHEI_OLAP_UNAVAILABLE) /* a service that only reads mirrors nothing */
        return status;
    rh_buffer_add_text(json, "\"tables\":[");
    for (size_t at = 0; at < count; at++) {
        const struct rhei_table_status *table = tables[at];
        rh_buffer_add_text(json, at > 0 ? ",{" : "{");
        add_text(json, "name", table->name, ",");
        add_text(json, "state", table->state >= 0 && table->state < 5 ? states[table->state] : "unknown", ",");
        add_number(json, "rows", (int64_t)table->rows);
        add_number(json, "rows_built", (int64_t)table->rows_built);
        add_number(json, "rows_expected", (int64_t)table->rows_expected);
        add_number(json, "position", table->position);
        rh_buffer_format(json, "\"keeps_history\":%s,", table->keeps_history != 0 ? "true" : "false");
        add_text(json, "message", table->message, "}");
    }
    rhei_free(tables);
    rh_buffer_add_text(json, "],");
    return RHEI_OK;
}

static rhei_status add_sidecars(struct rh_buffer *json, const struct rh_service *service, struct rhei_error *error)
{
    struct rhei_sidecar_status **sidecars = NULL;
    size_t count = 0;
    rhei_status status = rhei_sidecar_list(service->db, &sidecars, &count, error);
    if (status != RHEI_OK && status != RHEI_OLAP_UNAVAILABLE)
        return status;
    rh_buffer_add_text(json, "\"sidecars\":[");
    for (size_t at = 0; at < count; at++) {
        const struct rhei_sidecar_status *sidecar = sidecars[at];
        rh_buffer_add_text(json, at > 0 ? ",{" : "{");
        add_text(json, "name", sidecar->name, ",");
        add_text(json, "source_type", sidecar->source_type, ",");
        add_text(json, "mode", sidecar->mode, ",");
        rh_buffer_format(json, "\"away\":%s,", sidecar->away ? "true" : "false");
        add_number(json, "position", sidecar->position);
        add_number(json, "lag_us", sidecar->lag_us);
        add_number(json, "tables", (int64_t)sidecar->tables);
        add_number(json, "tables_ready", (int64_t)sidecar->tables_ready);
        add_text(json, "message", sidecar->message, "}");
    }
    rhei_free(sidecars);
    rh_buffer_add_text(json, "],");
    return RHEI_OK;
}

static rhei_status add_metrics(struct rh_buffer *json, const struct rh_service *service, struct rhei_error *error)
{
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    rhei_status status = rhei_metric_list(service->db, &metrics, &count, error);
    if (status != RHEI_OK)
        return status;
    rh_buffer_add_text(json, "\"metrics\":[");
    for (size_t at = 0; at < count; at++) {
        rh_buffer_add_text(json, at > 0 ? ",{" : "{");
        add_text(json, "name", metrics[at]->name, ",");
        add_text(json, "labels", metrics[at]->labels, ",");
        rh_buffer_format(json, "\"counter\":%s,\"value\":%.17g}", metrics[at]->counter ? "true" : "false",
                         metrics[at]->value);
    }
    rhei_free(metrics);
    rh_buffer_add_text(json, "],");
    return RHEI_OK;
}

rhei_status rh_service_add_status(const struct rh_service *service, bool with_log, struct rh_buffer *json,
                                  struct rhei_error *error)
{
    char *info = NULL;
    add_service(json, service);
    rhei_status status = add_sync(json, service, error);
    if (status == RHEI_OK)
        status = add_tables(json, service, error);
    if (status == RHEI_OK)
        status = add_sidecars(json, service, error);
    if (status == RHEI_OK)
        status = add_metrics(json, service, error);
    if (status == RHEI_OK)
        status = rhei_info_json(service->db, &info, error);
    if (status != RHEI_OK)
        return status;
    rh_buffer_format(json, "\"info\":%s,\"log\":", info);
    rhei_free(info);
    if (with_log)
        rh_log_add_json(&service->log, json);
    else
        rh_buffer_add_text(json, "[]");
    rh_buffer_add_text(json, "}\n");
    return RHEI_OK;
}

void rh_service_statement(void *context, const struct rhei_statement_event *event)
{
    struct rh_service *service = context;
    int64_t slow_ms = atomic_load(&service->slow_query_ms);
    rh_trace_statement(service->trace, event);
    if (slow_ms == 0 || event->duration_us < slow_ms * 1000)
        return;
    size_t length = event->sql_length < SLOW_TEXT_MOST ? event->sql_length : SLOW_TEXT_MOST;
    rh_log_format(&service->log, RHEI_LOG_WARN, "slow", "%.3f s, %s, %s: %.*s%s", (double)event->duration_us / 1e6,
                  event->route, event->status == RHEI_OK ? "ok" : rhei_status_name(event->status), (int)length,
                  event->sql, length < event->sql_length ? "..." : "");
}
