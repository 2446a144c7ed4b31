/* SPDX-License-Identifier: Apache-2.0 */
/* What is told from outside of any statement: statements that are over, how long they took, and settings before anything is opened. */
#include "rhei/rhei_doors.h"
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_clock.h"

struct told {
    int count;
    char sql[200], route[8];
    rhei_status status;
    int64_t duration_us, begun_us;
};

static void hear(void *context, const struct rhei_statement_event *event)
{
    struct told *told = context;
    assert_int_equal(event->struct_size, sizeof *event);
    told->count++;
    snprintf(told->sql, sizeof told->sql, "%.*s", (int)event->sql_length, event->sql);
    snprintf(told->route, sizeof told->route, "%s", event->route);
    told->status = event->status;
    told->duration_us = event->duration_us;
    told->begun_us = event->begun_us;
}

static rhei_db *open_told(struct told *told)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    const struct rhei_config config = {
        .struct_size = sizeof config, .on_statement = hear, .on_statement_context = told};
    rhei_db *db = NULL;
    if (rhei_open(":memory:", &config, &db, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return db;
}

static void must_have_heard(const struct told *told, int count, const char *sql, const char *route, rhei_status status)
{
    assert_int_equal(told->count, count);
    assert_string_equal(told->sql, sql);
    assert_string_equal(told->route, route);
    assert_int_equal(told->status, status);
    assert_true(told->duration_us >= 0 && told->begun_us > 1600000000000000);
}

static void test_each_statement_is_told_once_when_it_is_over(void **state)
{
    (void)state;
    struct told told = {0};
    rhei_db *db = open_told(&told);
    const char *create = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)", *insert = "INSERT INTO t (b) VALUES (?)";
    assert_int_equal(rhei_execute(db, create, NULL, NULL, NULL), RHEI_OK);
    must_have_heard(&told, 1, create, "oltp", RHEI_OK);
    assert_int_equal(rhei_execute(db, insert, RHEI_PARAMS(rhei_text("secret")), NULL, NULL), RHEI_OK);
    must_have_heard(&told, 2, insert, "oltp", RHEI_OK);
    assert_int_equal(rhei_execute(db, "INSERT INTO t VALUES (1, 'x')", NULL, NULL, NULL), RHEI_CONSTRAINT);
    must_have_heard(&told, 3, "INSERT INTO t VALUES (1, 'x')", "oltp", RHEI_CONSTRAINT);

    rhei_rows *rows = NULL;
    assert_int_equal(rhei_query(db, "SELECT b FROM t", NULL, NULL, &rows, NULL), RHEI_OK);
    assert_int_equal(told.count, 3); /* its rows aren't read yet */
    assert_int_equal(rhei_rows_next(rows, NULL), RHEI_ROW);
    assert_int_equal(rhei_rows_next(rows, NULL), RHEI_DONE);
    must_have_heard(&told, 4, "SELECT b FROM t", "oltp", RHEI_OK);
    rhei_rows_close(&rows);
    assert_int_equal(told.count, 4);
    assert_int_equal(rhei_query(db, "SELECT a FROM t", NULL, NULL, &rows, NULL), RHEI_OK);
    rhei_rows_close(&rows);
    must_have_heard(&told, 5, "SELECT a FROM t", "oltp", RHEI_OK);
    assert_int_equal(rhei_query(db, "SELECT gone FROM t", NULL, NULL, &rows, NULL), RHEI_SQL);
    must_have_heard(&told, 6, "SELECT gone FROM t", "oltp", RHEI_SQL);
    rhei_close(&db);
}

