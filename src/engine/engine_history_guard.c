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

/* Of a table's name in SQLite's words, without a schema and what is said behind it. False: they are about something else. */
static bool absent_name(const struct rhei_error *error, char name[NAME_MOST])
{
    static const char says[] = "no such table: ";
    const char *at = strstr(error->message, says);
    if (at == NULL)
        return false;
    at += sizeof says - 1;
    at += strncasecmp(at, "main.", 5) == 0 ? 5 : strncasecmp(at, ENGINE_HISTORY ".", 8) == 0 ? 8 : 0;
    const char *end = strstr(at, ": ");
    size_t len = strcspn(at, ";");
    len = end != NULL && (size_t)(end - at) < len ? (size_t)(end - at) : len;
    (void)snprintf(name, NAME_MOST, "%.*s", (int)len, at);
    return true;
}

/* The word that SQLite stumbles over, where one of its own can't stand. */
static bool asks_for_past(const char *sql, const struct rhei_error *error)
{
    static const char *const words[] = {"SYSTEM_TIME", "POSITION"};
    size_t at = error->sql_offset < 0 ? SIZE_MAX : (size_t)error->sql_offset;
    bool asks = false;
    if (sql == NULL || at >= strlen(sql) || strstr(error->message, "syntax error") == NULL)
        return false;
    sql += at;
    sql += strncasecmp(sql, "FOR", 3) == 0 ? 3 + strspn(sql + 3, " \t\r\n\f") : 0;
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
        asks = asks || strncasecmp(sql, words[w], strlen(words[w])) == 0;
    return asks;
}

static bool is_table(struct rhei_db *db, const char *name, size_t len)
{
    const struct capture_catalog *catalog = NULL;
    char table[NAME_MOST];
    (void)snprintf(table, sizeof table, "%.*s", (int)len, name);
    if (capture_catalog_take(db->oltp, &catalog, NULL) != RHEI_OK)
        return false;
    bool is = engine_file_table(catalog, table) != NULL;
    capture_catalog_release(&catalog);
    return is;
}

/* Without the setting there is no past to be asked for. */
static rhei_status explain_setting(struct rhei_db *db, const char *sql, struct rhei_error *error)
{
    int32_t offset = error->sql_offset;
    char name[NAME_MOST];
    size_t len = absent_name(error, name) ? engine_history_name(name) : 0;
    bool asks = asks_for_past(sql, error), named = len > 0 && is_table(db, name, len);
    if (!asks && !named)
        return RHEI_SQL;
    char words[ENGINE_NO_HISTORY_BYTES];
    engine_disk_no_history(db, words);
    error_clear(error);
    rhei_status status = asks ? error_set(error, RHEI_UNSUPPORTED, "this asks for the past, and %s", words)
                              : error_set(error, RHEI_SQL, "no such table: %.200s: %s", name, words);
    error->sql_offset = offset;
    return status;
}

rhei_status engine_history_explain(struct rhei_db *db, const char *sql, rhei_status status, struct rhei_error *error)
{
    struct rhei_error why = RHEI_ERROR_INIT;
    char name[NAME_MOST];
    if (status != RHEI_SQL || error == NULL)
        return status;
    if (!db->keeps_history)
        return explain_setting(db, sql, error);
    if (!absent_name(error, name))
        return status;
    if (engine_history_check_name(db, name, &why) == RHEI_OK)
        return status;
    why.sql_offset = error->sql_offset;
    *error = why;
    return RHEI_READ_ONLY;
}
