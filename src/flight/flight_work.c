/* SPDX-License-Identifier: Apache-2.0 */
/* What every call needs: its texts and limits, what it is about, and its end, once (S2 of flight_service.c). */
#include <stdio.h>
#include <string.h>

#include "base/base_clock.h"
#include "base/base_error.h"
#include "base/base_utf8.h"
#include "flight_internal.h"

enum { SHOWN_SQL = 500 };

/* ---- How it ends -------------------------------------------------------------------------------------------------- */

enum flight_code flight_code_of(rhei_status status)
{
    switch (status) {
    case RHEI_OK:
        return FLIGHT_OK;
    case RHEI_INVALID:
    case RHEI_SQL:
    case RHEI_TYPE:
    case RHEI_CONFIG:
        return FLIGHT_INVALID_ARGUMENT;
    case RHEI_NOT_FOUND:
        return FLIGHT_NOT_FOUND;
    case RHEI_EXISTS:
        return FLIGHT_ALREADY_EXISTS;
    case RHEI_READ_ONLY:
        return FLIGHT_PERMISSION_DENIED;
    case RHEI_NO_MEMORY:
    case RHEI_MEMORY_LIMIT:
    case RHEI_FULL:
    case RHEI_TOO_BIG:
        return FLIGHT_RESOURCE_EXHAUSTED;
    case RHEI_CONSTRAINT:
    case RHEI_TRANSACTION:
    case RHEI_OLAP_UNAVAILABLE:
        return FLIGHT_FAILED_PRECONDITION;
    case RHEI_BUSY:
        return FLIGHT_ABORTED;
    case RHEI_STALE:
    case RHEI_CLOSED:
    case RHEI_REPLACED:
        return FLIGHT_UNAVAILABLE;
    case RHEI_UNSUPPORTED:
        return FLIGHT_UNIMPLEMENTED;
    case RHEI_CANCELLED:
        return FLIGHT_CANCELLED;
    case RHEI_TIMEOUT:
        return FLIGHT_DEADLINE_EXCEEDED;
    default:
        return FLIGHT_INTERNAL;
    }
}

static void add_sql(struct base_buffer *line, const char *sql)
{
    size_t len = strlen(sql), shown = base_utf8_cut(sql, len, len < SHOWN_SQL ? len : SHOWN_SQL);
    base_buffer_text(line, " sql=\"");
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)sql[i];
        if (c == '"' || c == '\\')
            base_buffer_format(line, "\\%c", c);
        else
            base_buffer_char(line, c < 0x20 || c == 0x7f ? ' ' : (char)c);
    }
    base_buffer_text(line, shown < len ? "...\"" : "\"");
}

/* S2 of flight_service.c. */
static void write_line(struct flight_work *work, rhei_status status)
{
    struct base_buffer line = {0};
    if (work->server->log.write == NULL || work->server->log.level < BASE_LOG_INFO)
        return;
    base_buffer_format(&line, "user=\"%s\" peer=%s call=%s%s%s status=%s ms=%.1f", work->user->name,
                       flight_call_peer(work->call), flight_call_method(work->call), work->doing[0] == '\0' ? "" : "/",
                       work->doing, error_code_name(status), (double)(base_now_ns() - work->started_ns) / 1e6);
    if (work->rows >= 0)
        base_buffer_format(&line, " rows=%lld", (long long)work->rows);
    if (work->sql != NULL)
        add_sql(&line, work->sql);
    if (!line.failed)
        base_log_write(&work->server->log, BASE_LOG_INFO, "flight", "%s", line.data);
    base_buffer_reset(&line);
}

/* The engine gives its advice to programs that call it; the same for who is at the other end of a wire. */
static void put_message(struct base_buffer *out, const struct rhei_error *error, rhei_status status)
{
    static const char transaction[] =
        "a transaction is begun and ended by the driver (autocommit off), not by a text of its own";
    static const char views[] = "string and binary views aren't taken over the network: send utf8 and binary, or the "
                                "large ones (of a frame of polars, its to_arrow())";
    static const struct {
        const char *engine, *client;
    } words[] = {
        {"run a script with rhei_execute_script", "send them one by one, in a transaction where they belong together"},
        {"a transaction that spans calls needs a session (rhei_session_open), so that nobody else's write becomes part "
         "of "
         "it",
         transaction},
        {"BEGIN, COMMIT, ROLLBACK and savepoints need a session: other callers' writes are not part of it",
         transaction},
        {"BEGIN, COMMIT and the like belong to a session", transaction},
        {"Utf8View not yet supported in IPC reader", views},
        {"BinaryView not yet supported in IPC reader", views},
    };
    const char *message = error->message;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const char *found = strstr(message, words[i].engine);
        if (found == NULL)
            continue;
        base_buffer_append(out, message, (size_t)(found - message));
        base_buffer_text(out, words[i].client);
        message = found + strlen(words[i].engine);
    }
    base_buffer_format(out, "%s [%s %s]", message, error_code_name(status), error->sqlstate);
}

