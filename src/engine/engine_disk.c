/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror's folder or bucket (olap_path): a blob store, segments in files, checkpoints (docs/design/checkpoints.md). What is said of a folder here is said of
 * either (engine_store.h).
 *
 * A folder that can't be used because of what it is (another handle has it, it isn't ours, a newer version's) refuses the opening, for its
 * name is a mistake; so does a bucket that isn't there, or takes no credentials of ours. One that can't be reached or written leaves the mirror in memory, with a message, for the database goes on without it.
 *
 * A read-only handle looks at what another one's checkpoints left there, locked or not, and follows it in memory by the change log (checkpoint.h).
 * So it changes nothing, and whatever is wrong with the folder is a message.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base_folder.h"
#include "capture/capture_folder.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/checkpoint_copy.h"
#include "engine/engine_checking.h"
#include "engine/engine_internal.h"
#include "engine/engine_sidecar.h"
#include "engine/engine_store.h"
#include "rhei/rhei_care.h"

static void in_memory(struct rhei_db *db, const char *why)
{
    (void)snprintf(db->disk_message, sizeof db->disk_message, "%.511s", why);
    base_log_write(&db->log, BASE_LOG_WARN, "engine", "the mirror is kept in memory alone: %s", why);
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The change log goes back to the newest checkpoint, so one is due well before the log would reach a limit for want of it. */
static void keep_log_within_limits(const struct rhei_config *limits, struct checkpoint_config *config)
{
    enum { ROW_BYTES = 64 /* that a change has in the log, about, at least */ };
    config->most_changes = lesser(CHECKPOINT_MOST_CHANGES, limits->log_limit_rows / 2 + 1);
    if (limits->log_limit_bytes > 0) {
        config->most_changes = lesser(config->most_changes, limits->log_limit_bytes / ROW_BYTES / 2 + 1);
        config->most_bytes = lesser(CHECKPOINT_MOST_BYTES, limits->log_limit_bytes / 2);
    }
    if (limits->log_limit_age_s > 0)
        config->interval_ms = (uint32_t)lesser(config->interval_ms, (uint64_t)limits->log_limit_age_s * 1000 / 2);
}

static bool lost_versions(void *context, uint32_t table)
{
    return checkpoint_lost_versions(context, table);
}

/* What a file tells of the folder that is there no more, or what the folder itself does. */
static bool is_history_lost(struct rhei_db *db, const struct checkpoint_restored *restored, const char *path)
{
    char folder[PATH_MAX];
    bool is_known = false;
    struct checkpoint_status disk;
    checkpoint_get_status(db->checkpoint, &disk);
    if (restored->lost_history && (db->keeps_history || restored->histories > 0))
        return true;
    return disk.position < 0 &&
           capture_folder_of_history(db->oltp, path, folder, sizeof folder, &is_known, NULL) == RHEI_OK && is_known;
}

static bool begins_anew(const struct rhei_db *db)
{
    struct checkpoint_status disk;
    checkpoint_get_status(db->checkpoint, &disk);
    return disk.position < 0 && db->keeps_history;
}

/* The file's history is in another folder, which isn't gone on with. */
static void warn_of_other(struct rhei_db *db, const char *path)
{
    char folder[PATH_MAX];
    bool is_known = false;
    if (capture_folder_of_history(db->oltp, path, folder, sizeof folder, &is_known, NULL) == RHEI_OK && !is_known &&
        folder[0] != '\0')
        base_log_write(&db->log, BASE_LOG_WARN, "engine",
                       "a new history begins in the folder \"%s\": the one of before is in the folder \"%s\"",
                       db->olap_path, folder);
}

/* From here on the log is kept for it, whoever prunes. */
static rhei_status hold_log(struct rhei_db *db, const struct checkpoint_restored *restored, struct rhei_error *error)
{
    bool goes_on = (restored->any || restored->histories > 0) && restored->message[0] == '\0';
    char *path = NULL;
    rhei_status status = engine_store_name(db->olap_path, &path, error);
    if (status != RHEI_OK)
        return status;
    db->history_lost = is_history_lost(db, restored, path);
    if (db->history_lost)
        base_log_write(
            &db->log, BASE_LOG_WARN, "engine",
            "versions of the history in the folder \"%s\" are lost: of before this opening not all are there%s",
            db->olap_path, begins_anew(db) ? ", and a new history begins" : "");
    else if (begins_anew(db))
        warn_of_other(db, path);
    const struct capture_folder_config folder = {
        .path = path, .histories = db->keeps_history || restored->histories > 0, .buffered = db->buffer_path != NULL};
    status = capture_folder_open(db->oltp, &folder, goes_on ? restored->position : -1, error);
    base_free(path);
    return status;
}

/* What was in a lost delta is of a position that nobody knows any more, but not of a later one. */
static int64_t newest_change(struct rhei_db *db)
{
    struct oltp_status status = {0};
    return oltp_get_status(db->oltp, &status, NULL) == RHEI_OK ? status.log_position : 0;
}

static rhei_status open_checkpoint(struct rhei_db *db, struct sync_config *sync, struct rhei_error *error)
{
    struct checkpoint_restored restored;
    char owner[ENGINE_STORE_OWNER];
    struct checkpoint_config config = {.mirror = db->mirror,
                                       .source = db->source,
                                       .store = db->store,
                                       .codec = db->codec,
                                       .interval_ms = db->config.checkpoint_interval_ms,
                                       .look = db->config.read_only,
                                       .owner = engine_store_owner(db, db->olap_path, db->store, owner),
                                       .buffered = db->config.read_only && db->buffer_path != NULL,
                                       .log = &db->log,
                                       .fault = db->config.fault,
                                       .fault_context = db->config.fault_context};
    keep_log_within_limits(&db->config, &config);
    rhei_status status = checkpoint_open(&config, &db->checkpoint, &restored, error);
    if (status != RHEI_OK)
        return status;
    if (!db->config.read_only)
        engine_store_claim(db, db->olap_path, db->store);
    sync->restored = restored.any;
    sync->restored_position = restored.position;
    if (restored.lost_deltas)
        sync->restored_position = newest_change(db);
    sync->histories = restored.histories > 0;
    sync->histories_position = restored.message[0] == '\0' ? restored.position : -1;
    sync->lost_versions = lost_versions;
    sync->lost_context = db->checkpoint;
    sync->keeps_log = !db->config.read_only;
    atomic_store(&db->look_history, db->config.read_only && sync->histories && restored.message[0] == '\0');
    return db->config.read_only ? RHEI_OK : hold_log(db, &restored, error);
}

bool engine_disk_looks(const struct rhei_config *config)
{
    return config->read_only && config->olap_path != NULL;
}

static rhei_status look(struct rhei_db *db, struct sync_config *sync)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    if (!oltp_follows(db->oltp)) {
        if (engine_disk_looks(&db->config))
            (void)snprintf(db->disk_message, sizeof db->disk_message, "%s",
                           "the folder isn't looked at: change capture isn't as it must be for that; a handle that may "
                           "write settles it (rh sync)");
        return RHEI_OK;
    }
    sync->no_verify = true;
    rhei_status status = engine_store_open(db, db->olap_path, ENGINE_STORE_READ, &db->store, &why);
    if (status == RHEI_OK)
        status = open_checkpoint(db, sync, &why);
    if (status == RHEI_NO_MEMORY)
        return status;
    bool absent = status == RHEI_NOT_FOUND && !engine_store_is_bucket(db->olap_path); /* no folder yet is no trouble */
    if (status != RHEI_OK && !absent)
        (void)snprintf(db->disk_message, sizeof db->disk_message, "%.511s", why.message);
    return RHEI_OK;
}

