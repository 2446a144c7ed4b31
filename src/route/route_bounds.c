/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a text says about the values of its columns: comparisons with constants that AND joins to a WHERE or ON, anywhere in
 * the statement. Only for guessing numbers of rows, so a name that could be resolved in two ways may be taken for either.
 */
#include <string.h>

#include "base/base_memory.h"
#include "route/route_cost.h"

struct collector {
    struct route_bounds *bounds;
    const struct route_statement *statement;
    bool failed;
};

static void collect_select(struct collector *collector, const struct sql_select *select);

/* ---- Constants. -------------------------------------------------------------------------------------------------- */

static struct route_constant unknown_constant(void)
{
    return (struct route_constant){.kind = ROUTE_CONSTANT_UNKNOWN};
}

/* A literal that texts of one template may differ in is known by its place among the literals. */
static struct route_constant literal_constant(const struct collector *collector, const struct sql_expr *expr)
{
    const struct sql_normal *normal = &collector->statement->normal;
    for (uint32_t i = 0; i < normal->literal_count; i++)
        if (normal->literals[i].offset == expr->offset)
            return (struct route_constant){.kind = ROUTE_CONSTANT_LITERAL, .index = i};
    struct route_constant constant = {.kind = ROUTE_CONSTANT_VALUE};
    switch (expr->kind) {
    case SQL_EXPR_INTEGER:
        constant.value = (struct rhei_value){.type = RHEI_INTEGER, .as.integer = expr->value.integer};
        break;
    case SQL_EXPR_REAL:
        constant.value = (struct rhei_value){.type = RHEI_REAL, .as.real = expr->value.real};
        break;
    case SQL_EXPR_TEXT:
        constant.value = (struct rhei_value){
            .type = RHEI_TEXT, .length = expr->value.text.length, .as.bytes = expr->value.text.bytes};
        break;
    default:
        return unknown_constant();
    }
    return constant;
}

struct route_constant route_constant_of(const struct route_statement *statement, const struct sql_expr *expr)
{
    struct collector collector = {.statement = statement};
    bool negated = expr->kind == SQL_EXPR_UNARY && expr->op == SQL_OP_NEGATE;
    if (negated)
        expr = expr->left;
    struct route_constant constant;
    switch (expr->kind) {
    case SQL_EXPR_INTEGER:
    case SQL_EXPR_REAL:
    case SQL_EXPR_TEXT:
        constant = literal_constant(&collector, expr);
        break;
    case SQL_EXPR_PARAMETER:
        constant = (struct route_constant){.kind = ROUTE_CONSTANT_PARAMETER, .index = expr->value.number - 1};
        break;
    default:
        return unknown_constant();
    }
    constant.negated = negated;
    return constant;
}

/* ---- Comparisons. ------------------------------------------------------------------------------------------------ */

static void add_bound(struct collector *collector, const struct sql_expr *column, uint8_t op,
                      struct route_constant value, uint32_t values)
{
    struct route_bounds *bounds = collector->bounds;
    void *items = bounds->items;
    if (column->kind != SQL_EXPR_COLUMN || value.kind == ROUTE_CONSTANT_UNKNOWN)
        return;
    if (!base_grow(&items, &bounds->capacity, bounds->count + 1, sizeof *bounds->items)) {
        collector->failed = true;
        return;
    }
    bounds->items = items;
    bounds->items[bounds->count++] = (struct route_bound){
        .source = column->table.text, .column = column->name.text, .op = op, .values = values, .value = value};
}

static void add_pair(struct collector *collector, const struct sql_expr *left, const struct sql_expr *right)
{
    struct route_bounds *bounds = collector->bounds;
    void *items = bounds->pairs;
    if (!base_grow(&items, &bounds->pair_capacity, bounds->pair_count + 1, sizeof *bounds->pairs)) {
        collector->failed = true;
        return;
    }
    bounds->pairs = items;
    bounds->pairs[bounds->pair_count++] =
        (struct route_pair){{left->table.text, right->table.text}, {left->name.text, right->name.text}};
}

static void collect_comparison(struct collector *collector, const struct sql_expr *expr)
{
    const struct route_statement *statement = collector->statement;
    if (expr->left->kind == SQL_EXPR_COLUMN && expr->right->kind == SQL_EXPR_COLUMN && expr->op == SQL_OP_EQ)
        add_pair(collector, expr->left, expr->right);
    else if (expr->left->kind == SQL_EXPR_COLUMN)
        add_bound(collector, expr->left, expr->op, route_constant_of(statement, expr->right), 1);
    else
        add_bound(collector, expr->right, sql_op_mirrored(expr->op), route_constant_of(statement, expr->left), 1);
}

