/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a statement runs: outside of a transaction as a statement of the database, which any number of threads may have at once;
 * within one in the connection's session, one after another.
 *
 * TEMP tables are the writing connection's: a question that only it can answer is asked within a transaction, which ends with it
 * where each statement commits.
 */
#include <nanoarrow/nanoarrow.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "adbc_statement.h"

/* ---- Looking at the text. ---------------------------------------------------------------------------------------- */

void adbc_forget(struct adbc_statement *statement)
{
    rhei_statement_close(&statement->prepared);
    statement->plain = statement->control = statement->in_session = false;
}

static rhei_status prepare(struct adbc_statement *statement, bool in_session, struct rhei_error *failure)
{
    const struct adbc_connection *connection = statement->connection;
    statement->in_session = in_session;
    return in_session ? rhei_session_prepare(connection->session, statement->sql, &statement->prepared, failure)
                      : rhei_prepare(connection->handle->db, statement->sql, &statement->prepared, failure);
}

/* Nobody hears of a refusal: another way is tried then. */
static rhei_status attempt(struct adbc_statement *statement, bool in_session)
{
    const struct adbc_connection *connection = statement->connection;
    statement->in_session = in_session;
    return rhei_prepare_attempt(connection->handle->db, in_session ? connection->session : NULL, statement->sql,
                                &statement->prepared, NULL);
}

/* A name that the readers don't know may be a TEMP table's: then a transaction is open. False: nothing was changed. */
static bool is_prepared_with_temp(struct adbc_statement *statement, rhei_cancel *cancel)
{
    struct adbc_connection *connection = statement->connection;
    if (attempt(statement, false) != RHEI_SQL)
        return statement->prepared != NULL;
    if (adbc_begin(connection, statement->object.query.timeout_ms, cancel, NULL) != ADBC_STATUS_OK)
        return false;
    if (attempt(statement, true) == RHEI_OK)
        return true;
    (void)adbc_end(connection, "ROLLBACK", NULL);
    return false;
}

AdbcStatusCode adbc_describe(struct adbc_statement *statement, rhei_cancel *cancel, struct AdbcError *error)
{
    struct rhei_error failure = RHEI_ERROR_INIT;
    bool in_session = adbc_in_transaction(statement->connection);
    if ((statement->prepared != NULL && statement->in_session == in_session) || statement->plain || statement->control)
        return ADBC_STATUS_OK;
    adbc_forget(statement);
    if (!in_session && atomic_load(&statement->connection->handle->has_temp) &&
        is_prepared_with_temp(statement, cancel))
        return ADBC_STATUS_OK;
    rhei_status status = prepare(statement, in_session, &failure);
    if (status == RHEI_TRANSACTION)
        statement->control = true;
    else if (status == RHEI_UNSUPPORTED || status == RHEI_READ_ONLY)
        statement->plain = true; /* EXPLAIN ROUTE, a PRAGMA that sets something; if it is another, running it says so */
    else if (status != RHEI_OK)
        return adbc_fail_with(error, &failure);
    return ADBC_STATUS_OK;
}

AdbcStatusCode adbc_may_write(const struct adbc_connection *connection, struct AdbcError *error)
{
    return connection->read_only ? adbc_fail(error, ADBC_STATUS_UNAUTHORIZED, "the connection is read-only (%s)",
                                             ADBC_CONNECTION_OPTION_READ_ONLY)
                                 : ADBC_STATUS_OK;
}

/* ---- Running it. ------------------------------------------------------------------------------------------------- */

/* One execution, under `work` from its beginning to its end where it is in the session. */
struct execution {
    struct adbc_statement *statement;
    struct adbc_connection *connection;
    struct adbc_run *run;
    bool in_session;
    struct rhei_query_options how;
    struct rhei_error failure;
};

static rhei_status run_write(struct execution *execution, int64_t *affected)
{
    struct adbc_statement *statement = execution->statement;
    struct rhei_call_options how = {
        .struct_size = sizeof how, .timeout_ms = execution->how.timeout_ms, .cancel = execution->how.cancel};
    struct rhei_result done = {.struct_size = sizeof done};
    rhei_status status =
        statement->bound.release != NULL
            ? rhei_statement_execute_each(statement->prepared, &statement->bound, &how, &done, &execution->failure)
            : rhei_statement_execute_with(statement->prepared, NULL, &how, &done, &execution->failure);
    if (status != RHEI_OK)
        return status;
    *affected = done.changes;
    atomic_store(&statement->last_rowid, done.last_insert_rowid);
    atomic_store(&statement->position, done.position);
    return RHEI_OK;
}

