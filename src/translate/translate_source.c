/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FROM. Every source gets a label of its own (s1, s2...) and every column is written with it, so no alias of the user's can
 * be mistaken for another thing. A comma is a CROSS JOIN: in a column store it may bind less than JOIN, in SQLite it doesn't.
 */
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "translate/translate_internal.h"

enum { VIEW_DEPTH = 50 };

static bool same_name(const char *a, const char *b)
{
    return a && b && base_fold_compare(a, b) == 0;
}

static struct translate_source_scope *add_source(struct translator *t, struct translate_scope *scope)
{
    if (!sql_arena_grow(t->arena, (void **)&scope->sources, scope->source_count, &scope->source_capacity,
                        sizeof *scope->sources)) {
        t->failed = true;
        return NULL;
    }
    struct translate_source_scope *source = &scope->sources[scope->source_count++];
    *source = (struct translate_source_scope){.label = translate_label(t, 's'), .scan = -1, .rowid = -1};
    return source;
}

static struct translate_field *make_fields(struct translator *t, struct translate_source_scope *source, uint32_t count)
{
    source->fields = sql_arena_alloc(t->arena, (count ? count : 1) * sizeof *source->fields);
    source->field_count = source->fields ? count : 0;
    t->failed = t->failed || !source->fields;
    return source->fields;
}

/* ---- Tables ---- */

static int32_t add_scan(struct translator *t, const struct translate_table *table)
{
    uint32_t number = t->out->scan_count;
    if (!sql_arena_grow(t->arena, (void **)&t->scans, number, &t->scan_capacity, sizeof *t->scans)) {
        t->failed = true;
        return -1;
    }
    struct translate_scan_column *columns =
        sql_arena_alloc(t->arena, (table->column_count ? table->column_count : 1) * sizeof *columns);
    t->failed = t->failed || !columns;
    BASE_INVARIANT(number < t->scan_capacity && table->mirrored);
    t->scans[number] = (struct translate_scan){table->id, table->name, columns, 0};
    t->out->scan_count++;
    return (int32_t)number;
}

static void add_unique(struct translate_source_scope *source, uint64_t set)
{
    if (source->unique_count < sizeof source->unique_sets / sizeof source->unique_sets[0])
        source->unique_sets[source->unique_count++] = set;
}

static void add_table_keys(struct translate_source_scope *source, const struct translate_table *table)
{
    if (source->rowid >= 0 && source->rowid < 64)
        add_unique(source, (uint64_t)1 << source->rowid);
    for (uint32_t k = 0; k < table->key_count; k++) {
        const struct translate_unique_key *key = &table->keys[k];
        uint64_t set = 0;
        bool usable = key->column_count > 0;
        for (uint32_t i = 0; i < key->column_count; i++) {
            uint32_t column = key->columns[i];
            usable = usable && column < 64 && column < table->column_count &&
                     !(table->columns[column].flags & TRANSLATE_HAS_NULL);
            if (usable)
                set |= (uint64_t)1 << column;
        }
        if (usable)
            add_unique(source, set);
    }
}

static const char *table_text(struct translator *t, struct translate_source_scope *source,
                              const struct translate_table *table, uint32_t offset)
{
    if (!table->mirrored) {
        translate_refuse(t, offset, "table that isn't mirrored",
                         table->refusal_reason ? table->refusal_reason : "it is not mirrored");
        return t->forms[TRANSLATE_FORM_NULL];
    }
    source->table = table;
    source->scan = add_scan(t, table);
    struct translate_field *fields = make_fields(t, source, table->column_count);
    for (uint32_t i = 0; i < source->field_count; i++) {
        const struct translate_column *column = &table->columns[i];
        fields[i].name = column->name;
        fields[i].column = (int32_t)i;
        fields[i].hidden = column->hidden || column->is_rowid;
        fields[i].absent = column->absent;
        if (column->is_rowid_alias || column->is_rowid)
            source->rowid = (int32_t)i;
    }
    add_table_keys(source, table);
    return translate_emit(t, TRANSLATE_FORM_SCAN, translate_format(t, "%u", table->id),
                          translate_format(t, "%d", source->scan), source->label);
}

/* ---- Subqueries, CTEs and views ---- */

