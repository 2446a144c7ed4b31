/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants:
 *  1. `used` is the sum of everything handed out plus every pool block, whole, whether its units are in use or not.
 *  2. A block is on `open` while it has a free unit, else on `full`; an empty block counts in `empty_blocks`.
 *  3. Blocks leave the pool only when more than KEEP_BLOCKS and an eighth of all are empty, or at the limit.
 */
#include "mirror_memory.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_memory.h"

enum { KEEP_BLOCKS = 16, ALL_UNITS = (1 << MIRROR_BLOCK_UNITS) - 1 };

void mirror_memory_init(struct mirror_memory *memory, size_t limit)
{
    memset(memory, 0, sizeof *memory);
    memory->limit = limit;
    base_mutex_init(&memory->mutex);
}

static void list_push(struct mirror_block **list, struct mirror_block *block)
{
    block->previous = NULL;
    block->next = *list;
    if (*list != NULL)
        (*list)->previous = block;
    *list = block;
}

static void list_remove(struct mirror_block **list, struct mirror_block *block)
{
    if (block->previous != NULL)
        block->previous->next = block->next;
    else
        *list = block->next;
    if (block->next != NULL)
        block->next->previous = block->previous;
}

static void uncharge(struct mirror_memory *memory, size_t size)
{
    atomic_fetch_sub_explicit(&memory->used, size, memory_order_relaxed);
}

static void block_free(struct mirror_memory *memory, struct mirror_block *block)
{
    list_remove(&memory->open, block);
    memory->blocks--;
    memory->empty_blocks--;
    atomic_fetch_sub_explicit(&memory->pool_free, MIRROR_BLOCK_BYTES, memory_order_relaxed);
    uncharge(memory, MIRROR_BLOCK_BYTES);
    base_free(block->base);
    base_free(block);
}

static void pool_trim(struct mirror_memory *memory)
{
    base_mutex_lock(&memory->mutex);
    for (struct mirror_block *block = memory->open, *next; block != NULL; block = next) {
        next = block->next;
        if (block->used == 0)
            block_free(memory, block);
    }
    base_mutex_unlock(&memory->mutex);
}

void mirror_memory_reset(struct mirror_memory *memory)
{
    pool_trim(memory);
    base_mutex_destroy(&memory->mutex);
}

static bool try_charge(struct mirror_memory *memory, size_t size)
{
    size_t before = atomic_fetch_add_explicit(&memory->used, size, memory_order_relaxed);
    if (memory->limit == 0 || before + size <= memory->limit ||
        atomic_load_explicit(&memory->unlimited, memory_order_relaxed) > 0)
        return true;
    uncharge(memory, size);
    return false;
}

/* Holding no lock: at the limit the pool gives its empty blocks back before anybody is refused. */
static bool charge(struct mirror_memory *memory, size_t size)
{
    if (try_charge(memory, size))
        return true;
    pool_trim(memory);
    return try_charge(memory, size);
}

rhei_status mirror_memory_alloc(struct mirror_memory *memory, size_t size, void **out)
{
    *out = NULL;
    if (!charge(memory, size))
        return RHEI_MEMORY_LIMIT;
    *out = base_alloc(size);
    if (*out != NULL)
        return RHEI_OK;
    uncharge(memory, size);
    return RHEI_NO_MEMORY;
}

rhei_status mirror_memory_alloc_zero(struct mirror_memory *memory, size_t size, void **out)
{
    *out = NULL;
    if (!charge(memory, size))
        return RHEI_MEMORY_LIMIT;
    *out = base_alloc_zero(1, size);
    if (*out != NULL)
        return RHEI_OK;
    uncharge(memory, size);
    return RHEI_NO_MEMORY;
}

rhei_status mirror_memory_alloc_index(struct mirror_memory *memory, size_t size, void **out)
{
    rhei_status status = mirror_memory_alloc_zero(memory, size, out);
    if (status == RHEI_OK)
        atomic_fetch_add_explicit(&memory->index_used, size, memory_order_relaxed);
    return status;
}

void mirror_memory_free(struct mirror_memory *memory, void *pointer, size_t size)
{
    if (pointer == NULL)
        return;
    base_free(pointer);
    uncharge(memory, size);
}

void mirror_memory_free_index(struct mirror_memory *memory, void *pointer, size_t size)
{
    if (pointer == NULL)
        return;
    atomic_fetch_sub_explicit(&memory->index_used, size, memory_order_relaxed);
    mirror_memory_free(memory, pointer, size);
}

/* First place of `units` free neighbours; MIRROR_BLOCK_UNITS if there is none. */
static uint32_t find_units(uint32_t used, uint32_t units)
{
    uint32_t mask = (1u << units) - 1;
    for (uint32_t first = 0; first + units <= MIRROR_BLOCK_UNITS; first++)
        if ((used & mask << first) == 0)
            return first;
    return MIRROR_BLOCK_UNITS;
}

