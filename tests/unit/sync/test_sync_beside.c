/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A mirror that follows its source beside a bridge: what the source has forgotten comes from the buffer, whatever fails in either, and as long as
 * nothing was lost no table is read twice.
 */
#include "sync_fixture.h"

#include <string.h>

#include "feed/feed_bridge.h"
#include "tests/support/memory_buffer.h"

enum { NAMES = 3, KEYS = 50 };
static const char *const ALL[NAMES] = {"a", "b", "c"};

struct world {
    struct list_store *store;
    struct change_source *list, *beside, *own; /* the mirror's, and the bridge's */
    struct change_buffer *buffer;
    struct feed_bridge *bridge;
    struct mirror *mirror;
    struct sync *sync;
    uint64_t random;
    const char *tables[NAMES];
    size_t table_count;
    uint32_t columns;
    atomic_bool holds; /* the bridge keeps in the source what the mirror hasn't applied */
    bool threaded;
    _Atomic int64_t reader;   /* that somebody reads the buffer from; INT64_MAX: nobody does */
    atomic_uint reads, looks; /* looks: how often the bridge asked what the mirror has applied */
    uint64_t begins;          /* of the source's cycles, and looks at that time: see rests() */
    unsigned looks_then;
    _Atomic(const char *) cut_at; /* what runs fails at this point; any thread may come by */
};

static void at_point(void *context, const char *point)
{
    struct world *world = context;
    atomic_fetch_add(&world->reads, strcmp(point, "feed.beside.read") == 0);
    const char *cut_at = atomic_load(&world->cut_at);
    if (cut_at && strcmp(cut_at, point) == 0 && atomic_compare_exchange_strong(&world->cut_at, &cut_at, NULL)) {
        for (int call = 0; call < LIST_CALLS; call++)
            list_fail(world->store, (enum list_call)call, 1, RHEI_IO);
        memory_buffer_fail(world->buffer, 1, RHEI_IO);
        memory_buffer_fail_read(world->buffer, 1, RHEI_IO);
    }
}

static int64_t applied(void *context)
{
    struct world *world = context;
    atomic_fetch_add(&world->looks, 1);
    return world->holds && world->sync ? sync_position(world->sync) : INT64_MAX;
}

static rhei_status read_from(void *context, int64_t *position, struct rhei_error *error)
{
    struct world *world = context;
    (void)error;
    *position = world->reader;
    return RHEI_OK;
}

static uint64_t buffer_id(void *context)
{
    (void)context;
    return 42;
}

static void start(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    uint64_t seed = test_random(&world->random);
    world->own = list_source_open(world->store);
    world->list = list_source_open(world->store);
    list_source_leave_pruning(world->list);
    world->holds = seed % 5 == 0;
    struct feed_bridge_config bridge = {.buffer = world->buffer,
                                        .source = world->own,
                                        .batch_rows = 1 + seed % 9,
                                        .eager = true,
                                        .applied = applied,
                                        .read_from = read_from,
                                        .context = world,
                                        .fault = at_point,
                                        .fault_context = world};
    assert_int_equal(feed_bridge_open(&bridge, &world->bridge, &error), RHEI_OK);
    struct feed_beside_config beside = {.bridge = world->bridge,
                                        .buffer = world->buffer,
                                        .upstream = world->list,
                                        .id = buffer_id,
                                        .fault = at_point,
                                        .fault_context = world};
    assert_int_equal(feed_beside_open(&beside, &world->beside, &error), RHEI_OK);
    assert_int_equal(mirror_open(NULL, &world->mirror, &error), RHEI_OK);
    struct sync_config config = {.mirror = world->mirror,
                                 .source = world->beside,
                                 .batch_rows = 1 + seed % 7,
                                 .build_threads = 2,
                                 .build_on_demand = true,
                                 .prune = seed % 3 > 0,
                                 .fault = at_point,
                                 .fault_context = world};
    assert_int_equal(sync_open(&config, &world->sync, &error), RHEI_OK);
    world->threaded = seed % 2 == 0;
    if (world->threaded)
        assert_int_equal(feed_bridge_start(world->bridge, &error), RHEI_OK);
}

static void stop(struct world *world)
{
    feed_bridge_stop(world->bridge, test_random(&world->random) % 2 == 0);
    sync_close(&world->sync);
    mirror_close(&world->mirror);
    world->beside->ops->close(&world->beside);
    feed_bridge_close(&world->bridge);
    world->list->ops->close(&world->list);
    world->own->ops->close(&world->own);
    memory_buffer_crash(world->buffer);
}

