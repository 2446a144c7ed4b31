/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rh_progress.h"
#include "rh_units.h"
#include "rh_waiting.h"

static void test_line_has_share_rate_and_time_left(void **state)
{
    struct rh_progress progress;
    struct rh_buffer line = {0};
    (void)state;
    rh_progress_start(&progress, stderr, (struct rh_terminal){.present = true}, "importing", 1000, 0);
    rh_progress_line(&line, &progress, 250, 5000, 2000000);
    assert_string_equal(line.bytes,
                        "importing [######------------------]  25 %  5,000 rows, 2,500 rows/s, 6.00 s left");
    rh_buffer_clear(&line);
    progress.total = 0;
    rh_progress_line(&line, &progress, 250, 5000, 2000000);
    assert_string_equal(line.bytes, "importing 5,000 rows, 2,500 rows/s");
    rh_buffer_free(&line);
}

static void test_waiting_tells_time_rows_and_the_way_out(void **state)
{
    struct rh_buffer line = {0};
    (void)state;
    rh_waiting_line(&line, (struct rh_terminal){.present = true}, "asking", NULL, 1250000, 0, 1);
    assert_string_equal(line.bytes, "/ asking, 1.2 s, Ctrl-C cancels");
    rh_buffer_clear(&line);
    rh_waiting_line(&line, (struct rh_terminal){.present = true, .utf8 = true}, "asking", NULL, 61000000, 12345, 10);
    assert_string_equal(line.bytes, "⠋ asking · 61.0 s · 12,345 rows · Ctrl-C cancels");
    static const struct {
        struct rhei_progress told;
        const char *line;
    } cases[] = {
        {{.doing = "reading", .table = "", .unit = "steps", .done = 5000, .fraction = -1},
         "| label, 2.0 s, Ctrl-C cancels"},
        {{.doing = "waiting for other writers", .table = "", .unit = "steps", .fraction = -1},
         "| waiting for other writers, 2.0 s, Ctrl-C cancels"},
        {{.doing = "comparing table and mirror",
          .table = "or\x1b"
                   "ders",
          .unit = "rows",
          .done = 1,
          .fraction = 0.426},
         "| comparing table and mirror, or\\x1bders, 42 %, 2.0 s, Ctrl-C cancels"},
        {{.doing = "loading", .table = "app", .unit = "rows", .fraction = 0.25, .elapsed_us = 3000000},
         "| loading, app, 25 %, 9 s left, 2.0 s, Ctrl-C cancels"},
        {{.doing = "loading", .table = "app", .unit = "rows", .fraction = 0.1, .elapsed_us = 60000000},
         "| loading, app, 10 %, 9 min left, 2.0 s, Ctrl-C cancels"},
        {{.doing = "loading", .table = "app", .unit = "rows", .fraction = 0.5, .elapsed_us = 500000},
         "| loading, app, 50 %, 2.0 s, Ctrl-C cancels"},
        {{.doing = "applying changes", .table = "", .unit = "changes", .done = 12345, .fraction = -1},
         "| applying changes, 12,345 changes, 2.0 s, Ctrl-C cancels"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rh_buffer_clear(&line);
        rh_waiting_line(&line, (struct rh_terminal){.present = true}, "label", &cases[i].told, 2000000, 0, 0);
        assert_string_equal(line.bytes, cases[i].line);
    }
    rh_buffer_free(&line);
}

static char *shown(struct rh_terminal terminal)
{
    char *text = NULL;
    size_t length;
    struct rh_progress progress;
    FILE *file = open_memstream(&text, &length);
    rh_progress_start(&progress, file, terminal, "x", 10, 0);
    rh_progress_update(&progress, 1, 1, 1000);
    rh_progress_update(&progress, 2, 2, 2000); /* too soon */
    rh_progress_update(&progress, 5, 5, 500000);
    rh_progress_end(&progress);
    fclose(file);
    return text;
}

static void test_only_terminals_see_it_and_not_too_often(void **state)
{
    char *text = shown((struct rh_terminal){.present = false});
    (void)state;
    assert_string_equal(text, "");
    free(text);
    text = shown((struct rh_terminal){.present = true});
    assert_non_null(strstr(text, " 10 %"));
    assert_null(strstr(text, " 20 %"));
    assert_non_null(strstr(text, " 50 %"));
    free(text);
}

static void expect_duration(int64_t us, const char *expected)
{
    struct rh_buffer out = {0};
    rh_add_duration(&out, us);
    assert_string_equal(out.bytes, expected);
    rh_buffer_free(&out);
}

static void expect_age(int64_t us, const char *expected)
{
    struct rh_buffer out = {0};
    rh_add_age(&out, us);
    assert_string_equal(out.bytes, expected);
    rh_buffer_free(&out);
}

static void test_durations_counts_and_sizes(void **state)
{
    struct rh_buffer out = {0};
    (void)state;
    expect_duration(0, "0 us");
    expect_duration(999, "999 us");
    expect_duration(3250, "3.2 ms");
    expect_duration(1250000, "1.25 s");
    expect_duration(125000000, "2 min 5 s");
    expect_duration(INT64_C(11520000000), "3 h 12 min");
    expect_duration(INT64_C(190800000000), "2 days 5 h");
    expect_age(-1, "unknown");
    expect_age(2, "less than 1 ms");
    expect_age(1000, "1.0 ms");
    rh_add_count(&out, 336776);
    rh_add_count(&out, 7);
    rh_add_count(&out, 1000);
    assert_string_equal(out.bytes, "336,77671,000");
    rh_buffer_clear(&out);
    rh_add_size(&out, 1536);
    assert_string_equal(out.bytes, "1.5 KiB");
    rh_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_has_share_rate_and_time_left),
        cmocka_unit_test(test_waiting_tells_time_rows_and_the_way_out),
        cmocka_unit_test(test_only_terminals_see_it_and_not_too_often),
        cmocka_unit_test(test_durations_counts_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
