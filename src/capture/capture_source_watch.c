/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the log tells all that the commits since the last cycle did (docs/design/explained-commits.md, part 7).
 *
 *   E1. The watch never runs ahead of a cycle: whoever follows it pins its state with watch_lock held, so the state of the next
 *       cycle is no older. What a checkpoint sees of later commits, during a cycle or after it, is the next cycle's: each
 *       cycle judges and forgets what was touched up to its own state.
 *   E2. A table that was touched has a row in the log after the position up to which the last cycle was judged. If it
 *       has none, something changed it without its triggers, and it is lost whenever it was read.
 *       One that this cycle is the first to know of is loaded in its state or a later one, whoever touched it until then: above all
 *       the commit that made it.
 *       A row of the log whose table was not touched is nobody's change, or one that left every page as it was: its key is looked at.
 *       The rows of a touched table are counted by its pages, so whoever applied the log knows whether it told all that
 *       came and went.
 *   E3. The watch is made by a load, in the load's own state: what was loaded then or later is watched from then on, and what was
 *       loaded before is doubtful, which was said when the watch before was lost.
 *   E4. Our own checkpoints wait for the watch: the log never starts anew over frames that weren't seen. Other programs' do
 *       not; then the cycle is doubtful, and the tables are compared in the background.
 */
#include <stdlib.h>

#include "capture/capture_source.h"

static int watch_compare_roots(const void *a, const void *b)
{
    uint32_t left = (*(struct capture_batch *const *)a)->root, right = (*(struct capture_batch *const *)b)->root;
    return left < right ? -1 : left > right;
}

static struct capture_batch *watch_batch(const struct capture_source *source, uint32_t root)
{
    size_t low = 0, high = source->batch_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct capture_batch *batch = source->by_root[middle];
        if (batch->root == root)
            return batch;
        *(batch->root < root ? &low : &high) = batch->root < root ? middle + 1 : middle;
    }
    return NULL;
}

/*
 * The log's root, if its columns are as we made them: the number is the rowid, and the others have no affinity and no default that a
 * page wouldn't show. 0: a statement has to read it.
 */
