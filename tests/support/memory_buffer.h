/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change buffer in memory that keeps encoded events, and an oracle for what "durable" means: a crash takes away what has no COMMIT.
 * Naive; any thread.
 */
#ifndef TESTS_MEMORY_BUFFER_H
#define TESTS_MEMORY_BUFFER_H

#include "port/change_buffer.h"

struct change_buffer *memory_buffer_new(void);
/* As if the process had died: what was appended without a COMMIT is gone. The buffer goes on, for whoever opens it next. */
void memory_buffer_crash(struct change_buffer *buffer);
/* The n-th append from now fails with this status, once; 0: never. */
void memory_buffer_fail(struct change_buffer *buffer, uint64_t n, rhei_status status);
/* The same of a read. */
void memory_buffer_fail_read(struct change_buffer *buffer, uint64_t n, rhei_status status);
uint64_t memory_buffer_commits(struct change_buffer *buffer); /* that are kept */

#endif
