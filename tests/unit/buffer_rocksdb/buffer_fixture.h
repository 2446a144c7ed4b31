/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers of both kinds for the tests, events to put into them, and what comes out as bytes. */
#ifndef TESTS_BUFFER_FIXTURE_H
#define TESTS_BUFFER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base_buffer.h"
#include "buffer_rocksdb/rocksdb_buffer.h"
#include "port/change_buffer.h"

/* A folder of its own; its path lives until the end of the process. */
const char *fixture_folder(void);
void fixture_remove(const char *folder);
struct rocksdb_buffer_config fixture_config(const char *folder);
struct change_buffer *fixture_open(const char *folder);

/* Events. What they point to lives until the next call of the same function. */
struct change_event fixture_table(uint32_t id, uint32_t columns);
struct change_event fixture_rows(uint32_t table, int64_t from, size_t count, size_t text);
struct change_event fixture_commit(int64_t position);
/* RHEI_OK, or the test fails. */
void fixture_append(struct change_buffer *buffer, const struct change_event *event);
/* A commit of so many rows that end at this position. */
void fixture_append_rows(struct change_buffer *buffer, uint32_t table, int64_t position, size_t count, size_t text);

struct change_reader *fixture_reader(struct change_buffer *buffer);
/* Everything behind commit `after`, as bytes, read so many rows at a time. */
void fixture_read(struct change_reader *reader, uint64_t after, uint64_t until, size_t rows, struct base_buffer *bytes);
/* Names of the tables after a commit, "t1 t2 ". */
void fixture_tables(struct change_reader *reader, uint64_t number, struct base_buffer *text);

#endif
