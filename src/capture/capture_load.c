/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The initial load of a table by several readers of one state.
 *
 * All readers begin; if no commit happened between before the first and after the last (the WAL index says so for every
 * process), they see the same state. Otherwise they try again, and after a few tries one reader does it alone. No
 * lock is taken, so no writer waits. How many readers there are is decided by the first one's state: a small table has one.
 *
 * The connections are kept for the next load, as each that is opened reads the whole schema. Once no load is known to follow,
 * they stay only where that schema is small: of 1,000 tables with their triggers it takes 50 MiB.
 */
#include <inttypes.h>
#include <string.h>

#include "capture/capture_source.h"

enum {
    LOAD_TRIES = 8,
    LOAD_MAX = 64,
    LOAD_BYTES_MAX = 4 * 1024 * 1024, /* of one batch */
    LOAD_SCHEMA_KEPT = 1024 * 1024,   /* a connection whose schema takes more isn't kept for later */
    LOAD_ROWS_EACH = 4096, /* rowids from the first to the last for which a further reader is worth its while */
    LOAD_WALK_SHARE = 8,   /* a walk over the pages takes such a part of the time in which one reader reads all rows */
};

struct source_loader {
    struct oltp_connection *connection;
    sqlite3_stmt *stmt;
    struct capture_batch *batch;
    struct base_arena arena;
    bool done;
    bool takes;     /* its rows come by load_take_row */
    char apart[64]; /* each loader's thread has its own cache lines */
};

struct source_load {
    struct oltp *oltp;
    struct oltp_schema *schema;
    const struct capture_table_schema *table;
    bool logged; /* the log's last row is the position */
    struct base_arena added;
    int64_t low, high; /* rowids, for several readers */
    uint32_t count;
    /* for the first reader, once it has no rows left: what counts them in another way. NULL: that is done */
    struct source_load_info *count_into;
    struct capture_source *watched; /* who may need the watch of that walk */
    struct source_loader loaders[LOAD_MAX];
};

static const struct capture_table_schema *load_find(struct oltp_schema *schema, uint32_t id)
{
    for (uint32_t i = 0; i < schema->catalog.table_count; i++)
        if (schema->tables[i].table.source.id == id)
            return &schema->tables[i];
    return NULL;
}

/* ---- Connections. ------------------------------------------------------------------------------------------------ */

static rhei_status load_take(struct oltp *oltp, struct oltp_connection **connection, struct rhei_error *error)
{
    base_mutex_lock(&capture_of(oltp)->loader_lock);
    *connection = capture_of(oltp)->free_loaders;
    if (*connection != NULL) {
        BASE_INVARIANT(capture_of(oltp)->free_loader_count > 0 && (*connection)->role == OLTP_SOURCE);
        capture_of(oltp)->free_loaders = (*connection)->next;
        capture_of(oltp)->free_loader_count--;
    }
    base_mutex_unlock(&capture_of(oltp)->loader_lock);
    return *connection != NULL ? RHEI_OK : oltp_connection_open(oltp, OLTP_SOURCE, connection, error);
}

static void load_give(struct oltp *oltp, struct oltp_connection **slot)
{
    struct oltp_connection *connection = *slot;
    if (connection == NULL)
        return;
    *slot = NULL;
    if (!sqlite3_get_autocommit(connection->db) && oltp_exec(connection, "ROLLBACK", NULL) != RHEI_OK) {
        oltp_connection_close(&connection);
        return;
    }
    base_mutex_lock(&capture_of(oltp)->loader_lock);
    bool keep = capture_of(oltp)->free_loader_count < CAPTURE_LOADERS_KEPT;
    if (keep) {
        BASE_INVARIANT(sqlite3_get_autocommit(connection->db) != 0); /* kept, it holds no snapshot */
        connection->next = capture_of(oltp)->free_loaders;
        capture_of(oltp)->free_loaders = connection;
        capture_of(oltp)->free_loader_count++;
        capture_of(oltp)->loaders_used = true;
    }
    base_mutex_unlock(&capture_of(oltp)->loader_lock);
    if (!keep)
        oltp_connection_close(&connection);
}

