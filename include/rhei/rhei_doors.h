/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rhei_doors.h
 * What who builds a door needs of Rhei: a shell, a driver, a server, a loader. An application rarely does. The rules of rhei.h hold.
 */
#ifndef RHEI_DOORS_H
#define RHEI_DOORS_H

#include "rhei/rhei.h"

#ifdef __cplusplus
#if defined(__GNUC__)
/* rhei_split is a struct and a function, as stat is; g++ -Wshadow would tell of it. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
extern "C" {
#endif

/** @name The statements of a text
 * @{ */

enum rhei_split_state {
    RHEI_SPLIT_STATEMENT = 0, /**< a statement that its semicolon ends */
    RHEI_SPLIT_REST = 1,      /**< text behind the last semicolon: a last statement, or one that wants more lines */
    RHEI_SPLIT_END = 2,       /**< nothing but blanks and comments is left */
};
/** Where a statement lies in a text. */
struct rhei_split {
    size_t struct_size; /**< set it to sizeof */
    size_t position;    /**< where to look, 0 at first; moved behind the statement */
    size_t offset;      /**< of its first word, in bytes */
    size_t length;      /**< of its text, without the semicolon */
    int32_t state;      /**< enum rhei_split_state */
    bool open;          /**< a quote or a comment has no end yet */
};
/**
 * Finds the next statement of a text at or behind split->position. A semicolon in a string, a quoted name, a comment or the body of
 * CREATE TRIGGER ends nothing. Nothing is checked but where statements end. Pure; any thread.
 * @code
 * struct rhei_split part = {.struct_size = sizeof part};
 * while (rhei_split(text, length, &part, NULL) == RHEI_OK && part.state != RHEI_SPLIT_END)
 *     printf("%.*s\n", (int)part.length, text + part.offset);
 * @endcode
 */
RHEI_API rhei_status rhei_split(const char *text, size_t length, struct rhei_split *split, struct rhei_error *error);
/**
 * Whether a shell may run the text as it is: it ends with a semicolon that ends a statement, or holds no statement and no comment
 * that is still open. Pure; any thread.
 */
RHEI_API bool rhei_is_complete(const char *text, size_t length);
/** @} */

/** @name What may be asked in another way
 * @{ */

/**
 * As rhei_prepare(), or rhei_session_prepare() where a session is given, for who asks in another way if this is refused: that isn't counted in the metric
 * rhei_errors_total. The caller owns *statement; end with rhei_statement_close(). Errors: those of rhei_prepare(). Any thread; with a session its owner's.
 */
RHEI_API rhei_status rhei_prepare_attempt(rhei_db *db, rhei_session *session, const char *sql,
                                          rhei_statement **statement, struct rhei_error *error);
/** @} */

/** @name A result before it is there
 * @{ */

/**
 * The schema of what rhei_statement_query_arrow() will give, a struct of columns, under the database's schema as it is; no columns for a
 * statement that returns no rows. Nothing is run. A column's type is the one that all its values surely have (a rowid, a column of a
 * STRICT table but for TEXT), or else what a result without rows would have: by the declared type, or the class that is inferred for
 * an expression (docs/guide/arrow.md). `*settled`, which may be NULL, is true where every column is of the first kind: the
 * result has this very schema then, but for its metadata. Otherwise a column may turn out to be of another type, or a union, when its
 * values do. rhei_statement_parameter_count() tells how many parameters it takes.
 *
 * The caller owns *schema and releases it. Errors: RHEI_UNSUPPORTED for SQL that only the column store reads, and those of
 * rhei_prepare(). Owner thread of the statement.
 */
RHEI_API rhei_status rhei_statement_schema(rhei_statement *statement, const struct rhei_query_options *options,
                                           struct ArrowSchema *schema, bool *settled, struct rhei_error *error);
/**
 * The Arrow types by which a client binds that has to be told one, as formats of the C data interface, into formats[rhei_statement_parameter_count()]: "l", "g",
 * "u", "z", "b", "tdD", "ttm" or "tsm:". Static storage. A parameter takes a value of any class whatever is told: this is what it is compared with or written
 * into goes by (a column by its declared type), or what `CAST(? AS REAL)`, `date(?)` and the like say; "u" where nothing does. The guide's page on
 * Arrow Flight SQL has the table. Nothing is run. Errors: RHEI_INVALID, RHEI_NO_MEMORY. Owner thread of the statement.
 */
