/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrow types that the parameters of a statement are told by, for clients that can bind nothing before they are told one. SQLite gives the declared
 * types of the columns beside which they stand (sql_uses.h says how those are found); nothing is run but the look at an INSERT's columns.
 */
#include <string.h>

#include "arrow/arrow_usual.h"
#include "base/base_map.h"
#include "engine/engine_internal.h"
#include "rhei/rhei_doors.h"
#include "sql/sql_uses.h"

enum { MOST_BYTES = 1 << 20, MOST_VIEWS = 32 }; /* of a statement that is looked at */

struct view {
    const struct sql_name *name; /* a tree's */
    struct sql_tree *tree;       /* NULL: it is no view */
};

struct types {
    struct rhei_db *db;
    struct rhei_session *session; /* NULL: none */
    struct sql_uses uses;
    rhei_statement *probe; /* NULL: none, or SQLite didn't take it, and then its columns are unknown */
    const char **places;   /* formats */
    uint32_t place_count;
    struct view views[MOST_VIEWS]; /* that were looked for */
    uint32_t view_count;
};

static rhei_status ask(struct types *types, const char *sql, const struct rhei_params *params, rhei_rows **rows)
{
    return types->session == NULL ? rhei_query(types->db, sql, params, NULL, rows, NULL)
                                  : rhei_session_query(types->session, sql, params, NULL, rows, NULL);
}

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
    rhei_status status = ask(types, sql, &params, &rows);
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

static struct sql_tree *view_of(struct types *types, const struct sql_name *name)
{
    static const char sql[] = "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ? COLLATE NOCASE";
    struct rhei_value value = rhei_text(name->text);
    const struct rhei_params params = {&value, 1};
    rhei_rows *rows = NULL;
    struct sql_tree *tree = NULL;
    if (ask(types, sql, &params, &rows) == RHEI_OK && rhei_rows_next(rows, NULL) == RHEI_ROW) {
        const char *text = rhei_rows_text(rows, 0);
        if (text != NULL && sql_parse(text, strlen(text), &tree, NULL) == RHEI_OK && tree->view == NULL)
            sql_tree_free(&tree);
    }
    rhei_rows_close(&rows);
    return tree;
}

/* For sql_uses_read. */
static const struct sql_view *find_view(void *context, const struct sql_name *schema, const struct sql_name *name)
{
    struct types *types = context;
    if (schema->text != NULL && !base_fold_equal(schema->text, schema->length, "main", 4))
        return NULL;
    uint32_t i = 0;
    while (i < types->view_count &&
           !base_fold_equal(types->views[i].name->text, types->views[i].name->length, name->text, name->length))
        i++;
    if (i == MOST_VIEWS)
        return NULL;
    if (i == types->view_count)
        types->views[types->view_count++] = (struct view){name, view_of(types, name)};
    return types->views[i].tree == NULL ? NULL : types->views[i].tree->view;
}

static const char *format_of(const struct types *types, const struct sql_parameter_use *use);

/* Integers and REALs of two parts are numbers, for which a double stands beside arithmetic too. */
static const char *agreed_format(const struct types *types, const struct sql_agreement *agreement)
{
    const char *a = format_of(types, &agreement->sides[0]), *b = format_of(types, &agreement->sides[1]);
    bool numbers = (*a == 'l' || *a == 'g') && (*b == 'l' || *b == 'g');
    return strcmp(a, b) == 0 ? a : numbers ? "g" : "u";
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
    case SQL_USE_AGREED:
        return agreed_format(types, &types->uses.agreements[use->column]);
    default:
        return "u";
    }
}

/* What SQLite says of the columns; where it says nothing, they stay unknown. */
static void ask_sqlite(struct types *types)
{
    if (types->uses.probe_columns > 0)
        (void)engine_prepare(types->db, types->session, types->uses.probe.data, &types->probe, NULL);
    if (types->uses.insert != NULL)
        read_places(types);
}

/* What SQLite tells no declared type of may be an expression of a view's. */
static bool has_untyped(const struct types *types)
{
    if (types->probe == NULL)
        return types->uses.probe_columns > 0;
    for (uint32_t c = 0; c < types->uses.probe_columns; c++) {
        const char *type = types->probe->shape.column_types[c];
        if (type == NULL || type[0] == '\0')
            return true;
    }
    return false;
}

static void forget(struct types *types)
{
    rhei_statement_close(&types->probe);
    base_free(types->places);
    types->places = NULL;
    types->place_count = 0;
    sql_uses_reset(&types->uses);
}

/* Views are looked for where that may tell more: it costs a question to the schema for each table. */
static rhei_status look(struct types *types, const struct sql_tree *tree, const struct sql_views *views,
                        struct rhei_error *error)
{
    rhei_status status = sql_uses_read(tree, NULL, &types->uses, error);
    if (status == RHEI_OK)
        ask_sqlite(types);
    if (status != RHEI_OK || !has_untyped(types))
        return status;
    forget(types);
    status = sql_uses_read(tree, views, &types->uses, error);
    if (status == RHEI_OK)
        ask_sqlite(types);
    return status;
}

static rhei_status formats_of(const rhei_statement *statement, struct sql_tree *tree, const char **formats,
                              struct rhei_error *error)
{
    struct types types = {.db = statement->db, .session = statement->session};
    const struct sql_views views = {find_view, &types};
    rhei_status status = look(&types, tree, &views, error);
    for (uint32_t i = 0; status == RHEI_OK && i < statement->shape.parameter_count && i < types.uses.count; i++)
        formats[i] = format_of(&types, &types.uses.parameters[i]);
    forget(&types);
    for (uint32_t i = 0; i < types.view_count; i++)
        sql_tree_free(&types.views[i].tree);
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
