/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over the tree with the scopes around it. A parameter goes by its first mention that tells something.
 *
 * Columns aren't looked up here, where no schema is: each becomes a column of the probe, a scalar subquery in the scope of its mention. SQLite tells
 * the declared type of such a subquery, and finds its names where the statement itself would.
 */
#include "sql/sql_uses.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_map.h"
#include "base/base_memory.h"

static const struct sql_parameter_use unknown = {SQL_USE_UNKNOWN, 0, NULL};

static void walk_expr(struct sql_uses *uses, const struct sql_expr *expr, const struct sql_scope *scope);
static void walk_select(struct sql_uses *uses, const struct sql_select *select, const struct sql_scope *scope,
                        const struct sql_names *places, const struct sql_source *insert);
static struct sql_parameter_use use_of(struct sql_uses *uses, const struct sql_expr *expr,
                                       const struct sql_scope *scope);

static bool is_name(const struct sql_name *name, const char *text)
{
    return name->text != NULL && base_fold_equal(name->text, name->length, text, strlen(text));
}

static struct sql_parameter_use plain(enum sql_use use)
{
    return (struct sql_parameter_use){(uint8_t)use, 0, NULL};
}

static struct sql_parameter_use declared(const char *type)
{
    return (struct sql_parameter_use){SQL_USE_TYPE, 0, type};
}

/* The parameter that an expression is, whatever is written around it that leaves its value; NULL: it is none. */
static const struct sql_expr *parameter_of(const struct sql_expr *expr)
{
    while (expr != NULL &&
           (expr->kind == SQL_EXPR_COLLATE || (expr->kind == SQL_EXPR_UNARY && expr->op == SQL_OP_PLUS)))
        expr = expr->left;
    return expr != NULL && expr->kind == SQL_EXPR_PARAMETER ? expr : NULL;
}

static void learn(struct sql_uses *uses, const struct sql_expr *expr, struct sql_parameter_use use)
{
    const struct sql_expr *parameter = parameter_of(expr);
    if (parameter == NULL)
        return;
    BASE_INVARIANT(parameter->value.number > 0 && parameter->value.number <= uses->count);
    struct sql_parameter_use *known = &uses->parameters[parameter->value.number - 1];
    if (known->use == SQL_USE_UNKNOWN)
        *known = use;
}

/* ---- What an expression is. -------------------------------------------------------------------------------------- */

/* Who has more parameters than that, or deeper ones, binds them by text. */
enum { PROBE_COLUMNS = 500, PROBE_BYTES = 1 << 16, PROBE_SCOPES = 16, MOST_PARTS = 500 };

static uint32_t depth_of(const struct sql_scope *scope)
{
    uint32_t depth = 0;
    for (; scope != NULL && depth <= PROBE_SCOPES; scope = scope->outer)
        depth++;
    return depth;
}

static struct sql_parameter_use probe(struct sql_uses *uses, const struct sql_expr *column,
                                      const struct sql_scope *scope)
{
    if (uses->probe_columns == PROBE_COLUMNS || uses->probe.len > PROBE_BYTES || depth_of(scope) > PROBE_SCOPES)
        return unknown;
    struct sql_parameter_use use = {SQL_USE_COLUMN, uses->probe_columns++, NULL};
    base_buffer_text(&uses->probe, use.column == 0 ? "SELECT " : ", ");
    sql_print_in_scope(&uses->probe, column, scope);
    return use;
}

static struct sql_parameter_use named(struct sql_uses *uses, const struct sql_name *name, const struct sql_scope *scope)
{
    const struct sql_expr column = {.kind = SQL_EXPR_COLUMN, .name = *name};
    return probe(uses, &column, scope);
}

/* What two parts of a compound give to the same column: a NULL or a parameter is as the other. */
static struct sql_parameter_use agreed(struct sql_uses *uses, struct sql_parameter_use a, struct sql_parameter_use b)
{
    void *agreements = uses->agreements;
    if (a.use == SQL_USE_UNKNOWN || b.use == SQL_USE_UNKNOWN)
        return a.use == SQL_USE_UNKNOWN ? b : a;
    uses->failed = uses->failed || !base_grow(&agreements, &uses->agreement_capacity, uses->agreement_count + 1,
                                              sizeof *uses->agreements);
    if (uses->failed)
        return unknown;
    uses->agreements = agreements;
    uses->agreements[uses->agreement_count] = (struct sql_agreement){{a, b}};
    return (struct sql_parameter_use){SQL_USE_AGREED, uses->agreement_count++, NULL};
}

