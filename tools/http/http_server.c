/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot is FREE, READING (a request is awaited or on its way) or ANSWERING. FREE -> READING in take(), by the accepting thread;
 * READING -> ANSWERING and back, and -> FREE by the connection's own thread, in serve(). All under the server's lock, which nothing is done
 * under that may wait. Who is asked to leave (`leaving`, and a byte in `wake`) reads what has arrived before it does, so a request that is whole is answered.
 * A slot is free before its connection has lingered.
 */
#include "http_server.h"

#include "http_socket.h"
#include "rh_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 64 << 10, BODY_MOST = 64 << 10, SLOTS = 64, HEAD_MS = 10000, BODY_MS = 60000, IDLE_MS = 30000 };
enum { SEND_MS = 30000, ROOM_MS = 1000, LINGER_MS = 1000, LINGER_MOST = 64, OVER_MS = 1000 };
enum slot_state { SLOT_FREE, SLOT_READING, SLOT_ANSWERING };

struct slot {
    struct http_server *server;
    int fd;
    enum slot_state state;
    int64_t since_ms; /* it is READING */
    bool cut;         /* its answer has no end that could be missed: the connection is reset */
    bool leaving;     /* set while it is READING */
    bool quiet;       /* nothing was said last that the client may still have to read */
    int wake;
};

struct http_server {
    struct http_options options;
    int fd, wake[2], port;
    char address[300];
    char *socket_path;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    bool stopping, over; /* no new requests; nor those that run */
    unsigned taken, lingering;
    struct slot *slots;
};

struct http_exchange {
    struct slot *slot;
    bool keep_alive, chunks, chunked, begun, broken, late, head_only;
    int64_t until_ms; /* what is sent has to be taken by then; 0: none */
};

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Sending ------------------------------------------------------------------------------------------------------ */

/* Until the client takes more; false: it didn't in time. */
static bool wait_to_send(struct http_exchange *exchange)
{
    struct pollfd ready = {.fd = exchange->slot->fd, .events = POLLOUT};
    int64_t wait_ms = exchange->slot->server->options.send_ms;
    int64_t left_ms = exchange->until_ms == 0 ? wait_ms : exchange->until_ms - now_ms();
    bool within = left_ms < wait_ms;
    exchange->late = left_ms <= 0 || (poll(&ready, 1, (int)(within ? left_ms : wait_ms)) <= 0 && within);
    return !exchange->late && ready.revents != 0;
}

