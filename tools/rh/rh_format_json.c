/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: one array of objects; ndjson: one object a line. Numbers are written exactly, BLOBs as {"base64":"..."}. Names that
 * come twice get a number (id, id_2), because readers of JSON keep only one of them otherwise.
 */
#include "rh_number.h"
#include "rh_text.h"
#include "rh_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void add_escape(struct rh_buffer *out, unsigned char c)
{
    static const char shorts[] = "\"\"\\\\\nn\rr\tt\bb\ff";
    for (const char *at = shorts; *at != '\0'; at += 2) {
        if ((unsigned char)*at == c) {
            rh_buffer_add_char(out, '\\');
            rh_buffer_add_char(out, at[1]);
            return;
        }
    }
    rh_buffer_format(out, "\\u%04x", c);
}

/* Bytes that JSON has as they are: most texts are nothing else. */
static size_t plain_length(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length && text[at] >= 0x20 && text[at] < 0x7f && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

void rh_add_json_text(struct rh_buffer *out, const char *text, size_t length)
{
    rh_buffer_add_char(out, '"');
    for (size_t at = 0; at < length;) {
        size_t plain = plain_length(text + at, length - at);
        rh_buffer_add(out, text + at, plain);
        at += plain;
        if (at == length)
            break;
        int32_t code;
        size_t step = rh_utf8_next(text + at, length - at, &code);
        if (code < 0)
            rh_buffer_add_text(out, "\xEF\xBF\xBD");
        else if (code < 0x20 || code == '"' || code == '\\' || code == 0x7f)
            add_escape(out, (unsigned char)code);
        else
            rh_buffer_add(out, text + at, step);
        at += step;
    }
    rh_buffer_add_char(out, '"');
}

void rh_add_json_member(struct rh_buffer *out, const char *name, int64_t value)
{
    rh_buffer_format(out, "\"%s\":%" PRId64 ",", name, value);
}

void rh_add_json_text_member(struct rh_buffer *out, const char *name, const char *text)
{
    rh_buffer_format(out, "\"%s\":", name);
    rh_add_json_text(out, text, strlen(text));
    rh_buffer_add_char(out, ',');
}

void rh_add_json_value(struct rh_buffer *line, const struct rhei_value *value)
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
        rh_add_json_text(line, value->as.bytes, value->length);
        break;
    case RHEI_BLOB:
        rh_buffer_add_text(line, "{\"base64\":\"");
        rh_add_base64(line, value->as.bytes, value->length);
        rh_buffer_add_text(line, "\"}");
        break;
    default:
        rh_buffer_add_text(line, "null");
    }
}

static bool name_is_taken(const struct rh_writer *writer, size_t column, const char *name)
{
    for (size_t at = 0; at < writer->column_count; at++)
        if (at != column && strcmp(writer->names[at], name) == 0)
            return true;
    return false;
}

static void make_names_differ(struct rh_writer *writer)
{
    for (size_t at = 1; at < writer->column_count; at++) {
        bool repeated = false;
        for (size_t before = 0; before < at; before++)
            repeated = repeated || strcmp(writer->names[before], writer->names[at]) == 0;
        struct rh_buffer name = {0};
        for (int number = 2; repeated; number++) {
            rh_buffer_clear(&name);
            rh_buffer_format(&name, "%s_%d", writer->names[at], number);
            if (!name_is_taken(writer, at, name.bytes)) {
                free(writer->names[at]);
                writer->names[at] = name.bytes;
                name = (struct rh_buffer){0};
                break;
            }
        }
        rh_buffer_free(&name);
    }
}

static void add_object(struct rh_writer *writer, const struct rhei_value *values)
{
    rh_buffer_add_char(&writer->line, '{');
    for (size_t at = 0; at < writer->column_count; at++) {
        if (at > 0)
            rh_buffer_add_char(&writer->line, ',');
        rh_add_json_text(&writer->line, writer->names[at], strlen(writer->names[at]));
        rh_buffer_add_char(&writer->line, ':');
        rh_add_json_value(&writer->line, &values[at]);
    }
    rh_buffer_add_char(&writer->line, '}');
}

static void write_line(struct rh_writer *writer)
{
    fwrite(writer->line.bytes, 1, writer->line.length, writer->file);
    rh_buffer_clear(&writer->line);
}

static void json_begin(struct rh_writer *writer)
{
    make_names_differ(writer);
    fputc('[', writer->file);
}

static void json_row(struct rh_writer *writer, const struct rhei_value *values)
{
    if (writer->rows > 0)
        rh_buffer_add_text(&writer->line, ",\n ");
    add_object(writer, values);
    write_line(writer);
}

static void json_end(struct rh_writer *writer)
{
    fputs("]\n", writer->file);
}

static void ndjson_begin(struct rh_writer *writer)
{
    make_names_differ(writer);
}

static void ndjson_row(struct rh_writer *writer, const struct rhei_value *values)
{
    add_object(writer, values);
    rh_buffer_add_char(&writer->line, '\n');
    write_line(writer);
}

static void ndjson_end(struct rh_writer *writer)
{
    (void)writer;
}

const struct rh_writer_class rh_json_class = {json_begin, json_row, json_end};
const struct rh_writer_class rh_ndjson_class = {ndjson_begin, ndjson_row, ndjson_end};
