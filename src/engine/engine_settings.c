/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings for those outside, and what the settings of logging do. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/config_settings.h"
#include "engine/engine_internal.h"

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

/* ---- Logging ------------------------------------------------------------------------------------------------------ */

void engine_json_text(struct base_buffer *out, const char *text)
{
    base_buffer_char(out, '"');
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c == '"' || c == '\\')
            base_buffer_format(out, "\\%c", c);
        else if (c < 0x20)
            base_buffer_format(out, "\\u%04x", c);
        else
            base_buffer_char(out, (char)c);
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
