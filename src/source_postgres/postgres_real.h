/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal text to the nearest double, in any locale. Pure; any thread. */
#ifndef SOURCE_POSTGRES_POSTGRES_REAL_H
#define SOURCE_POSTGRES_POSTGRES_REAL_H

#include <stdbool.h>
#include <stddef.h>

/* What float8out prints: digits with a point and an exponent, "Infinity", "-Infinity", "NaN". False: something else. */
bool postgres_real_parse(const char *text, size_t length, double *value);
/* The same of float4out: the nearest float, as the double that is the same number. */
bool postgres_float_parse(const char *text, size_t length, double *value);

#endif
