/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file without capture as a change source: whole states, never changes. For handles that must leave the file as it is.
 *
 * T1. A position counts the states that this source has seen. Whatever was taken at a lower one is lost: tables are built anew
 *     or answered by SQLite.
 * T2. A load has a read transaction of its own, begun after its position was read. If anybody commits after the cycle that gave
 *     that position, before the load's state or after it, the next cycle sees another data version, so another position, and
 *     the load is lost. If not, the load's state is that cycle's.
 * T3. Tables have numbers of this handle alone, new ones with every schema (capture_seal.c).
 * T4. What the log says of a state is told with its position by the same read transaction, and remembered for the newest states.
 */
#include "capture/capture_source.h"

enum { STILL_REMEMBERED = 64 }; /* states whose place in the log is known */

struct still {
    struct change_source base; /* first */
    struct oltp *oltp;
    struct oltp_connection *connection;
    struct oltp_schema *schema; /* a reference; NULL before the first cycle */
    struct source_table *listed;
    int64_t version; /* SQLite's data_version of the last cycle; 0: none yet */
    atomic_int_fast64_t position;
    base_mutex log_lock;              /* a leaf: of the next */
    int64_t logged[STILL_REMEMBERED]; /* by position */
};

static struct still *still_of(struct change_source *source)
{
    return (struct still *)source;
}

static bool still_may_have_changes(struct change_source *base, uint64_t token)
{
    struct oltp *oltp = still_of(base)->oltp;
    return oltp_is_blind(oltp) || oltp_commit_token(oltp) != token;
}

static void still_end(struct change_source *base)
{
    oltp_exec(still_of(base)->connection, "COMMIT", NULL);
}

/* What the new schema shows. Takes the reference. */
static rhei_status still_use_schema(struct still *still, struct oltp_schema *schema, struct rhei_error *error)
{
    uint32_t count = schema->catalog.table_count;
    struct source_table *listed = base_alloc_zero((size_t)count + 1, sizeof *listed);
    if (listed == NULL) {
        capture_schema_release(schema);
        return error_no_memory(error);
    }
    for (uint32_t i = 0; i < count; i++)
        listed[i] = schema->tables[i].table.source;
    base_free(still->listed);
    capture_schema_release(still->schema);
    still->listed = listed;
    still->schema = schema;
    return RHEI_OK;
}

/* In the cycle's transaction: the schema that the handle knows is the one that it shows. *known is false if not. */
static rhei_status still_settle(struct still *still, bool *known, struct change_cycle *cycle, struct rhei_error *error)
{
    int64_t cookie = 0;
    struct oltp *oltp = still->oltp;
    rhei_status status = oltp_query_int(still->connection, "PRAGMA main.schema_version", 0, &cookie, error);
    struct oltp_schema *schema = NULL;
    base_mutex_lock(&capture_of(oltp)->schema_lock);
    if (status == RHEI_OK && capture_of(oltp)->schema->cookie == cookie) {
        schema = capture_of(oltp)->schema;
        atomic_fetch_add_explicit(&schema->references, 1, memory_order_relaxed);
    }
    base_mutex_unlock(&capture_of(oltp)->schema_lock);
    *known = schema != NULL;
    if (schema == NULL || schema == still->schema) {
        capture_schema_release(schema);
        return status;
    }
    cycle->schema_changed = true;
    return still_use_schema(still, schema, error);
}

/* T4. A log that can't be read tells nothing. */
static void still_remember(struct still *still, int64_t position)
{
    int64_t logged = 0;
    if (!still->schema->has_log ||
        oltp_query_int(still->connection, "SELECT max(seq) FROM main." OLTP_LOG " WHERE seq <= 1 << 62", 0, &logged,
                       NULL) != RHEI_OK)
        logged = 0;
    base_mutex_lock(&still->log_lock);
    still->logged[position % STILL_REMEMBERED] = logged;
    base_mutex_unlock(&still->log_lock);
}

static int64_t still_logged(struct change_source *base, int64_t position)
{
    struct still *still = still_of(base);
    int64_t newest = atomic_load_explicit(&still->position, memory_order_acquire);
    base_mutex_lock(&still->log_lock);
    int64_t logged = position > 0 && position <= newest && newest - position < STILL_REMEMBERED / 2
                         ? still->logged[position % STILL_REMEMBERED]
                         : 0;
    base_mutex_unlock(&still->log_lock);
    return logged;
}

