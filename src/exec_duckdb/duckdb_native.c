/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts in DuckDB's own dialect. Table names become scans of the mirror by a replacement scan; what a text may do is
 * bounded by DuckDB's settings (no files, no extensions, no settings), by the statement's kind (duckdb_plan.c), and here,
 * by its words: some of DuckDB's functions change the database or the connection from inside a SELECT
 * (enable_logging() can even make it unusable for everybody), and no setting forbids them.
 */
#include <string.h>
#include <strings.h>

#include "base/base_error.h"
#include "exec_duckdb/duckdb_internal.h"
#include "sql/sql_native_lexer.h"

/* ---- What a text may call ----------------------------------------------------------------------------------------- */

/* Ends in '*': whatever begins so. */
static const char *const forbidden_functions[] = {
    "rhei_*", /* an ORDER BY inside these would crash DuckDB */
    "prm_*",           "mirror_*",
    "enable_*",        "disable_*",
    "verify_*",        "force_checkpoint",
    "checkpoint",      "truncate_duckdb_logs",
    "write_log",       "setseed",
    "nextval",         "currval",
    "query",           "query_table", /* SQL in a string */
    "json_execute_*",  "arrow_scan*", /* addresses */
    "seq_scan",        "copy_database",
    "import_database", "read_duckdb",
    "python_*",        "pandas_scan",
    "read_*",          "parquet_*",
    "sniff_csv",       "glob",         /* files, should a setting ever let them through */
    "current_setting", "which_secret", /* where the service's folders are */
};

/*
 * One call of these takes as long as the product of two texts' lengths, and damerau_levenshtein() as much memory, which DuckDB doesn't count.
 * No time limit is looked at within a call.
 */
static const char *const endless_functions[] = {
    "levenshtein", "editdist3", "damerau_levenshtein", "jaro_similarity", "jaro_winkler_similarity",
};

/*
 * DuckDB's own catalog knows no table of the mirror's: what lists tables or settings would be empty or beside the point, and
 * its views hide mirrored tables of the same name. SQLite has the schema.
 */
static const char *const catalog_names[] = {
    "information_schema",
    "pg_catalog",
    "sqlite_master",
    "sqlite_schema",
    "sqlite_temp_master",
    "sqlite_temp_schema",
    "duckdb_columns",
    "duckdb_constraints",
    "duckdb_databases",
    "duckdb_indexes",
    "duckdb_logs",
    "duckdb_schemas",
    "duckdb_tables",
    "duckdb_types",
    "duckdb_views",
    "pg_am",
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_database",
    "pg_depend",
    "pg_description",
    "pg_enum",
    "pg_index",
    "pg_indexes",
    "pg_namespace",
    "pg_prepared_statements",
    "pg_proc",
    "pg_sequence",
    "pg_sequences",
    "pg_settings",
    "pg_tables",
    "pg_tablespace",
    "pg_type",
    "pg_views",
    "pragma_database_list",
};
static const char *const catalog_functions[] = {"duckdb_*", "pragma_*", "show_*"};

static bool has_name(const struct sql_native_token *name, const char *const *patterns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(patterns[i]);
        bool prefix = patterns[i][length - 1] == '*';
        length -= prefix;
        if ((prefix ? name->length >= length : name->length == length) &&
            strncasecmp(name->start, patterns[i], length) == 0)
            return true;
    }
    return false;
}

#define COUNT_OF(list) (sizeof(list) / sizeof(list)[0])

static rhei_status no_catalog(const struct sql_native_token *name, struct rhei_error *error)
{
    return error_set(error, RHEI_UNSUPPORTED,
                     "%.*s: the column store has no schema of its own to show; ask SQLite's sqlite_schema and "
                     "pragma_table_info()",
                     (int)name->length, name->start);
}

static rhei_status unclosed(struct rhei_error *error)
{
    return error_set(error, RHEI_SQL, "a string, quoted name or comment in the statement isn't closed");
}

/* SHOW, or a DESCRIBE of nothing, where a statement begins. */
static bool lists_tables(const struct sql_native_token *previous, const struct sql_native_token *token)
{
    bool begins = previous->length == 0 || sql_native_sign(previous, '(') || sql_native_is(previous, "explain") ||
                  sql_native_is(previous, "analyze");
    if (!begins || (!sql_native_is(token, "show") && !sql_native_is(token, "describe")))
        return false;
    struct sql_native_token next = sql_native_next(token->end);
    return sql_native_is(token, "show") || next.kind == SQL_NATIVE_END || sql_native_sign(&next, ';') ||
           sql_native_sign(&next, ')');
}

