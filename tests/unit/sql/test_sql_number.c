/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sql/sql_number.h"

static void test_reals_are_rounded_correctly(void **state)
{
    (void)state;
    const char *texts[] = {"0.1",
                           "1.5",
                           ".5",
                           "1e308",
                           "1e-320",
                           "123456789012345678901234567890",
                           "0.30000000000000004",
                           "9007199254740993",
                           "2.2250738585072011e-308",
                           "1.7976931348623159e308",
                           "000.000",
                           "4e-400",
                           "179769313486231570814527423731704356798070e267"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double expected = strtod(texts[i], NULL), got = sql_number_real(texts[i], strlen(texts[i]));
        assert_memory_equal(&expected, &got, sizeof got);
    }
    assert_true(sql_number_real("1_000.2_5", 9) == 1000.25);
}

static void test_integers(void **state)
{
    (void)state;
    int64_t value;
    assert_true(sql_number_integer("9223372036854775807", 19, &value) && value == INT64_MAX);
    assert_false(sql_number_integer("9223372036854775808", 19, &value));
    assert_true(sql_number_integer("0xFFFFFFFFFFFFFFFF", 18, &value) && value == -1);
    assert_true(sql_number_integer("0x00000000000000000001", 22, &value) && value == 1);
    assert_false(sql_number_integer("0x1FFFFFFFFFFFFFFFF", 19, &value));
    assert_true(sql_number_integer("1_000", 5, &value) && value == 1000);
}

static void test_text_as_number(void **state)
{
    (void)state;
    const struct {
        const char *text;
        enum sql_number_kind kind;
        bool is_integer;
        double real;
    } cases[] = {
        {"", SQL_NUMBER_NONE, true, 0},
        {"abc", SQL_NUMBER_NONE, true, 0},
        {" 12 ", SQL_NUMBER_INTEGER, true, 12},
        {"12abc", SQL_NUMBER_PREFIX, true, 12},
        {"-1.5e1", SQL_NUMBER_REAL, false, -15},
        {"1e", SQL_NUMBER_PREFIX, true, 1},
        {".", SQL_NUMBER_NONE, true, 0},
        {"5.", SQL_NUMBER_REAL, false, 5},
        {"+7", SQL_NUMBER_INTEGER, true, 7},
        {"0x10", SQL_NUMBER_PREFIX, true, 0},
        {"- 1", SQL_NUMBER_NONE, true, 0},
        {"1.5x", SQL_NUMBER_PREFIX, false, 1.5},
        {"-9223372036854775808", SQL_NUMBER_INTEGER, true, -9223372036854775808.0},
        {"9223372036854775808", SQL_NUMBER_REAL, false, 9223372036854775808.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool is_integer;
        int64_t integer;
        double real;
        enum sql_number_kind kind =
            sql_number_from_text(cases[i].text, strlen(cases[i].text), &is_integer, &integer, &real);
        if (kind != cases[i].kind || is_integer != cases[i].is_integer || real != cases[i].real)
            fail_msg("\"%s\": kind %d integer %d real %g", cases[i].text, kind, is_integer, real);
    }
}

static void test_print_reads_back(void **state)
{
    (void)state;
    const double values[] = {0.1, -0.0, 1e308, 5e-324, 123456.789, -2.5};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[32];
        sql_number_print(values[i], text);
        double back = strtod(text, NULL);
        assert_memory_equal(&back, &values[i], sizeof back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reals_are_rounded_correctly),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_text_as_number),
        cmocka_unit_test(test_print_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
