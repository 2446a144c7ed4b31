/* SPDX-License-Identifier: Apache-2.0 */
/* Nanoseconds on either engine. The constants were measured by `bench --only auto`; only their proportions matter. */
#include <math.h>

#include "route/route_cost.h"

/* SQLite, per row unless it says otherwise. */
#define OLTP_START      1500.0 /* a statement: bind, begin, first page */
#define OLTP_ROW        50.0   /* the next row of a table */
#define OLTP_INDEX_ROW  10.0   /* the next row of an index that has all columns wanted */
#define OLTP_NEAR       60.0   /* from an index to its row in the table, on the page of the row before */
#define OLTP_FAR        1300.0 /* the same, on any page */
#define OLTP_SEEK       300.0  /* a search from the root, pages in memory */
#define OLTP_COUNT      0.2    /* count(*) of a whole table: pages are counted, not rows */
#define OLTP_GROUP      450.0  /* into a temporary b-tree for GROUP BY or DISTINCT */
#define OLTP_NEXT_GROUP 25.0   /* into a group, of rows that come group by group */
#define OLTP_SORT       600.0  /* into the sorter and out again */
#define OLTP_TOP        50.0   /* past the sorter of a LIMIT */
#define OLTP_FUNCTION   10.0   /* each call in the text */
#define OLTP_VALUE      13.0   /* each value of the result */
#define OLTP_AUTOMATIC  400.0  /* into an index that is made for this statement */
#define OLTP_PAGE_ROWS  50.0   /* rows that share a page */

/* The column store's executor. */
#define OLAP_START      100000.0 /* a statement whose plan is kept */
#define OLAP_UNIT       250000.0 /* each join, subquery, ... of its plan */
#define OLAP_FIRST_ROWS 800000.0 /* LIMIT without an order to sort: what it reads in vain before it stops */
#define OLAP_CELL       2.0      /* each value that is scanned */
#define OLAP_FILTER     3.0      /* each value that is compared with a constant */
#define OLAP_GROUP      22.0     /* each row that is grouped or joined */
#define OLAP_SORT       250.0    /* each row that is sorted whole */
#define OLAP_TOP        10.0     /* each row that passes the sorter of a LIMIT */
#define OLAP_VALUE      15.0     /* each value of the result */

/* Rows and totals that leave the mirror as they lie there, without an executor. */
#define DIRECT_START 2000.0
#define DIRECT_CELL  1.2 /* each value that a range cuts through */

/* What isn't known. */
#define UNKNOWN_RANGE  0.25   /* share of the rows within one end of a range */
#define UNKNOWN_EQUAL  0.01   /* share of the rows with one value */
#define UNKNOWN_GROUPS 0.1    /* groups of a row */
#define UNKNOWN_ROWS   1000.0 /* of a table-valued function */
#define UNKNOWN_OFFSET 0.0

enum { NAMES_KEPT = 16 };

struct tally {
    const struct route_situation *situation;
    const struct route_work *work;
    double ns, rows;
    double sorted, grouped, joined; /* rows that the executor sorts, groups and joins as well */
    bool scans;
    struct {
        uint32_t name;
        double rows;
    } names[NAMES_KEPT];
    uint32_t name_count;
};

/* ---- Values. ----------------------------------------------------------------------------------------------------- */

static bool constant_value(const struct route_situation *situation, const struct route_constant *constant,
                           struct rhei_value *value)
{
    switch (constant->kind) {
    case ROUTE_CONSTANT_VALUE:
        *value = constant->value;
        break;
    case ROUTE_CONSTANT_LITERAL:
        if (constant->index >= situation->literal_count)
            return false;
        *value = situation->literals[constant->index].value;
        break;
    case ROUTE_CONSTANT_PARAMETER:
        if (constant->index >= situation->param_count)
            return false;
        *value = situation->params[constant->index];
        break;
    default:
        return false;
    }
    if (constant->negated && value->type == RHEI_INTEGER && value->as.integer != INT64_MIN)
        value->as.integer = -value->as.integer;
    else if (constant->negated && value->type == RHEI_REAL)
        value->as.real = -value->as.real;
    return true;
}

static double constant_number(const struct route_situation *situation, const struct route_constant *constant,
                              double unknown)
{
    struct rhei_value value;
    if (!constant_value(situation, constant, &value) || value.type != RHEI_INTEGER || value.as.integer < 0)
        return unknown;
    return (double)value.as.integer;
}

