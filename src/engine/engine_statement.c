/* SPDX-License-Identifier: Apache-2.0 */
/* Prepared statements: the text, checked once; every room below caches what it made of it. */
#include <string.h>

#include "engine/engine_history.h"
#include "rhei/rhei_doors.h"
#include "sql/sql_parameters.h"

static void free_names(char **names, uint32_t count)
{
    for (uint32_t i = 0; names != NULL && i < count; i++)
        base_free(names[i]);
    base_free(names);
}

/* What is described: the question about the present that one about the past was made. */
static const char *text_of(const struct rhei_statement *statement)
{
    return statement->past != NULL ? statement->past : statement->sql;
}

bool engine_statement_is_native(const struct rhei_statement *statement)
{
    return statement->described != NULL && route_statement_is_native(statement->described);
}

static rhei_status keep_names(struct rhei_statement *statement, const struct sql_parameter_names *names,
                              struct rhei_error *error)
{
    uint32_t count = statement->shape.parameter_count;
    statement->named_count = count;
    statement->parameter_names = base_alloc_zero((size_t)count + 1, sizeof *statement->parameter_names);
    if (statement->parameter_names == NULL)
        return error_no_memory(error);
    for (uint32_t i = 0; i < names->count; i++) {
        const struct sql_parameter_name *name = &names->names[i];
        if (name->number == 0 || name->number > count || statement->parameter_names[name->number - 1] != NULL)
            continue;
        statement->parameter_names[name->number - 1] = base_strndup(name->text, name->length);
        if (statement->parameter_names[name->number - 1] == NULL)
            return error_no_memory(error);
    }
    return RHEI_OK;
}

static rhei_status name_parameters(struct rhei_statement *statement, struct rhei_error *error)
{
    struct sql_parameter_names names;
    bool native = engine_statement_is_native(statement);
    if (statement->shape.parameter_count == 0)
        return RHEI_OK;
    if (!(native ? sql_parameter_names_read_native : sql_parameter_names_read)(statement->sql, strlen(statement->sql),
                                                                               &names))
        return error_no_memory(error);
    rhei_status status = keep_names(statement, &names, error);
    sql_parameter_names_reset(&names);
    return status;
}

static void use_shape(struct rhei_statement *statement, const struct oltp_facts *facts)
{
    statement->shape = (struct oltp_shape){
        .kind = facts->kind,
        .read_only = engine_statement_is_native(statement) || facts->read_only,
        .parameter_count = facts->parameter_count,
        .column_count = facts->column_count,
        .column_names = (const char **)(uintptr_t)facts->column_names,
        .column_types = facts->column_types,
    };
}

static void use_facts(struct rhei_statement *statement)
{
    use_shape(statement, route_statement_facts(statement->described));
    oltp_facts_reset(&statement->unsettled);
}

/* While a writer holds back what the changed schema needs: SQLite's word alone, which needs nothing, and is not kept. */
static void describe_unsettled(struct rhei_statement *statement)
{
    struct oltp_facts facts = {0};
    if (oltp_describe(statement->db->oltp, text_of(statement), strlen(text_of(statement)), &facts, NULL) != RHEI_OK)
        return;
    use_shape(statement, &facts);
    oltp_facts_reset(&statement->unsettled);
    statement->unsettled = facts;
}

/*
 * Describes it anew if the schema changed. A text that the new one has no answer to keeps its old description: running it says
 * what is wrong.
 */
void engine_statement_settle(rhei_statement *statement)
{
    const struct capture_catalog *catalog = NULL;
    if (statement->described == NULL || engine_statement_is_native(statement))
        return;
    rhei_status status = capture_catalog_try(statement->db->oltp, &catalog, NULL);
    if (status == RHEI_BUSY)
        describe_unsettled(statement);
    if (status != RHEI_OK)
        return;
    bool current = route_statement_facts(statement->described)->schema_version == catalog->schema_version;
    capture_catalog_release(&catalog);
    struct route_statement *described = NULL;
    if (!current && route_statement_get(statement->db->route, text_of(statement), strlen(text_of(statement)),
                                        &described, NULL) == RHEI_OK) {
        route_statement_release(&statement->described);
        statement->described = described;
        current = true;
    }
    if (current)
        use_facts(statement);
}

