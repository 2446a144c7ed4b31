/* SPDX-License-Identifier: Apache-2.0 */
/* Second step: the statement in the executor's words, proven for one snapshot, kept for as long as the proof holds. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_buffer.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "route/route_internal.h"

void route_plan_release(struct route_plan **plan)
{
    struct route_plan *going = *plan;
    *plan = NULL;
    if (going == NULL || atomic_fetch_sub_explicit(&going->references, 1, memory_order_acq_rel) != 1)
        return;
    translation_free(&going->translation);
    base_free(going->params);
    base_free(going->tables);
    base_free(going->ranges);
    base_free(going->columns);
    base_free(going->text);
    base_free(going->literals);
    base_free(going->plan_key);
    base_free(going);
}

static struct route_plan *plan_keep(struct route_plan *plan)
{
    atomic_fetch_add_explicit(&plan->references, 1, memory_order_relaxed);
    return plan;
}

const struct translation *route_plan_translation(const struct route_plan *plan)
{
    return plan->translation;
}

static bool value_has_bytes(const struct rhei_value *value)
{
    return value->type == RHEI_TEXT || value->type == RHEI_BLOB;
}

bool route_value_same(const struct rhei_value *a, const struct rhei_value *b)
{
    if (a->type != b->type)
        return false;
    if (value_has_bytes(a))
        return a->length == b->length && (a->length == 0 || memcmp(a->as.bytes, b->as.bytes, a->length) == 0);
    return a->type == RHEI_NULL || memcmp(&a->as, &b->as, sizeof a->as) == 0;
}

/* One block: the values, then their bytes. */
static struct rhei_value *values_copy(const struct rhei_value *values, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += value_has_bytes(&values[i]) ? values[i].length : 0;
    struct rhei_value *copy = base_alloc(count * sizeof *copy + bytes + 1);
    if (copy == NULL)
        return NULL;
    char *at = (char *)(copy + count);
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = values[i];
        if (value_has_bytes(&values[i])) {
            if (values[i].length > 0)
                memcpy(at, values[i].as.bytes, values[i].length);
            copy[i].as.bytes = at;
            at += values[i].length;
        }
    }
    return copy;
}

/* Rows of all tables that the text scans. */
static double rows_scanned(const struct translation *translation, const struct mirror_snapshot *snapshot)
{
    double rows = 0;
    for (uint32_t s = 0; s < translation->scan_count; s++) {
        const struct mirror_table_view *view = mirror_view(snapshot, translation->scans[s].table);
        rows += view == NULL ? 0 : (double)mirror_view_row_count(view);
    }
    return rows;
}

static bool scan_holds(const struct translate_scan *scan, const struct mirror_table_view *view)
{
    if (view == NULL)
        return false;
    for (uint32_t i = 0; i < scan->column_count; i++) {
        const struct translate_scan_column *used = &scan->columns[i];
        struct translate_column now = {.flags = mirror_view_column_flags(view, used->column)};
        now.has_range = mirror_view_range(view, used->column, &now.low, &now.high);
        if (!translate_scan_column_holds(used, &now))
            return false;
    }
    return true;
}

/* A table's number is of its columns, so nothing but the snapshot has to be looked at. */
static bool plan_holds(const struct route_plan *plan, const struct mirror_snapshot *snapshot)
{
    const struct translation *translation = plan->translation;
    if (translation->held_count > 0 && rows_scanned(translation, snapshot) > 2 * ROUTE_HELD_ROWS)
        return false;
    for (uint32_t s = 0; s < translation->scan_count; s++)
        if (!scan_holds(&translation->scans[s], mirror_view(snapshot, translation->scans[s].table)))
            return false;
    return true;
}

static struct route_plan *plan_find(struct route_statement *statement, const struct mirror_snapshot *snapshot,
                                    const struct rhei_value *params, uint32_t param_count)
{
    struct route_plan *found = NULL;
    struct route_statement *owner = route_plans_owner(statement);
    bool hold_off = atomic_load_explicit(&owner->hold_off, memory_order_relaxed);
    base_mutex_lock(&owner->lock);
    for (size_t i = 0; i < ROUTE_PLANS_KEPT && found == NULL; i++) {
        struct route_plan *plan = owner->plans[i];
        if (plan == NULL || !route_plan_takes(plan, statement, params, param_count))
            continue;
        if (plan_holds(plan, snapshot) && !(hold_off && plan->translation->held_count > 0)) {
            plan->used = ++owner->clock;
            found = plan_keep(plan);
        } else {
            route_plan_release(&owner->plans[i]);
        }
    }
    base_mutex_unlock(&owner->lock);
    return found;
}

