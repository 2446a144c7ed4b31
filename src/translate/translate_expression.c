/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions but calls and arithmetic: each node's SQLite meaning in the column store's words, or a refusal. */
#include "translate/translate_internal.h"

#include <math.h>
#include <string.h>

#include "base/base_map.h"

static bool same_name(const char *a, const char *b)
{
    return a && b && base_fold_compare(a, b) == 0;
}

static struct translate_value condition_value(struct translator *t, enum translate_form form, const char *a,
                                              const char *b, uint32_t offset)
{
    return translate_value_boolean(translate_emit(t, form, a, b, NULL), offset);
}

static struct translate_value negate_condition(struct translator *t, struct translate_value value, bool negated)
{
    if (negated)
        value.text = translate_emit(t, TRANSLATE_FORM_NOT, value.text, NULL, NULL);
    return value;
}

/* ---- Leaves ---- */

static struct translate_value parameter(struct translator *t, const struct sql_expr *expr)
{
    if (!t->options->parameters || expr->value.number > t->options->parameter_count) {
        if (!t->options->parameters)
            translate_refuse(t, expr->offset, "parameter", "its value isn't known yet");
        return translate_value_null(t, expr->offset);
    }
    const struct rhei_value *value = &t->options->parameters[expr->value.number - 1];
    switch (value->type) {
    case RHEI_INTEGER:
        return translate_value_integer(t, value->as.integer, expr->offset);
    case RHEI_REAL:
        return translate_value_real(t, value->as.real, expr->offset);
    case RHEI_TEXT:
        return translate_value_text(t, value->as.bytes, value->length, expr->offset);
    case RHEI_BLOB:
        return translate_value_blob(t, value->as.bytes, value->length, expr->offset);
    default:
        return translate_value_null(t, expr->offset);
    }
}

static struct translate_value leaf(struct translator *t, const struct sql_expr *expr)
{
    translate_look_at(t, expr);
    switch (expr->kind) {
    case SQL_EXPR_NULL:
        return translate_value_null(t, expr->offset);
    case SQL_EXPR_INTEGER:
        return translate_value_integer(t, expr->value.integer, expr->offset);
    case SQL_EXPR_REAL:
        return translate_value_real(t, expr->value.real, expr->offset);
    case SQL_EXPR_TEXT:
        return translate_value_text(t, expr->value.text.bytes, expr->value.text.length, expr->offset);
    case SQL_EXPR_BLOB:
        return translate_value_blob(t, expr->value.text.bytes, expr->value.text.length, expr->offset);
    case SQL_EXPR_PARAMETER:
        return parameter(t, expr);
    case SQL_EXPR_CURRENT:
        translate_refuse(t, expr->offset, "current time", "each engine would read its own clock");
        return translate_value_null(t, expr->offset);
    default:
        translate_refuse(t, expr->offset, "expression", "this kind of expression isn't translated");
        return translate_value_null(t, expr->offset);
    }
}

static void refuse_collated(struct translator *t, struct translate_value value)
{
    if (value.collation_written)
        translate_refuse(t, value.offset, "COLLATE inside an expression",
                         "it decides how the whole expression compares");
}

/* ---- Chains: a op b op c ..., which the grammar nests to the left ---- */

/* The column store plans an expression in about the cube of its depth, so a long chain is written flat, or as a tree. */
enum { CHAIN_MIN = 16 };

/* The operands of a chain that may be grouped in any way, from the first on; NULL: it is short. */
static const struct sql_expr **chain_of(struct translator *t, const struct sql_expr *expr, uint32_t *count)
{
    uint32_t length = 1;
    for (const struct sql_expr *at = expr; at->kind == SQL_EXPR_BINARY && at->op == expr->op; at = at->left)
        length++;
    if (length < CHAIN_MIN)
        return NULL;
    const struct sql_expr **operands = sql_arena_alloc(t->arena, length * sizeof *operands);
    t->failed = t->failed || !operands;
    if (!operands)
        return NULL;
    *count = length;
    const struct sql_expr *at = expr;
    for (; at->kind == SQL_EXPR_BINARY && at->op == expr->op; at = at->left)
        operands[--length] = at->right;
    BASE_INVARIANT(length == 1);
    operands[0] = at;
    return operands;
}