static void test_an_arrow_stream_is_told_when_it_is_released(void **state)
{
    (void)state;
    struct told told = {0};
    rhei_db *db = open_told(&told);
    assert_int_equal(rhei_execute(db, "CREATE TABLE t (a INTEGER PRIMARY KEY)", NULL, NULL, NULL), RHEI_OK);
    assert_int_equal(rhei_initial_sync(db, 60000, NULL), RHEI_OK);
    const struct rhei_query_options options = {.struct_size = sizeof options, .route = RHEI_ROUTE_OLAP};
    struct ArrowArrayStream stream;
    assert_int_equal(rhei_query_arrow(db, "SELECT count(*) FROM t", NULL, &options, &stream, NULL), RHEI_OK);
    stream.release(&stream);
    must_have_heard(&told, 2, "SELECT count(*) FROM t", "olap", RHEI_OK);
    rhei_close(&db);
}

static double value_of(rhei_db *db, const char *name, const char *labels)
{
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    double value = -1;
    assert_int_equal(rhei_metric_list(db, &metrics, &count, NULL), RHEI_OK);
    for (size_t at = 0; at < count; at++)
        if (strcmp(metrics[at]->name, name) == 0 && strcmp(metrics[at]->labels, labels) == 0)
            value = metrics[at]->value;
    rhei_free(metrics);
    return value;
}

static void test_buckets_hold_every_query_and_commit(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin_built(&fixture, "CREATE TABLE t (a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)");
    double before = value_of(fixture.db, "rhei_commit_seconds_count", "");
    double asked = value_of(fixture.db, "rhei_query_seconds_count", "route=\"oltp\"");
    for (int i = 0; i < 5; i++) {
        assert_int_equal(rhei_execute(fixture.db, "INSERT INTO t DEFAULT VALUES", NULL, NULL, NULL), RHEI_OK);
        must_int64(fixture.db, "SELECT max(a) FROM t", RHEI_ROUTE_OLTP);
    }
    assert_true(value_of(fixture.db, "rhei_commit_seconds_count", "") - before >= 5);
    assert_true(value_of(fixture.db, "rhei_commit_seconds_sum", "") > 0);
    assert_true(value_of(fixture.db, "rhei_query_seconds_count", "route=\"oltp\"") - asked == 5);
    assert_true(value_of(fixture.db, "rhei_query_seconds_bucket", "route=\"oltp\",le=\"+Inf\"") ==
                value_of(fixture.db, "rhei_query_seconds_count", "route=\"oltp\""));
    fixture_end(&fixture);
}

/* Statements alone are counted: what capture and sync have the connection for is nobody's commit. */
static void test_commits_are_those_of_writes(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_begin_built(&fixture, "CREATE TABLE t (a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)");
    for (int i = 0; i < 5; i++)
        assert_int_equal(rhei_execute(fixture.db, "INSERT INTO t DEFAULT VALUES", NULL, NULL, NULL), RHEI_OK);
    assert_true(value_of(fixture.db, "rhei_oltp_statements_total", "") >= 5);
    assert_true(value_of(fixture.db, "rhei_commits_total", "") ==
                value_of(fixture.db, "rhei_oltp_statements_total", ""));
    fixture_end(&fixture);
}

static void test_how_long_a_change_waits_is_counted_once_it_is_shown(void **state)
{
    (void)state;
    const struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true};
    rhei_db *db = NULL;
    assert_int_equal(rhei_open(":memory:", &config, &db, NULL), RHEI_OK);
    assert_int_equal(rhei_execute(db, "CREATE TABLE t (a INTEGER PRIMARY KEY)", NULL, NULL, NULL), RHEI_OK);
    assert_int_equal(rhei_initial_sync(db, 60000, NULL), RHEI_OK);
    double waited = 0;
    for (int i = 0; waited < 0.065; i++) { /* what the load began may go on for a moment, and show it at once */
        assert_true(i < 100);
        assert_int_equal(rhei_execute(db, "INSERT INTO t DEFAULT VALUES", NULL, NULL, NULL), RHEI_OK);
        for (int64_t until = base_wall_ms() + 70; base_wall_ms() < until;)
            continue;
        double before = value_of(db, "rhei_sync_delay_seconds_sum", "");
        assert_int_equal(rhei_sync_now(db, NULL, NULL), RHEI_OK);
        waited = value_of(db, "rhei_sync_delay_seconds_sum", "") - before;
        assert_true(value_of(db, "rhei_sync_delay_seconds_count", "") == i + 1);
    }
    assert_true(waited < 60);
    double count = value_of(db, "rhei_sync_delay_seconds_count", "");
    assert_int_equal(rhei_sync_now(db, NULL, NULL), RHEI_OK); /* there is nothing to be shown */
    assert_true(value_of(db, "rhei_sync_delay_seconds_count", "") == count);
    rhei_close(&db);
}