static void no_trouble(struct world *world)
{
    atomic_store(&world->cut_at, NULL);
    for (int call = 0; call < LIST_CALLS; call++)
        list_fail(world->store, (enum list_call)call, 0, RHEI_OK);
    memory_buffer_fail(world->buffer, 0, RHEI_OK);
    memory_buffer_fail_read(world->buffer, 0, RHEI_OK);
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

static void latest(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    int64_t position = list_position(world->store);
    if (sync_wait_latest(world->sync, base_now_ns() + LIMIT_NS, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    assert_true(sync_position(world->sync) >= position);
    check(world);
}

static void settle(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    no_trouble(world);
    assert_int_equal(sync_rebuild(world->sync, NULL, NULL), RHEI_OK); /* those that failed */
    if (sync_build(world->sync, true, base_now_ns() + LIMIT_NS, NULL, &error) != RHEI_OK)
        fail_msg("%s", error.message);
    latest(world);
    for (size_t i = 0; i < world->table_count; i++)
        assert_true(sync_table_ready(world->sync, list_table_id(world->store, world->tables[i])));
}

static void open_world(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    world->random = seed | 1;
    world->columns = 3;
    world->reader = INT64_MAX;
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

static void step_bridge(struct world *world)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (feed_bridge_step(world->bridge, &error) != RHEI_OK)
        fail_msg("%s", error.message);
}

/* The mirror is away while the log goes into the buffer and out of the source; it comes back without reading a table. */
static void test_a2_a_mirror_that_was_away_reads_the_buffer(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    unsigned reads = 0;
    for (int i = 0; i < 6; i++) {
        struct world world;
        open_world(&world, test_random(&seed));
        world.holds = false;
        step_bridge(&world);
        settle(&world);
        uint64_t loads = list_calls(world.store, LIST_LOAD_BEGIN);
        for (int away = 0; away < 12; away++) {
            for (uint64_t k = test_random(&world.random) % 12; k > 0; k--) {
                change(&world);
                if (test_random(&world.random) % 3 == 0)
                    step_bridge(&world);
            }
            if (away % 3 > 0)
                step_bridge(&world);
            latest(&world);
        }
        assert_int_equal(list_calls(world.store, LIST_LOAD_BEGIN), loads);
        reads += atomic_load(&world.reads);
        close_world(&world);
    }
    assert_true(reads > 0);
}

static void step(struct world *world)
{
    static const char *const POINTS[] = {"feed.pump.begun",   "feed.pump.appended", "feed.pump.committed",
                                         "feed.bridge.moved", "feed.bridge.told",   "feed.bridge.pruned",
                                         "feed.beside.read",  "sync.cycle.begun",   "sync.cycle.read",
                                         "sync.cycle.batch",  "sync.cycle.applied", "sync.build.batch"};
    uint64_t what = test_random(&world->random) % 100;
    if (what < 40) {
        change(world);
    } else if (what < 55) {
        (void)feed_bridge_step(world->bridge, NULL);
    } else if (what < 70) {
        (void)sync_cycle(world->sync, NULL, NULL);
    } else if (what < 78) {
        atomic_store(&world->cut_at, POINTS[test_random(&world->random) % (sizeof POINTS / sizeof POINTS[0])]);
        change(world);
        (void)feed_bridge_step(world->bridge, NULL);
        (void)sync_cycle(world->sync, NULL, NULL);
    } else if (what < 81) {
        (void)sync_build(world->sync, true, base_now_ns() + LIMIT_NS, NULL, NULL);
    } else if (what < 83 && world->columns < 8) {
        list_add_column(world->store, ALL[what % NAMES], list_real(0.5));
        world->columns++;
    } else if (what < 84) {
        list_lose(world->store);
    } else if (what < 86) {
        memory_buffer_fail(world->buffer, 1 + test_random(&world->random) % 4, RHEI_FULL);
    } else if (what < 88) {
        memory_buffer_fail_read(world->buffer, 1, what % 2 == 0 ? RHEI_NOT_A_DATABASE : RHEI_IO);
    } else if (what < 91) {
        uint64_t pruned = 0;
        (void)world->beside->ops->prune(world->beside, sync_position(world->sync), &pruned, NULL);
    } else if (what < 94) {
        no_trouble(world);
        stop(world);
        start(world);
    } else {
        no_trouble(world);
    }
}

static void test_a2_source_buffer_and_mirror_in_trouble(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int i = 0; i < 15; i++) {
        struct world world;
        open_world(&world, test_random(&seed));
        for (int k = 0; k < 200; k++) {
            step(&world);
            check(&world);
        }
        settle(&world);
        close_world(&world);
    }
}

/* What the buffer can't give back is built again; what follows goes on. */
static void test_a10_a_damaged_buffer_is_emptied_and_its_tables_built_again(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, test_seed());
    world.holds = false;
    step_bridge(&world);
    settle(&world);
    for (int k = 0; k < 10; k++)
        change(&world);
    step_bridge(&world);
    memory_buffer_fail_read(world.buffer, 1, RHEI_NOT_A_DATABASE);
    change(&world);
    uint64_t loads = list_calls(world.store, LIST_LOAD_BEGIN);
    rhei_status status = sync_cycle(world.sync, NULL, NULL);
    assert_true(status == RHEI_OK || status == RHEI_NOT_A_DATABASE);
    (void)feed_bridge_step(world.bridge, NULL);
    assert_int_equal(sync_build(world.sync, true, base_now_ns() + LIMIT_NS, NULL, NULL), RHEI_OK);
    latest(&world);
    assert_int_equal(sync_build(world.sync, true, base_now_ns() + LIMIT_NS, NULL, NULL), RHEI_OK);
    latest(&world);
    for (size_t i = 0; i < world.table_count; i++)
        assert_true(sync_table_ready(world.sync, list_table_id(world.store, world.tables[i])));
    assert_true(list_calls(world.store, LIST_LOAD_BEGIN) >= loads);
    close_world(&world);
}

/* What the mirror needs stays in the buffer, what it doesn't goes. */
static void test_a7_the_buffer_keeps_what_is_needed(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 4); /* whatever its thread does beside */
    struct change_buffer_state buffer;
    step_bridge(&world);
    for (int k = 0; k < 20; k++) {
        change(&world);
        step_bridge(&world);
    }
    world.buffer->ops->state(world.buffer, &buffer);
    assert_int_equal(buffer.pruned, 0);
    assert_int_equal(buffer.position, list_position(world.store));
    uint64_t pruned = 0;
    assert_int_equal(world.beside->ops->prune(world.beside, buffer.position, &pruned, NULL), RHEI_OK);
    int64_t until = base_now_ns() + LIMIT_NS;
    do {
        step_bridge(&world);
        world.buffer->ops->state(world.buffer, &buffer);
        assert_true(base_now_ns() < until);
    } while (buffer.pruned + 1 < buffer.last);
    close_world(&world);
}

