/* SPDX-License-Identifier: Apache-2.0 */
/* From a TOML document to settings: which tables and keys there may be, and what each takes. */
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "config_keys.h"

struct apply {
    struct config_settings *settings;
    const char *name; /* the file */
    struct rhei_error *error;
};

/* "FILE:LINE: " in front of an error that is being raised. */
static rhei_status at_line(struct apply *apply, const struct toml_node *node, rhei_status status)
{
    if (status == RHEI_CONFIG)
        error_context(apply->error, "%s:%d: ", apply->name, node->line);
    return status;
}

/* "FILE:LINE", for errors that are found later. */
static rhei_status place_of(struct apply *apply, const struct toml_node *node, char **out)
{
    struct base_buffer place = {0};
    base_buffer_format(&place, "%s:%d", apply->name, node->line);
    *out = base_buffer_take(&place);
    return *out == NULL ? error_no_memory(apply->error) : RHEI_OK;
}

/* ---- Unknown names ------------------------------------------------------------------------------------------------ */

static void list_names(struct base_buffer *out, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        base_buffer_format(out, "%s%s", i == 0 ? "" : i + 1 == count ? " or " : ", ", names[i]);
}

/* Another section that has a key of this name. */
static const char *section_with(const char *name)
{
    for (const struct config_key *key = config_keys; key->section != NULL; key++)
        if (strcmp(key->name, name) == 0)
            return key->section;
    return NULL;
}

/* `section` is "[engine]" or "the top level"; `names` are what it may hold. */
static rhei_status unknown_key(struct apply *apply, const struct toml_node *node, const char *section,
                               const char *const *names, size_t count)
{
    const char *nearest = config_nearest(node->key, names, count);
    const char *elsewhere = section_with(node->key);
    struct base_buffer hint = {0};
    if (nearest != NULL)
        base_buffer_format(&hint, "did you mean \"%s\"?", nearest);
    else if (elsewhere != NULL)
        base_buffer_format(&hint, "that key belongs in [%s]", elsewhere);
    else
        list_names(&hint, names, count);
    rhei_status status = hint.failed
                             ? error_no_memory(apply->error)
                             : error_set(apply->error, RHEI_CONFIG, "unknown key \"%.80s\" in %s; %s%s", node->key,
                                         section, nearest == NULL && elsewhere == NULL ? "it takes " : "", hint.data);
    base_buffer_reset(&hint);
    return at_line(apply, node, status);
}

static rhei_status wrong_kind(struct apply *apply, const struct toml_node *node, const char *what, const char *expected)
{
    return at_line(
        apply, node,
        error_set(apply->error, RHEI_CONFIG, "%s takes %s, but this is %s", what, expected, toml_kind_name(node)));
}

/* ---- Single values ------------------------------------------------------------------------------------------------ */

/* The text of a TOML string without NULs. */
static rhei_status text_of(struct apply *apply, const struct toml_node *node, const char *what, const char **text)
{
    if (node->kind != TOML_STRING)
        return wrong_kind(apply, node, what, "a text in quotes");
    if (strlen(node->text) != node->len || node->len == 0)
        return at_line(apply, node,
                       error_set(apply->error, RHEI_CONFIG, "%s can't be %s", what,
                                 node->len == 0 ? "empty" : "a text with a NUL in it"));
    *text = node->text;
    return RHEI_OK;
}

static rhei_status copy_text(struct apply *apply, const struct toml_node *node, const char *what, char **out)
{
    const char *text = NULL;
    rhei_status status = text_of(apply, node, what, &text);
    if (status != RHEI_OK)
        return status;
    *out = base_strdup(text);
    return *out == NULL ? error_no_memory(apply->error) : RHEI_OK;
}

static rhei_status boolean_of(struct apply *apply, const struct toml_node *node, const char *what, bool *out)
{
    if (node->kind != TOML_BOOLEAN)
        return wrong_kind(apply, node, what, "true or false");
    *out = node->boolean;
    return RHEI_OK;
}

static bool kind_fits(const struct config_key *key, const struct toml_node *node)
{
    switch ((enum config_kind)key->kind) {
    case CONFIG_KIND_NUMBER:
        return node->kind == TOML_INTEGER;
    case CONFIG_KIND_BOOLEAN:
        return node->kind == TOML_BOOLEAN;
    case CONFIG_KIND_BYTES:
        return node->kind == TOML_INTEGER || node->kind == TOML_STRING;
    default:
        return node->kind == TOML_STRING;
    }
}

