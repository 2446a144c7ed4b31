/* SPDX-License-Identifier: Apache-2.0 */
/* What is going on: sync status, metrics, and the handle described as JSON. */
#include <inttypes.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "config/config_settings.h"
#include "engine/engine_history_parts.h"
#include "engine/engine_internal.h"
#include "engine/engine_scrub.h"
#include "engine/engine_sidecar.h"
#include "port/segment_codec.h"

enum { STATUS_FIRST_SIZE = 384 }; /* of rhei_sync_status in its first version */

static void fill_log(struct rhei_sync_status *filled, const struct oltp_status *oltp, const struct rhei_config *config)
{
    filled->log_rows = oltp->log_rows;
    filled->log_bytes = oltp->log_bytes;
    filled->log_age_us = oltp->log_age_ms * 1000;
    filled->log_limit_rows = config->log_limit_rows;
    filled->log_limit_bytes = config->log_limit_bytes;
    filled->log_limit_age_us = (int64_t)config->log_limit_age_s * 1000000;
    filled->log_limit_policy = config->log_limit_policy;
    filled->log_over = oltp->log_over;
    filled->log_blocks = oltp->log_full;
    filled->log_cut = oltp->log_cut;
    filled->log_refused = oltp->log_refused;
    memcpy(filled->log_message, oltp->log_message, sizeof filled->log_message);
}

rhei_status rhei_sync_status(rhei_db *db, struct rhei_sync_status *status, struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL || status == NULL)
        return error_set(error, RHEI_INVALID, "a handle and a place for the status are needed");
    struct rhei_sync_status filled = {0};
    struct oltp_status oltp = {0};
    rhei_status result = oltp_get_status(db->oltp, &oltp, error);
    if (result != RHEI_OK)
        return result;
    filled.log_position = oltp.log_position;
    fill_log(&filled, &oltp, &db->config);
    engine_disk_status(db, &filled);
    engine_buffer_status(db, &filled);
    if (db->sync != NULL) {
        struct sync_status sync = {0};
        sync_get_status(db->sync, &sync);
        filled.running = sync.running;
        filled.position = engine_log_position(db, sync.position);
        filled.lag_events = oltp.log_position > filled.position ? oltp.log_position - filled.position : 0;
        filled.age_us = sync.age_ns == INT64_MAX ? -1 : sync.age_ns / 1000;
        filled.tables = sync.tables;
        filled.tables_ready = sync.tables_ready;
        filled.cycles = sync.cycles;
        filled.events = sync.events;
        filled.rows_inserted = sync.inserted;
        filled.rows_updated = sync.updated;
        filled.rows_deleted = sync.deleted;
        filled.rows_pruned = sync.pruned;
        filled.last_cycle_us = sync.last_cycle_ns / 1000;
        memcpy(filled.last_error, sync.last_error, sizeof filled.last_error);
    }
    engine_struct_give(status, &filled, sizeof filled, STATUS_FIRST_SIZE);
    return RHEI_OK;
}

/* ---- Metrics ------------------------------------------------------------------------------------------------------ */

enum { METRICS_MAX = 200, SIDECAR_METRICS = 6 };

struct metric_list {
    struct rhei_metric *items;
    size_t count, most;
};

static void metric(struct metric_list *list, const char *name, const char *labels, const char *help, bool counter,
                   double value)
{
    if (list->count < list->most)
        list->items[list->count++] = (struct rhei_metric){name, labels, help, counter, value};
}

static double load(const atomic_uint_fast64_t *counter)
{
    return (double)atomic_load_explicit(counter, memory_order_relaxed);
}

/* Upper ends of buckets: powers of four nanoseconds, from 16 microseconds to 17 seconds, and all. */
#define TIME_BUCKETS(with)                                                                                     \
    {                                                                                                          \
        {14, with "le=\"1.6384e-05\""}, {16, with "le=\"6.5536e-05\""}, {18, with "le=\"0.000262144\""},       \
            {20, with "le=\"0.001048576\""}, {22, with "le=\"0.004194304\""}, {24, with "le=\"0.016777216\""}, \
            {26, with "le=\"0.067108864\""}, {28, with "le=\"0.268435456\""}, {30, with "le=\"1.073741824\""}, \
            {32, with "le=\"4.294967296\""}, {34, with "le=\"17.179869184\""}, {47, with "le=\"+Inf\""},       \
    }