/* ---- Rows. ------------------------------------------------------------------------------------------------------- */

static double table_rows(const struct tally *tally, uint32_t table)
{
    const struct mirror_table_view *view = tally->situation->views[table];
    return view != NULL ? (double)mirror_view_row_count(view) : UNKNOWN_ROWS;
}

static bool is_range(const struct route_term *term)
{
    return term->op != SQL_OP_EQ;
}

static bool column_of(const struct tally *tally, uint32_t table, uint32_t column, struct route_column *out)
{
    const struct mirror_table_view *view = tally->situation->views[table];
    if (column == ROUTE_NO_TABLE || view == NULL || column >= mirror_view_column_count(view))
        return false;
    *out = (struct route_column){tally->situation->route->sampler, view, tally->situation->statement->tables[table].id,
                                 column};
    return true;
}

/* Both ends of a range on one column count together; `until` terms, this the first of them. */
static double range_share(const struct tally *tally, const struct route_column *column, const struct route_term *terms,
                          uint32_t until)
{
    struct rhei_value values[2];
    struct route_end low = {0}, high = {0};
    double share = 1;
    for (uint32_t i = 0; i < until; i++) {
        if (terms[i].column != terms[0].column || !is_range(&terms[i]))
            continue;
        bool is_low = terms[i].op == SQL_OP_GT || terms[i].op == SQL_OP_GE;
        struct route_end *end = is_low ? &low : &high;
        if (!constant_value(tally->situation, &terms[i].value, &values[is_low]))
            share *= UNKNOWN_RANGE;
        else
            *end = (struct route_end){&values[is_low], terms[i].op == SQL_OP_GE || terms[i].op == SQL_OP_LE};
    }
    return low.value != NULL || high.value != NULL ? share * route_share_between(column, &low, &high) : share;
}

static double term_share(const struct tally *tally, uint32_t table, const struct route_term *terms, uint32_t count,
                         uint32_t at)
{
    const struct route_term *term = &terms[at];
    struct route_column column;
    if (!column_of(tally, table, term->column, &column))
        return is_range(term) ? UNKNOWN_RANGE : UNKNOWN_EQUAL;
    if (!is_range(term)) {
        struct rhei_value value;
        bool known = constant_value(tally->situation, &term->value, &value);
        return fmin(1, route_share_equal(&column, known ? &value : NULL) * term->values);
    }
    for (uint32_t before = 0; before < at; before++)
        if (terms[before].column == term->column && is_range(&terms[before]))
            return 1; /* counted with that one */
    return range_share(tally, &column, term, count - at);
}

static double share_of(const struct tally *tally, uint32_t table, uint32_t first, uint32_t count)
{
    double share = 1;
    for (uint32_t i = 0; i < count; i++)
        share *= term_share(tally, table, &tally->work->terms[first], count, i);
    return share;
}

static double largest_table(const struct tally *tally)
{
    double most = UNKNOWN_ROWS;
    for (uint32_t t = 0; t < tally->situation->statement->table_count; t++)
        most = fmax(most, table_rows(tally, t));
    return most;
}

/* Rows that one run of the loop visits; *kept: the share of them that passes what else is known. */
static double loop_rows(const struct tally *tally, const struct route_node *node, double *kept)
{
    *kept = 1;
    if (node->constant)
        return 1;
    for (uint32_t i = 0; i < tally->name_count; i++)
        if (tally->names[i].name == node->name)
            return node->kind == ROUTE_NODE_SEARCH ? fmax(1, tally->names[i].rows / 100) : tally->names[i].rows;
    if (node->table == ROUTE_NO_TABLE)
        return largest_table(tally) * (node->kind == ROUTE_NODE_SEARCH ? 0.001 : 1);
    *kept = share_of(tally, node->table, node->first_filter, node->filter_count);
    double values = 1;
    for (uint32_t i = 0; i < node->term_count; i++)
        values *= tally->work->terms[node->first_term + i].values;
    if (node->single)
        return values;
    return table_rows(tally, node->table) * share_of(tally, node->table, node->first_term, node->term_count);
}

/*
 * From an index to the rows: how far apart they are. Rows of one value come in the order of the table, so the more of them there
 * are the nearer they lie; those of a range are as near as the table's order follows the column.
 */
