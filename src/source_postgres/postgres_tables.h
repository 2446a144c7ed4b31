/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a database as `poll` follows them: what the catalogue says, with what the settings say about it. Owner thread.
 *
 *   G1. The key is the primary key or a unique index of NOT NULL columns, or the columns of a unique index that the settings name.
 *   G2. `identity` is which relations a table's rows lie in, and which columns they have: a partition that comes or goes, another table or column under the same name,
 *       and what a value is computed by change it.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_TABLES_H
#define SOURCE_POSTGRES_POSTGRES_TABLES_H

#include "poll/poll.h"
#include "source_postgres/postgres_catalog.h"

/* Where a table of `poll` comes from. */
struct postgres_polled {
    const struct postgres_table *table;
    const struct postgres_column **columns; /* as the definition has them */
};

struct postgres_tables {
    struct base_arena arena;
    struct postgres_catalog *catalog; /* held */
    struct poll_table *list;
    struct postgres_polled *polled; /* [count], as all of `list` */
    size_t count;
};

/*
 * Asks for the indexes of the catalogue's tables, beside what the catalogue has. The tables of `wishes` are in the order of postgres_wanted's. Holds
 * the catalogue until reset.
 */
rhei_status postgres_tables_read(struct postgres_connection *connection, struct postgres_catalog *catalog,
                                 const struct poll_wishes *wishes, int64_t deadline_ns, struct postgres_tables *tables,
                                 struct rhei_error *error);
void postgres_tables_reset(struct postgres_tables *tables);

#endif
