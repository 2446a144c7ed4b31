/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_waiting.h
 * A line on a terminal while a command waits for the engine for over a second: what it does and how much of that is done, time, rows, and
 * how to end it. One at a time.
 * Never where standard error, or the pipe behind standard output, is no terminal.
 */
#ifndef RH_WAITING_H
#define RH_WAITING_H

#include "rh_memory.h"
#include "rh_terminal.h"
#include "rhei/rhei.h"

#include <stdint.h>

/** Begins to wait: a thread shows the line from the first second on. `label` ("query") is borrowed until the end. Main thread. */
void rh_waiting_start(struct rh_terminal out, struct rh_terminal err, const char *label);
/** How many rows have come, for the line. Main thread. */
void rh_waiting_rows(uint64_t rows);
/** Takes the line away for something else to be written; it comes again as long as the waiting lasts. Any thread. */
void rh_waiting_clear(void);
/** The waiting is over, and the line away. Does nothing where none is. Main thread. */
void rh_waiting_stop(void);

/** What the engine tells of its work, for the line: the `progress` of options. Any thread. */
int rh_waiting_told(void *unused, const struct rhei_progress *progress);

/** The line itself; `told` may be NULL, `frame` chooses the spinner's picture. */
void rh_waiting_line(struct rh_buffer *line, struct rh_terminal terminal, const char *label,
                     const struct rhei_progress *told, int64_t elapsed_us, uint64_t rows, unsigned frame);

#endif