/* Of a bucket its own absence is another thing than that of a checkpoint in it. */
static rhei_status look_for_others(struct rhei_db *db, bool *none, struct rhei_error *error)
{
    struct blob_store *store = NULL;
    char owner[ENGINE_STORE_OWNER];
    rhei_status opened = engine_store_open(db, db->olap_path, ENGINE_STORE_PEEK, &store, error);
    *none = opened == RHEI_NOT_FOUND && !engine_store_is_bucket(db->olap_path);
    struct rhei_error busy = RHEI_ERROR_INIT;
    rhei_status status = opened;
    if (!db->config.manual_sync && engine_store_is_free(db->olap_path, store, &busy) != RHEI_OK) {
        status = RHEI_BUSY;
        *error = busy;
    } else if (opened == RHEI_OK) {
        status = checkpoint_may_begin(store, engine_store_owner(db, db->olap_path, store, owner), error);
        *none = status == RHEI_NOT_FOUND;
    }
    if (store != NULL)
        store->ops->close(&store);
    return status;
}

rhei_status engine_disk_may_begin(struct rhei_db *db, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    bool none = false;
    if (db->olap_path == NULL)
        return RHEI_OK;
    rhei_status status = look_for_others(db, &none, &why);
    if (none) { /* no folder yet, or nothing in it */
        error_clear(&why);
        status = engine_store_is_bucket(db->olap_path) ? RHEI_OK : base_folder_above(db->olap_path, RHEI_INVALID, &why);
    }
    if (!engine_store_is_mistake(db->olap_path, status)) /* in memory it goes on, or what is there is set aside */
        return RHEI_OK;
    error_context(&why, "olap_path: ");
    if (error != NULL)
        *error = why;
    return status;
}

