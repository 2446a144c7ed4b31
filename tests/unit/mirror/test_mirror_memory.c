/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror_model.h"

static void test_everything_is_counted_and_given_back(void **state)
{
    (void)state;
    struct mirror_memory memory;
    struct mirror_run runs[200];
    struct model_random random = {.state = 11};
    mirror_memory_init(&memory, 0);
    for (int round = 0; round < 4; round++) {
        size_t wanted = 0;
        for (uint32_t i = 0; i < 200; i++) {
            size_t size = 1 + model_below(&random, MIRROR_BLOCK_BYTES / 2);
            assert_int_equal(mirror_run_alloc(&memory, size, &runs[i]), RHEI_OK);
            memset(runs[i].data, (int)i, size);
            wanted += size;
            assert_int_equal((uintptr_t)runs[i].data % 64, 0);
        }
        assert_true(atomic_load(&memory.used) >= wanted);
        for (uint32_t i = 0; i < 200; i++) {
            const uint8_t *bytes = runs[i].data;
            assert_int_equal(bytes[0], i);
            assert_int_equal(bytes[runs[i].bytes - 1], i);
            mirror_run_free(&memory, &runs[i]);
            assert_null(runs[i].data);
        }
        assert_int_equal(atomic_load(&memory.used), atomic_load(&memory.pool_free));
    }
    mirror_memory_reset(&memory);
    assert_int_equal(atomic_load(&memory.used), 0);
    assert_int_equal(atomic_load(&memory.pool_free), 0);
}

static void test_blocks_stay_in_the_pool(void **state)
{
    (void)state;
    struct mirror_memory memory;
    struct mirror_run run;
    mirror_memory_init(&memory, 0);
    assert_int_equal(mirror_run_alloc(&memory, MIRROR_UNIT_BYTES, &run), RHEI_OK);
    void *data = run.data;
    mirror_run_free(&memory, &run);
    assert_int_equal(atomic_load(&memory.used), MIRROR_BLOCK_BYTES);
    base_memory_fail_after(1);
    assert_int_equal(mirror_run_alloc(&memory, MIRROR_UNIT_BYTES, &run), RHEI_OK); /* without asking the system */
    base_memory_fail_after(0);
    assert_ptr_equal(run.data, data);
    mirror_run_free(&memory, &run);
    mirror_memory_reset(&memory);
}

static void test_limit_is_kept_and_the_pool_gives_way(void **state)
{
    (void)state;
    struct mirror_memory memory;
    struct mirror_run run;
    struct rhei_error error = RHEI_ERROR_INIT;
    void *plain;
    mirror_memory_init(&memory, 3 << 20);
    assert_int_equal(mirror_run_alloc(&memory, MIRROR_UNIT_BYTES, &run), RHEI_OK);
    assert_int_equal(mirror_memory_alloc(&memory, 3 << 20, &plain), RHEI_MEMORY_LIMIT);
    assert_null(plain);
    assert_int_equal(mirror_memory_alloc(&memory, 2 << 20, &plain), RHEI_OK); /* the block's free units went */
    mirror_memory_free(&memory, plain, 2 << 20);
    assert_int_equal(mirror_memory_error(&memory, RHEI_MEMORY_LIMIT, &error), RHEI_MEMORY_LIMIT);
    assert_non_null(strstr(error.message, "olap_memory_limit"));
    mirror_run_free(&memory, &run);
    assert_int_equal(mirror_memory_alloc(&memory, 3 << 20, &plain), RHEI_OK); /* the empty block went */
    mirror_memory_free(&memory, plain, 3 << 20);
    atomic_fetch_add(&memory.unlimited, 1);
    assert_int_equal(mirror_memory_alloc(&memory, 4 << 20, &plain), RHEI_OK);
    mirror_memory_free(&memory, plain, 4 << 20);
    mirror_memory_reset(&memory);
    assert_int_equal(atomic_load(&memory.used), 0);
}

