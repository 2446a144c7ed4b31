/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements that need no computing, answered from the mirror itself: columns leave as they lie in it, aggregates of whole
 * columns are put together from what its vectors are known to come to. No executor is asked, not even loaded.
 */
#include <errno.h>

#include "arrow/arrow_builder.h"
#include "engine/engine_internal.h"

__extension__ typedef __int128 wide_int;
__extension__ typedef unsigned __int128 wide_uint;

/* Vectors that ranges may cut through: more of them are read faster by an executor's threads. */
enum { MOST_CUT_VECTORS = 1024 };
/* Beyond either an executor's threads and its own tables are as fast. */
enum { MOST_GROUPS = 1 << 14, MOST_GROUPED_ROWS = 1 << 21 };

static void copy_ranges(const struct translate_direct_part *part, struct mirror_range *ranges)
{
    for (uint32_t r = 0; r < part->range_count; r++)
        ranges[r] = (struct mirror_range){.column = part->ranges[r].column,
                                          .low = part->ranges[r].low,
                                          .high = part->ranges[r].high,
                                          .above_low = part->ranges[r].above_low,
                                          .below_high = part->ranges[r].below_high};
}

static struct mirror_stop stop_of(struct rhei_rows *rows)
{
    return engine_limits_any(&rows->limits) ? (struct mirror_stop){engine_limits_check, &rows->limits}
                                            : (struct mirror_stop){NULL, NULL};
}

/* ---- Columns. --------------------------------------------------------------------------------------------------------- */

struct direct_stream {
    struct ArrowArrayStream inner;
    struct rhei_rows *rows; /* outlive their stream */
    uint32_t table;
};

static rhei_status direct_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct direct_stream *self = context;
    int code = self->inner.get_schema(&self->inner, out);
    return code == 0 ? RHEI_OK : arrow_stream_error(&self->inner, code, error);
}

static rhei_status direct_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct direct_stream *self = context;
    rhei_status status = engine_limits_check(&self->rows->limits);
    int code = status == RHEI_OK ? self->inner.get_next(&self->inner, out) : 0;
    if (code == ECANCELED)
        status = engine_limits_check(&self->rows->limits);
    if (status != RHEI_OK)
        return error_set(error, status, "the query was ended before its last row");
    if (code == EFBIG)
        return error_set(error, RHEI_MEMORY_LIMIT, "one row of the result is larger than the query's memory limit");
    if (code != 0)
        return arrow_stream_error(&self->inner, code, error);
    status = engine_guard_check(self->rows, self->table, error);
    if (status == RHEI_OK)
        return out->release == NULL ? RHEI_DONE : RHEI_OK;
    if (out->release != NULL)
        out->release(out);
    return status;
}

static void direct_release(void *context)
{
    struct direct_stream *self = context;
    if (self->inner.release != NULL)
        self->inner.release(&self->inner);
    base_free(self);
}

static rhei_status answer_columns(struct rhei_rows *rows, const struct engine_ask *ask,
                                  const struct translate_direct *direct, struct rhei_error *error)
{
    struct mirror_range ranges[MIRROR_MOST_RANGES];
    copy_ranges(&direct->part, ranges);
    struct mirror_export_options options = {.strings_view = ask->strings_view,
                                            .ranges = ranges,
                                            .range_count = direct->part.range_count,
                                            .most_bytes = ask->memory_limit,
                                            .stop = stop_of(rows)};
    uint32_t *columns = base_alloc(direct->output_count * sizeof *columns);
    struct direct_stream *self = base_alloc_zero(1, sizeof *self);
    rhei_status status = columns == NULL || self == NULL ? error_no_memory(error) : RHEI_OK;
    for (uint32_t c = 0; status == RHEI_OK && c < direct->output_count; c++)
        columns[c] = direct->outputs[c].column;
    if (status == RHEI_OK)
        status = mirror_export(rows->db->mirror, &rows->state.snapshot, direct->part.table, columns, rows->names,
                               direct->output_count, &options, &self->inner, error);
    base_free(columns);
    if (status != RHEI_OK) {
        base_free(self);
        return status;
    }
    self->rows = rows;
    self->table = direct->part.table;
    struct arrow_batch_source source = {direct_schema, direct_next, direct_release, self};
    return arrow_batch_stream(&source, &rows->stream, error);
}

