/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_plot.h"

#include "rh_text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_SIZE = 32 };

/* How all numbers of one picture are written, so that they can be compared: with so many digits behind the point, or with an exponent each. */
struct notation {
    bool exponent;
    int digits;
};

static void format_number(char text[NUMBER_SIZE], const struct notation *notation, double value)
{
    if (isnan(value))
        snprintf(text, NUMBER_SIZE, "NULL");
    else
        snprintf(text, NUMBER_SIZE, notation->exponent ? "%.*e" : "%.*f", notation->digits, value);
}

static int compare_numbers(const void *one, const void *other)
{
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

/* Whether a number loses nothing by being written so, or what one of 15 digits loses anyway. */
static bool keeps(const struct notation *notation, double value)
{
    char text[NUMBER_SIZE];
    format_number(text, notation, value);
    return fabs(strtod(text, NULL) - value) <= fabs(value) * 1e-14;
}

/* `sorted`: two that differ are not written alike. */
static bool tells_apart(const struct notation *notation, const double *sorted, size_t count)
{
    char before[NUMBER_SIZE], text[NUMBER_SIZE];
    for (size_t at = 1; at < count; at++) {
        format_number(before, notation, sorted[at - 1]);
        format_number(text, notation, sorted[at]);
        if (sorted[at] != sorted[at - 1] && strcmp(before, text) == 0)
            return false;
    }
    return true;
}

/* Six digits are enough for a picture, and fewer where all are kept by them; more where two numbers differ in those alone. */
static struct notation notation_of(const double *values, size_t count)
{
    enum { USUAL = 6, MOST = 15 };
    double *sorted = rh_allocate((count + 1) * sizeof *sorted), most = 0, least = INFINITY;
    size_t finite = 0;
    for (size_t at = 0; at < count; at++) {
        double size = fabs(values[at]);
        if (!isfinite(size))
            continue;
        sorted[finite++] = values[at];
        most = size > most ? size : most;
        least = size > 0 && size < least ? size : least;
    }
    qsort(sorted, finite, sizeof *sorted, compare_numbers);
    struct notation notation = {.exponent = most >= 1e15 || least < 1e-4};
    int whole = notation.exponent || most < 1 ? 1 : (int)floor(log10(most)) + 1;
    for (bool enough = false; !enough && notation.digits + whole < MOST; notation.digits += !enough) {
        enough = true;
        for (size_t at = 0; at < finite && enough; at++)
            enough = keeps(&notation, sorted[at]);
        enough = enough || (notation.digits + whole >= USUAL && tells_apart(&notation, sorted, finite));
    }
    free(sorted);
    return notation;
}

/* Least and largest of the finite values; false: there is none. */
static bool find_range(const struct rh_plot *plot, double *least, double *most)
{
    bool any = false;
    for (size_t at = 0; at < plot->count; at++) {
        double value = plot->values[at];
        if (!isfinite(value))
            continue;
        *least = !any || value < *least ? value : *least;
        *most = !any || value > *most ? value : *most;
        any = true;
    }
    return any;
}

static void add_repeated(struct rh_buffer *out, const char *text, size_t count)
{
    for (; count > 0; count--)
        rh_buffer_add_text(out, text);
}

/* Cut or filled up to a width, on its right side. */
static void add_label(struct rh_buffer *out, const char *label, size_t width, bool utf8)
{
    size_t length = strlen(label), wide = rh_text_width(label, length);
    size_t shown = wide > width ? rh_text_cut(label, length, width > 0 ? width - 1 : 0) : length;
    rh_buffer_add(out, label, shown);
    size_t used = rh_text_width(label, shown);
    if (wide > width && width > 0) {
        rh_buffer_add_text(out, utf8 ? "…" : "~");
        used++;
    }
    add_repeated(out, " ", width > used ? width - used : 0);
}

/* To the right in eighths of a column; without UTF-8 in whole ones. */
static void add_bar(struct rh_buffer *out, double columns, size_t room, bool utf8)
{
    static const char *const parts[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    size_t eighths = columns > 0 ? (size_t)(columns * 8 + 0.5) : 0;
    eighths = eighths > room * 8 ? room * 8 : eighths;
    if (columns > 0 && eighths == 0)
        eighths = 1; /* what isn't nothing is seen */
    if (!utf8)
        eighths = (eighths + 7) / 8 * 8;
    add_repeated(out, utf8 ? "█" : "#", eighths / 8);
    rh_buffer_add_text(out, parts[eighths % 8]);
    size_t used = (eighths + 7) / 8;
    add_repeated(out, " ", room > used ? room - used : 0);
}

static void add_left_bar(struct rh_buffer *out, double columns, size_t room, bool utf8)
{
    size_t used = columns > 0 ? (size_t)(columns + 0.5) : 0;
    used = columns > 0 && used == 0 ? 1 : used > room ? room : used;
    add_repeated(out, " ", room - used);
    add_repeated(out, utf8 ? "█" : "#", used);
}

static size_t widest_label(const struct rh_plot *plot, size_t most)
{
    size_t widest = 0;
    for (size_t at = 0; at < plot->count; at++) {
        size_t width = rh_text_width(plot->labels[at], strlen(plot->labels[at]));
        widest = width > widest ? width : widest;
    }
    return widest < most ? widest : most;
}

void rh_plot_bars(struct rh_buffer *out, const struct rh_plot *plot)
{
    double least = 0, most = 0;
    size_t numbers = 1, width = plot->width < 20 ? 20 : plot->width;
    (void)find_range(plot, &least, &most);
    least = least < 0 ? least : 0;
    most = most > 0 ? most : 0;
    const struct notation notation = notation_of(plot->values, plot->count);
    for (size_t at = 0; at < plot->count; at++) {
        char text[NUMBER_SIZE];
        format_number(text, &notation, plot->values[at]);
        numbers = strlen(text) > numbers ? strlen(text) : numbers;
    }
    size_t labels = widest_label(plot, width / 3);
    size_t taken = labels + numbers + 3, room = width > taken + 4 ? width - taken : 4;
    double range = most / 2 - least / 2; /* halves: the whole may be more than a number can be */
    size_t left = least < 0 ? (size_t)((double)room * (-least / 2 / range) + 0.5) : 0;
    left = least < 0 && left == 0 ? 1 : left >= room && most > 0 ? room - 1 : left;
    size_t right = room - left;
    for (size_t at = 0; at < plot->count; at++) {
        double value = plot->values[at];
        char text[NUMBER_SIZE];
        format_number(text, &notation, value);
        double share = isnan(value) || range <= 0 ? 0 : value > 0 ? value / most : least < 0 ? value / least : 0;
        share = isfinite(share) ? share : 1;
        add_label(out, plot->labels[at], labels, plot->utf8);
        rh_buffer_add_char(out, ' ');
        add_left_bar(out, value < 0 ? share * (double)left : 0, left, plot->utf8);
        rh_buffer_add_text(out, plot->utf8 ? "│" : "|");
        add_bar(out, value > 0 ? share * (double)right : 0, right, plot->utf8);
        rh_buffer_format(out, " %*s\n", (int)numbers, text);
    }
}

/* The picture of a line in dots: 2 by 4 of them are a character of Braille, or 1 by 1 a star. */
struct canvas {
    unsigned char *dots;
    size_t columns, rows, across, down;
};

static void set_dot(struct canvas *canvas, long x, long y)
{
    static const unsigned char bits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
    if (x < 0 || y < 0 || (size_t)x >= canvas->columns * canvas->across || (size_t)y >= canvas->rows * canvas->down)
        return;
    size_t column = (size_t)x / canvas->across, row = (size_t)y / canvas->down;
    canvas->dots[row * canvas->columns + column] |= bits[(size_t)y % canvas->down][(size_t)x % canvas->across];
}

static void draw_to(struct canvas *canvas, long x0, long y0, long x1, long y1)
{
    long steps = labs(x1 - x0) > labs(y1 - y0) ? labs(x1 - x0) : labs(y1 - y0);
    for (long at = 0; at <= steps; at++)
        set_dot(canvas, steps > 0 ? x0 + lround((double)(x1 - x0) * (double)at / (double)steps) : x0,
                steps > 0 ? y0 + lround((double)(y1 - y0) * (double)at / (double)steps) : y0);
}

/* `half`: of the range, for the whole may be more than a number can be. */
static void draw_values(struct canvas *canvas, const struct rh_plot *plot, double least, double half)
{
    size_t wide = canvas->columns * canvas->across - 1, high = canvas->rows * canvas->down - 1;
    bool before = false;
    long last_x = 0, last_y = 0;
    for (size_t at = 0; at < plot->count; at++) {
        if (!isfinite(plot->values[at])) {
            before = false;
            continue;
        }
        long x = plot->count > 1 ? lround((double)wide * (double)at / (double)(plot->count - 1)) : 0;
        double share = half > 0 ? (plot->values[at] / 2 - least / 2) / half : 0.5;
        long y = (long)high - lround(share * (double)high);
        draw_to(canvas, before ? last_x : x, before ? last_y : y, x, y);
        last_x = x;
        last_y = y;
        before = true;
    }
}

static void add_cell(struct rh_buffer *out, unsigned char dots, bool utf8)
{
    if (dots == 0)
        rh_buffer_add_char(out, ' ');
    else if (!utf8)
        rh_buffer_add_char(out, '*');
    else /* U+2800 and its dots */
        rh_buffer_add(out, (char[]){(char)0xe2, (char)(0xa0 | dots >> 6), (char)(0x80 | (dots & 0x3f))}, 3);
}

static void add_ends(struct rh_buffer *out, const struct rh_plot *plot, size_t margin, size_t columns)
{
    const char *first = plot->labels[0], *last = plot->labels[plot->count - 1];
    size_t half = columns / 2 > 1 ? columns / 2 - 1 : 1;
    struct rh_buffer end = {0};
    size_t wide = rh_text_width(last, strlen(last));
    add_repeated(out, " ", margin);
    add_label(out, first, half, plot->utf8);
    if (plot->count > 1) {
        add_label(&end, last, wide < half ? wide : half, plot->utf8);
        size_t used = rh_text_width(end.bytes, end.length);
        add_repeated(out, " ", columns > half + used ? columns - half - used : 1);
        rh_buffer_add(out, end.bytes, end.length);
    }
    rh_buffer_add_char(out, '\n');
    rh_buffer_free(&end);
}

void rh_plot_line(struct rh_buffer *out, const struct rh_plot *plot)
{
    double least = 0, most = 0;
    char top[NUMBER_SIZE], bottom[NUMBER_SIZE];
    size_t width = plot->width < 20 ? 20 : plot->width, rows = plot->height < 3 ? 3 : plot->height;
    if (!find_range(plot, &least, &most)) {
        rh_buffer_add_text(out, "There is no number to be drawn.\n");
        return;
    }
    const struct notation notation = notation_of((const double[]){least, most}, 2);
    format_number(top, &notation, most);
    format_number(bottom, &notation, least);
    size_t numbers = strlen(top) > strlen(bottom) ? strlen(top) : strlen(bottom);
    struct canvas canvas = {.columns = width > numbers + 6 ? width - numbers - 2 : 4,
                            .rows = rows,
                            .across = plot->utf8 ? 2 : 1,
                            .down = plot->utf8 ? 4 : 1};
    canvas.dots = rh_allocate(canvas.columns * rows);
    draw_values(&canvas, plot, least, most / 2 - least / 2);
    for (size_t row = 0; row < rows; row++) {
        rh_buffer_format(out, "%*s %s", (int)numbers,
                         row == 0          ? top
                         : row == rows - 1 ? bottom
                                           : "",
                         plot->utf8 ? "┤" : "|");
        for (size_t column = 0; column < canvas.columns; column++)
            add_cell(out, canvas.dots[row * canvas.columns + column], plot->utf8);
        while (out->bytes[out->length - 1] == ' ')
            out->bytes[--out->length] = '\0';
        rh_buffer_add_char(out, '\n');
    }
    add_ends(out, plot, numbers + 2, canvas.columns);
    free(canvas.dots);
}
