/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_params.h"

#include "rh_lex.h"
#include "rh_number.h"
#include "rh_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static struct rhei_value real_value(double real)
{
    return (struct rhei_value){.as.real = real, .type = RHEI_REAL};
}

static struct rhei_value integer_value(int64_t integer)
{
    return (struct rhei_value){.as.integer = integer, .type = RHEI_INTEGER};
}

static struct rhei_value bytes_value(uint8_t type, const char *bytes, size_t length)
{
    return (struct rhei_value){.as.bytes = bytes, .length = (uint32_t)length, .type = type};
}

static struct rhei_value guess(const char *text)
{
    size_t length = strlen(text);
    int64_t integer;
    double real;
    if (rh_is_canonical_integer(text, length) && rh_parse_integer(text, length, &integer))
        return integer_value(integer);
    /* "007", "+5" and numbers beyond 64 bits are codes: they stay as they were written */
    bool whole = strspn(text, "+-0123456789") == length;
    if (!whole && rh_parse_real(text, length, &real))
        return real_value(real);
    return bytes_value(RHEI_TEXT, text, length);
}

static void keep(struct rh_params *params, char *owned)
{
    params->owned = rh_reallocate(params->owned, (params->owned_count + 1) * sizeof *params->owned);
    params->owned[params->owned_count++] = owned;
}

static bool add_blob(struct rh_params *params, const char *hex, struct rhei_value *value)
{
    struct rh_buffer bytes = {0};
    rh_buffer_reserve(&bytes, strlen(hex) / 2);
    if (!rh_parse_blob(hex, strlen(hex), &bytes) && !rh_parse_hex(hex, strlen(hex), &bytes)) {
        rh_buffer_free(&bytes);
        return false;
    }
    keep(params, bytes.bytes);
    *value = bytes_value(RHEI_BLOB, bytes.bytes, bytes.length);
    return true;
}

static void add_value(struct rh_params *params, struct rhei_value value)
{
    params->values = rh_reallocate(params->values, (params->count + 1) * sizeof *params->values);
    params->values[params->count++] = value;
}

/* Bytes of a name's letters. */
static size_t name_length(const char *text)
{
    size_t length = 0;
    while (isalnum((unsigned char)text[length]) || text[length] == '_' || (text[length] & 0x80) != 0)
        length++;
    return length;
}

/* What stands before the value: ":id=", with the name's length; 0: no name does. */
static size_t take_name(struct rh_params *params, const char *text)
{
    size_t length = strchr(":@$", text[0]) != NULL && text[0] != '\0' ? name_length(text + 1) : 0;
    if (length == 0 || text[length + 1] != '=')
        return 0;
    keep(params, rh_copy_text(text, length + 1));
    add_value(params, rhei_name(params->owned[params->owned_count - 1]));
    return length + 2;
}

bool rh_params_add(struct rh_params *params, const char *given, struct rh_buffer *why)
{
    struct rhei_value value = {.type = RHEI_NULL};
    bool good = true;
    const char *wanted = "", *text = given + take_name(params, given);
    size_t name = text == given ? name_length(text) : 0;
    if (name > 0 && text[name] == '=') {
        params->doubtful = rh_reallocate(params->doubtful, (params->doubtful_count + 1) * sizeof *params->doubtful);
        params->doubtful[params->doubtful_count++] = text;
    }
    if (strncmp(text, "int:", 4) == 0) {
        value.type = RHEI_INTEGER;
        good = rh_parse_integer(text + 4, strlen(text + 4), &value.as.integer);
        wanted = "an integer of 64 bits";
    } else if (strncmp(text, "real:", 5) == 0) {
        value.type = RHEI_REAL;
        good = rh_parse_real(text + 5, strlen(text + 5), &value.as.real);
        wanted = "a number";
    } else if (strncmp(text, "blob:", 5) == 0) {
        good = add_blob(params, text + 5, &value);
        wanted = "hex digits in pairs, or x'..' around them";
    } else if (strncmp(text, "text:", 5) == 0) {
        value = bytes_value(RHEI_TEXT, text + 5, strlen(text + 5));
    } else if (strcmp(text, "null") != 0) {
        value = guess(text);
    }
    if (!good) {
        rh_buffer_format(why, "--param %s: after the colon goes %s; text that begins like this is written text:%s",
                         text, wanted, text);
        return false;
    }
    add_value(params, value);
    return true;
}

bool rh_params_check(const struct rh_params *params, const char *sql, size_t length, struct rh_buffer *why)
{
    for (size_t each = 0; each < params->doubtful_count; each++) {
        const char *text = params->doubtful[each];
        size_t name = name_length(text);
        for (size_t at = 0; at < length;) {
            struct rh_token token = rh_lex(sql, length, at);
            if (token.kind == RH_TOKEN_END)
                break;
            bool may = (token.kind == RH_TOKEN_SIGN || token.kind == RH_TOKEN_WORD) && strchr(":@$", sql[at]) != NULL;
            if (may && length - at > name && name_length(sql + at + 1) == name &&
                memcmp(sql + at + 1, text, name) == 0) {
                rh_buffer_format(why,
                                 "--param %s is a text for the next ?, and the statement has %c%.*s: write --param "
                                 "'%c%s', or text:%s where the text is meant",
                                 text, sql[at], (int)name, text, sql[at], text, text);
                return false;
            }
            at += token.length;
        }
    }
    return true;
}

void rh_params_free(struct rh_params *params)
{
    for (size_t at = 0; at < params->owned_count; at++)
        free(params->owned[at]);
    free(params->owned);
    free(params->values);
    free(params->doubtful);
    *params = (struct rh_params){0};
}
