/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_memory.h"
#include "sql/sql.h"
#include "sql/sql_lexer.h"
#include "sql/sql_number.h"
#include "sql_grammar.h"

/* A byte that no legal text contains stands before a literal's class. */
enum { LITERAL_MARK = 1 };

static void fold_into(struct base_buffer *key, struct sql_token token)
{
    size_t start = key->len;
    base_buffer_append(key, token.text, token.length);
    if (key->failed || token.code == SQL_T_VARIABLE)
        return;
    for (size_t i = start; i < key->len; i++)
        if (key->data[i] >= 'A' && key->data[i] <= 'Z')
            key->data[i] = (char)(key->data[i] | 0x20);
}

static bool is_literal(int code)
{
    return code == SQL_T_INTEGER || code == SQL_T_FLOAT || code == SQL_T_STRING || code == SQL_T_BLOB;
}

static void decode_number(struct sql_token token, struct sql_literal *literal)
{
    literal->value.type = RHEI_INTEGER;
    if (token.code == SQL_T_INTEGER && sql_number_integer(token.text, token.length, &literal->value.as.integer))
        return;
    literal->value.type = RHEI_REAL;
    literal->value.as.real = sql_number_real(token.text, token.length);
}

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

/* Until all is done `length` alone is set: the buffer may still move (see point_literals). */
static void decode_bytes(struct sql_normal *normal, struct sql_token token, struct sql_literal *literal)
{
    size_t start = normal->bytes.len;
    BASE_INVARIANT(token.length >= 2);
    BASE_INVARIANT(token.code == SQL_T_STRING || token.length % 2 == 1);
    if (token.code == SQL_T_STRING) {
        literal->value.type = RHEI_TEXT;
        for (uint32_t i = 1; i + 1 < token.length; i++) {
            if (token.text[i] == '\'')
                i++;
            base_buffer_char(&normal->bytes, token.text[i]);
        }
    } else {
        literal->value.type = RHEI_BLOB;
        for (uint32_t i = 2; i + 2 < token.length; i += 2)
            base_buffer_char(&normal->bytes, (char)(hex_digit(token.text[i]) << 4 | hex_digit(token.text[i + 1])));
    }
    literal->value.length = (uint32_t)(normal->bytes.len - start);
}

static bool add_literal(struct sql_normal *normal, const char *text, struct sql_token token)
{
    static const char marks[] = {[RHEI_INTEGER] = 'i', [RHEI_REAL] = 'r', [RHEI_TEXT] = 't', [RHEI_BLOB] = 'b'};
    if (!base_grow((void **)&normal->literals, &normal->capacity, (size_t)normal->literal_count + 1,
                   sizeof *normal->literals))
        return false;
    struct sql_literal *literal = &normal->literals[normal->literal_count++];
    *literal = (struct sql_literal){.offset = (uint32_t)(token.text - text), .length = token.length};
    if (token.code == SQL_T_STRING || token.code == SQL_T_BLOB)
        decode_bytes(normal, token, literal);
    else
        decode_number(token, literal);
    BASE_INVARIANT(literal->value.type < sizeof marks && marks[literal->value.type] != 0);
    base_buffer_char(&normal->key, LITERAL_MARK);
    base_buffer_char(&normal->key, marks[literal->value.type]);
    return true;
}

static void point_literals(struct sql_normal *normal)
{
    size_t position = 0;
    for (uint32_t i = 0; i < normal->literal_count; i++) {
        struct rhei_value *value = &normal->literals[i].value;
        if (value->type != RHEI_TEXT && value->type != RHEI_BLOB)
            continue;
        value->as.bytes = normal->bytes.data ? normal->bytes.data + position : "";
        position += value->length;
    }
    BASE_INVARIANT(position == normal->bytes.len);
}

rhei_status sql_normalise(const char *text, size_t len, struct sql_normal *normal, struct rhei_error *error)
{
    base_buffer_clear(&normal->key);
    base_buffer_clear(&normal->bytes);
    normal->literal_count = 0;
    len = text ? strnlen(text, len) : 0;
    size_t position = 0, kept = 0;
    for (;;) {
        struct sql_token token = len ? sql_lex_word(text + position, len - position) : (struct sql_token){0};
        if (token.code == SQL_LEX_END)
            break;
        position = (size_t)(token.text - text) + token.length;
        if (token.code >= SQL_LEX_ILLEGAL) {
            rhei_status status = error_set(error, RHEI_SQL, "unrecognized token: \"%.*s\"",
                                           token.length > 60 ? 60 : (int)token.length, token.text);
            return status;
        }
        if (normal->key.len)
            base_buffer_char(&normal->key, ' ');
        if (!is_literal(token.code)) {
            bool quoted = token.text[0] == '"' || token.text[0] == '`' || token.text[0] == '[';
            if (quoted)
                base_buffer_append(&normal->key, token.text, token.length);
            else
                fold_into(&normal->key, token);
        } else if (!add_literal(normal, text, token)) {
            return error_no_memory(error);
        }
        if (token.code != SQL_T_SEMI)
            kept = normal->key.len;
    }
    if (normal->key.failed || normal->bytes.failed)
        return error_no_memory(error);
    if (normal->key.data) {
        normal->key.len = kept;
        normal->key.data[kept] = 0;
    }
    BASE_INVARIANT(kept <= normal->key.len);
    point_literals(normal);
    return RHEI_OK;
}

void sql_normal_reset(struct sql_normal *normal)
{
    base_buffer_reset(&normal->key);
    base_buffer_reset(&normal->bytes);
    base_free(normal->literals);
    *normal = (struct sql_normal){0};
}
