/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image as fields of a Vortex file, and the file with our directory in it.
 *
 *   1. What isn't unpacked to the very bytes that were packed isn't kept: each column is tried, and one that Vortex's compression doesn't give
 *      back goes in as it is.
 */
#include "codec_vortex.h"

#include <stdio.h>
#include <string.h>

#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "base/base_utf8.h"
#include "base/base_words.h"
#include "codec/codec_directory.h"
#include "codec_vortex_internal.h"

enum { INVALID_UTF8 = 1 << 11, TAIL_MARGIN = 16 << 20 }; /* the first is mirror.h's MIRROR_INVALID_UTF8 */

struct maker {
    const struct segment_image *image;
    void *owner; /* of what is made for the call */
    struct rhei_vortex_field *fields;
    struct rhei_vortex_array *arrays;
    uint32_t array_count;
    bool *plain; /* [column_count] */
    struct rhei_vortex_packed packed;
    bool no_memory;
};

static void *own(struct maker *maker, size_t count, size_t size)
{
    void *memory = base_chain_alloc(&maker->owner, count, size);
    maker->no_memory |= memory == NULL;
    return memory;
}

/* ---- Columns as arrays. -------------------------------------------------------------------------------------------- */

static int32_t kind_of(const struct segment_column *column, uint8_t class)
{
    return class == SEGMENT_TEXT && (column->flags & INVALID_UTF8) != 0 ? RHEI_VORTEX_BLOBS : class;
}

_Static_assert((int)RHEI_VORTEX_NULLS == (int)SEGMENT_EMPTY && (int)RHEI_VORTEX_INTEGERS == (int)SEGMENT_INTEGER &&
                   (int)RHEI_VORTEX_REALS == (int)SEGMENT_REAL && (int)RHEI_VORTEX_TEXTS == (int)SEGMENT_TEXT &&
                   (int)RHEI_VORTEX_BLOBS == (int)SEGMENT_BLOB,
               "a class is a kind");

static void add_heaps(struct maker *maker, const struct segment_heaps *heaps, struct rhei_vortex_array *array)
{
    array->heap_count = heaps->count;
    array->heaps = own(maker, heaps->count, sizeof *array->heaps);
    for (uint32_t h = 0; !maker->no_memory && h < heaps->count; h++)
        array->heaps[h] = (struct rhei_vortex_bytes){(void *)(uintptr_t)heaps->buffers[h].bytes, heaps->buffers[h].len};
}

/* The array of one class, in the parts' order of the socket. */
static void fill_array(struct maker *maker, const struct segment_column *column, uint8_t class,
                       struct rhei_vortex_array *array)
{
    array->kind = kind_of(column, class);
    array->count = maker->image->rows;
    if (class == SEGMENT_EMPTY)
        return;
    array->values = (void *)(uintptr_t)column->part[SEGMENT_INTEGERS + class - SEGMENT_INTEGER].bytes;
    if (class == SEGMENT_TEXT || class == SEGMENT_BLOB)
        add_heaps(maker, class == SEGMENT_TEXT ? &column->texts : &column->blobs, array);
}

/* The values of a class that a MIXED column has, each in its row, and NULL in the others. */
static void spread(struct maker *maker, const struct segment_column *column, uint8_t class,
                   struct rhei_vortex_array *array)
{
    const uint8_t *classes = column->part[SEGMENT_CLASSES].bytes;
    const char *values = column->part[SEGMENT_INTEGERS + class - SEGMENT_INTEGER].bytes;
    size_t width = class == SEGMENT_TEXT || class == SEGMENT_BLOB ? sizeof(struct segment_string) : sizeof(int64_t);
    uint32_t rows = maker->image->rows, at = 0;
    uint8_t *valid = own(maker, (rows + 7) / 8, 1);
    char *spreaded = own(maker, rows, width);
    fill_array(maker, column, class, array);
    array->valid = valid;
    array->values = spreaded;
    for (uint32_t i = 0; !maker->no_memory && i < rows; i++) {
        if (classes[i] != class)
            continue;
        memcpy(spreaded + i * width, values + (size_t)at++ * width, width);
        valid[i >> 3] |= (uint8_t)(1u << (i & 7));
    }
}

