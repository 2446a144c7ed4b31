/* SPDX-License-Identifier: Apache-2.0 */
/* Being told of changes. */
#include "tests/support/engine_fixture.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/base_thread.h"
#include "rhei/rhei_doors.h"

enum { LONG_MS = 60000 };

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE a (id INTEGER PRIMARY KEY, x)");
    must_execute(fixture.db, "CREATE TABLE b (id INTEGER PRIMARY KEY, x)");
    must_be_built(fixture.db);
    return 0;
}

static rhei_watcher *watch(const struct rhei_watch_options *options)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_watcher *watcher = NULL;
    if (rhei_watch(fixture.db, options, &watcher, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    return watcher;
}

static rhei_watcher *watch_one(const char *table)
{
    return watch(&(struct rhei_watch_options){
        .struct_size = sizeof(struct rhei_watch_options), .tables = &table, .table_count = 1});
}

static bool names(const struct rhei_watch_event *event, const char *table)
{
    for (uint32_t i = 0; i < event->table_count; i++)
        if (strcmp(event->tables[i], table) == 0)
            return true;
    return event->all;
}

/* Waits until this table was told, whatever else is; the position of that event. */
static int64_t must_tell(rhei_watcher *watcher, const char *table)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_watch_event event = {.struct_size = sizeof event};
    do {
        if (rhei_watch_next(watcher, LONG_MS, &event, &error) != RHEI_OK)
            fail_msg("%s: %s", table, error.message);
    } while (!names(&event, table));
    return event.position;
}

static bool readable(const rhei_watcher *watcher, int wait_ms)
{
    struct pollfd look = {.fd = rhei_watch_fd(watcher), .events = POLLIN};
    return poll(&look, 1, wait_ms) == 1;
}

static void test_a_commit_is_told_with_its_tables_and_position(void **state)
{
    (void)state;
    rhei_watcher *watcher = watch(NULL);
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_result result = {.struct_size = sizeof result};
    assert_int_equal(rhei_execute(fixture.db, "INSERT INTO a VALUES (1, 1)", NULL, &result, &error), RHEI_OK);
    assert_true(readable(watcher, LONG_MS));
    struct rhei_watch_event event = {.struct_size = sizeof event};
    int64_t position = 0;
    while (position < result.position) { /* an earlier event may be about the tables that were just made */
        assert_int_equal(rhei_watch_next(watcher, LONG_MS, &event, &error), RHEI_OK);
        position = event.position;
    }
    assert_true(names(&event, "a"));
    assert_false(names(&event, "b"));
    assert_int_equal(rhei_watch_next(watcher, 0, &event, &error), RHEI_TIMEOUT);
    assert_false(readable(watcher, 0));
    assert_int_equal(must_int64(fixture.db, "SELECT count(*) FROM a", RHEI_ROUTE_OLAP), 1);
    rhei_watch_close(&watcher);
    assert_null(watcher);
}

static void test_many_commits_become_one_event(void **state)
{
    (void)state;
    rhei_watcher *watcher = watch(NULL);
    struct rhei_error error = RHEI_ERROR_INIT;
    for (int i = 0; i < 50; i++) {
        must_execute(fixture.db, i % 2 ? "INSERT INTO a (x) VALUES (1)" : "INSERT INTO b (x) VALUES (1)");
        assert_int_equal(rhei_sync_now(fixture.db, NULL, &error), RHEI_OK);
    }
    struct rhei_watch_event event = {.struct_size = sizeof event};
    assert_int_equal(rhei_watch_next(watcher, 0, &event, &error), RHEI_OK);
    assert_true(names(&event, "a") && names(&event, "b"));
    assert_int_equal(event.table_count, 2);
    assert_int_equal(rhei_watch_next(watcher, 0, &event, &error), RHEI_TIMEOUT);
    rhei_watch_close(&watcher);
}

static void test_a_filter_tells_its_tables_only(void **state)
{
    (void)state;
    rhei_watcher *only_b = watch_one("B"), *later = watch_one("later");
    struct rhei_error error = RHEI_ERROR_INIT;
    must_execute(fixture.db, "INSERT INTO a (x) VALUES (1)");
    assert_int_equal(rhei_sync_now(fixture.db, NULL, &error), RHEI_OK);
    struct rhei_watch_event event = {.struct_size = sizeof event};
    assert_int_equal(rhei_watch_next(only_b, 0, &event, &error), RHEI_TIMEOUT);
    must_execute(fixture.db, "DELETE FROM b");
    must_execute(fixture.db, "INSERT INTO b (x) VALUES (1)");
    must_tell(only_b, "b");
    must_execute(fixture.db, "CREATE TABLE later (id INTEGER PRIMARY KEY)");
    must_tell(later, "later");
    rhei_watch_close(&only_b);
    rhei_watch_close(&later);
}

