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
    if (engine_file_table(catalog, table) != NULL && engine_keeps_history(db, table))
        return true;
    bool kept = engine_histories_open(db, &histories, NULL) == RHEI_OK && engine_histories_any(&histories, table);
    engine_histories_close(&histories);
    return kept;
}

bool engine_history_of(struct rhei_db *db, const char *name, size_t len, char *table, size_t size)
{
    static const char suffix[] = "_history";
    const struct capture_catalog *catalog = NULL;
    char copy[NAME_MOST];
    size_t more = sizeof suffix - 1;
    if (!db->keeps_history || db->mirror == NULL || len <= more || len >= sizeof copy || len - more >= size ||
        strncasecmp(name + len - more, suffix, more) != 0)
        return false;
    (void)snprintf(copy, sizeof copy, "%.*s", (int)len, name);
    (void)snprintf(table, size, "%.*s", (int)(len - more), name);
    if (capture_catalog_take(db->oltp, &catalog, NULL) != RHEI_OK)
        return false;
    bool is = engine_file_find(catalog, copy) == ENGINE_FOUND_NOTHING && keeps_or_kept(db, catalog, table);
    capture_catalog_release(&catalog);
    return is;
}

rhei_status engine_history_read_only(const char *name, const char *table, struct rhei_error *error)
{
    return error_set(error, RHEI_READ_ONLY,
                     "\"%.200s\" is the history of table \"%.200s\", which can only be read, by a statement of its own",
                     name, table);
}

rhei_status engine_history_explain(struct rhei_db *db, rhei_status status, struct rhei_error *error)
{
    static const char says[] = "no such table: ";
    const char *at = status == RHEI_SQL && db->keeps_history && error != NULL ? strstr(error->message, says) : NULL;
    char table[NAME_MOST], name[NAME_MOST];
    if (at == NULL)
        return status;
    at += sizeof says - 1;
    at += strncasecmp(at, "main.", 5) == 0 ? 5 : strncasecmp(at, ENGINE_HISTORY ".", 8) == 0 ? 8 : 0;
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ";"), at);
    if (!engine_history_of(db, name, strlen(name), table, sizeof table))
        return status;
    int32_t offset = error->sql_offset;
    error_clear(error);
    status = engine_history_read_only(name, table, error);
    error->sql_offset = offset;
    return status;
}
