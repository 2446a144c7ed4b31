/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backup of both stores at one position (docs/design/backup.md).
 *
 *   1. What is copied is pinned first: a state of the file, and a state of the mirror that the log in it goes on from.
 *   2. Nothing of the original changes, and nothing waits for the copy but the end of SQLite's write-ahead log.
 *   3. The folder counts once all of it is durable; until then, and after any error, it is no backup.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_backup.h"
#include "checkpoint/checkpoint_copy.h"
#include "config/config_settings.h"
#include "engine/engine_internal.h"
#include "engine/engine_sidecar_care.h"
#include "engine/engine_store.h"
#include "rhei/rhei_care.h"
#include "store_local/store_backup.h"
#include "store_local/store_local.h"

enum {
    PIN_TRIES = 1000,  /* a try takes some 100 us, and fails where a cycle published and pruned within it */
    COPY_TRIES = 5,    /* of another handle's folder, which may replace a file in the meantime */
    BACKUP_FORMAT = 1, /* of backup.json */
};

struct backup {
    struct rhei_db *db;
    struct engine_limits limits;
    struct oltp_stop stop;
    struct store_backup folder;
    struct capture_backup *file; /* the pinned state */
    struct capture_backup_state state;
    struct mirror_snapshot snapshot; /* of this handle's mirror, if `pinned` */
    bool pinned;
    struct blob_store *theirs;        /* another handle's folder; NULL: there is none, or it isn't wanted */
    struct checkpoint_newest *newest; /* in it; NULL: there is none */
    int64_t mirror_position;          /* -1: there is no mirror in the backup */
    struct change_stamp stamp;        /* of that position in the copy */
    struct rhei_backup_result done;
};

/* ---- Pinning. ---------------------------------------------------------------------------------------------------- */

static void let_go(struct backup *backup)
{
    capture_backup_end(&backup->file);
    checkpoint_newest_free(&backup->newest);
    if (backup->pinned)
        mirror_snapshot_release(&backup->snapshot);
    backup->pinned = false;
    backup->mirror_position = -1;
}

static rhei_status pin_file(struct backup *backup, struct rhei_error *error)
{
    return capture_backup_begin(backup->db->oltp, &backup->stop, &backup->file, &backup->state, error);
}

/* The mirror first: the file's state then is the same or a later one. */
static rhei_status try_own(struct backup *backup, struct rhei_error *error)
{
    uint32_t tables = 0, histories = 0;
    rhei_status status = mirror_snapshot_take(backup->db->mirror, &backup->snapshot);
    if (status != RHEI_OK)
        return error_no_memory(error);
    backup->pinned = true;
    checkpoint_count_kept(&backup->snapshot, &tables, &histories);
    backup->mirror_position = mirror_snapshot_position(&backup->snapshot);
    status = pin_file(backup, error);
    if (status != RHEI_OK)
        return status;
    bool wanted = backup->state.captured && (histories > 0 || (tables > 0 && backup->db->checkpoint != NULL));
    if (!wanted) { /* one in memory is built from the tables, in the copy as anywhere */
        mirror_snapshot_release(&backup->snapshot);
        backup->pinned = false;
        backup->mirror_position = -1;
        return RHEI_OK;
    }
    return capture_backup_stamp(backup->file, backup->mirror_position, &backup->stamp, error);
}

