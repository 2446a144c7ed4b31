/* SPDX-License-Identifier: Apache-2.0 */
#include "source_postgres/postgres_mark.h"

#include "base/base_error.h"
#include "source_postgres/postgres_message.h"

enum { OID_LIST_TYPE = 1028, TEXT_TYPE = 25 };

static const char WHAT[] = "looking for changes of the catalogue", STATEMENT[] = "rhei_mark";

/* What a row is known by, whose rows, and from which version of the server on. */
struct marked {
    const char *row, *from;
    int since;
};

/* Rows of pg_inherits and pg_enum are all meant: they are few, and have no index that would help. */
static const struct marked marked[] = {
    {"c.oid, c.xmin", "pg_class c WHERE c.oid = ANY ($1)", 0},
    {"a.attrelid, a.attnum, a.xmin", "pg_attribute a WHERE a.attrelid = ANY ($1) AND a.attnum > 0", 0},
    {"i.indexrelid, i.xmin", "pg_index i WHERE i.indrelid = ANY ($1)", 0},
    {"h.inhrelid, h.inhparent, h.xmin", "pg_inherits h", 0},
    {"n.oid, n.xmin", "pg_namespace n", 0},
    {"e.oid, e.xmin", "pg_enum e", 0},
    {"p.oid, p.xmin", "pg_publication p WHERE p.pubname = $2", 0},
    {"r.oid, r.xmin", "pg_publication_rel r WHERE r.prrelid = ANY ($1)", 0},
    {"m.oid, m.xmin", "pg_publication_namespace m", 150000},
};

/* A hash of sums of the rows' hashes: of sums, so that nothing has to be sorted. */
static void put_statement(int version, struct base_buffer *sql)
{
    base_buffer_text(sql, "SELECT pg_catalog.hashtextextended(pg_catalog.concat_ws(' '");
    for (size_t i = 0; i < sizeof marked / sizeof *marked; i++)
        if (version >= marked[i].since)
            base_buffer_format(sql,
                               ", (SELECT sum(pg_catalog.hashtextextended(pg_catalog.concat_ws(' ', %s), 0))"
                               " FROM pg_catalog.%s)",
                               marked[i].row, marked[i].from);
    base_buffer_text(sql, "), 0)");
}

/* Every table, and every partition. */
static rhei_status put_oids(const struct postgres_catalog *catalog, struct base_buffer *oids)
{
    base_buffer_char(oids, '{');
    for (size_t t = 0; t < catalog->count; t++) {
        const struct postgres_table *table = &catalog->tables[t];
        if (table->oid == 0)
            continue;
        base_buffer_format(oids, "%s%u", oids->len == 1 ? "" : ",", (unsigned)table->oid);
        for (uint32_t l = 0; l < table->leaf_count; l++)
            if (table->leaves[l].oid != table->oid)
                base_buffer_format(oids, ",%u", (unsigned)table->leaves[l].oid);
    }
    base_buffer_char(oids, '}');
    return oids->failed ? RHEI_NO_MEMORY : RHEI_OK;
}

static rhei_status prepare(struct postgres_connection *connection, int64_t deadline_ns, struct rhei_error *error)
{
    static const uint32_t types[] = {OID_LIST_TYPE, TEXT_TYPE};
    struct base_buffer sql = {0};
    if (connection->marks)
        return RHEI_OK;
    put_statement(connection->version, &sql);
    rhei_status status = sql.failed
                             ? error_no_memory(error)
                             : postgres_prepare(connection, WHAT, STATEMENT, sql.data, 2, types, deadline_ns, error);
    base_buffer_reset(&sql);
    connection->marks = status == RHEI_OK;
    return status;
}

rhei_status postgres_mark_read(struct postgres_connection *connection, const struct postgres_catalog *catalog,
                               const char *publication, int64_t deadline_ns, uint64_t *mark, struct rhei_error *error)
{
    struct base_buffer oids = {0};
    PGresult *result = NULL;
    rhei_status status = put_oids(catalog, &oids);
    const char *parameters[] = {oids.data, publication};
    if (status != RHEI_OK)
        error_no_memory(error);
    else
        status = prepare(connection, deadline_ns, error);
    if (status == RHEI_OK)
        status = postgres_execute(connection, WHAT, STATEMENT, 2, parameters, deadline_ns, &result, error);
    if (status == RHEI_OK)
        *mark = postgres_u64(postgres_cell(connection, result, 0, 0));
    postgres_clear(connection, &result);
    base_buffer_reset(&oids);
    return status;
}
