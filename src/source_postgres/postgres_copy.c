/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_copy.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum {
    PAGES_EACH = 256,     /* a reader more for each so many */
    PIECE_PAGES = 1024,   /* of a run at most: what a cut connection costs */
    BYTES_MOST = 8 << 20, /* of one batch */
    HEADER_BYTES = 19,
    AGAIN_MS = 30000, /* how long a connection that was cut is tried for, while the state is there */
    AGAIN_ONCE_MS = 10000,
    FRUITLESS_MOST = 5, /* connections one after another that brought no row */
};

/* A run: pages [from, to) of a leaf; to < 0: to its end. */
struct piece {
    uint32_t leaf;
    int64_t from, to;
};

struct reader {
    struct postgres_connection *connection; /* NULL: it was cut */
    struct postgres_rows *rows;
    struct base_arena arena;
    char **kept; /* rows of libpq that values point into */
    size_t kept_count, kept_capacity;
    struct piece *pieces;
    uint32_t piece_count, piece; /* piece: the one that is read, or the next one */
    bool in_copy, headed, done;
    uint64_t had, pass;    /* rows of this run that were taken, and that are still to be passed over */
    uint64_t twice;        /* rows that were passed over, in all */
    uint32_t cuts;         /* connections that were lost, */
    uint32_t fruitless;    /* and the last of them that brought nothing new */
    struct rhei_error why; /* the last one */
};

struct postgres_copy {
    struct postgres_copy_plan plan;
    const struct postgres_api *api;
    char snapshot[POSTGRES_SNAPSHOT_NAME];
    base_mutex lock; /* of the holder */
    uint32_t count;
    struct reader readers[POSTGRES_READERS_MOST];
};

static const char WHAT[] = "initial load";

/* ---- The state. -------------------------------------------------------------------------------------------------- */

/* The holder's state gets a name that other connections take it by. */
static rhei_status name_state(struct postgres_copy *copy, int64_t deadline_ns, struct rhei_error *error)
{
    PGresult *result = NULL;
    rhei_status status = postgres_query(copy->plan.holder, WHAT, "SELECT pg_catalog.pg_export_snapshot()", 0, NULL,
                                        deadline_ns, &result, error);
    if (status == RHEI_OK)
        snprintf(copy->snapshot, sizeof copy->snapshot, "%s", postgres_cell(copy->plan.holder, result, 0, 0));
    postgres_clear(copy->plan.holder, &result);
    return status;
}

/* Y2: what the planner may not do is what would change the rows' order. */
static rhei_status take_state(const struct postgres_copy *copy, int64_t deadline_ns,
                              struct postgres_connection **connection, struct rhei_error *error)
{
    char sql[240];
    rhei_status status = postgres_connect(copy->plan.target, false, copy->plan.stop, deadline_ns, connection, error);
    snprintf(sql, sizeof sql,
             "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '%s';"
             " SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0",
             copy->snapshot);
    if (status == RHEI_OK)
        status = postgres_run(*connection, WHAT, sql, deadline_ns, error);
    if (status != RHEI_OK)
        postgres_disconnect(connection);
    return status;
}

/* ---- Pieces. ----------------------------------------------------------------------------------------------------- */