static rhei_status describe(struct rhei_statement *statement, struct rhei_error *error)
{
    rhei_status status = route_statement_get(statement->db->route, text_of(statement), strlen(text_of(statement)),
                                             &statement->described, error);
    if (status != RHEI_OK)
        return status;
    const struct oltp_facts *facts = route_statement_facts(statement->described);
    if (facts->has_tail)
        return engine_second_statement(text_of(statement), strlen(text_of(statement)), facts->statement_length, error);
    use_facts(statement);
    return RHEI_OK;
}

rhei_status engine_prepare(rhei_db *db, rhei_session *session, const char *sql, rhei_statement **statement,
                           struct rhei_error *error)
{
    size_t inner = 0;
    if (route_explained_text(sql, strlen(sql), &inner) != NULL)
        return error_set(error, RHEI_UNSUPPORTED, "EXPLAIN ROUTE isn't prepared: give its text to rhei_query");
    rhei_statement *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    *made = (struct rhei_statement){.db = db, .session = session, .sql = base_strdup(sql)};
    struct rhei_value *times = NULL;
    rhei_status status = made->sql == NULL ? error_no_memory(error) : RHEI_OK;
    if (status == RHEI_OK)
        status = engine_history_rewrite(
            &(struct engine_history_text){.db = db, .session = session, .sql = sql, .len = strlen(sql)}, &made->past,
            &times, error);
    if (status == RHEI_OK)
        status = session != NULL && rhei_session_in_transaction(session)
                     ? oltp_session_shape(session->oltp, text_of(made), strlen(text_of(made)), &made->shape, error)
                     : describe(made, error);
    status = engine_history_explain(db, sql, status, error);
    if (status == RHEI_OK && made->shape.kind == OLTP_TRANSACTION && session == NULL)
        status = error_set(error, RHEI_TRANSACTION, "BEGIN, COMMIT and the like belong to a session");
    if (status == RHEI_OK)
        status = name_parameters(made, error);
    if (status != RHEI_OK)
        rhei_statement_close(&made);
    *statement = made;
    return status;
}

/*
 * What is refused is counted here, as nobody runs it. Not what may be run without: BEGIN in a session, EXPLAIN ROUTE and a PRAGMA that sets something
 * as a query.
 */
static rhei_status prepare(rhei_db *db, rhei_session *session, const char *sql, rhei_statement **statement,
                           struct rhei_error *error)
{
    rhei_status status = engine_prepare(db, session, sql, statement, error);
    if (status != RHEI_OK && status != RHEI_TRANSACTION && status != RHEI_UNSUPPORTED && status != RHEI_READ_ONLY)
        atomic_fetch_add_explicit(&db->counters.errors, 1, memory_order_relaxed);
    return status;
}

rhei_status rhei_prepare_attempt(rhei_db *db, rhei_session *session, const char *sql, rhei_statement **statement,
                                 struct rhei_error *error)
{
    error_clear(error);
    if (statement != NULL)
        *statement = NULL;
    if ((db == NULL && session == NULL) || sql == NULL || statement == NULL)
        return error_set(error, RHEI_INVALID,
                         "rhei_prepare_attempt needs a handle or a session, an SQL text and a place for the statement");
    return engine_prepare(session != NULL ? session->db : db, session, sql, statement, error);
}

rhei_status rhei_prepare(rhei_db *db, const char *sql, rhei_statement **statement, struct rhei_error *error)
{
    error_clear(error);
    if (statement != NULL)
        *statement = NULL;
    if (db == NULL || sql == NULL || statement == NULL)
        return error_set(error, RHEI_INVALID, "rhei_prepare needs a handle, an SQL text and a place for the statement");
    return prepare(db, NULL, sql, statement, error);
}

