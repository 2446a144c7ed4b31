/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dashboard_sample.h"

static void test_metrics_are_known_by_name_and_labels(void **state)
{
    struct dashboard_sample sample;
    (void)state;
    dashboard_sample_init(&sample, 7);
    for (int at = 0; at < DASHBOARD_VALUES; at++)
        assert_true(isnan(sample.values[at]));
    dashboard_sample_metric(&sample, "rhei_query_routed_total", "target=\"oltp\"", 3);
    dashboard_sample_metric(&sample, "rhei_query_routed_total", "target=\"olap\"", 4);
    dashboard_sample_metric(&sample, "rhei_queries_total", "", 0);
    dashboard_sample_metric(&sample, "rhei_unheard_of_total", "", 9);
    dashboard_sample_metric(&sample, "rhei_writes_total", "table=\"x\"", 9); /* a part of it isn't the whole */
    assert_true(sample.values[DASHBOARD_ROUTED_OLTP] == 3 && sample.values[DASHBOARD_ROUTED_OLAP] == 4);
    assert_true(sample.values[DASHBOARD_QUERIES] == 0);
    assert_true(isnan(sample.values[DASHBOARD_WRITES]));
    dashboard_sample_reset(&sample);
}

static void test_buckets_of_all_routes_are_added_up(void **state)
{
    static const char *const labels[] = {"route=\"oltp\",le=\"0.001\"", "route=\"oltp\",le=\"0.1\"",
                                         "route=\"oltp\",le=\"+Inf\"",  "le=\"0.1\",route=\"olap\"",
                                         "route=\"olap\",le=\"0.001\"", "route=\"olap\",le=\"+Inf\""};
    static const double counts[] = {50, 90, 100, 10, 0, 100};
    struct dashboard_histogram none = {.count = 0};
    struct dashboard_sample sample;
    (void)state;
    dashboard_sample_init(&sample, 0);
    for (int at = 0; at < 6; at++)
        dashboard_sample_metric(&sample, "rhei_query_seconds_bucket", labels[at], counts[at]);
    dashboard_sample_metric(&sample, "rhei_query_seconds_bucket", "route=\"olap\"", 5);
    const struct dashboard_histogram *times = &sample.histograms[DASHBOARD_QUERY_TIME];
    assert_int_equal(times->count, 3);
    assert_true(times->counts[0] == 50 && times->counts[1] == 100 && times->counts[2] == 200);
    assert_true(isinf(times->bounds[2]));
    assert_float_equal(dashboard_quantile(&none, times, 0.25), 0.001, 1e-12);
    assert_float_equal(dashboard_quantile(&none, times, 0.99), 0.1, 1e-12); /* at least so much */
    dashboard_sample_reset(&sample);
}

static void test_quantiles_are_of_what_came_between_two_looks(void **state)
{
    struct dashboard_histogram before = {.count = 0}, now = {.count = 0};
    (void)state;
    assert_true(isnan(dashboard_quantile(&before, &now, 0.5)));
    for (int at = 0; at < 1000; at++)
        dashboard_histogram_add(&before, 10);
    now = before;
    assert_true(isnan(dashboard_quantile(&before, &now, 0.5))); /* nothing came */
    for (int at = 0; at < 99; at++)
        dashboard_histogram_add(&now, 0.001);
    dashboard_histogram_add(&now, 0.5);
    assert_in_range(dashboard_quantile(&before, &now, 0.5) * 1e6, 700, 1300);
    assert_in_range(dashboard_quantile(&before, &now, 0.999) * 1e6, 350000, 650000);
    assert_true(isnan(dashboard_quantile(&now, &before, 0.5))); /* the counts began anew */
    dashboard_histogram_add(&now, 1e9);
    dashboard_histogram_add(&now, 0);
    assert_true(dashboard_quantile(&before, &now, 1) < 1e9); /* no bound: what is known is the last one */
}

static void test_more_buckets_than_there_is_room_for(void **state)
{
    struct dashboard_sample sample;
    (void)state;
    dashboard_sample_init(&sample, 0);
    for (int at = 0; at < 3 * DASHBOARD_BUCKETS; at++) {
        char labels[40];
        (void)snprintf(labels, sizeof labels, "le=\"%d\"", at * 7919 % 997);
        dashboard_sample_metric(&sample, "rhei_commit_seconds_bucket", labels, at);
    }
    const struct dashboard_histogram *times = &sample.histograms[DASHBOARD_COMMIT_TIME];
    assert_int_equal(times->count, DASHBOARD_BUCKETS);
    for (size_t at = 1; at < times->count; at++)
        assert_true(times->bounds[at - 1] < times->bounds[at]);
    dashboard_sample_reset(&sample);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_are_known_by_name_and_labels),
        cmocka_unit_test(test_buckets_of_all_routes_are_added_up),
        cmocka_unit_test(test_quantiles_are_of_what_came_between_two_looks),
        cmocka_unit_test(test_more_buckets_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
