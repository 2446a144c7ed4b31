/* SPDX-License-Identifier: Apache-2.0 */
/* Changes that the log has forgotten, from a buffer beside it, as a consumer is told them. One thread at a time. */
#ifndef CAPTURE_CAPTURE_BUFFERED_H
#define CAPTURE_CAPTURE_BUFFERED_H

#include "base/base_arena.h"
#include "capture/capture_changes.h"
#include "port/change_buffer.h"

struct capture_buffered;

/* What it gives: events in the order of their positions, which live, with all they point to, until the next call. */
struct capture_buffered_events {
    struct capture_change *list;
    size_t count, room;
    bool damaged; /* the buffer is: what it had is told as lost */
};

rhei_status capture_buffered_open(struct change_buffer *buffer, struct capture_buffered **buffered,
                                  struct rhei_error *error);
void capture_buffered_close(struct capture_buffered **buffered);
/* Where the buffer (may be NULL) begins; false: it is empty. */
bool capture_buffered_oldest(struct change_buffer *buffer, int64_t *position);
/* The buffer has what was changed behind this position. */
bool capture_buffered_covers(struct capture_buffered *buffered, int64_t after);
/*
 * The next events behind `after`, which is covered: as far as about so many rows go. Definitions that are known at its place come first, each
 * time; COMMIT ends a state. What is damaged is a LOST of everything up to the buffer's end.
 */
rhei_status capture_buffered_next(struct capture_buffered *buffered, int64_t after, size_t most_rows,
                                  struct capture_buffered_events *events, struct rhei_error *error);

#endif
