/* SPDX-License-Identifier: Apache-2.0 */
/* A sidecar source: somebody else's SQLite file, read and never written. README.md says what that means. */
#ifndef SOURCE_SQLITE_SQLITE_SOURCE_H
#define SOURCE_SQLITE_SQLITE_SOURCE_H

#include "port/change_source.h"

/* What the settings say of a table; copied. */
struct sqlite_source_table {
    const char *name;
    const char *const *key; /* [key_count]; none: the table's own */
    size_t key_count;
    const char *created_at, *updated_at; /* NULL: none; updated_at: a column of that name, if there is one */
    const char *const *columns;          /* [column_count]; none: all */
    size_t column_count;
};

struct sqlite_source_config {
    const char *path;
    bool snapshot;           /* all rows are compared when something was committed; no timestamps are needed */
    size_t page_rows;        /* 0: the default */
    const char *soft_delete; /* column of every table that has one of that name; NULL: none */
    bool full_diff;
    uint32_t every;                           /* full_diff: with every so many looks that found something changed */
    const struct sqlite_source_table *tables; /* none: every table */
    size_t table_count;
};

/* A file that isn't there is no error here: begin says so until it is. */
rhei_status sqlite_source_open(const struct sqlite_source_config *config, struct change_source **source,
                               struct rhei_error *error);

#endif
