/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that know the schema and capture changes share. README.md holds the invariants (numbered I5..) and the lock order. */
#ifndef CAPTURE_CAPTURE_INTERNAL_H
#define CAPTURE_CAPTURE_INTERNAL_H

#include "capture/capture.h"
#include "oltp/oltp_internal.h"

#define CAPTURE_TRIGGER      "_rhei_cdc_"
#define CAPTURE_NOW          "julianday('now')"
#define CAPTURE_BRIDGE       "_rhei_buffer" /* among the consumers: the buffer beside the log */
#define CAPTURE_GUARD_DELETE "_rhei_log_delete"
#define CAPTURE_GUARD_UPDATE "_rhei_log_update"
#define CAPTURE_GUARD_SAYS   "rows of the change log were changed or taken out by hand"

enum {
    CAPTURE_FORMAT_VERSION = 1,     /* of the _rhei_ tables */
    CAPTURE_LOG_MIN_COLUMNS = 8,    /* value columns of a new log */
    CAPTURE_LOG_WIDE = 64,          /* tables of more columns are logged by their keys */
    CAPTURE_LOG_MAX_COLUMNS = 1900, /* SQLite's limit of 2,000 less what the log adds, with room */
    CAPTURE_LOADERS_KEPT = 8,
    CAPTURE_MANY_TABLES = 100,               /* from so many on, new tables wait for their triggers (I12) */
    CAPTURE_WAIT_NS = 1000 * 1000 * 1000,    /* so long, where nobody needs them earlier */
    CAPTURE_PATIENCE_NS = 100 * 1000 * 1000, /* that the maintenance waits for the writer then */
    CAPTURE_ENGINE_LIFE_MS = 300000,         /* an engine not seen for so long is dead */
};

/* What a row of the change log says of its table. Whatever else stands there is no change: the table is built again. */
enum capture_log_op {
    CAPTURE_LOG_INSERT = 'I', /* the row as it is */
    CAPTURE_LOG_UPDATE = 'U', /* the same */
    CAPTURE_LOG_DELETE = 'D', /* only the key: the row is gone */
    CAPTURE_LOG_LOOK = 'K',   /* only the key: something may have happened to its row */
    CAPTURE_LOG_DISPLACE =
        'R', /* keys: of a row that an update may displace, of the update's new row, of its old row: look */
    /* The same of a table whose versions are kept: if the row went, a DELETE follows, before anything else of the table (T9). */
    CAPTURE_LOG_DOUBT = 'C',
    CAPTURE_LOG_DOUBT_UPDATE = 'E', /* with the keys of the update's new and old row behind it */
    /* A row went, and the change behind it puts one of the same key in its place: for consumers, a mirror passes over it. Of tables whose versions are kept (T11) */
    CAPTURE_LOG_REPLACED = 'O',
    CAPTURE_LOG_REBUILD = 'X',  /* something happened to the table that can't be told row by row */
    CAPTURE_LOG_FORETOLD = 'P', /* the id that a row will probably get, or nothing; only our own triggers read it */
};
enum { CAPTURE_LOG_HEAD = 4 }; /* columns of the log before the values */
/* Numbers of the log stay below; one beyond was written by no trigger, and SQLite would soon give numbers at random. */
#define CAPTURE_LOG_SEQ_MAX (INT64_C(1) << 62)

/* ---- The schema as a connection sees it (capture_schema.c). --------------------------------------------------------- */

struct capture_index { /* a unique index, or the primary key of a WITHOUT ROWID table */
    const char *name;
    const char *sql; /* NULL for one that a constraint made */
    uint32_t column_count;
    const int32_t *columns; /* number, or -2 for an expression, or -1 for the rowid */
    const char *const *collations;
    bool partial;
    bool is_primary; /* of a PRIMARY KEY */
};

