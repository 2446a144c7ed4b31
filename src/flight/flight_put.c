/* SPDX-License-Identifier: Apache-2.0 */
/* DoPut: what changes something, and parameters that are bound. */
#include <string.h>

#include "base/base_error.h"
#include "flight_internal.h"

static void answer_count(struct flight_work *work, int64_t count)
{
    struct base_buffer result = {0}, answer = {0};
    work->rows = count;
    wire_put_number(&result, 1, (uint64_t)count);
    wire_put_message(&answer, 1, &result);
    flight_work_answer(work, &answer);
    base_buffer_reset(&result);
    base_buffer_reset(&answer);
}

/* ---- Updates ------------------------------------------------------------------------------------------------------ */

/*
 * One statement, with one row of parameters or many. A text that only reads is no update, but clients run anything by that: it is run as a query and
 * its rows are dropped.
 */
static rhei_status update(struct flight_work *work, struct flight_bytes transaction, int64_t *count)
{
    struct rhei_call_options limits = flight_limits(work);
    struct rhei_result result = {.struct_size = sizeof result};
    const struct flight_params *given = work->params;
    bool many = given != NULL && given->rows != 1;
    rhei_status status = flight_may_write(work);
    if (status == RHEI_OK && transaction.len > 0)
        status = flight_transaction_enter(work, transaction, true);
    if (status != RHEI_OK)
        return status;
    rhei_session *session = work->transaction == NULL ? NULL : work->transaction->session;
    if (session != NULL && flight_is_control(work, work->sql))
        session = NULL; /* the handle refuses it */
    struct rhei_params bound = {given == NULL ? NULL : given->values, given == NULL ? 0 : given->columns};
    const struct rhei_params *params = given == NULL ? NULL : &bound;
    if (many && session != NULL)
        status = rhei_session_execute_batch(session, work->sql, given->values, given->columns, given->rows, &limits,
                                            &result, &work->error);
    else if (many)
        status = rhei_execute_batch_with(work->server->db, work->sql, given->values, given->columns, given->rows,
                                         &limits, &result, &work->error);
    else if (session != NULL)
        status = rhei_session_execute_with(session, work->sql, params, &limits, &result, &work->error);
    else
        status = rhei_execute_with(work->server->db, work->sql, params, &limits, &result, &work->error);
    *count = result.changes;
    return status;
}

static void put_statement(struct flight_work *work, struct flight_bytes command)
{
    struct flight_statement statement = {0};
    int64_t count = 0;
    rhei_status status = flight_decode(&flight_statement_shape, command, &statement, &work->arena, &work->error);
    if (status == RHEI_OK)
        work->sql = flight_text(work, statement.query);
    status = work->sql == NULL ? work->error.code : update(work, statement.transaction, &count);
    if (status == RHEI_OK)
        answer_count(work, count);
    else
        flight_work_end(work, status, NULL, 0);
}

/* ---- Prepared ----------------------------------------------------------------------------------------------------- */

static rhei_status take_params(struct flight_work *work, const struct flight_data *first, uint32_t wanted,
                               struct flight_params **params)
{
    struct ArrowArrayStream stream = {0};
    rhei_status status = flight_receive(work, first, &stream);
    if (status == RHEI_OK)
        status = flight_receive_params(work, &stream, params);
    if (status == RHEI_OK && (*params)->columns != wanted)
        status = error_value_count(&work->error, wanted, (*params)->columns);
    return status;
}

static void put_prepared(struct flight_work *work, struct flight_bytes command, const struct flight_data *first,
                         bool run)
{
    struct flight_handle handle = {0};
    struct flight_prepared_run prepared = {0};
    struct flight_params *params = NULL;
    int64_t count = 0;
    rhei_status status = flight_decode(&flight_handle_shape, command, &handle, &work->arena, &work->error);
    if (status == RHEI_OK)
        status = flight_prepared_take(work, handle.handle, &prepared);
    work->sql = prepared.sql;
    work->params = prepared.params;
    if (status == RHEI_OK && (first->header.len > 0 || !run))
        status = take_params(work, first, prepared.parameters, &params);
    if (status == RHEI_OK && params != NULL && params->columns == 0)
        flight_params_unref(&params); /* a schema of nothing */
    if (status == RHEI_OK && run && params != NULL) {
        flight_params_unref(&work->params);
        work->params = params;
        params = NULL;
    }
    if (status == RHEI_OK && run)
        status = update(work, prepared.transaction, &count);
    if (status == RHEI_OK && run) {
        answer_count(work, count);
        return;
    }
    if (status == RHEI_OK) {
        struct base_buffer result = {0}, answer = {0};
        status = flight_prepared_bind(work, handle.handle, params);
        wire_put_bytes(&result, 1, handle.handle.bytes, handle.handle.len);
        wire_put_message(&answer, 1, &result);
        if (status == RHEI_OK)
            flight_work_answer(work, &answer);
        else
            flight_work_end(work, status, NULL, 0);
        base_buffer_reset(&result);
        base_buffer_reset(&answer);
        return;
    }
    flight_params_unref(&params);
    flight_work_end(work, status, NULL, 0);
}

/* ---- Ingest ------------------------------------------------------------------------------------------------------- */