static rhei_status still_pin(struct still *still, struct rhei_error *error)
{
    int64_t first = 0;
    rhei_status status = oltp_exec(still->connection, "BEGIN", error);
    if (status == RHEI_OK)
        status = oltp_query_int(still->connection, "SELECT count(*) FROM main.sqlite_schema", 0, &first, error);
    return status;
}

static rhei_status still_begin(struct change_source *base, int64_t after, struct change_cycle *cycle, uint64_t *token,
                               struct rhei_error *error)
{
    enum { TRIES = 20 };
    struct still *still = still_of(base);
    *cycle = (struct change_cycle){.position = after};
    still->connection->busy_deadline_ns = 0;
    rhei_status status = oltp_opening_check(still->oltp, error);
    bool known = false;
    int64_t version = 0;
    for (int tries = 0; status == RHEI_OK && !known; tries++) {
        if (token != NULL)
            *token = oltp_commit_token(still->oltp);
        status = still_pin(still, error);
        if (status == RHEI_OK)
            status = oltp_query_int(still->connection, "PRAGMA main.data_version", 0, &version, error);
        if (status == RHEI_OK)
            status = still_settle(still, &known, cycle, error);
        if (status == RHEI_OK && !known) {
            still_end(base);
            status = tries < TRIES ? capture_schema_refresh(still->oltp, error)
                                   : error_set(error, RHEI_BUSY, "the schema keeps changing");
        }
    }
    if (status != RHEI_OK) {
        still_end(base);
        return status;
    }
    if (version != still->version)
        atomic_fetch_add_explicit(&still->position, 1, memory_order_acq_rel);
    still->version = version;
    cycle->position = atomic_load_explicit(&still->position, memory_order_acquire);
    BASE_INVARIANT(cycle->position > 0); /* T1 */
    still_remember(still, cycle->position);
    cycle->lost = after != cycle->position;
    return RHEI_OK;
}

static rhei_status still_next(struct change_source *base, size_t max_rows, const struct change_batch **batches,
                              size_t *count, struct rhei_error *error)
{
    (void)base;
    (void)max_rows;
    (void)batches;
    (void)error;
    *count = 0;
    return RHEI_OK;
}

static rhei_status still_tables(struct change_source *base, const struct source_table **tables, size_t *count,
                                struct rhei_error *error)
{
    struct still *still = still_of(base);
    if (still->schema == NULL)
        return error_set(error, RHEI_INTERNAL, "tables() was called outside a cycle");
    *tables = still->listed;
    *count = still->schema->catalog.table_count;
    return RHEI_OK;
}

static rhei_status still_load_begin(struct change_source *base, uint32_t table, uint32_t loaders,
                                    struct source_load **load, struct source_load_info *info, struct rhei_error *error)
{
    struct still *still = still_of(base);
    int64_t position = atomic_load_explicit(&still->position, memory_order_acquire); /* T2: before the load's state */
    rhei_status status = capture_load_open(still->oltp, table, loaders, false, load, info, error);
    info->position = position;
    return status;
}

static rhei_status still_prune(struct change_source *base, int64_t position, uint64_t *pruned, struct rhei_error *error)
{
    (void)base;
    (void)position;
    (void)error;
    *pruned = 0;
    return RHEI_OK;
}

static void still_close(struct change_source **base)
{
    struct still *still = still_of(*base);
    *base = NULL;
    base_free(still->listed);
    capture_schema_release(still->schema);
    oltp_connection_close(&still->connection);
    base_mutex_destroy(&still->log_lock);
    base_free(still);
}

static void still_loads_rest(struct change_source *base)
{
    capture_loaders_rest(still_of(base)->oltp);
}

static const struct change_source_ops still_ops = {
    .name = "sqlite states",
    .may_have_changes = still_may_have_changes,
    .begin = still_begin,
    .next = still_next,
    .end = still_end,
    .tables = still_tables,
    .load_begin = still_load_begin,
    .load_next = capture_load_next,
    .load_end = capture_load_end,
    .loads_rest = still_loads_rest,
    .prune = still_prune,
    .logged = still_logged,
    .close = still_close,
};

rhei_status capture_still_open(struct oltp *oltp, struct change_source **source, struct rhei_error *error)
{
    struct still *still = base_alloc_zero(1, sizeof *still);
    if (still == NULL)
        return error_no_memory(error);
    still->base.ops = &still_ops;
    still->oltp = oltp;
    base_mutex_init(&still->log_lock);
    rhei_status status = oltp_connection_open(oltp, OLTP_SOURCE, &still->connection, error);
    if (status != RHEI_OK) {
        base_mutex_destroy(&still->log_lock);
        base_free(still);
        return status;
    }
    *source = &still->base;
    return RHEI_OK;
}
