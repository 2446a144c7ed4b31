/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is newer than its program, and the other way round: structs of other sizes than this header's. */
#include "tests/support/engine_fixture.h"

#include <string.h>

#include "rhei/rhei_doors.h"

enum { ROOM = 4096, MARK = 0x5a }; /* wider than any struct and what a newer one adds */

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)");
    must_be_built(fixture.db);
    return 0;
}

/* A place that says that it is of `size` bytes, and marks behind its number. */
static void *place(void *room, size_t size)
{
    memset(room, MARK, ROOM);
    memcpy(room, &size, sizeof size);
    return room;
}

/* Nothing from `end` on was written, and struct_size says `filled`. */
static void must_end_at(const void *room, size_t end, size_t filled)
{
    const unsigned char *bytes = room;
    size_t size;
    memcpy(&size, room, sizeof size);
    assert_int_equal(size, filled);
    for (size_t i = end; i < ROOM; i++)
        assert_int_equal(bytes[i], MARK);
}

static rhei_status fill_result(void *to, struct rhei_error *error)
{
    return rhei_execute(fixture.db, "INSERT INTO t (x) VALUES (1)", NULL, to, error);
}

static rhei_status fill_rows_result(void *to, struct rhei_error *error)
{
    rhei_rows *rows = NULL;
    rhei_status status = rhei_query(fixture.db, "INSERT INTO t (x) VALUES (1) RETURNING id", NULL, NULL, &rows, error);
    rhei_rows_result(rows, to);
    rhei_rows_close(&rows);
    return status;
}

static rhei_status fill_report(void *to, struct rhei_error *error)
{
    return rhei_sync_now(fixture.db, to, error);
}

static rhei_status fill_status(void *to, struct rhei_error *error)
{
    return rhei_sync_status(fixture.db, to, error);
}

static rhei_status fill_ingest(void *to, struct rhei_error *error)
{
    struct ArrowArrayStream stream;
    rhei_status status = rhei_query_arrow(fixture.db, "SELECT 7 AS x", NULL, NULL, &stream, error);
    return status == RHEI_OK ? rhei_ingest_arrow(fixture.db, "t", &stream, NULL, to, error) : status;
}

static void test_results_end_where_their_size_says(void **state)
{
    (void)state;
    static const struct {
        rhei_status (*fill)(void *to, struct rhei_error *error);
        size_t first, now;
    } cases[] = {
        {fill_result, 32, sizeof(struct rhei_result)},        {fill_rows_result, 32, sizeof(struct rhei_result)},
        {fill_report, 64, sizeof(struct rhei_sync_report)},   {fill_status, 384, sizeof(struct rhei_sync_status)},
        {fill_ingest, 24, sizeof(struct rhei_ingest_result)},
    };
    _Alignas(max_align_t) unsigned char room[ROOM];
    struct rhei_error error = RHEI_ERROR_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t first = cases[i].first, now = cases[i].now;
        assert_true(now + 64 < ROOM);
        assert_int_equal(cases[i].fill(place(room, first), &error), RHEI_OK); /* an older program */
        must_end_at(room, first, first);
        assert_int_equal(cases[i].fill(place(room, now), &error), RHEI_OK);
        must_end_at(room, now, now);
        assert_int_equal(cases[i].fill(place(room, now + 64), &error), RHEI_OK); /* a newer one */
        must_end_at(room, now, now);
        assert_int_equal(cases[i].fill(place(room, 0), &error), RHEI_OK); /* one that says nothing */
        must_end_at(room, first, first);
    }
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM t", RHEI_ROUTE_OLTP), 12);
}

static void test_an_event_ends_where_its_size_says(void **state)
{
    (void)state;
    _Alignas(max_align_t) unsigned char room[ROOM];
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_watcher *watcher = NULL;
    assert_int_equal(rhei_watch(fixture.db, NULL, &watcher, &error), RHEI_OK);
    must_execute(fixture.db, "INSERT INTO t (x) VALUES (1)");
    size_t before_names = offsetof(struct rhei_watch_event, tables);
    assert_int_equal(rhei_watch_next(watcher, 60000, place(room, before_names), &error), RHEI_OK);
    must_end_at(room, before_names, before_names);
    assert_int_equal(rhei_watch_next(watcher, 0, place(room, 0), &error), RHEI_INVALID);
    rhei_watch_close(&watcher);
}

/* Fields behind the size are as if they were 0, whatever lies there. */
static void test_options_end_where_their_size_says(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    struct rhei_query_options options;
    memset(&options, MARK, sizeof options); /* a route, time and flag of no sense */
    options.struct_size = offsetof(struct rhei_query_options, route);
    options.freshness = rhei_eventual();
    assert_int_equal(rhei_query(fixture.db, "SELECT 1", NULL, &options, &rows, &error), RHEI_OK);
    rhei_rows_close(&rows);
    options.struct_size = sizeof options;
    assert_int_equal(rhei_query(fixture.db, "SELECT 1", NULL, &options, &rows, &error), RHEI_INVALID);

    struct {
        struct rhei_call_options known;
        uint64_t newer[8];
    } call = {.known.struct_size = sizeof call, .newer = {1, 2, 3}};
    assert_int_equal(rhei_execute_with(fixture.db, "DELETE FROM t", NULL, &call.known, NULL, &error), RHEI_OK);

    struct rhei_config config;
    memset(&config, MARK, sizeof config);
    config.struct_size = offsetof(struct rhei_config, read_only);
    config.config_file = NULL;
    rhei_db *other = NULL;
    assert_int_equal(rhei_open(fixture.path, &config, &other, &error), RHEI_OK);
    rhei_close(&other);
}

static void test_lists_are_of_pointers_in_one_block(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_table_status **tables = NULL;
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    assert_int_equal(rhei_table_list(fixture.db, &tables, &count, &error), RHEI_OK);
    assert_int_equal(count, 1);
    assert_string_equal(tables[0]->name, "t");
    assert_int_equal(tables[0]->state, RHEI_TABLE_READY);
    rhei_free(tables);
    assert_int_equal(rhei_metric_list(fixture.db, &metrics, &count, &error), RHEI_OK);
    assert_true(count > 10);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(strncmp(metrics[i]->name, "rhei_", 5), 0);
    rhei_free(metrics);
}

/* As programs of the first version call them: arrays of structs, each as long as it was then. */
static void test_lists_of_the_first_version_stay(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_table_status *tables = NULL;
    struct rhei_metric *metrics = NULL;
    size_t count = 0;
    assert_int_equal(sizeof *tables, 552);
    assert_int_equal(sizeof *metrics, 40);
    must_execute(fixture.db, "CREATE TABLE u (id INTEGER PRIMARY KEY)");
    assert_int_equal(rhei_tables(fixture.db, &tables, &count, &error), RHEI_OK);
    assert_int_equal(count, 2);
    assert_int_not_equal(strcmp(tables[0].name, tables[1].name), 0);
    rhei_free(tables);
    assert_int_equal(rhei_metrics(fixture.db, &metrics, &count, &error), RHEI_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(strncmp(metrics[i].name, "rhei_", 5), 0);
    rhei_free(metrics);
    assert_int_equal(rhei_tables(fixture.db, NULL, &count, &error), RHEI_INVALID);
    assert_int_equal(rhei_metrics(fixture.db, NULL, &count, &error), RHEI_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_results_end_where_their_size_says, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_ends_where_its_size_says, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_options_end_where_their_size_says, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_lists_are_of_pointers_in_one_block, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_lists_of_the_first_version_stay, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
