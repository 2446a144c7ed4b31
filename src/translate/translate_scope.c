/* SPDX-License-Identifier: Apache-2.0 */
/* What names mean: columns of sources, result aliases, outer levels; and what a column is once it was found. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/base_map.h"
#include "translate/translate_internal.h"

static bool same_name(const char *a, const char *b)
{
    return a && b && base_fold_compare(a, b) == 0;
}

static bool is_rowid_name(const char *name)
{
    return same_name(name, "rowid") || same_name(name, "oid") || same_name(name, "_rowid_");
}

/* ---- A column in use ---- */

/* Bounds are widened to a power of two, so that a translation outlives small changes of the column's range. */
static double outward(double bound)
{
    int exponent;
    if (bound <= 0)
        return 0;
    frexp(bound, &exponent);
    return exponent + 1 > DBL_MAX_EXP - 1 ? INFINITY : ldexp(1.0, exponent + 1);
}

uint64_t translate_table_fingerprint(const struct translate_table *table)
{
    uint64_t head[] = {table->id, table->mirrored, table->column_count};
    uint64_t hash = base_hash(head, sizeof head, 1);
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct translate_column *column = &table->columns[i];
        double bounds[] = {0, 0};
        if (column->has_range) {
            bounds[0] = outward(-column->low);
            bounds[1] = outward(column->high);
        }
        uint32_t what[] = {column->flags, column->has_range, column->absent};
        hash = base_hash(what, sizeof what, base_hash(bounds, sizeof bounds, hash));
    }
    return hash;
}

static void set_bounds(struct translate_value *value, const struct translate_column *column,
                       struct translate_scan_column *used)
{
    bool integers = value->cls == TRANSLATE_CLASS_INTEGER;
    double limit = integers ? (column->flags & TRANSLATE_BIG_INTEGER ? 0x1p63 : TRANSLATE_SMALL) : DBL_MAX;
    value->low = -limit;
    value->high = limit;
    used->relied_low = -INFINITY;
    used->relied_high = INFINITY;
    if (column->flags & TRANSLATE_INFINITE) {
        value->low = -INFINITY;
        value->high = INFINITY;
    } else if (column->has_range) {
        used->relied_low = -outward(-column->low);
        used->relied_high = outward(column->high);
        value->low = fmax(value->low, used->relied_low);
        value->high = fmin(value->high, used->relied_high);
    }
}

static struct translate_scan_column *note_scan_column(struct translator *t, struct translate_source_scope *source,
                                                      uint32_t column)
{
    struct translate_scan *scan = &t->scans[source->scan];
    for (uint32_t i = 0; i < scan->column_count; i++)
        if (scan->columns[i].column == column)
            return &scan->columns[i];
    BASE_INVARIANT(scan->column_count < source->table->column_count);
    struct translate_scan_column *used = &scan->columns[scan->column_count++]; /* room for all was made */
    used->column = column;
    used->flags = source->table->columns[column].flags;
    return used;
}

static enum translate_class column_class(const struct translate_column *column)
{
    switch (column->flags & TRANSLATE_CLASS_MASK & ~(uint32_t)TRANSLATE_HAS_NULL) {
    case 0:
        return TRANSLATE_CLASS_NULL;
    case TRANSLATE_HAS_INTEGER:
        return TRANSLATE_CLASS_INTEGER;
    case TRANSLATE_HAS_REAL:
        return TRANSLATE_CLASS_REAL;
    case TRANSLATE_HAS_TEXT:
        return TRANSLATE_CLASS_TEXT;
    case TRANSLATE_HAS_BLOB:
        return TRANSLATE_CLASS_BLOB;
    default:
        return TRANSLATE_CLASS_MIXED;
    }
}

static void check_column(struct translator *t, const struct translate_column *column, uint32_t offset)
{
    if (column->absent)
        translate_refuse(t, offset, "generated column", "the mirror doesn't hold it");
    else if (translate_scan_form(column->flags) == TRANSLATE_SCAN_NONE)
        translate_refuse(t, offset, "column of mixed storage classes", "it holds TEXT or BLOBs beside other values");
    else if ((column->flags & TRANSLATE_HAS_TEXT) && (column->flags & (TRANSLATE_INVALID_UTF8 | TRANSLATE_HAS_NUL)))
        translate_refuse(t, offset, "column with unusual TEXT", "it holds TEXT with a NUL byte or that isn't UTF-8");
    else if (column_class(column) == TRANSLATE_CLASS_MIXED && (column->flags & TRANSLATE_BIG_INTEGER))
        translate_refuse(t, offset, "column of integers beyond 2^53 and REALs", "they can't be kept apart exactly");
}

