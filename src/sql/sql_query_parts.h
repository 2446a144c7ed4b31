/* SPDX-License-Identifier: Apache-2.0 */
/* What sql_query.c and sql_compound.c share. */
#ifndef SQL_SQL_QUERY_PARTS_H
#define SQL_SQL_QUERY_PARTS_H

#include "sql/sql_translator.h"

enum { SQL_COLUMNS_MAX = 2000 };

/* "ASC NULLS FIRST" and the like: SQLite's NULLs are less than everything unless said otherwise. */
const char *sql_query_nulls_text(const struct sql_item *item);
/* False if there is nothing to limit. -1: no limit. */
bool sql_query_read_limit(struct sql_translator *t, const struct sql_select *select, int64_t *limit, int64_t *offset);
/* With a check for ties, the rows before the first and behind the last are needed too. */
void sql_query_put_limit(struct base_buffer *out, int64_t limit, int64_t offset, bool check);
void sql_query_note_tie_check(struct sql_translator *t, uint32_t column, uint32_t count, int64_t limit, int64_t offset);
/* Are equal values the same? Not so of texts by a collation, of 1 and 1.0, of 0.0 and -0.0. */
bool sql_query_equal_is_same(const struct sql_value *value);

/* `select` NULL: a part of a compound, without ORDER BY and LIMIT. */
struct sql_query sql_query_select_core(struct sql_translator *t, struct sql_scope *outer, const struct sql_core *tree,
                                       const struct sql_select *select, bool nested);
struct sql_query sql_query_one_core(struct sql_translator *t, struct sql_scope *outer, const struct sql_core *tree,
                                    const struct sql_select *select, bool nested);
struct sql_query sql_query_compound(struct sql_translator *t, struct sql_scope *outer, const struct sql_select *select,
                                    bool nested);

#endif
