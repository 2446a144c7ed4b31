/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which rows a file's log of commits (its WAL) has written between two states: so that a look needn't read everything again that may have changed.
 *
 *   L1. Every row of a table with rowids lies on a leaf of its tree, long ones with a tail of pages of their own. So whatever row was inserted or changed after a
 *       state lies, in a later one, on a leaf that the log has since, or its tail does. Of a leaf the first and last rowid are kept, and how many there are;
 *       a page that is neither a leaf nor another node of a tree may be a tail, and then nothing is known.
 *   L2. SQLite's index of the log counts commits, whoever makes them, and goes on when the log starts anew. A commit's last frame carries the file's size. So
 *       if as many commits are among the frames as that count grew by, none was missed.
 *   L3. Frames are read while a read transaction holds their state. Where all of them were copied into the file that doesn't keep a writer from starting the log anew
 *       over them: it writes other salts into its head first, which is looked at again after the last frame was read.
 *
 * Formats: https://www.sqlite.org/fileformat2.html, https://www.sqlite.org/walformat.html
 */
#ifndef SOURCE_SQLITE_SQLITE_LOG_H
#define SOURCE_SQLITE_SQLITE_LOG_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A state that was pinned, as the log knows it. */
struct sqlite_log_state {
    uint32_t change; /* commits so far */
    uint32_t frames;
    uint8_t salt[8]; /* of this log */
    uint32_t page_size, pages;
};

/* A leaf, as it was written: of its table, whichever that is, it has `rows` rows, from the first of these rowids to the last. */
struct sqlite_span {
    int64_t first, last;
    uint32_t rows;
};

struct sqlite_log {
    struct sqlite_span *spans;
    size_t count, capacity;
    uint8_t *frame;
    size_t frame_capacity;
};

/* Of the state that is pinned. False: there is no log, or it is empty. */
bool sqlite_log_state(sqlite3 *db, struct sqlite_log_state *state);
/*
 * The leaves that were written after `since`, up to `now`, which is pinned: of each at least as it is in `now`. False: nobody knows, or they are
 * so many that it isn't worth it.
 */
bool sqlite_log_read(struct sqlite_log *log, sqlite3 *db, const struct sqlite_log_state *since,
                     const struct sqlite_log_state *now);
void sqlite_log_reset(struct sqlite_log *log);

#endif
