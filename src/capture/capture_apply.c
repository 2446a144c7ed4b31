/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps triggers, log and registry in step with the schema (I5 to I8 of the README): which table needs what, and in which order. All writing
 * (capture_remake.c) happens within one write transaction of the writer, so other writers find either the old triggers or the new ones, never none.
 */
#include <inttypes.h>
#include <string.h>

#include "capture/capture_definition.h"
#include "capture/capture_expression.h"
#include "capture/capture_remake.h"

/* ---- The log. ---------------------------------------------------------------------------------------------------- */

/* Whose triggers log rows as they were. Before anything asks what a table's rows of the log look like. */
static void apply_mark_kept(struct capture *capture)
{
    const struct oltp_config *config = &capture->oltp->config;
    for (uint32_t i = 0; i < capture_schema_work_count(capture->schema); i++) {
        struct capture_table_schema *table = capture_schema_work(capture->schema, i);
        bool wanted = config->keeps_versions != NULL &&
                      config->keeps_versions(config->versions_context, table->table.source.name);
        table->keeps = capture_keeps(table, wanted);
    }
}

static rhei_status apply_widen_log(struct capture *capture)
{
    uint32_t width = CAPTURE_LOG_MIN_COLUMNS;
    for (uint32_t i = 0; i < capture_schema_work_count(capture->schema); i++) {
        const struct capture_table_schema *table = capture_schema_work(capture->schema, i);
        const struct source_table *source = &table->table.source;
        if ((source->column_count > width || 3 * capture_key_width(table) > width || table->keeps) &&
            source->unmirrored_reason == NULL) {
            uint32_t wanted = capture_log_width(table);
            width = wanted > width ? wanted : width;
        }
    }
    uint32_t have = capture->schema->has_log ? capture->schema->log_columns : 0;
    if (capture->schema->has_log && have >= width)
        return RHEI_OK;
    if (!capture->may_write) {
        capture->incomplete = true;
        return RHEI_OK;
    }
    rhei_status status = capture_remake_log(capture, width);
    if (status == RHEI_OK) {
        capture->schema->has_log = true;
        capture->schema->log_columns = width;
        capture->schema->pieces |= CAPTURE_PIECE_LOG;
        capture->schema->pieces &= ~(unsigned)CAPTURE_PIECE_EVENTS;
    }
    return status;
}

/* ---- One table. -------------------------------------------------------------------------------------------------- */

/* The application wants it, whether anybody registers it or not. */
static bool apply_is_wanted(const struct capture *capture, const char *table, const struct capture_registered *found)
{
    /* what is captured stays captured until it is released by name (R3) */
    return found->wanted >= 0 ? found->wanted > 0 : found->id != 0 || capture_is_named(capture->oltp, table);
}

/* Rowids that VACUUM may have moved: nothing names them. */
static bool apply_rowids_may_move(const struct capture_table_schema *table)
{
    const struct source_table *source = &table->table.source;
    return !source->without_rowid && !source->columns[source->key_columns[0]].is_rowid_alias;
}

/* Others did something to the schema that may have changed rows without our triggers, here too. */
static bool apply_is_doubtful(const struct capture *capture, const struct capture_table_schema *table)
{
    return capture->moved && table->table.source.unmirrored_reason == NULL &&
           (capture->doubtful || apply_rowids_may_move(table) || capture_schema_altered(capture->settled, table));
}

/* A table whose rows this program can't read (functions and collations that it doesn't have) can't be mirrored by it (C7). */
static rhei_status apply_prove_reading(struct capture *capture, const struct capture_table_schema *table,
                                       struct rhei_error *why)
{
    const struct source_table *source = &table->table.source;
    bool doubtful = false;
    for (uint32_t i = 0; i < source->column_count; i++)
        doubtful |= source->columns[i].generated;
    for (uint32_t i = 0; i < source->key_count; i++)
        doubtful |= !capture_collation_is_known(source->columns[source->key_columns[i]].collation);
    return doubtful ? capture_prove_reading(capture->connection, table, why) : RHEI_OK;
}

