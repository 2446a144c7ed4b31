/* SPDX-License-Identifier: Apache-2.0 */
/* Plans that DataFusion alone would make otherwise than their text says, or not at all. */
#include "datafusion_fixture.h"

#include <stdio.h>

#include "base/base_memory.h"

enum { T = 1, NONE = 2, SOME = 3 };

/* t: 1, 2 and NULL; none: no row; some: 2 and 3, and with NULL in its second column. */
static void fill(struct fixture *fixture)
{
    fixture_table(fixture, T, "t", "id I, x I, y R, z T");
    fixture_table(fixture, NONE, "none", "id I, x I");
    fixture_table(fixture, SOME, "some", "id I, x I, n I, y R, z T");
    struct rows t = {0}, some = {0};
    rows_add(&t, (struct rhei_value[]){value_int(1), value_int(1), value_real(1.5), value_text("a")}, 4);
    rows_add(&t, (struct rhei_value[]){value_int(2), value_int(2), value_real(2.5), value_text("bb")}, 4);
    rows_add(&t, (struct rhei_value[]){value_int(3), value_null(), value_null(), value_null()}, 4);
    rows_add(&some, (struct rhei_value[]){value_int(1), value_int(2), value_int(2), value_real(2.5), value_text("bb")},
             5);
    rows_add(&some, (struct rhei_value[]){value_int(2), value_int(3), value_null(), value_real(0.0), value_text("")},
             5);
    fixture_apply(fixture, T, &t);
    fixture_apply(fixture, SOME, &some);
    fixture_publish(fixture);
}

/* One answer for each row of t. */
static void assert_in(struct fixture *fixture, const char *condition, const char *expected)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "SELECT string_agg(coalesce(CAST(%s AS VARCHAR), 'NULL'), ' ' ORDER BY id) FROM mirror_scan(1, 0)",
             condition);
    assert_answer(fixture, sql, expected);
}

static void test_q2_in_a_subquery_is_null_where_that_is_the_answer(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_in(fixture, "(x IN (SELECT x FROM mirror_scan(2, 1)))", "false false false");
    assert_in(fixture, "(x NOT IN (SELECT x FROM mirror_scan(2, 1)))", "true true true");
    assert_in(fixture, "(x IN (SELECT x FROM mirror_scan(3, 1)))", "false true NULL");
    assert_in(fixture, "(x IN (SELECT n FROM mirror_scan(3, 1)))", "NULL true NULL");
    assert_in(fixture, "(x NOT IN (SELECT n FROM mirror_scan(3, 1)))", "NULL false NULL");
    assert_in(fixture, "(y IN (SELECT y FROM mirror_scan(3, 1)))", "false true NULL");
    assert_in(fixture, "(z IN (SELECT z FROM mirror_scan(3, 1)) OR id = 1)", "true true NULL");
    assert_in(fixture, "((x = 1) IN (SELECT x = 3 FROM mirror_scan(3, 1)))", "true true NULL");
    assert_in(fixture, "(x NOT IN (SELECT max(x) FROM mirror_scan(3, 1) WHERE x NOT IN (SELECT 3)))",
              "true false NULL");
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(1, 0) WHERE x NOT IN (SELECT x FROM mirror_scan(3, 1))",
                  "1");
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(1, 0) WHERE x NOT IN (SELECT n FROM mirror_scan(3, 1))",
                  "0");
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(1, 0) WHERE x NOT IN (SELECT x FROM mirror_scan(2, 1))",
                  "3");
    assert_answer(fixture,
                  "SELECT 2 IN (SELECT x FROM mirror_scan(3, 0)) AS a, CAST(NULL AS BIGINT) IN (SELECT x FROM "
                  "mirror_scan(2, 1)) AS b",
                  "1|0");
    assert_answer(
        fixture,
        "SELECT count(*) FROM mirror_scan(1, 0) AS t WHERE z = 'bb' AND x IN (SELECT s.x FROM mirror_scan(3, 1) "
        "AS s WHERE s.y = t.y)",
        "1");
    assert_fails(fixture,
                 "SELECT x IN (SELECT s.x FROM mirror_scan(3, 1) AS s WHERE s.y = t.y) FROM mirror_scan(1, 0) AS t",
                 RHEI_UNSUPPORTED, "IN a subquery");
}

/* DataFusion leaves casts out of the names that it tells columns apart by. */
static void test_q2_a_number_and_it_as_a_real_are_two(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_answer(fixture,
                  "SELECT count(x), count(rhei_real(x)), min(rhei_real(x)), min(x), rhei_total(rhei_real(x)) "
                  "FROM mirror_scan(1, 0)",
                  "2|2|1|1|3");
}

static void test_q2_chains_of_except_and_intersect(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_answer(
        fixture,
        "SELECT count(*), min(id) FROM (SELECT id FROM mirror_scan(1, 0) EXCEPT SELECT x FROM mirror_scan(3, 1) "
        "EXCEPT SELECT x FROM mirror_scan(2, 2) EXCEPT SELECT 7) AS s",
        "1|1");
    assert_answer(fixture,
                  "SELECT count(*) FROM (SELECT x FROM mirror_scan(1, 0) INTERSECT SELECT n FROM mirror_scan(3, 1) "
                  "INTERSECT SELECT x FROM mirror_scan(1, 2) UNION SELECT 7) AS s",
                  "3");
    assert_fails(fixture,
                 "SELECT DISTINCT a.x, b.n FROM (SELECT x FROM mirror_scan(1, 0) GROUP BY x) AS a CROSS JOIN "
                 "mirror_scan(3, 1) AS b ORDER BY a.x, b.n",
                 RHEI_UNSUPPORTED, "groups of groups");
}

/* DataFusion takes the first column of what reads a group for its key, and sorts by nothing behind it. */
static void test_q2_an_order_behind_groups_is_kept(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_answer(
        fixture,
        "SELECT CAST(rank() OVER () AS BIGINT), k FROM (SELECT id AS k FROM mirror_scan(1, 0) GROUP BY id) AS s "
        "ORDER BY 1, 2 DESC",
        "1|3\n1|2\n1|1");
    assert_answer(
        fixture,
        "SELECT k, sum(k) OVER (ORDER BY n) FROM (SELECT count(*) AS n, id AS k FROM mirror_scan(1, 0) GROUP BY id) "
        "AS s ORDER BY n, k DESC",
        "3|6\n2|6\n1|6");
}

/* The parts of a union are sorted without a column that has one value in each. */
static void test_q2_a_limit_of_parts_that_are_sorted_by_less_is_refused(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture);
    assert_fails(fixture,
                 "SELECT * FROM ((SELECT 2 AS a, 0 AS b FROM mirror_scan(1, 0)) UNION ALL (SELECT 1, id FROM "
                 "mirror_scan(1, 1))) "
                 "AS q ORDER BY a, b LIMIT 3",
                 RHEI_UNSUPPORTED, "LIMIT of parts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q2_in_a_subquery_is_null_where_that_is_the_answer, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_a_number_and_it_as_a_real_are_two, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_an_order_behind_groups_is_kept, fixture_set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_a_limit_of_parts_that_are_sorted_by_less_is_refused, fixture_set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q2_chains_of_except_and_intersect, fixture_set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
