/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport over the C core of gRPC: no other file names it but flight_grpc_tls.c. Its API is not a public one and was written against 1.51 (Debian 12).
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
#include "flight_transport.h"

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>
#include <grpc/support/time.h>
#include <stdatomic.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_thread.h"
#include "flight_grpc_tls.h"
#include "flight_pool.h"
#include "flight_turn.h"

enum { ASKING = 16, MOST_HEADERS = 8, HEADER_BYTES = 16384, STREAMS = 128, HANDSHAKE_MS = 10000, IDLE_MS = 3600000 };
#define QUOTA_BYTES (UINT64_C(512) << 20)
static const char service_path[] = "/arrow.flight.protocol.FlightService/";

enum call_phase { ASKED, OPENING, RUNNING, READING, SENDING, FINISHING, ENDING };
enum tag_kind { TAG_NEW, TAG_CLOSED, TAG_OPERATION, TAG_STOPPED };

struct tag {
    enum tag_kind kind;
    void *about; /* struct flight_call, or the transport */
};

struct flight_call {
    struct flight_transport *transport;
    grpc_call *grpc;
    grpc_call_details details;
    grpc_metadata_array headers;
    struct tag fresh, closed, operation;
    char *method, *peer;
    void *state;
    bool admitted;
    atomic_int references;
    atomic_bool cancelled;
    atomic_int phase;              /* enum call_phase */
    atomic_uint handed;            /* operations, to gRPC */
    int cancelled_flag;            /* gRPC's */
    atomic_int_least64_t since_ns; /* of the operation in flight */

    base_mutex lock; /* of what a waiting worker looks at */
    base_cond done;
    bool completed, succeeded;

    grpc_byte_buffer *sent, *received, *last;
    grpc_slice message; /* what was received, in one piece */
    bool has_message, headers_sent;
    grpc_metadata to_send[MOST_HEADERS];
    size_t to_send_count;
    void (*then)(struct flight_call *);
    struct flight_job job;
    bool by_leader;                      /* the thread that takes completions runs the job */
    struct flight_call *next, *previous; /* all that live */
};

struct flight_transport {
    struct flight_service service;
    struct flight_pool *pool;
    grpc_server *server;
    grpc_completion_queue *queue;
    grpc_resource_quota *quota;
    struct flight_grpc_tls tls;
    base_thread threads[2];
    int thread_count;
    struct flight_turn turn;
    /* The leader's. */
    struct flight_call *ready; /* G5 */
    int64_t ticked_ns;
    struct tag stopped;
    uint32_t most_calls;
    int64_t read_ns, send_ns;
    base_mutex lock; /* of the list of calls */
    base_cond fewer;
    struct flight_call *calls;
    uint32_t call_count;
    bool stopping, is_stopped;
};

/* ---- Calls -------------------------------------------------------------------------------------------------------- */

static void call_free(struct flight_call *call)
{
    for (size_t i = 0; i < call->to_send_count; i++) {
        grpc_slice_unref(call->to_send[i].key);
        grpc_slice_unref(call->to_send[i].value);
    }
    if (call->has_message)
        grpc_slice_unref(call->message);
    if (call->received != NULL)
        grpc_byte_buffer_destroy(call->received);
    if (call->sent != NULL)
        grpc_byte_buffer_destroy(call->sent);
    if (call->last != NULL)
        grpc_byte_buffer_destroy(call->last);
    grpc_call_details_destroy(&call->details);
    grpc_metadata_array_destroy(&call->headers);
    if (call->grpc != NULL)
        grpc_call_unref(call->grpc);
    base_cond_destroy(&call->done);
    base_mutex_destroy(&call->lock);
    base_free(call->method);
    gpr_free(call->peer);
    base_free(call);
}

static void unlist(struct flight_call *call)
{
    struct flight_transport *transport = call->transport;
    base_mutex_lock(&transport->lock);
    if (call->previous != NULL)
        call->previous->next = call->next;
    else
        transport->calls = call->next;
    if (call->next != NULL)
        call->next->previous = call->previous;
    transport->call_count--;
    base_cond_broadcast(&transport->fewer);
    base_mutex_unlock(&transport->lock);
}

static void unref(struct flight_call *call)
{
    if (atomic_fetch_sub(&call->references, 1) != 1)
        return;
    if (call->admitted)
        call->transport->service.leave(call->transport->service.context, call);
    grpc_call *grpc = call->grpc;
    call->grpc = NULL;
    grpc_call_unref(grpc);
    unlist(call);
    call_free(call);
}

