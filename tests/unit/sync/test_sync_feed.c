/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source, a buffer, and a mirror that follows the buffer: the promises of the source alone, with failures of every call, cut at every
 * named point, and restarts of mirror and pump over what the buffer kept.
 */
#include "sync_fixture.h"

#include <string.h>

#include "feed/feed.h"
#include "tests/support/memory_buffer.h"

enum { NAMES = 3, KEYS = 50 };
static const char *const ALL[NAMES] = {"a", "b", "c"};

struct world {
    struct list_store *store;
    struct change_source *list, *feed;
    struct change_buffer *buffer;
    struct mirror *mirror;
    struct sync *sync;
    uint64_t random;
    const char *tables[NAMES];
    size_t table_count;
    uint32_t columns;
    _Atomic(const char *) cut_at; /* the cycle fails at this point; any thread may come by */
};

static void at_point(void *context, const char *point)
{
    struct world *world = context;
    const char *cut_at = atomic_load(&world->cut_at);
    if (cut_at && strcmp(cut_at, point) == 0 && atomic_compare_exchange_strong(&world->cut_at, &cut_at, NULL)) {
        for (int call = 0; call < LIST_CALLS; call++)
            list_fail(world->store, (enum list_call)call, 1, RHEI_IO);
        memory_buffer_fail(world->buffer, 1, RHEI_IO);
    }
}

static void start(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    uint64_t seed = test_random(&world->random);
    struct feed_config feed = {.buffer = world->buffer,
                               .batch_rows = 1 + seed % 9,
                               .prune_upstream = seed % 2 == 0,
                               .fault = at_point,
                               .fault_context = world};
    feed.upstream = world->list = list_source_open(world->store);
    assert_int_equal(feed_source_open(&feed, &world->feed, &error), RHEI_OK);
    assert_int_equal(mirror_open(NULL, &world->mirror, &error), RHEI_OK);
    struct sync_config config = {.mirror = world->mirror,
                                 .source = world->feed,
                                 .batch_rows = 1 + seed % 7,
                                 .build_threads = 2,
                                 .build_on_demand = true,
                                 .prune = seed % 3 > 0,
                                 .fault = at_point,
                                 .fault_context = world};
    assert_int_equal(sync_open(&config, &world->sync, &error), RHEI_OK);
}

static void stop(struct world *world)
{
    sync_close(&world->sync);
    mirror_close(&world->mirror);
    world->feed->ops->close(&world->feed);
    world->list->ops->close(&world->list);
    memory_buffer_crash(world->buffer);
}

static void no_trouble(struct world *world)
{
    atomic_store(&world->cut_at, NULL);
    for (int call = 0; call < LIST_CALLS; call++)
        list_fail(world->store, (enum list_call)call, 0, RHEI_OK);
    memory_buffer_fail(world->buffer, 0, RHEI_OK);
}

static void check(struct world *world)
{
    char message[256] = "";
    struct mirror_snapshot snapshot;
    assert_int_equal(mirror_snapshot_take(world->mirror, &snapshot), RHEI_OK);
    bool equal = list_equals_snapshot(world->store, &snapshot, message, sizeof message);
    mirror_snapshot_release(&snapshot);
    if (!equal)
        fail_msg("%s", message);
}

