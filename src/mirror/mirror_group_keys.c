/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts are equal if their bytes are, which is what BINARY means in any encoding. Up to 12 bytes lie in the cell itself, padded
 * with zeros, so two words tell them apart; of longer ones length and prefix, then the bytes.
 */
#include "mirror_group.h"

#include <string.h>

#include "base/base_map.h"
#include "base/base_memory.h"

enum {
    NARROW_SPAN = 1 << 16, /* numbers of that many neighbours lie in the second cache */
    FIRST_SLOTS = 1 << 10,
    INLINE_BYTES = 12,
};

rhei_status group_keys_init(struct group_keys *keys, const struct mirror_table_view *view, uint32_t column,
                            uint32_t most)
{
    const uint32_t classes = MIRROR_HAS_NULL | MIRROR_CLASSES;
    uint32_t held = mirror_view_column_flags(view, column) & classes & ~(uint32_t)MIRROR_HAS_NULL;
    double low, high;
    *keys = (struct group_keys){.null_group = UINT32_MAX, .most = most};
    if (held != MIRROR_HAS_INTEGER && held != MIRROR_HAS_TEXT)
        return RHEI_UNSUPPORTED;
    keys->class = held == MIRROR_HAS_INTEGER ? RHEI_INTEGER : RHEI_TEXT;
    if (keys->class == RHEI_INTEGER && mirror_view_range(view, column, &low, &high) && low >= -0x1p52 &&
        high <= 0x1p52 && high - low < NARROW_SPAN) {
        keys->low = (int64_t)low;
        keys->span = (uint64_t)(high - low) + 1;
        keys->narrow = base_alloc_zero(keys->span, sizeof *keys->narrow);
        return keys->narrow == NULL ? RHEI_NO_MEMORY : RHEI_OK;
    }
    keys->slots = base_alloc_zero(FIRST_SLOTS, sizeof *keys->slots);
    keys->slot_mask = FIRST_SLOTS - 1;
    return keys->slots == NULL ? RHEI_NO_MEMORY : RHEI_OK;
}

void group_keys_reset(struct group_keys *keys)
{
    base_free(keys->values);
    base_free(keys->narrow);
    base_free(keys->slots);
    *keys = (struct group_keys){.null_group = UINT32_MAX};
}

static rhei_status new_group(struct group_keys *keys, const union mirror_cell *value, uint32_t *group)
{
    if (keys->count >= keys->most)
        return RHEI_UNSUPPORTED;
    void *values = keys->values;
    if (!base_grow(&values, &keys->capacity, (size_t)keys->count + 1, sizeof *keys->values))
        return RHEI_NO_MEMORY;
    keys->values = values;
    keys->values[keys->count] = *value;
    *group = keys->count++;
    return RHEI_OK;
}

static rhei_status null_group(struct group_keys *keys, uint32_t *group)
{
    const union mirror_cell none = {.integer = 0};
    rhei_status status = RHEI_OK;
    if (keys->null_group == UINT32_MAX)
        status = new_group(keys, &none, &keys->null_group);
    *group = keys->null_group;
    return status;
}

/* ---- By hash. --------------------------------------------------------------------------------------------------------- */

struct words {
    uint64_t word[2];
};

static struct words words_of(const union mirror_cell *cell)
{
    struct words words;
    memcpy(&words, cell, sizeof words);
    return words;
}