static double lookup_ns(const struct tally *tally, const struct route_node *node, double rows)
{
    struct route_column column;
    const struct route_term *first = node->term_count > 0 ? &tally->work->terms[node->first_term] : NULL;
    double away = 1;
    if (first != NULL && column_of(tally, node->table, first->column, &column))
        away -= route_stored_order(&column);
    if (first != NULL && !is_range(first)) {
        double all = table_rows(tally, node->table);
        away = fmin(away, all / (fmax(rows, 1) * OLTP_PAGE_ROWS));
    }
    return OLTP_NEAR + away * OLTP_FAR;
}

static double row_ns(const struct tally *tally, const struct route_node *node, double rows)
{
    if (tally->work->counts_only && node->kind == ROUTE_NODE_SCAN)
        return OLTP_COUNT;
    double ns = tally->work->functions * OLTP_FUNCTION;
    if (node->covering)
        return ns + OLTP_INDEX_ROW;
    if (node->by_rowid || node->automatic || node->table == ROUTE_NO_TABLE || !node->by_index)
        return ns + OLTP_ROW;
    return ns + OLTP_INDEX_ROW + lookup_ns(tally, node, rows);
}

/* ---- The plan. --------------------------------------------------------------------------------------------------- */

static size_t end_of_children(const struct route_work *work, size_t at)
{
    size_t end = at + 1;
    while (end < work->node_count && work->nodes[end].depth > work->nodes[at].depth)
        end++;
    return end;
}

static void count_loop(struct tally *tally, const struct route_node *node, double *product)
{
    double kept, rows = loop_rows(tally, node, &kept);
    if (node->automatic && node->table != ROUTE_NO_TABLE) {
        tally->ns += table_rows(tally, node->table) * OLTP_AUTOMATIC;
        tally->scans = true;
    }
    tally->scans = tally->scans || (node->kind == ROUTE_NODE_SCAN && !node->constant);
    tally->ns += *product * (OLTP_SEEK + rows * row_ns(tally, node, rows));
    tally->rows += *product * rows;
    tally->joined += *product > 1 ? *product : 0;
    *product *= rows * kept;
}

/* The lines from `at` to `end`, of which the first is at the outer depth; how many rows they give. */
static double count_lines(struct tally *tally, size_t at, size_t end)
{
    const struct route_work *work = tally->work;
    double product = 1, sum = 0;
    bool loops = false, grouped = false;
    while (at < end) {
        const struct route_node *node = &work->nodes[at];
        size_t next = end_of_children(work, at);
        next = next < end ? next : end;
        if (node->kind == ROUTE_NODE_SCAN || node->kind == ROUTE_NODE_SEARCH) {
            count_loop(tally, node, &product);
            loops = true;
        } else if (node->kind == ROUTE_NODE_SORT || node->kind == ROUTE_NODE_GROUP) {
            bool sorts = node->kind == ROUTE_NODE_SORT;
            double rows = sorts && grouped ? product * UNKNOWN_GROUPS : product;
            bool top = sorts && node->depth == 0 && work->has_limit;
            tally->ns += rows * (top ? OLTP_TOP : sorts ? OLTP_SORT : OLTP_GROUP);
            *(sorts ? &tally->sorted : &tally->grouped) += rows;
            grouped = grouped || !sorts;
        } else if (next > at + 1) {
            double before = tally->ns, rows_before = tally->rows, rows = count_lines(tally, at + 1, next);
            if (node->kind == ROUTE_NODE_CORRELATED) { /* once for each row, as far as it isn't kept */
                tally->ns = before + (tally->ns - before) * fmax(1, product);
                tally->rows = rows_before + (tally->rows - rows_before) * fmax(1, product);
            } else if (node->kind == ROUTE_NODE_NAMED && tally->name_count < NAMES_KEPT) {
                tally->names[tally->name_count].name = node->name;
                tally->names[tally->name_count++].rows = rows;
            }
            sum += rows;
        }
        at = next;
    }
    return !loops ? sum : grouped ? product * UNKNOWN_GROUPS : product;
}

/* The share of its way after which SQLite has all rows that LIMIT wants. */
static double early_stop(const struct route_situation *situation, const struct route_work *work, double rows)
{
    if (!work->has_limit || !work->streams || rows <= 0)
        return 1;
    double wanted = constant_number(situation, &work->limit, INFINITY);
    if (work->has_offset)
        wanted += constant_number(situation, &work->offset, UNKNOWN_OFFSET);
    return fmin(1, fmax(wanted, 1) / rows);
}

