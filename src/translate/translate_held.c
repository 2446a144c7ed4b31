/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constants whose values stay outside the text, so that one text serves many values.
 *
 * Invariants:
 * 1. A held constant is a value of its class of which nothing is known: no bounds, no bytes, not constant. So whatever
 *    is proven about the text holds for every value of the class that translate_value_holds().
 * 2. A constant is free only if all it ever was is held: one look at its value, anywhere, and the text is for that value.
 * 3. Only WHERE and HAVING of the outermost SELECT hold constants. Column names come from the result list's own text, so
 *    they don't depend on a free literal.
 */
#include <math.h>
#include <string.h>

#include "base/base_utf8.h"
#include "translate/translate_internal.h"

bool translate_value_holds(const struct rhei_value *value)
{
    switch (value->type) {
    case RHEI_INTEGER:
        return true;
    case RHEI_REAL:
        return isfinite(value->as.real);
    case RHEI_TEXT:
        return value->length == 0 ||
               (!memchr(value->as.bytes, 0, value->length) && base_utf8_valid(value->as.bytes, value->length));
    default:
        return false;
    }
}

bool translate_is_leaf(const struct sql_expr *expr)
{
    return expr->kind == SQL_EXPR_INTEGER || expr->kind == SQL_EXPR_REAL || expr->kind == SQL_EXPR_TEXT ||
           expr->kind == SQL_EXPR_PARAMETER;
}

