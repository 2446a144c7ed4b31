/* SPDX-License-Identifier: Apache-2.0 */
/* The change source's own state, shared by its files (cycle, rows, load, prune). */
#ifndef CAPTURE_CAPTURE_SOURCE_H
#define CAPTURE_CAPTURE_SOURCE_H

#include "capture/capture_batch.h"
#include "capture/capture_look.h"
#include "capture/capture_pages.h"
#include "capture/capture_watch.h"

struct capture_source {
    struct change_source base; /* first */
    struct oltp *oltp;
    bool aside; /* it isn't the handle's own (capture_bridge.c) */
    struct oltp_connection *connection;
    sqlite3_stmt *start, *commit;
    sqlite3_stmt *last, *mark;   /* the newest row of the log, and row ?1, as far as S6 tells one by it */
    sqlite3_stmt *log;           /* the log from a position on: its first `near` value columns */
    sqlite3_stmt *far;           /* the other value columns of one row, for tables that have so many; NULL: none has */
    uint32_t near, width;        /* value columns of `log`, and of both */
    struct capture_pages *pages; /* the log by its pages; NULL: by `log` and `far` alone */
    bool paged;                  /* the current row is from there */
    const struct rhei_value *cells; /* and these are its columns, as far as they were asked for */
    bool key_first;                 /* the current row has only a key, in the value columns from `key_at` on */
    uint32_t key_at;
    struct oltp_schema *schema; /* a reference; NULL before the first cycle */
    bool recheck;               /* the schema in use wasn't confirmed */
    char database_id[64];
    struct capture_batch **batches; /* one per captured table */
    uint32_t batch_count;
    struct capture_batch *last_batch; /* of the last row, borrowed */
    int64_t table_max;                /* highest table number of the registry; -1: not asked since the schema changed */
    struct source_table *listed;      /* what tables() shows */
    struct capture_batch **order;     /* batches of this call */
    struct change_batch *ready;
    uint32_t ready_count;
    bool row_waits; /* the log statement stands on a row that next has not taken */
    bool drained;
    int64_t narrow_cache; /* R7: its size between big cycles; 0: it has that now */
    struct base_arena arena;

    /* the cycle: see capture_source_rows.c */
    int64_t position;     /* its end */
    uint64_t last_hash;   /* of the row there */
    int64_t next_seq;     /* the number that the next row must have */
    const char *lost_all; /* why nothing can be trusted; NULL: it can */
    int64_t torn;         /* end of a cycle that wasn't read to its end, and of no later one (R4) */
    bool look_at_all;
    /* R8: from behind ordered_from on all rows are our writer's, as long as others' commits are as many as then */
    int64_t ordered_from;
    uint32_t ordered_foreign;
    bool ordered;    /* this cycle: the log's order is the order of the changes */
    uint64_t looked; /* looks at rows, ever */
    uint64_t *seen;  /* bits of this cycle's keys */
    size_t seen_bits, seen_room;
    uint32_t seen_shift; /* seen_bits = 1 << seen_shift */
    /* what the commits did beside the log: see capture_source_watch.c */
    base_mutex watch_lock;               /* guards watch and doubtful; held by a cycle while it pins its state */
    struct capture_watch *watch;         /* NULL: there is none now */
    bool watch_unfit;                    /* this file can't be watched */
    bool all_lost;                       /* as this cycle's begin said */
    bool watch_seen;                     /* it is no newer than the cycle */
    uint32_t guess_change, guess_upkeep; /* of the last cycle, where the file can't be watched */
    uint64_t cycle;                      /* number of this one */
    uint32_t highest;                    /* number of a table that any schema so far had */
    bool pages_known;                    /* this cycle: what its commits wrote since `judged` is known */
    atomic_bool doubtful;                /* commits were missed since the last cycle */
    bool asked;                          /* next was called in the last cycle */
    size_t told;                         /* how many of the touched tables the last cycle knew of (E1) */
    int64_t judged;                      /* position up to which touched tables were judged */
    struct capture_batch **by_root;      /* batches in the order of their roots */

    /* S7; of commits of ours that took applied changes away. to = 0: none that nobody's else came between */
    _Atomic uint64_t upkept_from, upkept_to;

    /* P4: bytes of the log's rows from behind read_from to read_to. read_from = INT64_MAX: that isn't known */
    atomic_int_fast64_t read_from, read_bytes;
    int64_t read_to;

    bool
        declared; /* the declared keys of what is gone are read, and rows as they were: for who hands them on (the bridge) */

