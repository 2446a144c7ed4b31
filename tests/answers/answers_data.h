/* SPDX-License-Identifier: Apache-2.0 */
/* Random values, and a random database: tables of every kind, indexes, views, and what happens to their rows. */
#ifndef ANSWERS_DATA_H
#define ANSWERS_DATA_H

#include "answers_text.h"

/* What a column is meant to hold; an expression is made for one, too. */
enum flavour {
    FLAVOUR_INTEGER,
    FLAVOUR_REAL,
    FLAVOUR_TEXT,
    FLAVOUR_DATE,
    FLAVOUR_BOOLEAN,
    FLAVOUR_BLOB,
    FLAVOUR_ANY,
    FLAVOUR_COUNT,
};

/* One value with its own bytes. */
struct cell {
    struct rhei_value value;
    char bytes[48];
};

enum { MOST_COLUMNS = 12, MOST_TABLES = 6, MOST_VIEWS = 2 };

struct column {
    char name[24]; /* as it is written in SQL, quoted where it has to be */
    enum flavour flavour;
};

struct relation {
    char name[24];
    struct column columns[MOST_COLUMNS];
    uint32_t column_count, given_count; /* the columns behind the given ones are generated */
    uint32_t base;                      /* of a view: the table it reads */
};

struct schema {
    struct relation relations[MOST_TABLES + MOST_VIEWS];
    uint32_t table_count, relation_count;
    bool calm, large;  /* large: thousands of rows, for more than one thread */
    char **statements; /* what made it, in order */
    size_t statement_count, statement_capacity;
};

/* A value that suits the flavour, often one of the edges unless it is to be a calm one. */
void data_value(struct random *random, enum flavour flavour, bool calm, struct cell *cell);
/* It as SQLite writes it. */
void data_literal(struct text *text, const struct rhei_value *value);

/* Makes the statements; nothing is run. In a calm schema columns hold what their types promise. */
void data_make(struct random *random, bool calm, bool large, struct schema *schema);
/* Adds statements that change rows. */
void data_change(struct random *random, struct schema *schema, uint32_t count);
void data_free(struct schema *schema);

enum alter_kind { ALTER_ADD, ALTER_DROP, ALTER_RENAME, ALTER_INDEX, ALTER_NO_INDEX, ALTER_VIEW, ALTER_COUNT };
/* A change of the schema. It may be refused: the column of an index can't be dropped. */
struct alter {
    enum alter_kind kind;
    uint32_t relation, column;
    struct relation after; /* the relation once it is made */
    struct text sql;       /* one statement, or two for a view */
};
void data_alter(struct random *random, const struct schema *schema, uint32_t number, struct alter *alter);
/* It was made: the schema follows. */
void data_altered(struct schema *schema, const struct alter *alter);

#endif
