/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The row store: SQLite, one writer with group commit, a pool of readers on the callers' threads. What the schema says and how
 * changes are captured is known by those who fill its hooks. Any thread, unless a line says otherwise.
 */
#ifndef OLTP_OLTP_H
#define OLTP_OLTP_H

#include "base/base_log.h"
#include "base/base_progress.h"
#include "port/executor.h"
#include "port/table_reader.h"

struct oltp;
struct oltp_hooks;
struct oltp_connection;

enum oltp_synchronous { OLTP_SYNC_NORMAL = 0, OLTP_SYNC_FULL = 1, OLTP_SYNC_EXTRA = 2, OLTP_SYNC_OFF = 3 };

/* What happens at a limit of the change log. */
enum oltp_log_policy {
    OLTP_LOG_DETACH = 0, /* the oldest changes go; who needed them begins anew */
    OLTP_LOG_GROW = 1,   /* a warning */
    OLTP_LOG_BLOCK = 2,  /* what would add to it waits, and is refused: RHEI_FULL */
};

struct oltp_config {
    const char *path;        /* ":memory:" is one database shared by all connections of this handle */
    bool read_only;          /* never writes, never creates, installs no capture */
    const char *no_writes;   /* with read_only: what writers are told; NULL: that it was opened so. Borrowed */
    bool must_exist;         /* don't create a missing file */
    bool no_files;           /* no statement names a file: ATTACH, DETACH, VACUUM INTO */
    bool capture;            /* install triggers and log; false: leave the file as it is */
    bool capture_if_present; /* with capture: only where the file has it already */
    /* With capture: before it is made in a file that has none of it, and before anything else of the file changes; else it isn't opened. May be NULL */
    rhei_status (*begins)(void *context, struct rhei_error *error);
    void *begins_context;
    bool follow;        /* with read_only: what others capture here is read, if their capture is as it must be */
    bool auto_register; /* every table with a usable key is captured when created or found */
    bool (*named)(void *context, const char *table); /* and so is one that this is true of; any thread. May be NULL */
    void *named_context;
    uint32_t read_pool_size; /* connections kept; more are opened under load and closed again */
    uint32_t busy_timeout_ms;
    enum oltp_synchronous synchronous;
    /* Of the change log (docs/design/log-limits.md). */
    uint64_t log_limit_rows;   /* 0: default */
    uint64_t log_limit_bytes;  /* 0: none */
    uint64_t log_limit_age_ms; /* 0: none */
    enum oltp_log_policy log_limit_policy;
    bool follows; /* this handle will follow the log (capture_change_source): until it does, it needs all of it, */
    bool rests;   /* but only if it is asked to, and has nothing from before: until it does, it needs none of it */
    uint64_t wal_limit_bytes; /* the write-ahead log is cut off above it as soon as nobody reads from it; 0: default */
    /* After each commit of ours, on the committing thread: must only flag and wake. May be NULL. */
    void (*committed)(void *context);
    void *committed_context;
    const struct oltp_hooks *hooks; /* who knows the schema and captures (oltp_hooks.h); NULL: nobody */
    /* With each connection that is opened, on the thread that opens it, several at once: adds functions and collations. May be NULL. */
    rhei_status (*connected)(void *context, struct oltp_connection *connection, struct rhei_error *error);
    void *connected_context;
    /*
     * Whether every version of this table's rows is wanted, with its own number and time: its triggers then say of each row that REPLACE
     * displaced when it went (capture). Any thread, at any time while the handle is open. May be NULL.
     */
    bool (*keeps_versions)(void *context, const char *table);
    void *versions_context;
    const struct base_log *log;
    void (*fault)(void *context,
                  const char *point); /* tests: called at every named point of write and open; may be NULL */
    void *fault_context;
};

