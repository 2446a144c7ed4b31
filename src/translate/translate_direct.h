/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements so plain that a column store's scan answers them without computing: columns of one table, or aggregates of
 * whole columns, over the rows within ranges. Pure; any thread. Default deny, as in translate.h.
 *
 * Taken: SELECT columns or * FROM one table [WHERE range AND range ...], and the same with count, sum, total, avg, min and max
 * of columns (count of rows too) in place of the columns; then also GROUP BY one column of INTEGERs alone or of TEXT alone
 * under BINARY, with that column among the results. A range is a comparison (= < <= > >=, BETWEEN) of a column that
 * has held numbers of one class alone with a number or a parameter bound to one. The order of the rows is left open.
 *
 * Aggregates are also taken over a subquery in the place of the table: SELECTs of columns (or NULLs in their place) under
 * UNION ALL, each over one table within ranges, as questions about the past are made of. There a whole number may be compared with
 * another one, too.
 */
#ifndef TRANSLATE_TRANSLATE_DIRECT_H
#define TRANSLATE_TRANSLATE_DIRECT_H

#include "sql/sql.h"
#include "translate/translate_catalog.h"

enum translate_direct_kind {
    TRANSLATE_DIRECT_NONE,
    TRANSLATE_DIRECT_COLUMNS,
    TRANSLATE_DIRECT_AGGREGATES,
    TRANSLATE_DIRECT_GROUPS
};

enum translate_direct_function {
    TRANSLATE_DIRECT_COLUMN, /* the column itself */
    TRANSLATE_DIRECT_COUNT_ROWS,
    TRANSLATE_DIRECT_COUNT,
    TRANSLATE_DIRECT_SUM,
    TRANSLATE_DIRECT_TOTAL,
    TRANSLATE_DIRECT_AVG,
    TRANSLATE_DIRECT_MIN,
    TRANSLATE_DIRECT_MAX,
};

struct translate_direct_output {
    uint8_t function; /* enum translate_direct_function */
    uint8_t
        classes_of; /* enum rhei_class of the column's numbers (aggregates other than counts); RHEI_NULL: it has none */
    uint32_t column; /* translate_direct_part.columns says whose; of COUNT_ROWS: unset */
};

/* Rows whose number in `column` isn't within, or is NULL, don't count. RHEI_NULL: open at that end. */
struct translate_direct_range {
    uint32_t column;
    struct rhei_value low, high; /* INTEGER or REAL */
    bool above_low, below_high;  /* the bound itself is outside */
};

enum { TRANSLATE_DIRECT_RANGES = 8 };
#define TRANSLATE_DIRECT_NO_COLUMN UINT32_MAX

/* The rows of one table within all ranges. */
struct translate_direct_part {
    uint32_t table; /* translate_table.id */
    /* The table's column for each of the subquery's, NO_COLUMN: NULL in all rows. NULL: there is none, outputs name the table's. */
    uint32_t *columns;
    struct translate_direct_range ranges[TRANSLATE_DIRECT_RANGES];
    uint32_t range_count;
    bool empty; /* no row is meant, whatever the ranges say */
    struct translate_direct_part *next;
};

struct translate_direct {
    uint8_t kind;      /* enum translate_direct_kind */
    uint8_t key_class; /* of GROUPS: RHEI_INTEGER or RHEI_TEXT, the class of its values, NULL aside */
    uint32_t key;      /* of GROUPS: the column of GROUP BY */
    struct translate_direct_output *outputs;
    uint32_t output_count;
    struct translate_direct_part part; /* the first; more follow it only of AGGREGATES */
};

/* Could it be such a statement, whatever its tables hold? Costs nanoseconds. */
bool translate_direct_shape(const struct sql_tree *tree);
/*
 * The statement on these tables. TRANSLATE_DIRECT_NONE: it isn't such a statement. `direct` is the caller's (translate_direct_reset).
 * Only a want of memory is an error.
 */
rhei_status translate_direct_make(const struct sql_tree *tree, const struct translate_catalog *catalog,
                                  const struct rhei_value *parameters, uint32_t parameter_count,
                                  struct translate_direct *direct, struct rhei_error *error);
void translate_direct_reset(struct translate_direct *direct);

#endif
