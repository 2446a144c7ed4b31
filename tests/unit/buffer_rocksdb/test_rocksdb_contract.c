/* SPDX-License-Identifier: Apache-2.0 */
/* What port/change_buffer.h promises, of the buffer in memory and of the one in RocksDB; and both beside each other, at random. */
#include "buffer_fixture.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_thread.h"
#include "tests/support/memory_buffer.h"

/* One of the two. */
struct world {
    struct change_buffer *buffer;
    const char *folder; /* NULL: in memory */
    struct change_reader *reader;
    struct base_buffer bytes, other;
};

static void open_world(struct world *world, bool durable)
{
    *world = (struct world){.folder = durable ? fixture_folder() : NULL};
    world->buffer = durable ? fixture_open(world->folder) : memory_buffer_new();
    world->reader = fixture_reader(world->buffer);
}

static void close_world(struct world *world)
{
    world->buffer->ops->reader_close(&world->reader);
    world->buffer->ops->close(&world->buffer);
    if (world->folder != NULL)
        fixture_remove(world->folder);
    base_buffer_reset(&world->bytes);
    base_buffer_reset(&world->other);
}

/* The process died, and another one goes on. */
static void restart(struct world *world)
{
    world->buffer->ops->reader_close(&world->reader);
    if (world->folder == NULL) {
        memory_buffer_crash(world->buffer);
    } else {
        world->buffer->ops->close(&world->buffer);
        world->buffer = fixture_open(world->folder);
    }
    world->reader = fixture_reader(world->buffer);
}

static struct change_buffer_state state_of(const struct world *world)
{
    struct change_buffer_state state;
    world->buffer->ops->state(world->buffer, &state);
    return state;
}

static const char *tables_of(struct world *world, uint64_t number)
{
    fixture_tables(world->reader, number, &world->other);
    return world->other.data;
}

static size_t length_behind(struct world *world, uint64_t after, size_t rows)
{
    base_buffer_clear(&world->bytes);
    fixture_read(world->reader, after, UINT64_MAX, rows, &world->bytes);
    return world->bytes.len;
}

/* Each test runs with both. */
#define BOTH(name)                                      \
    static void name##_of(struct world *world);         \
    static void name(void **unused)                     \
    {                                                   \
        (void)unused;                                   \
        for (int durable = 0; durable < 2; durable++) { \
            struct world world;                         \
            open_world(&world, durable == 1);           \
            name##_of(&world);                          \
            close_world(&world);                        \
        }                                               \
    }                                                   \
    static void name##_of(struct world *world)

BOTH(test_an_empty_buffer)
{
    struct change_buffer_state state = state_of(world);
    assert_int_equal(state.last, 0);
    assert_int_equal(state.pruned, 0);
    assert_int_equal(state.position, 0);
    assert_true(state.horizon == INT64_MAX);
    assert_int_equal(world->buffer->ops->find(world->buffer, 100), 0);
    assert_int_equal(length_behind(world, 0, 10), 0);
    assert_string_equal(tables_of(world, 0), "");
    uint64_t pruned = 1;
    assert_int_equal(world->buffer->ops->prune(world->buffer, 100, &pruned, NULL), RHEI_OK);
    assert_int_equal(pruned, 0);
}

/* What has no COMMIT isn't there: for readers, after a rollback, after a restart. */
BOTH(test_a4_what_is_not_committed_is_not_there)
{
    struct change_event commit = fixture_commit(5);
    for (int i = 0; i < 3; i++) {
        struct change_event table = fixture_table(7, 2), rows = fixture_rows(7, 1, 5, 3);
        fixture_append(world->buffer, &table);
        fixture_append(world->buffer, &rows);
        assert_int_equal(state_of(world).last, 0);
        assert_int_equal(length_behind(world, 0, 10), 0);
        assert_string_equal(tables_of(world, 9), "");
        if (i == 0)
            world->buffer->ops->rollback(world->buffer);
        else
            restart(world);
    }
    fixture_append(world->buffer, &commit);
    assert_int_equal(state_of(world).last, 1);
    assert_int_equal(state_of(world).horizon, 5);
    size_t alone = length_behind(world, 0, 10);
    struct change_event table = fixture_table(7, 2);
    fixture_append(world->buffer, &table);
    commit = fixture_commit(6);
    fixture_append(world->buffer, &commit);
    assert_true(length_behind(world, 0, 10) > 2 * alone);
    restart(world);
    assert_true(length_behind(world, 0, 10) > 2 * alone);
    assert_string_equal(tables_of(world, 1), "");
    assert_string_equal(tables_of(world, 2), "t7:2 ");
}

