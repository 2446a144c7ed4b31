/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants
 *  1. wide == NULL: the sum is (high:low) * 2^exponent, exactly, and nothing special is in it; scaled == false means 0.
 *  2. wide != NULL: the sum is the sum of limb[i] * 2^(32 i - 1074), exactly; high and low mean nothing.
 *  3. A limb's magnitude stays below 2^32 * (pending + 1), and pending below 2^29: no limb overflows.
 */
#include "base/base_exact_sum.h"

#include <math.h>
#include <string.h>

#include "base/base_memory.h"

__extension__ typedef __int128 wide_int;
__extension__ typedef unsigned __int128 wide_uint;

enum {
    SMALLEST_EXPONENT = -1074, /* of the smallest subnormal double */
    LIMB_BITS = 32,
    /* 1074 + 1024 bits of range, 63 bits for the number of values, and the sign */
    LIMBS = 70,
    ROOM_BELOW = 30, /* bits left free under the first value, for smaller ones */
    PENDING_LIMIT = 1 << 29,
    LARGEST_SHIFT = 72, /* 53 + 72 bits leave the sign free */
};

struct base_exact_long {
    int64_t limb[LIMBS];
    uint32_t pending;
    int64_t plus_infinite, minus_infinite, not_a_number;
};

/* A finite double as sign * mantissa * 2^exponent. */
struct parts {
    uint64_t mantissa;
    int exponent;
    bool negative;
};

static struct parts parts_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int biased = (int)(bits >> 52 & 2047);
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    if (biased > 0)
        mantissa |= UINT64_C(1) << 52;
    else
        biased = 1;
    return (struct parts){.mantissa = mantissa, .exponent = biased - 1075, .negative = bits >> 63 != 0};
}

static wide_int window_get(const struct base_exact_sum *sum)
{
    return (wide_int)(((wide_uint)(uint64_t)sum->high << 64) | sum->low);
}

static void window_set(struct base_exact_sum *sum, wide_int window)
{
    sum->low = (uint64_t)(wide_uint)window;
    sum->high = (int64_t)(uint64_t)((wide_uint)window >> 64);
}

static void long_normalise(struct base_exact_long *wide)
{
    int64_t carry = 0;
    for (int i = 0; i < LIMBS - 1; i++) {
        int64_t value = wide->limb[i] + carry;
        carry = value >> LIMB_BITS; /* arithmetic: rounds down, so that the limb left is not negative */
        wide->limb[i] = value & INT64_C(0xffffffff);
    }
    wide->limb[LIMBS - 1] += carry;
    wide->pending = 0;
}

/* Adds +-magnitude * 2^exponent, exponent >= SMALLEST_EXPONENT. */
static void long_add(struct base_exact_long *wide, wide_uint magnitude, int exponent, bool negative)
{
    int position = exponent - SMALLEST_EXPONENT;
    int at = position / LIMB_BITS;
    int shift = position % LIMB_BITS;
    int64_t sign = negative ? -1 : 1;
    uint64_t carried = 0; /* the bits that the shift moved out of the part below */
    while (magnitude != 0 || carried != 0) {
        uint64_t part = ((uint64_t)(magnitude & 0xffffffff) << shift) | carried;
        wide->limb[at] += sign * (int64_t)(part & 0xffffffff);
        carried = part >> LIMB_BITS;
        magnitude >>= LIMB_BITS;
        at++;
    }
    if (++wide->pending >= PENDING_LIMIT)
        long_normalise(wide);
}

static void long_merge(struct base_exact_long *wide, const struct base_exact_long *other)
{
    if (wide->pending + other->pending + 2 >= PENDING_LIMIT)
        long_normalise(wide);
    for (int i = 0; i < LIMBS; i++)
        wide->limb[i] += other->limb[i];
    wide->pending += other->pending + 1;
    wide->plus_infinite += other->plus_infinite;
    wide->minus_infinite += other->minus_infinite;
    wide->not_a_number += other->not_a_number;
}

static void window_to_long(const struct base_exact_sum *sum, struct base_exact_long *wide)
{
    if (!sum->scaled)
        return;
    wide_int window = window_get(sum);
    bool negative = window < 0;
    wide_uint magnitude = negative ? -(wide_uint)window : (wide_uint)window;
    long_add(wide, magnitude, sum->exponent, negative);
}

static bool widen(struct base_exact_sum *sum)
{
    if (sum->wide != NULL)
        return true;
    struct base_exact_long *wide = base_alloc_zero(1, sizeof *wide);
    if (wide == NULL)
        return false;
    window_to_long(sum, wide);
    sum->wide = wide;
    return true;
}

static int trailing_zeros(uint64_t value)
{
    return __builtin_ctzll(value);
}

static int bit_length(wide_uint value)
{
    uint64_t high = (uint64_t)(value >> 64);
    uint64_t low = (uint64_t)value;
    if (high != 0)
        return 128 - __builtin_clzll(high);
    return low != 0 ? 64 - __builtin_clzll(low) : 0;
}

