/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree as SQLite's SQL. Every operator is put in brackets, every name is quoted and every alias is written with AS,
 * so precedence and keywords can't change the meaning. Two things must stay as they were: an unquoted TRUE or FALSE (it
 * is a name that may be a constant), and "x" in double quotes (it is a name that may be a string).
 */
#include <math.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "sql/sql.h"
#include "sql/sql_number.h"
#include "sql/sql_uses.h"

static void print_select(struct base_buffer *out, const struct sql_select *select);
static void print_expr(struct base_buffer *out, const struct sql_expr *expr);

static void print_text(struct base_buffer *out, const char *text)
{
    base_buffer_text(out, text);
}

static void print_name(struct base_buffer *out, const struct sql_name *name)
{
    BASE_INVARIANT(name->text && name->text[name->length] == '\0');
    if (name->quote == '\'')
        base_buffer_literal(out, name->text, name->length);
    else
        base_buffer_identifier(out, name->text);
}

/* A column that isn't quoted may be TRUE, FALSE or ROWID, which quotes would change or leave: written as it was. */
static void print_column_name(struct base_buffer *out, const struct sql_name *name)
{
    if (name->quote == 0)
        base_buffer_append(out, name->text, name->length);
    else if (name->quote == '[' || name->quote == '`') {
        base_buffer_char(out, '`');
        for (uint32_t i = 0; i < name->length; i++) {
            if (name->text[i] == '`')
                base_buffer_char(out, '`');
            base_buffer_char(out, name->text[i]);
        }
        base_buffer_char(out, '`');
    } else {
        print_name(out, name);
    }
}

static void print_qualified(struct base_buffer *out, const struct sql_name *schema, const struct sql_name *name)
{
    if (schema->text) {
        print_name(out, schema);
        base_buffer_char(out, '.');
    }
    print_name(out, name);
}

static void print_real(struct base_buffer *out, double value)
{
    char text[32];
    if (isinf(value)) {
        print_text(out, "9e999");
        return;
    }
    sql_number_print(value, text);
    print_text(out, text);
}

static void print_blob(struct base_buffer *out, const struct sql_expr *expr)
{
    print_text(out, "x'");
    for (uint32_t i = 0; i < expr->value.text.length; i++)
        base_buffer_format(out, "%02x", (unsigned char)expr->value.text.bytes[i]);
    base_buffer_char(out, '\'');
}

static void print_items(struct base_buffer *out, const struct sql_items *items)
{
    static const char *const sorts[] = {"", " ASC", " DESC"};
    static const char *const nulls[] = {"", " NULLS FIRST", " NULLS LAST"};
    for (uint32_t i = 0; items && i < items->count; i++) {
        const struct sql_item *item = &items->items[i];
        if (i)
            print_text(out, ", ");
        BASE_INVARIANT(item->sort <= SQL_SORT_DESC && item->nulls <= SQL_NULLS_LAST);
        print_expr(out, item->expr);
        if (item->alias.text) {
            print_text(out, " AS ");
            print_name(out, &item->alias);
        }
        print_text(out, sorts[item->sort]);
        print_text(out, nulls[item->nulls]);
    }
}

static void print_names(struct base_buffer *out, const struct sql_names *names)
{
    base_buffer_char(out, '(');
    for (uint32_t i = 0; i < names->count; i++) {
        if (i)
            print_text(out, ", ");
        print_name(out, &names->items[i]);
    }
    base_buffer_char(out, ')');
}

/* ---- Windows and calls ---- */

static void print_bound(struct base_buffer *out, const struct sql_bound *bound)
{
    static const char *const words[] = {"",           "UNBOUNDED PRECEDING", " PRECEDING", "CURRENT ROW",
                                        " FOLLOWING", "UNBOUNDED FOLLOWING"};
    if (bound->expr)
        print_expr(out, bound->expr);
    print_text(out, words[bound->kind]);
}

static void print_frame(struct base_buffer *out, const struct sql_window *window)
{
    static const char *const units[] = {"", " RANGE ", " ROWS ", " GROUPS "};
    static const char *const excludes[] = {"", " EXCLUDE NO OTHERS", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP",
                                           " EXCLUDE TIES"};
    if (window->unit == SQL_FRAME_NONE)
        return;
    print_text(out, units[window->unit]);
    if (window->end.kind != SQL_BOUND_NONE)
        print_text(out, "BETWEEN ");
    print_bound(out, &window->start);
    if (window->end.kind != SQL_BOUND_NONE) {
        print_text(out, " AND ");
        print_bound(out, &window->end);
    }
    print_text(out, excludes[window->exclude]);
}