    /* every version is wanted: see capture_source_versions.c */
    bool versions;
    struct capture_last *lasts; /* open addressing */
    size_t last_room, last_count;

    /* the newest row that was read: it must be there, and the same, the next time (S6) */
    int64_t mark_seq; /* 0: none */
    uint64_t mark_hash;
};

/* `aside`: not the handle's own, and it doesn't watch the file. */
rhei_status capture_source_new(struct oltp *oltp, bool aside, struct capture_source **source, struct rhei_error *error);
rhei_status capture_source_step(struct capture_source *source, sqlite3_stmt *stmt, struct rhei_error *error);
rhei_status capture_source_prepare(struct capture_source *source, const char *sql, sqlite3_stmt **stmt,
                                   struct rhei_error *error);
/* Puts the log statement on the first row after `after`; *lost: that isn't where we left off. */
rhei_status capture_source_first_row(struct capture_source *source, int64_t after, bool *lost,
                                     struct rhei_error *error);
/* What tells a row of `last` or `mark` from any other that may come to have its number. */
uint64_t capture_source_hash_row(sqlite3_stmt *row);
/*
 * The end of a transaction of upkeep, with the writer held: committed, or taken back where `status`, or the commit, failed, which is returned.
 * `before` is the token from within it. It is no reason for a cycle, unless it is to be `seen`.
 */
rhei_status capture_upkeep_end(struct oltp *oltp, uint64_t before, bool seen, rhei_status status,
                               struct rhei_error *error);
/* Key column `i` of the current row, whose key was fetched. */
struct capture_cell capture_source_key(const struct capture_source *source, const struct capture_batch *batch,
                                       uint32_t i);
/* The row of that key as the pinned state has it is put as the row that is being added, if there is one (*found). */
rhei_status capture_source_look(struct capture_source *source, struct capture_batch *batch, bool *found,
                                struct rhei_error *error);
/* Whether the key of the row that is being added was perhaps among those before it in this cycle (R3). */
bool capture_source_see(struct capture_source *source, const struct capture_batch *batch);
/* A cycle of so many rows begins: it has seen none of its keys. */
rhei_status capture_source_clear_seen(struct capture_source *source, int64_t rows, struct rhei_error *error);
void capture_source_widen_cache(struct capture_source *source);
/*
 * R8, with the cycle's state pinned: whether the rows after `after` came in the order of the changes. `position` is the log's in that state,
 * `least` is oltp_foreign_least of before it was pinned.
 */
bool capture_source_is_ordered(struct capture_source *source, int64_t after, int64_t position, uint32_t least);
/* Between cycles: gives back what a big one needed to tell its keys apart. */
void capture_source_forget_seen(struct capture_source *source);
/* The same of its cache of pages. Outside of a read transaction, whose pages it would keep. */
void capture_source_narrow_cache(struct capture_source *source);
/* The batch of a table number, NULL: it isn't followed. */
struct capture_batch *capture_source_batch(struct capture_source *source, int64_t id);
/* Begins the batch of this call, unless it has begun. */
void capture_source_list(struct capture_source *source, struct capture_batch *batch);
/* Lists the batch as lost, whenever its table was read. */
void capture_source_lose(struct capture_source *source, struct capture_batch *batch, const char *why);
/* In a cycle: the roots of the tables in use. */
rhei_status capture_source_roots(struct capture_source *source, struct rhei_error *error);
/* With watch_lock held and the cycle's state pinned. */
void capture_source_watch_begin(struct capture_source *source, struct change_cycle *cycle);
/* The cycle that began comes to nothing: the next one is told all that it was. */
void capture_source_watch_again(struct capture_source *source, const struct change_cycle *cycle);
/* All rows of the cycle were read: lists the tables that were touched without one as lost. */
rhei_status capture_source_judge(struct capture_source *source, struct rhei_error *error);
/* Whether the table has that many rows in the cycle's state, counted by its pages, where commits of this cycle wrote some. */
bool capture_source_has_rows(struct change_source *base, uint32_t table, uint64_t rows);
/*
 * In a load's state, whose position this is: watches the file from there on, if it isn't watched. *rows: of the table in that
 * state, where all of its pages were walked for that, else as it was. Any thread.
 */
void capture_source_watch_start(struct capture_source *source, struct oltp_connection *connection, int64_t position,
                                const char *table, int64_t *rows);
rhei_status capture_source_next(struct change_source *base, size_t max_rows, const struct change_batch **batches,
                                size_t *count, struct rhei_error *error);

