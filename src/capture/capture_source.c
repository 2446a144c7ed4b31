/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change log as a change source: a connection of its own, one read transaction a cycle.
 *
 * S1. A cycle sees one snapshot: log, tables and schema are of one state, and position is the log's last row in it.
 * S2. The log has no gaps (its numbers are given one by one inside transactions, and only its oldest rows are ever taken
 *     away), so the rows after `after` must be after + 1, after + 2 ...; anything else means that changes are lost.
 * S3. Rows of a table number that is not current are skipped: such a table is rebuilt.
 * S4. 'K' means "look again": the key's row as the snapshot has it, or its absence. That is right because the cycle takes
 *     everything up to that snapshot: whatever happened to the key in between is in the log too.
 * S5. A schema change shows itself as a re-preparation of the position statement; nothing is asked otherwise.
 * S6. The row at an engine's position is never pruned. Time and values make it one that no other history of the file has, so
 *     the next cycle finds it again, the same, or an older copy of the file was put in its place and written on.
 * S7. A commit that only took applied changes out of the log is no reason for a cycle. The writer's lock is held from before `before` is read,
 *     and the count of commits, which is the token's upper half, shows after it that ours was the only one.
 */
#include "capture/capture_source.h"

#include <stdlib.h>
#include <string.h>

#include "capture/capture_folder.h"

enum { SOURCE_NEAR = 32, SOURCE_TRIES = 20, SOURCE_REGISTER_NS = 20 * 1000 * 1000 };

static struct capture_source *source_of(struct change_source *source)
{
    return (struct capture_source *)source;
}

static rhei_status source_run(struct capture_source *source, sqlite3_stmt *stmt, struct rhei_error *error)
{
    rhei_status status = capture_source_step(source, stmt, error);
    sqlite3_reset(stmt);
    return status == RHEI_DONE || status == RHEI_ROW ? RHEI_OK : status;
}

/* ---- What the schema decides. ------------------------------------------------------------------------------------ */

static void source_drop_tables(struct capture_source *source)
{
    for (uint32_t i = 0; i < source->batch_count; i++)
        capture_batch_free(&source->batches[i]);
    base_free(source->batches);
    base_free(source->ready);
    base_free(source->listed);
    base_free(source->order);
    base_free(source->by_root);
    source->by_root = NULL;
    source->order = NULL;
    source->batches = NULL;
    source->last_batch = NULL;
    source->table_max = -1;
    source->ready = NULL;
    source->listed = NULL;
    source->batch_count = 0;
    sqlite3_finalize(source->log);
    sqlite3_finalize(source->far);
    source->log = NULL;
    source->far = NULL;
    capture_schema_release(source->schema);
    source->schema = NULL;
    capture_versions_forget(source); /* it names batches */
}

static rhei_status source_prepare_columns(struct capture_source *source, const char *head, uint32_t from, uint32_t to,
                                          const char *tail, sqlite3_stmt **stmt, struct rhei_error *error)
{
    struct base_buffer sql = {0};
    base_buffer_text(&sql, head);
    for (uint32_t i = from; i <= to; i++)
        base_buffer_format(&sql, "%sc%u", i == from ? "" : ",", i);
    base_buffer_text(&sql, tail);
    rhei_status status = sql.failed ? error_no_memory(error) : capture_source_prepare(source, sql.data, stmt, error);
    base_buffer_reset(&sql);
    return status;
}

/* A wide table's rows cost a second look each, so that they don't make every other table's rows slow. */
static rhei_status source_prepare_log(struct capture_source *source, uint32_t width, struct rhei_error *error)
{
    width = width == 0 ? 1 : width;
    source->width = width;
    source->near = width < SOURCE_NEAR ? width : SOURCE_NEAR;
    rhei_status status =
        source_prepare_columns(source, "SELECT seq,op,tab,", 1, source->near,
                               source->versions ? ",time FROM main." OLTP_LOG " WHERE seq >= ?1 ORDER BY seq"
                                                : " FROM main." OLTP_LOG " WHERE seq >= ?1 ORDER BY seq",
                               &source->log, error);
    if (status == RHEI_OK && width > source->near) {
        status = source_prepare_columns(source, "SELECT ", source->near + 1, width,
                                        " FROM main." OLTP_LOG " WHERE seq = ?1", &source->far, error);
    }
    return status;
}

static int source_compare_ids(const void *a, const void *b)
{
    uint32_t left = (*(struct capture_batch *const *)a)->table->table.source.id;
    uint32_t right = (*(struct capture_batch *const *)b)->table->table.source.id;
    return left < right ? -1 : left > right;
}

