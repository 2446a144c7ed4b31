/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values and what SQLite does to them where they are used: as a number, a condition, a text, a sort key.
 *
 * Invariants:
 * 1. No value is ever NaN: what could be is wrapped so that it is NULL, as in SQLite.
 * 2. A MIXED value's integers lie within 2^53, so a DOUBLE holds them; what could pass that raises an error instead.
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/base_map.h"
#include "base/base_utf8.h"
#include "sql/sql_number.h"
#include "sql/sql_translator.h"

struct sql_value sql_value_make(const char *text, enum sql_class cls, uint32_t offset)
{
    struct sql_value value = {.text = text,
                              .cls = (uint8_t)cls,
                              .affinity = SQL_AFFINITY_NONE,
                              .nullable = true,
                              .low = -INFINITY,
                              .high = INFINITY,
                              .offset = offset};
    if (cls == SQL_CLASS_INTEGER) {
        value.low = -0x1p63;
        value.high = 0x1p63;
    }
    return value;
}

struct sql_value sql_value_null(uint32_t offset)
{
    return sql_value_make("NULL", SQL_CLASS_NULL, offset);
}

struct sql_value sql_value_boolean(const char *text, uint32_t offset)
{
    struct sql_value value = sql_value_make(text, SQL_CLASS_BOOLEAN, offset);
    value.low = 0;
    value.high = 1;
    return value;
}

struct sql_value sql_value_integer(struct sql_translator *t, int64_t integer, uint32_t offset)
{
    const char *digits = integer == INT64_MIN ? "'-9223372036854775808'" : sql_format(t, "%" PRId64, integer);
    struct sql_value value =
        sql_value_make(sql_emit(t, SQL_FORM_INTEGER, digits, NULL, NULL), SQL_CLASS_INTEGER, offset);
    value.constant = true;
    value.nullable = false;
    value.nonzero = integer != 0;
    value.literal.type = RHEI_INTEGER;
    value.literal.as.integer = integer;
    value.low = value.high = (double)integer;
    return value;
}

struct sql_value sql_value_real(struct sql_translator *t, double real, uint32_t offset)
{
    char digits[32];
    if (isnan(real))
        return sql_value_null(offset);
    if (isinf(real))
        sql_refuse(t, offset, "infinite REAL", "the column store has no literal for it");
    sql_number_print(real, digits);
    struct sql_value value = sql_value_make(sql_emit(t, SQL_FORM_REAL, digits, NULL, NULL), SQL_CLASS_REAL, offset);
    value.constant = true;
    value.nullable = false;
    value.nonzero = real != 0.0;
    value.negative_zero = real == 0.0 && signbit(real);
    value.literal.type = RHEI_REAL;
    value.literal.as.real = real;
    value.low = value.high = real;
    return value;
}

static bool is_ascii(const char *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if ((unsigned char)bytes[i] >= 0x80)
            return false;
    return true;
}

struct sql_value sql_value_text(struct sql_translator *t, const char *bytes, uint32_t length, uint32_t offset)
{
    if (memchr(bytes, 0, length))
        sql_refuse(t, offset, "TEXT with a NUL byte", "SQLite's text functions stop there");
    if (!base_utf8_valid(bytes, length))
        sql_refuse(t, offset, "TEXT that isn't UTF-8", "the column store takes valid UTF-8 only");
    struct sql_value value = sql_value_make(sql_text_literal(t, bytes, length), SQL_CLASS_TEXT, offset);
    value.constant = true;
    value.nullable = false;
    value.ascii = is_ascii(bytes, length);
    value.literal.type = RHEI_TEXT;
    value.literal.as.bytes = bytes;
    value.literal.length = length;
    return value;
}

struct sql_value sql_value_blob(struct sql_translator *t, const char *bytes, uint32_t length, uint32_t offset)
{
    struct base_buffer buffer = {0};
    base_buffer_char(&buffer, '\'');
    for (uint32_t i = 0; i < length; i++)
        base_buffer_format(&buffer, "\\x%02X", (unsigned char)bytes[i]);
    base_buffer_char(&buffer, '\'');
    struct sql_value value =
        sql_value_make(sql_emit(t, SQL_FORM_BLOB, sql_keep(t, &buffer), NULL, NULL), SQL_CLASS_BLOB, offset);
    value.constant = true;
    value.nullable = false;
    value.literal.type = RHEI_BLOB;
    value.literal.as.bytes = bytes;
    value.literal.length = length;
    return value;
}

/* ---- Questions ---- */

bool sql_is_number(struct sql_value value)
{
    return value.cls == SQL_CLASS_INTEGER || value.cls == SQL_CLASS_REAL || value.cls == SQL_CLASS_MIXED;
}

bool sql_is_small(struct sql_value value)
{
    return value.low >= -SQL_SMALL && value.high <= SQL_SMALL;
}

