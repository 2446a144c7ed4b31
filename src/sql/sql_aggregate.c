/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aggregates, also as window functions. Sums of integers are DuckDB's own, cast back so that an overflow is an error; sums of
 * REALs are the exact ones that both engines have.
 */
#include <math.h>
#include <string.h>

#include "base/base_map.h"
#include "sql/sql_facts.h"
#include "sql/sql_translator.h"

struct aggregate {
    struct sql_scope *scope;
    const struct sql_expr *expr;
    const char *name;       /* SQLite's, lower case */
    const char *distinct;   /* "DISTINCT " or "" */
    const char *filter;     /* a condition or NULL */
    const char *tail;       /* FILTER and OVER */
    const char *over;       /* OVER (...) or "" */
    struct sql_value value; /* the first argument */
    struct sql_value second;
    uint32_t count;
    bool slides; /* rows leave the window's frame */
};

static struct sql_value refuse_aggregate(struct sql_translator *t, const struct aggregate *a, const char *reason)
{
    sql_refuse(t, a->expr->offset, sql_format(t, "%s()", a->name), reason);
    return sql_value_null(a->expr->offset);
}

static struct sql_value null_of(struct sql_translator *t, const struct aggregate *a, const char *function)
{
    struct sql_value value = sql_value_make(
        sql_format(t, "%s(%s)%s", function, t->forms[SQL_FORM_NULL_INTEGER], a->tail), SQL_CLASS_NULL, a->expr->offset);
    return value;
}

static struct sql_value rule_count(struct sql_translator *t, const struct aggregate *a)
{
    const char *what = "*";
    if (a->count) {
        struct sql_value value = sql_plain(t, a->value);
        if (*a->distinct && value.cls == SQL_CLASS_TEXT)
            what = sql_equal_key(t, value);
        else
            what = value.cls == SQL_CLASS_NULL ? t->forms[SQL_FORM_NULL_INTEGER] : value.text;
    }
    struct sql_value result =
        sql_value_make(sql_format(t, "count(%s%s)%s", a->distinct, what, a->tail), SQL_CLASS_INTEGER, a->expr->offset);
    result.nullable = false;
    result.low = 0;
    result.high = 0x1p48;
    return result;
}

/* No table has more rows than 2^48. */
static void sum_bounds(struct sql_value *result, struct sql_value value)
{
    result->low = fmin(value.low, 0) * 0x1p48;
    result->high = fmax(value.high, 0) * 0x1p48;
    if (isnan(result->low))
        result->low = 0;
    if (isnan(result->high))
        result->high = 0;
}

/*
 * Whole REALs within 2^13, and 2^40 rows of them is more than any statement reads: every partial sum is within 2^53 and
 * therefore exact in whatever order, so the column store's own sum, which is faster, gives the same bits.
 */
static bool sums_are_exact(struct sql_value value)
{
    return value.cls == SQL_CLASS_REAL && value.whole != NULL && value.whole == value.text && value.low >= -8192 &&
           value.high <= 8192;
}

static const char *real_aggregate(struct sql_translator *t, const struct aggregate *a, const char *function,
                                  struct sql_value value)
{
    const char *number = sql_as_exact_double(t, value), *text;
    const char *sum = sums_are_exact(value) ? "sum" : "rhei_sum";
    bool total = strcmp(function, "rhei_total") == 0, average = strcmp(function, "rhei_avg") == 0;
    /* A sum and an average of the same numbers share their work when the average is written as a quotient. */
    if (average && !*a->distinct && !*a->over)
        text = sql_format(t, "(%s(%s)%s / count(%s)%s)", sum, number, a->tail, number, a->tail);
    else if (sums_are_exact(value) && !average && !(total && *a->over)) /* the caller sees to total() of nothing */
        text = sql_format(t, "sum(%s%s)%s", a->distinct, number, a->tail);
    else
        text = sql_format(t, "%s(%s%s)%s", function, a->distinct, number, a->tail);
    bool wide = isinf(value.low) || isinf(value.high);
    return wide ? sql_emit_once(t, SQL_FORM_NAN_IS_NULL, text, NULL, NULL) : text;
}

