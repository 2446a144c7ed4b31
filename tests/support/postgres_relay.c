/* SPDX-License-Identifier: Apache-2.0 */
#include "postgres_relay.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS_MOST = 32, KEPT_MOST = 1 << 20, FEEDBACK_BYTES = 39, NOTHING_LET = -1 };

struct pair {
    int client, server; /* -1: free */
    bool begun, replication;
    char *kept;
    size_t length;
};

struct test_relay {
    int listener, port, server_port, stop[2];
    pthread_t thread;
    struct pair pairs[PAIRS_MOST];
    atomic_bool holds;
    atomic_int answers; /* how many are still let through one by one */
};

static void die(const char *what)
{
    fprintf(stderr, "relay of the test: %s\n", what);
    exit(1);
}

static struct sockaddr_in local(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
}

static void send_all(int to, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(to, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return; /* it went away: its end is seen by the next read */
        bytes += sent;
        length -= (size_t)sent;
    }
}

static void end_pair(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
    free(pair->kept);
    *pair = (struct pair){.client = -1, .server = -1};
}

static void begin_pair(struct test_relay *relay)
{
    struct sockaddr_in address = local(relay->server_port);
    int client = accept(relay->listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), at = 0;
    while (at < PAIRS_MOST && relay->pairs[at].client >= 0)
        at++;
    char *kept = malloc(KEPT_MOST);
    if (client < 0 || server < 0 || at == PAIRS_MOST || kept == NULL)
        die("no connection more");
    relay->pairs[at] = (struct pair){.client = client, .server = server, .kept = kept};
    if (connect(server, (struct sockaddr *)&address, sizeof address) != 0)
        end_pair(&relay->pairs[at]);
}

static void let_through(struct pair *pair, size_t length)
{
    send_all(pair->client, pair->kept, length);
    memmove(pair->kept, pair->kept + length, pair->length - length);
    pair->length -= length;
}

static void let_one_through(struct pair *pair)
{
    uint32_t length = 0;
    if (pair->length < 5)
        die("nothing is kept that could be let through");
    memcpy(&length, pair->kept + 1, sizeof length);
    let_through(pair, ntohl(length) + 1);
}

static void from_client(struct test_relay *relay, struct pair *pair)
{
    static char bytes[1 << 16];
    ssize_t got = read(pair->client, bytes, sizeof bytes);
    if (got <= 0) {
        end_pair(pair);
        return;
    }
    if (!pair->begun)
        pair->replication = memmem(bytes, (size_t)got, "replication", 11) != NULL;
    pair->begun = pair->begun || got > 8; /* a request for TLS has 8 */
    send_all(pair->server, bytes, (size_t)got);
    bool asks = got % FEEDBACK_BYTES == 0 && bytes[0] == 'd' && bytes[got - 1] == 1;
    int answers = atomic_load(&relay->answers);
    if (!atomic_load(&relay->holds) || !pair->replication || !asks || answers == NOTHING_LET)
        return;
    if (answers > 0) {
        let_one_through(pair);
        atomic_store(&relay->answers, answers - 1);
        return;
    }
    let_through(pair, pair->length);
    atomic_store(&relay->holds, false);
}

static void from_server(struct test_relay *relay, struct pair *pair)
{
    if (pair->length == KEPT_MOST)
        die("too much is kept");
    ssize_t got = read(pair->server, pair->kept + pair->length, KEPT_MOST - pair->length);
    if (got <= 0) {
        end_pair(pair);
        return;
    }
    pair->length += (size_t)got;
    if (!atomic_load(&relay->holds) || !pair->replication)
        let_through(pair, pair->length);
}

static void *run(void *argument)
{
    struct test_relay *relay = argument;
    for (;;) {
        struct pollfd fds[2 + 2 * PAIRS_MOST] = {{.fd = relay->stop[0], .events = POLLIN},
                                                 {.fd = relay->listener, .events = POLLIN}};
        for (int i = 0; i < PAIRS_MOST; i++) {
            fds[2 + 2 * i] = (struct pollfd){.fd = relay->pairs[i].client, .events = POLLIN};
            fds[3 + 2 * i] = (struct pollfd){.fd = relay->pairs[i].server, .events = POLLIN};
        }
        poll(fds, 2 + 2 * PAIRS_MOST, -1);
        if (fds[0].revents != 0)
            return NULL;
        for (int i = 0; i < PAIRS_MOST; i++) {
            if (fds[2 + 2 * i].revents != 0)
                from_client(relay, &relay->pairs[i]);
            if (fds[3 + 2 * i].revents != 0 && relay->pairs[i].server >= 0)
                from_server(relay, &relay->pairs[i]);
        }
        if (fds[1].revents != 0)
            begin_pair(relay);
    }
}

struct test_relay *test_relay_open(int port)
{
    struct test_relay *relay = calloc(1, sizeof *relay);
    struct sockaddr_in address = local(0);
    socklen_t size = sizeof address;
    if (relay == NULL)
        die("no memory");
    relay->server_port = port;
    atomic_store(&relay->answers, NOTHING_LET);
    for (int i = 0; i < PAIRS_MOST; i++)
        relay->pairs[i].client = relay->pairs[i].server = -1;
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (relay->listener < 0 || bind(relay->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(relay->listener, PAIRS_MOST) != 0 ||
        getsockname(relay->listener, (struct sockaddr *)&address, &size) != 0 || pipe(relay->stop) != 0)
        die("no socket");
    relay->port = ntohs(address.sin_port);
    if (pthread_create(&relay->thread, NULL, run, relay) != 0)
        die("no thread");
    return relay;
}

int test_relay_port(const struct test_relay *relay)
{
    return relay->port;
}

void test_relay_hold(struct test_relay *relay)
{
    atomic_store(&relay->holds, true);
}

void test_relay_answer(struct test_relay *relay, int count)
{
    atomic_store(&relay->answers, count);
}

void test_relay_close(struct test_relay *relay)
{
    close(relay->stop[1]);
    pthread_join(relay->thread, NULL);
    for (int i = 0; i < PAIRS_MOST; i++)
        if (relay->pairs[i].client >= 0)
            end_pair(&relay->pairs[i]);
    close(relay->stop[0]);
    close(relay->listener);
    free(relay);
}