static void print_window(struct base_buffer *out, const struct sql_window *window)
{
    base_buffer_char(out, '(');
    if (window->base.text)
        print_name(out, &window->base);
    if (window->partition) {
        print_text(out, " PARTITION BY ");
        print_items(out, window->partition);
    }
    if (window->order) {
        print_text(out, " ORDER BY ");
        print_items(out, window->order);
    }
    print_frame(out, window);
    base_buffer_char(out, ')');
}

static void print_call(struct base_buffer *out, const struct sql_expr *expr)
{
    const struct sql_call *call = expr->call;
    print_name(out, &expr->name);
    base_buffer_char(out, '(');
    if (call->star)
        base_buffer_char(out, '*');
    if (call->distinct)
        print_text(out, "DISTINCT ");
    print_items(out, call->arguments);
    if (call->within_group)
        print_text(out, ") WITHIN GROUP (");
    if (call->order) {
        print_text(out, " ORDER BY ");
        print_items(out, call->order);
    }
    base_buffer_char(out, ')');
    if (call->filter) {
        print_text(out, " FILTER (WHERE ");
        print_expr(out, call->filter);
        base_buffer_char(out, ')');
    }
    if (!call->over)
        return;
    print_text(out, " OVER ");
    if (call->over->bare)
        print_name(out, &call->over->base);
    else
        print_window(out, call->over);
}

/* ---- Expressions ---- */

static void print_case(struct base_buffer *out, const struct sql_expr *expr)
{
    print_text(out, "CASE ");
    if (expr->left)
        print_expr(out, expr->left);
    for (uint32_t i = 0; expr->list && i + 1 < expr->list->count; i += 2) {
        print_text(out, " WHEN ");
        print_expr(out, expr->list->items[i].expr);
        print_text(out, " THEN ");
        print_expr(out, expr->list->items[i + 1].expr);
    }
    if (expr->right) {
        print_text(out, " ELSE ");
        print_expr(out, expr->right);
    }
    print_text(out, " END");
}

static void print_like(struct base_buffer *out, const struct sql_expr *expr)
{
    base_buffer_char(out, '(');
    print_expr(out, expr->left);
    base_buffer_format(out, expr->negated ? " NOT %s " : " %s ", sql_op_text(expr->op));
    print_expr(out, expr->right);
    if (expr->third) {
        print_text(out, " ESCAPE ");
        print_expr(out, expr->third);
    }
    base_buffer_char(out, ')');
}

static void print_in(struct base_buffer *out, const struct sql_expr *expr)
{
    base_buffer_char(out, '(');
    print_expr(out, expr->left);
    print_text(out, expr->negated ? " NOT IN " : " IN ");
    if (expr->kind == SQL_EXPR_IN_TABLE) {
        print_qualified(out, &expr->schema, &expr->name);
        if (expr->list) {
            base_buffer_char(out, '(');
            print_items(out, expr->list);
            base_buffer_char(out, ')');
        }
    } else {
        base_buffer_char(out, '(');
        if (expr->select)
            print_select(out, expr->select);
        else
            print_items(out, expr->list);
        base_buffer_char(out, ')');
    }
    base_buffer_char(out, ')');
}

/* "left WORD [right]" in brackets. */
static void print_infix(struct base_buffer *out, const struct sql_expr *expr, const char *word)
{
    base_buffer_char(out, '(');
    print_expr(out, expr->left);
    print_text(out, word);
    if (expr->right)
        print_expr(out, expr->right);
    if (expr->kind == SQL_EXPR_BETWEEN) {
        print_text(out, " AND ");
        print_expr(out, expr->third);
    }
    base_buffer_char(out, ')');
}

static void print_cast(struct base_buffer *out, const struct sql_expr *expr)
{
    print_text(out, "CAST(");
    print_expr(out, expr->left);
    print_text(out, " AS ");
    if (expr->name.text)
        base_buffer_append(out, expr->name.text, expr->name.length);
    base_buffer_char(out, ')');
}

static void print_column(struct base_buffer *out, const struct sql_expr *expr)
{
    if (expr->schema.text) {
        print_name(out, &expr->schema);
        base_buffer_char(out, '.');
    }
    if (expr->table.text) {
        print_name(out, &expr->table);
        base_buffer_char(out, '.');
    }
    if (expr->kind == SQL_EXPR_STAR)
        base_buffer_char(out, '*');
    else
        print_column_name(out, &expr->name);
}

