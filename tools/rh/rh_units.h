/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_units.h
 * Times, counts and sizes as people read them.
 */
#ifndef RH_UNITS_H
#define RH_UNITS_H

#include "rh_memory.h"

#include <stdint.h>

/** Monotonic time. */
int64_t rh_now_us(void);
/** Adds "840 µs", "3.2 ms", "1.25 s" or "2 min 5 s". */
void rh_add_duration(struct rh_buffer *out, int64_t us);
/** Adds 336,776. */
void rh_add_count(struct rh_buffer *out, uint64_t count);
/** Appends that so many tables and rows are equal in both stores. */
void rh_add_equal(struct rh_buffer *out, uint64_t tables, uint64_t rows);
/** Adds "1.5 GiB". */
void rh_add_size(struct rh_buffer *out, double bytes);

#endif
