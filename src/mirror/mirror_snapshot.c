/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: a hazard pointer per holder.
 *
 * A holder owns one slot, and the slot names its version. States of a slot: free (NULL) -> claimed by compare-and-swap, the
 * version perhaps out of date -> confirmed once `current` still names the same version -> free by release. Only a confirmed
 * version may be looked into.
 *
 * Slots come in blocks that are added when all are taken and stay until the mirror closes. Each block brings as many
 * versions as slots, and the mirror has two more: one is current, one is free for the next publish, whatever is held.
 */
#include "mirror_internal.h"

#include <string.h>

#include "base/base_memory.h"

static struct mirror_slot_block *block_new(struct mirror *mirror)
{
    struct mirror_slot_block *block = base_alloc_aligned(64, sizeof *block);
    if (block == NULL)
        return NULL;
    memset(block, 0, sizeof *block);
    for (uint32_t i = 0; i < MIRROR_SLOTS_PER_BLOCK; i++)
        atomic_init(&block->slot[i].version, NULL);
    atomic_init(&block->next, NULL);
    atomic_fetch_add_explicit(&mirror->memory.used, sizeof *block, memory_order_relaxed);
    return block;
}

static void free_version_push(struct mirror *mirror, struct mirror_version *version)
{
    version->garbage.next = mirror->free_versions == NULL ? NULL : &mirror->free_versions->garbage;
    mirror->free_versions = version;
}

/* Puts the versions of blocks that were added since the last call on the free list. */
static void claim_versions(struct mirror *mirror)
{
    struct mirror_slot_block *block = mirror->last_claimed == NULL
                                          ? mirror->slots
                                          : atomic_load_explicit(&mirror->last_claimed->next, memory_order_acquire);
    while (block != NULL) {
        for (uint32_t i = 0; i < MIRROR_SLOTS_PER_BLOCK; i++)
            free_version_push(mirror, &block->version[i]);
        mirror->last_claimed = block;
        block = atomic_load_explicit(&block->next, memory_order_acquire);
    }
}

rhei_status mirror_slots_init(struct mirror *mirror)
{
    base_mutex_init(&mirror->slots_mutex);
    mirror->slots = block_new(mirror);
    if (mirror->slots == NULL)
        return RHEI_NO_MEMORY;
    atomic_init(&mirror->slot_hint, mirror->slots);
    for (size_t i = 0; i < sizeof mirror->base_version / sizeof mirror->base_version[0]; i++)
        free_version_push(mirror, &mirror->base_version[i]);
    return RHEI_OK;
}

void mirror_slots_reset(struct mirror *mirror)
{
    for (struct mirror_slot_block *block = mirror->slots, *next; block != NULL; block = next) {
        next = atomic_load_explicit(&block->next, memory_order_relaxed);
        base_free(block);
        atomic_fetch_sub_explicit(&mirror->memory.used, sizeof *block, memory_order_relaxed);
    }
    mirror->slots = NULL;
    base_mutex_destroy(&mirror->slots_mutex);
}

struct mirror_version *mirror_version_new(struct mirror *mirror)
{
    if (mirror->free_versions == NULL)
        claim_versions(mirror);
    /* Every version but the current one is retired, and the slots can hold all but one of them; only a hold that is being
       cloned right now can make a pass prove nothing. */
    while (mirror->free_versions == NULL)
        (void)mirror_reclaim(mirror);
    BASE_INVARIANT(mirror->free_versions != atomic_load_explicit(&mirror->current, memory_order_relaxed));
    struct mirror_version *version = mirror->free_versions;
    mirror->free_versions = (struct mirror_version *)version->garbage.next;
    return version;
}

/* Threads start at different slots: their stacks are far apart. */
static uint32_t first_slot(const void *on_stack)
{
    uint64_t address = (uint64_t)(uintptr_t)on_stack >> 16;
    return (uint32_t)((address * 0x9E3779B97F4A7C15u) >> 58);
}

static bool confirm(struct mirror *mirror, struct mirror_slot *slot, struct mirror_version *version,
                    struct mirror_snapshot *snapshot)
{
    struct mirror_version *free_slot = NULL;
    if (!atomic_compare_exchange_strong(&slot->version, &free_slot, version))
        return false;
    struct mirror_version *now;
    while ((now = atomic_load(&mirror->current)) != version) {
        version = now;
        atomic_store(&slot->version, version);
    }
    snapshot->version = version;
    snapshot->slot = slot;
    return true;
}

