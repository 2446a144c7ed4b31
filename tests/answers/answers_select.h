/* SPDX-License-Identifier: Apache-2.0 */
/* Random SELECTs over a schema. Every part is made by templates, so that a new form is a new line of a table. */
#ifndef ANSWERS_SELECT_H
#define ANSWERS_SELECT_H

#include "answers_data.h"

enum { MOST_SOURCES = 6, MOST_PARAMETERS = 6 };

/* One thing in FROM. */
struct source {
    char alias[24];
    struct column columns[MOST_COLUMNS * 2];
    uint32_t column_count;
};

/* What names mean at a place. */
struct scope {
    struct source sources[MOST_SOURCES];
    uint32_t source_count;
    const struct scope *outer;
};

struct generator {
    struct random random;
    const struct schema *schema;
    struct source ctes[3];
    uint32_t cte_count;
    struct cell parameters[MOST_PARAMETERS];
    uint32_t parameter_count;
    uint32_t next_alias;
    bool calm;      /* mostly what the column store may answer */
    int32_t budget; /* how many expressions a statement may still have */
};

/* A whole statement; the generator's parameters are those it needs. */
void select_make(struct generator *generator, struct text *sql);
/* A SELECT in parentheses' inside with one column of the flavour; may use the scope's columns. */
void select_scalar(struct generator *generator, const struct scope *outer, enum flavour flavour, struct text *sql);

/* An expression of that flavour, usually. */
void expression_make(struct generator *generator, const struct scope *scope, enum flavour flavour, int depth,
                     struct text *sql);
/* One over an aggregate's or a window's result. */
void expression_aggregate(struct generator *generator, const struct scope *scope, int depth, struct text *sql);
void expression_window(struct generator *generator, const struct scope *scope, int depth, struct text *sql);
enum flavour expression_flavour(struct generator *generator);

#endif
