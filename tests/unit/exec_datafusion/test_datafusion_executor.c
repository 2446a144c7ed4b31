/* SPDX-License-Identifier: Apache-2.0 */
#include "datafusion_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_memory.h"
#include "base/base_thread.h"

enum { LEFT = 1, RIGHT = 2, ROWS = 20000, THREADS = 8 };

/* Two tables of pairs: every published state has one version number in all rows of both. */
static void write_version(struct fixture *fixture, int64_t version, int64_t rows_each)
{
    static const uint32_t tables[] = {LEFT, RIGHT};
    for (int i = 0; i < 2; i++) {
        struct rows rows = {0};
        for (int64_t key = 0; key < rows_each; key++)
            rows_add(&rows, (struct rhei_value[]){value_int(key), value_int(version)}, 2);
        fixture_apply(fixture, tables[i], &rows);
    }
    fixture_publish(fixture);
}

static void make_pair(struct fixture *fixture, int64_t rows_each)
{
    fixture_table(fixture, LEFT, "left", "id I, version I");
    fixture_table(fixture, RIGHT, "right", "id I, version I");
    write_version(fixture, 0, rows_each);
}

struct writing {
    struct fixture *fixture;
    _Atomic bool stop;
    int64_t written;
};

static void keep_writing(void *context)
{
    struct writing *writing = context;
    while (!writing->stop)
        write_version(writing->fixture, ++writing->written, 3000);
}

static void test_a1_a_statement_sees_one_snapshot_in_all_its_scans(void **state)
{
    struct fixture *fixture = *state;
    static const char *const statements[] = {
        "SELECT count(DISTINCT version), count(*) FROM (SELECT l.version FROM mirror_scan(1, 0) l JOIN mirror_scan(2, "
        "1) "
        "r USING (id) UNION ALL SELECT r.version FROM mirror_scan(1, 2) l JOIN mirror_scan(2, 3) r USING (id)) AS t",
        "WITH x AS (SELECT version FROM mirror_scan(1, 0)) SELECT (SELECT count(DISTINCT version) FROM (SELECT version "
        "FROM x UNION ALL SELECT version FROM mirror_scan(2, 1))), (SELECT count(*) FROM x) + (SELECT count(*) FROM x)",
        "SELECT count(DISTINCT version), count(*) FROM (SELECT version FROM mirror_scan(1, 0) UNION ALL SELECT version "
        "FROM mirror_scan(2, 1))",
        "SELECT count(DISTINCT version), 3000 + count(*) FROM mirror_scan(1, 0) AS l WHERE EXISTS (SELECT 1 FROM "
        "mirror_scan(2, 1) AS r WHERE r.id = l.id AND r.version = l.version)",
    };
    make_pair(fixture, 3000);
    struct writing writing = {.fixture = fixture};
    base_thread writer;
    assert_int_equal(base_thread_start(&writer, "writer", keep_writing, &writing, NULL), RHEI_OK);
    for (int round = 0; round < 200; round++) {
        struct question question;
        question_open(fixture, statements[round % 4], &question);
        char *answer = answer_of(fixture, &question.query);
        assert_string_equal(answer, "1|6000");
        base_free(answer);
        question_close(&question);
    }
    writing.stop = true;
    base_thread_join(&writer);
    assert_true(writing.written > 0);
    print_message("%lld versions were written meanwhile\n", (long long)writing.written);
}

static void test_an_old_snapshot_stays_what_it_was(void **state)
{
    struct fixture *fixture = *state;
    make_pair(fixture, 3000);
    struct question question;
    question_open(fixture, "SELECT min(version), max(version), count(*) FROM mirror_scan(1, 0)", &question);
    write_version(fixture, 1, 5000);
    char *answer = answer_of(fixture, &question.query);
    assert_string_equal(answer, "0|0|3000");
    base_free(answer);
    question_close(&question);
    assert_answer(fixture, "SELECT min(version), max(version), count(*) FROM mirror_scan(1, 0)", "1|1|5000");
}

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
    make_pair(fixture, ROWS);
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

