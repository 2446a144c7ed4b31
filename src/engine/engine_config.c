/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of a handle: the configuration file first, the caller's fields over it. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base_map.h"
#include "config/config_settings.h"
#include "engine/engine_codec.h"
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
    if (config->scrub_rate == 0)
        config->scrub_rate = engine->scrub_rate;
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

/* Sidecars alone: SQLite is their face, over nothing. */
static rhei_status merge_no_local(struct rhei_db *db, const char **path, struct rhei_error *error)
{
    const char *origin = config_sidecar_at(db->settings, 0)->origin;
    if (*path != NULL)
        return error_set(
            error, RHEI_CONFIG,
            "%s: [sidecar] has no file of the engine's own beside it without enable_local_oltp = true: set "
            "that, or name no database",
            origin);
    if (db->settings->table_count > 0)
        return error_set(error, RHEI_CONFIG,
                         "%s: [[tables]] beside [sidecar] without enable_local_oltp = true have no file to be in",
                         db->settings->tables[0].origin);
    *path = ":memory:";
    db->config.read_only = true;
    db->config.must_exist = db->config.capture_if_present = false;
    return RHEI_OK;
}

/* [engine.datafusion_storage] is other words for olap_path, which isn't named then. */
static void merge_storage(struct rhei_config *config, const struct config_settings *settings)
{
    const struct config_storage *storage = &settings->storage;
    bool vortex = storage->mode == CONFIG_STORAGE_VORTEX;
    const char *path = !vortex ? settings->engine.olap_path : storage->path != NULL ? storage->path : storage->url;
    if (config->olap_path == NULL)
        config->olap_path = path;
    if (config->olap_format == NULL && settings->engine.olap_format == CONFIG_VORTEX)
        config->olap_format = "vortex";
}

static rhei_status read_settings(const char *file, const char *text, struct config_settings **settings,
                                 struct rhei_error *error)
{
    if (file != NULL && text != NULL)
        return error_set(error, RHEI_INVALID, "settings are in config_file or in config_text, not in both");
    return file != NULL   ? config_load(file, settings, error)
           : text != NULL ? config_parse(text, strlen(text), "config_text", settings, error)
                          : config_new(settings, error);
}

rhei_status engine_config_settings(const char *file, const char *text, const struct rhei_override *overrides,
                                   size_t count, struct config_settings **settings, struct rhei_error *error)
{
    rhei_status status = read_settings(file, text, settings, error);
    for (size_t o = 0; o < count && status == RHEI_OK; o++)
        status = overrides[o].name == NULL || overrides[o].value == NULL || overrides[o].origin == NULL
                     ? error_set(error, RHEI_INVALID, "the override %zu needs a name, a value and an origin", o)
                     : config_set(*settings, overrides[o].name, overrides[o].value, overrides[o].origin, error);
    if (status == RHEI_OK && count > 0)
        status = config_check(*settings, error);
    if (status == RHEI_OK)
        status = config_offered(*settings, error); /* silence would be taken for consent */
    if (status != RHEI_OK)
        config_free(settings);
    return status;
}

static rhei_status merge_file(struct rhei_db *db, struct rhei_error *error)
{
    const struct rhei_config *config = &db->config;
    rhei_status status = engine_config_settings(config->config_file, config->config_text, config->overrides,
                                                config->override_count, &db->settings, error);
    db->config.overrides = NULL;
    db->config.override_count = 0;
    if (status != RHEI_OK)
        return status;
    const struct config_engine *engine = &db->settings->engine;
    merge_numbers(&db->config, engine);
    merge_freshness(&db->config, &engine->freshness);
    merge_storage(&db->config, db->settings);
    if (db->config.rocksdb_cdc_path == NULL)
        db->config.rocksdb_cdc_path = engine->rocksdb_cdc_path;
    for (size_t t = 0; t < db->settings->table_count; t++) /* those that say how, and no more, leave open which */
        db->config.no_auto_register |= narrows(&db->settings->tables[t]);
    return RHEI_OK;
}

/* Which file is the engine's own: the caller's, else that of the settings; with sidecars alone there is none. */
static rhei_status merge_path(struct rhei_db *db, const char **path, struct rhei_error *error)
{
    rhei_status status = engine_config_sidecars(&db->config, *path != NULL, &db->settings, error);
    db->config.sidecars = NULL;
    db->config.sidecar_count = 0;
    if (status != RHEI_OK || db->settings == NULL)
        return status;
    if (!config_has_local(db->settings))
        return merge_no_local(db, path, error);
    if (*path == NULL)
        *path = db->settings->engine.oltp_path;
    return RHEI_OK;
}

