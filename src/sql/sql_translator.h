/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The translator's own parts. One struct sql_translator lives for one call; everything is in the translation's arena.
 *
 * Refusing is sticky: the first refusal is kept, and what is built after it is thrown away. So functions always return
 * something usable and nobody checks in between.
 */
#ifndef SQL_SQL_TRANSLATOR_H
#define SQL_SQL_TRANSLATOR_H

#include "sql/sql_arena.h"
#include "sql/sql_translate.h"

/*
 * The bound of numbers that a DOUBLE holds exactly. 2^53 itself is exact too, but a computed bound of 2^53 may be a rounded
 * 2^53 + 1, so what is known to be within +-2^53 is given this bound, and nothing larger counts as small.
 */
#define SQL_SMALL 9007199254740991.0

enum sql_form {
#define FORM(name, text) SQL_FORM_##name,
#include "sql/sql_duckdb.def"
#undef FORM
    SQL_FORM_COUNT
};

/* How a value is represented in the column store's text. */
enum sql_class {
    SQL_CLASS_NULL,    /* always NULL */
    SQL_CLASS_INTEGER, /* BIGINT */
    SQL_CLASS_REAL,    /* DOUBLE, never NaN */
    SQL_CLASS_MIXED,   /* DOUBLE; `flag` tells which are integers, all of them within 2^53 */
    SQL_CLASS_TEXT,    /* VARCHAR, valid UTF-8 without NUL */
    SQL_CLASS_BLOB,    /* BLOB */
    SQL_CLASS_BOOLEAN, /* BOOLEAN: SQLite's integers 0 and 1 */
};

/* A translated expression. */
struct sql_value {
    const char *text;
    uint32_t length;
    uint8_t cls;            /* enum sql_class */
    uint8_t affinity;       /* enum sql_affinity; NONE for most expressions */
    const char *collation;  /* NULL: the expression has none */
    bool collation_written; /* by COLLATE */
    bool constant;          /* a literal or parameter: `literal` is its value */
    bool ascii;             /* TEXT: no byte above 127 */
    bool nullable;
    bool nonzero;       /* a number that can't be 0 */
    bool negative_zero; /* a REAL that may be -0.0 */
    const char *whole;  /* REAL: while it is `text`, all values are whole and within 2^53 */
    bool flag_of_value; /* MIXED: equal numbers have equal flags */
    const char *flag;   /* MIXED: a condition; TRUE or FALSE where the value isn't NULL */
    double low, high;   /* numbers: bounds */
    struct rhei_value literal;
    uint32_t offset;
};

/* A column that a source offers. */
struct sql_field {
    const char *name;
    bool hidden; /* not part of `*` */
    bool merged; /* joined by USING or NATURAL: found through the other side */
    bool absent;
    int32_t column;         /* of the scan; -1: of a subquery */
    struct sql_value value; /* text is filled when the column is first used */
    bool used;
};

struct sql_source_scope {
    const char *name;   /* the alias, or the table's name */
    const char *schema; /* NULL: not written, or it has an alias */
    const char *label;  /* in the text: s1 */
    struct sql_field *fields;
    uint32_t field_count;
    int32_t scan;                  /* -1: a subquery */
    const struct sql_table *table; /* NULL: a subquery */
    int32_t rowid;                 /* field of the rowid, -1: none */
    bool outer;                    /* may be all NULL: the far side of an outer join */
    /* Sets of fields that are unique together, each a bit set over the first 64 fields. */
    uint64_t unique_sets[8];
    uint32_t unique_count;
};

enum sql_phase {
    SQL_PHASE_ROWS,      /* WHERE, ON, GROUP BY: columns are a row's */
    SQL_PHASE_GROUPS,    /* result columns, HAVING, ORDER BY of an aggregate query: columns are a group's */
    SQL_PHASE_ARGUMENTS, /* inside an aggregate's call */
};

/* What names mean at one level of the statement. */
struct sql_scope {
    struct sql_scope *outer;
    struct sql_source_scope *sources;
    uint32_t source_count, source_capacity;
    const struct sql_core *core;
    const struct sql_items *aliases; /* result columns whose aliases may be used; NULL: none */
    uint8_t phase;                   /* enum sql_phase */
    bool aggregate;
    struct sql_value *keys; /* GROUP BY */
    uint32_t key_count;
    uint32_t bare;    /* columns met in SQL_PHASE_GROUPS that are no key */
    uint32_t touched; /* columns of this level met so far */
    uint32_t windows; /* window calls met so far */
    bool distinct_rows;
    bool outermost;    /* the statement's only core */
    const char *guard; /* a condition of groups: a sum overflows; NULL: none */
    bool prunable;     /* the column store may leave out what it computes for some rows: nested, HAVING, LIMIT */
};

struct sql_cte_scope {
    const struct sql_cte *cte;
    const char *label;
    struct sql_value *columns;
    const char **names;
    uint32_t count;
    bool done;
    struct sql_cte_scope *outer;
};

