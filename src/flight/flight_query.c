/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements that give rows. GetFlightInfo checks and describes one, and gives a ticket that is the command itself, sealed, with what the check found: whether it
 * writes, in SQLite's own judgement, which no change of the schema changes. DoGet runs it. So what is asked for and never fetched costs nothing, and what writes is
 * run when it is fetched, once for each ticket.
 */
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_words.h"
#include "flight_internal.h"

/* What a ticket says beside its command: the generation of the parameters, and this where the statement writes. */
#define TICKET_WRITES (UINT64_C(1) << 63)

/* ---- Before it runs ----------------------------------------------------------------------------------------------- */

rhei_status flight_may_write(struct flight_work *work)
{
    return work->user->read_only
               ? error_set(&work->error, RHEI_READ_ONLY, "user \"%s\" may only read", work->user->name)
               : RHEI_OK;
}

static rhei_status describe_parameters(struct flight_work *work, rhei_statement *statement,
                                       struct flight_described *described)
{
    described->parameters = rhei_statement_parameter_count(statement);
    if (described->parameters == 0)
        return RHEI_OK;
    struct flight_type *types = base_arena_zero(&work->arena, (size_t)described->parameters + 1, sizeof *types);
    const char **formats = base_arena_zero(&work->arena, described->parameters, sizeof *formats);
    if (types == NULL || formats == NULL)
        return error_no_memory(&work->error);
    rhei_status status = rhei_statement_parameter_formats(statement, formats, &work->error);
    for (uint32_t i = 0; status == RHEI_OK && i < described->parameters; i++) {
        const char *name = rhei_statement_parameter_name(statement, i + 1);
        struct base_buffer number = {0};
        base_buffer_format(&number, "%u", i + 1);
        const char *shown = base_arena_text(&work->arena, name[0] != '\0' ? name : number.data);
        base_buffer_reset(&number);
        if (shown == NULL)
            return error_no_memory(&work->error);
        types[i] = (struct flight_type){shown, formats[i], true, NULL};
    }
    struct ArrowSchema schema = {0};
    if (status == RHEI_OK)
        status = flight_types_schema(types, &schema, &work->error);
    if (status != RHEI_OK)
        return status;
    status = flight_schema_bytes(&schema, &described->parameter_schema, &work->error);
    schema.release(&schema);
    return status;
}

static rhei_status describe(struct flight_work *work, rhei_statement *statement, struct flight_described *described)
{
    struct rhei_query_options options = flight_query_options(work);
    struct ArrowSchema schema = {0};
    struct rhei_error unknown = RHEI_ERROR_INIT;
    described->read_only = rhei_statement_is_read_only(statement);
    rhei_status status = describe_parameters(work, statement, described);
    if (status != RHEI_OK)
        return status;
    if (rhei_statement_schema(statement, &options, &schema, &described->settled, &unknown) != RHEI_OK)
        return unknown.code == RHEI_UNSUPPORTED ? RHEI_OK
                                                : error_set(&work->error, unknown.code, "%s", unknown.message);
    described->known = true;
    status = flight_schema_bytes(&schema, &described->schema, &work->error);
    schema.release(&schema);
    return status;
}

/* By the engine's word: a handle takes none. */
bool flight_is_control(struct flight_work *work, const char *sql)
{
    rhei_statement *statement = NULL;
    rhei_status status = rhei_prepare_attempt(work->server->db, NULL, sql, &statement, NULL);
    rhei_statement_close(&statement);
    return status == RHEI_TRANSACTION;
}

static rhei_status prepare(struct flight_work *work, const char *sql, struct flight_bytes transaction,
                           rhei_statement **statement)
{
    if (transaction.len == 0)
        return rhei_prepare(work->server->db, sql, statement, &work->error);
    rhei_status status = flight_transaction_enter(work, transaction, false);
    if (status != RHEI_OK)
        return status;
    return work->transaction->session == NULL || flight_is_control(work, sql)
               ? rhei_prepare(work->server->db, sql, statement, &work->error)
               : rhei_session_prepare(work->transaction->session, sql, statement, &work->error);
}

/* Such a text isn't prepared, but might be run in another way. It isn't here: the engine refuses it outside of a session, and counts that. */
static rhei_status ask_for_refusal(struct flight_work *work, const char *sql)
{
    rhei_rows *rows = NULL;
    struct rhei_query_options options = flight_query_options(work);
    struct rhei_error refusal = RHEI_ERROR_INIT;
    rhei_status prepared = (rhei_status)work->error.code;
    rhei_status status = rhei_query(work->server->db, sql, NULL, &options, &rows, &refusal);
    rhei_rows_close(&rows);
    if (status == prepared)
        work->error = refusal;
    return prepared;
}