static void print_leaf(struct base_buffer *out, const struct sql_expr *expr)
{
    switch (expr->kind) {
    case SQL_EXPR_INTEGER:
        if (expr->value.integer == INT64_MIN) /* only hex can write it */
            print_text(out, "0x8000000000000000");
        else if (expr->value.integer < 0)
            base_buffer_format(out, "0x%llx", (unsigned long long)expr->value.integer);
        else
            base_buffer_format(out, "%lld", (long long)expr->value.integer);
        return;
    case SQL_EXPR_REAL:
        if (expr->negated)
            print_text(out, "9223372036854775808");
        else
            print_real(out, expr->value.real);
        return;
    case SQL_EXPR_TEXT:
        base_buffer_literal(out, expr->value.text.bytes, expr->value.text.length);
        return;
    case SQL_EXPR_BLOB:
        print_blob(out, expr);
        return;
    case SQL_EXPR_CURRENT:
    case SQL_EXPR_PARAMETER:
        base_buffer_append(out, expr->name.text, expr->name.length);
        return;
    case SQL_EXPR_RAISE:
        print_text(out, "RAISE(IGNORE)");
        return;
    default:
        print_text(out, "NULL");
    }
}

static void print_unary(struct base_buffer *out, const struct sql_expr *expr)
{
    base_buffer_char(out, '(');
    print_text(out, sql_op_text(expr->op));
    print_expr(out, expr->left);
    base_buffer_char(out, ')');
}

static void print_nested(struct base_buffer *out, const struct sql_expr *expr)
{
    if (expr->kind == SQL_EXPR_EXISTS)
        print_text(out, "EXISTS ");
    base_buffer_char(out, '(');
    if (expr->select)
        print_select(out, expr->select);
    else
        print_items(out, expr->list);
    base_buffer_char(out, ')');
}

static void print_expr(struct base_buffer *out, const struct sql_expr *expr)
{
    switch (expr->kind) {
    case SQL_EXPR_COLUMN:
    case SQL_EXPR_STAR:
        print_column(out, expr);
        return;
    case SQL_EXPR_UNARY:
        print_unary(out, expr);
        return;
    case SQL_EXPR_BINARY:
        print_infix(out, expr, sql_op_text(expr->op));
        return;
    case SQL_EXPR_LIKE:
        print_like(out, expr);
        return;
    case SQL_EXPR_IS_NULL:
        print_infix(out, expr, expr->negated ? " NOTNULL" : " ISNULL");
        return;
    case SQL_EXPR_IS:
        print_infix(out, expr, expr->negated ? " IS NOT " : " IS ");
        return;
    case SQL_EXPR_BETWEEN:
        print_infix(out, expr, expr->negated ? " NOT BETWEEN " : " BETWEEN ");
        return;
    case SQL_EXPR_IN_LIST:
    case SQL_EXPR_IN_SELECT:
    case SQL_EXPR_IN_TABLE:
        print_in(out, expr);
        return;
    case SQL_EXPR_CASE:
        print_case(out, expr);
        return;
    case SQL_EXPR_CAST:
        print_cast(out, expr);
        return;
    case SQL_EXPR_COLLATE:
        base_buffer_char(out, '(');
        print_expr(out, expr->left);
        print_text(out, " COLLATE ");
        print_name(out, &expr->name);
        base_buffer_char(out, ')');
        return;
    case SQL_EXPR_CALL:
        print_call(out, expr);
        return;
    case SQL_EXPR_EXISTS:
    case SQL_EXPR_SUBQUERY:
    case SQL_EXPR_ROW:
        print_nested(out, expr);
        return;
    default:
        print_leaf(out, expr);
    }
}

/* ---- SELECT ---- */

static void print_from(struct base_buffer *out, const struct sql_from *from);

static void print_source(struct base_buffer *out, const struct sql_source *source)
{
    switch (source->kind) {
    case SQL_SOURCE_SELECT:
        base_buffer_char(out, '(');
        print_select(out, source->select);
        base_buffer_char(out, ')');
        break;
    case SQL_SOURCE_GROUP:
        base_buffer_char(out, '(');
        print_from(out, source->group);
        base_buffer_char(out, ')');
        break;
    default:
        print_qualified(out, &source->schema, &source->name);
    }
    if (source->kind == SQL_SOURCE_CALL) {
        base_buffer_char(out, '(');
        print_items(out, source->arguments);
        base_buffer_char(out, ')');
    }
    if (source->alias.text) {
        print_text(out, " AS ");
        print_name(out, &source->alias);
    }
    if (source->indexed_by.text) {
        print_text(out, " INDEXED BY ");
        print_name(out, &source->indexed_by);
    } else if (source->not_indexed) {
        print_text(out, " NOT INDEXED");
    }
}