static rhei_status count_pages(const struct postgres_copy *copy, int64_t *pages, int64_t deadline_ns,
                               struct rhei_error *error)
{
    struct postgres_connection *connection = copy->readers[0].connection;
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < copy->plan.table->leaf_count && status == RHEI_OK; i++) {
        char oid[16];
        const char *parameters[] = {oid};
        PGresult *result = NULL;
        snprintf(oid, sizeof oid, "%u", copy->plan.table->leaves[i].oid);
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

/* Pages [low, high) of a leaf that has so many, as runs. The leaf's last one is open. */
static void add_pieces(struct reader *reader, uint32_t leaf, int64_t low, int64_t high, int64_t pages)
{
    do {
        int64_t to = high - low > PIECE_PAGES ? low + PIECE_PAGES : high;
        reader->pieces[reader->piece_count++] = (struct piece){leaf, low, to >= pages ? -1 : to};
        low = to;
    } while (low < high);
}

/* Y1: all leaves' pages in a row, cut into equal parts. A leaf without pages may have some by now: the first reader reads it. */
static rhei_status cut(struct postgres_copy *copy, const int64_t *pages, int64_t total, struct rhei_error *error)
{
    uint32_t leaves = copy->plan.table->leaf_count;
    for (uint32_t i = 0; i < copy->count; i++) {
        struct reader *reader = &copy->readers[i];
        int64_t low = total * i / copy->count, high = total * (i + 1) / copy->count, at = 0;
        reader->pieces = base_alloc_zero((size_t)((high - low) / PIECE_PAGES + 2 + leaves * 2), sizeof *reader->pieces);
        if (reader->pieces == NULL)
            return error_no_memory(error);
        for (uint32_t leaf = 0; leaf < leaves; leaf++) {
            int64_t from = low > at ? low - at : 0, to = high - at < pages[leaf] ? high - at : pages[leaf];
            if (pages[leaf] == 0 ? i == 0 : from < to)
                add_pieces(reader, leaf, from, to, pages[leaf]);
            at += pages[leaf];
        }
    }
    return RHEI_OK;
}

/* A server that has no connection left for one more is read by those that there are. */
static rhei_status add_readers(struct postgres_copy *copy, uint32_t worth, int64_t deadline_ns,
                               struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (copy->count = 1; copy->count < worth && status == RHEI_OK; copy->count += status == RHEI_OK)
        status = take_state(copy, deadline_ns, &copy->readers[copy->count].connection, error);
    if (status != RHEI_BUSY && status != RHEI_CANT_OPEN)
        return status;
    base_log_write(copy->plan.log, BASE_LOG_INFO, "source_postgres", "%s is loaded by %u connections: %s",
                   copy->plan.table->shown, copy->count, error == NULL ? "the server has no more" : error->message);
    error_clear(error);
    return RHEI_OK;
}

static rhei_status share(struct postgres_copy *copy, uint32_t most, int64_t deadline_ns, struct rhei_error *error)
{
    int64_t *pages = base_alloc_zero(copy->plan.table->leaf_count + 1, sizeof *pages), total = 0;
    if (pages == NULL)
        return error_no_memory(error);
    rhei_status status = count_pages(copy, pages, deadline_ns, error);
    for (uint32_t i = 0; i < copy->plan.table->leaf_count; i++)
        total += pages[i];
    int64_t worth = total / PAGES_EACH + 1;
    worth = worth < most ? worth : most;
    worth = worth < POSTGRES_READERS_MOST ? worth : POSTGRES_READERS_MOST;
    if (status == RHEI_OK)
        status = add_readers(copy, (uint32_t)(worth > 0 ? worth : 1), deadline_ns, error);
    if (status == RHEI_OK)
        status = cut(copy, pages, total, error);
    base_free(pages);
    return status;
}

rhei_status postgres_copy_begin(const struct postgres_copy_plan *plan, uint32_t most, int64_t deadline_ns,
                                struct postgres_copy **result, uint32_t *count, struct rhei_error *error)
{
    struct postgres_copy *copy = base_alloc_zero(1, sizeof *copy);
    *result = copy;
    if (copy == NULL)
        return error_no_memory(error);
    copy->plan = *plan;
    copy->api = plan->holder->api;
    base_mutex_init(&copy->lock);
    rhei_status status = name_state(copy, deadline_ns, error);
    if (status == RHEI_OK)
        status = take_state(copy, deadline_ns, &copy->readers[0].connection, error);
    if (status == RHEI_OK)
        status = share(copy, most, deadline_ns, error);
    for (uint32_t i = 0; i < copy->count && status == RHEI_OK; i++)
        status = postgres_rows_new(plan->id, plan->column_count, false, &copy->readers[i].rows, error);
    *count = copy->count;
    if (status != RHEI_OK)
        postgres_copy_end(result);
    return status;
}

/* ---- A connection that was cut. ---------------------------------------------------------------------------------- */

/* The rows that lie there now are those of the state: no TRUNCATE or rewriting ALTER came while no lock of ours was on them. */
static rhei_status check_file(const struct postgres_copy *copy, struct postgres_connection *connection,
                              const struct piece *piece, int64_t deadline_ns, struct rhei_error *error)
{
    const struct postgres_leaf *leaf = &copy->plan.table->leaves[piece->leaf];
    struct base_buffer sql = {0};
    char oid[16];
    const char *parameters[] = {oid};
    PGresult *result = NULL;
    snprintf(oid, sizeof oid, "%u", leaf->oid);
    base_buffer_text(&sql, "SELECT FROM ONLY ");
    postgres_put_name(&sql, leaf->schema, leaf->name);
    base_buffer_text(&sql, " LIMIT 0"); /* which takes the lock */
    rhei_status status =
        sql.failed ? error_no_memory(error) : postgres_run(connection, WHAT, sql.data, deadline_ns, error);
    base_buffer_reset(&sql);
    if (status == RHEI_OK)
        status = postgres_query(connection, WHAT, "SELECT pg_catalog.pg_relation_filenode($1::oid::regclass)", 1,
                                parameters, deadline_ns, &result, error);
    if (status == RHEI_OK && strtoul(postgres_cell(connection, result, 0, 0), NULL, 10) != leaf->file)
        status =
            error_set(error, RHEI_STALE, "the table %s was written anew while it was loaded", copy->plan.table->shown);
    postgres_clear(connection, &result);
    return status;
}

static bool is_held(struct postgres_copy *copy)
{
    base_mutex_lock(&copy->lock);
    rhei_status status =
        postgres_run(copy->plan.holder, WHAT, "SELECT 1", base_now_ns() + INT64_C(1000000) * AGAIN_ONCE_MS, NULL);
    base_mutex_unlock(&copy->lock);
    return status == RHEI_OK;
}

static void wait_a_little(const struct postgres_copy *copy, unsigned failures)
{
    struct pollfd fd = {.fd = copy->plan.stop->fd, .events = POLLIN};
    poll(&fd, 1, (int)postgres_backoff_ms(failures));
}

/* Y3. */
static rhei_status begin_anew(const struct postgres_copy *copy, const struct reader *reader, struct rhei_error *error)
{
    return error_set(
        error, RHEI_IO,
        "the load of %s begins anew: a connection was cut (%.150s), and the state that it read is gone with "
        "the one that held it",
        copy->plan.table->shown, reader->why.message);
}

static bool helps_to_try(rhei_status status)
{
    return status == RHEI_IO || status == RHEI_BUSY || status == RHEI_TIMEOUT || status == RHEI_CANT_OPEN;
}

/* Y2. */
static rhei_status go_on(struct postgres_copy *copy, struct reader *reader, struct rhei_error *error)
{
    int64_t until_ns = base_now_ns() + INT64_C(1000000) * AGAIN_MS;
    rhei_status status = RHEI_IO;
    for (unsigned failures = 0; reader->connection == NULL; failures++) {
        int64_t deadline_ns = base_now_ns() + INT64_C(1000000) * AGAIN_ONCE_MS;
        if (!is_held(copy))
            return atomic_load(&copy->plan.stop->stopped)
                       ? error_set(error, RHEI_CANCELLED, "%s: the source is closed", WHAT)
                       : begin_anew(copy, reader, error);
        error_clear(error);
        status = take_state(copy, deadline_ns, &reader->connection, error);
        if (status == RHEI_OK && reader->piece < reader->piece_count) {
            status = check_file(copy, reader->connection, &reader->pieces[reader->piece], deadline_ns, error);
            if (status != RHEI_OK)
                postgres_disconnect(&reader->connection);
        }
        if (status != RHEI_OK && (!helps_to_try(status) || base_now_ns() > until_ns))
            return status;
        if (status != RHEI_OK)
            wait_a_little(copy, failures + 1);
    }
    reader->in_copy = false;
    reader->pass = reader->had;
    return RHEI_OK;
}

static void let_go(struct postgres_copy *copy, struct reader *reader)
{
    for (size_t i = 0; i < reader->kept_count; i++)
        copy->api->freemem(reader->kept[i]);
    reader->kept_count = 0;
    base_arena_clear(&reader->arena);
}

/* Rows that it brought stay: they aren't the connection's. What ends each connection at the same place isn't the way there. */
static rhei_status lose(struct postgres_copy *copy, struct reader *reader, const struct rhei_error *why)
{
    reader->cuts++;
    reader->why = *why;
    postgres_disconnect(&reader->connection);
    if (++reader->fruitless > FRUITLESS_MOST)
        return RHEI_IO;
    base_log_write(copy->plan.log, BASE_LOG_INFO, "source_postgres",
                   "a connection that loads %s was cut: another one goes on from row %" PRIu64 " of its pages",
                   copy->plan.table->shown, reader->had);
    return RHEI_OK;
}

/* ---- Reading. ---------------------------------------------------------------------------------------------------- */

static rhei_status begin_piece(struct postgres_copy *copy, struct reader *reader, struct rhei_error *error)
{
    const struct piece *piece = &reader->pieces[reader->piece];
    const struct postgres_leaf *leaf = &copy->plan.table->leaves[piece->leaf];
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "COPY (SELECT ");
    for (uint32_t c = 0; c < copy->plan.column_count; c++) {
        base_buffer_text(&sql, c == 0 ? "" : ",");
        postgres_put_column(&sql, copy->plan.columns[c]);
    }
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
                             : postgres_query(reader->connection, WHAT, sql.data, 0, NULL, INT64_MAX, &result, error);
    postgres_clear(reader->connection, &result);
    base_buffer_reset(&sql);
    reader->in_copy = status == RHEI_OK;
    reader->headed = false;
    return status;
}

