/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "line_fixture.h"
#include "line_text.h"
#include "rh_text.h"

static bool ends_with_semicolon(void *context, const char *text, size_t length)
{
    (void)context;
    return length > 0 && text[length - 1] == ';';
}

static int begin(void **state)
{
    struct desk *desk = malloc(sizeof *desk);
    desk_begin(desk, 80, 24);
    desk->helper.whole = ends_with_semicolon;
    *state = desk;
    return 0;
}

static int end(void **state)
{
    desk_end(*state);
    free(*state);
    return 0;
}

static void test_keys_of_emacs_move_and_kill(void **state)
{
    struct desk *desk = *state;
    desk_type(desk, "one two three");
    desk_type(desk, "\x01");
    desk_expect(desk, "", "one two three");
    desk_type(desk, "\033f");
    desk_expect(desk, "one", " two three");
    desk_type(desk, "\033d");
    desk_expect(desk, "one", " three");
    desk_type(desk, "\x05\x17");
    desk_expect(desk, "one ", "");
    desk_type(desk, "\x19");
    desk_expect(desk, "one three", "");
    desk_type(desk, "\033[1;5D\x0b");
    desk_expect(desk, "one ", "");
    desk_type(desk, "\x15");
    desk_expect(desk, "", "");
    desk_type(desk, "\x19");
    desk_expect(desk, "one three", ""); /* what was killed one after another is one */
    desk_type(desk, "\033b\033b\033[C\x14");
    desk_expect(desk, "no", "e three");
    desk_type(desk, "\x04\x7f");
    desk_expect(desk, "n", " three");
}

static void test_enter_makes_a_line_until_the_text_is_whole(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(desk_type(desk, "select 1\rfrom t\r"), LINE_EDITING);
    desk_expect(desk, "select 1\nfrom t\n", "");
    desk_type(desk, "\x7f\033[A\033[H\033[C");
    desk_expect(desk, "s", "elect 1\nfrom t");
    desk_type(desk, "\x05\033[B");
    desk_expect(desk, "select 1\nfrom t", "");
    desk_type(desk, "\033[A\x01\033\r");
    desk_expect(desk, "\n", "select 1\nfrom t");
    desk_type(desk, "\033[B\x05;");
    assert_int_equal(desk_type(desk, "\r"), LINE_ACCEPTED);
    assert_string_equal(desk->editor.text.bytes, "\nselect 1\nfrom t;");
}

static void test_up_and_down_keep_their_column_over_short_lines(void **state)
{
    struct desk *desk = *state;
    desk_type(desk, "abcdef\r\xE6\x97\xA5\rabcdef");
    desk_type(desk, "\033[D\033[A");
    desk_expect(desk, "abcdef\n\xE6\x97\xA5", "\nabcdef");
    desk_type(desk, "\033[A");
    desk_expect(desk, "abcde", "f\n\xE6\x97\xA5\nabcdef");
    desk_type(desk, "\x01\033[C\033[B"); /* never into the middle of a wide character */
    desk_expect(desk, "abcdef\n", "\xE6\x97\xA5\nabcdef");
}

static void test_the_cursor_never_stands_in_a_cluster(void **state)
{
    static const char *const clusters[] = {"e\xCC\x81", "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB", "\xE6\x97\xA5",
                                           "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA", "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD"};
    struct desk *desk = *state;
    for (size_t at = 0; at < sizeof clusters / sizeof *clusters; at++) {
        desk_type(desk, "a");
        desk_type(desk, clusters[at]);
        desk_type(desk, "b\x02\x02");
        desk_expect(desk, "a", desk->editor.text.bytes + 1);
        desk_type(desk, "\x06");
        assert_int_equal(desk->editor.cursor, 1 + strlen(clusters[at]));
        desk_type(desk, "\x7f");
        desk_expect(desk, "a", "b");
        desk_type(desk, "\x05\x15");
    }
}