/* What the mirror doesn't need any more stays for who reads the buffer from there, and only that. */
static void test_a7_the_buffer_keeps_what_a_reader_needs(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, 4);
    struct change_buffer_state buffer;
    step_bridge(&world);
    for (int k = 0; k < 20; k++) {
        change(&world);
        step_bridge(&world);
        if (k == 9)
            world.reader = list_position(world.store);
    }
    int64_t until = base_now_ns() + LIMIT_NS;
    do {
        uint64_t pruned = 0;
        world.buffer->ops->state(world.buffer, &buffer);
        assert_int_equal(world.beside->ops->prune(world.beside, buffer.position, &pruned, NULL), RHEI_OK);
        step_bridge(&world);
        world.buffer->ops->state(world.buffer, &buffer);
        assert_true(base_now_ns() < until);
    } while (buffer.pruned == 0);
    step_bridge(&world);
    world.buffer->ops->state(world.buffer, &buffer);
    assert_true(buffer.horizon <= world.reader);
    assert_true(world.reader < buffer.position);
    close_world(&world);
}

/* So many looks of the bridge's thread, and no cycle of its source. */
static bool rests(struct fixture *fixture)
{
    enum { LOOKS = 10 };
    struct world *world = fixture->context;
    uint64_t begins = list_calls(fixture->store, LIST_BEGIN);
    unsigned looks = atomic_load(&world->looks);
    if (begins != world->begins) {
        world->begins = begins;
        world->looks_then = looks;
    }
    return looks - world->looks_then >= LOOKS;
}

/* The bridge's thread looks from time to time, and moves nothing where nothing is to be moved. */
static void test_the_bridge_rests_when_all_is_moved_and_nothing_is_needed(void **state)
{
    (void)state;
    struct world world;
    open_world(&world, test_seed());
    struct rhei_error error = RHEI_ERROR_INIT;
    world.holds = false;
    for (int k = 0; k < 5; k++) {
        change(&world);
        step_bridge(&world);
    }
    uint64_t pruned = 0;
    assert_int_equal(world.beside->ops->prune(world.beside, list_position(world.store), &pruned, NULL), RHEI_OK);
    if (!world.threaded)
        assert_int_equal(feed_bridge_start(world.bridge, &error), RHEI_OK);
    struct fixture fixture = {.store = world.store, .context = &world};
    world.begins = UINT64_MAX;
    assert_true(wait_until(rests, &fixture));
    close_world(&world);
}

/* Not when its thread has its first turn: what is committed behind the opening is in the buffer, on a busy machine too. */
static void test_a7_a_buffer_begins_when_it_is_opened(void **state)
{
    (void)state;
    struct world world;
    struct change_buffer_state kept;
    open_world(&world, test_seed());
    if (!world.threaded)
        assert_int_equal(feed_bridge_start(world.bridge, NULL), RHEI_OK);
    world.buffer->ops->state(world.buffer, &kept);
    assert_true(kept.last > kept.pruned);
    close_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a7_a_buffer_begins_when_it_is_opened),
        cmocka_unit_test(test_a2_a_mirror_that_was_away_reads_the_buffer),
        cmocka_unit_test(test_a2_source_buffer_and_mirror_in_trouble),
        cmocka_unit_test(test_a10_a_damaged_buffer_is_emptied_and_its_tables_built_again),
        cmocka_unit_test(test_a7_the_buffer_keeps_what_is_needed),
        cmocka_unit_test(test_a7_the_buffer_keeps_what_a_reader_needs),
        cmocka_unit_test(test_the_bridge_rests_when_all_is_moved_and_nothing_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
