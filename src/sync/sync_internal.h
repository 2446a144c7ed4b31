/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share. README.md numbers the invariants and gives the lock order.
 *
 * "Owner" is the one thread that holds the cycle (sync_own .. sync_disown): the mirror's writer. Fields marked "owner"
 * are written by it alone; where another thread reads them, the owner also holds `lock` while it writes.
 */
#ifndef SYNC_INTERNAL_H
#define SYNC_INTERNAL_H

#include "base/base_invariant.h"
#include "base/base_thread.h"
#include "sync.h"

enum {
    SYNC_LOADERS_MAX = 64,
    SYNC_BUILD_ATTEMPTS = 4,
    SYNC_SMALL_ROWS = 16384, /* tables of no more rows than that, as far as is known, are loaded many at a time */
    SYNC_GROUP_TABLES = 256,
    SYNC_TIDY_DELAY_NS = 100000000,    /* from when memory may be given back until it is */
    SYNC_STARVED_LOOK_NS = 1000000000, /* between two looks for room for a table that failed for want of memory */
};

struct sync_history;
struct sync_sweep;

/* One table of the source, as the last cycle that read the list saw it. */
struct sync_table {
    struct source_table *definition; /* own copy, one block */
    enum sync_table_state state;     /* lock */
    char message[256];               /* lock */
    uint32_t attempts;               /* lock: builds that failed in a row */
    int64_t retry_at_ns;             /* lock: no build before */
    bool rebuild_wanted;             /* lock: sync_rebuild asked, or a verification found a difference */
    const char *rebuild_why;         /* lock: for people; NULL: it was asked for */
    bool untold;                  /* lock: it may have been changed in ways that nobody told since it was last known, */
    bool unseen;                  /* lock: and what was told of it then this handle doesn't know */
    bool was_ready;               /* lock: it was READY once: what it waits for is a build anew */
    bool big;                     /* lock: it turned out to have many rows, whatever its estimate */
    bool starved;                 /* lock: FAILED for want of memory, or what may pass; tried again */
    size_t room_wanted;           /* lock: starved: bytes that have to be free */
    int64_t starved_until_ns;     /* lock: starved: tried then, whatever is free */
    uint32_t starved_times;       /* lock */
    struct sync_job *job;         /* lock: while it is BUILDING */
    struct sync_history *history; /* owner; NULL: it keeps none */
    uint64_t built_rows;          /* lock: of the last build */
    bool kept;                    /* owner: scratch of sync_tables_reconcile */
    bool attached;                /* owner: the mirror's working state has it */
    bool behind;                  /* owner: attached, but not published yet */
    bool restored;                /* lock: what is attached is what the mirror had when it was opened */
    bool seen;                    /* owner: had a batch in this cycle */
    int64_t applied;              /* owner: see sync_table_applied */
    uint64_t told;                /* owner: `telling` when the observer was last told of it */
    uint64_t round;               /* lock: of `rounds`, in which it was first listed */
    struct sync_sweep *sweep;     /* owner: the rows that a sweep has come by; NULL: none is under way */
};

/*
 * A table that is being built: one big one, or several small ones, as a list. Made and freed by the builder's thread,
 * found under `lock`.
 */
struct sync_job {
    struct sync_job *next;
    uint32_t table;
    uint32_t loaders;
    struct source_table *definition;
    struct source_load *load;
    struct mirror_build *build;   /* the builder's until `loaded`, then the owner's */
    struct sync_history *history; /* the same; NULL: none is kept */
    int64_t hold;                 /* lock: the source must keep what follows this position */
    uint64_t expected;
    int64_t began_ns;    /* lock: its load; 0: it waits for others of its group */
    bool loaded;         /* lock: the owner may attach it */
    bool attached;       /* lock: the working state has it */
    bool finished;       /* lock: published, or given up by the owner */
    size_t room;         /* bytes that were free when it began */
    atomic_uint waits;   /* for room: so many more */
    bool untold, unseen; /* as of its table */
    bool many;           /* one of many: loaded by the builder alone */
    bool is_big;         /* more rows came than a single loader should read */
    rhei_status status;  /* of the load; the builder's, with the next */
    struct rhei_error error;
    atomic_bool cancelled;
    atomic_bool loader_failed;
    atomic_uint_fast64_t rows;
};

