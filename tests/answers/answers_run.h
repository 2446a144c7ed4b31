/* SPDX-License-Identifier: Apache-2.0 */
/* One statement asked of both engines. */
#ifndef ANSWERS_RUN_H
#define ANSWERS_RUN_H

#include <stdio.h>

#include "answers_text.h"

/* Everything that an answer shows. */
struct answer {
    rhei_status status;
    char message[256];
    const char *route, *rule; /* of the library: static */
    struct text names;        /* one a line */
    struct text bytes;        /* the rows, one behind another, each value by its class and bits */
    struct {
        size_t start, length;
    } * rows;
    size_t row_count, row_capacity;
};

enum verdict {
    VERDICT_SAME,
    VERDICT_EXCUSED, /* a difference that is documented */
    VERDICT_SLOW,    /* one of them ran into the time limit */
    VERDICT_ERROR,   /* one failed, the other didn't */
    VERDICT_NAMES,
    VERDICT_ROWS,
    VERDICT_ORDER, /* the same rows in another order, though ORDER BY asks for one */
};
const char *run_verdict_name(enum verdict verdict);
/* Whether it is one that must not be. */
bool run_is_difference(enum verdict verdict);

struct pair {
    struct answer oltp, automatic;
};

/* Asks both; the parameters are as many as the text names. The pair is to be freed. */
enum verdict run_both(rhei_db *db, const char *sql, const struct rhei_value *parameters, struct pair *pair);
void run_free(struct pair *pair);
void run_print(const struct pair *pair, FILE *out);

#endif
