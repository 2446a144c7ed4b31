/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants
 *  1. Every value in the bins is a multiple of 2^(top - UNIT) and smaller than 2^top.
 *  2. A value x is h + l + t, exactly: h a multiple of 2^(top - 27) up to 2^27 of them, l of 2^(top - 54) and t of
 *     2^(top - UNIT), up to 2^26 of them each. So BIN_LIMIT values of each keep every bin below 2^53 of its units: exact.
 *  3. A double of at least 2^(top - SAFE) is a multiple of 2^(top - UNIT) by its 53 bits alone; a smaller one may not be.
 *  4. top is a multiple of STEP in [LOWEST_TOP, HIGHEST_TOP], so that sums of alike values mostly share it, and all powers
 *     of two made from it are doubles.
 */
#include "base/base_bin_sum.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#include <math.h>
#include <string.h>

#include "base/base_memory.h"

__extension__ typedef __int128 bin_int;
__extension__ typedef unsigned __int128 bin_uint;

enum {
    UNIT = 81,
    SAFE = 28,
    STEP = 8,
    LOWEST_TOP = -896,
    HIGHEST_TOP = 896,
    BIN_LIMIT = 1 << 26,
    BLOCK = 512, /* values cut at a time: their parts stay in the first cache */
};

static double power_of_two(int exponent)
{
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int top_of(const struct base_bin_sum *sum)
{
    return (int)sum->scale - BASE_BIN_SCALE_ZERO;
}

/* How values below 2^top are cut. */
struct cut {
    double first, second, third; /* 1.5 * 2^52 units of each bin */
    double below, from;          /* magnitudes from `from` to `below` need no look */
    uint16_t scale;
};

static struct cut cut_for(int top)
{
    return (struct cut){.first = 1.5 * power_of_two(top - 27 + 52),
                        .second = 1.5 * power_of_two(top - 54 + 52),
                        .third = 1.5 * power_of_two(top - UNIT + 52),
                        .below = power_of_two(top),
                        .from = power_of_two(top - SAFE),
                        .scale = (uint16_t)(top + BASE_BIN_SCALE_ZERO)};
}

/* The top for a largest magnitude; false: beyond what bins can do. */
static bool choose_top(double largest, int *top)
{
    int exponent = 0;
    if (!isfinite(largest))
        return false;
    if (largest > 0)
        (void)frexp(largest, &exponent); /* largest < 2^exponent */
    *top = (exponent + STEP - 1 + 2048) / STEP * STEP - 2048;
    return *top >= LOWEST_TOP && *top <= HIGHEST_TOP;
}

/* ---- Out of the bins. ------------------------------------------------------------------------------------------------ */

static void bins_to_exact(const struct base_bin_sum *sum, struct base_exact_sum *out)
{
    *out = (struct base_exact_sum){.count = sum->count};
    if (sum->count == 0)
        return;
    int top = top_of(sum);
    bin_int total = (bin_int)((bin_uint)(int64_t)(sum->bin[0] * power_of_two(27 - top)) << 54) +
                    (bin_int)((bin_uint)(int64_t)(sum->bin[1] * power_of_two(54 - top)) << 27) +
                    (int64_t)(sum->bin[2] * power_of_two(UNIT - top));
    out->low = (uint64_t)(bin_uint)total;
    out->high = (int64_t)(uint64_t)((bin_uint)total >> 64);
    out->exponent = (int16_t)(top - UNIT);
    out->scaled = true;
}

/* The nearest multiple of 2^27 below or above is taken off: what is left is within 2^26 of zero. */
static bin_int cut_digit(bin_int *total)
{
    bin_int half = (bin_int)1 << 26, low = ((*total + half) & (2 * half - 1)) - half;
    *total = (*total - low) / (2 * half);
    return low;
}

/*
 * The same sum in bins for values below 2^top, a higher one. False: it isn't a multiple of their unit. Invariant 2 holds with as
 * many values as before: they are below the lower top, and the two lower digits below 2^26.
 */
static bool raise_top(struct base_bin_sum *sum, int top)
{
    struct base_exact_sum all;
    int up = top - top_of(sum);
    bins_to_exact(sum, &all);
    bin_int total = (bin_int)((bin_uint)(uint64_t)all.high << 64 | all.low);
    if (up >= UNIT || (total & (((bin_int)1 << up) - 1)) != 0)
        return false;
    total /= (bin_int)1 << up;
    sum->bin[2] = (double)cut_digit(&total) * power_of_two(top - UNIT);
    sum->bin[1] = (double)cut_digit(&total) * power_of_two(top - 54);
    sum->bin[0] = (double)total * power_of_two(top - 27);
    sum->scale = (uint16_t)(top + BASE_BIN_SCALE_ZERO);
    return true;
}

static struct base_exact_sum *more_of(struct base_bin_sum *sum)
{
    if (sum->more == NULL)
        sum->more = base_alloc_zero(1, sizeof *sum->more);
    return sum->more;
}

static bool spill(struct base_bin_sum *sum)
{
    struct base_exact_sum bins;
    if (sum->count == 0)
        return true;
    if (more_of(sum) == NULL)
        return false;
    bins_to_exact(sum, &bins);
    if (!base_exact_sum_merge(sum->more, &bins))
        return false;
    sum->bin[0] = sum->bin[1] = sum->bin[2] = 0;
    sum->count = 0;
    return true;
}

/* ---- One value. -------------------------------------------------------------------------------------------------------- */

static bool add_to_more(struct base_bin_sum *sum, double value)
{
    return more_of(sum) != NULL && base_exact_sum_add(sum->more, value);
}

/* Makes the bins fit for a value of this magnitude; *fits: they can be. */
static bool rescale(struct base_bin_sum *sum, double magnitude, bool *fits)
{
    int top = 0;
    *fits = choose_top(magnitude, &top);
    if (!*fits || (sum->scale != 0 && top <= top_of(sum) && sum->count < BIN_LIMIT))
        return true;
    bool kept = sum->count < BIN_LIMIT && (sum->count == 0 || raise_top(sum, top));
    if (!kept && !spill(sum))
        return false;
    if (sum->scale == 0 || top > top_of(sum))
        sum->scale = (uint16_t)(top + BASE_BIN_SCALE_ZERO);
    return true;
}

bool base_bin_sum_add(struct base_bin_sum *sum, double value)
{
    bool fits;
    if (isnan(value))
        return true;
    if (!rescale(sum, fabs(value), &fits))
        return false;
    if (!fits)
        return add_to_more(sum, value);
    struct cut cut = cut_for(top_of(sum));
    double high = (value + cut.first) - cut.first, rest = value - high;
    double middle = (rest + cut.second) - cut.second, low = rest - middle;
    if ((low + cut.third) - cut.third != low)
        return add_to_more(sum, value);
    sum->bin[0] += high;
    sum->bin[1] += middle;
    sum->bin[2] += low;
    sum->count++;
    return true;
}

/* ---- Many values. ------------------------------------------------------------------------------------------------------ */

struct parts {
    double high[BLOCK], middle[BLOCK], low[BLOCK];
};

/*
 * Two doubles at a time where that is certain to be there; compilers make one at a time of it otherwise. False: one of the values
 * needs a closer look.
 */
#if defined(__SSE2__)
static bool cut_block(const struct cut *cut, const double *values, size_t count, struct parts *parts)
{
    const __m128d first = _mm_set1_pd(cut->first), second = _mm_set1_pd(cut->second);
    const __m128d below = _mm_set1_pd(cut->below), from = _mm_set1_pd(cut->from), sign = _mm_set1_pd(-0.0);
    __m128d plain = _mm_cmpeq_pd(sign, sign);
    for (size_t i = 0; i < count; i += 2) {
        __m128d value = i + 1 < count ? _mm_loadu_pd(values + i) : _mm_load_sd(values + i);
        __m128d high = _mm_sub_pd(_mm_add_pd(value, first), first), rest = _mm_sub_pd(value, high);
        __m128d middle = _mm_sub_pd(_mm_add_pd(rest, second), second);
        _mm_storeu_pd(&parts->high[i], high);
        _mm_storeu_pd(&parts->middle[i], middle);
        _mm_storeu_pd(&parts->low[i], _mm_sub_pd(rest, middle));
        __m128d magnitude = _mm_andnot_pd(sign, value), zero = _mm_cmpeq_pd(value, _mm_setzero_pd());
        __m128d inside = _mm_and_pd(_mm_cmplt_pd(magnitude, below), _mm_cmpge_pd(magnitude, from));
        plain = _mm_and_pd(plain, _mm_or_pd(inside, zero));
    }
    return _mm_movemask_pd(plain) == 3;
}
#else
static bool cut_block(const struct cut *cut, const double *values, size_t count, struct parts *parts)
{
    const double first = cut->first, second = cut->second, below = cut->below, from = cut->from;
    bool plain = true;
    for (size_t i = 0; i < count; i++) {
        double value = values[i], magnitude = fabs(value);
        double high = (value + first) - first, rest = value - high;
        double middle = (rest + second) - second;
        parts->high[i] = high;
        parts->middle[i] = middle;
        parts->low[i] = rest - middle;
        plain = plain && ((magnitude < below && magnitude >= from) || value == 0);
    }
    return plain;
}
#endif

static double largest_of(const double *values, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        double magnitude = fabs(values[i]);
        if (magnitude > largest && isfinite(magnitude))
            largest = magnitude;
    }
    return largest;
}

