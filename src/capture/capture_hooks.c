/* SPDX-License-Identifier: Apache-2.0 */
/* What the row store asks about schema and capture (oltp_hooks.h), answered. */
#include <stdio.h>
#include <string.h>

#include "capture/capture_folder.h"
#include "capture/capture_limit.h"
#include "capture/capture_source.h"
#include "oltp/oltp_alive.h"

/* ---- The handle's life. ------------------------------------------------------------------------------------------ */

static rhei_status hooks_open(struct oltp *oltp, struct rhei_error *error)
{
    struct capture_state *capture = base_alloc_zero(1, sizeof *capture);
    if (capture == NULL)
        return error_no_memory(error);
    capture->engine_id = oltp_alive_new();
    BASE_INVARIANT(capture->engine_id > 0);
    base_mutex_init(&capture->schema_lock);
    base_mutex_init(&capture->loader_lock);
    oltp->hooked = capture;
    return capture_limit_open(oltp, error);
}

static rhei_status hooks_log_position(struct oltp *oltp, struct rhei_error *error)
{
    int64_t position = 0, has = 0, first = 0;
    rhei_status status = oltp_query_int(
        oltp->describer, "SELECT count(*) FROM main.sqlite_master WHERE type='table' AND name='" OLTP_LOG "'", 0, &has,
        error);
    if (status == RHEI_OK && has > 0) {
        status = oltp_query_int(oltp->describer, "SELECT max(seq) FROM main." OLTP_LOG, 0, &position, error);
        if (status == RHEI_OK)
            status = oltp_query_int(oltp->describer, "SELECT min(seq) FROM main." OLTP_LOG, 0, &first, error);
        atomic_store(&oltp->log_first, first);
    }
    if (!oltp_captures(oltp) && !oltp_follows(oltp)) { /* a table of that name may be anybody's, and is of no concern */
        error_clear(error);
        return RHEI_OK;
    }
    atomic_store(&oltp->position, position);
    if (status == RHEI_OK)
        capture_limit_begin(oltp, first, position);
    return status;
}

/* Whoever may write is refused; who only looks is told, for what he sees of capture may mean something else by then. */
static void hooks_tell_newer(struct oltp *oltp)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    if (oltp->config.read_only && capture_registry_check(oltp->describer, &why) == RHEI_TOO_NEW)
        base_log_write(oltp->config.log, BASE_LOG_WARN, "capture", "%s", why.message);
}

static rhei_status hooks_begin(struct oltp *oltp, struct rhei_error *error)
{
    rhei_status status = capture_schema_refresh(oltp, error);
    if (status == RHEI_OK)
        hooks_tell_newer(oltp);
    return status == RHEI_OK ? hooks_log_position(oltp, error) : status;
}

static void hooks_end(struct oltp *oltp)
{
    struct capture_state *capture = capture_of(oltp);
    if (capture == NULL)
        return;
    capture_schema_finish(oltp, 1);
    capture_limit_end(oltp);
    oltp_alive_drop(capture->engine_id);
    capture_source_free(&capture->source);
    capture_limit_close(oltp);
    capture_folder_close(oltp);
    capture_loaders_close(oltp, false);
    for (size_t i = 0; i < sizeof capture->upkeep / sizeof capture->upkeep[0]; i++)
        sqlite3_finalize(capture->upkeep[i]);
    capture_joined_release(capture->joined);
    capture_schema_release(capture->schema);
    base_mutex_destroy(&capture->loader_lock);
    base_mutex_destroy(&capture->schema_lock);
    base_free(capture);
    oltp->hooked = NULL;
}

/* ---- What is known of the schema. -------------------------------------------------------------------------------- */

static struct oltp_schema *hooks_hold(struct oltp *oltp, int64_t cookie)
{
    struct oltp_schema *schema = capture_schema_hold(oltp);
    if (schema != NULL && schema->cookie != cookie) {
        capture_schema_release(schema);
        schema = NULL;
    }
    return schema;
}

static uint64_t hooks_schema_version(const struct oltp_schema *schema)
{
    return schema->catalog.schema_version;
}

static uint8_t hooks_class_of(const struct capture_table_schema *table, const struct source_column *column)
{
    if (column->is_rowid_alias || column->is_rowid)
        return RHEI_INTEGER;
    if (!table->table.strict)
        return RHEI_NULL;
    switch (column->affinity) {
    case AFFINITY_INTEGER:
        return RHEI_INTEGER;
    case AFFINITY_REAL:
        return RHEI_REAL;
    case AFFINITY_TEXT:
        return RHEI_TEXT;
    default:
        return base_fold_compare(column->declared_type, "BLOB") == 0 ? RHEI_BLOB : RHEI_NULL;
    }
}

