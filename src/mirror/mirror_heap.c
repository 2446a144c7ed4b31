/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String heaps: bump allocation for what does not fit in a string's 12 bytes. A segment that took over the rows of a smaller one
 * shares its heap, so no string moves; the last of them frees it. Whoever owns the tail appends and counts the holders.
 */
#include "mirror_internal.h"

#include <string.h>

enum { FIRST_CHUNK = 4 << 10, LAST_CHUNK = MIRROR_UNIT_BYTES, LARGEST_RUN = MIRROR_BLOCK_BYTES / 2 };

/* A string beyond what the pool hands out gets plain memory of its own. */
static rhei_status chunk_bytes(struct mirror *mirror, size_t size, struct mirror_run *run)
{
    if (size <= LARGEST_RUN)
        return mirror_run_alloc(&mirror->memory, size, run);
    memset(run, 0, sizeof *run);
    run->bytes = size;
    return mirror_memory_alloc(&mirror->memory, size, &run->data);
}

static rhei_status chunk_add(struct mirror *mirror, struct mirror_heap *heap, size_t needed)
{
    size_t size = heap->next_size == 0 ? FIRST_CHUNK : heap->next_size;
    bool own_chunk = needed > size / 4 && needed > FIRST_CHUNK;
    if (needed > size || own_chunk)
        size = needed;
    void *memory;
    rhei_status status = mirror_memory_alloc(&mirror->memory, sizeof(struct mirror_heap_chunk), &memory);
    if (status != RHEI_OK)
        return status;
    struct mirror_heap_chunk *chunk = memory;
    chunk->used = 0;
    status = chunk_bytes(mirror, size, &chunk->run);
    if (status != RHEI_OK) {
        mirror_memory_free(&mirror->memory, chunk, sizeof *chunk);
        return status;
    }
    if (own_chunk && heap->first != NULL) { /* keep filling the chunk before it */
        chunk->next = heap->first->next;
        heap->first->next = chunk;
        return RHEI_OK;
    }
    chunk->next = heap->first;
    heap->first = chunk;
    heap->next_size = size * 2 < LAST_CHUNK ? size * 2 : LAST_CHUNK;
    return RHEI_OK;
}

static struct mirror_heap_chunk *with_room(const struct mirror_heap *heap, size_t length)
{
    struct mirror_heap_chunk *chunk = heap->first;
    for (uint32_t i = 0; i < 2 && chunk != NULL; i++, chunk = chunk->next)
        if (chunk->run.bytes - chunk->used >= length)
            return chunk;
    return NULL;
}

static rhei_status heap_of(struct mirror *mirror, struct mirror_segment *segment, struct mirror_heap **heap)
{
    *heap = segment->heap;
    if (*heap != NULL)
        return RHEI_OK;
    void *memory;
    rhei_status status = mirror_memory_alloc_zero(&mirror->memory, sizeof **heap, &memory);
    if (status != RHEI_OK)
        return status;
    *heap = segment->heap = memory;
    (*heap)->holders = 1;
    return RHEI_OK;
}

rhei_status mirror_heap_copy(struct mirror *mirror, struct mirror_segment *segment, const void *bytes, uint32_t length,
                             const char **out)
{
    struct mirror_heap *heap;
    rhei_status status = heap_of(mirror, segment, &heap);
    if (status != RHEI_OK)
        return status;
    struct mirror_heap_chunk *chunk = with_room(heap, length);
    if (chunk == NULL) {
        status = chunk_add(mirror, heap, length);
        if (status != RHEI_OK)
            return status;
        chunk = with_room(heap, length);
    }
    char *place = (char *)chunk->run.data + chunk->used;
    memcpy(place, bytes, length);
    chunk->used += length;
    heap->bytes += length;
    *out = place;
    return RHEI_OK;
}

uint32_t mirror_heap_chunks(const struct mirror_segment *segment, const void **chunks, int64_t *lengths)
{
    uint32_t count = 0;
    const struct mirror_heap_chunk *chunk = segment->heap == NULL ? NULL : segment->heap->first;
    for (; chunk != NULL; chunk = chunk->next) {
        if (count == MIRROR_MOST_CHUNKS || chunk->used > INT32_MAX)
            return 0;
        chunks[count] = chunk->run.data;
        lengths[count++] = (int64_t)chunk->used;
    }
    return count;
}

void mirror_heap_free(struct mirror *mirror, struct mirror_heap *heap)
{
    if (heap == NULL || --heap->holders > 0)
        return;
    while (heap->first != NULL) {
        struct mirror_heap_chunk *chunk = heap->first;
        heap->first = chunk->next;
        mirror_run_free(&mirror->memory, &chunk->run);
        mirror_memory_free(&mirror->memory, chunk, sizeof *chunk);
    }
    mirror_memory_free(&mirror->memory, heap, sizeof *heap);
}