/* `fixed`: the version to hold, already held by another slot; NULL: the current one. */
static bool claim_in(struct mirror *mirror, struct mirror_slot_block *block, uint32_t first,
                     struct mirror_version *fixed, struct mirror_snapshot *snapshot)
{
    for (uint32_t i = 0; i < MIRROR_SLOTS_PER_BLOCK; i++) {
        struct mirror_slot *slot = &block->slot[(first + i) % MIRROR_SLOTS_PER_BLOCK];
        struct mirror_version *free_slot = NULL;
        if (atomic_load_explicit(&slot->version, memory_order_relaxed) != NULL)
            continue;
        if (fixed == NULL) {
            if (confirm(mirror, slot, atomic_load_explicit(&mirror->current, memory_order_acquire), snapshot))
                return true;
        } else if (atomic_compare_exchange_strong(&slot->version, &free_slot, fixed)) {
            *snapshot = (struct mirror_snapshot){.version = fixed, .slot = slot};
            return true;
        }
    }
    return false;
}

/* From the block where the last free slot was found to the end, then from the front; a new block when all are full. */
static rhei_status claim_anywhere(struct mirror *mirror, uint32_t first, struct mirror_version *fixed,
                                  struct mirror_snapshot *snapshot)
{
    struct mirror_slot_block *start = atomic_load_explicit(&mirror->slot_hint, memory_order_acquire);
    struct mirror_slot_block *last = start;
    for (struct mirror_slot_block *block = start; block != NULL;
         block = atomic_load_explicit(&block->next, memory_order_acquire)) {
        last = block;
        if (claim_in(mirror, block, first, fixed, snapshot)) {
            atomic_store_explicit(&mirror->slot_hint, block, memory_order_release);
            return RHEI_OK;
        }
    }
    for (struct mirror_slot_block *block = mirror->slots; block != start;
         block = atomic_load_explicit(&block->next, memory_order_acquire)) {
        if (claim_in(mirror, block, first, fixed, snapshot)) {
            atomic_store_explicit(&mirror->slot_hint, block, memory_order_release);
            return RHEI_OK;
        }
    }
    rhei_status status = RHEI_OK;
    base_mutex_lock(&mirror->slots_mutex);
    if (atomic_load_explicit(&last->next, memory_order_acquire) == NULL) {
        struct mirror_slot_block *block = block_new(mirror);
        if (block == NULL)
            status = RHEI_NO_MEMORY;
        else
            atomic_store_explicit(&last->next, block, memory_order_release);
    }
    base_mutex_unlock(&mirror->slots_mutex);
    return status == RHEI_OK ? claim_anywhere(mirror, first, fixed, snapshot) : status;
}

static rhei_status claim(struct mirror *mirror, struct mirror_version *fixed, struct mirror_snapshot *snapshot)
{
    uint32_t first = first_slot(&snapshot);
    struct mirror_slot_block *hint = atomic_load_explicit(&mirror->slot_hint, memory_order_acquire);
    if (claim_in(mirror, hint, first, fixed, snapshot))
        return RHEI_OK;
    return claim_anywhere(mirror, first, fixed, snapshot);
}

rhei_status mirror_snapshot_take(struct mirror *mirror, struct mirror_snapshot *snapshot)
{
    return claim(mirror, NULL, snapshot);
}

rhei_status mirror_snapshot_clone(const struct mirror_snapshot *from, struct mirror_snapshot *snapshot)
{
    struct mirror_slot *held = from->slot;
    struct mirror_version *version = atomic_load_explicit(&held->version, memory_order_relaxed);
    BASE_INVARIANT(version == from->version);
    struct mirror *mirror = version->mirror;
    rhei_status status = claim(mirror, version, snapshot);
    atomic_fetch_add(&mirror->clones, 1);
    return status;
}

void mirror_snapshot_release(struct mirror_snapshot *snapshot)
{
    if (snapshot->slot == NULL)
        return;
    BASE_INVARIANT(snapshot->version->mirror != NULL);
    struct mirror_slot *slot = snapshot->slot;
    atomic_store_explicit(&slot->version, NULL, memory_order_release);
    *snapshot = (struct mirror_snapshot){.version = NULL, .slot = NULL};
}

bool mirror_snapshot_is_newest(const struct mirror_snapshot *snapshot)
{
    return atomic_load(&snapshot->version->mirror->current) == snapshot->version;
}

int64_t mirror_snapshot_position(const struct mirror_snapshot *snapshot)
{
    return snapshot->version->position[0];
}

int64_t mirror_snapshot_position_of(const struct mirror_snapshot *snapshot, uint32_t source)
{
    return source < TABLE_SOURCES_MOST ? snapshot->version->position[source] : 0;
}
