/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregates, also as window functions. Sums of integers are the column store's own, cast back so that an overflow is an error; sums of
 * REALs are the exact ones that both engines have.
 */
#include <math.h>
#include <string.h>

#include "base/base_map.h"
#include "sql/sql_facts.h"
#include "translate/translate_internal.h"

struct aggregate {
    struct translate_scope *scope;
    const struct sql_expr *expr;
    const char *name; /* SQLite's, lower case */
    enum translate_form form;
    const char *distinct;         /* the word, or "" */
    const char *filter;           /* a condition or NULL */
    const char *tail;             /* FILTER and OVER */
    const char *over;             /* OVER (...) or "" */
    struct translate_value value; /* the first argument */
    struct translate_value second;
    uint32_t count;
    bool slides; /* rows leave the window's frame */
};

static struct translate_value refuse_aggregate(struct translator *t, const struct aggregate *a, const char *reason)
{
    translate_refuse(t, a->expr->offset, translate_format(t, "%s()", a->name), reason);
    return translate_value_null(t, a->expr->offset);
}

static struct translate_value null_of(struct translator *t, const struct aggregate *a, enum translate_form form)
{
    return translate_value_make(translate_emit(t, form, t->forms[TRANSLATE_FORM_NULL_INTEGER], a->tail, NULL),
                                TRANSLATE_CLASS_NULL, a->expr->offset);
}

static struct translate_value rule_count(struct translator *t, const struct aggregate *a)
{
    const char *what = t->forms[TRANSLATE_FORM_ALL_ROWS];
    if (a->count) {
        struct translate_value value = translate_plain(t, a->value);
        if (*a->distinct && value.cls == TRANSLATE_CLASS_TEXT)
            what = translate_equal_key(t, value);
        else
            what = value.cls == TRANSLATE_CLASS_NULL ? t->forms[TRANSLATE_FORM_NULL_INTEGER] : value.text;
    }
    struct translate_value result = translate_value_make(
        translate_emit(t, TRANSLATE_FORM_COUNT, a->distinct, what, a->tail), TRANSLATE_CLASS_INTEGER, a->expr->offset);
    result.nullable = false;
    result.low = 0;
    result.high = 0x1p48;
    return result;
}

/* No table has more rows than 2^48. */
static void sum_bounds(struct translate_value *result, struct translate_value value)
{
    result->low = fmin(value.low, 0) * 0x1p48;
    result->high = fmax(value.high, 0) * 0x1p48;
    if (isnan(result->low))
        result->low = 0;
    if (isnan(result->high))
        result->high = 0;
    BASE_INVARIANT(result->low <= 0 && result->high >= 0);
}

/*
 * Whole REALs within 2^13, and 2^40 rows of them is more than any statement reads: every partial sum is within 2^53 and
 * therefore exact in whatever order, so the column store's own sum, which is faster, gives the same bits.
 */
static bool sums_are_exact(struct translate_value value)
{
    return value.cls == TRANSLATE_CLASS_REAL && value.whole != NULL && value.whole == value.text &&
           value.low >= -8192 && value.high <= 8192;
}

static const char *real_aggregate(struct translator *t, const struct aggregate *a, enum translate_form form,
                                  struct translate_value value)
{
    const char *number = translate_as_exact_double(t, value), *text;
    bool exact = sums_are_exact(value), average = form == TRANSLATE_FORM_EXACT_AVG;
    /* A sum and an average of the same numbers share their work when the average is written as a quotient. */
    if (average && !*a->distinct && !*a->over)
        text = translate_emit(
            t, TRANSLATE_FORM_DIVIDE_REAL,
            translate_emit(t, exact ? TRANSLATE_FORM_SUM : TRANSLATE_FORM_EXACT_SUM, NULL, number, a->tail),
            translate_emit(t, TRANSLATE_FORM_COUNT, NULL, number, a->tail), NULL);
    else if (exact && !average && !(form == TRANSLATE_FORM_EXACT_TOTAL && *a->over))
        text =
            translate_emit(t, TRANSLATE_FORM_SUM, a->distinct, number, a->tail); /* total() of nothing: the caller's */
    else
        text = translate_emit(t, form, a->distinct, number, a->tail);
    bool wide = isinf(value.low) || isinf(value.high);
    return wide ? translate_emit_once(t, TRANSLATE_FORM_NAN_IS_NULL, text, NULL, NULL) : text;
}

