/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_again.h"
#include "source_postgres/postgres_copy.h"
#include "source_postgres/postgres_load.h"

enum {
    STATEMENTS_MOST = 256,
    CONNECT_MS = 10000,
    LIST_MS = 1000,   /* between two looks at the catalogue, at least */
    LIST_SHARE = 19,  /* and so many times as long as one takes */
    FEW_ROWS = 16384, /* a table of no more isn't worth connections of its own */
    INT8_TYPE = 20,   /* pg_type.oid */
    TEXT_TYPE = 25,
    XID_TYPE = 28,
};
#define XIDS_MOST INT64_C(1000000000) /* V3 */

static const char WHAT[] = "looking for changes";
static const char STATE[] = "rhei_state", CURSOR[] = "rhei_rows";

/* Another program's rows may be locked for as long as it likes; a look isn't to wait for that. */
static const char SESSION[] = "SET lock_timeout = '2s'; SET plan_cache_mode = force_custom_plan";

/* V5. */
static const char SERVER[] =
    "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()), d.oid, pg_catalog.pg_is_in_recovery(),"
    " pg_catalog.pg_postmaster_start_time()::text || CASE WHEN pg_catalog.pg_is_in_recovery() THEN (SELECT "
    "timeline_id::text"
    " FROM pg_catalog.pg_control_checkpoint()) ELSE pg_catalog.substr(pg_catalog.pg_walfile_name("
    "pg_catalog.pg_current_wal_lsn()), 1, 8) END"
    " FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";

/* V1, V3. */
static const char SNAPSHOT[] =
    "SELECT s::text, pg_catalog.pg_snapshot_xmin(s)::text, pg_catalog.pg_snapshot_xmax(s)::text FROM (SELECT "
    "pg_catalog.pg_current_snapshot() AS s) x";

/* V4: the catalogue's own rows are of the pinned state, its functions tell what is now. */
static const char REWRITTEN[] =
    "WITH RECURSIVE was(oid) AS (SELECT %u::oid UNION SELECT i.inhrelid FROM was JOIN pg_catalog.pg_class p ON p.oid = "
    "was.oid AND p.relkind = 'p' JOIN pg_catalog.pg_inherits i ON i.inhparent = was.oid AND NOT i.inhdetachpending),"
    " now(oid) AS (SELECT %u::oid UNION SELECT relid FROM pg_catalog.pg_partition_tree(%u))"
    " SELECT FROM was FULL JOIN now USING (oid) LEFT JOIN pg_catalog.pg_class c USING (oid)"
    " WHERE was.oid IS NULL OR now.oid IS NULL OR c.relfilenode <> pg_catalog.pg_relation_filenode(oid)";

struct prepared {
    size_t table;
    uint32_t stamp;
    uint8_t order;
    bool first, from_null, since;
};

struct postgres_reader {
    struct poll_reader base;
    struct postgres_polling *polling;
    struct postgres_connection *connection;
    struct postgres_again again;
    struct postgres_catalog *catalog; /* newer than `tables` where these are owed */
    struct postgres_tables tables;
    struct poll_state found; /* since the last begin that succeeded: one that failed had nobody to tell */

    bool known;   /* what follows is of a begin that succeeded */
    bool standby; /* of the connection */
    char *identity, *start, *snapshot, *replayed;
    int64_t next_xid;
    bool list_doubtful; /* something was committed since the catalogue was read */
    int64_t list_from_ns;

    bool asked; /* STATE is prepared */
    bool pinned, cursor;
    struct prepared prepared[STATEMENTS_MOST];
    size_t prepared_count;
    unsigned prepared_from; /* number of the first one's name */

    struct postgres_copy *copy; /* of a load by several */
    char changed[800];          /* what it asks at its end */

    PGresult *result; /* of the page */
    struct base_arena arena;
    struct rhei_value *values;
    const struct rhei_value **columns;
    size_t value_capacity, column_capacity;
};

static struct postgres_reader *self(struct poll_reader *reader)
{
    return (struct postgres_reader *)reader;
}

/* ---- Connections. ------------------------------------------------------------------------------------------------ */