enum capture_object_type { CAPTURE_OBJECT_TABLE, CAPTURE_OBJECT_VIEW, CAPTURE_OBJECT_INDEX, CAPTURE_OBJECT_TRIGGER };

struct capture_object { /* a row of sqlite_schema */
    enum capture_object_type type;
    int64_t rowid;
    const char *name;
    const char *sql; /* NULL: the index of a constraint */
};

struct capture_definition; /* capture_definition.h */
struct capture_own;

struct capture_table_schema {
    struct capture_table table;          /* as the catalog shows it */
    const char *rowid_name;              /* "rowid", "_rowid_" or "oid": whichever isn't a column; NULL */
    const char *sql;                     /* CREATE TABLE as it is in the file */
    const char *const *defaults;         /* per column, text of the expression or NULL */
    const uint32_t *primary_position;    /* per column: its place in the PRIMARY KEY from 1, or 0 */
    uint32_t declared_count;             /* columns of that PRIMARY KEY, where the mirror's key is the hidden rowid */
    const struct capture_index *indexes; /* unique ones that are not the mirror's key */
    uint32_t index_count;
    bool any_index; /* at all */
    bool exposed;   /* something else may change a row between its change and our AFTER trigger (I9) */
    bool cut;       /* and a statement may end there, its changes kept: see T8 of capture_triggers.c */
    bool
        keeps; /* its triggers log rows as they were, and of each displaced one that it went (T9, T11 of capture_triggers.c) */
    const struct capture_object *triggers; /* ours, as they are in the file */
    uint32_t trigger_count;
    uint32_t remade;       /* while capture is settled, not 0: its triggers are not what `triggers` says any more */
    uint32_t kept;         /* and then: bits of `triggers` that stayed */
    int64_t remade_after;  /* and then: the new ones have higher rowids of sqlite_schema than this */
    const char *signature; /* equal signatures: the same columns and key, so the same version */
    uint32_t number;       /* under which it is captured, whether this engine mirrors it or not; 0: it isn't */
    bool by_name;          /* it was asked for by name */
    bool waits;            /* for its triggers (I12) */
    struct capture_definition *definition;
    const struct capture_table_schema
        *before; /* while capture is settled: the same, in the schema before; NULL: it changed */
};

#define CAPTURE_WAS "was:" /* begins keys of _rhei_meta (R4 of capture_registry.c) */

/* Rhei's own tables and what belongs to them, as bits. */
enum {
    CAPTURE_PIECE_LOG = 1,
    CAPTURE_PIECE_META = 2,
    CAPTURE_PIECE_TABLES = 4,
    CAPTURE_PIECE_INDEX = 8,
    CAPTURE_PIECE_ENGINES = 16,
    CAPTURE_PIECE_EVENTS = 32,
    CAPTURE_PIECE_CONSUMERS = 64,
    CAPTURE_PIECE_GUARD_DELETE = 128,
    CAPTURE_PIECE_GUARD_UPDATE = 256,
    CAPTURE_PIECE_GUARD = CAPTURE_PIECE_GUARD_DELETE | CAPTURE_PIECE_GUARD_UPDATE,
    CAPTURE_PIECES = 511,
};

struct capture_shelf; /* capture_definition.h */