/* Why nothing can be captured here, or that it isn't wanted; NULL: it is to be captured. */
static rhei_status apply_refusal(struct capture *capture, struct capture_table_schema *table,
                                 const struct capture_registered *found, struct capture_trigger_set *set)
{
    struct source_table *source = &table->table.source;
    rhei_status status = RHEI_OK;
    if (source->unmirrored_reason == NULL && !apply_is_wanted(capture, source->name, found))
        source->unmirrored_reason = "it is not registered";
    if (source->unmirrored_reason == NULL) {
        struct rhei_error why = RHEI_ERROR_INIT;
        status = capture_triggers_make(table, (uint32_t)found->id, set, &why);
        if (status == RHEI_OK)
            status = apply_prove_reading(capture, table, &why);
        if (capture_remake_is_tables_own(status))
            status = capture_remake_exclude(capture, table, "", &why);
        else if (status != RHEI_OK && capture->error != NULL)
            *capture->error = why;
    }
    return status;
}

/* Nothing of the table changed since the schema before, where it was captured. */
static bool apply_is_unchanged(const struct capture_table_schema *table)
{
    return table->before != NULL && table->before->table.captured && table->before->exposed == table->exposed &&
           table->before->cut == table->cut && table->before->keeps == table->keeps;
}

/* I12: SQLite answers for it until its triggers are made. */
static void apply_wait(struct capture *capture, struct capture_table_schema *table)
{
    table->waits = true;
    table->table.source.id = 0;
    table->table.source.unmirrored_reason = "it is new, and its capture is about to be made";
    capture->schema->waiting++;
}

static rhei_status apply_root(struct oltp_connection *connection, const char *table, int64_t *root,
                              struct rhei_error *error)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(
        connection->db, "SELECT rootpage FROM main.sqlite_master WHERE type = 'table' AND name = ?1", -1, &stmt, NULL);
    *root = 0;
    if (rc == SQLITE_OK) {
        sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
        rc = sqlite3_step(stmt);
    }
    if (rc == SQLITE_ROW)
        *root = sqlite3_column_int64(stmt, 0);
    rhei_status status =
        rc == SQLITE_ROW || rc == SQLITE_DONE ? RHEI_OK : oltp_sqlite_error(connection, rc, NULL, error);
    sqlite3_finalize(stmt);
    return status;
}

/* R5 of capture_registry.c: which table gets a new number. Before any gets one. */
static rhei_status apply_origin(struct capture *capture, struct capture_table_schema *table,
                                const struct capture_registered *found)
{
    const struct capture_state *state = capture_of(capture->oltp);
    bool by_us = capture->cause == CAPTURE_BY_US;
    int64_t origin = 0, root = 0;
    rhei_status status = capture_registry_origin(capture->connection, table, &origin, capture->error);
    if (status == RHEI_OK && origin == 0 && by_us && state->altered_root != 0) {
        status = apply_root(capture->connection, table->table.source.name, &root, capture->error);
        origin = root == state->altered_root ? state->altered_origin : 0;
    }
    if (origin == 0 && by_us) /* what we drop is taken out of the registry at once */
        origin = found->origin;
    for (; origin == 0 || origin == 1; origin &= INT64_MAX) /* a table that came */
        sqlite3_randomness(sizeof origin, &origin);
    table->table.source.origin = origin;
    return status;
}

enum capture_need { CAPTURE_NOTHING, CAPTURE_KEEP_NUMBER, CAPTURE_NEW_NUMBER };

/* What the table needs; all that needs no new trigger is done here. */
static rhei_status apply_table(struct capture *capture, struct capture_table_schema *table,
                               struct capture_registered *found, enum capture_need *need)
{
    struct source_table *source = &table->table.source;
    rhei_status status = RHEI_OK;
    bool unchanged = apply_is_unchanged(table);
    bool moved = apply_is_doubtful(capture, table);
    *need = CAPTURE_NOTHING;
    if (capture->defers && table->before != NULL && table->before->waits) {
        apply_wait(capture, table);
        return RHEI_OK;
    }
    if (capture->appended && unchanged) {
        *found = (struct capture_registered){.id = table->before->number,
                                             .origin = table->before->table.source.origin,
                                             .same = true,
                                             .wanted = table->before->by_name ? 1 : -1};
    } else {
        status = capture_registry_find(&capture->registry, table, found, capture->error);
    }
    source->id = 0;
    source->origin = found->origin;
    table->by_name = found->wanted > 0;
    if (status != RHEI_OK)
        return status;
    unchanged = unchanged && found->same && found->id == table->before->number && found->wanted != 0;
    if (unchanged && !moved) {
        source->id = (uint32_t)found->id;
        table->table.captured = true;
        return RHEI_OK;
    }
    struct capture_trigger_set set = {0};
    status = apply_refusal(capture, table, found, &set);
    bool equal = status == RHEI_OK && source->unmirrored_reason == NULL && found->id != 0 && found->same &&
                 capture_triggers_equal(table, &set);
    bool bare = capture->moved && found->id != 0 && table->trigger_count < set.count;
    capture_trigger_set_reset(&set);
    if (status != RHEI_OK)
        return status;
    if (source->unmirrored_reason != NULL)
        return capture_remake_stop(capture, table, found);
    if (equal && !moved) {
        source->id = (uint32_t)found->id;
        table->table.captured = true;
    } else if (!capture->may_write) {
        capture->incomplete = true;
    } else if (capture->defers && found->id == 0 && table->trigger_count == 0) {
        apply_wait(capture, table);
    } else {
        bool keep = capture->cause == CAPTURE_BY_US && found->id != 0 && found->same && !moved;
        *need = keep ? CAPTURE_KEEP_NUMBER : CAPTURE_NEW_NUMBER;
        capture->untold |=
            !keep && (bare || ((capture->doubtful || capture->lost) && (found->id != 0 || table->trigger_count > 0)));
        if (!keep)
            status = apply_origin(capture, table, found);
    }
    return status;
}

