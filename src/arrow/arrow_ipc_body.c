/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrays may begin anywhere in their buffers; a message's begin at 0. So each array is added as a range of absolute
 * slots: buffers are pointed into where the range allows it, and copied with a shift or a new base where not. All
 * recursion is over the depth of the schema.
 */
#include "arrow_ipc_body.h"

#include <lz4frame.h>
#include <string.h>
#include <zstd.h>

#include "base/base_error.h"
#include "base/base_memory.h"

static const char padding[8];

/* ---- Pieces ------------------------------------------------------------------------------------------------------- */

/* Memory that lives as long as the message. */
static void *own_memory(struct ipc_body *body, size_t size)
{
    void *owned = body->owned;
    if (!base_grow(&owned, &body->owned_capacity, body->owned_count + 1, sizeof *body->owned))
        return NULL;
    body->owned = owned;
    void *memory = base_alloc(size);
    if (memory != NULL)
        body->owned[body->owned_count++] = memory;
    return memory;
}

static bool add_slice(struct ipc_body *body, const void *bytes, size_t len)
{
    void *slices = body->slices;
    if (!base_grow(&slices, &body->slice_capacity, body->slice_count + 1, sizeof *body->slices))
        return false;
    body->slices = slices;
    body->slices[body->slice_count++] = (struct arrow_ipc_slice){bytes, len};
    return true;
}

/*
 * A compressed buffer is its length as it was, then the compressed bytes; the length -1 says that the bytes that follow
 * are not compressed, since that would have been larger.
 */
static rhei_status compress_buffer(struct ipc_body *body, const void **bytes, size_t *len)
{
    size_t bound = body->codec == ARROW_IPC_LZ4 ? LZ4F_compressFrameBound(*len, NULL) : ZSTD_compressBound(*len);
    unsigned char *packed = own_memory(body, bound + sizeof(int64_t));
    if (packed == NULL)
        return error_no_memory(body->error);
    unsigned char *target = packed + sizeof(int64_t);
    size_t size;
    bool failed;
    if (body->codec == ARROW_IPC_LZ4) {
        size = LZ4F_compressFrame(target, bound, *bytes, *len, NULL);
        failed = LZ4F_isError(size) != 0;
    } else {
        size = ZSTD_compress(target, bound, *bytes, *len, 1);
        failed = ZSTD_isError(size) != 0;
    }
    if (failed)
        return error_no_memory(body->error); /* with room for the bound, that is all that can go wrong */
    int64_t original = (int64_t)*len;
    if (size >= *len) {
        original = -1;
        size = *len;
        memcpy(target, *bytes, size);
    }
    memcpy(packed, &original, sizeof original);
    *bytes = packed;
    *len = size + sizeof original;
    return RHEI_OK;
}

static rhei_status add_buffer(struct ipc_body *body, const void *bytes, size_t len)
{
    rhei_status status = RHEI_OK;
    if (len > 0 && body->codec != ARROW_IPC_PLAIN)
        status = compress_buffer(body, &bytes, &len);
    if (status != RHEI_OK)
        return status;
    void *buffers = body->buffers;
    if (!base_grow(&buffers, &body->buffer_capacity, body->buffer_count + 1, sizeof *body->buffers))
        return error_no_memory(body->error);
    body->buffers = buffers;
    body->buffers[body->buffer_count++] = (struct ipc_buffer){body->len, (int64_t)len};
    size_t gap = (0 - len) % sizeof padding;
    if ((len > 0 && !add_slice(body, bytes, len)) || (gap > 0 && !add_slice(body, padding, gap)))
        return error_no_memory(body->error);
    body->len += (int64_t)(len + gap);
    return RHEI_OK;
}

static rhei_status add_node(struct ipc_body *body, int64_t length, int64_t null_count)
{
    void *nodes = body->nodes;
    if (!base_grow(&nodes, &body->node_capacity, body->node_count + 1, sizeof *body->nodes))
        return error_no_memory(body->error);
    body->nodes = nodes;
    body->nodes[body->node_count++] = (struct ipc_node){length, null_count};
    return RHEI_OK;
}

/* ---- Buffers of a range ------------------------------------------------------------------------------------------- */

