/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes in is looked at in this order: whether it was meant for this door (Host, and what browsers tell of who asks), who asks, whether it is JSON, and
 * only then what is asked. The page itself holds no data and is for whoever comes by an own Host, as somebody who follows a link does; what it asks is looked at
 * as anybody's. A browser sends no JSON to another site's address without asking first, and isn't answered when it does; nor does it
 * know the token. An answer that was begun and can't be ended is cut off, which clients see.
 */
#include "rh_serve_sql.h"

#include "page_answer.h"
#include "rh_advice.h"
#include "rh_serve_http.h"
#include "rh_sql_request.h"
#include "rh_text.h"
#include "rh_units.h"
#include "rh_writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 64 << 10 };
static const char json_type[] = "application/json", arrow_type[] = "application/vnd.apache.arrow.stream";

/* `offset` of the byte of the statement that it is about; below 0: of none. */
static void answer_at(struct http_exchange *exchange, int status, const char *code, const char *sqlstate,
                      const char *message, const char *headers, int32_t offset)
{
    struct rh_buffer body = {0};
    rh_buffer_format(&body, "{\"error\":{\"code\":\"%s\",\"sqlstate\":\"%s\",\"message\":", code, sqlstate);
    rh_add_json_text(&body, message, strlen(message));
    if (offset >= 0)
        rh_buffer_format(&body, ",\"offset\":%" PRId32, offset);
    rh_buffer_add_text(&body, "}}\n");
    http_answer(exchange, status, json_type, headers, body.bytes, body.length);
    rh_buffer_free(&body);
}

static void answer_words(struct http_exchange *exchange, int status, const char *code, const char *sqlstate,
                         const char *message, const char *headers)
{
    answer_at(exchange, status, code, sqlstate, message, headers, -1);
}

static int http_status_of(rhei_status status)
{
    switch (status) {
    case RHEI_INVALID:
    case RHEI_SQL:
    case RHEI_TYPE:
    case RHEI_UNSUPPORTED:
    case RHEI_TRANSACTION:
        return 400;
    case RHEI_READ_ONLY:
        return 403;
    case RHEI_CONSTRAINT:
    case RHEI_EXISTS:
        return 409;
    case RHEI_NOT_FOUND:
        return 404;
    case RHEI_TIMEOUT:
        return 504;
    case RHEI_BUSY:
    case RHEI_FULL:
    case RHEI_STALE:
    case RHEI_CANCELLED:
    case RHEI_OLAP_UNAVAILABLE:
    case RHEI_MEMORY_LIMIT:
        return 503;
    case RHEI_TOO_BIG:
        return 413;
    default:
        return 500;
    }
}

/* ---- Who asks ----------------------------------------------------------------------------------------------------- */

/* "localhost", 127.0.0.1 or [::1], with any port: another name may be one that a browser was led here by. */
static bool is_own_host(struct http_text host)
{
    static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t at = 0; at < 3; at++) {
        size_t length = strlen(names[at]);
        if (host.length >= length && http_is((struct http_text){host.bytes, length}, names[at]) &&
            (host.length == length || host.bytes[length] == ':'))
            return true;
    }
    return false;
}

static bool is_of_another_site(const struct http_request *request, struct http_text host)
{
    struct http_text site, origin;
    if (http_header(request, "sec-fetch-site", &site) && !http_is(site, "same-origin") && !http_is(site, "none"))
        return true;
    if (!http_header(request, "origin", &origin))
        return false;
    return origin.length != host.length + 7 || memcmp(origin.bytes, "http://", 7) != 0 ||
           memcmp(origin.bytes + 7, host.bytes, host.length) != 0;
}

static bool is_json(const struct http_request *request)
{
    struct http_text type;
    size_t length = sizeof json_type - 1;
    return http_header(request, "content-type", &type) && type.length >= length &&
           http_is((struct http_text){type.bytes, length}, json_type) &&
           (type.length == length || type.bytes[length] == ';' || type.bytes[length] == ' ');
}

