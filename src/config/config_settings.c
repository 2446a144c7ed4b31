/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_settings.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "config_keys.h"

enum { MAX_FILE_BYTES = 16 << 20 };

/* ---- Making and freeing ------------------------------------------------------------------------------------------- */

rhei_status config_new(struct config_settings **settings, struct rhei_error *error)
{
    *settings = NULL;
    struct config_settings *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->origins = base_alloc_zero(config_key_count(), sizeof *made->origins);
    rhei_status status = made->origins == NULL ? error_no_memory(error) : RHEI_OK;
    for (const struct config_key *key = config_keys; status == RHEI_OK && key->section != NULL; key++)
        if (key->initial != NULL)
            status = config_store(made, key, key->initial, error);
    made->engine.threads = (uint64_t)base_cpu_count();
    if (status != RHEI_OK)
        config_free(&made);
    *settings = made;
    return status;
}

static void free_columns(struct config_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        base_free(columns[i].name);
        base_free(columns[i].type_text);
    }
    base_free(columns);
}

static void free_tables(struct config_settings *settings)
{
    for (size_t i = 0; i < settings->table_count; i++) {
        struct config_table *table = &settings->tables[i];
        base_free(table->origin);
        base_free(table->name);
        base_free(table->ddl);
        free_columns(table->columns, table->column_count);
    }
    base_free(settings->tables);
}

static void free_sidecar_tables(struct config_sidecar *sidecar)
{
    for (size_t i = 0; i < sidecar->table_count; i++) {
        struct config_sidecar_table *table = &sidecar->tables[i];
        for (size_t j = 0; j < table->primary_key_count; j++)
            base_free(table->primary_key[j]);
        base_free(table->primary_key);
        base_free(table->table_name);
        base_free(table->created_at_column);
        base_free(table->updated_at_column);
        free_columns(table->columns, table->column_count);
    }
    base_free(sidecar->tables);
    base_free(sidecar->origin);
}

static bool is_of_sidecar(const struct config_key *key)
{
    return strncmp(key->section, "sidecar", 7) == 0;
}

/* One that the settings have apart. */
static void free_sidecar(struct config_sidecar *sidecar)
{
    for (const struct config_key *key = config_keys; key->section != NULL; key++) {
        if (is_of_sidecar(key) && (key->kind == CONFIG_KIND_TEXT || key->kind == CONFIG_KIND_SECRET))
            base_free(*(char **)((char *)sidecar + key->offset - offsetof(struct config_settings, sidecar)));
        if (sidecar->origins != NULL)
            base_free(sidecar->origins[key - config_keys]);
    }
    base_free(sidecar->origins);
    free_sidecar_tables(sidecar);
}

rhei_status config_sidecar_next(struct config_settings *settings, struct rhei_error *error)
{
    if (!settings->sidecar.present)
        return RHEI_OK;
    struct config_sidecar *grown =
        base_realloc(settings->sidecars, (settings->sidecar_count + 1) * sizeof *settings->sidecars);
    if (grown == NULL)
        return error_no_memory(error);
    settings->sidecars = grown;
    settings->sidecar.origins = base_alloc_zero(config_key_count(), sizeof(char *));
    if (settings->sidecar.origins == NULL)
        return error_no_memory(error);
    for (const struct config_key *key = config_keys; key->section != NULL; key++)
        if (is_of_sidecar(key)) {
            settings->sidecar.origins[key - config_keys] = settings->origins[key - config_keys];
            settings->origins[key - config_keys] = NULL;
        }
    settings->sidecars[settings->sidecar_count++] = settings->sidecar;
    settings->sidecar = (struct config_sidecar){0};
    rhei_status status = RHEI_OK;
    for (const struct config_key *key = config_keys; status == RHEI_OK && key->section != NULL; key++)
        if (is_of_sidecar(key) && key->initial != NULL)
            status = config_store(settings, key, key->initial, error);
    return status;
}

