/* SPDX-License-Identifier: Apache-2.0 */
/* The type of a column in which there is no value to tell it. Pure; any thread. */
#ifndef ARROW_USUAL_H
#define ARROW_USUAL_H

#include <stdint.h>

/*
 * enum rhei_class by a column's declared type, read as SQLite reads it for affinity: INTEGER, REAL, TEXT or BLOB. NUMERIC
 * (DECIMAL, DATE, BOOLEAN, any other word) counts as INTEGER, as it is what SQLite turns such a value into where it can. No type
 * ("" or NULL) too, because a column without one can't be told from an expression.
 */
uint8_t arrow_usual_class(const char *declared_type);

/*
 * Format of the Arrow type that a column's declared type names to a client that must be told one, whatever SQLite makes of its values: beside those of
 * the classes BOOLEAN, DATE, TIME, TIMESTAMP and DATETIME their own, DECIMAL, NUMERIC and the like a double, and any other word, or none, utf8. Static storage.
 */
const char *arrow_declared_format(const char *declared_type);

#endif
