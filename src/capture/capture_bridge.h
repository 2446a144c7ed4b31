/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a buffer beside the log needs of capture (docs/design/change-buffer.md): a source of its own, a place among the consumers, by which every engine on
 * the file knows how much of the log has been moved, and who reads the buffer. Any thread.
 */
#ifndef CAPTURE_CAPTURE_BRIDGE_H
#define CAPTURE_CAPTURE_BRIDGE_H

#include "oltp/oltp.h"
#include "port/change_source.h"

/* A second source of the log, for the bridge alone; its cycles run beside those of the first. Closed before the handle. */
rhei_status capture_bridge_source(struct oltp *oltp, struct change_source **source, struct rhei_error *error);
/*
 * The log up to `position` is durable elsewhere, from behind `begun` on: no engine keeps it for the bridge, and what is behind stays until it says
 * more. So does what a consumer of the buffer that is before `begun` has still to read (B3).
 */
rhei_status capture_bridge_durable(struct oltp *oltp, int64_t position, int64_t begun, struct rhei_error *error);
/* The lowest position of a live consumer that reads the buffer; INT64_MAX: there is none. */
rhei_status capture_bridge_read_from(struct oltp *oltp, int64_t *position, struct rhei_error *error);
/* What durable() was told last, by whatever engine, or less (B3); -1: nothing yet. `stamp` gets the file's identity, "" where it has none. */
int64_t capture_bridge_position(struct oltp *oltp, struct change_stamp *stamp);
/* The buffer is over a limit and keeps what it has, as `text` tells; NULL: it isn't any more. Status tells it, and the log's policy is in force. */
void capture_bridge_limited(struct oltp *oltp, const char *text);

#endif
