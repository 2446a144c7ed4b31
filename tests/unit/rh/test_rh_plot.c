/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "rh_plot.h"
#include "rh_text.h"

static void expect(void (*draw)(struct rh_buffer *, const struct rh_plot *), const struct rh_plot *plot,
                   const char *picture)
{
    struct rh_buffer out = {0};
    draw(&out, plot);
    assert_string_equal(out.bytes, picture);
    rh_buffer_free(&out);
}

static void test_bars_go_both_ways_from_the_axis(void **state)
{
    const char *const labels[] = {"a", "\xE6\x97\xA5", "none", "ccc"};
    const double values[] = {10, -5, NAN, 2.5};
    const struct rh_plot plot = {.labels = labels, .values = values, .count = 4, .width = 26};
    (void)state;
    expect(rh_plot_bars, &plot,
           "a         |########## 10.0\n"
           "\xE6\x97\xA5   #####|           -5.0\n"
           "none      |           NULL\n"
           "ccc       |###         2.5\n");
}

static void test_a_line_has_its_scale_and_its_ends(void **state)
{
    const char *const labels[] = {"first", "x", "x", "last"};
    const double values[] = {0, 10, NAN, 5};
    const struct rh_plot plot = {.labels = labels, .values = values, .count = 4, .width = 30, .height = 3};
    struct rh_buffer out = {0};
    (void)state;
    rh_plot_line(&out, &plot);
    assert_true(strncmp(out.bytes, "10 |", 4) == 0);
    assert_non_null(strstr(out.bytes, "\n 0 |*"));
    assert_non_null(strstr(out.bytes, "\n    first"));
    assert_non_null(strstr(out.bytes, "last\n"));
    rh_buffer_free(&out);
}

/* One picture has one notation, and numbers that differ are told apart. */
static void test_numbers_can_be_compared(void **state)
{
    static const struct {
        double values[3];
        const char *written[3];
    } cases[] = {
        {{322148412.5, 322160112.25, 322161725}, {"322148412", "322160112", "322161725"}},
        {{322148412.5, 322148412.25, 1}, {"322148412.5", "322148412.2", "1.0"}},
        {{10, 1.0 / 3, -2}, {"10.0000", "0.3333", "-2.0000"}},
        {{0.25, 1e-7, 3e20}, {"2.5e-01", "1.0e-07", "3.0e+20"}},
        {{1, 2, 1e14}, {"1", "2", "100000000000000"}},
        {{0.1 + 0.2, 0.5, 0}, {"0.3", "0.5", "0.0"}},
    };
    const char *const labels[] = {"", "", ""};
    (void)state;
    for (size_t at = 0; at < sizeof cases / sizeof *cases; at++) {
        const struct rh_plot plot = {.labels = labels, .values = cases[at].values, .count = 3, .width = 60};
        struct rh_buffer out = {0};
        rh_plot_bars(&out, &plot);
        char *row = out.bytes;
        for (int value = 0; value < 3; value++) {
            char *end = strchr(row, '\n');
            *end = '\0';
            assert_string_equal(strrchr(row, ' ') + 1, cases[at].written[value]);
            row = end + 1;
        }
        rh_buffer_free(&out);
    }
}

/* Whatever the numbers are, no row is wider than there is room. */
static void test_nothing_breaks_the_picture(void **state)
{
    static const double numbers[] = {
        0, -0.0, 1, -1, 1e308, -1e308, INFINITY, -INFINITY, NAN, 1e-300, 1.2345678901234568e17};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    const char *labels[COUNT];
    (void)state;
    for (size_t at = 0; at < COUNT; at++)
        labels[at] =
            at % 2 == 0 ? "" : "a long label of \xE6\x97\xA5\xE6\x97\xA5\xE6\x97\xA5 and more than there is room for";
    for (size_t from = 0; from < COUNT; from++)
        for (size_t width = 1; width < 90; width += 11)
            for (int utf8 = 0; utf8 < 2; utf8++) {
                const struct rh_plot plot = {.labels = labels + from,
                                             .values = numbers + from,
                                             .count = COUNT - from,
                                             .width = width,
                                             .height = 5,
                                             .utf8 = utf8 != 0};
                struct rh_buffer out = {0};
                rh_plot_bars(&out, &plot);
                rh_plot_line(&out, &plot);
                assert_int_equal(rh_utf8_valid(out.bytes, out.length), out.length);
                for (const char *row = out.bytes; *row != '\0';) {
                    const char *end = strchr(row, '\n');
                    assert_true(rh_text_width(row, (size_t)(end - row)) <= (width < 44 ? 44 : width));
                    row = end + 1;
                }
                rh_buffer_free(&out);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars_go_both_ways_from_the_axis),
        cmocka_unit_test(test_a_line_has_its_scale_and_its_ends),
        cmocka_unit_test(test_numbers_can_be_compared),
        cmocka_unit_test(test_nothing_breaks_the_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
