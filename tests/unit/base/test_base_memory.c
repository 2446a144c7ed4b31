/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_memory.h"
#include "base/base_words.h"

static void test_nth_allocation_fails_once(void **state)
{
    (void)state;
    base_memory_fail_after(2);
    void *first = base_alloc(8);
    void *second = base_alloc(8);
    void *third = base_alloc(8);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    base_free(first);
    base_free(third);
}

static void test_every_function_can_fail(void **state)
{
    (void)state;
    base_memory_fail_after(1);
    assert_null(base_alloc_zero(1, 1));
    base_memory_fail_after(1);
    assert_null(base_alloc_aligned(64, 64));
    base_memory_fail_after(1);
    assert_null(base_strdup("x"));
    void *kept = base_alloc(4);
    base_memory_fail_after(1);
    assert_null(base_realloc(kept, 4096));
    base_memory_fail_after(0);
    base_free(kept);
}

static void test_zero_bytes_are_not_out_of_memory(void **state)
{
    (void)state;
    void *blocks[] = {base_alloc(0), base_alloc_zero(0, 8), base_realloc(NULL, 0), base_alloc_aligned(8, 0)};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        assert_non_null(blocks[i]);
        base_free(blocks[i]);
    }
}

static void test_alignment(void **state)
{
    (void)state;
    void *block = base_alloc_aligned(64, 100);
    assert_int_equal((uintptr_t)block % 64, 0);
    base_free(block);
}

static void test_count_times_size_overflow_is_refused(void **state)
{
    (void)state;
    assert_null(base_alloc_zero(SIZE_MAX / 2, 4));
    void *items = NULL;
    size_t capacity = 0;
    assert_false(base_grow(&items, &capacity, SIZE_MAX / 4, 8));
    assert_null(items);
    assert_int_equal(capacity, 0);
}

static void test_grow_keeps_everything_when_it_fails(void **state)
{
    (void)state;
    void *items = NULL;
    size_t capacity = 0;
    assert_true(base_grow(&items, &capacity, 3, sizeof(int)));
    assert_true(capacity >= 3);
    memcpy(items, (int[]){1, 2, 3}, 3 * sizeof(int));
    void *before = items;
    size_t capacity_before = capacity;
    base_memory_fail_after(1);
    assert_false(base_grow(&items, &capacity, capacity + 1, sizeof(int)));
    assert_ptr_equal(items, before);
    assert_int_equal(capacity, capacity_before);
    assert_true(base_grow(&items, &capacity, capacity + 1, sizeof(int)));
    assert_true(capacity >= 2 * capacity_before);
    assert_memory_equal(items, ((int[]){1, 2, 3}), 3 * sizeof(int));
    base_free(items);
}

static void test_strndup(void **state)
{
    (void)state;
    char *copy = base_strndup("ab\0cd", 5);
    assert_memory_equal(copy, "ab\0cd\0", 6);
    base_free(copy);
}

static void test_a_chain_goes_as_a_whole(void **state)
{
    (void)state;
    void *chain = NULL;
    for (size_t i = 0; i < 100; i++) {
        unsigned char *bytes = base_chain_alloc(&chain, i, 3);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % sizeof(long double), 0);
        for (size_t b = 0; b < 3 * i; b++)
            assert_int_equal(bytes[b]++, 0);
    }
    void *before = chain;
    base_memory_fail_after(1);
    assert_null(base_chain_alloc(&chain, 1, 8));
    assert_null(base_chain_alloc(&chain, SIZE_MAX / 2, 3));
    assert_ptr_equal(chain, before);
    base_chain_free(&chain);
    assert_null(chain);
    base_chain_free(&chain);
}

static void test_words_end_where_the_bytes_do(void **state)
{
    (void)state;
    const uint64_t words[2] = {7, UINT64_MAX};
    const char *at = (const char *)words, *end = at + 15;
    bool wrong = false;
    assert_true(base_words_take(&at, end, &wrong) == 7 && !wrong);
    assert_true(base_words_take(&at, end, &wrong) == 0 && wrong);
    assert_ptr_equal(at, (const char *)words + 8);
    assert_true(base_words_take(&at, end + 1, &wrong) == UINT64_MAX && wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nth_allocation_fails_once),
        cmocka_unit_test(test_every_function_can_fail),
        cmocka_unit_test(test_zero_bytes_are_not_out_of_memory),
        cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_count_times_size_overflow_is_refused),
        cmocka_unit_test(test_grow_keeps_everything_when_it_fails),
        cmocka_unit_test(test_strndup),
        cmocka_unit_test(test_a_chain_goes_as_a_whole),
        cmocka_unit_test(test_words_end_where_the_bytes_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