/* What a key takes, when it got a value of another kind. */
static void expect_kind(const struct config_key *key, struct base_buffer *out)
{
    switch ((enum config_kind)key->kind) {
    case CONFIG_KIND_NUMBER:
        base_buffer_format(out, "a whole number from %s", key->range);
        return;
    case CONFIG_KIND_BYTES:
        base_buffer_format(out, "a whole number of bytes, or a size such as \"4GB\", from %s", key->range);
        return;
    case CONFIG_KIND_BOOLEAN:
        base_buffer_text(out, "true or false");
        return;
    case CONFIG_KIND_CHOICE:
        base_buffer_text(out, "a text in quotes: ");
        config_choices(key, out);
        return;
    default:
        base_buffer_text(out, "a text in quotes");
    }
}

/* Names the value too, but of a secret. */
static rhei_status key_of_wrong_kind(struct apply *apply, const struct config_key *key, const struct toml_node *node)
{
    struct base_buffer expected = {0};
    expect_kind(key, &expected);
    bool shown = key->kind != CONFIG_KIND_SECRET && node->kind != TOML_TABLE && node->kind != TOML_ARRAY;
    rhei_status status =
        expected.failed ? error_no_memory(apply->error)
                        : error_set(apply->error, RHEI_CONFIG, "%s takes %s, but this is %s%s%.60s", key->name,
                                    expected.data, toml_kind_name(node), shown ? ": " : "", shown ? node->text : "");
    base_buffer_reset(&expected);
    return at_line(apply, node, status);
}

static rhei_status apply_key(struct apply *apply, const struct config_key *key, const struct toml_node *node)
{
    if (!kind_fits(key, node))
        return key_of_wrong_kind(apply, key, node);
    const char *text = node->text;
    char digits[24];
    if (node->kind == TOML_INTEGER) { /* the text may be hexadecimal */
        snprintf(digits, sizeof digits, "%lld", (long long)node->integer);
        text = digits;
    }
    rhei_status status = RHEI_OK;
    if (node->kind == TOML_STRING)
        status = text_of(apply, node, key->name, &text);
    if (status != RHEI_OK)
        return status;
    status = at_line(apply, node, config_store(apply->settings, key, text, apply->error));
    if (status != RHEI_OK)
        return status;
    char *origin = NULL;
    status = place_of(apply, node, &origin);
    if (status == RHEI_OK)
        config_set_origin(apply->settings, key, origin);
    return status;
}

/* ---- Sections ----------------------------------------------------------------------------------------------------- */

/* A table or list inside a section: its name and who reads it. */
struct apply_inner {
    const char *name;
    rhei_status (*read)(struct apply *apply, const struct toml_node *node);
};

/* Nobody is advised to set what this version would refuse. */
static bool is_offered(const struct config_key *key, const char *section)
{
    return strcmp(key->section, section) == 0 && (strcmp(section, "engine") != 0 || key->effect != NULL);
}

static rhei_status unknown_in_section(struct apply *apply, const struct toml_node *node, const char *section,
                                      const char *title, const struct apply_inner *inner, size_t inner_count)
{
    size_t most = inner_count;
    for (const struct config_key *key = config_keys; key->section != NULL; key++)
        most += is_offered(key, section);
    const char **names = base_alloc_zero(most, sizeof *names);
    if (names == NULL)
        return error_no_memory(apply->error);
    size_t count = 0;
    for (const struct config_key *key = config_keys; key->section != NULL; key++)
        if (is_offered(key, section))
            names[count++] = key->name;
    for (size_t i = 0; i < inner_count; i++)
        names[count++] = inner[i].name;
    rhei_status status = unknown_key(apply, node, title, names, count);
    base_free(names);
    return status;
}

static rhei_status apply_section(struct apply *apply, const struct toml_node *table, const char *section,
                                 const struct apply_inner *inner, size_t inner_count)
{
    char title[48];
    snprintf(title, sizeof title, "[%s]", section);
    if (table->kind != TOML_TABLE)
        return wrong_kind(apply, table, title, "a table of keys");
    for (size_t i = 0; i < table->count; i++) {
        const struct toml_node *node = table->items[i];
        const struct config_key *key = config_find_key(section, node->key);
        rhei_status (*read)(struct apply *, const struct toml_node *) = NULL;
        for (size_t j = 0; j < inner_count; j++)
            if (strcmp(inner[j].name, node->key) == 0)
                read = inner[j].read;
        rhei_status status = key != NULL    ? apply_key(apply, key, node)
                             : read != NULL ? read(apply, node)
                                            : unknown_in_section(apply, node, section, title, inner, inner_count);
        if (status != RHEI_OK)
            return status;
    }
    return RHEI_OK;
}

