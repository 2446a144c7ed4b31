/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_vortex/codec_vortex.h"

#include <stdio.h>

#include "tests/unit/codec/codec_cases.h"

int main(void)
{
    const struct segment_codec *codec;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (codec_vortex_load(&codec, &error) == RHEI_OK)
        return codec_cases_run(codec);
    (void)fprintf(stderr, "%s\n", error.message);
    return 1;
}
