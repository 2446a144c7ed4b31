/* SPDX-License-Identifier: Apache-2.0 */
/* A11: memory that nobody needs any more goes back by itself, and what failed for want of it is tried again. */
#include "sync_fixture.h"

#include <stdio.h>
#include <string.h>

/* Nothing waits for readers, and the free part of the pool went too. */
static bool is_tidy(struct fixture *fixture)
{
    const size_t *most = fixture->context;
    return mirror_garbage_bytes(fixture->mirror) == 0 && mirror_memory_bytes(fixture->mirror) < *most;
}

enum { ROWS = 50000, ROW_BYTES = 3 * 8 };

/* What a snapshot held is given back once it is closed, though nothing is committed, and so nothing published, after
   that. Upkeep runs when it likes, so what is measured is only what no order of its steps can change: both versions of
   every row are there while the snapshot is open, one of them at the end. */
static void test_a11_a_closed_snapshot_gives_back(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct mirror_snapshot snapshot;
    fixture_open(&fixture, (struct sync_config){.batch_rows = 1000});
    list_create(fixture.store, "a", 3);
    fill_table(fixture.store, "a", ROWS);
    must_build(&fixture);
    assert_int_equal(sync_start(fixture.sync, NULL), RHEI_OK);
    assert_int_equal(mirror_snapshot_take(fixture.mirror, &snapshot), RHEI_OK);
    fill_table(fixture.store, "a", ROWS); /* every row anew */
    must_latest(&fixture);
    size_t held = mirror_memory_bytes(fixture.mirror);
    print_message("# %zu bytes while the snapshot is held\n", held);
    assert_true(held > (size_t)2 * ROWS * ROW_BYTES);
    mirror_snapshot_release(&snapshot);
    size_t most = held - (size_t)ROWS * ROW_BYTES;
    fixture.context = &most;
    assert_true(wait_until(is_tidy, &fixture));
    must_equal(&fixture);
    fixture_close(&fixture);
}

static bool is_ready(struct fixture *fixture)
{
    return table_state(fixture, fixture->context) == SYNC_TABLE_READY;
}

static void test_a11_a_starved_table_is_built_when_there_is_room(void **state)
{
    (void)state;
    struct fixture fixture = {.memory_limit = 12 << 20, .context = "second"};
    fixture_open(&fixture, (struct sync_config){.batch_rows = 1000});
    list_create(fixture.store, "first", 3);
    fill_table(fixture.store, "first", 100000);
    must_build(&fixture);
    assert_int_equal(table_state(&fixture, "first"), SYNC_TABLE_READY);
    list_create(fixture.store, "second", 3);
    fill_table(fixture.store, "second", 100000);
    must_build(&fixture);
    assert_int_equal(table_state(&fixture, "second"), SYNC_TABLE_FAILED);
    assert_int_equal(sync_start(fixture.sync, NULL), RHEI_OK);
    list_drop(fixture.store, "first");
    must_latest(&fixture);
    assert_true(wait_until(is_ready, &fixture));
    must_equal(&fixture);
    fixture_close(&fixture);
}

struct shown {
    struct mirror_snapshot snapshot;
    bool is_open;
    const char *closed_at;
};

static void close_shown(struct fixture *fixture, const char *point)
{
    struct shown *shown = fixture->context;
    if (shown->is_open && strcmp(point, shown->closed_at) == 0) {
        shown->is_open = false;
        mirror_snapshot_release(&shown->snapshot);
    }
}

/* What a dropped table had is still shown by a snapshot: a load near the limit takes its room as soon as that is closed. */
static void test_a11_a_load_waits_for_what_a_snapshot_still_shows(void **state)
{
    (void)state;
    struct shown shown = {.closed_at = "sync.build.batch"};
    struct fixture fixture = {.memory_limit = 12 << 20, .at_point = close_shown, .context = &shown};
    fixture_open(&fixture, (struct sync_config){.build_on_demand = true, .batch_rows = 1000, .build_threads = 1});
    list_create(fixture.store, "a", 3);
    fill_table(fixture.store, "a", 100000);
    must_build(&fixture);
    assert_int_equal(mirror_snapshot_take(fixture.mirror, &shown.snapshot), RHEI_OK);
    shown.is_open = true;
    list_drop(fixture.store, "a");
    list_create(fixture.store, "b", 3);
    fill_table(fixture.store, "b", 100000);
    must_build(&fixture);
    assert_false(shown.is_open);
    assert_int_equal(table_state(&fixture, "b"), SYNC_TABLE_READY);
    must_equal(&fixture);
    fixture_close(&fixture);
}