enum { TIME_BUCKET_COUNT = 12 };
struct time_bucket {
    unsigned last; /* of 48 buckets, that of 2^last nanoseconds */
    const char *labels;
};
static const struct time_bucket time_buckets[TIME_BUCKET_COUNT] = TIME_BUCKETS("");
static const struct time_bucket oltp_buckets[TIME_BUCKET_COUNT] = TIME_BUCKETS("route=\"oltp\",");
static const struct time_bucket olap_buckets[TIME_BUCKET_COUNT] = TIME_BUCKETS("route=\"olap\",");

struct histogram_of {
    const char *bucket, *sum, *count, *labels, *help; /* names of its metrics */
    const struct time_bucket *buckets;
};

/* The count is of the same reading as the buckets: they may never differ. */
static void metrics_histogram(struct metric_list *list, const struct histogram_of *of, const uint64_t counts[48],
                              uint64_t sum_ns)
{
    uint64_t so_far = 0;
    unsigned at = 0;
    for (size_t b = 0; b < TIME_BUCKET_COUNT; b++) {
        for (; at <= of->buckets[b].last; at++)
            so_far += counts[at];
        metric(list, of->bucket, of->buckets[b].labels, of->help, true, (double)so_far);
    }
    metric(list, of->sum, of->labels, of->help, true, (double)sum_ns / 1e9);
    metric(list, of->count, of->labels, of->help, true, (double)so_far);
}

static void metrics_queries(struct metric_list *list, const struct engine_counters *counters)
{
    static const struct histogram_of of[] = {
        {"rhei_query_seconds_bucket", "rhei_query_seconds_sum", "rhei_query_seconds_count", "route=\"oltp\"",
         "Time of queries, from the call to the last row", oltp_buckets},
        {"rhei_query_seconds_bucket", "rhei_query_seconds_sum", "rhei_query_seconds_count", "route=\"olap\"",
         "Time of queries, from the call to the last row", olap_buckets}};
    for (size_t r = 0; r < 2; r++) {
        const struct engine_histogram *time = &counters->query_time[r];
        uint64_t counts[48];
        for (size_t b = 0; b < 48; b++)
            counts[b] = atomic_load_explicit(&time->bucket[b], memory_order_relaxed);
        metrics_histogram(list, &of[r], counts, atomic_load_explicit(&time->sum_ns, memory_order_relaxed));
    }
}

static void metrics_log(struct metric_list *list, const struct oltp_status *oltp, const struct rhei_config *config)
{
    metric(list, "rhei_cdc_log_rows", "", "Rows in the change log", false, (double)oltp->log_rows);
    metric(list, "rhei_cdc_log_bytes", "", "Bytes of their values, and 24 for each row", false,
           (double)oltp->log_bytes);
    metric(list, "rhei_cdc_log_age_seconds", "", "Age of the oldest change but one in the log", false,
           (double)oltp->log_age_ms / 1000);
    metric(list, "rhei_cdc_log_limit_rows", "", "Limit of its rows", false, (double)config->log_limit_rows);
    metric(list, "rhei_cdc_log_limit_bytes", "", "Limit of its bytes; 0: none", false, (double)config->log_limit_bytes);
    metric(list, "rhei_cdc_log_limit_age_seconds", "", "Limit of its age; 0: none", false,
           (double)config->log_limit_age_s);
    metric(list, "rhei_cdc_log_over_limit", "", "1: the change log is over one of its limits", false, oltp->log_over);
    metric(list, "rhei_cdc_log_blocks", "", "1: writes that would add to the change log are refused", false,
           oltp->log_full);
    metric(list, "rhei_cdc_log_cut_total", "", "Changes that a limit took before everybody had them", true,
           (double)oltp->log_cut);
    metric(list, "rhei_cdc_log_refused_total", "", "Writes refused because the change log was at its limit", true,
           (double)oltp->log_refused);
}

