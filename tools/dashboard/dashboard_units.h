/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file dashboard_units.h
 * Numbers in few columns, and series of them as a line of blocks. What isn't known is a dash.
 */
#ifndef DASHBOARD_UNITS_H
#define DASHBOARD_UNITS_H

#include "rh_memory.h"

#include <stdbool.h>

enum { DASHBOARD_POINTS = 256 };

/** The last DASHBOARD_POINTS values, the newest behind; NAN where nothing was known. Zero it to start. */
struct dashboard_series {
    double points[DASHBOARD_POINTS];
    size_t count, next;
};
void dashboard_series_add(struct dashboard_series *series, double value);
/** The one so many before the newest; NAN where there is none. */
double dashboard_series_back(const struct dashboard_series *series, size_t back);

/** Adds "0", "0.4", "999", "12.3k", "4.5M". At most six columns but for what no counter reaches. */
void dashboard_add_short(struct rh_buffer *out, double value);
/** Adds a count in full, "336,776", as far as a double is exact. */
void dashboard_add_count(struct rh_buffer *out, double value);
/** Adds "840 us", "3.2 ms", "1.25 s", "2 min 5 s". */
void dashboard_add_seconds(struct rh_buffer *out, double seconds);
/** Adds "1.5 GiB". */
void dashboard_add_bytes(struct rh_buffer *out, double bytes);
/**
 * Adds the newest `width` points as blocks, scaled to the largest of them: nothing where nothing is known, the lowest block for 0, and a higher
 * one for everything above it.
 */
void dashboard_add_spark(struct rh_buffer *out, const struct dashboard_series *series, size_t width, bool utf8);

#endif
