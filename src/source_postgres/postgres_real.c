/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_real.h"

#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MOST = 512 };

/* A number of at most 15 digits over or times an exact power of ten is one rounding away from its double (Clinger 1990). */
static bool parse_short(const char *text, size_t length, double *value)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    size_t at = length > 0 && text[0] == '-', digits = 0, behind = 0;
    bool negative = at == 1, point = false;
    int64_t sum = 0;
    for (; at < length; at++) {
        char c = text[at];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9')
            return false;
        digits += sum > 0 || c != '0';
        behind += point;
        if (digits > 15 || behind > 22)
            return false;
        sum = sum * 10 + (c - '0');
    }
    *value = (double)(negative ? -sum : sum) / powers[behind];
    return length > (size_t)negative + point;
}

static bool parse_word(const char *text, size_t length, double *value)
{
    bool negative = length > 0 && text[0] == '-';
    text += negative;
    length -= negative;
    if (length == 8 && memcmp(text, "Infinity", 8) == 0)
        *value = negative ? -INFINITY : INFINITY;
    else if (length == 3 && memcmp(text, "NaN", 3) == 0)
        *value = NAN;
    else
        return false;
    return true;
}

/* A copy for strtod, with the point as the locale has it. */
static bool localize(const char *text, size_t length, char copy[TEXT_MOST])
{
    const char *point = localeconv()->decimal_point;
    size_t out = 0, width = strlen(point);
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (out + width + 1 >= TEXT_MOST || ((c < '0' || c > '9') && (c == '\0' || strchr("+-.eE", c) == NULL)))
            return false;
        if (c == '.') {
            memcpy(copy + out, point, width);
            out += width;
        } else {
            copy[out++] = c;
        }
    }
    copy[out] = '\0';
    return out > 0;
}

bool postgres_real_parse(const char *text, size_t length, double *value)
{
    char copy[TEXT_MOST], *end;
    if (parse_short(text, length, value) || parse_word(text, length, value))
        return true;
    if (!localize(text, length, copy))
        return false;
    *value = strtod(copy, &end);
    return *end == '\0' && end != copy;
}

bool postgres_float_parse(const char *text, size_t length, double *value)
{
    char copy[TEXT_MOST], *end;
    if (parse_word(text, length, value))
        return true;
    if (!localize(text, length, copy))
        return false;
    *value = (double)strtof(copy, &end);
    return *end == '\0' && end != copy;
}
