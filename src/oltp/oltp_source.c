/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change log as a change source: a connection of its own, one read transaction a cycle.
 *
 * S1. A cycle sees one snapshot: log, tables and schema are of one state, and position is the log's last row in it.
 * S2. The log has no gaps (its numbers are given one by one inside transactions, and only its oldest rows are ever taken
 *     away), so the first row after `after` must be after + 1; anything else means that changes are lost.
 * S3. Rows of a table number that is not current are skipped: such a table is rebuilt.
 * S4. 'K' means "look again": the key's row as the snapshot has it, or its absence. That is right because the cycle takes
 *     everything up to that snapshot: whatever happened to the key in between is in the log too.
 * S5. A schema change shows itself as a re-preparation of the position statement; nothing is asked otherwise.
 */
#include "oltp/oltp_source.h"

#include <string.h>

enum {
    SOURCE_NEAR = 32,
    SOURCE_BYTES_MAX = 64 * 1024 * 1024,
    SOURCE_TRIES = 20,
    SOURCE_REGISTER_NS = 20 * 1000 * 1000
};

static struct oltp_source *source_of(struct change_source *source)
{
    return (struct oltp_source *)source;
}

static rhei_status source_prepare(struct oltp_source *source, const char *sql, sqlite3_stmt **stmt,
                                  struct rhei_error *error)
{
    int rc = sqlite3_prepare_v3(source->connection->db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
    return rc == SQLITE_OK ? RHEI_OK : oltp_sqlite_error(source->connection, rc, "change log", error);
}

static rhei_status source_step(struct oltp_source *source, sqlite3_stmt *stmt, struct rhei_error *error)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        return RHEI_ROW;
    }
    return rc == SQLITE_DONE ? RHEI_DONE : oltp_sqlite_error(source->connection, rc, "change log", error);
}

static rhei_status source_run(struct oltp_source *source, sqlite3_stmt *stmt, struct rhei_error *error)
{
    rhei_status status = source_step(source, stmt, error);
    sqlite3_reset(stmt);
    return status == RHEI_DONE || status == RHEI_ROW ? RHEI_OK : status;
}

/* ---- What the schema decides. ------------------------------------------------------------------------------------ */

static void source_drop_tables(struct oltp_source *source)
{
    for (uint32_t i = 0; i < source->batch_count; i++) {
        oltp_batch_free(&source->batches[i]);
    }
    base_free(source->batches);
    base_free(source->by_id);
    base_free(source->ready);
    base_free(source->listed);
    base_free(source->order);
    source->order = NULL;
    source->batches = NULL;
    source->by_id = NULL;
    source->ready = NULL;
    source->listed = NULL;
    source->batch_count = 0;
    source->by_id_count = 0;
    sqlite3_finalize(source->log);
    sqlite3_finalize(source->far);
    source->log = NULL;
    source->far = NULL;
    oltp_schema_release(source->schema);
    source->schema = NULL;
}

static rhei_status source_prepare_columns(struct oltp_source *source, const char *head, uint32_t from, uint32_t to,
                                          const char *tail, sqlite3_stmt **stmt, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, head);
    for (uint32_t i = from; i <= to; i++) {
        base_buffer_format(&sql, "%sc%u", i == from ? "" : ",", i);
    }
    base_buffer_text(&sql, tail);
    rhei_status status = sql.failed ? error_no_memory(error) : source_prepare(source, sql.data, stmt, error);
    base_buffer_reset(&sql);
    return status;
}

/* A wide table's rows cost a second look each, so that they don't make every other table's rows slow. */
static rhei_status source_prepare_log(struct oltp_source *source, uint32_t width, struct rhei_error *error)
{
    width = width == 0 ? 1 : width; /* no table yet: any column */
    source->near = width < SOURCE_NEAR ? width : SOURCE_NEAR;
    rhei_status status =
        source_prepare_columns(source, "SELECT seq,time,op,tab,", 1, source->near,
                               " FROM main." OLTP_LOG " WHERE seq > ?1 ORDER BY seq", &source->log, error);
    if (status == RHEI_OK && width > source->near) {
        status = source_prepare_columns(source, "SELECT ", source->near + 1, width,
                                        " FROM main." OLTP_LOG " WHERE seq = ?1", &source->far, error);
    }
    return status;
}

