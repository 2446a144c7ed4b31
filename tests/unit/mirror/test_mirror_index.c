/* SPDX-License-Identifier: Apache-2.0 */
/* The key index through a table: pages, the fallback for sparse keys, and what both cost. */
#include "mirror_fixture.h"

enum { BATCH = 10000 };

static int setup(void **state)
{
    *state = fixture_new_attached(2, BATCH);
    return 0;
}

static void flush(struct fixture *f)
{
    assert_int_equal(mirror_apply(f->mirror, &f->batch.batch, NULL, NULL), RHEI_OK);
    assert_int_equal(mirror_publish(f->mirror, 1, NULL), RHEI_OK);
    f->batch.batch.row_count = 0;
}

static void change(struct fixture *f, uint8_t op, int64_t key)
{
    struct rhei_value row[2] = {model_integer(key), model_integer(key / 2)};
    model_batch_add(&f->batch, op, row);
    model_apply(&f->model, op, row);
    if (f->batch.batch.row_count == BATCH)
        flush(f);
}

static void check(struct fixture *f)
{
    struct mirror_snapshot snapshot;
    flush(f);
    assert_int_equal(mirror_snapshot_take(f->mirror, &snapshot), RHEI_OK);
    model_assert_equal(&f->model, mirror_view(&snapshot, 1));
    mirror_snapshot_release(&snapshot);
}

static const struct mirror_index *index_of(struct fixture *f)
{
    return &mirror_table_find(f->mirror, 1)->index;
}

static size_t index_bytes(struct fixture *f)
{
    struct mirror_status status;
    mirror_status(f->mirror, &status);
    return status.index_bytes;
}

static void test_dense_keys_cost_four_bytes(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 0; i < 200000; i++)
        change(f, CHANGE_UPSERT, i - 50000); /* negative ones too */
    check(f);
    assert_int_equal(index_of(f)->hashed, 0);
    assert_true(index_bytes(f) < 900000);
}

static void test_dense_keys_far_from_zero(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 0; i < 50000; i++)
        change(f, CHANGE_UPSERT, INT64_MAX - i);
    for (int64_t i = 0; i < 50000; i++)
        change(f, CHANGE_UPSERT, INT64_MIN + i);
    check(f);
    assert_int_equal(index_of(f)->hashed, 0);
}

/* Rows whose keys count up enter together: up to one that is there, is deleted, or doesn't fit, and across pages and calls. */
static void test_keys_that_count_up(void **state)
{
    struct fixture *f = *state;
    change(f, CHANGE_UPSERT, 4097); /* in the middle of the next run */
    flush(f);
    for (int64_t key = 4000; key < 13000; key++) {
        change(f, CHANGE_UPSERT, key);
        if (key % 1000 == 0)
            change(f, CHANGE_DELETE, key - 1);
    }
    check(f);
    for (int64_t key = INT64_MAX - 5000; key < INT64_MAX; key++)
        change(f, CHANGE_UPSERT, key);
    change(f, CHANGE_UPSERT, INT64_MAX);
    change(f, CHANGE_UPSERT, INT64_MIN);
    for (int64_t key = -3000; key < 3000; key++)
        change(f, CHANGE_UPSERT, key);
    check(f);
    assert_int_equal(index_of(f)->hashed, 0);
    for (int round = 0; round < 200; round++) {
        int64_t key = (int64_t)model_below(&f->random, 30000), end = key + 200;
        for (; key < end; key++)
            change(f, CHANGE_UPSERT, key);
        if (round % 3 == 0)
            flush(f);
        if (round % 5 == 0)
            change(f, CHANGE_DELETE, key - 100);
    }
    check(f);
}

static void test_sparse_keys_go_to_the_hash(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 0; i < 50000; i++)
        change(f, CHANGE_UPSERT, (i - 25000) * 1000000007);
    check(f);
    assert_true(index_of(f)->hashed > 45000);
    assert_true(index_bytes(f) < 50000 * 48);
    for (int64_t i = 0; i < 50000; i += 2)
        change(f, CHANGE_DELETE, (i - 25000) * 1000000007);
    for (int64_t i = 0; i < 50000; i += 3)
        change(f, CHANGE_UPSERT, (i - 25000) * 1000000007);
    check(f);
}

/* Keys that are sparse first and dense later stay where they are, and are found in both halves. */
static void test_random_order_fills_both_halves(void **state)
{
    struct fixture *f = *state;
    struct model_random random = {.state = 9};
    for (int64_t i = 0; i < 150000; i++)
        change(f, model_below(&random, 10) == 0 ? CHANGE_DELETE : CHANGE_UPSERT, (int64_t)model_below(&random, 400000));
    check(f);
    assert_true(index_of(f)->hashed > 0);
    assert_true(index_of(f)->radix.keys > 0);
}

/* A queue: rows come at one end and go at the other. */
static void test_pages_of_deleted_keys_are_given_back(void **state)
{
    struct fixture *f = *state;
    for (int64_t i = 0; i < 300000; i++) {
        change(f, CHANGE_UPSERT, i);
        if (i >= 5000)
            change(f, CHANGE_DELETE, i - 5000);
    }
    check(f);
    assert_true(index_of(f)->radix.pages <= 4);
    for (int64_t i = 295000; i < 300000; i++)
        change(f, CHANGE_DELETE, i);
    check(f);
    assert_int_equal(index_of(f)->radix.pages, 0);
    struct mirror_status status;
    mirror_status(f->mirror, &status);
    assert_true(status.segments <= 1); /* segments without rows went too */
}

static void test_hash_partitions_grow_and_shrink(void **state)
{
    (void)state;
    struct mirror_memory memory;
    struct mirror_partition partition = {0};
    struct model_random random = {.state = 1};
    static uint32_t *cells[20000];
    mirror_memory_init(&memory, 0);
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t *cell;
        assert_int_equal(mirror_hash_add(&memory, &partition, model_next(&random), &cell), RHEI_OK);
        assert_int_equal(*cell, 0);
        *cell = i + 1;
    }
    assert_true(partition.capacity < 20000 * 2);
    for (uint32_t left = 20000; left > 0; left--) {
        uint32_t count = 0;
        if (left % 1000 == 0) {
            for (uint32_t i = 0; i < partition.capacity; i++)
                count += partition.entries[i].cell != 0;
            assert_int_equal(count, left);
        }
        for (uint32_t i = 0; i < partition.capacity; i++)
            cells[0] = partition.entries[i].cell != 0 ? &partition.entries[i].cell : cells[0];
        mirror_hash_remove(&memory, &partition, cells[0]);
    }
    assert_int_equal(partition.used, 0);
    assert_true(partition.capacity <= 64);
    mirror_hash_free(&memory, &partition);
    assert_int_equal(atomic_load(&memory.used), 0);
    mirror_memory_reset(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_dense_keys_cost_four_bytes, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_dense_keys_far_from_zero, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_keys_that_count_up, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_sparse_keys_go_to_the_hash, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_random_order_fills_both_halves, setup, fixture_end),
        cmocka_unit_test_setup_teardown(test_pages_of_deleted_keys_are_given_back, setup, fixture_end),
        cmocka_unit_test(test_hash_partitions_grow_and_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
