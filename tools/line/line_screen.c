/* SPDX-License-Identifier: Apache-2.0 */
#include "line_screen.h"

#include "line_text.h"
#include "rh_text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MENU_ROWS = 8, STYLE_PROMPT = LINE_STYLE_COUNT, STYLE_DIM, STYLE_CHOSEN, STYLE_COUNT };

static const char *const escapes[STYLE_COUNT] = {
    [LINE_STYLE_PLAIN] = "",          [LINE_STYLE_KEYWORD] = "\033[36m", [LINE_STYLE_STRING] = "\033[32m",
    [LINE_STYLE_NUMBER] = "\033[35m", [LINE_STYLE_COMMENT] = "\033[2m",  [LINE_STYLE_COMMAND] = "\033[33m",
    [LINE_STYLE_OPEN] = "\033[31m",   [LINE_STYLE_MATCH] = "\033[1;4m",  [STYLE_PROMPT] = "\033[1m",
    [STYLE_DIM] = "\033[2m",          [STYLE_CHOSEN] = "\033[7m",
};

static struct line_row *last_row(struct line_screen *screen)
{
    return &screen->rows[screen->row_count - 1];
}

static void set_style(struct line_screen *screen, const struct line_look *look, int style)
{
    style = look->colours || style == STYLE_CHOSEN ? style : LINE_STYLE_PLAIN; /* reverse is no colour */
    if (style == screen->style)
        return;
    if (screen->style != LINE_STYLE_PLAIN)
        rh_buffer_add_text(&screen->bytes, "\033[0m");
    rh_buffer_add_text(&screen->bytes, escapes[style]);
    screen->style = style;
}

static void end_row(struct line_screen *screen, const struct line_look *look)
{
    if (screen->row_count == 0)
        return;
    set_style(screen, look, LINE_STYLE_PLAIN);
    last_row(screen)->length = screen->bytes.length - last_row(screen)->start;
}

static void begin_row(struct line_screen *screen, const struct line_look *look)
{
    end_row(screen, look);
    if (screen->row_count == screen->row_capacity) {
        screen->row_capacity = screen->row_capacity == 0 ? 16 : screen->row_capacity * 2;
        screen->rows = rh_reallocate(screen->rows, screen->row_capacity * sizeof *screen->rows);
    }
    screen->rows[screen->row_count++] = (struct line_row){.start = screen->bytes.length};
    screen->style = LINE_STYLE_PLAIN;
}

static void put(struct line_screen *screen, const struct line_look *look, const char *bytes, size_t length, int style)
{
    unsigned width = line_cluster_width(bytes, length);
    if (width > 0 && last_row(screen)->width + width > look->width && last_row(screen)->width > 0)
        begin_row(screen, look);
    set_style(screen, look, style);
    line_add_shown(&screen->bytes, bytes, length);
    last_row(screen)->width += width;
}

static void put_text(struct line_screen *screen, const struct line_look *look, const char *text, size_t length,
                     int style)
{
    for (size_t at = 0; at < length;) {
        size_t next = line_next(text, length, at);
        put(screen, look, text + at, next - at, style);
        at = next;
    }
}

/* The cursor is on the next character, or behind the last one: on the next row where this one is full. */
static void put_cursor(struct line_screen *screen, const struct line_look *look, size_t width)
{
    if (last_row(screen)->width + (width > 0 ? width : 1) > look->width && last_row(screen)->width > 0)
        begin_row(screen, look);
    screen->cursor_row = screen->row_count - 1;
    screen->cursor_column = last_row(screen)->width;
}

static void put_prompt(struct line_screen *screen, const struct line_editor *editor, const struct line_look *look)
{
    begin_row(screen, look);
    if (editor->searching) {
        put_text(screen, look, editor->missed ? "(no such) " : "(search) ", editor->missed ? 10 : 9, STYLE_PROMPT);
        put_text(screen, look, editor->query.bytes, editor->query.length, LINE_STYLE_STRING);
        put_text(screen, look, ": ", 2, STYLE_PROMPT);
    } else {
        put_text(screen, look, look->prompt, strlen(look->prompt), STYLE_PROMPT);
    }
}

