/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_sql_request.h"

#include "rh_text.h"

#include <stdlib.h>
#include <string.h>

static char *own(struct rh_sql_request *request, const void *bytes, size_t length)
{
    request->owned = rh_reallocate(request->owned, (request->owned_count + 1) * sizeof *request->owned);
    char *copy = rh_copy_text(length == 0 ? "" : bytes, length);
    request->owned[request->owned_count++] = copy;
    return copy;
}

static void add_value(struct rh_sql_request *request, struct rhei_value value)
{
    request->values = rh_reallocate(request->values, (request->value_count + 1) * sizeof *request->values);
    request->values[request->value_count++] = value;
}

/* {"base64": "..."}: `text` is what is in it. */
static bool add_blob(struct rh_sql_request *request, const char *text, size_t length)
{
    struct rh_buffer bytes = {0};
    bool good = text != NULL && rh_parse_base64(text, length, &bytes);
    if (good)
        add_value(request, rhei_blob(own(request, bytes.bytes, bytes.length), bytes.length));
    rh_buffer_free(&bytes);
    return good;
}

static bool is_hex(const char *text, const char *end, const char *first, const char *second)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    return end - text >= 4 && memchr(first, text[0], strlen(first)) != NULL &&
           memchr(second, text[1], strlen(second)) != NULL && memchr(digits, text[2], sizeof digits - 1) != NULL &&
           memchr(digits, text[3], sizeof digits - 1) != NULL;
}

/* Half a character, as \uD800 is, can be no text: SQLite would make bytes of it that nobody reads as what was sent. */
static bool has_half_character(const char *text, size_t length)
{
    static const char high[] = "89abAB", low[] = "cdefCDEF";
    const char *end = text + length;
    for (const char *at = text; (at = memchr(at, '\\', (size_t)(end - at))) != NULL && end - at > 2;) {
        bool escape = at[1] == 'u';
        at += 2;
        if (!escape)
            continue;
        if (is_hex(at, end, "dD", low))
            return true;
        if (!is_hex(at, end, "dD", high))
            continue;
        if (end - at < 10 || at[4] != '\\' || at[5] != 'u' || !is_hex(at + 6, end, "dD", low))
            return true;
        at += 10;
    }
    return false;
}

static bool add_param(struct rh_sql_request *request, rhei_rows *rows, bool named, struct rh_buffer *why)
{
    const char *type = rhei_rows_text(rows, 1);
    struct rhei_value value = rhei_rows_value(rows, 2);
    if (strcmp(type, "integer") == 0 && value.type != RHEI_INTEGER) { /* SQLite makes another number of it */
        if (named)
            rh_buffer_format(why, "parameter \"%.60s\"", rhei_rows_text(rows, 0));
        else
            rh_buffer_format(why, "parameter %zu", request->value_count + 1);
        rh_buffer_add_text(why, " is a whole number beyond 64 bits: send it as a text, or as 1e20 for about it");
        return false;
    }
    if (named) {
        const char *name = rhei_rows_text(rows, 0);
        add_value(request, rhei_name(own(request, name, strlen(name))));
    }
    if (strcmp(type, "object") == 0) {
        struct rhei_value inner = rhei_rows_value(rows, 3);
        if (inner.type == RHEI_TEXT && add_blob(request, inner.as.bytes, inner.length))
            return true;
        rh_buffer_add_text(why, "an object in params is a BLOB: {\"base64\": \"...\"}, with its padding");
        return false;
    }
    if (strcmp(type, "array") == 0) {
        rh_buffer_add_text(
            why, "params has an array in it: a value is a number, a text, true, false, null or {\"base64\": ..}");
        return false;
    }
    if (value.type == RHEI_TEXT)
        value = rhei_text_n(own(request, value.as.bytes, value.length), value.length);
    add_value(request, value);
    return true;
}

static bool read_params(rhei_db *db, struct rhei_value body, bool named, struct rh_sql_request *request,
                        struct rh_buffer *why)
{
    static const char sql[] =
        "SELECT key, type, atom, CASE type WHEN 'object' THEN json_extract(value, '$.base64') END "
        "FROM json_each(?, '$.params')";
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    bool good = rhei_oltp_query(db, sql, RHEI_PARAMS(body), &rows, &error) == RHEI_OK;
    while (good && rhei_rows_next(rows, &error) == RHEI_ROW)
        good = add_param(request, rows, named, why);
    if (error.code != RHEI_OK)
        rh_buffer_add_text(why, error.message);
    rhei_rows_close(&rows);
    return good && error.code == RHEI_OK;
}

