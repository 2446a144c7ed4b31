/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters as Arrow, and Arrow into a session's transaction. */
#include "tests/support/engine_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rhei/rhei_doors.h"

static struct fixture fixture;
static struct rhei_error error;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT NOT NULL, r REAL)");
    return 0;
}

static struct ArrowArrayStream stream_of(const char *sql)
{
    struct ArrowArrayStream stream;
    if (rhei_query_arrow(fixture.db, sql, NULL, NULL, &stream, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    return stream;
}

static int64_t number_in(rhei_session *session, const char *sql)
{
    rhei_rows *rows = NULL;
    rhei_status status = session == NULL ? rhei_query(fixture.db, sql, NULL, NULL, &rows, &error)
                                         : rhei_session_query(session, sql, NULL, NULL, &rows, &error);
    if (status != RHEI_OK || rhei_rows_next(rows, &error) != RHEI_ROW)
        fail_msg("%s: %s", sql, error.message);
    int64_t value = rhei_rows_int64(rows, 0);
    rhei_rows_close(&rows);
    return value;
}

static int64_t number(const char *sql)
{
    return number_in(NULL, sql);
}

#define ROWS(count, more)                                                                            \
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < " #count ") SELECT x " \
    "AS id, 'text ' || x AS s, x / 4.0 AS r FROM n" more

static rhei_status execute_each(rhei_session *session, const char *sql, const char *parameters, int64_t *changes)
{
    rhei_statement *statement = NULL;
    rhei_status status = session == NULL ? rhei_prepare(fixture.db, sql, &statement, &error)
                                         : rhei_session_prepare(session, sql, &statement, &error);
    if (status != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    struct ArrowArrayStream stream = stream_of(parameters);
    struct rhei_result result = {.struct_size = sizeof result};
    status = rhei_statement_execute_each(statement, &stream, NULL, &result, &error);
    assert_null(stream.release);
    assert_int_equal(result.struct_size, sizeof result);
    *changes = result.changes;
    rhei_statement_close(&statement);
    return status;
}

static const char insert[] = "INSERT INTO t (id, s, r) VALUES (?, ?, ?)";

static void test_a_write_runs_once_for_each_row(void **state)
{
    (void)state;
    int64_t changes = 0;
    assert_int_equal(execute_each(NULL, insert, ROWS(1, ""), &changes), RHEI_OK);
    assert_int_equal(changes, 1);
    must_execute(fixture.db, "DELETE FROM t");
    assert_int_equal(execute_each(NULL, insert, ROWS(2503, ""), &changes), RHEI_OK);
    assert_int_equal(changes, 2503);
    assert_int_equal(number("SELECT count(*) FROM t WHERE s = 'text ' || id AND r = id / 4.0"), 2503);
    assert_int_equal(execute_each(NULL, "DELETE FROM t WHERE id = ?1", ROWS(1, " WHERE 0"), &changes), RHEI_INVALID);
    assert_non_null(strstr(error.message, "1 parameters, and the rows bound to it have 3 columns"));
    assert_int_equal(execute_each(NULL, "DELETE FROM t WHERE id = ?1", "SELECT 1 WHERE 0", &changes), RHEI_OK);
    assert_int_equal(changes, 0);
}

static void test_a_wrong_row_leaves_nothing(void **state)
{
    (void)state;
    int64_t changes = 0;
    must_execute(fixture.db, "INSERT INTO t VALUES (2100, 'taken', 0)");
    assert_int_equal(execute_each(NULL, insert, ROWS(2503, ""), &changes), RHEI_CONSTRAINT);
    assert_non_null(strstr(error.message, "row 2100"));
    assert_int_equal(changes, 0);
    assert_int_equal(number("SELECT count(*) FROM t"), 1);
}

static void test_within_a_transaction_a_failure_keeps_what_was_there(void **state)
{
    (void)state;
    int64_t changes = 0;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "INSERT INTO t VALUES (2100, 'taken', 0)", NULL, NULL, &error),
                     RHEI_OK);
    assert_int_equal(execute_each(session, insert, ROWS(2503, ""), &changes), RHEI_CONSTRAINT);
    assert_true(rhei_session_in_transaction(session));
    assert_int_equal(number_in(session, "SELECT count(*) FROM t"), 1);
    assert_int_equal(execute_each(session, insert, ROWS(2099, ""), &changes), RHEI_OK);
    assert_int_equal(number_in(session, "SELECT count(*) FROM t"), 2100);
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(number("SELECT count(*) FROM t"), 2100);
    /* outside of a transaction the session's own begins and ends */
    assert_int_equal(execute_each(session, "UPDATE t SET r = ?3, s = ?2 WHERE id = ?1", ROWS(2099, ""), &changes),
                     RHEI_OK);
    assert_false(rhei_session_in_transaction(session));
    rhei_session_close(&session);
}

