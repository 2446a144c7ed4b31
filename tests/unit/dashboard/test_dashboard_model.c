/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dashboard_model.h"
#include "rh_memory.h"

static void take(struct dashboard_model *model, int64_t at_us, enum dashboard_value value, double number)
{
    struct dashboard_sample sample;
    dashboard_sample_init(&sample, at_us);
    sample.values[value] = number;
    dashboard_model_take(model, &sample);
}

static bool has_entry(const struct dashboard_model *model, const char *part)
{
    for (size_t back = 0; back < model->journal.count; back++)
        if (strstr(dashboard_journal_back(&model->journal, back)->text, part) != NULL)
            return true;
    return false;
}

static void test_rates_are_differences_over_measured_time(void **state)
{
    struct dashboard_model model = {.samples = 0};
    (void)state;
    assert_true(isnan(dashboard_rate(&model, DASHBOARD_WRITES)));
    assert_true(isnan(dashboard_value(&model, DASHBOARD_WRITES)));
    take(&model, 1000000, DASHBOARD_WRITES, 1000);
    assert_true(isnan(dashboard_rate(&model, DASHBOARD_WRITES))); /* of one look there is none, however large it is */
    take(&model, 3500000, DASHBOARD_WRITES, 1100);
    assert_float_equal(dashboard_rate(&model, DASHBOARD_WRITES), 40, 1e-9);
    take(&model, 4500000, DASHBOARD_WRITES, 1100);
    assert_true(dashboard_rate(&model, DASHBOARD_WRITES) == 0);
    take(&model, 3600000000, DASHBOARD_WRITES, 1100 + 35955); /* the machine slept */
    assert_float_equal(dashboard_rate(&model, DASHBOARD_WRITES), 10, 0.01);
    dashboard_model_free(&model);
}

static void test_counters_that_begin_anew_have_no_rate_once(void **state)
{
    struct dashboard_model model = {.samples = 0};
    (void)state;
    take(&model, 1000000, DASHBOARD_WRITES, 18446744073709551615.0);
    take(&model, 2000000, DASHBOARD_WRITES, 5);
    assert_true(isnan(dashboard_rate(&model, DASHBOARD_WRITES)));
    assert_true(has_entry(&model, "began anew"));
    take(&model, 3000000, DASHBOARD_WRITES, 12);
    assert_float_equal(dashboard_rate(&model, DASHBOARD_WRITES), 7, 1e-9);
    assert_true(isnan(dashboard_series_back(&model.series[DASHBOARD_WRITE_SERIES], 1)));
    dashboard_model_free(&model);
}

static void test_a_clock_that_stands_or_goes_back_makes_no_rate(void **state)
{
    struct dashboard_model model = {.samples = 0};
    (void)state;
    take(&model, 2000000, DASHBOARD_QUERIES, 5);
    take(&model, 2000000, DASHBOARD_QUERIES, 9);
    assert_true(isnan(dashboard_rate(&model, DASHBOARD_QUERIES)));
    take(&model, 1000000, DASHBOARD_QUERIES, 12);
    assert_true(isnan(dashboard_rate(&model, DASHBOARD_QUERIES)));
    dashboard_model_free(&model);
}

static void test_what_becomes_known_or_unknown_has_no_rate(void **state)
{
    struct dashboard_model model = {.samples = 0};
    (void)state;
    take(&model, 1000000, DASHBOARD_QUERIES, NAN);
    take(&model, 2000000, DASHBOARD_QUERIES, 500);
    assert_true(isnan(dashboard_rate(&model, DASHBOARD_QUERIES)));
    take(&model, 3000000, DASHBOARD_QUERIES, NAN);
    assert_true(isnan(dashboard_rate(&model, DASHBOARD_QUERIES)));
    assert_false(has_entry(&model, "began anew"));
    dashboard_model_free(&model);
}

static void test_writes_of_a_file_are_the_changes_of_its_log(void **state)
{
    struct dashboard_model model = {.samples = 0};
    (void)state;
    take(&model, 1000000, DASHBOARD_LOG_POSITION, 10);
    take(&model, 2000000, DASHBOARD_LOG_POSITION, 35);
    assert_float_equal(dashboard_series_back(&model.series[DASHBOARD_WRITE_SERIES], 0), 25, 1e-9);
    dashboard_model_free(&model);
}

static void test_latencies_look_back_on_a_window(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_histogram times = {.count = 0};
    (void)state;
    for (int at = 0; at < 3 * DASHBOARD_WINDOW; at++) {
        struct dashboard_sample sample;
        dashboard_sample_init(&sample, at * 1000000);
        dashboard_histogram_add(&times, at < DASHBOARD_WINDOW ? 1 : 0.001);
        sample.histograms[DASHBOARD_QUERY_TIME] = times;
        dashboard_model_take(&model, &sample);
        double p50 = dashboard_latency(&model, DASHBOARD_QUERY_TIME, 0.5);
        assert_true(at == 0 ? isnan(p50) : p50 > 0);
        if (at == DASHBOARD_WINDOW - 1)
            assert_in_range(p50 * 1000, 700, 1300);
    }
    assert_in_range(dashboard_latency(&model, DASHBOARD_QUERY_TIME, 0.99) * 1e6, 700, 1300);
    dashboard_model_free(&model);
}

