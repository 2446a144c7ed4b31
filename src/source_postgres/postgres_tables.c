/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_map.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_names.h"

/* One row for each column of an index, and whether the index makes rows unique; all indexes that can find or tell rows. */
static const char INDEXES[] =
    "SELECT i.indrelid, i.indexrelid, a.attname, i.indisunique AND u.o <= i.indnkeyatts FROM pg_catalog.pg_index i"
    " CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY u(k, o)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.k"
    " WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL"
    " AND u.o <= i.indnkeyatts ORDER BY i.indrelid, i.indexrelid, u.o";

struct describing {
    struct postgres_connection *connection;
    const struct poll_wishes *wishes;
    struct postgres_tables *tables;
    const PGresult *indexes;
    /* The table that is being described. */
    const struct postgres_table *from;
    struct poll_table *table;
    struct postgres_polled *polled;
    const struct poll_wanted *settings;                              /* NULL: there are none */
    uint32_t *key, key_count, stamps[POLL_STAMPS_MOST], stamp_count; /* columns of `from` */
    int64_t gone;
};

static void refuse(struct describing *now, const char *why)
{
    if (now->table->definition.unmirrored_reason == NULL)
        now->table->definition.unmirrored_reason = why;
}

/* The setting names a column that there isn't. */
static void refuse_column(struct describing *now, const char *setting, const char *name)
{
    struct base_buffer text = {0};
    base_buffer_format(&text, "%s: it has no column \"%s\"", setting, name);
    const char *copy = text.failed ? NULL : base_arena_text(&now->tables->arena, text.data);
    base_buffer_reset(&text);
    refuse(now, copy == NULL ? "a column that the settings name isn't there" : copy);
}

/* By its name as it is written, else in other letters. */
static int64_t find_column(const struct describing *now, const char *name)
{
    for (uint32_t c = 0; c < now->from->column_count; c++)
        if (strcmp(now->from->columns[c].name, name) == 0)
            return c;
    for (uint32_t c = 0; c < now->from->column_count; c++)
        if (base_fold_compare(now->from->columns[c].name, name) == 0)
            return c;
    return -1;
}

/* ---- Keys. ------------------------------------------------------------------------------------------------------- */

static bool is_key_column(const struct describing *now, const char *name)
{
    bool found = false;
    for (uint32_t k = 0; k < now->key_count && !found; k++)
        found = strcmp(now->from->columns[now->key[k]].name, name) == 0;
    return found;
}

static bool is_of_table(const struct describing *now, int row)
{
    return strtoul(postgres_cell(now->connection, now->indexes, row, 0), NULL, 10) == now->from->oid;
}

/* Some unique index has exactly the key's columns. */
static bool is_unique(const struct describing *now)
{
    int rows = now->connection->api->ntuples(now->indexes);
    bool unique = false;
    for (int row = 0, end; row < rows && !unique; row = end) {
        const char *index = postgres_cell(now->connection, now->indexes, row, 1);
        uint32_t found = 0;
        bool fits = is_of_table(now, row);
        for (end = row; end < rows && strcmp(postgres_cell(now->connection, now->indexes, end, 1), index) == 0; end++) {
            fits = fits && postgres_cell(now->connection, now->indexes, end, 3)[0] == 't' &&
                   is_key_column(now, postgres_cell(now->connection, now->indexes, end, 2));
            found++;
        }
        unique = fits && found == now->key_count;
    }
    return unique;
}

/* G1. */
static rhei_status choose_key(struct describing *now, struct rhei_error *error)
{
    size_t named = now->settings == NULL ? 0 : now->settings->key_count;
    now->key_count = 0;
    now->key = base_arena_zero(&now->tables->arena, POLL_KEYS_MOST, sizeof *now->key);
    if (now->key == NULL)
        return error_no_memory(error);
    if (named == 0)
        for (; now->key_count < now->from->key_count; now->key_count++)
            now->key[now->key_count] = now->from->key[now->key_count];
    if (named == 0 && now->key_count == 0)
        refuse(now, "it has no primary key, nor a unique index of NOT NULL columns: name the columns of a unique index "
                    "as its primary_key");
    for (size_t k = 0; k < named && k < POLL_KEYS_MOST; k++) {
        int64_t column = find_column(now, now->settings->key[k]);
        if (column < 0) {
            refuse_column(now, "primary_key", now->settings->key[k]);
            return RHEI_OK;
        }
        now->key[now->key_count++] = (uint32_t)column;
    }
    if (named > 0 && !is_unique(now))
        refuse(now, "primary_key: neither the primary key nor a unique index is of these columns, so rows may share "
                    "them");
    return RHEI_OK;
}

/* ---- What looks go by. ------------------------------------------------------------------------------------------- */

