/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Upper bounds on time that other programs on the machine can't break. What takes long because somebody else has the
 * processor says nothing about Rhei, so a test bounds one of these:
 *
 *   - the processor time that this process used, where what is bounded computes;
 *   - the shortest of several tries, where it waits: one that is always late is late in all of them.
 */
#ifndef TESTS_FAIR_TIME_H
#define TESTS_FAIR_TIME_H

#include <stdint.h>
#include <time.h>

enum { FAIR_TRIES = 50 };

static inline int64_t fair_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline int64_t fair_now_ms(void)
{
    return fair_clock_ns(CLOCK_MONOTONIC) / 1000000;
}

/* Of all threads of this process together. */
static inline int64_t fair_processor_ns(void)
{
    return fair_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

#endif
