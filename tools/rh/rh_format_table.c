/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table for people.
 *
 * The first rows (SAMPLE_ROWS, or SAMPLE_BYTES of them) are held back to find the widths; then rows stream with these
 * widths, and wider cells are cut on a terminal and left as they are elsewhere. On a terminal the widest text columns
 * give way until a row fits into its width; what is cut ends in an ellipsis.
 */
#include "rh_number.h"
#include "rh_text.h"
#include "rh_writer.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLE_ROWS = 2000, SAMPLE_BYTES = 8 << 20, LEAST_WIDTH = 6 };

struct cell {
    size_t start, length, width; /* in the sample's bytes */
    uint8_t type;
};

struct column {
    size_t width;
    bool numeric, seen; /* every value but NULL is a number, and there is one */
};

struct rh_table {
    struct column *columns;
    struct cell *cells; /* held back, row by row */
    size_t cell_count, cell_capacity;
    struct rh_buffer bytes;
    bool laid_out;
};

void rh_add_value_text(struct rh_buffer *out, const struct rhei_value *value)
{
    char real[RH_REAL_SIZE], integer[RH_INTEGER_SIZE];
    switch (value->type) {
    case RHEI_INTEGER:
        rh_buffer_add_text(out, rh_format_integer(value->as.integer, integer));
        break;
    case RHEI_REAL:
        rh_format_real(value->as.real, real);
        rh_buffer_add_text(out, strcmp(real, "9e999") == 0 ? "Inf" : strcmp(real, "-9e999") == 0 ? "-Inf" : real);
        break;
    case RHEI_TEXT:
        rh_add_visible(out, value->as.bytes, value->length);
        break;
    case RHEI_BLOB:
        rh_buffer_add_text(out, "x'");
        rh_add_hex(out, value->as.bytes, value->length);
        rh_buffer_add_char(out, '\'');
        break;
    default:
        rh_buffer_add_text(out, "NULL");
    }
}

static struct cell make_cell(struct rh_table *table, const struct rhei_value *value)
{
    struct cell cell = {.start = table->bytes.length, .type = value->type};
    rh_add_value_text(&table->bytes, value);
    cell.length = table->bytes.length - cell.start;
    cell.width = rh_text_width(table->bytes.bytes + cell.start, cell.length);
    return cell;
}

static void pad(struct rh_writer *writer, size_t columns)
{
    for (; columns > 0; columns--)
        rh_buffer_add_char(&writer->line, ' ');
}

static const char *ellipsis_of(const struct rh_writer *writer)
{
    return writer->terminal.utf8 ? "…" : "~";
}

/* One cell in its column's width. The last column gets no spaces behind it. */
static void add_cell(struct rh_writer *writer, const struct column *column, const char *text, size_t length,
                     size_t width, enum rh_style style, bool last)
{
    bool cut = writer->terminal.present && width > column->width;
    size_t shown = cut ? rh_text_cut(text, length, column->width - 1) : length;
    size_t used = cut ? rh_text_width(text, shown) + 1 : width;
    size_t space = column->width > used ? column->width - used : 0;
    if (column->numeric)
        pad(writer, space);
    if (style != RH_PLAIN)
        rh_buffer_add_text(&writer->line, rh_style(&writer->terminal, style));
    rh_buffer_add(&writer->line, text, shown);
    if (cut)
        rh_buffer_add_text(&writer->line, ellipsis_of(writer));
    if (style != RH_PLAIN)
        rh_buffer_add_text(&writer->line, rh_style(&writer->terminal, RH_PLAIN));
    if (!column->numeric && !last)
        pad(writer, space);
}

static void write_line(struct rh_writer *writer)
{
    rh_buffer_add_char(&writer->line, '\n');
    fwrite(writer->line.bytes, 1, writer->line.length, writer->file);
    rh_buffer_clear(&writer->line);
}

static void write_cells(struct rh_writer *writer, const struct cell *cells)
{
    struct rh_table *table = writer->table;
    for (size_t at = 0; at < writer->column_count; at++) {
        rh_buffer_add_text(&writer->line, at == 0 ? " " : writer->terminal.utf8 ? " │ " : " | ");
        add_cell(writer, &table->columns[at], table->bytes.bytes + cells[at].start, cells[at].length, cells[at].width,
                 cells[at].type == RHEI_NULL ? RH_DIM : RH_PLAIN, at + 1 == writer->column_count);
    }
    write_line(writer);
}