RHEI_API rhei_status rhei_statement_parameter_formats(rhei_statement *statement, const char **formats,
                                                      struct rhei_error *error);
/** @} */

/** @name What is in the database
 * @{ */

enum rhei_table_kind {
    RHEI_KIND_TABLE = 0,
    RHEI_KIND_VIEW = 1,
    RHEI_KIND_VIRTUAL = 2, /**< CREATE VIRTUAL TABLE */
    RHEI_KIND_SHADOW = 3,  /**< a table in which a virtual one keeps what it has */
    RHEI_KIND_SOURCE =
        4, /**< a table of another source: its rows are in the column store alone, and can only be read */
};

/** A column. */
struct rhei_catalog_column {
    const char *name;
    const char *declared_type; /**< as written, "" if there is none; of a view the type of the column it shows */
    const char *default_sql;   /**< text of the DEFAULT expression; NULL: none */
    const char *collation;     /**< "BINARY", "NOCASE"...; NULL where it depends: of views and virtual tables */
    int32_t usual_class;       /**< enum rhei_class that a column of this type usually holds */
    int32_t key_position;      /**< its place in the primary key from 1; 0: not in it */
    bool not_null;
    bool generated; /**< GENERATED ALWAYS; can't be written */
    bool hidden;    /**< of a virtual table, not shown by `*` */
};
/** An index, those that constraints made included. */
struct rhei_catalog_index {
    const char *name;
    const char *sql; /**< CREATE INDEX as it is in the schema; NULL where a constraint made it */
    bool unique;
    bool partial;
    bool primary_key;
    uint32_t column_count;
    const int32_t *columns; /**< numbers of columns from 0; -1: the rowid, -2: an expression */
    const bool *descending;
};
/** A foreign key. */
struct rhei_catalog_foreign_key {
    const char *parent; /**< the table that it refers to */
    uint32_t column_count;
    const int32_t *columns;            /**< numbers of columns from 0 */
    const char *const *parent_columns; /**< NULL each, where the parent's primary key is meant */
    const char *on_update, *on_delete; /**< "NO ACTION", "CASCADE"... */
};
/** A table or view. */
struct rhei_catalog_table {
    const char *name;
    const char *sql; /**< its CREATE statement; "" of RHEI_KIND_SOURCE, which has none here */
    int32_t kind;    /**< enum rhei_table_kind */
    bool strict;
    bool without_rowid;
    const char *
        broken; /**< why its columns can't be told: a view of a table that is gone, a module that isn't there; else NULL */
    uint32_t column_count;
    const struct rhei_catalog_column *const *columns;
    uint32_t index_count;
    const struct rhei_catalog_index *const *indexes;
    uint32_t foreign_key_count;
    const struct rhei_catalog_foreign_key *const *foreign_keys;
    const char *schema; /**< "main", or the name of the source that it is a table of */
    bool mirrored;      /**< the column store follows it, built or not (rhei_table_list() tells) */
    bool
        shadowed; /**< a table or view of the file has its name, and is what the name alone means: name it with its schema */
    const char *
        unmirrored_reason; /**< why the column store doesn't follow a table; NULL: it does, or it is a view or virtual */
};
/**
 * Every table and view of the database at one moment, by name, and behind them the tables of other sources, by schema and name; Rhei's own and
 * SQLite's are left out.
 */
struct rhei_catalog {
    int64_t schema_version; /**< another number: the schema has changed */
    uint32_t table_count;
    const struct rhei_catalog_table *const *tables;
};
/**
 * Reads the catalog. `like` is a pattern of names as of SQL's LIKE; NULL: all. Lists are arrays of pointers, so that a later version's
 * structs may be longer. The caller owns *catalog, all of it, and frees it with rhei_catalog_free(). Errors: RHEI_BUSY where the schema
 * changes all the time, and those of rhei_query(). Any thread.
 */
RHEI_API rhei_status rhei_catalog_read(rhei_db *db, const char *like, const struct rhei_call_options *options,
                                       struct rhei_catalog **catalog, struct rhei_error *error);
/** Frees a catalog. Accepts NULL. Any thread. */
RHEI_API void rhei_catalog_free(struct rhei_catalog **catalog);
/** @} */

/** @name Settings of doors
 * @{ */
