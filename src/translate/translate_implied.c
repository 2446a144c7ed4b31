/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an OR of conjunctions implies for one table alone, or for every row: from (A1 AND B1 AND J) OR (A2 AND B2 AND J)
 * follow J, (A1 OR A2) and (B1 OR B2). Said beside the OR, they let the column store filter before it joins, and join by
 * J. A row that WHERE keeps makes one whole branch true, so the rows stay the same.
 */
#include <string.h>

#include "translate/translate_internal.h"

enum { BRANCHES_MAX = 16, CONJUNCTS_MAX = 16, NO_SOURCE = -1, OWN_NONE = -2 };

struct conjunct {
    const char *text;
    int32_t source; /* the only one it speaks of, or NO_SOURCE */
};

struct branch {
    struct conjunct conjuncts[CONJUNCTS_MAX];
    uint32_t count;
};

static void items_source(const struct translate_scope *scope, const struct sql_items *items, int32_t *source);

/* *source: OWN_NONE while no column was met, then its source, NO_SOURCE once two differ or one isn't of this level. */
static void expr_source(const struct translate_scope *scope, const struct sql_expr *expr, int32_t *source)
{
    if (!expr || *source == NO_SOURCE)
        return;
    if (expr->select || expr->kind == SQL_EXPR_IN_TABLE) {
        *source = NO_SOURCE;
        return;
    }
    if (expr->kind == SQL_EXPR_COLUMN) {
        int32_t found = translate_source_of(scope, expr);
        *source = *source == OWN_NONE || *source == found ? found : NO_SOURCE;
    }
    expr_source(scope, expr->left, source);
    expr_source(scope, expr->right, source);
    expr_source(scope, expr->third, source);
    items_source(scope, expr->list, source);
    if (expr->call)
        items_source(scope, expr->call->arguments, source);
}

static void items_source(const struct translate_scope *scope, const struct sql_items *items, int32_t *source)
{
    for (uint32_t i = 0; items && i < items->count; i++)
        expr_source(scope, items->items[i].expr, source);
}

static bool has_select(const struct sql_expr *expr)
{
    if (!expr)
        return false;
    if (expr->select || expr->kind == SQL_EXPR_IN_TABLE || has_select(expr->left) || has_select(expr->right) ||
        has_select(expr->third))
        return true;
    const struct sql_items *lists[2] = {expr->list, expr->call ? expr->call->arguments : NULL};
    for (int l = 0; l < 2; l++)
        for (uint32_t i = 0; lists[l] && i < lists[l]->count; i++)
            if (has_select(lists[l]->items[i].expr))
                return true;
    return false;
}

static bool read_conjuncts(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr,
                           struct branch *branch)
{
    if (expr->kind == SQL_EXPR_BINARY && expr->op == SQL_OP_AND)
        return read_conjuncts(t, scope, expr->left, branch) && read_conjuncts(t, scope, expr->right, branch);
    if (branch->count == CONJUNCTS_MAX)
        return false;
    struct conjunct *conjunct = &branch->conjuncts[branch->count++];
    conjunct->source = OWN_NONE;
    expr_source(scope, expr, &conjunct->source);
    conjunct->text = translate_condition(t, translate_expression(t, scope, expr));
    return true;
}

static bool read_branches(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr,
                          struct branch *branches, uint32_t *count)
{
    if (expr->kind == SQL_EXPR_BINARY && expr->op == SQL_OP_OR)
        return read_branches(t, scope, expr->left, branches, count) &&
               read_branches(t, scope, expr->right, branches, count);
    return *count < BRANCHES_MAX && read_conjuncts(t, scope, expr, &branches[(*count)++]);
}

static const char *both(struct translator *t, enum translate_form form, const char *a, const char *b)
{
    return a ? translate_emit(t, form, a, b, NULL) : b;
}

/* The branch's conjuncts that speak of the source alone; NULL: none. */
static const char *of_source(struct translator *t, const struct branch *branch, int32_t source)
{
    const char *text = NULL;
    for (uint32_t i = 0; i < branch->count; i++)
        if (branch->conjuncts[i].source == source)
            text = both(t, TRANSLATE_FORM_AND, text, branch->conjuncts[i].text);
    return text;
}

static const char *implied_for_source(struct translator *t, const struct branch *branches, uint32_t count,
                                      int32_t source)
{
    const char *text = NULL;
    bool rest = false; /* else it would be the OR itself */
    for (uint32_t b = 0; b < count; b++)
        for (uint32_t i = 0; i < branches[b].count; i++)
            rest = rest || branches[b].conjuncts[i].source != source;
    for (uint32_t b = 0; b < count && rest; b++) {
        const char *part = of_source(t, &branches[b], source);
        if (!part)
            return NULL;
        text = both(t, TRANSLATE_FORM_OR, text, part);
    }
    return text;
}

static bool branch_has(const struct branch *branch, const char *text)
{
    for (uint32_t i = 0; i < branch->count; i++)
        if (strcmp(branch->conjuncts[i].text, text) == 0)
            return true;
    return false;
}

/* Conjuncts of all branches that speak of several tables: joins. */
static const char *common_joins(struct translator *t, const struct branch *branches, uint32_t count)
{
    const char *text = NULL;
    for (uint32_t i = 0; i < branches[0].count; i++) {
        const struct conjunct *conjunct = &branches[0].conjuncts[i];
        bool everywhere = conjunct->source == NO_SOURCE;
        for (uint32_t b = 1; b < count && everywhere; b++)
            everywhere = branch_has(&branches[b], conjunct->text);
        if (everywhere)
            text = both(t, TRANSLATE_FORM_AND, text, conjunct->text);
    }
    return text;
}

const char *translate_implied(struct translator *t, struct translate_scope *scope, const struct sql_expr *where)
{
    if (scope->source_count < 2 || t->refused)
        return NULL;
    if (where->kind == SQL_EXPR_BINARY && where->op == SQL_OP_AND) {
        const char *left = translate_implied(t, scope, where->left), *right = translate_implied(t, scope, where->right);
        return left && right ? translate_emit(t, TRANSLATE_FORM_AND, left, right, NULL) : left ? left : right;
    }
    if (where->kind != SQL_EXPR_BINARY || where->op != SQL_OP_OR || has_select(where))
        return NULL;
    struct branch *branches = sql_arena_alloc(t->arena, BRANCHES_MAX * sizeof *branches);
    uint32_t count = 0;
    if (!branches) {
        t->failed = true;
        return NULL;
    }
    if (!read_branches(t, scope, where, branches, &count) || t->refused)
        return NULL;
    const char *text = common_joins(t, branches, count);
    BASE_INVARIANT(count >= 2 && count <= BRANCHES_MAX);
    for (uint32_t s = 0; s < scope->source_count; s++) {
        const char *part = implied_for_source(t, branches, count, (int32_t)s);
        if (part)
            text = both(t, TRANSLATE_FORM_AND, text, part);
    }
    return text;
}
