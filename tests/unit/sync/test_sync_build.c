/* SPDX-License-Identifier: Apache-2.0 */
#include "sync_fixture.h"

#include <string.h>

static const char *const TABLES[] = {"a", "b", "c"};

/* ---- Beside writers. --------------------------------------------------------------------------------------------- */

struct writer {
    struct fixture *fixture;
    base_thread thread;
    uint64_t random;
    atomic_bool *stop;
};

static void write_on(void *argument)
{
    struct writer *writer = argument;
    while (!atomic_load(writer->stop)) {
        random_transaction(writer->fixture->store, &writer->random, TABLES, 3, 3000);
        sync_wake(writer->fixture->sync);
    }
}

static void test_a3_builds_beside_writers(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    for (int round = 0; round < 5; round++) {
        struct fixture fixture = {.seed = random};
        struct sync_config config = {.prune = true, .batch_rows = 100, .build_threads = (uint32_t)(1 + round % 3)};
        fixture_open(&fixture, config);
        for (size_t i = 0; i < 3; i++) {
            list_create(fixture.store, TABLES[i], 3);
            fill_table(fixture.store, TABLES[i], 500 * (int64_t)(i + 1));
        }
        atomic_bool stop = false;
        struct writer writers[2];
        for (size_t i = 0; i < 2; i++) {
            writers[i] = (struct writer){.fixture = &fixture, .random = test_random(&random) | 1, .stop = &stop};
            assert_int_equal(base_thread_start(&writers[i].thread, "writer", write_on, &writers[i], NULL), RHEI_OK);
        }
        assert_int_equal(sync_start(fixture.sync, NULL), RHEI_OK);
        for (int i = 0; i < 10; i++)
            must_equal(&fixture);
        must_build(&fixture);
        must_equal(&fixture);
        atomic_store(&stop, true);
        for (size_t i = 0; i < 2; i++)
            base_thread_join(&writers[i].thread);
        must_be_current(&fixture, TABLES, 3);
        struct sync_status status;
        sync_get_status(fixture.sync, &status);
        assert_int_equal(status.builds, 3);
        fixture_close(&fixture);
    }
}

/* ---- Held at a point. -------------------------------------------------------------------------------------------- */

struct held {
    struct gate gate;
    const char *point;
    atomic_bool hold;
};

static void hold_at(struct fixture *fixture, const char *point)
{
    struct held *held = fixture->context;
    if (strcmp(point, held->point) == 0 && atomic_exchange(&held->hold, false))
        assert_true(gate_wait(&held->gate));
}

/* A table whose build stops at a point; the others are built. */
static void open_held_by(struct fixture *fixture, struct held *held, const char *point, bool prune, uint32_t loaders)
{
    *held = (struct held){.point = point, .hold = true};
    gate_init(&held->gate);
    fixture->context = held;
    fixture->at_point = hold_at;
    fixture_open(fixture, (struct sync_config){.build_on_demand = true, .prune = prune, .build_threads = loaders});
    list_create(fixture->store, "a", 3);
    fill_table(fixture->store, "a", 50);
    assert_int_equal(sync_build(fixture->sync, false, 0, NULL, NULL), RHEI_OK);
    assert_true(gate_wait_for_waiter(&held->gate));
}

static void open_held(struct fixture *fixture, struct held *held, const char *point, bool prune)
{
    open_held_by(fixture, held, point, prune, 2);
}

static void close_held(struct fixture *fixture, struct held *held)
{
    fixture_close(fixture);
    gate_destroy(&held->gate);
}

static void test_a3_changes_during_a_build_arrive_once(void **state)
{
    (void)state;
    const char *const points[] = {"sync.build.begun", "sync.build.batch", "sync.build.loaded"};
    for (size_t i = 0; i < 3; i++) {
        struct fixture fixture = {0};
        struct held held;
        open_held(&fixture, &held, points[i], true);
        assert_int_equal(table_state(&fixture, "a"), SYNC_TABLE_BUILDING);
        for (int64_t key = 40; key < 60; key++)
            commit_row(fixture.store, "a", key, key + 1000);
        int64_t changed = list_position(fixture.store);
        must_cycle(&fixture); /* publishes beyond the load, and prunes what it may */
        if (i > 0)
            assert_true(list_horizon(fixture.store) < changed);
        assert_false(sync_table_ready(fixture.sync, list_table_id(fixture.store, "a")));
        gate_open(&held.gate);
        must_build(&fixture);
        must_be_current(&fixture, TABLES, 1);
        assert_int_equal(snapshot_rows(&fixture, list_table_id(fixture.store, "a")), 59);
        struct sync_status status;
        sync_get_status(fixture.sync, &status);
        assert_int_equal(status.builds, 1);
        close_held(&fixture, &held);
    }
}

