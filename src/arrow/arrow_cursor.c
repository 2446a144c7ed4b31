/* SPDX-License-Identifier: Apache-2.0 */
#include "arrow/arrow_cursor.h"

#include <inttypes.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "arrow/arrow_stream.h"
#include "arrow_node.h"
#include "base/base_error.h"
#include "base/base_memory.h"

struct arrow_cursor {
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct arrow_node root;
    struct ArrowArrayView view; /* of `batch` */
    struct ArrowArray batch;    /* released: none */
    int64_t row;
    struct base_buffer *scratch; /* per column */
    rhei_status ended;           /* RHEI_DONE or the failure, kept for later calls; RHEI_OK: rows may follow */
    struct rhei_error failure;
    rhei_status (*check)(void *context); /* NULL: nothing ends the walk */
    void *check_context;
};

static rhei_status cursor_init(struct arrow_cursor *cursor, struct rhei_error *error)
{
    int failure = cursor->stream.get_schema(&cursor->stream, &cursor->schema);
    if (failure != 0) {
        cursor->schema.release = NULL;
        return arrow_stream_error(&cursor->stream, failure, error);
    }
    rhei_status status = arrow_node_init(&cursor->root, &cursor->schema, error);
    if (status != RHEI_OK)
        return status;
    if (cursor->root.type.type != NANOARROW_TYPE_STRUCT)
        return error_set(error, RHEI_UNSUPPORTED, "the stream's type is \"%s\" instead of a struct of columns",
                         cursor->schema.format);
    cursor->scratch = base_alloc_zero(cursor->root.child_count, sizeof *cursor->scratch);
    struct ArrowError reason = {""};
    if (cursor->scratch == NULL ||
        ArrowArrayViewInitFromSchema(&cursor->view, &cursor->schema, &reason) != NANOARROW_OK)
        return error_no_memory(error);
    return RHEI_OK;
}

rhei_status arrow_cursor_open(struct ArrowArrayStream *stream, struct arrow_cursor **cursor, struct rhei_error *error)
{
    *cursor = NULL;
    struct arrow_cursor *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL) {
        stream->release(stream);
        memset(stream, 0, sizeof *stream);
        return error_no_memory(error);
    }
    made->stream = *stream;
    memset(stream, 0, sizeof *stream);
    ArrowArrayViewInitFromType(&made->view, NANOARROW_TYPE_UNINITIALIZED);
    rhei_status status = cursor_init(made, error);
    if (status != RHEI_OK)
        arrow_cursor_close(&made);
    *cursor = made;
    return status;
}

void arrow_cursor_close(struct arrow_cursor **cursor)
{
    if (cursor == NULL || *cursor == NULL)
        return;
    struct arrow_cursor *old = *cursor;
    for (uint32_t i = 0; old->scratch != NULL && i < old->root.child_count; i++)
        base_buffer_reset(&old->scratch[i]);
    base_free(old->scratch);
    ArrowArrayViewReset(&old->view);
    if (old->batch.release != NULL)
        old->batch.release(&old->batch);
    arrow_node_reset(&old->root);
    if (old->schema.release != NULL)
        old->schema.release(&old->schema);
    if (old->stream.release != NULL)
        old->stream.release(&old->stream);
    base_free(old);
    *cursor = NULL;
}

void arrow_cursor_watch(struct arrow_cursor *cursor, rhei_status (*check)(void *context), void *context)
{
    cursor->check = check;
    cursor->check_context = context;
}

uint32_t arrow_cursor_column_count(const struct arrow_cursor *cursor)
{
    return cursor->root.child_count;
}

const char *arrow_cursor_column_name(const struct arrow_cursor *cursor, uint32_t column)
{
    if (column >= cursor->root.child_count)
        return "";
    const char *name = cursor->schema.children[column]->name;
    return name == NULL ? "" : name;
}

const struct ArrowSchema *arrow_cursor_schema(const struct arrow_cursor *cursor)
{
    return &cursor->schema;
}

static rhei_status next_batch(struct arrow_cursor *cursor, struct rhei_error *error)
{
    if (cursor->batch.release != NULL)
        cursor->batch.release(&cursor->batch);
    memset(&cursor->batch, 0, sizeof cursor->batch);
    cursor->row = -1;
    int failure = cursor->stream.get_next(&cursor->stream, &cursor->batch);
    if (failure != 0) {
        cursor->batch.release = NULL;
        return arrow_stream_error(&cursor->stream, failure, error);
    }
    if (cursor->batch.release == NULL)
        return RHEI_DONE;
    struct ArrowError reason = {""};
    if (ArrowArrayViewSetArray(&cursor->view, &cursor->batch, &reason) != NANOARROW_OK)
        return error_set(error, RHEI_IO, "an Arrow batch is damaged: %s", reason.message);
    return RHEI_OK;
}

