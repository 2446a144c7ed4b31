/* SPDX-License-Identifier: Apache-2.0 */
#include "rh_serve_settings.h"

#include "rh_text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* RHEI_SYNC_INTERVAL_MS of sync_interval_ms */
static void variable_of(const char *name, char variable[96])
{
    (void)snprintf(variable, 96, "RHEI_%s", name);
    for (char *at = variable; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
}

static void add_override(struct rh_service_settings *settings, const char *name, const char *value, const char *origin)
{
    if (settings->override_count == RH_OVERRIDES_MOST)
        return;
    char *text = rh_copy_text(origin, strlen(origin));
    settings->texts[settings->override_count] = text;
    settings->overrides[settings->override_count++] = (struct rhei_override){name, value, text};
}

/* A variable that is none of ours, but nearly: it would be taken for set. The paths of libraries and the like have names of their own. */
static void tell_near(const struct rh_tool *tool, const char *variable, size_t length)
{
    static const char *const known[] = {"duckdb",  "datafusion", "vortex", "rocksdb", "libpq", "flight",
                                        "backend", "build",      "jobs",   "seed",    "long",  "olap_format"};
    const char *names[RH_OVERRIDES_MOST];
    char word[96] = "";
    int count = 0;
    struct rhei_setting setting = {.struct_size = sizeof setting};
    for (size_t at = 0; at < length - 5 && at < sizeof word - 1; at++)
        word[at] = (char)tolower((unsigned char)variable[at + 5]);
    for (size_t at = 0; at < sizeof known / sizeof known[0]; at++)
        if (strcmp(word, known[at]) == 0)
            return;
    for (size_t at = 0; rhei_setting_at(at, &setting, NULL) == RHEI_OK && count < RH_OVERRIDES_MOST; at++) {
        if (strcmp(setting.section, "engine") != 0)
            continue;
        if (strcmp(setting.name, word) == 0)
            return;
        names[count++] = setting.name;
    }
    int nearest = rh_nearest_word(word, names, count);
    char meant[96];
    if (nearest < 0)
        return;
    variable_of(names[nearest], meant);
    (void)rh_tell(tool, "warning: the environment's %.*s is no setting; did you mean %s?", (int)length, variable,
                  meant);
}

static void read_environment(const struct rh_tool *tool, struct rh_service_settings *settings)
{
    struct rhei_setting setting = {.struct_size = sizeof setting};
    for (size_t at = 0; rhei_setting_at(at, &setting, NULL) == RHEI_OK; at++) {
        char variable[96], origin[128];
        variable_of(setting.name, variable);
        const char *value = strcmp(setting.section, "engine") == 0 ? getenv(variable) : NULL;
        (void)snprintf(origin, sizeof origin, "environment %s", variable);
        if (value != NULL && value[0] != '\0')
            add_override(settings, setting.name, value, origin);
    }
    for (char **at = environ; *at != NULL; at++)
        if (strncmp(*at, "RHEI_", 5) == 0)
            tell_near(tool, *at, strcspn(*at, "="));
}

rhei_status rh_service_settings_try(const struct rh_tool *tool, struct rh_service_settings *settings,
                                    struct rhei_error *error)
{
    const struct rh_args *args = tool->args;
    *settings = (struct rh_service_settings){0};
    read_environment(tool, settings);
    if (args->db != NULL)
        add_override(settings, "oltp_path", args->db, "--db");
    if (args->serve.metrics != NULL)
        add_override(settings, "metrics_listen", args->serve.metrics, "--metrics");
    if (args->serve.http != NULL)
        add_override(settings, "http_listen", args->serve.http, "--http");
    if (args->serve.max_connections > 0) {
        (void)snprintf(settings->max_connections, sizeof settings->max_connections, "%" PRId64,
                       args->serve.max_connections);
        add_override(settings, "flight_max_connections", settings->max_connections, "--max-connections");
    }
    if (args->serve.no_page)
        add_override(settings, "http_page", "false", "--no-page");
    return rhei_effective_list(args->config, settings->overrides, settings->override_count, &settings->list,
                               &settings->count, error);
}

bool rh_service_settings_read(const struct rh_tool *tool, struct rh_service_settings *settings)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    if (rh_service_settings_try(tool, settings, &error) == RHEI_OK)
        return true;
    rh_tell_error(tool, &error);
    rh_service_settings_free(settings);
    return false;
}

void rh_service_settings_free(struct rh_service_settings *settings)
{
    for (size_t at = 0; at < settings->override_count; at++)
        free(settings->texts[at]);
    rhei_free(settings->list);
    *settings = (struct rh_service_settings){0};
}

static const struct rhei_effective *find_setting(const struct rh_service_settings *settings, const char *name)
{
    for (size_t at = 0; at < settings->count; at++)
        if (strcmp(settings->list[at]->section, "engine") == 0 && strcmp(settings->list[at]->name, name) == 0)
            return settings->list[at];
    return NULL;
}

const char *rh_service_setting(const struct rh_service_settings *settings, const char *name)
{
    const struct rhei_effective *found = find_setting(settings, name);
    return found == NULL ? "" : found->value;
}

const char *rh_service_origin(const struct rh_service_settings *settings, const char *name)
{
    const struct rhei_effective *found = find_setting(settings, name);
    return found == NULL ? "default" : found->origin;
}

bool rh_service_refuse(const struct rh_tool *tool, const struct rh_service_settings *settings, const char *name,
                       const char *message, const char *code)
{
    const char *origin = rh_service_origin(settings, name);
    bool option = origin[0] == '-'; /* which names it already */
    (void)rh_tell(tool, "%s: %s%s%s [%s]", origin, option ? "" : name, option ? "" : ": ", message, code);
    return false;
}

int64_t rh_service_number(const struct rh_service_settings *settings, const char *name)
{
    return strtoll(rh_service_setting(settings, name), NULL, 10);
}

/* A string of TOML as they are shown: \" and \\, and control characters as \uXXXX. */
char *rh_service_text(const struct rh_service_settings *settings, const char *name)
{
    const char *value = rh_service_setting(settings, name);
    size_t length = strlen(value);
    if (length < 2)
        return NULL;
    struct rh_buffer text = {0};
    for (const char *at = value + 1; at < value + length - 1; at++) {
        if (*at == '\\' && at[1] == 'u') {
            char digits[5] = {at[2], at[3], at[4], at[5], '\0'};
            rh_buffer_add_char(&text, (char)strtol(digits, NULL, 16));
            at += 5;
        } else {
            at += *at == '\\';
            rh_buffer_add_char(&text, *at);
        }
    }
    return text.bytes;
}

char *rh_service_database(const struct rh_tool *tool, const struct rh_service_settings *settings)
{
    bool sidecar = false, local = false;
    for (size_t at = 0; at < settings->count; at++) {
        if (strcmp(settings->list[at]->name, "enable_local_oltp") != 0)
            continue;
        sidecar = true;
        local = local || strcmp(settings->list[at]->value, "true") == 0;
    }
    if (tool->args->db != NULL)
        return rh_copy_text(tool->args->db, strlen(tool->args->db));
    return sidecar && !local ? NULL : rh_service_text(settings, "oltp_path");
}