static rhei_status apply_storage(struct apply *apply, const struct toml_node *node)
{
    return apply_section(apply, node, "engine.datafusion_storage", NULL, 0);
}

static rhei_status apply_detection(struct apply *apply, const struct toml_node *node)
{
    if (node->kind == TOML_STRING) { /* the mode, in one word */
        const struct config_key *key = config_find_key("sidecar.delete_detection", "mode");
        struct base_buffer modes = {0};
        config_choices(key, &modes);
        rhei_status status = modes.failed
                                 ? error_no_memory(apply->error)
                                 : error_set(apply->error, RHEI_CONFIG,
                                             "delete_detection takes a section of its own, but this is a text: write "
                                             "[sidecar.delete_detection] and under it mode = \"%.40s\" (%s)",
                                             node->len == 0 ? "full_diff" : node->text, modes.data);
        base_buffer_reset(&modes);
        return at_line(apply, node, status);
    }
    return apply_section(apply, node, "sidecar.delete_detection", NULL, 0);
}

/* ---- Columns ------------------------------------------------------------------------------------------------------ */

static rhei_status apply_type(struct apply *apply, const struct toml_node *node, struct config_column *column)
{
    rhei_status status = copy_text(apply, node, "type", &column->type_text);
    if (status != RHEI_OK || config_parse_type(column->type_text, column))
        return status;
    return at_line(apply, node,
                   error_set(apply->error, RHEI_CONFIG,
                             "unknown column type \"%.60s\"; types are int8 to int64, uint8 to uint64, float32, "
                             "float64, double, real, text, utf8, string, varchar, boolean, binary, blob, date, time, "
                             "timestamp, timestamptz, decimal(PRECISION,SCALE), json, uuid",
                             column->type_text));
}

static rhei_status apply_column(struct apply *apply, const struct toml_node *node, struct config_column *column)
{
    static const char *const names[] = {"name", "type", "nullable", "primary_key"};
    column->nullable = true;
    if (node->kind == TOML_STRING) /* a name alone */
        return copy_text(apply, node, "a column", &column->name);
    if (node->kind != TOML_TABLE)
        return wrong_kind(apply, node, "columns", "tables with name and type");
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < node->count; i++) {
        const struct toml_node *item = node->items[i];
        if (strcmp(item->key, "name") == 0)
            status = copy_text(apply, item, "name", &column->name);
        else if (strcmp(item->key, "type") == 0)
            status = apply_type(apply, item, column);
        else if (strcmp(item->key, "nullable") == 0)
            status = boolean_of(apply, item, "nullable", &column->nullable);
        else if (strcmp(item->key, "primary_key") == 0)
            status = boolean_of(apply, item, "primary_key", &column->primary_key);
        else
            status = unknown_key(apply, item, "a column", names, 4);
    }
    if (status == RHEI_OK && column->name == NULL)
        status = at_line(apply, node, error_set(apply->error, RHEI_CONFIG, "a column has no name"));
    return status;
}

static rhei_status apply_columns(struct apply *apply, const struct toml_node *node, struct config_column **columns,
                                 size_t *count)
{
    if (node->kind != TOML_ARRAY)
        return wrong_kind(apply, node, "columns", "an array of tables with name and type");
    if (node->count == 0)
        return at_line(apply, node, error_set(apply->error, RHEI_CONFIG, "columns names no column"));
    *columns = base_alloc_zero(node->count, sizeof **columns);
    if (*columns == NULL)
        return error_no_memory(apply->error);
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < node->count; i++) {
        *count = i + 1;
        status = apply_column(apply, node->items[i], &(*columns)[i]);
        for (size_t j = 0; status == RHEI_OK && j < i; j++)
            if (base_fold_compare((*columns)[j].name, (*columns)[i].name) == 0)
                status =
                    at_line(apply, node->items[i],
                            error_set(apply->error, RHEI_CONFIG, "column \"%s\" is named twice", (*columns)[i].name));
    }
    return status;
}

/* ---- Lists of tables ---------------------------------------------------------------------------------------------- */

