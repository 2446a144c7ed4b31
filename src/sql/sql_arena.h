/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is freed all at once. Owner thread.
 *
 * Not base_arena: a tree and a translation are made and freed for every text, so the arena lies in its own first block (one allocation a
 * short statement; base_arena would make two), what it gives is zeroed where it is given, and a failure stays, so that hundreds of
 * node makers need not look. Those three ways are this room's, and cost base_arena's other users.
 */
#ifndef SQL_SQL_ARENA_H
#define SQL_SQL_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sql_arena;

struct sql_arena *sql_arena_new(void); /* NULL: no memory */
void sql_arena_free(struct sql_arena **arena);
/* Zeroed, aligned for any type. NULL when there is no memory, and from then on always. */
void *sql_arena_alloc(struct sql_arena *arena, size_t size);
/* A NUL-terminated copy. */
char *sql_arena_text(struct sql_arena *arena, const char *text, size_t len);
/* Makes room for one more of `item_size` behind `count` items. False, with everything unchanged, without memory. */
bool sql_arena_grow(struct sql_arena *arena, void **items, uint32_t count, uint32_t *capacity, size_t item_size);
bool sql_arena_failed(const struct sql_arena *arena);
size_t sql_arena_size(const struct sql_arena *arena); /* bytes handed out */

#endif