/* Adds to the 128-bit integer if the value fits it. */
static bool window_add(struct base_exact_sum *sum, struct parts parts)
{
    if (!sum->scaled) {
        int exponent = parts.exponent - ROOM_BELOW;
        sum->exponent = (int16_t)(exponent < SMALLEST_EXPONENT ? SMALLEST_EXPONENT : exponent);
        sum->scaled = true;
    }
    int shift = parts.exponent - sum->exponent;
    if (shift < 0) {
        if (trailing_zeros(parts.mantissa) < -shift)
            return false;
        parts.mantissa >>= -shift;
        shift = 0;
    }
    if (shift > LARGEST_SHIFT || bit_length(parts.mantissa) + shift > 125)
        return false;
    wide_int value = (wide_int)((wide_uint)parts.mantissa << shift);
    wide_int total;
    if (__builtin_add_overflow(window_get(sum), parts.negative ? -value : value, &total))
        return false;
    window_set(sum, total);
    return true;
}

static bool add_parts(struct base_exact_sum *sum, struct parts parts)
{
    if (parts.mantissa == 0)
        return true;
    if (sum->wide == NULL) {
        if (window_add(sum, parts))
            return true;
        if (!widen(sum))
            return false;
    }
    long_add(sum->wide, parts.mantissa, parts.exponent, parts.negative);
    return true;
}

static bool add_special(struct base_exact_sum *sum, double value, int64_t times)
{
    if (!widen(sum))
        return false;
    if (isnan(value))
        sum->wide->not_a_number += times;
    else if (value > 0)
        sum->wide->plus_infinite += times;
    else
        sum->wide->minus_infinite += times;
    sum->special += times;
    return true;
}

static bool add_signed(struct base_exact_sum *sum, double value, bool subtract)
{
    bool added;
    if (__builtin_expect(!isfinite(value), 0)) {
        added = add_special(sum, value, subtract ? -1 : 1);
    } else {
        struct parts parts = parts_of(value);
        parts.negative ^= subtract;
        added = add_parts(sum, parts);
    }
    if (added)
        sum->count += subtract ? -1 : 1;
    return added;
}

bool base_exact_sum_add(struct base_exact_sum *sum, double value)
{
    return add_signed(sum, value, false);
}

bool base_exact_sum_subtract(struct base_exact_sum *sum, double value)
{
    return add_signed(sum, value, true);
}

static bool add_integer(struct base_exact_sum *sum, int64_t value, bool subtract)
{
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    struct parts parts = {.mantissa = magnitude, .exponent = 0, .negative = (value < 0) != subtract};
    if (!add_parts(sum, parts))
        return false;
    sum->count += subtract ? -1 : 1;
    return true;
}

bool base_exact_sum_add_integer(struct base_exact_sum *sum, int64_t value)
{
    return add_integer(sum, value, false);
}

bool base_exact_sum_subtract_integer(struct base_exact_sum *sum, int64_t value)
{
    return add_integer(sum, value, true);
}

/* Merges two 128-bit integers, at the lower of their exponents, if the sum fits. */
static bool window_merge(struct base_exact_sum *sum, const struct base_exact_sum *other)
{
    if (!sum->scaled) {
        sum->low = other->low;
        sum->high = other->high;
        sum->exponent = other->exponent;
        sum->scaled = true;
        return true;
    }
    bool sum_is_higher = sum->exponent > other->exponent;
    const struct base_exact_sum *higher = sum_is_higher ? sum : other;
    const struct base_exact_sum *lower = sum_is_higher ? other : sum;
    int shift = higher->exponent - lower->exponent;
    wide_int window = window_get(higher);
    wide_uint magnitude = window < 0 ? -(wide_uint)window : (wide_uint)window;
    if (bit_length(magnitude) + shift > 126)
        return false;
    wide_int scaled = (wide_int)(magnitude << shift);
    wide_int total;
    if (__builtin_add_overflow(window < 0 ? -scaled : scaled, window_get(lower), &total))
        return false;
    int16_t exponent = lower->exponent;
    window_set(sum, total);
    sum->exponent = exponent;
    return true;
}

bool base_exact_sum_merge(struct base_exact_sum *sum, const struct base_exact_sum *other)
{
    if (other->wide == NULL) {
        bool merged = !other->scaled || (sum->wide == NULL && window_merge(sum, other));
        if (!merged) {
            if (!widen(sum))
                return false;
            window_to_long(other, sum->wide);
        }
    } else {
        if (!widen(sum))
            return false;
        long_merge(sum->wide, other->wide);
    }
    sum->count += other->count;
    sum->special += other->special;
    return true;
}

/* value * 2^exponent, with `sticky` for bits below that are not all 0; rounded once. value has at least 64 bits if sticky. */
static double round_once(wide_uint value, int exponent, bool sticky, bool negative)
{
    int drop = bit_length(value) - 53;
    if (exponent + drop < SMALLEST_EXPONENT)
        drop = SMALLEST_EXPONENT - exponent; /* a subnormal has fewer bits */
    double result;
    if (drop <= 0) {
        result = ldexp((double)(uint64_t)value, exponent);
    } else if (drop > 127) {
        result = 0; /* cannot be: every unit is a multiple of the smallest double */
    } else {
        uint64_t kept = (uint64_t)(value >> drop);
        wide_uint rest = value & (((wide_uint)1 << drop) - 1);
        wide_uint half = (wide_uint)1 << (drop - 1);
        if (rest > half || (rest == half && (sticky || (kept & 1) != 0)))
            kept++;
        result = ldexp((double)kept, exponent + drop);
    }
    return negative ? -result : result;
}

