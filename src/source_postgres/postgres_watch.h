/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a source: how far it is behind by the server's own clock, and what the server keeps for its slot. The thread that runs the cycle
 * tells it; any thread may ask.
 *
 *   W1. The log says it once when the WAL that a slot keeps passes a limit, and again when it has doubled; the state says it always.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_WATCH_H
#define SOURCE_POSTGRES_POSTGRES_WATCH_H

#include "base/base_thread.h"
#include "source_postgres/postgres_connection.h"

struct postgres_watch {
    const struct source_postgres_config *config; /* borrowed */
    int64_t looked_ns;
    int64_t warned_bytes[SOURCE_POSTGRES_SLOTS_MOST]; /* of the slot of that name, when the log last said it */
    char warned[SOURCE_POSTGRES_SLOTS_MOST][64];
    bool ending; /* the log said that the server is about to give the slot up */

    base_mutex lock; /* of all below */
    struct source_postgres_slot slots[SOURCE_POSTGRES_SLOTS_MOST];
    size_t slot_count;
    uint64_t asked;         /* the server's position, when it was last asked */
    int64_t asked_clock_us; /* and its clock */
    int64_t asked_ns;       /* and ours */
    int64_t told_clock_us;  /* its clock when the last cycle that was told of asked */
    int64_t had_clock_us;   /* its clock when everything of that moment had arrived, at last */
    bool away;
};

void postgres_watch_init(struct postgres_watch *watch, const struct source_postgres_config *config);
void postgres_watch_reset(struct postgres_watch *watch);
/* Asks after the slot, and those that nobody reads, each `look_ms`. */
rhei_status postgres_watch_look(struct postgres_watch *watch, struct postgres_connection *connection, const char *slot,
                                int64_t deadline_ns, struct rhei_error *error);
void postgres_watch_asked(struct postgres_watch *watch, uint64_t position, int64_t clock_us);
/* The cycle has everything, not everything, or nothing. */
void postgres_watch_told(struct postgres_watch *watch, rhei_status status, bool behind);
/* `seen`: how far the source has come. */
void postgres_watch_state(struct postgres_watch *watch, uint64_t seen, struct source_postgres_state *state);

#endif