static void disconnect(struct postgres_reader *reader)
{
    if (reader->connection != NULL)
        postgres_clear(reader->connection, &reader->result);
    postgres_disconnect(&reader->connection);
    reader->pinned = reader->cursor = reader->asked = false;
    reader->prepared_count = 0;
}

/* After these a connection is good for nothing. */
static rhei_status settle(struct postgres_reader *reader, rhei_status status)
{
    if (status == RHEI_IO || status == RHEI_TIMEOUT || status == RHEI_CANCELLED)
        disconnect(reader);
    return status;
}

static int64_t soon(const struct postgres_reader *reader)
{
    int64_t limit = reader->polling->config.connect_timeout_ms;
    return base_now_ns() + (limit > 0 ? limit : CONNECT_MS) * 1000000;
}

/* Replaces a text that is remembered. */
static rhei_status remember(char **text, const char *now, bool *same, struct rhei_error *error)
{
    *same = *text != NULL && strcmp(*text, now) == 0;
    if (*same)
        return RHEI_OK;
    char *copy = base_strdup(now);
    if (copy == NULL)
        return error_no_memory(error);
    base_free(*text);
    *text = copy;
    return RHEI_OK;
}

static rhei_status know_server(struct postgres_reader *reader, int64_t deadline_ns, struct rhei_error *error)
{
    PGresult *result = NULL;
    char identity[64];
    bool same = true, same_start = true;
    rhei_status status = postgres_query(reader->connection, WHAT, SERVER, 0, NULL, deadline_ns, &result, error);
    if (status == RHEI_OK && reader->connection->api->ntuples(result) != 1)
        status = error_set(error, RHEI_NOT_FOUND, "the source's database was renamed or dropped");
    if (status == RHEI_OK) {
        const struct postgres_connection *connection = reader->connection;
        snprintf(identity, sizeof identity, "%s %s", postgres_cell(connection, result, 0, 0),
                 postgres_cell(connection, result, 0, 1));
        reader->standby = postgres_cell(connection, result, 0, 2)[0] == 't';
        status = remember(&reader->identity, identity, &same, error);
    }
    if (status == RHEI_OK)
        status = remember(&reader->start, postgres_cell(reader->connection, result, 0, 3), &same_start, error);
    reader->found.lost = reader->found.lost || (reader->known && !same);
    reader->found.doubtful = reader->found.doubtful || (reader->known && !same_start);
    postgres_clear(reader->connection, &result);
    return status;
}

static rhei_status connect(struct postgres_reader *reader, int64_t deadline_ns, struct rhei_error *error)
{
    if (reader->connection != NULL)
        return RHEI_OK;
    reader->found.changed = true;
    rhei_status status = postgres_connect_again(&reader->again, &reader->polling->config.target, &reader->polling->stop,
                                                deadline_ns, &reader->connection, error);
    if (status == RHEI_OK)
        status = postgres_run(reader->connection, WHAT, SESSION, deadline_ns, error);
    if (status == RHEI_OK)
        status = know_server(reader, deadline_ns, error);
    if (status != RHEI_OK)
        disconnect(reader);
    return status;
}

/* ---- The state. -------------------------------------------------------------------------------------------------- */

static rhei_status ask_replayed(struct postgres_reader *reader, int64_t deadline_ns, struct rhei_error *error)
{
    PGresult *result = NULL;
    bool same = true;
    if (!reader->standby)
        return RHEI_OK;
    rhei_status status = postgres_query(reader->connection, WHAT, "SELECT pg_catalog.pg_last_wal_replay_lsn()", 0, NULL,
                                        deadline_ns, &result, error);
    if (status == RHEI_OK)
        status = remember(&reader->replayed, postgres_cell(reader->connection, result, 0, 0), &same, error);
    reader->found.changed = reader->found.changed || !same;
    postgres_clear(reader->connection, &result);
    return status;
}

