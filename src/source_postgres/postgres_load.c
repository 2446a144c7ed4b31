/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_rows.h"

enum {
    LOADERS_MOST = 16,
    PAGES_EACH = 256,     /* a loader more for each so many */
    BYTES_MOST = 8 << 20, /* of one batch */
    HEADER_BYTES = 19,
};

/* Pages [from, to) of a leaf; to < 0: to its end. */
struct piece {
    uint32_t leaf;
    int64_t from, to;
};

struct loader {
    struct postgres_connection *connection;
    struct postgres_rows *rows;
    struct base_arena arena;
    char **kept; /* rows of libpq that values point into */
    size_t kept_count, kept_capacity;
    uint32_t piece; /* the next one */
    bool in_copy, headed;
    struct piece *pieces;
    uint32_t piece_count;
};

struct source_load {
    struct postgres_catalog *catalog;
    const struct postgres_table *table;
    uint32_t count;
    struct loader loaders[LOADERS_MOST];
};

static const char WHAT[] = "initial load";

/* ---- One state. -------------------------------------------------------------------------------------------------- */

/* L1. */
static rhei_status make_state(struct postgres_connection *replication, int64_t deadline_ns, char snapshot[64],
                              int64_t *position, struct rhei_error *error)
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
        snprintf(snapshot, 64, "%s", replication->api->getvalue(result, 0, 2));
    *position = (int64_t)lsn;
    postgres_clear(replication, &result);
    return status;
}

static rhei_status take_state(const struct postgres_target *target, struct postgres_stop *stop, struct loader *loader,
                              const char *snapshot, int64_t deadline_ns, struct rhei_error *error)
{
    char sql[200];
    rhei_status status = postgres_connect(target, false, stop, deadline_ns, &loader->connection, error);
    if (status == RHEI_OK)
        status = postgres_run(loader->connection, WHAT, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline_ns,
                              error);
    snprintf(sql, sizeof sql, "SET TRANSACTION SNAPSHOT '%s'", snapshot);
    if (status == RHEI_OK)
        status = postgres_run(loader->connection, WHAT, sql, deadline_ns, error);
    return status;
}

/* ---- Pieces. ----------------------------------------------------------------------------------------------------- */

static rhei_status count_pages(struct source_load *load, int64_t *pages, int64_t deadline_ns, struct rhei_error *error)
{
    struct postgres_connection *connection = load->loaders[0].connection;
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < load->table->leaf_count && status == RHEI_OK; i++) {
        char oid[16];
        const char *parameters[] = {oid};
        PGresult *result = NULL;
        snprintf(oid, sizeof oid, "%u", load->table->leaves[i].oid);
        status = postgres_query(connection, WHAT,
                                "SELECT pg_catalog.pg_relation_size($1::oid::regclass) /"
                                " pg_catalog.current_setting('block_size')::int",
                                1, parameters, deadline_ns, &result, error);
        if (status == RHEI_OK)
            pages[i] = strtoll(postgres_cell(connection, result, 0, 0), NULL, 10);
        postgres_clear(connection, &result);
    }
    return status;
}

/* L2: all leaves' pages in a row, cut into equal parts. A leaf without pages may have some by now: the first loader reads it. */
static rhei_status cut(struct source_load *load, const int64_t *pages, int64_t total, struct rhei_error *error)
{
    for (uint32_t i = 0; i < load->count; i++) {
        struct loader *loader = &load->loaders[i];
        int64_t low = total * i / load->count, high = total * (i + 1) / load->count, at = 0;
        loader->pieces = base_alloc_zero((size_t)load->table->leaf_count + 1, sizeof *loader->pieces);
        if (loader->pieces == NULL)
            return error_no_memory(error);
        for (uint32_t leaf = 0; leaf < load->table->leaf_count; leaf++) {
            int64_t from = low > at ? low - at : 0, to = high - at;
            bool empty = pages[leaf] == 0, last = to >= pages[leaf] || empty;
            if (empty ? i == 0 : from < pages[leaf] && to > from)
                loader->pieces[loader->piece_count++] = (struct piece){leaf, from, last ? -1 : to};
            at += pages[leaf];
        }
    }
    return RHEI_OK;
}

static rhei_status share(struct source_load *load, const struct postgres_target *target, struct postgres_stop *stop,
                         uint32_t asked, const char *snapshot, int64_t deadline_ns, struct rhei_error *error)
{
    int64_t *pages = base_alloc_zero(load->table->leaf_count + 1, sizeof *pages), total = 0;
    if (pages == NULL)
        return error_no_memory(error);
    rhei_status status = count_pages(load, pages, deadline_ns, error);
    for (uint32_t i = 0; i < load->table->leaf_count; i++)
        total += pages[i];
    uint32_t worth = total / PAGES_EACH + 1 < LOADERS_MOST ? (uint32_t)(total / PAGES_EACH + 1) : LOADERS_MOST;
    load->count = asked < worth ? asked : worth;
    load->count = load->count == 0 ? 1 : load->count;
    for (uint32_t i = 1; i < load->count && status == RHEI_OK; i++)
        status = take_state(target, stop, &load->loaders[i], snapshot, deadline_ns, error);
    if (status == RHEI_OK)
        status = cut(load, pages, total, error);
    base_free(pages);
    return status;
}