static void print_from(struct base_buffer *out, const struct sql_from *from)
{
    static const char *const joins[] = {"", ", ", "JOIN ", "CROSS JOIN ", "LEFT JOIN ", "RIGHT JOIN ", "FULL JOIN "};
    for (uint32_t i = 0; i < from->count; i++) {
        const struct sql_source *source = &from->items[i];
        if (i && source->join != SQL_JOIN_COMMA)
            print_text(out, source->natural ? " NATURAL " : " ");
        print_text(out, joins[source->join]);
        print_source(out, source);
        if (source->on) {
            print_text(out, " ON ");
            print_expr(out, source->on);
        }
        if (source->using_columns) {
            print_text(out, " USING ");
            print_names(out, source->using_columns);
        }
    }
}

static void print_window_clause(struct base_buffer *out, const struct sql_window *window)
{
    const char *before = " WINDOW ";
    for (; window; window = window->next) {
        print_text(out, before);
        print_name(out, &window->name);
        print_text(out, " AS ");
        print_window(out, window);
        before = ", ";
    }
}

static void print_optional(struct base_buffer *out, const char *word, const struct sql_expr *expr)
{
    if (!expr)
        return;
    print_text(out, word);
    print_expr(out, expr);
}

static void print_core(struct base_buffer *out, const struct sql_core *core)
{
    static const char *const compounds[] = {"", " UNION ", " UNION ALL ", " INTERSECT ", " EXCEPT "};
    print_text(out, compounds[core->compound]);
    if (core->is_values) {
        for (uint32_t i = 0; i < core->row_count; i++) {
            print_text(out, i ? ", (" : "VALUES (");
            print_items(out, core->rows[i]);
            base_buffer_char(out, ')');
        }
        return;
    }
    print_text(out, core->distinct ? "SELECT DISTINCT " : "SELECT ");
    print_items(out, core->columns);
    if (core->from) {
        print_text(out, " FROM ");
        print_from(out, core->from);
    }
    print_optional(out, " WHERE ", core->where);
    if (core->group_by) {
        print_text(out, " GROUP BY ");
        print_items(out, core->group_by);
    }
    print_optional(out, " HAVING ", core->having);
    print_window_clause(out, core->windows);
}

static void print_with(struct base_buffer *out, const struct sql_with *with)
{
    static const char *const hints[] = {" AS (", " AS MATERIALIZED (", " AS NOT MATERIALIZED ("};
    print_text(out, with->recursive ? "WITH RECURSIVE " : "WITH ");
    for (const struct sql_cte *cte = with->ctes; cte; cte = cte->next) {
        if (cte != with->ctes)
            print_text(out, ", ");
        print_name(out, &cte->name);
        if (cte->columns)
            print_names(out, cte->columns);
        print_text(out, hints[cte->materialized]);
        print_select(out, cte->select);
        base_buffer_char(out, ')');
    }
    base_buffer_char(out, ' ');
}

static void print_tail(struct base_buffer *out, const struct sql_items *order, const struct sql_expr *limit,
                       const struct sql_expr *offset)
{
    if (order) {
        print_text(out, " ORDER BY ");
        print_items(out, order);
    }
    print_optional(out, " LIMIT ", limit);
    print_optional(out, " OFFSET ", offset);
}

static void print_select(struct base_buffer *out, const struct sql_select *select)
{
    if (select->with)
        print_with(out, select->with);
    for (const struct sql_core *core = select->cores; core; core = core->next)
        print_core(out, core);
    print_tail(out, select->order, select->limit, select->limit_offset);
}

/* ---- Changes ---- */

static void print_sets(struct base_buffer *out, const struct sql_set *set)
{
    const char *before = " SET ";
    for (; set; set = set->next) {
        print_text(out, before);
        if (set->bracketed)
            print_names(out, set->columns);
        else
            print_name(out, &set->columns->items[0]);
        print_text(out, " = ");
        print_expr(out, set->expr);
        before = ", ";
    }
}

