/* SPDX-License-Identifier: Apache-2.0 */
/* The row store by itself: without hooks nothing is known of the schema, and every statement is SQLite's own. */
#include "oltp_test.h"

#include <string.h>

#include "base/base_error.h"

static struct oltp *alone_open(void)
{
    const struct oltp_config config = {.path = ":memory:", .read_pool_size = 2, .busy_timeout_ms = 1000};
    struct oltp *oltp = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (oltp_open(&config, &oltp, &error) != RHEI_OK)
        fail_msg("open: %s", error.message);
    return oltp;
}

static void alone_write(struct oltp *oltp, const char *sql)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (oltp_write(oltp, sql, strlen(sql), NULL, 0, NULL, NULL, NULL, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
}

static int64_t alone_int(struct oltp *oltp, const char *sql)
{
    struct oltp_cursor *cursor = NULL;
    struct rhei_value value = {.type = RHEI_NULL};
    struct rhei_error error = RHEI_ERROR_INIT;
    if (oltp_read(oltp, sql, strlen(sql), NULL, 0, NULL, true, &cursor, &error) != RHEI_OK)
        fail_msg("%s: %s", sql, error.message);
    assert_int_equal(oltp_cursor_next(cursor, &error), RHEI_ROW);
    oltp_cursor_value(cursor, 0, &value);
    assert_int_equal(value.type, RHEI_INTEGER);
    assert_int_equal(oltp_cursor_column_class(cursor, 0), RHEI_NULL); /* nobody knows the table */
    oltp_cursor_close(&cursor);
    return value.as.integer;
}

static void test_statements_run_without_anybody_who_knows_the_schema(void **state)
{
    (void)state;
    struct oltp *oltp = alone_open();
    struct rhei_value params[200];
    alone_write(oltp, "CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER)");
    alone_write(oltp, "INSERT INTO t VALUES(1, 10)");
    alone_write(oltp, "UPDATE t SET v = 11 WHERE id = 1");
    alone_write(oltp, "UPDATE t SET v = v + 1 WHERE rowid = 1");
    assert_int_equal(alone_int(oltp, "SELECT v FROM t"), 12);
    for (int i = 0; i < 200; i++)
        params[i] = (struct rhei_value){.type = RHEI_INTEGER, .as.integer = 100 + i / 2};
    static const char insert[] = "INSERT INTO t VALUES(?, ?)";
    struct oltp_result result = {0};
    assert_int_equal(oltp_write_many(oltp, insert, sizeof insert - 1, params, 2, 100, NULL, &result, NULL), RHEI_OK);
    assert_int_equal(result.changes, 100);
    assert_int_equal(result.position, 0); /* nothing is logged */
    alone_write(oltp, "ALTER TABLE t ADD COLUMN w DEFAULT 3");
    assert_int_equal(alone_int(oltp, "SELECT sum(w) FROM t"), 303);
    alone_write(oltp, "VACUUM");
    oltp_close(&oltp);
    assert_null(oltp);
}

static void test_sessions_and_scripts_run_without_anybody_who_knows_the_schema(void **state)
{
    (void)state;
    struct oltp *oltp = alone_open();
    struct oltp_session *session = NULL;
    static const char *const texts[] = {"BEGIN", "CREATE TABLE s(a)", "INSERT INTO s VALUES(1)", "ROLLBACK",
                                        "BEGIN", "CREATE TABLE s(b)", "INSERT INTO s VALUES(2)", "COMMIT"};
    assert_int_equal(oltp_session_open(oltp, &session, NULL), RHEI_OK);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct rhei_error error = RHEI_ERROR_INIT;
        if (oltp_session_run(session, texts[i], strlen(texts[i]), NULL, 0, NULL, NULL, NULL, &error) != RHEI_OK)
            fail_msg("%s: %s", texts[i], error.message);
    }
    oltp_session_close(&session);
    assert_int_equal(alone_int(oltp, "SELECT b FROM s"), 2);
    static const char script[] = "CREATE TABLE u(a); INSERT INTO u VALUES(1); INSERT INTO u VALUES(2);";
    assert_int_equal(oltp_write_script(oltp, script, sizeof script - 1, NULL, NULL, NULL), RHEI_OK);
    assert_int_equal(alone_int(oltp, "SELECT count(*) FROM u"), 2);
    oltp_close(&oltp);
}

static void test_facts_are_of_no_known_schema(void **state)
{
    (void)state;
    struct oltp *oltp = alone_open();
    struct oltp_facts facts;
    struct oltp_status status;
    static const char sql[] = "SELECT count(*) FROM t";
    alone_write(oltp, "CREATE TABLE t(a)");
    assert_int_equal(oltp_describe(oltp, sql, sizeof sql - 1, &facts, NULL), RHEI_OK);
    assert_int_equal(facts.kind, OLTP_SELECT);
    assert_int_equal(facts.schema_version, 0);
    oltp_facts_reset(&facts);
    assert_int_equal(oltp_get_status(oltp, &status, NULL), RHEI_OK);
    assert_int_equal(status.log_rows, 0);
    oltp_close(&oltp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements_run_without_anybody_who_knows_the_schema),
        cmocka_unit_test(test_sessions_and_scripts_run_without_anybody_who_knows_the_schema),
        cmocka_unit_test(test_facts_are_of_no_known_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
