/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL tells names apart that SQLite, by whose rules queries find them, doesn't: "T" and t are one name here. What can't be told apart is refused, so
 * that no query is answered from another table or column than it meant. Pure.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_NAMES_H
#define SOURCE_POSTGRES_POSTGRES_NAMES_H

#include "source_postgres/postgres_catalog.h"

/* Gives each table whose name can't be used here a reason, if it has none. */
rhei_status postgres_names_check(struct postgres_catalog *catalog, struct rhei_error *error);
/* *reason: why these columns can't be those of a table; untouched if they can. */
rhei_status postgres_names_columns(struct base_arena *arena, const struct source_column *columns, uint32_t count,
                                   const char **reason, struct rhei_error *error);

#endif
