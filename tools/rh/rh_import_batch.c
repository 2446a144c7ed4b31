/* SPDX-License-Identifier: Apache-2.0 */
/* https://arrow.apache.org/docs/format/CDataInterface.html and https://arrow.apache.org/docs/format/Columnar.html */
#include "rh_import_batch.h"

#include <stdlib.h>
#include <string.h>

enum { MEMBERS = RH_MEMBER_ANY };

static const char *const formats[] = {"l", "g", "U", "Z", "n", "+ud:0,1,2,3,4"};

/* Values of one class, in the order in which they came. */
struct cells {
    int64_t values[RH_BATCH_ROWS + 1]; /* integers, bits of doubles, or where each text begins and the last one ends */
    struct rh_buffer bytes;
    int64_t count;
    const void *buffers[3];
    struct ArrowArray array;
    struct ArrowSchema schema;
};

struct column {
    enum rh_member member;
    int64_t nulls;                          /* of a column of one class */
    uint8_t valid[(RH_BATCH_ROWS + 7) / 8]; /* of a column of one class */
    int8_t types[RH_BATCH_ROWS];            /* of a union */
    int32_t offsets[RH_BATCH_ROWS];         /* of a union */
    struct cells *cells[MEMBERS];           /* NULL: it can't have such values */
    const void *buffers[2];
    struct ArrowArray array, *arrays[MEMBERS]; /* of a union */
    struct ArrowSchema schema, *schemas[MEMBERS];
};

struct rh_batch {
    size_t column_count, rows, bytes;
    struct column *columns;
    struct ArrowArray **arrays;
    struct ArrowSchema **schemas;
    const void *buffers[1];
};

/* ---- What is lent. ------------------------------------------------------------------------------------------------- */

static void release_array(struct ArrowArray *array)
{
    array->release = NULL;
}