/* Takes the reference of `schema`. */
static rhei_status source_use_schema(struct oltp_source *source, struct oltp_schema *schema, struct rhei_error *error)
{
    source_drop_tables(source);
    source->schema = schema;
    uint32_t width = 0, count = schema->catalog.table_count, last = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct source_table *table = &schema->tables[i].table.source;
        if (table->id != 0) {
            width = table->column_count > width ? table->column_count : width;
            last = table->id > last ? table->id : last;
        }
    }
    source->batches = base_alloc_zero((size_t)count + 1, sizeof *source->batches);
    source->ready = base_alloc_zero((size_t)count + 1, sizeof *source->ready);
    source->listed = base_alloc_zero((size_t)count + 1, sizeof *source->listed);
    source->order = base_alloc_zero((size_t)count + 1, sizeof(*source->order));
    source->by_id = base_alloc_zero((size_t)last + 1, sizeof(*source->by_id));
    if (source->batches == NULL || source->ready == NULL || source->by_id == NULL || source->listed == NULL ||
        source->order == NULL) {
        return error_no_memory(error);
    }
    source->by_id_count = last + 1;
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < count && status == RHEI_OK; i++) {
        const struct oltp_table_schema *table = &schema->tables[i];
        source->listed[i] = table->table.source;
        if (table->table.source.id != 0) {
            struct oltp_batch **slot = &source->batches[source->batch_count];
            status = oltp_batch_new(table, true, slot, error);
            if (status == RHEI_OK) {
                source->by_id[table->table.source.id] = *slot;
                source->batch_count++;
            }
        }
    }
    return status == RHEI_OK ? source_prepare_log(source, width, error) : status;
}

static rhei_status source_check_file(struct oltp_source *source, struct change_cycle *cycle, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    char id[64] = "";
    rhei_status status =
        source_prepare(source, "SELECT value FROM main._rhei_meta WHERE key='database_id'", &stmt, error);
    if (status == RHEI_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        strncpy(id, text == NULL ? "" : text, sizeof id - 1);
    }
    sqlite3_finalize(stmt);
    if (source->database_id[0] != '\0' && strcmp(source->database_id, id) != 0) {
        cycle->lost = true; /* another file took its place */
    }
    memcpy(source->database_id, id, sizeof id);
    return status;
}

/* ---- Cycle. ------------------------------------------------------------------------------------------------------ */

static void source_end(struct change_source *base)
{
    struct oltp_source *source = source_of(base);
    if (source->log != NULL) {
        sqlite3_reset(source->log);
        sqlite3_reset(source->far);
    }
    for (uint32_t i = 0; i < source->batch_count; i++) {
        if (source->batches[i]->look != NULL) {
            sqlite3_reset(source->batches[i]->look);
        }
    }
    source->row_waits = false;
    if (!sqlite3_get_autocommit(source->connection->db)) {
        source_run(source, source->commit, NULL);
    }
}