static void test_other_handles_and_processes_are_told(void **state)
{
    (void)state;
    rhei_watcher *watcher = watch_one("a");
    const char *const arguments[] = {
        "sqlite3", "-cmd", ".timeout 60000", fixture.path, "INSERT INTO a VALUES (70, 'foreign')", NULL};
    char output[256];
    assert_int_equal(run_program(arguments, "", output, sizeof output), 0);
    must_tell(watcher, "a");
    rhei_db *other = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .olap_backend = RHEI_OLAP_NONE};
    assert_int_equal(rhei_open(fixture.path, &config, &other, &error), RHEI_OK);
    must_execute(other, "INSERT INTO a VALUES (71, 'other')");
    must_tell(watcher, "a");
    rhei_close(&other);
    rhei_watch_close(&watcher);
}

static void test_what_schema_changes_and_rebuilds_do_is_told(void **state)
{
    (void)state;
    rhei_watcher *watcher = watch(NULL);
    struct rhei_error error = RHEI_ERROR_INIT;
    must_execute(fixture.db, "CREATE TABLE made (id INTEGER PRIMARY KEY, x)");
    must_tell(watcher, "made");
    must_execute(fixture.db, "ALTER TABLE made ADD COLUMN y DEFAULT 7");
    must_tell(watcher, "made");
    must_be_built(fixture.db);
    must_execute(fixture.db, "ALTER TABLE made RENAME TO renamed");
    must_tell(watcher, "renamed");
    must_be_built(fixture.db);
    assert_int_equal(rhei_rebuild(fixture.db, "b", &error), RHEI_OK);
    must_tell(watcher, "b");
    must_execute(fixture.db, "DROP TABLE renamed");
    must_tell(watcher, "renamed");
    rhei_watch_close(&watcher);
}

static void test_too_many_tables_are_told_as_all(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct fixture many;
    fixture_init(&many);
    fixture_open(&many, NULL);
    struct rhei_watch_options options = {.struct_size = sizeof options};
    rhei_watcher *watcher = NULL, *one = NULL;
    const char *last = "t1099";
    assert_int_equal(rhei_watch(many.db, &options, &watcher, &error), RHEI_OK);
    options.tables = &last;
    options.table_count = 1;
    assert_int_equal(rhei_watch(many.db, &options, &one, &error), RHEI_OK);
    static char script[1100 * 48];
    size_t len = 0;
    for (int i = 0; i < 1100; i++)
        len += (size_t)snprintf(script + len, sizeof script - len, "CREATE TABLE t%d (id INTEGER PRIMARY KEY);", i);
    assert_int_equal(rhei_execute_script(many.db, script, NULL, &error), RHEI_OK);
    must_be_built(many.db);
    assert_int_equal(rhei_sync_now(many.db, NULL, &error), RHEI_OK); /* the cycle that showed the last one is over */
    struct rhei_watch_event event = {.struct_size = sizeof event};
    assert_int_equal(rhei_watch_next(watcher, LONG_MS, &event, &error), RHEI_OK);
    assert_true(event.all);
    assert_int_equal(event.table_count, 0);
    assert_int_equal(rhei_watch_next(one, LONG_MS, &event, &error), RHEI_OK);
    assert_true(!event.all && names(&event, "t1099"));
    rhei_watch_close(&watcher);
    rhei_watch_close(&one);
    fixture_end(&many);
}

static void count_wake(void *context)
{
    atomic_fetch_add((atomic_int *)context, 1);
}

static void test_wake_is_called_once_for_what_was_not_taken(void **state)
{
    (void)state;
    atomic_int wakes = 0;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_watcher *watcher = watch(&(struct rhei_watch_options){
        .struct_size = sizeof(struct rhei_watch_options), .wake = count_wake, .wake_context = &wakes});
    for (int i = 0; i < 3; i++) {
        must_execute(fixture.db, "INSERT INTO a (x) VALUES (1)");
        assert_int_equal(rhei_sync_now(fixture.db, NULL, &error), RHEI_OK);
    }
    assert_int_equal(atomic_load(&wakes), 1);
    must_tell(watcher, "a");
    must_execute(fixture.db, "INSERT INTO a (x) VALUES (1)");
    assert_int_equal(rhei_sync_now(fixture.db, NULL, &error), RHEI_OK);
    assert_int_equal(atomic_load(&wakes), 2);
    rhei_watch_close(&watcher);
    must_execute(fixture.db, "INSERT INTO a (x) VALUES (1)");
    assert_int_equal(rhei_sync_now(fixture.db, NULL, &error), RHEI_OK);
    assert_int_equal(atomic_load(&wakes), 2);
}

