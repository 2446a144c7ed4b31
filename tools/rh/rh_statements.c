/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_statements.h"

#include "rh_interrupt.h"
#include "rh_pager.h"
#include "rh_suggest.h"
#include "rh_text.h"
#include "rh_waiting.h"
#include "rh_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_file(struct rh_buffer *text, FILE *file)
{
    size_t got;
    do {
        rh_buffer_reserve(text, 1 << 16);
        got = fread(text->bytes + text->length, 1, 1 << 16, file);
        text->length += got;
    } while (got > 0);
    text->bytes[text->length] = '\0';
    return !ferror(file);
}

static int read_text(struct rh_statements *statements, const struct rh_tool *tool)
{
    const struct rh_args *args = tool->args;
    const char *name = args->file != NULL ? args->file : "-";
    if (args->sql != NULL && strcmp(args->sql, "-") != 0) {
        rh_buffer_add_text(&statements->text, args->sql);
        return RH_EXIT_OK;
    }
    if (args->sql == NULL && args->file == NULL && isatty(STDIN_FILENO)) {
        rh_tell(tool, "the SQL is missing: give it as an argument, with --file, or through a pipe");
        return RH_EXIT_USAGE;
    }
    bool standard = strcmp(name, "-") == 0;
    statements->origin = standard ? NULL : name;
    FILE *file = standard ? stdin : fopen(name, "rb");
    bool good = file != NULL && read_file(&statements->text, file);
    int reason = errno;
    if (file != NULL && !standard)
        fclose(file);
    if (rh_interrupted()) /* whoever filled the pipe was perhaps ended too: half a text must not run */
        return rh_tell(tool, "cancelled [CANCELLED 57014]");
    if (!good)
        return rh_tell(tool, "%s could not be read: %s", standard ? "standard input" : name, strerror(reason));
    return RH_EXIT_OK;
}

int rh_statements_read(struct rh_statements *statements, const struct rh_tool *tool)
{
    *statements = (struct rh_statements){0};
    int code = read_text(statements, tool);
    if (code != RH_EXIT_OK)
        return code;
    struct rh_buffer *text = &statements->text;
    rh_buffer_reserve(text, 0);
    if (text->length >= 3 && memcmp(text->bytes, "\xEF\xBB\xBF", 3) == 0)
        memset(text->bytes, ' ', 3); /* a byte order mark is no SQL */
    if (memchr(text->bytes, '\0', text->length) != NULL)
        return rh_tell(tool, "the SQL holds a zero byte: it isn't SQL text in UTF-8");
    rh_script_split(&statements->script, text->bytes, text->length);
    if (statements->script.count == 0) {
        rh_tell(tool, "there is no SQL statement in the text");
        return RH_EXIT_USAGE;
    }
    if (tool->args->params.count > 0 && statements->script.count > 1) {
        rh_tell(tool, "--param goes with one statement, and here are %zu", statements->script.count);
        return RH_EXIT_USAGE;
    }
    struct rh_buffer why = {0};
    bool good = rh_params_check(&tool->args->params, text->bytes, text->length, &why);
    if (!good)
        rh_tell(tool, "%s", why.bytes);
    rh_buffer_free(&why);
    return good ? RH_EXIT_OK : RH_EXIT_USAGE;
}

void rh_statements_free(struct rh_statements *statements)
{
    rh_script_free(&statements->script);
    rh_buffer_free(&statements->text);
}

char *rh_statements_copy(const struct rh_statements *statements, size_t index, const char *prefix)
{
    const struct rh_part *part = &statements->script.parts[index];
    struct rh_buffer copy = {0};
    rh_buffer_add_text(&copy, prefix);
    rh_buffer_add(&copy, statements->script.text + part->start, part->length);
    return copy.bytes;
}

/* The line of the text with a caret under the place. Long lines are shown around it. */
static void tell_caret(const struct rh_tool *tool, const char *text, size_t offset, const struct rh_place *place)
{
    size_t start = place->line_start, end = place->line_end;
    size_t width = tool->err.width > 40 ? tool->err.width - 6 : 100;
    while (start < offset && rh_text_width(text + start, offset - start) > width * 2 / 3) {
        int32_t code;
        start += rh_utf8_next(text + start, offset - start, &code);
    }
    struct rh_buffer line = {0}, mark = {0};
    rh_add_visible(&line, text + start, end > start ? end - start : 0);
    rh_add_visible(&mark, text + start, offset - start);
    size_t before = mark.length > 0 ? rh_text_width(mark.bytes, mark.length) : 0;
    size_t shown = line.length > 0 ? rh_text_cut(line.bytes, line.length, width) : 0;
    fprintf(stderr, "  %.*s\n  %*s%s^%s\n", (int)shown, line.length > 0 ? line.bytes : "", (int)before, "",
            rh_style(&tool->err, RH_BOLD), rh_style(&tool->err, RH_PLAIN));
    rh_buffer_free(&line);
    rh_buffer_free(&mark);
}

