/* SPDX-License-Identifier: Apache-2.0 */
/* Settings that are right alone but not together, or not in this version; and the table of settings for people. */
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "config_keys.h"

const char *config_origin(const struct config_settings *settings, const char *section, const char *name)
{
    const struct config_key *key = config_find_key(section, name);
    return key == NULL ? NULL : settings->origins[key - config_keys];
}

/* "FILE:LINE: " in front of an error, where there is such a place. */
static rhei_status at(const char *origin, rhei_status status, struct rhei_error *error)
{
    if (origin != NULL)
        error_context(error, "%s: ", origin);
    return status;
}

/* ---- Together ----------------------------------------------------------------------------------------------------- */

static rhei_status check_flight(const struct config_settings *settings, struct rhei_error *error)
{
    const struct config_engine *engine = &settings->engine;
    if (engine->flight_auth_token != NULL && engine->flight_auth_token_file != NULL)
        return at(config_origin(settings, "engine", "flight_auth_token_file"),
                  error_set(error, RHEI_CONFIG,
                            "flight_auth_token and flight_auth_token_file are both set; keep one of them"),
                  error);
    if ((engine->flight_tls_cert == NULL) != (engine->flight_tls_key == NULL)) {
        bool cert = engine->flight_tls_cert != NULL;
        return at(config_origin(settings, "engine", cert ? "flight_tls_cert" : "flight_tls_key"),
                  error_set(error, RHEI_CONFIG, "flight_tls_cert and flight_tls_key go together; %s is missing",
                            cert ? "flight_tls_key" : "flight_tls_cert"),
                  error);
    }
    return RHEI_OK;
}

const char *config_sidecar_origin(const struct config_settings *settings, const struct config_sidecar *sidecar,
                                  const char *section, const char *name)
{
    const struct config_key *key = config_find_key(section, name);
    const char *origin = NULL;
    if (key != NULL)
        origin = (sidecar == &settings->sidecar ? settings->origins : sidecar->origins)[key - config_keys];
    return origin != NULL ? origin : sidecar->origin;
}

static rhei_status check_postgres(const struct config_settings *settings, const struct config_sidecar *sidecar,
                                  struct rhei_error *error)
{
    if (sidecar->source_type == CONFIG_SOURCE_SQLITE) {
        if (sidecar->password_file != NULL || sidecar->password_env != NULL || sidecar->publication != NULL ||
            sidecar->slot != NULL)
            return at(sidecar->origin,
                      error_set(error, RHEI_CONFIG,
                                "[sidecar] password_file, password_env, publication and slot are for source_type "
                                "\"postgres\" only"),
                      error);
        return RHEI_OK;
    }
    if (sidecar->mode != CONFIG_SOURCE_LOGICAL && (sidecar->publication != NULL || sidecar->slot != NULL))
        return at(sidecar->origin,
                  error_set(error, RHEI_CONFIG, "[sidecar] publication and slot are for mode \"logical\" only"), error);
    if (config_has_password(sidecar->source_path))
        return at(config_sidecar_origin(settings, sidecar, "sidecar", "source_path"),
                  error_set(error, RHEI_CONFIG,
                            "[sidecar] source_path has a password in it, which others would see: take password_file or "
                            "password_env"),
                  error);
    if (sidecar->password_file != NULL && sidecar->password_env != NULL)
        return at(config_sidecar_origin(settings, sidecar, "sidecar", "password_file"),
                  error_set(error, RHEI_CONFIG, "[sidecar] has both password_file and password_env: take one"), error);
    return RHEI_OK;
}