/* As of the engine, by the same words. */
static rhei_status apply_mode(struct apply *apply, const struct toml_node *node, struct config_table *table)
{
    const struct config_key *key = config_find_key("engine", "sync_mode");
    const char *text = NULL;
    if (!kind_fits(key, node))
        return key_of_wrong_kind(apply, key, node);
    rhei_status status = text_of(apply, node, key->name, &text);
    return status != RHEI_OK ? status
                             : at_line(apply, node, config_store_choice(&table->sync_mode, key, text, apply->error));
}

static rhei_status apply_table(struct apply *apply, const struct toml_node *node, struct config_table *table)
{
    static const char *const names[] = {"name", "ddl", "sync_mode", "columns"};
    const struct toml_node *columns = NULL;
    table->sync_mode = -1;
    if (node->kind != TOML_TABLE)
        return wrong_kind(apply, node, "tables", "[[tables]] sections");
    rhei_status status = place_of(apply, node, &table->origin);
    for (size_t i = 0; status == RHEI_OK && i < node->count; i++) {
        const struct toml_node *item = node->items[i];
        if (strcmp(item->key, "name") == 0)
            status = copy_text(apply, item, "name", &table->name);
        else if (strcmp(item->key, "ddl") == 0)
            status = copy_text(apply, item, "ddl", &table->ddl);
        else if (strcmp(item->key, "sync_mode") == 0)
            status = apply_mode(apply, item, table);
        else if (strcmp(item->key, "columns") == 0)
            status = apply_columns(apply, columns = item, &table->columns, &table->column_count);
        else
            status = unknown_key(apply, item, "[[tables]]", names, 4);
    }
    if (status == RHEI_OK && table->name == NULL)
        status = at_line(apply, node, error_set(apply->error, RHEI_CONFIG, "this [[tables]] section has no name"));
    if (status == RHEI_OK && table->ddl != NULL && columns != NULL)
        status = at_line(apply, columns,
                         error_set(apply->error, RHEI_CONFIG,
                                   "table \"%s\" has ddl and columns, which both say how it is made: keep one of them",
                                   table->name));
    return status;
}

static rhei_status apply_tables(struct apply *apply, const struct toml_node *node)
{
    struct config_settings *settings = apply->settings;
    if (node->kind != TOML_ARRAY)
        return wrong_kind(apply, node, "tables", "[[tables]] sections");
    settings->tables = base_alloc_zero(node->count, sizeof *settings->tables);
    if (settings->tables == NULL)
        return error_no_memory(apply->error);
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < node->count; i++) {
        settings->table_count = i + 1;
        status = apply_table(apply, node->items[i], &settings->tables[i]);
        for (size_t j = 0; status == RHEI_OK && j < i; j++)
            if (base_fold_compare(settings->tables[j].name, settings->tables[i].name) == 0)
                status = at_line(apply, node->items[i],
                                 error_set(apply->error, RHEI_CONFIG, "table \"%s\" has two [[tables]] sections",
                                           settings->tables[i].name));
    }
    return status;
}

/* "id" or ["tenant", "id"] */
static rhei_status apply_primary_key(struct apply *apply, const struct toml_node *node,
                                     struct config_sidecar_table *table)
{
    bool list = node->kind == TOML_ARRAY;
    if (!list && node->kind != TOML_STRING)
        return wrong_kind(apply, node, "primary_key", "a column's name or an array of them");
    size_t count = list ? node->count : 1;
    if (count == 0)
        return at_line(apply, node, error_set(apply->error, RHEI_CONFIG, "primary_key names no column"));
    table->primary_key = base_alloc_zero(count, sizeof *table->primary_key);
    if (table->primary_key == NULL)
        return error_no_memory(apply->error);
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < count; i++) {
        table->primary_key_count = i + 1;
        status = copy_text(apply, list ? node->items[i] : node, "primary_key", &table->primary_key[i]);
    }
    return status;
}