static struct translate_value condition_chain(struct translator *t, struct translate_scope *scope,
                                              const struct sql_expr *expr, const struct sql_expr *const *operands,
                                              uint32_t count)
{
    struct base_buffer text = {0};
    for (uint32_t i = 0; i < count; i++) {
        base_buffer_text(&text, t->forms[i == 0                   ? TRANSLATE_FORM_CHAIN_OPEN
                                         : expr->op == SQL_OP_AND ? TRANSLATE_FORM_CHAIN_AND
                                                                  : TRANSLATE_FORM_CHAIN_OR]);
        base_buffer_text(&text, translate_condition(t, translate_expression(t, scope, operands[i])));
    }
    base_buffer_text(&text, t->forms[TRANSLATE_FORM_CHAIN_CLOSE]);
    return translate_value_boolean(translate_keep(t, &text), expr->offset);
}

static const char *balanced(struct translator *t, const char *const *texts, uint32_t count)
{
    if (count == 1)
        return texts[0];
    uint32_t half = count / 2;
    return translate_emit(t, TRANSLATE_FORM_CONCAT, balanced(t, texts, half), balanced(t, texts + half, count - half),
                          NULL);
}

static void refuse_collated(struct translator *t, struct translate_value value);

static struct translate_value concat_chain(struct translator *t, struct translate_scope *scope,
                                           const struct sql_expr *expr, const struct sql_expr *const *operands,
                                           uint32_t count)
{
    const char **texts = sql_arena_alloc(t->arena, count * sizeof *texts);
    struct translate_value result =
        translate_value_make(t->forms[TRANSLATE_FORM_NULL], TRANSLATE_CLASS_TEXT, expr->offset);
    t->failed = t->failed || !texts;
    result.ascii = true;
    result.nullable = false;
    for (uint32_t i = 0; texts && i < count; i++) {
        struct translate_value value = translate_expression(t, scope, operands[i]);
        refuse_collated(t, value);
        texts[i] = translate_as_text(t, value);
        result.ascii = result.ascii && (value.ascii || value.cls != TRANSLATE_CLASS_TEXT);
        result.nullable = result.nullable || value.nullable;
    }
    if (texts && !t->refused)
        result.text = balanced(t, texts, count);
    return result;
}

static struct translate_value concat(struct translator *t, struct translate_value a, struct translate_value b)
{
    refuse_collated(t, a);
    refuse_collated(t, b);
    struct translate_value value = translate_value_make(
        translate_emit(t, TRANSLATE_FORM_CONCAT, translate_as_text(t, a), translate_as_text(t, b), NULL),
        TRANSLATE_CLASS_TEXT, a.offset);
    value.ascii = (a.ascii || a.cls != TRANSLATE_CLASS_TEXT) && (b.ascii || b.cls != TRANSLATE_CLASS_TEXT);
    value.nullable = a.nullable || b.nullable;
    return value;
}

/* ---- Row values: compared from left to right ---- */

static struct translate_value compare_exprs(struct translator *t, struct translate_scope *scope, enum sql_op op,
                                            const struct sql_expr *a, const struct sql_expr *b);

static struct translate_value compare_rows(struct translator *t, struct translate_scope *scope, enum sql_op op,
                                           const struct sql_items *a, const struct sql_items *b, uint32_t from)
{
    const struct sql_expr *left = a->items[from].expr, *right = b->items[from].expr;
    bool last = from + 1 == a->count;
    BASE_INVARIANT(from < a->count && a->count == b->count);
    struct translate_value first = compare_exprs(t, scope, op, left, right);
    if (last)
        return first;
    struct translate_value rest = compare_rows(t, scope, op, a, b, from + 1);
    if (op == SQL_OP_EQ || op == SQL_OP_NE)
        return condition_value(t, op == SQL_OP_EQ ? TRANSLATE_FORM_AND : TRANSLATE_FORM_OR, first.text, rest.text,
                               left->offset);
    enum sql_op strict = op == SQL_OP_LE ? SQL_OP_LT : op == SQL_OP_GE ? SQL_OP_GT : op;
    struct translate_value before = compare_exprs(t, scope, strict, left, right);
    struct translate_value equal = compare_exprs(t, scope, SQL_OP_EQ, left, right);
    return condition_value(t, TRANSLATE_FORM_OR, before.text,
                           translate_emit(t, TRANSLATE_FORM_AND, equal.text, rest.text, NULL), left->offset);
}

static struct translate_value compare_scalars(struct translator *t, struct translate_scope *scope, enum sql_op op,
                                              const struct sql_expr *a, const struct sql_expr *b)
{
    struct translate_value left, right;
    if (translate_is_leaf(a)) {
        right = translate_expression(t, scope, b);
        left = translate_is_leaf(b) || !translate_hold(t, a, right, &left) ? translate_expression(t, scope, a) : left;
    } else {
        left = translate_expression(t, scope, a);
        right = !translate_hold(t, b, left, &right) ? translate_expression(t, scope, b) : right;
    }
    return translate_compare(t, op, left, right);
}