static rhei_status check_mode(const struct config_settings *settings, const struct config_sidecar *sidecar,
                              struct rhei_error *error)
{
    if (sidecar->mode == CONFIG_SOURCE_LOGICAL && sidecar->source_type != CONFIG_SOURCE_POSTGRES)
        return at(config_sidecar_origin(settings, sidecar, "sidecar", "mode"),
                  error_set(error, RHEI_CONFIG, "[sidecar] mode \"logical\" is for source_type \"postgres\" only"),
                  error);
    if (sidecar->mode == CONFIG_SOURCE_SNAPSHOT && sidecar->source_type != CONFIG_SOURCE_SQLITE)
        return at(config_sidecar_origin(settings, sidecar, "sidecar", "mode"),
                  error_set(error, RHEI_CONFIG, "[sidecar] mode \"snapshot\" is for source_type \"sqlite\" only"),
                  error);
    if (sidecar->delete_mode == CONFIG_DELETE_SOFT && sidecar->delete_column == NULL)
        return at(config_sidecar_origin(settings, sidecar, "sidecar.delete_detection", "mode"),
                  error_set(error, RHEI_CONFIG, "[sidecar.delete_detection] mode \"soft_delete\" needs column"), error);
    if (sidecar->delete_mode != CONFIG_DELETE_SOFT && sidecar->delete_column != NULL)
        return at(config_sidecar_origin(settings, sidecar, "sidecar.delete_detection", "column"),
                  error_set(error, RHEI_CONFIG, "[sidecar.delete_detection] column is for mode \"soft_delete\" only"),
                  error);
    return RHEI_OK;
}

/* The schema names that SQLite has, or that the engine gives. */
static bool is_taken(const char *name)
{
    static const char *const taken[] = {"main", "temp", "history", "rhei", "sqlite"};
    bool found = false;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0] && !found; i++)
        found = base_fold_compare(name, taken[i]) == 0;
    return found;
}

static rhei_status check_name(const struct config_settings *settings, size_t index, struct rhei_error *error)
{
    const struct config_sidecar *sidecar = config_sidecar_at(settings, index);
    const char *origin = config_sidecar_origin(settings, sidecar, "sidecar", "name");
    if (is_taken(sidecar->name))
        return at(
            origin,
            error_set(error, RHEI_CONFIG, "[sidecar] name can't be \"%s\", which has another meaning", sidecar->name),
            error);
    for (size_t s = 0; s < index; s++)
        if (base_fold_compare(config_sidecar_at(settings, s)->name, sidecar->name) == 0)
            return at(origin,
                      error_set(error, RHEI_CONFIG,
                                "two [[sidecar]] sections have the name \"%s\", the schema of their tables: give each "
                                "one of its own",
                                sidecar->name),
                      error);
    return RHEI_OK;
}

static rhei_status check_watermarks(const struct config_settings *settings, size_t index, struct rhei_error *error)
{
    const struct config_sidecar *sidecar = config_sidecar_at(settings, index);
    for (size_t s = 0; s < index && sidecar->watermark_path != NULL; s++) {
        const char *other = config_sidecar_at(settings, s)->watermark_path;
        if (other != NULL && strcmp(other, sidecar->watermark_path) == 0)
            return at(config_sidecar_origin(settings, sidecar, "sidecar", "watermark_path"),
                      error_set(error, RHEI_CONFIG,
                                "two sidecars have the watermark_path \"%s\": give each one a folder of its own",
                                other),
                      error);
    }
    return RHEI_OK;
}

/* In other letters it may be another table, of PostgreSQL. */
static rhei_status check_tables(const struct config_sidecar *sidecar, struct rhei_error *error)
{
    bool exact = sidecar->source_type == CONFIG_SOURCE_POSTGRES;
    for (size_t t = 0; t < sidecar->table_count; t++)
        for (size_t before = 0; before < t; before++) {
            const char *name = sidecar->tables[t].table_name, *other = sidecar->tables[before].table_name;
            if ((exact ? strcmp(name, other) : base_fold_compare(name, other)) == 0)
                return at(
                    sidecar->origin,
                    error_set(error, RHEI_CONFIG,
                              "[sidecar] \"%s\" has two [[sidecar.tables]] sections for table \"%s\": keep one of "
                              "them",
                              sidecar->name, name),
                    error);
        }
    return RHEI_OK;
}

