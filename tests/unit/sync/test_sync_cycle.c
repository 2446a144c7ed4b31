/* SPDX-License-Identifier: Apache-2.0 */
#include "sync_fixture.h"

#include <string.h>

static const char *const TABLES[] = {"a", "b", "c"};

static void open_with_tables(struct fixture *fixture, struct sync_config config)
{
    config.build_on_demand = true;
    fixture_open(fixture, config);
    for (size_t i = 0; i < 3; i++) {
        list_create(fixture->store, TABLES[i], 3);
        fill_table(fixture->store, TABLES[i], 20);
    }
    must_build(fixture);
    must_be_current(fixture, TABLES, 3);
}

static void test_cycle_counts_net_changes(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    struct list_txn *txn = list_begin(fixture.store);
    put_row(txn, "a", 100, 1); /* new */
    put_row(txn, "a", 1, 77);  /* changed */
    list_remove(txn, "b", 2);
    list_rekey(txn, "c", 3, 300); /* one goes, one comes */
    int64_t position = list_commit(txn);

    struct sync_report report;
    assert_int_equal(sync_cycle(fixture.sync, &report, NULL), RHEI_OK);
    assert_int_equal(report.position, position);
    assert_int_equal(report.events, 5);
    assert_int_equal(report.inserted, 2);
    assert_int_equal(report.updated, 1);
    assert_int_equal(report.deleted, 2);
    assert_true(report.duration_ns > 0);
    must_equal(&fixture);

    struct sync_status status;
    sync_get_status(fixture.sync, &status);
    assert_int_equal(status.events, 5);
    assert_int_equal(status.position, position);
    assert_int_equal(status.tables, 3);
    assert_int_equal(status.tables_ready, 3);
    assert_int_equal(status.cycle_time.count, status.cycles);
    assert_false(status.running);
    fixture_close(&fixture);
}

static void test_cycle_with_nothing_new_reads_nothing(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    uint64_t reads = list_calls(fixture.store, LIST_NEXT);
    struct mirror_status before, after;
    mirror_status(fixture.mirror, &before);
    must_cycle(&fixture);
    mirror_status(fixture.mirror, &after);
    assert_int_equal(list_calls(fixture.store, LIST_NEXT), reads);
    assert_int_equal(after.publishes, before.publishes);
    fixture_close(&fixture);
}

static void test_cycle_with_nothing_new_is_none_once_all_was_shown(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    must_cycle(&fixture);
    uint64_t begun = list_calls(fixture.store, LIST_BEGIN);
    struct sync_report report;
    assert_int_equal(sync_cycle(fixture.sync, &report, NULL), RHEI_OK);
    assert_int_equal(report.position, sync_position(fixture.sync));
    assert_int_equal(report.events, 0);
    assert_int_equal(list_calls(fixture.store, LIST_BEGIN), begun);

    /* what failed is tried again, whether or not anybody commits meanwhile */
    struct list_txn *txn = list_begin(fixture.store);
    put_row(txn, "a", 100, 1);
    list_commit(txn);
    list_fail(fixture.store, LIST_NEXT, 1, RHEI_IO);
    assert_int_equal(sync_cycle(fixture.sync, NULL, NULL), RHEI_IO);
    list_fail(fixture.store, LIST_NEXT, 0, RHEI_OK);
    assert_int_equal(sync_cycle(fixture.sync, &report, NULL), RHEI_OK);
    assert_int_equal(report.inserted, 1);
    must_equal(&fixture);

    /* a wish is work, too */
    begun = list_calls(fixture.store, LIST_BEGIN);
    assert_int_equal(sync_rebuild(fixture.sync, "a", NULL), RHEI_OK);
    assert_true(list_calls(fixture.store, LIST_BEGIN) > begun);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 3);
    fixture_close(&fixture);
}

/* ---- A1: whole or not at all. ------------------------------------------------------------------------------------ */

static void look_at_every_point(struct fixture *fixture, const char *point)
{
    uint64_t *looks = fixture->context;
    if (strncmp(point, "sync.cycle.", 11) == 0) {
        must_equal(fixture); /* whatever position it is, it is all of it */
        (*looks)++;
    }
}