struct oltp_schema {
    struct capture_catalog catalog; /* first: a catalog is released through it */
    atomic_uint references;
    struct base_arena arena;
    struct capture_shelf *shelf;             /* a reference; holds the definitions and our triggers */
    struct capture_table_schema *tables;     /* parallel to catalog.tables, sorted by name */
    struct capture_definition **definitions; /* of the tables, then of the views; in `shelf` */
    uint32_t definition_count;
    struct capture_own **owns; /* our triggers, parallel to tables; in `shelf` */
    uint32_t *buckets;         /* number of a definition and 1, by the hash of its name */
    uint32_t bucket_count;
    const char *const *acted_on; /* tables that foreign keys act on, so that they are exposed (I9); perhaps not there */
    uint32_t acted_on_count;
    bool fails; /* a trigger of others may end a statement by FAIL */
    int64_t cookie;
    int64_t last_rowid;     /* of sqlite_schema */
    int64_t highest_number; /* of a table */
    uint32_t waiting;       /* tables that wait for their triggers (I12) */
    uint32_t read_count;    /* definitions that were read for it, the others are an older schema's */
    unsigned pieces;        /* CAPTURE_PIECE_ bits that are there */
    bool has_log;
    uint32_t log_columns; /* value columns of the log; 0: none */
    /* While capture is settled: */
    bool derived;            /* only the tables in `touched` may need something */
    const uint32_t *touched; /* numbers of tables */
    uint32_t touched_count;
    const char *gone; /* a table that was dropped, or NULL */
};
/*
 * Reads the schema in the connection's transaction (or a state of its own). One reference. What `base` (may be NULL) has in the same
 * words is taken from it; base must stay while tables[].before is used.
 */
rhei_status capture_schema_load(struct oltp_connection *connection, struct oltp_schema *base,
                                struct oltp_schema **schema, struct rhei_error *error);
/*
 * The schema after one CREATE or DROP of ours, from `base`, that before it; or with `ddl` NULL the base again, whose waiting tables are
 * about to get their triggers (capture_derive.c). *schema stays NULL where that can't be proven to be all that changed: load it then.
 */
rhei_status capture_schema_derive(struct oltp_connection *connection, struct oltp_schema *base,
                                  const struct oltp_ddl *ddl, struct oltp_schema **schema, struct rhei_error *error);
/* The number of a table or view among the definitions, or -1. */
int64_t capture_schema_number(const struct oltp_schema *schema, const char *name);
/* Makes the buckets anew; false without memory. */
bool capture_schema_index(struct oltp_schema *schema);
/* How many tables may need something while capture is settled, and the i-th of them. */
static inline uint32_t capture_schema_work_count(const struct oltp_schema *schema)
{
    return schema->derived ? schema->touched_count : schema->catalog.table_count;
}
static inline struct capture_table_schema *capture_schema_work(const struct oltp_schema *schema, uint32_t i)
{
    return &schema->tables[schema->derived ? schema->touched[i] : i];
}
void capture_schema_release(struct oltp_schema *schema);
struct capture_table_schema *capture_schema_find(struct oltp_schema *schema, const char *name);
/* Our triggers of the tables that are remade, as they are now; in the transaction of the load. */
rhei_status capture_schema_reread(struct oltp_connection *connection, struct oltp_schema *schema,
                                  struct rhei_error *error);
/* NULL: there is no table or view of that name. */
const struct capture_definition *capture_schema_definition(const struct oltp_schema *schema, const char *name);
/* Whether nothing can have come and gone between two schemas, so that a table which is the same was the same all along. */
bool capture_schema_explains(const struct oltp_schema *before, const struct oltp_schema *now);
/* Whether the table's own text is not that of the schema before. */
bool capture_schema_altered(const struct oltp_schema *before, const struct capture_table_schema *table);
/* True if a token of the text may name a view. */
bool capture_schema_names_view(const struct oltp_schema *schema, const char *sql, size_t len);
/* A reference to the handle's current schema as it is known, NULL before the first. */
struct oltp_schema *capture_schema_hold(struct oltp *oltp);

/* ---- Triggers (capture_triggers.c) and capture (capture_state.c). ---------------------------------------------------- */

enum { CAPTURE_TRIGGERS_MAX = 9 };
struct capture_trigger_set {
    uint32_t count;
    char *name[CAPTURE_TRIGGERS_MAX];
    char *sql[CAPTURE_TRIGGERS_MAX];
};
/*
 * The triggers that capture this table under number `id`. RHEI_UNSUPPORTED: it can't be captured exactly, and the message
 * says why.
 */
