/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a handle: the configuration file first, the caller's fields over it. */
#include "base/base_map.h"
#include "config/config_settings.h"
#include "engine/engine_internal.h"

static void merge_numbers(struct rhei_config *config, const struct config_engine *engine)
{
    static const int32_t synchronous[] = {
        [CONFIG_SYNC_OFF] = RHEI_SYNCHRONOUS_OFF,
        [CONFIG_SYNC_NORMAL] = RHEI_SYNCHRONOUS_NORMAL,
        [CONFIG_SYNC_FULL] = RHEI_SYNCHRONOUS_FULL,
    };
    static const int32_t policies[] = {
        [CONFIG_LIMIT_DETACH] = RHEI_LOG_LIMIT_DETACH,
        [CONFIG_LIMIT_GROW] = RHEI_LOG_LIMIT_GROW,
        [CONFIG_LIMIT_BLOCK] = RHEI_LOG_LIMIT_BLOCK,
    };
    if (config->olap_backend == RHEI_OLAP_DUCKDB && engine->olap_backend == CONFIG_DATAFUSION)
        config->olap_backend = RHEI_OLAP_DATAFUSION;
    if (config->olap_backend == RHEI_OLAP_DUCKDB && engine->olap_backend == CONFIG_NO_BACKEND)
        config->olap_backend = RHEI_OLAP_NONE;
    if (config->sync_mode == RHEI_SYNC_DESTRUCTIVE && engine->sync_mode == CONFIG_TEMPORAL)
        config->sync_mode = RHEI_SYNC_TEMPORAL;
    if (config->synchronous == RHEI_SYNCHRONOUS_NORMAL)
        config->synchronous = synchronous[engine->synchronous];
    if (config->log_level == 0)
        config->log_level = engine->log_level;
    if (config->read_pool_size == 0)
        config->read_pool_size = (uint32_t)engine->read_pool_size;
    if (config->threads == 0)
        config->threads = (uint32_t)engine->threads;
    if (config->sync_interval_ms == 0)
        config->sync_interval_ms = (uint32_t)engine->sync_interval_ms;
    if (config->sync_batch_rows == 0)
        config->sync_batch_rows = engine->sync_batch_size;
    if (config->scrub_interval_s == 0)
        config->scrub_interval_s = (uint32_t)engine->scrub_interval;
    if (config->history_max_age_s == 0)
        config->history_max_age_s = (uint32_t)engine->history_max_age;
    if (config->history_max_versions == 0)
        config->history_max_versions = (uint32_t)engine->history_max_versions;
    if (config->checkpoint_interval_ms == 0)
        config->checkpoint_interval_ms = (uint32_t)engine->checkpoint_interval_ms;
    if (config->busy_timeout_ms == 0)
        config->busy_timeout_ms = (uint32_t)engine->busy_timeout_ms;
    if (config->log_limit_rows == 0)
        config->log_limit_rows = engine->log_limit_rows;
    if (config->log_limit_bytes == 0)
        config->log_limit_bytes = engine->log_limit_bytes;
    if (config->log_limit_age_s == 0)
        config->log_limit_age_s = (uint32_t)engine->log_limit_age;
    if (config->log_limit_policy == RHEI_LOG_LIMIT_DETACH)
        config->log_limit_policy = policies[engine->log_limit_policy];
    if (config->wal_limit_bytes == 0)
        config->wal_limit_bytes = engine->wal_limit;
    if (config->olap_memory_limit == 0)
        config->olap_memory_limit = engine->olap_memory_limit;
    config->no_auto_register |= !engine->auto_register;
    config->keep_changes |= !engine->prune_after_sync;
    config->no_olap_syntax |= !engine->olap_syntax;
}

static void merge_freshness(struct rhei_config *config, const struct config_freshness *freshness)
{
    if (config->freshness.mode != RHEI_FRESHNESS_DEFAULT)
        return;
    if (freshness->kind == CONFIG_EVENTUAL)
        config->freshness = rhei_eventual();
    else if (freshness->kind == CONFIG_BOUNDED)
        config->freshness = rhei_bounded_ms((int64_t)freshness->bound_ms);
    else
        config->freshness = rhei_latest();
}

/* What no section names isn't mirrored, unless all of them only give their tables a mode. */
static bool narrows(const struct config_table *table)
{
    return table->sync_mode < 0;
}

bool engine_config_names(void *context, const char *table)
{
    const struct config_settings *settings = context;
    for (size_t t = 0; t < settings->table_count; t++)
        if (base_fold_compare(settings->tables[t].name, table) == 0)
            return true;
    return false;
}

