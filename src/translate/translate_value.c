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
#include <stdio.h>
#include <string.h>

#include "base/base_map.h"
#include "base/base_utf8.h"
#include "sql/sql_number.h"
#include "translate/translate_internal.h"

struct translate_value translate_value_make(const char *text, enum translate_class cls, uint32_t offset)
{
    struct translate_value value = {.text = text,
                                    .cls = (uint8_t)cls,
                                    .affinity = TRANSLATE_AFFINITY_NONE,
                                    .nullable = true,
                                    .low = -INFINITY,
                                    .high = INFINITY,
                                    .offset = offset};
    if (cls == TRANSLATE_CLASS_INTEGER) {
        value.low = -0x1p63;
        value.high = 0x1p63;
    }
    return value;
}

struct translate_value translate_value_null(struct translator *t, uint32_t offset)
{
    return translate_value_make(t->forms[TRANSLATE_FORM_NULL], TRANSLATE_CLASS_NULL, offset);
}

struct translate_value translate_value_boolean(const char *text, uint32_t offset)
{
    struct translate_value value = translate_value_make(text, TRANSLATE_CLASS_BOOLEAN, offset);
    value.low = 0;
    value.high = 1;
    return value;
}

struct translate_value translate_value_integer(struct translator *t, int64_t integer, uint32_t offset)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, integer);
    const char *text = integer == INT64_MIN ? t->forms[TRANSLATE_FORM_SMALLEST_INTEGER]
                                            : translate_emit(t, TRANSLATE_FORM_INTEGER, digits, NULL, NULL);
    struct translate_value value = translate_value_make(text, TRANSLATE_CLASS_INTEGER, offset);
    value.constant = true;
    value.nullable = false;
    value.nonzero = integer != 0;
    value.literal.type = RHEI_INTEGER;
    value.literal.as.integer = integer;
    value.low = value.high = (double)integer;
    return value;
}