/* Bits from..from+length, at a byte's beginning. */
static rhei_status add_bits(struct ipc_body *body, const uint8_t *bits, int64_t from, int64_t length)
{
    size_t bytes = (size_t)(length + 7) / 8;
    if (from % 8 == 0)
        return add_buffer(body, bits == NULL ? NULL : bits + from / 8, bits == NULL ? 0 : bytes);
    uint8_t *moved = own_memory(body, bytes);
    if (moved == NULL)
        return error_no_memory(body->error);
    memset(moved, 0, bytes);
    for (int64_t i = 0; i < length; i++)
        ArrowBitSetTo(moved, i, (uint8_t)ArrowBitGet(bits, from + i));
    return add_buffer(body, moved, bytes);
}

static const uint8_t *validity_of(const struct ArrowArrayView *view)
{
    return view->layout.buffer_type[0] == NANOARROW_BUFFER_TYPE_VALIDITY ? view->buffer_views[0].data.as_uint8 : NULL;
}

/* The node of a range, and the bitmap of those types that have one. */
static rhei_status add_validity(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from, int64_t length)
{
    const uint8_t *valid = validity_of(view);
    int64_t nulls = view->storage_type == NANOARROW_TYPE_NA ? length : 0;
    if (valid != NULL && view->null_count != 0 && length > 0)
        nulls = length - ArrowBitCountSet(valid, from, length);
    rhei_status status = add_node(body, length, nulls);
    if (status != RHEI_OK || view->layout.buffer_type[0] != NANOARROW_BUFFER_TYPE_VALIDITY)
        return status;
    return nulls == 0 ? add_buffer(body, NULL, 0) : add_bits(body, valid, from, length);
}

static rhei_status add_fixed_width(struct ipc_body *body, const struct ArrowArrayView *view, int buffer, int64_t from,
                                   int64_t length)
{
    int64_t bits = view->layout.element_size_bits[buffer];
    const uint8_t *data = view->buffer_views[buffer].data.as_uint8;
    if (bits == 1)
        return add_bits(body, data, from, length);
    if (length == 0)
        return add_buffer(body, NULL, 0);
    return add_buffer(body, data + from * (bits / 8), (size_t)(length * (bits / 8)));
}

/* Offsets of length + 1 values, beginning at 0; gives the range they cover. `wide`: of 64 bits. */
static rhei_status add_offsets(struct ipc_body *body, const struct ArrowArrayView *view, bool wide, int64_t from,
                               int64_t length, int64_t *first, int64_t *last)
{
    static const int64_t zero;
    size_t width = wide ? sizeof(int64_t) : sizeof(int32_t);
    const struct ArrowBufferView *buffer = &view->buffer_views[1];
    *first = 0;
    *last = 0;
    if (length == 0 || buffer->data.data == NULL)
        return add_buffer(body, &zero, width);
    *first = wide ? buffer->data.as_int64[from] : buffer->data.as_int32[from];
    *last = wide ? buffer->data.as_int64[from + length] : buffer->data.as_int32[from + length];
    size_t bytes = (size_t)(length + 1) * width;
    if (*first == 0)
        return add_buffer(body, buffer->data.as_uint8 + (size_t)from * width, bytes);
    void *moved = own_memory(body, bytes);
    if (moved == NULL)
        return error_no_memory(body->error);
    for (int64_t i = 0; i <= length; i++)
        if (wide)
            ((int64_t *)moved)[i] = buffer->data.as_int64[from + i] - *first;
        else
            ((int32_t *)moved)[i] = (int32_t)(buffer->data.as_int32[from + i] - *first);
    return add_buffer(body, moved, bytes);
}

/* ---- Text and bytes that are not laid out as utf8 ----------------------------------------------------------------- */

/* The value of a slot of a view array, or of a dictionary's index; NULL where it is NULL or outside the dictionary. */
static bool scattered_bytes(const struct ArrowArrayView *view, int64_t row, struct ArrowBufferView *out)
{
    row -= view->offset; /* nanoarrow adds it */
    if (ArrowArrayViewIsNull(view, row))
        return false;
    if (view->dictionary != NULL) {
        row = ArrowArrayViewGetIntUnsafe(view, row);
        view = view->dictionary;
        if (row < 0 || row >= view->length || ArrowArrayViewIsNull(view, row))
            return false;
    }
    *out = ArrowArrayViewGetBytesUnsafe(view, row);
    return true;
}

static rhei_status gather_bytes(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from, int64_t length,
                                uint8_t *valid, int32_t *offsets, int64_t *null_count)
{
    int64_t total = 0;
    *null_count = 0;
    for (int64_t i = 0; i < length; i++) {
        struct ArrowBufferView bytes = {{NULL}, 0};
        bool there = scattered_bytes(view, from + i, &bytes);
        ArrowBitSetTo(valid, i, there);
        *null_count += there ? 0 : 1;
        offsets[i] = (int32_t)total;
        total += bytes.size_bytes;
        if (total > INT32_MAX)
            return error_set(body->error, RHEI_TOO_BIG,
                             "a batch has a column of over 2147483647 bytes; use smaller batches");
    }
    offsets[length] = (int32_t)total;
    return RHEI_OK;
}