static void add_table(struct dashboard_sample *sample, const char *name, enum dashboard_state state)
{
    sample->tables = rh_reallocate(sample->tables, (sample->table_count + 1) * sizeof *sample->tables);
    struct dashboard_table *table = &sample->tables[sample->table_count++];
    *table = (struct dashboard_table){.state = state, .message = "the reason"};
    (void)snprintf(table->name, sizeof table->name, "%s", name);
}

static void test_differences_of_states_are_events(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_sample sample;
    (void)state;
    dashboard_sample_init(&sample, 0);
    add_table(&sample, "a", DASHBOARD_READY);
    add_table(&sample, "b", DASHBOARD_BUILDING);
    add_table(&sample, "gone soon", DASHBOARD_READY);
    dashboard_model_take(&model, &sample);
    assert_true(has_entry(&model, "b is being built"));
    assert_false(has_entry(&model, "table a"));
    dashboard_sample_init(&sample, 1000000);
    add_table(&sample, "b", DASHBOARD_FAILED);
    add_table(&sample, "a", DASHBOARD_READY);
    add_table(&sample, "new", DASHBOARD_READY);
    dashboard_model_take(&model, &sample);
    assert_true(has_entry(&model, "table b failed: the reason"));
    assert_true(has_entry(&model, "table gone soon is gone"));
    assert_true(has_entry(&model, "table new is ready"));
    assert_false(has_entry(&model, "table a"));
    dashboard_model_free(&model);
}

static void test_a_thousand_tables_are_one_event(void **state)
{
    struct dashboard_model model = {.samples = 0};
    struct dashboard_sample sample;
    (void)state;
    for (int round = 0; round < 3; round++) {
        dashboard_sample_init(&sample, round * 1000000);
        for (int at = 0; at < (round == 2 ? 0 : 1000); at++) {
            char name[16];
            (void)snprintf(name, sizeof name, "t%d", at);
            add_table(&sample, name, round == 0 ? DASHBOARD_BUILDING : DASHBOARD_READY);
        }
        dashboard_model_take(&model, &sample);
    }
    assert_true(has_entry(&model, "1000 tables are being built"));
    assert_true(has_entry(&model, "1000 tables are ready"));
    assert_true(has_entry(&model, "995 tables more are gone"));
    assert_in_range(model.journal.count, 8, 12);
    dashboard_model_free(&model);
}

static void test_trouble_is_told_once_and_keeps_what_was_known(void **state)
{
    struct dashboard_model model = {.samples = 0};
    (void)state;
    dashboard_model_trouble(&model, "it is away"); /* before there was a sample at all */
    take(&model, 1000000, DASHBOARD_QUERIES, 5);
    size_t told = model.journal.count;
    dashboard_model_trouble(&model, "it is away again");
    dashboard_model_trouble(&model, "it is away again");
    assert_int_equal(model.journal.count, told + 1);
    assert_true(dashboard_value(&model, DASHBOARD_QUERIES) == 5);
    take(&model, 9000000, DASHBOARD_QUERIES, 13);
    assert_float_equal(dashboard_rate(&model, DASHBOARD_QUERIES), 1, 1e-9);
    assert_true(has_entry(&model, "can be read again"));
    dashboard_model_free(&model);
}

static void test_the_journal_forgets_its_oldest(void **state)
{
    struct dashboard_journal journal = {.count = 0};
    (void)state;
    assert_null(dashboard_journal_back(&journal, 0));
    for (int at = 0; at < DASHBOARD_ENTRIES + 3; at++)
        dashboard_journal_add(&journal, DASHBOARD_USUAL, "entry %d", at);
    assert_string_equal(dashboard_journal_back(&journal, DASHBOARD_ENTRIES - 1)->text, "entry 3");
    assert_null(dashboard_journal_back(&journal, DASHBOARD_ENTRIES));
    dashboard_journal_free(&journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates_are_differences_over_measured_time),
        cmocka_unit_test(test_counters_that_begin_anew_have_no_rate_once),
        cmocka_unit_test(test_a_clock_that_stands_or_goes_back_makes_no_rate),
        cmocka_unit_test(test_what_becomes_known_or_unknown_has_no_rate),
        cmocka_unit_test(test_writes_of_a_file_are_the_changes_of_its_log),
        cmocka_unit_test(test_latencies_look_back_on_a_window),
        cmocka_unit_test(test_differences_of_states_are_events),
        cmocka_unit_test(test_a_thousand_tables_are_one_event),
        cmocka_unit_test(test_trouble_is_told_once_and_keeps_what_was_known),
        cmocka_unit_test(test_the_journal_forgets_its_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
