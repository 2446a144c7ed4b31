/* SPDX-License-Identifier: Apache-2.0 */
/* Verify: are tables and mirrors equal? Repair: take rows that aren't anew, or build the table again, and look once more. */
#include <string.h>

#include "base/base_map.h"
#include "checkpoint/checkpoint_copy.h"
#include "engine/engine_checking.h"
#include "engine/engine_compare.h"
#include "engine/engine_history_check.h"
#include "engine/engine_history_parts.h"
#include "engine/engine_sidecar_care.h"
#include "rhei/rhei_care.h"

enum { REPAIR_FIRST_SIZE = 32 }; /* of rhei_repair_result in its first version */

/* What a call does with each table that it names. */
struct verify_call {
    rhei_db *db;
    struct engine_limits limits;
    struct engine_pace pace;
    struct rhei_repair_result done; /* `repaired` of a repair alone */
    bool repair;
    bool lost; /* versions that only damaged files had */
};

static rhei_status table_failed(rhei_db *db, const char *name, bool *failed, char message[256],
                                struct rhei_error *error)
{
    struct sync_table_status *tables = NULL;
    size_t count = 0;
    *failed = false;
    rhei_status status = sync_get_tables(db->sync, &tables, &count, error);
    for (size_t i = 0; status == RHEI_OK && i < count; i++) {
        if (tables[i].state != SYNC_TABLE_FAILED || base_fold_compare(tables[i].name, name) != 0)
            continue;
        *failed = true;
        memcpy(message, tables[i].message, sizeof tables[i].message);
    }
    base_free(tables);
    return status;
}

static rhei_status build_anew(struct verify_call *call, const struct source_table *table, struct rhei_error *error)
{
    struct sync_stop stop = {engine_limits_check, &call->limits, engine_limits_counts(&call->limits)};
    char message[256];
    bool failed;
    base_progress_step(stop.progress, "building the table again", table->name, BASE_PROGRESS_ROWS, -1);
    rhei_status status = sync_rebuild(call->db->sync, table->name, error);
    if (status == RHEI_OK)
        status = sync_build(call->db->sync, true, 0, &stop, error);
    if (status == RHEI_OK)
        status = table_failed(call->db, table->name, &failed, message, error);
    if (status == RHEI_OK && failed)
        status =
            error_set(error, RHEI_OLAP_UNAVAILABLE, "table \"%s\" could not be built again: %s", table->name, message);
    return status;
}

/* Row by row where that is possible; *again: it takes a build, and the error says why. */
static rhei_status mend(struct verify_call *call, const struct source_table *table, uint64_t *rows, bool *again,
                        struct rhei_error *error)
{
    struct engine_mended mended = {0};
    rhei_status status = engine_compare_table(call->db, table, &call->pace, &mended, rows, error);
    *again = status == RHEI_STALE || status == RHEI_OLAP_UNAVAILABLE;
    if (status != RHEI_OK || mended.pieces == 0)
        return status;
    base_log_write(&call->db->log, BASE_LOG_WARN, "engine",
                   "table \"%s\" and its mirror differed: %llu of its rows %s taken again, in %llu piece%s",
                   table->name, (unsigned long long)mended.rows, mended.rows == 1 ? "was" : "were",
                   (unsigned long long)mended.pieces, mended.pieces == 1 ? "" : "s");
    call->done.repaired++;
    call->done.mended_pieces += mended.pieces;
    call->done.mended_rows += mended.rows;
    return RHEI_OK;
}

static rhei_status repair_table(struct verify_call *call, const struct source_table *table, uint64_t *rows,
                                struct rhei_error *error)
{
    bool again = false;
    rhei_status status = mend(call, table, rows, &again, error);
    if (!again)
        return status;
    base_log_write(&call->db->log, BASE_LOG_WARN, "engine", "%s; it is built again", error->message);
    *rows = 0;
    error_clear(error);
    status = build_anew(call, table, error);
    if (status == RHEI_OK)
        status = engine_compare_table(call->db, table, &call->pace, NULL, rows, error);
    call->done.repaired += status == RHEI_OK;
    call->done.rebuilt += status == RHEI_OK;
    return status;
}

/* `table` NULL: those whose tables are gone. */
static rhei_status check_history(struct verify_call *call, const char *table, struct rhei_error *error)
{
    bool lost = false;
    rhei_status status = engine_history_check(call->db, table, &call->pace, call->repair, &lost, error);
    call->lost |= lost;
    call->done.repaired += lost;
    return status;
}

/*
 * Of a look at a table that couldn't be followed from the folder: its files as they are there. RHEI_STALE: one is damaged; RHEI_BUSY: another handle made
 * a checkpoint meanwhile.
 */
