/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SELECT: result columns, groups, order, limit and CTEs.
 *
 * Every result column has a label of its own (c1...), every flag of a MIXED column another (f1...) behind all columns, and the
 * keys of a tie check come last (k1...).
 *
 * Ties. Where the ORDER BY leaves the order of rows open, SQLite's is: of groups, that of the group keys; of one table's rows,
 * that of its scan; of anything else unknown. So the group keys, or the rowid, are appended; else the result is
 * checked for ties by the caller, or, where it can't be (a LIMIT inside), refused.
 */
#include <string.h>

#include "base/base_map.h"
#include "sql/sql_facts.h"
#include "translate/translate_query_parts.h"

enum { DEPTH_MAX = 60 };

/* One core while it is translated. */
struct core {
    struct translate_scope scope;
    const struct sql_core *tree;
    const struct sql_select *select; /* NULL for a part of a compound: no ORDER BY, no LIMIT */
    bool nested;
    struct translate_value *values; /* result columns */
    const char **names;
    const struct sql_expr **exprs; /* NULL for a column of a star */
    uint32_t count, capacity;
    bool windows;
    const char *from, *where, *having;
    bool open_order;              /* rows may tie */
    struct base_buffer order;     /* behind ORDER BY */
    struct translate_value *keys; /* of ORDER BY */
    uint32_t *key_columns;        /* result column of the key + 1, or 0 */
    uint32_t key_count;
    bool limited;
    int64_t limit, offset;
};

static void *make(struct translator *t, size_t count, size_t size)
{
    void *memory = sql_arena_alloc(t->arena, (count ? count : 1) * size);
    t->failed = t->failed || !memory;
    return memory;
}

/* ---- LIMIT ---- */

/* Of integers, with + - and *; false: something else, or more than 64 bits. */
static bool fold(struct translator *t, const struct sql_expr *expr, int64_t *result)
{
    int64_t left, right;
    if (expr->kind == SQL_EXPR_UNARY && (expr->op == SQL_OP_NEGATE || expr->op == SQL_OP_PLUS)) {
        if (!fold(t, expr->left, &left))
            return false;
        *result = left;
        return expr->op == SQL_OP_PLUS || !__builtin_sub_overflow(0, left, result);
    }
    if (expr->kind == SQL_EXPR_BINARY) {
        if (!fold(t, expr->left, &left) || !fold(t, expr->right, &right))
            return false;
        return expr->op == SQL_OP_ADD        ? !__builtin_add_overflow(left, right, result)
               : expr->op == SQL_OP_SUBTRACT ? !__builtin_sub_overflow(left, right, result)
               : expr->op == SQL_OP_MULTIPLY ? !__builtin_mul_overflow(left, right, result)
                                             : false;
    }
    struct translate_scope none = {0};
    if (expr->kind != SQL_EXPR_INTEGER && expr->kind != SQL_EXPR_PARAMETER)
        return false;
    struct translate_value value = translate_expression(t, &none, expr);
    *result = value.literal.as.integer;
    return value.constant && value.cls == TRANSLATE_CLASS_INTEGER;
}

static int64_t constant_count(struct translator *t, const struct sql_expr *expr)
{
    int64_t count;
    if (fold(t, expr, &count))
        return count;
    translate_refuse(t, expr->offset, "LIMIT or OFFSET", "only integers with + - and * are translated");
    return 0;
}

bool translate_query_read_limit(struct translator *t, const struct sql_select *select, int64_t *limit, int64_t *offset)
{
    *limit = -1;
    *offset = 0;
    if (!select->limit)
        return false;
    *limit = constant_count(t, select->limit);
    if (*limit < 0)
        *limit = -1;
    if (select->limit_offset) {
        *offset = constant_count(t, select->limit_offset);
        *offset = *offset < 0 ? 0 : *offset;
    }
    return *limit >= 0 || *offset > 0;
}

