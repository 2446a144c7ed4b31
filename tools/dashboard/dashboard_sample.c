/* SPDX-License-Identifier: Apache-2.0 */
#include "dashboard_sample.h"

#include "rh_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dashboard_sample_init(struct dashboard_sample *sample, int64_t at_us)
{
    *sample = (struct dashboard_sample){.at_us = at_us};
    for (int at = 0; at < DASHBOARD_VALUES; at++)
        sample->values[at] = NAN;
}

void dashboard_sample_reset(struct dashboard_sample *sample)
{
    free(sample->tables);
    free(sample->sidecars);
    free(sample->engines);
    free(sample->last);
    free(sample->slow);
    *sample = (struct dashboard_sample){0};
}

void dashboard_sample_text(struct dashboard_sample *sample, enum dashboard_text text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sample->texts[text], sizeof sample->texts[text], format, arguments);
    va_end(arguments);
}

static const struct {
    const char *name, *labels;
    enum dashboard_value value;
} metrics[] = {
    {"rhei_commits_total", "", DASHBOARD_COMMITS},
    {"rhei_oltp_statements_total", "", DASHBOARD_STATEMENTS},
    {"rhei_writes_total", "", DASHBOARD_WRITES},
    {"rhei_oltp_reads_total", "", DASHBOARD_READS},
    {"rhei_oltp_busy_total", "", DASHBOARD_BUSY},
    {"rhei_queries_total", "", DASHBOARD_QUERIES},
    {"rhei_query_routed_total", "target=\"oltp\"", DASHBOARD_ROUTED_OLTP},
    {"rhei_query_routed_total", "target=\"olap\"", DASHBOARD_ROUTED_OLAP},
    {"rhei_query_fallbacks_total", "", DASHBOARD_FALLBACKS},
    {"rhei_errors_total", "", DASHBOARD_ERRORS},
    {"rhei_cancelled_total", "", DASHBOARD_CANCELLED},
    {"rhei_sync_events_processed_total", "", DASHBOARD_EVENTS},
    {"rhei_sync_rows_inserted_total", "", DASHBOARD_INSERTED},
    {"rhei_sync_rows_updated_total", "", DASHBOARD_UPDATED},
    {"rhei_sync_rows_deleted_total", "", DASHBOARD_DELETED},
    {"rhei_sync_rows_pruned_total", "", DASHBOARD_PRUNED},
    {"rhei_sync_cycles_total", "", DASHBOARD_CYCLES},
    {"rhei_sync_cycle_seconds_sum", "", DASHBOARD_CYCLE_SECONDS},
    {"rhei_sync_cycle_seconds_count", "", DASHBOARD_CYCLES_TIMED},
    {"rhei_sync_failures_total", "", DASHBOARD_FAILURES},
    {"rhei_disk_checkpoints_total", "", DASHBOARD_CHECKPOINTS},
    {"rhei_cdc_log_position", "", DASHBOARD_LOG_POSITION},
    {"rhei_oltp_file_bytes", "", DASHBOARD_FILE_BYTES},
    {"rhei_oltp_wal_bytes", "", DASHBOARD_WAL_BYTES},
    {"rhei_oltp_readers", "", DASHBOARD_READERS},
    {"rhei_sync_cdc_lag", "", DASHBOARD_LAG},
    {"rhei_sync_lag_seconds", "", DASHBOARD_LAG_SECONDS},
    {"rhei_cdc_log_rows", "", DASHBOARD_LOG_ROWS},
    {"rhei_cdc_log_bytes", "", DASHBOARD_LOG_BYTES},
    {"rhei_cdc_log_age_seconds", "", DASHBOARD_LOG_SECONDS},
    {"rhei_sync_tables", "", DASHBOARD_TABLES},
    {"rhei_sync_tables_ready", "", DASHBOARD_TABLES_READY},
    {"rhei_mirror_rows", "", DASHBOARD_ROWS},
    {"rhei_mirror_dead_rows", "", DASHBOARD_DEAD_ROWS},
    {"rhei_mirror_bytes", "", DASHBOARD_MIRROR_BYTES},
    {"rhei_executor_memory_bytes", "", DASHBOARD_EXECUTOR_BYTES},
    {"rhei_mirror_memory_limit_bytes", "", DASHBOARD_MEMORY_LIMIT},
    {"rhei_disk_bytes", "", DASHBOARD_DISK_BYTES},
    {"rhei_disk_position", "", DASHBOARD_DISK_POSITION},
    {"rhei_disk_age_seconds", "", DASHBOARD_DISK_SECONDS},
    {"rhei_buffer_bytes", "", DASHBOARD_BUFFER_BYTES},
    {"rhei_buffer_lag", "", DASHBOARD_BUFFER_LAG},
};