static void first_use(struct translator *t, struct translate_source_scope *source, struct translate_field *field)
{
    struct translate_value *value = &field->value;
    field->used = true;
    if (field->column < 0)
        return;
    BASE_INVARIANT(source->table && (uint32_t)field->column < source->table->column_count);
    const struct translate_column *column = &source->table->columns[field->column];
    check_column(t, column, value->offset);
    struct translate_scan_column *used = note_scan_column(t, source, (uint32_t)field->column);
    *value = translate_value_make(NULL, column_class(column), value->offset);
    value->text =
        translate_emit(t, TRANSLATE_FORM_QUALIFIED, source->label, translate_identifier(t, column->name), NULL);
    value->affinity = column->affinity;
    value->collation = column->collation ? column->collation : "BINARY";
    value->nullable = (column->flags & TRANSLATE_HAS_NULL) != 0;
    value->ascii = !(column->flags & TRANSLATE_NON_ASCII);
    value->negative_zero = (column->flags & TRANSLATE_NEGATIVE_ZERO) != 0;
    set_bounds(value, column, used);
    value->whole = value->cls == TRANSLATE_CLASS_REAL && !(column->flags & (TRANSLATE_NOT_WHOLE | TRANSLATE_INFINITE))
                       ? value->text
                       : NULL;
    if (value->cls == TRANSLATE_CLASS_MIXED) {
        value->flag = translate_emit(
            t, TRANSLATE_FORM_QUALIFIED, source->label,
            translate_identifier(t, translate_emit(t, TRANSLATE_FORM_FLAG_COLUMN, column->name, NULL, NULL)), NULL);
        /* These affinities turn every whole REAL into an integer, so a number's class follows from the number. */
        value->flag_of_value =
            column->affinity == TRANSLATE_AFFINITY_NUMERIC || column->affinity == TRANSLATE_AFFINITY_INTEGER;
    }
}

struct translate_value translate_field_value(struct translator *t, struct translate_source_scope *source,
                                             uint32_t index)
{
    BASE_INVARIANT(index < source->field_count);
    struct translate_field *field = &source->fields[index];
    if (!field->used)
        first_use(t, source, field);
    struct translate_value value = field->value;
    BASE_INVARIANT(value.text);
    value.nullable = value.nullable || source->outer;
    return value;
}

void translate_assume_scan(struct translator *t, const struct translate_source_scope *source, uint32_t offset)
{
    if (source->scan < 0 || (t->out->assumes_scan_of >= 0 && t->out->assumes_scan_of != source->scan))
        translate_refuse(t, offset, "order of rows", "it depends on how SQLite reads more than one table");
    BASE_INVARIANT(t->refused || (source->scan >= 0 && (uint32_t)source->scan < t->out->scan_count));
    t->out->assumes_scan_of = source->scan;
}

/* ---- Uniqueness ---- */

static bool set_is_among(const struct translate_source_scope *source, uint64_t set,
                         const struct translate_value *values, uint32_t count)
{
    for (uint32_t i = 0; i < source->field_count && i < 64; i++) {
        if (!(set >> i & 1))
            continue;
        bool found = false;
        for (uint32_t v = 0; v < count && !found; v++)
            found = source->fields[i].used && source->fields[i].value.text &&
                    strcmp(values[v].text, source->fields[i].value.text) == 0;
        if (!found)
            return false;
    }
    return true;
}

static bool source_fixed(const struct translate_source_scope *source, const struct translate_value *values,
                         uint32_t count)
{
    for (uint32_t i = 0; i < source->unique_count; i++)
        if (set_is_among(source, source->unique_sets[i], values, count))
            return true;
    return false;
}

bool translate_rows_unique_by(const struct translate_scope *scope, const struct translate_value *values, uint32_t count)
{
    for (uint32_t i = 0; i < scope->source_count; i++)
        if (!source_fixed(&scope->sources[i], values, count))
            return false;
    return true;
}

static bool fixed_by_keys(const struct translate_scope *scope, const struct translate_source_scope *source)
{
    return source_fixed(source, scope->keys, scope->key_count);
}

