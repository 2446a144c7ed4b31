/* SPDX-License-Identifier: Apache-2.0 */
/* DuckDB's tokens, as far as guards need them: names, signs, and what lies in strings and comments and is neither. Pure. */
#ifndef EXEC_DUCKDB_DUCKDB_LEXER_H
#define EXEC_DUCKDB_DUCKDB_LEXER_H

#include <stdbool.h>
#include <stddef.h>

enum duck_token_kind {
    DUCK_TOKEN_END,
    DUCK_TOKEN_NAME,     /* keyword or name */
    DUCK_TOKEN_OTHER,    /* string, number, or one sign */
    DUCK_TOKEN_UNCLOSED, /* a string, quoted name or comment without its end */
};

struct duck_token {
    enum duck_token_kind kind;
    const char *start; /* of a quoted name: behind the quote */
    size_t length;
    const char *end;
    bool quoted;
};

/* The first token at or after `text`. */
struct duck_token duck_token_next(const char *text);
/* An unquoted word, in any case. */
bool duck_token_is(const struct duck_token *token, const char *word);
bool duck_token_sign(const struct duck_token *token, char sign);

#endif