rhei_status flight_describe(struct flight_work *work, const char *sql, struct flight_bytes transaction,
                            struct flight_described *described)
{
    rhei_statement *statement = NULL;
    *described = (struct flight_described){0};
    rhei_status status = prepare(work, sql, transaction, &statement);
    if (status == RHEI_OK)
        status = describe(work, statement, described);
    rhei_statement_close(&statement);
    flight_transaction_leave(work);
    if (status == RHEI_TRANSACTION || status == RHEI_READ_ONLY)
        status = ask_for_refusal(work, sql);
    if (status == RHEI_UNSUPPORTED) { /* EXPLAIN ROUTE, which runs nothing */
        error_clear(&work->error);
        described->read_only = true;
        return RHEI_OK;
    }
    return status;
}

void flight_described_reset(struct flight_described *described)
{
    base_buffer_reset(&described->schema);
    base_buffer_reset(&described->parameter_schema);
}

/* ---- GetFlightInfo ------------------------------------------------------------------------------------------------ */

/* The schema that a client may rely on; empty: it comes with the rows. */
static rhei_status schema_of(struct flight_work *work, const char *name, struct flight_bytes command, bool best_guess,
                             struct base_buffer *schema, uint64_t *facts)
{
    const struct flight_metadata *metadata = flight_metadata_find(name);
    if (metadata != NULL) {
        struct ArrowSchema made;
        rhei_status status = flight_types_schema(flight_metadata_types(work, metadata, command), &made, &work->error);
        if (status != RHEI_OK)
            return status;
        status = flight_schema_bytes(&made, schema, &work->error);
        made.release(&made);
        return status;
    }
    struct flight_statement statement = {0};
    struct flight_handle handle = {0};
    struct flight_prepared_run prepared = {0};
    rhei_status status = RHEI_OK;
    if (strcmp(name, "CommandStatementQuery") == 0) {
        status = flight_decode(&flight_statement_shape, command, &statement, &work->arena, &work->error);
        if (status == RHEI_OK)
            work->sql = flight_text(work, statement.query);
    } else if (strcmp(name, "CommandPreparedStatementQuery") == 0) {
        status = flight_decode(&flight_handle_shape, command, &handle, &work->arena, &work->error);
        if (status == RHEI_OK)
            status = flight_prepared_take(work, handle.handle, &prepared);
        flight_params_unref(&prepared.params);
        work->sql = prepared.sql;
        statement.transaction = prepared.transaction;
        *facts = prepared.generation;
    } else {
        status = error_set(&work->error, RHEI_UNSUPPORTED, "there are no rows to get by %s", name);
    }
    if (status != RHEI_OK || work->sql == NULL)
        return work->error.code;
    struct flight_described described;
    status = flight_describe(work, work->sql, statement.transaction, &described);
    if (status == RHEI_OK && !described.read_only)
        status = flight_may_write(work);
    if (!described.read_only)
        *facts |= TICKET_WRITES;
    if (status == RHEI_OK && described.known && (best_guess || (described.settled && described.read_only)))
        base_buffer_append(schema, described.schema.data, described.schema.len);
    flight_described_reset(&described);
    return status == RHEI_OK && schema->failed ? error_no_memory(&work->error) : status;
}

static rhei_status read_descriptor(struct flight_work *work, struct flight_bytes message, struct flight_bytes *any,
                                   const char **name, struct flight_bytes *command)
{
    struct flight_descriptor descriptor = {0};
    rhei_status status = flight_decode(&flight_descriptor_shape, message, &descriptor, &work->arena, &work->error);
    if (status == RHEI_OK && descriptor.type != 2)
        status =
            error_set(&work->error, RHEI_INVALID, "a flight is asked for by a command of Flight SQL, not by a path");
    *any = descriptor.cmd;
    return status == RHEI_OK ? flight_command(work, descriptor.cmd, name, command) : status;
}

/* What GetFlightInfo and GetSchema have in common: a descriptor, and what is known of what it asks for. */
struct asked {
    struct flight_bytes any;
    struct base_buffer schema;
    uint64_t facts;
};

