/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport over the C core of gRPC: only files whose name begins with flight_grpc know it. Its API is not a public one and was written against 1.51 (Debian 12).
 *
 * One of two threads takes completions (flight_turn.h); it waits for nothing but them, and a call that is alone it carries on itself. Each call has at most one operation in flight beside the one
 * that tells of its end, and is
 *
 *   ASKED     taken from the server; admitted or finished in there
 *   OPENING   waits for its first message
 *   RUNNING   a worker has it, or the thread that takes completions
 *   READING   a thread that isn't to take completions waits for a message
 *   SENDING   a message is on its way; no thread has it
 *   FINISHING its message before the last is on its way; the last, and the status, are there already
 *   ENDING    its status is on its way, or it was cancelled: nothing more is sent
 *
 * Invariants:
 * G1. A call lives while it isn't ended or its end isn't told: two references.
 * G2. After a cancel nothing is sent: the operation in flight completes by itself, and the call ends without a status.
 * G3. Bytes that are sent without copying are released by the last slice, wherever gRPC holds it.
 * G4. Each operation has a time: one that takes longer ends its call.
 * G5. Who takes completions carries on the last call that came, when no other completion is there: the others are workers', side by side.
 * G6. What was done before an operation was handed over has happened for who hears of its end, which may be the call's: gRPC sees to that, and
 *     `handed` says it to those that don't look into gRPC.
 *
 * grpc_shutdown() isn't called: on its way out it waits ten seconds now and then.
 */
#include <grpc/support/log.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "flight_grpc.h"

enum { ASKING = 16, HEADER_BYTES = 16384, STREAMS = 128, HANDSHAKE_MS = 10000, IDLE_MS = 3600000 };
#define QUOTA_BYTES (UINT64_C(512) << 20)

static grpc_arg number_arg(const char *key, int value)
{
    union {
        const char *constant;
        char *plain;
    } name = {.constant = key};
    grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = name.plain};
    arg.value.integer = value;
    return arg;
}

static grpc_server *make_server(struct flight_transport *transport, size_t most_message)
{
    const grpc_arg args[] = {
        number_arg(GRPC_ARG_ALLOW_REUSEPORT, 0), /* else a second server would share the port */
        number_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)most_message),
        number_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
        number_arg(GRPC_ARG_MAX_METADATA_SIZE, HEADER_BYTES),
        number_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, STREAMS),
        number_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, HANDSHAKE_MS),
        number_arg(GRPC_ARG_MAX_CONNECTION_IDLE_MS, IDLE_MS),
        number_arg(GRPC_ARG_KEEPALIVE_TIME_MS, 60000),
        number_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20000),
        number_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        number_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000),
    };
    grpc_arg all[sizeof args / sizeof args[0] + 1];
    memcpy(all, args, sizeof args);
    union {
        const char *constant;
        char *plain;
    } name = {.constant = GRPC_ARG_RESOURCE_QUOTA};
    grpc_arg *quota = &all[sizeof args / sizeof args[0]];
    *quota = (grpc_arg){.type = GRPC_ARG_POINTER, .key = name.plain};
    quota->value.pointer.p = transport->quota;
    quota->value.pointer.vtable = grpc_resource_quota_arg_vtable();
    return grpc_server_create(&(grpc_channel_args){sizeof all / sizeof all[0], all}, NULL);
}

rhei_status flight_transport_certify(struct flight_transport *transport, const struct flight_certificate *certificate,
                                     struct rhei_error *error)
{
    return flight_grpc_tls_change(&transport->tls, certificate, error);
}

static void quiet(gpr_log_func_args *args)
{
    (void)args; /* a library prints nothing */
}

static void begin_grpc(void)
{
    static atomic_flag started = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&started))
        gpr_set_log_function(quiet);
    grpc_init();
}

uint32_t flight_transport_calls(struct flight_transport *transport)
{
    base_mutex_lock(&transport->lock);
    uint32_t count = transport->call_count;
    base_mutex_unlock(&transport->lock);
    return count;
}

rhei_status flight_transport_try(const struct flight_certificate *certificate, struct rhei_error *error)
{
    begin_grpc();
    rhei_status status = flight_grpc_tls_check(certificate, error);
    grpc_shutdown();
    return status;
}

