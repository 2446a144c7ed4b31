/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. README.md holds the invariants (numbered I1..) and the lock order. */
#ifndef OLTP_OLTP_INTERNAL_H
#define OLTP_OLTP_INTERNAL_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "oltp/oltp.h"
#include "oltp/oltp_arena.h"
#include "sql/sql_literal.h"

#define OLTP_LOG     "_rhei_cdc_log"
#define OLTP_PREFIX  "_rhei_"
#define OLTP_TRIGGER "_rhei_cdc_"
#define OLTP_NOW     "julianday('now')"

enum {
    OLTP_FORMAT_VERSION = 1,     /* of the _rhei_ tables */
    OLTP_LOG_MIN_COLUMNS = 8,    /* value columns of a new log */
    OLTP_LOG_WIDE = 64,          /* tables of more columns are logged by their keys */
    OLTP_LOG_MAX_COLUMNS = 1900, /* SQLite's limit of 2,000 less what the log adds, with room */
    OLTP_CHECKPOINT_PAGES =
        4000, /* new pages in the WAL between two checkpoints: what is written often is copied once */
    OLTP_LOADERS_KEPT = 8,
    OLTP_GROUP_MAX = 512,         /* statements of one group commit */
    OLTP_ENGINE_LIFE_MS = 300000, /* an engine not seen for so long is dead */
};
#define OLTP_LOG_LIMIT_DEFAULT UINT64_C(50000000)
#define OLTP_WAL_LIMIT_DEFAULT (UINT64_C(64) << 20)

/* What a row of the change log says of its table. Whatever else stands there is no change: the table is built again. */
enum oltp_log_op {
    OLTP_LOG_INSERT = 'I', /* the row as it is */
    OLTP_LOG_UPDATE = 'U', /* the same */
    OLTP_LOG_DELETE = 'D', /* only the key: the row is gone */
    OLTP_LOG_LOOK = 'K',   /* only the key: something may have happened to its row */
    OLTP_LOG_DISPLACE =
        'R', /* keys: of a row that an update may displace, of the update's new row, of its old row: look */
    OLTP_LOG_REBUILD = 'X',  /* something happened to the table that can't be told row by row */
    OLTP_LOG_FORETOLD = 'P', /* the id that a row will probably get; only our own triggers read it */
};
/* Numbers of the log stay below; one beyond was written by no trigger, and SQLite would soon give numbers at random. */
#define OLTP_LOG_SEQ_MAX (INT64_C(1) << 62)

/* ---- Connections and statements (oltp_connection.c). ------------------------------------------------------------- */

enum oltp_role { OLTP_WRITER, OLTP_READER, OLTP_SOURCE, OLTP_DESCRIBER, OLTP_CHECKPOINTER };

struct oltp_statement {
    sqlite3_stmt *stmt;
    char *sql;
    size_t len;
    enum oltp_kind kind;
    bool read_only;
    bool is_ddl;
    bool alters;   /* ALTER TABLE */
    bool creates;  /* CREATE: adds to the schema, changes nothing of it */
    bool vacuums;  /* may move rowids */
    bool alone;    /* may not run inside a transaction of others */
    bool compound; /* UNION, INTERSECT or EXCEPT somewhere: SQLite tells the origin of one part's columns only */
    bool cached, in_use;
    struct oltp_statement *newer, *older;
    uint64_t key_version;        /* of the schema for which key_is_rowid was found, and 1; 0: not asked yet */
    bool key_is_rowid;           /* the column of its WHERE (oltp_literal.c) */
    struct oltp_statement *wide; /* the same for wide_rows rows at once, NULL if that can't be (oltp_wide.c) */
    uint32_t wide_rows;
    uint64_t wide_version; /* of the schema for which that was found, and 1; 0: not asked yet */
    uint64_t view_version; /* of the schema for which names_view was found, and 1; 0: not asked yet */
    bool names_view;
};

struct oltp_connection {
    sqlite3 *db;
    struct oltp *oltp;
    enum oltp_role role;
    struct base_map *by_text;
    struct oltp_statement *newest, *oldest;
    uint32_t statement_count, statement_limit;
    size_t most_kept;         /* of the writer: bytes of rows that the statement under way may keep; 0: any */
    int64_t busy_deadline_ns; /* of the call that runs; 0: busy_timeout_ms from now */
    const struct oltp_stop *stop;
    rhei_status stopped; /* what stop said */
    bool utf16;
    struct oltp_connection *next;     /* in the pool's free list */
    int64_t taken_ns;                 /* of a busy reader: since when */
    struct oltp_connection *previous; /* of a busy reader */
    unsigned settings_version;        /* of oltp->settings as they were applied */
    struct oltp_cursor *spare_cursor; /* of a reader at rest: plain memory for its next cursor */
};

