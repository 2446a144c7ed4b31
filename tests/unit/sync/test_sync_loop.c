/* SPDX-License-Identifier: Apache-2.0 */
#include "sync_fixture.h"

#include "tests/support/fair_time.h"

#include <string.h>

static const char *const TABLES[] = {"a", "b"};

static void open_running(struct fixture *fixture, struct sync_config config)
{
    fixture_open(fixture, config);
    for (size_t i = 0; i < 2; i++) {
        list_create(fixture->store, TABLES[i], 3);
        fill_table(fixture->store, TABLES[i], 10);
    }
    assert_int_equal(sync_start(fixture->sync, NULL), RHEI_OK);
    must_build(fixture);
}

static bool caught_up(struct fixture *fixture)
{
    return sync_position(fixture->sync) >= list_position(fixture->store);
}

static bool pruned(struct fixture *fixture)
{
    return list_horizon(fixture->store) >= list_position(fixture->store);
}

static void test_loop_follows_own_commits(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct fixture fixture = {.seed = random};
    open_running(&fixture, (struct sync_config){0});
    assert_true(sync_is_running(fixture.sync));
    for (int i = 0; i < 50; i++) {
        random_transaction(fixture.store, &random, TABLES, 2, 50);
        sync_wake(fixture.sync);
        if (i % 5 == 0)
            assert_true(wait_until(caught_up, &fixture));
    }
    assert_true(wait_until(caught_up, &fixture));
    must_be_current(&fixture, TABLES, 2);
    fixture_close(&fixture);
}

static void test_loop_notices_foreign_commits(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_running(&fixture, (struct sync_config){0});
    int64_t fastest_ns = INT64_MAX;
    for (int i = 0; i < 10 || (i < FAIR_TRIES && fastest_ns >= 100 * MILLISECOND); i++) {
        int64_t committed = base_now_ns();
        commit_row(fixture.store, "a", i, i);
        assert_true(wait_until(caught_up, &fixture));
        int64_t took_ns = base_now_ns() - committed;
        fastest_ns = took_ns < fastest_ns ? took_ns : fastest_ns;
    }
    assert_true(fastest_ns < 100 * MILLISECOND);
    list_create(fixture.store, "b2", 3); /* and tables that come */
    const char *const all[] = {"a", "b", "b2"};
    assert_true(wait_until(caught_up, &fixture));
    must_build(&fixture);
    must_be_current(&fixture, all, 3);
    fixture_close(&fixture);
}

static void test_loop_by_interval(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_running(&fixture, (struct sync_config){.interval_ms = 5});
    for (int i = 0; i < 5; i++) {
        commit_row(fixture.store, "a", i, i);
        assert_true(wait_until(caught_up, &fixture));
    }
    must_be_current(&fixture, TABLES, 2);
    fixture_close(&fixture);
}

static void test_loop_survives_a_failing_source(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_running(&fixture, (struct sync_config){0});
    list_fail_always(fixture.store, LIST_BEGIN, RHEI_BUSY);
    commit_row(fixture.store, "a", 1, 1);
    sync_wake(fixture.sync);
    list_fail_always(fixture.store, LIST_BEGIN, RHEI_OK);
    assert_true(wait_until(caught_up, &fixture));
    must_be_current(&fixture, TABLES, 2);
    fixture_close(&fixture);
}

static void test_a7_loop_prunes_by_itself(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct fixture fixture = {.seed = random};
    open_running(&fixture, (struct sync_config){.prune = true});
    for (int i = 0; i < 20; i++) {
        random_transaction(fixture.store, &random, TABLES, 2, 50);
        sync_wake(fixture.sync);
    }
    assert_true(wait_until(pruned, &fixture));
    must_be_current(&fixture, TABLES, 2);
    fixture_close(&fixture);
}

static bool compacted(struct fixture *fixture)
{
    struct mirror_status status;
    mirror_status(fixture->mirror, &status);
    return status.compactions > 0;
}

static void test_loop_compacts(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_running(&fixture, (struct sync_config){.batch_rows = 10000});
    list_create(fixture.store, "big", 3);
    fill_table(fixture.store, "big", MIRROR_SEGMENT_ROWS + 3000);
    must_build(&fixture);
    for (int64_t slice = 0; slice < 4; slice++) { /* two of three rows die */
        struct list_txn *txn = list_begin(fixture.store);
        for (int64_t key = slice * 16000 + 1; key <= slice * 16000 + 16000; key++)
            if (key % 3)
                list_remove(txn, "big", key);
        list_commit(txn);
        sync_wake(fixture.sync);
    }
    assert_true(wait_until(compacted, &fixture));
    const char *const all[] = {"a", "b", "big"};
    must_be_current(&fixture, all, 3);
    fixture_close(&fixture);
}