static rhei_status source_add_batch(struct capture_source *source, const struct capture_table_schema *table,
                                    struct rhei_error *error)
{
    struct capture_batch **batch = &source->batches[source->batch_count];
    rhei_status status = capture_batch_new(table, true, batch, error);
    if (status != RHEI_OK)
        return status;
    (*batch)->timed = source->versions;
    (*batch)->met = source->highest > 0 && table->table.source.id > source->highest ? source->cycle + 1 : 0;
    source->batch_count++;
    return RHEI_OK;
}

/* Takes the reference of `schema`. */
static rhei_status source_use_schema(struct capture_source *source, struct oltp_schema *schema,
                                     struct rhei_error *error)
{
    source_drop_tables(source);
    source->schema = schema;
    uint32_t width = 0, count = schema->catalog.table_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct source_table *table = &schema->tables[i].table.source;
        if (table->id != 0) { /* rows from before a table came to be logged by its keys may still be there */
            uint32_t key = capture_key_width(&schema->tables[i]);
            uint32_t wanted = table->column_count <= schema->log_columns ? table->column_count : key;
            width = wanted > width ? wanted : width;
            wanted = capture_log_displaces(&schema->tables[i]) ? 3 * key : 0;
            width = wanted > width && wanted <= schema->log_columns ? wanted : width;
            if (source->declared && schema->tables[i].keeps) /* T11 */
                width = schema->log_columns;
        }
    }
    source->batches = base_alloc_zero((size_t)count + 1, sizeof *source->batches);
    source->ready = base_alloc_zero(2 * (size_t)count + 1, sizeof *source->ready);
    source->listed = base_alloc_zero((size_t)count + 1, sizeof *source->listed);
    source->order = base_alloc_zero((size_t)count + 1, sizeof(*source->order));
    if (source->batches == NULL || source->ready == NULL || source->listed == NULL || source->order == NULL)
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < count && status == RHEI_OK; i++) {
        const struct capture_table_schema *table = &schema->tables[i];
        source->listed[i] = table->table.source;
        if (table->table.source.id != 0)
            status = source_add_batch(source, table, error);
    }
    qsort(source->batches, source->batch_count, sizeof(struct capture_batch *), source_compare_ids);
    if (source->batch_count > 0 && source->batches[source->batch_count - 1]->table->table.source.id > source->highest)
        source->highest = source->batches[source->batch_count - 1]->table->table.source.id;
    BASE_INVARIANT(source->batch_count <= count && source->by_root == NULL);
    return status == RHEI_OK ? source_prepare_log(source, width, error) : status;
}

static rhei_status source_check_file(struct capture_source *source, struct change_cycle *cycle,
                                     struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    char id[64] = "";
    rhei_status status =
        capture_source_prepare(source, "SELECT value FROM main._rhei_meta WHERE key='database_id'", &stmt, error);
    if (status == RHEI_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        strncpy(id, text == NULL ? "" : text, sizeof id - 1);
    }
    sqlite3_finalize(stmt);
    if (source->database_id[0] != '\0' && strcmp(source->database_id, id) != 0)
        cycle->lost = true; /* another file took its place */
    memcpy(source->database_id, id, sizeof id);
    return status;
}

/* ---- Cycle. ------------------------------------------------------------------------------------------------------ */

static void source_end(struct change_source *base)
{
    struct capture_source *source = source_of(base);
    if (source->log != NULL) {
        sqlite3_reset(source->log);
        sqlite3_reset(source->far);
    }
    if (source->pages != NULL)
        capture_pages_reset(source->pages);
    source->row_waits = false;
    source->paged = false;
    capture_source_forget_seen(source);
    if (!sqlite3_get_autocommit(source->connection->db))
        source_run(source, source->commit, NULL);
    capture_source_narrow_cache(source);
}

