/* SPDX-License-Identifier: Apache-2.0 */
/* Colours of what is typed: words of SQL, strings, numbers, comments, quotes without end, the bracket that belongs to the cursor's. */
#include "rh_lex.h"
#include "rh_repl.h"

#include <stdlib.h>
#include <string.h>

static int style_of(const char *text, const struct rh_token *token)
{
    if (token->open)
        return LINE_STYLE_OPEN;
    switch (token->kind) {
    case RH_TOKEN_COMMENT:
        return LINE_STYLE_COMMENT;
    case RH_TOKEN_STRING:
        return LINE_STYLE_STRING;
    case RH_TOKEN_NUMBER:
        return LINE_STYLE_NUMBER;
    case RH_TOKEN_WORD:
        return rh_is_keyword(text + token->start, token->length) ? LINE_STYLE_KEYWORD : LINE_STYLE_PLAIN;
    default:
        return LINE_STYLE_PLAIN;
    }
}

struct brackets {
    size_t *open;
    size_t count, capacity;
    size_t target; /* the bracket at the cursor, or before it; SIZE_MAX: none */
};

static void take_bracket(struct brackets *brackets, const char *text, size_t at, uint8_t *styles)
{
    char c = text[at];
    if (c == '(') {
        if (brackets->count == brackets->capacity) {
            brackets->capacity = brackets->capacity == 0 ? 32 : brackets->capacity * 2;
            brackets->open = rh_reallocate(brackets->open, brackets->capacity * sizeof *brackets->open);
        }
        brackets->open[brackets->count++] = at;
    } else if (c == ')' && brackets->count > 0) {
        size_t other = brackets->open[--brackets->count];
        if (brackets->target == at || brackets->target == other)
            styles[at] = styles[other] = LINE_STYLE_MATCH;
    } else if (c == ')') {
        styles[at] = LINE_STYLE_OPEN;
    }
}

static bool is_bracket(const char *text, size_t length, size_t at)
{
    return at < length && (text[at] == '(' || text[at] == ')');
}

void rh_repl_style(void *context, const char *text, size_t length, size_t cursor, uint8_t *styles)
{
    struct brackets brackets = {.target = SIZE_MAX};
    size_t at = 0;
    (void)context;
    if (cursor != SIZE_MAX)
        brackets.target = is_bracket(text, length, cursor)                     ? cursor
                          : cursor > 0 && is_bracket(text, length, cursor - 1) ? cursor - 1
                                                                               : SIZE_MAX;
    if (length > 0 && text[0] == '.') {
        at = strcspn(text, " \t\n");
        memset(styles, LINE_STYLE_COMMAND, at);
    }
    for (struct rh_token token; (token = rh_lex(text, length, at)).kind != RH_TOKEN_END; at += token.length) {
        memset(styles + at, style_of(text, &token), token.length);
        if (token.kind == RH_TOKEN_SIGN)
            take_bracket(&brackets, text, at, styles);
    }
    free(brackets.open);
}