/* While compaction copies, a cycle fails half-way: the swap must not publish what that one left behind. */
static void fail_half_way(struct fixture *fixture, const char *point)
{
    atomic_bool *half_way = fixture->context;
    if (strcmp(point, "sync.compact.prepared") == 0 && !atomic_exchange(half_way, true)) {
        struct list_txn *txn = list_begin(fixture->store);
        for (int64_t key = 1; key <= 5000; key++)
            put_row(txn, "big", key, -key);
        list_commit(txn);
        list_fail(fixture->store, LIST_NEXT, 2, RHEI_IO);
        assert_int_equal(sync_cycle(fixture->sync, NULL, NULL), RHEI_IO);
    }
    if (strcmp(point, "sync.compact.swapped") == 0)
        must_equal(fixture);
}

static void test_a1_compaction_shows_no_failed_cycle(void **state)
{
    (void)state;
    atomic_bool half_way = false;
    struct fixture fixture = {.at_point = fail_half_way, .context = &half_way};
    /* the loop itself hardly ever runs a cycle, so that no other one succeeds meanwhile */
    open_running(&fixture, (struct sync_config){.batch_rows = 3000, .interval_ms = 3600000});
    list_create(fixture.store, "big", 3);
    fill_table(fixture.store, "big", MIRROR_SEGMENT_ROWS + 3000);
    must_build(&fixture);
    struct list_txn *txn = list_begin(fixture.store);
    for (int64_t key = 1; key <= 60000; key += 2)
        list_remove(txn, "big", key);
    list_commit(txn);
    must_cycle(&fixture);
    assert_true(wait_until(compacted, &fixture));
    assert_true(atomic_load(&half_way));
    const char *const all[] = {"a", "b", "big"};
    must_be_current(&fixture, all, 3);
    fixture_close(&fixture);
}

static void test_start_and_stop_again_and_again(void **state)
{
    (void)state;
    uint64_t random = test_seed();
    struct fixture fixture = {.seed = random};
    open_running(&fixture, (struct sync_config){.prune = true});
    for (int i = 0; i < 20; i++) {
        random_transaction(fixture.store, &random, TABLES, 2, 50);
        sync_wake(fixture.sync);
        sync_stop(fixture.sync);
        assert_false(sync_is_running(fixture.sync));
        sync_stop(fixture.sync);
        assert_int_equal(sync_start(fixture.sync, NULL), RHEI_OK);
        assert_int_equal(sync_start(fixture.sync, NULL), RHEI_OK);
    }
    must_be_current(&fixture, TABLES, 2);
    fixture_close(&fixture);
}

/* An idle loop looks at the token now and then and begins no cycle. */
static bool looked_often(struct fixture *fixture)
{
    return base_now_ns() - *(int64_t *)fixture->context > 200 * MILLISECOND;
}

static void test_idle_loop_begins_no_cycles(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_running(&fixture, (struct sync_config){.prune = true});
    assert_true(wait_until(pruned, &fixture));
    must_latest(&fixture);
    uint64_t begins = list_calls(fixture.store, LIST_BEGIN), prunes = list_calls(fixture.store, LIST_PRUNE);
    int64_t since = base_now_ns();
    fixture.context = &since;
    assert_true(wait_until(looked_often, &fixture));
    assert_int_equal(list_calls(fixture.store, LIST_BEGIN), begins);
    assert_int_equal(list_calls(fixture.store, LIST_PRUNE), prunes);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loop_follows_own_commits),
        cmocka_unit_test(test_loop_notices_foreign_commits),
        cmocka_unit_test(test_loop_by_interval),
        cmocka_unit_test(test_loop_survives_a_failing_source),
        cmocka_unit_test(test_a7_loop_prunes_by_itself),
        cmocka_unit_test(test_loop_compacts),
        cmocka_unit_test(test_a1_compaction_shows_no_failed_cycle),
        cmocka_unit_test(test_start_and_stop_again_and_again),
        cmocka_unit_test(test_idle_loop_begins_no_cycles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
