/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statements of a script. The rule for triggers is sqlite3_complete's: within CREATE [TEMP] TRIGGER only the
 * semicolon of "; END ;" ends the statement.
 */
#include "sql/sql_split.h"

#include <string.h>

#include "sql/sql.h"
#include "sql/sql_lexer.h"
#include "sql_grammar.h"

#include "base/base_invariant.h"

/* What the words so far say about the statement. */
enum head { HEAD_START, HEAD_CREATE, HEAD_PLAIN, HEAD_TRIGGER, HEAD_TRIGGER_SEMI, HEAD_TRIGGER_END };

static enum head next_head(enum head head, int code)
{
    switch (head) {
    case HEAD_START:
        return code == SQL_T_CREATE ? HEAD_CREATE : code == SQL_T_EXPLAIN ? HEAD_START : HEAD_PLAIN;
    case HEAD_CREATE:
        return code == SQL_T_TRIGGER ? HEAD_TRIGGER : code == SQL_T_TEMP ? HEAD_CREATE : HEAD_PLAIN;
    case HEAD_TRIGGER:
    case HEAD_TRIGGER_END:
        return code == SQL_T_SEMI ? HEAD_TRIGGER_SEMI : HEAD_TRIGGER;
    case HEAD_TRIGGER_SEMI:
        return code == SQL_T_SEMI ? HEAD_TRIGGER_SEMI : code == SQL_T_END ? HEAD_TRIGGER_END : HEAD_TRIGGER;
    default:
        return head;
    }
}

static bool ends_statement(enum head head)
{
    return head != HEAD_TRIGGER && head != HEAD_TRIGGER_SEMI;
}

static bool is_space(int code)
{
    return code == SQL_LEX_SPACE || code == SQL_LEX_COMMENT || code == SQL_LEX_OPEN_COMMENT;
}

/* Walks to the statement's end; *closed tells whether its semicolon was there. */
static size_t walk(const char *text, size_t len, size_t start, size_t *last, bool *closed, bool *open_quote)
{
    enum head head = HEAD_START;
    size_t position = start;
    *last = start;
    *closed = false;
    for (;;) {
        struct sql_token token = sql_lex(text + position, len - position);
        if (token.code == SQL_LEX_END)
            return position;
        position += token.length;
        BASE_INVARIANT(position <= len);
        *open_quote = *open_quote || token.code == SQL_LEX_OPEN || token.code == SQL_LEX_OPEN_COMMENT;
        if (is_space(token.code))
            continue;
        if (token.code == SQL_T_SEMI && ends_statement(head)) {
            *closed = true;
            BASE_INVARIANT(*last <= position);
            return position;
        }
        *last = position;
        head = next_head(head, token.code);
    }
}

size_t sql_statement_end(const char *text, size_t len, size_t start, size_t *last)
{
    bool closed, open_quote = false;
    return walk(text, len, start, last, &closed, &open_quote);
}

enum sql_split_state sql_split(const char *text, size_t len, size_t *position, size_t *offset, size_t *length,
                               bool *open_quote)
{
    bool open = false, closed = false;
    len = text ? strnlen(text, len) : 0;
    size_t start = *position < len ? *position : len;
    for (;;) {
        struct sql_token token = len ? sql_lex(text + start, len - start) : (struct sql_token){NULL, 0, SQL_LEX_END};
        if (!is_space(token.code) && token.code != SQL_T_SEMI)
            break;
        open = open || token.code == SQL_LEX_OPEN_COMMENT;
        start += token.length;
    }
    size_t last = start;
    *offset = start;
    *position = start < len ? walk(text, len, start, &last, &closed, &open) : len;
    *length = last - start;
    if (open_quote)
        *open_quote = open;
    BASE_INVARIANT(*offset + *length <= *position && *position <= len);
    if (*length == 0)
        return SQL_SPLIT_END;
    return closed ? SQL_SPLIT_STATEMENT : SQL_SPLIT_REST;
}