static bool take_text(const char *key, rhei_rows *rows, char **to, struct rh_buffer *why)
{
    struct rhei_value text = rhei_rows_value(rows, 2);
    bool whole = text.type == RHEI_TEXT && (text.length == 0 || memchr(text.as.bytes, 0, text.length) == NULL);
    if (!whole || *to != NULL) {
        rh_buffer_format(why, whole ? "%s is there twice" : "%s is a text in JSON, without a NUL", key);
        return false;
    }
    *to = rh_copy_text(text.length == 0 ? "" : text.as.bytes, text.length);
    return true;
}

static bool take_member(rhei_db *db, struct rhei_value body, rhei_rows *rows, struct rh_sql_request *request,
                        struct rh_buffer *why)
{
    const char *key = rhei_rows_text(rows, 0), *type = rhei_rows_text(rows, 1), *text = rhei_rows_text(rows, 2);
    text = text == NULL ? "" : text;
    if (strcmp(key, "sql") == 0)
        return take_text(key, rows, &request->sql, why);
    if (strcmp(key, "as_of") == 0)
        return take_text(key, rows, &request->as_of, why);
    if (strcmp(key, "route") == 0)
        return rh_args_route(&request->args, key, text, why);
    if (strcmp(key, "freshness") == 0)
        return rh_args_freshness(&request->args, key, text, why);
    if (strcmp(key, "timeout_ms") == 0 && strcmp(type, "integer") == 0 && rhei_rows_int64(rows, 2) > 0) {
        request->args.timeout_ms = rhei_rows_int64(rows, 2);
        return true;
    }
    if (strcmp(key, "params") == 0 && (strcmp(type, "array") == 0 || strcmp(type, "object") == 0))
        return request->value_count == 0 && read_params(db, body, type[0] == 'o', request, why);
    if (strcmp(key, "timeout_ms") == 0 || strcmp(key, "params") == 0)
        rh_buffer_add_text(why, key[0] == 't' ? "timeout_ms is a whole number of milliseconds, from 1"
                                              : "params is an array, or an object of names and values");
    else
        rh_buffer_format(why,
                         "there is no \"%.40s\" in a request: it has sql, params, route, freshness, as_of and "
                         "timeout_ms",
                         key);
    return false;
}

bool rh_sql_request_read(rhei_db *db, const char *body, size_t length, struct rh_sql_request *request,
                         struct rh_buffer *why)
{
    static const char sql[] = "SELECT key, type, atom FROM json_each(CASE WHEN json_valid(?1) AND json_type(?1) = "
                              "'object' THEN ?1 ELSE '[0]' END)";
    const struct rhei_value json = rhei_text_n(body, length);
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    *request = (struct rh_sql_request){0};
    size_t whole = rh_utf8_valid(body, length);
    if (whole < length || has_half_character(body, length)) {
        if (whole < length)
            rh_buffer_format(why, "the body isn't UTF-8, which JSON is: byte %zu", whole + 1);
        else
            rh_buffer_add_text(why,
                               "the body has half a character, a \\uD800 to \\uDFFF without the other of its pair");
        return false;
    }
    bool good = rhei_oltp_query(db, sql, RHEI_PARAMS(json), &rows, &error) == RHEI_OK;
    while (good && rhei_rows_next(rows, &error) == RHEI_ROW) {
        if (rhei_rows_value(rows, 0).type == RHEI_TEXT) {
            good = take_member(db, json, rows, request, why);
        } else {
            rh_buffer_add_text(why, "the body isn't one object of JSON, as {\"sql\": \"SELECT 1\"}");
            good = false;
        }
    }
    rhei_rows_close(&rows);
    if (error.code != RHEI_OK)
        rh_buffer_add_text(why, error.message);
    else if (good && request->sql == NULL)
        rh_buffer_add_text(why, "there is no \"sql\" in the request");
    return good && error.code == RHEI_OK && request->sql != NULL;
}

void rh_sql_request_free(struct rh_sql_request *request)
{
    for (size_t at = 0; at < request->owned_count; at++)
        free(request->owned[at]);
    free(request->owned);
    free(request->values);
    free(request->sql);
    free(request->as_of);
    *request = (struct rh_sql_request){0};
}