static void metrics_oltp(struct metric_list *list, const struct oltp_status *oltp, const struct rhei_config *config)
{
    static const struct histogram_of commit = {
        "rhei_commit_seconds_bucket",
        "rhei_commit_seconds_sum",
        "rhei_commit_seconds_count",
        "",
        "Time of commits that wrote, in SQLite; those of the change log's upkeep too",
        time_buckets};
    metric(list, "rhei_commits_total", "", "Commits of the writer's statements", true, (double)oltp->commits);
    metrics_histogram(list, &commit, oltp->commit_time, oltp->commit_ns);
    metric(list, "rhei_commit_group_statements_total", "", "Statements that shared commits", true,
           (double)oltp->grouped_statements);
    metric(list, "rhei_oltp_statements_total", "", "Statements run by the writer", true, (double)oltp->statements);
    metric(list, "rhei_oltp_reads_total", "", "Reads run by SQLite", true, (double)oltp->reads);
    metric(list, "rhei_oltp_errors_total", "", "Statements that SQLite refused", true, (double)oltp->errors);
    metric(list, "rhei_oltp_busy_total", "", "Waits for another process's lock that timed out", true,
           (double)oltp->busy);
    metrics_log(list, oltp, config);
    metric(list, "rhei_cdc_log_position", "", "Sequence number of the last change", false, (double)oltp->log_position);
    metric(list, "rhei_oltp_readers", "", "Open reading connections", false, (double)oltp->readers_open);
    metric(list, "rhei_oltp_wal_bytes", "", "Size of the write-ahead log", false, (double)oltp->wal_bytes);
    metric(list, "rhei_oltp_wal_limit_bytes", "", "Size above which the write-ahead log is cut off", false,
           (double)oltp->wal_limit_bytes);
    metric(list, "rhei_oltp_wal_held_seconds", "",
           "Age of the oldest reader that keeps the write-ahead log above its limit; 0: none", false,
           (double)oltp->wal_held_ms / 1000);
    metric(list, "rhei_oltp_file_bytes", "", "Size of the database file", false, (double)oltp->file_bytes);
}

static void metrics_disk(struct metric_list *list, struct rhei_db *db)
{
    struct checkpoint_status disk;
    struct mirror_status mirror;
    if (db->olap_path == NULL)
        return;
    engine_disk_get(db, &disk);
    metric(list, "rhei_disk_bytes", "", "Files of the newest checkpoint", false, (double)disk.bytes);
    metric(list, "rhei_disk_position", "", "Last change that the newest checkpoint has; -1: there is none", false,
           (double)disk.position);
    if (disk.made_ms > 0)
        metric(list, "rhei_disk_age_seconds", "", "Time since the newest checkpoint", false,
               (double)(base_wall_ms() - disk.made_ms) / 1e3);
    metric(list, "rhei_disk_checkpoints_total", "", "Checkpoints made", true, (double)disk.checkpoints);
    metric(list, "rhei_disk_failures_total", "", "Checkpoints that failed", true, (double)disk.failures);
    metric(list, "rhei_disk_written_bytes_total", "", "Bytes that checkpoints wrote", true, (double)disk.written);
    mirror_status(db->mirror, &mirror);
    metric(list, "rhei_disk_segments", "", "Segments that are read from files when they are wanted", false,
           (double)mirror.remote_segments);
    metric(list, "rhei_disk_cached_bytes", "", "Columns of theirs that are in memory", false,
           (double)mirror.cache_bytes);
    metric(list, "rhei_disk_reads_total", "", "Columns that were read", true, (double)mirror.cache_reads);
}

static void metrics_buffer(struct metric_list *list, struct rhei_db *db, int64_t log_position)
{
    struct rhei_sync_status status = {0};
    if (db->buffer_path == NULL)
        return;
    engine_buffer_status(db, &status);
    int64_t at = status.buffer_position < 0 ? 0 : status.buffer_position;
    metric(list, "rhei_buffer_bytes", "", "Changes kept in the buffer", false, (double)status.buffer_bytes);
    metric(list, "rhei_buffer_position", "", "Last change that is in the buffer; -1: there is none", false,
           (double)status.buffer_position);
    if (status.buffer_horizon >= 0)
        metric(list, "rhei_buffer_changes", "", "Changes from the oldest to the newest in the buffer", false,
               (double)(status.buffer_position - status.buffer_horizon));
    metric(list, "rhei_buffer_lag", "", "Changes of the log that aren't in the buffer yet", false,
           log_position > at ? (double)(log_position - at) : 0);
    metric(list, "rhei_buffer_moved_total", "", "Changes moved into the buffer", true, (double)status.buffer_moved);
    metric(list, "rhei_buffer_failures_total", "", "Times that moving them failed", true,
           (double)engine_buffer_failures(db));
}

