/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts in DuckDB's own dialect. Table names become scans of the mirror by a replacement scan; what a text may do is
 * bounded by DuckDB's settings (no files, no extensions, no settings), by the statement's kind (duckdb_plan.c), and here,
 * by its words: some of DuckDB's functions change the database or the connection from inside a SELECT
 * (enable_logging() can even make it unusable for everybody), and no setting forbids them.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/base_error.h"
#include "exec_duckdb/duckdb_internal.h"

/* ---- DuckDB's tokens, as far as they matter here ------------------------------------------------------------------ */

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_OTHER, TOKEN_UNCLOSED };

struct token {
    enum token_kind kind;
    const char *start; /* of a quoted name: behind the quote */
    size_t length;
    const char *end;
    bool quoted;
};

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
    for (const char *at = tag_end + 1; *at != '\0'; at++) {
        if (strncmp(at, text, length) == 0)
            return at + length;
    }
    return NULL;
}

static struct token closed(enum token_kind kind, const char *start, const char *end)
{
    if (end == NULL)
        return (struct token){.kind = TOKEN_UNCLOSED};
    return (struct token){.kind = kind, .start = start, .length = (size_t)(end - start), .end = end};
}

static struct token next_token(const char *text)
{
    text = skip_blanks(text);
    if (text == NULL)
        return (struct token){.kind = TOKEN_UNCLOSED};
    if (*text == '\0')
        return (struct token){.kind = TOKEN_END, .start = text, .end = text};
    if (*text == '\'')
        return closed(TOKEN_OTHER, text, skip_quoted(text, false));
    if ((*text == 'e' || *text == 'E') && text[1] == '\'')
        return closed(TOKEN_OTHER, text, skip_quoted(text + 1, true));
    if (*text == '"') {
        struct token token = closed(TOKEN_NAME, text, skip_quoted(text, false));
        if (token.kind == TOKEN_NAME) {
            token.start++;
            token.length -= 2;
            token.quoted = true;
        }
        return token;
    }
    if (*text == '$') {
        const char *end = skip_dollar_quoted(text);
        return end != text ? closed(TOKEN_OTHER, text, end) : closed(TOKEN_OTHER, text, text + 1);
    }
    const char *end = text;
    while (continues_name(*end))
        end++;
    if (end == text)
        return closed(TOKEN_OTHER, text, text + 1);
    return closed(starts_name(*text) ? TOKEN_NAME : TOKEN_OTHER, text, end);
}

static bool is_word(const struct token *token, const char *word)
{
    return token->kind == TOKEN_NAME && !token->quoted && token->length == strlen(word) &&
           strncasecmp(token->start, word, token->length) == 0;
}

static bool is_sign(const struct token *token, char sign)
{
    return token->kind == TOKEN_OTHER && token->length == 1 && *token->start == sign;
}

/* ---- What a text may call ----------------------------------------------------------------------------------------- */

/* Ends in '*': whatever begins so. */
static const char *const forbidden_functions[] = {
    "rhei_*", /* an ORDER BY inside these would crash DuckDB */
    "prm_*",          "mirror_*",         "enable_*",        "disable_*",
    "verify_*",       "force_checkpoint", "checkpoint",      "truncate_duckdb_logs",
    "write_log",      "setseed",          "nextval",         "currval",
    "query",          "query_table", /* SQL in a string */
    "json_execute_*", "arrow_scan*", /* addresses */
    "seq_scan",       "copy_database",    "import_database", "read_duckdb",
    "python_*",       "pandas_scan",
};

static bool is_forbidden(const struct token *name)
{
    for (size_t i = 0; i < sizeof forbidden_functions / sizeof *forbidden_functions; i++) {
        const char *pattern = forbidden_functions[i];
        size_t length = strlen(pattern);
        bool prefix = pattern[length - 1] == '*';
        length -= prefix;
        if ((prefix ? name->length >= length : name->length == length) &&
            strncasecmp(name->start, pattern, length) == 0)
            return true;
    }
    return false;
}

static rhei_status unclosed(struct rhei_error *error)
{
    return error_set(error, RHEI_SQL, "a string, quoted name or comment in the statement isn't closed");
}

rhei_status duck_native_check(const char *sql, struct rhei_error *error)
{
    struct token previous = {.kind = TOKEN_OTHER, .start = "", .length = 0};
    struct token token = next_token(sql);
    for (; token.kind != TOKEN_END; token = next_token(token.end)) {
        if (token.kind == TOKEN_UNCLOSED)
            return unclosed(error);
        if (is_sign(&previous, ';') && !is_sign(&token, ';'))
            return error_set(error, RHEI_SQL, "one statement at a time: something follows the semicolon");
        if (is_sign(&token, '(') && previous.kind == TOKEN_NAME && is_forbidden(&previous))
            return error_set(error, RHEI_UNSUPPORTED,
                             "the function %.*s may not be called: it reaches beyond the query", (int)previous.length,
                             previous.start);
        previous = token;
    }
    return RHEI_OK;
}

/* Behind a bracketed list of options. */
static struct token skip_options(struct token token)
{
    int depth = 0;
    while (token.kind != TOKEN_END && token.kind != TOKEN_UNCLOSED) {
        depth += is_sign(&token, '(');
        depth -= is_sign(&token, ')');
        token = next_token(token.end);
        if (depth == 0)
            break;
    }
    return token;
}

const char *duck_native_explained(const char *sql)
{
    struct token token = next_token(sql);
    if (!is_word(&token, "explain"))
        return sql;
    token = next_token(token.end);
    while (is_word(&token, "analyze") || is_word(&token, "verbose"))
        token = next_token(token.end);
    /* EXPLAIN (ANALYZE, FORMAT json) SELECT, but EXPLAIN (SELECT 1) too */
    if (is_sign(&token, '(')) {
        struct token inside = next_token(token.end);
        if (is_word(&inside, "analyze") || is_word(&inside, "format") || is_word(&inside, "verbose"))
            token = skip_options(token);
    }
    return token.kind == TOKEN_UNCLOSED ? sql : token.start - token.quoted;
}

/* ---- Names of tables ---------------------------------------------------------------------------------------------- */

/* Called for names that DuckDB's catalog doesn't have, without telling for whom: the scan's bind knows. */
static void replace_name(duckdb_replacement_scan_info info, const char *name, void *context)
{
    struct duck_database *database = context;
    const struct duck_api *api = database->executor->api;
    duckdb_value value = api->create_varchar(name);
    api->replacement_scan_set_function_name(info, "mirror_table");
    api->replacement_scan_add_parameter(info, value);
    api->destroy_value(&value);
}

void duck_native_register(struct duck_database *database)
{
    database->executor->api->add_replacement_scan(database->handle, replace_name, database, NULL);
}