rhei_status oltp_connection_open(struct oltp *oltp, enum oltp_role role, struct oltp_connection **connection,
                                 struct rhei_error *error);
void oltp_connection_close(struct oltp_connection **connection);
/* Looks that our names are ours, before anything of the file changes, and switches it to its write-ahead log. */
rhei_status oltp_connection_prepare_capture(struct oltp_connection *connection, struct rhei_error *error);
/* Runs text that gives no rows. */
rhei_status oltp_exec(struct oltp_connection *connection, const char *sql, struct rhei_error *error);
rhei_status oltp_execf(struct oltp_connection *connection, struct rhei_error *error, const char *format, ...)
    RHEI_PRINTF(3, 4);
/* One integer, `fallback` if there is no row or NULL. */
rhei_status oltp_query_int(struct oltp_connection *connection, const char *sql, int64_t fallback, int64_t *value,
                           struct rhei_error *error);
/* The one statement of the text, from the cache if it is there; give back with oltp_statement_release. */
rhei_status oltp_prepare(struct oltp_connection *connection, const char *sql, size_t len,
                         struct oltp_statement **statement, struct rhei_error *error);
/*
 * sqlite3_prepare, once more after an error with a schema that is surely current: SQLite looks whether others changed it when a
 * statement runs, but not for every error that it finds in a text.
 */
int oltp_prepare_text(struct oltp_connection *connection, const char *sql, size_t len, unsigned flags,
                      sqlite3_stmt **stmt, const char **tail);
void oltp_statement_release(struct oltp_connection *connection, struct oltp_statement **statement);
rhei_status oltp_bind(struct oltp_connection *connection, struct oltp_statement *statement,
                      const struct rhei_value *params, uint32_t count, bool copy, struct rhei_error *error);
/* What asks whether to go on, while a statement waits or works. */
void oltp_connection_hooks(struct oltp_connection *connection);
void oltp_connection_watch(struct oltp_connection *connection, const struct oltp_stop *stop);
/* Fills `error` from what SQLite says of its last failure. `what` (may be NULL) is put in front. */
rhei_status oltp_sqlite_error(struct oltp_connection *connection, int rc, const char *what, struct rhei_error *error);
/* A statement's end by RHEI_CANCELLED or RHEI_TIMEOUT in words; `waited`: before it had what it needed. */
rhei_status oltp_stop_error(rhei_status status, bool waited, struct rhei_error *error);
/* The same without a connection. */
rhei_status oltp_code_error(int rc, const char *message, struct rhei_error *error);
void oltp_column(sqlite3_stmt *stmt, int column, bool utf16, struct rhei_value *value);
/*
 * A text in UTF-16 with lone surrogates has no UTF-8, and what SQLite makes of it may be another text's. True for such a one, with
 * its bytes as they lie in the file. Ask before anything else is asked of the column.
 */
bool oltp_odd_text(sqlite3_stmt *stmt, int column, const void **bytes, uint32_t *length);

/* ---- What a text is, by its words (oltp_text.c). ----------------------------------------------------------------- */

enum oltp_token { OLTP_TOKEN_END, OLTP_TOKEN_NAME, OLTP_TOKEN_QUOTED, OLTP_TOKEN_STRING, OLTP_TOKEN_OTHER };
/* The next token at *at, which moves behind it; blanks and comments are skipped. */
enum oltp_token oltp_next_token(const char *sql, size_t len, size_t *at, size_t *start, size_t *end);
bool oltp_token_is(const char *sql, size_t start, size_t end, const char *word);
/* Unquoted text of a NAME, QUOTED or STRING token; NULL without memory. */
char *oltp_token_text(const char *sql, size_t start, size_t end);
void oltp_classify(struct oltp_statement *statement);
/* The first word is one of those that may change rows: such statements share a transaction. */
bool oltp_word_writes_rows(const char *sql, size_t len);
/* True if a token of the text is this name. */
bool oltp_text_names(const char *sql, size_t len, const char *name);
/* True if only blanks, comments and semicolons are left at `at`. */
bool oltp_is_blank(const char *sql, size_t len, size_t at);
/* ---- PRAGMA (oltp_pragma.c). ------------------------------------------------------------------------------------- */

/*
 * Before such a text is prepared: RHEI_UNSUPPORTED for what may not be set, RHEI_READ_ONLY for a setting on a connection that
 * reads, RHEI_TRANSACTION for one of all connections within a transaction.
 */
rhei_status oltp_pragma_check(const struct oltp_connection *connection, const char *sql, size_t len,
                              struct rhei_error *error);
/* On a new connection: the tables pragma_busy_timeout and the like are refused as the PRAGMAs are. */
int oltp_pragma_register(sqlite3 *db);
/* After the writer ran it: a setting of all connections is remembered for the others. */
rhei_status oltp_pragma_done(struct oltp *oltp, const char *sql, size_t len, struct rhei_error *error);
/* Runs what was set since the connection was used last. */
rhei_status oltp_settings_apply(struct oltp_connection *connection, struct rhei_error *error);
void oltp_settings_free(struct oltp *oltp);

