/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_copy.h"

struct source_load {
    struct postgres_catalog *catalog;
    const struct postgres_table *table;
    const struct postgres_column **columns;
    struct postgres_connection *holder;
    struct postgres_copy *copy;
    struct base_arena added;
};

static const char WHAT[] = "initial load";

/* ---- One state. -------------------------------------------------------------------------------------------------- */

/* L1. */
static rhei_status make_state(struct postgres_connection *replication, int64_t deadline_ns,
                              char snapshot[POSTGRES_SNAPSHOT_NAME], int64_t *position, struct rhei_error *error)
{
    char sql[160];
    PGresult *result = NULL;
    uint64_t lsn = 0;
    snprintf(sql, sizeof sql, "CREATE_REPLICATION_SLOT \"rhei_load_%016" PRIx64 "\" TEMPORARY LOGICAL pgoutput %s",
             base_random_u64(), replication->version >= 150000 ? "(SNAPSHOT 'export')" : "EXPORT_SNAPSHOT");
    rhei_status status = postgres_query(replication, "making a state to load (which waits for running transactions)",
                                        sql, 0, NULL, deadline_ns, &result, error);
    if (status == RHEI_OK && (replication->api->ntuples(result) != 1 || replication->api->nfields(result) < 3 ||
                              !postgres_lsn_parse(replication->api->getvalue(result, 0, 1), &lsn)))
        status = error_set(error, RHEI_UNSUPPORTED, "the server's answer to CREATE_REPLICATION_SLOT isn't understood");
    if (status == RHEI_OK)
        snprintf(snapshot, POSTGRES_SNAPSHOT_NAME, "%s", replication->api->getvalue(result, 0, 2));
    *position = (int64_t)lsn;
    postgres_clear(replication, &result);
    return status;
}

static rhei_status hold_state(struct postgres_connection *holder, const char *snapshot, int64_t deadline_ns,
                              struct rhei_error *error)
{
    char sql[200];
    snprintf(sql, sizeof sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '%s'",
             snapshot);
    return postgres_run(holder, WHAT, sql, deadline_ns, error);
}

rhei_status postgres_load_check(const struct postgres_loading *loading, const struct postgres_table *table,
                                struct postgres_connection *connection, int64_t deadline_ns, struct rhei_error *error)
{
    char name[300];
    snprintf(name, sizeof name, "%s.%s", table->schema, table->name);
    const char *const names[] = {name};
    struct postgres_wanted one = *loading->wanted;
    one.tables = names;
    one.count = 1;
    struct postgres_catalog *catalog = NULL;
    rhei_status status = postgres_catalog_read(connection, &one, deadline_ns, &catalog, error);
    bool same = status == RHEI_OK && catalog->count == 1 && catalog->tables[0].shape == table->shape &&
                catalog->tables[0].leaf_count == table->leaf_count;
    for (uint32_t i = 0; same && i < table->leaf_count; i++) /* rows that were written anew aren't in an older state */
        same = catalog->tables[0].leaves[i].file == table->leaves[i].file;
    if (status == RHEI_OK && !same)
        status = error_set(error, RHEI_STALE, "the table %s changed while its load began: try again", table->shown);
    postgres_catalog_free(&catalog);
    return status;
}

/* Nothing that is in the state has a later time: a commit takes its own before anybody sees it. */
static rhei_status read_clock(struct source_load *load, int64_t deadline_ns, int64_t *time_us, struct rhei_error *error)
{
    PGresult *result = NULL;
    rhei_status status =
        postgres_query(load->holder, WHAT, "SELECT " POSTGRES_CLOCK_US, 0, NULL, deadline_ns, &result, error);
    if (status == RHEI_OK)
        *time_us = strtoll(postgres_cell(load->holder, result, 0, 0), NULL, 10);
    postgres_clear(load->holder, &result);
    return status;
}

