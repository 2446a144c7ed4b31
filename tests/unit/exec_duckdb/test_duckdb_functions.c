/* SPDX-License-Identifier: Apache-2.0 */
#include "duckdb_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_exact_sum.h"
#include "base/base_memory.h"

enum { TABLE = 1, ROWS = 150000, GROUPS = 1000 };

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void assert_double(struct fixture *fixture, const char *sql, double expected)
{
    char *answer = ask(fixture, sql);
    double found = strtod(answer, NULL);
    if (bits_of(found) != bits_of(expected))
        fail_msg("%s gave %s instead of %.17g", sql, answer, expected);
    base_free(answer);
}

static double *fill(struct fixture *fixture, uint64_t *random, bool reversed)
{
    double *values = base_alloc(ROWS * sizeof *values);
    for (size_t i = 0; i < ROWS; i++)
        values[i] = fixture_random_double(random);
    fixture_table(fixture, TABLE, "t", "id I, g I, x R");
    struct rows rows = {0};
    for (int64_t i = 0; i < ROWS; i++) {
        int64_t k = reversed ? ROWS - 1 - i : i;
        rows_add(&rows, (struct rhei_value[]){value_int(k), value_int(k % GROUPS), value_real(values[k])}, 3);
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

static void check_sums(struct fixture *fixture, const double *values)
{
    double sum = exact(values, 0, 1);
    assert_double(fixture, "SELECT rhei_sum(x) FROM mirror_scan(1, 0)", sum);
    assert_double(fixture, "SELECT rhei_total(x) FROM mirror_scan(1, 0)", sum);
    assert_double(fixture, "SELECT rhei_avg(x) FROM mirror_scan(1, 0)", sum / ROWS);
    assert_double(fixture, "SELECT rhei_sum(x) FROM (SELECT x FROM mirror_scan(1, 0) ORDER BY hash(id))", sum);
    assert_double(fixture, "SELECT rhei_sum(x) FROM (SELECT x FROM mirror_scan(1, 0) ORDER BY x)", sum);
    assert_double(fixture, "SELECT rhei_sum(a.x) FROM mirror_scan(1, 0) a JOIN mirror_scan(1, 1) b USING (id)", sum);
    assert_double(fixture, "SELECT rhei_sum(x) OVER () FROM mirror_scan(1, 0) LIMIT 1", sum);
    assert_double(fixture,
                  "SELECT max(rhei_sum) FROM (SELECT rhei_sum(x) OVER (PARTITION BY g % 1 ORDER BY id ROWS BETWEEN "
                  "UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) rhei_sum FROM mirror_scan(1, 0))",
                  sum);
    for (size_t group = 0; group < GROUPS; group += 37) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "SELECT s FROM (SELECT g, rhei_sum(x) s FROM mirror_scan(1, 0) GROUP BY g) WHERE g = %zu", group);
        assert_double(fixture, sql, exact(values, group, GROUPS));
    }
}

static void test_q2_sums_have_the_same_bits_in_every_order(void **state)
{
    struct fixture *fixture = *state;
    uint64_t random = base_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)random);
    for (int round = 0; round < 4; round++) {
        struct duckdb_executor_config config = {.threads = round % 2 == 0 ? 1 : FIXTURE_AGGREGATE_THREADS,
                                                .memory_limit = (size_t)1 << 30};
        fixture_open_executor(fixture, &config);
        double *values = fill(fixture, &random, round >= 2);
        check_sums(fixture, values);
        base_free(values);
        mirror_drop(fixture->mirror, TABLE);
        fixture_publish(fixture);
    }
}

