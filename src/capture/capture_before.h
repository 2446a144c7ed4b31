/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as they were, in the log of a table whose versions are kept (T11 of capture_triggers.c). Any thread. */
#ifndef CAPTURE_CAPTURE_BEFORE_H
#define CAPTURE_CAPTURE_BEFORE_H

#include "capture/capture_internal.h"

/* Whether the column is of the mirror's key, or of the declared one. */
bool capture_is_of_key(const struct source_table *table, uint32_t column);
/* Whether a log of `width` value columns has room for the table's row from value column `at` on. */
static inline bool capture_before_fits(const struct source_table *table, uint32_t at, uint32_t width)
{
    return at <= width && table->column_count <= width - at;
}
/* Why a table whose versions are wanted has no rows as they were in the log, for people; NULL: it has, or nobody wants them. */
const char *capture_before_missing(const struct oltp *oltp, const struct capture_table_schema *table);
/*
 * Whether the row that an update left has this column's value of the row as it was, or the column is of no key, neither the mirror's nor the
 * declared one. An update that changed one told the old row as one that is gone, and the new one had none before it. The triggers say
 * it by the same rule, by the values' bits.
 */
bool capture_before_has_key(const struct source_table *table, uint32_t column, const struct rhei_value *before,
                            const struct rhei_value *now);

#endif
