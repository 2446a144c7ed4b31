/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share. README.md holds the invariants (numbered I1..) and the lock order. */
#ifndef OLTP_OLTP_INTERNAL_H
#define OLTP_OLTP_INTERNAL_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "oltp/oltp.h"
#include "oltp/oltp_hooks.h"
#include "sql/sql_literal.h"

#define OLTP_LOG    "_rhei_cdc_log"
#define OLTP_PREFIX "_rhei_"

enum {
    OLTP_CHECKPOINT_PAGES =
        4000,             /* new pages in the WAL between two checkpoints: what is written often is copied once */
    OLTP_GROUP_MAX = 512, /* statements of one group commit */
    OLTP_WAL_HEAD = 32,   /* bytes of the write-ahead log's file before its first page, */
    OLTP_FRAME_HEAD = 24, /* and before each (SQLite's file format, 4.1) */
};
#define OLTP_LOG_LIMIT_DEFAULT UINT64_C(50000000)
#define OLTP_WAL_LIMIT_DEFAULT (UINT64_C(64) << 20)

/* ---- Connections and statements (oltp_connection.c). ------------------------------------------------------------- */

enum oltp_role { OLTP_WRITER, OLTP_READER, OLTP_SOURCE, OLTP_DESCRIBER, OLTP_CHECKPOINTER };

struct oltp_statement {
    sqlite3_stmt *stmt;
    char *sql;
    size_t len;
    enum oltp_kind kind;
    bool read_only;
    bool is_ddl;
    bool alters;         /* ALTER TABLE */
    bool creates;        /* CREATE: adds to the schema, changes nothing of it */
    bool vacuums;        /* may move rowids */
    bool alone;          /* may not run inside a transaction of others */
    bool compound;       /* UNION, INTERSECT or EXCEPT somewhere: SQLite tells the origin of one part's columns only */
    uint32_t reads_face; /* sources whose tables it reads (oltp_face.c), as of the last time SQLite prepared it */
    uint64_t reads_face_version; /* of the schema for which it did when it ran last, and 1; 0: it didn't */
    int prepared_anew;           /* how often SQLite did that by itself */
    bool places_first;           /* oltp_cursor.c: the log is asked before its first step */
    bool cached, in_use;
    bool bound_plain; /* its parameters are numbers and NULLs, so that nothing has to be given back */
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
    uint64_t most_rows;       /* likewise, rows */
    int64_t busy_deadline_ns; /* of the call that runs; 0: busy_timeout_ms from now */
    const struct oltp_stop *stop;
    rhei_status stopped; /* what stop said */
    bool utf16;
    struct oltp_connection *next;          /* in the pool's free list */
    struct oltp_connection *newer, *older; /* of readers, under pool_lock */
    atomic_int_fast64_t taken_ns;          /* of a reader: since when it is busy; 0: it isn't */
    atomic_bool backs_up;                  /* of a reader: what it is busy with is a backup */
    atomic_uint_fast64_t reads;            /* that it made; its owner's to count */
    unsigned settings_version;             /* of oltp->settings as they were applied */
    struct oltp_cursor *spare_cursor;      /* of a reader at rest: plain memory for its next cursor */
    /* tables that live elsewhere (oltp_face.c) */
    struct face_context *face; /* NULL: none was ever shown */
    uint32_t face_schemas;     /* attached */
    uint64_t face_token;       /* of the commits, as of the last look at the file's schema; UINT64_MAX: look */
    sqlite3_stmt *face_look;   /* which looks */
    int face_looks;            /* how often SQLite prepared it anew: for each change of the file's schema */
    uint64_t face_settled;     /* the reader's generation that is shown, and 1; 0: none */
    uint32_t face_met;         /* sources of which a table was met by a prepare: bits of source_bit_of_table */
    struct table_pin *pin;     /* what the statement under way reads of them */
    uint32_t pin_sources;      /* those that are in it as fresh as was asked */
    bool pin_asked;            /* the statement under way was asked what it reads: nothing, if there is no pin */
    uint32_t pin_missed;       /* sources that it would have read all the same; it was ended by that */
    bool pin_stays; /* it is that of a transaction or a batch: from the first statement that reads it to the end */
    const struct oltp_statement *pinned;
    char face_denied[128]; /* what the authorizer refused last */
    bool file_denied;      /* and whether that was a file's name (oltp_config.no_files) */
    bool preparing;        /* what a caller wrote, not what SQLite or we ask in between */
    bool showing;          /* the tables of other sources are being attached: SQLite asks as if a file was named */
};

