/* SPDX-License-Identifier: Apache-2.0 */
#include "sync_fixture.h"

#include <string.h>

static const char *const TABLES[] = {"a", "b"};

static void open_with_tables(struct fixture *fixture, struct sync_config config)
{
    config.build_on_demand = true;
    fixture_open(fixture, config);
    for (size_t i = 0; i < 2; i++) {
        list_create(fixture->store, TABLES[i], 3);
        fill_table(fixture->store, TABLES[i], 10);
    }
    must_build(fixture);
    must_be_current(fixture, TABLES, 2);
}

static void test_q1_nothing_pending_costs_no_cycle(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    uint64_t begins = list_calls(fixture.store, LIST_BEGIN);
    int64_t before = base_now_ns();
    must_latest(&fixture);
    assert_int_equal(list_calls(fixture.store, LIST_BEGIN), begins);
    assert_true(sync_fresh_at_ns(fixture.sync) >= before); /* the look at the token was as good as a cycle */
    commit_row(fixture.store, "a", 1, 5);
    int64_t committed = base_now_ns();
    assert_true(sync_fresh_at_ns(fixture.sync) < committed);
    must_latest(&fixture);
    assert_int_equal(list_calls(fixture.store, LIST_BEGIN), begins + 1);
    assert_true(sync_fresh_at_ns(fixture.sync) >= committed);
    must_equal(&fixture);
    fixture_close(&fixture);
}

/* ---- Everything committed before the call is seen, however many threads commit and ask. --------------------------- */

enum { CALLERS = 6, ROUNDS = 150 };

struct caller {
    struct fixture *fixture;
    base_thread thread;
    int64_t number;
};

static void commit_and_ask(void *argument)
{
    struct caller *caller = argument;
    struct fixture *fixture = caller->fixture;
    for (int64_t round = 0; round < ROUNDS; round++) {
        int64_t position = commit_row(fixture->store, TABLES[round % 2], 100 + caller->number, round);
        if (round % 5 == 0)
            sync_wake(fixture->sync);
        must_latest(fixture);
        struct mirror_snapshot snapshot;
        assert_int_equal(mirror_snapshot_take(fixture->mirror, &snapshot), RHEI_OK);
        assert_true(mirror_snapshot_position(&snapshot) >= position);
        mirror_snapshot_release(&snapshot);
    }
}

static void ask_from_many_threads(bool loop)
{
    struct fixture fixture = {.seed = test_seed()};
    open_with_tables(&fixture, (struct sync_config){.prune = loop});
    if (loop)
        assert_int_equal(sync_start(fixture.sync, NULL), RHEI_OK);
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.fixture = &fixture, .number = i};
        assert_int_equal(base_thread_start(&callers[i].thread, "caller", commit_and_ask, &callers[i], NULL), RHEI_OK);
    }
    for (int i = 0; i < CALLERS; i++)
        base_thread_join(&callers[i].thread);
    must_be_current(&fixture, TABLES, 2);
    fixture_close(&fixture);
}

static void test_q1_latest_sees_every_earlier_commit(void **state)
{
    (void)state;
    ask_from_many_threads(false);
}

static void test_q1_latest_sees_every_earlier_commit_beside_the_loop(void **state)
{
    (void)state;
    ask_from_many_threads(true);
}

/* ---- Waiting for a cycle that another thread runs. ---------------------------------------------------------------- */

struct held {
    struct gate gate;
    atomic_bool hold;
};

static void hold_cycle(struct fixture *fixture, const char *point)
{
    struct held *held = fixture->context;
    if (strcmp(point, "sync.cycle.begun") == 0 && atomic_exchange(&held->hold, false))
        assert_true(gate_wait(&held->gate));
}

static void ask_once(void *argument)
{
    must_latest(argument);
}

struct impatient {
    struct fixture *fixture;
    int64_t deadline_ns;
    const struct sync_stop *stop;
    rhei_status status;
    char message[256];
};

static void ask_with_limit(void *argument)
{
    struct impatient *impatient = argument;
    struct rhei_error error = RHEI_ERROR_INIT;
    impatient->status = sync_wait_latest(impatient->fixture->sync, impatient->deadline_ns, impatient->stop, &error);
    memcpy(impatient->message, error.message, sizeof impatient->message - 1);
}

static rhei_status check_flag(void *context)
{
    return atomic_load((atomic_bool *)context) ? RHEI_CANCELLED : RHEI_OK;
}

