/* SPDX-License-Identifier: Apache-2.0 */
#include "line_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "line_text.h"

void shown_begin(struct shown *shown, size_t width, size_t height)
{
    memset(shown, 0, sizeof *shown);
    assert_true(width <= SHOWN_WIDTH && height <= SHOWN_HEIGHT);
    shown->width = width;
    shown->height = height;
}

static void line_feed(struct shown *shown)
{
    if (shown->row + 1 < shown->height) {
        shown->row++;
        return;
    }
    shown->scrolled++;
    memmove(shown->cells[0], shown->cells[1], sizeof shown->cells[0] * (shown->height - 1));
    memset(shown->cells[shown->height - 1], 0, sizeof shown->cells[0]);
}

static void clear_from(struct shown *shown)
{
    assert_true(shown->column < shown->width); /* else a terminal would clear what was written last */
    memset(shown->cells[shown->row][shown->column], 0, sizeof shown->cells[0][0] * (SHOWN_WIDTH - shown->column));
    for (size_t at = shown->row + 1; at < shown->height; at++)
        memset(shown->cells[at], 0, sizeof shown->cells[0]);
}

static size_t take_escape(struct shown *shown, const char *bytes, size_t length)
{
    size_t at = 2;
    assert_true(length > 2 && bytes[1] == '[');
    while (at < length && (bytes[at] < 0x40 || bytes[at] > 0x7e))
        at++;
    size_t number = (size_t)atoi(bytes + 2);
    switch (bytes[at]) {
    case 'A':
        assert_true(number > 0 && number <= shown->row);
        shown->row -= number;
        break;
    case 'C':
        assert_true(number > 0 && shown->column + number < shown->width);
        shown->column += number;
        break;
    case 'J':
        clear_from(shown);
        break;
    case 'm':
    case 'l':
    case 'h':
        break;
    default:
        fail_msg("the editor sent CSI %c", bytes[at]);
    }
    return at + 1;
}

void shown_write(struct shown *shown, const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        if (bytes[at] == '\r') {
            shown->column = 0;
            at++;
        } else if (bytes[at] == '\n') {
            line_feed(shown);
            at++;
        } else if (bytes[at] == '\033') {
            at += take_escape(shown, bytes + at, length - at);
        } else {
            size_t next = line_next(bytes, length, at), width = line_cluster_width(bytes + at, next - at);
            assert_true((unsigned char)bytes[at] >= 0x20 && next - at < sizeof shown->cells[0][0]);
            assert_true(shown->column + width <= shown->width); /* no row is folded by the terminal */
            memset(shown->cells[shown->row][shown->column], 0, sizeof shown->cells[0][0]);
            memcpy(shown->cells[shown->row][shown->column], bytes + at, next - at);
            if (width == 2)
                strcpy(shown->cells[shown->row][shown->column + 1], "\1");
            shown->column += width;
            at = next;
        }
    }
}

const char *shown_row(const struct shown *shown, size_t row)
{
    static char text[SHOWN_WIDTH * 24];
    size_t used = 0, end = 0;
    for (size_t at = 0; at < shown->width; at++) {
        const char *cell = shown->cells[row][at];
        if (cell[0] == '\1')
            continue;
        memcpy(text + used, cell[0] == '\0' ? " " : cell, cell[0] == '\0' ? 1 : strlen(cell));
        used += cell[0] == '\0' ? 1 : strlen(cell);
        end = cell[0] == '\0' || cell[0] == ' ' ? end : used;
    }
    text[end] = '\0';
    return text;
}

void desk_begin(struct desk *desk, size_t width, size_t height)
{
    memset(desk, 0, sizeof *desk);
    desk->look = (struct line_look){
        .prompt = "rh> ", .more = "..> ", .width = width, .height = height, .colours = true, .utf8 = true};
    shown_begin(&desk->shown, width, height);
    line_editor_begin(&desk->editor, &desk->helper, &desk->history);
}

void desk_end(struct desk *desk)
{
    line_editor_free(&desk->editor);
    line_screen_free(&desk->screen);
    line_history_free(&desk->history);
}

enum line_outcome desk_type_bytes(struct desk *desk, const char *bytes, size_t length)
{
    struct rh_buffer out = {0};
    size_t used;
    enum line_outcome outcome = line_editor_feed(&desk->editor, bytes, length, &used);
    if (outcome == LINE_EDITING)
        line_screen_draw(&desk->screen, &desk->editor, &desk->look, &out);
    else
        line_screen_finish(&desk->screen, &desk->editor, &desk->look, &out);
    shown_write(&desk->shown, out.bytes, out.length);
    rh_buffer_free(&out);
    return outcome;
}

enum line_outcome desk_type(struct desk *desk, const char *keys)
{
    return desk_type_bytes(desk, keys, strlen(keys));
}

void desk_expect(struct desk *desk, const char *before, const char *after)
{
    struct rh_buffer text = {0};
    rh_buffer_add_text(&text, before);
    rh_buffer_add_text(&text, after);
    assert_string_equal(desk->editor.text.bytes, text.bytes);
    assert_int_equal(desk->editor.cursor, strlen(before));
    rh_buffer_free(&text);
}