/* ---- Finding ---- */

struct place {
    struct translate_source_scope *source;
    uint32_t field;
};

static bool source_matches(const struct translate_source_scope *source, const struct sql_expr *expr)
{
    if (!expr->table.text)
        return true;
    if (!same_name(source->name, expr->table.text))
        return false;
    return !expr->schema.text || same_name(source->schema ? source->schema : "main", expr->schema.text);
}

/* How many columns of one level the name may mean; the first goes to *place. */
static uint32_t find_at(const struct translate_scope *scope, const struct sql_expr *expr, struct place *place)
{
    uint32_t found = 0, sources = 0;
    struct translate_source_scope *last = NULL;
    for (uint32_t s = 0; s < scope->source_count; s++) {
        struct translate_source_scope *source = &scope->sources[s];
        if (!source_matches(source, expr))
            continue;
        sources++;
        last = source;
        for (uint32_t f = 0; f < source->field_count; f++) {
            if ((int32_t)f == source->rowid && source->table && source->table->columns[f].is_rowid)
                continue; /* hidden: found only below */
            if (!same_name(source->fields[f].name, expr->name.text) || (!expr->table.text && source->fields[f].merged))
                continue;
            if (found++ == 0)
                *place = (struct place){source, f};
            break;
        }
    }
    if (!found && sources == 1 && last->rowid >= 0 && is_rowid_name(expr->name.text)) {
        *place = (struct place){last, (uint32_t)last->rowid};
        found = 1;
    }
    return found;
}

/* A column of an aggregate query where groups are spoken of: a key, fixed by the keys, or bare. */
static struct translate_value of_group(struct translator *t, struct translate_scope *scope, bool own,
                                       struct place place, struct translate_value value)
{
    for (uint32_t i = 0; i < scope->key_count; i++) {
        if (strcmp(scope->keys[i].text, value.text) != 0)
            continue;
        if (value.cls == TRANSLATE_CLASS_MIXED)
            value.flag = translate_emit(t, TRANSLATE_FORM_ANY_VALUE, value.flag, NULL, NULL);
        return value;
    }
    if (!own) {
        translate_refuse(t, value.offset, "bare column of an outer aggregate query", "SQLite takes it from any row");
        return value;
    }
    if (!fixed_by_keys(scope, place.source)) {
        scope->bare++;
        return value;
    }
    value.text = translate_emit(t, TRANSLATE_FORM_ANY_VALUE, value.text, NULL, NULL);
    if (value.flag)
        value.flag = translate_emit(t, TRANSLATE_FORM_ANY_VALUE, value.flag, NULL, NULL);
    return value;
}

static struct translate_value take(struct translator *t, struct translate_scope *scope, bool own, struct place place,
                                   uint32_t offset)
{
    if (!place.source->fields[place.field].used)
        place.source->fields[place.field].value.offset = offset;
    struct translate_value value = translate_field_value(t, place.source, place.field);
    value.offset = offset;
    scope->touched++;
    t->columns_met++;
    if (scope->aggregate && scope->phase == TRANSLATE_PHASE_GROUPS && !t->refused)
        value = of_group(t, scope, own, place, value);
    return value;
}

static const struct sql_expr *find_alias(const struct translate_scope *scope, const char *name)
{
    for (uint32_t i = 0; scope->aliases && i < scope->aliases->count; i++)
        if (same_name(scope->aliases->items[i].alias.text, name))
            return scope->aliases->items[i].expr;
    return NULL;
}

static struct translate_value alias_value(struct translator *t, struct translate_scope *scope,
                                          const struct sql_expr *expr)
{
    const struct sql_items *aliases = scope->aliases;
    scope->aliases = NULL; /* an alias doesn't see aliases */
    struct translate_value value = translate_expression(t, scope, expr);
    scope->aliases = aliases;
    return value;
}

static struct translate_value not_a_column(struct translator *t, const struct sql_expr *expr)
{
    if (!expr->table.text && expr->name.quote == '"' && !t->cut)
        return translate_value_text(t, expr->name.text, expr->name.length, expr->offset);
    if (!expr->table.text && !expr->name.quote && same_name(expr->name.text, "true"))
        return translate_value_integer(t, 1, expr->offset);
    if (!expr->table.text && !expr->name.quote && same_name(expr->name.text, "false"))
        return translate_value_integer(t, 0, expr->offset);
    translate_refuse(t, expr->offset, "unknown name", "no column of that name was found");
    return translate_value_null(t, expr->offset);
}

