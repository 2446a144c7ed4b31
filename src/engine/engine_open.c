/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing: settings, then the rooms from below to above; closing goes the other way. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_thread.h"
#include "config/config_settings.h"
#include "engine/engine_internal.h"
#include "engine/engine_scrub.h"
#include "engine/engine_sidecar.h"
#include "engine/engine_store.h"
#include "exec_datafusion/datafusion_executor.h"
#include "exec_duckdb/duckdb_executor.h"

enum {
    BUSY_TIMEOUT_DEFAULT_MS = 5000,
    CHECKPOINT_INTERVAL_DEFAULT_MS = 10000,
    READ_POOL_DEFAULT = 4,
    BATCH_ROWS_DEFAULT = 65536
};
#define CLOSE_CATCHES_UP_NS ((int64_t)2000000000) /* a close waits no longer for the column store */
enum { WARM_ROWS = 5000 };                        /* below that SQLite answers in any case (ROUTE_FEW_ROWS) */
#define LOG_LIMIT_DEFAULT 50000000u
#define WAL_LIMIT_DEFAULT (64u << 20)

/* A slip that would be told as if one of the database's own files were a stranger there. */
static rhei_status explain_own_folder(const struct rhei_db *db, rhei_status status, struct rhei_error *error)
{
    struct stat of_folder, of_file;
    const char *slash = strrchr(db->path, '/');
    char *above = slash == NULL ? base_strdup(".") : base_strndup(db->path, (size_t)(slash - db->path) + 1);
    bool is = status == RHEI_INVALID && db->olap_path != NULL && above != NULL &&
              stat(db->olap_path, &of_folder) == 0 && stat(above, &of_file) == 0 &&
              of_folder.st_dev == of_file.st_dev && of_folder.st_ino == of_file.st_ino;
    base_free(above);
    if (!is)
        return status;
    error_clear(error);
    return error_set(error, RHEI_INVALID,
                     "olap_path: \"%s\" is the folder that the database file itself is in: name one for the column "
                     "store alone, which is empty or doesn't exist",
                     db->olap_path);
}

/* Called on a committing thread: only wakes. */
static void committed(void *context)
{
    struct rhei_db *db = context;
    if (db->sync != NULL)
        sync_wake(db->sync);
}

static void defaults(struct rhei_config *config)
{
    if (config->checkpoint_interval_ms == 0)
        config->checkpoint_interval_ms = CHECKPOINT_INTERVAL_DEFAULT_MS;
    if (config->read_pool_size == 0)
        config->read_pool_size = READ_POOL_DEFAULT;
    if (config->busy_timeout_ms == 0)
        config->busy_timeout_ms = BUSY_TIMEOUT_DEFAULT_MS;
    if (config->sync_batch_rows == 0)
        config->sync_batch_rows = BATCH_ROWS_DEFAULT;
    if (config->log_limit_rows == 0)
        config->log_limit_rows = LOG_LIMIT_DEFAULT;
    if (config->threads == 0)
        config->threads = (uint32_t)base_cpu_count();
    if (config->olap_memory_limit == 0)
        config->olap_memory_limit = base_total_memory() / 2;
    if (config->wal_limit_bytes == 0)
        config->wal_limit_bytes = WAL_LIMIT_DEFAULT;
    if (config->log_level == 0)
        config->log_level = RHEI_LOG_WARN;
    if (config->freshness.mode == RHEI_FRESHNESS_DEFAULT)
        config->freshness = rhei_latest();
}

/* The same limits as in a file of settings: `key` is the name there. */
static rhei_status check_number(const char *field, const char *key, uint64_t value, struct rhei_error *error)
{
    uint64_t least = 0, most = UINT64_MAX;
    if (!config_limits(key, &least, &most))
        return error_set(error, RHEI_INTERNAL, "the setting %s has no limits", key);
    if (value == 0 || (value >= least && value <= most))
        return RHEI_OK;
    return error_set(error, RHEI_INVALID,
                     "rhei_config.%s can't be %" PRIu64 ": it takes a whole number from %" PRIu64 " to %" PRIu64
                     ", or 0 for the default",
                     field, value, least, most);
}