static void test_a1_no_point_of_a_cycle_shows_a_part(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){.batch_rows = 1});
    struct list_txn *txn = list_begin(fixture.store);
    for (int64_t key = 0; key < 15; key++)
        put_row(txn, TABLES[key % 3], key, key + 500);
    list_commit(txn);
    uint64_t looks = 0;
    fixture.context = &looks;
    fixture.at_point = look_at_every_point;
    must_cycle(&fixture);
    fixture.at_point = NULL;
    assert_true(looks > 15);
    must_be_current(&fixture, TABLES, 3);
    fixture_close(&fixture);
}

/* ---- A2: exactly once, whatever fails. --------------------------------------------------------------------------- */

/* Changes that were counted; with none left out and none twice, the same as those committed. */
static uint64_t counted_events(struct fixture *fixture)
{
    struct sync_status status;
    sync_get_status(fixture->sync, &status);
    return status.events;
}

static void failing_call(enum list_call call)
{
    uint64_t random = test_seed();
    struct fixture fixture = {.seed = random};
    open_with_tables(&fixture, (struct sync_config){.batch_rows = 2});
    uint64_t committed = list_event_count(fixture.store), counted = counted_events(&fixture);
    uint64_t failures = 0;
    for (uint64_t n = 1; n <= 12; n++) {
        if (call == LIST_TABLES)
            list_exclude(fixture.store, "a", NULL); /* a change of the schema, so that the list is read */
        random_transaction(fixture.store, &random, TABLES, 3, 30);
        random_transaction(fixture.store, &random, TABLES, 3, 30);
        int64_t before = sync_position(fixture.sync);
        struct rhei_error error = RHEI_ERROR_INIT;
        list_fail(fixture.store, call, call == LIST_NEXT ? n : 1, RHEI_IO);
        if (sync_cycle(fixture.sync, NULL, &error) != RHEI_OK) {
            failures++;
            assert_int_equal(error.code, RHEI_IO);
            assert_non_null(strstr(error.message, "injected"));
            assert_int_equal(sync_position(fixture.sync), before);
        }
        must_equal(&fixture);
        if (n % 3 == 0) /* sometimes a second failure comes on top */
            continue;
        list_fail(fixture.store, call, 0, RHEI_OK);
        must_be_current(&fixture, TABLES, 3);
    }
    assert_true(failures > 3);
    list_fail(fixture.store, call, 0, RHEI_OK);
    must_be_current(&fixture, TABLES, 3);
    assert_int_equal(counted_events(&fixture) - counted, list_event_count(fixture.store) - committed);
    fixture_close(&fixture);
}

static void test_a2_begin_fails(void **state)
{
    (void)state;
    failing_call(LIST_BEGIN);
}

static void test_a2_next_fails(void **state)
{
    (void)state;
    failing_call(LIST_NEXT);
}

static void test_a2_tables_fails(void **state)
{
    (void)state;
    failing_call(LIST_TABLES);
}

static bool all_ready(struct fixture *fixture)
{
    for (size_t i = 0; i < 3; i++)
        if (!sync_table_ready(fixture->sync, list_table_id(fixture->store, TABLES[i])))
            return false;
    return true;
}

/* Without memory a cycle fails, or a table does; what is shown is always right, and repair brings all back. */
static void test_a2_every_allocation_fails(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct fixture fixture = {.seed = random};
    open_with_tables(&fixture, (struct sync_config){.batch_rows = 3});
    uint64_t failures = 0;
    for (uint64_t n = 1; n <= 60; n++) {
        if (n % 2)
            list_create(fixture.store, "new", 3);
        else
            list_drop(fixture.store, "new");
        for (int i = 0; i < 3; i++)
            random_transaction(fixture.store, &random, TABLES, 3, 30);
        base_memory_fail_after(1 + n / 2);
        rhei_status status = sync_cycle(fixture.sync, NULL, NULL);
        base_memory_fail_after(0);
        assert_true(status == RHEI_OK || status == RHEI_NO_MEMORY);
        must_equal(&fixture);
        must_latest(&fixture);
        must_equal(&fixture);
        bool ready = all_ready(&fixture);
        failures += status != RHEI_OK || !ready;
        if (ready)
            continue;
        assert_int_equal(sync_rebuild(fixture.sync, NULL, NULL), RHEI_OK);
        must_build(&fixture);
        must_be_current(&fixture, TABLES, 3);
    }
    assert_true(failures > 3);
    fixture_close(&fixture);
}

