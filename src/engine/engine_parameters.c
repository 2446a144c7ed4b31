/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrow types that the parameters of a statement are told by, for clients that can bind nothing before they are told one. SQLite gives the declared
 * types of the columns beside which they stand (sql_uses.h says how those are found); nothing is run but the look at an INSERT's columns.
 */
#include <string.h>

#include "arrow/arrow_usual.h"
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"
#include "sql/sql_uses.h"

enum { MOST_BYTES = 1 << 20 }; /* of a statement that is looked at */

struct types {
    struct rhei_db *db;
    struct rhei_session *session; /* NULL: none */
    struct sql_uses uses;
    rhei_statement *probe; /* NULL: none, or SQLite didn't take it, and then its columns are unknown */
    const char **places;   /* formats */
    uint32_t place_count;
};

/* An INSERT without a list of columns means those that aren't generated or hidden, in their order. */
static void read_places(struct types *types)
{
    static const char sql[] = "SELECT type FROM pragma_table_xinfo(?, ?) WHERE hidden = 0 ORDER BY cid";
    const struct sql_source *insert = types->uses.insert;
    const char *schema = insert->schema.text == NULL ? "main" : insert->schema.text;
    struct rhei_value values[] = {rhei_text(insert->name.text), rhei_text(schema)};
    const struct rhei_params params = {values, 2};
    rhei_rows *rows = NULL;
    size_t capacity = 0;
    rhei_status status = types->session == NULL ? rhei_query(types->db, sql, &params, NULL, &rows, NULL)
                                                : rhei_session_query(types->session, sql, &params, NULL, &rows, NULL);
    while (status == RHEI_OK && rhei_rows_next(rows, NULL) == RHEI_ROW) {
        void *places = types->places;
        if (!base_grow(&places, &capacity, types->place_count + 1, sizeof *types->places))
            break;
        types->places = places;
        const char *type = rhei_rows_text(rows, 0);
        types->places[types->place_count++] = arrow_declared_format(type == NULL ? "" : type);
    }
    rhei_rows_close(&rows);
}

static const char *format_of(const struct types *types, const struct sql_parameter_use *use)
{
    switch (use->use) {
    case SQL_USE_INTEGER:
        return "l";
    case SQL_USE_REAL:
        return "g";
    case SQL_USE_BLOB:
        return "z";
    case SQL_USE_TYPE:
        return arrow_declared_format(use->type);
    case SQL_USE_COLUMN:
        return types->probe == NULL ? "u" : arrow_declared_format(types->probe->shape.column_types[use->column]);
    case SQL_USE_PLACE:
        return use->column < types->place_count ? types->places[use->column] : "u";
    default:
        return "u";
    }
}

/* What SQLite says of the columns; where it says nothing, they stay unknown. */
static void ask_sqlite(struct types *types)
{
    if (types->uses.probe_columns > 0 && types->session != NULL)
        (void)rhei_session_prepare(types->session, types->uses.probe.data, &types->probe, NULL);
    else if (types->uses.probe_columns > 0)
        (void)rhei_prepare(types->db, types->uses.probe.data, &types->probe, NULL);
    if (types->uses.insert != NULL)
        read_places(types);
}

static rhei_status formats_of(const rhei_statement *statement, struct sql_tree *tree, const char **formats,
                              struct rhei_error *error)
{
    struct types types = {.db = statement->db, .session = statement->session};
    rhei_status status = sql_uses_read(tree, &types.uses, error);
    if (status == RHEI_OK)
        ask_sqlite(&types);
    for (uint32_t i = 0; status == RHEI_OK && i < statement->shape.parameter_count && i < types.uses.count; i++)
        formats[i] = format_of(&types, &types.uses.parameters[i]);
    rhei_statement_close(&types.probe);
    base_free(types.places);
    sql_uses_reset(&types.uses);
    return status;
}

rhei_status rhei_statement_parameter_formats(rhei_statement *statement, const char **formats, struct rhei_error *error)
{
    error_clear(error);
    if (statement == NULL || formats == NULL)
        return error_set(error, RHEI_INVALID,
                         "rhei_statement_parameter_formats needs a statement and a place for its parameters' formats");
    const char *text = statement->past != NULL ? statement->past : statement->sql;
    struct sql_tree *tree = NULL;
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < statement->shape.parameter_count; i++)
        formats[i] = "u";
    bool short_enough = strlen(text) <= MOST_BYTES;
    if (statement->shape.parameter_count > 0 && short_enough && sql_parse(text, strlen(text), &tree, NULL) == RHEI_OK)
        status = formats_of(statement, tree, formats, error);
    sql_tree_free(&tree);
    return status;
}
