/* SPDX-License-Identifier: Apache-2.0 */
#include "flight_column.h"

#include <string.h>

#include "arrow/arrow_stream.h"
#include "base/base_error.h"
#include "base/base_memory.h"

/* ---- Schemas ------------------------------------------------------------------------------------------------------ */

static uint32_t count_types(const struct flight_type *types)
{
    uint32_t count = 0;
    while (types != NULL && types[count].format != NULL)
        count++;
    return count;
}

static void schema_release(struct ArrowSchema *schema)
{
    void *chain = schema->private_data;
    schema->release = NULL;
    base_chain_free(&chain);
}

static void child_release(struct ArrowSchema *schema)
{
    schema->release = NULL; /* its memory is of the root's chain */
}

static bool fill_schema(void **chain, struct ArrowSchema *schema, const struct flight_type *type)
{
    uint32_t count = count_types(type->children);
    *schema = (struct ArrowSchema){.format = type->format,
                                   .name = type->name,
                                   .flags = type->nullable ? ARROW_FLAG_NULLABLE : 0,
                                   .n_children = count,
                                   .release = child_release};
    if (count == 0)
        return true;
    struct ArrowSchema *children = base_chain_alloc(chain, count, sizeof *children);
    schema->children = base_chain_alloc(chain, count, sizeof *schema->children);
    if (children == NULL || schema->children == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        schema->children[i] = &children[i];
        if (!fill_schema(chain, &children[i], &type->children[i]))
            return false;
    }
    return true;
}

rhei_status flight_types_schema(const struct flight_type *types, struct ArrowSchema *schema, struct rhei_error *error)
{
    void *chain = NULL;
    const struct flight_type root = {.name = "", .format = "+s", .children = types};
    if (!fill_schema(&chain, schema, &root)) {
        base_chain_free(&chain);
        return error_no_memory(error);
    }
    schema->private_data = chain;
    schema->release = schema_release;
    return RHEI_OK;
}

/* ---- Columns ------------------------------------------------------------------------------------------------------ */

static bool has_offsets(const struct flight_column *column)
{
    return strchr("uz", column->format[0]) != NULL || strcmp(column->format, "+l") == 0 ||
           strcmp(column->format, "+m") == 0;
}

static bool column_init(void **chain, struct flight_column *column, const struct flight_type *type)
{
    *column = (struct flight_column){.name = type->name,
                                     .format = type->format,
                                     .nullable = type->nullable,
                                     .child_count = count_types(type->children)};
    if (has_offsets(column))
        base_buffer_append(&column->values, &(int32_t){0}, sizeof(int32_t));
    if (column->child_count == 0)
        return true;
    column->children = base_chain_alloc(chain, column->child_count, sizeof *column->children);
    column->array_children = base_chain_alloc(chain, column->child_count, sizeof *column->array_children);
    column->array_list = base_chain_alloc(chain, column->child_count, sizeof *column->array_list);
    if (column->children == NULL || column->array_children == NULL || column->array_list == NULL)
        return false;
    for (uint32_t i = 0; i < column->child_count; i++)
        if (!column_init(chain, &column->children[i], &type->children[i]))
            return false;
    return true;
}

static void column_reset(struct flight_column *column)
{
    base_buffer_reset(&column->valid);
    base_buffer_reset(&column->values);
    base_buffer_reset(&column->bytes);
    for (uint32_t i = 0; column->children != NULL && i < column->child_count; i++)
        column_reset(&column->children[i]);
}

struct flight_rows *flight_rows_new(const struct flight_type *types, struct rhei_error *error)
{
    struct flight_rows *rows = base_alloc_zero(1, sizeof *rows);
    const struct flight_type root = {.name = "", .format = "+s", .children = types};
    if (rows != NULL && !column_init(&rows->chain, &rows->root, &root))
        flight_rows_free(&rows);
    if (rows == NULL)
        (void)error_no_memory(error);
    return rows;
}

void flight_rows_free(struct flight_rows **rows)
{
    if (*rows == NULL)
        return;
    column_reset(&(*rows)->root);
    base_chain_free(&(*rows)->chain);
    base_free(*rows);
    *rows = NULL;
}

/* ---- Values ------------------------------------------------------------------------------------------------------- */

static void put_bit(struct base_buffer *bits, int64_t at, bool set)
{
    if (at % 8 == 0)
        base_buffer_char(bits, 0);
    if (set && !bits->failed)
        bits->data[at / 8] = (char)((unsigned char)bits->data[at / 8] | (1U << (at % 8)));
}

static void put_valid(struct flight_column *column, bool valid)
{
    put_bit(&column->valid, column->length, valid);
    column->length++;
    column->null_count += !valid;
}

static size_t width_of(const struct flight_column *column)
{
    switch (column->format[0]) {
    case 'l':
        return 8;
    case 'i':
    case 'I':
        return 4;
    default:
        return 1;
    }
}

