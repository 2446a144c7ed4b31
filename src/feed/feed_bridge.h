/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bridge: moves a source's changes into a buffer, by a thread of its own, and forgets them in the source once they are durable there; and a
 * source for whoever follows beside it. Nobody who writes, reads or runs a cycle waits for the bridge (docs/design/change-buffer.md).
 */
#ifndef FEED_FEED_BRIDGE_H
#define FEED_FEED_BRIDGE_H

#include "base/base_log.h"
#include "feed_limit.h"
#include "port/change_buffer.h"
#include "port/change_source.h"

struct feed_bridge;

struct feed_bridge_config {
    struct change_buffer *buffer; /* borrowed */
    struct change_source *source; /* borrowed; nobody else has its cycles */
    size_t batch_rows;            /* asked of the source at a time */
    bool eager;                   /* forget at every step, instead of from time to time */
    struct feed_limits limits;    /* no more than that is kept, whoever needs it, unless `keeps` */
    /* With limits.keeps: they are passed, which `text` tells; NULL: they aren't any more. Also again and again. May be NULL. */
    void (*limited)(void *context, const char *text);
    /* What of the source a follower beside has applied: it stays there so long, if that isn't much. INT64_MAX: nobody follows. May be NULL. */
    int64_t (*applied)(void *context);
    /* The follower needs what came behind this position, wherever it is; INT64_MAX: nothing. Any thread. May be NULL. */
    int64_t (*needed)(void *context);
    /* The lowest position that somebody is at who reads the buffer; INT64_MAX: there is nobody. May be NULL. */
    rhei_status (*read_from)(void *context, int64_t *position, struct rhei_error *error);
    /* Everything from behind `begun` up to `position` is durable in the buffer, or was. May be NULL. */
    rhei_status (*durable)(void *context, int64_t position, int64_t begun, struct rhei_error *error);
    /* The source went back (it was restored), and the buffer is empty now. May be NULL. */
    rhei_status (*restarted)(void *context, struct rhei_error *error);
    void *context;
    const struct base_log *log;
    void (*fault)(void *context,
                  const char *point); /* tests: "feed.pump...", "feed.bridge.moved", ".told", ".pruned", ".dropped" */
    void *fault_context;
};

struct feed_bridge_status {
    int64_t position, horizon;
    uint64_t commits, bytes; /* that are kept */
    uint64_t moved;          /* changes that went into the buffer since the opening */
    uint64_t failures;
    char error[256]; /* of the last step; "": it went well */
};

rhei_status feed_bridge_open(const struct feed_bridge_config *config, struct feed_bridge **bridge,
                             struct rhei_error *error);
/* The thread. */
rhei_status feed_bridge_start(struct feed_bridge *bridge, struct rhei_error *error);
/* Ends the thread, after a last step if `finish`. */
void feed_bridge_stop(struct feed_bridge *bridge, bool finish);
void feed_bridge_close(struct feed_bridge **bridge);
/* One step on this thread: everything that was committed before the call is durable in the buffer. Any thread. */
rhei_status feed_bridge_step(struct feed_bridge *bridge, struct rhei_error *error);
/* Between the two no step runs; a hold waits for the one that does. Any thread. */
void feed_bridge_hold(struct feed_bridge *bridge);
void feed_bridge_release(struct feed_bridge *bridge);
/*
 * Whoever follows beside needs nothing up to this position any more; INT64_MAX: there is nobody. Returns how many changes the source
 * forgot since the last call. Any thread.
 */
uint64_t feed_bridge_needless(struct feed_bridge *bridge, int64_t position);
/* What the buffer has is damaged: it is emptied by the next step. Any thread. */
void feed_bridge_damaged(struct feed_bridge *bridge);
void feed_bridge_get_status(struct feed_bridge *bridge, struct feed_bridge_status *status);

struct feed_beside_config {
    struct feed_bridge *bridge;     /* borrowed */
    struct change_buffer *buffer;   /* borrowed; the bridge's */
    struct change_source *upstream; /* borrowed; of the same file as the bridge's source */
    uint64_t (*id)(void *context);  /* tells this buffer from any other that was in its place */
    void *id_context;
    void (*fault)(void *context, const char *point); /* tests: "feed.beside.read" */
    void *fault_context;
};
/*
 * A source that follows upstream itself, and reads from the buffer only what is gone from upstream. Promises what
 * port/change_source.h asks for. Close it before the bridge.
 */
rhei_status feed_beside_open(const struct feed_beside_config *config, struct change_source **source,
                             struct rhei_error *error);

#endif