static rhei_status add_scattered(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from, int64_t length)
{
    size_t valid_len = (size_t)(length + 7) / 8;
    uint8_t *valid = own_memory(body, valid_len);
    int32_t *offsets = own_memory(body, (size_t)(length + 1) * sizeof *offsets);
    if (valid == NULL || offsets == NULL)
        return error_no_memory(body->error);
    memset(valid, 0, valid_len);
    int64_t null_count;
    rhei_status status = gather_bytes(body, view, from, length, valid, offsets, &null_count);
    if (status != RHEI_OK)
        return status;
    uint8_t *data = own_memory(body, (size_t)offsets[length]);
    if (data == NULL)
        return error_no_memory(body->error);
    for (int64_t i = 0; i < length; i++) {
        struct ArrowBufferView bytes;
        if (scattered_bytes(view, from + i, &bytes) && bytes.size_bytes > 0)
            memcpy(data + offsets[i], bytes.data.data, (size_t)bytes.size_bytes);
    }
    status = add_node(body, length, null_count);
    if (status == RHEI_OK)
        status = add_buffer(body, valid, null_count == 0 ? 0 : valid_len);
    if (status == RHEI_OK)
        status = add_buffer(body, offsets, (size_t)(length + 1) * sizeof *offsets);
    return status == RHEI_OK ? add_buffer(body, data, (size_t)offsets[length]) : status;
}

/* ---- Arrays ------------------------------------------------------------------------------------------------------- */

static rhei_status add_array(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from, int64_t length);

/* Slots from..from+length of each child, counted from the child's own beginning. */
static rhei_status add_children(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from, int64_t length)
{
    rhei_status status = RHEI_OK;
    for (int64_t i = 0; status == RHEI_OK && i < view->n_children; i++)
        status = add_array(body, view->children[i], view->children[i]->offset + from, length);
    return status;
}

static rhei_status add_bytes_array(struct ipc_body *body, const struct ArrowArrayView *view, bool wide, int64_t from,
                                   int64_t length)
{
    int64_t first, last;
    rhei_status status = add_offsets(body, view, wide, from, length, &first, &last);
    if (status != RHEI_OK)
        return status;
    const uint8_t *data = view->buffer_views[2].data.as_uint8;
    return add_buffer(body, last > first ? data + first : NULL, (size_t)(last - first));
}

static rhei_status add_list_array(struct ipc_body *body, const struct ArrowArrayView *view, bool wide, int64_t from,
                                  int64_t length)
{
    int64_t first, last;
    rhei_status status = add_offsets(body, view, wide, from, length, &first, &last);
    return status == RHEI_OK ? add_children(body, view, first, last - first) : status;
}

/* Slots first..last of a child, that is, which some row of the range has its value in; first > last: none. */
struct member_range {
    int64_t first, last;
};

/* The ranges of a dense union's members that its slots from..from+length point into. RHEI_INTERNAL: outside of a member. */
static rhei_status member_ranges(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from, int64_t length,
                                 struct member_range *ranges)
{
    const int8_t *types = view->buffer_views[0].data.as_int8, *map = view->union_type_id_map;
    const int32_t *offsets = view->buffer_views[1].data.as_int32;
    for (int64_t i = 0; i < view->n_children; i++)
        ranges[i] = (struct member_range){INT64_MAX, -1};
    for (int64_t i = from; i < from + length; i++) {
        int member = types[i] < 0 ? -1 : map == NULL ? types[i] : map[types[i]];
        if (member < 0 || member >= view->n_children || offsets[i] < 0 || offsets[i] >= view->children[member]->length)
            return error_set(body->error, RHEI_INTERNAL, "a union of a result batch points out of its members");
        struct member_range *range = &ranges[member];
        range->first = offsets[i] < range->first ? offsets[i] : range->first;
        range->last = offsets[i] > range->last ? offsets[i] : range->last;
    }
    return RHEI_OK;
}

