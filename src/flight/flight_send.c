/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Arrow stream as FlightData messages. A message is its head, which is small, and the batch's own buffers, which aren't copied: a frame holds
 * them until gRPC lets go of the last one.
 *
 * Invariants:
 * N1. At most one message of a call is on its way, and the next batch is pulled when it is through: a client that doesn't read holds one batch.
 * N2. A message has at most BODY_MOST bytes, or one row.
 * N3. A frame's batch and encoder stay as they are until its last piece is released, on whichever thread.
 * N4. The stream's schema goes first, also where there is no row.
 */
#include <string.h>

#include "arrow/arrow_ipc.h"
#include "arrow/arrow_stream.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "flight_internal.h"

enum {
    BODY_MOST = 2 << 20,  /* clients refuse 16 MiB; larger ones are no faster */
    COPY_MOST = 16 << 10, /* less work to copy than to count */
    PEEK_ROWS = 1000,     /* of a batch that may be the last one: the end can go with it */
    MOST_IDLE_ENCODERS = 2,
};

struct frame;

/* A batch that frames and the stream point into. */
struct flight_batch {
    atomic_int references;
    struct ArrowArray array;
};

struct flight_stream {
    atomic_int references; /* the work's, and one for each frame */
    struct rhei_flight *server;
    struct ArrowArrayStream source;
    struct ArrowSchema schema;
    int codec;
    struct arrow_ipc_encoder *sizer; /* plain, where the codec isn't: tells what a range has */
    base_mutex lock;                 /* of the idle encoders */
    struct arrow_ipc_encoder *idle[MOST_IDLE_ENCODERS];
    size_t idle_count;
    struct flight_batch *batch; /* NULL: there is none yet, or no more */
    int64_t row, piece_rows;    /* the next row of it, and how many fitted last */
    bool done;
    struct frame *held; /* the next message, made while it was looked for the end; NULL: none */
    struct arrow_ipc_message held_message;
};

struct frame {
    atomic_int references; /* pieces */
    struct flight_stream *stream;
    struct flight_batch *batch;
    struct arrow_ipc_encoder *encoder;
    struct base_buffer head;
};

/* ---- Who holds what ----------------------------------------------------------------------------------------------- */

static void batch_unref(struct flight_batch **batch)
{
    struct flight_batch *old = *batch;
    *batch = NULL;
    if (old == NULL || atomic_fetch_sub(&old->references, 1) != 1)
        return;
    if (old->array.release != NULL)
        old->array.release(&old->array);
    base_free(old);
}

static void stream_unref(struct flight_stream *stream)
{
    if (atomic_fetch_sub(&stream->references, 1) != 1)
        return;
    if (stream->schema.release != NULL)
        stream->schema.release(&stream->schema);
    arrow_ipc_encoder_free(&stream->sizer);
    for (size_t i = 0; i < stream->idle_count; i++)
        arrow_ipc_encoder_free(&stream->idle[i]);
    base_mutex_destroy(&stream->lock);
    base_free(stream);
}

static void give_encoder(struct flight_stream *stream, struct arrow_ipc_encoder *encoder)
{
    base_mutex_lock(&stream->lock);
    bool room = stream->idle_count < MOST_IDLE_ENCODERS;
    if (room)
        stream->idle[stream->idle_count++] = encoder;
    base_mutex_unlock(&stream->lock);
    if (!room)
        arrow_ipc_encoder_free(&encoder);
}

static struct arrow_ipc_encoder *take_encoder(struct flight_stream *stream, struct rhei_error *error)
{
    struct arrow_ipc_encoder *encoder = NULL;
    base_mutex_lock(&stream->lock);
    if (stream->idle_count > 0)
        encoder = stream->idle[--stream->idle_count];
    base_mutex_unlock(&stream->lock);
    if (encoder == NULL)
        (void)arrow_ipc_encoder_new(&stream->schema, stream->codec, &encoder, error);
    return encoder;
}

/* What is left of a stream may outlast its call, but not the handle: the server counts. */
static void frame_unref(void *argument)
{
    struct frame *frame = argument;
    if (atomic_fetch_sub(&frame->references, 1) != 1)
        return;
    struct rhei_flight *server = frame->stream->server;
    batch_unref(&frame->batch);
    if (frame->encoder != NULL)
        give_encoder(frame->stream, frame->encoder);
    stream_unref(frame->stream);
    base_buffer_reset(&frame->head);
    base_free(frame);
    base_mutex_lock(&server->running_lock);
    if (atomic_fetch_sub(&server->frames, 1) == 1)
        base_cond_broadcast(&server->no_frames);
    base_mutex_unlock(&server->running_lock);
}

