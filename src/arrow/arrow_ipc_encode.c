/* SPDX-License-Identifier: Apache-2.0 */
#include "arrow_ipc_encode.h"

#include <flatcc/flatcc_builder.h>
#include <nanoarrow/ipc/flatcc_generated.h>
#include <nanoarrow/nanoarrow_ipc.h>
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

#define FB(name) FLATBUFFERS_WRAP_NAMESPACE(org_apache_arrow_flatbuf, name)

struct arrow_ipc_encoder {
    struct ArrowSchema schema;      /* as it is written */
    struct ArrowArrayView view;     /* of the schema as it was given */
    struct ArrowIpcEncoder schemas; /* nanoarrow's, for the schema message */
    struct ArrowBuffer schema_header;
    flatcc_builder_t builder;
    bool builder_ready;
    void *header; /* of the last batch; the builder's memory */
    struct ipc_body body;
};

/* ---- Schema ------------------------------------------------------------------------------------------------------- */

static const char *plain_format(const char *format)
{
    if (strcmp(format, "vu") == 0 || strcmp(format, "u") == 0 || strcmp(format, "U") == 0)
        return "u";
    if (strcmp(format, "vz") == 0 || strcmp(format, "z") == 0 || strcmp(format, "Z") == 0)
        return "z";
    return NULL;
}

static rhei_status set_format(struct ArrowSchema *schema, const char *format, struct rhei_error *error)
{
    return ArrowSchemaSetFormat(schema, format) == NANOARROW_OK ? RHEI_OK : error_no_memory(error);
}

/* Changes a copy of a schema to what is written. */
static rhei_status make_plain(struct ArrowSchema *schema, struct rhei_error *error)
{
    const char *format = schema->format;
    const char *values = schema->dictionary == NULL ? NULL : plain_format(schema->dictionary->format);
    if ((schema->dictionary != NULL && values == NULL) || strcmp(format, "+r") == 0 || strcmp(format, "+vl") == 0 ||
        strcmp(format, "+vL") == 0)
        return error_set(
            error, RHEI_UNSUPPORTED,
            "column \"%s\" has the Arrow type \"%s\"%s, which can't be written as Arrow IPC; cast it to text",
            schema->name == NULL ? "" : schema->name, format,
            schema->dictionary == NULL ? "" : " with a dictionary of values");
    if (schema->name == NULL && ArrowSchemaSetName(schema, "") != NANOARROW_OK) /* the encoder needs one */
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    if (schema->dictionary != NULL) {
        status = set_format(schema, values, error);
        ArrowSchemaRelease(schema->dictionary);
        ArrowFree(schema->dictionary);
        schema->dictionary = NULL;
    } else if (format[0] == 'v') {
        status = set_format(schema, plain_format(format), error);
    }
    for (int64_t i = 0; status == RHEI_OK && i < schema->n_children; i++)
        status = make_plain(schema->children[i], error);
    return status;
}

static rhei_status encoder_init(struct arrow_ipc_encoder *encoder, const struct ArrowSchema *schema,
                                struct rhei_error *error)
{
    struct ArrowError reason = {""};
    if (ArrowSchemaDeepCopy(schema, &encoder->schema) != NANOARROW_OK)
        return error_no_memory(error);
    if (strcmp(schema->format, "+s") != 0)
        return error_set(error, RHEI_UNSUPPORTED, "only a struct of columns can be written as Arrow IPC");
    rhei_status status = make_plain(&encoder->schema, error);
    if (status != RHEI_OK)
        return status;
    if (ArrowArrayViewInitFromSchema(&encoder->view, schema, &reason) != NANOARROW_OK)
        return error_set(error, RHEI_UNSUPPORTED, "a column can't be written as Arrow IPC: %s", reason.message);
    if (ArrowIpcEncoderInit(&encoder->schemas) != NANOARROW_OK || flatcc_builder_init(&encoder->builder) != 0)
        return error_no_memory(error);
    encoder->builder_ready = true;
    return RHEI_OK;
}

rhei_status arrow_ipc_encoder_new(const struct ArrowSchema *schema, int codec, struct arrow_ipc_encoder **encoder,
                                  struct rhei_error *error)
{
    *encoder = NULL;
    struct arrow_ipc_encoder *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->body.codec = codec;
    ArrowArrayViewInitFromType(&made->view, NANOARROW_TYPE_UNINITIALIZED);
    ArrowBufferInit(&made->schema_header);
    rhei_status status = encoder_init(made, schema, error);
    if (status != RHEI_OK)
        arrow_ipc_encoder_free(&made);
    *encoder = made;
    return status;
}

