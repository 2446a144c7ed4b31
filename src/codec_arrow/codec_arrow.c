/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image as columns of an Arrow batch: int64, double, utf8view, binaryview, null, or for MIXED a dense union of null, integer, real, text
 * and blob. Text that isn't UTF-8 goes out as binaryview, since readers of utf8view may trust it.
 */
#include "codec_arrow.h"

#include <string.h>

#include "arrow/arrow_ipc_raw.h"
#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_words.h"
#include "codec_arrow_internal.h"

enum { INVALID_UTF8 = 1 << 11, CLASSES = 5 }; /* the first is mirror.h's MIRROR_INVALID_UTF8 */

/* ---- The order of buffers. ----------------------------------------------------------------------------------------- */

struct walk {
    bool (*visit)(void *context, struct segment_buffer *buffer);
    void *context;
};

static bool visit_part(const struct walk *walk, struct segment_column *column, enum segment_part part)
{
    return walk->visit(walk->context, &column->part[part]);
}

static bool visit_strings(const struct walk *walk, struct segment_column *column, enum segment_part part,
                          const struct segment_heaps *heaps)
{
    bool good = visit_part(walk, column, part);
    for (uint32_t h = 0; good && h < heaps->count; h++)
        good = walk->visit(walk->context, &heaps->buffers[h]);
    return good;
}

bool codec_arrow_visit(struct segment_column *column, bool (*visit)(void *context, struct segment_buffer *buffer),
                       void *context)
{
    const struct walk walk = {visit, context};
    switch (column->layout) {
    case SEGMENT_EMPTY:
        return true;
    case SEGMENT_INTEGER:
        return visit_part(&walk, column, SEGMENT_VALID) && visit_part(&walk, column, SEGMENT_INTEGERS);
    case SEGMENT_REAL:
        return visit_part(&walk, column, SEGMENT_VALID) && visit_part(&walk, column, SEGMENT_REALS);
    case SEGMENT_TEXT:
        return visit_part(&walk, column, SEGMENT_VALID) && visit_strings(&walk, column, SEGMENT_TEXTS, &column->texts);
    case SEGMENT_BLOB:
        return visit_part(&walk, column, SEGMENT_VALID) && visit_strings(&walk, column, SEGMENT_BLOBS, &column->blobs);
    default:
        return visit_part(&walk, column, SEGMENT_CLASSES) && visit_part(&walk, column, SEGMENT_PLACES) &&
               visit_part(&walk, column, SEGMENT_INTEGERS) && visit_part(&walk, column, SEGMENT_REALS) &&
               visit_strings(&walk, column, SEGMENT_TEXTS, &column->texts) &&
               visit_strings(&walk, column, SEGMENT_BLOBS, &column->blobs);
    }
}

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
    struct maker *maker;
    struct base_buffer *out;
    uint32_t next; /* buffer */
};

/* The next buffer of the file that is the image's own: those of a union's children begin with a bitmap that nobody has. */
static bool put_buffer(void *context, struct segment_buffer *buffer)
{
    struct directory *directory = context;
    const struct maker *maker = directory->maker;
    while (maker->buffers[directory->next].bytes != buffer->bytes || maker->buffers[directory->next].len != buffer->len)
        directory->next++;
    base_words_put(directory->out, maker->buffers[directory->next++].offset);
    base_words_put(directory->out, buffer->len);
    base_words_put(directory->out, buffer->checksum);
    return true;
}

static rhei_status put_directory(void *context, struct base_buffer *out, struct rhei_error *error)
{
    struct maker *maker = context;
    const struct segment_image *image = maker->image;
    struct directory directory = {.maker = maker, .out = out};
    size_t start = out->len;
    base_words_put(out, directory_word);
    base_words_put(out, image->rows | (uint64_t)image->mark << 32);
    base_words_put(out, image->column_count);
    for (uint32_t c = 0; c < image->column_count; c++) {
        struct segment_column *column = &image->columns[c];
        base_words_put(out, column->layout | (uint64_t)column->flags << 32);
        for (uint32_t i = 0; i < CLASSES; i++)
            base_words_put(out, column->counts[i]);
        base_words_put(out, column->texts.count | (uint64_t)column->blobs.count << 32);
        for (uint32_t v = 0; v < segment_vectors(image->rows); v++) {
            base_words_put(out, (uint64_t)column->zones[v].low);
            base_words_put(out, (uint64_t)column->zones[v].high);
        }
        (void)codec_arrow_visit(column, put_buffer, &directory);
    }
    if (out->failed)
        return error_no_memory(error);
    uint64_t words = (out->len - start) / sizeof(uint64_t);
    base_words_put(out, base_checksum(out->data + start, out->len - start));
    base_words_put(out, words);
    return RHEI_OK;
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
    if (status == RHEI_OK)
        status =
            arrow_ipc_write_raw(maker.fields, image->column_count, image->rows, put_directory, &maker, &out, error);
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
