/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of an open handle: of one that only looks, whose own counters say nothing of who works, and of an engine of this process. */
#include "rh_dashboard.h"

#include "rh_advice.h"
#include "rh_registry.h"
#include "rh_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void set_text(struct dashboard_sample *sample, enum dashboard_text text, const char *message)
{
    struct rh_buffer words = {0};
    rh_add_in_our_words(&words, message);
    dashboard_sample_text(sample, text, "%s", words.length > 0 ? words.bytes : "");
    rh_buffer_free(&words);
}

static const char *text_of(rhei_rows *rows, uint32_t column)
{
    const char *text = rhei_rows_text(rows, column);
    return text == NULL ? "" : text;
}

void rh_dashboard_take_info(struct rh_tool *tool, const char *json, const char *root, struct dashboard_sample *sample)
{
    rhei_rows *rows = NULL;
    if (rhei_oltp_query(
            tool->db,
            "SELECT json_extract(j, r || '.oltp.path'), json_extract(j, r || '.olap.backend'), "
            "json_extract(j, r || '.olap.version'), json_extract(j, r || '.olap.storage'), "
            "json_extract(j, r || '.settings.read_pool_size'), json_extract(j, r || '.settings.rocksdb_cdc_path') "
            "FROM (SELECT ? AS j, ? AS r)",
            RHEI_PARAMS(rhei_text(json), rhei_text(root)), &rows, NULL) == RHEI_OK &&
        rhei_rows_next(rows, NULL) == RHEI_ROW) {
        dashboard_sample_text(sample, DASHBOARD_PATH, "%s", text_of(rows, 0));
        dashboard_sample_text(sample, DASHBOARD_BACKEND, "%s%s%s", text_of(rows, 1),
                              rhei_rows_is_null(rows, 2) ? "" : " ", text_of(rows, 2));
        dashboard_sample_text(sample, DASHBOARD_STORAGE, "%s", text_of(rows, 3));
        if (!rhei_rows_is_null(rows, 4))
            sample->values[DASHBOARD_POOL] = rhei_rows_double(rows, 4);
        dashboard_sample_text(sample, DASHBOARD_BUFFER, "%s", text_of(rows, 5));
    }
    rhei_rows_close(&rows);
}

/* In the order of the tables, mostly: each is looked for from where the one before was found. */
void rh_dashboard_take_table_bytes(struct rh_tool *tool, const char *json, const char *root,
                                   struct dashboard_sample *sample)
{
    rhei_rows *rows = NULL;
    size_t at = 0;
    bool good = rhei_oltp_query(tool->db, "SELECT key, value FROM json_each(?, ? || '.olap.table_bytes')",
                                RHEI_PARAMS(rhei_text(json), rhei_text(root)), &rows, NULL) == RHEI_OK;
    while (good && rhei_rows_next(rows, NULL) == RHEI_ROW)
        for (size_t left = sample->table_count; left > 0; left--, at++) {
            struct dashboard_table *table = &sample->tables[at % sample->table_count];
            if (strcmp(table->name, text_of(rows, 0)) == 0) {
                table->bytes = rhei_rows_double(rows, 1);
                break;
            }
        }
    rhei_rows_close(&rows);
}

/* With the tables, if they were taken. */
static bool take_own_info(struct rh_tool *tool, struct dashboard_sample *sample, struct rhei_error *error)
{
    char *json = NULL;
    if (rhei_info_json(tool->db, &json, error) != RHEI_OK)
        return false;
    rh_dashboard_take_info(tool, json, "$", sample);
    rh_dashboard_take_table_bytes(tool, json, "$", sample);
    rhei_free(json);
    return true;
}

/* Where the folder of the column store and the buffer stand: the same for who looks. */
static void take_sync(const struct rhei_sync_status *sync, struct dashboard_sample *sample)
{
    double *values = sample->values;
    values[DASHBOARD_LOG_POSITION] = (double)sync->log_position;
    values[DASHBOARD_LOG_ROWS] = (double)sync->log_rows;
    values[DASHBOARD_LOG_BYTES] = (double)sync->log_bytes;
    values[DASHBOARD_LOG_SECONDS] = (double)sync->log_age_us / 1e6;
    set_text(sample, DASHBOARD_LOG_MESSAGE, sync->log_message);
    set_text(sample, DASHBOARD_DISK_MESSAGE, sync->disk_message);
    set_text(sample, DASHBOARD_LAST_ERROR, sync->last_error);
    if (sync->disk_folder[0] != '\0') {
        dashboard_sample_text(sample, DASHBOARD_STORAGE, "%s", sync->disk_folder);
        values[DASHBOARD_DISK_POSITION] = (double)sync->disk_position;
        values[DASHBOARD_DISK_BYTES] = (double)sync->disk_bytes;
        values[DASHBOARD_DISK_SECONDS] = sync->disk_age_us < 0 ? NAN : (double)sync->disk_age_us / 1e6;
    }
    if (sync->buffer_folder[0] != '\0') {
        dashboard_sample_text(sample, DASHBOARD_BUFFER, "%s", sync->buffer_folder);
        values[DASHBOARD_BUFFER_BYTES] = (double)sync->buffer_bytes;
        if (sync->buffer_position >= 0 && sync->log_position >= sync->buffer_position)
            values[DASHBOARD_BUFFER_LAG] = (double)(sync->log_position - sync->buffer_position);
    }
}

