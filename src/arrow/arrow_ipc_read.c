/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Message by message over nanoarrow's decoder. A file holds a stream after its magic, with an end of its own, so it is
 * read as one; its footer is not needed.
 *
 * The bytes may come from anywhere. Beyond what the decoder verifies (the flatbuffers, and each array in full), nothing
 * is allocated on the word of a length that wasn't delivered, and every buffer lies inside its body and at a multiple
 * of 8 bytes, as the format asks and as loads of 8 bytes need.
 */
#include <nanoarrow/nanoarrow_ipc.h>
#include <string.h>

#include "arrow/arrow_ipc.h"
#include "arrow/arrow_stream.h"
#include "arrow_column.h"
#include "arrow_ipc_verify.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum { PREFIX_LEN = 8, MAX_HEADER_LEN = 256 << 20, FIRST_READ_LEN = 1 << 20 };
#define MAX_FIXED_SIZE (INT64_C(1) << 24) /* bytes or items of a fixed-size value */

struct ipc_reader {
    struct arrow_ipc_input input;
    uint8_t first[PREFIX_LEN]; /* read ahead to tell the formats apart */
    size_t first_len;
    struct ArrowIpcDecoder decoder;
    struct ArrowIpcDictionaries dictionaries;
    struct ArrowIpcDictionaryEncodings encodings; /* points into the schema */
    struct ArrowSchema schema;
    struct ArrowBuffer header; /* of the last message, with its prefix */
};

static rhei_status decoder_failed(int code, const struct ArrowError *reason, struct rhei_error *error)
{
    if (code == ENOMEM)
        return error_no_memory(error);
    if (code == ENOTSUP)
        return error_set(error, RHEI_UNSUPPORTED, "the Arrow input can't be read: %s", reason->message);
    return ipc_damaged(error, reason->message);
}

/* ---- Bytes -------------------------------------------------------------------------------------------------------- */

/* As much as there is, up to `len`. */
static rhei_status read_up_to(struct ipc_reader *reader, uint8_t *bytes, size_t len, size_t *got,
                              struct rhei_error *error)
{
    *got = reader->first_len < len ? reader->first_len : len;
    memcpy(bytes, reader->first, *got);
    reader->first_len -= *got; /* it is either taken whole or was asked for less than a prefix, which never happens */
    while (*got < len) {
        size_t more = 0;
        rhei_status status = reader->input.read(reader->input.context, bytes + *got, len - *got, &more, error);
        if (status != RHEI_OK)
            return error_set(error, status, "the Arrow input can't be read");
        if (more == 0)
            break;
        *got += more;
    }
    return RHEI_OK;
}

/* Appends `len` bytes to a buffer that grows as they come. */
static rhei_status read_into(struct ipc_reader *reader, struct ArrowBuffer *buffer, int64_t len,
                             struct rhei_error *error)
{
    int64_t step = FIRST_READ_LEN;
    while (len > 0) {
        size_t want = (size_t)(len < step ? len : step);
        size_t got;
        if (ArrowBufferReserve(buffer, (int64_t)want) != NANOARROW_OK)
            return error_no_memory(error);
        rhei_status status = read_up_to(reader, buffer->data + buffer->size_bytes, want, &got, error);
        if (status != RHEI_OK)
            return status;
        if (got < want)
            return ipc_damaged(error, "it ends in the middle of a message");
        buffer->size_bytes += (int64_t)want;
        len -= (int64_t)want;
        step *= 2;
    }
    return RHEI_OK;
}

/* Reads and verifies the next message's header. RHEI_DONE: there is none. */
static rhei_status read_header(struct ipc_reader *reader, struct rhei_error *error)
{
    uint8_t prefix[PREFIX_LEN];
    int32_t words[2];
    size_t got;
    rhei_status status = read_up_to(reader, prefix, sizeof prefix, &got, error);
    if (status != RHEI_OK)
        return status;
    if (got == 0)
        return RHEI_DONE;
    memcpy(words, prefix, sizeof words);
    if (got < sizeof prefix || words[0] != -1 || words[1] < 0 || words[1] > MAX_HEADER_LEN)
        return ipc_damaged(error, "it is not the Arrow IPC format (of version 0.15 or later)");
    if (words[1] == 0)
        return RHEI_DONE;
    reader->header.size_bytes = 0;
    if (ArrowBufferAppend(&reader->header, prefix, sizeof prefix) != NANOARROW_OK)
        return error_no_memory(error);
    status = read_into(reader, &reader->header, words[1], error);
    if (status != RHEI_OK)
        return status;
    struct ArrowBufferView view = {{reader->header.data}, reader->header.size_bytes};
    struct ArrowError reason = {""};
    int code = ArrowIpcDecoderVerifyHeader(&reader->decoder, view, &reason);
    if (code != NANOARROW_OK)
        return decoder_failed(code, &reason, error);
    status = ipc_verify_header(reader->header.data + PREFIX_LEN, error);
    if (status != RHEI_OK)
        return status;
    code = ArrowIpcDecoderDecodeHeader(&reader->decoder, view, &reason);
    return code == NANOARROW_OK ? RHEI_OK : decoder_failed(code, &reason, error);
}

