/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exact sum of doubles at nearly the price of a plain one: three doubles, each of which adds its own part of every
 * value without ever rounding. The result is base_exact_sum's, bit for bit, whatever the order of adding and merging.
 *
 * A value is cut by adding and taking away a large constant (Demmel and Hida 2004; "pre-rounding" in Demmel and Nguyen
 * 2013, https://doi.org/10.1109/ARITH.2013.9): parts of 27, 26 and 26 bits below 2^top. Whatever lies outside goes to a
 * base_exact_sum. Needs round-to-nearest and no -ffast-math.
 *
 * Owner thread. A zeroed struct is an empty sum; alignment 8; may be moved by memcpy.
 */
#ifndef BASE_BIN_SUM_H
#define BASE_BIN_SUM_H

#include "base/base_exact_sum.h"

struct base_bin_sum {
    double bin[3];
    struct base_exact_sum *more; /* values that the bins didn't take; NULL: none */
    uint32_t count;              /* values in the bins */
    uint16_t scale;              /* top + BASE_BIN_SCALE_ZERO; 0: nothing was put into the bins yet */
};

enum { BASE_BIN_SCALE_ZERO = 1024 };

/*
 * NaN is left out, as SQL leaves out NULL. False: no memory; some values were not added then, and the sum is only good for
 * base_bin_sum_reset.
 */
bool base_bin_sum_add(struct base_bin_sum *sum, double value);
bool base_bin_sum_add_run(struct base_bin_sum *sum, const double *values, size_t count);
/* values[i] to *sums[i]; many may be the same. */
bool base_bin_sum_add_each(struct base_bin_sum *const *sums, const double *values, size_t count);
/* `other` stays as it is. */
bool base_bin_sum_merge(struct base_bin_sum *sum, const struct base_bin_sum *other);
/* The same of a base_exact_sum. */
bool base_bin_sum_merge_exact(struct base_bin_sum *sum, const struct base_exact_sum *other);
/*
 * All of the sum as one 128-bit integer at an exponent, without memory of its own. False: it doesn't fit, or has infinite values;
 * *window unset.
 */
bool base_bin_sum_window(const struct base_bin_sum *sum, struct base_exact_sum *window);
int64_t base_bin_sum_count(const struct base_bin_sum *sum); /* values in the sum, infinite ones too */
/* The exact sum, rounded once; NaN where infinities of both signs met. *result unset on false: no memory. */
bool base_bin_sum_result(const struct base_bin_sum *sum, double *result);
/* Doubles whose exact sum it is, at most BASE_BIN_SUM_PARTS (base_exact_sum_parts). False: no memory, or there are none. */
enum { BASE_BIN_SUM_PARTS = BASE_EXACT_SUM_PARTS };
bool base_bin_sum_parts(const struct base_bin_sum *sum, double parts[BASE_BIN_SUM_PARTS], uint32_t *count);
void base_bin_sum_reset(struct base_bin_sum *sum);

#endif