static bool take_tables(struct rh_tool *tool, struct dashboard_sample *sample, struct rhei_error *error)
{
    struct rhei_table_status **tables = NULL;
    size_t count = 0;
    rhei_status status = rhei_table_list(tool->db, &tables, &count, error);
    if (status == RHEI_OLAP_UNAVAILABLE)
        return true;
    if (status != RHEI_OK)
        return false;
    sample->tables = rh_allocate((count + 1) * sizeof *sample->tables);
    for (size_t at = 0; at < count; at++) {
        const struct rhei_table_status *from = tables[at];
        struct dashboard_table *table = &sample->tables[sample->table_count++];
        struct rh_buffer words = {0};
        *table = (struct dashboard_table){
            .state = (enum dashboard_state)from->state,
            .rows = (double)(from->state == RHEI_TABLE_BUILDING ? from->rows_built : from->rows),
            .rows_expected = (double)from->rows_expected,
            .bytes = NAN};
        rh_add_in_our_words(&words, from->message);
        (void)snprintf(table->name, sizeof table->name, "%s", from->name);
        (void)snprintf(table->message, sizeof table->message, "%s", words.length > 0 ? words.bytes : "");
        rh_buffer_free(&words);
    }
    rhei_free(tables);
    return true;
}

static bool take_sidecars(struct rh_tool *tool, struct dashboard_sample *sample, struct rhei_error *error)
{
    struct rhei_sidecar_status **sidecars = NULL;
    size_t count = 0;
    rhei_status status = rhei_sidecar_list(tool->db, &sidecars, &count, error);
    if (status != RHEI_OK)
        return status == RHEI_OLAP_UNAVAILABLE;
    sample->sidecars = rh_allocate((count + 1) * sizeof *sample->sidecars);
    for (size_t at = 0; at < count; at++) {
        const struct rhei_sidecar_status *from = sidecars[at];
        struct dashboard_sidecar *sidecar = &sample->sidecars[sample->sidecar_count++];
        *sidecar = (struct dashboard_sidecar){.away = from->away,
                                              .lag_seconds = from->lag_us < 0 ? NAN : (double)from->lag_us / 1e6,
                                              .lag_bytes = from->lag_bytes < 0 ? NAN : (double)from->lag_bytes,
                                              .tables = (double)from->tables,
                                              .tables_ready = (double)from->tables_ready,
                                              .away_seconds = (double)from->away_us / 1e6};
        (void)snprintf(sidecar->name, sizeof sidecar->name, "%s", from->name);
        (void)snprintf(sidecar->source, sizeof sidecar->source, "%s", from->source_type);
        (void)snprintf(sidecar->mode, sizeof sidecar->mode, "%s", from->mode);
        (void)snprintf(sidecar->message, sizeof sidecar->message, "%s", from->message);
    }
    rhei_free(sidecars);
    return true;
}

bool rh_dashboard_own(struct rh_tool *tool, struct dashboard_sample *sample, struct rhei_error *error)
{
    struct rhei_sync_status sync = {.struct_size = sizeof sync};
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    if (rhei_metric_list(tool->db, &metrics, &count, error) != RHEI_OK)
        return false;
    for (size_t at = 0; at < count; at++)
        dashboard_sample_metric(sample, metrics[at]->name, metrics[at]->labels, metrics[at]->value);
    rhei_free(metrics);
    if (rhei_sync_status(tool->db, &sync, error) != RHEI_OK || !take_tables(tool, sample, error) ||
        !take_own_info(tool, sample, error))
        return false;
    take_sync(&sync, sample);
    sample->values[DASHBOARD_POSITION] = (double)sync.position;
    sample->values[DASHBOARD_LAST_CYCLE_SECONDS] = (double)sync.last_cycle_us / 1e6;
    sample->can_sync = true;
    return take_sidecars(tool, sample, error);
}

/* ---- A look ------------------------------------------------------------------------------------------------------- */

static void take_engines(const struct rh_registry *registry, int64_t newest, struct dashboard_sample *sample)
{
    int64_t slowest = newest;
    sample->engines = rh_allocate((registry->engine_count + 1) * sizeof *sample->engines);
    for (size_t at = 0; at < registry->engine_count; at++) {
        const struct rh_engine *from = &registry->engines[at];
        struct dashboard_engine *engine = &sample->engines[sample->engine_count++];
        *engine = (struct dashboard_engine){.id = from->id,
                                            .process = from->process,
                                            .lag = newest > from->position ? (double)(newest - from->position) : 0,
                                            .seen_seconds = (double)from->seen_ms / 1e3};
        slowest = from->position < slowest ? from->position : slowest;
    }
    if (registry->engine_count > 0) {
        sample->values[DASHBOARD_POSITION] = (double)slowest;
        sample->values[DASHBOARD_LAG] = (double)(newest - slowest);
    }
}