/**
 * What the handle's config_file, or an override, says of a setting that a door heeds and the engine doesn't: metrics_listen, http_listen, trace_path, flight_listen and the others that begin with flight_ (docs/guide/settings.md),
 * secrets too. *value is NULL where it isn't set; the caller frees it with rhei_free(). Errors: RHEI_NOT_FOUND (no door's setting). Any thread.
 */
RHEI_API rhei_status rhei_door_setting(rhei_db *db, const char *name, char **value, struct rhei_error *error);
/** The same before anything is opened: what a file (NULL: none) and overrides over it say. Errors also as of rhei_effective_list(). Any thread. */
RHEI_API rhei_status rhei_door_setting_read(const char *config_file, const struct rhei_override *overrides,
                                            size_t override_count, const char *name, char **value,
                                            struct rhei_error *error);
/** @} */

/** @name Taking in Arrow
 * @{ */

enum rhei_ingest_mode {
    RHEI_INGEST_APPEND = 0,        /**< into a table that exists */
    RHEI_INGEST_CREATE = 1,        /**< into a new table; RHEI_EXISTS if there is one */
    RHEI_INGEST_CREATE_APPEND = 2, /**< into a new one, or the one that exists */
    RHEI_INGEST_REPLACE = 3,       /**< into a new one, in place of the one that exists */
    RHEI_INGEST_UPSERT =
        4, /**< into one that exists: rows whose primary key is there are updated in the columns given */
};
/** What becomes of a row whose primary key, or whose value of another UNIQUE column, is there already. */
enum rhei_conflict {
    RHEI_CONFLICT_ABORT = 0,   /**< it is wrong; or whatever the table's own ON CONFLICT clauses say */
    RHEI_CONFLICT_SKIP = 1,    /**< the row that is there stays */
    RHEI_CONFLICT_REPLACE = 2, /**< it takes the place of those it conflicts with, as INSERT OR REPLACE does */
    RHEI_CONFLICT_UPDATE =
        3, /**< the row of that primary key is updated in the columns given; other conflicts are wrong */
};
/** A row that the database refuses. */
struct rhei_ingest_reject {
    int64_t row;                    /**< of the stream, from 0 */
    const struct rhei_error *error; /**< why: RHEI_CONSTRAINT, RHEI_TYPE, RHEI_TOO_BIG or RHEI_SQL */
    bool
        rolled_back; /**< a conflict clause or a trigger ended the transaction: the ingest ends, whatever is returned */
};
/** How rows are taken in. Zero is the default of every field. */
struct rhei_ingest_options {
    size_t struct_size;
    int32_t mode;        /**< enum rhei_ingest_mode */
    int32_t on_conflict; /**< enum rhei_conflict; RHEI_INGEST_UPSERT means RHEI_CONFLICT_UPDATE */
    uint64_t chunk_rows; /**< rows of one transaction; 0: all rows in one, during which other writers wait */
    int64_t timeout_ms;  /**< as rhei_call_options.timeout_ms */
    rhei_cancel *cancel; /**< as rhei_call_options.cancel */
    rhei_progress_function progress; /**< as rhei_call_options.progress */
    void *progress_context;
    const char *const *key_columns; /**< of a table that is made: its primary key */
    size_t key_count;               /**< 0: it has none */
    /**
     * Asked about each row that the database refuses, in their order, on the caller's thread, before the stream is asked for the batch behind
     * that row's. True: the row is left out, and the others go on; false, or NULL: the ingest fails with that error. Must not call Rhei with the
     * handle.
     */
    bool (*reject)(void *context, const struct rhei_ingest_reject *row);
    void *reject_context;
    /** Into a TEMP table, which belongs to the connection that writes: docs/guide/writing.md says who sees it. */
    bool temporary;
};
/** What an ingest did. Numbers of rows are of those that are committed, also where the call failed after some chunks. */
struct rhei_ingest_result {
    size_t struct_size; /**< as of rhei_result */
    int64_t rows;       /**< of the stream: changed, skipped and rejected ones */
    int64_t position;   /**< the change log's position that includes them; 0 if none is captured */
    int64_t changed;    /**< inserted, replaced or updated; SQLite counts these together */
    int64_t skipped;    /**< the table has its own row still: RHEI_CONFLICT_SKIP, or its own ON CONFLICT IGNORE */
    int64_t rejected;   /**< left out by `reject` */
};
/**
 * Writes the rows of an Arrow stream into a table, column by column name (the order doesn't matter; columns of the table that the stream
 * lacks get their default). Takes ownership of the stream: it is released, also when this fails.
 *
 * Values keep what they are: booleans and integers are INTEGER, floats REAL, strings TEXT, binary BLOB; dates, times, decimals, unsigned
 * numbers beyond 2^63 - 1 and nested values are TEXT, as the guide's page on Arrow says. A new table's columns have types that convert
 * none of them, or no type where a -0.0 comes among floats. A stream of this library's own is a good input, unions included.
 *
 * With one transaction everything or nothing is written, but for rows that options->reject leaves out; in chunks, whole chunks are
 * (result->rows). The statement's errors are those of rhei_execute_batch(), the row counted over the whole stream; beside them RHEI_NOT_FOUND and RHEI_EXISTS for the table, RHEI_INVALID for
 * a column that the table lacks or that comes twice and for an upsert into a table without primary key or without its columns,
 * RHEI_UNSUPPORTED for an Arrow type that has no values here, and RHEI_IO for what the stream says of its own failure. Any thread.
 */