static void metrics_scrub(struct metric_list *list, struct rhei_db *db)
{
    struct engine_scrub_status scrub;
    if (db->config.scrub_interval_s == 0)
        return;
    engine_scrub_get(db, &scrub);
    metric(list, "rhei_scrub_rounds_total", "", "Times that the scrub compared every table", true,
           (double)scrub.rounds);
    metric(list, "rhei_scrub_rows_total", "", "Rows that the scrub compared", true, (double)scrub.rows);
    metric(list, "rhei_scrub_mended_rows_total", "", "Rows that the scrub had taken again", true,
           (double)scrub.mended_rows);
    metric(list, "rhei_scrub_rebuilt_total", "", "Tables that the scrub had built again", true, (double)scrub.rebuilt);
}

static void metrics_sync(struct metric_list *list, struct rhei_db *db, int64_t log_position)
{
    struct sync_status sync = {0};
    sync_get_status(db->sync, &sync);
    int64_t position = engine_log_position(db, sync.position);
    metric(list, "rhei_sync_events_processed_total", "", "Changes read from the log", true, (double)sync.events);
    metric(list, "rhei_sync_rows_inserted_total", "", "Rows inserted into the mirror", true, (double)sync.inserted);
    metric(list, "rhei_sync_rows_updated_total", "", "Rows updated in the mirror", true, (double)sync.updated);
    metric(list, "rhei_sync_rows_deleted_total", "", "Rows deleted from the mirror", true, (double)sync.deleted);
    metric(list, "rhei_sync_rows_pruned_total", "", "Changes pruned from the log", true, (double)sync.pruned);
    metric(list, "rhei_sync_verifications_total", "", "Comparisons of all tables with the mirror in the background",
           true, (double)sync.verifications);
    metric(list, "rhei_sync_differences_total", "", "Tables that such a comparison found to differ", true,
           (double)sync.differences);
    metrics_scrub(list, db);
    metric(list, "rhei_sync_cdc_lag", "", "Changes the mirror doesn't show yet", false,
           log_position > position ? (double)(log_position - position) : 0);
    if (sync.age_ns != INT64_MAX)
        metric(list, "rhei_sync_lag_seconds", "", "Time since the mirror was known to show every commit", false,
               (double)sync.age_ns / 1e9);
    metric(list, "rhei_sync_cycles_total", "", "Sync cycles", true, (double)sync.cycles);
    static const struct histogram_of cycle = {"rhei_sync_cycle_seconds_bucket",
                                              "rhei_sync_cycle_seconds_sum",
                                              "rhei_sync_cycle_seconds_count",
                                              "",
                                              "Time of sync cycles",
                                              time_buckets};
    metrics_histogram(list, &cycle, sync.cycle_time.bucket, sync.cycle_time.sum_ns);
    static const struct histogram_of delay = {
        "rhei_sync_delay_seconds_bucket",
        "rhei_sync_delay_seconds_sum",
        "rhei_sync_delay_seconds_count",
        "",
        "Time from the commit of a cycle's oldest change until the mirror shows it",
        time_buckets};
    metrics_histogram(list, &delay, sync.delay.bucket, sync.delay.sum_ns);
    metric(list, "rhei_sync_failures_total", "", "Cycles that failed", true, (double)sync.failures);
    metric(list, "rhei_sync_builds_total", "", "Tables built", true, (double)sync.builds);
    metric(list, "rhei_history_versions", "", "Versions of rows that histories have", false, (double)sync.versions);
    metric(list, "rhei_history_forgotten_total", "", "Versions that were forgotten for their age or number", true,
           (double)sync.forgotten);
    metric(list, "rhei_sync_tables", "", "Tables that can be mirrored", false, (double)sync.tables);
    metric(list, "rhei_sync_tables_ready", "", "Tables that the mirror answers for", false, (double)sync.tables_ready);
    struct mirror_status mirror = {0};
    mirror_status(db->mirror, &mirror);
    metric(list, "rhei_mirror_rows", "", "Rows in the mirror", false, (double)mirror.rows);
    metric(list, "rhei_mirror_dead_rows", "", "Deleted rows not yet compacted away", false, (double)mirror.dead_rows);
    metric(list, "rhei_mirror_bytes", "", "Memory of the mirror", false, (double)mirror.memory_bytes);
    metric(list, "rhei_mirror_index_bytes", "", "Of it, key indexes", false, (double)mirror.index_bytes);
    metric(list, "rhei_mirror_memory_limit_bytes", "", "Limit of the mirror's memory", false,
           (double)mirror.memory_limit);
    metric(list, "rhei_mirror_compactions_total", "", "Segments compacted", true, (double)mirror.compactions);
    metric(list, "rhei_mirror_snapshots_held", "", "Snapshots that readers hold", false, (double)mirror.snapshots_held);
    metrics_disk(list, db);
    struct executor_status executor = {0};
    db->executor->ops->status(db->executor, &executor);
    metric(list, "rhei_executor_statements_total", "", "Statements run by the analytical engine", true,
           (double)executor.statements);
    metric(list, "rhei_executor_plan_hits_total", "", "Statements that found their plan cached", true,
           (double)executor.plan_hits);
    metric(list, "rhei_executor_memory_bytes", "", "Memory of the analytical engine", false,
           (double)executor.memory_bytes);
}

