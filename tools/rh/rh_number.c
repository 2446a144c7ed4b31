/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool rh_parse_integer(const char *text, size_t length, int64_t *value)
{
    size_t at = 0;
    bool negative = length > 0 && text[0] == '-';
    if (length > 0 && (text[0] == '-' || text[0] == '+'))
        at++;
    if (at == length)
        return false;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    uint64_t sum = 0;
    for (; at < length; at++) {
        if (!is_digit(text[at]))
            return false;
        uint64_t digit = (uint64_t)(text[at] - '0');
        if (sum > (limit - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = (int64_t)(negative ? 0 - sum : sum);
    return true;
}

static size_t skip_digits(const char *text, size_t length, size_t at)
{
    while (at < length && is_digit(text[at]))
        at++;
    return at;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before or after the point */
static bool has_real_shape(const char *text, size_t length)
{
    size_t at = length > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    size_t start = at;
    at = skip_digits(text, length, at);
    size_t digits = at - start;
    if (at < length && text[at] == '.') {
        size_t fraction = at + 1;
        at = skip_digits(text, length, fraction);
        digits += at - fraction;
    }
    if (digits == 0)
        return false;
    if (at < length && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < length && (text[at] == '-' || text[at] == '+'))
            at++;
        size_t exponent = at;
        at = skip_digits(text, length, at);
        if (at == exponent)
            return false;
    }
    return at == length;
}

bool rh_parse_real(const char *text, size_t length, double *value)
{
    char local[64];
    if (!has_real_shape(text, length))
        return false;
    /* strtod needs a NUL; the tool runs in the C numeric locale, so the point is a point */
    if (length < sizeof local) {
        memcpy(local, text, length);
        local[length] = '\0';
        *value = strtod(local, NULL);
        return true;
    }
    char *copy = strndup(text, length);
    if (copy == NULL)
        return false;
    *value = strtod(copy, NULL);
    free(copy);
    return true;
}

bool rh_is_exponent_code(const char *text, size_t length)
{
    size_t mantissa = skip_digits(text, length, 0);
    if (mantissa == 0 || mantissa == length || (text[mantissa] != 'e' && text[mantissa] != 'E'))
        return false;
    return mantissa + 1 < length && skip_digits(text, length, mantissa + 1) == length;
}

bool rh_has_decimal_comma(const char *text, size_t length)
{
    char local[64];
    const char *comma = memchr(text, ',', length);
    if (comma == NULL || length > sizeof local || memchr(text, '.', length) != NULL)
        return false;
    memcpy(local, text, length);
    local[comma - text] = '.';
    return has_real_shape(local, length);
}

/* The significant digits of a number's text, without zeros around them, at most `size`; 0: it is zero, size: too many. */
static size_t significant_digits(const char *text, size_t length, char *digits, size_t size)
{
    size_t count = 0, zeros = 0;
    for (size_t at = 0; at < length && text[at] != 'e' && text[at] != 'E'; at++) {
        if (!is_digit(text[at]) || (count == 0 && text[at] == '0'))
            continue;
        if (text[at] == '0') {
            zeros++;
            continue;
        }
        if (count + zeros + 1 > size)
            return size;
        memset(digits + count, '0', zeros);
        count += zeros;
        zeros = 0;
        digits[count++] = text[at];
    }
    return count;
}

bool rh_real_keeps(const char *text, size_t length, double value)
{
    enum { MOST = 17 }; /* no double needs more to be told from its neighbours */
    char wanted[MOST + 1], printed[MOST + 16], got[MOST + 1];
    size_t count = significant_digits(text, length, wanted, sizeof wanted);
    if (count == 0)
        return true;
    if (count > MOST || !isfinite(value) || value == 0)
        return false;
    int written = snprintf(printed, sizeof printed, "%.*e", (int)count - 1, value);
    return significant_digits(printed, (size_t)written, got, sizeof got) == count && memcmp(wanted, got, count) == 0;
}

bool rh_is_canonical_integer(const char *text, size_t length)
{
    int64_t value;
    size_t sign = length > 0 && text[0] == '-' ? 1 : 0;
    if (!rh_parse_integer(text, length, &value) || text[0] == '+')
        return false;
    return text[sign] != '0' || (length == 1);
}

const char *rh_format_integer(int64_t value, char text[RH_INTEGER_SIZE])
{
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char *at = text + RH_INTEGER_SIZE - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0)
        *--at = '-';
    return at;
}

size_t rh_format_real(double value, char text[RH_REAL_SIZE])
{
    if (isinf(value))
        return strlen(strcpy(text, value < 0 ? "-9e999" : "9e999"));
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, RH_REAL_SIZE, "%.*g", digits, value);
        if (digits == 17 || strtod(text, NULL) == value)
            break;
    }
    if (strpbrk(text, ".e") == NULL)
        strcat(text, ".0");
    return strlen(text);
}
