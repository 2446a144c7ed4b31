/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparison as SQLite defines it (https://www.sqlite.org/datatype3.html, section 4): first the affinity of one side may
 * convert the other, then NULL < numbers < TEXT < BLOB, texts by a collation.
 */
#include <math.h>
#include <string.h>

#include "base/base_map.h"
#include "sql/sql_number.h"
#include "translate/translate_internal.h"

static bool numeric_affinity(struct translate_value value)
{
    return value.affinity == TRANSLATE_AFFINITY_NUMERIC || value.affinity == TRANSLATE_AFFINITY_INTEGER ||
           value.affinity == TRANSLATE_AFFINITY_REAL;
}

static enum translate_form form_of(enum sql_op op)
{
    switch (op) {
    case SQL_OP_NE:
        return TRANSLATE_FORM_NE;
    case SQL_OP_LT:
        return TRANSLATE_FORM_LT;
    case SQL_OP_LE:
        return TRANSLATE_FORM_LE;
    case SQL_OP_GT:
        return TRANSLATE_FORM_GT;
    case SQL_OP_GE:
        return TRANSLATE_FORM_GE;
    default:
        return TRANSLATE_FORM_EQ;
    }
}

/* The classes alone decide: NULL if one is NULL, else the same for every pair. */
static struct translate_value decided(struct translator *t, enum sql_op op, struct translate_value a,
                                      struct translate_value b, bool a_less)
{
    bool truth = op == SQL_OP_NE || (a_less ? op == SQL_OP_LT || op == SQL_OP_LE : op == SQL_OP_GT || op == SQL_OP_GE);
    const char *word = translate_emit(t, truth ? TRANSLATE_FORM_TRUE : TRANSLATE_FORM_FALSE, NULL, NULL, NULL);
    return translate_value_boolean(translate_emit(t, TRANSLATE_FORM_UNLESS_NULL, a.text, b.text, word), a.offset);
}

static int class_rank(struct translate_value value)
{
    return value.cls == TRANSLATE_CLASS_BLOB ? 3 : value.cls == TRANSLATE_CLASS_TEXT ? 2 : 1;
}

static struct translate_value compare_numbers(struct translator *t, enum sql_op op, struct translate_value a,
                                              struct translate_value b)
{
    const char *left = a.text, *right = b.text;
    BASE_INVARIANT(translate_is_number(a) && translate_is_number(b));
    if (a.cls != b.cls) {
        /* An integer beyond 2^53 loses bits as a double; against a bound within 2^53 it still falls on the right side. */
        left = translate_is_small(b) ? translate_as_double(t, a) : translate_as_exact_double(t, a);
        right = translate_is_small(a) ? translate_as_double(t, b) : translate_as_exact_double(t, b);
    }
    return translate_value_boolean(translate_emit(t, form_of(op), left, right, NULL), a.offset);
}

static const char *comparison_collation(struct translate_value a, struct translate_value b)
{
    if (a.collation_written)
        return a.collation;
    if (b.collation_written)
        return b.collation;
    return a.collation ? a.collation : b.collation ? b.collation : "BINARY";
}

static struct translate_value compare_texts(struct translator *t, enum sql_op op, struct translate_value a,
                                            struct translate_value b)
{
    a.collation = b.collation = comparison_collation(a, b);
    BASE_INVARIANT(a.cls == TRANSLATE_CLASS_TEXT && b.cls == TRANSLATE_CLASS_TEXT);
    if (op == SQL_OP_EQ || op == SQL_OP_NE)
        return translate_value_boolean(
            translate_emit(t, form_of(op), translate_equal_key(t, a), translate_equal_key(t, b), NULL), a.offset);
    a.ascii = b.ascii = a.ascii && b.ascii; /* one kind of key on both sides */
    return translate_value_boolean(
        translate_emit(t, form_of(op), translate_sort_key(t, a), translate_sort_key(t, b), NULL), a.offset);
}

/* Does a literal read as a number under NUMERIC affinity? */
static bool literal_is_number(struct translate_value value, bool *is_integer, int64_t *integer, double *real)
{
    enum sql_number_kind kind =
        sql_number_from_text(value.literal.as.bytes, value.literal.length, is_integer, integer, real);
    return kind == SQL_NUMBER_INTEGER || kind == SQL_NUMBER_REAL;
}

/* TEXT against a number. */
static struct translate_value compare_text_number(struct translator *t, enum sql_op op, struct translate_value a,
                                                  struct translate_value b)
{
    bool text_left = a.cls == TRANSLATE_CLASS_TEXT;
    BASE_INVARIANT(translate_is_number(text_left ? b : a));
    struct translate_value text = text_left ? a : b, number = text_left ? b : a;
    if (numeric_affinity(number) && !numeric_affinity(text)) {
        bool is_integer;
        int64_t integer;
        double real;
        if (!text.constant) {
            translate_refuse(t, text.offset, "comparison of numbers with TEXT",
                             "a TEXT that looks like a number becomes one in SQLite");
            return a;
        }
        if (!literal_is_number(text, &is_integer, &integer, &real))
            return decided(t, op, a, b, !text_left);
        struct translate_value value =
            is_integer ? translate_value_integer(t, integer, text.offset) : translate_value_real(t, real, text.offset);
        return text_left ? compare_numbers(t, op, value, number) : compare_numbers(t, op, number, value);
    }
    if (text.affinity == TRANSLATE_AFFINITY_TEXT && number.affinity == TRANSLATE_AFFINITY_NONE) {
        struct translate_value as_text = number;
        as_text.text = translate_as_text(t, number);
        as_text.cls = TRANSLATE_CLASS_TEXT;
        as_text.ascii = true;
        return text_left ? compare_texts(t, op, text, as_text) : compare_texts(t, op, as_text, text);
    }
    return decided(t, op, a, b, !text_left);
}

/* Two texts, one of which has NUMERIC affinity (a column that holds only texts that are no numbers). */
static bool other_may_be_number(struct translate_value column, struct translate_value other, bool *is_number)
{
    bool is_integer;
    int64_t integer;
    double real;
    *is_number = false;
    if (!numeric_affinity(column) || numeric_affinity(other))
        return false;
    if (!other.constant)
        return true;
    *is_number = literal_is_number(other, &is_integer, &integer, &real);
    return false;
}

static struct translate_value compare_two_texts(struct translator *t, enum sql_op op, struct translate_value a,
                                                struct translate_value b)
{
    bool a_is_number = false, b_is_number = false;
    if (other_may_be_number(a, b, &b_is_number) || other_may_be_number(b, a, &a_is_number)) {
        translate_refuse(t, a.offset, "comparison of a NUMERIC column with TEXT",
                         "a TEXT that looks like a number becomes one in SQLite");
        return a;
    }
    if (a_is_number || b_is_number)
        return decided(t, op, a, b, a_is_number);
    return compare_texts(t, op, a, b);
}

struct translate_value translate_compare(struct translator *t, enum sql_op op, struct translate_value a,
                                         struct translate_value b)
{
    a = translate_plain(t, a);
    b = translate_plain(t, b);
    if (a.cls == TRANSLATE_CLASS_NULL || b.cls == TRANSLATE_CLASS_NULL)
        return translate_value_boolean(translate_emit(t, TRANSLATE_FORM_NULL_BOOLEAN, NULL, NULL, NULL), a.offset);
    if (translate_is_number(a) && translate_is_number(b))
        return compare_numbers(t, op, a, b);
    if (a.affinity == TRANSLATE_AFFINITY_UNKNOWN || b.affinity == TRANSLATE_AFFINITY_UNKNOWN)
        translate_refuse(t, a.offset, "comparison with a compound's column", "its parts have different affinities");
    if (a.cls == TRANSLATE_CLASS_TEXT && b.cls == TRANSLATE_CLASS_TEXT)
        return compare_two_texts(t, op, a, b);
    if (a.cls == TRANSLATE_CLASS_BLOB && b.cls == TRANSLATE_CLASS_BLOB)
        return translate_value_boolean(translate_emit(t, form_of(op), a.text, b.text, NULL), a.offset);
    if (a.cls == TRANSLATE_CLASS_BLOB || b.cls == TRANSLATE_CLASS_BLOB)
        return decided(t, op, a, b, class_rank(a) < class_rank(b));
    return compare_text_number(t, op, a, b);
}

struct translate_value translate_compare_is(struct translator *t, struct translate_value a, struct translate_value b,
                                            bool negated)
{
    a = translate_plain(t, a);
    b = translate_plain(t, b);
    const char *text;
    if (a.cls == TRANSLATE_CLASS_NULL && b.cls == TRANSLATE_CLASS_NULL) {
        text = translate_emit(t, TRANSLATE_FORM_TRUE, NULL, NULL, NULL);
    } else if (a.cls == TRANSLATE_CLASS_NULL || b.cls == TRANSLATE_CLASS_NULL) {
        text = translate_emit(t, TRANSLATE_FORM_IS_NULL, a.cls == TRANSLATE_CLASS_NULL ? b.text : a.text, NULL, NULL);
    } else if (a.cls == b.cls && (a.cls == TRANSLATE_CLASS_INTEGER || a.cls == TRANSLATE_CLASS_REAL)) {
        text = translate_emit(t, TRANSLATE_FORM_SAME, a.text, b.text, NULL);
    } else if (translate_is_number(a) && translate_is_number(b)) {
        const char *left = translate_is_small(b) ? translate_as_double(t, a) : translate_as_exact_double(t, a);
        const char *right = translate_is_small(a) ? translate_as_double(t, b) : translate_as_exact_double(t, b);
        text = translate_emit(t, TRANSLATE_FORM_SAME, left, right, NULL);
    } else {
        struct translate_value equal = translate_compare(t, SQL_OP_EQ, a, b);
        text = translate_emit(t, TRANSLATE_FORM_SAME_BY, a.text, b.text, equal.text);
    }
    struct translate_value value =
        translate_value_boolean(negated ? translate_emit(t, TRANSLATE_FORM_NOT, text, NULL, NULL) : text, a.offset);
    value.nullable = false;
    return value;
}

struct translate_value translate_in_item(struct translate_value value)
{
    value.affinity = TRANSLATE_AFFINITY_NONE;
    value.collation = NULL;
    value.collation_written = false;
    return value;
}
