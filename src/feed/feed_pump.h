/* SPDX-License-Identifier: Apache-2.0 */
/* Source -> buffer: one cycle of the source becomes one commit of the buffer. One thread at a time. */
#ifndef FEED_FEED_PUMP_H
#define FEED_FEED_PUMP_H

#include "feed.h"

struct feed_pump {
    const struct feed_config *config;
    const struct source_table *list; /* the source's; lives until its next tables() */
    size_t count;
    bool known;    /* the buffer's definitions are those of `list` */
    bool doubtful; /* the source missed commits; whoever reads the buffer takes it back */
    uint64_t token;
    uint64_t rows; /* that went into the buffer, of failed cycles too */
    struct change_reader *reader;
    struct change_event *events; /* of one call */
    size_t event_room;
};

/* Durable when it returns RHEI_OK: every change that was committed in the source before the call. After an error nothing
 * was added. RHEI_STALE: the source is at a position before the buffer's. */
rhei_status feed_pump_step(struct feed_pump *pump, struct rhei_error *error);

void feed_pump_reset(struct feed_pump *pump);

#endif
