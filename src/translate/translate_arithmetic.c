/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic: + - * / %, the operators on bits, and what they make of their operands' bounds, NaN and negative zeros. */
#include <math.h>
#include <string.h>

#include "sql/sql_number.h"
#include "translate/translate_internal.h"

static enum translate_form arithmetic_form(enum sql_op op)
{
    return op == SQL_OP_ADD        ? TRANSLATE_FORM_ADD
           : op == SQL_OP_SUBTRACT ? TRANSLATE_FORM_SUBTRACT
                                   : TRANSLATE_FORM_MULTIPLY;
}

static double reach(struct translate_value value)
{
    return fmax(fabs(value.low), fabs(value.high));
}

static void bounds(struct translate_value *result, enum sql_op op, struct translate_value a, struct translate_value b)
{
    double low = -INFINITY, high = INFINITY;
    if (op == SQL_OP_ADD) {
        low = a.low + b.low;
        high = a.high + b.high;
    } else if (op == SQL_OP_SUBTRACT) {
        low = a.low - b.high;
        high = a.high - b.low;
    } else if (op == SQL_OP_MULTIPLY && isfinite(reach(a)) && isfinite(reach(b))) {
        double p[4] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
        low = fmin(fmin(p[0], p[1]), fmin(p[2], p[3]));
        high = fmax(fmax(p[0], p[1]), fmax(p[2], p[3]));
    } else if (op == SQL_OP_REMAINDER) {
        high = fmin(reach(a),
                    fmax(reach(b) - 1, 0)); /* nearer to 0 than the divisor, and not farther than what it is of */
        low = -high;
    } else if (op == SQL_OP_DIVIDE && (b.low >= 1 || b.high <= -1)) {
        high = reach(a) / fmin(fabs(b.low), fabs(b.high)) * 1.0000001; /* the quotient may be rounded up */
        low = -high;
    } else if (op == SQL_OP_DIVIDE && a.cls == TRANSLATE_CLASS_INTEGER && b.cls == TRANSLATE_CLASS_INTEGER) {
        high = reach(a); /* every integer but 0 is at least 1 */
        low = -high;
    }
    bool positive = a.low >= 0 && b.low >= 0 && op != SQL_OP_SUBTRACT;
    result->low = isnan(low) ? -INFINITY : positive ? fmax(low, 0) : low;
    result->high = isnan(high) ? INFINITY : high;
    BASE_INVARIANT(!isnan(result->low) && !isnan(result->high));
}

static bool may_be_zero(struct translate_value value)
{
    return !value.nonzero && value.low <= 0 && value.high >= 0;
}

/* inf - inf, inf * 0 and inf / inf are NaN, which SQLite makes NULL. */
static bool may_be_nan(enum sql_op op, struct translate_value a, struct translate_value b)
{
    bool a_wide = isinf(a.low) || isinf(a.high), b_wide = isinf(b.low) || isinf(b.high);
    if (op == SQL_OP_MULTIPLY)
        return (a_wide && may_be_zero(b)) || (b_wide && may_be_zero(a));
    return a_wide && b_wide;
}

static bool may_be_negative_zero(enum sql_op op, struct translate_value a, struct translate_value b)
{
    if (op == SQL_OP_ADD)
        return a.negative_zero && b.negative_zero;
    if (op == SQL_OP_SUBTRACT)
        return a.negative_zero;
    return a.negative_zero || b.negative_zero || a.low < 0 || b.low < 0;
}

static struct translate_value real_arithmetic(struct translator *t, enum sql_op op, struct translate_value a,
                                              struct translate_value b)
{
    enum translate_form form = op == SQL_OP_DIVIDE ? TRANSLATE_FORM_DIVIDE_REAL : arithmetic_form(op);
    const char *text = translate_emit(t, form, translate_as_double(t, a), translate_as_double(t, b), NULL);
    if (may_be_nan(op, a, b))
        text = translate_emit_once(t, TRANSLATE_FORM_NAN_IS_NULL, text, NULL, NULL);
    struct translate_value result = translate_value_make(text, TRANSLATE_CLASS_REAL, a.offset);
    result.negative_zero = may_be_negative_zero(op, a, b);
    return result;
}

