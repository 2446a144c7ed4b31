/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings for those outside, and what the settings of logging do. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base_utf8.h"
#include "config/config_settings.h"
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"

/* ---- The table ---------------------------------------------------------------------------------------------------- */

rhei_status rhei_setting_at(size_t index, struct rhei_setting *setting, struct rhei_error *error)
{
    struct config_row row;
    error_clear(error);
    if (setting == NULL)
        return error_set(error, RHEI_INVALID, "rhei_setting_at needs a place for the setting");
    if (setting->struct_size <= sizeof setting->struct_size || setting->struct_size > 65536)
        return error_set(error, RHEI_INVALID,
                         "the struct_size of rhei_setting is %zu: set it to the sizeof of the struct",
                         setting->struct_size);
    if (!config_row(index, &row))
        return RHEI_DONE;
    struct rhei_setting filled = {
        .struct_size = setting->struct_size,
        .section = row.section,
        .name = row.name,
        .type = row.type,
        .unit = row.unit != NULL ? row.unit : "",
        .initial = row.initial != NULL ? row.initial : "",
        .field = row.field != NULL ? row.field : "",
        .since = row.offered ? row.since : "",
        .effect = row.offered ? row.effect : "",
        .offered = row.offered,
    };
    snprintf(filled.range, sizeof filled.range, "%s", row.range);
    memcpy(setting, &filled, setting->struct_size < sizeof filled ? setting->struct_size : sizeof filled);
    return RHEI_OK;
}

/* One block: pointers, structs, texts. The first walk measures, the second fills. */
struct effective_list {
    struct rhei_effective **made;
    struct rhei_effective *items;
    char *texts;
    size_t count, bytes;
};

static const char *effective_text(struct effective_list *list, const char *text)
{
    size_t size = strlen(text) + 1;
    char *to = list->texts == NULL ? NULL : list->texts + list->bytes;
    list->bytes += size;
    return to == NULL ? NULL : memcpy(to, text, size);
}

static void effective_add(void *context, const struct config_effective *setting)
{
    struct effective_list *list = context;
    const struct rhei_effective item = {
        .section = setting->section,
        .name = effective_text(list, setting->name),
        .value = effective_text(list, setting->hidden          ? "set, but never shown"
                                      : setting->value != NULL ? setting->value
                                                               : ""),
        .origin = effective_text(list, setting->origin != NULL ? setting->origin : "default"),
        .effect = setting->effect != NULL ? setting->effect : "",
    };
    if (list->items != NULL) {
        list->items[list->count] = item;
        list->made[list->count] = &list->items[list->count];
    }
    list->count++;
}

rhei_status rhei_effective_list(const char *config_file, const struct rhei_override *overrides, size_t override_count,
                                struct rhei_effective ***settings, size_t *count, struct rhei_error *error)
{
    error_clear(error);
    if (settings == NULL || count == NULL || (overrides == NULL && override_count > 0))
        return error_set(error, RHEI_INVALID, "rhei_effective_list needs places for the settings and their number");
    struct config_settings *read = NULL;
    struct effective_list list = {0};
    rhei_status status = engine_config_settings(config_file, NULL, overrides, override_count, &read, error);
    if (status == RHEI_OK)
        status = config_each(read, effective_add, &list, error);
    if (status == RHEI_OK) {
        size_t heads = list.count * (sizeof(struct rhei_effective *) + sizeof(struct rhei_effective));
        list.made = base_alloc(heads + list.bytes + 1);
        status = list.made == NULL ? error_no_memory(error) : RHEI_OK;
    }
    if (status == RHEI_OK) {
        list.items = (struct rhei_effective *)(list.made + list.count);
        list.texts = (char *)(list.items + list.count);
        list.count = list.bytes = 0;
        status = config_each(read, effective_add, &list, error);
    }
    config_free(&read);
    if (status != RHEI_OK) {
        base_free(list.made);
        return status;
    }
    *settings = list.made;
    *count = list.count;
    return RHEI_OK;
}