static rhei_status run_query(struct execution *execution, struct ArrowArrayStream *stream)
{
    struct adbc_statement *statement = execution->statement;
    if (statement->bound.release != NULL && statement->prepared != NULL)
        return rhei_statement_query_each(statement->prepared, &statement->bound, &execution->how, stream,
                                         &execution->failure);
    return execution->in_session ? rhei_session_query_arrow(execution->connection->session, statement->sql, NULL,
                                                            &execution->how, stream, &execution->failure)
                                 : rhei_query_arrow(execution->connection->handle->db, statement->sql, NULL,
                                                    &execution->how, stream, &execution->failure);
}

/* Read and dropped. */
static rhei_status read_away(struct ArrowArrayStream *stream, struct rhei_error *failure)
{
    struct ArrowArray batch = {0};
    int code = 0;
    while ((code = stream->get_next(stream, &batch)) == 0 && batch.release != NULL)
        batch.release(&batch);
    rhei_status status = code == 0 ? RHEI_OK : rhei_stream_error(stream, code, failure);
    stream->release(stream);
    return status;
}

static bool begins_with(const char *sql, const char *word)
{
    struct rhei_split first = {.struct_size = sizeof first};
    return rhei_split(sql, strlen(sql), &first, NULL) == RHEI_OK &&
           strncasecmp(sql + first.offset, word, strlen(word)) == 0;
}

/* More than one statement; what isn't split is said when it is looked at. */
static bool is_script(const char *sql)
{
    struct rhei_split part = {.struct_size = sizeof part};
    size_t length = strlen(sql);
    return rhei_split(sql, length, &part, NULL) == RHEI_OK && part.state == RHEI_SPLIT_STATEMENT &&
           rhei_split(sql, length, &part, NULL) == RHEI_OK && part.state != RHEI_SPLIT_END;
}

/* Several statements, all or nothing, as nobody asks for their rows. */
static AdbcStatusCode run_script(struct execution *execution, int64_t *affected, struct AdbcError *error)
{
    struct adbc_connection *connection = execution->connection;
    const char *sql = execution->statement->sql;
    const struct rhei_call_options how = {
        .struct_size = sizeof how, .timeout_ms = execution->how.timeout_ms, .cancel = execution->how.cancel};
    struct rhei_result done = {.struct_size = sizeof done};
    AdbcStatusCode code = adbc_may_write(connection, error);
    bool inside = !connection->autocommit || adbc_in_transaction(connection);
    if (code == ADBC_STATUS_OK && inside)
        code = adbc_begin(connection, how.timeout_ms, how.cancel, error);
    if (code != ADBC_STATUS_OK)
        return code;
    rhei_status status = inside
                             ? rhei_session_execute_script(connection->session, sql, &how, &done, &execution->failure)
                             : rhei_execute_script_with(connection->handle->db, sql, &how, &done, &execution->failure);
    if (strcasestr(sql, "temp") != NULL)
        atomic_store(&connection->handle->has_temp, true);
    if (status != RHEI_OK)
        return adbc_fail_with(error, &execution->failure);
    *affected = done.changes;
    return ADBC_STATUS_OK;
}

/* BEGIN and the like, as text: they are the session's, whatever `autocommit` says. */
static AdbcStatusCode run_control(struct execution *execution, struct ArrowArrayStream *out, struct AdbcError *error)
{
    struct adbc_connection *connection = execution->connection;
    const char *sql = execution->statement->sql;
    const struct rhei_call_options how = {
        .struct_size = sizeof how, .timeout_ms = execution->how.timeout_ms, .cancel = execution->how.cancel};
    /* a savepoint's release would commit if nothing were around it */
    bool begins = !connection->autocommit && begins_with(sql, "SAVEPOINT");
    AdbcStatusCode code = begins ? adbc_begin(connection, execution->how.timeout_ms, execution->how.cancel, error)
                                 : adbc_session_free(connection, error);
    if (code != ADBC_STATUS_OK)
        return code;
    if (rhei_session_execute_with(connection->session, sql, NULL, &how, NULL, &execution->failure) != RHEI_OK)
        return adbc_fail_with(error, &execution->failure);
    return out == NULL ? ADBC_STATUS_OK : adbc_no_rows(out, error);
}

/* Begins a transaction where one is due, and looks at the text as it is there. PRAGMAs and VACUUM do nothing, or fail, in one. */
static AdbcStatusCode enter(struct execution *execution, bool writes, struct AdbcError *error)
{
    struct adbc_connection *connection = execution->connection;
    const char *sql = execution->statement->sql;
    AdbcStatusCode code = writes ? adbc_may_write(connection, error) : ADBC_STATUS_OK;
    bool due = writes ? !begins_with(sql, "PRAGMA") && !begins_with(sql, "VACUUM") : connection->from_first;
    if (code == ADBC_STATUS_OK && due && !connection->autocommit && !adbc_in_transaction(connection))
        code = adbc_begin(connection, execution->how.timeout_ms, execution->how.cancel, error);
    if (code == ADBC_STATUS_OK)
        code = adbc_describe(execution->statement, execution->how.cancel, error);
    execution->in_session = adbc_in_transaction(connection);
    if (code == ADBC_STATUS_OK && execution->in_session)
        code = adbc_session_free(connection, error);
    return code;
}