static bool send_all(struct http_exchange *exchange, const char *bytes, size_t length)
{
    const struct slot *slot = exchange->slot;
    while (length > 0 && !exchange->broken) {
        ssize_t sent = send(slot->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
        } else if (errno == EAGAIN || errno == EINTR) {
            exchange->broken = !wait_to_send(exchange);
        } else {
            exchange->broken = true;
        }
    }
    return !exchange->broken;
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {204, "No Content"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {406, "Not Acceptable"},
                   {408, "Request Timeout"},
                   {409, "Conflict"},
                   {413, "Content Too Large"},
                   {415, "Unsupported Media Type"},
                   {421, "Misdirected Request"},
                   {422, "Unprocessable Content"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t at = 0; at < sizeof reasons / sizeof reasons[0]; at++)
        if (reasons[at].status == status)
            return reasons[at].reason;
    return "Other";
}

static void add_head(const struct http_exchange *exchange, struct rh_buffer *head, int status, const char *type,
                     const char *headers)
{
    rh_buffer_format(head, "HTTP/1.1 %d %s\r\n", status, reason_of(status));
    if (type != NULL)
        rh_buffer_format(head, "Content-Type: %s\r\n", type);
    rh_buffer_add_text(head, "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n");
    if (!exchange->keep_alive)
        rh_buffer_add_text(head, "Connection: close\r\n");
    rh_buffer_add_text(head, headers == NULL ? "" : headers);
}

void http_answer(struct http_exchange *exchange, int status, const char *type, const char *headers, const void *body,
                 size_t length)
{
    struct rh_buffer answer = {0};
    add_head(exchange, &answer, status, type, headers);
    rh_buffer_format(&answer, "Content-Length: %zu\r\n\r\n", length);
    if (length > 0 && !exchange->head_only)
        rh_buffer_add(&answer, body, length);
    exchange->begun = true;
    (void)send_all(exchange, answer.bytes, answer.length);
    rh_buffer_free(&answer);
}

void http_begin(struct http_exchange *exchange, int status, const char *type, const char *headers)
{
    struct rh_buffer head = {0};
    exchange->begun = true;
    exchange->chunked = exchange->chunks;
    exchange->keep_alive =
        exchange->keep_alive && exchange->chunked; /* else the connection's end is that of the answer */
    add_head(exchange, &head, status, type, headers);
    rh_buffer_add_text(&head, exchange->chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    (void)send_all(exchange, head.bytes, head.length);
    rh_buffer_free(&head);
}

void http_limit(struct http_exchange *exchange, int64_t left_ms)
{
    exchange->until_ms = now_ms() + left_ms;
}

bool http_late(const struct http_exchange *exchange)
{
    return exchange->late;
}

static bool is_over(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool over = server->over;
    pthread_mutex_unlock(&server->lock);
    return over;
}

void http_cut(struct http_exchange *exchange)
{
    exchange->broken = true;
    exchange->slot->cut = exchange->begun && !exchange->chunked;
}

bool http_write(struct http_exchange *exchange, const void *bytes, size_t length)
{
    char size[24];
    if (is_over(exchange->slot->server))
        http_cut(exchange);
    if (length == 0) /* would end it */
        return !exchange->broken;
    if (!exchange->chunked)
        return send_all(exchange, bytes, length);
    int digits = snprintf(size, sizeof size, "%zx\r\n", length);
    return send_all(exchange, size, (size_t)digits) && send_all(exchange, bytes, length) &&
           send_all(exchange, "\r\n", 2);
}

void http_peer(const struct http_exchange *exchange, char *peer, size_t size)
{
    http_socket_peer(exchange->slot->fd, peer, size);
}

bool http_gone(struct http_exchange *exchange)
{
    char byte;
    return is_over(exchange->slot->server) || recv(exchange->slot->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* ---- One connection ----------------------------------------------------------------------------------------------- */

enum more { MORE, MORE_LATE, MORE_GONE, MORE_LEAVE };

/* More bytes until `deadline_ms`. */
static enum more read_more(struct slot *slot, struct rh_buffer *bytes, int64_t deadline_ms)
{
    struct pollfd ready[] = {{.fd = slot->fd, .events = POLLIN}, {.fd = slot->wake, .events = POLLIN}};
    for (;;) {
        int64_t left = deadline_ms - now_ms();
        if (left <= 0)
            return MORE_LATE;
        int count = poll(ready, 2, (int)left);
        if (count <= 0)
            continue;
        if (ready[0].revents == 0)
            return MORE_LEAVE;
        rh_buffer_reserve(bytes, PIECE);
        ssize_t got = recv(slot->fd, bytes->bytes + bytes->length, PIECE, MSG_DONTWAIT);
        if (got > 0) {
            bytes->length += (size_t)got;
            bytes->bytes[bytes->length] = '\0';
            return MORE;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            return MORE_GONE;
    }
}

/* In the words of all doors. `why` is one of ours: nothing in it has to be escaped. */
static void add_error(struct rh_buffer *body, int status, const char *why)
{
    static const struct {
        int status;
        const char *code, *sqlstate;
    } words[] = {{408, "TIMEOUT", "57014"},     {413, "TOO_BIG", "54000"},     {431, "TOO_BIG", "54000"},
                 {500, "INTERNAL", "XX000"},    {501, "UNSUPPORTED", "0A000"}, {503, "BUSY", "55P03"},
                 {505, "UNSUPPORTED", "0A000"}, {400, "INVALID", "22023"}};
    size_t at = 0;
    while (at + 1 < sizeof words / sizeof words[0] && words[at].status != status)
        at++;
    rh_buffer_format(body, "{\"error\":{\"code\":\"%s\",\"sqlstate\":\"%s\",\"message\":\"%s\"}}\n", words[at].code,
                     words[at].sqlstate, why);
}

static void refuse_with(struct http_exchange *exchange, int status, const char *headers, const char *why)
{
    struct rh_buffer body = {0};
    add_error(&body, status, why);
    exchange->keep_alive = false;
    http_answer(exchange, status, "application/json", headers, body.bytes, body.length);
    rh_buffer_free(&body);
}

static void refuse(struct http_exchange *exchange, int status, const char *why)
{
    refuse_with(exchange, status, NULL, why);
}

static bool is_stopping(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    return stopping;
}

static const char too_many[] = "there are too many connections";

/* There is no room for it, or no more time. */
static void turn_away(struct http_exchange *exchange, bool stopping)
{
    refuse_with(exchange, 503, "Retry-After: 1\r\n", stopping ? "the service is ending" : too_many);
}

/* No more of a request comes in time: the client is told why where that is of use. Who is idle where another takes its place may be about to ask. */
static void end_reading(struct http_exchange *exchange, enum more more, bool begun)
{
    struct slot *slot = exchange->slot;
    if (more == MORE_LATE && begun)
        refuse(exchange, 408, "the request took too long to arrive");
    else if (more == MORE_LEAVE && !is_stopping(slot->server))
        turn_away(exchange, false);
    else
        slot->quiet = true;
}

/* A whole request at the start of `bytes`; false: the connection is over, and the client was told why where that is of use. */
static bool read_request(struct slot *slot, struct rh_buffer *bytes, bool first, struct http_request *request,
                         struct http_exchange *exchange)
{
    const struct http_options *options = &slot->server->options;
    int64_t deadline_ms = now_ms() + (first || bytes->length > 0 ? options->head_ms : options->idle_ms);
    bool head = false, idle = bytes->length == 0 && !first;
    for (;;) {
        enum http_read read = http_read_request(bytes->bytes, bytes->length, options->body_most, request);
        if (read == HTTP_DONE)
            return true;
        if (read == HTTP_BAD) {
            refuse(exchange, request->status, request->why);
            return false;
        }
        if (read == HTTP_BODY && !head) {
            head = true;
            deadline_ms = now_ms() + options->body_ms;
            if (request->expects && !send_all(exchange, "HTTP/1.1 100 Continue\r\n\r\n", 25))
                return false;
        }
        enum more more = read_more(slot, bytes, deadline_ms);
        if (more != MORE) {
            end_reading(exchange, more, bytes->length > 0);
            return false;
        }
        if (idle)
            deadline_ms = now_ms() + options->head_ms;
        idle = false;
    }
}

static bool set_state(struct slot *slot, enum slot_state state)
{
    struct http_server *server = slot->server;
    pthread_mutex_lock(&server->lock);
    bool go = !server->stopping;
    if (go || state != SLOT_ANSWERING) {
        slot->state = state;
        slot->since_ms = now_ms();
    }
    if (slot->leaving) /* who waits for its place looks for another */
        pthread_cond_broadcast(&server->freed);
    pthread_mutex_unlock(&server->lock);
    return go;
}

static bool answer_one(struct slot *slot, struct rh_buffer *bytes, bool first)
{
    struct http_request request;
    struct http_exchange exchange = {.slot = slot};
    if (!read_request(slot, bytes, first, &request, &exchange))
        return false;
    if (!set_state(slot, SLOT_ANSWERING)) {
        turn_away(&exchange, true);
        return false;
    }
    exchange.keep_alive = request.keep_alive && !slot->leaving;
    exchange.chunks = request.chunks;
    exchange.head_only = http_same(request.method, "HEAD");
    slot->server->options.handle(slot->server->options.context, &request, &exchange);
    if (!exchange.begun)
        refuse(&exchange, 500, "there is no answer");
    if (exchange.chunked && !exchange.broken)
        (void)send_all(&exchange, "0\r\n\r\n", 5);
    size_t rest = bytes->length - request.length;
    memmove(bytes->bytes, bytes->bytes + request.length, rest);
    bytes->length = rest;
    return set_state(slot, SLOT_READING) && exchange.keep_alive && !exchange.broken;
}

/* What the client still sends is read away: closing over it would take the answer from it. */
static void linger(int fd, int64_t linger_ms)
{
    char piece[4096];
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int64_t deadline_ms = now_ms() + linger_ms;
    (void)shutdown(fd, SHUT_WR);
    for (int64_t left = linger_ms; left >= 0 && poll(&ready, 1, (int)left) > 0; left = deadline_ms - now_ms())
        if (recv(fd, piece, sizeof piece, MSG_DONTWAIT) <= 0)
            break;
}

/* Under the lock. Whether there is room for one more that lingers; it is counted either way. */
static bool may_linger(struct http_server *server)
{
    return server->lingering++ < LINGER_MOST;
}

static void lingered(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->lingering--;
    pthread_cond_broadcast(&server->freed);
    pthread_mutex_unlock(&server->lock);
}

static void *serve(void *argument)
{
    struct slot *slot = argument;
    struct http_server *server = slot->server;
    struct rh_buffer bytes = {0};
    for (bool first = true; answer_one(slot, &bytes, first); first = false)
        ;
    rh_buffer_free(&bytes);
    int fd = slot->fd;
    bool cut = slot->cut, quiet = slot->quiet;
    pthread_mutex_lock(&server->lock);
    (void)close(slot->wake);
    slot->state = SLOT_FREE;
    server->taken--;
    bool lingers = may_linger(server) && !quiet;
    pthread_cond_broadcast(&server->freed);
    pthread_mutex_unlock(&server->lock);
    if (cut)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &(const struct linger){.l_onoff = 1}, sizeof(struct linger));
    else if (lingers)
        linger(fd, LINGER_MS);
    (void)close(fd);
    lingered(server);
    return NULL;
}

struct refused {
    struct http_server *server;
    int fd;
};

/* Tells that there is no room, and closes so that it can be read. */
static void refuse_one(int fd, int64_t linger_ms)
{
    struct rh_buffer answer = {0}, body = {0};
    add_error(&body, 503, too_many);
    rh_buffer_format(&answer,
                     "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n"
                     "Retry-After: 1\r\nContent-Length: %zu\r\n\r\n%s",
                     body.length, body.bytes);
    (void)!send(fd, answer.bytes, answer.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    rh_buffer_free(&answer);
    rh_buffer_free(&body);
    linger(fd, linger_ms);
    (void)close(fd);
}

static void *serve_refused(void *argument)
{
    struct refused refused = *(struct refused *)argument;
    free(argument);
    refuse_one(refused.fd, LINGER_MS);
    lingered(refused.server);
    return NULL;
}

/* ---- All of them -------------------------------------------------------------------------------------------------- */

/* Under the lock. Who is longest without a whole request, and wasn't asked to leave; NULL: none. */
static struct slot *slowest(struct http_server *server)
{
    struct slot *found = NULL;
    for (unsigned at = 0; at < server->options.connections_most; at++) {
        struct slot *slot = &server->slots[at];
        if (slot->state == SLOT_READING && !slot->leaving && (found == NULL || slot->since_ms < found->since_ms))
            found = slot;
    }
    return found;
}

/* Under the lock. Whether somebody who was asked to leave may still do so. */
static bool one_leaves(const struct http_server *server)
{
    for (unsigned at = 0; at < server->options.connections_most; at++)
        if (server->slots[at].state == SLOT_READING && server->slots[at].leaving)
            return true;
    return false;
}

/* Under the lock, of one that is READING. */
static void ask_to_leave(struct slot *slot)
{
    slot->leaving = true;
    (void)eventfd_write(slot->wake, 1);
}

static void wait_freed(struct http_server *server, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms % 1000 * 1000000;
    until.tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait(&server->freed, &server->lock, &until);
}

/* Under the lock. */
static struct slot *find_room(struct http_server *server)
{
    int64_t until_ms = now_ms() + ROOM_MS;
    while (server->taken == server->options.connections_most && now_ms() < until_ms) {
        struct slot *slot = one_leaves(server) ? NULL : slowest(server);
        if (slot != NULL)
            ask_to_leave(slot);
        else if (!one_leaves(server))
            break; /* all are being answered */
        wait_freed(server, until_ms - now_ms());
    }
    for (unsigned at = 0; at < server->options.connections_most; at++)
        if (server->slots[at].state == SLOT_FREE)
            return &server->slots[at];
    return NULL;
}

static bool start_detached(void *(*run)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attributes;
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attributes, run, argument) == 0;
    (void)pthread_attr_destroy(&attributes);
    return started;
}

/* By a thread of its own, for the accepting one has others to take. */
static void refuse_full(struct http_server *server, int fd)
{
    struct refused *refused = rh_allocate(sizeof *refused);
    *refused = (struct refused){server, fd};
    pthread_mutex_lock(&server->lock);
    bool lingers = may_linger(server);
    pthread_mutex_unlock(&server->lock);
    if (lingers && start_detached(serve_refused, refused))
        return;
    free(refused);
    refuse_one(fd, 0);
    lingered(server);
}

static void take(struct http_server *server, int fd)
{
    pthread_mutex_lock(&server->lock);
    struct slot *slot = find_room(server);
    int wake = slot != NULL ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    bool started = false;
    if (wake >= 0) {
        *slot = (struct slot){.server = server, .fd = fd, .state = SLOT_READING, .since_ms = now_ms(), .wake = wake};
        started = start_detached(serve, slot);
        slot->state = started ? SLOT_READING : SLOT_FREE;
        server->taken += started;
        if (!started)
            (void)close(wake);
    }
    pthread_mutex_unlock(&server->lock);
    if (!started)
        refuse_full(server, fd);
}

static void *accept_all(void *argument)
{
    struct http_server *server = argument;
    struct pollfd ready[] = {{.fd = server->fd, .events = POLLIN}, {.fd = server->wake[0], .events = POLLIN}};
    for (;;) {
        if (poll(ready, 2, -1) < 0)
            continue;
        if (ready[1].revents != 0)
            return NULL;
        int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            take(server, fd);
        else if (errno == EMFILE || errno == ENFILE) /* it stays readable: no turning without rest */
            (void)poll(&ready[1], 1, 100);
    }
}

static void free_server(struct http_server *server)
{
    if (server->socket_path != NULL)
        (void)unlink(server->socket_path);
    if (server->fd >= 0)
        (void)close(server->fd);
    (void)close(server->wake[0]);
    (void)close(server->wake[1]);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->freed);
    free(server->socket_path);
    free(server->slots);
    free(server);
}

static int64_t or_usual(int64_t given, int64_t usual)
{
    return given != 0 ? given : usual;
}

static void set_limits(struct http_options *options)
{
    options->body_most = options->body_most != 0 ? options->body_most : BODY_MOST;
    options->connections_most = options->connections_most != 0 ? options->connections_most : SLOTS;
    options->head_ms = or_usual(options->head_ms, HEAD_MS);
    options->body_ms = or_usual(options->body_ms, BODY_MS);
    options->idle_ms = or_usual(options->idle_ms, IDLE_MS);
    options->send_ms = or_usual(options->send_ms, SEND_MS);
}

bool http_start(const struct http_options *options, struct http_server **made, char *why, size_t why_size)
{
    struct http_server *server = rh_allocate(sizeof *server);
    pthread_condattr_t monotonic;
    *server = (struct http_server){.options = *options, .fd = -1, .wake = {-1, -1}};
    *made = NULL;
    set_limits(&server->options);
    server->slots = rh_allocate(server->options.connections_most * sizeof *server->slots);
    memset(server->slots, 0, server->options.connections_most * sizeof *server->slots);
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&server->freed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (options->socket_path != NULL)
        server->fd = http_listen_socket(options->socket_path, why, why_size);
    else
        server->fd =
            http_listen(options->listen, server->address, sizeof server->address, &server->port, why, why_size);
    if (server->fd >= 0 && options->socket_path != NULL)
        server->socket_path = rh_copy_text(options->socket_path, strlen(options->socket_path));
    bool good = server->fd >= 0;
    if (good &&
        (pipe2(server->wake, O_CLOEXEC) != 0 || pthread_create(&server->thread, NULL, accept_all, server) != 0)) {
        (void)snprintf(why, why_size, "can't start a thread: %s", strerror(errno));
        good = false;
    }
    if (good)
        *made = server;
    else
        free_server(server);
    return good;
}

int http_port(const struct http_server *server)
{
    return server->port;
}

const char *http_address(const struct http_server *server)
{
    return server->address;
}

unsigned http_answering(struct http_server *server)
{
    unsigned count = 0;
    if (server == NULL)
        return 0;
    pthread_mutex_lock(&server->lock);
    for (unsigned at = 0; at < server->options.connections_most; at++)
        count += server->slots[at].state == SLOT_ANSWERING;
    pthread_mutex_unlock(&server->lock);
    return count;
}

/* Under the lock. Those that read may leave, or all are cut off. */
static void hang_up(struct http_server *server, bool cut)
{
    for (unsigned at = 0; at < server->options.connections_most; at++) {
        struct slot *slot = &server->slots[at];
        if (cut && slot->state != SLOT_FREE)
            (void)shutdown(slot->fd, SHUT_RDWR);
        else if (slot->state == SLOT_READING)
            ask_to_leave(slot);
    }
}

void http_stop(struct http_server **stopping, int64_t drain_ms)
{
    struct http_server *server = *stopping;
    *stopping = NULL;
    if (server == NULL)
        return;
    (void)!write(server->wake[1], "", 1);
    pthread_join(server->thread, NULL);
    int64_t until_ms = now_ms() + drain_ms;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    hang_up(server, false);
    while (server->taken > 0 && now_ms() < until_ms)
        wait_freed(server, until_ms - now_ms());
    server->over = true; /* what hasn't begun to answer says that it was ended */
    until_ms = now_ms() + OVER_MS;
    while (server->taken > 0 && now_ms() < until_ms)
        wait_freed(server, until_ms - now_ms());
    hang_up(server, true);
    while (server->taken > 0 || server->lingering > 0)
        wait_freed(server, 1000);
    pthread_mutex_unlock(&server->lock);
    free_server(server);
}
