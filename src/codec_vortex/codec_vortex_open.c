/* SPDX-License-Identifier: Apache-2.0 */
/* Opening looks at the directory alone: what Vortex's own footer says is for other readers. */
#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"
#include "codec/codec_directory.h"
#include "codec_vortex_internal.h"

enum { END_BYTES = 8, VERSION = 1, MOST_ENCODINGS = 64 << 10 };

/* Bytes from the postscript on, by the file's last 8: version, length of the postscript, "VTXF". 0: they aren't such. */
static uint64_t postscript_bytes(const char *bytes, size_t len, uint64_t size)
{
    if (len < END_BYTES)
        return 0;
    const unsigned char *end = (const unsigned char *)bytes + len - END_BYTES;
    uint64_t whole = (uint64_t)(end[2] | end[3] << 8) + END_BYTES;
    bool right = (end[0] | end[1] << 8) == VERSION && memcmp(end + 4, "VTXF", 4) == 0;
    return right && whole < size ? whole : 0;
}

/* ---- The directory. ------------------------------------------------------------------------------------------------ */

static void get_buffer(struct codec_reader *reader, struct segment_buffer *buffer)
{
    uint64_t len = codec_get_word(reader);
    buffer->checksum = codec_get_word(reader);
    reader->wrong |= len > INT32_MAX;
    buffer->len = reader->wrong ? 0 : (size_t)len;
}

static void get_places(struct codec_reader *reader, struct vortex_packing *packing)
{
    uint32_t at = 0;
    for (uint32_t c = 0; c < packing->column_count; c++) {
        packing->first[c] = at;
        for (uint32_t a = 0; a < vortex_array_count(reader->image->columns[c].layout) && !reader->wrong; a++) {
            struct vortex_place *place = &packing->places[at++];
            place->kind = codec_get_number(reader, codec_get_word(reader), RHEI_VORTEX_CLASSES);
            place->offset = codec_get_word(reader);
            place->len = codec_get_word(reader);
            place->sum = codec_get_word(reader);
            reader->wrong |= place->offset > reader->begins || place->len > reader->begins - place->offset;
        }
    }
}

static void get_packing(struct codec_reader *reader)
{
    const struct segment_image *image = reader->image;
    uint32_t arrays = 0, columns = image->column_count;
    uint32_t len = codec_get_number(reader, codec_get_word(reader), MOST_ENCODINGS);
    const char *encodings = reader->at;
    size_t padded = (len + 7u) & ~7u;
    if (reader->wrong || padded > (size_t)(reader->end - reader->at)) {
        reader->wrong = true;
        return;
    }
    reader->at += padded;
    for (uint32_t c = 0; c < columns; c++)
        arrays += vortex_array_count(image->columns[c].layout);
    struct vortex_packing *packing =
        base_alloc_zero(1, sizeof *packing + arrays * sizeof *packing->places + columns * sizeof *packing->first + len);
    reader->no_memory |= packing == NULL;
    if (packing == NULL)
        return;
    packing->rows = image->rows;
    packing->column_count = columns;
    packing->places = (struct vortex_place *)(void *)(packing + 1);
    packing->first = (uint32_t *)(void *)(packing->places + arrays);
    packing->encodings = memcpy(packing->first + columns, encodings, len);
    packing->encodings_len = len;
    get_places(reader, packing);
    *(struct vortex_packing **)reader->context = packing;
}

/* A column's arrays lie one behind another. */
void codec_vortex_span(const struct segment_image *image, uint32_t number, uint64_t *offset, size_t *len)
{
    const struct vortex_packing *packing = image->packing;
    uint32_t count = vortex_array_count(image->columns[number].layout);
    const struct vortex_place *places = packing->places + packing->first[number];
    *offset = 0;
    *len = 0;
    if (count == 0)
        return;
    const struct vortex_place *last = &places[count - 1];
    if (last->offset < places->offset)
        return;
    *offset = places->offset;
    *len = (size_t)(last->offset + last->len - places->offset);
}

