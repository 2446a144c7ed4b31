/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that live together and go together. Owner thread. */
#ifndef OLTP_OLTP_ARENA_H
#define OLTP_OLTP_ARENA_H

#include <stddef.h>

struct oltp_arena_block;

/* A zeroed struct is an empty arena. */
struct oltp_arena {
    struct oltp_arena_block *first, *current;
    size_t used;        /* of the current block */
    size_t total;       /* bytes handed out since the last clear */
    size_t first_block; /* bytes of the first block, doubled up to the ordinary size; 0: the ordinary size */
};

/* 8-byte aligned; NULL without memory. */
void *oltp_arena_alloc(struct oltp_arena *arena, size_t size);
void *oltp_arena_zero(struct oltp_arena *arena, size_t count, size_t size);
/* With a NUL behind; "" for NULL. */
char *oltp_arena_text(struct oltp_arena *arena, const char *text);
/* Everything handed out is gone; one ordinary block is kept for the next round. */
void oltp_arena_clear(struct oltp_arena *arena);
void oltp_arena_reset(struct oltp_arena *arena);

#endif