/* The bucket's bound: of `target="olap",le="0.25"` a quarter of a second. */
static bool read_bound(const char *labels, double *bound)
{
    const char *at = strstr(labels, "le=\"");
    if (at == NULL || (at != labels && at[-1] != ',' && at[-1] != ' '))
        return false;
    char *end;
    *bound = strncmp(at + 4, "+Inf", 4) == 0 ? INFINITY : strtod(at + 4, &end);
    return !isnan(*bound);
}

/* Several series of one name (one for each route) are added up, as their bounds are the same. */
static void add_bucket(struct dashboard_histogram *histogram, double bound, double count)
{
    size_t at = 0;
    while (at < histogram->count && histogram->bounds[at] < bound)
        at++;
    if (at < histogram->count && histogram->bounds[at] <= bound) {
        histogram->counts[at] += count;
        return;
    }
    if (histogram->count == DASHBOARD_BUCKETS)
        return;
    size_t behind = histogram->count++ - at;
    memmove(&histogram->bounds[at + 1], &histogram->bounds[at], behind * sizeof *histogram->bounds);
    memmove(&histogram->counts[at + 1], &histogram->counts[at], behind * sizeof *histogram->counts);
    histogram->bounds[at] = bound;
    histogram->counts[at] = count;
}

void dashboard_sample_metric(struct dashboard_sample *sample, const char *name, const char *labels, double value)
{
    static const char *const buckets[] = {"rhei_query_seconds_bucket", "rhei_commit_seconds_bucket",
                                          "rhei_sync_cycle_seconds_bucket"};
    double bound;
    for (size_t at = 0; at < sizeof metrics / sizeof *metrics; at++)
        if (strcmp(metrics[at].name, name) == 0 && strcmp(metrics[at].labels, labels) == 0) {
            sample->values[metrics[at].value] = value;
            return;
        }
    for (int at = 0; at < DASHBOARD_HISTOGRAMS; at++)
        if (strcmp(buckets[at], name) == 0 && read_bound(labels, &bound))
            add_bucket(&sample->histograms[at], bound, value);
}

void dashboard_histogram_add(struct dashboard_histogram *histogram, double seconds)
{
    if (histogram->count == 0) {
        double bound = 1e-6;
        for (size_t at = 0; at + 1 < DASHBOARD_BUCKETS; at++, bound *= 1.3)
            histogram->bounds[at] = bound;
        histogram->bounds[DASHBOARD_BUCKETS - 1] = INFINITY;
        histogram->count = DASHBOARD_BUCKETS;
    }
    for (size_t at = DASHBOARD_BUCKETS; at > 0 && histogram->bounds[at - 1] >= seconds; at--)
        histogram->counts[at - 1]++;
}

/* What came since: nothing is known where the counts began anew, or the buckets are others. */
static bool came_since(const struct dashboard_histogram *before, const struct dashboard_histogram *now, size_t at,
                       double *count)
{
    if (before->count == 0)
        *count = now->counts[at];
    else
        *count = now->counts[at] - before->counts[at];
    return *count >= 0;
}

double dashboard_quantile(const struct dashboard_histogram *before, const struct dashboard_histogram *now, double share)
{
    double all, here, below = 0, from = 0;
    if (now->count == 0 || (before->count != 0 && before->count != now->count) ||
        !came_since(before, now, now->count - 1, &all) || all <= 0)
        return NAN;
    for (size_t at = 0; at < now->count; at++) {
        if (!came_since(before, now, at, &here) || here < below)
            return NAN;
        double bound = now->bounds[at];
        if (here >= all * share && here > below)
            return isinf(bound) ? from : from + (bound - from) * (all * share - below) / (here - below);
        below = here;
        from = isinf(bound) ? from : bound;
    }
    return NAN;
}