static void add_stamp(struct describing *now, int64_t column)
{
    bool there = false;
    for (uint32_t s = 0; s < now->stamp_count; s++)
        there = there || now->stamps[s] == (uint32_t)column;
    if (!there && now->stamp_count < POLL_STAMPS_MOST)
        now->stamps[now->stamp_count++] = (uint32_t)column;
}

/* A flag isn't looked for by its order: every row that has it would be read each time. */
static bool is_flag(enum postgres_form form)
{
    return form == POSTGRES_BOOL || form == POSTGRES_INT2;
}

static void choose_stamps(struct describing *now)
{
    const char *given = now->settings == NULL ? NULL : now->settings->updated_at;
    int64_t column = find_column(now, given == NULL ? "updated_at" : given);
    now->stamp_count = 0;
    if (column < 0 && given != NULL)
        refuse_column(now, "updated_at_column", given);
    else if (column < 0)
        refuse(now, "it has no column updated_at: name its updated_at_column, or take mode \"logical\"");
    else
        add_stamp(now, column);
    if (now->settings != NULL && now->settings->created_at != NULL) {
        column = find_column(now, now->settings->created_at);
        if (column < 0)
            refuse_column(now, "created_at_column", now->settings->created_at);
        else
            add_stamp(now, column);
    }
    now->gone = now->wishes->soft_delete == NULL ? -1 : find_column(now, now->wishes->soft_delete);
    if (now->gone >= 0 && !is_flag(now->from->columns[now->gone].form))
        add_stamp(now, now->gone);
}

static bool has_index(const struct describing *now, uint32_t stamp)
{
    int rows = now->connection->api->ntuples(now->indexes);
    const char *name = now->from->columns[stamp].name, *before = "";
    bool has = false;
    for (int row = 0; row < rows && !has; row++) {
        const char *index = postgres_cell(now->connection, now->indexes, row, 1);
        has = strcmp(index, before) != 0 && is_of_table(now, row) &&
              strcmp(postgres_cell(now->connection, now->indexes, row, 2), name) == 0;
        before = index;
    }
    return has;
}

static void advise_index(const struct describing *now, uint32_t stamp, struct base_buffer *text)
{
    const char *name = now->from->columns[stamp].name;
    base_buffer_format(text,
                       "no index begins with its column \"%s\", so every look that finds a commit reads the whole "
                       "table: CREATE INDEX ON ",
                       name);
    postgres_put_name(text, now->from->schema, now->from->name);
    base_buffer_text(text, " (");
    base_buffer_identifier(text, name);
    base_buffer_text(text, ") at the source makes it quick");
}

/* Without memory nothing is advised. */
static void advise(struct describing *now)
{
    struct base_buffer text = {0};
    uint32_t s = 0;
    while (s < now->stamp_count && has_index(now, now->stamps[s]))
        s++;
    if (now->gone < 0)
        now->table->unseen = poll_unseen(now->wishes, false, &now->tables->arena);
    if (s == now->stamp_count)
        return;
    advise_index(now, now->stamps[s], &text);
    now->table->advice = text.failed ? NULL : base_arena_text(&now->tables->arena, text.data);
    base_buffer_reset(&text);
}

/* ---- The definition. --------------------------------------------------------------------------------------------- */

static bool is_chosen(const struct describing *now, uint32_t column)
{
    bool chosen = now->settings == NULL || now->settings->column_count == 0 || column == now->gone;
    for (size_t c = 0; !chosen && c < now->settings->column_count; c++)
        chosen = find_column(now, now->settings->columns[c]) == column;
    for (uint32_t k = 0; k < now->key_count; k++)
        chosen = chosen || now->key[k] == column;
    for (uint32_t s = 0; s < now->stamp_count; s++)
        chosen = chosen || now->stamps[s] == column;
    return chosen;
}

static bool is_integer(enum postgres_form form)
{
    return form >= POSTGRES_INT2 && form <= POSTGRES_OID;
}

/* Columns that are left out move the others' numbers. */
static rhei_status define(struct describing *now, struct rhei_error *error)
{
    struct base_arena *arena = &now->tables->arena;
    struct source_table *definition = &now->table->definition;
    uint32_t count = now->from->column_count;
    struct source_column *columns = base_arena_zero(arena, count + 1, sizeof *columns);
    uint32_t *number = base_arena_zero(arena, count + 1, sizeof *number);
    uint32_t *key = base_arena_zero(arena, now->key_count + 1, sizeof *key);
    now->polled->columns = base_arena_zero(arena, count + 1, sizeof(struct postgres_column *));
    if (columns == NULL || number == NULL || key == NULL || now->polled->columns == NULL)
        return error_no_memory(error);
    for (uint32_t c = 0; c < count; c++) {
        if (!is_chosen(now, c))
            continue;
        number[c] = definition->column_count;
        columns[number[c]] = now->from->source_columns[c];
        columns[number[c]].is_rowid_alias = false;
        now->polled->columns[number[c]] = &now->from->columns[c];
        definition->column_count++;
    }
    for (uint32_t k = 0; k < now->key_count; k++)
        key[k] = number[now->key[k]];
    for (uint32_t s = 0; s < now->stamp_count; s++)
        now->table->stamps[s] = number[now->stamps[s]];
    now->table->stamp_count = now->stamp_count;
    now->table->gone = now->gone < 0 ? -1 : (int32_t)number[now->gone];
    definition->columns = columns;
    definition->key_columns = key;
    definition->key_count = now->key_count;
    definition->key_is_integer = now->key_count == 1 && is_integer(now->from->columns[now->key[0]].form);
    definition->without_rowid = !definition->key_is_integer;
    if (definition->key_is_integer)
        columns[key[0]].is_rowid_alias = true;
    return definition->unmirrored_reason != NULL ? RHEI_OK
                                                 : postgres_names_columns(arena, columns, definition->column_count,
                                                                          &definition->unmirrored_reason, error);
}

