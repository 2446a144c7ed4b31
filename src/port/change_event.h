/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change stream that is complete in itself: a sequence of events in which nothing refers to anything that did not come before.
 * So a durable buffer, a feed or a second process can hold it, send it, and go on from any commit whose tables are known.
 *
 * A COMMIT ends what belongs together: the events since the commit before are seen together or not at all.
 */
#ifndef PORT_CHANGE_EVENT_H
#define PORT_CHANGE_EVENT_H

#include "port/change_batch.h"
#include "port/source_table.h"

enum change_event_kind {
    CHANGE_EVENT_TABLE = 1, /* a definition: rows of this table may follow */
    CHANGE_EVENT_ROWS = 2,  /* a batch */
    CHANGE_EVENT_CLEAR = 3, /* every row of the table goes, at `position` */
    CHANGE_EVENT_GONE = 4,  /* there is no such table any more; its number is never used again */
    CHANGE_EVENT_LOST =
        5, /* what happened to the table (0: to all) up to `position` is not known (INT64_MAX: whenever it is read) */
    CHANGE_EVENT_COMMIT = 6, /* the state at `position` is complete */
    /*
     * Rows as they were, for consumers; whoever applies changes passes over it. A row belongs to the ROWS' one of its number (an update or a deletion); where there
     * is none, it went, and the change behind it puts one of the same key in its place.
     */
    CHANGE_EVENT_BEFORE = 7,
};

/* Owner thread; everything it points to is borrowed from whoever made it. */
struct change_event {
    uint8_t kind;     /* enum change_event_kind */
    uint32_t table;   /* all but COMMIT */
    int64_t position; /* CLEAR, LOST, COMMIT */
    int64_t time_us;  /* COMMIT: microseconds since 1970 */
    uint64_t mark;    /* COMMIT: tells the state from any other of that position (change_stamp.row); 0: nothing does */
    const char *reason; /* LOST: why, for people */
    const struct source_table
        *definition;                 /* TABLE; ROWS: the table's, for its keys, or NULL if every cell holds a value */
    const struct change_batch *rows; /* ROWS; its `lost` is NULL. BEFORE; it has `seq`, and no `op` */
};

#endif
