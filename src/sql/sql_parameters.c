/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite's numbering (sqlite3ExprAssignVarNumber): `?` is one more than the largest so far, `?NNN` is NNN, a name that was there
 * before has the number that it had, another one is one more than the largest.
 */
#include "sql/sql_parameters.h"

#include <string.h>

#include "base/base_invariant.h"
#include "base/base_memory.h"
#include "sql/sql_lexer.h"
#include "sql/sql_native_lexer.h"
#include "sql_grammar.h"

static uint32_t written_number(const char *text, size_t len)
{
    uint32_t number = 0;
    for (size_t i = 1; i < len && number <= SQL_PARAMETER_NUMBER_MAX; i++)
        number = number * 10 + (uint32_t)(text[i] - '0');
    return number;
}

uint32_t sql_parameter_number(const struct sql_parameter_names *names, const char *name, size_t len)
{
    for (uint32_t i = 0; i < names->count; i++)
        if (names->names[i].length == len && memcmp(names->names[i].text, name, len) == 0)
            return names->names[i].number;
    return 0;
}

static bool add_name(struct sql_parameter_names *names, const struct sql_token *token, uint32_t number)
{
    if ((names->count & (names->count - 1)) == 0) { /* full at every power of two */
        size_t room = names->count == 0 ? 1 : (size_t)names->count * 2;
        struct sql_parameter_name *grown = base_realloc(names->names, room * sizeof *grown);
        if (grown == NULL)
            return false;
        names->names = grown;
    }
    BASE_INVARIANT(number > 0 && token->length > 1);
    names->names[names->count++] = (struct sql_parameter_name){token->text, token->length, number};
    return true;
}

/* Its number is written in it. */
static bool is_numbered(const struct sql_token *token, bool native)
{
    bool digits = true;
    for (uint32_t i = 1; i < token->length; i++)
        digits = digits && token->text[i] >= '0' && token->text[i] <= '9';
    return token->text[0] == '?' || (native && digits);
}

static bool add(struct sql_parameter_names *names, const struct sql_token *token, bool native)
{
    uint32_t number = names->largest + 1;
    if (token->length > 1) {
        uint32_t known = sql_parameter_number(names, token->text, token->length);
        if (known != 0)
            return true;
        if (is_numbered(token, native))
            number = written_number(token->text, token->length);
        if (number == 0 || number > SQL_PARAMETER_NUMBER_MAX) {
            names->beyond = true;
            return true;
        }
        if (!add_name(names, token, number))
            return false;
    }
    if (number > names->largest)
        names->largest = number;
    names->beyond = names->beyond || number > SQL_PARAMETER_NUMBER_MAX;
    return true;
}

bool sql_parameter_names_read(const char *sql, size_t len, struct sql_parameter_names *out)
{
    *out = (struct sql_parameter_names){0};
    for (size_t at = 0;;) {
        struct sql_token token = sql_lex(sql + at, len - at);
        if (token.code == SQL_LEX_END)
            return true;
        if (token.code == SQL_T_VARIABLE && !add(out, &token, false)) {
            sql_parameter_names_reset(out);
            return false;
        }
        BASE_INVARIANT(token.length > 0 && token.length <= len - at);
        at += token.length;
    }
}

/* "?", "?2", "$2" or "$name" that begins with this sign, and where it ends. */
static struct sql_token native_parameter(const struct sql_native_token *sign, const char **end)
{
    size_t digits = strspn(sign->end, "0123456789");
    struct sql_native_token name = sql_native_next(sign->end);
    bool named = *sign->start == '$' && name.kind == SQL_NATIVE_NAME && !name.quoted && name.start == sign->end;
    *end = named ? name.end : sign->end + digits;
    return (struct sql_token){sign->start, (uint32_t)(*end - sign->start), SQL_T_VARIABLE};
}

/* `a name`: MySQL's quotes, which DataFusion takes too and which are an error of DuckDB's. */
static const char *behind_backtick(const char *text)
{
    const char *end = strchr(text, '`');
    return end == NULL ? text + strlen(text) : end + 1;
}

bool sql_native_parameter_next(const char **at, const char *end, struct sql_native_parameter *out)
{
    for (;;) {
        struct sql_native_token token = sql_native_next(*at);
        if (token.kind == SQL_NATIVE_END || token.kind == SQL_NATIVE_UNCLOSED || token.start >= end)
            return false;
        *at = token.end;
        if (sql_native_sign(&token, '`'))
            *at = behind_backtick(*at);
        if (!sql_native_sign(&token, '?') && !sql_native_sign(&token, '$'))
            continue;
        struct sql_token written = native_parameter(&token, at);
        if (written.length == 1 && *written.text == '$') /* a sign of operators */
            continue;
        bool numbered = written.length > 1 && is_numbered(&written, true);
        *out = (struct sql_native_parameter){written.text, written.length,
                                             numbered ? written_number(written.text, written.length) : 0};
        return true;
    }
}

bool sql_parameter_names_read_native(const char *sql, size_t len, struct sql_parameter_names *out)
{
    struct sql_native_parameter parameter;
    *out = (struct sql_parameter_names){0};
    for (const char *at = sql; sql_native_parameter_next(&at, sql + len, &parameter);) {
        struct sql_token token = {parameter.text, (uint32_t)parameter.length, SQL_T_VARIABLE};
        if (!add(out, &token, true)) {
            sql_parameter_names_reset(out);
            return false;
        }
    }
    return true;
}

rhei_status sql_parameter_numbers_check(const struct sql_parameter_names *names, struct rhei_error *error)
{
    return names->beyond
               ? error_set(error, RHEI_SQL, "variable number must be between ?1 and ?%d", SQL_PARAMETER_NUMBER_MAX)
               : RHEI_OK;
}

rhei_status sql_parameters_count_native(const char *sql, size_t len, uint32_t *count, struct rhei_error *error)
{
    struct sql_parameter_names names;
    if (!sql_parameter_names_read_native(sql, len, &names))
        return error_no_memory(error);
    rhei_status status = sql_parameter_numbers_check(&names, error);
    *count = names.largest;
    sql_parameter_names_reset(&names);
    return status;
}

void sql_parameter_names_reset(struct sql_parameter_names *names)
{
    base_free(names->names);
    *names = (struct sql_parameter_names){0};
}
