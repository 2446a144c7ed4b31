/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_sidecar_care.h"

#include <stdio.h>
#include <string.h>

#include "base/base_folder.h"
#include "base/base_map.h"
#include "checkpoint/checkpoint_copy.h"
#include "config/config_settings.h"
#include "engine/engine_checking.h"
#include "engine/engine_sidecar.h"
#include "engine/engine_sidecar_disk.h"
#include "engine/engine_store.h"
#include "store_local/store_local.h"
#include "store_local/store_local_file.h"

enum { TRIES = 5 }; /* whoever has the folder may replace a file while it is read */

/* ---- The folder of one. ------------------------------------------------------------------------------------------ */

/* What this handle has open, or the folder of whoever has. RHEI_NOT_FOUND: the settings name none, or it isn't there. */
static rhei_status open_folder(struct rhei_db *db, const struct engine_sidecar *sidecar, struct blob_store **store,
                               struct rhei_error *error)
{
    const char *root = db->sidecar_path != NULL ? db->sidecar_path : db->olap_path;
    *store = sidecar->disk->checkpoint != NULL ? sidecar->disk->store : NULL;
    if (*store != NULL)
        return RHEI_OK;
    if (sidecar->settings->watermark_path != NULL)
        return error_set(error, RHEI_NOT_FOUND, "it is in RocksDB, and not this handle's");
    if (root == NULL)
        return error_set(error, RHEI_NOT_FOUND, "no folder is named for it (olap_path)");
    char *folder = engine_sidecar_disk_folder(root, sidecar->settings->name);
    if (folder == NULL)
        return error_no_memory(error);
    rhei_status status = engine_store_open(db, folder, ENGINE_STORE_READ, store, error);
    base_free(folder);
    return status;
}

typedef rhei_status use_newest(void *context, struct checkpoint_newest *newest, const struct change_stamp *stamp,
                               struct rhei_error *error);

/* Again where a file went meanwhile. RHEI_NOT_FOUND: there is no checkpoint, or a file is gone. */
static rhei_status with_newest(struct rhei_db *db, const struct engine_sidecar *sidecar, use_newest *use, void *context,
                               bool *any, struct rhei_error *error)
{
    struct blob_store *store = NULL;
    rhei_status status = open_folder(db, sidecar, &store, error);
    *any = false;
    for (int tries = 0; status == RHEI_OK && tries < TRIES; tries++) {
        struct checkpoint_newest *newest = NULL;
        struct change_stamp stamp = {.file = ""};
        int64_t position = 0;
        error_clear(error);
        rhei_status read = checkpoint_newest_read(store, &newest, &position, &stamp, error);
        *any = read == RHEI_OK;
        if (read == RHEI_OK)
            read = use(context, newest, &stamp, error);
        checkpoint_newest_free(&newest);
        if (read != RHEI_NOT_FOUND || !*any || tries == TRIES - 1) {
            status = read;
            break;
        }
    }
    if (store != NULL && store != sidecar->disk->store)
        store->ops->close(&store);
    return status;
}

/* ---- Checking. --------------------------------------------------------------------------------------------------- */

struct caring {
    const struct segment_codec *codec;
    const char *table; /* NULL: all of the sidecar's */
    struct engine_checking checking;
    uint32_t tables; /* of what was read */
    uint64_t rows;
};

/* What was there to be read. */
struct seen {
    bool any;
    uint32_t tables;
    uint64_t rows;
    char why_not[256];
};

static rhei_status check_newest(void *context, struct checkpoint_newest *newest, const struct change_stamp *stamp,
                                struct rhei_error *error)
{
    struct caring *caring = context;
    const struct checkpoint_checking how = engine_checking_how(&caring->checking, false);
    uint32_t damaged = 0;
    (void)stamp;
    caring->checking.first[0] = '\0';
    checkpoint_newest_count(newest, caring->table, &caring->tables, &caring->rows);
    return checkpoint_newest_check(newest, caring->codec, caring->table, &how, &damaged, error);
}