static struct translate_value compare_exprs(struct translator *t, struct translate_scope *scope, enum sql_op op,
                                            const struct sql_expr *a, const struct sql_expr *b)
{
    if (a->kind != SQL_EXPR_ROW && b->kind != SQL_EXPR_ROW)
        return compare_scalars(t, scope, op, a, b);
    if (a->kind != SQL_EXPR_ROW || b->kind != SQL_EXPR_ROW || a->list->count != b->list->count || a->list->count > 16) {
        translate_refuse(t, a->offset, "row value", "only row values of the same length are compared");
        return translate_value_null(t, a->offset);
    }
    return compare_rows(t, scope, op, a->list, b->list, 0);
}

/* ---- Conditions ---- */

static struct translate_value binary(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    enum sql_op op = expr->op;
    uint32_t count = 0;
    bool conditions = op == SQL_OP_AND || op == SQL_OP_OR;
    const struct sql_expr **operands = conditions || op == SQL_OP_CONCAT ? chain_of(t, expr, &count) : NULL;
    if (operands)
        return conditions ? condition_chain(t, scope, expr, operands, count)
                          : concat_chain(t, scope, expr, operands, count);
    if (conditions) {
        const char *left = translate_condition(t, translate_expression(t, scope, expr->left));
        const char *right = translate_condition(t, translate_expression(t, scope, expr->right));
        return condition_value(t, op == SQL_OP_AND ? TRANSLATE_FORM_AND : TRANSLATE_FORM_OR, left, right, expr->offset);
    }
    if (op >= SQL_OP_EQ && op <= SQL_OP_GE)
        return compare_exprs(t, scope, op, expr->left, expr->right);
    struct translate_value a = translate_expression(t, scope, expr->left),
                           b = translate_expression(t, scope, expr->right);
    if (op >= SQL_OP_BIT_AND && op <= SQL_OP_SHIFT_RIGHT)
        return translate_bits(t, op, a, b);
    if (op >= SQL_OP_ADD && op <= SQL_OP_REMAINDER)
        return translate_arithmetic(t, op, a, b);
    if (op == SQL_OP_CONCAT)
        return concat(t, a, b);
    translate_refuse(t, expr->offset, "JSON operator", "SQLite's JSON functions aren't known to the column store");
    return a;
}

static struct translate_value unary(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    if (expr->op == SQL_OP_NEGATE && expr->left->kind == SQL_EXPR_INTEGER)
        return translate_value_integer(t, (int64_t)(0 - (uint64_t)expr->left->value.integer), expr->offset);
    if (expr->op == SQL_OP_NEGATE && expr->left->kind == SQL_EXPR_REAL)
        return expr->left->negated ? translate_value_integer(t, INT64_MIN, expr->offset)
                                   : translate_value_real(t, -expr->left->value.real, expr->offset);
    struct translate_value value = translate_expression(t, scope, expr->left);
    if (expr->op == SQL_OP_NOT)
        return condition_value(t, TRANSLATE_FORM_NOT, translate_condition(t, value), NULL, expr->offset);
    if (expr->op == SQL_OP_PLUS) {
        value.affinity = TRANSLATE_AFFINITY_NONE;
        return value;
    }
    return expr->op == SQL_OP_BIT_NOT ? translate_bit_not(t, value, expr->offset) : translate_negated(t, value);
}

const char *translate_escape(struct translator *t, struct translate_value escape, uint32_t offset)
{
    if (escape.cls != TRANSLATE_CLASS_TEXT || !escape.constant) {
        translate_refuse(t, offset, "ESCAPE", "only a literal character is translated");
        return t->forms[TRANSLATE_FORM_NULL];
    }
    const char *bytes = escape.literal.as.bytes;
    uint32_t characters = 0;
    for (uint32_t i = 0; i < escape.literal.length; i++)
        characters += ((unsigned char)bytes[i] & 0xc0) != 0x80;
    if (characters != 1)
        translate_refuse(t, offset, "ESCAPE", "what isn't one character is an error in SQLite");
    else if (bytes[0] == '%' || bytes[0] == '_')
        translate_refuse(t, offset, "ESCAPE", "a wildcard as the escape is none any more");
    return escape.text;
}

