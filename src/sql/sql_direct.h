/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements so plain that a column store's scan answers them without computing: columns of one table, or aggregates of
 * whole columns, over the rows within ranges. Pure; any thread. Default deny, as in sql_translate.h.
 *
 * Taken: SELECT columns or * FROM one table [WHERE range AND range ...], and the same with count, sum, total, avg, min and max
 * of columns (count of rows too) in place of the columns; then also GROUP BY one column of INTEGERs alone or of TEXT alone
 * under BINARY, with that column among the results. A range is a comparison (= < <= > >=, BETWEEN) of a column that
 * has held numbers of one class alone with a number or a parameter bound to one. The order of the rows is left open.
 */
#ifndef SQL_SQL_DIRECT_H
#define SQL_SQL_DIRECT_H

#include "sql/sql.h"
#include "sql/sql_catalog.h"

enum sql_direct_kind { SQL_DIRECT_NONE, SQL_DIRECT_COLUMNS, SQL_DIRECT_AGGREGATES, SQL_DIRECT_GROUPS };

enum sql_direct_function {
    SQL_DIRECT_COLUMN, /* the column itself */
    SQL_DIRECT_COUNT_ROWS,
    SQL_DIRECT_COUNT,
    SQL_DIRECT_SUM,
    SQL_DIRECT_TOTAL,
    SQL_DIRECT_AVG,
    SQL_DIRECT_MIN,
    SQL_DIRECT_MAX,
};

struct sql_direct_output {
    uint8_t function; /* enum sql_direct_function */
    uint8_t
        classes_of; /* enum rhei_class of the column's numbers (aggregates other than counts); RHEI_NULL: it has none */
    uint32_t column; /* in sql_table.columns; of COUNT_ROWS: unset */
};

/* Rows whose number in `column` isn't within, or is NULL, don't count. RHEI_NULL: open at that end. */
struct sql_direct_range {
    uint32_t column;
    struct rhei_value low, high; /* INTEGER or REAL */
    bool above_low, below_high;  /* the bound itself is outside */
};

enum { SQL_DIRECT_RANGES = 8 };

struct sql_direct {
    uint8_t kind;      /* enum sql_direct_kind */
    uint32_t table;    /* sql_table.id */
    uint32_t key;      /* of GROUPS: the column of GROUP BY */
    uint8_t key_class; /* of GROUPS: RHEI_INTEGER or RHEI_TEXT, the class of its values, NULL aside */
    struct sql_direct_output *outputs;
    uint32_t output_count;
    struct sql_direct_range ranges[SQL_DIRECT_RANGES];
    uint32_t range_count;
};

/* Could it be such a statement, whatever its tables hold? Costs nanoseconds. */
bool sql_direct_shape(const struct sql_tree *tree);
/*
 * The statement on these tables. SQL_DIRECT_NONE: it isn't such a statement. `direct` is the caller's (sql_direct_reset).
 * Only a want of memory is an error.
 */
rhei_status sql_direct_make(const struct sql_tree *tree, const struct sql_catalog *catalog,
                            const struct rhei_value *parameters, uint32_t parameter_count, struct sql_direct *direct,
                            struct rhei_error *error);
void sql_direct_reset(struct sql_direct *direct);

#endif