void capture_loaders_close(struct oltp *oltp, bool unused)
{
    base_mutex_lock(&capture_of(oltp)->loader_lock);
    struct oltp_connection *connection =
        unused && capture_of(oltp)->loaders_used ? NULL : capture_of(oltp)->free_loaders;
    if (connection != NULL) {
        capture_of(oltp)->free_loaders = NULL;
        capture_of(oltp)->free_loader_count = 0;
    }
    capture_of(oltp)->loaders_used = false;
    base_mutex_unlock(&capture_of(oltp)->loader_lock);
    while (connection != NULL) {
        struct oltp_connection *next = connection->next;
        oltp_connection_close(&connection);
        connection = next;
    }
}

/* The bytes that the connection's schema takes. Walks all of it. */
static int load_schema_bytes(struct oltp_connection *connection)
{
    int now = 0, most = 0;
    sqlite3_db_status(connection->db, SQLITE_DBSTATUS_SCHEMA_USED, &now, &most, 0);
    return now;
}

void capture_loaders_rest(struct oltp *oltp)
{
    struct oltp_connection *looked_at = NULL;
    base_mutex_lock(&capture_of(oltp)->loader_lock);
    looked_at = capture_of(oltp)->free_loaders;
    if (looked_at != NULL) {
        capture_of(oltp)->free_loaders = looked_at->next;
        capture_of(oltp)->free_loader_count--;
    }
    base_mutex_unlock(&capture_of(oltp)->loader_lock);
    if (looked_at == NULL)
        return;
    bool large = load_schema_bytes(looked_at) > LOAD_SCHEMA_KEPT;
    load_give(oltp, &looked_at);
    if (large) {
        capture_loaders_close(oltp, false);
        base_memory_trim();
    }
}

/* ---- One state for all. ------------------------------------------------------------------------------------------ */

/* Starts the reader's transaction; it has read something afterwards. */
static rhei_status load_pin(struct source_load *load, uint32_t i, int64_t *position, struct rhei_error *error)
{
    struct oltp_connection **connection = &load->loaders[i].connection;
    rhei_status status = *connection == NULL ? load_take(load->oltp, connection, error) : RHEI_OK;
    if (status == RHEI_OK && !sqlite3_get_autocommit((*connection)->db))
        status = oltp_exec(*connection, "ROLLBACK", error);
    if (status == RHEI_OK) {
        (*connection)->busy_deadline_ns = 0;
        status = oltp_exec(*connection, "BEGIN", error);
    }
    if (status == RHEI_OK) {
        status = oltp_query_int(*connection,
                                load->logged ? "SELECT max(seq) FROM main." OLTP_LOG " WHERE seq <= 1 << 62"
                                             : "SELECT count(*) FROM main.sqlite_schema",
                                0, position, error);
    }
    return status;
}

static rhei_status load_bounds(struct source_load *load, struct rhei_error *error)
{
    static const char *const functions[] = {"min", "max"};
    int64_t *const bounds[] = {&load->low, &load->high};
    rhei_status status = RHEI_OK;
    for (int i = 0; i < 2 && status == RHEI_OK; i++) {
        struct base_buffer sql = {0};
        base_buffer_format(&sql, "SELECT %s(%s) FROM main.", functions[i], load->table->rowid_name);
        base_buffer_identifier(&sql, load->table->table.source.name);
        status = sql.failed ? error_no_memory(error)
                            : oltp_query_int(load->loaders[0].connection, sql.data, i == 0 ? 0 : -1, bounds[i], error);
        base_buffer_reset(&sql);
    }
    return status;
}

