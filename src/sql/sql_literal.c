/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1. A literal is lifted only where a parameter of the same value means the same: as a whole item of VALUES, as a whole right
 *     side of SET, and as the integer compared with the rowid in a WHERE that is nothing else.
 * L2. What isn't lifted stays, byte for byte, so the rest of the statement means what it meant: keywords, quoted names that may be
 *     strings, hex, digit separators, exponents, a plus sign, zero with a fraction, integers that may not fit, long fractions.
 * L3. A text with parameters, or with anything that is no token, is left alone.
 *
 * A fraction of at most 15 digits is digits / 10^k: both are exact, so their quotient is the nearest double, as SQLite's reading is.
 */
#include "sql/sql_literal.h"

#include <string.h>

#include "sql/sql_lexer.h"
#include "sql_grammar.h"

#include "base/base_invariant.h"

enum { INTEGER_DIGITS = 18, REAL_DIGITS = 15 };

enum word_kind {
    WORD_END,
    WORD_NAME,
    WORD_QUOTED,
    WORD_STRING,
    WORD_BLOB,
    WORD_INTEGER,
    WORD_REAL,
    WORD_OTHER,
    WORD_BAD
};

struct reader {
    const char *text;
    size_t len;
    size_t start, end; /* of the word */
    enum word_kind kind;
    size_t copied; /* up to here the text is in the template */
    struct sql_literals *out;
    bool full; /* the template, the values or the bytes */
};

/* ---- Words. ------------------------------------------------------------------------------------------------------ */

static bool is_letter(char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

/* Most strings have no quote inside: look for the end in one go. */
static void read_string(struct reader *reader)
{
    size_t at = reader->end + 1;
    for (;;) {
        const char *quote = at < reader->len ? memchr(reader->text + at, '\'', reader->len - at) : NULL;
        if (quote == NULL) {
            reader->kind = WORD_BAD;
            return;
        }
        at = (size_t)(quote - reader->text) + 1;
        if (at >= reader->len || reader->text[at] != '\'')
            break;
        at++;
    }
    /* to SQLite, a text ends at a NUL */
    bool sound = memchr(reader->text + reader->end, '\0', at - reader->end) == NULL;
    reader->kind = sound ? WORD_STRING : WORD_BAD;
    reader->end = at;
}

static enum word_kind kind_of(const struct sql_token *token)
{
    switch (token->code) {
    case SQL_LEX_END:
        return WORD_END;
    case SQL_T_INTEGER:
        return WORD_INTEGER;
    case SQL_T_FLOAT:
        return WORD_REAL;
    case SQL_T_BLOB:
        return WORD_BLOB;
    case SQL_LEX_ILLEGAL:
    case SQL_LEX_OPEN:
    case SQL_T_VARIABLE:
        return WORD_BAD;
    case SQL_T_ID:
        return is_letter(token->text[0]) || token->text[0] == '_' || (token->text[0] & 0x80) ? WORD_NAME : WORD_QUOTED;
    default: /* a keyword is a word like any other here */
        return is_letter(token->text[0]) ? WORD_NAME : WORD_OTHER;
    }
}

/* To the next word; blanks and comments are skipped. */
static void next(struct reader *reader)
{
    const char *text = reader->text;
    while (reader->end < reader->len && text[reader->end] == ' ')
        reader->end++;
    reader->start = reader->end;
    if (reader->end < reader->len && is_letter(text[reader->end]) && (text[reader->end] | 0x20) != 'x') {
        do
            reader->end++;
        while (reader->end < reader->len && sql_is_name_byte((unsigned char)text[reader->end]));
        reader->kind = WORD_NAME;
        return;
    }
    if (reader->end < reader->len && text[reader->end] == '\'') {
        read_string(reader);
        return;
    }
    struct sql_token token = sql_lex_word(text + reader->end, reader->len - reader->end);
    reader->start = (size_t)(token.text - text);
    reader->end = reader->start + token.length;
    BASE_INVARIANT(reader->end <= reader->len);
    reader->kind = kind_of(&token);
}

static bool is(const struct reader *reader, char sign)
{
    return reader->kind == WORD_OTHER && reader->end == reader->start + 1 && reader->text[reader->start] == sign;
}

/* = or == */
static bool is_equals(const struct reader *reader)
{
    return reader->kind == WORD_OTHER && reader->text[reader->start] == '=';
}

static bool is_word(const struct reader *reader, const char *upper)
{
    const char *word = reader->text + reader->start;
    size_t len = reader->end - reader->start;
    if (reader->kind != WORD_NAME)
        return false;
    for (size_t i = 0; i < len; i++)
        if (upper[i] == '\0' || (word[i] & ~0x20) != upper[i])
            return false;
    return upper[len] == '\0';
}

static bool ends_statement(const struct reader *reader)
{
    return reader->kind == WORD_END || is(reader, ';');
}

static bool ends_value(const struct reader *reader)
{
    return is(reader, ',') || is(reader, ')');
}

static bool ends_set(const struct reader *reader)
{
    return is(reader, ',') || is_word(reader, "WHERE");
}

static bool ends_key(const struct reader *reader)
{
    return ends_statement(reader) || is_word(reader, "RETURNING");
}

/* ---- Values. ----------------------------------------------------------------------------------------------------- */

static bool value_integer(const char *digits, size_t len, bool negative, struct rhei_value *value)
{
    int64_t number = 0;
    if (len > INTEGER_DIGITS)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return false;
        number = number * 10 + (digits[i] - '0');
    }
    *value = (struct rhei_value){.as = {.integer = negative ? -number : number}, .type = RHEI_INTEGER};
    return true;
}