/* Starts the read transaction; *known: its schema is the one that we use or one that the handle knows. */
static rhei_status source_pin(struct capture_source *source, int64_t *position, bool *known, struct change_cycle *cycle,
                              struct rhei_error *error)
{
    BASE_INVARIANT(sqlite3_get_autocommit(source->connection->db) != 0); /* S1: a snapshot of its own */
    rhei_status status = source_run(source, source->start, error);
    if (status == RHEI_OK)
        status = capture_source_step(source, source->last, error);
    *position = status == RHEI_ROW ? sqlite3_column_int64(source->last, 0) : 0;
    source->last_hash = status == RHEI_ROW ? capture_source_hash_row(source->last) : 0;
    sqlite3_reset(source->last);
    if (status != RHEI_ROW && status != RHEI_DONE)
        return status;
    if (*position > CAPTURE_LOG_SEQ_MAX) { /* nobody's position; until it is mended, nothing after it can be told */
        cycle->lost = true;
        oltp_limit_due(source->oltp);
        status = oltp_query_int(source->connection, "SELECT max(seq) FROM main." OLTP_LOG " WHERE seq <= 1 << 62", 0,
                                position, error);
        if (status != RHEI_OK)
            return status;
    }
    if (*position >= atomic_load_explicit(&source->oltp->log_look_at, memory_order_relaxed) &&
        *position > atomic_load_explicit(&source->oltp->position, memory_order_relaxed)) /* of others */
        oltp_limit_due(source->oltp);
    bool remade = sqlite3_stmt_status(source->last, SQLITE_STMTSTATUS_REPREPARE, 1) != 0;
    /* a table that is registered may change what is known of it, and nothing of the file's schema */
    *known = source->schema != NULL && !remade && !source->recheck &&
             source->schema->catalog.schema_version ==
                 atomic_load_explicit(&capture_of(source->oltp)->schema_version, memory_order_acquire);
    if (*known)
        return RHEI_OK;
    source->recheck = true; /* until it is settled, also after an error */
    int64_t cookie = 0;
    status = oltp_query_int(source->connection, "PRAGMA main.schema_version", 0, &cookie, error);
    if (status != RHEI_OK)
        return status;
    struct oltp_schema *schema = NULL;
    base_mutex_lock(&capture_of(source->oltp)->schema_lock);
    if (capture_of(source->oltp)->schema->cookie == cookie) {
        schema = capture_of(source->oltp)->schema;
        atomic_fetch_add_explicit(&schema->references, 1, memory_order_relaxed);
    }
    base_mutex_unlock(&capture_of(source->oltp)->schema_lock);
    if (schema == NULL)
        return RHEI_OK;
    status = source_use_schema(source, schema, error);
    if (status == RHEI_OK)
        status = capture_source_roots(source, error);
    if (status == RHEI_OK)
        status = source_check_file(source, cycle, error);
    cycle->schema_changed = true;
    *known = status == RHEI_OK;
    source->recheck = status != RHEI_OK;
    return status;
}

static rhei_status source_begin(struct change_source *base, int64_t after, struct change_cycle *cycle, uint64_t *token,
                                struct rhei_error *error)
{
    struct capture_source *source = source_of(base);
    *cycle = (struct change_cycle){.position = after};
    source->connection->busy_deadline_ns = 0;
    rhei_status status = oltp_identity_check(source->oltp, true, error);
    bool known = false, mended = false;
    if (status == RHEI_OK)
        status = oltp_opening_check(source->oltp, error);
    if (status == RHEI_OK)
        capture_schema_finish(source->oltp, 1); /* I12 */
    for (int tries = 0; status == RHEI_OK && !known; tries++) {
        if (token != NULL)
            *token = oltp_commit_token(source->oltp);
        struct rhei_error why = RHEI_ERROR_INIT;
        uint32_t least = oltp_foreign_least(source->oltp);
        base_mutex_lock(&source->watch_lock);
        status = source_pin(source, &cycle->position, &known, cycle, &why);
        if (status == RHEI_OK && known) {
            capture_source_watch_begin(source, cycle);
            source->ordered = capture_source_is_ordered(source, after, cycle->position, least);
        }
        base_mutex_unlock(&source->watch_lock);
        if (status == RHEI_SQL && !mended) { /* others dropped the log: a look at the schema makes it again */
            mended = true;
            source->recheck = true;
            status = RHEI_OK;
        } else if (status != RHEI_OK && error != NULL) {
            *error = why;
        }
        if (status == RHEI_OK && !known) {
            source_end(base);
            /* a writer that holds back the capture of a changed schema isn't waited for: SQLite answers meanwhile */
            status = tries < SOURCE_TRIES ? capture_schema_settle(source->oltp, error)
                                          : error_set(error, RHEI_BUSY, "the schema keeps changing");
        }
    }
    if (status == RHEI_OK) {
        BASE_INVARIANT(known && sqlite3_txn_state(source->connection->db, "main") == SQLITE_TXN_READ); /* S1 */
        source->position = cycle->position;
        status = capture_source_first_row(source, after, &cycle->lost, error);
        source->all_lost = cycle->lost;
    }
    if (status != RHEI_OK) {
        capture_source_watch_again(source, cycle);
        source_end(base);
        return status;
    }
    if (!source->aside) {
        atomic_store_explicit(&capture_of(source->oltp)->engine_position, after, memory_order_relaxed);
        atomic_store_explicit(&capture_of(source->oltp)->pinned_position, cycle->position, memory_order_relaxed);
        atomic_store_explicit(&capture_of(source->oltp)->engine_reads, true, memory_order_relaxed);
        if (!atomic_exchange(&capture_of(source->oltp)->engine_active, true)) /* it rested so far */
            oltp_seen_due(source->oltp);
    }
    return RHEI_OK;
}