rhei_status engine_disk_open(struct rhei_db *db, struct sync_config *sync, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    if (db->olap_path == NULL)
        return RHEI_OK;
    if (db->config.read_only)
        return look(db, sync);
    if (db->source->ops->stamp == NULL) {
        db->disk_status = RHEI_UNSUPPORTED;
        in_memory(db, "the database was opened without change capture, which a mirror on disk goes on by: open it with "
                      "change capture");
        return RHEI_OK;
    }
    rhei_status status = engine_store_open(db, db->olap_path, ENGINE_STORE_WRITE, &db->store, &why);
    if (status == RHEI_OK)
        status = open_checkpoint(db, sync, &why);
    if (status == RHEI_OK)
        return RHEI_OK;
    db->disk_status = status;
    error_context(&why, "olap_path: ");
    if (status == RHEI_BUSY && db->config.manual_sync) { /* a command beside the service whose folder it is */
        (void)snprintf(db->disk_message, sizeof db->disk_message, "%.511s", why.message);
        return RHEI_OK;
    }
    if (engine_store_is_mistake(db->olap_path, status)) {
        if (error != NULL)
            *error = why;
        return status;
    }
    in_memory(db, why.message);
    return RHEI_OK;
}

bool engine_disk_is_elsewhere(const struct rhei_db *db)
{
    return db->olap_path != NULL &&
           (db->checkpoint == NULL || (db->config.read_only && !atomic_load(&db->look_history)));
}

/* What another handle's checkpoints left in the folder, which this one only looks at. */
static void peek(struct rhei_db *db, struct checkpoint_status *status)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    struct blob_store *store = NULL;
    rhei_status looked = engine_store_open(db, db->olap_path, ENGINE_STORE_PEEK, &store, &why);
    bool opened = looked == RHEI_OK;
    if (opened)
        looked = checkpoint_peek(store, status, &why);
    if (looked != RHEI_OK && (looked != RHEI_NOT_FOUND || (!opened && engine_store_is_bucket(db->olap_path))))
        (void)snprintf(status->error, sizeof status->error, "%.511s", why.message);
    if (store != NULL)
        store->ops->close(&store);
}

