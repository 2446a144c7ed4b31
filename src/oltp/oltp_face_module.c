/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual table module `rhei`: rows of a table_reader as SQLite wants them.
 *
 * What is pushed down is a choice of rows that may match (equality, ranges of numbers); SQLite looks at each of them again, because only it
 * knows by which affinity the two sides of a comparison meet. So a comparison is pushed only where no conversion of the column's own
 * values can make it true: a number against a column of numeric affinity; a text against any but numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "oltp/oltp_face.h"

/* SQLite's own guesses without statistics: rows of a key's first columns, of an index made for a join; the share of a range. */
enum { FACE_CONSTRAINTS = 14, FACE_PREFIX_ROWS = 10, FACE_EQUAL_ROWS = 20, FACE_RANGE_SHARE = 4 };

/* Rows that may be put in order here, where nothing looks whether the statement was cancelled. More are SQLite's to sort. */
enum { FACE_ORDERED_ROWS = 1 << 20 };
/* What xBestIndex tells xFilter of the order. */
enum { ANY_ORDER, KEY_ORDER, KEY_ORDER_BACKWARDS };

enum { NUMBERS = 1 << RHEI_INTEGER | 1 << RHEI_REAL, ALL_CLASSES = 0x1f };

struct face_vtab {
    sqlite3_vtab base;
    struct face_context *context;
    struct oltp_face_set *set; /* counted */
    const struct face_table *table;
};

struct face_cursor {
    sqlite3_vtab_cursor base;
    struct table_cursor *rows;
    bool at_end;
    int64_t number; /* rows so far: the rowid where there is none */
};

static const struct table_reader_ops *ops_of(const struct face_context *context)
{
    return context->connection->oltp->face->reader->ops;
}

/* ---- Tables. ------------------------------------------------------------------------------------------------------ */

static int vtab_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **result, char **error)
{
    struct face_context *context = aux;
    const struct face_table *table =
        argc > 3 ? face_set_find(context->set, (uint32_t)strtoul(argv[3], NULL, 10)) : NULL;
    if (table == NULL) {
        *error = sqlite3_mprintf("Rhei makes the tables of module " FACE_MODULE " itself");
        return SQLITE_ERROR;
    }
    struct face_vtab *vtab = sqlite3_malloc64(sizeof *vtab);
    if (vtab == NULL)
        return SQLITE_NOMEM;
    memset(vtab, 0, sizeof *vtab);
    int rc = sqlite3_declare_vtab(db, table->sql);
    if (rc == SQLITE_OK)
        rc = sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    if (rc != SQLITE_OK) {
        *error = sqlite3_mprintf("%s", sqlite3_errmsg(db));
        sqlite3_free(vtab);
        return rc;
    }
    vtab->context = context;
    vtab->set = context->set;
    vtab->table = table;
    atomic_fetch_add_explicit(&vtab->set->references, 1, memory_order_relaxed);
    *result = &vtab->base;
    return SQLITE_OK;
}

static int vtab_disconnect(sqlite3_vtab *base)
{
    face_set_release(((struct face_vtab *)base)->set);
    sqlite3_free(base);
    return SQLITE_OK;
}

/* ---- Plans. ------------------------------------------------------------------------------------------------------- */

static const struct {
    unsigned char sqlite;
    uint8_t op;
    const char *word;
} comparisons[] = {{SQLITE_INDEX_CONSTRAINT_EQ, TABLE_EQ, "="},
                   {SQLITE_INDEX_CONSTRAINT_LT, TABLE_LT, "<"},
                   {SQLITE_INDEX_CONSTRAINT_LE, TABLE_LE, "<="},
                   {SQLITE_INDEX_CONSTRAINT_GT, TABLE_GT, ">"},
                   {SQLITE_INDEX_CONSTRAINT_GE, TABLE_GE, ">="}};
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
    bool equal;   /* some column is given a value */
    uint32_t key; /* bits of the key's columns that are */
    double rows;
};

