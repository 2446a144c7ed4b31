/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's tokens. Token codes are the grammar's (sql_grammar.h, made by lemon) and the few below. Any thread. */
#ifndef SQL_SQL_LEXER_H
#define SQL_SQL_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sql_lexer_code {
    SQL_LEX_END = 0,      /* end of the text, or a NUL byte */
    SQL_LEX_SPACE = 1000, /* blanks, and a byte order mark */
    SQL_LEX_COMMENT = 1001,
    SQL_LEX_ILLEGAL = 1002,      /* one or more bytes that are no token */
    SQL_LEX_OPEN = 1003,         /* a quote that isn't closed before the end */
    SQL_LEX_OPEN_COMMENT = 1004, /* a comment that isn't; SQLite takes it as one */
};

struct sql_token {
    const char *text; /* into the parsed text, not terminated */
    uint32_t length;
    int code;
};

/* The token at `text`; its length is at least 1 unless the code is SQL_LEX_END. */
struct sql_token sql_lex(const char *text, size_t len);
/* The next token that is neither blank nor comment. */
struct sql_token sql_lex_word(const char *text, size_t len);
/* The first one of a statement: before it SQLite reads over semicolons, too. */
struct sql_token sql_lex_first(const char *text, size_t len);
/* The keyword's code, or the grammar's code for a name. */
int sql_keyword(const char *word, size_t len);
/* The n-th keyword in lower case, or NULL; for completion and tests. */
const char *sql_keyword_text(size_t number);

bool sql_is_name_byte(unsigned char c);

#endif
