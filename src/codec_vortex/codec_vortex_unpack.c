/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A column's buffers out of its packed arrays.
 *
 *   1. Vortex is given nothing but bytes that it wrote: the checksum of each packed array is checked before.
 *   2. A buffer has the length that its rows need, or nothing is written to it.
 */
#include <string.h>

#include "base/base_checksum.h"
#include "base/base_error.h"
#include "base/base_memory.h"
#include "codec_vortex_internal.h"

enum { CLASSES = 5, MARGIN = 1 << 20 };

struct unpacking {
    const struct vortex_packing *packing;
    const struct segment_bytes *file;
    const struct vortex_place *places; /* of the column */
    struct segment_column *column;
    struct rhei_error *error;
};

static rhei_status damaged(const struct unpacking *unpacking, const char *why)
{
    return error_set(unpacking->error, RHEI_IO, "a column of a Vortex file is damaged: %s", why);
}

static size_t width_of(uint8_t class)
{
    return class == SEGMENT_TEXT || class == SEGMENT_BLOB ? sizeof(struct segment_string) : sizeof(int64_t);
}

static enum segment_part part_of(uint8_t class)
{
    return (enum segment_part)(SEGMENT_INTEGERS + class - SEGMENT_INTEGER);
}

static const struct segment_heaps *heaps_of(const struct segment_column *column, uint8_t class)
{
    return class == SEGMENT_TEXT ? &column->texts : &column->blobs;
}

/* ---- One array. ---------------------------------------------------------------------------------------------------- */