static void metrics_sidecars(struct metric_list *list, struct rhei_db *db)
{
    struct engine_sidecar sidecar;
    for (size_t s = 0; engine_sidecar_at(db, s, &sidecar); s++) {
        struct rhei_sidecar_status status;
        engine_sidecar_status(&sidecar, &status);
        metric(list, "rhei_sidecar_away", sidecar.labels, "1: the source can't be read", false, status.away);
        metric(list, "rhei_sidecar_tables_ready", sidecar.labels, "Tables of the source that the mirror answers for",
               false, (double)status.tables_ready);
        if (status.lag_us >= 0)
            metric(list, "rhei_sidecar_lag_seconds", sidecar.labels,
                   "Time since the mirror was known to show everything, by the source's clock", false,
                   (double)status.lag_us / 1e6);
        if (status.lag_bytes >= 0)
            metric(list, "rhei_sidecar_lag_bytes", sidecar.labels, "WAL of the source that hasn't arrived", false,
                   (double)status.lag_bytes);
        if (status.slot[0] != '\0')
            metric(list, "rhei_sidecar_slot_held_bytes", sidecar.labels, "WAL that the source keeps for its slot",
                   false, (double)status.slot_held_bytes);
        if (strcmp(status.mode, "logical") == 0)
            metric(list, "rhei_sidecar_reloads_total", sidecar.labels,
                   "Times that every table was loaded again, because the source could not go on", true,
                   (double)status.reloads);
    }
}

rhei_status rhei_metric_list(rhei_db *db, struct rhei_metric ***metrics, size_t *count, struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL || metrics == NULL || count == NULL)
        return error_set(error, RHEI_INVALID, "a handle and places for the metrics are needed");
    struct oltp_status oltp = {0};
    rhei_status status = oltp_get_status(db->oltp, &oltp, error);
    if (status != RHEI_OK)
        return status;
    size_t most = METRICS_MAX;
    for (struct engine_sidecar sidecar; engine_sidecar_at(db, (most - METRICS_MAX) / SIDECAR_METRICS, &sidecar);)
        most += SIDECAR_METRICS;
    struct rhei_metric **made = base_alloc_zero(most, sizeof(struct rhei_metric *) + sizeof **made);
    if (made == NULL)
        return error_no_memory(error);
    struct metric_list list = {.items = (struct rhei_metric *)(made + most), .most = most};
    const struct engine_counters *counters = &db->counters;
    const char *routed = "Queries by the engine that answered";
    double by_oltp = load(&counters->routed[0]), by_olap = load(&counters->routed[1]);
    metric(&list, "rhei_build_info", "version=\"" RHEI_VERSION "\"", "Always 1", false, 1);
    metric(&list, "rhei_query_routed_total", "target=\"oltp\"", routed, true, by_oltp);
    metric(&list, "rhei_query_routed_total", "target=\"olap\"", routed, true, by_olap);
    metric(&list, "rhei_query_fallbacks_total", "", "Queries that SQLite answered after the column store couldn't",
           true, load(&counters->fallbacks));
    metric(&list, "rhei_queries_total", "", "Queries", true, by_oltp + by_olap);
    metrics_queries(&list, counters);
    metric(&list, "rhei_writes_total", "", "Writes", true, load(&counters->writes));
    metric(&list, "rhei_errors_total", "", "Calls that failed", true, load(&counters->errors));
    metric(&list, "rhei_cancelled_total", "", "Queries that were cancelled", true, load(&counters->cancelled));
    metrics_oltp(&list, &oltp, &db->config);
    metrics_buffer(&list, db, oltp.log_position);
    if (db->sync != NULL)
        metrics_sync(&list, db, oltp.log_position);
    metrics_sidecars(&list, db);
    for (size_t i = 0; i < list.count; i++)
        made[i] = &list.items[i];
    *metrics = made;
    *count = list.count;
    return RHEI_OK;
}