/* Table b is caught up from its load's position while a has more: one batch holds what a has seen and what it has not. */
static void continue_where_it_is(uint64_t seed)
{
    struct fixture fixture = {.seed = seed};
    struct held held = {.point = "sync.build.loaded", .hold = false};
    gate_init(&held.gate);
    fixture.context = &held;
    fixture.at_point = hold_at;
    fixture_open(&fixture, (struct sync_config){.build_on_demand = true, .batch_rows = 1000});
    list_create(fixture.store, "a", 3);
    fill_table(fixture.store, "a", 50);
    must_build(&fixture);
    list_create(fixture.store, "b", 3);
    fill_table(fixture.store, "b", 50);
    atomic_store(&held.hold, true); /* before the list has it: the builder may still be at work for the first table */
    must_cycle(&fixture);
    struct sync_status before, after;
    sync_get_status(fixture.sync, &before);
    assert_int_equal(sync_build(fixture.sync, false, 0, NULL, NULL), RHEI_OK);
    assert_true(gate_wait_for_waiter(&held.gate));
    for (int64_t round = 0; round < 2; round++) {
        for (int64_t key = 0; key < 20; key++)
            commit_row(fixture.store, TABLES[key % 2], key % 5, key + 100 * round);
        if (round == 0)
            must_cycle(&fixture); /* a has the first half */
    }
    gate_open(&held.gate);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 2);
    sync_get_status(fixture.sync, &after);
    assert_int_equal(after.events - before.events, 40);
    close_held(&fixture, &held);
}

static void test_a2_each_table_continues_where_it_is(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) /* the gap after what a has is 0, 1 or 2 numbers */
        continue_where_it_is(seed * UINT64_C(0x9E3779B97F4A7C15));
}

/* Between the moment a load pins its state and the moment it says which. */
static void commit_cycle_and_prune(void *context)
{
    struct fixture *fixture = context;
    for (int64_t key = 0; key < 10; key++)
        commit_row(fixture->store, "a", key, key + 100);
    must_cycle(fixture);
}

static void test_a7_nothing_is_pruned_while_a_load_begins(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    fixture_open(&fixture, (struct sync_config){.build_on_demand = true, .prune = true});
    list_create(fixture.store, "a", 3);
    fill_table(fixture.store, "a", 50);
    list_at_next_load(fixture.store, commit_cycle_and_prune, &fixture);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 1);
    assert_int_equal(list_calls(fixture.store, LIST_LOAD_BEGIN), 1); /* nothing was lost to it */
    fixture_close(&fixture);
}

static void test_a3_progress_is_told(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct held held;
    open_held_by(&fixture, &held, "sync.build.batch", false, 1);
    struct sync_table_status status = table_status(&fixture, "a");
    assert_int_equal(status.rows_built, 7);
    assert_int_equal(status.rows_expected, 50);
    gate_open(&held.gate);
    must_build(&fixture);
    status = table_status(&fixture, "a");
    assert_int_equal(status.rows, 50);
    assert_int_equal(status.position, list_position(fixture.store));
    close_held(&fixture, &held);
}

static void test_a3_loss_during_a_build_starts_it_again(void **state)
{
    (void)state;
    const char *const points[] = {"sync.build.batch", "sync.build.loaded"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture fixture = {0};
        struct held held;
        open_held(&fixture, &held, points[i], false);
        commit_row(fixture.store, "a", 7, 7777);
        list_lose(fixture.store);
        must_cycle(&fixture);
        gate_open(&held.gate);
        must_build(&fixture);
        must_be_current(&fixture, TABLES, 1);
        close_held(&fixture, &held);
    }
}