/* The kind as far as the first word tells it (OLTP_SELECT: it doesn't). */
enum oltp_kind oltp_word_kind(const char *sql, size_t len);
/* The first word is this one. */
bool oltp_word_is(const char *sql, size_t len, const char *word);
/* The first word is ROLLBACK, not followed by TO; BEGIN or SAVEPOINT. */
bool oltp_is_rollback(const char *sql, size_t len);
bool oltp_begins_transaction(const char *sql, size_t len);
/* A DDL that gives something a name of ours, or puts an index or a trigger on a table of ours. */
bool oltp_defines_ours(const struct oltp_statement *statement);
/* The table that an ALTER TABLE names; NULL if it isn't one of schema main. Free with base_free. */
char *oltp_altered_table(const char *sql, size_t len);

/* ---- The schema as a connection sees it (oltp_schema.c). --------------------------------------------------------- */

struct oltp_index { /* a unique index, or the primary key of a WITHOUT ROWID table */
    const char *name;
    const char *sql; /* NULL for one that a constraint made */
    uint32_t column_count;
    const int32_t *columns; /* number, or -2 for an expression, or -1 for the rowid */
    const char *const *collations;
    bool partial;
    bool is_primary; /* of a PRIMARY KEY */
};

enum oltp_object_type { OLTP_OBJECT_TABLE, OLTP_OBJECT_VIEW, OLTP_OBJECT_INDEX, OLTP_OBJECT_TRIGGER };

struct oltp_object { /* a row of sqlite_schema */
    enum oltp_object_type type;
    int64_t rowid;
    const char *name;
    const char *sql; /* NULL: the index of a constraint */
};

struct oltp_definition; /* oltp_definition.h */
struct oltp_own;

struct oltp_table_schema {
    struct oltp_table table;          /* as the catalog shows it */
    const char *rowid_name;           /* "rowid", "_rowid_" or "oid": whichever isn't a column; NULL */
    const char *sql;                  /* CREATE TABLE as it is in the file */
    const char *const *defaults;      /* per column, text of the expression or NULL */
    const uint32_t *primary_position; /* per column: its place in the PRIMARY KEY from 1, or 0 */
    const struct oltp_index *indexes; /* unique ones that are not the mirror's key */
    uint32_t index_count;
    bool any_index; /* at all */
    bool exposed;   /* something else may change a row between its change and our AFTER trigger (I9) */
    const struct oltp_object *triggers; /* ours, as they are in the file */
    uint32_t trigger_count;
    uint32_t remade;       /* while capture is settled, not 0: its triggers are not what `triggers` says any more */
    const char *signature; /* equal signatures: the same columns and key, so the same version */
    uint32_t number;       /* under which it is captured, whether this engine mirrors it or not; 0: it isn't */
    bool by_name;          /* it was asked for by name */
    struct oltp_definition *definition;
    const struct oltp_table_schema
        *before; /* while capture is settled: the same, in the schema before; NULL: it changed */
};

/* Rhei's own tables and what belongs to them, as bits. */
enum {
    OLTP_PIECE_LOG = 1,
    OLTP_PIECE_META = 2,
    OLTP_PIECE_TABLES = 4,
    OLTP_PIECE_INDEX = 8,
    OLTP_PIECE_ENGINES = 16,
    OLTP_PIECE_EVENTS = 32,
    OLTP_PIECES = 63,
};

struct oltp_schema {
    struct oltp_catalog catalog; /* first: a catalog is released through it */
    atomic_uint references;
    struct oltp_arena arena;
    struct oltp_table_schema *tables;     /* parallel to catalog.tables, sorted by name */
    struct oltp_definition **definitions; /* a reference each: of the tables, then of the views */
    uint32_t definition_count;
    struct oltp_own **owns; /* a reference each: our triggers, parallel to tables */
    uint32_t *buckets;      /* number of a definition and 1, by the hash of its name */
    uint32_t bucket_count;
    int64_t cookie;
    int64_t last_rowid; /* of sqlite_schema */
    unsigned pieces;    /* OLTP_PIECE_ bits that are there */
    bool has_log;
    uint32_t log_columns; /* value columns of the log; 0: none */
};
/*
 * Reads the schema in the connection's transaction (or a state of its own). One reference. What `base` (may be NULL) has in the same
 * words is taken from it; base must stay while tables[].before is used.
 */
rhei_status oltp_schema_load(struct oltp_connection *connection, struct oltp_schema *base, struct oltp_schema **schema,
                             struct rhei_error *error);