rhei_status rhei_metrics(rhei_db *db, struct rhei_metric **metrics, size_t *count, struct rhei_error *error)
{
    struct rhei_metric **list = NULL;
    rhei_status status = rhei_metric_list(db, metrics == NULL ? NULL : &list, count, error);
    if (status != RHEI_OK)
        return status;
    *metrics = base_alloc((*count + 1) * sizeof **metrics);
    for (size_t i = 0; *metrics != NULL && i < *count; i++)
        (*metrics)[i] = *list[i];
    rhei_free(list);
    return *metrics == NULL ? error_no_memory(error) : RHEI_OK;
}

/* ---- JSON --------------------------------------------------------------------------------------------------------- */

static void json_member(struct base_buffer *out, const char *name, const char *text)
{
    base_buffer_format(out, "\"%s\": ", name);
    engine_json_text(out, text);
}

/* olap_path as it was given: without a file of our own it is the sidecars' alone. */
static const char *folder_of(const struct rhei_db *db)
{
    return db->olap_path != NULL ? db->olap_path : db->sidecar_path;
}

/* What a door heeds, and the engine alone doesn't; a secret is never shown. */
static void json_door_settings(struct base_buffer *out, const struct rhei_db *db)
{
    static const char *const names[] = {"flight_listen",     "flight_auth_token", "flight_auth_token_file",
                                        "flight_users_file", "flight_tls_cert",   "flight_tls_key",
                                        "metrics_listen",    "trace_path",        "http_listen"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = db->settings == NULL ? NULL : config_text(db->settings, names[i]);
        base_buffer_format(out, ", \"%s\": ", names[i]);
        if (value == NULL)
            base_buffer_text(out, "null");
        else
            engine_json_text(out, strcmp(names[i], "flight_auth_token") == 0 ? "set, but never shown" : value);
    }
}

