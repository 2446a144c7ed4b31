/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_text.h"

#include <string.h>
#include <utf8proc.h>

size_t rh_utf8_next(const char *text, size_t length, int32_t *code)
{
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned lead = bytes[0];
    size_t need = lead < 0x80 ? 1 : lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 ? 3 : 2;
    *code = -1;
    if (lead < 0x80) {
        *code = (int32_t)lead;
        return 1;
    }
    if (lead < 0xc2 || lead > 0xf4 || need > length)
        return 1;
    uint32_t sum = lead & (0x7fU >> need);
    for (size_t at = 1; at < need; at++) {
        if ((bytes[at] & 0xc0) != 0x80)
            return 1;
        sum = sum << 6 | (bytes[at] & 0x3fU);
    }
    bool overlong = (need == 3 && sum < 0x800) || (need == 4 && sum < 0x10000);
    if (overlong || sum > 0x10ffff || (sum >= 0xd800 && sum < 0xe000))
        return 1;
    *code = (int32_t)sum;
    return need;
}

size_t rh_utf8_valid(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        int32_t code;
        size_t step = rh_utf8_next(text + at, length - at, &code);
        if (code < 0)
            return at;
        at += step;
    }
    return length;
}

unsigned rh_code_width(int32_t code)
{
    if (code < 0x7f)
        return 1;
    /* of the character, whatever the locale knows of it: what is written is UTF-8 in any case */
    int width = utf8proc_charwidth(code);
    return width < 0 ? 1 : (unsigned)width;
}

size_t rh_text_width(const char *text, size_t length)
{
    size_t width = 0;
    for (size_t at = 0; at < length;) {
        int32_t code;
        at += rh_utf8_next(text + at, length - at, &code);
        width += rh_code_width(code);
    }
    return width;
}

size_t rh_text_cut(const char *text, size_t length, size_t width)
{
    size_t at = 0, used = 0;
    while (at < length) {
        int32_t code;
        size_t step = rh_utf8_next(text + at, length - at, &code);
        unsigned columns = rh_code_width(code);
        if (used + columns > width)
            break;
        used += columns;
        at += step;
    }
    return at;
}

/* control characters, among them C1 and the marks that turn the direction of writing */
static bool is_unsafe(int32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069);
}

bool rh_is_bucket(const char *name)
{
    return strncmp(name, "s3://", 5) == 0;
}

void rh_add_visible(struct rh_buffer *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t plain = at;
        while (plain < length && text[plain] >= 0x20 && text[plain] < 0x7f)
            plain++;
        rh_buffer_add(out, text + at, plain - at);
        at = plain;
        if (at == length)
            break;
        int32_t code;
        size_t step = rh_utf8_next(text + at, length - at, &code);
        if (code == '\n')
            rh_buffer_add_text(out, "\\n");
        else if (code == '\t')
            rh_buffer_add_text(out, "\\t");
        else if (code == '\r')
            rh_buffer_add_text(out, "\\r");
        else if (code > 0xff && is_unsafe(code))
            rh_buffer_format(out, "\\u%04x", (unsigned)code);
        else if (code < 0 || is_unsafe(code))
            rh_buffer_format(out, "\\x%02x", code < 0 ? (unsigned)(unsigned char)text[at] : (unsigned)code);
        else
            rh_buffer_add(out, text + at, step);
        at += step;
    }
}

void rh_add_base64(struct rh_buffer *out, const void *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;
    rh_buffer_reserve(out, (length + 2) / 3 * 4);
    for (size_t at = 0; at < length; at += 3) {
        size_t left = length - at;
        uint32_t group = (uint32_t)in[at] << 16;
        group |= left > 1 ? (uint32_t)in[at + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)in[at + 2] : 0;
        char quad[4] = {digits[group >> 18], digits[group >> 12 & 63], '=', '='};
        if (left > 1)
            quad[2] = digits[group >> 6 & 63];
        if (left > 2)
            quad[3] = digits[group & 63];
        rh_buffer_add(out, quad, 4);
    }
}

