/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The syntax tree. Everything belongs to the tree's arena and lives as long as the tree. Offsets are bytes in the text
 * that was parsed. A pointer that may be NULL says so.
 *
 * Invariants:
 * 1. Depth: no path of expressions and SELECTs is longer than SQL_MAX_DEPTH, so recursion over a tree is safe.
 *    What may be long is a list (AND chains count as depth, VALUES rows, compound parts and IN lists don't).
 * 2. Names are dequoted and NUL-terminated; `quote` keeps how they were written, because "x" may mean a string.
 */
#ifndef SQL_SQL_AST_H
#define SQL_SQL_AST_H

#include "rhei/rhei_types.h"

struct sql_expr;
struct sql_select;
struct sql_from;
struct sql_window;
struct sql_with;
struct sql_facts;

struct sql_name {
    const char *text; /* NULL: not written */
    uint32_t length;
    uint32_t offset;
    char quote; /* 0, '"', '`', '[' or '\'' (a string where a name belongs) */
};

struct sql_names {
    struct sql_name *items;
    uint32_t count, capacity;
};

enum sql_sort { SQL_SORT_NONE = 0, SQL_SORT_ASC, SQL_SORT_DESC };
enum sql_nulls { SQL_NULLS_NONE = 0, SQL_NULLS_FIRST, SQL_NULLS_LAST };

/* An expression with what may stand beside it: a result column's alias, an ORDER BY term's direction. */
struct sql_item {
    struct sql_expr *expr;
    struct sql_name alias;
    uint8_t sort;  /* enum sql_sort */
    uint8_t nulls; /* enum sql_nulls */
};

struct sql_items {
    struct sql_item *items;
    uint32_t count, capacity;
};

enum sql_expr_kind {
    SQL_EXPR_NULL,
    SQL_EXPR_INTEGER,   /* integer; from decimal or hex */
    SQL_EXPR_REAL,      /* real; also a decimal integer beyond 64 bits; `negated` marks 2^63: -2^63 is an integer */
    SQL_EXPR_TEXT,      /* bytes */
    SQL_EXPR_BLOB,      /* bytes */
    SQL_EXPR_CURRENT,   /* CURRENT_DATE, _TIME, _TIMESTAMP: name */
    SQL_EXPR_PARAMETER, /* number (1-based), name as written ("?", "?7", ":a") */
    SQL_EXPR_COLUMN,    /* [[schema.]table.]name; TRUE and FALSE are this too until resolved */
    SQL_EXPR_STAR,      /* * or table.*, in result columns and RETURNING */
    SQL_EXPR_UNARY,     /* op, left */
    SQL_EXPR_BINARY,    /* op, left, right */
    SQL_EXPR_LIKE,      /* op LIKE GLOB REGEXP MATCH; left, right, third = ESCAPE or NULL; negated */
    SQL_EXPR_IS_NULL,   /* left; negated */
    SQL_EXPR_IS,        /* left IS [NOT] right, IS [NOT] DISTINCT FROM folded into it; negated */
    SQL_EXPR_BETWEEN,   /* left BETWEEN right AND third; negated */
    SQL_EXPR_IN_LIST,   /* left, list; negated */
    SQL_EXPR_IN_SELECT, /* left, select; negated */
    SQL_EXPR_IN_TABLE,  /* left, schema, name, list = arguments of a table-valued function or NULL; negated */
    SQL_EXPR_CASE,      /* left = base or NULL; list = WHEN, THEN, WHEN, THEN...; right = ELSE or NULL */
    SQL_EXPR_CAST,      /* left, name = type */
    SQL_EXPR_COLLATE,   /* left, name */
    SQL_EXPR_CALL,      /* call */
    SQL_EXPR_EXISTS,    /* select */
    SQL_EXPR_SUBQUERY,  /* select */
    SQL_EXPR_ROW,       /* list of two or more: a row value */
    SQL_EXPR_RAISE,     /* RAISE(...): only in triggers */
};

enum sql_op {
    SQL_OP_NONE,
    SQL_OP_OR,
    SQL_OP_AND,
    SQL_OP_EQ,
    SQL_OP_NE,
    SQL_OP_LT,
    SQL_OP_LE,
    SQL_OP_GT,
    SQL_OP_GE,
    SQL_OP_BIT_AND,
    SQL_OP_BIT_OR,
    SQL_OP_SHIFT_LEFT,
    SQL_OP_SHIFT_RIGHT,
    SQL_OP_ADD,
    SQL_OP_SUBTRACT,
    SQL_OP_MULTIPLY,
    SQL_OP_DIVIDE,
    SQL_OP_REMAINDER,
    SQL_OP_CONCAT,
    SQL_OP_ARROW,
    SQL_OP_ARROW2,
    SQL_OP_NOT,
    SQL_OP_NEGATE,
    SQL_OP_PLUS,
    SQL_OP_BIT_NOT,
    SQL_OP_LIKE,
    SQL_OP_GLOB,
    SQL_OP_REGEXP,
    SQL_OP_MATCH,
};
/* The operator as SQL writes it, with the blanks around it (but for LIKE and its like, which may have NOT before them). */
const char *sql_op_text(uint8_t op);
/* The comparison that `b op a` is when `a op b` is written with its sides changed: < becomes >. Others stay. */
uint8_t sql_op_mirrored(uint8_t op);

struct sql_call {
    struct sql_items *arguments; /* NULL: none */
    struct sql_items *order;     /* ORDER BY inside the call, or of WITHIN GROUP; NULL: none */
    struct sql_expr *filter;     /* NULL: none */
    struct sql_window *over;     /* NULL: no OVER */
    bool star;                   /* f(*) */
    bool distinct;
    bool within_group;
};

struct sql_expr {
    uint8_t kind; /* enum sql_expr_kind */
    uint8_t op;   /* enum sql_op */
    bool negated;
    bool like_call;  /* LIKE and GLOB are calls for SQLite too: like(y, x) */
    uint16_t height; /* 1 for a leaf */
    uint32_t offset;
    struct sql_expr *left, *right, *third;
    struct sql_items *list;
    struct sql_select *select;
    struct sql_call *call;
    struct sql_name schema, table, name;
    union {
        int64_t integer;
        double real;
        struct {
            const char *bytes;
            uint32_t length;
        } text;
        uint32_t number; /* of a parameter */
    } value;
};

enum sql_frame_unit { SQL_FRAME_NONE = 0, SQL_FRAME_RANGE, SQL_FRAME_ROWS, SQL_FRAME_GROUPS };
enum sql_bound_kind {
    SQL_BOUND_NONE = 0,
    SQL_BOUND_UNBOUNDED_PRECEDING,
    SQL_BOUND_PRECEDING,
    SQL_BOUND_CURRENT,
    SQL_BOUND_FOLLOWING,
    SQL_BOUND_UNBOUNDED_FOLLOWING,
};
enum sql_exclude {
    SQL_EXCLUDE_NONE = 0,
    SQL_EXCLUDE_NO_OTHERS,
    SQL_EXCLUDE_CURRENT,
    SQL_EXCLUDE_GROUP,
    SQL_EXCLUDE_TIES
};

struct sql_bound {
    uint8_t kind; /* enum sql_bound_kind */
    struct sql_expr *expr;
};

struct sql_window {
    struct sql_name name;                /* in a WINDOW clause */
    struct sql_name base;                /* OVER name (bare) or OVER (name ...) */
    bool bare;                           /* OVER name, without brackets */
    struct sql_items *partition, *order; /* NULL: none */
    uint8_t unit;                        /* enum sql_frame_unit; NONE: no frame written */
    uint8_t exclude;                     /* enum sql_exclude */
    struct sql_bound start, end;         /* end.kind NONE: the short form */
    uint32_t offset;
    struct sql_window *next; /* in a WINDOW clause */
};

enum sql_source_kind { SQL_SOURCE_TABLE, SQL_SOURCE_CALL, SQL_SOURCE_SELECT, SQL_SOURCE_GROUP };
enum sql_join {
    SQL_JOIN_FIRST = 0,
    SQL_JOIN_COMMA,
    SQL_JOIN_INNER,
    SQL_JOIN_CROSS,
    SQL_JOIN_LEFT,
    SQL_JOIN_RIGHT,
    SQL_JOIN_FULL
};

/* One term of FROM, with how it is joined to everything before it. */
struct sql_source {
    uint8_t kind; /* enum sql_source_kind */
    uint8_t join; /* enum sql_join */
    bool natural;
    bool not_indexed;
    uint32_t offset;
    struct sql_name schema, name, alias; /* name: TABLE and CALL */
    struct sql_name indexed_by;
    struct sql_items *arguments;     /* CALL; NULL: none */
    struct sql_select *select;       /* SELECT */
    struct sql_from *group;          /* GROUP: (a JOIN b) */
    struct sql_expr *on;             /* NULL: none */
    struct sql_names *using_columns; /* NULL: none */
};

struct sql_from {
    struct sql_source *items;
    uint32_t count, capacity;
    uint16_t height;   /* of a group */
    uint8_t next_join; /* while parsing: how the next term is joined */
    bool next_natural;
};

enum sql_compound {
    SQL_COMPOUND_FIRST = 0,
    SQL_COMPOUND_UNION,
    SQL_COMPOUND_UNION_ALL,
    SQL_COMPOUND_INTERSECT,
    SQL_COMPOUND_EXCEPT
};

/* One SELECT or VALUES of a compound. */
struct sql_core {
    uint8_t compound; /* enum sql_compound: with what came before */
    bool distinct;
    bool is_values;
    uint32_t offset;
    struct sql_items *columns; /* of a SELECT */
    struct sql_from *from;     /* NULL: none */
    struct sql_expr *where;
    struct sql_items *group_by;
    struct sql_expr *having;
    struct sql_window *windows; /* WINDOW clause, a list */
    struct sql_items **rows;    /* of VALUES */
    uint32_t row_count, row_capacity;
    struct sql_core *next;
};

struct sql_select {
    uint16_t height;
    uint32_t offset;
    struct sql_with *with;  /* NULL: none */
    struct sql_core *cores; /* in the order of the text */
    struct sql_core *last_core;
    struct sql_items *order;
    struct sql_expr *limit, *limit_offset;
};

struct sql_cte {
    struct sql_name name;
    struct sql_names *columns; /* NULL: none */
    uint8_t materialized;      /* 0 not said, 1 MATERIALIZED, 2 NOT MATERIALIZED */
    struct sql_select *select;
    struct sql_cte *next;
};

struct sql_with {
    bool recursive;
    uint32_t offset;
    struct sql_cte *ctes, *last;
};

enum sql_conflict {
    SQL_CONFLICT_NONE = 0,
    SQL_CONFLICT_ROLLBACK,
    SQL_CONFLICT_ABORT,
    SQL_CONFLICT_FAIL,
    SQL_CONFLICT_IGNORE,
    SQL_CONFLICT_REPLACE,
};

/* a = expr, or (a, b) = expr */
struct sql_set {
    struct sql_names *columns;
    bool bracketed;
    struct sql_expr *expr;
    struct sql_set *next;
};

struct sql_upsert {
    struct sql_items *target; /* NULL: ON CONFLICT without one */
    struct sql_expr *target_where;
    bool nothing;
    struct sql_set *sets;
    struct sql_expr *where;
    struct sql_upsert *next;
};

/* INSERT, REPLACE, UPDATE and DELETE. */
struct sql_change {
    struct sql_with *with;
    uint8_t conflict;  /* enum sql_conflict */
    bool replace_word; /* REPLACE INTO */
    struct sql_source target;
    struct sql_names *columns;  /* INSERT; NULL: all */
    struct sql_select *source;  /* INSERT; NULL: DEFAULT VALUES */
    struct sql_upsert *upserts; /* INSERT */
    struct sql_set *sets;       /* UPDATE */
    struct sql_from *from;      /* UPDATE */
    struct sql_expr *where;
    struct sql_items *order;
    struct sql_expr *limit, *limit_offset;
    struct sql_items *returning;
};

struct sql_view {
    bool temporary, if_not_exists;
    struct sql_name schema, name;
    struct sql_names *columns; /* NULL: none */
    struct sql_select *select;
};

enum sql_kind {
    SQL_KIND_EMPTY,
    SQL_KIND_SELECT, /* VALUES too */
    SQL_KIND_INSERT, /* REPLACE too */
    SQL_KIND_UPDATE,
    SQL_KIND_DELETE,
    SQL_KIND_CREATE_VIEW,
    /* from here on there is no tree */
    SQL_KIND_CREATE,
    SQL_KIND_ALTER,
    SQL_KIND_DROP,
    SQL_KIND_PRAGMA,
    SQL_KIND_BEGIN,
    SQL_KIND_COMMIT, /* END too */
    SQL_KIND_ROLLBACK,
    SQL_KIND_SAVEPOINT,
    SQL_KIND_RELEASE,
    SQL_KIND_ATTACH,
    SQL_KIND_DETACH,
    SQL_KIND_VACUUM,
    SQL_KIND_ANALYZE,
    SQL_KIND_REINDEX,
};

enum sql_explain { SQL_EXPLAIN_NONE, SQL_EXPLAIN_PROGRAM, SQL_EXPLAIN_QUERY_PLAN, SQL_EXPLAIN_ROUTE };

struct sql_parameter {
    uint32_t number;  /* 1-based, SQLite's numbering */
    const char *name; /* "?", "?7", ":a", "@a", "$a" as written */
    uint32_t offset;
};

struct sql_tree {
    enum sql_kind kind; /* under EXPLAIN: of what is explained */
    enum sql_explain explain;
    bool is_write;                          /* changes data, schema or transaction state if run; never under EXPLAIN */
    uint32_t offset;                        /* first byte of the statement's first token */
    uint32_t body_offset;                   /* the same behind EXPLAIN [QUERY PLAN | ROUTE] */
    uint32_t end;                           /* byte behind the statement, its semicolon included */
    uint32_t text_length;                   /* from offset to the end of the last token, without the semicolon */
    struct sql_select *select;              /* SELECT */
    struct sql_change *change;              /* INSERT, UPDATE, DELETE */
    struct sql_view *view;                  /* CREATE VIEW */
    const struct sql_parameter *parameters; /* every mention, in the order of the text */
    uint32_t parameter_mentions;
    uint32_t parameter_count; /* the largest number */
    const struct sql_facts *facts;
    struct sql_arena *arena;
};

#endif