/* ---- Aggregates. ------------------------------------------------------------------------------------------------------ */

/* Totals that the statement's columns need, each column once. */
static uint32_t list_totals(const struct translate_direct *direct, struct mirror_total *totals, uint32_t *total_of)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < direct->output_count; i++) {
        const struct translate_direct_output *output = &direct->outputs[i];
        bool numbers = output->function != TRANSLATE_DIRECT_COUNT;
        if (output->function == TRANSLATE_DIRECT_COUNT_ROWS)
            continue;
        uint32_t t = 0;
        while (t < count && totals[t].column != output->column)
            t++;
        count += t == count;
        totals[t].column = output->column;
        totals[t].numbers = totals[t].numbers || numbers;
        total_of[i] = t;
    }
    return count;
}

static wide_int integers_of(const struct mirror_total *total)
{
    return (wide_int)((wide_uint)(uint64_t)total->sum_high << 64 | total->sum_low);
}

/* The sum of all values as a REAL, rounded once. False: no memory. */
static bool real_sum(const struct mirror_total *total, double *sum)
{
    if (total->low.type == RHEI_REAL)
        return base_bin_sum_result(&total->reals, sum);
    *sum = (double)integers_of(total);
    return true;
}

/*
 * Exactly what oltp_sum.c gives: integers summed up as integers, REALs exactly and rounded once, an average the quotient of
 * sum and count. *known = false: SQLite must say it (an integer overflow is its error).
 */
static rhei_status output_value(const struct translate_direct_output *output, const struct mirror_total *total,
                                uint64_t rows, struct rhei_value *value, bool *known)
{
    double sum = 0;
    *value = (struct rhei_value){.type = RHEI_NULL};
    switch (output->function) {
    case TRANSLATE_DIRECT_COUNT_ROWS:
        *value = rhei_integer((int64_t)rows);
        return RHEI_OK;
    case TRANSLATE_DIRECT_COUNT:
        *value = rhei_integer((int64_t)total->count);
        return RHEI_OK;
    case TRANSLATE_DIRECT_MIN:
        *value = total->low;
        return RHEI_OK;
    case TRANSLATE_DIRECT_MAX:
        *value = total->high;
        return RHEI_OK;
    default:
        break;
    }
    if (!real_sum(total, &sum))
        return RHEI_NO_MEMORY;
    if (output->function == TRANSLATE_DIRECT_TOTAL)
        *value = rhei_real(sum);
    else if (total->count > 0 && output->function == TRANSLATE_DIRECT_AVG)
        *value = rhei_real(sum / (double)total->count);
    else if (total->count > 0 && total->low.type == RHEI_REAL)
        *value = rhei_real(sum);
    else if (total->count > 0) {
        wide_int integers = integers_of(total);
        *known = integers >= INT64_MIN && integers <= INT64_MAX;
        *value = rhei_integer((int64_t)integers);
    }
    return RHEI_OK;
}

static uint8_t output_class(const struct translate_direct_output *output)
{
    switch (output->function) {
    case TRANSLATE_DIRECT_COUNT_ROWS:
    case TRANSLATE_DIRECT_COUNT:
        return RHEI_INTEGER;
    case TRANSLATE_DIRECT_TOTAL:
        return RHEI_REAL;
    case TRANSLATE_DIRECT_AVG:
        return output->classes_of == RHEI_NULL ? RHEI_INTEGER : RHEI_REAL;
    default:
        return output->classes_of == RHEI_NULL ? RHEI_INTEGER : output->classes_of;
    }
}

