/* SPDX-License-Identifier: Apache-2.0 */
#include "dashboard_canvas.h"

#include "rh_text.h"

#include <stdlib.h>
#include <string.h>

void dashboard_canvas_clear(struct dashboard_canvas *canvas, int width, int height)
{
    size_t count = (size_t)width * (size_t)height;
    if (width != canvas->width || height != canvas->height)
        canvas->cells = rh_reallocate(canvas->cells, (count + 1) * sizeof *canvas->cells);
    canvas->width = width;
    canvas->height = height;
    for (size_t at = 0; at < count; at++)
        canvas->cells[at] = (struct dashboard_cell){.codes = {' '}, .width = 1};
}

void dashboard_canvas_free(struct dashboard_canvas *canvas)
{
    free(canvas->cells);
    *canvas = (struct dashboard_canvas){0};
}

static struct dashboard_cell *cell_at(const struct dashboard_canvas *canvas, int x, int y)
{
    bool inside = x >= 0 && y >= 0 && x < canvas->width && y < canvas->height;
    return inside ? &canvas->cells[(size_t)y * (size_t)canvas->width + (size_t)x] : NULL;
}

/* Zero width joiners, variation selectors, tags, tones of skin: some terminals make one character of what others show beside one another. */
static bool joins(int32_t code)
{
    return code == 0x200d || (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0x1f3fb && code <= 0x1f3ff) ||
           (code >= 0xe0000 && code <= 0xe01ef);
}

/* The text as it is shown. */
static void add_clean(struct rh_buffer *out, const char *text, bool utf8)
{
    struct rh_buffer visible = {0};
    rh_add_visible(&visible, text, strlen(text));
    for (size_t at = 0; at < visible.length;) {
        int32_t code;
        size_t step = rh_utf8_next(visible.bytes + at, visible.length - at, &code);
        if (code < 0x80)
            rh_buffer_add(out, visible.bytes + at, step);
        else if (!joins(code) && utf8)
            rh_buffer_add(out, visible.bytes + at, step);
        else if (!joins(code))
            for (unsigned columns = rh_code_width(code); columns > 0; columns--)
                rh_buffer_add_char(out, '?');
        at += step;
    }
    rh_buffer_add(out, "", 0);
    rh_buffer_free(&visible);
}

int dashboard_canvas_width(const struct dashboard_canvas *canvas, const char *text)
{
    struct rh_buffer clean = {0};
    add_clean(&clean, text, canvas->utf8);
    int width = (int)rh_text_width(clean.bytes, clean.length);
    rh_buffer_free(&clean);
    return width;
}

/* A wide character that loses one half loses the other. */
static void put_code(struct dashboard_canvas *canvas, int x, int y, int32_t code, int width, enum dashboard_style style)
{
    const struct dashboard_cell blank = {.codes = {' '}, .width = 1};
    struct dashboard_cell *here = cell_at(canvas, x, y), *behind = cell_at(canvas, x + width, y);
    if (here == NULL || (width == 2 && cell_at(canvas, x + 1, y) == NULL))
        return;
    if (here->width == 0)
        *cell_at(canvas, x - 1, y) = blank;
    if (behind != NULL && behind->width == 0)
        *behind = blank;
    *here = (struct dashboard_cell){.codes = {code}, .width = (uint8_t)width, .style = (uint8_t)style};
    if (width == 2)
        here[1] = (struct dashboard_cell){.width = 0, .style = (uint8_t)style};
}

static void add_mark(struct dashboard_canvas *canvas, int x, int y, int32_t code)
{
    struct dashboard_cell *cell = cell_at(canvas, x, y);
    if (cell != NULL && cell->width == 0)
        cell = cell_at(canvas, x - 1, y);
    for (int at = 1; cell != NULL && at < DASHBOARD_CODES; at++)
        if (cell->codes[at] == 0) {
            cell->codes[at] = code;
            return;
        }
}

/* Text that fits. Gives its columns. */
static int write_clean(struct dashboard_canvas *canvas, int x, int y, enum dashboard_style style, const char *text,
                       size_t length)
{
    int from = x;
    for (size_t at = 0; at < length;) {
        int32_t code;
        at += rh_utf8_next(text + at, length - at, &code);
        unsigned width = rh_code_width(code);
        if (width == 0) {
            if (x > from)
                add_mark(canvas, x - 1, y, code);
            continue;
        }
        put_code(canvas, x, y, code, (int)width, style);
        x += (int)width;
    }
    return x - from;
}

int dashboard_canvas_text(struct dashboard_canvas *canvas, int x, int y, int room, enum dashboard_style style,
                          const char *text)
{
    struct rh_buffer clean = {0};
    int used = 0;
    room = room < canvas->width - x ? room : canvas->width - x;
    add_clean(&clean, text, canvas->utf8);
    if (room > 0 && rh_text_width(clean.bytes, clean.length) <= (size_t)room) {
        used = write_clean(canvas, x, y, style, clean.bytes, clean.length);
    } else if (room > 0) {
        size_t length = rh_text_cut(clean.bytes, clean.length, (size_t)room - 1);
        const char *sign = canvas->utf8 ? "…" : "~";
        used = write_clean(canvas, x, y, style, clean.bytes, length);
        used += write_clean(canvas, x + used, y, style, sign, strlen(sign));
    }
    rh_buffer_free(&clean);
    return used;
}

static void put(struct dashboard_canvas *canvas, int x, int y, enum dashboard_style style, const char *rich, char plain)
{
    const char ascii[] = {plain, '\0'};
    const char *text = canvas->utf8 ? rich : ascii;
    write_clean(canvas, x, y, style, text, strlen(text));
}

void dashboard_canvas_frame(struct dashboard_canvas *canvas, struct dashboard_area area, enum dashboard_style style)
{
    int right = area.x + area.width - 1, bottom = area.y + area.height - 1;
    for (int x = area.x + 1; x < right; x++) {
        put(canvas, x, area.y, style, "─", '-');
        put(canvas, x, bottom, style, "─", '-');
    }
    for (int y = area.y + 1; y < bottom; y++) {
        put(canvas, area.x, y, style, "│", '|');
        put(canvas, right, y, style, "│", '|');
    }
    put(canvas, area.x, area.y, style, "╭", '+');
    put(canvas, right, area.y, style, "╮", '+');
    put(canvas, area.x, bottom, style, "╰", '+');
    put(canvas, right, bottom, style, "╯", '+');
}

static void add_code(struct rh_buffer *out, int32_t code)
{
    uint32_t c = (uint32_t)code;
    if (c < 0x80) {
        rh_buffer_add_char(out, (char)c);
    } else if (c < 0x800) {
        rh_buffer_add_char(out, (char)(0xc0 | c >> 6));
        rh_buffer_add_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        if (c < 0x10000) {
            rh_buffer_add_char(out, (char)(0xe0 | c >> 12));
        } else {
            rh_buffer_add_char(out, (char)(0xf0 | c >> 18));
            rh_buffer_add_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        rh_buffer_add_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        rh_buffer_add_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

void dashboard_canvas_row(const struct dashboard_canvas *canvas, int y, struct rh_buffer *out)
{
    size_t begin = out->length;
    for (int x = 0; x < canvas->width; x++) {
        const struct dashboard_cell *cell = cell_at(canvas, x, y);
        for (int at = 0; at < DASHBOARD_CODES && cell->width > 0 && cell->codes[at] != 0; at++)
            add_code(out, cell->codes[at]);
    }
    while (out->length > begin && out->bytes[out->length - 1] == ' ')
        out->bytes[--out->length] = '\0';
}
