/* SPDX-License-Identifier: Apache-2.0 */
/* One call: how it lives and ends, what it reads and what it sends. Invariants: flight_grpc.c. */
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/support/alloc.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "flight_grpc.h"

/* ---- Its life ------------------------------------------------------------------------------------------------------ */

void flight_grpc_call_free(struct flight_call *call)
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

void flight_grpc_unref(struct flight_call *call)
{
    if (atomic_fetch_sub(&call->references, 1) != 1)
        return;
    if (call->admitted)
        call->transport->service.leave(call->transport->service.context, call);
    grpc_call *grpc = call->grpc;
    call->grpc = NULL;
    grpc_call_unref(grpc);
    unlist(call);
    flight_grpc_call_free(call);
}

/* The next call of the server, into a struct that is there before. */
void flight_grpc_ask(struct flight_transport *transport)
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
        flight_grpc_call_free(call);
}

void flight_grpc_set_phase(struct flight_call *call, enum call_phase phase)
{
    atomic_store(&call->since_ns, base_now_ns());
    atomic_store(&call->phase, (int)phase);
}

/* One batch of operations. It can't be refused but for misuse, after which the call would hang: then it is cancelled. */
bool flight_grpc_start(struct flight_call *call, const grpc_op *ops, size_t count, struct tag *tag)
{
    grpc_call *grpc = call->grpc;
    atomic_fetch_add(&call->handed, 1); /* G6 */
    if (grpc_call_start_batch(grpc, ops, count, tag, NULL) == GRPC_CALL_OK)
        return true;
    grpc_call_cancel(call->grpc, NULL);
    return false;
}

bool flight_grpc_start_reading(struct flight_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &call->received;
    return flight_grpc_start(call, &op, 1, &call->operation);
}

/* In one piece; what was there before is given back. */
struct flight_bytes flight_grpc_take_message(struct flight_call *call)
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
    flight_grpc_set_phase(call, READING);
    if (flight_call_cancelled(call) || !start_it(call)) {
        flight_grpc_set_phase(call, RUNNING);
        return false;
    }
    base_mutex_lock(&call->lock);
    while (!call->completed)
        base_cond_wait(&call->done, &call->lock);
    base_mutex_unlock(&call->lock);
    flight_grpc_set_phase(call, RUNNING);
    return call->succeeded && !flight_call_cancelled(call);
}

/*
 * A client that went away looks, at first, like one that sends no more: what it sent would be taken for all of it. An operation that
 * writes comes behind the news, and fails then.
 */
static bool start_headers(struct flight_call *call)
{
    grpc_op op;
    return add_headers(call, &op) == 1 && flight_grpc_start(call, &op, 1, &call->operation);
}

rhei_status flight_call_read(struct flight_call *call, struct flight_bytes *message, struct rhei_error *error)
{
    if (!wait_for(call, flight_grpc_start_reading))
        return client_went(error);
    bool none = call->received == NULL;
    *message = flight_grpc_take_message(call);
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

void flight_grpc_go_on(void *argument)
{
    struct flight_call *call = argument;
    call->then(call);
}

void flight_grpc_give_to_worker(struct flight_call *call, void (*run)(void *))
{
    call->by_leader = false;
    call->job = (struct flight_job){.run = run, .argument = call};
    if (!flight_pool_give(call->transport->pool, &call->job))
        run(call); /* there is no thread: better here than never */
}

void flight_call_send(struct flight_call *call, const struct flight_piece *pieces, size_t count,
                      void (*then)(struct flight_call *call))
{
    grpc_op ops[2];
    call->then = then;
    if (flight_call_cancelled(call)) {
        give_up(pieces, count);
        flight_grpc_give_to_worker(call, flight_grpc_go_on);
        return;
    }
    size_t made = add_headers(call, ops);
    made += add_message(call, pieces, count, false, &ops[made]);
    flight_grpc_set_phase(call, SENDING);
    if (!flight_grpc_start(call, ops, made, &call->operation))
        flight_grpc_give_to_worker(call, flight_grpc_go_on);
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
    flight_grpc_set_phase(call, FINISHING);
    if (!flight_grpc_start(call, ops, count, &call->operation))
        flight_grpc_unref(call);
}

void flight_grpc_send_last(struct flight_call *call)
{
    grpc_op ops[2] = {{.op = GRPC_OP_SEND_MESSAGE, .flags = GRPC_WRITE_BUFFER_HINT},
                      {.op = GRPC_OP_SEND_STATUS_FROM_SERVER}};
    if (call->last == NULL || flight_call_cancelled(call)) {
        flight_grpc_unref(call);
        return;
    }
    ops[0].data.send_message.send_message = call->last;
    ops[1].data.send_status_from_server.status = GRPC_STATUS_OK;
    flight_grpc_set_phase(call, ENDING);
    if (!flight_grpc_start(call, ops, 2, &call->operation))
        flight_grpc_unref(call);
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
        flight_grpc_set_phase(call, ENDING);
        flight_grpc_unref(call);
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
    flight_grpc_set_phase(call, ENDING);
    bool started = flight_grpc_start(call, ops, count + 1, &call->operation);
    grpc_slice_unref(details);
    for (size_t i = 0; i < trailer_count; i++) {
        grpc_slice_unref(trailers[i].key);
        grpc_slice_unref(trailers[i].value);
    }
    if (!started)
        flight_grpc_unref(call);
}
