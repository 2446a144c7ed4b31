/* SPDX-License-Identifier: Apache-2.0 */
#include "arrow_ipc_verify.h"

#include <flatcc/flatcc_builder.h>
#include <nanoarrow/ipc/flatcc_generated.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "base/base_error.h"

#define FB(name)         FLATBUFFERS_WRAP_NAMESPACE(org_apache_arrow_flatbuf, name)
#define MAX_UNPACKED_LEN (INT64_C(4) << 30) /* of one compressed buffer: a column of a batch is below 2 GiB */

rhei_status ipc_damaged(struct rhei_error *error, const char *what)
{
    return error_set(error, RHEI_IO, "the Arrow input can't be read: %s",
                     what == NULL || what[0] == '\0' ? "it is damaged" : what);
}

/* ---- Headers ------------------------------------------------------------------------------------------------------ */

static bool pairs_are_whole(FB(KeyValue_vec_t) pairs)
{
    for (size_t i = 0; i < FB(KeyValue_vec_len)(pairs); i++) {
        FB(KeyValue_table_t) pair = FB(KeyValue_vec_at)(pairs, i);
        if (FB(KeyValue_key)(pair) == NULL || FB(KeyValue_value)(pair) == NULL)
            return false;
    }
    return true;
}

/* Recurses no deeper than the flatbuffer's verifier did. */
static bool fields_are_whole(FB(Field_vec_t) fields)
{
    for (size_t i = 0; i < FB(Field_vec_len)(fields); i++) {
        FB(Field_table_t) field = FB(Field_vec_at)(fields, i);
        FB(DictionaryEncoding_table_t) encoding = FB(Field_dictionary)(field);
        if (FB(Field_type)(field) == NULL || (encoding != NULL && FB(DictionaryEncoding_indexType)(encoding) == NULL) ||
            !pairs_are_whole(FB(Field_custom_metadata)(field)) || !fields_are_whole(FB(Field_children)(field)))
            return false;
    }
    return true;
}

rhei_status ipc_verify_header(const void *message, struct rhei_error *error)
{
    FB(Message_table_t) root = FB(Message_as_root)(message);
    if (FB(Message_header)(root) == NULL)
        return ipc_damaged(error, "a message is empty");
    if (FB(Message_header_type)(root) == FB(MessageHeader_DictionaryBatch)) {
        FB(DictionaryBatch_table_t) dictionary = (FB(DictionaryBatch_table_t))FB(Message_header)(root);
        return FB(DictionaryBatch_data)(dictionary) == NULL ? ipc_damaged(error, "a dictionary has no values")
                                                            : RHEI_OK;
    }
    if (FB(Message_header_type)(root) != FB(MessageHeader_Schema))
        return RHEI_OK;
    FB(Schema_table_t) schema = (FB(Schema_table_t))FB(Message_header)(root);
    if (fields_are_whole(FB(Schema_fields)(schema)) && pairs_are_whole(FB(Schema_custom_metadata)(schema)))
        return RHEI_OK;
    return ipc_damaged(error, "its schema is damaged");
}

/* ---- Bodies ------------------------------------------------------------------------------------------------------- */

/* Lengths that would overflow when they are multiplied by a value's size are lies: no body holds so much. */
static rhei_status check_nodes(FB(RecordBatch_table_t) batch, struct rhei_error *error)
{
    FB(FieldNode_vec_t) nodes = FB(RecordBatch_nodes)(batch);
    int64_t rows = FB(RecordBatch_length)(batch);
    bool good = rows >= 0 && rows <= INT32_MAX;
    for (size_t i = 0; good && i < FB(FieldNode_vec_len)(nodes); i++) {
        FB(FieldNode_struct_t) node = FB(FieldNode_vec_at)(nodes, i);
        int64_t len = FB(FieldNode_length)(node);
        good = len >= 0 && len <= INT32_MAX && FB(FieldNode_null_count)(node) >= -1 &&
               FB(FieldNode_null_count)(node) <= len;
    }
    return good ? RHEI_OK : ipc_damaged(error, "a batch states an impossible number of rows");
}

