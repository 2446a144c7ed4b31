/* SPDX-License-Identifier: Apache-2.0 */
/* One walk over the tree that notes what the router's rules ask for. Recursion is bounded by the tree's depth. */
#include "sql/sql_facts.h"

#include <string.h>

#include "base/base_invariant.h"
#include "base/base_map.h"

/* The CTEs that are in sight, innermost first. */
struct cte_scope {
    const struct sql_with *with;
    const struct cte_scope *outer;
};

struct walker {
    struct sql_arena *arena;
    struct sql_facts *facts;
    struct sql_table_fact *tables;
    struct sql_function_fact *functions;
    uint32_t table_capacity, function_capacity;
    const struct cte_scope *ctes;
    bool failed;
};

static void walk_select(struct walker *w, const struct sql_select *select);
static void walk_expr(struct walker *w, const struct sql_expr *expr);

bool sql_is_aggregate(const char *name, uint32_t argument_count)
{
    static const char *const names[] = {"count",
                                        "sum",
                                        "avg",
                                        "total",
                                        "group_concat",
                                        "string_agg",
                                        "json_group_array",
                                        "json_group_object",
                                        "jsonb_group_array",
                                        "jsonb_group_object",
                                        "median",
                                        "percentile",
                                        "percentile_cont",
                                        "percentile_disc"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (base_fold_equal(name, length, names[i], strlen(names[i])))
            return true;
    return argument_count == 1 && (base_fold_equal(name, length, "min", 3) || base_fold_equal(name, length, "max", 3));
}

static bool is_cte(const struct walker *w, const struct sql_name *schema, const struct sql_name *name)
{
    if (schema->text)
        return false;
    for (const struct cte_scope *scope = w->ctes; scope; scope = scope->outer)
        for (const struct sql_cte *cte = scope->with->ctes; cte; cte = cte->next)
            if (base_fold_equal(cte->name.text, cte->name.length, name->text, name->length))
                return true;
    return false;
}

static void note_table(struct walker *w, struct sql_table_fact fact)
{
    struct sql_facts *facts = w->facts;
    BASE_INVARIANT(fact.name);
    if (!sql_arena_grow(w->arena, (void **)&w->tables, facts->table_count, &w->table_capacity, sizeof *w->tables)) {
        w->failed = true;
        return;
    }
    w->tables[facts->table_count++] = fact;
}

static void note_source(struct walker *w, const struct sql_source *source, bool written)
{
    if (!written && source->kind == SQL_SOURCE_TABLE && is_cte(w, &source->schema, &source->name))
        return;
    note_table(w, (struct sql_table_fact){source->schema.text, source->name.text, source->alias.text, source->offset,
                                          written, source->kind == SQL_SOURCE_CALL});
}

static void note_function(struct walker *w, const struct sql_expr *expr)
{
    struct sql_facts *facts = w->facts;
    BASE_INVARIANT(expr->call && expr->name.text);
    const struct sql_call *call = expr->call;
    uint32_t arguments = call->arguments ? call->arguments->count : 0;
    bool aggregate = !call->over && sql_is_aggregate(expr->name.text, arguments);
    facts->aggregate = facts->aggregate || aggregate;
    facts->window = facts->window || call->over;
    if (!sql_arena_grow(w->arena, (void **)&w->functions, facts->function_count, &w->function_capacity,
                        sizeof *w->functions)) {
        w->failed = true;
        return;
    }
    w->functions[facts->function_count++] =
        (struct sql_function_fact){expr->name.text, expr->offset, arguments, call->over != NULL, aggregate};
}

static void walk_items(struct walker *w, const struct sql_items *items)
{
    for (uint32_t i = 0; items && i < items->count; i++)
        walk_expr(w, items->items[i].expr);
}

static void walk_window(struct walker *w, const struct sql_window *window)
{
    walk_items(w, window->partition);
    walk_items(w, window->order);
    walk_expr(w, window->start.expr);
    walk_expr(w, window->end.expr);
}

static void walk_expr(struct walker *w, const struct sql_expr *expr)
{
    if (!expr)
        return;
    if (expr->kind == SQL_EXPR_CALL) {
        note_function(w, expr);
        walk_items(w, expr->call->arguments);
        walk_items(w, expr->call->order);
        walk_expr(w, expr->call->filter);
        if (expr->call->over)
            walk_window(w, expr->call->over);
    }
    if (expr->kind == SQL_EXPR_STAR)
        w->facts->star = true;
    if (expr->kind == SQL_EXPR_IN_TABLE) {
        w->facts->subquery = true;
        if (expr->list || !is_cte(w, &expr->schema, &expr->name))
            note_table(w, (struct sql_table_fact){expr->schema.text, expr->name.text, NULL, expr->name.offset, false,
                                                  expr->list != NULL});
    }
    walk_expr(w, expr->left);
    walk_expr(w, expr->right);
    walk_expr(w, expr->third);
    walk_items(w, expr->list);
    if (expr->select) {
        w->facts->subquery = true;
        walk_select(w, expr->select);
    }
}

static void walk_from(struct walker *w, const struct sql_from *from)
{
    if (!from)
        return;
    w->facts->join = w->facts->join || from->count > 1;
    for (uint32_t i = 0; i < from->count; i++) {
        const struct sql_source *source = &from->items[i];
        if (source->kind == SQL_SOURCE_TABLE || source->kind == SQL_SOURCE_CALL)
            note_source(w, source, false);
        walk_items(w, source->arguments);
        walk_expr(w, source->on);
        walk_from(w, source->group);
        if (source->select) {
            w->facts->subquery = true;
            walk_select(w, source->select);
        }
    }
}

static void walk_core(struct walker *w, const struct sql_core *core)
{
    struct sql_facts *facts = w->facts;
    facts->distinct = facts->distinct || core->distinct;
    facts->group_by = facts->group_by || core->group_by;
    facts->having = facts->having || core->having;
    facts->values_rows = facts->values_rows || core->is_values;
    facts->set_operation = facts->set_operation || core->compound != SQL_COMPOUND_FIRST;
    walk_items(w, core->columns);
    walk_from(w, core->from);
    walk_expr(w, core->where);
    walk_items(w, core->group_by);
    walk_expr(w, core->having);
    for (const struct sql_window *window = core->windows; window; window = window->next)
        walk_window(w, window);
    for (uint32_t i = 0; i < core->row_count; i++)
        walk_items(w, core->rows[i]);
}

static void walk_with(struct walker *w, const struct sql_with *with)
{
    w->facts->cte = true;
    w->facts->recursive_cte = w->facts->recursive_cte || with->recursive;
    for (const struct sql_cte *cte = with->ctes; cte; cte = cte->next)
        walk_select(w, cte->select);
}

static void walk_select(struct walker *w, const struct sql_select *select)
{
    if (!select)
        return;
    struct cte_scope scope = {select->with, w->ctes};
    if (select->with) {
        w->ctes = &scope;
        walk_with(w, select->with);
    }
    for (const struct sql_core *core = select->cores; core; core = core->next)
        walk_core(w, core);
    walk_items(w, select->order);
    walk_expr(w, select->limit);
    walk_expr(w, select->limit_offset);
    w->ctes = select->with ? scope.outer : w->ctes;
}

static void walk_sets(struct walker *w, const struct sql_set *set)
{
    for (; set; set = set->next)
        walk_expr(w, set->expr);
}

static void walk_change(struct walker *w, const struct sql_change *change)
{
    struct cte_scope scope = {change->with, w->ctes};
    if (change->with) {
        w->ctes = &scope;
        walk_with(w, change->with);
    }
    note_source(w, &change->target, true);
    walk_select(w, change->source);
    walk_sets(w, change->sets);
    walk_from(w, change->from);
    walk_expr(w, change->where);
    for (const struct sql_upsert *upsert = change->upserts; upsert; upsert = upsert->next) {
        walk_items(w, upsert->target);
        walk_expr(w, upsert->target_where);
        walk_sets(w, upsert->sets);
        walk_expr(w, upsert->where);
    }
    walk_items(w, change->order);
    walk_expr(w, change->limit);
    walk_expr(w, change->limit_offset);
    walk_items(w, change->returning);
    w->facts->returning = change->returning != NULL;
    w->facts->where = change->where != NULL;
    w->facts->limit = change->limit != NULL;
    w->ctes = scope.outer;
}

const struct sql_facts *sql_facts_new(struct sql_arena *arena, const struct sql_tree *tree)
{
    struct sql_facts *facts = sql_arena_alloc(arena, sizeof *facts);
    if (!facts)
        return NULL;
    struct walker w = {.arena = arena, .facts = facts};
    const struct sql_select *select = tree->select ? tree->select : tree->view ? tree->view->select : NULL;
    walk_select(&w, select);
    if (tree->change)
        walk_change(&w, tree->change);
    if (select) {
        facts->order_by = select->order != NULL;
        facts->limit = select->limit != NULL;
        facts->where = select->cores && select->cores->where;
    }
    BASE_INVARIANT(!w.ctes); /* every scope was left */
    BASE_INVARIANT(facts->table_count <= w.table_capacity && facts->function_count <= w.function_capacity);
    facts->tables = w.tables;
    facts->functions = w.functions;
    return w.failed ? NULL : facts;
}
