/* SPDX-License-Identifier: Apache-2.0 */
#include "base_utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xC0U) == 0x80U;
}

/* The second byte's range depends on the first: it excludes overlong forms, surrogates and too large code points. */
static bool second_byte_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return is_continuation(second);
    }
}

static size_t length_by_first_byte(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    if (first >= 0xF0 && first <= 0xF4)
        return 4;
    return 0;
}

size_t base_utf8_character(const void *bytes, size_t len)
{
    const unsigned char *text = bytes;
    size_t size = length_by_first_byte(text[0]);
    if (size <= 1 || size > len)
        return size > len ? 0 : size;
    if (!second_byte_fits(text[0], text[1]))
        return 0;
    for (size_t i = 2; i < size; i++)
        if (!is_continuation(text[i]))
            return 0;
    return size;
}

/* Runs of ASCII, by far the usual case, are passed eight bytes at a time. */
static size_t skip_ascii(const unsigned char *text, size_t at, size_t len)
{
    while (len - at >= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
        at += sizeof word;
    }
    while (at < len && text[at] < 0x80)
        at++;
    return at;
}

bool base_utf8_valid(const void *bytes, size_t len)
{
    const unsigned char *text = bytes;
    size_t at = 0;
    while (at < len && (at = skip_ascii(text, at, len)) < len) {
        size_t size = base_utf8_character(text + at, len - at);
        if (size == 0)
            return false;
        at += size;
    }
    return true;
}

size_t base_utf8_cut(const char *text, size_t len, size_t max)
{
    if (len <= max)
        return len;
    size_t cut = max;
    /* A character has at most three continuation bytes; more of them are not UTF-8 and may be cut anywhere. */
    for (int steps = 0; steps < 3 && cut > 0 && is_continuation((unsigned char)text[cut]); steps++)
        cut--;
    return is_continuation((unsigned char)text[cut]) ? max : cut;
}

void base_utf8_scrub(char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t size = base_utf8_character(text + at, len - at);
        if (size == 0)
            text[at] = '?';
        at += size == 0 ? 1 : size;
    }
}