static void test_q2_sums_of_nothing_and_of_special_values(void **state)
{
    struct fixture *fixture = *state;
    assert_answer(fixture, "SELECT rhei_sum(x), rhei_avg(x), rhei_total(x) FROM (SELECT 1e0 x WHERE false)",
                  "NULL|NULL|0");
    assert_answer(fixture, "SELECT rhei_sum(x), rhei_avg(x), rhei_total(x) FROM (VALUES (NULL::DOUBLE)) t(x)",
                  "NULL|NULL|0");
    assert_answer(fixture, "SELECT rhei_sum(x), rhei_avg(x) FROM (VALUES (1e0), (NULL), ('nan'::DOUBLE), (2e0)) t(x)",
                  "3|1.5");
    assert_answer(fixture,
                  "SELECT rhei_sum(x), rhei_sum(-x), rhei_sum(y), rhei_total(y), rhei_avg(y) "
                  "FROM (VALUES ('inf'::DOUBLE, 'inf'::DOUBLE), (1e0, '-inf'::DOUBLE)) t(x, y)",
                  "inf|-inf|NULL|NULL|NULL");
    assert_answer(fixture, "SELECT rhei_sum(x) FROM (VALUES (1e308), (1e308), (-1e308), (-1e308), (5e-324)) t(x)",
                  "4.9406564584124654e-324");
    assert_answer(fixture, "SELECT rhei_sum(x) FROM (VALUES (-0e0)) t(x)", "0");
    assert_answer(fixture,
                  "SELECT rhei_sum(DISTINCT x), rhei_sum(x) FILTER (WHERE x > 2), rhei_sum(i) "
                  "FROM (VALUES (1.5e0, 1), (1.5e0, 2), (2.5e0, 3)) t(x, i)",
                  "4|2.5|6");
    assert_answer(fixture,
                  "SELECT string_agg(s, ',') FROM (SELECT rhei_sum(x) OVER (ORDER BY i ROWS 1 PRECEDING) s "
                  "FROM (VALUES (1, 1e16), (2, 1e0), (3, -1e16), (4, 2.5e0)) t(i, x) ORDER BY i)",
                  "1e+16,1e+16,-1e+16,-9999999999999998.0");
}

/* Stand-ins that show what they were called with; SQLite's own are tried where both rooms meet. */
static bool show_like(const char *pattern, const char *text, uint32_t escape)
{
    return strstr(text, pattern) != NULL || escape == (uint32_t)(unsigned char)text[0] || escape == 0x20ac;
}

static bool show_glob(const char *pattern, const char *text, uint32_t none)
{
    assert_int_equal(none, 0);
    return strcmp(pattern, text) == 0;
}

static uint32_t show_real(double value, char out[40])
{
    return (uint32_t)snprintf(out, 40, "<%.15g>", value);
}

static double show_round(double value, int64_t digits)
{
    return value + (double)digits;
}

static const struct executor_helper shown_helpers[] = {
    {"rhei_like", 2, 3, EXECUTOR_TEXTS_TRUTH, .as.texts_truth = show_like},
    {"rhei_glob", 2, 2, EXECUTOR_TEXTS_TRUTH, .as.texts_truth = show_glob},
    {"rhei_real_text", 1, 1, EXECUTOR_REAL_TEXT, .as.real_text = show_real},
    {"rhei_round", 1, 2, EXECUTOR_REAL_REAL, .as.real_real = show_round},
    {"rhei_of_nobody", 1, 1, EXECUTOR_FORMS, .as.real_text = show_real}, /* of a form that isn't known here */
};

static void test_functions_get_their_arguments(void **state)
{
    struct fixture *fixture = *state;
    struct duckdb_executor_config config = {
        .threads = 2,
        .helpers = {.list = shown_helpers, .count = sizeof shown_helpers / sizeof shown_helpers[0]},
    };
    fixture_open_executor(fixture, &config);
    assert_answer(fixture,
                  "SELECT rhei_like('_b', 'a_bc'), rhei_like('_B', 'a_bc'), rhei_like('B', 'abc', 'a'), "
                  "rhei_like('B', 'abc', '\xe2\x82\xac'), rhei_like(NULL, 'a'), rhei_like('a', NULL)",
                  "1|0|1|1|NULL|NULL");
    assert_answer(fixture, "SELECT rhei_glob('abc', 'abc'), rhei_glob('abc', 'abcd'), rhei_glob('', '')", "1|0|1");
    assert_answer(fixture, "SELECT rhei_round(0.5), rhei_round(0.5, 2), rhei_round(3), rhei_round(NULL, 1)",
                  "0.5|2.5|3|NULL");
    assert_answer(fixture, "SELECT rhei_real_text(0.1), rhei_real_text(-1e300), rhei_real_text(NULL)",
                  "<0.1>|<-1e+300>|NULL");
    assert_answer(
        fixture,
        "SELECT rhei_lower('A\xc3\x84Z-a long text with CAPITALS'), rhei_upper('a\xc3\xa4z'), rhei_upper(NULL)",
        "a\xc3\x84z-a long text with capitals|A\xc3\xa4Z|NULL");
    /* long and short texts, patterns that change from row to row */
    assert_answer(
        fixture,
        "SELECT count(*), count_if(rhei_like(p, t)) FROM (SELECT repeat('x', i::INT % 700) || '_' || i::VARCHAR t, "
        "'_' || i::VARCHAR p FROM range(10000) r(i))",
        "10000|10000");
    assert_fails(fixture, "SELECT rhei_like(repeat('a', 50001), 'x') FROM range(5)", RHEI_SQL, "too complex");
}

