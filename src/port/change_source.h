/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket for whatever changes are read from: our own SQLite log, a sidecar's database, a list in a test.
 *
 * A position is a number that only grows: the sequence number of the last change seen. Positions are per source.
 *
 * Reading goes cycle by cycle: begin pins one consistent state of the source, next hands out every change between a
 * position and that state, end lets go of it. One cycle at a time; calls of a cycle come from one thread, not always the
 * same. `may_have_changes` may be called by any thread at any time. A load runs beside cycles, with its own threads.
 */
#ifndef PORT_CHANGE_SOURCE_H
#define PORT_CHANGE_SOURCE_H

#include "port/change_batch.h"
#include "port/source_table.h"

struct change_source;
struct source_load;
struct source_loader;

/* What a cycle's begin found. */
struct change_cycle {
    int64_t position;    /* last change the pinned state shows; equals `after` when there is nothing new */
    bool schema_changed; /* tables came, went or changed since the last cycle: call tables() inside this cycle */
    bool lost;           /* changes after `after` are gone (pruned, or the file was replaced): rebuild everything */
    bool suspect; /* tables may have changed though no change says so: call next also where position is `after` */
    bool
        behind; /* not all that the source had when begin was called is in the state: it is shown, and is no answer to who waits for that */
    bool doubtful; /* commits were missed, and what they did isn't known: compare the tables, in the background */
    /* Where the source tells later: all that happened to its tables by then, by its own clock, is in the state or was seen before, in microseconds since 1970; 0: unknown. */
    int64_t known_us;
};

/* Told by a load: the state it reads, so that cycles can continue after it. */
struct source_load_info {
    int64_t position;
    uint32_t loader_count; /* may be less than asked for */
    int64_t rows;          /* of the table in that state, counted another way than they are read; left alone: unknown */
    /* Of a source that tells later (tells_later): what its own clock said once the state was there, microseconds since 1970; 0: unknown. */
    int64_t time_us;
    int64_t told; /* the last position with a change, where those up to `position` have none; left alone: that */
    /*
     * By column of the table: what a row that was written before the column was there shows in it (a value that no row has: there was none); NULL: its other
     * columns say what it is, or that isn't known. Lives until load_end; left alone: it isn't known of any.
     */
    const struct rhei_value *const *added;
};

/* What tells a state of a source from any other that may have the same position. */
struct change_stamp {
    char file[64]; /* which file or database */
    uint64_t row;  /* of the change at the position; 0: there was none yet */
    uint64_t also; /* proves the same where the row is gone, or the other way round; 0: nothing does */
};

struct change_source_ops {
    const char *name;
    /*
     * Changes come with the times that the source's own clock said, some time after they were made. So up to when all is known that happened there, only the
     * times of its changes tell, and change_cycle.known_us. False: what was committed before a cycle began is in its state.
     */
    bool tells_later;

    /*
     * A hint that costs nanoseconds and no lock: false only if the source surely has no commit that a cycle begun
     * before `*token` was last refreshed didn't see. begin refreshes the token. Any thread.
     */
    bool (*may_have_changes)(struct change_source *source, uint64_t token);

    /*
     * Before begin: the tables whose changes this cycle applies. Those of others need not be told, and are asked for once those are here, from the
     * state of their load on. NULL: the source tells of all.
     */
    void (*following)(struct change_source *source, const uint32_t *tables, size_t count);

    /*
     * Before begin: somebody waits for all that was committed by now, so nothing of it may be left to a later cycle. `names`: he misses a table or a column, so the
     * list of tables isn't to be an earlier one. NULL: it never is.
     */
    void (*awaited)(struct change_source *source, bool names);

    /* Pins a state. Without new changes this should cost microseconds. `token` may be NULL. */
    rhei_status (*begin)(struct change_source *source, int64_t after, struct change_cycle *cycle, uint64_t *token,
                         struct rhei_error *error);
    /*
     * The next changes: at most about `max_rows` rows, as one batch per table. *count = 0: all were delivered.
     * The batches live until the next call. Changes of a table that the last tables() didn't name are left out.
     * Rows of one change number (both halves of a changed key) are never spread over two calls.
     */
    rhei_status (*next)(struct change_source *source, size_t max_rows, const struct change_batch **batches,
                        size_t *count, struct rhei_error *error);
    /* Ends the cycle; always called after begin succeeded, also when next failed. */
    void (*end)(struct change_source *source);

