/* SPDX-License-Identifier: Apache-2.0 */
#include "config_keys.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_log.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "base/base_thread.h"

static const struct config_choice backends[] = {
    {"duckdb", CONFIG_DUCKDB}, {"datafusion", CONFIG_DATAFUSION}, {NULL, 0}};
static const struct config_choice sync_modes[] = {{"destructive", CONFIG_DESTRUCTIVE}, {"mirror", CONFIG_DESTRUCTIVE},
                                                  {"temporal", CONFIG_TEMPORAL},       {"scd2", CONFIG_TEMPORAL},
                                                  {"scd_type_2", CONFIG_TEMPORAL},     {NULL, 0}};
static const struct config_choice synchronous_modes[] = {{"normal", CONFIG_SYNC_NORMAL},
                                                         {"full", CONFIG_SYNC_FULL},
                                                         {"extra", CONFIG_SYNC_EXTRA},
                                                         {"off", CONFIG_SYNC_OFF},
                                                         {NULL, 0}};
static const struct config_choice log_formats[] = {{"text", CONFIG_LOG_TEXT}, {"json", CONFIG_LOG_JSON}, {NULL, 0}};
static const struct config_choice log_levels[] = {{"error", BASE_LOG_ERROR},  {"warn", BASE_LOG_WARN},
                                                  {"warning", BASE_LOG_WARN}, {"info", BASE_LOG_INFO},
                                                  {"debug", BASE_LOG_DEBUG},  {NULL, 0}};
static const struct config_choice storage_modes[] = {
    {"memory", CONFIG_STORAGE_MEMORY}, {"vortex", CONFIG_STORAGE_VORTEX}, {NULL, 0}};
static const struct config_choice source_types[] = {{"sqlite", CONFIG_SOURCE_SQLITE},
                                                    {"postgres", CONFIG_SOURCE_POSTGRES},
                                                    {"postgresql", CONFIG_SOURCE_POSTGRES},
                                                    {NULL, 0}};
static const struct config_choice source_modes[] = {
    {"poll", CONFIG_SOURCE_POLL}, {"logical", CONFIG_SOURCE_LOGICAL}, {NULL, 0}};
static const struct config_choice delete_modes[] = {{"disabled", CONFIG_DELETE_DISABLED},
                                                    {"soft_delete", CONFIG_DELETE_SOFT},
                                                    {"full_diff", CONFIG_DELETE_FULL_DIFF},
                                                    {NULL, 0}};

#define AT(field) offsetof(struct config_settings, field)
#define TEXT(section, name, initial, field)                          \
    {                                                                \
        section, name, initial, AT(field), CONFIG_KIND_TEXT, 0, NULL \
    }
#define NUMBER(section, name, initial, field, least)                       \
    {                                                                      \
        section, name, initial, AT(field), CONFIG_KIND_NUMBER, least, NULL \
    }
#define FLAG(section, name, initial, field)                             \
    {                                                                   \
        section, name, initial, AT(field), CONFIG_KIND_BOOLEAN, 0, NULL \
    }
#define CHOICE(section, name, initial, field, choices)                    \
    {                                                                     \
        section, name, initial, AT(field), CONFIG_KIND_CHOICE, 0, choices \
    }

#define ENGINE    "engine"
#define STORAGE   "engine.datafusion_storage"
#define SIDECAR   "sidecar"
#define DETECTION "sidecar.delete_detection"

