/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream around another one. Columns that stay as they are are moved from the inner batch to the outer one, with
 * their buffers; converted ones get buffers of their own.
 */
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "arrow/arrow_stream.h"
#include "arrow_column.h"
#include "base/base_error.h"
#include "base/base_memory.h"

enum wrap_action { WRAP_MOVE, WRAP_INTEGER, WRAP_DECIMAL, WRAP_REAL };

struct wrap_column {
    uint8_t action;
    int32_t decimal_bits;
    struct ArrowArrayView view; /* for conversions; of the column's own type */
};

struct wrap_stream {
    struct ArrowArrayStream inner;
    void (*hook)(void *context);
    void *hook_context;
    struct ArrowSchema schema; /* the outer one */
    uint32_t inner_count;
    uint32_t column_count;
    struct wrap_column *columns;
    bool pass_through; /* batches are handed on as they are */
};

/* ---- Conversion --------------------------------------------------------------------------------------------------- */

/* False when the value is beyond int64. */
static bool decimal_to_int64(const struct ArrowArrayView *view, int64_t row, int32_t bits, int64_t *out)
{
    struct ArrowDecimal decimal;
    ArrowDecimalInit(&decimal, bits, 38, 0);
    ArrowArrayViewGetDecimalUnsafe(view, row, &decimal);
    *out = ArrowDecimalGetIntUnsafe(&decimal);
    uint64_t sign = *out < 0 ? UINT64_MAX : 0;
    for (int i = 0; i < decimal.n_words; i++)
        if (i != decimal.low_word_index && decimal.words[i] != sign)
            return false;
    return true;
}

static bool integer_to_int64(const struct ArrowArrayView *view, int64_t row, int64_t *out)
{
    if (view->storage_type == NANOARROW_TYPE_UINT64) {
        uint64_t value = ArrowArrayViewGetUIntUnsafe(view, row);
        *out = (int64_t)value;
        return value <= INT64_MAX;
    }
    *out = ArrowArrayViewGetIntUnsafe(view, row);
    return true;
}

/* `values` is int64_t or double, 8 bytes each, as many as the view's length. */
static rhei_status convert_values(const struct wrap_column *column, void *values, const char *name,
                                  struct rhei_error *error)
{
    const struct ArrowArrayView *view = &column->view;
    int64_t *integers = values;
    double *reals = values;
    for (int64_t row = 0; row < view->length; row++) {
        bool fits = true;
        if (ArrowArrayViewIsNull(view, row))
            integers[row] = 0;
        else if (column->action == WRAP_REAL)
            reals[row] = ArrowArrayViewGetDoubleUnsafe(view, row);
        else if (column->action == WRAP_DECIMAL)
            fits = decimal_to_int64(view, row, column->decimal_bits, &integers[row]);
        else
            fits = integer_to_int64(view, row, &integers[row]);
        if (!fits)
            return error_set(error, RHEI_SQL, "integer overflow: column \"%s\" has a value beyond 64 bits",
                             name == NULL ? "" : name);
    }
    return RHEI_OK;
}

static int copy_validity(const struct ArrowArrayView *view, struct ArrowArray *out)
{
    out->null_count = ArrowArrayViewComputeNullCount(view);
    if (out->null_count == 0)
        return NANOARROW_OK;
    struct ArrowBitmap valid;
    ArrowBitmapInit(&valid);
    arrow_buffer_init(&valid.buffer);
    int failure = ArrowBitmapReserve(&valid, view->length);
    for (int64_t row = 0; failure == NANOARROW_OK && row < view->length; row++)
        ArrowBitmapAppendUnsafe(&valid, ArrowArrayViewIsNull(view, row) == 0, 1);
    int64_t null_count = out->null_count;
    if (failure == NANOARROW_OK)
        ArrowArraySetValidityBitmap(out, &valid);
    else
        ArrowBitmapReset(&valid);
    out->null_count = null_count;
    return failure;
}