BOTH(test_commits_are_numbered_and_found_by_position)
{
    static const int64_t POSITIONS[] = {10, 20, 20, 35};
    struct change_event lost = {.kind = CHANGE_EVENT_LOST, .position = 20, .reason = "why"};
    for (size_t i = 0; i < 4; i++) {
        if (i == 2)
            fixture_append(world->buffer, &lost);
        fixture_append_rows(world->buffer, 1, POSITIONS[i], 5, 10);
    }
    for (int again = 0; again < 2; again++) {
        static const int64_t ASKED[] = {0, 9, 10, 19, 20, 34, 35, INT64_MAX};
        static const uint64_t FOUND[] = {0, 0, 1, 1, 3, 3, 4, 4};
        struct change_buffer_state state = state_of(world);
        assert_int_equal(state.last, 4);
        assert_int_equal(state.position, 35);
        assert_int_equal(state.time_us, 35000);
        assert_int_equal(state.mark, 35 * 7 + 1);
        assert_int_equal(state.horizon, 10);
        assert_int_equal(state.lost_all, 3);
        for (size_t i = 0; i < sizeof ASKED / sizeof *ASKED; i++)
            assert_int_equal(world->buffer->ops->find(world->buffer, ASKED[i]), FOUND[i]);
        restart(world);
    }
    assert_true(world->buffer->ops->bytes(world->buffer) > 0);
}

/* Whole commits up to about so many rows; none beyond `until`. */
BOTH(test_a1_readers_see_whole_commits)
{
    struct change_cursor cursor = {0};
    const struct change_event *events = NULL;
    size_t count = 0;
    for (int i = 1; i <= 20; i++)
        fixture_append_rows(world->buffer, 1, i * 10, 10, 5);
    const struct change_buffer_ops *ops = world->buffer->ops;
    for (uint64_t seen = 0; seen < 15; seen = cursor.number) {
        assert_int_equal(ops->read(world->reader, &cursor, 15, 25, &events, &count, NULL), RHEI_OK);
        assert_true(count >= 2 && cursor.number > seen && cursor.number <= 15 && cursor.part == 0);
        assert_int_equal(events[count - 1].kind, CHANGE_EVENT_COMMIT);
        assert_int_equal(events[count - 1].position, (int64_t)cursor.number * 10);
    }
    assert_int_equal(ops->read(world->reader, &cursor, 15, 25, &events, &count, NULL), RHEI_OK);
    assert_int_equal(count, 0);
    size_t whole = length_behind(world, 0, 1000000);
    for (size_t rows = 1; rows < 200; rows += 37)
        assert_int_equal(length_behind(world, 0, rows), whole);
}

BOTH(test_pruning_keeps_definitions_and_the_last_commit)
{
    struct change_event gone = {.kind = CHANGE_EVENT_GONE, .table = 2};
    uint64_t pruned = 0;
    for (uint32_t i = 1; i <= 4; i++) {
        struct change_event table = fixture_table(i, 2);
        fixture_append(world->buffer, &table);
        fixture_append_rows(world->buffer, i, i * 10, 3, 4);
    }
    fixture_append(world->buffer, &gone);
    fixture_append_rows(world->buffer, 1, 50, 3, 4);
    struct change_reader *slow = fixture_reader(world->buffer);
    struct change_cursor cursor = {0};
    const struct change_event *events = NULL;
    size_t count = 0;
    assert_int_equal(world->buffer->ops->read(slow, &cursor, 9, 1, &events, &count, NULL), RHEI_OK);
    assert_int_equal(world->buffer->ops->prune(world->buffer, 35, &pruned, NULL), RHEI_OK);
    assert_int_equal(pruned, 3);
    assert_int_equal(events[0].kind, CHANGE_EVENT_TABLE); /* what was given lives on */
    assert_string_equal(events[0].definition->name, "t1");
    assert_int_equal(world->buffer->ops->read(slow, &cursor, 9, 1, &events, &count, NULL), RHEI_STALE);
    world->buffer->ops->reader_close(&slow);
    for (int again = 0; again < 2; again++) {
        struct change_buffer_state state = state_of(world);
        assert_int_equal(state.pruned, 3);
        assert_int_equal(state.horizon, 30);
        assert_int_equal(state.last, 5);
        assert_int_equal(state.definition, 5);
        assert_string_equal(tables_of(world, 3), "t1:2 t2:2 t3:2 ");
        assert_string_equal(tables_of(world, 4), "t1:2 t2:2 t3:2 t4:2 ");
        assert_string_equal(tables_of(world, 5), "t1:2 t3:2 t4:2 ");
        assert_int_equal(world->buffer->ops->find(world->buffer, 10), 3);
        restart(world);
    }
    assert_int_equal(world->buffer->ops->prune(world->buffer, 1000, &pruned, NULL), RHEI_OK);
    assert_int_equal(pruned, 1);
    assert_int_equal(state_of(world).pruned, 4);
    assert_int_equal(state_of(world).position, 50);
    restart(world);
    assert_string_equal(tables_of(world, 5), "t1:2 t3:2 t4:2 ");
}

