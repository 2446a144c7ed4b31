/* SPDX-License-Identifier: Apache-2.0 */
/* A server on a free port and on a socket, asked by clients that do as they should and by some that don't. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static atomic_int answering;
static atomic_bool gone;

/* "/echo" gives the body back, "/wait" answers when nobody waits any more, "/stream" in pieces. */
static void answer(void *context, const struct http_request *request, struct http_exchange *exchange)
{
    (void)context;
    if (http_same(request->path, "/wait")) {
        atomic_fetch_add(&answering, 1);
        while (!http_gone(exchange))
            (void)poll(NULL, 0, 5);
        atomic_store(&gone, true);
    }
    if (http_same(request->path, "/stream")) {
        http_begin(exchange, 200, "text/plain", NULL);
        (void)http_write(exchange, "one ", 4);
        (void)http_write(exchange, "two", 3);
        if (http_same(request->query, "cut"))
            http_cut(exchange);
        return;
    }
    http_answer(exchange, 200, "text/plain", NULL, request->body.bytes, request->body.length);
}

static struct http_server *start(struct http_options options)
{
    struct http_server *server = NULL;
    char why[300] = "";
    options.handle = answer;
    if (options.socket_path == NULL)
        options.listen = "127.0.0.1:0";
    if (!http_start(&options, &server, why, sizeof why))
        fail_msg("%s", why);
    return server;
}

static int connect_to(const struct http_server *server)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)http_port(server)), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Until the server closes, or the text has this end. */
static const char *hear(int fd, const char *end)
{
    static char heard[65536];
    size_t length = 0;
    heard[0] = '\0';
    while (length < sizeof heard - 1) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, 60000) != 1)
            fail_msg("nothing comes behind \"%s\"", heard);
        ssize_t got = recv(fd, heard + length, sizeof heard - 1 - length, 0);
        if (got <= 0)
            break;
        length += (size_t)got;
        heard[length] = '\0';
        if (end != NULL && length >= strlen(end) && strcmp(heard + length - strlen(end), end) == 0)
            break;
    }
    return heard;
}

static void answers_one_behind_the_other(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_options){0});
    int fd = connect_to(server);
    say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirstPOST /echo HTTP/1.1\r\nHost: a\r\n"
            "Content-Length: 6\r\n\r\nsecond");
    const char *heard = hear(fd, "second");
    assert_non_null(strstr(heard, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(heard, "Content-Length: 5\r\n\r\nfirst"));
    say(fd, "HEAD /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody");
    heard = hear(fd, NULL);
    assert_non_null(strstr(heard, "Content-Length: 4\r\n\r\n"));
    assert_null(strstr(heard, "body"));
    (void)close(fd);
    http_stop(&server, 0);
    assert_null(server);
}

static void streams_and_cuts(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_options){0});
    int fd = connect_to(server);
    say(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(strstr(hear(fd, "0\r\n\r\n"), "\r\n\r\n4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"));
    say(fd, "GET /stream?cut HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *heard = hear(fd, NULL);
    assert_non_null(strstr(heard, "two\r\n"));
    assert_null(strstr(heard, "0\r\n\r\n"));
    (void)close(fd);
    http_stop(&server, 0);
}

static void asks_for_the_body_that_is_expected(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_options){.body_most = 4});
    int fd = connect_to(server);
    say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_string_equal(hear(fd, "\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    say(fd, "body");
    assert_non_null(strstr(hear(fd, "body"), "200 OK"));
    say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_non_null(strstr(hear(fd, NULL), "413 Content Too Large"));
    (void)close(fd);
    http_stop(&server, 0);
}

static void tells_who_is_slow(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_options){.head_ms = 50, .body_ms = 50, .idle_ms = 50});
    int fd = connect_to(server);
    say(fd, "GET / HTTP/1.1\r\nHost:");
    assert_non_null(strstr(hear(fd, NULL), "408 Request Timeout"));
    (void)close(fd);
    fd = connect_to(server);
    say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfo");
    assert_non_null(strstr(hear(fd, NULL), "408 Request Timeout"));
    (void)close(fd);
    fd = connect_to(server);
    assert_string_equal(hear(fd, NULL), ""); /* who says nothing is told nothing */
    (void)close(fd);
    http_stop(&server, 0);
}

/* Those who never finish a request can't keep others out. */
static void gives_the_place_of_the_slowest(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_options){.connections_most = 3, .head_ms = 60000});
    int slow[3];
    for (int at = 0; at < 3; at++) {
        slow[at] = connect_to(server);
        say(slow[at], "GET / HT");
    }
    for (int round = 0; round < 3; round++) {
        int fd = connect_to(server);
        say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        assert_non_null(strstr(hear(fd, NULL), "\r\n\r\nok"));
        (void)close(fd);
    }
    assert_non_null(strstr(hear(slow[0], NULL), "503 Service Unavailable"));
    for (int at = 0; at < 3; at++)
        (void)close(slow[at]);
    http_stop(&server, 0);
}