/* A translated SELECT. */
struct sql_query {
    const char *text;
    struct sql_value *columns; /* text: the column's label (c1...); flag: its flag's label */
    const char **names;
    uint32_t count;
    uint32_t result_columns; /* with flags, and keys of a tie check */
    bool unique_first;       /* at most one row */
};

struct sql_translator {
    struct sql_arena *arena;
    const struct sql_catalog *catalog;
    const struct sql_translate_options *options;
    const char *const *forms;
    struct sql_translation *out;
    struct sql_scan *scans;
    uint32_t scan_capacity;
    struct sql_cte_scope *ctes;
    const char *view;
    uint32_t view_depth;
    struct sql_tree **view_trees;
    uint32_t view_count, view_capacity;
    uint32_t labels;
    uint64_t nodes, node_limit; /* expressions translated so far, each time that one is */
    uint64_t columns_met;       /* columns of any level met so far */
    size_t text_limit;          /* bytes of the translated text */
    uint32_t depth;             /* of SELECTs */
    bool in_condition;          /* WHERE or HAVING of the outermost SELECT: constants may be held */
    struct sql_held *held;
    struct sql_held_bound *held_bounds;
    uint32_t held_capacity, bound_capacity;
    bool *looked_at_parameters, *looked_at_literals; /* their values are in the text or decided about it */
    uint32_t cut; /* inside a view or a nested CTE, where outer names are out of sight */
    bool refused;
    bool failed; /* no memory */
};

/* ---- sql_translate.c ---- */
void sql_refuse(struct sql_translator *t, uint32_t offset, const char *construct, const char *reason);
/* The form with its parts; NULL parts are only for places that the form doesn't have. */
const char *sql_emit(struct sql_translator *t, enum sql_form form, const char *a, const char *b, const char *c);
/* The same for forms that have a _ONCE behind them: short parts are named as often as it takes, long ones once. */
const char *sql_emit_once(struct sql_translator *t, enum sql_form form, const char *a, const char *b, const char *c);
const char *sql_format(struct sql_translator *t, const char *format, ...) RHEI_PRINTF(2, 3);
const char *sql_identifier(struct sql_translator *t, const char *name);
const char *sql_text_literal(struct sql_translator *t, const char *text, size_t len);
const char *sql_label(struct sql_translator *t, char kind);
/* Moves a buffer's text into the arena and resets it. */
const char *sql_keep(struct sql_translator *t, struct base_buffer *buffer);

/* ---- sql_value.c: values ---- */
struct sql_value sql_value_make(const char *text, enum sql_class cls, uint32_t offset);
struct sql_value sql_value_null(uint32_t offset);
struct sql_value sql_value_integer(struct sql_translator *t, int64_t integer, uint32_t offset);
struct sql_value sql_value_real(struct sql_translator *t, double real, uint32_t offset);
struct sql_value sql_value_text(struct sql_translator *t, const char *bytes, uint32_t length, uint32_t offset);
struct sql_value sql_value_blob(struct sql_translator *t, const char *bytes, uint32_t length, uint32_t offset);
struct sql_value sql_value_boolean(const char *text, uint32_t offset);
/* BOOLEAN becomes INTEGER; all else stays. */
struct sql_value sql_plain(struct sql_translator *t, struct sql_value value);
/* As an operand of arithmetic: INTEGER, REAL, MIXED or NULL. */
struct sql_value sql_number(struct sql_translator *t, struct sql_value value);
/*
 * Of an expression without a column, -0.0 is refused: the column store computes it once, and takes expressions for the same
 * whose constants compare equal, as 0.0 - x and -0.0 - x.
 */
void sql_refuse_negative_zero(struct sql_translator *t, struct sql_value constant);
const char *sql_condition(struct sql_translator *t, struct sql_value value);
const char *sql_as_text(struct sql_translator *t, struct sql_value value); /* VARCHAR */
const char *sql_as_double(struct sql_translator *t, struct sql_value value);
const char *sql_as_exact_double(struct sql_translator *t, struct sql_value value);
const char *sql_flag(struct sql_translator *t, struct sql_value value); /* "is an integer" */
bool sql_is_number(struct sql_value value);
bool sql_is_small(struct sql_value value); /* an integer within 2^53 */
const char *sql_collation(struct sql_value value);
bool sql_is_binary(struct sql_value value);
/* A TEXT that SQLite orders by its bytes in UTF-16, which is not the order of UTF-8. ASCII alone has one order in all. */
bool sql_orders_by_utf16(const struct sql_translator *t, struct sql_value value);
/* What is equal where the value is, by its collation. */
const char *sql_equal_key(struct sql_translator *t, struct sql_value value);
/* What orders and groups by the value's collation. */
const char *sql_sort_key(struct sql_translator *t, struct sql_value value);
/* That, for ORDER BY and PARTITION BY. */
const char *sql_order_key(struct sql_translator *t, struct sql_value value);

