/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV after RFC 4180, with \n as line end as Unix tools expect; TSV is the same with tabs. What RFC 4180 leaves open: NULL is a
 * bare null text (by default an empty field), and text that reads the same is quoted, so that rh import tells them apart; so
 * are a BLOB, bare x'0a', and text of that form.
 */
#include "rh_number.h"
#include "rh_text.h"
#include "rh_writer.h"

#include <string.h>

static bool needs_quotes(const struct rh_writer *writer, const char *text, size_t length)
{
    bool null = length == strlen(writer->null_text) && memcmp(text, writer->null_text, length) == 0;
    if (length == 0 || null || (length > 2 && text[0] == 'x' && text[1] == '\''))
        return true;
    for (size_t at = 0; at < length; at++)
        if (text[at] == writer->delimiter || text[at] == '"' || text[at] == '\n' || text[at] == '\r')
            return true;
    return false;
}

static void add_field(struct rh_writer *writer, const char *text, size_t length)
{
    struct rh_buffer *line = &writer->line;
    if (!needs_quotes(writer, text, length)) {
        rh_buffer_add(line, text, length);
        return;
    }
    rh_add_quoted(line, text, length);
}

static void add_value(struct rh_writer *writer, const struct rhei_value *value)
{
    struct rh_buffer *line = &writer->line;
    char real[RH_REAL_SIZE], integer[RH_INTEGER_SIZE];
    switch (value->type) {
    case RHEI_INTEGER:
        rh_buffer_add_text(line, rh_format_integer(value->as.integer, integer));
        break;
    case RHEI_REAL:
        rh_buffer_add(line, real, rh_format_real(value->as.real, real));
        break;
    case RHEI_TEXT:
        add_field(writer, value->as.bytes, value->length);
        break;
    case RHEI_BLOB:
        rh_add_blob(line, value->as.bytes, value->length);
        break;
    default:
        rh_buffer_add_text(line, writer->null_text);
    }
}

static void write_line(struct rh_writer *writer)
{
    rh_buffer_add_char(&writer->line, '\n');
    fwrite(writer->line.bytes, 1, writer->line.length, writer->file);
    rh_buffer_clear(&writer->line);
}

static void csv_begin(struct rh_writer *writer)
{
    if (writer->no_header)
        return;
    for (size_t at = 0; at < writer->column_count; at++) {
        if (at > 0)
            rh_buffer_add_char(&writer->line, writer->delimiter);
        add_field(writer, writer->names[at], strlen(writer->names[at]));
    }
    write_line(writer);
}

static void csv_row(struct rh_writer *writer, const struct rhei_value *values)
{
    for (size_t at = 0; at < writer->column_count; at++) {
        if (at > 0)
            rh_buffer_add_char(&writer->line, writer->delimiter);
        add_value(writer, &values[at]);
    }
    write_line(writer);
}

static void csv_end(struct rh_writer *writer)
{
    (void)writer;
}

const struct rh_writer_class rh_csv_class = {csv_begin, csv_row, csv_end};
