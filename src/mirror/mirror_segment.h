/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments: columns of up to 65,536 row slots, their string heap, validity, zone maps and flags.
 *
 * Slots at and after the published tail are the writer's alone (plain stores). Shared with readers and therefore relaxed
 * atomics: the validity word at the edge, zone maps, flags. `layout` and `valid` are published by a release store.
 */
#ifndef MIRROR_MIRROR_SEGMENT_H
#define MIRROR_MIRROR_SEGMENT_H

#include "base/base_invariant.h"
#include "mirror.h"
#include "mirror_memory.h"
#include "mirror_reclaim.h"

#define MIRROR_NO_TARGET UINT32_MAX

enum { MIRROR_CLASS_UNSET = 0xff }; /* of a slot of a MIXED column that was never written */

/*
 * Smallest and largest number of a vector in the layout's own order: an integer itself, a REAL by mirror_real_key.
 * Low > high: none.
 */
struct mirror_zone {
    _Atomic int64_t low, high;
};

struct mirror_part;

struct mirror_column {
    _Atomic uint8_t layout; /* EMPTY may become another layout once, while the segment is a tail */
    _Atomic bool untouched; /* data isn't filled yet from what a file has (mirror_touch.c) */
    _Atomic uint32_t flags; /* enum mirror_column_flag */
    void *data;
    uint8_t *classes;                  /* MIXED */
    _Atomic(_Atomic uint64_t *) valid; /* NULL: no NULLs (an EMPTY column has none either, and is all NULL) */
    struct mirror_zone *zones;         /* [vectors of the capacity] */
    struct mirror_zone whole_zone;     /* of a sealed segment, once `whole` isn't 0 (mirror_range.c) */
    _Atomic uint8_t whole;
    uint32_t counts[5];         /* slots per class, dead ones too: exact once sealed */
    uint32_t live[5];           /* MIXED: live slots per class but NULL; the writer's */
    uint8_t held;               /* class bits that the table counts for it; the writer's */
    _Atomic uint32_t ascending; /* what is known of its order (mirror_ascend.c) */
    struct mirror_run data_run, classes_run;
    struct mirror_foreign *foreign;      /* where the data of an untouched column come from */
    _Atomic(struct mirror_part *) parts; /* [vectors] what vectors come to (mirror_aggregate.c); NULL: nobody asked */
};

struct mirror_heap_chunk {
    struct mirror_heap_chunk *next;
    struct mirror_run run;
    size_t used;
};

struct mirror_heap {
    struct mirror_heap_chunk *first;
    size_t next_size;
    size_t bytes;     /* of strings, dead ones too */
    size_t borrowed;  /* of them in somebody else's memory */
    uint32_t holders; /* segments that point into it */
};

/* Where logical offsets ended up after compaction: place = rank[offset / 64] + bits of live below it. */
struct mirror_segment_map {
    uint64_t live[MIRROR_SEGMENT_ROWS / 64];
    uint16_t rank[MIRROR_SEGMENT_ROWS / 64];
};

struct mirror_segment {
    struct mirror_garbage garbage;
    uint64_t serial;
    uint64_t lineage; /* serial of the one whose places it has: its own, or that of the first it grew out of */
    size_t size;      /* of this struct, with columns and zones */
    uint32_t capacity;
    uint32_t bitmap_rows;           /* capacity as it was made: what its bitmaps have bits for */
    uint32_t rows;                  /* final when sealed; a tail's count lives in the versions */
    uint32_t logical_rows;          /* rows when it was first sealed: offsets in row ids are below it */
    struct mirror_segment_map *map; /* NULL: place = offset */
    struct mirror_heap *heap;       /* NULL: every string is short. Final once sealed */
    _Atomic size_t
        heap_live; /* bytes of it that live rows need, once sealed: exact if the heap is big. A hint to others */

