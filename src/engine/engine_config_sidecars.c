/* SPDX-License-Identifier: Apache-2.0 */
/* The sidecars that a program gives as structs: put into the settings as if a file had them, by the same checks and with the same words. */
#include "rhei/rhei_sidecar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/config_settings.h"
#include "engine/engine_internal.h"

enum { ORIGIN_SIZE = 64 };

struct taking {
    struct config_settings *settings;
    const char *origin;
    struct rhei_error *error;
};

static rhei_status set(const struct taking *taking, const char *key, const char *value)
{
    return value == NULL ? RHEI_OK : config_set(taking->settings, key, value, taking->origin, taking->error);
}

static rhei_status set_number(const struct taking *taking, const char *key, uint32_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu32, value);
    return value == 0 ? RHEI_OK : set(taking, key, text);
}

static rhei_status set_choice(const struct taking *taking, const char *key, const char *const *names, size_t count,
                              int32_t value)
{
    if (value < 0 || (size_t)value >= count)
        return error_set(taking->error, RHEI_INVALID, "%s: %s can't be %d", taking->origin, key, value);
    return set(taking, key, names[value]);
}

static rhei_status take_table(const struct taking *taking, const struct rhei_sidecar_table *given, size_t number)
{
    struct rhei_sidecar_table table;
    if (given == NULL)
        return error_set(taking->error, RHEI_INVALID, "%s: tables[%zu] is NULL", taking->origin, number);
    rhei_status status = engine_options_copy(&table, sizeof table, given, "rhei_sidecar_table", taking->error);
    if (status != RHEI_OK)
        return status;
    if (table.name == NULL || (table.primary_key == NULL) != (table.primary_key_count == 0) ||
        (table.columns == NULL) != (table.column_count == 0))
        return error_set(taking->error, RHEI_INVALID,
                         "%s: tables[%zu] needs a name, and lists with as many names as their counts say",
                         taking->origin, number);
    const struct config_sidecar_names names = {.table = table.name,
                                               .key = table.primary_key,
                                               .key_count = table.primary_key_count,
                                               .created_at = table.created_at_column,
                                               .updated_at = table.updated_at_column,
                                               .columns = table.columns,
                                               .column_count = table.column_count};
    return config_sidecar_add_table(taking->settings, &names, taking->error);
}

static rhei_status take_words(const struct taking *taking, const struct rhei_sidecar *sidecar)
{
    static const char *const types[] = {"sqlite", "postgres"};
    static const char *const modes[] = {"poll", "snapshot", "logical"};
    static const char *const deletes[] = {"disabled", "soft_delete", "full_diff"};
    const struct {
        const char *key, *value;
    } texts[] = {
        {"sidecar.name", sidecar->name},
        {"sidecar.source_path", sidecar->source_path},
        {"sidecar.password_file", sidecar->password_file},
        {"sidecar.password_env", sidecar->password_env},
        {"sidecar.publication", sidecar->publication},
        {"sidecar.slot", sidecar->slot},
        {"sidecar.watermark_path", sidecar->watermark_path},
        {"sidecar.delete_detection.column", sidecar->delete_column},
    };
    rhei_status status = set_choice(taking, "sidecar.source_type", types, 2, sidecar->source_type);
    if (status == RHEI_OK)
        status = set_choice(taking, "sidecar.mode", modes, 3, sidecar->mode);
    if (status == RHEI_OK)
        status = set_choice(taking, "sidecar.delete_detection.mode", deletes, 3, sidecar->delete_detection);
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == RHEI_OK; i++)
        status = set(taking, texts[i].key, texts[i].value);
    if (status == RHEI_OK)
        status = set_number(taking, "sidecar.delete_detection.every_n_cycles", sidecar->delete_every_n_cycles);
    if (status == RHEI_OK)
        status = set_number(taking, "sidecar.poll_batch_size", sidecar->poll_batch_size);
    return status == RHEI_OK ? set_number(taking, "sidecar.load_connections", sidecar->load_connections) : status;
}

static rhei_status take_one(const struct taking *taking, const struct rhei_sidecar *given, bool has_file)
{
    struct rhei_sidecar sidecar;
    if (given == NULL)
        return error_set(taking->error, RHEI_INVALID, "%s is NULL", taking->origin);
    rhei_status status = engine_options_copy(&sidecar, sizeof sidecar, given, "rhei_sidecar", taking->error);
    if (status == RHEI_OK && (sidecar.tables == NULL) != (sidecar.table_count == 0))
        status = error_set(taking->error, RHEI_INVALID, "%s: tables and table_count don't go together", taking->origin);
    if (status == RHEI_OK)
        status = config_sidecar_begin(taking->settings, taking->origin, taking->error);
    if (status == RHEI_OK)
        status = take_words(taking, &sidecar);
    if (status == RHEI_OK && has_file)
        status = set(taking, "sidecar.enable_local_oltp", "true");
    for (size_t t = 0; t < sidecar.table_count && status == RHEI_OK; t++)
        status = take_table(taking, sidecar.tables[t], t);
    return status;
}

rhei_status engine_config_sidecars(const struct rhei_config *config, bool has_file, struct config_settings **settings,
                                   struct rhei_error *error)
{
    struct rhei_error unseen = RHEI_ERROR_INIT;
    rhei_status status = RHEI_OK;
    error = error == NULL ? &unseen : error;
    if (config->sidecar_count == 0)
        return RHEI_OK;
    if (config->sidecars == NULL)
        return error_set(error, RHEI_INVALID, "rhei_config.sidecars is NULL, and sidecar_count isn't 0");
    if (*settings == NULL)
        status = config_new(settings, error);
    for (size_t s = 0; s < config->sidecar_count && status == RHEI_OK; s++) {
        char origin[ORIGIN_SIZE];
        (void)snprintf(origin, sizeof origin, "rhei_config.sidecars[%zu]", s);
        const struct taking taking = {*settings, origin, error};
        status = take_one(&taking, config->sidecars[s], has_file);
    }
    return status == RHEI_OK ? config_check(*settings, error) : status;
}