struct translate_value translate_resolve(struct translator *t, struct translate_scope *scope,
                                         const struct sql_expr *expr)
{
    for (struct translate_scope *level = scope; level; level = level->outer) {
        struct place place;
        uint32_t found = find_at(level, expr, &place);
        if (found > 1)
            translate_refuse(t, expr->offset, "ambiguous name", "several columns have it");
        if (found)
            return take(t, level, level == scope, place, expr->offset);
        const struct sql_expr *alias = expr->table.text ? NULL : find_alias(level, expr->name.text);
        if (alias && level == scope)
            return alias_value(t, level, alias);
        if (alias)
            break; /* an outer level's alias: leave it to SQLite */
    }
    return not_a_column(t, expr);
}

bool translate_name_is_column(const struct translate_scope *scope, const struct sql_expr *expr)
{
    struct place place;
    for (; scope; scope = scope->outer)
        if (find_at(scope, expr, &place) || (!expr->table.text && find_alias(scope, expr->name.text)))
            return true;
    return false;
}

int32_t translate_source_of(const struct translate_scope *scope, const struct sql_expr *expr)
{
    struct place place;
    return find_at(scope, expr, &place) == 1 ? (int32_t)(place.source - scope->sources) : -1;
}

/* ---- Ranges ---- */

static bool constant_number(struct translator *t, const struct sql_expr *expr, struct rhei_value *out)
{
    double sign = 1;
    while (expr->kind == SQL_EXPR_UNARY && (expr->op == SQL_OP_NEGATE || expr->op == SQL_OP_PLUS)) {
        sign = expr->op == SQL_OP_NEGATE ? -sign : sign;
        expr = expr->left;
    }
    struct rhei_value value = {.type = RHEI_NULL};
    translate_look_at(t, expr);
    if (expr->kind == SQL_EXPR_INTEGER) {
        value.type = RHEI_INTEGER;
        value.as.integer = expr->value.integer;
    } else if (expr->kind == SQL_EXPR_REAL) {
        value.type = RHEI_REAL;
        value.as.real = expr->value.real;
    } else if (expr->kind == SQL_EXPR_PARAMETER && expr->value.number <= t->options->parameter_count) {
        value = t->options->parameters[expr->value.number - 1];
    }
    if (value.type == RHEI_INTEGER && value.as.integer != INT64_MIN)
        value.as.integer = sign < 0 ? -value.as.integer : value.as.integer;
    else if (value.type == RHEI_REAL)
        value.as.real *= sign;
    else
        return false;
    *out = value;
    return true;
}

static double number_of(const struct rhei_value *value)
{
    return value->type == RHEI_INTEGER ? (double)value->as.integer : value->as.real;
}

static void narrow(struct translate_scan_column *used, const struct rhei_value *low, const struct rhei_value *high)
{
    if (low && (!used->has_low || number_of(low) > number_of(&used->low))) {
        used->has_low = true;
        used->low = *low;
    }
    if (high && (!used->has_high || number_of(high) < number_of(&used->high))) {
        used->has_high = true;
        used->high = *high;
    }
}

static struct translate_scan_column *ranged_column(struct translator *t, struct translate_scope *scope,
                                                   const struct sql_expr *expr, uint32_t *scan)
{
    struct place place;
    if (expr->kind != SQL_EXPR_COLUMN || find_at(scope, expr, &place) != 1 || place.source->scan < 0)
        return NULL;
    struct translate_field *field = &place.source->fields[place.field];
    if (!field->used || !translate_is_number(field->value))
        return NULL;
    *scan = (uint32_t)place.source->scan;
    return note_scan_column(t, place.source, (uint32_t)field->column);
}

