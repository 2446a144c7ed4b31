/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a statement on which two engines differ shorter, while they still do. */
#ifndef ANSWERS_SHRINK_H
#define ANSWERS_SHRINK_H

#include "answers_run.h"

/* Replaces *sql. Works on the text alone: what doesn't parse any more fails in both engines, and so isn't kept. */
void shrink_statement(rhei_db *db, struct text *sql, const struct rhei_value *parameters, enum verdict verdict);

#endif
