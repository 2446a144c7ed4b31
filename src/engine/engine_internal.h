/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the facade: what a handle owns, and how an answer is carried from a room to the caller.
 *
 * Lock order: a handle has no lock of its own; the rooms below have theirs and never call up.
 * Life: rows, streams, statements and sessions borrow the handle; it must outlive them.
 */
#ifndef ENGINE_INTERNAL_H
#define ENGINE_INTERNAL_H

#include <stdatomic.h>

#include "arrow/arrow_cursor.h"
#include "arrow/arrow_stream.h"
#include "base/base_buffer.h"
#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_log.h"
#include "base/base_memory.h"
#include "base/base_progress.h"
#include "rhei/rhei.h"
#include "rhei/rhei_native.h"
#include "route/route.h"
#include "store_s3/store_s3.h"

struct arrow_builder;
struct engine_progress;
struct engine_buffer;
struct engine_ticker;
struct engine_watches;
struct engine_sidecars;
struct config_settings;
struct segment_codec;

struct engine_histogram { /* bucket i: of at most 2^i nanoseconds, and more than that of i - 1 */
    atomic_uint_fast64_t bucket[48];
    atomic_uint_fast64_t sum_ns;
};
struct engine_counters {
    atomic_uint_fast64_t routed[2]; /* by SQLite, by the column store */
    atomic_uint_fast64_t writes, fallbacks, errors, cancelled;
    struct engine_histogram query_time[2]; /* of SQLite, of the column store */
};

struct rhei_db {
    struct rhei_config config; /* in force; strings are the handle's own */
    struct base_log log;
    struct config_settings *settings; /* of the file; NULL: there was none */
    char *path;
    char *olap_path;
    const struct segment_codec *codec; /* of files in it that are written */
    char *
        sidecar_path; /* olap_path as the settings have it, also without a file of our own; NULL: sidecars are in memory alone */
    bool no_local;       /* sidecars alone: there is no file of our own */
    bool keeps_sidecars; /* it may take what is kept of sidecars, where something is */
    char *buffer_path;   /* rocksdb_cdc_path; NULL: there is none */
    char *temp_folder;
    struct oltp *oltp;
    struct mirror *mirror; /* NULL, as the next three, when there is no column store */
    struct change_source *source;
    struct executor *executor;
    struct sync *sync;
    atomic_bool store_stop;                  /* what asks a bucket ends now */
    struct store_s3_patience store_patience; /* of what an opening, or a closing, asks of buckets (engine_store.h) */
    struct blob_store *store;                /* of olap_path; NULL, as the next, where the mirror is in memory alone */
    struct checkpoint *checkpoint;
    char disk_message[RHEI_ERROR_MESSAGE_SIZE];   /* why it is in memory alone though olap_path is set; "" */
    rhei_status disk_status;                      /* what the folder's opening came to then */
    bool history_lost;                            /* versions that the folder had are, as its opening found */
    atomic_bool look_history;                     /* a look's: the history in the folder is followed without a gap */
    struct engine_buffer *buffer;                 /* of buffer_path; NULL: changes stay in the log */
    rhei_status buffer_status;                    /* why there is none, though one is set */
    char buffer_message[RHEI_ERROR_MESSAGE_SIZE]; /* why, or what was set aside; "" */
    struct route *route;
    struct engine_watches *watches;   /* NULL without a column store */
    struct engine_scrub *scrub;       /* the same */
    struct engine_shown *shown;       /* tables of other sources (engine_shown.c); NULL: there are none */
    struct engine_sidecars *sidecars; /* engine_sidecar.c; NULL: there are none */
    struct engine_ticker *ticker;     /* tells how far calls are (engine_progress.c) */
    bool keeps_history;               /* some table does, or may */
    struct rhei_table_mode *modes;    /* of tables that aren't as the rest */
    size_t mode_count;
    bool any_temporal;       /* one of them */
    atomic_bool said_before; /* that there is nothing before the history */
    struct engine_counters counters;
    _Atomic(struct rhei_rows *)
        spare_rows; /* those of SQLite that were closed last: memory, and maybe the same statement again */
};

/* For crash tests: a call of the engine's own is at that step. */
static inline void engine_fault(const struct rhei_db *db, const char *point)
{
    if (db->config.fault != NULL)
        db->config.fault(db->config.fault_context, point);
}