static void fill_mixed(struct maker *maker, const struct segment_column *column, struct rhei_vortex_array *arrays)
{
    arrays[0] = (struct rhei_vortex_array){.kind = RHEI_VORTEX_CLASSES,
                                           .count = maker->image->rows,
                                           .values = (void *)(uintptr_t)column->part[SEGMENT_CLASSES].bytes};
    for (uint8_t class = SEGMENT_INTEGER; class <= SEGMENT_BLOB; class ++)
        spread(maker, column, class, &arrays[class]);
}

/* A name that no other column has: readers would not find it otherwise. */
static void name_field(struct maker *maker, uint32_t number, struct rhei_vortex_field *field)
{
    const char *name = maker->image->columns[number].name;
    if (name != NULL && base_utf8_valid(name, strlen(name))) {
        field->name = name;
        field->name_len = strlen(name);
        return;
    }
    char *made = own(maker, 1, 32);
    if (made == NULL)
        return;
    field->name_len = (size_t)snprintf(made, 32, "column %u", number + 1);
    field->name = made;
}

static void fill_field(struct maker *maker, uint32_t number)
{
    static const char *const parts[VORTEX_MIXED_ARRAYS] = {"class", "integer", "real", "text", "blob"};
    const struct segment_column *column = &maker->image->columns[number];
    struct rhei_vortex_field *field = &maker->fields[number];
    bool mixed = column->layout == SEGMENT_MIXED;
    name_field(maker, number, field);
    field->part_names = mixed ? parts : NULL;
    field->array_count = mixed ? VORTEX_MIXED_ARRAYS : 1;
    field->arrays = &maker->arrays[maker->array_count];
    maker->array_count += field->array_count;
    if (mixed) {
        fill_mixed(maker, column, field->arrays);
    } else {
        fill_array(maker, column, column->layout, field->arrays);
        field->arrays[0].valid = (void *)(uintptr_t)column->part[SEGMENT_VALID].bytes;
    }
    for (uint32_t a = 0; a < field->array_count; a++)
        field->arrays[a].plain = maker->plain[number];
}

/* ---- The file. ----------------------------------------------------------------------------------------------------- */

static void put_buffer(void *context, struct base_buffer *out, const struct segment_buffer *buffer)
{
    (void)context;
    base_words_put(out, buffer->len);
    base_words_put(out, buffer->checksum);
}

static void put_more(void *context, struct base_buffer *out)
{
    static const char zeros[8];
    const struct maker *maker = context;
    const struct rhei_vortex_packed *packed = &maker->packed;
    base_words_put(out, packed->encodings_len);
    base_buffer_append(out, packed->encodings, packed->encodings_len);
    base_buffer_append(out, zeros, (8 - packed->encodings_len % 8) % 8);
    for (uint32_t c = 0; c < maker->image->column_count; c++) {
        const struct rhei_vortex_field *field = &maker->fields[c];
        for (uint32_t a = 0; a < vortex_array_count(maker->image->columns[c].layout); a++) {
            const struct rhei_vortex_array *array = &field->arrays[a];
            base_words_put(out, (uint64_t)array->kind);
            base_words_put(out, array->offset);
            base_words_put(out, array->len);
            base_words_put(out, base_checksum((const char *)packed->bytes + array->offset, array->len));
        }
    }
}

static rhei_status put_file(struct maker *maker, struct base_buffer *out, struct rhei_error *error)
{
    const struct rhei_vortex_packed *packed = &maker->packed;
    const struct codec_directory_writer writer = {
        .word = codec_vortex_word, .put_buffer = put_buffer, .put_more = put_more, .context = maker};
    base_buffer_append(out, packed->bytes, packed->tail);
    rhei_status status = codec_directory_put(&writer, maker->image, out, error);
    if (status == RHEI_OK)
        base_buffer_append(out, (const char *)packed->bytes + packed->tail, packed->len - packed->tail);
    return status == RHEI_OK && out->failed ? error_no_memory(error) : status;
}

static size_t image_bytes(const struct segment_image *image)
{
    const struct segment_buffer *buffer;
    size_t bytes = 0;
    for (uint32_t c = 0; c < image->column_count; c++)
        for (uint32_t i = 0; (buffer = segment_buffer_at(&image->columns[c], i)) != NULL; i++)
            bytes += buffer->len;
    return bytes;
}

