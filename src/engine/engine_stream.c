/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as an Arrow stream that says in its schema where they come from, and such a stream as bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arrow/arrow_ipc.h"
#include "arrow/arrow_usual.h"
#include "engine/engine_positions.h"

static rhei_status next_row(void *context, struct rhei_value *row, struct rhei_error *error)
{
    rhei_rows *rows = context;
    rhei_status status = rhei_rows_next(rows, error);
    for (uint32_t c = 0; status == RHEI_ROW && c < rows->column_count; c++)
        row[c] = rhei_rows_value(rows, c);
    return status;
}

static void release_rows(void *context)
{
    rhei_rows *rows = context;
    rhei_rows_close(&rows);
}

static rhei_status survey_rows(void *context, size_t keep, uint8_t *seen, struct rhei_error *error)
{
    rhei_rows *rows = context;
    return oltp_cursor_survey(rows->cursor, keep, seen, error);
}

/* ---- Types. ---------------------------------------------------------------------------------------------------------- */

enum { DECLARED = 0x40 };

/* What may be said of an expression that has no value in any row: what the column store would say of it. */
struct usual_classes {
    struct rhei_db *db;
    struct route_statement *statement; /* kept */
    const struct engine_ask *ask;
    const uint8_t *declared; /* [columns] arrow_usual_class of the declared type, DECLARED added if there is one */
    bool asked;
    struct route_plan *plan; /* NULL: the column store has no answer */
};

static void usual_ask(struct usual_classes *usual)
{
    struct route_state state = {0};
    struct route_filled filled;
    struct route_choice choice;
    struct executor_query query;
    struct translate_direct direct;
    usual->asked = true;
    if (usual->statement == NULL || usual->ask == NULL || usual->db->mirror == NULL ||
        route_statement_target(usual->statement, &choice) != ROUTE_TO_OLAP)
        return;
    if (route_state_take(usual->db->route, false, &state, NULL) != RHEI_OK)
        return;
    rhei_status status = route_direct_make(usual->db->route, usual->statement, &state, usual->ask->params,
                                           usual->ask->param_count, &direct, NULL);
    if (status == RHEI_OK && direct.kind != TRANSLATE_DIRECT_COLUMNS) /* plain columns go by their declaration alone */
        (void)route_plan_make(usual->db->route, usual->statement, &state, usual->ask->params, usual->ask->param_count,
                              &usual->plan, &filled, &query, &choice, NULL);
    translate_direct_reset(&direct);
    route_state_release(&state);
}

/* A declared type's own, or else the class that was inferred for the expression. */
static uint8_t usual_class(void *context, uint32_t column)
{
    struct usual_classes *usual = context;
    bool is_declared = (usual->declared[column] & DECLARED) != 0;
    if (!is_declared && !usual->asked)
        usual_ask(usual);
    const struct translation *translation =
        is_declared || usual->plan == NULL ? NULL : route_plan_translation(usual->plan);
    if (translation != NULL && column < translation->column_count &&
        translation->columns[column].storage_class != RHEI_NULL)
        return translation->columns[column].storage_class;
    return (uint8_t)(usual->declared[column] & ~(unsigned)DECLARED);
}

void engine_usual_classes(struct rhei_db *db, struct route_statement *statement, const struct engine_ask *ask,
                          const char *const *types, uint32_t count, uint8_t *classes)
{
    for (uint32_t c = 0; c < count; c++)
        classes[c] = (uint8_t)(arrow_usual_class(types[c]) | (types[c][0] != '\0' ? DECLARED : 0));
    struct usual_classes usual = {.db = db, .statement = statement, .ask = ask, .declared = classes};
    for (uint32_t c = 0; c < count; c++)
        classes[c] = usual_class(&usual, c);
    route_plan_release(&usual.plan);
}

struct stream_columns {
    const char **names;
    uint8_t *known, *usual;
};

static rhei_status describe_columns(rhei_rows *rows, struct stream_columns *out, struct rhei_error *error)
{
    uint32_t count = rows->column_count;
    out->names = base_alloc_zero((size_t)count + 1, sizeof *out->names + 2);
    if (out->names == NULL)
        return error_no_memory(error);
    out->known = (uint8_t *)(out->names + count + 1);
    out->usual = out->known + count;
    for (uint32_t c = 0; c < count; c++) {
        out->names[c] = rhei_rows_column_name(rows, c);
        const char *type = rhei_rows_column_type(rows, c);
        out->usual[c] = (uint8_t)(arrow_usual_class(type) | (type[0] != '\0' ? DECLARED : 0));
        if (rows->cursor != NULL) {
            out->known[c] = oltp_cursor_column_class(rows->cursor, c);
            if (out->known[c] == RHEI_TEXT) /* sure to be text, but not to be UTF-8 */
                out->known[c] = RHEI_NULL;
        }
    }
    return RHEI_OK;
}

/* Would the statement give the same rows when it is run again on the same snapshot? Rows that are kept do. */
static bool rows_repeat(const rhei_rows *rows)
{
    return oltp_cursor_is_kept(rows->cursor) || (rows->statement != NULL && route_statement_repeats(rows->statement));
}

