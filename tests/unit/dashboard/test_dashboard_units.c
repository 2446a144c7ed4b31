/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dashboard_units.h"

static void expect(void (*add)(struct rh_buffer *, double), double value, const char *text)
{
    struct rh_buffer out = {0};
    add(&out, value);
    assert_string_equal(out.bytes, text);
    rh_buffer_free(&out);
}

static void test_short_numbers_have_at_most_six_columns(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {0.4, "0.4"},
                 {0.04, "0.0"},
                 {9.94, "9.9"},
                 {9.96, "10"},
                 {999.4, "999"},
                 {999.6, "1.0k"},
                 {1000, "1.0k"},
                 {12345, "12.3k"},
                 {999949, "999.9k"},
                 {999960, "1.0M"},
                 {-1500, "-1.5k"},
                 {NAN, "-"},
                 {18446744073709551615.0, "18.4E"},
                 {999.4e18, "999.4E"},
                 {1e300, "1.0e+300"},
                 {INFINITY, "inf"}};
    (void)state;
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++)
        expect(dashboard_add_short, cases[at].value, cases[at].text);
}

static void test_counts_times_and_sizes(void **state)
{
    (void)state;
    expect(dashboard_add_count, 0, "0");
    expect(dashboard_add_count, 1234567, "1,234,567");
    expect(dashboard_add_count, NAN, "-");
    expect(dashboard_add_count, 18446744073709551615.0, "18.4E");
    expect(dashboard_add_count, -1, "-1");
    expect(dashboard_add_seconds, NAN, "-");
    expect(dashboard_add_seconds, 0, "0 us");
    expect(dashboard_add_seconds, 0.00084, "840 us");
    expect(dashboard_add_seconds, 0.0032, "3.2 ms");
    expect(dashboard_add_seconds, 1.25, "1.25 s");
    expect(dashboard_add_seconds, 125, "2 min 5 s");
    expect(dashboard_add_seconds, -5, "0 us"); /* a wall's clock that was set back */
    expect(dashboard_add_bytes, NAN, "-");
    expect(dashboard_add_bytes, 0, "0 B");
    expect(dashboard_add_bytes, 1610612736, "1.5 GiB");
}

static void expect_spark(const double *points, size_t count, size_t width, const char *picture)
{
    struct dashboard_series series = {.count = 0};
    struct rh_buffer out = {0};
    for (size_t at = 0; at < count; at++)
        dashboard_series_add(&series, points[at]);
    dashboard_add_spark(&out, &series, width, true);
    assert_string_equal(out.bytes, picture);
    rh_buffer_free(&out);
}

static void test_a_spark_is_scaled_to_the_largest_that_is_shown(void **state)
{
    static const double rising[] = {0, 1, 2, 3, 4, 5, 6, 7}, zeros[] = {0, 0, 0}, gap[] = {4, NAN, 4},
                        tiny[] = {0, 1, 1000000}, odd[] = {-3, INFINITY, 1e308, 1}, old[] = {1000000, 1, 2};
    (void)state;
    expect_spark(rising, 8, 8, "▁▂▃▄▅▆▇█");
    expect_spark(zeros, 3, 3, "▁▁▁");
    expect_spark(gap, 3, 3, "█ █");  /* what isn't known is no zero */
    expect_spark(tiny, 3, 3, "▁▂█"); /* and what isn't zero is seen */
    expect_spark(odd, 4, 4, "▁██▂");
    expect_spark(old, 3, 2, "▅█");
    expect_spark(zeros, 0, 4, "    ");
    expect_spark(rising, 3, 5, "  ▁▅█");
}

static void test_a_series_keeps_its_newest(void **state)
{
    struct dashboard_series series = {.count = 0};
    (void)state;
    assert_true(isnan(dashboard_series_back(&series, 0)));
    for (int at = 0; at < DASHBOARD_POINTS + 10; at++)
        dashboard_series_add(&series, at);
    assert_true(dashboard_series_back(&series, 0) == DASHBOARD_POINTS + 9);
    assert_true(dashboard_series_back(&series, DASHBOARD_POINTS - 1) == 10);
    assert_true(isnan(dashboard_series_back(&series, DASHBOARD_POINTS)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_numbers_have_at_most_six_columns),
        cmocka_unit_test(test_counts_times_and_sizes),
        cmocka_unit_test(test_a_spark_is_scaled_to_the_largest_that_is_shown),
        cmocka_unit_test(test_a_series_keeps_its_newest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
