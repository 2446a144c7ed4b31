/* SPDX-License-Identifier: Apache-2.0 */
/* One plan for many texts and parameters: which constants may differ, and how their values get into an execution. */
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "route/route_internal.h"

/* Bytes that no SQL text has outside of quotes. */
static const char literal_marks[] = {
    [RHEI_NULL] = 1, [RHEI_INTEGER] = 2, [RHEI_REAL] = 3, [RHEI_TEXT] = 4, [RHEI_BLOB] = 5};

static bool may_be_select(const char *text, size_t len)
{
    while (len > 0 && (*text == ' ' || *text == '\n' || *text == '\t' || *text == '\r')) {
        text++;
        len--;
    }
    return len > 6 && (base_fold_equal(text, 6, "select", 6) || base_fold_equal(text, 4, "with", 4));
}

/* Byte for byte the text, but for the literals: result columns are named by their text. */
rhei_status route_template_make(struct route_statement *statement, struct rhei_error *error)
{
    struct sql_normal *normal = &statement->normal;
    struct base_buffer *template = &statement->template;
    if (!may_be_select(statement->text, statement->len))
        return RHEI_OK;
    rhei_status status = sql_normalise(statement->text, statement->len, normal, NULL);
    if (status != RHEI_OK || normal->literal_count == 0) {
        sql_normal_reset(normal);
        return status == RHEI_NO_MEMORY ? error_no_memory(error) : RHEI_OK;
    }
    size_t at = 0;
    for (uint32_t i = 0; i < normal->literal_count; i++) {
        const struct sql_literal *literal = &normal->literals[i];
        base_buffer_append(template, statement->text + at, literal->offset - at);
        base_buffer_char(template, literal_marks[literal->value.type]);
        at = literal->offset + literal->length;
    }
    base_buffer_append(template, statement->text + at, statement->len - at);
    return template->failed ? error_no_memory(error) : RHEI_OK;
}

struct route_statement *route_plans_owner(struct route_statement *statement)
{
    return statement->model != NULL ? statement->model : statement;
}

static bool constant_fits(bool free, const struct rhei_value *now, const struct rhei_value *then)
{
    return free ? now->type == then->type && translate_value_holds(now) : route_value_same(now, then);
}

/* A literal that isn't free must be spelled alike too. */
static bool literals_fit(const struct route_plan *plan, const struct route_statement *statement)
{
    if (plan->literals == NULL || plan->literal_count != statement->normal.literal_count)
        return false;
    const bool *free = plan->translation->free_literals;
    for (uint32_t i = 0; i < plan->literal_count; i++) {
        const struct sql_literal *then = &plan->literals[i], *now = &statement->normal.literals[i];
        if (free != NULL && free[i]
                ? now->value.type != then->value.type || !translate_value_holds(&now->value)
                : now->length != then->length ||
                      memcmp(statement->text + now->offset, plan->text + then->offset, now->length) != 0)
            return false;
    }
    return true;
}

/* Spelled so that SQLite has nothing to say against it, whatever its value: no 0x, no underscore, no exponent. */
static bool is_plain_number(const struct sql_literal *literal, const char *text)
{
    if (literal->value.type != RHEI_INTEGER && literal->value.type != RHEI_REAL)
        return false;
    for (size_t i = 0; i < literal->length; i++)
        if ((unsigned char)(text[literal->offset + i] - '0') > 9 && text[literal->offset + i] != '.')
            return false;
    return true;
}

/* All literals of a direct shape are ends of ranges in its WHERE (translate_direct_shape), which its tree tells at each execution. */
static bool literals_are_plain(const struct route_statement *statement)
{
    for (uint32_t i = 0; i < statement->normal.literal_count; i++)
        if (!is_plain_number(&statement->normal.literals[i], statement->text))
            return false;
    return true;
}

bool route_model_fits(struct route_statement *model, const struct route_statement *statement)
{
    bool fits = false;
    if (atomic_load_explicit(&model->avoided, memory_order_relaxed) ||
        atomic_load_explicit(&model->hold_off, memory_order_relaxed))
        return false;
    if (model->direct && literals_are_plain(statement))
        return true;
    base_mutex_lock(&model->lock);
    for (size_t i = 0; i < ROUTE_PLANS_KEPT && !fits; i++)
        fits = model->plans[i] != NULL && literals_fit(model->plans[i], statement);
    base_mutex_unlock(&model->lock);
    return fits;
}

