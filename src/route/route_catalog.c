/* SPDX-License-Identifier: Apache-2.0 */
/* The translator's view of the tables: SQLite's declarations joined with what the mirror's columns hold on one snapshot. */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "route/route_internal.h"

_Static_assert((int)TRANSLATE_NEGATIVE_ZERO == (int)MIRROR_NEGATIVE_ZERO &&
                   (int)TRANSLATE_HAS_NULL == (int)MIRROR_HAS_NULL &&
                   (int)TRANSLATE_BIG_INTEGER == (int)MIRROR_BIG_INTEGER &&
                   (int)TRANSLATE_NON_ASCII == (int)MIRROR_NON_ASCII,
               "sql/ and mirror/ must agree on what a flag means");
_Static_assert((int)TRANSLATE_AFFINITY_REAL == (int)AFFINITY_REAL && (int)TRANSLATE_AFFINITY_TEXT == (int)AFFINITY_TEXT,
               "sql/ and port/ must agree on affinities");

static void column_fill(struct translate_column *column, const struct source_column *from,
                        const struct mirror_table_view *view, uint32_t number)
{
    *column = (struct translate_column){
        .name = from->name,
        .declared_type = from->declared_type,
        .collation = from->collation,
        .affinity = from->affinity,
        .not_null = from->not_null,
        .is_rowid_alias = from->is_rowid_alias,
        .is_rowid = from->is_rowid,
    };
    if (view == NULL)
        return;
    column->flags = mirror_view_column_flags(view, number);
    column->has_range = mirror_view_range(view, number, &column->low, &column->high);
}

static uint32_t key_length(const int32_t *key)
{
    uint32_t count = 0;
    while (key[count] >= 0)
        count++;
    return count;
}

/* Is its key no rowid? So it is with tables of other sources that have neither a rowid nor a key of integers. */
static bool has_key_alone(const struct capture_table *table)
{
    const struct source_table *source = &table->source;
    if (table->schema == NULL || source->without_rowid)
        return source->without_rowid;
    for (uint32_t c = 0; c < source->column_count; c++)
        if (source->columns[c].is_rowid || source->columns[c].is_rowid_alias)
            return false;
    return source->key_count > 0;
}

/* One block: entry, columns, keys, the keys' column numbers. */
static struct route_catalog_entry *entry_new(const struct capture_table *table, const struct mirror_table_view *view)
{
    const struct source_table *source = &table->source;
    bool keyed = has_key_alone(table);
    uint32_t key_count = table->unique_key_count + (keyed ? 1 : 0);
    size_t numbers = keyed ? source->key_count : 0;
    for (uint32_t k = 0; k < table->unique_key_count; k++)
        numbers += key_length(table->unique_keys[k]);
    struct route_catalog_entry *entry =
        base_alloc_zero(1, sizeof *entry + source->column_count * sizeof(struct translate_column) +
                               key_count * sizeof(struct translate_unique_key) + numbers * sizeof(uint32_t));
    if (entry == NULL)
        return NULL;
    struct translate_column *columns = (struct translate_column *)(entry + 1);
    struct translate_unique_key *keys = (struct translate_unique_key *)(columns + source->column_count);
    uint32_t *number = (uint32_t *)(keys + key_count);
    for (uint32_t c = 0; c < source->column_count; c++)
        column_fill(&columns[c], &source->columns[c], view, c);
    uint32_t made = 0;
    if (keyed) {
        keys[made++] = (struct translate_unique_key){.columns = number, .column_count = source->key_count};
        memcpy(number, source->key_columns, source->key_count * sizeof *number);
        number += source->key_count;
    }
    for (uint32_t k = 0; k < table->unique_key_count; k++) {
        uint32_t length = key_length(table->unique_keys[k]);
        keys[made] = (struct translate_unique_key){.columns = number, .column_count = length};
        for (uint32_t i = 0; i < length; i++) {
            number[i] = (uint32_t)table->unique_keys[k][i];
            keys[made].nullable |= !source->columns[number[i]].not_null;
        }
        number += length;
        made++;
    }
    entry->table = (struct translate_table){
        .name = source->name,
        .id = source->id,
        .columns = columns,
        .column_count = source->column_count,
        .keys = keys,
        .key_count = key_count,
        .without_rowid = keyed,
        .mirrored = view != NULL,
        .refusal_reason = source->unmirrored_reason != NULL ? source->unmirrored_reason : "its mirror isn't built",
        .row_count = view != NULL ? mirror_view_row_count(view) : 0,
    };
    return entry;
}