static void test_a3_loss_between_load_and_catching_up_starts_it_again(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct held held;
    open_held(&fixture, &held, "sync.build.loaded", false);
    commit_row(fixture.store, "a", 7, 7777);
    list_lose(fixture.store); /* the next to look is the cycle that attaches */
    gate_open(&held.gate);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 1);
    close_held(&fixture, &held);
}

static void test_c5_schema_change_during_a_build(void **state)
{
    (void)state;
    const char *const points[] = {"sync.build.begun", "sync.build.batch", "sync.build.loaded"};
    for (size_t i = 0; i < 6; i++) {
        struct fixture fixture = {0};
        struct held held;
        open_held(&fixture, &held, points[i % 3], false);
        commit_row(fixture.store, "a", 7, 7777);
        uint32_t old = list_table_id(fixture.store, "a");
        list_add_column(fixture.store, "a", list_integer(5));
        commit_row(fixture.store, "a", 8, 8888);
        if (i >= 3)
            must_cycle(&fixture); /* the cycles know before the build does */
        gate_open(&held.gate);
        must_build(&fixture);
        must_be_current(&fixture, TABLES, 1);
        assert_false(snapshot_has(&fixture, old));
        close_held(&fixture, &held);
    }
}

static void test_c5_drop_during_a_build(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct held held;
    open_held(&fixture, &held, "sync.build.batch", false);
    uint32_t old = list_table_id(fixture.store, "a");
    list_drop(fixture.store, "a");
    must_cycle(&fixture);
    gate_open(&held.gate);
    must_build(&fixture);
    assert_false(snapshot_has(&fixture, old));
    struct sync_status status;
    sync_get_status(fixture.sync, &status);
    assert_int_equal(status.tables, 0);
    close_held(&fixture, &held);
}

static void test_rebuild_during_a_build_starts_it_again(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct held held;
    open_held(&fixture, &held, "sync.build.batch", false);
    assert_int_equal(sync_rebuild(fixture.sync, "a", NULL), RHEI_OK);
    gate_open(&held.gate);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 1);
    close_held(&fixture, &held);
}

static void open_soon(void *argument)
{
    gate_open(argument);
}

static void test_close_ends_a_build(void **state)
{
    (void)state;
    const char *const points[] = {"sync.build.begun", "sync.build.batch", "sync.build.loaded", "sync.build.attached"};
    for (size_t i = 0; i < 4; i++) {
        struct fixture fixture = {0};
        struct held held;
        open_held(&fixture, &held, points[i], false);
        base_thread thread;
        assert_int_equal(base_thread_start(&thread, "opener", open_soon, &held.gate, NULL), RHEI_OK);
        sync_close(&fixture.sync);
        base_thread_join(&thread);
        close_held(&fixture, &held);
    }
}

/* ---- Failures. --------------------------------------------------------------------------------------------------- */

static void open_with_table(struct fixture *fixture)
{
    fixture_open(fixture, (struct sync_config){.build_on_demand = true});
    list_create(fixture->store, "a", 3);
    fill_table(fixture->store, "a", 50);
}

static void test_a2_a_load_that_fails_is_tried_again(void **state)
{
    (void)state;
    const enum list_call calls[] = {LIST_LOAD_BEGIN, LIST_LOAD_NEXT, LIST_LOAD_NEXT, LIST_NEXT, LIST_BEGIN};
    const uint64_t after[] = {1, 1, 3, 1, 2};
    for (size_t i = 0; i < 5; i++) {
        struct fixture fixture = {0};
        open_with_table(&fixture);
        list_fail(fixture.store, calls[i], after[i], RHEI_IO);
        must_build(&fixture);
        must_be_current(&fixture, TABLES, 1);
        fixture_close(&fixture);
    }
}