/* Who shows nothing is answered with what to show, as every browser's first question is, and has no line in the log. */
static void refuse_unknown(const struct rh_sql_door *door, const struct http_request *request,
                           struct http_exchange *exchange, bool showed, const char *why)
{
    struct rh_buffer line = {0};
    char peer[80];
    http_peer(exchange, peer, sizeof peer);
    const char *path = http_same(request->path, "/sql") ? "/sql" : http_same(request->path, "/status") ? "/status" : "";
    rh_buffer_format(&line, "refused %s%s of %s: %s", http_same(request->method, "POST") ? "POST" : "GET", path, peer,
                     why);
    if (showed)
        door->log(door->log_context, RHEI_LOG_WARN, "http", line.bytes);
    rh_buffer_free(&line);
    answer_words(exchange, 401, "INVALID", "28000", why,
                 "WWW-Authenticate: Bearer\r\nWWW-Authenticate: Basic realm=\"rhei\"\r\n");
}

static bool may_ask(const struct rh_sql_door *door, const struct http_request *request, struct http_exchange *exchange,
                    struct rhei_flight_visitor *visitor)
{
    struct http_text host = {"", 0}, authorization = {NULL, 0};
    struct rhei_error error = RHEI_ERROR_INIT;
    (void)http_header(request, "host", &host);
    (void)http_header(request, "authorization", &authorization);
    if (!is_own_host(host))
        answer_words(exchange, 421, "INVALID", "22023",
                     "the Host header has to be localhost, 127.0.0.1 or [::1]: a proxy in front sets it", NULL);
    else if (door->page && page_answer(request, exchange))
        return false;
    else if (is_of_another_site(request, host))
        answer_words(exchange, 403, "INVALID", "22023", "a page of another site can't ask here", NULL);
    else if (door->enter(door->guard, authorization.bytes, authorization.length, visitor, &error) != RHEI_OK)
        refuse_unknown(door, request, exchange, authorization.bytes != NULL, error.message);
    else if (http_same(request->path, "/status"))
        rh_http_status(door->service, !visitor->read_only, request, exchange);
    else if (!http_same(request->path, "/sql"))
        answer_words(exchange, 404, "NOT_FOUND", "02000",
                     door->page ? "there are POST /sql, GET /status and the page at /"
                                : "there are POST /sql and GET /status; the page is turned off (http_page)",
                     NULL);
    else if (!http_same(request->method, "POST"))
        answer_words(exchange, 405, "INVALID", "22023", "/sql is asked for by POST", "Allow: POST\r\n");
    else if (!is_json(request))
        answer_words(exchange, 415, "INVALID", "22023", "the Content-Type has to be application/json", NULL);
    else
        return true;
    return false;
}

/* ---- What is asked ------------------------------------------------------------------------------------------------ */

struct asked {
    const struct rh_sql_door *door;
    struct http_exchange *exchange;
    struct rh_sql_request request;
    struct rhei_query_options options;
    struct rhei_params params;
    uint64_t max_rows;
    rhei_status status; /* what it came to */
    uint64_t rows;      /* that were sent */
    int64_t begun_us;
};

static void answer_error(struct asked *asked, const struct rhei_error *error)
{
    struct rh_buffer message = {0};
    rh_add_in_words_of_door(&message, error->message);
    asked->status = error->code;
    answer_at(asked->exchange, http_status_of(error->code), rhei_status_name(error->code), error->sqlstate,
              message.bytes, NULL, error->sql_offset);
    rh_buffer_free(&message);
}

/* What is left of its time is for the client to take the rows, too: one large row is no longer than that. */
static void limit_sending(const struct asked *asked)
{
    int64_t left_ms = asked->options.timeout_ms - (rh_now_us() - asked->begun_us) / 1000;
    http_limit(asked->exchange, left_ms > 0 ? left_ms : 0);
}

/* The answer ends before its rows do. */
static void cut(struct asked *asked, rhei_status why)
{
    bool gone = http_gone(asked->exchange);
    asked->status = http_late(asked->exchange) ? RHEI_TIMEOUT : gone ? RHEI_CANCELLED : why;
    http_cut(asked->exchange);
}

static int told(void *context, const struct rhei_progress *progress)
{
    (void)progress;
    return http_gone(context) ? 1 : 0; /* nobody waits for it any more */
}

