/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that live elsewhere, as SQLite sees them: between the files of this part (oltp_face*.c). */
#ifndef OLTP_OLTP_FACE_H
#define OLTP_OLTP_FACE_H

#include "oltp/oltp_internal.h"
#include "port/table_reader.h"

#define FACE_MODULE "rhei"

struct face_table {
    const struct source_table *definition; /* the set's own copy */
    const char *name;                      /* of its schema */
    char *sql;                             /* for sqlite3_declare_vtab */
    int32_t rowid_column;                  /* of `definition`; -1: it has none (declared WITHOUT ROWID, or numbered) */
    bool shown;                            /* SQLite took it */
};

struct face_schema {
    const char *name;
    unsigned char *image; /* SQLite's memory: the database that has the source's tables and nothing else */
    sqlite3_int64 size;
};

/* The tables of one state, with their images; immutable, counted. */
struct oltp_face_set {
    atomic_uint references;
    atomic_uint_fast64_t generation; /* the reader's, last seen with these tables */
    uint64_t version;                /* counted from 1 */
    struct base_arena arena;
    struct face_table *tables; /* sorted by number */
    uint32_t table_count;
    struct face_schema *schemas;
    uint32_t schema_count;
};
void face_set_release(struct oltp_face_set *set);
const struct face_table *face_set_find(const struct oltp_face_set *set, uint32_t id);
/* The set that is current, a reference; NULL without memory for the first. */
struct oltp_face_set *face_set_take(struct oltp *oltp);
/* Is it the schema of one of its sources? `schema` may be NULL. */
static inline bool face_set_has_schema(const struct oltp_face_set *set, const char *schema)
{
    for (uint32_t s = 0; schema != NULL && s < set->schema_count; s++)
        if (base_fold_compare(set->schemas[s].name, schema) == 0)
            return true;
    return false;
}

/* What the module knows; one for each connection, or for the making of an image. */
struct face_context {
    struct oltp_connection *connection; /* NULL: an image is made */
    struct oltp_face_set *set;          /* counted; that of the connection's images */
};
/* Registers the module; the connection frees the context. */
int face_module_register(sqlite3 *db, struct face_context *context);

struct oltp_face {
    struct table_reader *reader;
    base_mutex lock;                 /* one makes a set at a time */
    atomic_uint_fast64_t generation; /* the reader's, last looked at */
    struct oltp_face_set *set;       /* lock; NULL: not made yet */
    atomic_uint_fast64_t version;    /* of the set */
};

/* Whom the caller of what runs on the writer waits for, and has waited for; NULL: it takes what was published last. */
static inline struct oltp_elsewhere *face_elsewhere_of(const struct oltp_connection *connection)
{
    return connection->role == OLTP_WRITER && connection->stop != NULL ? connection->stop->elsewhere : NULL;
}

/* May the statement under way read these sources from what is pinned? */
static inline bool face_is_pinned(const struct oltp_connection *connection, uint32_t sources)
{
    bool any_age = connection->role == OLTP_WRITER && face_elsewhere_of(connection) == NULL;
    return connection->pin != NULL && (any_age || (sources & ~connection->pin_sources) == 0);
}

#endif
