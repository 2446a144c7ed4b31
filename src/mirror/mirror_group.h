/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of groups: values to numbers 0, 1, 2 ... in the order in which they are met. Owner thread, over a pinned view. */
#ifndef MIRROR_MIRROR_GROUP_H
#define MIRROR_MIRROR_GROUP_H

#include "mirror_internal.h"

struct group_keys {
    uint8_t class; /* RHEI_INTEGER or RHEI_TEXT */
    uint32_t count, most;
    uint32_t null_group; /* UINT32_MAX: no row has had NULL */
    union mirror_cell *values;
    size_t capacity;
    /* Integers of a narrow range: number + 1 by value - low. */
    int64_t low;
    uint64_t span; /* 0: not narrow */
    uint32_t *narrow;
    /* Others: number + 1 by hash, open addressing, at most half full. */
    uint32_t *slots;
    uint32_t slot_mask;
};

/* RHEI_UNSUPPORTED: the column has held other classes, or several. Ends with group_keys_reset, also after an error. */
rhei_status group_keys_init(struct group_keys *keys, const struct mirror_table_view *view, uint32_t column,
                            uint32_t most);
/*
 * The groups of some rows of a vector. RHEI_UNSUPPORTED: more groups than `most`, or a layout that isn't as the view's flags
 * say.
 */
rhei_status group_keys_find(struct group_keys *keys, const struct mirror_column_data *data, const uint16_t *rows,
                            uint32_t count, uint32_t *groups);
void group_keys_reset(struct group_keys *keys);

#endif