/* The cut for a block whose first sum is `sum`: its own, or what the values ask for. */
static bool block_cut(const struct base_bin_sum *sum, const double *values, size_t count, struct cut *cut)
{
    int top = 0;
    if (sum->scale != 0)
        top = top_of(sum);
    else if (!choose_top(largest_of(values, count), &top))
        return false;
    *cut = cut_for(top);
    return true;
}

static bool takes(struct base_bin_sum *sum, uint16_t scale, uint32_t more)
{
    if (sum->scale == 0)
        sum->scale = scale;
    return sum->scale == scale && sum->count + more <= BIN_LIMIT;
}

/* Any order is exact, so several sums at once. */
static double sum_part(const double *part, size_t count)
{
    double sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (size_t k = 0; k < 8; k++)
            sums[k] += part[i + k];
    for (; i < count; i++)
        sums[0] += part[i];
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

static void add_parts(struct base_bin_sum *sum, const struct parts *parts, size_t count)
{
    sum->bin[0] += sum_part(parts->high, count);
    sum->bin[1] += sum_part(parts->middle, count);
    sum->bin[2] += sum_part(parts->low, count);
    sum->count += (uint32_t)count;
}

static bool add_slowly(struct base_bin_sum *sum, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!base_bin_sum_add(sum, values[i]))
            return false;
    return true;
}

