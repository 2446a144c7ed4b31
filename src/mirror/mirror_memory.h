/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mirror's memory: everything is counted, and column data comes out of a pool of 2-MiB-aligned blocks that outlives
 * the segments, because a page fault of fresh memory costs as much as filling it. Any thread.
 */
#ifndef MIRROR_MIRROR_MEMORY_H
#define MIRROR_MIRROR_MEMORY_H

#include <stdatomic.h>

#include "base/base_thread.h"

enum {
    MIRROR_BLOCK_BYTES = 2 << 20,
    MIRROR_UNIT_BYTES = 128 << 10, /* what is carved out of a block: 16,384 numbers */
    MIRROR_BLOCK_UNITS = MIRROR_BLOCK_BYTES / MIRROR_UNIT_BYTES,
};

struct mirror_block {
    struct mirror_block *next, *previous;
    char *base;
    uint32_t used; /* bit per unit */
    uint32_t held; /* units that are counted: those in use, and free ones that were not released to the system */
};

/* Who keeps memory that isn't the mirror's own, such as a mapped file, until the last run in it is freed. */
struct segment_column;
struct mirror_owner {
    atomic_uint holds;
    void (*release)(void *context);                  /* any thread */
    void (*damaged)(void *context, const char *why); /* any thread: its bytes can't be used. May be NULL */
    /* Any thread: buffers of a column that are in the file that it keeps. NULL: they are in memory. RHEI_IO, RHEI_NOT_FOUND. */
    rhei_status (*read)(void *context, uint32_t column, struct segment_column *wanted);
    void *context;
    const char *name; /* of that file, for people; may be NULL */
};

/* Bytes of column data: units of a block, (below one unit) plain memory when block is NULL, or somebody else's. */
struct mirror_run {
    void *data; /* NULL: nothing held */
    struct mirror_block *block;
    struct mirror_owner *owner; /* not NULL: not counted, never written to */
    size_t bytes;
    uint32_t first, units;
};

struct mirror_memory {
    size_t limit;          /* 0: none */
    atomic_size_t elastic; /* beyond it, for a moment: where segments are put in files soon */
    atomic_size_t used;
    atomic_size_t index_used;
    atomic_size_t pool_free; /* bytes of blocks that no run uses */
    atomic_uint unlimited;   /* > 0: work that must not stop at the limit is under way */
    bool (*make_room)(
        void *
            context); /* at the limit, until it is false: frees something. Called with locks of others held. NULL: nothing can */
    void *room_context;
    base_mutex mutex; /* guards the lists below */
    struct mirror_block *open, *full;
    size_t blocks, empty_blocks;
};

void mirror_memory_init(struct mirror_memory *memory, size_t limit);
void mirror_memory_reset(struct mirror_memory *memory);

/* RHEI_NO_MEMORY or RHEI_MEMORY_LIMIT, and *out = NULL, when there is none. `size` must be given back to free. */
rhei_status mirror_memory_alloc(struct mirror_memory *memory, size_t size, void **out);
rhei_status mirror_memory_alloc_zero(struct mirror_memory *memory, size_t size, void **out);
/* For the key index: counted apart as well. */
rhei_status mirror_memory_alloc_index(struct mirror_memory *memory, size_t size, void **out);
void mirror_memory_free(struct mirror_memory *memory, void *pointer, size_t size);
void mirror_memory_free_index(struct mirror_memory *memory, void *pointer, size_t size);

/* Uninitialised bytes, aligned to 64; at most half a block. */
rhei_status mirror_run_alloc(struct mirror_memory *memory, size_t bytes, struct mirror_run *run);
void mirror_run_free(struct mirror_memory *memory, struct mirror_run *run);
/* One hold, the caller's. RHEI_NO_MEMORY, RHEI_MEMORY_LIMIT: nothing was taken. */
rhei_status mirror_owner_new(struct mirror_memory *memory, void (*release)(void *context), void *context,
                             struct mirror_owner **out);
/* One hold less; the last one releases. Accepts NULL. */
void mirror_owner_drop(struct mirror_memory *memory, struct mirror_owner *owner);
/* A run of an owner's bytes, with a hold of its own. */
void mirror_run_borrow(struct mirror_owner *owner, const void *bytes, size_t len, struct mirror_run *run);
/* Bytes that count as the mirror's. */
static inline size_t mirror_run_counted(const struct mirror_run *run)
{
    return run->owner == NULL ? run->bytes : 0;
}
/* Gives back whole units behind the first `bytes`; what is in front stays where it is. */
void mirror_run_shrink(struct mirror_memory *memory, struct mirror_run *run, size_t bytes);
/* Gives the pool's free units back, but for `keep` empty blocks. Returns the bytes. */
size_t mirror_memory_trim(struct mirror_memory *memory, size_t keep);
/* The same until so many bytes, or a block's more, were given back. */
size_t mirror_memory_trim_to(struct mirror_memory *memory, size_t keep, size_t enough);

/* The message for a status that came out of the functions above. */
rhei_status mirror_memory_error(const struct mirror_memory *memory, rhei_status status, struct rhei_error *error);

#endif