static rhei_status one_row(struct rhei_rows *rows, const struct translate_direct *direct,
                           const struct rhei_value *values, struct rhei_error *error)
{
    uint8_t *classes = base_alloc(direct->output_count);
    if (classes == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < direct->output_count; i++)
        classes[i] = output_class(&direct->outputs[i]);
    struct arrow_columns columns = {.count = direct->output_count, .names = rows->names, .known_class = classes};
    struct arrow_builder *builder = NULL;
    rhei_status status = arrow_builder_new(&columns, &builder, error);
    if (status == RHEI_OK)
        status = arrow_builder_append(builder, values, error);
    if (status == RHEI_OK)
        status = engine_whole_stream(builder, &rows->stream, error);
    arrow_builder_free(&builder);
    base_free(classes);
    return status;
}

struct aggregation {
    struct mirror_total *totals;
    struct mirror_total *asked; /* of one table */
    uint32_t *columns;          /* [totals] as outputs name them */
    uint32_t *total_of;         /* [outputs] */
    struct rhei_value *values;
    uint32_t total_count;
};

/* Adds one table's rows. RHEI_UNSUPPORTED: an executor has to answer. */
static rhei_status add_part(struct rhei_rows *rows, const struct translate_direct_part *part, struct aggregation *work,
                            uint64_t *row_count, struct rhei_error *error)
{
    const struct mirror_table_view *view = mirror_view(&rows->state.snapshot, part->table);
    struct mirror_range ranges[MIRROR_MOST_RANGES];
    struct mirror_stop stop = stop_of(rows);
    uint64_t more = 0;
    uint32_t count = 0;
    if (view == NULL)
        return RHEI_UNSUPPORTED;
    if (part->empty)
        return RHEI_OK;
    copy_ranges(part, ranges);
    for (uint32_t t = 0; t < work->total_count; t++) {
        uint32_t column = part->columns == NULL ? work->columns[t] : part->columns[work->columns[t]];
        work->totals[t].column = column;
        if (column != TRANSLATE_DIRECT_NO_COLUMN)
            work->asked[count++] = work->totals[t];
    }
    rhei_status status = mirror_aggregate(rows->db->mirror, view, work->asked, count, ranges, part->range_count,
                                          MOST_CUT_VECTORS, &stop, &more, error);
    count = 0;
    for (uint32_t t = 0; t < work->total_count; t++)
        if (work->totals[t].column != TRANSLATE_DIRECT_NO_COLUMN)
            work->totals[t] = work->asked[count++];
    *row_count += more;
    return status;
}

static rhei_status aggregate(struct rhei_rows *rows, const struct translate_direct *direct, struct aggregation *work,
                             enum engine_direct *outcome, struct rhei_error *error)
{
    uint64_t row_count = 0;
    bool known = true;
    rhei_status status = RHEI_OK;
    work->total_count = list_totals(direct, work->totals, work->total_of);
    for (uint32_t t = 0; t < work->total_count; t++)
        work->columns[t] = work->totals[t].column;
    for (const struct translate_direct_part *part = &direct->part; part != NULL && status == RHEI_OK; part = part->next)
        status = add_part(rows, part, work, &row_count, error);
    if (status == RHEI_UNSUPPORTED)
        return RHEI_OK;
    for (uint32_t i = 0; status == RHEI_OK && known && i < direct->output_count; i++)
        status =
            output_value(&direct->outputs[i], &work->totals[work->total_of[i]], row_count, &work->values[i], &known);
    if (status == RHEI_NO_MEMORY)
        return error_no_memory(error);
    *outcome = known ? ENGINE_DIRECT_ANSWERED : ENGINE_DIRECT_OVERFLOW;
    if (status != RHEI_OK || !known)
        return status;
    return one_row(rows, direct, work->values, error);
}