/* The database's name is a path of the file system: neither in memory, nor an URI. */
static inline bool engine_is_path(const char *path)
{
    return strcmp(path, ":memory:") != 0 && strncmp(path, "file:", 5) != 0;
}

struct rhei_cancel {
    atomic_bool raised;
};

/* What may end a statement; check() has the shape that every room asks for. */
struct engine_limits {
    int64_t deadline_ns; /* INT64_MAX: none */
    const struct rhei_cancel *cancel;
    struct engine_progress *progress; /* NULL: nobody wants to know */
    uint64_t rows_per_second;         /* of comparisons; 0: as fast as it goes */
    const struct sync_stop *within;   /* of what it is a part of; NULL: of nothing */
    int64_t begun_ns;                 /* of a write */
};
rhei_status engine_limits_set(struct engine_limits *limits, int64_t timeout_ms, const struct rhei_cancel *cancel,
                              struct rhei_error *error);
/* NULL options: none. End with engine_limits_reset, which is not needed after an error. */
rhei_status engine_limits_of_call(struct engine_ticker *ticker, struct engine_limits *limits,
                                  const struct rhei_call_options *options, struct rhei_error *error);
void engine_limits_reset(struct engine_limits *limits);
rhei_status engine_limits_check(void *limits);
/* The error about a text of which SQLite's first statement ends at byte `end`: it tells where the second one begins. */
rhei_status engine_second_statement(const char *sql, size_t len, size_t end, struct rhei_error *error);
static inline bool engine_limits_any(const struct engine_limits *limits)
{
    return limits->cancel != NULL || limits->deadline_ns != INT64_MAX || limits->progress != NULL ||
           limits->within != NULL;
}
/* The counts of a call for the rooms below; NULL where nobody wants to know. */
struct base_progress *engine_limits_counts(const struct engine_limits *limits);

/* Who tells how far calls are. Accepts NULL. All its calls are closed before. */
rhei_status engine_ticker_open(struct engine_ticker **ticker, struct rhei_error *error);
void engine_ticker_close(struct engine_ticker **ticker);
/* From here on `function` is called from time to time, until the close returns. */
rhei_status engine_progress_open(struct engine_ticker *ticker, rhei_progress_function function, void *context,
                                 struct engine_progress **progress, struct rhei_error *error);
void engine_progress_close(struct engine_progress **progress); /* accepts NULL */
bool engine_progress_ended(const struct engine_progress *progress);
struct base_progress *engine_progress_counts(struct engine_progress *progress);

enum engine_answer_kind {
    ANSWER_CURSOR, /* rows of SQLite */
    ANSWER_STREAM, /* rows of the column store, shaped as SQLite's */
};

struct rhei_rows {
    enum engine_answer_kind kind;
    struct rhei_db *db;
    struct oltp_cursor *cursor;
    struct engine_limits limits;
    struct engine_progress *progress; /* of the limits, once the rows are the caller's */
    const struct engine_ask *ask;     /* while the call that asked is under way; NULL after it */
    uint32_t column_count;
    const char *const *names; /* NULL: the cursor's or the stream's own */
    const char *const *types;
    const char *rule;
    int64_t position;
    int64_t age_us;
    struct oltp_result result;
    bool wrote;    /* it was a statement that writes, and is committed */
    bool is_query; /* an engine answers it: it is neither a write nor our own words */
    bool on_row;
    int64_t begun_ns; /* 0: it is over, or nobody counts it */
    char *told;       /* its text, for who listens */
    size_t told_len;
    struct base_buffer *text;          /* [column_count], for rhei_rows_text */
    struct route_statement *statement; /* kept: names and types are its own; NULL in a session */
    /* from here on nothing is set in a struct that is kept for the next rows (rhei_db.spare_rows) */
    struct oltp_read_state read; /* of other sources, where it ran on the writer; sources 0: nothing */
    struct route_plan *plan;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;  /* of the stream, where SQLite has no names for its columns */
    struct arrow_cursor *arrow; /* over the stream, from the first row on */
    struct route_state state;   /* on which it is decided, and from which the rows come if they are a stream */
};

