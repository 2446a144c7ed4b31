/* SPDX-License-Identifier: Apache-2.0 */
#include "datafusion_fixture.h"

#include <math.h>
#include <stdio.h>

/* F6. Neither may enter a plan: their columns fail whoever reads them, and nobody else. */
static void test_q2_a_negative_zero_or_an_infinity_is_never_read(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "id I, zero R, beyond R, mixed N");
    struct rows rows = {0};
    rows_add(&rows, (struct rhei_value[]){value_int(1), value_real(-0.0), value_real(1.5), value_int(4)}, 4);
    rows_add(&rows,
             (struct rhei_value[]){value_int(2), value_real(2.5), value_real((double)INFINITY), value_real(-0.0)}, 4);
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    assert_answer(fixture, "SELECT count(*), sum(id) FROM mirror_scan(1, 0)", "2|3");
    assert_fails(fixture, "SELECT zero FROM mirror_scan(1, 0)", RHEI_SQL, "\"zero\"");
    assert_fails(fixture, "SELECT min(beyond) FROM mirror_scan(1, 0)", RHEI_SQL, "infinity");
    assert_fails(fixture, "SELECT mixed FROM mirror_scan(1, 0)", RHEI_SQL, "negative zero");
    /* Planned away, it leaves a number what it was. */
    assert_answer(fixture,
                  "SELECT arrow_typeof(CASE WHEN FALSE THEN zero ELSE 0e0 END), arrow_typeof(coalesce(1e0, beyond)) "
                  "FROM mirror_scan(1, 0) LIMIT 1",
                  "Float64|Float64");
}

enum { LONG_ROWS = 70000 }; /* a sealed segment, and one that is appended to */

static void add_long(struct rows *rows, int64_t id, const char *prefix)
{
    static char texts[LONG_ROWS + 1][60]; /* until the rows are applied */
    char *text = texts[id];
    snprintf(text, sizeof texts[id], "%s number %lld, a long one", prefix, (long long)id);
    struct rhei_value null_or_text = id % 7 == 0 ? value_null() : value_text(id % 3 == 0 ? "short" : text);
    rows_add(rows, (struct rhei_value[]){value_int(id), value_text(text), null_or_text, value_real((double)id)}, 4);
}

/* Long texts lie where the mirror has them, whole vectors leave together, and nothing of it shows. */
static void test_q2_long_texts_of_whole_and_of_broken_vectors(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 1, "t", "id I, t T, maybe T, r R");
    struct rows rows = {0};
    for (int64_t id = 1; id <= LONG_ROWS; id++)
        add_long(&rows, id, "text");
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    static const char as_they_were[] =
        "SELECT count(*), sum(id), sum(CASE WHEN t = 'text number ' || id || ', a long one' THEN 1 ELSE 0 END), "
        "sum(CASE WHEN r = CAST(id AS DOUBLE) THEN 1 ELSE 0 END) FROM mirror_scan(1, 0)";
    static const char the_others[] =
        "SELECT sum(CASE WHEN id % 7 = 0 THEN CASE WHEN maybe IS NULL THEN 1 ELSE 0 END WHEN id % 3 = 0 THEN CASE WHEN "
        "maybe = 'short' THEN 1 ELSE 0 END ELSE CASE WHEN maybe = t THEN 1 ELSE 0 END END) FROM mirror_scan(1, 0)";
    assert_answer(fixture, as_they_were, "70000|2450035000|70000|70000");
    assert_answer(fixture, the_others, "70000");
    struct rows changes = {0};
    for (int64_t id = 5000; id <= 9000; id += 1000)
        rows_delete(&changes, id, 4);
    add_long(&changes, 40000, "changed text");
    fixture_apply(fixture, 1, &changes);
    fixture_publish(fixture);
    assert_answer(fixture, as_they_were, "69995|2450000000|69994|69995");
    assert_answer(fixture, the_others, "69995");
    assert_answer(fixture, "SELECT t FROM mirror_scan(1, 0) WHERE id = 40000", "changed text number 40000, a long one");
    static const char kept_by_joins[] =
        "SELECT count(*), sum(CASE WHEN a.t = b.t AND b.t = c.t THEN 1 ELSE 0 END), sum(CASE WHEN a.maybe = c.maybe "
        "THEN 1 WHEN a.maybe IS NULL AND b.maybe IS NULL THEN 1 ELSE 0 END) FROM mirror_scan(1, 0) a JOIN "
        "mirror_scan(1, 1) b ON a.id = b.id JOIN mirror_scan(1, 2) c ON b.t = c.t";
    assert_answer(fixture, kept_by_joins, "69995|69995|69995");
    assert_answer(fixture,
                  "SELECT count(*), max(a.t), max(b.maybe) FROM mirror_scan(1, 0) a JOIN mirror_scan(1, 1) b ON a.t < "
                  "b.t WHERE a.id < 100 AND b.id > 69900",
                  "6602|text number 70, a long one|text number 69998, a long one");
}

