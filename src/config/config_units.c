/* SPDX-License-Identifier: Apache-2.0 */
/* Values with a form of their own: sizes, freshness, column types. */
#include <limits.h>
#include <string.h>

#include "base/base_map.h"
#include "config/config_settings.h"

/* Digits at *at, which it passes. */
static bool parse_digits(const char **at, uint64_t *out)
{
    const char *first = *at;
    *out = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        uint64_t digit = (uint64_t)(**at - '0');
        if (*out > (UINT64_MAX - digit) / 10)
            return false;
        *out = *out * 10 + digit;
    }
    return *at > first;
}

bool config_parse_freshness(const char *text, struct config_freshness *out)
{
    static const char bounded[] = "bounded:";
    *out = (struct config_freshness){.kind = CONFIG_LATEST};
    if (strcmp(text, "latest") == 0)
        return true;
    if (strcmp(text, "eventual") == 0) {
        out->kind = CONFIG_EVENTUAL;
        return true;
    }
    if (strncmp(text, bounded, sizeof bounded - 1) != 0)
        return false;
    text += sizeof bounded - 1;
    out->kind = CONFIG_BOUNDED;
    if (!parse_digits(&text, &out->bound_ms))
        return false;
    if (strcmp(text, "ms") == 0)
        text += 2;
    return *text == '\0' && out->bound_ms <= INT64_MAX / 1000000; /* it is counted in nanoseconds */
}

static bool size_unit(const char *text, uint64_t *factor)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"KB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
    };
    while (*text == ' ')
        text++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        *factor = units[i].factor;
        if (base_fold_compare(text, units[i].name) == 0)
            return true;
    }
    return false;
}

bool config_parse_bytes(const char *text, uint64_t whole, uint64_t *out)
{
    uint64_t number, factor;
    if (strcmp(text, "half") == 0) {
        *out = whole / 2;
        return true;
    }
    if (!parse_digits(&text, &number))
        return false;
    if (strcmp(text, "%") == 0) {
        *out = whole / 100 * number;
        return number >= 1 && number <= 100;
    }
    if (!size_unit(text, &factor) || number > INT64_MAX / factor)
        return false;
    *out = number * factor;
    return true;
}

/* "(10,2)" or "(10)". */
static bool parse_precision(const char *text, struct config_column *column)
{
    uint64_t precision, scale = 0;
    if (*text++ != '(')
        return false;
    while (*text == ' ')
        text++;
    if (!parse_digits(&text, &precision))
        return false;
    while (*text == ' ' || *text == ',')
        if (*text++ == ',') {
            while (*text == ' ')
                text++;
            if (!parse_digits(&text, &scale))
                return false;
            break;
        }
    while (*text == ' ')
        text++;
    if (strcmp(text, ")") != 0 || precision < 1 || precision > 38 || scale > precision)
        return false;
    column->precision = (int)precision;
    column->scale = (int)scale;
    return true;
}

bool config_parse_type(const char *text, struct config_column *column)
{
    static const struct {
        const char *name;
        int type;
    } types[] = {
        {"int8", CONFIG_INT8},       {"int16", CONFIG_INT16},         {"int32", CONFIG_INT32},
        {"int64", CONFIG_INT64},     {"uint8", CONFIG_UINT8},         {"uint16", CONFIG_UINT16},
        {"uint32", CONFIG_UINT32},   {"uint64", CONFIG_UINT64},       {"float32", CONFIG_FLOAT32},
        {"float64", CONFIG_FLOAT64}, {"double", CONFIG_FLOAT64},      {"real", CONFIG_FLOAT64},
        {"text", CONFIG_TEXT},       {"utf8", CONFIG_TEXT},           {"string", CONFIG_TEXT},
        {"varchar", CONFIG_TEXT},    {"boolean", CONFIG_BOOLEAN},     {"bool", CONFIG_BOOLEAN},
        {"binary", CONFIG_BINARY},   {"blob", CONFIG_BINARY},         {"date", CONFIG_DATE},
        {"time", CONFIG_TIME},       {"timestamp", CONFIG_TIMESTAMP}, {"timestamptz", CONFIG_TIMESTAMPTZ},
        {"json", CONFIG_JSON},       {"uuid", CONFIG_UUID},           {"integer", CONFIG_INT64},
    };
    static const char decimal[] = "decimal";
    column->precision = 0;
    column->scale = 0;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (base_fold_compare(text, types[i].name) == 0) {
            column->type = types[i].type;
            return true;
        }
    }
    size_t len = strlen(text);
    if (len < sizeof decimal || !base_fold_equal(text, sizeof decimal - 1, decimal, sizeof decimal - 1))
        return false;
    column->type = CONFIG_DECIMAL;
    return parse_precision(text + sizeof decimal - 1, column);
}