void codec_vortex_packing_free(void *packing)
{
    base_free(packing);
}

static rhei_status not_one(uint64_t len, struct rhei_error *error)
{
    return error_set(error, RHEI_IO, "these %llu bytes are not a segment's Vortex file, or they are damaged",
                     (unsigned long long)len);
}

static rhei_status open_tail(const char *tail, size_t len, uint64_t size, struct segment_image *image, size_t *wanted,
                             struct rhei_error *error)
{
    struct vortex_packing *packing = NULL;
    struct codec_reader reader = {.word = codec_vortex_word,
                                  .get_buffer = get_buffer,
                                  .get_more = get_packing,
                                  .context = &packing,
                                  .image = image};
    uint64_t more = 0, behind = postscript_bytes(tail, len, size);
    memset(image, 0, sizeof *image);
    *wanted = 0;
    if (behind == 0 || len > size)
        return not_one(size, error);
    if (!codec_directory_find(&reader, tail, behind < len ? (size_t)(len - behind) : 0, size - behind, &more)) {
        uint64_t least = behind + more;
        if (more == 0 || least <= len || least > size)
            return not_one(size, error);
        *wanted = (size_t)least;
        return RHEI_OK;
    }
    rhei_status status = codec_directory_read(&reader, error);
    if (status == RHEI_OK)
        image->packing = packing;
    else
        codec_vortex_packing_free(packing);
    return status;
}

/* ---- The socket's. ------------------------------------------------------------------------------------------------- */

uint64_t codec_vortex_sum(const void *bytes, size_t len)
{
    uint64_t behind = postscript_bytes(bytes, len, len);
    return behind == 0 ? 0 : codec_directory_sum(bytes, len - (size_t)behind);
}

static void release_packed(struct segment_image *image)
{
    codec_vortex_packing_free(image->packing);
    base_chain_free(&image->owner);
    memset(image, 0, sizeof *image);
}

rhei_status codec_vortex_open_tail(const void *tail, size_t len, uint64_t size, struct segment_image *image,
                                   size_t *wanted, struct rhei_error *error)
{
    rhei_status status = open_tail(tail, len, size, image, wanted, error);
    if (status == RHEI_OK && *wanted == 0)
        image->release = release_packed;
    return status;
}

/* Room for each buffer of a column, and what belongs there. */
static rhei_status unpack_into(struct segment_image *image, const struct segment_bytes *file, uint32_t number,
                               struct rhei_error *error)
{
    struct segment_column *column = &image->columns[number];
    struct segment_buffer *buffer;
    for (uint32_t i = 0; (buffer = segment_buffer_at(column, i)) != NULL; i++) {
        if (buffer->len == 0)
            continue;
        if (!base_memory_has_room(buffer->len))
            return error_no_memory(error);
        buffer->bytes = base_chain_alloc(&image->owner, 1, buffer->len);
        if (buffer->bytes == NULL)
            return error_no_memory(error);
    }
    return codec_vortex_unpack(image->packing, file, number, column, error);
}

rhei_status codec_vortex_open(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error)
{
    const struct vortex_memory memory = {bytes, len};
    const struct segment_bytes file = vortex_bytes_of(&memory);
    size_t wanted;
    rhei_status status = open_tail(bytes, len, len, image, &wanted, error);
    if (status == RHEI_OK && wanted > 0)
        status = not_one(len, error);
    if (status != RHEI_OK)
        return status;
    image->release = release_packed;
    for (uint32_t c = 0; c < image->column_count && status == RHEI_OK; c++)
        status = unpack_into(image, &file, c, error);
    if (status != RHEI_OK) {
        release_packed(image);
        return status;
    }
    codec_vortex_packing_free(image->packing);
    image->packing = NULL;
    return RHEI_OK;
}
