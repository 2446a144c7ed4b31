/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The times and positions of questions about the past.
 *
 *   1. What is given becomes a number here, microseconds or a position: a literal at once, a parameter in its value, anything else by asking SQLite for it.
 *   2. A parameter that is a time is nothing else in the statement, since its value is another one then.
 */
#include "engine/engine_history.h"

#include "engine/engine_history_rewrite.h"

#include <inttypes.h>

/* ---- Parameters. --------------------------------------------------------------------------------------------------- */

uint32_t engine_history_parameter(struct rewriter *r, struct sql_token token)
{
    char first = token.code == SQL_LEX_END ? '\0' : token.text[0];
    if (first != '?' && first != ':' && first != '@' && first != '$')
        return 0;
    uint32_t number = 0;
    for (uint32_t i = 1; first == '?' && i < token.length && number < MOST_PARAMETERS; i++)
        number = number * 10 + (uint32_t)(token.text[i] - '0');
    for (uint32_t p = 0; first != '?' && p < r->parameter_count && number == 0; p++)
        if (r->parameters[p].length == token.length && memcmp(r->parameters[p].text, token.text, token.length) == 0)
            number = p + 1;
    if (number == 0)
        number = r->parameter_count + 1;
    if (number > MOST_PARAMETERS)
        return MOST_PARAMETERS;
    if (number > r->parameter_count)
        r->parameter_count = number;
    if (first != '?')
        r->parameters[number - 1] = (struct name){token.text, token.length};
    return number;
}

static rhei_status check_position(const struct rewriter *r, const struct rhei_value *value)
{
    static const char takes[] = "AS OF POSITION takes a whole number from 0 on, as results state it";
    if (value->type == RHEI_INTEGER && value->as.integer >= 0)
        return RHEI_OK;
    if (value->type == RHEI_INTEGER)
        return error_set(r->error, RHEI_INVALID, "%s, and not %" PRId64, takes, value->as.integer);
    static const char *const classes[] = {"NULL", "an INTEGER", "a REAL", "a TEXT", "a BLOB"};
    return error_set(r->error, RHEI_INVALID, "%s, and not %s", takes, classes[value->type]);
}

/* `given` came to `value`. */
static void note_operand(struct rewriter *r, const struct rhei_value *given, const struct rhei_value *value)
{
    r->operand_known = value->type == RHEI_INTEGER;
    r->operand = r->operand_known ? value->as.integer : 0;
    r->operand_number = r->operand_known && engine_time_is_number(given);
}

static rhei_status use_as_time(struct rewriter *r, uint32_t number, bool position, struct sql_token token,
                               struct base_buffer *sql)
{
    if (token.text[0] == '?')
        base_buffer_format(sql, "?%" PRIu32, number);
    else
        base_buffer_append(sql, token.text, token.length);
    if (position) {
        r->is_other[number - 1] = true; /* it stays what it is */
        if (r->values == NULL || number > r->value_count)
            return RHEI_OK;
        note_operand(r, &r->values[number - 1], &r->values[number - 1]);
        return check_position(r, &r->values[number - 1]);
    }
    bool first = !r->is_time[number - 1];
    r->is_time[number - 1] = true;
    if (!first && r->own != NULL && number <= r->value_count)
        note_operand(r, &r->values[number - 1], &r->own[number - 1]);
    if (!first || r->values == NULL || number > r->value_count)
        return RHEI_OK;
    if (r->own == NULL) {
        r->own = base_alloc_zero((size_t)r->value_count + 1, sizeof *r->own);
        if (r->own == NULL)
            return error_no_memory(r->error);
        memcpy(r->own, r->values, r->value_count * sizeof *r->own);
    }
    rhei_status status = engine_time_value(&r->values[number - 1], &r->own[number - 1], r->error);
    note_operand(r, &r->values[number - 1], &r->own[number - 1]);
    return status;
}

/* ---- Times. -------------------------------------------------------------------------------------------------------- */

static rhei_status put_time(struct rewriter *r, const struct rhei_value *value, bool position, struct base_buffer *sql)
{
    struct rhei_value micros = *value;
    rhei_status status = position ? check_position(r, value) : engine_time_value(value, &micros, r->error);
    if (status == RHEI_OK) {
        base_buffer_format(sql, "%" PRId64, micros.as.integer);
        note_operand(r, value, &micros);
    }
    return status;
}

