/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtual table module `rhei`: rows of a table_reader as SQLite wants them.
 *
 * What is pushed down is a choice of rows that may match (equality, lists, ranges of numbers); SQLite looks at each of them again, because only it
 * knows by which affinity the two sides of a comparison meet. So a comparison is pushed only where no conversion of the column's own
 * values can make it true: a number against a column of numeric affinity; a text against any but numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "oltp/oltp_face_vtab.h"

enum { NUMBERS = 1 << RHEI_INTEGER | 1 << RHEI_REAL, ALL_CLASSES = 0x1f };

struct face_cursor {
    sqlite3_vtab_cursor base;
    struct table_cursor *rows;
    bool at_end;
    uint64_t number; /* rows so far: the rowid where there is none */
};

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
        status = face_ops_of(vtab->context)->pin(connection->oltp->face->reader, NULL, &connection->pin, &error);
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
    rhei_status status = face_ops_of(vtab->context)->open(pin, vtab->table->definition->id, &cursor->rows, &error);
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
    face_ops_of(vtab_of(cursor)->context)->close(&cursor->rows);
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

static bool is_whole(const struct face_cursor *cursor, struct rhei_error *why)
{
    const struct table_reader_ops *ops = face_ops_of(vtab_of(cursor)->context);
    return ops->whole == NULL || ops->whole(cursor->rows, why);
}

/* A row that was looked for in a damaged file may be missed, too. */
static int look(const struct face_cursor *cursor)
{
    sqlite3_vtab *vtab = cursor->base.pVtab;
    struct rhei_error why = RHEI_ERROR_INIT;
    if (is_whole(cursor, &why))
        return SQLITE_OK;
    sqlite3_free(vtab->zErrMsg);
    vtab->zErrMsg = sqlite3_mprintf("%s", why.message);
    return SQLITE_IOERR;
}

static int cursor_next(sqlite3_vtab_cursor *base)
{
    struct face_cursor *cursor = (struct face_cursor *)base;
    cursor->number++;
    cursor->at_end = !face_ops_of(vtab_of(cursor)->context)->next(cursor->rows);
    return look(cursor);
}

/* What xFilter makes of a plan and its values. */
struct filter {
    struct table_constraint constraints[FACE_CONSTRAINTS + 1]; /* the last one is scratch */
    sqlite3_value *kept[FACE_CONSTRAINTS + 1];                 /* what a constraint's value lives in */
    struct base_arena lists;                                   /* what the values of IN live in */
    struct table_wish wish;
    bool none;   /* no row can match */
    bool partly; /* of some value nothing can be said, so that rows are among the reader's that don't match */
    int rc;
};

/* One value of an IN, which SQLite has only until the next one. False: nothing can be said of which rows match. */
static bool add_listed(struct filter *filter, const struct face_table *table, struct table_constraint *in,
                       struct rhei_value *values, bool binary, sqlite3_value *value)
{
    sqlite3_value *kept = NULL;
    struct table_constraint one = {.column = in->column, .op = TABLE_EQ};
    bool said = constrain(&table->definition->columns[in->column], binary, value, &kept, &one);
    if (said && one.value.type >= RHEI_TEXT && one.value.length > 0) {
        char *bytes = base_arena_alloc(&filter->lists, one.value.length);
        filter->rc = bytes == NULL ? SQLITE_NOMEM : filter->rc;
        if (bytes != NULL)
            memcpy(bytes, one.value.as.bytes, one.value.length);
        one.value.as.bytes = bytes;
    }
    sqlite3_value_free(kept);
    if (said) {
        in->classes &= one.classes;
        values[in->value_count++] = one.value;
    }
    return said || face_key_is_exact(table, in->column); /* which has no text and no BLOB */
}

static bool add_list(struct filter *filter, const struct face_table *table, struct table_constraint *in, bool binary,
                     sqlite3_value *list)
{
    uint32_t count = 0;
    bool said = true;
    sqlite3_value *value = NULL;
    int rc = sqlite3_vtab_in_first(list, &value);
    for (; rc == SQLITE_OK && value != NULL; rc = sqlite3_vtab_in_next(list, &value))
        count += sqlite3_value_type(value) != SQLITE_NULL;
    struct rhei_value *values = base_arena_zero(&filter->lists, (size_t)count + 1, sizeof *values);
    filter->rc = values == NULL ? SQLITE_NOMEM : filter->rc;
    in->classes = ALL_CLASSES;
    in->values = values;
    if (rc == SQLITE_OK || rc == SQLITE_DONE)
        rc = sqlite3_vtab_in_first(list, &value);
    for (; said && filter->rc == SQLITE_OK && rc == SQLITE_OK && value != NULL; rc = sqlite3_vtab_in_next(list, &value))
        if (sqlite3_value_type(value) != SQLITE_NULL) /* nothing is equal to it */
            said = add_listed(filter, table, in, values, binary, value);
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        filter->rc = rc;
    return said;
}