static rhei_status watch_log_root(struct capture_source *source, uint32_t *root, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    rhei_status status =
        capture_source_prepare(source,
                               "SELECT rootpage FROM main.sqlite_master WHERE type = 'table' AND name = '" OLTP_LOG
                               "' AND NOT EXISTS (SELECT 1 "
                               "FROM pragma_table_xinfo('" OLTP_LOG
                               "', 'main') WHERE NOT (dflt_value IS NULL AND hidden = 0 AND name = CASE cid "
                               "WHEN 0 THEN 'seq' WHEN 1 THEN 'time' WHEN 2 THEN 'op' WHEN 3 THEN 'tab' ELSE 'c' || "
                               "(cid - 3) END AND type = iif("
                               "cid = 0, 'INTEGER', '') AND pk = (cid = 0)))",
                               &stmt, error);
    if (status == RHEI_OK) {
        status = capture_source_step(source, stmt, error);
        *root = status == RHEI_ROW ? (uint32_t)sqlite3_column_int64(stmt, 0) : 0;
    }
    sqlite3_finalize(stmt);
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

rhei_status capture_source_roots(struct capture_source *source, struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    source->by_root = base_alloc_zero((size_t)source->batch_count + 1, sizeof(struct capture_batch *));
    if (source->by_root == NULL)
        return error_no_memory(error);
    rhei_status status = capture_source_prepare(
        source, "SELECT name, rootpage FROM main.sqlite_master WHERE type = 'table'", &stmt, error);
    while (status == RHEI_OK && (status = capture_source_step(source, stmt, error)) == RHEI_ROW) {
        status = RHEI_OK;
        const struct capture_table_schema *table =
            capture_schema_find(source->schema, (const char *)sqlite3_column_text(stmt, 0));
        struct capture_batch *batch = table == NULL ? NULL : capture_source_batch(source, table->table.source.id);
        if (batch != NULL)
            batch->root = (uint32_t)sqlite3_column_int64(stmt, 1);
    }
    sqlite3_finalize(stmt);
    for (uint32_t i = 0; i < source->batch_count; i++)
        source->by_root[i] = source->batches[i];
    qsort(source->by_root, source->batch_count, sizeof(struct capture_batch *), watch_compare_roots);
    status = status == RHEI_DONE ? RHEI_OK : status;
    uint32_t root = 0;
    if (status == RHEI_OK && source->pages != NULL) {
        status = watch_log_root(source, &root, error);
        capture_pages_root(source->pages, root);
    }
    return status;
}

/* ---- Following. -------------------------------------------------------------------------------------------------- */

/* With watch_lock held: a cycle has no use any more for what was touched up to its state. */
static void watch_forget(struct capture_source *source)
{
    BASE_INVARIANT(source->watch != NULL); /* E1 */
    capture_watch_forget(source->watch, source->told);
    source->told = 0;
}

/* With watch_lock held. */
static void watch_observe(struct capture_source *source, struct oltp_connection *connection)
{
    if (source->watch == NULL)
        return;
    switch (capture_watch_follow(source->watch, connection)) {
    case CAPTURE_WATCH_EXPLAINED:
        break;
    case CAPTURE_WATCH_REWRITTEN: /* every table was touched, and most likely none changed */
        capture_watch_clear(source->watch);
        source->told = 0;
        source->doubtful = true;
        break;
    case CAPTURE_WATCH_LOST:
    default:
        capture_watch_free(&source->watch);
        source->told = 0;
        source->doubtful = true;
        break;
    }
}

/*
 * For a file that can't be watched: commits that left no row, changed no schema and were no upkeep of ours may have changed
 * anything. Whether one hid among others isn't seen.
 */
static void watch_guess(struct capture_source *source, const struct change_cycle *cycle)
{
    if (!source->watch_unfit || source->oltp->wal_index == NULL)
        return;
    uint32_t change = __atomic_load_n(&source->oltp->wal_index[2], __ATOMIC_ACQUIRE);
    uint32_t upkeep = atomic_load_explicit(&capture_of(source->oltp)->upkeep_commits, memory_order_relaxed);
    if (change - source->guess_change > upkeep - source->guess_upkeep && cycle->position == source->position &&
        !cycle->schema_changed)
        source->doubtful = true;
    source->guess_change = change;
    source->guess_upkeep = upkeep;
}

void capture_source_watch_begin(struct capture_source *source, struct change_cycle *cycle)
{
    const uint32_t *roots = NULL;
    if (source->watch != NULL && cycle->lost) /* whatever was touched is built again */
        source->told = capture_watch_touched(source->watch, &roots);
    if (source->watch != NULL && (cycle->lost || (source->watch_seen && !source->asked))) {
        watch_forget(source); /* nobody had a table to be judged */
        source->judged = source->position;
    }
    source->asked = false;
    source->watch_seen = source->watch != NULL;
    watch_observe(source, source->connection);
    watch_guess(source, cycle);
    size_t count = source->watch == NULL ? 0 : capture_watch_touched(source->watch, &roots);
    source->told = count;
    source->cycle++;
    source->pages_known = source->watch != NULL && source->watch_seen && !cycle->lost && !source->doubtful;
    for (size_t i = 0; i < count; i++) {
        struct capture_batch *batch = watch_batch(source, roots[i]);
        if (batch != NULL) {
            cycle->suspect = true;
            BASE_INVARIANT(batch->root == roots[i] && batch->touched <= source->cycle);
            batch->touched = source->cycle;
            batch->rows = capture_watch_rows(source->watch, roots[i]);
        }
    }
    cycle->doubtful = source->doubtful;
    source->doubtful = false;
}

void capture_source_watch_again(struct capture_source *source, const struct change_cycle *cycle)
{
    base_mutex_lock(&source->watch_lock);
    source->asked = true; /* what was touched stays to be judged */
    source->doubtful = source->doubtful || cycle->doubtful;
    base_mutex_unlock(&source->watch_lock);
}

/* Whether the log has a row of the table since the last judgement that this cycle didn't read. */
static rhei_status watch_has_row(struct capture_source *source, const struct capture_batch *batch, bool *has,
                                 struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    rhei_status status = capture_source_prepare(
        source, "SELECT 1 FROM main." OLTP_LOG " WHERE seq > ?1 AND seq <= ?2 AND tab = ?3 AND op <> 'P' LIMIT 1",
        &stmt, error);
    if (status != RHEI_OK)
        return status;
    sqlite3_bind_int64(stmt, 1, source->judged);
    sqlite3_bind_int64(stmt, 2, source->position);
    sqlite3_bind_int64(stmt, 3, batch->table->table.source.id);
    status = capture_source_step(source, stmt, error);
    *has = status == RHEI_ROW;
    sqlite3_finalize(stmt);
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

rhei_status capture_source_judge(struct capture_source *source, struct rhei_error *error)
{
    const uint32_t *roots = NULL;
    rhei_status status = RHEI_OK;
    base_mutex_lock(&source->watch_lock);
    bool watched = source->watch != NULL && source->watch_seen; /* not one that was made during this cycle */
    bool judges = watched && !source->all_lost && capture_watch_touched(source->watch, &roots) > 0;
    size_t count = judges ? source->told : 0;
    BASE_INVARIANT(!judges || source->judged <= source->position); /* E2 */
    for (size_t i = 0; i < count && status == RHEI_OK; i++) {
        struct capture_batch *batch = watch_batch(source, roots[i]);
        bool has = batch == NULL || batch->newest > source->judged || batch->met == source->cycle;
        if (!has)
            status = watch_has_row(source, batch, &has, error);
        if (status == RHEI_OK && !has && !capture_watch_same(source->watch, source->connection, roots[i]))
            capture_source_lose(source, batch, "its rows were changed past its triggers");
    }
    if (status == RHEI_OK && watched) {
        watch_forget(source);
        source->judged = source->position;
    }
    base_mutex_unlock(&source->watch_lock);
    return status;
}

bool capture_source_has_rows(struct change_source *base, uint32_t table, uint64_t rows)
{
    struct capture_source *source = (struct capture_source *)base;
    const struct capture_batch *batch = source->pages_known ? capture_source_batch(source, table) : NULL;
    if (batch == NULL || batch->touched != source->cycle || batch->rows < 0 || (uint64_t)batch->rows == rows)
        return true;
    /* one of the two miscounts: the next load counts the pages anew */
    base_mutex_lock(&source->watch_lock);
    capture_watch_free(&source->watch);
    source->told = 0;
    source->doubtful = true;
    base_mutex_unlock(&source->watch_lock);
    return false;
}

/* ---- Others that need the watch. --------------------------------------------------------------------------------- */

static int64_t watch_count(const struct capture_watch *watch, struct oltp_connection *connection, const char *table)
{
    sqlite3_stmt *stmt = NULL;
    int64_t rows = -1;
    int rc = sqlite3_prepare_v2(
        connection->db, "SELECT rootpage FROM main.sqlite_master WHERE type = 'table' AND name = ?1", -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        rows = capture_watch_rows(watch, (uint32_t)sqlite3_column_int64(stmt, 0));
    sqlite3_finalize(stmt);
    return rows;
}

void capture_source_watch_start(struct capture_source *source, struct oltp_connection *connection, int64_t position,
                                const char *table, int64_t *rows)
{
    struct capture_watch *watch = NULL;
    base_mutex_lock(&source->watch_lock);
    bool wanted = source->watch == NULL && !source->watch_unfit;
    base_mutex_unlock(&source->watch_lock);
    if (!wanted)
        return;
    rhei_status status = capture_watch_new(connection, &watch, NULL); /* it is tried again by the next load */
    if (watch != NULL)
        *rows = watch_count(watch, connection, table);
    base_mutex_lock(&source->watch_lock);
    if (status == RHEI_OK && source->watch == NULL) {
        source->watch = watch;
        BASE_INVARIANT(!source->watch_unfit); /* E3 */
        source->watch_unfit = watch == NULL;
        source->watch_seen = false;
        source->told = 0;
        source->judged = position;
        watch = NULL;
    }
    base_mutex_unlock(&source->watch_lock);
    capture_watch_free(&watch);
}

bool capture_source_watch_hold(struct oltp *oltp, struct oltp_connection *connection)
{
    struct capture_source *source = __atomic_load_n(&capture_of(oltp)->source, __ATOMIC_ACQUIRE);
    int64_t cookie;
    if (source == NULL)
        return false;
    base_mutex_lock(&source->watch_lock);
    bool held = source->watch != NULL && oltp_exec(connection, "BEGIN", NULL) == RHEI_OK;
    /* pins the state without reading the schema */
    if (held && oltp_query_int(connection, "PRAGMA main.schema_version", 0, &cookie, NULL) == RHEI_OK)
        watch_observe(source, connection);
    base_mutex_unlock(&source->watch_lock);
    return held;
}