static void plan_store(struct route_statement *statement, struct route_plan *plan)
{
    statement = route_plans_owner(statement);
    if (plan->translation->held_count > 0)
        atomic_store_explicit(&statement->held, true, memory_order_relaxed);
    base_mutex_lock(&statement->lock);
    size_t oldest = 0;
    for (size_t i = 1; i < ROUTE_PLANS_KEPT; i++) {
        uint64_t used = statement->plans[i] != NULL ? statement->plans[i]->used : 0;
        if (statement->plans[oldest] != NULL && used < statement->plans[oldest]->used)
            oldest = i;
    }
    route_plan_release(&statement->plans[oldest]);
    plan->used = ++statement->clock;
    statement->plans[oldest] = plan_keep(plan);
    base_mutex_unlock(&statement->lock);
}

/* An executor's plan has the columns' forms bound into it: two that differ there must not share a key. */
static char *plan_key_make(const struct translation *translation, struct route_catalog *catalog)
{
    struct base_buffer key = {0};
    for (uint32_t s = 0; s < translation->scan_count; s++) {
        const struct translate_table *table = route_catalog_by_id(catalog, translation->scans[s].table);
        base_buffer_format(&key, "%" PRIu32 ":", translation->scans[s].table);
        for (uint32_t c = 0; table != NULL && c < table->column_count; c++)
            base_buffer_char(&key, (char)('a' + translate_scan_form(table->columns[c].flags)));
    }
    base_buffer_char(&key, ';');
    return base_buffer_take(&key);
}

static bool has_range(const struct translation *translation, uint32_t scan, const struct translate_scan_column *column)
{
    bool held = false;
    for (uint32_t i = 0; i < translation->held_bound_count; i++)
        held =
            held || (translation->held_bounds[i].scan == scan && translation->held_bounds[i].column == column->column);
    return held || column->has_low || column->has_high;
}

static rhei_status plan_ranges(struct route_plan *plan, struct rhei_error *error)
{
    const struct translation *translation = plan->translation;
    size_t count = 0;
    for (uint32_t s = 0; s < translation->scan_count; s++)
        for (uint32_t c = 0; c < translation->scans[s].column_count; c++)
            count += has_range(translation, s, &translation->scans[s].columns[c]);
    if (count == 0)
        return RHEI_OK;
    plan->ranges = base_alloc_zero(count, sizeof *plan->ranges);
    if (plan->ranges == NULL)
        return error_no_memory(error);
    for (uint32_t s = 0; s < translation->scan_count; s++) {
        for (uint32_t c = 0; c < translation->scans[s].column_count; c++) {
            const struct translate_scan_column *column = &translation->scans[s].columns[c];
            if (!has_range(translation, s, column))
                continue;
            struct executor_range *range = &plan->ranges[plan->range_count++];
            *range = (struct executor_range){.scan = s, .column = column->column};
            if (column->has_low)
                range->low = column->low;
            if (column->has_high)
                range->high = column->high;
        }
    }
    return RHEI_OK;
}

static rhei_status plan_columns(struct route_plan *plan, struct rhei_error *error)
{
    const struct translation *translation = plan->translation;
    size_t count = 0;
    for (uint32_t s = 0; s < translation->scan_count; s++)
        count += translation->scans[s].column_count;
    plan->columns = base_alloc_zero(count, sizeof *plan->columns); /* also for none: that is known, then */
    if (plan->columns == NULL)
        return error_no_memory(error);
    for (uint32_t s = 0; s < translation->scan_count; s++) {
        for (uint32_t c = 0; c < translation->scans[s].column_count; c++) {
            const struct translate_scan_column *column = &translation->scans[s].columns[c];
            plan->columns[plan->column_count++] =
                (struct executor_column){.scan = s, .column = column->column, .flags = column->flags};
        }
    }
    return RHEI_OK;
}

static bool line_is(const char *line, const char *start)
{
    return strncmp(line, start, strlen(start)) == 0;
}

static bool line_has(const char *line, const char *word)
{
    const char *end = strchr(line, '\n'), *found = strstr(line, word);
    return found != NULL && (end == NULL || found < end);
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');
    return end != NULL && end[1] != '\0' ? end + 1 : NULL;
}

/*
 * Does the outermost query read one table in the order of its rowids? Its lines are those without indentation: one loop,
 * over the table itself or a range of its rowids, forward; sorting and subqueries beside it don't change which rows come first,
 * nor do EXISTS loops inside it.
 */
