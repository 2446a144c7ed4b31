/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory (codec_directory.h) lies between the end of the stream and the footer. Of each buffer it says its offset in the file, length and
 * checksum.
 */
#ifndef CODEC_ARROW_INTERNAL_H
#define CODEC_ARROW_INTERNAL_H

#include "port/segment_codec.h"

static const uint64_t codec_arrow_word = 0x3147455349454852u; /* "RHEISEG1" */

uint64_t codec_arrow_sum(const void *bytes, size_t len);
rhei_status codec_arrow_open(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error);
rhei_status codec_arrow_open_tail(const void *tail, size_t len, uint64_t size, struct segment_image *image,
                                  size_t *wanted, struct rhei_error *error);

#endif
