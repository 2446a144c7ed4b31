/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream of a slot's changes, taken in by a thread of its own, which also answers the server while others apply.
 *
 *   R1. Every transaction that ends in (low, seen] is in the queue, or was forgotten because somebody said so; none behind `seen` is.
 *   R2. A connection that is made again goes on at `seen`. Where the server hasn't what follows it any more (the slot went further, or is another one; the
 *       database is another, or an older one), there is a gap: the queue is emptied and `low` is where the stream goes on, so who asks for changes
 *       from before it is told that they are lost.
 *       A gap stays one until a cycle was told of it, wherever the positions of before and behind lie: those of another server may be lower.
 *   R3. What is confirmed to the server was forgotten before, or lies behind everything that the queue has; where positions are kept, it is one that was
 *       kept (`kept`), and never more.
 *   R4. A stream goes on only on the cluster that it is of. Where the server was started anew since, or is of another timeline (a standby that was promoted), it may
 *       have been restored to an older state and have come by its positions again, with other changes: then it is compared first with what was seen
 *       (postgres_check.h), unless its slot was confirmed up to exactly there.
 *   R5. Who waits for a position leaves off before it only if everything that ended up to it is in the queue all the same: the server's flush position may lie
 *       within a record, behind which nothing is sent. A keepalive is sent before its sender looks how far the server has flushed, and the connection keeps the
 *       order. So it is enough that of one sender a keepalive that was sent after the position was asked for has arrived, that the sender was then seen to wait
 *       for more WAL, and that a keepalive sent after that has arrived, too. What was sent when is told by the server's clock alone: answers to questions of
 *       earlier waits, and keepalives that nobody asked for, look the same. A clock that was seen to go back makes it begin anew. One that goes back unseen, between
 *       the look at it and the keepalive that is compared with it, lets a keepalive of before the look count for one behind it, if it was sent later by that clock
 *       than the look was. One such step can do that to one of the two rounds, and the other holds; two of them, one in each, would let it leave off too early. No test
 *       can step a server's clock without stepping the machine's: what is tested is who waits, and what was sent when.
 *   R6. A server's process answers every question that has come before it looks for more WAL. Where the next question is there as soon as one is answered, as it
 *       is when they take turns on a processor, it never gets there. So behind the first few there is a pause before each.
 *   R7. A server that shuts down isn't kept waiting (postgres_ending.h): what can be kept is wished to be (`wishes`), and confirmed; then, or when its time is over, the
 *       connection is ended. What it told is in the queue, and it goes on at `seen` when it is back, as after any other end (R2, R4).
 */
#ifndef SOURCE_POSTGRES_POSTGRES_STREAM_H
#define SOURCE_POSTGRES_POSTGRES_STREAM_H

#include "base/base_thread.h"
#include "source_postgres/postgres_check.h"
#include "source_postgres/postgres_connection.h"
#include "source_postgres/postgres_queue.h"

struct postgres_stream {
    const struct source_postgres_config *config; /* borrowed */
    struct postgres_stop stop;
    int wake_fd;
    bool
        blind; /* of its thread: the slot lies before where the publication was made, and such a server can't read past that */

    base_mutex lock; /* of all below */
    base_thread thread;
    bool started, ended;
    base_cond changed;
    struct postgres_queue queue;
    uint64_t low, seen;
    uint64_t awaited;             /* who waits is woken once this was seen, and not at each commit before it */
    uint64_t wanted;              /* where to begin at first; 0: now */
    uint64_t forgotten;           /* by prune */
    bool gap;                     /* R2: and no cycle was told */
    struct postgres_mark mark;    /* the last transaction that was seen */
    struct postgres_mark earlier; /* before the start: where `mark` lies behind what is wanted, this one doesn't */
    uint64_t loaded;              /* a table was read at this position, which the stream may not have come to yet */
    bool strayed;                 /* R4: it is the same server no more */
    bool keeps;                   /* positions are kept elsewhere, */
    uint64_t kept;                /* the newest of them */
    bool connected;
    bool reading;    /* a cycle reads the queue: it may grow, and nothing else */
    bool paused;     /* the queue is full; the server waits */
    bool wake_armed; /* nobody was told since the last cycle */
    struct rhei_error why;
    char system[40];   /* the database cluster's number and its timeline */
    char up_since[24]; /* when the server was started that `seen` was last seen on; "": unknown */
    char slot[80];     /* its name, as of the last connection */
    uint64_t reloads;
    char reloaded[200]; /* why the stream couldn't go on where it was, the last time */
    int version, backend;
    uint64_t keepalives, messages; /* how many came; messages of changes */
    int64_t keepalive_us;          /* when the last one was sent, by the server's clock */
    bool ping;                     /* one is to be asked for */
    bool doubted;                  /* R7: the thread that runs the cycle finds the server away */
    bool awaited_here;             /* somebody waits for it while there is none, and the server is there */
    uint64_t wishes, fulfilled;    /* R7: how often what can be kept was wished to be; up to which it was */
};

rhei_status postgres_stream_init(struct postgres_stream *stream, const struct source_postgres_config *config,
                                 struct rhei_error *error);
/* Ends waits and the thread. */
void postgres_stream_interrupt(struct postgres_stream *stream);
void postgres_stream_reset(struct postgres_stream *stream); /* ends the thread */
/* Starts the thread, once. `after`: 0, or the position from which changes are wanted. */
rhei_status postgres_stream_start(struct postgres_stream *stream, uint64_t after, struct rhei_error *error);
/* Waits until a connection was made or failed, since the call or before; RHEI_OK: it is connected. */
rhei_status postgres_stream_await(struct postgres_stream *stream, int64_t deadline_ns, struct rhei_error *error);
/* How far the server had flushed, and what its clock said then or later, but before the wait; microseconds since 1970. */
struct postgres_moment {
    uint64_t position;
    int64_t clock_us;
};
/* Does that process of the server wait for more WAL? Sets *clock_us to the server's clock of when it was looked, or leaves it alone where it can't be had. */
typedef bool postgres_idle(void *context, int backend, int64_t *clock_us);
/*
 * Waits until everything that ended up to `moment` is there (R5); `idle` is asked when the stream stands still before it. RHEI_TIMEOUT: not in time; RHEI_BUSY:
 * the queue is full, read it first.
 */
rhei_status postgres_stream_reach(struct postgres_stream *stream, struct postgres_moment moment, int64_t deadline_ns,
                                  postgres_idle *idle, void *context, struct rhei_error *error);
/* Under no lock: what ends up to there may go, and be confirmed. */
void postgres_stream_forget(struct postgres_stream *stream, uint64_t end);
/* The same: positions are kept elsewhere, up to there by now. */
void postgres_stream_keep(struct postgres_stream *stream, uint64_t position);
void postgres_stream_wake(struct postgres_stream *stream);
/* R7. The number of the newest wish; 0: there was none. */
uint64_t postgres_stream_wishes(struct postgres_stream *stream);
/* What could be kept when that one was made, or more, is: postgres_stream_keep told it. */
void postgres_stream_fulfil(struct postgres_stream *stream, uint64_t wish);
/* The server can't be had for other questions than this one. */
void postgres_stream_doubt(struct postgres_stream *stream, bool doubted);
/* The server is there, and somebody waits: a connection that failed is tried again within a second. */
void postgres_stream_hasten(struct postgres_stream *stream);

#endif