/*
 * What histories tell of the positions up to here is of the tables as they were before others did what nobody saw: a position parts it from what is
 * loaded. Where the log has more than this handle applied, nothing was told of the newest yet, and what the load finds is told of it.
 */
static rhei_status apply_part(struct capture *capture)
{
    if (!capture->may_write || !capture->untold || capture->cause != CAPTURE_BY_OTHERS ||
        capture->oltp->config.keeps_versions == NULL)
        return RHEI_OK;
    int64_t number = 0, newest = 0;
    rhei_status status =
        oltp_query_int(capture->connection, "SELECT max(seq) FROM main." OLTP_LOG, 0, &newest, capture->error);
    if (status == RHEI_OK)
        status = oltp_query_int(capture->connection, "SELECT max(id) FROM main._rhei_tables WHERE live", 0, &number,
                                capture->error);
    int64_t applied = atomic_load_explicit(&capture_of(capture->oltp)->pinned_position, memory_order_relaxed);
    if (status != RHEI_OK || number <= 0 || (capture->settled != NULL && newest > applied))
        return status;
    return capture_advance(capture->connection, (uint32_t)number, capture->error);
}

/* ---- All of it. -------------------------------------------------------------------------------------------------- */

static rhei_status apply_tables(struct capture *capture)
{
    uint32_t count = capture_schema_work_count(capture->schema), needing = 0;
    atomic_fetch_add_explicit(&capture_of(capture->oltp)->tables_settled, count, memory_order_relaxed);
    struct capture_work *work = base_alloc_zero((size_t)count + 1, sizeof *work);
    rhei_status status = work == NULL ? error_no_memory(capture->error) : RHEI_OK;
    for (uint32_t i = 0; status == RHEI_OK && i < count; i++) {
        struct capture_work *at = &work[needing];
        enum capture_need need = CAPTURE_NOTHING;
        at->table = capture_schema_work(capture->schema, i);
        status = apply_table(capture, at->table, &at->found, &need);
        at->keep_number = need == CAPTURE_KEEP_NUMBER;
        needing += need != CAPTURE_NOTHING;
    }
    if (status == RHEI_OK)
        status = capture_remake_tables(capture, work, needing);
    base_free(work);
    return status;
}

static rhei_status apply_forget_gone(struct capture *capture)
{
    rhei_status status = RHEI_OK;
    if (capture->schema->gone != NULL)
        status = capture_registry_retire_named(capture->oltp, capture->schema->gone, capture->error);
    for (const struct capture_registry_row *row = capture->registry.live; row != NULL && status == RHEI_OK;
         row = row->next) {
        const struct capture_table_schema *table = capture_schema_find(capture->schema, row->name);
        if (table == NULL || table->table.source.id != (uint32_t)row->id) {
            if (capture->may_write)
                status = capture_registry_retire(capture->oltp, row->id, capture->error);
            else
                capture->incomplete = true;
        }
    }
    return status;
}

