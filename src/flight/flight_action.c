/* SPDX-License-Identifier: Apache-2.0 */
/* DoAction: prepared statements, transactions, cancelling, sessions. */
#include <string.h>

#include "base/base_error.h"
#include "flight_internal.h"

/* A message in a google.protobuf.Any, as Flight SQL's answers to actions are. */
static void answer_any(struct flight_work *work, const char *name, struct base_buffer *message)
{
    struct base_buffer any = {0}, url = {0}, result = {0};
    base_buffer_format(&url, "type.googleapis.com/arrow.flight.protocol.sql.%s", name);
    wire_put_bytes(&any, 1, url.data, url.len);
    wire_put_message(&any, 2, message);
    wire_put_message(&result, 1, &any);
    result.failed = result.failed || url.failed;
    flight_work_answer(work, &result);
    base_buffer_reset(&any);
    base_buffer_reset(&url);
    base_buffer_reset(&result);
}

static void create_prepared(struct flight_work *work, struct flight_bytes body)
{
    struct flight_statement statement = {0};
    struct flight_described described = {0};
    struct base_buffer handle = {0}, answer = {0};
    rhei_status status = flight_decode(&flight_statement_shape, body, &statement, &work->arena, &work->error);
    if (status == RHEI_OK)
        work->sql = flight_text(work, statement.query);
    status = work->sql == NULL ? work->error.code : flight_describe(work, work->sql, statement.transaction, &described);
    if (status == RHEI_OK && !described.read_only)
        status = flight_may_write(work);
    if (status == RHEI_OK)
        status = flight_prepared_add(work, work->sql, described.parameters, statement.transaction, &handle);
    if (status == RHEI_OK) {
        wire_put_bytes(&answer, 1, handle.data, handle.len);
        if (described.known)
            wire_put_bytes(&answer, 2, described.schema.data, described.schema.len);
        if (described.parameters > 0)
            wire_put_bytes(&answer, 3, described.parameter_schema.data, described.parameter_schema.len);
        answer_any(work, "ActionCreatePreparedStatementResult", &answer);
    } else {
        flight_work_end(work, status, NULL, 0);
    }
    flight_described_reset(&described);
    base_buffer_reset(&handle);
    base_buffer_reset(&answer);
}

static void close_prepared(struct flight_work *work, struct flight_bytes body)
{
    struct flight_handle handle = {0};
    rhei_status status = flight_decode(&flight_handle_shape, body, &handle, &work->arena, &work->error);
    if (status == RHEI_OK)
        flight_prepared_close(work, handle.handle); /* what is closed already is closed */
    flight_work_end(work, status, NULL, 0);
}

static void begin_transaction(struct flight_work *work, struct flight_bytes body)
{
    struct base_buffer handle = {0}, answer = {0};
    (void)body;
    rhei_status status = flight_transaction_begin(work, &handle);
    wire_put_bytes(&answer, 1, handle.data, handle.len);
    if (status == RHEI_OK)
        answer_any(work, "ActionBeginTransactionResult", &answer);
    else
        flight_work_end(work, status, NULL, 0);
    base_buffer_reset(&handle);
    base_buffer_reset(&answer);
}

static rhei_status decode_end(struct flight_work *work, struct flight_bytes body, struct flight_end *end)
{
    rhei_status status = flight_decode(&flight_end_shape, body, end, &work->arena, &work->error);
    return status == RHEI_OK && end->action != 1 && end->action != 2
               ? error_set(&work->error, RHEI_INVALID, "it isn't said how to end it")
               : status;
}

static void end_transaction(struct flight_work *work, struct flight_bytes body)
{
    struct flight_end end = {0};
    rhei_status status = decode_end(work, body, &end);
    work->sql = end.action == 1 ? "COMMIT" : "ROLLBACK";
    if (status == RHEI_OK)
        status = flight_transaction_end(work, end.handle, end.action == 1);
    flight_work_end(work, status, NULL, 0);
}

