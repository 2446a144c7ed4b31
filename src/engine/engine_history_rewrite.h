/* SPDX-License-Identifier: Apache-2.0 */
/* A text with questions about the past while it is rewritten: what its files share (engine_history.c, engine_history_operand.c). */
#ifndef ENGINE_ENGINE_HISTORY_REWRITE_H
#define ENGINE_ENGINE_HISTORY_REWRITE_H

#include <string.h>

#include "base/base_map.h"
#include "engine/engine_history_parts.h"
#include "sql/sql_lexer.h"

enum { MOST_DEPTH = 64, MOST_NAMES = 64, MOST_PARAMETERS = 256 };

struct name {
    const char *text;
    uint32_t length;
};

struct rewriter {
    struct rhei_db *db;
    const struct mirror_snapshot *state; /* of which the text is to be true; NULL: the newest */
    const char *sql, *end, *at;          /* at: the next token is looked for here */
    const char *copied;                  /* up to here the text is in `out` */
    struct base_buffer out;
    const char *as_of; /* SQL; NULL: the present */
    int64_t as_of_us;
    bool as_of_number;
    const char *place;   /* what is being read, and so what may be wrong; NULL: no place of the text */
    const char *asked;   /* the last of what the clause at hand asks for; without one: the table's name */
    int64_t operand;     /* what the last operand comes to: microseconds, or a position, */
    bool operand_known;  /* where that is known */
    bool operand_number; /* a time that was given as a number */
    const struct capture_catalog *catalog;
    struct engine_histories histories;
    struct engine_histories far; /* of the sidecar that was asked for last; source 0: none was */
    const struct rhei_value *values;
    uint32_t value_count;
    struct rhei_value *own;
    struct name ctes[MOST_NAMES];
    uint32_t cte_count;
    struct name parameters[MOST_PARAMETERS]; /* by number - 1; length 0: never named */
    uint32_t parameter_count;
    bool is_time[MOST_PARAMETERS], is_other[MOST_PARAMETERS];
    bool any;
    bool deletes; /* the words before are DELETE FROM */
    struct rhei_error *error;
};

static inline struct sql_token peek(const struct rewriter *r, const char *from)
{
    return sql_lex_word(from, (size_t)(r->end - from));
}

static inline const char *behind(struct sql_token token)
{
    return token.text + token.length;
}

static inline bool is(struct sql_token token, const char *word)
{
    return token.code != SQL_LEX_END && base_fold_equal(token.text, token.length, word, strlen(word));
}

static inline bool is_quoted(struct sql_token token)
{
    return token.code != SQL_LEX_END && (token.text[0] == '"' || token.text[0] == '[' || token.text[0] == '`');
}

static inline bool is_letters(struct sql_token token)
{
    return token.code != SQL_LEX_END && sql_is_name_byte((unsigned char)token.text[0]) &&
           (token.text[0] < '0' || token.text[0] > '9') && token.text[0] != '$';
}

static inline bool is_no_keyword(struct sql_token token)
{
    return token.code == sql_keyword("_", 1); /* what each such word is to the lexer, which looked it up */
}

static inline bool is_name(struct sql_token token)
{
    return is_quoted(token) || (is_letters(token) && is_no_keyword(token));
}
/* SQLite's number of the parameter; 0: it is none. */
uint32_t engine_history_parameter(struct rewriter *r, struct sql_token token);
/* The expression at r->at, as SQL that is a number of microseconds, or a position. */
rhei_status engine_history_operand(struct rewriter *r, bool position, struct base_buffer *sql);

#endif
