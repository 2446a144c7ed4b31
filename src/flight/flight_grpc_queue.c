/* SPDX-License-Identifier: Apache-2.0 */
/* What the queue of completions tells, and the two threads that hear of it (flight_turn.h). Invariants: flight_grpc.c. */
#include <grpc/support/time.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_memory.h"
#include "flight_grpc.h"

static const char service_path[] = "/arrow.flight.protocol.FlightService/";

/* G5: it is the last for now. On the thread that leads. */
static void carry_on(struct flight_call *call, void (*run)(void *))
{
    struct flight_transport *transport = call->transport;
    if (transport->ready != NULL)
        flight_grpc_give_to_worker(transport->ready, transport->ready->job.run);
    call->job.run = run;
    transport->ready = call;
}

static void begin(void *argument)
{
    struct flight_call *call = argument;
    flight_grpc_set_phase(call, RUNNING);
    if (flight_call_cancelled(call)) {
        flight_call_finish(call, &(struct flight_end_of_call){.code = FLIGHT_CANCELLED});
        return;
    }
    call->transport->service.begin(call->transport->service.context, call, flight_grpc_take_message(call));
}

static bool open_call(struct flight_call *call)
{
    size_t len = GRPC_SLICE_LENGTH(call->details.method), prefix = sizeof service_path - 1;
    const char *path = (const char *)GRPC_SLICE_START_PTR(call->details.method);
    bool known = len > prefix && memcmp(path, service_path, prefix) == 0;
    call->method = known ? base_strndup(path + prefix, len - prefix) : base_strndup("", 0);
    call->peer = grpc_call_get_peer(call->grpc);
    return call->method != NULL;
}

static bool let_in(struct flight_call *call, struct flight_end_of_call *end)
{
    struct flight_transport *transport = call->transport;
    base_mutex_lock(&transport->lock);
    bool many = transport->call_count > transport->most_calls, stopping = transport->stopping;
    base_mutex_unlock(&transport->lock);
    *end = (struct flight_end_of_call){.code = FLIGHT_UNAVAILABLE, .message = "the server is shutting down"};
    if (stopping)
        return false;
    *end = (struct flight_end_of_call){.code = FLIGHT_RESOURCE_EXHAUSTED,
                                       .message = "the server has as many calls as it takes: come again later"};
    if (many || flight_pool_is_full(transport->pool))
        return false;
    *end = (struct flight_end_of_call){.code = FLIGHT_INTERNAL, .message = "the server is out of memory"};
    if (!open_call(call))
        return false;
    call->admitted = transport->service.admit(transport->service.context, call, end);
    return call->admitted;
}

static void list(struct flight_call *call)
{
    struct flight_transport *transport = call->transport;
    base_mutex_lock(&transport->lock);
    call->next = transport->calls;
    if (call->next != NULL)
        call->next->previous = call;
    transport->calls = call;
    transport->call_count++;
    base_mutex_unlock(&transport->lock);
}

static void on_new(struct flight_call *call, bool good)
{
    struct flight_transport *transport = call->transport;
    if (!good) { /* the server takes no more */
        flight_grpc_call_free(call);
        return;
    }
    flight_grpc_ask(transport);
    atomic_store(&call->references, 2);
    list(call);
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &call->cancelled_flag;
    if (!flight_grpc_start(call, &op, 1, &call->closed))
        flight_grpc_unref(call);
    struct flight_end_of_call end;
    if (!let_in(call, &end)) {
        flight_call_finish(call, &end);
    } else if (strcmp(call->method, "Handshake") ==
               0) { /* all of it is in the headers: nobody unknown gives us a message to hold */
        carry_on(call, begin);
    } else {
        flight_grpc_set_phase(call, OPENING);
        if (!flight_grpc_start_reading(call))
            flight_call_finish(call, &(struct flight_end_of_call){.code = FLIGHT_INTERNAL});
    }
}