static void end_work(struct flight_work *work, rhei_status status, struct flight_end_of_call end)
{
    struct base_buffer message = {0};
    char offset[16];
    const struct rhei_error *error = &work->error;
    work->let_go(work); /* S3 */
    write_line(work, status);
    bool login = status != RHEI_OK && strcmp(flight_call_method(work->call), "Handshake") == 0;
    (void)snprintf(offset, sizeof offset, "%d", (int)error->sql_offset);
    const struct flight_pair trailers[] = {{"x-rhei-status", error_code_name(status)},
                                           {"x-rhei-sqlstate", error->sqlstate},
                                           {"x-rhei-sql-offset", offset}};
    end.code = login ? FLIGHT_UNAUTHENTICATED : flight_code_of(status);
    if (status != RHEI_OK) {
        put_message(&message, error, status);
        end.message = message.failed ? error->message : message.data;
        end.trailers = trailers;
        end.trailer_count = error->sql_offset >= 0 ? 3 : 2;
    }
    flight_call_finish(work->call, &end);
    base_buffer_reset(&message);
}

void flight_work_end(struct flight_work *work, rhei_status status, const struct flight_piece *last, size_t last_count)
{
    end_work(work, status, (struct flight_end_of_call){.last = last, .last_count = last_count});
}

void flight_work_end_with_two(struct flight_work *work, const struct flight_piece *first, size_t first_count,
                              const struct flight_piece *last, size_t last_count)
{
    end_work(work, RHEI_OK,
             (struct flight_end_of_call){
                 .first = first, .first_count = first_count, .last = last, .last_count = last_count});
}

void flight_work_answer(struct flight_work *work, struct base_buffer *message)
{
    const struct flight_piece piece = {.bytes = message->data == NULL ? "" : message->data, .len = message->len};
    if (message->failed)
        flight_work_end(work, error_no_memory(&work->error), NULL, 0);
    else
        flight_work_end(work, RHEI_OK, &piece, 1);
}

void flight_action_answer(struct flight_work *work, struct base_buffer *message)
{
    struct base_buffer result = {0};
    wire_put_message(&result, 1, message);
    flight_work_answer(work, &result);
    base_buffer_reset(&result);
}

/* ---- What is asked for -------------------------------------------------------------------------------------------- */

const char *flight_text(struct flight_work *work, struct flight_bytes bytes)
{
    char *text = base_arena_alloc(&work->arena, bytes.len + 1);
    if (text == NULL) {
        (void)error_no_memory(&work->error);
        return NULL;
    }
    if (bytes.len > 0)
        memcpy(text, bytes.bytes, bytes.len);
    text[bytes.len] = '\0';
    return text;
}

rhei_status flight_command(struct flight_work *work, struct flight_bytes bytes, const char **name,
                           struct flight_bytes *value)
{
    static const char prefix[] = "arrow.flight.protocol.sql.";
    struct flight_any any = {0};
    rhei_status status = flight_decode(&flight_any_shape, bytes, &any, &work->arena, &work->error);
    const char *url = status == RHEI_OK ? flight_text(work, any.type_url) : NULL;
    if (url == NULL)
        return error_set(&work->error, RHEI_INVALID, "this is no command of Flight SQL");
    const char *slash = strrchr(url, '/');
    const char *full = slash == NULL ? url : slash + 1;
    if (strncmp(full, prefix, sizeof prefix - 1) != 0)
        return error_set(
            &work->error, RHEI_INVALID,
            full[0] == '\0' ? "this is no command of Flight SQL" : "this is no command of Flight SQL, but a %s", full);
    *name = full + sizeof prefix - 1;
    *value = any.value; /* of a message without fields it isn't even there */
    work->doing = *name;
    return RHEI_OK;
}

static int64_t time_limit(const struct flight_work *work)
{
    int64_t user = work->user->most_ms, all = work->server->most_ms;
    return user > 0 && (all == 0 || user < all) ? user : all;
}

struct rhei_call_options flight_limits(const struct flight_work *work)
{
    return (struct rhei_call_options){
        .struct_size = sizeof(struct rhei_call_options), .timeout_ms = time_limit(work), .cancel = work->cancel};
}

uint64_t flight_most_rows(const struct flight_work *work)
{
    uint64_t user = work->user->most_rows, all = work->server->most_rows;
    return all == 0 || (user > 0 && user < all) ? user : all;
}

struct rhei_query_options flight_query_options(const struct flight_work *work)
{
    return (struct rhei_query_options){.struct_size = sizeof(struct rhei_query_options),
                                       .freshness = work->wishes.freshness,
                                       .route = work->wishes.route,
                                       .timeout_ms = time_limit(work),
                                       .most_returned = flight_most_rows(work),
                                       .cancel = work->cancel};
}