static double long_result(const struct base_exact_long *wide)
{
    struct base_exact_long copy = *wide;
    long_normalise(&copy);
    bool negative = copy.limb[LIMBS - 1] < 0;
    if (negative) {
        for (int i = 0; i < LIMBS; i++)
            copy.limb[i] = -copy.limb[i];
        long_normalise(&copy);
    }
    int top = LIMBS - 1;
    while (top > 0 && copy.limb[top] == 0)
        top--;
    if (copy.limb[top] == 0)
        return 0.0;
    if (copy.limb[top] >> LIMB_BITS != 0)
        return negative ? -(double)INFINITY : (double)INFINITY;
    /* Four limbs hold at least 97 significant bits; what lies below only breaks ties. */
    int lowest = top >= 3 ? top - 3 : 0;
    wide_uint value = 0;
    for (int i = top; i >= lowest; i--)
        value = value << LIMB_BITS | (uint64_t)copy.limb[i];
    bool sticky = false;
    for (int i = 0; i < lowest; i++)
        sticky = sticky || copy.limb[i] != 0;
    return round_once(value, lowest * LIMB_BITS + SMALLEST_EXPONENT, sticky, negative);
}

double base_exact_sum_result(const struct base_exact_sum *sum)
{
    if (sum->special != 0) {
        const struct base_exact_long *wide = sum->wide;
        if (wide->not_a_number != 0 || (wide->plus_infinite != 0 && wide->minus_infinite != 0))
            return (double)NAN;
        return wide->plus_infinite != 0 ? (double)INFINITY : -(double)INFINITY;
    }
    if (sum->wide != NULL)
        return long_result(sum->wide);
    wide_int window = window_get(sum);
    if (!sum->scaled || window == 0)
        return 0.0;
    bool negative = window < 0;
    return round_once(negative ? -(wide_uint)window : (wide_uint)window, sum->exponent, false, negative);
}

static uint32_t special_parts(const struct base_exact_long *wide, double *parts)
{
    uint32_t count = 0;
    if (wide->plus_infinite != 0)
        parts[count++] = (double)INFINITY;
    if (wide->minus_infinite != 0)
        parts[count++] = -(double)INFINITY;
    if (wide->not_a_number != 0) { /* which infinities of both signs are, too */
        parts[count++] = (double)INFINITY;
        parts[count++] = -(double)INFINITY;
    }
    return count;
}

/* Normalised, and not negative; true: it was, and now stands for what is to be taken away. */
static bool long_magnitude(struct base_exact_long *wide)
{
    long_normalise(wide);
    bool negative = wide->limb[LIMBS - 1] < 0;
    for (int i = 0; negative && i < LIMBS; i++)
        wide->limb[i] = -wide->limb[i];
    long_normalise(wide);
    return negative;
}

/* A limb that was normalised is below 2^32, and its unit no smaller than the smallest double. */
static uint32_t long_parts(const struct base_exact_long *wide, double *parts)
{
    struct base_exact_long copy = *wide;
    uint32_t count = special_parts(wide, parts);
    bool negative = long_magnitude(&copy);
    for (int i = 0; i < LIMBS; i++) {
        int64_t rest = copy.limb[i];
        for (int up = 0; rest != 0; up += LIMB_BITS, rest >>= LIMB_BITS) { /* the last limb may be longer */
            double part = ldexp((double)(rest & INT64_C(0xffffffff)), i * LIMB_BITS + up + SMALLEST_EXPONENT);
            if (isinf(part))
                return BASE_EXACT_SUM_NO_PARTS;
            if (part != 0)
                parts[count++] = negative ? -part : part;
        }
    }
    return count;
}

uint32_t base_exact_sum_parts(const struct base_exact_sum *sum, double parts[BASE_EXACT_SUM_PARTS])
{
    if (sum->wide != NULL)
        return long_parts(sum->wide, parts);
    wide_int window = window_get(sum);
    if (!sum->scaled || window == 0)
        return 0;
    bool negative = window < 0;
    wide_uint magnitude = negative ? -(wide_uint)window : (wide_uint)window;
    uint32_t count = 0;
    for (int exponent = sum->exponent; magnitude != 0; exponent += LIMB_BITS, magnitude >>= LIMB_BITS) {
        double part = (double)(uint32_t)(magnitude & 0xffffffff);
        if (part != 0)
            parts[count++] = ldexp(negative ? -part : part, exponent);
    }
    return count;
}

void base_exact_sum_reset(struct base_exact_sum *sum)
{
    base_free(sum->wide);
    *sum = (struct base_exact_sum){0};
}
