/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Invariants:
 *  1. `used` is the sum of everything handed out plus the held units of every pool block: a block is held whole when it is
 *     made, and its free units until a trim releases them.
 *  2. A block is on `open` while it has a free unit, else on `full`; an empty block counts in `empty_blocks`.
 *  3. Blocks leave the pool when more than KEEP_BLOCKS and an eighth of all are empty, at the limit, and when the upkeep
 *     finds it quiet (mirror_trim).
 *  4. At the limit nobody is refused before the pool gave back what is free, and then what can be read again from files (mirror_cache.c).
 */
#include "mirror_memory.h"

#include <string.h>

#include "base/base_error.h"
#include "base/base_invariant.h"
#include "base/base_memory.h"

enum { KEEP_BLOCKS = 8, ALL_UNITS = (1 << MIRROR_BLOCK_UNITS) - 1 };

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

static size_t unit_bytes(uint32_t units)
{
    return (size_t)__builtin_popcount(units) * MIRROR_UNIT_BYTES;
}

/* An empty one. */
static void block_free(struct mirror_memory *memory, struct mirror_block *block)
{
    list_remove(&memory->open, block);
    memory->blocks--;
    memory->empty_blocks--;
    atomic_fetch_sub_explicit(&memory->pool_free, unit_bytes(block->held), memory_order_relaxed);
    uncharge(memory, unit_bytes(block->held));
    base_free(block->base);
    base_free(block);
}

/* The free units of a block that is in use: the system gets them, the addresses stay. */
static size_t block_release(struct mirror_memory *memory, struct mirror_block *block)
{
    uint32_t idle = block->held & ~block->used;
    for (uint32_t u = 0; u < MIRROR_BLOCK_UNITS; u++)
        if ((idle >> u & 1) != 0)
            base_memory_release(block->base + (size_t)u * MIRROR_UNIT_BYTES, MIRROR_UNIT_BYTES);
    BASE_INVARIANT((block->used & ~block->held) == 0);
    block->held = block->used;
    atomic_fetch_sub_explicit(&memory->pool_free, unit_bytes(idle), memory_order_relaxed);
    uncharge(memory, unit_bytes(idle));
    return unit_bytes(idle);
}

size_t mirror_memory_trim(struct mirror_memory *memory, size_t keep)
{
    return mirror_memory_trim_to(memory, keep, SIZE_MAX);
}

size_t mirror_memory_trim_to(struct mirror_memory *memory, size_t keep, size_t enough)
{
    size_t bytes = 0;
    base_mutex_lock(&memory->mutex);
    for (struct mirror_block *block = memory->open, *next; block != NULL && bytes < enough; block = next) {
        next = block->next;
        if (block->used != 0) {
            bytes += block_release(memory, block);
        } else if (memory->empty_blocks > keep) {
            bytes += unit_bytes(block->held);
            block_free(memory, block);
        }
    }
    base_mutex_unlock(&memory->mutex);
    return bytes;
}

void mirror_memory_reset(struct mirror_memory *memory)
{
    (void)mirror_memory_trim(memory, 0);
    base_mutex_destroy(&memory->mutex);
}

