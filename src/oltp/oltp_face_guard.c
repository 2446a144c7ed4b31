/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing of other sources' tables can be changed (F4), nor is a file named where that isn't wished: who refuses it, in what words, and which statements need care for it. */
#include "oltp/oltp_face.h"

#include <stdio.h>
#include <string.h>

/*
 * A caller attaches nothing: what is in memory would be there for whoever has the connection next, too. What VACUUM attaches for itself, while
 * it runs, has no name, and what we do is in memory; VACUUM INTO has the file's there, and where SQLite doesn't know the name yet, it may be any.
 */
static bool names_file(const struct oltp_connection *connection, int action, const char *name)
{
    if (connection->showing)
        return false;
    bool asked = connection->preparing || connection->role == OLTP_DESCRIBER;
    return (asked && (action == SQLITE_ATTACH || action == SQLITE_DETACH)) ||
           (action == SQLITE_ATTACH && (name == NULL || (name[0] != '\0' && strcmp(name, ":memory:") != 0)));
}

int oltp_face_authorize(struct oltp_connection *connection, int action, const char *first, const char *second,
                        const char *schema)
{
    const struct face_context *face = connection->face;
    if (connection->oltp->config.no_files && names_file(connection, action, first)) {
        connection->file_denied = true;
        return SQLITE_DENY;
    }
    if (face == NULL || action == SQLITE_READ || action == SQLITE_SELECT || action == SQLITE_FUNCTION ||
        action == SQLITE_PRAGMA || action == SQLITE_RECURSIVE || action == SQLITE_TRANSACTION ||
        action == SQLITE_SAVEPOINT || action == SQLITE_ATTACH)
        return SQLITE_OK;
    const char *name = action == SQLITE_ALTER_TABLE ? second : first;
    const char *where = action == SQLITE_ALTER_TABLE || action == SQLITE_DETACH ? first : schema;
    if (!face_set_has_schema(face->set, where))
        return SQLITE_OK;
    snprintf(connection->face_denied, sizeof connection->face_denied, "%.60s.%.60s", where,
             action == SQLITE_DETACH || name == NULL || strncmp(name, "sqlite_", 7) == 0 ? "*" : name);
    return SQLITE_DENY;
}

/* ---- Errors. ------------------------------------------------------------------------------------------------------ */

static bool starts_and_ends(const char *text, const char *start, const char *end)
{
    size_t len = strlen(text), tail = strlen(end);
    return strncmp(text, start, strlen(start)) == 0 && len >= tail && strcmp(text + len - tail, end) == 0;
}

bool oltp_face_error(struct oltp_connection *connection, int rc, struct rhei_error *error)
{
    static const char advice[] =
        "its rows come from another source and can only be read here: change them there, or copy "
        "them with CREATE TABLE ... AS SELECT";
    const char *message = sqlite3_errmsg(connection->db);
    if ((rc & 255) == SQLITE_AUTH && connection->file_denied) {
        connection->file_denied = false;
        error_set(error, RHEI_UNSUPPORTED,
                  "statements of this handle name no files: no ATTACH, no DETACH, no VACUUM INTO");
        return true;
    }
    if (connection->face == NULL)
        return false;
    if ((rc & 255) == SQLITE_AUTH && connection->face_denied[0] != '\0') {
        error_set(error, RHEI_READ_ONLY, "table %s is read-only: %s", connection->face_denied, advice);
        connection->face_denied[0] = '\0';
        return true;
    }
    if ((rc & 255) != SQLITE_ERROR)
        return false;
    bool ours = false;
    for (uint32_t t = 0; t < connection->face->set->table_count && !ours; t++) {
        const char *name = connection->face->set->tables[t].definition->name;
        size_t len = strlen(name);
        ours = starts_and_ends(message, "table ", " may not be modified") && strlen(message) == len + 26 &&
               base_fold_equal(message + 6, len, name, len);
    }
    bool definition = strcmp(message, "virtual tables may not be altered") == 0 ||
                      strcmp(message, "virtual tables may not be indexed") == 0 ||
                      strcmp(message, "cannot create triggers on virtual tables") == 0;
    if (ours || definition) {
        error_set(error, RHEI_READ_ONLY, "%s: %s", message,
                  ours ? advice : "so it is with tables of another source, whose definition is made there");
    }
    return ours || definition;
}

/* ---- Statements that need care. ----------------------------------------------------------------------------------- */

const char *oltp_face_instead(const struct oltp_connection *connection, const char *sql, size_t len)
{
    size_t at = 0, start = 0, end = 0;
    if (connection->face == NULL || connection->face->set->schema_count == 0 || !oltp_word_is(sql, len, "ANALYZE"))
        return NULL;
    oltp_next_token(sql, len, &at, &start, &end);
    return oltp_is_blank(sql, len, at) ? "ANALYZE main" : NULL;
}

static bool is_face_name(struct oltp_connection *connection, const char *sql, size_t start, size_t end)
{
    char *name = oltp_token_text(sql, start, end);
    bool found = name != NULL && strcmp(oltp_face_schema_of(connection, name), "main") != 0;
    base_free(name);
    return found;
}

/* A trigger of our own file would make every change of its table fail: SQLite lets it name tables of that file only. */
rhei_status oltp_face_check_ddl(struct oltp_connection *connection, const struct oltp_statement *statement,
                                struct rhei_error *error)
{
    static const char *const before[] = {"FROM", "JOIN", "INTO", "UPDATE"};
    size_t at = 0, start = 0, end = 0;
    if (connection->face == NULL || !statement->creates)
        return RHEI_OK;
    bool trigger = false, temporary = false, body = false, wanted = false;
    for (;;) {
        enum oltp_token token = oltp_next_token(statement->sql, statement->len, &at, &start, &end);
        if (token == OLTP_TOKEN_END)
            return RHEI_OK;
        if (!trigger) {
            bool word = token == OLTP_TOKEN_NAME;
            temporary = temporary || (word && (oltp_token_is(statement->sql, start, end, "TEMP") ||
                                               oltp_token_is(statement->sql, start, end, "TEMPORARY")));
            trigger = word && oltp_token_is(statement->sql, start, end, "TRIGGER");
            if (word && !trigger && !temporary && !oltp_token_is(statement->sql, start, end, "CREATE"))
                return RHEI_OK;
            if (trigger && temporary)
                return RHEI_OK; /* it may name them */
            continue;
        }
        body = body || (token == OLTP_TOKEN_NAME && oltp_token_is(statement->sql, start, end, "BEGIN"));
        bool name = token == OLTP_TOKEN_NAME || token == OLTP_TOKEN_QUOTED || token == OLTP_TOKEN_STRING;
        if (body && wanted && name && is_face_name(connection, statement->sql, start, end)) {
            return error_set(
                error, RHEI_READ_ONLY,
                "the trigger names table %.*s, whose rows come from another source: SQLite's triggers name "
                "tables of their own file only, so every change of the trigger's table would fail",
                (int)(end - start), statement->sql + start);
        }
        wanted = false;
        for (size_t w = 0; token == OLTP_TOKEN_NAME && w < sizeof before / sizeof before[0]; w++)
            wanted = wanted || oltp_token_is(statement->sql, start, end, before[w]);
    }
}
