/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <locale.h>
#include <string.h>

#include "rh_text.h"

static void test_utf8_says_what_is_broken(void **state)
{
    static const char *const good[] = {"", "abc", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x99\x82", "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\x80",         "\xC0\x80",         "\xC3", "\xE0\x80\x80",
                                      "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF", "\xE2\x82"};
    (void)state;
    for (size_t at = 0; at < sizeof good / sizeof *good; at++)
        assert_int_equal(rh_utf8_valid(good[at], strlen(good[at])), strlen(good[at]));
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        assert_int_equal(rh_utf8_valid(bad[at], strlen(bad[at])), 0);
    assert_int_equal(rh_utf8_valid("ab\xFF", 3), 2);
}

static void test_width_and_cut_count_columns(void **state)
{
    (void)state;
    assert_string_equal(setlocale(LC_CTYPE, NULL), "C"); /* the locale has no say */
    assert_int_equal(rh_text_width("\xF0\x9F\x99\x82", 4), 2);
    assert_int_equal(rh_text_width("e\xCC\x81", 3), 1);
    assert_int_equal(rh_text_width("\xEF\xBC\xA1\xED\x95\x9C", 6), 4);
    assert_int_equal(rh_text_width("abc", 3), 3);
    assert_int_equal(rh_text_width("\xC3\xA4", 2), 1);
    assert_int_equal(rh_text_width("\xE6\x97\xA5", 3), 2);
    assert_int_equal(rh_text_cut("\xE6\x97\xA5x", 4, 1), 0);
    assert_int_equal(rh_text_cut("\xE6\x97\xA5x", 4, 2), 3);
    assert_int_equal(rh_text_cut("abc", 3, 9), 3);
}

static void expect_visible(const char *text, size_t length, const char *expected)
{
    struct rh_buffer out = {0};
    rh_add_visible(&out, text, length);
    assert_string_equal(out.bytes, expected);
    rh_buffer_free(&out);
}

static void test_data_can_not_steer_a_terminal(void **state)
{
    (void)state;
    expect_visible("a\033[2Jb", 6, "a\\x1b[2Jb");
    expect_visible("a\nb\tc\r", 6, "a\\nb\\tc\\r");
    expect_visible("a\0b", 3, "a\\x00b");
    expect_visible("\xC2\x9B", 2, "\\x9b");
    expect_visible("\xE2\x80\xAE", 3, "\\u202e");
    expect_visible("\xFFz", 2, "\\xffz");
    expect_visible("\xC3\xA4", 2, "\xC3\xA4");
}

static void expect_base64(const char *bytes, size_t length, const char *expected)
{
    struct rh_buffer out = {0};
    rh_buffer_add_text(&out, "");
    rh_add_base64(&out, bytes, length);
    assert_string_equal(out.bytes, expected);
    rh_buffer_free(&out);
}

static void test_base64_of_rfc_4648(void **state)
{
    (void)state;
    expect_base64("", 0, "");
    expect_base64("f", 1, "Zg==");
    expect_base64("fo", 2, "Zm8=");
    expect_base64("foo", 3, "Zm9v");
    expect_base64("foobar", 6, "Zm9vYmFy");
    expect_base64("\x00\xFF\xFE", 3, "AP/+");
}

static void test_hex_both_ways(void **state)
{
    struct rh_buffer out = {0}, back = {0};
    (void)state;
    rh_add_hex(&out, "\x00\xAB\x10", 3);
    assert_string_equal(out.bytes, "00ab10");
    assert_true(rh_parse_hex("00Ab10", 6, &back));
    assert_int_equal(back.length, 3);
    assert_memory_equal(back.bytes, "\x00\xAB\x10", 3);
    assert_false(rh_parse_hex("0", 1, &back));
    assert_false(rh_parse_hex("0g", 2, &back));
    rh_buffer_free(&out);
    rh_buffer_free(&back);
}

static void test_nearest_word_finds_slips_only(void **state)
{
    static const char *const words[] = {"query", "exec", "import", "status"};
    (void)state;
    assert_int_equal(rh_nearest_word("qurey", words, 4), 0);
    assert_int_equal(rh_nearest_word("exce", words, 4), 1);
    assert_int_equal(rh_nearest_word("imprt", words, 4), 2);
    assert_int_equal(rh_nearest_word("frobnicate", words, 4), -1);
    const char *const alike[] = {".width", ".watch"};
    assert_int_equal(rh_nearest_word(".wacth", alike, 2), 1);
}

static void test_identifiers_are_quoted(void **state)
{
    struct rh_buffer out = {0};
    (void)state;
    rh_add_identifier(&out, "we\"ird name");
    assert_string_equal(out.bytes, "\"we\"\"ird name\"");
    rh_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_says_what_is_broken),
        cmocka_unit_test(test_width_and_cut_count_columns),
        cmocka_unit_test(test_data_can_not_steer_a_terminal),
        cmocka_unit_test(test_base64_of_rfc_4648),
        cmocka_unit_test(test_hex_both_ways),
        cmocka_unit_test(test_nearest_word_finds_slips_only),
        cmocka_unit_test(test_identifiers_are_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
