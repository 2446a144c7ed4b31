/* SPDX-License-Identifier: Apache-2.0 */
/* Sums in bins against base_exact_sum: the same bits, however the values are spread, ordered, cut and merged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base_bin_sum.h"
#include "base/base_clock.h"
#include "exact_sum_vectors.h"

enum { MANY = 6000, ROUNDS = 400, GROUPS = 7 };

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void assert_same_bits(double found, double expected)
{
    if (isnan(found) && isnan(expected))
        return;
    if (memcmp(&found, &expected, sizeof found) != 0)
        fail_msg("%a is not %a", found, expected);
}

static double exact(const double *values, size_t count)
{
    struct base_exact_sum sum = {0};
    for (size_t i = 0; i < count; i++)
        assert_true(isnan(values[i]) || base_exact_sum_add(&sum, values[i]));
    double result = base_exact_sum_result(&sum);
    base_exact_sum_reset(&sum);
    return result;
}

static double result_of(struct base_bin_sum *sum)
{
    double result;
    assert_true(base_bin_sum_result(sum, &result));
    base_bin_sum_reset(sum);
    return result;
}

static double by_one(const double *values, size_t count)
{
    struct base_bin_sum sum = {.scale = 0};
    for (size_t i = 0; i < count; i++)
        assert_true(base_bin_sum_add(&sum, values[i]));
    return result_of(&sum);
}

/* Runs of any length into several sums, merged in any order. */
static double by_merged_runs(const double *values, size_t count, uint64_t *random)
{
    struct base_bin_sum sums[GROUPS] = {{.scale = 0}}, total = {.scale = 0};
    for (size_t at = 0, run; at < count; at += run) {
        run = 1 + next_random(random) % 1500;
        run = run < count - at ? run : count - at;
        assert_true(base_bin_sum_add_run(&sums[next_random(random) % GROUPS], values + at, run));
    }
    size_t first = next_random(random) % GROUPS;
    int64_t counted = 0;
    for (size_t g = 0; g < GROUPS; g++) {
        struct base_bin_sum *sum = &sums[(first + g) % GROUPS];
        counted += base_bin_sum_count(sum);
        assert_true(base_bin_sum_merge(&total, sum));
        base_bin_sum_reset(sum);
    }
    assert_int_equal(base_bin_sum_count(&total), counted);
    struct base_exact_sum window;
    if (base_bin_sum_window(&total, &window)) { /* where it fits, it is the same sum */
        struct base_bin_sum other = {.scale = 0};
        assert_true(base_bin_sum_merge_exact(&other, &window));
        assert_int_equal(base_bin_sum_count(&other), counted);
        double expected = base_exact_sum_result(&window);
        assert_same_bits(result_of(&other), expected);
        assert_same_bits(result_of(&total), expected);
        return expected;
    }
    return result_of(&total);
}

static void assert_groups(const double *values, size_t count, uint64_t *random)
{
    static struct base_bin_sum *places[MANY];
    static double parted[GROUPS][MANY];
    struct base_bin_sum sums[GROUPS] = {{.scale = 0}};
    size_t counts[GROUPS] = {0};
    for (size_t i = 0; i < count; i++) {
        size_t group = next_random(random) % GROUPS;
        places[i] = &sums[group];
        parted[group][counts[group]++] = values[i];
    }
    assert_true(base_bin_sum_add_each(places, values, count));
    for (size_t g = 0; g < GROUPS; g++)
        assert_same_bits(result_of(&sums[g]), exact(parted[g], counts[g]));
}

/* The parts of several sums, added up in another: what a state is when it goes through memory as numbers. */
static double by_parts(const double *values, size_t count, uint64_t *random)
{
    struct base_bin_sum sum = {.scale = 0}, total = {.scale = 0};
    for (size_t at = 0, run; at < count; at += run) {
        double parts[BASE_BIN_SUM_PARTS];
        uint32_t used = 0;
        run = 1 + next_random(random) % 300;
        run = run < count - at ? run : count - at;
        assert_true(base_bin_sum_add_run(&sum, values + at, run));
        if (!base_bin_sum_parts(&sum, parts, &used)) /* beyond the doubles for the moment */
            continue;
        assert_true(used <= BASE_BIN_SUM_PARTS);
        assert_true(base_bin_sum_add_run(&total, parts, used));
        base_bin_sum_reset(&sum);
    }
    assert_true(base_bin_sum_merge(&total, &sum));
    base_bin_sum_reset(&sum);
    return result_of(&total);
}

static void check(const double *values, size_t count, uint64_t *random)
{
    double expected = exact(values, count);
    assert_same_bits(by_one(values, count), expected);
    assert_same_bits(by_merged_runs(values, count, random), expected);
    assert_same_bits(by_parts(values, count, random), expected);
    assert_groups(values, count, random);
}

static void test_q2_known_sums(void **state)
{
    (void)state;
    uint64_t random = base_random_u64() | 1;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const double *values = vector_values + vectors[i].start;
        assert_same_bits(by_one(values, vectors[i].count), vectors[i].sum);
        check(values, vectors[i].count, &random);
    }
}

