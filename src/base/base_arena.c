/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_arena.h"

#include <string.h>

#include "base/base_memory.h"

enum { ARENA_BLOCK = 256 * 1024 };

struct base_arena_block {
    struct base_arena_block *next;
    size_t size;
    max_align_t bytes[];
};

static struct base_arena_block *arena_block(size_t size)
{
    struct base_arena_block *block = base_alloc(sizeof *block + size);
    if (block != NULL) {
        block->next = NULL;
        block->size = size;
    }
    return block;
}

static size_t arena_next_block(const struct base_arena *arena)
{
    size_t size = arena->first_block == 0 ? ARENA_BLOCK : arena->first_block;
    if (arena->current != NULL && arena->first_block != 0)
        size = arena->current->size * 2;
    return size < ARENA_BLOCK ? size : ARENA_BLOCK;
}

void *base_arena_alloc(struct base_arena *arena, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if (arena->current == NULL || arena->current->size - arena->used < size) {
        size_t ordinary = arena_next_block(arena);
        struct base_arena_block *block = arena_block(size > ordinary ? size : ordinary);
        if (block == NULL)
            return NULL;
        if (arena->current == NULL)
            arena->first = block;
        else
            arena->current->next = block;
        arena->current = block;
        arena->used = 0;
    }
    void *place = (char *)arena->current->bytes + arena->used;
    arena->used += size;
    arena->total += size;
    return place;
}

void *base_arena_zero(struct base_arena *arena, size_t count, size_t size)
{
    void *place = base_arena_alloc(arena, count * size + (count == 0));
    if (place != NULL)
        memset(place, 0, count * size);
    return place;
}

char *base_arena_text(struct base_arena *arena, const char *text)
{
    size_t len = text == NULL ? 0 : strlen(text);
    char *copy = base_arena_alloc(arena, len + 1);
    if (copy != NULL) {
        if (len > 0)
            memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

static void arena_free_chain(struct base_arena_block *block)
{
    while (block != NULL) {
        struct base_arena_block *next = block->next;
        base_free(block);
        block = next;
    }
}

void base_arena_clear(struct base_arena *arena)
{
    struct base_arena_block *keep = arena->first;
    if (keep != NULL && keep->size == ARENA_BLOCK) {
        arena_free_chain(keep->next);
        keep->next = NULL;
        arena->current = keep;
    } else {
        arena_free_chain(keep);
        arena->first = NULL;
        arena->current = NULL;
    }
    arena->used = 0;
    arena->total = 0;
}

void base_arena_reset(struct base_arena *arena)
{
    arena_free_chain(arena->first);
    *arena = (struct base_arena){0};
}