/* Q2. A constant's way of computing and that of a column give the same. */
static void test_q2_constants_and_columns_compute_the_same(void **state)
{
    struct fixture *fixture = *state;
    static const char *const texts[] = {"",
                                        "a",
                                        "PROMO",
                                        "promo brass",
                                        "a promo that is long",
                                        "Pro",
                                        "h\xc3\xa9llo",
                                        "h\xc3\xa9llo, promo of a long kind",
                                        "BRASS",
                                        "twelve bytes",
                                        "twelve bytes.",
                                        "twelve byte",
                                        "1994-01-01",
                                        "1994-12",
                                        "a long text that ends in Brass"};
    fixture_table(fixture, 1, "t", "id I, t T, s T, one I");
    struct rows rows = {0};
    for (int64_t id = 1; id <= 3000; id++) {
        const char *text = texts[id % (int64_t)(sizeof texts / sizeof *texts)];
        rows_add(&rows,
                 (struct rhei_value[]){value_int(id), id % 11 == 0 ? value_null() : value_text(text),
                                       value_text(id % 2 == 0 ? "1994-06-01" : "1995"), value_int(1)},
                 4);
    }
    fixture_apply(fixture, 1, &rows);
    fixture_publish(fixture);
    static const char *const same[][2] = {
        {"rhei_substr(t, 1, 2)", "rhei_substr(t, one, 2)"},
        {"rhei_substr(t, 2, 4)", "rhei_substr(t, one + 1, 4)"},
        {"rhei_substr(t, 9)", "rhei_substr(t, one + 8)"},
        {"rhei_substr(t, 0, 3)", "rhei_substr(t, one - 1, 3)"},
        {"rhei_substr(t, -3, 2)", "rhei_substr(t, one - 4, 2)"},
        {"rhei_add(id, 1)", "rhei_add(id, one)"},
        {"rhei_subtract(5, id)", "rhei_subtract(5 * one, id)"},
        {"rhei_multiply(CAST(id AS DOUBLE), 0.5e0)", "rhei_multiply(CAST(id AS DOUBLE), 0.5e0 * CAST(one AS DOUBLE))"},
        {"rhei_exact(id)", "CAST(id AS DOUBLE)"},
    };
    char sql[400];
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM mirror_scan(1, 0) WHERE %s IS DISTINCT FROM %s", same[i][0],
                 same[i][1]);
        assert_answer(fixture, sql, "0");
    }
    static const char *const bounds[] = {"", "a", "h", "1994-01-01", "twelve bytes", "twelve bytes.", "promo"};
    static const char *const columns[] = {"t", "s"};
    for (size_t c = 0; c < 2; c++)
        for (size_t low = 0; low < sizeof bounds / sizeof *bounds; low++)
            for (size_t high = 0; high < sizeof bounds / sizeof *bounds; high++) {
                snprintf(sql, sizeof sql,
                         "SELECT (SELECT count(*) FROM mirror_scan(1, 0) WHERE %s >%s '%s' AND '%s' %s %s) - (SELECT "
                         "count(*) FROM mirror_scan(1, 0) WHERE %s >%s repeat('%s', one) AND repeat('%s', one) %s %s)",
                         columns[c], low % 2 ? "=" : "", bounds[low], bounds[high], high % 2 ? ">=" : ">", columns[c],
                         columns[c], low % 2 ? "=" : "", bounds[low], bounds[high], high % 2 ? ">=" : ">", columns[c]);
                assert_answer(fixture, sql, "0");
            }
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_q2_a_negative_zero_or_an_infinity_is_never_read),
        WITH_FIXTURE(test_q2_long_texts_of_whole_and_of_broken_vectors),
        WITH_FIXTURE(test_q2_constants_and_columns_compute_the_same),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + executor_scan_tests();
}