/* The folder has no checkpoint. One that never had is no trouble: its history begins with the tables' load. */
static rhei_status check_begun(const struct rhei_db *db, struct rhei_error *error)
{
    char folder[PATH_MAX], *path = NULL;
    bool is_known = false;
    rhei_status status = engine_store_name(db->olap_path, &path, error);
    if (status != RHEI_OK)
        return status;
    status = capture_folder_of_history(db->oltp, path, folder, sizeof folder, &is_known, NULL);
    base_free(path);
    if (status != RHEI_OK || folder[0] == '\0') /* without capture nothing is known of any */
        return RHEI_OK;
    if (is_known)
        return error_set(
            error, RHEI_NOT_FOUND,
            "the history of this database was in the folder \"%.200s\" (olap_path), which is gone or empty "
            "by now: put it back; rhei_sync_now begins a new history there",
            db->olap_path);
    return error_set(error, RHEI_NOT_FOUND,
                     "the history of this database is in the folder \"%.300s\", and the one that olap_path names, "
                     "\"%.200s\", has none: name the right one; rhei_sync_now begins a new history in the other",
                     folder, db->olap_path);
}

/* For a copy that has no column store. */
rhei_status engine_disk_without_history(const struct rhei_db *db, struct rhei_error *error)
{
    char folder[PATH_MAX], *path = NULL;
    bool is_known = false;
    if (db->olap_path != NULL && db->config.read_only)
        return check_begun(db, error);
    rhei_status status = engine_store_name(db->olap_path == NULL ? "" : db->olap_path, &path, error);
    if (status == RHEI_OK)
        status = capture_folder_of_history(db->oltp, path, folder, sizeof folder, &is_known, NULL);
    base_free(path);
    if (status != RHEI_OK || folder[0] == '\0' || is_known) /* without capture nothing is known of any */
        return RHEI_OK;
    return error_set(error, RHEI_NOT_FOUND,
                     "the history of this database is in the folder \"%.200s\", which would not be in the copy: open "
                     "the database with olap_path; if that folder is gone for good, drop the consumer "
                     "_rhei_folder:%.200s",
                     folder, folder);
}

void engine_disk_no_history(const struct rhei_db *db, char words[ENGINE_NO_HISTORY_BYTES])
{
    char folder[PATH_MAX];
    bool is_known = false;
    if (capture_folder_of_history(db->oltp, "", folder, sizeof folder, &is_known, NULL) == RHEI_OK && folder[0] != '\0')
        (void)snprintf(words, ENGINE_NO_HISTORY_BYTES,
                       "the history of this database is in the folder \"%.200s\": open it with olap_path = \"%.200s\" "
                       "and sync_mode = \"temporal\" (of rh in the file that --config names)",
                       folder, folder);
    else
        (void)snprintf(words, ENGINE_NO_HISTORY_BYTES,
                       "this database keeps no history: open it with sync_mode = \"temporal\"");
}

/* What became of a table of the folder that isn't followed from there any more. */
static const char *lost_why(const struct rhei_db *db, const struct checkpoint_restored *restored)
{
    bool of_buffer = strcmp(restored->message, CHECKPOINT_IN_BUFFER) == 0;
    if (mirror_damages(db->mirror) > 0 && (of_buffer || !restored->damaged))
        return "a file of it is damaged (the log names it)";
    return restored->message[0] != '\0' ? restored->message
                                        : "the change log doesn't tell all that happened since its checkpoint";
}

/* Where no look is possible (the schema changed, for one), nobody has read the files yet. RHEI_IO: one is damaged. */
static rhei_status check_files(const struct segment_codec *codec, const struct checkpoint_newest *newest,
                               struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    struct engine_pace pace = {.rate = 0};
    struct engine_checking checking = {.pace = &pace};
    const struct checkpoint_checking how = engine_checking_how(&checking, false);
    uint32_t damaged = 0;
    rhei_status status = checkpoint_newest_check(newest, codec, NULL, &how, &damaged, &why);
    if (status == RHEI_OK && damaged > 0)
        return error_set(error, RHEI_IO, "the file \"b-%s\" of it isn't as it was written", checking.first);
    return status == RHEI_OK || status == RHEI_CANT_OPEN ? RHEI_OK : error_set(error, RHEI_IO, "%s", why.message);
}

