/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariant: total text and BLOB bytes of the batch stay below 2^31, or the batch has one row only; so 32-bit offsets
 * are enough in every column (one value has at most 2^31 - 1 bytes).
 */
#include "arrow/arrow_builder.h"

#include <string.h>

#include "arrow_column.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"

struct arrow_builder {
    uint32_t column_count;
    struct arrow_column *columns;
    char **names;
    uint8_t *usual;
    size_t rows;
    size_t text_bytes;
    bool looked_ahead; /* types come from a look at all rows, not from a proof */
};

static char *copy_name(const char *name)
{
    char *copy = base_strdup(name == NULL ? "" : name);
    if (copy != NULL)
        base_utf8_scrub(copy, strlen(copy));
    return copy;
}

rhei_status arrow_builder_new(const struct arrow_columns *columns, struct arrow_builder **builder,
                              struct rhei_error *error)
{
    *builder = NULL;
    struct arrow_builder *made = base_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return error_no_memory(error);
    made->columns = base_alloc_zero(columns->count, sizeof *made->columns);
    made->names = base_alloc_zero(columns->count, sizeof *made->names);
    made->usual = base_alloc_zero(columns->count, sizeof *made->usual);
    if (made->columns == NULL || made->names == NULL || made->usual == NULL) {
        arrow_builder_free(&made);
        return error_no_memory(error);
    }
    for (uint32_t i = 0; i < columns->count; i++) {
        uint8_t known = columns->known_class == NULL ? (uint8_t)RHEI_NULL : columns->known_class[i];
        arrow_column_init(&made->columns[i], known, columns->strings_view);
        made->column_count = i + 1;
        made->usual[i] = columns->usual_class == NULL ? (uint8_t)RHEI_NULL : columns->usual_class[i];
        made->names[i] = copy_name(columns->names == NULL ? NULL : columns->names[i]);
        if (made->names[i] == NULL) {
            arrow_builder_free(&made);
            return error_no_memory(error);
        }
    }
    *builder = made;
    return RHEI_OK;
}

void arrow_builder_free(struct arrow_builder **builder)
{
    if (builder == NULL || *builder == NULL)
        return;
    struct arrow_builder *old = *builder;
    for (uint32_t i = 0; i < old->column_count; i++) {
        arrow_column_reset(&old->columns[i]);
        base_free(old->names[i]);
    }
    base_free(old->columns);
    base_free(old->names);
    base_free(old->usual);
    base_free(old);
    *builder = NULL;
}

static size_t row_text_bytes(const struct rhei_value *row, uint32_t count)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        if (row[i].type == RHEI_TEXT || row[i].type == RHEI_BLOB)
            bytes += row[i].length;
    return bytes;
}

static rhei_status column_error(const struct arrow_builder *builder, uint32_t column, const struct rhei_value *value,
                                rhei_status status, struct rhei_error *error)
{
    static const char *const class_names[] = {"NULL", "INTEGER", "REAL", "TEXT", "BLOB"};
    if (status == RHEI_NO_MEMORY)
        return error_no_memory(error);
    if (builder->looked_ahead)
        return error_set(
            error, RHEI_UNSUPPORTED,
            "column \"%s\" (number %u) holds a value of class %s that it had not when all rows were looked at "
            "before: the statement gives other rows each time it runs. CAST the column, or read it row by row",
            builder->names[column], column + 1, class_names[value->type]);
    return error_set(error, status,
                     "column \"%s\" (number %u) holds a value of class %s against what was proven of it; please report "
                     "this defect",
                     builder->names[column], column + 1, class_names[value->type]);
}

rhei_status arrow_builder_append(struct arrow_builder *builder, const struct rhei_value *row, struct rhei_error *error)
{
    size_t bytes = row_text_bytes(row, builder->column_count);
    /* The rows too are counted by 32-bit offsets in a union. */
    if (builder->rows > 0 && (builder->text_bytes + bytes > INT32_MAX || builder->rows >= INT32_MAX))
        return RHEI_TOO_BIG;
    for (uint32_t i = 0; i < builder->column_count; i++) {
        rhei_status status = arrow_column_append(&builder->columns[i], &row[i]);
        if (status != RHEI_OK)
            return column_error(builder, i, &row[i], status, error);
    }
    builder->rows++;
    builder->text_bytes += bytes;
    return RHEI_OK;
}

