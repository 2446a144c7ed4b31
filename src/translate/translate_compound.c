/* SPDX-License-Identifier: Apache-2.0 */
/* VALUES and compounds: several SELECTs in one representation. */
#include <string.h>

#include "base/base_map.h"
#include "translate/translate_query_parts.h"

static void *make(struct translator *t, size_t count, size_t size)
{
    void *memory = sql_arena_alloc(t->arena, (count ? count : 1) * size);
    t->failed = t->failed || !memory;
    return memory;
}

static void put_flags(struct translator *t, struct base_buffer *out, const struct translate_value *values,
                      const struct translate_value *columns, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (columns[i].cls == TRANSLATE_CLASS_MIXED)
            translate_put_item(t, out, translate_flag(t, values[i]));
}

/* Labels for common columns: "c1, c2, f3". */
static const char *label_columns(struct translator *t, struct translate_query *query)
{
    struct base_buffer out = {0};
    for (uint32_t i = 0; i < query->count; i++) {
        query->columns[i].text = translate_label(t, 'c');
        translate_put_item(t, &out, query->columns[i].text);
    }
    BASE_INVARIANT(query->count > 0 || t->refused || t->failed);
    query->result_columns = query->count;
    for (uint32_t i = 0; i < query->count; i++)
        if (query->columns[i].cls == TRANSLATE_CLASS_MIXED) {
            query->columns[i].flag = translate_label(t, 'f');
            translate_put_item(t, &out, query->columns[i].flag);
            query->result_columns++;
        }
    return translate_keep(t, &out);
}

static const char *typed(struct translator *t, struct translate_value value, struct translate_value common)
{
    const char *text = translate_convert(t, value, common);
    if (!translate_is_null_text(t, text))
        return text;
    static const enum translate_form casts[] = {
        [TRANSLATE_CLASS_NULL] = TRANSLATE_FORM_INTEGER,   [TRANSLATE_CLASS_INTEGER] = TRANSLATE_FORM_INTEGER,
        [TRANSLATE_CLASS_REAL] = TRANSLATE_FORM_REAL,      [TRANSLATE_CLASS_MIXED] = TRANSLATE_FORM_REAL,
        [TRANSLATE_CLASS_TEXT] = TRANSLATE_FORM_TEXT,      [TRANSLATE_CLASS_BLOB] = TRANSLATE_FORM_BLOB,
        [TRANSLATE_CLASS_BOOLEAN] = TRANSLATE_FORM_INTEGER};
    return translate_emit(t, casts[common.cls], t->forms[TRANSLATE_FORM_NULL], NULL, NULL);
}

static struct translate_query values_core(struct translator *t, struct translate_scope *outer,
                                          const struct sql_core *tree)
{
    struct translate_scope scope = {.outer = outer};
    struct translate_query query = {.count = tree->rows[0]->count, .text = t->forms[TRANSLATE_FORM_NULL]};
    struct translate_value *cells = make(t, (size_t)query.count * tree->row_count, sizeof *cells);
    query.columns = make(t, query.count, sizeof *query.columns);
    query.names = make(t, query.count, sizeof *query.names);
    if (query.count > TRANSLATE_COLUMNS_MAX)
        translate_refuse(t, tree->offset, "number of columns", "the result has more than 2000");
    if (t->failed || t->refused)
        return query;
    for (uint32_t r = 0; r < tree->row_count; r++)
        for (uint32_t i = 0; i < query.count; i++) {
            if (tree->rows[r]->count != query.count) {
                translate_refuse(t, tree->offset, "VALUES", "its rows are of different lengths");
                return query;
            }
            struct translate_value *cell = &cells[(size_t)r * query.count + i];
            *cell = translate_plain(t, translate_expression(t, &scope, tree->rows[r]->items[i].expr));
            query.columns[i] = r ? translate_unify(t, query.columns[i], *cell, "VALUES") : *cell;
        }
    for (uint32_t i = 0; i < query.count; i++) {
        query.names[i] = translate_format(t, "column%u", i + 1);
        query.columns[i].affinity = TRANSLATE_AFFINITY_NONE;
        query.columns[i].constant = false;
    }
    struct base_buffer out = {0};
    const char *labels = label_columns(t, &query);

    for (uint32_t r = 0; r < tree->row_count && !t->refused; r++) {
        const struct translate_value *row = &cells[(size_t)r * query.count];
        struct base_buffer list = {0};
        for (uint32_t i = 0; i < query.count; i++)
            translate_put_item(t, &list, typed(t, row[i], query.columns[i]));
        put_flags(t, &list, row, query.columns, query.count);
        translate_put_item(t, &out, translate_emit(t, TRANSLATE_FORM_BRACKET, list.data, NULL, NULL));
        t->failed = t->failed || list.failed;
        base_buffer_reset(&list);
    }
    query.unique_first = tree->row_count == 1;
    query.text = translate_emit(t, TRANSLATE_FORM_VALUES, translate_keep(t, &out), translate_label(t, 'v'), labels);
    return query;
}