/* How many of the `asked` readers the table is worth, by the first one's state. */
static rhei_status load_count(struct source_load *load, uint32_t asked, struct rhei_error *error)
{
    const struct source_table *source = &load->table->table.source;
    load->count = 1;
    if (source->without_rowid || load->table->rowid_name == NULL || asked <= 1)
        return RHEI_OK;
    rhei_status status = load_bounds(load, error);
    uint64_t span = load->low > load->high ? 0 : (uint64_t)load->high - (uint64_t)load->low;
    uint64_t worth = span / LOAD_ROWS_EACH + 1;
    load->count = asked < LOAD_MAX ? asked : LOAD_MAX;
    if (worth < load->count)
        load->count = (uint32_t)worth;
    return status;
}

static rhei_status load_pin_all(struct source_load *load, uint32_t asked, int64_t *position, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    bool blind = load->oltp->wal_index == NULL;
    for (int tries = 0; status == RHEI_OK; tries++) {
        uint64_t before = oltp_commit_token(load->oltp);
        status = load_pin(load, 0, position, error);
        if (status == RHEI_OK)
            status = load_count(load, blind || tries == LOAD_TRIES ? 1 : asked, error);
        for (uint32_t i = 1; i < load->count && status == RHEI_OK; i++)
            status = load_pin(load, i, position, error);
        if (load->count == 1 || before == oltp_commit_token(load->oltp))
            break;
    }
    for (uint32_t i = load->count; i < LOAD_MAX; i++) /* an earlier try wanted more */
        load_give(load->oltp, &load->loaders[i].connection);
    return status;
}

/* ---- Reading. ---------------------------------------------------------------------------------------------------- */

/*
 * The rows are handed over by a function that is called with all columns of each: asked for one by one they cost a third more.
 */
#define LOAD_TAKE "_rhei_take"

static void load_take_row(sqlite3_context *context, int count, sqlite3_value **cells)
{
    struct source_loader *loader = sqlite3_user_data(context);
    if ((uint32_t)count != loader->batch->columns || !capture_batch_put_row(loader->batch, cells, &loader->arena))
        sqlite3_result_error_nomem(context);
}

static void load_take_none(struct source_loader *loader)
{
    if (loader->takes)
        sqlite3_create_function_v2(loader->connection->db, LOAD_TAKE, -1, SQLITE_UTF8, NULL, NULL, NULL, NULL, NULL);
    loader->takes = false;
}

/* Texts in UTF-16 are looked at before they are taken, and a function has only so many arguments. */
static bool load_may_take(const struct source_load *load, const struct source_loader *loader)
{
    int most = sqlite3_limit(loader->connection->db, SQLITE_LIMIT_FUNCTION_ARG, -1);
    return !loader->connection->utf16 && load->table->table.source.column_count <= (uint32_t)most;
}

static rhei_status load_prepare(struct source_load *load, struct source_loader *loader, bool ranged, int64_t low,
                                int64_t high, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    int made = load_may_take(load, loader)
                   ? sqlite3_create_function_v2(loader->connection->db, LOAD_TAKE, -1, SQLITE_UTF8 | SQLITE_DIRECTONLY,
                                                loader, load_take_row, NULL, NULL, NULL)
                   : SQLITE_ERROR;
    loader->takes = made == SQLITE_OK;
    capture_batch_select_by(load->table, loader->takes ? LOAD_TAKE : NULL, &sql);
    if (ranged) {
        base_buffer_format(&sql, " WHERE %s BETWEEN ?1 AND ?2 ORDER BY %s", load->table->rowid_name,
                           load->table->rowid_name);
    }
    int rc = sql.failed ? SQLITE_NOMEM : sqlite3_prepare_v2(loader->connection->db, sql.data, -1, &loader->stmt, NULL);
    base_buffer_reset(&sql);
    if (rc == SQLITE_OK && ranged) {
        sqlite3_bind_int64(loader->stmt, 1, low);
        sqlite3_bind_int64(loader->stmt, 2, high);
    }
    if (rc != SQLITE_OK)
        return oltp_sqlite_error(loader->connection, rc, "initial load", error);
    return capture_batch_new(load->table, false, &loader->batch, error);
}