static bool try_charge(struct mirror_memory *memory, size_t size)
{
    size_t before = atomic_fetch_add_explicit(&memory->used, size, memory_order_relaxed);
    size_t most = memory->limit + atomic_load_explicit(&memory->elastic, memory_order_relaxed);
    if (memory->limit == 0 || before + size <= most ||
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
    (void)mirror_memory_trim(memory, 0);
    bool charged = try_charge(memory, size);
    while (!charged && memory->make_room != NULL && memory->make_room(memory->room_context)) {
        (void)mirror_memory_trim(memory, 0);
        charged = try_charge(memory, size);
    }
    return charged;
}

static rhei_status alloc_charged(struct mirror_memory *memory, size_t size, bool zero, void **out)
{
    *out = NULL;
    if (!charge(memory, size))
        return RHEI_MEMORY_LIMIT;
    *out = zero ? base_alloc_zero(1, size) : base_alloc(size);
    if (*out != NULL)
        return RHEI_OK;
    uncharge(memory, size);
    return RHEI_NO_MEMORY;
}

rhei_status mirror_memory_alloc(struct mirror_memory *memory, size_t size, void **out)
{
    return alloc_charged(memory, size, false, out);
}

rhei_status mirror_memory_alloc_zero(struct mirror_memory *memory, size_t size, void **out)
{
    return alloc_charged(memory, size, true, out);
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
    uint32_t mask = ((1u << run->units) - 1) << first;
    atomic_fetch_sub_explicit(&memory->pool_free, unit_bytes(mask & block->held), memory_order_relaxed);
    BASE_INVARIANT((block->used & mask) == 0);
    block->held |= mask;
    if (block->used == 0)
        memory->empty_blocks--;
    block->used |= mask;
    if (block->used == ALL_UNITS) {
        list_remove(&memory->open, block);
        list_push(&memory->full, block);
    }
    run->block = block;
    run->first = first;
    run->data = block->base + (size_t)first * MIRROR_UNIT_BYTES;
}

/* The block that fits best, so that the small gaps fill up and large runs keep finding room; `idle`: of units that need no page fault. */
static struct mirror_block *find_block(const struct mirror_memory *memory, uint32_t units, bool idle, uint32_t *first)
{
    struct mirror_block *best = NULL;
    uint32_t best_free = UINT32_MAX;
    for (struct mirror_block *block = memory->open; block != NULL && best_free != units; block = block->next) {
        uint32_t taken = idle ? block->used | ~block->held : block->used;
        uint32_t free_units = MIRROR_BLOCK_UNITS - (uint32_t)__builtin_popcount(taken & ALL_UNITS);
        if (free_units >= best_free || free_units < units)
            continue;
        uint32_t at = find_units(taken, units);
        if (at == MIRROR_BLOCK_UNITS)
            continue;
        best = block;
        *first = at;
        best_free = free_units;
    }
    return best;
}

static bool take_from_pool(struct mirror_memory *memory, struct mirror_run *run)
{
    uint32_t first = 0;
    struct mirror_block *best = find_block(memory, run->units, true, &first);
    if (best == NULL)
        best = find_block(memory, run->units, false, &first);
    uint32_t mask = ((1u << run->units) - 1) << first;
    if (best == NULL || !try_charge(memory, unit_bytes(mask & ~best->held)))
        return false;
    take_units(memory, best, first, run);
    return true;
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
    block->held = ALL_UNITS;
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

/* All units but the first `keep`. */
static void give_back(struct mirror_memory *memory, const struct mirror_run *run, uint32_t keep)
{
    struct mirror_block *block = run->block;
    uint32_t units = run->units - keep;
    if (block->used == ALL_UNITS) {
        list_remove(&memory->full, block);
        list_push(&memory->open, block);
    }
    block->used &= ~(((1u << units) - 1) << (run->first + keep));
    atomic_fetch_add_explicit(&memory->pool_free, (size_t)units * MIRROR_UNIT_BYTES, memory_order_relaxed);
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
    if (run->owner != NULL) {
        mirror_owner_drop(memory, run->owner);
    } else if (run->block == NULL) {
        mirror_memory_free(memory, run->data, run->bytes);
    } else {
        base_mutex_lock(&memory->mutex);
        give_back(memory, run, 0);
        base_mutex_unlock(&memory->mutex);
    }
    memset(run, 0, sizeof *run);
}

rhei_status mirror_owner_new(struct mirror_memory *memory, void (*release)(void *context), void *context,
                             struct mirror_owner **out)
{
    void *made;
    rhei_status status = mirror_memory_alloc(memory, sizeof **out, &made);
    *out = made;
    if (status != RHEI_OK)
        return status;
    atomic_init(&(*out)->holds, 1);
    (*out)->release = release;
    (*out)->damaged = NULL;
    (*out)->read = NULL;
    (*out)->name = NULL;
    (*out)->context = context;
    return RHEI_OK;
}

void mirror_owner_drop(struct mirror_memory *memory, struct mirror_owner *owner)
{
    if (owner == NULL || atomic_fetch_sub_explicit(&owner->holds, 1, memory_order_acq_rel) > 1)
        return;
    if (owner->release != NULL)
        owner->release(owner->context);
    mirror_memory_free(memory, owner, sizeof *owner);
}

void mirror_run_borrow(struct mirror_owner *owner, const void *bytes, size_t len, struct mirror_run *run)
{
    atomic_fetch_add_explicit(&owner->holds, 1, memory_order_relaxed);
    *run = (struct mirror_run){.data = (void *)(uintptr_t)bytes, .bytes = len, .owner = owner};
}

void mirror_run_shrink(struct mirror_memory *memory, struct mirror_run *run, size_t bytes)
{
    uint32_t units = (uint32_t)((bytes + MIRROR_UNIT_BYTES - 1) / MIRROR_UNIT_BYTES);
    if (run->block == NULL || units == 0 || units >= run->units)
        return;
    base_mutex_lock(&memory->mutex);
    give_back(memory, run, units);
    base_mutex_unlock(&memory->mutex);
    run->units = units;
    run->bytes = bytes;
}

rhei_status mirror_memory_error(const struct mirror_memory *memory, rhei_status status, struct rhei_error *error)
{
    if (status == RHEI_MEMORY_LIMIT)
        return error_set(error, status, "the column store would pass its limit of %zu bytes%s", memory->limit,
                         atomic_load_explicit(&memory->elastic, memory_order_relaxed) > 0
                             ? ", and nothing more of it can be put in files now: raise olap_memory_limit or mirror "
                               "fewer tables"
                             : ": raise olap_memory_limit, give it a folder (olap_path), or mirror fewer tables");
    if (status == RHEI_NO_MEMORY)
        return error_no_memory(error);
    return status;
}
