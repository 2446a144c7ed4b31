/* SPDX-License-Identifier: Apache-2.0 */
/* Databases of many tables, in which new ones wait for their triggers: every answer is right meanwhile. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

enum { MANY = 130, ROUNDS = 12 };

static void make_tables(rhei_db *db)
{
    static char script[MANY * 64];
    size_t len = 0;
    for (int i = 0; i < MANY; i++)
        len += (size_t)snprintf(script + len, sizeof script - len, "CREATE TABLE t%d(id INTEGER PRIMARY KEY, x);", i);
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rhei_execute_script(db, script, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

static void execute_in(rhei_db *db, const char *form, int number)
{
    char sql[160];
    snprintf(sql, sizeof sql, form, number, number);
    must_execute(db, sql);
}

static int64_t sum_of(rhei_db *db, int number, int32_t route)
{
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT ifnull(sum(x), 0) FROM n%d", number);
    return must_int64(db, sql, route);
}

static void insert_from_outside(struct fixture *fixture, int number)
{
    char sql[64], output[256];
    snprintf(sql, sizeof sql, "INSERT INTO n%d(x) VALUES(1000)", number);
    const char *const arguments[] = {"sqlite3", "-cmd", ".timeout 60000", fixture->path, sql, NULL};
    if (run_program(arguments, "", output, sizeof output) != 0)
        fail_msg("sqlite3: %s", output);
}

static void test_q1_new_tables_among_many_answer_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin_olap(&fixture);
    make_tables(fixture.db);
    for (int i = 0; i < ROUNDS; i++) {
        execute_in(fixture.db, "CREATE TABLE n%d(id INTEGER PRIMARY KEY, x)", i);
        assert_int_equal(sum_of(fixture.db, i, RHEI_ROUTE_AUTO), 0);
        execute_in(fixture.db, "INSERT INTO n%d(x) VALUES(1), (2)", i);
        assert_int_equal(sum_of(fixture.db, i, RHEI_ROUTE_AUTO), 3);
        if (i % 3 == 0)
            insert_from_outside(&fixture, i);
        else if (i % 3 == 1)
            execute_in(fixture.db, "ALTER TABLE n%d ADD COLUMN w DEFAULT 4", i);
        assert_int_equal(sum_of(fixture.db, i, RHEI_ROUTE_AUTO), i % 3 == 0 ? 1003 : 3);
    }
    must_be_built(fixture.db);
    for (int i = 0; i < ROUNDS; i++) {
        execute_in(fixture.db, "UPDATE n%d SET x = x + 1", i);
        assert_int_equal(sum_of(fixture.db, i, RHEI_ROUTE_OLAP), i % 3 == 0 ? 1006 : 5);
    }
    fixture_end(&fixture);
}

/* Nobody syncs by himself: an initial sync has the tables that wait. */
static void test_a3_an_initial_sync_has_the_tables_that_wait(void **state)
{
    (void)state;
    struct fixture fixture;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .prefer_olap = true, .manual_sync = true};
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    make_tables(fixture.db);
    assert_int_equal(rhei_initial_sync(fixture.db, 0, &error), RHEI_OK);
    for (int i = 0; i < ROUNDS; i++) {
        execute_in(fixture.db, "CREATE TABLE n%d(id INTEGER PRIMARY KEY, x)", i);
        execute_in(fixture.db, "INSERT INTO n%d(x) VALUES(5)", i);
        if (i % 4 == 3)
            insert_from_outside(&fixture, i);
        if (rhei_initial_sync(fixture.db, 0, &error) != RHEI_OK)
            fail_msg("%s", error.message);
        assert_int_equal(sum_of(fixture.db, i, RHEI_ROUTE_OLAP), i % 4 == 3 ? 1005 : 5);
        execute_in(fixture.db, "INSERT INTO n%d(x) VALUES(7)", i);
        assert_int_equal(sum_of(fixture.db, i, RHEI_ROUTE_OLAP), i % 4 == 3 ? 1012 : 12);
    }
    fixture_end(&fixture);
}

/* Another session's transaction keeps new tables waiting: who insists on them is told, everybody else is answered. */
static void test_a3_an_initial_sync_says_that_a_writer_holds_it_back(void **state)
{
    (void)state;
    struct fixture fixture;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true, .busy_timeout_ms = 100};
    rhei_session *session = NULL;
    fixture_init(&fixture);
    fixture_open(&fixture, &config);
    make_tables(fixture.db);
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    must_execute(fixture.db, "CREATE TABLE n0(id INTEGER PRIMARY KEY, x)");
    assert_int_equal(rhei_session_execute(session, "BEGIN IMMEDIATE", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(sum_of(fixture.db, 0, RHEI_ROUTE_AUTO), 0);
    rhei_status status =
        rhei_initial_sync(fixture.db, 0, &error); /* the maintenance may have been before the session */
    assert_true(status == RHEI_OK || status == RHEI_BUSY);
    assert_int_equal(rhei_session_execute(session, "INSERT INTO n0(x) VALUES(3)", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(sum_of(fixture.db, 0, RHEI_ROUTE_AUTO), 3);
    while ((status = rhei_initial_sync(fixture.db, 0, &error)) == RHEI_BUSY) {
    }
    assert_int_equal(status, RHEI_OK);
    assert_int_equal(sum_of(fixture.db, 0, RHEI_ROUTE_OLAP), 3);
    rhei_session_close(&session);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q1_new_tables_among_many_answer_at_once),
        cmocka_unit_test(test_a3_an_initial_sync_has_the_tables_that_wait),
        cmocka_unit_test(test_a3_an_initial_sync_says_that_a_writer_holds_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
