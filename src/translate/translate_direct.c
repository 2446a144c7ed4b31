/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants:
 * 1. Whatever isn't recognised ends the attempt; nothing is left out of a statement that is taken.
 * 2. Numbers are compared with numbers alone: a range's column has held INTEGERs alone or REALs alone, so no affinity
 *    converts anything.
 * 3. Text that isn't UTF-8 can't leave as text in an Arrow batch, so columns that have held some are not taken.
 */
#include "translate/translate_direct.h"

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_map.h"
#include "base/base_memory.h"

enum { MOST_SIDES = 32 };

struct side { /* a table, and what is made of it */
    const struct translate_table *table;
    struct translate_direct_part *part;
};

struct attempt {
    const struct sql_source *source;
    const struct sql_items *names; /* of a subquery's columns; NULL: the source is a table */
    struct side sides[MOST_SIDES]; /* one, but for a subquery */
    uint32_t side_count;
    const struct rhei_value *parameters;
    uint32_t parameter_count;
    struct translate_direct *direct;
};

static const struct {
    const char *name;
    uint8_t function;
} functions[] = {
    {"count", TRANSLATE_DIRECT_COUNT}, {"sum", TRANSLATE_DIRECT_SUM}, {"total", TRANSLATE_DIRECT_TOTAL},
    {"avg", TRANSLATE_DIRECT_AVG},     {"min", TRANSLATE_DIRECT_MIN}, {"max", TRANSLATE_DIRECT_MAX},
};

static bool is_named(const struct sql_name *name, const char *word)
{
    return name->text != NULL && base_fold_compare(name->text, word) == 0;
}

/* ---- Shape. ------------------------------------------------------------------------------------------------------ */

/* TRANSLATE_DIRECT_COLUMN: none of the aggregates that are taken. */
static uint8_t function_of(const struct sql_expr *expr)
{
    const struct sql_call *call = expr->call;
    if (expr->kind != SQL_EXPR_CALL || call->distinct || call->filter != NULL || call->over != NULL ||
        call->order != NULL || call->within_group)
        return TRANSLATE_DIRECT_COLUMN;
    bool one = call->arguments != NULL && call->arguments->count == 1 &&
               call->arguments->items[0].expr->kind == SQL_EXPR_COLUMN;
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (!is_named(&expr->name, functions[i].name))
            continue;
        if (call->star)
            return functions[i].function == TRANSLATE_DIRECT_COUNT ? TRANSLATE_DIRECT_COUNT_ROWS
                                                                   : TRANSLATE_DIRECT_COLUMN;
        return one ? functions[i].function : TRANSLATE_DIRECT_COLUMN;
    }
    return TRANSLATE_DIRECT_COLUMN;
}

static uint8_t kind_of(const struct sql_core *core)
{
    const struct sql_items *items = core->columns;
    uint32_t plain = 0, aggregates = 0, stars = 0;
    for (uint32_t i = 0; i < items->count; i++) {
        const struct sql_expr *expr = items->items[i].expr;
        stars += expr->kind == SQL_EXPR_STAR;
        plain += expr->kind == SQL_EXPR_COLUMN || expr->kind == SQL_EXPR_STAR;
        aggregates += function_of(expr) != TRANSLATE_DIRECT_COLUMN;
    }
    if (core->group_by != NULL)
        return core->group_by->count == 1 && core->group_by->items[0].expr->kind == SQL_EXPR_COLUMN && stars == 0 &&
                       items->count > 0 && plain + aggregates == items->count
                   ? TRANSLATE_DIRECT_GROUPS
                   : TRANSLATE_DIRECT_NONE;
    if (items->count > 0 && plain == items->count)
        return TRANSLATE_DIRECT_COLUMNS;
    return items->count > 0 && aggregates == items->count ? TRANSLATE_DIRECT_AGGREGATES : TRANSLATE_DIRECT_NONE;
}

static bool is_constant(const struct sql_expr *expr)
{
    if (expr->kind == SQL_EXPR_UNARY && (expr->op == SQL_OP_NEGATE || expr->op == SQL_OP_PLUS))
        expr = expr->left;
    return (expr->kind == SQL_EXPR_INTEGER || expr->kind == SQL_EXPR_REAL || expr->kind == SQL_EXPR_PARAMETER);
}

