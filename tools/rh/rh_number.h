/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rh_number.h
 * Numbers between text and value, exactly: what is read back is what was written.
 */
#ifndef RH_NUMBER_H
#define RH_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RH_REAL_SIZE = 40, RH_INTEGER_SIZE = 24 };

/** The whole text is a decimal integer in 64 bits, with or without a sign. */
bool rh_parse_integer(const char *text, size_t length, int64_t *value);
/** The whole text is a decimal number: digits with a sign, point or exponent as SQL writes them; no hex, no "inf". */
bool rh_parse_real(const char *text, size_t length, double *value);
/** A number as codes are written that only look like one: digits, E, digits ("1E5", "12e34567"). No program writes a REAL so. */
bool rh_is_exponent_code(const char *text, size_t length);
/** A number with a comma where SQL has the point ("-1,25", "1,5e3"), and no other sign between its digits. */
bool rh_has_decimal_comma(const char *text, size_t length);
/** Whether `value`, read from this text, still says all of it: finite, not zero by underflow, and no digit lost. */
bool rh_real_keeps(const char *text, size_t length, double value);
/** An integer as a program would write it: no plus, no leading zeros, no "-0". "007" is a code, not a number. */
bool rh_is_canonical_integer(const char *text, size_t length);

/** The decimal digits of an integer, at the end of `text`; gives where they begin. NUL-terminated. */
const char *rh_format_integer(int64_t value, char text[RH_INTEGER_SIZE]);
/** The shortest text that reads back as the same double; it always has a point or an exponent. Infinity is "9e999". */
size_t rh_format_real(double value, char text[RH_REAL_SIZE]);

#endif
