/* SPDX-License-Identifier: Apache-2.0 */
/* The stream format, and the file format around it: magic, the stream with its end, footer, its length, magic. */
#include <nanoarrow/nanoarrow_ipc.h>
#include <string.h>

#include "arrow/arrow_stream.h"
#include "arrow_ipc_encode.h"
#include "base/base_error.h"
#include "base/base_memory.h"

static const char file_magic[8] = "ARROW1"; /* padded with zeros */
enum { MAGIC_LEN = 6, ALIGNMENT = 8 };

struct ipc_writer {
    const struct arrow_ipc_sink *sink;
    struct arrow_ipc_encoder *encoder;
    struct rhei_error *error;
    int64_t written;
    bool file;
    struct ArrowBuffer blocks; /* struct ArrowIpcFileBlock of each batch, for the footer */
};

static rhei_status write_bytes(struct ipc_writer *writer, const void *bytes, size_t len)
{
    rhei_status status = len == 0 ? RHEI_OK : writer->sink->write(writer->sink->context, bytes, len, writer->error);
    writer->written += (int64_t)len;
    return status;
}

static rhei_status write_message(struct ipc_writer *writer, const struct arrow_ipc_message *message)
{
    static const char zeros[ALIGNMENT];
    size_t gap = (0 - message->header_len) % ALIGNMENT;
    int32_t prefix[2] = {-1, (int32_t)(message->header_len + gap)};
    rhei_status status = write_bytes(writer, prefix, sizeof prefix);
    if (status == RHEI_OK)
        status = write_bytes(writer, message->header, message->header_len);
    if (status == RHEI_OK)
        status = write_bytes(writer, zeros, gap);
    for (size_t i = 0; status == RHEI_OK && i < message->slice_count; i++)
        status = write_bytes(writer, message->slices[i].bytes, message->slices[i].len);
    return status;
}

static rhei_status write_batch(struct ipc_writer *writer, const struct ArrowArray *batch)
{
    struct arrow_ipc_message message;
    rhei_status status = arrow_ipc_encode_batch(writer->encoder, batch, &message, writer->error);
    if (status != RHEI_OK)
        return status;
    struct ArrowIpcFileBlock block = {.offset = writer->written, .body_length = message.body_len};
    block.metadata_length = (int32_t)(8 + (message.header_len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (writer->file && ArrowBufferAppend(&writer->blocks, &block, sizeof block) != NANOARROW_OK)
        return error_no_memory(writer->error);
    return write_message(writer, &message);
}

static rhei_status write_footer(struct ipc_writer *writer)
{
    struct ArrowIpcEncoder encoder;
    struct ArrowIpcFooter footer;
    struct ArrowBuffer bytes;
    if (ArrowIpcEncoderInit(&encoder) != NANOARROW_OK)
        return error_no_memory(writer->error);
    ArrowIpcFooterInit(&footer);
    ArrowBufferInit(&bytes);
    ArrowBufferMove(&writer->blocks, &footer.record_batch_blocks);
    int failure = ArrowSchemaDeepCopy(ipc_encoder_schema(writer->encoder), &footer.schema);
    if (failure == NANOARROW_OK)
        failure = ArrowIpcEncoderEncodeFooter(&encoder, &footer, NULL);
    if (failure == NANOARROW_OK)
        failure = ArrowIpcEncoderFinalizeBuffer(&encoder, 0, &bytes);
    if (failure == NANOARROW_OK)
        failure = ArrowBufferAppendInt32(&bytes, (int32_t)bytes.size_bytes);
    if (failure == NANOARROW_OK)
        failure = ArrowBufferAppend(&bytes, file_magic, MAGIC_LEN);
    rhei_status status = failure == NANOARROW_OK ? write_bytes(writer, bytes.data, (size_t)bytes.size_bytes)
                                                 : error_no_memory(writer->error);
    ArrowBufferReset(&bytes);
    ArrowIpcFooterReset(&footer);
    ArrowIpcEncoderReset(&encoder);
    return status;
}

static rhei_status write_batches(struct ipc_writer *writer, struct ArrowArrayStream *stream)
{
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK) {
        struct ArrowArray batch = {.release = NULL};
        int failure = stream->get_next(stream, &batch);
        if (failure != 0)
            return arrow_stream_error(stream, failure, writer->error);
        if (batch.release == NULL)
            break;
        status = write_batch(writer, &batch);
        batch.release(&batch);
    }
    return status;
}

static rhei_status write_all(struct ipc_writer *writer, struct ArrowArrayStream *stream, int codec)
{
    static const int32_t end_of_stream[2] = {-1, 0};
    struct ArrowSchema schema = {.release = NULL};
    int failure = stream->get_schema(stream, &schema);
    if (failure != 0)
        return arrow_stream_error(stream, failure, writer->error);
    rhei_status status = arrow_ipc_encoder_new(&schema, codec, &writer->encoder, writer->error);
    schema.release(&schema);
    struct arrow_ipc_message message;
    if (status == RHEI_OK && writer->file)
        status = write_bytes(writer, file_magic, sizeof file_magic);
    if (status == RHEI_OK)
        status = arrow_ipc_encode_schema(writer->encoder, &message, writer->error);
    if (status == RHEI_OK)
        status = write_message(writer, &message);
    if (status == RHEI_OK)
        status = write_batches(writer, stream);
    if (status == RHEI_OK)
        status = write_bytes(writer, end_of_stream, sizeof end_of_stream);
    return status == RHEI_OK && writer->file ? write_footer(writer) : status;
}

rhei_status arrow_ipc_write(struct ArrowArrayStream *stream, const struct arrow_ipc_options *options,
                            const struct arrow_ipc_sink *sink, struct rhei_error *error)
{
    struct ipc_writer writer = {.sink = sink, .error = error, .file = options->file};
    ArrowBufferInit(&writer.blocks);
    rhei_status status = write_all(&writer, stream, options->codec);
    ArrowBufferReset(&writer.blocks);
    arrow_ipc_encoder_free(&writer.encoder);
    stream->release(stream);
    return status;
}
