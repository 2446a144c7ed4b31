/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Window functions. Where rows tie in the window's ORDER BY, SQL leaves open which comes first; a function that shows it
 * is translated only if the order is total, or can be made so in the order in which SQLite reads its one table.
 */
#include <math.h>
#include <string.h>

#include "base/base_map.h"
#include "sql/sql_facts.h"
#include "translate/translate_internal.h"

/* A window's parts with those of the named windows it builds on. */
struct spec {
    const struct sql_items *partition, *order;
    const struct sql_window *frame; /* whose frame counts */
};

struct window {
    struct translate_scope *scope;
    const struct sql_expr *expr;
    const char *name;
    enum translate_form form;
    const char *over;
    struct translate_value *arguments;
    uint32_t count;
};

static struct translate_value refuse_window(struct translator *t, const struct sql_expr *expr, const char *reason)
{
    translate_refuse(t, expr->offset, translate_format(t, "%s() OVER", expr->name.text), reason);
    return translate_value_null(t, expr->offset);
}

static const struct sql_window *named(const struct translate_scope *scope, const char *name)
{
    for (const struct sql_window *w = scope->core ? scope->core->windows : NULL; w; w = w->next)
        if (base_fold_compare(w->name.text, name) == 0)
            return w;
    return NULL;
}

enum { NAMED_DEPTH = 20 };

static bool collect(const struct translate_scope *scope, const struct sql_window *window, struct spec *spec, int depth)
{
    if (window->unit != SQL_FRAME_NONE && !spec->frame)
        spec->frame = window;
    if (!spec->partition)
        spec->partition = window->partition;
    if (!spec->order)
        spec->order = window->order;
    if (!window->base.text)
        return true;
    const struct sql_window *base = named(scope, window->base.text);
    return base && depth < NAMED_DEPTH && collect(scope, base, spec, depth + 1);
}

/* ---- Text of the parts ---- */

static void partition_text(struct translator *t, struct translate_scope *scope, const struct spec *spec,
                           struct base_buffer *out, struct translate_value *keys, uint32_t *count)
{
    for (uint32_t i = 0; spec->partition && i < spec->partition->count; i++) {
        struct translate_value value = translate_expression(t, scope, spec->partition->items[i].expr);
        translate_put_item(t, out, translate_order_key(t, value));
        keys[(*count)++] = value;
    }
}

static void order_text(struct translator *t, struct translate_scope *scope, const struct spec *spec,
                       struct base_buffer *out, struct translate_value *keys, uint32_t *count)
{
    for (uint32_t i = 0; spec->order && i < spec->order->count; i++) {
        struct translate_value value = translate_expression(t, scope, spec->order->items[i].expr);
        translate_put_item(t, out, translate_ordered(t, translate_order_key(t, value), &spec->order->items[i]));
        keys[(*count)++] = value;
    }
}

static const char *bound_text(struct translator *t, struct translate_scope *scope, const struct sql_bound *bound,
                              uint8_t unit)
{
    static const enum translate_form forms[] = {[SQL_BOUND_NONE] = TRANSLATE_FORM_CURRENT_ROW,
                                                [SQL_BOUND_UNBOUNDED_PRECEDING] = TRANSLATE_FORM_UNBOUNDED_PRECEDING,
                                                [SQL_BOUND_PRECEDING] = TRANSLATE_FORM_PRECEDING,
                                                [SQL_BOUND_CURRENT] = TRANSLATE_FORM_CURRENT_ROW,
                                                [SQL_BOUND_FOLLOWING] = TRANSLATE_FORM_FOLLOWING,
                                                [SQL_BOUND_UNBOUNDED_FOLLOWING] = TRANSLATE_FORM_UNBOUNDED_FOLLOWING};
    if (!bound->expr)
        return t->forms[forms[bound->kind]];
    struct translate_value value = translate_expression(t, scope, bound->expr);
    if (unit == SQL_FRAME_RANGE || !value.constant || value.cls != TRANSLATE_CLASS_INTEGER)
        translate_refuse(t, value.offset, "window frame", "only literal numbers of rows or groups are translated");
    else if (value.literal.as.integer < 0)
        translate_refuse(t, value.offset, "window frame", "a negative number of rows or groups is an error in SQLite");
    return translate_emit(t, forms[bound->kind], value.text, NULL, NULL);
}