    /*
     * Whether a table has that many rows in the pinned state, as far as the source knows it in another way than by its changes.
     * Inside a cycle, after all changes were delivered. NULL: it never does.
     */
    bool (*has_rows)(struct change_source *source, uint32_t table, uint64_t rows);

    /* Every table of the pinned state (inside a cycle). Lives until the next call of tables. */
    rhei_status (*tables)(struct change_source *source, const struct source_table **tables, size_t *count,
                          struct rhei_error *error);

    /*
     * Initial load of one table: `loaders` readers of one state, each for a part of the rows. Own threads, beside cycles. Where there are
     * several, info->rows may be filled as late as the end of loader 0, so *info stays where it is until load_end.
     */
    rhei_status (*load_begin)(struct change_source *source, uint32_t table, uint32_t loaders, struct source_load **load,
                              struct source_load_info *info, struct rhei_error *error);
    /* One loader's next rows; *batch = NULL at its end. Each loader number is driven by one thread. */
    rhei_status (*load_next)(struct source_load *load, uint32_t loader, size_t max_rows,
                             const struct change_batch **batch, struct rhei_error *error);
    void (*load_end)(struct source_load **load);
    /* No load is known to follow: what is kept for the next one may go. Beside cycles and loads. NULL: nothing is kept. */
    void (*loads_rest)(struct change_source *source);

    /*
     * Takes a position that no change has, in a transaction of its own: what was told of any position before is of another state then, and a load that begins
     * behind it is of one that nobody was told of. Waits a moment for other writers. Beside cycles and loads. NULL: no position can be taken.
     */
    rhei_status (*advance)(struct change_source *source, uint32_t table, struct rhei_error *error);

    /*
     * Forgets changes up to and including `position` when nobody else needs them: in transactions of its own that writers hardly notice,
     * and may do less. May run beside a cycle or a load; one at a time.
     */
    rhei_status (*prune)(struct change_source *source, int64_t position, uint64_t *pruned, struct rhei_error *error);

    /*
     * How far it has forgotten, by the last prune: less than it was asked to where somebody else needs more. Once something is committed that may be
     * over. Where prune is called, or after it. NULL: as far as it was asked to.
     */
    int64_t (*forgotten)(struct change_source *source);

    /*
     * The stamp of a position whose change is still there. A state that was kept elsewhere goes on only where its stamp is the
     * same. RHEI_NOT_FOUND: the change isn't there, or not any more. Any thread. NULL: positions mean nothing once the source is closed.
     */
    rhei_status (*stamp)(struct change_source *source, int64_t position, struct change_stamp *stamp,
                         struct rhei_error *error);

    /*
     * What it goes on from once it was closed, beside the position of a state: which database it is of, and what its tables' numbers stand for (*bytes:
     * base_free). It is true of every state that is published while it stays the same. RHEI_NOT_FOUND: of what is published now nothing can be
     * gone on with. Any thread. NULL: it never can.
     */
    rhei_status (*remember)(struct change_source *source, void **bytes, size_t *len, struct rhei_error *error);
    /*
     * Before the first cycle, whose `after` is the position of the state that these bytes were kept with. Where the source can't go on from there, that
     * cycle is `lost`, and the log says why. With `remember`.
     */
    rhei_status (*resume)(struct change_source *source, const void *bytes, size_t len, struct rhei_error *error);

    /*
     * Where the file of a kept stamp is another: whether it was this source's all the same, before other programs took away what says so.
     * No state of then is to be gone on with, but the past of it is this source's. Any thread. NULL: never.
     */
    bool (*was)(struct change_source *source, int64_t position, const struct change_stamp *kept);

    /*
     * Before the first cycle: every row of a batch is to be a version as it was made, not only what the pinned state has of its key, and
     * batches have times. Where a source can't for some table, its versions are those of cycles' states. NULL: they always are.
     */
    void (*keep_versions)(struct change_source *source);

    /*
     * How far the file's change log was in the state that has this position, for people: 0 where there is no log, or nobody remembers. Any
     * thread. NULL: positions are the log's own.
     */
    int64_t (*logged)(struct change_source *source, int64_t position);

    void (*close)(struct change_source **source);
};

/* First member of every implementation's struct. */
struct change_source {
    const struct change_source_ops *ops;
};

#endif