RHEI_API rhei_status rhei_ingest_arrow(rhei_db *db, const char *table, struct ArrowArrayStream *stream,
                                       const struct rhei_ingest_options *options, struct rhei_ingest_result *result,
                                       struct rhei_error *error);
/**
 * The same in a session: inside its transaction if one is open, which sees the rows and goes on after a failure, as after that of any
 * statement; all rows (of a chunk) are taken in or none. The numbers of the result count what is in the transaction. Owner thread.
 */
RHEI_API rhei_status rhei_session_ingest_arrow(rhei_session *session, const char *table,
                                               struct ArrowArrayStream *stream,
                                               const struct rhei_ingest_options *options,
                                               struct rhei_ingest_result *result, struct rhei_error *error);
/** @} */

/** @name Files of rows
 * Where they lie is the caller's matter: no SQL text ever names a file. What Arrow's types become is told at rhei_ingest_arrow().
 * @{ */

/** Up to `length` bytes into `bytes`, *got of them; 0 at the end. Fails with the status it returns. */
typedef rhei_status (*rhei_read_function)(void *context, void *bytes, size_t length, size_t *got,
                                          struct rhei_error *error);
/**
 * The batches of Arrow's IPC format, stream or file, told apart by their first bytes; bodies may be compressed. Any bytes may be given: what isn't
 * Arrow is an error, and a batch is checked in full before it is handed out. `read` is called, from its beginning to its end, by whoever uses the
 * stream, which the caller owns.
 *
 * Errors: RHEI_INVALID (no Arrow), RHEI_UNSUPPORTED, RHEI_NO_MEMORY, those of `read`; some come with a batch only. Any thread.
 */
RHEI_API rhei_status rhei_arrow_read(rhei_read_function read, void *context, struct ArrowArrayStream *stream,
                                     struct rhei_error *error);
/**
 * The rows of a Parquet file, in their order, some thousands at a time. `fd` is a regular file, open for reading, borrowed until the stream,
 * which the caller owns, is released. A struct of `integer`, `real`, `text` and `blob` is the union that rhei_parquet_write() made it of.
 *
 * Errors: RHEI_IO (no Parquet, damaged, not to be read), RHEI_UNSUPPORTED (a type), RHEI_OLAP_UNAVAILABLE (DuckDB's library, which reads it,
 * can't be loaded), RHEI_NO_MEMORY; some come with a batch only. Any thread.
 */
RHEI_API rhei_status rhei_parquet_read(int fd, struct ArrowArrayStream *stream, struct rhei_error *error);
/**
 * Writes the whole of a stream as Parquet, in groups of at most 64 MiB. `fd` is a regular file, open for writing; what it held goes. Takes
 * ownership of the stream: it is released, also when this fails. A union, which Parquet has none of, is a struct of `integer`, `real`, `text`
 * and `blob`, of which at most one isn't null; dates, decimals and nested values are the texts that rhei_ingest_arrow() makes of them.
 *
 * Errors: as of rhei_parquet_read(), and those of the stream. Owner thread of the stream.
 */
RHEI_API rhei_status rhei_parquet_write(struct ArrowArrayStream *stream, int fd, struct rhei_error *error);
/** @} */

/** @name Parameters as Arrow
 * What clients that speak Arrow bind: a stream of rows, each of which holds the values of one run.
 * @{ */