static void write_header(struct rh_writer *writer)
{
    struct rh_table *table = writer->table;
    struct rh_buffer name = {0};
    bool utf8 = writer->terminal.utf8;
    for (size_t at = 0; at < writer->column_count; at++) {
        rh_buffer_clear(&name);
        rh_buffer_reserve(&name, 0);
        rh_add_visible(&name, writer->names[at], strlen(writer->names[at]));
        rh_buffer_add_text(&writer->line, at == 0 ? " " : utf8 ? " │ " : " | ");
        add_cell(writer, &table->columns[at], name.bytes, name.length, rh_text_width(name.bytes, name.length), RH_BOLD,
                 at + 1 == writer->column_count);
    }
    write_line(writer);
    rh_buffer_free(&name);
    for (size_t at = 0; at < writer->column_count; at++) {
        if (at > 0)
            rh_buffer_add_text(&writer->line, utf8 ? "┼" : "+");
        for (size_t dash = 0; dash < table->columns[at].width + 2; dash++)
            rh_buffer_add_text(&writer->line, utf8 ? "─" : "-");
    }
    write_line(writer);
}

static size_t row_width(const struct rh_writer *writer)
{
    size_t width = 0;
    for (size_t at = 0; at < writer->column_count; at++)
        width += writer->table->columns[at].width + 3;
    return width > 0 ? width - 1 : 0;
}

/* Takes columns from the widest one (only text, then any) until the row fits or nothing can give way any more. */
static void fit(struct rh_writer *writer, bool numbers_too)
{
    while (row_width(writer) > writer->terminal.width) {
        struct column *widest = NULL;
        for (size_t at = 0; at < writer->column_count; at++) {
            struct column *column = &writer->table->columns[at];
            bool may = column->width > LEAST_WIDTH && (numbers_too || !column->numeric);
            if (may && (widest == NULL || column->width > widest->width))
                widest = column;
        }
        if (widest == NULL)
            return;
        widest->width--;
    }
}

static void lay_out(struct rh_writer *writer)
{
    struct rh_table *table = writer->table;
    for (size_t at = 0; at < writer->column_count; at++)
        table->columns[at].numeric = table->columns[at].numeric && table->columns[at].seen;
    if (writer->terminal.present) {
        fit(writer, false);
        fit(writer, true);
    }
    table->laid_out = true;
    write_header(writer);
    for (size_t at = 0; at + writer->column_count <= table->cell_count; at += writer->column_count)
        write_cells(writer, table->cells + at);
    table->cell_count = 0;
    rh_buffer_clear(&table->bytes);
}

static void table_begin(struct rh_writer *writer)
{
    struct rh_table *table = rh_allocate(sizeof *table);
    struct rh_buffer name = {0};
    writer->table = table;
    table->columns = rh_allocate(writer->column_count * sizeof *table->columns);
    for (size_t at = 0; at < writer->column_count; at++) {
        rh_buffer_clear(&name);
        rh_buffer_reserve(&name, 0);
        rh_add_visible(&name, writer->names[at], strlen(writer->names[at]));
        table->columns[at] = (struct column){.width = rh_text_width(name.bytes, name.length), .numeric = true};
    }
    rh_buffer_free(&name);
}

static void measure(struct column *column, const struct cell *cell)
{
    if (cell->width > column->width)
        column->width = cell->width;
    if (cell->type == RHEI_NULL)
        return;
    column->seen = true;
    column->numeric = column->numeric && (cell->type == RHEI_INTEGER || cell->type == RHEI_REAL);
}

static void table_row(struct rh_writer *writer, const struct rhei_value *values)
{
    struct rh_table *table = writer->table;
    size_t columns = writer->column_count;
    if (table->cell_count + columns > table->cell_capacity) {
        table->cell_capacity = (table->cell_capacity + columns) * 2;
        table->cells = rh_reallocate(table->cells, table->cell_capacity * sizeof *table->cells);
    }
    struct cell *cells = table->cells + table->cell_count;
    rh_buffer_reserve(&table->bytes, 0);
    for (size_t at = 0; at < columns; at++)
        cells[at] = make_cell(table, &values[at]);
    if (table->laid_out) {
        write_cells(writer, cells);
        rh_buffer_clear(&table->bytes);
        return;
    }
    for (size_t at = 0; at < columns; at++)
        measure(&table->columns[at], &cells[at]);
    table->cell_count += columns;
    if (table->cell_count >= SAMPLE_ROWS * columns || table->bytes.length > SAMPLE_BYTES)
        lay_out(writer);
}

static void table_end(struct rh_writer *writer)
{
    struct rh_table *table = writer->table;
    if (!table->laid_out)
        lay_out(writer);
    free(table->columns);
    free(table->cells);
    rh_buffer_free(&table->bytes);
    free(table);
    writer->table = NULL;
}

const struct rh_writer_class rh_table_class = {table_begin, table_row, table_end};