static struct translate_value mixed_arithmetic(struct translator *t, enum sql_op op, struct translate_value a,
                                               struct translate_value b)
{
    const char *flag = translate_emit(t, TRANSLATE_FORM_AND, translate_flag(t, a), translate_flag(t, b), NULL);
    const char *left = translate_as_exact_double(t, a), *right = translate_as_exact_double(t, b);
    const char *text = op == SQL_OP_DIVIDE ? translate_emit_once(t, TRANSLATE_FORM_DIVIDE_MIXED, left, right, flag)
                                           : translate_emit(t, arithmetic_form(op), left, right, NULL);
    struct translate_value result = translate_value_make(text, TRANSLATE_CLASS_MIXED, a.offset);
    bounds(&result, op, a, b);
    if (!translate_is_small(result))
        result.text = translate_emit_once(t, TRANSLATE_FORM_SMALL_REAL, text, NULL, NULL);
    result.low = fmax(result.low, -TRANSLATE_SMALL);
    result.high = fmin(result.high, TRANSLATE_SMALL);
    BASE_INVARIANT(flag && translate_is_small(result)); /* 3 */
    result.flag = flag;
    result.negative_zero = true;
    return result;
}

/*
 * An operand of %, &, |, ~, << and >>: SQLite takes it as an integer. A TEXT's is the integer that it starts with, whatever
 * number it is ('1.9e1' is 1 there); a REAL's is without its fraction.
 */
static struct translate_value whole(struct translator *t, struct translate_value value)
{
    if (value.cls == TRANSLATE_CLASS_TEXT && value.constant)
        return translate_value_integer(t, sql_number_integer_prefix(value.literal.as.bytes, value.literal.length),
                                       value.offset);
    if (value.cls == TRANSLATE_CLASS_TEXT)
        return translate_text_integer(t, value);
    value = translate_number(t, value);
    bool is_whole = value.cls == TRANSLATE_CLASS_INTEGER || value.cls == TRANSLATE_CLASS_NULL;
    return is_whole ? value : translate_truncated(t, value);
}

/* The integers' remainder; an integer if both operands are, else a REAL. */
static struct translate_value remainder_value(struct translator *t, struct translate_value a, struct translate_value b)
{
    struct translate_value left = whole(t, a), right = whole(t, b);
    a = a.cls == TRANSLATE_CLASS_TEXT ? translate_number(t, a) : translate_plain(t, a); /* for their classes */
    b = b.cls == TRANSLATE_CLASS_TEXT ? translate_number(t, b) : translate_plain(t, b);
    if (left.cls == TRANSLATE_CLASS_NULL || right.cls == TRANSLATE_CLASS_NULL)
        return translate_value_null(t, a.offset);
    struct translate_value value = translate_value_make(
        translate_emit(t, TRANSLATE_FORM_REMAINDER, left.text, right.text, NULL), TRANSLATE_CLASS_INTEGER, a.offset);
    bounds(&value, SQL_OP_REMAINDER, left, right);
    if (a.cls == TRANSLATE_CLASS_INTEGER && b.cls == TRANSLATE_CLASS_INTEGER)
        return value;
    if (a.cls == TRANSLATE_CLASS_REAL || b.cls == TRANSLATE_CLASS_REAL) {
        value.text = translate_as_double(t, value);
        value.cls = TRANSLATE_CLASS_REAL;
        return value;
    }
    value.text = translate_as_exact_double(t, value);
    value.cls = TRANSLATE_CLASS_MIXED;
    value.flag = translate_emit(t, TRANSLATE_FORM_AND, translate_flag(t, a), translate_flag(t, b), NULL);
    value.low = fmax(value.low, -TRANSLATE_SMALL);
    value.high = fmin(value.high, TRANSLATE_SMALL);
    return value;
}

/* Is it a constant text? One of a 0 with a minus before it is a constant -0.0 beside a REAL. */
static bool refuse_signed_zero(struct translator *t, struct translate_value text, struct translate_value number)
{
    if (text.constant && !number.nonzero && memchr(text.literal.as.bytes, '-', text.literal.length)) {
        number.cls = TRANSLATE_CLASS_REAL;
        number.negative_zero = true;
        translate_refuse_negative_zero(t, number);
    }
    return text.constant;
}

/* Beside a REAL, SQLite reads a TEXT as one, even where it spells an integer: '-0' is -0.0 there. */
static struct translate_value beside_real(struct translator *t, struct translate_value text,
                                          struct translate_value number)
{
    if (text.cls != TRANSLATE_CLASS_TEXT || refuse_signed_zero(t, text, number))
        return number;
    struct translate_value real = translate_value_make(
        translate_emit(t, TRANSLATE_FORM_TEXT_REAL, text.text, NULL, NULL), TRANSLATE_CLASS_REAL, text.offset);
    real.nullable = text.nullable;
    real.negative_zero = true;
    return real;
}