/* A call of the API that reads its rows to their end. */
static void ask_all(rhei_db *db, const char *sql, enum rhei_route route)
{
    const struct rhei_query_options options = {.struct_size = sizeof options, .route = (int32_t)route};
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    rhei_status status = rhei_query(db, sql, NULL, &options, &rows, &error);
    while (status == RHEI_OK || status == RHEI_ROW)
        status = rhei_rows_next(rows, &error);
    rhei_rows_close(&rows);
}

static void must_have_counted(rhei_db *db, int oltp, int olap, int writes)
{
    assert_true(value_of(db, "rhei_query_routed_total", "target=\"oltp\"") == oltp);
    assert_true(value_of(db, "rhei_query_routed_total", "target=\"olap\"") == olap);
    assert_true(value_of(db, "rhei_queries_total", "") == oltp + olap);
    assert_true(value_of(db, "rhei_query_seconds_count", "route=\"oltp\"") == oltp);
    assert_true(value_of(db, "rhei_query_seconds_count", "route=\"olap\"") == olap);
    assert_true(value_of(db, "rhei_writes_total", "") == writes);
}

static void test_a_query_is_counted_once_and_nothing_else_as_one(void **state)
{
    (void)state;
    struct told told = {0};
    rhei_db *db = open_told(&told);
    assert_int_equal(rhei_execute(db, "CREATE TABLE t (a INTEGER PRIMARY KEY)", NULL, NULL, NULL), RHEI_OK);
    assert_int_equal(rhei_initial_sync(db, 60000, NULL), RHEI_OK);
    must_have_counted(db, 0, 0, 1);
    ask_all(db, "SELECT a FROM t", RHEI_ROUTE_OLTP);
    must_have_counted(db, 1, 0, 1);
    ask_all(db, "SELECT sum(a) FROM t", RHEI_ROUTE_OLAP);
    must_have_counted(db, 1, 1, 1);
    ask_all(db, "INSERT INTO t VALUES (1)", RHEI_ROUTE_AUTO);
    ask_all(db, "INSERT INTO t VALUES (2) RETURNING a", RHEI_ROUTE_AUTO);
    must_have_counted(db, 1, 1, 3);
    ask_all(db, "EXPLAIN ROUTE SELECT sum(a) FROM t", RHEI_ROUTE_AUTO);
    ask_all(db, "SELECT gone FROM t", RHEI_ROUTE_AUTO);
    ask_all(db, "BEGIN", RHEI_ROUTE_AUTO);
    ask_all(db, "-- nothing", RHEI_ROUTE_AUTO);
    rhei_rows *rows = NULL;
    assert_int_equal(rhei_oltp_query(db, "SELECT 1", NULL, &rows, NULL), RHEI_OK);
    rhei_rows_close(&rows);
    must_have_counted(db, 1, 1, 3);
    rhei_close(&db);
}

/* ---- Settings. ---- */

static const struct rhei_effective *find(struct rhei_effective **list, size_t count, const char *section,
                                         const char *name)
{
    for (size_t at = 0; at < count; at++)
        if (strcmp(list[at]->section, section) == 0 && strcmp(list[at]->name, name) == 0)
            return list[at];
    fail_msg("%s isn't told", name);
    return NULL;
}

