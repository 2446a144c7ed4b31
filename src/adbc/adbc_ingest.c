/* SPDX-License-Identifier: Apache-2.0 */
/* What is bound, into a table. */
#include <string.h>

#include "adbc_statement.h"

static rhei_status take_in(struct adbc_statement *statement, const struct rhei_ingest_options *how,
                           struct rhei_ingest_result *done, struct rhei_error *failure)
{
    struct adbc_connection *connection = statement->connection;
    bool in_session = adbc_in_transaction(connection);
    if (in_session)
        return rhei_session_ingest_arrow(connection->session, statement->target.table, &statement->bound, how, done,
                                         failure);
    pthread_mutex_unlock(&connection->work);
    rhei_status status =
        rhei_ingest_arrow(connection->handle->db, statement->target.table, &statement->bound, how, done, failure);
    pthread_mutex_lock(&connection->work);
    return status;
}

/* ADBC's word for rows that don't fit a table which is there. */
static AdbcStatusCode what_failed(int32_t mode, const struct rhei_error *failure, struct AdbcError *error)
{
    AdbcStatusCode code = adbc_fail_with(error, failure);
    bool there = mode == RHEI_INGEST_APPEND || mode == RHEI_INGEST_CREATE_APPEND;
    return there && failure->code == RHEI_INVALID ? ADBC_STATUS_ALREADY_EXISTS : code;
}

AdbcStatusCode adbc_ingest(struct adbc_statement *statement, int64_t *affected, struct AdbcError *error)
{
    struct adbc_connection *connection = statement->connection;
    const struct adbc_target *target = &statement->target;
    struct rhei_error failure = RHEI_ERROR_INIT;
    if (statement->bound.release == NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE, "there are no rows to take in: bind them first");
    if (target->temporary && target->schema != NULL)
        return adbc_fail(error, ADBC_STATUS_INVALID_STATE,
                         "a temporary table is in no schema that is chosen: set one of %s and %s",
                         ADBC_INGEST_OPTION_TEMPORARY, ADBC_INGEST_OPTION_TARGET_DB_SCHEMA);
    AdbcStatusCode code = adbc_may_write(connection, error);
    struct adbc_run *run = code == ADBC_STATUS_OK ? adbc_run_new(connection, statement, error) : NULL;
    if (run == NULL)
        return code == ADBC_STATUS_OK ? ADBC_STATUS_INTERNAL : code;
    struct rhei_ingest_options how = {
        .struct_size = sizeof how,
        .mode = target->mode,
        .timeout_ms = statement->object.query.timeout_ms,
        .cancel = run->cancel,
        .temporary = target->temporary || (target->schema != NULL && strcmp(target->schema, "temp") == 0),
    };
    struct rhei_ingest_result done = {.struct_size = sizeof done};
    pthread_mutex_lock(&connection->work);
    code = connection->autocommit && !adbc_in_transaction(connection)
               ? ADBC_STATUS_OK
               : adbc_begin(connection, how.timeout_ms, how.cancel, error);
    if (how.temporary)
        atomic_store(&connection->handle->has_temp, true);
    if (code == ADBC_STATUS_OK && take_in(statement, &how, &done, &failure) != RHEI_OK)
        code = what_failed(target->mode, &failure, error);
    pthread_mutex_unlock(&connection->work);
    if (code == ADBC_STATUS_OK) {
        *affected = done.rows;
        atomic_store(&statement->position, done.position);
    }
    adbc_run_free(run);
    return code;
}