/* The next call of the server, into a struct that is there before. */
static void ask(struct flight_transport *transport)
{
    struct flight_call *call = base_alloc_zero(1, sizeof *call);
    if (call == NULL)
        return; /* the others that wait go on */
    call->transport = transport;
    call->fresh = (struct tag){TAG_NEW, call};
    call->closed = (struct tag){TAG_CLOSED, call};
    call->operation = (struct tag){TAG_OPERATION, call};
    base_mutex_init(&call->lock);
    base_cond_init(&call->done);
    grpc_call_details_init(&call->details);
    grpc_metadata_array_init(&call->headers);
    if (grpc_server_request_call(transport->server, &call->grpc, &call->details, &call->headers, transport->queue,
                                 transport->queue, &call->fresh) != GRPC_CALL_OK)
        call_free(call);
}

static void set_phase(struct flight_call *call, enum call_phase phase)
{
    atomic_store(&call->since_ns, base_now_ns());
    atomic_store(&call->phase, (int)phase);
}

/* One batch of operations. It can't be refused but for misuse, after which the call would hang: then it is cancelled. */
static bool start(struct flight_call *call, const grpc_op *ops, size_t count, struct tag *tag)
{
    grpc_call *grpc = call->grpc;
    atomic_fetch_add(&call->handed, 1); /* G6 */
    if (grpc_call_start_batch(grpc, ops, count, tag, NULL) == GRPC_CALL_OK)
        return true;
    grpc_call_cancel(call->grpc, NULL);
    return false;
}

static bool start_reading(struct flight_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->received;
    return start(call, &op, 1, &call->operation);
}

/* In one piece; what was there before is given back. */
static struct flight_bytes take_message(struct flight_call *call)
{
    if (call->has_message)
        grpc_slice_unref(call->message);
    call->has_message = false;
    if (call->received == NULL)
        return (struct flight_bytes){0};
    grpc_byte_buffer_reader reader;
    if (grpc_byte_buffer_reader_init(&reader, call->received)) {
        call->message = grpc_byte_buffer_reader_readall(&reader);
        call->has_message = true;
        grpc_byte_buffer_reader_destroy(&reader);
    }
    grpc_byte_buffer_destroy(call->received);
    call->received = NULL;
    return call->has_message
               ? (struct flight_bytes){GRPC_SLICE_START_PTR(call->message), GRPC_SLICE_LENGTH(call->message), true}
               : (struct flight_bytes){0};
}

/* ---- What a call asks for ----------------------------------------------------------------------------------------- */

void **flight_call_state(struct flight_call *call)
{
    return &call->state;
}

const char *flight_call_method(const struct flight_call *call)
{
    return call->method;
}

const char *flight_call_peer(const struct flight_call *call)
{
    return call->peer;
}

bool flight_call_cancelled(const struct flight_call *call)
{
    return atomic_load(&call->cancelled);
}

struct flight_bytes flight_call_header(const struct flight_call *call, const char *name, size_t n)
{
    for (size_t i = 0; i < call->headers.count; i++) {
        const grpc_metadata *header = &call->headers.metadata[i];
        if (grpc_slice_str_cmp(header->key, name) == 0 && n-- == 0)
            return (struct flight_bytes){GRPC_SLICE_START_PTR(header->value), GRPC_SLICE_LENGTH(header->value), true};
    }
    return (struct flight_bytes){0};
}

struct flight_bytes flight_call_header_name(const struct flight_call *call, size_t i)
{
    if (i >= call->headers.count)
        return (struct flight_bytes){0};
    const grpc_slice *name = &call->headers.metadata[i].key;
    return (struct flight_bytes){GRPC_SLICE_START_PTR(*name), GRPC_SLICE_LENGTH(*name), true};
}

void flight_call_add_header(struct flight_call *call, const char *key, const char *value)
{
    if (call->to_send_count == MOST_HEADERS || call->headers_sent)
        return;
    call->to_send[call->to_send_count++] =
        (grpc_metadata){.key = grpc_slice_from_copied_string(key), .value = grpc_slice_from_copied_string(value)};
}

static size_t add_headers(struct flight_call *call, grpc_op *ops)
{
    if (call->headers_sent)
        return 0;
    call->headers_sent = true;
    ops[0] = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    ops[0].data.send_initial_metadata.count = call->to_send_count;
    ops[0].data.send_initial_metadata.metadata = call->to_send;
    return 1;
}

static rhei_status client_went(struct rhei_error *error)
{
    return error_set(error, RHEI_CANCELLED, "the client went away, or sent nothing for too long");
}