static rhei_status merge_file(struct rhei_db *db, const char **path, struct rhei_error *error)
{
    rhei_status status = config_load(db->config.config_file, &db->settings, error);
    if (status == RHEI_OK)
        status = config_offered(db->settings, error); /* silence would be taken for consent */
    if (status != RHEI_OK)
        return status;
    const struct config_engine *engine = &db->settings->engine;
    merge_numbers(&db->config, engine);
    merge_freshness(&db->config, &engine->freshness);
    if (*path == NULL)
        *path = engine->oltp_path;
    if (db->config.olap_path == NULL)
        db->config.olap_path = engine->olap_path;
    if (db->config.rocksdb_cdc_path == NULL)
        db->config.rocksdb_cdc_path = engine->rocksdb_cdc_path;
    for (size_t t = 0; t < db->settings->table_count; t++) /* those that say how, and no more, leave open which */
        db->config.no_auto_register |= narrows(&db->settings->tables[t]);
    return RHEI_OK;
}

static rhei_status add_mode(struct rhei_db *db, const char *table, int32_t mode, struct rhei_error *error)
{
    char *name = base_strdup(table);
    if (name == NULL)
        return error_no_memory(error);
    db->modes[db->mode_count++] = (struct rhei_table_mode){name, mode};
    db->any_temporal = db->any_temporal || mode == RHEI_SYNC_TEMPORAL;
    return RHEI_OK;
}

/* The caller's first, which win. */
static rhei_status take_modes(struct rhei_db *db, struct rhei_error *error)
{
    const struct rhei_config *config = &db->config;
    size_t files = db->settings != NULL ? db->settings->table_count : 0;
    rhei_status status = RHEI_OK;
    db->modes = base_alloc_zero(config->table_mode_count + files + 1, sizeof *db->modes);
    if (db->modes == NULL)
        return error_no_memory(error);
    for (size_t t = 0; t < config->table_mode_count && status == RHEI_OK; t++) {
        const struct rhei_table_mode *mode = &config->table_modes[t];
        if (mode->table == NULL || mode->sync_mode < RHEI_SYNC_DESTRUCTIVE || mode->sync_mode > RHEI_SYNC_TEMPORAL)
            return error_set(
                error, RHEI_INVALID,
                "rhei_config.table_modes[%zu] needs a table's name, and a mode of destructive and temporal", t);
        status = add_mode(db, mode->table, mode->sync_mode, error);
    }
    for (size_t t = 0; t < files && status == RHEI_OK; t++)
        if (db->settings->tables[t].sync_mode >= 0)
            status = add_mode(db, db->settings->tables[t].name,
                              db->settings->tables[t].sync_mode == CONFIG_TEMPORAL ? RHEI_SYNC_TEMPORAL
                                                                                   : RHEI_SYNC_DESTRUCTIVE,
                              error);
    db->config.table_modes = db->modes;
    db->config.table_mode_count = db->mode_count;
    return status;
}

void engine_config_free(struct rhei_db *db)
{
    for (size_t m = 0; m < db->mode_count; m++)
        base_free((void *)(uintptr_t)db->modes[m].table);
    base_free(db->modes);
}

rhei_status engine_config_load(struct rhei_db *db, const char *path, struct rhei_error *error)
{
    rhei_status status = db->config.config_file != NULL ? merge_file(db, &path, error) : RHEI_OK;
    if (status == RHEI_OK)
        status = take_modes(db, error);
    if (status != RHEI_OK)
        return status;
    db->path = base_strdup(path != NULL ? path : "rhei.db");
    if (db->config.olap_path != NULL)
        db->olap_path = base_strdup(db->config.olap_path);
    if (db->config.rocksdb_cdc_path != NULL)
        db->buffer_path = base_strdup(db->config.rocksdb_cdc_path);
    if (db->path == NULL || (db->config.olap_path != NULL && db->olap_path == NULL) ||
        (db->config.rocksdb_cdc_path != NULL && db->buffer_path == NULL))
        return error_no_memory(error);
    db->config.olap_path = db->olap_path;
    db->config.rocksdb_cdc_path = db->buffer_path;
    db->config.config_file = NULL;
    return RHEI_OK;
}

static rhei_status ddl_made_it(rhei_session *session, const char *name, struct rhei_error *error)
{
    rhei_rows *rows = NULL;
    rhei_status status =
        rhei_session_query(session, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE",
                           RHEI_PARAMS(rhei_text(name)), NULL, &rows, error);
    if (status == RHEI_OK)
        status = rhei_rows_next(rows, error);
    rhei_rows_close(&rows);
    if (status == RHEI_DONE)
        return error_set(error, RHEI_CONFIG, "its ddl makes no table of that name; nothing of it was kept");
    return status == RHEI_ROW ? RHEI_OK : status;
}