/* The file's own table of that name, NULL if there is none; one that only the mirror has is another. */
const struct capture_table *engine_file_table(const struct capture_catalog *catalog, const char *name);
bool engine_file_has_view(const struct capture_catalog *catalog, const char *name);
/* OTHER: a view. */
enum engine_found { ENGINE_FOUND_NOTHING, ENGINE_FOUND_OTHER, ENGINE_FOUND_TABLE, ENGINE_FOUND_CAPTURED };
enum engine_found engine_file_find(const struct capture_catalog *catalog, const char *name);

/*
 * Copies the part of an option struct that both sides know (NULL: zeros) and checks its struct_size; `what` names the struct.
 * An entry point of the API copies first and looks then.
 */
rhei_status engine_options_copy(void *known, size_t known_size, const void *given, const char *what,
                                struct rhei_error *error);

/*
 * The way back: fills a struct of the caller's as far as its struct_size goes, which then says how far. `first_size` is what the struct had
 * in its first version, which is all that is written where struct_size isn't set.
 */
/* A message into a struct of the public API that has less room: what doesn't fit is left out visibly. The whole is in rhei_info_json. */
void engine_message_give(char *to, size_t size, const char *message);
void engine_struct_give(void *to, const void *known, size_t known_size, size_t first_size);

rhei_status engine_freshness_check(const struct rhei_freshness *freshness, struct rhei_error *error);

/* The parameters of a call by number, whatever way they were given. The caller's own array, if there are no names. */
struct engine_bound {
    const struct rhei_value *values;
    uint32_t count;
    struct rhei_value *own;
};
/* Checks them, too. Empty after an error; end with engine_bound_reset. */
rhei_status engine_bind(const char *sql, size_t len, const struct rhei_params *params, struct engine_bound *bound,
                        struct rhei_error *error);
void engine_bound_reset(struct engine_bound *bound);
/* None is a name, and each is one that SQLite takes: there is nothing to say about them. */
bool engine_values_are_plain(const struct rhei_value *values, size_t count);
/* rhei_prepare() without its count of errors; the session may be NULL. */
rhei_status engine_prepare(rhei_db *db, rhei_session *session, const char *sql, rhei_statement **statement,
                           struct rhei_error *error);
/* In the column store's own words: its columns are known when it runs. */
bool engine_statement_is_native(const struct rhei_statement *statement);
/* *named: at least one is a name. */
rhei_status engine_params_check(const struct rhei_params *params, bool *named, struct rhei_error *error);

/* How a query is to run: what options say, or their defaults. */
struct engine_ask {
    const char *sql;
    size_t len;
    struct engine_bound bound;
    char *rewritten;                 /* `sql`, where that was about the past */
    struct rhei_value *times;        /* `params`, where one was a time of it */
    const struct rhei_value *params; /* of `bound` */
    uint32_t param_count;
    struct rhei_freshness freshness;
    int32_t route;
    bool strings_view;
    bool position_now; /* the position is wanted before the first row */
    bool settings;     /* PRAGMAs that set something are run */
    const char *as_of; /* every table as of this time; NULL: as they are */
    uint64_t memory_limit;
    uint64_t most_returned; /* rows of a RETURNING */
    struct engine_limits limits;
    /* Where `sql` was made of a question about the past: the one that was asked, and what was known of histories then. */
    const char *asked;
    const struct rhei_value *asked_params;
    uint64_t histories;
    bool pinned;                  /* it was made of what the session's transaction reads */
    struct rhei_session *session; /* that it is asked in; NULL: none */
};
/* End with engine_ask_reset, also after an error. */
rhei_status engine_ask_init(struct rhei_db *db, struct rhei_session *session, struct engine_ask *ask, const char *sql,
                            const struct rhei_params *params, const struct rhei_query_options *options,
                            struct rhei_error *error);
/* The same question about the past, whose text is made anew. *anew borrows from `ask`; end with engine_ask_anew_reset, also after an error. */
rhei_status engine_ask_anew(struct rhei_db *db, const struct engine_ask *ask, struct engine_ask *anew,
                            struct rhei_error *error);
void engine_ask_anew_reset(struct engine_ask *anew);
/* With rows (NULL: none), they take over what tells of the call's progress. */
void engine_ask_reset(struct engine_ask *ask, struct rhei_rows *rows);
/* The end of a call that gives a stream: of the rows that the asking with `status` gave. Resets the ask. */
rhei_status engine_ask_stream(struct engine_ask *ask, rhei_status status, struct rhei_rows **rows,
                              struct ArrowArrayStream *stream, struct rhei_error *error);
