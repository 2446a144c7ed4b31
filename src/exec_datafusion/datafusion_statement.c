/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a text reads: the snapshot, its tables in the forms that the text was written for, and whether it may go on.
 *
 * Types come from the flags that the text was written for (executor_query.columns): the mirror's own may have grown by rows that
 * the snapshot doesn't have.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "exec_datafusion/datafusion_internal.h"

/* ---- The pin ----------------------------------------------------------------------------------------------------- */

void df_pin_share(struct df_pin *pin)
{
    atomic_fetch_add_explicit(&pin->references, 1, memory_order_relaxed);
}

void df_pin_drop(struct df_pin *pin)
{
    if (pin == NULL || atomic_fetch_sub_explicit(&pin->references, 1, memory_order_acq_rel) != 1)
        return;
    mirror_snapshot_release(&pin->snapshot);
    base_free(pin);
}

static struct df_pin *pin_new(const struct mirror_snapshot *snapshot)
{
    struct df_pin *pin = base_alloc_zero(1, sizeof *pin);
    if (pin == NULL)
        return NULL;
    atomic_store_explicit(&pin->references, 1, memory_order_relaxed);
    if (mirror_snapshot_clone(snapshot, &pin->snapshot) != RHEI_OK) {
        base_free(pin);
        return NULL;
    }
    return pin;
}

/* ---- Opening ----------------------------------------------------------------------------------------------------- */

static bool copy_values(struct df_statement *statement)
{
    const struct executor_query *query = statement->query;
    if (query->value_count == 0)
        return true;
    statement->values = base_alloc_zero(query->value_count, sizeof *statement->values);
    for (uint32_t i = 0; statement->values != NULL && i < query->value_count; i++) {
        const struct rhei_value *value = &query->values[i];
        struct rhei_df_value *out = &statement->values[i];
        out->type = value->type;
        if (value->type == RHEI_INTEGER)
            out->integer = value->as.integer;
        else if (value->type == RHEI_REAL)
            out->real = value->as.real;
        else if (value->type == RHEI_TEXT || value->type == RHEI_BLOB) {
            out->bytes = value->as.bytes;
            out->length = value->length;
        }
    }
    return statement->values != NULL;
}

/* The query with its ranges and columns behind it, in one block: they are read as long as it runs. */
static struct executor_query *query_copy(const struct executor_query *query)
{
    size_t ranges = query->range_count * sizeof *query->ranges, columns = query->column_count * sizeof *query->columns;
    struct executor_query *copy = base_alloc(sizeof *copy + ranges + columns + 1);
    if (copy == NULL)
        return NULL;
    *copy = *query;
    struct executor_range *own_ranges = (struct executor_range *)(copy + 1);
    struct executor_column *own_columns = (struct executor_column *)(void *)((char *)own_ranges + ranges);
    if (ranges > 0)
        memcpy(own_ranges, query->ranges, ranges);
    if (columns > 0)
        memcpy(own_columns, query->columns, columns);
    copy->ranges = own_ranges;
    if (query->columns != NULL)
        copy->columns = own_columns;
    return copy;
}

rhei_status df_statement_open(const struct executor_query *query, struct df_statement **out, struct rhei_error *error)
{
    struct df_statement *statement = base_alloc_zero(1, sizeof *statement);
    *out = NULL;
    if (statement == NULL)
        return error_no_memory(error);
    base_mutex_init(&statement->mutex);
    statement->query = query_copy(query);
    statement->pin = pin_new(query->snapshot);
    if (statement->query == NULL || statement->pin == NULL || !copy_values(statement)) {
        df_statement_close(&statement);
        return error_no_memory(error);
    }
    *out = statement;
    return RHEI_OK;
}

static void table_free(struct df_table *table)
{
    for (uint32_t i = 0; table->shown != NULL && i < table->count; i++)
        base_free((char *)(uintptr_t)table->shown[i].name);
    base_free(table->shown);
    base_free(table->columns);
    base_free(table);
}

