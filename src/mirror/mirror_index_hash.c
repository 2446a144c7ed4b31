/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash of row ids for keys of any class: open addressing with 32-bit tags, in 64 partitions so that growing one stalls a
 * sixty-fourth of the keys.
 *
 * Invariants: an entry with cell 0 is empty; from an entry's home slot to the entry itself no slot is empty; at least one
 * slot of a partition is empty. The home slot follows from the tag and the capacity by multiplication, so a capacity need
 * not be a power of two, entries stay roughly in the order of their tags, and growing sweeps memory once.
 */
#include "mirror_internal.h"

#include <string.h>

enum { FIRST_CAPACITY = 8, FULL_TENTHS = 8, SMALL_CAPACITY = 512 /* doubles up to here, then grows by half */ };

static uint32_t home(uint32_t capacity, uint32_t tag)
{
    return (uint32_t)(((uint64_t)tag * capacity) >> 32);
}

static uint32_t next_slot(uint32_t capacity, uint32_t slot)
{
    return slot + 1 == capacity ? 0 : slot + 1;
}

static rhei_status resize(struct mirror_memory *memory, struct mirror_partition *partition, uint32_t capacity)
{
    void *memory_new;
    rhei_status status = mirror_memory_alloc_index(memory, capacity * sizeof(struct mirror_hash_entry), &memory_new);
    if (status != RHEI_OK)
        return status;
    struct mirror_hash_entry *entries = memory_new;
    for (uint32_t i = 0; i < partition->capacity; i++) {
        if (partition->entries[i].cell == 0)
            continue;
        uint32_t slot = home(capacity, partition->entries[i].tag);
        while (entries[slot].cell != 0)
            slot = next_slot(capacity, slot);
        entries[slot] = partition->entries[i];
    }
    mirror_memory_free_index(memory, partition->entries, partition->capacity * sizeof *entries);
    BASE_INVARIANT(partition->used < capacity);
    partition->entries = entries;
    partition->capacity = capacity;
    return RHEI_OK;
}

uint32_t *mirror_hash_find(const struct mirror_table *table, const struct mirror_partition *partition,
                           const struct mirror_probe *probe)
{
    if (partition->used == 0)
        return NULL;
    uint32_t tag = (uint32_t)(probe->hash >> 32);
    uint32_t slot = home(partition->capacity, tag);
    for (; partition->entries[slot].cell != 0; slot = next_slot(partition->capacity, slot)) {
        struct mirror_hash_entry *entry = &partition->entries[slot];
        if (entry->tag == tag && mirror_key_matches(table, entry->cell - 1, probe))
            return &entry->cell;
    }
    return NULL;
}

uint32_t mirror_hash_peek(const struct mirror_partition *partition, uint64_t hash)
{
    if (partition->used == 0)
        return 0;
    uint32_t tag = (uint32_t)(hash >> 32);
    uint32_t slot = home(partition->capacity, tag);
    while (partition->entries[slot].cell != 0 && partition->entries[slot].tag != tag)
        slot = next_slot(partition->capacity, slot);
    return partition->entries[slot].cell;
}

static uint32_t bigger(uint32_t capacity)
{
    if (capacity == 0)
        return FIRST_CAPACITY;
    return capacity < SMALL_CAPACITY ? capacity * 2 : capacity + capacity / 2;
}

rhei_status mirror_hash_add(struct mirror_memory *memory, struct mirror_partition *partition, uint64_t hash,
                            uint32_t **cell)
{
    if ((uint64_t)(partition->used + 1) * 10 > (uint64_t)partition->capacity * FULL_TENTHS) {
        rhei_status status = resize(memory, partition, bigger(partition->capacity));
        if (status != RHEI_OK)
            return status;
    }
    uint32_t tag = (uint32_t)(hash >> 32);
    uint32_t slot = home(partition->capacity, tag);
    while (partition->entries[slot].cell != 0)
        slot = next_slot(partition->capacity, slot);
    BASE_INVARIANT(partition->used < partition->capacity);
    partition->entries[slot].tag = tag;
    partition->used++;
    *cell = &partition->entries[slot].cell;
    return RHEI_OK;
}

/* Slots from `from` forward to `to`, around the end. */
static uint32_t distance(uint32_t capacity, uint32_t from, uint32_t to)
{
    return to >= from ? to - from : to + capacity - from;
}

void mirror_hash_remove(struct mirror_memory *memory, struct mirror_partition *partition, uint32_t *cell)
{
    struct mirror_hash_entry *entries = partition->entries;
    uint32_t capacity = partition->capacity;
    struct mirror_hash_entry *entry =
        (struct mirror_hash_entry *)((char *)cell - offsetof(struct mirror_hash_entry, cell));
    uint32_t hole = (uint32_t)(entry - entries);
    BASE_INVARIANT(hole < capacity && partition->used > 0 && *cell != 0);
    for (uint32_t i = next_slot(capacity, hole); entries[i].cell != 0; i = next_slot(capacity, i)) {
        if (distance(capacity, home(capacity, entries[i].tag), i) >= distance(capacity, hole, i)) {
            entries[hole] = entries[i];
            hole = i;
        }
    }
    entries[hole].cell = 0;
    partition->used--;
    if (capacity > 64 && partition->used < capacity / 8)
        (void)resize(memory, partition, capacity / 4); /* only saves memory: without any it stays as it is */
}

void mirror_hash_free(struct mirror_memory *memory, struct mirror_partition *partition)
{
    mirror_memory_free_index(memory, partition->entries, partition->capacity * sizeof *partition->entries);
    memset(partition, 0, sizeof *partition);
}
