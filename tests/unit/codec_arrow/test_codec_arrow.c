/* SPDX-License-Identifier: Apache-2.0 */
#include "codec_arrow/codec_arrow.h"
#include "tests/unit/codec/codec_cases.h"

int main(void)
{
    return codec_cases_run(&codec_arrow);
}