static void plan_add(struct plan *plan, const struct face_table *table, sqlite3_index_info *info, int at,
                     size_t comparison)
{
    int32_t column = column_of(table, info->aConstraint[at].iColumn);
    const struct source_table *definition = table->definition;
    bool binary = sqlite3_stricmp(sqlite3_vtab_collation(info, at), "BINARY") == 0;
    uint8_t op = comparisons[comparison].op;
    if (definition->columns[column].affinity == AFFINITY_TEXT && (op != TABLE_EQ || !binary))
        return;
    sqlite3_str_appendf(plan->words, "%s%s%s?", plan->arguments == 0 ? "" : " AND ", definition->columns[column].name,
                        comparisons[comparison].word);
    sqlite3_str_appendf(plan->steps, "%d %d %d;", column, op, binary);
    info->aConstraintUsage[at].argvIndex = ++plan->arguments;
    if (op == TABLE_EQ) {
        plan->equal = true;
        for (uint32_t k = 0; k < definition->key_count && k < 32; k++)
            plan->key |= definition->key_columns[k] == (uint32_t)column ? 1u << k : 0;
    } else {
        plan->rows /= FACE_RANGE_SHARE;
    }
}

static uint64_t rows_of(const struct face_vtab *vtab)
{
    struct face_context *context = vtab->context;
    const struct table_reader_ops *ops = ops_of(context);
    struct table_pin *pin = context->connection->pin, *own = NULL;
    uint64_t rows = 0;
    if (pin == NULL && ops->pin(context->connection->oltp->face->reader, NULL, &own, NULL) == RHEI_OK)
        pin = own;
    if (pin != NULL)
        (void)ops->rows(pin, vtab->table->definition->id, &rows);
    ops->unpin(&own);
    return rows;
}

/* The key's one column of integers; -1: it has another key, or none. */
static int32_t integer_key(const struct source_table *definition)
{
    return definition->key_is_integer && definition->key_count == 1 ? (int32_t)definition->key_columns[0] : -1;
}

