/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The translator's own parts. One struct translator lives for one call; everything is in the translation's arena.
 *
 * Refusing is sticky: the first refusal is kept, and what is built after it is thrown away. So functions always return
 * something usable and nobody checks in between.
 */
#ifndef TRANSLATE_TRANSLATE_INTERNAL_H
#define TRANSLATE_TRANSLATE_INTERNAL_H

#include "base/base_invariant.h"
#include "sql/sql_arena.h"
#include "translate/translate.h"

/*
 * The bound of numbers that a DOUBLE holds exactly. 2^53 itself is exact too, but a computed bound of 2^53 may be a rounded
 * 2^53 + 1, so what is known to be within +-2^53 is given this bound, and nothing larger counts as small.
 */
#define TRANSLATE_SMALL 9007199254740991.0

enum translate_form {
#define FORM(name, text) TRANSLATE_FORM_##name,
#include "translate/translate_duckdb.def"
#undef FORM
    TRANSLATE_FORMS
};

struct translator;

/* How a value is represented in the column store's text. */
enum translate_class {
    TRANSLATE_CLASS_NULL,    /* always NULL */
    TRANSLATE_CLASS_INTEGER, /* BIGINT */
    TRANSLATE_CLASS_REAL,    /* DOUBLE, never NaN */
    TRANSLATE_CLASS_MIXED,   /* DOUBLE; `flag` tells which are integers, all of them within 2^53 */
    TRANSLATE_CLASS_TEXT,    /* VARCHAR, valid UTF-8 without NUL */
    TRANSLATE_CLASS_BLOB,    /* BLOB */
    TRANSLATE_CLASS_BOOLEAN, /* BOOLEAN: SQLite's integers 0 and 1 */
};