static bool is_comparison(uint8_t op)
{
    return op == SQL_OP_EQ || op == SQL_OP_LT || op == SQL_OP_LE || op == SQL_OP_GT || op == SQL_OP_GE;
}

static bool is_range(const struct sql_expr *expr)
{
    const struct sql_expr *left = expr->left, *right = expr->right;
    if (expr->kind == SQL_EXPR_BETWEEN)
        return !expr->negated && left->kind == SQL_EXPR_COLUMN && is_constant(right) && is_constant(expr->third);
    if (expr->kind != SQL_EXPR_BINARY || !is_comparison(expr->op))
        return false;
    return (left->kind == SQL_EXPR_COLUMN && is_constant(right)) ||
           (right->kind == SQL_EXPR_COLUMN && is_constant(left));
}

/* `constants`: may also stand on both sides. */
static bool is_conjunction(const struct sql_expr *where, bool constants)
{
    if (where->kind == SQL_EXPR_BINARY && where->op == SQL_OP_AND)
        return is_conjunction(where->left, constants) && is_conjunction(where->right, constants);
    if (constants && where->kind == SQL_EXPR_BINARY && is_comparison(where->op) && is_constant(where->left) &&
        is_constant(where->right))
        return true;
    return is_range(where);
}

/* One source and, at the most, conditions. */
static bool is_plain_core(const struct sql_core *core, bool constants)
{
    return !core->distinct && !core->is_values && core->from != NULL && core->from->count == 1 &&
           core->having == NULL && core->windows == NULL && core->columns != NULL &&
           (core->where == NULL || is_conjunction(core->where, constants));
}

static bool is_plain_select(const struct sql_select *select)
{
    return select->with == NULL && select->cores != NULL && select->order == NULL && select->limit == NULL &&
           select->limit_offset == NULL;
}

static bool is_plain_table(const struct sql_source *source)
{
    return source->kind == SQL_SOURCE_TABLE && source->indexed_by.text == NULL && source->arguments == NULL;
}

static bool is_null(const struct sql_expr *expr)
{
    return expr->kind == SQL_EXPR_NULL || (expr->kind == SQL_EXPR_CAST && expr->left->kind == SQL_EXPR_NULL);
}

static bool is_part(const struct sql_core *core, uint32_t columns)
{
    if ((core->compound != SQL_COMPOUND_FIRST && core->compound != SQL_COMPOUND_UNION_ALL) ||
        !is_plain_core(core, true) || core->group_by != NULL || core->columns->count != columns ||
        !is_plain_table(&core->from->items[0]))
        return false;
    for (uint32_t c = 0; c < columns; c++)
        if (core->columns->items[c].expr->kind != SQL_EXPR_COLUMN && !is_null(core->columns->items[c].expr))
            return false;
    return true;
}

static bool is_union(const struct sql_source *source)
{
    const struct sql_select *select = source->select;
    if (source->kind != SQL_SOURCE_SELECT || !is_plain_select(select) || select->cores->columns == NULL)
        return false;
    uint32_t parts = 0;
    for (const struct sql_core *core = select->cores; core != NULL; core = core->next)
        if (++parts > MOST_SIDES || !is_part(core, select->cores->columns->count))
            return false;
    return true;
}

bool translate_direct_shape(const struct sql_tree *tree)
{
    if (tree->kind != SQL_KIND_SELECT || tree->explain != SQL_EXPLAIN_NONE || tree->select == NULL)
        return false;
    const struct sql_select *select = tree->select;
    const struct sql_core *core = select->cores;
    if (!is_plain_select(select) || core->next != NULL || !is_plain_core(core, false))
        return false;
    uint8_t kind = kind_of(core);
    return kind != TRANSLATE_DIRECT_NONE && (is_plain_table(&core->from->items[0]) ||
                                             (kind == TRANSLATE_DIRECT_AGGREGATES && is_union(&core->from->items[0])));
}

/* ---- Names. ------------------------------------------------------------------------------------------------------- */