size_t arrow_builder_rows(const struct arrow_builder *builder)
{
    return builder->rows;
}

size_t arrow_builder_bytes(const struct arrow_builder *builder)
{
    return builder->rows * builder->column_count * 8 + builder->text_bytes;
}

rhei_status arrow_builder_fix(struct arrow_builder *builder, bool whole, struct rhei_error *error)
{
    for (uint32_t i = 0; i < builder->column_count; i++)
        if (arrow_column_fix(&builder->columns[i], whole, builder->usual[i]) != RHEI_OK)
            return error_no_memory(error);
    return RHEI_OK;
}

rhei_status arrow_builder_fix_seen(struct arrow_builder *builder, const uint8_t *seen, struct rhei_error *error)
{
    builder->looked_ahead = true;
    for (uint32_t i = 0; i < builder->column_count; i++)
        if (arrow_column_fix_seen(&builder->columns[i], seen[i], builder->usual[i]) != RHEI_OK)
            return error_no_memory(error);
    return RHEI_OK;
}

bool arrow_builder_is_open(const struct arrow_builder *builder)
{
    for (uint32_t i = 0; i < builder->column_count; i++)
        if (!builder->columns[i].fixed && builder->columns[i].mode != ARROW_COLUMN_UNION)
            return true;
    return false;
}

bool arrow_builder_lacks_values(const struct arrow_builder *builder, uint32_t column)
{
    return !builder->columns[column].fixed && builder->columns[column].mode == ARROW_COLUMN_OPEN;
}

void arrow_builder_set_usual(struct arrow_builder *builder, uint32_t column, uint8_t class)
{
    builder->usual[column] = class;
}

static int build_schema(const struct arrow_builder *builder, const char *metadata, struct ArrowSchema *out)
{
    ArrowSchemaInit(out);
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetTypeStruct(out, builder->column_count));
    out->flags = 0; /* the rows themselves are never NULL */
    NANOARROW_RETURN_NOT_OK(ArrowSchemaSetMetadata(out, metadata));
    for (uint32_t i = 0; i < builder->column_count; i++) {
        NANOARROW_RETURN_NOT_OK(arrow_column_schema(&builder->columns[i], out->children[i]));
        NANOARROW_RETURN_NOT_OK(ArrowSchemaSetName(out->children[i], builder->names[i]));
    }
    return NANOARROW_OK;
}

rhei_status arrow_builder_schema(const struct arrow_builder *builder, const char *metadata, struct ArrowSchema *out,
                                 struct rhei_error *error)
{
    if (build_schema(builder, metadata, out) == NANOARROW_OK)
        return RHEI_OK;
    ArrowSchemaRelease(out);
    return error_no_memory(error);
}

static int build_array(struct arrow_builder *builder, const struct ArrowSchema *schema, struct ArrowArray *out)
{
    NANOARROW_RETURN_NOT_OK(ArrowArrayInitFromSchema(out, schema, NULL));
    int failure = NANOARROW_OK;
    for (uint32_t i = 0; failure == NANOARROW_OK && i < builder->column_count; i++)
        failure = arrow_column_finish(&builder->columns[i], out->children[i]);
    out->length = (int64_t)builder->rows;
    out->null_count = 0;
    if (failure == NANOARROW_OK)
        failure = ArrowArrayFinishBuilding(out, NANOARROW_VALIDATION_LEVEL_DEFAULT, NULL);
    if (failure != NANOARROW_OK)
        ArrowArrayRelease(out);
    return failure;
}

rhei_status arrow_builder_finish(struct arrow_builder *builder, struct ArrowArray *out, struct rhei_error *error)
{
    struct ArrowSchema schema;
    rhei_status status = arrow_builder_schema(builder, NULL, &schema, error);
    if (status != RHEI_OK)
        return status;
    int failure = build_array(builder, &schema, out);
    ArrowSchemaRelease(&schema);
    builder->rows = 0;
    builder->text_bytes = 0;
    if (failure == NANOARROW_OK)
        return RHEI_OK;
    if (failure == ENOMEM)
        return error_no_memory(error);
    return error_set(error, RHEI_INTERNAL, "a result batch is not well-formed (code %d); please report this defect",
                     failure);
}