const struct config_key config_keys[] = {
    TEXT(ENGINE, "oltp_path", "rhei.db", engine.oltp_path),
    CHOICE(ENGINE, "olap_backend", "duckdb", engine.olap_backend, backends),
    TEXT(ENGINE, "olap_path", NULL, engine.olap_path),
    {ENGINE, "olap_memory_limit", "half", AT(engine.olap_memory_limit), CONFIG_KIND_BYTES, 1, NULL},
    CHOICE(ENGINE, "sync_mode", "destructive", engine.sync_mode, sync_modes),
    NUMBER(ENGINE, "sync_interval_ms", "0", engine.sync_interval_ms, 0),
    NUMBER(ENGINE, "sync_batch_size", "65536", engine.sync_batch_size, 1),
    FLAG(ENGINE, "prune_after_sync", "true", engine.prune_after_sync),
    NUMBER(ENGINE, "read_pool_size", "4", engine.read_pool_size, 1),
    {ENGINE, "freshness", "latest", AT(engine.freshness), CONFIG_KIND_FRESHNESS, 0, NULL},
    {ENGINE, "wal_limit", "64MiB", AT(engine.wal_limit), CONFIG_KIND_BYTES, 1, NULL},
    NUMBER(ENGINE, "scrub_interval", "0", engine.scrub_interval, 0),
    FLAG(ENGINE, "auto_register", "true", engine.auto_register),
    FLAG(ENGINE, "olap_syntax", "true", engine.olap_syntax),
    TEXT(ENGINE, "rocksdb_cdc_path", NULL, engine.rocksdb_cdc_path),
    CHOICE(ENGINE, "synchronous", "normal", engine.synchronous, synchronous_modes),
    NUMBER(ENGINE, "threads", NULL, engine.threads, 1),
    CHOICE(ENGINE, "log_format", "text", engine.log_format, log_formats),
    CHOICE(ENGINE, "log_level", "info", engine.log_level, log_levels),
    TEXT(ENGINE, "flight_listen", NULL, engine.flight_listen),
    {ENGINE, "flight_auth_token", NULL, AT(engine.flight_auth_token), CONFIG_KIND_SECRET, 0, NULL},
    TEXT(ENGINE, "flight_auth_token_file", NULL, engine.flight_auth_token_file),
    TEXT(ENGINE, "flight_tls_cert", NULL, engine.flight_tls_cert),
    TEXT(ENGINE, "flight_tls_key", NULL, engine.flight_tls_key),
    TEXT(ENGINE, "metrics_listen", NULL, engine.metrics_listen),
    CHOICE(STORAGE, "mode", "memory", storage.mode, storage_modes),
    TEXT(STORAGE, "path", NULL, storage.path),
    TEXT(STORAGE, "url", NULL, storage.url),
    CHOICE(SIDECAR, "source_type", "sqlite", sidecar.source_type, source_types),
    TEXT(SIDECAR, "source_path", NULL, sidecar.source_path),
    FLAG(SIDECAR, "enable_local_oltp", "false", sidecar.enable_local_oltp),
    NUMBER(SIDECAR, "poll_batch_size", "10000", sidecar.poll_batch_size, 1),
    CHOICE(SIDECAR, "mode", "poll", sidecar.mode, source_modes),
    TEXT(SIDECAR, "watermark_path", NULL, sidecar.watermark_path),
    CHOICE(DETECTION, "mode", "disabled", sidecar.delete_mode, delete_modes),
    TEXT(DETECTION, "column", NULL, sidecar.delete_column),
    NUMBER(DETECTION, "every_n_cycles", "10", sidecar.delete_every_n_cycles, 1),
    {NULL, NULL, NULL, 0, 0, 0, NULL},
};

size_t config_key_count(void)
{
    return sizeof config_keys / sizeof config_keys[0] - 1;
}

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

static rhei_status store_number(uint64_t *field, const struct config_key *key, const char *text,
                                struct rhei_error *error)
{
    uint64_t value = 0;
    size_t digits = strspn(text, "0123456789");
    bool good = digits > 0 && digits <= 18 && text[digits] == '\0';
    for (size_t i = 0; good && i < digits; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    if (!good || value < key->least)
        return bad_value(key, text, key->least == 0 ? "a whole number from 0 up" : "a whole number from 1 up", error);
    *field = value;
    return RHEI_OK;
}

static rhei_status store_choice(int *field, const struct config_key *key, const char *text, struct rhei_error *error)
{
    const struct config_choice *choice = key->choices;
    while (choice->name != NULL && base_fold_compare(choice->name, text) != 0)
        choice++;
    if (choice->name != NULL) {
        *field = choice->value;
        return RHEI_OK;
    }
    struct base_buffer names = {0};
    for (choice = key->choices; choice->name != NULL; choice++)
        base_buffer_format(&names, "%s%s", names.len == 0 ? "" : choice[1].name == NULL ? " or " : ", ", choice->name);
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
    uint64_t bytes;
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
        return store_choice(field, key, text, error);
    case CONFIG_KIND_BYTES:
        if (!config_parse_bytes(text, base_total_memory(), &bytes) || bytes < key->least)
            return bad_value(key, text, "a size such as \"4GB\", \"512MiB\", \"50%\" or \"half\" of the machine",
                             error);
        *(uint64_t *)field = bytes;
        return RHEI_OK;
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
    case CONFIG_KIND_NUMBER:
    case CONFIG_KIND_BYTES:
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