/* In a correlated subquery the column store makes any aggregate of no rows NULL, but count; so does inf less inf here. */
static const char *total_text(struct translator *t, const struct aggregate *a, struct translate_value value)
{
    const char *text = real_aggregate(t, a, TRANSLATE_FORM_EXACT_TOTAL, value);
    if (*a->over)
        return text;
    return translate_emit(t, TRANSLATE_FORM_ZERO_OF_NONE, translate_as_double(t, value), a->tail, text);
}

/*
 * An overflow is an error in SQLite wherever the sum stands; the column store computes only what shows. So sums that may
 * overflow must show, in every row that there is.
 */
static bool shows(const struct aggregate *a)
{
    const struct sql_core *core = a->scope->core;
    for (uint32_t i = 0; !a->scope->prunable && i < core->columns->count; i++)
        if (core->columns->items[i].expr == a->expr)
            return true;
    return false;
}

/*
 * Where the sum doesn't show, the overflow is looked for in every group before anything else is asked of it. Not inside other
 * queries, which may be left out as a whole.
 */
static bool guard(struct translator *t, const struct aggregate *a, struct translate_value value)
{
    struct translate_scope *scope = a->scope;
    if (!scope->outermost || *a->over)
        return false;
    const char *overflow;
    if (value.cls == TRANSLATE_CLASS_MIXED)
        overflow = translate_emit(t, TRANSLATE_FORM_NUMBER_OVERFLOWS,
                                  real_aggregate(t, a, TRANSLATE_FORM_EXACT_SUM, value), NULL, NULL);
    else
        overflow = translate_emit(t, TRANSLATE_FORM_INTEGER_OVERFLOWS,
                                  translate_emit(t, TRANSLATE_FORM_SUM, a->distinct, value.text, a->tail), NULL, NULL);
    scope->guard = scope->guard ? translate_emit(t, TRANSLATE_FORM_BARE_OR, scope->guard, overflow, NULL) : overflow;
    return true;
}

/* Of fewer than 2^31 rows: no statement reads more. */
static bool may_overflow(struct translate_value value)
{
    return value.low < -0x1p32 || value.high > 0x1p32;
}

static struct translate_value mixed_sum(struct translator *t, const struct aggregate *a, struct translate_value value)
{
    if (*a->distinct)
        return refuse_aggregate(t, a, "DISTINCT over integers and REALs");
    if (a->slides)
        return refuse_aggregate(t, a, "a REAL that has left the frame still makes the sum one");
    if (may_overflow(value) && !shows(a) && !guard(t, a, value))
        return refuse_aggregate(t, a, "it may overflow where the column store doesn't look");
    const char *text = real_aggregate(t, a, TRANSLATE_FORM_EXACT_SUM, value);
    struct translate_value result = translate_value_make(
        translate_emit_once(t, TRANSLATE_FORM_SMALL_REAL, text, NULL, NULL), TRANSLATE_CLASS_MIXED, a->expr->offset);
    const char *met = translate_emit(t, TRANSLATE_FORM_NOT_NULL, value.text, NULL, NULL);
    if (a->filter)
        met = translate_emit(t, TRANSLATE_FORM_AND, a->filter, met, NULL);
    result.flag = translate_emit(t, TRANSLATE_FORM_EVERY, value.flag,
                                 translate_emit(t, TRANSLATE_FORM_FILTER, met, a->over, NULL), NULL);
    result.low = -TRANSLATE_SMALL;
    result.high = TRANSLATE_SMALL;
    return result;
}

/* Is it computed? Columns and calls have no brackets around them. */
static bool in_brackets(const struct translator *t, const char *text)
{
    const char *form = t->forms[TRANSLATE_FORM_BRACKET];
    size_t length = (size_t)(strchr(form, '%') - form);
    return strncmp(text, form, length) == 0;
}

/*
 * A column store makes sum(x) + c * count(x) of sum(x + c): then x + c can't overflow any more, which in SQLite makes it a REAL. A
 * computed summand that may is kept whole.
 */
static const char *summand(struct translator *t, struct translate_value value)
{
    bool may_overflow = value.low <= -0x1p62 || value.high >= 0x1p62;
    if (!in_brackets(t, value.text) || !may_overflow)
        return value.text;
    return translate_emit(t, TRANSLATE_FORM_KEPT_WHOLE, value.text, NULL, NULL);
}

