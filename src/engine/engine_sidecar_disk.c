/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each sidecar has a folder of its own, in that of olap_path or where its watermark_path is (in RocksDB then), with checkpoints of its own: its position and its rows in one of them (S2), and nothing of
 * it waits for our own file or for another sidecar that is away. docs/design/sidecar.md has the rules.
 */
#include "engine/engine_sidecar_disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_folder.h"
#include "buffer_rocksdb/rocksdb_store.h"
#include "engine/engine_store.h"
#include "source_postgres/source_postgres.h"
#include "store_local/store_local_file.h"

char *engine_sidecar_disk_folder(const char *root, const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    struct base_buffer path = {0};
    size_t len = strlen(root);
    while (len > 1 && root[len - 1] == '/') /* the address of a bucket has no empty part */
        len--;
    base_buffer_format(&path, "%.*s/sidecar-", (int)len, root);
    for (; *name != '\0'; name++)
        if (strchr(plain, *name) != NULL)
            base_buffer_char(&path, *name);
        else
            base_buffer_format(&path, "%%%02x", (unsigned char)*name);
    return base_buffer_take(&path);
}

static bool ready(void *context)
{
    const struct engine_sidecar_disk *disk = context;
    return disk->sync != NULL && sync_is_primed(disk->sync);
}

struct opening {
    const struct checkpoint_config *config;
    struct engine_sidecar_disk *disk;
    struct rhei_error *error;
    rhei_status status;
};

/* As the mirror's writer: others have begun. */
static void take_over(void *context)
{
    struct opening *opening = context;
    opening->status =
        checkpoint_open(opening->config, &opening->disk->checkpoint, &opening->disk->restored, opening->error);
}

static rhei_status open_store(struct rhei_db *db, const struct config_sidecar *settings, struct blob_store **store,
                              struct rhei_error *error)
{
    if (settings->watermark_path != NULL) {
        struct rocksdb_store_config rocks = {.folder = settings->watermark_path,
                                             .owner = settings->name,
                                             .log = &db->log,
                                             .fault = db->config.fault,
                                             .fault_context = db->config.fault_context};
        return rocksdb_store_open(&rocks, store, error);
    }
    rhei_status status =
        engine_store_is_bucket(db->sidecar_path)
            ? RHEI_OK
            : base_folder_make(db->sidecar_path, store_io_error, error); /* the mirror may have none of its own there */
    if (status != RHEI_OK)
        return status;
    char *folder = engine_sidecar_disk_folder(db->sidecar_path, settings->name);
    if (folder == NULL)
        return error_no_memory(error);
    status = engine_store_open(db, folder, ENGINE_STORE_WRITE, store, error);
    base_free(folder);
    return status;
}

static rhei_status open_folder(struct rhei_db *db, const struct config_sidecar *settings, uint8_t number,
                               struct engine_sidecar_disk *disk, struct rhei_error *error)
{
    struct checkpoint_config config = {.mirror = db->mirror,
                                       .source = disk->source,
                                       .source_number = number,
                                       .ready = ready,
                                       .ready_context = disk,
                                       .codec = db->codec,
                                       .interval_ms = db->config.checkpoint_interval_ms,
                                       .most_changes = UINT64_MAX, /* positions don't count changes */
                                       .log = &db->log,
                                       .fault = db->config.fault,
                                       .fault_context = db->config.fault_context};
    rhei_status status = open_store(db, settings, &disk->store, error);
    if (status != RHEI_OK)
        return status;
    config.store = disk->store;
    struct opening opening = {.config = &config, .disk = disk, .error = error};
    sync_exchange(db->sync, take_over, &opening);
    return opening.status;
}

static rhei_status resume(struct engine_sidecar_disk *disk, struct rhei_error *error)
{
    size_t len = 0;
    const void *state = checkpoint_state(disk->checkpoint, &len);
    return disk->restored.any ? disk->source->ops->resume(disk->source, state, len, error) : RHEI_OK;
}

static void stay_out(struct engine_sidecar_disk *disk, rhei_status status, const char *why)
{
    disk->status = status;
    (void)snprintf(disk->message, sizeof disk->message, "%.511s", why);
}

bool engine_sidecar_disk_has(const struct rhei_db *db, const struct config_sidecar *settings)
{
    return db->keeps_sidecars && (settings->watermark_path != NULL || db->sidecar_path != NULL);
}

