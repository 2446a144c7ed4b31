/* SPDX-License-Identifier: Apache-2.0 */
#include "arrow_node.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

enum { MAX_DEPTH = 64 }; /* of nested types: what reads them recurses */

static bool type_is_readable(enum ArrowType type)
{
    switch (type) {
    case NANOARROW_TYPE_UNINITIALIZED:
    case NANOARROW_TYPE_RUN_END_ENCODED:
    case NANOARROW_TYPE_LIST_VIEW:
    case NANOARROW_TYPE_LARGE_LIST_VIEW:
        return false;
    default:
        return true;
    }
}

static bool is_uuid(const struct ArrowSchemaView *type)
{
    static const char name[] = "arrow.uuid";
    return type->type == NANOARROW_TYPE_FIXED_SIZE_BINARY && type->fixed_size == 16 &&
           type->extension_name.data != NULL && type->extension_name.size_bytes == (int64_t)sizeof name - 1 &&
           memcmp(type->extension_name.data, name, sizeof name - 1) == 0;
}

static rhei_status node_init(struct arrow_node *node, const struct ArrowSchema *schema, int depth,
                             struct rhei_error *error)
{
    struct ArrowError reason = {""};
    if (ArrowSchemaViewInit(&node->type, schema, &reason) != NANOARROW_OK)
        return error_set(error, RHEI_UNSUPPORTED, "a column has an Arrow type that can't be read: %s", reason.message);
    enum ArrowType type = schema->dictionary == NULL ? node->type.type : node->type.storage_type;
    if (!type_is_readable(type) || depth > MAX_DEPTH)
        return error_set(error, RHEI_UNSUPPORTED,
                         "a column has the Arrow type \"%s\", which is not read row by row; use the Arrow stream, or "
                         "cast the column to text",
                         schema->format);
    node->is_uuid = is_uuid(&node->type);
    node->children = base_alloc_zero((size_t)schema->n_children, sizeof *node->children);
    if (node->children == NULL)
        return error_no_memory(error);
    node->child_count = (uint32_t)schema->n_children;
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; status == RHEI_OK && i < node->child_count; i++)
        status = node_init(&node->children[i], schema->children[i], depth + 1, error);
    if (status != RHEI_OK || schema->dictionary == NULL)
        return status;
    node->dictionary = base_alloc_zero(1, sizeof *node->dictionary);
    if (node->dictionary == NULL)
        return error_no_memory(error);
    return node_init(node->dictionary, schema->dictionary, depth + 1, error);
}

rhei_status arrow_node_init(struct arrow_node *node, const struct ArrowSchema *schema, struct rhei_error *error)
{
    memset(node, 0, sizeof *node);
    rhei_status status = node_init(node, schema, 0, error);
    if (status != RHEI_OK)
        arrow_node_reset(node);
    return status;
}

void arrow_node_reset(struct arrow_node *node)
{
    for (uint32_t i = 0; i < node->child_count; i++)
        arrow_node_reset(&node->children[i]);
    if (node->dictionary != NULL)
        arrow_node_reset(node->dictionary);
    base_free(node->children);
    base_free(node->dictionary);
    memset(node, 0, sizeof *node);
}

static rhei_status damaged(struct rhei_error *error)
{
    return error_set(error, RHEI_IO, "an Arrow batch is damaged: an index points outside its values");
}

