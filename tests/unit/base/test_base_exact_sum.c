/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_clock.h"
#include "base/base_exact_sum.h"
#include "base/base_memory.h"
#include "exact_sum_vectors.h"

enum { MANY = 5000 };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void shuffle(double *values, size_t count, uint64_t *random)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = next_random(random) % i;
        double value = values[i - 1];
        values[i - 1] = values[other];
        values[other] = value;
    }
}

static void assert_same_bits(double found, double expected)
{
    if (memcmp(&found, &expected, sizeof found) != 0)
        fail_msg("%a is not %a", found, expected);
}

static double sum_of(const double *values, size_t count)
{
    struct base_exact_sum sum = {0};
    for (size_t i = 0; i < count; i++)
        assert_true(base_exact_sum_add(&sum, values[i]));
    assert_int_equal(sum.count, count);
    double result = base_exact_sum_result(&sum);
    base_exact_sum_reset(&sum);
    return result;
}

static void test_known_sums_in_any_order(void **state)
{
    (void)state;
    uint64_t random = base_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)random);
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        double values[32];
        memcpy(values, vector_values + vectors[i].start, vectors[i].count * sizeof *values);
        for (int round = 0; round < 8; round++) {
            assert_same_bits(sum_of(values, vectors[i].count), vectors[i].sum);
            shuffle(values, vectors[i].count, &random);
        }
    }
}

/* Doubles of all sizes, or of one magnitude, so that both forms of a sum are met. */
static double random_double(uint64_t *random, bool wild)
{
    uint64_t bits = next_random(random);
    if (!wild)
        return (double)(int64_t)(bits % 2000001) / 100.0 - 10000.0;
    if ((bits >> 52 & 2047) >= 2000)
        bits ^= UINT64_C(1) << 62;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void merge_in_tree(struct base_exact_sum *sums, size_t count, uint64_t *random)
{
    while (count > 1) {
        size_t into = next_random(random) % count;
        size_t from = (into + 1 + next_random(random) % (count - 1)) % count;
        assert_true(base_exact_sum_merge(&sums[into], &sums[from]));
        base_exact_sum_reset(&sums[from]);
        sums[from] = sums[count - 1];
        if (into == count - 1)
            into = from;
        memset(&sums[count - 1], 0, sizeof *sums);
        count--;
    }
}

static void test_no_order_or_merge_changes_a_bit(void **state)
{
    (void)state;
    uint64_t random = base_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)random);
    double *values = base_alloc(MANY * sizeof *values);
    for (int round = 0; round < 20; round++) {
        bool wild = round % 2 != 0;
        for (size_t i = 0; i < MANY; i++)
            values[i] = random_double(&random, wild);
        double expected = sum_of(values, MANY);
        shuffle(values, MANY, &random);
        assert_same_bits(sum_of(values, MANY), expected);
        struct base_exact_sum parts[64] = {0};
        for (size_t i = 0; i < MANY; i++)
            assert_true(base_exact_sum_add(&parts[next_random(&random) % 64], values[i]));
        merge_in_tree(parts, 64, &random);
        assert_int_equal(parts[0].count, MANY);
        assert_same_bits(base_exact_sum_result(&parts[0]), expected);
        base_exact_sum_reset(&parts[0]);
    }
    base_free(values);
}

static void test_taking_away_is_exact(void **state)
{
    (void)state;
    uint64_t random = base_random_u64() | 1;
    print_message("seed %llu\n", (unsigned long long)random);
    double values[256];
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < 256; i++)
            values[i] = random_double(&random, round % 2 != 0);
        values[100] = (double)INFINITY;
        values[130] = -(double)INFINITY;
        values[160] = (double)NAN;
        struct base_exact_sum sliding = {0};
        for (size_t i = 0; i < 256; i++) {
            assert_true(base_exact_sum_add(&sliding, values[i]));
            if (i >= 20)
                assert_true(base_exact_sum_subtract(&sliding, values[i - 20]));
            size_t from = i >= 20 ? i - 19 : 0;
            double expected = sum_of(values + from, i + 1 - from);
            double found = base_exact_sum_result(&sliding);
            if (isnan(expected))
                assert_true(isnan(found));
            else
                assert_same_bits(found, expected);
        }
        base_exact_sum_reset(&sliding);
    }
}