static rhei_status apply_pieces(struct capture *capture)
{
    rhei_status status = RHEI_OK;
    if (capture->may_write) {
        status = capture_registry_make(capture->oltp, capture->schema, capture->cause == CAPTURE_BY_OTHERS,
                                       &capture->lost, capture->error);
    } else if (capture->schema->pieces != CAPTURE_PIECES) {
        capture->incomplete = true;
    }
    return status;
}

static rhei_status apply_all(struct capture *capture)
{
    int64_t stored = -1;
    rhei_status status = apply_pieces(capture);
    if (status == RHEI_OK && capture->cause == CAPTURE_BY_OTHERS &&
        (capture->schema->pieces & CAPTURE_PIECE_META) != 0) {
        status = oltp_query_int(capture->connection, "SELECT value FROM main._rhei_meta WHERE key='schema_cookie'", -1,
                                &stored, capture->error);
    }
    capture->moved |= capture->cause == CAPTURE_BY_OTHERS && stored != capture->schema->cookie;
    if (capture->moved && !capture->may_write)
        capture->incomplete = true;
    struct oltp_schema *settled = capture_schema_hold(capture->oltp);
    capture->settled = settled;
    capture->doubtful = capture->moved && (settled == NULL || settled->cookie != stored ||
                                           !capture_schema_explains(settled, capture->schema));
    apply_mark_kept(capture);
    if (status == RHEI_OK)
        status = apply_widen_log(capture);
    if (status == RHEI_OK && capture->may_write &&
        (capture->schema->pieces & CAPTURE_PIECE_GUARD) != CAPTURE_PIECE_GUARD) {
        capture->redefines = true;
        status = capture_guard_make(capture->connection, capture->schema, capture->error);
    }
    if (status == RHEI_OK && capture->may_write && (capture->schema->pieces & CAPTURE_PIECE_EVENTS) == 0) {
        capture->redefines = true;
        status = capture_events_view(capture->connection, capture->schema->log_columns, capture->error);
        capture->schema->pieces |= CAPTURE_PIECE_EVENTS;
    }
    if (status == RHEI_OK && !capture->appended && (capture->schema->pieces & CAPTURE_PIECE_TABLES) != 0)
        status = capture_registry_read(&capture->registry, capture->error);
    if (status == RHEI_OK && (capture->schema->pieces & CAPTURE_PIECE_TABLES) != 0)
        status = apply_tables(capture);
    if (status == RHEI_OK)
        status = apply_forget_gone(capture);
    if (status == RHEI_OK)
        status = apply_part(capture);
    capture_registry_reset(&capture->registry);
    capture->settled = NULL;
    capture_schema_release(settled);
    return status;
}

/* What others capture, at the opening of a handle that would follow it. Where it isn't as it must be, nothing is followed. */
static rhei_status apply_settle_follow(struct oltp *oltp, struct oltp_schema *schema, rhei_status status,
                                       struct rhei_error *error)
{
    bool first = capture_of(oltp)->schema == NULL;
    if (!first || status == RHEI_NO_MEMORY)
        return status;
    bool whole = schema->pieces == CAPTURE_PIECES && schema->has_log;
    oltp->config.follow = status == RHEI_OK && whole && capture_is_numbered(schema);
    error_clear(error);
    return RHEI_OK;
}

rhei_status capture_match(struct oltp *oltp, struct oltp_connection *connection, struct oltp_schema *schema,
                          bool *complete, struct rhei_error *error)
{
    struct capture capture = {.oltp = oltp,
                              .connection = connection,
                              .registry = {.connection = connection},
                              .schema = schema,
                              .cause = CAPTURE_BY_OTHERS,
                              .error = error};
    bool reads = oltp_captures(oltp) || oltp_follows(oltp);
    rhei_status status = reads ? capture_registry_know(connection, schema, error) : RHEI_OK;
    bool present = (schema->pieces & CAPTURE_PIECE_META) != 0;
    *complete = false;
    if (status == RHEI_OK && present && reads)
        status = capture_registry_check(connection, error);
    if (status == RHEI_OK && present && reads) {
        status = apply_all(&capture);
        *complete = !capture.incomplete;
    }
    if (oltp_follows(oltp))
        status = apply_settle_follow(oltp, schema, status, error);
    if (status == RHEI_OK && !oltp_captures(oltp) && !oltp_follows(oltp))
        capture_number_still(oltp, schema);
    return status == RHEI_OK ? capture_seal(oltp, schema, error) : status;
}