static void make_text(struct line_screen *screen, const struct line_editor *editor, const struct line_look *look,
                      bool done)
{
    const char *text = editor->text.bytes;
    size_t length = editor->text.length;
    const struct line_helper *helper = editor->helper;
    uint8_t *styles = rh_allocate(length);
    if (look->colours && helper != NULL && helper->style != NULL)
        helper->style(helper->context, text, length, done ? SIZE_MAX : editor->cursor, styles);
    screen->row_count = 0;
    screen->style = LINE_STYLE_PLAIN;
    rh_buffer_clear(&screen->bytes);
    rh_buffer_reserve(&screen->bytes, length);
    put_prompt(screen, editor, look);
    for (size_t at = 0; at < length;) {
        size_t next = line_next(text, length, at);
        if (at == editor->cursor)
            put_cursor(screen, look, line_cluster_width(text + at, next - at));
        if (text[at] == '\n') {
            begin_row(screen, look);
            put_text(screen, look, look->more, strlen(look->more), STYLE_DIM);
        } else {
            put(screen, look, text + at, next - at, styles[at]);
        }
        at = next;
    }
    if (editor->cursor == length)
        put_cursor(screen, look, 0);
    end_row(screen, look);
    free(styles);
}

static void put_blanks(struct line_screen *screen, const struct line_look *look, size_t count)
{
    for (; count > 0; count--)
        put(screen, look, " ", 1, LINE_STYLE_PLAIN);
}

/* The choices in columns, with the chosen one among them; how many rows they took. */
static size_t make_menu(struct line_screen *screen, const struct line_menu *menu, const struct line_look *look)
{
    size_t widest = 1, before = screen->row_count;
    for (size_t at = 0; at < menu->count; at++) {
        size_t width = rh_text_width(menu->words[at], strlen(menu->words[at]));
        widest = width > widest ? width : widest;
    }
    widest = widest > look->width - 1 ? look->width - 1 : widest;
    size_t columns = look->width / (widest + 2) > 0 ? look->width / (widest + 2) : 1;
    size_t rows = look->height / 2 < MENU_ROWS ? look->height / 2 : MENU_ROWS;
    size_t page = columns * (rows > 0 ? rows : 1);
    size_t from = menu->chosen < menu->count ? menu->chosen / page * page : 0;
    for (size_t at = from; at < menu->count && at < from + page; at++) {
        const char *word = menu->words[at];
        if ((at - from) % columns == 0)
            begin_row(screen, look);
        size_t shown = rh_text_cut(word, strlen(word), widest);
        put_text(screen, look, word, shown, at == menu->chosen ? STYLE_CHOSEN : STYLE_DIM);
        if ((at - from) % columns + 1 < columns)
            put_blanks(screen, look, widest + 2 - rh_text_width(word, shown));
    }
    if (menu->count > page) {
        char words[48];
        begin_row(screen, look);
        int length = snprintf(words, sizeof words, "%zu of %zu", from + 1, menu->count);
        put_text(screen, look, words, (size_t)length, STYLE_DIM);
    }
    end_row(screen, look);
    return screen->row_count - before;
}

static void add_row(struct line_screen *screen, struct rh_buffer *out, const char *bytes, size_t length, size_t width)
{
    if (screen->drawn_count > 0)
        rh_buffer_add_text(out, "\r\n");
    rh_buffer_add(out, bytes, length);
    screen->drawn = rh_reallocate(screen->drawn, (screen->drawn_count + 1) * sizeof *screen->drawn);
    screen->drawn[screen->drawn_count++] = width;
}

static void add_made(struct line_screen *screen, struct rh_buffer *out, size_t row)
{
    const struct line_row *made = &screen->rows[row];
    add_row(screen, out, screen->bytes.bytes + made->start, made->length, made->width);
}