/* Another handle's newest checkpoint. The log goes back to it, unless the changes are in a buffer. */
static rhei_status try_theirs(struct backup *backup, struct rhei_error *error)
{
    struct change_stamp theirs = {.file = ""};
    rhei_status status =
        checkpoint_newest_read(backup->theirs, &backup->newest, &backup->mirror_position, &theirs, error);
    bool none = status == RHEI_NOT_FOUND;
    if (status != RHEI_OK && !none)
        error_context(error, "the column store's newest checkpoint: ");
    if (none) {
        error_clear(error);
        backup->mirror_position = -1;
        status = RHEI_OK;
    }
    if (status == RHEI_OK)
        status = pin_file(backup, error);
    if (status != RHEI_OK || none)
        return status;
    if (!backup->state.captured || strcmp(theirs.file, backup->state.original) != 0)
        return error_set(error, RHEI_EXISTS,
                         "the folder \"%s\" (olap_path) has the column store of another database file",
                         backup->db->olap_path);
    status = capture_backup_stamp(backup->file, backup->mirror_position, &backup->stamp, error);
    if (status == RHEI_OK && !checkpoint_same_row(&theirs, &backup->stamp) && backup->db->buffer_path == NULL)
        status = error_set(error, RHEI_NOT_FOUND, "the change that it ends with isn't the one in the log");
    return status;
}

/* RHEI_NOT_FOUND from a try: what was pinned first is too old for what was pinned then, and both are taken anew. */
static rhei_status pin(struct backup *backup, struct rhei_error *error)
{
    struct rhei_db *db = backup->db;
    bool own = db->mirror != NULL && oltp_captures(db->oltp) && backup->theirs == NULL; /* else it has no positions */
    rhei_status status = RHEI_OK;
    for (int tries = 0; tries < PIN_TRIES; tries++) {
        error_clear(error);
        status = own                      ? try_own(backup, error)
                 : backup->theirs != NULL ? try_theirs(backup, error)
                                          : pin_file(backup, error);
        if (status == RHEI_OK)
            return RHEI_OK;
        let_go(backup);
        if (status != RHEI_NOT_FOUND)
            return status;
        status = engine_limits_check(&backup->limits);
        if (status != RHEI_OK)
            return error_ended(error, status);
    }
    error_clear(error);
    if (own)
        return error_set(error, RHEI_BUSY, "the log is cut faster than its state can be pinned: try again");
    return error_set(error, RHEI_STALE,
                     "the column store in \"%s\" is another process's or its last opening's, and the log doesn't go "
                     "back to its newest checkpoint (the changes between are in the change buffer, or the file was "
                     "restored): make the backup in the process that has it open (rhei_backup), or open it alone",
                     db->olap_path);
}

/* ---- Copying. ---------------------------------------------------------------------------------------------------- */

static rhei_status copy_mirror(struct backup *backup, struct rhei_error *error)
{
    struct rhei_db *db = backup->db;
    struct blob_store *to = NULL;
    if (backup->mirror_position < 0)
        return RHEI_OK;
    struct store_local_config config = {.folder = backup->folder.mirror,
                                        .log = &db->log,
                                        .fault = db->config.fault,
                                        .fault_context = db->config.fault_context};
    rhei_status status = store_local_open(&config, &to, error);
    if (status != RHEI_OK)
        return status;
    base_progress_step(backup->stop.progress, "copying the column store", NULL, BASE_PROGRESS_BYTES, -1);
    struct checkpoint_export export = {.snapshot = backup->pinned ? &backup->snapshot : NULL,
                                       .to = to,
                                       .codec = db->codec,
                                       .stamp = backup->stamp,
                                       .check = engine_limits_check,
                                       .check_context = &backup->limits,
                                       .progress = backup->stop.progress,
                                       .fault = db->config.fault,
                                       .fault_context = db->config.fault_context};
    status =
        backup->pinned ? checkpoint_export(&export, error) : checkpoint_newest_copy(backup->newest, &export, error);
    to->ops->close(&to);
    return status;
}

/* Each as its newest checkpoint has it, at a position of its own. */
static rhei_status copy_sidecars(struct backup *backup, struct rhei_error *error)
{
    struct engine_limits *limits = &backup->limits;
    return engine_sidecars_copy(backup->db, backup->folder.mirror, limits, backup->stop.progress, error);
}

