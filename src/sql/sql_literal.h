/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A literal INSERT, UPDATE or DELETE as a text with parameters and their values: many statements that differ in their values
 * only are one prepared statement then. By tokens alone; README.md has the rule. Any thread.
 */
#ifndef SQL_SQL_LITERAL_H
#define SQL_SQL_LITERAL_H

#include <stdbool.h>
#include <stddef.h>

#include "rhei/rhei_types.h"

enum { SQL_LITERALS_MAX = 256, SQL_LIFTED_MAX = 4096 };

struct sql_span {
    const char *text; /* quotes included */
    size_t len;       /* 0: none */
};

struct sql_literals {
    /* set by the caller: room for what strings and BLOBs are without their quotes; what doesn't fit isn't lifted */
    char *bytes;
    size_t bytes_size, bytes_used;

    char text[SQL_LIFTED_MAX]; /* with ? for each literal, not terminated; without the semicolon */
    size_t len;
    struct rhei_value values[SQL_LITERALS_MAX]; /* text and BLOBs point into the statement or into `bytes` */
    uint32_t count;
    size_t consumed; /* bytes of the statement, its semicolon included */
    bool bare;       /* it returns no rows: nothing follows its VALUES or its WHERE */
    /* The value is right only where this column of the table is its rowid: the WHERE of an UPDATE or DELETE. */
    struct sql_span key_table, key_column;
};

/* False: run the text as it is. Looks at the first statement only. */
bool sql_literals_lift(const char *sql, size_t len, struct sql_literals *out);

#endif