/* One that is written in each part, in WITH RECURSIVE by the column itself. */
static struct sql_parameter_use use_of_parts(struct sql_uses *uses, const struct sql_through *through)
{
    struct sql_parameter_use use = use_of(uses, through->expr, &through->inside);
    for (const struct sql_core *part = through->others; part != NULL; part = part->next) {
        struct sql_through other;
        if (uses->parts++ >= MOST_PARTS || !sql_look_at_part(through, part, &other))
            return unknown;
        use = agreed(uses, use, use_of(uses, other.expr, &other.inside));
    }
    return use;
}

static struct sql_parameter_use use_of_column(struct sql_uses *uses, const struct sql_expr *expr,
                                              const struct sql_scope *scope)
{
    if (expr->table.text == NULL && expr->name.quote == 0 &&
        (is_name(&expr->name, "true") || is_name(&expr->name, "false")))
        return plain(SQL_USE_INTEGER);
    if (expr->table.text != NULL && is_name(&expr->table, "excluded"))
        return named(uses, &expr->name, scope);
    const struct sql_items *aliases = expr->table.text == NULL ? scope->aliases : NULL;
    for (uint32_t i = 0; aliases != NULL && i < aliases->count; i++) {
        const struct sql_item *item = &aliases->items[i];
        if (item->alias.text == NULL || !is_name(&expr->name, item->alias.text))
            continue;
        struct sql_scope without = *scope;
        without.aliases = NULL;
        return use_of(uses, item->expr, &without);
    }
    struct sql_through through;
    if (uses->depth == PROBE_SCOPES || !sql_look_through(uses->views, scope, expr, &through))
        return probe(uses, expr, scope);
    uses->depth++;
    struct sql_parameter_use use = use_of_parts(uses, &through);
    uses->depth--;
    return use;
}

/* Functions whose values, or arguments from one on, are of one kind; others give text. */
static const struct function {
    const char *name;
    enum sql_use value;
    enum sql_use argument; /* of those from `from` on */
    uint32_t from;
    const char *type; /* of the first argument, as a declared type: the way to bind a date */
} functions[] = {
    {"abs", SQL_USE_REAL, SQL_USE_REAL, 0, NULL},
    {"avg", SQL_USE_REAL, SQL_USE_REAL, 0, NULL},
    {"count", SQL_USE_INTEGER, SQL_USE_UNKNOWN, 0, NULL},
    {"date", SQL_USE_TEXT, SQL_USE_TEXT, 1, "DATE"},
    {"datetime", SQL_USE_TEXT, SQL_USE_TEXT, 1, "DATETIME"},
    {"dense_rank", SQL_USE_INTEGER, SQL_USE_UNKNOWN, 0, NULL},
    {"instr", SQL_USE_INTEGER, SQL_USE_TEXT, 0, NULL},
    {"julianday", SQL_USE_REAL, SQL_USE_TEXT, 0, NULL},
    {"length", SQL_USE_INTEGER, SQL_USE_UNKNOWN, 0, NULL},
    {"octet_length", SQL_USE_INTEGER, SQL_USE_UNKNOWN, 0, NULL},
    {"rank", SQL_USE_INTEGER, SQL_USE_UNKNOWN, 0, NULL},
    {"round", SQL_USE_REAL, SQL_USE_REAL, 0, NULL},
    {"row_number", SQL_USE_INTEGER, SQL_USE_UNKNOWN, 0, NULL},
    {"substr", SQL_USE_TEXT, SQL_USE_INTEGER, 1, NULL},
    {"substring", SQL_USE_TEXT, SQL_USE_INTEGER, 1, NULL},
    {"sum", SQL_USE_REAL, SQL_USE_REAL, 0, NULL},
    {"time", SQL_USE_TEXT, SQL_USE_TEXT, 1, "TIME"},
    {"total", SQL_USE_REAL, SQL_USE_REAL, 0, NULL},
    {"unicode", SQL_USE_INTEGER, SQL_USE_TEXT, 0, NULL},
    {"unixepoch", SQL_USE_INTEGER, SQL_USE_TEXT, 0, NULL},
};

static const struct function *function_of(const struct sql_name *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (is_name(name, functions[i].name))
            return &functions[i];
    return NULL;
}