static struct translate_value like(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    if (expr->op != SQL_OP_LIKE && expr->op != SQL_OP_GLOB) {
        translate_refuse(t, expr->offset, expr->op == SQL_OP_REGEXP ? "REGEXP" : "MATCH",
                         "it is an application's function");
        return translate_value_null(t, expr->offset);
    }
    const char *text = translate_as_text(t, translate_expression(t, scope, expr->left));
    const char *pattern = translate_as_text(t, translate_expression(t, scope, expr->right));
    const char *result;
    if (expr->third) {
        const char *escape = translate_escape(t, translate_expression(t, scope, expr->third), expr->third->offset);
        result = translate_emit(t, TRANSLATE_FORM_LIKE_ESCAPE, text, pattern, escape);
    } else {
        result =
            translate_emit(t, expr->op == SQL_OP_LIKE ? TRANSLATE_FORM_LIKE : TRANSLATE_FORM_GLOB, text, pattern, NULL);
    }
    return negate_condition(t, translate_value_boolean(result, expr->offset), expr->negated);
}

/* IS TRUE and IS FALSE, unless a column has that name. SQLite looks through COLLATE for them, though not through likely(). */
static bool is_truth_word(const struct translate_scope *scope, const struct sql_expr *expr, bool *truth)
{
    while (expr->kind == SQL_EXPR_COLLATE)
        expr = expr->left;
    if (expr->kind != SQL_EXPR_COLUMN || expr->table.text || expr->name.quote)
        return false;
    *truth = same_name(expr->name.text, "true");
    return (*truth || same_name(expr->name.text, "false")) && !translate_name_is_column(scope, expr);
}

/*
 * What SQLite may read as IS TRUE, too. It looks through likely() and its like only where it resolves names twice, as for window
 * functions; and its parser makes the word TRUE of "x NOT IN ()", FALSE of "x IN ()", unless x calls a function.
 */
static void refuse_hidden_truth(struct translator *t, const struct translate_scope *scope, const struct sql_expr *expr)
{
    bool hinted = false, truth;
    for (;;) {
        bool hint = expr->kind == SQL_EXPR_CALL && expr->call->arguments && expr->call->arguments->count &&
                    (same_name(expr->name.text, "likely") || same_name(expr->name.text, "unlikely") ||
                     same_name(expr->name.text, "likelihood"));
        if (!hint && expr->kind != SQL_EXPR_COLLATE)
            break;
        hinted = hinted || hint;
        expr = hint ? expr->call->arguments->items[0].expr : expr->left;
    }
    if (hinted && is_truth_word(scope, expr, &truth))
        translate_refuse(t, expr->offset, "IS likely(TRUE)",
                         "whether it means IS TRUE depends on the rest of the statement");
    if (expr->kind == SQL_EXPR_IN_LIST && (!expr->list || !expr->list->count))
        translate_refuse(t, expr->offset, "IS (x IN ())", "whether it means IS FALSE depends on what is in x");
}

static struct translate_value is(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    bool truth;
    if (expr->left->kind == SQL_EXPR_ROW || expr->right->kind == SQL_EXPR_ROW)
        translate_refuse(t, expr->offset, "row value", "IS with row values isn't translated");
    struct translate_value left = translate_expression(t, scope, expr->left);
    if (is_truth_word(scope, expr->right, &truth)) {
        struct translate_value value = condition_value(t, truth ? TRANSLATE_FORM_IS_TRUE : TRANSLATE_FORM_IS_FALSE,
                                                       translate_condition(t, left), NULL, expr->offset);
        value.nullable = false;
        return negate_condition(t, value, expr->negated);
    }
    refuse_hidden_truth(t, scope, expr->right);
    return translate_compare_is(t, left, translate_expression(t, scope, expr->right), expr->negated);
}

static struct translate_value between(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    struct translate_value low = compare_exprs(t, scope, SQL_OP_GE, expr->left, expr->right);
    struct translate_value high = compare_exprs(t, scope, SQL_OP_LE, expr->left, expr->third);
    return negate_condition(t, condition_value(t, TRANSLATE_FORM_AND, low.text, high.text, expr->offset),
                            expr->negated);
}

/* ---- IN ---- */

static bool list_is_plain(struct translate_value left, const struct translate_value *items, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        bool same = items[i].cls == left.cls || items[i].cls == TRANSLATE_CLASS_NULL;
        if (!same)
            return false;
    }
    return left.cls == TRANSLATE_CLASS_INTEGER || left.cls == TRANSLATE_CLASS_REAL ||
           (left.cls == TRANSLATE_CLASS_TEXT && translate_is_binary(left) &&
            (left.affinity == TRANSLATE_AFFINITY_TEXT || left.affinity == TRANSLATE_AFFINITY_NONE));
}

