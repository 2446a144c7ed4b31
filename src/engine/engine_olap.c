/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The column store's answer: wait until it is fresh, pin a snapshot, prove the statement on it, run it, and give the
 * result SQLite's shape. Anything that goes wrong before the first row is handed out means "SQLite answers".
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "arrow/arrow_builder.h"
#include "engine/engine_internal.h"

/* Ended by the caller's own wish, so not a reason to try SQLite. */
static bool is_ending(rhei_status status, const struct engine_ask *ask)
{
    return status == RHEI_CANCELLED || status == RHEI_TIMEOUT || (status == RHEI_MEMORY_LIMIT && ask->memory_limit > 0);
}

static void fall_back(struct rhei_rows *rows, struct route_choice *choice, const char *rule, const char *why)
{
    choice->target = ROUTE_TO_OLTP;
    choice->rule = rule;
    route_choice_reason(choice, "%.250s", why);
    atomic_fetch_add_explicit(&rows->db->counters.fallbacks, 1, memory_order_relaxed);
}

static void let_go(struct rhei_rows *rows)
{
    if (rows->stream.release != NULL)
        rows->stream.release(&rows->stream);
    rows->stream = (struct ArrowArrayStream){0};
    arrow_cursor_close(&rows->arrow);
    if (rows->holds_snapshot)
        mirror_snapshot_release(&rows->snapshot);
    rows->holds_snapshot = false;
    route_plan_release(&rows->plan);
}

/* ---- Rows that must be seen before they may be handed out: ties, and columns of integers and reals. --------------- */

struct shaped_rows {
    const struct sql_translation *shape;
    struct rhei_value *row, *previous; /* [result_columns]; previous owns its bytes */
    struct base_buffer *kept;          /* [result_columns] bytes behind `previous` */
    bool have_previous;
    uint32_t skipped;
    int64_t delivered;
};

static bool same_value(const struct rhei_value *a, const struct rhei_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case RHEI_NULL:
        return true;
    case RHEI_INTEGER:
        return a->as.integer == b->as.integer;
    case RHEI_REAL:
        return a->as.real == b->as.real;
    default:
        return a->length == b->length && memcmp(a->as.bytes, b->as.bytes, a->length) == 0;
    }
}

/* Of two equal values: do the signs of zeros differ? */
static bool other_zero(const struct rhei_value *a, const struct rhei_value *b)
{
    return a->type == RHEI_REAL && signbit(a->as.real) != signbit(b->as.real);
}

static bool rows_tie(const struct shaped_rows *state)
{
    const struct sql_translation *shape = state->shape;
    for (uint32_t k = 0; k < shape->key_count; k++)
        if (!same_value(&state->row[shape->key_column + k], &state->previous[shape->key_column + k]))
            return false;
    /* Where LIMIT or OFFSET cuts through rows that tie, others of them are out of sight. */
    if ((shape->row_limit >= 0 && state->delivered >= shape->row_limit) ||
        (shape->row_skip > 0 && state->delivered == 0))
        return true;
    for (uint32_t c = 0; c < shape->column_count; c++)
        if (!same_value(&state->row[c], &state->previous[c]) || other_zero(&state->row[c], &state->previous[c]))
            return true;
    return false;
}

static bool remember(struct shaped_rows *state)
{
    for (uint32_t c = 0; c < state->shape->result_columns; c++) {
        state->previous[c] = state->row[c];
        if (state->row[c].type < RHEI_TEXT)
            continue;
        base_buffer_clear(&state->kept[c]);
        base_buffer_append(&state->kept[c], state->row[c].as.bytes, state->row[c].length);
        if (state->kept[c].failed)
            return false;
        state->previous[c].as.bytes = state->kept[c].data;
    }
    state->have_previous = true;
    return true;
}

static void whole_numbers(struct shaped_rows *state)
{
    for (uint32_t c = 0; c < state->shape->column_count; c++) {
        const struct sql_output *output = &state->shape->columns[c];
        if (!output->mixed || state->row[c].type != RHEI_REAL)
            continue;
        const struct rhei_value *flag = &state->row[output->flag_column];
        if (flag->type == RHEI_INTEGER && flag->as.integer != 0)
            state->row[c] = rhei_integer((int64_t)state->row[c].as.real);
    }
}

