/* SPDX-License-Identifier: Apache-2.0 */
/* The executors that are asked: each has a database of its own, and to all of them the same happens. */
#ifndef ANSWERS_ENGINE_H
#define ANSWERS_ENGINE_H

#include "answers_data.h"

enum { MOST_ENGINES = 2 };

struct engine {
    const char *name; /* "": the one that a handle has by itself */
    int32_t backend;
    rhei_db *db;
    char file[112];
    int64_t on_olap, failures, slow, excused, differences;
};

struct engines {
    struct engine of[MOST_ENGINES];
    uint32_t count;
};

/* "duckdb,datafusion"; NULL: the one by itself. False for a name that there isn't. */
bool engines_named(const char *names, struct engines *engines);
/* Opens an empty database of each, the `number`th of a run. Says what failed. */
bool engines_open(struct engines *engines, uint64_t number);
void engines_close(struct engines *engines);
/* Runs the statements from `first` on. Inserts and updates may break a constraint: then the row isn't there, in any. */
void engines_apply(struct engines *engines, const struct schema *schema, size_t first);
/* One change of the schema, by us or by another program: whether all made it. False in `agree`: some did. */
bool engines_alter(struct engines *engines, const char *sql, bool foreign, bool *agree);
bool engines_in_files(const struct engines *engines);
/* Builds every table. */
bool engines_sync(struct engines *engines, struct rhei_error *error);
/* Compares every column store with its SQLite. */
bool engines_verify(struct engines *engines, struct rhei_error *error);

#endif