rhei_status oltp_connection_open(struct oltp *oltp, enum oltp_role role, struct oltp_connection **connection,
                                 struct rhei_error *error);
void oltp_connection_close(struct oltp_connection **connection);
/* Has the application add its functions and collations. */
rhei_status oltp_extend(struct oltp_connection *connection, struct rhei_error *error);
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
/* An SQLite code. `copy`: else the value's bytes stay until the statement is bound anew or finalized. */
int oltp_bind_value(sqlite3_stmt *stmt, int at, const struct rhei_value *value, bool copy);
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
/* The same of a value that the caller asked for. Here so that it costs no call where every cell goes through it. */
static inline void oltp_value(sqlite3_value *from, bool utf16, struct rhei_value *value)
{
    switch (sqlite3_value_type(from)) {
    case SQLITE_INTEGER:
        value->type = RHEI_INTEGER;
        value->as.integer = sqlite3_value_int64(from);
        value->length = 0;
        break;
    case SQLITE_FLOAT:
        value->type = RHEI_REAL;
        value->as.real = sqlite3_value_double(from);
        value->length = 0;
        break;
    case SQLITE_TEXT:
        value->type = RHEI_TEXT;
        /* the bytes as they lie in the file, without SQLite's terminating copy */
        value->as.bytes = utf16 ? (const void *)sqlite3_value_text(from) : sqlite3_value_blob(from);
        value->length = (uint32_t)sqlite3_value_bytes(from);
        break;
    case SQLITE_BLOB:
        value->type = RHEI_BLOB;
        value->as.bytes = sqlite3_value_blob(from);
        value->length = (uint32_t)sqlite3_value_bytes(from);
        break;
    default:
        *value = (struct rhei_value){.type = RHEI_NULL};
        break;
    }
    if (value->type >= RHEI_TEXT && value->length == 0)
        value->as.bytes = "";
}
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
/* Its code may run between a row's change and our trigger: it makes a TEMP trigger, or calls something in RETURNING. */
bool oltp_text_intervenes(const char *sql, size_t len);
/* The first word is one of those that may change rows: such statements share a transaction. */
bool oltp_word_writes_rows(const char *sql, size_t len);
/* True if only blanks, comments and semicolons are left at `at`. */
bool oltp_is_blank(const char *sql, size_t len, size_t at);
/* ---- PRAGMA (oltp_pragma.c). ------------------------------------------------------------------------------------- */

/*
 * Before such a text is prepared: RHEI_UNSUPPORTED for what may not be set, RHEI_READ_ONLY for a setting on a connection that
 * reads, RHEI_TRANSACTION for one of all connections within a transaction.
 */
rhei_status oltp_pragma_check(const struct oltp_connection *connection, const char *sql, size_t len,
                              struct rhei_error *error);
/*
 * Whether SQLite answers it by the schema that the connection knows when it is prepared, which nothing compares with the file's: such a
 * statement is prepared after a look at the file, and never kept.
 */
bool oltp_pragma_of_schema(const char *sql, size_t len);
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
/* One of those that says that it will write: BEGIN IMMEDIATE or EXCLUSIVE. */
bool oltp_begins_writing(const char *sql, size_t len);
/* A DDL that gives something a name of ours, or puts an index or a trigger on a table of ours. */
bool oltp_defines_ours(const struct oltp_statement *statement);
/* The name that a DROP is about, without its schema's, and what it is of (oltp_ddl); NULL: it is none. The caller frees it. */
char *oltp_dropped_name(const struct oltp_statement *statement, char *kind);
/* The table that an ALTER TABLE names; NULL if it isn't one of schema main. Free with base_free. */
char *oltp_altered_table(const char *sql, size_t len);

/* ---- The writer (oltp_writer.c, oltp_group.c). ------------------------------------------------------------------- */

enum oltp_job_state { OLTP_JOB_QUEUED, OLTP_JOB_RUNNING, OLTP_JOB_GRANTED, OLTP_JOB_DONE };