/* The first of a list stands for all: how many there are matters more. */
static void collect_list(struct collector *collector, const struct sql_expr *expr)
{
    if (!expr->negated && expr->list != NULL && expr->list->count > 0)
        add_bound(collector, expr->left, SQL_OP_EQ, route_constant_of(collector->statement, expr->list->items[0].expr),
                  expr->list->count);
}

static void collect_terms(struct collector *collector, const struct sql_expr *expr)
{
    while (expr != NULL && expr->kind == SQL_EXPR_BINARY && expr->op == SQL_OP_AND) {
        collect_terms(collector, expr->right);
        expr = expr->left;
    }
    if (expr == NULL)
        return;
    if (expr->kind == SQL_EXPR_BINARY && expr->op >= SQL_OP_EQ && expr->op <= SQL_OP_GE && expr->op != SQL_OP_NE) {
        collect_comparison(collector, expr);
    } else if (expr->kind == SQL_EXPR_BETWEEN && !expr->negated) {
        add_bound(collector, expr->left, SQL_OP_GE, route_constant_of(collector->statement, expr->right), 1);
        add_bound(collector, expr->left, SQL_OP_LE, route_constant_of(collector->statement, expr->third), 1);
    } else if (expr->kind == SQL_EXPR_IN_LIST) {
        collect_list(collector, expr);
    }
}

/* ---- The tree. --------------------------------------------------------------------------------------------------- */

static void collect_items(struct collector *collector, const struct sql_items *items);

/* Only SELECTs within matter here. */
static void collect_expr(struct collector *collector, const struct sql_expr *expr)
{
    if (expr == NULL)
        return;
    collect_expr(collector, expr->left);
    collect_expr(collector, expr->right);
    collect_expr(collector, expr->third);
    collect_items(collector, expr->list);
    if (expr->call != NULL) {
        collect_items(collector, expr->call->arguments);
        collect_expr(collector, expr->call->filter);
        collector->bounds->windows += expr->call->over != NULL;
    }
    collector->bounds->stars += expr->kind == SQL_EXPR_STAR;
    uint32_t stars = collector->bounds->stars;
    collect_select(collector, expr->select);
    if (expr->kind == SQL_EXPR_EXISTS)
        collector->bounds->exists_stars += collector->bounds->stars - stars;
}

static void collect_items(struct collector *collector, const struct sql_items *items)
{
    for (uint32_t i = 0; items != NULL && i < items->count; i++)
        collect_expr(collector, items->items[i].expr);
}

static void add_source(struct collector *collector, const struct sql_source *source)
{
    struct route_bounds *bounds = collector->bounds;
    void *items = bounds->sources;
    if (!base_grow(&items, &bounds->source_capacity, bounds->source_count + 1, sizeof *bounds->sources)) {
        collector->failed = true;
        return;
    }
    bounds->sources = items;
    bounds->sources[bounds->source_count++] =
        (struct route_source){.alias = source->alias.text != NULL ? source->alias.text : source->name.text,
                              .table = source->name.text,
                              .called = source->kind == SQL_SOURCE_CALL};
}

static void collect_from(struct collector *collector, const struct sql_from *from)
{
    for (uint32_t i = 0; from != NULL && i < from->count; i++) {
        const struct sql_source *source = &from->items[i];
        collect_terms(collector, source->on);
        collect_expr(collector, source->on);
        if (source->kind == SQL_SOURCE_TABLE || source->kind == SQL_SOURCE_CALL)
            add_source(collector, source);
        collect_select(collector, source->select);
        collect_from(collector, source->group);
    }
}

static void collect_select(struct collector *collector, const struct sql_select *select)
{
    if (select == NULL)
        return;
    for (const struct sql_cte *cte = select->with != NULL ? select->with->ctes : NULL; cte != NULL; cte = cte->next)
        collect_select(collector, cte->select);
    for (const struct sql_core *core = select->cores; core != NULL; core = core->next) {
        collector->bounds->selects++;
        collect_from(collector, core->from);
        collect_terms(collector, core->where);
        collect_expr(collector, core->where);
        collect_expr(collector, core->having);
        collect_items(collector, core->columns);
        collect_items(collector, core->group_by);
    }
    collect_items(collector, select->order);
}

bool route_bounds_collect(const struct route_statement *statement, struct route_bounds *bounds)
{
    struct collector collector = {.bounds = bounds, .statement = statement};
    *bounds = (struct route_bounds){0};
    collect_select(&collector, statement->tree->select);
    if (collector.failed)
        route_bounds_reset(bounds);
    return !collector.failed;
}

void route_bounds_reset(struct route_bounds *bounds)
{
    base_free(bounds->items);
    base_free(bounds->sources);
    base_free(bounds->pairs);
    *bounds = (struct route_bounds){0};
}
