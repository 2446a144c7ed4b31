/* SPDX-License-Identifier: Apache-2.0 */
/* What a statement of any executor sees (one snapshot, the types that its text was written for, its own values), and how much memory it may have. */
#include "tests/support/executor_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/base_memory.h"
#include "base/base_thread.h"

enum { ROWS = 20000, THREADS = 8 };

struct writing {
    struct fixture *fixture;
    _Atomic bool stop;
    int64_t written;
};

static void keep_writing(void *context)
{
    struct writing *writing = context;
    while (!writing->stop)
        fixture_write_version(writing->fixture, ++writing->written, 3000);
}

static void test_a1_a_statement_sees_one_snapshot_in_all_its_scans(void **state)
{
    struct fixture *fixture = *state;
    const char *const statements[] = {
        "SELECT count(DISTINCT version), count(*) FROM (SELECT l.version FROM mirror_scan(1, 0) l JOIN mirror_scan(2, "
        "1) "
        "r USING (id) UNION ALL SELECT r.version FROM mirror_scan(1, 2) l JOIN mirror_scan(2, 3) r USING (id)) AS t",
        "WITH x AS (SELECT version FROM mirror_scan(1, 0)) SELECT (SELECT count(DISTINCT version) FROM (SELECT version "
        "FROM x UNION ALL SELECT version FROM mirror_scan(2, 1))), (SELECT count(*) FROM x) + (SELECT count(*) FROM x)",
        "SELECT count(DISTINCT version), count(*) FROM (SELECT version FROM mirror_scan(1, 0) UNION ALL SELECT version "
        "FROM mirror_scan(2, 1))",
        "SELECT count(DISTINCT version), 3000 + count(*) FROM mirror_scan(1, 0) AS l WHERE EXISTS (SELECT 1 FROM "
        "mirror_scan(2, 1) AS r WHERE r.id = l.id AND r.version = l.version)",
        fixture_words.recursive,
    };
    int count = fixture_words.recursive != NULL ? 5 : 4;
    fixture_pair(fixture, 3000);
    struct writing writing = {.fixture = fixture};
    base_thread writer;
    assert_int_equal(base_thread_start(&writer, "writer", keep_writing, &writing, NULL), RHEI_OK);
    for (int round = 0; round < 200; round++) {
        struct question question;
        question_open(fixture, statements[round % count], &question);
        question.query.plan_key = round % (2 * count) < count ? "kept" : NULL;
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
    fixture_pair(fixture, 3000);
    struct question question;
    question_open(fixture, "SELECT min(version), max(version), count(*) FROM mirror_scan(1, 0)", &question);
    fixture_write_version(fixture, 1, 5000);
    char *answer = answer_of(fixture, &question.query);
    assert_string_equal(answer, "0|0|3000");
    base_free(answer);
    question_close(&question);
    assert_answer(fixture, "SELECT min(version), max(version), count(*) FROM mirror_scan(1, 0)", "1|1|5000");
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
    char sql[100], expected[2][40];
    snprintf(sql, sizeof sql, "SELECT %s(max(a)), sum(a) FROM mirror_scan(5, 0)", fixture_words.type_of);
    question_open(fixture, sql, &question);
    rows_add(&rows, (struct rhei_value[]){value_int(2), value_real(0.5)}, 2);
    fixture_apply(fixture, 5, &rows);
    fixture_publish(fixture);

    struct executor_column integers = {.scan = 0, .column = 1, .flags = MIRROR_HAS_INTEGER};
    struct executor_column numbers = {.scan = 0, .column = 1, .flags = MIRROR_HAS_INTEGER | MIRROR_HAS_REAL};
    const struct executor_column *given[] = {&integers, &numbers, &integers, NULL};
    snprintf(expected[0], sizeof expected[0], "%s|5", fixture_words.integer);
    snprintf(expected[1], sizeof expected[1], "%s|5", fixture_words.real);
    for (int i = 0; i < 4; i++) {
        question.query.plan_key = "same key, other columns";
        question.query.columns = given[i];
        question.query.column_count = given[i] != NULL ? 1 : 0;
        char *answer = answer_of(fixture, &question.query);
        assert_string_equal(answer, expected[i % 2]);
        base_free(answer);
    }
    question_close(&question);
    snprintf(expected[1], sizeof expected[1], "%s|5.5", fixture_words.real);
    assert_answer(fixture, sql, expected[1]);
}

static void test_ranges_follow_their_values(void **state)
{
    struct fixture *fixture = *state;
    fixture_pair(fixture, ROWS);
    char sql[120];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM mirror_scan(1, 0) WHERE id BETWEEN %s AND %s",
             fixture_words.values[0], fixture_words.values[1]);
    for (int64_t low = 0; low < ROWS; low += 1999) {
        struct executor_range range = {.scan = 0, .column = 0, .low = value_int(low), .high = value_int(low + 10)};
        struct rhei_value values[] = {value_int(low), value_int(low + 10)};
        struct question question;
        question_open(fixture, sql, &question);
        question.query.plan_key = "range";
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

struct asking {
    struct fixture *fixture;
    int number;
    _Atomic bool failed;
};

static void ask_much(void *context)
{
    struct asking *asking = context;
    const char *value_name = fixture_words.values[0];
    char sql[200];
    snprintf(
        sql, sizeof sql,
        "SELECT count(*), max(l.id), %s FROM mirror_scan(1, 0) l JOIN mirror_scan(2, 1) r USING (id) WHERE l.id < %s",
        value_name, value_name);
    for (int i = 0; i < 60; i++) {
        struct rhei_value value = value_int(asking->number * 1000 + i);
        struct question question;
        question_open(asking->fixture, sql, &question);
        question.query.plan_key = "threads";
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
    fixture_pair(fixture, ROWS);
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
    fixture_pair(fixture, ROWS);
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
    fixture_pair(fixture, 3000);
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
                 "SELECT max(%s), %d, rhei_sum(id) OVER () FROM mirror_scan(1, 0) WHERE id < %s GROUP BY id",
                 fixture_words.text_value, (int)n, fixture_words.values[1]);
        question_open(fixture, sql, &question);
        question.query.plan_key = "memory";
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

int executor_statement_tests(void)
{
#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(test_a1_a_statement_sees_one_snapshot_in_all_its_scans),
        WITH_FIXTURE(test_an_old_snapshot_stays_what_it_was),
        WITH_FIXTURE(test_q2_types_are_those_the_text_was_written_for),
        WITH_FIXTURE(test_ranges_follow_their_values),
        WITH_FIXTURE(test_q4_threads_never_see_each_other_s_values),
        WITH_FIXTURE(test_q5_a_statement_has_a_memory_limit_of_its_own),
        WITH_FIXTURE(test_d6_a_want_of_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
