/* SPDX-License-Identifier: Apache-2.0 */
/* The simplest codec: what an image says, one thing after the other. Proves that the mirror knows no format. Any thread. */
#ifndef TESTS_PLAIN_CODEC_H
#define TESTS_PLAIN_CODEC_H

#include "port/segment_codec.h"

extern const struct segment_codec plain_codec;

#endif
