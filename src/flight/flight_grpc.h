/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the transport over gRPC share: flight_grpc.c (the server), flight_grpc_call.c (one call, and what it sends) and flight_grpc_queue.c (what the
 * queue of completions tells). Phases and invariants are in flight_grpc.c.
 */
#ifndef FLIGHT_GRPC_H
#define FLIGHT_GRPC_H

#include <grpc/grpc.h>
#include <stdatomic.h>

#include "base/base_thread.h"
#include "flight_grpc_tls.h"
#include "flight_pool.h"
#include "flight_transport.h"
#include "flight_turn.h"

enum { MOST_HEADERS = 8 };
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

/* ---- flight_grpc_call.c ------------------------------------------------------------------------------------------- */

/* One more call of the server's, into a struct that is there before. */
void flight_grpc_ask(struct flight_transport *transport);
/* One that never began. */
void flight_grpc_call_free(struct flight_call *call);
void flight_grpc_unref(struct flight_call *call); /* G1 */
void flight_grpc_set_phase(struct flight_call *call, enum call_phase phase);
/* One batch of operations. False: the call is cancelled, and nobody hears of them. */
bool flight_grpc_start(struct flight_call *call, const grpc_op *ops, size_t count, struct tag *tag);
bool flight_grpc_start_reading(struct flight_call *call);
/* What was received, in one piece; what was there before is given back. */
struct flight_bytes flight_grpc_take_message(struct flight_call *call);
/* The second of two messages, and the end. */
void flight_grpc_send_last(struct flight_call *call);
void flight_grpc_go_on(void *call); /* of a job: the call's `then` */
void flight_grpc_give_to_worker(struct flight_call *call, void (*run)(void *));

/* ---- flight_grpc_queue.c ------------------------------------------------------------------------------------------ */

/* One of the two threads. */
void flight_grpc_run_queue(void *transport);

#endif