static int32_t literal_at(const struct translator *t, uint32_t offset)
{
    uint32_t low = 0, high = t->options->literals ? t->options->literal_count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->options->literals[middle].offset == offset)
            return (int32_t)middle;
        if (t->options->literals[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* Which of the statement's constants it is. A view's literals aren't the statement's. */
static bool find(const struct translator *t, const struct sql_expr *expr, bool *literal, uint32_t *index)
{
    if (expr->kind == SQL_EXPR_PARAMETER) {
        *literal = false;
        *index = expr->value.number - 1;
        return t->options->parameters && expr->value.number >= 1 && *index < t->options->parameter_count;
    }
    int32_t found = translate_is_leaf(expr) && !t->view ? literal_at(t, expr->offset) : -1;
    *literal = true;
    *index = (uint32_t)found;
    return found >= 0;
}

static const struct rhei_value *value_of(const struct translator *t, bool literal, uint32_t index)
{
    return literal ? &t->options->literals[index].value : &t->options->parameters[index];
}

/* The literal that was taken out of the text is the one that the tree holds. */
static bool same_literal(const struct sql_expr *expr, const struct rhei_value *value)
{
    switch (expr->kind) {
    case SQL_EXPR_INTEGER:
        return value->type == RHEI_INTEGER && value->as.integer == expr->value.integer;
    case SQL_EXPR_REAL:
        return value->type == RHEI_REAL && !(value->as.real < expr->value.real) && !(value->as.real > expr->value.real);
    case SQL_EXPR_TEXT:
        return value->type == RHEI_TEXT && value->length == expr->value.text.length &&
               (!value->length || memcmp(value->as.bytes, expr->value.text.bytes, value->length) == 0);
    default:
        return expr->kind == SQL_EXPR_PARAMETER;
    }
}

/* Does the class alone say how such a constant compares with `other`? */
static bool class_suffices(uint8_t type, struct translate_value other)
{
    bool numeric = other.affinity == TRANSLATE_AFFINITY_NUMERIC || other.affinity == TRANSLATE_AFFINITY_INTEGER ||
                   other.affinity == TRANSLATE_AFFINITY_REAL;
    switch (type) {
    case RHEI_INTEGER: /* a double holds what is near a small number, and tells apart what isn't */
        return other.cls == TRANSLATE_CLASS_INTEGER || (translate_is_number(other) && translate_is_small(other));
    case RHEI_REAL:
        return other.cls == TRANSLATE_CLASS_REAL || other.cls == TRANSLATE_CLASS_MIXED ||
               (other.cls == TRANSLATE_CLASS_INTEGER && translate_is_small(other));
    case RHEI_TEXT: /* a NUMERIC side would read the text as a number */
        return other.cls == TRANSLATE_CLASS_TEXT && !numeric && other.affinity != TRANSLATE_AFFINITY_UNKNOWN;
    default:
        return false;
    }
}

static int32_t held_at(const struct translator *t, bool literal, uint32_t index)
{
    for (uint32_t i = 0; i < t->out->held_count; i++)
        if (t->held[i].literal == literal && t->held[i].index == index)
            return (int32_t)i;
    return -1;
}

static int32_t held_add(struct translator *t, bool literal, uint32_t index, uint8_t type)
{
    if (!sql_arena_grow(t->arena, (void **)&t->held, t->out->held_count, &t->held_capacity, sizeof *t->held)) {
        t->failed = true;
        return -1;
    }
    BASE_INVARIANT(type == RHEI_INTEGER || type == RHEI_REAL || type == RHEI_TEXT);
    t->held[t->out->held_count] = (struct translate_held){literal, index, type};
    return (int32_t)t->out->held_count++;
}

bool translate_hold(struct translator *t, const struct sql_expr *expr, struct translate_value other,
                    struct translate_value *value)
{
    bool literal;
    uint32_t index;
    if (!t->in_condition || t->refused || t->failed || !translate_is_leaf(expr) || !find(t, expr, &literal, &index))
        return false;
    const struct rhei_value *constant = value_of(t, literal, index);
    if (!translate_value_holds(constant) || !same_literal(expr, constant) ||
        !class_suffices((uint8_t)constant->type, other))
        return false;
    int32_t number = held_at(t, literal, index);
    if (number < 0)
        number = held_add(t, literal, index, (uint8_t)constant->type);
    if (number < 0)
        return false;
    enum translate_class cls = constant->type == RHEI_INTEGER ? TRANSLATE_CLASS_INTEGER
                               : constant->type == RHEI_REAL  ? TRANSLATE_CLASS_REAL
                                                              : TRANSLATE_CLASS_TEXT;
    enum translate_form form = cls == TRANSLATE_CLASS_INTEGER ? TRANSLATE_FORM_HELD_INTEGER
                               : cls == TRANSLATE_CLASS_REAL  ? TRANSLATE_FORM_HELD_REAL
                                                              : TRANSLATE_FORM_HELD_TEXT;
    *value =
        translate_value_make(translate_emit(t, form, translate_format(t, "%d", number), NULL, NULL), cls, expr->offset);
    value->nullable = false;
    BASE_INVARIANT(!value->constant && t->in_condition); /* 9: nothing is known of it */
    return true;
}

void translate_look_at(struct translator *t, const struct sql_expr *expr)
{
    bool literal;
    uint32_t index;
    if (!t->looked_at_parameters || !find(t, expr, &literal, &index))
        return;
    bool *looked_at = literal ? t->looked_at_literals : t->looked_at_parameters;
    looked_at[index] = true;
}

int32_t translate_held_number(const struct translator *t, const struct sql_expr *expr)
{
    bool literal;
    uint32_t index;
    if (!t->out->held_count || !find(t, expr, &literal, &index))
        return -1;
    int32_t number = held_at(t, literal, index);
    return number >= 0 && t->held[number].type == RHEI_TEXT ? -1 : number;
}

void translate_bound_by_held(struct translator *t, uint32_t scan, uint32_t column, bool low, uint32_t held)
{
    uint32_t count = t->out->held_bound_count;
    if (!sql_arena_grow(t->arena, (void **)&t->held_bounds, count, &t->bound_capacity, sizeof *t->held_bounds)) {
        t->failed = true;
        return;
    }
    BASE_INVARIANT(held < t->out->held_count && scan < t->out->scan_count);
    t->held_bounds[count] = (struct translate_held_bound){scan, column, low, held};
    t->out->held_bound_count++;
}

static bool *flags_new(struct translator *t, uint32_t count)
{
    bool *flags = sql_arena_alloc(t->arena, (size_t)count + 1);
    if (flags)
        memset(flags, 0, (size_t)count + 1);
    t->failed = t->failed || !flags;
    return flags;
}

bool translate_held_begin(struct translator *t)
{
    if (!t->options->hold)
        return true;
    t->looked_at_parameters = flags_new(t, t->options->parameter_count);
    t->looked_at_literals = flags_new(t, t->options->literal_count);
    return !t->failed;
}

void translate_held_finish(struct translator *t)
{
    struct translation *out = t->out;
    if (!out->held_count || t->failed)
        return;
    bool *parameters = flags_new(t, t->options->parameter_count), *literals = flags_new(t, t->options->literal_count);
    if (t->failed)
        return;
    for (uint32_t i = 0; i < out->held_count; i++) {
        uint32_t index = t->held[i].index;
        BASE_INVARIANT(index < (t->held[i].literal ? t->options->literal_count : t->options->parameter_count));
        if (t->held[i].literal)
            literals[index] = !t->looked_at_literals[index];
        else
            parameters[index] = !t->looked_at_parameters[index];
    }
    out->held = t->held;
    out->held_bounds = t->held_bounds;
    out->free_parameters = parameters;
    out->free_literals = literals;
}
