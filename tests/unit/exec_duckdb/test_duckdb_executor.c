/* SPDX-License-Identifier: Apache-2.0 */
#include "duckdb_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/base_clock.h"
#include "base/base_memory.h"

enum { ROWS = 20000 };

static void assert_value(struct fixture *fixture, const struct rhei_value *value, const char *sql, const char *expected)
{
    struct question question;
    question_open(fixture, sql, &question);
    question.query.plan_key = "values";
    question.query.values = value;
    question.query.value_count = 1;
    char *answer = answer_of(fixture, &question.query);
    assert_string_equal(answer, expected);
    base_free(answer);
    question_close(&question);
}

static void test_q4_a_kept_plan_follows_its_values(void **state)
{
    struct fixture *fixture = *state;
    fixture_pair(fixture, ROWS);
    struct executor_status before;
    struct executor_status after;
    fixture->executor->ops->status(fixture->executor, &before);
    for (int64_t limit = 1; limit <= 50; limit++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%lld", (long long)limit);
        struct rhei_value value = value_int(limit);
        assert_value(fixture, &value, "SELECT count(*) FROM mirror_scan(1, 0) WHERE id < prm_int(0)", expected);
    }
    fixture->executor->ops->status(fixture->executor, &after);
    assert_int_equal(after.plan_hits - before.plan_hits, 49);
    assert_int_equal(after.plans_cached - before.plans_cached, 1);
    assert_int_equal(after.statements - before.statements, 50);

    struct rhei_value real = value_real(0.5);
    struct rhei_value text = value_text("a text that is longer than twelve bytes");
    struct rhei_value blob = value_blob("\0\xff", 2);
    struct rhei_value null = value_null();
    static const char all[] = "SELECT prm_int(0), prm_real(0), prm_text(0), prm_blob(0), prm_int(1), prm_int(-1)";
    assert_value(fixture, &real, all, "NULL|0.5|NULL|NULL|NULL|NULL");
    assert_value(fixture, &text, all, "NULL|NULL|a text that is longer than twelve bytes|NULL|NULL|NULL");
    assert_value(fixture, &blob, all, "NULL|NULL|NULL|x'00ff'|NULL|NULL");
    assert_value(fixture, &null, all, "NULL|NULL|NULL|NULL|NULL|NULL");
    assert_value(fixture, &text,
                 "SELECT count(*), min(prm_text(0)) FROM mirror_scan(1, 0) WHERE prm_text(0) = (SELECT prm_text(0))",
                 "20000|a text that is longer than twelve bytes");
}

static void test_c5_a_kept_plan_ends_with_its_schema_version_and_types(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 5, "t", "id I, a N");
    struct rows rows = {0};
    rows_add(&rows, (struct rhei_value[]){value_int(1), value_int(5)}, 2);
    fixture_apply(fixture, 5, &rows);
    fixture_publish(fixture);
    struct question question;
    question_open(fixture, "SELECT typeof(a) FROM mirror_scan(5, 0)", &question);
    question.query.plan_key = "k";
    question.query.schema_version = 1;
    char *answer = answer_of(fixture, &question.query);
    assert_string_equal(answer, "BIGINT");
    base_free(answer);
    question_close(&question);

    /* the same text, but the column has got a REAL: the plan of BIGINT must not read it */
    rows_add(&rows, (struct rhei_value[]){value_int(2), value_real(0.5)}, 2);
    fixture_apply(fixture, 5, &rows);
    fixture_publish(fixture);
    question_open(fixture, "SELECT typeof(a) FROM mirror_scan(5, 0)", &question);
    question.query.plan_key = "k";
    question.query.schema_version = 1;
    answer = answer_of(fixture, &question.query);
    assert_string_equal(answer, "DOUBLE\nDOUBLE");
    base_free(answer);

    struct executor_status status;
    question.query.schema_version = 2;
    base_free(answer_of(fixture, &question.query));
    fixture->executor->ops->status(fixture->executor, &status);
    assert_int_equal(status.plans_cached, 2);
    uint64_t hits = status.plan_hits;
    base_free(answer_of(fixture, &question.query));
    fixture->executor->ops->status(fixture->executor, &status);
    assert_int_equal(status.plan_hits, hits + 1);
    question_close(&question);
}

static void test_plans_of_a_grown_table_are_made_anew(void **state)
{
    struct fixture *fixture = *state;
    fixture_pair(fixture, 10);
    static const int64_t sizes[] = {10, 20, 30000, 31000};
    static const uint64_t hits[] = {0, 1, 1, 2};
    for (int i = 0; i < 4; i++) {
        fixture_write_version(fixture, i, sizes[i]);
        struct question question;
        question_open(fixture, "SELECT count(*) FROM mirror_scan(1, 0)", &question);
        question.query.plan_key = "k";
        base_free(answer_of(fixture, &question.query));
        question_close(&question);
        struct executor_status status;
        fixture->executor->ops->status(fixture->executor, &status);
        assert_int_equal(status.plan_hits, hits[i]);
    }
}

