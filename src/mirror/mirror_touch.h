/* SPDX-License-Identifier: Apache-2.0 */
/* What an untouched column is checked and filled from. For mirror_adopt.c, mirror_touch.c and mirror_cache.c. */
#ifndef MIRROR_MIRROR_TOUCH_H
#define MIRROR_MIRROR_TOUCH_H

#include "mirror_internal.h"
#include "port/segment_codec.h"

/* One allocation: the struct, then the heaps of TEXT and those of BLOB, and their addresses. */
struct mirror_foreign {
    size_t size;
    base_mutex mutex; /* who reads, checks and fills */
    struct mirror_owner *owner;
    struct mirror *mirror;
    struct mirror_segment *segment;
    struct mirror_column *column;
    struct segment_column image; /* its heaps' buffers lie behind the struct; no zones. Of a remote one without bytes */
    bool remote;                 /* the owner reads them */
    bool checked;                /* before it was adopted, or when it was read before: its checksums are enough */
    const char **heaps[2];       /* addresses: of TEXT, of BLOB */
    struct mirror_run filled;    /* numbers, or strings with addresses, once they were wanted */
    char *heap;                  /* of a remote one: its long strings */
    size_t heap_size;
    atomic_size_t filled_bytes;

    /* mirror_cache.c's: NULL, or a place in the ring of those that hold something. */
    struct mirror_foreign *next, *previous;
    uint32_t seen; /* how often its segment had been held when the hand came by */
};

#endif