static struct translate_value rule_sum(struct translator *t, const struct aggregate *a)
{
    if (a->value.cls == TRANSLATE_CLASS_TEXT)
        return refuse_aggregate(t, a, "a TEXT counts as an integer or a REAL by its own spelling");
    struct translate_value value = translate_number(t, a->value);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return null_of(t, a, TRANSLATE_FORM_MAX);
    if (value.cls == TRANSLATE_CLASS_MIXED)
        return mixed_sum(t, a, value);
    if (value.cls == TRANSLATE_CLASS_INTEGER && may_overflow(value) && !shows(a) && !guard(t, a, value))
        return refuse_aggregate(t, a, "it may overflow where the column store doesn't look");
    struct translate_value result;
    if (value.cls == TRANSLATE_CLASS_INTEGER)
        result = translate_value_make(
            translate_emit(t, TRANSLATE_FORM_INTEGER,
                           translate_emit(t, TRANSLATE_FORM_SUM, a->distinct, summand(t, value), a->tail), NULL, NULL),
            TRANSLATE_CLASS_INTEGER, a->expr->offset);
    else
        result = translate_value_make(real_aggregate(t, a, TRANSLATE_FORM_EXACT_SUM, value), TRANSLATE_CLASS_REAL,
                                      a->expr->offset);
    sum_bounds(&result, value);
    if (value.cls == TRANSLATE_CLASS_INTEGER) {
        result.low = fmax(result.low, -0x1p63);
        result.high = fmin(result.high, 0x1p63);
    }
    return result;
}

static struct translate_value rule_total(struct translator *t, const struct aggregate *a)
{
    if (*a->distinct && a->value.cls == TRANSLATE_CLASS_TEXT)
        return refuse_aggregate(t, a, "DISTINCT tells texts apart that are one number");
    struct translate_value value = translate_number(t, a->value);
    if (value.cls == TRANSLATE_CLASS_NULL)
        value = translate_value_make(t->forms[TRANSLATE_FORM_NULL_INTEGER], TRANSLATE_CLASS_INTEGER, a->expr->offset);
    struct translate_value result =
        translate_value_make(total_text(t, a, value), TRANSLATE_CLASS_REAL, a->expr->offset);
    sum_bounds(&result, value);
    return result;
}

static struct translate_value rule_avg(struct translator *t, const struct aggregate *a)
{
    if (*a->distinct && a->value.cls == TRANSLATE_CLASS_TEXT)
        return refuse_aggregate(t, a, "DISTINCT tells texts apart that are one number");
    struct translate_value value = translate_number(t, a->value);
    const char *text;
    if (value.cls == TRANSLATE_CLASS_NULL)
        return null_of(t, a, TRANSLATE_FORM_MAX);
    if (value.cls == TRANSLATE_CLASS_INTEGER)
        text = translate_emit(t, TRANSLATE_FORM_INTEGER_AVG,
                              translate_emit(t, TRANSLATE_FORM_SUM, a->distinct, summand(t, value), a->tail),
                              translate_emit(t, TRANSLATE_FORM_COUNT, a->distinct, value.text, a->tail), NULL);
    else
        text = real_aggregate(t, a, TRANSLATE_FORM_EXACT_AVG, value);
    struct translate_value result = translate_value_make(text, TRANSLATE_CLASS_REAL, a->expr->offset);
    /* One more rounding than the bound itself, hence the margin. */
    result.low = value.low >= 0 ? 0 : value.low * 2;
    result.high = value.high <= 0 ? 0 : value.high * 2;
    return result;
}

static const char *extreme_of_class(struct translator *t, const struct aggregate *a, struct translate_value value,
                                    bool integers)
{
    const char *which = integers ? value.flag : translate_emit(t, TRANSLATE_FORM_NOT, value.flag, NULL, NULL);
    if (a->filter)
        which = translate_emit(t, TRANSLATE_FORM_AND, a->filter, which, NULL);
    return translate_emit(t, a->form, value.text, translate_emit(t, TRANSLATE_FORM_FILTER, which, a->over, NULL), NULL);
}

