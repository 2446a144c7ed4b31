/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image as columns of an Arrow batch: int64, double, utf8view, binaryview, null, or for MIXED a dense union of null, integer, real, text
 * and blob. Text that isn't UTF-8 goes out as binaryview, since readers of utf8view may trust it.
 */
#include "codec_arrow.h"

#include <string.h>

#include "arrow/arrow_ipc_raw.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_words.h"
#include "codec/codec_directory.h"
#include "codec_arrow_internal.h"

enum { INVALID_UTF8 = 1 << 11, CLASSES = 5 }; /* the first is mirror.h's MIRROR_INVALID_UTF8 */

/* ---- Columns as fields. -------------------------------------------------------------------------------------------- */

struct maker {
    const struct segment_image *image;
    struct arrow_raw_field *fields; /* the columns', then those of unions */
    uint32_t field_count;
    struct arrow_raw_buffer *buffers;
    uint32_t buffer_count;
};

static void add_buffer(struct maker *maker, struct arrow_raw_field *field, const struct segment_buffer *buffer)
{
    if (field->buffer_count == 0)
        field->buffers = &maker->buffers[maker->buffer_count];
    struct arrow_raw_buffer *raw = &maker->buffers[maker->buffer_count++];
    field->buffer_count++;
    if (buffer != NULL)
        *raw = (struct arrow_raw_buffer){.bytes = buffer->bytes, .len = buffer->len};
}

/* A field of one class; `valid` NULL: a union's child. */
static void fill_field(struct maker *maker, const struct segment_column *column, uint8_t class,
                       const struct segment_buffer *valid, uint32_t rows, struct arrow_raw_field *field)
{
    const struct segment_heaps *heaps = class == SEGMENT_TEXT ? &column->texts : &column->blobs;
    bool strings = class == SEGMENT_TEXT || class == SEGMENT_BLOB;
    field->rows = rows;
    field->nulls = valid == NULL ? 0 : column->counts[RHEI_NULL];
    if (class == SEGMENT_EMPTY) {
        field->nulls = rows;
        field->type = ARROW_RAW_NULL;
        return;
    }
    field->type = class == SEGMENT_INTEGER ? ARROW_RAW_INT64 : ARROW_RAW_DOUBLE;
    if (strings)
        field->type =
            class == SEGMENT_TEXT && (column->flags & INVALID_UTF8) == 0 ? ARROW_RAW_UTF8_VIEW : ARROW_RAW_BINARY_VIEW;
    if (class == SEGMENT_TEXT && field->type == ARROW_RAW_BINARY_VIEW)
        field->note = "text";
    add_buffer(maker, field, valid);
    add_buffer(maker, field, &column->part[SEGMENT_INTEGERS + class - SEGMENT_INTEGER]);
    for (uint32_t h = 0; strings && h < heaps->count; h++)
        add_buffer(maker, field, &heaps->buffers[h]);
}

_Static_assert(SEGMENT_REALS - SEGMENT_INTEGERS == SEGMENT_REAL - SEGMENT_INTEGER &&
                   SEGMENT_BLOBS - SEGMENT_INTEGERS == SEGMENT_BLOB - SEGMENT_INTEGER,
               "parts of the classes are in the order of the classes");

static void fill_column(struct maker *maker, uint32_t number)
{
    static const char *const names[CLASSES] = {"null", "integer", "real", "text", "blob"};
    const struct segment_column *column = &maker->image->columns[number];
    struct arrow_raw_field *field = &maker->fields[number];
    field->name = column->name == NULL ? "" : column->name;
    if (column->layout != SEGMENT_MIXED) {
        fill_field(maker, column, column->layout, &column->part[SEGMENT_VALID], maker->image->rows, field);
        return;
    }
    field->type = ARROW_RAW_DENSE_UNION;
    field->rows = maker->image->rows;
    field->children = &maker->fields[maker->field_count];
    field->child_count = CLASSES;
    maker->field_count += CLASSES;
    add_buffer(maker, field, &column->part[SEGMENT_CLASSES]);
    add_buffer(maker, field, &column->part[SEGMENT_PLACES]);
    for (uint8_t class = 0; class < CLASSES; class ++) {
        field->children[class].name = names[class];
        fill_field(maker, column, class, NULL, column->counts[class], &field->children[class]);
    }
}

/* ---- The directory. ------------------------------------------------------------------------------------------------ */

struct directory {
    const struct maker *maker;
    uint32_t next; /* buffer */
};

/* The next buffer of the file that is the image's own: those of a union's children begin with a bitmap that nobody has. */
static void put_buffer(void *context, struct base_buffer *out, const struct segment_buffer *buffer)
{
    struct directory *directory = context;
    const struct maker *maker = directory->maker;
    while (maker->buffers[directory->next].bytes != buffer->bytes || maker->buffers[directory->next].len != buffer->len)
        directory->next++;
    base_words_put(out, maker->buffers[directory->next++].offset);
    base_words_put(out, buffer->len);
    base_words_put(out, buffer->checksum);
}

static rhei_status put_directory(void *context, struct base_buffer *out, struct rhei_error *error)
{
    const struct maker *maker = context;
    struct directory directory = {.maker = maker};
    const struct codec_directory_writer writer = {
        .word = codec_arrow_word, .put_buffer = put_buffer, .context = &directory};
    return codec_directory_put(&writer, maker->image, out, error);
}

static rhei_status encode(const struct segment_image *image, void **bytes, size_t *len, struct rhei_error *error)
{
    struct maker maker = {.image = image, .field_count = image->column_count};
    struct base_buffer out = {0};
    size_t buffers = 0;
    *bytes = NULL;
    for (uint32_t c = 0; c < image->column_count; c++)
        buffers += SEGMENT_PARTS + CLASSES + image->columns[c].texts.count + image->columns[c].blobs.count;
    maker.fields = base_alloc_zero(image->column_count * (1 + CLASSES) + 1u, sizeof *maker.fields);
    maker.buffers = base_alloc_zero(buffers + 1, sizeof *maker.buffers);
    rhei_status status = maker.fields == NULL || maker.buffers == NULL ? error_no_memory(error) : RHEI_OK;
    for (uint32_t c = 0; status == RHEI_OK && c < image->column_count; c++)
        fill_column(&maker, c);
    const struct arrow_raw_schema schema = {maker.fields, image->column_count, image->table};
    if (status == RHEI_OK)
        status = arrow_ipc_write_raw(&schema, image->rows, put_directory, &maker, &out, error);
    base_free(maker.fields);
    base_free(maker.buffers);
    *len = out.len;
    if (status != RHEI_OK)
        base_buffer_reset(&out);
    else if ((*bytes = base_buffer_take(&out)) == NULL)
        status = error_no_memory(error);
    return status;
}

const struct segment_codec codec_arrow = {.name = "arrow",
                                          .encode = encode,
                                          .sum = codec_arrow_sum,
                                          .open = codec_arrow_open,
                                          .open_tail = codec_arrow_open_tail};