/* Starts the read transaction; *known: its schema is the one that we use or one that the handle knows. */
static rhei_status source_pin(struct oltp_source *source, int64_t *position, bool *known, struct change_cycle *cycle,
                              struct rhei_error *error)
{
    rhei_status status = source_run(source, source->start, error);
    if (status == RHEI_OK) {
        status = source_step(source, source->last, error);
    }
    if (status != RHEI_ROW) {
        sqlite3_reset(source->last);
        return status == RHEI_DONE ? error_set(error, RHEI_INTERNAL, "the change log has no last row") : status;
    }
    *position = sqlite3_column_int64(source->last, 0);
    sqlite3_reset(source->last);
    bool remade = sqlite3_stmt_status(source->last, SQLITE_STMTSTATUS_REPREPARE, 1) != 0;
    *known = source->schema != NULL && !remade && !source->recheck;
    if (*known) {
        return RHEI_OK;
    }
    source->recheck = true; /* until it is settled, also after an error */
    int64_t cookie = 0;
    status = oltp_query_int(source->connection, "PRAGMA main.schema_version", 0, &cookie, error);
    if (status != RHEI_OK) {
        return status;
    }
    struct oltp_schema *schema = NULL;
    base_mutex_lock(&source->oltp->schema_lock);
    if (source->oltp->schema->cookie == cookie) {
        schema = source->oltp->schema;
        atomic_fetch_add_explicit(&schema->references, 1, memory_order_relaxed);
    }
    base_mutex_unlock(&source->oltp->schema_lock);
    if (schema == NULL) {
        return RHEI_OK;
    }
    status = source_use_schema(source, schema, error);
    if (status == RHEI_OK) {
        status = source_check_file(source, cycle, error);
    }
    cycle->schema_changed = true;
    *known = status == RHEI_OK;
    source->recheck = status != RHEI_OK;
    return status;
}

static rhei_status source_first_row(struct oltp_source *source, int64_t after, struct change_cycle *cycle,
                                    struct rhei_error *error)
{
    source->drained = true;
    if (cycle->position <= after) {
        cycle->lost |= cycle->position < after;
        return RHEI_OK;
    }
    sqlite3_bind_int64(source->log, 1, after);
    rhei_status status = source_step(source, source->log, error);
    if (status != RHEI_ROW) {
        return status == RHEI_DONE ? RHEI_OK : status;
    }
    source->row_waits = true;
    source->drained = false;
    if (sqlite3_column_int64(source->log, 0) != after + 1) {
        cycle->lost = true;
    }
    return RHEI_OK;
}

static rhei_status source_begin(struct change_source *base, int64_t after, struct change_cycle *cycle, uint64_t *token,
                                struct rhei_error *error)
{
    struct oltp_source *source = source_of(base);
    *cycle = (struct change_cycle){.position = after};
    source->connection->busy_deadline_ns = 0;
    rhei_status status = RHEI_OK;
    bool known = false;
    for (int tries = 0; status == RHEI_OK && !known; tries++) {
        if (token != NULL) {
            *token = oltp_commit_token(source->oltp);
        }
        status = source_pin(source, &cycle->position, &known, cycle, error);
        if (status == RHEI_OK && !known) {
            source_end(base);
            status = tries < SOURCE_TRIES ? oltp_schema_refresh(source->oltp, error)
                                          : error_set(error, RHEI_BUSY, "the schema keeps changing");
        }
    }
    if (status == RHEI_OK) {
        status = source_first_row(source, after, cycle, error);
    }
    if (status != RHEI_OK) {
        source_end(base);
        return status;
    }
    atomic_store_explicit(&source->oltp->engine_position, after, memory_order_relaxed);
    return RHEI_OK;
}

/* ---- Rows. ------------------------------------------------------------------------------------------------------- */

/* Where value column `column` of the log's current row is. */
static sqlite3_stmt *source_cell(const struct oltp_source *source, uint32_t column, int *at)
{
    bool far = column >= source->near;
    *at = far ? (int)(column - source->near) : 4 + (int)column;
    return far ? source->far : source->log;
}

static rhei_status source_fetch_far(struct oltp_source *source, const struct oltp_batch *batch,
                                    struct rhei_error *error)
{
    if (batch->columns <= source->near) {
        return RHEI_OK;
    }
    sqlite3_reset(source->far);
    sqlite3_bind_int64(source->far, 1, sqlite3_column_int64(source->log, 0));
    rhei_status status = source_step(source, source->far, error);
    return status == RHEI_ROW    ? RHEI_OK
           : status == RHEI_DONE ? error_set(error, RHEI_INTERNAL, "a row of the change log is not there twice")
                                 : status;
}

