/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the whole engine share: a database in a private folder, and short ways to ask it. Fails the test itself. */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rhei/rhei_doors.h"

struct fixture {
    char folder[64];
    char path[96];
    rhei_db *db;
};

/* A new folder; no database yet. */
void fixture_init(struct fixture *fixture);
/* A new folder, and a database in it that asks the column store wherever it can. */
void fixture_begin_olap(struct fixture *fixture);
/* The same with a table in it that is built; `rows` is the statement that fills it. */
void fixture_begin_built(struct fixture *fixture, const char *table, const char *rows);
/* config may be NULL. Locks of others are waited for, as long as the slowest disk makes them last, unless it says for how long. */
void fixture_open(struct fixture *fixture, const struct rhei_config *config);
/* Closes what is open and removes the folder. */
void fixture_end(struct fixture *fixture);
/* A cmocka teardown, of a struct fixture. */
int fixture_tear_down(void **state);

/* The suite runs with DataFusion in DuckDB's place (RHEI_BACKEND): it keeps no plans, and leaves other statements to SQLite. */
bool fixture_by_datafusion(void);

void must_execute(rhei_db *db, const char *sql);
void must_execute_with(rhei_db *db, const char *sql, const struct rhei_params *params);
/* The one value of a query that gives one row; text is copied into `text` if that isn't NULL. */
int64_t must_int64(rhei_db *db, const char *sql, int32_t route);
double must_double(rhei_db *db, const char *sql, int32_t route);
/* All rows as text: fields by '|', rows by newline, each with its class's letter in front (n i r t b). rhei_free it. */
char *must_rows(rhei_db *db, const char *sql, const struct rhei_params *params, int32_t route);
/* Fails unless both engines give the same rows in the same order, and the column store really answers. */
void must_agree(rhei_db *db, const char *sql, const struct rhei_params *params);
/* Fails unless the statement ends with this status. */
void must_fail(rhei_db *db, const char *sql, rhei_status status);
/* Fails unless the statement, routed by itself, is answered by this engine ("oltp", "olap") under this rule (NULL: any). */
void must_route(rhei_db *db, const char *sql, const char *route, const char *rule);
void must_be_built(rhei_db *db);
void must_verify(rhei_db *db);
/* The metric of that name, which has no labels. */
double must_metric(rhei_db *db, const char *name);

/* A reader of the change feed, from what is new on; `consumer` may be NULL. */
rhei_changes *must_follow(rhei_db *db, const char *consumer);
/* The next event of that kind, whatever comes before it. */
struct rhei_change must_be_told(rhei_changes *changes, int32_t kind);

/* Runs a program with arguments, input from a string; its exit code. Output goes to `output` (may be NULL). */
int run_program(const char *const *arguments, const char *input, char *output, size_t output_size);

#endif