static rhei_status copy_once(struct backup *backup, struct rhei_error *error)
{
    rhei_status status = pin(backup, error);
    if (status != RHEI_OK)
        return status;
    engine_fault(backup->db, "backup.pinned");
    status = backup->mirror_position < 0 ? engine_disk_without_history(backup->db, error) : RHEI_OK;
    if (status != RHEI_OK)
        return status;
    status = copy_mirror(backup, error);
    if (status != RHEI_OK)
        return status;
    if (backup->pinned) /* dead rows that it shows may go */
        mirror_snapshot_release(&backup->snapshot);
    backup->pinned = false;
    status = copy_sidecars(backup, error);
    if (status != RHEI_OK)
        return status;
    engine_fault(backup->db, "backup.mirror");
    return capture_backup_copy(backup->file, backup->folder.database, &backup->stop, error);
}

static rhei_status copy(struct backup *backup, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (int tries = 0; tries < COPY_TRIES; tries++) {
        error_clear(error);
        status = copy_once(backup, error);
        bool again = status == RHEI_NOT_FOUND && backup->theirs != NULL && backup->mirror_position >= 0;
        capture_backup_end(&backup->file); /* so that the write-ahead log may be cut */
        if (!again)
            return status;
        let_go(backup);
        store_backup_clear_mirror(&backup->folder);
    }
    error_context(error, "the column store's files are replaced faster than they can be copied: ");
    return status;
}

/* ---- The list. --------------------------------------------------------------------------------------------------- */

static void describe(struct base_buffer *out, const struct backup *backup, const struct base_buffer *files)
{
    base_buffer_format(out, "{\n  \"format\": %d,\n  \"rhei\": \"%s\",\n  \"made_ms\": %" PRId64 ",\n  \"database\": ",
                       BACKUP_FORMAT, rhei_version(), base_wall_ms());
    engine_json_text(out, backup->db->path);
    base_buffer_text(out, ",\n  \"database_id\": ");
    engine_json_text(out, backup->state.original);
    base_buffer_text(out, ",\n  \"copy_id\": ");
    engine_json_text(out, backup->state.copy);
    base_buffer_format(out, ",\n  \"position\": %" PRId64 ",\n  \"mirror_position\": ", backup->done.position);
    if (backup->mirror_position < 0)
        base_buffer_text(out, "null");
    else
        base_buffer_format(out, "%" PRId64, backup->mirror_position);
    base_buffer_format(out, ",\n  \"files\": %s\n}\n", files->data);
}

static rhei_status finish(struct backup *backup, struct rhei_error *error)
{
    struct base_buffer files = {0}, text = {0};
    struct store_backup_sums sums;
    base_progress_step(backup->stop.progress, "checking the copy", NULL, BASE_PROGRESS_NOTHING, -1);
    rhei_status status = store_backup_list(&backup->folder, engine_limits_check, &backup->limits, &files, &sums, error);
    backup->done.position = backup->state.position;
    backup->done.olap_position = backup->mirror_position;
    if (status == RHEI_OK) {
        backup->done.database_bytes = sums.database_bytes;
        backup->done.olap_bytes = sums.mirror_bytes;
        describe(&text, backup, &files);
        if (files.failed || text.failed)
            status = error_no_memory(error);
    }
    engine_fault(backup->db, "backup.durable");
    if (status == RHEI_OK)
        status = store_backup_name(&backup->folder, error);
    engine_fault(backup->db, "backup.named");
    if (status == RHEI_OK)
        status = store_backup_seal(&backup->folder, text.data, text.len, error);
    engine_fault(backup->db, "backup.sealed");
    base_buffer_reset(&files);
    base_buffer_reset(&text);
    return status;
}

/* ---- All of it. -------------------------------------------------------------------------------------------------- */

/* The folder of olap_path where it isn't this handle's: it is read only, another one has it, or it couldn't be had. */
static rhei_status open_theirs(struct backup *backup, struct rhei_error *error)
{
    struct rhei_db *db = backup->db;
    struct rhei_error why = RHEI_ERROR_INIT;
    bool ours = !db->config.read_only && (db->disk_status == RHEI_OK || db->disk_status == RHEI_UNSUPPORTED);
    if (db->olap_path == NULL || ours)
        return RHEI_OK;
    rhei_status status = engine_store_open(db, db->olap_path, ENGINE_STORE_READ, &backup->theirs, &why);
    if (status == RHEI_OK || (status == RHEI_NOT_FOUND && !engine_store_is_bucket(db->olap_path)))
        return RHEI_OK;
    if (error != NULL)
        *error = why;
    error_context(error, "olap_path: ");
    return status;
}