/* The columns of a translated SELECT as fields; SQLite renames a second column of the same name. */
static void query_fields(struct translator *t, struct translate_source_scope *source,
                         const struct translate_value *columns, const char *const *names, uint32_t count)
{
    struct translate_field *fields = make_fields(t, source, count);
    for (uint32_t i = 0; i < source->field_count; i++) {
        BASE_INVARIANT(t->refused || t->failed || columns[i].text);
        bool repeated = false;
        for (uint32_t j = 0; j < i && !repeated; j++)
            repeated = same_name(fields[j].name, names[i]);
        fields[i].name = repeated ? NULL : names[i];
        fields[i].column = -1;
        fields[i].value = columns[i];
        fields[i].value.text = translate_emit(t, TRANSLATE_FORM_QUALIFIED, source->label, columns[i].text, NULL);
        if (columns[i].flag)
            fields[i].value.flag = translate_emit(t, TRANSLATE_FORM_QUALIFIED, source->label, columns[i].flag, NULL);
        if (!columns[i].collation)
            fields[i].value.collation = "BINARY";
        fields[i].value.collation_written = false;
    }
}

static const char *query_source(struct translator *t, struct translate_source_scope *source,
                                struct translate_query query)
{
    query_fields(t, source, query.columns, query.names, query.count);
    if (query.unique_first)
        add_unique(source, 0);
    return translate_emit(t, TRANSLATE_FORM_SUBQUERY_AS, query.text, source->label, NULL);
}

static void rename_columns(struct translator *t, struct translate_query *query, const struct sql_names *names,
                           uint32_t offset)
{
    if (!names)
        return;
    BASE_INVARIANT(names->count <= names->capacity);
    if (names->count != query->count) {
        translate_refuse(t, offset, "column list", "it names another number of columns than the SELECT gives");
        return;
    }
    for (uint32_t i = 0; i < names->count; i++)
        query->names[i] = names->items[i].text;
}

static struct sql_tree *parse_view(struct translator *t, const char *text)
{
    struct sql_tree *tree = NULL;
    if (!sql_arena_grow(t->arena, (void **)&t->view_trees, t->view_count, &t->view_capacity, sizeof *t->view_trees)) {
        t->failed = true;
        return NULL;
    }
    if (sql_parse(text, strlen(text), &tree, NULL) != RHEI_OK)
        return NULL;
    t->view_trees[t->view_count++] = tree;
    return tree->kind == SQL_KIND_CREATE_VIEW && tree->view ? tree : NULL;
}

static const char *view_text(struct translator *t, struct translate_source_scope *source, const char *text,
                             const struct sql_source *from)
{
    struct sql_tree *tree = t->view_depth < VIEW_DEPTH ? parse_view(t, text) : NULL;
    if (!tree) {
        translate_refuse(t, from->offset, "view", "its text could not be read");
        return t->forms[TRANSLATE_FORM_NULL];
    }
    struct translate_cte_scope *ctes = t->ctes;
    const char *outer_view = t->view;
    t->ctes = NULL;
    t->view = sql_arena_text(t->arena, from->name.text, from->name.length);
    t->view_depth++;
    t->cut++;
    struct translate_query query = translate_query_text(t, NULL, tree->view->select, true);
    rename_columns(t, &query, tree->view->columns, 0);
    /* The names go with the tree, the refusal may outlive it. */
    for (uint32_t i = 0; i < query.count && !t->refused; i++)
        if (query.names[i])
            query.names[i] = sql_arena_text(t->arena, query.names[i], strlen(query.names[i]));
    t->view_depth--;
    t->cut--;
    t->view = outer_view;
    t->ctes = ctes;
    return query_source(t, source, query);
}

static struct translate_cte_scope *find_cte(struct translator *t, const struct sql_source *from)
{
    if (from->schema.text)
        return NULL;
    for (struct translate_cte_scope *cte = t->ctes; cte; cte = cte->outer)
        if (same_name(cte->cte->name.text, from->name.text))
            return cte;
    return NULL;
}