rhei_status engine_sidecar_disk_open(struct rhei_db *db, const struct config_sidecar *settings, uint8_t number,
                                     struct change_source *source, struct engine_sidecar_disk *disk,
                                     struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    disk->source = source;
    if (!db->keeps_sidecars && (db->olap_path != NULL || settings->watermark_path != NULL))
        stay_out(disk, RHEI_READ_ONLY,
                 "a handle that was opened for reading alone can't take it from there: open the database for writing");
    if (!engine_sidecar_disk_has(db, settings) || db->sync == NULL || source->ops->remember == NULL)
        return RHEI_OK;
    rhei_status status = open_folder(db, settings, number, disk, &why);
    if (status == RHEI_OK)
        return resume(disk, error);
    bool beside = status == RHEI_BUSY && db->config.manual_sync; /* a command beside the service whose folder it is */
    bool mistake = engine_store_is_mistake(
                       settings->watermark_path != NULL ? settings->watermark_path : db->sidecar_path, status) ||
                   status == RHEI_OLAP_UNAVAILABLE;
    if (mistake && !beside)
        return error_set(error, status, "%s: %s", settings->watermark_path != NULL ? "watermark_path" : "olap_path",
                         why.message);
    stay_out(disk, status, why.message);
    base_log_write(&db->log, BASE_LOG_WARN, "engine", "sidecar \"%s\" is kept in memory alone: %s", settings->name,
                   why.message);
    return RHEI_OK;
}

static bool lost_versions(void *context, uint32_t table)
{
    return checkpoint_lost_versions(context, table);
}

void engine_sidecar_disk_resume(const struct engine_sidecar_disk *disk, struct sync_config *config)
{
    if (disk->checkpoint == NULL)
        return;
    config->restored = disk->restored.any;
    config->restored_position = disk->restored.position;
    config->histories = disk->restored.histories > 0;
    config->histories_position = disk->restored.any ? disk->restored.position : -1;
    config->lost_versions = lost_versions;
    config->lost_context = disk->checkpoint;
}

static uint64_t built(void *context)
{
    return sync_loaded(context);
}

static void mend(void *context)
{
    sync_mend(context);
}

static void durable(void *context, int64_t position)
{
    const struct engine_sidecar_disk *disk = context;
    if (disk->kept != NULL)
        disk->kept(disk->source, position);
}

static uint64_t wishes(void *context)
{
    const struct engine_sidecar_disk *disk = context;
    return disk->kept == NULL ? 0 : source_postgres_wishes(disk->source);
}

static void fulfil(void *context, uint64_t wish)
{
    const struct engine_sidecar_disk *disk = context;
    source_postgres_fulfil(disk->source, wish);
}

/* As the mirror's writer, whoever's tables they are. */
static void exchange(void *context, void (*run)(void *run_context), void *run_context)
{
    sync_exchange(context, run, run_context);
}

rhei_status engine_sidecar_disk_start(struct rhei_db *db, struct engine_sidecar_disk *disk, struct sync *sync,
                                      struct rhei_error *error)
{
    disk->sync = sync;
    if (disk->checkpoint == NULL)
        return RHEI_OK;
    checkpoint_tell(disk->checkpoint, durable, disk);
    checkpoint_watch_builds(disk->checkpoint, built, sync);
    checkpoint_watch_wishes(disk->checkpoint, wishes, fulfil, disk);
    checkpoint_tell_damage(disk->checkpoint, mend, sync);
    checkpoint_exchange(disk->checkpoint, exchange, db->sync);
    return db->config.manual_sync ? RHEI_OK : checkpoint_start(disk->checkpoint, error);
}

rhei_status engine_sidecar_disk_write(struct engine_sidecar_disk *disk, struct rhei_error *error)
{
    return disk->checkpoint == NULL ? RHEI_OK : checkpoint_run(disk->checkpoint, error);
}

void engine_sidecar_disk_json(struct base_buffer *out, const struct engine_sidecar_disk *disk)
{
    struct checkpoint_status status = {.position = -1};
    const char *message = disk->message;
    if (disk->checkpoint != NULL)
        checkpoint_get_status(disk->checkpoint, &status);
    if (message[0] == '\0')
        message = status.error[0] != '\0' ? status.error : status.restored.message;
    base_buffer_format(out,
                       ", \"disk\": {\"kept\": %s, \"position\": %" PRId64 ", \"bytes\": %" PRIu64
                       ", \"checkpoints\": %" PRIu64 ", \"tables\": %" PRIu64
                       ", \"restored_tables\": %u, \"restored_position\": %" PRId64 ", \"message\": ",
                       disk->checkpoint != NULL ? "true" : "false", status.position, status.bytes, status.checkpoints,
                       status.tables, status.restored.tables, status.restored.any ? status.restored.position : -1);
    engine_json_text(out, message);
    base_buffer_char(out, '}');
}

void engine_sidecar_disk_finish(struct engine_sidecar_disk *disk)
{
    checkpoint_close(&disk->checkpoint);
}

void engine_sidecar_disk_close(struct engine_sidecar_disk *disk)
{
    if (disk->store != NULL)
        disk->store->ops->close(&disk->store);
}
