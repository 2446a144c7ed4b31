/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executor's rows in SQLite's shape: names, classes, and for some statements the whole result before its first row: where
 * ties have to be found, and where a column holds integers and REALs.
 */
#include <math.h>
#include <string.h>

#include "arrow/arrow_builder.h"
#include "arrow/arrow_usual.h"
#include "engine/engine_internal.h"

struct shaped_rows {
    size_t most_bytes; /* that may be held */
    const struct translation *shape;
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
    const struct translation *shape = state->shape;
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
        const struct translate_output *output = &state->shape->columns[c];
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
    const struct translation *shape = state->shape;
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
    rhei_status status = arrow_builder_append(builder, state->row, error);
    if (status == RHEI_TOO_BIG || (status == RHEI_OK && arrow_builder_bytes(builder) > state->most_bytes))
        return error_set(error, RHEI_MEMORY_LIMIT,
                         "the result has to be seen whole before its first row is given, and is larger than the memory "
                         "that the statement may use");
    return status;
}

/* Rows that are held back count against the statement's limit, or else against the executor's share of the memory. */
static size_t most_held(const struct rhei_rows *rows, const struct engine_ask *ask)
{
    return ask->memory_limit > 0 ? ask->memory_limit : rows->db->config.olap_memory_limit / 5 * 2;
}

static bool needs_shaping(const struct translation *shape)
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

rhei_status engine_whole_stream(struct arrow_builder *builder, struct ArrowArrayStream *out, struct rhei_error *error)
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
static rhei_status shape_stream(struct rhei_rows *rows, const struct engine_ask *ask, const uint8_t *usual, bool *tie,
                                struct rhei_error *error)
{
    struct shaped_rows state = {.shape = route_plan_translation(rows->plan), .most_bytes = most_held(rows, ask)};
    struct arrow_columns columns = {.count = state.shape->column_count,
                                    .names = rows->names,
                                    .usual_class = usual,
                                    .strings_view = ask->strings_view};
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
        status = engine_whole_stream(builder, &rows->stream, error);
    arrow_builder_free(&builder);
    for (uint32_t c = 0; state.kept != NULL && c < width; c++)
        base_buffer_reset(&state.kept[c]);
    base_free(state.kept);
    base_free(state.row);
    return status;
}

/*
 * Which class a column has if no value tells: its declared type's, or else the one that was inferred, INTEGER if none was. Where
 * there surely is no value, ARROW_SURELY_NULL too. [columns]
 */
static uint8_t *usual_classes(const struct rhei_rows *rows, const struct translation *shape)
{
    uint8_t *usual = base_alloc((size_t)shape->column_count + 1);
    for (uint32_t c = 0; usual != NULL && c < shape->column_count; c++) {
        bool is_declared = rows->types != NULL && rows->types[c] != NULL && rows->types[c][0] != '\0';
        uint8_t inferred = shape->columns[c].storage_class;
        if (is_declared || inferred == RHEI_NULL)
            usual[c] = arrow_usual_class(is_declared ? rows->types[c] : NULL);
        else
            usual[c] = inferred;
        if (inferred == RHEI_NULL && !shape->columns[c].mixed)
            usual[c] |= ARROW_SURELY_NULL;
    }
    return usual;
}

static rhei_status shape_as(struct rhei_rows *rows, const struct engine_ask *ask, uint8_t *usual, bool *tie,
                            struct rhei_error *error)
{
    const struct translation *shape = route_plan_translation(rows->plan);
    if (needs_shaping(shape)) {
        for (uint32_t c = 0; c < shape->column_count; c++)
            usual[c] &= (uint8_t) ~(unsigned)ARROW_SURELY_NULL;
        return shape_stream(rows, ask, usual, tie, error);
    }
    struct arrow_wrap_options wrap = {.keep = shape->column_count, .names = rows->names, .sqlite_numbers = true};
    rhei_status status = arrow_wrap_stream(&rows->stream, &wrap, &rows->stream, error);
    return status != RHEI_OK ? status
                             : arrow_settle_stream(&rows->stream, usual, shape->column_count, ask->strings_view,
                                                   most_held(rows, ask), &rows->stream, error);
}

rhei_status engine_shape(struct rhei_rows *rows, const struct engine_ask *ask, bool *tie, struct rhei_error *error)
{
    const struct translation *shape = route_plan_translation(rows->plan);
    if (shape->column_count != rows->column_count)
        return error_set(error, RHEI_INTERNAL, "the translation has %u columns where SQLite has %u",
                         shape->column_count, rows->column_count);
    uint8_t *usual = usual_classes(rows, shape);
    if (usual == NULL)
        return error_no_memory(error);
    rhei_status status = shape_as(rows, ask, usual, tie, error);
    base_free(usual);
    return status;
}
