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
/** Adds "840 us", "3.2 ms", "1.25 s", "2 min 5 s", "3 h 12 min" or "2 days 5 h". */
void rh_add_duration(struct rh_buffer *out, int64_t us);
/** The same of how long ago something was: below a millisecond "less than 1 ms", negative "unknown". */
void rh_add_age(struct rh_buffer *out, int64_t us);
/** Adds 336,776. */
void rh_add_count(struct rh_buffer *out, uint64_t count);
/** Appends that so many tables and rows are equal in both stores. */
void rh_add_equal(struct rh_buffer *out, uint64_t tables, uint64_t rows);
/** Adds "1.5 GiB". */
void rh_add_size(struct rh_buffer *out, double bytes);
/** A line of a report to standard output, its label in front; clears the text. */
void rh_print_line(const char *label, struct rh_buffer *text);

#endif
