/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a statement costs on either engine, guessed from SQLite's plan, the values it is asked with and samples of the mirror's
 * columns. The way: route_bounds (what the text compares with constants), route_work (SQLite's plan as loops over tables),
 * route_sample (how many rows a comparison leaves), route_cost (nanoseconds).
 *
 * Invariant: a wrong guess costs time and nothing else. Whatever isn't known counts as a whole table.
 */
#ifndef ROUTE_ROUTE_COST_H
#define ROUTE_ROUTE_COST_H

#include "route/route_internal.h"

/* ---- route_bounds.c ---- */

enum route_constant_kind {
    ROUTE_CONSTANT_UNKNOWN,
    ROUTE_CONSTANT_VALUE,     /* value; bytes are the tree's */
    ROUTE_CONSTANT_LITERAL,   /* index in the statement's literals: light statements have their own there */
    ROUTE_CONSTANT_PARAMETER, /* index in the parameters */
};
struct route_constant {
    uint8_t kind;
    bool negated;
    uint32_t index;
    struct rhei_value value;
};
struct route_bound {
    const char *source, *column; /* as written; source NULL: not written */
    uint8_t op;                  /* SQL_OP_EQ, _LT, _LE, _GT, _GE */
    uint32_t values;             /* of an IN list */
    struct route_constant value;
};
struct route_source {
    const char *alias, *table;
    bool called; /* a table-valued function */
};
/* a.x = b.y: what bounds one bounds the other. */
struct route_pair {
    const char *source[2], *column[2];
};
/* Borrows from the statement's tree. */
struct route_bounds {
    struct route_bound *items;
    size_t count, capacity;
    struct route_source *sources;
    size_t source_count, source_capacity;
    struct route_pair *pairs;
    size_t pair_count, pair_capacity;
    uint32_t selects, windows;
    uint32_t stars, exists_stars; /* `*` in results; of them, in those of an EXISTS, which nobody reads */
};
/* False: no memory. The statement has a tree. */
bool route_bounds_collect(const struct route_statement *statement, struct route_bounds *bounds);
void route_bounds_reset(struct route_bounds *bounds);
struct route_constant route_constant_of(const struct route_statement *statement, const struct sql_expr *expr);

/* ---- route_sample.c ---- */

struct route_sampler; /* samples of columns, by table and column; any thread */
struct route_sampler *route_sampler_new(void);
void route_sampler_free(struct route_sampler **sampler);
/* A column of a snapshot's table. */
struct route_column {
    struct route_sampler *sampler;
    const struct mirror_table_view *view;
    uint32_t table, column;
};
struct route_end {
    const struct rhei_value *value; /* NULL: open */
    bool inclusive;
};
/* Share of the rows that equal the value (NULL: that equal any one value of the column); that lie between two ends. */
double route_share_equal(const struct route_column *column, const struct rhei_value *value);
double route_share_between(const struct route_column *column, const struct route_end *low,
                           const struct route_end *high);
/* 1 if the rows are stored in the column's order, so that neighbours in an index of it are neighbours in the table; 0 if not. */
double route_stored_order(const struct route_column *column);

/* ---- route_work.c ---- */

enum { ROUTE_NO_TABLE = UINT32_MAX };

enum route_node_kind {
    ROUTE_NODE_SCAN,
    ROUTE_NODE_SEARCH,
    ROUTE_NODE_SORT,  /* USE TEMP B-TREE FOR ORDER BY */
    ROUTE_NODE_GROUP, /* ... FOR GROUP BY, FOR DISTINCT, UNION */
    ROUTE_NODE_NAMED, /* CO-ROUTINE, MATERIALIZE: rows for a later SCAN of that name */
    ROUTE_NODE_CORRELATED,
    ROUTE_NODE_OTHER,
};
struct route_term {
    uint32_t column; /* of the table; ROUTE_NO_TABLE: unknown */
    uint8_t op;
    uint32_t values;
    struct route_constant value; /* UNKNOWN: comes from another table, or an expression */
};
struct route_node {
    uint8_t kind; /* enum route_node_kind */
    uint8_t depth;
    bool covering, by_rowid, by_index, single, automatic, constant; /* single: at most one row whatever the values */
    uint32_t table;                                                 /* in the statement's tables */
    uint32_t name;                                                  /* a hash, to find a NAMED again */
    uint32_t first_term, term_count;                                /* what SQLite searches by */
    uint32_t first_filter, filter_count;                            /* what else is known of its rows */
};
struct route_work {
    struct route_node *nodes;
    size_t node_count, node_capacity;
    struct route_term *terms;
    size_t term_count, term_capacity;
    struct route_constant limit, offset; /* of the outermost SELECT */
    bool has_limit, has_offset;
    bool streams;     /* the outermost rows come one by one as they are found */
    bool aggregates;  /* one row in the end */
    bool counts_only; /* SELECT count(*) FROM t */
    bool groups;
    bool distinct;
    bool sorts;                  /* ORDER BY is written, whether or not SQLite has to sort */
    bool keyed;                  /* nothing but single rows, whatever the values: settled for this schema */
    uint32_t units;              /* joins, subqueries, windows: what costs an executor time before the first row */
    uint32_t functions, columns; /* calls in the text; columns of the result */
};
/* NULL: no memory, or the statement has no plan. `catalog` is of the statement's schema version. */
struct route_work *route_work_new(const struct route_statement *statement, const char *plan,
                                  const struct capture_catalog *catalog);
void route_work_free(struct route_work **work);

/* ---- route_cost.c ---- */

/* What one execution is estimated with. */
struct route_situation {
    struct route *route;
    const struct route_statement *statement; /* whose tables and plan */
    const struct sql_literal *literals;      /* of the text that runs */
    uint32_t literal_count;
    const struct rhei_value *params;
    uint32_t param_count;
    const struct mirror_table_view *const *views; /* of the statement's tables; NULL: not mirrored */
};
struct route_estimate {
    double rows; /* that SQLite visits */
    double oltp_ns, olap_ns;
    bool first_rows; /* SQLite stops early */
    bool scans;
};
void route_estimate_make(const struct route_situation *situation, const struct route_work *work,
                         struct route_estimate *estimate);

#endif