static const char *frame_text(struct translator *t, struct translate_scope *scope, const struct sql_window *frame)
{
    static const enum translate_form units[] = {[SQL_FRAME_RANGE] = TRANSLATE_FORM_FRAME_RANGE,
                                                [SQL_FRAME_ROWS] = TRANSLATE_FORM_FRAME_ROWS,
                                                [SQL_FRAME_GROUPS] = TRANSLATE_FORM_FRAME_GROUPS};
    static const enum translate_form excludes[] = {[SQL_EXCLUDE_NO_OTHERS] = TRANSLATE_FORM_EXCLUDE_NO_OTHERS,
                                                   [SQL_EXCLUDE_CURRENT] = TRANSLATE_FORM_EXCLUDE_CURRENT_ROW,
                                                   [SQL_EXCLUDE_GROUP] = TRANSLATE_FORM_EXCLUDE_GROUP,
                                                   [SQL_EXCLUDE_TIES] = TRANSLATE_FORM_EXCLUDE_TIES};
    const struct sql_bound current = {SQL_BOUND_CURRENT, NULL};
    if (!frame)
        return "";
    BASE_INVARIANT(frame->unit > SQL_FRAME_NONE && frame->unit <= SQL_FRAME_GROUPS &&
                   frame->exclude <= SQL_EXCLUDE_TIES);
    const struct sql_bound *end = frame->end.kind == SQL_BOUND_NONE ? &current : &frame->end;
    const char *from = bound_text(t, scope, &frame->start, frame->unit);
    return translate_emit(t, units[frame->unit], from, bound_text(t, scope, end, frame->unit),
                          frame->exclude ? t->forms[excludes[frame->exclude]] : NULL);
}

/* ---- Ties ---- */

enum tie_use {
    TIES_DONT_SHOW, /* rank(), an aggregate over RANGE or GROUPS */
    TIES_SHOW,      /* row_number(), lag(), a ROWS frame: one more key changes nothing but the ties */
    TIES_ARE_PEERS, /* ties show, but another key would change who is whose peer */
};

static bool whole_partition(const struct sql_window *frame)
{
    return frame && frame->start.kind == SQL_BOUND_UNBOUNDED_PRECEDING &&
           frame->end.kind == SQL_BOUND_UNBOUNDED_FOLLOWING && frame->exclude <= SQL_EXCLUDE_NO_OTHERS;
}

static bool is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (base_fold_compare(name, names[i]) == 0)
            return true;
    return false;
}

/* In SQLite these look at the whole partition, whatever frame is written. */
static bool ignores_frame(const struct sql_expr *expr)
{
    static const char *const names[] = {"row_number", "rank",  "dense_rank", "percent_rank",
                                        "cume_dist",  "ntile", "lag",        "lead"};
    return is_one_of(expr->name.text, names, sizeof names / sizeof names[0]);
}

static enum tie_use tie_use(const struct sql_expr *expr, const struct spec *spec)
{
    static const char *const ranks[] = {"rank", "dense_rank", "percent_rank", "cume_dist"};
    static const char *const positions[] = {"row_number", "ntile", "lag", "lead"};
    static const char *const values[] = {"first_value", "last_value", "nth_value"};
    const char *name = expr->name.text;
    bool rows = spec->frame && spec->frame->unit == SQL_FRAME_ROWS && spec->frame->exclude < SQL_EXCLUDE_GROUP;
    if (is_one_of(name, ranks, 4))
        return TIES_DONT_SHOW;
    if (is_one_of(name, positions, 4))
        return TIES_SHOW;
    bool picks = is_one_of(name, values, 3);
    if (whole_partition(spec->frame))
        return picks ? TIES_SHOW : TIES_DONT_SHOW;
    if (rows)
        return TIES_SHOW;
    if (!picks)
        return spec->frame && spec->frame->unit == SQL_FRAME_ROWS ? TIES_ARE_PEERS : TIES_DONT_SHOW;
    bool from_start = !spec->frame || spec->frame->start.kind == SQL_BOUND_UNBOUNDED_PRECEDING;
    bool first =
        base_fold_compare(name, "first_value") == 0 && (!spec->frame || spec->frame->exclude <= SQL_EXCLUDE_NO_OTHERS);
    return first && from_start ? TIES_SHOW : TIES_ARE_PEERS;
}