static rhei_status convert_column(struct wrap_column *column, const struct ArrowArray *in, const char *name,
                                  struct ArrowArray *out, struct rhei_error *error)
{
    struct ArrowError reason = {""};
    if (ArrowArrayViewSetArray(&column->view, in, &reason) != NANOARROW_OK)
        return error_set(error, RHEI_INTERNAL, "a result batch is not well-formed: %s", reason.message);
    enum ArrowType type = column->action == WRAP_REAL ? NANOARROW_TYPE_DOUBLE : NANOARROW_TYPE_INT64;
    if (ArrowArrayInitFromType(out, type) != NANOARROW_OK)
        return error_no_memory(error);
    struct ArrowBuffer values;
    arrow_buffer_init(&values);
    int failure = ArrowBufferResize(&values, in->length * 8 + 8, 0); /* never empty: some readers refuse NULL */
    rhei_status status = RHEI_OK;
    if (failure == NANOARROW_OK)
        status = convert_values(column, values.data, name, error);
    values.size_bytes = failure == NANOARROW_OK ? in->length * 8 : 0;
    if (failure == NANOARROW_OK && status == RHEI_OK)
        failure = copy_validity(&column->view, out);
    if (failure == NANOARROW_OK && status == RHEI_OK)
        failure = ArrowArraySetBuffer(out, 1, &values);
    ArrowBufferReset(&values);
    out->length = in->length;
    if (failure != NANOARROW_OK)
        status = error_no_memory(error);
    if (status != RHEI_OK)
        ArrowArrayRelease(out);
    return status;
}

/* ---- Batches ------------------------------------------------------------------------------------------------------ */

static rhei_status wrap_batch(struct wrap_stream *self, struct ArrowArray *in, struct ArrowArray *out,
                              struct rhei_error *error)
{
    if (in->n_children != self->inner_count)
        return error_set(error, RHEI_INTERNAL, "a result batch has %lld columns instead of the schema's %u",
                         (long long)in->n_children, self->inner_count);
    if (ArrowArrayInitFromType(out, NANOARROW_TYPE_STRUCT) != NANOARROW_OK)
        return error_no_memory(error);
    rhei_status status = RHEI_OK;
    if (ArrowArrayAllocateChildren(out, self->column_count) != NANOARROW_OK)
        status = error_no_memory(error);
    for (uint32_t i = 0; status == RHEI_OK && i < self->column_count; i++) {
        if (self->columns[i].action == WRAP_MOVE)
            ArrowArrayMove(in->children[i], out->children[i]);
        else
            status = convert_column(&self->columns[i], in->children[i], self->schema.children[i]->name,
                                    out->children[i], error);
    }
    out->length = in->length;
    out->offset = in->offset;
    out->null_count = 0;
    if (status != RHEI_OK)
        ArrowArrayRelease(out);
    return status;
}

static rhei_status wrap_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct wrap_stream *self = context;
    struct ArrowArray batch = {.release = NULL};
    int failure = self->inner.get_next(&self->inner, &batch);
    if (failure != 0)
        return arrow_stream_error(&self->inner, failure, error);
    if (batch.release == NULL)
        return RHEI_DONE;
    if (self->pass_through) {
        *out = batch;
        return RHEI_OK;
    }
    rhei_status status = wrap_batch(self, &batch, out, error);
    ArrowArrayRelease(&batch);
    return status;
}

static rhei_status wrap_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct wrap_stream *self = context;
    return ArrowSchemaDeepCopy(&self->schema, out) == NANOARROW_OK ? RHEI_OK : error_no_memory(error);
}

static void wrap_release(void *context)
{
    struct wrap_stream *self = context;
    if (self->inner.release != NULL)
        self->inner.release(&self->inner);
    if (self->hook != NULL)
        self->hook(self->hook_context);
    for (uint32_t i = 0; self->columns != NULL && i < self->column_count; i++)
        if (self->columns[i].action != WRAP_MOVE)
            ArrowArrayViewReset(&self->columns[i].view);
    base_free(self->columns);
    if (self->schema.release != NULL)
        self->schema.release(&self->schema);
    base_free(self);
}

/* ---- Schema ------------------------------------------------------------------------------------------------------- */

static uint8_t choose_action(const struct ArrowSchemaView *view)
{
    switch (view->type) {
    case NANOARROW_TYPE_BOOL:
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_UINT32:
    case NANOARROW_TYPE_UINT64:
        return WRAP_INTEGER;
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
        return WRAP_REAL;
    case NANOARROW_TYPE_DECIMAL32:
    case NANOARROW_TYPE_DECIMAL64:
    case NANOARROW_TYPE_DECIMAL128:
    case NANOARROW_TYPE_DECIMAL256:
        return view->decimal_scale == 0 ? WRAP_DECIMAL : WRAP_MOVE;
    default:
        return WRAP_MOVE;
    }
}