/* One row from the executor into the builder. *tie: SQLite must answer. */
static rhei_status take_row(struct shaped_rows *state, struct arrow_cursor *cursor, struct arrow_builder *builder,
                            bool *tie, struct rhei_error *error)
{
    const struct sql_translation *shape = state->shape;
    for (uint32_t c = 0; c < shape->result_columns; c++) {
        rhei_status status = arrow_cursor_value(cursor, c, &state->row[c], error);
        if (status != RHEI_OK)
            return status;
    }
    whole_numbers(state);
    if (shape->key_count > 0) {
        *tie = state->have_previous && rows_tie(state);
        if (*tie)
            return RHEI_OK;
        if (!remember(state))
            return error_no_memory(error);
    }
    if (state->skipped < shape->row_skip) {
        state->skipped++;
        return RHEI_OK;
    }
    if (shape->row_limit >= 0 && state->delivered >= shape->row_limit)
        return RHEI_OK;
    state->delivered++;
    return arrow_builder_append(builder, state->row, error);
}

static bool needs_shaping(const struct sql_translation *shape)
{
    if (shape->key_count > 0)
        return true;
    for (uint32_t c = 0; c < shape->column_count; c++)
        if (shape->columns[c].mixed)
            return true;
    return false;
}

struct whole_batch { /* one batch as a stream */
    struct ArrowSchema schema;
    struct ArrowArray array;
};

static rhei_status whole_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct whole_batch *whole = context;
    (void)error;
    *out = whole->schema;
    whole->schema.release = NULL;
    return RHEI_OK;
}

static rhei_status whole_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct whole_batch *whole = context;
    (void)error;
    if (whole->array.release == NULL)
        return RHEI_DONE;
    *out = whole->array;
    whole->array.release = NULL;
    return RHEI_OK;
}

static void whole_release(void *context)
{
    struct whole_batch *whole = context;
    if (whole->schema.release != NULL)
        whole->schema.release(&whole->schema);
    if (whole->array.release != NULL)
        whole->array.release(&whole->array);
    base_free(whole);
}

static rhei_status builder_to_stream(struct arrow_builder *builder, struct ArrowArrayStream *out,
                                     struct rhei_error *error)
{
    struct whole_batch *whole = base_alloc_zero(1, sizeof *whole);
    if (whole == NULL)
        return error_no_memory(error);
    rhei_status status = arrow_builder_fix(builder, true, error);
    if (status == RHEI_OK)
        status = arrow_builder_schema(builder, NULL, &whole->schema, error);
    if (status == RHEI_OK)
        status = arrow_builder_finish(builder, &whole->array, error);
    if (status != RHEI_OK) {
        whole_release(whole);
        return status;
    }
    struct arrow_batch_source source = {whole_schema, whole_next, whole_release, whole};
    return arrow_batch_stream(&source, out, error);
}

static rhei_status shape_all(struct shaped_rows *state, struct arrow_cursor *cursor, struct arrow_builder *builder,
                             bool *tie, struct rhei_error *error)
{
    rhei_status status;
    while ((status = arrow_cursor_next(cursor, error)) == RHEI_ROW) {
        status = take_row(state, cursor, builder, tie, error);
        if (status != RHEI_OK || *tie)
            return status;
    }
    return status == RHEI_DONE ? RHEI_OK : status;
}

