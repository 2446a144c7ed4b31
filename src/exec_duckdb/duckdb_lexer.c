/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_duckdb/duckdb_lexer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool starts_name(char c)
{
    return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool continues_name(char c)
{
    return starts_name(c) || isdigit((unsigned char)c) || c == '$';
}

/* Block comments nest. NULL: not closed. */
static const char *skip_comment(const char *text)
{
    int depth = 0;
    do {
        if (text[0] == '/' && text[1] == '*') {
            depth++;
            text += 2;
        } else if (text[0] == '*' && text[1] == '/') {
            depth--;
            text += 2;
        } else if (*text == '\0') {
            return NULL;
        } else {
            text++;
        }
    } while (depth > 0);
    return text;
}

static const char *skip_blanks(const char *text)
{
    for (;;) {
        if (isspace((unsigned char)*text)) {
            text++;
        } else if (text[0] == '-' && text[1] == '-') {
            text += strcspn(text, "\n");
        } else if (text[0] == '/' && text[1] == '*') {
            text = skip_comment(text);
            if (text == NULL)
                return NULL;
        } else {
            return text;
        }
    }
}

/* Behind the closing quote, which is doubled inside, or escaped by a backslash in E'...'; NULL: not closed. */
static const char *skip_quoted(const char *text, bool backslash)
{
    char quote = *text++;
    for (; *text != '\0'; text++) {
        if (backslash && *text == '\\' && text[1] != '\0') {
            text++;
        } else if (*text == quote) {
            if (text[1] != quote)
                return text + 1;
            text++;
        }
    }
    return NULL;
}

/* $$...$$ or $tag$...$tag$; `text` itself if it is neither. */
static const char *skip_dollar_quoted(const char *text)
{
    const char *tag_end = text + 1;
    while (continues_name(*tag_end) && *tag_end != '$')
        tag_end++;
    if (*tag_end != '$' || isdigit((unsigned char)text[1]))
        return text;
    size_t length = (size_t)(tag_end - text) + 1;
    for (const char *at = tag_end + 1; *at != '\0'; at++)
        if (strncmp(at, text, length) == 0)
            return at + length;
    return NULL;
}

static struct duck_token closed(enum duck_token_kind kind, const char *start, const char *end)
{
    if (end == NULL)
        return (struct duck_token){.kind = DUCK_TOKEN_UNCLOSED};
    return (struct duck_token){.kind = kind, .start = start, .length = (size_t)(end - start), .end = end};
}

struct duck_token duck_token_next(const char *text)
{
    text = skip_blanks(text);
    if (text == NULL)
        return (struct duck_token){.kind = DUCK_TOKEN_UNCLOSED};
    if (*text == '\0')
        return (struct duck_token){.kind = DUCK_TOKEN_END, .start = text, .end = text};
    if (*text == '\'')
        return closed(DUCK_TOKEN_OTHER, text, skip_quoted(text, false));
    if ((*text == 'e' || *text == 'E') && text[1] == '\'')
        return closed(DUCK_TOKEN_OTHER, text, skip_quoted(text + 1, true));
    if (*text == '"') {
        struct duck_token token = closed(DUCK_TOKEN_NAME, text, skip_quoted(text, false));
        if (token.kind == DUCK_TOKEN_NAME) {
            token.start++;
            token.length -= 2;
            token.quoted = true;
        }
        return token;
    }
    if (*text == '$') {
        const char *end = skip_dollar_quoted(text);
        return end != text ? closed(DUCK_TOKEN_OTHER, text, end) : closed(DUCK_TOKEN_OTHER, text, text + 1);
    }
    const char *end = text;
    while (continues_name(*end))
        end++;
    if (end == text)
        return closed(DUCK_TOKEN_OTHER, text, text + 1);
    return closed(starts_name(*text) ? DUCK_TOKEN_NAME : DUCK_TOKEN_OTHER, text, end);
}

bool duck_token_is(const struct duck_token *token, const char *word)
{
    return token->kind == DUCK_TOKEN_NAME && !token->quoted && token->length == strlen(word) &&
           strncasecmp(token->start, word, token->length) == 0;
}

bool duck_token_sign(const struct duck_token *token, char sign)
{
    return token->kind == DUCK_TOKEN_OTHER && token->length == 1 && *token->start == sign;
}
