/* SPDX-License-Identifier: Apache-2.0 */
/* The few things that the row store must know about a text before SQLite says the rest. */
#include <string.h>

#include "oltp/oltp_internal.h"

static bool text_is_name(unsigned char c)
{
    return c >= 0x80 || c == '_' || c == '$' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

static bool text_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static size_t text_skip_blanks(const char *sql, size_t len, size_t at)
{
    for (;;) {
        if (at < len && text_is_blank(sql[at])) {
            at++;
        } else if (at + 1 < len && sql[at] == '-' && sql[at + 1] == '-') {
            while (at < len && sql[at] != '\n')
                at++;
        } else if (at + 1 < len && sql[at] == '/' && sql[at + 1] == '*') {
            at += 2;
            while (at + 1 < len && !(sql[at] == '*' && sql[at + 1] == '/'))
                at++;
            at = at + 1 < len ? at + 2 : len;
        } else {
            return at;
        }
    }
}

/* Behind the quote that closes the one at `at`; doubled quotes stay inside. */
static size_t text_skip_quoted(const char *sql, size_t len, size_t at)
{
    char close = sql[at] == '[' ? ']' : sql[at];
    for (at++; at < len; at++) {
        if (sql[at] == close) {
            if (close != ']' && at + 1 < len && sql[at + 1] == close)
                at++;
            else
                return at + 1;
        }
    }
    return len;
}

enum oltp_token oltp_next_token(const char *sql, size_t len, size_t *at, size_t *start, size_t *end)
{
    size_t i = text_skip_blanks(sql, len, *at);
    enum oltp_token token = OLTP_TOKEN_OTHER;
    *start = i;
    if (i >= len || sql[i] == '\0') {
        token = OLTP_TOKEN_END;
    } else if (sql[i] == '\'') {
        i = text_skip_quoted(sql, len, i);
        token = OLTP_TOKEN_STRING;
    } else if (sql[i] == '"' || sql[i] == '`' || sql[i] == '[') {
        i = text_skip_quoted(sql, len, i);
        token = OLTP_TOKEN_QUOTED;
    } else if ((sql[i] == 'x' || sql[i] == 'X') && i + 1 < len && sql[i + 1] == '\'') {
        i = text_skip_quoted(sql, len, i + 1);
    } else if (sql[i] >= '0' && sql[i] <= '9') {
        while (i < len && (text_is_name((unsigned char)sql[i]) || sql[i] == '.'))
            i++;
    } else if (text_is_name((unsigned char)sql[i])) {
        while (i < len && text_is_name((unsigned char)sql[i]))
            i++;
        token = OLTP_TOKEN_NAME;
    } else {
        i++;
    }
    *end = i;
    *at = i;
    return token;
}

bool oltp_token_is(const char *sql, size_t start, size_t end, const char *word)
{
    return base_fold_equal(sql + start, end - start, word, strlen(word));
}

char *oltp_token_text(const char *sql, size_t start, size_t end)
{
    char open = sql[start];
    if (open != '"' && open != '`' && open != '[' && open != '\'')
        return base_strndup(sql + start, end - start);
    char close = open == '[' ? ']' : open;
    char *text = base_alloc(end - start + 1);
    if (text == NULL)
        return NULL;
    size_t len = 0;
    size_t last = end > start + 1 && sql[end - 1] == close ? end - 1 : end;
    for (size_t i = start + 1; i < last; i++) {
        text[len++] = sql[i];
        if (sql[i] == close && i + 1 < last)
            i++;
    }
    text[len] = '\0';
    return text;
}

bool oltp_is_blank(const char *sql, size_t len, size_t at)
{
    for (;;) {
        size_t start, end;
        enum oltp_token token = oltp_next_token(sql, len, &at, &start, &end);
        if (token == OLTP_TOKEN_END)
            return true;
        if (token != OLTP_TOKEN_OTHER || sql[start] != ';')
            return false;
    }
}

/* Is a token of the text this name? */
static bool text_names(const char *sql, size_t len, const char *name)
{
    size_t at = 0, start, end, name_len = strlen(name);
    enum oltp_token token;
    while ((token = oltp_next_token(sql, len, &at, &start, &end)) != OLTP_TOKEN_END) {
        size_t quotes = token == OLTP_TOKEN_QUOTED || token == OLTP_TOKEN_STRING ? 1 : 0;
        bool quoted = quotes > 0 && end - start >= 2;
        if (token != OLTP_TOKEN_OTHER && (quoted || quotes == 0) &&
            base_fold_equal(sql + start + quotes, end - start - 2 * quotes, name, name_len))
            return true;
        /* a doubled quote inside: compare the text itself */
        if (quoted && end - start > name_len + 2 &&
            memchr(name, sql[start] == '[' ? ']' : sql[start], name_len) != NULL)
            return true;
    }
    return false;
}

static bool text_is_one_of(const char *sql, size_t start, size_t end, enum oltp_token token, const char *a,
                           const char *b)
{
    if (token == OLTP_TOKEN_QUOTED || token == OLTP_TOKEN_STRING) {
        start++;
        end = end > start ? end - 1 : start;
    }
    return token != OLTP_TOKEN_OTHER && (oltp_token_is(sql, start, end, a) || oltp_token_is(sql, start, end, b));
}

bool oltp_text_intervenes(const char *sql, size_t len)
{
    size_t at = 0, start, end;
    enum oltp_token token;
    bool trigger = false, temporary = false, returns = false;
    while ((token = oltp_next_token(sql, len, &at, &start, &end)) != OLTP_TOKEN_END) {
        trigger = trigger || (token == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, "TRIGGER"));
        temporary = temporary || text_is_one_of(sql, start, end, token, "TEMP", "TEMPORARY");
        if ((trigger && temporary) || (returns && sql[start] == '('))
            return true;
        returns = returns || (token == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, "RETURNING"));
    }
    return false;
}