/* Replaces rows->stream by its rows in SQLite's classes. */
static rhei_status shape_stream(struct rhei_rows *rows, bool strings_view, bool *tie, struct rhei_error *error)
{
    struct shaped_rows state = {.shape = route_plan_translation(rows->plan)};
    struct arrow_columns columns = {
        .count = state.shape->column_count, .names = rows->names, .strings_view = strings_view};
    struct arrow_builder *builder = NULL;
    struct arrow_cursor *cursor = NULL;
    rhei_status status = arrow_cursor_open(&rows->stream, &cursor, error);
    if (status == RHEI_OK)
        status = arrow_builder_new(&columns, &builder, error);
    uint32_t width = state.shape->result_columns;
    if (status == RHEI_OK && arrow_cursor_column_count(cursor) < width)
        status = error_set(error, RHEI_INTERNAL, "the column store gave %u columns instead of %u",
                           arrow_cursor_column_count(cursor), width);
    state.row = base_alloc_zero(2 * (size_t)width + 1, sizeof *state.row);
    state.kept = base_alloc_zero((size_t)width + 1, sizeof *state.kept);
    if (status == RHEI_OK && (state.row == NULL || state.kept == NULL))
        status = error_no_memory(error);
    if (status == RHEI_OK) {
        state.previous = state.row + width;
        status = shape_all(&state, cursor, builder, tie, error);
    }
    arrow_cursor_close(&cursor);
    if (status == RHEI_OK && !*tie)
        status = builder_to_stream(builder, &rows->stream, error);
    arrow_builder_free(&builder);
    for (uint32_t c = 0; state.kept != NULL && c < width; c++)
        base_buffer_reset(&state.kept[c]);
    base_free(state.kept);
    base_free(state.row);
    return status;
}

/* ---- Running. ---------------------------------------------------------------------------------------------------- */

static rhei_status give_shape(struct rhei_rows *rows, const struct engine_ask *ask, bool *tie, struct rhei_error *error)
{
    const struct sql_translation *shape = route_plan_translation(rows->plan);
    if (shape->column_count != rows->column_count)
        return error_set(error, RHEI_INTERNAL, "the translation has %u columns where SQLite has %u",
                         shape->column_count, rows->column_count);
    if (needs_shaping(shape))
        return shape_stream(rows, ask->strings_view, tie, error);
    struct arrow_wrap_options wrap = {.keep = shape->column_count, .names = rows->names, .sqlite_numbers = true};
    return arrow_wrap_stream(&rows->stream, &wrap, &rows->stream, error);
}

/* The executor's own columns, where SQLite knows none. */
static rhei_status use_stream_columns(struct rhei_rows *rows, struct rhei_error *error)
{
    int code = rows->stream.get_schema(&rows->stream, &rows->schema);
    if (code != 0)
        return arrow_stream_error(&rows->stream, code, error);
    rows->names = NULL;
    rows->types = NULL;
    rows->column_count = (uint32_t)rows->schema.n_children;
    return RHEI_OK;
}

static int64_t age_us(const struct rhei_db *db, const struct mirror_snapshot *snapshot, const struct engine_ask *ask)
{
    (void)snapshot;
    if (ask->freshness.mode == RHEI_FRESHNESS_LATEST)
        return 0;
    int64_t age = base_now_ns() - sync_fresh_at_ns(db->sync);
    return age > 0 ? age / 1000 : 0;
}

/* What to do about a failure of the column store: end, or let SQLite answer. */
static rhei_status failed(struct rhei_rows *rows, const struct engine_ask *ask, struct route_choice *choice,
                          rhei_status status, const struct rhei_error *why, bool avoid, struct rhei_error *error)
{
    let_go(rows);
    if (is_ending(status, ask) || route_statement_is_native(rows->statement)) {
        if (error != NULL && error->code == RHEI_OK)
            *error = *why;
        return status;
    }
    if (avoid && status != RHEI_MEMORY_LIMIT && status != RHEI_NO_MEMORY)
        route_statement_avoid_olap(rows->statement, why->message);
    base_log_write(&rows->db->log, BASE_LOG_INFO, "engine", "SQLite answers instead of the column store: %s",
                   why->message);
    fall_back(rows, choice, "olap-error", why->message);
    return RHEI_OK;
}

static rhei_status pin_and_plan(struct rhei_rows *rows, const struct engine_ask *ask, struct executor_query *query,
                                struct route_filled *filled, struct route_choice *choice, struct rhei_error *error)
{
    rhei_status status = mirror_snapshot_take(rows->db->mirror, &rows->snapshot);
    if (status != RHEI_OK)
        return error_set(error, status, "no memory for a snapshot of the column store");
    rows->holds_snapshot = true;
    if (route_statement_is_native(rows->statement)) {
        *query = (struct executor_query){.sql = ask->sql,
                                         .snapshot = &rows->snapshot,
                                         .native = true,
                                         .values = ask->params,
                                         .value_count = ask->param_count,
                                         .schema_version = oltp_schema_version(rows->db->oltp)};
        return RHEI_OK;
    }
    return route_plan_make(rows->db->route, rows->statement, &rows->snapshot, ask->params, ask->param_count,
                           &rows->plan, filled, query, choice, error);
}

