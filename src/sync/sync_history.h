/* SPDX-License-Identifier: Apache-2.0 */
/* The history of a table: every version of every row. See sync_history.c for the rules. Owner, unless a line says otherwise. */
#ifndef SYNC_SYNC_HISTORY_H
#define SYNC_SYNC_HISTORY_H

#include "sync_internal.h"

/* NULL and RHEI_OK: the table keeps none. By the builder's thread, before a load. */
rhei_status sync_history_new(struct sync *sync, const struct source_table *table, struct sync_history **history,
                             struct rhei_error *error);
/* Accepts NULL. What it has in the mirror stays there. */
void sync_history_free(struct sync_history **history);
/* It goes on with versions that were there before, all of which have to be published when the load begins. */
bool sync_history_goes_on(const struct sync_history *history);
/* And tells of some time before the load; unless `any`, up to the position that is published. Nothing held. */
bool sync_history_tells_of_before(struct sync *sync, const struct sync_history *history, bool any);

/* A load from a position on: its rows are versions that begin there (`unseen`: behind it), or go on. Then the loaders' threads, each for its own number. */
rhei_status sync_history_load_begin(struct sync *sync, struct sync_history *history, const struct source_table *table,
                                    uint32_t loaders, const struct source_load_info *info, bool unseen,
                                    struct rhei_error *error);
rhei_status sync_history_load(struct sync_history *history, uint32_t loader, const struct change_batch *batch,
                              struct rhei_error *error);
/* All of them are done, with so many rows. RHEI_STALE: load again. */
rhei_status sync_history_loaded(struct sync *sync, struct sync_history *history, uint64_t rows,
                                struct rhei_error *error);

/* The calls below with the turn, and all but apply under `lock`. */

/* The table was loaded and is attached: so is its history. After an error there is none. */
rhei_status sync_history_attach(struct sync *sync, struct sync_history *history, const struct source_table *table,
                                struct rhei_error *error);
/* The batch was applied to the table. After an error the history is to be dropped, before anything is published, and only that. */
rhei_status sync_history_apply(struct sync *sync, struct sync_history *history, const struct change_batch *batch,
                               struct rhei_error *error);
bool sync_history_failed(const struct sync_history *history);
/* The history that the mirror took over goes on with the table that it took over. False: it has to be loaded. */
bool sync_history_resume(struct sync *sync, const struct source_table *table, struct sync_history **history);
/*
 * Its table failed. Where changes were applied by a cycle that isn't published, the rest of them won't be: so nothing is known from the first of them until
 * the next load, and nobody is told a part of a transaction. Accepts NULL.
 */
void sync_history_tear(struct sync *sync, struct sync_history *history);
/* All that happened to its table by then is in it. Accepts NULL. */
void sync_history_known(struct sync_history *history, int64_t until_us);
/* Its table is not followed any more beyond that position. Its versions stay, for the next load. Accepts NULL. */
void sync_history_release(struct sync *sync, struct sync_history *history, int64_t applied);
/* Takes it out of the mirror. */
void sync_history_drop(struct sync *sync, struct sync_history *history);
/*
 * The table goes before it was loaded: a history that it may have gone on with is that of whoever comes now. While the list is read, `kept` are those
 * that stay.
 */
void sync_history_pass_on(struct sync *sync, const struct sync_table *gone);
/* Of versions that ended by then, in any generation of the table, not all are here any more: the book says so. */
rhei_status sync_history_raise(struct sync *sync, const char *table, int64_t us, int64_t seq, struct rhei_error *error);
/* HISTORY_KEPT_NEVER, for all generations of the table; the load that has to follow says from when on all is told. Under `lock`, with the turn. */
rhei_status sync_history_never(struct sync *sync, const char *table, struct rhei_error *error);
/* The book was just read: those of which versions were lost with files (sync_config.lost_versions) are whole from now on only. */
rhei_status sync_history_lost(struct sync *sync, struct rhei_error *error);
/* Goes on without versions that can't be read from their files any more: they are lost, and rows that were valid begin anew. Nothing held. */
void sync_history_mend(struct sync *sync);
/* Histories whose tables are listed under other names, as their origins say, have these names from here on, and no table that took the old one. */
rhei_status sync_history_follow(struct sync *sync, struct rhei_error *error);
/* Histories whose tables aren't listed any more, or keep none, end now. */
rhei_status sync_history_settle(struct sync *sync, struct rhei_error *error);

#endif