/* The same where the other operand may be a REAL; an integer's sign of 0 does no harm. */
static struct translate_value beside_mixed(struct translator *t, struct translate_value text,
                                           struct translate_value number)
{
    if (text.cls != TRANSLATE_CLASS_TEXT || refuse_signed_zero(t, text, number))
        return number;
    number.negative_zero = false; /* it is to stay as it is */
    return number;
}

struct translate_value translate_arithmetic(struct translator *t, enum sql_op op, struct translate_value left,
                                            struct translate_value right)
{
    if (op == SQL_OP_REMAINDER)
        return remainder_value(t, left, right);
    struct translate_value a = translate_number(t, left), b = translate_number(t, right);
    if (a.cls == TRANSLATE_CLASS_NULL || b.cls == TRANSLATE_CLASS_NULL)
        return translate_value_null(t, a.offset);
    struct translate_value result;
    if (a.cls == TRANSLATE_CLASS_REAL || b.cls == TRANSLATE_CLASS_REAL) {
        a = beside_real(t, left, a);
        b = beside_real(t, right, b);
        result = real_arithmetic(t, op, a, b);
    } else if (a.cls == TRANSLATE_CLASS_MIXED || b.cls == TRANSLATE_CLASS_MIXED)
        return mixed_arithmetic(t, op, beside_mixed(t, left, a), beside_mixed(t, right, b));
    else
        result = translate_value_make(
            translate_emit(t, op == SQL_OP_DIVIDE ? TRANSLATE_FORM_DIVIDE_INTEGER : arithmetic_form(op), a.text, b.text,
                           NULL),
            TRANSLATE_CLASS_INTEGER, a.offset);
    bounds(&result, op, a, b);
    result.nullable = a.nullable || b.nullable || op == SQL_OP_DIVIDE;
    return result;
}

struct translate_value translate_bits(struct translator *t, enum sql_op op, struct translate_value a,
                                      struct translate_value b)
{
    a = whole(t, a);
    b = whole(t, b);
    if (a.cls == TRANSLATE_CLASS_NULL || b.cls == TRANSLATE_CLASS_NULL)
        return translate_value_null(t, a.offset);
    bool shift = op == SQL_OP_SHIFT_LEFT || op == SQL_OP_SHIFT_RIGHT;
    if (shift &&
        !(b.constant && b.cls == TRANSLATE_CLASS_INTEGER && b.literal.as.integer >= 0 && b.literal.as.integer <= 62))
        translate_refuse(t, b.offset, "shift by an expression", "a negative shift goes the other way in SQLite");
    if (op == SQL_OP_SHIFT_LEFT && a.low < 0)
        translate_refuse(t, a.offset, "shift of a negative number", "the column store raises an error");
    enum translate_form form = op == SQL_OP_BIT_AND      ? TRANSLATE_FORM_BIT_AND
                               : op == SQL_OP_BIT_OR     ? TRANSLATE_FORM_BIT_OR
                               : op == SQL_OP_SHIFT_LEFT ? TRANSLATE_FORM_SHIFT_LEFT
                                                         : TRANSLATE_FORM_SHIFT_RIGHT;
    return translate_value_make(translate_emit(t, form, a.text, b.text, NULL), TRANSLATE_CLASS_INTEGER, a.offset);
}

struct translate_value translate_bit_not(struct translator *t, struct translate_value value, uint32_t offset)
{
    value = whole(t, value);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return value;
    return translate_value_make(translate_emit(t, TRANSLATE_FORM_BIT_NOT, value.text, NULL, NULL),
                                TRANSLATE_CLASS_INTEGER, offset);
}

struct translate_value translate_negated(struct translator *t, struct translate_value value)
{
    value = translate_number(t, value);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return value;
    struct translate_value result = value;
    result.constant = false;
    result.affinity = TRANSLATE_AFFINITY_NONE;
    result.collation = NULL;
    result.collation_written = false;
    /* SQLite takes it from 0, so that 0.0 stays 0.0. */
    result.text =
        translate_emit(t, value.cls == TRANSLATE_CLASS_INTEGER ? TRANSLATE_FORM_NEGATE : TRANSLATE_FORM_NEGATE_REAL,
                       value.text, NULL, NULL);
    result.low = -value.high;
    result.high = -value.low;
    result.negative_zero = false;
    return result;
}