/* Where in a statement an error is: as it says, where a table's name is that isn't there, or at the end of what isn't whole; SIZE_MAX: nobody knows. */
static size_t place_within(const char *sql, size_t length, size_t prefix_length, const struct rhei_error *error)
{
    size_t name_length;
    if (error->sql_offset >= 0)
        return (size_t)error->sql_offset >= prefix_length && (size_t)error->sql_offset - prefix_length <= length
                   ? (size_t)error->sql_offset - prefix_length
                   : SIZE_MAX;
    const char *name = rh_missing_name(error->message, &name_length);
    if (name != NULL)
        return rh_place_of_name(sql, length, name, name_length);
    return strncmp(error->message, "incomplete input", 16) == 0 ? length : SIZE_MAX;
}

void rh_statements_tell(const struct rh_statements *statements, const struct rh_tool *tool, size_t index,
                        size_t prefix_length, const struct rhei_error *error)
{
    const struct rh_part *part = &statements->script.parts[index];
    const char *text = statements->script.text;
    size_t offset = part->start;
    size_t inside = place_within(text + part->start, part->length, prefix_length, error);
    bool exact = inside != SIZE_MAX;
    if (exact)
        offset += inside;
    struct rh_place place = rh_place_of(text, statements->text.length, offset);
    if (exact)
        rh_tell_error_of(tool, error, text + part->start, part->length);
    else
        rh_tell_error(tool, error);
    if (statements->script.count > 1 || statements->origin != NULL || exact) {
        fputs("  ", stderr);
        if (statements->origin != NULL)
            fprintf(stderr, "%s: ", statements->origin);
        if (statements->script.count > 1)
            fprintf(stderr, "statement %zu of %zu, ", index + 1, statements->script.count);
        fprintf(stderr, exact ? "line %zu, column %zu:\n" : "which begins at line %zu, column %zu:\n",
                statements->line + place.line, place.column);
    }
    if (exact || statements->script.count > 1)
        tell_caret(tool, text, offset, &place);
    bool in_dialect = strstr(error->message, "whose dialect it may be") != NULL;
    if (in_dialect && tool->args->route != RHEI_ROUTE_OLAP)
        fputs(tool->repl ? "  .olap builds the column store, and asks it.\n"
                         : "  rh query --route olap builds the column store first, and asks it.\n",
              stderr);
}

bool rh_check_format(const struct rh_tool *tool)
{
    enum rh_format format = tool->args->format;
    if ((format != RH_FORMAT_PARQUET && format != RH_FORMAT_ARROW) || tool->args->command == RH_COMMAND_QUERY)
        return true;
    rh_tell(tool,
            "--format %s is offered by rh query, which also runs a statement that writes, and by rh export "
            "[UNSUPPORTED 0A000]",
            rh_format_name(format));
    return false;
}

static void tell_change(struct rh_buffer *line, const struct rhei_result *result)
{
    rh_add_count(line, (uint64_t)(result->changes > 0 ? result->changes : 0));
    rh_buffer_add_text(line, result->changes == 1 ? " row changed" : " rows changed");
}

/* Of the file, and of other sources whose tables were read: each counts for itself. */
static void add_positions(struct rh_buffer *line, rhei_rows *rows)
{
    struct rhei_source_position **positions = NULL;
    size_t count = 0;
    if (rhei_rows_position_list(rows, &positions, &count, NULL) != RHEI_OK)
        return;
    for (size_t at = 0; at < count; at++)
        if (at == 0)
            rh_buffer_format(line, "position %" PRId64, positions[at]->position);
        else
            rh_buffer_format(line, ", of \"%s\" %" PRId64, positions[at]->source, positions[at]->position);
    rhei_free(positions);
}

