/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens as SQLite's tokenizer cuts them (tokenize.c), its oddities included: "123abc" is illegal, `$a::b(c)` is one
 * parameter, a comment that never ends is a comment.
 */
#include "sql/sql_lexer.h"

#include <string.h>

#include "base/base_invariant.h"
#include "sql_grammar.h"

struct keyword {
    const char *text;
    uint8_t length;
    uint8_t code;
};

#define KEYWORD(word, token) {word, sizeof word - 1, SQL_T_##token},
static const struct keyword keywords[] = {
#include "sql/sql_keyword.def"
};
#undef KEYWORD

enum { KEYWORD_COUNT = sizeof keywords / sizeof keywords[0], KEYWORD_LONGEST = 17 };

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(unsigned char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static bool is_hex(unsigned char c)
{
    return is_digit(c) || (unsigned char)((c | 0x20) - 'a') < 6;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

bool sql_is_name_byte(unsigned char c)
{
    return is_letter(c) || is_digit(c) || c == '_' || c == '$' || c >= 0x80;
}

int sql_keyword(const char *word, size_t len)
{
    if (len < 2 || len > KEYWORD_LONGEST || !is_letter((unsigned char)word[0]))
        return SQL_T_ID;
    char folded[KEYWORD_LONGEST + 1];
    for (size_t i = 0; i < len; i++)
        folded[i] = (char)(is_letter((unsigned char)word[i]) ? word[i] | 0x20 : word[i]);
    folded[len] = 0;
    size_t low = 0, high = KEYWORD_COUNT;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = keywords[middle].text[0] - folded[0]; /* mostly that tells already, without a call */
        if (order == 0)
            order = strcmp(keywords[middle].text, folded);
        if (order == 0)
            return keywords[middle].code;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SQL_T_ID;
}

const char *sql_keyword_text(size_t number)
{
    return number < KEYWORD_COUNT ? keywords[number].text : NULL;
}

/* A cursor over what is left; bytes beyond the end read as 0, which no token contains. */
struct cursor {
    const unsigned char *text;
    size_t len;
};

static unsigned char at(const struct cursor *c, size_t i)
{
    return i < c->len ? c->text[i] : 0;
}

static size_t digits_end(const struct cursor *c, size_t i, bool (*is)(unsigned char))
{
    while (is(at(c, i)) || (at(c, i) == '_' && i > 0 && is(at(c, i - 1)) && is(at(c, i + 1))))
        i++;
    return i;
}

static int lex_number(const struct cursor *c, size_t *end)
{
    int code = SQL_T_INTEGER;
    size_t i = 0;
    if (at(c, 0) == '0' && (at(c, 1) | 0x20) == 'x' && is_hex(at(c, 2))) {
        i = digits_end(c, 2, is_hex);
    } else {
        i = digits_end(c, 0, is_digit);
        if (at(c, i) == '.') {
            code = SQL_T_FLOAT;
            i = digits_end(c, i + 1, is_digit);
        }
        if ((at(c, i) | 0x20) == 'e' &&
            (is_digit(at(c, i + 1)) || ((at(c, i + 1) == '+' || at(c, i + 1) == '-') && is_digit(at(c, i + 2))))) {
            code = SQL_T_FLOAT;
            i = digits_end(c, i + 2, is_digit);
        }
    }
    while (sql_is_name_byte(at(c, i))) {
        code = SQL_LEX_ILLEGAL;
        i++;
    }
    *end = i;
    return code;
}

static int lex_quoted(const struct cursor *c, size_t *end)
{
    unsigned char quote = at(c, 0);
    for (size_t i = 1; i < c->len && c->text[i]; i++) {
        if (c->text[i] != quote)
            continue;
        if (at(c, i + 1) == quote) {
            i++;
            continue;
        }
        *end = i + 1;
        return quote == '\'' ? SQL_T_STRING : SQL_T_ID;
    }
    *end = strnlen((const char *)c->text, c->len);
    return SQL_LEX_OPEN;
}

static int lex_bracket(const struct cursor *c, size_t *end)
{
    size_t i = 1;
    while (at(c, i) && at(c, i) != ']')
        i++;
    *end = at(c, i) ? i + 1 : i;
    return at(c, i) ? SQL_T_ID : SQL_LEX_OPEN;
}

static int lex_parameter(const struct cursor *c, size_t *end)
{
    size_t i = 1, name = 0;
    if (at(c, 0) == '?') {
        while (is_digit(at(c, i)))
            i++;
        *end = i;
        return SQL_T_VARIABLE;
    }
    for (; at(c, i); i++) {
        if (sql_is_name_byte(at(c, i))) {
            name++;
        } else if (at(c, i) == '(' && name > 0) {
            size_t close = i + 1;
            while (at(c, close) && !is_blank(at(c, close)) && at(c, close) != ')')
                close++;
            if (at(c, close) != ')') {
                *end = close;
                return SQL_LEX_ILLEGAL;
            }
            i = close + 1;
            break;
        } else if (at(c, i) == ':' && at(c, i + 1) == ':') {
            i++;
        } else {
            break;
        }
    }
    *end = i;
    return name ? SQL_T_VARIABLE : SQL_LEX_ILLEGAL;
}

static int lex_block_comment(const struct cursor *c, size_t *end)
{
    for (size_t i = 2; at(c, i); i++) {
        if (at(c, i) == '*' && at(c, i + 1) == '/') {
            *end = i + 2;
            return SQL_LEX_COMMENT;
        }
    }
    *end = strnlen((const char *)c->text, c->len);
    return SQL_LEX_OPEN_COMMENT;
}

static int lex_minus(const struct cursor *c, size_t *end)
{
    if (at(c, 1) == '-') {
        size_t i = 2;
        while (at(c, i) && at(c, i) != '\n')
            i++;
        *end = i;
        return SQL_LEX_COMMENT;
    }
    if (at(c, 1) != '>')
        return SQL_T_MINUS;
    *end = at(c, 2) == '>' ? 3 : 2;
    return SQL_T_PTR;
}

static int lex_less(const struct cursor *c, size_t *end)
{
    switch (at(c, 1)) {
    case '=':
        *end = 2;
        return SQL_T_LE;
    case '>':
        *end = 2;
        return SQL_T_NE;
    case '<':
        *end = 2;
        return SQL_T_LSHIFT;
    default:
        return SQL_T_LT;
    }
}

static int lex_greater(const struct cursor *c, size_t *end)
{
    unsigned char next = at(c, 1);
    if (next == '=' || next == '>')
        *end = 2;
    return next == '=' ? SQL_T_GE : next == '>' ? SQL_T_RSHIFT : SQL_T_GT;
}

static int lex_name(const struct cursor *c, size_t *end)
{
    if ((at(c, 0) | 0x20) == 'x' && at(c, 1) == '\'') {
        size_t i = 2;
        while (is_hex(at(c, i)))
            i++;
        if (at(c, i) == '\'' && i % 2 == 0) {
            *end = i + 1;
            return SQL_T_BLOB;
        }
        while (at(c, i) && at(c, i) != '\'')
            i++;
        *end = at(c, i) ? i + 1 : i;
        return at(c, i) ? SQL_LEX_ILLEGAL : SQL_LEX_OPEN;
    }
    size_t i = 1;
    while (sql_is_name_byte(at(c, i)))
        i++;
    *end = i;
    return sql_keyword((const char *)c->text, i);
}

static int lex_pair(const struct cursor *c, size_t *end, unsigned char second, int pair, int single)
{
    if (at(c, 1) != second)
        return single;
    *end = 2;
    return pair;
}

static int lex_symbol(const struct cursor *c, size_t *end)
{
    switch (at(c, 0)) {
    case '-':
        return lex_minus(c, end);
    case '(':
        return SQL_T_LP;
    case ')':
        return SQL_T_RP;
    case ';':
        return SQL_T_SEMI;
    case '+':
        return SQL_T_PLUS;
    case '*':
        return SQL_T_STAR;
    case '/':
        return at(c, 1) == '*' && at(c, 2) ? lex_block_comment(c, end) : SQL_T_SLASH;
    case '%':
        return SQL_T_REM;
    case '=':
        return lex_pair(c, end, '=', SQL_T_EQ, SQL_T_EQ);
    case '<':
        return lex_less(c, end);
    case '>':
        return lex_greater(c, end);
    case '!':
        return lex_pair(c, end, '=', SQL_T_NE, SQL_LEX_ILLEGAL);
    case '|':
        return lex_pair(c, end, '|', SQL_T_CONCAT, SQL_T_BITOR);
    case ',':
        return SQL_T_COMMA;
    case '&':
        return SQL_T_BITAND;
    case '~':
        return SQL_T_BITNOT;
    case '\'':
    case '"':
    case '`':
        return lex_quoted(c, end);
    case '[':
        return lex_bracket(c, end);
    case '.':
        return is_digit(at(c, 1)) ? lex_number(c, end) : SQL_T_DOT;
    case '?':
    case '$':
    case '@':
    case ':':
        return lex_parameter(c, end);
    default:
        return SQL_LEX_ILLEGAL;
    }
}

struct sql_token sql_lex(const char *text, size_t len)
{
    struct cursor c = {(const unsigned char *)text, len};
    unsigned char first = at(&c, 0);
    size_t end = 1;
    int code;
    if (first == 0)
        return (struct sql_token){text, 0, SQL_LEX_END};
    if (is_blank(first)) {
        while (is_blank(at(&c, end)))
            end++;
        code = SQL_LEX_SPACE;
    } else if (first == 0xef && at(&c, 1) == 0xbb && at(&c, 2) == 0xbf) {
        end = 3;
        code = SQL_LEX_SPACE;
    } else if (is_digit(first)) {
        code = lex_number(&c, &end);
    } else if (sql_is_name_byte(first) && first != '$') {
        code = lex_name(&c, &end);
    } else {
        code = lex_symbol(&c, &end);
    }
    BASE_INVARIANT(end >= 1 && end <= len);
    BASE_INVARIANT(code != SQL_LEX_END);
    return (struct sql_token){text, (uint32_t)end, code};
}

struct sql_token sql_lex_word(const char *text, size_t len)
{
    for (;;) {
        struct sql_token token = sql_lex(text, len);
        if (token.code != SQL_LEX_SPACE && token.code != SQL_LEX_COMMENT && token.code != SQL_LEX_OPEN_COMMENT)
            return token;
        BASE_INVARIANT(token.length > 0 && token.length <= len);
        text += token.length;
        len -= token.length;
    }
}

struct sql_token sql_lex_first(const char *text, size_t len)
{
    const char *end = text + len;
    struct sql_token token = sql_lex_word(text, len);
    while (token.code != SQL_LEX_END && token.text[0] == ';') {
        text = token.text + token.length;
        token = sql_lex_word(text, (size_t)(end - text));
    }
    return token;
}
