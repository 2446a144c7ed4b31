/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream whose columns without any value get the type that is usual for them. Batches are held back until every column in
 * question has shown a value or the stream has ended; mostly the first batch tells.
 */
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "arrow/arrow_stream.h"
#include "base/base_error.h"
#include "base/base_memory.h"

struct settle_stream {
    struct ArrowArrayStream inner;
    struct ArrowSchema schema;
    uint8_t *usual; /* [columns] class to become, RHEI_NULL: stays */
    bool strings_view;
    struct ArrowArray *held;
    size_t held_count, held_capacity, held_next;
};

static enum ArrowType type_of(uint8_t class, bool strings_view)
{
    switch (class) {
    case RHEI_REAL:
        return NANOARROW_TYPE_DOUBLE;
    case RHEI_TEXT:
        return strings_view ? NANOARROW_TYPE_STRING_VIEW : NANOARROW_TYPE_STRING;
    case RHEI_BLOB:
        return NANOARROW_TYPE_BINARY;
    default:
        return NANOARROW_TYPE_INT64;
    }
}

static bool has_type(const struct ArrowSchema *schema, uint8_t class, bool strings_view)
{
    struct ArrowSchemaView view;
    return ArrowSchemaViewInit(&view, schema, NULL) == NANOARROW_OK && view.type == type_of(class, strings_view);
}

/* ---- Reading ahead. --------------------------------------------------------------------------------------------------- */

static size_t view_bytes(const struct ArrowArrayView *view)
{
    size_t bytes = 0;
    for (int i = 0; i < NANOARROW_MAX_FIXED_BUFFERS; i++)
        bytes += view->buffer_views[i].size_bytes > 0 ? (size_t)view->buffer_views[i].size_bytes : 0;
    for (int64_t c = 0; c < view->n_children; c++)
        bytes += view_bytes(view->children[c]);
    return bytes;
}

/* Columns with a value in this batch are settled as they are. */
static void look_at(struct settle_stream *self, const struct ArrowArrayView *view, uint32_t *open)
{
    for (int64_t c = 0; c < view->n_children; c++) {
        if (self->usual[c] == RHEI_NULL || (self->usual[c] & ARROW_SURELY_NULL) != 0 ||
            ArrowArrayViewComputeNullCount(view->children[c]) == view->children[c]->length)
            continue;
        self->usual[c] = RHEI_NULL;
        *open -= 1;
    }
}

static rhei_status hold(struct settle_stream *self, struct ArrowArray *batch, struct rhei_error *error)
{
    void *held = self->held;
    if (self->held_count == self->held_capacity &&
        !base_grow(&held, &self->held_capacity, self->held_count + 1, sizeof *self->held)) {
        batch->release(batch);
        return error_no_memory(error);
    }
    self->held = held;
    self->held[self->held_count++] = *batch;
    return RHEI_OK;
}

static rhei_status read_ahead(struct settle_stream *self, uint32_t open, size_t most_bytes, struct rhei_error *error)
{
    struct ArrowArrayView view;
    if (ArrowArrayViewInitFromSchema(&view, &self->schema, NULL) != NANOARROW_OK)
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    size_t bytes = 0;
    while (open > 0 && status == RHEI_OK) {
        struct ArrowArray batch = {.release = NULL};
        int failure = self->inner.get_next(&self->inner, &batch);
        if (failure != 0) {
            status = arrow_stream_error(&self->inner, failure, error);
            break;
        }
        if (batch.release == NULL)
            break;
        status = hold(self, &batch, error);
        struct ArrowError reason = {""};
        if (status == RHEI_OK &&
            ArrowArrayViewSetArray(&view, &self->held[self->held_count - 1], &reason) != NANOARROW_OK)
            status = error_set(error, RHEI_INTERNAL, "a result batch is not well-formed: %s", reason.message);
        if (status != RHEI_OK)
            break;
        look_at(self, &view, &open);
        bytes += view_bytes(&view);
        if (open > 0 && bytes > most_bytes)
            status = error_set(error, RHEI_MEMORY_LIMIT,
                               "a column's type shows only behind more rows than may be held in memory");
    }
    ArrowArrayViewReset(&view);
    return status;
}

/* ---- Batches. --------------------------------------------------------------------------------------------------------- */

static int make_nulls(struct ArrowArray *child, uint8_t class, bool strings_view)
{
    struct ArrowArray nulls;
    int64_t length = child->length;
    NANOARROW_RETURN_NOT_OK(ArrowArrayInitFromType(&nulls, type_of(class, strings_view)));
    int failure = ArrowArrayStartAppending(&nulls);
    if (failure == NANOARROW_OK)
        failure = ArrowArrayAppendNull(&nulls, length);
    if (failure == NANOARROW_OK)
        failure = ArrowArrayFinishBuildingDefault(&nulls, NULL);
    if (failure != NANOARROW_OK) {
        ArrowArrayRelease(&nulls);
        return failure;
    }
    child->release(child);
    *child = nulls;
    return NANOARROW_OK;
}

