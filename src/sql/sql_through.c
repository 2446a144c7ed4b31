/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which expression a column is that a subquery, a common table or a view gives. What isn't found is left to SQLite, which knows a column of a table by its
 * name alone; so nothing is told on a guess: a `*` is looked behind only where what it stands for is written further in.
 *
 * Invariant: scopes that are kept in `through` point to each other and to the caller's, never to one of this file's frames. So a `*` of a SELECT with a WITH
 * of its own isn't looked behind.
 */
#include <string.h>

#include "base/base_map.h"
#include "sql/sql_uses.h"

enum { STARS = 8 }; /* within each other */

/* A SELECT in FROM's place. */
struct derived {
    const struct sql_select *select;
    const struct sql_names *names; /* of its columns; NULL: their own */
    const struct sql_scope *outer;
};

static bool same(const struct sql_name *a, const struct sql_name *b)
{
    return a->text != NULL && b->text != NULL && base_fold_equal(a->text, a->length, b->text, b->length);
}

static bool find_common(const struct sql_name *name, const struct sql_scope *scope, struct derived *out)
{
    for (; scope != NULL; scope = scope->outer)
        for (const struct sql_cte *cte = scope->with == NULL ? NULL : scope->with->ctes; cte != NULL; cte = cte->next)
            if (same(&cte->name, name)) {
                *out = (struct derived){cte->select, cte->columns, scope};
                return true;
            }
    return false;
}

static bool derived_of(const struct sql_views *views, const struct sql_source *source, const struct sql_scope *scope,
                       struct derived *out)
{
    if (source->kind == SQL_SOURCE_SELECT) {
        *out = (struct derived){source->select, NULL, scope->outer};
        return true;
    }
    if (source->kind != SQL_SOURCE_TABLE)
        return false;
    if (source->schema.text == NULL && find_common(&source->name, scope, out))
        return true;
    const struct sql_view *view = views == NULL ? NULL : views->find(views->context, &source->schema, &source->name);
    if (view != NULL)
        *out = (struct derived){view->select, view->columns, NULL};
    return view != NULL;
}

static const struct sql_items *columns_of(const struct sql_core *core)
{
    return !core->is_values ? core->columns : core->row_count > 0 ? core->rows[0] : NULL;
}

/* NULL: there is none of that name, or it may be behind a star. */
static const struct sql_expr *written_column(const struct derived *derived, const struct sql_name *name,
                                             uint32_t *place, bool *star)
{
    const struct sql_items *items = columns_of(derived->select->cores);
    for (uint32_t i = 0; items != NULL && i < items->count; i++) {
        const struct sql_item *item = &items->items[i];
        if (item->expr->kind == SQL_EXPR_STAR) {
            *star = true;
            if (derived->names != NULL)
                return NULL; /* which place is whose isn't known */
            continue;
        }
        const struct sql_name *own = derived->names != NULL && i < derived->names->count ? &derived->names->items[i]
                                     : derived->names != NULL                            ? NULL
                                     : item->alias.text != NULL                          ? &item->alias
                                     : item->expr->kind == SQL_EXPR_COLUMN               ? &item->expr->name
                                                                                         : NULL;
        *place = i;
        if (own != NULL && same(own, name))
            return item->expr;
    }
    return NULL;
}

static bool look(const struct sql_views *views, const struct sql_scope *scope, const struct sql_expr *column, int stars,
                 struct sql_through *out);

static bool look_into(const struct sql_views *views, const struct derived *derived, const struct sql_name *name,
                      int stars, struct sql_through *out)
{
    bool star = false;
    const struct sql_select *select = derived->select;
    const struct sql_core *others = select->cores->next;
    const struct sql_expr *expr = written_column(derived, name, &out->place, &star);
    if (others != NULL && (expr == NULL || star))
        return false; /* which place is whose isn't known */
    if (expr != NULL) {
        out->expr = expr;
        out->others = others;
        out->around = (struct sql_scope){.outer = derived->outer, .with = select->with};
        out->inside = (struct sql_scope){.outer = select->with == NULL ? derived->outer : &out->around,
                                         .from = select->cores->from};
        return true;
    }
    if (!star || derived->names != NULL || select->with != NULL || stars == 0)
        return false;
    const struct sql_expr column = {.kind = SQL_EXPR_COLUMN, .name = *name};
    const struct sql_scope inside = {.outer = derived->outer, .from = select->cores->from};
    return look(views, &inside, &column, stars - 1, out);
}

static bool look_in_from(const struct sql_views *views, const struct sql_from *from, const struct sql_scope *scope,
                         const struct sql_expr *column, int stars, bool *named, struct sql_through *out)
{
    for (uint32_t i = 0; from != NULL && i < from->count; i++) {
        const struct sql_source *source = &from->items[i];
        struct derived derived;
        const struct sql_name *name = source->alias.text != NULL ? &source->alias : &source->name;
        bool meant = column->table.text == NULL || same(name, &column->table);
        *named = *named || (meant && column->table.text != NULL);
        if (look_in_from(views, source->group, scope, column, stars, named, out) ||
            (meant && derived_of(views, source, scope, &derived) &&
             look_into(views, &derived, &column->name, stars, out)))
            return true;
    }
    return false;
}

static bool look(const struct sql_views *views, const struct sql_scope *scope, const struct sql_expr *column, int stars,
                 struct sql_through *out)
{
    for (; scope != NULL; scope = scope->outer) {
        bool named = false;
        if (scope->from == NULL && scope->target == NULL)
            continue;
        if (look_in_from(views, scope->from, scope, column, stars, &named, out))
            return true;
        if (named || column->table.text == NULL || scope->target != NULL)
            return false; /* it may be a table's here */
    }
    return false;
}

bool sql_look_at_part(const struct sql_through *whole, const struct sql_core *part, struct sql_through *out)
{
    const struct sql_items *items = columns_of(part);
    if (items == NULL || whole->place >= items->count)
        return false;
    for (uint32_t i = 0; i <= whole->place; i++)
        if (items->items[i].expr->kind == SQL_EXPR_STAR)
            return false;
    *out = (struct sql_through){.expr = items->items[whole->place].expr,
                                .inside = {.outer = whole->inside.outer, .from = part->from}};
    return true;
}

bool sql_look_through(const struct sql_views *views, const struct sql_scope *scope, const struct sql_expr *column,
                      struct sql_through *out)
{
    return column->schema.text == NULL && look(views, scope, column, STARS, out);
}
