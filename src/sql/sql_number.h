/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers from text and back, whatever the locale. Any thread. */
#ifndef SQL_SQL_NUMBER_H
#define SQL_SQL_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A decimal literal with optional digit separators, fraction and exponent, no sign. Correctly rounded. */
double sql_number_real(const char *text, size_t len);
/* Decimal digits (with separators) or 0x...; false if it doesn't fit (hex: more than 16 digits). */
bool sql_number_integer(const char *text, size_t len, int64_t *value);
/* 17 significant digits with an exponent ("1.5000000000000000e+00"); inf and nan as those words. Returns the length. */
size_t sql_number_print(double value, char out[32]);

/* How SQLite reads a text as a number. */
enum sql_number_kind {
    SQL_NUMBER_NONE,    /* no number at its start: counts as 0 */
    SQL_NUMBER_PREFIX,  /* a number and then something else */
    SQL_NUMBER_INTEGER, /* all of it, blanks aside, is an integer that fits 64 bits */
    SQL_NUMBER_REAL,    /* all of it is a number */
};
/* The integer that a text starts with, as CAST(text AS INTEGER): 0 if there is none, the nearest beyond 64 bits. */
int64_t sql_number_integer_prefix(const char *text, size_t len);
/* `integer` is set when the number (or prefix) is an integer in 64 bits (*is_integer), `real` always. */
enum sql_number_kind sql_number_from_text(const char *text, size_t len, bool *is_integer, int64_t *integer,
                                          double *real);

#endif