static rhei_status load_prepare_all(struct source_load *load, struct rhei_error *error)
{
    bool ranged = load->count > 1;
    int64_t low = load->low, high = load->high;
    rhei_status status = RHEI_OK;
    /* the first one has fewer rows, as it has the pages to walk over */
    uint64_t span = (uint64_t)high - (uint64_t)low, walk = ranged ? span / LOAD_WALK_SHARE : 0;
    uint64_t share = span / load->count + walk / load->count, next = share > walk ? share - walk : 0;
    for (uint32_t i = 0; i < load->count && status == RHEI_OK; i++) {
        bool last = i + 1 == load->count;
        int64_t from = (int64_t)((uint64_t)low + (i == 0 ? 0 : next + share * (i - 1)));
        int64_t to = last ? high : (int64_t)((uint64_t)low + next + share * i - 1);
        bool empty = ranged && (low > high || (!last && (i == 0 ? next : share) == 0));
        status = load_prepare(load, &load->loaders[i], ranged, from, to, error);
        load->loaders[i].done = empty;
    }
    return status;
}

/*
 * All rows of the table's own b-tree. In a damaged file, loaders that seek to the begin of their parts may find ends where there
 * are none; a walk over all pages says that the file is damaged, or counts what the loaders must find. The watch's own walk
 * is one, where this load begins one.
 */
static rhei_status load_count_rows(struct source_load *load, int64_t *rows, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, "SELECT count(*) FROM main.");
    base_buffer_identifier(&sql, load->table->table.source.name);
    base_buffer_text(&sql, " NOT INDEXED");
    rhei_status status =
        sql.failed ? error_no_memory(error) : oltp_query_int(load->loaders[0].connection, sql.data, 0, rows, error);
    base_buffer_reset(&sql);
    return status;
}

static rhei_status load_check_schema(struct source_load *load, struct rhei_error *error)
{
    int64_t cookie = 0;
    rhei_status status = oltp_query_int(load->loaders[0].connection, "PRAGMA main.schema_version", 0, &cookie, error);
    if (status == RHEI_OK && cookie != load->schema->cookie)
        return error_set(error, RHEI_STALE, "the schema changed while the load began: try again");
    return status;
}

/* Of rows that are no change's the log has few, each at its end once. Where it has no other, what was before them is forgotten. */
static const char load_last_change[] =
    "SELECT ifnull((SELECT seq FROM main." OLTP_LOG " WHERE op <> 'P' AND seq <= 1 << 62 ORDER BY seq DESC LIMIT 1), "
    "ifnull((SELECT min(seq) - 1 FROM main." OLTP_LOG "), 0))";

/* For who goes on with versions of before a column came. */
static rhei_status load_added(struct source_load *load, struct source_load_info *info, struct rhei_error *error)
{
    const struct oltp_config *config = &load->oltp->config;
    if (config->keeps_versions == NULL ||
        !config->keeps_versions(config->versions_context, load->table->table.source.name))
        return RHEI_OK;
    return capture_added_values(load->table, &load->added, &info->added) ? RHEI_OK : error_no_memory(error);
}

static rhei_status load_open(struct oltp *oltp, uint32_t id, uint32_t loaders, bool logged, struct source_load **result,
                             struct source_load_info *info, struct rhei_error *error)
{
    *result = NULL;
    struct source_load *load = base_alloc_zero(1, sizeof *load);
    if (load == NULL)
        return error_no_memory(error);
    load->oltp = oltp;
    load->logged = logged;
    rhei_status status = capture_schema_take(oltp, &load->schema, error);
    if (status == RHEI_OK) {
        load->table = id == 0 ? NULL : load_find(load->schema, id);
        if (load->table == NULL)
            status = error_set(error, RHEI_STALE, "table version %u is not there any more: its columns changed", id);
    }
    if (status == RHEI_OK)
        status = load_pin_all(load, loaders, &info->position, error);
    if (status == RHEI_OK)
        status = load_check_schema(load, error);
    if (status == RHEI_OK && logged)
        status = oltp_query_int(load->loaders[0].connection, load_last_change, 0, &info->told, error);
    if (status == RHEI_OK)
        status = load_added(load, info, error);
    if (status == RHEI_OK)
        status = load_prepare_all(load, error);
    if (status != RHEI_OK) {
        capture_load_end(&load);
        return status;
    }
    info->loader_count = load->count;
    *result = load;
    return RHEI_OK;
}

