/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once, by seed: transactions, schema changes, losses, failures of every call, cancelled cycles, rebuilds,
 * with and without the loop. After each step whatever the mirror shows equals the store at its position; at the end,
 * without failures, it is current.
 */
#include "sync_fixture.h"

enum { NAMES = 4, KEYS = 60 };
static const char *const ALL[NAMES] = {"a", "b", "c", "d"};

struct world {
    struct fixture fixture;
    uint64_t random;
    bool exists[NAMES];
    int columns[NAMES];
    const char *tables[NAMES];
    size_t table_count;
};

static void list_tables(struct world *world)
{
    world->table_count = 0;
    for (size_t i = 0; i < NAMES; i++)
        if (world->exists[i])
            world->tables[world->table_count++] = ALL[i];
}

static void change_schema(struct world *world)
{
    size_t which = test_random(&world->random) % NAMES;
    if (!world->exists[which]) {
        list_create(world->fixture.store, ALL[which], 3);
        world->columns[which] = 3;
        world->exists[which] = true;
    } else if (world->table_count > 1 && test_random(&world->random) % 3 == 0) {
        list_drop(world->fixture.store, ALL[which]);
        world->exists[which] = false;
    } else if (world->columns[which] < 8) {
        list_add_column(world->fixture.store, ALL[which], list_real(0.5));
        world->columns[which]++;
    }
    list_tables(world);
}

static rhei_status give_up_sometimes(void *context)
{
    uint64_t *random = context;
    return test_random(random) % 4 ? RHEI_OK : RHEI_CANCELLED;
}

static void make_trouble(struct world *world)
{
    static const rhei_status CODES[] = {RHEI_IO, RHEI_BUSY, RHEI_NO_MEMORY};
    enum list_call call = (enum list_call)(test_random(&world->random) % LIST_CALLS);
    list_fail(world->fixture.store, call, 1 + test_random(&world->random) % 5, CODES[test_random(&world->random) % 3]);
}

static void step(struct world *world)
{
    struct fixture *fixture = &world->fixture;
    struct sync_stop stop = {give_up_sometimes, &world->random, NULL};
    uint64_t what = test_random(&world->random) % 100;
    if (what < 55)
        random_transaction(fixture->store, &world->random, world->tables, world->table_count, KEYS);
    else if (what < 70)
        (void)sync_cycle(fixture->sync, NULL, NULL);
    else if (what < 78)
        (void)sync_wait_latest(fixture->sync, 0, &stop, NULL);
    else if (what < 82)
        change_schema(world);
    else if (what < 84)
        list_lose(fixture->store);
    else if (what < 90)
        make_trouble(world);
    else if (what < 92)
        (void)sync_rebuild(fixture->sync, world->tables[test_random(&world->random) % world->table_count], NULL);
    else if (what < 94)
        (void)sync_build(fixture->sync, false, 0, NULL, NULL);
    else if (what < 96)
        (void)sync_build(fixture->sync, true, base_now_ns() + 50 * MILLISECOND, NULL, NULL);
    else
        sync_wake(fixture->sync);
}

static void settle(struct world *world)
{
    for (int call = 0; call < LIST_CALLS; call++)
        list_fail(world->fixture.store, (enum list_call)call, 0, RHEI_OK);
    must_build(&world->fixture);
    must_equal(&world->fixture);
    assert_int_equal(sync_rebuild(world->fixture.sync, NULL, NULL), RHEI_OK); /* those that failed */
    must_build(&world->fixture);
    must_be_current(&world->fixture, world->tables, world->table_count);
}

static void run_world(uint64_t seed, bool loop, int steps)
{
    struct world world = {.random = seed, .fixture = {.seed = seed}};
    struct sync_config config = {.build_on_demand = !loop,
                                 .prune = seed % 2,
                                 .batch_rows = 1 + seed % 9,
                                 .build_threads = (uint32_t)(1 + seed % 3)};
    fixture_open(&world.fixture, config);
    change_schema(&world);
    while (world.table_count == 0)
        change_schema(&world);
    if (loop)
        assert_int_equal(sync_start(world.fixture.sync, NULL), RHEI_OK);
    for (int i = 0; i < steps; i++) {
        step(&world);
        must_equal(&world.fixture);
    }
    settle(&world);
    fixture_close(&world.fixture);
}

static void test_a2_random_without_loop(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int i = 0; i < 15; i++)
        run_world(test_random(&seed) | 1, false, 150);
}

static void test_a2_random_with_loop(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int i = 0; i < 10; i++)
        run_world(test_random(&seed) | 1, true, 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a2_random_without_loop),
        cmocka_unit_test(test_a2_random_with_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