static void release_schema(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static struct ArrowSchema schema_of(const char *format, const char *name)
{
    return (struct ArrowSchema){.format = format, .name = name, .flags = 2 /* nullable */, .release = release_schema};
}

void rh_batch_schema(struct rh_batch *batch, struct ArrowSchema *schema)
{
    *schema = schema_of("+s", "");
    schema->n_children = (int64_t)batch->column_count;
    schema->children = batch->schemas;
}

static void lend_cells(struct cells *cells, enum rh_member member)
{
    bool bytes = member == RH_MEMBER_TEXT || member == RH_MEMBER_BLOB;
    rh_buffer_reserve(&cells->bytes, 0);
    cells->buffers[1] = cells->values;
    cells->buffers[2] = cells->bytes.bytes;
    cells->array = (struct ArrowArray){.length = cells->count,
                                       .null_count = member == RH_MEMBER_NULL ? cells->count : 0,
                                       .n_buffers = member == RH_MEMBER_NULL ? 0
                                                    : bytes                  ? 3
                                                                             : 2,
                                       .buffers = cells->buffers,
                                       .release = release_array};
}

static struct ArrowArray *lend_column(struct column *column, size_t rows)
{
    for (size_t member = 0; member < MEMBERS; member++)
        if (column->cells[member] != NULL)
            lend_cells(column->cells[member], (enum rh_member)member);
    if (column->member != RH_MEMBER_ANY) {
        struct cells *cells = column->cells[column->member];
        cells->buffers[0] = column->nulls > 0 ? column->valid : NULL;
        cells->array.null_count = column->nulls;
        return &cells->array;
    }
    column->buffers[0] = column->types;
    column->buffers[1] = column->offsets;
    column->array = (struct ArrowArray){.length = (int64_t)rows,
                                        .n_buffers = 2,
                                        .n_children = MEMBERS,
                                        .buffers = column->buffers,
                                        .children = column->arrays,
                                        .release = release_array};
    return &column->array;
}

void rh_batch_array(struct rh_batch *batch, struct ArrowArray *array)
{
    for (size_t at = 0; at < batch->column_count; at++)
        batch->arrays[at] = lend_column(&batch->columns[at], batch->rows);
    *array = (struct ArrowArray){.length = (int64_t)batch->rows,
                                 .n_buffers = 1,
                                 .n_children = (int64_t)batch->column_count,
                                 .buffers = batch->buffers,
                                 .children = batch->arrays,
                                 .release = release_array};
}

/* ---- Values. ------------------------------------------------------------------------------------------------------- */

static enum rh_member member_of(const struct rhei_value *value)
{
    static const enum rh_member members[] = {[RHEI_NULL] = RH_MEMBER_NULL,
                                             [RHEI_INTEGER] = RH_MEMBER_INTEGER,
                                             [RHEI_REAL] = RH_MEMBER_REAL,
                                             [RHEI_TEXT] = RH_MEMBER_TEXT,
                                             [RHEI_BLOB] = RH_MEMBER_BLOB};
    return members[value->type];
}

bool rh_batch_takes(const struct rh_batch *batch, size_t column, const struct rhei_value *value)
{
    enum rh_member member = member_of(value), own = batch->columns[column].member;
    return own == RH_MEMBER_ANY || member == RH_MEMBER_NULL || member == own;
}

/* NULL in a column of one class is 0 or empty there. */
static size_t add_cell(struct cells *cells, enum rh_member member, const struct rhei_value *value)
{
    size_t length = 0;
    int64_t *place = &cells->values[cells->count++];
    if (member == RH_MEMBER_INTEGER || member == RH_MEMBER_REAL) {
        *place = 0;
        if (value->type != RHEI_NULL)
            memcpy(place, &value->as, sizeof *place);
    } else if (member != RH_MEMBER_NULL) {
        length = value->type == RHEI_NULL ? 0 : value->length;
        if (length > 0)
            rh_buffer_add(&cells->bytes, value->as.bytes, length);
        place[1] = (int64_t)cells->bytes.length;
    }
    return length;
}

void rh_batch_add(struct rh_batch *batch, const struct rhei_value *values)
{
    size_t row = batch->rows++;
    for (size_t at = 0; at < batch->column_count; at++) {
        struct column *column = &batch->columns[at];
        enum rh_member member = column->member;
        if (member == RH_MEMBER_ANY) {
            member = member_of(&values[at]);
            column->types[row] = (int8_t)member;
            column->offsets[row] = (int32_t)column->cells[member]->count;
        } else if (values[at].type == RHEI_NULL) {
            column->nulls++;
            column->valid[row / 8] = (uint8_t)(column->valid[row / 8] & ~(1u << row % 8));
        }
        batch->bytes += add_cell(column->cells[member], member, &values[at]);
    }
}

size_t rh_batch_rows(const struct rh_batch *batch)
{
    return batch->rows;
}

size_t rh_batch_bytes(const struct rh_batch *batch)
{
    return batch->bytes;
}

void rh_batch_clear(struct rh_batch *batch)
{
    batch->rows = batch->bytes = 0;
    for (size_t at = 0; at < batch->column_count; at++) {
        struct column *column = &batch->columns[at];
        column->nulls = 0;
        memset(column->valid, 0xff, sizeof column->valid);
        for (size_t member = 0; member < MEMBERS; member++) {
            if (column->cells[member] == NULL)
                continue;
            column->cells[member]->count = 0;
            column->cells[member]->values[0] = 0;
            rh_buffer_clear(&column->cells[member]->bytes);
        }
    }
}

/* ---- From the beginning to the end. -------------------------------------------------------------------------------- */

struct rh_batch *rh_batch_new(size_t column_count)
{
    struct rh_batch *batch = rh_allocate(sizeof *batch);
    batch->column_count = column_count;
    batch->columns = rh_allocate(column_count * sizeof *batch->columns);
    batch->arrays = rh_allocate(column_count * sizeof(struct ArrowArray *));
    batch->schemas = rh_allocate(column_count * sizeof(struct ArrowSchema *));
    return batch;
}

void rh_batch_column(struct rh_batch *batch, size_t at, const char *name, enum rh_member member)
{
    struct column *column = &batch->columns[at];
    column->member = member;
    column->schema = schema_of(formats[member], name);
    for (size_t m = 0; m < MEMBERS; m++) {
        if (member != RH_MEMBER_ANY && member != (enum rh_member)m)
            continue;
        column->cells[m] = rh_allocate(sizeof *column->cells[m]);
        column->cells[m]->schema = schema_of(formats[m], "");
        column->schemas[m] = &column->cells[m]->schema;
        column->arrays[m] = &column->cells[m]->array;
    }
    if (member == RH_MEMBER_ANY) {
        column->schema.n_children = MEMBERS;
        column->schema.children = column->schemas;
    }
    batch->schemas[at] = &column->schema;
    rh_batch_clear(batch);
}

void rh_batch_free(struct rh_batch **batch)
{
    if (*batch == NULL)
        return;
    for (size_t at = 0; at < (*batch)->column_count; at++) {
        for (size_t member = 0; member < MEMBERS; member++) {
            struct cells *cells = (*batch)->columns[at].cells[member];
            if (cells != NULL)
                rh_buffer_free(&cells->bytes);
            free(cells);
        }
    }
    free((*batch)->columns);
    free((*batch)->arrays);
    free((*batch)->schemas);
    free(*batch);
    *batch = NULL;
}