static const char *plain_list(struct translator *t, struct translate_value left, const struct translate_value *items,
                              uint32_t count)
{
    struct base_buffer buffer = {0};
    for (uint32_t i = 0; i < count; i++)
        translate_put_item(t, &buffer, items[i].text);
    return translate_emit(t, TRANSLATE_FORM_IN_LIST, left.text, translate_keep(t, &buffer), NULL);
}

static const char *compared_list(struct translator *t, struct translate_value left, const struct translate_value *items,
                                 uint32_t count)
{
    const char *text = NULL;
    for (uint32_t i = 0; i < count; i++) {
        struct translate_value equal = translate_compare(t, SQL_OP_EQ, left, items[i]);
        text = text ? translate_emit(t, TRANSLATE_FORM_OR, text, equal.text, NULL) : equal.text;
    }
    return text;
}

enum { COMPARED_LIST_MAX = 200, HELD_LIST_MAX = 8 };

static struct translate_value in_list(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    uint32_t count = expr->list ? expr->list->count : 0;
    if (!count)
        return translate_value_boolean(
            translate_emit(t, expr->negated ? TRANSLATE_FORM_TRUE : TRANSLATE_FORM_FALSE, NULL, NULL, NULL),
            expr->offset);
    if (expr->left->kind == SQL_EXPR_ROW) {
        translate_refuse(t, expr->offset, "row value IN (list)",
                         "affinity and collation of its parts are not a comparison's");
        return translate_value_boolean(t->forms[TRANSLATE_FORM_NULL], expr->offset);
    }
    struct translate_value left = translate_plain(t, translate_expression(t, scope, expr->left));
    struct translate_value *items = sql_arena_alloc(t->arena, count * sizeof *items);
    if (!items) {
        t->failed = true;
        return left;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct sql_expr *item = expr->list->items[i].expr;
        if (count > HELD_LIST_MAX || !translate_hold(t, item, left, &items[i]))
            items[i] = translate_in_item(translate_plain(t, translate_expression(t, scope, item)));
    }
    const char *text;
    if (list_is_plain(left, items, count)) {
        text = plain_list(t, left, items, count);
    } else {
        if (count > COMPARED_LIST_MAX)
            translate_refuse(t, expr->offset, "IN list", "it is long and of several storage classes");
        text = t->refused ? t->forms[TRANSLATE_FORM_NULL] : compared_list(t, left, items, count);
    }
    return negate_condition(t, translate_value_boolean(text, expr->offset), expr->negated);
}

static bool text_affinity_free(struct translate_value value)
{
    return value.affinity == TRANSLATE_AFFINITY_NONE || value.affinity == TRANSLATE_AFFINITY_TEXT ||
           value.affinity == TRANSLATE_AFFINITY_BLOB;
}

static struct translate_value typed_null(struct translator *t, struct translate_value like, uint32_t offset)
{
    enum translate_form form = like.cls == TRANSLATE_CLASS_TEXT   ? TRANSLATE_FORM_TEXT
                               : like.cls == TRANSLATE_CLASS_BLOB ? TRANSLATE_FORM_BLOB
                               : like.cls == TRANSLATE_CLASS_REAL || like.cls == TRANSLATE_CLASS_MIXED
                                   ? TRANSLATE_FORM_REAL
                                   : TRANSLATE_FORM_INTEGER;
    enum translate_class cls = like.cls == TRANSLATE_CLASS_NULL ? TRANSLATE_CLASS_INTEGER : like.cls;
    return translate_value_make(translate_emit(t, form, t->forms[TRANSLATE_FORM_NULL], NULL, NULL), cls, offset);
}

static struct translate_value in_query(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr,
                                       const struct sql_select *select)
{
    if (expr->left->kind == SQL_EXPR_ROW)
        translate_refuse(t, expr->offset, "row value IN (SELECT ...)", "NULLs inside row values differ");
    struct translate_value left = translate_plain(t, translate_expression(t, scope, expr->left));
    struct translate_query query = translate_query_text(t, scope, select, true);
    if (t->refused || query.count != 1) {
        translate_refuse(t, expr->offset, "IN (SELECT ...)", "it must have one column");
        return left;
    }
    struct translate_value right = query.columns[0];
    const char *text;
    if (left.cls == TRANSLATE_CLASS_NULL)
        left = typed_null(t, right, expr->offset);
    bool numbers = translate_is_number(left) && (translate_is_number(right) || right.cls == TRANSLATE_CLASS_NULL);
    bool texts = left.cls == TRANSLATE_CLASS_TEXT && right.cls == TRANSLATE_CLASS_TEXT && translate_is_binary(left) &&
                 translate_is_binary(right) && text_affinity_free(left) && text_affinity_free(right);
    bool blobs = left.cls == TRANSLATE_CLASS_BLOB && right.cls == TRANSLATE_CLASS_BLOB;
    if (!numbers && !texts && !blobs)
        translate_refuse(t, expr->offset, "IN (SELECT ...)", "the two sides are of different storage classes");
    const char *left_text = left.text, *right_text = right.text;
    if (numbers && left.cls != right.cls && right.cls != TRANSLATE_CLASS_NULL) {
        left_text = translate_as_exact_double(t, left);
        right_text = translate_as_exact_double(t, right);
    }
    const char *label = translate_label(t, 'q');
    text = translate_emit4(t, TRANSLATE_FORM_IN_QUERY, left_text, right_text, query.text, label);
    return negate_condition(t, translate_value_boolean(text, expr->offset), expr->negated);
}

