/* SPDX-License-Identifier: Apache-2.0 */
/* How a change source describes a table, and what the mirror needs to hold it. Plain data, borrowed. */
#ifndef PORT_SOURCE_TABLE_H
#define PORT_SOURCE_TABLE_H

#include <string.h>

#include "rhei/rhei_types.h"

/* SQLite's affinities: what a column does to values on the way in. */
enum column_affinity {
    AFFINITY_BLOB = 0,
    AFFINITY_TEXT = 1,
    AFFINITY_NUMERIC = 2,
    AFFINITY_INTEGER = 3,
    AFFINITY_REAL = 4,
};

/*
 * The upper 8 bits of a table number are its source's, of TABLE_SOURCES_MOST that an engine may follow; 0 is our own file.
 * TABLE_HISTORY and a source's number: what the engine itself keeps of that source, which changes with it and has its positions.
 */
enum { TABLE_SOURCE_SHIFT = 24, TABLE_SOURCES_MOST = 16, TABLE_HISTORY = 128 };

/* Whose cycles change the table of that number. */
static inline uint32_t source_of_table(uint32_t table)
{
    return table >> TABLE_SOURCE_SHIFT & (TABLE_HISTORY - 1);
}

static inline bool is_history_table(uint32_t table)
{
    return table >> TABLE_SOURCE_SHIFT >= TABLE_HISTORY;
}

/* A bit for each source, and one for each history, so that what a statement reads of them is one number. */
static inline uint32_t source_bit_of_table(uint32_t table)
{
    uint32_t number = table >> TABLE_SOURCE_SHIFT;
    return UINT32_C(1) << (number % TABLE_SOURCES_MOST + (is_history_table(table) ? TABLE_SOURCES_MOST : 0));
}

/* A table number of the source whose bit that is. */
static inline uint32_t table_of_source_bit(uint32_t bit)
{
    uint32_t number = (uint32_t)__builtin_ctz(bit);
    return (number % TABLE_SOURCES_MOST + (number >= TABLE_SOURCES_MOST ? TABLE_HISTORY : 0)) << TABLE_SOURCE_SHIFT;
}

/* What the names of the two parts of a table's history end in, behind the table's. */
#define HISTORY_OPEN  "_history_open"
#define HISTORY_ENDED "_history_ended"

/* The length of the name of the table that a part of that name is of; 0: it isn't named like one. */
static inline size_t history_part_of(const char *name)
{
    static const char *const endings[] = {HISTORY_OPEN, HISTORY_ENDED};
    size_t len = strlen(name);
    for (int e = 0; e < 2; e++) {
        size_t more = strlen(endings[e]);
        if (len > more && memcmp(name + len - more, endings[e], more) == 0)
            return len - more;
    }
    return 0;
}

struct source_column {
    const char *name;
    const char *declared_type; /* as written, "" if none */
    const char *collation;     /* "BINARY", "NOCASE", "RTRIM" or the application's own */
    uint8_t affinity;          /* enum column_affinity */
    bool not_null;
    bool is_rowid_alias; /* INTEGER PRIMARY KEY */
    bool is_rowid;       /* the hidden rowid itself, added last when no column is its alias */
    bool generated;
    bool
        in_primary_key; /* of a table whose key here is the hidden rowid: it is in the PRIMARY KEY that the schema declares */
};

struct source_table {
    uint32_t id;           /* number of this version of the table: new columns, new number; never reused */
    int64_t origin;        /* of all versions of one table, whatever its columns and its name become; 0: unknown */
    const char *name;      /* as created, unquoted */
    uint32_t column_count; /* with the hidden rowid if there is one */
    const struct source_column *columns;
    uint32_t key_count;
    const uint32_t *key_columns; /* the rowid (or its alias) alone, or the PRIMARY KEY of a WITHOUT ROWID table */
    bool key_is_integer;         /* one key column that can only hold integers: rowid or its alias */
    bool without_rowid;
    int64_t estimated_rows;        /* -1: unknown */
    const char *unmirrored_reason; /* NULL if it can be mirrored; else why not, for people */
};

#endif