struct oltp_job {
    bool exclusive; /* wants the writer itself instead of having a statement run */
    bool solo;      /* its owner runs it, in a transaction of its own: it is long, or no INSERT, UPDATE or DELETE */
    bool joins;     /* it may share a transaction */
    bool put_back;  /* the holder didn't run it after all: back to the head of the queue with it */
    bool refused;   /* the log is full, and it would have added to it */
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
/* Both. */
rhei_status oltp_writer_acquire_while(struct oltp *oltp, int64_t deadline_ns, const struct oltp_stop *stop,
                                      struct rhei_error *error);
void oltp_writer_release(struct oltp *oltp);
/* With the writer held: every job is run, or put_back. `own` is the caller's (the first, or NULL): never put back. */
typedef void (*oltp_run)(struct oltp *oltp, struct oltp_job *first, struct oltp_job *own);
/* The job by `run`, in a group of those who wait with it; its status. */
rhei_status oltp_writer_run(struct oltp *oltp, struct oltp_job *job, oltp_run run);
/* An oltp_run (oltp_group.c). */
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
/* The same of one that was nobody's write, or of none: capture and sync had the connection. It isn't counted. */
void oltp_kept_up(struct oltp *oltp);
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
void oltp_readers_status(struct oltp *oltp, struct oltp_status *status);
/* Since when the oldest busy one has been so, and whether it makes a backup; INT64_MAX: none is. */
int64_t oltp_readers_oldest(struct oltp *oltp, bool *backup);
/* Those at rest, when nobody takes one any more. */
void oltp_readers_close(struct oltp *oltp);

/* ---- Commits (oltp_token.c). ------------------------------------------------------------------------------------- */

/* No word of memory tells of others' commits: the file must be asked each time. */
bool oltp_is_blind(const struct oltp *oltp);
/* SQLite's hooks on the writer: a commit begins, and one of the file has been made. */
int oltp_commit_begins(void *oltp);
void oltp_commit_made(struct oltp *oltp);
/*
 * How many commits were made by others than the writer, counted from anywhere: at least so many were before the call, and at most so
 * many by its end. No more by the end of a later call than the least of an earlier one: nobody else's came between.
 */
uint32_t oltp_foreign_least(const struct oltp *oltp);
uint32_t oltp_foreign_most(const struct oltp *oltp);

/* ---- Positions of states (oltp_position.c). Any thread, but for the last. ----------------------------------------- */

void oltp_position_tell(struct oltp *oltp, uint64_t token, int64_t position);
/* Nanoseconds. */
bool oltp_position_known(const struct oltp *oltp, uint64_t token, int64_t *position);
void oltp_position_committed(struct oltp *oltp, int64_t logged);
/*
 * Whether every change that the writer made came before its row in the log and after all others' rows: nobody's code but SQLite's ever
 * ran between a row's change and our trigger. TEMP triggers do, and what RETURNING calls.
 */
bool oltp_writes_in_order(const struct oltp *oltp);

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

/* ---- Tables that live elsewhere (oltp_face.c). ------------------------------------------------------------------------- */

struct oltp_face;
struct table_pin;
struct face_context;
/* Before something is prepared or a cached statement runs: shows the tables as they are now. Nanoseconds if nothing changed. */
void oltp_face_use(struct oltp_connection *connection);
/* Before the first step: pins what the statement reads there. `stop` (may be NULL) says how old it may be; the writer doesn't wait. */
rhei_status oltp_face_pin(struct oltp_connection *connection, struct oltp_statement *statement,
                          const struct oltp_stop *stop, struct rhei_error *error);
/* How far a source is in what is pinned. */
int64_t oltp_face_position_of(const struct oltp_connection *connection, uint32_t source);
/* oltp_face_pin after oltp_face_missed and a reset. */
rhei_status oltp_face_pin_now(struct oltp_connection *connection, struct oltp_statement *statement,
                              const struct oltp_stop *stop, struct rhei_error *error);
/*
 * After the first step. True: the statement reads sources that weren't pinned for it: SQLite prepared it anew, for another schema, or it runs on
 * the writer. It was ended where it began to, and what it did is undone: reset it, pin and step again.
 */
bool oltp_face_missed(struct oltp_connection *connection, struct oltp_statement *statement);
/* After the statement's reset. NULL: whatever is pinned. */
void oltp_face_unpin(struct oltp_connection *connection, const struct oltp_statement *statement);
/* From here on what is pinned first stays pinned until oltp_face_let_go. False: that is so already, and not the caller's to end. */
bool oltp_face_keep(struct oltp_connection *connection);
/* Adds what a statement of the writer read of other sources to the caller's oltp_read_state; before it lets go of its pin. */
void oltp_face_tell(const struct oltp_connection *connection, const struct oltp_statement *statement);
/* When the statements are reset; what one still streams from is its own then. */
void oltp_face_let_go(struct oltp_connection *connection);
/* The authorizer of all connections that have one; `context` is the connection. */
int oltp_authorize(void *context, int action, const char *first, const char *second, const char *schema,
                   const char *trigger);
/* For an authorizer: SQLITE_DENY for what would change such a table, or names a file where that isn't wished. */
int oltp_face_authorize(struct oltp_connection *connection, int action, const char *first, const char *second,
                        const char *schema);
/* Is SQLite's error about writing to one, or naming a file? Then `error` says so: RHEI_READ_ONLY, RHEI_UNSUPPORTED. */
bool oltp_face_error(struct oltp_connection *connection, int rc, struct rhei_error *error);
/* What to run instead of a text that would fail because there are schemas of which nothing can be written; NULL: the text itself. */
const char *oltp_face_instead(const struct oltp_connection *connection, const char *sql, size_t len);
/* RHEI_READ_ONLY for a trigger that would make each change of its table fail. */
rhei_status oltp_face_check_ddl(struct oltp_connection *connection, const struct oltp_statement *statement,
                                struct rhei_error *error);
/* Where SQLite finds a table that is named without a schema: in that of a source, else "main". */
const char *oltp_face_schema_of(struct oltp_connection *connection, const char *name);
/* Is it the schema of such tables? */
bool oltp_face_has(const struct oltp_connection *connection, const char *schema);
/* Which tables a connection shows: 0 before the first of them, then greater with each change. */
uint64_t oltp_face_version_of(const struct oltp_connection *connection);
/* When no connection is left. */
void oltp_face_close(struct oltp *oltp);

/* ---- Expressions for others (oltp_evaluate.c): executor_evaluator's functions. ------------------------------------ */

void *oltp_evaluator_open(void);
bool oltp_evaluate(void *evaluator, const char *expression, const struct rhei_value *arguments, uint32_t count,
                   struct rhei_value *result);
void oltp_evaluator_close(void *evaluator); /* accepts NULL */

/* ---- Exact sums (oltp_sum.c). ------------------------------------------------------------------------------------ */

int oltp_bounded_register(struct oltp_connection *connection); /* instr() and the like, which may be ended */
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
/* After an attempt to open it for writing: puts what is to be done in front of the error, where it may only be read. */
void oltp_opening_explain(const struct oltp *oltp, rhei_status status, struct rhei_error *error);
/* RHEI_STALE where a file that was opened as one that nobody can change did change. */
rhei_status oltp_opening_check(const struct oltp *oltp, struct rhei_error *error);
void oltp_opening_reset(struct oltp *oltp);

struct oltp_counters {
    atomic_uint_fast64_t commits, grouped, statements, reads, errors, busy, logged, refused;
    atomic_uint_fast64_t commit_time[48], commit_ns; /* as of oltp_status */
};

/* A state of the file and its position (oltp_position.c). */
struct oltp_known {
    atomic_uint_fast64_t turn; /* odd: one is being written; 0: none was yet */
    atomic_uint_fast64_t token;
    atomic_int_fast64_t position;
};

struct oltp {
    struct oltp_config config;
    const struct oltp_hooks *hooks;
    void *hooked; /* what the hooks keep with this handle */
    char *path;   /* absolute */
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
    atomic_uint wal_pages;              /* in the WAL at the last commit; written by the holder of the writer */
    sqlite3_stmt *begin, *commit, *rollback, *savepoint, *release, *rollback_to;

