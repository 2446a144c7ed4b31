/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "source_postgres/postgres_mark.h"
#include "source_postgres/postgres_names.h"

#define SYSTEM_SCHEMAS "('pg_catalog', 'information_schema')"

/* What names a table: its schema and name, without its schema if that is public, in other letters if nothing else is meant. */
static const char TABLES[] =
    "SELECT w.n, c.oid, s.nspname, c.relname, c.relkind, c.relreplident, c.relpersistence, c.reltuples::bigint,"
    " pg_catalog.has_table_privilege(c.oid, 'SELECT'), pg_catalog.row_security_active(c.oid), k.columns, w.x, "
    "c.relfilenode, pg_catalog.has_schema_privilege(s.oid, 'USAGE'),"
    " CASE WHEN c.oid IS NOT NULL THEN pg_catalog.format('GRANT SELECT ON %I.%I TO %I', s.nspname, c.relname, "
    "current_user) END,"
    " CASE WHEN c.oid IS NOT NULL THEN pg_catalog.format('GRANT USAGE ON SCHEMA %I TO %I', s.nspname, current_user) "
    "END,"
    " c.relispopulated"
    " FROM (SELECT u.x, u.n, (SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = "
    "c.relnamespace"
    " WHERE c.relkind IN ('r','p','v','m','f') AND s.nspname NOT IN " SYSTEM_SCHEMAS
    " AND (s.nspname || '.' || c.relname IN (u.x, pg_catalog.replace(u.x, '\"', ''), pg_catalog.lower(u.x))"
    " OR s.nspname = 'public' AND c.relname IN (u.x, pg_catalog.replace(u.x, '\"', ''), pg_catalog.lower(u.x)))"
    " ORDER BY (s.nspname || '.' || c.relname = u.x) DESC, (c.relname = u.x) DESC LIMIT 1) AS oid"
    " FROM pg_catalog.unnest($1::text[]) WITH ORDINALITY u(x, n)"
    " UNION ALL SELECT NULL, 0, c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace s ON s.oid = "
    "c.relnamespace"
    " WHERE $1::text[] = '{}' AND c.relkind IN ('r','p') AND NOT c.relispartition AND c.relpersistence <> 't'"
    " AND s.nspname NOT IN " SYSTEM_SCHEMAS " AND s.nspname !~ '^pg_') w"
    " LEFT JOIN pg_catalog.pg_class c ON c.oid = w.oid LEFT JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace"
    " LEFT JOIN LATERAL (SELECT (SELECT pg_catalog.string_agg(u.k::text, ' ' ORDER BY u.o)"
    " FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY u(k, o) WHERE u.o <= i.indnkeyatts) AS columns"
    " FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indpred IS NULL"
    " AND i.indexprs IS NULL AND i.indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = c.oid AND a.attnum = ANY (i.indkey) AND NOT a.attnotnull)"
    " AND ($2 = '' OR CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'f' THEN true WHEN 'n' THEN false ELSE "
    "i.indisprimary END)"
    " ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1) k ON true ORDER BY w.n, s.nspname, c.relname";

/*
 * The last column is what the column's values are made of beside what was written: of all types under its own an enum's labels and a composite's attributes, and what
 * a VIRTUAL one is computed by. Where that changes, every row is another that nobody wrote.
 */