/* L3. */
static rhei_status check_shape(struct source_load *load, const struct postgres_wanted *wanted, int64_t deadline_ns,
                               struct postgres_connection *connection, struct rhei_error *error)
{
    char name[300];
    snprintf(name, sizeof name, "%s.%s", load->table->schema, load->table->name);
    const char *const names[] = {name};
    struct postgres_wanted one = *wanted;
    one.tables = names;
    one.count = 1;
    struct postgres_catalog *catalog = NULL;
    rhei_status status = postgres_catalog_read(connection, &one, deadline_ns, &catalog, error);
    bool same = status == RHEI_OK && catalog->count == 1 && catalog->tables[0].shape == load->table->shape;
    for (uint32_t i = 0; same && i < load->table->leaf_count;
         i++) /* rows that were written anew aren't in an older state */
        same = catalog->tables[0].leaves[i].file == load->table->leaves[i].file;
    if (status == RHEI_OK && !same)
        status =
            error_set(error, RHEI_STALE, "the table %s changed while its load began: try again", load->table->shown);
    postgres_catalog_free(&catalog);
    return status;
}

/*
 * The columns are compared once the state is taken: a change before it is seen here, one after it waits for the lock that reading the table takes,
 * or is in no row of the state.
 */
static rhei_status open_load(struct source_load *load, const struct postgres_target *target, struct postgres_stop *stop,
                             const struct postgres_wanted *wanted, uint32_t asked, int64_t deadline_ns,
                             struct source_load_info *info, struct rhei_error *error)
{
    struct postgres_connection *replication = NULL, *checker = NULL;
    char snapshot[64] = "";
    rhei_status status = postgres_connect(target, true, stop, deadline_ns, &replication, error);
    if (status == RHEI_OK)
        status = make_state(replication, deadline_ns, snapshot, &info->position, error);
    if (status == RHEI_OK)
        status = take_state(target, stop, &load->loaders[0], snapshot, deadline_ns, error);
    if (status == RHEI_OK)
        status = share(load, target, stop, asked, snapshot, deadline_ns, error);
    if (status == RHEI_OK)
        status = postgres_connect(target, false, stop, deadline_ns, &checker, error);
    if (status == RHEI_OK)
        status = check_shape(load, wanted, deadline_ns, checker, error);
    postgres_disconnect(&checker);
    postgres_disconnect(&replication);
    return status;
}

rhei_status postgres_load_begin(const struct postgres_target *target, struct postgres_stop *stop,
                                const struct postgres_wanted *wanted, struct postgres_catalog *catalog,
                                const struct postgres_table *table, uint32_t asked, int64_t deadline_ns,
                                struct source_load **result, struct source_load_info *info, struct rhei_error *error)
{
    struct source_load *load = base_alloc_zero(1, sizeof *load);
    *result = load;
    if (load == NULL)
        return error_no_memory(error);
    load->catalog = postgres_catalog_hold(catalog);
    load->table = table;
    *info = (struct source_load_info){.rows = -1};
    rhei_status status = open_load(load, target, stop, wanted, asked, deadline_ns, info, error);
    for (uint32_t i = 0; i < load->count && status == RHEI_OK; i++)
        status = postgres_rows_new(table->definition.id, table->column_count, false, &load->loaders[i].rows, error);
    info->loader_count = load->count;
    if (status != RHEI_OK)
        postgres_load_end(result);
    return status;
}

/* ---- Reading. ---------------------------------------------------------------------------------------------------- */

static rhei_status begin_copy(struct source_load *load, struct loader *loader, struct rhei_error *error)
{
    const struct piece *piece = &loader->pieces[loader->piece++];
    const struct postgres_leaf *leaf = &load->table->leaves[piece->leaf];
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "COPY (SELECT ");
    postgres_put_columns(&sql, load->table);
    base_buffer_text(&sql, " FROM ONLY ");
    postgres_put_name(&sql, leaf->schema, leaf->name);
    if (piece->from > 0 || piece->to >= 0)
        base_buffer_format(&sql, " WHERE ctid >= '(%" PRId64 ",0)'", piece->from);
    if (piece->to >= 0)
        base_buffer_format(&sql, " AND ctid < '(%" PRId64 ",0)'", piece->to);
    base_buffer_text(&sql, ") TO STDOUT (FORMAT binary)");
    PGresult *result = NULL;
    rhei_status status = sql.failed
                             ? error_no_memory(error)
                             : postgres_query(loader->connection, WHAT, sql.data, 0, NULL, INT64_MAX, &result, error);
    postgres_clear(loader->connection, &result);
    base_buffer_reset(&sql);
    loader->in_copy = status == RHEI_OK;
    loader->headed = false;
    return status;
}

