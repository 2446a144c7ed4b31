/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket for a durable queue of change events between a source and the mirror (RocksDB later, a list in tests).
 *
 * Commits are numbered by the buffer: 1, 2, 3, without a gap, however often it was opened. Their positions never fall; several may
 * share one, where something became known without a change. One thread appends, one reads; each function says what may run beside it.
 */
#ifndef PORT_CHANGE_BUFFER_H
#define PORT_CHANGE_BUFFER_H

#include "port/change_event.h"

struct change_buffer;

struct change_buffer_state {
    uint64_t last;       /* number of the last commit; 0: there was none */
    int64_t position;    /* its position, or 0 */
    int64_t time_us;     /* and time */
    uint64_t pruned;     /* commits up to this number are gone */
    int64_t horizon;     /* changes up to this position aren't here: pruned, or from before the first commit */
    uint64_t lost_all;   /* number of the last commit with a LOST of all tables; 0: none */
    uint64_t definition; /* number of the last commit with a TABLE or GONE; 0: none */
};

struct change_buffer_ops {
    const char *name;
    /*
     * Adds events, copied. They count from the call that brings their COMMIT, and are durable when that one returns RHEI_OK; after a
     * crash, a rollback or a failed call what has no COMMIT is gone. A COMMIT ends a call. One thread.
     */
    rhei_status (*append)(struct change_buffer *buffer, const struct change_event *events, size_t count,
                          struct rhei_error *error);
    /* Forgets what was appended after the last COMMIT. The appending thread. */
    void (*rollback)(struct change_buffer *buffer);
    /* Of what is durable. Any thread. */
    void (*state)(struct change_buffer *buffer, struct change_buffer_state *state);
    /* The number of the last commit at or before a position; at least `pruned`. Any thread. */
    uint64_t (*find)(struct change_buffer *buffer, int64_t position);
    /*
     * Whole commits after number `after`: at least one if there is one, more until about `max_rows` rows, none beyond `until`.
     * *number: the last one given; *count = 0: none. The events live until the next call. RHEI_STALE: they were pruned.
     * One reading thread, beside append.
     */
    rhei_status (*read)(struct change_buffer *buffer, uint64_t after, uint64_t until, size_t max_rows, uint64_t *number,
                        const struct change_event **events, size_t *count, struct rhei_error *error);
    /* The definitions after commit `number`, which isn't pruned, or the last one that was. They live until the next call. Reading thread. */
    rhei_status (*tables)(struct change_buffer *buffer, uint64_t number, const struct source_table *const **tables,
                          size_t *count, struct rhei_error *error);
    /*
     * Commits up to this position may go; definitions of tables that are still there afterwards are kept. The last commit stays. Any
     * thread; what a reader was given lives on.
     */
    rhei_status (*prune)(struct change_buffer *buffer, int64_t position, uint64_t *pruned, struct rhei_error *error);
    void (*close)(struct change_buffer **buffer);
};

/* First member of every implementation's struct. */
struct change_buffer {
    const struct change_buffer_ops *ops;
};

#endif
