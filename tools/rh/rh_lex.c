/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_lex.h"

#include "rh_text.h"

#include <stdlib.h>
#include <string.h>

/* https://www.sqlite.org/lang_keywords.html, sorted, and EXPLAIN ROUTE's own. */
const char *const rh_keywords[] = {"ABORT",
                                   "ACTION",
                                   "ADD",
                                   "AFTER",
                                   "ALL",
                                   "ALTER",
                                   "ALWAYS",
                                   "ANALYZE",
                                   "AND",
                                   "AS",
                                   "ASC",
                                   "ATTACH",
                                   "AUTOINCREMENT",
                                   "BEFORE",
                                   "BEGIN",
                                   "BETWEEN",
                                   "BY",
                                   "CASCADE",
                                   "CASE",
                                   "CAST",
                                   "CHECK",
                                   "COLLATE",
                                   "COLUMN",
                                   "COMMIT",
                                   "CONFLICT",
                                   "CONSTRAINT",
                                   "CREATE",
                                   "CROSS",
                                   "CURRENT",
                                   "CURRENT_DATE",
                                   "CURRENT_TIME",
                                   "CURRENT_TIMESTAMP",
                                   "DATABASE",
                                   "DEFAULT",
                                   "DEFERRABLE",
                                   "DEFERRED",
                                   "DELETE",
                                   "DESC",
                                   "DETACH",
                                   "DISTINCT",
                                   "DO",
                                   "DROP",
                                   "EACH",
                                   "ELSE",
                                   "END",
                                   "ESCAPE",
                                   "EXCEPT",
                                   "EXCLUDE",
                                   "EXCLUSIVE",
                                   "EXISTS",
                                   "EXPLAIN",
                                   "FAIL",
                                   "FILTER",
                                   "FIRST",
                                   "FOLLOWING",
                                   "FOR",
                                   "FOREIGN",
                                   "FROM",
                                   "FULL",
                                   "GENERATED",
                                   "GLOB",
                                   "GROUP",
                                   "GROUPS",
                                   "HAVING",
                                   "IF",
                                   "IGNORE",
                                   "IMMEDIATE",
                                   "IN",
                                   "INDEX",
                                   "INDEXED",
                                   "INITIALLY",
                                   "INNER",
                                   "INSERT",
                                   "INSTEAD",
                                   "INTERSECT",
                                   "INTO",
                                   "IS",
                                   "ISNULL",
                                   "JOIN",
                                   "KEY",
                                   "LAST",
                                   "LEFT",
                                   "LIKE",
                                   "LIMIT",
                                   "MATCH",
                                   "MATERIALIZED",
                                   "NATURAL",
                                   "NO",
                                   "NOT",
                                   "NOTHING",
                                   "NOTNULL",
                                   "NULL",
                                   "NULLS",
                                   "OF",
                                   "OFFSET",
                                   "ON",
                                   "OR",
                                   "ORDER",
                                   "OTHERS",
                                   "OUTER",
                                   "OVER",
                                   "PARTITION",
                                   "PLAN",
                                   "PRAGMA",
                                   "PRECEDING",
                                   "PRIMARY",
                                   "QUERY",
                                   "RAISE",
                                   "RANGE",
                                   "RECURSIVE",
                                   "REFERENCES",
                                   "REGEXP",
                                   "REINDEX",
                                   "RELEASE",
                                   "RENAME",
                                   "REPLACE",
                                   "RESTRICT",
                                   "RETURNING",
                                   "RIGHT",
                                   "ROLLBACK",
                                   "ROUTE",
                                   "ROW",
                                   "ROWS",
                                   "SAVEPOINT",
                                   "SELECT",
                                   "SET",
                                   "STRICT",
                                   "TABLE",
                                   "TEMP",
                                   "TEMPORARY",
                                   "THEN",
                                   "TIES",
                                   "TO",
                                   "TRANSACTION",
                                   "TRIGGER",
                                   "UNBOUNDED",
                                   "UNION",
                                   "UNIQUE",
                                   "UPDATE",
                                   "USING",
                                   "VACUUM",
                                   "VALUES",
                                   "VIEW",
                                   "VIRTUAL",
                                   "WHEN",
                                   "WHERE",
                                   "WINDOW",
                                   "WITH",
                                   "WITHOUT",
                                   NULL};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool rh_is_word_sign(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$' || (c & 0x80) != 0;
}

