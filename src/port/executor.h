/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket for what computes analytics: given a text in its own dialect and a snapshot of the mirror, it returns rows
 * as an Arrow stream. DuckDB, DataFusion, a naive one in the tests. Any thread; many statements at a time. Of a segment that turns out damaged
 * (mirror_view_segment_is_damaged, after its columns were read) no row is given: the statement fails with RHEI_IO (mirror_view_check).
 */
#ifndef PORT_EXECUTOR_H
#define PORT_EXECUTOR_H

#include "rhei/rhei_types.h"

struct mirror;
struct mirror_snapshot;
struct executor;
struct base_progress;

/* A range that the statement's WHERE implies for a column of a scan: rows outside need not be delivered. */
struct executor_range {
    uint32_t scan;   /* number of the table reference in the text: mirror_scan(table, scan) */
    uint32_t column; /* column number in the mirror's table */
    /*
     * Inclusive; RHEI_NULL: open at that end. Numbers, or texts of a column that holds texts alone, compared by bytes: those only
     * tell how many rows to expect. Their bytes are borrowed until run returns.
     */
    struct rhei_value low, high;
};

/*
 * What a column held when the text was written for it: bits of enum mirror_column_flag. The mirror's own may have grown
 * since, by rows that are not in the query's snapshot.
 */
struct executor_column {
    uint32_t scan, column, flags;
};

/*
 * Asked by the executor's threads, several at a time, at every vector, before each batch and from time to time between:
 * anything but RHEI_OK ends the statement with that code (RHEI_CANCELLED, RHEI_TIMEOUT). Lives as long as the stream.
 * It must be quick and must not call the executor.
 */
struct executor_stop {
    rhei_status (*check)(void *context); /* RHEI_OK: go on */
    void *context;
    struct base_progress *progress; /* rows read, and to be read, are counted there; may be NULL */
};

struct executor_query {
    const char *sql;      /* in the executor's dialect; refers to tables as mirror_scan(<table>, <scan>) */
    const char *plan_key; /* statements with the same key and sql may share a cached plan; NULL: don't cache */
    const struct mirror_snapshot *snapshot; /* borrowed until the stream is released or run failed */
    uint64_t schema_version;                /* a cached plan of another version must not be used */
    const struct rhei_value *values; /* out-of-band values: prm(i), 0-based; of a native text: its parameters. Copied */
    uint32_t value_count;
    const struct executor_range *ranges; /* copied */
    uint32_t range_count;
    const struct executor_column *columns; /* every column that the text reads; NULL: any, as they are now. Copied */
    uint32_t column_count;
    size_t memory_limit;       /* bytes this statement may use; 0: the executor's own limit */
    struct executor_stop stop; /* check == NULL: never stops by itself */
    bool strings_view;         /* utf8view instead of utf8; binary may become binaryview too */
    bool native;               /* text of the user's own in this dialect: plain table names, read-only, sandboxed */
};

/*
 * SQLite's own code for values, which whoever has SQLite offers to any executor, so that its functions mean the same: one list. A helper's
 * *form* is its signature; an executor writes one adapter for each form and registers the list by it, so that a call is a direct pointer and a
 * new helper needs no code of an executor's. The texts of a dialect call them by these names, which stand in translate_functions.def. With NULL
 * for an argument the result is NULL, and the helper isn't called. Pure; called by any thread. Exact sums need nobody: base/base_exact_sum.h and
 * base/base_bin_sum.h.
 */
enum executor_form {
    EXECUTOR_TEXTS_TRUTH, /* (text, text [, text of which the first character counts]) -> truth */
    EXECUTOR_REAL_TEXT,   /* (real) -> text */
    EXECUTOR_REAL_REAL,   /* (real [, integer]) -> real */
    /* an expression of SQLite's over texts, computed by an evaluator */
    EXECUTOR_EVALUATED_TEXT,
    EXECUTOR_EVALUATED_REAL,
    EXECUTOR_EVALUATED_INTEGER,
    EXECUTOR_EVALUATED_TRUTH,
};
enum { EXECUTOR_FORMS = EXECUTOR_EVALUATED_TRUTH + 1, EXECUTOR_TEXT_BYTES = 40, EXECUTOR_MOST_ARGUMENTS = 16 };

struct executor_helper {
    const char *name;
    uint8_t fewest, most; /* arguments; most <= EXECUTOR_MOST_ARGUMENTS */
    uint8_t form;         /* enum executor_form */
    union {
        bool (*texts_truth)(const char *first, const char *second, uint32_t character); /* NUL-terminated; 0: none */
        uint32_t (*real_text)(double value, char out[EXECUTOR_TEXT_BYTES]);             /* returns bytes */
        double (*real_real)(double value, int64_t integer);                             /* 0 where none is given */
        struct {
            const char *function;   /* of SQLite's, called with the arguments; NULL: `expression` as it is */
            const char *expression; /* "CAST(?1 AS REAL)" */
            bool dated;             /* what depends on when and where it runs must be refused */
        } evaluated;
    } as;
};

/*
 * Computes expressions of SQLite's over bound values ("date(?1, ?2)"), for one thread at a time; a few expressions come again and again.
 * The result's text lives until its next call.
 */
struct executor_evaluator {
    void *(*open)(
        void); /* NULL result: no memory. open == NULL: there is none, and helpers of these forms don't exist */
    bool (*evaluate)(void *evaluator, const char *expression, const struct rhei_value *arguments, uint32_t count,
                     struct rhei_value *result); /* false: SQLite reported an error */
    void (*close)(void *evaluator);
};

struct executor_helpers {
    const struct executor_helper *list; /* names are unique; lives as long as the executor */
    uint32_t count;
    struct executor_evaluator evaluator;
};

struct executor_status {
    bool loaded;
    char version[32];
    uint64_t statements, plans_cached, plan_hits;
    uint64_t memory_bytes;
    uint32_t instances; /* of the engine that are open */
};

struct executor_ops {
    const char *name; /* "duckdb" */
    const char *dialect;
    /*
     * Runs to the first batch, so that whatever can fail early fails here and not in the stream. The stream owns what it
     * needs; releasing it early stops the statement. RHEI_SQL / RHEI_UNSUPPORTED: the text can't be prepared here.
     */
    rhei_status (*run)(struct executor *executor, const struct executor_query *query, struct ArrowArrayStream *stream,
                       struct rhei_error *error);
    /* Can this text be prepared here? Fills RHEI_SQL otherwise. Nothing is executed. */
    rhei_status (*check)(struct executor *executor, const struct executor_query *query, struct rhei_error *error);
    /* May be NULL. Gets ready what the first statement would wait for; what fails is met again, and told, by that. Any thread. */
    void (*warm)(struct executor *executor);
    void (*status)(struct executor *executor, struct executor_status *status);
    void (*close)(struct executor **executor);
};

struct executor {
    const struct executor_ops *ops;
};

#endif
