/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the translator asks about the tables a statement names: their columns as SQLite declares them, and what the
 * mirror's columns really hold. Plain data, borrowed for the call; whoever knows oltp/ and mirror/ fills it in.
 */
#ifndef TRANSLATE_TRANSLATE_CATALOG_H
#define TRANSLATE_TRANSLATE_CATALOG_H

#include "rhei/rhei_types.h"

/* SQLite's affinities, numbered as port/source_table.h numbers them. NONE is an expression's, never a column's. */
enum translate_affinity {
    TRANSLATE_AFFINITY_BLOB = 0,
    TRANSLATE_AFFINITY_TEXT = 1,
    TRANSLATE_AFFINITY_NUMERIC = 2,
    TRANSLATE_AFFINITY_INTEGER = 3,
    TRANSLATE_AFFINITY_REAL = 4,
    TRANSLATE_AFFINITY_NONE = 5,
    TRANSLATE_AFFINITY_UNKNOWN = 6, /* of a compound's column whose parts differ */
};

/*
 * What a column has held: bit for bit enum mirror_column_flag. Over-approximations: a bit that is set promises nothing, a
 * bit that is clear promises that no row of the statement's snapshot has it.
 */
enum translate_column_flag {
    TRANSLATE_HAS_NULL = 1 << RHEI_NULL,
    TRANSLATE_HAS_INTEGER = 1 << RHEI_INTEGER,
    TRANSLATE_HAS_REAL = 1 << RHEI_REAL,
    TRANSLATE_HAS_TEXT = 1 << RHEI_TEXT,
    TRANSLATE_HAS_BLOB = 1 << RHEI_BLOB,
    TRANSLATE_NON_ASCII = 1 << 8,
    TRANSLATE_NOT_WHOLE = 1 << 9,
    TRANSLATE_BIG_INTEGER = 1 << 10,
    TRANSLATE_INVALID_UTF8 = 1 << 11,
    TRANSLATE_HAS_NUL = 1 << 12,
    TRANSLATE_INFINITE = 1 << 13,
    TRANSLATE_NEGATIVE_ZERO = 1 << 14,
};
#define TRANSLATE_CLASS_MASK \
    (TRANSLATE_HAS_NULL | TRANSLATE_HAS_INTEGER | TRANSLATE_HAS_REAL | TRANSLATE_HAS_TEXT | TRANSLATE_HAS_BLOB)

struct translate_column {
    const char *name;
    const char *declared_type; /* "" if none */
    const char *collation;     /* NULL: BINARY */
    uint8_t affinity;          /* enum translate_affinity */
    bool not_null;
    bool is_rowid_alias; /* INTEGER PRIMARY KEY */
    bool is_rowid;       /* the hidden rowid, last, when no column is its alias; its name is "rowid" */
    bool hidden;         /* not part of `*` (is_rowid never is) */
    bool absent;         /* not in the mirror (a virtual generated column): a statement that names it is refused */
    uint32_t flags;      /* enum translate_column_flag */
    bool has_range;      /* low and high bound every number of the column */
    double low, high;
};

/* Columns that SQLite keeps unique together. `nullable` ones may repeat where a column is NULL. */
struct translate_unique_key {
    const uint32_t *columns;
    uint32_t column_count;
    bool nullable;
};

struct translate_table {
    const char *name;
    uint32_t id; /* number for mirror_scan */
    const struct translate_column *columns;
    uint32_t column_count;
    const struct translate_unique_key *keys; /* without the rowid's own */
    uint32_t key_count;
    bool without_rowid;
    bool mirrored;              /* false: a statement that reads it is refused */
    const char *refusal_reason; /* why it isn't mirrored; NULL: "it is not mirrored" */
    uint64_t row_count;         /* estimate */
};

/*
 * Looked up by name as SQLite resolves it (ASCII case folded; `schema` NULL: not written). Either NULL: there is none.
 * `view` gives the CREATE VIEW text.
 */
/* How the database's texts are encoded. BINARY compares their bytes, so their order depends on it; NOCASE and RTRIM don't. */
enum translate_encoding { TRANSLATE_UTF8, TRANSLATE_UTF16LE, TRANSLATE_UTF16BE };

struct translate_catalog {
    const struct translate_table *(*table)(void *context, const char *schema, const char *name);
    const char *(*view)(void *context, const char *schema, const char *name);
    void *context;
    enum translate_encoding encoding;
};

/*
 * How a scan has to hand a column over, from its flags alone: the translated text counts on it.
 * NULL alone: BIGINT of NULLs. INTEGER: BIGINT. REAL, or INTEGER and REAL: DOUBLE. TEXT: VARCHAR. BLOB: BLOB.
 * Anything else is never asked for.
 */
enum translate_scan_form {
    TRANSLATE_SCAN_BIGINT,
    TRANSLATE_SCAN_DOUBLE,
    TRANSLATE_SCAN_VARCHAR,
    TRANSLATE_SCAN_BLOB,
    TRANSLATE_SCAN_NONE
};

static inline enum translate_scan_form translate_scan_form(uint32_t flags)
{
    switch (flags & TRANSLATE_CLASS_MASK & ~(uint32_t)TRANSLATE_HAS_NULL) {
    case 0:
    case TRANSLATE_HAS_INTEGER:
        return TRANSLATE_SCAN_BIGINT;
    case TRANSLATE_HAS_REAL:
    case TRANSLATE_HAS_INTEGER | TRANSLATE_HAS_REAL:
        return TRANSLATE_SCAN_DOUBLE;
    case TRANSLATE_HAS_TEXT:
        return TRANSLATE_SCAN_VARCHAR;
    case TRANSLATE_HAS_BLOB:
        return TRANSLATE_SCAN_BLOB;
    default:
        return TRANSLATE_SCAN_NONE;
    }
}

#endif