/* ---- A4: one at a time, and cancelling. -------------------------------------------------------------------------- */

struct crowd {
    struct fixture *fixture;
    atomic_int inside, most;
    atomic_bool stop;
};

static void count_inside(struct fixture *fixture, const char *point)
{
    struct crowd *crowd = fixture->context;
    if (strcmp(point, "sync.cycle.begun") == 0) {
        int now = atomic_fetch_add(&crowd->inside, 1) + 1;
        if (now > atomic_load(&crowd->most))
            atomic_store(&crowd->most, now);
    } else if (strcmp(point, "sync.cycle.applied") == 0) {
        atomic_fetch_sub(&crowd->inside, 1);
    }
}

static void cycle_again_and_again(void *argument)
{
    struct crowd *crowd = argument;
    for (int i = 0; i < 30 || !atomic_load(&crowd->stop); i++)
        assert_int_equal(sync_cycle(crowd->fixture->sync, NULL, NULL), RHEI_OK);
}

static void test_a4_cycles_never_overlap(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct fixture fixture = {.seed = random};
    open_with_tables(&fixture, (struct sync_config){.prune = true});
    struct crowd crowd = {.fixture = &fixture};
    fixture.context = &crowd;
    fixture.at_point = count_inside;
    base_thread threads[6];
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(base_thread_start(&threads[i], "cycles", cycle_again_and_again, &crowd, NULL), RHEI_OK);
    for (int i = 0; i < 200; i++)
        random_transaction(fixture.store, &random, TABLES, 3, 50);
    atomic_store(&crowd.stop, true);
    for (size_t i = 0; i < 6; i++)
        base_thread_join(&threads[i]);
    assert_int_equal(atomic_load(&crowd.most), 1);
    must_be_current(&fixture, TABLES, 3);
    fixture_close(&fixture);
}

struct countdown {
    int left;
};

static rhei_status check_countdown(void *context)
{
    struct countdown *countdown = context;
    return countdown->left-- > 0 ? RHEI_OK : RHEI_CANCELLED;
}

static void test_a4_cancelled_cycle_publishes_nothing_and_loses_nothing(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct fixture fixture = {.seed = random};
    open_with_tables(&fixture, (struct sync_config){.batch_rows = 2});
    int cancelled = 0;
    uint64_t committed = list_event_count(fixture.store), counted = counted_events(&fixture);
    for (int n = 0; n < 40; n++) {
        for (int i = 0; i < 4; i++)
            random_transaction(fixture.store, &random, TABLES, 3, 40);
        struct countdown countdown = {n % 10};
        struct sync_stop stop = {check_countdown, &countdown, NULL};
        int64_t before = sync_position(fixture.sync);
        if (sync_wait_latest(fixture.sync, 0, &stop, NULL) == RHEI_CANCELLED) {
            cancelled++;
            assert_int_equal(sync_position(fixture.sync), before);
        }
        must_equal(&fixture);
        if (n % 3 == 0)
            must_be_current(&fixture, TABLES, 3);
    }
    assert_true(cancelled > 5);
    must_be_current(&fixture, TABLES, 3);
    assert_int_equal(counted_events(&fixture) - counted, list_event_count(fixture.store) - committed);
    fixture_close(&fixture);
}

/* ---- A5: a bad table stops nobody. ------------------------------------------------------------------------------- */