static void on_closed(struct flight_call *call)
{
    if (call->cancelled_flag != 0) {
        atomic_store(&call->cancelled, true);
        if (call->admitted)
            call->transport->service.cancel(call->transport->service.context, call);
    }
    flight_grpc_unref(call);
}

static void on_operation(struct flight_call *call, bool good)
{
    if (!good)
        atomic_store(&call->cancelled, true);
    switch (atomic_load(&call->phase)) {
    case OPENING:
        carry_on(call, begin);
        break;
    case READING:
        base_mutex_lock(&call->lock);
        call->completed = true;
        call->succeeded = good;
        base_cond_signal(&call->done);
        base_mutex_unlock(&call->lock);
        break;
    case SENDING:
        flight_grpc_set_phase(call, RUNNING);
        carry_on(call, flight_grpc_go_on);
        break;
    case FINISHING:
        flight_grpc_send_last(call);
        break;
    default:
        flight_grpc_unref(call);
        break;
    }
}

/* G4. */
static void end_what_takes_too_long(struct flight_transport *transport)
{
    int64_t now_ns = base_now_ns();
    base_mutex_lock(&transport->lock);
    for (struct flight_call *call = transport->calls; call != NULL; call = call->next) {
        int phase = atomic_load(&call->phase);
        int64_t most_ns = phase == OPENING || phase == READING                        ? transport->read_ns
                          : phase == SENDING || phase == FINISHING || phase == ENDING ? transport->send_ns
                                                                                      : INT64_MAX;
        if (now_ns - atomic_load(&call->since_ns) > most_ns && !flight_call_cancelled(call))
            grpc_call_cancel(call->grpc, NULL);
    }
    base_mutex_unlock(&transport->lock);
}

static void on_tag(struct flight_transport *transport, struct tag *tag, bool good)
{
    struct flight_call *call = tag->about;
    if (call != NULL)
        (void)atomic_load(&call->handed); /* G6 */
    switch (tag->kind) {
    case TAG_NEW:
        on_new(call, good);
        break;
    case TAG_CLOSED:
        on_closed(call);
        break;
    case TAG_OPERATION:
        on_operation(call, good);
        break;
    case TAG_STOPPED:
        base_mutex_lock(&transport->lock);
        transport->is_stopped = true;
        base_cond_broadcast(&transport->fewer);
        base_mutex_unlock(&transport->lock);
        break;
    }
}

/* Nothing else is to be done now. False: another thread leads meanwhile. */
static bool run_ready(struct flight_transport *transport)
{
    struct flight_call *call = transport->ready;
    transport->ready = NULL;
    if (!flight_turn_begin(&transport->turn)) {
        flight_grpc_give_to_worker(call, call->job.run);
        return true;
    }
    call->by_leader = true;
    call->job.run(call);
    return flight_turn_end(&transport->turn);
}

static void look_at_time(struct flight_transport *transport)
{
    int64_t now_ns = base_now_ns();
    if (now_ns - transport->ticked_ns < INT64_C(1000000000))
        return;
    transport->ticked_ns = now_ns;
    end_what_takes_too_long(transport);
    transport->service.tick(transport->service.context);
}

/* Until the turn is lost; false: until the queue is at its end. */
static bool lead(struct flight_transport *transport)
{
    for (;;) {
        gpr_timespec until = transport->ready != NULL
                                 ? gpr_inf_past(GPR_CLOCK_MONOTONIC)
                                 : gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(1000, GPR_TIMESPAN));
        grpc_event event = grpc_completion_queue_next(transport->queue, until, NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return false;
        if (event.type == GRPC_OP_COMPLETE)
            on_tag(transport, event.tag, event.success != 0);
        else if (transport->ready != NULL && !run_ready(transport))
            return true;
        look_at_time(transport);
    }
}

void flight_grpc_run_queue(void *argument)
{
    struct flight_transport *transport = argument;
    while (flight_turn_wait(&transport->turn) && lead(transport))
        ;
    flight_turn_close(&transport->turn);
}