/* The only connection. The server may not have seen yet that those before it are closed: then it finds no room. */
static int connect_alone(struct http_server *server)
{
    for (;;) {
        int fd = connect_to(server);
        say(fd, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
        const char *answer = hear(fd, "\r\n\r\n");
        if (strncmp(answer, "HTTP/1.1 200", 12) == 0)
            return fd;
        assert_memory_equal(answer, "HTTP/1.1 503", 12);
        (void)close(fd);
    }
}

/* One of two is asked to go, or finds no room: both read an answer. */
static void answers_whoever_asked_when_there_is_no_room(void **state)
{
    (void)state;
    static const char ask[] = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    struct http_server *server = start((struct http_options){.connections_most = 1, .head_ms = 60000});
    for (int round = 0; round < 200; round++) {
        int first = connect_to(server), second = connect_to(server);
        say(first, ask);
        say(second, ask);
        assert_memory_equal(hear(first, NULL), "HTTP/1.1 ", 9); /* or that it has to give way */
        assert_memory_equal(hear(second, NULL), "HTTP/1.1 ", 9);
        (void)close(first);
        (void)close(second);
    }
    for (int round = 0; round < 50; round++) {
        int kept = connect_alone(server), other = connect_to(server);
        say(kept, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
        say(other, ask);
        assert_memory_equal(hear(kept, "\r\n\r\n"), "HTTP/1.1 ", 9);
        assert_memory_equal(hear(other, NULL), "HTTP/1.1 ", 9);
        (void)close(kept);
        (void)close(other);
    }
    http_stop(&server, 0);
}

/* Who is told that there is no room has sent more than was read, and reads it late. */
static void a_refusal_is_there_to_be_read(void **state)
{
    (void)state;
    static char body[40000];
    memset(body, 'b', sizeof body - 1);
    struct http_server *server = start((struct http_options){.connections_most = 1});
    atomic_store(&answering, 0);
    int busy = connect_to(server);
    say(busy, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int wait = 0; wait < 60000 && atomic_load(&answering) == 0; wait += 5)
        (void)poll(NULL, 0, 5);
    for (int round = 0; round < 20; round++) {
        int fd = connect_to(server);
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 39999\r\n\r\n");
        assert_int_equal(poll(&ready, 1, 60000), 1);
        say(fd, body);
        const char *heard = hear(fd, NULL);
        assert_memory_equal(heard, "HTTP/1.1 503", 12);
        assert_non_null(strstr(heard, "Retry-After: 1\r\n"));
        (void)close(fd);
    }
    (void)close(busy);
    http_stop(&server, 0);
}

static void sees_that_the_client_left(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_options){0});
    atomic_store(&gone, false);
    int fd = connect_to(server);
    say(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    (void)close(fd);
    for (int wait = 0; wait < 60000 && !atomic_load(&gone); wait += 5)
        (void)poll(NULL, 0, 5);
    assert_true(atomic_load(&gone));
    http_stop(&server, 0);
}

static void stops_with_one_that_runs(void **state)
{
    (void)state;
    struct http_server *server = start((struct http_options){0});
    atomic_store(&answering, 0);
    atomic_store(&gone, false);
    int idle = connect_to(server), fd = connect_to(server);
    say(fd, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
    for (int wait = 0; wait < 60000 && atomic_load(&answering) == 0; wait += 5)
        (void)poll(NULL, 0, 5);
    http_stop(&server, 20);
    assert_true(atomic_load(&gone));
    (void)close(fd);
    (void)close(idle);
}

static void listens_on_a_socket_of_a_long_path(void **state)
{
    (void)state;
    char folder[300] = "/tmp/rhei-http-XXXXXX", path[400];
    assert_non_null(mkdtemp(folder));
    size_t root = strlen(folder);
    (void)snprintf(folder + root, sizeof folder - root, "/%0120d", 7);
    assert_int_equal(mkdir(folder, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/a.sock", folder);
    struct http_server *server = start((struct http_options){.socket_path = path});
    struct stat found;
    assert_int_equal(stat(path, &found), 0);
    assert_true(S_ISSOCK(found.st_mode));
    assert_int_equal(found.st_mode & 0777, 0600);
    assert_int_equal(chdir(folder), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "a.sock"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    say(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    assert_non_null(strstr(hear(fd, "ok"), "200 OK"));
    (void)close(fd);
    http_stop(&server, 0);
    assert_int_not_equal(stat(path, &found), 0);
    assert_int_equal(rmdir(folder), 0);
    folder[root] = '\0';
    assert_int_equal(rmdir(folder), 0);
}

static void says_what_an_address_lacks(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "host", "127.0.0.1:", "::1:80", "127.0.0.1:99999", "127.0.0.1:http", "no.such.host.invalid:80"};
    for (size_t at = 0; at < sizeof bad / sizeof bad[0]; at++) {
        struct http_server *server;
        char why[300] = "";
        assert_false(http_start(&(struct http_options){.listen = bad[at], .handle = answer}, &server, why, sizeof why));
        assert_non_null(strstr(why, bad[at]));
    }
    struct http_server *server = start((struct http_options){0}), *second;
    char why[300] = "";
    assert_false(
        http_start(&(struct http_options){.listen = http_address(server), .handle = answer}, &second, why, sizeof why));
    assert_non_null(strstr(why, "Address already in use"));
    http_stop(&server, 0);
    assert_true(http_is_loopback("127.0.0.1:80") && http_is_loopback("[::1]:80") && http_is_loopback("80") &&
                http_is_loopback(":80"));
    assert_false(http_is_loopback("0.0.0.0:80") || http_is_loopback("[::]:80") || http_is_loopback("10.0.0.1:80"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_one_behind_the_other),
        cmocka_unit_test(streams_and_cuts),
        cmocka_unit_test(asks_for_the_body_that_is_expected),
        cmocka_unit_test(tells_who_is_slow),
        cmocka_unit_test(gives_the_place_of_the_slowest),
        cmocka_unit_test(answers_whoever_asked_when_there_is_no_room),
        cmocka_unit_test(a_refusal_is_there_to_be_read),
        cmocka_unit_test(sees_that_the_client_left),
        cmocka_unit_test(stops_with_one_that_runs),
        cmocka_unit_test(listens_on_a_socket_of_a_long_path),
        cmocka_unit_test(says_what_an_address_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
