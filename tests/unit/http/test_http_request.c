/* SPDX-License-Identifier: Apache-2.0 */
/* What is a request, what isn't yet, and what must not be taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "http_request.h"

enum { BODY_MOST = 1000 };
#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"

/* Of a copy, as what is read may be put together anew. */
static enum http_read read_bytes(const char *text, size_t length, struct http_request *request)
{
    static char copy[HTTP_HEAD_MOST + 100 + HTTP_CHUNKS_MOST * 10];
    assert_true(length <= sizeof copy);
    memcpy(copy, text, length);
    return http_read_request(copy, length, BODY_MOST, request);
}

static enum http_read read_text(const char *text, struct http_request *request)
{
    return read_bytes(text, strlen(text), request);
}

static void reads_a_whole_request(void **state)
{
    (void)state;
    struct http_request request;
    struct http_text value;
    static const char text[] = "POST /sql?format=arrow HTTP/1.1\r\nHost: a:1\r\nContent-Type:  application/json \r\n"
                               "content-length: 5\r\n\r\nhelloGET ";
    assert_int_equal(read_text(text, &request), HTTP_DONE);
    assert_true(http_same(request.method, "POST"));
    assert_true(http_same(request.path, "/sql"));
    assert_true(http_same(request.query, "format=arrow"));
    assert_true(http_same(request.body, "hello"));
    assert_int_equal(request.length, strlen(text) - 4);
    assert_true(request.keep_alive);
    assert_true(http_header(&request, "CONTENT-type", &value));
    assert_true(http_is(value, "APPLICATION/json"));
    assert_false(http_header(&request, "accept", &value));
}

static void waits_for_every_byte(void **state)
{
    (void)state;
    struct http_request request;
    static const char text[] = "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc";
    size_t head = strlen(text) - 3;
    for (size_t length = 0; length < strlen(text); length++)
        assert_int_equal(read_bytes(text, length, &request), length < head ? HTTP_MORE : HTTP_BODY);
    assert_true(request.expects);
    assert_int_equal(read_text(text, &request), HTTP_DONE);
}

/* RFC 9112, 7.1. Whatever of it has arrived; what comes behind it stays where it is. */
static void puts_chunks_together(void **state)
{
    (void)state;
    struct http_request request;
    static const char text[] = CHUNKED "1\r\n{\r\n00A;name=\"x\";b\r\n0123456789\r\n2\r\n\r\n\r\n1\r\n}\r\n0\r\n\r\n";
    size_t head = strlen(CHUNKED);
    for (size_t length = 0; length < strlen(text); length++)
        assert_int_equal(read_bytes(text, length, &request), length < head ? HTTP_MORE : HTTP_BODY);
    char two[2 * sizeof text];
    (void)snprintf(two, sizeof two, "%sGET / ", text);
    assert_int_equal(http_read_request(two, strlen(text) + 6, BODY_MOST, &request), HTTP_DONE);
    assert_true(http_same(request.body, "{0123456789\r\n}"));
    assert_int_equal(request.length, strlen(text));
    assert_memory_equal(two + request.length, "GET / ", 6);
    assert_int_equal(read_text(CHUNKED "0\r\n\r\n", &request), HTTP_DONE);
    assert_int_equal(request.body.length, 0);
}

/* Each look reads all of them again, so there is a most. */
static void bounds_chunks(void **state)
{
    (void)state;
    struct http_request request;
    static char text[sizeof CHUNKED + (HTTP_CHUNKS_MOST + 2) * 6];
    size_t length = sizeof CHUNKED - 1;
    memcpy(text, CHUNKED, length);
    for (int at = 0; at < HTTP_CHUNKS_MOST + 1; at++, length += 6)
        memcpy(text + length, "1\r\nx\r\n", 6);
    assert_int_equal(http_read_request(text, length, UINT64_MAX, &request), HTTP_BAD);
    assert_int_equal(request.status, 413);
    length -= 6;
    assert_int_equal(http_read_request(text, length, UINT64_MAX, &request), HTTP_BODY);
}

static void knows_whether_the_client_stays(void **state)
{
    (void)state;
    struct http_request request;
    assert_int_equal(read_text("GET / HTTP/1.0\r\n\r\n", &request), HTTP_DONE);
    assert_false(request.keep_alive);
    assert_int_equal(read_text("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", &request), HTTP_DONE);
    assert_false(request.keep_alive);
    assert_int_equal(read_text("GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n", &request), HTTP_DONE);
    assert_true(request.keep_alive);
}

/* Where two readers could understand two things, or none. */
static void refuses_what_is_not_clear(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
    } cases[] = {
        {"\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"G T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET /\xC3\xA4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a:1x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nauthorization: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\norigin: http://b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nSec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: a/c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400},
        {"GET / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {CHUNKED "3\nabc\r\n0\r\n\r\n", 400},
        {CHUNKED "\r\n", 400},
        {CHUNKED "-3\r\nabc", 400},
        {CHUNKED "0x3\r\nabc", 400},
        {CHUNKED " 3\r\nabc", 400},
        {CHUNKED "3 \r\nabc", 400},
        {CHUNKED "3;a\nb\r\nabc", 400},
        {CHUNKED "3\rx", 400},
        {CHUNKED "3\r\nabcd", 400},
        {CHUNKED "3\r\nabc\n", 400},
        {CHUNKED "3\r\nabc\r3", 400},
        {CHUNKED "0\r\nX: y\r\n\r\n", 400},
        {CHUNKED "0000000000000003\r\nabc", 400},
        {CHUNKED "ffffffffffffffff1\r\n", 400},
        {CHUNKED "3e9\r\n", 413},
        {CHUNKED "3e8\r\n", 0},
        {CHUNKED "fffffffffffffff\r\n", 413},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na", 400},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999999\r\n\r\n", 400},
    };
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        struct http_request request;
        print_message("%zu\n", at);
        if (cases[at].status == 0) { /* the most that there may be */
            assert_int_equal(read_text(cases[at].text, &request), HTTP_BODY);
            continue;
        }
        assert_int_equal(read_text(cases[at].text, &request), HTTP_BAD);
        assert_int_equal(request.status, cases[at].status);
        assert_non_null(request.why);
    }
}

static void bounds_headers(void **state)
{
    (void)state;
    struct http_request request;
    static char text[HTTP_HEAD_MOST + 100];
    size_t length = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    memset(text + length, 'x', sizeof text - length);
    assert_int_equal(http_read_request(text, HTTP_HEAD_MOST, BODY_MOST, &request), HTTP_MORE);
    assert_int_equal(http_read_request(text, HTTP_HEAD_MOST + 1, BODY_MOST, &request), HTTP_BAD);
    assert_int_equal(request.status, 431);
    length = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int at = 0; at < HTTP_HEADERS_MOST; at++)
        length += (size_t)snprintf(text + length, sizeof text - length, "a: b\r\n");
    (void)snprintf(text + length, sizeof text - length, "\r\n");
    assert_int_equal(read_text(text, &request), HTTP_BAD);
    assert_int_equal(request.status, 431);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_whole_request),
        cmocka_unit_test(waits_for_every_byte),
        cmocka_unit_test(puts_chunks_together),
        cmocka_unit_test(bounds_chunks),
        cmocka_unit_test(knows_whether_the_client_stays),
        cmocka_unit_test(refuses_what_is_not_clear),
        cmocka_unit_test(bounds_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