static bool value_real(const char *text, size_t len, bool negative, struct rhei_value *value)
{
    static const double powers[REAL_DIGITS + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    int64_t digits = 0;
    int counted = 0, fraction = 0;
    bool point = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9')
            return false;
        digits = digits * 10 + (text[i] - '0');
        counted += counted > 0 || text[i] != '0';
        fraction += point;
        if (counted > REAL_DIGITS || fraction > REAL_DIGITS)
            return false;
    }
    if (digits == 0)
        return false; /* zero has a sign */
    double real = (double)digits / powers[fraction];
    *value = (struct rhei_value){.as = {.real = negative ? -real : real}, .type = RHEI_REAL};
    return true;
}

static bool room_for(struct sql_literals *out, size_t bytes)
{
    BASE_INVARIANT(out->bytes_used <= out->bytes_size);
    return bytes <= out->bytes_size - out->bytes_used;
}

static bool value_text(const char *text, size_t len, struct sql_literals *out, struct rhei_value *value)
{
    const char *bytes = text + 1;
    size_t used = len - 2;
    if (used > INT32_MAX)
        return false;
    if (used > 0 && memchr(bytes, '\'', used) != NULL) {
        if (!room_for(out, used))
            return false;
        char *at = out->bytes + out->bytes_used;
        size_t kept = 0;
        for (size_t i = 0; i < used; i++) {
            at[kept++] = bytes[i];
            if (bytes[i] == '\'')
                i++;
        }
        out->bytes_used += kept;
        bytes = at;
        used = kept;
    }
    *value = (struct rhei_value){.as = {.bytes = bytes}, .length = (uint32_t)used, .type = RHEI_TEXT};
    return true;
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static bool value_blob(const char *text, size_t len, struct sql_literals *out, struct rhei_value *value)
{
    size_t size = (len - 3) / 2;
    if (size > INT32_MAX || !room_for(out, size))
        return false;
    char *bytes = out->bytes + out->bytes_used;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(hex_digit(text[2 + 2 * i]) << 4 | hex_digit(text[3 + 2 * i]));
    out->bytes_used += size;
    *value = (struct rhei_value){.as = {.bytes = bytes}, .length = (uint32_t)size, .type = RHEI_BLOB};
    return true;
}

/* The literal that the word is; false: it is none, or one that stays. */
static bool read_value(const struct reader *reader, bool negative, struct rhei_value *value)
{
    const char *text = reader->text + reader->start;
    size_t len = reader->end - reader->start;
    switch (reader->kind) {
    case WORD_INTEGER:
        return value_integer(text, len, negative, value);
    case WORD_REAL:
        return value_real(text, len, negative, value);
    case WORD_STRING:
        return !negative && value_text(text, len, reader->out, value);
    case WORD_BLOB:
        return !negative && value_blob(text, len, reader->out, value);
    default:
        return false;
    }
}

/* ---- The template. ----------------------------------------------------------------------------------------------- */

static void put(struct reader *reader, const char *text, size_t len)
{
    struct sql_literals *out = reader->out;
    BASE_INVARIANT(out->len <= SQL_LIFTED_MAX);
    if (len > SQL_LIFTED_MAX - out->len) {
        reader->full = true;
        return;
    }
    memcpy(out->text + out->len, text, len);
    out->len += len;
}

/* The text up to `start`, a ? for what is there up to `end`. */
static void put_parameter(struct reader *reader, size_t start, size_t end)
{
    BASE_INVARIANT(reader->copied <= start && start < end && end <= reader->len);
    put(reader, reader->text + reader->copied, start - reader->copied);
    put(reader, "?", 1);
    reader->copied = end;
}

/*
 * One item, up to the word after it, which `ends` knows. A whole literal is lifted; anything else is passed over. False: the
 * statement is none of ours.
 */
static bool read_item(struct reader *reader, bool (*ends)(const struct reader *))
{
    struct reader before = *reader;
    struct sql_literals *out = reader->out;
    size_t used = out->bytes_used;
    bool negative = is(reader, '-');
    if (negative)
        next(reader);
    if (out->count < SQL_LITERALS_MAX && read_value(reader, negative, &out->values[out->count])) {
        size_t end = reader->end;
        next(reader);
        if (ends(reader)) {
            out->count++;
            put_parameter(reader, before.start, end);
            return !reader->full;
        }
    }
    out->bytes_used = used;
    *reader = before;
    int depth = 0;
    while (depth > 0 || !ends(reader)) {
        if (reader->kind == WORD_BAD || ends_statement(reader))
            return false;
        depth += is(reader, '(');
        depth -= is(reader, ')');
        if (depth < 0)
            return false;
        next(reader);
    }
    return true;
}

/* ---- Statements. ------------------------------------------------------------------------------------------------- */

/* What follows stays as it is, as long as it is sound and has no parameters. */
static bool read_rest(struct reader *reader)
{
    BASE_INVARIANT(reader->out->count <= SQL_LITERALS_MAX);
    reader->out->bare = ends_statement(reader);
    while (!ends_statement(reader)) {
        if (reader->kind == WORD_BAD)
            return false;
        next(reader);
    }
    put(reader, reader->text + reader->copied, reader->start - reader->copied);
    reader->out->consumed = reader->end;
    return !reader->full && reader->out->count > 0;
}

/* [schema.]name; the last part. */
static bool read_name(struct reader *reader, struct sql_span *name)
{
    for (int parts = 0; parts < 2; parts++) {
        if (reader->kind != WORD_NAME && reader->kind != WORD_QUOTED)
            return false;
        *name = (struct sql_span){reader->text + reader->start, reader->end - reader->start};
        next(reader);
        if (!is(reader, '.'))
            return true;
        next(reader);
    }
    return false;
}

/* OR ROLLBACK and the like. */
static void skip_or(struct reader *reader)
{
    if (is_word(reader, "OR")) {
        next(reader);
        next(reader);
    }
}

static bool read_columns(struct reader *reader)
{
    if (!is(reader, '('))
        return true;
    do {
        next(reader);
        if (reader->kind != WORD_NAME && reader->kind != WORD_QUOTED)
            return false;
        next(reader);
    } while (is(reader, ','));
    bool closed = is(reader, ')');
    next(reader);
    return closed;
}

static bool read_insert(struct reader *reader)
{
    struct sql_span table;
    next(reader);
    skip_or(reader);
    if (!is_word(reader, "INTO"))
        return false;
    next(reader);
    if (!read_name(reader, &table) || !read_columns(reader) || !is_word(reader, "VALUES"))
        return false;
    do {
        next(reader);
        if (!is(reader, '('))
            return false;
        do {
            next(reader);
            if (is(reader, ')') || !read_item(reader, ends_value))
                return false;
        } while (is(reader, ','));
        next(reader); /* behind the bracket */
    } while (is(reader, ','));
    /* VALUES may be the first part of a compound SELECT, of which we know nothing */
    if (!ends_statement(reader) && !is_word(reader, "ON") && !is_word(reader, "RETURNING"))
        return false;
    return read_rest(reader);
}

/* WHERE column = integer, and nothing else. */
static bool read_key(struct reader *reader, struct sql_span table)
{
    struct sql_literals *out = reader->out;
    uint32_t count = out->count;
    if (!is_word(reader, "WHERE"))
        return false;
    next(reader);
    if (!read_name(reader, &out->key_column) || !is_equals(reader))
        return false;
    next(reader);
    out->key_table = table;
    return read_item(reader, ends_key) && out->count == count + 1 && out->values[count].type == RHEI_INTEGER &&
           read_rest(reader);
}

static bool read_update(struct reader *reader)
{
    struct sql_span table, column;
    next(reader);
    skip_or(reader);
    if (!read_name(reader, &table) || !is_word(reader, "SET"))
        return false;
    do {
        next(reader);
        if (!read_name(reader, &column) || !is_equals(reader))
            return false;
        next(reader);
        if (!read_item(reader, ends_set))
            return false;
    } while (is(reader, ','));
    return read_key(reader, table);
}

static bool read_delete(struct reader *reader)
{
    struct sql_span table;
    next(reader);
    if (!is_word(reader, "FROM"))
        return false;
    next(reader);
    return read_name(reader, &table) && read_key(reader, table);
}

bool sql_literals_lift(const char *sql, size_t len, struct sql_literals *out)
{
    struct reader reader = {.text = sql, .len = len, .out = out};
    out->len = 0;
    out->count = 0;
    out->bytes_used = 0;
    out->bare = false;
    out->key_table = out->key_column = (struct sql_span){NULL, 0};
    next(&reader);
    if (is_word(&reader, "INSERT") || is_word(&reader, "REPLACE"))
        return read_insert(&reader);
    if (is_word(&reader, "UPDATE"))
        return read_update(&reader);
    return is_word(&reader, "DELETE") && read_delete(&reader);
}