rhei_status duck_native_check(const char *sql, struct rhei_error *error)
{
    struct sql_native_token previous = {.kind = SQL_NATIVE_OTHER, .start = "", .length = 0};
    struct sql_native_token token = sql_native_next(sql);
    bool calls = sql_native_is(&token, "call"); /* no SELECT: its kind is refused */
    for (; token.kind != SQL_NATIVE_END; token = sql_native_next(token.end)) {
        if (token.kind == SQL_NATIVE_UNCLOSED)
            return unclosed(error);
        if (sql_native_sign(&previous, ';') && !sql_native_sign(&token, ';'))
            return error_set(error, RHEI_SQL, "one statement at a time: something follows the semicolon");
        if (sql_native_sign(&token, '(') && previous.kind == SQL_NATIVE_NAME &&
            has_name(&previous, forbidden_functions, COUNT_OF(forbidden_functions)))
            return error_set(error, RHEI_UNSUPPORTED,
                             "the function %.*s may not be called: it reaches beyond the query", (int)previous.length,
                             previous.start);
        if (sql_native_sign(&token, '(') && previous.kind == SQL_NATIVE_NAME &&
            has_name(&previous, endless_functions, COUNT_OF(endless_functions)))
            return error_set(error, RHEI_UNSUPPORTED,
                             "the function %.*s may not be called: on long texts one call takes hours, and no time "
                             "limit ends it; compare the texts in the program",
                             (int)previous.length, previous.start);
        if (!calls && sql_native_sign(&token, '(') && previous.kind == SQL_NATIVE_NAME &&
            has_name(&previous, catalog_functions, COUNT_OF(catalog_functions)))
            return no_catalog(&previous, error);
        if (lists_tables(&previous, &token) ||
            (token.kind == SQL_NATIVE_NAME && has_name(&token, catalog_names, COUNT_OF(catalog_names))))
            return no_catalog(&token, error);
        previous = token;
    }
    return RHEI_OK;
}

/* Behind a bracketed list of options. */
static struct sql_native_token skip_options(struct sql_native_token token)
{
    int depth = 0;
    while (token.kind != SQL_NATIVE_END && token.kind != SQL_NATIVE_UNCLOSED) {
        depth += sql_native_sign(&token, '(');
        depth -= sql_native_sign(&token, ')');
        token = sql_native_next(token.end);
        if (depth == 0)
            break;
    }
    return token;
}

const char *duck_native_explained(const char *sql)
{
    struct sql_native_token token = sql_native_next(sql);
    if (!sql_native_is(&token, "explain"))
        return sql;
    token = sql_native_next(token.end);
    while (sql_native_is(&token, "analyze") || sql_native_is(&token, "verbose"))
        token = sql_native_next(token.end);
    /* EXPLAIN (ANALYZE, FORMAT json) SELECT, but EXPLAIN (SELECT 1) too */
    if (sql_native_sign(&token, '(')) {
        struct sql_native_token inside = sql_native_next(token.end);
        if (sql_native_is(&inside, "analyze") || sql_native_is(&inside, "format") || sql_native_is(&inside, "verbose"))
            token = skip_options(token);
    }
    return token.kind == SQL_NATIVE_UNCLOSED ? sql : token.start - token.quoted;
}

/* ---- Names of tables ---------------------------------------------------------------------------------------------- */

/* Called for names that DuckDB's catalog doesn't have, without telling for whom: the scan's bind knows. */
static void replace_name(duckdb_replacement_scan_info info, const char *name, void *context)
{
    struct duck_database *database = context;
    const struct duck_api *api = database->executor->api;
    duckdb_value value = api->create_varchar(name);
    api->replacement_scan_set_function_name(info, "mirror_table");
    api->replacement_scan_add_parameter(info, value);
    api->destroy_value(&value);
}

void duck_native_register(struct duck_database *database)
{
    database->executor->api->add_replacement_scan(database->handle, replace_name, database, NULL);
}
