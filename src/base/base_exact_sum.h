/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sum of doubles as one rounding of the exact sum, so that no order of adding, merging or taking away changes a bit.
 *
 * A sum starts as a 128-bit integer at a fixed exponent, which holds most columns of numbers without a heap; a value that
 * doesn't fit moves it to a long accumulator over the whole range of a double (Kulisch; "superaccumulator" in Neal 2015,
 * https://arxiv.org/abs/1505.05571). Both are exact, so where a sum moved is not seen in its result.
 *
 * Owner thread. A zeroed struct is an empty sum; it needs an alignment of 8 only, and may be moved by memcpy.
 */
#ifndef BASE_EXACT_SUM_H
#define BASE_EXACT_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct base_exact_long;

struct base_exact_sum {
    uint64_t low; /* the 128-bit integer, two's complement */
    int64_t high;
    struct base_exact_long *wide; /* NULL while the integer is enough */
    int64_t count;                /* values in the sum, special ones too */
    int64_t special;              /* of them infinite or NaN; how many of each lies in `wide` */
    int16_t exponent;             /* the integer's unit is 2^exponent */
    bool scaled;                  /* the exponent was chosen */
};

/* False: no memory, the sum is as it was. */
bool base_exact_sum_add(struct base_exact_sum *sum, double value);
bool base_exact_sum_add_integer(struct base_exact_sum *sum, int64_t value);
/* Exact inverses: the sum is then what it had been without that value. */
bool base_exact_sum_subtract(struct base_exact_sum *sum, double value);
bool base_exact_sum_subtract_integer(struct base_exact_sum *sum, int64_t value);
/* Adds all of `other`, which stays as it is. */
bool base_exact_sum_merge(struct base_exact_sum *sum, const struct base_exact_sum *other);

/*
 * The exact sum, rounded to nearest, ties to even. An empty sum, and one that cancels out, is +0.0. Beyond the largest
 * double: infinity. With infinities of one sign: that infinity; of both, or a NaN: NaN (which SQLite shows as NULL).
 */
double base_exact_sum_result(const struct base_exact_sum *sum);

/*
 * Doubles whose exact sum it is, as few as they may be, for a sum of the same values elsewhere; infinities of both signs, where it has them, are
 * among them. Returns how many; BASE_EXACT_SUM_NO_PARTS where it is beyond the largest double, which no double is a part of.
 */
#define BASE_EXACT_SUM_NO_PARTS UINT32_MAX
enum { BASE_EXACT_SUM_PARTS = 144 };
uint32_t base_exact_sum_parts(const struct base_exact_sum *sum, double parts[BASE_EXACT_SUM_PARTS]);

/* Frees what it holds; an empty sum again. */
void base_exact_sum_reset(struct base_exact_sum *sum);

#endif
