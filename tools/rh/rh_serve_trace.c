/* SPDX-License-Identifier: Apache-2.0 */
/*
 * https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/, names of attributes as of its conventions for databases. A line is one write
 * to a file that is open for appending, so lines of several services don't mix.
 */
#include "rh_serve_trace.h"

#include "rh_text.h"
#include "rh_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { SPAN_KIND_SERVER = 2, STATUS_OK = 1, STATUS_ERROR = 2 };

struct rh_trace {
    struct rh_log *log;
    pthread_mutex_t lock;
    int fd; /* -1: none */
    bool failed;
};

struct rh_trace *rh_trace_new(struct rh_log *log)
{
    struct rh_trace *trace = rh_allocate(sizeof *trace);
    *trace = (struct rh_trace){.log = log, .fd = -1};
    (void)pthread_mutex_init(&trace->lock, NULL);
    return trace;
}

bool rh_trace_open(struct rh_trace *trace, const char *path, struct rh_buffer *why)
{
    int fd = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (path != NULL && fd < 0) {
        rh_buffer_format(why, "the trace_path %s can't be opened: %s", path, strerror(errno));
        return false;
    }
    pthread_mutex_lock(&trace->lock);
    if (trace->fd >= 0)
        (void)close(trace->fd);
    trace->fd = fd;
    trace->failed = false;
    pthread_mutex_unlock(&trace->lock);
    return true;
}

static void add_attribute(struct rh_buffer *line, const char *key, const char *text, size_t length, const char *behind)
{
    rh_buffer_format(line, "{\"key\":\"%s\",\"value\":{\"stringValue\":", key);
    rh_add_json_text(line, text, length);
    rh_buffer_format(line, "}}%s", behind);
}

static void add_span(struct rh_buffer *line, const struct rhei_statement_event *event)
{
    unsigned char id[24];
    bool good = event->status == RHEI_OK;
    const char *status = rhei_status_name(event->status);
    if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
        memset(id, 0xff, sizeof id);
    rh_buffer_add_text(line, "{\"traceId\":\"");
    rh_add_hex(line, id, 16);
    rh_buffer_add_text(line, "\",\"spanId\":\"");
    rh_add_hex(line, id + 16, 8);
    rh_buffer_format(line,
                     "\",\"name\":\"statement\",\"kind\":%d,\"startTimeUnixNano\":\"%" PRId64
                     "000\",\"endTimeUnixNano\":\"%" PRId64 "000\",\"attributes\":[",
                     SPAN_KIND_SERVER, event->begun_us, event->begun_us + event->duration_us);
    add_attribute(line, "db.system.name", "rhei", 4, ",");
    add_attribute(line, "db.query.text", event->sql, event->sql_length, ",");
    add_attribute(line, "rhei.route", event->route, strlen(event->route), ",");
    add_attribute(line, "rhei.rule", event->rule, strlen(event->rule), good ? "" : ",");
    if (!good)
        add_attribute(line, "error.type", status, strlen(status), "");
    rh_buffer_format(line, "],\"status\":{\"code\":%d}}", good ? STATUS_OK : STATUS_ERROR);
}

void rh_trace_statement(struct rh_trace *trace, const struct rhei_statement_event *event)
{
    struct rh_buffer line = {0};
    pthread_mutex_lock(&trace->lock);
    bool wanted = trace->fd >= 0;
    pthread_mutex_unlock(&trace->lock);
    if (!wanted)
        return;
    rh_buffer_add_text(&line, "{\"resourceSpans\":[{\"resource\":{\"attributes\":[");
    add_attribute(&line, "service.name", "rhei", 4, ",");
    add_attribute(&line, "service.version", RHEI_VERSION, strlen(RHEI_VERSION), "");
    rh_buffer_add_text(&line, "]},\"scopeSpans\":[{\"scope\":{\"name\":\"rhei\"},\"spans\":[");
    add_span(&line, event);
    rh_buffer_add_text(&line, "]}]}]}\n");
    pthread_mutex_lock(&trace->lock);
    bool fails = trace->fd >= 0 && write(trace->fd, line.bytes, line.length) != (ssize_t)line.length;
    int reason = errno;
    bool tell = fails && !trace->failed;
    trace->failed = fails;
    pthread_mutex_unlock(&trace->lock);
    if (tell)
        rh_log_format(trace->log, RHEI_LOG_WARN, "trace", "spans are lost: %s", strerror(reason));
    rh_buffer_free(&line);
}

void rh_trace_free(struct rh_trace **trace)
{
    if (*trace == NULL)
        return;
    if ((*trace)->fd >= 0)
        (void)close((*trace)->fd);
    pthread_mutex_destroy(&(*trace)->lock);
    free(*trace);
    *trace = NULL;
}