static const char *named_source(struct translator *t, struct translate_source_scope *source,
                                const struct sql_source *from)
{
    struct translate_cte_scope *cte = find_cte(t, from);
    if (cte) {
        if (!cte->done)
            translate_refuse(t, from->offset, "recursive CTE", "a CTE that names itself or a later one");
        query_fields(t, source, cte->columns, cte->names, cte->count);
        return translate_emit(t, TRANSLATE_FORM_AS, cte->label, source->label, NULL);
    }
    const struct translate_table *table =
        t->catalog->table ? t->catalog->table(t->catalog->context, from->schema.text, from->name.text) : NULL;
    if (table)
        return table_text(t, source, table, from->offset);
    const char *view =
        t->catalog->view ? t->catalog->view(t->catalog->context, from->schema.text, from->name.text) : NULL;
    if (view)
        return view_text(t, source, view, from);
    translate_refuse(t, from->offset, "table that isn't mirrored", "no mirrored table or view has that name");
    return t->forms[TRANSLATE_FORM_NULL];
}

/* ---- Joins ---- */

static const char *from_range(struct translator *t, struct translate_scope *scope, const struct sql_from *from);

/* What stands alone in brackets, also in several; NULL: a join of several. */
static const struct sql_source *only_source(const struct sql_source *from)
{
    while (from->kind == SQL_SOURCE_GROUP && from->group->count == 1)
        from = &from->group->items[0];
    return from->kind == SQL_SOURCE_GROUP ? NULL : from;
}

/*
 * By SQLite's rules a source alone in brackets is that source: its alias within them is forgotten where one stands behind
 * them, or another source before them.
 */
static const char *group_text(struct translator *t, struct translate_scope *scope, const struct sql_source *from)
{
    const struct sql_source *only = only_source(from);
    uint32_t first = scope->source_count;
    if (!only && from->alias.text)
        translate_refuse(t, from->offset, "join in brackets with an alias", "it is a subquery of its own in SQLite");
    const char *text = from_range(t, scope, from->group);
    if (only && scope->source_count > first && (from->alias.text || from->join != SQL_JOIN_FIRST)) {
        BASE_INVARIANT(scope->source_count == first + 1);
        scope->sources[first].name = from->alias.text ? from->alias.text : only->name.text;
        scope->sources[first].schema = from->alias.text ? NULL : only->schema.text;
    }
    return from->group->count == 1 ? text : translate_emit(t, TRANSLATE_FORM_BRACKET, text, NULL, NULL);
}

static const char *source_text(struct translator *t, struct translate_scope *scope, const struct sql_source *from)
{
    if (from->kind == SQL_SOURCE_GROUP)
        return group_text(t, scope, from);
    if (from->kind == SQL_SOURCE_CALL) {
        translate_refuse(t, from->offset, "table-valued function", "it is SQLite's own");
        return t->forms[TRANSLATE_FORM_NULL];
    }
    if (from->kind == SQL_SOURCE_SELECT) {
        struct translate_query query = translate_query_text(t, scope->outer, from->select, true);
        struct translate_source_scope *source = add_source(t, scope);
        if (!source)
            return t->forms[TRANSLATE_FORM_NULL];
        source->name = from->alias.text;
        return query_source(t, source, query);
    }
    struct translate_source_scope made = {.label = translate_label(t, 's'), .scan = -1, .rowid = -1};
    const char *text = named_source(t, &made, from);
    struct translate_source_scope *source = add_source(t, scope);
    if (!source)
        return t->forms[TRANSLATE_FORM_NULL];
    *source = made;
    source->name = from->alias.text ? from->alias.text : from->name.text;
    source->schema = from->alias.text ? NULL : from->schema.text;
    return text;
}

/* The column of that name among sources [first, end); the leftmost one that isn't merged into another. */
static bool find_side(struct translator *t, struct translate_scope *scope, uint32_t first, uint32_t end,
                      const char *name, struct translate_source_scope **source, uint32_t *field)
{
    for (uint32_t s = first; s < end; s++)
        for (uint32_t f = 0; f < scope->sources[s].field_count; f++)
            if (same_name(scope->sources[s].fields[f].name, name) && !scope->sources[s].fields[f].merged &&
                !(scope->sources[s].table && scope->sources[s].table->columns[f].is_rowid)) {
                *source = &scope->sources[s];
                *field = f;
                return true;
            }
    (void)t;
    return false;
}

