/* SPDX-License-Identifier: Apache-2.0 */
/* In which format the mirror's files are written: any is read, whatever a handle writes. Any thread. */
#ifndef ENGINE_ENGINE_CODEC_H
#define ENGINE_ENGINE_CODEC_H

#include "port/segment_codec.h"

/*
 * The codec of that name; NULL is "arrow". Either reads both: without the library that unpacks, a Vortex file is RHEI_OLAP_UNAVAILABLE.
 * RHEI_INVALID: there is none. RHEI_OLAP_UNAVAILABLE: its library isn't there.
 */
rhei_status engine_codec(const char *name, const struct segment_codec **codec, struct rhei_error *error);

#endif