/* Of a statement that writes, as of a time. */
rhei_status engine_past_is_read(struct rhei_error *error);
rhei_status engine_ask_sql(struct rhei_db *db, const struct engine_ask *ask, struct rhei_rows **rows,
                           struct rhei_error *error);
/* Takes the rows, also when it fails. */
rhei_status engine_rows_to_stream(struct rhei_rows **rows, bool strings_view, struct ArrowArrayStream *stream,
                                  struct rhei_error *error);

/* Rows of nothing yet. */
rhei_status engine_rows_new(struct rhei_db *db, struct rhei_rows **rows, struct rhei_error *error);
/* The same; their statement may be that of the rows that were closed last, which the caller keeps or replaces. */
rhei_status engine_rows_again(struct rhei_db *db, struct rhei_rows **rows, struct rhei_error *error);
/* When no rows are left. */
void engine_rows_spare_free(struct rhei_db *db);

/* The column store's part of an answer: *answered = false means that SQLite must answer, and the choice says why. */
rhei_status engine_answer_olap(struct rhei_rows *rows, const struct engine_ask *ask, struct route_choice *choice,
                               bool *answered, struct rhei_error *error);
/* Replaces rows->stream, the executor's, by its rows in SQLite's names and classes. *tie: SQLite must answer. */
rhei_status engine_shape(struct rhei_rows *rows, const struct engine_ask *ask, bool *tie, struct rhei_error *error);
/* The builder's rows, which are all there are, as a stream of one batch. */
rhei_status engine_whole_stream(struct arrow_builder *builder, struct ArrowArrayStream *out, struct rhei_error *error);
/* Answers a statement that needs no computing (translate_direct.h) from the mirror itself, over rows->state. */
enum engine_direct {
    ENGINE_DIRECT_NOT,      /* it isn't one, or an executor does it faster */
    ENGINE_DIRECT_ANSWERED, /* rows->stream is its result */
    ENGINE_DIRECT_OVERFLOW, /* a sum of integers is beyond 64 bits: SQLite has an error for that */
};
rhei_status engine_answer_direct(struct rhei_rows *rows, const struct engine_ask *ask, enum engine_direct *outcome,
                                 struct rhei_error *error);
/* Whether it may read tables of other sources. */
bool engine_reads_shown(const struct rhei_db *db, const struct oltp_facts *facts);
/* Tables of other sources (engine_shown.c): waits for them, where a statement reads any, and only then. */
rhei_status engine_wait_shown(struct rhei_db *db, const struct oltp_facts *facts, int64_t most_age_ms,
                              const struct engine_limits *limits, struct rhei_error *error);
/*
 * What runs on the writer waits for them without it: the row store says when it meets one before it read anything, the wait follows, and it
 * is run anew.
 *
 *     const struct oltp_stop *given = engine_elsewhere(&elsewhere, db, &limits, most_age_ms);
 *     do
 *         status = oltp_write(..., given, ...);
 *     while (engine_elsewhere_again(&elsewhere, &status, error));
 */
struct engine_elsewhere {
    struct rhei_db *db;
    struct engine_limits *limits;
    struct oltp_stop stop;
    struct oltp_elsewhere sources;
    struct oltp_read_state read; /* what was read of them, in the end */
    bool in_session;             /* set by the caller: what is pinned may stay so for statements to come */
    uint64_t histories;          /* engine_elsewhere_past */
    bool outdated;
    uint32_t made_anew;
};
/* Returns what to give to the row store; may be NULL. */
const struct oltp_stop *engine_elsewhere(struct engine_elsewhere *elsewhere, struct rhei_db *db,
                                         struct engine_limits *limits, int64_t most_age_ms);
bool engine_elsewhere_again(struct engine_elsewhere *elsewhere, rhei_status *status, struct rhei_error *error);
/*
 * The text to be run now was made of a question about the past, when engine_sidecars_histories said so: it reads nothing if it isn't true any more of what it
 * would read, and engine_elsewhere_outdated says that it is to be made, and run, anew. `pinned`: it was made of what the session's transaction reads.
 */