static rhei_status copy_of_door(const struct config_settings *settings, const char *name, char **value,
                                struct rhei_error *error)
{
    *value = NULL;
    if (strncmp(name, "flight_", 7) != 0 && strcmp(name, "metrics_listen") != 0 && strcmp(name, "trace_path") != 0 &&
        strcmp(name, "http_listen") != 0)
        return error_set(error, RHEI_NOT_FOUND, "the setting \"%s\" is none of a door's", name);
    const char *text = settings == NULL ? NULL : config_text(settings, name);
    if (text == NULL)
        return RHEI_OK;
    *value = base_strdup(text);
    return *value == NULL ? error_no_memory(error) : RHEI_OK;
}

rhei_status rhei_door_setting(rhei_db *db, const char *name, char **value, struct rhei_error *error)
{
    error_clear(error);
    if (db == NULL || name == NULL || value == NULL)
        return error_set(error, RHEI_INVALID, "rhei_door_setting needs a handle, a name and a place for the value");
    return copy_of_door(db->settings, name, value, error);
}

rhei_status rhei_door_setting_read(const char *config_file, const struct rhei_override *overrides,
                                   size_t override_count, const char *name, char **value, struct rhei_error *error)
{
    error_clear(error);
    if (name == NULL || value == NULL || (overrides == NULL && override_count > 0))
        return error_set(error, RHEI_INVALID, "rhei_door_setting_read needs a name and a place for the value");
    struct config_settings *read = NULL;
    rhei_status status = engine_config_settings(config_file, NULL, overrides, override_count, &read, error);
    if (status == RHEI_OK)
        status = copy_of_door(read, name, value, error);
    config_free(&read);
    return status;
}

/* ---- Logging ------------------------------------------------------------------------------------------------------ */

void engine_json_text(struct base_buffer *out, const char *text)
{
    size_t left = strlen(text), len;
    base_buffer_char(out, '"');
    for (const char *at = text; left > 0; at += len, left -= len) {
        unsigned char c = (unsigned char)*at;
        len = base_utf8_character(at, left);
        if (len == 0) { /* of a file's name, for one: JSON has no word for it */
            base_buffer_text(out, "\xEF\xBF\xBD");
            len = 1;
        } else if (c == '"' || c == '\\') {
            base_buffer_format(out, "\\%c", c);
        } else if (c < 0x20) {
            base_buffer_format(out, "\\u%04x", c);
        } else {
            base_buffer_append(out, at, len);
        }
    }
    base_buffer_char(out, '"');
}

static void add_time(struct base_buffer *out)
{
    int64_t now_ms = base_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&seconds, &utc) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    base_buffer_format(out, "\"%s.%03dZ\"", text, (int)(now_ms % 1000));
}

static void log_json(void *context, int level, const char *room, const char *message)
{
    static const char *const levels[] = {"", "error", "warn", "info", "debug"};
    const struct rhei_db *db = context;
    struct base_buffer line = {0};
    base_buffer_text(&line, "{\"time\": ");
    add_time(&line);
    base_buffer_format(&line, ", \"level\": \"%s\", \"room\": ", levels[level]);
    engine_json_text(&line, room);
    base_buffer_text(&line, ", \"message\": ");
    engine_json_text(&line, message);
    base_buffer_char(&line, '}');
    db->config.log(db->config.log_context, level, room, line.failed ? message : line.data);
    base_buffer_reset(&line);
}

struct base_log engine_log_of(struct rhei_db *db)
{
    const struct rhei_config *config = &db->config;
    if (config->log != NULL && db->settings != NULL && db->settings->engine.log_format == CONFIG_LOG_JSON)
        return (struct base_log){log_json, db, config->log_level};
    return (struct base_log){config->log, config->log_context, config->log_level};
}
