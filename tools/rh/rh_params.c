/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_params.h"

#include "rh_number.h"
#include "rh_text.h"

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

static bool add_blob(struct rh_params *params, const char *hex, struct rhei_value *value)
{
    struct rh_buffer bytes = {0};
    rh_buffer_reserve(&bytes, strlen(hex) / 2);
    if (!rh_parse_blob(hex, strlen(hex), &bytes) && !rh_parse_hex(hex, strlen(hex), &bytes)) {
        rh_buffer_free(&bytes);
        return false;
    }
    params->owned = rh_reallocate(params->owned, (params->owned_count + 1) * sizeof *params->owned);
    params->owned[params->owned_count++] = bytes.bytes;
    *value = bytes_value(RHEI_BLOB, bytes.bytes, bytes.length);
    return true;
}

bool rh_params_add(struct rh_params *params, const char *text, struct rh_buffer *why)
{
    struct rhei_value value = {.type = RHEI_NULL};
    bool good = true;
    const char *wanted = "";
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
    params->values = rh_reallocate(params->values, (params->count + 1) * sizeof *params->values);
    params->values[params->count++] = value;
    return true;
}

void rh_params_free(struct rh_params *params)
{
    for (size_t at = 0; at < params->owned_count; at++)
        free(params->owned[at]);
    free(params->owned);
    free(params->values);
    *params = (struct rh_params){0};
}