static uint64_t mix(uint64_t first, uint64_t second)
{
    uint64_t hash = (first ^ (second * UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

static bool is_long(const struct group_keys *keys, const union mirror_cell *cell)
{
    return keys->class == RHEI_TEXT && cell->string.as.inlined.length > INLINE_BYTES;
}

static uint64_t hash_of(const struct group_keys *keys, const union mirror_cell *cell)
{
    if (is_long(keys, cell))
        return base_hash(cell->string.as.pointer.bytes, cell->string.as.pointer.length, 0);
    struct words words = words_of(cell);
    return mix(words.word[0], words.word[1]);
}

static bool same_key(const struct group_keys *keys, const union mirror_cell *a, const union mirror_cell *b)
{
    struct words left = words_of(a), right = words_of(b);
    if (left.word[0] != right.word[0]) /* of a text: its length and its first four bytes */
        return false;
    if (left.word[1] == right.word[1])
        return true;
    return is_long(keys, a) &&
           memcmp(a->string.as.pointer.bytes, b->string.as.pointer.bytes, a->string.as.pointer.length) == 0;
}

static bool widen_slots(struct group_keys *keys)
{
    uint32_t mask = keys->slot_mask * 2 + 1;
    uint32_t *slots = base_alloc_zero((size_t)mask + 1, sizeof *slots);
    if (slots == NULL)
        return false;
    for (uint32_t g = 0; g < keys->count; g++) {
        if (g == keys->null_group)
            continue;
        uint32_t at = (uint32_t)hash_of(keys, &keys->values[g]) & mask;
        while (slots[at] != 0)
            at = (at + 1) & mask;
        slots[at] = g + 1;
    }
    base_free(keys->slots);
    keys->slots = slots;
    keys->slot_mask = mask;
    return true;
}

static rhei_status find_hashed(struct group_keys *keys, const union mirror_cell *cell, uint32_t *group)
{
    uint32_t at = (uint32_t)hash_of(keys, cell) & keys->slot_mask;
    for (; keys->slots[at] != 0; at = (at + 1) & keys->slot_mask)
        if (same_key(keys, cell, &keys->values[keys->slots[at] - 1])) {
            *group = keys->slots[at] - 1;
            return RHEI_OK;
        }
    rhei_status status = new_group(keys, cell, group);
    if (status != RHEI_OK)
        return status;
    keys->slots[at] = *group + 1;
    return keys->count <= keys->slot_mask / 2 || widen_slots(keys) ? RHEI_OK : RHEI_NO_MEMORY;
}

/* ---- Some rows of a vector. ------------------------------------------------------------------------------------------- */

static bool is_null(const struct mirror_column_data *data, uint32_t row)
{
    return data->has_nulls && (data->valid[row / 64] >> (row % 64) & 1) == 0;
}

static rhei_status find_texts(struct group_keys *keys, const struct mirror_column_data *data, const uint16_t *rows,
                              uint32_t count, uint32_t *groups)
{
    const struct mirror_string *strings = data->data;
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < count && status == RHEI_OK; i++) {
        union mirror_cell cell;
        if (is_null(data, rows[i])) {
            status = null_group(keys, &groups[i]);
            continue;
        }
        cell.string = strings[rows[i]];
        status = find_hashed(keys, &cell, &groups[i]);
    }
    return status;
}

static rhei_status find_integer(struct group_keys *keys, int64_t value, uint32_t *group)
{
    union mirror_cell cell;
    memset(&cell, 0, sizeof cell); /* its other half is part of the key */
    cell.integer = value;
    if (keys->narrow == NULL)
        return find_hashed(keys, &cell, group);
    uint64_t place = (uint64_t)value - (uint64_t)keys->low;
    if (place >= keys->span)
        return RHEI_UNSUPPORTED;
    rhei_status status = RHEI_OK;
    if (keys->narrow[place] == 0) {
        status = new_group(keys, &cell, group);
        keys->narrow[place] = status == RHEI_OK ? *group + 1 : 0;
    }
    *group = keys->narrow[place] - 1;
    return status;
}

static rhei_status find_integers(struct group_keys *keys, const struct mirror_column_data *data, const uint16_t *rows,
                                 uint32_t count, uint32_t *groups)
{
    const int64_t *values = data->data;
    const uint32_t *narrow = keys->narrow;
    rhei_status status = RHEI_OK;
    for (uint32_t i = 0; i < count && status == RHEI_OK; i++) {
        if (is_null(data, rows[i])) {
            status = null_group(keys, &groups[i]);
            continue;
        }
        uint64_t place = (uint64_t)values[rows[i]] - (uint64_t)keys->low;
        if (place < keys->span && narrow[place] != 0)
            groups[i] = narrow[place] - 1;
        else
            status = find_integer(keys, values[rows[i]], &groups[i]);
    }
    return status;
}

rhei_status group_keys_find(struct group_keys *keys, const struct mirror_column_data *data, const uint16_t *rows,
                            uint32_t count, uint32_t *groups)
{
    if (data->layout == MIRROR_LAYOUT_EMPTY) {
        rhei_status status = RHEI_OK;
        for (uint32_t i = 0; i < count && status == RHEI_OK; i++)
            status = null_group(keys, &groups[i]);
        return status;
    }
    if (data->layout == MIRROR_LAYOUT_INTEGER && keys->class == RHEI_INTEGER)
        return find_integers(keys, data, rows, count, groups);
    if (data->layout == MIRROR_LAYOUT_TEXT && keys->class == RHEI_TEXT)
        return find_texts(keys, data, rows, count, groups);
    return RHEI_UNSUPPORTED;
}
