/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_error.h"
#include "base/base_utf8.h"

static void test_set_fills_everything(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(error_set(&error, RHEI_CONSTRAINT, "column \"%s\" is %d", "a", 7), RHEI_CONSTRAINT);
    assert_int_equal(error.code, RHEI_CONSTRAINT);
    assert_string_equal(error.sqlstate, "23000");
    assert_string_equal(error.message, "column \"a\" is 7");
    assert_int_equal(error.sql_offset, -1);
}

static void test_first_error_wins(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    error_set(&error, RHEI_IO, "first");
    assert_int_equal(error_set(&error, RHEI_FULL, "second"), RHEI_FULL);
    assert_int_equal(error.code, RHEI_IO);
    assert_string_equal(error.message, "first");
    error_clear(&error);
    assert_int_equal(error.code, RHEI_OK);
    assert_string_equal(error.sqlstate, "00000");
    assert_string_equal(error.message, "");
}

static void test_null_error_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, RHEI_IO, "x"), RHEI_IO);
    assert_int_equal(error_no_memory(NULL), RHEI_NO_MEMORY);
    error_context(NULL, "x");
    error_clear(NULL);
}

static void test_context_goes_in_front(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    error_context(&error, "nothing is set: ");
    assert_string_equal(error.message, "");
    error_set(&error, RHEI_IO, "disk");
    error_context(&error, "table \"%s\": ", "orders");
    assert_string_equal(error.message, "table \"orders\": disk");
}

/* Every length around the buffer's size, with characters of every length in UTF-8, in message and in context. */
static void test_truncation_never_splits_a_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x8C\x8A"};
    for (size_t c = 0; c < 4; c++) {
        size_t width = strlen(characters[c]);
        for (size_t pad = 0; pad < 6; pad++) {
            char text[RHEI_ERROR_MESSAGE_SIZE + 64] = "";
            size_t len = pad;
            memset(text, '.', pad);
            while (len + width < sizeof text) {
                memcpy(text + len, characters[c], width);
                len += width;
            }
            text[len] = '\0';
            struct rhei_error error = RHEI_ERROR_INIT;
            error_set(&error, RHEI_SQL, "%s", text);
            size_t kept = strlen(error.message);
            assert_in_range(kept, RHEI_ERROR_MESSAGE_SIZE - width, RHEI_ERROR_MESSAGE_SIZE - 1);
            assert_true(base_utf8_valid(error.message, kept));
            assert_null(strchr(error.message, '?'));
            assert_memory_equal(error.message, text, kept);

            error_context(&error, "in %.*s: ", (int)pad, "123456");
            kept = strlen(error.message);
            assert_in_range(kept, RHEI_ERROR_MESSAGE_SIZE - width, RHEI_ERROR_MESSAGE_SIZE - 1);
            assert_true(base_utf8_valid(error.message, kept));

            error_context(&error, "%s", text);
            kept = strlen(error.message);
            assert_in_range(kept, RHEI_ERROR_MESSAGE_SIZE - width, RHEI_ERROR_MESSAGE_SIZE - 1);
            assert_memory_equal(error.message, text, RHEI_ERROR_MESSAGE_SIZE - width);
            assert_true(base_utf8_valid(error.message, kept));
        }
    }
}

static void test_invalid_bytes_become_question_marks(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    error_set(&error, RHEI_SQL, "no table \"%s\"", "a\xFF\xC3(\xED\xA0\x80\xE2\x82");
    assert_string_equal(error.message, "no table \"a?\?(?????\"");
}

static void test_every_code_has_a_name_and_a_sqlstate(void **state)
{
    (void)state;
    static const int codes[] = {0,  1,  2,  10, 11, 12, 13, 20, 21, 22, 23, 24, 25, 26,
                                30, 31, 32, 33, 34, 35, 36, 37, 40, 41, 42, 50, 51, 60};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        assert_string_not_equal(error_code_name((rhei_status)codes[i]), "UNKNOWN");
        assert_int_equal(strlen(error_code_sqlstate((rhei_status)codes[i])), 5);
    }
    assert_string_equal(error_code_name(RHEI_CONSTRAINT), "CONSTRAINT");
    assert_string_equal(error_code_name((rhei_status)999), "UNKNOWN");
}

static void test_utf8_validity(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"", true},
        {"plain ascii, longer than a word", true},
        {"\xC2\x80", true},
        {"\xDF\xBF", true},
        {"\xE0\xA0\x80", true},
        {"\xED\x9F\xBF", true},
        {"\xEE\x80\x80", true},
        {"\xF0\x90\x80\x80", true},
        {"\xF4\x8F\xBF\xBF", true},
        {"12345678\xC3\xA9", true},
        {"\x80", false},
        {"\xC0\x80", false},
        {"\xC1\xBF", false},
        {"\xE0\x9F\xBF", false},
        {"\xED\xA0\x80", false},
        {"\xF0\x8F\xBF\xBF", false},
        {"\xF4\x90\x80\x80", false},
        {"\xF5\x80\x80\x80", false},
        {"\xFF", false},
        {"12345678\xC3", false},
        {"\xE2\x82", false},
        {"\xE2\x28\xA1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (base_utf8_valid(cases[i].text, strlen(cases[i].text)) != cases[i].valid)
            fail_msg("case %zu is taken for %s", i, cases[i].valid ? "invalid" : "valid");
    assert_true(base_utf8_valid("a\0b", 3));
}

static void test_utf8_cut(void **state)
{
    (void)state;
    const char *text = "a\xE2\x82\xAC"
                       "b";
    assert_int_equal(base_utf8_cut(text, 5, 9), 5);
    assert_int_equal(base_utf8_cut(text, 5, 4), 4);
    assert_int_equal(base_utf8_cut(text, 5, 3), 1);
    assert_int_equal(base_utf8_cut(text, 5, 2), 1);
    assert_int_equal(base_utf8_cut(text, 5, 1), 1);
    assert_int_equal(base_utf8_cut(text, 5, 0), 0);
    assert_int_equal(base_utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_fills_everything),
        cmocka_unit_test(test_first_error_wins),
        cmocka_unit_test(test_null_error_is_accepted),
        cmocka_unit_test(test_context_goes_in_front),
        cmocka_unit_test(test_truncation_never_splits_a_character),
        cmocka_unit_test(test_invalid_bytes_become_question_marks),
        cmocka_unit_test(test_every_code_has_a_name_and_a_sqlstate),
        cmocka_unit_test(test_utf8_validity),
        cmocka_unit_test(test_utf8_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