static void put_offset(struct flight_column *column, size_t offset)
{
    base_buffer_append(&column->values, &(int32_t){(int32_t)offset}, sizeof(int32_t));
}

void flight_put_bytes(struct flight_column *column, const void *bytes, size_t len)
{
    put_valid(column, true);
    if (len > INT32_MAX - column->bytes.len)
        column->bytes.failed = true;
    else
        base_buffer_append(&column->bytes, bytes, len);
    put_offset(column, column->bytes.len);
}

void flight_put_text(struct flight_column *column, const char *text)
{
    if (text == NULL)
        flight_put_null(column);
    else
        flight_put_bytes(column, text, strlen(text));
}

void flight_put_number(struct flight_column *column, int64_t number)
{
    if (column->format[0] == 'b')
        put_bit(&column->values, column->length, number != 0);
    else
        base_buffer_append(&column->values, &number, width_of(column)); /* of a machine that has the low byte first */
    put_valid(column, true);
}

void flight_put_null(struct flight_column *column)
{
    static const char zero[8];
    if (has_offsets(column))
        put_offset(column, column->child_count > 0 ? (size_t)column->children[0].length : column->bytes.len);
    else if (column->format[0] == 'b')
        put_bit(&column->values, column->length, false);
    else
        base_buffer_append(&column->values, zero, width_of(column));
    put_valid(column, false);
}

void flight_put_list(struct flight_column *column)
{
    put_valid(column, true);
    put_offset(column, (size_t)column->children[0].length);
}

struct flight_column *flight_put_member(struct flight_column *column, uint8_t type)
{
    struct flight_column *child = &column->children[type];
    base_buffer_append(&column->values, &type, sizeof type);
    base_buffer_append(&column->bytes, &(int32_t){(int32_t)child->length}, sizeof(int32_t));
    column->length++;
    return child;
}

void flight_rows_end_row(struct flight_rows *rows)
{
    rows->root.length++;
}

/* ---- The batch ---------------------------------------------------------------------------------------------------- */

static void array_release(struct ArrowArray *array)
{
    struct flight_rows *rows = array->private_data;
    array->release = NULL;
    flight_rows_free(&rows);
}

static void array_child_release(struct ArrowArray *array)
{
    array->release = NULL;
}

/* Fills the arrays over the columns' own buffers; false: one of them is without memory. */
static bool fill_array(struct flight_column *column, struct ArrowArray *array)
{
    bool is_union = column->format[0] == '+' && column->format[1] == 'u', is_struct = strcmp(column->format, "+s") == 0;
    int64_t count = is_struct ? 1 : 2;
    if (!is_struct && !is_union && column->child_count == 0 && has_offsets(column))
        count = 3;
    column->buffers[0] = is_union ? column->values.data : column->null_count > 0 ? column->valid.data : NULL;
    column->buffers[1] = is_union ? column->bytes.data : column->values.data;
    column->buffers[2] = column->bytes.data;
    *array = (struct ArrowArray){.length = column->length,
                                 .null_count = is_union || is_struct ? 0 : column->null_count,
                                 .n_buffers = count,
                                 .n_children = column->child_count,
                                 .buffers = column->buffers,
                                 .children = column->array_list,
                                 .release = array_child_release};
    bool good = !column->valid.failed && !column->values.failed && !column->bytes.failed;
    for (uint32_t i = 0; i < column->child_count; i++) {
        column->array_list[i] = &column->array_children[i];
        good = fill_array(&column->children[i], column->array_list[i]) && good;
    }
    return good;
}

struct one_batch {
    const struct flight_type *types;
    struct ArrowArray array;
};

static rhei_status one_schema(void *context, struct ArrowSchema *out, struct rhei_error *error)
{
    struct one_batch *one = context;
    return flight_types_schema(one->types, out, error);
}

static rhei_status one_next(void *context, struct ArrowArray *out, struct rhei_error *error)
{
    struct one_batch *one = context;
    (void)error;
    if (one->array.release == NULL)
        return RHEI_DONE;
    *out = one->array;
    one->array.release = NULL;
    return RHEI_OK;
}

static void one_release(void *context)
{
    struct one_batch *one = context;
    if (one->array.release != NULL)
        one->array.release(&one->array);
    base_free(one);
}

rhei_status flight_rows_stream(struct flight_rows **rows, const struct flight_type *types,
                               struct ArrowArrayStream *stream, struct rhei_error *error)
{
    struct one_batch *one = base_alloc_zero(1, sizeof *one);
    if (one == NULL || !fill_array(&(*rows)->root, &one->array)) {
        base_free(one);
        flight_rows_free(rows);
        return error_no_memory(error);
    }
    one->types = types;
    one->array.private_data = *rows;
    one->array.release = array_release;
    *rows = NULL;
    struct arrow_batch_source source = {.schema = one_schema, .next = one_next, .release = one_release, .context = one};
    return arrow_batch_stream(&source, stream, error);
}