static rhei_status damaged(const struct postgres_copy *copy, struct rhei_error *error)
{
    return error_set(error, RHEI_NOT_A_DATABASE, "%s of %s: the server sent a row that isn't one", WHAT,
                     copy->plan.table->shown);
}

static rhei_status take_cell(struct postgres_copy *copy, struct reader *reader, uint32_t column, const char **at,
                             const char *end, struct rhei_error *error)
{
    struct postgres_rows *rows = reader->rows;
    struct rhei_value *value = &rows->values[column][rows->count];
    if (end - *at < 4)
        return damaged(copy, error);
    int32_t length = (int32_t)postgres_u32(*at);
    *at += 4;
    if (length == -1) {
        *value = (struct rhei_value){.type = RHEI_NULL};
        return RHEI_OK;
    }
    if (length < 0 || end - *at < length)
        return damaged(copy, error);
    const struct postgres_column *about = copy->plan.columns[column];
    if (!postgres_binary_value(about->form, *at, (size_t)length, &reader->arena, value))
        return error_set(error, RHEI_NOT_A_DATABASE, "%s of %s: a value of column %s isn't a %s", WHAT,
                         copy->plan.table->shown, about->name, about->shown_type);
    *at += length;
    return RHEI_OK;
}

/* A row, the header with or without one, or the trailer. */
static rhei_status take_row(struct postgres_copy *copy, struct reader *reader, const char *at, size_t length,
                            struct rhei_error *error)
{
    const char *end = at + length;
    if (!reader->headed) {
        if (length < HEADER_BYTES || memcmp(at, "PGCOPY\n\377\r\n", 11) != 0 ||
            length - HEADER_BYTES < postgres_u32(at + 15))
            return damaged(copy, error);
        at += HEADER_BYTES + postgres_u32(at + 15);
        reader->headed = true;
    }
    if (at == end || (end - at == 2 && postgres_u16(at) == 0xffff))
        return RHEI_OK;
    if (end - at < 2 || postgres_u16(at) != copy->plan.column_count)
        return damaged(copy, error);
    if (reader->pass > 0) { /* Y2 */
        reader->pass--;
        reader->twice++;
        return RHEI_OK;
    }
    at += 2;
    if (!postgres_rows_reserve(reader->rows))
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    for (uint32_t column = 0; column < copy->plan.column_count && status == RHEI_OK; column++)
        status = take_cell(copy, reader, column, &at, end, error);
    reader->rows->count += status == RHEI_OK;
    reader->had += status == RHEI_OK;
    reader->fruitless = 0;
    return status;
}

