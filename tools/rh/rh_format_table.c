/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table for people.
 *
 * The first rows (SAMPLE_ROWS, or SAMPLE_BYTES of them) are held back to find the widths; then rows stream with these
 * widths. Where the width is limited (a terminal's, --width), the widest text columns give way until a row fits, and what is cut
 * ends in an ellipsis. Numbers are never cut: where that isn't enough the last columns are left out, and named below.
 */
#include "rh_number.h"
#include "rh_text.h"
#include "rh_writer.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLE_ROWS = 2000, SAMPLE_BYTES = 8 << 20, LEAST_WIDTH = 6, NAME_WIDTH = 16 };

struct cell {
    size_t start, length, width; /* in the sample's bytes */
    uint8_t type;
};

struct column {
    size_t width, wanted; /* as it is shown; as its cells are */
    size_t name;          /* the width of its name */
    bool numeric, seen;   /* every value but NULL is a number, and there is one */
    bool left_out;
};

struct rh_table {
    struct column *columns;
    struct cell *cells; /* held back, row by row */
    size_t cell_count, cell_capacity;
    struct rh_buffer bytes;
    bool laid_out;
    const struct column *last; /* that is shown */
};

bool rh_looks_like_null(const struct rhei_value *value, const char *null_text)
{
    const char *bytes = value->as.bytes;
    size_t from = 0, to = value->length, length = strlen(null_text);
    if (value->type != RHEI_TEXT)
        return false;
    while (to - from >= length + 2 && bytes[from] == '\'' && bytes[to - 1] == '\'') {
        from++;
        to--;
    }
    return to - from == length && memcmp(bytes + from, null_text, length) == 0;
}

void rh_add_value_text(struct rh_buffer *out, const struct rhei_value *value, const char *null_text)
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
    case RHEI_TEXT: {
        const char *quote = rh_looks_like_null(value, null_text) ? "'" : "";
        rh_buffer_add_text(out, quote);
        rh_add_visible(out, value->as.bytes, value->length);
        rh_buffer_add_text(out, quote);
        break;
    }
    case RHEI_BLOB:
        rh_add_blob(out, value->as.bytes, value->length);
        break;
    default:
        rh_buffer_add_text(out, null_text);
    }
}