/* Starts an operation and waits for it, which G4 ends at the latest. False: the call is cancelled. */
static bool wait_for(struct flight_call *call, bool (*start_it)(struct flight_call *))
{
    call->completed = false;
    if (call->by_leader)
        flight_turn_give(&call->transport->turn); /* what is waited for comes by the queue */
    call->by_leader = false;
    set_phase(call, READING);
    if (flight_call_cancelled(call) || !start_it(call)) {
        set_phase(call, RUNNING);
        return false;
    }
    base_mutex_lock(&call->lock);
    while (!call->completed)
        base_cond_wait(&call->done, &call->lock);
    base_mutex_unlock(&call->lock);
    set_phase(call, RUNNING);
    return call->succeeded && !flight_call_cancelled(call);
}

/*
 * A client that went away looks, at first, like one that sends no more: what it sent would be taken for all of it. An operation that
 * writes comes behind the news, and fails then.
 */
static bool start_headers(struct flight_call *call)
{
    grpc_op op;
    return add_headers(call, &op) == 1 && start(call, &op, 1, &call->operation);
}

rhei_status flight_call_read(struct flight_call *call, struct flight_bytes *message, struct rhei_error *error)
{
    if (!wait_for(call, start_reading))
        return client_went(error);
    bool none = call->received == NULL;
    *message = take_message(call);
    if (none && !call->headers_sent && !wait_for(call, start_headers))
        return client_went(error);
    return none ? RHEI_DONE : RHEI_OK;
}

static void release_piece(void *owner)
{
    struct flight_piece *piece = owner;
    piece->release(piece->owner);
    base_free(piece);
}

static grpc_slice slice_of(const struct flight_piece *piece)
{
    if (piece->release == NULL)
        return grpc_slice_from_copied_buffer(piece->bytes, piece->len);
    struct flight_piece *held = base_alloc(sizeof *held);
    if (held == NULL) { /* copying needs memory of gRPC's, which ends the process when there is none */
        grpc_slice copy = grpc_slice_from_copied_buffer(piece->bytes, piece->len);
        piece->release(piece->owner);
        return copy;
    }
    *held = *piece;
    union {
        const void *constant;
        void *plain;
    } bytes = {.constant = piece->bytes};
    return grpc_slice_new_with_user_data(bytes.plain, piece->len, release_piece, held);
}

static void give_up(const struct flight_piece *pieces, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (pieces[i].release != NULL)
            pieces[i].release(pieces[i].owner);
}

