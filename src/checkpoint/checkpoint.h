/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror's tables in a blob store, so that the next opening needs no load: checkpoints beside writers and cycles, and what a new
 * handle takes over. docs/design/checkpoints.md has the invariants. Any thread, but for open, which is the mirror's writer.
 */
#ifndef CHECKPOINT_CHECKPOINT_H
#define CHECKPOINT_CHECKPOINT_H

#include "base/base_log.h"
#include "mirror/mirror.h"
#include "port/blob_store.h"
#include "port/change_source.h"
#include "port/segment_codec.h"

struct checkpoint;

enum { CHECKPOINT_MOST_CHANGES = 1000000, CHECKPOINT_MOST_BYTES = 64 << 20 }; /* the defaults of what is below */
enum { CHECKPOINT_FILE_NAME = 48 };
struct checkpoint_config {
    struct mirror *mirror;        /* borrowed, as the next three */
    struct change_source *source; /* has stamps; of a sidecar: remembers */
    uint32_t
        source_number; /* whose tables are kept, with their histories. 0: those of our own file; else of a sidecar */
    /* Of a sidecar: what was taken over is shown, or gone. Until then there is nothing to write. */
    bool (*ready)(void *context);
    void *ready_context;
    struct blob_store *store;
    const struct segment_codec *codec;
    uint32_t interval_ms;  /* between two checkpoints while there are changes; 0: 10 s */
    uint64_t most_changes; /* changes after which one is made at once; 0: a million */
    uint64_t most_bytes;   /* bytes of rows that came, the same; 0: 64 MiB */
    bool
        look; /* nothing in the store is changed: another handle may be at work there. No thread, no checkpoint, no eviction */
    /* The database that had the store last, if that is there and another one: what is of it isn't replaced. NULL: there is none. */
    const char *owner;
    bool buffered; /* of a look: changes may be in a buffer beside the log, which isn't read here */
    const struct base_log *log;
    void (*fault)(void *context, const char *point); /* tests: called at every named step; may be NULL */
    void *fault_context;
};

/* Why a look with `buffered` doesn't follow what is there. */
#define CHECKPOINT_IN_BUFFER                                                                        \
    "changes since its checkpoint are in the change buffer alone, where a look doesn't read them; " \
    "rhei_sync_now makes another checkpoint"

/* What was taken over. */
struct checkpoint_restored {
    bool any;         /* false: nothing was, and position means nothing */
    int64_t position; /* of the source, which the restored tables show */
    uint32_t tables;
    uint32_t histories; /* tables of histories, which go on whatever the source went through */
    uint64_t rows;
    int64_t duration_ns;
    bool damaged;                          /* something of the store was */
    bool lost_deltas;                      /* it ended before its newest state, so versions of any table may be lost */
    bool lost_history;                     /* versions are lost, or all that there were of them with the manifest */
    char message[RHEI_ERROR_MESSAGE_SIZE]; /* why not all of it, or nothing; "": nothing is missing */
};

/*
 * Reads the newest checkpoint and puts its tables into the mirror, unpublished, if they are a state of this source: what is damaged is set
 * aside, what is of another file or history is left to be replaced. RHEI_TOO_NEW: a newer version wrote it, and it
 * is left alone. RHEI_OLAP_UNAVAILABLE: the codec can't read its files here, and the same. RHEI_IO, RHEI_NO_MEMORY.
 */
rhei_status checkpoint_open(const struct checkpoint_config *config, struct checkpoint **checkpoint,
                            struct checkpoint_restored *restored, struct rhei_error *error);
/*
 * What checkpoint_open would refuse for a file of which nothing is known: RHEI_EXISTS, RHEI_TOO_NEW. RHEI_NOT_FOUND: there is no checkpoint; RHEI_IO: nor
 * one that can be read. RHEI_NO_MEMORY. Nothing is changed.
 */
rhei_status checkpoint_may_begin(struct blob_store *store, const char *owner, struct rhei_error *error);
/* The calls below may be made by any thread. */

/* Of a sidecar, what its source goes on from (change_source.resume), as it was kept with restored->position. NULL: nothing. Lives as long as the checkpoint. */
const void *checkpoint_state(const struct checkpoint *checkpoint, size_t *len);

/* Of a look: whoever works there made another checkpoint since, so files of this one, and the changes behind it, may be gone. */
bool checkpoint_is_overtaken(struct checkpoint *checkpoint);
/*
 * The name of a file that the view reads from and that turned out damaged or gone, as the newest checkpoint names it; false: that has none. Waits for
 * a checkpoint that is being made.
 */