/* Cells that the executor scans: every column that the text names, of every row (of few vectors, if the rowid tells which). */
static double cells_scanned(const struct tally *tally)
{
    const struct route_statement *statement = tally->situation->statement;
    double cells = 0;
    for (uint32_t t = 0; t < statement->table_count; t++) {
        double rows = table_rows(tally, t), kept = 1;
        for (size_t i = 0; i < tally->work->node_count; i++) {
            const struct route_node *node = &tally->work->nodes[i];
            if (node->table == t && node->by_rowid && node->term_count > 0 && !node->single)
                kept = fmin(kept, share_of(tally, t, node->first_term, node->term_count));
        }
        double columns = statement->tables[t].columns > 1 ? statement->tables[t].columns : 1;
        cells += fmin(rows, rows * kept + MIRROR_VECTOR_ROWS) * columns;
    }
    return cells;
}

/* Constants that values are compared with, one for each row. */
static double comparisons(const struct tally *tally)
{
    double count = 0;
    for (size_t i = 0; i < tally->work->node_count; i++) {
        const struct route_node *node = &tally->work->nodes[i];
        if (node->table != ROUTE_NO_TABLE && !node->by_rowid)
            count += (node->term_count + node->filter_count) * table_rows(tally, node->table);
    }
    return count;
}

/* Of the rows that the rowid doesn't rule out: whole vectors within a range cost nothing. */
static double direct_ns(const struct tally *tally, double result)
{
    double cells = 0;
    for (size_t i = 0; i < tally->work->node_count; i++) {
        const struct route_node *node = &tally->work->nodes[i];
        if (node->table == ROUTE_NO_TABLE)
            continue;
        double rows = table_rows(tally, node->table), terms = node->term_count + node->filter_count;
        cells += (node->by_rowid ? fmin(rows, MIRROR_VECTOR_ROWS) : rows) * terms;
    }
    return DIRECT_START + cells * DIRECT_CELL + result * tally->work->columns * OLAP_VALUE;
}

/* The executor's way isn't SQLite's: it sorts what SQLite finds in order, and groups what SQLite finds together. */
static double olap_ns(const struct tally *tally, double found, double result)
{
    const struct route_work *work = tally->work;
    double ns = OLAP_START + work->units * OLAP_UNIT + result * work->columns * OLAP_VALUE;
    double offset = work->has_offset ? constant_number(tally->situation, &work->offset, UNKNOWN_OFFSET) : 0;
    if (work->has_limit && work->streams && !work->sorts)
        return ns + OLAP_FIRST_ROWS + offset * work->columns * OLAP_VALUE;
    if (!work->counts_only)
        ns += cells_scanned(tally) * OLAP_CELL + comparisons(tally) * OLAP_FILTER;
    double grouped = work->groups || work->distinct ? fmax(tally->grouped, found) : tally->grouped;
    ns += (grouped + tally->joined) * OLAP_GROUP;
    double sorted = work->sorts ? fmax(tally->sorted, work->groups ? 0 : found) : tally->sorted;
    double wide = work->columns > 2 ? work->columns / 2.0 : 1;
    return ns + sorted * (work->has_limit ? OLAP_TOP * wide : OLAP_SORT) + offset * OLAP_SORT;
}

void route_estimate_make(const struct route_situation *situation, const struct route_work *work,
                         struct route_estimate *estimate)
{
    struct tally tally = {.situation = situation, .work = work};
    double rows = count_lines(&tally, 0, work->node_count);
    double stop = early_stop(situation, work, rows);
    if (work->groups && tally.grouped <= 0)
        tally.ns += rows * OLTP_NEXT_GROUP;
    double result = work->aggregates ? 1 : rows;
    if (work->has_limit)
        result = fmin(result, constant_number(situation, &work->limit, INFINITY));
    *estimate = (struct route_estimate){
        .rows = tally.rows * stop,
        .oltp_ns = OLTP_START + tally.ns * stop + result * work->columns * OLTP_VALUE,
        /* groups may turn out to be too many for the mirror itself */
        .olap_ns =
            situation->statement->direct && !work->groups ? direct_ns(&tally, result) : olap_ns(&tally, rows, result),
        .first_rows = stop < 1,
        .scans = tally.scans,
    };
}
