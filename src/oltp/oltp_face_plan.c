/* SPDX-License-Identifier: Apache-2.0 */
/* How SQLite's plan reads a table that lives elsewhere: what xBestIndex takes of the constraints, and what it tells xFilter. */
#include <stdlib.h>
#include <string.h>

#include "oltp/oltp_face_vtab.h"

/* SQLite's own guesses without statistics: rows of a key's first columns, of an index made for a join; values of a list; the share of a range. */
enum { FACE_PREFIX_ROWS = 10, FACE_EQUAL_ROWS = 20, FACE_LISTED = 25, FACE_RANGE_SHARE = 4 };

/* Rows that may be put in order here, where nothing looks whether the statement was cancelled. More are SQLite's to sort. */
enum { FACE_ORDERED_ROWS = 1 << 20 };

/* Older SQLites offer LIMIT and OFFSET too, by rules that nobody read for this. */
enum { FACE_LIMITS_SINCE = 3050000 };

static const struct {
    unsigned char sqlite;
    uint8_t op;
    const char *word;
} comparisons[] = {{SQLITE_INDEX_CONSTRAINT_EQ, TABLE_EQ, "=?"},
                   {SQLITE_INDEX_CONSTRAINT_LT, TABLE_LT, "<?"},
                   {SQLITE_INDEX_CONSTRAINT_LE, TABLE_LE, "<=?"},
                   {SQLITE_INDEX_CONSTRAINT_GT, TABLE_GT, ">?"},
                   {SQLITE_INDEX_CONSTRAINT_GE, TABLE_GE, ">=?"}};
enum { COMPARISONS = sizeof comparisons / sizeof comparisons[0] };

/* The definition's column, -1: the table has no such one. */
static int32_t column_of(const struct face_table *table, int number)
{
    return number < 0 ? table->rowid_column : number;
}

struct plan {
    sqlite3_str *words; /* what EXPLAIN QUERY PLAN shows */
    sqlite3_str *steps; /* what xFilter reads: "column operator binary;" */
    int arguments;
    bool equal;     /* some column is given a value */
    bool lists;     /* or one of several */
    bool key_alone; /* no column but the integer key is compared */
    uint32_t key;   /* bits of the key's columns that are */
    double rows;
};

/* The key's one column of integers; -1: it has another key, or none. */
static int32_t integer_key(const struct source_table *definition)
{
    return definition->key_is_integer && definition->key_count == 1 ? (int32_t)definition->key_columns[0] : -1;
}

bool face_key_is_exact(const struct face_table *table, uint32_t column)
{
    uint8_t affinity = table->definition->columns[column].affinity;
    return integer_key(table->definition) == (int32_t)column &&
           (affinity == AFFINITY_INTEGER || affinity == AFFINITY_REAL || affinity == AFFINITY_NUMERIC);
}

static void plan_word(struct plan *plan, const char *name, const char *word)
{
    sqlite3_str_appendf(plan->words, "%s%s%s", plan->arguments == 0 ? "" : " AND ", name, word);
}

static void plan_step(struct plan *plan, sqlite3_index_info *info, int at, int32_t column, int op, bool binary)
{
    sqlite3_str_appendf(plan->steps, "%d %d %d;", column, op, binary);
    info->aConstraintUsage[at].argvIndex = ++plan->arguments;
}

static void plan_add(struct plan *plan, const struct face_table *table, sqlite3_index_info *info, int at,
                     size_t comparison)
{
    int32_t column = column_of(table, info->aConstraint[at].iColumn);
    const struct source_table *definition = table->definition;
    bool binary = sqlite3_stricmp(sqlite3_vtab_collation(info, at), "BINARY") == 0;
    uint8_t op = comparisons[comparison].op;
    if (definition->columns[column].affinity == AFFINITY_TEXT && (op != TABLE_EQ || !binary))
        return;
    bool in = op == TABLE_EQ && sqlite3_vtab_in(info, at, 1);
    plan_word(plan, definition->columns[column].name, in ? " IN (?)" : comparisons[comparison].word);
    plan_step(plan, info, at, column, in ? TABLE_IN : op, binary);
    plan->key_alone = plan->key_alone && face_key_is_exact(table, (uint32_t)column);
    plan->lists = plan->lists || in;
    if (op == TABLE_EQ) {
        plan->equal = true;
        for (uint32_t k = 0; k < definition->key_count && k < 32; k++)
            plan->key |= definition->key_columns[k] == (uint32_t)column ? 1u << k : 0;
    } else {
        plan->rows /= FACE_RANGE_SHARE;
    }
}

static bool is_limit(const struct sqlite3_index_constraint *constraint)
{
    return constraint->op == SQLITE_INDEX_CONSTRAINT_LIMIT || constraint->op == SQLITE_INDEX_CONSTRAINT_OFFSET;
}

/*
 * LIMIT and OFFSET, where every other constraint was taken and rows come in the order that is asked for. The reader applies a LIMIT only if
 * its rows are exactly those that match, and SQLite counts again; but rows that it leaves out for an OFFSET nobody counts again,
 * so they must be those that match whatever the columns hold: without constraints, or with constraints of the integer key alone.
 */
