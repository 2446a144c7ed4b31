/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_suggest.h
 * What was meant by a name that an error says isn't there.
 */
#ifndef RH_SUGGEST_H
#define RH_SUGGEST_H

#include "rh_tool.h"

/** The name in "no such table: x" or "no such column: t.x", without what is before a dot; NULL: it is another message. */
const char *rh_missing_name(const char *message, size_t *length);
/**
 * Adds the message, and behind the name that isn't there the nearest one that is: of a table or view, or, where the statement is given, a column of
 * the tables that it names.
 */
void rh_add_suggestion(const struct rh_tool *tool, const char *message, const char *sql, size_t length,
                       struct rh_buffer *out);
/** Where a statement first has this name, as a name; SIZE_MAX: nowhere. */
size_t rh_place_of_name(const char *sql, size_t length, const char *name, size_t name_length);

#endif