static bool is_rowid_name(const char *name)
{
    return base_fold_compare(name, "rowid") == 0 || base_fold_compare(name, "_rowid_") == 0 ||
           base_fold_compare(name, "oid") == 0;
}

static bool qualifier_fits(const struct attempt *a, const struct sql_expr *expr)
{
    const struct sql_name *name = a->source->alias.text != NULL ? &a->source->alias : &a->source->name;
    return expr->schema.text == NULL &&
           (expr->table.text == NULL || (name->text != NULL && is_named(&expr->table, name->text)));
}

/* The subquery's column of that name, which has to be the only one. */
static bool find_derived(const struct attempt *a, const struct sql_expr *expr, uint32_t *column)
{
    uint32_t found = 0;
    for (uint32_t c = 0; c < a->names->count; c++) {
        const struct sql_item *item = &a->names->items[c];
        const struct sql_name *name = item->alias.text != NULL ? &item->alias : &item->expr->name;
        if (name->text == NULL || !is_named(&expr->name, name->text))
            continue;
        *column = c;
        found++;
    }
    return found == 1;
}

/* False: the table has no such column, or the mirror hasn't got it. */
static bool find_column(const struct attempt *a, const struct sql_expr *expr, uint32_t *column)
{
    if (expr->kind != SQL_EXPR_COLUMN || !qualifier_fits(a, expr))
        return false;
    if (a->names != NULL)
        return find_derived(a, expr, column);
    const struct translate_table *table = a->sides[0].table;
    for (uint32_t c = 0; c < table->column_count; c++)
        if (!table->columns[c].is_rowid && is_named(&expr->name, table->columns[c].name)) {
            *column = c;
            return !table->columns[c].absent;
        }
    if (table->without_rowid || !is_rowid_name(expr->name.text))
        return false;
    for (uint32_t c = 0; c < table->column_count; c++)
        if (table->columns[c].is_rowid || table->columns[c].is_rowid_alias) {
            *column = c;
            return true;
        }
    return false;
}

/* RHEI_INTEGER or RHEI_REAL where the column has held numbers of that class alone, RHEI_NULL where it has held nothing. */
static bool one_class_of_numbers(const struct translate_column *column, uint8_t *class)
{
    switch (column->flags & TRANSLATE_CLASS_MASK & ~(uint32_t)TRANSLATE_HAS_NULL) {
    case 0:
        *class = RHEI_NULL;
        return true;
    case TRANSLATE_HAS_INTEGER:
        *class = RHEI_INTEGER;
        return true;
    case TRANSLATE_HAS_REAL:
        *class = RHEI_REAL;
        return true;
    default:
        return false;
    }
}

/* What a side has for a column that was found; NULL: nothing but NULL. */
static const struct translate_column *column_of(const struct side *side, uint32_t column, uint32_t *number)
{
    *number = side->part->columns == NULL ? column : side->part->columns[column];
    return *number == TRANSLATE_DIRECT_NO_COLUMN ? NULL : &side->table->columns[*number];
}

/* ---- Outputs. ----------------------------------------------------------------------------------------------------- */

static bool put_column(const struct attempt *a, uint32_t column)
{
    const struct translate_column *from = &a->sides[0].table->columns[column];
    if (from->absent || (from->flags & TRANSLATE_INVALID_UTF8) != 0)
        return false;
    a->direct->outputs[a->direct->output_count++] =
        (struct translate_direct_output){.function = TRANSLATE_DIRECT_COLUMN, .column = column};
    return true;
}

static bool put_star(const struct attempt *a, const struct sql_expr *star)
{
    if (!qualifier_fits(a, star))
        return false;
    const struct translate_table *table = a->sides[0].table;
    for (uint32_t c = 0; c < table->column_count; c++)
        if (!table->columns[c].hidden && !table->columns[c].is_rowid && !put_column(a, c))
            return false;
    return true;
}