/* What those who share a mirror share (sync_share.c). */
struct sync_share {
    base_mutex turn;                          /* the mirror's writer, for a call */
    base_mutex compact;                       /* one compacts at a time */
    struct sync *members[TABLE_SOURCES_MOST]; /* turn: by number */
};

struct sync {
    struct sync_config config;
    struct sync_share *share;
    struct change_source *numbered; /* config.source, if that isn't number 0 */
    bool joined;
    uint32_t build_threads;
    bool advanced; /* the builder's: before the loads of its jobs a position was taken */

    /* What the fast paths read. */
    atomic_bool primed; /* a cycle was published: `token` and `position` mean something */
    _Atomic uint64_t token;
    _Atomic int64_t position;
    _Atomic int64_t fresh_at_ns;
    _Atomic uint64_t built;  /* tables that became READY */
    _Atomic uint64_t loaded; /* those of them that weren't taken over */
    atomic_bool closing;
    atomic_bool running; /* written under `lock`: somebody is the owner */
    atomic_bool asking;  /* owner: the source was asked for a state, and hasn't given one */
    atomic_bool
        settled; /* written under `lock`: the last cycle succeeded, so nothing is left over from it or an earlier one */
    atomic_bool away; /* written under `lock`: the last cycle that nobody gave up found that its source can't be read */
    atomic_bool refused;                     /* and to wait for it mends nothing */
    int64_t away_since_ns;                   /* lock: 0: it isn't away */
    _Atomic int64_t cycle_done, cycle_total; /* owner: changes that the cycle has applied, and has to, or -1 */

    base_mutex lock;
    base_cond turned; /* a cycle ended, or a table's state changed; only signalled when `waiters` is not 0 */
    uint32_t waiters;
    uint32_t inside;              /* callers that sync_close has to wait for */
    uint64_t begun, good, failed; /* numbers of cycles: last begun, last published, last failed */
    struct rhei_error failure;    /* of cycle `failed` */
    struct sync_report last_report;
    struct sync_status counters;
    atomic_bool names_wanted; /* of the next cycle: the list of tables is to be as of its beginning (sync_wait_names) */
    atomic_bool request;      /* the owner has a rebuild or an attach to look at */

    /* Owner; the array itself is changed under `lock`. Sorted by id. */
    struct sync_table **tables;
    size_t table_count;
    size_t attached_count, behind_count;
    int64_t common; /* the working state has every change up to here, of every table that is attached and not behind */
    uint64_t damages;      /* of the mirror, when its tables were looked at for them */
    bool restored;         /* the mirror has tables that the list doesn't have yet */
    bool book_unread;      /* and histories */
    struct sync_book book; /* changed under `lock` */
    _Atomic uint64_t histories_changed;
    bool histories_shown;   /* turn: the next publish shows some of them otherwise */
    char lost_message[256]; /* lock: of sync_lost_versions */
    uint64_t rounds;        /* how often the list was read; changed under `lock` */
    /* Up to when all is known by the source's clock (change_source_ops.tells_later), with this cycle and up to the last one that was shown. */
    int64_t telling_us, told_us;
    atomic_int_fast64_t looked_us;     /* all that was committed by then is in the mirror, by the wall's clock */
    bool awaited;                      /* of the cycle: somebody waits for it, besides the background */
    unsigned room_waits;               /* of the cycle, for what others show still (sync_cycle.c) */
    int64_t pinned;                    /* position of the state that the cycle is about */
    bool tables_known;                 /* the list is that of the last pinned state */
    struct sync_report unpublished;    /* counts of what the working state has and no published one */
    bool reading;                      /* the cycle came to read changes */
    bool dirty;                        /* turn: the working state has something that was not published */
    bool promote;                      /* a table was attached since the last publish */
    bool set_changed;                  /* the published set of tables changes with the next publish */
    const struct rhei_value **shifted; /* scratch: columns of the unseen part of a batch */
    size_t shifted_capacity;
    atomic_bool observed;
    uint64_t telling; /* number of the set of changes that the observer is being told, from 1 */
    bool told;        /* it was told of one, and no publish has shown it yet */
    uint32_t *seen;   /* tables that had a batch in this cycle */
    size_t seen_count, seen_capacity;
    uint32_t *followed; /* scratch: what the source is told of */
    size_t followed_capacity;
    struct sync_sift *sift; /* scratch of batches that repeat; NULL: there was none */