/* Free units of blocks that are in use go too; they come back as runs, and are counted again. */
static void test_a11_a_trim_leaves_what_is_in_use(void **state)
{
    (void)state;
    struct mirror_memory memory;
    struct mirror_run runs[2 * MIRROR_BLOCK_UNITS], whole;
    mirror_memory_init(&memory, 0);
    for (uint32_t i = 0; i < 2 * MIRROR_BLOCK_UNITS; i++) {
        assert_int_equal(mirror_run_alloc(&memory, MIRROR_UNIT_BYTES, &runs[i]), RHEI_OK);
        memset(runs[i].data, (int)i, MIRROR_UNIT_BYTES);
    }
    for (uint32_t i = 0; i < 2 * MIRROR_BLOCK_UNITS; i++)
        if (i % 4 != 0)
            mirror_run_free(&memory, &runs[i]);
    assert_int_equal(atomic_load(&memory.used), 2 * MIRROR_BLOCK_BYTES);
    assert_int_equal(mirror_memory_trim(&memory, 0), 2 * MIRROR_BLOCK_BYTES / 4 * 3);
    assert_int_equal(atomic_load(&memory.used), 2 * MIRROR_BLOCK_BYTES / 4);
    assert_int_equal(atomic_load(&memory.pool_free), 0);
    for (uint32_t i = 0; i < 2 * MIRROR_BLOCK_UNITS; i++) {
        if (i % 4 == 0)
            assert_int_equal(((const uint8_t *)runs[i].data)[MIRROR_UNIT_BYTES - 1], i);
        else
            assert_int_equal(mirror_run_alloc(&memory, MIRROR_UNIT_BYTES, &runs[i]), RHEI_OK);
        memset(runs[i].data, 1, MIRROR_UNIT_BYTES);
    }
    assert_int_equal(atomic_load(&memory.used), 2 * MIRROR_BLOCK_BYTES);
    assert_int_equal(mirror_run_alloc(&memory, 3 * MIRROR_UNIT_BYTES, &whole), RHEI_OK);
    mirror_run_shrink(&memory, &whole, MIRROR_UNIT_BYTES + 1);
    assert_int_equal(whole.units, 2);
    mirror_run_free(&memory, &whole);
    for (uint32_t i = 0; i < 2 * MIRROR_BLOCK_UNITS; i++)
        mirror_run_free(&memory, &runs[i]);
    assert_int_equal(atomic_load(&memory.used), atomic_load(&memory.pool_free));
    mirror_memory_reset(&memory);
    assert_int_equal(atomic_load(&memory.used), 0);
    assert_int_equal(atomic_load(&memory.pool_free), 0);
}

static void test_d6_failing_system_is_an_error(void **state)
{
    (void)state;
    struct mirror_memory memory;
    struct mirror_run run;
    void *plain;
    mirror_memory_init(&memory, 0);
    for (uint64_t n = 1; n <= 2; n++) {
        base_memory_fail_after(n);
        assert_int_equal(mirror_run_alloc(&memory, MIRROR_UNIT_BYTES, &run), RHEI_NO_MEMORY);
        base_memory_fail_after(1);
        assert_int_equal(mirror_run_alloc(&memory, 100, &run), RHEI_NO_MEMORY);
        base_memory_fail_after(1);
        assert_int_equal(mirror_memory_alloc_index(&memory, 100, &plain), RHEI_NO_MEMORY);
        base_memory_fail_after(0);
    }
    assert_int_equal(atomic_load(&memory.used), 0);
    assert_int_equal(atomic_load(&memory.index_used), 0);
    mirror_memory_reset(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_counted_and_given_back),
        cmocka_unit_test(test_blocks_stay_in_the_pool),
        cmocka_unit_test(test_limit_is_kept_and_the_pool_gives_way),
        cmocka_unit_test(test_a11_a_trim_leaves_what_is_in_use),
        cmocka_unit_test(test_d6_failing_system_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