/* More than a count, of the values of all sides together. */
static bool takes_numbers(const struct attempt *a, struct translate_direct_output *output)
{
    bool extreme = output->function == TRANSLATE_DIRECT_MIN || output->function == TRANSLATE_DIRECT_MAX;
    for (uint32_t s = 0; s < a->side_count; s++) {
        uint32_t number;
        uint8_t class = RHEI_NULL;
        const struct translate_column *column = column_of(&a->sides[s], output->column, &number);
        if (column == NULL)
            continue;
        if (!one_class_of_numbers(column, &class))
            return false;
        /* Which zero an extreme gives, and what infinities sum up to, is left to those who have rules for it. */
        if ((column->flags & (extreme ? TRANSLATE_NEGATIVE_ZERO : TRANSLATE_INFINITE)) != 0)
            return false;
        if (class != RHEI_NULL && output->classes_of != RHEI_NULL && class != output->classes_of)
            return false;
        output->classes_of = class != RHEI_NULL ? class : output->classes_of;
    }
    return true;
}

static bool put_aggregate(const struct attempt *a, const struct sql_expr *expr)
{
    struct translate_direct_output output = {.function = function_of(expr)};
    if (output.function != TRANSLATE_DIRECT_COUNT_ROWS &&
        !find_column(a, expr->call->arguments->items[0].expr, &output.column))
        return false;
    if (output.function > TRANSLATE_DIRECT_COUNT && !takes_numbers(a, &output))
        return false;
    a->direct->outputs[a->direct->output_count++] = output;
    return true;
}

static size_t outputs_at_most(const struct attempt *a, const struct sql_items *items)
{
    size_t count = 0;
    for (uint32_t i = 0; i < items->count; i++)
        count += items->items[i].expr->kind == SQL_EXPR_STAR ? a->sides[0].table->column_count : 1;
    return count;
}

/*
 * GROUP BY a name means the table's column before it means a result's. A key must be of one class whose equal values are the same
 * value: an INTEGER beside a REAL, or text under another collation, would leave open which of them is shown.
 */
static bool put_key(const struct attempt *a, const struct sql_items *group_by)
{
    struct translate_direct *direct = a->direct;
    if (direct->kind != TRANSLATE_DIRECT_GROUPS)
        return true;
    if (!find_column(a, group_by->items[0].expr, &direct->key))
        return false;
    const struct translate_column *key = &a->sides[0].table->columns[direct->key];
    uint32_t held = key->flags & TRANSLATE_CLASS_MASK & ~(uint32_t)TRANSLATE_HAS_NULL;
    bool binary = key->collation == NULL || base_fold_compare(key->collation, "BINARY") == 0;
    if (held == TRANSLATE_HAS_INTEGER)
        direct->key_class = RHEI_INTEGER;
    else if (held == TRANSLATE_HAS_TEXT && binary && (key->flags & (TRANSLATE_INVALID_UTF8 | TRANSLATE_HAS_NUL)) == 0)
        direct->key_class = RHEI_TEXT;
    return direct->key_class != 0;
}

/* A column beside aggregates: the key, which is the same in all rows of a group. */
static bool put_grouped(const struct attempt *a, const struct sql_expr *expr)
{
    uint32_t column;
    if (expr->kind != SQL_EXPR_COLUMN)
        return put_aggregate(a, expr);
    return find_column(a, expr, &column) && column == a->direct->key && put_column(a, column);
}

static bool put_outputs(const struct attempt *a, const struct sql_items *items)
{
    for (uint32_t i = 0; i < items->count; i++) {
        const struct sql_expr *expr = items->items[i].expr;
        uint32_t column;
        bool put = a->direct->kind == TRANSLATE_DIRECT_AGGREGATES ? put_aggregate(a, expr)
                   : a->direct->kind == TRANSLATE_DIRECT_GROUPS   ? put_grouped(a, expr)
                   : expr->kind == SQL_EXPR_STAR                  ? put_star(a, expr)
                                                 : find_column(a, expr, &column) && put_column(a, column);
        if (!put)
            return false;
    }
    return true;
}

/* ---- Ranges. ------------------------------------------------------------------------------------------------------ */