rhei_status capture_triggers_make(const struct capture_table_schema *table, uint32_t id,
                                  struct capture_trigger_set *set, struct rhei_error *error);
/*
 * Whether the table's triggers are those of a table whose versions are kept: where that is possible, if `wanted`, or as they are in the file.
 */
bool capture_keeps(const struct capture_table_schema *table, bool wanted);
/* Only the keys of this table's changes are logged (T2). */
bool capture_logs_keys(const struct capture_table_schema *table);
/* Why it is, for people; NULL: it is logged by its rows. */
const char *capture_logs_keys_because(const struct capture_table_schema *table);
/* Value columns of a key in the log: those of the mirror's key, and the declared ones behind them. */
static inline uint32_t capture_key_width(const struct capture_table_schema *table)
{
    return table->table.source.key_count + table->declared_count;
}
/* Value columns that the log needs for this table. */
uint32_t capture_log_width(const struct capture_table_schema *table);
/* Whether its updates may log three keys in a row (CAPTURE_LOG_DISPLACE). */
bool capture_log_displaces(const struct capture_table_schema *table);
void capture_trigger_set_reset(struct capture_trigger_set *set);
/* Whether the table has these triggers and no other ones, and they fire before those of others (T7). */
bool capture_triggers_equal(const struct capture_table_schema *table, const struct capture_trigger_set *set);
/*
 * Bits of the table's triggers that the set has in the same words, and that are where they must be (T7): SQLite walks the whole schema for each that is dropped or made.
 * "ak" fires before "au" because it was made after it, so they stay or go together.
 */
uint32_t capture_triggers_kept(const struct capture_table_schema *table, const struct capture_trigger_set *set);
/* (Re)makes the view of the log for people. */
rhei_status capture_events_view(struct oltp_connection *connection, uint32_t width, struct rhei_error *error);

/* Whether the table's rows can be read by key on this connection: RHEI_SQL and the reason, for people, if they can't. */
rhei_status capture_prove_reading(struct oltp_connection *connection, const struct capture_table_schema *table,
                                  struct rhei_error *error);
/*
 * The proof that capture does no harm (capture_prove.c): what could be prepared on the table before its triggers were made can
 * be prepared with them. Otherwise the error.
 */
uint32_t capture_prove_before(struct oltp_connection *connection, const struct capture_table_schema *table);
rhei_status capture_prove_writing(struct oltp_connection *connection, const struct capture_table_schema *table,
                                  uint32_t before, struct rhei_error *error);

enum capture_cause { CAPTURE_BY_US, CAPTURE_BY_OTHERS };
/* What may be different from the base, the schema that was read before. */
enum capture_scope {
    CAPTURE_ALL, /* anything; the base may be NULL */
    CAPTURE_ONE, /* the base was the schema of this transaction, and since then one DDL of ours ran; new tables may wait (I12) */
    CAPTURE_WAITING, /* nothing: the tables that wait get their triggers */
};
/*
 * Inside a write transaction of the writer: brings tables, triggers and registry to what the schema asks for.
 * *schema gets the schema as it is then, with table numbers; the caller publishes it after the commit. `ddl`: of CAPTURE_ONE.
 */
rhei_status capture_apply(struct oltp *oltp, enum capture_cause cause, struct oltp_schema *base,
                          enum capture_scope scope, const struct oltp_ddl *ddl, struct oltp_schema **schema,
                          struct rhei_error *error);
/* Drops our triggers of one table, so that an ALTER may touch any column. `base` as above, current. */
rhei_status capture_suspend(struct oltp *oltp, struct oltp_schema *base, const char *table, struct rhei_error *error);
/* Around each DDL statement: it may hide nothing of the file behind something TEMP (capture_hidden.c). Holder of the writer. */
rhei_status capture_hidden_begin(struct oltp *oltp, struct rhei_error *error);
/* `elsewhere`: nothing of the file changed. */
rhei_status capture_hidden_end(struct oltp *oltp, bool elsewhere, struct rhei_error *error);
/* In front of ALTER TABLE: takes our triggers of hidden tables off, as capture_suspend() does. */
rhei_status capture_hidden_suspend(struct oltp *oltp, struct oltp_schema *base, struct rhei_error *error);
/* ---- The guard of the log (capture_guard.c). ------------------------------------------------------------------------ */