/* G2. */
static uint64_t identity_of(const struct postgres_table *table)
{
    uint64_t identity = table->oid;
    for (uint32_t i = 0; i < table->leaf_count; i++)
        identity = base_hash(&table->leaves[i].oid, sizeof table->leaves[i].oid, identity);
    for (uint32_t c = 0; c < table->column_count; c++) {
        const struct postgres_column *column = &table->columns[c];
        identity = base_hash(&column->attnum, sizeof column->attnum, identity);
        if (column->labels != NULL && column->labels[0] != '\0')
            identity = base_hash(column->labels, strlen(column->labels), identity);
    }
    return identity;
}

static rhei_status describe(struct describing *now, struct rhei_error *error)
{
    *now->table = (struct poll_table){.definition = {.name = now->from->shown,
                                                     .estimated_rows = now->from->estimated_rows,
                                                     .unmirrored_reason = now->from->reason},
                                      .gone = -1,
                                      .identity = identity_of(now->from)};
    now->polled->table = now->from;
    now->key_count = now->stamp_count = 0;
    now->gone = -1;
    if (now->from->oid == 0)
        return RHEI_OK;
    for (size_t c = 0; now->settings != NULL && c < now->settings->column_count; c++)
        if (find_column(now, now->settings->columns[c]) < 0)
            refuse_column(now, "columns", now->settings->columns[c]);
    rhei_status status = choose_key(now, error);
    if (status != RHEI_OK)
        return status;
    choose_stamps(now);
    advise(now);
    return define(now, error);
}

static rhei_status ask_indexes(struct postgres_connection *connection, const struct postgres_catalog *catalog,
                               int64_t deadline_ns, PGresult **result, struct rhei_error *error)
{
    struct base_buffer oids = {0};
    base_buffer_char(&oids, '{');
    for (size_t i = 0; i < catalog->count; i++)
        if (catalog->tables[i].oid != 0)
            base_buffer_format(&oids, "%s%u", oids.len > 1 ? "," : "", catalog->tables[i].oid);
    base_buffer_char(&oids, '}');
    const char *const parameters[] = {oids.data};
    rhei_status status = oids.failed ? error_no_memory(error)
                                     : postgres_query(connection, "reading the catalogue", INDEXES, 1, parameters,
                                                      deadline_ns, result, error);
    base_buffer_reset(&oids);
    return status;
}

rhei_status postgres_tables_read(struct postgres_connection *connection, struct postgres_catalog *catalog,
                                 const struct poll_wishes *wishes, int64_t deadline_ns, struct postgres_tables *tables,
                                 struct rhei_error *error)
{
    PGresult *indexes = NULL;
    rhei_status status = ask_indexes(connection, catalog, deadline_ns, &indexes, error);
    if (status != RHEI_OK)
        return status;
    postgres_tables_reset(tables);
    tables->catalog = postgres_catalog_hold(catalog);
    tables->list = base_arena_zero(&tables->arena, catalog->count + 1, sizeof *tables->list);
    tables->polled = base_arena_zero(&tables->arena, catalog->count + 1, sizeof *tables->polled);
    struct describing now = {connection, wishes, tables, indexes, NULL, NULL, NULL, NULL, NULL, 0, {0}, 0, -1};
    if (tables->list == NULL || tables->polled == NULL)
        status = error_no_memory(error);
    for (size_t i = 0; i < catalog->count && status == RHEI_OK; i++) {
        now.from = &catalog->tables[i];
        now.table = &tables->list[i];
        now.polled = &tables->polled[i];
        now.settings = now.from->wanted > 0 && now.from->wanted <= wishes->table_count
                           ? &wishes->tables[now.from->wanted - 1]
                           : NULL;
        status = describe(&now, error);
        tables->count += status == RHEI_OK;
    }
    postgres_clear(connection, &indexes);
    return status;
}

void postgres_tables_reset(struct postgres_tables *tables)
{
    base_arena_reset(&tables->arena);
    postgres_catalog_free(&tables->catalog);
    *tables = (struct postgres_tables){0};
}
