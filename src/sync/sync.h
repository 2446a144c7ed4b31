/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the mirror in step with a change source: cycles, initial builds, waiting for freshness, health of each table.
 * Knows port/ and mirror/ only. Any thread.
 */
#ifndef SYNC_SYNC_H
#define SYNC_SYNC_H

#include "base/base_log.h"
#include "base/base_progress.h"
#include "mirror/mirror.h"
#include "port/change_source.h"

struct sync;

/*
 * Who wants to know which tables a publish shows differently. Called by the owner of a cycle, `changed` also under `lock`: neither may do
 * more than flag and wake, nor call back.
 */
struct sync_observer {
    void (*changed)(void *context,
                    const char *table); /* with the next publish it has other rows, or is gone; borrowed */
    void (*published)(void *context, int64_t position); /* what was told before is shown now */
    void *context;
};

struct sync_stop {
    rhei_status (*check)(void *context); /* RHEI_OK: go on */
    void *context;
    struct base_progress *progress; /* changes applied or rows built are counted there; may be NULL */
};

/* What one step of a scrub did. */
struct sync_scrubbed {
    int64_t next_ns; /* base_now_ns of the next one */
    bool round;      /* every table was compared since the last step that said so */
    bool mended;     /* a table differed in what was compared, and is equal there now */
    bool differs;    /* `table` differs, and has to be built again */
    uint32_t table;
};

struct sync_config {
    struct mirror *mirror;        /* borrowed */
    struct change_source *source; /* borrowed; closed by its owner after sync_close */
    /*
     * Below TABLE_SOURCES_MOST, and no other's of the same mirror; 0: our own file. The source gives its tables plain numbers; those of the
     * mirror, and of what is told here, have this one in their upper 8 bits.
     */
    uint32_t source_number;
    /* Does the table keep a history (sync_history.c)? Any thread; NULL: none does. Told once for each load. */
    bool (*keeps_history)(void *context, const char *table);
    void *history_context;
    int64_t history_max_age_us;    /* versions that ended so long ago are forgotten; 0: none for that */
    uint32_t history_max_versions; /* of a row, that ended; the older ones are forgotten. 0: none for that */
    struct sync *beside;    /* the first that was opened on this mirror, which outlives this one; NULL: this is it */
    size_t batch_rows;      /* rows held at a time */
    uint32_t build_threads; /* loaders of one build; 0: one per core */
    uint32_t interval_ms; /* 0: driven by sync_wake and, for foreign commits, a look at the token every 50 ms at most */
    bool prune;           /* forget applied changes in the source */
    /* The source may take long to answer: once the background runs, cycles are its alone, so that who waits for one may leave when he likes. */
    bool remote;
    bool build_on_demand; /* don't build anything before sync_start or sync_build asks (one-shot commands) */
    const struct base_log *log;
    void (*fault)(void *context, const char *point); /* tests: called at every named point of a cycle and build */
    void *fault_context;
    uint32_t
        scrub_interval_ms; /* compare every table with its mirror so often, in the background; 0: only after doubt */
    /*
     * How that is done, by the builder's thread, with no lock, while there is nothing to build: a step at a time, of a fraction of a second, between
     * which nothing is held. `stop` ends a step, which is made again then. NULL: as after doubt, each table as one state.
     */
    void (*scrub)(void *context, const struct sync_stop *stop, struct sync_scrubbed *done);
    void *scrub_context;
    bool
        loses; /* the source tells whole states, or somebody else takes what it tells of: that changes are gone is no trouble */
    bool no_verify; /* nothing is compared in the background: whoever looks at a mirror wants to see it as it is */
    struct sync_observer observer; /* empty, or both functions */
    /* By the builder's thread, with no lock: tables became READY, the largest with so many rows. May be NULL. */
    void (*built)(void *context, uint64_t rows);
    void *built_context;
    /*
     * The mirror has tables already, unpublished, as of this position: those that the source still has go on from there, the
     * others go. They are compared with the source in the background.
     */
    bool restored;
    int64_t restored_position;
    /* The mirror has histories already, unpublished: they go on with their tables, whether those are restored or not. */
    bool histories;
    int64_t histories_position; /* of the state that they are of; -1: it isn't known to be one of this source */
    bool (*lost_versions)(void *context, uint32_t table); /* which of their tables aren't whole. May be NULL: all are */
    void *lost_context;
    bool keeps_log; /* nothing is pruned beyond what sync_durable said, and nothing before it said anything */
};