static bool keys_cover(const struct translate_value *keys, uint32_t count, const struct translate_value *wanted,
                       uint32_t wanted_count)
{
    for (uint32_t i = 0; i < wanted_count; i++) {
        bool found = wanted[i].constant;
        for (uint32_t k = 0; k < count && !found; k++)
            found = strcmp(keys[k].text, wanted[i].text) == 0;
        if (!found)
            return false;
    }
    return true;
}

/* What has to come behind the window's own ORDER BY; NULL: nothing. */
static const char *tie_breaker(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr,
                               enum tie_use use, const struct translate_value *keys, uint32_t count)
{
    if (use == TIES_DONT_SHOW)
        return NULL;
    if (scope->aggregate) {
        if (keys_cover(keys, count, scope->keys, scope->key_count))
            return NULL;
        refuse_window(t, expr, "rows tie in its ORDER BY");
        return NULL;
    }
    if (translate_rows_unique_by(scope, keys, count))
        return NULL;
    if (use == TIES_ARE_PEERS || scope->source_count != 1 || scope->sources[0].rowid < 0) {
        refuse_window(t, expr, "rows may tie in its ORDER BY");
        return NULL;
    }
    struct translate_source_scope *source = &scope->sources[0];
    translate_assume_scan(t, source, expr->offset);
    return translate_field_value(t, source, (uint32_t)source->rowid).text;
}

static const char *over_text(struct translator *t, struct translate_scope *scope, const struct sql_expr *expr,
                             bool *slides)
{
    struct spec spec = {0};
    if (!collect(scope, expr->call->over, &spec, 0)) {
        refuse_window(t, expr, "its window was not found");
        return "";
    }
    *slides = spec.frame &&
              (spec.frame->start.kind != SQL_BOUND_UNBOUNDED_PRECEDING || spec.frame->exclude > SQL_EXCLUDE_NO_OTHERS);
    uint32_t most = (spec.partition ? spec.partition->count : 0) + (spec.order ? spec.order->count : 0), count = 0;
    struct translate_value *keys = sql_arena_alloc(t->arena, (most + 1) * sizeof *keys);
    if (!keys) {
        t->failed = true;
        return "";
    }
    struct base_buffer partition = {0}, order = {0};
    partition_text(t, scope, &spec, &partition, keys, &count);
    order_text(t, scope, &spec, &order, keys, &count);
    BASE_INVARIANT(count <= most);
    const char *breaker = tie_breaker(t, scope, expr, tie_use(expr, &spec), keys, count);
    if (breaker)
        translate_put_item(t, &order, breaker);
    const char *by = partition.len
                         ? translate_emit(t, TRANSLATE_FORM_PARTITION_BY, translate_keep(t, &partition), NULL, NULL)
                         : NULL;
    const char *sorted =
        order.len ? translate_emit(t, TRANSLATE_FORM_ORDER_BY, translate_keep(t, &order), NULL, NULL) : NULL;
    const char *frame = ignores_frame(expr) ? NULL : frame_text(t, scope, spec.frame);
    return translate_emit(t, TRANSLATE_FORM_OVER, by, sorted, frame);
}

/* ---- Functions ---- */

static struct translate_value rule_rank(struct translator *t, const struct window *w)
{
    bool share = w->name[0] == 'p' || w->name[0] == 'c';
    struct translate_value value =
        translate_value_make(translate_emit(t, w->form, w->over, NULL, NULL),
                             share ? TRANSLATE_CLASS_REAL : TRANSLATE_CLASS_INTEGER, w->expr->offset);
    value.low = 0;
    value.high = share ? 1 : 0x1p48;
    value.nullable = false;
    return value;
}

static struct translate_value rule_ntile(struct translator *t, const struct window *w)
{
    if (!w->arguments[0].constant || w->arguments[0].cls != TRANSLATE_CLASS_INTEGER)
        return refuse_window(t, w->expr, "only a literal number of tiles is translated");
    if (w->arguments[0].literal.as.integer < 1)
        return refuse_window(t, w->expr, "a number of tiles below 1 is an error in SQLite");
    struct translate_value value = translate_value_make(translate_emit(t, w->form, w->arguments[0].text, w->over, NULL),
                                                        TRANSLATE_CLASS_INTEGER, w->expr->offset);
    value.low = 0;
    value.high = 0x1p48;
    return value;
}