void translate_query_put_limit(struct translator *t, struct base_buffer *out, int64_t limit, int64_t offset, bool check)
{
    bool before = check && offset > 0;
    int64_t more = limit < INT64_MAX - 2 ? limit + check + before : limit;
    if (limit >= 0)
        translate_put(t, out, TRANSLATE_FORM_LIMIT, translate_format(t, "%lld", (long long)more), NULL);
    if (offset - before > 0)
        translate_put(t, out, TRANSLATE_FORM_OFFSET, translate_format(t, "%lld", (long long)(offset - before)), NULL);
}

void translate_query_note_tie_check(struct translator *t, uint32_t column, uint32_t count, int64_t limit,
                                    int64_t offset)
{
    t->out->key_column = column;
    t->out->key_count = count;
    t->out->row_limit = limit;
    t->out->row_skip = offset > 0;
}

/* ---- Result columns ---- */

static void add_column(struct translator *t, struct core *c, struct translate_value value, const char *name,
                       const struct sql_expr *expr)
{
    if (c->count == c->capacity) {
        uint32_t capacity = c->capacity ? c->capacity * 2 : 16;
        struct translate_value *values = make(t, capacity, sizeof *values);
        const char **names = make(t, capacity, sizeof *names);
        const struct sql_expr **exprs = make(t, capacity, sizeof *exprs);
        if (t->failed)
            return;
        if (c->count) {
            memcpy(values, c->values, c->count * sizeof *values);
            memcpy(names, c->names, c->count * sizeof *names);
            memcpy(exprs, c->exprs, c->count * sizeof *exprs);
        }
        c->values = values;
        c->names = names;
        c->exprs = exprs;
        c->capacity = capacity;
    }
    if (c->count >= TRANSLATE_COLUMNS_MAX)
        translate_refuse(t, value.offset, "number of columns", "the result has more than 2000");
    if (t->refused)
        return;
    c->values[c->count] = value;
    c->names[c->count] = name;
    c->exprs[c->count++] = expr;
}

static void expand_star(struct translator *t, struct core *c, const struct sql_expr *star)
{
    struct translate_scope *scope = &c->scope;
    bool any = false;
    for (uint32_t s = 0; s < scope->source_count; s++) {
        const char *source_name = scope->sources[s].name;
        if (star->table.text && (!source_name || base_fold_compare(source_name, star->table.text) != 0))
            continue;
        any = true;
        for (uint32_t f = 0; f < scope->sources[s].field_count; f++) {
            struct translate_field *field = &scope->sources[s].fields[f];
            if (field->hidden || (field->merged && !star->table.text))
                continue;
            if (!field->used)
                field->value.offset = star->offset;
            struct translate_value value = translate_field_value(t, &scope->sources[s], f);
            value.offset = star->offset;
            if (scope->aggregate)
                scope->bare++;
            add_column(t, c, value, field->name, NULL);
        }
    }
    if (!any)
        translate_refuse(t, star->offset, "*", "there is no table that it stands for");
}

static void translate_columns(struct translator *t, struct core *c)
{
    const struct sql_items *items = c->tree->columns;
    c->scope.phase = c->scope.aggregate ? TRANSLATE_PHASE_GROUPS : TRANSLATE_PHASE_ROWS;
    for (uint32_t i = 0; i < items->count && !t->refused; i++) {
        const struct sql_expr *expr = items->items[i].expr;
        if (expr->kind == SQL_EXPR_STAR) {
            expand_star(t, c, expr);
            continue;
        }
        c->scope.aliases = NULL; /* result columns don't see one another */
        struct translate_value value = translate_expression(t, &c->scope, expr);
        c->scope.aliases = items;
        const char *name = items->items[i].alias.text;
        if (!name && expr->kind == SQL_EXPR_COLUMN)
            name = expr->name.text;
        add_column(t, c, value, name, expr);
    }
}