static rhei_status ask_snapshot(struct postgres_reader *reader, int64_t *horizon, int64_t deadline_ns,
                                struct rhei_error *error)
{
    PGresult *result = NULL;
    bool same = true;
    rhei_status status = RHEI_OK;
    if (!reader->asked)
        status = postgres_prepare(reader->connection, WHAT, STATE, SNAPSHOT, 0, NULL, deadline_ns, error);
    reader->asked = status == RHEI_OK;
    if (status == RHEI_OK)
        status = postgres_execute(reader->connection, WHAT, STATE, 0, NULL, deadline_ns, &result, error);
    if (status != RHEI_OK)
        return status;
    int64_t next = strtoll(postgres_cell(reader->connection, result, 0, 2), NULL, 10);
    *horizon = strtoll(postgres_cell(reader->connection, result, 0, 1), NULL, 10);
    reader->found.doubtful = reader->found.doubtful || (reader->known && next < reader->next_xid);
    reader->next_xid = next;
    status = remember(&reader->snapshot, postgres_cell(reader->connection, result, 0, 0), &same, error);
    reader->found.changed = reader->found.changed || !same;
    postgres_clear(reader->connection, &result);
    return status;
}

/* ALTER TABLE is a commit like others, so the catalogue is read when something was committed, but not each time. */
static rhei_status read_catalog(struct postgres_reader *reader, struct rhei_error *error)
{
    int64_t began_ns = base_now_ns();
    struct postgres_catalog *catalog = NULL;
    reader->list_doubtful = reader->list_doubtful || reader->found.changed;
    if (reader->catalog != NULL && (!reader->list_doubtful || began_ns < reader->list_from_ns))
        return RHEI_OK;
    rhei_status status =
        postgres_catalog_read(reader->connection, &reader->polling->wanted, soon(reader), &catalog, error);
    if (status != RHEI_OK)
        return status;
    int64_t took = (base_now_ns() - began_ns) * LIST_SHARE, least = INT64_C(1000000) * LIST_MS;
    reader->found.schema_changed =
        reader->found.schema_changed || reader->catalog == NULL || reader->catalog->shape != catalog->shape;
    postgres_catalog_free(&reader->catalog);
    reader->catalog = catalog;
    reader->list_doubtful = false;
    reader->list_from_ns = base_now_ns() + (took > least ? took : least);
    return RHEI_OK;
}

static void reader_renew(struct poll_reader *base)
{
    self(base)->list_doubtful = true;
    self(base)->list_from_ns = 0;
}

static rhei_status reader_begin(struct poll_reader *base, struct poll_state *state, struct rhei_error *error)
{
    struct postgres_reader *reader = self(base);
    int64_t deadline_ns = soon(reader), horizon = 0;
    rhei_status status = connect(reader, deadline_ns, error);
    if (status == RHEI_OK)
        status = ask_replayed(reader, deadline_ns, error);
    if (status == RHEI_OK)
        status = ask_snapshot(reader, &horizon, deadline_ns, error);
    if (status == RHEI_OK)
        status = read_catalog(reader, error);
    if (status != RHEI_OK)
        return settle(reader, status);
    *state = reader->found;
    state->doubtful = state->doubtful && !state->lost;
    state->changed = state->changed || state->doubtful || state->schema_changed;
    state->horizon = state->moment = horizon;
    reader->found = (struct poll_state){0};
    reader->known = true;
    return RHEI_OK;
}

