/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of a text with the numbers that SQLite gives them, by its tokens alone. Any thread. */
#ifndef SQL_SQL_PARAMETERS_H
#define SQL_SQL_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base_error.h"

struct sql_parameter_name {
    const char *text; /* into the text, with its sign: ":id", "@a", "$x::y(z)", "?12" */
    uint32_t length;
    uint32_t number;
};

enum { SQL_PARAMETER_NUMBER_MAX = 32766 }; /* SQLite's own limit, for both dialects */

/* "?", "?2", "$2" or "$name", as it stands in a text of the column store's own words. */
struct sql_native_parameter {
    const char *text;
    size_t length;
    uint32_t number; /* that is written in it; 0: none is */
};
/* The next one at or after *at and before `end`, and *at behind it; false: there is none. The text ends in NUL. */
bool sql_native_parameter_next(const char **at, const char *end, struct sql_native_parameter *out);

struct sql_parameter_names {
    uint32_t largest; /* number in the text */
    bool beyond;      /* one is written as a number that no parameter has: ?0, ?32767 */
    uint32_t count;
    struct sql_parameter_name *names; /* every name once, in the order of the text; a plain ? has none */
};

/* False without memory. End with sql_parameter_names_reset. */
bool sql_parameter_names_read(const char *sql, size_t len, struct sql_parameter_names *out);
/*
 * The same of a text in the column store's own dialect: `?`, `?2` and `$2`, which are the second whatever stands before them, and `$name`. A colon is a
 * slice's or a cast's there, and @ an operator. What stands in the strings of that dialect ($$...$$, E'...'), in its comments, which nest, and in quoted names
 * is none, and brackets quote nothing. The text has a NUL at `len` or behind it.
 */
bool sql_parameter_names_read_native(const char *sql, size_t len, struct sql_parameter_names *out);
void sql_parameter_names_reset(struct sql_parameter_names *names);
/* RHEI_SQL in SQLite's words: one of them is beyond. */
rhei_status sql_parameter_numbers_check(const struct sql_parameter_names *names, struct rhei_error *error);
/* How many values such a text takes: SQLite, which counts the others', doesn't know it. */
rhei_status sql_parameters_count_native(const char *sql, size_t len, uint32_t *count, struct rhei_error *error);
/* The number of a name, 0 if the text doesn't have it. */
uint32_t sql_parameter_number(const struct sql_parameter_names *names, const char *name, size_t len);

#endif