void engine_elsewhere_past(struct engine_elsewhere *elsewhere, uint64_t histories, bool pinned);
bool engine_elsewhere_outdated(struct engine_elsewhere *elsewhere, rhei_status *status, struct rhei_error *error);
/* How old they may be, as oltp_stop has it. */
int64_t engine_most_age_ms(const struct engine_ask *ask);
/* The other sources that a statement names, or SQLite's plan of it reads: bits of source_bit_of_table. */
uint32_t engine_shown_bits(const struct rhei_db *db, const struct oltp_facts *facts);
/* Those of these bits, one after another: begins at 0 and goes on with what it returns, until that is 0. *name lives as long as the handle. */
uint32_t engine_shown_next(const struct rhei_db *db, uint32_t sources, uint32_t at, const char **name,
                           uint32_t *number);
/* When all of them were last known to show every commit, but no later than now_ns; 0: one never was. */
int64_t engine_shown_fresh_at_ns(const struct rhei_db *db, uint32_t sources, int64_t now_ns);
/* Does the table of that name keep a history? Any thread. */
bool engine_keeps_history(const struct rhei_db *db, const char *table);
/* The same of a table that is there: one with a column that is named as one of a history's own keeps none. */
bool engine_table_keeps_history(const struct rhei_db *db, const struct source_table *table);
int64_t engine_log_position(const struct rhei_db *db,
                            int64_t position); /* of the file's source: what people know it by */
rhei_status engine_show_history(struct rhei_db *db, struct rhei_error *error); /* the tables that sync keeps */
void engine_shown_stop(struct rhei_db *db); /* no other source is followed any more */
/* When SQLite's connections are closed. */
void engine_shown_close(struct rhei_db *db);
/* EXPLAIN ROUTE. */
rhei_status engine_explain_route(struct rhei_db *db, const struct engine_ask *ask, struct rhei_rows **rows,
                                 struct rhei_error *error);
/* Shows a connection to rhei_config.on_connect. */
rhei_status engine_connected(void *db, struct oltp_connection *connection, struct rhei_error *error);
/* Makes db->watches, and what sync tells it by. */
rhei_status engine_watches_open(struct rhei_db *db, struct sync_observer *observer, struct rhei_error *error);
void engine_watches_close(struct rhei_db *db); /* after sync */
/* There is nothing to wait for; false where only the wait tells. */
bool engine_is_fresh(const struct rhei_db *db, const struct engine_ask *ask);
/* Waits as the freshness asks. */
rhei_status engine_wait_fresh(struct rhei_db *db, const struct engine_ask *ask, struct rhei_error *error);

/* The mirror's folder (engine_disk.c). Puts what it holds into the mirror and says in `sync` what that is. */
rhei_status engine_disk_open(struct rhei_db *db, struct sync_config *sync, struct rhei_error *error);
/* Before capture begins in a file that has nothing of it yet: what a folder that is there would refuse then. Changes nothing. */
rhei_status engine_disk_may_begin(struct rhei_db *db, struct rhei_error *error);
rhei_status engine_buffer_may_begin(const struct rhei_db *db, struct rhei_error *error);
/* Once db->sync is there: changes are kept until a checkpoint has them. `background`: checkpoints are made from now on. */
rhei_status engine_disk_start(struct rhei_db *db, bool background, struct rhei_error *error);
/* There is a folder and this handle doesn't have it: it keeps no history then, for the one that counts is in there. */
bool engine_disk_is_elsewhere(const struct rhei_db *db);
/* RHEI_OK: it isn't. RHEI_READ_ONLY, RHEI_BUSY, or what else stood in the way of the folder: a question about the past can't be answered. */
rhei_status engine_disk_history(struct rhei_db *db, struct rhei_error *error);
/* Of a look, after a cycle: whether the history in the folder is followed still. */
void engine_disk_look_again(struct rhei_db *db);
/* The handle looks at what is in the folder. */
bool engine_disk_looks(const struct rhei_config *config);
/*
 * Whether a table's mirror is that of the folder, as verify wants it where a handle looks. RHEI_STALE: it should be, and isn't; RHEI_BUSY: another
 * handle made a checkpoint meanwhile. *by_sums: a change buffer has what is between, so its files alone can be checked, and status says so.
 */
rhei_status engine_disk_check(struct rhei_db *db, const struct source_table *table, bool *by_sums,
                              struct rhei_error *error);
