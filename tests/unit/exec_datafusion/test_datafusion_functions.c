/* SPDX-License-Identifier: Apache-2.0 */
/* What SQLite means where DataFusion's own operators and functions mean something else: each function of the library at its edges. */
#include "datafusion_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_exact_sum.h"
#include "base/base_memory.h"

enum { TABLE = 1, ROWS = 150000, GROUPS = 1000 };

static void assert_double(struct fixture *fixture, const char *sql, double expected)
{
    char *answer = ask(fixture, sql);
    double found = strtod(answer, NULL);
    if (memcmp(&found, &expected, sizeof found) != 0)
        fail_msg("%s gave %s instead of %.17g", sql, answer, expected);
    base_free(answer);
}

static double *fill(struct fixture *fixture, uint64_t *random)
{
    double *values = base_alloc(ROWS * sizeof *values);
    struct rows rows = {0};
    fixture_table(fixture, TABLE, "t", "id I, g I, x R");
    for (int64_t i = 0; i < ROWS; i++) {
        values[i] = fixture_random_double(random);
        rows_add(&rows, (struct rhei_value[]){value_int(i), value_int(i % GROUPS), value_real(values[i])}, 3);
    }
    fixture_apply(fixture, TABLE, &rows);
    fixture_publish(fixture);
    return values;
}

static double exact(const double *values, size_t start, size_t step)
{
    struct base_exact_sum sum = {0};
    for (size_t i = start; i < ROWS; i += step)
        assert_true(base_exact_sum_add(&sum, values[i]));
    double result = base_exact_sum_result(&sum);
    base_exact_sum_reset(&sum);
    return result;
}

static void test_q2_sums_have_the_same_bits_in_every_order(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = base_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)random);
    double *values = fill(fixture, &random), sum = exact(values, 0, 1);
    for (int threads = 1; threads <= 4; threads += 3) {
        struct datafusion_executor_config config = {.threads = threads, .memory_limit = (size_t)1 << 30};
        fixture_open_executor(fixture, &config);
        assert_double(fixture, "SELECT rhei_sum(x) FROM mirror_scan(1, 0)", sum);
        assert_double(fixture, "SELECT rhei_total(x) FROM mirror_scan(1, 0)", sum);
        assert_double(fixture, "SELECT rhei_avg(x) FROM mirror_scan(1, 0)", sum / ROWS);
        assert_double(fixture, "SELECT rhei_sum(x) FROM (SELECT x FROM mirror_scan(1, 0) ORDER BY x) AS t", sum);
        assert_double(fixture, "SELECT rhei_sum(a.x) FROM mirror_scan(1, 0) a JOIN mirror_scan(1, 1) b ON a.id = b.id",
                      sum);
        assert_double(fixture, "SELECT rhei_sum(x) OVER () FROM mirror_scan(1, 0) LIMIT 1", sum);
        for (size_t group = 0; group < GROUPS; group += 37) {
            char sql[200];
            snprintf(sql, sizeof sql,
                     "SELECT s FROM (SELECT g, rhei_sum(x) AS s FROM mirror_scan(1, 0) GROUP BY g) AS t WHERE g = %zu",
                     group);
            assert_double(fixture, sql, exact(values, group, GROUPS));
        }
    }
    base_free(values);
}

static void test_q2_sums_of_nothing_and_of_special_values(void **state)
{
    struct fixture *fixture = *state;
    assert_answer(fixture, "SELECT rhei_sum(x), rhei_avg(x), rhei_total(x) FROM (SELECT 1e0 AS x WHERE false) AS t",
                  "NULL|NULL|0");
    assert_answer(fixture,
                  "SELECT rhei_sum(x), rhei_avg(x) FROM (VALUES (1e0), (NULL), (CAST('nan' AS DOUBLE)), (2e0)) AS t(x)",
                  "3|1.5");
    assert_fails(fixture, "SELECT rhei_sum(x) FROM (VALUES (CAST('inf' AS DOUBLE)), (1e0)) AS t(x)", RHEI_SQL,
                 "infinity");
    assert_fails(fixture, "SELECT rhei_multiply(x, -1e0) FROM (VALUES (0e0), (1e0)) AS t(x)", RHEI_SQL,
                 "negative zero");
    assert_answer(fixture, "SELECT rhei_sum(x) FROM (VALUES (1e308), (1e308), (-1e308), (-1e308), (5e-324)) AS t(x)",
                  "4.9406564584124654e-324");
    assert_answer(fixture,
                  "SELECT rhei_sum(DISTINCT x), rhei_sum(x) FILTER (WHERE x > 2), rhei_plain_sum(i) "
                  "FROM (VALUES (1.5e0, 1), (1.5e0, 2), (2.5e0, 3)) AS t(x, i)",
                  "4|2.5|6");
    assert_answer(
        fixture,
        "SELECT string_agg(CAST(g AS VARCHAR) || ':' || coalesce(CAST(s AS VARCHAR), '-') || ':' || "
        "coalesce(CAST(f AS VARCHAR), '-') || ':' || coalesce(CAST(i AS VARCHAR), '-'), ' ' ORDER BY g) FROM "
        "(SELECT g, rhei_plain_sum(x) AS s, rhei_plain_sum(x) FILTER (WHERE x > 1) AS f, rhei_plain_sum(n) AS i "
        "FROM (VALUES (1, 0.5e0, 1), (1, 1.5e0, 2), (2, NULL, NULL), (3, 0.25e0, 4), (3, NULL, 5)) AS t(g, x, n) "
        "GROUP BY g) AS u",
        "1:2.0:1.5:3 2:-:-:- 3:0.25:-:9");
}