/* ---- The socket. ------------------------------------------------------------------------------------------------- */

/* After a commit of upkeep, with the writer still held: `before` is the token from within its transaction. */
static void source_upkept(struct capture_source *source, uint64_t before)
{
    uint64_t now = oltp_commit_token(source->oltp);
    if (now == before) /* it wrote nothing */
        return;
    bool alone = now >> 32 == (uint32_t)((before >> 32) + 1);
    bool follows = alone && atomic_load_explicit(&source->upkept_to, memory_order_relaxed) == before;
    uint64_t from = follows ? atomic_load_explicit(&source->upkept_from, memory_order_relaxed) : before;
    atomic_store(&source->upkept_to, 0); /* no reader takes the old end with the new begin */
    atomic_store(&source->upkept_from, from);
    atomic_store(&source->upkept_to, alone ? now : 0);
}

rhei_status capture_upkeep_end(struct oltp *oltp, uint64_t before, bool seen, rhei_status status,
                               struct rhei_error *error)
{
    if (status == RHEI_OK)
        status = oltp_step_own(oltp, oltp->commit, error);
    if (status != RHEI_OK) {
        oltp_roll_back(oltp);
        capture_folder_unwritten(oltp);
        capture_of(oltp)->told = -1;
        return status;
    }
    atomic_fetch_add_explicit(&capture_of(oltp)->upkeep_commits, 1, memory_order_relaxed);
    struct capture_source *source = __atomic_load_n(&capture_of(oltp)->source, __ATOMIC_ACQUIRE);
    if (source != NULL && !seen)
        source_upkept(source, before);
    return RHEI_OK;
}

/* S7 */
static bool source_was_upkept(struct capture_source *source, uint64_t token, uint64_t now)
{
    return atomic_load(&source->upkept_to) == now && atomic_load(&source->upkept_from) == token &&
           atomic_load(&source->upkept_to) == now;
}

static bool source_may_have_changes(struct change_source *base, uint64_t token)
{
    struct capture_source *source = source_of(base);
    struct oltp *oltp = source->oltp;
    uint64_t now = oltp_commit_token(oltp);
    if (oltp_is_blind(oltp) || (now != token && !source_was_upkept(source, token, now)))
        return true;
    /* a file that took this one's place has commits of its own: the cycle says so */
    return atomic_load_explicit(&source->doubtful, memory_order_relaxed) ||
           oltp_identity_check(oltp, false, NULL) != RHEI_OK;
}

static rhei_status source_tables(struct change_source *base, const struct source_table **tables, size_t *count,
                                 struct rhei_error *error)
{
    struct capture_source *source = source_of(base);
    if (source->schema == NULL)
        return error_set(error, RHEI_INTERNAL, "tables() was called outside a cycle");
    *tables = source->listed;
    *count = source->schema->catalog.table_count;
    return RHEI_OK;
}

static void source_close(struct change_source **base)
{
    struct capture_source *source = *base == NULL ? NULL : source_of(*base);
    *base = NULL;
    if (source != NULL && source->aside) /* else it is the handle's own */
        capture_source_free(&source);
}

static const struct change_source_ops source_ops = {
    .name = "sqlite log",
    .may_have_changes = source_may_have_changes,
    .begin = source_begin,
    .next = capture_source_next,
    .end = source_end,
    .has_rows = capture_source_has_rows,
    .tables = source_tables,
    .load_begin = capture_load_begin,
    .load_next = capture_load_next,
    .load_end = capture_load_end,
    .loads_rest = capture_loads_rest,
    .advance = capture_source_advance,
    .prune = capture_source_prune,
    .forgotten = capture_source_forgotten,
    .stamp = capture_source_stamp,
    .was = capture_source_was,
    .keep_versions = capture_versions_keep,
    .close = source_close,
};