static rhei_status check_numbers(const struct rhei_config *config, struct rhei_error *error)
{
    const struct {
        const char *field, *key;
        uint64_t value;
    } numbers[] = {
        {"read_pool_size", "read_pool_size", config->read_pool_size},
        {"threads", "threads", config->threads},
        {"sync_interval_ms", "sync_interval_ms", config->sync_interval_ms},
        {"busy_timeout_ms", "busy_timeout_ms", config->busy_timeout_ms},
        {"sync_batch_rows", "sync_batch_size", config->sync_batch_rows},
        {"olap_memory_limit", "olap_memory_limit", config->olap_memory_limit},
        {"log_limit_rows", "log_limit_rows", config->log_limit_rows},
        {"log_limit_bytes", "log_limit_bytes", config->log_limit_bytes},
        {"log_limit_age_s", "log_limit_age", config->log_limit_age_s},
        {"wal_limit_bytes", "wal_limit", config->wal_limit_bytes},
        {"checkpoint_interval_ms", "checkpoint_interval_ms", config->checkpoint_interval_ms},
        {"scrub_interval_s", "scrub_interval", config->scrub_interval_s},
        {"scrub_rate", "scrub_rate", config->scrub_rate},
        {"history_max_age_s", "history_max_age", config->history_max_age_s},
        {"history_max_versions", "history_max_versions", config->history_max_versions},
    };
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < sizeof numbers / sizeof numbers[0]; i++)
        status = check_number(numbers[i].field, numbers[i].key, numbers[i].value, error);
    return status;
}

static rhei_status check(const struct rhei_config *config, bool any_temporal, struct rhei_error *error)
{
    if (config->sync_mode < RHEI_SYNC_DESTRUCTIVE || config->sync_mode > RHEI_SYNC_TEMPORAL)
        return error_set(error, RHEI_INVALID, "rhei_config.sync_mode %d is none of destructive and temporal",
                         config->sync_mode);
    if (config->olap_backend < RHEI_OLAP_DUCKDB || config->olap_backend > RHEI_OLAP_NONE)
        return error_set(error, RHEI_INVALID, "rhei_config.olap_backend %d is none of duckdb and none",
                         config->olap_backend);
    if (config->log_limit_policy < RHEI_LOG_LIMIT_DETACH || config->log_limit_policy > RHEI_LOG_LIMIT_BLOCK)
        return error_set(error, RHEI_INVALID, "rhei_config.log_limit_policy %d is none of detach, grow and block",
                         config->log_limit_policy);
    if (config->log_limit_policy == RHEI_LOG_LIMIT_BLOCK && config->keep_changes)
        return error_set(
            error, RHEI_INVALID,
            "log_limit_policy block and keep_changes (prune_after_sync = false) don't go together: the log "
            "would fill up once, and every write fail from then on; take detach, which keeps as much as "
            "the limits allow");
    if (config->log_level < RHEI_LOG_ERROR || config->log_level > RHEI_LOG_DEBUG)
        return error_set(error, RHEI_INVALID, "rhei_config.log_level %d is none of error, warn, info and debug",
                         config->log_level);
    rhei_status status = engine_freshness_check(&config->freshness, error);
    if (status != RHEI_OK)
        return status;
    bool temporal = config->sync_mode == RHEI_SYNC_TEMPORAL || any_temporal;
    if (temporal && config->olap_backend == RHEI_OLAP_NONE)
        return error_set(error, RHEI_UNSUPPORTED, "sync_mode temporal needs the column store, which has the history");
    status = config->olap_path == NULL ? RHEI_OK : engine_store_check(config->olap_path, error);
    if (status != RHEI_OK)
        return status;
    if (config->olap_path != NULL && config->rocksdb_cdc_path != NULL &&
        strcmp(config->olap_path, config->rocksdb_cdc_path) == 0)
        return error_set(error, RHEI_INVALID,
                         "olap_path and rocksdb_cdc_path are both \"%s\": each needs a folder of its own",
                         config->olap_path);
    return check_numbers(config, error);
}

static bool keeps_history(void *context, const char *table)
{
    return engine_keeps_history(context, table);
}

/* Folders that can't be this file's, which is told before anything is done to it. */
static rhei_status may_begin(void *context, struct rhei_error *error)
{
    struct rhei_db *db = context;
    rhei_status status = db->config.olap_backend == RHEI_OLAP_NONE ? RHEI_OK : engine_disk_may_begin(db, error);
    status = explain_own_folder(db, status, error);
    return status == RHEI_OK ? engine_buffer_may_begin(db, error) : status;
}