static void check_distinct(struct translator *t, const struct core *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        struct translate_value value = c->values[i];
        if (value.cls == TRANSLATE_CLASS_TEXT && !translate_is_binary(value))
            translate_refuse(t, value.offset, "DISTINCT by a collation",
                             "which of equal texts is shown depends on their order");
        if (value.cls == TRANSLATE_CLASS_MIXED && !value.flag_of_value)
            translate_refuse(t, value.offset, "DISTINCT over integers and REALs",
                             "which of equal numbers is shown depends on their order");
        if (value.cls == TRANSLATE_CLASS_REAL && value.negative_zero)
            translate_refuse(t, value.offset, "DISTINCT over zeros of both signs",
                             "which is shown depends on their order");
    }
}

/* ---- GROUP BY ---- */

static const struct sql_expr *without_signs(const struct sql_expr *expr)
{
    while (expr->kind == SQL_EXPR_UNARY && (expr->op == SQL_OP_NEGATE || expr->op == SQL_OP_PLUS))
        expr = expr->left;
    return expr;
}

/* What SQLite's parser makes a number of, 0 or 1: whether a literal is NULL. */
static bool is_made_a_number(const struct sql_expr *expr)
{
    if (expr->kind != SQL_EXPR_IS_NULL && !(expr->kind == SQL_EXPR_IS && expr->right->kind == SQL_EXPR_NULL))
        return false;
    const struct sql_expr *asked = without_signs(expr->left);
    return (asked->kind >= SQL_EXPR_INTEGER && asked->kind <= SQL_EXPR_BLOB) || is_made_a_number(asked);
}

/* SQLite reads "- -2", likely(2) and "'x' NOTNULL" as positions, too. */
static void refuse_disguised_position(struct translator *t, const struct sql_expr *expr)
{
    const struct sql_expr *inner = without_signs(expr);
    bool likely = inner->kind == SQL_EXPR_CALL && (base_fold_compare(inner->name.text, "likely") == 0 ||
                                                   base_fold_compare(inner->name.text, "unlikely") == 0 ||
                                                   base_fold_compare(inner->name.text, "likelihood") == 0);
    if (likely || (inner != expr && inner->kind == SQL_EXPR_INTEGER) || is_made_a_number(inner))
        translate_refuse(t, expr->offset, "position", "only a plain number is translated as one");
}

static struct translate_value group_key(struct translator *t, struct core *c, const struct sql_expr *expr)
{
    refuse_disguised_position(t, expr);
    const struct sql_expr *meant = expr;
    const struct sql_items *columns = c->tree->columns;
    if (expr->kind == SQL_EXPR_INTEGER) {
        int64_t position = expr->value.integer;
        if (position < 1 || position > columns->count || columns->items[position - 1].expr->kind == SQL_EXPR_STAR) {
            translate_refuse(t, expr->offset, "GROUP BY position", "it isn't the number of a result column");
            return translate_value_null(t, expr->offset);
        }
        for (uint32_t i = 0; i < position; i++)
            if (columns->items[i].expr->kind == SQL_EXPR_STAR)
                translate_refuse(t, expr->offset, "GROUP BY position", "a * stands before it");
        meant = columns->items[position - 1].expr;
        c->scope.aliases = NULL;
    }
    struct translate_value key = translate_plain(t, translate_expression(t, &c->scope, meant));
    c->scope.aliases = columns;
    if (key.cls == TRANSLATE_CLASS_TEXT && !translate_is_binary(key))
        translate_refuse(t, key.offset, "GROUP BY by a collation",
                         "which of equal texts is shown depends on their order");
    if (key.cls == TRANSLATE_CLASS_MIXED && !key.flag_of_value)
        translate_refuse(t, key.offset, "GROUP BY over integers and REALs",
                         "which of equal numbers is shown depends on their order");
    if (key.cls == TRANSLATE_CLASS_REAL && key.negative_zero)
        translate_refuse(t, key.offset, "GROUP BY over zeros of both signs", "which is shown depends on their order");
    return key;
}