/**
 * Runs a statement once for each row of a stream of parameters, all or nothing: the first column is for ?1 and so on, and values are
 * what rhei_ingest_arrow() makes of them. In its session where it was prepared in one, inside the transaction if one is open.
 * *result counts the changes of all rows. Takes ownership of the stream, also when this fails.
 *
 * Errors: RHEI_INVALID where the stream has not as many columns as the statement has parameters, those of rhei_execute_batch() (the row
 * counted over the whole stream) and of rhei_ingest_arrow()'s stream. Owner thread of the statement.
 */
RHEI_API rhei_status rhei_statement_execute_each(rhei_statement *statement, struct ArrowArrayStream *parameters,
                                                 const struct rhei_call_options *options, struct rhei_result *result,
                                                 struct rhei_error *error);
/**
 * Asks a statement once for each row of a stream of parameters, as rhei_statement_query_arrow(), and gives the rows of all one after
 * another, as one stream. Each row's question is asked when its answer's first row is wanted, and each by its own freshness. Without a
 * row there is no question, and a stream of no rows. A statement that writes (RETURNING) is run for all rows before this returns, all or nothing. Takes ownership of the
 * parameters, also when this fails; they are held until the stream is released.
 *
 * The caller owns *stream, which outlives the statement, not its session. Errors: those of rhei_statement_execute_each() and of
 * rhei_query_arrow(), some with the rows only. Owner thread of the statement.
 */
RHEI_API rhei_status rhei_statement_query_each(rhei_statement *statement, struct ArrowArrayStream *parameters,
                                               const struct rhei_query_options *options,
                                               struct ArrowArrayStream *stream, struct rhei_error *error);
/**
 * What a stream's call that gave `code` (an errno) failed with: of a stream of this library's the error itself, of any other
 * the closest status and the stream's own words. Returns the error's code. Owner thread of the stream, before it is released.
 */
RHEI_API rhei_status rhei_stream_error(struct ArrowArrayStream *stream, int code, struct rhei_error *error);
/** @} */

/** @name The application's own functions and collations
 * Added by rhei_config.on_connect, on every connection alike. A table whose schema uses them is captured and mirrored where that is
 * exact (rhei_tables() says why not); statements that use them are answered by SQLite.
 * @{ */

/** A call of a function, while it lasts. */
typedef struct rhei_call rhei_call;
/** A scalar function of SQL. Zero is the default of every field but name and run. */
struct rhei_function {
    size_t struct_size;
    const char *name;   /**< copied */
    int32_t arguments;  /**< how many it takes; -1: any number */
    bool deterministic; /**< the same arguments give the same result: indexes and generated columns need that */
    bool direct_only;   /**< not from triggers, views or the schema, which may be somebody else's */
    /**
     * Sets *result, which is NULL before. Text and BLOB of arguments are borrowed for the call; those of the result have to live until it
     * returns: rhei_call_memory(). An error, whose message is shown, ends the statement, and nothing else. Any thread, several at
     * once; must not call Rhei with the handle. May be called more often than there are rows.
     */
    rhei_status (*run)(void *context, rhei_call *call, const struct rhei_value *arguments, uint32_t count,
                       struct rhei_value *result, struct rhei_error *error);
    void *context;
    void (*destroy)(void *context); /**< called once, when the connection is closed or nothing was added; may be NULL */
};
/**
 * Adds a function to a connection. Within rhei_config.on_connect only. Errors: RHEI_INVALID, RHEI_EXISTS for a name that SQLite or
 * Rhei has itself: their meaning is known to the column store.
 */
RHEI_API rhei_status rhei_create_function(rhei_connection *connection, const struct rhei_function *function,
                                          struct rhei_error *error);
/** Memory for a result, freed by Rhei after the call; NULL when there is none. Only within the call. */
RHEI_API void *rhei_call_memory(rhei_call *call, size_t size);
/**
 * RHEI_OK, or RHEI_CANCELLED or RHEI_TIMEOUT when the statement has to end: a function that runs for long asks from time to time,
 * and returns that. Only within the call.
 */
RHEI_API rhei_status rhei_call_check(rhei_call *call);

