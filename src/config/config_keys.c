/* SPDX-License-Identifier: Apache-2.0 */
#include "config_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "base/base_thread.h"

const struct config_key *config_find_key(const char *section, const char *name)
{
    for (const struct config_key *key = config_keys; key->section != NULL; key++)
        if (strcmp(key->section, section) == 0 && strcmp(key->name, name) == 0)
            return key;
    return NULL;
}

/* ---- Storing ------------------------------------------------------------------------------------------------------ */

static void *field_of(struct config_settings *settings, const struct config_key *key)
{
    return (char *)settings + key->offset;
}

static rhei_status bad_value(const struct config_key *key, const char *text, const char *expected,
                             struct rhei_error *error)
{
    if (key->kind == CONFIG_KIND_SECRET)
        text = "...";
    return error_set(error, RHEI_CONFIG, "%s can't be \"%.80s\": it takes %s", key->name, text, expected);
}

static rhei_status store_text(char **field, const struct config_key *key, const char *text, struct rhei_error *error)
{
    if (text[0] == '\0')
        return bad_value(key, text, "a text that isn't empty; leave the key out to unset it", error);
    char *copy = base_strdup(text);
    if (copy == NULL)
        return error_no_memory(error);
    base_free(*field);
    *field = copy;
    return RHEI_OK;
}

/* "milliseconds, a whole number from 0 to 86400000" */
static rhei_status out_of_range(const struct config_key *key, const char *text, struct rhei_error *error)
{
    char expected[128];
    snprintf(expected, sizeof expected, "%s%sa whole number from %s", key->unit == NULL ? "" : key->unit,
             key->unit == NULL ? "" : ": ", key->range);
    return bad_value(key, text, expected, error);
}

static rhei_status store_number(uint64_t *field, const struct config_key *key, const char *text,
                                struct rhei_error *error)
{
    uint64_t value = 0;
    size_t digits = strspn(text, "0123456789");
    bool good = digits > 0 && digits <= 18 && text[digits] == '\0';
    for (size_t i = 0; good && i < digits; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    if (!good || value < key->least || value > key->most)
        return out_of_range(key, text, error);
    *field = value;
    return RHEI_OK;
}

static rhei_status store_bytes(uint64_t *field, const struct config_key *key, const char *text,
                               struct rhei_error *error)
{
    uint64_t bytes;
    char expected[160];
    if (config_parse_bytes(text, base_total_memory(), &bytes) && bytes >= key->least && bytes <= key->most) {
        *field = bytes;
        return RHEI_OK;
    }
    snprintf(expected, sizeof expected,
             "a size such as \"4GB\", \"512MiB\", \"50%%\" or \"half\" of the machine, from %s", key->range);
    return bad_value(key, text, expected, error);
}

void config_choices(const struct config_key *key, struct base_buffer *out)
{
    const struct config_choice *last = NULL;
    const size_t start = out->len;
    for (const struct config_choice *choice = key->choices; choice->name != NULL; choice++)
        last = choice->later ? last : choice;
    for (const struct config_choice *choice = key->choices; choice->name != NULL; choice++)
        if (!choice->later)
            base_buffer_format(out, "%s%s", out->len == start ? "" : choice == last ? " or " : ", ", choice->name);
}

rhei_status config_store_choice(int *field, const struct config_key *key, const char *text, struct rhei_error *error)
{
    const struct config_choice *choice = key->choices;
    while (choice->name != NULL && base_fold_compare(choice->name, text) != 0)
        choice++;
    if (choice->name != NULL) {
        *field = choice->value;
        return RHEI_OK;
    }
    struct base_buffer names = {0};
    config_choices(key, &names);
    rhei_status status = names.failed ? error_no_memory(error) : bad_value(key, text, names.data, error);
    base_buffer_reset(&names);
    return status;
}

static rhei_status store_boolean(bool *field, const struct config_key *key, const char *text, struct rhei_error *error)
{
    bool yes = strcmp(text, "true") == 0;
    if (!yes && strcmp(text, "false") != 0)
        return bad_value(key, text, "true or false", error);
    *field = yes;
    return RHEI_OK;
}

rhei_status config_store(struct config_settings *settings, const struct config_key *key, const char *text,
                         struct rhei_error *error)
{
    void *field = field_of(settings, key);
    struct config_freshness freshness;
    switch ((enum config_kind)key->kind) {
    case CONFIG_KIND_TEXT:
    case CONFIG_KIND_SECRET:
        return store_text(field, key, text, error);
    case CONFIG_KIND_NUMBER:
        return store_number(field, key, text, error);
    case CONFIG_KIND_BOOLEAN:
        return store_boolean(field, key, text, error);
    case CONFIG_KIND_CHOICE:
        return config_store_choice(field, key, text, error);
    case CONFIG_KIND_BYTES:
        return store_bytes(field, key, text, error);
    case CONFIG_KIND_FRESHNESS:
        if (!config_parse_freshness(text, &freshness))
            return bad_value(key, text, "latest, bounded:MILLISECONDS or eventual", error);
        *(struct config_freshness *)field = freshness;
        return RHEI_OK;
    }
    return error_set(error, RHEI_INTERNAL, "setting %s has no kind", key->name);
}

void config_set_origin(struct config_settings *settings, const struct config_key *key, char *origin)
{
    char **slot = &settings->origins[key - config_keys];
    base_free(*slot);
    *slot = origin;
}

/* ---- Showing ------------------------------------------------------------------------------------------------------ */

void config_quote(struct base_buffer *out, const char *text)
{
    base_buffer_char(out, '"');
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            base_buffer_format(out, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7F)
            base_buffer_format(out, "\\u%04X", byte);
        else
            base_buffer_char(out, *text);
    }
    base_buffer_char(out, '"');
}

static const char *choice_name(const struct config_choice *choice, int value)
{
    while (choice->name != NULL && choice->value != value)
        choice++;
    return choice->name == NULL ? "" : choice->name;
}

bool config_show(const struct config_settings *settings, const struct config_key *key, struct base_buffer *out)
{
    const void *field = (const char *)settings + key->offset;
    const struct config_freshness *freshness = field;
    switch ((enum config_kind)key->kind) {
    case CONFIG_KIND_SECRET:
        return false;
    case CONFIG_KIND_TEXT:
        if (*(char *const *)field == NULL)
            return false;
        config_quote(out, *(char *const *)field);
        return true;
    case CONFIG_KIND_BYTES:
        if (*(const uint64_t *)field == 0) /* not set: no size may be 0 */
            return false;
        base_buffer_format(out, "%" PRIu64, *(const uint64_t *)field);
        return true;
    case CONFIG_KIND_NUMBER:
        base_buffer_format(out, "%" PRIu64, *(const uint64_t *)field);
        return true;
    case CONFIG_KIND_BOOLEAN:
        base_buffer_text(out, *(const bool *)field ? "true" : "false");
        return true;
    case CONFIG_KIND_CHOICE:
        config_quote(out, choice_name(key->choices, *(const int *)field));
        return true;
    case CONFIG_KIND_FRESHNESS:
        if (freshness->kind == CONFIG_BOUNDED)
            base_buffer_format(out, "\"bounded:%" PRIu64 "\"", freshness->bound_ms);
        else
            config_quote(out, freshness->kind == CONFIG_LATEST ? "latest" : "eventual");
        return true;
    }
    return false;
}