static struct frame *frame_new(struct flight_stream *stream)
{
    struct frame *frame = base_alloc_zero(1, sizeof *frame);
    if (frame == NULL)
        return NULL;
    atomic_store(&frame->references, 1);
    atomic_fetch_add(&stream->references, 1);
    atomic_fetch_add(&stream->server->frames, 1);
    frame->stream = stream;
    return frame;
}

void flight_stream_free(struct flight_stream **stream)
{
    struct flight_stream *old = *stream;
    *stream = NULL;
    if (old == NULL)
        return;
    if (old->held != NULL)
        frame_unref(old->held);
    batch_unref(&old->batch);
    if (old->source.release != NULL)
        old->source.release(&old->source);
    stream_unref(old);
}

/* ---- Messages ----------------------------------------------------------------------------------------------------- */

/* FlightData up to the body's bytes. */
static void write_head(const struct arrow_ipc_message *message, struct base_buffer *head)
{
    wire_put_bytes(head, 2, message->header, message->header_len);
    if (message->body_len > 0)
        wire_put_head(head, 1000, (size_t)message->body_len);
}

/* Pieces of a frame's message, in the work's arena; *count of them. NULL: no memory. */
static struct flight_piece *pieces_of(struct flight_work *work, struct frame *frame,
                                      const struct arrow_ipc_message *message, size_t *count)
{
    write_head(message, &frame->head);
    bool copies = message->body_len <= COPY_MOST;
    for (size_t i = 0; copies && i < message->slice_count; i++)
        base_buffer_append(&frame->head, message->slices[i].bytes, message->slices[i].len);
    *count = copies ? 1 : message->slice_count + 1;
    struct flight_piece *pieces = base_arena_alloc(&work->step, *count * sizeof *pieces);
    if (pieces == NULL || frame->head.failed)
        return NULL;
    pieces[0] = (struct flight_piece){frame->head.data, frame->head.len, copies ? NULL : frame_unref, frame};
    for (size_t i = 1; i < *count; i++)
        pieces[i] = (struct flight_piece){message->slices[i - 1].bytes, message->slices[i - 1].len, frame_unref, frame};
    if (!copies)
        atomic_fetch_add(&frame->references, (int)*count);
    return pieces;
}

/* Rows from..from+rows of the batch, as a message of the encoder. */
static rhei_status encode(struct arrow_ipc_encoder *encoder, const struct ArrowArray *batch, int64_t from, int64_t rows,
                          struct arrow_ipc_message *message, struct rhei_error *error)
{
    struct ArrowArray range = *batch;
    range.offset += from;
    range.length = rows;
    range.null_count = batch->null_count == 0 ? 0 : -1;
    return arrow_ipc_encode_batch(encoder, &range, message, error);
}

/* N2: as many rows as fit, by trying: most batches fit as they are, and the next try knows how much the first had. */
static rhei_status encode_piece(struct flight_stream *stream, struct arrow_ipc_encoder *encoder, int64_t *rows,
                                struct arrow_ipc_message *message, struct rhei_error *error)
{
    const struct ArrowArray *batch = &stream->batch->array;
    int64_t left = batch->length - stream->row;
    *rows = stream->piece_rows > 0 && stream->piece_rows < left ? stream->piece_rows : left;
    for (;;) {
        struct arrow_ipc_encoder *first = stream->sizer != NULL ? stream->sizer : encoder;
        rhei_status status = encode(first, batch, stream->row, *rows, message, error);
        if (status != RHEI_OK)
            return status;
        if (message->body_len <= BODY_MOST || *rows == 1)
            break;
        int64_t parts = message->body_len / BODY_MOST + 1, fewer = *rows / parts;
        *rows = fewer > 0 && fewer < *rows ? fewer : *rows > 1 ? *rows / 2 : 1;
        stream->piece_rows = *rows;
    }
    return stream->sizer == NULL ? RHEI_OK : encode(encoder, batch, stream->row, *rows, message, error);
}

/* ---- The steps of a call ------------------------------------------------------------------------------------------ */

