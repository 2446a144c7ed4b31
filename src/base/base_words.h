/* SPDX-License-Identifier: Apache-2.0 */
/* Words into bytes, and out of bytes that anybody may have written. Any thread. */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_checksum.h"

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

/* The bytes of a text with its NUL, where they lie, and *at behind them. Where there are none, "", and *wrong is set for good. */
static inline const char *base_words_take_text(const char **at, const char *end, bool *wrong)
{
    uint64_t len = base_words_take(at, end, wrong);
    const char *text = *at;
    if (*wrong || len == 0 || len > (uint64_t)(end - *at) || text[len - 1] != '\0') {
        *wrong = true;
        return "";
    }
    *at += len;
    return text;
}

/* 8 bytes, the lowest first, whatever the machine. */
static inline uint64_t base_words_get8(const unsigned char bytes[8])
{
    uint64_t number = 0;
    for (int i = 7; i >= 0; i--)
        number = number << 8 | bytes[i];
    return number;
}

static inline void base_words_set8(unsigned char bytes[8], uint64_t number)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
}

static inline void base_words_put(struct base_buffer *out, uint64_t word)
{
    base_buffer_append(out, &word, sizeof word);
}

/* For base_words_take_text. */
static inline void base_words_put_text(struct base_buffer *out, const char *text)
{
    size_t len = strlen(text) + 1;
    base_words_put(out, len);
    base_buffer_append(out, text, len);
}

/* Behind all that was put: its sum. */
static inline void base_words_seal(struct base_buffer *out)
{
    if (!out->failed)
        base_words_put(out, base_checksum(out->data, out->len));
}

/* Whether these are bytes as they were sealed; *end is in front of the sum then. */
static inline bool base_words_sealed(const char *bytes, const char **end)
{
    uint64_t sum = 0;
    if (*end - bytes < (ptrdiff_t)sizeof sum)
        return false;
    memcpy(&sum, *end - sizeof sum, sizeof sum);
    *end -= sizeof sum;
    return sum == base_checksum(bytes, (size_t)(*end - bytes));
}

#endif
