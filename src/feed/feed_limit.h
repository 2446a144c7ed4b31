/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of a change buffer, measured: rows, bytes, age. One thread at a time. */
#ifndef FEED_FEED_LIMIT_H
#define FEED_FEED_LIMIT_H

#include "port/change_buffer.h"

struct feed_limits {
    uint64_t rows, bytes; /* 0: none */
    int64_t age_ns;       /* since a change came into the buffer, or since the opening; 0: none */
    bool keeps;           /* what is over a limit isn't dropped, but told */
};

enum { FEED_LIMIT_MARKS = 64, FEED_LIMIT_TEXT = 200 };

struct feed_limit {
    struct feed_limits limits;
    /* The changes up to a position were there at that time: ascending, the first at most is too old. */
    struct {
        int64_t time_ns, position;
    } marks[FEED_LIMIT_MARKS];
    uint32_t mark_count;
};

/* Everything up to `position` is in the buffer now. */
void feed_limit_note(struct feed_limit *limit, int64_t position, int64_t now_ns);
/*
 * Up to which position changes have to go for the rest to be within the limits; 0: it is. The last commit stays whatever it is. `text`
 * gets which limit is passed, and by how much.
 */
int64_t feed_limit_cut(struct feed_limit *limit, const struct change_buffer_state *state, uint64_t bytes,
                       int64_t now_ns, char text[FEED_LIMIT_TEXT]);

#endif