static rhei_status listen_on(struct flight_transport *transport, const struct flight_transport_options *options,
                             int *port, struct rhei_error *error)
{
    transport->server = make_server(transport, options->most_message);
    transport->queue = grpc_completion_queue_create_for_next(NULL);
    if (transport->server == NULL || transport->queue == NULL)
        return error_no_memory(error);
    rhei_status status = flight_grpc_tls_check(options->certificate, error);
    if (status != RHEI_OK)
        return status;
    grpc_server_register_completion_queue(transport->server, transport->queue, NULL);
    grpc_server_credentials *credentials = flight_grpc_tls_credentials(&transport->tls, options->certificate);
    *port = grpc_server_add_http2_port(transport->server, options->listen, credentials);
    grpc_server_credentials_release(credentials);
    if (*port == 0)
        return error_set(error, RHEI_CANT_OPEN,
                         "%s can't be listened on: the port is taken, or the address isn't one of this machine",
                         options->listen);
    grpc_server_start(transport->server);
    transport->ticked_ns = base_now_ns();
    for (; transport->thread_count < 2 && status == RHEI_OK; transport->thread_count += status == RHEI_OK)
        status = base_thread_start(&transport->threads[transport->thread_count], "rhei-flight-io",
                                   flight_grpc_run_queue, transport, error);
    return status;
}

static void transport_free(struct flight_transport *transport)
{
    if (transport->queue != NULL)
        grpc_completion_queue_shutdown(transport->queue);
    for (int i = 0; i < transport->thread_count; i++)
        base_thread_join(&transport->threads[i]);
    if (transport->server != NULL)
        grpc_server_destroy(transport->server);
    if (transport->queue != NULL)
        grpc_completion_queue_destroy(transport->queue);
    if (transport->quota != NULL)
        grpc_resource_quota_unref(transport->quota);
    flight_grpc_tls_reset(&transport->tls);
    flight_pool_free(&transport->pool);
    flight_turn_destroy(&transport->turn);
    base_cond_destroy(&transport->fewer);
    base_mutex_destroy(&transport->lock);
    base_free(transport);
}

rhei_status flight_transport_start(const struct flight_transport_options *options, const struct flight_service *service,
                                   struct flight_transport **transport, int *port, struct rhei_error *error)
{
    *transport = NULL;
    struct flight_transport *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    begin_grpc();
    made->service = *service;
    made->most_calls = options->most_calls;
    made->read_ns = options->read_ms * 1000000;
    made->send_ns = options->send_ms * 1000000;
    made->stopped = (struct tag){TAG_STOPPED, NULL};
    base_mutex_init(&made->lock);
    base_cond_init(&made->fewer);
    flight_grpc_tls_init(&made->tls);
    flight_turn_init(&made->turn);
    made->quota = grpc_resource_quota_create("rhei-flight");
    grpc_resource_quota_resize(made->quota, QUOTA_BYTES);
    rhei_status status = flight_pool_new(options->most_threads, &made->pool, error);
    if (status == RHEI_OK)
        status = listen_on(made, options, port, error);
    if (status != RHEI_OK) {
        transport_free(made);
        return status;
    }
    for (int i = 0; i < ASKING; i++)
        flight_grpc_ask(made);
    *transport = made;
    return RHEI_OK;
}

void flight_transport_stop(struct flight_transport **transport, int64_t drain_ms)
{
    struct flight_transport *old = *transport;
    if (old == NULL)
        return;
    base_mutex_lock(&old->lock);
    old->stopping = true;
    base_mutex_unlock(&old->lock);
    grpc_server_shutdown_and_notify(old->server, old->queue, &old->stopped);
    int64_t deadline_ns = base_now_ns() + drain_ms * 1000000;
    base_mutex_lock(&old->lock);
    while (!old->is_stopped && base_cond_wait_until(&old->fewer, &old->lock, deadline_ns))
        ;
    base_mutex_unlock(&old->lock);
    grpc_server_cancel_all_calls(old->server);
    base_mutex_lock(&old->lock);
    while (!old->is_stopped || old->call_count > 0)
        base_cond_wait(&old->fewer, &old->lock);
    base_mutex_unlock(&old->lock);
    transport_free(old);
    *transport = NULL;
}

struct errand {
    struct flight_job job;
    void (*run)(void *);
    void *argument;
};

static void run_errand(void *argument)
{
    struct errand *errand = argument;
    errand->run(errand->argument);
    base_free(errand);
}

bool flight_transport_run(struct flight_transport *transport, void (*run)(void *), void *argument)
{
    struct errand *errand = base_alloc(sizeof *errand);
    if (errand == NULL)
        return false;
    *errand = (struct errand){.job = {run_errand, errand, NULL}, .run = run, .argument = argument};
    if (flight_pool_give(transport->pool, &errand->job))
        return true;
    base_free(errand);
    return false;
}