/* The column's conversion and its outer schema. Returns an errno code. */
static int wrap_column_schema(struct wrap_column *column, const struct ArrowSchema *in, bool sqlite_numbers,
                              const char *name, struct ArrowSchema *out)
{
    struct ArrowSchemaView view;
    NANOARROW_RETURN_NOT_OK(ArrowSchemaViewInit(&view, in, NULL));
    uint8_t action = WRAP_MOVE;
    if (sqlite_numbers && in->dictionary == NULL)
        action = choose_action(&view);
    if (action == WRAP_MOVE) {
        NANOARROW_RETURN_NOT_OK(ArrowSchemaDeepCopy(in, out));
    } else {
        NANOARROW_RETURN_NOT_OK(
            ArrowSchemaInitFromType(out, action == WRAP_REAL ? NANOARROW_TYPE_DOUBLE : NANOARROW_TYPE_INT64));
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(out, in->name));
        out->flags = in->flags;
        NANOARROW_RETURN_NOT_OK(ArrowArrayViewInitFromSchema(&column->view, in, NULL));
        column->decimal_bits = view.decimal_bitwidth;
        column->action = action;
    }
    return name == NULL ? NANOARROW_OK : ArrowSchemaSetName(out, name);
}

static rhei_status wrap_columns(struct wrap_stream *self, const struct ArrowSchema *inner,
                                const struct arrow_wrap_options *options, struct rhei_error *error)
{
    self->columns = base_alloc_zero(self->column_count, sizeof *self->columns);
    if (self->columns == NULL)
        return error_no_memory(error);
    self->pass_through = self->column_count == self->inner_count;
    for (uint32_t i = 0; i < self->column_count; i++) {
        const char *name = options->names == NULL ? NULL : options->names[i];
        int failure = wrap_column_schema(&self->columns[i], inner->children[i], options->sqlite_numbers, name,
                                         self->schema.children[i]);
        if (failure == ENOMEM)
            return error_no_memory(error);
        if (failure != NANOARROW_OK)
            return error_set(error, RHEI_INTERNAL, "column %u of a result has the unknown Arrow type \"%s\"", i + 1,
                             inner->children[i]->format == NULL ? "" : inner->children[i]->format);
        self->pass_through = self->pass_through && self->columns[i].action == WRAP_MOVE;
    }
    return RHEI_OK;
}

static rhei_status wrap_open(struct wrap_stream *self, const struct ArrowSchema *inner,
                             const struct arrow_wrap_options *options, struct rhei_error *error)
{
    if (inner->format == NULL || strcmp(inner->format, "+s") != 0 || inner->n_children < options->keep)
        return error_set(error, RHEI_INTERNAL, "a result of %lld columns can't be cut to %u",
                         (long long)inner->n_children, options->keep);
    self->inner_count = (uint32_t)inner->n_children;
    self->column_count = options->keep == 0 ? self->inner_count : options->keep;
    ArrowSchemaInit(&self->schema);
    if (ArrowSchemaSetTypeStruct(&self->schema, self->column_count) != NANOARROW_OK)
        return error_no_memory(error);
    self->schema.flags = inner->flags;
    char *metadata;
    rhei_status status =
        arrow_metadata_encode(inner->metadata, options->pairs, options->pair_count, &metadata, NULL, error);
    if (status != RHEI_OK)
        return status;
    if (ArrowSchemaSetMetadata(&self->schema, metadata) != NANOARROW_OK)
        status = error_no_memory(error);
    base_free(metadata);
    return status == RHEI_OK ? wrap_columns(self, inner, options, error) : status;
}

rhei_status arrow_wrap_stream(struct ArrowArrayStream *inner, const struct arrow_wrap_options *options,
                              struct ArrowArrayStream *out, struct rhei_error *error)
{
    struct ArrowArrayStream taken = *inner;
    memset(inner, 0, sizeof *inner);
    memset(out, 0, sizeof *out);
    struct wrap_stream *self = base_alloc_zero(1, sizeof *self);
    if (self == NULL) {
        taken.release(&taken);
        if (options->release != NULL)
            options->release(options->context);
        return error_no_memory(error);
    }
    self->inner = taken;
    self->hook = options->release;
    self->hook_context = options->context;
    struct ArrowSchema schema = {.release = NULL};
    int failure = self->inner.get_schema(&self->inner, &schema);
    rhei_status status =
        failure == 0 ? wrap_open(self, &schema, options, error) : arrow_stream_error(&self->inner, failure, error);
    if (failure == 0)
        schema.release(&schema);
    if (status != RHEI_OK) {
        wrap_release(self);
        return status;
    }
    struct arrow_batch_source source = {wrap_schema, wrap_next, wrap_release, self};
    return arrow_batch_stream(&source, out, error);
}
