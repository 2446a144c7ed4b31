/* SPDX-License-Identifier: Apache-2.0 */
/* Files of histories, for who verifies: there is nothing to compare versions with but their own sums. */
#ifndef ENGINE_ENGINE_HISTORY_CHECK_H
#define ENGINE_ENGINE_HISTORY_CHECK_H

#include "engine/engine_compare.h"

/*
 * Reads the files that the folder has of the table's history; `table` NULL: of those whose tables are gone, and of the list of histories. RHEI_STALE: some are
 * damaged, and the message names the first. With `repair` they are set aside then, the history goes on without what only they had, and *lost says so.
 */
rhei_status engine_history_check(struct rhei_db *db, const char *table, struct engine_pace *pace, bool repair,
                                 bool *lost, struct rhei_error *error);

#endif