static void test_special_values(void **state)
{
    (void)state;
    double infinite = (double)INFINITY;
    assert_same_bits(sum_of(NULL, 0), 0.0);
    assert_same_bits(sum_of((double[]){-0.0, -0.0}, 2), 0.0);
    assert_same_bits(sum_of((double[]){infinite, 1e308}, 2), infinite);
    assert_same_bits(sum_of((double[]){5, -infinite, 5}, 3), -infinite);
    assert_true(isnan(sum_of((double[]){infinite, -infinite}, 2)));
    assert_true(isnan(sum_of((double[]){1, (double)NAN}, 2)));
    assert_same_bits(sum_of((double[]){1.7976931348623157e308, 1e308}, 2), infinite);
    assert_same_bits(sum_of((double[]){-1.7976931348623157e308, -1e308, -1e308}, 3), -infinite);
    /* the largest double and just less than half a unit in its last place; then exactly half: rounds beyond */
    assert_same_bits(sum_of((double[]){0x1.fffffffffffffp+1023, 0x1.fffffffffffffp+969}, 2), 0x1.fffffffffffffp+1023);
    assert_same_bits(sum_of((double[]){0x1.fffffffffffffp+1023, 0x1p+970}, 2), infinite);
}

static void test_integers_are_exact(void **state)
{
    (void)state;
    struct base_exact_sum sum = {0};
    for (int i = 0; i < 3; i++)
        assert_true(base_exact_sum_add_integer(&sum, INT64_MAX));
    assert_true(base_exact_sum_add_integer(&sum, INT64_MIN));
    assert_true(base_exact_sum_add_integer(&sum, INT64_MIN));
    assert_true(base_exact_sum_add_integer(&sum, INT64_MIN));
    assert_same_bits(base_exact_sum_result(&sum), -3.0);
    assert_true(base_exact_sum_subtract_integer(&sum, INT64_MIN));
    assert_true(base_exact_sum_add(&sum, 0.5));
    assert_same_bits(base_exact_sum_result(&sum), 9223372036854775808.0 - 2.5);
    assert_int_equal(sum.count, 6);
    base_exact_sum_reset(&sum);
}

/* Four billion additions would be needed to fill a limb by adding; by merging it takes few. */
static void test_limbs_never_overflow(void **state)
{
    (void)state;
    struct base_exact_sum sum = {0};
    assert_true(base_exact_sum_add(&sum, 1e300));
    assert_true(base_exact_sum_add(&sum, -1e300));
    assert_true(base_exact_sum_add(&sum, 1e-300));
    assert_true(base_exact_sum_add(&sum, 0x1.fffffffffffffp+0));
    for (int doubling = 0; doubling < 60; doubling++) {
        struct base_exact_sum copy = {0};
        assert_true(base_exact_sum_merge(&copy, &sum));
        assert_true(base_exact_sum_merge(&sum, &copy));
        base_exact_sum_reset(&copy);
    }
    assert_same_bits(base_exact_sum_result(&sum), 0x1.fffffffffffffp+60);
    base_exact_sum_reset(&sum);
}

static void test_without_memory_nothing_changes(void **state)
{
    (void)state;
    struct base_exact_sum sum = {0};
    assert_true(base_exact_sum_add(&sum, 1.0));
    base_memory_fail_after(1);
    assert_false(base_exact_sum_add(&sum, 1e300));
    base_memory_fail_after(0);
    assert_int_equal(sum.count, 1);
    assert_same_bits(base_exact_sum_result(&sum), 1.0);
    assert_true(base_exact_sum_add(&sum, 1e300));
    base_exact_sum_reset(&sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sums_in_any_order),
        cmocka_unit_test(test_no_order_or_merge_changes_a_bit),
        cmocka_unit_test(test_taking_away_is_exact),
        cmocka_unit_test(test_special_values),
        cmocka_unit_test(test_integers_are_exact),
        cmocka_unit_test(test_limbs_never_overflow),
        cmocka_unit_test(test_without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
