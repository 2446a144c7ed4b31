/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"

/* In the arena, and `text` is empty then. */
static rhei_status settle(struct base_arena *arena, struct base_buffer *text, const char **reason,
                          struct rhei_error *error)
{
    const char *copy = text->failed ? NULL : base_arena_text(arena, text->data);
    base_buffer_reset(text);
    if (copy == NULL)
        return error_no_memory(error);
    *reason = copy;
    return RHEI_OK;
}

/* ---- Tables. ----------------------------------------------------------------------------------------------------- */

static int compare_tables(const void *a, const void *b)
{
    const struct postgres_table *left = *(struct postgres_table *const *)a, *right = *(struct postgres_table *const *)b;
    return base_fold_compare(left->shown, right->shown);
}

static rhei_status refuse_pair(struct base_arena *arena, struct postgres_table *table,
                               const struct postgres_table *other, struct rhei_error *error)
{
    struct base_buffer text = {0};
    if (table->reason != NULL)
        return RHEI_OK;
    base_buffer_text(&text, "queries can't tell its name from that of ");
    postgres_put_name(&text, other->schema, other->name);
    base_buffer_format(
        &text,
        ", since upper and lower case are one here: name the tables to follow in [[sidecar.tables]], and "
        "only one of these (this is \"%s.%s\" there)",
        table->schema, table->name);
    return settle(arena, &text, &table->reason, error);
}

/* NULL: it may be used. */
static const char *reserved(const char *name)
{
    static const char *const words[][2] = {
        {"sqlite_",
         "its name begins with sqlite_, and such names are SQLite's own here: give it (or its schema) another "
         "name"},
        {"_rhei_", "its name begins with _rhei_, and such names are Rhei's own: give it (or its schema) another name"},
    };
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        size_t len = strlen(words[w][0]);
        if (strlen(name) >= len && base_fold_equal(name, len, words[w][0], len))
            return words[w][1];
    }
    return NULL;
}

rhei_status postgres_names_check(struct postgres_catalog *catalog, struct rhei_error *error)
{
    struct postgres_table **by_name = base_alloc_zero(catalog->count + 1, sizeof(struct postgres_table *));
    rhei_status status = by_name == NULL ? error_no_memory(error) : RHEI_OK;
    size_t count = 0;
    for (size_t i = 0; i < catalog->count && status == RHEI_OK; i++) {
        struct postgres_table *table = &catalog->tables[i];
        if (table->oid == 0)
            continue;
        by_name[count++] = table;
        if (table->reason == NULL)
            table->reason = reserved(table->shown);
    }
    if (count > 1)
        qsort(by_name, count, sizeof(struct postgres_table *), compare_tables);
    for (size_t i = 1; i < count && status == RHEI_OK; i++) {
        if (compare_tables(&by_name[i - 1], &by_name[i]) != 0)
            continue;
        status = refuse_pair(&catalog->arena, by_name[i - 1], by_name[i], error);
        if (status == RHEI_OK)
            status = refuse_pair(&catalog->arena, by_name[i], by_name[i - 1], error);
    }
    base_free(by_name);
    return status;
}

/* ---- Columns. ---------------------------------------------------------------------------------------------------- */

static int compare_columns(const void *a, const void *b)
{
    return base_fold_compare(*(const char *const *)a, *(const char *const *)b);
}

rhei_status postgres_names_columns(struct base_arena *arena, const struct source_column *columns, uint32_t count,
                                   const char **reason, struct rhei_error *error)
{
    const char **names = base_alloc_zero((size_t)count + 1, sizeof(const char *));
    if (names == NULL)
        return error_no_memory(error);
    for (uint32_t c = 0; c < count; c++)
        names[c] = columns[c].name;
    if (count > 1)
        qsort(names, count, sizeof(const char *), compare_columns);
    uint32_t at = 1;
    while (at < count && compare_columns(&names[at - 1], &names[at]) != 0)
        at++;
    rhei_status status = RHEI_OK;
    if (at < count) {
        struct base_buffer text = {0};
        base_buffer_text(&text, "queries can't tell its columns ");
        base_buffer_identifier(&text, names[at - 1]);
        base_buffer_text(&text, " and ");
        base_buffer_identifier(&text, names[at]);
        base_buffer_text(&text, " apart, since upper and lower case are one here: give one another name, or take mode "
                                "\"poll\" and leave it out of the table's columns");
        status = settle(arena, &text, reason, error);
    }
    base_free(names);
    return status;
}