/* All or nothing: a ddl that doesn't make its table leaves the file as it was. */
static rhei_status run_ddl(struct rhei_db *db, const struct config_table *table, struct rhei_error *error)
{
    rhei_session *session = NULL;
    rhei_status status = rhei_session_open(db, &session, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "BEGIN IMMEDIATE", NULL, NULL, error);
    if (status == RHEI_OK)
        status = rhei_session_execute_script(session, table->ddl, NULL, NULL, error);
    if (status == RHEI_OK)
        status = ddl_made_it(session, table->name, error);
    if (status == RHEI_OK)
        status = rhei_session_execute(session, "COMMIT", NULL, NULL, error);
    rhei_session_close(&session); /* rolls back what is open */
    return status;
}

enum found { FOUND_NOTHING, FOUND_OTHER, FOUND_TABLE, FOUND_CAPTURED };

static enum found find_in(const struct capture_catalog *catalog, const char *name)
{
    const struct capture_table *found = engine_file_table(catalog, name);
    if (found != NULL)
        return found->captured ? FOUND_CAPTURED : FOUND_TABLE;
    for (uint32_t v = 0; v < catalog->view_count; v++)
        if (base_fold_compare(catalog->views[v].name, name) == 0)
            return FOUND_OTHER;
    return FOUND_NOTHING;
}

static rhei_status look_for(struct rhei_db *db, const char *name, enum found *found, struct rhei_error *error)
{
    const struct capture_catalog *catalog = NULL;
    rhei_status status = capture_catalog_take(db->oltp, &catalog, error);
    if (status != RHEI_OK)
        return status;
    *found = find_in(catalog, name);
    capture_catalog_release(&catalog);
    return RHEI_OK;
}

static rhei_status register_described(struct rhei_db *db, const struct config_table *table, struct rhei_error *error)
{
    struct rhei_column *columns = base_alloc_zero(table->column_count + 1, sizeof *columns);
    if (columns == NULL)
        return error_no_memory(error);
    for (size_t c = 0; c < table->column_count; c++)
        columns[c] = (struct rhei_column){
            .name = table->columns[c].name,
            .type = table->columns[c].type_text,
            .not_null = !table->columns[c].nullable,
            .primary_key = table->columns[c].primary_key,
        };
    rhei_status status = engine_register(db, table->name, columns, table->column_count, NULL, error);
    base_free(columns);
    return status;
}

/*
 * A table that is there is taken as it is. One that isn't, and that nobody tells how to make, may come later: it is mirrored then
 * (engine_config_names), and until then others' statements go on.
 */
static rhei_status make_one(struct rhei_db *db, const struct config_table *table, struct rhei_error *error)
{
    enum found found = FOUND_NOTHING;
    rhei_status status = look_for(db, table->name, &found, error);
    if (status != RHEI_OK)
        return status;
    if (found == FOUND_NOTHING && table->ddl != NULL)
        status = run_ddl(db, table, error);
    else if (table->ddl == NULL && table->column_count > 0)
        return register_described(db, table, error);
    else if (found == FOUND_NOTHING) {
        if (db->sync != NULL) /* else it is a rehearsal */
            base_log_write(&db->log, BASE_LOG_WARN, "engine",
                           "%s: [[tables]] \"%s\": the file has no such table: it is mirrored once it is made",
                           table->origin, table->name);
        return RHEI_OK;
    }
    return status != RHEI_OK || found == FOUND_CAPTURED ? status
                                                        : engine_register(db, table->name, NULL, 0, NULL, error);
}

const char *engine_config_absent(const struct rhei_db *db, const struct capture_catalog *catalog, size_t *at,
                                 const char **name)
{
    for (; db->settings != NULL && *at < db->settings->table_count; ++*at) {
        const struct config_table *table = &db->settings->tables[*at];
        if (find_in(catalog, table->name) != FOUND_NOTHING)
            continue;
        ++*at;
        *name = table->name;
        return table->origin;
    }
    return NULL;
}

static rhei_status make_all(struct rhei_db *db, struct rhei_error *error)
{
    for (size_t t = 0; t < db->settings->table_count; t++) {
        rhei_status status = make_one(db, &db->settings->tables[t], error);
        if (status != RHEI_OK) {
            error_context(error, "%s: [[tables]] \"%s\": ", db->settings->tables[t].origin,
                          db->settings->tables[t].name);
            return status;
        }
    }
    return RHEI_OK;
}

rhei_status engine_config_tables(struct rhei_db *db, struct rhei_error *error)
{
    if (db->settings == NULL || db->sync == NULL || !oltp_captures(db->oltp))
        return RHEI_OK;
    rhei_status status = make_all(db, error);
    if (status == RHEI_OK)
        sync_wake(db->sync);
    return status;
}

bool engine_config_has_tables(const struct rhei_db *db)
{
    return db->settings != NULL && db->settings->table_count > 0;
}

rhei_status engine_config_rehearse(struct rhei_db *scratch, struct rhei_error *error)
{
    return make_all(scratch, error);
}
