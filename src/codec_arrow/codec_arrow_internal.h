/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory: what a segment needs beyond its Arrow buffers, in words of 64 bits between the end of the stream and the footer.
 *
 *   first word, rows and mark << 32, columns
 *   for each column: layout and flags << 32; 5 counts; heaps of TEXT and heaps of BLOB << 32; low and high of each zone;
 *                    offset in the file, length and checksum of each buffer, in the order of codec_arrow_visit
 *   checksum of the words so far, their number
 */
#ifndef CODEC_ARROW_INTERNAL_H
#define CODEC_ARROW_INTERNAL_H

#include "port/segment_codec.h"

static const uint64_t directory_word = 0x3147455349454852u; /* "RHEISEG1" */

enum { DIRECTORY_WORDS = 5 }; /* of a segment without columns */

uint64_t codec_arrow_sum(const void *bytes, size_t len);
rhei_status codec_arrow_open(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error);
rhei_status codec_arrow_open_tail(const void *tail, size_t len, uint64_t size, struct segment_image *image,
                                  size_t *wanted, struct rhei_error *error);

/* Each buffer that a column of its layout has, in order; false ends it and is returned. */
bool codec_arrow_visit(struct segment_column *column, bool (*visit)(void *context, struct segment_buffer *buffer),
                       void *context);

#endif
