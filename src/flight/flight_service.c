/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call from its admission to its end: who asks, what is asked for, what it came to.
 *
 * Invariants:
 * S1. Nothing of a call but its headers is looked at before its caller is known.
 * S2. Each call ends once, by flight_work_end(), which writes its line into the log. Secrets and parameters are in none.
 * S3. What a call holds (transaction, stream, parameters) is given back before its end is sent: who asks next, on the same connection, finds it free.
 */
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "flight_service.h"

/* ---- Who asks ----------------------------------------------------------------------------------------------------- */

static bool begins_with(struct flight_bytes value, const char *word)
{
    size_t len = strlen(word);
    return value.len > len && base_fold_equal(value.bytes, len, word, len);
}

/* A token is that of all, or one that Handshake gave. */
static const struct flight_user *user_of_token(struct rhei_flight *server, const char *token, size_t len)
{
    struct base_buffer sealed = {0}, name = {0};
    const struct flight_user *user = NULL;
    if (server->users.token != NULL && flight_same_secret(server->users.token, strlen(server->users.token), token, len))
        user = &server->users.token_user;
    else if (flight_base64_decode(token, len, true, &sealed) &&
             flight_seal_open(&server->seal, FLIGHT_SEAL_BEARER, NULL,
                              (struct flight_bytes){sealed.data, sealed.len, true}, &name))
        user = flight_users_find(&server->users, name.data);
    base_buffer_reset(&sealed);
    base_buffer_reset(&name);
    return user;
}

static const struct flight_user *user_of_call(struct rhei_flight *server, struct flight_call *call)
{
    static const char bearer[] = "Bearer ";
    struct flight_bytes header = flight_call_header(call, "authorization", 0);
    if (server->users.open)
        return &server->users.anybody;
    if (!begins_with(header, bearer))
        return NULL;
    return user_of_token(server, (const char *)header.bytes + sizeof bearer - 1, header.len - (sizeof bearer - 1));
}

static void refused(struct rhei_flight *server, struct flight_call *call, const char *why)
{
    base_log_write(&server->log, BASE_LOG_WARN, "flight", "refused %s of %s: %s", flight_call_method(call),
                   flight_call_peer(call), why);
}

static void unlist_running(struct flight_work *work)
{
    struct rhei_flight *server = work->server;
    base_mutex_lock(&server->running_lock);
    if (work->has_nonce) {
        if (work->previous != NULL)
            work->previous->next = work->next;
        else
            server->running = work->next;
        if (work->next != NULL)
            work->next->previous = work->previous;
        work->has_nonce = false;
    }
    base_mutex_unlock(&server->running_lock);
}

/* S3. */
static void let_go(struct flight_work *work)
{
    flight_stream_free(&work->stream);
    flight_transaction_leave(work);
    flight_params_unref(&work->params);
    unlist_running(work);
}

static bool admit(void *context, struct flight_call *call, struct flight_end_of_call *end)
{
    struct rhei_flight *server = context;
    bool handshake = strcmp(flight_call_method(call), "Handshake") == 0;
    const struct flight_user *user = handshake ? &server->users.anybody : user_of_call(server, call);
    struct flight_work *work = user == NULL ? NULL : base_alloc_zero(1, sizeof *work);
    if (user == NULL) {
        static const struct flight_pair sqlstate = {"x-rhei-sqlstate", "28000"};
        bool header = flight_call_header(call, "authorization", 0).there;
        *end = (struct flight_end_of_call){
            .code = FLIGHT_UNAUTHENTICATED,
            .message =
                header ? "the credentials are none that this server takes, or a login is over: log in again"
                       : "this server wants to know who asks: send a bearer token, or log in with name and password",
            .trailers = &sqlstate,
            .trailer_count = 1};
        refused(server, call, header ? "wrong credentials" : "no credentials");
        return false;
    }
    if (work == NULL || rhei_cancel_create(&work->cancel, NULL) != RHEI_OK) {
        base_free(work);
        return false;
    }
    work->server = server;
    work->call = call;
    work->let_go = let_go;
    work->user = user;
    work->started_ns = base_now_ns();
    work->doing = "";
    work->rows = -1;
    error_clear(&work->error);
    *flight_call_state(call) = work;
    return true;
}

static void cancel(void *context, struct flight_call *call)
{
    struct flight_work *work = *flight_call_state(call);
    (void)context;
    rhei_cancel_raise(work->cancel);
}

static void leave(void *context, struct flight_call *call)
{
    struct flight_work *work = *flight_call_state(call);
    (void)context;
    rhei_cancel_destroy(&work->cancel);
    base_arena_reset(&work->arena);
    base_arena_reset(&work->step);
    base_free(work);
}