rhei_status oltp_open(const struct oltp_config *config, struct oltp **oltp, struct rhei_error *error);
/* All cursors and sessions must be closed. Accepts NULL. */
void oltp_close(struct oltp **oltp);
/*
 * While true, what works in the background and wants the writer gives up where another program has the lock, rather than wait for
 * busy_timeout_ms: for who is about to join those threads, with no call of anybody running. Accepts NULL.
 */
void oltp_upkeep_ends(struct oltp *oltp, bool ends);
/* RHEI_REPLACED if the file was moved, deleted or replaced, which is looked at every 0.1 ms at most. */
rhei_status oltp_check_file(struct oltp *oltp, struct rhei_error *error);
/* RHEI_READ_ONLY: nothing is written by this handle, and why. */
rhei_status oltp_refuse_write(const struct oltp *oltp, struct rhei_error *error);
/* Whether changes are captured: false for read-only handles, and where capture was asked for only if present. */
bool oltp_captures(const struct oltp *oltp);
/* A read-only handle that reads the change log, and the numbers of tables, that others keep. The same from the opening on. */
bool oltp_follows(const struct oltp *oltp);

/* ---- The application's own functions and collations; within `connected` only. ------------------------------------- */

struct rhei_call; /* a call of a function, while it lasts */
struct oltp_function {
    const char *name;
    int arguments; /* -1: any number */
    bool deterministic, direct_only;
    /* Arguments are borrowed for the call, and so is the result's memory until it returns. */
    rhei_status (*run)(void *context, struct rhei_call *call, const struct rhei_value *arguments, uint32_t count,
                       struct rhei_value *result, struct rhei_error *error);
    void *context;
    void (*destroy)(void *context); /* when the connection is closed, or nothing was added; may be NULL */
};
struct oltp_collation {
    const char *name;
    int (*compare)(void *context, const void *a, uint32_t a_length, const void *b, uint32_t b_length);
    void *context;
    void (*destroy)(void *context);
};
rhei_status oltp_add_function(struct oltp_connection *connection, const struct oltp_function *function,
                              struct rhei_error *error);
rhei_status oltp_add_collation(struct oltp_connection *connection, const struct oltp_collation *collation,
                               struct rhei_error *error);
/* Memory until the call's result was taken over; NULL: none. */
void *oltp_call_memory(struct rhei_call *call, size_t size);
/* RHEI_OK, or why the statement has to end. */
rhei_status oltp_call_check(struct rhei_call *call);

/*
 * What runs on the writer doesn't wait for other sources. The first statement that would read one that wasn't waited for ends with RHEI_STALE
 * before it read anything, and `wanted` says which ones it reads; the caller waits for those, adds them to `waited` and asks again. Bits of
 * source_bit_of_table. RHEI_STALE without any wanted is the last word: within a transaction whose state was pinned without them.
 */
struct oltp_elsewhere {
    uint32_t waited, wanted;
};

/* Which other sources a statement, batch or script on the writer read, and how far each was in the state that it read. */
struct oltp_read_state {
    uint32_t sources;                          /* bits of source_bit_of_table */
    int64_t positions[2 * TABLE_SOURCES_MOST]; /* by the bit's number */
};

/*
 * What may end a statement: RHEI_CANCELLED or RHEI_TIMEOUT from check() ends it. Asked about every 1,000 steps of SQLite's machine
 * and every few milliseconds of a wait. A write's is asked by whichever thread runs it, while the caller waits.
 */
struct oltp_stop {
    rhei_status (*check)(void *context); /* NULL, for reads alone: nothing ends it */
    void *context;
    size_t
        most_kept; /* bytes of RETURNING's rows, which are kept until the commit: beyond them RHEI_MEMORY_LIMIT; 0: any */
    uint64_t most_rows; /* of RETURNING: beyond them RHEI_TOO_BIG, and nothing is changed; 0: any */
    int64_t
        most_age_ms; /* of tables that live elsewhere, where a read may wait for them; 0: all committed; below 0: any */
    struct oltp_elsewhere *elsewhere; /* of what runs on the writer. NULL: what was published last will do */
    /*
     * Of what runs on the writer: asked when its first pin of tables that live elsewhere is there. False: the text says of them what isn't so in
     * any state that may be pinned by now; it ends with RHEI_STALE before it read anything. NULL: it says nothing of the kind. Never waits.
     */
    bool (*holds)(void *context);
    void *holds_context;
    struct oltp_read_state *read;   /* of what runs on the writer: added to as it reads; NULL: nobody asks */
    struct base_progress *progress; /* steps, rows of a batch and bytes of a script are counted there; may be NULL */
};