struct translate_query translate_query_one_core(struct translator *t, struct translate_scope *outer,
                                                const struct sql_core *tree, const struct sql_select *select,
                                                bool nested)
{
    if (!tree->is_values)
        return translate_query_select_core(t, outer, tree, select, nested);
    if (select && (select->order || select->limit))
        translate_refuse(t, tree->offset, "VALUES with ORDER BY or LIMIT", "it isn't translated");
    return values_core(t, outer, tree);
}

/* A part in the common representation of all parts. */
static const char *part_text(struct translator *t, const struct translate_query *part,
                             const struct translate_query *whole)
{
    bool same = true;
    for (uint32_t i = 0; i < part->count; i++)
        same = same && (part->columns[i].cls == whole->columns[i].cls);
    if (same)
        return part->text;
    struct base_buffer out = {0};

    for (uint32_t i = 0; i < part->count; i++) {
        struct translate_value value = part->columns[i];
        if (value.cls == TRANSLATE_CLASS_NULL)
            value.text = t->forms[TRANSLATE_FORM_NULL];
        /* some engines don't take two columns of one text */
        translate_put_item(
            t, &out,
            translate_emit(t, TRANSLATE_FORM_AS, typed(t, value, whole->columns[i]), translate_label(t, 'c'), NULL));
    }
    for (uint32_t i = 0; i < part->count; i++)
        if (whole->columns[i].cls == TRANSLATE_CLASS_MIXED)
            translate_put_item(t, &out,
                               translate_emit(t, TRANSLATE_FORM_AS, translate_flag(t, part->columns[i]),
                                              translate_label(t, 'f'), NULL));
    return translate_emit(t, TRANSLATE_FORM_SELECT_OF, translate_keep(t, &out), part->text, translate_label(t, 'q'));
}

static void check_set(struct translator *t, const struct translate_query *whole, uint32_t offset)
{
    for (uint32_t i = 0; i < whole->count; i++) {
        struct translate_value value = whole->columns[i];
        if (value.cls == TRANSLATE_CLASS_TEXT && !translate_is_binary(value))
            translate_refuse(t, offset, "UNION by a collation", "which of equal texts is shown depends on their order");
        if (value.cls == TRANSLATE_CLASS_MIXED)
            translate_refuse(t, offset, "UNION over integers and REALs",
                             "which of equal numbers is shown depends on their order");
        if (value.cls == TRANSLATE_CLASS_REAL && value.negative_zero)
            translate_refuse(t, offset, "UNION over zeros of both signs", "which is shown depends on their order");
    }
}

/*
 * A compound inside FROM is kept in a table of SQLite's own, whose columns have an affinity from one of the parts: it may turn
 * the other parts' values into another class. A part of NULLs alone has nothing to turn.
 */
static void check_kept(struct translator *t, struct translate_value a, struct translate_value b)
{
    if (a.cls == TRANSLATE_CLASS_NULL || b.cls == TRANSLATE_CLASS_NULL)
        return;
    if (a.cls != b.cls && a.affinity != b.affinity)
        translate_refuse(t, b.offset, "compound SELECT inside FROM",
                         "an affinity of one part converts values of another");
}

static void merge_columns(struct translator *t, struct translate_query *whole, const struct translate_query *part,
                          bool nested)
{
    for (uint32_t i = 0; i < whole->count && !t->refused; i++) {
        struct translate_value a = whole->columns[i], b = part->columns[i];
        if (nested)
            check_kept(t, a, b);
        struct translate_value common = translate_unify(t, a, b, "compound SELECT");
        common.affinity = a.affinity == b.affinity ? a.affinity : TRANSLATE_AFFINITY_UNKNOWN;
        common.collation = a.collation ? a.collation : b.collation;
        if (a.collation && b.collation && base_fold_compare(a.collation, b.collation) != 0)
            translate_refuse(t, b.offset, "compound SELECT", "its parts have different collations");
        whole->columns[i] = common;
    }
}

