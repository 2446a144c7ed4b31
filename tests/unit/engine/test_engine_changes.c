/* SPDX-License-Identifier: Apache-2.0 */
/* The change feed's calls. What it tells of files, processes and kills is in tests/e2e/test_changes.py. */
#include "tests/support/engine_fixture.h"

#include <stdio.h>
#include <string.h>

enum { LONG_MS = 60000 };

static struct fixture fixture;

static int set_up(void **state)
{
    *state = &fixture;
    fixture_init(&fixture);
    fixture_open(&fixture, NULL);
    must_execute(fixture.db, "CREATE TABLE a (id INTEGER PRIMARY KEY, x)");
    return 0;
}

static void must_be_done(rhei_changes *changes)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_change change = {.struct_size = sizeof change};
    assert_int_equal(rhei_changes_next(changes, &change, &error), RHEI_DONE);
}

static void test_a8_two_consumers_of_one_handle_dont_take_from_each_other(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_changes *fast = must_follow(fixture.db, "fast"), *slow = must_follow(fixture.db, "slow");
    for (int i = 1; i <= 3; i++) {
        must_execute(fixture.db, "INSERT INTO a (x) VALUES ('text')");
        struct rhei_change change = must_be_told(fast, RHEI_CHANGE_INSERT);
        assert_int_equal(change.values[0].as.integer, i);
        assert_string_equal(change.columns[1], "x");
        assert_int_equal(change.values[1].type, RHEI_TEXT);
        change = must_be_told(fast, RHEI_CHANGE_COMMIT);
        assert_int_equal(rhei_changes_acknowledge(fast, change.position, &error), RHEI_OK);
        must_be_done(fast);
        assert_int_equal(rhei_sync_now(fixture.db, NULL, &error), RHEI_OK);
    }
    for (int i = 1; i <= 3; i++)
        assert_int_equal(must_be_told(slow, RHEI_CHANGE_INSERT).values[0].as.integer, i);
    rhei_changes_close(&fast);
    rhei_changes_close(&slow);
    assert_null(slow);
    slow = must_follow(fixture.db, "slow"); /* nothing was acknowledged */
    for (int i = 1; i <= 3; i++)
        assert_int_equal(must_be_told(slow, RHEI_CHANGE_INSERT).values[0].as.integer, i);
    rhei_changes_close(&slow);
    fast = must_follow(fixture.db, "fast");
    (void)must_be_told(fast, RHEI_CHANGE_COMMIT);
    must_be_done(fast);
    rhei_changes_close(&fast);
}

static void test_a8_a_unit_of_many_rows_is_whole_and_holds_no_state(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rhei_change change = {.struct_size = sizeof change};
    rhei_changes *changes = must_follow(fixture.db, "a");
    must_execute(fixture.db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
                             "INSERT INTO a SELECT i, i FROM n");
    int64_t rows = 0, before = rhei_changes_position(changes);
    while (rhei_changes_next(changes, &change, &error) == RHEI_ROW && change.kind != RHEI_CHANGE_COMMIT) {
        rows += change.kind == RHEI_CHANGE_INSERT;
        assert_int_equal(rhei_changes_position(changes), before);
        assert_int_equal(change.kind == RHEI_CHANGE_INSERT ? change.position : before + rows, before + rows);
        if (rows == 1) /* a commit after the unit's end isn't told within it */
            must_execute(fixture.db, "INSERT OR IGNORE INTO a VALUES (6000, 1)");
    }
    assert_int_equal(rows, 5000);
    assert_int_equal(change.kind, RHEI_CHANGE_COMMIT);
    assert_int_equal(rhei_changes_position(changes), before + 5000);
    assert_int_equal(must_be_told(changes, RHEI_CHANGE_INSERT).values[0].as.integer, 6000);
    rhei_changes_close(&changes);
}