/** An order of texts. Zero is the default of every field but name and compare. */
struct rhei_collation {
    size_t struct_size;
    const char *name; /**< copied */
    /**
     * Below 0, 0 or above 0 as text `a` is before, equal to or behind `b`; a total order that never changes, for indexes are kept in it. Texts
     * aren't NUL-terminated. Any thread, several at once; must not call Rhei.
     */
    int (*compare)(void *context, const void *a, uint32_t a_length, const void *b, uint32_t b_length);
    void *context;
    void (*destroy)(void *context); /**< as of struct rhei_function */
};
/** Adds a collation to a connection. Within rhei_config.on_connect only. Errors: RHEI_INVALID, RHEI_EXISTS for SQLite's own. */
RHEI_API rhei_status rhei_create_collation(rhei_connection *connection, const struct rhei_collation *collation,
                                           struct rhei_error *error);
/** @} */

/** @name Being told of changes
 * @{ */

/** A subscription; one thread at a time. From rhei_watch() to rhei_watch_close(). */
typedef struct rhei_watcher rhei_watcher;
/** What is watched, and how it is told. Zero is the default of every field. */
struct rhei_watch_options {
    size_t struct_size;
    const char *const *tables; /**< only these, 1,024 at most; they need not exist yet; copied */
    size_t table_count;        /**< 0: every table */
    /**
     * Called when there is something for rhei_watch_next(), and not again before that took it; on any thread, one call at a
     * time. It must return at once and call nothing of Rhei: it sets a flag, or wakes a loop. May be NULL.
     */
    void (*wake)(void *context);
    void *wake_context;
    rhei_cancel
        *cancel; /**< ends a rhei_watch_next() that waits, with RHEI_CANCELLED; borrowed until the close; may be NULL */
};
/** What was changed since the last event. */
struct rhei_watch_event {
    size_t struct_size;        /**< set it to sizeof before the call */
    int64_t position;          /**< the column store shows the changes that the event tells of, all up to here */
    const char *const *tables; /**< names; borrowed until the next rhei_watch_next() or the close */
    uint32_t table_count;
    bool all; /**< no names, because they were too many: any table may have changed */
};
/**
 * Subscribes to commits, whoever makes them: this handle, another one, another process. Everything that is committed after this returns
 * is told, in time as the column store comes to show it: at once after a commit of this handle, 50 ms later for another
 * process's (or as `sync_interval_ms` says). Many commits become one event, and a consumer that is slow costs no more than a set of names.
 *
 * A table counts as changed when rows were inserted, updated or deleted (though they may be as before), when it is made, altered or
 * dropped, and when its mirror is built anew. What isn't captured (RHEI_TABLE_UNMIRRORED) isn't told of. While the handle doesn't sync by itself
 * (rhei_stop_sync(), manual_sync), it is told by what makes it sync: rhei_sync_now(), a `latest` query of the column store. A table goes by its
 * name: one that is renamed is told of under both, and afterwards under the new one.
 *
 * The caller owns *watcher, and closes it before the handle. Errors: RHEI_OLAP_UNAVAILABLE (this handle keeps no column store),
 * RHEI_READ_ONLY (it captures no changes). Any thread; the watcher is its owner's.
 * @code
 * rhei_watch(db, NULL, &watcher, &error);
 * struct rhei_watch_event event = {.struct_size = sizeof event};
 * while (rhei_watch_next(watcher, -1, &event, &error) == RHEI_OK)
 *     for (uint32_t i = 0; i < event.table_count; i++)
 *         printf("%s\n", event.tables[i]);
 * @endcode
 */
RHEI_API rhei_status rhei_watch(rhei_db *db, const struct rhei_watch_options *options, rhei_watcher **watcher,
                                struct rhei_error *error);
/**
 * A descriptor for poll() or an event loop, readable while there is something for rhei_watch_next(). Don't read or close it. Any
 * thread.
 */
RHEI_API int rhei_watch_fd(const rhei_watcher *watcher);
/**
 * Waits for changes, for `timeout_ms` milliseconds at most (0: only looks; below 0: without limit), and takes them. Errors:
 * RHEI_TIMEOUT (there were none), RHEI_CANCELLED. Owner thread.
 */
RHEI_API rhei_status rhei_watch_next(rhei_watcher *watcher, int64_t timeout_ms, struct rhei_watch_event *event,
                                     struct rhei_error *error);
/** Ends the subscription; its `wake` isn't called any more. Accepts NULL. Owner thread. */
RHEI_API void rhei_watch_close(rhei_watcher **watcher);
/** @} */

/** @name The change feed
 * Every change of every captured table, in the order of the log, for consumers that go on where they were. docs/guide/changes.md.
 * @{ */