/* In a correlated subquery the column store makes any aggregate of no rows NULL, but count; so does inf less inf here. */
static const char *total_text(struct sql_translator *t, const struct aggregate *a, struct sql_value value)
{
    const char *text = real_aggregate(t, a, "rhei_total", value);
    if (*a->over)
        return text;
    return sql_format(t, "(CASE WHEN coalesce(count(%s)%s, 0) = 0 THEN 0e0 ELSE %s END)", sql_as_double(t, value),
                      a->tail, text);
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
static bool guard(struct sql_translator *t, const struct aggregate *a, struct sql_value value)
{
    struct sql_scope *scope = a->scope;
    if (!scope->outermost || *a->over)
        return false;
    const char *overflow;
    if (value.cls == SQL_CLASS_MIXED)
        overflow = sql_format(t, "abs(%s) >= 9007199254740992e0", real_aggregate(t, a, "rhei_sum", value));
    else
        overflow =
            sql_format(t, "sum(%s%s)%s NOT BETWEEN CAST('-9223372036854775808' AS BIGINT) AND 9223372036854775807",
                       a->distinct, value.text, a->tail);
    scope->guard = scope->guard ? sql_format(t, "%s OR %s", scope->guard, overflow) : overflow;
    return true;
}

/* Of fewer than 2^31 rows: no statement reads more. */
static bool may_overflow(struct sql_value value)
{
    return value.low < -0x1p32 || value.high > 0x1p32;
}

static struct sql_value mixed_sum(struct sql_translator *t, const struct aggregate *a, struct sql_value value)
{
    if (*a->distinct)
        return refuse_aggregate(t, a, "DISTINCT over integers and REALs");
    if (a->slides)
        return refuse_aggregate(t, a, "a REAL that has left the frame still makes the sum one");
    if (may_overflow(value) && !shows(a) && !guard(t, a, value))
        return refuse_aggregate(t, a, "it may overflow where the column store doesn't look");
    const char *text = real_aggregate(t, a, "rhei_sum", value);
    struct sql_value result =
        sql_value_make(sql_emit_once(t, SQL_FORM_SMALL_REAL, text, NULL, NULL), SQL_CLASS_MIXED, a->expr->offset);
    const char *met = sql_emit(t, SQL_FORM_NOT_NULL, value.text, NULL, NULL);
    if (a->filter)
        met = sql_emit(t, SQL_FORM_AND, a->filter, met, NULL);
    result.flag = sql_format(t, "bool_and(%s) FILTER (WHERE %s)%s", value.flag, met, a->over);
    result.low = -SQL_SMALL;
    result.high = SQL_SMALL;
    return result;
}

/*
 * DuckDB makes sum(x) + c * count(x) of sum(x + c): then x + c can't overflow any more, which in SQLite makes it a REAL. A
 * computed summand that may is kept whole.
 */
static const char *summand(struct sql_translator *t, struct sql_value value)
{
    bool may_overflow = value.low <= -0x1p62 || value.high >= 0x1p62;
    if (value.text[0] != '(' || !may_overflow)
        return value.text;
    return sql_format(t, "(CASE WHEN %s IS NOT NULL THEN %s END)", value.text, value.text);
}

static struct sql_value rule_sum(struct sql_translator *t, const struct aggregate *a)
{
    if (a->value.cls == SQL_CLASS_TEXT)
        return refuse_aggregate(t, a, "a TEXT counts as an integer or a REAL by its own spelling");
    struct sql_value value = sql_number(t, a->value);
    if (value.cls == SQL_CLASS_NULL)
        return null_of(t, a, "max");
    if (value.cls == SQL_CLASS_MIXED)
        return mixed_sum(t, a, value);
    if (value.cls == SQL_CLASS_INTEGER && may_overflow(value) && !shows(a) && !guard(t, a, value))
        return refuse_aggregate(t, a, "it may overflow where the column store doesn't look");
    struct sql_value result;
    if (value.cls == SQL_CLASS_INTEGER)
        result =
            sql_value_make(sql_emit(t, SQL_FORM_INTEGER,
                                    sql_format(t, "sum(%s%s)%s", a->distinct, summand(t, value), a->tail), NULL, NULL),
                           SQL_CLASS_INTEGER, a->expr->offset);
    else
        result = sql_value_make(real_aggregate(t, a, "rhei_sum", value), SQL_CLASS_REAL, a->expr->offset);
    sum_bounds(&result, value);
    if (value.cls == SQL_CLASS_INTEGER) {
        result.low = fmax(result.low, -0x1p63);
        result.high = fmin(result.high, 0x1p63);
    }
    return result;
}

static struct sql_value rule_total(struct sql_translator *t, const struct aggregate *a)
{
    if (*a->distinct && a->value.cls == SQL_CLASS_TEXT)
        return refuse_aggregate(t, a, "DISTINCT tells texts apart that are one number");
    struct sql_value value = sql_number(t, a->value);
    if (value.cls == SQL_CLASS_NULL)
        value = sql_value_make(t->forms[SQL_FORM_NULL_INTEGER], SQL_CLASS_INTEGER, a->expr->offset);
    struct sql_value result = sql_value_make(total_text(t, a, value), SQL_CLASS_REAL, a->expr->offset);
    sum_bounds(&result, value);
    return result;
}

static struct sql_value rule_avg(struct sql_translator *t, const struct aggregate *a)
{
    if (*a->distinct && a->value.cls == SQL_CLASS_TEXT)
        return refuse_aggregate(t, a, "DISTINCT tells texts apart that are one number");
    struct sql_value value = sql_number(t, a->value);
    const char *text;
    if (value.cls == SQL_CLASS_NULL)
        return null_of(t, a, "max");
    if (value.cls == SQL_CLASS_INTEGER)
        text = sql_format(t, "(CAST(CAST(sum(%s%s)%s AS BIGINT) AS DOUBLE) / count(%s%s)%s)", a->distinct,
                          summand(t, value), a->tail, a->distinct, value.text, a->tail);
    else
        text = real_aggregate(t, a, "rhei_avg", value);
    struct sql_value result = sql_value_make(text, SQL_CLASS_REAL, a->expr->offset);
    /* One more rounding than the bound itself, hence the margin. */
    result.low = value.low >= 0 ? 0 : value.low * 2;
    result.high = value.high <= 0 ? 0 : value.high * 2;
    return result;
}

static const char *extreme_of_class(struct sql_translator *t, const struct aggregate *a, struct sql_value value,
                                    bool integers)
{
    const char *which = integers ? value.flag : sql_emit(t, SQL_FORM_NOT, value.flag, NULL, NULL);
    if (a->filter)
        which = sql_emit(t, SQL_FORM_AND, a->filter, which, NULL);
    return sql_format(t, "%s(%s) FILTER (WHERE %s)%s", a->name, value.text, which, a->over);
}

/* Which of an integer and an equal REAL it gives depends on their order: then, and only then, an error. */
static const char *extreme_flag(struct sql_translator *t, const struct aggregate *a, struct sql_value value)
{
    const char *integer = extreme_of_class(t, a, value, true), *real = extreme_of_class(t, a, value, false);
    bool least = a->name[1] == 'i';
    return sql_format(t,
                      "(CASE WHEN %s IS NULL THEN FALSE WHEN %s IS NULL THEN TRUE WHEN %s = %s "
                      "THEN CAST(error('equal integer and REAL') AS BOOLEAN) ELSE %s %s %s END)",
                      integer, real, integer, real, integer, least ? "<" : ">", real);
}

static struct sql_value rule_extreme(struct sql_translator *t, const struct aggregate *a)
{
    struct sql_value value = sql_plain(t, a->value);
    if (value.cls == SQL_CLASS_NULL)
        return null_of(t, a, a->name);
    if (value.cls == SQL_CLASS_TEXT && !sql_is_binary(value))
        return refuse_aggregate(t, a, "which of two texts equal by the collation it gives depends on their order");
    if (sql_orders_by_utf16(t, value))
        return refuse_aggregate(t, a, "SQLite compares these texts in UTF-16");
    if ((value.cls == SQL_CLASS_REAL || value.cls == SQL_CLASS_MIXED) && value.negative_zero) {
        value.text = sql_emit_once(t, SQL_FORM_NO_NEGATIVE_ZERO, sql_as_double(t, value), NULL, NULL);
        value.negative_zero = false;
    }
    struct sql_value result = value;
    result.text = sql_format(t, "%s(%s)%s", a->name, value.text, a->tail);
    if (value.cls == SQL_CLASS_MIXED)
        result.flag = value.flag_of_value ? sql_emit_once(t, SQL_FORM_IS_WHOLE, result.text, NULL, NULL)
                                          : extreme_flag(t, a, value);
    result.nullable = true;
    result.constant = false;
    result.affinity = SQL_AFFINITY_NONE;
    result.collation = NULL;
    result.offset = a->expr->offset;
    return result;
}

/* ORDER BY inside the call, then the order in which SQLite reads the one table. */
static const char *concat_order(struct sql_translator *t, const struct aggregate *a)
{
    struct sql_scope *scope = a->scope;
    const struct sql_items *order = a->expr->call->order;
    struct base_buffer text = {0};
    if (scope->source_count != 1 || scope->sources[0].rowid < 0) {
        refuse_aggregate(t, a, "its order over several tables is SQLite's plan's");
        return "";
    }
    base_buffer_text(&text, " ORDER BY ");
    for (uint32_t i = 0; order && i < order->count; i++) {
        const char *key = sql_sort_key(t, sql_expression(t, scope, order->items[i].expr));
        bool down = order->items[i].sort == SQL_SORT_DESC;
        bool last = order->items[i].nulls == SQL_NULLS_NONE ? down : order->items[i].nulls == SQL_NULLS_LAST;
        base_buffer_format(&text, "%s %s NULLS %s, ", key, down ? "DESC" : "ASC", last ? "LAST" : "FIRST");
    }
    struct sql_source_scope *source = &scope->sources[0];
    base_buffer_text(&text, sql_field_value(t, source, (uint32_t)source->rowid).text);
    sql_assume_scan(t, source, a->expr->offset);
    return sql_keep(t, &text);
}

static struct sql_value rule_group_concat(struct sql_translator *t, const struct aggregate *a)
{
    if (*a->distinct || *a->over)
        return refuse_aggregate(t, a, "DISTINCT and OVER leave its order open");
    if (a->count == 2 && (!a->second.constant || a->second.cls != SQL_CLASS_TEXT))
        return refuse_aggregate(t, a, "only a literal separator is translated");
    uint8_t phase = a->scope->phase;
    a->scope->phase = SQL_PHASE_ARGUMENTS;
    const char *text = sql_as_text(t, a->value), *order = concat_order(t, a);
    a->scope->phase = phase;
    struct sql_value result = sql_value_make(
        sql_format(t, "string_agg(%s, %s%s)%s", text, a->count == 2 ? a->second.text : "','", order, a->tail),
        SQL_CLASS_TEXT, a->expr->offset);
    result.ascii = (a->value.cls != SQL_CLASS_TEXT || a->value.ascii) && (a->count < 2 || a->second.ascii);
    return result;
}

/* ---- Choosing ---- */

struct function {
    const char *name;
    uint8_t fewest, most;
    struct sql_value (*rule)(struct sql_translator *t, const struct aggregate *a);
};

static const struct function functions[] = {
#define SQL_AGGREGATE(name, fewest, most, rule) {#name, fewest, most, rule},
#include "sql/sql_functions.def"
};

static uint32_t touched_outside(const struct sql_scope *scope)
{
    uint32_t count = 0;
    for (scope = scope->outer; scope; scope = scope->outer)
        count += scope->touched;
    return count;
}

/* An aggregate whose columns are all an outer query's belongs to that query in SQLite. */
static void translate_parts(struct sql_translator *t, struct aggregate *a)
{
    struct sql_scope *scope = a->scope;
    const struct sql_call *call = a->expr->call;
    uint32_t own = scope->touched, outside = touched_outside(scope);
    uint8_t phase = scope->phase;
    if (!*a->over)
        scope->phase = SQL_PHASE_ARGUMENTS;
    if (a->count)
        a->value = sql_expression(t, scope, call->arguments->items[0].expr);
    if (a->count > 1)
        a->second = sql_expression(t, scope, call->arguments->items[1].expr);
    if (call->filter)
        a->filter = sql_condition(t, sql_expression(t, scope, call->filter));
    scope->phase = phase;
    if (scope->touched == own && touched_outside(scope) != outside)
        refuse_aggregate(t, a, "it aggregates over an outer query");
}

struct sql_value sql_aggregate_value(struct sql_translator *t, struct sql_scope *scope, const struct sql_expr *expr,
                                     const char *over, bool frame_slides)
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
                          .distinct = call->distinct ? "DISTINCT " : "",
                          .over = over ? over : "",
                          .count = count,
                          .slides = frame_slides};
    if (!function || call->within_group)
        return refuse_aggregate(t, &a, "it isn't known to give the same in the column store");
    if (!over && (scope->phase != SQL_PHASE_GROUPS || !scope->aggregate))
        return refuse_aggregate(t, &a, "it stands where no aggregate may");
    translate_parts(t, &a);
    a.tail = a.filter ? sql_format(t, " FILTER (WHERE %s)%s", a.filter, a.over) : a.over;
    return t->refused || t->failed ? sql_value_null(expr->offset) : function->rule(t, &a);
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

bool sql_has_aggregate(const struct sql_expr *expr)
{
    if (expr->kind == SQL_EXPR_CALL && !expr->call->over &&
        sql_is_aggregate(expr->name.text, expr->call->arguments ? expr->call->arguments->count : 0))
        return true;
    return any_part(expr, sql_has_aggregate);
}

bool sql_has_window(const struct sql_expr *expr)
{
    return (expr->kind == SQL_EXPR_CALL && expr->call->over) || any_part(expr, sql_has_window);
}
