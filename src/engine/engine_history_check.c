/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/engine_history_check.h"

#include "base/base_map.h"
#include "engine/engine_checking.h"
#include "engine/engine_history_parts.h"

static rhei_status check_part(struct rhei_db *db, const struct engine_histories *histories, uint32_t id,
                              struct engine_checking *checking, bool repair, uint32_t *damaged,
                              struct rhei_error *error)
{
    const struct checkpoint_checking how = engine_checking_how(checking, repair);
    uint32_t found = 0;
    rhei_status status =
        checkpoint_check(db->checkpoint, &how, id, mirror_view(&histories->snapshot, id), &found, error);
    *damaged += found;
    return status;
}

static bool is_gone(const struct capture_catalog *catalog, const char *table)
{
    return engine_file_table(catalog, table) == NULL;
}

static rhei_status check_parts(struct rhei_db *db, const struct engine_histories *histories,
                               const struct capture_catalog *catalog, const char *table,
                               struct engine_checking *checking, bool repair, const char **of, struct rhei_error *error)
{
    uint32_t open = 0, ended = 0, damaged = 0;
    rhei_status status = RHEI_OK;
    sync_generation_parts(histories->source, 0, &open, &ended);
    if (table == NULL)
        status = check_part(db, histories, ended, checking, repair, &damaged, error); /* the list */
    for (size_t g = 0; g < histories->book.count && status == RHEI_OK; g++) {
        const struct sync_generation *generation = histories->book.generations[g];
        if (table == NULL ? !is_gone(catalog, generation->table) : base_fold_compare(generation->table, table) != 0)
            continue;
        uint32_t before = damaged;
        sync_generation_parts(histories->source, generation->number, &open, &ended);
        status = check_part(db, histories, open, checking, repair, &damaged, error);
        if (status == RHEI_OK)
            status = check_part(db, histories, ended, checking, repair, &damaged, error);
        *of = *of == NULL && damaged > before ? generation->table : *of;
    }
    return status;
}

rhei_status engine_history_check(struct rhei_db *db, const char *table, struct engine_pace *pace, bool repair,
                                 bool *lost, struct rhei_error *error)
{
    struct engine_checking checking = {.pace = pace};
    struct engine_histories histories = {.held = false};
    const struct capture_catalog *catalog = NULL;
    const char *of = NULL;
    *lost = false;
    if (db->checkpoint == NULL)
        return RHEI_OK;
    rhei_status status = capture_catalog_take(db->oltp, &catalog, error);
    if (status == RHEI_OK)
        status = engine_histories_open_of(db, NULL, 0, NULL, &histories, error);
    if (status == RHEI_OK)
        status = check_parts(db, &histories, catalog, table, &checking, repair, &of, error);
    bool damaged = status == RHEI_OK && checking.first[0] != '\0';
    if (damaged && !repair)
        status =
            error_set(error, RHEI_STALE,
                      "%s%s%s: the file \"b-%s\" of the folder \"%.200s\" is damaged; rhei_repair mends the folder: "
                      "versions that only this file has are lost, and nothing is told of before then",
                      of == NULL ? "the list of histories" : "the history of table \"", of == NULL ? "" : of,
                      of == NULL ? "" : "\"", checking.first, db->olap_path);
    engine_histories_close(&histories);
    capture_catalog_release(&catalog);
    *lost = damaged && repair;
    return damaged && repair ? sync_cycle(db->sync, NULL, error) : status;
}
