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
    if (column >= cursor->root.child_count || cursor->batch.release == NULL || cursor->row >= cursor->view.length)
        return error_set(
            error, RHEI_INTERNAL,
            "column %u of row %" PRId64 " is none of the %u columns and %" PRId64 " rows of this Arrow batch", column,
            cursor->row, cursor->root.child_count, cursor->batch.release == NULL ? 0 : cursor->view.length);
    return arrow_node_value(&cursor->root.children[column], cursor->view.children[column],
                            cursor->view.offset + cursor->row, &cursor->scratch[column], out, error);
}
