/* SPDX-License-Identifier: Apache-2.0 */
/* Values as the types' send functions make them. */
#include <string.h>

#include "source_postgres/postgres_type.h"

static bool uuid_value(const char *bytes, struct base_arena *arena, struct rhei_value *value)
{
    static const char hex[] = "0123456789abcdef";
    char *text = base_arena_alloc(arena, 36), *out = text;
    if (text == NULL)
        return false;
    for (int i = 0; i < 16; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *out++ = '-';
        *out++ = hex[byte >> 4];
        *out++ = hex[byte & 15];
    }
    postgres_bytes(value, RHEI_TEXT, text, 36);
    return true;
}

static bool numeric_value(enum postgres_form form, const char *bytes, size_t length, struct base_arena *arena,
                          struct rhei_value *value)
{
    size_t text_length = 0;
    const char *text = postgres_numeric_text(bytes, length, arena, &text_length);
    return text != NULL && postgres_digits_value(form, text, text_length, value);
}

static double double_of(const char *bytes)
{
    uint64_t word = postgres_u64(bytes);
    double real;
    memcpy(&real, &word, sizeof real);
    return real;
}

static double float_of(const char *bytes)
{
    uint32_t word = postgres_u32(bytes);
    float real;
    memcpy(&real, &word, sizeof real);
    return (double)real;
}

static size_t fixed_width(enum postgres_form form)
{
    switch (form) {
    case POSTGRES_BOOL:
        return 1;
    case POSTGRES_INT2:
        return 2;
    case POSTGRES_INT4:
    case POSTGRES_OID:
    case POSTGRES_FLOAT4:
    case POSTGRES_DATE:
        return 4;
    case POSTGRES_INT8:
    case POSTGRES_FLOAT8:
    case POSTGRES_MONEY:
    case POSTGRES_TIMESTAMP:
    case POSTGRES_TIMESTAMPTZ:
    case POSTGRES_TIME:
        return 8;
    case POSTGRES_UUID:
        return 16;
    default:
        return 0;
    }
}

bool postgres_binary_value(enum postgres_form form, const char *bytes, size_t length, struct base_arena *arena,
                           struct rhei_value *value)
{
    size_t width = fixed_width(form);
    if (width != 0 && length != width)
        return false;
    switch (form) {
    case POSTGRES_BOOL:
        postgres_integer(value, bytes[0] != 0);
        return true;
    case POSTGRES_INT2:
        postgres_integer(value, (int16_t)postgres_u16(bytes));
        return true;
    case POSTGRES_INT4:
        postgres_integer(value, (int32_t)postgres_u32(bytes));
        return true;
    case POSTGRES_OID:
        postgres_integer(value, postgres_u32(bytes));
        return true;
    case POSTGRES_INT8:
    case POSTGRES_MONEY:
        postgres_integer(value, (int64_t)postgres_u64(bytes));
        return true;
    case POSTGRES_FLOAT4:
        postgres_real(value, float_of(bytes));
        return true;
    case POSTGRES_FLOAT8:
        postgres_real(value, double_of(bytes));
        return true;
    case POSTGRES_WHOLE:
    case POSTGRES_DECIMAL:
    case POSTGRES_NUMERIC:
        return numeric_value(form, bytes, length, arena, value);
    case POSTGRES_DATE:
        return postgres_date_text((int32_t)postgres_u32(bytes), arena, value);
    case POSTGRES_TIMESTAMP:
    case POSTGRES_TIMESTAMPTZ:
        return postgres_timestamp_text((int64_t)postgres_u64(bytes), form == POSTGRES_TIMESTAMPTZ, arena, value);
    case POSTGRES_TIME:
        return postgres_time_text((int64_t)postgres_u64(bytes), arena, value);
    case POSTGRES_UUID:
        return uuid_value(bytes, arena, value);
    case POSTGRES_BYTEA:
        postgres_bytes(value, RHEI_BLOB, bytes, length);
        return true;
    case POSTGRES_JSONB:
        if (length < 1 || bytes[0] != 1) /* the version of its form */
            return false;
        postgres_bytes(value, RHEI_TEXT, bytes + 1, length - 1);
        return true;
    default: /* POSTGRES_PRINTED is asked for as text, whose binary form is the text */
        postgres_bytes(value, RHEI_TEXT, bytes, length);
        return true;
    }
}