static void print_upserts(struct base_buffer *out, const struct sql_upsert *upsert)
{
    for (; upsert; upsert = upsert->next) {
        print_text(out, " ON CONFLICT");
        if (upsert->target) {
            print_text(out, " (");
            print_items(out, upsert->target);
            base_buffer_char(out, ')');
        }
        print_optional(out, " WHERE ", upsert->target_where);
        if (upsert->nothing) {
            print_text(out, " DO NOTHING");
            continue;
        }
        print_text(out, " DO UPDATE");
        print_sets(out, upsert->sets);
        print_optional(out, " WHERE ", upsert->where);
    }
}

static void print_insert(struct base_buffer *out, const struct sql_change *change, const char *conflict)
{
    base_buffer_format(out, change->replace_word ? "REPLACE INTO " : "INSERT%s INTO ", conflict);
    print_source(out, &change->target);
    if (change->columns) {
        base_buffer_char(out, ' ');
        print_names(out, change->columns);
    }
    base_buffer_char(out, ' ');
    if (change->source)
        print_select(out, change->source);
    else
        print_text(out, "DEFAULT VALUES");
    /* "SELECT ... FROM t ON CONFLICT" reads ON as the join's: SQLite asks for a WHERE in between. */
    const struct sql_core *last = change->source ? change->source->last_core : NULL;
    if (change->upserts && last && last->from && !last->where && !last->group_by && !last->having &&
        !change->source->order && !change->source->limit)
        print_text(out, " WHERE TRUE");
    print_upserts(out, change->upserts);
}

static void print_change(struct base_buffer *out, const struct sql_tree *tree)
{
    static const char *const conflicts[] = {"", " OR ROLLBACK", " OR ABORT", " OR FAIL", " OR IGNORE", " OR REPLACE"};
    const struct sql_change *change = tree->change;
    if (change->with)
        print_with(out, change->with);
    if (tree->kind == SQL_KIND_INSERT) {
        print_insert(out, change, conflicts[change->conflict]);
    } else {
        if (tree->kind == SQL_KIND_UPDATE)
            base_buffer_format(out, "UPDATE%s ", conflicts[change->conflict]);
        else
            print_text(out, "DELETE FROM ");
        print_source(out, &change->target);
        print_sets(out, change->sets);
        if (change->from) {
            print_text(out, " FROM ");
            print_from(out, change->from);
        }
        print_optional(out, " WHERE ", change->where);
    }
    if (change->returning) {
        print_text(out, " RETURNING ");
        print_items(out, change->returning);
    }
    print_tail(out, change->order, change->limit, change->limit_offset);
}

static void print_view(struct base_buffer *out, const struct sql_view *view)
{
    print_text(out, view->temporary ? "CREATE TEMP VIEW " : "CREATE VIEW ");
    if (view->if_not_exists)
        print_text(out, "IF NOT EXISTS ");
    print_qualified(out, &view->schema, &view->name);
    if (view->columns)
        print_names(out, view->columns);
    print_text(out, " AS ");
    print_select(out, view->select);
}

static void open_scopes(struct base_buffer *out, const struct sql_scope *scope)
{
    if (scope->outer)
        open_scopes(out, scope->outer);
    base_buffer_char(out, '(');
    if (scope->with)
        print_with(out, scope->with);
    print_text(out, "SELECT ");
}

void sql_print_in_scope(struct base_buffer *out, const struct sql_expr *column, const struct sql_scope *scope)
{
    open_scopes(out, scope);
    print_expr(out, column);
    for (; scope; scope = scope->outer) {
        if (scope->target || scope->from)
            print_text(out, " FROM ");
        if (scope->target)
            print_source(out, scope->target);
        if (scope->target && scope->from)
            print_text(out, ", ");
        if (scope->from)
            print_from(out, scope->from);
        base_buffer_char(out, ')');
    }
}

rhei_status sql_print(const struct sql_tree *tree, struct base_buffer *out, struct rhei_error *error)
{
    static const char *const explains[] = {"", "EXPLAIN ", "EXPLAIN QUERY PLAN ", "EXPLAIN ROUTE "};
    if (!tree->select && !tree->change && !tree->view)
        return error_set(error, RHEI_UNSUPPORTED, "a statement of kind %s has no tree to print",
                         sql_kind_name(tree->kind));
    print_text(out, explains[tree->explain]);
    if (tree->select)
        print_select(out, tree->select);
    else if (tree->change)
        print_change(out, tree);
    else
        print_view(out, tree->view);
    return out->failed ? error_no_memory(error) : RHEI_OK;
}