static const char COLUMNS[] =
    "WITH RECURSIVE t AS (SELECT a.attrelid, a.attnum, a.attname, a.attnotnull, a.atttypid, a.atttypmod, a.atttypid AS "
    "type,"
    " a.atttypmod AS modifier, a.attgenerated FROM pg_catalog.pg_attribute a WHERE a.attrelid = ANY ($1::oid[]) AND "
    "a.attnum > 0"
    " AND NOT a.attisdropped AND ($2 = '' OR a.attgenerated = ''%s)"
    " UNION ALL SELECT t.attrelid, t.attnum, t.attname, t.attnotnull OR y.typnotnull, t.atttypid, t.atttypmod, "
    "y.typbasetype,"
    " CASE WHEN y.typtypmod >= 0 THEN y.typtypmod ELSE t.modifier END, t.attgenerated"
    " FROM t JOIN pg_catalog.pg_type y ON y.oid = t.type WHERE y.typtype = 'd')"
    " SELECT t.attrelid, t.attnum, t.attname, t.attnotnull, t.atttypid, t.atttypmod, t.type, t.modifier, y.typtype,"
    " pg_catalog.format_type(t.atttypid, t.atttypmod), pg_catalog.has_column_privilege(t.attrelid, t.attnum, 'SELECT'),"
    " pg_catalog.concat_ws(';', CASE WHEN t.atttypid >= 16384 THEN (WITH RECURSIVE u(type) AS (SELECT t.atttypid UNION "
    "SELECT n.type FROM u"
    " JOIN pg_catalog.pg_type y ON y.oid = u.type CROSS JOIN LATERAL (SELECT y.typbasetype UNION ALL SELECT y.typelem"
    " UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE y.oid IN (g.rngtypid, g.rngmultitypid)"
    " UNION ALL SELECT m.atttypid FROM pg_catalog.pg_attribute m WHERE m.attrelid = y.typrelid AND m.attnum > 0"
    " AND NOT m.attisdropped) n(type) WHERE n.type <> 0) SELECT pg_catalog.concat_ws(';',"
    " (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', e.oid, e.xmin, e.enumlabel), ',' ORDER BY e.oid)"
    " FROM pg_catalog.pg_enum e WHERE e.enumtypid IN (SELECT u.type FROM u)),"
    " (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', m.attrelid, m.attnum, m.atttypid, m.atttypmod), ','"
    " ORDER BY m.attrelid, m.attnum) FROM pg_catalog.pg_attribute m JOIN pg_catalog.pg_type y ON y.typrelid = "
    "m.attrelid"
    " WHERE y.oid IN (SELECT u.type FROM u) AND m.attnum > 0 AND NOT m.attisdropped))) END,"
    " CASE WHEN t.attgenerated = 'v' THEN (WITH RECURSIVE k(oid) AS (SELECT t.attrelid UNION SELECT i.inhrelid FROM k"
    " JOIN pg_catalog.pg_inherits i ON i.inhparent = k.oid) SELECT pg_catalog.string_agg(pg_catalog.concat_ws(' ', "
    "d.oid, d.xmin), ',' ORDER BY d.oid) FROM k JOIN pg_catalog.pg_attribute g ON g.attrelid = k.oid AND g.attname = "
    "t.attname JOIN pg_catalog.pg_attrdef d ON d.adrelid = k.oid AND d.adnum = g.attnum) END)"
    " FROM t JOIN pg_catalog.pg_type y ON y.oid = t.type AND y.typtype <> 'd' ORDER BY t.attrelid, t.attnum";

/*
 * None of these statements opens a table, as pg_partition_tree, pg_publication_tables (from 16 on) and pg_get_expr do: one that somebody holds locked
 * would be waited for, and every other one with it.
 */

/* Of a publication that has them, generated columns are in the stream. */
static const char GENERATED_18[] =
    " OR a.attgenerated = 's' AND EXISTS (WITH RECURSIVE l(oid) AS (SELECT a.attrelid UNION ALL SELECT i.inhrelid FROM "
    "l"
    " JOIN pg_catalog.pg_class u ON u.oid = l.oid AND u.relkind = 'p' JOIN pg_catalog.pg_inherits i ON i.inhparent = "
    "l.oid)"
    " SELECT FROM l JOIN pg_catalog.pg_class c ON c.oid = l.oid AND c.relkind <> 'p' JOIN pg_catalog.pg_publication p"
    " ON p.pubname = $2 LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid"
    " LEFT JOIN pg_catalog.pg_attribute g ON g.attrelid = c.oid AND g.attname = a.attname AND g.attgenerated = 's'"
    " WHERE CASE WHEN r.prattrs IS NULL THEN p.pubgencols = 's' ELSE g.attnum = ANY (r.prattrs::int2[]) END)";

static const char LEAVES[] =
    "WITH RECURSIVE l(root, oid) AS (SELECT r.oid, r.oid FROM pg_catalog.unnest($1::oid[]) r(oid) UNION ALL"
    " SELECT l.root, i.inhrelid FROM l JOIN pg_catalog.pg_class u ON u.oid = l.oid AND u.relkind = 'p'"
    " JOIN pg_catalog.pg_inherits i ON i.inhparent = l.oid AND NOT i.inhdetachpending)"
    " SELECT l.root, c.oid, s.nspname, c.relname, c.relkind, c.relfilenode,"
    " pg_catalog.has_schema_privilege(s.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'),"
    " pg_catalog.format('GRANT SELECT ON %I.%I (and USAGE ON SCHEMA %I) TO %I', s.nspname, c.relname, s.nspname, "
    "current_user),"
    " pg_catalog.row_security_active(c.oid) FROM l JOIN pg_catalog.pg_class c ON c.oid = l.oid"
    " JOIN pg_catalog.pg_namespace s ON s.oid = c.relnamespace WHERE c.relkind <> 'p' ORDER BY l.root, c.oid";

static const char PUBLICATION[] =
    "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot, oid, xmin FROM pg_catalog.pg_publication"
    " WHERE pubname = $1";

/*
 * Of each leaf, which transactions wrote the rows that its being told of hangs on: that it is a partition, lies in its schema, and is published, as are the tables
 * above it. No VACUUM, ANALYZE or CREATE INDEX writes these rows, as they do those of pg_class. And K3.
 */