/* The order that rows will come in, where SQLite asks for it. */
static void plan_order(const struct face_vtab *vtab, double all, bool unique, sqlite3_index_info *info)
{
    int32_t key = integer_key(vtab->table->definition);
    info->idxNum = ANY_ORDER;
    if (info->nOrderBy == 0)
        return;
    if (unique) { /* one row is in any order */
        info->orderByConsumed = 1;
    } else if (key >= 0 && column_of(vtab->table, info->aOrderBy[0].iColumn) == key && all <= FACE_ORDERED_ROWS) {
        /* no two rows have the same, so that what follows it orders nothing */
        info->idxNum = info->aOrderBy[0].desc ? KEY_ORDER_BACKWARDS : KEY_ORDER;
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

static int vtab_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    struct face_vtab *vtab = (struct face_vtab *)base;
    struct oltp_connection *connection = vtab->context->connection;
    if (connection == NULL)
        return SQLITE_CONSTRAINT;
    connection->face_met |= source_bit_of_table(vtab->table->definition->id);
    double all = (double)rows_of(vtab);
    struct plan plan = {.words = sqlite3_str_new(NULL), .steps = sqlite3_str_new(NULL), .rows = all};
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
    bool unique = whole && definition->key_is_integer;
    double most = whole ? 1 : plan.key & 1 ? FACE_PREFIX_ROWS : FACE_EQUAL_ROWS;
    double rows = plan.equal && plan.rows > most ? most : plan.rows < 1 ? 1 : plan.rows;
    /* a column that isn't the key's first is hashed once for a join, which is dearer than a key and cheaper than scans */
    double visited = plan.arguments == 0 ? all : plan.equal && (plan.key & 1) == 0 ? rows + all / 10 : rows;
    info->estimatedRows = (sqlite3_int64)rows;
    info->estimatedCost = visited * 0.5 + rows * 2 + (unique ? 0 : 3);
    info->idxFlags = unique ? SQLITE_INDEX_SCAN_UNIQUE : 0;
    plan_order(vtab, all, unique, info);
    return plan_text(&plan, info);
}

/* ---- Rows. -------------------------------------------------------------------------------------------------------- */

static int fail(struct face_vtab *vtab, rhei_status status, const struct rhei_error *error)
{
    sqlite3_free(vtab->base.zErrMsg);
    vtab->base.zErrMsg =
        sqlite3_mprintf("table %s.%s: %s", vtab->table->name, vtab->table->definition->name, error->message);
    return status == RHEI_NO_MEMORY ? SQLITE_NOMEM : status == RHEI_NOT_FOUND ? SQLITE_BUSY : SQLITE_ERROR;
}

/* The statement's pin; one of our own for who runs a statement without having said that it reads such tables. */
static int pin_of(struct face_vtab *vtab, struct table_pin **pin)
{
    struct oltp_connection *connection = vtab->context->connection;
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_status status = RHEI_OK;
    if (connection == NULL)
        return SQLITE_MISUSE;
    uint32_t source = source_bit_of_table(vtab->table->definition->id);
    if (connection->pin_asked && !face_is_pinned(connection, source)) {
        connection->pin_missed |= source;
        error_set(&error, RHEI_STALE, "nobody waited for it");
        return fail(vtab, RHEI_STALE, &error);
    }
    if (connection->pin == NULL) {
        status = ops_of(vtab->context)->pin(connection->oltp->face->reader, NULL, &connection->pin, &error);
        connection->pinned = NULL;
        connection->pin_sources = UINT32_MAX;
    }
    *pin = connection->pin;
    return status == RHEI_OK ? SQLITE_OK : fail(vtab, status, &error);
}

static int cursor_open(sqlite3_vtab *base, sqlite3_vtab_cursor **result)
{
    struct face_vtab *vtab = (struct face_vtab *)base;
    struct table_pin *pin = NULL;
    struct rhei_error error = RHEI_ERROR_INIT;
    int rc = pin_of(vtab, &pin);
    if (rc != SQLITE_OK)
        return rc;
    struct face_cursor *cursor = sqlite3_malloc64(sizeof *cursor);
    if (cursor == NULL)
        return SQLITE_NOMEM;
    memset(cursor, 0, sizeof *cursor);
    rhei_status status = ops_of(vtab->context)->open(pin, vtab->table->definition->id, &cursor->rows, &error);
    if (status != RHEI_OK) {
        sqlite3_free(cursor);
        return fail(vtab, status, &error);
    }
    *result = &cursor->base;
    return SQLITE_OK;
}

static const struct face_vtab *vtab_of(const struct face_cursor *cursor)
{
    return (const struct face_vtab *)cursor->base.pVtab;
}

static int cursor_close(sqlite3_vtab_cursor *base)
{
    struct face_cursor *cursor = (struct face_cursor *)base;
    ops_of(vtab_of(cursor)->context)->close(&cursor->rows);
    sqlite3_free(cursor);
    return SQLITE_OK;
}

/* A text that is a number is one against a column of numeric affinity. `kept` is what the value lives in. */
static sqlite3_value *as_number(sqlite3_value *value, sqlite3_value **kept)
{
    *kept = sqlite3_value_dup(value); /* the statement's own must stay as it is */
    if (*kept != NULL)
        (void)sqlite3_value_numeric_type(*kept);
    return *kept != NULL ? *kept : value;
}

/* False: nothing can be said of which rows match. `kept` is set where the constraint's value lives in it. */
static bool constrain(const struct source_column *column, bool binary, sqlite3_value *value, sqlite3_value **kept,
                      struct table_constraint *constraint)
{
    uint8_t affinity = column->affinity;
    bool numeric = affinity == AFFINITY_INTEGER || affinity == AFFINITY_REAL || affinity == AFFINITY_NUMERIC;
    if (numeric && sqlite3_value_type(value) == SQLITE_TEXT)
        value = as_number(value, kept);
    constraint->classes = ALL_CLASSES;
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        constraint->value = (struct rhei_value){.type = RHEI_INTEGER, .as.integer = sqlite3_value_int64(value)};
        break;
    case SQLITE_FLOAT:
        constraint->value = (struct rhei_value){.type = RHEI_REAL, .as.real = sqlite3_value_double(value)};
        break;
    case SQLITE_TEXT:
        if (!binary || constraint->op != TABLE_EQ)
            return false;
        constraint->value = (struct rhei_value){.type = RHEI_TEXT, .as.bytes = sqlite3_value_text(value)};
        constraint->value.length = (uint32_t)sqlite3_value_bytes(value);
        constraint->classes = affinity == AFFINITY_BLOB ? 1 << RHEI_TEXT | 1 << RHEI_BLOB : ALL_CLASSES;
        return constraint->value.as.bytes != NULL;
    default:
        return false;
    }
    if (affinity == AFFINITY_BLOB) /* the other side may be a column of numbers, which makes numbers of texts here */
        constraint->classes = NUMBERS | 1 << RHEI_BLOB;
    return affinity != AFFINITY_TEXT;
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
    struct face_cursor *cursor = (struct face_cursor *)base;
    cursor->number++;
    cursor->at_end = !ops_of(vtab_of(cursor)->context)->next(cursor->rows);
    return SQLITE_OK;
}