static rhei_status open_oltp(struct rhei_db *db, struct rhei_error *error)
{
    static const enum oltp_synchronous levels[] = {OLTP_SYNC_NORMAL, OLTP_SYNC_FULL, OLTP_SYNC_OFF};
    static const enum oltp_log_policy policies[] = {OLTP_LOG_DETACH, OLTP_LOG_GROW, OLTP_LOG_BLOCK};
    const struct rhei_config *config = &db->config;
    if (config->synchronous < 0 || config->synchronous > RHEI_SYNCHRONOUS_OFF)
        return error_set(error, RHEI_INVALID, "rhei_config.synchronous %d is none of normal, full and off",
                         config->synchronous);
    db->keeps_history = config->sync_mode == RHEI_SYNC_TEMPORAL || db->any_temporal;
    struct oltp_config oltp = {
        .path = db->path,
        .read_only = config->read_only,
        .no_writes = db->no_local
                         ? "a sidecar's tables are written by its own programs alone, and there are none of one's "
                           "own: enable_local_oltp = true in [sidecar] gives them a file"
                         : NULL,
        .must_exist = config->must_exist,
        .capture = !config->read_only,
        .capture_if_present = config->capture_if_present,
        .begins = db->olap_path != NULL || db->buffer_path != NULL ? may_begin : NULL,
        .begins_context = db,
        .follow = config->olap_backend != RHEI_OLAP_NONE && engine_disk_looks(config),
        .auto_register = !config->no_auto_register,
        .named = db->settings != NULL ? engine_config_names : NULL,
        .named_context = db->settings,
        .read_pool_size = config->read_pool_size,
        .no_files = config->no_files,
        .busy_timeout_ms = config->busy_timeout_ms,
        .synchronous = levels[config->synchronous],
        .log_limit_rows = config->log_limit_rows,
        .log_limit_bytes = config->log_limit_bytes,
        .log_limit_age_ms = (uint64_t)config->log_limit_age_s * 1000,
        .log_limit_policy = policies[config->log_limit_policy],
        .follows = config->olap_backend != RHEI_OLAP_NONE,
        .rests = config->manual_sync && config->olap_path == NULL,
        .wal_limit_bytes = config->wal_limit_bytes,
        .committed = committed,
        .committed_context = db,
        .connected = config->on_connect != NULL ? engine_connected : NULL,
        .connected_context = db,
        .keeps_versions = db->keeps_history ? keeps_history : NULL,
        .versions_context = db,
        .log = &db->log,
        .fault = config->fault,
        .fault_context = config->fault_context,
    };
    return capture_open(&oltp, &db->oltp, error);
}

/* Where statements over the memory limit spill. The executor makes the folder when it first needs it. */
static rhei_status name_temp_folder(struct rhei_db *db, struct rhei_error *error)
{
    const char *base = getenv("TMPDIR");
    struct base_buffer name = {0};
    base_buffer_format(&name, "%s/rhei-%016" PRIx64, base != NULL && base[0] != '\0' ? base : "/tmp",
                       base_random_u64());
    db->temp_folder = base_buffer_take(&name);
    return db->temp_folder == NULL ? error_no_memory(error) : RHEI_OK;
}

/* There is something to analyse now: while nobody waits, the executor gets ready for it. */
static void built(void *context, uint64_t rows)
{
    struct rhei_db *db = context;
    if (rows >= WARM_ROWS && db->executor->ops->warm != NULL)
        db->executor->ops->warm(db->executor);
}

static rhei_status open_executor(struct rhei_db *db, size_t memory_limit, struct rhei_error *error)
{
    const struct rhei_config *config = &db->config;
    if (config->olap_backend == RHEI_OLAP_DATAFUSION) {
        struct datafusion_executor_config datafusion = {.threads = (int)config->threads,
                                                        .memory_limit = memory_limit,
                                                        .temp_directory = db->temp_folder,
                                                        .helpers = *oltp_helpers(),
                                                        .log = &db->log};
        return datafusion_executor_open(&datafusion, &db->executor, error);
    }
    struct duckdb_executor_config duckdb = {.threads = (int)config->threads,
                                            .memory_limit = memory_limit,
                                            .temp_directory = db->temp_folder,
                                            .helpers = *oltp_helpers(),
                                            .log = &db->log};
    return duckdb_executor_open(&duckdb, &db->executor, error);
}