static void test_ranges_follow_their_values(void **state)
{
    struct fixture *fixture = *state;
    make_pair(fixture, ROWS);
    for (int64_t low = 0; low < ROWS; low += 1999) {
        struct executor_range range = {.scan = 0, .column = 0, .low = value_int(low), .high = value_int(low + 10)};
        struct rhei_value values[] = {value_int(low), value_int(low + 10)};
        struct question question;
        question_open(fixture, "SELECT count(*) FROM mirror_scan(1, 0) WHERE id BETWEEN $p0 AND $p1", &question);
        question.query.values = values;
        question.query.value_count = 2;
        question.query.ranges = &range;
        question.query.range_count = 1;
        char *answer = answer_of(fixture, &question.query);
        assert_string_equal(answer, low + 10 < ROWS ? "11" : "10");
        base_free(answer);
        question_close(&question);
    }
}

/* A REAL that came after the snapshot must not turn a text written for integers into one of doubles. */
static void test_q2_types_are_those_the_text_was_written_for(void **state)
{
    struct fixture *fixture = *state;
    fixture_table(fixture, 5, "t", "id I, a N");
    struct rows rows = {0};
    rows_add(&rows, (struct rhei_value[]){value_int(1), value_int(5)}, 2);
    fixture_apply(fixture, 5, &rows);
    fixture_publish(fixture);
    struct question question;
    question_open(fixture, "SELECT arrow_typeof(max(a)), sum(a) FROM mirror_scan(5, 0)", &question);
    rows_add(&rows, (struct rhei_value[]){value_int(2), value_real(0.5)}, 2);
    fixture_apply(fixture, 5, &rows);
    fixture_publish(fixture);

    struct executor_column integers = {.scan = 0, .column = 1, .flags = MIRROR_HAS_INTEGER};
    struct executor_column numbers = {.scan = 0, .column = 1, .flags = MIRROR_HAS_INTEGER | MIRROR_HAS_REAL};
    const struct executor_column *given[] = {&integers, &numbers, &integers, NULL};
    static const char *const expected[] = {"Int64|5", "Float64|5", "Int64|5", "Float64|5"};
    for (int i = 0; i < 4; i++) {
        question.query.columns = given[i];
        question.query.column_count = given[i] != NULL ? 1 : 0;
        char *answer = answer_of(fixture, &question.query);
        assert_string_equal(answer, expected[i]);
        base_free(answer);
    }
    question_close(&question);
    assert_answer(fixture, "SELECT arrow_typeof(max(a)), sum(a) FROM mirror_scan(5, 0)", "Float64|5.5");
}