/* So that little of the log is left between the mirror's state and the file's. What fails with it isn't the backup's trouble. */
static rhei_status catch_up(struct backup *backup, struct rhei_error *error)
{
    struct rhei_db *db = backup->db;
    struct sync_stop stop = {engine_limits_check, &backup->limits, backup->stop.progress};
    if (db->sync == NULL || !oltp_captures(db->oltp) || backup->theirs != NULL)
        return RHEI_OK;
    rhei_status status = sync_wait_latest(db->sync, 0, &stop, error);
    if (status == RHEI_CANCELLED || status == RHEI_TIMEOUT)
        return status;
    error_clear(error);
    return RHEI_OK;
}

/* Sidecars alone have no file that they could be copied beside. */
static rhei_status check_own(const struct rhei_db *db, struct rhei_error *error)
{
    if (db->settings == NULL || config_has_local(db->settings))
        return RHEI_OK;
    if (db->sidecar_path == NULL)
        return error_set(error, RHEI_UNSUPPORTED,
                         "there is nothing to copy: the settings name sidecars alone, which are in no folder");
    return error_set(error, RHEI_UNSUPPORTED,
                     "there is no database to copy: the settings name sidecars alone, so copy the folder \"%.200s\" "
                     "(olap_path) while nobody has it open",
                     db->sidecar_path);
}

static rhei_status run(struct backup *backup, const char *path, struct rhei_error *error)
{
    struct rhei_db *db = backup->db;
    const char *const apart[] = {db->olap_path != NULL && engine_store_is_bucket(db->olap_path) ? NULL : db->olap_path,
                                 db->buffer_path};
    rhei_status status = oltp_check_file(db->oltp, error);
    if (status == RHEI_OK)
        status = check_own(db, error);
    if (status == RHEI_OK)
        status = store_backup_begin(path, apart, 2, &backup->folder, error);
    if (status != RHEI_OK)
        return status;
    engine_fault(backup->db, "backup.begun");
    status = open_theirs(backup, error);
    if (status == RHEI_OK)
        status = catch_up(backup, error);
    if (status == RHEI_OK)
        status = copy(backup, error);
    engine_fault(backup->db, "backup.copied");
    if (status == RHEI_OK)
        status = finish(backup, error);
    let_go(backup);
    if (backup->theirs != NULL)
        backup->theirs->ops->close(&backup->theirs);
    store_backup_end(&backup->folder, status == RHEI_OK);
    return status;
}

rhei_status rhei_backup(rhei_db *db, const char *folder, const struct rhei_call_options *options,
                        struct rhei_backup_result *result, struct rhei_error *error)
{
    enum { FIRST_SIZE = sizeof(struct rhei_backup_result) };
    struct backup backup = {.db = db, .folder = {.folder = -1}, .mirror_position = -1};
    error_clear(error);
    if (db == NULL)
        return error_set(error, RHEI_INVALID, "a database handle is needed");
    int64_t began_ns = base_now_ns();
    rhei_status status = engine_limits_of_call(db->ticker, &backup.limits, options, error);
    if (status != RHEI_OK)
        return status;
    (void)engine_stop(&backup.limits, &backup.stop);
    status = run(&backup, folder, error);
    if (status != RHEI_OK)
        error_context(error, "backup: ");
    engine_limits_reset(&backup.limits);
    backup.done.duration_us = (base_now_ns() - began_ns) / 1000;
    if (result != NULL && status == RHEI_OK)
        engine_struct_give(result, &backup.done, sizeof backup.done, FIRST_SIZE);
    return status;
}