rhei_status engine_answer_olap(struct rhei_rows *rows, const struct engine_ask *ask, struct route_choice *choice,
                               bool *answered, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    bool native = route_statement_is_native(rows->statement);
    rhei_status status = engine_wait_fresh(rows->db, ask, &why);
    if (status != RHEI_OK)
        return failed(rows, ask, choice, status, &why, false, error);
    struct executor_query query;
    struct route_filled filled;
    status = pin_and_plan(rows, ask, &query, &filled, choice, &why);
    if (status != RHEI_OK)
        return failed(rows, ask, choice, status, &why, false, error);
    if (!native && rows->plan == NULL) {
        let_go(rows);
        return RHEI_OK;
    }
    query.strings_view = ask->strings_view;
    query.memory_limit = ask->memory_limit;
    if (engine_limits_any(&rows->limits))
        query.stop = (struct executor_stop){engine_limits_check, &rows->limits};
    status = rows->db->executor->ops->run(rows->db->executor, &query, &rows->stream, &why);
    bool tie = false;
    if (status == RHEI_OK && !native)
        status = give_shape(rows, ask, &tie, &why);
    if (status != RHEI_OK)
        return failed(rows, ask, choice, status, &why, !native, error);
    if (tie) {
        let_go(rows);
        fall_back(rows, choice, "tie", "rows that ORDER BY leaves equal come in the order of SQLite's plan");
        return RHEI_OK;
    }
    rows->kind = ANSWER_STREAM;
    rows->position = mirror_snapshot_position(&rows->snapshot);
    rows->age_us = age_us(rows->db, &rows->snapshot, ask);
    if (native)
        status = use_stream_columns(rows, error);
    atomic_fetch_add_explicit(&rows->db->counters.routed_olap, 1, memory_order_relaxed);
    *answered = true;
    return status;
}

rhei_status rhei_olap_query_arrow(rhei_db *db, const char *sql, const struct rhei_query_options *options,
                                  struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct engine_ask ask;
    error_clear(error);
    rhei_status status = engine_ask_init(db, &ask, sql, NULL, options, error);
    if (status != RHEI_OK)
        return status;
    if (stream == NULL)
        return error_set(error, RHEI_INVALID, "rhei_olap_query_arrow needs a place for the stream");
    if (db->sync == NULL)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "this handle keeps no column store (it is read-only, or olap_backend is none)");
    status = engine_wait_fresh(db, &ask, error);
    struct rhei_rows *rows = NULL;
    if (status == RHEI_OK)
        status = engine_rows_new(db, NULL, &rows, error);
    if (status != RHEI_OK)
        return status;
    rows->limits = ask.limits;
    status = mirror_snapshot_take(db->mirror, &rows->snapshot);
    if (status == RHEI_OK) {
        rows->holds_snapshot = true;
        rows->kind = ANSWER_STREAM;
        rows->rule = "olap-direct";
        rows->position = mirror_snapshot_position(&rows->snapshot);
        rows->age_us = age_us(db, &rows->snapshot, &ask);
        struct executor_query query = {
            .sql = sql,
            .snapshot = &rows->snapshot,
            .native = true,
            .schema_version = oltp_schema_version(db->oltp),
            .strings_view = ask.strings_view,
            .memory_limit = ask.memory_limit,
        };
        if (engine_limits_any(&rows->limits))
            query.stop = (struct executor_stop){engine_limits_check, &rows->limits};
        status = db->executor->ops->run(db->executor, &query, &rows->stream, error);
    }
    if (status != RHEI_OK) {
        rhei_rows_close(&rows);
        return status;
    }
    atomic_fetch_add_explicit(&db->counters.routed_olap, 1, memory_order_relaxed);
    return engine_rows_to_stream(&rows, ask.strings_view, stream, error);
}