static void test_q2_integers_that_overflow_are_errors(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, TABLE, "t", "id I, a I, b I");
    struct rows rows = {0};
    rows_add(&rows, (struct rhei_value[]){value_int(1), value_int(INT64_MAX), value_int(1)}, 3);
    rows_add(&rows, (struct rhei_value[]){value_int(2), value_int(INT64_MIN), value_int(-1)}, 3);
    rows_add(&rows, (struct rhei_value[]){value_int(3), value_int(7), value_int(0)}, 3);
    fixture_apply(fixture, TABLE, &rows);
    fixture_publish(fixture);
    static const char *const failing[] = {
        "SELECT rhei_add(a, b) FROM mirror_scan(1, 0) WHERE id = 1",
        "SELECT rhei_subtract(b, a) FROM mirror_scan(1, 0) WHERE id = 2 AND b < 0 AND rhei_negate(a) > 0",
        "SELECT rhei_multiply(a, 2) FROM mirror_scan(1, 0) WHERE id = 1",
        "SELECT rhei_divide_integer(a, b) FROM mirror_scan(1, 0) WHERE id = 2",
        "SELECT rhei_negate(a) FROM mirror_scan(1, 0) WHERE id = 2",
    };
    for (size_t i = 0; i < sizeof failing / sizeof *failing; i++)
        assert_fails(fixture, failing[i], RHEI_SQL, "");
    assert_answer(fixture,
                  "SELECT rhei_divide_integer(a, b), rhei_remainder(a, b), rhei_remainder(-7, 2) "
                  "FROM mirror_scan(1, 0) WHERE id = 3",
                  "NULL|NULL|-1");
    assert_answer(fixture, "SELECT rhei_plain_sum(a) FROM mirror_scan(1, 0)", "6");
}

static void test_q2_texts_are_counted_in_characters_as_sqlite_does(void **state)
{
    struct fixture *fixture = *state;
    assert_answer(fixture,
                  "SELECT rhei_length('h\xc3\xa9llo'), rhei_octets('h\xc3\xa9'), rhei_upper('h\xc3\xa9i'), "
                  "rhei_lower('\xc3\x84Q'), "
                  "rhei_instr('h\xc3\xa9llo', 'llo'), rhei_unicode('\xe2\x82\xac'), rhei_hex('h\xc3\xa9')",
                  "5|3|H\xc3\xa9I|\xc3\x84q|3|8364|68C3A9");
    assert_answer(fixture,
                  "SELECT rhei_substr('hello', 2), rhei_substr('hello', -3, 2), rhei_substr('hello', 0, 2), "
                  "rhei_substr('hello', 4, -2), rhei_substr('hello', 9), rhei_trim('xxhixx', 'x')",
                  "ello|ll|h|el||hi");
    assert_answer(fixture,
                  "SELECT rhei_text_integer(' 12x'), rhei_text_integer('-99999999999999999999'), rhei_text_integer('')",
                  "12|-9223372036854775808|0");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_q2_sums_have_the_same_bits_in_every_order),
        WITH_FIXTURE(test_q2_sums_of_nothing_and_of_special_values),
        WITH_FIXTURE(test_q2_integers_that_overflow_are_errors),
        WITH_FIXTURE(test_q2_texts_are_counted_in_characters_as_sqlite_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
