/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_writer.h"

#include <stdlib.h>
#include <string.h>

static const struct rh_writer_class *class_of(enum rh_format format)
{
    switch (format) {
    case RH_FORMAT_TABLE:
    case RH_FORMAT_BOX:
        return &rh_table_class;
    case RH_FORMAT_JSON:
        return &rh_json_class;
    case RH_FORMAT_NDJSON:
        return &rh_ndjson_class;
    case RH_FORMAT_MARKDOWN:
        return &rh_markdown_class;
    case RH_FORMAT_VERTICAL:
        return &rh_vertical_class;
    default:
        return &rh_csv_class;
    }
}

struct rh_writer *rh_writer_open(enum rh_format format, FILE *file, const struct rh_output *output,
                                 const char *const *names, size_t column_count)
{
    struct rh_writer *writer = rh_allocate(sizeof *writer);
    writer->class = class_of(format);
    writer->file = file;
    writer->terminal = output->terminal;
    writer->no_header = output->no_header;
    writer->box = format == RH_FORMAT_BOX;
    writer->whole = output->whole != NULL ? output->whole : "--format vertical";
    writer->width = output->width == SIZE_MAX  ? 0
                    : output->width > 0        ? output->width
                    : output->terminal.present ? output->terminal.width
                                               : 0;
    bool fields = writer->class == &rh_csv_class;
    writer->null_text = output->null_text != NULL ? output->null_text : fields ? "" : "NULL";
    writer->delimiter = format == RH_FORMAT_TSV ? '\t' : ',';
    writer->column_count = column_count;
    writer->names = rh_allocate(column_count * sizeof *writer->names);
    for (size_t at = 0; at < column_count; at++)
        writer->names[at] = rh_copy_text(names[at], strlen(names[at]));
    writer->class->begin(writer);
    return writer;
}

void rh_writer_row(struct rh_writer *writer, const struct rhei_value *values)
{
    writer->class->row(writer, values);
    writer->rows++;
}

void rh_writer_close(struct rh_writer **writer)
{
    struct rh_writer *w = *writer;
    if (w == NULL)
        return;
    w->class->end(w);
    for (size_t at = 0; at < w->column_count; at++)
        free(w->names[at]);
    free(w->names);
    rh_buffer_free(&w->line);
    free(w);
    *writer = NULL;
}

struct rhei_value rh_text_or_null(const char *text)
{
    return text[0] == '\0' ? rhei_null() : rhei_text(text);
}