/* Follows dictionaries and unions to the array that holds the value. *view becomes NULL where that is NULL. */
static rhei_status resolve(const struct arrow_node **node, const struct ArrowArrayView **view, int64_t *row,
                           struct rhei_error *error)
{
    for (;;) {
        if (*row < 0 || *row >= (*view)->length)
            return damaged(error);
        if (ArrowArrayViewIsNull(*view, *row)) {
            *view = NULL;
            return RHEI_OK;
        }
        if ((*node)->dictionary != NULL) {
            *row = ArrowArrayViewGetIntUnsafe(*view, *row);
            *node = (*node)->dictionary;
            *view = (*view)->dictionary;
        } else if ((*view)->storage_type == NANOARROW_TYPE_DENSE_UNION ||
                   (*view)->storage_type == NANOARROW_TYPE_SPARSE_UNION) {
            int8_t child = ArrowArrayViewUnionTypeId(*view, *row) < 0 ? -1 : ArrowArrayViewUnionChildIndex(*view, *row);
            if (child < 0 || child >= (*view)->n_children)
                return damaged(error);
            *row = ArrowArrayViewUnionChildOffset(*view, *row);
            *node = &(*node)->children[child];
            *view = (*view)->children[child];
        } else {
            return RHEI_OK;
        }
    }
}

static rhei_status bytes_value(const struct ArrowArrayView *view, int64_t row, uint8_t type, struct rhei_value *out,
                               struct rhei_error *error)
{
    struct ArrowBufferView bytes = ArrowArrayViewGetBytesUnsafe(view, row);
    if (bytes.size_bytes < 0)
        return damaged(error);
    if (bytes.size_bytes > INT32_MAX)
        return error_set(error, RHEI_TOO_BIG, "a value of %lld bytes is over the limit of 2147483647",
                         (long long)bytes.size_bytes);
    out->type = type;
    out->as.bytes = bytes.data.data;
    out->length = (uint32_t)bytes.size_bytes;
    return RHEI_OK;
}

static bool is_nested(enum ArrowType type)
{
    return type == NANOARROW_TYPE_LIST || type == NANOARROW_TYPE_LARGE_LIST || type == NANOARROW_TYPE_FIXED_SIZE_LIST ||
           type == NANOARROW_TYPE_STRUCT || type == NANOARROW_TYPE_MAP;
}

static rhei_status made_value(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t row,
                              struct base_buffer *scratch, struct rhei_value *out, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    base_buffer_clear(scratch);
    if (is_nested(node->type.type))
        status = arrow_format_json(node, view, row, scratch, error);
    else
        arrow_format_scalar(node, view, row, scratch);
    if (status != RHEI_OK)
        return status;
    if (scratch->failed)
        return error_no_memory(error);
    if (scratch->len > INT32_MAX)
        return error_set(error, RHEI_TOO_BIG, "a nested value is over 2147483647 bytes as JSON");
    out->type = RHEI_TEXT;
    out->as.bytes = scratch->data;
    out->length = (uint32_t)scratch->len;
    return RHEI_OK;
}

rhei_status arrow_node_value(const struct arrow_node *node, const struct ArrowArrayView *view, int64_t row,
                             struct base_buffer *scratch, struct rhei_value *out, struct rhei_error *error)
{
    *out = (struct rhei_value){.type = RHEI_NULL};
    rhei_status status = resolve(&node, &view, &row, error);
    if (status != RHEI_OK || view == NULL)
        return status;
    switch (node->type.type) {
    case NANOARROW_TYPE_UINT64:
        if (ArrowArrayViewGetUIntUnsafe(view, row) > INT64_MAX)
            return made_value(node, view, row, scratch, out, error);
        /* fall through */
    case NANOARROW_TYPE_BOOL:
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_INT64:
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_UINT32:
        out->type = RHEI_INTEGER;
        out->as.integer = ArrowArrayViewGetIntUnsafe(view, row);
        return RHEI_OK;
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
        out->type = RHEI_REAL;
        out->as.real = ArrowArrayViewGetDoubleUnsafe(view, row);
        return RHEI_OK;
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
        return bytes_value(view, row, RHEI_TEXT, out, error);
    case NANOARROW_TYPE_FIXED_SIZE_BINARY:
        if (node->is_uuid)
            return made_value(node, view, row, scratch, out, error);
        /* fall through */
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW:
        return bytes_value(view, row, RHEI_BLOB, out, error);
    default:
        return made_value(node, view, row, scratch, out, error);
    }
}
