/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_clock.h"
#include "base/base_map.h"
#include "base/base_memory.h"

enum { KEYS = 100000 };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t make_key(char *out, size_t size, size_t number)
{
    return (size_t)snprintf(out, size, "Key_%zu_%zX", number, number * 2654435761U);
}

static void compare_all(const struct base_map *map, void *const *model, size_t expected)
{
    assert_int_equal(base_map_count(map), expected);
    char key[64];
    for (size_t i = 0; i < KEYS; i++) {
        size_t len = make_key(key, sizeof key, i);
        assert_ptr_equal(base_map_find(map, key, len), model[i]);
    }
    size_t cursor = 0;
    size_t seen = 0;
    const char *walked;
    size_t walked_len;
    void *value;
    while (base_map_next(map, &cursor, &walked, &walked_len, &value)) {
        size_t number = (size_t)((uintptr_t)value / 8 % KEYS);
        size_t len = make_key(key, sizeof key, number);
        assert_int_equal(walked_len, len);
        assert_memory_equal(walked, key, len);
        assert_ptr_equal(model[number], value);
        seen++;
    }
    assert_int_equal(seen, expected);
}

/* A million random puts and removes over 100,000 keys against an array indexed by the key's number. */
static void test_against_a_naive_model(void **state)
{
    (void)state;
    uint64_t seed = base_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    void **model = base_alloc_zero(KEYS, sizeof *model);
    struct base_map *map = base_map_new(false);
    size_t count = 0;
    for (size_t step = 0; step < 1000000; step++) {
        uint64_t random = next_random(&seed);
        size_t number = (size_t)(random >> 20) % KEYS;
        char key[64];
        size_t len = make_key(key, sizeof key, number);
        if (random % 5 < 3) {
            void *value = (void *)(uintptr_t)((number + (random % 7 + 1) * KEYS) * 8);
            void *previous = map;
            assert_true(base_map_put(map, key, len, value, &previous));
            assert_ptr_equal(previous, model[number]);
            count += model[number] == NULL;
            model[number] = value;
        } else {
            assert_ptr_equal(base_map_remove(map, key, len), model[number]);
            count -= model[number] != NULL;
            model[number] = NULL;
        }
        if (step % 400000 == 399999)
            compare_all(map, model, count);
    }
    compare_all(map, model, count);
    base_map_free(&map);
    assert_null(map);
    base_free(model);
}

static void test_removing_all_empties_the_map(void **state)
{
    (void)state;
    struct base_map *map = base_map_new(true);
    char key[64];
    for (size_t i = 0; i < 5000; i++)
        assert_true(base_map_put(map, key, make_key(key, sizeof key, i), map, NULL));
    for (size_t i = 5000; i-- > 0;)
        assert_ptr_equal(base_map_remove(map, key, make_key(key, sizeof key, i)), map);
    assert_int_equal(base_map_count(map), 0);
    size_t cursor = 0;
    assert_false(base_map_next(map, &cursor, NULL, NULL, NULL));
    base_map_free(&map);
}

static void test_case_folds_only_ascii(void **state)
{
    (void)state;
    int one, two;
    struct base_map *map = base_map_new(true);
    assert_true(base_map_put(map, "Orders", 6, &one, NULL));
    assert_ptr_equal(base_map_find(map, "oRDERS", 6), &one);
    assert_true(base_map_put(map, "\xC3\x89", 2, &two, NULL));
    assert_ptr_equal(base_map_find(map, "\xC3\xA9", 2), NULL);
    void *previous;
    assert_true(base_map_put(map, "ORDERS", 6, &two, &previous));
    assert_ptr_equal(previous, &one);
    assert_int_equal(base_map_count(map), 2);
    base_map_free(&map);

    map = base_map_new(false);
    assert_true(base_map_put(map, "Orders", 6, &one, NULL));
    assert_null(base_map_find(map, "orders", 6));
    base_map_free(&map);

    assert_int_equal(base_fold_compare("ABC", "abc"), 0);
    assert_true(base_fold_compare("ABC", "abd") < 0);
    assert_true(base_fold_compare("ABCD", "abc") > 0);
    assert_true(base_fold_compare("[", "a") < 0);
    assert_true(base_fold_equal("Ab", 2, "aB", 2));
    assert_false(base_fold_equal("Ab", 2, "aBc", 3));
}

static void test_keys_with_nul_and_empty_keys(void **state)
{
    (void)state;
    int one, two, three;
    struct base_map *map = base_map_new(false);
    assert_true(base_map_put(map, "a\0b", 3, &one, NULL));
    assert_true(base_map_put(map, "a", 1, &two, NULL));
    assert_true(base_map_put(map, "", 0, &three, NULL));
    assert_ptr_equal(base_map_find(map, "a\0b", 3), &one);
    assert_ptr_equal(base_map_find(map, "a", 1), &two);
    assert_ptr_equal(base_map_find(map, "", 0), &three);
    base_map_free(&map);
}

static void test_null_is_an_empty_map(void **state)
{
    (void)state;
    size_t cursor = 0;
    assert_null(base_map_find(NULL, "a", 1));
    assert_null(base_map_remove(NULL, "a", 1));
    assert_int_equal(base_map_count(NULL), 0);
    assert_false(base_map_next(NULL, &cursor, NULL, NULL, NULL));
    base_map_free(NULL);
}

static void test_no_memory_changes_nothing(void **state)
{
    (void)state;
    base_memory_fail_after(1);
    assert_null(base_map_new(false));
    struct base_map *map = base_map_new(false);
    char key[64];
    size_t filled = 0;
    /* The second allocation of a put is the growth of the table; it must fail at the first put and at each growth. */
    size_t refused = 0;
    while (filled < 100) {
        size_t len = make_key(key, sizeof key, filled);
        base_memory_fail_after(2);
        if (!base_map_put(map, key, len, map, NULL)) {
            refused++;
            assert_int_equal(base_map_count(map), filled);
            assert_null(base_map_find(map, key, len));
            base_memory_fail_after(0);
            assert_true(base_map_put(map, key, len, map, NULL));
        }
        base_memory_fail_after(1);
        assert_false(base_map_put(map, "another", 7, map, NULL));
        base_memory_fail_after(0);
        filled++;
    }
    assert_int_equal(refused, 5); /* tables of 16, 32, 64, 128 and 256 slots */
    for (size_t i = 0; i < filled; i++)
        assert_ptr_equal(base_map_find(map, key, make_key(key, sizeof key, i)), map);
    base_map_free(&map);
}

static void test_hash_depends_on_every_byte_and_on_length(void **state)
{
    (void)state;
    unsigned char bytes[40] = {0};
    for (size_t len = 1; len <= sizeof bytes; len++) {
        uint64_t plain = base_hash(bytes, len, 1);
        assert_true(plain != base_hash(bytes, len - 1, 1));
        assert_true(plain != base_hash(bytes, len, 2));
        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
            assert_true(plain != base_hash(bytes, len, 1));
            bytes[bit / 8] ^= (unsigned char)(1U << bit % 8);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_naive_model),
        cmocka_unit_test(test_removing_all_empties_the_map),
        cmocka_unit_test(test_case_folds_only_ascii),
        cmocka_unit_test(test_keys_with_nul_and_empty_keys),
        cmocka_unit_test(test_null_is_an_empty_map),
        cmocka_unit_test(test_no_memory_changes_nothing),
        cmocka_unit_test(test_hash_depends_on_every_byte_and_on_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