rhei_status sync_open(const struct sync_config *config, struct sync **sync, struct rhei_error *error);
/*
 * Stops the loop and the builds, waits for the cycle that runs. The tables of a source that was beside another go from the mirror,
 * with a publish; its number may be used again then. Accepts NULL.
 */
void sync_close(struct sync **sync);

/* Changes up to here are kept elsewhere, and may be pruned; INT64_MAX: as far as they are applied. Any thread. */
void sync_durable(struct sync *sync, int64_t position);

/* What this needs of the source, in a crash too, begins behind this position; INT64_MAX: nothing. Any thread. */
int64_t sync_needed(struct sync *sync);

/* Calls `run` as the mirror's writer between two cycles, and publishes what came of it; it has to be done in microseconds. Any thread. */
void sync_exchange(struct sync *sync, void (*run)(void *context), void *context);

/*
 * Something of the mirror was found damaged: its table is built again soon, or a history goes on without it. Any thread, whatever it holds but the locks
 * of the loop's waking.
 */
void sync_mend(struct sync *sync);
/* Of which tables' histories versions were lost so since the opening, for people; false: of none. Any thread. */
bool sync_lost_versions(struct sync *sync, char *message, size_t size);

/* The background loop: cycles on sync_wake, builds of tables that need one, compaction, pruning. */
rhei_status sync_start(struct sync *sync, struct rhei_error *error);
void sync_stop(struct sync *sync);
/*
 * Forgets what is due of histories, for who never starts the background that does so: before the end, if any cycle ran. Nothing of it is known
 * before the first. No call may be under way.
 */
void sync_forget(struct sync *sync);
/*
 * Up to when all is known of the tables that keep a history is shown with it, for whoever goes on from what is published now and can't tell that from the
 * log any more. Any thread, outside calls.
 */
void sync_note_known(struct sync *sync);
bool sync_is_running(const struct sync *sync);
/* Whether the observer is told. What was committed before it began may be told all the same; what follows is, always. Any thread. */
void sync_observe(struct sync *sync, bool on);
/* There may be something to do. Costs nanoseconds when the loop is awake already; never blocks. */
void sync_wake(struct sync *sync);

struct sync_report { /* of one cycle */
    int64_t position;
    uint64_t events, inserted, updated, deleted, pruned;
    int64_t duration_ns;
    int64_t oldest_us; /* when the first of its changes was made, by the source's clock; 0: there is none that tells */
};
/*
 * One cycle on this thread (or waits for the one that runs and then does its own if that began too early); none where the source says
 * that there is nothing to do, which costs nanoseconds.
 */
rhei_status sync_cycle(struct sync *sync, struct sync_report *report, struct rhei_error *error);

/* The same until `stop` (may be NULL) ends it. */
rhei_status sync_cycle_while(struct sync *sync, const struct sync_stop *stop, struct sync_report *report,
                             struct rhei_error *error);
/* Everything that was committed before the call was published: sync_wait_latest would return at once. No lock, no clock. */
bool sync_nothing_pending(const struct sync *sync);
/*
 * The last cycle failed, and the background tries again by itself: a wait now may last as long as the source takes to say that it is away.
 * Nothing is said of a source that only its callers follow. No lock.
 */
