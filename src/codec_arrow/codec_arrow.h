/* SPDX-License-Identifier: Apache-2.0 */
/* Segments as Arrow IPC files that other tools read too (port/segment_codec.h says what its calls promise). Any thread. */
#ifndef CODEC_ARROW_CODEC_ARROW_H
#define CODEC_ARROW_CODEC_ARROW_H

#include "port/segment_codec.h"

extern const struct segment_codec codec_arrow;

#endif