/*
 * A question about the past leaves what is left of it as it is: an opening for writing sets aside what is damaged, and begins a history where there is
 * none. Whoever has the folder open knows better.
 */
static rhei_status check_past(struct rhei_db *db, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    struct blob_store *store = NULL;
    struct checkpoint_newest *newest = NULL;
    struct change_stamp stamp;
    int64_t position = -1;
    rhei_status status = engine_store_open(db, db->olap_path, ENGINE_STORE_PEEK, &store, &why);
    if (engine_store_is_free(db->olap_path, store, NULL) == RHEI_BUSY) {
        if (store != NULL)
            store->ops->close(&store);
        return RHEI_OK;
    }
    if (status == RHEI_OK)
        status = checkpoint_newest_read(store, &newest, &position, &stamp, &why);
    if (status == RHEI_OK && db->checkpoint == NULL)
        status = check_files(db->codec, newest, &why);
    checkpoint_newest_free(&newest);
    bool away = store == NULL ? status != RHEI_OK && engine_store_is_bucket(db->olap_path)
                              : status != RHEI_OK && blob_store_is_away(store, &why);
    if (store != NULL)
        store->ops->close(&store);
    if (away)
        return error_set(error, RHEI_IO, "the history is in \"%.200s\", and can't be had now: %s", db->olap_path,
                         why.message);
    if (status == RHEI_NOT_FOUND)
        return check_begun(db, error);
    if (status == RHEI_OK && db->checkpoint != NULL && !checkpoint_is_overtaken(db->checkpoint)) {
        struct checkpoint_status disk;
        checkpoint_get_status(db->checkpoint, &disk);
        bool lost = sync_lost_versions(db->sync, why.message, sizeof why.message);
        bool found = mirror_damages(db->mirror) > 0; /* by a reader, of a table's own file too */
        status = disk.restored.damaged || found || lost ? RHEI_IO : RHEI_OK;
        if (disk.restored.damaged || !lost)
            (void)snprintf(why.message, sizeof why.message, "%s", lost_why(db, &disk.restored));
    }
    if (status != RHEI_IO)
        return RHEI_OK; /* whatever it is, the opening for writing tells it, and changes nothing */
    return error_set(
        error, RHEI_IO,
        "the history is in the folder \"%.200s\", which is damaged: %s; it was left as it is: put back what is "
        "missing, or keep a copy of it; rhei_repair mends the folder, and what can't be read is lost",
        db->olap_path, why.message);
}

rhei_status engine_disk_history(struct rhei_db *db, struct rhei_error *error)
{
    if (!engine_disk_is_elsewhere(db))
        return RHEI_OK;
    rhei_status status = db->config.read_only ? check_past(db, error) : RHEI_OK;
    if (status != RHEI_OK)
        return status;
    if (db->config.read_only)
        return error_set(error, RHEI_READ_ONLY,
                         "the history is in the folder \"%.200s\", from which a handle that was opened for reading "
                         "alone can't take it "
                         "as a whole: open the database for writing",
                         db->olap_path);
    struct checkpoint_status disk = {.position = -1};
    if (db->disk_status == RHEI_BUSY)
        peek(db, &disk);
    if (db->disk_status == RHEI_BUSY && disk.position < 0 && disk.error[0] == '\0')
        return error_set(error, RHEI_BUSY,
                         "the history is in the folder \"%.200s\", which is in use by another handle and has no "
                         "checkpoint yet to read it from: ask that handle, or ask again when it wrote one (within "
                         "checkpoint_interval_ms)",
                         db->olap_path);
    return error_set(error, db->disk_status,
                     "the history is in the folder \"%.200s\", which this handle doesn't have: %s", db->olap_path,
                     db->disk_message);
}