bool base_bin_sum_add_run(struct base_bin_sum *sum, const double *values, size_t count)
{
    struct parts parts;
    for (size_t at = 0, block; at < count; at += block) {
        struct cut cut;
        block = count - at < BLOCK ? count - at : BLOCK;
        bool cuts = block_cut(sum, values + at, block, &cut) && cut_block(&cut, values + at, block, &parts);
        if (cuts && takes(sum, cut.scale, (uint32_t)block))
            add_parts(sum, &parts, block);
        else if (!add_slowly(sum, values + at, block))
            return false;
    }
    return true;
}

static bool add_block(struct base_bin_sum *const *sums, const double *values, size_t count, const struct parts *parts,
                      uint16_t scale)
{
    for (size_t i = 0; i < count; i++) {
        struct base_bin_sum *sum = sums[i];
        if (__builtin_expect(sum->scale != scale || sum->count >= BIN_LIMIT, 0) && !takes(sum, scale, 1)) {
            if (!base_bin_sum_add(sum, values[i]))
                return false;
            continue;
        }
        sum->bin[0] += parts->high[i];
        sum->bin[1] += parts->middle[i];
        sum->bin[2] += parts->low[i];
        sum->count++;
    }
    return true;
}

bool base_bin_sum_add_each(struct base_bin_sum *const *sums, const double *values, size_t count)
{
    struct parts parts;
    for (size_t at = 0, block; at < count; at += block) {
        struct cut cut;
        block = count - at < BLOCK ? count - at : BLOCK;
        if (block_cut(sums[at], values + at, block, &cut) && cut_block(&cut, values + at, block, &parts)) {
            if (!add_block(sums + at, values + at, block, &parts, cut.scale))
                return false;
            continue;
        }
        for (size_t i = at; i < at + block; i++)
            if (!base_bin_sum_add(sums[i], values[i]))
                return false;
    }
    return true;
}

