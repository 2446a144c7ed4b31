/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of the column store's own dialect, which are DuckDB's, as far as guards and parameters need them: names, signs, and what lies in strings and comments
 * and is neither. Pure; any thread.
 */
#ifndef SQL_SQL_NATIVE_LEXER_H
#define SQL_SQL_NATIVE_LEXER_H

#include <stdbool.h>
#include <stddef.h>

enum sql_native_kind {
    SQL_NATIVE_END,
    SQL_NATIVE_NAME,     /* keyword or name */
    SQL_NATIVE_OTHER,    /* string, number, or one sign */
    SQL_NATIVE_UNCLOSED, /* a string, quoted name or comment without its end */
};

struct sql_native_token {
    enum sql_native_kind kind;
    const char *start; /* of a quoted name: behind the quote */
    size_t length;
    const char *end;
    bool quoted;
};

/* The first token at or after `text`, which ends in NUL. */
struct sql_native_token sql_native_next(const char *text);
/* An unquoted word, in any case. */
bool sql_native_is(const struct sql_native_token *token, const char *word);
bool sql_native_sign(const struct sql_native_token *token, char sign);

#endif