static bool is_main(const char *schema)
{
    return schema == NULL || base_fold_compare(schema, "main") == 0;
}

/* As SQLite finds it: named without a schema, our own first, tables and views; then the others in their order. */
static const struct capture_table *table_named(const struct capture_catalog *tables, const char *schema,
                                               const char *name)
{
    const struct capture_table *shown = NULL;
    for (uint32_t t = 0; t < tables->table_count; t++) {
        const struct capture_table *table = &tables->tables[t];
        if (base_fold_compare(table->source.name, name) != 0 ||
            (schema != NULL && base_fold_compare(table->schema == NULL ? "main" : table->schema, schema) != 0))
            continue;
        if (table->schema == NULL)
            return table;
        shown = shown == NULL ? table : shown;
    }
    for (uint32_t v = 0; schema == NULL && shown != NULL && v < tables->view_count; v++)
        if (base_fold_compare(tables->views[v].name, name) == 0)
            return NULL;
    return shown;
}

static const struct translate_table *find_table(void *context, const char *schema, const char *name)
{
    struct route_catalog *catalog = context;
    const struct capture_table *table = table_named(catalog->tables, schema, name);
    if (table == NULL)
        return NULL;
    for (struct route_catalog_entry *entry = catalog->entries; entry != NULL; entry = entry->next)
        if (entry->of == table)
            return &entry->table;
    const struct mirror_table_view *view = table->captured ? mirror_view(catalog->snapshot, table->source.id) : NULL;
    struct route_catalog_entry *entry = entry_new(table, view);
    if (entry == NULL) {
        catalog->failed = true;
        return NULL;
    }
    entry->of = table;
    entry->next = catalog->entries;
    catalog->entries = entry;
    return &entry->table;
}

static const char *find_view(void *context, const char *schema, const char *name)
{
    const struct route_catalog *catalog = context;
    if (!is_main(schema))
        return NULL;
    for (uint32_t v = 0; v < catalog->tables->view_count; v++)
        if (base_fold_compare(catalog->tables->views[v].name, name) == 0)
            return catalog->tables->views[v].sql;
    return NULL;
}

void route_catalog_open(struct route *route, const struct route_state *state, struct route_catalog *catalog)
{
    static const enum translate_encoding encodings[] = {
        [OLTP_UTF8] = TRANSLATE_UTF8, [OLTP_UTF16LE] = TRANSLATE_UTF16LE, [OLTP_UTF16BE] = TRANSLATE_UTF16BE};
    *catalog = (struct route_catalog){
        .catalog = {find_table, find_view, catalog, encodings[oltp_encoding(route->config.oltp)]},
        .tables = state->catalog,
        .snapshot = &state->snapshot};
}

void route_catalog_close(struct route_catalog *catalog)
{
    while (catalog->entries != NULL) {
        struct route_catalog_entry *entry = catalog->entries;
        catalog->entries = entry->next;
        base_free(entry);
    }
}

const struct translate_table *route_catalog_by_id(struct route_catalog *catalog, uint32_t id)
{
    for (uint32_t t = 0; t < catalog->tables->table_count; t++)
        if (catalog->tables->tables[t].source.id == id)
            return find_table(catalog,
                              catalog->tables->tables[t].schema != NULL ? catalog->tables->tables[t].schema : "main",
                              catalog->tables->tables[t].source.name);
    return NULL;
}