/* Which piece an object of the log is; 0: none, or one of that name that isn't as it must be. */
unsigned capture_guard_piece(const char *name, const char *sql);
/* *taken: it was made once, and another program took it off or changed it. */
rhei_status capture_guard_was_taken(struct oltp_connection *connection, const struct oltp_schema *schema, bool *taken,
                                    struct rhei_error *error);
/* What of it isn't there as it must be. Holder of the writer, behind the log and the registry. */
rhei_status capture_guard_make(struct oltp_connection *connection, struct oltp_schema *schema,
                               struct rhei_error *error);
/* A row of the log that tells of no change, with the number of a table that is registered. With the writer held, in a transaction. */
rhei_status capture_advance(struct oltp_connection *connection, uint32_t number, struct rhei_error *error);
/* ---- The registry: _rhei_tables and what stands beside it (capture_registry.c). ------------------------------------ */

struct capture_registered {
    int64_t id;     /* 0: not there */
    int64_t origin; /* of all versions of the table */
    bool same;      /* the signature is the table's */
    int wanted;     /* 1 by request, 0 released by name, -1 nothing was asked */
};
struct capture_registry_row {
    int64_t id, origin;
    const char *name, *signature;
    int wanted;
    bool live;
    struct capture_registry_row *next; /* live ones */
};
struct capture_registry {
    struct oltp_connection *connection;
    struct base_arena arena;
    struct base_map *newest; /* row by name; NULL: not read whole, rows are asked for one by one */
    struct capture_registry_row *live;
    sqlite3_stmt *find, *add;
};
/* Which format the file has; RHEI_TOO_NEW. */
/* RHEI_EXISTS where one of our names is somebody else's object: asked at open, where nothing was done yet. */
/* The first of our names that something of another maker has in a file that isn't captured, and what it is; NULL: there is none. SQLite's code. */
int capture_registry_stranger(sqlite3 *db, const char **name, const char **kind);
rhei_status capture_registry_check_names(struct oltp_connection *connection, struct rhei_error *error);
/* Somebody captures the file's changes, whatever others took of what is needed for it. */
rhei_status capture_registry_is_captured(struct oltp_connection *connection, bool *captured, struct rhei_error *error);
rhei_status capture_registry_check(struct oltp_connection *connection, struct rhei_error *error);
/* Takes the pieces that only have one of our names out of what the schema says is there. */
rhei_status capture_registry_know(struct oltp_connection *connection, struct oltp_schema *schema,
                                  struct rhei_error *error);
/* Makes what is missing of Rhei's tables but for the log; *lost: something that was there before is gone. */
rhei_status capture_registry_make(struct oltp *oltp, struct oltp_schema *schema, bool by_others, bool *lost,
                                  struct rhei_error *error);
/* A number that no lost log can have given (R6); 0: there was none. `lost`: as capture_registry_make says. */
rhei_status capture_registry_beyond(struct oltp *oltp, const struct oltp_schema *schema, bool lost, int64_t *beyond,
                                    struct rhei_error *error);
rhei_status capture_registry_read(struct capture_registry *registry, struct rhei_error *error);
void capture_registry_reset(struct capture_registry *registry);
rhei_status capture_registry_find(struct capture_registry *registry, const struct capture_table_schema *table,
                                  struct capture_registered *found, struct rhei_error *error);
rhei_status capture_registry_add(struct capture_registry *registry, const struct capture_table_schema *table,
                                 int wanted, bool live, int64_t *id, struct rhei_error *error);