/* Several values in one place (CASE, coalesce, UNION): their common class. */
struct sql_value sql_unify(struct sql_translator *t, struct sql_value a, struct sql_value b, const char *construct);
/* `value` in the representation of `common`. */
const char *sql_convert(struct sql_translator *t, struct sql_value value, struct sql_value common);

/* ---- sql_compare.c ---- */
struct sql_value sql_compare(struct sql_translator *t, enum sql_op op, struct sql_value a, struct sql_value b);
struct sql_value sql_compare_is(struct sql_translator *t, struct sql_value a, struct sql_value b, bool negated);
struct sql_value sql_in_item(struct sql_value value); /* as an item of an IN list: no affinity, no collation */

/* ---- sql_expression.c ---- */
struct sql_value sql_expression(struct sql_translator *t, struct sql_scope *scope, const struct sql_expr *expr);
/* What stands behind ESCAPE: one literal character that is no wildcard, or a refusal. */
const char *sql_escape(struct sql_translator *t, struct sql_value escape, uint32_t offset);
struct sql_value sql_case_value(struct sql_translator *t, const char *const *conditions, const struct sql_value *values,
                                uint32_t count, struct sql_value otherwise, uint32_t offset);

/* ---- sql_arithmetic.c ---- */
struct sql_value sql_arithmetic(struct sql_translator *t, enum sql_op op, struct sql_value a, struct sql_value b);
/* &, |, << and >>. */
struct sql_value sql_bits(struct sql_translator *t, enum sql_op op, struct sql_value a, struct sql_value b);
struct sql_value sql_bit_not(struct sql_translator *t, struct sql_value value, uint32_t offset);
struct sql_value sql_negated(struct sql_translator *t, struct sql_value value);

/* ---- sql_held.c: constants whose values stay outside the text ---- */
/*
 * A constant as an operand of a comparison with `other`: a value of its class of which nothing else is known, or false where
 * its value matters or holding isn't asked for.
 */
bool sql_hold(struct sql_translator *t, const struct sql_expr *expr, struct sql_value other, struct sql_value *value);
/* A number, a text or a parameter. */
bool sql_is_leaf(const struct sql_expr *expr);
/* The text or a decision depends on the constant's value. */
void sql_look_at(struct sql_translator *t, const struct sql_expr *expr);
/* The number in `held` of a constant that was held so far; -1: it wasn't. */
int32_t sql_held_number(const struct sql_translator *t, const struct sql_expr *expr);
void sql_bound_by_held(struct sql_translator *t, uint32_t scan, uint32_t column, bool low, uint32_t held);
bool sql_held_begin(struct sql_translator *t);
void sql_held_finish(struct sql_translator *t);

/* ---- sql_call.c, sql_aggregate.c, sql_window.c ---- */
struct sql_value sql_call_value(struct sql_translator *t, struct sql_scope *scope, const struct sql_expr *expr);
struct sql_value sql_aggregate_value(struct sql_translator *t, struct sql_scope *scope, const struct sql_expr *expr,
                                     const char *over, bool frame_slides);
struct sql_value sql_window_value(struct sql_translator *t, struct sql_scope *scope, const struct sql_expr *expr);
bool sql_has_aggregate(const struct sql_expr *expr);
bool sql_has_window(const struct sql_expr *expr);

/* ---- sql_scope.c ---- */
struct sql_value sql_resolve(struct sql_translator *t, struct sql_scope *scope, const struct sql_expr *expr);
/* Does the name mean a column at any level? */
bool sql_name_is_column(const struct sql_scope *scope, const struct sql_expr *expr);
/* The n-th field of a source, its text filled in and its use noted. */
struct sql_value sql_field_value(struct sql_translator *t, struct sql_source_scope *source, uint32_t field);
/* FROM as text; fills scope->sources. */
const char *sql_from_text(struct sql_translator *t, struct sql_scope *scope, const struct sql_from *from);
/* Are rows of the scope told apart by these values (their texts)? */
bool sql_rows_unique_by(const struct sql_scope *scope, const struct sql_value *values, uint32_t count);
/* Is this field of the source fixed by the scope's GROUP BY keys? */
bool sql_fixed_by_keys(const struct sql_scope *scope, const struct sql_source_scope *source);
/* Ranges of scans that a condition implies. */
void sql_note_ranges(struct sql_translator *t, struct sql_scope *scope, const struct sql_expr *condition);

/* The source at this level that a column name means; -1: none, several or another level's. */
int32_t sql_source_of(const struct sql_scope *scope, const struct sql_expr *expr);

/* ---- sql_implied.c ---- */
/* What WHERE's ORs imply for single tables and joins, as a condition; NULL: nothing. */
const char *sql_implied(struct sql_translator *t, struct sql_scope *scope, const struct sql_expr *where);

/* ---- sql_query.c ---- */
/* The order of rows is that of a scan of this table: see sql_translation.assumes_scan_of. */
void sql_assume_scan(struct sql_translator *t, const struct sql_source_scope *source, uint32_t offset);
struct sql_query sql_query_text(struct sql_translator *t, struct sql_scope *outer, const struct sql_select *select,
                                bool nested);

#endif