static void test_a5_a_bad_table_fails_alone(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){.batch_rows = 2});
    uint32_t bad = list_table_id(fixture.store, "b");
    list_poison(fixture.store, "b");
    struct list_txn *txn = list_begin(fixture.store);
    for (int64_t key = 0; key < 9; key++)
        put_row(txn, TABLES[key % 3], key, key + 900);
    list_commit(txn);
    must_cycle(&fixture);
    must_equal(&fixture);
    assert_false(sync_table_ready(fixture.sync, bad));
    assert_int_equal(table_state(&fixture, "b"), SYNC_TABLE_FAILED);
    assert_non_null(strstr(table_status(&fixture, "b").message, "columns"));
    assert_int_equal(table_state(&fixture, "a"), SYNC_TABLE_READY);
    assert_int_equal(table_state(&fixture, "c"), SYNC_TABLE_READY);
    assert_int_equal(sync_position(fixture.sync), list_position(fixture.store));

    /* it stays failed until it is asked for, and then its own changes don't matter: the load shows them */
    must_be_current(&fixture, (const char *const[]){"a", "c"}, 2);
    assert_int_equal(sync_rebuild(fixture.sync, "B", NULL), RHEI_OK);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 3);
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(sync_rebuild(fixture.sync, "nowhere", &error), RHEI_NOT_FOUND);
    fixture_close(&fixture);
}

/* ---- A7: only what is applied is forgotten. ---------------------------------------------------------------------- */

static void horizon_within_position(struct fixture *fixture, const char *point)
{
    (void)point;
    assert_true(list_horizon(fixture->store) <= sync_position(fixture->sync));
}

static void test_a7_prune_follows_the_published_position(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct fixture fixture = {.seed = random};
    open_with_tables(&fixture, (struct sync_config){.prune = true, .batch_rows = 3});
    fixture.at_point = horizon_within_position;
    for (int n = 0; n < 30; n++) {
        random_transaction(fixture.store, &random, TABLES, 3, 40);
        commit_row(fixture.store, "a", n, n); /* the random ones may have changed nothing */
        int64_t horizon = list_horizon(fixture.store);
        list_fail(fixture.store, LIST_NEXT, n % 4 ? 0 : 1, RHEI_IO);
        struct sync_report report;
        if (sync_cycle(fixture.sync, &report, NULL) == RHEI_OK) {
            assert_true(report.pruned > 0);
            assert_int_equal(list_horizon(fixture.store), report.position);
        } else {
            assert_int_equal(list_horizon(fixture.store), horizon);
        }
    }
    list_fail(fixture.store, LIST_NEXT, 0, RHEI_OK);
    must_be_current(&fixture, TABLES, 3);
    fixture_close(&fixture);
}

static void test_a7_prune_that_fails_is_tried_again(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){.prune = true});
    must_cycle(&fixture);
    list_fail_always(fixture.store, LIST_PRUNE, RHEI_BUSY);
    commit_row(fixture.store, "a", 5, 5);
    struct sync_report report;
    assert_int_equal(sync_cycle(fixture.sync, &report, NULL), RHEI_OK);
    assert_int_equal(report.pruned, 0);
    list_fail_always(fixture.store, LIST_PRUNE, RHEI_OK);
    assert_int_equal(sync_cycle(fixture.sync, &report, NULL), RHEI_OK);
    assert_int_equal(report.pruned, 1);
    fixture_close(&fixture);
}

/* ---- A8: two over one source. ------------------------------------------------------------------------------------ */

static void test_a8_two_syncs_take_nothing_from_each_other(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct fixture one = {.seed = random}, two = {0};
    open_with_tables(&one, (struct sync_config){.prune = true});
    fixture_open_on(&two, one.store, (struct sync_config){.prune = true, .build_on_demand = true, .batch_rows = 3});
    must_build(&two);
    for (int n = 0; n < 60; n++) {
        random_transaction(one.store, &random, TABLES, 3, 40);
        if (test_random(&random) % 2)
            must_cycle(&one);
        if (test_random(&random) % 3 == 0)
            must_cycle(&two);
        must_equal(&one);
        must_equal(&two);
    }
    must_be_current(&one, TABLES, 3);
    must_be_current(&two, TABLES, 3);
    struct sync_status status;
    sync_get_status(two.sync, &status);
    assert_int_equal(status.builds, 3); /* nothing was lost to it */
    fixture_close(&two);
    fixture_close(&one);
}

/* ---- Schema. ----------------------------------------------------------------------------------------------------- */