/* Functions that give one of their arguments. */
static bool gives_argument(const struct sql_name *name)
{
    static const char *const names[] = {"coalesce",    "ifnull",     "nullif", "min", "max",
                                        "first_value", "last_value", "lag",    "lead"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (is_name(name, names[i]))
            return true;
    return false;
}

static struct sql_parameter_use use_of_call(struct sql_uses *uses, const struct sql_expr *expr,
                                            const struct sql_scope *scope)
{
    const struct sql_items *arguments = expr->call->arguments;
    const struct function *function = function_of(&expr->name);
    if (function != NULL)
        return plain(function->value);
    if (!gives_argument(&expr->name))
        return plain(SQL_USE_TEXT);
    for (uint32_t i = 0; arguments != NULL && i < arguments->count; i++) {
        struct sql_parameter_use use = use_of(uses, arguments->items[i].expr, scope);
        if (use.use != SQL_USE_UNKNOWN)
            return use;
    }
    return unknown;
}

static struct sql_parameter_use use_of_case(struct sql_uses *uses, const struct sql_expr *expr,
                                            const struct sql_scope *scope)
{
    for (uint32_t i = 1; i < expr->list->count; i += 2) {
        struct sql_parameter_use use = use_of(uses, expr->list->items[i].expr, scope);
        if (use.use != SQL_USE_UNKNOWN)
            return use;
    }
    return expr->right == NULL ? unknown : use_of(uses, expr->right, scope);
}

static struct sql_parameter_use use_of_select(struct sql_uses *uses, const struct sql_select *select,
                                              const struct sql_scope *scope)
{
    const struct sql_scope around = {.outer = scope, .with = select->with};
    struct sql_parameter_use use = unknown;
    for (const struct sql_core *core = select->cores; core != NULL; core = core->next) {
        const struct sql_scope inside = {.outer = select->with == NULL ? scope : &around, .from = core->from};
        if (core->is_values || core->columns->count != 1 || uses->parts++ >= MOST_PARTS)
            return unknown;
        use = agreed(uses, use, use_of(uses, core->columns->items[0].expr, &inside));
    }
    return use;
}

static struct sql_parameter_use use_of_binary(const struct sql_expr *expr)
{
    switch (expr->op) {
    case SQL_OP_ADD:
    case SQL_OP_SUBTRACT:
    case SQL_OP_MULTIPLY:
    case SQL_OP_DIVIDE:
        return plain(SQL_USE_REAL);
    case SQL_OP_CONCAT:
    case SQL_OP_ARROW:
    case SQL_OP_ARROW2:
        return plain(SQL_USE_TEXT);
    default:
        return plain(SQL_USE_INTEGER);
    }
}

static struct sql_parameter_use use_of(struct sql_uses *uses, const struct sql_expr *expr,
                                       const struct sql_scope *scope)
{
    switch (expr->kind) {
    case SQL_EXPR_INTEGER:
        return plain(SQL_USE_INTEGER);
    case SQL_EXPR_REAL:
        return plain(SQL_USE_REAL);
    case SQL_EXPR_TEXT:
    case SQL_EXPR_CURRENT:
        return plain(SQL_USE_TEXT);
    case SQL_EXPR_BLOB:
        return plain(SQL_USE_BLOB);
    case SQL_EXPR_COLUMN:
        return use_of_column(uses, expr, scope);
    case SQL_EXPR_UNARY:
        return expr->op == SQL_OP_NEGATE || expr->op == SQL_OP_PLUS ? use_of(uses, expr->left, scope)
                                                                    : plain(SQL_USE_INTEGER);
    case SQL_EXPR_BINARY:
        return use_of_binary(expr);
    case SQL_EXPR_CASE:
        return use_of_case(uses, expr, scope);
    case SQL_EXPR_CAST:
        return declared(expr->name.text);
    case SQL_EXPR_COLLATE:
        return use_of(uses, expr->left, scope);
    case SQL_EXPR_CALL:
        return use_of_call(uses, expr, scope);
    case SQL_EXPR_SUBQUERY:
        return use_of_select(uses, expr->select, scope);
    case SQL_EXPR_NULL:
    case SQL_EXPR_PARAMETER:
    case SQL_EXPR_STAR:
    case SQL_EXPR_ROW:
    case SQL_EXPR_RAISE:
        return unknown;
    default: /* conditions */
        return plain(SQL_USE_INTEGER);
    }
}

/* ---- What stands beside what. ------------------------------------------------------------------------------------ */

/* Two expressions that are compared, or of which the value is one: a parameter among them is as the other. Rows go pair by pair. */
static void pair(struct sql_uses *uses, const struct sql_expr *a, const struct sql_expr *b,
                 const struct sql_scope *scope)
{
    if (a->kind == SQL_EXPR_ROW && b->kind == SQL_EXPR_ROW) {
        for (uint32_t i = 0; i < a->list->count && i < b->list->count; i++)
            pair(uses, a->list->items[i].expr, b->list->items[i].expr, scope);
        return;
    }
    if (parameter_of(a) != NULL)
        learn(uses, a, use_of(uses, b, scope));
    if (parameter_of(b) != NULL)
        learn(uses, b, use_of(uses, a, scope));
}

static void walk_items(struct sql_uses *uses, const struct sql_items *items, const struct sql_scope *scope)
{
    for (uint32_t i = 0; items != NULL && i < items->count; i++)
        walk_expr(uses, items->items[i].expr, scope);
}

static void condition(struct sql_uses *uses, const struct sql_expr *expr, const struct sql_scope *scope)
{
    if (expr == NULL)
        return;
    learn(uses, expr, declared("BOOLEAN"));
    walk_expr(uses, expr, scope);
}

static void count_of_rows(struct sql_uses *uses, const struct sql_expr *expr, const struct sql_scope *scope)
{
    if (expr == NULL)
        return;
    learn(uses, expr, plain(SQL_USE_INTEGER));
    walk_expr(uses, expr, scope);
}

static void binary(struct sql_uses *uses, const struct sql_expr *expr, const struct sql_scope *scope)
{
    enum sql_use use = SQL_USE_INTEGER;
    switch (expr->op) {
    case SQL_OP_EQ:
    case SQL_OP_NE:
    case SQL_OP_LT:
    case SQL_OP_LE:
    case SQL_OP_GT:
    case SQL_OP_GE:
        pair(uses, expr->left, expr->right, scope);
        return;
    case SQL_OP_AND:
    case SQL_OP_OR:
        learn(uses, expr->left, declared("BOOLEAN"));
        learn(uses, expr->right, declared("BOOLEAN"));
        return;
    case SQL_OP_ADD:
    case SQL_OP_SUBTRACT:
    case SQL_OP_MULTIPLY:
    case SQL_OP_DIVIDE:
        use = SQL_USE_REAL; /* a client that may bind 1.5 must not be told int64, which would cut it off */
        break;
    case SQL_OP_CONCAT:
    case SQL_OP_ARROW:
    case SQL_OP_ARROW2:
        use = SQL_USE_TEXT;
        break;
    default:
        break;
    }
    learn(uses, expr->left, plain(use));
    learn(uses, expr->right, plain(use));
}

static void call(struct sql_uses *uses, const struct sql_expr *expr, const struct sql_scope *scope)
{
    const struct sql_items *arguments = expr->call->arguments;
    const struct function *function = function_of(&expr->name);
    for (uint32_t i = 0; arguments != NULL && i < arguments->count; i++) {
        const struct sql_expr *argument = arguments->items[i].expr;
        if (function != NULL && i == 0 && function->type != NULL)
            learn(uses, argument, declared(function->type));
        else if (function != NULL && i >= function->from)
            learn(uses, argument, plain(function->argument));
        else if (parameter_of(argument) != NULL && gives_argument(&expr->name))
            learn(uses, argument, use_of_call(uses, expr, scope));
        walk_expr(uses, argument, scope);
    }
    if (expr->call->filter != NULL)
        condition(uses, expr->call->filter, scope);
}

static void case_of(struct sql_uses *uses, const struct sql_expr *expr, const struct sql_scope *scope)
{
    for (uint32_t i = 0; i < expr->list->count; i++) {
        const struct sql_expr *item = expr->list->items[i].expr;
        if (i % 2 == 0 && expr->left != NULL)
            pair(uses, expr->left, item, scope);
        else if (i % 2 == 0)
            learn(uses, item, declared("BOOLEAN"));
        else if (parameter_of(item) != NULL)
            learn(uses, item, use_of_case(uses, expr, scope));
    }
    if (expr->right != NULL && parameter_of(expr->right) != NULL)
        learn(uses, expr->right, use_of_case(uses, expr, scope));
}

/* A list may be long, so what stands before it is looked at once. */
static void in_list(struct sql_uses *uses, const struct sql_expr *expr, const struct sql_scope *scope)
{
    struct sql_parameter_use use = unknown;
    for (uint32_t i = 0; expr->list != NULL && i < expr->list->count; i++) { /* `x IN ()` has none */
        const struct sql_expr *item = expr->list->items[i].expr;
        if (parameter_of(item) == NULL || parameter_of(expr->left) != NULL || expr->left->kind == SQL_EXPR_ROW) {
            pair(uses, expr->left, item, scope);
            continue;
        }
        if (use.use == SQL_USE_UNKNOWN)
            use = use_of(uses, expr->left, scope);
        learn(uses, item, use);
    }
}

static void like(struct sql_uses *uses, const struct sql_expr *expr)
{
    learn(uses, expr->left, plain(SQL_USE_TEXT));
    learn(uses, expr->right, plain(SQL_USE_TEXT));
    learn(uses, expr->third, plain(SQL_USE_TEXT));
}

static void beside(struct sql_uses *uses, const struct sql_expr *expr, const struct sql_scope *scope)
{
    switch (expr->kind) {
    case SQL_EXPR_BINARY:
        binary(uses, expr, scope);
        break;
    case SQL_EXPR_IS:
        pair(uses, expr->left, expr->right, scope);
        break;
    case SQL_EXPR_BETWEEN:
        pair(uses, expr->left, expr->right, scope);
        pair(uses, expr->left, expr->third, scope);
        break;
    case SQL_EXPR_IN_LIST:
        in_list(uses, expr, scope);
        break;
    case SQL_EXPR_IN_SELECT:
        if (parameter_of(expr->left) != NULL)
            learn(uses, expr->left, use_of_select(uses, expr->select, scope));
        break;
    case SQL_EXPR_LIKE:
        like(uses, expr);
        break;
    case SQL_EXPR_UNARY:
        if (expr->op == SQL_OP_NOT)
            learn(uses, expr->left, declared("BOOLEAN"));
        else if (expr->op != SQL_OP_PLUS)
            learn(uses, expr->left, plain(expr->op == SQL_OP_NEGATE ? SQL_USE_REAL : SQL_USE_INTEGER));
        break;
    case SQL_EXPR_CAST:
        learn(uses, expr->left, declared(expr->name.text));
        break;
    case SQL_EXPR_CASE:
        case_of(uses, expr, scope);
        break;
    default:
        break;
    }
}

static void walk_expr(struct sql_uses *uses, const struct sql_expr *expr, const struct sql_scope *scope)
{
    if (expr == NULL)
        return;
    if (expr->kind == SQL_EXPR_CALL) {
        call(uses, expr, scope);
        return;
    }
    beside(uses, expr, scope);
    walk_expr(uses, expr->left, scope);
    walk_expr(uses, expr->right, scope);
    walk_expr(uses, expr->third, scope);
    walk_items(uses, expr->list, scope);
    if (expr->select != NULL)
        walk_select(uses, expr->select, scope, NULL, NULL);
}

/* ---- SELECT. ----------------------------------------------------------------------------------------------------- */

static void walk_from(struct sql_uses *uses, const struct sql_from *from, const struct sql_scope *scope)
{
    for (uint32_t i = 0; from != NULL && i < from->count; i++) {
        const struct sql_source *source = &from->items[i];
        if (source->select != NULL)
            walk_select(uses, source->select, scope->outer, NULL, NULL);
        walk_from(uses, source->group, scope);
        walk_items(uses, source->arguments, scope);
        condition(uses, source->on, scope);
    }
}

static void walk_with(struct sql_uses *uses, const struct sql_with *with, const struct sql_scope *scope)
{
    for (const struct sql_cte *cte = with == NULL ? NULL : with->ctes; cte != NULL; cte = cte->next)
        walk_select(uses, cte->select, scope, NULL, NULL);
}

/* Rows that are inserted: each value goes into the column of its place, as that of the first row does. */
static void places_of(struct sql_uses *uses, const struct sql_items *row, const struct sql_items *first,
                      const struct sql_names *places, const struct sql_source *insert)
{
    const struct sql_scope scope = {.target = insert};
    for (uint32_t i = 0; i < row->count; i++) {
        const struct sql_expr *parameter = parameter_of(row->items[i].expr);
        if (parameter == NULL || uses->parameters[parameter->value.number - 1].use != SQL_USE_UNKNOWN)
            continue;
        const struct sql_expr *above = i < first->count ? parameter_of(first->items[i].expr) : NULL;
        if (above != NULL && above != parameter)
            learn(uses, parameter, uses->parameters[above->value.number - 1]);
        else if (places != NULL && i < places->count) {
            learn(uses, parameter, named(uses, &places->items[i], &scope));
        } else if (places == NULL) {
            learn(uses, parameter, (struct sql_parameter_use){SQL_USE_PLACE, i, NULL});
            uses->insert = insert;
        }
    }
}

static void walk_core(struct sql_uses *uses, const struct sql_core *core, const struct sql_scope *scope)
{
    for (uint32_t i = 0; i < core->row_count; i++)
        walk_items(uses, core->rows[i], scope);
    if (core->is_values)
        return;
    walk_from(uses, core->from, scope);
    walk_items(uses, core->columns, scope);
    condition(uses, core->where, scope);
    walk_items(uses, core->group_by, scope);
    condition(uses, core->having, scope);
}

static void walk_select(struct sql_uses *uses, const struct sql_select *select, const struct sql_scope *scope,
                        const struct sql_names *places, const struct sql_source *insert)
{
    const struct sql_scope around = {.outer = scope, .with = select->with};
    walk_with(uses, select->with, &around);
    for (const struct sql_core *core = select->cores; core != NULL; core = core->next) {
        struct sql_scope inside = {.outer = select->with == NULL ? scope : &around, .from = core->from};
        inside.aliases = core->is_values ? NULL : core->columns;
        for (uint32_t i = 0; insert != NULL && i < core->row_count; i++)
            places_of(uses, core->rows[i], core->rows[0], places, insert);
        if (insert != NULL && !core->is_values)
            places_of(uses, core->columns, core->columns, places, insert);
        walk_core(uses, core, &inside);
        if (core == select->cores && core->next == NULL)
            walk_items(uses, select->order, &inside);
    }
    count_of_rows(uses, select->limit, &around);
    count_of_rows(uses, select->limit_offset, &around);
}

/* ---- Changes. ---------------------------------------------------------------------------------------------------- */

static void walk_sets(struct sql_uses *uses, const struct sql_set *set, const struct sql_scope *scope,
                      const struct sql_scope *target)
{
    for (; set != NULL; set = set->next) {
        const struct sql_expr *expr = set->expr;
        const struct sql_items *row = set->bracketed && expr->kind == SQL_EXPR_ROW ? expr->list : NULL;
        for (uint32_t i = 0; i < set->columns->count; i++) {
            const struct sql_expr *value = row == NULL ? expr : i < row->count ? row->items[i].expr : NULL;
            if (value != NULL && parameter_of(value) != NULL)
                learn(uses, value, named(uses, &set->columns->items[i], target));
        }
        walk_expr(uses, expr, scope);
    }
}

static void walk_change(struct sql_uses *uses, const struct sql_change *change)
{
    const struct sql_scope around = {.with = change->with};
    const struct sql_scope *outer = change->with == NULL ? NULL : &around;
    const struct sql_scope target = {.target = &change->target};
    const struct sql_scope inside = {.outer = outer, .target = &change->target, .from = change->from};
    walk_with(uses, change->with, &around);
    if (change->source != NULL)
        walk_select(uses, change->source, &around, change->columns, &change->target);
    for (const struct sql_upsert *upsert = change->upserts; upsert != NULL; upsert = upsert->next) {
        walk_sets(uses, upsert->sets, &target, &target);
        condition(uses, upsert->where, &target);
    }
    walk_from(uses, change->from, &inside);
    walk_sets(uses, change->sets, &inside, &target);
    condition(uses, change->where, &inside);
    walk_items(uses, change->returning, &inside);
    walk_items(uses, change->order, &inside);
    count_of_rows(uses, change->limit, &around);
    count_of_rows(uses, change->limit_offset, &around);
}

rhei_status sql_uses_read(const struct sql_tree *tree, const struct sql_views *views, struct sql_uses *uses,
                          struct rhei_error *error)
{
    *uses = (struct sql_uses){.count = tree->parameter_count, .views = views};
    uses->parameters = base_alloc_zero((size_t)uses->count + 1, sizeof *uses->parameters);
    if (uses->parameters == NULL)
        return error_no_memory(error);
    if (uses->count > 0 && tree->select != NULL)
        walk_select(uses, tree->select, NULL, NULL, NULL);
    if (uses->count > 0 && tree->change != NULL)
        walk_change(uses, tree->change);
    return uses->probe.failed || uses->failed ? error_no_memory(error) : RHEI_OK;
}

void sql_uses_reset(struct sql_uses *uses)
{
    base_free(uses->parameters);
    base_free(uses->agreements);
    base_buffer_reset(&uses->probe);
    *uses = (struct sql_uses){0};
}