static rhei_status answer_aggregates(struct rhei_rows *rows, const struct translate_direct *direct,
                                     enum engine_direct *outcome, struct rhei_error *error)
{
    struct aggregation work = {.totals = base_alloc_zero(direct->output_count, sizeof *work.totals),
                               .asked = base_alloc_zero(direct->output_count, sizeof *work.asked),
                               .columns = base_alloc_zero(direct->output_count, sizeof *work.columns),
                               .total_of = base_alloc_zero(direct->output_count, sizeof *work.total_of),
                               .values = base_alloc_zero(direct->output_count, sizeof *work.values)};
    rhei_status status = work.totals == NULL || work.asked == NULL || work.columns == NULL || work.total_of == NULL ||
                                 work.values == NULL
                             ? error_no_memory(error)
                             : aggregate(rows, direct, &work, outcome, error);
    for (uint32_t t = 0; t < work.total_count; t++)
        base_bin_sum_reset(&work.totals[t].reals);
    base_free(work.totals);
    base_free(work.asked);
    base_free(work.columns);
    base_free(work.total_of);
    base_free(work.values);
    return status;
}

/* ---- Groups. ---------------------------------------------------------------------------------------------------------- */

struct grouped {
    struct mirror_group_column *columns;
    uint32_t *column_of; /* [outputs] */
    struct rhei_value *values;
    uint8_t *classes;
    uint32_t column_count;
    struct mirror_groups *groups;
    struct arrow_builder *builder;
};

/* What is asked of the mirror's columns, each column once. */
static void list_grouped(const struct translate_direct *direct, struct grouped *work)
{
    for (uint32_t i = 0; i < direct->output_count; i++) {
        const struct translate_direct_output *output = &direct->outputs[i];
        uint32_t c = 0;
        if (output->function <= TRANSLATE_DIRECT_COUNT_ROWS)
            continue;
        while (c < work->column_count && work->columns[c].column != output->column)
            c++;
        work->column_count += c == work->column_count;
        bool extreme = output->function == TRANSLATE_DIRECT_MIN || output->function == TRANSLATE_DIRECT_MAX;
        work->columns[c].column = output->column;
        work->columns[c].sums |= output->function != TRANSLATE_DIRECT_COUNT && !extreme;
        work->columns[c].extremes |= extreme;
        work->column_of[i] = c;
    }
}

/* *known = false: SQLite must answer, for its error. */
static rhei_status append_group(const struct translate_direct *direct, struct grouped *work, uint32_t group,
                                bool *known, struct rhei_error *error)
{
    uint64_t rows = mirror_groups_rows(work->groups, group);
    for (uint32_t i = 0; i < direct->output_count && *known; i++) {
        struct mirror_total total = {0};
        if (direct->outputs[i].function == TRANSLATE_DIRECT_COLUMN) {
            mirror_groups_key(work->groups, group, &work->values[i]);
            continue;
        }
        if (direct->outputs[i].function != TRANSLATE_DIRECT_COUNT_ROWS)
            mirror_groups_total(work->groups, group, work->column_of[i], &total);
        if (output_value(&direct->outputs[i], &total, rows, &work->values[i], known) != RHEI_OK)
            return error_no_memory(error);
    }
    return *known ? arrow_builder_append(work->builder, work->values, error) : RHEI_OK;
}

/*
 * No group, and none but that of NULL, are left to the executor: what type a column without a value has, it knows how to tell.
 */
static bool has_keys(const struct mirror_groups *groups)
{
    struct rhei_value key = {.type = RHEI_NULL};
    if (mirror_groups_count(groups) > 0)
        mirror_groups_key(groups, mirror_groups_count(groups) - 1, &key);
    return mirror_groups_count(groups) > 1 || key.type != RHEI_NULL;
}