rhei_status arrow_cursor_next(struct arrow_cursor *cursor, struct rhei_error *error)
{
    cursor->row++;
    while (cursor->ended == RHEI_OK && (cursor->batch.release == NULL || cursor->row >= cursor->view.length)) {
        rhei_status stopped = cursor->check == NULL ? RHEI_OK : cursor->check(cursor->check_context);
        if (stopped != RHEI_OK) {
            cursor->row--; /* a later call asks for the same batch */
            return error_set(error, stopped, "the stream was left before its next batch");
        }
        cursor->ended = next_batch(cursor, &cursor->failure);
        cursor->row = 0;
    }
    if (cursor->ended == RHEI_OK)
        return RHEI_ROW;
    if (cursor->ended != RHEI_DONE && error != NULL && error->code == RHEI_OK)
        *error = cursor->failure;
    return cursor->ended;
}

rhei_status arrow_cursor_value(struct arrow_cursor *cursor, uint32_t column, struct rhei_value *out,
                               struct rhei_error *error)
{
    return arrow_cursor_value_at(cursor, column, 0, out, error);
}

rhei_status arrow_cursor_value_at(struct arrow_cursor *cursor, uint32_t column, int64_t ahead, struct rhei_value *out,
                                  struct rhei_error *error)
{
    int64_t row = cursor->row + ahead;
    if (column >= cursor->root.child_count || cursor->batch.release == NULL || row >= cursor->view.length)
        return error_set(
            error, RHEI_INTERNAL,
            "column %u of row %" PRId64 " is none of the %u columns and %" PRId64 " rows of this Arrow batch", column,
            row, cursor->root.child_count, cursor->batch.release == NULL ? 0 : cursor->view.length);
    return arrow_node_value(&cursor->root.children[column], cursor->view.children[column], cursor->view.offset + row,
                            &cursor->scratch[column], out, error);
}

/* ---- Many rows. -------------------------------------------------------------------------------------------------- */

int64_t arrow_cursor_rows_left(const struct arrow_cursor *cursor)
{
    return cursor->batch.release == NULL ? 0 : cursor->view.length - cursor->row;
}

void arrow_cursor_skip(struct arrow_cursor *cursor, int64_t count)
{
    cursor->row += count - 1;
}

static bool node_lends(const struct arrow_node *node)
{
    if (node->dictionary != NULL)
        return false;
    switch (node->type.type) {
    case NANOARROW_TYPE_DENSE_UNION:
    case NANOARROW_TYPE_SPARSE_UNION:
        for (uint32_t i = 0; i < node->child_count; i++)
            if (!node_lends(&node->children[i]))
                return false;
        return true;
    case NANOARROW_TYPE_NA:
    case NANOARROW_TYPE_BOOL:
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_INT64:
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_UINT32:
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW:
        return true;
    default:
        return false;
    }
}

bool arrow_cursor_lends(const struct arrow_cursor *cursor, uint32_t column)
{
    return node_lends(&cursor->root.children[column]);
}

/* The three layouts that nearly all columns have, without a look at the type for each cell. */
static void fill_numbers(const struct ArrowArrayView *view, int64_t row, int64_t count, struct rhei_value *out,
                         size_t stride)
{
    const int64_t *values = view->buffer_views[1].data.as_int64 + view->offset + row;
    uint8_t type = view->storage_type == NANOARROW_TYPE_DOUBLE ? RHEI_REAL : RHEI_INTEGER;
    for (int64_t i = 0; i < count; i++, out += stride) {
        out->as.integer = values[i]; /* a double's bits, too */
        out->length = 0;
        out->type = type;
    }
}

static bool has_wide_offsets(const struct ArrowArrayView *view)
{
    return view->storage_type == NANOARROW_TYPE_LARGE_STRING || view->storage_type == NANOARROW_TYPE_LARGE_BINARY;
}

/* Texts and BLOBs whose lengths fit, all of them together, and so each. */
static bool has_short_bytes(const struct ArrowArrayView *view)
{
    int64_t most = view->buffer_views[2].size_bytes;
    return most >= 0 && most <= INT32_MAX;
}

/* One text or BLOB, at its place in the buffers. False: it is damaged. */
static inline bool take_bytes(const struct ArrowArrayView *view, int64_t place, bool wide, uint8_t type,
                              struct rhei_value *out)
{
    const int64_t *wide_offsets = view->buffer_views[1].data.as_int64;
    const int32_t *offsets = view->buffer_views[1].data.as_int32;
    int64_t from = wide ? wide_offsets[place] : offsets[place];
    int64_t to = wide ? wide_offsets[place + 1] : offsets[place + 1], most = view->buffer_views[2].size_bytes;
    out->as.bytes = view->buffer_views[2].data.as_char + from;
    out->length = (uint32_t)(to - from);
    out->type = type;
    return from >= 0 && to >= from && (most < 0 || to <= most);
}

