/* SPDX-License-Identifier: Apache-2.0 */
/* Q1, Q5, Q7: freshness, limits, sessions. */
#include "tests/support/engine_fixture.h"
#include "tests/support/fair_time.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_begin_built(&fixture, "CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER)",
                        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000) "
                        "INSERT INTO t SELECT i, i % 10 FROM c");
    return 0;
}

static void test_q1_latest_sees_every_commit_before_the_call(void **state)
{
    (void)state;
    for (int64_t i = 1; i <= 300; i++) {
        must_execute(fixture.db, "INSERT INTO t(x) VALUES (77)");
        assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t WHERE x = 77", RHEI_ROUTE_OLAP), i);
    }
}

/* Nobody would build the table, so whoever demands the column store isn't kept waiting for it. */
static void test_d5_without_background_builds_a_demanded_read_says_who_builds(void **state)
{
    (void)state;
    struct fixture own;
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true};
    struct rhei_query_options olap = {.struct_size = sizeof olap, .route = RHEI_ROUTE_OLAP};
    fixture_init(&own);
    fixture_open(&own, &config);
    must_execute(own.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER)");
    must_execute(own.db, "INSERT INTO t VALUES (1, 2), (2, 3)");
    assert_int_equal(rhei_initial_sync(own.db, 0, NULL), RHEI_OK);
    assert_int_equal(must_int64(own.db, "SELECT sum(x) FROM t", RHEI_ROUTE_OLAP), 5);
    static const char *const changes[] = {
        ".dbconfig enable_trigger off\nUPDATE t SET x = 5 - x;", /* past its triggers */
        "ALTER TABLE t RENAME COLUMN x TO y; ALTER TABLE t RENAME COLUMN y TO x;",
        ("CREATE TABLE n(id INTEGER PRIMARY KEY, x INTEGER); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE "
         "n "
         "RENAME TO t;"),
        "ALTER TABLE t ADD COLUMN z DEFAULT 3;",
    };
    int again = 0;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const char *const arguments[] = {"sqlite3", "-cmd", ".timeout 60000", own.path, NULL};
        char output[256];
        assert_int_equal(run_program(arguments, changes[i], output, sizeof output), 0);
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_rows *rows = NULL;
        rhei_status status = rhei_query(own.db, "SELECT sum(x) FROM t", NULL, &olap, &rows, &error);
        rhei_rows_close(&rows);
        if (status != RHEI_OK) { /* or the change was explained, and the table went on */
            assert_int_equal(status, RHEI_OLAP_UNAVAILABLE);
            bool told = strstr(error.message, "call rhei_initial_sync, or route it to auto") != NULL;
            if (!told && strstr(error.message, "isn't built") == NULL) /* a table that is new */
                fail_msg("%s", error.message);
            again += told;
        }
        assert_int_equal(must_int64(own.db, "SELECT sum(x) FROM t", RHEI_ROUTE_AUTO), 5);
        assert_int_equal(rhei_initial_sync(own.db, 0, NULL), RHEI_OK);
        assert_int_equal(must_int64(own.db, "SELECT sum(x) FROM t", RHEI_ROUTE_OLAP), 5);
    }
    assert_true(again > 0);
    fixture_end(&own);
}

/* The executor is got ready when there is something to analyse, and not for small tables. */
static void test_the_executor_is_warm_once_a_large_table_is_built(void **state)
{
    (void)state;
    struct fixture own;
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true};
    fixture_init(&own);
    fixture_open(&own, &config);
    must_execute(own.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER)");
    must_execute(own.db, "INSERT INTO t VALUES (1, 1)");
    assert_int_equal(rhei_initial_sync(own.db, 0, NULL), RHEI_OK);
    must_execute(own.db, "CREATE TABLE u (id INTEGER PRIMARY KEY, x INTEGER)");
    must_execute(own.db, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 6000) "
                         "INSERT INTO u SELECT i, i % 10 FROM c");
    assert_int_equal(rhei_initial_sync(own.db, 0, NULL), RHEI_OK);
    char *info = NULL;
    bool loaded = false;
    for (int tries = 0; tries < 3000 && !loaded; tries++) {
        rhei_free(info);
        info = NULL;
        assert_int_equal(rhei_info_json(own.db, &info, NULL), RHEI_OK);
        loaded = strstr(info, "not loaded yet") == NULL;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    if (!loaded)
        fail_msg("%s", info);
    rhei_free(info);
    fixture_end(&own);
}