static rhei_status group(struct rhei_rows *rows, const struct engine_ask *ask, const struct translate_direct *direct,
                         struct grouped *work, enum engine_direct *outcome, struct rhei_error *error)
{
    const struct mirror_table_view *view = mirror_view(&rows->state.snapshot, direct->part.table);
    struct mirror_range ranges[MIRROR_MOST_RANGES];
    bool known = true;
    if (view == NULL || mirror_view_row_count(view) > MOST_GROUPED_ROWS)
        return RHEI_OK;
    copy_ranges(&direct->part, ranges);
    list_grouped(direct, work);
    struct mirror_grouping grouping = {.key = direct->key,
                                       .columns = work->columns,
                                       .column_count = work->column_count,
                                       .ranges = ranges,
                                       .range_count = direct->part.range_count,
                                       .most_groups = MOST_GROUPS,
                                       .stop = stop_of(rows)};
    rhei_status status = mirror_group(view, &grouping, &work->groups, error);
    if (status == RHEI_UNSUPPORTED || (status == RHEI_OK && !has_keys(work->groups)))
        return RHEI_OK;
    for (uint32_t i = 0; i < direct->output_count; i++)
        work->classes[i] = direct->outputs[i].function == TRANSLATE_DIRECT_COLUMN ? direct->key_class
                                                                                  : output_class(&direct->outputs[i]);
    struct arrow_columns columns = {.count = direct->output_count,
                                    .names = rows->names,
                                    .known_class = work->classes,
                                    .strings_view = ask->strings_view};
    if (status == RHEI_OK)
        status = arrow_builder_new(&columns, &work->builder, error);
    for (uint32_t g = 0; status == RHEI_OK && known && g < mirror_groups_count(work->groups); g++)
        status = append_group(direct, work, g, &known, error);
    if (status == RHEI_TOO_BIG) /* two gigabytes of keys: in batches */
        return RHEI_OK;
    *outcome = known ? ENGINE_DIRECT_ANSWERED : ENGINE_DIRECT_OVERFLOW;
    return status == RHEI_OK && known ? engine_whole_stream(work->builder, &rows->stream, error) : status;
}

static rhei_status answer_groups(struct rhei_rows *rows, const struct engine_ask *ask,
                                 const struct translate_direct *direct, enum engine_direct *outcome,
                                 struct rhei_error *error)
{
    if (ask->memory_limit > 0) /* which counts what the executor uses */
        return RHEI_OK;
    uint32_t count = direct->output_count;
    struct grouped work = {.columns = base_alloc_zero(count, sizeof *work.columns),
                           .column_of = base_alloc_zero(count, sizeof *work.column_of),
                           .values = base_alloc_zero(count, sizeof *work.values),
                           .classes = base_alloc_zero(count, sizeof *work.classes)};
    rhei_status status = work.columns == NULL || work.column_of == NULL || work.values == NULL || work.classes == NULL
                             ? error_no_memory(error)
                             : group(rows, ask, direct, &work, outcome, error);
    arrow_builder_free(&work.builder);
    mirror_groups_free(&work.groups);
    base_free(work.columns);
    base_free(work.column_of);
    base_free(work.values);
    base_free(work.classes);
    return status;
}

rhei_status engine_answer_direct(struct rhei_rows *rows, const struct engine_ask *ask, enum engine_direct *outcome,
                                 struct rhei_error *error)
{
    struct translate_direct direct;
    uint64_t damages = mirror_damages(rows->db->mirror);
    *outcome = ENGINE_DIRECT_NOT;
    rhei_status status = route_direct_make(rows->db->route, rows->statement, &rows->state, ask->params,
                                           ask->param_count, &direct, error);
    if (status != RHEI_OK || direct.kind == TRANSLATE_DIRECT_NONE)
        return status;
    if (direct.kind == TRANSLATE_DIRECT_COLUMNS) {
        status = answer_columns(rows, ask, &direct, error);
        *outcome = ENGINE_DIRECT_ANSWERED;
    } else if (direct.kind == TRANSLATE_DIRECT_AGGREGATES) {
        status = answer_aggregates(rows, &direct, outcome, error);
    } else if (direct.kind == TRANSLATE_DIRECT_GROUPS) {
        status = answer_groups(rows, ask, &direct, outcome, error);
    }
    bool read = *outcome != ENGINE_DIRECT_NOT || mirror_damages(rows->db->mirror) != damages; /* and left to others */
    for (const struct translate_direct_part *part = &direct.part; status == RHEI_OK && read && part != NULL;
         part = part->next)
        status = engine_guard_check(rows, part->table, error);
    translate_direct_reset(&direct);
    return status;
}