static rhei_status settle_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct settle_stream *self = context;
    if (self->held_next < self->held_count) {
        *out = self->held[self->held_next];
        self->held[self->held_next++].release = NULL;
    } else {
        int failure = self->inner.get_next(&self->inner, out);
        if (failure != 0)
            return arrow_stream_error(&self->inner, failure, error);
    }
    if (out->release == NULL)
        return RHEI_DONE;
    for (int64_t c = 0; c < out->n_children; c++)
        if (self->usual[c] != RHEI_NULL && make_nulls(out->children[c], self->usual[c], self->strings_view) != 0) {
            out->release(out);
            return error_no_memory(error);
        }
    return RHEI_OK;
}

static rhei_status settle_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct settle_stream *self = context;
    return ArrowSchemaDeepCopy(&self->schema, out) == NANOARROW_OK ? RHEI_OK : error_no_memory(error);
}

static void settle_release(void *context)
{
    struct settle_stream *self = context;
    for (size_t i = self->held_next; i < self->held_count; i++)
        if (self->held[i].release != NULL)
            self->held[i].release(&self->held[i]);
    base_free(self->held);
    if (self->inner.release != NULL)
        self->inner.release(&self->inner);
    if (self->schema.release != NULL)
        self->schema.release(&self->schema);
    base_free(self->usual);
    base_free(self);
}

/* ---- The call. -------------------------------------------------------------------------------------------------------- */

static int retype(struct ArrowSchema *column, uint8_t class, bool strings_view)
{
    struct ArrowSchema made;
    NANOARROW_RETURN_NOT_OK(ArrowSchemaInitFromType(&made, type_of(class, strings_view)));
    int failure = ArrowSchemaSetName(&made, column->name);
    if (failure == NANOARROW_OK)
        failure = ArrowSchemaSetMetadata(&made, column->metadata);
    made.flags = column->flags;
    if (failure != NANOARROW_OK) {
        ArrowSchemaRelease(&made);
        return failure;
    }
    column->release(column);
    *column = made;
    return NANOARROW_OK;
}

static rhei_status settle_open(struct settle_stream *self, const uint8_t *usual, uint32_t count, size_t most_bytes,
                               struct rhei_error *error)
{
    int failure = self->inner.get_schema(&self->inner, &self->schema);
    if (failure != 0) {
        self->schema.release = NULL;
        return arrow_stream_error(&self->inner, failure, error);
    }
    self->usual = base_alloc_zero((size_t)self->schema.n_children + 1, 1);
    if (self->usual == NULL)
        return error_no_memory(error);
    uint32_t open = 0;
    for (int64_t c = 0; c < self->schema.n_children && c < count; c++) {
        uint8_t class = (uint8_t)(usual[c] & ~(unsigned)ARROW_SURELY_NULL);
        if (class == RHEI_NULL || has_type(self->schema.children[c], class, self->strings_view))
            continue;
        self->usual[c] = usual[c];
        open += class == usual[c];
    }
    rhei_status status = open == 0 ? RHEI_OK : read_ahead(self, open, most_bytes, error);
    for (int64_t c = 0; c < self->schema.n_children; c++)
        self->usual[c] &= (uint8_t) ~(unsigned)ARROW_SURELY_NULL;
    for (int64_t c = 0; status == RHEI_OK && c < self->schema.n_children; c++)
        if (self->usual[c] != RHEI_NULL && retype(self->schema.children[c], self->usual[c], self->strings_view) != 0)
            status = error_no_memory(error);
    return status;
}

rhei_status arrow_settle_stream(struct ArrowArrayStream *inner, const uint8_t *usual, uint32_t count, bool strings_view,
                                size_t most_bytes, struct ArrowArrayStream *out, struct rhei_error *error)
{
    struct ArrowArrayStream taken = *inner;
    memset(inner, 0, sizeof *inner);
    memset(out, 0, sizeof *out);
    struct settle_stream *self = base_alloc_zero(1, sizeof *self);
    if (self == NULL) {
        taken.release(&taken);
        return error_no_memory(error);
    }
    self->inner = taken;
    self->strings_view = strings_view;
    rhei_status status = settle_open(self, usual, count, most_bytes, error);
    if (status != RHEI_OK) {
        settle_release(self);
        return status;
    }
    struct arrow_batch_source source = {settle_schema, settle_next, settle_release, self};
    return arrow_batch_stream(&source, out, error);
}