static rhei_status source_put_logged(struct oltp_source *source, struct oltp_batch *batch, struct rhei_error *error)
{
    for (uint32_t i = 0; i < batch->columns; i++) {
        int at;
        sqlite3_stmt *stmt = source_cell(source, i, &at);
        if (!oltp_batch_put(batch, i, stmt, at, source->connection->utf16, &source->arena)) {
            return error_no_memory(error);
        }
    }
    return RHEI_OK;
}

static rhei_status source_put_looked(struct oltp_source *source, struct oltp_batch *batch, struct rhei_error *error)
{
    for (uint32_t i = 0; i < batch->columns; i++) {
        if (!oltp_batch_put(batch, i, batch->look, (int)i, source->connection->utf16, &source->arena)) {
            return error_no_memory(error);
        }
    }
    return RHEI_OK;
}

static rhei_status source_put_key(struct oltp_source *source, struct oltp_batch *batch, struct rhei_error *error)
{
    const struct source_table *table = &batch->table->table.source;
    for (uint32_t i = 0; i < batch->columns; i++) {
        batch->values[i][batch->count] = (struct rhei_value){.type = RHEI_NULL};
    }
    for (uint32_t i = 0; i < table->key_count; i++) {
        int at;
        sqlite3_stmt *stmt = source_cell(source, table->key_columns[i], &at);
        if (!oltp_batch_put(batch, table->key_columns[i], stmt, at, source->connection->utf16, &source->arena)) {
            return error_no_memory(error);
        }
    }
    return RHEI_OK;
}

static rhei_status source_prepare_look(struct oltp_source *source, struct oltp_batch *batch, struct rhei_error *error)
{
    const struct source_table *table = &batch->table->table.source;
    struct base_buffer sql = {0};
    oltp_batch_select(batch->table, &sql);
    for (uint32_t i = 0; i < table->key_count; i++) {
        const struct source_column *column = &table->columns[table->key_columns[i]];
        base_buffer_text(&sql, i == 0 ? " WHERE " : " AND ");
        if (column->is_rowid) {
            base_buffer_text(&sql, batch->table->rowid_name);
        } else {
            base_buffer_identifier(&sql, column->name);
        }
        base_buffer_format(&sql, " = ?%u", i + 1);
    }
    rhei_status status = sql.failed ? error_no_memory(error) : source_prepare(source, sql.data, &batch->look, error);
    base_buffer_reset(&sql);
    return status;
}

static bool source_same_value(sqlite3_stmt *log, int column, sqlite3_stmt *row, int from)
{
    if (sqlite3_column_type(log, column) != sqlite3_column_type(row, from)) {
        return false;
    }
    switch (sqlite3_column_type(log, column)) {
    case SQLITE_INTEGER:
        return sqlite3_column_int64(log, column) == sqlite3_column_int64(row, from);
    case SQLITE_FLOAT: {
        double a = sqlite3_column_double(log, column), b = sqlite3_column_double(row, from);
        return memcmp(&a, &b, sizeof a) == 0; /* 0.0 is another key than -0.0 */
    }
    case SQLITE_NULL:
        return true;
    default: {
        const void *a = sqlite3_column_blob(log, column), *b = sqlite3_column_blob(row, from);
        int len = sqlite3_column_bytes(log, column);
        return len == sqlite3_column_bytes(row, from) && (len == 0 || memcmp(a, b, (size_t)len) == 0);
    }
    }
}