static uint8_t hooks_column_class(struct oltp_schema *schema, const char *table, const char *column)
{
    const struct capture_table_schema *found = capture_schema_find(schema, table);
    for (uint32_t i = 0; found != NULL && i < found->table.source.column_count; i++)
        if (base_fold_compare(found->table.source.columns[i].name, column) == 0)
            return hooks_class_of(found, &found->table.source.columns[i]);
    return RHEI_NULL;
}

/* A name of the hidden rowid, or the INTEGER PRIMARY KEY. */
static bool hooks_column_is_rowid(const struct capture_table_schema *table, const char *column)
{
    const struct source_table *source = &table->table.source;
    bool hidden = base_fold_compare(column, "rowid") == 0 || base_fold_compare(column, "_rowid_") == 0 ||
                  base_fold_compare(column, "oid") == 0;
    for (uint32_t i = 0; i < source->column_count; i++)
        if (!source->columns[i].is_rowid && base_fold_compare(source->columns[i].name, column) == 0)
            return source->columns[i].is_rowid_alias;
    return hidden && !source->without_rowid;
}

static bool hooks_is_rowid(struct oltp *oltp, const char *name, const char *column)
{
    base_mutex_lock(&capture_of(oltp)->schema_lock);
    const struct capture_table_schema *table =
        capture_of(oltp)->schema == NULL ? NULL : capture_schema_find(capture_of(oltp)->schema, name);
    bool is = table != NULL && hooks_column_is_rowid(table, column);
    base_mutex_unlock(&capture_of(oltp)->schema_lock);
    return is;
}

static bool hooks_inserts_plainly(struct oltp *oltp, const char *name)
{
    base_mutex_lock(&capture_of(oltp)->schema_lock);
    const struct capture_table_schema *table =
        capture_of(oltp)->schema == NULL ? NULL : capture_schema_find(capture_of(oltp)->schema, name);
    bool fits = table != NULL && table->table.captured && !table->exposed;
    for (uint32_t i = 0; fits && i < table->table.source.column_count; i++)
        fits = table->defaults[i] == NULL || strchr(table->defaults[i], '(') == NULL;
    base_mutex_unlock(&capture_of(oltp)->schema_lock);
    return fits;
}

/* ---- The writer, held. ------------------------------------------------------------------------------------------- */

static rhei_status hooks_refresh(struct oltp *oltp, bool by_others, struct rhei_error *error)
{
    return capture_schema_refresh_locked(oltp, by_others ? CAPTURE_BY_OTHERS : CAPTURE_BY_US, error);
}

/* The schema of the open transaction if it is known: what its DDL made so far, or the handle's. A reference. */
static struct oltp_schema *hooks_base(struct oltp *oltp, struct oltp_schema *made)
{
    int64_t cookie = 0;
    uint64_t token = capture_of(oltp)->writer_token;
    capture_of(oltp)->writer_token = 0; /* it holds for the first DDL of a transaction */
    if (made == NULL && token != 0 && token == oltp_commit_token(oltp))
        return capture_schema_hold(oltp);
    if (oltp_query_int(oltp->writer, "PRAGMA main.schema_version", 0, &cookie, NULL) != RHEI_OK)
        return NULL;
    if (made != NULL && made->cookie == cookie) {
        atomic_fetch_add_explicit(&made->references, 1, memory_order_relaxed);
        return made;
    }
    return hooks_hold(oltp, cookie);
}

/* Whether that statement is all that happened since `base`: the cookie rose by one, for it. */
static bool hooks_is_one(const struct oltp *oltp, const struct oltp_ddl *ddl, const struct oltp_schema *base,
                         int64_t cookie)
{
    return base != NULL && oltp_captures(oltp) && (ddl->creates || ddl->dropped != NULL) &&
           (uint32_t)cookie == (uint32_t)base->cookie + 1;
}

