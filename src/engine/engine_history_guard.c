/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who writes to a history is told so. To SQLite t_history is no table at all, so statements that would write to it, drop it or put an index on it
 * fail by themselves; here that is said in the user's terms, whichever call they came by. What the user's own file has under that name is his.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "engine/engine_history.h"
#include "engine/engine_history_parts.h"

enum { NAME_MOST = 256 };

static bool keeps_or_kept(struct rhei_db *db, const struct capture_catalog *catalog, const char *table)
{
    struct engine_histories histories;
    const struct capture_table *found = engine_file_table(catalog, table);
    if (found != NULL && engine_table_keeps_history(db, &found->source))
        return true;
    bool kept = engine_histories_open(db, NULL, &histories, NULL) == RHEI_OK && engine_histories_any(&histories, table);
    engine_histories_close(&histories);
    return kept;
}

rhei_status engine_history_check_name(struct rhei_db *db, const char *name, struct rhei_error *error)
{
    const struct capture_catalog *catalog = NULL;
    char table[NAME_MOST];
    size_t len = engine_history_name(name);
    if (!db->keeps_history || db->mirror == NULL || len == 0 || strlen(name) >= NAME_MOST)
        return RHEI_OK;
    (void)snprintf(table, sizeof table, "%.*s", (int)len, name);
    if (capture_catalog_take(db->oltp, &catalog, NULL) != RHEI_OK)
        return RHEI_OK;
    bool is = engine_file_find(catalog, name) == ENGINE_FOUND_NOTHING && keeps_or_kept(db, catalog, table);
    capture_catalog_release(&catalog);
    return is ? error_set(
                    error, RHEI_READ_ONLY,
                    "\"%.200s\" is the history of table \"%.200s\", which can only be read, by a statement of its "
                    "own",
                    name, table)
              : RHEI_OK;
}

rhei_status engine_history_explain(struct rhei_db *db, rhei_status status, struct rhei_error *error)
{
    static const char says[] = "no such table: ";
    const char *at = status == RHEI_SQL && db->keeps_history && error != NULL ? strstr(error->message, says) : NULL;
    struct rhei_error why = RHEI_ERROR_INIT;
    char name[NAME_MOST];
    if (at == NULL)
        return status;
    at += sizeof says - 1;
    at += strncasecmp(at, "main.", 5) == 0 ? 5 : strncasecmp(at, ENGINE_HISTORY ".", 8) == 0 ? 8 : 0;
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ";"), at);
    if (engine_history_check_name(db, name, &why) == RHEI_OK)
        return status;
    why.sql_offset = error->sql_offset;
    *error = why;
    return RHEI_READ_ONLY;
}
