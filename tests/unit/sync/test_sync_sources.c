/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several sources and one mirror: each is published for itself and whole, at its own rate, and what happens to one costs the others
 * nothing. Every check takes one snapshot and compares each source's tables with its store at the position the snapshot has for it.
 */
#include "sync_fixture.h"

#include <string.h>

#include "base/base_thread.h"

enum { FAR = 3, FARTHER = 5, KEYS = 40, ROUNDS = 200 };
static const char *const NEAR_TABLES[] = {"a", "b"};
static const char *const FAR_TABLES[] = {"a", "x"}; /* a name of its own and one that the first source has, too */

struct far {
    struct fixture *near;
    struct list_store *store;
    struct change_source *source;
    struct sync *sync;
    uint32_t number;
    /* called at every named point of the far source's cycles and builds, by the thread that runs them */
    void (*at_point)(struct far *far, const char *point);
    const char *cut_at;
    atomic_int cuts;
};

static void far_point(void *context, const char *point)
{
    struct far *far = context;
    if (far->at_point)
        far->at_point(far, point);
}

static void far_open(struct far *far)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    far->source = list_source_open(far->store);
    struct sync_config config = {.mirror = far->near->mirror,
                                 .source = far->source,
                                 .source_number = far->number,
                                 .beside = far->near->sync,
                                 .batch_rows = 5,
                                 .build_threads = 2,
                                 .build_on_demand = true,
                                 .prune = true,
                                 .fault = far_point,
                                 .fault_context = far};
    if (sync_open(&config, &far->sync, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

static void far_new(struct far *far, struct fixture *near, uint32_t number)
{
    memset(far, 0, sizeof *far);
    far->near = near;
    far->number = number;
    far->store = list_store_new(number);
    for (size_t i = 0; i < 2; i++) {
        list_create(far->store, FAR_TABLES[i], 3);
        fill_table(far->store, FAR_TABLES[i], KEYS / 2);
    }
    far_open(far);
}

static void far_away(struct far *far)
{
    sync_close(&far->sync);
    far->source->ops->close(&far->source);
}

static void far_end(struct far *far)
{
    far_away(far);
    assert_int_equal(list_breaches(far->store), 0);
    list_store_free(&far->store);
}

static rhei_status far_build(struct far *far)
{
    return sync_build(far->sync, true, base_now_ns() + LIMIT_NS, NULL, NULL);
}

static rhei_status far_latest(struct far *far)
{
    return sync_wait_latest(far->sync, base_now_ns() + LIMIT_NS, NULL, NULL);
}

/* One snapshot, each source at its position. *far_rows: of table x, -1 if it isn't there. */
static void check(struct fixture *near, const struct far *far, int64_t *far_rows)
{
    char message[256] = "";
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(near->mirror, &snapshot), RHEI_OK);
    bool equal = list_equals_snapshot(near->store, &snapshot, message, sizeof message) &&
                 list_equals_source(far->store, far->number, &snapshot, message, sizeof message);
    const struct mirror_table_view *view =
        mirror_view(&snapshot, list_table_id(far->store, "x") | far->number << TABLE_SOURCE_SHIFT);
    if (far_rows)
        *far_rows = view ? (int64_t)mirror_view_row_count(view) : -1;
    mirror_snapshot_release(&snapshot);
    if (!equal)
        fail_msg("%s", message);
}

static void near_open(struct fixture *near)
{
    memset(near, 0, sizeof *near);
    fixture_open(near, (struct sync_config){.build_on_demand = true});
    for (size_t i = 0; i < 2; i++) {
        list_create(near->store, NEAR_TABLES[i], 3);
        fill_table(near->store, NEAR_TABLES[i], KEYS / 2);
    }
    must_build(near);
}

static void near_commit(struct fixture *near)
{
    commit_row(near->store, "a", (int64_t)(list_event_count(near->store) % KEYS), 7);
    must_latest(near);
}

static void commit_many(struct list_store *store, const char *table, int64_t number)
{
    struct list_txn *txn = list_begin(store);
    for (int64_t key = 1; key <= KEYS; key++)
        put_row(txn, table, key, number);
    list_commit(txn);
}

/* ---- One by one. -------------------------------------------------------------------------------------------------- */

static void test_a1_a_failed_cycle_of_one_is_not_shown_by_another(void **state)
{
    (void)state;
    struct fixture near;
    struct far far;
    int64_t rows;
    near_open(&near);
    far_new(&far, &near, FAR);
    assert_int_equal(far_build(&far), RHEI_OK);
    int64_t shown = sync_position(far.sync);

    commit_many(far.store, "x", 1);
    list_fail(far.store, LIST_NEXT, 2, RHEI_IO); /* five rows are in the working state by then */
    assert_int_equal(far_latest(&far), RHEI_IO);
    for (int i = 0; i < 3; i++) {
        near_commit(&near);
        check(&near, &far, &rows);
        assert_int_equal(rows, KEYS / 2);
        assert_int_equal(sync_position(far.sync), shown);
    }
    list_fail(far.store, LIST_NEXT, 3, RHEI_IO); /* and some more, over what was held back */
    assert_int_equal(far_latest(&far), RHEI_IO);
    near_commit(&near);
    check(&near, &far, NULL);
    assert_int_equal(far_latest(&far), RHEI_OK);
    check(&near, &far, &rows);
    assert_int_equal(rows, KEYS);
    assert_int_equal(sync_position(far.sync), list_position(far.store));
    far_end(&far);
    fixture_close(&near);
}

static void publish_near(struct far *far, const char *point)
{
    if (far->cut_at && strcmp(point, far->cut_at) == 0) {
        near_commit(far->near);
        check(far->near, far, NULL);
        far->cuts++;
    }
}

/* The first source is published at every point of the second's cycles and builds, on the very thread that runs them. */
static void test_a1_one_is_published_amid_the_other(void **state)
{
    static const char *const POINTS[] = {"sync.cycle.begun",   "sync.cycle.read",      "sync.cycle.batch",
                                         "sync.cycle.applied", "sync.cycle.published", "sync.build.begun",
                                         "sync.build.loaded",  "sync.build.attached"};
    (void)state;
    for (size_t p = 0; p < sizeof POINTS / sizeof POINTS[0]; p++) {
        struct fixture near;
        struct far far;
        near_open(&near);
        far_new(&far, &near, FAR);
        far.cut_at = POINTS[p];
        far.at_point = publish_near;
        assert_int_equal(far_build(&far), RHEI_OK);
        for (int64_t i = 0; i < 5; i++) {
            commit_many(far.store, i % 2 ? "x" : "a", i);
            assert_int_equal(far_latest(&far), RHEI_OK);
            check(&near, &far, NULL);
        }
        assert_true(atomic_load(&far.cuts) > 0);
        far_end(&far);
        fixture_close(&near);
    }
}

static void test_one_that_lost_its_changes_is_built_again_alone(void **state)
{
    (void)state;
    struct fixture near;
    struct far far;
    int64_t rows;
    near_open(&near);
    far_new(&far, &near, FAR);
    assert_int_equal(far_build(&far), RHEI_OK);
    uint64_t loads = list_calls(near.store, LIST_LOAD_BEGIN);
    commit_many(far.store, "x", 1);
    list_lose(far.store);
    assert_int_equal(far_latest(&far), RHEI_OK);
    near_commit(&near);
    check(&near, &far, NULL);
    for (size_t i = 0; i < 2; i++)
        assert_true(sync_table_ready(near.sync, list_table_id(near.store, NEAR_TABLES[i])));
    assert_int_equal(far_build(&far), RHEI_OK);
    check(&near, &far, &rows);
    assert_int_equal(rows, KEYS);
    assert_int_equal(list_calls(near.store, LIST_LOAD_BEGIN), loads);
    far_end(&far);
    fixture_close(&near);
}

static void test_one_that_is_away_costs_the_other_nothing(void **state)
{
    (void)state;
    struct fixture near;
    struct far far;
    near_open(&near);
    far_new(&far, &near, FAR);
    assert_int_equal(far_build(&far), RHEI_OK);
    commit_row(far.store, "x", 1, 99);
    for (int call = 0; call < LIST_CALLS; call++)
        list_fail_always(far.store, (enum list_call)call, RHEI_IO);
    assert_int_equal(far_latest(&far), RHEI_IO);
    near_commit(&near);
    assert_int_equal(sync_position(near.sync), list_position(near.store));
    check(&near, &far, NULL);
    struct sync_status status;
    sync_get_status(near.sync, &status);
    assert_int_equal(status.failures, 0);
    sync_get_status(far.sync, &status);
    assert_int_equal(status.failures, 1);
    for (int call = 0; call < LIST_CALLS; call++)
        list_fail_always(far.store, (enum list_call)call, RHEI_OK);
    assert_int_equal(far_latest(&far), RHEI_OK);
    assert_int_equal(sync_position(far.sync), list_position(far.store));
    check(&near, &far, NULL);
    far_end(&far);
    fixture_close(&near);
}

static void test_one_that_is_removed_takes_its_tables_and_may_come_back(void **state)
{
    (void)state;
    struct fixture near;
    struct far far, farther;
    int64_t rows;
    near_open(&near);
    far_new(&far, &near, FAR);
    far_new(&farther, &near, FARTHER);
    assert_int_equal(far_build(&far), RHEI_OK);
    assert_int_equal(far_build(&farther), RHEI_OK);
    for (int i = 0; i < 3; i++) {
        if (i == 1) { /* amid a cycle that failed */
            commit_many(far.store, "x", 5);
            list_fail(far.store, LIST_NEXT, 2, RHEI_IO);
            assert_int_equal(far_latest(&far), RHEI_IO);
        }
        struct mirror_snapshot held;
        assert_int_equal(mirror_snapshot_take(near.mirror, &held), RHEI_OK);
        far_away(&far);
        check(&near, &far, &rows);
        assert_int_equal(rows, -1);
        check(&near, &farther, &rows);
        assert_int_equal(rows, KEYS / 2);
        near_commit(&near);
        assert_non_null(mirror_view(&held, list_table_id(far.store, "x") | FAR << TABLE_SOURCE_SHIFT));
        mirror_snapshot_release(&held);
        far_open(&far);
        assert_int_equal(far_build(&far), RHEI_OK);
        check(&near, &far, &rows);
        assert_int_equal(rows, i == 0 ? KEYS / 2 : KEYS);
    }
    far_end(&far);
    far_end(&farther);
    fixture_close(&near);
}

static void test_numbers_are_taken_once(void **state)
{
    (void)state;
    struct fixture near;
    struct far far;
    struct rhei_error error = RHEI_ERROR_INIT;
    struct sync *sync = NULL;
    near_open(&near);
    far_new(&far, &near, FAR);
    struct sync_config config = {.mirror = near.mirror, .source = far.source, .batch_rows = 1, .beside = near.sync};
    static const uint32_t wrong[] = {0, FAR, TABLE_SOURCES_MOST, UINT32_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        config.source_number = wrong[i];
        assert_int_equal(sync_open(&config, &sync, &error), RHEI_INVALID);
        assert_null(sync);
    }
    far_end(&far);
    fixture_close(&near);
}

/* ---- All at once. ------------------------------------------------------------------------------------------------- */

struct writer {
    struct fixture *near;
    atomic_bool stop;
    _Atomic uint64_t most_events; /* so that replaying them stays cheap */
    base_thread thread;
};

static void write_near(void *argument)
{
    struct writer *writer = argument;
    uint64_t random = 77;
    while (!atomic_load(&writer->stop)) {
        if (list_event_count(writer->near->store) < atomic_load(&writer->most_events))
            random_transaction(writer->near->store, &random, NEAR_TABLES, 2, KEYS);
        (void)sync_wait_latest(writer->near->sync, base_now_ns() + LIMIT_NS, NULL, NULL);
    }
}

static void trouble(struct far *far, uint64_t what)
{
    if (what < 30)
        list_fail(far->store, (enum list_call)(what % LIST_CALLS), 1 + what % 4, RHEI_IO);
    else if (what < 32)
        list_lose(far->store);
    else if (what < 34)
        (void)sync_rebuild(far->sync, FAR_TABLES[what % 2], NULL);
    else if (what < 35) {
        far_away(far);
        far_open(far);
    } else if (what < 36) {
        list_drop(far->store, "x");
        list_create(far->store, "x", 3);
        fill_table(far->store, "x", KEYS / 2);
    }
}

/* The first source commits as fast as it can, the second now and then, and fails, loses and goes; loops, builds and upkeep run. */
static void test_a1_random_sources_at_different_rates(void **state)
{
    (void)state;
    struct fixture near;
    struct far far;
    uint64_t random = test_seed();
    near_open(&near);
    far_new(&far, &near, FAR);
    struct writer writer = {.near = &near};
    assert_int_equal(sync_start(near.sync, NULL), RHEI_OK);
    assert_int_equal(base_thread_start(&writer.thread, "near", write_near, &writer, NULL), RHEI_OK);
    for (int round = 0; round < ROUNDS; round++) {
        atomic_store(&writer.most_events, 40 * (uint64_t)round);
        trouble(&far, test_random(&random) % 200);
        random_transaction(far.store, &random, FAR_TABLES, 2, KEYS);
        if (round % 50 == 7)
            (void)far_build(&far);
        if (round % 50 == 20)
            assert_int_equal(sync_start(far.sync, NULL), RHEI_OK);
        (void)far_latest(&far);
        check(&near, &far, NULL);
    }
    atomic_store(&writer.stop, true);
    base_thread_join(&writer.thread);
    for (int call = 0; call < LIST_CALLS; call++)
        list_fail(far.store, (enum list_call)call, 0, RHEI_OK);
    assert_int_equal(sync_rebuild(far.sync, NULL, NULL), RHEI_OK); /* those that failed */
    assert_int_equal(far_build(&far), RHEI_OK);
    assert_int_equal(far_latest(&far), RHEI_OK);
    must_latest(&near);
    check(&near, &far, NULL);
    assert_int_equal(sync_position(far.sync), list_position(far.store));
    for (size_t i = 0; i < 2; i++)
        assert_true(
            sync_table_ready(near.sync, list_table_id(far.store, FAR_TABLES[i]) | (uint32_t)FAR << TABLE_SOURCE_SHIFT));
    far_end(&far);
    fixture_close(&near);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a1_a_failed_cycle_of_one_is_not_shown_by_another),
        cmocka_unit_test(test_a1_one_is_published_amid_the_other),
        cmocka_unit_test(test_one_that_lost_its_changes_is_built_again_alone),
        cmocka_unit_test(test_one_that_is_away_costs_the_other_nothing),
        cmocka_unit_test(test_one_that_is_removed_takes_its_tables_and_may_come_back),
        cmocka_unit_test(test_numbers_are_taken_once),
        cmocka_unit_test(test_a1_random_sources_at_different_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