static void settle(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    no_trouble(world);
    int64_t position = list_position(world->store);
    assert_int_equal(sync_rebuild(world->sync, NULL, NULL), RHEI_OK); /* those that failed */
    if (sync_build(world->sync, true, base_now_ns() + LIMIT_NS, NULL, &error) != RHEI_OK ||
        sync_wait_latest(world->sync, base_now_ns() + LIMIT_NS, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_true(sync_position(world->sync) >= position);
    check(world);
    for (size_t i = 0; i < world->table_count; i++)
        assert_true(sync_table_ready(world->sync, list_table_id(world->store, world->tables[i])));
}

static void open_world(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random = seed | 1;
    world->columns = 3;
    world->store = list_store_new(seed);
    world->buffer = memory_buffer_new();
    for (size_t i = 0; i < NAMES; i++) {
        list_create(world->store, ALL[i], 3);
        world->tables[world->table_count++] = ALL[i];
    }
    start(world);
}

static void close_world(struct world *world)
{
    stop(world);
    assert_int_equal(list_breaches(world->store), 0);
    world->buffer->ops->close(&world->buffer);
    list_store_free(&world->store);
}

static void change(struct world *world)
{
    random_transaction(world->store, &world->random, world->tables, world->table_count, KEYS);
}

static void step(struct world *world)
{
    static const char *const POINTS[] = {"feed.pump.begun",  "feed.pump.appended", "feed.pump.committed",
                                         "feed.read",        "sync.cycle.begun",   "sync.cycle.read",
                                         "sync.cycle.batch", "sync.cycle.applied", "sync.build.batch"};
    uint64_t what = test_random(&world->random) % 100;
    if (what < 50) {
        change(world);
    } else if (what < 70) {
        (void)sync_cycle(world->sync, NULL, NULL);
    } else if (what < 78) {
        atomic_store(&world->cut_at, POINTS[test_random(&world->random) % (sizeof POINTS / sizeof POINTS[0])]);
        change(world);
        (void)sync_cycle(world->sync, NULL, NULL);
    } else if (what < 82) {
        (void)sync_build(world->sync, true, base_now_ns() + LIMIT_NS, NULL, NULL);
    } else if (what < 84 && world->columns < 8) {
        list_add_column(world->store, ALL[what % NAMES], list_real(0.5));
        world->columns++;
    } else if (what < 86) {
        list_lose(world->store);
    } else if (what < 90) {
        memory_buffer_fail(world->buffer, 1 + test_random(&world->random) % 4, RHEI_FULL);
    } else if (what < 93) {
        uint64_t pruned = 0;
        (void)world->feed->ops->prune(world->feed, sync_position(world->sync), &pruned, NULL);
    } else if (what < 96) {
        no_trouble(world);
        stop(world);
        start(world);
    } else {
        no_trouble(world);
    }
}

static void test_a2_buffer_between_source_and_mirror(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int i = 0; i < 15; i++) {
        struct world world;
        open_world(&world, test_random(&seed));
        for (int k = 0; k < 150; k++) {
            step(&world);
            check(&world);
        }
        settle(&world);
        close_world(&world);
    }
}

/* Each point once, with a restart after it. */
static void test_a4_cut_and_restarted_at_every_point(void **state)
{
    (void)state;
    static const char *const POINTS[] = {"feed.pump.begun",    "feed.pump.appended", "feed.pump.committed",
                                         "feed.read",          "sync.cycle.begun",   "sync.cycle.read",
                                         "sync.cycle.batch",   "sync.cycle.applied", "sync.cycle.published",
                                         "sync.build.begun",   "sync.build.batch",   "sync.build.loaded",
                                         "sync.build.attached"};
    uint64_t seed = test_seed();
    for (size_t i = 0; i < sizeof POINTS / sizeof POINTS[0]; i++) {
        struct world world;
        open_world(&world, test_random(&seed));
        settle(&world);
        for (int round = 0; round < 3; round++) {
            for (int k = 0; k < 5; k++)
                change(&world);
            atomic_store(&world.cut_at, POINTS[i]);
            (void)sync_cycle(world.sync, NULL, NULL);
            (void)sync_rebuild(world.sync, ALL[0], NULL);
            (void)sync_build(world.sync, true, base_now_ns() + 200 * MILLISECOND, NULL, NULL);
            check(&world);
            if (round == 1) {
                stop(&world);
                no_trouble(&world);
                start(&world);
            }
            settle(&world);
        }
        close_world(&world);
    }
}

/* What isn't committed when the process dies is gone, and pumped again. */
static void test_a4_crash_loses_what_was_not_durable(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, test_seed());
    settle(&world);
    uint64_t commits = memory_buffer_commits(world.buffer);
    commit_row(world.store, "a", 1, 1);
    struct change_event lost = {.kind = CHANGE_EVENT_GONE, .table = list_table_id(world.store, "a")};
    assert_int_equal(world.buffer->ops->append(world.buffer, &lost, 1, NULL), RHEI_OK);
    stop(&world); /* crashes the buffer */
    assert_int_equal(memory_buffer_commits(world.buffer), commits);
    start(&world);
    settle(&world);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a2_buffer_between_source_and_mirror),
        cmocka_unit_test(test_a4_cut_and_restarted_at_every_point),
        cmocka_unit_test(test_a4_crash_loses_what_was_not_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