void df_statement_close(struct df_statement **statement)
{
    struct df_statement *old = *statement;
    if (old == NULL)
        return;
    while (old->tables != NULL) {
        struct df_table *table = old->tables;
        old->tables = table->next;
        table_free(table);
    }
    df_pin_drop(old->pin);
    base_free((void *)(uintptr_t)old->query);
    base_free(old->values);
    base_mutex_destroy(&old->mutex);
    base_free(old);
    *statement = NULL;
}

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

static struct df_column form_of(const struct source_column *column, uint32_t source, uint32_t flags, bool native)
{
    static const int32_t kinds[] = {
        [MIRROR_FORM_INTEGER] = RHEI_DF_INTEGER, [MIRROR_FORM_REAL] = RHEI_DF_REAL, [MIRROR_FORM_NUMBER] = RHEI_DF_REAL,
        [MIRROR_FORM_TEXT] = RHEI_DF_TEXT,       [MIRROR_FORM_BLOB] = RHEI_DF_BLOB,
    };
    enum mirror_form form = mirror_form_of(column, flags, native);
    return (struct df_column){.source = source, .kind = kinds[form], .is_number = form == MIRROR_FORM_NUMBER};
}

static uint32_t flags_of(const struct executor_query *query, const struct df_table *table, uint32_t column)
{
    for (uint32_t i = 0; query->columns != NULL && i < query->column_count; i++)
        if (query->columns[i].scan == table->scan && query->columns[i].column == column)
            return query->columns[i].flags;
    return mirror_view_column_flags(table->view, column);
}

/*
 * Takes the name, also on failure; NULL: there was no memory for it. A column that can't be read is shown as what it would be:
 * where a plan comes out without it, what stands beside it in a CASE keeps its own type.
 */
static bool add_column(struct df_table *table, char *name, struct df_column form, bool readable, bool nullable)
{
    if (name == NULL)
        return false;
    table->shown[table->count] =
        (struct rhei_df_column){.name = name, .kind = form.kind != 0 ? form.kind : RHEI_DF_TEXT, .nullable = nullable};
    form.kind = readable ? form.kind : 0;
    table->columns[table->count++] = form;
    return true;
}

/* Behind the table's own columns. Where its name is taken the number can't be read. */
static bool add_flag_column(struct df_table *table, uint32_t number)
{
    struct df_column form = table->columns[number];
    bool taken = false;
    char *name = mirror_flag_name(mirror_view_definition(table->view), form.source, &taken);
    form.kind = RHEI_DF_TRUTH;
    if (taken)
        table->columns[number].kind = 0;
    return taken || add_column(table, name, form, true, table->shown[number].nullable != 0);
}

static bool add_columns(struct df_table *table, const struct executor_query *query)
{
    const struct source_table *definition = mirror_view_definition(table->view);
    uint32_t columns = mirror_view_column_count(table->view);
    for (uint32_t i = 0; i < columns; i++) {
        uint32_t flags = flags_of(query, table, i);
        struct df_column form = form_of(&definition->columns[i], i, flags, query->native);
        bool readable = /* F6 */
            (mirror_view_column_flags(table->view, i) & (MIRROR_INFINITE | MIRROR_NEGATIVE_ZERO)) == 0;
        bool nullable = (flags & MIRROR_HAS_NULL) != 0 || (flags & MIRROR_CLASSES) == 0;
        if (query->native && definition->columns[i].is_rowid)
            continue;
        if (!add_column(table, base_strdup(definition->columns[i].name), form, readable, nullable))
            return false;
    }
    uint32_t own = table->count;
    for (uint32_t i = 0; i < own && !query->native; i++)
        if (table->columns[i].is_number && !add_flag_column(table, i))
            return false;
    return true;
}

static struct df_table *table_new(struct df_statement *statement, uint32_t number, uint32_t scan)
{
    const struct mirror_table_view *view = mirror_view(&statement->pin->snapshot, number);
    struct df_table *table = view != NULL ? base_alloc_zero(1, sizeof *table) : NULL;
    if (table == NULL)
        return NULL;
    size_t most = 2 * (size_t)mirror_view_column_count(view) + 1;
    table->view = view;
    table->table = number;
    table->scan = scan;
    table->columns = base_alloc_zero(most, sizeof *table->columns);
    table->shown = base_alloc_zero(most, sizeof *table->shown);
    if (table->columns != NULL && table->shown != NULL && add_columns(table, statement->query))
        return table;
    table_free(table);
    return NULL;
}

