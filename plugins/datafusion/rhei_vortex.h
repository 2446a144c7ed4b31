/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boundary between Rhei and the part of the library that packs columns into Vortex files: plain C on both sides, one exported symbol.
 * src/codec_vortex is the host; nothing else includes this. The library does no input or output, has no thread, and keeps nothing: bytes in,
 * bytes out.
 *
 * Rules
 *  1. No panic crosses it: one in the library is RHEI_VORTEX_PANIC with its message.
 *  2. Everything that is given is borrowed for the call. What `encode` made is the caller's until `release`.
 *  3. `decode` is given bytes that `encode` made, as they were: the host has checksums of them. It writes no further than the array
 *     says there is room.
 *  4. Any thread, several at a time.
 */
#ifndef RHEI_VORTEX_H
#define RHEI_VORTEX_H

#include <stddef.h>
#include <stdint.h>

enum { RHEI_VORTEX_ABI = 1, RHEI_VORTEX_MESSAGE = 512 };

enum rhei_vortex_status {
    RHEI_VORTEX_OK = 0,
    RHEI_VORTEX_DAMAGED = 1, /* decode: the bytes aren't such an array */
    RHEI_VORTEX_FAILED = 2,  /* encode: a limit of the format's */
    RHEI_VORTEX_PANIC = 3,
};

struct rhei_vortex_error {
    int32_t status;
    char message[RHEI_VORTEX_MESSAGE]; /* ends in NUL */
};

/* What a packed array is in the file: each but the first may have NULLs. */
enum rhei_vortex_kind {
    RHEI_VORTEX_NULLS = 0,    /* null; no buffers */
    RHEI_VORTEX_INTEGERS = 1, /* i64 */
    RHEI_VORTEX_REALS = 2,    /* f64 */
    RHEI_VORTEX_TEXTS = 3,    /* utf8 */
    RHEI_VORTEX_BLOBS = 4,    /* binary */
    RHEI_VORTEX_CLASSES = 5,  /* u8 */
};

struct rhei_vortex_bytes {
    void *bytes;
    size_t len;
};

/* Read by encode, written to by decode. */
struct rhei_vortex_array {
    int32_t kind;
    int32_t plain; /* encode: not compressed */
    uint32_t count;
    uint32_t heap_count;
    void *valid;  /* (count + 7) / 8 bytes, bit 1: not NULL; NULL: encode: no row is, decode: not asked for */
    void *values; /* of count elements; decode: those of NULLs become 0. Strings are Arrow's views into the heaps */
    struct rhei_vortex_bytes *heaps; /* decode: filled to their ends, in the order of rows */
    uint64_t offset, len;            /* encode: where in the file it has been put */
};

struct rhei_vortex_field {
    const char *name; /* UTF-8, none twice */
    size_t name_len;
    const char *const *part_names; /* [array_count] of a struct; NULL: the field is one array */
    struct rhei_vortex_array *arrays;
    uint32_t array_count;
};

struct rhei_vortex_file {
    uint32_t rows; /* the count of each array */
    uint32_t field_count;
    const struct rhei_vortex_field *fields;
    const char *table; /* UTF-8, kept as metadata "rhei:table"; NULL: none is */
    size_t table_len;
};

struct rhei_vortex_packed {
    void *bytes;
    size_t len;
    size_t tail; /* where its last part, the postscript, begins: what is put between is none of any reader's */
    const char *encodings; /* what `decode` needs to know of the file: [encodings_len] */
    size_t encodings_len;
    void *owner;
};

struct rhei_vortex_library {
    size_t size;
    uint32_t abi;
    const char *version; /* for people */
    int32_t (*encode)(const struct rhei_vortex_file *file, struct rhei_vortex_packed *packed,
                      struct rhei_vortex_error *error);
    void (*release)(struct rhei_vortex_packed *packed);
    /* `bytes` are those of one array (offset, len). `kind` as it was encoded. */
    int32_t (*decode)(const void *bytes, size_t len, const char *encodings, size_t encodings_len,
                      struct rhei_vortex_array *array, struct rhei_vortex_error *error);
};

/* The one symbol. NULL: the library is of another ABI. */
const struct rhei_vortex_library *rhei_vortex_library(uint32_t abi);

#endif