static rhei_status check_sums(struct rhei_db *db, const struct source_table *table, struct engine_pace *pace,
                              struct rhei_error *error)
{
    struct engine_checking checking = {.pace = pace};
    const struct checkpoint_checking how = engine_checking_how(&checking, false);
    struct checkpoint_newest *newest = NULL;
    struct change_stamp stamp;
    struct rhei_error why = RHEI_ERROR_INIT;
    int64_t position = -1;
    uint32_t damaged = 0;
    rhei_status status = checkpoint_newest_read(db->store, &newest, &position, &stamp, &why);
    if (status == RHEI_OK)
        status = checkpoint_newest_check(newest, db->codec, table->name, &how, &damaged, &why);
    checkpoint_newest_free(&newest);
    if (status == RHEI_OK && damaged == 0)
        return RHEI_OK;
    if (status != RHEI_OK && blob_store_is_away(db->store, &why)) /* nothing is known of it */
        return error_set(error, RHEI_CANT_OPEN, "%s", why.message);
    if ((status == RHEI_OK || status == RHEI_IO || status == RHEI_NOT_FOUND) && checkpoint_is_overtaken(db->checkpoint))
        return engine_disk_overtaken(db, error);
    if (status == RHEI_OK)
        return error_set(
            error, RHEI_STALE,
            "table \"%s\": the file \"b-%s\" of the folder \"%.200s\" is damaged; rhei_repair mends the folder",
            table->name, checking.first, db->olap_path);
    if (status == RHEI_IO || status == RHEI_NOT_FOUND)
        return error_set(error, RHEI_STALE, "table \"%s\": the folder \"%.200s\": %s; rhei_repair mends the folder",
                         table->name, db->olap_path, why.message);
    return error_set(error, status, "%s", why.message);
}

static rhei_status verify_table(struct verify_call *call, const struct source_table *table, struct rhei_error *error)
{
    uint64_t rows = 0;
    bool by_sums = false;
    rhei_status status = engine_disk_check(call->db, table, &by_sums, error);
    if (status == RHEI_OK && by_sums)
        status = check_sums(call->db, table, &call->pace, error);
    if (status == RHEI_OK && call->repair)
        status = repair_table(call, table, &rows, error);
    else if (status == RHEI_OK)
        status = engine_compare_table(call->db, table, &call->pace, NULL, &rows, error);
    if (status == RHEI_OK)
        status = check_history(call, table->name, error);
    if (status == RHEI_STALE)
        status = engine_disk_judge(call->db, status, error);
    call->done.tables += status == RHEI_OK;
    call->done.rows += rows;
    return status;
}

/* A repair goes on with the other tables after one that can't be mended, unless the whole call is to end. */
static bool goes_on(const struct verify_call *call, rhei_status status)
{
    return status == RHEI_OK || (call->repair && (status == RHEI_STALE || status == RHEI_OLAP_UNAVAILABLE));
}

static rhei_status not_found(const struct capture_catalog *catalog, const char *table, struct rhei_error *error)
{
    size_t len = engine_history_name(table);
    char *of = len == 0 ? NULL : base_strndup(table, len);
    if (of != NULL && engine_file_table(catalog, of) != NULL)
        (void)error_set(error, RHEI_NOT_FOUND,
                        "\"%s\" is the history of table \"%s\", and there is nothing else to compare it with: name the "
                        "table itself",
                        table, of);
    else
        (void)error_set(error, RHEI_NOT_FOUND, "there is no table \"%s\"", table);
    base_free(of);
    return RHEI_NOT_FOUND;
}

static rhei_status care_for_sidecars(struct verify_call *call, const char *name, bool *found, struct rhei_error *error)
{
    struct engine_sidecar_cared cared = {0};
    rhei_status status = engine_sidecars_care(call->db, name, call->repair, &call->pace, &cared, found, error);
    call->done.tables += cared.tables;
    call->done.rows += cared.rows;
    call->done.sidecar_tables += cared.tables;
    call->done.sidecar_rows += cared.rows;
    call->done.repaired += cared.loaded;
    call->done.rebuilt += cared.loaded;
    return status;
}

