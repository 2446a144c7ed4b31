/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket for a durable queue of change events between a source and whoever follows it (RocksDB, a list in tests).
 *
 * Commits are numbered by the buffer: 1, 2, 3, without a gap, however often it was opened. Their positions never fall; several may
 * share one, where something became known without a change. One thread appends; any number of readers read, each in one thread at a time.
 */
#ifndef PORT_CHANGE_BUFFER_H
#define PORT_CHANGE_BUFFER_H

#include "port/change_event.h"

struct change_buffer;
struct change_reader;

struct change_buffer_state {
    uint64_t last;    /* number of the last commit; 0: there was none; `pruned`: none is kept */
    int64_t position; /* its position, or 0 */
    int64_t time_us;  /* and time */
    uint64_t mark;    /* and mark */
    uint64_t pruned;  /* commits up to this number are gone */
    int64_t
        horizon; /* changes up to this position aren't here: pruned, or from before the first commit; INT64_MAX: none are */
    uint64_t lost_all;   /* number of the last commit with a LOST of all tables; 0: none */
    uint64_t definition; /* number of the last commit with a TABLE or GONE; 0: none */
};

/* How far a reader is. */
struct change_cursor {
    uint64_t number; /* the commits up to this one were read, */
    uint32_t part;   /* and so many parts of the next */
};

struct change_buffer_ops {
    const char *name;
    /*
     * Adds events, copied. They count from the call that brings their COMMIT, and are durable when that one returns RHEI_OK; after a
     * crash, a rollback or a failed call what has no COMMIT is gone. A COMMIT ends a call. One thread.
     */
    rhei_status (*append)(struct change_buffer *buffer, const struct change_event *events, size_t count,
                          struct rhei_error *error);
    /* Forgets what was appended after the last COMMIT. The appending thread. After a failed append it has to be called before the next. */
    void (*rollback)(struct change_buffer *buffer);
    /* Of what is durable. Any thread. */
    void (*state)(struct change_buffer *buffer, struct change_buffer_state *state);
    /* The number of the last commit at or before a position; at least `pruned`. Any thread. */
    uint64_t (*find)(struct change_buffer *buffer, int64_t position);
    /* Ends before the buffer is closed. Any thread. */
    rhei_status (*reader_open)(struct change_buffer *buffer, struct change_reader **reader, struct rhei_error *error);
    void (*reader_close)(struct change_reader **reader);
    /*
     * The events behind the cursor, which moves: of whole commits, none beyond number `until`, as far as about `max_rows` rows go, or the next part
     * of one that is longer. *count = 0: there are none. The events live until the reader's next call. RHEI_STALE: they were pruned;
     * RHEI_NOT_A_DATABASE: they are damaged.
     */
    rhei_status (*read)(struct change_reader *reader, struct change_cursor *cursor, uint64_t until, size_t max_rows,
                        const struct change_event **events, size_t *count, struct rhei_error *error);
    /* The definitions after commit `number`, which isn't pruned, or the last one that was. They live until the reader's next call. */
    rhei_status (*tables)(struct change_reader *reader, uint64_t number, const struct source_table *const **tables,
                          size_t *count, struct rhei_error *error);
    /*
     * Commits up to this position may go; definitions of tables that are still there afterwards are kept. The last commit stays. Any
     * thread; what a reader was given lives on.
     */
    rhei_status (*prune)(struct change_buffer *buffer, int64_t position, uint64_t *pruned, struct rhei_error *error);
    /*
     * Everything goes, numbers go on (`pruned` is `last` then, and the horizon INT64_MAX). The next commit begins anew as the first one
     * did, at any position. The appending thread.
     */
    rhei_status (*clear)(struct change_buffer *buffer, struct rhei_error *error);
    uint64_t (*bytes)(struct change_buffer *buffer); /* about so many are kept. Any thread */
    void (*close)(struct change_buffer **buffer);
};

/* First member of every implementation's struct. */
struct change_buffer {
    const struct change_buffer_ops *ops;
};

struct change_reader {
    struct change_buffer *buffer;
};

#endif