/* Offsets that count from the beginning of what goes out of each member. */
static rhei_status add_member_offsets(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from,
                                      int64_t length, const struct member_range *ranges)
{
    const int8_t *types = view->buffer_views[0].data.as_int8 + from, *map = view->union_type_id_map;
    const int32_t *offsets = view->buffer_views[1].data.as_int32 + from;
    size_t bytes = (size_t)length * sizeof *offsets;
    int32_t *moved = own_memory(body, bytes);
    if (moved == NULL)
        return error_no_memory(body->error);
    for (int64_t i = 0; i < length; i++)
        moved[i] = (int32_t)(offsets[i] - ranges[map == NULL ? types[i] : map[types[i]]].first);
    return add_buffer(body, moved, bytes);
}

static rhei_status add_whole_members(struct ipc_body *body, const struct ArrowArrayView *view)
{
    rhei_status status = add_fixed_width(body, view, 1, 0, view->length);
    for (int64_t i = 0; status == RHEI_OK && i < view->n_children; i++)
        status = add_array(body, view->children[i], view->children[i]->offset, view->children[i]->length);
    return status;
}

/* Of each member as much as the range has values in: pieces of a batch have together no more than the batch. */
static rhei_status add_dense_union(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from,
                                   int64_t length)
{
    rhei_status status = add_fixed_width(body, view, 0, from, length);
    if (status == RHEI_OK && from == 0 && length == view->length)
        return add_whole_members(body, view);
    struct member_range *ranges = own_memory(body, (size_t)view->n_children * sizeof *ranges + 1);
    if (status == RHEI_OK && ranges == NULL)
        status = error_no_memory(body->error);
    if (status == RHEI_OK)
        status = member_ranges(body, view, from, length, ranges);
    if (status == RHEI_OK)
        status = length == 0 ? add_buffer(body, NULL, 0) : add_member_offsets(body, view, from, length, ranges);
    for (int64_t i = 0; status == RHEI_OK && i < view->n_children; i++) {
        bool none = ranges[i].first > ranges[i].last;
        status = add_array(body, view->children[i], view->children[i]->offset + (none ? 0 : ranges[i].first),
                           none ? 0 : ranges[i].last - ranges[i].first + 1);
    }
    return status;
}

static rhei_status add_contents(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from, int64_t length)
{
    rhei_status status;
    switch (view->storage_type) {
    case NANOARROW_TYPE_NA:
        return RHEI_OK;
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_BINARY:
        return add_bytes_array(body, view, false, from, length);
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_LARGE_BINARY:
        return add_bytes_array(body, view, true, from, length);
    case NANOARROW_TYPE_LIST:
    case NANOARROW_TYPE_MAP:
        return add_list_array(body, view, false, from, length);
    case NANOARROW_TYPE_LARGE_LIST:
        return add_list_array(body, view, true, from, length);
    case NANOARROW_TYPE_FIXED_SIZE_LIST:
        return add_children(body, view, from * view->layout.child_size_elements,
                            length * view->layout.child_size_elements);
    case NANOARROW_TYPE_STRUCT:
        return add_children(body, view, from, length);
    case NANOARROW_TYPE_SPARSE_UNION:
        status = add_fixed_width(body, view, 0, from, length);
        return status == RHEI_OK ? add_children(body, view, from, length) : status;
    case NANOARROW_TYPE_DENSE_UNION:
        return add_dense_union(body, view, from, length);
    default:
        return add_fixed_width(body, view, 1, from, length);
    }
}

static rhei_status add_array(struct ipc_body *body, const struct ArrowArrayView *view, int64_t from, int64_t length)
{
    if (view->dictionary != NULL || view->storage_type == NANOARROW_TYPE_STRING_VIEW ||
        view->storage_type == NANOARROW_TYPE_BINARY_VIEW)
        return add_scattered(body, view, from, length);
    rhei_status status = add_validity(body, view, from, length);
    return status == RHEI_OK ? add_contents(body, view, from, length) : status;
}

rhei_status ipc_body_add_batch(struct ipc_body *body, const struct ArrowArrayView *batch)
{
    return add_children(body, batch, batch->offset, batch->length);
}

void ipc_body_clear(struct ipc_body *body)
{
    for (size_t i = 0; i < body->owned_count; i++)
        base_free(body->owned[i]);
    body->node_count = 0;
    body->buffer_count = 0;
    body->slice_count = 0;
    body->owned_count = 0;
    body->len = 0;
}

void ipc_body_reset(struct ipc_body *body)
{
    ipc_body_clear(body);
    base_free(body->nodes);
    base_free(body->buffers);
    base_free(body->slices);
    base_free(body->owned);
    *body = (struct ipc_body){0};
}