static void translate_groups(struct translator *t, struct core *c)
{
    const struct sql_items *group = c->tree->group_by;
    if (!group)
        return;
    struct translate_value *keys = make(t, group->count, sizeof *keys);
    for (uint32_t i = 0; i < group->count && !t->failed; i++)
        keys[i] = group_key(t, c, group->items[i].expr);
    c->scope.keys = keys;
    c->scope.key_count = t->failed ? 0 : group->count;
}

/* A column without values is NULL everywhere, but the result may name it. */
static bool key_is_fixed(const struct translator *t, const struct translate_value *key)
{
    return key->constant || translate_is_null_text(t, key->text);
}

/* A literal is no position for the column store; it groups everything together, as it does in SQLite. */
static void put_groups(struct translator *t, struct base_buffer *out, const struct core *c)
{
    struct base_buffer list = {0};
    for (uint32_t i = 0; i < c->scope.key_count; i++) {
        const struct translate_value *key = &c->scope.keys[i];
        bool fixed = key_is_fixed(t, key);
        if (!fixed || (i + 1 == c->scope.key_count && !list.len))
            translate_put_item(t, &list, fixed ? t->forms[TRANSLATE_FORM_NULL_INTEGER] : key->text);
    }
    if (list.len)
        translate_put(t, out, TRANSLATE_FORM_GROUP_BY, translate_keep(t, &list), NULL);
}

/* ---- ORDER BY ---- */

/* The result column that an ORDER BY term names: by position, or by an alias that stands alone. -1: none. */
static int64_t named_column(struct translator *t, const struct core *c, const struct sql_expr *expr)
{
    if (expr->kind == SQL_EXPR_INTEGER) {
        if (expr->value.integer < 1 || expr->value.integer > c->count)
            translate_refuse(t, expr->offset, "ORDER BY position", "it isn't the number of a result column");
        return expr->value.integer - 1;
    }
    if (expr->kind != SQL_EXPR_COLUMN || expr->table.text)
        return -1;
    const struct sql_items *items = c->tree->columns;
    for (uint32_t i = 0, column = 0; items && i < items->count; i++) {
        const struct sql_expr *item = items->items[i].expr;
        if (item->kind == SQL_EXPR_STAR)
            break; /* positions behind it aren't the items' */
        if (items->items[i].alias.text && base_fold_compare(items->items[i].alias.text, expr->name.text) == 0)
            return column;
        column++;
    }
    return -1;
}

static void order_term(struct translator *t, struct core *c, const struct sql_item *item)
{
    const struct sql_expr *expr = item->expr;
    struct translate_value value;
    bool collated = false;
    const char *collation = NULL;
    while (expr->kind == SQL_EXPR_COLLATE) { /* "alias COLLATE NOCASE" */
        if (!collated)
            collation = expr->name.text;
        collated = true;
        expr = expr->left;
    }
    refuse_disguised_position(t, expr);
    int64_t column = named_column(t, c, expr);
    if (t->refused)
        return;
    value = column >= 0 ? c->values[column] : translate_expression(t, &c->scope, expr);
    if (collated) {
        value.collation = collation;
        value.collation_written = true;
    }
    for (uint32_t i = 0; column < 0 && i < c->count; i++)
        if (strcmp(c->values[i].text, value.text) == 0)
            column = i;
    const char *key = translate_order_key(t, value);
    bool plain = strcmp(key, translate_plain(t, value).text) == 0;
    if (c->tree->distinct && (column < 0 || !plain))
        translate_refuse(t, item->expr->offset, "ORDER BY of SELECT DISTINCT", "it isn't a result column");
    if (value.constant || value.cls == TRANSLATE_CLASS_NULL)
        return;
    const char *by = column >= 0 && plain ? translate_format(t, "%lld", (long long)column + 1) : key;
    translate_put_item(t, &c->order, translate_ordered(t, by, item));
    value.text = key;
    BASE_INVARIANT(c->key_count < c->select->order->count);
    c->keys[c->key_count] = value;
    c->key_columns[c->key_count++] = column >= 0 && plain ? (uint32_t)column + 1 : 0;
}

