/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An executor that is SQLite over a copy of the snapshot: the second, naive user of the socket in port/executor.h, and an
 * oracle for what a statement means on a snapshot. Its dialect is SQLite's own, with plain table names. Slow on purpose: every
 * statement copies every table.
 */
#ifndef TESTS_NAIVE_EXECUTOR_H
#define TESTS_NAIVE_EXECUTOR_H

#include "mirror/mirror.h"
#include "port/executor.h"

/* `tables` are the numbers that a snapshot may hold; copied. A range's `scan` is a table's place among them. */
struct executor *naive_executor_open(const uint32_t *tables, uint32_t count);
/* Texts may call the helpers of this list from now on; it lives as long as the executor. */
void naive_executor_offer(struct executor *executor, const struct executor_helpers *helpers);

#endif