/** A reader of changes; one thread at a time. From rhei_changes_open() to rhei_changes_close(). */
typedef struct rhei_changes rhei_changes;
/** Where a new consumer, or a reader that is none, begins. A consumer that is known goes on behind what it acknowledged. */
enum rhei_changes_start {
    RHEI_CHANGES_NEW = 0,    /**< with what is committed from now on */
    RHEI_CHANGES_OLDEST = 1, /**< with the oldest change that the log still has */
    RHEI_CHANGES_AFTER = 2,  /**< behind `after`; without a consumer only */
};
/** Who follows. Zero is the default of every field. */
struct rhei_changes_options {
    size_t struct_size;
    /**
     * A name of up to 200 bytes, copied. What a consumer hasn't acknowledged stays in the log, up to the log's limit. NULL: a reader that
     * leaves no trace, and for which nothing is kept.
     */
    const char *consumer;
    int32_t start;  /**< enum rhei_changes_start */
    int32_t unused; /**< 0 */
    int64_t after;
    int64_t
        keep_ms; /**< so long after it was last opened or acknowledged the log waits for the consumer; 0: seven days */
    rhei_cancel *cancel; /**< ends a rhei_changes_wait(), with RHEI_CANCELLED; borrowed until the close; may be NULL */
};
enum rhei_change_kind {
    /**
     * A table's version, with its columns: its rows may follow. Told first to every reader for all tables that there are, and then for each that
     * comes. Under another number than before: it was altered or captured anew; what it held before is to be read from it.
     */
    RHEI_CHANGE_TABLE = 1,
    RHEI_CHANGE_GONE = 2,   /**< there is no such version any more */
    RHEI_CHANGE_INSERT = 3, /**< a row as it is now; one of that key may have been there before (REPLACE) */
    RHEI_CHANGE_UPDATE = 4, /**< a row as it is now; it may be as it was, or new */
    RHEI_CHANGE_DELETE =
        5, /**< only the columns of the key are set, but in `before`; such a row may never have been told */
    RHEI_CHANGE_LOST = 6,   /**< what happened to the table (NULL: to all) can't be told: read it; `reason` says why */
    RHEI_CHANGE_COMMIT = 7, /**< all transactions up to `position` were told whole: the place to acknowledge */
    RHEI_CHANGE_BATCH = 8,  /**< rows of one table as an Arrow batch, of rhei_changes_next_arrow() alone */
};
/** One event. All that it points to is borrowed until the next call with the reader. */
struct rhei_change {
    size_t struct_size;    /**< set it to sizeof before the call */
    int32_t kind;          /**< enum rhei_change_kind */
    uint32_t table_number; /**< of the table's version: other columns, another number; never given twice */
    int64_t position;      /**< grows by 1 with each row of the log; a row of the log may be several events */
    int64_t time_us;       /**< of the change, since 1970; 0: it has none */
    const char *table;
    uint32_t column_count;
    uint32_t key_count;
    const char *const *columns; /**< [column_count] names */
    const uint32_t
        *key_columns; /**< [key_count] numbers of columns from 0: the declared PRIMARY KEY, or a column rowid */
    const struct rhei_value *values; /**< [column_count]; rows only */
    /** Of LOST; of TABLE: why its changes have no `before` though it keeps a history (`sync_mode`), else NULL. */
    const char *reason;
    /**
     * [column_count]; the whole row as it was, as the events before this one left it under this key. Of UPDATE and DELETE where the table has a history
     * (docs/guide/changes.md); NULL: there was none, or it isn't kept.
     */
    const struct rhei_value *before;
    void *unused[1];
};
/**
 * Begins to read, and registers the consumer if its name is new. Of two readers with one consumer's name each is told everything; the position is
 * what was acknowledged last. The caller owns *changes and closes it before the handle. Errors: RHEI_READ_ONLY (the handle captures
 * no changes), RHEI_UNSUPPORTED (it has sidecars alone), RHEI_INVALID, RHEI_BUSY; RHEI_BUSY, too, where what the consumer needs is in a change buffer (rocksdb_cdc_path) that another handle has
 * open, and RHEI_STALE where this handle was opened without it: the consumer stays as it is. Any thread; the reader is its owner's.
 * @code
 * rhei_changes_open(db, &(struct rhei_changes_options){.struct_size = sizeof(struct rhei_changes_options), .consumer = "search"},
 *                   &changes, &error);
 * struct rhei_change change = {.struct_size = sizeof change};
 * while (rhei_changes_wait(changes, -1, &error) == RHEI_OK)
 *     while (rhei_changes_next(changes, &change, &error) == RHEI_ROW)
 *         if (change.kind == RHEI_CHANGE_COMMIT)
 *             rhei_changes_acknowledge(changes, change.position, &error);
 * @endcode
 */