BOTH(test_a_cleared_buffer_begins_anew)
{
    struct change_event table = fixture_table(1, 2);
    fixture_append(world->buffer, &table);
    for (int i = 1; i <= 5; i++)
        fixture_append_rows(world->buffer, 1, i * 100, 10, 5);
    struct change_event rows = fixture_rows(1, 1, 5, 3);
    fixture_append(world->buffer, &rows);
    assert_int_equal(world->buffer->ops->clear(world->buffer, NULL), RHEI_OK);
    for (int again = 0; again < 2; again++) {
        struct change_buffer_state state = state_of(world);
        assert_int_equal(state.last, 5);
        assert_int_equal(state.pruned, 5);
        assert_true(state.horizon == INT64_MAX);
        assert_int_equal(world->buffer->ops->bytes(world->buffer), 0);
        assert_int_equal(length_behind(world, 5, 10), 0);
        assert_string_equal(tables_of(world, 5), "");
        restart(world);
    }
    fixture_append_rows(world->buffer, 1, 7, 3, 5);
    assert_int_equal(state_of(world).last, 6);
    assert_int_equal(state_of(world).horizon, 7);
    restart(world);
    assert_int_equal(state_of(world).horizon, 7);
    assert_int_equal(world->buffer->ops->find(world->buffer, 500), 6);
    assert_true(length_behind(world, 5, 10) > 0);
}

/* ---- Beside each other. ------------------------------------------------------------------------------------------ */

struct shared {
    struct change_buffer *buffer;
    atomic_bool done;
    atomic_uint wrong;
};

/* Follows from the beginning: positions are 10 apart, and nothing is missed or torn. */
static void follow(void *argument)
{
    struct shared *shared = argument;
    struct change_reader *reader = NULL;
    struct change_cursor cursor = {0};
    int64_t position = 0;
    bool last = false;
    if (shared->buffer->ops->reader_open(shared->buffer, &reader, NULL) != RHEI_OK)
        return;
    while (!last) {
        const struct change_event *events = NULL;
        size_t count = 0;
        last = atomic_load(&shared->done);
        rhei_status status = shared->buffer->ops->read(reader, &cursor, UINT64_MAX, 100, &events, &count, NULL);
        struct change_buffer_state state;
        shared->buffer->ops->state(shared->buffer, &state);
        if (status == RHEI_STALE && state.pruned > cursor.number) { /* it was overtaken */
            cursor = (struct change_cursor){.number = state.pruned};
            position = (int64_t)state.pruned * 10;
            last = false;
            continue;
        }
        atomic_fetch_add(&shared->wrong, status != RHEI_OK);
        for (size_t i = 0; i < count; i++) {
            if (events[i].kind != CHANGE_EVENT_COMMIT)
                continue;
            atomic_fetch_add(&shared->wrong, events[i].position != position + 10);
            position = events[i].position;
        }
        last = last && count == 0;
        (void)shared->buffer->ops->find(shared->buffer, position);
    }
    shared->buffer->ops->reader_close(&reader);
}

BOTH(test_readers_follow_beside_appends_and_pruning)
{
    enum { FOLLOWERS = 3, COMMITS = 400 };
    struct shared shared = {.buffer = world->buffer};
    base_thread threads[FOLLOWERS];
    for (int i = 0; i < FOLLOWERS; i++)
        assert_int_equal(base_thread_start(&threads[i], "follow", follow, &shared, NULL), RHEI_OK);
    for (int i = 1; i <= COMMITS; i++) {
        uint64_t pruned;
        fixture_append_rows(world->buffer, 1, i * 10, 10, 20);
        if (i % 50 == 0)
            assert_int_equal(world->buffer->ops->prune(world->buffer, (i - 100) * 10, &pruned, NULL), RHEI_OK);
    }
    atomic_store(&shared.done, true);
    for (int i = 0; i < FOLLOWERS; i++)
        base_thread_join(&threads[i]);
    assert_int_equal(atomic_load(&shared.wrong), 0);
}

/* ---- At random: whatever is done to both, both say the same. ------------------------------------------------------ */

static uint64_t random_of(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed * UINT64_C(2685821657736338717) >> 11;
}