/* NULL: every table. */
static rhei_status verify_named(struct verify_call *call, const char *table, struct rhei_error *error)
{
    const struct capture_catalog *catalog = NULL;
    rhei_status first = RHEI_OK, status = capture_catalog_take(call->db->oltp, &catalog, error);
    if (status != RHEI_OK)
        return status;
    bool found = table == NULL;
    for (uint32_t t = 0; t < catalog->table_count && goes_on(call, status); t++) {
        const struct capture_table *candidate = &catalog->tables[t];
        struct rhei_error own = RHEI_ERROR_INIT;
        bool named = table != NULL && base_fold_compare(candidate->source.name, table) == 0;
        if ((table != NULL && !named) || candidate->schema != NULL) /* nobody here has its rows to compare with */
            continue;
        found = true;
        if (candidate->captured)
            status = verify_table(call, &candidate->source, &own);
        else if (named)
            status = error_set(&own, RHEI_NOT_FOUND, "table \"%s\" is not mirrored: %s", table,
                               candidate->source.unmirrored_reason != NULL ? candidate->source.unmirrored_reason
                                                                           : "it isn't registered");
        if (status != RHEI_OK && (first == RHEI_OK || !goes_on(call, status))) {
            first = status;
            if (error != NULL)
                *error = own;
        }
    }
    if (table == NULL && goes_on(call, status)) {
        status = check_history(call, NULL, first == RHEI_OK ? error : NULL);
        if (status == RHEI_STALE)
            status = engine_disk_judge(call->db, status, first == RHEI_OK ? error : NULL);
        first = first == RHEI_OK ? status : first;
    }
    if ((table == NULL || !found) && goes_on(call, status)) {
        status = care_for_sidecars(call, table, &found, first == RHEI_OK ? error : NULL);
        first = first == RHEI_OK ? status : first;
    }
    if (!found && first == RHEI_OK)
        first = not_found(catalog, table, error);
    capture_catalog_release(&catalog);
    return first;
}

static rhei_status run(struct verify_call *call, const char *table, const struct rhei_call_options *options,
                       struct rhei_error *error)
{
    error_clear(error);
    if (call->db == NULL)
        return error_set(error, RHEI_INVALID, "a database handle is needed");
    if (call->db->sync == NULL)
        return error_set(error, RHEI_OLAP_UNAVAILABLE,
                         "there is no column store to compare with: this handle was opened with olap_backend none");
    if (call->repair && call->db->disk_status == RHEI_BUSY)
        return error_set(
            error, RHEI_BUSY,
            "the folder \"%s\" is in use by another handle, and what this one has is a copy in memory: "
            "that one mends its own, by scrub_interval or rhei_repair through it; or close it and try again",
            call->db->olap_path);
    bool in_folder = call->repair && call->db->olap_path != NULL && !call->db->config.read_only;
    if (in_folder && call->db->checkpoint == NULL) /* a mirror in memory was built just now: nothing of it is wrong */
        return error_set(error, call->db->disk_status,
                         "the folder \"%.200s\" can't be mended, for this handle doesn't have it: %s",
                         call->db->olap_path, call->db->disk_message);
    rhei_status status = engine_limits_of_call(call->db->ticker, &call->limits, options, error);
    if (status != RHEI_OK)
        return status;
    engine_pace_begin(&call->pace, &call->limits);
    sync_verify_pause(call->db->sync);
    if (call->repair)
        status = engine_build_tables(call->db, 0, &call->limits, error);
    if (status == RHEI_OK)
        status = verify_named(call, table, error);
    if (in_folder && goes_on(call, status)) {
        rhei_status written = engine_disk_write(call->db, status == RHEI_OK ? error : NULL);
        status = status == RHEI_OK ? written : status;
    }
    call->done.history_lost = call->repair && (call->db->history_lost || call->lost);
    sync_verify_resume(call->db->sync);
    engine_limits_reset(&call->limits);
    return status;
}

rhei_status rhei_verify(rhei_db *db, const char *table, uint64_t *rows, struct rhei_error *error)
{
    return rhei_verify_with(db, table, NULL, rows, error);
}

rhei_status rhei_verify_with(rhei_db *db, const char *table, const struct rhei_call_options *options, uint64_t *rows,
                             struct rhei_error *error)
{
    struct verify_call call = {.db = db};
    rhei_status status = run(&call, table, options, error);
    if (rows != NULL)
        *rows = call.done.rows;
    return status;
}

rhei_status rhei_repair(rhei_db *db, const char *table, const struct rhei_call_options *options,
                        struct rhei_repair_result *result, struct rhei_error *error)
{
    struct verify_call call = {.db = db, .repair = true};
    error_clear(error);
    rhei_status status = engine_options_copy(&call.done, sizeof call.done, result, "rhei_repair_result", error);
    if (status != RHEI_OK)
        return status;
    call.done = (struct rhei_repair_result){0};
    status = run(&call, table, options, error);
    if (result != NULL)
        engine_struct_give(result, &call.done, sizeof call.done, REPAIR_FIRST_SIZE);
    return status;
}