const char *sql_collation(struct sql_value value)
{
    return value.collation ? value.collation : "BINARY";
}

bool sql_is_binary(struct sql_value value)
{
    return base_fold_compare(sql_collation(value), "BINARY") == 0;
}

/* ---- Uses ---- */

struct sql_value sql_plain(struct sql_translator *t, struct sql_value value)
{
    if (value.cls != SQL_CLASS_BOOLEAN)
        return value;
    value.text = sql_emit(t, SQL_FORM_INTEGER, value.text, NULL, NULL);
    value.cls = SQL_CLASS_INTEGER;
    return value;
}

void sql_refuse_negative_zero(struct sql_translator *t, struct sql_value constant)
{
    bool real = constant.cls == SQL_CLASS_REAL || constant.cls == SQL_CLASS_MIXED;
    if (real && constant.negative_zero && !constant.nonzero && constant.low <= 0 && constant.high >= 0)
        sql_refuse(t, constant.offset, "negative zero", "the column store takes the constant -0.0 for 0.0");
}

static struct sql_value literal_number(struct sql_translator *t, struct sql_value value)
{
    bool is_integer;
    int64_t integer;
    double real;
    sql_number_from_text(value.literal.as.bytes, value.literal.length, &is_integer, &integer, &real);
    struct sql_value number =
        is_integer ? sql_value_integer(t, integer, value.offset) : sql_value_real(t, real, value.offset);
    sql_refuse_negative_zero(t, number);
    return number;
}

static struct sql_value text_number(struct sql_translator *t, struct sql_value value)
{
    struct sql_value number = sql_value_make(
        sql_emit_once(t, SQL_FORM_SMALL_REAL, sql_emit(t, SQL_FORM_TEXT_REAL, value.text, NULL, NULL), NULL, NULL),
        SQL_CLASS_MIXED, value.offset);
    number.flag = sql_emit(t, SQL_FORM_TEXT_IS_INTEGER, value.text, NULL, NULL);
    number.low = -SQL_SMALL;
    number.high = SQL_SMALL;
    number.negative_zero = true;
    return number;
}

struct sql_value sql_number(struct sql_translator *t, struct sql_value value)
{
    value = sql_plain(t, value);
    if (value.cls == SQL_CLASS_TEXT)
        return value.constant ? literal_number(t, value) : text_number(t, value);
    if (value.cls == SQL_CLASS_BLOB)
        sql_refuse(t, value.offset, "BLOB as a number", "the column store can't read a BLOB as a number");
    return value;
}

const char *sql_condition(struct sql_translator *t, struct sql_value value)
{
    switch (value.cls) {
    case SQL_CLASS_BOOLEAN:
        return value.text;
    case SQL_CLASS_NULL:
        return sql_emit(t, SQL_FORM_NULL_BOOLEAN, NULL, NULL, NULL);
    case SQL_CLASS_TEXT:
        if (!value.constant)
            return sql_emit(t, SQL_FORM_TRUTH_OF_NUMBER, sql_emit(t, SQL_FORM_TEXT_REAL, value.text, NULL, NULL), NULL,
                            NULL);
        return literal_number(t, value).nonzero ? sql_emit(t, SQL_FORM_TRUE, NULL, NULL, NULL)
                                                : sql_emit(t, SQL_FORM_FALSE, NULL, NULL, NULL);
    case SQL_CLASS_BLOB:
        sql_refuse(t, value.offset, "BLOB as a condition", "the column store can't read a BLOB as a number");
        return "NULL";
    default:
        return sql_emit(t, SQL_FORM_TRUTH_OF_NUMBER, value.text, NULL, NULL);
    }
}

const char *sql_as_text(struct sql_translator *t, struct sql_value value)
{
    value = sql_plain(t, value);
    switch (value.cls) {
    case SQL_CLASS_TEXT:
        return value.text;
    case SQL_CLASS_INTEGER:
        return sql_emit(t, SQL_FORM_TEXT, value.text, NULL, NULL);
    case SQL_CLASS_NULL:
        return sql_emit(t, SQL_FORM_NULL_TEXT, NULL, NULL, NULL);
    case SQL_CLASS_REAL:
        return sql_emit(t, SQL_FORM_REAL_TEXT, value.text, NULL, NULL);
    case SQL_CLASS_MIXED:
        return sql_emit_once(t, SQL_FORM_NUMBER_TEXT, value.text, value.flag, NULL);
    default:
        sql_refuse(t, value.offset, "BLOB as TEXT", "its bytes need not be a text");
        return "NULL";
    }
}