void rh_tell_facts(struct rh_tool *tool, rhei_rows *rows, uint64_t count, int64_t elapsed_us)
{
    struct rh_buffer line = {0};
    struct rhei_result result = {.struct_size = sizeof result};
    rhei_rows_result(rows, &result);
    bool dot = tool->err.utf8;
    const char *between = dot ? " · " : ", ";
    if (rhei_rows_column_count(rows) > 0) {
        rh_add_count(&line, count);
        rh_buffer_add_text(&line, count == 1 ? " row" : " rows");
    } else {
        tell_change(&line, &result);
    }
    if (strcmp(rhei_rows_rule(rows), "explain-route") == 0) /* its own route is no news beside the one it tells of */
        rh_buffer_add_text(&line, between);
    else
        rh_buffer_format(&line, "%s%s (%s)%s", between, rhei_rows_route(rows), rhei_rows_rule(rows), between);
    rh_add_duration(&line, elapsed_us);
    rh_buffer_add_text(&line, between);
    add_positions(&line, rows);
    rh_buffer_format(&line, "%sage ", between);
    rh_add_age(&line, rhei_rows_age_us(rows));
    (void)rh_flush_output();
    fprintf(stderr, "%s%s%s\n", rh_style(&tool->err, RH_DIM), line.bytes, rh_style(&tool->err, RH_PLAIN));
    rh_buffer_free(&line);
}

static rhei_status write_all(struct rh_writer *writer, rhei_rows *rows, rhei_status status, struct rhei_value *values,
                             struct rhei_error *error)
{
    while (status == RHEI_ROW) {
        for (uint32_t at = 0; at < writer->column_count; at++)
            values[at] = rhei_rows_value(rows, at);
        rh_writer_row(writer, values);
        if (ferror(writer->file)) /* before anything else sets errno */
            break;
        rh_waiting_rows(writer->rows);
        status = rhei_rows_next(rows, error);
    }
    return status;
}

void rh_tell_left(const struct rh_tool *tool, uint64_t count)
{
    struct rh_buffer line = {0};
    rh_add_count(&line, count);
    fprintf(stderr, "%sleft after %s rows; there are more%s\n", rh_style(&tool->err, RH_DIM), line.bytes,
            rh_style(&tool->err, RH_PLAIN));
    rh_buffer_free(&line);
}

enum rh_format rh_effective_format(const struct rh_tool *tool)
{
    if (tool->args->format != RH_FORMAT_DEFAULT)
        return tool->args->format;
    return tool->out.present ? RH_FORMAT_TABLE : RH_FORMAT_CSV;
}

enum rh_format rh_sentence_format(const struct rh_tool *tool)
{
    bool lines = tool->args->format == RH_FORMAT_DEFAULT && tool->out.present && tool->args->width == 0;
    return lines ? RH_FORMAT_VERTICAL : rh_effective_format(tool);
}

rhei_status rh_write_rows_to(struct rh_tool *tool, rhei_rows *rows, FILE *file, uint64_t *count,
                             struct rhei_error *error)
{
    uint32_t columns = rhei_rows_column_count(rows);
    rhei_status status = rhei_rows_next(rows, error);
    *count = 0;
    if (tool->out.present && file == stdout)
        rh_waiting_stop(); /* the rows come to the same terminal */
    struct rh_output output = {.terminal = tool->out,
                               .null_text = tool->args->null_text,
                               .no_header = tool->args->import.no_header,
                               .width = tool->args->width == INT64_MAX ? SIZE_MAX : (size_t)tool->args->width,
                               .whole = tool->repl ? ".mode vertical" : "--format vertical"};
    if (columns > 0 && (status == RHEI_ROW || status == RHEI_DONE)) {
        struct rhei_value *values = rh_allocate(columns * sizeof *values);
        const char **names = rh_allocate(columns * sizeof *names);
        for (uint32_t at = 0; at < columns; at++)
            names[at] = rhei_rows_column_name(rows, at);
        struct rh_writer *writer = rh_writer_open(rh_effective_format(tool), file, &output, names, columns);
        status = write_all(writer, rows, status, values, error);
        *count = writer->rows;
        rh_writer_close(&writer);
        free(names);
        free(values);
    }
    rh_waiting_stop();
    return status == RHEI_DONE || status == RHEI_ROW ? RHEI_OK : status;
}

rhei_status rh_write_rows(struct rh_tool *tool, rhei_rows **rows, int64_t started, struct rhei_error *error)
{
    uint64_t count;
    /* not of commands that may hold a transaction, which nobody's reading is to lengthen */
    struct rh_pager *pager = tool->args->command == RH_COMMAND_QUERY ? rh_pager_for(&tool->out) : NULL;
    rhei_status status = rh_write_rows_to(tool, *rows, rh_pager_file(pager), &count, error);
    bool left = pager != NULL && ferror(rh_pager_file(pager)) != 0;
    int64_t read_us = rh_pager_close(&pager);
    bool tells = tool->args->stats || (tool->out.present && tool->err.present);
    if (status == RHEI_OK && tells && left)
        rh_tell_left(tool, count); /* neither the rows that there are nor the time that they take is known */
    else if (status == RHEI_OK && tells)
        rh_tell_facts(tool, *rows, count, rh_now_us() - started - read_us);
    rhei_rows_close(rows);
    return status;
}