/* ---- Bodies ------------------------------------------------------------------------------------------------------- */

/* The body of the message whose header was read, as a shared buffer. */
static rhei_status read_body(struct ipc_reader *reader, struct ArrowBuffer *shared, struct rhei_error *error)
{
    struct ArrowBuffer body;
    arrow_buffer_init(&body);
    rhei_status status = reader->decoder.body_size_bytes < 0
                             ? ipc_damaged(error, "a message has a negative length")
                             : read_into(reader, &body, reader->decoder.body_size_bytes, error);
    if (status == RHEI_OK)
        status = ipc_verify_body(reader->header.data + PREFIX_LEN, body.data, body.size_bytes, error);
    if (status == RHEI_OK && ArrowSharedBufferInit(shared, &body) != NANOARROW_OK)
        status = error_no_memory(error);
    if (status != RHEI_OK)
        ArrowBufferReset(&body);
    return status;
}

/* ---- Messages ----------------------------------------------------------------------------------------------------- */

static bool schema_is_sane(const struct ArrowSchema *schema)
{
    struct ArrowSchemaView view;
    if (ArrowSchemaViewInit(&view, schema, NULL) != NANOARROW_OK)
        return false;
    bool fixed =
        view.storage_type == NANOARROW_TYPE_FIXED_SIZE_BINARY || view.storage_type == NANOARROW_TYPE_FIXED_SIZE_LIST;
    if (fixed && (view.fixed_size < 0 || view.fixed_size > MAX_FIXED_SIZE))
        return false;
    for (int64_t i = 0; i < schema->n_children; i++)
        if (!schema_is_sane(schema->children[i]))
            return false;
    return schema->dictionary == NULL || schema_is_sane(schema->dictionary);
}

static int decode_schema(struct ipc_reader *reader, struct ArrowError *reason)
{
    NANOARROW_RETURN_NOT_OK(ArrowIpcDecoderSetEndianness(&reader->decoder, reader->decoder.endianness));
    ArrowIpcDictionaryEncodingsReset(&reader->encodings); /* made anew by the decoder */
    NANOARROW_RETURN_NOT_OK(
        ArrowIpcDecoderDecodeSchemaWithDictionaries(&reader->decoder, &reader->schema, &reader->encodings, reason));
    NANOARROW_RETURN_NOT_OK(ArrowIpcDictionariesInit(&reader->dictionaries, &reader->encodings, reason));
    return ArrowIpcDecoderSetSchemaWithDictionaries(&reader->decoder, &reader->schema, &reader->encodings, reason);
}

static bool same_type(const struct ArrowSchema *a, const struct ArrowSchema *b)
{
    if (strcmp(a->format, b->format) != 0 || a->n_children != b->n_children ||
        (a->dictionary == NULL) != (b->dictionary == NULL))
        return false;
    for (int64_t i = 0; i < a->n_children; i++)
        if (!same_type(a->children[i], b->children[i]))
            return false;
    return a->dictionary == NULL || same_type(a->dictionary, b->dictionary);
}

/* Columns that share a dictionary must agree on what it holds: one of them would read it as something else. */
static bool dictionaries_agree(const struct ipc_reader *reader)
{
    const struct ArrowIpcDictionaryEncoding *encodings = (const void *)reader->encodings.encodings.data;
    size_t count = (size_t)reader->encodings.encodings.size_bytes / sizeof *encodings;
    for (size_t i = 0; i < count; i++) {
        const struct ArrowIpcDictionaryEncoding *first =
            ArrowIpcDictionaryEncodingsFindById(&reader->encodings, encodings[i].id);
        if (first == NULL || !same_type(first->schema->dictionary, encodings[i].schema->dictionary))
            return false;
    }
    return true;
}

static rhei_status read_schema(struct ipc_reader *reader, struct rhei_error *error)
{
    struct ArrowError reason = {""};
    rhei_status status = read_header(reader, error);
    if (status == RHEI_DONE)
        return ipc_damaged(error, "it is empty");
    if (status != RHEI_OK)
        return status;
    if (reader->decoder.message_type != NANOARROW_IPC_MESSAGE_TYPE_SCHEMA)
        return ipc_damaged(error, "it doesn't begin with a schema");
    int code = decode_schema(reader, &reason);
    if (code != NANOARROW_OK)
        return decoder_failed(code, &reason, error);
    return schema_is_sane(&reader->schema) && dictionaries_agree(reader) ? RHEI_OK
                                                                         : ipc_damaged(error, "its schema is damaged");
}

