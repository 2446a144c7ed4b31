/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FlightData messages as an Arrow stream. They are put back into the framing of an IPC stream, so that the reader of untrusted bytes
 * (arrow_ipc_read) is the only one there is.
 *
 * Up to GATHER_MOST bytes are taken from the client before the first row is given out: a slow client then holds no lock of the database, and
 * one that goes away in the middle has done nothing.
 */
#include <string.h>

#include "arrow/arrow_cursor.h"
#include "arrow/arrow_ipc.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "flight_internal.h"

enum { GATHER_MOST = 32 << 20, PARAMS_MOST = 64 << 20 };

struct upload {
    struct flight_work *work;
    struct base_buffer bytes; /* framed */
    size_t at;
    bool ended;
};

static void frame_message(struct upload *upload, const struct flight_data *data)
{
    static const char zeros[8];
    struct base_buffer *out = &upload->bytes;
    if (data->header.len == 0)
        return; /* metadata of the application, of which there is none here */
    uint32_t len = (uint32_t)((data->header.len + 7) / 8 * 8);
    base_buffer_append(out, "\xff\xff\xff\xff", 4);
    base_buffer_append(out, &len, sizeof len);
    base_buffer_append(out, data->header.bytes, data->header.len);
    base_buffer_append(out, zeros, len - data->header.len);
    base_buffer_append(out, data->body.bytes, data->body.len);
    base_buffer_append(out, zeros, (0 - data->body.len) % 8);
}

/* One message more; RHEI_DONE: there is none. */
static rhei_status take_message(struct upload *upload, struct rhei_error *error)
{
    struct flight_bytes message;
    struct flight_data data = {0};
    rhei_status status = flight_call_read(upload->work->call, &message, error);
    upload->ended = upload->ended || status == RHEI_DONE;
    if (status != RHEI_OK)
        return status;
    status = flight_decode(&flight_data_shape, message, &data, &upload->work->arena, error);
    if (status == RHEI_OK && data.header.len > INT32_MAX - 8)
        status = error_set(error, RHEI_INVALID, "a message has a header of over 2 GiB");
    if (status == RHEI_OK)
        frame_message(upload, &data);
    return status == RHEI_OK && upload->bytes.failed ? error_no_memory(error) : status;
}

static rhei_status upload_read(void *context, void *bytes, size_t len, size_t *got, struct rhei_error *error)
{
    struct upload *upload = context;
    rhei_status status = RHEI_OK;
    if (upload->at == upload->bytes.len && !upload->ended) {
        upload->at = 0;
        base_buffer_clear(&upload->bytes);
        while (status == RHEI_OK && upload->bytes.len == 0)
            status = take_message(upload, error);
    }
    size_t left = upload->bytes.len - upload->at;
    *got = left < len ? left : len;
    if (*got > 0)
        memcpy(bytes, upload->bytes.data + upload->at, *got);
    upload->at += *got;
    return status == RHEI_DONE ? RHEI_OK : status;
}

static void upload_release(void *context)
{
    struct upload *upload = context;
    base_buffer_reset(&upload->bytes);
    base_free(upload);
}

rhei_status flight_receive(struct flight_work *work, const struct flight_data *first, struct ArrowArrayStream *stream)
{
    if (first->header.len == 0)
        return error_set(&work->error, RHEI_INVALID, "the client sent no Arrow schema, and so no rows");
    struct upload *upload = base_alloc_zero(1, sizeof *upload);
    if (upload == NULL)
        return error_no_memory(&work->error);
    upload->work = work;
    frame_message(upload, first);
    rhei_status status = upload->bytes.failed ? error_no_memory(&work->error) : RHEI_OK;
    while (status == RHEI_OK && !upload->ended && upload->bytes.len < GATHER_MOST)
        status = take_message(upload, &work->error);
    if (status != RHEI_OK && status != RHEI_DONE) {
        upload_release(upload);
        return status;
    }
    const struct arrow_ipc_input input = {.read = upload_read, .release = upload_release, .context = upload};
    return arrow_ipc_read(&input, stream, &work->error);
}

/* ---- Parameters --------------------------------------------------------------------------------------------------- */

void flight_params_unref(struct flight_params **params)
{
    struct flight_params *old = *params;
    *params = NULL;
    if (old == NULL || atomic_fetch_sub(&old->references, 1) != 1)
        return;
    base_arena_reset(&old->arena);
    base_free(old->values);
    base_free(old);
}

static rhei_status take_row(struct flight_params *params, size_t *capacity, struct arrow_cursor *cursor,
                            struct rhei_error *error)
{
    void *values = params->values;
    size_t used = params->rows * params->columns;
    if (!base_grow(&values, capacity, used + params->columns + 1, sizeof *params->values))
        return error_no_memory(error);
    params->values = values;
    for (size_t c = 0; c < params->columns; c++) {
        struct rhei_value *value = &params->values[used + c];
        rhei_status status = arrow_cursor_value(cursor, (uint32_t)c, value, error);
        if (status != RHEI_OK) {
            error_context(error, "row %zu, parameter %zu: ", params->rows + 1, c + 1);
            return status;
        }
        if (value->type < RHEI_TEXT || value->length == 0)
            continue;
        void *copy = base_arena_alloc(&params->arena, value->length);
        if (copy == NULL)
            return error_no_memory(error);
        memcpy(copy, value->as.bytes, value->length);
        value->as.bytes = copy;
    }
    params->rows++;
    return params->arena.total > PARAMS_MOST
               ? error_set(error, RHEI_TOO_BIG,
                           "the parameters have over 64 MiB: bind fewer rows at a time, or ingest them")
               : RHEI_OK;
}

rhei_status flight_receive_params(struct flight_work *work, struct ArrowArrayStream *stream,
                                  struct flight_params **params)
{
    struct arrow_cursor *cursor = NULL;
    size_t capacity = 0;
    rhei_status status = arrow_cursor_open(stream, &cursor, &work->error);
    *params = status == RHEI_OK ? base_alloc_zero(1, sizeof **params) : NULL;
    if (status == RHEI_OK && *params == NULL)
        status = error_no_memory(&work->error);
    if (status == RHEI_OK) {
        atomic_store(&(*params)->references, 1);
        (*params)->columns = arrow_cursor_column_count(cursor);
    }
    while (status == RHEI_OK && (status = arrow_cursor_next(cursor, &work->error)) == RHEI_ROW)
        status = take_row(*params, &capacity, cursor, &work->error);
    arrow_cursor_close(&cursor);
    if (status == RHEI_DONE)
        return RHEI_OK;
    if (*params != NULL)
        flight_params_unref(params);
    return status;
}
