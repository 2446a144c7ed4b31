/* SPDX-License-Identifier: Apache-2.0 */
/* Values as the types' output functions print them, with the settings that a connection pins. */
#include <string.h>

#include "source_postgres/postgres_real.h"
#include "source_postgres/postgres_type.h"

static bool integer_value(enum postgres_form form, const char *text, size_t length, struct rhei_value *value)
{
    static const struct {
        int64_t low, high;
    } ranges[] = {[POSTGRES_INT2] = {INT16_MIN, INT16_MAX},
                  [POSTGRES_INT4] = {INT32_MIN, INT32_MAX},
                  [POSTGRES_INT8] = {INT64_MIN, INT64_MAX},
                  [POSTGRES_OID] = {0, UINT32_MAX}};
    if (memchr(text, '.', length) != NULL || !postgres_digits_value(POSTGRES_WHOLE, text, length, value))
        return false;
    return value->type == RHEI_INTEGER && value->as.integer >= ranges[form].low &&
           value->as.integer <= ranges[form].high;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool bytea_value(const char *text, size_t length, struct base_arena *arena, struct rhei_value *value)
{
    if (length < 2 || text[0] != '\\' || text[1] != 'x' || length % 2 != 0)
        return false;
    size_t count = length / 2 - 1;
    unsigned char *bytes = base_arena_alloc(arena, count + 1);
    if (bytes == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        int high = hex_digit(text[2 + 2 * i]), low = hex_digit(text[3 + 2 * i]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    postgres_bytes(value, RHEI_BLOB, bytes, count);
    return true;
}

/* "-$1,234.56", as lc_monetary=C prints it. */
static bool money_value(const char *text, size_t length, struct rhei_value *value)
{
    char digits[40];
    size_t count = 0, behind = 0;
    bool point = false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '$' || text[i] == ',')
            continue;
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (count == sizeof digits)
            return false;
        digits[count++] = text[i];
        behind += point;
    }
    return behind == 2 && postgres_digits_value(POSTGRES_WHOLE, digits, count, value) && value->type == RHEI_INTEGER;
}

/* "2026-01-31 12:00:00+00 BC" with its minutes, so that SQLite's functions read it: "+00:00". */
static bool zoned_value(const char *text, size_t length, struct base_arena *arena, struct rhei_value *value)
{
    if (length > 0 && text[length - 1] == 'y') { /* infinity */
        postgres_bytes(value, RHEI_TEXT, text, length);
        return length == 8 || length == 9;
    }
    bool before = length > 3 && memcmp(text + length - 3, " BC", 3) == 0;
    size_t zone = length - (before ? 3 : 0);
    if (length < 19 || zone < 3 || memcmp(text + zone - 3, "+00", 3) != 0)
        return false;
    char *copy = base_arena_alloc(arena, length + 3);
    if (copy == NULL)
        return false;
    memcpy(copy, text, zone);
    memcpy(copy + zone, ":00", 3);
    memcpy(copy + zone + 3, text + zone, length - zone);
    postgres_bytes(value, RHEI_TEXT, copy, length + 3);
    return true;
}

bool postgres_text_value(enum postgres_form form, const char *text, size_t length, struct base_arena *arena,
                         struct rhei_value *value)
{
    double real = 0;
    switch (form) {
    case POSTGRES_BOOL:
        postgres_integer(value, length == 1 && text[0] == 't');
        return length == 1 && (text[0] == 't' || text[0] == 'f');
    case POSTGRES_INT2:
    case POSTGRES_INT4:
    case POSTGRES_INT8:
    case POSTGRES_OID:
        return integer_value(form, text, length, value);
    case POSTGRES_FLOAT4:
    case POSTGRES_FLOAT8:
        if (form == POSTGRES_FLOAT4 ? !postgres_float_parse(text, length, &real)
                                    : !postgres_real_parse(text, length, &real))
            return false;
        postgres_real(value, real);
        return true;
    case POSTGRES_WHOLE:
    case POSTGRES_DECIMAL:
    case POSTGRES_NUMERIC:
        return postgres_digits_value(form, text, length, value);
    case POSTGRES_MONEY:
        return money_value(text, length, value);
    case POSTGRES_TIMESTAMPTZ:
        return zoned_value(text, length, arena, value);
    case POSTGRES_BYTEA:
        return bytea_value(text, length, arena, value);
    default:
        postgres_bytes(value, RHEI_TEXT, text, length);
        return true;
    }
}
