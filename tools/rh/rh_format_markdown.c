/* SPDX-License-Identifier: Apache-2.0 */
/* A table as Markdown has it: pipes and backslashes are escaped, a line end inside a cell becomes <br>. */
#include "rh_text.h"
#include "rh_writer.h"

#include <string.h>

static void add_text(struct rh_buffer *line, const char *text, size_t length)
{
    size_t start = 0;
    for (size_t at = 0; at <= length; at++) {
        bool special = at < length && (text[at] == '|' || text[at] == '\\' || text[at] == '\n');
        if (!special && at < length)
            continue;
        rh_add_visible(line, text + start, at - start);
        start = at + 1;
        if (!special)
            break;
        if (text[at] == '\n') {
            rh_buffer_add_text(line, "<br>");
        } else {
            rh_buffer_add_char(line, '\\');
            rh_buffer_add_char(line, text[at]);
        }
    }
}

static void end_line(struct rh_writer *writer)
{
    rh_buffer_add_text(&writer->line, "|\n");
    fwrite(writer->line.bytes, 1, writer->line.length, writer->file);
    rh_buffer_clear(&writer->line);
}

static void markdown_begin(struct rh_writer *writer)
{
    if (writer->no_header)
        return;
    for (size_t at = 0; at < writer->column_count; at++) {
        rh_buffer_add_text(&writer->line, "| ");
        add_text(&writer->line, writer->names[at], strlen(writer->names[at]));
        rh_buffer_add_char(&writer->line, ' ');
    }
    end_line(writer);
    for (size_t at = 0; at < writer->column_count; at++)
        rh_buffer_add_text(&writer->line, "| --- ");
    end_line(writer);
}

static void markdown_row(struct rh_writer *writer, const struct rhei_value *values)
{
    for (size_t at = 0; at < writer->column_count; at++) {
        rh_buffer_add_text(&writer->line, "| ");
        if (values[at].type == RHEI_TEXT && !rh_looks_like_null(&values[at], writer->null_text))
            add_text(&writer->line, values[at].as.bytes, values[at].length);
        else
            rh_add_value_text(&writer->line, &values[at], writer->null_text);
        rh_buffer_add_char(&writer->line, ' ');
    }
    end_line(writer);
}

static void markdown_end(struct rh_writer *writer)
{
    (void)writer;
}

const struct rh_writer_class rh_markdown_class = {markdown_begin, markdown_row, markdown_end};