static void test_only_so_many_plans_are_kept(void **state)
{
    struct fixture *fixture = *state;
    fixture_pair(fixture, 10);
    for (int i = 0; i < 200; i++) {
        char sql[100];
        char expected[32];
        snprintf(sql, sizeof sql, "SELECT %d + count(*) FROM mirror_scan(1, 0)", i);
        snprintf(expected, sizeof expected, "%d", i + 10);
        struct question question;
        question_open(fixture, sql, &question);
        question.query.plan_key = "many";
        char *answer = answer_of(fixture, &question.query);
        assert_string_equal(answer, expected);
        base_free(answer);
        question_close(&question);
    }
    struct executor_status status;
    fixture->executor->ops->status(fixture->executor, &status);
    assert_true(status.plans_cached <= 64);
    assert_true(status.loaded);
    assert_memory_equal(status.version, "v1.5.", 5);
}

static void test_d5_errors_come_from_run_and_say_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    fixture_pair(fixture, ROWS);
    assert_fails(fixture, "SELEC 1", RHEI_SQL, "SELEC");
    assert_fails(fixture, "SELECT nothing FROM mirror_scan(1, 0)", RHEI_SQL, "nothing");
    assert_fails(fixture, "SELECT 1; SELECT 2", RHEI_SQL, "multiple statements");
    assert_fails(fixture, "SELECT id FROM mirror_scan(1, 0) WHERE id < ?", RHEI_UNSUPPORTED, "parameters");
    assert_fails(fixture, "CREATE TABLE x(a INT)", RHEI_READ_ONLY, "SELECT");
    assert_fails(fixture, "EXPLAIN SELECT 1", RHEI_READ_ONLY, "SELECT");
    assert_fails(fixture, "SELECT CAST('x' || id AS BIGINT) FROM mirror_scan(1, 0)", RHEI_SQL, "Conversion");
    assert_fails(fixture, "SELECT (SELECT id FROM mirror_scan(2, 1)) FROM mirror_scan(1, 0)", RHEI_SQL,
                 "More than one");
    assert_fails(fixture, "SELECT id + 9223372036854775807 FROM mirror_scan(1, 0) WHERE id > 5", RHEI_SQL, "Overflow");
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

static void test_settings_are_sqlite_s_where_there_is_one(void **state)
{
    struct fixture *fixture = *state;
    assert_answer(fixture, "SELECT 7/2, -7/2, 1/0, 5%0, 1e0/0, 0e0/0", "3|-3|NULL|NULL|NULL|NULL");
    assert_answer(fixture, "SELECT * FROM (VALUES (1), (NULL), (2)) t(a) ORDER BY a", "NULL\n1\n2");
    assert_answer(fixture, "SELECT * FROM (VALUES (1), (NULL), (2)) t(a) ORDER BY a DESC", "2\n1\nNULL");
    assert_answer(fixture, "SELECT sum(a), typeof(sum(a)) FROM (VALUES (9223372036854775807), (1)) t(a)",
                  "9223372036854775808|HUGEINT");
}

static uint32_t instances(const struct fixture *fixture)
{
    struct executor_status status;
    fixture->executor->ops->status(fixture->executor, &status);
    return status.instances;
}

static void test_a11_an_instance_with_a_limit_of_its_own_ends_when_unused(void **state)
{
    struct fixture *fixture = *state;
    struct duckdb_executor_config config = {.threads = 2, .memory_limit = (size_t)1 << 30, .limited_idle_ms = 20};
    fixture_open_executor(fixture, &config);
    fixture_pair(fixture, 1000);
    struct question question;
    question_open(fixture, "SELECT count(*) FROM mirror_scan(1, 0)", &question);
    for (int again = 0; again < 3; again++) {
        question.query.memory_limit = 0;
        base_free(answer_of(fixture, &question.query));
        question.query.memory_limit = (size_t)100 << 20;
        char *answer = answer_of(fixture, &question.query);
        assert_string_equal(answer, "1000");
        base_free(answer);
        int64_t limit = base_now_ns() + INT64_C(60000000000);
        while (instances(fixture) > 1 && base_now_ns() < limit)
            usleep(1000);
        assert_int_equal(instances(fixture), 1);
    }
    question_close(&question);
}

static void test_d5_a_library_that_is_not_there(void **state)
{
    struct fixture *fixture = *state;
    struct duckdb_executor_config config = {.library_path = "/nowhere/libduckdb.so"};
    fixture_open_executor(fixture, &config);
    assert_fails(fixture, "SELECT 1", RHEI_OLAP_UNAVAILABLE, "/nowhere/libduckdb.so");
    config.library_path = "libm.so.6";
    fixture_open_executor(fixture, &config);
    assert_fails(fixture, "SELECT 1", RHEI_OLAP_UNAVAILABLE, "1.5.5");
    struct executor_status status;
    fixture->executor->ops->status(fixture->executor, &status);
    assert_false(status.loaded);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_d5_a_library_that_is_not_there),
        WITH_FIXTURE(test_q4_a_kept_plan_follows_its_values),
        WITH_FIXTURE(test_c5_a_kept_plan_ends_with_its_schema_version_and_types),
        WITH_FIXTURE(test_plans_of_a_grown_table_are_made_anew),
        WITH_FIXTURE(test_only_so_many_plans_are_kept),
        WITH_FIXTURE(test_d5_errors_come_from_run_and_say_what_is_wrong),
        WITH_FIXTURE(test_settings_are_sqlite_s_where_there_is_one),
        WITH_FIXTURE(test_a11_an_instance_with_a_limit_of_its_own_ends_when_unused),
    };
    /* First: a process has one library, which is loaded by who comes to it. */
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + executor_statement_tests();
}
