/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements: the text, checked once; every room below caches what it made of it. */
#include <string.h>

#include "engine/engine_internal.h"

struct rhei_statement {
    struct rhei_db *db;
    char *sql;
    struct route_statement *described; /* names and counts, as of the schema when they were last asked for */
};

/*
 * Describes it anew if the schema changed. A text that the new one has no answer to keeps its old description: running it says
 * what is wrong.
 */
static void describe_again(rhei_statement *statement)
{
    const struct oltp_catalog *catalog = NULL;
    if (oltp_catalog_try(statement->db->oltp, &catalog, NULL) != RHEI_OK)
        return;
    bool current = route_statement_is_native(statement->described) ||
                   route_statement_facts(statement->described)->schema_version == catalog->schema_version;
    oltp_catalog_release(&catalog);
    struct route_statement *described = NULL;
    if (current ||
        route_statement_get(statement->db->route, statement->sql, strlen(statement->sql), &described, NULL) != RHEI_OK)
        return;
    route_statement_release(&statement->described);
    statement->described = described;
}

rhei_status rhei_prepare(rhei_db *db, const char *sql, rhei_statement **statement, struct rhei_error *error)
{
    if (db == NULL || sql == NULL || statement == NULL)
        return error_set(error, RHEI_INVALID, "rhei_prepare needs a handle, an SQL text and a place for the statement");
    *statement = NULL;
    struct route_statement *described = NULL;
    rhei_status status = route_statement_get(db->route, sql, strlen(sql), &described, error);
    if (status != RHEI_OK)
        return status;
    const struct oltp_facts *facts = route_statement_facts(described);
    if (facts->has_tail)
        status = error_set(error, RHEI_SQL, "one statement at a time: another one starts after byte %zu",
                           facts->statement_length);
    else if (facts->kind == OLTP_TRANSACTION)
        status = error_set(error, RHEI_TRANSACTION, "BEGIN, COMMIT and the like belong to a session");
    else if (facts->kind == OLTP_EMPTY && !route_statement_is_native(described))
        status = error_set(error, RHEI_INVALID, "the text holds no statement");
    rhei_statement *made = status == RHEI_OK ? base_alloc_zero(1, sizeof *made) : NULL;
    if (made != NULL)
        made->sql = base_strdup(sql);
    if (status == RHEI_OK && (made == NULL || made->sql == NULL)) {
        base_free(made);
        status = error_no_memory(error);
    }
    if (status != RHEI_OK) {
        route_statement_release(&described);
        return status;
    }
    made->db = db;
    made->described = described;
    *statement = made;
    return RHEI_OK;
}

uint32_t rhei_statement_parameter_count(const rhei_statement *statement)
{
    return statement == NULL ? 0 : route_statement_facts(statement->described)->parameter_count;
}

uint32_t rhei_statement_column_count(const rhei_statement *statement)
{
    if (statement == NULL)
        return 0;
    describe_again((rhei_statement *)(uintptr_t)statement); /* its owner's alone, and never made const */
    return route_statement_facts(statement->described)->column_count;
}

const char *rhei_statement_column_name(const rhei_statement *statement, uint32_t column)
{
    if (statement == NULL || column >= route_statement_facts(statement->described)->column_count)
        return "";
    return route_statement_facts(statement->described)->column_names[column];
}

bool rhei_statement_is_read_only(const rhei_statement *statement)
{
    return statement != NULL &&
           (route_statement_is_native(statement->described) || route_statement_facts(statement->described)->read_only);
}

rhei_status rhei_statement_execute(rhei_statement *statement, const struct rhei_params *params,
                                   struct rhei_result *result, struct rhei_error *error)
{
    if (statement == NULL)
        return error_set(error, RHEI_INVALID, "there is no statement: rhei_prepare failed, or it was closed");
    return rhei_execute(statement->db, statement->sql, params, result, error);
}

rhei_status rhei_statement_query(rhei_statement *statement, const struct rhei_params *params,
                                 const struct rhei_query_options *options, rhei_rows **rows, struct rhei_error *error)
{
    if (statement == NULL)
        return error_set(error, RHEI_INVALID, "there is no statement: rhei_prepare failed, or it was closed");
    return rhei_query(statement->db, statement->sql, params, options, rows, error);
}

rhei_status rhei_statement_query_arrow(rhei_statement *statement, const struct rhei_params *params,
                                       const struct rhei_query_options *options, struct ArrowArrayStream *stream,
                                       struct rhei_error *error)
{
    if (statement == NULL)
        return error_set(error, RHEI_INVALID, "there is no statement: rhei_prepare failed, or it was closed");
    return rhei_query_arrow(statement->db, statement->sql, params, options, stream, error);
}

void rhei_statement_close(rhei_statement **statement)
{
    if (statement == NULL || *statement == NULL)
        return;
    route_statement_release(&(*statement)->described);
    base_free((*statement)->sql);
    base_free(*statement);
    *statement = NULL;
}
