/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SQL_SQL_SPLIT_H
#define SQL_SQL_SPLIT_H

#include <stddef.h>

/* Where the statement that starts at `start` ends, semicolon included; *last is the end of its last word. */
size_t sql_statement_end(const char *text, size_t len, size_t start, size_t *last);

#endif