/* Which table it is (R5), by its triggers, which it takes along whatever it is named; 0: it has none. */
rhei_status capture_registry_origin(struct oltp_connection *connection, const struct capture_table_schema *table,
                                    int64_t *origin, struct rhei_error *error);
rhei_status capture_registry_retire(struct oltp *oltp, int64_t id, struct rhei_error *error);
/* The same of the table of this name. */
rhei_status capture_registry_retire_named(struct oltp *oltp, const char *name, struct rhei_error *error);
/* With the writer held, in a transaction: removes rows that nobody needs any more; few log rows must be left. */
rhei_status capture_registry_trim(struct oltp *oltp, struct rhei_error *error);

/* The end of settling (capture_seal.c): the tables' numbers and reasons, and the catalog. */
rhei_status capture_seal(struct oltp *oltp, struct oltp_schema *schema, struct rhei_error *error);
/* Where nothing is captured: numbers of this handle alone, new ones with every schema (T3 of capture_still.c). */
void capture_number_still(struct oltp *oltp, struct oltp_schema *schema);
bool capture_is_numbered(const struct oltp_schema *schema); /* any table */
bool capture_is_named(const struct oltp *oltp, const char *table);
/* Numbers from the registry for every table whose capture is as it must be; *complete: nothing is left to do. */
rhei_status capture_match(struct oltp *oltp, struct oltp_connection *connection, struct oltp_schema *schema,
                          bool *complete, struct rhei_error *error);
/* Makes a loaded schema the handle's current one (takes the reference). */
void capture_schema_publish(struct oltp *oltp, struct oltp_schema *schema);
/* Whether the current schema has a change log. */
bool capture_schema_has_log(struct oltp *oltp);
/* The current schema, made current if somebody changed it; a reference for the caller. */
rhei_status capture_schema_take(struct oltp *oltp, struct oltp_schema **schema, struct rhei_error *error);
/* Looks whether the file's schema is the one we know, and if not captures and publishes the new one. */
rhei_status capture_schema_refresh(struct oltp *oltp, struct rhei_error *error);
/* The same, but never waits for a writer: RHEI_BUSY when one holds back what has to be written first. */
rhei_status capture_schema_settle(struct oltp *oltp, struct rhei_error *error);
/*
 * Makes the triggers of tables that wait for them, if there are any (I12). `deadline_ns` as oltp_writer_acquire has it; 1: only if
 * the writer is free. What fails is tried again by the maintenance. Any thread, without locks.
 */
void capture_schema_finish(struct oltp *oltp, int64_t deadline_ns);
/* The version of the current schema if that has this cookie, else 0. */
uint64_t capture_schema_version_of(struct oltp *oltp, int64_t cookie);
/* The same, with the writer held and no transaction open. */
rhei_status capture_schema_refresh_locked(struct oltp *oltp, enum capture_cause cause, struct rhei_error *error);

/* The schema's catalog, with what is shown beside it (capture_shown.c). Takes the schema's reference. */
rhei_status capture_catalog_join(struct oltp *oltp, struct oltp_schema *schema, const struct capture_catalog **catalog,
                                 struct rhei_error *error);
struct capture_joined;
void capture_joined_release(struct capture_joined *joined);

/* ---- The change source (capture_source.c, capture_load.c, capture_prune.c). ----------------------------------------------- */

struct capture_source;
/* Where nothing is captured (capture_still.c): the source. */
rhei_status capture_still_open(struct oltp *oltp, struct change_source **source, struct rhei_error *error);
void capture_source_free(struct capture_source **source);
/*
 * Before a checkpoint: has the watch see all frames, and pins them by a read transaction of the connection, so that no log that is
 * copied to its end has frames that weren't seen. True: end the transaction after the checkpoint.
 */