rhei_status config_sidecar_begin(struct config_settings *settings, const char *origin, struct rhei_error *error)
{
    rhei_status status = config_sidecar_next(settings, error);
    if (status != RHEI_OK)
        return status;
    settings->sidecar.present = true;
    settings->sidecar.origin = base_strdup(origin);
    return settings->sidecar.origin == NULL ? error_no_memory(error) : RHEI_OK;
}

static bool copy_text(char **to, const char *from)
{
    *to = from == NULL ? NULL : base_strdup(from);
    return from == NULL || *to != NULL;
}

rhei_status config_sidecar_add_table(struct config_settings *settings, const struct config_sidecar_names *names,
                                     struct rhei_error *error)
{
    struct config_sidecar *sidecar = &settings->sidecar;
    struct config_sidecar_table *grown =
        base_realloc(sidecar->tables, (sidecar->table_count + 1) * sizeof *sidecar->tables);
    if (grown == NULL)
        return error_no_memory(error);
    sidecar->tables = grown;
    struct config_sidecar_table *table = &grown[sidecar->table_count++];
    *table = (struct config_sidecar_table){
        .primary_key = base_alloc_zero(names->key_count + 1, sizeof(char *)),
        .columns = base_alloc_zero(names->column_count + 1, sizeof(struct config_column)),
    };
    bool good = table->primary_key != NULL && table->columns != NULL && copy_text(&table->table_name, names->table) &&
                copy_text(&table->created_at_column, names->created_at) &&
                copy_text(&table->updated_at_column, names->updated_at);
    for (; good && table->primary_key_count < names->key_count; table->primary_key_count++)
        good = copy_text(&table->primary_key[table->primary_key_count], names->key[table->primary_key_count]);
    for (; good && table->column_count < names->column_count; table->column_count++)
        good = copy_text(&table->columns[table->column_count].name, names->columns[table->column_count]);
    return good ? RHEI_OK : error_no_memory(error);
}

const struct config_sidecar *config_sidecar_at(const struct config_settings *settings, size_t index)
{
    if (settings == NULL || index > settings->sidecar_count)
        return NULL;
    if (index < settings->sidecar_count)
        return &settings->sidecars[index];
    return settings->sidecar.present ? &settings->sidecar : NULL;
}

bool config_has_local(const struct config_settings *settings)
{
    bool local = config_sidecar_at(settings, 0) == NULL;
    for (size_t s = 0; config_sidecar_at(settings, s) != NULL; s++)
        local = local || config_sidecar_at(settings, s)->enable_local_oltp;
    return local;
}