/* The same where nothing but rows behind the base's last one was added to sqlite_schema. */
rhei_status oltp_schema_extend(struct oltp_connection *connection, struct oltp_schema *base,
                               struct oltp_schema **schema, struct rhei_error *error);
void oltp_schema_release(struct oltp_schema *schema);
struct oltp_table_schema *oltp_schema_find(struct oltp_schema *schema, const char *name);
/* Our triggers of the tables that are remade, as they are now; in the transaction of the load. */
rhei_status oltp_schema_reread(struct oltp_connection *connection, struct oltp_schema *schema,
                               struct rhei_error *error);
/* NULL: there is no table or view of that name. */
const struct oltp_definition *oltp_schema_definition(const struct oltp_schema *schema, const char *name);
/* Whether nothing can have come and gone between two schemas, so that a table which is the same was the same all along. */
bool oltp_schema_explains(const struct oltp_schema *before, const struct oltp_schema *now);
/* Whether the table's own text is not that of the schema before. */
bool oltp_schema_altered(const struct oltp_schema *before, const struct oltp_table_schema *table);
/* True if a token of the text may name a view. */
bool oltp_schema_names_view(const struct oltp_schema *schema, const char *sql, size_t len);
/* A reference to the handle's current schema as it is known, NULL before the first. */
struct oltp_schema *oltp_schema_hold(struct oltp *oltp);

/* ---- Triggers (oltp_triggers.c) and capture (oltp_capture.c). ---------------------------------------------------- */

enum { OLTP_TRIGGERS_MAX = 6 };
struct oltp_trigger_set {
    uint32_t count;
    char *name[OLTP_TRIGGERS_MAX];
    char *sql[OLTP_TRIGGERS_MAX];
};
/*
 * The triggers that capture this table under number `id`. RHEI_UNSUPPORTED: it can't be captured exactly, and the message
 * says why.
 */
rhei_status oltp_triggers_make(const struct oltp_table_schema *table, uint32_t id, struct oltp_trigger_set *set,
                               struct rhei_error *error);
/* Only the keys of this table's changes are logged (T2). */
bool oltp_logs_keys(const struct oltp_table_schema *table);
/* Value columns that the log needs for this table. */
uint32_t oltp_log_width(const struct oltp_table_schema *table);
/* Whether its updates may log three keys in a row (OLTP_LOG_DISPLACE). */
bool oltp_log_displaces(const struct oltp_table_schema *table);
void oltp_trigger_set_reset(struct oltp_trigger_set *set);
/* (Re)makes the view of the log for people. */
rhei_status oltp_events_view(struct oltp_connection *connection, uint32_t width, struct rhei_error *error);

/* Whether the table's rows can be read by key on this connection: RHEI_SQL and the reason, for people, if they can't. */
rhei_status oltp_prove_reading(struct oltp_connection *connection, const struct oltp_table_schema *table,
                               struct rhei_error *error);
/*
 * The proof that capture does no harm (oltp_prove.c): what could be prepared on the table before its triggers were made can
 * be prepared with them. Otherwise the error.
 */
uint32_t oltp_prove_before(struct oltp_connection *connection, const struct oltp_table_schema *table);
rhei_status oltp_prove_writing(struct oltp_connection *connection, const struct oltp_table_schema *table,
                               uint32_t before, struct rhei_error *error);

enum oltp_cause { OLTP_BY_US, OLTP_BY_OTHERS };
/*
 * Inside a write transaction of the writer: brings tables, triggers and registry to what the schema asks for.
 * *schema gets the schema as it is then, with table numbers; the caller publishes it after the commit. `base` (may be NULL)
 * is a schema that was read before; `appended`: it was the one of this transaction, and since then one CREATE ran.
 */
rhei_status oltp_capture_apply(struct oltp *oltp, enum oltp_cause cause, struct oltp_schema *base, bool appended,
                               struct oltp_schema **schema, struct rhei_error *error);
/* Drops our triggers of one table, so that an ALTER may touch any column. `base` as above, current. */
rhei_status oltp_capture_suspend(struct oltp *oltp, struct oltp_schema *base, const char *table,
                                 struct rhei_error *error);
/* ---- The registry: _rhei_tables and what stands beside it (oltp_registry.c). ------------------------------------ */

struct oltp_registered {
    int64_t id; /* 0: not there */
    bool same;  /* the signature is the table's */
    int wanted; /* 1 by request, 0 released by name, -1 nothing was asked */
};
struct oltp_registry_row {
    int64_t id;
    const char *name, *signature;
    int wanted;
    bool live;
    struct oltp_registry_row *next; /* live ones */
};
struct oltp_registry {
    struct oltp_connection *connection;
    struct oltp_arena arena;
    struct base_map *newest; /* row by name; NULL: not read whole, rows are asked for one by one */
    struct oltp_registry_row *live;
    sqlite3_stmt *find, *add;
};
/* Which format the file has; RHEI_TOO_NEW. */
/* RHEI_EXISTS where one of our names is somebody else's object: asked at open, where nothing was done yet. */
rhei_status oltp_registry_check_names(struct oltp_connection *connection, struct rhei_error *error);
rhei_status oltp_registry_check(struct oltp_connection *connection, struct rhei_error *error);
/* Takes the pieces that only have one of our names out of what the schema says is there. */
rhei_status oltp_registry_know(struct oltp_connection *connection, struct oltp_schema *schema,
                               struct rhei_error *error);
