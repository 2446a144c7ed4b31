/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIKE with patterns of ASCII letters and % alone, which are most: the pieces between the %s are searched from left to right,
 * eight bytes at a time. As SQLite's own, it takes A-Z for a-z and no other letters. A piece of ASCII can only be
 * found at whole characters of UTF-8, and beyond ASCII nothing equals it.
 */
#include <string.h>

#include "exec_duckdb/duckdb_internal.h"

static char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool duck_like_read(struct duck_like *like, const char *pattern, size_t length)
{
    *like = (struct duck_like){.from_start = length > 0 && pattern[0] != '%',
                               .to_end = length > 0 && pattern[length - 1] != '%'};
    if (length == 0 || length > DUCK_LIKE_BYTES)
        return false;
    bool inside = false;
    for (size_t i = 0; i < length; i++) {
        if (pattern[i] == '_' || (unsigned char)pattern[i] > 127)
            return false;
        like->bytes[i] = folded(pattern[i]);
        if (pattern[i] == '%') {
            inside = false;
            continue;
        }
        if (!inside && like->count == DUCK_LIKE_PIECES)
            return false;
        if (!inside)
            like->pieces[like->count++] = (struct duck_like_piece){.from = (uint16_t)i};
        inside = true;
        like->pieces[like->count - 1].length++;
    }
    return true;
}

static bool piece_at(const struct duck_like *like, uint32_t piece, const char *text)
{
    const char *bytes = like->bytes + like->pieces[piece].from;
    for (uint32_t i = 0; i < like->pieces[piece].length; i++)
        if (folded(text[i]) != bytes[i])
            return false;
    return true;
}

/* The first byte from `text` on that is `first`, in either case; NULL: none. */
static const char *find_first(const char *text, const char *end, char first)
{
    uint64_t fold = first >= 'a' && first <= 'z' ? 0x20 : 0, ones = UINT64_C(0x0101010101010101);
    uint64_t wanted = (uint64_t)(unsigned char)first * ones;
    for (; end - text >= 8; text += 8) {
        uint64_t word;
        memcpy(&word, text, sizeof word);
        uint64_t differ = (word | fold * ones) ^ wanted;
        if (((differ - ones) & ~differ & (ones << 7)) != 0)
            break;
    }
    for (; text < end; text++)
        if ((char)((unsigned char)*text | fold) == first)
            return text;
    return NULL;
}

static const char *find_piece(const struct duck_like *like, uint32_t piece, const char *text, const char *end)
{
    const char *last = end - like->pieces[piece].length + 1; /* the piece begins before it */
    char first = like->bytes[like->pieces[piece].from];
    if (end - text < like->pieces[piece].length)
        return NULL;
    while ((text = find_first(text, last, first)) != NULL && !piece_at(like, piece, text))
        text++;
    return text;
}

bool duck_like_matches(const struct duck_like *like, const char *text, size_t length)
{
    const char *end = text + length;
    uint32_t from = 0, to = like->count;
    if (like->count == 1 && like->from_start && like->to_end && length != like->pieces[0].length)
        return false;
    if (like->from_start) {
        if (length < like->pieces[0].length || !piece_at(like, 0, text))
            return false;
        text += like->pieces[0].length;
        from = 1;
    }
    if (like->to_end && to > from) {
        to--;
        if (end - text < like->pieces[to].length || !piece_at(like, to, end - like->pieces[to].length))
            return false;
        end -= like->pieces[to].length;
    }
    for (; from < to; from++) {
        text = find_piece(like, from, text, end);
        if (text == NULL)
            return false;
        text += like->pieces[from].length;
    }
    return true;
}