static rhei_status check_sidecars(const struct config_settings *settings, struct rhei_error *error)
{
    const struct config_sidecar *sidecar;
    rhei_status status = RHEI_OK;
    for (size_t s = 0; (sidecar = config_sidecar_at(settings, s)) != NULL && status == RHEI_OK; s++) {
        if (sidecar->source_path == NULL)
            return at(sidecar->origin,
                      error_set(error, RHEI_CONFIG, "[sidecar] needs source_path, the database to follow"), error);
        status = check_mode(settings, sidecar, error);
        if (status == RHEI_OK)
            status = check_postgres(settings, sidecar, error);
        if (status == RHEI_OK)
            status = check_name(settings, s, error);
        if (status == RHEI_OK)
            status = check_watermarks(settings, s, error);
        if (status == RHEI_OK)
            status = check_tables(sidecar, error);
    }
    if (status == RHEI_OK && !config_has_local(settings) && config_origin(settings, "engine", "oltp_path") != NULL)
        return at(
            config_origin(settings, "engine", "oltp_path"),
            error_set(error, RHEI_CONFIG,
                      "oltp_path is of no use beside [sidecar] without enable_local_oltp = true: set that, or leave "
                      "oltp_path out"),
            error);
    return status;
}

static rhei_status check_log(const struct config_settings *settings, struct rhei_error *error)
{
    const struct config_engine *engine = &settings->engine;
    if (engine->log_limit_policy != CONFIG_LIMIT_BLOCK || engine->prune_after_sync)
        return RHEI_OK;
    return at(
        config_origin(settings, "engine", "log_limit_policy"),
        error_set(error, RHEI_CONFIG,
                  "log_limit_policy \"block\" and prune_after_sync = false don't go together: the log would fill "
                  "up once, and every write fail from then on; take \"detach\", which keeps as much as the limits "
                  "allow"),
        error);
}

#define STORAGE "engine.datafusion_storage"

/* A key of [engine] that says another thing than the section. */
static rhei_status say_both(const struct config_settings *settings, const char *key, struct rhei_error *error)
{
    const char *origin = config_origin(settings, STORAGE, "mode"), *other = config_origin(settings, "engine", key);
    return at(origin,
              error_set(error, RHEI_CONFIG,
                        "[" STORAGE
                        "] mode \"vortex\" says how the column store is kept, and so does %s (%s): keep one "
                        "of them",
                        key, other == NULL ? "of [engine]" : other),
              error);
}

static rhei_status check_storage(const struct config_settings *settings, struct rhei_error *error)
{
    const struct config_storage *storage = &settings->storage;
    bool kept = storage->mode == CONFIG_STORAGE_VORTEX;
    if (!kept && (storage->path != NULL || storage->url != NULL))
        return at(config_origin(settings, STORAGE, storage->path != NULL ? "path" : "url"),
                  error_set(error, RHEI_CONFIG, "[" STORAGE "] %s is for mode \"vortex\" only",
                            storage->path != NULL ? "path" : "url"),
                  error);
    if (kept && (storage->path == NULL) == (storage->url == NULL))
        return at(config_origin(settings, STORAGE, "mode"),
                  error_set(error, RHEI_CONFIG, "[" STORAGE "] mode \"vortex\" needs one of path and url%s",
                            storage->path == NULL ? "" : ", not both"),
                  error);
    if (kept && settings->engine.olap_path != NULL)
        return say_both(settings, "olap_path", error);
    return kept && settings->engine.olap_format != CONFIG_VORTEX ? say_both(settings, "olap_format", error) : RHEI_OK;
}

