/* SPDX-License-Identifier: Apache-2.0 */
/* What a watch knows, for its own files alone: capture_watch.c follows the log, capture_watch_same.c compares what it wrote. */
#ifndef CAPTURE_CAPTURE_WATCH_STATE_H
#define CAPTURE_CAPTURE_WATCH_STATE_H

#include "capture/capture_walmap.h"
#include "capture/capture_watch.h"

struct wal_header { /* SQLite's WalIndexHdr, of which sqlite3_snapshot is a copy */
    uint32_t version, unused, change;
    uint8_t initialised, big_endian;
    uint16_t page_size;
    uint32_t last_frame, pages;
    uint32_t checksum[2];
    uint8_t salt[8];
    uint32_t own_checksum[2];
};

struct watch_write {
    uint32_t root, page;
    uint32_t from; /* the log's last frame before the run that wrote it */
};

struct capture_watch {
    struct capture_walmap *map;
    uint32_t page_size;
    uint32_t change, last_frame; /* up to where the log was read */
    uint8_t salt[8];
    uint32_t cookie;
    uint32_t *roots;
    size_t root_count, root_room;
    uint32_t *touched;
    size_t touched_count, touched_room;
    struct watch_write *writes; /* the pages of those, once for each run */
    size_t write_count, write_room;
    bool writes_missing; /* not all of them are there */
    uint32_t *
        frame_pages; /* [1 .. last_frame] whose frame each is, 0: it was there before the watch, and nobody looked yet */
    size_t frame_room;
    /* while a run is read */
    sqlite3_file *file;
    const struct wal_header *now;
    uint8_t *bytes; /* `window_room` of frames, and room for one more, which is read alone */
    size_t window_room;
    uint32_t from;
    uint32_t window, window_count; /* the frames in bytes */
};

/* The log as the connection's open read transaction sees it. */
bool capture_watch_header(struct oltp_connection *connection, struct wal_header *header);
/* The log's file, NULL: it can't be read. */
sqlite3_file *capture_watch_log(struct oltp_connection *connection);
/* So many bytes from a frame's head on. */
bool capture_watch_read(struct capture_watch *watch, uint32_t frame, size_t bytes, uint8_t *to);
bool capture_watch_is_of_log(const struct capture_watch *watch, const uint8_t *head);
/* Whether the log in the file is still the one whose frames were read (V2). */
bool capture_watch_still_there(const struct capture_watch *watch, const struct oltp *oltp);

/* Keeps the pages of the run that the map just settled. False without memory. */
bool capture_watch_keep_writes(struct capture_watch *watch);
/* Room for the pages of the frames up to the last one of the run that begins; `anew`: of a log that began anew. False without memory. */
bool capture_watch_keep_frames(struct capture_watch *watch, bool anew);
void capture_watch_drop_writes(struct capture_watch *watch, bool all);

#endif