static rhei_status query_each(const char *sql, const char *parameters, struct ArrowArrayStream *out)
{
    rhei_statement *statement = NULL;
    if (rhei_prepare(fixture.db, sql, &statement, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    struct ArrowArrayStream stream = stream_of(parameters);
    out->release = NULL;
    rhei_status status = rhei_statement_query_each(statement, &stream, NULL, out, &error);
    assert_null(stream.release);
    rhei_statement_close(&statement);
    return status;
}

/* The answer's rows as a table, for SQL to look at. */
static void keep_answer(struct ArrowArrayStream *answer)
{
    struct rhei_ingest_options options = {.struct_size = sizeof options, .mode = RHEI_INGEST_REPLACE};
    if (rhei_ingest_arrow(fixture.db, "answer", answer, &options, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

static void test_a_question_is_asked_for_each_row(void **state)
{
    (void)state;
    int64_t changes = 0;
    struct ArrowArrayStream answer;
    assert_int_equal(execute_each(NULL, insert, ROWS(100, ""), &changes), RHEI_OK);
    assert_int_equal(
        query_each("SELECT id, s FROM t WHERE id <= ? ORDER BY id", "SELECT 2 UNION ALL SELECT 3", &answer), RHEI_OK);
    keep_answer(&answer);
    assert_int_equal(number("SELECT group_concat(id, '') = '12123' FROM answer"), 1);
    assert_int_equal(query_each("SELECT id, s FROM t WHERE id = ?", ROWS(1500, ""), &answer), RHEI_INVALID);
    assert_int_equal(
        query_each("SELECT id, s FROM t WHERE id = 1 + ? % 100",
                   "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1500) SELECT x FROM n",
                   &answer),
        RHEI_OK);
    keep_answer(&answer);
    assert_int_equal(number("SELECT count(*) FROM answer WHERE s = 'text ' || id"), 1500);
}

static void test_no_row_is_no_question(void **state)
{
    (void)state;
    struct ArrowArrayStream answer;
    struct ArrowSchema schema;
    assert_int_equal(query_each("SELECT id, s, r FROM t WHERE id = ?", "SELECT 1 WHERE 0", &answer), RHEI_OK);
    assert_int_equal(answer.get_schema(&answer, &schema), 0);
    assert_int_equal(schema.n_children, 3);
    assert_string_equal(schema.children[1]->name, "s");
    assert_string_equal(schema.children[1]->format, "u");
    assert_string_equal(schema.children[2]->format, "g");
    schema.release(&schema);
    answer.release(&answer);
}

static void test_types_are_those_of_all_answers(void **state)
{
    (void)state;
    struct ArrowArrayStream answer;
    struct ArrowSchema schema;
    assert_int_equal(query_each("SELECT ? AS v", "SELECT 1 UNION ALL SELECT 'one'", &answer), RHEI_OK);
    assert_int_equal(answer.get_schema(&answer, &schema), 0);
    assert_string_equal(schema.children[0]->format, "+ud:0,1,2,3");
    schema.release(&schema);
    answer.release(&answer);
}

static void test_returning_is_written_whole_before_it_is_shown(void **state)
{
    (void)state;
    struct ArrowArrayStream answer;
    struct ArrowSchema schema;
    static const char sql[] = "INSERT INTO t (id, s, r) VALUES (?, ?, ?) RETURNING id, r * 4 AS four";
    assert_int_equal(query_each(sql, ROWS(1, ""), &answer), RHEI_OK);
    answer.release(&answer);
    assert_int_equal(number("SELECT count(*) FROM t"), 1);
    assert_int_equal(query_each(sql, ROWS(2500, " WHERE x > 1"), &answer), RHEI_OK);
    assert_int_equal(number("SELECT count(*) FROM t"), 2500); /* nothing of the answer was asked for yet */
    assert_int_equal(answer.get_schema(&answer, &schema), 0);
    assert_string_equal(schema.children[1]->name, "four");
    schema.release(&schema);
    keep_answer(&answer);
    assert_int_equal(number("SELECT count(*) FROM answer WHERE four = id"), 2499);
    /* one wrong row, and none was written */
    assert_int_equal(query_each(sql, ROWS(4000, " WHERE x >= 2500 ORDER BY x DESC"), &answer), RHEI_CONSTRAINT);
    assert_null(answer.release);
    assert_int_equal(number("SELECT count(*) FROM t"), 2500);
    assert_int_equal(query_each(sql, ROWS(1, " WHERE 0"), &answer), RHEI_OK);
    answer.release(&answer);
    assert_int_equal(number("SELECT count(*) FROM t"), 2500);
}

static void test_returning_within_a_transaction_is_of_it(void **state)
{
    (void)state;
    rhei_session *session = NULL;
    rhei_statement *statement = NULL;
    struct ArrowArrayStream answer = {0};
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(
        rhei_session_prepare(session, "INSERT INTO t (id, s, r) VALUES (?, ?, ?) RETURNING id", &statement, &error),
        RHEI_OK);
    for (int wrong = 0; wrong < 2; wrong++) {
        struct ArrowArrayStream stream =
            stream_of(wrong != 0 ? ROWS(12, " WHERE x > 9 ORDER BY x DESC") : ROWS(10, ""));
        assert_int_equal(rhei_statement_query_each(statement, &stream, NULL, &answer, &error),
                         wrong != 0 ? RHEI_CONSTRAINT : RHEI_OK);
        if (wrong == 0)
            answer.release(&answer);
        assert_true(rhei_session_in_transaction(session));
        assert_int_equal(number_in(session, "SELECT count(*) FROM t"), 10);
    }
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
    rhei_statement_close(&statement);
    rhei_session_close(&session);
}

static void test_what_a_stream_failed_with(void **state)
{
    (void)state;
    struct ArrowArrayStream answer;
    struct ArrowArray batch = {0};
    int64_t changes = 0;
    assert_int_equal(execute_each(NULL, insert, ROWS(10, ""), &changes), RHEI_OK);
    int code = 0;
    rhei_status status = query_each("SELECT abs(-9223372036854775807 - ?)", "SELECT 0 UNION ALL SELECT 1", &answer);
    if (status == RHEI_OK) { /* the first rows are read with the call, so it is usually that which fails */
        while ((code = answer.get_next(&answer, &batch)) == 0 && batch.release != NULL)
            batch.release(&batch);
        status = rhei_stream_error(&answer, code, &error);
        answer.release(&answer);
    }
    assert_int_equal(status, RHEI_SQL);
    assert_non_null(strstr(error.message, "integer overflow"));
    assert_int_equal(rhei_stream_error(NULL, EIO, &error), RHEI_INVALID);
}

static rhei_status ingest_in(rhei_session *session, const char *sql, const char *table, int mode, bool temporary)
{
    struct ArrowArrayStream stream = stream_of(sql);
    struct rhei_ingest_options options = {.struct_size = sizeof options, .mode = mode, .temporary = temporary};
    rhei_status status = rhei_session_ingest_arrow(session, table, &stream, &options, NULL, &error);
    assert_null(stream.release);
    return status;
}

static void test_an_ingest_in_a_transaction_is_of_it(void **state)
{
    (void)state;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(ingest_in(session, ROWS(3000, ""), "t", RHEI_INGEST_APPEND, false), RHEI_OK);
    assert_int_equal(number_in(session, "SELECT count(*) FROM t"), 3000);
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
    /* what fails takes back itself alone, the blocks of rows that were well included */
    assert_int_equal(ingest_in(session, ROWS(6000, " WHERE x > 2000 ORDER BY x DESC"), "t", RHEI_INGEST_APPEND, false),
                     RHEI_CONSTRAINT);
    assert_int_equal(number_in(session, "SELECT count(*) FROM t"), 3000);
    assert_true(rhei_session_in_transaction(session));
    assert_int_equal(ingest_in(session, ROWS(10, ""), "made", RHEI_INGEST_CREATE, false), RHEI_OK);
    assert_int_equal(number_in(session, "SELECT count(*) FROM made"), 10);
    assert_int_equal(rhei_session_execute(session, "ROLLBACK", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(number("SELECT count(*) FROM sqlite_schema WHERE name = 'made'"), 0);
    /* outside of one it has its own */
    assert_int_equal(ingest_in(session, ROWS(5, ""), "t", RHEI_INGEST_APPEND, false), RHEI_OK);
    assert_int_equal(ingest_in(session, ROWS(6, ""), "t", RHEI_INGEST_APPEND, false), RHEI_CONSTRAINT);
    assert_false(rhei_session_in_transaction(session));
    assert_int_equal(number("SELECT count(*) FROM t"), 5);
    rhei_session_close(&session);
    assert_int_equal(ingest_in(NULL, "SELECT 1 AS id", "t", RHEI_INGEST_APPEND, false), RHEI_INVALID);
}

static void test_a_temporary_table_is_not_in_the_file(void **state)
{
    (void)state;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(ingest_in(session, ROWS(7, ""), "scratch", RHEI_INGEST_CREATE, true), RHEI_OK);
    assert_int_equal(ingest_in(session, ROWS(8, " WHERE x > 7"), "scratch", RHEI_INGEST_APPEND, true), RHEI_OK);
    assert_int_equal(ingest_in(session, ROWS(8, " WHERE x > 7"), "scratch", RHEI_INGEST_CREATE, true), RHEI_EXISTS);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(number_in(session, "SELECT count(*) FROM temp.scratch"), 8);
    assert_int_equal(number_in(session, "SELECT count(*) FROM main.sqlite_schema WHERE name = 'scratch'"), 0);
    /* everybody's statements would mean the TEMP one */
    assert_int_equal(ingest_in(session, ROWS(7, ""), "t", RHEI_INGEST_CREATE, true), RHEI_EXISTS);
    rhei_session_close(&session);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_write_runs_once_for_each_row),
        TEST(test_a_wrong_row_leaves_nothing),
        TEST(test_within_a_transaction_a_failure_keeps_what_was_there),
        TEST(test_a_question_is_asked_for_each_row),
        TEST(test_no_row_is_no_question),
        TEST(test_types_are_those_of_all_answers),
        TEST(test_returning_is_written_whole_before_it_is_shown),
        TEST(test_returning_within_a_transaction_is_of_it),
        TEST(test_what_a_stream_failed_with),
        TEST(test_an_ingest_in_a_transaction_is_of_it),
        TEST(test_a_temporary_table_is_not_in_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