rhei_status engine_disk_write(struct rhei_db *db, struct rhei_error *error)
{
    rhei_status has = db->config.read_only || db->disk_status == RHEI_OK ? RHEI_READ_ONLY : db->disk_status;
    if (db->checkpoint == NULL || db->config.read_only)
        return error_set(error, has, "the folder \"%.200s\" isn't written by this handle: %s", db->olap_path,
                         db->disk_message[0] != '\0' ? db->disk_message : "it was opened for reading alone");
    struct rhei_error why = RHEI_ERROR_INIT;
    rhei_status status = checkpoint_run(db->checkpoint, &why);
    if (status == RHEI_IO && mirror_damages(db->mirror) > 0 && sync_cycle(db->sync, NULL, NULL) == RHEI_OK) {
        error_clear(&why); /* a file that it would have read is damaged, and its table goes on without that now */
        status = checkpoint_run(db->checkpoint, &why);
    }
    if (status != RHEI_OK && error != NULL)
        *error = why;
    if (status != RHEI_OK)
        error_context(error, "the folder \"%.200s\" couldn't be written: ", db->olap_path);
    return status;
}

rhei_status rhei_checkpoint(rhei_db *db, struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL)
        return error_set(error, RHEI_INVALID, "a database handle is needed");
    if ((db->olap_path == NULL && !engine_sidecars_keep(db)) || db->sync == NULL)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "there is no folder to write the column store to: olap_path "
                         "and watermark_path name none, or olap_backend is none");
    rhei_status status = db->olap_path == NULL ? RHEI_OK : engine_disk_write(db, error);
    return status == RHEI_OK ? engine_sidecars_write(db, error) : status;
}

static uint64_t built(void *context)
{
    return sync_loaded(context);
}

static rhei_status hold(void *context, int64_t position, struct rhei_error *error)
{
    struct rhei_db *db = context;
    rhei_status status = capture_folder_hold(db->oltp, position, error);
    if (status != RHEI_OK)
        error_context(error, "the change log isn't kept for it yet: ");
    return status;
}

static void durable(void *context, int64_t position)
{
    struct rhei_db *db = context;
    capture_folder_durable(db->oltp, position);
    sync_durable(db->sync, position);
}

static void mend(void *context)
{
    sync_mend(context);
}

static void exchange(void *context, void (*run)(void *run_context), void *run_context)
{
    sync_exchange(context, run, run_context);
}

rhei_status engine_disk_start(struct rhei_db *db, bool background, struct rhei_error *error)
{
    if (db->checkpoint == NULL)
        return RHEI_OK;
    checkpoint_hold(db->checkpoint, hold, db);
    checkpoint_tell(db->checkpoint, durable, db);
    if (db->keeps_history)
        checkpoint_watch_builds(db->checkpoint, built, db->sync);
    checkpoint_exchange(db->checkpoint, exchange, db->sync);
    checkpoint_tell_damage(db->checkpoint, mend, db->sync);
    return background ? checkpoint_start(db->checkpoint, error) : RHEI_OK;
}

void engine_disk_finish(struct rhei_db *db)
{
    struct checkpoint_status disk = {.error = ""};
    if (db->checkpoint != NULL)
        checkpoint_get_status(db->checkpoint, &disk);
    if (disk.error[0] !=
        '\0') /* it couldn't be written when that was tried last: a close doesn't wait for a server that is away */
        atomic_store(&db->store_stop, true);
    checkpoint_close(&db->checkpoint);
}

void engine_disk_close(struct rhei_db *db)
{
    if (db->store != NULL)
        db->store->ops->close(&db->store);
}

rhei_status engine_disk_overtaken(const struct rhei_db *db, struct rhei_error *error)
{
    return error_set(error, RHEI_BUSY, "another handle wrote to the folder \"%s\" while it was read: try again",
                     db->olap_path);
}

/* Whether the table is followed from what the mirror had at the opening. */
static rhei_status is_restored(struct rhei_db *db, uint32_t table, bool *restored, struct rhei_error *error)
{
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    *restored = false;
    rhei_status status = sync_get_tables(db->sync, &tables, &count, error);
    for (size_t i = 0; status == RHEI_OK && i < count; i++)
        *restored |= tables[i].id == table && tables[i].restored;
    base_free(tables);
    return status;
}