/* RHEI_BUSY, in words. */
rhei_status engine_disk_overtaken(const struct rhei_db *db, struct rhei_error *error);
/* The same of a difference that a comparison found, which may be one of files that were taken away meanwhile. */
rhei_status engine_disk_judge(struct rhei_db *db, rhei_status status, struct rhei_error *error);
/* RHEI_STALE: a file that the table's view reads from is damaged, which the error names. After what was read of it. */
rhei_status engine_disk_is_whole(struct rhei_db *db, const struct source_table *table,
                                 const struct mirror_table_view *view, struct rhei_error *error);
/* A last checkpoint. Before sync and mirror are closed. */
void engine_disk_finish(struct rhei_db *db);
void engine_disk_close(struct rhei_db *db); /* after the mirror */
struct checkpoint_status;
/* After rows of a table were read from the snapshot (engine_guard.c). RHEI_IO: files of it were found damaged. */
rhei_status engine_guard_check(const struct rhei_rows *rows, uint32_t table, struct rhei_error *error);
void engine_disk_get(struct rhei_db *db, struct checkpoint_status *status);
/* A checkpoint of what the mirror shows now. Where the handle doesn't have the folder (olap_path names one): why not. */
rhei_status engine_disk_write(struct rhei_db *db, struct rhei_error *error);
void engine_disk_status(struct rhei_db *db, struct rhei_sync_status *status);
/* RHEI_NOT_FOUND: the file has a history in a folder that a copy without a column store would be without. */
rhei_status engine_disk_without_history(const struct rhei_db *db, struct rhei_error *error);
/* Why this handle, which keeps no history, can't tell of the past, and what to do about it: behind "..., and ". */
enum { ENGINE_NO_HISTORY_BYTES = 600 };
void engine_disk_no_history(const struct rhei_db *db, char words[ENGINE_NO_HISTORY_BYTES]);
/* "disk": {...}, where olap_path is set. */
void engine_disk_json(struct base_buffer *out, struct rhei_db *db);
/* What the rows of each table of the column store take in memory, by the names of rhei_table_list(); {} where that can't be had. */
void engine_tables_memory_json(struct base_buffer *out, struct rhei_db *db);

/* The change buffer (engine_buffer.c). After the row store; nothing of it is read before engine_buffer_start. */
rhei_status engine_buffer_open(struct rhei_db *db, struct rhei_error *error);
/* Puts the source that reads from the buffer too in the place of the log's, which stays the handle's. */
rhei_status engine_buffer_source(struct rhei_db *db, struct change_source **source, struct rhei_error *error);
/* Once db->sync is there, if it will be. */
rhei_status engine_buffer_start(struct rhei_db *db, struct rhei_error *error);
/* Moves what is left. Before sync and mirror are closed. */
void engine_buffer_finish(struct rhei_db *db);
void engine_buffer_close(struct rhei_db *db); /* after the sources */
/* NULL: there is none. */
struct change_buffer *engine_buffer_of(const struct rhei_db *db);
void engine_buffer_damaged(void *db); /* as a reader of it found: it is emptied and begins anew */
void engine_buffer_status(struct rhei_db *db, struct rhei_sync_status *status);
uint64_t engine_buffer_failures(struct rhei_db *db);
/* "buffer": {...}, where rocksdb_cdc_path is set. */
void engine_buffer_json(struct base_buffer *out, struct rhei_db *db);

/* Fills db->config, path, olap_path and buffer_path from the file that config names, under what the caller set. */
/* From a file or a text (NULL: none) and overrides. */
rhei_status engine_config_settings(const char *file, const char *text, const struct rhei_override *overrides,
                                   size_t count, struct config_settings **settings, struct rhei_error *error);
/* A query was asked; of one that failed that is all. Takes nothing. */
void engine_told_asked(struct rhei_db *db, const struct engine_ask *ask, int64_t begun_ns, rhei_status status,
                       struct rhei_rows *rows);