static bool constant_value(const struct attempt *a, const struct sql_expr *expr, struct rhei_value *value)
{
    bool negate = expr->kind == SQL_EXPR_UNARY && expr->op == SQL_OP_NEGATE;
    if (expr->kind == SQL_EXPR_UNARY)
        expr = expr->left;
    *value = (struct rhei_value){.type = RHEI_NULL};
    if (expr->kind == SQL_EXPR_PARAMETER) {
        uint32_t number = expr->value.number;
        if (a->parameters == NULL || number == 0 || number > a->parameter_count)
            return false;
        *value = a->parameters[number - 1];
        return !negate &&
               (value->type == RHEI_INTEGER || (value->type == RHEI_REAL && !(value->as.real != value->as.real)));
    }
    if (expr->negated) /* 2^63: an integer behind a minus, a REAL without */
        return false;
    if (expr->kind == SQL_EXPR_INTEGER) {
        value->type = RHEI_INTEGER;
        value->as.integer = negate ? (int64_t) - (uint64_t)expr->value.integer : expr->value.integer;
        return !(negate && expr->value.integer == INT64_MIN);
    }
    value->type = RHEI_REAL;
    value->as.real = negate ? -expr->value.real : expr->value.real;
    return true;
}

/* Into every side. */
static bool put_range(const struct attempt *a, const struct sql_expr *expr, const struct translate_direct_range *range)
{
    uint32_t found;
    if (!find_column(a, expr, &found))
        return false;
    for (uint32_t s = 0; s < a->side_count; s++) {
        struct translate_direct_part *part = a->sides[s].part;
        uint32_t number;
        uint8_t class;
        const struct translate_column *column = column_of(&a->sides[s], found, &number);
        if (part->range_count == TRANSLATE_DIRECT_RANGES || column == NULL || !one_class_of_numbers(column, &class) ||
            column->affinity == TRANSLATE_AFFINITY_TEXT)
            return false;
        part->ranges[part->range_count] = *range;
        part->ranges[part->range_count++].column = number;
    }
    return true;
}

static bool holds(uint8_t op, int64_t left, int64_t right)
{
    switch (op) {
    case SQL_OP_EQ:
        return left == right;
    case SQL_OP_LT:
        return left < right;
    case SQL_OP_LE:
        return left <= right;
    case SQL_OP_GT:
        return left > right;
    default:
        return left >= right;
    }
}

static bool put_constants(const struct attempt *a, const struct sql_expr *expr)
{
    struct rhei_value left, right;
    if (!constant_value(a, expr->left, &left) || !constant_value(a, expr->right, &right) || left.type != RHEI_INTEGER ||
        right.type != RHEI_INTEGER)
        return false;
    for (uint32_t s = 0; s < a->side_count && !holds(expr->op, left.as.integer, right.as.integer); s++)
        a->sides[s].part->empty = true;
    return true;
}

static bool put_comparison(const struct attempt *a, const struct sql_expr *expr)
{
    bool swapped = expr->left->kind != SQL_EXPR_COLUMN;
    const struct sql_expr *column = swapped ? expr->right : expr->left;
    uint8_t op = swapped ? sql_op_mirrored(expr->op) : expr->op;
    struct translate_direct_range range = {.above_low = op == SQL_OP_GT, .below_high = op == SQL_OP_LT};
    struct rhei_value value;
    if (column->kind != SQL_EXPR_COLUMN)
        return put_constants(a, expr);
    if (!constant_value(a, swapped ? expr->left : expr->right, &value))
        return false;
    if (op == SQL_OP_EQ || op == SQL_OP_GT || op == SQL_OP_GE)
        range.low = value;
    if (op == SQL_OP_EQ || op == SQL_OP_LT || op == SQL_OP_LE)
        range.high = value;
    return put_range(a, column, &range);
}

static bool put_ranges(const struct attempt *a, const struct sql_expr *where)
{
    struct translate_direct_range range = {.column = 0};
    if (where == NULL)
        return true;
    if (where->kind == SQL_EXPR_BETWEEN)
        return constant_value(a, where->right, &range.low) && constant_value(a, where->third, &range.high) &&
               put_range(a, where->left, &range);
    if (where->op == SQL_OP_AND)
        return put_ranges(a, where->left) && put_ranges(a, where->right);
    return put_comparison(a, where);
}

/* ---- Sides. ------------------------------------------------------------------------------------------------------- */