static uint8_t bytes_type(const struct ArrowArrayView *view)
{
    bool text = view->storage_type == NANOARROW_TYPE_STRING || view->storage_type == NANOARROW_TYPE_LARGE_STRING;
    return text ? RHEI_TEXT : RHEI_BLOB;
}

/* False: the cell *bad is damaged. */
static bool fill_bytes(const struct ArrowArrayView *view, int64_t row, int64_t count, struct rhei_value *out,
                       size_t stride, int64_t *bad)
{
    bool wide = has_wide_offsets(view);
    uint8_t type = bytes_type(view);
    for (int64_t i = 0; i < count; i++, out += stride) {
        if (!take_bytes(view, view->offset + row + i, wide, type, out)) {
            *bad = i;
            return false;
        }
    }
    return true;
}

/* A member's cell, if that is of a layout known here. */
static bool take_member(const struct ArrowArrayView *view, int64_t row, struct rhei_value *out)
{
    const uint8_t *valid = view->buffer_views[0].data.as_uint8;
    int64_t place = view->offset + row;
    if (row < 0 || row >= view->length)
        return false;
    switch (view->storage_type) {
    case NANOARROW_TYPE_NA:
        *out = (struct rhei_value){.type = RHEI_NULL};
        return true;
    case NANOARROW_TYPE_INT64:
    case NANOARROW_TYPE_DOUBLE:
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
        if (valid != NULL && !ArrowBitGet(valid, place)) {
            *out = (struct rhei_value){.type = RHEI_NULL};
            return true;
        }
        break;
    default:
        return false;
    }
    if (view->storage_type == NANOARROW_TYPE_STRING || view->storage_type == NANOARROW_TYPE_LARGE_STRING)
        return has_short_bytes(view) && take_bytes(view, place, has_wide_offsets(view), RHEI_TEXT, out);
    out->as.integer = view->buffer_views[1].data.as_int64[place]; /* a double's bits, too */
    out->length = 0;
    out->type = view->storage_type == NANOARROW_TYPE_DOUBLE ? RHEI_REAL : RHEI_INTEGER;
    return true;
}

/* A cell of a union, if it is sound and of a member known here. */
static bool take_union(const struct ArrowArrayView *view, int64_t row, struct rhei_value *out)
{
    if (view->storage_type != NANOARROW_TYPE_DENSE_UNION || view->buffer_views[0].data.as_int8[view->offset + row] < 0)
        return false;
    int8_t child = ArrowArrayViewUnionChildIndex(view, row);
    return child >= 0 && child < view->n_children &&
           take_member(view->children[child], ArrowArrayViewUnionChildOffset(view, row), out);
}

static void fill_nulls(const struct ArrowArrayView *view, int64_t row, int64_t count, struct rhei_value *out,
                       size_t stride)
{
    const uint8_t *valid = view->buffer_views[0].data.as_uint8;
    if (valid == NULL || view->null_count == 0)
        return;
    for (int64_t i = 0; i < count; i++)
        if (!ArrowBitGet(valid, view->offset + row + i))
            out[(size_t)i * stride] = (struct rhei_value){.type = RHEI_NULL};
}

rhei_status arrow_cursor_fill(struct arrow_cursor *cursor, uint32_t column, int64_t ahead, int64_t count,
                              struct rhei_value *out, size_t stride, int64_t *bad, struct rhei_error *error)
{
    const struct ArrowArrayView *view = cursor->view.children[column];
    int64_t row = cursor->view.offset + cursor->row + ahead;
    bool sound = true;
    *bad = 0;
    if (row < 0 || row + count > view->length)
        return error_set(error, RHEI_IO, "an Arrow batch is damaged: a column has fewer rows than the batch");
    bool numbers = view->storage_type == NANOARROW_TYPE_INT64 || view->storage_type == NANOARROW_TYPE_DOUBLE;
    bool bytes = view->storage_type == NANOARROW_TYPE_STRING || view->storage_type == NANOARROW_TYPE_BINARY;
    if (numbers) {
        fill_numbers(view, row, count, out, stride);
    } else if (bytes || (has_wide_offsets(view) && has_short_bytes(view))) {
        sound = fill_bytes(view, row, count, out, stride, bad);
    } else {
        for (int64_t i = 0; i < count; i++) {
            if (take_union(view, row + i, &out[(size_t)i * stride]))
                continue;
            rhei_status status = arrow_cursor_value_at(cursor, column, ahead + i, &out[(size_t)i * stride], error);
            if (status != RHEI_OK) {
                *bad = i;
                return status;
            }
        }
        return RHEI_OK;
    }
    if (!sound)
        return error_set(error, RHEI_IO, "an Arrow batch is damaged: an index points outside its values");
    fill_nulls(view, row, count, out, stride);
    return RHEI_OK;
}