/* A translated expression. */
struct translate_value {
    const char *text;
    uint32_t length;
    uint8_t cls;            /* enum translate_class */
    uint8_t affinity;       /* enum translate_affinity; NONE for most expressions */
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
struct translate_field {
    const char *name;
    bool hidden; /* not part of `*` */
    bool merged; /* joined by USING or NATURAL: found through the other side */
    bool absent;
    int32_t column;               /* of the scan; -1: of a subquery */
    struct translate_value value; /* text is filled when the column is first used */
    bool used;
};

struct translate_source_scope {
    const char *name;   /* the alias, or the table's name */
    const char *schema; /* NULL: not written, or it has an alias */
    const char *label;  /* in the text: s1 */
    struct translate_field *fields;
    uint32_t field_count;
    int32_t scan;                        /* -1: a subquery */
    const struct translate_table *table; /* NULL: a subquery */
    int32_t rowid;                       /* field of the rowid, -1: none */
    bool outer;                          /* may be all NULL: the far side of an outer join */
    /* Sets of fields that are unique together, each a bit set over the first 64 fields. */
    uint64_t unique_sets[8];
    uint32_t unique_count;
};

enum translate_phase {
    TRANSLATE_PHASE_ROWS,      /* WHERE, ON, GROUP BY: columns are a row's */
    TRANSLATE_PHASE_GROUPS,    /* result columns, HAVING, ORDER BY of an aggregate query: columns are a group's */
    TRANSLATE_PHASE_ARGUMENTS, /* inside an aggregate's call */
};

/* What names mean at one level of the statement. */
struct translate_scope {
    struct translate_scope *outer;
    struct translate_source_scope *sources;
    uint32_t source_count, source_capacity;
    const struct sql_core *core;
    const struct sql_items *aliases; /* result columns whose aliases may be used; NULL: none */
    uint8_t phase;                   /* enum translate_phase */
    bool aggregate;
    struct translate_value *keys; /* GROUP BY */
    uint32_t key_count;
    uint32_t bare;    /* columns met in TRANSLATE_PHASE_GROUPS that are no key */
    uint32_t touched; /* columns of this level met so far */
    uint32_t windows; /* window calls met so far */
    bool distinct_rows;
    bool outermost;    /* the statement's only core */
    const char *guard; /* a condition of groups: a sum overflows; NULL: none */
    bool prunable;     /* the column store may leave out what it computes for some rows: nested, HAVING, LIMIT */
};

struct translate_cte_scope {
    const struct sql_cte *cte;
    const char *label;
    struct translate_value *columns;
    const char **names;
    uint32_t count;
    bool done;
    struct translate_cte_scope *outer;
};

/* A translated SELECT. */
struct translate_query {
    const char *text;
    struct translate_value *columns; /* text: the column's label (c1...); flag: its flag's label */
    const char **names;
    uint32_t count;
    uint32_t result_columns; /* with flags, and keys of a tie check */
    bool unique_first;       /* at most one row */
};

/* Where recursion goes back to the top: files call each other downwards only, and through here upwards. */
struct translate_parts {
    struct translate_value (*expression)(struct translator *t, struct translate_scope *scope,
                                         const struct sql_expr *expr);
    struct translate_query (*query)(struct translator *t, struct translate_scope *outer,
                                    const struct sql_select *select, bool nested);
};

struct translator {
    const struct translate_parts *parts; /* set once, in translate.c */
    struct sql_arena *arena;
    const struct translate_catalog *catalog;
    const struct translate_options *options;
    const char *const *forms;
    struct translation *out;
    struct translate_scan *scans;
    uint32_t scan_capacity;
    struct translate_cte_scope *ctes;
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
    struct translate_held *held;
    struct translate_held_bound *held_bounds;
    uint32_t held_capacity, bound_capacity;
    bool *looked_at_parameters, *looked_at_literals; /* their values are in the text or decided about it */
    uint32_t cut; /* inside a view or a nested CTE, where outer names are out of sight */
    bool refused;
    bool failed; /* no memory */
};

/* The value of an expression in a scope. */
static inline struct translate_value translate_expression(struct translator *t, struct translate_scope *scope,
                                                          const struct sql_expr *expr)
{
    return t->parts->expression(t, scope, expr);
}

/* A SELECT with its CTEs, order and limit. */
static inline struct translate_query translate_query_text(struct translator *t, struct translate_scope *outer,
                                                          const struct sql_select *select, bool nested)
{
    return t->parts->query(t, outer, select, nested);
}

/* ---- translate_text.c ---- */
void translate_refuse(struct translator *t, uint32_t offset, const char *construct, const char *reason);
/* The form with its parts; a NULL part is empty. */
const char *translate_emit(struct translator *t, enum translate_form form, const char *a, const char *b, const char *c);
/* The same for forms that have a _ONCE behind them: short parts are named as often as it takes, long ones once. */
const char *translate_emit_once(struct translator *t, enum translate_form form, const char *a, const char *b,
                                const char *c);
const char *translate_emit4(struct translator *t, enum translate_form form, const char *a, const char *b, const char *c,
                            const char *d);
/* The form behind what `out` holds. */
void translate_put(struct translator *t, struct base_buffer *out, enum translate_form form, const char *a,
                   const char *b);
/* One more item of a list that has commas between. */
void translate_put_item(struct translator *t, struct base_buffer *list, const char *item);
bool translate_is_null_text(const struct translator *t, const char *text);
/* For words of people's and numbers: what the executor reads is a form. */
const char *translate_format(struct translator *t, const char *format, ...) RHEI_PRINTF(2, 3);
const char *translate_identifier(struct translator *t, const char *name);
const char *translate_text_literal(struct translator *t, const char *text, size_t len);
const char *translate_label(struct translator *t, char kind);
/* Moves a buffer's text into the arena and resets it. */
const char *translate_keep(struct translator *t, struct base_buffer *buffer);

/* ---- translate_value.c: values ---- */
struct translate_value translate_value_make(const char *text, enum translate_class cls, uint32_t offset);
struct translate_value translate_value_null(struct translator *t, uint32_t offset);
struct translate_value translate_value_integer(struct translator *t, int64_t integer, uint32_t offset);
struct translate_value translate_value_real(struct translator *t, double real, uint32_t offset);
struct translate_value translate_value_text(struct translator *t, const char *bytes, uint32_t length, uint32_t offset);
struct translate_value translate_value_blob(struct translator *t, const char *bytes, uint32_t length, uint32_t offset);
struct translate_value translate_value_boolean(const char *text, uint32_t offset);
/* A key of ORDER BY with its direction: SQLite's NULLs are less than everything unless said otherwise. */
const char *translate_ordered(struct translator *t, const char *key, const struct sql_item *item);
/* BOOLEAN becomes INTEGER; all else stays. */
struct translate_value translate_plain(struct translator *t, struct translate_value value);
/* As an operand of arithmetic: INTEGER, REAL, MIXED or NULL. */
struct translate_value translate_number(struct translator *t, struct translate_value value);
/* The integer that a TEXT starts with; a REAL without its fraction. */
struct translate_value translate_text_integer(struct translator *t, struct translate_value value);
struct translate_value translate_truncated(struct translator *t, struct translate_value value);
/*
 * Of an expression without a column, -0.0 is refused: the column store computes it once, and takes expressions for the same
 * whose constants compare equal, as 0.0 - x and -0.0 - x.
 */
void translate_refuse_negative_zero(struct translator *t, struct translate_value constant);
const char *translate_condition(struct translator *t, struct translate_value value);
const char *translate_as_text(struct translator *t, struct translate_value value); /* VARCHAR */
const char *translate_as_double(struct translator *t, struct translate_value value);
const char *translate_as_exact_double(struct translator *t, struct translate_value value);
const char *translate_flag(struct translator *t, struct translate_value value); /* "is an integer" */
bool translate_is_number(struct translate_value value);
bool translate_is_small(struct translate_value value); /* an integer within 2^53 */
bool translate_is_binary(struct translate_value value);
/* A TEXT that SQLite orders by its bytes in UTF-16, which is not the order of UTF-8. ASCII alone has one order in all. */
bool translate_orders_by_utf16(const struct translator *t, struct translate_value value);
/* What is equal where the value is, by its collation. */
const char *translate_equal_key(struct translator *t, struct translate_value value);
/* What orders and groups by the value's collation. */
const char *translate_sort_key(struct translator *t, struct translate_value value);
/* That, for ORDER BY and PARTITION BY. */
const char *translate_order_key(struct translator *t, struct translate_value value);

/* Several values in one place (CASE, coalesce, UNION): their common class. */
struct translate_value translate_unify(struct translator *t, struct translate_value a, struct translate_value b,
                                       const char *construct);
/* `value` in the representation of `common`. */
const char *translate_convert(struct translator *t, struct translate_value value, struct translate_value common);

/* ---- translate_compare.c ---- */
struct translate_value translate_compare(struct translator *t, enum sql_op op, struct translate_value a,
                                         struct translate_value b);
struct translate_value translate_compare_is(struct translator *t, struct translate_value a, struct translate_value b,
                                            bool negated);
struct translate_value translate_in_item(
    struct translate_value value); /* as an item of an IN list: no affinity, no collation */

/* ---- translate_expression.c ---- */
/* Called through translate_expression(). */
struct translate_value translate_expression_here(struct translator *t, struct translate_scope *scope,
                                                 const struct sql_expr *expr);
/* What stands behind ESCAPE: one literal character that is no wildcard, or a refusal. */
const char *translate_escape(struct translator *t, struct translate_value escape, uint32_t offset);
struct translate_value translate_case_value(struct translator *t, const char *const *conditions,
                                            const struct translate_value *values, uint32_t count,
                                            struct translate_value otherwise, uint32_t offset);

/* ---- translate_arithmetic.c ---- */
struct translate_value translate_arithmetic(struct translator *t, enum sql_op op, struct translate_value a,
                                            struct translate_value b);
/* &, |, << and >>. */
struct translate_value translate_bits(struct translator *t, enum sql_op op, struct translate_value a,
                                      struct translate_value b);
struct translate_value translate_bit_not(struct translator *t, struct translate_value value, uint32_t offset);
struct translate_value translate_negated(struct translator *t, struct translate_value value);

/* ---- translate_held.c: constants whose values stay outside the text ---- */
/*
 * A constant as an operand of a comparison with `other`: a value of its class of which nothing else is known, or false where
 * its value matters or holding isn't asked for.
 */
bool translate_hold(struct translator *t, const struct sql_expr *expr, struct translate_value other,
                    struct translate_value *value);
/* A number, a text or a parameter. */
bool translate_is_leaf(const struct sql_expr *expr);
/* The text or a decision depends on the constant's value. */
void translate_look_at(struct translator *t, const struct sql_expr *expr);
/* The number in `held` of a constant that was held so far; -1: it wasn't. */
int32_t translate_held_number(const struct translator *t, const struct sql_expr *expr);
void translate_bound_by_held(struct translator *t, uint32_t scan, uint32_t column, bool low, uint32_t held);
bool translate_held_begin(struct translator *t);
void translate_held_finish(struct translator *t);

/* ---- translate_call.c, translate_aggregate.c, translate_window.c ---- */
struct translate_value translate_call_value(struct translator *t, struct translate_scope *scope,
                                            const struct sql_expr *expr);
struct translate_value translate_aggregate_value(struct translator *t, struct translate_scope *scope,
                                                 const struct sql_expr *expr, const char *over, bool frame_slides);
struct translate_value translate_window_value(struct translator *t, struct translate_scope *scope,
                                              const struct sql_expr *expr);
bool translate_has_aggregate(const struct sql_expr *expr);
bool translate_has_window(const struct sql_expr *expr);

/* ---- translate_scope.c ---- */
/* The order of rows is that of a scan of this table: see translation.assumes_scan_of. */
void translate_assume_scan(struct translator *t, const struct translate_source_scope *source, uint32_t offset);
struct translate_value translate_resolve(struct translator *t, struct translate_scope *scope,
                                         const struct sql_expr *expr);
/* Does the name mean a column at any level? */
bool translate_name_is_column(const struct translate_scope *scope, const struct sql_expr *expr);
/* The n-th field of a source, its text filled in and its use noted. */
struct translate_value translate_field_value(struct translator *t, struct translate_source_scope *source,
                                             uint32_t field);
/* FROM as text; fills scope->sources. */
const char *translate_from_text(struct translator *t, struct translate_scope *scope, const struct sql_from *from);
/* Are rows of the scope told apart by these values (their texts)? */
bool translate_rows_unique_by(const struct translate_scope *scope, const struct translate_value *values,
                              uint32_t count);
/* Ranges of scans that a condition implies. */
void translate_note_ranges(struct translator *t, struct translate_scope *scope, const struct sql_expr *condition);

/* The source at this level that a column name means; -1: none, several or another level's. */
int32_t translate_source_of(const struct translate_scope *scope, const struct sql_expr *expr);

/* ---- translate_implied.c ---- */
/* What WHERE's ORs imply for single tables and joins, as a condition; NULL: nothing. */
const char *translate_implied(struct translator *t, struct translate_scope *scope, const struct sql_expr *where);

/* ---- translate_query.c ---- */
/* Called through translate_query_text(). */
struct translate_query translate_query_here(struct translator *t, struct translate_scope *outer,
                                            const struct sql_select *select, bool nested);

#endif
