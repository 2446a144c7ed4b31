/* SPDX-License-Identifier: Apache-2.0 */
/*
 * numeric: digits of base 10,000, the first of them 10000^weight, printed with `scale` digits behind the point
 * (numeric_send and get_str_from_var in src/backend/utils/adt/numeric.c).
 */
#include <string.h>

#include "source_postgres/postgres_real.h"
#include "source_postgres/postgres_type.h"

enum { NEGATIVE = 0x4000, NOT_A_NUMBER = 0xC000, PLUS_INFINITY = 0xD000, MINUS_INFINITY = 0xF000, SCALE_MOST = 0x3fff };

static const char *special_text(unsigned sign)
{
    return sign == NOT_A_NUMBER     ? "NaN"
           : sign == PLUS_INFINITY  ? "Infinity"
           : sign == MINUS_INFINITY ? "-Infinity"
                                    : NULL;
}

/* Four digits of the group at place `at`, which is 0 where there is none. */
static bool put_group(const char *groups, int count, int at, char four[4])
{
    unsigned group = at >= 0 && at < count ? postgres_u16(groups + 2 * at) : 0;
    if (group > 9999)
        return false;
    for (int i = 3; i >= 0; i--, group /= 10)
        four[i] = (char)('0' + group % 10);
    return true;
}

static char *put_whole(const char *groups, int count, int weight, char *out)
{
    if (weight < 0) {
        *out++ = '0';
        return out;
    }
    for (int i = 0; i <= weight; i++) {
        char four[4];
        int skip = 0;
        if (!put_group(groups, count, i, four))
            return NULL;
        while (i == 0 && skip < 3 && four[skip] == '0')
            skip++;
        memcpy(out, four + skip, (size_t)(4 - skip));
        out += 4 - skip;
    }
    return out;
}

const char *postgres_numeric_text(const char *bytes, size_t length, struct base_arena *arena, size_t *text_length)
{
    if (length < 8)
        return NULL;
    int count = (int16_t)postgres_u16(bytes), weight = (int16_t)postgres_u16(bytes + 2);
    unsigned sign = postgres_u16(bytes + 4), scale = postgres_u16(bytes + 6);
    const char *special = special_text(sign), *groups = bytes + 8;
    if (special != NULL) {
        *text_length = strlen(special);
        return special;
    }
    if (count < 0 || length != 8 + 2 * (size_t)count || scale > SCALE_MOST || (sign != 0 && sign != NEGATIVE))
        return NULL;
    char *text = base_arena_alloc(arena, (size_t)(weight >= 0 ? weight + 1 : 0) * 4 + scale + 8);
    char *out = text;
    if (text == NULL)
        return NULL;
    if (sign == NEGATIVE)
        *out++ = '-';
    out = put_whole(groups, count, weight, out);
    if (out != NULL && scale > 0)
        *out++ = '.';
    for (unsigned done = 0; out != NULL && done < scale; done += 4) {
        char four[4];
        unsigned wanted = scale - done < 4 ? scale - done : 4;
        if (!put_group(groups, count, weight + 1 + (int)(done / 4), four))
            return NULL;
        memcpy(out, four, wanted);
        out += wanted;
    }
    if (out == NULL)
        return NULL;
    *text_length = (size_t)(out - text);
    return text;
}

/* "-123" or "-123.000": what is behind the point of a WHOLE must be nothing. */
static bool whole_value(const char *digits, size_t length, struct rhei_value *value)
{
    size_t at = length > 0 && digits[0] == '-';
    bool negative = at == 1;
    int64_t sum = 0;
    if (at == length)
        return false;
    for (; at < length && digits[at] != '.'; at++) {
        int digit = digits[at] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, (int64_t)digit, &sum)) /* below zero there is one number more */
            return false;
    }
    for (at += at < length; at < length; at++)
        if (digits[at] != '0')
            return false;
    if (!negative && sum == INT64_MIN)
        return false;
    postgres_integer(value, negative ? sum : -sum);
    return true;
}

bool postgres_digits_value(enum postgres_form form, const char *digits, size_t length, struct rhei_value *value)
{
    bool number = length > 0 && (digits[length - 1] >= '0' && digits[length - 1] <= '9');
    if (form == POSTGRES_NUMERIC || (length == 3 && memcmp(digits, "NaN", 3) == 0)) {
        postgres_bytes(value, RHEI_TEXT, digits, length);
        return true;
    }
    if (form == POSTGRES_WHOLE)
        return number && whole_value(digits, length, value);
    double real;
    if (!number || !postgres_real_parse(digits, length, &real))
        return false;
    postgres_real(value, real);
    return true;
}