static void begin_savepoint(struct flight_work *work, struct flight_bytes body)
{
    struct flight_savepoint savepoint = {0};
    struct base_buffer handle = {0}, answer = {0};
    rhei_status status = flight_decode(&flight_savepoint_shape, body, &savepoint, &work->arena, &work->error);
    if (status == RHEI_OK)
        status = flight_may_write(work); /* it begins to write */
    if (status == RHEI_OK)
        status = flight_savepoint_begin(work, savepoint.transaction, &handle);
    wire_put_bytes(&answer, 1, handle.data, handle.len);
    if (status == RHEI_OK)
        answer_any(work, "ActionBeginSavepointResult", &answer);
    else
        flight_work_end(work, status, NULL, 0);
    base_buffer_reset(&handle);
    base_buffer_reset(&answer);
}

static void end_savepoint(struct flight_work *work, struct flight_bytes body)
{
    struct flight_end end = {0};
    rhei_status status = decode_end(work, body, &end);
    if (status == RHEI_OK)
        status = flight_savepoint_end(work, end.handle, end.action == 1);
    flight_work_end(work, status, NULL, 0);
}

/* ---- Cancelling --------------------------------------------------------------------------------------------------- */

static void raise_running(struct rhei_flight *server, const char nonce[FLIGHT_SEAL_NONCE])
{
    base_mutex_lock(&server->running_lock);
    for (struct flight_work *work = server->running; work != NULL; work = work->next) {
        if (memcmp(work->nonce, nonce, FLIGHT_SEAL_NONCE) != 0)
            continue;
        work->cancelled_by_ticket = true;
        rhei_cancel_raise(work->cancel);
    }
    base_mutex_unlock(&server->running_lock);
}

/* What runs with a ticket of the flight ends, and what hasn't begun doesn't. */
static rhei_status cancel_info(struct flight_work *work, struct flight_bytes bytes)
{
    struct flight_info info = {0};
    rhei_status status = flight_decode(&flight_info_shape, bytes, &info, &work->arena, &work->error);
    if (status == RHEI_OK && info.endpoints.count == 0)
        status = error_set(&work->error, RHEI_INVALID, "there is no ticket in what is to be cancelled");
    for (size_t i = 0; status == RHEI_OK && i < info.endpoints.count; i++) {
        struct flight_endpoint endpoint = {0};
        struct flight_ticket ticket = {0};
        struct base_buffer body = {0};
        status = flight_decode(&flight_endpoint_shape, info.endpoints.items[i], &endpoint, &work->arena, &work->error);
        if (status == RHEI_OK)
            status = flight_decode(&flight_ticket_shape, endpoint.ticket, &ticket, &work->arena, &work->error);
        if (status == RHEI_OK &&
            !flight_seal_open(&work->server->seal, FLIGHT_SEAL_TICKET, work->user->name, ticket.ticket, &body))
            status = error_set(&work->error, RHEI_NOT_FOUND, "there is no such query of this user");
        base_buffer_reset(&body);
        if (status != RHEI_OK)
            break;
        rhei_status known = flight_nonce_add(work, ticket.ticket.bytes);
        status = known == RHEI_EXISTS ? RHEI_OK : known;
        raise_running(work->server, ticket.ticket.bytes);
    }
    return status;
}

static void cancel(struct flight_work *work, struct flight_bytes body, bool old)
{
    struct flight_wrapped wrapped = {0};
    struct base_buffer answer = {0};
    rhei_status status = flight_decode(&flight_wrapped_shape, body, &wrapped, &work->arena, &work->error);
    if (status == RHEI_OK)
        status = cancel_info(work, wrapped.inner);
    wire_put_number(&answer, 1, 1); /* CANCELLED */
    if (status != RHEI_OK)
        flight_work_end(work, status, NULL, 0);
    else if (old)
        answer_any(work, "ActionCancelQueryResult", &answer);
    else
        flight_action_answer(work, &answer);
    base_buffer_reset(&answer);
}

static void cancel_flight_info(struct flight_work *work, struct flight_bytes body)
{
    cancel(work, body, false);
}