    /* pool */
    base_mutex pool_lock;
    _Atomic(struct oltp_connection *) last_reader; /* no lock: at rest, and beside the free ones */
    struct oltp_connection *free_readers;
    uint32_t free_count, open_count;
    struct oltp_connection *readers; /* all that are open */
    struct oltp_setting *settings;   /* what PRAGMAs set for every connection */
    atomic_uint settings_version;

    /* describer */
    base_mutex describe_lock;
    struct oltp_connection *describer;
    sqlite3_stmt *look, *look_cookie; /* of the describer: pin a schema that is the file's, and say which it is */
    struct oltp_describe *describing; /* collects for the authorizer */
    atomic_int encoding;              /* enum oltp_encoding of the file, fixed since its first table */

    struct oltp_face *face; /* NULL: no tables but the file's own */

    /* commits */
    volatile uint32_t *wal_index;          /* NULL: token is `commits` */
    atomic_uint writer_begun, writer_made; /* commits of the writer; a failed one is begun again */
    atomic_bool writer_shared;             /* what oltp_writes_in_order is about may have happened */
    atomic_uint_fast64_t own_commits;
    int64_t commit_begun_ns;
    bool commit_begun;            /* holder of the writer: a commit that nobody was told of yet, */
    uint64_t token_before;        /* and the state before it */
    atomic_int_fast64_t position; /* highest log row of our own commits and cycles */
    struct oltp_known known;

