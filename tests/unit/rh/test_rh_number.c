/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rh_number.h"

static bool integer(const char *text, int64_t *value)
{
    return rh_parse_integer(text, strlen(text), value);
}

static void test_integers_in_64_bits_and_no_more(void **state)
{
    int64_t value;
    (void)state;
    assert_true(integer("9223372036854775807", &value));
    assert_true(value == INT64_MAX);
    assert_true(integer("-9223372036854775808", &value));
    assert_true(value == INT64_MIN);
    assert_true(integer("+0", &value));
    assert_true(value == 0);
    assert_false(integer("9223372036854775808", &value));
    assert_false(integer("-9223372036854775809", &value));
    assert_false(integer("", &value));
    assert_false(integer("-", &value));
    assert_false(integer("1 ", &value));
    assert_false(integer("0x10", &value));
}

static void test_canonical_integers(void **state)
{
    static const char *const good[] = {"0", "7", "-7", "10", "-9223372036854775808"};
    static const char *const bad[] = {"007", "+7", "-0", "", "-", "1.0", "9223372036854775808", "00", "-01"};
    (void)state;
    for (size_t at = 0; at < sizeof good / sizeof *good; at++)
        assert_true(rh_is_canonical_integer(good[at], strlen(good[at])));
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        assert_false(rh_is_canonical_integer(bad[at], strlen(bad[at])));
}

static void test_reals_have_one_shape(void **state)
{
    static const char *const good[] = {
        "1",
        "-1.5",
        "+.5",
        "5.",
        "1e3",
        "1E-3",
        "12345678901234567890123456789012345678901234567890123456789012345678901234567890"};
    static const char *const bad[] = {"",      ".",     "e5", "1e", "1e+", "inf", "nan",
                                      "0x1p3", "1.2.3", " 1", "1 ", "1,5", "--1"};
    double value;
    (void)state;
    for (size_t at = 0; at < sizeof good / sizeof *good; at++) {
        assert_true(rh_parse_real(good[at], strlen(good[at]), &value));
        assert_true(value == strtod(good[at], NULL));
    }
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        assert_false(rh_parse_real(bad[at], strlen(bad[at]), &value));
}

static void expect_integer(int64_t value, const char *expected)
{
    char text[RH_INTEGER_SIZE];
    assert_string_equal(rh_format_integer(value, text), expected);
}

static void test_c3_integers_are_written_exactly(void **state)
{
    (void)state;
    expect_integer(0, "0");
    expect_integer(-1, "-1");
    expect_integer(1234567890, "1234567890");
    expect_integer(INT64_MAX, "9223372036854775807");
    expect_integer(INT64_MIN, "-9223372036854775808");
}

static void expect_real(double value, const char *expected)
{
    char text[RH_REAL_SIZE];
    assert_int_equal(rh_format_real(value, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void test_c3_reals_are_written_short_and_exact(void **state)
{
    (void)state;
    expect_real(1.0, "1.0");
    expect_real(0.1, "0.1");
    expect_real(0.1 + 0.2, "0.30000000000000004");
    expect_real(-0.0, "-0.0");
    expect_real(1e300, "1e+300");
    expect_real(9007199254740993.0, "9007199254740992.0");
    expect_real(INFINITY, "9e999");
    expect_real(-INFINITY, "-9e999");
}

static void test_c3_random_reals_read_back_the_same(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    (void)state;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 200000; round++) {
        uint64_t bits =
            (uint64_t)(unsigned)rand_r(&seed) << 42 ^ (uint64_t)(unsigned)rand_r(&seed) << 21 ^ (unsigned)rand_r(&seed);
        double value, back;
        char text[RH_REAL_SIZE];
        memcpy(&value, &bits, sizeof value);
        if (isnan(value))
            continue;
        size_t length = rh_format_real(value, text);
        assert_non_null(strpbrk(text, ".e"));
        assert_true(rh_parse_real(text, length, &back));
        assert_memory_equal(&value, &back, sizeof value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_in_64_bits_and_no_more),
        cmocka_unit_test(test_canonical_integers),
        cmocka_unit_test(test_reals_have_one_shape),
        cmocka_unit_test(test_c3_integers_are_written_exactly),
        cmocka_unit_test(test_c3_reals_are_written_short_and_exact),
        cmocka_unit_test(test_c3_random_reals_read_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
