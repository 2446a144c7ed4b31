/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: the only room that calls malloc. Any thread. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All return NULL when there is none; the caller turns that into RHEI_NO_MEMORY (error_no_memory). */
void *base_alloc(size_t size);
void *base_alloc_zero(size_t count, size_t size);
void *base_realloc(void *pointer, size_t size);
void *base_alloc_aligned(size_t alignment, size_t size);
void base_free(void *pointer);
char *base_strdup(const char *text);
char *base_strndup(const char *text, size_t length);

/*
 * Asks the system to back this memory by huge pages, where it can: touching fresh memory then costs a few faults, not
 * hundreds. Only a hint; page-aligned, before the memory is used.
 */
void base_memory_prefer_huge(void *pointer, size_t size);
/* Lets the system take these whole pages back, contents and all; they stay addressable and come back zeroed or as they were. */
void base_memory_release(void *pointer, size_t size);
/* Asks the allocator to give what it keeps free back to the system. May take a millisecond for each gigabyte. */
void base_memory_trim(void);

/*
 * Is there room in the address space for so much at once? For code that isn't ours and dies without: it can only be asked before,
 * and others may take the room right after.
 */
bool base_memory_has_room(size_t size);

/*
 * Zeroed memory for something that goes as a whole: it hangs on the chain (NULL at first), which is freed at once, whoever then knows no more than that
 * it is one.
 */
void *base_chain_alloc(void **chain, size_t count, size_t size);
void base_chain_free(void **chain);

/*
 * Grows *items so that at least `needed` of `item_size` fit, doubling; *capacity counts items.
 * Returns false, with everything unchanged, when there is no memory.
 */
bool base_grow(void **items, size_t *capacity, size_t needed, size_t item_size);

/*
 * For tests: the n-th allocation from now on this thread fails (1 = the next), once; 0 turns it off.
 * Compiled in always (one thread-local test), so that release builds can be tested too.
 */
void base_memory_fail_after(uint64_t allocations);

#endif
