/* SPDX-License-Identifier: Apache-2.0 */
/*
 * https://prometheus.io/docs/instrumenting/exposition_formats/ and https://prometheus.io/docs/specs/om/open_metrics_spec/. A family is a name with its
 * type: a histogram's is without _bucket, _sum and _count, a counter's of OpenMetrics without _total.
 */
#include "rh_serve_metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const parts[] = {"_bucket", "_sum", "_count"};

const char *rh_metrics_type(bool open_metrics)
{
    return open_metrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                        : "text/plain; version=0.0.4; charset=utf-8";
}

static bool ends_with(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length > tail && strcmp(name + length - tail, end) == 0;
}

static bool has_buckets(struct rhei_metric *const *metrics, size_t count, const char *family, size_t length)
{
    for (size_t at = 0; at < count; at++)
        if (strncmp(metrics[at]->name, family, length) == 0 && strcmp(metrics[at]->name + length, "_bucket") == 0)
            return true;
    return false;
}

struct family {
    size_t length; /* of the name's beginning that is the family's */
    const char *type;
};

static struct family family_of(struct rhei_metric *const *metrics, size_t count, const struct rhei_metric *metric,
                               bool open_metrics)
{
    size_t length = strlen(metric->name);
    for (size_t part = 0; part < 3; part++) {
        size_t stem = length - strlen(parts[part]);
        if (ends_with(metric->name, parts[part]) && has_buckets(metrics, count, metric->name, stem))
            return (struct family){stem, "histogram"};
    }
    if (!metric->counter)
        return (struct family){length, "gauge"};
    bool total = open_metrics && ends_with(metric->name, "_total");
    return (struct family){total ? length - 6 : length, "counter"};
}

static bool is_of(struct rhei_metric *const *metrics, size_t count, const struct rhei_metric *metric,
                  const struct rhei_metric *first, struct family family, bool open_metrics)
{
    if (strncmp(metric->name, first->name, family.length) != 0)
        return false;
    return family_of(metrics, count, metric, open_metrics).length == family.length;
}

/* Help has no line end and no backslash of its own: both are of our making. */
static void add_sample(struct rh_buffer *out, const struct rhei_metric *metric)
{
    rh_buffer_add_text(out, metric->name);
    if (metric->labels[0] != '\0')
        rh_buffer_format(out, "{%s}", metric->labels);
    if (isnan(metric->value))
        rh_buffer_add_text(out, " NaN\n");
    else if (isinf(metric->value))
        rh_buffer_add_text(out, metric->value > 0 ? " +Inf\n" : " -Inf\n");
    else
        rh_buffer_format(out, " %.17g\n", metric->value);
}

void rh_metrics_text(struct rhei_metric *const *metrics, size_t count, bool open_metrics, struct rh_buffer *out)
{
    bool *written = rh_allocate(count + 1);
    memset(written, 0, count + 1);
    for (size_t at = 0; at < count; at++) {
        if (written[at])
            continue;
        const struct rhei_metric *first = metrics[at];
        struct family family = family_of(metrics, count, first, open_metrics);
        rh_buffer_format(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)family.length, first->name, first->help,
                         (int)family.length, first->name, family.type);
        for (size_t other = at; other < count; other++) {
            if (written[other] || !is_of(metrics, count, metrics[other], first, family, open_metrics))
                continue;
            written[other] = true;
            add_sample(out, metrics[other]);
        }
    }
    if (open_metrics)
        rh_buffer_add_text(out, "# EOF\n");
    free(written);
}

/* ---- What is wanted ----------------------------------------------------------------------------------------------- */

/* The quality of an element "type/sub;a=b;q=0.5" of an Accept header; 1 where it has none. */
static double quality_of(const char *element, size_t length)
{
    for (size_t at = 0; at + 2 < length; at++) {
        if (element[at] != ';')
            continue;
        size_t name = at + 1;
        while (name < length && element[name] == ' ')
            name++;
        if (name + 2 < length && (element[name] | 0x20) == 'q' && element[name + 1] == '=') {
            char text[8] = "";
            memcpy(text, element + name + 2, length - name - 2 < 7 ? length - name - 2 : 7);
            return strtod(text, NULL);
        }
    }
    return 1;
}

bool rh_metrics_wants_open(const char *accept, size_t length)
{
    static const char open[] = "application/openmetrics-text", plain[] = "text/plain";
    double wants_open = 0, wants_plain = 0;
    for (size_t at = 0; at < length;) {
        const char *comma = memchr(accept + at, ',', length - at);
        size_t end = comma == NULL ? length : (size_t)(comma - accept);
        while (at < end && accept[at] == ' ')
            at++;
        double quality = quality_of(accept + at, end - at);
        if (end - at >= sizeof open - 1 && strncasecmp(accept + at, open, sizeof open - 1) == 0)
            wants_open = quality > wants_open ? quality : wants_open;
        if (end - at >= sizeof plain - 1 && strncasecmp(accept + at, plain, sizeof plain - 1) == 0)
            wants_plain = quality > wants_plain ? quality : wants_plain;
        at = end + 1;
    }
    return wants_open > 0 && wants_open >= wants_plain;
}