static int cursor_filter(sqlite3_vtab_cursor *base, int number, const char *plan, int count, sqlite3_value **values)
{
    struct face_cursor *cursor = (struct face_cursor *)base;
    struct face_vtab *vtab = (struct face_vtab *)base->pVtab;
    struct table_constraint constraints[FACE_CONSTRAINTS];
    sqlite3_value *kept[FACE_CONSTRAINTS] = {NULL};
    uint32_t used = 0;
    bool none = false;
    char *step = (char *)(uintptr_t)plan + strlen(plan) + 1;
    for (int i = 0; i < count && i < FACE_CONSTRAINTS && !none; i++) {
        long column = strtol(step, &step, 10), op = strtol(step, &step, 10), binary = strtol(step, &step, 10);
        step++;
        BASE_INVARIANT(column >= 0 && (uint32_t)column < vtab->table->definition->column_count);
        constraints[used].column = (uint32_t)column;
        constraints[used].op = (uint8_t)op;
        none = sqlite3_value_type(values[i]) == SQLITE_NULL; /* nothing compares with it */
        used += !none && constrain(&vtab->table->definition->columns[column], binary != 0, values[i], &kept[i],
                                   &constraints[used]);
    }
    int rc = SQLITE_OK;
    cursor->number = 0;
    cursor->at_end = none;
    if (!none) {
        struct rhei_error error = RHEI_ERROR_INIT;
        const struct source_table *definition = vtab->table->definition;
        const struct table_order order = {definition->key_columns, definition->key_count,
                                          number == KEY_ORDER_BACKWARDS};
        rhei_status status =
            ops_of(vtab->context)->seek(cursor->rows, constraints, used, number == ANY_ORDER ? NULL : &order, &error);
        rc = status == RHEI_OK ? cursor_next(base) : fail(vtab, status, &error);
    }
    for (int i = 0; i < FACE_CONSTRAINTS; i++)
        sqlite3_value_free(kept[i]);
    return rc;
}

static int cursor_eof(sqlite3_vtab_cursor *base)
{
    return ((struct face_cursor *)base)->at_end;
}

static int cursor_column(sqlite3_vtab_cursor *base, sqlite3_context *out, int column)
{
    struct face_cursor *cursor = (struct face_cursor *)base;
    struct rhei_value value;
    BASE_INVARIANT(!cursor->at_end && (uint32_t)column < vtab_of(cursor)->table->definition->column_count);
    ops_of(vtab_of(cursor)->context)->value(cursor->rows, (uint32_t)column, &value);
    switch (value.type) {
    case RHEI_INTEGER:
        sqlite3_result_int64(out, value.as.integer);
        break;
    case RHEI_REAL:
        sqlite3_result_double(out, value.as.real);
        break;
    case RHEI_TEXT: /* borrowed until the statement's pin goes */
        sqlite3_result_text64(out, value.length == 0 ? "" : value.as.bytes, value.length, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case RHEI_BLOB:
        if (value.length == 0)
            sqlite3_result_zeroblob(out, 0);
        else
            sqlite3_result_blob64(out, value.as.bytes, value.length, SQLITE_STATIC);
        break;
    default:
        sqlite3_result_null(out);
        break;
    }
    return SQLITE_OK;
}

static int cursor_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    struct face_cursor *cursor = (struct face_cursor *)base;
    const struct face_table *table = vtab_of(cursor)->table;
    struct rhei_value value = {.type = RHEI_INTEGER, .as.integer = cursor->number};
    if (table->rowid_column >= 0)
        ops_of(vtab_of(cursor)->context)->value(cursor->rows, (uint32_t)table->rowid_column, &value);
    *rowid = value.type == RHEI_INTEGER ? value.as.integer : 0;
    return SQLITE_OK;
}

static void context_free(void *context)
{
    face_set_release(((struct face_context *)context)->set);
    base_free(context);
}

int face_module_register(sqlite3 *db, struct face_context *context)
{
    static const sqlite3_module module = {
        .iVersion = 4,
        .xCreate = vtab_connect,
        .xConnect = vtab_connect,
        .xBestIndex = vtab_best_index,
        .xDisconnect = vtab_disconnect,
        .xDestroy = vtab_disconnect,
        .xOpen = cursor_open,
        .xClose = cursor_close,
        .xFilter = cursor_filter,
        .xNext = cursor_next,
        .xEof = cursor_eof,
        .xColumn = cursor_column,
        .xRowid = cursor_rowid,
    };
    return sqlite3_create_module_v2(db, FACE_MODULE, &module, context, context_free);
}
