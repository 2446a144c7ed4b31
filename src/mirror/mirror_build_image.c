/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of an image into a build, as any other rows: nothing of the image is kept. */
#include "mirror_internal.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "mirror_image.h"

static void string_of(const struct segment_buffer *part, uint32_t at, const struct segment_heaps *heaps,
                      struct rhei_value *out)
{
    const struct segment_string *string = (const struct segment_string *)part->bytes + at;
    out->length = string->length;
    out->as.bytes = mirror_image_bytes(string, heaps);
}

static bool is_there(const struct segment_column *column, uint32_t row)
{
    const uint8_t *bits = column->part[SEGMENT_VALID].bytes;
    return bits == NULL || (bits[row >> 3] >> (row & 7) & 1) != 0;
}

/* A cell of a checked image; text and BLOB borrowed. */
static void image_value(const struct segment_column *column, uint32_t row, struct rhei_value *out)
{
    bool mixed = column->layout == SEGMENT_MIXED;
    uint8_t class = column->layout;
    uint32_t at = row;
    if (mixed) {
        class = ((const uint8_t *)column->part[SEGMENT_CLASSES].bytes)[row];
        at = (uint32_t)((const int32_t *)column->part[SEGMENT_PLACES].bytes)[row];
    }
    memset(out, 0, sizeof *out);
    if (class == RHEI_NULL || (!mixed && !is_there(column, row)))
        return;
    out->type = class;
    if (class == RHEI_INTEGER)
        out->as.integer = ((const int64_t *)column->part[SEGMENT_INTEGERS].bytes)[at];
    else if (class == RHEI_REAL)
        out->as.real = ((const double *)column->part[SEGMENT_REALS].bytes)[at];
    else if (class == RHEI_TEXT)
        string_of(&column->part[SEGMENT_TEXTS], at, &column->texts, out);
    else
        string_of(&column->part[SEGMENT_BLOBS], at, &column->blobs, out);
}

/* Values of up to IMAGE_CHUNK rows of each column, and the pointers to them. */
enum { IMAGE_CHUNK = 256 };

static rhei_status append_rows(struct mirror_build *build, uint32_t loader, const struct segment_image *image,
                               const uint64_t *dead, struct rhei_value *values, const struct rhei_value **columns,
                               struct rhei_error *error)
{
    rhei_status status = RHEI_OK;
    for (uint32_t row = 0; row < image->rows && status == RHEI_OK;) {
        struct change_batch batch = {.column_count = image->column_count, .columns = columns};
        for (; row < image->rows && batch.row_count < IMAGE_CHUNK; row++) {
            if (dead != NULL && (dead[row >> 6] >> (row & 63) & 1) != 0)
                continue;
            for (uint32_t c = 0; c < image->column_count; c++)
                image_value(&image->columns[c], row, &values[(size_t)c * IMAGE_CHUNK + batch.row_count]);
            batch.row_count++;
        }
        if (batch.row_count > 0)
            status = mirror_build_append(build, loader, &batch, error);
    }
    return status;
}

rhei_status mirror_build_append_image(struct mirror_build *build, uint32_t loader, const struct segment_image *image,
                                      const uint64_t *dead, struct rhei_error *error)
{
    rhei_status status = mirror_adopt_check(image, image->column_count, false, error);
    if (status != RHEI_OK)
        return status;
    struct rhei_value *values = base_alloc_zero((size_t)image->column_count * IMAGE_CHUNK, sizeof *values);
    const struct rhei_value **columns = base_alloc_zero(image->column_count, sizeof *columns);
    if (values == NULL || columns == NULL)
        status = error_no_memory(error);
    for (uint32_t c = 0; c < image->column_count && status == RHEI_OK; c++)
        columns[c] = values + (size_t)c * IMAGE_CHUNK;
    if (status == RHEI_OK)
        status = append_rows(build, loader, image, dead, values, columns, error);
    base_free((void *)columns);
    base_free(values);
    return status;
}