/* ---- What SQLite says of a text. --------------------------------------------------------------------------------- */

enum oltp_kind {
    OLTP_EMPTY,       /* only blanks and comments */
    OLTP_SELECT,      /* returns rows, changes nothing */
    OLTP_WRITE,       /* changes rows or schema; may return rows too (RETURNING) */
    OLTP_TRANSACTION, /* BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE */
    OLTP_OTHER,       /* PRAGMA, EXPLAIN, ATTACH, VACUUM ... */
};

/* What a prepared statement refers to; one per table column or whole table. */
struct oltp_reference {
    const char *schema; /* "main", "temp", or that of tables that live elsewhere; "" if SQLite doesn't say */
    const char *table;
    const char *column; /* "" for the table as a whole (count(*)) */
};

struct oltp_facts {
    enum oltp_kind kind;
    bool read_only; /* sqlite3_stmt_readonly */
    bool is_ddl;    /* CREATE, ALTER, DROP: the schema changes */
    bool returns_rows;
    bool reads_elsewhere; /* it names a table that lives elsewhere (oltp_show_tables) */
    uint32_t sources;     /* those whose tables SQLite's plan reads: bits of source_bit_of_table */
    uint32_t parameter_count;
    uint32_t column_count;
    const char *const *column_names;
    const char *const *column_types;         /* declared, "" if none */
    const struct oltp_reference *references; /* tables read or written, from the authorizer */
    uint32_t reference_count;
    size_t statement_length; /* bytes of the first statement */
    bool has_tail;           /* another statement follows */
    uint64_t schema_version; /* of the catalog with the very schema it was prepared under; 0: there is none yet */
    void *owner;
};
/*
 * Prepares under a schema that was just verified to be the file's (SQLite's word on names, kind, parameters). Never waits for a
 * writer. Free with oltp_facts_reset.
 */
rhei_status oltp_describe(struct oltp *oltp, const char *sql, size_t len, struct oltp_facts *facts,
                          struct rhei_error *error);
void oltp_facts_reset(struct oltp_facts *facts);
/* The class that every value of a column surely has under the schema as it is, RHEI_NULL where that isn't sure: into classes[count]. */
rhei_status oltp_describe_classes(struct oltp *oltp, const char *sql, size_t len, uint8_t *classes, uint32_t count,
                                  struct rhei_error *error);

/* SQLite's plan for a read: what the router guesses its cost from. */
struct oltp_plan {
    uint32_t scans;    /* tables read whole */
    uint32_t searches; /* by key or index */
    uint32_t automatic_indexes, temp_sorts, correlated;
    char *text;              /* EXPLAIN QUERY PLAN's lines, two blanks deeper under their parent; base_free */
    uint64_t schema_version; /* as in oltp_facts */
};
rhei_status oltp_explain(struct oltp *oltp, const char *sql, size_t len, struct oltp_plan *plan,
                         struct rhei_error *error);

/* ---- Reading, on the caller's thread. ---------------------------------------------------------------------------- */

struct oltp_cursor; /* owner thread (may move between threads between calls) */

/*
 * Runs one read-only statement (RHEI_READ_ONLY if it would write). Statements are cached by text. Text parameters are
 * copied if the cursor outlives the call. The snapshot is taken at the first oltp_cursor_next, or here if `now`. Whether the file is
 * still the handle's is the caller's to ask before (oltp_check_file): once for each call of the API.
 */