static int64_t least(int64_t a, int64_t b)
{
    return a <= 0 ? b : b <= 0 ? a : a < b ? a : b;
}

static rhei_status check_may_write(const struct asked *asked, const struct rhei_flight_visitor *visitor,
                                   struct rhei_error *error)
{
    rhei_statement *statement = NULL;
    if (!visitor->read_only)
        return RHEI_OK;
    rhei_status status = rhei_prepare(asked->door->db, asked->request.sql, &statement, error);
    if (status == RHEI_UNSUPPORTED) /* EXPLAIN ROUTE, and what only the column store reads */
        return RHEI_OK;
    if (status == RHEI_OK && !rhei_statement_is_read_only(statement)) {
        *error = (struct rhei_error)RHEI_ERROR_INIT;
        error->code = status = RHEI_READ_ONLY;
        (void)snprintf(error->sqlstate, sizeof error->sqlstate, "25006");
        (void)snprintf(error->message, sizeof error->message, "user \"%s\" may only read", visitor->name);
    }
    rhei_statement_close(&statement);
    return status;
}

static void add_headers(struct rh_buffer *headers, const char *route, const char *rule, int64_t position,
                        int64_t age_us)
{
    rh_buffer_format(headers,
                     "X-Rhei-Route: %s\r\nX-Rhei-Rule: %s\r\nX-Rhei-Position: %" PRId64 "\r\nX-Rhei-Age-Us: %" PRId64
                     "\r\n",
                     route, rule, position, age_us);
}

/* ---- As JSON ------------------------------------------------------------------------------------------------------ */

static void add_columns(struct rh_buffer *body, rhei_rows *rows)
{
    rh_buffer_add_text(body, "{\"columns\":[");
    for (uint32_t at = 0; at < rhei_rows_column_count(rows); at++) {
        const char *name = rhei_rows_column_name(rows, at);
        rh_buffer_add_text(body, at > 0 ? "," : "");
        rh_add_json_text(body, name, strlen(name));
    }
    rh_buffer_add_text(body, "],\"rows\":[");
}

static void add_row(struct rh_buffer *body, rhei_rows *rows, bool first)
{
    rh_buffer_add_text(body, first ? "[" : ",[");
    for (uint32_t at = 0; at < rhei_rows_column_count(rows); at++) {
        struct rhei_value value = rhei_rows_value(rows, at);
        rh_buffer_add_text(body, at > 0 ? "," : "");
        rh_add_json_value(body, &value);
    }
    rh_buffer_add_char(body, ']');
}

static void add_end(struct rh_buffer *body, const rhei_rows *rows)
{
    struct rhei_result result = {.struct_size = sizeof result};
    rhei_rows_result(rows, &result);
    rh_buffer_format(body, "],\"changes\":%" PRId64 ",\"last_insert_rowid\":%" PRId64 ",\"position\":%" PRId64 "}\n",
                     result.changes, result.last_insert_rowid, result.position);
}

/* The first row is there, or the end of the rows. */
static void stream_rows(struct asked *asked, rhei_rows *rows, rhei_status status)
{
    struct http_exchange *exchange = asked->exchange;
    struct rh_buffer body = {0}, headers = {0};
    bool good = true, sent = true;
    add_headers(&headers, rhei_rows_route(rows), rhei_rows_rule(rows), rhei_rows_position(rows),
                rhei_rows_age_us(rows));
    limit_sending(asked);
    http_begin(exchange, 200, json_type, headers.bytes);
    add_columns(&body, rows);
    for (; status == RHEI_ROW && good; status = rhei_rows_next(rows, NULL)) {
        good = asked->max_rows == 0 || asked->rows < asked->max_rows;
        if (good)
            add_row(&body, rows, asked->rows++ == 0);
        if (body.length >= PIECE) {
            sent = http_write(exchange, body.bytes, body.length);
            good = good && sent;
            rh_buffer_clear(&body);
        }
    }
    if (good && status == RHEI_DONE) {
        add_end(&body, rows);
        if (!http_write(exchange, body.bytes, body.length))
            cut(asked, RHEI_CANCELLED);
    } else {
        cut(asked, good ? status : sent ? RHEI_TOO_BIG : RHEI_CANCELLED);
    }
    rh_buffer_free(&body);
    rh_buffer_free(&headers);
}

