/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the write-ahead log says of the commits since the last look: whether all were seen, and which tables they touched
 * (docs/design/explained-commits.md, part 7). Locked by its owner.
 */
#ifndef OLTP_OLTP_WATCH_H
#define OLTP_OLTP_WATCH_H

#include "oltp/oltp_capture_internal.h"

struct oltp_watch; /* opaque */

/*
 * Begins at the state that the connection's open read transaction sees; reads every page of every table. NULL with RHEI_OK: this
 * file can't be watched (auto_vacuum moves pages by itself; :memory: has no foreign writers).
 */
rhei_status oltp_watch_new(struct oltp_connection *connection, struct oltp_watch **watch, struct rhei_error *error);
void oltp_watch_free(struct oltp_watch **watch);

enum oltp_watch_result {
    OLTP_WATCH_EXPLAINED, /* every commit was seen: `touched` are all tables that they touched */
    OLTP_WATCH_REWRITTEN, /* the same, but the file was written as a whole, as VACUUM and a restored copy do */
    OLTP_WATCH_LOST,      /* commits were missed: the watch is of no use any more */
};
/*
 * Goes on to the state that the connection's open read transaction sees, which is none before the last one. What was touched is
 * added to what was before, until oltp_watch_forget.
 */
enum oltp_watch_result oltp_watch_follow(struct oltp_watch *watch, struct oltp_connection *connection);
/* The root pages of tables that were touched and not forgotten, in the order in which that was seen; perhaps some twice. */
size_t oltp_watch_touched(const struct oltp_watch *watch, const uint32_t **roots);
/* The first `count` of them are of no use any more. */
void oltp_watch_forget(struct oltp_watch *watch, size_t count);
void oltp_watch_clear(struct oltp_watch *watch);
/* Rows of the table with that root in the state that was followed last, counted by its pages; -1: unknown. */
int64_t oltp_watch_rows(const struct oltp_watch *watch, uint32_t root);
/* For tests: what it knows of the file's pages. */
const struct oltp_walmap *oltp_watch_map(const struct oltp_watch *watch);

#endif