void route_light_make(struct route_statement *statement, struct route_statement *model)
{
    statement->model = route_statement_share(model);
    statement->facts = model->facts;
    statement->schema_version = model->schema_version;
    statement->target = model->target;
    statement->rule = model->rule;
    statement->direct = model->direct;
    statement->rule_offset = model->rule_offset;
}

rhei_status route_statement_tree(struct route_statement *statement, struct rhei_error *error)
{
    base_mutex_lock(&statement->lock);
    rhei_status status = RHEI_OK;
    if (statement->tree == NULL)
        status = sql_parse(statement->text, statement->len, &statement->tree, error);
    base_mutex_unlock(&statement->lock);
    return status;
}

rhei_status route_plan_keep_literals(struct route_plan *plan, const struct route_statement *statement,
                                     struct rhei_error *error)
{
    if (!statement->holds_literals)
        return RHEI_OK;
    plan->literal_count = statement->normal.literal_count;
    plan->literals = base_alloc(plan->literal_count * sizeof *plan->literals);
    plan->text = base_strndup(statement->text, statement->len);
    if (plan->literals == NULL || plan->text == NULL)
        return error_no_memory(error);
    memcpy(plan->literals, statement->normal.literals, plan->literal_count * sizeof *plan->literals);
    return RHEI_OK;
}

bool route_plan_takes(const struct route_plan *plan, const struct route_statement *statement,
                      const struct rhei_value *params, uint32_t param_count)
{
    if (plan->param_count != param_count)
        return false;
    const bool *free = plan->translation->free_parameters;
    for (uint32_t i = 0; i < param_count; i++)
        if (!constant_fits(free != NULL && free[i], &params[i], &plan->params[i]))
            return false;
    /* Without literals it was made for this very text. */
    return plan->literals != NULL ? literals_fit(plan, statement) : statement->model == NULL;
}

bool route_held_fits(const struct translation *translation)
{
    uint32_t ranges = translation->held_bound_count;
    for (uint32_t s = 0; s < translation->scan_count; s++)
        for (uint32_t c = 0; c < translation->scans[s].column_count; c++)
            ranges += translation->scans[s].columns[c].has_low || translation->scans[s].columns[c].has_high;
    return translation->held_count <= ROUTE_HELD_MAX && ranges <= ROUTE_HELD_MAX;
}

static double number_of(const struct rhei_value *value)
{
    return value->type == RHEI_INTEGER ? (double)value->as.integer : value->as.real;
}

/* Of two bounds both hold, so either would do: the tighter one spares more. */
static void tighten(struct executor_range *range, bool low, const struct rhei_value *bound)
{
    struct rhei_value *end = low ? &range->low : &range->high;
    bool tighter =
        end->type == RHEI_NULL || (low ? number_of(bound) > number_of(end) : number_of(bound) < number_of(end));
    if (tighter)
        *end = *bound;
}

void route_plan_fill(const struct route_plan *plan, const struct route_statement *statement,
                     const struct rhei_value *params, struct route_filled *filled, struct executor_query *query)
{
    const struct translation *translation = plan->translation;
    for (uint32_t i = 0; i < translation->held_count; i++) {
        const struct translate_held *held = &translation->held[i];
        filled->values[i] = held->literal ? statement->normal.literals[held->index].value : params[held->index];
    }
    query->values = filled->values;
    query->value_count = translation->held_count;
    if (translation->held_bound_count == 0)
        return;
    memcpy(filled->ranges, plan->ranges, plan->range_count * sizeof *filled->ranges);
    query->ranges = filled->ranges;
    for (uint32_t b = 0; b < translation->held_bound_count; b++) {
        const struct translate_held_bound *bound = &translation->held_bounds[b];
        for (uint32_t r = 0; r < plan->range_count; r++)
            if (filled->ranges[r].scan == bound->scan && filled->ranges[r].column == bound->column)
                tighten(&filled->ranges[r], bound->low, &filled->values[bound->held]);
    }
}