static void order_by_groups(struct translator *t, struct core *c)
{
    const struct sql_items *order = c->select->order;
    bool paired = order && order->count == c->scope.key_count;
    for (uint32_t i = 0; i < c->scope.key_count; i++) {
        bool down = paired && order->items[i].sort == SQL_SORT_DESC;
        if (!key_is_fixed(t, &c->scope.keys[i]))
            translate_put_item(t, &c->order,
                               translate_emit(t, down ? TRANSLATE_FORM_DESC_NULLS_LAST : TRANSLATE_FORM_ASC_NULLS_FIRST,
                                              translate_sort_key(t, c->scope.keys[i]), NULL, NULL));
    }
}

bool translate_query_equal_is_same(const struct translate_value *value)
{
    return (value->cls != TRANSLATE_CLASS_TEXT || translate_is_binary(*value)) &&
           (value->cls != TRANSLATE_CLASS_MIXED || value->flag_of_value) && !value->negative_zero;
}

static bool order_covers_columns(const struct translator *t, const struct core *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        bool found = key_is_fixed(t, &c->values[i]);
        for (uint32_t k = 0; k < c->key_count && !found; k++)
            found = c->key_columns[k] == i + 1 && translate_query_equal_is_same(&c->values[i]);
        if (!found)
            return false;
    }
    return true;
}

/* Does ORDER BY hold every group key? Then nothing is open. */
static bool sorted_by_groups(const struct translator *t, const struct core *c)
{
    for (uint32_t g = 0; g < c->scope.key_count; g++) {
        bool found = key_is_fixed(t, &c->scope.keys[g]);
        for (uint32_t k = 0; k < c->key_count && !found; k++)
            found = strcmp(c->keys[k].text, c->scope.keys[g].text) == 0;
        if (!found)
            return false;
    }
    return true;
}

/* Makes the order total where it matters, in SQLite's way, or notes that it is open. */
static void settle_order(struct translator *t, struct core *c)
{
    struct translate_scope *scope = &c->scope;
    bool ordered = c->select->order != NULL, one_row = scope->aggregate && !scope->key_count;
    if (one_row || scope->source_count == 0 || (c->nested && !c->limited))
        return;
    if (c->tree->distinct) {
        c->open_order = (ordered || c->limited) && !order_covers_columns(t, c);
    } else if (scope->aggregate) {
        if (ordered && !sorted_by_groups(t, c) && c->nested)
            translate_refuse(t, c->tree->offset, "LIMIT in a subquery",
                             "which groups it keeps among equal ones depends on SQLite's plan");
        if (ordered && !sorted_by_groups(t, c)) {
            c->open_order = t->options->check_ties;
            t->out->assumes_group_sort = t->out->assumes_group_sort || !c->open_order;
        }
        order_by_groups(t, c);
        if (!ordered && c->limited && scope->source_count == 1) {
            translate_assume_scan(t, &scope->sources[0], c->tree->offset);
            t->out->assumes_group_sort = true; /* groups of the rowid come in its order */
        } else if (!ordered && c->limited) {
            c->open_order = true;
        }
    } else if ((ordered || c->limited) && !translate_rows_unique_by(scope, c->keys, c->key_count)) {
        struct translate_source_scope *source = &scope->sources[0];
        /* SQLite may merge a subquery that has a LIMIT alone with a query that has an ORDER BY, and so limit what is sorted. */
        bool merged = c->nested && !ordered;
        if (merged || scope->source_count > 1 || source->rowid < 0 || c->windows ||
            (ordered && t->options->check_ties)) {
            c->open_order = !ordered || !order_covers_columns(t, c);
            return;
        }
        translate_put_item(t, &c->order,
                           translate_emit(t, TRANSLATE_FORM_ASC,
                                          translate_field_value(t, source, (uint32_t)source->rowid).text, NULL, NULL));
        translate_assume_scan(t, source, c->tree->offset);
    }
}