rhei_status oltp_read(struct oltp *oltp, const char *sql, size_t len, const struct rhei_value *params, uint32_t count,
                      const struct oltp_stop *stop, bool now, struct oltp_cursor **cursor, struct rhei_error *error);
/* RHEI_ROW, RHEI_DONE or an error. */
rhei_status oltp_cursor_next(struct oltp_cursor *cursor, struct rhei_error *error);
uint32_t oltp_cursor_column_count(const struct oltp_cursor *cursor);
const char *oltp_cursor_column_name(const struct oltp_cursor *cursor, uint32_t column);
const char *oltp_cursor_column_type(const struct oltp_cursor *cursor, uint32_t column); /* declared, "" if none */
/* Class that every value of the column surely has (STRICT, rowid ...), RHEI_NULL if that isn't sure. */
uint8_t oltp_cursor_column_class(struct oltp_cursor *cursor, uint32_t column);
/* Borrowed until the next step. */
void oltp_cursor_value(struct oltp_cursor *cursor, uint32_t column, struct rhei_value *value);
/* Is it such a text? Then its own bytes; ask before oltp_cursor_value. */
bool oltp_cursor_odd_text(struct oltp_cursor *cursor, uint32_t column, const void **bytes, uint32_t *length);
/*
 * Looks at the row given last and at all behind it: into seen[column] go the bits (1 << enum rhei_class) of their values,
 * BLOB's for text that isn't UTF-8. Then starts over on the same snapshot and goes behind the first `keep` rows. The statement is
 * run twice: one that calls random() may give other values then.
 */
rhei_status oltp_cursor_survey(struct oltp_cursor *cursor, size_t keep, uint8_t *seen, struct rhei_error *error);
/* The rows are in memory, as those of RETURNING. */
bool oltp_cursor_is_kept(const struct oltp_cursor *cursor);
/* Log position of the state that the cursor reads, exactly (I18); until close. */
int64_t oltp_cursor_position(struct oltp_cursor *cursor);
/* Sources of which the cursor reads tables that live elsewhere (bits of source_bit_of_table); 0: none, or its rows are kept. */
uint32_t oltp_cursor_sources(const struct oltp_cursor *cursor);
/* How far such a source, by its number, is in the state that the cursor reads. */
int64_t oltp_cursor_position_of(const struct oltp_cursor *cursor, uint32_t source);
void oltp_cursor_close(struct oltp_cursor **cursor);

/* ---- Writing. ---------------------------------------------------------------------------------------------------- */

struct oltp_result {
    int64_t changes; /* sqlite3_changes64 of the statement(s) */
    int64_t last_insert_rowid;
    int64_t position; /* log position that includes this write; 0 if it logged nothing */
};

/*
 * One statement of any kind but TRANSACTION, in the next group commit: its own savepoint, acknowledged after the commit.
 * Concurrent callers are combined; the one that finds the writer free runs for the others. DDL, PRAGMA, VACUUM and the like
 * run alone. Statements that RETURN rows give them in *rows (materialised; may be NULL to drop them).
 * RHEI_BUSY after busy_timeout_ms. `stop` (may be NULL) ends it wherever it is, in the queue, before a foreign lock or while it
 * runs, and takes all of it back; a commit that has begun is finished.
 */
rhei_status oltp_write(struct oltp *oltp, const char *sql, size_t len, const struct rhei_value *params, uint32_t count,
                       const struct oltp_stop *stop, struct oltp_result *result, struct oltp_cursor **rows,
                       struct rhei_error *error);
/* Whether a text is one literal INSERT, UPDATE or DELETE that returns no rows, so that nothing need be asked about it before. */
bool oltp_is_plain_write(const char *sql, size_t len);
/* The same statement for `rows` rows of `count` parameters (row-major), all or nothing, in one savepoint. */
rhei_status oltp_write_many(struct oltp *oltp, const char *sql, size_t len, const struct rhei_value *params,
                            uint32_t count, size_t rows, const struct oltp_stop *stop, struct oltp_result *result,
                            struct rhei_error *error);