static void test_a5_a_table_that_cannot_be_loaded_fails_with_a_reason(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_table(&fixture);
    list_fail_always(fixture.store, LIST_LOAD_NEXT, RHEI_NOT_A_DATABASE);
    must_build(&fixture);
    assert_int_equal(table_state(&fixture, "a"), SYNC_TABLE_FAILED);
    assert_non_null(strstr(table_status(&fixture, "a").message, "injected"));
    list_fail_always(fixture.store, LIST_LOAD_NEXT, RHEI_OK);
    must_build(&fixture); /* nothing is waiting: it stays failed */
    assert_int_equal(table_state(&fixture, "a"), SYNC_TABLE_FAILED);
    assert_int_equal(sync_rebuild(fixture.sync, "a", NULL), RHEI_OK);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 1);
    fixture_close(&fixture);
}

static void test_a5_a_table_too_big_for_the_memory_limit_fails_alone(void **state)
{
    (void)state;
    struct fixture fixture = {.memory_limit = 6 << 20};
    fixture_open(&fixture, (struct sync_config){.build_on_demand = true, .batch_rows = 1000});
    list_create(fixture.store, "a", 3);
    fill_table(fixture.store, "a", 50);
    list_create(fixture.store, "big", 3);
    fill_table(fixture.store, "big", 150000);
    must_build(&fixture);
    assert_int_equal(table_state(&fixture, "big"), SYNC_TABLE_FAILED);
    assert_true(table_status(&fixture, "big").message[0] != 0);
    must_be_current(&fixture, TABLES, 1);
    /* and one that grows beyond it while it is followed */
    list_create(fixture.store, "b", 3);
    must_build(&fixture);
    assert_int_equal(table_state(&fixture, "b"), SYNC_TABLE_READY);
    fill_table(fixture.store, "b", 150000);
    commit_row(fixture.store, "a", 7, 77);
    must_latest(&fixture);
    assert_int_equal(table_state(&fixture, "b"), SYNC_TABLE_FAILED);
    must_be_current(&fixture, TABLES, 1);
    fixture_close(&fixture);
}

static void test_a2_the_cycle_that_catches_up_fails(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct held held;
    open_held(&fixture, &held, "sync.build.loaded", true);
    for (int64_t key = 1; key < 30; key++)
        commit_row(fixture.store, "a", key, 5000 + key);
    list_fail(fixture.store, LIST_NEXT, 2, RHEI_IO);
    gate_open(&held.gate);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 1);
    close_held(&fixture, &held);
}

static void test_nothing_is_built_before_it_is_asked_for(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_table(&fixture);
    must_cycle(&fixture);
    must_cycle(&fixture);
    assert_int_equal(table_state(&fixture, "a"), SYNC_TABLE_WAITING);
    assert_int_equal(list_calls(fixture.store, LIST_LOAD_BEGIN), 0);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 1);
    fixture_close(&fixture);
}

static void test_build_leaves_by_deadline(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    struct held held;
    open_held(&fixture, &held, "sync.build.batch", false);
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(sync_build(fixture.sync, true, base_now_ns() + 10 * MILLISECOND, NULL, &error), RHEI_STALE);
    gate_open(&held.gate);
    must_build(&fixture);
    close_held(&fixture, &held);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a3_builds_beside_writers),
        cmocka_unit_test(test_a3_changes_during_a_build_arrive_once),
        cmocka_unit_test(test_a2_each_table_continues_where_it_is),
        cmocka_unit_test(test_a7_nothing_is_pruned_while_a_load_begins),
        cmocka_unit_test(test_a3_progress_is_told),
        cmocka_unit_test(test_a3_loss_during_a_build_starts_it_again),
        cmocka_unit_test(test_a3_loss_between_load_and_catching_up_starts_it_again),
        cmocka_unit_test(test_c5_schema_change_during_a_build),
        cmocka_unit_test(test_c5_drop_during_a_build),
        cmocka_unit_test(test_rebuild_during_a_build_starts_it_again),
        cmocka_unit_test(test_close_ends_a_build),
        cmocka_unit_test(test_a2_a_load_that_fails_is_tried_again),
        cmocka_unit_test(test_a5_a_table_that_cannot_be_loaded_fails_with_a_reason),
        cmocka_unit_test(test_a5_a_table_too_big_for_the_memory_limit_fails_alone),
        cmocka_unit_test(test_a2_the_cycle_that_catches_up_fails),
        cmocka_unit_test(test_nothing_is_built_before_it_is_asked_for),
        cmocka_unit_test(test_build_leaves_by_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