    /* The writer's. */
    uint64_t opened;    /* epoch in which it was opened as a tail; 0 for a compacted one */
    uint32_t live_rows; /* exact once sealed */
    uint64_t *origin;   /* two bitmaps: what unpublished rows stand for (mirror_apply.c) */
    struct mirror_segment *next_empty;
    uint64_t *dead; /* of one that was adopted, until its build is attached: bit = dead row */
    uint32_t number;
    uint32_t mixed_columns; /* columns of MIXED layout */
    bool unindexed;         /* its keys aren't in the index yet (mirror_index_lazy.c) */
    bool remote;      /* its columns are read from a file when they are wanted, and may go again (mirror_cache.c) */
    size_t far_bytes; /* of one that lies in a file: its long strings */
    _Atomic uint64_t holds;           /* of a remote one: who reads it now, and << 32 how often somebody did */
    struct mirror_segment *next_held; /* the writer's: of those it holds */
    bool writer_holds;
    atomic_bool used;    /* of a resident one: somebody held it since the evictor asked last */
    atomic_bool damaged; /* a column of it couldn't be used: anybody's */
    bool outgrown;       /* another one has taken over its rows and its heap */

    uint32_t column_count;
    struct mirror_column column[];
};

/* What a write of one column met; the caller folds it into the table's facts. */
struct mirror_column_seen {
    uint32_t flags;
    double low, high; /* rounded outward */
};

static inline uint32_t mirror_segment_place(const struct mirror_segment *segment, uint32_t offset)
{
    const struct mirror_segment_map *map = segment->map;
    if (map == NULL)
        return offset;
    uint64_t below = map->live[offset >> 6] & ((1ull << (offset & 63)) - 1);
    return map->rank[offset >> 6] + (uint32_t)__builtin_popcountll(below);
}

/* A REAL as an integer of the same order (-0.0 below 0.0, NaN outside the infinities), and back. */
static inline int64_t mirror_real_key(double value)
{
    int64_t bits;
    __builtin_memcpy(&bits, &value, sizeof bits);
    return bits ^ (int64_t)((uint64_t)(bits >> 63) >> 1);
}

static inline double mirror_key_real(int64_t key)
{
    int64_t bits = key ^ (int64_t)((uint64_t)(key >> 63) >> 1);
    double value;
    __builtin_memcpy(&value, &bits, sizeof value);
    return value;
}

/* Nearest doubles below and above an integer. */
double mirror_integer_floor(int64_t value);
double mirror_integer_ceiling(int64_t value);

/* No column has a layout yet. */
rhei_status mirror_segment_new(struct mirror *mirror, uint32_t columns, uint32_t capacity, struct mirror_segment **out);
void mirror_segment_free(struct mirror *mirror, struct mirror_segment *segment);
/* Gives an EMPTY column its layout. Rows below `rows` become NULL in it. Owner of the tail. */
rhei_status mirror_segment_materialise(struct mirror *mirror, struct mirror_segment *segment, uint32_t column,
                                       uint8_t layout, uint32_t rows);
/* Bytes that it holds, but for a heap that another segment has taken over. */
size_t mirror_segment_size(const struct mirror_segment *segment);
uint8_t mirror_layout_of(uint32_t classes); /* of a set of class bits */

/* Another segment with the first `rows` rows of this one at the same places and room for more; shares its heap. */
rhei_status mirror_segment_grow(struct mirror *mirror, struct mirror_segment *from, uint32_t capacity, uint32_t rows,
                                struct mirror_segment **out);
/* What the unpublished rows of a segment stand for, for another one of the same rows. */
rhei_status mirror_segment_copy_origin(struct mirror *mirror, const struct mirror_segment *from,
                                       struct mirror_segment *to);
/* Gives back what lies far behind the first `rows` rows. Nobody may write behind `capacity` then. */
void mirror_segment_trim(struct mirror *mirror, struct mirror_segment *segment, uint32_t rows);
/* Bytes of a slot over all columns, without long strings. */
size_t mirror_segment_slot_bytes(const struct mirror_segment *segment);
static inline size_t mirror_layout_bytes(uint8_t layout)
{
    return layout == MIRROR_LAYOUT_MIXED ? 17 : layout == MIRROR_LAYOUT_TEXT || layout == MIRROR_LAYOUT_BLOB ? 16 : 8;
}
/* Bytes in the heap that a row needs. */
size_t mirror_segment_long_bytes(const struct mirror_segment *segment, uint32_t place);