/* V2. */
static rhei_status pin(struct postgres_reader *reader, struct rhei_error *error)
{
    if (reader->pinned)
        return RHEI_OK;
    rhei_status status =
        postgres_run(reader->connection, WHAT, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", soon(reader), error);
    reader->pinned = status == RHEI_OK;
    return status;
}

static void unpin(struct postgres_reader *reader)
{
    if (reader->connection != NULL)
        postgres_clear(reader->connection, &reader->result);
    if (reader->pinned)
        (void)settle(reader, postgres_run(reader->connection, WHAT, "ROLLBACK", soon(reader), NULL));
    reader->pinned = reader->cursor = false;
}

static void reader_end(struct poll_reader *base)
{
    postgres_copy_end(&self(base)->copy);
    unpin(self(base));
}

static rhei_status reader_tables(struct poll_reader *base, const struct poll_table **tables, size_t *count,
                                 struct rhei_error *error)
{
    struct postgres_reader *reader = self(base);
    rhei_status status = RHEI_OK;
    unpin(reader);
    if (reader->connection == NULL)
        status = error_set(error, RHEI_IO, "the connection was lost");
    if (status == RHEI_OK && reader->prepared_count > 0)
        status = postgres_run(reader->connection, WHAT, "DEALLOCATE ALL", soon(reader), error);
    if (status == RHEI_OK) {
        reader->asked = reader->asked && reader->prepared_count == 0;
        reader->prepared_count = 0;
        status = postgres_tables_read(reader->connection, reader->catalog, &reader->polling->config.wishes,
                                      soon(reader), &reader->tables, error);
    }
    *tables = reader->tables.list;
    *count = status == RHEI_OK ? reader->tables.count : 0;
    return settle(reader, status);
}

/* ---- What a page asks. ------------------------------------------------------------------------------------------- */

static const struct postgres_column *column_of(const struct postgres_reader *reader, size_t table, uint32_t column)
{
    return reader->tables.polled[table].columns[column];
}

static void put_from(const struct postgres_reader *reader, size_t table, struct base_buffer *sql)
{
    const struct postgres_polled *polled = &reader->tables.polled[table];
    base_buffer_text(sql, "SELECT ");
    for (uint32_t c = 0; c < reader->tables.list[table].definition.column_count; c++) {
        base_buffer_text(sql, c == 0 ? "" : ",");
        postgres_put_column(sql, polled->columns[c]);
    }
    base_buffer_text(sql, polled->table->kind == 'p' ? " FROM " : " FROM ONLY ");
    postgres_put_name(sql, polled->table->schema, polled->table->name);
}

static void put_keys(const struct postgres_reader *reader, size_t table, struct base_buffer *sql)
{
    const struct source_table *definition = &reader->tables.list[table].definition;
    for (uint32_t k = 0; k < definition->key_count; k++) {
        base_buffer_text(sql, k == 0 ? "" : ",");
        base_buffer_identifier(sql, column_of(reader, table, definition->key_columns[k])->name);
    }
}

/* "(stamp, key...) > ($1, $2...)" */
static void put_behind(const struct postgres_reader *reader, const struct poll_page *page, const char *stamp,
                       struct base_buffer *sql)
{
    uint32_t count = reader->tables.list[page->table].definition.key_count + (stamp != NULL);
    base_buffer_text(sql, "(");
    if (stamp != NULL) {
        base_buffer_identifier(sql, stamp);
        base_buffer_text(sql, ",");
    }
    put_keys(reader, page->table, sql);
    base_buffer_text(sql, ") > (");
    for (uint32_t i = 0; i < count; i++)
        base_buffer_format(sql, "%s$%u", i == 0 ? "" : ",", i + 1);
    base_buffer_text(sql, ")");
}

static bool from_null(const struct poll_page *page)
{
    return page->order == POLL_BY_STAMP && page->first && page->from[0].type == RHEI_NULL;
}

/* Of a page by stamp, or without one; how many values it takes before the number of rows. */
static uint32_t value_count(const struct postgres_reader *reader, const struct poll_page *page)
{
    if (page->first)
        return page->order == POLL_BY_STAMP && !from_null(page);
    return reader->tables.list[page->table].definition.key_count + (page->order == POLL_BY_STAMP);
}

static const struct postgres_column *value_column(const struct postgres_reader *reader, const struct poll_page *page,
                                                  uint32_t value)
{
    if (page->order == POLL_BY_STAMP && value == 0)
        return column_of(reader, page->table, page->stamp);
    return column_of(reader, page->table,
                     reader->tables.list[page->table].definition.key_columns[value - (page->order == POLL_BY_STAMP)]);
}

/* V3: what was written before a horizon needn't be told. */
static bool by_horizon(const struct postgres_reader *reader, const struct poll_page *page)
{
    return page->since != 0 && reader->next_xid - page->since < XIDS_MOST;
}

static char *page_sql(const struct postgres_reader *reader, const struct poll_page *page)
{
    const char *stamp = column_of(reader, page->table, page->stamp)->name;
    struct base_buffer sql = {0};
    put_from(reader, page->table, &sql);
    base_buffer_text(&sql, " WHERE ");
    if (page->order == POLL_WITHOUT_STAMP || page->first)
        base_buffer_identifier(&sql, stamp);
    if (page->order == POLL_WITHOUT_STAMP)
        base_buffer_text(&sql, page->first ? " IS NULL" : " IS NULL AND ");
    else if (page->first)
        base_buffer_text(&sql, from_null(page) ? " IS NOT NULL" : " >= $1");
    if (!page->first)
        put_behind(reader, page, page->order == POLL_BY_STAMP ? stamp : NULL, &sql);
    if (by_horizon(reader, page))
        base_buffer_format(&sql, " AND pg_catalog.age(xmin) <= (SELECT pg_catalog.age($%u))",
                           value_count(reader, page) + 2);
    base_buffer_text(&sql, " ORDER BY ");
    if (page->order == POLL_BY_STAMP) {
        base_buffer_identifier(&sql, stamp);
        base_buffer_text(&sql, ",");
    }
    put_keys(reader, page->table, &sql);
    base_buffer_format(&sql, " LIMIT $%u", value_count(reader, page) + 1);
    return base_buffer_take(&sql);
}

static void statement_name(unsigned number, char name[32])
{
    snprintf(name, 32, "rhei_%u", number);
}

/* The statement of such a page, by its name. */
static rhei_status statement_of(struct postgres_reader *reader, const struct poll_page *page, char name[32],
                                struct rhei_error *error)
{
    const struct prepared now = {page->table, page->stamp,     page->order,
                                 page->first, from_null(page), by_horizon(reader, page)};
    for (size_t i = 0; i < reader->prepared_count; i++) {
        const struct prepared *prepared = &reader->prepared[i];
        statement_name((unsigned)i, name);
        if (prepared->table == now.table && prepared->order == now.order && prepared->stamp == now.stamp &&
            prepared->first == now.first && prepared->from_null == now.from_null && prepared->since == now.since)
            return RHEI_OK;
    }
    name[0] = '\0'; /* those beyond are parsed anew each time */
    if (reader->prepared_count < STATEMENTS_MOST)
        statement_name((unsigned)reader->prepared_count, name);
    uint32_t types[POLL_KEYS_MOST + 3], count = value_count(reader, page);
    for (uint32_t i = 0; i < count; i++)
        types[i] = value_column(reader, page, i)->base;
    types[count] = INT8_TYPE;
    types[count + 1] = XID_TYPE;
    char *sql = page_sql(reader, page);
    rhei_status status = sql == NULL ? error_no_memory(error)
                                     : postgres_prepare(reader->connection, WHAT, name, sql, (int)count + 1 + now.since,
                                                        types, soon(reader), error);
    base_free(sql);
    if (status == RHEI_OK && name[0] != '\0')
        reader->prepared[reader->prepared_count++] = now;
    return status;
}

static rhei_status ask_page(struct postgres_reader *reader, const struct poll_page *page, struct rhei_error *error)
{
    const char *parameters[POLL_KEYS_MOST + 3];
    char name[32], most[24], since[16];
    uint32_t count = value_count(reader, page);
    snprintf(most, sizeof most, "%zu", page->most);
    snprintf(since, sizeof since, "%" PRIu32, (uint32_t)page->since);
    parameters[count] = most;
    parameters[count + 1] = since;
    for (uint32_t i = 0; i < count; i++)
        if (!postgres_parameter(value_column(reader, page, i)->form, &page->from[i], &reader->arena, &parameters[i]))
            return error_no_memory(error);
    rhei_status status = statement_of(reader, page, name, error);
    if (status != RHEI_OK)
        return status;
    return postgres_execute(reader->connection, WHAT, name, (int)count + 1 + by_horizon(reader, page), parameters,
                            INT64_MAX, &reader->result, error);
}

/* ---- All rows, or those of a horizon: what a cursor finds in one scan, without an order. --------------------------- */

static rhei_status open_cursor(struct postgres_reader *reader, const struct poll_page *page, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    if (reader->cursor)
        base_buffer_format(&sql, "CLOSE %s;", CURSOR);
    base_buffer_format(&sql, "DECLARE %s BINARY NO SCROLL CURSOR FOR ", CURSOR);
    put_from(reader, page->table, &sql);
    if (page->order == POLL_SINCE && by_horizon(reader, page))
        base_buffer_format(&sql, " WHERE pg_catalog.age(xmin) <= (SELECT pg_catalog.age('%" PRIu32 "'::xid))",
                           (uint32_t)page->since);
    rhei_status status =
        sql.failed ? error_no_memory(error) : postgres_run(reader->connection, WHAT, sql.data, INT64_MAX, error);
    base_buffer_reset(&sql);
    reader->cursor = status == RHEI_OK;
    return status;
}

/* V4. */
static rhei_status check_rewritten(struct postgres_reader *reader, size_t table, struct rhei_error *error)
{
    const struct postgres_table *from = reader->tables.polled[table].table;
    char sql[sizeof reader->changed];
    PGresult *result = NULL;
    snprintf(sql, sizeof sql, REWRITTEN, from->oid, from->oid, from->oid);
    rhei_status status = postgres_query(reader->connection, WHAT, sql, 0, NULL, soon(reader), &result, error);
    if (status == RHEI_OK && reader->connection->api->ntuples(result) > 0)
        status =
            error_set(error, RHEI_STALE, "the table %s was written anew or emptied while it was read", from->shown);
    postgres_clear(reader->connection, &result);
    return status;
}

static rhei_status ask_cursor(struct postgres_reader *reader, const struct poll_page *page, struct rhei_error *error)
{
    char sql[80];
    rhei_status status = page->first ? open_cursor(reader, page, error) : RHEI_OK;
    if (status == RHEI_OK && !reader->cursor)
        status = error_set(error, RHEI_IO, "the connection was lost");
    snprintf(sql, sizeof sql, "FETCH %zu FROM %s", page->most, CURSOR);
    if (status == RHEI_OK)
        status = postgres_query(reader->connection, WHAT, sql, 0, NULL, INT64_MAX, &reader->result, error);
    if (status == RHEI_OK && (size_t)reader->connection->api->ntuples(reader->result) < page->most)
        status = check_rewritten(reader, page->table, error);
    return status;
}

/* ---- What comes back. -------------------------------------------------------------------------------------------- */

/* Columns that were changed since the catalogue was read. */
static rhei_status check_columns(const struct postgres_reader *reader, size_t table, struct rhei_error *error)
{
    const struct postgres_api *api = reader->connection->api;
    const struct source_table *definition = &reader->tables.list[table].definition;
    bool same = api->nfields(reader->result) == (int)definition->column_count;
    for (uint32_t c = 0; c < definition->column_count && same; c++) {
        const struct postgres_column *column = column_of(reader, table, c);
        bool printed = column->form == POSTGRES_PRINTED;
        same = api->ftype(reader->result, (int)c) == (printed ? (uint32_t)TEXT_TYPE : column->base) &&
               (printed || api->fmod(reader->result, (int)c) == column->base_modifier);
    }
    return same ? RHEI_OK : error_set(error, RHEI_SQL, "its columns were changed");
}

static rhei_status take_rows(struct postgres_reader *reader, const struct poll_page *page, struct poll_rows *rows,
                             struct rhei_error *error)
{
    const struct postgres_api *api = reader->connection->api;
    uint32_t columns = reader->tables.list[page->table].definition.column_count;
    size_t count = (size_t)api->ntuples(reader->result);
    if (!base_grow((void **)&reader->values, &reader->value_capacity, columns * count + 1, sizeof *reader->values) ||
        !base_grow((void **)&reader->columns, &reader->column_capacity, columns + 1, sizeof *reader->columns))
        return error_no_memory(error);
    for (uint32_t c = 0; c < columns; c++) {
        const struct postgres_column *column = column_of(reader, page->table, c);
        struct rhei_value *values = reader->values + c * count;
        reader->columns[c] = values;
        for (int row = 0; row < (int)count; row++)
            if (api->getisnull(reader->result, row, (int)c))
                values[row] = (struct rhei_value){.type = RHEI_NULL};
            else if (!postgres_binary_value(column->form, api->getvalue(reader->result, row, (int)c),
                                            (size_t)api->getlength(reader->result, row, (int)c), &reader->arena,
                                            &values[row]))
                return error_set(error, RHEI_TYPE, "a value of its column %s isn't a %s", column->name,
                                 column->shown_type);
    }
    *rows = (struct poll_rows){count, reader->columns};
    return RHEI_OK;
}

/* What is wrong with one table is no reason to let the others wait; and what changed it is in the catalogue. */
static rhei_status blame_table(struct postgres_reader *reader, rhei_status status)
{
    switch (status) {
    case RHEI_OK:
    case RHEI_STALE:
    case RHEI_NO_MEMORY:
    case RHEI_IO:
    case RHEI_TIMEOUT:
    case RHEI_CANCELLED:
        return settle(reader, status);
    default:
        unpin(reader);
        reader->list_doubtful = true;
        reader->list_from_ns = 0;
        return status == RHEI_TYPE ? status : RHEI_SQL;
    }
}

static rhei_status reader_page(struct poll_reader *base, const struct poll_page *page, struct poll_rows *rows,
                               struct rhei_error *error)
{
    struct postgres_reader *reader = self(base);
    if (reader->connection == NULL)
        return error_set(error, RHEI_IO, "the connection was lost");
    postgres_clear(reader->connection, &reader->result);
    base_arena_clear(&reader->arena);
    bool scan = page->order == POLL_BY_KEY || page->order == POLL_SINCE;
    rhei_status status = pin(reader, error);
    if (status == RHEI_OK)
        status = scan ? ask_cursor(reader, page, error) : ask_page(reader, page, error);
    if (status == RHEI_OK)
        status = check_columns(reader, page->table, error);
    if (status == RHEI_OK)
        status = take_rows(reader, page, rows, error);
    return blame_table(reader, status);
}

static rhei_status reader_newest(struct poll_reader *base, size_t table, uint32_t stamp, size_t above,
                                 struct rhei_value *value, struct rhei_error *error)
{
    struct postgres_reader *reader = self(base);
    const struct postgres_polled *polled = &reader->tables.polled[table];
    const struct postgres_column *column = polled->columns[stamp];
    struct base_buffer sql = {0};
    *value = (struct rhei_value){0};
    if (reader->connection == NULL)
        return error_set(error, RHEI_IO, "the connection was lost");
    postgres_clear(reader->connection, &reader->result);
    base_arena_clear(&reader->arena);
    base_buffer_text(&sql, "SELECT ");
    postgres_put_column(&sql, column);
    base_buffer_text(&sql, polled->table->kind == 'p' ? " FROM " : " FROM ONLY ");
    postgres_put_name(&sql, polled->table->schema, polled->table->name);
    base_buffer_text(&sql, " WHERE ");
    base_buffer_identifier(&sql, column->name);
    base_buffer_text(&sql, " IS NOT NULL ORDER BY ");
    base_buffer_identifier(&sql, column->name);
    base_buffer_format(&sql, " DESC LIMIT 1 OFFSET %zu", above);
    rhei_status status = pin(reader, error);
    if (status == RHEI_OK)
        status = sql.failed ? error_no_memory(error)
                            : postgres_prepare(reader->connection, WHAT, "", sql.data, 0, NULL, INT64_MAX, error);
    base_buffer_reset(&sql);
    if (status == RHEI_OK)
        status = postgres_execute(reader->connection, WHAT, "", 0, NULL, INT64_MAX, &reader->result, error);
    if (status == RHEI_OK && reader->connection->api->ntuples(reader->result) == 1 &&
        !postgres_binary_value(column->form, postgres_cell(reader->connection, reader->result, 0, 0),
                               (size_t)reader->connection->api->getlength(reader->result, 0, 0), &reader->arena, value))
        status = error_set(error, RHEI_TYPE, "a value of its column %s isn't a %s", column->name, column->shown_type);
    return blame_table(reader, status);
}

/* ---- A load by several. ------------------------------------------------------------------------------------------ */

static bool is_worth_it(const struct postgres_polled *polled, uint32_t most)
{
    const struct postgres_table *table = polled->table;
    return table->leaf_count > 0 && (table->kind == 'r' || table->kind == 'p' || table->kind == 'm') &&
           (most > 1 || table->estimated_rows > FEW_ROWS);
}

/* V6. */
static rhei_status check_shape(struct postgres_reader *reader, const struct postgres_loading *loading,
                               const struct postgres_table *table, struct rhei_error *error)
{
    struct postgres_connection *checker = NULL;
    rhei_status status = postgres_connect(loading->target, false, loading->stop, soon(reader), &checker, error);
    if (status == RHEI_OK)
        status = postgres_load_check(loading, table, checker, soon(reader), error);
    postgres_disconnect(&checker);
    return status;
}

static rhei_status reader_split(struct poll_reader *base, size_t table, uint32_t most, uint32_t *parts,
                                struct rhei_error *error)
{
    struct postgres_reader *reader = self(base);
    const struct postgres_polled *polled = &reader->tables.polled[table];
    struct postgres_polling *polling = reader->polling;
    *parts = 0;
    if (!is_worth_it(polled, most))
        return RHEI_OK;
    if (reader->connection == NULL)
        return error_set(error, RHEI_IO, "the connection was lost");
    const struct postgres_loading loading = {&polling->config.target, &polling->stop, &polling->wanted,
                                             polling->config.log};
    const struct postgres_table *from = polled->table;
    snprintf(reader->changed, sizeof reader->changed, REWRITTEN, from->oid, from->oid, from->oid);
    const struct postgres_copy_plan plan = {.target = loading.target,
                                            .stop = loading.stop,
                                            .log = loading.log,
                                            .table = from,
                                            .columns = polled->columns,
                                            .column_count = reader->tables.list[table].definition.column_count,
                                            .holder = reader->connection,
                                            .changed = reader->changed};
    postgres_clear(reader->connection, &reader->result);
    rhei_status status = pin(reader, error);
    if (status == RHEI_OK)
        status = check_shape(reader, &loading, from, error);
    return status == RHEI_OK ? postgres_copy_begin(&plan, most, INT64_MAX, &reader->copy, parts, error) : status;
}

static rhei_status reader_part(struct poll_reader *base, uint32_t part, size_t most, struct poll_rows *rows,
                               struct rhei_error *error)
{
    struct postgres_rows *taken = NULL;
    rhei_status status = postgres_copy_next(self(base)->copy, part, most, &taken, error);
    if (status == RHEI_OK)
        *rows = (struct poll_rows){taken->count, (const struct rhei_value *const *)taken->values};
    return status;
}

/* ---- The rest. --------------------------------------------------------------------------------------------------- */

/* The cluster and the database in it: a restart, another timeline or a restored backup of it is found doubtful, and swept. */
static void reader_identity(const struct poll_reader *base, char word[POLL_IDENTITY])
{
    const struct postgres_reader *reader = (const struct postgres_reader *)base;
    (void)snprintf(word, POLL_IDENTITY, "%s", reader->identity == NULL ? "" : reader->identity);
}

static void reader_close(struct poll_reader **slot)
{
    struct postgres_reader *reader = *slot == NULL ? NULL : self(*slot);
    *slot = NULL;
    if (reader == NULL)
        return;
    postgres_copy_end(&reader->copy);
    disconnect(reader);
    postgres_tables_reset(&reader->tables);
    postgres_catalog_free(&reader->catalog);
    base_arena_reset(&reader->arena);
    base_free(reader->identity);
    base_free(reader->start);
    base_free(reader->snapshot);
    base_free(reader->replayed);
    base_free(reader->values);
    base_free(reader->columns);
    base_free(reader);
}

rhei_status postgres_reader_open(void *polling, struct poll_reader **reader, struct rhei_error *error)
{
    static const struct poll_reader_ops ops = {.begin = reader_begin,
                                               .renew = reader_renew,
                                               .end = reader_end,
                                               .tables = reader_tables,
                                               .page = reader_page,
                                               .newest = reader_newest,
                                               .split = reader_split,
                                               .part = reader_part,
                                               .identity = reader_identity,
                                               .close = reader_close};
    struct postgres_reader *made = base_alloc_zero(1, sizeof *made);
    *reader = NULL;
    if (made == NULL)
        return error_no_memory(error);
    made->base.ops = &ops;
    made->polling = polling;
    *reader = &made->base;
    return RHEI_OK;
}