/* Its rows are at their end, whatever that is; once. */
void engine_told_over(struct rhei_rows *rows, rhei_status status);
void engine_told_statement(const struct rhei_db *db, const struct rhei_statement_event *event, int64_t duration_ns);
/* A warning where the file of the settings has a secret and can be read by everybody. `path`: NULL: there is none. */
void engine_config_tell_open_file(const struct rhei_db *db, const char *path);
rhei_status engine_config_load(struct rhei_db *db, const char *path, struct rhei_error *error);
void engine_config_free(struct rhei_db *db);
/* The caller's sidecars, behind those of a file: *settings is made where there was none. `has_file`: tables of the engine's own stand beside them. */
rhei_status engine_config_sidecars(const struct rhei_config *config, bool has_file, struct config_settings **settings,
                                   struct rhei_error *error);
/* The logger that the settings ask for: the caller's function, with texts or with lines of JSON. */
struct base_log engine_log_of(struct rhei_db *db);
/* Appends a text as a JSON string. */
void engine_json_text(struct base_buffer *out, const char *text);
/* `context`: the settings. Whether a [[tables]] section has that name: such a table is mirrored whenever it comes. */
bool engine_config_names(void *context, const char *table);
/* The section of a table that the file hasn't got: the next from *at on; NULL: there are no more. */
const struct config_table *engine_config_absent(const struct rhei_db *db, const struct capture_catalog *catalog,
                                                size_t *at);
/* Who makes what [[tables]] describe, to be told where it isn't made. */
#define ENGINE_MAKES_TABLES "a handle that captures changes makes it at the opening"
/* Creates and registers what the file's [[tables]] name; a handle that doesn't says which of them it would have made. */
rhei_status engine_config_tables(struct rhei_db *db, struct rhei_error *error);
bool engine_config_has_tables(const struct rhei_db *db);
/* Of rhei_register_table what the row store does; `stop` may be NULL. */
rhei_status engine_register(rhei_db *db, const char *table, const struct rhei_column *columns, size_t column_count,
                            const struct oltp_stop *stop, struct rhei_error *error);
/* Finishes capture, builds every table that is to be mirrored, and waits for that; ends at the deadline (0: none), or by the limits. */
rhei_status engine_build_tables(struct rhei_db *db, int64_t deadline_ns, struct engine_limits *limits,
                                struct rhei_error *error);
/* Makes the tables of the settings in an empty database: what fails there would fail in a new file. */
rhei_status engine_config_rehearse(struct rhei_db *scratch, struct rhei_error *error);
void engine_result_fill(struct rhei_result *result, const struct oltp_result *from);

/* A write, in a session or by itself. */
struct engine_write {
    struct rhei_db *db;
    struct rhei_session *session; /* NULL: none */
    const char *sql;
    const struct rhei_call_options *options;
    struct rhei_result *result;
};
rhei_status engine_write_one(const struct engine_write *write, const struct rhei_params *params,
                             struct rhei_error *error);
rhei_status engine_write_batch(const struct engine_write *write, const struct rhei_value *values, size_t column_count,
                               size_t row_count, struct rhei_error *error);
rhei_status engine_write_script(const struct engine_write *write, struct rhei_error *error);
struct rhei_statement {
    struct rhei_db *db;
    struct rhei_session *session; /* in which it runs; NULL: in none */
    char *sql;
    char *past;                        /* what `sql` was made, where it is about the past; NULL: it isn't */
    struct route_statement *described; /* as of the schema when it was last asked for; NULL within a transaction */
    struct oltp_facts unsettled;       /* newer than `described`, while a changed schema isn't settled; or nothing */
    struct oltp_shape shape;           /* column names are those of `unsettled` or `described` where there is one */
    char **parameter_names;            /* [named_count] */
    uint32_t named_count;
};
/* Describes it anew if the schema changed. */
void engine_statement_settle(rhei_statement *statement);
/* What the types of columns without a value would be; `statement` may be NULL. classes[count] of enum rhei_class. */
void engine_usual_classes(struct rhei_db *db, struct route_statement *statement, const struct engine_ask *ask,
                          const char *const *types, uint32_t count, uint8_t *classes);
struct rhei_session {
    struct rhei_db *db;
    struct oltp_session *oltp;
};
/* What its transaction reads of tables that the file hasn't, to its end; NULL: nothing yet, or there is none. Accepts NULL. */
const struct mirror_snapshot *engine_session_state(const struct rhei_session *session);
/* What may end a statement of the row store, or NULL. */
const struct oltp_stop *engine_stop(struct engine_limits *limits, struct oltp_stop *stop);

#endif
