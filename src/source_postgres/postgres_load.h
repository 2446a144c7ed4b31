/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The initial load of a table: one state of the database, whose place in the stream of changes is known exactly, read by several connections in
 * binary COPY.
 *
 *   L1. The state is that of a replication slot's consistent point (a temporary slot, gone before the first row is read): every transaction whose
 *       commit lies before it is in it, none whose commit lies behind.
 *   L2. Rows lie in pages; a loader reads runs of pages of the leaves, by ctid, so a table needs no key for it and every row is read by exactly one. The
 *       last run of a leaf is open, because a leaf may have grown since its pages were counted.
 *   L3. Where the columns aren't those of the definition any more, the load is RHEI_STALE before it reads a row.
 *
 * Making the slot waits for every transaction that writes at that moment. Each loader is driven by one thread, of any number.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_LOAD_H
#define SOURCE_POSTGRES_POSTGRES_LOAD_H

#include "source_postgres/postgres_catalog.h"

struct source_load;

/* `table` is one of `catalog`, which the load holds. */
rhei_status postgres_load_begin(const struct postgres_target *target, struct postgres_stop *stop,
                                const struct postgres_wanted *wanted, struct postgres_catalog *catalog,
                                const struct postgres_table *table, uint32_t loaders, int64_t deadline_ns,
                                struct source_load **load, struct source_load_info *info, struct rhei_error *error);
rhei_status postgres_load_next(struct source_load *load, uint32_t loader, size_t max_rows,
                               const struct change_batch **batch, struct rhei_error *error);
void postgres_load_end(struct source_load **load);

#endif