static rhei_status end_piece(struct postgres_copy *copy, struct reader *reader, struct rhei_error *error)
{
    if (reader->pass > 0)
        return error_set(error, RHEI_STALE, "the rows of %s lie otherwise than before: its load begins anew",
                         copy->plan.table->shown);
    reader->in_copy = false;
    reader->had = 0;
    reader->piece++;
    return RHEI_OK;
}

/* Behind its last row. */
static rhei_status finish(struct postgres_copy *copy, struct reader *reader, struct rhei_error *error)
{
    PGresult *result = NULL;
    rhei_status status = RHEI_OK;
    if (copy->plan.changed != NULL && !reader->done)
        status = postgres_query(reader->connection, WHAT, copy->plan.changed, 0, NULL, INT64_MAX, &result, error);
    if (status == RHEI_OK && result != NULL && copy->api->ntuples(result) > 0)
        status = error_set(error, RHEI_STALE, "the table %s was written anew or emptied while it was read",
                           copy->plan.table->shown);
    if (result != NULL)
        postgres_clear(reader->connection, &result);
    reader->done = status == RHEI_OK;
    return status;
}

/* One row, or one step between two. */
static rhei_status step(struct postgres_copy *copy, struct reader *reader, size_t *bytes, struct rhei_error *error)
{
    char *data = NULL;
    size_t length = 0;
    if (reader->piece == reader->piece_count)
        return finish(copy, reader, error);
    if (!reader->in_copy)
        return begin_piece(copy, reader, error);
    rhei_status status = postgres_copy_row(reader->connection, WHAT, &data, &length, INT64_MAX, error);
    if (status != RHEI_OK)
        return status;
    if (data == NULL)
        return end_piece(copy, reader, error);
    bool passed = reader->pass > 0;
    if (!passed &&
        !base_grow((void **)&reader->kept, &reader->kept_capacity, reader->kept_count + 1, sizeof *reader->kept)) {
        copy->api->freemem(data);
        return error_no_memory(error);
    }
    if (!passed) {
        *bytes += length;
        reader->kept[reader->kept_count++] = data;
    }
    status = take_row(copy, reader, data, length, error);
    if (passed)
        copy->api->freemem(data);
    return status;
}

