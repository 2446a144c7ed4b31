/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open addressing with linear probing; deletion moves later entries of the run back, so there are no tombstones.
 *
 * Invariants:
 * 1. slot_count is a power of two, or 0 before the first entry.
 * 2. count <= 3/4 slot_count, so that every probe ends at an empty slot (key == NULL).
 * 3. Between an entry's home slot and the slot it is in, no slot is empty.
 */
#include "base_map.h"

#include <string.h>

#include "base_memory.h"

struct map_slot {
    char *key; /* NULL: empty */
    size_t key_len;
    uint64_t hash;
    void *value;
};

struct base_map {
    struct map_slot *slots;
    size_t slot_count;
    size_t count;
    bool fold_ascii;
};

static unsigned char fold(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + ('a' - 'A')) : byte;
}

int base_fold_compare(const char *a, const char *b)
{
    for (;; a++, b++) {
        int difference = *a == *b ? 0 : fold((unsigned char)*a) - fold((unsigned char)*b);
        if (difference != 0 || *a == '\0')
            return difference;
    }
}

bool base_fold_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len)
        return false;
    for (size_t i = 0; i < a_len; i++)
        if (a[i] != b[i] && fold((unsigned char)a[i]) != fold((unsigned char)b[i]))
            return false;
    return true;
}

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 32)) * UINT64_C(0xE9846AF9B1A615D);
    value = (value ^ (value >> 32)) * UINT64_C(0xE9846AF9B1A615D);
    return value ^ (value >> 28);
}

uint64_t base_hash(const void *bytes, size_t len, uint64_t seed)
{
    const unsigned char *at = bytes;
    uint64_t state = mix(seed ^ (UINT64_C(0x9E3779B97F4A7C15) * (len + 1)));
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        state = mix(state ^ word) + UINT64_C(0x9E3779B97F4A7C15);
    }
    uint64_t tail = 0;
    if (len > 0)
        memcpy(&tail, at, len);
    return mix(state ^ tail);
}

static uint64_t hash_folded(const char *key, size_t len)
{
    uint64_t state = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < len; i++)
        state = (state ^ fold((unsigned char)key[i])) * UINT64_C(0x100000001B3);
    return mix(state);
}

static uint64_t hash_key(const struct base_map *map, const char *key, size_t len)
{
    return map->fold_ascii ? hash_folded(key, len) : base_hash(key, len, 0);
}

static bool slot_holds(const struct base_map *map, const struct map_slot *slot, uint64_t hash, const char *key,
                       size_t key_len)
{
    if (slot->hash != hash || slot->key_len != key_len)
        return false;
    if (map->fold_ascii)
        return base_fold_equal(slot->key, slot->key_len, key, key_len);
    return key_len == 0 || memcmp(slot->key, key, key_len) == 0;
}

/* The key's slot, or the empty one where it belongs. slot_count > 0. */
static size_t find_slot(const struct base_map *map, uint64_t hash, const char *key, size_t key_len)
{
    size_t mask = map->slot_count - 1;
    size_t at = (size_t)hash & mask;
    while (map->slots[at].key != NULL && !slot_holds(map, &map->slots[at], hash, key, key_len))
        at = (at + 1) & mask;
    return at;
}

static bool grow_slots(struct base_map *map)
{
    if (map->slot_count > SIZE_MAX / 4)
        return false;
    size_t slot_count = map->slot_count == 0 ? 16 : map->slot_count * 2;
    struct map_slot *slots = base_alloc_zero(slot_count, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = 0; i < map->slot_count; i++) {
        if (map->slots[i].key == NULL)
            continue;
        size_t at = (size_t)map->slots[i].hash & (slot_count - 1);
        while (slots[at].key != NULL)
            at = (at + 1) & (slot_count - 1);
        slots[at] = map->slots[i];
    }
    base_free(map->slots);
    map->slots = slots;
    map->slot_count = slot_count;
    return true;
}

struct base_map *base_map_new(bool fold_ascii)
{
    struct base_map *map = base_alloc_zero(1, sizeof *map);
    if (map != NULL)
        map->fold_ascii = fold_ascii;
    return map;
}

void base_map_free(struct base_map **map)
{
    if (map == NULL || *map == NULL)
        return;
    for (size_t i = 0; i < (*map)->slot_count; i++)
        base_free((*map)->slots[i].key);
    base_free((*map)->slots);
    base_free(*map);
    *map = NULL;
}

void *base_map_find(const struct base_map *map, const char *key, size_t key_len)
{
    if (map == NULL || map->count == 0)
        return NULL;
    return map->slots[find_slot(map, hash_key(map, key, key_len), key, key_len)].value;
}

bool base_map_put(struct base_map *map, const char *key, size_t key_len, void *value, void **previous)
{
    uint64_t hash = hash_key(map, key, key_len);
    if (map->count > 0) {
        struct map_slot *slot = &map->slots[find_slot(map, hash, key, key_len)];
        if (slot->key != NULL) {
            if (previous != NULL)
                *previous = slot->value;
            slot->value = value;
            return true;
        }
    }
    char *copy = base_strndup(key, key_len);
    if (copy == NULL)
        return false;
    if (map->count + 1 > map->slot_count / 4 * 3 && !grow_slots(map)) {
        base_free(copy);
        return false;
    }
    map->slots[find_slot(map, hash, key, key_len)] =
        (struct map_slot){.key = copy, .key_len = key_len, .hash = hash, .value = value};
    map->count++;
    if (previous != NULL)
        *previous = NULL;
    return true;
}

/* Invariant 3 after slot `hole` became empty: pull back each entry of the run whose home is not after the hole. */
static void close_hole(struct base_map *map, size_t hole)
{
    size_t mask = map->slot_count - 1;
    for (size_t at = (hole + 1) & mask; map->slots[at].key != NULL; at = (at + 1) & mask) {
        size_t from_home = (at - (size_t)map->slots[at].hash) & mask;
        size_t from_hole = (at - hole) & mask;
        if (from_home < from_hole)
            continue;
        map->slots[hole] = map->slots[at];
        map->slots[at] = (struct map_slot){0};
        hole = at;
    }
}

void *base_map_remove(struct base_map *map, const char *key, size_t key_len)
{
    if (map == NULL || map->count == 0)
        return NULL;
    size_t at = find_slot(map, hash_key(map, key, key_len), key, key_len);
    if (map->slots[at].key == NULL)
        return NULL;
    void *value = map->slots[at].value;
    base_free(map->slots[at].key);
    map->slots[at] = (struct map_slot){0};
    map->count--;
    close_hole(map, at);
    return value;
}

size_t base_map_count(const struct base_map *map)
{
    return map == NULL ? 0 : map->count;
}

bool base_map_next(const struct base_map *map, size_t *cursor, const char **key, size_t *key_len, void **value)
{
    if (map == NULL)
        return false;
    while (*cursor < map->slot_count) {
        const struct map_slot *slot = &map->slots[(*cursor)++];
        if (slot->key == NULL)
            continue;
        if (key != NULL)
            *key = slot->key;
        if (key_len != NULL)
            *key_len = slot->key_len;
        if (value != NULL)
            *value = slot->value;
        return true;
    }
    return false;
}
