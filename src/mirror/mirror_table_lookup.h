/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a view by the hash of one column's value. One thread at a time. */
#ifndef MIRROR_MIRROR_TABLE_LOOKUP_H
#define MIRROR_MIRROR_TABLE_LOOKUP_H

#include "mirror_internal.h"

enum { MIRROR_LOOKUP_END = UINT32_MAX };

struct mirror_lookup {
    struct mirror_lookup *next;
    const struct mirror_table_view *view;
    uint32_t column;
    uint64_t looked; /* slots that were looked at for single values */
    bool impossible; /* no memory for it */
    uint32_t *buckets, *chain;
    uint32_t mask, count;
    uint32_t *places; /* segment << 16 | offset */
    uint32_t *hashes;
};

/* Equal values have equal hashes, whatever their class of number. */
uint32_t mirror_lookup_hash(const struct rhei_value *value);
/* The column's hash, once it pays; NULL: not yet, or never. */
struct mirror_lookup *mirror_lookup_take(struct mirror_lookup *all, const struct mirror_table_view *view,
                                         uint32_t column);
/* Somebody looks at so many slots, because there is none; kept in *all. */
void mirror_lookup_note(struct mirror_lookup **all, const struct mirror_table_view *view, uint32_t column,
                        uint64_t slots);
static inline uint32_t mirror_lookup_first(const struct mirror_lookup *lookup, uint32_t hash)
{
    return lookup->buckets[hash & lookup->mask];
}
/* The place of a row whose value has this hash, from entry *entry on, which moves behind it; false: there is no more. */
bool mirror_lookup_next(const struct mirror_lookup *lookup, uint32_t *entry, uint32_t hash, uint32_t *place);
void mirror_lookups_free(struct mirror_lookup **all);

/* A cell of a vector; text and BLOB borrowed. */
static inline void mirror_table_cell(const struct mirror_column_data *data, uint32_t slot, struct rhei_value *value)
{
    value->type = RHEI_NULL;
    value->length = 0;
    if (data->layout == MIRROR_LAYOUT_EMPTY || (data->has_nulls && (data->valid[slot / 64] >> (slot % 64) & 1) == 0))
        return;
    bool mixed = data->layout == MIRROR_LAYOUT_MIXED;
    value->type = mixed ? data->classes[slot] : data->layout;
    switch (value->type) {
    case RHEI_INTEGER:
        value->as.integer = ((const int64_t *)data->data)[mixed ? 2 * slot : slot];
        break;
    case RHEI_REAL:
        value->as.real = ((const double *)data->data)[mixed ? 2 * slot : slot];
        break;
    default:
        value->as.bytes = mirror_string_bytes(&((const struct mirror_string *)data->data)[slot], &value->length);
        break;
    }
}

#endif
