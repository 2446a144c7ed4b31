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
static const unsigned char *add_stripes(uint64_t lanes[4], const unsigned char *at, const unsigned char *end)
{
    uint64_t a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];
    for (; end - at >= 32; at += 32) {
        a = add_word(a, word_at(at));
        b = add_word(b, word_at(at + 8));
        c = add_word(c, word_at(at + 16));
        d = add_word(d, word_at(at + 24));
    }
    lanes[0] = a;
    lanes[1] = b;
    lanes[2] = c;
    lanes[3] = d;
    return at;
}

void base_summing_begin(struct base_summing *summing)
{
    *summing = (struct base_summing){.lanes = {PRIME_1 + PRIME_2, PRIME_2, 0, 0 - PRIME_1}};
}

void base_summing_add(struct base_summing *summing, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    size_t waiting = (size_t)(summing->total % 32), first = waiting == 0 ? 0 : 32 - waiting;
    if (len == 0)
        return;
    summing->total += len;
    if (first > len)
        first = len;
    memcpy(summing->rest + waiting, at, first);
    if (first > 0 && waiting + first < 32)
        return;
    if (first > 0)
        add_stripes(summing->lanes, summing->rest, summing->rest + 32);
    const unsigned char *end = at + len;
    at = add_stripes(summing->lanes, at + first, end);
    memcpy(summing->rest, at, (size_t)(end - at));
}

uint64_t base_summing_end(const struct base_summing *summing)
{
    const uint64_t *lanes = summing->lanes;
    const unsigned char *at = summing->rest, *end = at + summing->total % 32;
    uint64_t sum = PRIME_5;
    if (summing->total >= 32) {
        sum = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
        for (int i = 0; i < 4; i++)
            sum = merge_lane(sum, lanes[i]);
    }
    sum += summing->total;
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

uint64_t base_checksum(const void *bytes, size_t len)
{
    struct base_summing summing;
    base_summing_begin(&summing);
    base_summing_add(&summing, bytes, len);
    return base_summing_end(&summing);
}