rhei_status rhei_session_prepare(rhei_session *session, const char *sql, rhei_statement **statement,
                                 struct rhei_error *error)
{
    error_clear(error);
    if (statement != NULL)
        *statement = NULL;
    if (session == NULL || sql == NULL || statement == NULL)
        return error_set(error, RHEI_INVALID,
                         "rhei_session_prepare needs a session, an SQL text and a place for the statement");
    return prepare(session->db, session, sql, statement, error);
}

uint32_t rhei_statement_parameter_count(const rhei_statement *statement)
{
    return statement == NULL ? 0 : statement->shape.parameter_count;
}

const char *rhei_statement_parameter_name(const rhei_statement *statement, uint32_t number)
{
    if (number == 0 || statement == NULL || number > statement->named_count)
        return "";
    const char *name = statement->parameter_names[number - 1];
    return name == NULL ? "" : name;
}

uint32_t rhei_statement_column_count(const rhei_statement *statement)
{
    if (statement == NULL)
        return 0;
    engine_statement_settle((rhei_statement *)(uintptr_t)statement); /* its owner's alone, and never made const */
    return statement->shape.column_count;
}

const char *rhei_statement_column_name(const rhei_statement *statement, uint32_t column)
{
    return statement == NULL || column >= statement->shape.column_count ? "" : statement->shape.column_names[column];
}

bool rhei_statement_is_read_only(const rhei_statement *statement)
{
    return statement != NULL && statement->shape.read_only;
}

static rhei_status need_statement(const rhei_statement *statement, struct rhei_error *error)
{
    error_clear(error);
    return statement != NULL
               ? RHEI_OK
               : error_set(error, RHEI_INVALID, "there is no statement: rhei_prepare failed, or it was closed");
}

rhei_status rhei_statement_execute(rhei_statement *statement, const struct rhei_params *params,
                                   struct rhei_result *result, struct rhei_error *error)
{
    return rhei_statement_execute_with(statement, params, NULL, result, error);
}

rhei_status rhei_statement_execute_with(rhei_statement *statement, const struct rhei_params *params,
                                        const struct rhei_call_options *options, struct rhei_result *result,
                                        struct rhei_error *error)
{
    rhei_status status = need_statement(statement, error);
    if (status != RHEI_OK)
        return status;
    struct engine_write write = {statement->db, statement->session, statement->sql, options, result};
    return engine_write_one(&write, params, error);
}

rhei_status rhei_statement_query(rhei_statement *statement, const struct rhei_params *params,
                                 const struct rhei_query_options *options, rhei_rows **rows, struct rhei_error *error)
{
    rhei_status status = need_statement(statement, error);
    if (status != RHEI_OK)
        return status;
    return statement->session != NULL
               ? rhei_session_query(statement->session, statement->sql, params, options, rows, error)
               : rhei_query(statement->db, statement->sql, params, options, rows, error);
}

rhei_status rhei_statement_query_arrow(rhei_statement *statement, const struct rhei_params *params,
                                       const struct rhei_query_options *options, struct ArrowArrayStream *stream,
                                       struct rhei_error *error)
{
    rhei_status status = need_statement(statement, error);
    if (status != RHEI_OK)
        return status;
    return statement->session != NULL
               ? rhei_session_query_arrow(statement->session, statement->sql, params, options, stream, error)
               : rhei_query_arrow(statement->db, statement->sql, params, options, stream, error);
}

void rhei_statement_close(rhei_statement **statement)
{
    if (statement == NULL || *statement == NULL)
        return;
    rhei_statement *closing = *statement;
    *statement = NULL;
    free_names(closing->parameter_names, closing->named_count);
    if (closing->described == NULL)
        base_free((void *)(uintptr_t)closing->shape.column_names);
    route_statement_release(&closing->described);
    oltp_facts_reset(&closing->unsettled);
    base_free(closing->past);
    base_free(closing->sql);
    base_free(closing);
}
