/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The initial load of a table that is followed by the stream: one state of the database, whose place in the stream of changes is known exactly.
 *
 *   L1. The state is that of a replication slot's consistent point (a temporary slot, gone before the first row is read): every transaction whose
 *       commit lies before it is in it, none whose commit lies behind. A connection holds it until the load's end.
 *   L2. It is read by several connections (postgres_copy).
 *   L3. Where the columns aren't those of the definition any more, the load is RHEI_STALE before it reads a row.
 *
 * Making the slot waits for every transaction that writes at that moment.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_LOAD_H
#define SOURCE_POSTGRES_POSTGRES_LOAD_H

#include "base/base_log.h"
#include "port/change_source.h"
#include "source_postgres/postgres_catalog.h"

/* Of whom a load asks; borrowed until its end. */
struct postgres_loading {
    const struct postgres_target *target;
    struct postgres_stop *stop;
    const struct postgres_wanted *wanted;
    const struct base_log *log; /* may be NULL */
};

/* `table` is one of `catalog`, which the load holds. */
rhei_status postgres_load_begin(const struct postgres_loading *loading, struct postgres_catalog *catalog,
                                const struct postgres_table *table, uint32_t loaders, int64_t deadline_ns,
                                struct source_load **load, struct source_load_info *info, struct rhei_error *error);
rhei_status postgres_load_next(struct source_load *load, uint32_t loader, size_t max_rows,
                               const struct change_batch **batch, struct rhei_error *error);
void postgres_load_end(struct source_load **load);

/*
 * By column of the table: what rows of before it show in it, in the state that the connection reads (source_load_info.added). In the arena. Left alone: a
 * server that doesn't say.
 */
rhei_status postgres_added_values(const struct postgres_table *table, struct postgres_connection *connection,
                                  int64_t deadline_ns, struct base_arena *arena, const struct rhei_value *const **added,
                                  struct rhei_error *error);
/* L3, also of a table that is polled: whether it is what `table` says, and its rows lie where it says. Not within a transaction. */
rhei_status postgres_load_check(const struct postgres_loading *loading, const struct postgres_table *table,
                                struct postgres_connection *connection, int64_t deadline_ns, struct rhei_error *error);

#endif