static void translate_order(struct translator *t, struct core *c)
{
    const struct sql_items *order = c->select->order;
    c->limited = translate_query_read_limit(t, c->select, &c->limit, &c->offset);
    c->keys = make(t, order ? order->count : 0, sizeof *c->keys);
    c->key_columns = make(t, order ? order->count : 0, sizeof *c->key_columns);
    for (uint32_t i = 0; order && i < order->count && !t->failed && !t->refused; i++)
        order_term(t, c, &order->items[i]);
    if (t->failed || t->refused)
        return;
    settle_order(t, c);
    if (c->open_order && (c->nested || !c->key_count))
        translate_refuse(t, c->tree->offset, c->key_count ? "LIMIT of rows that may tie" : "LIMIT without ORDER BY",
                         "which rows it keeps depends on SQLite's plan");
}

/* ---- Putting a core together ---- */

static const char *column_text(struct translator *t, struct translate_value value)
{
    value = translate_plain(t, value);
    return value.cls == TRANSLATE_CLASS_NULL && translate_is_null_text(t, value.text)
               ? t->forms[TRANSLATE_FORM_NULL_INTEGER]
               : value.text;
}

static void put_columns(struct translator *t, struct base_buffer *out, const struct core *c,
                        struct translate_query *query)
{
    for (uint32_t i = 0; i < c->count; i++) {
        const char *label = translate_label(t, 'c');
        translate_put_item(t, out, translate_emit(t, TRANSLATE_FORM_AS, column_text(t, c->values[i]), label, NULL));
        query->columns[i] = translate_plain(t, c->values[i]);
        query->columns[i].text = label;
        query->columns[i].constant = false;
        query->columns[i].collation_written = false;
    }
    query->result_columns = c->count;
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->values[i].cls != TRANSLATE_CLASS_MIXED)
            continue;
        const char *label = translate_label(t, 'f');
        translate_put_item(t, out, translate_emit(t, TRANSLATE_FORM_AS, c->values[i].flag, label, NULL));
        query->columns[i].flag = label;
        query->result_columns++;
    }
}

static void put_tie_keys(struct translator *t, struct base_buffer *out, const struct core *c,
                         struct translate_query *query)
{
    if (!c->open_order)
        return;
    BASE_INVARIANT(!c->nested && c->key_count > 0); /* 7: somebody looks at the ties */
    translate_query_note_tie_check(t, query->result_columns, c->key_count, c->limit, c->offset);
    for (uint32_t i = 0; i < c->key_count; i++)
        translate_put_item(t, out,
                           translate_emit(t, TRANSLATE_FORM_AS, c->keys[i].text, translate_label(t, 'k'), NULL));
    query->result_columns += c->key_count;
}

static struct translate_query put_core(struct translator *t, struct core *c)
{
    struct translate_query query = {.count = c->count, .names = c->names};
    query.columns = make(t, c->count, sizeof *query.columns);
    struct base_buffer out = {0}, columns = {0};
    if (t->failed || t->refused) {
        base_buffer_reset(&c->order);
        query.count = 0;
        query.text = t->forms[TRANSLATE_FORM_NULL];
        return query;
    }
    put_columns(t, &columns, c, &query);
    put_tie_keys(t, &columns, c, &query);
    BASE_INVARIANT(c->count <= c->capacity && query.count + c->key_count * c->open_order <= query.result_columns);
    t->failed = t->failed || columns.failed;
    translate_put(t, &out, c->tree->distinct ? TRANSLATE_FORM_SELECT_DISTINCT : TRANSLATE_FORM_SELECT, columns.data,
                  NULL);
    base_buffer_reset(&columns);
    if (c->from)
        translate_put(t, &out, TRANSLATE_FORM_FROM, c->from, NULL);
    if (c->where)
        translate_put(t, &out, TRANSLATE_FORM_WHERE, c->where, NULL);
    put_groups(t, &out, c);
    if (c->having)
        translate_put(t, &out, TRANSLATE_FORM_HAVING, c->having, NULL);
    if (c->order.len)
        translate_put(t, &out, TRANSLATE_FORM_ORDER_BY, c->order.data, NULL);
    if (c->select)
        translate_query_put_limit(t, &out, c->limit, c->offset, c->open_order);
    t->failed = t->failed || c->order.failed;
    base_buffer_reset(&c->order);
    query.unique_first = (c->scope.aggregate && !c->scope.key_count) || c->scope.source_count == 0;
    query.text = translate_keep(t, &out);
    return query;
}