/* The parts' common columns, then "((A) UNION (B)) EXCEPT (C)". */
static struct translate_query join_parts(struct translator *t, const struct sql_select *select,
                                         const struct translate_query *parts, bool nested)
{
    static const enum translate_form forms[] = {[SQL_COMPOUND_UNION] = TRANSLATE_FORM_UNION,
                                                [SQL_COMPOUND_UNION_ALL] = TRANSLATE_FORM_UNION_ALL,
                                                [SQL_COMPOUND_INTERSECT] = TRANSLATE_FORM_INTERSECT,
                                                [SQL_COMPOUND_EXCEPT] = TRANSLATE_FORM_EXCEPT};
    struct translate_query whole = parts[0];
    whole.columns = make(t, whole.count, sizeof *whole.columns);
    if (t->failed || t->refused)
        return whole;
    memcpy(whole.columns, parts[0].columns, whole.count * sizeof *whole.columns);
    uint32_t n = 1;
    for (const struct sql_core *core = select->cores->next; core; core = core->next, n++) {
        if (parts[n].count != whole.count) {
            translate_refuse(t, core->offset, "compound SELECT", "its parts have different numbers of columns");
            return whole;
        }
        merge_columns(t, &whole, &parts[n], nested);
    }
    for (const struct sql_core *core = select->cores->next; core; core = core->next)
        if (core->compound != SQL_COMPOUND_UNION_ALL)
            check_set(t, &whole, core->offset);
    const char *text = part_text(t, &parts[0], &whole);
    n = 1;
    for (const struct sql_core *core = select->cores->next; core; core = core->next, n++)
        text = translate_emit(t, forms[core->compound], text, part_text(t, &parts[n], &whole), NULL);
    const char *labels = label_columns(t, &whole);
    whole.text = translate_emit(t, TRANSLATE_FORM_SELECT_RENAMED, text, translate_label(t, 'q'), labels);
    whole.unique_first = false;
    return whole;
}

static int64_t compound_column(const struct translate_query *query, const struct sql_expr *expr)
{
    if (expr->kind == SQL_EXPR_INTEGER && expr->value.integer >= 1 && expr->value.integer <= query->count)
        return expr->value.integer - 1;
    for (uint32_t i = 0; expr->kind == SQL_EXPR_COLUMN && !expr->table.text && i < query->count; i++)
        if (query->names[i] && base_fold_compare(query->names[i], expr->name.text) == 0)
            return i;
    return -1;
}

static void order_compound(struct translator *t, const struct sql_select *select, struct translate_query *query,
                           bool nested)
{
    int64_t limit, offset;
    bool limited = translate_query_read_limit(t, select, &limit, &offset), used[TRANSLATE_COLUMNS_MAX] = {false};
    struct base_buffer order = {0}, keys = {0}, out = {0};
    uint32_t distinct_keys = 0;
    if (!select->order && !limited)
        return;
    for (uint32_t i = 0; select->order && i < select->order->count; i++) {
        const struct sql_item *item = &select->order->items[i];
        int64_t column = compound_column(query, item->expr);
        BASE_INVARIANT(column < TRANSLATE_COLUMNS_MAX);
        if (column < 0 || t->refused) {
            translate_refuse(t, item->expr->offset, "ORDER BY of a compound SELECT",
                             "only a result column is translated");
            break;
        }
        struct translate_value value = query->columns[column];
        translate_put_item(t, &order, translate_ordered(t, translate_order_key(t, value), item));
        base_buffer_text(&keys, t->forms[TRANSLATE_FORM_COMMA]);
        translate_put(t, &keys, TRANSLATE_FORM_AS, translate_order_key(t, value), translate_label(t, 'k'));
        distinct_keys += !used[column] && translate_query_equal_is_same(&value);
        used[column] = true;
    }
    bool open = distinct_keys < query->count;
    if (open && (nested ? limited : !select->order))
        translate_refuse(t, select->offset, select->order ? "LIMIT of rows that may tie" : "LIMIT without ORDER BY",
                         "which rows it keeps depends on SQLite's plan");
    bool check = open && !nested && select->order;
    base_buffer_text(&out, translate_emit(t, TRANSLATE_FORM_SELECT_ALL, check ? keys.data : NULL, query->text,
                                          translate_label(t, 'q')));
    if (order.len)
        translate_put(t, &out, TRANSLATE_FORM_ORDER_BY, order.data, NULL);
    translate_query_put_limit(t, &out, limit, offset, check);
    if (check) {
        translate_query_note_tie_check(t, query->result_columns, select->order->count, limit, offset);
        query->result_columns += select->order->count;
    }
    base_buffer_reset(&order);
    base_buffer_reset(&keys);
    query->text = translate_keep(t, &out);
}

struct translate_query translate_query_compound(struct translator *t, struct translate_scope *outer,
                                                const struct sql_select *select, bool nested)
{
    uint32_t count = 0;
    for (const struct sql_core *core = select->cores; core; core = core->next)
        count++;
    struct translate_query *parts = make(t, count, sizeof *parts);
    struct translate_query whole = {.text = t->forms[TRANSLATE_FORM_NULL]};
    uint32_t n = 0;
    if (t->failed)
        return whole;
    for (const struct sql_core *core = select->cores; core; core = core->next)
        parts[n++] = translate_query_one_core(t, outer, core, NULL, true);
    whole = join_parts(t, select, parts, nested);
    if (!t->refused && !t->failed)
        order_compound(t, select, &whole, nested);
    return whole;
}