static rhei_status open_column_store(struct rhei_db *db, struct rhei_error *error)
{
    const struct rhei_config *config = &db->config;
    /* The executor's working memory is what the mirror leaves of the one limit. */
    struct mirror_config mirror = {.memory_limit = config->olap_memory_limit / 5 * 3, .log = &db->log};
    rhei_status status = name_temp_folder(db, error);
    if (status == RHEI_OK)
        status = mirror_open(&mirror, &db->mirror, error);
    if (status == RHEI_OK)
        status = capture_change_source(db->oltp, &db->source, error);
    if (status == RHEI_OK)
        status = engine_buffer_source(db, &db->source, error);
    if (status == RHEI_OK)
        status = open_executor(db, config->olap_memory_limit - mirror.memory_limit, error);
    if (status != RHEI_OK)
        return status;
    struct sync_config sync = {
        .mirror = db->mirror,
        .source = db->source,
        .batch_rows = config->sync_batch_rows,
        .interval_ms = config->sync_interval_ms,
        .scrub_interval_ms =
            config->scrub_interval_s < UINT32_MAX / 1000 ? config->scrub_interval_s * 1000 : UINT32_MAX,
        .prune = !config->keep_changes,
        .build_on_demand = config->manual_sync || !oltp_captures(db->oltp),
        .log = &db->log,
        .fault = config->fault,
        .fault_context = config->fault_context,
        .built = built,
        .built_context = db,
        .loses = !oltp_captures(db->oltp) && (!oltp_follows(db->oltp) || db->buffer_path != NULL),
    };
    status = engine_watches_open(db, &sync.observer, error);
    if (status == RHEI_OK)
        status = engine_disk_open(db, &sync, error);
    status = explain_own_folder(db, status, error);
    sync.history_max_age_us = (int64_t)config->history_max_age_s * 1000000;
    sync.history_max_versions = config->history_max_versions;
    sync.keeps_history = db->keeps_history && !engine_disk_is_elsewhere(db) ? keeps_history : NULL;
    sync.history_context = db;
    if (status == RHEI_OK)
        status = engine_scrub_open(db, &sync, error);
    if (status == RHEI_OK)
        status = sync_open(&sync, &db->sync, error);
    return status == RHEI_OK && db->keeps_history ? engine_show_history(db, error) : status;
}

/* A table of the settings that can't be had must not leave a new file behind: where there is none yet, it is tried in memory. */
static rhei_status rehearse(struct rhei_db *db, struct rhei_error *error)
{
    struct stat info;
    bool makes_file = !db->config.read_only && !db->config.must_exist && !db->config.capture_if_present &&
                      engine_is_path(db->path) && stat(db->path, &info) != 0;
    if (!makes_file || db->config.olap_backend == RHEI_OLAP_NONE || !engine_config_has_tables(db))
        return RHEI_OK;
    struct rhei_db *scratch = base_alloc_zero(1, sizeof *scratch);
    if (scratch == NULL)
        return error_no_memory(error);
    char path[] = ":memory:";
    scratch->config = db->config;
    scratch->config.fault = NULL; /* no step of the open */
    scratch->log = db->log;
    scratch->settings = db->settings;
    scratch->path = path;
    rhei_status status = open_oltp(scratch, error);
    if (status == RHEI_OK)
        status = engine_config_rehearse(scratch, error);
    engine_rows_spare_free(scratch);
    oltp_close(&scratch->oltp);
    base_free(scratch);
    return status;
}