/* "shop.orders" of a sidecar "shop". */
static bool is_of_sidecar(const struct dashboard_sample *sample, const char *table)
{
    bool is = false;
    for (size_t at = 0; at < sample->sidecar_count && !is; at++) {
        size_t length = strlen(sample->sidecars[at].name);
        is = strncasecmp(table, sample->sidecars[at].name, length) == 0 && table[length] == '.';
    }
    return is;
}

/* What a handle that only looks calls waiting or unavailable is what others may have built: the file knows whether it is captured. */
static void take_captured(const struct rh_registry *registry, struct dashboard_sample *sample)
{
    for (size_t at = 0; at < sample->table_count; at++) {
        struct dashboard_table *table = &sample->tables[at];
        bool captured = rh_registry_captures(registry, table->name);
        table->rows = table->bytes = NAN;
        if (is_of_sidecar(sample, table->name)) {
            if (table->state != DASHBOARD_FAILED && table->state != DASHBOARD_UNMIRRORED)
                table->state = DASHBOARD_FOLLOWED;
            continue;
        }
        if (captured && table->state != DASHBOARD_UNMIRRORED) {
            table->state = DASHBOARD_CAPTURED;
            table->message[0] = '\0';
        } else if (table->state == DASHBOARD_WAITING) {
            table->state = DASHBOARD_UNMIRRORED;
            (void)snprintf(table->message, sizeof table->message, "%s",
                           registry->installed ? "no engine has captured it" : ""); /* else the panel says why */
        }
    }
    sample->values[DASHBOARD_TABLES] = (double)sample->table_count;
}

/* Such a handle asks each source once, and follows none. */
static void forget_lag(struct dashboard_sample *sample)
{
    for (size_t at = 0; at < sample->sidecar_count; at++) {
        struct dashboard_sidecar *sidecar = &sample->sidecars[at];
        sidecar->lag_seconds = sidecar->lag_bytes = sidecar->tables_ready = NAN;
    }
}

static void take_file_sizes(struct rh_tool *tool, struct dashboard_sample *sample)
{
    struct rhei_metric **metrics = NULL;
    size_t count = 0;
    if (rhei_metric_list(tool->db, &metrics, &count, NULL) != RHEI_OK)
        return;
    sample->values[DASHBOARD_FILE_BYTES] = rh_metric_of(metrics, count, "rhei_oltp_file_bytes");
    sample->values[DASHBOARD_WAL_BYTES] = rh_metric_of(metrics, count, "rhei_oltp_wal_bytes");
    rhei_free(metrics);
}

static void tell_capture(const struct rh_registry *registry, struct dashboard_sample *sample)
{
    const char *path = sample->texts[DASHBOARD_PATH];
    bool alone = strcmp(path, ":memory:") == 0 && sample->sidecar_count > 0;
    dashboard_sample_text(sample, DASHBOARD_SEEN_BY, "a look at %s", alone ? "the sources of sidecars" : path);
    if (registry->installed)
        dashboard_sample_text(sample, DASHBOARD_CAPTURE, "%zu table%s captured, %zu engine%s", registry->captured_count,
                              registry->captured_count == 1 ? "" : "s", registry->engine_count,
                              registry->engine_count == 1 ? "" : "s");
    else
        dashboard_sample_text(sample, DASHBOARD_CAPTURE, "%s",
                              alone ? "none, it is of sidecars alone" : "not installed in this file");
}

bool rh_dashboard_look(struct rh_tool *tool, struct dashboard_sample *sample, struct rhei_error *error)
{
    struct rhei_sync_status sync = {.struct_size = sizeof sync};
    struct rh_registry registry = {0};
    bool good = rh_registry_read_for(tool, &registry, error) && rhei_sync_status(tool->db, &sync, error) == RHEI_OK &&
                take_own_info(tool, sample, error) && take_tables(tool, sample, error) &&
                take_sidecars(tool, sample, error);
    if (good) {
        take_sync(&sync, sample);
        take_file_sizes(tool, sample);
        take_engines(&registry, sync.log_position, sample);
        take_captured(&registry, sample);
        forget_lag(sample);
        tell_capture(&registry, sample);
        sample->texts[DASHBOARD_BACKEND][0] = '\0'; /* this handle's, which nobody asks */
        sample->values[DASHBOARD_POOL] = NAN;
        if (sync.disk_folder[0] == '\0')
            sample->texts[DASHBOARD_STORAGE][0] = '\0';
    }
    rh_registry_free(&registry);
    return good;
}
