/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of rows as portable Roaring bitmaps of 64 bits: a count, then for each upper half in use that half (4 bytes) and a portable
 * bitmap of 32 bits (https://github.com/RoaringBitmap/RoaringFormatSpec). The only file that sees libroaring. Owner thread.
 */
#ifndef CHECKPOINT_CHECKPOINT_DEAD_H
#define CHECKPOINT_CHECKPOINT_DEAD_H

#include "base/base_buffer.h"

struct checkpoint_dead;

rhei_status checkpoint_dead_new(struct checkpoint_dead **dead, struct rhei_error *error);
/* Rows of a segment: bit = row. Segments come in any order. RHEI_NO_MEMORY. */
rhei_status checkpoint_dead_add(struct checkpoint_dead *dead, uint64_t uid, const uint64_t *words, uint32_t word_count,
                                struct rhei_error *error);
bool checkpoint_dead_is_empty(const struct checkpoint_dead *dead);
/* Appends its bytes. */
rhei_status checkpoint_dead_write(struct checkpoint_dead *dead, struct base_buffer *out, struct rhei_error *error);
void checkpoint_dead_free(struct checkpoint_dead **dead);

/* Hands out each row of such bytes, in order. RHEI_IO: they are none; the first status but RHEI_OK ends it and is returned. */
rhei_status checkpoint_dead_read(const void *bytes, size_t len,
                                 rhei_status (*take)(void *context, uint64_t uid, uint32_t place,
                                                     struct rhei_error *error),
                                 void *context, struct rhei_error *error);

#endif
