/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file http_request.h
 * Bytes as a request of HTTP/1.1 (RFC 9112). Pure: no I/O, no memory.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_HEAD_MOST = 16 << 10, HTTP_HEADERS_MOST = 64, HTTP_CHUNKS_MOST = 4096 };

/** A part of the bytes that were read; borrowed from them. */
struct http_text {
    const char *bytes;
    size_t length;
};
struct http_header {
    struct http_text name, value;
};
struct http_request {
    struct http_text method, path, query; /**< query: behind the '?', empty without one */
    struct http_header headers[HTTP_HEADERS_MOST];
    size_t header_count;
    struct http_text body;
    size_t length;   /**< bytes of head and body together, as they came */
    bool keep_alive; /**< the client may ask again on this connection */
    bool chunks;     /**< it understands an answer in chunks, as all but HTTP/1.0 do */
    bool chunked;    /**< its body came in chunks */
    bool expects;    /**< it waits for "100 Continue" before it sends the body */
    int status;      /**< of HTTP_BAD: what to answer */
    const char *why; /**< of HTTP_BAD: one sentence */
};

enum http_read {
    HTTP_MORE, /**< it isn't whole: read on, and ask again with all bytes */
    HTTP_BODY, /**< the head is whole and good, the body isn't there yet */
    HTTP_DONE,
    HTTP_BAD, /**< answer `status` and close: what follows can't be told apart from it */
};

/**
 * Reads the request at the start of `bytes`. Strict where two readers could understand two things: no bare CR or LF, no folded lines,
 * one Content-Length of digits or Transfer-Encoding: chunked, one Host whose port is digits, one Authorization and Origin. The result borrows
 * from `bytes`, where the chunks of a body are put together once they are all there.
 */
enum http_read http_read_request(char *bytes, size_t length, uint64_t body_most, struct http_request *request);
/** The value of a header by its name, whatever its case; false: it isn't there, or twice. */
bool http_header(const struct http_request *request, const char *name, struct http_text *value);
/** The text is this word, whatever its case. */
bool http_is(struct http_text text, const char *word);
/** The text is this, exactly. */
bool http_same(struct http_text text, const char *exact);

#endif