/* RHEI_STALE: it is damaged. */
static rhei_status check(struct rhei_db *db, const struct engine_sidecar *sidecar, const char *table,
                         struct engine_pace *pace, struct seen *seen, struct rhei_error *error)
{
    struct caring caring = {.codec = db->codec, .table = table, .checking = {.pace = pace}};
    struct rhei_error why = RHEI_ERROR_INIT;
    const char *name = sidecar->settings->name, *dot = table == NULL ? "" : ".", *of = table == NULL ? "" : table;
    *seen = (struct seen){.any = false};
    rhei_status status = with_newest(db, sidecar, check_newest, &caring, &seen->any, &why);
    seen->tables = caring.tables;
    seen->rows = caring.rows;
    if (status == RHEI_NOT_FOUND && !seen->any) {
        (void)snprintf(seen->why_not, sizeof seen->why_not, "%.255s", why.message);
        return RHEI_OK;
    }
    if (status == RHEI_NOT_FOUND)
        return error_set(error, RHEI_STALE, "%s%s%s: %s; rhei_repair loads it anew", name, dot, of, why.message);
    if (status == RHEI_OK && caring.checking.first[0] != '\0')
        return error_set(error, RHEI_STALE,
                         "%s%s%s: the file \"b-%s\" of its folder is damaged; rhei_repair loads it anew", name, dot, of,
                         caring.checking.first);
    if (status == RHEI_IO) /* not of a table's rows: what names their files, or what was deleted of them */
        return error_set(error, status, "%s%s%s: the newest checkpoint in its folder: %s; rhei_repair mends it", name,
                         dot, of, why.message);
    return status == RHEI_OK ? RHEI_OK : error_set(error, status, "%s%s%s: %s", name, dot, of, why.message);
}

/* ---- Tables. ----------------------------------------------------------------------------------------------------- */

static rhei_status load(const struct engine_sidecar *sidecar, const char *table, struct engine_limits *limits,
                        struct rhei_error *error)
{
    struct sync_stop stop = {engine_limits_check, limits, engine_limits_counts(limits)};
    rhei_status status = sync_rebuild(sidecar->sync, table, error);
    return status == RHEI_OK ? sync_build(sidecar->sync, true, 0, &stop, error) : status;
}

/* That the table is READY now, with so many rows. */
static rhei_status look_again(const struct engine_sidecar *sidecar, struct sync_table_status *table,
                              struct rhei_error *error)
{
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    rhei_status status = sync_get_tables(sidecar->sync, &tables, &count, error);
    for (size_t t = 0; status == RHEI_OK && t < count; t++)
        if (strcmp(tables[t].name, table->name) == 0)
            *table = tables[t];
    base_free(tables);
    if (status == RHEI_OK && table->state != SYNC_TABLE_READY)
        status = error_set(error, RHEI_OLAP_UNAVAILABLE, "table \"%s.%s\" could not be loaded again: %s",
                           sidecar->settings->name, table->name, table->message);
    return status;
}

static void add_seen(struct engine_sidecar_cared *cared, const struct seen *seen)
{
    cared->tables += seen->tables;
    cared->rows += seen->rows;
}

static void add_loaded(struct engine_sidecar_cared *cared, const struct sync_table_status *table)
{
    cared->tables++;
    cared->rows += table->rows;
    cared->loaded++;
}