RHEI_API rhei_status rhei_changes_open(rhei_db *db, const struct rhei_changes_options *options, rhei_changes **changes,
                                       struct rhei_error *error);
/**
 * The next event: RHEI_ROW, or RHEI_DONE when all that is committed was told. Never waits for writers, and holds no state of the file between two
 * calls. After an error the call may be made again. Errors: RHEI_BUSY (a writer holds back what a changed schema needs first), RHEI_STALE
 * (what comes next went to a change buffer that this handle doesn't have), RHEI_REPLACED. Owner thread.
 */
RHEI_API rhei_status rhei_changes_next(rhei_changes *changes, struct rhei_change *change, struct rhei_error *error);
/**
 * The same with rows as Arrow batches. Where rows come, *change is a RHEI_CHANGE_BATCH: rows of one version of one table, in their order, as many as
 * there are up to the next event that isn't a row, or 65,536 of them, or 4 MiB; `position` is the last one's. *schema and *array are the caller's
 * then, and outlive the reader. All other events are as of rhei_changes_next(), with schema->release and array->release NULL. The batches of
 * several tables come one after another: where the order of their rows counts it is in the positions, and COMMIT ends them all.
 *
 * A batch has the columns `_rhei_operation` (utf8: `I`, `U`, `D`), `_rhei_seq` (int64, the position) and `_rhei_time` (int64, microseconds since 1970), then
 * the table's, of a deleted row those of its key, and `_rhei_before`, a struct of the table's columns: NULL where rhei_change.before is.
 * Types are those of this batch's values, by the rules of results (docs/guide/arrow.md): a batch of other values may have others. The schema's
 * metadata has `rhei.table` and `rhei.table_number`.
 *
 * After RHEI_NO_MEMORY or RHEI_MEMORY_LIMIT (a batch of rows larger than 2 GiB) the reader is at its end: open it again behind what was
 * acknowledged. One reader is read by one of the two calls up to a commit: rhei_changes_next() is RHEI_INVALID where rows are gathered.
 * Errors else as there. Owner thread.
 */
RHEI_API rhei_status rhei_changes_next_arrow(rhei_changes *changes, struct rhei_change *change,
                                             struct ArrowSchema *schema, struct ArrowArray *array,
                                             struct rhei_error *error);
/**
 * Waits until something was committed since rhei_changes_next() gave RHEI_DONE, by whomever, for `timeout_ms` milliseconds at most (0: only looks;
 * below 0: without limit). Errors: RHEI_TIMEOUT, RHEI_CANCELLED, RHEI_REPLACED. Owner thread.
 */
RHEI_API rhei_status rhei_changes_wait(rhei_changes *changes, int64_t timeout_ms, struct rhei_error *error);
/**
 * Says that everything up to the position of a RHEI_CHANGE_COMMIT is done with; durable as a commit is when this returns. What isn't
 * acknowledged is told again to whoever opens the consumer next, with the same positions. Errors: RHEI_INVALID (no such position was told, or
 * it was acknowledged), RHEI_NOT_FOUND (the consumer was dropped), RHEI_BUSY, RHEI_FULL. Owner thread.
 */
RHEI_API rhei_status rhei_changes_acknowledge(rhei_changes *changes, int64_t position, struct rhei_error *error);
/** Up to where everything was told. Owner thread. */
RHEI_API int64_t rhei_changes_position(const rhei_changes *changes);
/**
 * Forgets a consumer: the log keeps nothing for it any more. A folder of the column store (olap_path) that was removed for good is forgotten by
 * the name _rhei_folder:/PATH. Errors: RHEI_NOT_FOUND, RHEI_EXISTS (the folder is there), RHEI_INVALID, RHEI_READ_ONLY, RHEI_BUSY. Any thread.
 */
RHEI_API rhei_status rhei_changes_drop(rhei_db *db, const char *consumer, struct rhei_error *error);
/** Ends reading; the consumer stays. Accepts NULL. Owner thread. */
RHEI_API void rhei_changes_close(rhei_changes **changes);
/** @} */

#ifdef __cplusplus
}
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#endif
#endif