/* Name and password of the header, for a token that lasts a day. */
static rhei_status log_in(struct flight_work *work)
{
    static const char basic[] = "Basic ";
    struct rhei_flight *server = work->server;
    struct flight_bytes header = flight_call_header(work->call, "authorization", 0);
    struct base_buffer plain = {0}, sealed = {0}, token = {0};
    const struct flight_user *user = server->users.open ? &server->users.anybody : NULL;
    bool asked = begins_with(header, basic) && flight_base64_decode((const char *)header.bytes + sizeof basic - 1,
                                                                    header.len - (sizeof basic - 1), false, &plain);
    char *password = asked ? flight_users_split(&plain) : NULL;
    if (user == NULL && password != NULL) {
        base_mutex_lock(&server->password_lock);
        user = flight_users_enter(&server->users, plain.data, password, plain.len - (size_t)(password - plain.data));
        base_mutex_unlock(&server->password_lock);
    }
    flight_wipe(plain.data, plain.len);
    base_buffer_reset(&plain);
    if (user == NULL) {
        refused(server, work->call, password == NULL ? "no name and password" : "wrong name or password");
        rhei_status status = error_set(&work->error, RHEI_INVALID,
                                       password == NULL ? "a login takes name and password, as Basic authentication"
                                                        : "name or password is wrong");
        memcpy(work->error.sqlstate, "28000", sizeof "28000");
        return status;
    }
    work->user = user;
    flight_seal_close(&server->seal, FLIGHT_SEAL_BEARER, user->name, base_wall_ms() + FLIGHT_BEARER_MS, "", 0, &sealed);
    base_buffer_text(&token, "Bearer ");
    (void)flight_base64_encode(sealed.data, sealed.len, true, &token);
    bool good = !sealed.failed && !token.failed;
    if (good)
        flight_call_add_header(work->call, "authorization", token.data);
    base_buffer_reset(&sealed);
    base_buffer_reset(&token);
    return good ? RHEI_OK : error_no_memory(&work->error);
}

/* ---- What is asked for -------------------------------------------------------------------------------------------- */

static void unknown_method(struct flight_work *work)
{
    const char *method = flight_call_method(work->call);
    flight_work_end(work,
                    error_set(&work->error, RHEI_UNSUPPORTED,
                              "the call %s isn't offered by this server: it speaks Flight SQL",
                              method[0] == '\0' ? "of another service" : method),
                    NULL, 0);
}

static void begin(void *context, struct flight_call *call, struct flight_bytes message)
{
    static const struct {
        const char *name;
        void (*run)(struct flight_work *work, struct flight_bytes message);
    } methods[] = {{"GetFlightInfo", flight_get_info},
                   {"GetSchema", flight_get_schema},
                   {"DoGet", flight_do_get},
                   {"DoPut", flight_do_put},
                   {"DoAction", flight_do_action}};
    struct flight_work *work = *flight_call_state(call);
    const char *method = flight_call_method(call);
    (void)context;
    if (strcmp(method, "Handshake") == 0) {
        flight_work_end(work, log_in(work), NULL, 0);
        return;
    }
    if (flight_wishes_read(work) != RHEI_OK) {
        flight_work_end(work, work->error.code, NULL, 0);
        return;
    }
    if (strcmp(method, "ListActions") == 0) {
        flight_list_actions(work);
        return;
    }
    if (strcmp(method, "ListFlights") == 0) { /* flights are asked for, none is on offer */
        flight_work_end(work, RHEI_OK, NULL, 0);
        return;
    }
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i].name, method) == 0) {
            methods[i].run(work, message);
            return;
        }
    }
    unknown_method(work);
}

/* ---- Now and then ------------------------------------------------------------------------------------------------- */

static void look_at_certificate(struct rhei_flight *server)
{
    struct flight_certificate certificate;
    struct rhei_error error = RHEI_ERROR_INIT;
    if (!server->tls || !flight_tls_changed(&server->certificate))
        return;
    rhei_status status = flight_tls_read(&server->certificate, &certificate, NULL, &error);
    if (status == RHEI_OK)
        status = flight_transport_certify(server->transport, &certificate, &error);
    flight_tls_forget(&certificate);
    if (status == RHEI_OK)
        base_log_write(&server->log, BASE_LOG_INFO, "flight", "connections from now on get the new certificate of %s",
                       server->certificate.paths[0]);
    else
        base_log_write(&server->log, BASE_LOG_WARN, "flight",
                       "the certificate was changed, and the one before goes on: %s", error.message);
}

static void look_at_connections(struct rhei_flight *server)
{
    size_t ended = flight_connections_limit(&server->connections, server->port, server->most_connections);
    if (ended > 0)
        base_log_write(&server->log, BASE_LOG_WARN, "flight", "ended %zu connections: there are more than %zu", ended,
                       server->most_connections);
}

static void sweep(void *argument)
{
    struct rhei_flight *server = argument;
    look_at_connections(server);
    look_at_certificate(server);
    flight_handles_sweep(server, false);
    base_mutex_lock(&server->lock);
    server->sweeping = false;
    base_mutex_unlock(&server->lock);
}

static void tick(void *context)
{
    struct rhei_flight *server = context;
    base_mutex_lock(&server->lock);
    bool sweeps = !server->sweeping && !server->stopping && server->transport != NULL;
    server->sweeping = server->sweeping || sweeps;
    base_mutex_unlock(&server->lock);
    if (sweeps && !flight_transport_run(server->transport, sweep, server)) {
        base_mutex_lock(&server->lock);
        server->sweeping = false;
        base_mutex_unlock(&server->lock);
    }
}

void flight_service_make(struct rhei_flight *server, struct flight_service *service)
{
    *service = (struct flight_service){
        .admit = admit, .begin = begin, .cancel = cancel, .leave = leave, .tick = tick, .context = server};
}
