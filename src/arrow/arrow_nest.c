/* SPDX-License-Identifier: Apache-2.0 */
#include "arrow/arrow_nest.h"

#include "arrow_column.h"
#include "base/base_error.h"

void arrow_nest_release(struct ArrowSchema *schema, struct ArrowArray *array)
{
    if (schema->release != NULL)
        ArrowSchemaRelease(schema);
    if (array->release != NULL)
        ArrowArrayRelease(array);
}

/* The same struct with room for one more child, as its last; what `schema` had is moved there. */
static int nest_schema(struct ArrowSchema *schema, const char *name, struct ArrowSchema *inner)
{
    struct ArrowSchema wider;
    int64_t count = schema->n_children;
    ArrowSchemaInit(&wider);
    int failure = ArrowSchemaSetFormat(&wider, "+s");
    if (failure == NANOARROW_OK)
        failure = ArrowSchemaSetMetadata(&wider, schema->metadata);
    if (failure == NANOARROW_OK)
        failure = ArrowSchemaSetName(inner, name);
    if (failure == NANOARROW_OK)
        failure = ArrowSchemaAllocateChildren(&wider, count + 1);
    if (failure != NANOARROW_OK) {
        ArrowSchemaRelease(&wider);
        return failure;
    }
    wider.flags = schema->flags;
    for (int64_t i = 0; i < count; i++)
        ArrowSchemaMove(schema->children[i], wider.children[i]);
    inner->flags |= ARROW_FLAG_NULLABLE;
    ArrowSchemaMove(inner, wider.children[count]);
    ArrowSchemaRelease(schema);
    ArrowSchemaMove(&wider, schema);
    return NANOARROW_OK;
}

static int nest_valid(struct ArrowArray *inner, const uint8_t *valid)
{
    struct ArrowBitmap bits;
    ArrowBitmapInit(&bits);
    arrow_buffer_init(&bits.buffer);
    int failure = ArrowBitmapReserve(&bits, inner->length);
    int64_t nulls = 0;
    for (int64_t i = 0; i < inner->length && failure == NANOARROW_OK; i++) {
        ArrowBitmapAppendUnsafe(&bits, valid[i], 1);
        nulls += valid[i] == 0;
    }
    if (failure == NANOARROW_OK && nulls > 0)
        ArrowArraySetValidityBitmap(inner, &bits);
    ArrowBitmapReset(&bits);
    inner->null_count = nulls;
    return failure;
}

static int nest_array(struct ArrowArray *array, struct ArrowArray *inner)
{
    struct ArrowArray wider;
    int64_t count = array->n_children;
    int failure = ArrowArrayInitFromType(&wider, NANOARROW_TYPE_STRUCT);
    if (failure != NANOARROW_OK)
        return failure;
    failure = ArrowArrayAllocateChildren(&wider, count + 1);
    if (failure != NANOARROW_OK) {
        ArrowArrayRelease(&wider);
        return failure;
    }
    wider.length = array->length;
    wider.null_count = 0;
    for (int64_t i = 0; i < count; i++)
        ArrowArrayMove(array->children[i], wider.children[i]);
    ArrowArrayMove(inner, wider.children[count]);
    ArrowArrayRelease(array);
    ArrowArrayMove(&wider, array);
    return NANOARROW_OK;
}

rhei_status arrow_nest(struct ArrowSchema *schema, struct ArrowArray *array, const char *name,
                       struct ArrowSchema *inner_schema, struct ArrowArray *inner_array, const uint8_t *valid,
                       struct rhei_error *error)
{
    int failure = inner_array->length == array->length ? NANOARROW_OK : EINVAL;
    if (failure == NANOARROW_OK)
        failure = nest_valid(inner_array, valid);
    if (failure == NANOARROW_OK)
        failure = nest_schema(schema, name, inner_schema);
    if (failure == NANOARROW_OK)
        failure = nest_array(array, inner_array);
    if (failure == NANOARROW_OK)
        return RHEI_OK;
    arrow_nest_release(inner_schema, inner_array);
    return failure == ENOMEM ? error_no_memory(error)
                             : error_set(error, RHEI_INTERNAL, "a batch of %lld rows can't be a column of one of %lld",
                                         (long long)inner_array->length, (long long)array->length);
}
