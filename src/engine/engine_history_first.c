/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has to be known of the past before a statement runs, whichever call it came by. Asked before the writer is taken, which nothing
 * may wait with.
 */
#include <string.h>
#include <strings.h>

#include "checkpoint/checkpoint.h"
#include "engine/engine_history.h"
#include "sql/sql.h"
#include "sql/sql_lexer.h"

static bool names(const char *from, const char *end, const char *word)
{
    size_t length = strlen(word);
    for (; (size_t)(end - from) >= length; from++)
        if (strncasecmp(from, word, length) == 0)
            return true;
    return false;
}

/*
 * A table that changes its form, is written anew or goes takes the log's way of telling its rows with it. Too often costs a cycle. SQLite's
 * statements say by their first word what they are, and it reads over blanks, comments and semicolons before that. What only adds to the
 * schema leaves tables as they are; ANALYZE may write its own tables anew.
 */
static bool changes_schema(const char *sql, size_t len)
{
    static const char *const words[] = {"ALTER", "DROP", "VACUUM", "REINDEX", "ANALYZE"};
    const char *end = sql + len;
    struct sql_token token = sql_lex_first(sql, len);
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
        if (token.length == strlen(words[w]) && strncasecmp(token.text, words[w], token.length) == 0)
            return true;
    return token.length == 6 && strncasecmp(token.text, "PRAGMA", 6) == 0 &&
           (names(token.text, end, "schema") || names(token.text, end, "vacuum"));
}

static bool script_changes_schema(const char *sql, size_t len)
{
    size_t position = 0, offset = 0, length = 0;
    enum sql_split_state state;
    do {
        state = sql_split(sql, len, &position, &offset, &length, NULL);
        if (state != SQL_SPLIT_END && changes_schema(sql + offset, length))
            return true;
    } while (state == SQL_SPLIT_STATEMENT);
    return false;
}

rhei_status engine_history_first(const struct engine_history_of_call *call, struct engine_limits *limits,
                                 struct rhei_error *error)
{
    struct rhei_db *db = call->db;
    struct sync_stop stop = {.check = engine_limits_check, .context = limits};
    if (!db->keeps_history || db->sync == NULL ||
        (call->session != NULL && oltp_session_in_transaction(call->session->oltp)))
        return RHEI_OK;
    bool asks = call->may_ask && engine_history_may_be(call->sql, NULL);
    bool changes = !engine_disk_is_elsewhere(db) &&
                   (call->script ? script_changes_schema(call->sql, call->len) : changes_schema(call->sql, call->len));
    if (!asks && !changes)
        return RHEI_OK;
    rhei_status status = sync_wait_bounded(db->sync, 0, 0, &stop, error); /* which notes up to when all is known */
    if (status == RHEI_OK && changes && db->checkpoint != NULL) { /* nobody could tell it from the log after a crash */
        sync_note_known(db->sync);
        (void)checkpoint_run(db->checkpoint, NULL);
    }
    if (status == RHEI_OK || asks || engine_limits_check(limits) != RHEI_OK)
        return status;
    error_clear(error); /* the schema may be changed all the same */
    return RHEI_OK;
}