static rhei_status check_dictionary(struct ipc_reader *reader, struct rhei_error *error)
{
    const struct ArrowIpcDictionaryEncoding *encoding =
        ArrowIpcDictionaryEncodingsFindById(&reader->encodings, reader->decoder.dictionary->id);
    if (encoding == NULL)
        return ipc_damaged(error, "it holds a dictionary that its schema doesn't name");
    return ipc_verify_dictionary(reader->header.data + PREFIX_LEN, encoding->schema->dictionary, error);
}

/* One message behind the schema. A dictionary leaves `out` released. */
static rhei_status read_message(struct ipc_reader *reader, struct ArrowArray *out, struct rhei_error *error)
{
    struct ArrowError reason = {""};
    struct ArrowBuffer shared;
    rhei_status status = read_header(reader, error);
    if (status != RHEI_OK)
        return status;
    bool batch = reader->decoder.message_type == NANOARROW_IPC_MESSAGE_TYPE_RECORD_BATCH;
    if (!batch && reader->decoder.message_type != NANOARROW_IPC_MESSAGE_TYPE_DICTIONARY_BATCH)
        return ipc_damaged(error, "a message is neither a record batch nor a dictionary");
    status = batch ? RHEI_OK : check_dictionary(reader, error);
    if (status == RHEI_OK)
        status = read_body(reader, &shared, error);
    if (status != RHEI_OK)
        return status;
    int code =
        batch ? ArrowIpcDecoderDecodeArrayFromSharedWithDictionaries(
                    &reader->decoder, &shared, -1, &reader->dictionaries, out, NANOARROW_VALIDATION_LEVEL_FULL, &reason)
              : ArrowIpcDecoderDecodeDictionaryFromShared(&reader->decoder, &shared, NANOARROW_VALIDATION_LEVEL_FULL,
                                                          &reader->dictionaries, &reason);
    ArrowBufferReset(&shared);
    return code == NANOARROW_OK ? RHEI_OK : decoder_failed(code, &reason, error);
}

/* ---- The stream --------------------------------------------------------------------------------------------------- */

static rhei_status reader_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct ipc_reader *reader = context;
    return ArrowSchemaDeepCopy(&reader->schema, out) == NANOARROW_OK ? RHEI_OK : error_no_memory(error);
}

static rhei_status reader_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    rhei_status status;
    out->release = NULL;
    do
        status = read_message(context, out, error);
    while (status == RHEI_OK && out->release == NULL);
    if (status != RHEI_OK && out->release != NULL)
        out->release(out);
    return status;
}

static void reader_release(void *context)
{
    struct ipc_reader *reader = context;
    if (reader->dictionaries.private_data != NULL)
        ArrowIpcDictionariesReset(&reader->dictionaries);
    ArrowIpcDictionaryEncodingsReset(&reader->encodings);
    if (reader->decoder.private_data != NULL)
        ArrowIpcDecoderReset(&reader->decoder);
    if (reader->schema.release != NULL)
        reader->schema.release(&reader->schema);
    ArrowBufferReset(&reader->header);
    if (reader->input.release != NULL)
        reader->input.release(reader->input.context);
    base_free(reader);
}

static rhei_status reader_open(struct ipc_reader *reader, struct rhei_error *error)
{
    if (ArrowIpcDecoderInit(&reader->decoder) != NANOARROW_OK)
        return error_no_memory(error);
    size_t got;
    rhei_status status = read_up_to(reader, reader->first, sizeof reader->first, &got, error);
    bool file = status == RHEI_OK && got == sizeof reader->first && memcmp(reader->first, "ARROW1\0", 8) == 0;
    reader->first_len = file ? 0 : got;
    return status == RHEI_OK ? read_schema(reader, error) : status;
}

rhei_status arrow_ipc_read(const struct arrow_ipc_input *input, struct ArrowArrayStream *out, struct rhei_error *error)
{
    memset(out, 0, sizeof *out);
    struct ipc_reader *reader = base_alloc_zero(1, sizeof *reader);
    if (reader == NULL) {
        if (input->release != NULL)
            input->release(input->context);
        return error_no_memory(error);
    }
    reader->input = *input;
    arrow_buffer_init(&reader->header);
    ArrowIpcDictionaryEncodingsInit(&reader->encodings);
    rhei_status status = reader_open(reader, error);
    if (status != RHEI_OK) {
        reader_release(reader);
        return status;
    }
    struct arrow_batch_source source = {reader_schema, reader_next, reader_release, reader};
    return arrow_batch_stream(&source, out, error);
}