/* Many small tables share loads and cycles; one that grew since it was counted is built as the big one that it is. */
static void test_small_tables_are_built_together(void **state)
{
    (void)state;
    enum { TABLES = 300 };
    struct fixture fixture = {0};
    struct sync_status status;
    char name[16];
    fixture_open(&fixture, (struct sync_config){.build_on_demand = true, .batch_rows = 1000});
    for (int t = 0; t < TABLES; t++) {
        (void)snprintf(name, sizeof name, "t%d", t);
        list_create(fixture.store, name, 3);
        fill_table(fixture.store, name, 5 + t % 7);
    }
    must_cycle(&fixture);
    fill_table(fixture.store, "t77", 70000); /* more than the list of tables said */
    must_build(&fixture);
    sync_get_status(fixture.sync, &status);
    assert_int_equal(status.builds, TABLES);
    assert_int_equal(status.tables_ready, TABLES);
    assert_in_range(status.cycles, 1, 12);
    for (int t = 0; t < TABLES; t++) {
        (void)snprintf(name, sizeof name, "t%d", t);
        assert_int_equal(table_state(&fixture, name), SYNC_TABLE_READY);
        commit_row(fixture.store, name, 3, t);
    }
    must_latest(&fixture);
    must_equal(&fixture);
    assert_int_equal(snapshot_rows(&fixture, list_table_id(fixture.store, "t77")), 70000);
    fixture_close(&fixture);
}

/* A schema that goes on changing while a table loads says nothing about the table: it is READY in the end, never FAILED. */
static void test_a3_a_load_that_is_outdated_again_and_again(void **state)
{
    (void)state;
    struct fixture fixture = {.context = "a"};
    fixture_open(&fixture, (struct sync_config){.build_on_demand = true, .batch_rows = 100});
    list_create(fixture.store, "a", 3);
    fill_table(fixture.store, "a", 500);
    list_fail_always(fixture.store, LIST_LOAD_BEGIN, RHEI_STALE);
    assert_int_equal(sync_build(fixture.sync, false, 0, NULL, NULL), RHEI_OK);
    int64_t limit = base_now_ns() + LIMIT_NS;
    while (list_calls(fixture.store, LIST_LOAD_BEGIN) < 6 && base_now_ns() < limit)
        assert_int_not_equal(table_state(&fixture, "a"), SYNC_TABLE_FAILED);
    list_fail_always(fixture.store, LIST_LOAD_BEGIN, RHEI_OK);
    must_build(&fixture);
    assert_true(is_ready(&fixture));
    must_equal(&fixture);
    fixture_close(&fixture);
}

/* Nobody commits meanwhile: the next cycle forgets what is still to be forgotten. */
static void test_a7_a_prune_that_failed_is_tried_again(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct sync_report report;
    fixture_open(&fixture, (struct sync_config){.prune = true});
    list_create(fixture.store, "a", 3);
    must_build(&fixture);
    must_cycle(&fixture);
    for (int64_t i = 1; i <= 3; i++) {
        fill_table(fixture.store, "a", 10 * i);
        int64_t position = list_position(fixture.store), horizon = list_horizon(fixture.store);
        list_fail(fixture.store, LIST_PRUNE, 1, i == 1 ? RHEI_BUSY : RHEI_IO);
        assert_int_equal(sync_cycle(fixture.sync, &report, NULL), RHEI_OK);
        assert_int_equal(report.pruned, 0);
        assert_int_equal(list_horizon(fixture.store), horizon);
        assert_int_equal(sync_cycle(fixture.sync, &report, NULL), RHEI_OK);
        assert_true(report.pruned > 0);
        assert_int_equal(list_horizon(fixture.store), position);
    }
    must_equal(&fixture);
    fixture_close(&fixture);
}

static bool is_forgotten(struct fixture *fixture)
{
    return list_horizon(fixture->store) == *(const int64_t *)fixture->context;
}

/* Nobody commits any more, and there is no cycle that would come by it: the upkeep itself goes at it again. */
static void test_a7_idle_upkeep_prunes_what_it_could_not(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    fixture_open(&fixture, (struct sync_config){.prune = true});
    list_create(fixture.store, "a", 3);
    must_build(&fixture);
    list_fail(fixture.store, LIST_PRUNE, 1, RHEI_BUSY);
    assert_int_equal(sync_start(fixture.sync, NULL), RHEI_OK);
    fill_table(fixture.store, "a", 10);
    must_latest(&fixture);
    int64_t position = list_position(fixture.store);
    fixture.context = &position;
    assert_true(wait_until(is_forgotten, &fixture));
    must_equal(&fixture);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a11_a_closed_snapshot_gives_back),
        cmocka_unit_test(test_a11_a_starved_table_is_built_when_there_is_room),
        cmocka_unit_test(test_a11_a_load_waits_for_what_a_snapshot_still_shows),
        cmocka_unit_test(test_small_tables_are_built_together),
        cmocka_unit_test(test_a3_a_load_that_is_outdated_again_and_again),
        cmocka_unit_test(test_a7_a_prune_that_failed_is_tried_again),
        cmocka_unit_test(test_a7_idle_upkeep_prunes_what_it_could_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