/* The next batch that has rows; none: `done`. */
static rhei_status pull(struct flight_work *work)
{
    struct flight_stream *stream = work->stream;
    batch_unref(&stream->batch);
    stream->row = 0;
    while (!stream->done) {
        struct flight_batch *batch = base_alloc_zero(1, sizeof *batch);
        if (batch == NULL)
            return error_no_memory(&work->error);
        atomic_store(&batch->references, 1);
        int failed = stream->source.get_next(&stream->source, &batch->array);
        bool end = failed == 0 && batch->array.release == NULL, empty = !end && failed == 0 && batch->array.length == 0;
        if (failed == 0 && !end && !empty) {
            stream->batch = batch;
            return RHEI_OK;
        }
        if (failed != 0)
            batch->array.release = NULL;
        batch_unref(&batch);
        if (failed != 0)
            return arrow_stream_error(&stream->source, failed, &work->error);
        stream->done = end;
    }
    stream->source.release(
        &stream->source); /* a snapshot, a session: what waits for them needn't wait for the client */
    flight_transaction_leave(work);
    return RHEI_OK;
}

static rhei_status check_rows(struct flight_work *work, int64_t more)
{
    uint64_t most = flight_most_rows(work);
    work->rows += more;
    if (most == 0 || (uint64_t)work->rows <= most)
        return RHEI_OK;
    return error_set(&work->error, RHEI_MEMORY_LIMIT, "the result has more rows than the %llu that this user may take",
                     (unsigned long long)most);
}

static void send_next(struct flight_call *call);

/* Sends a message, and the end with it where nothing comes behind. The frame is the message's from here on. */
static void send_frame(struct flight_work *work, struct frame *frame, const struct arrow_ipc_message *message,
                       bool last)
{
    size_t count = 0;
    struct flight_piece *pieces = pieces_of(work, frame, message, &count);
    if (pieces == NULL) {
        frame_unref(frame);
        flight_work_end(work, error_no_memory(&work->error), NULL, 0);
    } else if (last) {
        flight_work_end(work, RHEI_OK, pieces, count);
        frame_unref(frame);
    } else {
        flight_call_send(work->call, pieces, count, send_next);
        frame_unref(frame);
    }
}

static rhei_status next_frame(struct flight_work *work, struct frame **frame, struct arrow_ipc_message *message)
{
    struct flight_stream *stream = work->stream;
    int64_t rows = 0;
    *frame = frame_new(stream);
    if (*frame == NULL)
        return error_no_memory(&work->error);
    (*frame)->encoder = take_encoder(stream, &work->error);
    if ((*frame)->encoder == NULL)
        return work->error.code;
    (*frame)->batch = stream->batch;
    atomic_fetch_add(&stream->batch->references, 1);
    rhei_status status = encode_piece(stream, (*frame)->encoder, &rows, message, &work->error);
    if (status != RHEI_OK)
        return status;
    stream->row += rows;
    return check_rows(work, rows);
}

/* The message of the next rows; behind a small batch it is looked whether there are more. */
static rhei_status make_next(struct flight_work *work, struct frame **frame, struct arrow_ipc_message *message)
{
    struct flight_stream *stream = work->stream;
    rhei_status status = next_frame(work, frame, message);
    if (status == RHEI_OK && stream->row == stream->batch->array.length) {
        if (stream->batch->array.length <= PEEK_ROWS)
            status = pull(work);
        else
            batch_unref(&stream->batch);
    }
    if (status != RHEI_OK && *frame != NULL)
        frame_unref(*frame);
    return status;
}

static bool is_at_end(const struct flight_stream *stream)
{
    return stream->done && stream->batch == NULL;
}

static void send_next(struct flight_call *call)
{
    struct flight_work *work = *flight_call_state(call);
    struct flight_stream *stream = work->stream;
    struct frame *frame = stream->held;
    struct arrow_ipc_message message = stream->held_message;
    rhei_status status = RHEI_OK;
    stream->held = NULL;
    base_arena_clear(&work->step);
    if (flight_call_cancelled(call)) {
        if (frame != NULL)
            frame_unref(frame);
        flight_work_end(work, error_set(&work->error, RHEI_CANCELLED, "the client went away"), NULL, 0);
        return;
    }
    if (frame == NULL && stream->batch == NULL && !stream->done)
        status = pull(work);
    if (status != RHEI_OK || (frame == NULL && stream->batch == NULL)) {
        flight_work_end(work, status, NULL, 0);
        return;
    }
    if (frame == NULL)
        status = make_next(work, &frame, &message);
    if (status != RHEI_OK)
        flight_work_end(work, status, NULL, 0);
    else
        send_frame(work, frame, &message, is_at_end(stream));
}