static void take_units(struct mirror_memory *memory, struct mirror_block *block, uint32_t first, struct mirror_run *run)
{
    if (block->used == 0)
        memory->empty_blocks--;
    block->used |= ((1u << run->units) - 1) << first;
    if (block->used == ALL_UNITS) {
        list_remove(&memory->open, block);
        list_push(&memory->full, block);
    }
    run->block = block;
    run->first = first;
    run->data = block->base + (size_t)first * MIRROR_UNIT_BYTES;
    atomic_fetch_sub_explicit(&memory->pool_free, (size_t)run->units * MIRROR_UNIT_BYTES, memory_order_relaxed);
}

/* The block that fits best, so that the small gaps fill up and large runs keep finding room. */
static bool take_from_pool(struct mirror_memory *memory, struct mirror_run *run)
{
    struct mirror_block *best = NULL;
    uint32_t best_first = 0, best_free = UINT32_MAX;
    for (struct mirror_block *block = memory->open; block != NULL && best_free != run->units; block = block->next) {
        uint32_t free_units = MIRROR_BLOCK_UNITS - (uint32_t)__builtin_popcount(block->used);
        if (free_units >= best_free || free_units < run->units)
            continue;
        uint32_t first = find_units(block->used, run->units);
        if (first == MIRROR_BLOCK_UNITS)
            continue;
        best = block;
        best_first = first;
        best_free = free_units;
    }
    if (best != NULL)
        take_units(memory, best, best_first, run);
    return best != NULL;
}

static rhei_status take_from_new_block(struct mirror_memory *memory, struct mirror_run *run)
{
    if (!charge(memory, MIRROR_BLOCK_BYTES))
        return RHEI_MEMORY_LIMIT;
    struct mirror_block *block = base_alloc_zero(1, sizeof *block);
    if (block != NULL)
        block->base = base_alloc_aligned(MIRROR_BLOCK_BYTES, MIRROR_BLOCK_BYTES);
    if (block == NULL || block->base == NULL) {
        base_free(block);
        uncharge(memory, MIRROR_BLOCK_BYTES);
        return RHEI_NO_MEMORY;
    }
    base_memory_prefer_huge(block->base, MIRROR_BLOCK_BYTES); /* counted whole anyway */
    base_mutex_lock(&memory->mutex);
    list_push(&memory->open, block);
    memory->blocks++;
    memory->empty_blocks++;
    atomic_fetch_add_explicit(&memory->pool_free, MIRROR_BLOCK_BYTES, memory_order_relaxed);
    take_units(memory, block, 0, run);
    base_mutex_unlock(&memory->mutex);
    return RHEI_OK;
}

static rhei_status plain_run(struct mirror_memory *memory, struct mirror_run *run)
{
    if (!charge(memory, run->bytes))
        return RHEI_MEMORY_LIMIT;
    run->data = base_alloc_aligned(64, run->bytes);
    if (run->data != NULL)
        return RHEI_OK;
    uncharge(memory, run->bytes);
    return RHEI_NO_MEMORY;
}

rhei_status mirror_run_alloc(struct mirror_memory *memory, size_t bytes, struct mirror_run *run)
{
    memset(run, 0, sizeof *run);
    run->bytes = bytes;
    if (bytes < MIRROR_UNIT_BYTES)
        return plain_run(memory, run);
    run->units = (uint32_t)((bytes + MIRROR_UNIT_BYTES - 1) / MIRROR_UNIT_BYTES);
    base_mutex_lock(&memory->mutex);
    bool found = take_from_pool(memory, run);
    base_mutex_unlock(&memory->mutex);
    return found ? RHEI_OK : take_from_new_block(memory, run);
}

static void give_back(struct mirror_memory *memory, struct mirror_run *run)
{
    struct mirror_block *block = run->block;
    if (block->used == ALL_UNITS) {
        list_remove(&memory->full, block);
        list_push(&memory->open, block);
    }
    block->used &= ~(((1u << run->units) - 1) << run->first);
    atomic_fetch_add_explicit(&memory->pool_free, (size_t)run->units * MIRROR_UNIT_BYTES, memory_order_relaxed);
    if (block->used != 0)
        return;
    memory->empty_blocks++;
    if (memory->empty_blocks > KEEP_BLOCKS + memory->blocks / 8)
        block_free(memory, block);
}

void mirror_run_free(struct mirror_memory *memory, struct mirror_run *run)
{
    if (run->data == NULL)
        return;
    if (run->block == NULL) {
        mirror_memory_free(memory, run->data, run->bytes);
    } else {
        base_mutex_lock(&memory->mutex);
        give_back(memory, run);
        base_mutex_unlock(&memory->mutex);
    }
    memset(run, 0, sizeof *run);
}

rhei_status mirror_memory_error(const struct mirror_memory *memory, rhei_status status, struct rhei_error *error)
{
    if (status == RHEI_MEMORY_LIMIT)
        return error_set(
            error, status,
            "the column store would pass its limit of %zu bytes: raise olap_memory_limit or mirror fewer tables",
            memory->limit);
    if (status == RHEI_NO_MEMORY)
        return error_no_memory(error);
    return status;
}
