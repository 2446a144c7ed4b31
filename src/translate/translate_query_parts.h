/* SPDX-License-Identifier: Apache-2.0 */
/* What translate_query.c and translate_compound.c share. */
#ifndef TRANSLATE_TRANSLATE_QUERY_PARTS_H
#define TRANSLATE_TRANSLATE_QUERY_PARTS_H

#include "translate/translate_internal.h"

enum { TRANSLATE_COLUMNS_MAX = 2000 };

/* False if there is nothing to limit. -1: no limit. */
bool translate_query_read_limit(struct translator *t, const struct sql_select *select, int64_t *limit, int64_t *offset);
/* With a check for ties, the rows before the first and behind the last are needed too. */
void translate_query_put_limit(struct translator *t, struct base_buffer *out, int64_t limit, int64_t offset,
                               bool check);
void translate_query_note_tie_check(struct translator *t, uint32_t column, uint32_t count, int64_t limit,
                                    int64_t offset);
/* Are equal values the same? Not so of texts by a collation, of 1 and 1.0, of 0.0 and -0.0. */
bool translate_query_equal_is_same(const struct translate_value *value);

/* `select` NULL: a part of a compound, without ORDER BY and LIMIT. */
struct translate_query translate_query_select_core(struct translator *t, struct translate_scope *outer,
                                                   const struct sql_core *tree, const struct sql_select *select,
                                                   bool nested);
struct translate_query translate_query_one_core(struct translator *t, struct translate_scope *outer,
                                                const struct sql_core *tree, const struct sql_select *select,
                                                bool nested);
struct translate_query translate_query_compound(struct translator *t, struct translate_scope *outer,
                                                const struct sql_select *select, bool nested);

#endif