/* What SQLite says for every start from -7 to 7, without a length and with each from -7 to 7. */
/* clang-format off */
static const char substr_without_length[] =
    "h\xe2\x82\xac" "llo,h\xe2\x82\xac" "llo,h\xe2\x82\xac" "llo,\xe2\x82\xac" "llo,llo,lo,o,h\xe2\x82\xac" "llo,h\xe2\x82\xac" "llo,\xe2\x82\xac" "llo,llo,lo,o,,";
static const char substr_with_length[] =
    ",,,,,,,,,,h,h\xe2\x82\xac" ",h\xe2\x82\xac" "l,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "llo,,,,,,,,,,h,h\xe2\x82\xac" ",h\xe2\x82\xac" "l,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "llo,h\xe2\x82\xac" "llo,,,,,,,,,h,h\xe2\x82\xac" ",h\xe2\x82\xac" "l,h\xe2\x82\xac"
    "ll,h\xe2\x82\xac" "l" "lo,h\xe2\x82\xac" "llo,h\xe2\x82\xac" "llo,h,h,h,h,h,h,h,,\xe2\x82\xac" ",\xe2\x82\xac" "l,\xe2\x82\xac" "ll,\xe2\x82\xac" "llo,\xe2\x82\xac" "llo,\xe2\x82\xac" "llo,\xe2\x82\xac" "llo,h\xe2\x82\xac"
    ",h\xe2\x82\xac" ",h\xe2\x82\xac" ",h\xe2\x82\xac" ",h\xe2\x82\xac" ",h\xe2\x82\xac" ",\xe2\x82\xac" ",,l,ll,llo,l" "lo,llo,llo,llo,h\xe2\x82\xac" "l,h\xe2\x82\xac" "l,h\xe2\x82\xac" "l,h\xe2\x82\xac" "l,h\xe2\x82\xac"
    "l,\xe2\x82\xac" "l,l,,l,lo,lo,lo,lo,lo,lo,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "ll,\xe2\x82\xac" "ll,ll,l," ",o,o,o,o,o,o,o,,,,,,,,,,h,h\xe2\x82\xac" ",h\xe2\x82\xac" "l,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "llo,h\xe2\x82\xac"
    "llo,,,,,,,,,h,h\xe2\x82\xac" ",h\xe2\x82\xac" "l,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "llo,h\xe2\x82\xac" "llo,h\xe2\x82\xac" "llo," "h,h,h,h,h,h,h,,\xe2\x82\xac" ",\xe2\x82\xac" "l,\xe2\x82\xac" "ll,\xe2\x82\xac" "llo,\xe2\x82\xac"
    "llo,\xe2\x82\xac" "llo,\xe2\x82\xac" "llo,h\xe2\x82\xac" ",h\xe2\x82\xac" ",h\xe2\x82\xac" ",h\xe2\x82\xac" ",h\xe2\x82\xac" ",h\xe2\x82\xac" ",\xe2\x82\xac" ",,l,ll,llo,llo,llo,llo,llo," "h\xe2\x82\xac" "l,h\xe2\x82\xac"
    "l,h\xe2\x82\xac" "l,h\xe2\x82\xac" "l,h\xe2\x82\xac" "l,\xe2\x82\xac" "l,l,,l,lo,lo,lo,lo,lo,lo,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "ll,h\xe2\x82\xac" "ll,\xe2\x82\xac" "ll,ll,l,,o,o,o,o,o,o,o," "h\xe2\x82\xac" "llo,h\xe2\x82\xac"
    "llo,h\xe2\x82\xac" "llo,\xe2\x82\xac" "llo,llo,lo,o,,,,,,,,,h\xe2\x82\xac" "llo,h\xe2\x82\xac" "llo,\xe2\x82\xac" "llo,llo,lo,o,,,,,,,,,";
