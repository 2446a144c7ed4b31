/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows into batches. The source is asked for a row only when the builder can take one or when the first batch is full
 * (to know whether it was all), so at most one row waits: `row`, whose bytes the source keeps until its next call.
 */
#include <nanoarrow/nanoarrow.h>
#include <string.h>

#include "arrow/arrow_stream.h"
#include "base/base_error.h"
#include "base/base_memory.h"

struct row_stream {
    struct arrow_row_source source;
    struct arrow_builder *builder;
    struct rhei_value *row;
    bool row_waits;
    bool ended;       /* the source has no more rows, or failed; it was released */
    bool first_waits; /* the builder holds the first batch, read when the stream was made */
    size_t batch_rows, batch_bytes;
    struct ArrowSchema schema;
};

static void release_source(struct row_stream *self)
{
    if (!self->ended && self->source.release != NULL)
        self->source.release(self->source.context);
    self->ended = true;
    self->row_waits = false;
}

static rhei_status fetch_row(struct row_stream *self, struct rhei_error *error)
{
    rhei_status status = self->source.next(self->source.context, self->row, error);
    if (status == RHEI_ROW)
        self->row_waits = true;
    else
        release_source(self);
    return status == RHEI_ROW || status == RHEI_DONE ? RHEI_OK : status;
}

static bool batch_is_full(const struct row_stream *self)
{
    return arrow_builder_rows(self->builder) >= self->batch_rows ||
           arrow_builder_bytes(self->builder) >= self->batch_bytes;
}

/* Fills the builder with one batch. */
static rhei_status fill_batch(struct row_stream *self, struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    while (status == RHEI_OK && !self->ended && !batch_is_full(self)) {
        if (!self->row_waits)
            status = fetch_row(self, error);
        if (status != RHEI_OK || !self->row_waits)
            continue;
        status = arrow_builder_append(self->builder, self->row, error);
        if (status == RHEI_TOO_BIG && arrow_builder_rows(self->builder) > 0)
            return RHEI_OK; /* the row opens the next batch */
        self->row_waits = false;
    }
    return status;
}

static rhei_status row_stream_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct row_stream *self = context;
    return ArrowSchemaDeepCopy(&self->schema, out) == NANOARROW_OK ? RHEI_OK : error_no_memory(error);
}

static rhei_status row_stream_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct row_stream *self = context;
    rhei_status status = self->first_waits ? RHEI_OK : fill_batch(self, error);
    self->first_waits = false;
    if (status != RHEI_OK) {
        release_source(self);
        return status;
    }
    if (arrow_builder_rows(self->builder) == 0)
        return RHEI_DONE;
    return arrow_builder_finish(self->builder, out, error);
}

static void row_stream_release(void *context)
{
    struct row_stream *self = context;
    release_source(self);
    arrow_builder_free(&self->builder);
    if (self->schema.release != NULL)
        self->schema.release(&self->schema);
    base_free(self->row);
    base_free(self);
}

/* Classes of the rows behind the first batch; the source stands behind that batch again. */
static rhei_status look_ahead(struct row_stream *self, uint8_t *seen, struct rhei_error *error)
{
    self->row_waits = false;
    return self->source.survey(self->source.context, arrow_builder_rows(self->builder), seen, error);
}

static void ask_usual(struct row_stream *self, const struct arrow_row_options *options, const uint8_t *seen)
{
    for (uint32_t c = 0; options->usual != NULL && c < options->columns.count; c++)
        if (seen[c] == 0 && arrow_builder_lacks_values(self->builder, c))
            arrow_builder_set_usual(self->builder, c, options->usual(options->usual_context, c));
}

static rhei_status fix_types(struct row_stream *self, const struct arrow_row_options *options, struct rhei_error *error)
{
    if (!self->ended && (self->source.survey == NULL || !arrow_builder_is_open(self->builder)))
        return arrow_builder_fix(self->builder, false, error);
    uint8_t *seen = base_alloc_zero((size_t)options->columns.count + 1, sizeof *seen);
    if (seen == NULL)
        return error_no_memory(error);
    rhei_status status = self->ended ? RHEI_OK : look_ahead(self, seen, error);
    if (status == RHEI_OK) {
        ask_usual(self, options, seen);
        status = arrow_builder_fix_seen(self->builder, seen, error);
    }
    base_free(seen);
    return status;
}

static rhei_status open_rows(struct row_stream *self, const struct arrow_row_options *options, struct rhei_error *error)
{
    self->batch_rows = options->batch_rows == 0 ? ARROW_BATCH_ROWS : options->batch_rows;
    self->batch_bytes = options->batch_bytes == 0 ? ARROW_BATCH_BYTES : options->batch_bytes;
    self->row = base_alloc_zero(options->columns.count, sizeof *self->row);
    if (self->row == NULL)
        return error_no_memory(error);
    rhei_status status = arrow_builder_new(&options->columns, &self->builder, error);
    if (status == RHEI_OK)
        status = fill_batch(self, error);
    if (status == RHEI_OK && !self->ended && !self->row_waits)
        status = fetch_row(self, error);
    if (status == RHEI_OK)
        status = fix_types(self, options, error);
    self->first_waits = true;
    if (status != RHEI_OK)
        return status;
    char *metadata;
    status = arrow_metadata_encode(NULL, options->pairs, options->pair_count, &metadata, NULL, error);
    if (status == RHEI_OK)
        status = arrow_builder_schema(self->builder, metadata, &self->schema, error);
    base_free(metadata);
    return status;
}

rhei_status arrow_row_stream(const struct arrow_row_source *source, const struct arrow_row_options *options,
                             struct ArrowArrayStream *out, struct rhei_error *error)
{
    memset(out, 0, sizeof *out);
    struct row_stream *self = base_alloc_zero(1, sizeof *self);
    if (self == NULL) {
        if (source->release != NULL)
            source->release(source->context);
        return error_no_memory(error);
    }
    self->source = *source;
    rhei_status status = open_rows(self, options, error);
    if (status != RHEI_OK) {
        row_stream_release(self);
        return status;
    }
    struct arrow_batch_source batches = {row_stream_schema, row_stream_next, row_stream_release, self};
    return arrow_batch_stream(&batches, out, error);
}
