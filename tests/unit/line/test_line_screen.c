/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "line_fixture.h"

static bool never(void *context, const char *text, size_t length)
{
    (void)context, (void)text, (void)length;
    return false;
}

static void test_rows_wrap_between_clusters_at_twenty_columns(void **state)
{
    struct desk desk;
    (void)state;
    desk_begin(&desk, 20, 10);
    desk_type(&desk, "0123456789abcde\xE6\x97\xA5x");
    assert_string_equal(shown_row(&desk.shown, 0), "rh> 0123456789abcde"); /* a wide one isn't split */
    assert_string_equal(shown_row(&desk.shown, 1), "\xE6\x97\xA5x");
    assert_int_equal(desk.shown.row, 1);
    assert_int_equal(desk.shown.column, 3);
    desk_type(&desk, "\x02\x02");
    assert_int_equal(desk.shown.row, 1);
    assert_int_equal(desk.shown.column, 0);
    desk_end(&desk);
}

static void test_a_full_row_has_its_cursor_on_the_next(void **state)
{
    struct desk desk;
    (void)state;
    desk_begin(&desk, 20, 10);
    desk_type(&desk, "0123456789abcdef");
    assert_string_equal(shown_row(&desk.shown, 0), "rh> 0123456789abcdef");
    assert_int_equal(desk.shown.row, 1);
    assert_int_equal(desk.shown.column, 0);
    desk_type(&desk, "\x7f");
    assert_int_equal(desk.shown.row, 0);
    assert_int_equal(desk.shown.column, 19);
    desk_end(&desk);
}

static void test_more_rows_than_the_terminal_are_shown_around_the_cursor(void **state)
{
    struct desk desk;
    (void)state;
    desk_begin(&desk, 40, 6);
    desk.helper.whole = never;
    desk_type(&desk, "l0\rl1\rl2\rl3\rl4\rl5\rl6\rl7\rl8\rl9");
    assert_string_equal(shown_row(&desk.shown, 0), "\xE2\x80\xA6 6 rows above");
    assert_string_equal(shown_row(&desk.shown, 4), "..> l9");
    for (int up = 0; up < 9; up++)
        desk_type(&desk, "\033[A");
    assert_string_equal(shown_row(&desk.shown, 1), "rh> l0");
    assert_string_equal(shown_row(&desk.shown, 5), "\xE2\x80\xA6 6 rows below");
    assert_int_equal(desk.shown.scrolled, 0);
    desk_end(&desk);
}

static void test_a_terminal_of_one_row_shows_the_line_of_the_cursor(void **state)
{
    struct desk desk;
    (void)state;
    desk_begin(&desk, 40, 1);
    desk.helper.whole = never;
    desk_type(&desk, "one\rtwo");
    assert_string_equal(shown_row(&desk.shown, 0), "..> two");
    desk_type(&desk, "\033[A");
    assert_string_equal(shown_row(&desk.shown, 0), "rh> one");
    desk_end(&desk);
}

/* As terminals do that fold: each row that is too long becomes several. */
static void fold(struct desk *desk, size_t width)
{
    struct shown before = desk->shown, *shown = &desk->shown;
    size_t row = 0, cursor = 0, column = before.column % width;
    shown_begin(shown, width, before.height);
    for (size_t at = 0; at < before.height && row < shown->height; at++) {
        size_t used = before.width;
        while (used > 0 && before.cells[at][used - 1][0] == '\0')
            used--;
        if (at == before.row)
            cursor = row + before.column / width;
        for (size_t from = 0; from == 0 || from < used; from += width, row++)
            memcpy(shown->cells[row], before.cells[at][from], width * sizeof before.cells[0][0]);
    }
    shown->row = cursor;
    shown->column = column;
}

static void test_a_resize_leaves_nothing_behind(void **state)
{
    (void)state;
    for (size_t width = 12; width < 60; width += 7) {
        struct desk desk;
        desk_begin(&desk, 60, 40);
        desk.helper.whole = never;
        desk_type(&desk, "select a_long_name, another_long_name, third\rfrom a_table_with_a_long_name_as_well;\r");
        desk_type(&desk, "\033[A\x05\x02\x02");
        fold(&desk, width);
        line_screen_resized(&desk.screen, width);
        desk.look.width = width;
        desk_type(&desk, "X");
        assert_true(strncmp(shown_row(&desk.shown, 0), "rh> selec", 8) == 0);
        size_t prompts = 0;
        for (size_t at = 0; at < 40; at++)
            prompts += strstr(shown_row(&desk.shown, at), "rh> ") != NULL;
        assert_int_equal(prompts, 1);
        desk_end(&desk);
    }
}

static void test_without_colours_there_are_none(void **state)
{
    struct desk desk;
    struct rh_buffer out = {0};
    size_t used;
    (void)state;
    desk_begin(&desk, 40, 6);
    desk.look.colours = false;
    line_editor_feed(&desk.editor, "select", 6, &used);
    line_screen_draw(&desk.screen, &desk.editor, &desk.look, &out);
    assert_null(strstr(out.bytes, "m"));
    rh_buffer_free(&out);
    desk_end(&desk);
}

static void test_tabs_and_marks_of_direction_are_made_visible(void **state)
{
    struct desk desk;
    (void)state;
    desk_begin(&desk, 40, 6);
    desk_type(&desk, "\033[200~a\tb\xE2\x80\xAE"
                     "c\033[201~");
    assert_string_equal(shown_row(&desk.shown, 0), "rh> a    b\xEF\xBF\xBD"
                                                   "c");
    desk_end(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_wrap_between_clusters_at_twenty_columns),
        cmocka_unit_test(test_a_full_row_has_its_cursor_on_the_next),
        cmocka_unit_test(test_more_rows_than_the_terminal_are_shown_around_the_cursor),
        cmocka_unit_test(test_a_terminal_of_one_row_shows_the_line_of_the_cursor),
        cmocka_unit_test(test_a_resize_leaves_nothing_behind),
        cmocka_unit_test(test_without_colours_there_are_none),
        cmocka_unit_test(test_tabs_and_marks_of_direction_are_made_visible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
