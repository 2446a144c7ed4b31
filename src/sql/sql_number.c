/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_invariant.h"

enum { DIGITS_KEPT = 800 }; /* enough for any double to be rounded correctly: 767 digits decide */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits without their point, and the power of ten that belongs to them. */
struct decimal {
    char digits[DIGITS_KEPT + 1];
    size_t count;
    uint64_t mantissa; /* of the digits while they fit 19 */
    long exponent;
};

static size_t decimal_digits(struct decimal *d, const char *text, size_t len, size_t i, long step)
{
    for (; i < len && (is_digit(text[i]) || text[i] == '_'); i++) {
        if (text[i] == '_')
            continue;
        if (d->count == 0 && text[i] == '0') {
            d->exponent += step;
        } else if (d->count < DIGITS_KEPT) {
            if (d->count < 19)
                d->mantissa = d->mantissa * 10 + (uint64_t)(text[i] - '0');
            d->digits[d->count++] = text[i];
            d->exponent += step;
        } else {
            d->exponent += step + 1;
        }
    }
    return i;
}

static long decimal_exponent(const char *text, size_t len, size_t i)
{
    bool negative = i < len && text[i] == '-';
    if (i < len && (text[i] == '-' || text[i] == '+'))
        i++;
    long value = 0;
    for (; i < len && (is_digit(text[i]) || text[i] == '_'); i++)
        if (text[i] != '_' && value < 100000)
            value = value * 10 + (text[i] - '0');
    return negative ? -value : value;
}

static double decimal_value(struct decimal *d)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->count == 0)
        return 0.0;
    /* Both exact as doubles, so one correctly rounded operation gives the correctly rounded result. */
    if (d->count <= 15 && d->exponent >= 0 && d->exponent <= 22)
        return (double)d->mantissa * powers[d->exponent];
    if (d->count <= 15 && d->exponent < 0 && d->exponent >= -22)
        return (double)d->mantissa / powers[-d->exponent];
    char text[DIGITS_KEPT + 32]; /* no point in it: strtod reads it alike in every locale */
    d->digits[d->count] = 0;
    snprintf(text, sizeof text, "%se%ld", d->digits, d->exponent);
    return strtod(text, NULL);
}

double sql_number_real(const char *text, size_t len)
{
    struct decimal d;
    d.count = 0;
    d.mantissa = 0;
    d.exponent = 0;
    size_t i = decimal_digits(&d, text, len, 0, 0);
    if (i < len && text[i] == '.')
        i = decimal_digits(&d, text, len, i + 1, -1);
    if (i < len && (text[i] | 0x20) == 'e')
        d.exponent += decimal_exponent(text, len, i + 1);
    return decimal_value(&d);
}

static bool hex_integer(const char *text, size_t len, int64_t *value)
{
    uint64_t bits = 0;
    int digits = 0;
    for (size_t i = 2; i < len; i++) {
        if (text[i] == '_')
            continue;
        int c = text[i] | 0x20;
        unsigned digit = (unsigned)(is_digit(text[i]) ? text[i] - '0' : c - 'a' + 10);
        if (bits == 0 && digit == 0)
            continue;
        if (++digits > 16)
            return false;
        bits = bits << 4 | digit;
    }
    memcpy(value, &bits, sizeof bits);
    return true;
}

bool sql_number_integer(const char *text, size_t len, int64_t *value)
{
    if (len > 2 && text[0] == '0' && (text[1] | 0x20) == 'x')
        return hex_integer(text, len, value);
    int64_t result = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '_')
            continue;
        int digit = text[i] - '0';
        if (result > (INT64_MAX - digit) / 10)
            return false;
        result = result * 10 + digit;
    }
    *value = result;
    return true;
}

size_t sql_number_print(double value, char out[32])
{
    int length = snprintf(out, 32, "%.16e", value);
    BASE_INVARIANT(length > 0 && length < 32);
    if (isfinite(value))
        out[out[0] == '-' ? 2 : 1] = '.'; /* whatever the locale's point is: C says it is one byte in all we know */
    return (size_t)length;
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The end of the number that starts at i, by SQLite's rules (no hex, no separators); i itself if there is none. */
static size_t number_end(const char *text, size_t len, size_t i, bool *integral)
{
    size_t start = i, digits = 0;
    *integral = true;
    for (; i < len && is_digit(text[i]); i++)
        digits++;
    if (i < len && text[i] == '.') {
        size_t fraction = i + 1;
        while (fraction < len && is_digit(text[fraction]))
            fraction++;
        digits += fraction - i - 1;
        if (digits) {
            *integral = false;
            i = fraction;
        }
    }
    if (!digits)
        return start;
    if (i < len && (text[i] | 0x20) == 'e') {
        size_t e = i + 1;
        if (e < len && (text[e] == '+' || text[e] == '-'))
            e++;
        if (e < len && is_digit(text[e])) {
            *integral = false;
            while (e < len && is_digit(text[e]))
                e++;
            i = e;
        }
    }
    return i;
}

/* "-9223372036854775808" has no positive counterpart. */
static bool signed_integer(const char *text, size_t len, bool negative, int64_t *value)
{
    if (sql_number_integer(text, len, value)) {
        *value = negative ? -*value : *value;
        return true;
    }
    while (len && *text == '0') {
        text++;
        len--;
    }
    *value = INT64_MIN;
    return negative && len == 19 && memcmp(text, "9223372036854775808", 19) == 0;
}

int64_t sql_number_integer_prefix(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len && is_blank(text[i]))
        i++;
    bool negative = i < len && text[i] == '-';
    if (i < len && (text[i] == '-' || text[i] == '+'))
        i++;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX, value = 0;
    for (; i < len && is_digit(text[i]) && value < limit; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        value = value > (limit - digit) / 10 ? limit : value * 10 + digit;
    }
    return (int64_t)(negative ? 0 - value : value);
}

enum sql_number_kind sql_number_from_text(const char *text, size_t len, bool *is_integer, int64_t *integer,
                                          double *real)
{
    size_t i = 0;
    bool integral, negative;
    *is_integer = true;
    *integer = 0;
    *real = 0.0;
    while (i < len && is_blank(text[i]))
        i++;
    negative = i < len && text[i] == '-';
    if (i < len && (text[i] == '-' || text[i] == '+'))
        i++;
    size_t end = number_end(text, len, i, &integral);
    if (end == i)
        return SQL_NUMBER_NONE;
    BASE_INVARIANT(i < end && end <= len);
    *real = sql_number_real(text + i, end - i) * (negative ? -1.0 : 1.0);
    *is_integer = integral && signed_integer(text + i, end - i, negative, integer);
    while (end < len && is_blank(text[end]))
        end++;
    if (end < len)
        return SQL_NUMBER_PREFIX;
    return *is_integer ? SQL_NUMBER_INTEGER : SQL_NUMBER_REAL;
}