/* Several statements, all or nothing; rows of SELECTs inside are dropped. No parameters, no transaction statements. */
rhei_status oltp_write_script(struct oltp *oltp, const char *sql, size_t len, const struct oltp_stop *stop,
                              struct oltp_result *result, struct rhei_error *error);

/* ---- Interactive transactions. ----------------------------------------------------------------------------------- */

struct oltp_session; /* one thread at a time */
/* Cheap; holds nothing until BEGIN. Outside a transaction, statements go the ways above. */
rhei_status oltp_session_open(struct oltp *oltp, struct oltp_session **session, struct rhei_error *error);
/* An open transaction is rolled back. */
void oltp_session_close(struct oltp_session **session);
bool oltp_session_in_transaction(const struct oltp_session *session);
/*
 * Any statement; BEGIN [DEFERRED|IMMEDIATE|EXCLUSIVE] takes the writer for this session until COMMIT or ROLLBACK (a wait
 * of at most busy_timeout_ms); others' writes queue behind it and are never part of it. Inside a transaction reads see
 * its own changes. *cursor (may be NULL): rows, streamed; must be closed before the session's next call.
 *
 * A statement that would change something and is ended by `stop` ends the transaction too: all of it is rolled back (SQLite does
 * so when it interrupts a write; the other cases follow, so that it is always so). An ended read leaves the transaction as
 * it was, and so does a COMMIT that `stop` forbids; ROLLBACK always runs.
 */
rhei_status oltp_session_run(struct oltp_session *session, const char *sql, size_t len, const struct rhei_value *params,
                             uint32_t count, const struct oltp_stop *stop, struct oltp_result *result,
                             struct oltp_cursor **cursor, struct rhei_error *error);

/* How the message begins then. */
#define OLTP_SESSION_ROLLED_BACK "the session's transaction was rolled back: "

/* What its transaction reads of tables that live elsewhere, until it ends; NULL: nothing is pinned. */
const struct table_pin *oltp_session_pin(const struct oltp_session *session);

/* As oltp_write_many and oltp_write_script; within a transaction all or nothing of this call, and the transaction goes on. */
rhei_status oltp_session_run_many(struct oltp_session *session, const char *sql, size_t len,
                                  const struct rhei_value *params, uint32_t count, size_t rows,
                                  const struct oltp_stop *stop, struct oltp_result *result, struct rhei_error *error);
/*
 * The same within a transaction, for who rolls that back after an error or goes on behind the wrong row: the *added rows before it, which
 * *result counts, are left in it. SIZE_MAX: how many they are isn't known.
 */
rhei_status oltp_session_add_many(struct oltp_session *session, const char *sql, size_t len,
                                  const struct rhei_value *params, uint32_t count, size_t rows,
                                  const struct oltp_stop *stop, struct oltp_result *result, size_t *added,
                                  struct rhei_error *error);
rhei_status oltp_session_run_script(struct oltp_session *session, const char *sql, size_t len,
                                    const struct oltp_stop *stop, struct oltp_result *result, struct rhei_error *error);

/* What a statement is, as the session's open transaction sees it; names are base_free's, one block. */
struct oltp_shape {
    enum oltp_kind kind;
    bool read_only;
    uint32_t parameter_count, column_count;
    const char **column_names;
    const char *const *column_types; /* declared, "" if none; freed with the names */
};
rhei_status oltp_session_shape(struct oltp_session *session, const char *sql, size_t len, struct oltp_shape *shape,
                               struct rhei_error *error);

/* ---- Tables that live elsewhere. --------------------------------------------------------------------------------- */

/*
 * Shows a reader's tables on every connection, each in a schema of its source's name; names without a schema mean our own tables
 * first. They can be read only: RHEI_READ_ONLY. Once, before statements run; the reader must outlive the handle. RHEI_EXISTS.
 */