/* A double of any bits, or one within `spread` binary orders around 2^centre. */
static double random_double(uint64_t *random, int centre, int spread)
{
    double value;
    uint64_t bits = next_random(random);
    if (spread == 0) {
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    int exponent = centre + (int)(next_random(random) % (uint64_t)spread) - spread / 2;
    value = ldexp(1 + (double)(bits >> 12) * 0x1p-52, exponent);
    return bits & 1 ? -value : value;
}

static void spice(double *values, size_t count, uint64_t *random)
{
    static const double strange[] = {0.0,      -0.0,      0x1p-1074, -0x1p-1074, 0x1p-1022, 0x1.fffffffffffffp1023,
                                     INFINITY, -INFINITY, NAN,       0x1p60,     0x1p-60,   -0x1.fffffffffffffp1023};
    for (size_t i = next_random(random) % 4; i > 0; i--)
        values[next_random(random) % count] = strange[next_random(random) % (sizeof strange / sizeof *strange)];
}

static void test_q2_random_sums(void **state)
{
    (void)state;
    static const int spreads[] = {0, 1, 3, 12, 20, 27, 28, 29, 54, 80, 110, 600};
    static double values[MANY];
    uint64_t seed = base_random_u64() | 1, random = seed;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < ROUNDS; round++) {
        int spread = spreads[next_random(&random) % (sizeof spreads / sizeof *spreads)];
        int centre = (int)(next_random(&random) % 1900) - 950;
        size_t count = 1 + next_random(&random) % (round % 10 == 0 ? MANY : 700);
        for (size_t i = 0; i < count; i++) {
            values[i] = random_double(&random, centre, spread);
            if (i > 0 && next_random(&random) % 5 == 0)
                values[i] = -values[i - 1]; /* cancels */
        }
        if (next_random(&random) % 3 == 0)
            spice(values, count, &random);
        check(values, count, &random);
    }
}

/* Money, whole numbers, tiny beside big, only zeros, then numbers. */
static void test_q2_usual_sums(void **state)
{
    (void)state;
    static double values[MANY];
    uint64_t random = 88172645463325252;
    for (int kind = 0; kind < 6; kind++) {
        for (size_t i = 0; i < MANY; i++) {
            uint64_t number = next_random(&random);
            double cents = (double)(number % 10000000) / 100;
            double by_kind[] = {cents, (double)(int64_t)number, i % 1000 == 7 ? 1e-30 : cents,
                                0,     i < 3000 ? 0 : -cents,   (i / 700) % 2 == 0 ? 1e-3 : 1e15 + 0.5};
            values[i] = by_kind[kind];
        }
        check(values, MANY, &random);
    }
}

/* Quarters that grow past several powers of two: a sum in smaller bins goes over into greater ones and nothing aside. */
static void test_q2_sums_of_other_scales_meet_in_the_bins(void **state)
{
    (void)state;
    static double values[MANY];
    for (int sign = -1; sign <= 1; sign += 2) {
        struct base_bin_sum run = {.scale = 0}, one = {.scale = 0}, upwards = {.scale = 0}, downwards = {.scale = 0};
        for (size_t i = 0; i < MANY; i++)
            values[i] = sign * (double)(i * i) / 4;
        double expected = exact(values, MANY);
        assert_true(base_bin_sum_add_run(&run, values, MANY));
        for (size_t i = 0; i < MANY; i++)
            assert_true(base_bin_sum_add(&one, values[i]));
        for (size_t part = 0; part < 10; part++) {
            struct base_bin_sum low = {.scale = 0}, high = {.scale = 0};
            assert_true(base_bin_sum_add_run(&low, values + part * (MANY / 10), MANY / 10));
            assert_true(base_bin_sum_add_run(&high, values + (9 - part) * (MANY / 10), MANY / 10));
            assert_true(base_bin_sum_merge(&upwards, &low));
            assert_true(base_bin_sum_merge(&downwards, &high));
            base_bin_sum_reset(&low);
            base_bin_sum_reset(&high);
        }
        assert_null(run.more);
        assert_null(one.more);
        assert_null(upwards.more);
        assert_null(downwards.more);
        struct base_exact_sum window;
        assert_true(base_bin_sum_window(&run, &window));
        assert_int_equal(window.count, MANY);
        assert_same_bits(base_exact_sum_result(&window), expected);
        assert_same_bits(result_of(&run), expected);
        assert_same_bits(result_of(&one), expected);
        assert_same_bits(result_of(&upwards), expected);
        assert_same_bits(result_of(&downwards), expected);
    }
}

/* More values than the bins may hold: 2^26 and some, in one sum and merged. */
static void test_q2_more_values_than_the_bins_hold(void **state)
{
    (void)state;
    enum { RUN = 65536, RUNS = 1030 };
    static double values[RUN];
    static struct base_bin_sum *places[RUN];
    struct base_bin_sum sum = {.scale = 0}, half = {.scale = 0}, each = {.scale = 0};
    struct base_exact_sum expected = {0}, once = {0};
    for (size_t i = 0; i < RUN; i++) {
        values[i] = 0x1.fffffffffffffp9 - (double)(i % 3);
        places[i] = &each;
        assert_true(base_exact_sum_add(&once, values[i]));
    }
    for (int run = 0; run < RUNS; run++) {
        assert_true(base_bin_sum_add_run(run % 2 == 0 ? &sum : &half, values, RUN));
        assert_true(base_exact_sum_merge(&expected, &once));
    }
    for (int run = 0; run < RUNS; run++)
        assert_true(base_bin_sum_add_each(places, values, RUN));
    assert_true(base_bin_sum_merge(&sum, &half));
    assert_true(base_bin_sum_count(&sum) == expected.count && base_bin_sum_count(&each) == expected.count);
    assert_same_bits(result_of(&sum), base_exact_sum_result(&expected));
    assert_same_bits(result_of(&each), base_exact_sum_result(&expected));
    base_bin_sum_reset(&half);
    base_exact_sum_reset(&expected);
    base_exact_sum_reset(&once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q2_known_sums),
        cmocka_unit_test(test_q2_random_sums),
        cmocka_unit_test(test_q2_usual_sums),
        cmocka_unit_test(test_q2_sums_of_other_scales_meet_in_the_bins),
        cmocka_unit_test(test_q2_more_values_than_the_bins_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
