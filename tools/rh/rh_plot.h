/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_plot.h
 * Numbers as bars and lines of characters. Pure.
 */
#ifndef RH_PLOT_H
#define RH_PLOT_H

#include "rh_memory.h"

#include <stdbool.h>

struct rh_plot {
    const char *const *labels; /**< of each point, as it is to be shown */
    const double *values;      /**< NaN: there is none, which leaves a gap */
    size_t count;
    size_t width, height; /**< columns that a row may have; rows of a line's picture */
    bool utf8;
};

/** A bar for each value, with its label before it and the number behind; values below 0 go to the left of the axis. */
void rh_plot_bars(struct rh_buffer *out, const struct rh_plot *plot);
/** The values in their order as a line, with the scale on the left and the first and last label below. */
void rh_plot_line(struct rh_buffer *out, const struct rh_plot *plot);

#endif