/* Makes what is missing of Rhei's tables but for the log; *lost: something that was there before is gone. */
rhei_status oltp_registry_make(struct oltp *oltp, struct oltp_schema *schema, bool by_others, bool *lost,
                               struct rhei_error *error);
/* The last log row that anybody is known to have seen. */
rhei_status oltp_registry_last_seen(struct oltp *oltp, int64_t *last, struct rhei_error *error);
rhei_status oltp_registry_read(struct oltp_registry *registry, struct rhei_error *error);
void oltp_registry_reset(struct oltp_registry *registry);
rhei_status oltp_registry_find(struct oltp_registry *registry, const struct oltp_table_schema *table,
                               struct oltp_registered *found, struct rhei_error *error);
rhei_status oltp_registry_add(struct oltp_registry *registry, const struct oltp_table_schema *table, int wanted,
                              bool live, int64_t *id, struct rhei_error *error);
rhei_status oltp_registry_retire(struct oltp *oltp, int64_t id, struct rhei_error *error);
/* With the writer held, in a transaction: removes rows that nobody needs any more; few log rows must be left. */
rhei_status oltp_registry_trim(struct oltp *oltp, struct rhei_error *error);

/* Numbers from the registry for every table whose capture is as it must be; *complete: nothing is left to do. */
rhei_status oltp_capture_match(struct oltp *oltp, struct oltp_connection *connection, struct oltp_schema *schema,
                               bool *complete, struct rhei_error *error);
/* Makes a loaded schema the handle's current one (takes the reference). */
void oltp_schema_publish(struct oltp *oltp, struct oltp_schema *schema);
/* Whether the current schema has a change log. */
bool oltp_schema_has_log(struct oltp *oltp);
/* The current schema, made current if somebody changed it; a reference for the caller. */
rhei_status oltp_schema_take(struct oltp *oltp, struct oltp_schema **schema, struct rhei_error *error);
/* Looks whether the file's schema is the one we know, and if not captures and publishes the new one. */
rhei_status oltp_schema_refresh(struct oltp *oltp, struct rhei_error *error);
/* The same, but never waits for a writer: RHEI_BUSY when one holds back what has to be written first. */
rhei_status oltp_schema_settle(struct oltp *oltp, struct rhei_error *error);
/* The version of the current schema if that has this cookie, else 0. */
uint64_t oltp_schema_version_of(struct oltp *oltp, int64_t cookie);
/* The same, with the writer held and no transaction open. */
rhei_status oltp_schema_refresh_locked(struct oltp *oltp, enum oltp_cause cause, struct rhei_error *error);

/* ---- The writer (oltp_writer.c, oltp_group.c). ------------------------------------------------------------------- */

enum oltp_job_state { OLTP_JOB_QUEUED, OLTP_JOB_RUNNING, OLTP_JOB_GRANTED, OLTP_JOB_DONE };

struct oltp_job {
    bool exclusive; /* wants the writer itself instead of having a statement run */
    bool solo;      /* its owner runs it, in a transaction of its own: it is long, or no INSERT, UPDATE or DELETE */
    bool joins;     /* it may share a transaction */
    bool put_back;  /* the holder didn't run it after all: back to the head of the queue with it */
    const char *sql;
    size_t len;
    const struct rhei_value *params;
    uint32_t param_count;
    size_t rows;
    bool many;
    const struct sql_literals *lifted; /* the text's own literals as parameters, or NULL; its owner's, like the text */
    size_t wrong_row, wrong_rows;      /* after a failure: which rows, from 0; more than one if SQLite doesn't tell */
    int64_t deadline_ns;               /* of its wait for the writer; 0: the busy time-out */
    const struct oltp_stop *stop;      /* may be NULL */
    struct oltp_result result;
    struct oltp_cursor **cursor; /* may be NULL */
    struct rhei_error error;
    rhei_status status;
    atomic_uint state; /* enum oltp_job_state */
    struct oltp_job *next;
};

