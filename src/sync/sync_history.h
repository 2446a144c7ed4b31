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

/* A load from `position` on: its rows are versions that begin there. The loaders' threads, each for its own number. */
rhei_status sync_history_load_begin(struct sync *sync, struct sync_history *history, uint32_t loaders, int64_t position,
                                    struct rhei_error *error);
rhei_status sync_history_load(struct sync_history *history, uint32_t loader, const struct change_batch *batch,
                              struct rhei_error *error);

/* With the turn. The table was loaded and is attached: so is its history. */
rhei_status sync_history_attach(struct sync *sync, struct sync_history *history, struct rhei_error *error);
/* With the turn. The batch was applied to the table. After an error the history is gone, and only that. */
rhei_status sync_history_apply(struct sync *sync, struct sync_history *history, const struct change_batch *batch,
                               struct rhei_error *error);
/* With the turn: takes it out of the mirror. Accepts NULL. */
void sync_history_drop(struct sync *sync, struct sync_history *history);

#endif
