/* SPDX-License-Identifier: Apache-2.0 */
/* The change source's own state, shared by its three files (cycle, load, prune). */
#ifndef OLTP_OLTP_SOURCE_H
#define OLTP_OLTP_SOURCE_H

#include "oltp/oltp_batch.h"

struct oltp_source {
    struct change_source base; /* first */
    struct oltp *oltp;
    struct oltp_connection *connection;
    sqlite3_stmt *start, *commit, *last;
    sqlite3_stmt *log; /* the log after a position: its first `near` value columns */
    sqlite3_stmt *far; /* the other value columns of one row, for tables that have so many; NULL: none has */
    uint32_t near;
    struct oltp_schema *schema; /* a reference; NULL before the first cycle */
    bool recheck;               /* the schema in use wasn't confirmed */
    char database_id[64];
    struct oltp_batch **batches; /* one per captured table */
    uint32_t batch_count;
    struct oltp_batch **by_id; /* borrowed from batches */
    uint32_t by_id_count;
    struct source_table *listed; /* what tables() shows */
    struct oltp_batch **order;   /* batches of this call */
    struct change_batch *ready;
    uint32_t ready_count;
    bool row_waits; /* the log statement stands on a row that next has not taken */
    bool drained;
    struct oltp_arena arena;
};

rhei_status oltp_load_begin(struct change_source *base, uint32_t table, uint32_t loaders, struct source_load **load,
                            struct source_load_info *info, struct rhei_error *error);
rhei_status oltp_load_next(struct source_load *load, uint32_t loader, size_t max_rows,
                           const struct change_batch **batch, struct rhei_error *error);
void oltp_load_end(struct source_load **load);
rhei_status oltp_source_prune(struct change_source *base, int64_t position, uint64_t *pruned, struct rhei_error *error);
/* This engine needs nothing any more. */
void oltp_engine_forget(struct oltp *oltp);

#endif
