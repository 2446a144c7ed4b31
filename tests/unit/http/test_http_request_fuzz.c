/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged requests and plain garbage, on copies without a byte to spare: what is taken lies within the bytes and is clear. The sanitizers look, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_request.h"

enum { ROUNDS = 60000, BODY_MOST = 64 };

static uint64_t seed;

static size_t random_below(size_t most)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed >> 11) % most;
}

static void assert_within(struct http_text text, const char *bytes, size_t length)
{
    if (text.length > 0)
        assert_true(text.bytes >= bytes && text.bytes + text.length <= bytes + length);
}

static void check_taken(const struct http_request *request, const char *bytes, size_t length)
{
    assert_true(request->length <= length && request->body.length <= BODY_MOST);
    assert_within(request->method, bytes, length);
    assert_within(request->path, bytes, length);
    assert_within(request->query, bytes, length);
    assert_within(request->body, bytes, length);
    assert_int_equal(request->path.bytes[0], '/');
    assert_true(request->header_count <= HTTP_HEADERS_MOST);
    for (size_t at = 0; at < request->header_count; at++) {
        assert_within(request->headers[at].value, bytes, length);
        assert_true(request->headers[at].name.length > 0);
        for (size_t byte = 0; byte < request->headers[at].value.length; byte++)
            assert_null(memchr("\r\n", request->headers[at].value.bytes[byte], 3));
    }
}

static void feed(const char *text, size_t length)
{
    struct http_request request;
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    enum http_read read = http_read_request(copy, length, BODY_MOST, &request);
    if (read == HTTP_DONE) {
        check_taken(&request, copy, length);
        /* no shorter beginning is a request, too, and nothing behind it changes what it is */
        struct http_request shorter;
        memcpy(copy, text, length);
        assert_int_not_equal(http_read_request(copy, request.length - 1, BODY_MOST, &shorter), HTTP_DONE);
        assert_memory_equal(copy, text, length); /* only what is whole is put together */
        assert_int_equal(http_read_request(copy, request.length, BODY_MOST, &shorter), HTTP_DONE);
        assert_int_equal(shorter.length, request.length);
    } else if (read == HTTP_BAD) {
        assert_true(request.status >= 400 && request.why != NULL);
    }
    free(copy);
}

static const char *const pieces[] = {"GET ",
                                     "POST ",
                                     "/",
                                     "/sql?a=b",
                                     " HTTP/1.1",
                                     " HTTP/1.0",
                                     "\r\n",
                                     "\r\n\r\n",
                                     "\n",
                                     "\r",
                                     "Host: a",
                                     "Host: b",
                                     "Content-Length: 3",
                                     "Content-Length: 64",
                                     "Content-Length: 18446744073709551617",
                                     "Transfer-Encoding: chunked",
                                     "Connection: close",
                                     "Expect: 100-continue",
                                     ": ",
                                     ":",
                                     " ",
                                     "\t",
                                     "x",
                                     "3\r\nabc\r\n",
                                     "0\r\n\r\n",
                                     "abc"};
static const char *const good[] = {
    "GET /metrics HTTP/1.1\r\nHost: localhost:9187\r\nAccept: text/plain\r\n\r\n",
    "POST /sql HTTP/1.1\r\nHost: [::1]:80\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\r\nSELECT 1 AS...",
    "POST /sql HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na;b\r\n0123456789\r\n0\r\n\r\nGET",
    "HEAD /healthz?x HTTP/1.0\r\n\r\n",
};

static void takes_pieces_in_any_order(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char text[512];
        size_t length = 0;
        for (size_t count = random_below(16); count > 0; count--) {
            const char *piece = pieces[random_below(sizeof pieces / sizeof pieces[0])];
            memcpy(text + length, piece, strlen(piece));
            length += strlen(piece);
        }
        feed(text, length);
    }
}

static void takes_damaged_requests(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char text[256];
        const char *from = good[random_below(sizeof good / sizeof good[0])];
        size_t length = strlen(from);
        memcpy(text, from, length);
        for (size_t count = random_below(5); count > 0; count--) {
            size_t at = random_below(length);
            if (random_below(2) == 0)
                text[at] = (char)random_below(256);
            else
                memmove(text + at, text + at + 1, --length - at);
        }
        feed(text, length - random_below(length));
        feed(text, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_pieces_in_any_order),
        cmocka_unit_test(takes_damaged_requests),
    };
    const char *given = getenv("RHEI_SEED");
    seed = given != NULL ? strtoull(given, NULL, 10) | 1 : UINT64_C(20260213);
    print_message("RHEI_SEED=%llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