/* Holds the writer: nobody else writes until the release. deadline_ns: base_now_ns time to give up at, RHEI_BUSY (0: none). */
rhei_status oltp_writer_acquire(struct oltp *oltp, int64_t deadline_ns, struct rhei_error *error);
/* The same, as long as `stop` (may be NULL) lets it wait. */
rhei_status oltp_writer_acquire_until(struct oltp *oltp, const struct oltp_stop *stop, struct rhei_error *error);
void oltp_writer_release(struct oltp *oltp);
rhei_status oltp_writer_run(struct oltp *oltp, struct oltp_job *job);
/* With the writer held: every job is run, or put_back. `own` is the caller's (the first, or NULL): never put back. */
void oltp_group_run(struct oltp *oltp, struct oltp_job *first, struct oltp_job *own);
/* One statement inside or outside a transaction, to its end. */
rhei_status oltp_step_all(struct oltp *oltp, struct oltp_statement *statement, struct oltp_result *result,
                          struct oltp_cursor **cursor, struct rhei_error *error);
/*
 * A DDL statement within the writer's open transaction, capture suspended before and remade after. *schema is the one that
 * this transaction's DDL made so far, or NULL; it is replaced if the statement changed the schema of main.
 */
rhei_status oltp_step_ddl(struct oltp *oltp, struct oltp_statement *statement, struct oltp_result *result,
                          struct oltp_cursor **cursor, struct oltp_schema **schema, struct rhei_error *error);
/* One of the writer's own statements, which are kept prepared: BEGIN, COMMIT ... */
rhei_status oltp_step_own(struct oltp *oltp, sqlite3_stmt *stmt, struct rhei_error *error);
/* What is open, if anything is. */
void oltp_roll_back(struct oltp *oltp);
/* All rows of a job; wrong_row tells which failed. */
rhei_status oltp_step_rows(struct oltp *oltp, struct oltp_job *job, struct oltp_statement *statement);
/*
 * The statement of a job: with its literals as parameters where that is possible, which are the job's parameters then. What SQLite
 * has to say against a text it says of the text itself.
 */
rhei_status oltp_prepare_job(struct oltp *oltp, struct oltp_job *job, struct oltp_statement **statement);
/* The text's literals as parameters; only a text that is one such statement. `bytes` is room for what is unquoted. */
bool oltp_lift(const char *sql, size_t len, struct sql_literals *lifted, char *bytes, size_t size);
/* The template's statement; false: run the text as it is. */
bool oltp_prepare_lifted(struct oltp *oltp, const struct sql_literals *lifted, struct oltp_statement **statement);
/* Says in the job's error which row of a batch it was. */
void oltp_name_row(struct oltp_job *job);
/* What others did to the schema since we looked must not be taken for our own doing (I7). */
rhei_status oltp_catch_up(struct oltp *oltp, struct rhei_error *error);
/*
 * After a statement that failed, or a ROLLBACK TO, in a transaction that goes on or that has ended with what it kept (OR FAIL):
 * what was logged may be gone, and the numbers free again.
 */
void oltp_recount(struct oltp *oltp);
/* The statements of a script, within the writer's open transaction; *schema is what its DDL made, or NULL. */
rhei_status oltp_script_run(struct oltp *oltp, const char *sql, size_t len, struct oltp_result *result,
                            struct oltp_schema **schema, struct rhei_error *error);
/* Bookkeeping of the writer's transaction that has just ended. */
void oltp_committed(struct oltp *oltp, uint64_t statements);
void oltp_rolled_back(struct oltp *oltp);
void oltp_fault(struct oltp *oltp, const char *point);
/* All that SQLite calls us by. Again after a user of the connection, who may have put something else there. */
void oltp_writer_hooks(struct oltp *oltp);

/* ---- Many rows by few statements (oltp_wide.c), with the writer held. ------------------------------------------- */

/* The statement for several rows at once, NULL if the job's rows must run one by one. */
struct oltp_statement *oltp_wide_take(struct oltp *oltp, struct oltp_statement *statement, const struct oltp_job *job);
/* How many rows from `row` on the next statement takes: its wide_rows or 1. */
size_t oltp_wide_count(const struct oltp_statement *statement, const struct oltp_job *job, size_t row);
void oltp_wide_free(struct oltp_statement *statement);

/* ---- Cursors (oltp_cursor.c). ------------------------------------------------------------------------------------ */

/* A cursor over rows that are kept: collects the rest of a statement. */
rhei_status oltp_cursor_collect(struct oltp_connection *connection, struct oltp_statement *statement,
                                struct oltp_cursor **cursor, struct rhei_error *error);
/* A cursor over a statement of the session's connection; `owner_open` (a flag of the session) is cleared at its close. */
rhei_status oltp_cursor_stream(struct oltp *oltp, struct oltp_connection *connection, struct oltp_statement *statement,
                               const struct oltp_stop *stop, bool *owner_open, struct oltp_cursor **cursor,
                               struct rhei_error *error);

/* ---- Facts (oltp_describe.c). ------------------------------------------------------------------------------------ */

void oltp_look_close(struct oltp *oltp);

