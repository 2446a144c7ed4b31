/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that is made again, by cycles that may be asked for many times a second while somebody waits. Owner thread.
 *
 *   A1. A server that can't be had is asked at most once in a time that grows to a second with the number of failures; between two tries the last one's words are
 *       told. So a waiting call has its answer within a second of the server's return, and however many wait, they don't keep it busy with refusing them.
 *   A2. Where nobody ever answered, and after a second still nobody listens there, the address is wrong rather than the server away: RHEI_CANT_OPEN.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_AGAIN_H
#define SOURCE_POSTGRES_POSTGRES_AGAIN_H

#include "source_postgres/postgres_connection.h"

/* All zero at first. */
struct postgres_again {
    unsigned failures;     /* in a row */
    int64_t first_ns;      /* of the first of them */
    int64_t until_ns;      /* no try before */
    bool met;              /* it answered once, if only to refuse */
    struct rhei_error why; /* the last failure */
};

/* As postgres_connect, but for A1 and A2. */
rhei_status postgres_connect_again(struct postgres_again *again, const struct postgres_target *target,
                                   struct postgres_stop *stop, int64_t deadline_ns,
                                   struct postgres_connection **connection, struct rhei_error *error);
/* Between two tries while somebody waits: grows to a second, shortened at random. */
int64_t postgres_again_ms(unsigned failures);

#endif