/* Which of an integer and an equal REAL it gives depends on their order: then, and only then, an error. */
static const char *extreme_flag(struct translator *t, const struct aggregate *a, struct translate_value value)
{
    const char *integer = extreme_of_class(t, a, value, true), *real = extreme_of_class(t, a, value, false);
    BASE_INVARIANT(a->form == TRANSLATE_FORM_MIN || a->form == TRANSLATE_FORM_MAX);
    bool least = a->form == TRANSLATE_FORM_MIN;
    return translate_emit(t, least ? TRANSLATE_FORM_MIN_IS_INTEGER : TRANSLATE_FORM_MAX_IS_INTEGER, integer, real,
                          NULL);
}

static struct translate_value rule_extreme(struct translator *t, const struct aggregate *a)
{
    struct translate_value value = translate_plain(t, a->value);
    if (value.cls == TRANSLATE_CLASS_NULL)
        return null_of(t, a, a->form);
    if (value.cls == TRANSLATE_CLASS_TEXT && !translate_is_binary(value))
        return refuse_aggregate(t, a, "which of two texts equal by the collation it gives depends on their order");
    if (translate_orders_by_utf16(t, value))
        return refuse_aggregate(t, a, "SQLite compares these texts in UTF-16");
    if ((value.cls == TRANSLATE_CLASS_REAL || value.cls == TRANSLATE_CLASS_MIXED) && value.negative_zero) {
        value.text = translate_emit_once(t, TRANSLATE_FORM_NO_NEGATIVE_ZERO, translate_as_double(t, value), NULL, NULL);
        value.negative_zero = false;
    }
    struct translate_value result = value;
    result.text = translate_emit(t, a->form, value.text, a->tail, NULL);
    if (value.cls == TRANSLATE_CLASS_MIXED)
        result.flag = value.flag_of_value ? translate_emit_once(t, TRANSLATE_FORM_IS_WHOLE, result.text, NULL, NULL)
                                          : extreme_flag(t, a, value);
    result.nullable = true;
    result.constant = false;
    result.affinity = TRANSLATE_AFFINITY_NONE;
    result.collation = NULL;
    result.offset = a->expr->offset;
    return result;
}

/* ORDER BY inside the call, then the order in which SQLite reads the one table. */
static const char *concat_order(struct translator *t, const struct aggregate *a)
{
    struct translate_scope *scope = a->scope;
    const struct sql_items *order = a->expr->call->order;
    struct base_buffer text = {0};
    if (scope->source_count != 1 || scope->sources[0].rowid < 0) {
        refuse_aggregate(t, a, "its order over several tables is SQLite's plan's");
        return "";
    }
    for (uint32_t i = 0; order && i < order->count; i++) {
        const char *key = translate_sort_key(t, translate_expression(t, scope, order->items[i].expr));
        translate_put_item(t, &text, translate_ordered(t, key, &order->items[i]));
    }
    struct translate_source_scope *source = &scope->sources[0];
    translate_put_item(t, &text, translate_field_value(t, source, (uint32_t)source->rowid).text);
    translate_assume_scan(t, source, a->expr->offset);
    return translate_emit(t, TRANSLATE_FORM_ORDER_BY, translate_keep(t, &text), NULL, NULL);
}

static struct translate_value rule_group_concat(struct translator *t, const struct aggregate *a)
{
    if (*a->distinct || *a->over)
        return refuse_aggregate(t, a, "DISTINCT and OVER leave its order open");
    if (a->count == 2 && (!a->second.constant || a->second.cls != TRANSLATE_CLASS_TEXT))
        return refuse_aggregate(t, a, "only a literal separator is translated");
    uint8_t phase = a->scope->phase;
    a->scope->phase = TRANSLATE_PHASE_ARGUMENTS;
    const char *text = translate_as_text(t, a->value), *order = concat_order(t, a);
    a->scope->phase = phase;
    struct translate_value result = translate_value_make(
        translate_emit4(t, TRANSLATE_FORM_STRING_AGG, text,
                        a->count == 2 ? a->second.text : t->forms[TRANSLATE_FORM_COMMA_TEXT], order, a->tail),
        TRANSLATE_CLASS_TEXT, a->expr->offset);
    result.ascii = (a->value.cls != TRANSLATE_CLASS_TEXT || a->value.ascii) && (a->count < 2 || a->second.ascii);
    return result;
}

/* ---- Choosing ---- */