static int base64_digit(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

bool rh_parse_base64(const char *text, size_t length, struct rh_buffer *out)
{
    size_t padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    uint32_t group = 0;
    rh_buffer_reserve(out, length / 4 * 3);
    for (size_t at = 0; at < length; at++) {
        int digit = at < length - padding ? base64_digit(text[at]) : 0;
        if (digit < 0)
            return false;
        group = group << 6 | (uint32_t)digit;
        if (at % 4 < 3)
            continue;
        char bytes[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};
        rh_buffer_add(out, bytes, at + 1 == length ? 3 - padding : 3);
    }
    return length % 4 == 0;
}

void rh_add_hex(struct rh_buffer *out, const void *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = bytes;
    rh_buffer_reserve(out, length * 2);
    for (size_t at = 0; at < length; at++) {
        rh_buffer_add_char(out, digits[in[at] >> 4]);
        rh_buffer_add_char(out, digits[in[at] & 15]);
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool rh_parse_hex(const char *text, size_t length, struct rh_buffer *out)
{
    if (length % 2 != 0)
        return false;
    for (size_t at = 0; at < length; at += 2) {
        int high = hex_digit(text[at]), low = hex_digit(text[at + 1]);
        if (high < 0 || low < 0)
            return false;
        rh_buffer_add_char(out, (char)(high << 4 | low));
    }
    return true;
}

void rh_add_blob(struct rh_buffer *out, const void *bytes, size_t length)
{
    rh_buffer_add_text(out, "x'");
    rh_add_hex(out, bytes, length);
    rh_buffer_add_char(out, '\'');
}

bool rh_parse_blob(const char *text, size_t length, struct rh_buffer *out)
{
    bool quoted = length >= 3 && (text[0] == 'x' || text[0] == 'X') && text[1] == '\'' && text[length - 1] == '\'';
    return quoted && rh_parse_hex(text + 2, length - 3, out);
}

bool rh_is_blob_text(const char *text, size_t length)
{
    bool is = length >= 3 && length % 2 == 1 && text[0] == 'x' && text[1] == '\'' && text[length - 1] == '\'';
    for (size_t at = 2; is && at + 1 < length; at++)
        is = hex_digit(text[at]) >= 0;
    return is;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool rh_same_name(const char *a, size_t a_length, const char *b, size_t b_length)
{
    if (a_length != b_length)
        return false;
    for (size_t at = 0; at < a_length; at++)
        if (lower(a[at]) != lower(b[at]))
            return false;
    return true;
}

void rh_add_quoted(struct rh_buffer *out, const char *text, size_t length)
{
    rh_buffer_add_char(out, '"');
    for (size_t at = 0; at < length; at++) {
        if (text[at] == '"')
            rh_buffer_add_char(out, '"');
        rh_buffer_add_char(out, text[at]);
    }
    rh_buffer_add_char(out, '"');
}

void rh_add_identifier(struct rh_buffer *out, const char *name)
{
    rh_buffer_add_char(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            rh_buffer_add_char(out, '"');
        rh_buffer_add_char(out, *name);
    }
    rh_buffer_add_char(out, '"');
}

/* Levenshtein's distance of short words, two letters in the wrong order being one change; anything long is far away. */
static unsigned word_distance(const char *a, const char *b)
{
    enum { LIMIT = 32 };
    unsigned rows[3][LIMIT + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    size_t a_length = strlen(a), b_length = strlen(b);
    if (a_length > LIMIT || b_length > LIMIT)
        return LIMIT;
    for (size_t at = 0; at <= b_length; at++)
        last[at] = (unsigned)at;
    for (size_t i = 1; i <= a_length; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_length; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = before[j - 2] + 1 < best ? before[j - 2] + 1 : best;
            row[j] = best;
        }
        unsigned *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_length];
}

int rh_nearest_word(const char *word, const char *const *words, int count)
{
    int nearest = -1;
    unsigned best = strlen(word) < 4 ? 2 : 3; /* below this many changes it is likely a slip */
    for (int at = 0; at < count; at++) {
        unsigned distance = word_distance(word, words[at]);
        if (distance < best) {
            best = distance;
            nearest = at;
        }
    }
    return nearest;
}