static void test_a8_only_a_position_that_was_told_is_acknowledged(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_changes *changes = must_follow(fixture.db, "a");
    must_execute(fixture.db, "INSERT INTO a VALUES (1, 1), (2, 2)");
    struct rhei_change change = must_be_told(changes, RHEI_CHANGE_COMMIT);
    assert_int_equal(rhei_changes_acknowledge(changes, change.position - 1, &error), RHEI_INVALID);
    assert_int_equal(rhei_changes_acknowledge(changes, change.position + 1, &error), RHEI_INVALID);
    assert_int_equal(rhei_changes_acknowledge(changes, change.position, &error), RHEI_OK);
    assert_int_equal(rhei_changes_acknowledge(changes, change.position, &error), RHEI_INVALID);
    must_execute(fixture.db, "DELETE FROM a");
    assert_int_equal(must_be_told(changes, RHEI_CHANGE_DELETE).values[1].type, RHEI_NULL);
    change = must_be_told(changes, RHEI_CHANGE_COMMIT);
    assert_int_equal(rhei_changes_drop(fixture.db, "a", &error), RHEI_OK);
    assert_int_equal(rhei_changes_drop(fixture.db, "a", &error), RHEI_NOT_FOUND);
    assert_int_equal(rhei_changes_acknowledge(changes, change.position, &error), RHEI_NOT_FOUND);
    rhei_changes_close(&changes);
}

/* Told isn't acknowledged: neither rows nor what became of tables. */
static void test_a8_what_was_told_behind_an_acknowledged_commit_is_told_again(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    must_execute(fixture.db, "CREATE TABLE b (x)");
    rhei_changes *changes = must_follow(fixture.db, "a");
    must_execute(fixture.db, "INSERT INTO a VALUES (1, 1)");
    int64_t first = must_be_told(changes, RHEI_CHANGE_COMMIT).position;
    assert_int_equal(rhei_changes_acknowledge(changes, first, &error), RHEI_OK);
    must_execute(fixture.db, "INSERT INTO a VALUES (2, 2)");
    first = must_be_told(changes, RHEI_CHANGE_COMMIT).position;
    must_execute(fixture.db, "DROP TABLE b");
    must_execute(fixture.db, "INSERT INTO a VALUES (3, 3)");
    (void)must_be_told(changes, RHEI_CHANGE_GONE);
    assert_true(must_be_told(changes, RHEI_CHANGE_COMMIT).position > first);
    assert_int_equal(rhei_changes_acknowledge(changes, first, &error), RHEI_OK);
    rhei_changes_close(&changes);
    changes = must_follow(fixture.db, "a");
    assert_string_equal(must_be_told(changes, RHEI_CHANGE_GONE).table, "b");
    assert_int_equal(must_be_told(changes, RHEI_CHANGE_INSERT).values[0].as.integer, 3);
    rhei_changes_close(&changes);
}

static void test_tables_that_come_and_go_are_told(void **state)
{
    (void)state;
    rhei_changes *changes = must_follow(fixture.db, NULL);
    assert_string_equal(must_be_told(changes, RHEI_CHANGE_TABLE).table, "a");
    (void)must_be_told(changes, RHEI_CHANGE_COMMIT);
    must_execute(fixture.db, "CREATE TABLE b (name TEXT PRIMARY KEY, x REAL) WITHOUT ROWID");
    must_execute(fixture.db, "INSERT INTO b VALUES ('n', 2)");
    struct rhei_change change = must_be_told(changes, RHEI_CHANGE_TABLE);
    assert_string_equal(change.table, "b");
    assert_int_equal(change.key_count, 1);
    change = must_be_told(changes, RHEI_CHANGE_INSERT);
    assert_int_equal(change.values[1].type, RHEI_REAL);
    must_execute(fixture.db, "DROP TABLE b");
    assert_string_equal(must_be_told(changes, RHEI_CHANGE_GONE).table, "b");
    rhei_changes_close(&changes);
}

static void test_a_look_is_told_with_all_that_came_before_it(void **state)
{
    (void)state;
    must_execute(fixture.db, "CREATE TABLE u (id INTEGER PRIMARY KEY, v UNIQUE)");
    rhei_changes *changes = must_follow(fixture.db, NULL);
    must_execute(fixture.db, "INSERT INTO u VALUES (1, 'x')");
    must_execute(fixture.db, "REPLACE INTO u VALUES (2, 'x')");
    bool there[3] = {false};
    struct rhei_change change = {.struct_size = sizeof change};
    while (rhei_changes_next(changes, &change, NULL) == RHEI_ROW)
        if (change.values != NULL)
            there[change.values[0].as.integer] = change.kind != RHEI_CHANGE_DELETE;
    assert_false(there[1]);
    assert_true(there[2]);
    rhei_changes_close(&changes);
}

