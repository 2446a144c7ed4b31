/* SPDX-License-Identifier: Apache-2.0 */
/* A stream read to its end, whose batches wait in memory. */
#include <nanoarrow/nanoarrow.h>

#include "arrow/arrow_stream.h"
#include "base/base_error.h"
#include "base/base_memory.h"

struct kept {
    struct ArrowSchema schema;
    struct ArrowArray *batches;
    size_t count, capacity, next;
};

static void kept_release(void *context)
{
    struct kept *kept = context;
    if (kept->schema.release != NULL)
        kept->schema.release(&kept->schema);
    for (size_t i = kept->next; i < kept->count; i++)
        kept->batches[i].release(&kept->batches[i]);
    base_free(kept->batches);
    base_free(kept);
}

static rhei_status kept_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct kept *kept = context;
    return ArrowSchemaDeepCopy(&kept->schema, out) == NANOARROW_OK ? RHEI_OK : error_no_memory(error);
}

static rhei_status kept_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct kept *kept = context;
    (void)error;
    if (kept->next == kept->count)
        return RHEI_DONE;
    *out = kept->batches[kept->next++];
    return RHEI_OK;
}

static rhei_status read_batches(struct kept *kept, struct ArrowArrayStream *stream, struct rhei_error *error)
{
    int code = stream->get_schema(stream, &kept->schema);
    while (code == 0) {
        if (!base_grow((void **)&kept->batches, &kept->capacity, kept->count + 1, sizeof *kept->batches))
            return error_no_memory(error);
        code = stream->get_next(stream, &kept->batches[kept->count]);
        if (code == 0 && kept->batches[kept->count].release == NULL)
            return RHEI_OK;
        kept->count += code == 0;
    }
    return arrow_stream_error(stream, code, error);
}

rhei_status arrow_keep_stream(struct ArrowArrayStream *stream, struct ArrowArrayStream *out, struct rhei_error *error)
{
    struct kept *kept = base_alloc_zero(1, sizeof *kept);
    rhei_status status = kept == NULL ? error_no_memory(error) : read_batches(kept, stream, error);
    stream->release(stream);
    if (status == RHEI_OK) {
        struct arrow_batch_source source = {kept_schema, kept_next, kept_release, kept};
        return arrow_batch_stream(&source, out, error);
    }
    if (kept != NULL)
        kept_release(kept);
    return status;
}
