/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server's catalogue says of the tables that are followed. Owner thread; a catalogue that was read never changes.
 *
 *   K1. A table's key is what the stream names its rows by: the primary key, or the index of its REPLICA IDENTITY. A table without one, and one of which something
 *       can't be read, kept or published, has a reason instead, and the others go on.
 *   K2. Two readings of a table that have equal `shape` are the same definition, column by column, and followed by logical decoding it didn't cease to be published,
 *       nor its partitions to be its own, between the two.
 *   K3. What writes a table's rows anew with other values (ALTER COLUMN TYPE, SET EXPRESSION) writes a row of pg_attribute, too, and what makes another table of it to copy them into gives it
 *       another one for its large values. TRUNCATE does neither, and gives rows another file all the same.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_CATALOG_H
#define SOURCE_POSTGRES_POSTGRES_CATALOG_H

#include "base/base_arena.h"
#include "base/base_buffer.h"
#include "source_postgres/postgres_connection.h"
#include "source_postgres/postgres_type.h"

struct postgres_column {
    /* Never given twice: a column that was dropped and added again is another one, without a row being written. */
    uint32_t attnum;
    const char *name;
    uint32_t type; /* as declared: a domain's own number, as the stream has it */
    int32_t modifier;
    uint32_t base; /* the type under it, which is the same unless it is a domain */
    int32_t base_modifier;
    enum postgres_form form; /* of that */
    const char *shown_type;  /* for people */
    /* What its values are made of beside what was written: labels of enums, attributes of composites, what is computed; "": nothing. */
    const char *labels;
    bool not_null;
};

/* Where rows lie: the table itself, or each of its partitions. */
struct postgres_leaf {
    uint32_t oid;
    const char *schema, *name;
    uint32_t file;      /* pg_class.relfilenode */
    uint64_t rewritten; /* another number: its rows may have been written anew (K3); 0: that wasn't asked */
    uint32_t published; /* pg_publication_rel.oid; 0: by the publication of all tables, or of a parent */
    const char *ties;   /* when what makes it published was last written; NULL: that wasn't asked */
};

struct postgres_table {
    uint32_t oid;
    const char *schema, *name; /* NULL: there is none of that name */
    const char *shown;         /* as Rhei calls it: the schema "public" isn't written */
    uint32_t wanted;           /* which of postgres_wanted's it is, from 1 on; 0: none was named */
    uint32_t file;             /* pg_class.relfilenode */
    char kind;                 /* pg_class.relkind */
    struct postgres_column *columns;
    uint32_t column_count;
    const char *key_attnums; /* "1 3"; of it `key` is made */
    uint32_t *key;           /* columns by number */
    uint32_t key_count;
    struct postgres_leaf *leaves;
    uint32_t leaf_count;
    int64_t estimated_rows;
    uint64_t shape;
    const char *reason; /* NULL: it can be followed */
    struct source_column *source_columns;
    struct source_table definition; /* its id is the source's to give */
};

struct postgres_catalog {
    atomic_int holders; /* who frees it last frees it: a load may outlive the cycles' use */
    struct base_arena arena;
    struct postgres_table *tables;
    size_t count;
    uint64_t publication; /* its number, and which transaction last wrote its row */
    uint64_t shape;       /* of all */
    uint64_t mark;        /* postgres_mark; 0: it isn't of the stream */
};

struct postgres_wanted {
    const char *const *tables; /* "orders", "sales.orders"; none: every table that may be read */
    size_t count;
    bool logical;            /* by the stream, not by polling: keys, columns and reasons are those of that */
    const char *publication; /* NULL: it doesn't matter what is published */
};

rhei_status postgres_catalog_read(struct postgres_connection *connection, const struct postgres_wanted *wanted,
                                  int64_t deadline_ns, struct postgres_catalog **catalog, struct rhei_error *error);
/* Another holder; any thread that holds it. */
struct postgres_catalog *postgres_catalog_hold(struct postgres_catalog *catalog);
void postgres_catalog_free(struct postgres_catalog **catalog);
/* The table that has this leaf; NULL: none that can be followed. */
struct postgres_table *postgres_catalog_leaf(const struct postgres_catalog *catalog, uint32_t leaf);

/* "schema"."name", appended. */
void postgres_put_name(struct base_buffer *sql, const char *schema, const char *name);
/* A column as it is to be read in binary: a printed one by its output function, which format() calls without a right to it or its schema. */
void postgres_put_column(struct base_buffer *sql, const struct postgres_column *column);

#endif