static rhei_status cursor_to_stream(rhei_rows *rows, bool strings_view, const struct arrow_pair *pairs, size_t count,
                                    struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct stream_columns columns = {0};
    rhei_status status = describe_columns(rows, &columns, error);
    if (status != RHEI_OK) {
        rhei_rows_close(&rows);
        return status;
    }
    struct arrow_row_source source = {.next = next_row, .release = release_rows, .context = rows};
    if (rows->cursor != NULL && rows_repeat(rows))
        source.survey = survey_rows;
    struct usual_classes usual = {.db = rows->db, .ask = rows->ask, .declared = columns.usual};
    if (rows->statement != NULL)
        usual.statement = route_statement_share(rows->statement);
    rows->ask = NULL;
    struct arrow_row_options options = {
        .usual = usual_class,
        .usual_context = &usual,
        .columns = {.count = rows->column_count,
                    .names = columns.names,
                    .known_class = columns.known,
                    .strings_view = strings_view},
        .pairs = pairs,
        .pair_count = count,
    };
    status = arrow_row_stream(&source, &options, stream, error);
    route_plan_release(&usual.plan);
    route_statement_release(&usual.statement);
    base_free(columns.names);
    return status;
}

enum { PAIRS = 4, SOURCES_TOLD = TABLE_SOURCES_MOST + 1 };

rhei_status engine_rows_to_stream(struct rhei_rows **rows, bool strings_view, struct ArrowArrayStream *stream,
                                  struct rhei_error *error)
{
    struct rhei_rows *taken = *rows;
    *rows = NULL;
    char position[24], age[24], names[SOURCES_TOLD][96], elsewhere[SOURCES_TOLD][24];
    snprintf(position, sizeof position, "%" PRId64, rhei_rows_position(taken));
    snprintf(age, sizeof age, "%" PRId64, taken->age_us);
    struct arrow_pair pairs[PAIRS + SOURCES_TOLD] = {
        {"rhei.route", rhei_rows_route(taken)},
        {"rhei.rule", taken->rule},
        {"rhei.position", position},
        {"rhei.age_us", age},
    };
    size_t count = PAIRS;
    struct engine_positions positions = engine_positions_of(taken);
    const char *source = NULL;
    int64_t far = 0;
    for (size_t s = 0; s < SOURCES_TOLD && engine_position_next(&positions, &source, &far) > 0; s++) {
        snprintf(names[s], sizeof names[s], "rhei.position.%.80s", source);
        snprintf(elsewhere[s], sizeof elsewhere[s], "%" PRId64, far);
        pairs[count++] = (struct arrow_pair){names[s], elsewhere[s]};
    }
    if (taken->kind == ANSWER_CURSOR)
        return cursor_to_stream(taken, strings_view, pairs, count, stream, error);
    struct arrow_wrap_options wrap = {.pairs = pairs, .pair_count = count, .release = release_rows, .context = taken};
    return arrow_wrap_stream(&taken->stream, &wrap, stream, error);
}

_Static_assert((int)RHEI_ARROW_PLAIN == (int)ARROW_IPC_PLAIN && (int)RHEI_ARROW_LZ4 == (int)ARROW_IPC_LZ4 &&
                   (int)RHEI_ARROW_ZSTD == (int)ARROW_IPC_ZSTD,
               "the public codecs are arrow's");

static rhei_status write_options(const struct rhei_arrow_options *options, struct arrow_ipc_options *out,
                                 struct rhei_error *error)
{
    struct rhei_arrow_options given;
    rhei_status status = engine_options_copy(&given, sizeof given, options, "rhei_arrow_options", error);
    if (status != RHEI_OK)
        return status;
    if (given.framing < RHEI_ARROW_STREAM || given.framing > RHEI_ARROW_FILE)
        return error_set(error, RHEI_INVALID, "framing %d is none of stream and file", given.framing);
    if (given.codec < RHEI_ARROW_PLAIN || given.codec > RHEI_ARROW_ZSTD)
        return error_set(error, RHEI_INVALID, "codec %d is none of plain, lz4 and zstd", given.codec);
    *out = (struct arrow_ipc_options){.file = given.framing == RHEI_ARROW_FILE, .codec = given.codec};
    return RHEI_OK;
}

rhei_status rhei_arrow_write(struct ArrowArrayStream *stream, const struct rhei_arrow_options *options,
                             rhei_write_function write, void *context, struct rhei_error *error)
{
    error_clear(error);
    if (stream == NULL || stream->release == NULL)
        return error_set(error, RHEI_INVALID, "rhei_arrow_write needs a stream that isn't released");
    struct arrow_ipc_options ipc = {0};
    rhei_status status = write_options(options, &ipc, error);
    if (status == RHEI_OK && write == NULL)
        status = error_set(error, RHEI_INVALID, "rhei_arrow_write needs a function that takes the bytes");
    if (status != RHEI_OK) {
        stream->release(stream);
        return status;
    }
    struct arrow_ipc_sink sink = {write, context};
    return arrow_ipc_write(stream, &ipc, &sink, error);
}
