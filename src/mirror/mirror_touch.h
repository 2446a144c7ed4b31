/* SPDX-License-Identifier: Apache-2.0 */
/* What an untouched column is checked and filled from. For mirror_adopt.c and mirror_touch.c. */
#ifndef MIRROR_MIRROR_TOUCH_H
#define MIRROR_MIRROR_TOUCH_H

#include "mirror_internal.h"
#include "port/segment_codec.h"

/* One allocation: the struct, then the heaps of TEXT and those of BLOB, and their addresses. */
struct mirror_foreign {
    size_t size;
    base_mutex mutex; /* who checks and fills */
    struct mirror_owner *owner;
    struct mirror *mirror;
    struct mirror_segment *segment;
    struct segment_column image; /* its heaps' buffers lie behind the struct; no zones */
    bool checked;                /* before it was adopted */
    const char **heaps[2];       /* addresses: of TEXT, of BLOB */
    struct mirror_run filled;    /* strings with addresses, once they were wanted */
    atomic_size_t filled_bytes;
};

#endif
