/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the catalogue says of rows that were written before a column was added: the value that they show in it (attmissingval) for as long as the table isn't
 * written anew, NULL of a column without a default, and nothing of any other: its default was computed row by row, or its table written anew.
 */
#include "source_postgres/postgres_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base_error.h"

enum { NAME, HAS_DEFAULT, MISSING };

static const char added_sql[] =
    "SELECT a.attname, a.atthasdef OR a.attgenerated <> '' OR a.attidentity <> '' OR y.typtype = 'd',"
    " CASE WHEN a.atthasmissing THEN (a.attmissingval::pg_catalog.text::pg_catalog.text[])[1] END"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type y ON y.oid = a.atttypid"
    " WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped";

static const struct rhei_value none = {.type = RHEI_NULL};

/* NULL: nothing is known. */
static const struct rhei_value *read_value(const struct postgres_connection *connection, const PGresult *result,
                                           int row, enum postgres_form form, struct base_arena *arena)
{
    if (connection->api->getisnull(result, row, MISSING))
        return postgres_cell(connection, result, row, HAS_DEFAULT)[0] == 'f' ? &none : NULL;
    const char *text = base_arena_text(arena, postgres_cell(connection, result, row, MISSING));
    struct rhei_value *value = base_arena_zero(arena, 1, sizeof *value);
    return text != NULL && value != NULL && postgres_text_value(form, text, strlen(text), arena, value) ? value : NULL;
}

rhei_status postgres_added_values(const struct postgres_table *table, struct postgres_connection *connection,
                                  int64_t deadline_ns, struct base_arena *arena, const struct rhei_value *const **added,
                                  struct rhei_error *error)
{
    enum { SINCE = 120000 }; /* before, generated columns aren't told apart */
    char oid[16];
    const char *const parameters[] = {oid};
    PGresult *result = NULL;
    if (connection->version < SINCE)
        return RHEI_OK;
    const struct rhei_value **values = base_arena_zero(arena, (size_t)table->column_count + 1, sizeof *values);
    if (values == NULL)
        return error_no_memory(error);
    snprintf(oid, sizeof oid, "%" PRIu32, table->oid);
    rhei_status status =
        postgres_query(connection, "initial load", added_sql, 1, parameters, deadline_ns, &result, error);
    for (int row = 0; status == RHEI_OK && row < connection->api->ntuples(result); row++)
        for (uint32_t c = 0; c < table->column_count; c++)
            if (strcmp(table->columns[c].name, postgres_cell(connection, result, row, NAME)) == 0)
                values[c] = read_value(connection, result, row, table->columns[c].form, arena);
    postgres_clear(connection, &result);
    *added = values;
    return status;
}
