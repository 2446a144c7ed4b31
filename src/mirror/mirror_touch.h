/* SPDX-License-Identifier: Apache-2.0 */
/* What an untouched column is filled from. For mirror_adopt.c and mirror_touch.c. */
#ifndef MIRROR_MIRROR_TOUCH_H
#define MIRROR_MIRROR_TOUCH_H

#include "mirror_internal.h"
#include "port/segment_codec.h"

/* One allocation: the struct, then the addresses of the heaps of TEXT and those of BLOB. */
struct mirror_foreign {
    size_t size;
    base_mutex mutex; /* who fills */
    struct mirror_owner *owner;
    uint32_t rows;
    const void *part[SEGMENT_PARTS];
    const char *const *heaps[2]; /* of TEXT, of BLOB */
    const char *heap[];
};

#endif
