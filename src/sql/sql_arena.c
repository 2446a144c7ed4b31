/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks in a list; each at least as large as what was asked for. The first block lies beside the arena itself, so a
 * short statement costs one allocation.
 */
#include "sql/sql_arena.h"

#include <stdalign.h>
#include <string.h>

#include "base/base_invariant.h"
#include "base/base_memory.h"

enum { BLOCK_SIZE = 16384, BLOCK_MAX = 1 << 20 };

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) char bytes[];
};

struct sql_arena {
    struct block *blocks;
    size_t total;
    size_t next_size;
    bool failed;
};

static struct block *block_new(size_t size)
{
    struct block *block = base_alloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->next = NULL;
    block->size = size;
    block->used = 0;
    return block;
}

struct sql_arena *sql_arena_new(void)
{
    struct block *block = block_new(BLOCK_SIZE);
    if (!block)
        return NULL;
    struct sql_arena *arena = (struct sql_arena *)(void *)block->bytes;
    memset(arena, 0, sizeof *arena);
    block->used = (sizeof *arena + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    arena->blocks = block;
    arena->next_size = BLOCK_SIZE * 2;
    return arena;
}

void sql_arena_free(struct sql_arena **arena)
{
    if (!arena || !*arena)
        return;
    struct block *block = (*arena)->blocks; /* the last of the list holds the arena itself */
    *arena = NULL;
    while (block) {
        struct block *next = block->next;
        base_free(block);
        block = next;
    }
}

static struct block *arena_block(struct sql_arena *arena, size_t size)
{
    size_t wanted = arena->next_size > size ? arena->next_size : size;
    struct block *block = block_new(wanted);
    if (!block)
        return NULL;
    if (arena->next_size < BLOCK_MAX)
        arena->next_size *= 2;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *sql_arena_alloc(struct sql_arena *arena, size_t size)
{
    if (arena->failed || size > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct block *block = arena->blocks;
    if (block->size - block->used < size)
        block = arena_block(arena, size);
    if (!block) {
        arena->failed = true;
        return NULL;
    }
    BASE_INVARIANT(block->used + size <= block->size);
    BASE_INVARIANT(block->used % alignof(max_align_t) == 0);
    void *memory = block->bytes + block->used;
    block->used += size;
    arena->total += size;
    return memset(memory, 0, size);
}

char *sql_arena_text(struct sql_arena *arena, const char *text, size_t len)
{
    char *copy = sql_arena_alloc(arena, len + 1);
    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

bool sql_arena_grow(struct sql_arena *arena, void **items, uint32_t count, uint32_t *capacity, size_t item_size)
{
    BASE_INVARIANT(count <= *capacity);
    if (count < *capacity)
        return true;
    uint32_t wanted = *capacity ? *capacity * 2 : 4;
    if (wanted < *capacity) {
        arena->failed = true;
        return false;
    }
    BASE_INVARIANT(wanted > count);
    void *grown = sql_arena_alloc(arena, wanted * item_size);
    if (!grown)
        return false;
    if (count)
        memcpy(grown, *items, count * item_size);
    *items = grown;
    *capacity = wanted;
    return true;
}

bool sql_arena_failed(const struct sql_arena *arena)
{
    return arena->failed;
}

size_t sql_arena_size(const struct sql_arena *arena)
{
    return arena->total;
}