void arrow_ipc_encoder_free(struct arrow_ipc_encoder **encoder)
{
    if (encoder == NULL || *encoder == NULL)
        return;
    struct arrow_ipc_encoder *old = *encoder;
    if (old->schema.release != NULL)
        old->schema.release(&old->schema);
    ArrowArrayViewReset(&old->view);
    if (old->schemas.private_data != NULL)
        ArrowIpcEncoderReset(&old->schemas);
    ArrowBufferReset(&old->schema_header);
    flatcc_builder_aligned_free(old->header);
    if (old->builder_ready)
        flatcc_builder_clear(&old->builder);
    ipc_body_reset(&old->body);
    base_free(old);
    *encoder = NULL;
}

const struct ArrowSchema *ipc_encoder_schema(const struct arrow_ipc_encoder *encoder)
{
    return &encoder->schema;
}

rhei_status arrow_ipc_encode_schema(struct arrow_ipc_encoder *encoder, struct arrow_ipc_message *message,
                                    struct rhei_error *error)
{
    struct ArrowError reason = {""};
    ArrowBufferReset(&encoder->schema_header);
    ipc_body_clear(&encoder->body);
    int failure = ArrowIpcEncoderEncodeSchema(&encoder->schemas, &encoder->schema, &reason);
    if (failure == NANOARROW_OK)
        failure = ArrowIpcEncoderFinalizeBuffer(&encoder->schemas, 0, &encoder->schema_header);
    if (failure == ENOMEM)
        return error_no_memory(error);
    if (failure != NANOARROW_OK)
        return error_set(error, RHEI_UNSUPPORTED, "a result can't be written as Arrow IPC: %s", reason.message);
    *message = (struct arrow_ipc_message){.header = encoder->schema_header.data,
                                          .header_len = (size_t)encoder->schema_header.size_bytes};
    return RHEI_OK;
}

/* ---- Batches ------------------------------------------------------------------------------------------------------ */

static bool add_compression(flatcc_builder_t *builder, int codec)
{
    FB(CompressionType_enum_t)
    type = codec == ARROW_IPC_LZ4 ? FB(CompressionType_LZ4_FRAME) : FB(CompressionType_ZSTD);
    return codec == ARROW_IPC_PLAIN ||
           FB(RecordBatch_compression_create)(builder, type, FB(BodyCompressionMethod_BUFFER)) == 0;
}

/* The flatbuffer of a record batch message with the body that was collected. */
static bool build_message(struct arrow_ipc_encoder *encoder, int64_t rows)
{
    flatcc_builder_t *builder = &encoder->builder;
    const struct ipc_body *body = &encoder->body;
    _Static_assert(sizeof(struct ipc_node) == sizeof(FB(FieldNode_t)), "same layout");
    _Static_assert(sizeof(struct ipc_buffer) == sizeof(FB(Buffer_t)), "same layout");
    static const FB(FieldNode_t) no_node;
    static const FB(Buffer_t) no_buffer;
    const void *nodes = body->nodes == NULL ? (const void *)&no_node : body->nodes;
    const void *buffers = body->buffers == NULL ? (const void *)&no_buffer : body->buffers;
    return FB(Message_start_as_root)(builder) == 0 && FB(Message_version_add)(builder, FB(MetadataVersion_V5)) == 0 &&
           FB(Message_header_RecordBatch_start)(builder) == 0 && FB(RecordBatch_length_add)(builder, rows) == 0 &&
           FB(RecordBatch_nodes_create)(builder, nodes, body->node_count) == 0 &&
           FB(RecordBatch_buffers_create)(builder, buffers, body->buffer_count) == 0 &&
           add_compression(builder, body->codec) && FB(Message_header_RecordBatch_end)(builder) == 0 &&
           FB(Message_bodyLength_add)(builder, body->len) == 0 && FB(Message_end_as_root)(builder) != 0;
}

rhei_status arrow_ipc_encode_batch(struct arrow_ipc_encoder *encoder, const struct ArrowArray *batch,
                                   struct arrow_ipc_message *message, struct rhei_error *error)
{
    struct ArrowError reason = {""};
    flatcc_builder_aligned_free(encoder->header);
    encoder->header = NULL;
    ipc_body_clear(&encoder->body);
    if (ArrowArrayViewSetArray(&encoder->view, batch, &reason) != NANOARROW_OK)
        return error_set(error, RHEI_INTERNAL, "a result batch is not well-formed: %s", reason.message);
    encoder->body.error = error;
    rhei_status status = ipc_body_add_batch(&encoder->body, &encoder->view);
    if (status != RHEI_OK)
        return status;
    size_t len = 0;
    if (build_message(encoder, encoder->view.length))
        encoder->header = flatcc_builder_finalize_aligned_buffer(&encoder->builder, &len);
    flatcc_builder_reset(&encoder->builder);
    if (encoder->header == NULL)
        return error_no_memory(error);
    *message = (struct arrow_ipc_message){.header = encoder->header,
                                          .header_len = len,
                                          .slices = encoder->body.slices,
                                          .slice_count = encoder->body.slice_count,
                                          .body_len = encoder->body.len};
    return RHEI_OK;
}