/* What the two options of the definition come to. */
static rhei_status ingest_mode(struct flight_work *work, struct flight_bytes bytes, int32_t *mode)
{
    struct flight_definition definition = {1, 2}; /* left out: create, append */
    rhei_status status = RHEI_OK;
    if (bytes.there) {
        definition = (struct flight_definition){0};
        status = flight_decode(&flight_definition_shape, bytes, &definition, &work->arena, &work->error);
    }
    bool creates = definition.if_not_exist == 1, fails = definition.if_not_exist == 2;
    if (status != RHEI_OK)
        return status;
    if (creates && definition.if_exists == 1)
        *mode = RHEI_INGEST_CREATE;
    else if (creates && definition.if_exists == 2)
        *mode = RHEI_INGEST_CREATE_APPEND;
    else if (creates && definition.if_exists == 3)
        *mode = RHEI_INGEST_REPLACE;
    else if (fails && definition.if_exists == 2)
        *mode = RHEI_INGEST_APPEND;
    else
        return error_set(
            &work->error, fails ? RHEI_UNSUPPORTED : RHEI_INVALID,
            "this isn't offered: an ingest creates (and fails, appends or replaces where the table exists), "
            "or appends to a table that exists");
    return RHEI_OK;
}

static rhei_status check_ingest(struct flight_work *work, const struct flight_ingest *ingest, const char **table)
{
    const char *schema = flight_text(work, ingest->schema);
    *table = flight_text(work, ingest->table);
    if (*table == NULL || schema == NULL)
        return work->error.code;
    if ((*table)[0] == '\0')
        return error_set(&work->error, RHEI_INVALID, "an ingest needs the name of a table");
    if (ingest->temporary != 0)
        return error_set(&work->error, RHEI_UNSUPPORTED, "a temporary table would be gone with this call");
    if (schema[0] != '\0' && !base_fold_equal(schema, strlen(schema), "main", 4))
        return error_set(&work->error, RHEI_NOT_FOUND, "rows can be taken into the schema main alone, not into \"%s\"",
                         schema);
    return flight_may_write(work);
}

static void put_ingest(struct flight_work *work, struct flight_bytes command, const struct flight_data *first)
{
    struct flight_ingest ingest = {0};
    struct ArrowArrayStream stream = {0};
    struct rhei_ingest_result result = {.struct_size = sizeof result};
    struct rhei_call_options limits = flight_limits(work);
    struct rhei_ingest_options options = {
        .struct_size = sizeof options, .timeout_ms = limits.timeout_ms, .cancel = work->cancel};
    const char *table = NULL;
    rhei_status status = flight_decode(&flight_ingest_shape, command, &ingest, &work->arena, &work->error);
    if (status == RHEI_OK)
        status = check_ingest(work, &ingest, &table);
    if (status == RHEI_OK)
        status = ingest_mode(work, ingest.definition, &options.mode);
    if (status == RHEI_OK)
        status = flight_receive(work, first, &stream);
    work->sql = table;
    if (status == RHEI_OK && ingest.transaction.len > 0) {
        status = flight_transaction_enter(work, ingest.transaction, true);
        if (status != RHEI_OK)
            stream.release(&stream);
    }
    if (status == RHEI_OK)
        status =
            work->transaction != NULL
                ? rhei_session_ingest_arrow(work->transaction->session, table, &stream, &options, &result, &work->error)
                : rhei_ingest_arrow(work->server->db, table, &stream, &options, &result, &work->error);
    if (status == RHEI_OK)
        answer_count(work, result.rows);
    else
        flight_work_end(work, status, NULL, 0);
}

/* ---- Which -------------------------------------------------------------------------------------------------------- */

void flight_do_put(struct flight_work *work, struct flight_bytes message)
{
    struct flight_data first = {0};
    struct flight_descriptor descriptor = {0};
    struct flight_bytes command;
    const char *name = "";
    rhei_status status = flight_decode(&flight_data_shape, message, &first, &work->arena, &work->error);
    /* the first message goes when the next one comes, and what it asks for is needed longer */
    const char *kept = status == RHEI_OK ? flight_text(work, first.descriptor) : NULL;
    if (kept != NULL)
        status = flight_decode(&flight_descriptor_shape, (struct flight_bytes){kept, first.descriptor.len, true},
                               &descriptor, &work->arena, &work->error);
    else
        status = work->error.code;
    if (status == RHEI_OK)
        status = flight_command(work, descriptor.cmd, &name, &command);
    if (status != RHEI_OK)
        flight_work_end(work, status, NULL, 0);
    else if (strcmp(name, "CommandStatementUpdate") == 0)
        put_statement(work, command);
    else if (strcmp(name, "CommandPreparedStatementUpdate") == 0)
        put_prepared(work, command, &first, true);
    else if (strcmp(name, "CommandPreparedStatementQuery") == 0)
        put_prepared(work, command, &first, false);
    else if (strcmp(name, "CommandStatementIngest") == 0)
        put_ingest(work, command, &first);
    else
        flight_work_end(work, error_set(&work->error, RHEI_UNSUPPORTED, "there is nothing to put by %s", name), NULL,
                        0);
}