/* Is a result column an aggregate's call, and in the text? What is NULL anyway leaves it, also inside another call. */
static bool shows_aggregate(const struct core *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        const struct sql_expr *expr = c->exprs[i];
        if (!expr || expr->kind != SQL_EXPR_CALL || expr->call->over || c->values[i].cls == TRANSLATE_CLASS_NULL)
            continue;
        const struct sql_items *arguments = expr->call->arguments;
        if (sql_is_aggregate(expr->name.text, arguments ? arguments->count : 0))
            return true;
    }
    return false;
}

static bool items_have(const struct sql_items *items, bool (*has)(const struct sql_expr *))
{
    for (uint32_t i = 0; items && i < items->count; i++)
        if (has(items->items[i].expr))
            return true;
    return false;
}

static void find_phases(struct core *c)
{
    const struct sql_items *order = c->select ? c->select->order : NULL;
    c->scope.aggregate = c->tree->group_by || items_have(c->tree->columns, translate_has_aggregate) ||
                         items_have(order, translate_has_aggregate) ||
                         (c->tree->having && translate_has_aggregate(c->tree->having));
    c->windows = items_have(c->tree->columns, translate_has_window) || items_have(order, translate_has_window);
}

struct translate_query translate_query_select_core(struct translator *t, struct translate_scope *outer,
                                                   const struct sql_core *tree, const struct sql_select *select,
                                                   bool nested)
{
    struct core c = {.tree = tree, .select = select, .nested = nested, .limit = -1};
    c.scope.outer = outer;
    c.scope.core = tree;
    c.scope.outermost = !nested && select && t->depth == 1;
    c.scope.prunable = nested || !select || select->limit || tree->having;
    find_phases(&c);
    bool elsewhere = tree->group_by || items_have(tree->columns, translate_has_aggregate) || tree->having;
    if (nested && c.scope.aggregate &&
        !elsewhere) /* SQLite may drop the ORDER BY of a subquery, and the aggregate with it */
        translate_refuse(t, tree->offset, "aggregate in ORDER BY alone", "SQLite may leave such an ORDER BY out");
    bool in_condition = t->in_condition;
    t->in_condition = false;
    if (tree->from)
        c.from = translate_from_text(t, &c.scope, tree->from);
    c.scope.aliases = tree->columns;
    bool may_hold = t->options->hold && t->depth == 1 && select && !nested;
    t->in_condition = may_hold;
    if (tree->where) {
        c.where = translate_condition(t, translate_expression(t, &c.scope, tree->where));
        const char *implied = translate_implied(t, &c.scope, tree->where);
        if (implied)
            c.where = translate_emit(t, TRANSLATE_FORM_AND, c.where, implied, NULL);
        translate_note_ranges(t, &c.scope, tree->where);
    }
    t->in_condition = false;
    translate_groups(t, &c);
    translate_columns(t, &c);
    t->in_condition = may_hold;
    if (tree->having)
        c.having = translate_condition(t, translate_expression(t, &c.scope, tree->having));
    t->in_condition = false;
    if (c.scope.aggregate && !c.scope.key_count && !shows_aggregate(&c))
        c.having = c.having ? translate_emit(t, TRANSLATE_FORM_AND, c.having, t->forms[TRANSLATE_FORM_ANY_GROUP], NULL)
                            : t->forms[TRANSLATE_FORM_ANY_GROUP];
    if (tree->distinct)
        check_distinct(t, &c);
    if (select && !t->refused)
        translate_order(t, &c);
    if (c.scope.guard)
        c.having = translate_emit(t, TRANSLATE_FORM_UNLESS_OVERFLOW, c.scope.guard,
                                  c.having ? c.having : t->forms[TRANSLATE_FORM_TRUE], NULL);
    if (c.scope.bare)
        translate_refuse(t, tree->offset, "bare column of an aggregate query",
                         "SQLite takes it from any row of the group");
    t->in_condition = in_condition;
    return put_core(t, &c);
}