static const char *const text_transaction[] = {"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"};
static const char *const text_ddl[] = {"CREATE", "ALTER", "DROP"};
/* What can't run, or has another meaning, inside somebody else's transaction. */
static const char *const text_alone[] = {"PRAGMA", "VACUUM", "ATTACH", "DETACH", "ANALYZE", "REINDEX", "EXPLAIN"};

static bool text_in(const char *sql, size_t start, size_t end, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (oltp_token_is(sql, start, end, words[i]))
            return true;
    return false;
}
#define TEXT_IN(words) text_in(sql, start, end, words, sizeof(words) / sizeof(words)[0])

void oltp_classify(struct oltp_statement *statement)
{
    const char *sql = statement->sql;
    size_t at = 0, start, end;
    enum oltp_token token;
    do { /* SQLite skips semicolons in front of a statement */
        token = oltp_next_token(sql, statement->len, &at, &start, &end);
    } while (token == OLTP_TOKEN_OTHER && sql[start] == ';');
    if (statement->stmt == NULL) {
        statement->kind = OLTP_EMPTY;
        return;
    }
    statement->read_only = sqlite3_stmt_readonly(statement->stmt) != 0;
    statement->compound = text_names(sql, statement->len, "UNION") || text_names(sql, statement->len, "INTERSECT") ||
                          text_names(sql, statement->len, "EXCEPT");
    if (TEXT_IN(text_transaction)) {
        statement->kind = OLTP_TRANSACTION;
    } else if (TEXT_IN(text_alone)) {
        statement->kind = OLTP_OTHER;
        statement->alone = true;
        statement->vacuums = oltp_token_is(sql, start, end, "VACUUM");
    } else if (TEXT_IN(text_ddl)) {
        statement->kind = OLTP_WRITE;
        statement->is_ddl = true;
        statement->alone = true;
        statement->alters = oltp_token_is(sql, start, end, "ALTER");
        statement->creates = oltp_token_is(sql, start, end, "CREATE");
    } else {
        statement->kind = statement->read_only ? OLTP_SELECT : OLTP_WRITE;
    }
}