/* Every setting of the table, under the name that it has in a file. */
static void json_settings(struct base_buffer *out, const struct rhei_db *db)
{
    static const char *const synchronous[] = {"normal", "full", "off"};
    static const char *const levels[] = {"", "error", "warn", "info", "debug"};
    static const char *const policies[] = {"detach", "grow", "block"};
    const struct rhei_config *config = &db->config;
    bool json = db->settings != NULL && db->settings->engine.log_format == CONFIG_LOG_JSON;
    base_buffer_text(out, ",\n  \"settings\": {\"freshness\": ");
    if (config->freshness.mode == RHEI_FRESHNESS_BOUNDED)
        base_buffer_format(out, "\"bounded:%" PRId64 "\"", config->freshness.max_age_ms);
    else
        engine_json_text(out, config->freshness.mode == RHEI_FRESHNESS_EVENTUAL ? "eventual" : "latest");
    base_buffer_format(out,
                       ", \"synchronous\": \"%s\", \"read_pool_size\": %u, \"threads\": %u, \"sync_interval_ms\": %u, "
                       "\"sync_batch_size\": %" PRIu64 ", \"busy_timeout_ms\": %u, \"log_limit_rows\": %" PRIu64
                       ", \"auto_register\": %s, \"prune_after_sync\": %s, \"olap_memory_limit\": %" PRIu64,
                       synchronous[config->synchronous], config->read_pool_size, config->threads,
                       config->sync_interval_ms, config->sync_batch_rows, config->busy_timeout_ms,
                       config->log_limit_rows, config->no_auto_register ? "false" : "true",
                       config->keep_changes ? "false" : "true", config->olap_memory_limit);
    base_buffer_format(out, ", \"oltp_path\": ");
    engine_json_text(out, db->path);
    struct engine_sidecar sidecar;
    if (engine_sidecar_at(db, 0, &sidecar)) /* a setting of theirs: without one there is nothing that it says */
        base_buffer_format(out, ", \"enable_local_oltp\": %s", db->no_local ? "false" : "true");
    base_buffer_format(out, ", \"olap_path\": ");
    if (folder_of(db) != NULL)
        engine_json_text(out, folder_of(db));
    else
        base_buffer_text(out, "null");
    base_buffer_format(out, ", \"olap_format\": \"%s\"", db->codec->name);
    base_buffer_format(out, ", \"rocksdb_cdc_path\": ");
    if (db->buffer_path != NULL)
        engine_json_text(out, db->buffer_path);
    else
        base_buffer_text(out, "null");
    json_door_settings(out, db);
    base_buffer_format(out, ", \"http_page\": %s",
                       db->settings == NULL || db->settings->engine.http_page ? "true" : "false");
    base_buffer_format(
        out, ", \"flight_max_connections\": %" PRIu64 ", \"ready_lag_ms\": %" PRIu64 ", \"slow_query_ms\": %" PRIu64,
        db->settings != NULL ? db->settings->engine.flight_max_connections : 1000,
        db->settings != NULL ? db->settings->engine.ready_lag_ms : 10000,
        db->settings != NULL ? db->settings->engine.slow_query_ms : 0);
    base_buffer_format(out, ", \"scrub_rate\": %" PRIu64, config->scrub_rate);
    base_buffer_format(out, ", \"checkpoint_interval_ms\": %u, \"history_max_age\": %u, \"history_max_versions\": %u",
                       config->checkpoint_interval_ms, config->history_max_age_s, config->history_max_versions);
    base_buffer_format(
        out, ", \"log_limit_bytes\": %" PRIu64 ", \"log_limit_age\": %" PRIu32 ", \"log_limit_policy\": \"%s\"",
        config->log_limit_bytes, config->log_limit_age_s, policies[config->log_limit_policy]);
    base_buffer_format(
        out,
        ", \"olap_backend\": \"%s\", \"sync_mode\": \"%s\", \"wal_limit\": %" PRIu64
        ", \"scrub_interval\": %u, \"olap_syntax\": %s, \"log_format\": \"%s\", \"log_level\": \"%s\"}\n}\n",
        config->olap_backend == RHEI_OLAP_NONE         ? "none"
        : config->olap_backend == RHEI_OLAP_DATAFUSION ? "datafusion"
                                                       : "duckdb",
        db->keeps_history ? "temporal" : "destructive", config->wal_limit_bytes, config->scrub_interval_s,
        config->no_olap_syntax ? "false" : "true", json ? "json" : "text", levels[config->log_level]);
}

static void json_olap(struct base_buffer *out, struct rhei_db *db)
{
    struct mirror_status mirror = {0};
    mirror_status(db->mirror, &mirror);
    struct executor_status executor = {0};
    db->executor->ops->status(db->executor, &executor);
    struct sync_status sync = {0};
    sync_get_status(db->sync, &sync);
    base_buffer_text(out, ",\n  \"olap\": {");
    json_member(out, "backend", db->executor->ops->name);
    base_buffer_text(out, ", ");
    json_member(out, "version", executor.loaded ? executor.version : "not loaded yet");
    base_buffer_text(out, ", ");
    json_member(out, "storage", folder_of(db) != NULL ? folder_of(db) : "memory");
    base_buffer_format(
        out,
        ", \"tables\": %" PRIu64 ", \"rows\": %" PRIu64 ", \"dead_rows\": %" PRIu64
        ", \"memory_bytes\": %zu, \"memory_limit\": %zu, \"executor_memory_bytes\": %" PRIu64 ", \"table_bytes\": ",
        mirror.tables, mirror.rows, mirror.dead_rows, mirror.memory_bytes, mirror.memory_limit, executor.memory_bytes);
    engine_tables_memory_json(out, db);
    base_buffer_text(out, "}");
    engine_disk_json(out, db);
    engine_scrub_json(out, db);
    base_buffer_format(out,
                       ",\n  \"sync\": {\"running\": %s, \"position\": %" PRId64 ", \"cycles\": %" PRIu64
                       ", \"tables\": %u, \"tables_ready\": %u, \"verifications\": %" PRIu64
                       ", \"differences\": %" PRIu64 "}",
                       sync.running ? "true" : "false", engine_log_position(db, sync.position), sync.cycles,
                       sync.tables, sync.tables_ready, sync.verifications, sync.differences);
}