static void add_hidden(struct line_screen *screen, const struct line_look *look, struct rh_buffer *out, size_t count,
                       const char *where)
{
    char words[64];
    int length = snprintf(words, sizeof words, "%s %zu rows %s", look->utf8 ? "…" : "...", count, where);
    size_t shown = rh_text_cut(words, (size_t)length, look->width - 1);
    add_row(screen, out, words, shown, rh_text_width(words, shown));
}

/* Of `count` rows of text those around the cursor; all, where there is room for them. */
static void add_text_rows(struct line_screen *screen, const struct line_look *look, size_t count, size_t room,
                          struct rh_buffer *out)
{
    size_t first = 0, end = count;
    if (count > room && room < 4) {
        first = screen->cursor_row + 1 > room ? screen->cursor_row + 1 - room : 0;
        end = first + room;
    } else if (count > room) {
        size_t inner = room - 2, half = inner / 2;
        first = screen->cursor_row > half ? screen->cursor_row - half : 0;
        first = first + inner > count ? count - inner : first;
        end = first + inner;
    }
    bool told = count > room && room >= 4;
    if (told)
        add_hidden(screen, look, out, first, "above");
    for (size_t at = first; at < end; at++) {
        if (at == screen->cursor_row)
            screen->drawn_row = screen->drawn_count;
        add_made(screen, out, at);
    }
    if (told)
        add_hidden(screen, look, out, count - end, "below");
}

static void go_up(struct rh_buffer *out, size_t rows)
{
    if (rows > 0)
        rh_buffer_format(out, "\033[%zuA", rows);
}

static void draw(struct line_screen *screen, const struct line_editor *editor, const struct line_look *given, bool done,
                 struct rh_buffer *out)
{
    struct line_look sane = *given, *look = &sane;
    look->width = look->width < 4 ? 4 : look->width;
    look->height = look->height < 1 ? 1 : look->height;
    make_text(screen, editor, look, done);
    size_t count = screen->row_count, menu = 0;
    if (editor->menu.open && !done && look->height > 1)
        menu = make_menu(screen, &editor->menu, look);
    rh_buffer_add_text(out, "\033[?25l");
    line_screen_clear(screen, out);
    add_text_rows(screen, look, count, look->height > menu ? look->height - menu : 1, out);
    for (size_t at = count; at < count + menu; at++)
        add_made(screen, out, at);
    screen->drawn_column = screen->cursor_column;
    assert(screen->drawn_row < screen->drawn_count && screen->drawn_column < look->width);
    if (!done) {
        go_up(out, screen->drawn_count - 1 - screen->drawn_row);
        rh_buffer_add_char(out, '\r');
        if (screen->drawn_column > 0)
            rh_buffer_format(out, "\033[%zuC", screen->drawn_column);
    }
    rh_buffer_add_text(out, "\033[?25h");
}

void line_screen_draw(struct line_screen *screen, const struct line_editor *editor, const struct line_look *look,
                      struct rh_buffer *out)
{
    draw(screen, editor, look, false, out);
}

void line_screen_finish(struct line_screen *screen, const struct line_editor *editor, const struct line_look *look,
                        struct rh_buffer *out)
{
    draw(screen, editor, look, true, out);
    rh_buffer_add_text(out, "\r\n");
    line_screen_forget(screen);
}

void line_screen_clear(struct line_screen *screen, struct rh_buffer *out)
{
    go_up(out, screen->drawn_row);
    rh_buffer_add_text(out, "\r\033[J");
    line_screen_forget(screen);
}

void line_screen_resized(struct line_screen *screen, size_t width)
{
    size_t rows = 0;
    width = width < 1 ? 1 : width;
    for (size_t at = 0; at < screen->drawn_row; at++)
        rows += screen->drawn[at] > width ? (screen->drawn[at] + width - 1) / width : 1;
    screen->drawn_row = rows + screen->drawn_column / width;
}

void line_screen_forget(struct line_screen *screen)
{
    screen->drawn_count = screen->drawn_row = screen->drawn_column = 0;
}

void line_screen_free(struct line_screen *screen)
{
    rh_buffer_free(&screen->bytes);
    free(screen->rows);
    free(screen->drawn);
    *screen = (struct line_screen){0};
}
