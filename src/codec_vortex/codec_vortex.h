/* SPDX-License-Identifier: Apache-2.0 */
/* Segments as Vortex files, compressed, that other tools read too (port/segment_codec.h says what its calls promise). Any thread. */
#ifndef CODEC_VORTEX_CODEC_VORTEX_H
#define CODEC_VORTEX_CODEC_VORTEX_H

#include "port/segment_codec.h"

/* The codec, once the library that packs is there. RHEI_OLAP_UNAVAILABLE: it isn't, and what to do about it. */
rhei_status codec_vortex_load(const struct segment_codec **codec, struct rhei_error *error);

#endif