static AdbcStatusCode answer(struct execution *execution, struct ArrowArrayStream *out, struct AdbcError *error)
{
    struct ArrowArrayStream stream = {0};
    rhei_status status = run_query(execution, &stream);
    if (status == RHEI_OK && out == NULL)
        status = read_away(&stream, &execution->failure);
    if (status != RHEI_OK)
        return adbc_fail_with(error, &execution->failure);
    if (out == NULL)
        return ADBC_STATUS_OK;
    struct adbc_run *run = execution->run;
    execution->run = NULL;
    return adbc_answer_new(execution->connection, run, &stream, execution->in_session, out, error);
}

/* `only_temp`: the transaction is there for a TEMP table's sake. */
static AdbcStatusCode run(struct execution *execution, bool only_temp, struct ArrowArrayStream *out, int64_t *affected,
                          struct AdbcError *error)
{
    struct adbc_statement *statement = execution->statement;
    struct adbc_connection *connection = execution->connection;
    bool reads = statement->plain || rhei_statement_is_read_only(statement->prepared);
    /* the columns of a text in the column store's own words are known when it runs: what reads is asked, in any case */
    bool rows = reads || rhei_statement_column_count(statement->prepared) > 0;
    AdbcStatusCode code = enter(execution, !reads, error);
    if (code != ADBC_STATUS_OK)
        return code;
    execution->how.settings = !connection->read_only;
    if (!reads && strcasestr(statement->sql, "temp") != NULL)
        atomic_store(&connection->handle->has_temp, true);
    if (!execution->in_session)
        pthread_mutex_unlock(&connection->work);
    if (rows && (reads || out != NULL))
        code = answer(execution, out, error);
    else if (run_write(execution, affected) != RHEI_OK)
        code = adbc_fail_with(error, &execution->failure);
    else if (out != NULL)
        code = adbc_no_rows(out, error);
    if (!execution->in_session)
        pthread_mutex_lock(&connection->work);
    if (only_temp && connection->autocommit) {
        AdbcStatusCode ended = adbc_end(connection, code == ADBC_STATUS_OK ? "COMMIT" : "ROLLBACK", error);
        code = code == ADBC_STATUS_OK ? ended : code;
    }
    return code;
}

static AdbcStatusCode run_one(struct execution *execution, struct ArrowArrayStream *out, int64_t *affected,
                              struct AdbcError *error)
{
    struct adbc_statement *statement = execution->statement;
    bool inside = adbc_in_transaction(execution->connection);
    AdbcStatusCode code = adbc_describe(statement, execution->how.cancel, error);
    bool only_temp = code == ADBC_STATUS_OK && !inside && adbc_in_transaction(execution->connection);
    if (code != ADBC_STATUS_OK)
        return code;
    return statement->control ? run_control(execution, out, error) : run(execution, only_temp, out, affected, error);
}

AdbcStatusCode adbc_execute(struct adbc_statement *statement, struct ArrowArrayStream *out, int64_t *affected,
                            struct AdbcError *error)
{
    struct adbc_connection *connection = statement->connection;
    const struct adbc_query *query = &statement->object.query;
    struct execution execution = {.statement = statement, .connection = connection, .failure = RHEI_ERROR_INIT};
    if (statement->sql == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE, "the statement has no text: set one first");
    execution.run = adbc_run_new(connection, statement, error);
    if (execution.run == NULL)
        return ADBC_STATUS_INTERNAL;
    execution.how = (struct rhei_query_options){.struct_size = sizeof execution.how,
                                                .freshness = query->freshness,
                                                .route = query->route,
                                                .strings = query->strings,
                                                .timeout_ms = query->timeout_ms,
                                                .memory_limit = (uint64_t)query->memory_limit,
                                                .cancel = execution.run->cancel,
                                                .as_of = query->as_of};
    pthread_mutex_lock(&connection->work);
    AdbcStatusCode code = out == NULL && statement->bound.release == NULL && is_script(statement->sql)
                              ? run_script(&execution, affected, error)
                              : run_one(&execution, out, affected, error);
    pthread_mutex_unlock(&connection->work);
    adbc_run_free(execution.run);
    return code;
}
