/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands beside the parameters of a statement, from which a client that must be told a type is told one. SQLite's parameters have none: this is
 * a hint, and what it doesn't find is SQL_USE_UNKNOWN. Pure; any thread.
 */
#ifndef SQL_SQL_USES_H
#define SQL_SQL_USES_H

#include "sql/sql.h"

enum sql_use {
    SQL_USE_UNKNOWN = 0,
    SQL_USE_INTEGER,
    SQL_USE_REAL,
    SQL_USE_TEXT,
    SQL_USE_BLOB,
    SQL_USE_TYPE,   /* of the type in `type`, as a column may be declared */
    SQL_USE_COLUMN, /* what column `column` of `probe` is */
    SQL_USE_PLACE, /* what column `column` of the table `insert` is, those counted that INSERT without a list of columns means */
    SQL_USE_AGREED, /* what both sides of `agreements[column]` are, if they are the same */
};

struct sql_parameter_use {
    uint8_t use; /* enum sql_use */
    uint32_t column;
    const char *type; /* the tree's */
};

/* Two parts of a UNION, INTERSECT or EXCEPT. */
struct sql_agreement {
    struct sql_parameter_use sides[2];
};

/* Views by name, for who has a schema; `schema` may have no text. NULL: there is no such view. It lives as long as what is read of it. */
struct sql_views {
    const struct sql_view *(*find)(void *context, const struct sql_name *schema, const struct sql_name *name);
    void *context;
};

struct sql_uses {
    struct sql_parameter_use *parameters; /* by number - 1 */
    uint32_t count;
    struct base_buffer probe; /* a SELECT whose columns have the declared types; never to be run. Empty: none */
    uint32_t probe_columns;
    const struct sql_source *insert; /* the tree's; NULL: no parameter has SQL_USE_PLACE */
    const struct sql_views *views;   /* NULL: none are known */
    uint32_t depth;                  /* of subqueries that are looked through */
    uint32_t parts;                  /* of compounds that were looked at */
    struct sql_agreement *agreements;
    uint32_t agreement_count;
    size_t agreement_capacity;
    bool failed; /* without memory */
};

/* Reads a tree; `views` may be NULL. RHEI_NO_MEMORY alone can go wrong; end with sql_uses_reset, before the trees are freed. */
rhei_status sql_uses_read(const struct sql_tree *tree, const struct sql_views *views, struct sql_uses *uses,
                          struct rhei_error *error);
void sql_uses_reset(struct sql_uses *uses);

/* Where names are looked up: the FROM of a SELECT or the table of a change, and what is around it. */
struct sql_scope {
    const struct sql_scope *outer;   /* NULL: none */
    const struct sql_with *with;     /* NULL: none */
    const struct sql_source *target; /* NULL: none */
    const struct sql_from *from;     /* NULL: none */
    const struct sql_items
        *aliases; /* columns of the result, whose names may be used as if they were columns; NULL: none */
};
/* The expression that a column is which a subquery, a common table or a view gives, with its scope. In sql_through.c. */
struct sql_through {
    const struct sql_expr *expr;
    struct sql_scope around, inside; /* `expr` belongs to `inside` */
    const struct sql_core
        *others;    /* parts of a compound, in each of which the column is another expression; NULL: none */
    uint32_t place; /* of the column among theirs */
};
/* False: it is a table's, or isn't found. `out` isn't to be moved. */
bool sql_look_through(const struct sql_views *views, const struct sql_scope *scope, const struct sql_expr *column,
                      struct sql_through *out);
/* What the column is in one of the others. False: that isn't written there. `whole` is to outlive `out`. */
bool sql_look_at_part(const struct sql_through *whole, const struct sql_core *part, struct sql_through *out);
/* A column as a subquery of its scope: "(SELECT (SELECT a FROM inner) FROM outer)". In sql_print.c. */
void sql_print_in_scope(struct base_buffer *out, const struct sql_expr *column, const struct sql_scope *scope);

#endif