static void test_undo_takes_back_step_by_step(void **state)
{
    struct desk *desk = *state;
    desk_type(desk, "a");
    desk_type(desk, "b");
    desk_type(desk, "c\x17xy\x01\x04");
    desk_expect(desk, "", "y");
    desk_type(desk, "\x1f");
    desk_expect(desk, "x", "y");
    desk_type(desk, "\x1f");
    desk_expect(desk, "", "");
    desk_type(desk, "\x1f");
    desk_expect(desk, "abc", "");
    desk_type(desk, "\x1f\x1f\x1f");
    desk_expect(desk, "", "");
}

static void test_what_is_typed_is_utf8_whatever_comes(void **state)
{
    struct desk *desk = *state;
    desk_type_bytes(desk, "a\xFF\xC3(\0b\xED\xA0\x80", 9);
    assert_int_equal(rh_utf8_valid(desk->editor.text.bytes, desk->editor.text.length), desk->editor.text.length);
    assert_int_equal(strlen(desk->editor.text.bytes), desk->editor.text.length);
    assert_string_equal(shown_row(&desk->shown, 0),
                        "rh> a\xEF\xBF\xBD\xEF\xBF\xBD(b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

static void test_a_paste_runs_nothing_and_is_one_step(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(desk_type(desk, "\033[200~select 1;\r\nselect\t2;\n\x1b[31m\x03\033[201~"), LINE_EDITING);
    desk_expect(desk, "select 1;\nselect\t2;\n[31m", "");
    desk_type(desk, "\x1f");
    desk_expect(desk, "", "");
}

static void test_a_paste_of_a_megabyte(void **state)
{
    enum { LINES = 60000 };
    struct desk *desk = *state;
    struct rh_buffer paste = {0};
    rh_buffer_add_text(&paste, "\033[200~");
    for (int at = 0; at < LINES; at++)
        rh_buffer_format(&paste, "(%d, '\xE6\x97\xA5 text'),\n", at);
    rh_buffer_add_text(&paste, "\033[201~");
    for (size_t at = 0; at < paste.length; at += 4096) { /* as a terminal sends it */
        size_t used, size = paste.length - at < 4096 ? paste.length - at : 4096;
        for (size_t from = 0; from < size; from += used)
            line_editor_feed(&desk->editor, paste.bytes + at + from, size - from, &used);
    }
    desk_type(desk, ";");
    assert_true(desk->editor.text.length > 1000000);
    assert_string_equal(shown_row(&desk->shown, 23), "\xE2\x80\xA6 0 rows below");
    assert_string_equal(shown_row(&desk->shown, 22), "..> ;");
    assert_int_equal(desk_type(desk, "\r"), LINE_ACCEPTED);
    rh_buffer_free(&paste);
}

static void test_history_is_walked_and_the_new_text_waits(void **state)
{
    struct desk *desk = *state;
    line_history_add(&desk->history, "first;", 6);
    line_history_add(&desk->history, "a\nb;", 4);
    line_editor_begin(&desk->editor, &desk->helper, &desk->history);
    desk_type(desk, "new");
    desk_type(desk, "\033[A");
    desk_expect(desk, "a\nb;", "");
    desk_type(desk, "\033[A\033[A");
    desk_expect(desk, "first;", "");
    desk_type(desk, "\033[A");
    desk_expect(desk, "first;", "");
    desk_type(desk, "\x0e\x0e");
    desk_expect(desk, "new", "");
}

static void test_ctrl_r_searches_as_one_types(void **state)
{
    struct desk *desk = *state;
    line_history_add(&desk->history, "select apple;", 13);
    line_history_add(&desk->history, "select pear;", 12);
    line_history_add(&desk->history, "select grape;", 13);
    line_editor_begin(&desk->editor, &desk->helper, &desk->history);
    desk_type(desk, "mine\x12"
                    "AP");
    assert_string_equal(shown_row(&desk->shown, 0), "(search) AP: select grape;");
    desk_type(desk, "\x12");
    desk_expect(desk, "select ", "apple;");
    desk_type(desk, "\x12");
    assert_string_equal(shown_row(&desk->shown, 0), "(no such) AP: select apple;");
    desk_type(desk, "\x07");
    desk_expect(desk, "mine", "");
    assert_int_equal(desk_type(desk, "\x12no such words\r"),
                     LINE_EDITING); /* what stands there isn't what was searched */
    desk_expect(desk, "mine", "");
    assert_int_equal(desk_type(desk, "\x12pear\r"), LINE_ACCEPTED);
    assert_string_equal(desk->editor.text.bytes, "select pear;");
}

static void offer_names(void *context, const char *text, size_t length, size_t cursor, struct line_menu *menu)
{
    static const char *const names[] = {"orders", "order_lines", "other", "people"};
    (void)context;
    (void)length;
    menu->start = line_word_begin(text, cursor);
    for (size_t at = 0; at < 4; at++)
        if (strncmp(names[at], text + menu->start, cursor - menu->start) == 0)
            line_menu_add(menu, names[at], strlen(names[at]));
}

static void test_tab_completes_and_cycles(void **state)
{
    struct desk *desk = *state;
    desk->helper.complete = offer_names;
    desk_type(desk, "from p\t");
    desk_expect(desk, "from people ", ""); /* whole: the next word may be typed */
    desk_type(desk, "\b\b\t x");           /* one blank all the same */
    desk_expect(desk, "from people x", "");
    desk_type(desk, "\b\b\b\t, or\t"); /* and none before a sign */
    desk_expect(desk, "from people, order", "");
    assert_string_equal(shown_row(&desk->shown, 1), "orders       order_lines");
    desk_type(desk, "\t");
    desk_expect(desk, "from people, orders", "");
    desk_type(desk, "\t");
    desk_expect(desk, "from people, order_lines", "");
    desk_type(desk, "\t");
    desk_expect(desk, "from people, orders", "");
    desk_type(desk, "\033[Z");
    desk_expect(desk, "from people, order_lines", "");
    assert_int_equal(desk_type(desk, "\r"), LINE_EDITING); /* takes it, and runs nothing */
    desk_expect(desk, "from people, order_lines", "");
    assert_string_equal(shown_row(&desk->shown, 1), "");
    desk_type(desk, ", o\t\t\x07");
    desk_expect(desk, "from people, order_lines, o", "");
}

static void test_ctrl_d_and_ctrl_c(void **state)
{
    struct desk *desk = *state;
    assert_int_equal(desk_type(desk, "a\x04"), LINE_EDITING);
    assert_int_equal(desk_type(desk, "\x03"), LINE_DROPPED);
    line_editor_begin(&desk->editor, &desk->helper, &desk->history);
    assert_int_equal(desk_type(desk, "\x04"), LINE_ENDED);
}

static void test_random_keys_keep_what_is_promised(void **state)
{
    static const char *const keys[] = {"a",
                                       "\xC3\xA4",
                                       "\xE6\x97\xA5",
                                       "\xCC\x81",
                                       "\xF0\x9F\x99\x82",
                                       "\xFF",
                                       "\r",
                                       "\x01",
                                       "\x05",
                                       "\x0b",
                                       "\x15",
                                       "\x17",
                                       "\x19",
                                       "\x1f",
                                       "\x7f",
                                       "\x04",
                                       "\033[A",
                                       "\033[B",
                                       "\033[C",
                                       "\033[D",
                                       "\033b",
                                       "\033f",
                                       "\033d",
                                       "\t",
                                       "\033[Z",
                                       "\x12",
                                       "\x07",
                                       "\x14",
                                       " ",
                                       "(",
                                       "\033[200~x\ny\033[201~"};
    struct desk *desk = *state;
    unsigned seed = 20261128;
    desk->helper.complete = offer_names;
    line_history_add(&desk->history, "old\nentry;", 10);
    line_editor_begin(&desk->editor, &desk->helper, &desk->history);
    for (int at = 0; at < 20000; at++) {
        seed = seed * 1103515245 + 12345;
        desk->look.width = 10 + (seed >> 8) % 3;
        desk->shown.width = 12;
        line_screen_forget(&desk->screen);
        desk->shown.row = desk->shown.column = 0;
        (void)desk_type(desk, keys[(seed >> 16) % (sizeof keys / sizeof *keys)]);
        const struct rh_buffer *text = &desk->editor.text;
        assert_int_equal(rh_utf8_valid(text->bytes, text->length), text->length);
        size_t boundary = line_begin(text->bytes, desk->editor.cursor);
        while (boundary < desk->editor.cursor)
            boundary = line_next(text->bytes, text->length, boundary);
        assert_int_equal(boundary, desk->editor.cursor);
    }
}

/* What a broken line, or a program that writes to the terminal, may send. */
static void test_random_bytes_keep_what_is_promised(void **state)
{
    struct desk *desk = *state;
    unsigned seed = 7;
    for (int at = 0; at < 3000; at++) {
        char bytes[64];
        size_t length = 1 + (size_t)at % sizeof bytes;
        for (size_t byte = 0; byte < length; byte++) {
            seed = seed * 1103515245 + 12345;
            bytes[byte] = (seed >> 16) % 6 == 0 ? "\033[O~;2"[(seed >> 8) % 7] : (char)(seed >> 20);
        }
        line_screen_forget(&desk->screen);
        desk->shown.row = desk->shown.column = 0;
        if (desk_type_bytes(desk, bytes, length) != LINE_EDITING || desk->editor.text.length > 2000)
            line_editor_begin(&desk->editor, &desk->helper, &desk->history);
        const struct rh_buffer *text = &desk->editor.text;
        assert_int_equal(rh_utf8_valid(text->bytes, text->length), text->length);
        assert_int_equal(strlen(text->bytes), text->length);
    }
}

static void test_a_mark_that_loses_its_letter_never_splits_the_cursor(void **state)
{
    struct desk *desk = *state;
    desk_type(desk, "a\rx\xCC\x81y");
    desk_type(desk, "\x01\x04"); /* the letter goes with its mark */
    desk_expect(desk, "a\n", "y");
    desk_type(desk, "\xCC\x81"); /* a mark alone */
    desk_type(desk, "\x01\x7f"); /* the lines join: it is the a's now */
    desk_expect(desk, "a\xCC\x81", "y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keys_of_emacs_move_and_kill, begin, end),
        cmocka_unit_test_setup_teardown(test_enter_makes_a_line_until_the_text_is_whole, begin, end),
        cmocka_unit_test_setup_teardown(test_up_and_down_keep_their_column_over_short_lines, begin, end),
        cmocka_unit_test_setup_teardown(test_the_cursor_never_stands_in_a_cluster, begin, end),
        cmocka_unit_test_setup_teardown(test_undo_takes_back_step_by_step, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_typed_is_utf8_whatever_comes, begin, end),
        cmocka_unit_test_setup_teardown(test_a_paste_runs_nothing_and_is_one_step, begin, end),
        cmocka_unit_test_setup_teardown(test_a_paste_of_a_megabyte, begin, end),
        cmocka_unit_test_setup_teardown(test_history_is_walked_and_the_new_text_waits, begin, end),
        cmocka_unit_test_setup_teardown(test_ctrl_r_searches_as_one_types, begin, end),
        cmocka_unit_test_setup_teardown(test_tab_completes_and_cycles, begin, end),
        cmocka_unit_test_setup_teardown(test_ctrl_d_and_ctrl_c, begin, end),
        cmocka_unit_test_setup_teardown(test_random_keys_keep_what_is_promised, begin, end),
        cmocka_unit_test_setup_teardown(test_random_bytes_keep_what_is_promised, begin, end),
        cmocka_unit_test_setup_teardown(test_a_mark_that_loses_its_letter_never_splits_the_cursor, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