static rhei_status read_packed(const struct unpacking *unpacking, const struct vortex_place *place, char **bytes)
{
    const struct segment_bytes *file = unpacking->file;
    *bytes = base_memory_has_room(place->len) ? base_alloc(place->len + 1) : NULL;
    if (*bytes == NULL)
        return error_no_memory(unpacking->error);
    rhei_status status = file->get(file->context, place->offset, *bytes, place->len, unpacking->error);
    if (status == RHEI_OK && base_checksum(*bytes, place->len) != place->sum)
        status = damaged(unpacking, "a checksum doesn't match");
    if (status != RHEI_OK) {
        base_free(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* Into the array's buffers, all of the size that it says. */
static rhei_status unpack_array(const struct unpacking *unpacking, uint32_t number, struct rhei_vortex_array *array)
{
    const struct vortex_place *place = &unpacking->places[number];
    const struct vortex_packing *packing = unpacking->packing;
    struct rhei_vortex_error failure;
    char *bytes;
    size_t room = 4 * place->len + 32u * array->count + MARGIN; /* about; the library ends the process without */
    for (uint32_t h = 0; h < array->heap_count; h++)
        room += 2 * array->heaps[h].len;
    rhei_status status = read_packed(unpacking, place, &bytes);
    if (status != RHEI_OK)
        return status;
    array->kind = (int32_t)place->kind;
    if (!base_memory_has_room(room)) {
        status = error_no_memory(unpacking->error);
    } else {
        int32_t result =
            vortex_library()->decode(bytes, place->len, packing->encodings, packing->encodings_len, array, &failure);
        if (result != RHEI_VORTEX_OK)
            status = damaged(unpacking, failure.message);
    }
    base_free(bytes);
    return status;
}

/* The heaps of the column as those of the array. Free with base_free. */
static rhei_status add_heaps(const struct unpacking *unpacking, uint8_t class, struct rhei_vortex_array *array)
{
    const struct segment_heaps *heaps = heaps_of(unpacking->column, class);
    array->heaps = base_alloc((heaps->count + 1) * sizeof *array->heaps);
    if (array->heaps == NULL)
        return error_no_memory(unpacking->error);
    array->heap_count = heaps->count;
    for (uint32_t h = 0; h < heaps->count; h++) {
        if (heaps->buffers[h].bytes == NULL || heaps->buffers[h].len == 0)
            return damaged(unpacking, "a heap has no bytes");
        array->heaps[h] = (struct rhei_vortex_bytes){(void *)(uintptr_t)heaps->buffers[h].bytes, heaps->buffers[h].len};
    }
    return RHEI_OK;
}

/* ---- A column of one class. ---------------------------------------------------------------------------------------- */

static bool fits(uint32_t kind, uint8_t class)
{
    return kind == class || (class == SEGMENT_TEXT && kind == RHEI_VORTEX_BLOBS);
}

static rhei_status unpack_class(const struct unpacking *unpacking, uint8_t class)
{
    struct segment_column *column = unpacking->column;
    const struct segment_buffer *valid = &column->part[SEGMENT_VALID], *values = &column->part[part_of(class)];
    uint32_t rows = unpacking->packing->rows;
    struct rhei_vortex_array array = {.count = rows,
                                      .valid = valid->len == 0 ? NULL : (void *)(uintptr_t)valid->bytes,
                                      .values = (void *)(uintptr_t)values->bytes};
    if (array.valid == NULL && array.values == NULL)
        return RHEI_OK;
    if ((array.valid != NULL && valid->len != (rows + 7) / 8) || values->len != rows * width_of(class) ||
        !fits(unpacking->places[0].kind, class))
        return damaged(unpacking, "a buffer has another length than its rows need");
    rhei_status status = RHEI_OK;
    if (array.values != NULL && (class == SEGMENT_TEXT || class == SEGMENT_BLOB))
        status = add_heaps(unpacking, class, &array);
    if (status == RHEI_OK)
        status = unpack_array(unpacking, 0, &array);
    base_free(array.heaps);
    return status;
}

/* ---- One of several. ----------------------------------------------------------------------------------------------- */

/* The classes, and how many there are of each. */
static rhei_status unpack_classes(const struct unpacking *unpacking, uint8_t *classes)
{
    uint32_t rows = unpacking->packing->rows, counts[CLASSES] = {0};
    struct rhei_vortex_array array = {.count = rows, .values = classes};
    if (unpacking->places[0].kind != RHEI_VORTEX_CLASSES)
        return damaged(unpacking, "it has no classes");
    rhei_status status = unpack_array(unpacking, 0, &array);
    for (uint32_t i = 0; i < rows && status == RHEI_OK; i++) {
        if (classes[i] >= CLASSES)
            return damaged(unpacking, "a row has an unknown class");
        counts[classes[i]]++;
    }
    if (status == RHEI_OK && memcmp(counts, unpacking->column->counts, sizeof counts) != 0)
        return damaged(unpacking, "its counts don't add up");
    return status;
}

static void fill_places(const uint8_t *classes, uint32_t rows, int32_t *places)
{
    int32_t next[CLASSES] = {0};
    for (uint32_t i = 0; i < rows; i++)
        places[i] = classes[i] == RHEI_NULL ? 0 : next[classes[i]]++;
}

/* The values of one class, which lie in their rows, together. */
static rhei_status gather(const struct unpacking *unpacking, const uint8_t *classes, uint8_t class)
{
    struct segment_column *column = unpacking->column;
    const struct segment_buffer *values = &column->part[part_of(class)];
    uint32_t rows = unpacking->packing->rows;
    size_t width = width_of(class);
    char *to = (char *)(uintptr_t)values->bytes;
    if (values->bytes == NULL || values->len == 0)
        return RHEI_OK;
    if (values->len != column->counts[class] * width || !fits(unpacking->places[class].kind, class))
        return damaged(unpacking, "a buffer has another length than its rows need");
    char *spread = base_alloc_aligned(16, (rows * width + 15) & ~(size_t)15);
    if (spread == NULL)
        return error_no_memory(unpacking->error);
    struct rhei_vortex_array array = {.count = rows, .values = spread};
    rhei_status status = RHEI_OK;
    if (class == SEGMENT_TEXT || class == SEGMENT_BLOB)
        status = add_heaps(unpacking, class, &array);
    if (status == RHEI_OK)
        status = unpack_array(unpacking, class, &array);
    for (uint32_t i = 0; i < rows && status == RHEI_OK; i++) {
        if (classes[i] != class)
            continue;
        memcpy(to, spread + i * width, width);
        to += width;
    }
    base_free(array.heaps);
    base_free(spread);
    return status;
}

static rhei_status unpack_mixed(const struct unpacking *unpacking)
{
    struct segment_column *column = unpacking->column;
    const struct segment_buffer *classes = &column->part[SEGMENT_CLASSES], *places = &column->part[SEGMENT_PLACES];
    uint32_t rows = unpacking->packing->rows;
    if (classes->len != rows || places->len != rows * sizeof(int32_t))
        return damaged(unpacking, "a buffer has another length than its rows need");
    uint8_t *found = base_alloc(rows + 1u);
    if (found == NULL)
        return error_no_memory(unpacking->error);
    rhei_status status = unpack_classes(unpacking, found);
    if (status == RHEI_OK && classes->bytes != NULL)
        memcpy((void *)(uintptr_t)classes->bytes, found, rows);
    if (status == RHEI_OK && places->bytes != NULL)
        fill_places(found, rows, (int32_t *)(uintptr_t)places->bytes);
    for (uint8_t class = SEGMENT_INTEGER; class <= SEGMENT_BLOB && status == RHEI_OK; class ++)
        status = gather(unpacking, found, class);
    base_free(found);
    return status;
}

/* ---- The socket's. ------------------------------------------------------------------------------------------------- */

rhei_status codec_vortex_unpack(const void *context, const struct segment_bytes *file, uint32_t number,
                                struct segment_column *column, struct rhei_error *error)
{
    const struct vortex_packing *packing = context;
    if (number >= packing->column_count || column->layout == SEGMENT_EMPTY)
        return RHEI_OK;
    const struct unpacking unpacking = {.packing = packing,
                                        .file = file,
                                        .places = &packing->places[packing->first[number]],
                                        .column = column,
                                        .error = error};
    return column->layout == SEGMENT_MIXED ? unpack_mixed(&unpacking) : unpack_class(&unpacking, column->layout);
}

static rhei_status get(void *context, uint64_t offset, void *bytes, size_t len, struct rhei_error *error)
{
    const struct vortex_memory *memory = context;
    if (offset > memory->len || len > memory->len - offset)
        return error_set(error, RHEI_IO, "a Vortex file ends before its bytes do");
    memcpy(bytes, memory->bytes + offset, len);
    return RHEI_OK;
}

struct segment_bytes vortex_bytes_of(const struct vortex_memory *memory)
{
    return (struct segment_bytes){get, (void *)(uintptr_t)memory};
}
