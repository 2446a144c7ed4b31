/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite's plan as loops over tables: each line of EXPLAIN QUERY PLAN is a node, deeper ones belong to the one above. Lines of one
 * depth are loops within each other, in their order.
 */
#include <string.h>

#include "base/base_memory.h"
#include "route/route_cost.h"
#include "sql/sql_facts.h"

enum { WINDOW_UNITS = 3 };

struct reader {
    struct route_work *work;
    const struct route_statement *statement;
    const struct capture_catalog *catalog;
    const struct route_bounds *bounds;
    bool failed;
};

static uint32_t name_hash(const char *name, size_t len)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash;
}

static bool text_has(const char *text, size_t len, const char *word)
{
    return memmem(text, len, word, strlen(word)) != NULL;
}

static bool text_starts(const char *text, size_t len, const char *word)
{
    return len >= strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

/* ---- Names. ------------------------------------------------------------------------------------------------------ */

static const struct capture_table *table_at(const struct reader *reader, uint32_t table)
{
    return &reader->catalog->tables[reader->statement->tables[table].number];
}

static bool name_is(const char *name, size_t len, const char *known)
{
    return known != NULL && base_fold_equal(name, len, known, strlen(known));
}

static uint32_t table_named(const struct reader *reader, const char *name, size_t len)
{
    for (uint32_t t = 0; t < reader->statement->table_count; t++)
        if (name_is(name, len, table_at(reader, t)->source.name))
            return t;
    return ROUTE_NO_TABLE;
}

/* Does the line go on with this name and nothing else of a word? Names may have blanks. */
static bool goes_on_with(const char *line, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    return name_len <= len && base_fold_equal(line, name_len, name, name_len) &&
           (name_len == len || line[name_len] == ' ');
}

/* What a plan calls a table, by its alias or name: the longest that fits. *name_len: of what it is called. */
static uint32_t table_called(const struct reader *reader, const char *line, size_t len, size_t *name_len)
{
    uint32_t found = ROUTE_NO_TABLE;
    const char *blank = memchr(line, ' ', len);
    *name_len = 0;
    for (size_t i = 0; i < reader->bounds->source_count; i++) {
        const struct route_source *source = &reader->bounds->sources[i];
        if (source->called || !goes_on_with(line, len, source->alias) || strlen(source->alias) <= *name_len)
            continue;
        uint32_t table = table_named(reader, source->table, strlen(source->table));
        if (table != ROUTE_NO_TABLE) {
            found = table;
            *name_len = strlen(source->alias);
        }
    }
    for (uint32_t t = 0; t < reader->statement->table_count; t++) {
        const char *name = table_at(reader, t)->source.name;
        if (goes_on_with(line, len, name) && strlen(name) > *name_len) {
            found = t;
            *name_len = strlen(name);
        }
    }
    if (found == ROUTE_NO_TABLE)
        *name_len = blank != NULL ? (size_t)(blank - line) : len;
    return found;
}

/* A table that the text names with its schema is called so in the plan, too: "history.t". *name: behind that; ROUTE_NO_TABLE: it isn't called so. */
static uint32_t table_with_schema(const struct reader *reader, const char **name, size_t len)
{
    for (uint32_t t = 0; t < reader->statement->table_count; t++) {
        const struct capture_table *table = table_at(reader, t);
        const char *schema = table->schema != NULL ? table->schema : "main";
        size_t schema_len = strlen(schema);
        if (len > schema_len && (*name)[schema_len] == '.' && base_fold_equal(*name, schema_len, schema, schema_len) &&
            goes_on_with(*name + schema_len + 1, len - schema_len - 1, table->source.name)) {
            *name += schema_len + 1;
            return t;
        }
    }
    return ROUTE_NO_TABLE;
}

static uint32_t column_named(const struct source_table *table, const char *name, size_t len)
{
    for (uint32_t c = 0; c < table->column_count; c++)
        if (name_is(name, len, table->columns[c].name) && !table->columns[c].is_rowid)
            return c;
    for (uint32_t c = 0; c < table->column_count && name_is(name, len, "rowid"); c++)
        if (table->columns[c].is_rowid || table->columns[c].is_rowid_alias)
            return c;
    return ROUTE_NO_TABLE;
}

/* ---- Terms. ------------------------------------------------------------------------------------------------------ */

static void term_add(struct reader *reader, const struct route_term *term)
{
    struct route_work *work = reader->work;
    void *items = work->terms;
    if (!base_grow(&items, &work->term_capacity, work->term_count + 1, sizeof *work->terms)) {
        reader->failed = true;
        return;
    }
    work->terms = items;
    work->terms[work->term_count++] = *term;
}

/* A column as a text names it, `source` perhaps not written. */
static bool column_is(const char *source, const char *column, const char *called, size_t called_len,
                      const struct source_table *table, uint32_t number)
{
    if (source != NULL && !name_is(called, called_len, source))
        return false;
    return column_named(table, column, strlen(column)) == number;
}

static bool bound_is_of(const struct route_bound *bound, const char *called, size_t called_len,
                        const struct source_table *table, uint32_t column)
{
    return column_is(bound->source, bound->column, called, called_len, table, column);
}

static bool goes_the_same_way(const struct route_bound *bound, uint8_t op)
{
    return bound->op == op || (op == SQL_OP_GT && bound->op == SQL_OP_GE) ||
           (op == SQL_OP_LT && bound->op == SQL_OP_LE);
}

static void term_take(struct route_term *term, const struct route_bound *bound)
{
    term->op = bound->op;
    term->value = bound->value;
    term->values = bound->values;
}

/* The bound of a column that is said to be equal to another one, as SQLite finds it. */
static const struct route_bound *bound_of_equal(const struct reader *reader, const struct route_pair *pair, int side,
                                                uint8_t op)
{
    for (size_t i = 0; i < reader->bounds->count; i++) {
        const struct route_bound *bound = &reader->bounds->items[i];
        const char *source = pair->source[side];
        bool same = base_fold_compare(bound->column, pair->column[side]) == 0 &&
                    (source == NULL || bound->source == NULL || base_fold_compare(bound->source, source) == 0);
        if (same && goes_the_same_way(bound, op))
            return bound;
    }
    return NULL;
}

/* The constant that a column is searched by: the first that fits. */
static void term_find(const struct reader *reader, const struct source_table *table, const char *called,
                      size_t called_len, struct route_term *term)
{
    const struct route_bounds *bounds = reader->bounds;
    for (size_t i = 0; i < bounds->count; i++) {
        const struct route_bound *bound = &bounds->items[i];
        if (goes_the_same_way(bound, term->op) && bound_is_of(bound, called, called_len, table, term->column)) {
            term_take(term, bound);
            return;
        }
    }
    /* "a=?" may as well be the other column's value, row by row */
    for (size_t i = 0; i < bounds->pair_count && term->op != SQL_OP_EQ; i++) {
        for (int side = 0; side < 2; side++) {
            const struct route_pair *pair = &bounds->pairs[i];
            const struct route_bound *bound = NULL;
            if (column_is(pair->source[side], pair->column[side], called, called_len, table, term->column))
                bound = bound_of_equal(reader, pair, 1 - side, term->op);
            if (bound != NULL) {
                term_take(term, bound);
                return;
            }
        }
    }
}

/* "(a=? AND b>?)": what SQLite searches by. Stops at what it can't read: that narrows nothing down. */
static void read_terms(struct reader *reader, struct route_node *node, const char *at, const char *end,
                       const char *called, size_t called_len)
{
    const struct source_table *table = &table_at(reader, node->table)->source;
    while (at < end) {
        const char *stop = memmem(at, (size_t)(end - at), " AND ", 5);
        stop = stop != NULL ? stop : end;
        const char *op = at;
        while (op < stop && *op != '=' && *op != '<' && *op != '>')
            op++;
        if (op == stop)
            return;
        struct route_term term = {.column = column_named(table, at, (size_t)(op - at)),
                                  .op = *op == '='   ? SQL_OP_EQ
                                        : *op == '<' ? SQL_OP_LT
                                                     : SQL_OP_GT,
                                  .values = 1};
        if (term.column != ROUTE_NO_TABLE)
            term_find(reader, table, called, called_len, &term);
        term_add(reader, &term);
        node->term_count++;
        at = stop + 5;
    }
}

static bool searched_by(const struct reader *reader, const struct route_node *node, uint32_t column)
{
    for (uint32_t i = 0; i < node->term_count; i++)
        if (reader->work->terms[node->first_term + i].column == column)
            return true;
    return false;
}

/* Everything else that is known of the rows. */
static void read_filters(struct reader *reader, struct route_node *node, const char *called, size_t called_len)
{
    const struct source_table *table = &table_at(reader, node->table)->source;
    node->first_filter = (uint32_t)reader->work->term_count;
    for (size_t i = 0; i < reader->bounds->count; i++) {
        const struct route_bound *bound = &reader->bounds->items[i];
        uint32_t column = column_named(table, bound->column, strlen(bound->column));
        if (column == ROUTE_NO_TABLE || !bound_is_of(bound, called, called_len, table, column) ||
            searched_by(reader, node, column))
            continue;
        struct route_term term = {.column = column, .op = bound->op, .values = bound->values, .value = bound->value};
        term_add(reader, &term);
        node->filter_count++;
    }
}

/* ---- At most one row. -------------------------------------------------------------------------------------------- */

static bool equals(const struct reader *reader, const struct route_node *node, uint32_t column)
{
    for (uint32_t i = 0; i < node->term_count; i++) {
        const struct route_term *term = &reader->work->terms[node->first_term + i];
        if (term->column == column && term->op == SQL_OP_EQ)
            return true;
    }
    return false;
}

static bool is_single(const struct reader *reader, const struct route_node *node)
{
    const struct capture_table *table = table_at(reader, node->table);
    bool whole = table->source.without_rowid && table->source.key_count > 0;
    for (uint32_t c = 0; c < table->source.column_count; c++) {
        const struct source_column *column = &table->source.columns[c];
        if ((column->is_rowid || column->is_rowid_alias) && equals(reader, node, c))
            return true;
    }
    for (uint32_t k = 0; whole && k < table->source.key_count; k++)
        whole = equals(reader, node, table->source.key_columns[k]);
    for (uint32_t u = 0; u < table->unique_key_count && !whole; u++) {
        const int32_t *key = table->unique_keys[u];
        whole = key[0] >= 0;
        for (uint32_t i = 0; whole && key[i] >= 0; i++)
            whole = equals(reader, node, (uint32_t)key[i]);
    }
    return whole;
}

/* ---- Lines. ------------------------------------------------------------------------------------------------------ */

/* The largest table stands for one whose name isn't in the text, as inside a view. */
static void read_loop(struct reader *reader, struct route_node *node, const char *line, size_t len)
{
    const char *name = line + (node->kind == ROUTE_NODE_SCAN ? 5 : 7), *end = line + len;
    /* a virtual table is scanned, as SQLite says it, also where it is searched */
    if (text_has(line, len, " VIRTUAL TABLE INDEX ") && line[len - 1] == ')')
        node->kind = ROUTE_NODE_SEARCH;
    bool scan = node->kind == ROUTE_NODE_SCAN;
    size_t name_len;
    node->table = table_with_schema(reader, &name, (size_t)(end - name));
    name_len = node->table != ROUTE_NO_TABLE ? strlen(table_at(reader, node->table)->source.name) : 0;
    if (node->table == ROUTE_NO_TABLE)
        node->table = table_called(reader, name, (size_t)(end - name), &name_len);
    node->name = name_hash(name, name_len);
    node->constant = text_has(line, len, "CONSTANT ROW");
    node->covering = text_has(line, len, "COVERING INDEX");
    node->by_index = text_has(line, len, "USING INDEX ");
    node->automatic = text_has(line, len, "AUTOMATIC");
    node->by_rowid = text_has(line, len, "USING INTEGER PRIMARY KEY") || text_has(line, len, "USING PRIMARY KEY");
    node->first_term = (uint32_t)reader->work->term_count;
    if (node->table == ROUTE_NO_TABLE)
        return;
    const char *open = memchr(name + name_len, '(', (size_t)(end - name) - name_len);
    if (!scan && open == NULL) /* the end of an index: min() and max() */
        node->single = true;
    else if (!scan)
        read_terms(reader, node, open + 1, end - 1, name, name_len);
    node->single = node->single || (!scan && is_single(reader, node));
    read_filters(reader, node, name, name_len);
}

static const struct {
    const char *start;
    uint8_t kind;
} line_kinds[] = {
    {"SCAN ", ROUTE_NODE_SCAN},
    {"SEARCH ", ROUTE_NODE_SEARCH},
    {"USE TEMP B-TREE FOR ORDER BY", ROUTE_NODE_SORT},
    {"USE TEMP B-TREE FOR RIGHT", ROUTE_NODE_SORT},
    {"USE TEMP B-TREE FOR LAST", ROUTE_NODE_SORT},
    {"USE TEMP B-TREE", ROUTE_NODE_GROUP},
    {"UNION USING TEMP B-TREE", ROUTE_NODE_GROUP},
    {"CO-ROUTINE ", ROUTE_NODE_NAMED},
    {"MATERIALIZE ", ROUTE_NODE_NAMED},
    {"CORRELATED ", ROUTE_NODE_CORRELATED},
};

static void read_line(struct reader *reader, const char *line, size_t len)
{
    struct route_work *work = reader->work;
    void *items = work->nodes;
    struct route_node node = {.kind = ROUTE_NODE_OTHER, .table = ROUTE_NO_TABLE};
    size_t blanks = 0;
    while (blanks < len && line[blanks] == ' ')
        blanks++;
    line += blanks;
    len -= blanks;
    node.depth = (uint8_t)(blanks / 2 < 200 ? blanks / 2 : 200);
    for (size_t i = 0; i < sizeof line_kinds / sizeof line_kinds[0]; i++) {
        if (text_starts(line, len, line_kinds[i].start)) {
            node.kind = line_kinds[i].kind;
            break;
        }
    }
    if (node.kind == ROUTE_NODE_SCAN || node.kind == ROUTE_NODE_SEARCH) {
        read_loop(reader, &node, line, len);
    } else if (node.kind == ROUTE_NODE_NAMED) {
        const char *name = memchr(line, ' ', len);
        node.name = name_hash(name + 1, (size_t)(line + len - name - 1));
    }
    if (!base_grow(&items, &work->node_capacity, work->node_count + 1, sizeof *work->nodes)) {
        reader->failed = true;
        return;
    }
    work->nodes = items;
    work->nodes[work->node_count++] = node;
}

/* ---- The outermost SELECT. --------------------------------------------------------------------------------------- */

static bool has_aggregate(const struct sql_expr *expr)
{
    if (expr == NULL)
        return false;
    const struct sql_call *call = expr->kind == SQL_EXPR_CALL ? expr->call : NULL;
    if (call != NULL && call->over == NULL &&
        sql_is_aggregate(expr->name.text, call->arguments != NULL ? call->arguments->count : 0))
        return true;
    bool has = has_aggregate(expr->left) || has_aggregate(expr->right) || has_aggregate(expr->third);
    const struct sql_items *lists[] = {expr->list, call != NULL ? call->arguments : NULL};
    for (size_t l = 0; l < 2; l++)
        for (uint32_t i = 0; !has && lists[l] != NULL && i < lists[l]->count; i++)
            has = has_aggregate(lists[l]->items[i].expr);
    return has;
}

static bool is_count_star(const struct sql_core *core)
{
    const struct sql_expr *expr =
        core->columns != NULL && core->columns->count == 1 ? core->columns->items[0].expr : NULL;
    return expr != NULL && expr->kind == SQL_EXPR_CALL && expr->call->star && expr->call->over == NULL &&
           expr->call->filter == NULL && core->where == NULL && core->group_by == NULL && core->having == NULL &&
           core->from != NULL && core->from->count == 1 && core->from->items[0].kind == SQL_SOURCE_TABLE;
}

static void read_outermost(struct reader *reader)
{
    struct route_work *work = reader->work;
    const struct sql_select *select = reader->statement->tree->select;
    const struct sql_core *core = select->cores;
    bool compound = core->next != NULL;
    for (uint32_t i = 0; core->columns != NULL && i < core->columns->count; i++)
        work->aggregates = work->aggregates || has_aggregate(core->columns->items[i].expr);
    work->groups = core->group_by != NULL;
    work->distinct = core->distinct;
    work->sorts = select->order != NULL;
    work->aggregates = (work->aggregates || core->having != NULL) && !work->groups;
    work->counts_only = !compound && is_count_star(core);
    work->has_limit = select->limit != NULL;
    work->has_offset = select->limit_offset != NULL;
    if (work->has_limit)
        work->limit = route_constant_of(reader->statement, select->limit);
    if (work->has_offset)
        work->offset = route_constant_of(reader->statement, select->limit_offset);
    work->streams = !compound && !work->aggregates && !work->groups && reader->bounds->windows == 0;
    for (size_t i = 0; i < work->node_count; i++) {
        uint8_t kind = work->nodes[i].kind;
        bool stops = kind == ROUTE_NODE_SORT || kind == ROUTE_NODE_GROUP;
        if (work->nodes[i].depth == 0 && stops)
            work->streams = false;
    }
}

/* Single rows by key alone, and few of them. */
static bool is_keyed(const struct route_work *work)
{
    size_t loops = 0;
    for (size_t i = 0; i < work->node_count; i++) {
        const struct route_node *node = &work->nodes[i];
        bool loop = node->kind == ROUTE_NODE_SCAN || node->kind == ROUTE_NODE_SEARCH;
        uint32_t most = 1;
        for (uint32_t t = 0; t < node->term_count; t++)
            most *= work->terms[node->first_term + t].values < 100 ? work->terms[node->first_term + t].values : 100;
        if ((loop && !(node->single && most <= 20) && !node->constant) || node->kind == ROUTE_NODE_CORRELATED ||
            node->kind == ROUTE_NODE_NAMED)
            return false;
        loops += loop;
    }
    return loops > 0 && loops <= 4;
}

struct route_work *route_work_new(const struct route_statement *statement, const char *plan,
                                  const struct capture_catalog *catalog)
{
    struct route_bounds bounds;
    struct route_work *work = base_alloc_zero(1, sizeof *work);
    if (work == NULL || statement->tree == NULL || statement->tree->select == NULL ||
        !route_bounds_collect(statement, &bounds)) {
        base_free(work);
        return NULL;
    }
    struct reader reader = {.work = work, .statement = statement, .catalog = catalog, .bounds = &bounds};
    for (const char *line = plan; *line != '\0';) {
        size_t len = strcspn(line, "\n");
        read_line(&reader, line, len);
        line += len + (line[len] == '\n');
    }
    read_outermost(&reader);
    work->keyed = is_keyed(work);
    size_t joins = bounds.source_count > 1 ? bounds.source_count - 1 : 0;
    work->units = (uint32_t)joins + bounds.selects - 1 + (bounds.windows > 0 ? WINDOW_UNITS : 0);
    work->functions = sql_tree_facts(statement->tree)->function_count;
    work->columns = statement->facts.column_count;
    route_bounds_reset(&bounds);
    if (reader.failed)
        route_work_free(&work);
    return work;
}

void route_work_free(struct route_work **work)
{
    if (*work == NULL)
        return;
    base_free((*work)->nodes);
    base_free((*work)->terms);
    base_free(*work);
    *work = NULL;
}
