/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory (codec_directory.h) lies between Vortex's footer and its postscript. Of each buffer it says length and checksum; behind
 * the columns, what unpacking needs:
 *
 *   bytes of the encodings' names, and these, padded to 8
 *   for each array of each column, in order: kind, offset in the file, length and checksum of its packed bytes
 */
#ifndef CODEC_VORTEX_INTERNAL_H
#define CODEC_VORTEX_INTERNAL_H

#include "port/segment_codec.h"
#include <rhei_vortex.h>

static const uint64_t codec_vortex_word = 0x3158545649454852u; /* "RHEIVTX1" */

/* A MIXED column's arrays: classes, and for each class a sparse one. */
enum { VORTEX_MIXED_ARRAYS = 5 };
static inline uint32_t vortex_array_count(uint8_t layout)
{
    return layout == SEGMENT_EMPTY ? 0 : layout == SEGMENT_MIXED ? VORTEX_MIXED_ARRAYS : 1;
}

/* Where an array lies in a file. */
struct vortex_place {
    uint64_t offset, len, sum;
    uint32_t kind; /* enum rhei_vortex_kind */
};

/* One allocation. */
struct vortex_packing {
    uint32_t rows, column_count;
    size_t encodings_len;
    const char *encodings;
    uint32_t *first; /* [column_count]: which place is a column's first */
    struct vortex_place *places;
};

/* ---- codec_vortex_library.c ---------------------------------------------------------------------------------------- */

/* RHEI_OLAP_UNAVAILABLE. */
rhei_status vortex_library_load(struct rhei_error *error);
const struct rhei_vortex_library *vortex_library(void); /* once it was loaded */
/* The library's failure in Rhei's codes. */
rhei_status vortex_error(int32_t status, const struct rhei_vortex_error *failure, struct rhei_error *error);

/* ---- codec_vortex.c, codec_vortex_open.c, codec_vortex_unpack.c ------------------------------------------------------ */

uint64_t codec_vortex_sum(const void *bytes, size_t len);
rhei_status codec_vortex_open(const void *bytes, size_t len, struct segment_image *image, struct rhei_error *error);
rhei_status codec_vortex_open_tail(const void *tail, size_t len, uint64_t size, struct segment_image *image,
                                   size_t *wanted, struct rhei_error *error);
rhei_status codec_vortex_unpack(const void *packing, const struct segment_bytes *file, uint32_t number,
                                struct segment_column *column, struct rhei_error *error);
void codec_vortex_packing_free(void *packing);
void codec_vortex_span(const struct segment_image *image, uint32_t number, uint64_t *offset, size_t *len);
/* A file in memory. */
struct vortex_memory {
    const char *bytes;
    size_t len;
};
struct segment_bytes vortex_bytes_of(const struct vortex_memory *memory);

#endif