static struct translate_value as_result(struct translate_value value, uint32_t offset)
{
    value.nullable = true;
    value.constant = false;
    value.affinity = TRANSLATE_AFFINITY_NONE;
    value.collation = NULL;
    value.offset = offset;
    return value;
}

static struct translate_value rule_value(struct translator *t, const struct window *w)
{
    struct translate_value value = translate_plain(t, w->arguments[0]);
    const char *more = NULL;
    if (value.cls == TRANSLATE_CLASS_NULL)
        return refuse_window(t, w->expr, "of NULL");
    if (w->count == 2) {
        if (!w->arguments[1].constant || w->arguments[1].cls != TRANSLATE_CLASS_INTEGER)
            return refuse_window(t, w->expr, "only a literal position is translated");
        if (w->arguments[1].literal.as.integer < 1)
            return refuse_window(t, w->expr, "a position below 1 is an error in SQLite");
        more = w->arguments[1].text;
    }
    struct translate_value result = as_result(value, w->expr->offset);
    result.text = translate_emit(t, w->form, value.text, w->over, more);
    if (value.cls == TRANSLATE_CLASS_MIXED)
        result.flag = translate_emit(t, w->form, value.flag, w->over, more);
    return result;
}

static struct translate_value rule_offset(struct translator *t, const struct window *w)
{
    struct translate_value value = translate_plain(t, w->arguments[0]);
    struct translate_value other = w->count == 3 ? w->arguments[2] : translate_value_null(t, w->expr->offset);
    struct translate_value common = translate_unify(t, value, other, "lag() or lead() with a default");
    const char *distance = translate_value_integer(t, 1, w->expr->offset).text;
    if (common.cls == TRANSLATE_CLASS_NULL)
        return refuse_window(t, w->expr, "of NULL");
    if (w->count > 1) {
        if (!w->arguments[1].constant || w->arguments[1].cls != TRANSLATE_CLASS_INTEGER ||
            w->arguments[1].literal.as.integer < 0)
            return refuse_window(t, w->expr, "only a literal distance is translated");
        distance = w->arguments[1].text;
    }
    struct translate_value result = as_result(common, w->expr->offset);
    result.text = translate_emit4(t, w->form, translate_convert(t, value, common), distance,
                                  translate_convert(t, other, common), w->over);
    if (common.cls == TRANSLATE_CLASS_MIXED)
        result.flag =
            translate_emit4(t, w->form, translate_flag(t, value), distance, translate_flag(t, other), w->over);
    return result;
}

struct function {
    const char *name;
    uint8_t fewest, most;
    enum translate_form form;
    struct translate_value (*rule)(struct translator *t, const struct window *w);
};

static const struct function functions[] = {
#define TRANSLATE_WINDOW(name, fewest, most, form, rule) {#name, fewest, most, TRANSLATE_FORM_##form, rule},
#include "translate/translate_functions.def"
};

struct translate_value translate_window_value(struct translator *t, struct translate_scope *scope,
                                              const struct sql_expr *expr)
{
    const struct sql_items *items = expr->call->arguments;
    uint32_t count = items ? items->count : 0;
    const struct function *function = NULL;
    if (scope->phase == TRANSLATE_PHASE_ARGUMENTS)
        return refuse_window(t, expr, "it stands inside an aggregate");
    scope->windows++;
    bool slides = false;
    const char *over = over_text(t, scope, expr, &slides);
    if (sql_is_aggregate(expr->name.text, count))
        return translate_aggregate_value(t, scope, expr, over, slides);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (base_fold_compare(functions[i].name, expr->name.text) == 0 && count >= functions[i].fewest &&
            count <= functions[i].most)
            function = &functions[i];
    if (!function || expr->call->filter || expr->call->distinct || expr->call->star)
        return refuse_window(t, expr, "it isn't known to give the same in the column store");
    struct translate_value *arguments = sql_arena_alloc(t->arena, (count + 1) * sizeof *arguments);
    if (!arguments) {
        t->failed = true;
        return translate_value_null(t, expr->offset);
    }
    for (uint32_t i = 0; i < count; i++)
        arguments[i] = translate_expression(t, scope, items->items[i].expr);
    struct window w = {scope, expr, function->name, function->form, over, arguments, count};
    return t->refused ? translate_value_null(t, expr->offset) : function->rule(t, &w);
}