/* ---- WITH ---- */

static const char *cte_text(struct translator *t, struct translate_cte_scope *scope)
{
    static const enum translate_form forms[] = {TRANSLATE_FORM_CTE, TRANSLATE_FORM_CTE_MATERIALIZED,
                                                TRANSLATE_FORM_CTE_NOT_MATERIALIZED};
    const struct sql_cte *cte = scope->cte;
    struct translate_query query = translate_query_text(t, NULL, cte->select, true);
    if (cte->columns && cte->columns->count != query.count)
        translate_refuse(t, cte->name.offset, "column list",
                         "it names another number of columns than the SELECT gives");
    for (uint32_t i = 0; cte->columns && i < cte->columns->count && !t->refused; i++)
        query.names[i] = cte->columns->items[i].text;
    scope->columns = query.columns;
    scope->names = query.names;
    scope->count = t->refused ? 0 : query.count;
    scope->done = true;
    return translate_emit(t, forms[cte->materialized], scope->label, query.text, NULL);
}

static const char *with_text(struct translator *t, const struct sql_with *with)
{
    struct base_buffer out = {0};
    struct translate_cte_scope *outer = t->ctes;
    for (const struct sql_cte *cte = with->ctes; cte; cte = cte->next) {
        struct translate_cte_scope *scope = make(t, 1, sizeof *scope);
        if (t->failed)
            return "";
        *scope = (struct translate_cte_scope){.cte = cte, .label = translate_label(t, 'w'), .outer = t->ctes};
        t->ctes = scope;
    }
    /* From the first to the last: the list runs the other way. */
    for (const struct sql_cte *cte = with->ctes; cte && !t->refused; cte = cte->next) {
        struct translate_cte_scope *scope = t->ctes;
        while (scope != outer && scope->cte != cte)
            scope = scope->outer;
        translate_put_item(t, &out, cte_text(t, scope));
    }
    return translate_keep(t, &out);
}

struct translate_query translate_query_here(struct translator *t, struct translate_scope *outer,
                                            const struct sql_select *select, bool nested)
{
    struct translate_query query = {.text = t->forms[TRANSLATE_FORM_NULL]};
    struct translate_cte_scope *ctes = t->ctes;
    const char *with = NULL;
    if (++t->depth > DEPTH_MAX)
        translate_refuse(t, select->offset, "nested SELECTs", "they are nested deeper than 60 levels");
    if (select->with && !t->refused) {
        t->cut += t->depth > 1;
        with = with_text(t, select->with);
        t->cut -= t->depth > 1;
    }
    if (!t->refused && !t->failed)
        query = select->cores->next ? translate_query_compound(t, outer, select, nested)
                                    : translate_query_one_core(t, outer, select->cores, select, nested);
    if (with)
        query.text = translate_emit(t, TRANSLATE_FORM_WITH, with, query.text, NULL);
    BASE_INVARIANT(query.text && t->depth > 0);
    t->ctes = ctes;
    t->depth--;
    return query;
}