struct translate_value translate_value_real(struct translator *t, double real, uint32_t offset)
{
    char digits[32];
    if (isnan(real))
        return translate_value_null(t, offset);
    if (isinf(real))
        translate_refuse(t, offset, "infinite REAL", "the column store has no literal for it");
    sql_number_print(real, digits);
    struct translate_value value =
        translate_value_make(translate_emit(t, TRANSLATE_FORM_REAL, digits, NULL, NULL), TRANSLATE_CLASS_REAL, offset);
    value.constant = true;
    value.nullable = false;
    value.nonzero = real != 0.0;
    value.negative_zero = real == 0.0 && signbit(real);
    BASE_INVARIANT(!isnan(real)); /* 4 */
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

struct translate_value translate_value_text(struct translator *t, const char *bytes, uint32_t length, uint32_t offset)
{
    if (memchr(bytes, 0, length))
        translate_refuse(t, offset, "TEXT with a NUL byte", "SQLite's text functions stop there");
    if (!base_utf8_valid(bytes, length))
        translate_refuse(t, offset, "TEXT that isn't UTF-8", "the column store takes valid UTF-8 only");
    struct translate_value value =
        translate_value_make(translate_text_literal(t, bytes, length), TRANSLATE_CLASS_TEXT, offset);
    value.constant = true;
    value.nullable = false;
    value.ascii = is_ascii(bytes, length);
    value.literal.type = RHEI_TEXT;
    value.literal.as.bytes = bytes;
    value.literal.length = length;
    return value;
}

struct translate_value translate_value_blob(struct translator *t, const char *bytes, uint32_t length, uint32_t offset)
{
    struct base_buffer buffer = {0};
    for (uint32_t i = 0; i < length; i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02X", (unsigned char)bytes[i]);
        translate_put(t, &buffer, TRANSLATE_FORM_BLOB_BYTE, digits, NULL);
    }
    struct translate_value value =
        translate_value_make(translate_emit(t, TRANSLATE_FORM_BLOB_LITERAL, translate_keep(t, &buffer), NULL, NULL),
                             TRANSLATE_CLASS_BLOB, offset);
    value.constant = true;
    value.nullable = false;
    value.literal.type = RHEI_BLOB;
    value.literal.as.bytes = bytes;
    value.literal.length = length;
    return value;
}

/* ---- Questions ---- */

bool translate_is_number(struct translate_value value)
{
    return value.cls == TRANSLATE_CLASS_INTEGER || value.cls == TRANSLATE_CLASS_REAL ||
           value.cls == TRANSLATE_CLASS_MIXED;
}

bool translate_is_small(struct translate_value value)
{
    return value.low >= -TRANSLATE_SMALL && value.high <= TRANSLATE_SMALL;
}

static const char *collation_of(struct translate_value value)
{
    return value.collation ? value.collation : "BINARY";
}

bool translate_is_binary(struct translate_value value)
{
    return base_fold_compare(collation_of(value), "BINARY") == 0;
}

/* ---- Uses ---- */

struct translate_value translate_plain(struct translator *t, struct translate_value value)
{
    if (value.cls != TRANSLATE_CLASS_BOOLEAN)
        return value;
    value.text = translate_emit(t, TRANSLATE_FORM_INTEGER, value.text, NULL, NULL);
    value.cls = TRANSLATE_CLASS_INTEGER;
    BASE_INVARIANT(value.low >= 0 && value.high <= 1);
    return value;
}

void translate_refuse_negative_zero(struct translator *t, struct translate_value constant)
{
    bool real = constant.cls == TRANSLATE_CLASS_REAL || constant.cls == TRANSLATE_CLASS_MIXED;
    if (real && constant.negative_zero && !constant.nonzero && constant.low <= 0 && constant.high >= 0)
        translate_refuse(t, constant.offset, "negative zero", "the column store takes the constant -0.0 for 0.0");
}

static struct translate_value literal_number(struct translator *t, struct translate_value value)
{
    bool is_integer;
    int64_t integer;
    double real;
    BASE_INVARIANT(value.constant && value.literal.type == RHEI_TEXT);
    sql_number_from_text(value.literal.as.bytes, value.literal.length, &is_integer, &integer, &real);
    struct translate_value number =
        is_integer ? translate_value_integer(t, integer, value.offset) : translate_value_real(t, real, value.offset);
    translate_refuse_negative_zero(t, number);
    return number;
}

static struct translate_value text_number(struct translator *t, struct translate_value value)
{
    struct translate_value number = translate_value_make(
        translate_emit_once(t, TRANSLATE_FORM_SMALL_REAL,
                            translate_emit(t, TRANSLATE_FORM_TEXT_REAL, value.text, NULL, NULL), NULL, NULL),
        TRANSLATE_CLASS_MIXED, value.offset);
    BASE_INVARIANT(value.cls == TRANSLATE_CLASS_TEXT && !value.constant);
    number.flag = translate_emit(t, TRANSLATE_FORM_TEXT_IS_INTEGER, value.text, NULL, NULL);
    number.low = -TRANSLATE_SMALL;
    number.high = TRANSLATE_SMALL;
    number.negative_zero = true;
    return number;
}

struct translate_value translate_text_integer(struct translator *t, struct translate_value value)
{
    return translate_value_make(translate_emit(t, TRANSLATE_FORM_TEXT_INTEGER, value.text, NULL, NULL),
                                TRANSLATE_CLASS_INTEGER, value.offset);
}

struct translate_value translate_truncated(struct translator *t, struct translate_value value)
{
    struct translate_value result = translate_value_make(
        translate_emit(t, TRANSLATE_FORM_TRUNCATE, value.text, NULL, NULL), TRANSLATE_CLASS_INTEGER, value.offset);
    result.low = fmax(result.low, value.low);
    result.high = fmin(result.high, value.high);
    return result;
}

struct translate_value translate_number(struct translator *t, struct translate_value value)
{
    value = translate_plain(t, value);
    if (value.cls == TRANSLATE_CLASS_TEXT)
        return value.constant ? literal_number(t, value) : text_number(t, value);
    if (value.cls == TRANSLATE_CLASS_BLOB)
        translate_refuse(t, value.offset, "BLOB as a number", "the column store can't read a BLOB as a number");
    return value;
}

const char *translate_condition(struct translator *t, struct translate_value value)
{
    switch (value.cls) {
    case TRANSLATE_CLASS_BOOLEAN:
        return value.text;
    case TRANSLATE_CLASS_NULL:
        return translate_emit(t, TRANSLATE_FORM_NULL_BOOLEAN, NULL, NULL, NULL);
    case TRANSLATE_CLASS_TEXT:
        if (!value.constant)
            return translate_emit(t, TRANSLATE_FORM_TRUTH_OF_NUMBER,
                                  translate_emit(t, TRANSLATE_FORM_TEXT_REAL, value.text, NULL, NULL), NULL, NULL);
        return literal_number(t, value).nonzero ? translate_emit(t, TRANSLATE_FORM_TRUE, NULL, NULL, NULL)
                                                : translate_emit(t, TRANSLATE_FORM_FALSE, NULL, NULL, NULL);
    case TRANSLATE_CLASS_BLOB:
        translate_refuse(t, value.offset, "BLOB as a condition", "the column store can't read a BLOB as a number");
        return t->forms[TRANSLATE_FORM_NULL];
    default:
        return translate_emit(t, TRANSLATE_FORM_TRUTH_OF_NUMBER, value.text, NULL, NULL);
    }
}

const char *translate_as_text(struct translator *t, struct translate_value value)
{
    value = translate_plain(t, value);
    switch (value.cls) {
    case TRANSLATE_CLASS_TEXT:
        return value.text;
    case TRANSLATE_CLASS_INTEGER:
        return translate_emit(t, TRANSLATE_FORM_TEXT, value.text, NULL, NULL);
    case TRANSLATE_CLASS_NULL:
        return translate_emit(t, TRANSLATE_FORM_NULL_TEXT, NULL, NULL, NULL);
    case TRANSLATE_CLASS_REAL:
        return translate_emit(t, TRANSLATE_FORM_REAL_TEXT, value.text, NULL, NULL);
    case TRANSLATE_CLASS_MIXED:
        return translate_emit_once(t, TRANSLATE_FORM_NUMBER_TEXT, value.text, value.flag, NULL);
    default:
        translate_refuse(t, value.offset, "BLOB as TEXT", "its bytes need not be a text");
        return t->forms[TRANSLATE_FORM_NULL];
    }
}

const char *translate_as_double(struct translator *t, struct translate_value value)
{
    value = translate_plain(t, value);
    if (value.cls == TRANSLATE_CLASS_MIXED && value.negative_zero) /* a sign that the integer 0 has no room for */
        return translate_emit_once(t, TRANSLATE_FORM_INTEGER_ZERO, value.text, value.flag, NULL);
    if (value.cls == TRANSLATE_CLASS_REAL || value.cls == TRANSLATE_CLASS_MIXED)
        return value.text;
    return translate_emit(t, TRANSLATE_FORM_REAL, value.text, NULL, NULL);
}

const char *translate_as_exact_double(struct translator *t, struct translate_value value)
{
    value = translate_plain(t, value);
    if (value.cls != TRANSLATE_CLASS_INTEGER || translate_is_small(value))
        return translate_as_double(t, value);
    return translate_emit_once(t, TRANSLATE_FORM_EXACT_REAL, value.text, NULL, NULL);
}

const char *translate_flag(struct translator *t, struct translate_value value)
{
    BASE_INVARIANT((value.cls == TRANSLATE_CLASS_MIXED) == (value.flag != NULL) || t->refused || t->failed); /* 3 */
    if (value.cls == TRANSLATE_CLASS_MIXED)
        return value.flag;
    /* As a MIXED value's that is NULL: one NULL is as another, to DISTINCT too. */
    if (value.cls == TRANSLATE_CLASS_NULL)
        return translate_emit(t, TRANSLATE_FORM_NULL_BOOLEAN, NULL, NULL, NULL);
    bool integer = value.cls == TRANSLATE_CLASS_INTEGER || value.cls == TRANSLATE_CLASS_BOOLEAN;
    return translate_emit(t, integer ? TRANSLATE_FORM_TRUE : TRANSLATE_FORM_FALSE, NULL, NULL, NULL);
}

bool translate_orders_by_utf16(const struct translator *t, struct translate_value value)
{
    return t->catalog->encoding != TRANSLATE_UTF8 && value.cls == TRANSLATE_CLASS_TEXT && !value.ascii &&
           translate_is_binary(value);
}

const char *translate_equal_key(struct translator *t, struct translate_value value)
{
    return translate_orders_by_utf16(t, value) ? value.text : translate_sort_key(t, value);
}

const char *translate_sort_key(struct translator *t, struct translate_value value)
{
    value = translate_plain(t, value);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return translate_emit(t, TRANSLATE_FORM_NULL_INTEGER, NULL, NULL, NULL);
    if (translate_orders_by_utf16(t, value))
        return translate_emit(
            t, t->catalog->encoding == TRANSLATE_UTF16BE ? TRANSLATE_FORM_UTF16BE : TRANSLATE_FORM_UTF16LE, value.text,
            NULL, NULL);
    if (value.cls != TRANSLATE_CLASS_TEXT || translate_is_binary(value))
        return value.text;
    if (base_fold_compare(value.collation, "NOCASE") == 0)
        return translate_emit(t, value.ascii ? TRANSLATE_FORM_LOWER_ASCII : TRANSLATE_FORM_LOWER, value.text, NULL,
                              NULL);
    if (base_fold_compare(value.collation, "RTRIM") == 0)
        return translate_emit(t, TRANSLATE_FORM_RTRIM_BLANKS, value.text, NULL, NULL);
    translate_refuse(t, value.offset, "collation", "only BINARY, NOCASE and RTRIM are known to the column store");
    return value.text;
}

/* A column store may show a column as it reads it back from a sort's key, where both zeros are one: so the key is another. */
const char *translate_order_key(struct translator *t, struct translate_value value)
{
    const char *key = translate_sort_key(t, value);
    bool real = value.cls == TRANSLATE_CLASS_REAL || value.cls == TRANSLATE_CLASS_MIXED;
    return real && value.negative_zero ? translate_emit(t, TRANSLATE_FORM_POSITIVE_ZERO, key, NULL, NULL) : key;
}

const char *translate_ordered(struct translator *t, const char *key, const struct sql_item *item)
{
    bool down = item->sort == SQL_SORT_DESC;
    bool last = item->nulls == SQL_NULLS_NONE ? down : item->nulls == SQL_NULLS_LAST;
    enum translate_form form = down ? (last ? TRANSLATE_FORM_DESC_NULLS_LAST : TRANSLATE_FORM_DESC_NULLS_FIRST)
                                    : (last ? TRANSLATE_FORM_ASC_NULLS_LAST : TRANSLATE_FORM_ASC_NULLS_FIRST);
    return translate_emit(t, form, key, NULL, NULL);
}

/* ---- Common classes ---- */

static struct translate_value widen(struct translate_value a, struct translate_value b)
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

struct translate_value translate_unify(struct translator *t, struct translate_value a, struct translate_value b,
                                       const char *construct)
{
    a = translate_plain(t, a);
    b = translate_plain(t, b);
    if (a.cls == TRANSLATE_CLASS_NULL || b.cls == TRANSLATE_CLASS_NULL) {
        struct translate_value other = a.cls == TRANSLATE_CLASS_NULL ? b : a;
        other.nullable = true;
        other.constant = false;
        return other;
    }
    struct translate_value common = widen(a, b);
    if (a.cls == b.cls)
        return common;
    if (translate_is_number(a) && translate_is_number(b)) {
        common.cls = TRANSLATE_CLASS_MIXED;
        return common;
    }
    translate_refuse(t, b.offset, construct, "its values are of different storage classes");
    return common;
}

const char *translate_convert(struct translator *t, struct translate_value value, struct translate_value common)
{
    value = translate_plain(t, value);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return t->forms[TRANSLATE_FORM_NULL];
    BASE_INVARIANT(t->refused || t->failed || value.cls == common.cls ||
                   (common.cls == TRANSLATE_CLASS_MIXED && translate_is_number(value)));
    return common.cls == TRANSLATE_CLASS_MIXED ? translate_as_exact_double(t, value) : value.text;
}