static rhei_status make(struct maker *maker, struct base_buffer *out, struct rhei_error *error)
{
    const struct segment_image *image = maker->image;
    struct rhei_vortex_error failure;
    maker->array_count = 0;
    maker->fields = own(maker, image->column_count, sizeof *maker->fields);
    maker->arrays = own(maker, (size_t)image->column_count * VORTEX_MIXED_ARRAYS, sizeof *maker->arrays);
    for (uint32_t c = 0; c < image->column_count && !maker->no_memory; c++)
        fill_field(maker, c);
    if (maker->no_memory ||
        !base_memory_has_room(4 * image_bytes(image) + TAIL_MARGIN)) /* the library ends the process */
        return error_no_memory(error);
    bool named = image->table != NULL && base_utf8_valid(image->table, strlen(image->table));
    const struct rhei_vortex_file file = {.rows = image->rows,
                                          .field_count = image->column_count,
                                          .fields = maker->fields,
                                          .table = named ? image->table : NULL,
                                          .table_len = named ? strlen(image->table) : 0};
    int32_t result = vortex_library()->encode(&file, &maker->packed, &failure);
    if (result != RHEI_VORTEX_OK)
        return vortex_error(result, &failure, error);
    rhei_status status = put_file(maker, out, error);
    vortex_library()->release(&maker->packed);
    return status;
}

/* ---- What comes back. ---------------------------------------------------------------------------------------------- */

/* Notes the columns that aren't as they were; *same: there is none. */
static rhei_status compare(struct maker *maker, const struct segment_image *back, bool *same, struct rhei_error *error)
{
    *same = true;
    for (uint32_t c = 0; c < maker->image->column_count; c++) {
        const struct segment_buffer *was, *is;
        bool equal = true;
        for (uint32_t i = 0; equal && (was = segment_buffer_at(&maker->image->columns[c], i)) != NULL; i++) {
            is = segment_buffer_at(&back->columns[c], i);
            equal =
                is != NULL && is->len == was->len && (was->len == 0 || memcmp(is->bytes, was->bytes, was->len) == 0);
        }
        if (!equal && maker->plain[c])
            return error_set(error, RHEI_INTERNAL, "column %u of a segment doesn't come back from Vortex as it was",
                             c + 1);
        maker->plain[c] |= !equal;
        *same &= equal;
    }
    return RHEI_OK;
}

static rhei_status try_file(struct maker *maker, struct base_buffer *out, bool *same, struct rhei_error *error)
{
    struct segment_image back;
    rhei_status status = make(maker, out, error);
    if (status != RHEI_OK)
        return status;
    status = codec_vortex_open(out->data, out->len, &back, error);
    if (status != RHEI_OK)
        return status == RHEI_IO ? error_set(error, RHEI_INTERNAL, "a segment can't be unpacked: %s",
                                             error == NULL ? "" : error->message)
                                 : status;
    status = compare(maker, &back, same, error);
    back.release(&back);
    return status;
}

static rhei_status encode(const struct segment_image *image, void **bytes, size_t *len, struct rhei_error *error)
{
    struct maker maker = {.image = image};
    struct base_buffer out = {0};
    bool same = false;
    *bytes = NULL;
    maker.plain = own(&maker, image->column_count, sizeof *maker.plain);
    rhei_status status = maker.no_memory ? error_no_memory(error) : RHEI_OK;
    while (status == RHEI_OK && !same) { /* twice at most: what is plain comes back, or it ends */
        base_buffer_clear(&out);
        status = try_file(&maker, &out, &same, error);
    }
    base_chain_free(&maker.owner);
    *len = out.len;
    if (status != RHEI_OK)
        base_buffer_reset(&out);
    else if ((*bytes = base_buffer_take(&out)) == NULL)
        status = error_no_memory(error);
    return status;
}

static const struct segment_codec codec_vortex = {.name = "vortex",
                                                  .encode = encode,
                                                  .sum = codec_vortex_sum,
                                                  .open = codec_vortex_open,
                                                  .open_tail = codec_vortex_open_tail,
                                                  .unpack = codec_vortex_unpack,
                                                  .packing_free = codec_vortex_packing_free,
                                                  .span = codec_vortex_span};

rhei_status codec_vortex_load(const struct segment_codec **codec, struct rhei_error *error)
{
    rhei_status status = vortex_library_load(error);
    *codec = status == RHEI_OK ? &codec_vortex : NULL;
    return status;
}
