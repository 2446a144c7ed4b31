/* SPDX-License-Identifier: Apache-2.0 */
/* What every codec of segments must do: every value back, any bit that turns told or without meaning, no memory and no rows survived. */
#ifndef CODEC_CASES_H
#define CODEC_CASES_H

#include "port/segment_codec.h"

/* A test program's end: what cmocka says. */
int codec_cases_run(const struct segment_codec *tested);

#endif