static rhei_status open_stream(struct flight_work *work, struct ArrowArrayStream *source)
{
    struct flight_stream *stream = base_alloc_zero(1, sizeof *stream);
    if (stream == NULL) {
        source->release(source);
        return error_no_memory(&work->error);
    }
    work->stream = stream;
    atomic_store(&stream->references, 1);
    base_mutex_init(&stream->lock);
    stream->server = work->server;
    stream->codec = work->wishes.codec;
    stream->source = *source;
    int failed = stream->source.get_schema(&stream->source, &stream->schema);
    if (failed != 0)
        return arrow_stream_error(&stream->source, failed, &work->error);
    if (stream->codec == ARROW_IPC_PLAIN)
        return RHEI_OK;
    return arrow_ipc_encoder_new(&stream->schema, ARROW_IPC_PLAIN, &stream->sizer, &work->error);
}

/* The schema's message, and the first batch behind it. */
static rhei_status make_first(struct flight_work *work, struct frame **frame, struct arrow_ipc_message *message)
{
    struct flight_stream *stream = work->stream;
    *frame = frame_new(stream);
    if (*frame == NULL)
        return error_no_memory(&work->error);
    (*frame)->encoder = take_encoder(stream, &work->error);
    rhei_status status = (*frame)->encoder == NULL ? work->error.code
                                                   : arrow_ipc_encode_schema((*frame)->encoder, message, &work->error);
    if (status == RHEI_OK)
        status = pull(work);
    work->rows = 0;
    if (status == RHEI_OK && stream->batch != NULL && stream->batch->array.length <= PEEK_ROWS)
        status = make_next(work, &stream->held, &stream->held_message);
    if (status != RHEI_OK)
        stream->held = NULL;
    return status;
}

/* A small answer is all there is to send: no worker has to come back for it. */
static void send_both(struct flight_work *work, struct frame *frame, const struct arrow_ipc_message *message)
{
    struct frame *held = work->stream->held;
    size_t count = 0, held_count = 0;
    struct flight_piece *pieces = pieces_of(work, frame, message, &count);
    struct flight_piece *last = pieces == NULL ? NULL : pieces_of(work, held, &work->stream->held_message, &held_count);
    work->stream->held = NULL;
    if (last == NULL)
        flight_work_end(work, error_no_memory(&work->error), NULL, 0);
    else
        flight_work_end_with_two(work, pieces, count, last, held_count);
    frame_unref(frame);
    frame_unref(held);
}

void flight_send(struct flight_work *work, struct ArrowArrayStream *source)
{
    struct frame *frame = NULL;
    struct arrow_ipc_message message;
    rhei_status status = open_stream(work, source);
    if (status == RHEI_OK)
        status = make_first(work, &frame, &message);
    if (status != RHEI_OK) {
        if (frame != NULL)
            frame_unref(frame);
        flight_work_end(work, status, NULL, 0);
        return;
    }
    const struct flight_stream *stream = work->stream;
    if (stream->held != NULL && is_at_end(stream))
        send_both(work, frame, &message);
    else
        send_frame(work, frame, &message, stream->held == NULL && is_at_end(stream));
}

rhei_status flight_schema_bytes(const struct ArrowSchema *schema, struct base_buffer *out, struct rhei_error *error)
{
    static const char zeros[8];
    struct arrow_ipc_encoder *encoder = NULL;
    struct arrow_ipc_message message;
    rhei_status status = arrow_ipc_encoder_new(schema, ARROW_IPC_PLAIN, &encoder, error);
    if (status == RHEI_OK)
        status = arrow_ipc_encode_schema(encoder, &message, error);
    if (status == RHEI_OK) {
        int32_t len = (int32_t)((message.header_len + 7) / 8 * 8);
        base_buffer_append(out, "\xff\xff\xff\xff", 4);
        base_buffer_append(out, &len, sizeof len);
        base_buffer_append(out, message.header, message.header_len);
        base_buffer_append(out, zeros, (size_t)len - message.header_len);
        status = out->failed ? error_no_memory(error) : RHEI_OK;
    }
    arrow_ipc_encoder_free(&encoder);
    return status;
}
