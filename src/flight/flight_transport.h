/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls over HTTP/2, without a word of the library that carries them (the files that begin with flight_grpc are the only ones that know it).
 *
 * A call is admitted before a byte of its messages is read, on the transport's own thread. Then its first message is waited for, which costs no
 * thread either, and `begin` gets it on a worker. From there on one worker at a time is the call's owner: it reads (and waits), or sends. A send
 * doesn't wait: when it is through, `then` goes on, on any worker. So a client that doesn't read costs a call, a batch and no thread.
 */
#ifndef FLIGHT_TRANSPORT_H
#define FLIGHT_TRANSPORT_H

#include "flight_wire.h"

struct flight_call;
struct flight_transport;

/* Status codes of gRPC, which don't change. */
enum flight_code {
    FLIGHT_OK = 0,
    FLIGHT_CANCELLED = 1,
    FLIGHT_INVALID_ARGUMENT = 3,
    FLIGHT_DEADLINE_EXCEEDED = 4,
    FLIGHT_NOT_FOUND = 5,
    FLIGHT_ALREADY_EXISTS = 6,
    FLIGHT_PERMISSION_DENIED = 7,
    FLIGHT_RESOURCE_EXHAUSTED = 8,
    FLIGHT_FAILED_PRECONDITION = 9,
    FLIGHT_ABORTED = 10,
    FLIGHT_UNIMPLEMENTED = 12,
    FLIGHT_INTERNAL = 13,
    FLIGHT_UNAVAILABLE = 14,
    FLIGHT_UNAUTHENTICATED = 16,
};

/* Bytes to send: borrowed until `release` is called, on any thread; with release NULL they are copied. */
struct flight_piece {
    const void *bytes;
    size_t len;
    void (*release)(void *owner);
    void *owner;
};

struct flight_pair {
    const char *key, *value;
};

struct flight_end_of_call {
    enum flight_code code;
    const char *message; /* for people; NULL: none */
    const struct flight_pair *trailers;
    size_t trailer_count;
    const struct flight_piece
        *first; /* a message before `last`, of a call that ends well: both go without a worker in between */
    size_t first_count;
    const struct flight_piece *last; /* a message that goes with the end; count 0: none */
    size_t last_count;
};

struct flight_service {
    /* On the transport's thread: is the caller let in? Else it ends the call with *end, whose texts are static. Sets flight_call_state(). */
    bool (*admit)(void *context, struct flight_call *call, struct flight_end_of_call *end);
    /* On a worker. `message` is borrowed until the next flight_call_read(). Ends with flight_call_finish(), there or later. */
    void (*begin)(void *context, struct flight_call *call, struct flight_bytes message);
    /* On any thread, soon after the client went away or the server ends the call; once, and only between admit and leave. */
    void (*cancel)(void *context, struct flight_call *call);
    /* The call is over; the last that is heard of it. Any thread. */
    void (*leave)(void *context, struct flight_call *call);
    /* About once a second, on a thread that may not wait. */
    void (*tick)(void *context);
    void *context;
};

/* PEM texts; all NULL: without TLS. With `client_ca` clients must have a certificate of it. */
struct flight_certificate {
    char *certificate, *key, *client_ca;
};

struct flight_transport_options {
    const char *listen; /* HOST:PORT */
    const struct flight_certificate *certificate;
    uint32_t most_calls; /* at a time; more are refused */
    uint32_t most_threads;
    size_t most_message;      /* bytes */
    int64_t read_ms, send_ms; /* for one message to come, and for one to go */
};

rhei_status flight_transport_start(const struct flight_transport_options *options, const struct flight_service *service,
                                   struct flight_transport **transport, int *port, struct rhei_error *error);
/* How many run. Any thread. */
uint32_t flight_transport_calls(struct flight_transport *transport);
/* Takes no more calls, waits `drain_ms` for those that run, ends the others, and returns when there is none. */
void flight_transport_stop(struct flight_transport **transport, int64_t drain_ms);
/* Another certificate for the connections that come from now on; after an error the one before goes on. Any thread but the transport's. */
rhei_status flight_transport_certify(struct flight_transport *transport, const struct flight_certificate *certificate,
                                     struct rhei_error *error);
/* Whether the transport can use a certificate, of no server yet. RHEI_CONFIG: it can't. */
rhei_status flight_transport_try(const struct flight_certificate *certificate, struct rhei_error *error);
/* Runs something on a worker; false: there is no thread for it. Any thread. */
bool flight_transport_run(struct flight_transport *transport, void (*run)(void *), void *argument);

/* ---- One call. Owner thread, but where it says otherwise. --------------------------------------------------------- */

void **flight_call_state(struct flight_call *call);             /* the service's own */
const char *flight_call_method(const struct flight_call *call); /* "DoGet" */
const char *flight_call_peer(const struct flight_call *call);   /* "ipv4:127.0.0.1:4711" */
/* The n-th value of a header, from 0; there = false: there are no more. Borrowed. */
struct flight_bytes flight_call_header(const struct flight_call *call, const char *name, size_t n);
/* The name of the i-th header, from 0; there = false: there are no more. Borrowed. */
struct flight_bytes flight_call_header_name(const struct flight_call *call, size_t i);
/* The next message, borrowed until the call after this. RHEI_DONE: the client sends no more; RHEI_CANCELLED; RHEI_TIMEOUT. */
rhei_status flight_call_read(struct flight_call *call, struct flight_bytes *message, struct rhei_error *error);
/* To send before the first message; the value is copied. */
void flight_call_add_header(struct flight_call *call, const char *key, const char *value);
/* One message; `then` goes on when it is through, or the call is cancelled. */
void flight_call_send(struct flight_call *call, const struct flight_piece *pieces, size_t count,
                      void (*then)(struct flight_call *call));
void flight_call_finish(struct flight_call *call, const struct flight_end_of_call *end);
bool flight_call_cancelled(const struct flight_call *call); /* any thread */

#endif