static void raise_cancel(void *context)
{
    rhei_cancel_raise(context);
}

static void test_waiting_ends_by_time_and_by_cancel(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_cancel *cancel = NULL;
    assert_int_equal(rhei_cancel_create(&cancel, &error), RHEI_OK);
    const char *table = "nobody writes it";
    rhei_watcher *watcher = watch(&(struct rhei_watch_options){
        .struct_size = sizeof(struct rhei_watch_options), .tables = &table, .table_count = 1, .cancel = cancel});
    struct rhei_watch_event event = {.struct_size = sizeof event};
    assert_int_equal(rhei_watch_next(watcher, 20, &event, &error), RHEI_TIMEOUT);
    base_thread thread;
    assert_int_equal(base_thread_start(&thread, "raise", raise_cancel, cancel, &error), RHEI_OK);
    assert_int_equal(rhei_watch_next(watcher, -1, &event, &error), RHEI_CANCELLED);
    base_thread_join(&thread);
    rhei_watch_close(&watcher);
    rhei_cancel_destroy(&cancel);
}

/* The first cycle of a handle skips what is in the log; of tables that aren't built it alone could tell. */
static void test_a_handle_that_syncs_when_asked_tells_from_its_first_sync_on(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_config config = {.struct_size = sizeof config, .manual_sync = true};
    rhei_close(&fixture.db);
    for (int built = 0; built < 2; built++) {
        fixture_open(&fixture, &config);
        if (built)
            must_be_built(fixture.db);
        rhei_watcher *one = watch(NULL), *other = watch_one("b");
        for (int i = 0; i < 3; i++) {
            const char *table = i % 2 == 0 ? "a" : "b";
            must_execute(fixture.db, i % 2 == 0 ? "INSERT INTO a(x) VALUES (1)" : "UPDATE b SET x = 2");
            must_execute(fixture.db, "INSERT INTO b(x) VALUES (1)");
            assert_int_equal(rhei_sync_now(fixture.db, NULL, &error), RHEI_OK);
            (void)must_tell(one, table);
            (void)must_tell(other, "b");
        }
        rhei_watch_close(&other);
        rhei_watch_close(&one);
        if (!built)
            rhei_close(&fixture.db);
    }
}

static void test_a_renamed_table_is_told_by_both_names(void **state)
{
    (void)state;
    rhei_watcher *all = watch(NULL), *old = watch_one("a"), *new = watch_one("c");
    must_execute(fixture.db, "ALTER TABLE a RENAME TO c");
    (void)must_tell(old, "a");
    must_execute(fixture.db, "INSERT INTO c(x) VALUES (1)");
    (void)must_tell(new, "c");
    (void)must_tell(all, "c");
    rhei_watch_close(&new);
    rhei_watch_close(&old);
    rhei_watch_close(&all);
}

static void test_handles_that_follow_nothing_say_so(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_db *other = NULL;
    rhei_watcher *watcher = NULL;
    struct rhei_config config = {.struct_size = sizeof config, .olap_backend = RHEI_OLAP_NONE};
    assert_int_equal(rhei_open(fixture.path, &config, &other, &error), RHEI_OK);
    assert_int_equal(rhei_watch(other, NULL, &watcher, &error), RHEI_OLAP_UNAVAILABLE);
    rhei_close(&other);
    config = (struct rhei_config){.struct_size = sizeof config, .read_only = true};
    assert_int_equal(rhei_open(fixture.path, &config, &other, &error), RHEI_OK);
    assert_int_equal(rhei_watch(other, NULL, &watcher, &error), RHEI_READ_ONLY);
    rhei_close(&other);
    assert_int_equal(rhei_watch(NULL, NULL, &watcher, &error), RHEI_INVALID);
    assert_int_equal(rhei_watch_next(NULL, 0, NULL, &error), RHEI_INVALID);
    assert_int_equal(rhei_watch_fd(NULL), -1);
    rhei_watch_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_commit_is_told_with_its_tables_and_position, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_many_commits_become_one_event, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_filter_tells_its_tables_only, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_other_handles_and_processes_are_told, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_what_schema_changes_and_rebuilds_do_is_told, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_tables_are_told_as_all, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_wake_is_called_once_for_what_was_not_taken, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_waiting_ends_by_time_and_by_cancel, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_handle_that_syncs_when_asked_tells_from_its_first_sync_on, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_renamed_table_is_told_by_both_names, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_handles_that_follow_nothing_say_so, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
