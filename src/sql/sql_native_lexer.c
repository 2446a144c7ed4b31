/* SPDX-License-Identifier: Apache-2.0 */
#include "sql/sql_native_lexer.h"

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
            text += strcspn(text, "\r\n");
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

static struct sql_native_token closed(enum sql_native_kind kind, const char *start, const char *end)
{
    if (end == NULL)
        return (struct sql_native_token){.kind = SQL_NATIVE_UNCLOSED};
    return (struct sql_native_token){.kind = kind, .start = start, .length = (size_t)(end - start), .end = end};
}

struct sql_native_token sql_native_next(const char *text)
{
    text = skip_blanks(text);
    if (text == NULL)
        return (struct sql_native_token){.kind = SQL_NATIVE_UNCLOSED};
    if (*text == '\0')
        return (struct sql_native_token){.kind = SQL_NATIVE_END, .start = text, .end = text};
    if (*text == '\'')
        return closed(SQL_NATIVE_OTHER, text, skip_quoted(text, false));
    if ((*text == 'e' || *text == 'E') && text[1] == '\'')
        return closed(SQL_NATIVE_OTHER, text, skip_quoted(text + 1, true));
    if (*text == '"') {
        struct sql_native_token token = closed(SQL_NATIVE_NAME, text, skip_quoted(text, false));
        if (token.kind == SQL_NATIVE_NAME) {
            token.start++;
            token.length -= 2;
            token.quoted = true;
        }
        return token;
    }
    if (*text == '$') {
        const char *end = skip_dollar_quoted(text);
        return end != text ? closed(SQL_NATIVE_OTHER, text, end) : closed(SQL_NATIVE_OTHER, text, text + 1);
    }
    const char *end = text;
    while (continues_name(*end))
        end++;
    if (end == text)
        return closed(SQL_NATIVE_OTHER, text, text + 1);
    return closed(starts_name(*text) ? SQL_NATIVE_NAME : SQL_NATIVE_OTHER, text, end);
}

bool sql_native_is(const struct sql_native_token *token, const char *word)
{
    return token->kind == SQL_NATIVE_NAME && !token->quoted && token->length == strlen(word) &&
           strncasecmp(token->start, word, token->length) == 0;
}

bool sql_native_sign(const struct sql_native_token *token, char sign)
{
    return token->kind == SQL_NATIVE_OTHER && token->length == 1 && *token->start == sign;
}