static rhei_status damaged(const struct source_load *load, struct rhei_error *error)
{
    return error_set(error, RHEI_NOT_A_DATABASE, "%s of %s: the server sent a row that isn't one", WHAT,
                     load->table->shown);
}

static rhei_status take_cell(struct source_load *load, struct loader *loader, uint32_t column, const char **at,
                             const char *end, struct rhei_error *error)
{
    struct postgres_rows *rows = loader->rows;
    struct rhei_value *value = &rows->values[column][rows->count];
    if (end - *at < 4)
        return damaged(load, error);
    int32_t length = (int32_t)postgres_u32(*at);
    *at += 4;
    if (length == -1) {
        *value = (struct rhei_value){.type = RHEI_NULL};
        return RHEI_OK;
    }
    if (length < 0 || end - *at < length)
        return damaged(load, error);
    const struct postgres_column *about = &load->table->columns[column];
    if (!postgres_binary_value(about->form, *at, (size_t)length, &loader->arena, value))
        return error_set(error, RHEI_NOT_A_DATABASE, "%s of %s: a value of column %s isn't a %s", WHAT,
                         load->table->shown, about->name, about->shown_type);
    *at += length;
    return RHEI_OK;
}

/* A row, the header with or without one, or the trailer. */
static rhei_status take_row(struct source_load *load, struct loader *loader, const char *at, size_t length,
                            struct rhei_error *error)
{
    const char *end = at + length;
    if (!loader->headed) {
        if (length < HEADER_BYTES || memcmp(at, "PGCOPY\n\377\r\n", 11) != 0 ||
            length - HEADER_BYTES < postgres_u32(at + 15))
            return damaged(load, error);
        at += HEADER_BYTES + postgres_u32(at + 15);
        loader->headed = true;
    }
    if (at == end || (end - at == 2 && postgres_u16(at) == 0xffff))
        return RHEI_OK;
    if (end - at < 2 || postgres_u16(at) != load->table->column_count)
        return damaged(load, error);
    at += 2;
    if (!postgres_rows_reserve(loader->rows))
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    for (uint32_t column = 0; column < load->table->column_count && status == RHEI_OK; column++)
        status = take_cell(load, loader, column, &at, end, error);
    loader->rows->count += status == RHEI_OK;
    return status;
}

static void let_go(struct loader *loader)
{
    for (size_t i = 0; i < loader->kept_count; i++)
        loader->connection->api->freemem(loader->kept[i]);
    loader->kept_count = 0;
    base_arena_clear(&loader->arena);
}

rhei_status postgres_load_next(struct source_load *load, uint32_t number, size_t max_rows,
                               const struct change_batch **batch, struct rhei_error *error)
{
    struct loader *loader = &load->loaders[number];
    size_t bytes = 0;
    rhei_status status = RHEI_OK;
    *batch = NULL;
    let_go(loader);
    loader->rows->count = 0;
    while (status == RHEI_OK && loader->rows->count < max_rows && bytes < BYTES_MOST) {
        char *data = NULL;
        size_t length = 0;
        if (!loader->in_copy && loader->piece == loader->piece_count)
            break;
        if (!loader->in_copy)
            status = begin_copy(load, loader, error);
        if (status == RHEI_OK)
            status = postgres_copy_row(loader->connection, WHAT, &data, &length, INT64_MAX, error);
        if (status != RHEI_OK || data == NULL) {
            loader->in_copy = false;
            continue;
        }
        bytes += length;
        if (base_grow((void **)&loader->kept, &loader->kept_capacity, loader->kept_count + 1, sizeof *loader->kept)) {
            loader->kept[loader->kept_count++] = data;
            status = take_row(load, loader, data, length, error);
        } else {
            loader->connection->api->freemem(data);
            status = error_no_memory(error);
        }
    }
    if (status == RHEI_OK && loader->rows->count > 0)
        *batch = postgres_rows_view(loader->rows);
    return status;
}

void postgres_load_end(struct source_load **slot)
{
    struct source_load *load = *slot;
    if (load == NULL)
        return;
    *slot = NULL;
    for (uint32_t i = 0; i < LOADERS_MOST; i++) {
        struct loader *loader = &load->loaders[i];
        if (loader->connection != NULL)
            let_go(loader);
        base_free(loader->kept);
        base_free(loader->pieces);
        base_arena_reset(&loader->arena);
        postgres_rows_free(&loader->rows);
        postgres_disconnect(&loader->connection);
    }
    postgres_catalog_free(&load->catalog);
    base_free(load);
}