static struct cell make_cell(const struct rh_writer *writer, const struct rhei_value *value)
{
    struct rh_table *table = writer->table;
    struct cell cell = {.start = table->bytes.length, .type = value->type};
    rh_add_value_text(&table->bytes, value, writer->null_text);
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
                     size_t width, enum rh_style style, bool whole)
{
    bool last = column == writer->table->last && !writer->box;
    bool cut = writer->width > 0 && width > column->width && !whole;
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

/* What stands before a cell, and with a frame behind the last one. */
static void add_edge(struct rh_writer *writer, bool first)
{
    bool utf8 = writer->terminal.utf8;
    rh_buffer_add_text(&writer->line, !first ? (utf8 ? " │ " : " | ") : !writer->box ? " " : utf8 ? "│ " : "| ");
}

static void end_line(struct rh_writer *writer)
{
    if (writer->box)
        rh_buffer_add_text(&writer->line, writer->terminal.utf8 ? " │" : " |");
    write_line(writer);
}

/* A line across: above, below the header, below the rows. A table without a frame has the second one alone. */
enum rule { RULE_ABOVE, RULE_MIDDLE, RULE_BELOW };
static void write_rule(struct rh_writer *writer, enum rule rule)
{
    static const char *const corners[3][3] = {{"┌", "┬", "┐"}, {"├", "┼", "┤"}, {"└", "┴", "┘"}};
    bool utf8 = writer->terminal.utf8;
    if (writer->box)
        rh_buffer_add_text(&writer->line, utf8 ? corners[rule][0] : "+");
    for (size_t at = 0; at < writer->column_count; at++) {
        if (writer->table->columns[at].left_out)
            continue;
        if (at > 0)
            rh_buffer_add_text(&writer->line, utf8 ? corners[rule][1] : "+");
        for (size_t dash = 0; dash < writer->table->columns[at].width + 2; dash++)
            rh_buffer_add_text(&writer->line, utf8 ? "─" : "-");
    }
    if (writer->box)
        rh_buffer_add_text(&writer->line, utf8 ? corners[rule][2] : "+");
    write_line(writer);
}

static void write_cells(struct rh_writer *writer, const struct cell *cells)
{
    struct rh_table *table = writer->table;
    for (size_t at = 0; at < writer->column_count; at++) {
        if (table->columns[at].left_out)
            continue;
        bool number = cells[at].type == RHEI_INTEGER || cells[at].type == RHEI_REAL;
        add_edge(writer, at == 0);
        add_cell(writer, &table->columns[at], table->bytes.bytes + cells[at].start, cells[at].length, cells[at].width,
                 cells[at].type == RHEI_NULL ? RH_DIM : RH_PLAIN, number);
    }
    end_line(writer);
}

/* Of names that begin alike (_rhei_valid_from, _rhei_valid_to) the ends tell which is which. */
static bool begins_like_another(const struct rh_writer *writer, size_t column, size_t length)
{
    const char *name = writer->names[column];
    for (size_t at = 0; at < writer->column_count; at++)
        if (at != column && !writer->table->columns[at].left_out && strncmp(writer->names[at], name, length) == 0)
            return true;
    return false;
}

/* Leaves of a name that is too wide its end, behind an ellipsis, if its beginning is another's, too. */
static void shorten_name(const struct rh_writer *writer, size_t at, struct rh_buffer *name)
{
    const struct column *column = &writer->table->columns[at];
    if (writer->width == 0 || column->numeric || column->name <= column->width ||
        !begins_like_another(writer, at, rh_text_cut(name->bytes, name->length, column->width - 1)))
        return;
    size_t from = 0;
    while (from < name->length && rh_text_width(name->bytes + from, name->length - from) > column->width - 1)
        for (from++; from < name->length && ((unsigned char)name->bytes[from] & 0xc0) == 0x80;)
            from++;
    struct rh_buffer end = {0};
    rh_buffer_add_text(&end, ellipsis_of(writer));
    rh_buffer_add(&end, name->bytes + from, name->length - from);
    rh_buffer_free(name);
    *name = end;
}

static void write_header(struct rh_writer *writer)
{
    struct rh_table *table = writer->table;
    struct rh_buffer name = {0};
    for (size_t at = 0; at < writer->column_count; at++) {
        if (table->columns[at].left_out)
            continue;
        rh_buffer_clear(&name);
        rh_buffer_reserve(&name, 0);
        rh_add_visible(&name, writer->names[at], strlen(writer->names[at]));
        shorten_name(writer, at, &name);
        add_edge(writer, at == 0);
        add_cell(writer, &table->columns[at], name.bytes, name.length, rh_text_width(name.bytes, name.length), RH_BOLD,
                 table->columns[at].numeric);
    }
    end_line(writer);
    rh_buffer_free(&name);
    write_rule(writer, RULE_MIDDLE);
}

static size_t row_width(const struct rh_writer *writer)
{
    size_t width = 0;
    for (size_t at = 0; at < writer->column_count; at++)
        width += writer->table->columns[at].left_out ? 0 : writer->table->columns[at].width + 3;
    return width == 0 ? 0 : writer->box ? width + 1 : width - 1;
}

/* The widest text column that may give way: while `names`, none that its name would be cut by. */
static struct column *widest_of(struct column *columns, size_t shown, bool names)
{
    struct column *widest = NULL;
    for (size_t at = 0; at < shown; at++) {
        size_t name = !names ? 0 : columns[at].name < NAME_WIDTH ? columns[at].name : NAME_WIDTH;
        size_t least = name > LEAST_WIDTH ? name : LEAST_WIDTH;
        if (!columns[at].numeric && columns[at].width > least && (widest == NULL || columns[at].width > widest->width))
            widest = &columns[at];
    }
    return widest;
}

/*
 * Narrows the widest text columns until the row fits, values before names; what then is too much is left out, from the last column on.
 */
static void fit(struct rh_writer *writer)
{
    struct column *columns = writer->table->columns;
    size_t shown = writer->column_count;
    while (row_width(writer) > writer->width) {
        struct column *widest = widest_of(columns, shown, true);
        if (widest == NULL)
            widest = widest_of(columns, shown, false);
        if (widest != NULL)
            widest->width--;
        else if (shown > 1)
            columns[--shown].left_out = true;
        else
            return;
    }
}

/* What left-out columns freed goes to the narrowed ones, from the first on. */
static void widen(struct rh_writer *writer)
{
    struct column *columns = writer->table->columns;
    for (size_t at = 0; at < writer->column_count && !columns[at].left_out; at++) {
        size_t used = row_width(writer), room = used < writer->width ? writer->width - used : 0;
        size_t wanted = columns[at].wanted - columns[at].width;
        columns[at].width += wanted < room ? wanted : room;
    }
}

static void name_left_out(struct rh_writer *writer)
{
    const struct rh_table *table = writer->table;
    size_t count = 0;
    for (size_t at = 0; at < writer->column_count; at++) {
        if (!table->columns[at].left_out)
            continue;
        rh_buffer_add_text(&writer->line, count++ == 0 ? " Left out, for they don't fit: " : ", ");
        rh_add_visible(&writer->line, writer->names[at], strlen(writer->names[at]));
    }
    if (count == 0)
        return;
    rh_buffer_format(&writer->line, " (%s shows them)", writer->whole);
    write_line(writer);
}

static void lay_out(struct rh_writer *writer)
{
    struct rh_table *table = writer->table;
    for (size_t at = 0; at < writer->column_count; at++)
        table->columns[at].numeric = table->columns[at].numeric && table->columns[at].seen;
    for (size_t at = 0; at < writer->column_count; at++)
        table->columns[at].wanted = table->columns[at].width;
    if (writer->width > 0) {
        fit(writer);
        widen(writer);
    }
    for (size_t at = 0; at < writer->column_count && !table->columns[at].left_out; at++)
        table->last = &table->columns[at];
    table->laid_out = true;
    if (writer->box)
        write_rule(writer, RULE_ABOVE);
    if (!writer->no_header)
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
        size_t width = rh_text_width(name.bytes, name.length);
        table->columns[at] = (struct column){.width = width, .name = width, .numeric = true};
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
        cells[at] = make_cell(writer, &values[at]);
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
    if (writer->box)
        write_rule(writer, RULE_BELOW);
    name_left_out(writer);
    free(table->columns);
    free(table->cells);
    rh_buffer_free(&table->bytes);
    free(table);
    writer->table = NULL;
}

const struct rh_writer_class rh_table_class = {table_begin, table_row, table_end};