static bool plan_scans_by_rowid(const char *text)
{
    int loops = 0;
    for (const char *line = *text != '\0' ? text : NULL; line != NULL; line = next_line(line)) {
        bool scan = line_is(line, "SCAN "), search = line_is(line, "SEARCH ");
        if (line[0] == ' ' || ((scan || search) && line_has(line, " EXISTS")))
            continue;
        if (!scan && !search) {
            if (!line_is(line, "USE TEMP B-TREE") && !line_has(line, "SUBQUERY"))
                return false;
            continue;
        }
        bool by_rowid = scan ? !line_has(line, " INDEX ") && !line_has(line, " USING ") && !line_has(line, "(subquery")
                             : line_has(line, "USING INTEGER PRIMARY KEY (rowid");
        if (!by_rowid || ++loops > 1)
            return false;
    }
    return loops == 1;
}

/* SQLite's order of rows is known only for a plain scan in rowid order; its plan tells. */
static bool scan_order_holds(struct route *route, struct route_statement *statement,
                             const struct translation *translation)
{
    return translation->assumes_scan_of < 0 || route_oltp_plan_has(route, statement, plan_scans_by_rowid);
}

static bool plan_sorts_groups(const char *text)
{
    for (const char *line = text; line != NULL; line = next_line(line))
        if (line_is(line, "USE TEMP B-TREE FOR GROUP BY")) /* not indented: of the outermost query */
            return true;
    return false;
}

/* Groups that tie come in the order of their keys only if SQLite sorts for GROUP BY. */
static bool group_order_holds(struct route *route, struct route_statement *statement,
                              const struct translation *translation)
{
    return !translation->assumes_group_sort || route_oltp_plan_has(route, statement, plan_sorts_groups);
}

static bool order_holds(struct route *route, struct route_statement *statement, const struct translation *translation)
{
    return scan_order_holds(route, statement, translation) && group_order_holds(route, statement, translation);
}

/* A text with values outside of it is good only for little work. */
static bool holding_pays(const struct translation *translation, struct route_catalog *catalog)
{
    return route_held_fits(translation) && rows_scanned(translation, catalog->snapshot) <= ROUTE_HELD_ROWS;
}

/* Assumes SQLite's order of rows where its plan says so; checks ties in the result where it doesn't. */
static rhei_status translate_in_order(struct route *route, struct route_statement *statement,
                                      struct route_catalog *catalog, struct translate_options options,
                                      struct translation **translation, bool *in_order, struct rhei_error *error)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        options.check_ties = attempt > 0;
        rhei_status status = translate_select(statement->tree, &catalog->catalog, &options, translation, error);
        if (status != RHEI_OK)
            return status;
        if (!(*translation)->translated)
            break;
        *in_order = order_holds(route, statement, *translation);
        if (*in_order || attempt > 0)
            break;
        translation_free(translation);
    }
    return RHEI_OK;
}

/* Constants stay outside the text where that pays. */
static rhei_status translate_constants(struct route *route, const struct translate_dialect *dialect,
                                       struct route_statement *statement, struct route_catalog *catalog,
                                       const struct rhei_value *params, uint32_t param_count,
                                       struct translation **translation, bool *in_order, struct rhei_error *error)
{
    struct route_statement *owner = route_plans_owner(statement);
    struct translate_options options = {.dialect = dialect, .parameters = params, .parameter_count = param_count};
    if (statement->holds_literals) {
        options.literals = statement->normal.literals;
        options.literal_count = statement->normal.literal_count;
    }
    options.hold =
        (param_count > 0 || statement->holds_literals) && !atomic_load_explicit(&owner->hold_off, memory_order_relaxed);
    rhei_status status = route_statement_tree(statement, error);
    if (status == RHEI_OK)
        status = translate_in_order(route, statement, catalog, options, translation, in_order, error);
    if (status != RHEI_OK || (*translation)->held_count == 0 || catalog->failed)
        return status;
    if ((*translation)->translated && *in_order && holding_pays(*translation, catalog))
        return status;
    translation_free(translation);
    options.hold = false;
    return translate_in_order(route, statement, catalog, options, translation, in_order, error);
}

