/* SPDX-License-Identifier: Apache-2.0 */
/*
 * K1. The copy is another file: it gets an identity of its own. From the backup on, original and copy give the same numbers to different
 *     changes, and a mirror or a buffer of the one must never be taken for the other's.
 * K2. Nobody has the copy open: its registry of engines is empty, and no buffer beside it has changes of it. Consumers of the change feed stay.
 * K3. A mirror at a position goes on in the copy only where the log of the pinned state has that position's change, and so all behind it.
 */
#include "capture/capture_backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "capture/capture_folder.h"
#include "capture/capture_source.h"
#include "oltp/oltp_backup.h"

struct capture_backup {
    struct oltp_backup pages;
    struct capture_backup_state state;
};

/* ---- What the pinned state says. --------------------------------------------------------------------------------- */

static rhei_status look(struct capture_backup *backup, struct rhei_error *error)
{
    struct oltp_connection *reader = backup->pages.reader;
    struct change_stamp own = {.file = ""};
    int64_t tables = 0;
    rhei_status status = oltp_query_int(reader,
                                        "SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND name IN ('"
                                        "_rhei_meta', '" OLTP_LOG "')",
                                        0, &tables, error);
    backup->state.bytes = backup->pages.bytes;
    if (status != RHEI_OK || tables < 2)
        return status;
    status = oltp_query_int(reader, "SELECT max(seq) FROM main." OLTP_LOG, 0, &backup->state.position, error);
    if (status == RHEI_OK)
        status = capture_stamp_file(reader, &own, error);
    memcpy(backup->state.original, own.file, sizeof backup->state.original);
    backup->state.captured = backup->state.original[0] != '\0';
    if (backup->state.captured)
        (void)snprintf(backup->state.copy, sizeof backup->state.copy, "%016" PRIX64 "%016" PRIX64, base_random_u64(),
                       base_random_u64());
    return status;
}

rhei_status capture_backup_begin(struct oltp *oltp, const struct oltp_stop *stop, struct capture_backup **result,
                                 struct capture_backup_state *state, struct rhei_error *error)
{
    struct capture_backup *backup = *result = base_alloc_zero(1, sizeof *backup);
    if (backup == NULL)
        return error_no_memory(error);
    rhei_status status = oltp_identity_check(oltp, true, error);
    if (status == RHEI_OK)
        status = oltp_backup_begin(oltp, stop, &backup->pages, error);
    if (status == RHEI_OK)
        status = look(backup, error);
    *state = backup->state;
    if (status != RHEI_OK)
        capture_backup_end(result);
    return status;
}

rhei_status capture_backup_stamp(struct capture_backup *backup, int64_t position, struct change_stamp *stamp,
                                 struct rhei_error *error)
{
    *stamp = (struct change_stamp){.file = ""};
    memcpy(stamp->file, backup->state.copy, sizeof stamp->file);
    int64_t oldest = 0;
    struct oltp_connection *reader = backup->pages.reader;
    if (position == 0) { /* before all changes */
        rhei_status status = oltp_query_int(reader, "SELECT min(seq) FROM main." OLTP_LOG, 1, &oldest, error);
        return status == RHEI_OK && oldest > 1
                   ? error_set(error, RHEI_NOT_FOUND, "the log begins with change %" PRId64, oldest)
                   : status;
    }
    return capture_stamp_row(reader, position, stamp, error);
}

/* ---- The copy. --------------------------------------------------------------------------------------------------- */

static rhei_status settle(struct capture_backup *backup, struct rhei_error *error)
{
    static const char *const tables[] = {"_rhei_engines", "_rhei_consumers"};
    char sql[200];
    (void)snprintf(sql, sizeof sql, "BEGIN; UPDATE main._rhei_meta SET value = '%s' WHERE key = 'database_id'",
                   backup->state.copy);
    rhei_status status = oltp_backup_exec(&backup->pages, sql, error);
    for (int t = 0; t < 2 && status == RHEI_OK; t++) {
        if (sqlite3_table_column_metadata(backup->pages.copy, "main", tables[t], NULL, NULL, NULL, NULL, NULL, NULL) !=
            SQLITE_OK)
            continue; /* somebody dropped it: the copy's first opening makes it again, as the original's next one would */
        (void)snprintf(sql, sizeof sql, "DELETE FROM main.%s%s", tables[t],
                       t == 0 ? "" : " WHERE name = '" CAPTURE_BRIDGE "' OR " CAPTURE_IS_FOLDER);
        status = oltp_backup_exec(&backup->pages, sql, error);
    }
    return status == RHEI_OK
               ? oltp_backup_exec(&backup->pages,
                                  "DELETE FROM main._rhei_meta WHERE substr(key, 1, 4) = '" CAPTURE_WAS "'; COMMIT",
                                  error)
               : status;
}

rhei_status capture_backup_copy(struct capture_backup *backup, const char *path, const struct oltp_stop *stop,
                                struct rhei_error *error)
{
    rhei_status status = oltp_backup_copy(&backup->pages, path, stop, error);
    if (status == RHEI_OK && backup->state.captured)
        status = settle(backup, error);
    return status == RHEI_OK ? oltp_backup_close(&backup->pages, error) : status;
}

void capture_backup_end(struct capture_backup **handle)
{
    struct capture_backup *backup = *handle;
    if (backup == NULL)
        return;
    *handle = NULL;
    oltp_backup_end(&backup->pages);
    base_free(backup);
}
