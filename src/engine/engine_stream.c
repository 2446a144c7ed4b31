/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as an Arrow stream that says in its schema where they come from, and such a stream as bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arrow/arrow_ipc.h"
#include "engine/engine_internal.h"

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

/* The Arrow type of a column that turns out to hold only NULL. */
static uint8_t class_of_declared_type(const char *type)
{
    if (type == NULL || type[0] == '\0')
        return RHEI_NULL;
    if (strcasestr(type, "INT") != NULL)
        return RHEI_INTEGER;
    if (strcasestr(type, "CHAR") != NULL || strcasestr(type, "CLOB") != NULL || strcasestr(type, "TEXT") != NULL)
        return RHEI_TEXT;
    if (strcasestr(type, "BLOB") != NULL)
        return RHEI_BLOB;
    if (strcasestr(type, "REAL") != NULL || strcasestr(type, "FLOA") != NULL || strcasestr(type, "DOUB") != NULL)
        return RHEI_REAL;
    return RHEI_NULL;
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
        out->usual[c] = class_of_declared_type(rhei_rows_column_type(rows, c));
        if (rows->cursor != NULL) {
            out->known[c] = oltp_cursor_column_class(rows->cursor, c);
            if (out->known[c] == RHEI_TEXT) /* sure to be text, but not to be UTF-8 */
                out->known[c] = RHEI_NULL;
        }
    }
    return RHEI_OK;
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
    struct arrow_row_source source = {next_row, release_rows, rows};
    struct arrow_row_options options = {
        .columns = {.count = rows->column_count,
                    .names = columns.names,
                    .known_class = columns.known,
                    .usual_class = columns.usual,
                    .strings_view = strings_view},
        .pairs = pairs,
        .pair_count = count,
    };
    status = arrow_row_stream(&source, &options, stream, error);
    base_free(columns.names);
    return status;
}

rhei_status engine_rows_to_stream(struct rhei_rows **rows, bool strings_view, struct ArrowArrayStream *stream,
                                  struct rhei_error *error)
{
    struct rhei_rows *taken = *rows;
    *rows = NULL;
    char position[24], age[24];
    snprintf(position, sizeof position, "%" PRId64, rhei_rows_position(taken));
    snprintf(age, sizeof age, "%" PRId64, taken->age_us);
    const struct arrow_pair pairs[] = {
        {"rhei.route", rhei_rows_route(taken)},
        {"rhei.rule", taken->rule},
        {"rhei.position", position},
        {"rhei.age_us", age},
    };
    size_t count = sizeof pairs / sizeof pairs[0];
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