/* ---- Sums of sums. ------------------------------------------------------------------------------------------------------ */

bool base_bin_sum_merge_exact(struct base_bin_sum *sum, const struct base_exact_sum *other)
{
    return more_of(sum) != NULL && base_exact_sum_merge(sum->more, other);
}

bool base_bin_sum_merge(struct base_bin_sum *sum, const struct base_bin_sum *other)
{
    if (other->more != NULL && !base_bin_sum_merge_exact(sum, other->more))
        return false;
    if (other->count == 0)
        return true;
    struct base_bin_sum level = {
        .bin = {other->bin[0], other->bin[1], other->bin[2]}, .count = other->count, .scale = other->scale};
    bool alike = sum->count == 0 || sum->scale == level.scale ||
                 (sum->scale < level.scale ? raise_top(sum, top_of(&level)) : raise_top(&level, top_of(sum)));
    if (sum->count == 0)
        sum->scale = 0;
    if (alike && takes(sum, level.scale, level.count)) {
        for (int i = 0; i < 3; i++)
            sum->bin[i] += level.bin[i];
        sum->count += level.count;
        return true;
    }
    struct base_exact_sum bins;
    bins_to_exact(&level, &bins);
    return base_bin_sum_merge_exact(sum, &bins);
}

bool base_bin_sum_window(const struct base_bin_sum *sum, struct base_exact_sum *window)
{
    struct base_exact_sum all;
    bins_to_exact(sum, &all);
    bool fits = sum->more == NULL || (sum->more->wide == NULL && base_exact_sum_merge(&all, sum->more));
    fits = fits && all.wide == NULL && all.scaled;
    if (fits)
        *window = all;
    else
        base_exact_sum_reset(&all);
    return fits;
}

int64_t base_bin_sum_count(const struct base_bin_sum *sum)
{
    return (int64_t)sum->count + (sum->more == NULL ? 0 : sum->more->count);
}

bool base_bin_sum_result(const struct base_bin_sum *sum, double *result)
{
    struct base_exact_sum all;
    bins_to_exact(sum, &all);
    bool merged = sum->more == NULL || base_exact_sum_merge(&all, sum->more);
    if (merged)
        *result = base_exact_sum_result(&all);
    base_exact_sum_reset(&all);
    return merged;
}

bool base_bin_sum_parts(const struct base_bin_sum *sum, double parts[BASE_BIN_SUM_PARTS], uint32_t *count)
{
    struct base_exact_sum all;
    bins_to_exact(sum, &all);
    bool merged = sum->more == NULL || base_exact_sum_merge(&all, sum->more);
    if (merged)
        *count = base_exact_sum_parts(&all, parts);
    base_exact_sum_reset(&all);
    return merged && *count != BASE_EXACT_SUM_NO_PARTS;
}

void base_bin_sum_reset(struct base_bin_sum *sum)
{
    if (sum->more != NULL)
        base_exact_sum_reset(sum->more);
    base_free(sum->more);
    *sum = (struct base_bin_sum){.scale = 0};
}
