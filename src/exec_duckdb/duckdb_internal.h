/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the executor and how they hold each other:
 *
 *   duck_executor   1 -- n  duck_database   one for all statements; one more per statement with a memory limit of its own
 *   duck_database   1 -- n  duck_connection a pool; one statement at a time on each
 *   duck_connection 1 -- n  duck_plan       prepared statements that are kept
 *   duck_connection 1 -- 1  duck_slot       what the statement that runs on it reads: snapshot, values, ranges, stop
 *
 * Locks, in this order: duck_executor.opening, then duck_executor.mutex. Callbacks from DuckDB take neither but
 * scan's bind and the functions' init, which look up a connection under duck_executor.mutex. No call into DuckDB is made
 * under duck_executor.mutex but duckdb_interrupt, which only sets a flag.
 */
#ifndef EXEC_DUCKDB_DUCKDB_INTERNAL_H
#define EXEC_DUCKDB_DUCKDB_INTERNAL_H

#include <stdatomic.h>

#include "base/base_thread.h"
#include "exec_duckdb/duckdb_api.h"
#include "exec_duckdb/duckdb_executor.h"
#include "mirror/mirror.h"

enum {
    DUCK_PLANS = 64,      /* kept plans per connection */
    DUCK_PLAN_TABLES = 8, /* of each plan, the tables whose growth is watched */
    DUCK_IDLE_CONNECTIONS = 16,
    DUCK_LIMITED_IDLE_MS = 2000, /* how long an instance with a memory limit of its own waits for another statement */
    DUCK_PARALLEL_ROWS = 100000, /* below it one thread scans a table */
    DUCK_TICK_NS = 10 * 1000 * 1000, /* how often a running statement's stop is asked */
};

/* DuckDB takes values for as many parameters as there are, by their numbers: so these may leave none out. */
struct duck_numbering {
    char *sql;         /* the text with such numbers; NULL: its own are */
    uint32_t *numbers; /* what those of `sql` stand for */
    uint32_t count;
};

/* A prepared statement. */
struct duck_plan {
    uint64_t hash; /* of key, text and schema version */
    uint64_t schema_version;
    char *key; /* NULL: used once */
    char *sql;
    struct duck_numbering numbering; /* of a native text's parameters */
    bool native;
    bool only_checked; /* never run: `statement` may be NULL */
    bool kept;         /* by the connection */
    uint64_t used;     /* by the executor's clock of uses */
    duckdb_prepared_statement statement;
    uint32_t table_count; /* how large its tables were when it was made */
    struct {
        uint32_t table;
        uint64_t rows;
    } tables[DUCK_PLAN_TABLES];
};

struct duck_slot {
    const struct mirror_snapshot *snapshot;
    struct rhei_value *values; /* copies, in one block with their bytes */
    uint32_t value_count;
    struct executor_range *ranges;
    uint32_t range_count;
    struct executor_column *columns; /* NULL: not told; then every column may be read */
    uint32_t column_count;
    struct executor_stop stop;
    bool native;
    struct duck_plan *binding; /* while it is prepared */
    /* Stored with release when the rest is set, loaded with acquire by every callback. */
    _Atomic int stopped;    /* rhei_status that ended it, or RHEI_OK */
    _Atomic uint32_t scans; /* scans whose state DuckDB still holds: they read the snapshot */
    _Atomic uint64_t calls; /* callbacks that ended, with release: whoever loads it comes after all they read */
    _Atomic(const struct mirror_table_view *) damaged; /* a scan met a segment of it whose file can't be read */
    _Atomic bool stale;                                /* a scan found that its plan was made for other columns */
};

struct duck_connection {
    struct duck_database *database;
    struct duck_connection *next; /* all of the database */
    duckdb_connection handle;
    idx_t id; /* DuckDB's number of it; never used again */
    bool busy;
    bool spoiled; /* a statement left something behind in it: closed after use */
    bool watched; /* under the executor's mutex, as the links */
    struct duck_connection *watch_next, *watch_previous;
    struct duck_plan *plans[DUCK_PLANS];
    uint32_t plan_count;
    struct duck_slot slot;
};

struct duck_database {
    struct duck_executor *executor;
    struct duck_database *next;
    duckdb_database handle;
    duckdb_connection admin;               /* settings and statistics; never a statement of the user's */
    duckdb_arrow_options arrow_options[2]; /* utf8, utf8view */
    struct duck_helper *helpers;           /* what the functions of the helpers' list are told */
    struct duck_connection *connections;
    uint32_t idle_count;
    size_t memory_limit;
    bool limited; /* serves one statement that has a memory limit */
    bool busy;    /* while it does */
    int64_t idle_since_ns;
    _Atomic bool broken; /* DuckDB declared it invalid: no new statement runs on it */
};