/* Digits alone, of which SQLite would say the same: at most as many as surely fit. */
static bool is_whole_number(const char *text, size_t len, int64_t *number)
{
    *number = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = *number * 10 + (text[i] - '0');
        if (i == 17)
            return false;
    }
    return len > 0;
}

/* Anything constant: SQLite says what it is. */
static rhei_status evaluate(struct rewriter *r, const char *from, size_t len, bool position, struct base_buffer *sql)
{
    struct base_buffer text = {0};
    struct oltp_cursor *cursor = NULL;
    struct rhei_value value = {.type = RHEI_NULL};
    int64_t number;
    if (is_whole_number(from, len, &number)) {
        value = (struct rhei_value){.type = RHEI_INTEGER, .as.integer = number};
        return put_time(r, &value, position, sql);
    }
    base_buffer_text(&text, "SELECT (");
    base_buffer_append(&text, from, len);
    base_buffer_text(&text, ")");
    rhei_status status = text.failed ? error_no_memory(r->error) : RHEI_OK;
    if (status == RHEI_OK)
        status = oltp_read(r->db->oltp, text.data, text.len, NULL, 0, NULL, false, &cursor, r->error);
    if (status == RHEI_OK)
        status = oltp_cursor_next(cursor, r->error);
    bool known = status == RHEI_ROW;
    if (known) {
        oltp_cursor_value(cursor, 0, &value);
        status = put_time(r, &value, position, sql);
    }
    oltp_cursor_close(&cursor);
    base_buffer_reset(&text);
    if (!known)
        error_context(r->error, "the %s of a question about the past has to be a constant or a parameter: ",
                      position ? "position" : "time");
    return status;
}

static bool ends_operand(struct sql_token token, bool complete)
{
    static const char *const words[] = {"SELECT", "AS",    "WHERE",   "JOIN",     "LEFT",  "RIGHT",     "FULL",
                                        "INNER",  "CROSS", "ON",      "USING",    "GROUP", "ORDER",     "HAVING",
                                        "LIMIT",  "UNION", "EXCEPT",  "TO",       "AND",   "INTERSECT", "NATURAL",
                                        "WINDOW", "NOT",   "INDEXED", "RETURNING"};
    if (token.code == SQL_LEX_END || is(token, ",") || is(token, ")") || is(token, ";"))
        return true;
    for (size_t w = 0; w < sizeof words / sizeof words[0] && is_letters(token) && !is_no_keyword(token); w++)
        if (is(token, words[w]))
            return true;
    return complete && is_name(token);
}

rhei_status engine_history_operand(struct rewriter *r, bool position, struct base_buffer *sql)
{
    struct sql_token word = peek(r, r->at);
    bool literal = !position && (is(word, "TIMESTAMP") || is(word, "DATE"));
    if (literal && peek(r, behind(word)).code != SQL_LEX_END && *peek(r, behind(word)).text == '\'')
        r->at = behind(word); /* TIMESTAMP '2026-11-27 10:00:00', as the standard writes it */
    struct sql_token first = peek(r, r->at), token = first;
    const char *last = r->at;
    uint32_t tokens = 0, parameter = 0, used = 0;
    int depth = 0;
    bool complete = false;
    r->operand_known = false;
    r->place = first.code == SQL_LEX_END ? r->at : first.text;
    while (depth > 0 ? token.code != SQL_LEX_END : !ends_operand(token, complete)) {
        depth += is(token, "(") - is(token, ")");
        uint32_t number = engine_history_parameter(r, token);
        parameter = number != 0 ? number : parameter;
        used += number != 0;
        complete = depth == 0 && (number != 0 || is_name(token) || is(token, ")") || token.text[0] == '\'' ||
                                  (token.text[0] >= '0' && token.text[0] <= '9'));
        last = behind(token);
        tokens++;
        token = peek(r, last);
    }
    r->at = last;
    if (tokens == 0)
        return first.code == SQL_LEX_END
                   ? error_set(r->error, RHEI_SQL, "a time or position is missing at the end")
                   : error_set(r->error, RHEI_SQL, "a time or position is missing before \"%.*s\"", (int)first.length,
                               first.text);
    if (tokens == 1 && used == 1)
        return use_as_time(r, parameter, position, first, sql);
    if (used > 0)
        return error_set(r->error, RHEI_UNSUPPORTED,
                         "the time of a question about the past is a constant or a parameter, not made of both");
    return evaluate(r, first.text, (size_t)(last - first.text), position, sql);
}