static void answer_json(struct asked *asked)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    rhei_rows *rows = NULL;
    rhei_status status =
        rhei_query(asked->door->db, asked->request.sql, &asked->params, &asked->options, &rows, &error);
    if (status == RHEI_OK)
        status = rhei_rows_next(rows, &error);
    if (status == RHEI_ROW || status == RHEI_DONE)
        stream_rows(asked, rows, status);
    else
        answer_error(asked, &error);
    rhei_rows_close(&rows);
}

/* ---- As Arrow ----------------------------------------------------------------------------------------------------- */

/* A value of a schema's metadata: a count, then keys and values, each with its length in front, in the machine's order of bytes. */
static void find_metadata(const char *metadata, const char *key, char *value, size_t size)
{
    int32_t count = 0, length = 0;
    value[0] = '\0';
    if (metadata == NULL)
        return;
    memcpy(&count, metadata, sizeof count);
    metadata += sizeof count;
    for (int32_t at = 0; at < 2 * count; at++) {
        memcpy(&length, metadata, sizeof length);
        metadata += sizeof length;
        bool found = at % 2 == 0 && (size_t)length == strlen(key) && memcmp(metadata, key, (size_t)length) == 0;
        metadata += length;
        if (!found)
            continue;
        memcpy(&length, metadata, sizeof length);
        (void)snprintf(value, size, "%.*s", (int)length, metadata + sizeof length);
        return;
    }
}

/* A stream of another, which counts its rows and fails behind the most that there may be. */
struct limited {
    struct ArrowArrayStream inner;
    struct asked *asked;
};

static int limited_schema(struct ArrowArrayStream *stream, struct ArrowSchema *schema)
{
    struct limited *limited = stream->private_data;
    return limited->inner.get_schema(&limited->inner, schema);
}

static int limited_next(struct ArrowArrayStream *stream, struct ArrowArray *array)
{
    struct limited *limited = stream->private_data;
    int code = limited->inner.get_next(&limited->inner, array);
    if (code != 0 || array->release == NULL)
        return code;
    struct asked *asked = limited->asked;
    if (asked->max_rows == 0 || (uint64_t)array->length <= asked->max_rows - asked->rows) {
        asked->rows += (uint64_t)array->length;
        return 0;
    }
    array->release(array);
    asked->status = RHEI_TOO_BIG;
    return EOVERFLOW;
}

static const char *limited_error(struct ArrowArrayStream *stream)
{
    struct limited *limited = stream->private_data;
    return limited->inner.get_last_error(&limited->inner);
}

static void limited_release(struct ArrowArrayStream *stream)
{
    struct limited *limited = stream->private_data;
    limited->inner.release(&limited->inner);
    free(limited);
    stream->release = NULL;
}

static void limit_rows(struct ArrowArrayStream *stream, struct asked *asked)
{
    struct limited *limited = rh_allocate(sizeof *limited);
    *limited = (struct limited){*stream, asked};
    *stream = (struct ArrowArrayStream){limited_schema, limited_next, limited_error, limited_release, limited};
}

static rhei_status write_piece(void *exchange, const void *bytes, size_t length, struct rhei_error *error)
{
    (void)error;
    return http_write(exchange, bytes, length) ? RHEI_OK : RHEI_CANCELLED;
}

static void answer_arrow(struct asked *asked)
{
    struct rhei_error error = RHEI_ERROR_INIT;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct rh_buffer headers = {0};
    char route[16], rule[64], position[32], age[32];
    if (rhei_query_arrow(asked->door->db, asked->request.sql, &asked->params, &asked->options, &stream, &error) !=
        RHEI_OK) {
        answer_error(asked, &error);
        return;
    }
    if (stream.get_schema(&stream, &schema) != 0) {
        const char *why = stream.get_last_error(&stream);
        asked->status = RHEI_INTERNAL;
        answer_words(asked->exchange, 500, "INTERNAL", "XX000", why == NULL ? "the rows can't be read" : why, NULL);
        stream.release(&stream);
        return;
    }
    find_metadata(schema.metadata, "rhei.route", route, sizeof route);
    find_metadata(schema.metadata, "rhei.rule", rule, sizeof rule);
    find_metadata(schema.metadata, "rhei.position", position, sizeof position);
    find_metadata(schema.metadata, "rhei.age_us", age, sizeof age);
    schema.release(&schema);
    add_headers(&headers, route, rule, strtoll(position, NULL, 10), strtoll(age, NULL, 10));
    limit_rows(&stream, asked);
    limit_sending(asked);
    http_begin(asked->exchange, 200, arrow_type, headers.bytes);
    if (rhei_arrow_write(&stream, NULL, write_piece, asked->exchange, &error) != RHEI_OK)
        cut(asked, asked->status != RHEI_OK ? asked->status : error.code);
    rh_buffer_free(&headers);
}

