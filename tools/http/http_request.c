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

/* Of these a reader in front, or the one behind, could take the first or the last. */
static enum http_read check_once(struct http_request *request)
{
    static const struct {
        const char *name, *why;
    } once[] = {{"authorization", "there may be one Authorization header"},
                {"origin", "there may be one Origin header"},
                {"sec-fetch-site", "there may be one Sec-Fetch-Site header"},
                {"content-type", "there may be one Content-Type header"}};
    struct http_text value;
    for (size_t at = 0; at < sizeof once / sizeof once[0]; at++)
        if (count_of(request, once[at].name, &value) > 1)
            return bad(request, 400, once[at].why);
    return HTTP_DONE;
}

/* ---- A body in chunks (RFC 9112, 7.1) ----------------------------------------------------------------------------- */

/* What is read of it: `from` is behind the head. */
struct chunks {
    char *from;
    size_t length, at;
    uint64_t body; /* bytes of the chunks so far */
};

/* The line of a chunk's size, whose extension means nothing here. */
static enum http_read read_size(struct chunks *chunks, uint64_t *size, struct http_request *request)
{
    enum { LINE_MOST = 256, DIGITS_MOST = 15 };
    static const char digits[] = "0123456789abcdef0123456789ABCDEF", why[] = "a chunk's size isn't a line of its own";
    const char *line = chunks->from + chunks->at;
    size_t left = chunks->length - chunks->at, seen = left < LINE_MOST ? left : LINE_MOST, at = 0;
    *size = 0;
    for (const char *digit; at < seen && line[at] != '\0' && (digit = strchr(digits, line[at])) != NULL; at++)
        *size = *size * 16 + (uint64_t)(digit - digits) % 16;
    if (at > DIGITS_MOST || (at < seen && (at == 0 || (line[at] != '\r' && line[at] != ';'))))
        return bad(request, 400, why);
    while (at < seen && line[at] != '\r' && (((unsigned char)line[at] >= 0x20 && line[at] != 0x7F) || line[at] == '\t'))
        at++;
    if (at + 1 < seen && line[at] == '\r' && line[at + 1] == '\n') {
        chunks->at += at + 2;
        return HTTP_DONE;
    }
    bool unended = at == seen || (at + 1 == seen && line[at] == '\r');
    return unended && seen < LINE_MOST ? HTTP_BODY : bad(request, 400, why);
}

/* A chunk's bytes, or the nothing behind the last one, and the end of their line. */
static enum http_read skip_bytes(struct chunks *chunks, uint64_t size, struct http_request *request)
{
    size_t left = chunks->length - chunks->at, end = chunks->at + (size_t)size;
    if ((left > size && chunks->from[end] != '\r') || (left > size + 1 && chunks->from[end + 1] != '\n'))
        return bad(request, 400, size > 0 ? "a chunk is longer than its size" : "fields behind the body aren't taken");
    if (left < size + 2)
        return HTTP_BODY;
    chunks->at += size + 2;
    return HTTP_DONE;
}

/* Puts the chunks together, where all are there. */
static void join(struct chunks *chunks, struct http_request *request)
{
    size_t to = 0;
    uint64_t size = 1;
    chunks->at = 0;
    while (read_size(chunks, &size, request) == HTTP_DONE && size > 0) {
        memmove(chunks->from + to, chunks->from + chunks->at, size);
        to += size;
        (void)skip_bytes(chunks, size, request);
    }
}

/* Every look begins anew, so there is a most of chunks: a client whose bytes come one by one would have each of them looked at as often. */
static enum http_read read_chunks(struct chunks *chunks, uint64_t body_most, struct http_request *request)
{
    uint64_t size = 1;
    enum http_read read = HTTP_DONE;
    for (unsigned count = 0; read == HTTP_DONE && size > 0; count++) {
        if (count > HTTP_CHUNKS_MOST)
            return bad(request, 413, "the body comes in more than 4,096 chunks: send larger ones");
        read = read_size(chunks, &size, request);
        if (read == HTTP_DONE && size > body_most - chunks->body)
            return bad(request, 413, "the body is larger than is taken here");
        if (read == HTTP_DONE)
            read = skip_bytes(chunks, size, request);
        chunks->body += read == HTTP_DONE ? size : 0;
    }
    if (read == HTTP_DONE) {
        size_t whole = chunks->at;
        join(chunks, request);
        chunks->at = whole;
    }
    return read;
}

/* ---- All of it ---------------------------------------------------------------------------------------------------- */

static enum http_read read_coding(struct http_request *request, size_t lengths)
{
    struct http_text coding = {0};
    if (count_of(request, "transfer-encoding", &coding) > 1 || lengths > 0 || !request->chunks)
        return bad(request, 400, "a body has a Content-Length, or one Transfer-Encoding of HTTP/1.1, not both");
    if (!http_is(coding, "chunked"))
        return bad(request, 501, "of all codings of a body chunked alone is taken");
    request->chunked = true;
    return HTTP_DONE;
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
    if (check_once(request) != HTTP_DONE)
        return HTTP_BAD;
    size_t codings = count_of(request, "transfer-encoding", &value);
    size_t lengths = count_of(request, "content-length", &value);
    if (codings > 0 && read_coding(request, lengths) != HTTP_DONE)
        return HTTP_BAD;
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

enum http_read http_read_request(char *bytes, size_t length, uint64_t body_most, struct http_request *request)
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
    if (read == HTTP_DONE && request->chunked) {
        struct chunks chunks = {.from = bytes + head, .length = length - head};
        read = read_chunks(&chunks, body_most, request);
        request->length = head + chunks.at;
        request->body = (struct http_text){bytes + head, (size_t)chunks.body};
        return read;
    }
    if (read != HTTP_DONE)
        return read;
    request->length = head + (size_t)body;
    if (length < request->length)
        return HTTP_BODY;
    request->body = (struct http_text){bytes + head, (size_t)body};
    return HTTP_DONE;
}