/* clang-format on */

static void test_q2_substr_is_sqlite_s(void **state)
{
    struct fixture *fixture = *state;
    assert_answer(fixture,
                  "SELECT string_agg(rhei_substr('h\xe2\x82\xacllo', s), ',' ORDER BY s) FROM range(-7, 8) r(s)",
                  substr_without_length);
    assert_answer(fixture,
                  "SELECT string_agg(rhei_substr('h\xe2\x82\xacllo', s, l), ',' ORDER BY s, l) FROM range(-7, 8) r(s), "
                  "range(-7, 8) q(l)",
                  substr_with_length);
    assert_answer(fixture,
                  "SELECT rhei_substr('abc', -9223372036854775808, 9223372036854775807), rhei_substr('abc', "
                  "9223372036854775807), rhei_substr('abc', 2, -9223372036854775808), rhei_substr(NULL, 1), "
                  "rhei_substr('abc', NULL, 1)",
                  "ab||a|NULL|NULL");
}

static void test_q2_integers_in_texts_are_sqlite_s(void **state)
{
    struct fixture *fixture = *state;
    assert_answer(fixture,
                  "SELECT string_agg(rhei_text_integer(t)::VARCHAR, ',' ORDER BY i) FROM (VALUES (0, E''),"
                  "(1, E'12'),"
                  "(2, E' 12abc'),"
                  "(3, E'-7'),"
                  "(4, E'+7'),"
                  "(5, E'- 7'),"
                  "(6, E'1e3'),"
                  "(7, E'9223372036854775807'),"
                  "(8, E'9223372036854775808'),"
                  "(9, E'-9223372036854775808'),"
                  "(10, E'-9223372036854775809'),"
                  "(11, E'99999999999999999999999'),"
                  "(12, E'00000000000000000000000012'),"
                  "(13, E'abc'),"
                  "(14, E'\\t\\n 5'),"
                  "(15, E'0x10'),"
                  "(16, E'.5'),"
                  "(17, E'922337203685477580700000')) v(i, t)",
                  "0,12,12,-7,7,0,1,9223372036854775807,9223372036854775807,-9223372036854775808,-9223372036854775808,"
                  "9223372036854775807,12,0,5,0,0,9223372036854775807");
}

/* An evaluator that shows what it was asked. */
struct shown {
    char text[200];
};

static void *show_open(void)
{
    return base_alloc_zero(1, sizeof(struct shown));
}

static bool show_evaluate(void *evaluator, const char *expression, const struct rhei_value *arguments, uint32_t count,
                          struct rhei_value *result)
{
    struct shown *shown = evaluator;
    if (strncmp(expression, "julianday", 9) == 0) {
        *result = value_real(2460000.5);
        return true;
    }
    if (strncmp(expression, "unixepoch", 9) == 0 || strncmp(expression, "typeof", 6) == 0) {
        *result = value_int(count);
        return true;
    }
    if (strcmp(expression, "time(?1)") == 0)
        return false;
    if (strcmp(expression, "datetime(?1)") == 0) {
        *result = value_null();
        return true;
    }
    int at = snprintf(shown->text, sizeof shown->text, "%s", expression);
    for (uint32_t i = 0; i < count; i++)
        at += snprintf(shown->text + at, sizeof shown->text - (size_t)at, "<%.*s>", (int)arguments[i].length,
                       (const char *)arguments[i].as.bytes);
    *result = value_text(shown->text);
    return true;
}

static void show_close(void *evaluator)
{
    base_free(evaluator);
}

/* clang-format off */
#define EVALUATED(called, fewest, most, form) \
    {"rhei_" called, fewest, most, form, .as.evaluated = {.function = called, .dated = true}}
