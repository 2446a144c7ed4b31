/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the write-ahead log says of the commits since the last look: whether all were seen, and which tables they touched
 * (docs/design/explained-commits.md, part 7). Locked by its owner.
 */
#ifndef CAPTURE_CAPTURE_WATCH_H
#define CAPTURE_CAPTURE_WATCH_H

#include "capture/capture_internal.h"

struct capture_watch; /* opaque */

/*
 * Begins at the state that the connection's open read transaction sees; reads every page of every table. NULL with RHEI_OK: this
 * file can't be watched (auto_vacuum moves pages by itself; :memory: has no foreign writers).
 */
rhei_status capture_watch_new(struct oltp_connection *connection, struct capture_watch **watch,
                              struct rhei_error *error);
void capture_watch_free(struct capture_watch **watch);

enum capture_watch_result {
    CAPTURE_WATCH_EXPLAINED, /* every commit was seen: `touched` are all tables that they touched */
    CAPTURE_WATCH_REWRITTEN, /* the same, but the file was written as a whole, as VACUUM and a restored copy do */
    CAPTURE_WATCH_LOST,      /* commits were missed: the watch is of no use any more */
};
/*
 * Goes on to the state that the connection's open read transaction sees, which is none before the last one. What was touched is
 * added to what was before, until capture_watch_forget.
 */
enum capture_watch_result capture_watch_follow(struct capture_watch *watch, struct oltp_connection *connection);
/* The root pages of tables that were touched and not forgotten, in the order in which that was seen; perhaps some twice. */
size_t capture_watch_touched(const struct capture_watch *watch, const uint32_t **roots);
/* The first `count` of them are of no use any more. */
void capture_watch_forget(struct capture_watch *watch, size_t count);
void capture_watch_clear(struct capture_watch *watch);
/*
 * Whether every page of that table is to the byte what it was before it was touched: then nothing in it changed, as where a transaction went
 * back to a savepoint. In the read transaction that was followed last. False: something changed, or it can't be told any more.
 */
bool capture_watch_same(struct capture_watch *watch, struct oltp_connection *connection, uint32_t root);
/* Rows of the table with that root in the state that was followed last, counted by its pages; -1: unknown. */
int64_t capture_watch_rows(const struct capture_watch *watch, uint32_t root);
/* For tests: what it knows of the file's pages. */
const struct capture_walmap *capture_watch_map(const struct capture_watch *watch);

#endif