static rhei_status look_at(struct flight_work *work, struct flight_bytes message, bool best_guess, struct asked *asked)
{
    struct flight_bytes command;
    const char *name;
    rhei_status status = read_descriptor(work, message, &asked->any, &name, &command);
    return status == RHEI_OK ? schema_of(work, name, command, best_guess, &asked->schema, &asked->facts) : status;
}

static void end_asked(struct flight_work *work, rhei_status status, struct asked *asked, struct base_buffer *answer)
{
    if (status == RHEI_OK)
        flight_work_answer(work, answer);
    else
        flight_work_end(work, status, NULL, 0);
    base_buffer_reset(&asked->schema);
    base_buffer_reset(answer);
}

static void put_info(struct flight_work *work, struct flight_bytes descriptor, const struct asked *asked,
                     struct base_buffer *answer)
{
    struct base_buffer body = {0}, sealed = {0}, ticket = {0}, endpoint = {0}, time = {0};
    int64_t expires_ms = base_wall_ms() + FLIGHT_TICKET_MS;
    base_words_put(&body, asked->facts);
    base_buffer_append(&body, asked->any.bytes, asked->any.len);
    flight_seal_close(&work->server->seal, FLIGHT_SEAL_TICKET, work->user->name, expires_ms, body.data, body.len,
                      &sealed);
    wire_put_bytes(&ticket, 1, sealed.data, sealed.len);
    wire_put_message(&endpoint, 1, &ticket);
    wire_put_number(&time, 1, (uint64_t)(expires_ms / 1000));
    wire_put_message(&endpoint, 3, &time);
    if (asked->schema.len > 0)
        wire_put_bytes(answer, 1, asked->schema.data, asked->schema.len);
    wire_put_bytes(answer, 2, descriptor.bytes, descriptor.len);
    wire_put_message(answer, 3, &endpoint);
    wire_put_number(answer, 4, UINT64_MAX); /* -1: unknown */
    wire_put_number(answer, 5, UINT64_MAX);
    answer->failed = answer->failed || body.failed || sealed.failed;
    base_buffer_reset(&body);
    base_buffer_reset(&sealed);
    base_buffer_reset(&ticket);
    base_buffer_reset(&endpoint);
    base_buffer_reset(&time);
}

void flight_get_info(struct flight_work *work, struct flight_bytes message)
{
    struct asked asked = {0};
    struct base_buffer answer = {0};
    rhei_status status = look_at(work, message, false, &asked);
    if (status == RHEI_OK)
        put_info(work, message, &asked, &answer);
    end_asked(work, status, &asked, &answer);
}

void flight_get_schema(struct flight_work *work, struct flight_bytes message)
{
    struct asked asked = {0};
    struct base_buffer answer = {0};
    rhei_status status = look_at(work, message, true, &asked);
    if (status == RHEI_OK && asked.schema.len == 0)
        status = error_set(&work->error, RHEI_UNSUPPORTED,
                           "what this statement gives isn't known before it runs: its schema comes with the rows");
    if (status == RHEI_OK)
        wire_put_bytes(&answer, 1, asked.schema.data, asked.schema.len);
    end_asked(work, status, &asked, &answer);
}

/* ---- DoGet -------------------------------------------------------------------------------------------------------- */

static rhei_status check_writing(struct flight_work *work)
{
    rhei_status status = flight_may_write(work);
    if (status == RHEI_OK && flight_nonce_add(work, work->nonce) == RHEI_EXISTS)
        return error_set(&work->error, RHEI_INVALID, "this ticket was used: its statement writes, and ran already");
    return work->error.code;
}

static rhei_status run_statement(struct flight_work *work, struct flight_bytes transaction, bool writes,
                                 struct ArrowArrayStream *stream)
{
    rhei_status status = writes ? check_writing(work) : RHEI_OK;
    if (status == RHEI_OK && transaction.len > 0)
        status = flight_transaction_enter(work, transaction, writes);
    if (status != RHEI_OK)
        return status;
    struct rhei_query_options options = flight_query_options(work);
    struct rhei_params bound = {work->params == NULL ? NULL : work->params->values,
                                work->params == NULL ? 0 : work->params->columns};
    const struct rhei_params *params = work->params == NULL ? NULL : &bound;
    if (work->params != NULL && work->params->rows != 1)
        return error_set(&work->error, RHEI_INVALID,
                         "%zu rows of parameters are bound, and a query takes one: run it once for each",
                         work->params->rows);
    if (work->transaction != NULL && work->transaction->session != NULL)
        return rhei_session_query_arrow(work->transaction->session, work->sql, params, &options, stream, &work->error);
    flight_transaction_leave(work); /* nothing was written in it yet */
    return rhei_query_arrow(work->server->db, work->sql, params, &options, stream, &work->error);
}

