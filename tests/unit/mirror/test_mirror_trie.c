/* SPDX-License-Identifier: Apache-2.0 */
/* The persistent array against a plain one, with old roots kept and read again. */
#include "mirror_model.h"

enum { NUMBERS = 5000, KEPT = 8 };

static int values[NUMBERS * KEPT];

static uint32_t number_of(uint32_t i)
{
    return i % 3 == 0 ? i : i % 3 == 1 ? i * 700000u : UINT32_MAX - i;
}

static void assert_holds(const struct mirror_trie *trie, void *const *wanted)
{
    uint32_t count = 0, found = 0, number = 0;
    for (uint32_t i = 0; i < NUMBERS; i++) {
        assert_ptr_equal(mirror_trie_get(trie, number_of(i)), wanted[i]);
        count += wanted[i] != NULL;
    }
    for (void *value; (value = mirror_trie_next(trie, &number)) != NULL; number++) {
        found++;
        if (number == UINT32_MAX)
            break;
    }
    assert_int_equal(found, count);
}

static void test_old_roots_keep_their_contents(void **state)
{
    (void)state;
    struct mirror *mirror;
    struct mirror_garbage_list list = {0};
    struct mirror_trie trie = {0}, kept[KEPT];
    static void *now[NUMBERS], *then[KEPT][NUMBERS];
    struct model_random random = {.state = 5};
    memset(now, 0, sizeof now);
    assert_int_equal(mirror_open(NULL, &mirror, NULL), RHEI_OK);
    for (uint32_t k = 0; k < KEPT; k++) {
        for (uint32_t n = 0; n < NUMBERS; n++) {
            uint32_t i = (uint32_t)model_below(&random, NUMBERS);
            void *value = model_below(&random, k < KEPT / 2 ? 4 : 2) == 0 ? NULL : &values[n + k * NUMBERS];
            assert_int_equal(mirror_trie_put(mirror, &list, &trie, number_of(i), value), RHEI_OK);
            now[i] = value;
        }
        kept[k] = trie;
        memcpy(then[k], now, sizeof now);
        assert_int_equal(mirror_publish(mirror, k, NULL), RHEI_OK); /* a new epoch */
        for (uint32_t old = 0; old <= k; old++)
            assert_holds(&kept[old], then[old]);
    }
    for (uint32_t i = 0; i < NUMBERS; i++)
        assert_int_equal(mirror_trie_put(mirror, &list, &trie, number_of(i), NULL), RHEI_OK);
    assert_null(trie.root); /* bare nodes go */
    mirror_garbage_free(mirror, &list);
    mirror_trie_free(mirror, &trie);
    mirror_close(&mirror);
}

static void test_d6_failing_put_changes_nothing(void **state)
{
    (void)state;
    struct mirror *mirror;
    struct mirror_garbage_list list = {0};
    struct mirror_trie trie = {0};
    assert_int_equal(mirror_open(NULL, &mirror, NULL), RHEI_OK);
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t number = number_of(i * 3 + 1);
        for (uint64_t n = 1;; n++) {
            base_memory_fail_after(n);
            rhei_status status = mirror_trie_put(mirror, &list, &trie, number, &values[i]);
            base_memory_fail_after(0);
            if (status == RHEI_OK)
                break;
            assert_null(mirror_trie_get(&trie, number));
            for (uint32_t j = 0; j < i; j++)
                assert_ptr_equal(mirror_trie_get(&trie, number_of(j * 3 + 1)), &values[j]);
        }
        base_memory_fail_after(1); /* again in the same epoch: no memory needed */
        assert_int_equal(mirror_trie_put(mirror, &list, &trie, number, &values[i]), RHEI_OK);
        base_memory_fail_after(0);
        assert_int_equal(mirror_publish(mirror, i, NULL), RHEI_OK);
        mirror_small_reset(mirror);
    }
    mirror_garbage_free(mirror, &list);
    mirror_trie_free(mirror, &trie);
    mirror_close(&mirror);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_roots_keep_their_contents),
        cmocka_unit_test(test_d6_failing_put_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
