/* SPDX-License-Identifier: Apache-2.0 */
#include "datafusion_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base_memory.h"

enum { ROWS = 20000 };

static void assert_value(struct fixture *fixture, const struct rhei_value *value, const char *sql, const char *expected)
{
    struct question question;
    question_open(fixture, sql, &question);
    question.query.values = value;
    question.query.value_count = 1;
    char *answer = answer_of(fixture, &question.query);
    assert_string_equal(answer, expected);
    base_free(answer);
    question_close(&question);
}

static void test_q4_values_are_bound(void **state)
{
    struct fixture *fixture = *state;
    fixture_pair(fixture, ROWS);
    for (int64_t limit = 1; limit <= 50; limit++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%lld", (long long)limit);
        struct rhei_value value = value_int(limit);
        assert_value(fixture, &value, "SELECT count(*) FROM mirror_scan(1, 0) WHERE id < $p0", expected);
    }
    struct rhei_value text = value_text("a text that is longer than twelve bytes");
    struct rhei_value null = value_null();
    struct rhei_value real = value_real(0.5);
    assert_value(fixture, &real, "SELECT CAST($p0 AS DOUBLE)", "0.5");
    assert_value(fixture, &text, "SELECT CAST($p0 AS VARCHAR)", "a text that is longer than twelve bytes");
    assert_value(fixture, &null, "SELECT CAST($p0 AS DOUBLE)", "NULL");
    assert_value(fixture, &text, "SELECT count(*), min($p0) FROM mirror_scan(1, 0) WHERE $p0 = (SELECT $p0)",
                 "20000|a text that is longer than twelve bytes");
}

static void test_d5_errors_come_from_run_and_say_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    fixture_pair(fixture, ROWS);
    assert_fails(fixture, "SELEC 1", RHEI_SQL, "SELEC");
    assert_fails(fixture, "SELECT nothing FROM mirror_scan(1, 0)", RHEI_SQL, "nothing");
    assert_fails(fixture, "SELECT 1; SELECT 2", RHEI_SQL, "one statement");
    assert_fails(fixture, "CREATE TABLE x(a INT)", RHEI_SQL, "");
    assert_fails(fixture, "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'", RHEI_SQL, "");
    assert_fails(fixture, "COPY (SELECT 1) TO '/tmp/rhei-never'", RHEI_SQL, "");
    assert_fails(fixture, "SET datafusion.execution.batch_size = 1", RHEI_SQL, "");
    assert_fails(fixture, "SELECT * FROM '/etc/passwd'", RHEI_SQL, "");
    assert_fails(fixture, "SELECT CAST('x' || id AS BIGINT) FROM mirror_scan(1, 0)", RHEI_SQL, "x");
    assert_fails(fixture, "SELECT (SELECT id FROM mirror_scan(2, 1)) FROM mirror_scan(1, 0)", RHEI_SQL,
                 "more than one");
    assert_fails(fixture, "SELECT rhei_add(id, 9223372036854775807) FROM mirror_scan(1, 0) WHERE id > 5", RHEI_SQL,
                 "overflow");
    assert_fails(fixture, "", RHEI_SQL, "statement");
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(1, 0)", "20000");

    struct question question;
    question_open(fixture, "SELECT nothing FROM mirror_scan(1, 0)", &question);
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(fixture->executor->ops->check(fixture->executor, &question.query, &error), RHEI_SQL);
    question.query.sql = "SELECT id FROM mirror_scan(1, 0)";
    assert_int_equal(fixture->executor->ops->check(fixture->executor, &question.query, NULL), RHEI_OK);
    question_close(&question);
}

/* What doesn't fit into memory is put aside, until that has reached its own limit. */
static void test_q5_a_statement_spills_as_far_as_it_may(void **state)
{
    static const char sql[] =
        "SELECT count(*), max(n) FROM (SELECT 'a text that stands for number ' || CAST(a.id * 100 + b.id AS VARCHAR) "
        "AS k, "
        "count(*) AS n FROM mirror_scan(1, 0) a CROSS JOIN (SELECT id FROM mirror_scan(1, 1) WHERE id < 20) b "
        "GROUP BY 1) AS t";
    struct fixture *fixture = *state;
    char folder[] = "/tmp/rhei-spill-XXXXXX";
    fixture_pair(fixture, ROWS);
    assert_non_null(mkdtemp(folder));
    struct datafusion_executor_config config = {
        .threads = 2, .memory_limit = (size_t)24 << 20, .temp_directory = folder, .temp_limit = (size_t)1 << 30};
    fixture_open_executor(fixture, &config);
    assert_answer(fixture, sql, "400000|1");
    config.temp_limit = (size_t)1 << 20;
    fixture_open_executor(fixture, &config);
    assert_fails(fixture, sql, RHEI_MEMORY_LIMIT, "what it spills has reached its limit of 1024.0 KB");
    config.temp_directory = NULL;
    fixture_open_executor(fixture, &config);
    assert_fails(fixture, sql, RHEI_MEMORY_LIMIT, "olap_memory_limit");
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(1, 0)", "20000");
    assert_int_equal(rmdir(folder), 0); /* nothing is left in it */
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_q4_values_are_bound),
        WITH_FIXTURE(test_q5_a_statement_spills_as_far_as_it_may),
        WITH_FIXTURE(test_d5_errors_come_from_run_and_say_what_is_wrong),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + executor_statement_tests();
}