static void test_q1_latest_sees_another_process(void **state)
{
    (void)state;
    char sql[64];
    for (int i = 1; i <= 20; i++) {
        snprintf(sql, sizeof sql, "INSERT INTO t(x) VALUES (%d);", 1000 + i);
        const char *const arguments[] = {"sqlite3", "-cmd", ".timeout 60000", fixture.path, sql, NULL};
        char output[256]; /* it waits its turn beside the engine's own prune, as any program does */
        int code = run_program(arguments, "", output, sizeof output);
        if (code != 0)
            fail_msg("sqlite3: %s", output);
        assert_int_equal(must_int64(fixture.db, "SELECT max(x) FROM t", RHEI_ROUTE_OLAP), 1000 + i);
    }
}

static void test_q1_a_result_tells_position_and_age(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_result written = {0};
    assert_int_equal(rhei_execute(fixture.db, "INSERT INTO t(x) VALUES (1)", NULL, &written, &error), RHEI_OK);
    assert_true(written.position > 0);
    for (int32_t route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++) {
        struct rhei_query_options options = {.struct_size = sizeof options, .route = route};
        rhei_rows *rows = NULL;
        assert_int_equal(rhei_query(fixture.db, "SELECT count(*) FROM t", NULL, &options, &rows, &error), RHEI_OK);
        assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
        assert_int_equal(rhei_rows_position(rows), written.position);
        assert_int_equal(rhei_rows_age_us(rows), 0);
        rhei_rows_close(&rows);
    }
    struct rhei_query_options bounded = {
        .struct_size = sizeof bounded, .route = RHEI_ROUTE_OLAP, .freshness = rhei_bounded_ms(60000)};
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(fixture.db, "SELECT count(*) FROM t", NULL, &bounded, &rows, &error), RHEI_OK);
    assert_true(rhei_rows_age_us(rows) >= 0 && rhei_rows_age_us(rows) <= 60000000);
    rhei_rows_close(&rows);
}

/* Work without end on SQLite, and on the column store. */
static const char *const endless_oltp =
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT count(*) FROM c";
static const char *const endless_olap = "SELECT count(*) FROM t a, t b, t c, t d WHERE a.x + b.x + c.x + d.x = 3";

struct canceller {
    rhei_cancel *cancel;
};

static void *cancel_soon(void *argument)
{
    struct timespec moment = {.tv_nsec = 50000000};
    nanosleep(&moment, NULL);
    rhei_cancel_raise(((struct canceller *)argument)->cancel);
    return NULL;
}

static rhei_status run_to_end(const char *sql, const struct rhei_query_options *options)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    rhei_status status = rhei_query(fixture.db, sql, NULL, options, &rows, &error);
    while (status == RHEI_OK || status == RHEI_ROW)
        status = rhei_rows_next(rows, &error);
    rhei_rows_close(&rows);
    return status;
}

static void test_q5_a_query_can_be_cancelled(void **state)
{
    (void)state;
    const char *const texts[] = {endless_oltp, endless_olap};
    for (int i = 0; i < 2; i++) {
        struct canceller canceller = {NULL};
        assert_int_equal(rhei_cancel_create(&canceller.cancel, NULL), RHEI_OK);
        struct rhei_query_options options = {
            .struct_size = sizeof options, .route = RHEI_ROUTE_OLTP + i, .cancel = canceller.cancel};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &canceller), 0);
        assert_int_equal(run_to_end(texts[i], &options), RHEI_CANCELLED);
        pthread_join(thread, NULL);
        rhei_cancel_clear(canceller.cancel);
        assert_int_equal(run_to_end("SELECT count(*) FROM t", &options), RHEI_DONE);
        rhei_cancel_destroy(&canceller.cancel);
    }
}

static void test_q5_a_query_has_a_time_limit(void **state)
{
    (void)state;
    const char *const texts[] = {endless_oltp, endless_olap};
    for (int i = 0; i < 2; i++) {
        struct rhei_query_options options = {
            .struct_size = sizeof options, .route = RHEI_ROUTE_OLTP + i, .timeout_ms = 60};
        int64_t before = fair_processor_ns();
        assert_int_equal(run_to_end(texts[i], &options), RHEI_TIMEOUT);
        assert_true(fair_processor_ns() - before < INT64_C(5000000000));
    }
}

