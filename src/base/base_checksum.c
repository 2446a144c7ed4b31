/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_checksum.h"

#include <string.h>

static const uint64_t PRIME_1 = 0x9E3779B185EBCA87u;
static const uint64_t PRIME_2 = 0xC2B2AE3D27D4EB4Fu;
static const uint64_t PRIME_3 = 0x165667B19E3779F9u;
static const uint64_t PRIME_4 = 0x85EBCA77C2B2AE63u;
static const uint64_t PRIME_5 = 0x27D4EB2F165667C5u;

static inline uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static inline uint64_t add_word(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * PRIME_2, 31) * PRIME_1;
}

static inline uint64_t merge_lane(uint64_t sum, uint64_t lane)
{
    return (sum ^ add_word(0, lane)) * PRIME_1 + PRIME_4;
}

/* Whole stripes of 32 bytes, in four lanes. */
static uint64_t add_stripes(const unsigned char **bytes, const unsigned char *end)
{
    uint64_t a = PRIME_1 + PRIME_2, b = PRIME_2, c = 0, d = 0 - PRIME_1;
    const unsigned char *at = *bytes;
    for (; end - at >= 32; at += 32) {
        a = add_word(a, word_at(at));
        b = add_word(b, word_at(at + 8));
        c = add_word(c, word_at(at + 16));
        d = add_word(d, word_at(at + 24));
    }
    *bytes = at;
    uint64_t sum = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
    return merge_lane(merge_lane(merge_lane(merge_lane(sum, a), b), c), d);
}

uint64_t base_checksum(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    if (len == 0)
        return 0xEF46DB3751D8E999u; /* `bytes` may be NULL */
    const unsigned char *end = at + len;
    uint64_t sum = (len >= 32 ? add_stripes(&at, end) : PRIME_5) + len;
    for (; end - at >= 8; at += 8)
        sum = rotate(sum ^ add_word(0, word_at(at)), 27) * PRIME_1 + PRIME_4;
    if (end - at >= 4) {
        uint32_t half;
        memcpy(&half, at, sizeof half);
        sum = rotate(sum ^ half * PRIME_1, 23) * PRIME_2 + PRIME_3;
        at += 4;
    }
    for (; at < end; at++)
        sum = rotate(sum ^ *at * PRIME_5, 11) * PRIME_1;
    sum = (sum ^ sum >> 33) * PRIME_2;
    sum = (sum ^ sum >> 29) * PRIME_3;
    return sum ^ sum >> 32;
}
