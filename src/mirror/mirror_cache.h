/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns of remote segments that are in memory: which may go, and which goes first. Any thread.
 */
#ifndef MIRROR_MIRROR_CACHE_H
#define MIRROR_MIRROR_CACHE_H

#include "mirror_touch.h"

void mirror_cache_init(struct mirror *mirror);
void mirror_cache_reset(struct mirror *mirror);
/* Is the column in memory? Settled for as long as its segment is held, or its mutex. */
bool mirror_cache_has(struct mirror_foreign *foreign);
/* The column's data have been set: whoever touches it sees them from here on. */
void mirror_cache_enter(struct mirror_foreign *foreign);
/* The column is about to be freed. */
void mirror_cache_leave(struct mirror_foreign *foreign);
/* Makes one column go that nobody reads; false: there is none. */
bool mirror_cache_evict(struct mirror *mirror);
/* Before a run and plain memory of so many bytes are taken: makes columns go until there is room for them, as far as that can be had. */
void mirror_cache_make_room(struct mirror *mirror, size_t run, size_t heap);

#endif