/* ---- Readers (oltp_pool.c). -------------------------------------------------------------------------------------- */

rhei_status oltp_reader_take(struct oltp *oltp, struct oltp_connection **reader, struct rhei_error *error);
void oltp_reader_give(struct oltp *oltp, struct oltp_connection **reader);

/* ---- The change source (oltp_source.c, oltp_load.c, oltp_prune.c). ----------------------------------------------- */

struct oltp_source;
/* Where nothing is captured (oltp_still.c): the source, and numbers for the tables of a schema. */
rhei_status oltp_still_open(struct oltp *oltp, struct change_source **source, struct rhei_error *error);
void oltp_still_number(struct oltp *oltp, struct oltp_schema *schema);
/* No word of memory tells of others' commits: the file must be asked each time. */
bool oltp_is_blind(const struct oltp *oltp);
void oltp_source_free(struct oltp_source **source);
/*
 * Before a checkpoint: has the watch see all frames, and pins them by a read transaction of the connection, so that no log that is
 * copied to its end has frames that weren't seen. True: end the transaction after the checkpoint.
 */
bool oltp_source_watch_hold(struct oltp *oltp, struct oltp_connection *connection);
/* The same, and ends the transaction at once. */
void oltp_source_watch_see(struct oltp *oltp, struct oltp_connection *connection);
/* Ends the kept connections of loads; `unused`: only if no load was since the last call. */
void oltp_loaders_close(struct oltp *oltp, bool unused);
/* No load is known to follow: kept connections go if what they know of the schema is large. Any thread. */
void oltp_loaders_rest(struct oltp *oltp);
/* deadline_ns as oltp_writer_acquire has it */
rhei_status oltp_engine_seen(struct oltp *oltp, int64_t deadline_ns, struct rhei_error *error);
/* Forgets the oldest rows beyond the log's limit. */
rhei_status oltp_log_limit(struct oltp *oltp, struct rhei_error *error);

/* ---- Own memory as a file system (oltp_memory.c). ---------------------------------------------------------------- */

struct oltp_memory; /* the files of one ":memory:" handle */
rhei_status oltp_memory_open(struct oltp_memory **memory, struct rhei_error *error);
const char *oltp_memory_vfs(const struct oltp_memory *memory);
void oltp_memory_close(struct oltp_memory **memory);

/* ---- The writer's log, a frame by one call (oltp_frames.c). ------------------------------------------------------- */

/* The name of the file system for the writer's connection, for all handles; NULL: it can't be had, take the system's. Any thread. */
const char *oltp_frames_vfs(void);

/* ---- Which file it is (oltp_identity.c). ------------------------------------------------------------------------- */

struct oltp_identity {
    bool known; /* false: no file, or no connection yet */
    uint64_t device, inode;
    atomic_bool replaced;
    atomic_int_fast64_t looked_ns;
};
/* The absolute path of a file that needn't exist. Free with base_free. */
rhei_status oltp_identity_resolve(const char *path, char **resolved, struct rhei_error *error);
/* A connection was opened: to the handle's file? The first one says which that is. */
rhei_status oltp_identity_connected(struct oltp_connection *connection, struct rhei_error *error);
/* RHEI_REPLACED if the path leads to another file or to none; `now`: whenever it was looked at last. Any thread. */
rhei_status oltp_identity_check(struct oltp *oltp, bool now, struct rhei_error *error);
/* Whether somebody found that. */
bool oltp_identity_lost(const struct oltp *oltp);
/* SQLite's commit hook. */
int oltp_identity_commit(void *oltp);

/* ---- Exact sums (oltp_sum.c). ------------------------------------------------------------------------------------ */

int oltp_sum_register(sqlite3 *db);

/* ---- The handle. ------------------------------------------------------------------------------------------------- */

/* How connections open the file, and what a read-only handle must find as it was (oltp_opening.c). */
struct oltp_opening {
    int flags;       /* SQLITE_OPEN_READWRITE or READONLY */
    bool keeps_log;  /* read-only: a write-ahead log that was there stays as it is */
    char *name;      /* immutable: SQLite's URI; else NULL */
    struct stat was; /* immutable: the file at open */
};
rhei_status oltp_opening_settle(struct oltp *oltp, struct rhei_error *error);
/* RHEI_STALE where a file that was opened as one that nobody can change did change. */
rhei_status oltp_opening_check(const struct oltp *oltp, struct rhei_error *error);
void oltp_opening_reset(struct oltp *oltp);

struct oltp_counters {
    atomic_uint_fast64_t commits, grouped, statements, reads, errors, busy, logged;
};

struct oltp {
    struct oltp_config config;
    char *path; /* absolute */
    struct oltp_identity identity;
    struct oltp_opening opening;
    struct oltp_memory *memory;
    bool closing;