static rhei_status apply_sidecar_table(struct apply *apply, const struct toml_node *node,
                                       struct config_sidecar_table *table)
{
    static const char *const names[] = {"table_name", "primary_key", "created_at_column", "updated_at_column",
                                        "columns"};
    if (node->kind != TOML_TABLE)
        return wrong_kind(apply, node, "sidecar.tables", "[[sidecar.tables]] sections");
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < node->count; i++) {
        const struct toml_node *item = node->items[i];
        if (strcmp(item->key, "table_name") == 0)
            status = copy_text(apply, item, "table_name", &table->table_name);
        else if (strcmp(item->key, "name") == 0) /* as of [[tables]], and of the struct in C */
            status = at_line(apply, item,
                             error_set(apply->error, RHEI_CONFIG,
                                       "unknown key \"name\" in [[sidecar.tables]]; the table is its \"table_name\""));
        else if (strcmp(item->key, "primary_key") == 0)
            status = apply_primary_key(apply, item, table);
        else if (strcmp(item->key, "created_at_column") == 0)
            status = copy_text(apply, item, "created_at_column", &table->created_at_column);
        else if (strcmp(item->key, "updated_at_column") == 0)
            status = copy_text(apply, item, "updated_at_column", &table->updated_at_column);
        else if (strcmp(item->key, "columns") == 0)
            status = apply_columns(apply, item, &table->columns, &table->column_count);
        else
            status = unknown_key(apply, item, "[[sidecar.tables]]", names, 5);
    }
    if (status == RHEI_OK && table->table_name == NULL)
        status = at_line(apply, node,
                         error_set(apply->error, RHEI_CONFIG, "this [[sidecar.tables]] section has no table_name"));
    return status;
}

static rhei_status apply_sidecar_tables(struct apply *apply, const struct toml_node *node)
{
    struct config_sidecar *sidecar = &apply->settings->sidecar;
    if (node->kind != TOML_ARRAY)
        return wrong_kind(apply, node, "sidecar.tables", "[[sidecar.tables]] sections");
    sidecar->tables = base_alloc_zero(node->count, sizeof *sidecar->tables);
    if (sidecar->tables == NULL)
        return error_no_memory(apply->error);
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < node->count; i++) {
        sidecar->table_count = i + 1;
        status = apply_sidecar_table(apply, node->items[i], &sidecar->tables[i]);
        for (size_t j = 0; status == RHEI_OK && j < i; j++)
            if (strcmp(sidecar->tables[j].table_name, sidecar->tables[i].table_name) == 0)
                status =
                    at_line(apply, node->items[i],
                            error_set(apply->error, RHEI_CONFIG, "table \"%s\" has two [[sidecar.tables]] sections",
                                      sidecar->tables[i].table_name));
    }
    return status;
}

/* ---- The document ------------------------------------------------------------------------------------------------- */

static rhei_status apply_engine(struct apply *apply, const struct toml_node *node)
{
    static const struct apply_inner inner[] = {{"datafusion_storage", apply_storage}};
    return apply_section(apply, node, "engine", inner, 1);
}

static rhei_status apply_one_sidecar(struct apply *apply, const struct toml_node *node)
{
    static const struct apply_inner inner[] = {{"delete_detection", apply_detection}, {"tables", apply_sidecar_tables}};
    rhei_status status = config_sidecar_next(apply->settings, apply->error);
    if (status != RHEI_OK)
        return status;
    apply->settings->sidecar.present = true;
    status = place_of(apply, node, &apply->settings->sidecar.origin);
    return status != RHEI_OK ? status : apply_section(apply, node, "sidecar", inner, 2);
}

/* [sidecar], or [[sidecar]] for each of several. */
static rhei_status apply_sidecar(struct apply *apply, const struct toml_node *node)
{
    if (node->kind != TOML_ARRAY)
        return apply_one_sidecar(apply, node);
    rhei_status status = RHEI_OK;
    for (size_t i = 0; i < node->count && status == RHEI_OK; i++)
        status = apply_one_sidecar(apply, node->items[i]);
    return status;
}

rhei_status config_apply(struct config_settings *settings, const struct toml_node *root, const char *name,
                         struct rhei_error *error)
{
    struct rhei_error unseen = RHEI_ERROR_INIT; /* so that at_line has one to add to */
    struct apply apply = {settings, name, error == NULL ? &unseen : error};
    static const char *const names[] = {"engine", "tables", "sidecar"};
    rhei_status status = RHEI_OK;
    for (size_t i = 0; status == RHEI_OK && i < root->count; i++) {
        const struct toml_node *node = root->items[i];
        if (strcmp(node->key, "engine") == 0)
            status = apply_engine(&apply, node);
        else if (strcmp(node->key, "tables") == 0)
            status = apply_tables(&apply, node);
        else if (strcmp(node->key, "sidecar") == 0)
            status = apply_sidecar(&apply, node);
        else
            status = unknown_key(&apply, node, "the top level", names, 3);
    }
    return status;
}
