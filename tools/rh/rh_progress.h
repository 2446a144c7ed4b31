/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_progress.h
 * A line on a terminal that tells how far a long work is; silent elsewhere.
 */
#ifndef RH_PROGRESS_H
#define RH_PROGRESS_H

#include "rh_memory.h"
#include "rh_terminal.h"

#include <stdint.h>

struct rh_progress {
    FILE *file;
    struct rh_terminal terminal;
    const char *label;
    uint64_t total; /**< bytes to come; 0: unknown */
    int64_t started_us, shown_us;
    bool visible;
};

void rh_progress_start(struct rh_progress *progress, FILE *file, struct rh_terminal terminal, const char *label,
                       uint64_t total, int64_t now_us);
/** Shows where it is, at most ten times a second. */
void rh_progress_update(struct rh_progress *progress, uint64_t done, uint64_t rows, int64_t now_us);
/** Takes the line away. */
void rh_progress_end(struct rh_progress *progress);

/** Takes away whichever line is shown, so that something else can be written. */
void rh_progress_clear(void);

/** The line itself: bar, share, rows, rows per second, time left. */
void rh_progress_line(struct rh_buffer *line, const struct rh_progress *progress, uint64_t done, uint64_t rows,
                      int64_t now_us);

#endif
