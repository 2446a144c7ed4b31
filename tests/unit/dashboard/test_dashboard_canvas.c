/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dashboard_canvas.h"

static void expect_row(const struct dashboard_canvas *canvas, int y, const char *text)
{
    struct rh_buffer row = {0};
    rh_buffer_add(&row, "", 0);
    dashboard_canvas_row(canvas, y, &row);
    assert_string_equal(row.bytes, text);
    rh_buffer_free(&row);
}

static void test_text_is_cut_to_its_room(void **state)
{
    struct dashboard_canvas canvas = {.utf8 = true};
    (void)state;
    dashboard_canvas_clear(&canvas, 12, 5);
    assert_int_equal(dashboard_canvas_text(&canvas, 0, 0, 5, DASHBOARD_PLAIN, "abcde"), 5);
    assert_int_equal(dashboard_canvas_text(&canvas, 0, 1, 5, DASHBOARD_PLAIN, "abcdef"), 5);
    assert_int_equal(dashboard_canvas_text(&canvas, 8, 2, 100, DASHBOARD_PLAIN, "abcdef"), 4);
    assert_int_equal(dashboard_canvas_text(&canvas, 0, 3, 0, DASHBOARD_PLAIN, "abc"), 0);
    assert_int_equal(dashboard_canvas_text(&canvas, 50, 3, 5, DASHBOARD_PLAIN, "abc"), 0);
    assert_int_equal(dashboard_canvas_text(&canvas, 0, 3, -7, DASHBOARD_PLAIN, "abc"), 0);
    expect_row(&canvas, 0, "abcde");
    expect_row(&canvas, 1, "abcd…");
    expect_row(&canvas, 2, "        abc…");
    expect_row(&canvas, 3, "");
    dashboard_canvas_free(&canvas);
}

static void test_wide_characters_are_whole_or_not_there(void **state)
{
    struct dashboard_canvas canvas = {.utf8 = true};
    (void)state;
    dashboard_canvas_clear(&canvas, 8, 4);
    assert_int_equal(dashboard_canvas_text(&canvas, 0, 0, 4, DASHBOARD_PLAIN, "注文"), 4);
    assert_int_equal(dashboard_canvas_text(&canvas, 0, 1, 4, DASHBOARD_PLAIN, "注文🛒"), 3);
    (void)dashboard_canvas_text(&canvas, 0, 2, 6, DASHBOARD_PLAIN, "注文🛒");
    (void)dashboard_canvas_text(&canvas, 1, 2, 1, DASHBOARD_PLAIN, "x"); /* its left half goes too */
    (void)dashboard_canvas_text(&canvas, 4, 2, 1, DASHBOARD_PLAIN, "y"); /* its right half goes too */
    (void)dashboard_canvas_text(&canvas, 7, 3, 2, DASHBOARD_PLAIN, "注");
    expect_row(&canvas, 0, "注文");
    expect_row(&canvas, 1, "注…");
    expect_row(&canvas, 2, " x文y");
    expect_row(&canvas, 3, "       …");
    dashboard_canvas_free(&canvas);
}

static void test_what_steers_or_joins_is_not_drawn(void **state)
{
    struct dashboard_canvas canvas = {.utf8 = true};
    (void)state;
    dashboard_canvas_clear(&canvas, 30, 3);
    /* woman, joiner, laptop; a sign made an emoji; a tone of skin: as many columns as without what joins them */
    assert_int_equal(dashboard_canvas_text(&canvas, 0, 0, 30, DASHBOARD_PLAIN,
                                           "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB|\xE2\x9D\xA4\xEF\xB8\x8F|"
                                           "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD|"),
                     4 + 1 + 1 + 1 + 2 + 1);
    expect_row(&canvas, 0, "\xF0\x9F\x91\xA9\xF0\x9F\x92\xBB|\xE2\x9D\xA4|\xF0\x9F\x91\x8D|");
    (void)dashboard_canvas_text(&canvas, 0, 1, 30, DASHBOARD_PLAIN, "a\x1b[31m\nb\xff");
    (void)dashboard_canvas_text(&canvas, 0, 2, 30, DASHBOARD_PLAIN, "Zoe\xCC\x88!"); /* a mark stays on its letter */
    expect_row(&canvas, 1, "a\\x1b[31m\\nb\\xff");
    expect_row(&canvas, 2, "Zoe\xCC\x88!");
    dashboard_canvas_free(&canvas);
}

static void test_without_utf8_all_is_ascii(void **state)
{
    struct dashboard_canvas canvas = {.utf8 = false};
    (void)state;
    dashboard_canvas_clear(&canvas, 10, 3);
    dashboard_canvas_frame(&canvas, (struct dashboard_area){0, 0, 10, 3}, DASHBOARD_BORDER);
    (void)dashboard_canvas_text(&canvas, 1, 1, 8, DASHBOARD_PLAIN, "注a文bcdef");
    expect_row(&canvas, 0, "+--------+");
    expect_row(&canvas, 1, "|??a??bc~|");
    dashboard_canvas_free(&canvas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_cut_to_its_room),
        cmocka_unit_test(test_wide_characters_are_whole_or_not_there),
        cmocka_unit_test(test_what_steers_or_joins_is_not_drawn),
        cmocka_unit_test(test_without_utf8_all_is_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