    /* writer */
    struct oltp_connection *writer;
    base_mutex queue_lock;
    bool writer_busy;
    struct oltp_job *queue_head, *queue_tail;
    uint32_t queue_length;  /* under queue_lock */
    uint32_t gather_wanted; /* under queue_lock: whoever makes the queue so long wakes the holder; 0: it doesn't wait */
    atomic_uint gathering;  /* 1 while the holder waits for company */
    uint32_t crowd;         /* holder of the writer: statements of the last group */
    uint32_t gather_skip, gather_pause; /* holder of the writer: times not to wait after waiting in vain */
    bool in_session;                    /* under queue_lock */
    int64_t session_since_ns;           /* under queue_lock */
    int64_t pending_seq;                /* holder of the writer: last log row of the open transaction, 0 if none */
    uint64_t pending_rows;              /* holder of the writer: log rows of the open transaction */
    bool foreign_keys;                  /* holder of the writer */
    unsigned wal_pages;                 /* holder of the writer: pages in the WAL at the last commit */
    sqlite3_stmt *begin, *commit, *rollback, *savepoint, *release, *rollback_to;
    int64_t seen_ms;         /* holder of the writer: when this engine's position was last written */
    sqlite3_stmt *upkeep[4]; /* holder of the writer: of pruning (oltp_prune.c) */

    /* pool */
    base_mutex pool_lock;
    struct oltp_connection *free_readers;
    uint32_t free_count, open_count;
    struct oltp_connection *busy_readers;
    struct oltp_setting *settings; /* what PRAGMAs set for every connection */
    atomic_uint settings_version;
    struct oltp_connection *free_loaders; /* kept from one load to the next */
    uint32_t free_loader_count;
    bool loaders_used; /* since the maintenance looked last */

    /* describer and catalog */
    base_mutex describe_lock;
    struct oltp_connection *describer;
    sqlite3_stmt *look, *look_cookie; /* of the describer: pin a schema that is the file's, and say which it is */
    struct oltp_describe *describing; /* collects for the authorizer */
    atomic_int encoding;              /* enum oltp_encoding of the file, fixed since its first table */
    base_mutex schema_lock;
    struct oltp_schema *schema;
    atomic_uint_fast64_t schema_version;
    atomic_uint_fast64_t schema_token;    /* commit token at which schema was known to be current */
    atomic_uint_fast64_t unsettled_token; /* commit token at which a writer held back the new schema, and ... */
    atomic_int_fast64_t unsettled_until;  /* ... until when nobody tries again without waiting */

    /* commits */
    volatile uint32_t *wal_index; /* NULL: token is `commits` */
    atomic_uint_fast64_t own_commits;
    atomic_uint upkeep_commits;   /* of pruning and signs of life: they change no table */
    atomic_int_fast64_t position; /* highest log row of our own commits and cycles */

    /* source */
    struct oltp_source *source;
    atomic_uint still_ids; /* table numbers given where nothing is captured */
    int64_t engine_id;
    atomic_int_fast64_t engine_position; /* applied by our mirror */
    atomic_bool engine_active;           /* there is a source, so the engine is in the registry */

    /* background */
    base_thread maintenance;
    bool maintenance_running;
    base_mutex maintenance_lock;
    base_cond maintenance_wake;
    bool maintenance_stop, checkpoint_due, limit_due, seen_due;
    atomic_int_fast64_t log_first;         /* lowest log row as far as we know */
    atomic_uint checkpoint_at;             /* pages in the log at which the next checkpoint is due */
    int64_t wal_blocked_ns, wal_warn_ns;   /* maintenance: since when the log can't be cut, when to warn again */
    atomic_int_fast64_t wal_held_since_ns; /* 0: nobody keeps the log from being cut */
    atomic_bool registry_grown;            /* the registry may have rows that nobody needs */

    struct oltp_counters counters;
};

rhei_status oltp_maintenance_start(struct oltp *oltp, struct rhei_error *error);
void oltp_maintenance_stop(struct oltp *oltp);
void oltp_checkpoint_due(struct oltp *oltp);

/* ---- The size of the write-ahead log (oltp_wal.c). Owner thread: the maintenance. -------------------------------- */

uint64_t oltp_wal_bytes(struct oltp_connection *connection);
/* Cuts it off above its limit; the time at which to look again. */
int64_t oltp_wal_look(struct oltp *oltp, struct oltp_connection *connection);
/* New pages between two checkpoints. */
unsigned oltp_checkpoint_pages(const struct oltp *oltp);
/* Pages in the log at which the writer is held for the last of a checkpoint, so that it starts anew. */
unsigned oltp_wal_reset_pages(const struct oltp *oltp);
void oltp_limit_due(struct oltp *oltp);
/* Has the engine registered soon; doesn't wait for the writer, so that opening doesn't. */
void oltp_seen_due(struct oltp *oltp);

#endif