/* x IN name: the only column of a table */
static struct translate_value in_table(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    if (expr->list) {
        translate_refuse(t, expr->offset, "table-valued function", "it is SQLite's own");
        return translate_value_null(t, expr->offset);
    }
    struct sql_expr star = {.kind = SQL_EXPR_STAR, .offset = expr->offset};
    struct sql_item item = {.expr = &star};
    struct sql_items items = {&item, 1, 1};
    struct sql_source source = {
        .kind = SQL_SOURCE_TABLE, .offset = expr->name.offset, .schema = expr->schema, .name = expr->name};
    struct sql_from from = {.items = &source, .count = 1, .capacity = 1};
    struct sql_core core = {.offset = expr->offset, .columns = &items, .from = &from};
    struct sql_select select = {.offset = expr->offset, .cores = &core, .last_core = &core};
    return in_query(t, scope, expr, &select);
}

/* ---- CASE ---- */

struct translate_value translate_case_value(struct translator *t, const char *const *conditions,
                                            const struct translate_value *values, uint32_t count,
                                            struct translate_value otherwise, uint32_t offset)
{
    struct translate_value common = otherwise;
    for (uint32_t i = 0; i < count; i++) {
        refuse_collated(t, values[i]);
        common = translate_unify(t, common, values[i], "CASE");
    }
    refuse_collated(t, otherwise);
    if (common.cls == TRANSLATE_CLASS_NULL)
        return translate_value_null(t, offset);
    struct base_buffer text = {0}, flag = {0};
    base_buffer_text(&text, t->forms[TRANSLATE_FORM_CASE_OPEN]);
    base_buffer_text(&flag, t->forms[TRANSLATE_FORM_CASE_OPEN]);
    for (uint32_t i = 0; i < count; i++) {
        translate_put(t, &text, TRANSLATE_FORM_CASE_WHEN, conditions[i], translate_convert(t, values[i], common));
        if (common.cls == TRANSLATE_CLASS_MIXED)
            translate_put(t, &flag, TRANSLATE_FORM_CASE_WHEN, conditions[i], translate_flag(t, values[i]));
    }
    translate_put(t, &text, TRANSLATE_FORM_CASE_ELSE, translate_convert(t, otherwise, common), NULL);
    if (common.cls == TRANSLATE_CLASS_MIXED)
        translate_put(t, &flag, TRANSLATE_FORM_CASE_ELSE, translate_flag(t, otherwise), NULL);
    common.text = translate_keep(t, &text);
    common.flag = translate_keep(t, &flag);
    if (common.cls != TRANSLATE_CLASS_MIXED)
        common.flag = NULL;
    common.affinity = TRANSLATE_AFFINITY_NONE;
    common.collation = NULL;
    common.constant = false;
    common.offset = offset;
    return common;
}

static struct translate_value case_expr(struct translator *t, struct translate_scope *scope,
                                        const struct sql_expr *expr)
{
    uint32_t count = expr->list->count / 2;
    const char **conditions = sql_arena_alloc(t->arena, count * sizeof *conditions);
    struct translate_value *values = sql_arena_alloc(t->arena, count * sizeof *values);
    if (!conditions || !values) {
        t->failed = true;
        return translate_value_null(t, expr->offset);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct sql_expr *when = expr->list->items[2 * i].expr;
        if (expr->left)
            conditions[i] = compare_exprs(t, scope, SQL_OP_EQ, expr->left, when).text;
        else
            conditions[i] = translate_condition(t, translate_expression(t, scope, when));
        values[i] = translate_expression(t, scope, expr->list->items[2 * i + 1].expr);
    }
    struct translate_value otherwise =
        expr->right ? translate_expression(t, scope, expr->right) : translate_value_null(t, expr->offset);
    return translate_case_value(t, conditions, values, count, otherwise, expr->offset);
}