bool capture_source_watch_hold(struct oltp *oltp, struct oltp_connection *connection);
/* Ends the kept connections of loads; `unused`: only if no load was since the last call. */
void capture_loaders_close(struct oltp *oltp, bool unused);
/* No load is known to follow: kept connections go if what they know of the schema is large. Any thread. */
void capture_loaders_rest(struct oltp *oltp);
/* deadline_ns as oltp_writer_acquire has it */
rhei_status capture_engine_seen(struct oltp *oltp, int64_t deadline_ns, struct rhei_error *error);
/* Writes this engine's position, where a prune left that for later and none came that did it. The maintenance's thread. */
void capture_engine_tell(struct oltp *oltp);
/*
 * Takes the log's rows up to `position` out: those that no live engine or consumer needs, the row at a position not; with `force` all of
 * them but the newest. In slices, and no more than some millions. Not with the writer held.
 */
rhei_status capture_prune_run(struct oltp *oltp, int64_t position, bool force, uint64_t *pruned,
                              struct rhei_error *error);
/* Rows whose numbers no trigger gave go. */
rhei_status capture_prune_mend(struct oltp *oltp, struct rhei_error *error);

/* ---- What is kept with a handle (capture_hooks.c). ------------------------------------------------------------ */

struct capture_state {
    base_mutex schema_lock;
    struct oltp_schema *schema;
    atomic_uint_fast64_t schema_version;
    atomic_int_fast64_t highest_table;    /* number of a table of the file that this handle has known */
    atomic_uint_fast64_t tables_read;     /* definitions read for all schemas so far, and ... */
    atomic_uint_fast64_t tables_settled;  /* ... tables looked at for their capture: what the tests of A11 count */
    atomic_uint_fast64_t schema_token;    /* commit token at which schema was known to be current */
    atomic_uint_fast64_t unsettled_token; /* commit token at which a writer held back the new schema, and ... */
    atomic_int_fast64_t unsettled_until;  /* ... until when nobody tries again without waiting */

    base_mutex loader_lock;
    struct oltp_connection *free_loaders; /* kept from one load to the next */
    uint32_t free_loader_count;
    bool loaders_used; /* since the maintenance looked last */

    uint64_t writer_token;      /* holder of the writer: commit token at which it saw the schema be current, or 0 */
    bool has_temporary;         /* holder of the writer: something TEMP was made through the handle; and ... */
    int64_t hidden;             /* ... what it hid before the DDL statement that runs */
    int64_t altered_origin;     /* holder of the writer: of the table that it alters, whose triggers are off, and ... */
    int64_t altered_root;       /* ... its b-tree; 0: there is none */
    int64_t seen_ms;            /* holder of the writer: when this engine's position was last written, and ... */
    int64_t told;               /* ... which it was; -1: perhaps it isn't there */
    sqlite3_stmt *upkeep[5];    /* holder of the writer: of pruning (capture_prune.c) */
    atomic_uint upkeep_commits; /* of pruning and signs of life: they change no table */
    atomic_bool registry_grown; /* the registry may have rows that nobody needs */

    struct capture_joined *joined; /* schema_lock: the catalog with what is shown beside it; NULL: not made yet */

    struct capture_limit *limit;   /* capture_limit.c */
    struct capture_folder *folder; /* capture_folder.c; NULL: no folder is this handle's */
    atomic_int_fast64_t asked;     /* up to here our mirror needs nothing any more, as it said when it pruned last */
    atomic_int_fast64_t forgot;    /* so far that prune came: others may hold more */

    struct capture_source *source;
    atomic_uint still_ids; /* table numbers given where nothing is captured */
    int64_t engine_id;
    atomic_int_fast64_t engine_position; /* applied by our mirror */
    atomic_int_fast64_t pinned_position; /* of the state that its newest cycle read */
    atomic_bool engine_active;           /* there is a source, so the engine is in the registry */
    atomic_bool engine_reads;            /* it has begun a cycle */
};
static inline struct capture_state *capture_of(const struct oltp *oltp)
{
    return oltp->hooked;
}

#endif