    /* Builds: builder's thread. */
    base_thread builder;
    bool builder_started; /* lock */
    void (*builder_main)(void *argument);
    bool builds_enabled, build_once;
    base_cond builder_cond;
    struct sync_job *jobs; /* changed under `lock` */

    /* Verifications: builder's thread. Under `lock`. */
    bool verify_wanted;           /* a cycle was doubtful since the last one began */
    atomic_bool doubted;          /* and none has ended since: looks don't tell what the tables were (looked_us) */
    int64_t verify_not_before_ns; /* of one that is wanted */
    int64_t scrub_at_ns;          /* of the next one by time; INT64_MAX: never */
    int64_t durable;              /* what follows this position isn't kept elsewhere; INT64_MAX: nobody keeps it */
    atomic_uint verify_paused;    /* by how many callers, who compare by themselves; written under `lock` */
    int64_t verify_hold;          /* the source must keep what follows this position; INT64_MAX: nothing */

    /* The loop's thread and the upkeep's. */
    base_mutex start_lock; /* serialises start and stop */
    base_thread loop, upkeep;
    atomic_bool loop_running, stopping;
    base_mutex wake_lock;
    base_cond wake_cond;
    atomic_bool wake_wanted, loop_asleep;
    atomic_bool asked; /* somebody waits for a cycle of the loop */
    base_cond upkeep_cond;
    bool upkeep_resting;       /* lock: waits without a time */
    int64_t unpruned_since_ns; /* lock; 0: nothing */
    int64_t prune_not_before_ns;
    int64_t pruned_to;     /* the source was asked to forget up to here, */
    int64_t forgotten_to;  /* and did up to here: somebody else may need the rest */
    uint64_t touched_rows; /* lock: rows that died since compaction last looked */
    int64_t touched_since_ns, compact_not_before_ns;
    int64_t tidy_at_ns; /* lock; 0: nothing to tidy */
    int64_t trim_at_ns; /* the upkeep's: when versions are forgotten next; INT64_MAX: never */
    size_t freed_bytes; /* lock: since the allocator was last asked to give back what it has free */
    base_mutex prune_lock;
};

/* What ends a wait or a cycle early. */
struct sync_limit {
    int64_t deadline_ns; /* 0: none */
    const struct sync_stop *stop;
    const atomic_bool *cancelled;
    bool background; /* nobody waits for the cycle that this one runs */
};

/* sync_turn.c: calls no other file of this room. */
void sync_fault(const struct sync *sync, const char *point);
rhei_status sync_limit_check(const struct sync *sync, const struct sync_limit *limit, struct rhei_error *error);
void sync_turned(struct sync *sync); /* under `lock`: wakes whoever waits for cycles or states */
void sync_wait_turn(struct sync *sync,
                    int64_t deadline_ns); /* under `lock`: until then, or a little, or the next turn */
void sync_own(struct sync *sync);         /* becomes the owner without a cycle */
void sync_disown(struct sync *sync);      /* and ceases to be */
rhei_status sync_builder_start(struct sync *sync, struct rhei_error *error);
void sync_job_cancel(struct sync *sync, struct sync_job *job); /* under `lock` */
void sync_verify_want(struct sync *sync);
void sync_upkeep_tidy(struct sync *sync); /* under `lock`: memory may be given back soon */
void sync_collect(struct sync *sync);     /* frees what closed snapshots held; no lock, and not the owner */

/* sync_share.c: whose call of the mirror's writing side it is. */
rhei_status sync_share_join(struct sync *sync, struct rhei_error *error);
void sync_share_leave(struct sync *sync);
void sync_turn_take(struct sync *sync);
void sync_turn_give(struct sync *sync);
void sync_share_publish_again(struct sync *sync); /* every source whose working state is what it shows */

bool sync_keeps_history(const struct sync *sync, const struct source_table *table);

/* sync_numbered.c: `under` stays its owner's. */
rhei_status sync_numbered_open(struct change_source *under, uint32_t number, struct change_source **source,
                               struct rhei_error *error);

/* sync_tables.c */
rhei_status sync_definition_copy(const struct source_table *table, struct source_table **copy,
                                 struct rhei_error *error);
