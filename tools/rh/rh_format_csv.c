/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV after RFC 4180, with \n as line end as Unix tools expect. What RFC 4180 leaves open: NULL is an empty field and
 * empty text is "", so that rh import tells them apart; a BLOB is base64.
 */
#include "rh_number.h"
#include "rh_text.h"
#include "rh_writer.h"

#include <string.h>

static bool needs_quotes(const char *text, size_t length)
{
    if (length == 0)
        return true;
    for (size_t at = 0; at < length; at++)
        if (text[at] == ',' || text[at] == '"' || text[at] == '\n' || text[at] == '\r')
            return true;
    return false;
}

static void add_field(struct rh_buffer *line, const char *text, size_t length)
{
    if (!needs_quotes(text, length)) {
        rh_buffer_add(line, text, length);
        return;
    }
    rh_buffer_add_char(line, '"');
    for (size_t at = 0; at < length; at++) {
        if (text[at] == '"')
            rh_buffer_add_char(line, '"');
        rh_buffer_add_char(line, text[at]);
    }
    rh_buffer_add_char(line, '"');
}

static void add_value(struct rh_buffer *line, const struct rhei_value *value)
{
    char real[RH_REAL_SIZE], integer[RH_INTEGER_SIZE];
    switch (value->type) {
    case RHEI_INTEGER:
        rh_buffer_add_text(line, rh_format_integer(value->as.integer, integer));
        break;
    case RHEI_REAL:
        rh_buffer_add(line, real, rh_format_real(value->as.real, real));
        break;
    case RHEI_TEXT:
        add_field(line, value->as.bytes, value->length);
        break;
    case RHEI_BLOB:
        if (value->length == 0)
            rh_buffer_add_text(line, "\"\"");
        rh_add_base64(line, value->as.bytes, value->length);
        break;
    default:
        break;
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
    for (size_t at = 0; at < writer->column_count; at++) {
        if (at > 0)
            rh_buffer_add_char(&writer->line, ',');
        add_field(&writer->line, writer->names[at], strlen(writer->names[at]));
    }
    write_line(writer);
}

static void csv_row(struct rh_writer *writer, const struct rhei_value *values)
{
    for (size_t at = 0; at < writer->column_count; at++) {
        if (at > 0)
            rh_buffer_add_char(&writer->line, ',');
        add_value(&writer->line, &values[at]);
    }
    write_line(writer);
}

static void csv_end(struct rh_writer *writer)
{
    (void)writer;
}

const struct rh_writer_class rh_csv_class = {csv_begin, csv_row, csv_end};