char *oltp_altered_table(const char *sql, size_t len)
{
    size_t at = 0, start = 0, end = 0;
    enum oltp_token token;
    do {
        token = oltp_next_token(sql, len, &at, &start, &end);
    } while (token != OLTP_TOKEN_END && !oltp_token_is(sql, start, end, "TABLE"));
    token = oltp_next_token(sql, len, &at, &start, &end);
    if (token == OLTP_TOKEN_END)
        return NULL;
    char *name = oltp_token_text(sql, start, end);
    size_t dot = at;
    if (oltp_next_token(sql, len, &dot, &start, &end) == OLTP_TOKEN_OTHER && sql[start] == '.') {
        bool ours = name != NULL && base_fold_compare(name, "main") == 0;
        base_free(name);
        token = oltp_next_token(sql, len, &dot, &start, &end);
        name = ours && token != OLTP_TOKEN_END ? oltp_token_text(sql, start, end) : NULL;
    }
    return name;
}

/* A name at `*at`, with or without its schema's in front. */
static bool text_name_is_ours(const char *sql, size_t len, size_t *at)
{
    size_t start, end, dot;
    enum oltp_token token = oltp_next_token(sql, len, at, &start, &end);
    size_t name = start, name_end = end;
    dot = *at;
    if (token != OLTP_TOKEN_END && oltp_next_token(sql, len, &dot, &start, &end) == OLTP_TOKEN_OTHER &&
        sql[start] == '.') {
        token = oltp_next_token(sql, len, &dot, &name, &name_end);
        *at = dot;
    }
    char *text = token == OLTP_TOKEN_END || token == OLTP_TOKEN_OTHER ? NULL : oltp_token_text(sql, name, name_end);
    bool ours = text != NULL && sqlite3_strnicmp(text, OLTP_PREFIX, (int)strlen(OLTP_PREFIX)) == 0;
    base_free(text);
    return ours;
}

static bool text_skip(const char *sql, size_t len, const char *word, size_t *at)
{
    size_t start, end;
    enum oltp_token token;
    while ((token = oltp_next_token(sql, len, at, &start, &end)) != OLTP_TOKEN_END)
        if (token == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, word))
            return true;
    return false;
}

static const char *const text_objects[] = {"TABLE", "VIEW", "INDEX", "TRIGGER"};

bool oltp_defines_ours(const struct oltp_statement *statement)
{
    const char *sql = statement->sql;
    size_t len = statement->len, at = 0, start = 0, end = 0;
    if (statement->alters) {
        bool to = text_skip(sql, len, "RENAME", &at) && oltp_next_token(sql, len, &at, &start, &end) != OLTP_TOKEN_END;
        return to && oltp_token_is(sql, start, end, "TO") && text_name_is_ours(sql, len, &at);
    }
    enum oltp_token token = OLTP_TOKEN_OTHER;
    while (statement->creates && token != OLTP_TOKEN_END && !(token == OLTP_TOKEN_NAME && TEXT_IN(text_objects)))
        token = oltp_next_token(sql, len, &at, &start, &end);
    if (!statement->creates || token == OLTP_TOKEN_END)
        return false;
    bool on = oltp_token_is(sql, start, end, "INDEX") || oltp_token_is(sql, start, end, "TRIGGER");
    size_t after = at;
    if (oltp_next_token(sql, len, &after, &start, &end) == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, "IF")) {
        at = after;
        oltp_next_token(sql, len, &at, &start, &end);
        oltp_next_token(sql, len, &at, &start, &end);
    }
    return text_name_is_ours(sql, len, &at) ||
           (on && text_skip(sql, len, "ON", &at) && text_name_is_ours(sql, len, &at));
}