static rhei_status care_for_table(struct rhei_db *db, const struct engine_sidecar *sidecar,
                                  struct sync_table_status *table, bool named, bool repair, struct engine_pace *pace,
                                  struct engine_sidecar_cared *cared, struct rhei_error *error)
{
    struct seen seen = {.any = false};
    bool anew = repair && (named || table->state == SYNC_TABLE_FAILED);
    rhei_status status = anew ? RHEI_OK : check(db, sidecar, table->name, pace, &seen, error);
    if (repair && status == RHEI_STALE) {
        error_clear(error);
        status = RHEI_OK;
        anew = true;
    }
    if (status == RHEI_OK && anew)
        status = load(sidecar, table->name, pace->limits, error);
    if (status == RHEI_OK && anew)
        status = look_again(sidecar, table, error);
    if (status == RHEI_OK && named && !seen.any && !anew)
        return error_set(
            error, RHEI_NOT_FOUND,
            "%s.%s is in no folder that could be read, and what its source has isn't compared: rhei_repair "
            "loads it anew",
            sidecar->settings->name, table->name);
    if (status == RHEI_OK && anew)
        add_loaded(cared, table);
    else if (status == RHEI_OK)
        add_seen(cared, &seen);
    return status;
}

/* The one that is named has nothing that could be read. */
static rhei_status say_unread(const struct rhei_db *db, const struct engine_sidecar *sidecar, const struct seen *seen,
                              struct rhei_error *error)
{
    bool folder = db->sidecar_path != NULL || db->olap_path != NULL || sidecar->settings->watermark_path != NULL;
    return error_set(error, folder ? RHEI_CANT_OPEN : RHEI_NOT_FOUND,
                     "nothing of sidecar \"%s\" could be read: %s; and what its source has isn't compared",
                     sidecar->settings->name, seen->why_not);
}

/*
 * Its histories, and what else there is, too: every file once, whether its source can be had or not. Of a damaged one it is told whose it is.
 */
static rhei_status verify_all(struct rhei_db *db, const struct engine_sidecar *sidecar,
                              struct sync_table_status *tables, size_t table_count, bool named,
                              struct engine_pace *pace, struct engine_sidecar_cared *cared, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    struct seen seen;
    rhei_status status = RHEI_OK, found = check(db, sidecar, NULL, pace, &seen, &why);
    if (found == RHEI_OK && !seen.any && named)
        return say_unread(db, sidecar, &seen, error);
    if (found == RHEI_OK)
        add_seen(cared, &seen);
    for (size_t t = 0; found == RHEI_STALE && status == RHEI_OK && t < table_count; t++)
        if (tables[t].state == SYNC_TABLE_READY)
            status = care_for_table(db, sidecar, &tables[t], false, false, pace, cared, error);
    return status == RHEI_OK && found != RHEI_OK ? error_set(error, found, "%s", why.message) : status;
}

/* A table that nobody speaks of yet, for the source is away: its files may be there all the same. */
static rhei_status check_unknown(struct rhei_db *db, const struct engine_sidecar *sidecar, const char *table,
                                 struct engine_pace *pace, struct engine_sidecar_cared *cared, bool *found,
                                 struct rhei_error *error)
{
    struct seen seen;
    rhei_status status = check(db, sidecar, table, pace, &seen, error);
    *found = *found || status != RHEI_OK || seen.tables > 0;
    if (status == RHEI_OK)
        add_seen(cared, &seen);
    return status;
}

static rhei_status say_unmirrored(const struct engine_sidecar *sidecar, const struct sync_table_status *table,
                                  struct rhei_error *error)
{
    return error_set(error, RHEI_NOT_FOUND, "table \"%s.%s\" is not mirrored: %s", sidecar->settings->name, table->name,
                     table->message[0] != '\0' ? table->message : "it isn't loaded yet");
}