bool sync_is_away(const struct sync *sync);
/* The last cycle failed, because a remote source lets nobody in who asks so: to wait mends nothing. No lock. */
bool sync_is_refused(const struct sync *sync);
/* Nothing of the source comes at the moment: it was asked and hasn't answered, or isn't asked. No lock. */
bool sync_is_asking(const struct sync *sync);
/* A cycle was published: what was taken over is shown, or gone. No lock. */
bool sync_is_primed(const struct sync *sync);
/*
 * Returns when the mirror shows everything that was committed in the source before this call. If nothing is pending it costs
 * nanoseconds; else one cycle, shared by all who wait. deadline_ns 0: none; then RHEI_STALE.
 */
rhei_status sync_wait_latest(struct sync *sync, int64_t deadline_ns, const struct sync_stop *stop,
                             struct rhei_error *error);
/* The same, and which tables and columns there are is asked for anew, whatever the source would have put off. */
rhei_status sync_wait_names(struct sync *sync, int64_t deadline_ns, const struct sync_stop *stop,
                            struct rhei_error *error);
/* The same if the mirror is older than max_age_ms, else returns at once. */
rhei_status sync_wait_bounded(struct sync *sync, int64_t max_age_ms, int64_t deadline_ns, const struct sync_stop *stop,
                              struct rhei_error *error);
/*
 * base_now_ns of the last moment at which the mirror was known to show every commit: a result's age is now minus this.
 */
int64_t sync_fresh_at_ns(const struct sync *sync);
int64_t sync_position(const struct sync *sync); /* of its source */

enum sync_table_state {
    SYNC_TABLE_WAITING = 0, /* needs a build; not begun */
    SYNC_TABLE_BUILDING = 1,
    SYNC_TABLE_READY = 2,      /* the mirror may answer */
    SYNC_TABLE_FAILED = 3,     /* the mirror can't follow it: see message; SQLite answers until sync_rebuild */
    SYNC_TABLE_UNMIRRORED = 4, /* no usable key, too wide, excluded: see message */
};
struct sync_table_status {
    char name[256];
    uint32_t id;
    enum sync_table_state state;
    uint64_t rows, rows_built, rows_expected;
    int64_t position;
    char message[256];
    bool restored;  /* it is the one that the mirror had when it was opened, followed since */
    char clash[64]; /* sync_history_clash, cut; "": none */
};
/* The column whose name is one of those that a history has for itself; NULL: none. A table that has one keeps no history. Any thread. */
const char *sync_history_clash(const struct source_table *table);
/* For tests, as readers ask the snapshot that they have: is the table of that id READY in the state the mirror publishes now? */
bool sync_table_ready(const struct sync *sync, uint32_t table);
/* Builds what needs a build, on background threads; `wait`: until all are READY or FAILED (or deadline / stop). */
rhei_status sync_build(struct sync *sync, bool wait, int64_t deadline_ns, const struct sync_stop *stop,
                       struct rhei_error *error);
/* How many tables became READY since the opening: if it grew, one that wasn't ready may be by now. Any thread. */
uint64_t sync_built(const struct sync *sync);
/* Those of them that were read from their source, not taken over. */
uint64_t sync_loaded(const struct sync *sync);
/*
 * Waits while the table of that name, which was READY once, is being built anew by itself; *waited: it was. RHEI_STALE after the
 * deadline, with what made it necessary.
 */
rhei_status sync_wait_again(struct sync *sync, const char *table, int64_t deadline_ns, const struct sync_stop *stop,
                            bool *waited, struct rhei_error *error);
/* Throws one table's mirror (NULL: all) away and builds it anew in the background. */
rhei_status sync_rebuild(struct sync *sync, const char *table, struct rhei_error *error);
/*
 * Until as many resumes as pauses the background compares no table with its mirror, nor acts on what it found: the caller compares, and
 * mends in his own way. Cycles go on, and build again what they must. Any thread.
 */
void sync_verify_pause(struct sync *sync);
void sync_verify_resume(struct sync *sync);

/* Versions that are valid were lost, and the load that their rows begin anew with wasn't made yet: of no time all is told. */
#define HISTORY_KEPT_NEVER INT64_MAX
/*
 * The history of a table, generation by generation: its columns changed from one to the next. Each has a table of the mirror with the
 * versions that ended, and the newest one another with those that are valid.
 */