struct sync_table *sync_table_find(const struct sync *sync, uint32_t id);
/* Tables of which something was found damaged since the last look are built again. Owner. */
void sync_tables_mend(struct sync *sync);
/* The tables that the mirror had before the first cycle go: they are of no state that this source goes on from. Owner. */
void sync_restored_drop(struct sync *sync);
rhei_status sync_tables_reconcile(struct sync *sync, struct rhei_error *error);
void sync_table_fail(struct sync *sync, struct sync_table *table, const struct rhei_error *error);
void sync_tables_drop_all(struct sync *sync);
/* A table of that name is listed, and keeps a history. */
bool sync_lists_history(const struct sync *sync, const char *table);
/* What happened to the table up to `at` is not known: it is built again unless it was read later. Owner. */
void sync_table_lost(struct sync *sync, struct sync_table *table, const char *why, int64_t at);
void sync_tables_serve_requests(struct sync *sync);
/* Behind the changes of a cycle: those that wait for them. Owner. */
void sync_tables_serve_late(struct sync *sync);
void sync_tables_published(struct sync *sync, int64_t position);
int64_t sync_tables_lowest(const struct sync *sync);
/* The working state has every change of the table up to here, and none beyond. Owner. */
int64_t sync_table_applied(const struct sync *sync, const struct sync_table *table);
/* What failed so may go well later. */
bool sync_is_passing(rhei_status status);
/*
 * Under `lock`: FAILED, with a message. For want of memory it is tried again when there is more than `room` bytes, which it had
 * and found too few.
 */
void sync_table_give_up(struct sync *sync, struct sync_table *table, const struct rhei_error *error, size_t room);
bool sync_tables_attached(const struct sync *sync);
void sync_tables_free(struct sync *sync);

/* sync_observe.c: the owner; nothing if nobody observes. */
void sync_tell_changed(struct sync *sync, struct sync_table *table);
void sync_tell_published(struct sync *sync, int64_t position);
void sync_tell_all(struct sync *sync);

/* sync_cycle.c: the owner. */
rhei_status sync_cycle_run(struct sync *sync, const struct sync_limit *limit, struct sync_report *report,
                           struct rhei_error *error);

/* sync_sift.c: batches of a source that looks (change_batch.repeats). The owner. */
/* What of it is new, until the next call; a row_count of 0: nothing. Notes what a sweep comes by. */
rhei_status sync_sift(struct sync *sync, struct sync_table *table, const struct change_batch *batch,
                      struct change_batch *left, struct rhei_error *error);
/* Behind the batch that ends a sweep: the rows that are gone, some at a time, until a row_count of 0. */
rhei_status sync_sift_gone(struct sync *sync, struct sync_table *table, const struct change_batch *batch,
                           struct change_batch *gone, struct rhei_error *error);
void sync_sweep_free(struct sync_sweep **sweep);
void sync_sift_free(struct sync_sift **sift);

/* sync_loop.c */
void sync_ask(struct sync *sync); /* the loop runs its next cycle at once, whatever it rests for */

/* sync_wait.c */
bool sync_look(struct sync *sync);
/* One cycle that began after the call; `pending_only`: none if the token says that there is nothing. */
rhei_status sync_join(struct sync *sync, bool pending_only, const struct sync_limit *limit, struct sync_report *report,
                      struct rhei_error *error);

rhei_status sync_join_patiently(struct sync *sync, const struct sync_limit *limit, struct sync_report *report,
                                struct rhei_error *error);

/* sync_build.c */
void sync_builder_main(void *argument);

/* sync_verify.c */
int64_t sync_verify_due(const struct sync *sync); /* under `lock`; INT64_MAX: never */
int64_t sync_scrub_next(const struct sync *sync); /* if one ended now */
void sync_verify_run(struct sync *sync);          /* builder's thread */

/* sync_upkeep.c */
void sync_upkeep_main(void *argument);
void sync_upkeep_note(struct sync *sync, const struct sync_report *report, int64_t now_ns); /* under `lock` */
void sync_prune_anew(struct sync *sync, int64_t position); /* the source went back to there */
rhei_status sync_prune(struct sync *sync, uint64_t *pruned, struct rhei_error *error);

#endif