/* RHEI_BACKEND in the place of duckdb, RHEI_OLAP_FORMAT where none is named: a whole test suite, or an application as it is. */
static rhei_status merge_environment(struct rhei_config *config, struct rhei_error *error)
{
    const char *format = getenv("RHEI_OLAP_FORMAT");
    if (config->olap_format == NULL && format != NULL && format[0] != '\0')
        config->olap_format = format;
    const char *named = getenv("RHEI_BACKEND");
    if (named == NULL || named[0] == '\0' || config->olap_backend != RHEI_OLAP_DUCKDB || strcmp(named, "duckdb") == 0)
        return RHEI_OK;
    if (strcmp(named, "datafusion") != 0)
        return error_set(error, RHEI_CONFIG, "RHEI_BACKEND can't be \"%.40s\": it takes duckdb or datafusion", named);
    config->olap_backend = RHEI_OLAP_DATAFUSION;
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

/* Not refused, as a file that is a secret itself isn't: one that is mounted into a container often is so. */
void engine_config_tell_open_file(const struct rhei_db *db, const char *path)
{
    struct stat about;
    const char *origin = db->settings == NULL ? NULL : config_origin(db->settings, "engine", "flight_auth_token");
    if (path == NULL || origin == NULL || strncmp(origin, path, strlen(path)) != 0 || stat(path, &about) != 0)
        return;
    if ((about.st_mode & (S_IROTH | S_IWOTH)) != 0)
        base_log_write(&db->log, BASE_LOG_WARN, "engine",
                       "%s has a secret, flight_auth_token, and can be %s by everybody on this machine: chmod 600 it",
                       path, (about.st_mode & S_IWOTH) != 0 ? "written" : "read");
}

rhei_status engine_config_load(struct rhei_db *db, const char *path, struct rhei_error *error)
{
    bool given = db->config.config_file != NULL || db->config.config_text != NULL || db->config.override_count > 0;
    rhei_status status = given ? merge_file(db, error) : RHEI_OK;
    if (status == RHEI_OK)
        status = merge_path(db, &path, error);
    if (status == RHEI_OK)
        status = merge_environment(&db->config, error);
    if (status == RHEI_OK)
        status = engine_codec(db->config.olap_format, &db->codec, error);
    if (status == RHEI_OK)
        status = take_modes(db, error);
    if (status != RHEI_OK)
        return status;
    if (db->config.olap_path != NULL && db->config.olap_path[0] == '\0') /* none, whatever the file says */
        db->config.olap_path = NULL;
    db->path = base_strdup(path != NULL ? path : "rhei.db");
    if (db->config.olap_path != NULL)
        db->olap_path = base_strdup(db->config.olap_path);
    if (db->config.rocksdb_cdc_path != NULL)
        db->buffer_path = base_strdup(db->config.rocksdb_cdc_path);
    if (db->path == NULL || (db->config.olap_path != NULL && db->olap_path == NULL) ||
        (db->config.rocksdb_cdc_path != NULL && db->buffer_path == NULL))
        return error_no_memory(error);
    db->no_local = db->settings != NULL && !config_has_local(db->settings);
    db->keeps_sidecars = db->no_local || !db->config.read_only;
    if (db->olap_path != NULL && db->keeps_sidecars) {
        db->sidecar_path = base_strdup(db->olap_path);
        if (db->sidecar_path == NULL)
            return error_no_memory(error);
    }
    if (db->no_local) { /* there is nothing of our own to keep */
        base_free(db->olap_path);
        db->olap_path = NULL;
    }
    db->config.olap_format = db->codec->name;
    db->config.olap_path = db->olap_path;
    db->config.rocksdb_cdc_path = db->buffer_path;
    db->config.config_file = db->config.config_text = NULL;
    return RHEI_OK;
}

const struct config_table *engine_config_absent(const struct rhei_db *db, const struct capture_catalog *catalog,
                                                size_t *at)
{
    for (; db->settings != NULL && *at < db->settings->table_count; ++*at) {
        const struct config_table *table = &db->settings->tables[*at];
        if (engine_file_find(catalog, table->name) != ENGINE_FOUND_NOTHING)
            continue;
        ++*at;
        return table;
    }
    return NULL;
}

bool engine_config_has_tables(const struct rhei_db *db)
{
    return db->settings != NULL && db->settings->table_count > 0;
}