char *oltp_dropped_name(const struct oltp_statement *statement, char *kind)
{
    static const char kinds[] = {'t', 'v', 'i', 'r'};
    const char *sql = statement->sql;
    size_t len = statement->len, at = 0, start = 0, end = 0, number = 0;
    enum oltp_token token;
    do {
        token = oltp_next_token(sql, len, &at, &start, &end);
    } while (token == OLTP_TOKEN_OTHER && sql[start] == ';');
    if (token != OLTP_TOKEN_NAME || !oltp_token_is(sql, start, end, "DROP"))
        return NULL;
    oltp_next_token(sql, len, &at, &start, &end);
    while (number < 4 && !oltp_token_is(sql, start, end, text_objects[number]))
        number++;
    if (number == 4)
        return NULL;
    *kind = kinds[number];
    token = oltp_next_token(sql, len, &at, &start, &end);
    size_t after = at, name = start, name_end = end;
    /* a table may be called if: then no EXISTS follows */
    if (token == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, "IF") &&
        oltp_next_token(sql, len, &after, &start, &end) == OLTP_TOKEN_NAME &&
        oltp_token_is(sql, start, end, "EXISTS")) {
        at = after;
        token = oltp_next_token(sql, len, &at, &name, &name_end);
    }
    if (oltp_next_token(sql, len, &at, &start, &end) == OLTP_TOKEN_OTHER && sql[start] == '.')
        token = oltp_next_token(sql, len, &at, &name, &name_end);
    return token == OLTP_TOKEN_END || token == OLTP_TOKEN_OTHER ? NULL : oltp_token_text(sql, name, name_end);
}

static bool text_first_word(const char *sql, size_t len, const char *word, size_t *at)
{
    size_t start, end;
    *at = 0;
    enum oltp_token token;
    do {
        token = oltp_next_token(sql, len, at, &start, &end);
    } while (token == OLTP_TOKEN_OTHER && sql[start] == ';');
    return token == OLTP_TOKEN_NAME && oltp_token_is(sql, start, end, word);
}

static const char *const text_writes[] = {"INSERT", "REPLACE", "UPDATE", "DELETE", "WITH"};

bool oltp_word_writes_rows(const char *sql, size_t len)
{
    size_t at = 0, start, end;
    enum oltp_token token;
    if (len > 6 && sql[6] == ' ' && memcmp(sql, "INSERT", 6) == 0)
        return true; /* as nearly all begin */
    do {
        token = oltp_next_token(sql, len, &at, &start, &end);
    } while (token == OLTP_TOKEN_OTHER && sql[start] == ';');
    return token == OLTP_TOKEN_NAME && TEXT_IN(text_writes);
}

bool oltp_word_is(const char *sql, size_t len, const char *word)
{
    size_t at;
    return text_first_word(sql, len, word, &at);
}

bool oltp_is_rollback(const char *sql, size_t len)
{
    size_t at, start, end;
    if (!text_first_word(sql, len, "ROLLBACK", &at))
        return false;
    while (oltp_next_token(sql, len, &at, &start, &end) == OLTP_TOKEN_NAME)
        if (oltp_token_is(sql, start, end, "TO"))
            return false;
    return true;
}

bool oltp_begins_writing(const char *sql, size_t len)
{
    return text_names(sql, len, "IMMEDIATE") || text_names(sql, len, "EXCLUSIVE");
}

bool oltp_begins_transaction(const char *sql, size_t len)
{
    size_t at;
    return text_first_word(sql, len, "BEGIN", &at) || text_first_word(sql, len, "SAVEPOINT", &at);
}

enum oltp_kind oltp_word_kind(const char *sql, size_t len)
{
    size_t at = 0, start, end;
    enum oltp_token token;
    do {
        token = oltp_next_token(sql, len, &at, &start, &end);
    } while (token == OLTP_TOKEN_OTHER && sql[start] == ';');
    return token == OLTP_TOKEN_END     ? OLTP_EMPTY
           : TEXT_IN(text_transaction) ? OLTP_TRANSACTION
           : TEXT_IN(text_alone)       ? OLTP_OTHER
           : TEXT_IN(text_ddl)         ? OLTP_WRITE
                                       : OLTP_SELECT;
}
