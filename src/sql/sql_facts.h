/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_SQL_FACTS_H
#define SQL_SQL_FACTS_H

#include "sql/sql.h"
#include "sql/sql_arena.h"

/* NULL: no memory. */
const struct sql_facts *sql_facts_new(struct sql_arena *arena, const struct sql_tree *tree);
/* One of SQLite's aggregates (min and max with one argument alone)? */
bool sql_is_aggregate(const char *name, uint32_t argument_count);

#endif