void capture_source_free(struct capture_source **slot)
{
    struct capture_source *source = *slot;
    if (source == NULL)
        return;
    *slot = NULL;
    source_drop_tables(source);
    sqlite3_finalize(source->start);
    sqlite3_finalize(source->commit);
    sqlite3_finalize(source->last);
    sqlite3_finalize(source->mark);
    capture_pages_free(&source->pages);
    base_arena_reset(&source->arena);
    base_free(source->seen);
    capture_versions_forget(source);
    capture_watch_free(&source->watch);
    base_mutex_destroy(&source->watch_lock);
    oltp_connection_close(&source->connection);
    if (!source->aside)
        capture_engine_forget(source->oltp);
    base_free(source);
}

/*
 * Puts the engine into the registry, unless somebody holds the file's lock: opening and reading don't wait for other
 * processes' writes. Then the first prune or the maintenance does it, and until then a mirror that is overtaken is rebuilt.
 */
static rhei_status source_register(struct oltp *oltp, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = capture_engine_seen(oltp, base_now_ns() + SOURCE_REGISTER_NS, &why);
    if (status == RHEI_BUSY) {
        oltp_seen_due(oltp);
        return RHEI_OK;
    }
    if (status != RHEI_OK && error != NULL)
        *error = why;
    return status;
}

static rhei_status source_prepare_all(struct capture_source *source, struct rhei_error *error)
{
    rhei_status status = oltp_connection_open(source->oltp, OLTP_SOURCE, &source->connection, error);
    if (status == RHEI_OK)
        status = capture_source_prepare(source, "BEGIN", &source->start, error);
    if (status == RHEI_OK)
        status = capture_source_prepare(source, "COMMIT", &source->commit, error);
    if (status == RHEI_OK) {
        status = source_prepare_columns(source, "SELECT seq,time,op,tab,", 1, CAPTURE_LOG_MIN_COLUMNS,
                                        " FROM main." OLTP_LOG " ORDER BY seq DESC LIMIT 1", &source->last, error);
    }
    if (status == RHEI_OK) {
        status = source_prepare_columns(source, "SELECT seq,time,op,tab,", 1, CAPTURE_LOG_MIN_COLUMNS,
                                        " FROM main." OLTP_LOG " WHERE seq = ?1", &source->mark, error);
    }
    if (status == RHEI_OK)
        source->pages = capture_pages_new(source->connection);
    return status;
}

rhei_status capture_source_new(struct oltp *oltp, bool aside, struct capture_source **result, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    *result = NULL;
    rhei_status status = capture_schema_take(oltp, &schema, error);
    if (status != RHEI_OK)
        return status;
    bool has_log = schema->has_log;
    capture_schema_release(schema);
    if (!has_log)
        return error_set(error, RHEI_UNSUPPORTED, "the database has no change log: open it for writing once");
    struct capture_source *source = base_alloc_zero(1, sizeof *source);
    if (source == NULL)
        return error_no_memory(error);
    source->base.ops = &source_ops;
    atomic_store(&source->read_from, INT64_MAX);
    source->ordered_from = -1;
    base_mutex_init(&source->watch_lock);
    source->oltp = oltp;
    source->aside = source->watch_unfit = aside;
    status = source_prepare_all(source, error);
    if (status != RHEI_OK)
        capture_source_free(&source);
    *result = source;
    return status;
}

rhei_status capture_change_source(struct oltp *oltp, struct change_source **result, struct rhei_error *error)
{
    struct capture_source *source = NULL;
    *result = NULL;
    if (capture_of(oltp)->source != NULL) {
        *result = &capture_of(oltp)->source->base;
        return RHEI_OK;
    }
    if (oltp_follows(oltp)) { /* nobody waits for it with pruning, so it is in no registry */
        rhei_status followed = capture_source_new(oltp, true, &source, error);
        *result = followed == RHEI_OK ? &source->base : NULL;
        return followed;
    }
    if (!oltp_captures(oltp))
        return capture_still_open(oltp, result, error);
    rhei_status status = capture_source_new(oltp, false, &source, error);
    if (status == RHEI_OK && !oltp->config.rests) { /* who rests needs nothing before its first cycle, perhaps never */
        atomic_store(&capture_of(oltp)->engine_active, true);
        status = source_register(oltp, error);
    }
    if (status != RHEI_OK) {
        capture_source_free(&source);
        return status;
    }
    __atomic_store_n(&capture_of(oltp)->source, source, __ATOMIC_RELEASE);
    *result = &source->base;
    return RHEI_OK;
}
