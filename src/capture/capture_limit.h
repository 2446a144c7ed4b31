/* SPDX-License-Identifier: Apache-2.0 */
/* The change log's limits (docs/design/log-limits.md). */
#ifndef CAPTURE_CAPTURE_LIMIT_H
#define CAPTURE_CAPTURE_LIMIT_H

#include "capture/capture_internal.h"

/* With the handle; close also after a failure. */
rhei_status capture_limit_open(struct oltp *oltp, struct rhei_error *error);
void capture_limit_close(struct oltp *oltp);
/* The handle was opened on a log from `first` to `last`, 0: it is empty. */
void capture_limit_begin(struct oltp *oltp, int64_t first, int64_t last);
/* Measures the log, and does what is due at a limit. Owner thread: the maintenance. */
rhei_status capture_log_limit(struct oltp *oltp, struct rhei_error *error);
/* The handle closes, and its maintenance has ended: the last look of one that followed nothing (L9). */
void capture_limit_end(struct oltp *oltp);
/* The fields of the log. Any thread. */
rhei_status capture_limit_status(struct oltp *oltp, struct oltp_status *status, struct rhei_error *error);

#endif
