/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Change events as bytes, the same on every machine: for durable buffers and for the wire. Pure; owner thread.
 *
 * An event is 24 bytes of head and a body: "RHEV", version (1), kind, two zero bytes, the body's length (u64), and a checksum of
 * both (u64). Numbers are little-endian; a text is its length (u32) and its bytes; a value is its class and, by class, nothing, 8
 * bytes, or a text. What is longer or shorter than it says, of another version, or damaged is refused.
 */
#ifndef FEED_FEED_CODE_H
#define FEED_FEED_CODE_H

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "port/change_event.h"

/* Of the kinds that there were first, and of BEFORE: who knows only the older code refuses the event, as of another version. */
enum { FEED_HEAD_BYTES = 24, FEED_VERSION = 1, FEED_VERSION_BEFORE = 2 };

/* Appends the event. RHEI_INVALID: it has no such form (a batch without columns, or with `lost`); nothing was appended. */
rhei_status feed_encode(struct base_buffer *out, const struct change_event *event, struct rhei_error *error);

/*
 * The event at the start of the bytes, made of memory of the arena; texts and BLOBs of rows borrow from `bytes`. *used: how
 * many bytes it took. RHEI_NOT_A_DATABASE: these bytes are no event; the message says which rule they break.
 */
rhei_status feed_decode(const void *bytes, size_t size, struct base_arena *arena, struct change_event *event,
                        size_t *used, struct rhei_error *error);

#endif