static grpc_byte_buffer *message_of(const struct flight_piece *pieces, size_t count)
{
    grpc_slice few[32], *slices = count <= 32 ? few : base_alloc(count * sizeof *slices);
    if (slices == NULL) {
        give_up(pieces, count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        slices[i] = slice_of(&pieces[i]);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(slices, count);
    for (size_t i = 0; i < count; i++)
        grpc_slice_unref(slices[i]);
    if (slices != few)
        base_free(slices);
    return message;
}

/* A message that goes with the end is one write with it; alone, such a one would wait for the next. */
static size_t add_message(struct flight_call *call, const struct flight_piece *pieces, size_t count, bool ends,
                          grpc_op *op)
{
    if (count == 0)
        return 0;
    if (call->sent != NULL)
        grpc_byte_buffer_destroy(call->sent);
    call->sent = message_of(pieces, count);
    if (call->sent == NULL) { /* half an answer is none */
        grpc_call_cancel(call->grpc, NULL);
        return 0;
    }
    *op = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .flags = ends ? GRPC_WRITE_BUFFER_HINT : 0};
    op->data.send_message.send_message = call->sent;
    return 1;
}

static void go_on(void *argument)
{
    struct flight_call *call = argument;
    call->then(call);
}

static void give_to_worker(struct flight_call *call, void (*run)(void *))
{
    call->by_leader = false;
    call->job = (struct flight_job){.run = run, .argument = call};
    if (!flight_pool_give(call->transport->pool, &call->job))
        run(call); /* there is no thread: better here than never */
}

/* G5: it is the last for now. On the thread that leads. */
static void carry_on(struct flight_call *call, void (*run)(void *))
{
    struct flight_transport *transport = call->transport;
    if (transport->ready != NULL)
        give_to_worker(transport->ready, transport->ready->job.run);
    call->job.run = run;
    transport->ready = call;
}

void flight_call_send(struct flight_call *call, const struct flight_piece *pieces, size_t count,
                      void (*then)(struct flight_call *call))
{
    grpc_op ops[2];
    call->then = then;
    if (flight_call_cancelled(call)) {
        give_up(pieces, count);
        give_to_worker(call, go_on);
        return;
    }
    size_t made = add_headers(call, ops);
    made += add_message(call, pieces, count, false, &ops[made]);
    set_phase(call, SENDING);
    if (!start(call, ops, made, &call->operation))
        give_to_worker(call, go_on);
}

/* The first of two messages; the second is kept until that is through. */
static void finish_with_two(struct flight_call *call, const struct flight_end_of_call *end)
{
    grpc_op ops[2];
    call->last = message_of(end->last, end->last_count);
    size_t count = add_headers(call, ops);
    count += add_message(call, end->first, end->first_count, false, &ops[count]);
    if (call->last == NULL)
        grpc_call_cancel(call->grpc, NULL);
    set_phase(call, FINISHING);
    if (!start(call, ops, count, &call->operation))
        unref(call);
}

static void send_last(struct flight_call *call)
{
    grpc_op ops[2] = {{.op = GRPC_OP_SEND_MESSAGE, .flags = GRPC_WRITE_BUFFER_HINT},
                      {.op = GRPC_OP_SEND_STATUS_FROM_SERVER}};
    if (call->last == NULL || flight_call_cancelled(call)) {
        unref(call);
        return;
    }
    ops[0].data.send_message.send_message = call->last;
    ops[1].data.send_status_from_server.status = GRPC_STATUS_OK;
    set_phase(call, ENDING);
    if (!start(call, ops, 2, &call->operation))
        unref(call);
}

/* G2: the client of a cancelled call hears nothing any more. */
void flight_call_finish(struct flight_call *call, const struct flight_end_of_call *end)
{
    grpc_op ops[3];
    grpc_metadata trailers[MOST_HEADERS];
    size_t trailer_count = 0;
    if (flight_call_cancelled(call)) {
        give_up(end->first, end->first_count);
        give_up(end->last, end->last_count);
        set_phase(call, ENDING);
        unref(call);
        return;
    }
    if (end->first_count > 0) {
        finish_with_two(call, end);
        return;
    }
    for (; trailer_count < end->trailer_count && trailer_count < MOST_HEADERS; trailer_count++)
        trailers[trailer_count] =
            (grpc_metadata){.key = grpc_slice_from_copied_string(end->trailers[trailer_count].key),
                            .value = grpc_slice_from_copied_string(end->trailers[trailer_count].value)};
    grpc_slice details = grpc_slice_from_copied_string(end->message == NULL ? "" : end->message);
    size_t count = add_headers(call, ops);
    count += add_message(call, end->last, end->last_count, true, &ops[count]);
    ops[count] = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    ops[count].data.send_status_from_server.status = (grpc_status_code)end->code;
    ops[count].data.send_status_from_server.status_details = &details;
    ops[count].data.send_status_from_server.trailing_metadata_count = trailer_count;
    ops[count].data.send_status_from_server.trailing_metadata = trailers;
    set_phase(call, ENDING);
    bool started = start(call, ops, count + 1, &call->operation);
    grpc_slice_unref(details);
    for (size_t i = 0; i < trailer_count; i++) {
        grpc_slice_unref(trailers[i].key);
        grpc_slice_unref(trailers[i].value);
    }
    if (!started)
        unref(call);
}

/* ---- What the queue tells ----------------------------------------------------------------------------------------- */

static void begin(void *argument)
{
    struct flight_call *call = argument;
    set_phase(call, RUNNING);
    if (flight_call_cancelled(call)) {
        flight_call_finish(call, &(struct flight_end_of_call){.code = FLIGHT_CANCELLED});
        return;
    }
    call->transport->service.begin(call->transport->service.context, call, take_message(call));
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
        call_free(call);
        return;
    }
    ask(transport);
    atomic_store(&call->references, 2);
    list(call);
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    op.data.recv_close_on_server.cancelled = &call->cancelled_flag;
    if (!start(call, &op, 1, &call->closed))
        unref(call);
    struct flight_end_of_call end;
    if (!let_in(call, &end)) {
        flight_call_finish(call, &end);
    } else if (strcmp(call->method, "Handshake") ==
               0) { /* all of it is in the headers: nobody unknown gives us a message to hold */
        carry_on(call, begin);
    } else {
        set_phase(call, OPENING);
        if (!start_reading(call))
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
    unref(call);
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
        set_phase(call, RUNNING);
        carry_on(call, go_on);
        break;
    case FINISHING:
        send_last(call);
        break;
    default:
        unref(call);
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
        give_to_worker(call, call->job.run);
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

static void run_queue(void *argument)
{
    struct flight_transport *transport = argument;
    while (flight_turn_wait(&transport->turn) && lead(transport))
        ;
    flight_turn_close(&transport->turn);
}

/* ---- The server --------------------------------------------------------------------------------------------------- */

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
        status = base_thread_start(&transport->threads[transport->thread_count], "rhei-flight-io", run_queue, transport,
                                   error);
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
    static atomic_flag started = ATOMIC_FLAG_INIT;
    *transport = NULL;
    struct flight_transport *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    if (!atomic_flag_test_and_set(&started))
        gpr_set_log_function(quiet);
    grpc_init();
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
        ask(made);
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
