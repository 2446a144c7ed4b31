/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_pager.h
 * A stream to the terminal that goes through a pager as soon as it has more lines than the terminal: $PAGER, or less -SRX;
 * where that isn't on the machine the terminal scrolls.
 */
#ifndef RH_PAGER_H
#define RH_PAGER_H

#include "rh_terminal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct rh_pager;

/** Begins one. `lines`: those that go without a pager; 0: none ever is started. */
struct rh_pager *rh_pager_open(size_t lines);
/** Begins one for standard output, which starts behind what the terminal holds; NULL, which the others take for standard output: no person is at it. */
struct rh_pager *rh_pager_for(const struct rh_terminal *out);
/** Where to write; an error of it means that the pager was left. */
FILE *rh_pager_file(struct rh_pager *pager);
/** Writes what is held back, or waits until the pager was left. Gives the microseconds in which it waited for who reads there, here and before. */
int64_t rh_pager_close(struct rh_pager **pager);

#endif
