/* SPDX-License-Identifier: Apache-2.0 */
/* Time and randomness: the only room that asks the system for either. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t base_now_ns(void); /* monotonic */
int64_t base_tick_ns(
    void); /* the same clock as of its last tick, some milliseconds ago at most: a fifth of the price */
int64_t base_wall_ms(void);     /* milliseconds since 1970, UTC */
uint64_t base_random_u64(void); /* from the system's generator */

#endif
