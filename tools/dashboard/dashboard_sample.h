/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dashboard_sample.h
 * What is known of a database at one moment, whoever told it. What isn't known is NAN or "", and is never shown as 0.
 */
#ifndef DASHBOARD_SAMPLE_H
#define DASHBOARD_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Numbers; those up to DASHBOARD_COUNTERS only grow while their process lives. */
enum dashboard_value {
    DASHBOARD_COMMITS,
    DASHBOARD_STATEMENTS, /* of the writer */
    DASHBOARD_WRITES,
    DASHBOARD_READS,
    DASHBOARD_BUSY,
    DASHBOARD_QUERIES,
    DASHBOARD_ROUTED_OLTP,
    DASHBOARD_ROUTED_OLAP,
    DASHBOARD_FALLBACKS,
    DASHBOARD_ERRORS,
    DASHBOARD_CANCELLED,
    DASHBOARD_EVENTS,
    DASHBOARD_INSERTED,
    DASHBOARD_UPDATED,
    DASHBOARD_DELETED,
    DASHBOARD_PRUNED,
    DASHBOARD_CYCLES,
    DASHBOARD_CYCLE_SECONDS,
    DASHBOARD_CYCLES_TIMED,
    DASHBOARD_FAILURES,
    DASHBOARD_CHECKPOINTS,
    DASHBOARD_LOG_POSITION,
    DASHBOARD_COUNTERS,
    DASHBOARD_FILE_BYTES = DASHBOARD_COUNTERS,
    DASHBOARD_WAL_BYTES,
    DASHBOARD_READERS,
    DASHBOARD_POOL,
    DASHBOARD_POSITION, /* that the column store shows */
    DASHBOARD_LAG,      /* changes between it and the newest */
    DASHBOARD_LAG_SECONDS,
    DASHBOARD_LAST_CYCLE_SECONDS,
    DASHBOARD_LOG_ROWS,
    DASHBOARD_LOG_BYTES,
    DASHBOARD_LOG_SECONDS,
    DASHBOARD_TABLES,
    DASHBOARD_TABLES_READY,
    DASHBOARD_ROWS,
    DASHBOARD_DEAD_ROWS,
    DASHBOARD_MIRROR_BYTES,
    DASHBOARD_EXECUTOR_BYTES,
    DASHBOARD_MEMORY_LIMIT,
    DASHBOARD_DISK_BYTES,
    DASHBOARD_DISK_POSITION, /* -1: no checkpoint yet */
    DASHBOARD_DISK_SECONDS,
    DASHBOARD_BUFFER_BYTES,
    DASHBOARD_BUFFER_LAG,
    DASHBOARD_VALUES,
};

enum dashboard_text {
    DASHBOARD_PATH,    /* of the database's file */
    DASHBOARD_SEEN_BY, /* how it is looked at */
    DASHBOARD_BACKEND,
    DASHBOARD_STORAGE, /* folder or bucket; "memory" */
    DASHBOARD_BUFFER,  /* folder */
    DASHBOARD_CAPTURE, /* of a file that is looked at: what it says of capture */
    DASHBOARD_LOG_MESSAGE,
    DASHBOARD_DISK_MESSAGE,
    DASHBOARD_LAST_ERROR,
    DASHBOARD_TEXTS,
};

enum { DASHBOARD_NAME = 256, DASHBOARD_LINE = 512 };

enum dashboard_state {
    DASHBOARD_WAITING,
    DASHBOARD_BUILDING,
    DASHBOARD_READY,
    DASHBOARD_FAILED,
    DASHBOARD_UNMIRRORED,
    DASHBOARD_CAPTURED, /* all that a look at the file knows */
    DASHBOARD_FOLLOWED, /* the same, of a sidecar's */
};

struct dashboard_table {
    char name[DASHBOARD_NAME];
    enum dashboard_state state;
    double rows, rows_expected, bytes;
    char message[DASHBOARD_NAME];
};

struct dashboard_sidecar {
    char name[DASHBOARD_NAME], source[16], mode[16], message[DASHBOARD_NAME];
    bool away;
    double lag_seconds, lag_bytes, tables, tables_ready, away_seconds;
};

/** A process with an engine on the file. */
struct dashboard_engine {
    int64_t id, process; /* process 0: of another machine or container */
    double lag, seen_seconds;
};

/** A statement that was run. */
struct dashboard_statement {
    int64_t number;       /* each has another, later ones larger */
    double seconds, rows; /* seconds NAN: the text says all that is known */
    char route[16], text[DASHBOARD_LINE];
    bool failed;
    bool by_door; /* `route` is the door that it came by */
};

enum dashboard_histogram_of { DASHBOARD_QUERY_TIME, DASHBOARD_COMMIT_TIME, DASHBOARD_CYCLE_TIME, DASHBOARD_HISTOGRAMS };
enum { DASHBOARD_BUCKETS = 80 };
/** How many took no longer than `bounds[i]` seconds: counts that grow with the bounds, which are in order. */
struct dashboard_histogram {
    double bounds[DASHBOARD_BUCKETS], counts[DASHBOARD_BUCKETS];
    size_t count;
};

struct dashboard_sample {
    int64_t at_us; /* monotonic: what the wall's clock does changes no rate */
    double values[DASHBOARD_VALUES];
    char texts[DASHBOARD_TEXTS][DASHBOARD_LINE];
    bool can_sync;
    struct dashboard_histogram histograms[DASHBOARD_HISTOGRAMS];
    struct dashboard_table *tables;
    struct dashboard_sidecar *sidecars;
    struct dashboard_engine *engines;
    struct dashboard_statement *last, *slow; /* the newest first; the slowest first */
    size_t table_count, sidecar_count, engine_count, last_count, slow_count;
};

/** Nothing is known. dashboard_sample_reset() afterwards. */
void dashboard_sample_init(struct dashboard_sample *sample, int64_t at_us);
void dashboard_sample_reset(struct dashboard_sample *sample);
void dashboard_sample_text(struct dashboard_sample *sample, enum dashboard_text text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** One number of a metrics snapshot, by Prometheus's name and labels ("target=\"olap\""). What isn't of interest is passed over. */
void dashboard_sample_metric(struct dashboard_sample *sample, const char *name, const char *labels, double value);
/** Adds one to a histogram of one's own, whose bounds are made when it is empty: from a microsecond to a minute and more. */
void dashboard_histogram_add(struct dashboard_histogram *histogram, double seconds);
/** Below what so many of those lie that came between two looks, in seconds; NAN: none came, or it isn't known. */
double dashboard_quantile(const struct dashboard_histogram *before, const struct dashboard_histogram *now,
                          double share);

#endif