rhei_status config_check(const struct config_settings *settings, struct rhei_error *error)
{
    rhei_status status = check_storage(settings, error);
    if (status == RHEI_OK)
        status = check_log(settings, error);
    if (status == RHEI_OK)
        status = check_flight(settings, error);
    return status == RHEI_OK ? check_sidecars(settings, error) : status;
}

/* ---- In this version ---------------------------------------------------------------------------------------------- */

static const struct config_choice *choice_of(const struct config_settings *settings, const struct config_key *key)
{
    const struct config_choice *choice = key->choices;
    while (choice->name != NULL && choice->value != *(const int *)((const char *)settings + key->offset))
        choice++;
    return choice;
}

static rhei_status refuse_choice(const struct config_key *key, const char *name, struct rhei_error *error)
{
    struct base_buffer names = {0};
    config_choices(key, &names);
    rhei_status status =
        names.failed ? error_no_memory(error)
                     : error_set(error, RHEI_UNSUPPORTED, "%s = \"%s\" isn't offered by this version: it takes %s",
                                 key->name, name, names.data);
    base_buffer_reset(&names);
    return status;
}

static rhei_status offered_keys(const struct config_settings *settings, char *const *origins, struct rhei_error *error)
{
    for (const struct config_key *key = config_keys; key->section != NULL; key++) {
        const char *origin = origins[key - config_keys];
        if (origin == NULL)
            continue;
        if (key->effect == NULL)
            return at(origin,
                      error_set(error, RHEI_UNSUPPORTED, "the setting %s of [%s] isn't offered by this version: %s",
                                key->name, key->section, key->instead == NULL ? "leave it out" : key->instead),
                      error);
        const struct config_choice *choice = key->kind == CONFIG_KIND_CHOICE ? choice_of(settings, key) : NULL;
        if (choice != NULL && choice->later)
            return at(origin, refuse_choice(key, choice->name, error), error);
    }
    return RHEI_OK;
}

rhei_status config_offered(const struct config_settings *settings, struct rhei_error *error)
{
    rhei_status status = offered_keys(settings, settings->origins, error);
    for (size_t s = 0; s < settings->sidecar_count && status == RHEI_OK; s++) {
        struct config_settings one = *settings;
        one.sidecar = settings->sidecars[s];
        status = offered_keys(&one, one.sidecar.origins, error);
    }
    return status;
}

/* ---- For others --------------------------------------------------------------------------------------------------- */

const char *config_text(const struct config_settings *settings, const char *name)
{
    const struct config_key *key = config_find_key("engine", name);
    if (key == NULL || (key->kind != CONFIG_KIND_TEXT && key->kind != CONFIG_KIND_SECRET))
        return NULL;
    return *(char *const *)((const char *)settings + key->offset);
}

bool config_limits(const char *name, uint64_t *least, uint64_t *most)
{
    const struct config_key *key = config_find_key("engine", name);
    if (key == NULL || (key->kind != CONFIG_KIND_NUMBER && key->kind != CONFIG_KIND_BYTES))
        return false;
    *least = key->least;
    *most = key->most;
    return true;
}

bool config_row(size_t index, struct config_row *row)
{
    static const char *const types[] = {"text", "text", "number", "size", "boolean", "choice", "freshness"};
    if (index >= config_key_count())
        return false;
    const struct config_key *key = &config_keys[index];
    *row = (struct config_row){.section = key->section,
                               .name = key->name,
                               .type = types[key->kind],
                               .unit = key->unit,
                               .initial = key->initial,
                               .field = key->field,
                               .since = key->since != NULL ? key->since : "0.1.0",
                               .effect = key->effect,
                               .offered = key->effect != NULL};
    struct base_buffer names = {0};
    if (key->kind == CONFIG_KIND_CHOICE)
        config_choices(key, &names);
    snprintf(row->range, sizeof row->range, "%s",
             key->kind != CONFIG_KIND_CHOICE ? key->range
             : names.data != NULL            ? names.data
                                             : "");
    base_buffer_reset(&names);
    return true;
}
