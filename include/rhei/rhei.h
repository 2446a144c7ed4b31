/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei.h
 * Rhei: transactions and analytics on the same live data, in one process.
 *
 * One handle takes SQL. Writes and small reads run on SQLite; analytics run on a column store that change capture keeps in
 * step within microseconds. rhei_query() decides by itself, and by default it sees every transaction that was committed before
 * the call, by any process.
 *
 * @code
 * struct rhei_error error = RHEI_ERROR_INIT;
 * rhei_db *db = NULL;
 * if (rhei_open("shop.db", NULL, &db, &error) != RHEI_OK) {
 *     fprintf(stderr, "%s\n", error.message);
 *     return 1;
 * }
 * rhei_execute(db, "INSERT INTO orders (customer, amount) VALUES (?, ?)",
 *              RHEI_PARAMS(rhei_text("Ada"), rhei_real(9.5)), NULL, &error);
 * rhei_rows *rows = NULL;
 * rhei_query(db, "SELECT customer, sum(amount) FROM orders GROUP BY customer", NULL, NULL, &rows, &error);
 * while (rhei_rows_next(rows, &error) == RHEI_ROW)
 *     printf("%s %g\n", rhei_rows_text(rows, 0), rhei_rows_double(rows, 1));
 * rhei_rows_close(&rows);
 * rhei_close(&db);
 * @endcode
 *
 * Rules that hold for every function here:
 * - a call returns a ::rhei_status and fills its last argument, which may be NULL; on failure nothing is half done. It starts by
 *   clearing that error, so one struct serves many calls and tells of the last;
 * - "any thread": from any number of threads at once; "owner thread": from one thread at a time, not always the same. rhei_db is
 *   for any thread, rhei_session, rhei_statement, rhei_rows and streams for their owner. None of them survives fork();
 * - beside the errors that a function names, any may come to RHEI_INVALID (an argument that can't be right), RHEI_NO_MEMORY,
 *   RHEI_IO and RHEI_INTERNAL;
 * - structs that are filled begin with `struct_size`, too: set it to sizeof, and no more than that is written; with 0, what the
 *   first version had. docs/guide/abi.md says what a newer library does for an older program;
 * - option structs begin with `struct_size` (set it to sizeof), may be NULL, and their zero value is the default. What can't be
 *   right in one (an unknown number, a negative time, a size that no version has) is RHEI_INVALID;
 * - close and free take the address of the pointer, set it to NULL, and accept NULL;
 * - text is UTF-8, NUL-terminated where a length isn't given; what a call returns as `const` is borrowed, for as long as the
 *   function says;
 * - the library never prints, exits, aborts or installs signal handlers, and keeps no global state.
 */
#ifndef RHEI_RHEI_H
#define RHEI_RHEI_H

#include "rhei/rhei_state.h"
#include "rhei/rhei_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Version of this header as numbers and as text; rhei_version() gives that of the library. */
#define RHEI_VERSION_MAJOR 0
#define RHEI_VERSION_MINOR 1       /**< see RHEI_VERSION_MAJOR */
#define RHEI_VERSION_PATCH 0       /**< see RHEI_VERSION_MAJOR */
#define RHEI_VERSION       "0.1.0" /**< see RHEI_VERSION_MAJOR */

/** A transaction that spans calls; one thread at a time. From rhei_session_open() to rhei_session_close(). */
typedef struct rhei_session rhei_session;
/** A checked statement; one thread at a time. From rhei_prepare() to rhei_statement_close(). */
typedef struct rhei_statement rhei_statement;
/** An answer, row by row; one thread at a time. From rhei_query() to rhei_rows_close(). */
typedef struct rhei_rows rhei_rows;

/** Version of the library that runs, "0.1.0". Static storage. Any thread. */
RHEI_API const char *rhei_version(void);
/** Name of a status without its prefix, "CONSTRAINT"; "UNKNOWN" for a number that is none. Static storage. Any thread. */
RHEI_API const char *rhei_status_name(rhei_status status);
/** Frees what a function here said to free with it. Accepts NULL. Any thread. */
RHEI_API void rhei_free(void *pointer);

/** @name Values and parameters
 * @{ */

/**
 * A list of parameters; made in place by RHEI_PARAMS(), or over an array of one's own. The values are borrowed for the call.
 *
 * The first value is for ?1, the second for ?2 and so on; a `?` or a name in the text has the number that SQLite gives it: `?NNN`
 * its own, a name that was there before the same again, everything else one more than the largest so far. A value with
 * rhei_name() before it is for the parameter of that name, wherever it stands. Every parameter needs exactly one value.
 */
struct rhei_params {
    const struct rhei_value *values;
    size_t count;
};

RHEI_API struct rhei_value rhei_null(void);             /**< the NULL value; any thread */
RHEI_API struct rhei_value rhei_integer(int64_t value); /**< a 64-bit integer; any thread */
RHEI_API struct rhei_value rhei_real(double value);     /**< NaN becomes NULL, as in SQLite; any thread */
RHEI_API struct rhei_value rhei_text(const char *text); /**< borrowed, NUL-terminated; NULL gives NULL; any thread */
/**
 * Text of `length` bytes, which may hold NULs; borrowed. With a length of 0 it is the empty text, whatever the pointer is (a
 * std::string_view's may be NULL); NULL with another length makes the call that gets it fail with RHEI_INVALID, over 2^31 - 1 bytes
 * with RHEI_TOO_BIG. Any thread.
 */
RHEI_API struct rhei_value rhei_text_n(const char *text, size_t length);
/** A BLOB of `length` bytes; borrowed. The same rules: with a length of 0 it is the empty BLOB. rhei_null() is NULL. Any thread. */
RHEI_API struct rhei_value rhei_blob(const void *bytes, size_t length);
/**
 * Says which parameter the next value of a list is for: `RHEI_PARAMS(rhei_name(":id"), rhei_integer(7))`. The name as in the
 * text, with its `:`, `@` or `$`, borrowed, NUL-terminated. Not for the rows of a batch. Any thread.
 */
RHEI_API struct rhei_value rhei_name(const char *name);

#ifndef __cplusplus
/** Parameters of a call, in order: `RHEI_PARAMS(rhei_integer(7), rhei_text("Ada"))`. Lives until the enclosing block ends. */
#define RHEI_PARAMS(...)                                             \
    (&(struct rhei_params){(const struct rhei_value[]){__VA_ARGS__}, \
                           sizeof((const struct rhei_value[]){__VA_ARGS__}) / sizeof(struct rhei_value)})
#endif
/** @} */

/** @name Opening and closing
 * @{ */

enum rhei_sync_mode { RHEI_SYNC_DESTRUCTIVE = 0, RHEI_SYNC_TEMPORAL = 1 };
/** How one table is kept, whatever the others are. */
struct rhei_table_mode {
    const char *table; /**< its name, without upper and lower case */
    int32_t sync_mode; /**< enum rhei_sync_mode */
};
enum rhei_olap_backend { RHEI_OLAP_DUCKDB = 0, RHEI_OLAP_DATAFUSION = 1, RHEI_OLAP_NONE = 2 };
enum rhei_synchronous { RHEI_SYNCHRONOUS_NORMAL = 0, RHEI_SYNCHRONOUS_FULL = 1, RHEI_SYNCHRONOUS_OFF = 2 };
/** What happens at a limit of the change log. */
enum rhei_log_limit_policy {
    RHEI_LOG_LIMIT_DETACH =
        0, /**< its oldest changes go; a column store that needed them is built anew, a consumer is told */
    RHEI_LOG_LIMIT_GROW = 1,  /**< a warning in rhei_config.log, once a minute */
    RHEI_LOG_LIMIT_BLOCK = 2, /**< this handle's writes that would add to it wait for busy_timeout_ms, then RHEI_FULL */
};
enum rhei_log_level { RHEI_LOG_ERROR = 1, RHEI_LOG_WARN = 2, RHEI_LOG_INFO = 3, RHEI_LOG_DEBUG = 4 };

/** How fresh an answer must be; make one with rhei_latest(), rhei_bounded_ms() or rhei_eventual(). Zero is the engine's default. */
struct rhei_freshness {
    int32_t mode;   /**< enum rhei_freshness_mode */
    int32_t unused; /**< 0 */
    int64_t max_age_ms;
};
enum rhei_freshness_mode {
    RHEI_FRESHNESS_DEFAULT = 0,
    RHEI_FRESHNESS_LATEST = 1,   /**< sees every transaction committed before the call, by any process */
    RHEI_FRESHNESS_BOUNDED = 2,  /**< never older than max_age_ms */
    RHEI_FRESHNESS_EVENTUAL = 3, /**< whatever the column store shows now */
};
/** Every transaction committed before the call is in the answer, whoever committed it. Any thread. */
RHEI_API struct rhei_freshness rhei_latest(void);
/**
 * The answer may be old, but never older than `max_age_ms` milliseconds; less than 0 makes the call that gets it fail with
 * RHEI_INVALID. Any thread.
 */
RHEI_API struct rhei_freshness rhei_bounded_ms(int64_t max_age_ms);
/** Whatever the column store shows now; waits for nothing. Any thread. */
RHEI_API struct rhei_freshness rhei_eventual(void);

/**
 * Receives log lines; any thread, several at once. `room` and `message` are borrowed for the call. With the setting
 * `log_format = "json"` a message is a JSON object in one line, of time, level, room and message. Must not call Rhei.
 */
typedef void (*rhei_log_function)(void *context, int level, const char *room, const char *message);

/** A connection to SQLite that is being opened, one of a handle's many. Only within rhei_config.on_connect. */
typedef struct rhei_connection rhei_connection;
/**
 * Called with every connection that a handle opens, now and later, before it is used: adds the application's own functions and collations
 * by rhei_create_function() and rhei_create_collation() (rhei_doors.h). Any thread, several at once; must not call Rhei with the
 * handle. An error fails what needs the connection: rhei_open(), or a later statement.
 */
typedef rhei_status (*rhei_connect_function)(void *context, rhei_connection *connection, struct rhei_error *error);

struct rhei_sidecar; /* rhei_sidecar.h */

/** A setting of [engine] that wins over a file's, as text. */
struct rhei_override {
    const char *name;   /**< "sync_interval_ms" */
    const char *value;  /**< "250" */
    const char *origin; /**< what messages call the place that it is from: "the environment's RHEI_SYNC_INTERVAL_MS" */
};

/** A statement that is over: read to its end or closed, written, or failed. Texts are borrowed for the call. */
struct rhei_statement_event {
    size_t struct_size;
    const char *sql;     /**< as it was given, so without the values of its parameters; not NUL-terminated */
    size_t sql_length;   /**< in bytes */
    const char *route;   /**< "oltp" or "olap" */
    const char *rule;    /**< that decided the route; "" where it failed before */
    int64_t begun_us;    /**< since 1970 */
    int64_t duration_us; /**< up to its last row, or the end of its rows, or its commit */
    rhei_status status;  /**< RHEI_OK, or how it failed */
};
/** Told of each statement of a handle. Any thread, several at once, before the call or the rows end; must not call Rhei. */
typedef void (*rhei_statement_function)(void *context, const struct rhei_statement_event *event);

/**
 * How a database is opened. Zero is the default of every field. A number outside of what rhei_setting_at() tells is RHEI_INVALID.
 */
struct rhei_config {
    size_t struct_size;
    const char *config_file; /**< TOML file read first; the fields below override it */
    /**
     * Never writes the file. Nothing is captured, so the column store can't be kept in step: it is built from the file's state
     * by rhei_initial_sync(), and SQLite answers again as soon as anybody commits.
     */
    bool read_only;
    bool must_exist;            /**< fail with RHEI_CANT_OPEN instead of creating the file; nothing to :memory: */
    bool manual_sync;           /**< don't build or sync in the background; rhei_initial_sync and rhei_sync_now do */
    bool no_auto_register;      /**< mirror only what rhei_register_table or the file's [[tables]] names */
    bool keep_changes;          /**< don't prune the change log after a sync */
    bool prefer_olap;           /**< use the column store whenever it is allowed, whatever the cost (for tests) */
    int32_t olap_backend;       /**< enum rhei_olap_backend */
    int32_t sync_mode;          /**< enum rhei_sync_mode */
    int32_t synchronous;        /**< enum rhei_synchronous */
    int32_t log_level;          /**< enum rhei_log_level; 0: RHEI_LOG_WARN */
    uint32_t read_pool_size;    /**< connections; 0: 4 */
    uint32_t threads;           /**< of the analytical engine; 0: one per core */
    uint32_t sync_interval_ms;  /**< 0: driven by commits */
    uint32_t busy_timeout_ms;   /**< wait for another process's lock; 0: 5,000 */
    uint64_t sync_batch_rows;   /**< rows held at a time by a sync; 0: 65,536 */
    uint64_t olap_memory_limit; /**< bytes for mirror and executor together; 0: half the machine */
    uint64_t log_limit_rows;    /**< rows the change log may hold, see log_limit_policy; 0: 50 million */
    struct rhei_freshness freshness; /**< default of queries; zero: latest */
    const char *
        olap_path; /**< folder, or s3://bucket/prefix, in which the column store is kept; NULL: it is in memory alone, and built at open; "": the same, whatever config_file says */
    rhei_log_function log;
    void *log_context;
    /** For crash tests: called with a name at each step of a write, a cycle, a build. Leave NULL. */
    void (*fault)(void *context, const char *point);
    void *fault_context;
    bool no_olap_syntax; /**< SQL that SQLite can't read is an error, though the column store might know it */
    /**
     * Install nothing into a file that has no change capture, and leave its journal mode as it is; the column store is then as
     * that of a read-only handle. Capture that is there is used and kept.
     */
    bool capture_if_present;
    /**
     * Bytes that SQLite's write-ahead log may have; 0: 64 MiB. Above that it is cut off as soon as nobody reads from it. While
     * somebody does, a warning names the reader and its age (rhei_config.log, the metric rhei_oltp_wal_held_seconds).
     */
    uint64_t wal_limit_bytes;
    /**
     * Seconds between two comparisons of every table with its mirror, in the background, piece by piece; rows that differ are taken again as
     * rhei_repair() does, and a table that differs in many is built again. 0: only after a commit that left it open what was changed. Finds what
     * docs/guide/other-programs.md says can't be seen at once.
     */
    uint32_t scrub_interval_s;
    rhei_connect_function on_connect; /**< may be NULL */
    void *on_connect_context;
    /** Milliseconds between two checkpoints into `olap_path` while there are changes; 0: 10,000. One is made at the close, too. */
    uint32_t checkpoint_interval_ms;
    /**
     * Folder of a change buffer: changes are moved there from the change log in the database file (docs/guide/buffer.md). NULL: there is none.
     * Needs RocksDB on the machine, else RHEI_UNSUPPORTED.
     */
    const char *rocksdb_cdc_path;
    /** Tables that aren't kept as `sync_mode` says; they win over a file's. Copied by rhei_open(). */
    const struct rhei_table_mode *table_modes;
    size_t table_mode_count;
    /** Seconds after which a version that ended is forgotten (sync_mode temporal); 0: never for its age. */
    uint32_t history_max_age_s;
    /** How many versions that ended are kept of each row; 0: all. */
    uint32_t history_max_versions;
    /** Bytes that the change log may have: of its values, and 24 for each row; 0: no such limit. */
    uint64_t log_limit_bytes;
    /** Seconds that a change may stay in the change log; 0: no such limit. */
    uint32_t log_limit_age_s;
    /** enum rhei_log_limit_policy: at a limit of the change log (docs/guide/settings.md). */
    int32_t log_limit_policy;
    /** Rows a second that the comparisons of `scrub_interval_s` read; 0: a tenth of one core's time is spent on them. */
    uint64_t scrub_rate;
    /** Databases of others that are followed (rhei_sidecar.h), behind those of config_file; an array of pointers. Copied by rhei_open(). */
    const struct rhei_sidecar *const *sidecars;
    size_t sidecar_count;
    /** No statement names a file: ATTACH and DETACH of anything, ':memory:' too, and VACUUM INTO are RHEI_UNSUPPORTED. For handles whose statements come from others (rhei_flight.h). */
    bool no_files;
    /**
     * Of the files in `olap_path`: "arrow", or "vortex", which is compressed and needs the DataFusion library (else RHEI_OLAP_UNAVAILABLE);
     * NULL: arrow. Files that are there are read whatever they are.
     */
    const char *olap_format;
    /**
     * What config_file could say, as a text in TOML, for programs that have no such file; both are RHEI_INVALID. Errors name its lines, "config_text:3". NULL: nothing.
     */
    const char *config_text;
    /** Over what config_file says, under the fields of this struct; copied by rhei_open(). */
    const struct rhei_override *overrides;
    size_t override_count;
    rhei_statement_function on_statement; /**< may be NULL */
    void *on_statement_context;
};

/**
 * Opens or creates a database. `path` NULL: the config file's `oltp_path`, else "rhei.db". ":memory:" is one database shared
 * by everything that uses this handle. Returns before the column store is built: SQLite answers until then.
 *
 * Errors: RHEI_CANT_OPEN, RHEI_NOT_A_DATABASE, RHEI_READ_ONLY, RHEI_BUSY, RHEI_TOO_NEW, RHEI_CONFIG, RHEI_UNSUPPORTED; of a bucket
 * (`olap_path`) also RHEI_NOT_FOUND.
 * The caller owns *db, NULL after an error; end with rhei_close(). Any thread.
 */
RHEI_API rhei_status rhei_open(const char *path, const struct rhei_config *config, rhei_db **db,
                               struct rhei_error *error);
/**
 * Ends background work and closes. What was committed is in the file, and what the column store hasn't applied in its change log: the next opening goes on from
 * there. Where histories are kept in a folder it first waits up to 2 seconds for the column store to catch up, so that a change of the schema by others
 * finds fewer changes behind. Every rows, stream, statement and session of this handle must be closed before, and no other
 * thread may use it any more. Owner thread.
 */
RHEI_API void rhei_close(rhei_db **db);

/**
 * Takes everything of Rhei's out of a database file: triggers, change log, registry, all that is named _rhei_. What is left is a
 * plain SQLite database with the rows that it had, in the journal mode that it has; opened again, it is captured from scratch.
 * All or nothing. `path` NULL: the oltp_path of `config_file` (which may be NULL), else "rhei.db", as of rhei_open().
 *
 * Errors: RHEI_BUSY while a handle of this or another process has the file open, RHEI_CANT_OPEN, RHEI_READ_ONLY,
 * RHEI_NOT_A_DATABASE, RHEI_TOO_NEW, RHEI_INVALID (":memory:"), RHEI_CONFIG. Any thread.
 */
RHEI_API rhei_status rhei_detach(const char *path, const char *config_file, struct rhei_error *error);
/** @} */

/** @name Ending what runs
 * @{ */

/** A flag that ends statements: share one between the call and whoever may want to cancel it. */
typedef struct rhei_cancel rhei_cancel;
/** Makes a flag that is not raised. The caller owns it; end with rhei_cancel_destroy(). Any thread. */
RHEI_API rhei_status rhei_cancel_create(rhei_cancel **cancel, struct rhei_error *error);
/** Ends what runs with this flag, with RHEI_CANCELLED; also what starts later, until rhei_cancel_clear. Any thread. */
RHEI_API void rhei_cancel_raise(rhei_cancel *cancel);
/** Takes the flag down, so that statements may run with it again. Any thread. */
RHEI_API void rhei_cancel_clear(rhei_cancel *cancel);
/** Frees the flag, which no statement may still use. Accepts NULL. Owner thread. */
RHEI_API void rhei_cancel_destroy(rhei_cancel **cancel);

/** How far a call is; filled by Rhei. The texts are for people, and borrowed for the call of the function. */
struct rhei_progress {
    size_t struct_size;
    const char *doing; /**< "reading", "waiting for other writers", "building the column store" ... */
    const char *table; /**< the table that it is about, "" where it is about none or many */
    const char
        *unit;     /**< what `done` and `total` count: "rows", "changes", "bytes", "steps" of SQLite's machine, or "" */
    int64_t done;  /**< of what it does now */
    int64_t total; /**< -1 where nobody knows */
    double fraction;    /**< done of total, 0 to 1; below 0 where nobody knows */
    int64_t elapsed_us; /**< since the call began */
};
/**
 * Told how far a call is, every 100 ms from 100 ms after its beginning: a call that is over before isn't told of. Returning anything but
 * 0 ends the call, as rhei_cancel_raise() would. On a thread of Rhei's own, which waits for it: one function after the other, never
 * after the call returned (of a query: after its rows or stream are closed). Must neither close what it is told of nor wait for it.
 */
typedef int (*rhei_progress_function)(void *context, const struct rhei_progress *progress);

/**
 * How long a call may take, what may end it and who is told how far it is, wherever it is: waiting for other writers, for another
 * process's lock, or at work. When ended it returns within some 50 ms, and nothing of it is kept. Only a commit that has begun is
 * finished. Zero is the default of every field.
 */
struct rhei_call_options {
    size_t struct_size;
    int64_t timeout_ms;              /**< from the call to its return, then RHEI_TIMEOUT; 0: none */
    rhei_cancel *cancel;             /**< ends it with RHEI_CANCELLED; borrowed for the call; may be NULL */
    rhei_progress_function progress; /**< may be NULL */
    void *progress_context;
    uint64_t
        rows_per_second; /**< rhei_verify_with() and rhei_repair(): compare no more than so many; 0: as fast as it goes */
};

/** rhei_detach() under limits (NULL: none); also RHEI_TIMEOUT and RHEI_CANCELLED, after which the file is as it was. Any thread. */
RHEI_API rhei_status rhei_detach_with(const char *path, const char *config_file,
                                      const struct rhei_call_options *options, struct rhei_error *error);
/** @} */

/** @name Writing
 * @{ */

/** What a write did. */
struct rhei_result {
    size_t struct_size; /**< set it to sizeof before the call; after it, the bytes that were filled */
    int64_t changes;    /**< rows inserted, updated or deleted by the statement itself */
    int64_t last_insert_rowid;
    int64_t
        position; /**< the change log's position that includes this write, of COMMIT all of the transaction; 0 if it changed no captured table */
};

/**
 * Runs one statement that changes data or schema, in the next group commit; returns after the commit. Concurrent calls share
 * one commit, each keeps its own outcome. Rows that the statement returns are dropped; use rhei_query() for RETURNING.
 * BEGIN, COMMIT and the like belong to a session: RHEI_TRANSACTION. A text of nothing but blanks, comments and semicolons does
 * nothing, here and everywhere.
 *
 * Errors: RHEI_SQL (with `sql_offset`), RHEI_CONSTRAINT, RHEI_BUSY, RHEI_FULL, RHEI_READ_ONLY, RHEI_TOO_BIG, RHEI_TRANSACTION.
 * *result may be NULL. Any thread.
 */
RHEI_API rhei_status rhei_execute(rhei_db *db, const char *sql, const struct rhei_params *params,
                                  struct rhei_result *result, struct rhei_error *error);
/** The same under limits (NULL: none); also RHEI_TIMEOUT and RHEI_CANCELLED, after which nothing was changed. Any thread. */
RHEI_API rhei_status rhei_execute_with(rhei_db *db, const char *sql, const struct rhei_params *params,
                                       const struct rhei_call_options *options, struct rhei_result *result,
                                       struct rhei_error *error);
/**
 * Runs one statement once per row of parameters, all or nothing. `values` holds `row_count` rows of `column_count` values, row
 * by row, borrowed for the call. The error's message names the row that failed (counted from 1). Errors: those of
 * rhei_execute(). Any thread.
 */
RHEI_API rhei_status rhei_execute_batch(rhei_db *db, const char *sql, const struct rhei_value *values,
                                        size_t column_count, size_t row_count, struct rhei_result *result,
                                        struct rhei_error *error);
/** The same under limits, as rhei_execute_with(). Any thread. */
RHEI_API rhei_status rhei_execute_batch_with(rhei_db *db, const char *sql, const struct rhei_value *values,
                                             size_t column_count, size_t row_count,
                                             const struct rhei_call_options *options, struct rhei_result *result,
                                             struct rhei_error *error);
/**
 * Runs several statements separated by `;`, all or nothing. No parameters. An error's message names the statement (counted from
 * 1) and where it begins; `sql_offset` counts from the start of the whole text. Errors: those of rhei_execute(). Any thread.
 */
RHEI_API rhei_status rhei_execute_script(rhei_db *db, const char *sql, struct rhei_result *result,
                                         struct rhei_error *error);
/** The same under limits, as rhei_execute_with(). Any thread. */
RHEI_API rhei_status rhei_execute_script_with(rhei_db *db, const char *sql, const struct rhei_call_options *options,
                                              struct rhei_result *result, struct rhei_error *error);
/** @} */

/** @name Asking
 * @{ */

enum rhei_route { RHEI_ROUTE_AUTO = 0, RHEI_ROUTE_OLTP = 1, RHEI_ROUTE_OLAP = 2 };
enum rhei_strings { RHEI_STRINGS_UTF8 = 0, RHEI_STRINGS_VIEW = 1 };

/** How one query is answered. Zero is the default of every field. */
struct rhei_query_options {
    size_t struct_size;
    struct rhei_freshness freshness; /**< zero: the database's default */
    int32_t route;         /**< enum rhei_route; RHEI_ROUTE_OLAP fails where the column store may not answer */
    int32_t strings;       /**< enum rhei_strings, for Arrow */
    int64_t timeout_ms;    /**< from the call to the last row, and all of a write; 0: none */
    uint64_t memory_limit; /**< bytes; 0: the database's */
    rhei_cancel *cancel;   /**< borrowed until rows or stream are closed; may be NULL */
    rhei_progress_function progress; /**< called until rows or stream are closed; may be NULL */
    void *progress_context;
    const char *
        as_of; /**< every table as of this time (ISO 8601, in UTC if it names no zone; seconds or microseconds since 1970); NULL: as they are */
    bool
        settings; /**< a PRAGMA that sets something is run, as the write it is, and gives its rows; else RHEI_READ_ONLY */
    uint64_t
        most_returned; /**< rows that RETURNING may give outside a transaction: beyond them RHEI_TOO_BIG, and nothing is written; 0: any */
};

/**
 * Runs one statement and gives its rows. The route is chosen by Rhei; rows, types, names and errors are SQLite's either way.
 * A statement that writes (also `INSERT ... RETURNING`) runs as a write, once, before this returns.
 * `EXPLAIN ROUTE <statement>` gives the decision as rows instead of running it. A text without a statement gives no columns and no
 * rows.
 *
 * The caller owns *rows, NULL after an error, and closes it with rhei_rows_close(); an open one holds a snapshot, never a lock
 * that stops writers or syncs.
 *
 * Errors: RHEI_SQL (with `sql_offset`), RHEI_OLAP_UNAVAILABLE, RHEI_STALE, RHEI_CANCELLED, RHEI_TIMEOUT, RHEI_MEMORY_LIMIT, and
 * those of rhei_execute() where it writes. Some come with the first rows only. Any thread.
 */
RHEI_API rhei_status rhei_query(rhei_db *db, const char *sql, const struct rhei_params *params,
                                const struct rhei_query_options *options, rhei_rows **rows, struct rhei_error *error);
/**
 * The same as an Arrow stream. A column is int64, double, utf8 or binary where all its values have that class, else a dense
 * union of these. The schema's metadata has rhei.route, rhei.position, rhei.age_us and rhei.rule, and rhei.position.NAME
 * for each other source whose tables are read (rhei_rows_position_list()). The caller owns *stream and
 * releases it with `stream->release(stream)`; its batches may outlive it, but not the handle. Errors: those of rhei_query(). Any
 * thread; the stream is its owner's.
 */
RHEI_API rhei_status rhei_query_arrow(rhei_db *db, const char *sql, const struct rhei_params *params,
                                      const struct rhei_query_options *options, struct ArrowArrayStream *stream,
                                      struct rhei_error *error);

enum rhei_arrow_framing { RHEI_ARROW_STREAM = 0, RHEI_ARROW_FILE = 1 };
enum rhei_arrow_codec { RHEI_ARROW_PLAIN = 0, RHEI_ARROW_LZ4 = 1, RHEI_ARROW_ZSTD = 2 };
/** How Arrow data is written. Zero is the default of every field. */
struct rhei_arrow_options {
    size_t struct_size;
    int32_t framing; /**< enum rhei_arrow_framing: a stream, or a file with a footer */
    int32_t codec;   /**< enum rhei_arrow_codec of the batches */
};
/** Takes `length` bytes, all of them, or fails with the status it returns; they are borrowed for the call. */
typedef rhei_status (*rhei_write_function)(void *context, const void *bytes, size_t length, struct rhei_error *error);
/**
 * Writes the whole of an Arrow stream, from here or from elsewhere, in Arrow's IPC format
 * (https://arrow.apache.org/docs/format/Columnar.html), without copying where it can. utf8view becomes utf8. Takes ownership of
 * the stream: it is released, also when this fails. Owner thread of the stream, which calls `write`.
 *
 * Errors: RHEI_INVALID, RHEI_UNSUPPORTED (a type that isn't written), RHEI_NO_MEMORY, and those of the stream and of `write`.
 */
RHEI_API rhei_status rhei_arrow_write(struct ArrowArrayStream *stream, const struct rhei_arrow_options *options,
                                      rhei_write_function write, void *context, struct rhei_error *error);

/** Next row: RHEI_ROW, RHEI_DONE, or an error of rhei_query() (then no more rows come). Owner thread. */
RHEI_API rhei_status rhei_rows_next(rhei_rows *rows, struct rhei_error *error);
/** Number of columns; known before the first row. Owner thread. */
RHEI_API uint32_t rhei_rows_column_count(const rhei_rows *rows);
/** Name of a column, "" if it isn't there. Borrowed until the rows are closed. Owner thread. */
RHEI_API const char *rhei_rows_column_name(const rhei_rows *rows, uint32_t column);
/** Declared type of the column it comes from, "" for an expression. Borrowed until the rows are closed. Owner thread. */
RHEI_API const char *rhei_rows_column_type(const rhei_rows *rows, uint32_t column);
/** The value with its own class; text and BLOB are borrowed until the next row. A column that isn't there is NULL. Owner thread. */
RHEI_API struct rhei_value rhei_rows_value(rhei_rows *rows, uint32_t column);
/** The value as an integer, converted as SQLite's sqlite3_column_int64 does: 0 for NULL and what is no number. Owner thread. */
RHEI_API int64_t rhei_rows_int64(rhei_rows *rows, uint32_t column);
/** The value as a double, converted alike. Owner thread. */
RHEI_API double rhei_rows_double(rhei_rows *rows, uint32_t column);
/** The value as text, NUL-terminated; NULL for NULL and without memory. Borrowed until the next row. Owner thread. */
RHEI_API const char *rhei_rows_text(rhei_rows *rows, uint32_t column);
/** Whether the value of this row is NULL; true for a column that isn't there. Owner thread. */
RHEI_API bool rhei_rows_is_null(rhei_rows *rows, uint32_t column);
/** "oltp" or "olap". Static storage. Owner thread. */
RHEI_API const char *rhei_rows_route(const rhei_rows *rows);
/** Name of the rule that decided the route. Static storage. Owner thread. */
RHEI_API const char *rhei_rows_rule(const rhei_rows *rows);
/** Position in the change log that the rows were read at; after the first rhei_rows_next. Owner thread. */
RHEI_API int64_t rhei_rows_position(rhei_rows *rows);
/** A source, and how far it was. */
struct rhei_source_position {
    const char *source; /**< "main" for the file; else its name, which is that of the schema its tables are in */
    int64_t position;   /**< in the source's own count; of "history" it is the file's */
};
/**
 * The state that the rows were read at: the file's position first, then that of each other source whose tables the statement reads
 * (docs/guide/mirror-only-tables.md); all there are for a text in the column store's own words. Of a statement that wrote: as it read them; the file's is rhei_rows_result()'s. An array of
 * pointers as of rhei_table_list(), which the caller frees with rhei_free(). Errors: RHEI_INVALID. After the first rhei_rows_next. Owner
 * thread.
 */
RHEI_API rhei_status rhei_rows_position_list(rhei_rows *rows, struct rhei_source_position ***positions, size_t *count,
                                             struct rhei_error *error);
/** How old the state was when it was read, in microseconds, by its oldest source; 0: nothing newer was committed; -1: unknown. Owner thread. */
RHEI_API int64_t rhei_rows_age_us(const rhei_rows *rows);
/** What a statement that wrote did; zeros otherwise. *result may be NULL. Owner thread. */
RHEI_API void rhei_rows_result(const rhei_rows *rows, struct rhei_result *result);
/** Ends the answer, read to its end or not, and lets go of its snapshot. Accepts NULL. Owner thread. */
RHEI_API void rhei_rows_close(rhei_rows **rows);
/** @} */

/** @name Prepared statements
 * @{ */

/**
 * Checks a statement once, to be run many times with other parameters. It stays valid when the schema changes. One statement
 * only; not for BEGIN and the like. The caller owns *statement; end with rhei_statement_close().
 *
 * Errors: RHEI_SQL (with `sql_offset`), RHEI_TRANSACTION, RHEI_UNSUPPORTED (EXPLAIN ROUTE, which only rhei_query() answers). Any thread; the statement is its owner's.
 */
RHEI_API rhei_status rhei_prepare(rhei_db *db, const char *sql, rhei_statement **statement, struct rhei_error *error);
/** Number of values that a run needs: the largest parameter number in the text. Owner thread. */
RHEI_API uint32_t rhei_statement_parameter_count(const rhei_statement *statement);
/**
 * Name of a parameter (numbered from 1) with its sign, ":id"; "?7" for one that the text writes with its number, as SQLite's
 * sqlite3_bind_parameter_name() has it; "" for a bare "?" and for numbers that the text leaves out. Borrowed until the
 * statement is closed. Owner thread.
 */
RHEI_API const char *rhei_statement_parameter_name(const rhei_statement *statement, uint32_t number);
/** Number of columns of its answer under the schema as it is now; 0 for a statement that returns no rows. Owner thread. */
RHEI_API uint32_t rhei_statement_column_count(const rhei_statement *statement);
/**
 * Name of a column as of the last rhei_statement_column_count() (or rhei_prepare()), "" if it isn't there. Borrowed until
 * the columns are counted again or the statement is closed. Owner thread.
 */
RHEI_API const char *rhei_statement_column_name(const rhei_statement *statement, uint32_t column);
/** Whether it leaves the database as it is, in SQLite's own judgement. Owner thread. */
RHEI_API bool rhei_statement_is_read_only(const rhei_statement *statement);
/** Runs it as rhei_execute() does, with the same errors. Owner thread. */
RHEI_API rhei_status rhei_statement_execute(rhei_statement *statement, const struct rhei_params *params,
                                            struct rhei_result *result, struct rhei_error *error);
/** The same under limits, as rhei_execute_with(). Owner thread. */
RHEI_API rhei_status rhei_statement_execute_with(rhei_statement *statement, const struct rhei_params *params,
                                                 const struct rhei_call_options *options, struct rhei_result *result,
                                                 struct rhei_error *error);
/**
 * Runs it as rhei_query() does, with the same errors. The rows must be closed before the statement runs again or is closed.
 * Owner thread.
 */
RHEI_API rhei_status rhei_statement_query(rhei_statement *statement, const struct rhei_params *params,
                                          const struct rhei_query_options *options, rhei_rows **rows,
                                          struct rhei_error *error);
/**
 * Runs it as rhei_query_arrow() does, with the same errors. The stream must be released before the statement runs again or is
 * closed. Owner thread.
 */
RHEI_API rhei_status rhei_statement_query_arrow(rhei_statement *statement, const struct rhei_params *params,
                                                const struct rhei_query_options *options,
                                                struct ArrowArrayStream *stream, struct rhei_error *error);
/** Frees the statement. Accepts NULL. Owner thread. */
RHEI_API void rhei_statement_close(rhei_statement **statement);
/** @} */

/** @name Sessions: transactions that span calls
 * @{ */

/**
 * A session may BEGIN a transaction that belongs to it alone; nobody else's write becomes part of it. While it is open other
 * writers wait (at most busy_timeout_ms), readers don't. Inside a transaction every statement runs on SQLite and sees the
 * session's own changes. The caller owns *session; end with rhei_session_close(). Any thread; the session is its owner's.
 *
 * A statement that fails takes back its own changes, and the transaction goes on. Three kinds of failure end it as a whole, with
 * everything rolled back; rhei_session_in_transaction() tells: a time-out or cancel of a statement that writes, an error after
 * which SQLite can't go on (full disk, I/O, no memory), and what the schema or the text asks to be rolled back (OR ROLLBACK). A
 * read that is ended leaves the transaction as it was, as does a COMMIT whose time was over before it began; ROLLBACK
 * always runs.
 */
RHEI_API rhei_status rhei_session_open(rhei_db *db, rhei_session **session, struct rhei_error *error);
/** As rhei_execute(), inside the session's transaction if one is open; BEGIN, COMMIT, ROLLBACK and SAVEPOINT work here. Owner thread. */
RHEI_API rhei_status rhei_session_execute(rhei_session *session, const char *sql, const struct rhei_params *params,
                                          struct rhei_result *result, struct rhei_error *error);
/**
 * As rhei_query(), inside the session's transaction if one is open; RHEI_OLAP_UNAVAILABLE where the column store is demanded
 * there. The rows must be closed before the session is used again. Owner thread.
 */
RHEI_API rhei_status rhei_session_query(rhei_session *session, const char *sql, const struct rhei_params *params,
                                        const struct rhei_query_options *options, rhei_rows **rows,
                                        struct rhei_error *error);
/** As rhei_execute_with(), in the session. Owner thread. */
RHEI_API rhei_status rhei_session_execute_with(rhei_session *session, const char *sql, const struct rhei_params *params,
                                               const struct rhei_call_options *options, struct rhei_result *result,
                                               struct rhei_error *error);
/** As rhei_execute_batch_with(), in the session: all rows or none, and an open transaction goes on. Owner thread. */
RHEI_API rhei_status rhei_session_execute_batch(rhei_session *session, const char *sql, const struct rhei_value *values,
                                                size_t column_count, size_t row_count,
                                                const struct rhei_call_options *options, struct rhei_result *result,
                                                struct rhei_error *error);
/**
 * As rhei_execute_script_with(), in the session: all statements or none, and an open transaction goes on. BEGIN and the like are
 * for rhei_session_execute(). Owner thread.
 */
RHEI_API rhei_status rhei_session_execute_script(rhei_session *session, const char *sql,
                                                 const struct rhei_call_options *options, struct rhei_result *result,
                                                 struct rhei_error *error);
/** As rhei_query_arrow(), in the session; the stream must be released before the session is used again. Owner thread. */
RHEI_API rhei_status rhei_session_query_arrow(rhei_session *session, const char *sql, const struct rhei_params *params,
                                              const struct rhei_query_options *options, struct ArrowArrayStream *stream,
                                              struct rhei_error *error);
/**
 * As rhei_prepare(): the statement runs in the session, whether a transaction is open or not, and may name what the open one made.
 * To be closed before the session. Owner thread.
 */
RHEI_API rhei_status rhei_session_prepare(rhei_session *session, const char *sql, rhei_statement **statement,
                                          struct rhei_error *error);
/** Whether a transaction is open. Owner thread. */
RHEI_API bool rhei_session_in_transaction(const rhei_session *session);
/** Rolls back what is open, and frees the session. Accepts NULL. Owner thread. */
RHEI_API void rhei_session_close(rhei_session **session);
/** @} */

/** @name Tables and sync
 * @{ */

/** A column, where a table is created by registering it. */
struct rhei_column {
    const char *name;
    const char *type; /**< any name of the guide's type list, "int64", "text", "timestamp" ... */
    bool not_null;
    bool primary_key;
};
/**
 * Mirrors a table. With `columns` NULL it must exist and its schema is read from SQLite; otherwise it is created if it doesn't
 * exist, and compared if it does; `columns` are borrowed for the call. The build runs in the background. Registering twice is no
 * error.
 *
 * Errors: RHEI_NOT_FOUND, RHEI_EXISTS (with other columns), RHEI_UNSUPPORTED (a table that can't be mirrored), RHEI_BUSY,
 * RHEI_OLAP_UNAVAILABLE (this handle keeps no column store). Any thread.
 */
RHEI_API rhei_status rhei_register_table(rhei_db *db, const char *table, const struct rhei_column *columns,
                                         size_t column_count, struct rhei_error *error);
/** Stops mirroring a table; its rows stay in SQLite. Errors: RHEI_NOT_FOUND, RHEI_BUSY, RHEI_OLAP_UNAVAILABLE. Any thread. */
RHEI_API rhei_status rhei_unregister_table(rhei_db *db, const char *table, struct rhei_error *error);
/** rhei_register_table() under limits (NULL: none); also RHEI_TIMEOUT and RHEI_CANCELLED: then no more than the table itself was made. Any thread. */
RHEI_API rhei_status rhei_register_table_with(rhei_db *db, const char *table, const struct rhei_column *columns,
                                              size_t column_count, const struct rhei_call_options *options,
                                              struct rhei_error *error);
/** rhei_unregister_table() under limits (NULL: none); also RHEI_TIMEOUT and RHEI_CANCELLED, after which it is mirrored still. Any thread. */
RHEI_API rhei_status rhei_unregister_table_with(rhei_db *db, const char *table, const struct rhei_call_options *options,
                                                struct rhei_error *error);

/** What one sync did. */
struct rhei_sync_report {
    size_t struct_size; /**< as of rhei_result */
    int64_t position;
    uint64_t events, rows_inserted, rows_updated, rows_deleted, rows_pruned;
    int64_t duration_us;
};
/**
 * Brings the column store to everything committed before the call; *report may be NULL. Callers at one time share a cycle.
 * Errors: RHEI_OLAP_UNAVAILABLE, RHEI_BUSY. Any thread.
 */
RHEI_API rhei_status rhei_sync_now(rhei_db *db, struct rhei_sync_report *report, struct rhei_error *error);
/** The same under limits (NULL: none); also RHEI_TIMEOUT and RHEI_CANCELLED: the next sync goes on where it ended. Any thread. */
RHEI_API rhei_status rhei_sync_now_with(rhei_db *db, const struct rhei_call_options *options,
                                        struct rhei_sync_report *report, struct rhei_error *error);
/** Begins background sync; it is on by default unless manual_sync. Errors: RHEI_OLAP_UNAVAILABLE. Any thread. */
RHEI_API rhei_status rhei_start_sync(rhei_db *db, struct rhei_error *error);
/**
 * Ends background sync; a cycle that runs is finished first. `latest` queries still catch up. Errors: RHEI_OLAP_UNAVAILABLE. Any
 * thread.
 */
RHEI_API rhei_status rhei_stop_sync(rhei_db *db, struct rhei_error *error);
/**
 * Waits until every table that can be mirrored is built, and builds what isn't; for `timeout_ms` milliseconds at most, 0: no
 * limit. Errors: RHEI_STALE (the time is over), RHEI_BUSY (a writer holds back the capture of new tables), RHEI_OLAP_UNAVAILABLE.
 * Any thread.
 */
RHEI_API rhei_status rhei_initial_sync(rhei_db *db, int64_t timeout_ms, struct rhei_error *error);
/** The same under limits (NULL: none); also RHEI_CANCELLED: what isn't built yet goes on in the background. Any thread. */
RHEI_API rhei_status rhei_initial_sync_with(rhei_db *db, const struct rhei_call_options *options,
                                            struct rhei_error *error);
/**
 * Throws a table's mirror away and builds it anew (NULL: every table's), in the background. Errors: RHEI_NOT_FOUND,
 * RHEI_OLAP_UNAVAILABLE. Any thread.
 */
RHEI_API rhei_status rhei_rebuild(rhei_db *db, const char *table, struct rhei_error *error);
/**
 * Compares a table (NULL: every mirrored one) with its mirror at one position, by count and an order-independent checksum of
 * every cell. RHEI_OK: equal. RHEI_STALE with a message that names table and difference: not. RHEI_OLAP_UNAVAILABLE: it isn't
 * built now. *rows, which may be NULL, is the number of rows compared. Any thread.
 * Of sidecars (`app.orders`; `app`: all that is of it, histories included) the files of its folder are read and compared with their checksums, whoever has
 * the folder open, and not the rows with their source: RHEI_OK says that they are as they were written. RHEI_NOT_FOUND: it is in no folder.
 */
RHEI_API rhei_status rhei_verify(rhei_db *db, const char *table, uint64_t *rows, struct rhei_error *error);
/**
 * The same under limits (NULL: none); also RHEI_TIMEOUT and RHEI_CANCELLED. With `rows_per_second`, a table whose key is an integer is
 * compared piece by piece, each at a position of its own, and nothing is held between them; another table is read as one
 * state, however long that takes. The message of a difference names the piece. Any thread.
 */
RHEI_API rhei_status rhei_verify_with(rhei_db *db, const char *table, const struct rhei_call_options *options,
                                      uint64_t *rows, struct rhei_error *error);
/** @} */

/** @name Each engine by itself
 * @{ */

/** Asks SQLite, whatever the router thinks; reads only. Rows and errors as of rhei_query(). Any thread. */
RHEI_API rhei_status rhei_oltp_query(rhei_db *db, const char *sql, const struct rhei_params *params, rhei_rows **rows,
                                     struct rhei_error *error);
/**
 * Asks the analytical engine in its own dialect over the mirrored tables, read-only and sandboxed, at the freshness of
 * `options`. For SQL that only it knows, and for tests. The stream is the caller's, as of rhei_query_arrow(). Errors:
 * RHEI_OLAP_UNAVAILABLE, RHEI_SQL in DuckDB's words, RHEI_CANCELLED, RHEI_TIMEOUT, RHEI_MEMORY_LIMIT. Any thread.
 */
RHEI_API rhei_status rhei_olap_query_arrow(rhei_db *db, const char *sql, const struct rhei_query_options *options,
                                           struct ArrowArrayStream *stream, struct rhei_error *error);
/** @} */

#ifdef __cplusplus
}
#endif
#endif
