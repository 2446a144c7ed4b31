/* SPDX-License-Identifier: Apache-2.0 */
/* How the pages of SQLite's file write numbers, and how much of a record a page keeps. Formats: https://www.sqlite.org/fileformat2.html */
#ifndef CAPTURE_PAGE_FORMAT_H
#define CAPTURE_PAGE_FORMAT_H

#include <stdint.h>

static inline uint32_t page_get4(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint32_t page_get2(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

/* A number of variable length; returns its bytes, 0: it goes beyond the end. */
static inline uint32_t page_get_varint(const uint8_t *at, const uint8_t *end, uint64_t *value)
{
    if (at < end && *at < 0x80) { /* nearly always */
        *value = *at;
        return 1;
    }
    *value = 0;
    for (uint32_t i = 0; i < 9 && at + i < end; i++) {
        if (i == 8) {
            *value = *value << 8 | at[i];
            return 9;
        }
        *value = *value << 7 | (at[i] & 0x7F);
        if (at[i] < 0x80)
            return i + 1;
    }
    return 0;
}

/* The most bytes of a record that a page of `usable` bytes keeps whole: in a table's leaf (1.6), in a page of an index. */
static inline uint32_t page_leaf_most(uint32_t usable)
{
    return usable - 35;
}

static inline uint32_t page_index_most(uint32_t usable)
{
    return (usable - 12) * 64 / 255 - 23;
}

/* How many bytes of a record of `size` the page keeps; where that isn't all, the number of the next page follows them. */
static inline uint32_t page_keeps(uint32_t usable, uint32_t most, uint64_t size)
{
    if (size <= most)
        return (uint32_t)size;
    uint32_t least = (usable - 12) * 32 / 255 - 23;
    uint32_t here = least + (uint32_t)((size - least) % (usable - 4));
    return here <= most ? here : least;
}

#endif