/*
 * The columns are compared once the state is made: a change before it is seen here, one after it waits for the lock that reading the table takes,
 * or is in no row of the state.
 */
static rhei_status open_state(struct source_load *load, const struct postgres_loading *loading, int64_t deadline_ns,
                              struct source_load_info *info, struct rhei_error *error)
{
    struct postgres_connection *replication = NULL;
    char snapshot[POSTGRES_SNAPSHOT_NAME] = "";
    rhei_status status = postgres_connect(loading->target, true, loading->stop, deadline_ns, &replication, error);
    if (status == RHEI_OK)
        status = make_state(replication, deadline_ns, snapshot, &info->position, error);
    if (status == RHEI_OK)
        status = postgres_connect(loading->target, false, loading->stop, deadline_ns, &load->holder, error);
    if (status == RHEI_OK)
        status = postgres_load_check(loading, load->table, load->holder, deadline_ns, error);
    if (status == RHEI_OK)
        status = hold_state(load->holder, snapshot, deadline_ns, error);
    if (status == RHEI_OK)
        status = read_clock(load, deadline_ns, &info->time_us, error);
    if (status == RHEI_OK)
        status = postgres_added_values(load->table, load->holder, deadline_ns, &load->added, &info->added, error);
    postgres_disconnect(&replication);
    return status;
}

static rhei_status begin_copy(struct source_load *load, const struct postgres_loading *loading, uint32_t loaders,
                              int64_t deadline_ns, struct source_load_info *info, struct rhei_error *error)
{
    const struct postgres_table *table = load->table;
    load->columns = base_alloc_zero((size_t)table->column_count + 1, sizeof(struct postgres_column *));
    if (load->columns == NULL)
        return error_no_memory(error);
    for (uint32_t c = 0; c < table->column_count; c++)
        load->columns[c] = &table->columns[c];
    const struct postgres_copy_plan plan = {.target = loading->target,
                                            .stop = loading->stop,
                                            .log = loading->log,
                                            .table = table,
                                            .columns = load->columns,
                                            .column_count = table->column_count,
                                            .id = table->definition.id,
                                            .holder = load->holder};
    return postgres_copy_begin(&plan, loaders, deadline_ns, &load->copy, &info->loader_count, error);
}

rhei_status postgres_load_begin(const struct postgres_loading *loading, struct postgres_catalog *catalog,
                                const struct postgres_table *table, uint32_t loaders, int64_t deadline_ns,
                                struct source_load **result, struct source_load_info *info, struct rhei_error *error)
{
    struct source_load *load = base_alloc_zero(1, sizeof *load);
    *result = load;
    if (load == NULL)
        return error_no_memory(error);
    load->catalog = postgres_catalog_hold(catalog);
    load->table = table;
    *info = (struct source_load_info){.rows = -1};
    rhei_status status = open_state(load, loading, deadline_ns, info, error);
    if (status == RHEI_OK)
        status = begin_copy(load, loading, loaders, deadline_ns, info, error);
    if (status != RHEI_OK)
        postgres_load_end(result);
    return status;
}

/* ---- Reading. ---------------------------------------------------------------------------------------------------- */

rhei_status postgres_load_next(struct source_load *load, uint32_t number, size_t max_rows,
                               const struct change_batch **batch, struct rhei_error *error)
{
    struct postgres_rows *rows = NULL;
    *batch = NULL;
    rhei_status status = postgres_copy_next(load->copy, number, max_rows, &rows, error);
    if (status == RHEI_OK && rows->count > 0)
        *batch = postgres_rows_view(rows);
    return status;
}

void postgres_load_end(struct source_load **slot)
{
    struct source_load *load = *slot;
    if (load == NULL)
        return;
    *slot = NULL;
    postgres_copy_end(&load->copy);
    postgres_disconnect(&load->holder);
    base_arena_reset(&load->added);
    base_free(load->columns);
    postgres_catalog_free(&load->catalog);
    base_free(load);
}