static rhei_status plan_translate(struct route *route, struct route_statement *statement, struct route_catalog *catalog,
                                  const struct rhei_value *params, uint32_t param_count, struct route_plan **out,
                                  struct route_choice *choice, struct rhei_error *error)
{
    struct translation *translation = NULL;
    bool in_order = false;
    const struct translate_dialect *dialect = translate_dialect_of(route->config.executor->ops->dialect);
    if (dialect == NULL) {
        choice->target = ROUTE_TO_OLTP;
        choice->rule = "not-translated";
        route_choice_reason(choice, "dialect: nothing is known of the language of %s",
                            route->config.executor->ops->name);
        return RHEI_OK;
    }
    rhei_status status =
        translate_constants(route, dialect, statement, catalog, params, param_count, &translation, &in_order, error);
    if (status != RHEI_OK)
        return status;
    if (catalog->failed) {
        translation_free(&translation);
        return error_no_memory(error);
    }
    if (!translation->translated || !in_order) {
        choice->target = ROUTE_TO_OLTP;
        choice->rule = translation->translated ? "order-by-plan" : "not-translated";
        if (translation->translated)
            route_choice_reason(choice, "the order of rows would follow SQLite's plan");
        else
            route_choice_reason(choice, "%s: %s", translation->refusal.construct, translation->refusal.reason);
        choice->offset =
            translation->translated || translation->refusal.view != NULL ? -1 : (int32_t)translation->refusal.offset;
        translation_free(&translation);
        return RHEI_OK;
    }
    struct route_plan *plan = base_alloc_zero(1, sizeof *plan);
    if (plan == NULL) {
        translation_free(&translation);
        return error_no_memory(error);
    }
    atomic_init(&plan->references, 1);
    plan->translation = translation;
    plan->param_count = param_count;
    plan->params = values_copy(params, param_count);
    plan->plan_key = plan_key_make(translation, catalog);
    status = plan->params == NULL || plan->plan_key == NULL ? error_no_memory(error) : plan_ranges(plan, error);
    if (status == RHEI_OK)
        status = plan_columns(plan, error);
    if (status == RHEI_OK)
        status = route_plan_keep_literals(plan, statement, error);
    if (status != RHEI_OK) {
        route_plan_release(&plan);
        return status;
    }
    plan_store(statement, plan);
    *out = plan;
    return RHEI_OK;
}

/* A light statement's literals are in no key, and it lives for one call: it remembers nothing. */
static rhei_status plan_or_refusal(struct route *route, struct route_statement *statement,
                                   struct route_catalog *catalog, const struct rhei_value *params, uint32_t param_count,
                                   struct route_plan **plan, struct route_choice *choice, struct rhei_error *error)
{
    bool remembers = statement->model == NULL;
    uint64_t key = remembers ? route_refusal_key(statement, catalog, params, param_count) : 0;
    if (remembers && !catalog->failed && route_refusal_holds(statement, key, choice))
        return RHEI_OK;
    rhei_status status = plan_translate(route, statement, catalog, params, param_count, plan, choice, error);
    if (status == RHEI_OK && *plan == NULL && remembers)
        route_refusal_keep(statement, key, choice);
    return status;
}

rhei_status route_plan_make(struct route *route, struct route_statement *statement, struct route_state *state,
                            const struct rhei_value *params, uint32_t param_count, struct route_plan **plan,
                            struct route_filled *filled, struct executor_query *query, struct route_choice *choice,
                            struct rhei_error *error)
{
    *plan = NULL;
    bool current = route_state_serves(state, statement);
    rhei_status status = RHEI_OK;
    if (current)
        *plan = plan_find(statement, &state->snapshot, params, param_count);
    /* Another text may have another plan in SQLite: an index on the rows where a column is just this. */
    if (*plan != NULL && statement->model != NULL && !order_holds(route, statement, (*plan)->translation))
        route_plan_release(plan);
    if (current && *plan == NULL) {
        struct route_catalog catalog;
        route_catalog_open(route, state, &catalog);
        status = plan_or_refusal(route, statement, &catalog, params, param_count, plan, choice, error);
        route_catalog_close(&catalog);
    }
    if (!current) {
        choice->target = ROUTE_TO_OLTP;
        choice->rule = "schema-changed";
        route_choice_reason(choice, "the schema changed while the statement was being routed");
    }
    if (*plan != NULL)
        *query = (struct executor_query){
            .sql = (*plan)->translation->text,
            .plan_key = (*plan)->plan_key,
            .snapshot = &state->snapshot,
            .schema_version = statement->schema_version,
            .ranges = (*plan)->ranges,
            .range_count = (*plan)->range_count,
            .columns = (*plan)->columns,
            .column_count = (*plan)->column_count,
        };
    if (*plan != NULL)
        route_plan_fill(*plan, statement, params, filled, query);
    return status;
}
