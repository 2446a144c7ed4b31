/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a server that was started anew, or promoted, is still the one whose changes were seen. A copy of its folder from before, put back and written to
 * until its positions are beyond what was seen, has the same number, the same timeline and the same slot, but other changes at those positions. Owner thread.
 *
 *   K1. A slot knows up to where it was confirmed. A server confirms nothing that wasn't seen, so up to there every copy has the changes that were seen.
 *   K2. What it sends from there on has to come to what was seen: the last transaction of that ends where it did, with its number and its commit's time, and none
 *       ends behind it up to where everything was seen. A history that parted before that transaction hasn't got it; one that parted behind it, in a place that
 *       was seen to be empty, has changes there, or none that matter.
 *   K3. Nothing of what is read for it is kept or confirmed: it is read with a stream of its own, which ends with it.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_CHECK_H
#define SOURCE_POSTGRES_POSTGRES_CHECK_H

#include "source_postgres/postgres_connection.h"

/* A transaction that was seen, by what no other one shares with it. */
struct postgres_mark {
    uint64_t end;
    uint32_t xid; /* 0: none was seen, and `end` is from where on all was */
    int64_t time_us;
};

/* Where the slot was confirmed up to `confirmed`: can it be known at all? */
bool postgres_check_can(const struct postgres_mark *mark, uint64_t confirmed);
/*
 * Of a connection that streams from `confirmed`, until it is past `seen`. *same: K2. The connection is to be ended then. A server that doesn't get there though
 * nothing holds it up for `patience_ms` isn't the same.
 */
rhei_status postgres_check(struct postgres_connection *connection, const struct postgres_mark *mark, uint64_t confirmed,
                           uint64_t seen, int64_t patience_ms, bool *same, struct rhei_error *error);

/* What is told to the server of a stream: up to where it was received, and what may be let go of. */
rhei_status postgres_tell_server(struct postgres_connection *connection, const char *what, uint64_t received,
                                 uint64_t confirmed, bool answer, struct rhei_error *error);

#endif
