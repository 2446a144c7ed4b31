/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics as text, and which of the two formats is wanted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rh_serve_metrics.h"

static struct rhei_metric items[] = {
    {"rhei_a_total", "x=\"1\"", "Of a", true, 1},
    {"rhei_b", "", "Of b", false, 0.1},
    {"rhei_a_total", "x=\"2\"", "Of a", true, 9007199254740993.0},
    {"rhei_t_seconds_bucket", "le=\"1\"", "Of t", true, 2},
    {"rhei_t_seconds_bucket", "le=\"+Inf\"", "Of t", true, 3},
    {"rhei_t_seconds_sum", "", "Of t", true, 4.5},
    {"rhei_t_seconds_count", "", "Of t", true, 3},
    {"rhei_c_count", "", "Of c", true, 5},
};

static void check_text(bool open_metrics, const char *expected)
{
    struct rhei_metric *list[sizeof items / sizeof items[0]];
    struct rh_buffer out = {0};
    for (size_t at = 0; at < sizeof items / sizeof items[0]; at++)
        list[at] = &items[at];
    rh_metrics_text(list, sizeof items / sizeof items[0], open_metrics, &out);
    assert_string_equal(out.bytes, expected);
    rh_buffer_free(&out);
}

static void writes_families_together(void **state)
{
    (void)state;
    check_text(false, "# HELP rhei_a_total Of a\n# TYPE rhei_a_total counter\nrhei_a_total{x=\"1\"} 1\n"
                      "rhei_a_total{x=\"2\"} 9007199254740992\n"
                      "# HELP rhei_b Of b\n# TYPE rhei_b gauge\nrhei_b 0.10000000000000001\n"
                      "# HELP rhei_t_seconds Of t\n# TYPE rhei_t_seconds histogram\n"
                      "rhei_t_seconds_bucket{le=\"1\"} 2\nrhei_t_seconds_bucket{le=\"+Inf\"} 3\n"
                      "rhei_t_seconds_sum 4.5\nrhei_t_seconds_count 3\n"
                      "# HELP rhei_c_count Of c\n# TYPE rhei_c_count counter\nrhei_c_count 5\n");
}

static void names_counters_of_open_metrics_without_total(void **state)
{
    (void)state;
    struct rhei_metric counter = {"rhei_a_total", "", "Of a", true, 1}, *list[] = {&counter};
    struct rh_buffer out = {0};
    rh_metrics_text(list, 1, true, &out);
    assert_string_equal(out.bytes, "# HELP rhei_a Of a\n# TYPE rhei_a counter\nrhei_a_total 1\n# EOF\n");
    rh_buffer_free(&out);
}

static void knows_which_format_is_wanted(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        bool open_metrics;
    } cases[] = {
        {"", false},
        {"*/*", false},
        {"text/plain", false},
        {"application/openmetrics-text", true},
        {"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true},
        {"text/plain;q=0.9, Application/OpenMetrics-Text; version=1.0.0; q=0.8", false},
        {"application/openmetrics-text;q=0", false},
        {"application/json, text/html", false},
        {",,;q=,", false},
    };
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        print_message("%s\n", cases[at].accept);
        assert_int_equal(rh_metrics_wants_open(cases[at].accept, strlen(cases[at].accept)), cases[at].open_metrics);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_families_together),
        cmocka_unit_test(names_counters_of_open_metrics_without_total),
        cmocka_unit_test(knows_which_format_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