const char *sql_as_double(struct sql_translator *t, struct sql_value value)
{
    value = sql_plain(t, value);
    if (value.cls == SQL_CLASS_MIXED && value.negative_zero) /* a sign that the integer 0 has no room for */
        return sql_emit_once(t, SQL_FORM_INTEGER_ZERO, value.text, value.flag, NULL);
    if (value.cls == SQL_CLASS_REAL || value.cls == SQL_CLASS_MIXED)
        return value.text;
    return sql_emit(t, SQL_FORM_REAL, value.text, NULL, NULL);
}

const char *sql_as_exact_double(struct sql_translator *t, struct sql_value value)
{
    value = sql_plain(t, value);
    if (value.cls != SQL_CLASS_INTEGER || sql_is_small(value))
        return sql_as_double(t, value);
    return sql_emit_once(t, SQL_FORM_EXACT_REAL, value.text, NULL, NULL);
}

const char *sql_flag(struct sql_translator *t, struct sql_value value)
{
    if (value.cls == SQL_CLASS_MIXED)
        return value.flag;
    bool integer = value.cls == SQL_CLASS_INTEGER || value.cls == SQL_CLASS_BOOLEAN;
    return sql_emit(t, integer ? SQL_FORM_TRUE : SQL_FORM_FALSE, NULL, NULL, NULL);
}

bool sql_orders_by_utf16(const struct sql_translator *t, struct sql_value value)
{
    return t->catalog->encoding != SQL_UTF8 && value.cls == SQL_CLASS_TEXT && !value.ascii && sql_is_binary(value);
}

const char *sql_equal_key(struct sql_translator *t, struct sql_value value)
{
    return sql_orders_by_utf16(t, value) ? value.text : sql_sort_key(t, value);
}

const char *sql_sort_key(struct sql_translator *t, struct sql_value value)
{
    value = sql_plain(t, value);
    if (value.cls == SQL_CLASS_NULL)
        return sql_emit(t, SQL_FORM_NULL_INTEGER, NULL, NULL, NULL);
    if (sql_orders_by_utf16(t, value))
        return sql_emit(t, t->catalog->encoding == SQL_UTF16BE ? SQL_FORM_UTF16BE : SQL_FORM_UTF16LE, value.text, NULL,
                        NULL);
    if (value.cls != SQL_CLASS_TEXT || sql_is_binary(value))
        return value.text;
    if (base_fold_compare(value.collation, "NOCASE") == 0)
        return sql_emit(t, value.ascii ? SQL_FORM_LOWER_ASCII : SQL_FORM_LOWER, value.text, NULL, NULL);
    if (base_fold_compare(value.collation, "RTRIM") == 0)
        return sql_emit(t, SQL_FORM_RTRIM_BLANKS, value.text, NULL, NULL);
    sql_refuse(t, value.offset, "collation", "only BINARY, NOCASE and RTRIM are known to the column store");
    return value.text;
}

/* A column store may show a column as it reads it back from a sort's key, where both zeros are one: so the key is another. */
const char *sql_order_key(struct sql_translator *t, struct sql_value value)
{
    const char *key = sql_sort_key(t, value);
    bool real = value.cls == SQL_CLASS_REAL || value.cls == SQL_CLASS_MIXED;
    return real && value.negative_zero ? sql_emit(t, SQL_FORM_POSITIVE_ZERO, key, NULL, NULL) : key;
}

/* ---- Common classes ---- */

static struct sql_value widen(struct sql_value a, struct sql_value b)
{
    a.low = fmin(a.low, b.low);
    a.high = fmax(a.high, b.high);
    a.nullable = a.nullable || b.nullable;
    a.ascii = a.ascii && b.ascii;
    a.negative_zero = a.negative_zero || b.negative_zero;
    a.nonzero = a.nonzero && b.nonzero;
    a.constant = false;
    a.flag = NULL;
    a.flag_of_value = false;
    return a;
}

struct sql_value sql_unify(struct sql_translator *t, struct sql_value a, struct sql_value b, const char *construct)
{
    a = sql_plain(t, a);
    b = sql_plain(t, b);
    if (a.cls == SQL_CLASS_NULL || b.cls == SQL_CLASS_NULL) {
        struct sql_value other = a.cls == SQL_CLASS_NULL ? b : a;
        other.nullable = true;
        other.constant = false;
        return other;
    }
    struct sql_value common = widen(a, b);
    if (a.cls == b.cls)
        return common;
    if (sql_is_number(a) && sql_is_number(b)) {
        common.cls = SQL_CLASS_MIXED;
        return common;
    }
    sql_refuse(t, b.offset, construct, "its values are of different storage classes");
    return common;
}

const char *sql_convert(struct sql_translator *t, struct sql_value value, struct sql_value common)
{
    value = sql_plain(t, value);
    if (value.cls == SQL_CLASS_NULL)
        return "NULL";
    return common.cls == SQL_CLASS_MIXED ? sql_as_exact_double(t, value) : value.text;
}