/* clang-format on */
static const struct executor_helper evaluated_helpers[] = {
    EVALUATED("date", 1, 3, EXECUTOR_EVALUATED_TEXT),
    EVALUATED("time", 1, 8, EXECUTOR_EVALUATED_TEXT),
    EVALUATED("datetime", 1, 8, EXECUTOR_EVALUATED_TEXT),
    EVALUATED("strftime", 2, 8, EXECUTOR_EVALUATED_TEXT),
    EVALUATED("julianday", 1, 8, EXECUTOR_EVALUATED_REAL),
    EVALUATED("unixepoch", 1, 8, EXECUTOR_EVALUATED_INTEGER),
    {"rhei_text_real", 1, 1, EXECUTOR_EVALUATED_REAL, .as.evaluated = {.expression = "CAST(?1 AS REAL)"}},
    {"rhei_text_is_integer", 1, 1, EXECUTOR_EVALUATED_TRUTH,
     .as.evaluated = {.expression = "typeof(?1 + 0) = 'integer'"}},
};

static void test_evaluators_get_their_expressions(void **state)
{
    struct fixture *fixture = *state;
    struct duckdb_executor_config config = {
        .threads = 2,
        .helpers = {.list = evaluated_helpers,
                    .count = sizeof evaluated_helpers / sizeof evaluated_helpers[0],
                    .evaluator = {.open = show_open, .evaluate = show_evaluate, .close = show_close}},
    };
    fixture_open_executor(fixture, &config);
    assert_answer(fixture,
                  "SELECT rhei_date('2024-01-31', '+1 month'), rhei_strftime('%Y', t) FROM (VALUES ('x')) v(t)",
                  "date(?1, ?2)<2024-01-31><+1 month>|strftime(?1, ?2)<%Y><x>");
    assert_answer(fixture, "SELECT rhei_julianday('x'), rhei_unixepoch('x', 'y'), rhei_datetime('x'), rhei_date(NULL)",
                  "2460000.5|2|NULL|NULL");
    assert_answer(fixture, "SELECT rhei_text_is_integer('7')", "1");
    assert_fails(fixture, "SELECT rhei_time('x')", RHEI_SQL, "SQLite");
    assert_fails(fixture, "SELECT rhei_date(t) FROM (VALUES ('2024-01-31'), ('Now')) v(t)", RHEI_SQL, "time and place");
    assert_fails(fixture, "SELECT rhei_date(t, 'localtime') FROM (VALUES ('x')) v(t)", RHEI_SQL, "time and place");
    assert_fails(fixture, "SELECT rhei_text_real('1')", RHEI_SQL, "SQLite");
    assert_fails(fixture, "SELECT rhei_date('x', 'a', 'b', 'c')", RHEI_SQL, "too many");
    assert_fails(fixture, "SELECT rhei_strftime('%Y')", RHEI_SQL, "rhei_strftime");
}

static void test_functions_without_help_are_not_there(void **state)
{
    struct fixture *fixture = *state;
    assert_fails(fixture, "SELECT rhei_like('a', 'b')", RHEI_SQL, "rhei_like");
}

/* A column's NULLs are not a constant NULL: DuckDB leaves them to the function. */
static void test_q2_a_null_among_values_gives_null(void **state)
{
    struct fixture *fixture = *state;
    struct duckdb_executor_config config = {
        .threads = 2,
        .helpers = {.list = shown_helpers, .count = sizeof shown_helpers / sizeof shown_helpers[0]},
    };
    fixture_open_executor(fixture, &config);
    assert_answer(fixture,
                  "SELECT count(rhei_like('a%', x)), count(rhei_glob('a*', x)), count(rhei_upper(x)), "
                  "count(rhei_substr(x, 1)) FROM (VALUES ('a'), (NULL), ('b')) t(x)",
                  "2|2|2|2");
    assert_answer(fixture,
                  "SELECT count(rhei_round(x)), count(rhei_round(x, 1)), count(rhei_real_text(x)) "
                  "FROM (VALUES (1e0), (NULL), (2e0)) t(x)",
                  "2|2|2");
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_q2_sums_have_the_same_bits_in_every_order),
        WITH_FIXTURE(test_q2_sums_of_nothing_and_of_special_values),
        WITH_FIXTURE(test_functions_get_their_arguments),
        WITH_FIXTURE(test_q2_a_null_among_values_gives_null),
        WITH_FIXTURE(test_q2_substr_is_sqlite_s),
        WITH_FIXTURE(test_q2_integers_in_texts_are_sqlite_s),
        WITH_FIXTURE(test_evaluators_get_their_expressions),
        WITH_FIXTURE(test_functions_without_help_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