static void test_a_wait_ends_with_a_commit_a_time_or_a_cancel(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_cancel *cancel = NULL;
    rhei_changes *changes = NULL;
    assert_int_equal(rhei_cancel_create(&cancel, &error), RHEI_OK);
    must_be_built(fixture.db);
    assert_int_equal(rhei_stop_sync(fixture.db, &error), RHEI_OK); /* whose pruning is a commit too */
    struct rhei_changes_options options = {.struct_size = sizeof options, .cancel = cancel};
    assert_int_equal(rhei_changes_open(fixture.db, &options, &changes, &error), RHEI_OK);
    assert_int_equal(rhei_changes_wait(changes, LONG_MS, &error), RHEI_OK); /* nothing was looked at yet */
    (void)must_be_told(changes, RHEI_CHANGE_COMMIT);
    must_execute(fixture.db, "INSERT INTO a VALUES (1, 1)");
    assert_int_equal(rhei_changes_wait(changes, LONG_MS, &error), RHEI_OK);
    (void)must_be_told(changes, RHEI_CHANGE_INSERT);
    rhei_cancel_raise(cancel);
    (void)must_be_told(changes, RHEI_CHANGE_COMMIT);
    rhei_status status;
    while ((status = rhei_changes_wait(changes, LONG_MS, &error)) == RHEI_OK) /* a commit of upkeep */
        must_be_done(changes);
    assert_int_equal(status, RHEI_CANCELLED);
    rhei_changes_close(&changes);
    rhei_cancel_destroy(&cancel);
}

static void test_who_captures_nothing_has_no_consumers(void **state)
{
    (void)state;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_changes *changes = NULL;
    rhei_db *db = NULL;
    struct rhei_config config = {.struct_size = sizeof config, .read_only = true};
    assert_int_equal(rhei_open(fixture.path, &config, &db, &error), RHEI_OK);
    assert_int_equal(rhei_changes_open(db, NULL, &changes, &error), RHEI_READ_ONLY);
    assert_null(changes);
    assert_int_equal(rhei_changes_drop(db, "a", &error), RHEI_READ_ONLY);
    rhei_close(&db);
    struct rhei_changes_options options = {.struct_size = sizeof options, .start = 3};
    assert_int_equal(rhei_changes_open(fixture.db, &options, &changes, &error), RHEI_INVALID);
    options =
        (struct rhei_changes_options){.struct_size = sizeof options, .start = RHEI_CHANGES_AFTER, .consumer = "a"};
    assert_int_equal(rhei_changes_open(fixture.db, &options, &changes, &error), RHEI_INVALID);
    assert_int_equal(rhei_changes_open(NULL, NULL, &changes, &error), RHEI_INVALID);
    assert_int_equal(rhei_changes_next(NULL, NULL, &error), RHEI_INVALID);
    assert_int_equal(rhei_changes_wait(NULL, 0, &error), RHEI_INVALID);
    assert_int_equal(rhei_changes_acknowledge(NULL, 0, &error), RHEI_INVALID);
    rhei_changes_close(NULL);
    rhei_changes_close(&changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a8_two_consumers_of_one_handle_dont_take_from_each_other, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a8_a_unit_of_many_rows_is_whole_and_holds_no_state, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a8_only_a_position_that_was_told_is_acknowledged, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a8_what_was_told_behind_an_acknowledged_commit_is_told_again, set_up,
                                        fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_tables_that_come_and_go_are_told, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_look_is_told_with_all_that_came_before_it, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_a_wait_ends_with_a_commit_a_time_or_a_cancel, set_up, fixture_tear_down),
        cmocka_unit_test_setup_teardown(test_who_captures_nothing_has_no_consumers, set_up, fixture_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