static void add_compared(struct filter *filter, const struct face_table *table, struct table_constraint *constraint,
                         bool binary, sqlite3_value *value)
{
    sqlite3_value *kept = NULL;
    bool exact = face_key_is_exact(table, constraint->column);
    if (constrain(&table->definition->columns[constraint->column], binary, value, &kept, constraint)) {
        filter->kept[filter->wish.constraint_count++] = kept;
        return;
    }
    sqlite3_value_free(kept);
    filter->partly = filter->partly || !exact;
    /* nothing compares with NULL; an integer is smaller than any text or BLOB */
    filter->none =
        sqlite3_value_type(value) == SQLITE_NULL || (exact && constraint->op != TABLE_LT && constraint->op != TABLE_LE);
}

static void add_step(struct filter *filter, const struct face_table *table, const struct face_step *step,
                     sqlite3_value *value)
{
    struct table_constraint *constraint = &filter->constraints[filter->wish.constraint_count];
    int64_t number = step->op == FACE_LIMIT || step->op == FACE_OFFSET ? sqlite3_value_int64(value) : 0;
    uint64_t rows = number < 0 ? 0 : (uint64_t)number;
    *constraint = (struct table_constraint){.column = step->column, .op = step->op};
    if (step->op == FACE_LIMIT) /* a negative one is none */
        filter->wish.most = number < 0 ? TABLE_ALL_ROWS : rows;
    else if (step->op == FACE_OFFSET)
        filter->wish.skip = rows;
    else if (step->op != TABLE_IN)
        add_compared(filter, table, constraint, step->binary, value);
    else if (add_list(filter, table, constraint, step->binary, value))
        filter->wish.constraint_count++;
    else
        filter->partly = true;
}

static void settle_limits(struct filter *filter, bool skips)
{
    struct table_wish *wish = &filter->wish;
    BASE_INVARIANT(!skips || !filter->partly);
    if (!skips) { /* SQLite leaves them out itself */
        wish->most = wish->skip > TABLE_ALL_ROWS - wish->most ? TABLE_ALL_ROWS : wish->most + wish->skip;
        wish->skip = 0;
    }
    if (filter->partly)
        wish->most = TABLE_ALL_ROWS;
}

static void filter_reset(struct filter *filter)
{
    for (int i = 0; i <= FACE_CONSTRAINTS; i++)
        sqlite3_value_free(filter->kept[i]);
    base_arena_reset(&filter->lists);
}

static int cursor_filter(sqlite3_vtab_cursor *base, int number, const char *plan, int count, sqlite3_value **values)
{
    struct face_cursor *cursor = (struct face_cursor *)base;
    struct face_vtab *vtab = (struct face_vtab *)base->pVtab;
    const struct source_table *definition = vtab->table->definition;
    const struct table_order order = {definition->key_columns, definition->key_count, (number & FACE_BACKWARDS) != 0};
    struct filter filter = {.wish = {.most = TABLE_ALL_ROWS, .order = (number & FACE_ORDERED) ? &order : NULL}};
    struct face_step step;
    const char *steps = face_plan_steps(plan);
    for (int i = 0; i < count && !filter.none && filter.rc == SQLITE_OK; i++) {
        steps = face_plan_step(steps, &step);
        BASE_INVARIANT(step.column < definition->column_count);
        add_step(&filter, vtab->table, &step, values[i]);
    }
    struct table_wish *wish = &filter.wish;
    wish->constraints = filter.constraints;
    settle_limits(&filter, (number & FACE_SKIPS) != 0);
    int rc = filter.rc;
    cursor->number = 0;
    cursor->at_end = filter.none;
    if (rc == SQLITE_OK && !filter.none) {
        struct rhei_error error = RHEI_ERROR_INIT;
        rhei_status status = face_ops_of(vtab->context)->seek(cursor->rows, wish, &error);
        cursor->number = wish->skip;
        rc = status == RHEI_OK ? cursor_next(base) : fail(vtab, status, &error);
    }
    filter_reset(&filter);
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
    face_ops_of(vtab_of(cursor)->context)->value(cursor->rows, (uint32_t)column, &value);
    struct rhei_error why = RHEI_ERROR_INIT;
    if (!is_whole(cursor, &why)) {
        sqlite3_result_error(out, why.message, -1);
        sqlite3_result_error_code(out, SQLITE_IOERR);
        return SQLITE_IOERR;
    }
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
    struct rhei_value value = {.type = RHEI_INTEGER, .as.integer = (int64_t)cursor->number};
    if (table->rowid_column >= 0)
        face_ops_of(vtab_of(cursor)->context)->value(cursor->rows, (uint32_t)table->rowid_column, &value);
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
        .xBestIndex = face_best_index,
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