rhei_status oltp_show_tables(struct oltp *oltp, struct table_reader *reader, struct rhei_error *error);
/* The tables that are shown now; a reference, NULL: there are none, or no memory. Release with oltp_shown_release. */
struct oltp_shown;
struct oltp_shown *oltp_shown_take(struct oltp *oltp);
void oltp_shown_release(struct oltp_shown *shown); /* accepts NULL */
uint32_t oltp_shown_count(const struct oltp_shown *shown);
/* `at` counts from 0; what is given lives as long as the reference. */
const struct source_table *oltp_shown_table(const struct oltp_shown *shown, uint32_t at, const char **schema);
/* Greater with each change of the set: of the set, and of the handle's newest. */
uint64_t oltp_shown_version(const struct oltp_shown *shown);
uint64_t oltp_shown_newest(const struct oltp *oltp);
/* Looks first whether the reader has others by now. */
uint64_t oltp_shown_look(struct oltp *oltp);
/* What versions of the schema are raised by, so that one number tells of both. */
static inline uint64_t oltp_version_with(uint64_t schema_version, uint64_t shown_version)
{
    return schema_version == 0 ? 0 : schema_version + (shown_version << 40);
}

/* ---- The file. --------------------------------------------------------------------------------------------------- */

/* How the file's texts are encoded, and so ordered: SQLite compares their bytes. Any thread. */
enum oltp_encoding { OLTP_UTF8, OLTP_UTF16LE, OLTP_UTF16BE };
enum oltp_encoding oltp_encoding(const struct oltp *oltp);
/*
 * A text in UTF-16 that has no UTF-8 (a lone surrogate) is handed to the mirror as this byte and the text's own: no UTF-8
 * either, but different for different texts. SQLite answers what reads a column of such.
 */
#define OLTP_ODD_TEXT ((char)0xFF)

/*
 * A number that differs after any commit of any process (a mapped word of the WAL index: nanoseconds). Equality means
 * "nothing committed since"; a difference may be false.
 */
uint64_t oltp_commit_token(const struct oltp *oltp);

struct oltp_status {
    char path[4096];
    uint64_t commits, grouped_statements, statements, reads, errors,
        busy;                 /* commits: of the statements, not of upkeep */
    uint64_t commit_time[48]; /* commits that took at most 2^i nanoseconds, and more than 2^(i - 1) */
    uint64_t commit_ns;       /* of all of them */
    uint64_t log_rows, log_limit_rows, changes_logged;
    uint64_t log_bytes;    /* of values, and 24 for each row; extrapolated where rows weren't measured yet */
    int64_t log_age_ms;    /* since the commit of the oldest row but one; 0: there is none */
    bool log_over;         /* a limit is passed */
    bool log_full;         /* and what would add to it is refused */
    uint64_t log_cut;      /* changes that a limit took before everybody had them */
    uint64_t log_refused;  /* writes */
    char log_message[256]; /* which limit, by how much, who is behind; "": all is well */
    int64_t log_position;
    uint64_t readers_open, readers_busy, statements_cached;
    uint64_t wal_bytes, file_bytes, wal_limit_bytes;
    int64_t wal_held_ms; /* age of the oldest reader that keeps the log above its limit; 0: none */
    bool writer_in_session;
    char sqlite_version[16];
};
rhei_status oltp_get_status(struct oltp *oltp, struct oltp_status *status, struct rhei_error *error);

/* For include/rhei/rhei_native.h: the writer's connection, locked, between these two. */
void *oltp_native_lock(struct oltp *oltp);
/* NULL, too, when `stop` (may be NULL) ended the wait. */
void *oltp_native_lock_while(struct oltp *oltp, const struct oltp_stop *stop);
void oltp_native_unlock(struct oltp *oltp);

/* SQLite's own code for values, so that another engine computes exactly the same. Any thread. */
const struct executor_helpers *oltp_helpers(void);
/* As CAST(x AS TEXT); returns bytes. Pure; any thread. */
uint32_t oltp_real_text(double value, char out[EXECUTOR_TEXT_BYTES]);

#endif
