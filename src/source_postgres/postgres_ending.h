/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that shuts down waits for whoever follows a slot, for as long as he is there, until he has confirmed all that it sent. What isn't durable is
 * never confirmed, and what would make it durable may need the server, which lets nobody in any more. So he who follows asks for what can be kept to be kept,
 * confirms that, and leaves. Owner thread.
 *
 *   E1. Nothing in the stream says that a server shuts down. It asks for an answer, and asks again as soon as it has one, without sending anything new; but so
 *       does one with a very short wal_sender_timeout. So it is one that shuts down only if it refuses a new connection, too: it refuses all of them before it
 *       waits for those who follow it.
 *   E2. It is kept waiting for no longer than ENDING_NS, whatever can be kept by then. What was seen and not confirmed is in the queue, or is sent again.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_ENDING_H
#define SOURCE_POSTGRES_POSTGRES_ENDING_H

#include "source_postgres/postgres_connection.h"

#define POSTGRES_ENDING_NS        INT64_C(1000000000) /* E2 */
#define POSTGRES_ENDING_ANSWER_NS INT64_C(20000000)   /* its questions aren't answered more often: it asks at once */

/* Of one connection; all zero at its beginning. */
struct postgres_ending {
    uint64_t end;       /* what the last question told of the server's position */
    unsigned questions; /* in a row that told the same, with no change between them */
    int64_t again_ns;   /* base_now_ns before which it isn't looked again whether it refuses connections */
    int64_t since_ns;   /* base_now_ns of when it was seen to shut down; 0: it wasn't */
};

/* A question that wants an answer. */
void postgres_ending_asked(struct postgres_ending *ending, uint64_t end);
/* A change came. */
void postgres_ending_changed(struct postgres_ending *ending);
/*
 * Whether it is shutting down (E1): where its questions look like that, or `doubted`, it is tried to connect. True once, and from then on.
 */
bool postgres_ending_is_sure(struct postgres_ending *ending, bool doubted, const struct postgres_target *target,
                             struct postgres_stop *stop);

#endif