static size_t quoted_end(const char *text, size_t length, size_t at, char quote, bool *open)
{
    for (at++; at < length; at++) {
        if (text[at] != quote)
            continue;
        if (quote == ']' || at + 1 == length || text[at + 1] != quote)
            return at + 1;
        at++;
    }
    *open = true;
    return length;
}

static size_t number_end(const char *text, size_t length, size_t at)
{
    while (at < length && (rh_is_word_sign(text[at]) || text[at] == '.' ||
                           ((text[at] == '+' || text[at] == '-') && (text[at - 1] == 'e' || text[at - 1] == 'E'))))
        at++;
    return at;
}

static struct rh_token comment_at(const char *text, size_t length, size_t at)
{
    const char *end =
        text[at] == '-' ? memchr(text + at, '\n', length - at) : memmem(text + at + 2, length - at - 2, "*/", 2);
    size_t stop = end == NULL ? length : text[at] == '-' ? (size_t)(end - text) : (size_t)(end - text) + 2;
    return (struct rh_token){RH_TOKEN_COMMENT, at, stop - at, end == NULL && text[at] == '/'};
}

struct rh_token rh_lex(const char *text, size_t length, size_t at)
{
    struct rh_token token = {.kind = at < length ? RH_TOKEN_SIGN : RH_TOKEN_END, .start = at};
    size_t end = at + 1;
    if (at >= length)
        return token;
    char c = text[at], next = at + 1 < length ? text[at + 1] : '\0';
    if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
        token.kind = RH_TOKEN_BLANK;
        while (end < length && strchr(" \n\t\r", text[end]) != NULL && text[end] != '\0')
            end++;
    } else if ((c == '-' && next == '-') || (c == '/' && next == '*')) {
        return comment_at(text, length, at);
    } else if (c == '\'' || ((c == 'x' || c == 'X') && next == '\'')) {
        token.kind = RH_TOKEN_STRING;
        end = quoted_end(text, length, c == '\'' ? at : at + 1, '\'', &token.open);
    } else if (c == '"' || c == '`' || c == '[') {
        token.kind = RH_TOKEN_NAME;
        end = quoted_end(text, length, at, c == '[' ? ']' : c, &token.open);
    } else if (is_digit(c) || (c == '.' && is_digit(next))) {
        token.kind = RH_TOKEN_NUMBER;
        end = number_end(text, length, at + 1);
    } else if (rh_is_word_sign(c)) {
        token.kind = RH_TOKEN_WORD;
        while (end < length && rh_is_word_sign(text[end]))
            end++;
    }
    token.length = end - at;
    return token;
}

struct wanted {
    const char *word;
    size_t length;
};

static int compare(const void *key, const void *entry)
{
    const struct wanted *wanted = key;
    const char *keyword = *(const char *const *)entry;
    for (size_t at = 0; at < wanted->length; at++) {
        int c = wanted->word[at] >= 'a' && wanted->word[at] <= 'z' ? wanted->word[at] - 32 : wanted->word[at];
        if (c != keyword[at])
            return c - keyword[at];
    }
    return -keyword[wanted->length];
}

bool rh_is_keyword(const char *word, size_t length)
{
    const struct wanted wanted = {word, length};
    return bsearch(&wanted, rh_keywords, sizeof rh_keywords / sizeof *rh_keywords - 1, sizeof *rh_keywords, compare) !=
           NULL;
}
