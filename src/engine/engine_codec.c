/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two codecs as one: what is read is told by its last bytes, so a folder may have files of both, and another format goes on where one was.
 * Pieces of open segments, which have no mark, are Arrow's always: they are for us alone, small, and written with each delta.
 */
#include "engine/engine_codec.h"

#include <string.h>

#include "base/base_error.h"
#include "codec_arrow/codec_arrow.h"
#include "codec_vortex/codec_vortex.h"

static bool is_vortex(const char *bytes, size_t len)
{
    return len >= 4 && memcmp(bytes + len - 4, "VTXF", 4) == 0;
}

/* Whose bytes these are. */
static rhei_status codec_of(const void *bytes, size_t len, const struct segment_codec **codec, struct rhei_error *error)
{
    *codec = &codec_arrow;
    return is_vortex(bytes, len) ? codec_vortex_load(codec, error) : RHEI_OK;
}

static uint64_t sum(const void *bytes, size_t len)
{
    const struct segment_codec *codec;
    return codec_of(bytes, len, &codec, NULL) == RHEI_OK ? codec->sum(bytes, len) : 0;
}

static rhei_status open(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error)
{
    const struct segment_codec *codec;
    rhei_status status = codec_of(bytes, len, &codec, error);
    return status == RHEI_OK ? codec->open(bytes, len, image, error) : status;
}

static rhei_status open_tail(const void *tail, size_t len, uint64_t size, struct segment_image *image, size_t *wanted,
                             struct rhei_error *error)
{
    const struct segment_codec *codec;
    *wanted = 0;
    rhei_status status = codec_of(tail, len, &codec, error);
    return status == RHEI_OK ? codec->open_tail(tail, len, size, image, wanted, error) : status;
}

/* Arrow's have none to unpack. */
static rhei_status unpack(const void *packing, const struct segment_bytes *file, uint32_t number,
                          struct segment_column *column, struct rhei_error *error)
{
    const struct segment_codec *codec;
    rhei_status status = codec_vortex_load(&codec, error);
    return status == RHEI_OK ? codec->unpack(packing, file, number, column, error) : status;
}

static void packing_free(void *packing)
{
    const struct segment_codec *codec;
    if (codec_vortex_load(&codec, NULL) == RHEI_OK)
        codec->packing_free(packing);
}

static void span(const struct segment_image *image, uint32_t number, uint64_t *offset, size_t *len)
{
    const struct segment_codec *codec;
    *offset = 0;
    *len = 0;
    if (codec_vortex_load(&codec, NULL) == RHEI_OK)
        codec->span(image, number, offset, len);
}

static rhei_status encode_arrow(const struct segment_image *image, void **bytes, size_t *len, struct rhei_error *error)
{
    return codec_arrow.encode(image, bytes, len, error);
}

static rhei_status encode_vortex(const struct segment_image *image, void **bytes, size_t *len, struct rhei_error *error)
{
    const struct segment_codec *codec = &codec_arrow;
    rhei_status status = image->mark == 0 ? RHEI_OK : codec_vortex_load(&codec, error);
    return status == RHEI_OK ? codec->encode(image, bytes, len, error) : status;
}

#define READING \
    .sum = sum, .open = open, .open_tail = open_tail, .unpack = unpack, .packing_free = packing_free, .span = span
static const struct segment_codec writes_arrow = {.name = "arrow", .encode = encode_arrow, READING};
static const struct segment_codec writes_vortex = {.name = "vortex", .encode = encode_vortex, READING};

rhei_status engine_codec(const char *name, const struct segment_codec **codec, struct rhei_error *error)
{
    *codec = &writes_arrow;
    if (name == NULL || strcmp(name, "arrow") == 0)
        return RHEI_OK;
    if (strcmp(name, "vortex") != 0)
        return error_set(error, RHEI_INVALID, "olap_format \"%.40s\" is none of arrow and vortex", name);
    const struct segment_codec *packs;
    rhei_status status = codec_vortex_load(&packs, error);
    if (status == RHEI_OK)
        *codec = &writes_vortex;
    return status;
}