static rhei_status run_prepared(struct flight_work *work, struct flight_bytes command, uint64_t facts,
                                struct ArrowArrayStream *stream)
{
    struct flight_handle handle = {0};
    struct flight_prepared_run prepared = {0};
    rhei_status status = flight_decode(&flight_handle_shape, command, &handle, &work->arena, &work->error);
    if (status == RHEI_OK)
        status = flight_prepared_take(work, handle.handle, &prepared);
    if (status != RHEI_OK)
        return status;
    work->params = prepared.params;
    work->sql = prepared.sql;
    if (prepared.generation != (facts & ~TICKET_WRITES))
        return error_set(&work->error, RHEI_INVALID,
                         "other parameters were bound since this ticket was given: ask for another one");
    return run_statement(work, prepared.transaction, (facts & TICKET_WRITES) != 0, stream);
}

static rhei_status run_metadata(struct flight_work *work, const struct flight_metadata *metadata,
                                struct flight_bytes command, struct ArrowArrayStream *stream)
{
    const struct flight_type *types = flight_metadata_types(work, metadata, command);
    struct flight_rows *rows = flight_rows_new(types, &work->error);
    if (rows == NULL)
        return work->error.code;
    rhei_status status = metadata->fill(work, command, rows);
    if (status != RHEI_OK) {
        flight_rows_free(&rows);
        return status;
    }
    return flight_rows_stream(&rows, types, stream, &work->error);
}

static rhei_status run_command(struct flight_work *work, struct flight_bytes any, uint64_t facts,
                               struct ArrowArrayStream *stream)
{
    struct flight_statement statement = {0};
    struct flight_bytes command;
    const char *name;
    rhei_status status = flight_command(work, any, &name, &command);
    if (status != RHEI_OK)
        return status;
    const struct flight_metadata *metadata = flight_metadata_find(name);
    if (metadata != NULL)
        return run_metadata(work, metadata, command, stream);
    if (strcmp(name, "CommandPreparedStatementQuery") == 0)
        return run_prepared(work, command, facts, stream);
    status = flight_decode(&flight_statement_shape, command, &statement, &work->arena, &work->error);
    if (status == RHEI_OK)
        work->sql = flight_text(work, statement.query);
    return work->sql == NULL ? work->error.code
                             : run_statement(work, statement.transaction, (facts & TICKET_WRITES) != 0, stream);
}

/* From here on CancelFlightInfo finds it. */
static rhei_status list_running(struct flight_work *work, struct flight_bytes ticket)
{
    struct rhei_flight *server = work->server;
    memcpy(work->nonce, ticket.bytes, sizeof work->nonce);
    base_mutex_lock(&server->running_lock);
    work->has_nonce = true;
    work->next = server->running;
    if (work->next != NULL)
        work->next->previous = work;
    server->running = work;
    base_mutex_unlock(&server->running_lock);
    return flight_nonce_known(server, work->nonce)
               ? error_set(&work->error, RHEI_CANCELLED,
                           "this ticket was cancelled, or its statement wrote and ran already")
               : RHEI_OK;
}

void flight_do_get(struct flight_work *work, struct flight_bytes message)
{
    struct flight_ticket ticket = {0};
    struct base_buffer body = {0};
    struct ArrowArrayStream stream = {0};
    rhei_status status = flight_decode(&flight_ticket_shape, message, &ticket, &work->arena, &work->error);
    if (status == RHEI_OK &&
        (!flight_seal_open(&work->server->seal, FLIGHT_SEAL_TICKET, work->user->name, ticket.ticket, &body) ||
         body.len < 8))
        status =
            error_set(&work->error, RHEI_NOT_FOUND,
                      "this ticket can't be used: it is over 10 minutes old, another user's, or none of this server's");
    if (status == RHEI_OK)
        status = list_running(work, ticket.ticket);
    if (status == RHEI_OK) {
        const char *at = body.data;
        bool wrong = false;
        uint64_t facts = base_words_take(&at, body.data + body.len, &wrong);
        status =
            run_command(work, (struct flight_bytes){at, (size_t)(body.data + body.len - at), true}, facts, &stream);
    }
    base_buffer_reset(&body);
    if (status == RHEI_OK)
        flight_send(work, &stream);
    else
        flight_work_end(work, status, NULL, 0);
}