static const char TIES[] =
    "SELECT l.oid, pg_catalog.string_agg(t.tie, ' ' ORDER BY a.up, t.tie),"
    " (SELECT pg_catalog.concat_ws(' ', c.reltoastrelid, pg_catalog.string_agg(n.attnum || ':' || n.xmin, ' ' ORDER BY "
    "n.attnum))"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute n ON n.attrelid = c.oid AND n.attnum > 0"
    " WHERE c.oid = l.oid GROUP BY c.reltoastrelid) FROM pg_catalog.unnest($1::oid[]) l(oid)"
    " CROSS JOIN LATERAL (SELECT l.oid AS up UNION SELECT relid::oid FROM pg_catalog.pg_partition_ancestors(l.oid)) a"
    " LEFT JOIN LATERAL (SELECT 'i' || i.xmin::text AS tie FROM pg_catalog.pg_inherits i WHERE i.inhrelid = a.up"
    " UNION ALL SELECT 's' || d.xmin::text FROM pg_catalog.pg_depend d"
    " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = a.up AND d.objsubid = 0"
    " AND d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass"
    " UNION ALL SELECT 'r' || r.xmin::text FROM pg_catalog.pg_publication_rel r WHERE r.prrelid = a.up AND r.prpubid = "
    "$2::oid%s) t ON true GROUP BY l.oid ORDER BY l.oid";
static const char TIES_15[] =
    " UNION ALL SELECT 'n' || n.xmin::text FROM pg_catalog.pg_publication_namespace n JOIN pg_catalog.pg_class c"
    " ON c.relnamespace = n.pnnspid WHERE c.oid = a.up AND n.pnpubid = $2::oid";

/*
 * Of the leaves each that is published as itself, whether only some of its rows are, and of its columns: by name, by its schema, with all tables, or as a partition of
 * such a table. Where partitions are published as their root, as none.
 */
static const char PUBLISHED[] =
    "SELECT c.oid, %s, r.oid FROM pg_catalog.unnest($2::oid[]) l(oid) JOIN pg_catalog.pg_class c ON c.oid = l.oid"
    " JOIN pg_catalog.pg_publication p ON p.pubname = $1"
    " LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid"
    " CROSS JOIN LATERAL (SELECT count(*) AS published, count(*) FILTER (WHERE a.up <> c.oid) AS above"
    " FROM (SELECT c.oid AS up UNION SELECT relid::oid FROM pg_catalog.pg_partition_ancestors(c.oid)) a"
    " WHERE p.puballtables OR EXISTS (SELECT FROM pg_catalog.pg_publication_rel x WHERE x.prpubid = p.oid AND "
    "x.prrelid = a.up)%s) o"
    " WHERE o.published > 0 AND NOT (p.pubviaroot AND o.above > 0) AND c.relpersistence = 'p' ORDER BY c.oid";
static const char PUBLISHED_15[] =
    "r.prqual IS NOT NULL AND NOT p.puballtables AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n"
    " WHERE n.pnpubid = p.oid AND n.pnnspid = c.relnamespace), EXISTS (SELECT FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
    " AND a.attnum <> ALL (r.prattrs::int2[]))";
static const char BY_SCHEMA_15[] =
    " OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace n JOIN pg_catalog.pg_class u ON u.relnamespace = "
    "n.pnnspid WHERE n.pnpubid = p.oid AND u.oid = a.up)";

struct reading {
    struct postgres_connection *connection;
    const struct postgres_wanted *wanted;
    struct postgres_catalog *catalog;
    int64_t deadline_ns;
    struct rhei_error *error;
};

static const char *keep(struct reading *reading, const char *text)
{
    return base_arena_text(&reading->catalog->arena, text);
}

static const char *say(struct reading *reading, const char *format, const char *word)
{
    char text[400];
    snprintf(text, sizeof text, format, word);
    return keep(reading, text);
}

void postgres_put_name(struct base_buffer *sql, const char *schema, const char *name)
{
    base_buffer_identifier(sql, schema);
    base_buffer_char(sql, '.');
    base_buffer_identifier(sql, name);
}

/* One element of a text[] literal. */
static void put_element(struct base_buffer *list, const char *text)
{
    base_buffer_char(list, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            base_buffer_char(list, '\\');
        base_buffer_char(list, *text);
    }
    base_buffer_char(list, '"');
}

void postgres_put_column(struct base_buffer *sql, const struct postgres_column *column)
{
    bool printed = column->form == POSTGRES_PRINTED;
    if (printed) { /* IS NULL is true of a composite of NULLs, too */
        base_buffer_text(sql, "CASE WHEN pg_catalog.num_nulls(");
        base_buffer_identifier(sql, column->name);
        base_buffer_text(sql, ") = 0 THEN pg_catalog.format('%s', ");
    }
    base_buffer_identifier(sql, column->name);
    base_buffer_text(sql, printed ? ") END" : "");
}