/* *redefined: it may be another schema now than the one that was read or derived. */
static rhei_status apply_write(struct oltp *oltp, enum capture_cause cause, struct oltp_schema *schema,
                               enum capture_scope scope, bool *redefined, struct rhei_error *error)
{
    struct oltp_connection *writer = oltp->writer;
    struct capture capture = {.oltp = oltp,
                              .connection = writer,
                              .registry = {.connection = writer},
                              .schema = schema,
                              .cause = cause,
                              .error = error,
                              .appended = scope != CAPTURE_ALL,
                              .defers = scope == CAPTURE_ONE && schema->catalog.table_count >= CAPTURE_MANY_TABLES,
                              .may_write = true};
    oltp_fault(oltp, "capture.triggers");
    rhei_status status = apply_all(&capture);
    *redefined =
        capture.redefines || !schema->derived; /* where nothing was derived, Rhei's own tables may be new, too */
    if (status == RHEI_OK && *redefined)
        status = oltp_query_int(writer, "PRAGMA main.schema_version", 0, &schema->cookie, error);
    if (status == RHEI_OK) {
        status = oltp_execf(writer, error,
                            "UPDATE main._rhei_meta SET value = %" PRId64
                            " WHERE key = 'schema_cookie' AND value IS NOT %" PRId64,
                            schema->cookie, schema->cookie);
    }
    return status;
}

/* The schema as it is now that capture is settled: our triggers were made since it was read. */
static rhei_status apply_apply(struct oltp *oltp, enum capture_cause cause, struct oltp_schema *base,
                               enum capture_scope scope, const struct oltp_ddl *ddl, struct oltp_schema **result,
                               struct rhei_error *error)
{
    struct oltp_connection *writer = oltp->writer;
    struct oltp_schema *schema = NULL;
    *result = NULL;
    rhei_status status = RHEI_OK;
    if (scope != CAPTURE_ALL)
        status = capture_schema_derive(writer, base, scope == CAPTURE_ONE ? ddl : NULL, &schema, error);
    if (status == RHEI_OK && schema == NULL) {
        scope = CAPTURE_ALL;
        status = capture_schema_load(writer, base, &schema, error);
    }
    bool redefined = true;
    if (status == RHEI_OK && oltp->config.capture)
        status = apply_write(oltp, cause, schema, scope, &redefined, error);
    if (status == RHEI_OK && !oltp_captures(oltp))
        capture_number_still(oltp, schema);
    if (status == RHEI_OK && redefined)
        status = capture_schema_reread(writer, schema, error);
    if (status == RHEI_OK)
        status = capture_seal(oltp, schema, error);
    if (status != RHEI_OK) {
        capture_schema_release(schema);
        return status;
    }
    *result = schema;
    return RHEI_OK;
}

rhei_status capture_apply(struct oltp *oltp, enum capture_cause cause, struct oltp_schema *base,
                          enum capture_scope scope, const struct oltp_ddl *ddl, struct oltp_schema **result,
                          struct rhei_error *error)
{
    /* our rows are none of the user's last_insert_rowid() */
    int64_t last = sqlite3_last_insert_rowid(oltp->writer->db);
    rhei_status status = apply_apply(oltp, cause, base, scope, ddl, result, error);
    sqlite3_set_last_insert_rowid(oltp->writer->db, last);
    return status;
}

rhei_status capture_suspend(struct oltp *oltp, struct oltp_schema *base, const char *table, struct rhei_error *error)
{
    struct oltp_schema *schema = NULL;
    rhei_status status = base != NULL ? RHEI_OK : capture_schema_load(oltp->writer, NULL, &schema, error);
    if (status != RHEI_OK)
        return status;
    struct capture capture = {.oltp = oltp, .connection = oltp->writer, .error = error};
    const struct capture_table_schema *found = capture_schema_find(base != NULL ? base : schema, table);
    if (found != NULL) {
        struct capture_state *state = capture_of(oltp);
        struct capture_table_schema copy = *found; /* the base is others' too */
        copy.kept = 0;
        if (state->altered_root == 0) /* it comes first, those that something TEMP hides behind it */
            status = capture_registry_origin(oltp->writer, found, &state->altered_origin, error);
        if (status == RHEI_OK && state->altered_root == 0 && state->altered_origin != 0)
            status = apply_root(oltp->writer, found->table.source.name, &state->altered_root, error);
        if (status == RHEI_OK)
            status = capture_remake_drop(&capture, &copy);
    }
    capture_schema_release(schema);
    return status;
}
