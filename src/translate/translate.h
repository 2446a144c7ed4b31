/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A SELECT of SQLite's as a column store's text with exactly SQLite's meaning, or the construct that stands against it.
 * Default deny: a node, function or operator that isn't known to be exact refuses, and SQLite answers. Any thread.
 *
 * The text counts on: DuckDB 1.5 with integer_division=true, ieee_floating_point_ops=false,
 * default_null_order='nulls_first_on_asc_last_on_desc', order_by_non_integer_literal=true,
 * scalar_subquery_error_on_multiple_rows=true; on `mirror_scan(table, scan)` giving the table's columns by name in the
 * form of translate_scan_form(); on the functions in translate_functions.def (TRANSLATE_UDF lines); and on the caller giving the statement
 * to SQLite after any error before the first row, checks below included.
 */
#ifndef TRANSLATE_TRANSLATE_H
#define TRANSLATE_TRANSLATE_H

#include "sql/sql.h"
#include "translate/translate_catalog.h"

/*
 * How an executor's language says what the translator means: a text for each form of translate_duckdb.def, in that order.
 * A constant of whoever made it.
 */
struct translate_dialect {
    const char *name; /* as executor_ops.dialect has it */
    const char *const *forms;
};
/* The dialect of that name; NULL: there is none, so nothing can be translated for such an executor. */
const struct translate_dialect *translate_dialect_of(const char *name);

struct translate_options {
    const struct translate_dialect *dialect;
    /* Values bound to ?1, ?2...; NULL where the classes aren't known: then a parameter refuses. */
    const struct rhei_value *parameters;
    uint32_t parameter_count;
    /* Check ORDER BY's ties in the result instead of assuming an order of SQLite's (assumes_scan_of, assumes_group_sort). */
    bool check_ties;
    /*
     * Constants that only have to be of their class may become prm_int(k), prm_real(k) and prm_text(k): see
     * translation.held. `literals` are the statement's own, in the order of the text; NULL: only parameters may.
     */
    bool hold;
    const struct sql_literal *literals;
    uint32_t literal_count;
};

/* A value that stands outside the text: prm_...(its index). Any value that translate_value_holds() takes will do. */
struct translate_held {
    bool literal;
    uint32_t index; /* in the options' literals or parameters */
    uint8_t type;   /* enum rhei_class */
};

/* One end of a scan's range is the value of a held constant, if that is tighter than what the column says. */
struct translate_held_bound {
    uint32_t scan, column; /* column: in translate_table.columns */
    bool low;
    uint32_t held;
};

/* What stood against it. */
struct translate_refusal {
    const char *construct; /* "CAST of TEXT to REAL": words for people, short, static or the translation's */
    const char *reason;    /* a sentence's second half: "text that isn't a number becomes 0 in SQLite" */
    uint32_t offset;       /* byte in the statement's text; in a view's text if `view` is set */
    const char *view;      /* name of the view inside which it was met, or NULL */
};

/* One visible result column, in SQLite's order. The names come from SQLite's own prepared statement. */
struct translate_output {
    uint8_t storage_class; /* enum rhei_class of every value that isn't NULL; RHEI_NULL: always NULL */
    bool mixed;            /* INTEGER and REAL: a DOUBLE, and `flag_column` says which values are integers */
    uint32_t flag_column;  /* position in the text's result of a BOOLEAN column; true: deliver as INTEGER */
};

/* A column that a scan is read for, and what the text relies on: it is right for as long as this holds. */
struct translate_scan_column {
    uint32_t column;                /* in translate_table.columns */
    uint32_t flags;                 /* translate_column.flags as they were */
    double relied_low, relied_high; /* all numbers were within; infinite: not relied on */
    bool has_low, has_high;         /* rows outside [low, high] may be left out by the scan */
    struct rhei_value low, high;
};

struct translate_scan {
    uint32_t table; /* translate_table.id; the scan's number is its index */
    const char *name;
    struct translate_scan_column *columns;
    uint32_t column_count;
};

struct translation {
    bool translated;
    struct translate_refusal refusal; /* when not translated */

    const char *text;
    size_t length;
    const struct translate_output *columns; /* the first column_count columns of the text's result */
    uint32_t column_count;
    uint32_t result_columns; /* all of them: hidden ones come behind, to be stripped */

    /*
     * SQL leaves open which of two rows with equal ORDER BY keys comes first. With key_count > 0 the result carries the keys
     * as hidden columns from key_column on; if two neighbouring rows have equal keys (NULL = NULL, 2 = 2.0) and differ in a
     * visible value or its class, SQLite has to answer. The text asks for one row more than the LIMIT: deliver only row_limit
     * rows; under an OFFSET also for the row before the first, which is checked but not delivered (row_skip 1).
     */
    uint32_t key_column, key_count;
    int64_t row_limit; /* -1: all */
    uint32_t row_skip;
    /*
     * The order of rows (or, under LIMIT, the choice of rows) is SQLite's only if SQLite would scan this one table in
     * rowid order: its plan must be SCAN of the table without an index. -1: doesn't matter.
     */
    int32_t assumes_scan_of; /* index in scans */
    /*
     * Groups that tie in ORDER BY, or that have none under a LIMIT, come in the order of their keys, as they do in SQLite if it sorts for GROUP BY: its plan
     * must have "USE TEMP B-TREE FOR GROUP BY".
     */
    bool assumes_group_sort;

    const struct translate_scan *scans;
    uint32_t scan_count;

    /*
     * The text is right for other values too: of the constants marked in free_* (an element for each of the options'), every
     * value of the same class that translate_value_holds(). All others must be equal to what they were. NULL: none is free.
     */
    const struct translate_held *held;
    uint32_t held_count;
    const struct translate_held_bound *held_bounds;
    uint32_t held_bound_count;
    const bool *free_parameters, *free_literals;
};

/* *out is the caller's (translation_free); only a want of memory is an error. The tree must be a SELECT to succeed. */
rhei_status translate_select(const struct sql_tree *tree, const struct translate_catalog *catalog,
                             const struct translate_options *options, struct translation **out,
                             struct rhei_error *error);
void translation_free(struct translation **translation);

/* May the value stand outside a text? Not if its class alone doesn't tell what it means, as an infinite REAL. */
bool translate_value_holds(const struct rhei_value *value);

/* May a kept translation still be used for these flags and this range of a column that it reads? Nothing else of `column` is looked at. */
bool translate_scan_column_holds(const struct translate_scan_column *used, const struct translate_column *column);

/* Of all that a translation or a refusal may depend on in a table. */
uint64_t translate_table_fingerprint(const struct translate_table *table);

#endif