static rhei_status ask(struct reading *reading, const char *sql, const char *first, const char *second,
                       PGresult **result)
{
    const char *const parameters[] = {first, second};
    return postgres_query(reading->connection, "reading the catalogue", sql, second == NULL ? 1 : 2, parameters,
                          reading->deadline_ns, result, reading->error);
}

static const char *cell(const struct reading *reading, const PGresult *result, int row, int column)
{
    return postgres_cell(reading->connection, result, row, column);
}

static bool is_true(const struct reading *reading, const PGresult *result, int row, int column)
{
    return cell(reading, result, row, column)[0] == 't';
}

static uint32_t number(const struct reading *reading, const PGresult *result, int row, int column)
{
    return (uint32_t)strtoul(cell(reading, result, row, column), NULL, 10);
}

/* The first row whose first column is `oid` or more, of a result that lies in the order of that column. */
static int find_row(const struct reading *reading, const PGresult *result, uint64_t oid)
{
    int low = 0, high = reading->connection->api->ntuples(result);
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (number(reading, result, middle, 0) < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct postgres_table *find_table(const struct postgres_catalog *catalog, uint32_t oid)
{
    for (size_t i = 0; i < catalog->count; i++)
        if (catalog->tables[i].oid == oid && oid != 0)
            return &catalog->tables[i];
    return NULL;
}

struct postgres_table *postgres_catalog_leaf(const struct postgres_catalog *catalog, uint32_t leaf)
{
    for (size_t i = 0; i < catalog->count; i++)
        for (uint32_t l = 0; l < catalog->tables[i].leaf_count && catalog->tables[i].reason == NULL; l++)
            if (catalog->tables[i].leaves[l].oid == leaf)
                return &catalog->tables[i];
    return NULL;
}

static const char HIDDEN[] = "row level security hides rows from the role: ALTER ROLE ... BYPASSRLS";

/* ---- Tables. ----------------------------------------------------------------------------------------------------- */

static const char *why_not(struct reading *reading, const PGresult *result, int row)
{
    bool logical = reading->wanted->logical;
    char kind = cell(reading, result, row, 4)[0];
    if (kind == 'v')
        return "it is a view: name the tables under it";
    if (kind == 'f')
        return "it is a foreign table, of which no changes are told";
    if (kind == 'm' && logical)
        return "it is a materialized view, of which no changes are told";
    if (!is_true(reading, result, row, 16))
        return "it is a materialized view without data: REFRESH MATERIALIZED VIEW fills it";
    if (cell(reading, result, row, 6)[0] == 'u' && logical)
        return "it is UNLOGGED, and of such tables no changes are told";
    if (!is_true(reading, result, row, 8))
        return say(reading, "the role may not read it: %s", cell(reading, result, row, 14));
    if (!is_true(reading, result, row, 13))
        return say(reading, "the role may not use its schema: %s", cell(reading, result, row, 15));
    if (is_true(reading, result, row, 9))
        return HIDDEN;
    if (reading->connection->api->getisnull(result, row, 10) && logical)
        return "it has no primary key, nor a REPLICA IDENTITY by an index: changed rows couldn't be told apart";
    return NULL;
}

static void take_table(struct reading *reading, const PGresult *result, int row, struct postgres_table *table)
{
    const char *schema = cell(reading, result, row, 2), *name = cell(reading, result, row, 3);
    table->wanted = number(reading, result, row, 0);
    if (reading->connection->api->getisnull(result, row, 1)) {
        table->shown = keep(reading, cell(reading, result, row, 11));
        table->reason = "the database has no table of that name";
        return;
    }
    table->oid = number(reading, result, row, 1);
    table->file = number(reading, result, row, 12);
    table->schema = keep(reading, schema);
    table->name = keep(reading, name);
    char shown[200];
    snprintf(shown, sizeof shown, "%s.%s", schema, name);
    table->shown = strcmp(schema, "public") == 0 ? table->name : keep(reading, shown);
    table->kind = cell(reading, result, row, 4)[0];
    table->estimated_rows = strtoll(cell(reading, result, row, 7), NULL, 10);
    table->key_attnums = keep(reading, cell(reading, result, row, 10));
    table->reason = why_not(reading, result, row);
}

/* Which of the two's settings were meant nobody knows. */
static void refuse_twice(struct reading *reading, const PGresult *result, int row, struct postgres_table *table)
{
    char text[400];
    const char *const *names = reading->wanted->tables;
    if (table->reason != NULL)
        return;
    snprintf(text, sizeof text, "it is named twice, as \"%.120s\" and as \"%.120s\": name it once",
             names[table->wanted - 1], names[number(reading, result, row, 0) - 1]);
    table->reason = keep(reading, text);
}

static rhei_status read_tables(struct reading *reading)
{
    PGresult *result = NULL;
    struct base_buffer names = {0};
    base_buffer_char(&names, '{');
    for (size_t i = 0; i < reading->wanted->count; i++) {
        base_buffer_text(&names, i == 0 ? "" : ",");
        put_element(&names, reading->wanted->tables[i]);
    }
    base_buffer_char(&names, '}');
    rhei_status status = names.failed
                             ? error_no_memory(reading->error)
                             : ask(reading, TABLES, names.data, reading->wanted->logical ? "logical" : "", &result);
    base_buffer_reset(&names);
    if (status != RHEI_OK)
        return status;
    struct postgres_catalog *catalog = reading->catalog;
    int rows = reading->connection->api->ntuples(result);
    catalog->tables = base_arena_zero(&catalog->arena, (size_t)rows + 1, sizeof *catalog->tables);
    if (catalog->tables == NULL)
        status = error_no_memory(reading->error);
    for (int row = 0; row < rows && status == RHEI_OK; row++) {
        struct postgres_table *before = find_table(catalog, number(reading, result, row, 1));
        if (before == NULL)
            take_table(reading, result, row, &catalog->tables[catalog->count++]);
        else
            refuse_twice(reading, result, row, before);
    }
    postgres_clear(reading->connection, &result);
    return status;
}

/* "{1,2}" of those that have an oid. */
static char *oid_list(const struct postgres_catalog *catalog, char kind)
{
    struct base_buffer list = {0};
    base_buffer_char(&list, '{');
    for (size_t i = 0; i < catalog->count; i++)
        if (catalog->tables[i].oid != 0 && (kind == 0 || catalog->tables[i].kind == kind))
            base_buffer_format(&list, "%s%u", list.len > 1 ? "," : "", catalog->tables[i].oid);
    base_buffer_char(&list, '}');
    return base_buffer_take(&list);
}

/* ---- Columns and keys. ------------------------------------------------------------------------------------------- */

static void take_column(struct reading *reading, const PGresult *result, int row, struct postgres_table *table)
{
    struct postgres_column *column = &table->columns[table->column_count];
    struct source_column *source = &table->source_columns[table->column_count++];
    column->attnum = number(reading, result, row, 1);
    column->name = keep(reading, cell(reading, result, row, 2));
    column->not_null = is_true(reading, result, row, 3);
    column->type = number(reading, result, row, 4);
    column->modifier = (int32_t)strtol(cell(reading, result, row, 5), NULL, 10);
    column->base = number(reading, result, row, 6);
    column->base_modifier = (int32_t)strtol(cell(reading, result, row, 7), NULL, 10);
    column->form = postgres_form_of(column->base, cell(reading, result, row, 8)[0], column->base_modifier);
    column->shown_type = keep(reading, cell(reading, result, row, 9));
    column->labels = keep(reading, cell(reading, result, row, 11));
    if (column->form == 0 && table->reason == NULL)
        table->reason = say(reading, "its column %s has a type whose values can't be kept", column->name);
    if (!is_true(reading, result, row, 10) && table->reason == NULL)
        table->reason = say(reading, "the role may not read its column %s: GRANT SELECT on all of it", column->name);
    *source = (struct source_column){.name = column->name,
                                     .declared_type = postgres_form_declared(column->form),
                                     .collation = "BINARY",
                                     .affinity = postgres_form_affinity(column->form),
                                     .not_null = column->not_null};
}

static rhei_status take_key(struct reading *reading, struct postgres_table *table)
{
    table->key = base_arena_zero(&reading->catalog->arena, table->column_count + 1, sizeof *table->key);
    if (table->key == NULL)
        return error_no_memory(reading->error);
    for (const char *at = table->key_attnums; *at != '\0' && table->key_count <= table->column_count;) {
        char *end;
        uint32_t attnum = (uint32_t)strtoul(at, &end, 10), column = 0;
        while (column < table->column_count && table->columns[column].attnum != attnum)
            column++;
        if (column == table->column_count) {
            table->reason = "its key has a column that isn't followed";
            return RHEI_OK;
        }
        table->key[table->key_count++] = column;
        at = *end == ' ' ? end + 1 : end;
    }
    return RHEI_OK;
}

static bool is_integer(enum postgres_form form)
{
    return form >= POSTGRES_INT2 && form <= POSTGRES_OID;
}

static void define(struct postgres_table *table)
{
    bool integer = table->key_count == 1 && is_integer(table->columns[table->key[0]].form);
    if (integer)
        table->source_columns[table->key[0]].is_rowid_alias = true;
    for (uint32_t i = 0; i < table->key_count; i++)
        table->source_columns[table->key[i]].not_null = true;
    table->definition = (struct source_table){.name = table->shown,
                                              .column_count = table->column_count,
                                              .columns = table->source_columns,
                                              .key_count = table->key_count,
                                              .key_columns = table->key,
                                              .key_is_integer = integer,
                                              .without_rowid = !integer,
                                              .estimated_rows = table->estimated_rows,
                                              .unmirrored_reason = table->reason};
}

static rhei_status read_columns_of(struct reading *reading, const PGresult *result, struct postgres_table *table)
{
    int first = find_row(reading, result, table->oid), end = find_row(reading, result, (uint64_t)table->oid + 1);
    size_t count = (size_t)(end - first) + 1;
    struct base_arena *arena = &reading->catalog->arena;
    table->columns = base_arena_zero(arena, count, sizeof *table->columns);
    table->source_columns = base_arena_zero(arena, count, sizeof *table->source_columns);
    if (table->columns == NULL || table->source_columns == NULL)
        return error_no_memory(reading->error);
    for (int row = first; row < end; row++)
        take_column(reading, result, row, table);
    if (table->reason == NULL && table->column_count == 0)
        table->reason = "it has no columns";
    if (table->reason == NULL && reading->wanted->logical) { /* what is polled may leave columns out */
        rhei_status status =
            postgres_names_columns(arena, table->source_columns, table->column_count, &table->reason, reading->error);
        if (status != RHEI_OK)
            return status;
    }
    return table->reason == NULL ? take_key(reading, table) : RHEI_OK;
}

static rhei_status read_columns(struct reading *reading)
{
    struct postgres_catalog *catalog = reading->catalog;
    char *oids = oid_list(catalog, 0);
    PGresult *result = NULL;
    if (oids == NULL)
        return error_no_memory(reading->error);
    const struct postgres_wanted *wanted = reading->wanted;
    const char *stream = wanted->publication != NULL ? wanted->publication : "logical";
    char sql[sizeof COLUMNS + sizeof GENERATED_18];
    snprintf(sql, sizeof sql, COLUMNS, reading->connection->version >= 180000 ? GENERATED_18 : "");
    rhei_status status = ask(reading, sql, oids, wanted->logical ? stream : "", &result);
    base_free(oids);
    for (size_t i = 0; i < catalog->count && status == RHEI_OK; i++)
        if (catalog->tables[i].oid != 0)
            status = read_columns_of(reading, result, &catalog->tables[i]);
    postgres_clear(reading->connection, &result);
    return status;
}

/* ---- Partitions. ------------------------------------------------------------------------------------------------- */

/* The answer has the leaves of one table in a row, so they stay where they are put: in one run for all tables. */
static rhei_status take_leaves(struct reading *reading, const PGresult *result)
{
    struct postgres_catalog *catalog = reading->catalog;
    int rows = reading->connection->api->ntuples(result);
    struct postgres_leaf *next = base_arena_zero(&catalog->arena, (size_t)rows + catalog->count + 1, sizeof *next);
    if (next == NULL)
        return error_no_memory(reading->error);
    for (int row = 0; row < rows; row++) {
        struct postgres_table *table = find_table(catalog, number(reading, result, row, 0));
        uint32_t oid = number(reading, result, row, 1);
        if (table == NULL || table->kind != 'p' || oid == table->oid)
            continue;
        *next = (struct postgres_leaf){.oid = oid,
                                       .schema = keep(reading, cell(reading, result, row, 2)),
                                       .name = keep(reading, cell(reading, result, row, 3)),
                                       .file = number(reading, result, row, 5)};
        if (cell(reading, result, row, 4)[0] != 'r' && table->reason == NULL)
            table->reason =
                say(reading, "its partition %s is a foreign table, of which no changes are told", next->name);
        bool alone = reading->wanted->logical && table->reason == NULL; /* partitions are read one by one */
        if (alone && !is_true(reading, result, row, 6))
            table->reason = say(reading, "the role may not read a partition: %s", cell(reading, result, row, 7));
        else if (alone && is_true(reading, result, row, 8))
            table->reason = HIDDEN;
        table->leaves = table->leaf_count++ == 0 ? next : table->leaves;
        next++;
    }
    for (size_t i = 0; i < catalog->count; i++) {
        struct postgres_table *table = &catalog->tables[i];
        if (table->oid == 0 || table->kind == 'p')
            continue;
        *next = (struct postgres_leaf){
            .oid = table->oid, .schema = table->schema, .name = table->name, .file = table->file};
        table->leaves = next++;
        table->leaf_count = 1;
    }
    return RHEI_OK;
}

static rhei_status read_leaves(struct reading *reading)
{
    char *oids = oid_list(reading->catalog, 'p');
    PGresult *result = NULL;
    if (oids == NULL)
        return error_no_memory(reading->error);
    rhei_status status = ask(reading, LEAVES, oids, NULL, &result);
    base_free(oids);
    if (status == RHEI_OK)
        status = take_leaves(reading, result);
    postgres_clear(reading->connection, &result);
    return status;
}

/* ---- The publication. -------------------------------------------------------------------------------------------- */

static void check_published(struct reading *reading, const PGresult *result, struct postgres_table *table,
                            struct postgres_leaf *of)
{
    int row = find_row(reading, result, of->oid);
    if (row == reading->connection->api->ntuples(result) || number(reading, result, row, 0) != of->oid)
        table->reason =
            say(reading,
                "the publication %s doesn't have it (or not all of its partitions): ALTER PUBLICATION ... ADD TABLE",
                reading->wanted->publication);
    else
        of->published = number(reading, result, row, 3);
    if (table->reason != NULL)
        return;
    if (is_true(reading, result, row, 1))
        table->reason =
            say(reading, "the publication %s has only some of its rows (a WHERE)", reading->wanted->publication);
    else if (is_true(reading, result, row, 2))
        table->reason = say(reading, "the publication %s has only some of its columns", reading->wanted->publication);
}

/* "{1,2}" of all leaves. */
static char *leaf_list(const struct postgres_catalog *catalog)
{
    struct base_buffer list = {0};
    base_buffer_char(&list, '{');
    for (size_t i = 0; i < catalog->count; i++)
        for (uint32_t l = 0; l < catalog->tables[i].leaf_count; l++)
            base_buffer_format(&list, list.len == 1 ? "%u" : ",%u", (unsigned)catalog->tables[i].leaves[l].oid);
    base_buffer_char(&list, '}');
    return base_buffer_take(&list);
}

static rhei_status read_ties(struct reading *reading, const char *leaves)
{
    struct postgres_catalog *catalog = reading->catalog;
    char publication[16], sql[sizeof TIES + sizeof TIES_15];
    snprintf(publication, sizeof publication, "%u", (unsigned)(catalog->publication >> 32));
    snprintf(sql, sizeof sql, TIES, reading->connection->version >= 150000 ? TIES_15 : "");
    PGresult *result = NULL;
    rhei_status status = ask(reading, sql, leaves, publication, &result);
    for (size_t i = 0; i < catalog->count && status == RHEI_OK; i++)
        for (uint32_t l = 0; l < catalog->tables[i].leaf_count; l++) {
            struct postgres_leaf *leaf = &catalog->tables[i].leaves[l];
            int row = find_row(reading, result, leaf->oid);
            if (row == reading->connection->api->ntuples(result) || number(reading, result, row, 0) != leaf->oid)
                continue;
            leaf->ties = keep(reading, cell(reading, result, row, 1));
            const char *written = cell(reading, result, row, 2);
            leaf->rewritten = base_checksum(written, strlen(written));
        }
    postgres_clear(reading->connection, &result);
    return status;
}

static rhei_status read_publication(struct reading *reading)
{
    const char *name = reading->wanted->publication;
    PGresult *result = NULL;
    char sql[sizeof PUBLISHED + sizeof PUBLISHED_15 + sizeof BY_SCHEMA_15];
    rhei_status status = ask(reading, PUBLICATION, name, NULL, &result);
    if (status == RHEI_OK && reading->connection->api->ntuples(result) == 0)
        status = error_set(reading->error, RHEI_NOT_FOUND,
                           "the publication %s isn't there: CREATE PUBLICATION %s FOR TABLE ..., as the tables' owner",
                           name, name);
    else if (status == RHEI_OK && !is_true(reading, result, 0, 0))
        status = error_set(reading->error, RHEI_UNSUPPORTED,
                           "the publication %s leaves out some kinds of changes: all of insert, update, delete and "
                           "truncate are needed",
                           name);
    bool by_root = status == RHEI_OK && is_true(reading, result, 0, 1);
    if (status == RHEI_OK)
        reading->catalog->publication = (uint64_t)number(reading, result, 0, 2) << 32 | number(reading, result, 0, 3);
    postgres_clear(reading->connection, &result);
    char *leaves = status == RHEI_OK ? leaf_list(reading->catalog) : NULL;
    if (leaves == NULL)
        return status == RHEI_OK ? error_no_memory(reading->error) : status;
    bool old = reading->connection->version < 150000;
    snprintf(sql, sizeof sql, PUBLISHED, old ? "false, false" : PUBLISHED_15, old ? "" : BY_SCHEMA_15);
    status = ask(reading, sql, name, leaves, &result);
    for (size_t i = 0; i < reading->catalog->count && status == RHEI_OK; i++) {
        struct postgres_table *table = &reading->catalog->tables[i];
        if (table->reason == NULL && table->kind == 'p' && by_root)
            table->reason = "its publication has publish_via_partition_root, which tells nothing of a partition that "
                            "is truncated, attached or detached";
        for (uint32_t l = 0; l < table->leaf_count && table->reason == NULL; l++)
            check_published(reading, result, table, &table->leaves[l]);
    }
    postgres_clear(reading->connection, &result);
    if (status == RHEI_OK)
        status = read_ties(reading, leaves);
    base_free(leaves);
    return status;
}

/* ---- All of it. -------------------------------------------------------------------------------------------------- */

static void add_text(struct base_summing *sum, const char *text)
{
    base_summing_add(sum, text == NULL ? "" : text, text == NULL ? 1 : strlen(text) + 1);
}

/*
 * K2. Which partitions there are belongs to it: what one that comes or goes had in it is told by nobody. And which publication it was,
 * and since when all is tied to it: what happens between leaving it and coming back is told by nobody, either.
 */
static uint64_t shape_of(const struct postgres_catalog *catalog, const struct postgres_table *table)
{
    struct base_summing sum;
    base_summing_begin(&sum);
    base_summing_add(&sum, &catalog->publication, sizeof catalog->publication);
    base_summing_add(&sum, &table->oid, sizeof table->oid);
    add_text(&sum, table->shown);
    add_text(&sum, table->reason);
    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct postgres_column *column = &table->columns[i];
        uint32_t words[] = {column->attnum, column->type, (uint32_t)column->modifier, (uint32_t)column->form,
                            column->not_null};
        add_text(&sum, column->name);
        base_summing_add(&sum, words, sizeof words);
        if (column->labels != NULL && column->labels[0] != '\0')
            add_text(&sum, column->labels);
    }
    if (table->key_count > 0)
        base_summing_add(&sum, table->key, table->key_count * sizeof *table->key);
    for (uint32_t i = 0; i < table->leaf_count; i++) {
        base_summing_add(&sum, &table->leaves[i].oid, sizeof table->leaves[i].oid);
        base_summing_add(&sum, &table->leaves[i].published, sizeof table->leaves[i].published);
        add_text(&sum, table->leaves[i].ties);
    }
    return base_summing_end(&sum);
}

static rhei_status read_all(struct reading *reading)
{
    struct postgres_catalog *catalog = reading->catalog;
    rhei_status status = read_tables(reading);
    if (status == RHEI_OK)
        status = read_columns(reading);
    if (status == RHEI_OK)
        status = read_leaves(reading);
    if (status == RHEI_OK)
        status = postgres_names_check(catalog, reading->error);
    if (status == RHEI_OK && reading->wanted->publication != NULL)
        status = read_publication(reading);
    if (status == RHEI_OK && reading->wanted->publication != NULL)
        status = postgres_mark_read(reading->connection, catalog, reading->wanted->publication, reading->deadline_ns,
                                    &catalog->mark, reading->error);
    struct base_summing sum;
    base_summing_begin(&sum);
    for (size_t i = 0; i < catalog->count && status == RHEI_OK; i++) {
        define(&catalog->tables[i]);
        catalog->tables[i].shape = shape_of(catalog, &catalog->tables[i]);
        base_summing_add(&sum, &catalog->tables[i].shape, sizeof catalog->tables[i].shape);
    }
    catalog->shape = base_summing_end(&sum);
    return status;
}

rhei_status postgres_catalog_read(struct postgres_connection *connection, const struct postgres_wanted *wanted,
                                  int64_t deadline_ns, struct postgres_catalog **result, struct rhei_error *error)
{
    *result = base_alloc_zero(1, sizeof **result);
    if (*result == NULL)
        return error_no_memory(error);
    atomic_init(&(*result)->holders, 1);
    struct reading reading = {connection, wanted, *result, deadline_ns, error};
    /* one state for all its queries */
    rhei_status status = postgres_run(connection, "reading the catalogue",
                                      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline_ns, error);
    if (status == RHEI_OK)
        status = read_all(&reading);
    rhei_status ended = postgres_run(connection, "reading the catalogue", "ROLLBACK", deadline_ns, error);
    status = status == RHEI_OK ? ended : status;
    if (status != RHEI_OK)
        postgres_catalog_free(result);
    return status;
}

struct postgres_catalog *postgres_catalog_hold(struct postgres_catalog *catalog)
{
    atomic_fetch_add(&catalog->holders, 1);
    return catalog;
}

void postgres_catalog_free(struct postgres_catalog **slot)
{
    struct postgres_catalog *catalog = *slot;
    *slot = NULL;
    if (catalog == NULL || atomic_fetch_sub(&catalog->holders, 1) > 1)
        return;
    base_arena_reset(&catalog->arena);
    base_free(catalog);
}
