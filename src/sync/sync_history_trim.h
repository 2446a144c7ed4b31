/* SPDX-License-Identifier: Apache-2.0 */
/* Versions that ended long ago, or are too many of a row, are forgotten. The upkeep's thread. */
#ifndef SYNC_SYNC_HISTORY_TRIM_H
#define SYNC_SYNC_HISTORY_TRIM_H

#include "sync_internal.h"

/* Is anything forgotten at all? */
bool sync_history_trims(const struct sync *sync);
/* Between two looks. */
int64_t sync_history_trim_pause_ns(const struct sync *sync);
/* Forgets what is due, in small steps, beside readers and between cycles. Nothing held. */
rhei_status sync_history_trim(struct sync *sync, struct rhei_error *error);

#endif
