/* SPDX-License-Identifier: Apache-2.0 */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_buffer.h"
#include "base/base_memory.h"

static void assert_text(struct base_buffer *buffer, const char *expected)
{
    assert_false(buffer->failed);
    assert_int_equal(buffer->len, strlen(expected));
    assert_string_equal(buffer->data, expected);
    base_buffer_reset(buffer);
}

static void test_appends(void **state)
{
    (void)state;
    struct base_buffer buffer = {0};
    base_buffer_append(&buffer, NULL, 0);
    assert_string_equal(buffer.data, "");
    base_buffer_text(&buffer, "ab");
    base_buffer_char(&buffer, 'c');
    base_buffer_format(&buffer, "%d-%s", 42, "x");
    base_buffer_append(&buffer, "yz", 1);
    assert_text(&buffer, "abc42-xy");
}

static void test_long_format(void **state)
{
    (void)state;
    struct base_buffer buffer = {0};
    for (int i = 0; i < 1000; i++)
        base_buffer_format(&buffer, "%099d,", i);
    assert_int_equal(buffer.len, 100000);
    assert_memory_equal(buffer.data + 99990, "000000999,", 10);
    base_buffer_reset(&buffer);
    assert_null(buffer.data);
}

static void test_identifiers_are_quoted(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"orders", "\"orders\""},
        {"", "\"\""},
        {"a\"b", "\"a\"\"b\""},
        {"\"", "\"\"\"\""},
        {"\"\"", "\"\"\"\"\"\""},
        {"select", "\"select\""},
        {"a b'c;--", "\"a b'c;--\""},
        {"\xC3\x9C\xFF", "\"\xC3\x9C\xFF\""},
        {"x\"; DROP TABLE t", "\"x\"\"; DROP TABLE t\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct base_buffer buffer = {0};
        base_buffer_identifier(&buffer, cases[i][0]);
        assert_text(&buffer, cases[i][1]);
    }
}

static void test_literals_are_quoted(void **state)
{
    (void)state;
    struct base_buffer buffer = {0};
    base_buffer_literal(&buffer, "it's \"x\"'", 9);
    assert_text(&buffer, "'it''s \"x\"'''");
    base_buffer_literal(&buffer, "cut here", 3);
    assert_text(&buffer, "'cut'");
}

static void test_reals_are_shortest_and_exact(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0, "1.0"},
        {-0.0, "-0.0"},
        {100.0, "100.0"},
        {1e300, "1e+300"},
        {5e-324, "4.94065645841247e-324"},
        {-2.5, "-2.5"},
        {9007199254740993.0, "9007199254740992.0"},
        {HUGE_VAL, "Infinity"},
        {-HUGE_VAL, "-Infinity"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct base_buffer buffer = {0};
        base_buffer_real(&buffer, cases[i].value);
        assert_text(&buffer, cases[i].text);
    }
}

static void test_reals_ignore_the_locale(void **state)
{
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL && setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL)
        skip();
    struct base_buffer buffer = {0};
    base_buffer_real(&buffer, 2.5);
    setlocale(LC_NUMERIC, "C");
    assert_text(&buffer, "2.5");
}

static void test_failure_is_sticky(void **state)
{
    (void)state;
    struct base_buffer buffer = {0};
    base_buffer_text(&buffer, "kept");
    base_memory_fail_after(1);
    for (int i = 0; i < 1000; i++)
        base_buffer_text(&buffer, "0123456789");
    assert_true(buffer.failed);
    assert_null(base_buffer_take(&buffer));
    assert_null(buffer.data);
    assert_false(buffer.failed);
    base_buffer_text(&buffer, "again");
    assert_text(&buffer, "again");
}

static void test_take(void **state)
{
    (void)state;
    struct base_buffer buffer = {0};
    char *empty = base_buffer_take(&buffer);
    assert_string_equal(empty, "");
    base_free(empty);
    base_buffer_text(&buffer, "moved");
    char *text = base_buffer_take(&buffer);
    assert_string_equal(text, "moved");
    assert_null(buffer.data);
    base_free(text);
}

static void test_clear_keeps_the_memory(void **state)
{
    (void)state;
    struct base_buffer buffer = {0};
    base_buffer_text(&buffer, "first text");
    char *data = buffer.data;
    base_buffer_clear(&buffer);
    assert_int_equal(buffer.len, 0);
    base_buffer_text(&buffer, "second");
    assert_ptr_equal(buffer.data, data);
    assert_text(&buffer, "second");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_long_format),
        cmocka_unit_test(test_identifiers_are_quoted),
        cmocka_unit_test(test_literals_are_quoted),
        cmocka_unit_test(test_reals_are_shortest_and_exact),
        cmocka_unit_test(test_reals_ignore_the_locale),
        cmocka_unit_test(test_failure_is_sticky),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_clear_keeps_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
