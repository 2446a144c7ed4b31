/* SPDX-License-Identifier: Apache-2.0 */
#include "duckdb_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "exec_duckdb/duckdb_internal.h"

#define WHOLE " GROUPS BETWEEN CURRENT ROW AND CURRENT ROW"

static void test_what_is_rewritten(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *expected; /* NULL: stays */
    } cases[] = {
        {"SELECT rhei_sum(x) FROM t", NULL},
        {"SELECT sum(x) OVER () FROM t", NULL},
        {"SELECT 'rhei_sum(x) OVER ()', \"rhei_sum\" FROM t -- rhei_sum(x) OVER ()", NULL},
        {"SELECT rhei_sum(x) OVER ()", "SELECT rhei_sum(x) OVER (" WHOLE ")"},
        {"SELECT RHEI_AVG (x) FILTER (WHERE (y)) over (PARTITION BY f(g)) + 1",
         "SELECT RHEI_AVG (x) FILTER (WHERE (y)) over (PARTITION BY f(g)" WHOLE ") + 1"},
        {"SELECT rhei_sum(x) OVER (ORDER BY y)", NULL},
        {"SELECT rhei_sum(x) OVER (ORDER BY y ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)",
         "SELECT rhei_sum(x) OVER ( "
         "GROUPS BETWEEN CURRENT ROW AND CURRENT ROW)"},
        {"SELECT rhei_sum(x) OVER (PARTITION BY g ORDER BY y, z RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED "
         "FOLLOWING EXCLUDE NO OTHERS)",
         "SELECT rhei_sum(x) OVER (PARTITION BY g " WHOLE ")"},
        {"SELECT rhei_sum(x) OVER (RANGE UNBOUNDED PRECEDING)", "SELECT rhei_sum(x) OVER (" WHOLE ")"},
        {"SELECT rhei_sum(x) OVER (ROWS UNBOUNDED PRECEDING)", NULL},
        {"SELECT rhei_sum(x) OVER (ORDER BY y ROWS BETWEEN 2 PRECEDING AND UNBOUNDED FOLLOWING)", NULL},
        {"SELECT rhei_sum(x) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW)",
         NULL},
        {"SELECT rhei_total((SELECT rhei_sum(y) OVER () FROM u)) OVER (), rhei_avg(z) OVER ()",
         "SELECT rhei_total((SELECT rhei_sum(y) OVER (" WHOLE ") FROM u)) OVER (" WHOLE "), rhei_avg(z) OVER (" WHOLE
         ")"},
        {"SELECT rhei_sum(x", NULL},
        {"SELECT rhei_sum(x) OVER (PARTITION BY", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *rewritten = NULL;
        assert_int_equal(duck_guard(cases[i].text, &rewritten, NULL), RHEI_OK);
        const char *expected = cases[i].expected;
        if ((expected == NULL) != (rewritten == NULL) || (expected != NULL && strcmp(rewritten, expected) != 0))
            fail_msg("%s\n  became   %s\n  expected %s", cases[i].text, rewritten, expected);
        base_free(rewritten);
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "SELECT rhei_sum(x ORDER BY y) FROM t",
        "SELECT Rhei_Total(DISTINCT f(x) /* */ order by y) FROM t",
        "SELECT rhei_avg(x) OVER w FROM t WINDOW w AS ()",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *rewritten = NULL;
        if (duck_guard(texts[i], &rewritten, NULL) != RHEI_UNSUPPORTED)
            fail_msg("%s was let through", texts[i]);
        assert_null(rewritten);
    }
}

/* Sums of whole numbers are exact in DuckDB's own sum too, so each window must agree with it row by row. */
static void test_q2_windows_of_every_frame(void **state)
{
    struct fixture *fixture = *state;
    struct duckdb_executor_config config = {.threads = FIXTURE_AGGREGATE_THREADS};
    fixture_open_executor(fixture, &config);
    fixture_table(fixture, 1, "t", "id I, g I, x R");
    struct rows rows = {0};
    for (int64_t i = 0; i < 9000; i++)
        rows_add(&rows,
                 (struct rhei_value[]){value_int(i), value_int(i * 7919 % 5),
                                       i % 11 == 0 ? value_null() : value_real((double)(i * 31 % 1009))},
                 3);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    static const char *const windows[] = {
        "",
        "PARTITION BY g",
        "PARTITION BY id % 1000",
        "PARTITION BY id",
        "ORDER BY id",
        "PARTITION BY g ORDER BY id",
        "ORDER BY g",
        "PARTITION BY g ORDER BY g",
        "PARTITION BY g ORDER BY 1",
        "PARTITION BY g ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        "ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        "PARTITION BY g RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
        "PARTITION BY g RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
        "PARTITION BY g GROUPS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
        "PARTITION BY g ORDER BY id ROWS BETWEEN 3 PRECEDING AND 1 FOLLOWING",
        "ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
        "ORDER BY x RANGE BETWEEN 10 PRECEDING AND 10 FOLLOWING",
        "ORDER BY x GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES",
        "PARTITION BY g ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW",
    };
    for (size_t i = 0; i < sizeof windows / sizeof *windows; i++) {
        for (int filtered = 0; filtered < 2; filtered++) {
            char sql[1200];
            const char *filter = filtered ? "FILTER (WHERE id % 3 = 0)" : "";
            snprintf(
                sql, sizeof sql,
                "SELECT count(*), count_if(a IS DISTINCT FROM b) FROM (SELECT rhei_sum(x) %s OVER (%s) a, sum(x) %s "
                "OVER (%s) b FROM mirror_scan(1, 0))",
                filter, windows[i], filter, windows[i]);
            assert_answer(fixture, sql, "9000|0");
        }
    }
    assert_fails(fixture, "SELECT rhei_sum(x ORDER BY id) FROM mirror_scan(1, 0)", RHEI_UNSUPPORTED, "ORDER BY");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_rewritten),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test_setup_teardown(test_q2_windows_of_every_frame, fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