/* ---- Its line in the log ------------------------------------------------------------------------------------------ */

/* As the one that Flight writes of its calls: values of parameters are in none. */
static void write_line(const struct asked *asked, const char *user, int64_t begun_us)
{
    enum { SHOWN_SQL = 500 };
    const char *sql = asked->request.sql;
    size_t length = strlen(sql), shown = length <= SHOWN_SQL ? length : rh_utf8_valid(sql, SHOWN_SQL);
    struct rh_buffer line = {0};
    char peer[80];
    http_peer(asked->exchange, peer, sizeof peer);
    rh_buffer_format(&line, "user=\"%s\" peer=%s call=POST/sql status=%s ms=%.1f", user, peer,
                     rhei_status_name(asked->status), (double)(rh_now_us() - begun_us) / 1e3);
    if (asked->status == RHEI_OK)
        rh_buffer_format(&line, " rows=%" PRIu64, asked->rows);
    rh_buffer_add_text(&line, " sql=\"");
    for (size_t at = 0; at < shown; at++) {
        unsigned char c = (unsigned char)sql[at];
        if (c == '"' || c == '\\')
            rh_buffer_add_char(&line, '\\');
        rh_buffer_add_char(&line, c < 0x20 || c == 0x7f ? ' ' : (char)c);
    }
    rh_buffer_add_text(&line, shown < length ? "...\"" : "\"");
    asked->door->log(asked->door->log_context, RHEI_LOG_INFO, "http", line.bytes);
    rh_buffer_free(&line);
}

void rh_http_sql(void *context, const struct http_request *request, struct http_exchange *exchange)
{
    const struct rh_sql_door *door = context;
    struct rhei_flight_visitor visitor = {.struct_size = sizeof visitor};
    struct rhei_error error = RHEI_ERROR_INIT;
    struct rh_buffer why = {0};
    struct http_text accept = {"", 0};
    int64_t begun_us = rh_now_us();
    if (!may_ask(door, request, exchange, &visitor))
        return;
    struct asked asked = {.door = door, .exchange = exchange, .begun_us = begun_us};
    if (!rh_sql_request_read(door->db, request->body.bytes, request->body.length, &asked.request, &why)) {
        answer_words(exchange, 400, "INVALID", "22023", why.length > 0 ? why.bytes : "params is there twice", NULL);
    } else if (check_may_write(&asked, &visitor, &error) != RHEI_OK) {
        answer_error(&asked, &error);
        write_line(&asked, visitor.name, begun_us);
    } else {
        asked.params = (struct rhei_params){asked.request.values, asked.request.value_count};
        asked.max_rows = (uint64_t)least((int64_t)door->max_rows, (int64_t)visitor.max_rows);
        asked.options = (struct rhei_query_options){
            .struct_size = sizeof asked.options,
            .freshness = asked.request.args.freshness,
            .route = asked.request.args.route,
            .timeout_ms = least(least(door->timeout_ms, visitor.timeout_ms), asked.request.args.timeout_ms),
            .progress = told,
            .progress_context = exchange,
            .as_of = asked.request.as_of,
            .settings = !visitor.read_only,
            .most_returned = asked.max_rows,
        };
        (void)http_header(request, "accept", &accept);
        if (http_is(accept, arrow_type))
            answer_arrow(&asked);
        else
            answer_json(&asked);
        write_line(&asked, visitor.name, begun_us);
    }
    rh_sql_request_free(&asked.request);
    rh_buffer_free(&why);
}