/* The row of the logged key as it is now; *found is false if there is none of exactly that key. */
static rhei_status source_look(struct oltp_source *source, struct oltp_batch *batch, bool *found,
                               struct rhei_error *error)
{
    const struct source_table *table = &batch->table->table.source;
    rhei_status status = batch->look == NULL ? source_prepare_look(source, batch, error) : RHEI_OK;
    *found = false;
    if (status != RHEI_OK) {
        return status;
    }
    sqlite3_reset(batch->look);
    for (uint32_t i = 0; i < table->key_count; i++) {
        int at;
        sqlite3_stmt *stmt = source_cell(source, table->key_columns[i], &at);
        sqlite3_bind_value(batch->look, (int)i + 1, sqlite3_column_value(stmt, at));
    }
    status = source_step(source, batch->look, error);
    *found = status == RHEI_ROW;
    for (uint32_t i = 0; i < table->key_count && *found; i++) {
        int at;
        sqlite3_stmt *stmt = source_cell(source, table->key_columns[i], &at);
        *found = source_same_value(stmt, at, batch->look, (int)table->key_columns[i]);
    }
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

static rhei_status source_add(struct oltp_source *source, struct oltp_batch *batch, char op, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    bool found = false;
    uint8_t kind = CHANGE_UPSERT;
    if (!oltp_batch_reserve(batch, batch->count + 1)) {
        return error_no_memory(error);
    }
    status = source_fetch_far(source, batch, error);
    if (status == RHEI_OK && op == 'K') {
        status = source_look(source, batch, &found, error);
    }
    if (status != RHEI_OK) {
        return status;
    }
    if (op == 'I' || op == 'U') {
        status = source_put_logged(source, batch, error);
    } else if (found) {
        status = source_put_looked(source, batch, error);
    } else {
        status = source_put_key(source, batch, error);
        kind = CHANGE_DELETE;
        batch->plain = false;
    }
    batch->op[batch->count] = kind;
    batch->seq[batch->count] = sqlite3_column_int64(source->log, 0);
    batch->time_ms[batch->count] = (int64_t)((sqlite3_column_double(source->log, 1) - 2440587.5) * 86400000.0 + 0.5);
    if (status == RHEI_OK) {
        batch->count++;
    }
    if (op == 'K' && batch->look != NULL) {
        sqlite3_reset(batch->look);
    }
    return status;
}

static rhei_status source_take_row(struct oltp_source *source, struct rhei_error *error)
{
    int64_t id = sqlite3_column_int64(source->log, 3);
    struct oltp_batch *batch = id > 0 && id < (int64_t)source->by_id_count ? source->by_id[id] : NULL;
    if (batch == NULL) {
        return RHEI_OK;
    }
    if (!batch->listed) {
        batch->listed = true;
        batch->count = 0;
        batch->plain = true;
        source->order[source->ready_count++] = batch;
    }
    const unsigned char *op = sqlite3_column_text(source->log, 2);
    return source_add(source, batch, op == NULL ? '?' : (char)op[0], error);
}

static rhei_status source_next(struct change_source *base, size_t max_rows, const struct change_batch **batches,
                               size_t *count, struct rhei_error *error)
{
    struct oltp_source *source = source_of(base);
    rhei_status status = RHEI_OK;
    size_t rows = 0;
    *count = 0;
    oltp_arena_clear(&source->arena);
    source->ready_count = 0;
    /* rows that nobody wants don't end a call: count = 0 means that all were delivered */
    while (status == RHEI_OK && !source->drained &&
           (source->ready_count == 0 || (rows < max_rows && source->arena.total < SOURCE_BYTES_MAX))) {
        if (!source->row_waits) {
            status = source_step(source, source->log, error);
            if (status != RHEI_ROW) {
                source->drained = true;
                status = status == RHEI_DONE ? RHEI_OK : status;
                break;
            }
        }
        source->row_waits = false;
        status = source_take_row(source, error);
        rows++;
    }
    for (uint32_t i = 0; i < source->ready_count; i++) {
        source->ready[i] = *oltp_batch_view(source->order[i]);
        source->order[i]->listed = false;
    }
    if (status == RHEI_OK) {
        *batches = source->ready;
        *count = source->ready_count;
    }
    return status;
}

/* ---- The socket. ------------------------------------------------------------------------------------------------- */

static bool source_may_have_changes(struct change_source *base, uint64_t token)
{
    struct oltp *oltp = source_of(base)->oltp;
    if (oltp->wal_index == NULL && oltp->config.read_only) {
        return true; /* no way to know without asking */
    }
    return oltp_commit_token(oltp) != token;
}

static rhei_status source_tables(struct change_source *base, const struct source_table **tables, size_t *count,
                                 struct rhei_error *error)
{
    struct oltp_source *source = source_of(base);
    if (source->schema == NULL) {
        return error_set(error, RHEI_INTERNAL, "tables() was called outside a cycle");
    }
    *tables = source->listed;
    *count = source->schema->catalog.table_count;
    return RHEI_OK;
}

static void source_close(struct change_source **base)
{
    *base = NULL; /* the handle's own */
}

static const struct change_source_ops source_ops = {
    .name = "sqlite log",
    .may_have_changes = source_may_have_changes,
    .begin = source_begin,
    .next = source_next,
    .end = source_end,
    .tables = source_tables,
    .load_begin = oltp_load_begin,
    .load_next = oltp_load_next,
    .load_end = oltp_load_end,
    .prune = oltp_source_prune,
    .close = source_close,
};

void oltp_source_free(struct oltp_source **slot)
{
    struct oltp_source *source = *slot;
    if (source == NULL) {
        return;
    }
    *slot = NULL;
    source_drop_tables(source);
    sqlite3_finalize(source->start);
    sqlite3_finalize(source->commit);
    sqlite3_finalize(source->last);
    oltp_arena_reset(&source->arena);
    oltp_connection_close(&source->connection);
    oltp_engine_forget(source->oltp);
    base_free(source);
}

/*
 * Puts the engine into the registry, unless somebody holds the file's lock: opening and reading don't wait for other
 * processes' writes. Then the first prune or the maintenance does it, and until then a mirror that is overtaken is rebuilt.
 */
static rhei_status source_register(struct oltp *oltp, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = oltp_engine_seen(oltp, base_now_ns() + SOURCE_REGISTER_NS, &why);
    if (status == RHEI_BUSY) {
        oltp_seen_due(oltp);
        return RHEI_OK;
    }
    if (status != RHEI_OK && error != NULL) {
        *error = why;
    }
    return status;
}

rhei_status oltp_change_source(struct oltp *oltp, struct change_source **result, struct rhei_error *error)
{
    *result = NULL;
    if (oltp->source != NULL) {
        *result = &oltp->source->base;
        return RHEI_OK;
    }
    if (!oltp->config.capture && !oltp->config.read_only) {
        return error_set(error, RHEI_UNSUPPORTED, "this handle was opened without change capture");
    }
    struct oltp_schema *schema = NULL;
    rhei_status status = oltp_schema_take(oltp, &schema, error);
    if (status != RHEI_OK) {
        return status;
    }
    bool has_log = schema->has_log;
    oltp_schema_release(schema);
    if (!has_log) {
        return error_set(error, RHEI_UNSUPPORTED, "the database has no change log: open it for writing once");
    }
    struct oltp_source *source = base_alloc_zero(1, sizeof *source);
    if (source == NULL) {
        return error_no_memory(error);
    }
    source->base.ops = &source_ops;
    source->oltp = oltp;
    status = oltp_connection_open(oltp, OLTP_SOURCE, &source->connection, error);
    if (status == RHEI_OK) {
        status = source_prepare(source, "BEGIN", &source->start, error);
    }
    if (status == RHEI_OK) {
        status = source_prepare(source, "COMMIT", &source->commit, error);
    }
    if (status == RHEI_OK) {
        status = source_prepare(source, "SELECT ifnull(max(seq), 0) FROM main." OLTP_LOG, &source->last, error);
    }
    if (status == RHEI_OK && !oltp->config.read_only) {
        atomic_store(&oltp->engine_active, true);
        status = source_register(oltp, error);
    }
    if (status != RHEI_OK) {
        oltp_source_free(&source);
        return status;
    }
    oltp->source = source;
    *result = &source->base;
    return RHEI_OK;
}
