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

struct attempt {
    const struct sql_source *source;
    const struct translate_table *table;
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

static bool is_conjunction(const struct sql_expr *where)
{
    if (where->kind == SQL_EXPR_BINARY && where->op == SQL_OP_AND)
        return is_conjunction(where->left) && is_conjunction(where->right);
    return is_range(where);
}

bool translate_direct_shape(const struct sql_tree *tree)
{
    if (tree->kind != SQL_KIND_SELECT || tree->explain != SQL_EXPLAIN_NONE || tree->select == NULL)
        return false;
    const struct sql_select *select = tree->select;
    const struct sql_core *core = select->cores;
    if (select->with != NULL || core == NULL || core->next != NULL || select->order != NULL || select->limit != NULL ||
        select->limit_offset != NULL)
        return false;
    if (core->distinct || core->is_values || core->from == NULL || core->from->count != 1 || core->having != NULL ||
        core->windows != NULL || core->columns == NULL)
        return false;
    const struct sql_source *source = &core->from->items[0];
    return source->kind == SQL_SOURCE_TABLE && source->indexed_by.text == NULL && source->arguments == NULL &&
           kind_of(core) != TRANSLATE_DIRECT_NONE && (core->where == NULL || is_conjunction(core->where));
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
    return expr->schema.text == NULL && (expr->table.text == NULL || is_named(&expr->table, name->text));
}

/* False: the table has no such column, or the mirror hasn't got it. */
static bool find_column(const struct attempt *a, const struct sql_expr *expr, uint32_t *column)
{
    if (expr->kind != SQL_EXPR_COLUMN || !qualifier_fits(a, expr))
        return false;
    const struct translate_table *table = a->table;
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

/* ---- Outputs. ----------------------------------------------------------------------------------------------------- */

static bool put_column(const struct attempt *a, uint32_t column)
{
    const struct translate_column *from = &a->table->columns[column];
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
    for (uint32_t c = 0; c < a->table->column_count; c++)
        if (!a->table->columns[c].hidden && !a->table->columns[c].is_rowid && !put_column(a, c))
            return false;
    return true;
}

static bool put_aggregate(const struct attempt *a, const struct sql_expr *expr)
{
    struct translate_direct_output output = {.function = function_of(expr)};
    if (output.function != TRANSLATE_DIRECT_COUNT_ROWS &&
        !find_column(a, expr->call->arguments->items[0].expr, &output.column))
        return false;
    if (output.function > TRANSLATE_DIRECT_COUNT) {
        const struct translate_column *column = &a->table->columns[output.column];
        bool extreme = output.function == TRANSLATE_DIRECT_MIN || output.function == TRANSLATE_DIRECT_MAX;
        if (!one_class_of_numbers(column, &output.classes_of))
            return false;
        /* Which zero an extreme gives, and what infinities sum up to, is left to those who have rules for it. */
        if ((column->flags & (extreme ? TRANSLATE_NEGATIVE_ZERO : TRANSLATE_INFINITE)) != 0)
            return false;
    }
    a->direct->outputs[a->direct->output_count++] = output;
    return true;
}

static size_t outputs_at_most(const struct attempt *a, const struct sql_items *items)
{
    size_t count = 0;
    for (uint32_t i = 0; i < items->count; i++)
        count += items->items[i].expr->kind == SQL_EXPR_STAR ? a->table->column_count : 1;
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
    const struct translate_column *key = &a->table->columns[direct->key];
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

static struct translate_direct_range *new_range(const struct attempt *a, const struct sql_expr *expr)
{
    uint32_t column;
    uint8_t class;
    if (a->direct->range_count == TRANSLATE_DIRECT_RANGES || !find_column(a, expr, &column) ||
        !one_class_of_numbers(&a->table->columns[column], &class) ||
        a->table->columns[column].affinity == TRANSLATE_AFFINITY_TEXT)
        return NULL;
    struct translate_direct_range *range = &a->direct->ranges[a->direct->range_count++];
    *range = (struct translate_direct_range){.column = column};
    return range;
}

static bool put_comparison(const struct attempt *a, const struct sql_expr *expr)
{
    bool swapped = expr->left->kind != SQL_EXPR_COLUMN;
    const struct sql_expr *column = swapped ? expr->right : expr->left;
    uint8_t op = swapped ? sql_op_mirrored(expr->op) : expr->op;
    struct rhei_value value;
    struct translate_direct_range *range = new_range(a, column);
    if (range == NULL || !constant_value(a, swapped ? expr->left : expr->right, &value))
        return false;
    if (op == SQL_OP_EQ || op == SQL_OP_GT || op == SQL_OP_GE)
        range->low = value;
    if (op == SQL_OP_EQ || op == SQL_OP_LT || op == SQL_OP_LE)
        range->high = value;
    range->above_low = op == SQL_OP_GT;
    range->below_high = op == SQL_OP_LT;
    return true;
}

static bool put_ranges(const struct attempt *a, const struct sql_expr *where)
{
    if (where == NULL)
        return true;
    if (where->kind == SQL_EXPR_BETWEEN) {
        struct translate_direct_range *range = new_range(a, where->left);
        return range != NULL && constant_value(a, where->right, &range->low) &&
               constant_value(a, where->third, &range->high);
    }
    if (where->op == SQL_OP_AND)
        return put_ranges(a, where->left) && put_ranges(a, where->right);
    return put_comparison(a, where);
}

/* ---- The calls. --------------------------------------------------------------------------------------------------- */

void translate_direct_reset(struct translate_direct *direct)
{
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
    a.table = catalog->table(catalog->context, a.source->schema.text, a.source->name.text);
    if (a.table == NULL || !a.table->mirrored)
        return RHEI_OK;
    direct->kind = kind_of(core);
    direct->table = a.table->id;
    direct->outputs = base_alloc_zero(outputs_at_most(&a, core->columns) + 1, sizeof *direct->outputs);
    if (direct->outputs == NULL)
        return error_no_memory(error);
    if (!put_key(&a, core->group_by) || !put_outputs(&a, core->columns) || !put_ranges(&a, core->where) ||
        direct->output_count == 0)
        translate_direct_reset(direct);
    BASE_INVARIANT(direct->range_count <= TRANSLATE_DIRECT_RANGES);
    BASE_INVARIANT(direct->kind == TRANSLATE_DIRECT_NONE || direct->outputs);
    return RHEI_OK;
}