void config_free(struct config_settings **settings)
{
    if (settings == NULL || *settings == NULL)
        return;
    struct config_settings *old = *settings;
    for (const struct config_key *key = config_keys; key->section != NULL; key++)
        if (key->kind == CONFIG_KIND_TEXT || key->kind == CONFIG_KIND_SECRET)
            base_free(*(char **)((char *)old + key->offset));
    for (size_t i = 0; old->origins != NULL && i < config_key_count(); i++)
        base_free(old->origins[i]);
    base_free(old->origins);
    free_tables(old);
    free_sidecar_tables(&old->sidecar);
    for (size_t s = 0; s < old->sidecar_count; s++)
        free_sidecar(&old->sidecars[s]);
    base_free(old->sidecars);
    base_free(old);
    *settings = NULL;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------ */

/* [engine.datafusion_storage] is other words for olap_format, too. */
static rhei_status settle_format(struct config_settings *settings, struct rhei_error *error)
{
    const struct config_key *mode = config_find_key("engine.datafusion_storage", "mode");
    char **format = &settings->origins[config_find_key("engine", "olap_format") - config_keys];
    if (settings->storage.mode != CONFIG_STORAGE_VORTEX || *format != NULL)
        return RHEI_OK;
    settings->engine.olap_format = CONFIG_VORTEX;
    *format = base_strdup(settings->origins[mode - config_keys]);
    return *format == NULL ? error_no_memory(error) : RHEI_OK;
}

rhei_status config_parse(const char *text, size_t len, const char *name, struct config_settings **settings,
                         struct rhei_error *error)
{
    struct toml_node *root = NULL;
    rhei_status status = config_new(settings, error);
    if (status == RHEI_OK)
        status = toml_parse(text, len, name, &root, error);
    if (status == RHEI_OK)
        status = config_apply(*settings, root, name, error);
    if (status == RHEI_OK)
        status = settle_format(*settings, error);
    if (status == RHEI_OK)
        status = config_check(*settings, error);
    toml_free(&root);
    if (status != RHEI_OK)
        config_free(settings);
    return status;
}

static rhei_status read_file(FILE *file, const char *path, struct base_buffer *text, struct rhei_error *error)
{
    char block[4096];
    size_t got;
    while ((got = fread(block, 1, sizeof block, file)) > 0 && text->len <= MAX_FILE_BYTES)
        base_buffer_append(text, block, got);
    if (ferror(file) != 0)
        return error_set(error, RHEI_CANT_OPEN, "the settings file \"%s\" can't be read: %s", path, strerror(errno));
    if (text->len > MAX_FILE_BYTES)
        return error_set(error, RHEI_CONFIG, "the settings file \"%s\" is over 16 MiB", path);
    return text->failed ? error_no_memory(error) : RHEI_OK;
}

rhei_status config_load(const char *path, struct config_settings **settings, struct rhei_error *error)
{
    *settings = NULL;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set(error, RHEI_CANT_OPEN, "the settings file \"%s\" can't be opened: %s", path, strerror(errno));
    struct base_buffer text = {0};
    base_buffer_append(&text, "", 0);
    rhei_status status = read_file(file, path, &text, error);
    fclose(file);
    if (status == RHEI_OK)
        status = config_parse(text.data, text.len, path, settings, error);
    base_buffer_reset(&text);
    return status;
}

/* ---- Changing ----------------------------------------------------------------------------------------------------- */

static rhei_status unknown_setting(const char *key, struct rhei_error *error)
{
    const char *nearest = NULL;
    size_t best = strlen(key) / 3 + 2;
    const char *last_dot = strrchr(key, '.');
    for (const struct config_key *known = config_keys; known->section != NULL; known++) {
        size_t distance = config_distance(last_dot == NULL ? key : last_dot + 1, known->name);
        if (distance < best) {
            best = distance;
            nearest = known->name;
        }
    }
    if (nearest == NULL)
        return error_set(error, RHEI_CONFIG, "unknown setting \"%.80s\"; all settings are listed by explaining them",
                         key);
    return error_set(error, RHEI_CONFIG, "unknown setting \"%.80s\"; did you mean \"%s\"?", key, nearest);
}

static const struct config_key *find_setting(const char *key)
{
    char section[64] = "engine";
    const char *last_dot = strrchr(key, '.');
    if (last_dot != NULL) {
        if ((size_t)(last_dot - key) >= sizeof section)
            return NULL;
        snprintf(section, sizeof section, "%.*s", (int)(last_dot - key), key);
        key = last_dot + 1;
    }
    return config_find_key(section, key);
}

rhei_status config_set(struct config_settings *settings, const char *key, const char *value, const char *origin,
                       struct rhei_error *error)
{
    const struct config_key *known = find_setting(key);
    rhei_status status = known == NULL ? unknown_setting(key, error) : config_store(settings, known, value, error);
    char *copy = status == RHEI_OK ? base_strdup(origin) : NULL;
    if (status == RHEI_OK && copy == NULL)
        return error_no_memory(error);
    if (status != RHEI_OK) {
        error_context(error, "%s: ", origin);
        return status;
    }
    config_set_origin(settings, known, copy);
    settings->sidecar.present = settings->sidecar.present || strncmp(known->section, "sidecar", 7) == 0;
    return RHEI_OK;
}
