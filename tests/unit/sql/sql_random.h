/* SPDX-License-Identifier: Apache-2.0 */
/* Random statements over the tables of sql_random_schema, and random damage to texts. */
#ifndef TESTS_SQL_RANDOM_H
#define TESTS_SQL_RANDOM_H

#include <stdint.h>

#include "base/base_buffer.h"

struct sql_random {
    uint64_t state;
    struct base_buffer text;
    int depth;
};

extern const char *const sql_random_schema[]; /* ends with NULL */

/* RHEI_TEST_SEED or a new one, printed. */
uint64_t sql_random_seed(void);
uint64_t sql_random_next(struct sql_random *random);
uint32_t sql_random_below(struct sql_random *random, uint32_t limit);
/* The text is in random->text until the next call. */
const char *sql_random_select(struct sql_random *random);
const char *sql_random_change(struct sql_random *random);
void sql_random_damage(struct sql_random *random, struct base_buffer *text);

#endif