/* Every table that the folder has is followed from there. */
static bool is_followed(const struct rhei_db *db)
{
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    bool whole = sync_get_tables(db->sync, &tables, &count, NULL) == RHEI_OK;
    for (size_t i = 0; whole && i < count; i++)
        whole = tables[i].restored || !checkpoint_names(db->checkpoint, tables[i].id);
    base_free(tables);
    return whole;
}

void engine_disk_look_again(struct rhei_db *db)
{
    char lost[RHEI_ERROR_MESSAGE_SIZE];
    if (!is_followed(db) ||
        sync_lost_versions(db->sync, lost, sizeof lost)) /* what is left isn't all that the folder may have */
        atomic_store(&db->look_history, false);
}

rhei_status engine_disk_check(struct rhei_db *db, const struct source_table *table, bool *by_sums,
                              struct rhei_error *error)
{
    struct checkpoint_status disk;
    bool restored = false;
    *by_sums = false;
    if (db->checkpoint == NULL || !db->config.read_only)
        return RHEI_OK;
    checkpoint_get_status(db->checkpoint, &disk);
    bool named = disk.restored.any ? checkpoint_names(db->checkpoint, table->id) : disk.restored.message[0] != '\0';
    if (!named) /* it isn't in the folder yet */
        return RHEI_OK;
    rhei_status status = is_restored(db, table->id, &restored, error);
    if (status == RHEI_OK && !restored) { /* or no cycle came yet to take it over */
        status = sync_cycle(db->sync, NULL, error);
        if (status == RHEI_OK)
            status = is_restored(db, table->id, &restored, error);
    }
    if (status != RHEI_OK || restored)
        return status;
    if (checkpoint_is_overtaken(db->checkpoint))
        return engine_disk_overtaken(db, error);
    *by_sums = db->buffer_path != NULL && !disk.restored.damaged && mirror_damages(db->mirror) == 0;
    if (*by_sums)
        return RHEI_OK;
    return error_set(error, RHEI_STALE,
                     "table \"%s\" can't be taken from the folder \"%s\": %s; rhei_repair mends the folder",
                     table->name, db->olap_path, lost_why(db, &disk.restored));
}

rhei_status engine_disk_is_whole(struct rhei_db *db, const struct source_table *table,
                                 const struct mirror_table_view *view, struct rhei_error *error)
{
    char name[CHECKPOINT_FILE_NAME] = "";
    if (db->checkpoint == NULL || mirror_damages(db->mirror) == 0 || !mirror_view_is_damaged(view))
        return RHEI_OK;
    if (!checkpoint_damaged_file(db->checkpoint, view, table->id, name))
        return error_set(error, RHEI_STALE,
                         "table \"%s\": a file of the folder \"%.200s\" is damaged (the log names it); rhei_repair "
                         "mends the folder",
                         table->name, db->olap_path);
    return error_set(
        error, RHEI_STALE,
        "table \"%s\": the file \"b-%s\" of the folder \"%.200s\" is damaged; rhei_repair mends the folder",
        table->name, name, db->olap_path);
}

rhei_status engine_disk_judge(struct rhei_db *db, rhei_status status, struct rhei_error *error)
{
    if (db->checkpoint == NULL || !db->config.read_only || mirror_damages(db->mirror) == 0)
        return status;
    return checkpoint_is_overtaken(db->checkpoint) ? engine_disk_overtaken(db, error) : status;
}

void engine_disk_get(struct rhei_db *db, struct checkpoint_status *status)
{
    *status = (struct checkpoint_status){.position = -1};
    if (db->checkpoint != NULL)
        checkpoint_get_status(db->checkpoint, status);
    if (db->checkpoint != NULL && db->config.read_only) { /* what is there by now */
        const struct checkpoint_restored restored = status->restored;
        peek(db, status);
        status->restored = restored;
    } else if (db->checkpoint == NULL && db->olap_path != NULL && db->disk_message[0] == '\0')
        peek(db, status);
}