static void cancel_query(struct flight_work *work, struct flight_bytes body)
{
    cancel(work, body, true);
}

/* ---- Which -------------------------------------------------------------------------------------------------------- */

static const struct action {
    const char *name, *description;
    const char *body; /* the Any's type; NULL: the body is the message itself */
    void (*run)(struct flight_work *work, struct flight_bytes body);
} actions[] = {
    {"CreatePreparedStatement", "Checks a statement, to be run with parameters.",
     "ActionCreatePreparedStatementRequest", create_prepared},
    {"ClosePreparedStatement", "Forgets a prepared statement.", "ActionClosePreparedStatementRequest", close_prepared},
    {"BeginTransaction", "Begins a transaction.", "ActionBeginTransactionRequest", begin_transaction},
    {"EndTransaction", "Commits a transaction, or rolls it back.", "ActionEndTransactionRequest", end_transaction},
    {"BeginSavepoint", "Sets a savepoint.", "ActionBeginSavepointRequest", begin_savepoint},
    {"EndSavepoint", "Releases a savepoint, or rolls back to it.", "ActionEndSavepointRequest", end_savepoint},
    {"CancelQuery", "Cancels a query (of old clients).", "ActionCancelQueryRequest", cancel_query},
    {"CancelFlightInfo", "Cancels a query.", NULL, cancel_flight_info},
    {"SetSessionOptions", "Sets freshness, route and compression of the calls that bring the cookie.", NULL, NULL},
    {"GetSessionOptions", "Tells the options of the cookie.", NULL, NULL},
    {"CloseSession", "Takes the cookie back.", NULL, NULL},
};
enum { ACTIONS = sizeof actions / sizeof actions[0] };

void flight_do_action(struct flight_work *work, struct flight_bytes message)
{
    struct flight_action action = {0};
    struct flight_bytes body;
    const char *type = NULL, *name = "";
    rhei_status status = flight_decode(&flight_action_shape, message, &action, &work->arena, &work->error);
    if (status == RHEI_OK)
        type = flight_text(work, action.type);
    const struct action *found = NULL;
    for (size_t i = 0; type != NULL && i < ACTIONS; i++)
        if (strcmp(actions[i].name, type) == 0)
            found = &actions[i];
    if (type != NULL && found == NULL)
        status = error_set(&work->error, RHEI_UNSUPPORTED, "there is no action \"%s\"", type);
    body = action.body;
    if (found != NULL && found->body != NULL)
        status = flight_command(work, action.body, &name, &body);
    if (status == RHEI_OK && found != NULL && found->body != NULL && strcmp(name, found->body) != 0)
        status = error_set(&work->error, RHEI_INVALID, "the action %s takes %s, not %s", type, found->body, name);
    if (status != RHEI_OK || found == NULL)
        flight_work_end(work, work->error.code, NULL, 0);
    else if (found->run == NULL)
        flight_session_action(work, type, body);
    else
        found->run(work, body);
}

/* One message after the other: `rows` counts those that were sent. */
static void list_next(struct flight_call *call)
{
    struct flight_work *work = *flight_call_state(call);
    if (flight_call_cancelled(call)) {
        flight_work_end(work, error_set(&work->error, RHEI_CANCELLED, "the client went away"), NULL, 0);
        return;
    }
    struct base_buffer message = {0};
    const struct action *action = &actions[work->rows++];
    wire_put_text(&message, 1, action->name);
    wire_put_text(&message, 2, action->description);
    const struct flight_piece piece = {.bytes = message.data, .len = message.len};
    if (message.failed)
        flight_work_end(work, error_no_memory(&work->error), NULL, 0);
    else if (work->rows == ACTIONS)
        flight_work_end(work, RHEI_OK, &piece, 1);
    else
        flight_call_send(call, &piece, 1, list_next);
    base_buffer_reset(&message);
}

void flight_list_actions(struct flight_work *work)
{
    work->rows = 0;
    list_next(work->call);
}