static void append_something(struct world *worlds, uint64_t *seed, int64_t *position)
{
    uint64_t what = random_of(seed) % 10, table = 1 + random_of(seed) % 5, rows = 1 + random_of(seed) % 30;
    struct change_event event;
    *position += (int64_t)rows;
    if (what == 0)
        event = fixture_table((uint32_t)table, 1 + (uint32_t)(random_of(seed) % 8));
    else if (what == 1)
        event = (struct change_event){.kind = CHANGE_EVENT_GONE, .table = (uint32_t)table};
    else if (what == 2)
        event = (struct change_event){
            .kind = CHANGE_EVENT_LOST, .table = (uint32_t)(table % 3), .position = *position, .reason = "at random"};
    else if (what == 3)
        event = (struct change_event){.kind = CHANGE_EVENT_CLEAR, .table = (uint32_t)table, .position = *position};
    else
        event = fixture_rows((uint32_t)table, *position - (int64_t)rows + 1, rows, random_of(seed) % 4000);
    for (int i = 0; i < 2; i++)
        fixture_append(worlds[i].buffer, &event);
}

static void commit_both(struct world *worlds, int64_t position)
{
    struct change_event commit = fixture_commit(position);
    for (int i = 0; i < 2; i++)
        fixture_append(worlds[i].buffer, &commit);
}

static void compare(struct world *worlds, uint64_t *seed)
{
    struct change_buffer_state a = state_of(&worlds[0]), b = state_of(&worlds[1]);
    assert_memory_equal(&a, &b, sizeof a);
    uint64_t number = a.pruned + (a.last > a.pruned ? random_of(seed) % (a.last - a.pruned + 1) : 0);
    for (int i = 0; i < 2; i++) {
        base_buffer_clear(&worlds[i].bytes);
        fixture_read(worlds[i].reader, number, UINT64_MAX, 1 + random_of(seed) % 200, &worlds[i].bytes);
        (void)tables_of(&worlds[i], number);
    }
    assert_int_equal(worlds[0].bytes.len, worlds[1].bytes.len);
    if (worlds[0].bytes.len > 0)
        assert_memory_equal(worlds[0].bytes.data, worlds[1].bytes.data, worlds[0].bytes.len);
    assert_string_equal(worlds[0].other.data, worlds[1].other.data);
    int64_t position = a.position > 0 ? (int64_t)(random_of(seed) % (uint64_t)(a.position + 10)) : 0;
    assert_int_equal(worlds[0].buffer->ops->find(worlds[0].buffer, position),
                     worlds[1].buffer->ops->find(worlds[1].buffer, position));
}

static void test_a2_both_kinds_say_the_same_at_random(void **unused)
{
    (void)unused;
    struct world worlds[2];
    const char *given = getenv("RHEI_TEST_SEED");
    uint64_t seed = (given != NULL ? strtoull(given, NULL, 10) : base_random_u64()) | 1;
    int64_t position = 0;
    print_message("# RHEI_TEST_SEED=%llu\n", (unsigned long long)seed);
    for (int i = 0; i < 2; i++)
        open_world(&worlds[i], i == 1);
    for (int step = 0; step < 600; step++) {
        uint64_t what = random_of(&seed) % 100, pruned = 0, other = 0;
        int64_t to = position > 0 ? (int64_t)(random_of(&seed) % (uint64_t)position) : 0;
        for (uint64_t i = random_of(&seed) % 6; i > 0; i--)
            append_something(worlds, &seed, &position);
        if (what < 60)
            commit_both(worlds, position);
        for (int i = 0; i < 2; i++) {
            if (what >= 60 && what < 70)
                worlds[i].buffer->ops->rollback(worlds[i].buffer);
            else if (what >= 70 && what < 80)
                restart(&worlds[i]);
            else if (what == 99)
                assert_int_equal(worlds[i].buffer->ops->clear(worlds[i].buffer, NULL), RHEI_OK);
            else if (what >= 80 && what < 90)
                assert_int_equal(worlds[i].buffer->ops->prune(worlds[i].buffer, to, i == 0 ? &pruned : &other, NULL),
                                 RHEI_OK);
        }
        assert_int_equal(pruned, other);
        compare(worlds, &seed);
    }
    for (int i = 0; i < 2; i++)
        close_world(&worlds[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_buffer),
        cmocka_unit_test(test_a4_what_is_not_committed_is_not_there),
        cmocka_unit_test(test_commits_are_numbered_and_found_by_position),
        cmocka_unit_test(test_a1_readers_see_whole_commits),
        cmocka_unit_test(test_pruning_keeps_definitions_and_the_last_commit),
        cmocka_unit_test(test_a_cleared_buffer_begins_anew),
        cmocka_unit_test(test_readers_follow_beside_appends_and_pruning),
        cmocka_unit_test(test_a2_both_kinds_say_the_same_at_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
