/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that others wrote into the schema (terms and WHERE of indexes, defaults, generated columns), read to a tree and
 * written anew, so that nothing of how they were written (comments, quotes, bare words) gets into a trigger. Any thread.
 */
#ifndef CAPTURE_CAPTURE_EXPRESSION_H
#define CAPTURE_CAPTURE_EXPRESSION_H

#include "capture/capture_internal.h"

/* Where a text is written: the row that the table has, or the one that a trigger calls NEW. */
enum capture_row { CAPTURE_ROW_STORED, CAPTURE_ROW_NEW };

/* Who asks, and what was found. Starts with `table` and zeros; `reads` is the caller's, a flag per column. */
struct capture_expression {
    const struct capture_table_schema *table;
    bool *reads;         /* set for the columns that were read, generated ones and what they are made of, too */
    bool *unsettled;     /* set for those where a NULL of NEW will perhaps be another value; may be NULL */
    const char *id_text; /* what stands for NEW's INTEGER PRIMARY KEY; NULL: itself */
    char why[200];       /* after false: what stands against it, for people */
};

/*
 * Appends the expression as one of `row`. False if it can't be written so that it never fails and always means in a
 * trigger what it means in its table; *why says what it is.
 *
 * E1. A trigger that fails makes somebody's statement fail, and it runs earlier than SQLite's own checks: so only
 *     operators and functions are taken that can't fail, whatever the values.
 * E2. NEW."c" has its column's collation, but not its affinity: so comparisons are taken only where no affinity would
 *     change a value.
 */
bool capture_expression_write(struct capture_expression *expression, const char *sql, size_t len, enum capture_row row,
                              struct base_buffer *out);
/* Appends NEW."c", with the column's constant default in place of a NULL where REPLACE would put it. */
void capture_expression_new(struct capture_expression *expression, uint32_t column, bool compared,
                            struct base_buffer *out);
/* Notes that the column is read: itself, and if it is generated, what it is made of. False: that can't be read. */
bool capture_expression_reads(struct capture_expression *expression, uint32_t column);
/* Appends what a generated column will be for NEW. False as above. */
bool capture_expression_generated(struct capture_expression *expression, uint32_t column, struct base_buffer *out);
/* The number of the INTEGER PRIMARY KEY column, or -1. */
int32_t capture_id_column(const struct capture_table_schema *table);
/* True if every generated column of the table can be computed from any row without failing. */
bool capture_generated_are_safe(const struct capture_table_schema *table);

/* True for the collations that every SQLite has. */
bool capture_collation_is_known(const char *name);

/* The terms and the WHERE of a CREATE INDEX text: offsets into it. False if it can't be read. */
struct capture_index_text {
    size_t term_start[64], term_end[64];
    uint32_t term_count;
    size_t where_start, where_end; /* equal: none */
};
bool capture_index_split(const char *sql, struct capture_index_text *text);

#endif