/* ---- CAST ---- */

static enum translate_affinity type_affinity(const char *type)
{
    struct {
        const char *word;
        enum translate_affinity affinity;
    } rules[] = {{"INT", TRANSLATE_AFFINITY_INTEGER}, {"CHAR", TRANSLATE_AFFINITY_TEXT},
                 {"CLOB", TRANSLATE_AFFINITY_TEXT},   {"TEXT", TRANSLATE_AFFINITY_TEXT},
                 {"BLOB", TRANSLATE_AFFINITY_BLOB},   {"REAL", TRANSLATE_AFFINITY_REAL},
                 {"FLOA", TRANSLATE_AFFINITY_REAL},   {"DOUB", TRANSLATE_AFFINITY_REAL}};
    if (!type || !*type)
        return TRANSLATE_AFFINITY_BLOB;
    for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++)
        for (const char *p = type; *p; p++)
            if (base_fold_equal(p, strnlen(p, strlen(rules[r].word)), rules[r].word, strlen(rules[r].word)))
                return rules[r].affinity;
    return TRANSLATE_AFFINITY_NUMERIC;
}

static struct translate_value cast_integer(struct translator *t, struct translate_value value)
{
    if (value.cls == TRANSLATE_CLASS_TEXT)
        return translate_text_integer(t, value);
    return value.cls == TRANSLATE_CLASS_INTEGER ? value : translate_truncated(t, value);
}

static struct translate_value cast_real(struct translator *t, struct translate_value value)
{
    bool text = value.cls == TRANSLATE_CLASS_TEXT;
    const char *real =
        text ? translate_emit(t, TRANSLATE_FORM_TEXT_REAL, value.text, NULL, NULL) : translate_as_double(t, value);
    struct translate_value result = translate_value_make(real, TRANSLATE_CLASS_REAL, value.offset);
    if (!text) {
        result.low = value.low;
        result.high = value.high;
    }
    result.negative_zero = text || value.negative_zero;
    return result;
}

/* Numbers stay what they are. */
static struct translate_value cast_numeric(struct translator *t, struct translate_value value)
{
    if (value.cls == TRANSLATE_CLASS_TEXT)
        translate_refuse(t, value.offset, "CAST of TEXT to NUMERIC", "the class of the result depends on each text");
    return value;
}

static struct translate_value cast(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    struct translate_value value = translate_plain(t, translate_expression(t, scope, expr->left));
    enum translate_affinity affinity = type_affinity(expr->name.text);
    struct translate_value result = value;
    if (value.cls == TRANSLATE_CLASS_NULL) {
        result.affinity = (uint8_t)affinity;
        return result;
    }
    if (affinity == TRANSLATE_AFFINITY_BLOB || value.cls == TRANSLATE_CLASS_BLOB)
        translate_refuse(t, expr->offset, "CAST to or from BLOB", "bytes need not be a text");
    else if (affinity == TRANSLATE_AFFINITY_INTEGER)
        result = cast_integer(t, value);
    else if (affinity == TRANSLATE_AFFINITY_REAL)
        result = cast_real(t, value);
    else if (affinity == TRANSLATE_AFFINITY_NUMERIC)
        result = cast_numeric(t, value);
    else if (value.cls != TRANSLATE_CLASS_TEXT) {
        result = translate_value_make(translate_as_text(t, value), TRANSLATE_CLASS_TEXT, value.offset);
        result.ascii = true;
    }
    result.nullable = value.nullable;
    result.collation = value.collation;
    result.collation_written = value.collation_written;
    result.affinity = (uint8_t)affinity;
    result.constant = false;
    return result;
}

/* ---- Subqueries ---- */

static struct translate_value scalar_query(struct translator *t, struct translate_scope *scope,
                                           const struct sql_expr *expr)
{
    struct translate_query query = translate_query_text(t, scope, expr->select, true);
    if (t->refused || query.count != 1) {
        translate_refuse(t, expr->offset, "row value", "a subquery of several columns");
        return translate_value_null(t, expr->offset);
    }
    struct translate_value value = query.columns[0];
    const char *label = translate_label(t, 'q');
    if (value.cls == TRANSLATE_CLASS_MIXED) {
        value.flag = translate_emit(t, TRANSLATE_FORM_SUBQUERY_COLUMN, value.flag, query.text, label);
        value.text = translate_emit(t, TRANSLATE_FORM_SUBQUERY_COLUMN, value.text, query.text, label);
    } else {
        value.text = query.result_columns == 1
                         ? translate_emit(t, TRANSLATE_FORM_SUBQUERY_VALUE, query.text, NULL, NULL)
                         : translate_emit(t, TRANSLATE_FORM_SUBQUERY_COLUMN, value.text, query.text, label);
    }
    value.collation = NULL; /* its column's affinity is the subquery's, its collation isn't */
    value.collation_written = false;
    value.nullable = true;
    value.constant = false;
    value.offset = expr->offset;
    return value;
}