static void test_settings_are_told_with_their_origin(void **state)
{
    (void)state;
    char path[] = "/tmp/rhei-told-XXXXXX";
    int fd = mkstemp(path);
    const char text[] =
        "[engine]\nthreads = 2\nflight_auth_token = \"secret\"\nolap_path = \"a \\\"b\"\n[[tables]]\nname = \"t\"\n";
    assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
    (void)close(fd);
    const struct rhei_override overrides[] = {{"threads", "3", "here"}, {"read_pool_size", "5", "there"}};
    struct rhei_effective **list = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    size_t count = 0;
    assert_int_equal(rhei_effective_list(path, overrides, 2, &list, &count, &error), RHEI_OK);
    const struct rhei_effective *setting = find(list, count, "engine", "threads");
    assert_string_equal(setting->value, "3");
    assert_string_equal(setting->origin, "here");
    assert_string_equal(find(list, count, "engine", "read_pool_size")->origin, "there");
    assert_string_equal(find(list, count, "engine", "flight_auth_token")->value, "set, but never shown");
    setting = find(list, count, "engine", "olap_path");
    assert_string_equal(setting->value, "\"a \\\"b\"");
    assert_non_null(strstr(setting->origin, ":4"));
    assert_string_equal(find(list, count, "engine", "wal_limit")->origin, "default");
    assert_non_null(strstr(find(list, count, "tables", "t")->origin, ":5"));
    rhei_free(list);
    const struct rhei_override bad = {"threads", "none", "the environment's RHEI_THREADS"};
    assert_int_equal(rhei_effective_list(NULL, &bad, 1, &list, &count, &error), RHEI_CONFIG);
    assert_non_null(strstr(error.message, "the environment's RHEI_THREADS: threads can't be \"none\""));
    char *value = NULL;
    const struct rhei_override other = {"flight_users_file", "users", "here"};
    assert_int_equal(rhei_door_setting_read(path, &other, 1, "flight_auth_token", &value, &error), RHEI_OK);
    assert_string_equal(value, "secret"); /* to who builds the door */
    rhei_free(value);
    assert_int_equal(rhei_door_setting_read(path, &other, 1, "flight_users_file", &value, &error), RHEI_OK);
    assert_string_equal(value, "users");
    rhei_free(value);
    assert_int_equal(rhei_door_setting_read(NULL, NULL, 0, "flight_users_file", &value, &error), RHEI_OK);
    assert_null(value);
    assert_int_equal(rhei_door_setting_read(NULL, NULL, 0, "threads", &value, &error), RHEI_NOT_FOUND);
    assert_int_equal(rhei_door_setting_read(NULL, &bad, 1, "flight_listen", &value, &error), RHEI_CONFIG);
    assert_int_equal(rhei_door_setting_read(NULL, NULL, 0, NULL, &value, &error), RHEI_INVALID);
    (void)unlink(path);
}

static void test_overrides_win_over_the_file_and_lose_against_fields(void **state)
{
    (void)state;
    const struct rhei_override overrides[] = {{"read_pool_size", "3", "here"}, {"busy_timeout_ms", "77", "here"}};
    const struct rhei_config config = {
        .struct_size = sizeof config, .overrides = overrides, .override_count = 2, .busy_timeout_ms = 88};
    rhei_db *db = NULL;
    char *json = NULL;
    assert_int_equal(rhei_open(":memory:", &config, &db, NULL), RHEI_OK);
    assert_int_equal(rhei_info_json(db, &json, NULL), RHEI_OK);
    assert_non_null(strstr(json, "\"read_pool_size\": 3,"));
    assert_non_null(strstr(json, "\"busy_timeout_ms\": 88,"));
    rhei_free(json);
    rhei_close(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_statement_is_told_once_when_it_is_over),
        cmocka_unit_test(test_an_arrow_stream_is_told_when_it_is_released),
        cmocka_unit_test(test_buckets_hold_every_query_and_commit),
        cmocka_unit_test(test_commits_are_those_of_writes),
        cmocka_unit_test(test_how_long_a_change_waits_is_counted_once_it_is_shown),
        cmocka_unit_test(test_a_query_is_counted_once_and_nothing_else_as_one),
        cmocka_unit_test(test_settings_are_told_with_their_origin),
        cmocka_unit_test(test_overrides_win_over_the_file_and_lose_against_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