struct duck_executor {
    struct executor base;
    struct duckdb_executor_config config; /* strings are its own */
    int threads;

    base_mutex opening;         /* while the library is loaded and a database opened */
    const struct duck_api *api; /* NULL until loaded */

    base_mutex mutex;
    struct duck_database *database; /* NULL before the first statement */
    struct duck_database *others;   /* limited, until they were idle for a while; broken, until close */
    uint64_t uses, statements, plan_hits;
    _Atomic uint64_t plans;

    /* The watchdog, under the mutex. */
    base_cond watch;
    base_thread watchdog;
    bool watchdog_started, watchdog_asleep, closing;
    struct duck_connection *watched;

    struct duck_aside *left; /* plannings that nobody waits for any more */
};

/* ---- duckdb_load.c ----------------------------------------------------------------------------------------------- */

/* DuckDB's allocator crashes where it finds no address space when it starts: RHEI_NO_MEMORY if there is too little for that. */
rhei_status duck_need_room(const struct duck_executor *executor, size_t more, struct rhei_error *error);
/* Loads the library if need be. */
rhei_status duck_load(struct duck_executor *executor, struct rhei_error *error);

/* ---- duckdb_slot.c ----------------------------------------------------------------------------------------------- */

/* Copies what the query brings; undone on error. */
rhei_status duck_slot_fill(struct duck_slot *slot, const struct executor_query *query, struct rhei_error *error);
void duck_slot_reset(struct duck_slot *slot);
/* Asks the stop; remembers and returns its answer. Any thread. */
rhei_status duck_slot_check(struct duck_slot *slot);
/* NULL: the number is none of this database's. Any thread. */
struct duck_connection *duck_connection_find(struct duck_database *database, idx_t id);
/* With its plans; nothing runs on it. */
void duck_connection_free(struct duck_connection **connection);

/* ---- duckdb_database.c ------------------------------------------------------------------------------------------- */

rhei_status duck_database_open(struct duck_executor *executor, size_t memory_limit, bool limited,
                               struct duck_database **database, struct rhei_error *error);
/* Of a limited one that isn't in use. */
rhei_status duck_database_limit(struct duck_database *database, size_t memory_limit, struct rhei_error *error);
/* No connection is busy. */
void duck_database_close(struct duck_database **database);
uint64_t duck_database_memory(struct duck_database *database);

/* ---- duckdb_pool.c ----------------------------------------------------------------------------------------------- */

/* A connection for this query, its slot filled. Prefers one that has the plan. */
rhei_status duck_pool_take(struct duck_executor *executor, const struct executor_query *query,
                           struct duck_connection **connection, struct rhei_error *error);
/* Nothing of a statement may be open on it. */
void duck_pool_give(struct duck_connection **connection);

/* ---- duckdb_plan.c ----------------------------------------------------------------------------------------------- */

uint64_t duck_plan_hash(const struct executor_query *query);
bool duck_plan_known(const struct duck_connection *connection, uint64_t hash);
/* The plan, kept or new; duck_plan_done after use. */
rhei_status duck_plan_get(struct duck_connection *connection, const struct executor_query *query,
                          struct duck_plan **plan, struct rhei_error *error);
/* Can it be prepared? Runs nothing. */
rhei_status duck_plan_check(struct duck_connection *connection, const struct executor_query *query,
                            struct rhei_error *error);
void duck_plan_done(struct duck_connection *connection, struct duck_plan **plan);
/* Frees it, also one that is kept. */
void duck_plan_drop(struct duck_connection *connection, struct duck_plan **plan);
/* Told by a scan's bind. */
void duck_plan_note_table(struct duck_plan *plan, uint32_t table, uint64_t rows);

/* ---- duckdb_aside.c ---------------------------------------------------------------------------------------------- */

/*
 * duck_plan_get, or duck_plan_check, until the statement's stop ends it: then *connection is NULL, and given back when DuckDB
 * is done with it. The connection is watched.
 */
rhei_status duck_plan_while(struct duck_connection **connection, const struct executor_query *query, bool only_check,
                            struct duck_plan **plan, struct rhei_error *error);
/* Waits for plannings that were left; the watchdog still runs, and interrupts them. */
void duck_aside_close(struct duck_executor *executor);

/* ---- duckdb_scan.c, duckdb_scan_copy.c ---------------------------------------------------------------------------- */