/* False: the table isn't there, or not mirrored. */
static bool add_side(struct attempt *a, const struct translate_catalog *catalog, const struct sql_source *source,
                     struct translate_direct_part *part)
{
    const struct translate_table *table = catalog->table(catalog->context, source->schema.text, source->name.text);
    if (table == NULL || !table->mirrored)
        return false;
    part->table = table->id;
    a->sides[a->side_count++] = (struct side){table, part};
    return true;
}

/* One SELECT of the subquery: which of the table's columns are its, and its own ranges. */
static bool put_side(const struct attempt *whole, const struct side *side, const struct sql_core *core)
{
    struct attempt a = {.source = &core->from->items[0],
                        .sides = {{side->table, side->part}},
                        .side_count = 1,
                        .parameters = whole->parameters,
                        .parameter_count = whole->parameter_count,
                        .direct = whole->direct};
    uint32_t *columns = side->part->columns;
    side->part->columns = NULL; /* its WHERE speaks of the table */
    bool put = put_ranges(&a, core->where);
    for (uint32_t c = 0; put && c < core->columns->count; c++) {
        columns[c] = TRANSLATE_DIRECT_NO_COLUMN;
        put = is_null(core->columns->items[c].expr) || find_column(&a, core->columns->items[c].expr, &columns[c]);
    }
    side->part->columns = columns;
    return put;
}

/* *put: all of it is understood. */
static rhei_status put_union(struct attempt *a, const struct translate_catalog *catalog, bool *put,
                             struct rhei_error *error)
{
    const struct sql_core *core = a->source->select->cores;
    struct translate_direct_part *part = &a->direct->part;
    a->names = core->columns;
    *put = false;
    for (; core != NULL; core = core->next, part = part->next) {
        part->columns = base_alloc_zero((size_t)core->columns->count + 1, sizeof *part->columns);
        if (core->next != NULL)
            part->next = base_alloc_zero(1, sizeof *part->next);
        if (part->columns == NULL || (core->next != NULL && part->next == NULL))
            return error_no_memory(error);
        if (!add_side(a, catalog, &core->from->items[0], part) || !put_side(a, &a->sides[a->side_count - 1], core))
            return RHEI_OK;
    }
    *put = true;
    return RHEI_OK;
}

/* ---- The calls. --------------------------------------------------------------------------------------------------- */

void translate_direct_reset(struct translate_direct *direct)
{
    for (struct translate_direct_part *part = direct->part.next, *next; part != NULL; part = next) {
        next = part->next;
        base_free(part->columns);
        base_free(part);
    }
    base_free(direct->part.columns);
    base_free(direct->outputs);
    *direct = (struct translate_direct){.kind = TRANSLATE_DIRECT_NONE};
}

rhei_status translate_direct_make(const struct sql_tree *tree, const struct translate_catalog *catalog,
                                  const struct rhei_value *parameters, uint32_t parameter_count,
                                  struct translate_direct *direct, struct rhei_error *error)
{
    *direct = (struct translate_direct){.kind = TRANSLATE_DIRECT_NONE};
    if (!translate_direct_shape(tree))
        return RHEI_OK;
    const struct sql_core *core = tree->select->cores;
    struct attempt a = {.source = &core->from->items[0],
                        .parameters = parameters,
                        .parameter_count = parameter_count,
                        .direct = direct};
    bool put = true;
    rhei_status status = RHEI_OK;
    if (a.source->kind == SQL_SOURCE_SELECT)
        status = put_union(&a, catalog, &put, error);
    else
        put = add_side(&a, catalog, a.source, &direct->part);
    if (status == RHEI_OK && put) {
        direct->kind = kind_of(core);
        direct->outputs = base_alloc_zero(outputs_at_most(&a, core->columns) + 1, sizeof *direct->outputs);
        if (direct->outputs == NULL)
            status = error_no_memory(error);
    }
    if (status != RHEI_OK || !put || !put_key(&a, core->group_by) || !put_outputs(&a, core->columns) ||
        !put_ranges(&a, core->where) || direct->output_count == 0)
        translate_direct_reset(direct);
    BASE_INVARIANT(direct->kind == TRANSLATE_DIRECT_NONE || direct->outputs);
    return status;
}