struct function {
    const char *name;
    uint8_t fewest, most;
    enum translate_form form; /* for rules that serve several functions; NULL: none */
    struct translate_value (*rule)(struct translator *t, const struct aggregate *a);
};

static const struct function functions[] = {
#define TRANSLATE_AGGREGATE(name, fewest, most, form, rule) {#name, fewest, most, TRANSLATE_FORM_##form, rule},
#include "translate/translate_functions.def"
};

static uint32_t touched_outside(const struct translate_scope *scope)
{
    uint32_t count = 0;
    for (scope = scope->outer; scope; scope = scope->outer)
        count += scope->touched;
    return count;
}

/* An aggregate whose columns are all an outer query's belongs to that query in SQLite. */
static void translate_parts(struct translator *t, struct aggregate *a)
{
    struct translate_scope *scope = a->scope;
    const struct sql_call *call = a->expr->call;
    uint32_t own = scope->touched, outside = touched_outside(scope);
    uint8_t phase = scope->phase;
    if (!*a->over)
        scope->phase = TRANSLATE_PHASE_ARGUMENTS;
    if (a->count)
        a->value = translate_expression(t, scope, call->arguments->items[0].expr);
    if (a->count > 1)
        a->second = translate_expression(t, scope, call->arguments->items[1].expr);
    if (call->filter)
        a->filter = translate_condition(t, translate_expression(t, scope, call->filter));
    scope->phase = phase;
    if (scope->touched == own && touched_outside(scope) != outside)
        refuse_aggregate(t, a, "it aggregates over an outer query");
}

struct translate_value translate_aggregate_value(struct translator *t, struct translate_scope *scope,
                                                 const struct sql_expr *expr, const char *over, bool frame_slides)
{
    const struct sql_call *call = expr->call;
    uint32_t count = call->arguments ? call->arguments->count : 0;
    const struct function *function = NULL;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (base_fold_compare(functions[i].name, expr->name.text) == 0 && count >= functions[i].fewest &&
            count <= functions[i].most)
            function = &functions[i];
    struct aggregate a = {.scope = scope,
                          .expr = expr,
                          .name = function ? function->name : expr->name.text,
                          .form = function ? function->form : TRANSLATE_FORM_NULL,
                          .distinct = call->distinct ? t->forms[TRANSLATE_FORM_DISTINCT] : "",
                          .over = over ? over : "",
                          .count = count,
                          .slides = frame_slides};
    if (!function || call->within_group)
        return refuse_aggregate(t, &a, "it isn't known to give the same in the column store");
    if (!over && (scope->phase != TRANSLATE_PHASE_GROUPS || !scope->aggregate))
        return refuse_aggregate(t, &a, "it stands where no aggregate may");
    translate_parts(t, &a);
    a.tail = a.filter ? translate_emit(t, TRANSLATE_FORM_FILTER, a.filter, a.over, NULL) : a.over;
    return t->refused || t->failed ? translate_value_null(t, expr->offset) : function->rule(t, &a);
}

/* ---- Looking for aggregates and windows (not into subqueries) ---- */

static bool any_item(const struct sql_items *items, bool (*has)(const struct sql_expr *))
{
    for (uint32_t i = 0; items && i < items->count; i++)
        if (has(items->items[i].expr))
            return true;
    return false;
}

static bool any_part(const struct sql_expr *expr, bool (*has)(const struct sql_expr *))
{
    if (any_item(expr->list, has))
        return true;
    if (expr->call) {
        const struct sql_window *over = expr->call->over;
        if (any_item(expr->call->arguments, has) || any_item(expr->call->order, has) ||
            (expr->call->filter && has(expr->call->filter)))
            return true;
        if (over && (any_item(over->partition, has) || any_item(over->order, has)))
            return true;
    }
    return (expr->left && has(expr->left)) || (expr->right && has(expr->right)) || (expr->third && has(expr->third));
}

bool translate_has_aggregate(const struct sql_expr *expr)
{
    if (expr->kind == SQL_EXPR_CALL && !expr->call->over &&
        sql_is_aggregate(expr->name.text, expr->call->arguments ? expr->call->arguments->count : 0))
        return true;
    return any_part(expr, translate_has_aggregate);
}

bool translate_has_window(const struct sql_expr *expr)
{
    return (expr->kind == SQL_EXPR_CALL && expr->call->over) || any_part(expr, translate_has_window);
}