rhei_status postgres_copy_next(struct postgres_copy *copy, uint32_t number, size_t max_rows,
                               struct postgres_rows **rows, struct rhei_error *error)
{
    struct reader *reader = &copy->readers[number];
    size_t bytes = 0;
    rhei_status status = RHEI_OK;
    let_go(copy, reader);
    *rows = reader->rows;
    reader->rows->count = 0;
    while (status == RHEI_OK && !reader->done && reader->rows->count < max_rows && bytes < BYTES_MOST) {
        struct rhei_error why = RHEI_ERROR_INIT;
        if (reader->connection == NULL && reader->rows->count > 0)
            break; /* rows that are there go first */
        if (reader->connection == NULL)
            status = go_on(copy, reader, error);
        if (status != RHEI_OK)
            break;
        status = step(copy, reader, &bytes, &why);
        if (status == RHEI_IO)
            status = lose(copy, reader, &why);
        if (status != RHEI_OK)
            error_set(error, status, "%s", why.message);
    }
    return status;
}

void postgres_copy_end(struct postgres_copy **slot)
{
    struct postgres_copy *copy = *slot;
    uint64_t twice = 0;
    uint32_t cuts = 0;
    if (copy == NULL)
        return;
    *slot = NULL;
    for (uint32_t i = 0; i < POSTGRES_READERS_MOST; i++) {
        struct reader *reader = &copy->readers[i];
        let_go(copy, reader);
        twice += reader->twice;
        cuts += reader->cuts;
        base_free(reader->kept);
        base_free(reader->pieces);
        base_arena_reset(&reader->arena);
        postgres_rows_free(&reader->rows);
        postgres_disconnect(&reader->connection);
    }
    if (cuts > 0)
        base_log_write(copy->plan.log, BASE_LOG_INFO, "source_postgres",
                       "%u connections that loaded %s were cut: %" PRIu64 " rows were read twice", cuts,
                       copy->plan.table->shown, twice);
    base_mutex_destroy(&copy->lock);
    base_free(copy);
}
