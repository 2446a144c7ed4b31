/* SPDX-License-Identifier: Apache-2.0 */
/*
 * magic | schema message | batch message, body | end of stream | the caller's | footer | its length | magic. Every buffer begins at a
 * multiple of 64 in the file, since the body does.
 */
#include "arrow_ipc_raw.h"

#include <flatcc/flatcc_builder.h>
#include <nanoarrow/ipc/flatcc_generated.h>
#include <string.h>

#include "arrow_ipc_body.h"
#include "base/base_error.h"
#include "base/base_memory.h"

#define FB(name) FLATBUFFERS_WRAP_NAMESPACE(org_apache_arrow_flatbuf, name)

static const char file_magic[8] = "ARROW1"; /* padded with zeros in front, as it is behind */
static const int32_t end_of_stream[2] = {-1, 0};
enum { MAGIC_LEN = 6, TAIL_LEN = 4 + MAGIC_LEN, ALIGNMENT = 64 };

static size_t aligned(size_t len)
{
    return (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* ---- Schema. ------------------------------------------------------------------------------------------------------- */

static bool add_type(flatcc_builder_t *builder, enum arrow_raw_type type)
{
    switch (type) {
    case ARROW_RAW_NULL:
        return FB(Field_type_Null_create)(builder) == 0;
    case ARROW_RAW_INT64:
        return FB(Field_type_Int_create)(builder, 64, 1) == 0;
    case ARROW_RAW_DOUBLE:
        return FB(Field_type_FloatingPoint_create)(builder, FB(Precision_DOUBLE)) == 0;
    case ARROW_RAW_UTF8_VIEW:
        return FB(Field_type_Utf8View_create)(builder) == 0;
    case ARROW_RAW_BINARY_VIEW:
        return FB(Field_type_BinaryView_create)(builder) == 0;
    default:
        return FB(Field_type_Union_start)(builder) == 0 && FB(Union_mode_add)(builder, FB(UnionMode_Dense)) == 0 &&
               FB(Field_type_Union_end)(builder) == 0;
    }
}

static bool add_note(flatcc_builder_t *builder, const char *note)
{
    return note == NULL ||
           (FB(Field_custom_metadata_start)(builder) == 0 && FB(Field_custom_metadata_push_start)(builder) == 0 &&
            FB(KeyValue_key_create_str)(builder, "rhei:class") == 0 &&
            FB(KeyValue_value_create_str)(builder, note) == 0 && FB(Field_custom_metadata_push_end)(builder) != NULL &&
            FB(Field_custom_metadata_end)(builder) == 0);
}

/* As deep as the fields are: a union's children, no deeper. */
static bool add_field(flatcc_builder_t *builder, const struct arrow_raw_field *field)
{
    bool good = FB(Field_name_create_str)(builder, field->name) == 0 && FB(Field_nullable_add)(builder, 1) == 0 &&
                add_type(builder, field->type) && FB(Field_children_start)(builder) == 0;
    for (uint32_t i = 0; good && i < field->child_count; i++)
        good = FB(Field_children_push_start)(builder) == 0 && add_field(builder, &field->children[i]) &&
               FB(Field_children_push_end)(builder) != NULL;
    return good && FB(Field_children_end)(builder) == 0 && add_note(builder, field->note);
}

static bool add_table(flatcc_builder_t *builder, const char *table)
{
    return table == NULL ||
           (FB(Schema_custom_metadata_start)(builder) == 0 && FB(Schema_custom_metadata_push_start)(builder) == 0 &&
            FB(KeyValue_key_create_str)(builder, "rhei:table") == 0 &&
            FB(KeyValue_value_create_str)(builder, table) == 0 &&
            FB(Schema_custom_metadata_push_end)(builder) != NULL && FB(Schema_custom_metadata_end)(builder) == 0);
}

static bool add_schema(flatcc_builder_t *builder, const struct arrow_raw_schema *schema)
{
    bool good = FB(Schema_endianness_add)(builder, FB(Endianness_Little)) == 0 && FB(Schema_fields_start)(builder) == 0;
    for (uint32_t i = 0; good && i < schema->count; i++)
        good = FB(Schema_fields_push_start)(builder) == 0 && add_field(builder, &schema->fields[i]) &&
               FB(Schema_fields_push_end)(builder) != NULL;
    return good && FB(Schema_fields_end)(builder) == 0 && add_table(builder, schema->table);
}

/* ---- Batch. -------------------------------------------------------------------------------------------------------- */

struct batch {
    struct base_buffer nodes, buffers, variadic;
    size_t body_len;
};

/* Places each buffer in the body, a node before its children's. */
static void place_fields(struct batch *batch, struct arrow_raw_field *fields, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct arrow_raw_field *field = &fields[i];
        struct ipc_node node = {field->rows, field->nulls};
        base_buffer_append(&batch->nodes, &node, sizeof node);
        for (uint32_t b = 0; b < field->buffer_count; b++) {
            struct ipc_buffer buffer = {(int64_t)batch->body_len, (int64_t)field->buffers[b].len};
            field->buffers[b].offset = batch->body_len;
            batch->body_len += aligned(field->buffers[b].len);
            base_buffer_append(&batch->buffers, &buffer, sizeof buffer);
        }
        int64_t others = (int64_t)field->buffer_count - 2;
        if (field->type == ARROW_RAW_UTF8_VIEW || field->type == ARROW_RAW_BINARY_VIEW)
            base_buffer_append(&batch->variadic, &others, sizeof others);
        place_fields(batch, field->children, field->child_count);
    }
}

static bool add_batch(flatcc_builder_t *builder, const struct batch *batch, uint32_t rows)
{
    static const FB(FieldNode_t) no_node;
    static const FB(Buffer_t) no_buffer;
    _Static_assert(sizeof(struct ipc_node) == sizeof(FB(FieldNode_t)), "same layout");
    _Static_assert(sizeof(struct ipc_buffer) == sizeof(FB(Buffer_t)), "same layout");
    const void *nodes = batch->nodes.len == 0 ? (const void *)&no_node : batch->nodes.data;
    const void *buffers = batch->buffers.len == 0 ? (const void *)&no_buffer : batch->buffers.data;
    const void *counts = batch->variadic.data;
    return FB(Message_version_add)(builder, FB(MetadataVersion_V5)) == 0 &&
           FB(Message_header_RecordBatch_start)(builder) == 0 && FB(RecordBatch_length_add)(builder, rows) == 0 &&
           FB(RecordBatch_nodes_create)(builder, nodes, batch->nodes.len / sizeof(struct ipc_node)) == 0 &&
           FB(RecordBatch_buffers_create)(builder, buffers, batch->buffers.len / sizeof(struct ipc_buffer)) == 0 &&
           (batch->variadic.len == 0 ||
            FB(RecordBatch_variadicBufferCounts_create)(builder, counts, batch->variadic.len / sizeof(int64_t)) == 0) &&
           FB(Message_header_RecordBatch_end)(builder) == 0 &&
           FB(Message_bodyLength_add)(builder, (int64_t)batch->body_len) == 0;
}

/* ---- The file. ----------------------------------------------------------------------------------------------------- */

static void pad_to(struct base_buffer *out, size_t alignment)
{
    static const char zeros[ALIGNMENT];
    base_buffer_append(out, zeros, (0 - out->len) % alignment);
}

/* The builder's flatbuffer behind its length, so padded that what follows begins at a multiple of 64. */
static bool put_message(flatcc_builder_t *builder, struct base_buffer *out)
{
    size_t len;
    void *header = flatcc_builder_finalize_aligned_buffer(builder, &len);
    flatcc_builder_reset(builder);
    if (header == NULL)
        return false;
    int32_t prefix[2] = {-1, (int32_t)(aligned(out->len + sizeof prefix + len) - out->len - sizeof prefix)};
    base_buffer_append(out, prefix, sizeof prefix);
    base_buffer_append(out, header, len);
    pad_to(out, ALIGNMENT);
    flatcc_builder_aligned_free(header);
    return !out->failed;
}

static void put_body(struct arrow_raw_field *fields, uint32_t count, size_t start, struct base_buffer *out)
{
    for (uint32_t i = 0; i < count; i++) {
        struct arrow_raw_field *field = &fields[i];
        for (uint32_t b = 0; b < field->buffer_count; b++) {
            field->buffers[b].offset += start;
            if (field->buffers[b].len > 0)
                base_buffer_append(out, field->buffers[b].bytes, field->buffers[b].len);
            pad_to(out, ALIGNMENT);
        }
        put_body(field->children, field->child_count, start, out);
    }
}

static bool put_footer(flatcc_builder_t *builder, const struct arrow_raw_schema *schema, const FB(Block_t) * block,
                       struct base_buffer *out)
{
    bool good = FB(Footer_start_as_root)(builder) == 0 &&
                FB(Footer_version_add)(builder, FB(MetadataVersion_V5)) == 0 && FB(Footer_schema_start)(builder) == 0 &&
                add_schema(builder, schema) && FB(Footer_schema_end)(builder) == 0 &&
                FB(Footer_recordBatches_create)(builder, block, 1) == 0 && FB(Footer_end_as_root)(builder) != 0;
    size_t len = 0;
    void *footer = good ? flatcc_builder_finalize_aligned_buffer(builder, &len) : NULL;
    flatcc_builder_reset(builder);
    if (footer == NULL)
        return false;
    int32_t length = (int32_t)len;
    base_buffer_append(out, footer, len);
    base_buffer_append(out, &length, sizeof length);
    base_buffer_append(out, file_magic, MAGIC_LEN);
    flatcc_builder_aligned_free(footer);
    return !out->failed;
}

static bool put_messages(flatcc_builder_t *builder, const struct arrow_raw_schema *schema, uint32_t rows,
                         const struct batch *batch, FB(Block_t) * block, struct base_buffer *out)
{
    base_buffer_append(out, file_magic, sizeof file_magic);
    if (FB(Message_start_as_root)(builder) != 0 || FB(Message_version_add)(builder, FB(MetadataVersion_V5)) != 0 ||
        FB(Message_header_Schema_start)(builder) != 0 || !add_schema(builder, schema) ||
        FB(Message_header_Schema_end)(builder) != 0 || FB(Message_bodyLength_add)(builder, 0) != 0 ||
        FB(Message_end_as_root)(builder) == 0 || !put_message(builder, out))
        return false;
    block->offset = (int64_t)out->len;
    if (FB(Message_start_as_root)(builder) != 0 || !add_batch(builder, batch, rows) ||
        FB(Message_end_as_root)(builder) == 0 || !put_message(builder, out))
        return false;
    block->metaDataLength = (int32_t)((int64_t)out->len - block->offset);
    block->bodyLength = (int64_t)batch->body_len;
    put_body(schema->fields, schema->count, out->len, out);
    base_buffer_append(out, end_of_stream, sizeof end_of_stream);
    return !out->failed;
}

rhei_status arrow_ipc_write_raw(const struct arrow_raw_schema *schema, uint32_t rows,
                                rhei_status (*extra)(void *context, struct base_buffer *out, struct rhei_error *error),
                                void *context, struct base_buffer *out, struct rhei_error *error)
{
    flatcc_builder_t builder;
    struct batch batch = {0};
    FB(Block_t) block = {0};
    rhei_status status = RHEI_OK;
    if (flatcc_builder_init(&builder) != 0)
        return error_no_memory(error);
    place_fields(&batch, schema->fields, schema->count);
    if (batch.nodes.failed || batch.buffers.failed || batch.variadic.failed ||
        !put_messages(&builder, schema, rows, &batch, &block, out))
        status = error_no_memory(error);
    if (status == RHEI_OK)
        status = extra(context, out, error);
    if (status == RHEI_OK && !put_footer(&builder, schema, &block, out))
        status = error_no_memory(error);
    base_buffer_reset(&batch.nodes);
    base_buffer_reset(&batch.buffers);
    base_buffer_reset(&batch.variadic);
    flatcc_builder_clear(&builder);
    return status;
}

size_t arrow_ipc_raw_extra_end(const void *bytes, size_t len)
{
    const char *end = (const char *)bytes + len;
    int32_t footer;
    if (len < sizeof file_magic + TAIL_LEN || memcmp(bytes, file_magic, sizeof file_magic) != 0 ||
        memcmp(end - MAGIC_LEN, file_magic, MAGIC_LEN) != 0)
        return 0;
    memcpy(&footer, end - TAIL_LEN, sizeof footer);
    if (footer <= 0 || (size_t)footer > len - TAIL_LEN - sizeof file_magic)
        return 0;
    return len - TAIL_LEN - (size_t)footer;
}

uint64_t arrow_ipc_raw_footer(const void *tail, size_t len, uint64_t size)
{
    const char *end = (const char *)tail + len;
    int32_t footer;
    if (len < TAIL_LEN || size < sizeof file_magic + TAIL_LEN || memcmp(end - MAGIC_LEN, file_magic, MAGIC_LEN) != 0)
        return 0;
    memcpy(&footer, end - TAIL_LEN, sizeof footer);
    if (footer <= 0 || (uint64_t)footer > size - TAIL_LEN - sizeof file_magic)
        return 0;
    return (uint64_t)footer + TAIL_LEN;
}