/* Fills the data of a column that came from a file: the first reader does, others wait for that moment. Never fails. */
void mirror_column_fill(struct mirror_column *column);
/* For assertions: the column stays where it is now. */
bool mirror_column_is_held(const struct mirror_column *column);
/* Before `data` or `valid` of a column is looked at; its segment must be held if it is remote. Any thread. */
static inline void mirror_column_touch(const struct mirror_column *column)
{
    BASE_INVARIANT(mirror_column_is_held(column));
    if (atomic_load(&column->untouched))
        mirror_column_fill((struct mirror_column *)(uintptr_t)column);
}

/*
 * While somebody holds a remote segment, the columns that were touched stay. Resident ones stay anyway. Any thread; the segment must
 * be protected by a snapshot or be the writer's.
 */
static inline void mirror_segment_hold(const struct mirror_segment *segment)
{
    if (segment->remote)
        atomic_fetch_add((_Atomic uint64_t *)(uintptr_t)&segment->holds, UINT64_C(1) << 32 | 1);
}
static inline void mirror_segment_let_go(const struct mirror_segment *segment)
{
    if (segment->remote)
        atomic_fetch_sub_explicit((_Atomic uint64_t *)(uintptr_t)&segment->holds, 1, memory_order_release);
}
/* The same for the writer, until it lets go of all of them. */
void mirror_writer_hold(struct mirror *mirror, struct mirror_segment *segment);
void mirror_writer_let_go(struct mirror *mirror);

/* Bytes that a column from a file holds beside the file's; NULL: none. Any thread. */
size_t mirror_foreign_bytes(const struct mirror_foreign *foreign);
/* Frees what `foreign` is. Accepts NULL. */
void mirror_foreign_free(struct mirror *mirror, struct mirror_foreign *foreign);
/* Is the heap so big that dead bytes are counted row by row? */
static inline bool mirror_segment_is_heavy(const struct mirror_segment *segment, uint32_t rows)
{
    return segment->heap != NULL && segment->heap->bytes > (64 << 10) + 48 * (size_t)rows;
}

/*
 * Writes values[i] into slot targets[i] (MIRROR_NO_TARGET: skip), in order. Their classes must fit the layout. Owner of
 * the tail; the slots must be unpublished.
 */
rhei_status mirror_segment_write(struct mirror *mirror, struct mirror_segment *segment, uint32_t column,
                                 const struct rhei_value *values, const uint32_t *targets, size_t count,
                                 struct mirror_column_seen *seen);
/* Counts classes; `rows` becomes final. */
void mirror_segment_seal(struct mirror_segment *segment, uint32_t rows);

/* Asks memory for the key columns of a place. */
void mirror_segment_prefetch(const struct mirror_segment *segment, const struct source_table *definition,
                             uint32_t place);

/* mirror_view_column of `rows` slots of the vector. */
void mirror_segment_column(const struct mirror_segment *segment, uint32_t rows, uint32_t vector, uint32_t column,
                           struct mirror_column_data *out);
/* One cell; text and BLOB borrowed. */
void mirror_segment_value(const struct mirror_segment *segment, uint32_t column, uint32_t place,
                          struct rhei_value *out);

/* The same of many places. */
void mirror_segment_values(const struct mirror_segment *segment, uint32_t column, const uint32_t *places, size_t count,
                           struct rhei_value *out);

/* Bytes that live as long as the segment. */
rhei_status mirror_heap_copy(struct mirror *mirror, struct mirror_segment *segment, const void *bytes, uint32_t length,
                             const char **out);
/* Where the strings of a sealed segment lie: MIRROR_MOST_CHUNKS pieces at most. 0: there are more, or one is too long for an Arrow offset. */
uint32_t mirror_heap_chunks(const struct mirror_segment *segment, const void **chunks, int64_t *lengths);
/* One holder less; the last one frees. Accepts NULL. */
void mirror_heap_free(struct mirror *mirror, struct mirror_heap *heap);

/* Flags of a text beyond its class: MIRROR_NON_ASCII, _INVALID_UTF8, _HAS_NUL. */
uint32_t mirror_text_flags(const char *bytes, uint32_t length, uint32_t known);
/* MIRROR_NOT_WHOLE, _INFINITE, _NEGATIVE_ZERO. */
uint32_t mirror_real_flags(double value);

#endif