static rhei_status open_rooms(struct rhei_db *db, struct rhei_error *error)
{
    rhei_status status = rehearse(db, error);
    if (status == RHEI_OK)
        status = open_oltp(db, error);
    if (status == RHEI_OK)
        status = engine_buffer_open(db, error);
    if (status == RHEI_OK && db->config.olap_backend != RHEI_OLAP_NONE)
        status = open_column_store(db, error);
    if (status != RHEI_OK)
        return status;
    struct route_config route = {
        .oltp = db->oltp,
        .sync = db->sync,
        .mirror = db->mirror,
        .executor = db->executor,
        .prefer_olap = db->config.prefer_olap,
        .no_olap_syntax = db->config.no_olap_syntax,
        .log = &db->log,
    };
    status = route_open(&route, &db->route, error);
    if (status == RHEI_OK)
        status = engine_config_tables(db, error);
    if (status == RHEI_OK)
        status = engine_sidecars_open(db, error);
    bool background = db->sync != NULL && !db->config.manual_sync && oltp_captures(db->oltp);
    if (status == RHEI_OK)
        status = engine_disk_start(db, background, error);
    if (status == RHEI_OK && background)
        status = sync_start(db->sync, error);
    return status == RHEI_OK ? engine_buffer_start(db, error) : status;
}

rhei_status rhei_open(const char *path, const struct rhei_config *config, rhei_db **db, struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL)
        return error_set(error, RHEI_INVALID, "rhei_open needs a place for the handle");
    *db = NULL;
    struct rhei_db *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    rhei_status status = engine_options_copy(&made->config, sizeof made->config, config, "rhei_config", error);
    const char *file = made->config.config_file; /* the caller's, so it isn't kept */
    if (status == RHEI_OK)
        status = engine_config_load(made, path, error);
    if (status == RHEI_OK) {
        defaults(&made->config);
        status = check(&made->config, made->any_temporal, error);
    }
    made->log = engine_log_of(made);
    if (status == RHEI_OK)
        status = engine_ticker_open(&made->ticker, error);
    engine_config_tell_open_file(made, file);
    engine_store_opens(made);
    if (status == RHEI_OK)
        status = open_rooms(made, error);
    if (status != RHEI_OK) {
        rhei_close(&made);
        return status;
    }
    engine_store_opened(made);
    *db = made;
    return RHEI_OK;
}

/*
 * The last changes become versions while their log can be read: another program may change the schema before the next opening, and then
 * they would be told by their outcome alone.
 */
static void keep_last_versions(struct rhei_db *db)
{
    if (db->keeps_history && db->sync != NULL && db->checkpoint != NULL && !db->config.read_only &&
        sync_is_running(db->sync))
        (void)sync_wait_latest(db->sync, base_now_ns() + CLOSE_CATCHES_UP_NS, NULL, NULL);
}

void rhei_close(rhei_db **db)
{
    if (db == NULL || *db == NULL)
        return;
    struct rhei_db *closing = *db;
    *db = NULL;
    engine_store_closes(closing);
    /* First whatever works in the background; then the readers of the mirror; then the mirror; SQLite last. */
    oltp_upkeep_ends(closing->oltp, true);
    keep_last_versions(closing);
    if (closing->sync != NULL && closing->checkpoint != NULL && !closing->config.read_only)
        sync_forget(closing->sync); /* what is in a folder lasts longer than this handle */
    if (closing->sync != NULL)
        sync_stop(closing->sync);
    oltp_upkeep_ends(closing->oltp, false);
    engine_rows_spare_free(closing);
    engine_disk_finish(closing);
    engine_sidecars_finish(closing);
    engine_buffer_finish(closing);
    route_close(&closing->route);
    engine_sidecars_interrupt(closing);
    engine_shown_stop(closing);
    engine_sidecars_close(closing);
    sync_close(&closing->sync);
    engine_scrub_close(closing);
    engine_watches_close(closing);
    if (closing->executor != NULL)
        closing->executor->ops->close(&closing->executor);
    if (closing->source != NULL)
        closing->source->ops->close(&closing->source);
    mirror_close(&closing->mirror);
    engine_disk_close(closing);
    engine_sidecars_free(closing);
    engine_buffer_close(closing);
    oltp_close(&closing->oltp);
    engine_shown_close(closing);
    engine_ticker_close(&closing->ticker);
    config_free(&closing->settings);
    engine_config_free(closing);
    if (closing->temp_folder != NULL)
        (void)rmdir(closing->temp_folder); /* empty, or never made */
    base_free(closing->temp_folder);
    base_free(closing->path);
    base_free(closing->olap_path);
    base_free(closing->sidecar_path);
    base_free(closing->buffer_path);
    base_free(closing);
}