/* Between the two nothing is known of the table: it wasn't followed, and changes came. Both ends are known. Open: INT64_MAX. */
struct sync_gap {
    int64_t from_us, to_us, from_seq, to_seq;
};
enum { SYNC_GAPS_MOST = 32 };
struct sync_generation {
    uint32_t number;
    int64_t origin; /* of its table (source_table); 0: unknown */
    uint32_t line;  /* of one table, whatever its columns and its name became: the number of the first of them */
    char *table;    /* whose versions these are, as it is named now, or was when it went */
    char **names;   /* [name_count] of the table's columns in it, as they are named now, or were when they went */
    uint32_t name_count;
    bool current;     /* the table's columns are these now; the versions that are valid are in this one */
    int64_t began_us; /* when its load began */
    int64_t
        gone_us; /* when the table went, or ceased to keep a history: no version is valid from there on. 0: it didn't */
    int64_t gone_seq;
    int64_t from_us; /* another table had its name until then, and is what was behind that before. 0: none had */
    int64_t from_seq;
    struct sync_gap
        gaps[SYNC_GAPS_MOST]; /* in their order; the last one may be open, and is until the table went, if it did */
    uint32_t gap_count;
    int64_t known_us; /* and up to when all is known, where that is later than its versions say; 0: unknown */
    int64_t kept_us;  /* of the versions that ended by then not all are here any more. 0: all are; HISTORY_KEPT_NEVER */
    int64_t kept_seq;
    /* In the book of a sync: of which list of tables it was found gone; */
    uint64_t round;
    /* and how many versions, up to which row, retention by number last went through in vain. */
    uint64_t counted;
    int64_t counted_to;
};
struct sync_book {
    struct sync_generation **generations; /* sorted by number */
    size_t count, capacity;
    uint32_t next_number;
    bool in_mirror; /* of a sync: the mirror has its table */
};
/* What a state tells of a source's histories; end with sync_book_free. RHEI_NO_MEMORY. Any thread. */
rhei_status sync_book_read(const struct mirror_snapshot *snapshot, uint32_t source, struct sync_book *book,
                           struct rhei_error *error);
void sync_book_free(struct sync_book *book);
/*
 * Grows with a publish in which a history has another form, begins at another time or isn't followed any more: what was read between two calls that
 * return the same is of one side of it. Nanoseconds, but for one that is under way, which is waited for. Any thread.
 */
uint64_t sync_histories_changed(struct sync *sync);
/* The same for who must not wait: while such a publish is under way, a number that the call above never returns. */
uint64_t sync_histories_now(const struct sync *sync);
/* Their tables' numbers. */
void sync_generation_parts(uint32_t source, uint32_t number, uint32_t *open, uint32_t *ended);

struct sync_histogram { /* power-of-two buckets of nanoseconds: bucket i counts (2^(i-1), 2^i] */
    uint64_t bucket[48];
    uint64_t count, sum_ns;
};
struct sync_status {
    bool running;
    int64_t position;
    int64_t age_ns; /* since fresh_at */
    uint64_t cycles, events, inserted, updated, deleted, pruned, builds, failures;
    int64_t last_cycle_ns, last_cycle_events;
    struct sync_histogram cycle_time;
    struct sync_histogram delay; /* of cycles with changes: from the oldest until it was shown, to a millisecond */
    uint32_t tables, tables_ready;
    char last_error[256];
    uint64_t forgotten;                     /* versions that retention took */
    uint64_t versions;                      /* rows of all tables of histories */
    uint64_t verifications, differences;    /* comparisons of all tables in the background; tables that differed */
    int64_t away_ns;                        /* since cycles began to fail; 0: the last one didn't */
    char away_why[RHEI_ERROR_MESSAGE_SIZE]; /* why the last one did */
};
void sync_get_status(struct sync *sync, struct sync_status *status);
/* Free *tables with base_free. */
rhei_status sync_get_tables(struct sync *sync, struct sync_table_status **tables, size_t *count,
                            struct rhei_error *error);

#endif
