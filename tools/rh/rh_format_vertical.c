/* SPDX-License-Identifier: Apache-2.0 */
/* A row as lines of name and value: for rows that are too wide for a table. Nothing is cut. */
#include "rh_text.h"
#include "rh_writer.h"

#include <inttypes.h>
#include <string.h>

static size_t widest_name(const struct rh_writer *writer)
{
    size_t widest = 0;
    struct rh_buffer name = {0};
    for (size_t at = 0; at < writer->column_count; at++) {
        rh_buffer_clear(&name);
        rh_buffer_reserve(&name, 0);
        rh_add_visible(&name, writer->names[at], strlen(writer->names[at]));
        size_t width = rh_text_width(name.bytes, name.length);
        widest = width > widest ? width : widest;
    }
    rh_buffer_free(&name);
    return widest;
}

static void vertical_begin(struct rh_writer *writer)
{
    writer->name_width = widest_name(writer);
}

static void add_name(struct rh_writer *writer, const char *text)
{
    size_t start = writer->line.length;
    rh_add_visible(&writer->line, text, strlen(text));
    size_t used = rh_text_width(writer->line.bytes + start, writer->line.length - start);
    for (; used < writer->name_width; used++)
        rh_buffer_add_char(&writer->line, ' ');
}

static void vertical_row(struct rh_writer *writer, const struct rhei_value *values)
{
    bool utf8 = writer->terminal.utf8;
    if (!writer->no_header)
        rh_buffer_format(&writer->line, "%s%s row %" PRIu64 " %s%s\n", rh_style(&writer->terminal, RH_DIM),
                         utf8 ? "──" : "--", writer->rows + 1, utf8 ? "──" : "--",
                         rh_style(&writer->terminal, RH_PLAIN));
    for (size_t at = 0; at < writer->column_count; at++) {
        bool null = values[at].type == RHEI_NULL;
        rh_buffer_add_char(&writer->line, ' ');
        rh_buffer_add_text(&writer->line, rh_style(&writer->terminal, RH_BOLD));
        add_name(writer, writer->names[at]);
        rh_buffer_add_text(&writer->line, rh_style(&writer->terminal, RH_PLAIN));
        rh_buffer_add_text(&writer->line, utf8 ? " │ " : " | ");
        rh_buffer_add_text(&writer->line, null ? rh_style(&writer->terminal, RH_DIM) : "");
        rh_add_value_text(&writer->line, &values[at], writer->null_text);
        rh_buffer_add_text(&writer->line, null ? rh_style(&writer->terminal, RH_PLAIN) : "");
        rh_buffer_add_char(&writer->line, '\n');
    }
    fwrite(writer->line.bytes, 1, writer->line.length, writer->file);
    rh_buffer_clear(&writer->line);
}

static void vertical_end(struct rh_writer *writer)
{
    (void)writer;
}

const struct rh_writer_class rh_vertical_class = {vertical_begin, vertical_row, vertical_end};