/* The schema after the statement; `base`: that before it, if it is known. */
static rhei_status hooks_after_ddl(struct oltp *oltp, const struct oltp_ddl *ddl, struct oltp_schema *base,
                                   struct oltp_schema **schema, struct rhei_error *error)
{
    int64_t cookie = 0;
    rhei_status status = oltp_query_int(oltp->writer, "PRAGMA main.schema_version", 0, &cookie, error);
    bool elsewhere = base != NULL && base->cookie == cookie; /* TEMP, ATTACHed, IF NOT EXISTS */
    if (status == RHEI_OK)
        status = capture_hidden_end(oltp, elsewhere, error);
    if (status != RHEI_OK || elsewhere)
        return status;
    BASE_INVARIANT(sqlite3_get_autocommit(oltp->writer->db) == 0); /* I6 */
    struct oltp_schema *made = NULL, *known = base == NULL ? capture_schema_hold(oltp) : NULL;
    status = capture_apply(oltp, CAPTURE_BY_US, base == NULL ? known : base,
                           hooks_is_one(oltp, ddl, base, cookie) ? CAPTURE_ONE : CAPTURE_ALL, ddl, &made, error);
    capture_schema_release(known);
    if (status == RHEI_OK) {
        capture_schema_release(*schema);
        *schema = made;
    }
    return status;
}

static rhei_status hooks_before_ddl(struct oltp *oltp, struct oltp_schema *made, const struct oltp_ddl *ddl,
                                    struct oltp_schema **base, struct rhei_error *error)
{
    *base = hooks_base(oltp, made);
    capture_of(oltp)->altered_root = 0;
    rhei_status status = capture_hidden_begin(oltp, error);
    if (status != RHEI_OK || ddl->altered == NULL)
        return status;
    status = capture_suspend(oltp, *base, ddl->altered, error);
    return status == RHEI_OK ? capture_hidden_suspend(oltp, *base, error) : status;
}

/* What the transaction's DDL made, unless a ROLLBACK TO took some of it back. */
static void hooks_publish_if_current(struct oltp *oltp, struct oltp_schema *made)
{
    int64_t cookie = 0;
    if (oltp_query_int(oltp->writer, "PRAGMA main.schema_version", -1, &cookie, NULL) == RHEI_OK &&
        cookie == made->cookie) {
        capture_schema_publish(oltp, made);
    } else {
        /* what can't be read now is read by whoever asks next */
        capture_schema_release(made);
        capture_schema_refresh_locked(oltp, CAPTURE_BY_US, NULL);
    }
}

/* ---- The maintenance's thread. ----------------------------------------------------------------------------------- */

static bool hooks_follows(const struct oltp *oltp)
{
    return __atomic_load_n(&capture_of(oltp)->source, __ATOMIC_ACQUIRE) != NULL;
}

static void hooks_upkeep(struct oltp *oltp, unsigned due)
{
    if ((due & (OLTP_UPKEEP_LIMIT | OLTP_UPKEEP_CHECKPOINT | OLTP_UPKEEP_TICK | OLTP_UPKEEP_LATER)) != 0)
        capture_log_limit(oltp, NULL);
    if ((due & OLTP_UPKEEP_TICK) != 0)
        capture_loaders_close(oltp, true);
    if ((due & (OLTP_UPKEEP_SEEN | OLTP_UPKEEP_TICK)) != 0)
        capture_engine_seen(oltp, 0, NULL);
    if ((due & OLTP_UPKEEP_LATER) != 0)
        capture_engine_tell(oltp);
    if ((due & OLTP_UPKEEP_LATER) != 0)
        capture_schema_finish(oltp, base_now_ns() + CAPTURE_PATIENCE_NS);
}

static const struct oltp_hooks capture_hooks = {
    .open = hooks_open,
    .begin = hooks_begin,
    .end = hooks_end,
    .check_names = capture_registry_check_names,
    .is_captured = capture_registry_is_captured,
    .status = capture_limit_status,
    .version = capture_schema_version,
    .version_of = capture_schema_version_of,
    .settle = capture_schema_settle,
    .hold = hooks_hold,
    .release = capture_schema_release,
    .schema_version = hooks_schema_version,
    .names_view = capture_schema_names_view,
    .column_class = hooks_column_class,
    .is_rowid = hooks_is_rowid,
    .inserts_plainly = hooks_inserts_plainly,
    .refresh = hooks_refresh,
    .before_ddl = hooks_before_ddl,
    .after_ddl = hooks_after_ddl,
    .publish = capture_schema_publish,
    .publish_if_current = hooks_publish_if_current,
    .follows = hooks_follows,
    .pin_frames = capture_source_watch_hold,
    .upkeep = hooks_upkeep,
};

rhei_status capture_open(const struct oltp_config *config, struct oltp **oltp, struct rhei_error *error)
{
    struct oltp_config hooked = *config;
    hooked.hooks = &capture_hooks;
    return oltp_open(&hooked, oltp, error);
}