    /* background */
    base_thread maintenance;
    bool maintenance_running;
    base_mutex maintenance_lock;
    base_cond maintenance_wake;
    bool maintenance_stop, checkpoint_due, limit_due, seen_due;
    atomic_bool upkeep_ends; /* the handle is closing: its upkeep waits for no other program's lock any more */
    int64_t later_ns;        /* when the hooks' upkeep is to be called for what was left for later; 0: nothing was */
    atomic_int_fast64_t log_first;         /* lowest log row as far as we know */
    atomic_int_fast64_t log_look_at;       /* log row at which its limits are to be looked at */
    atomic_uint_fast64_t log_written;      /* pages that commits wrote, where there is a limit of bytes, and ... */
    atomic_uint_fast64_t log_look_written; /* ... at how many to look */
    atomic_uint
        log_full; /* odd: what would add to the log is refused; another number whenever it is closed (oltp_limit.c) */
    int64_t page_size;                     /* of the file, bytes */
    atomic_uint checkpoint_at;             /* pages in the log at which the next checkpoint is due */
    int64_t wal_blocked_ns, wal_warn_ns;   /* maintenance: since when the log can't be cut, when to warn again */
    atomic_int_fast64_t wal_held_since_ns; /* 0: nobody keeps the log from being cut */
    atomic_bool disk_full;                 /* V4: the writer had no room */

    struct oltp_counters counters;
};

/* The hooks of a handle that has none (oltp_unhooked.c). */
extern const struct oltp_hooks oltp_no_hooks;

rhei_status oltp_maintenance_start(struct oltp *oltp, struct rhei_error *error);
void oltp_maintenance_stop(struct oltp *oltp);
void oltp_checkpoint_due(struct oltp *oltp);

/* ---- The size of the write-ahead log (oltp_wal.c). Owner thread: the maintenance. -------------------------------- */

/* Of its file now. */
uint64_t oltp_wal_bytes(struct oltp_connection *connection);
/* Cuts it off above its limit; the time at which to look again. */
int64_t oltp_wal_look(struct oltp *oltp, struct oltp_connection *connection);
/* New pages between two checkpoints. */
unsigned oltp_checkpoint_pages(const struct oltp *oltp);
/* Pages that a log within its limit can have. */
uint64_t oltp_wal_most_pages(const struct oltp *oltp);
/* At how many pages the next checkpoint is due, of a log that has so many now. */
unsigned oltp_checkpoint_next(const struct oltp *oltp, unsigned pages);
/* Pages in the log at which the writer is held for the last of a checkpoint, so that it starts anew. */
unsigned oltp_wal_reset_pages(const struct oltp *oltp);
void oltp_limit_due(struct oltp *oltp);

/* ---- A change log that is full (oltp_limit.c; L5 to L7 of docs/design/log-limits.md). ---------------------------- */

static inline bool oltp_log_is_full(const struct oltp *oltp)
{
    return (atomic_load_explicit(&oltp->log_full, memory_order_relaxed) & 1) != 0;
}
/*
 * With the writer held, after statements that went well: RHEI_FULL and *refused, if they added to a log that was `full` before them, so that
 * they are to be taken back. `logged`: pending_rows before them.
 */
rhei_status oltp_log_check(const struct oltp *oltp, bool full, uint64_t logged, bool *refused,
                           struct rhei_error *error);
/*
 * After a refusal, with nothing held: waits until there may be room. False: it is refused for good, with the error in *error, which is cleared
 * else. *until_ns is 0 at the first refusal. `deadline_ns` (0: none), `stop` (may be NULL): the caller's own.
 */
bool oltp_log_wait(struct oltp *oltp, int64_t deadline_ns, const struct oltp_stop *stop, int64_t *until_ns,
                   struct rhei_error *error);
/* Closes the door, by whomever. */
void oltp_log_close(struct oltp *oltp);
/* Opens it, unless somebody closed it since log_full was `seen`, which was before the log was measured. */
void oltp_log_open(struct oltp *oltp, unsigned seen);
/* Has the hooks' upkeep called at that time (base_now_ns), unless it is called earlier already. Any thread. */
void oltp_upkeep_later(struct oltp *oltp, int64_t at_ns);
/* Has the engine registered soon; doesn't wait for the writer, so that opening doesn't. */
void oltp_seen_due(struct oltp *oltp);

#endif