static rhei_status care_for(struct rhei_db *db, const struct engine_sidecar *sidecar, const char *name,
                            const char *table, bool repair, struct engine_pace *pace,
                            struct engine_sidecar_cared *cared, bool *found, struct rhei_error *error)
{
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    uint64_t loaded = cared->loaded;
    rhei_status status = sync_get_tables(sidecar->sync, &tables, &count, error);
    bool all = table == NULL && !repair;
    if (status == RHEI_OK && all)
        status = verify_all(db, sidecar, tables, count, name != NULL, pace, cared, error);
    for (size_t t = 0; status == RHEI_OK && !all && t < count; t++) {
        bool named = table != NULL && base_fold_compare(tables[t].name, table) == 0;
        bool has = tables[t].state == SYNC_TABLE_READY || (repair && tables[t].state == SYNC_TABLE_FAILED);
        *found = *found || named;
        if (has && (named || table == NULL))
            status = care_for_table(db, sidecar, &tables[t], named, repair, pace, cared, error);
        else if (named)
            status = say_unmirrored(sidecar, &tables[t], error);
    }
    if (status == RHEI_OK && !*found && !repair)
        status = check_unknown(db, sidecar, table, pace, cared, found, error);
    base_free(tables);
    if (status == RHEI_OK && cared->loaded > loaded)
        status = engine_sidecar_disk_write(sidecar->disk, error);
    return status;
}

rhei_status engine_sidecars_care(struct rhei_db *db, const char *name, bool repair, struct engine_pace *pace,
                                 struct engine_sidecar_cared *cared, bool *found, struct rhei_error *error)
{
    struct engine_sidecar sidecar;
    rhei_status status = RHEI_OK;
    for (size_t s = 0; status == RHEI_OK && engine_sidecar_at(db, s, &sidecar); s++) {
        const char *table = NULL;
        size_t len = strlen(sidecar.settings->name);
        if (name != NULL && (strlen(name) < len || !base_fold_equal(name, len, sidecar.settings->name, len)))
            continue;
        if (name != NULL && name[len] == '.')
            table = name + len + 1;
        else if (name != NULL && name[len] != '\0')
            continue;
        *found = *found || table == NULL;
        status = care_for(db, &sidecar, name, table, repair, pace, cared, found, error);
    }
    return status;
}

/* ---- Copying. ---------------------------------------------------------------------------------------------------- */

struct copying {
    struct rhei_db *db;
    const char *root, *folder;
    struct engine_limits *limits;
    struct base_progress *progress;
};

static rhei_status copy_newest(void *context, struct checkpoint_newest *newest, const struct change_stamp *stamp,
                               struct rhei_error *error)
{
    const struct copying *copying = context;
    struct blob_store *to = NULL;
    struct store_local_config config = {.folder = copying->folder, .log = &copying->db->log};
    rhei_status status = base_folder_make(copying->root, store_io_error, error); /* the mirror may have none there */
    if (status == RHEI_OK)
        status = store_local_open(&config, &to, error);
    if (status != RHEI_OK)
        return status;
    struct checkpoint_export export = {.to = to,
                                       .codec = copying->db->codec,
                                       .stamp = *stamp,
                                       .check = engine_limits_check,
                                       .check_context = copying->limits,
                                       .progress = copying->progress};
    status = checkpoint_newest_copy(newest, &export, error);
    to->ops->close(&to);
    return status;
}

rhei_status engine_sidecars_copy(struct rhei_db *db, const char *folder, struct engine_limits *limits,
                                 struct base_progress *progress, struct rhei_error *error)
{
    struct engine_sidecar sidecar;
    rhei_status status = RHEI_OK;
    for (size_t s = 0; status == RHEI_OK && engine_sidecar_at(db, s, &sidecar); s++) {
        struct rhei_error why = RHEI_ERROR_INIT;
        bool any = false;
        char *into = engine_sidecar_disk_folder(folder, sidecar.settings->name);
        if (into == NULL)
            return error_no_memory(error);
        struct copying copying = {db, folder, into, limits, progress};
        status = engine_sidecar_disk_write(sidecar.disk, &why);
        if (status == RHEI_OK)
            status = with_newest(db, &sidecar, copy_newest, &copying, &any, &why);
        base_free(into);
        if (status == RHEI_NOT_FOUND && !any) /* it is in memory alone, or its source was never met */
            status = RHEI_OK;
        else if (status != RHEI_OK)
            error_set(error, status, "sidecar \"%.60s\": %s", sidecar.settings->name, why.message);
    }
    return status;
}
