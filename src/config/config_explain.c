/* SPDX-License-Identifier: Apache-2.0 */
/* The effective settings as TOML; behind each, as a comment, where it came from. */
#include <string.h>

#include "base/base_error.h"
#include "config_keys.h"

enum { ORIGIN_COLUMN = 46 };

static void explain_key(const struct config_settings *settings, const struct config_key *key, struct base_buffer *out)
{
    const char *origin = settings->origins[key - config_keys];
    struct base_buffer value = {0};
    size_t start = out->len;
    bool secret = key->kind == CONFIG_KIND_SECRET && *(char *const *)((const char *)settings + key->offset) != NULL;
    if (config_show(settings, key, &value))
        base_buffer_format(out, "%s = %s", key->name, value.failed ? "" : value.data);
    else
        base_buffer_format(out, "# %s is %s", key->name, secret ? "set, but never shown" : "not set");
    out->failed = out->failed || value.failed;
    base_buffer_reset(&value);
    do
        base_buffer_char(out, ' ');
    while (out->len - start < ORIGIN_COLUMN && !out->failed);
    base_buffer_format(out, "# %s\n", origin == NULL ? "default" : origin);
}

static void explain_pair(struct base_buffer *out, const char *name, const char *value)
{
    if (value == NULL)
        return;
    base_buffer_format(out, "%s = ", name);
    config_quote(out, value);
    base_buffer_char(out, '\n');
}

static void explain_columns(struct base_buffer *out, const struct config_column *columns, size_t count)
{
    if (count == 0)
        return;
    base_buffer_text(out, "columns = [\n");
    for (size_t i = 0; i < count; i++) {
        base_buffer_text(out, "  { name = ");
        config_quote(out, columns[i].name);
        if (columns[i].type_text != NULL) {
            base_buffer_text(out, ", type = ");
            config_quote(out, columns[i].type_text);
        }
        base_buffer_format(out, ", nullable = %s, primary_key = %s },\n", columns[i].nullable ? "true" : "false",
                           columns[i].primary_key ? "true" : "false");
    }
    base_buffer_text(out, "]\n");
}

static void explain_tables(const struct config_settings *settings, struct base_buffer *out)
{
    for (size_t i = 0; i < settings->table_count; i++) {
        const struct config_table *table = &settings->tables[i];
        base_buffer_text(out, "\n[[tables]]\n");
        explain_pair(out, "name", table->name);
        explain_pair(out, "ddl", table->ddl);
        explain_columns(out, table->columns, table->column_count);
    }
}

static void explain_sidecar_tables(const struct config_sidecar *sidecar, struct base_buffer *out)
{
    for (size_t i = 0; i < sidecar->table_count; i++) {
        const struct config_sidecar_table *table = &sidecar->tables[i];
        base_buffer_text(out, "\n[[sidecar.tables]]\n");
        explain_pair(out, "table_name", table->table_name);
        for (size_t j = 0; j < table->primary_key_count; j++) {
            base_buffer_text(out, j == 0 ? "primary_key = [" : ", ");
            config_quote(out, table->primary_key[j]);
        }
        base_buffer_text(out, table->primary_key_count > 0 ? "]\n" : "");
        explain_pair(out, "created_at_column", table->created_at_column);
        explain_pair(out, "updated_at_column", table->updated_at_column);
        explain_columns(out, table->columns, table->column_count);
    }
}

/* Keys of the sections whose names begin so, or of all others. */
static void explain_keys(const struct config_settings *settings, bool sidecar, bool several, struct base_buffer *out)
{
    const char *section = "";
    for (const struct config_key *key = config_keys; key->section != NULL; key++) {
        if ((strncmp(key->section, "sidecar", 7) == 0) != sidecar)
            continue;
        bool listed = several && strcmp(key->section, "sidecar") == 0;
        if (strcmp(section, key->section) != 0)
            base_buffer_format(out, listed ? "\n[[%s]]\n" : "\n[%s]\n", key->section);
        section = key->section;
        explain_key(settings, key, out);
    }
}

/* ---- One by one --------------------------------------------------------------------------------------------------- */

static bool visit_keys(const struct config_settings *settings, bool sidecar, config_visitor visit, void *context)
{
    bool good = true;
    for (const struct config_key *key = config_keys; key->section != NULL && good; key++) {
        if ((strncmp(key->section, "sidecar", 7) == 0) != sidecar)
            continue;
        struct base_buffer value = {0};
        bool shown = config_show(settings, key, &value);
        good = !value.failed;
        visit(context, &(struct config_effective){
                           .section = key->section,
                           .name = key->name,
                           .value = shown ? value.data : NULL,
                           .origin = settings->origins[key - config_keys],
                           .effect = key->effect,
                           .hidden = key->kind == CONFIG_KIND_SECRET &&
                                     *(char *const *)((const char *)settings + key->offset) != NULL,
                       });
        base_buffer_reset(&value);
    }
    return good;
}

rhei_status config_each(const struct config_settings *settings, config_visitor visit, void *context,
                        struct rhei_error *error)
{
    bool good = visit_keys(settings, false, visit, context);
    for (size_t s = 0; config_sidecar_at(settings, s) != NULL && good; s++) {
        struct config_settings one = *settings;
        one.sidecar = *config_sidecar_at(settings, s);
        one.origins = s < settings->sidecar_count ? one.sidecar.origins : settings->origins;
        good = visit_keys(&one, true, visit, context);
    }
    for (size_t t = 0; t < settings->table_count && good; t++)
        visit(context, &(struct config_effective){.section = "tables",
                                                  .name = settings->tables[t].name,
                                                  .origin = settings->tables[t].origin});
    return good ? RHEI_OK : error_no_memory(error);
}

/* ---- As one text -------------------------------------------------------------------------------------------------- */

rhei_status config_explain(const struct config_settings *settings, struct base_buffer *out, struct rhei_error *error)
{
    base_buffer_text(out, "# Effective settings, and behind each where it came from.\n");
    explain_keys(settings, false, false, out);
    for (size_t s = 0; config_sidecar_at(settings, s) != NULL; s++) {
        struct config_settings one = *settings;
        one.sidecar = *config_sidecar_at(settings, s);
        one.origins = s < settings->sidecar_count ? one.sidecar.origins : settings->origins;
        explain_keys(&one, true, settings->sidecar_count > 0, out);
        explain_sidecar_tables(&one.sidecar, out);
    }
    explain_tables(settings, out);
    return out->failed ? error_no_memory(error) : RHEI_OK;
}