/* In the first reader's state and on its connection. */
static rhei_status load_count_now(struct source_load *load, struct rhei_error *error)
{
    struct source_load_info *info = load->count_into;
    load->count_into = NULL;
    capture_source_watch_start(load->watched, load->loaders[0].connection, info->position,
                               load->table->table.source.name, &info->rows);
    return info->rows < 0 ? load_count_rows(load, &info->rows, error) : RHEI_OK;
}

rhei_status capture_load_begin(struct change_source *base, uint32_t id, uint32_t loaders, struct source_load **result,
                               struct source_load_info *info, struct rhei_error *error)
{
    struct capture_source *source = (struct capture_source *)base;
    rhei_status status = load_open(source->oltp, id, loaders, true, result, info, error);
    info->rows = -1;
    if (status == RHEI_OK) {
        (*result)->count_into = info;
        (*result)->watched = source;
    }
    if (status == RHEI_OK && (*result)->count == 1) /* nobody reads meanwhile */
        status = load_count_now(*result, error);
    if (status != RHEI_OK)
        capture_load_end(result);
    return status;
}

rhei_status capture_load_open(struct oltp *oltp, uint32_t id, uint32_t loaders, bool logged,
                              struct source_load **result, struct source_load_info *info, struct rhei_error *error)
{
    rhei_status status = load_open(oltp, id, loaders, logged, result, info, error);
    if (status == RHEI_OK)
        status = load_count_rows(*result, &info->rows, error);
    if (status != RHEI_OK)
        capture_load_end(result);
    return status;
}

static bool load_put_row(struct source_loader *loader)
{
    struct capture_batch *batch = loader->batch;
    bool ok = capture_batch_reserve(batch, batch->count + 1);
    for (uint32_t i = 0; ok && i < batch->columns; i++)
        ok = capture_batch_put(batch, i, loader->stmt, (int)i, loader->connection->utf16, &loader->arena);
    batch->count += ok;
    return ok;
}

rhei_status capture_load_next(struct source_load *load, uint32_t number, size_t max_rows,
                              const struct change_batch **result, struct rhei_error *error)
{
    BASE_INVARIANT(number < load->count);
    struct source_loader *loader = &load->loaders[number];
    struct capture_batch *batch = loader->batch;
    *result = NULL;
    base_arena_clear(&loader->arena);
    batch->count = 0;
    while (!loader->done && batch->count < max_rows && loader->arena.total < LOAD_BYTES_MAX) {
        int rc = sqlite3_step(loader->stmt);
        if (rc != SQLITE_ROW) {
            loader->done = true;
            if (rc != SQLITE_DONE)
                return oltp_sqlite_error(loader->connection, rc, "initial load", error);
            break;
        }
        if (!loader->takes && !load_put_row(loader))
            return error_no_memory(error);
    }
    if (batch->count > 0) {
        *result = capture_batch_view(batch);
        return RHEI_OK;
    }
    return number == 0 && load->count_into != NULL ? load_count_now(load, error) : RHEI_OK;
}

void capture_load_end(struct source_load **slot)
{
    struct source_load *load = *slot;
    if (load == NULL)
        return;
    *slot = NULL;
    for (uint32_t i = 0; i < LOAD_MAX; i++) {
        struct source_loader *loader = &load->loaders[i];
        sqlite3_finalize(loader->stmt);
        load_take_none(loader);
        capture_batch_free(&loader->batch);
        base_arena_reset(&loader->arena);
        load_give(load->oltp, &loader->connection);
    }
    base_arena_reset(&load->added);
    capture_schema_release(load->schema);
    base_free(load);
}

void capture_loads_rest(struct change_source *base)
{
    capture_loaders_rest(((struct capture_source *)base)->oltp);
}