const struct df_table *df_statement_find(struct df_statement *statement, uint32_t number, uint32_t scan)
{
    base_mutex_lock(&statement->mutex);
    struct df_table *table = statement->tables;
    while (table != NULL && (table->table != number || table->scan != scan))
        table = table->next;
    if (table == NULL) {
        table = table_new(statement, number, scan);
        if (table != NULL) {
            table->next = statement->tables;
            statement->tables = table;
        }
    }
    base_mutex_unlock(&statement->mutex);
    return table;
}

/* ---- Callbacks --------------------------------------------------------------------------------------------------- */

int32_t df_fail(struct df_statement *statement, rhei_status status, struct rhei_df_error *error, const char *format,
                ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->message, sizeof error->message, format, arguments);
    va_end(arguments);
    int none = RHEI_OK; /* the first failure stays */
    atomic_compare_exchange_strong(&statement->failed, &none, (int)status);
    error->status = RHEI_DF_HOST;
    return error->status;
}

/*
 * DataFusion takes a fifth of a table's rows for what a filter leaves, having no statistics of ours. So where a filter's conditions are
 * known as ranges it is told five times what they leave, at most all.
 */
static uint64_t rows_told(const struct executor_query *query, const struct df_table *table)
{
    uint64_t live = mirror_view_row_count(table->view);
    uint64_t left = mirror_rows_expected(table->view, table->scan, query->ranges, query->range_count);
    return 5 * left + 1 < live ? 5 * left + 1 : live;
}

int32_t df_statement_table(void *context, uint32_t number, uint32_t scan, struct rhei_df_table *out,
                           struct rhei_df_error *error)
{
    struct df_statement *statement = context;
    const struct df_table *table = df_statement_find(statement, number, scan);
    if (table == NULL && mirror_view(&statement->pin->snapshot, number) != NULL)
        return df_fail(statement, RHEI_NO_MEMORY, error, "out of memory");
    if (table == NULL)
        return df_fail(statement, RHEI_SQL, error, "the mirror has no such table at this position");
    bool filtered = false;
    for (uint32_t i = 0; i < statement->query->range_count; i++)
        filtered = filtered || statement->query->ranges[i].scan == scan;
    uint64_t live = mirror_view_row_count(table->view);
    *out = (struct rhei_df_table){.columns = table->shown,
                                  .column_count = table->count,
                                  .rows = live,
                                  .told = filtered ? rows_told(statement->query, table) : live,
                                  .exact = !filtered};
    return RHEI_DF_OK;
}

int32_t df_statement_named(void *context, const char *name, uint32_t *table, struct rhei_df_error *error)
{
    struct df_statement *statement = context;
    /* as the engine writes what FOR SYSTEM_TIME stands for; its tables' names are nobody else's */
    const char *plain = strncmp(name, "history.", 8) == 0 ? name + 8 : name;
    if (statement->query->native && mirror_view_named(&statement->pin->snapshot, plain, table) != NULL)
        return RHEI_DF_OK;
    return df_fail(statement, RHEI_SQL, error, "there is no table \"%s\" in the column store", name);
}

int32_t df_statement_check(void *context)
{
    struct df_statement *statement = context;
    const struct executor_stop *stop = &statement->query->stop;
    int stopped = atomic_load_explicit(&statement->stopped, memory_order_acquire);
    if (stopped != RHEI_OK || stop->check == NULL)
        return stopped;
    rhei_status status = stop->check(stop->context);
    if (status == RHEI_OK)
        return RHEI_OK;
    int none = RHEI_OK; /* the first answer stays */
    atomic_compare_exchange_strong(&statement->stopped, &none, (int)status);
    return atomic_load_explicit(&statement->stopped, memory_order_acquire);
}