static void test_c5_a_changed_table_is_not_ready_until_built_again(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    uint32_t old = list_table_id(fixture.store, "a");
    commit_row(fixture.store, "a", 1, 11);
    uint32_t new_id = list_add_column(fixture.store, "a", list_text("default"));
    commit_row(fixture.store, "a", 2, 22);
    commit_row(fixture.store, "b", 2, 22);
    must_cycle(&fixture);
    assert_false(sync_table_ready(fixture.sync, old));
    assert_false(sync_table_ready(fixture.sync, new_id));
    must_be_current(&fixture, (const char *const[]){"b", "c"}, 2);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 3);
    assert_int_equal(snapshot_rows(&fixture, new_id), 20);
    fixture_close(&fixture);
}

static void test_c5_a_dropped_table_goes(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    uint32_t gone = list_table_id(fixture.store, "b");
    commit_row(fixture.store, "b", 1, 11);
    list_drop(fixture.store, "b");
    commit_row(fixture.store, "a", 1, 11);
    must_cycle(&fixture);
    assert_false(snapshot_has(&fixture, gone));
    struct sync_status status;
    sync_get_status(fixture.sync, &status);
    assert_int_equal(status.tables, 2);
    must_be_current(&fixture, (const char *const[]){"a", "c"}, 2);
    fixture_close(&fixture);
}

static void test_excluded_table_is_unmirrored_and_comes_back(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    uint32_t id = list_table_id(fixture.store, "c");
    list_exclude(fixture.store, "c", "left out by [[tables]]");
    must_cycle(&fixture);
    assert_false(snapshot_has(&fixture, id));
    assert_int_equal(table_state(&fixture, "c"), SYNC_TABLE_UNMIRRORED);
    assert_string_equal(table_status(&fixture, "c").message, "left out by [[tables]]");
    commit_row(fixture.store, "c", 4, 44);
    must_build(&fixture);
    assert_false(snapshot_has(&fixture, id));
    list_exclude(fixture.store, "c", NULL);
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 3);
    fixture_close(&fixture);
}

/* ---- Loss. ------------------------------------------------------------------------------------------------------- */

static void test_a3_lost_changes_mean_building_again(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    commit_row(fixture.store, "a", 1, 11);
    list_lose(fixture.store);
    commit_row(fixture.store, "b", 1, 11);
    must_latest(&fixture);
    for (size_t i = 0; i < 3; i++)
        assert_false(sync_table_ready(fixture.sync, list_table_id(fixture.store, TABLES[i])));
    must_build(&fixture);
    must_be_current(&fixture, TABLES, 3);
    fixture_close(&fixture);
}

static void test_open_refuses_what_cannot_work(void **state)
{
    (void)state;
    struct sync *sync = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(sync_open(&(struct sync_config){0}, &sync, &error), RHEI_INVALID);
    assert_null(sync);
    sync_close(&sync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cycle_counts_net_changes),
        cmocka_unit_test(test_cycle_with_nothing_new_reads_nothing),
        cmocka_unit_test(test_cycle_with_nothing_new_is_none_once_all_was_shown),
        cmocka_unit_test(test_a1_no_point_of_a_cycle_shows_a_part),
        cmocka_unit_test(test_a2_begin_fails),
        cmocka_unit_test(test_a2_next_fails),
        cmocka_unit_test(test_a2_tables_fails),
        cmocka_unit_test(test_a2_every_allocation_fails),
        cmocka_unit_test(test_a4_cycles_never_overlap),
        cmocka_unit_test(test_a4_cancelled_cycle_publishes_nothing_and_loses_nothing),
        cmocka_unit_test(test_a5_a_bad_table_fails_alone),
        cmocka_unit_test(test_a7_prune_follows_the_published_position),
        cmocka_unit_test(test_a7_prune_that_fails_is_tried_again),
        cmocka_unit_test(test_a8_two_syncs_take_nothing_from_each_other),
        cmocka_unit_test(test_c5_a_changed_table_is_not_ready_until_built_again),
        cmocka_unit_test(test_c5_a_dropped_table_goes),
        cmocka_unit_test(test_excluded_table_is_unmirrored_and_comes_back),
        cmocka_unit_test(test_a3_lost_changes_mean_building_again),
        cmocka_unit_test(test_open_refuses_what_cannot_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