static const char *message_of(const struct rhei_db *db, const struct checkpoint_status *disk,
                              char lost[RHEI_ERROR_MESSAGE_SIZE])
{
    struct rhei_error why = RHEI_ERROR_INIT;
    if (db->disk_message[0] != '\0')
        return db->disk_message;
    if (db->config.read_only && db->olap_path != NULL && disk->position < 0 && disk->error[0] == '\0' &&
        check_begun(db, &why) != RHEI_OK) {
        (void)snprintf(lost, RHEI_ERROR_MESSAGE_SIZE, "%.511s", why.message); /* in a question's words */
        return lost;
    }
    bool beside = db->config.read_only && db->buffer_path != NULL && db->checkpoint != NULL && db->sync != NULL;
    if (disk->error[0] == '\0' && beside && disk->restored.message[0] == '\0' && !is_followed(db))
        return CHECKPOINT_IN_BUFFER;
    if (disk->error[0] == '\0' && db->sync != NULL && sync_lost_versions(db->sync, lost, RHEI_ERROR_MESSAGE_SIZE))
        return lost;
    return disk->error[0] != '\0' ? disk->error : disk->restored.message;
}

static int64_t age_ms(const struct checkpoint_status *disk)
{
    int64_t age = disk->made_ms > 0 ? base_wall_ms() - disk->made_ms : -1;
    return disk->made_ms > 0 && age < 0 ? 0 : age;
}

void engine_disk_status(struct rhei_db *db, struct rhei_sync_status *status)
{
    struct checkpoint_status disk;
    char lost[RHEI_ERROR_MESSAGE_SIZE];
    engine_disk_get(db, &disk);
    (void)snprintf(status->disk_folder, sizeof status->disk_folder, "%s", db->olap_path == NULL ? "" : db->olap_path);
    status->disk_bytes = disk.bytes;
    status->disk_position = disk.position;
    status->disk_age_us = disk.made_ms > 0 ? age_ms(&disk) * 1000 : -1;
    engine_message_give(status->disk_message, sizeof status->disk_message, message_of(db, &disk, lost));
}

static void mirror_json(struct base_buffer *out, struct rhei_db *db)
{
    struct mirror_status mirror;
    mirror_status(db->mirror, &mirror);
    base_buffer_format(out,
                       ", \"segments\": %" PRIu64 ", \"segments_in_files\": %" PRIu64 ", \"evictions\": %" PRIu64
                       ", \"cached_bytes\": %zu, \"columns_read\": %" PRIu64 ", \"columns_dropped\": %" PRIu64,
                       mirror.segments, mirror.remote_segments, mirror.evictions, mirror.cache_bytes,
                       mirror.cache_reads, mirror.cache_evictions);
}

void engine_disk_json(struct base_buffer *out, struct rhei_db *db)
{
    struct checkpoint_status disk;
    char lost[RHEI_ERROR_MESSAGE_SIZE];
    if (db->olap_path == NULL)
        return;
    engine_disk_get(db, &disk);
    base_buffer_text(out, ",\n  \"disk\": {\"folder\": ");
    engine_json_text(out, db->olap_path);
    base_buffer_format(out,
                       ", \"bytes\": %" PRIu64 ", \"position\": %" PRId64 ", \"checkpoint_ms\": %" PRId64
                       ", \"age_ms\": %" PRId64 ", \"checkpoints\": %" PRIu64 ", \"failures\": %" PRIu64
                       ", \"written_bytes\": %" PRIu64 ", \"duration_us\": %" PRId64 ", \"restored_tables\": %u"
                       ", \"restored_position\": %" PRId64 ", \"restore_us\": %" PRId64 ", \"message\": ",
                       disk.bytes, disk.position, disk.made_ms, age_ms(&disk), disk.checkpoints, disk.failures,
                       disk.written, disk.duration_ns / 1000, disk.restored.tables,
                       disk.restored.any ? disk.restored.position : -1, disk.restored.duration_ns / 1000);
    engine_json_text(out, message_of(db, &disk, lost));
    mirror_json(out, db);
    base_buffer_char(out, '}');
}