static int compare_bytes(const struct rhei_value *a, const struct rhei_value *b)
{
    uint32_t length = a->length < b->length ? a->length : b->length;
    int order = length ? memcmp(a->as.bytes, b->as.bytes, length) : 0;
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* Of texts, which only tell the column store how many rows to expect. */
static void note_text(struct translator *t, struct translate_scope *scope, const struct sql_expr *column,
                      const struct sql_expr *constant, enum sql_op op)
{
    struct place place;
    if (constant->kind != SQL_EXPR_TEXT || translate_held_number(t, constant) >= 0 || column->kind != SQL_EXPR_COLUMN ||
        find_at(scope, column, &place) != 1 || place.source->scan < 0)
        return;
    const struct translate_field *field = &place.source->fields[place.field];
    if (!field->used || field->value.cls != TRANSLATE_CLASS_TEXT || !translate_is_binary(field->value))
        return;
    struct translate_scan_column *used = note_scan_column(t, place.source, (uint32_t)field->column);
    struct rhei_value value = {.type = RHEI_TEXT,
                               .as.bytes =
                                   sql_arena_text(t->arena, constant->value.text.bytes, constant->value.text.length),
                               .length = constant->value.text.length};
    bool low = op == SQL_OP_EQ || op == SQL_OP_GT || op == SQL_OP_GE;
    bool high = op == SQL_OP_EQ || op == SQL_OP_LT || op == SQL_OP_LE;
    if (value.as.bytes && low && (!used->has_low || compare_bytes(&value, &used->low) > 0)) {
        used->has_low = true;
        used->low = value;
    }
    if (value.as.bytes && high && (!used->has_high || compare_bytes(&value, &used->high) < 0)) {
        used->has_high = true;
        used->high = value;
    }
}

static void note_comparison(struct translator *t, struct translate_scope *scope, const struct sql_expr *column,
                            const struct sql_expr *constant, enum sql_op op)
{
    uint32_t scan;
    struct translate_scan_column *used = ranged_column(t, scope, column, &scan);
    struct rhei_value value;
    note_text(t, scope, column, constant, op);
    if (!used)
        return;
    int32_t held = translate_held_number(t, constant);
    if (held >= 0) {
        if (op == SQL_OP_EQ || op == SQL_OP_GT || op == SQL_OP_GE)
            translate_bound_by_held(t, scan, used->column, true, (uint32_t)held);
        if (op == SQL_OP_EQ || op == SQL_OP_LT || op == SQL_OP_LE)
            translate_bound_by_held(t, scan, used->column, false, (uint32_t)held);
        return;
    }
    if (!constant_number(t, constant, &value))
        return;
    if (op == SQL_OP_EQ || op == SQL_OP_GT || op == SQL_OP_GE)
        narrow(used, &value, NULL);
    if (op == SQL_OP_EQ || op == SQL_OP_LT || op == SQL_OP_LE)
        narrow(used, NULL, &value);
}

static void note_list(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr)
{
    uint32_t scan;
    struct translate_scan_column *used = ranged_column(t, scope, expr->left, &scan);
    struct rhei_value low = {0}, high = {0}, value;
    if (!used || !expr->list || !expr->list->count)
        return;
    for (uint32_t i = 0; i < expr->list->count; i++)
        if (translate_held_number(t, expr->list->items[i].expr) >= 0)
            return; /* the smallest and largest would depend on its value */
    for (uint32_t i = 0; i < expr->list->count; i++) {
        if (!constant_number(t, expr->list->items[i].expr, &value))
            return;
        if (i == 0 || number_of(&value) < number_of(&low))
            low = value;
        if (i == 0 || number_of(&value) > number_of(&high))
            high = value;
    }
    narrow(used, &low, &high);
}

void translate_note_ranges(struct translator *t, struct translate_scope *scope, const struct sql_expr *condition)
{
    if (!condition || t->refused)
        return;
    if (condition->kind == SQL_EXPR_BINARY && condition->op == SQL_OP_AND) {
        translate_note_ranges(t, scope, condition->left);
        translate_note_ranges(t, scope, condition->right);
    } else if (condition->kind == SQL_EXPR_BINARY && condition->op >= SQL_OP_EQ && condition->op <= SQL_OP_GE) {
        note_comparison(t, scope, condition->left, condition->right, condition->op);
        note_comparison(t, scope, condition->right, condition->left, sql_op_mirrored(condition->op));
    } else if (condition->kind == SQL_EXPR_BETWEEN && !condition->negated) {
        note_comparison(t, scope, condition->left, condition->right, SQL_OP_GE);
        note_comparison(t, scope, condition->left, condition->third, SQL_OP_LE);
    } else if (condition->kind == SQL_EXPR_IN_LIST && !condition->negated) {
        note_list(t, scope, condition);
    }
}