enum duck_column_kind {
    DUCK_INTEGER,    /* BIGINT */
    DUCK_REAL,       /* DOUBLE */
    DUCK_NUMBER,     /* DOUBLE of integers and REALs */
    DUCK_IS_INTEGER, /* BOOLEAN: is the number an integer */
    DUCK_TEXT,       /* VARCHAR */
    DUCK_BLOB,       /* BLOB */
    DUCK_UNREADABLE, /* VARCHAR, an error when read */
};

rhei_status duck_scan_register(struct duck_database *database, struct rhei_error *error);

/* Where the rows of one vector of the mirror go. */
struct duck_target {
    const struct duck_api *api;
    duckdb_vector vector;
    void *data;
    uint64_t *valid; /* NULL until something isn't */
};
/* Rows [from, from + count) of `source` to rows [to, to + count). False: a class that the kind can't hold. */
bool duck_copy_rows(struct duck_target *target, enum duck_column_kind kind, const struct mirror_column_data *source,
                    uint32_t from, uint32_t to, uint32_t count);
/* Can rows by number be copied as the layout and the kind are? */
bool duck_gathers(enum duck_column_kind kind, uint8_t layout);
/* Then: the rows with these numbers, the first to row 0. */
void duck_gather_rows(struct duck_target *target, enum duck_column_kind kind, const struct mirror_column_data *source,
                      const uint16_t *rows, uint32_t count);

/* ---- duckdb_functions.c, duckdb_aggregates.c ---------------------------------------------------------------------- */

rhei_status duck_functions_register(struct duck_database *database, struct rhei_error *error);
rhei_status duck_aggregates_register(struct duck_database *database, struct rhei_error *error);

/* ---- duckdb_like.c ----------------------------------------------------------------------------------------------- */

enum { DUCK_LIKE_PIECES = 16, DUCK_LIKE_BYTES = 256 };

/* A pattern of LIKE without _: pieces with % between them. */
struct duck_like {
    bool from_start, to_end; /* no % before the first piece, behind the last */
    uint32_t count;
    struct duck_like_piece {
        uint16_t from, length;
    } pieces[DUCK_LIKE_PIECES];
    char bytes[DUCK_LIKE_BYTES]; /* in lower case */
};
/* False: not such a pattern. */
bool duck_like_read(struct duck_like *like, const char *pattern, size_t length);
bool duck_like_matches(const struct duck_like *like, const char *text, size_t length);

/* ---- duckdb_native.c --------------------------------------------------------------------------------------------- */

/* Is this one statement, without functions that reach beyond it? */
rhei_status duck_native_check(const char *sql, struct rhei_error *error);
/* Where the statement behind EXPLAIN begins; `sql` itself if it isn't one. */
const char *duck_native_explained(const char *sql);
void duck_native_register(struct duck_database *database);

/* ---- duckdb_numbering.c ------------------------------------------------------------------------------------------ */

/* duck_numbering_reset ends it, also after a failure. Its texts are as long as `sql`, so places in them are the same. */
rhei_status duck_numbering_make(const char *sql, struct duck_numbering *out, struct rhei_error *error);
void duck_numbering_reset(struct duck_numbering *numbering);

/* ---- duckdb_guard.c ---------------------------------------------------------------------------------------------- */

/* Keeps a text from what DuckDB would crash on. *rewritten: NULL, or the text to use instead, to base_free. */
rhei_status duck_guard(const char *sql, char **rewritten, struct rhei_error *error);

/* ---- duckdb_stream.c --------------------------------------------------------------------------------------------- */

/* Runs the query to its first chunk and makes the stream of it. Takes the connection, also on error. */
rhei_status duck_stream_open(struct duck_connection *connection, const struct executor_query *query,
                             struct ArrowArrayStream *stream, struct rhei_error *error);

/* ---- duckdb_watch.c ---------------------------------------------------------------------------------------------- */

/* From watch to unwatch the statement's stop is asked by the watchdog too, and the connection interrupted. */
rhei_status duck_watch(struct duck_connection *connection, struct rhei_error *error);
void duck_unwatch(struct duck_connection *connection);
/* Under the mutex: an instance has become idle. Without a thread for it, it stays until close. */
void duck_watch_idle(struct duck_executor *executor);
/* Ends the watchdog's thread. */
void duck_watch_close(struct duck_executor *executor);

/* ---- duckdb_error.c ---------------------------------------------------------------------------------------------- */

/* What a statement that failed says: that it was stopped, or DuckDB's message with the code of its kind. */
rhei_status duck_result_error(struct duck_connection *connection, duckdb_result *result, struct rhei_error *error);
rhei_status duck_prepare_error(struct duck_connection *connection, const char *message, struct rhei_error *error);
rhei_status duck_stopped_error(rhei_status status, struct rhei_error *error);

#endif