static struct translate_value exists(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    struct translate_query query = translate_query_text(t, scope, expr->select, true);
    struct translate_value value =
        translate_value_boolean(translate_emit(t, TRANSLATE_FORM_EXISTS, query.text, NULL, NULL), expr->offset);
    value.nullable = false;
    return value;
}

static struct translate_value collate(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    struct translate_value value = translate_expression(t, scope, expr->left);
    const char *name = expr->name.text;
    if (!same_name(name, "BINARY") && !same_name(name, "NOCASE") && !same_name(name, "RTRIM"))
        translate_refuse(t, expr->offset, "collation", "only BINARY, NOCASE and RTRIM are known to the column store");
    value.collation = name;
    value.collation_written = true;
    return value;
}

static struct translate_value is_null(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    if (expr->left->kind == SQL_EXPR_ROW)
        translate_refuse(t, expr->offset, "row value", "IS NULL of a row value is an error");
    struct translate_value left = translate_expression(t, scope, expr->left);
    struct translate_value value = condition_value(t, expr->negated ? TRANSLATE_FORM_NOT_NULL : TRANSLATE_FORM_IS_NULL,
                                                   left.text, NULL, expr->offset);
    value.nullable = false;
    return value;
}

static struct translate_value node(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    switch (expr->kind) {
    case SQL_EXPR_COLUMN:
        return translate_resolve(t, scope, expr);
    case SQL_EXPR_UNARY:
        return unary(t, scope, expr);
    case SQL_EXPR_BINARY:
        return binary(t, scope, expr);
    case SQL_EXPR_LIKE:
        return like(t, scope, expr);
    case SQL_EXPR_IS_NULL:
        return is_null(t, scope, expr);
    case SQL_EXPR_IS:
        return is(t, scope, expr);
    case SQL_EXPR_BETWEEN:
        return between(t, scope, expr);
    case SQL_EXPR_IN_LIST:
        return in_list(t, scope, expr);
    case SQL_EXPR_IN_SELECT:
        return in_query(t, scope, expr, expr->select);
    case SQL_EXPR_IN_TABLE:
        return in_table(t, scope, expr);
    case SQL_EXPR_CASE:
        return case_expr(t, scope, expr);
    case SQL_EXPR_CAST:
        return cast(t, scope, expr);
    case SQL_EXPR_COLLATE:
        return collate(t, scope, expr);
    case SQL_EXPR_CALL:
        return translate_call_value(t, scope, expr);
    case SQL_EXPR_EXISTS:
        return exists(t, scope, expr);
    case SQL_EXPR_SUBQUERY:
        return scalar_query(t, scope, expr);
    default:
        return leaf(t, expr);
    }
}

struct translate_value translate_expression_here(struct translator *t, struct translate_scope *scope,
                                                 const struct sql_expr *expr)
{
    if (t->refused || t->failed)
        return translate_value_null(t, expr->offset);
    if (++t->nodes > t->node_limit)
        translate_refuse(t, expr->offset, "size", "the translated text would be too long");
    uint32_t bare = scope->bare;
    uint64_t columns_met = t->columns_met;
    struct translate_value value = node(t, scope, expr);
    BASE_INVARIANT(value.text && value.cls <= TRANSLATE_CLASS_BOOLEAN);
    BASE_INVARIANT(t->refused || t->failed || value.cls != TRANSLATE_CLASS_MIXED || value.flag);         /* 3 */
    BASE_INVARIANT(!value.constant || value.literal.type != RHEI_REAL || !isnan(value.literal.as.real)); /* 4 */
    if (t->columns_met == columns_met)
        translate_refuse_negative_zero(t, value);
    /* An expression that is a GROUP BY key as a whole may hold columns that are none. */
    if (scope->bare > bare && scope->phase == TRANSLATE_PHASE_GROUPS)
        for (uint32_t i = 0; i < scope->key_count; i++)
            if (strcmp(scope->keys[i].text, value.text) == 0)
                scope->bare = bare;
    return value;
}
