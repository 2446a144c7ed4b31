/* SPDX-License-Identifier: Apache-2.0 */
#include "http_request.h"

#include <string.h>
#include <strings.h>

bool http_is(struct http_text text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.bytes, word, text.length) == 0;
}

bool http_same(struct http_text text, const char *exact)
{
    return text.length == strlen(exact) && memcmp(text.bytes, exact, text.length) == 0;
}

static size_t count_of(const struct http_request *request, const char *name, struct http_text *value)
{
    size_t count = 0;
    for (size_t at = 0; at < request->header_count; at++) {
        if (http_is(request->headers[at].name, name)) {
            *value = request->headers[at].value;
            count++;
        }
    }
    return count;
}

bool http_header(const struct http_request *request, const char *name, struct http_text *value)
{
    return count_of(request, name, value) == 1;
}

static enum http_read bad(struct http_request *request, int status, const char *why)
{
    request->status = status;
    request->why = why;
    return HTTP_BAD;
}

/* tchar of RFC 9110 */
static size_t token_length(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length &&
           ((text[at] >= '0' && text[at] <= '9') || (text[at] >= 'A' && text[at] <= 'Z') ||
            (text[at] >= 'a' && text[at] <= 'z') || (text[at] != '\0' && strchr("!#$%&'*+-.^_`|~", text[at]) != NULL)))
        at++;
    return at;
}

static bool read_target(struct http_text target, struct http_request *request)
{
    if (target.length == 0 || target.bytes[0] != '/')
        return false;
    for (size_t at = 0; at < target.length; at++)
        if (target.bytes[at] <= 0x20 || target.bytes[at] >= 0x7F || target.bytes[at] == '#')
            return false;
    const char *mark = memchr(target.bytes, '?', target.length);
    size_t path = mark == NULL ? target.length : (size_t)(mark - target.bytes);
    request->path = (struct http_text){target.bytes, path};
    if (mark != NULL)
        request->query = (struct http_text){mark + 1, target.length - path - 1};
    return true;
}

/* METHOD SP target SP HTTP/1.x */
static enum http_read read_first(struct http_text line, struct http_request *request)
{
    const char *good = "the first line isn't METHOD /PATH HTTP/1.1";
    size_t method = token_length(line.bytes, line.length);
    if (method == 0 || method >= line.length || line.bytes[method] != ' ')
        return bad(request, 400, good);
    request->method = (struct http_text){line.bytes, method};
    const char *target = line.bytes + method + 1;
    size_t left = line.length - method - 1;
    const char *space = memchr(target, ' ', left);
    if (space == NULL || !read_target((struct http_text){target, (size_t)(space - target)}, request))
        return bad(request, 400, good);
    struct http_text version = {space + 1, left - (size_t)(space - target) - 1};
    if (!http_same(version, "HTTP/1.1") && !http_same(version, "HTTP/1.0"))
        return bad(request, version.length > 5 && memcmp(version.bytes, "HTTP/", 5) == 0 ? 505 : 400,
                   "only HTTP/1.1 and 1.0 are spoken here");
    request->keep_alive = request->chunks = version.bytes[7] == '1';
    return HTTP_DONE;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static enum http_read read_field(struct http_text line, struct http_request *request)
{
    size_t name = token_length(line.bytes, line.length);
    if (name == 0 || name >= line.length || line.bytes[name] != ':')
        return bad(request, 400, "a header isn't NAME: VALUE");
    if (request->header_count == HTTP_HEADERS_MOST)
        return bad(request, 431, "there are more than 64 headers");
    struct http_text value = {line.bytes + name + 1, line.length - name - 1};
    while (value.length > 0 && is_blank(value.bytes[0]))
        value = (struct http_text){value.bytes + 1, value.length - 1};
    while (value.length > 0 && is_blank(value.bytes[value.length - 1]))
        value.length--;
    for (size_t at = 0; at < value.length; at++)
        if (((unsigned char)value.bytes[at] < 0x20 && value.bytes[at] != '\t') || value.bytes[at] == 0x7F)
            return bad(request, 400, "a header's value has a control character");
    request->headers[request->header_count++] = (struct http_header){{line.bytes, name}, value};
    return HTTP_DONE;
}

static bool read_length(struct http_text text, uint64_t *length)
{
    *length = 0;
    for (size_t at = 0; at < text.length; at++) {
        if (text.bytes[at] < '0' || text.bytes[at] > '9')
            return false;
        *length = *length * 10 + (uint64_t)(text.bytes[at] - '0');
    }
    return text.length > 0 && text.length <= 18;
}

/* NAME, NAME:PORT, [ADDRESS] or [ADDRESS]:PORT */
static bool is_host(struct http_text host)
{
    const char *end = host.bytes + host.length, *at = host.bytes;
    if (host.length > 0 && *at == '[') {
        at = memchr(at, ']', host.length);
        if (at == NULL || (++at < end && *at != ':'))
            return false;
    }
    while (at < end && *at != ':')
        at++;
    for (at += at < end; at < end; at++)
        if (*at < '0' || *at > '9')
            return false;
    return true;
}

/* What the headers say of the body and of what comes behind it. */
static enum http_read read_framing(uint64_t body_most, uint64_t *body, struct http_request *request)
{
    struct http_text value = {0};
    size_t hosts = count_of(request, "host", &value);
    if (hosts > 1 || (hosts == 0 && request->keep_alive))
        return bad(request, 400, "there has to be one Host header");
    if (hosts == 1 && !is_host(value))
        return bad(request, 400, "the Host header isn't NAME or NAME:PORT");
    if (count_of(request, "authorization", &value) > 1)
        return bad(request, 400, "there may be one Authorization header");
    if (count_of(request, "transfer-encoding", &value) > 0)
        return bad(request, 501, "Transfer-Encoding isn't taken: send a Content-Length");
    size_t lengths = count_of(request, "content-length", &value);
    *body = 0;
    if (lengths > 1 || (lengths == 1 && !read_length(value, body)))
        return bad(request, 400, "Content-Length isn't one whole number");
    if (*body > body_most)
        return bad(request, 413, "the body is larger than is taken here");
    request->expects = count_of(request, "expect", &value) == 1 && http_is(value, "100-continue");
    size_t connections = count_of(request, "connection", &value);
    if (connections > 1 || (connections == 1 && !http_is(value, "keep-alive")))
        request->keep_alive = false;
    return HTTP_DONE;
}

enum http_read http_read_request(const char *bytes, size_t length, uint64_t body_most, struct http_request *request)
{
    *request = (struct http_request){0};
    const char *end = length == 0 ? NULL : memmem(bytes, length, "\r\n\r\n", 4);
    size_t head = end == NULL ? length : (size_t)(end - bytes) + 4;
    if (head > HTTP_HEAD_MOST)
        return bad(request, 431, "the headers are longer than 16 KiB");
    if (end == NULL)
        return HTTP_MORE;
    enum http_read read = HTTP_DONE;
    for (const char *at = bytes; at < end + 2 && read == HTTP_DONE;) {
        const char *stop = memmem(at, (size_t)(end + 2 - at), "\r\n", 2);
        struct http_text line = {at, (size_t)(stop - at)};
        read = at == bytes ? read_first(line, request) : read_field(line, request);
        at = stop + 2;
    }
    uint64_t body = 0;
    if (read == HTTP_DONE)
        read = read_framing(body_most, &body, request);
    if (read != HTTP_DONE)
        return read;
    request->length = head + (size_t)body;
    if (length < request->length)
        return HTTP_BODY;
    request->body = (struct http_text){bytes + head, (size_t)body};
    return HTTP_DONE;
}