static void plan_limits(struct plan *plan, sqlite3_index_info *info)
{
    bool all = sqlite3_libversion_number() >= FACE_LIMITS_SINCE;
    for (int i = 0; i < info->nConstraint; i++)
        all = all && info->aConstraint[i].usable &&
              (is_limit(&info->aConstraint[i]) || info->aConstraintUsage[i].argvIndex > 0);
    if (!all || (info->nOrderBy > 0 && !info->orderByConsumed))
        return;
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
        if (!is_limit(constraint))
            continue;
        bool skips = constraint->op == SQLITE_INDEX_CONSTRAINT_OFFSET;
        plan_word(plan, skips ? "OFFSET" : "LIMIT", " ?");
        plan_step(plan, info, i, 0, skips ? FACE_OFFSET : FACE_LIMIT, false);
        if (skips && plan->key_alone) {
            info->aConstraintUsage[i].omit = 1;
            info->idxNum |= FACE_SKIPS;
        }
    }
}

static uint64_t rows_of(const struct face_vtab *vtab)
{
    struct face_context *context = vtab->context;
    const struct table_reader_ops *ops = face_ops_of(context);
    struct table_pin *pin = context->connection->pin, *own = NULL;
    uint64_t rows = 0;
    if (pin == NULL && ops->pin(context->connection->oltp->face->reader, NULL, &own, NULL) == RHEI_OK)
        pin = own;
    if (pin != NULL)
        (void)ops->rows(pin, vtab->table->definition->id, &rows);
    ops->unpin(&own);
    return rows;
}

/* The order that rows will come in, where SQLite asks for it. */
static void plan_order(const struct face_vtab *vtab, double all, bool unique, sqlite3_index_info *info)
{
    int32_t key = integer_key(vtab->table->definition);
    info->idxNum = 0;
    if (info->nOrderBy == 0)
        return;
    if (unique) { /* one row is in any order */
        info->orderByConsumed = 1;
    } else if (key >= 0 && column_of(vtab->table, info->aOrderBy[0].iColumn) == key && all <= FACE_ORDERED_ROWS) {
        /* no two rows have the same, so that what follows it orders nothing */
        info->idxNum = FACE_ORDERED | (info->aOrderBy[0].desc ? FACE_BACKWARDS : 0);
        info->orderByConsumed = 1;
    }
}

/* The steps stand behind the words' end, where EXPLAIN QUERY PLAN doesn't look. */
static int plan_text(struct plan *plan, sqlite3_index_info *info)
{
    int words_len = sqlite3_str_length(plan->words), steps_len = sqlite3_str_length(plan->steps);
    char *words = sqlite3_str_finish(plan->words), *steps = sqlite3_str_finish(plan->steps);
    char *text = sqlite3_malloc64((sqlite3_uint64)words_len + (sqlite3_uint64)steps_len + 4);
    bool ok = text != NULL && (words != NULL || words_len == 0) && (steps != NULL || steps_len == 0);
    if (ok) {
        char *at = text;
        if (words_len > 0) {
            *at++ = '(';
            memcpy(at, words, (size_t)words_len);
            at += words_len;
            *at++ = ')';
        }
        *at++ = '\0';
        if (steps_len > 0)
            memcpy(at, steps, (size_t)steps_len);
        at[steps_len] = '\0';
        info->idxStr = text;
        info->needToFreeIdxStr = 1;
    } else {
        sqlite3_free(text);
    }
    sqlite3_free(words);
    sqlite3_free(steps);
    return ok ? SQLITE_OK : SQLITE_NOMEM;
}

int face_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    struct face_vtab *vtab = (struct face_vtab *)base;
    struct oltp_connection *connection = vtab->context->connection;
    if (connection == NULL)
        return SQLITE_CONSTRAINT;
    connection->face_met |= source_bit_of_table(vtab->table->definition->id);
    double all = (double)rows_of(vtab);
    struct plan plan = {.words = sqlite3_str_new(NULL), .steps = sqlite3_str_new(NULL), .rows = all, .key_alone = true};
    for (int i = 0; i < info->nConstraint && plan.arguments < FACE_CONSTRAINTS; i++) {
        const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
        size_t c = 0;
        while (c < COMPARISONS && comparisons[c].sqlite != constraint->op)
            c++;
        if (constraint->usable && c < COMPARISONS && column_of(vtab->table, constraint->iColumn) >= 0)
            plan_add(&plan, vtab->table, info, i, c);
    }
    const struct source_table *definition = vtab->table->definition;
    bool whole =
        definition->key_count > 0 && definition->key_count < 32 && plan.key == (1u << definition->key_count) - 1;
    bool unique = whole && definition->key_is_integer && !plan.lists;
    double most = (whole ? 1 : plan.key & 1 ? FACE_PREFIX_ROWS : FACE_EQUAL_ROWS) * (plan.lists ? FACE_LISTED : 1);
    double rows = plan.equal && plan.rows > most ? most : plan.rows < 1 ? 1 : plan.rows;
    /* a column that isn't the key's first is hashed once for a join, which is dearer than a key and cheaper than scans */
    double visited = plan.arguments == 0 ? all : plan.equal && (plan.key & 1) == 0 ? rows + all / 10 : rows;
    info->estimatedRows = (sqlite3_int64)rows;
    info->estimatedCost = visited * 0.5 + rows * 2 + (unique ? 0 : 3);
    info->idxFlags = unique ? SQLITE_INDEX_SCAN_UNIQUE : 0;
    plan_order(vtab, all, unique, info);
    plan_limits(&plan, info);
    return plan_text(&plan, info);
}

const char *face_plan_steps(const char *plan)
{
    return plan + strlen(plan) + 1;
}

const char *face_plan_step(const char *steps, struct face_step *step)
{
    char *at = (char *)(uintptr_t)steps;
    step->column = (uint32_t)strtoul(at, &at, 10);
    step->op = (uint8_t)strtoul(at, &at, 10);
    step->binary = strtoul(at, &at, 10) != 0;
    return at + 1;
}