static const char *merge_column(struct translator *t, struct translate_scope *scope, uint32_t middle, const char *name,
                                const struct sql_source *from, const char *condition)
{
    struct translate_source_scope *left, *right;
    uint32_t left_field, right_field;
    if (!find_side(t, scope, 0, middle, name, &left, &left_field) ||
        !find_side(t, scope, middle, scope->source_count, name, &right, &right_field)) {
        translate_refuse(t, from->offset, "USING", "a column is not there on both sides");
        return condition;
    }
    struct translate_value equal = translate_compare(t, SQL_OP_EQ, translate_field_value(t, left, left_field),
                                                     translate_field_value(t, right, right_field));
    right->fields[right_field].merged = true;
    return condition ? translate_emit(t, TRANSLATE_FORM_AND, condition, equal.text, NULL) : equal.text;
}

static const char *natural_condition(struct translator *t, struct translate_scope *scope, uint32_t middle,
                                     const struct sql_source *from)
{
    const char *condition = NULL;
    struct translate_source_scope *left;
    uint32_t left_field;
    for (uint32_t s = middle; s < scope->source_count; s++)
        for (uint32_t f = 0; f < scope->sources[s].field_count; f++) {
            const struct translate_field *field = &scope->sources[s].fields[f];
            if (!field->hidden && field->name && find_side(t, scope, 0, middle, field->name, &left, &left_field))
                condition = merge_column(t, scope, middle, field->name, from, condition);
        }
    return condition;
}

static const char *join_condition(struct translator *t, struct translate_scope *scope, uint32_t middle,
                                  const struct sql_source *from)
{
    const char *condition = NULL;
    bool outer = from->join == SQL_JOIN_RIGHT || from->join == SQL_JOIN_FULL;
    if ((from->natural || from->using_columns) && outer)
        translate_refuse(t, from->offset, "USING in a RIGHT or FULL JOIN", "the merged column needs both sides");
    if (from->natural)
        return natural_condition(t, scope, middle, from);
    for (uint32_t i = 0; from->using_columns && i < from->using_columns->count; i++)
        condition = merge_column(t, scope, middle, from->using_columns->items[i].text, from, condition);
    if (from->on)
        condition = translate_condition(t, translate_expression(t, scope, from->on));
    return condition;
}

static void mark_outer(struct translate_scope *scope, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++)
        scope->sources[i].outer = true;
}

static const char *join_text(struct translator *t, struct translate_scope *scope, uint32_t first, const char *before,
                             const struct sql_source *from)
{
    static const enum translate_form forms[] = {
        [SQL_JOIN_FIRST] = TRANSLATE_FORM_INNER_JOIN, [SQL_JOIN_COMMA] = TRANSLATE_FORM_INNER_JOIN,
        [SQL_JOIN_INNER] = TRANSLATE_FORM_INNER_JOIN, [SQL_JOIN_CROSS] = TRANSLATE_FORM_INNER_JOIN,
        [SQL_JOIN_LEFT] = TRANSLATE_FORM_LEFT_JOIN,   [SQL_JOIN_RIGHT] = TRANSLATE_FORM_RIGHT_JOIN,
        [SQL_JOIN_FULL] = TRANSLATE_FORM_FULL_JOIN};
    uint32_t middle = scope->source_count;
    BASE_INVARIANT(first < middle && from->join != SQL_JOIN_FIRST);
    const char *text = source_text(t, scope, from);
    const char *condition = join_condition(t, scope, middle, from);
    if (from->join == SQL_JOIN_LEFT || from->join == SQL_JOIN_FULL)
        mark_outer(scope, middle, scope->source_count);
    if (from->join == SQL_JOIN_RIGHT || from->join == SQL_JOIN_FULL)
        mark_outer(scope, first, middle);
    if (from->join < SQL_JOIN_LEFT && from->on)
        translate_note_ranges(t, scope, from->on);
    if (from->join < SQL_JOIN_LEFT && !condition)
        return translate_emit(t, TRANSLATE_FORM_CROSS_JOIN, before, text, NULL);
    return translate_emit(t, forms[from->join], before, text, condition ? condition : t->forms[TRANSLATE_FORM_TRUE]);
}

static const char *from_range(struct translator *t, struct translate_scope *scope, const struct sql_from *from)
{
    uint32_t first = scope->source_count;
    if (!from || !from->count)
        return "";
    const char *text = source_text(t, scope, &from->items[0]);
    for (uint32_t i = 1; i < from->count && !t->refused; i++)
        text = join_text(t, scope, first, text, &from->items[i]);
    return text;
}

const char *translate_from_text(struct translator *t, struct translate_scope *scope, const struct sql_from *from)
{
    return from_range(t, scope, from);
}