/* Times of which nothing is known, with both ends; the second is null as long as the table wasn't loaded again. */
static void json_gaps(struct base_buffer *out, struct rhei_db *db)
{
    struct engine_histories histories = {0};
    const char *before = "";
    if (db->keeps_history && db->mirror != NULL &&
        engine_histories_open_of(db, NULL, 0, NULL, &histories, NULL) == RHEI_OK)
        for (size_t g = 0; g < histories.book.count; g++) {
            const struct sync_generation *generation = histories.book.generations[g];
            for (uint32_t n = 0; n < generation->gap_count; n++) {
                const struct sync_gap *gap = &generation->gaps[n];
                base_buffer_format(out, "%s{\"table\": ", before);
                engine_json_text(out, generation->table);
                base_buffer_format(out, ", \"from_us\": %" PRId64 ", \"from_position\": %" PRId64, gap->from_us,
                                   gap->from_seq);
                if (gap->to_seq == INT64_MAX)
                    base_buffer_text(out, ", \"to_us\": null, \"to_position\": null}");
                else
                    base_buffer_format(out, ", \"to_us\": %" PRId64 ", \"to_position\": %" PRId64 "}", gap->to_us,
                                       gap->to_seq);
                before = ", ";
            }
        }
    engine_histories_close(&histories);
}

/* The tables whose every version is kept, and where it isn't. */
static void json_history(struct base_buffer *out, struct rhei_db *db)
{
    struct rhei_table_status **tables = NULL;
    size_t count = 0;
    bool any = false;
    base_buffer_text(out, ",\n  \"history\": {\"tables\": [");
    if (db->keeps_history && rhei_table_list(db, &tables, &count, NULL) == RHEI_OK) {
        for (size_t i = 0; i < count; i++) {
            if (!tables[i]->keeps_history)
                continue;
            base_buffer_text(out, any ? ", " : "");
            engine_json_text(out, tables[i]->name);
            any = true;
        }
        rhei_free(tables);
    }
    base_buffer_text(out, "], \"gaps\": [");
    json_gaps(out, db);
    base_buffer_text(out, "]}");
}

static void json_log(struct base_buffer *out, const struct oltp_status *oltp)
{
    base_buffer_format(out,
                       ", \"log_bytes\": %" PRIu64 ", \"log_age_ms\": %" PRId64 ", \"log_over_limit\": %s"
                       ", \"log_blocks\": %s, \"log_cut\": %" PRIu64 ", \"log_refused\": %" PRIu64 ", ",
                       oltp->log_bytes, oltp->log_age_ms, oltp->log_over ? "true" : "false",
                       oltp->log_full ? "true" : "false", oltp->log_cut, oltp->log_refused);
    json_member(out, "log_message", oltp->log_message);
    base_buffer_text(out, "}");
}

rhei_status rhei_info_json(rhei_db *db, char **json, struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL || json == NULL)
        return error_set(error, RHEI_INVALID, "a handle and a place for the text are needed");
    struct oltp_status oltp = {0};
    rhei_status status = oltp_get_status(db->oltp, &oltp, error);
    if (status != RHEI_OK)
        return status;
    struct base_buffer out = {0};
    base_buffer_text(&out, "{\n  ");
    json_member(&out, "version", RHEI_VERSION);
    base_buffer_text(&out, ",\n  \"oltp\": {");
    json_member(&out, "path", oltp.path);
    base_buffer_text(&out, ", ");
    json_member(&out, "sqlite_version", oltp.sqlite_version);
    base_buffer_format(&out,
                       ", \"read_only\": %s, \"file_bytes\": %" PRIu64 ", \"wal_bytes\": %" PRIu64
                       ", \"wal_limit_bytes\": %" PRIu64 ", \"wal_held_ms\": %" PRId64 ", \"log_rows\": %" PRIu64
                       ", \"log_position\": %" PRId64 ", \"readers\": %" PRIu64,
                       db->config.read_only ? "true" : "false", oltp.file_bytes, oltp.wal_bytes, oltp.wal_limit_bytes,
                       oltp.wal_held_ms, oltp.log_rows, oltp.log_position, oltp.readers_open);
    json_log(&out, &oltp);
    if (db->sync != NULL)
        json_olap(&out, db);
    json_history(&out, db);
    engine_buffer_json(&out, db);
    engine_sidecars_json(&out, db);
    json_settings(&out, db);
    *json = base_buffer_take(&out);
    return *json == NULL ? error_no_memory(error) : RHEI_OK;
}