static void test_q5_a_slow_reader_stops_nobody(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_query_options olap = {.struct_size = sizeof olap, .route = RHEI_ROUTE_OLAP};
    rhei_rows *slow = NULL;
    assert_int_equal(
        rhei_query(fixture.db, "SELECT x, count(*) FROM t GROUP BY x ORDER BY x", NULL, &olap, &slow, &error), RHEI_OK);
    assert_int_equal(rhei_rows_next(slow, &error), RHEI_ROW);
    rhei_rows *slow_oltp = NULL;
    assert_int_equal(rhei_oltp_query(fixture.db, "SELECT x FROM t", NULL, &slow_oltp, &error), RHEI_OK);
    assert_int_equal(rhei_rows_next(slow_oltp, &error), RHEI_ROW);
    for (int i = 1; i <= 50; i++) {
        must_execute(fixture.db, "INSERT INTO t(x) VALUES (-5)");
        assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t WHERE x = -5", RHEI_ROUTE_OLAP), i);
    }
    int64_t rows = 1;
    while (rhei_rows_next(slow, &error) == RHEI_ROW)
        rows++;
    assert_int_equal(rows, 10);
    rhei_rows_close(&slow);
    rhei_rows_close(&slow_oltp);
}

static void test_q5_what_exceeds_the_memory_limit_spills(void **state)
{
    (void)state;
    struct fixture small;
    struct rhei_config config = {
        .struct_size = sizeof config, .prefer_olap = true, .olap_memory_limit = 160u << 20, .threads = 1};
    fixture_init(&small);
    fixture_open(&small, &config);
    must_execute(small.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)");
    must_execute(small.db, "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 600000) "
                           "INSERT INTO t SELECT i, 'a text of more than twelve bytes ' || i FROM c");
    must_be_built(small.db);
    assert_int_equal(must_int64(small.db,
                                "SELECT count(*) FROM (SELECT s, count(*) AS n FROM t GROUP BY s) WHERE n = 1",
                                RHEI_ROUTE_OLAP),
                     600000);
    fixture_end(&small);
}

static void test_q7_a_transaction_belongs_to_its_session(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_session *session = NULL;
    assert_int_equal(rhei_session_open(fixture.db, &session, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_true(rhei_session_in_transaction(session));
    assert_int_equal(rhei_session_execute(session, "INSERT INTO t(x) VALUES (501)", NULL, NULL, &error), RHEI_OK);
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_session_query(session, "SELECT count(*) FROM t WHERE x = 501", NULL, NULL, &rows, &error),
                     RHEI_OK);
    assert_int_equal(rhei_rows_next(rows, &error), RHEI_ROW);
    assert_int_equal(rhei_rows_int64(rows, 0), 1);
    rhei_rows_close(&rows);
    for (int32_t route = RHEI_ROUTE_OLTP; route <= RHEI_ROUTE_OLAP; route++)
        assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t WHERE x = 501", route), 0);
    assert_int_equal(rhei_session_execute(session, "ROLLBACK", NULL, NULL, &error), RHEI_OK);
    must_execute(fixture.db, "INSERT INTO t(x) VALUES (502)");
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t WHERE x = 501", RHEI_ROUTE_OLAP), 0);
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t WHERE x = 502", RHEI_ROUTE_OLAP), 1);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "INSERT INTO t(x) VALUES (503)", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "COMMIT", NULL, NULL, &error), RHEI_OK);
    assert_false(rhei_session_in_transaction(session));
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t WHERE x = 503", RHEI_ROUTE_OLAP), 1);
    assert_int_equal(rhei_session_execute(session, "BEGIN", NULL, NULL, &error), RHEI_OK);
    assert_int_equal(rhei_session_execute(session, "DELETE FROM t", NULL, NULL, &error), RHEI_OK);
    rhei_session_close(&session);
    assert_true(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLAP) > 3000);
    must_verify(fixture.db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_q1_latest_sees_every_commit_before_the_call, set_up, fixture_tear_down),
        cmocka_unit_test(test_the_executor_is_warm_once_a_large_table_is_built),
        cmocka_unit_test(test_d5_without_background_builds_a_demanded_read_says_who_builds),
        cmocka_unit_test_setup_teardown(test_q1_latest_sees_another_process, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q1_a_result_tells_position_and_age, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q5_a_query_can_be_cancelled, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q5_a_query_has_a_time_limit, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_q5_a_slow_reader_stops_nobody, set_up, fixture_tear_down),
        cmocka_unit_test(test_q5_what_exceeds_the_memory_limit_spills),
        cmocka_unit_test_setup_teardown(test_q7_a_transaction_belongs_to_its_session, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
