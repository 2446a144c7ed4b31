/* SPDX-License-Identifier: Apache-2.0 */
/* Words out of bytes that anybody may have written. Any thread. */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The next 8 bytes as a number of this machine, and *at behind them. Where there are less, 0, and *wrong is set for good. */
static inline uint64_t base_words_take(const char **at, const char *end, bool *wrong)
{
    uint64_t word = 0;
    if (end - *at < (ptrdiff_t)sizeof word) {
        *wrong = true;
        return 0;
    }
    memcpy(&word, *at, sizeof word);
    *at += sizeof word;
    return word;
}

#endif