bool checkpoint_damaged_file(struct checkpoint *checkpoint, const struct mirror_table_view *view, uint32_t table,
                             char name[CHECKPOINT_FILE_NAME]);
struct checkpoint_checking {
    void (*damaged)(void *context, const char *file); /* told of each */
    rhei_status (*goes_on)(void *context, uint32_t rows,
                           struct rhei_error *error); /* behind each file, so many rows more; else it ends so */
    void *context;
    bool
        condemn; /* what `view`, which may be NULL, has of a damaged file only is known as damaged from then on; else it is written again */
};
/* Reads each file that the newest checkpoint has of the table, and compares it with its sums. *damaged: how many are, or are gone. RHEI_NO_MEMORY. */
rhei_status checkpoint_check(struct checkpoint *checkpoint, const struct checkpoint_checking *checking, uint32_t table,
                             const struct mirror_table_view *view, uint32_t *damaged, struct rhei_error *error);
/* Of a table of a history: a file of its versions, or a delta, was damaged or gone when the folder was opened, and what it had is nowhere else. */
bool checkpoint_lost_versions(const struct checkpoint *checkpoint, uint32_t table);
/* Of a look: the table was in what was read, whether it could be taken over or not. */
bool checkpoint_names(const struct checkpoint *checkpoint, uint32_t table);

/*
 * Called before each checkpoint, and where there is none to make: from then on the source keeps its changes behind the position, which is that of the
 * newest one, or no later than that of the first. Where it can't, there is no checkpoint, but the last of a close. Before start.
 */
void checkpoint_hold(struct checkpoint *checkpoint,
                     rhei_status (*hold)(void *context, int64_t position, struct rhei_error *error), void *context);
/* Called after each checkpoint: changes up to the position are durable here and needn't be kept in the source. Before start. */
void checkpoint_tell(struct checkpoint *checkpoint, void (*durable)(void *context, int64_t position), void *context);
/*
 * How segments that are in files are taken out of memory: `exchange` calls `run` as the mirror's writer, and publishes what came of it. Without it, or
 * where the mirror has no limit, none are. Before start.
 */
void checkpoint_exchange(struct checkpoint *checkpoint,
                         void (*exchange)(void *context, void (*run)(void *run_context), void *run_context),
                         void *context);
/* Called by whoever finds a file damaged or gone, whatever he holds: its table has to be built again. Before start. */
void checkpoint_tell_damage(struct checkpoint *checkpoint, void (*mend)(void *context), void *context);
/* `built` counts the tables that were built: when it grew, a checkpoint is made soon. Before checkpoint_start(). */
void checkpoint_watch_builds(struct checkpoint *checkpoint, uint64_t (*built)(void *context), void *context);
/*
 * `wishes` counts how often somebody can't wait for the next one: when it grew, one is made at once, and `fulfil` is told behind it how far it had, whatever came of
 * it. Both from the background thread, with no lock. Before checkpoint_start().
 */
void checkpoint_watch_wishes(struct checkpoint *checkpoint, uint64_t (*wishes)(void *context),
                             void (*fulfil)(void *context, uint64_t wish), void *context);
/* The background thread. */
rhei_status checkpoint_start(struct checkpoint *checkpoint, struct rhei_error *error);
/* A checkpoint of what is published now, unless there is one already; then segments go from memory, if too many are there. One at a time. */
rhei_status checkpoint_run(struct checkpoint *checkpoint, struct rhei_error *error);
/* Ends the thread, makes a last checkpoint, frees. The store stays the caller's, and is closed after the mirror. Accepts NULL. */
void checkpoint_close(struct checkpoint **checkpoint);

struct checkpoint_status {
    uint64_t bytes;  /* of all that the newest checkpoint consists of */
    uint64_t tables; /* that this handle's newest has */
    uint64_t checkpoints, failures;
    uint64_t written;                    /* bytes since the opening */
    int64_t position;                    /* of the newest; -1: there is none */
    int64_t made_ms;                     /* when, since 1970 */
    int64_t duration_ns;                 /* of the last one made */
    char error[RHEI_ERROR_MESSAGE_SIZE]; /* why the last attempt failed; "": it didn't */
    struct checkpoint_restored restored;
};
/*
 * The same of the newest checkpoint in a store that another handle may be writing to: bytes, position and made_ms. RHEI_NOT_FOUND: there is
 * none. RHEI_IO, RHEI_TOO_NEW, RHEI_NO_MEMORY.
 */
rhei_status checkpoint_peek(struct blob_store *store, struct checkpoint_status *status, struct rhei_error *error);
void checkpoint_get_status(struct checkpoint *checkpoint, struct checkpoint_status *status);

#endif