static void test_d5_errors_come_from_run_and_say_what_is_wrong(void **state)
{
    struct fixture *fixture = *state;
    make_pair(fixture, ROWS);
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

struct asking {
    struct fixture *fixture;
    int number;
    _Atomic bool failed;
};

static void ask_much(void *context)
{
    struct asking *asking = context;
    for (int i = 0; i < 60; i++) {
        struct rhei_value value = value_int(asking->number * 1000 + i);
        struct question question;
        question_open(asking->fixture,
                      "SELECT count(*), max(l.id), $p0 FROM mirror_scan(1, 0) l JOIN mirror_scan(2, 1) r USING "
                      "(id) WHERE l.id < $p0",
                      &question);
        question.query.values = &value;
        question.query.value_count = 1;
        char expected[100];
        snprintf(expected, sizeof expected, "%d|%d|%d", asking->number * 1000 + i, asking->number * 1000 + i - 1,
                 asking->number * 1000 + i);
        char *answer = answer_of(asking->fixture, &question.query);
        asking->failed = asking->failed || strcmp(answer, expected) != 0;
        base_free(answer);
        question_close(&question);
    }
}

static void test_q4_threads_never_see_each_other_s_values(void **state)
{
    struct fixture *fixture = *state;
    make_pair(fixture, ROWS);
    base_thread threads[THREADS];
    struct asking asking[THREADS];
    for (int i = 0; i < THREADS; i++) {
        asking[i] = (struct asking){.fixture = fixture, .number = i + 1};
        assert_int_equal(base_thread_start(&threads[i], "asking", ask_much, &asking[i], NULL), RHEI_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        base_thread_join(&threads[i]);
        assert_false(asking[i].failed);
    }
}

static void test_q5_a_statement_has_a_memory_limit_of_its_own(void **state)
{
    struct fixture *fixture = *state;
    make_pair(fixture, ROWS);
    struct question question;
    question_open(fixture,
                  "SELECT count(*) FROM (SELECT DISTINCT a.id * 100 + b.id % 100 AS x FROM mirror_scan(1, 0) a, "
                  "(SELECT id FROM mirror_scan(1, 1) LIMIT 100) b) AS t",
                  &question);
    question.query.memory_limit = (size_t)10 << 20;
    assert_refused(fixture, &question.query, RHEI_MEMORY_LIMIT, "memory");
    question.query.memory_limit = (size_t)500 << 20;
    char *answer = answer_of(fixture, &question.query);
    assert_string_equal(answer, "2000000");
    base_free(answer);
    question.query.memory_limit = (size_t)10 << 20;
    assert_refused(fixture, &question.query, RHEI_MEMORY_LIMIT, "memory");
    question.query.memory_limit = 0;
    answer = answer_of(fixture, &question.query);
    assert_string_equal(answer, "2000000");
    base_free(answer);
    question_close(&question);
}

/* Each allocation of a statement fails once: a clear error, nothing leaks, and the next statement works. */
static void test_d6_a_want_of_memory_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    make_pair(fixture, 3000);
    assert_answer(fixture, "SELECT 1", "1");
    struct rhei_value values[] = {value_text("a value of more than twelve bytes"), value_int(7)};
    struct executor_range range = {.scan = 0, .column = 0, .low = value_int(1), .high = value_int(2)};
    struct executor_column column = {.scan = 0, .column = 0, .flags = MIRROR_HAS_INTEGER};
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        struct question question;
        struct ArrowArrayStream stream;
        struct rhei_error error = RHEI_ERROR_INIT;
        char sql[200];
        snprintf(sql, sizeof sql,
                 "SELECT max($p0), %d, rhei_sum(id) OVER () FROM mirror_scan(1, 0) WHERE id < $p1 GROUP "
                 "BY id",
                 (int)n);
        question_open(fixture, sql, &question);
        question.query.values = values;
        question.query.value_count = 2;
        question.query.ranges = &range;
        question.query.range_count = 1;
        question.query.columns = &column;
        question.query.column_count = 1;
        base_memory_fail_after(n);
        rhei_status status = fixture->executor->ops->run(fixture->executor, &question.query, &stream, &error);
        base_memory_fail_after(0);
        if (status != RHEI_OK && status != RHEI_NO_MEMORY)
            fail_msg("allocation %d: status %d: %s", (int)n, (int)status, error.message);
        if (status == RHEI_OK) {
            done = true;
            stream.release(&stream);
        }
        question_close(&question);
        assert_true(n < 500);
    }
    assert_answer(fixture, "SELECT count(*) FROM mirror_scan(1, 0)", "3000");
    struct mirror_status status;
    mirror_status(fixture->mirror, &status);
    assert_int_equal(status.snapshots_held, 0);
}

int main(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_a1_a_statement_sees_one_snapshot_in_all_its_scans),
        WITH_FIXTURE(test_an_old_snapshot_stays_what_it_was),
        WITH_FIXTURE(test_q4_values_are_bound),
        WITH_FIXTURE(test_ranges_follow_their_values),
        WITH_FIXTURE(test_q2_types_are_those_the_text_was_written_for),
        WITH_FIXTURE(test_d5_errors_come_from_run_and_say_what_is_wrong),
        WITH_FIXTURE(test_q4_threads_never_see_each_other_s_values),
        WITH_FIXTURE(test_d6_a_want_of_memory_is_an_error),
        WITH_FIXTURE(test_q5_a_statement_has_a_memory_limit_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
