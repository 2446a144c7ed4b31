/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A number for all that the server's catalogue says of the tables that are followed: another one, and it has to be read again. One small statement, so that whoever waits
 * for what was committed can be told of ALTER TABLE, too.
 *
 *   M1. What can change a table's shape without a word in the stream writes a row that is in it, or is noticed by the looks that come by time: attributes of composites, members
 *       of roles, tables that are new, and partitions of partitions.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_MARK_H
#define SOURCE_POSTGRES_POSTGRES_MARK_H

#include "source_postgres/postgres_catalog.h"

/* Of the catalogue's tables, as of now or as of the transaction that is open. Owner thread. */
rhei_status postgres_mark_read(struct postgres_connection *connection, const struct postgres_catalog *catalog,
                               const char *publication, int64_t deadline_ns, uint64_t *mark, struct rhei_error *error);

#endif
