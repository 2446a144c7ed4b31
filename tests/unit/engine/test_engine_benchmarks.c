/* SPDX-License-Identifier: Apache-2.0 */
/* TPC-H's and ClickBench's queries, at small scale: both engines give the same rows, and most run on the column store. */
#include "tests/support/benchmark_data.h"

#include <stdio.h>
#include <string.h>

#include "bench/tpch_queries.h"

enum { SEED = 20260101, HITS = 12000 };

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    struct rhei_config config = {.struct_size = sizeof config, .prefer_olap = true, .manual_sync = true};
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    return 0;
}

static bool runs_on_olap(const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    if (rhei_query(fixture.db, sql, NULL, NULL, &rows, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    bool olap = strcmp(rhei_rows_route(rows), "olap") == 0;
    if (!olap)
        print_message("SQLite answers (%s): %s\n", rhei_rows_rule(rows), sql);
    rhei_rows_close(&rows);
    return olap;
}

/* How many run on the column store; fails if one of them gives other rows than SQLite. */
static int compare_all(const char *const *queries, int count)
{
    int olap = 0, empty = 0;
    for (int i = 0; i < count; i++) {
        bool column_store = runs_on_olap(queries[i]);
        char *expected = must_rows(fixture.db, queries[i], NULL, RHEI_ROUTE_OLTP);
        char *got = must_rows(fixture.db, queries[i], NULL, column_store ? RHEI_ROUTE_OLAP : RHEI_ROUTE_AUTO);
        if (strcmp(expected, got) != 0)
            fail_msg("query %d differs: %s\nSQLite:\n%.2000s\ncolumn store:\n%.2000s", i + 1, queries[i], expected,
                     got);
        olap += column_store;
        if (*expected == '\0')
            print_message("query %d gives no row\n", i + 1);
        empty += *expected == '\0';
        rhei_free(expected);
        rhei_free(got);
    }
    print_message("%d of %d on the column store, %d give no row\n", olap, count, empty);
    assert_int_equal(empty, 0);
    return olap;
}

static void test_q2_tpch_gives_one_answer(void **state)
{
    (void)state;
    benchmark_fill_tpch(fixture.db, SEED);
    must_be_built(fixture.db);
    assert_int_equal(compare_all(tpch_queries, TPCH_QUERIES), TPCH_QUERIES);
}

static void test_q2_clickbench_gives_one_answer(void **state)
{
    (void)state;
    benchmark_fill_hits(fixture.db, HITS, SEED);
    must_be_built(fixture.db);
    assert_true(compare_all(click_queries, CLICK_QUERIES) >= 42);
}

int main(void)
{
    print_message("seed %d\n", SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q2_tpch_gives_one_answer, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_clickbench_gives_one_answer, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
