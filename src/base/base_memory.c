/* SPDX-License-Identifier: Apache-2.0 */
#include "base_memory.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* How many more allocations of this thread, the failing one included; 0: off. Only tests set it. */
static _Thread_local uint64_t fail_countdown;

static bool must_fail(void)
{
    if (fail_countdown == 0)
        return false;
    fail_countdown--;
    return fail_countdown == 0;
}

void base_memory_fail_after(uint64_t allocations)
{
    fail_countdown = allocations;
}

/* malloc(0) may return NULL, which a caller would take for "no memory"; so the smallest block is one byte. */
void *base_alloc(size_t size)
{
    if (must_fail())
        return NULL;
    return malloc(size == 0 ? 1 : size);
}

void *base_alloc_zero(size_t count, size_t size)
{
    if (must_fail())
        return NULL;
    if (count == 0 || size == 0)
        return calloc(1, 1);
    return count > SIZE_MAX / size ? NULL : calloc(count, size);
}

void *base_realloc(void *pointer, size_t size)
{
    if (must_fail())
        return NULL;
    return realloc(pointer, size == 0 ? 1 : size);
}

void *base_alloc_aligned(size_t alignment, size_t size)
{
    if (must_fail())
        return NULL;
    void *pointer = NULL;
    if (posix_memalign(&pointer, alignment < sizeof(void *) ? sizeof(void *) : alignment, size == 0 ? 1 : size) != 0)
        return NULL;
    return pointer;
}

void base_free(void *pointer)
{
    free(pointer);
}

void base_memory_prefer_huge(void *pointer, size_t size)
{
#ifdef MADV_HUGEPAGE
    (void)madvise(pointer, size, MADV_HUGEPAGE);
#else
    (void)pointer;
    (void)size;
#endif
}

void base_memory_release(void *pointer, size_t size)
{
#ifdef MADV_DONTNEED
    (void)madvise(pointer, size, MADV_DONTNEED);
#else
    (void)pointer;
    (void)size;
#endif
}

void base_memory_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

char *base_strdup(const char *text)
{
    return base_strndup(text, strlen(text));
}

char *base_strndup(const char *text, size_t length)
{
    if (length == SIZE_MAX)
        return NULL;
    char *copy = base_alloc(length + 1);
    if (copy == NULL)
        return NULL;
    if (length > 0)
        memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

bool base_memory_has_room(size_t size)
{
    if (must_fail())
        return false;
    void *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return false;
    munmap(room, size);
    return true;
}

bool base_grow(void **items, size_t *capacity, size_t needed, size_t item_size)
{
    if (needed <= *capacity)
        return true;
    size_t limit = SIZE_MAX / (item_size == 0 ? 1 : item_size);
    if (needed > limit)
        return false;
    size_t target = *capacity > limit / 2 ? limit : *capacity * 2;
    if (target < 8 && limit >= 8)
        target = 8;
    if (target < needed)
        target = needed;
    void *grown = base_realloc(*items, target * item_size);
    if (grown == NULL)
        return false;
    *items = grown;
    *capacity = target;
    return true;
}

/* ---- Chains. ----------------------------------------------------------------------------------------------------- */

struct link { /* in front of each allocation */
    struct link *next;
    uint64_t padding; /* what follows is aligned as any allocation */
};

void *base_chain_alloc(void **chain, size_t count, size_t size)
{
    if (size > 0 && count > (SIZE_MAX - sizeof(struct link)) / size)
        return NULL;
    struct link *link = base_alloc_zero(1, sizeof *link + count * size);
    if (link == NULL)
        return NULL;
    link->next = *chain;
    *chain = link;
    return link + 1;
}

void base_chain_free(void **chain)
{
    while (*chain != NULL) {
        struct link *link = *chain;
        *chain = link->next;
        base_free(link);
    }
}