static void test_q1_waiters_leave_by_deadline_or_stop_and_share_one_cycle(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    struct held held = {.hold = true};
    gate_init(&held.gate);
    fixture.context = &held;
    fixture.at_point = hold_cycle;
    uint64_t begins = list_calls(fixture.store, LIST_BEGIN);

    commit_row(fixture.store, "a", 1, 1);
    base_thread first;
    assert_int_equal(base_thread_start(&first, "first", ask_once, &fixture, NULL), RHEI_OK);
    assert_true(gate_wait_for_waiter(&held.gate));
    commit_row(fixture.store, "b", 1, 1); /* the cycle that runs has not seen this */

    struct impatient late = {.fixture = &fixture, .deadline_ns = base_now_ns() + 20 * MILLISECOND};
    ask_with_limit(&late);
    assert_int_equal(late.status, RHEI_STALE);
    assert_non_null(strstr(late.message, "did not catch up"));

    atomic_bool cancelled = true;
    struct sync_stop stop = {check_flag, &cancelled, NULL};
    struct impatient stopped = {.fixture = &fixture, .stop = &stop};
    ask_with_limit(&stopped);
    assert_int_equal(stopped.status, RHEI_CANCELLED);

    base_thread waiters[5];
    for (int i = 0; i < 5; i++)
        assert_int_equal(base_thread_start(&waiters[i], "waiter", ask_once, &fixture, NULL), RHEI_OK);
    gate_open(&held.gate);
    base_thread_join(&first);
    for (int i = 0; i < 5; i++)
        base_thread_join(&waiters[i]);
    assert_int_equal(list_calls(fixture.store, LIST_BEGIN), begins + 2);
    must_be_current(&fixture, TABLES, 2);
    gate_destroy(&held.gate);
    fixture_close(&fixture);
}

static void test_a4_a_cancelled_cycle_is_not_taken_for_done_by_those_who_waited(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){.batch_rows = 1});
    struct held held = {.hold = true};
    gate_init(&held.gate);
    fixture.context = &held;
    fixture.at_point = hold_cycle;
    for (int64_t key = 1; key < 10; key++)
        commit_row(fixture.store, "a", key, 1);
    atomic_bool cancelled = false;
    struct sync_stop stop = {check_flag, &cancelled, NULL};
    struct impatient runner = {.fixture = &fixture, .stop = &stop};
    base_thread first, second;
    assert_int_equal(base_thread_start(&first, "first", ask_with_limit, &runner, NULL), RHEI_OK);
    assert_true(gate_wait_for_waiter(&held.gate));
    assert_int_equal(base_thread_start(&second, "second", ask_once, &fixture, NULL), RHEI_OK);
    atomic_store(&cancelled, true);
    gate_open(&held.gate);
    base_thread_join(&first);
    base_thread_join(&second);
    assert_int_equal(runner.status, RHEI_CANCELLED);
    must_be_current(&fixture, TABLES, 2);
    gate_destroy(&held.gate);
    fixture_close(&fixture);
}

static void test_q1_latest_fails_when_the_source_does(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    commit_row(fixture.store, "a", 1, 1);
    list_fail_always(fixture.store, LIST_BEGIN, RHEI_IO);
    struct rhei_error error = RHEI_ERROR_INIT;
    assert_int_equal(sync_wait_latest(fixture.sync, 0, NULL, &error), RHEI_IO);
    struct sync_status status;
    sync_get_status(fixture.sync, &status);
    assert_int_equal(status.failures, 1);
    assert_non_null(strstr(status.last_error, "injected"));
    list_fail_always(fixture.store, LIST_BEGIN, RHEI_OK);
    must_be_current(&fixture, TABLES, 2);
    fixture_close(&fixture);
}

/* ---- Bounded. ---------------------------------------------------------------------------------------------------- */

static bool older_than_20_ms(struct fixture *fixture)
{
    return base_now_ns() - sync_fresh_at_ns(fixture->sync) > 20 * MILLISECOND;
}

static void test_q1_bounded_is_never_older(void **state)
{
    (void)state;
    struct fixture fixture = {0};
    open_with_tables(&fixture, (struct sync_config){0});
    must_latest(&fixture);
    commit_row(fixture.store, "a", 1, 1);
    uint64_t begins = list_calls(fixture.store, LIST_BEGIN);
    assert_int_equal(sync_wait_bounded(fixture.sync, 3600000, 0, NULL, NULL), RHEI_OK);
    assert_int_equal(list_calls(fixture.store, LIST_BEGIN), begins); /* young enough */
    assert_true(wait_until(older_than_20_ms, &fixture));
    assert_int_equal(sync_wait_bounded(fixture.sync, 20, 0, NULL, NULL), RHEI_OK);
    assert_int_equal(list_calls(fixture.store, LIST_BEGIN), begins + 1);
    assert_int_equal(sync_position(fixture.sync), list_position(fixture.store));
    commit_row(fixture.store, "a", 1, 2);
    assert_int_equal(sync_wait_bounded(fixture.sync, 0, 0, NULL, NULL), RHEI_OK);
    assert_int_equal(sync_position(fixture.sync), list_position(fixture.store));
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q1_nothing_pending_costs_no_cycle),
        cmocka_unit_test(test_q1_latest_sees_every_earlier_commit),
        cmocka_unit_test(test_q1_latest_sees_every_earlier_commit_beside_the_loop),
        cmocka_unit_test(test_q1_waiters_leave_by_deadline_or_stop_and_share_one_cycle),
        cmocka_unit_test(test_a4_a_cancelled_cycle_is_not_taken_for_done_by_those_who_waited),
        cmocka_unit_test(test_q1_latest_fails_when_the_source_does),
        cmocka_unit_test(test_q1_bounded_is_never_older),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
