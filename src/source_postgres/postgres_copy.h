/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All rows of a table in one state of the database, read by several connections in binary COPY.
 *
 *   Y1. Rows lie in pages; a reader reads runs of pages of the leaves, by ctid, so a table needs no key for it and every row is read by exactly one. The
 *       last run of a leaf is open, because a leaf may have grown since its pages were counted.
 *   Y2. The state lives as long as one connection holds it that reads nothing. So a reader whose connection is cut takes the state again with another one, and begins
 *       its run again: rows of a run come in the order in which they lie there (no parallel plan, no scan that begins where another is), so as many as
 *       it had are passed over. Rows that lie in another file by then end the load with RHEI_STALE.
 *   Y3. Where nobody holds the state any more, RHEI_IO says that the load has to begin anew.
 *
 * Each reader is driven by one thread, of any number.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_COPY_H
#define SOURCE_POSTGRES_POSTGRES_COPY_H

#include "base/base_log.h"
#include "base/base_thread.h"
#include "source_postgres/postgres_catalog.h"
#include "source_postgres/postgres_rows.h"

enum { POSTGRES_READERS_MOST = 16, POSTGRES_SNAPSHOT_NAME = 64 };

/* What is read, and of which state. Everything is borrowed until the end. */
struct postgres_copy_plan {
    const struct postgres_target *target;
    struct postgres_stop *stop;
    const struct base_log *log; /* may be NULL */
    const struct postgres_table *table;
    const struct postgres_column *const *columns; /* in the order of the rows */
    uint32_t column_count, id;                    /* id: the rows' table */
    struct postgres_connection
        *holder; /* in a transaction whose state it is; asked by one thread at a time, and nothing else meanwhile */
    const char *changed; /* asked behind a reader's last row: rows mean that the table was written anew; may be NULL */
};

struct postgres_copy;

/* As many readers as the table's size is worth and the server has connections for, at most `most`: *count. */
rhei_status postgres_copy_begin(const struct postgres_copy_plan *plan, uint32_t most, int64_t deadline_ns,
                                struct postgres_copy **copy, uint32_t *count, struct rhei_error *error);
/* A reader's next rows, which live until its next call; none: there are no more. */
rhei_status postgres_copy_next(struct postgres_copy *copy, uint32_t reader, size_t max_rows,
                               struct postgres_rows **rows, struct rhei_error *error);
void postgres_copy_end(struct postgres_copy **copy);

#endif