static rhei_status check_buffers(FB(RecordBatch_table_t) batch, const uint8_t *body, int64_t body_len,
                                 struct rhei_error *error)
{
    FB(Buffer_vec_t) buffers = FB(RecordBatch_buffers)(batch);
    bool packed = FB(RecordBatch_compression_is_present)(batch) != 0;
    rhei_status status = check_nodes(batch, error);
    if (status != RHEI_OK)
        return status;
    for (size_t i = 0; i < FB(Buffer_vec_len)(buffers); i++) {
        FB(Buffer_struct_t) buffer = FB(Buffer_vec_at)(buffers, i);
        int64_t offset = FB(Buffer_offset)(buffer);
        int64_t len = FB(Buffer_length)(buffer);
        if (offset < 0 || len < 0 || offset > body_len || len > body_len - offset)
            return ipc_damaged(error, "a buffer lies outside its message");
        if (offset % 8 != 0 && len > 0)
            return ipc_damaged(error, "a buffer does not begin at a multiple of 8 bytes");
        int64_t unpacked = 0;
        if (packed && len >= (int64_t)sizeof unpacked)
            memcpy(&unpacked, body + offset, sizeof unpacked);
        if (unpacked < -1 || unpacked > MAX_UNPACKED_LEN)
            return ipc_damaged(error, "a compressed buffer states an impossible length");
    }
    return RHEI_OK;
}

rhei_status ipc_verify_body(const void *message, const uint8_t *body, int64_t body_len, struct rhei_error *error)
{
    FB(Message_table_t) root = FB(Message_as_root)(message);
    if (FB(Message_header_type)(root) == FB(MessageHeader_RecordBatch))
        return check_buffers((FB(RecordBatch_table_t))FB(Message_header)(root), body, body_len, error);
    FB(DictionaryBatch_table_t) dictionary = (FB(DictionaryBatch_table_t))FB(Message_header)(root);
    return check_buffers(FB(DictionaryBatch_data)(dictionary), body, body_len, error);
}

static bool count_parts(const struct ArrowSchema *schema, bool union_bitmaps, size_t *nodes, size_t *buffers)
{
    struct ArrowSchemaView view;
    if (ArrowSchemaViewInit(&view, schema, NULL) != NANOARROW_OK)
        return false;
    bool is_union = view.type == NANOARROW_TYPE_DENSE_UNION || view.type == NANOARROW_TYPE_SPARSE_UNION;
    *nodes += 1;
    *buffers += is_union && union_bitmaps ? 1 : 0;
    for (int i = 0; i < NANOARROW_MAX_FIXED_BUFFERS; i++)
        *buffers += view.layout.buffer_type[i] != NANOARROW_BUFFER_TYPE_NONE ? 1 : 0;
    for (int64_t i = 0; i < schema->n_children; i++)
        if (!count_parts(schema->children[i], union_bitmaps, nodes, buffers))
            return false;
    return true;
}

rhei_status ipc_verify_dictionary(const void *message, const struct ArrowSchema *values, struct rhei_error *error)
{
    FB(Message_table_t) root = FB(Message_as_root)(message);
    FB(DictionaryBatch_table_t) dictionary = (FB(DictionaryBatch_table_t))FB(Message_header)(root);
    FB(RecordBatch_table_t) batch = FB(DictionaryBatch_data)(dictionary);
    if (FB(RecordBatch_compression_is_present)(batch))
        return error_set(error, RHEI_UNSUPPORTED,
                         "the Arrow input has a compressed dictionary, which can't be read; write it without "
                         "compression, or without dictionaries");
    size_t nodes = 0, buffers = 0;
    /* unions had a bitmap before version 5 of the metadata */
    if (count_parts(values, FB(Message_version)(root) < FB(MetadataVersion_V5), &nodes, &buffers) &&
        nodes == FB(FieldNode_vec_len)(FB(RecordBatch_nodes)(batch)) &&
        buffers == FB(Buffer_vec_len)(FB(RecordBatch_buffers)(batch)))
        return RHEI_OK;
    return ipc_damaged(error, "a dictionary is not of the schema's type");
}
