/* SPDX-License-Identifier: Apache-2.0 */
#include "base_clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now); /* cannot fail for these clocks */
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t base_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t base_tick_ns(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}

int64_t base_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME) / 1000000;
}

uint64_t base_random_u64(void)
{
    uint64_t value = 0;
    ssize_t got;
    do
        got = getrandom(&value, sizeof value, 0);
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof value)
        return value;
    /* Only where the system call is forbidden: distinct values, good enough for hash seeds and names. */
    uint64_t mixed = (uint64_t)read_clock(CLOCK_MONOTONIC) ^ ((uint64_t)read_clock(CLOCK_REALTIME) << 20);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94D049BB133111EB);
    return mixed ^ (mixed >> 31);
}