/* The row that is being added is the key's in the pinned state, or none is there. */
void capture_versions_settle(struct capture_source *source, const struct capture_batch *batch);
/* Before the first cycle: rows come as they were logged, with times. */
void capture_versions_keep(struct change_source *base);
void capture_versions_forget(struct capture_source *source);
/* The row that is being added has an event of this number, and perhaps not the last of its changes. `part`: of a look, which of its keys. */
rhei_status capture_versions_note(struct capture_source *source, struct capture_batch *batch, int64_t seq,
                                  uint32_t part, struct rhei_error *error);
/* The log's current row is a look; its key of this number is put at the cycle's end as the pinned state has its row (V4). */
rhei_status capture_source_settle(struct capture_source *source, struct capture_batch *batch, uint32_t part,
                                  struct rhei_error *error);
rhei_status capture_versions_prove(struct capture_source *source, struct rhei_error *error);
/* Puts the log's statement on this row, which is there. */
rhei_status capture_source_stand_at(struct capture_source *source, int64_t seq, struct rhei_error *error);
/*
 * T11: of the row that was added last (an update or a deletion; of a REPLACED one none was), the row as it was, where the log has it.
 */
rhei_status capture_source_add_before(struct capture_source *source, struct capture_batch *batch,
                                      enum capture_log_op op, struct rhei_error *error);
/* R6. Puts the statement on the row that can't be read from the pages. */
rhei_status capture_source_leave_pages(struct capture_source *source, int64_t seq, struct rhei_error *error);
/* When the current row was logged. */
int64_t capture_source_time_us(const struct capture_source *source);
/* The values of the current row up to value column `wanted` are at hand. */
rhei_status capture_source_fetch(struct capture_source *source, uint32_t wanted, struct rhei_error *error);
/* Where value column `column` of the log's current row is, where it isn't from the pages. */
sqlite3_stmt *capture_source_cell(const struct capture_source *source, uint32_t column, int *at);
/* Whether the current row is a look at one that may have been displaced. */
bool capture_source_is_doubt(const struct capture_source *source);
/* The log's row behind the batch's last one (*whole: it has one), and behind that the table's row of that key (*there). */
rhei_status capture_source_put_twice(struct capture_source *source, struct capture_batch *batch, bool *whole,
                                     bool *there, struct rhei_error *error);

/*
 * By column of the table: what a row shows in it that was written before the column was there; NULL: the row's others say what it is. In the arena.
 * False: no memory.
 */
bool capture_added_values(const struct capture_table_schema *table, struct base_arena *arena,
                          const struct rhei_value *const **added);
rhei_status capture_load_begin(struct change_source *base, uint32_t table, uint32_t loaders, struct source_load **load,
                               struct source_load_info *info, struct rhei_error *error);
/* The same for any handle; `logged`: the position is the log's in the state that the load reads. */
rhei_status capture_load_open(struct oltp *oltp, uint32_t table, uint32_t loaders, bool logged,
                              struct source_load **load, struct source_load_info *info, struct rhei_error *error);
rhei_status capture_load_next(struct source_load *load, uint32_t loader, size_t max_rows,
                              const struct change_batch **batch, struct rhei_error *error);
void capture_load_end(struct source_load **load);
void capture_loads_rest(struct change_source *source);
rhei_status capture_source_advance(struct change_source *base, uint32_t table, struct rhei_error *error);
rhei_status capture_source_prune(struct change_source *base, int64_t position, uint64_t *pruned,
                                 struct rhei_error *error);
/* So far the last prune came. */
int64_t capture_source_forgotten(struct change_source *base);
rhei_status capture_source_stamp(struct change_source *base, int64_t position, struct change_stamp *stamp,
                                 struct rhei_error *error);
/* The identity is one that the file had, or may have had, before tables of ours were dropped (capture_registry.c, R4). */
bool capture_source_was(struct change_source *base, int64_t position, const struct change_stamp *kept);
/* The identity that the file has in the connection's state; stays as it was, which is "", where it has none. */
rhei_status capture_stamp_file(struct oltp_connection *connection, struct change_stamp *stamp,
                               struct rhei_error *error);
/* What the row at the position has of the stamp, in the connection's state. RHEI_NOT_FOUND: it isn't there. */
rhei_status capture_stamp_row(struct oltp_connection *connection, int64_t position, struct change_stamp *stamp,
                              struct rhei_error *error);
/* This engine needs nothing any more. */
void capture_engine_forget(struct oltp *oltp);

#endif
