/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file http_server.h
 * A small HTTP/1.1 server: a TCP address or a Unix socket, a thread for each connection, limits for all of it. It knows nothing of what
 * is answered.
 */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http_request.h"

struct http_server;
/** An answer that is being given; within the handler alone. */
struct http_exchange;
/** Answers one request, by http_answer(), or http_begin() and http_write(). On a thread of the connection, several at once. */
typedef void (*http_handler)(void *context, const struct http_request *request, struct http_exchange *exchange);

/** Where it listens and what each client may take. A limit of 0 is the usual one. */
struct http_options {
    const char *listen;      /**< "HOST:PORT", "[::1]:PORT", "PORT" (of 127.0.0.1); port 0: any free one */
    const char *socket_path; /**< in place of it: a Unix socket, for its owner alone; one that is there goes */
    http_handler handle;
    void *context;
    uint64_t body_most;        /**< bytes; 0: 64 KiB */
    unsigned connections_most; /**< 0: 64. Who is still sending gives way to who comes when all are taken */
    int64_t head_ms;           /**< for the headers of a request, however slowly they come; 0: 10,000 */
    int64_t body_ms;           /**< for its body; 0: 60,000 */
    int64_t idle_ms;           /**< between two requests of a connection; 0: 30,000 */
    int64_t send_ms;           /**< for the client to take something of an answer; 0: 30,000 */
};

/** Starts it. False: *why says what is wrong, one sentence; `why_size` bytes. */
bool http_start(const struct http_options *options, struct http_server **server, char *why, size_t why_size);
/** The port it listens on; 0 of a Unix socket. Any thread. */
int http_port(const struct http_server *server);
/** "HOST:PORT" as it can be asked; borrowed. */
const char *http_address(const struct http_server *server);
/** Whether http_start() would try to listen there. False: *why says what is wrong, one sentence; `why_size` bytes. */
bool http_check(const char *listen, char *why, size_t why_size);
/** The address is one that other machines can't reach. Of a text that http_start() would take. */
bool http_is_loopback(const char *listen);
/** How many requests are being answered. Accepts NULL. Any thread. */
unsigned http_answering(struct http_server *server);
/** Takes no more requests, gives those that run `drain_ms` to end, and then makes http_gone() true of them. Accepts NULL. */
void http_stop(struct http_server **server, int64_t drain_ms);

/** The whole answer. `headers` is NULL, or lines that each end with "\r\n". */
void http_answer(struct http_exchange *exchange, int status, const char *type, const char *headers, const void *body,
                 size_t length);
/** The beginning of an answer whose length isn't known. */
void http_begin(struct http_exchange *exchange, int status, const char *type, const char *headers);
/** More of it. False: the client is gone, or took nothing for too long. */
bool http_write(struct http_exchange *exchange, const void *bytes, size_t length);
/** What is written from now on has to be taken by the client within this time, whatever it takes of it. */
void http_limit(struct http_exchange *exchange, int64_t left_ms);
/** http_write() failed because that time was over. */
bool http_late(const struct http_exchange *exchange);
/** The answer that was begun can't be ended: the client sees that it is cut off. */
void http_cut(struct http_exchange *exchange);
/** Who asks, as gRPC writes it: "ipv4:127.0.0.1:54321", "ipv6:[::1]:54321"; "unix:" of a socket. */
void http_peer(const struct http_exchange *exchange, char *peer, size_t size);
/** Nobody waits for the answer any more. Any thread, while the handler runs. */
bool http_gone(struct http_exchange *exchange);

#endif
