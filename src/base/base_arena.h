/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that live together and go together. Owner thread. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct base_arena_block;

/* A zeroed struct is an empty arena. */
struct base_arena {
    struct base_arena_block *first, *current;
    size_t used;        /* of the current block */
    size_t total;       /* bytes handed out since the last clear */
    size_t first_block; /* bytes of the first block, doubled up to the ordinary size; 0: the ordinary size */
};

/* 8-byte aligned; NULL without memory. */
void *base_arena_alloc(struct base_arena *arena, size_t size);
void *base_arena_zero(struct base_arena *arena, size_t count, size_t size);
/* With a NUL behind; "" for NULL. */
char *base_arena_text(struct base_arena *arena, const char *text);
/* Everything handed out is gone; one ordinary block is kept for the next round. */
void base_arena_clear(struct base_arena *arena);
void base_arena_reset(struct base_arena *arena);

#endif
